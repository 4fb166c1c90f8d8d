//! What predicates prove, statement by statement.

use router_core::sql::predicate::{Facts, Restriction, facts};
use router_core::sql::statement::Name;
use router_core::sql::{lexer, parse};

/// The columns that these tests' tables are known to have.
fn has_column(table: &Name, column: &str) -> Option<bool> {
    let columns: &[&str] = match table.name.as_str() {
        "users" => &["id", "name"],
        "orders" => &["id", "user_id", "note"],
        "items" => &["id", "user_id", "order_id"],
        _ => return None,
    };
    Some(columns.contains(&column))
}

fn read(text: &str) -> (Facts, String) {
    let statement = parse(text, &parse::Options::default());
    let facts = facts(
        &statement,
        text,
        lexer::Options::default(),
        &has_column,
        &|(_, a), (_, b)| a != "note" && b != "note",
    );
    (facts, text.to_owned())
}

/// `u.id = o.user_id <- i.user_id: =5`, one class per piece; classes without use left out.
fn print(text: &str) -> String {
    let (facts, text) = read(text);
    let column = |column: &router_core::sql::predicate::Column| {
        format!("{}.{}", facts.relations[column.relation].alias, column.name)
    };
    let value = |expr: &router_core::sql::statement::Expr| expr.span.of(&text).to_owned();
    let values = |list: &[router_core::sql::statement::Expr]| {
        list.iter().map(value).collect::<Vec<_>>().join(",")
    };
    let mut printed = Vec::new();
    for class in &facts.classes {
        if class.members.len() + class.followers.len() < 2 && class.restrictions.is_empty() {
            continue;
        }
        let mut line = class
            .members
            .iter()
            .map(column)
            .collect::<Vec<_>>()
            .join(" = ");
        if !class.followers.is_empty() {
            line += " <- ";
            line += &class
                .followers
                .iter()
                .map(column)
                .collect::<Vec<_>>()
                .join(", ");
        }
        for restriction in &class.restrictions {
            line += &match restriction {
                Restriction::Equal(expr) => format!(": ={}", value(expr)),
                Restriction::AnyOf(list) => format!(": in {}", values(list)),
                Restriction::AnyOfArray(expr) => format!(": any {}", value(expr)),
                Restriction::Range { low, high } => format!(
                    ": {}..{}",
                    low.as_ref()
                        .map_or(String::new(), |bound| value(&bound.value)),
                    high.as_ref()
                        .map_or(String::new(), |bound| value(&bound.value)),
                ),
            };
        }
        printed.push(line);
    }
    printed.join("; ")
}

