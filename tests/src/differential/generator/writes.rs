//! Changes of rows: of one table, by what others say, with what is returned.
//!
//! Left out is what PostgreSQL itself leaves open: which of several partners an `UPDATE … FROM` takes, which of several
//! equal keys of a query is inserted first.

use super::{Bound, Integer, Key, Random, Text, filter_on, scalar, table};
use crate::differential::corpus::Case;

/// The tables that are changed: name, key or other unique columns, columns to assign with values for them.
struct Changed {
    name: &'static str,
    unique: &'static [&'static str],
    /// Whether the first of them is the sharding key, of type `bigint`.
    by_number: bool,
    values: &'static [(&'static str, &'static [&'static str])],
}

const CHANGED: &[Changed] = &[
    Changed {
        name: "users",
        unique: &["id"],
        by_number: true,
        values: &[
            ("name", &["'w'", "upper('q')", "'a' || 'b'"]),
            ("level", &["1", "NULL", "2 + 3", "DEFAULT"]),
            ("active", &["true", "NOT false"]),
        ],
    },
    Changed {
        name: "orders",
        unique: &["user_id", "id"],
        by_number: true,
        values: &[
            ("qty", &["1", "NULL", "length('abc')"]),
            ("total", &["1.5", "10 / 4.0"]),
            ("note", &["'n'", "DEFAULT"]),
        ],
    },
    Changed {
        name: "child",
        unique: &["kind_id", "n"],
        by_number: true,
        values: &[("v", &["1.5", "DEFAULT"]), ("t", &["'w'", "NULL"])],
    },
    Changed {
        name: "docs",
        unique: &["code"],
        by_number: false,
        values: &[("title", &["'t'"]), ("size", &["1", "NULL"])],
    },
    Changed {
        name: "countries",
        unique: &["code"],
        by_number: false,
        values: &[("name", &["'n'"]), ("population", &["1", "NULL"])],
    },
    Changed {
        name: "audit_log",
        unique: &["id"],
        by_number: true,
        values: &[("actor", &["1", "NULL"]), ("what", &["'x'"])],
    },
    Changed {
        name: "notes",
        unique: &["id"],
        by_number: true,
        values: &[("body", &["'b'", "NULL"])],
    },
];

/// One change.
pub fn change(random: &mut Random, place: String) -> Case {
    let of = &CHANGED[random.below(CHANGED.len())];
    let sql = match random.below(10) {
        0..3 => insert(random, of),
        3 => insert_query(random, of),
        4..7 => update(random, of),
        7 | 8 => delete(random, of),
        _ => merge(random, of),
    };
    Case {
        place,
        sql,
        parameters: None,
        ordered: false,
        writes: true,
    }
}

/// Values of the unique columns: of rows that are there, or of new ones.
fn keys(random: &mut Random, of: &Changed) -> Vec<String> {
    let mut list = Vec::new();
    for at in 0..of.unique.len() {
        list.push(match (of.by_number, at) {
            (false, 0) => format!(
                "'{}'",
                random.pick(&["alpha", "de", "new", "k1", "k2", "zero", "x''y"])
            ),
            (_, 0) => format!("{}", random.below(60)),
            _ => format!("{}", 1 + random.below(6)),
        });
    }
    list
}

