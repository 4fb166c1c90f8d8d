//! Seeded statements: valid SQL over the bench's schema, from the constructs that routers get wrong.
//!
//! What PostgreSQL itself leaves open is left out, or the comparison would
//! find differences that are none: LIMIT without a total order, sums of
//! fractions in floating point, `string_agg` without ORDER BY.
//!
//! A statement is kept in parts, so that a failing one can be made smaller by
//! leaving parts out while it still fails ([`Generated::smaller`]).

mod expressions;
mod generated;
mod more;
mod random;
mod tables;
pub mod writes;

pub use self::generated::Generated;
pub use self::random::Random;
use self::tables::Kind::{Bool, Integer, Key, Numeric, Odd, Other, Text, Time};
use self::tables::{ANY, Kind, NUMBERS, TABLES, Table};

/// One relation in scope: its alias and table.
struct Bound {
    alias: String,
    table: &'static Table,
}

impl Bound {
    fn column(&self, random: &mut Random, wanted: &[Kind]) -> Option<(String, Kind)> {
        let fitting: Vec<_> = self
            .table
            .columns
            .iter()
            .filter(|(_, k)| wanted.contains(k))
            .collect();
        (!fitting.is_empty()).then(|| {
            let (name, kind) = fitting[random.below(fitting.len())];
            (format!("{}.{name}", self.alias), *kind)
        })
    }
}

/// One statement.
pub fn query(random: &mut Random) -> Generated {
    let mut generated = match random.below(10) {
        0..3 => more::query(random),
        3..5 => expressions::query(random),
        _ => block(random),
    };
    let several = generated
        .whole
        .as_ref()
        .is_some_and(|sql| sql.contains(';'));
    generated.parameters = random.chance(20) && !several;
    generated
}

fn block(random: &mut Random) -> Generated {
    let mut generated = Generated::default();
    let mut scope = Vec::new();
    from(random, &mut generated, &mut scope);
    for _ in 0..random.below(4) {
        let filter = filter(random, &scope, 2);
        generated.filters.push(filter);
    }
    match random.below(10) {
        0..4 => plain(random, &mut generated, &scope),
        4..6 => aggregate(random, &mut generated, &scope),
        6..9 => grouped(random, &mut generated, &scope),
        _ => set_operation(random, &mut generated, &scope),
    }
    generated
}

fn table(random: &mut Random) -> &'static Table {
    // Sharded and co-located tables more often than the rest.
    match random.below(10) {
        0..4 => &TABLES[0],
        4..6 => &TABLES[1],
        6 => &TABLES[2],
        7 => &TABLES[3 + random.below(2)],
        _ => &TABLES[5 + random.below(TABLES.len() - 5)],
    }
}