#[test]
fn predicates() {
    let cases = [
        ("SELECT * FROM users WHERE id = 5", "users.id: =5"),
        (
            "SELECT * FROM users WHERE 5 = (users.id) AND name = 'x'",
            "users.id: =5; users.name: ='x'",
        ),
        (
            "SELECT * FROM users WHERE id = $1::bigint",
            "users.id: =$1::bigint",
        ),
        ("SELECT * FROM users WHERE id = -5 + 2", "users.id: =-5 + 2"),
        (
            "SELECT * FROM users WHERE id IN (1, $2, '3')",
            "users.id: in 1,$2,'3'",
        ),
        (
            "SELECT * FROM users WHERE id = ANY ($1)",
            "users.id: any $1",
        ),
        (
            "SELECT * FROM users WHERE id = ANY (ARRAY[1,2]::bigint[])",
            "users.id: in 1,2",
        ),
        (
            "SELECT * FROM users WHERE id = 1 OR id = 2 OR id IN (3, 4)",
            "users.id: in 1,2,3,4",
        ),
        // "note" is of a type that passes nothing on.
        (
            "SELECT * FROM users u JOIN orders o ON u.id = o.note AND o.note = '5'",
            "o.note: ='5'",
        ),
        (
            "SELECT * FROM users WHERE id IN (SELECT note FROM orders WHERE note = '5')",
            "orders.note: ='5'",
        ),
        // Constants in a subquery's columns.
        (
            "SELECT * FROM users u JOIN (SELECT 5 AS x, 'a' AS y) v ON u.id = x AND u.name = v.y",
            "u.id: =5; u.name: ='a'",
        ),
        (
            "SELECT * FROM (VALUES (5, 'a'), (-6, NULL)) v(x, y) LEFT JOIN users u ON v.x = u.id",
            "u.id: in 5,-6",
        ),
        (
            "SELECT * FROM users u LEFT JOIN (VALUES (5)) v ON u.id = column1",
            "",
        ),
        (
            "SELECT * FROM users WHERE id IN (VALUES (5), (6))",
            "users.id: in 5,6",
        ),
        (
            "WITH v(x) AS (VALUES ($1::int), ($2::int)) SELECT * FROM users, v WHERE id = v.x",
            "users.id: in $1::int,$2::int",
        ),
        // Of one type only if all are.
        (
            "SELECT * FROM users, (VALUES (5), ('6')) v(x) WHERE id = v.x",
            "",
        ),
        (
            "SELECT * FROM users, (VALUES (5), (6::float8)) v(x) WHERE id = v.x",
            "",
        ),
        (
            "SELECT * FROM users, (VALUES ($1), ($2)) v(x) WHERE id = v.x",
            "",
        ),
        // What the parameter is may be said elsewhere.
        (
            "SELECT * FROM users, (SELECT $1 AS x) v WHERE id = v.x AND name < $1",
            "users.name: ..$1",
        ),
        // A row more than the constants.
        (
            "SELECT * FROM users, (SELECT max(x) AS x FROM (VALUES (5)) w(x)) v WHERE id = v.x",
            "",
        ),
        ("SELECT * FROM users WHERE id = 1 OR name = 'x'", ""),
        ("SELECT * FROM users WHERE NOT id = 1", ""),
        ("SELECT * FROM users WHERE (id = 1) IS TRUE", ""),
        (
            "SELECT * FROM users WHERE CASE WHEN id = 1 THEN true END",
            "",
        ),
        ("SELECT * FROM users WHERE id == 5", ""),
        ("SELECT * FROM users WHERE id = 5 + random()", ""),
        ("SELECT * FROM users WHERE id + 0 = 5", ""),
        (
            "SELECT * FROM users WHERE id > 5 AND id <= 9",
            "users.id: 5..: ..9",
        ),
        (
            "SELECT * FROM users WHERE id BETWEEN 1 AND 2",
            "users.id: 1..2",
        ),
        ("SELECT * FROM users WHERE id NOT IN (1)", ""),
        (
            "SELECT * FROM users WHERE (id, name) = (1, 'x')",
            "users.id: =1; users.name: ='x'",
        ),
        (
            "SELECT * FROM users WHERE (id, name) IN ((1, 'x'), (2, 'y'))",
            "users.id: in 1,2; users.name: in 'x','y'",
        ),
        // Joins.
        (
            "SELECT * FROM users u JOIN orders o ON o.user_id = u.id WHERE u.id = 5",
            "u.id = o.user_id: =5",
        ),
        (
            "SELECT * FROM users u, orders o WHERE user_id = u.id AND o.user_id = 5",
            "o.user_id = u.id: =5",
        ),
        (
            "SELECT * FROM orders o JOIN items i USING (user_id) WHERE user_id = 5",
            "o.user_id = i.user_id: =5",
        ),
        (
            "SELECT * FROM users u LEFT JOIN orders o ON o.user_id = u.id WHERE u.id = 5",
            "u.id <- o.user_id: =5",
        ),
        (
            "SELECT * FROM users u LEFT JOIN orders o ON o.user_id = u.id AND o.user_id = 5",
            "o.user_id: =5; u.id <- o.user_id",
        ),
        (
            "SELECT * FROM users u LEFT JOIN orders o ON o.user_id = u.id AND u.id = 5",
            "u.id <- o.user_id",
        ),
        (
            "SELECT * FROM users u LEFT JOIN orders o ON o.user_id = u.id WHERE o.user_id = 5",
            "o.user_id = u.id: =5",
        ),
        (
            "SELECT * FROM users u RIGHT JOIN orders o ON o.user_id = u.id WHERE o.user_id = 5",
            "o.user_id <- u.id: =5",
        ),
        (
            "SELECT * FROM users u FULL JOIN orders o ON o.user_id = u.id",
            "",
        ),
        (
            "SELECT * FROM users u FULL JOIN orders o ON o.user_id = u.id WHERE u.id = 5",
            "u.id <- o.user_id: =5",
        ),
        (
            "SELECT * FROM users u LEFT JOIN (orders o JOIN items i ON i.user_id = o.user_id) ON o.user_id = u.id",
            "i.user_id = o.user_id; u.id <- i.user_id, o.user_id",
        ),
        ("SELECT * FROM orders a, orders b WHERE user_id = 5", ""),
        // Subqueries.
        (
            "SELECT * FROM users u WHERE u.id = 5 AND EXISTS (SELECT 1 FROM orders o WHERE o.user_id = u.id)",
            "u.id <- o.user_id: =5",
        ),
        (
            "SELECT * FROM users u WHERE u.id IN (SELECT user_id FROM orders)",
            "u.id <- orders.user_id",
        ),
        (
            "SELECT * FROM users u WHERE u.id NOT IN (SELECT user_id FROM orders)",
            "",
        ),
        (
            "SELECT * FROM users WHERE EXISTS (SELECT 1 FROM orders o WHERE o.user_id = 5)",
            "o.user_id: =5",
        ),
        (
            "SELECT * FROM (SELECT user_id AS x FROM orders) s WHERE s.x = 5",
            "orders.user_id: =5",
        ),
        (
            "SELECT * FROM (SELECT * FROM orders) s WHERE user_id = 5",
            "orders.user_id: =5",
        ),
        (
            "SELECT * FROM (SELECT user_id FROM orders LIMIT 1) s WHERE user_id = 5",
            "",
        ),
        (
            "SELECT * FROM (SELECT user_id, count(*) FROM orders GROUP BY user_id) s WHERE user_id = 5",
            "orders.user_id: =5",
        ),
        (
            "SELECT * FROM (SELECT note AS user_id, count(*) FROM orders GROUP BY id) s WHERE user_id = 5",
            "",
        ),
        (
            "SELECT * FROM (SELECT user_id, max(id) FROM orders) s WHERE user_id = 5",
            "",
        ),
        (
            "SELECT * FROM (SELECT id, row_number() OVER () FROM orders) s WHERE id = 5",
            "",
        ),
        (
            "WITH c AS (SELECT user_id FROM orders) SELECT * FROM c WHERE user_id = 5",
            "orders.user_id: =5",
        ),
        (
            "WITH c AS (SELECT user_id FROM orders) SELECT * FROM c JOIN c d ON true WHERE c.user_id = 5",
            "",
        ),
        (
            "WITH users AS (SELECT 1 AS id) SELECT * FROM users WHERE id = 5",
            "",
        ),
        ("SELECT * FROM users AS u (a, b) WHERE a = 5", ""),
        (
            "SELECT * FROM users u, LATERAL (SELECT * FROM orders o WHERE o.user_id = u.id LIMIT 1) x WHERE u.id = 5",
            "u.id <- o.user_id: =5",
        ),
        (
            "SELECT id FROM users WHERE id = 1 UNION SELECT id FROM users WHERE id = 2",
            "users.id: =1; users.id: =2",
        ),
        // Changes.
        ("UPDATE users SET name = 'x' WHERE id = 5", "users.id: =5"),
        (
            "UPDATE users u SET name = 'x' FROM orders o WHERE o.user_id = u.id AND u.id = 5",
            "o.user_id = u.id: =5",
        ),
        (
            "DELETE FROM orders USING users u WHERE user_id = u.id AND u.id = $1",
            "orders.user_id = u.id: =$1",
        ),
        (
            "WITH d AS (DELETE FROM orders WHERE user_id = 5 RETURNING *) SELECT * FROM d",
            "orders.user_id: =5",
        ),
        ("EXPLAIN SELECT * FROM users WHERE id = 5", "users.id: =5"),
    ];
    let mut wrong = Vec::new();
    for (text, expected) in cases {
        let found = print(text);
        if found != expected {
            wrong.push(format!("{text}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sides_of_outer_joins() {
    let (facts, _) = read("SELECT * FROM a LEFT JOIN (SELECT * FROM b) s ON a.x = s.x");
    let sides: Vec<_> = facts
        .relations
        .iter()
        .map(|relation| {
            (
                relation.alias.as_str(),
                relation.preserved,
                relation.nullable,
            )
        })
        .collect();
    assert_eq!(sides, [("a", true, false), ("b", false, true)]);
}