fn insert(random: &mut Random, of: &Changed) -> String {
    let taken: Vec<_> = of.values.iter().filter(|_| random.chance(60)).collect();
    let mut columns: Vec<&str> = of.unique.to_vec();
    columns.extend(taken.iter().map(|(name, _)| *name));
    if of.name == "users" && !columns.contains(&"name") {
        columns.push("name");
    }
    if of.name == "countries" && !columns.contains(&"name") {
        columns.push("name");
    }
    let rows: Vec<String> = (0..1 + random.below(4))
        .map(|_| {
            let mut row = keys(random, of);
            for column in &columns[of.unique.len()..] {
                let values = of.values.iter().find(|(name, _)| name == column);
                row.push(
                    random
                        .pick(values.expect("a column of the list").1)
                        .to_owned(),
                );
            }
            format!("({})", row.join(", "))
        })
        .collect();
    let mut sql = format!(
        "INSERT INTO {} ({}) VALUES {}",
        of.name,
        columns.join(", "),
        rows.join(", ")
    );
    let target = of.unique.join(", ");
    let (column, _) = &of.values[random.below(of.values.len())];
    match random.below(5) {
        0 => sql.push_str(" ON CONFLICT DO NOTHING"),
        1 => sql.push_str(&format!(" ON CONFLICT ({target}) DO NOTHING")),
        2 if columns.contains(column) => sql.push_str(&format!(
            " ON CONFLICT ({target}) DO UPDATE SET {column} = excluded.{column}"
        )),
        _ => {}
    }
    returning(random, of, &mut sql);
    sql
}

fn insert_query(random: &mut Random, of: &Changed) -> String {
    let from = table(random);
    let bound = Bound {
        alias: "a".into(),
        table: from,
    };
    let number = bound.column(random, &[Key, Integer]);
    let text = bound.column(random, &[Text]);
    let key = match (of.by_number, number, text) {
        (true, Some((number, _)), _) => format!("{number} % 1000000 + 1000"),
        (false, _, Some((text, _))) => format!("'q' || {text}"),
        _ => return delete(random, of),
    };
    let mut columns = of.unique.to_vec();
    let mut items = vec![key];
    if of.unique.len() > 1 {
        items.push("1".into());
    }
    if matches!(of.name, "users" | "countries") {
        columns.push("name");
        items.push("'made'".into());
    }
    let list = items.join(", ");
    let conflict = random.pick(&["", " ON CONFLICT DO NOTHING"]);
    let mut sql = format!(
        "INSERT INTO {} ({}) SELECT DISTINCT {list} FROM {} a WHERE {}{conflict}",
        of.name,
        columns.join(", "),
        from.name,
        filter_on(random, &bound),
    );
    returning(random, of, &mut sql);
    sql
}

fn condition(random: &mut Random, of: &Changed, alias: &str) -> String {
    let key = of.unique[0];
    let inner = table(random);
    let other = Bound {
        alias: "z".into(),
        table: inner,
    };
    let constant = keys(random, of).swap_remove(0);
    match (of.by_number, random.below(8)) {
        (_, 0) => format!("{alias}.{key} = {constant}"),
        (_, 1) => format!("{alias}.{key} IN ({constant}, {})", keys(random, of)[0]),
        (true, 2) => format!("{alias}.{key} % 3 = 1"),
        (true, 3) => match other.column(random, &[Key, Integer]) {
            Some((column, _)) => format!(
                "{alias}.{key} IN (SELECT {column} FROM {} z WHERE {})",
                inner.name,
                filter_on(random, &other)
            ),
            None => format!("{alias}.{key} > 3"),
        },
        (true, 4) => format!(
            "EXISTS (SELECT 1 FROM {} z WHERE {} = {alias}.{key})",
            inner.name,
            other
                .column(random, &[Key, Integer])
                .map_or_else(|| "1".to_owned(), |(c, _)| c)
        ),
        (true, 5) => format!("{alias}.{key} > (SELECT count(*) FROM {} z)", inner.name),
        _ => format!("{alias}.{} IS NOT NULL", of.values[0].0),
    }
}