fn from(random: &mut Random, generated: &mut Generated, scope: &mut Vec<Bound>) {
    let first = table(random);
    let source = match random.below(12) {
        0 => format!(
            "(SELECT * FROM {} WHERE {}) a",
            first.name,
            simple_filter(random, first)
        ),
        1 => {
            generated
                .with
                .push(format!("w AS (SELECT * FROM {})", first.name));
            "w a".to_owned()
        }
        _ => format!("{} a", first.name),
    };
    generated.from = source;
    scope.push(Bound {
        alias: "a".into(),
        table: first,
    });
    for alias in ["b", "c"].iter().take([0, 0, 0, 1, 1, 2][random.below(6)]) {
        let other = table(random);
        let bound = Bound {
            alias: (*alias).into(),
            table: other,
        };
        let left = &scope[random.below(scope.len())];
        let kind = random.pick(&["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
        let condition = match (left.table.key, other.key) {
            (Some(l), Some(r)) if random.chance(75) => format!("{}.{l} = {alias}.{r}", left.alias),
            _ => match (
                left.column(random, &[Integer, Key]),
                bound.column(random, &[Integer, Key]),
                left.column(random, &[Text]),
                bound.column(random, &[Text]),
            ) {
                (_, _, Some((l, _)), Some((r, _))) if random.chance(40) => format!("{l} = {r}"),
                (Some((l, _)), Some((r, _)), ..) => format!("{l} = {r}"),
                (_, _, Some((l, _)), Some((r, _))) => format!("{l} = {r}"),
                _ => "true".into(),
            },
        };
        let extra = if random.chance(20) {
            format!(" AND {}", filter_on(random, &bound))
        } else {
            String::new()
        };
        // FULL JOIN is only supported with merge- or hash-joinable conditions.
        let kind = if kind == "FULL JOIN" && (condition == "true" || !extra.is_empty()) {
            "LEFT JOIN"
        } else {
            kind
        };
        generated.joins.push(format!(
            "{kind} {} {alias} ON {condition}{extra}",
            other.name
        ));
        scope.push(bound);
    }
}

fn simple_filter(random: &mut Random, table: &'static Table) -> String {
    let bound = Bound {
        alias: table.name.into(),
        table,
    };
    filter_on(random, &bound)
}

fn filter_on(random: &mut Random, bound: &Bound) -> String {
    let (column, kind) = bound.column(random, ANY).expect("every table has columns");
    let n = random.below(42) as i64 - 2;
    match kind {
        Key | Integer => match random.below(14) {
            12 => format!("{column} = ANY (ARRAY[{n}, {}])", n + 3),
            13 => format!("({column}, 1) IN (({n}, 1), ({}, 1))", n + 5),
            0..5 => format!("{column} = {n}"),
            5 => format!("{column} IN ({n}, {}, {})", n + 1, n + 7),
            6 => format!("{column} BETWEEN {n} AND {}", n + 9),
            7 => format!("{column} < {n}"),
            8 => format!("{column} >= {n}"),
            9 => format!("{column} <> {n}"),
            10 => format!("{column} = '{n}'"),
            _ => format!("{column} = {n} + 1"),
        },
        Numeric => format!("{column} {} {n}.5", random.pick(&["<", ">", "="])),
        Text => match random.below(4) {
            0 => format!("{column} IS NULL"),
            1 => format!(
                "{column} = '{}'",
                random.pick(&["ann", "de", "alpha", "note 1", "pear", "x''y"])
            ),
            2 => format!("{column} LIKE '%a%'"),
            _ => format!("{column} IN ('de', 'fr', 'alpha', 'ann')"),
        },
        Bool => random
            .pick(&[
                column.as_str(),
                &*format!("NOT {column}"),
                &*format!("{column} IS NOT TRUE"),
            ])
            .to_owned(),
        Time => format!("{column} > '2001-0{}-01'", 1 + random.below(9)),
        Other => format!("{column} = 'ok'"),
        Odd => format!(
            "{column} {}",
            random.pick(&["IS NULL", "IS NOT NULL", "IS DISTINCT FROM NULL"])
        ),
    }
}

fn filter(random: &mut Random, scope: &[Bound], depth: usize) -> String {
    let bound = &scope[random.below(scope.len())];
    if depth == 0 {
        return filter_on(random, bound);
    }
    match random.below(20) {
        0 | 1 => format!(
            "({} OR {})",
            filter(random, scope, depth - 1),
            filter(random, scope, depth - 1)
        ),
        2 => format!("NOT ({})", filter(random, scope, depth - 1)),
        3 => format!(
            "({} AND {})",
            filter(random, scope, depth - 1),
            filter(random, scope, depth - 1)
        ),
        4 => format!("coalesce({}, true)", filter(random, scope, depth - 1)),
        5 | 6 => {
            let inner = table(random);
            let link = match (bound.table.key, inner.key) {
                (Some(outer), Some(key)) => format!("z.{key} = {}.{outer}", bound.alias),
                _ => filter_on(
                    random,
                    &Bound {
                        alias: "z".into(),
                        table: inner,
                    },
                ),
            };
            let not = random.pick(&["", "NOT "]);
            format!("{not}EXISTS (SELECT 1 FROM {} z WHERE {link})", inner.name)
        }
        7 | 8 => {
            let inner = table(random);
            let not = random.pick(&["", "", "NOT "]);
            match (
                bound.column(random, &[Key, Integer]),
                inner
                    .columns
                    .iter()
                    .find(|(_, k)| matches!(k, Key | Integer)),
            ) {
                (Some((column, _)), Some((name, _))) => {
                    format!(
                        "{column} {not}IN (SELECT y.{name} FROM {} y WHERE {} AND y.{name} IS NOT NULL)",
                        inner.name,
                        filter_on(
                            random,
                            &Bound {
                                alias: "y".into(),
                                table: inner
                            }
                        )
                    )
                }
                _ => filter_on(random, bound),
            }
        }
        9 => match bound.column(random, &[Key, Integer]) {
            Some((column, _)) => format!("{column} <= (SELECT max(level) FROM users)"),
            None => filter_on(random, bound),
        },
        _ => filter_on(random, bound),
    }
}

fn scalar(random: &mut Random, scope: &[Bound]) -> String {
    let bound = &scope[random.below(scope.len())];
    let (column, kind) = bound.column(random, ANY).expect("every table has columns");
    if random.chance(60) {
        return column;
    }
    match kind {
        Key | Integer => format!("{column} % {}", 2 + random.below(4)),
        Numeric => format!("{column} * 2"),
        Text => format!("upper({column})"),
        Bool => format!("NOT {column}"),
        Time => format!("{column} IS NULL"),
        Other | Odd => column,
    }
}

fn plain(random: &mut Random, generated: &mut Generated, scope: &[Bound]) {
    for i in 0..1 + random.below(3) {
        generated
            .items
            .push(format!("{} AS x{i}", scalar(random, scope)));
    }
    if random.chance(15) {
        let bound = &scope[0];
        if let Some(key) = bound.table.key {
            generated.items.push(format!(
                "(SELECT count(*) FROM orders s WHERE s.user_id = {}.{key}) AS s",
                bound.alias
            ));
        }
    }
    if random.chance(10) {
        let bound = &scope[0];
        let order: Vec<String> = unique(scope);
        let partition = bound
            .column(random, ANY)
            .expect("every table has columns")
            .0;
        generated.items.push(format!(
            "row_number() OVER (PARTITION BY {partition} ORDER BY {}) AS w",
            order.join(", ")
        ));
    }
    if random.chance(20) {
        generated.distinct = true;
        if random.chance(60) {
            generated.order = (1..=generated.items.len()).map(|i| i.to_string()).collect();
            limits(random, generated);
        }
    } else if random.chance(55) {
        let mut order = Vec::new();
        for _ in 0..random.below(3) {
            order.push(format!(
                "{}{}{}",
                scalar(random, scope),
                random.pick(&["", " DESC", " ASC"]),
                random.pick(&["", " NULLS FIRST", " NULLS LAST"])
            ));
        }
        order.extend(unique(scope));
        generated.order = order;
        limits(random, generated);
    }
}

/// Columns that make an order of joined rows total.
fn unique(scope: &[Bound]) -> Vec<String> {
    scope
        .iter()
        .flat_map(|b| {
            b.table
                .unique
                .iter()
                .map(move |c| format!("{}.{c}", b.alias))
        })
        .collect()
}

fn limits(random: &mut Random, generated: &mut Generated) {
    if random.chance(50) {
        generated.limit = Some(random.pick(&["1", "3", "10", "2 + 3", "0"]).to_owned());
    }
    if random.chance(25) {
        generated.offset = Some(random.pick(&["1", "5", "30"]).to_owned());
    }
}

fn aggregate_call(random: &mut Random, scope: &[Bound]) -> String {
    let bound = &scope[random.below(scope.len())];
    let filter = if random.chance(15) {
        format!(" FILTER (WHERE {})", filter_on(random, bound))
    } else {
        String::new()
    };
    let call = match random.below(12) {
        0..2 => "count(*)".to_owned(),
        3 => format!("count({})", scalar(random, scope)),
        2 | 4 => of_different(random, scope),
        5..10 => match bound.column(random, NUMBERS) {
            Some((column, _)) => {
                format!("{}({column})", random.pick(&["sum", "avg", "min", "max"]))
            }
            None => "count(*)".to_owned(),
        },
        10 => match bound.column(random, &[Text, Time, Integer]) {
            Some((column, _)) => format!("{}({column})", random.pick(&["min", "max"])),
            None => "count(*)".to_owned(),
        },
        _ => match bound.column(random, &[Bool]) {
            Some((column, _)) => format!("{}({column})", random.pick(&["bool_and", "bool_or"])),
            None => "count(*)".to_owned(),
        },
    };
    let call = format!("{call}{filter}");
    match random.below(10) {
        0 => format!("coalesce({call}::text, 'none')"),
        1 if call.starts_with("count") => format!("{call} + 1"),
        2 if call.starts_with("count") => {
            format!("CASE WHEN {call} > 5 THEN 'many' ELSE 'few' END")
        }
        _ => call,
    }
}

/// An aggregate of different values: often of a column that rows are spread by, so that it meets those of others.
fn of_different(random: &mut Random, scope: &[Bound]) -> String {
    let bound = &scope[random.below(scope.len())];
    match (bound.table.key, random.below(3)) {
        (Some(key), 0 | 1) => format!(
            "{}(DISTINCT {}.{key})",
            random.pick(&["count", "count", "min", "max"]),
            bound.alias
        ),
        _ => format!("count(DISTINCT {})", scalar(random, scope)),
    }
}

fn aggregate(random: &mut Random, generated: &mut Generated, scope: &[Bound]) {
    for i in 0..1 + random.below(3) {
        generated
            .items
            .push(format!("{} AS x{i}", aggregate_call(random, scope)));
    }
    if random.chance(15) {
        generated.having = Some(format!("count(*) > {}", random.below(60)));
    }
}

fn grouped(random: &mut Random, generated: &mut Generated, scope: &[Bound]) {
    let keys: Vec<String> = (0..1 + random.below(2))
        .map(|_| scalar(random, scope))
        .collect();
    for (i, key) in keys.iter().enumerate() {
        generated.items.push(format!("{key} AS g{i}"));
    }
    generated.group = match random.below(4) {
        0 => (1..=keys.len()).map(|i| i.to_string()).collect(),
        1 => (0..keys.len()).map(|i| format!("g{i}")).collect(),
        _ => keys,
    };
    for i in 0..random.below(3) {
        generated
            .items
            .push(format!("{} AS x{i}", aggregate_call(random, scope)));
    }
    if random.chance(25) {
        generated.having = Some(format!(
            "{} > {}",
            random.pick(&["count(*)", "count(*) + 1"]),
            random.below(4)
        ));
    }
    if random.chance(50) {
        let mut order: Vec<String> = (0..generated.group.len())
            .map(|i| format!("{} {}", i + 1, random.pick(&["", "DESC", "NULLS FIRST"])))
            .collect();
        if random.chance(30) {
            order.insert(0, "count(*) DESC".into());
        }
        generated.order = order;
        limits(random, generated);
    }
}

fn set_operation(random: &mut Random, generated: &mut Generated, scope: &[Bound]) {
    let (column, kind) = scope[0]
        .column(random, &[Key, Integer, Text])
        .expect("every table has such a column");
    generated.items.push(format!("{column} AS x0"));
    let wanted: &[Kind] = if kind == Text {
        &[Text]
    } else {
        &[Key, Integer]
    };
    let other = table(random);
    let bound = Bound {
        alias: "o".into(),
        table: other,
    };
    let Some((right, _)) = bound.column(random, wanted) else {
        return;
    };
    let op = random.pick(&["UNION", "UNION ALL", "INTERSECT", "EXCEPT"]);
    let arm = Generated {
        items: vec![right],
        from: format!("{} o", other.name),
        filters: if random.chance(50) {
            vec![filter_on(random, &bound)]
        } else {
            Vec::new()
        },
        ..Generated::default()
    };
    generated.set = Some((op.to_owned(), Box::new(arm)));
    if random.chance(50) {
        generated.order = vec!["1".into()];
        limits(random, generated);
    }
}