fn update(random: &mut Random, of: &Changed) -> String {
    let mut set = Vec::new();
    for (column, values) in of.values {
        if random.chance(40) {
            continue;
        }
        set.push(match random.below(6) {
            0 => format!(
                "{column} = (SELECT {} FROM users z WHERE z.id = 7)",
                match *column {
                    "level" | "qty" | "size" | "population" | "actor" => "z.level",
                    "total" | "v" => "z.score",
                    "active" => "z.active",
                    _ => "z.name",
                }
            ),
            1 => format!("{column} = a.{column}"),
            _ => format!("{column} = {}", random.pick(values)),
        });
    }
    if set.is_empty() || of.by_number && random.chance(12) {
        set.push(match of.by_number {
            true => format!("{0} = a.{0} + 1000", of.unique[0]),
            false => format!("{0} = a.{0} || 'x'", of.unique[0]),
        });
    }
    let mut sql = format!("UPDATE {} a SET {}", of.name, set.join(", "));
    if of.by_number && random.chance(25) {
        // One row of the other table at most for each.
        let other = random.pick(&["users", "kinds", "tenants", "audit_log"]);
        sql.push_str(&format!(
            " FROM {other} b WHERE b.id = a.{} AND {}",
            of.unique[0],
            condition(random, of, "a")
        ));
    } else if random.chance(85) {
        sql.push_str(&format!(" WHERE {}", condition(random, of, "a")));
    }
    if random.chance(40) {
        sql.push_str(&format!(" RETURNING a.{}, a.*", of.unique[0]));
    }
    sql
}

fn delete(random: &mut Random, of: &Changed) -> String {
    let mut sql = format!("DELETE FROM {} a", of.name);
    if of.by_number && random.chance(30) {
        let other = random.pick(&["users", "kinds", "tenants", "audit_log", "notes"]);
        sql.push_str(&format!(
            " USING {other} b WHERE b.id = a.{} AND {}",
            of.unique[0],
            condition(random, of, "a")
        ));
    } else {
        sql.push_str(&format!(" WHERE {}", condition(random, of, "a")));
    }
    if random.chance(40) {
        sql.push_str(&format!(" RETURNING a.{}", of.unique[0]));
    }
    sql
}

fn merge(random: &mut Random, of: &Changed) -> String {
    let (source, key) = match (of.by_number, random.below(5)) {
        (false, _) => ("(SELECT code, name FROM countries) s", "s.code"),
        (_, 0) => ("kinds s", "s.id"),
        (_, 1) => ("users s", "s.id"),
        (_, 2) => ("(SELECT 7 AS id) s", "s.id"),
        (_, 3) => (
            "(SELECT user_id AS id, count(*) AS c FROM orders GROUP BY user_id) s",
            "s.id",
        ),
        _ => ("audit_log s", "s.id"),
    };
    let mut on = format!("a.{} = {key}", of.unique[0]);
    if of.unique.len() > 1 {
        on.push_str(&format!(" AND a.{} = 1", of.unique[1]));
    }
    let (column, values) = &of.values[random.below(of.values.len())];
    let mut sql = format!("MERGE INTO {} a USING {source} ON {on}", of.name);
    match random.below(3) {
        0 => sql.push_str(" WHEN MATCHED THEN DELETE"),
        1 => sql.push_str(&format!(
            " WHEN MATCHED AND {key} IS NOT NULL THEN UPDATE SET {column} = {}",
            random.pick(values)
        )),
        _ => {}
    }
    if random.chance(60) || sql.ends_with(&on) {
        let mut columns = of.unique.to_vec();
        let mut row = vec![key.to_owned()];
        if of.unique.len() > 1 {
            row.push("1".into());
        }
        if matches!(of.name, "users" | "countries") {
            columns.push("name");
            row.push("'merged'".into());
        }
        sql.push_str(&format!(
            " WHEN NOT MATCHED THEN INSERT ({}) VALUES ({})",
            columns.join(", "),
            row.join(", ")
        ));
    }
    sql
}

fn returning(random: &mut Random, of: &Changed, sql: &mut String) {
    if random.chance(40) {
        let bound_scope = [Bound {
            alias: of.name.into(),
            table: match super::TABLES.iter().find(|t| t.name == of.name) {
                Some(table) => table,
                None => return,
            },
        }];
        sql.push_str(&format!(
            " RETURNING {}, {}",
            of.unique.join(", "),
            scalar(random, &bound_scope)
        ));
    }
}
