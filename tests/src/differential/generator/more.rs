//! Statements of constructs that a plain block does not have: grouping sets, windows, ordered aggregates, LATERAL,
//! recursion, nested set operations, `DISTINCT ON`, `WITH TIES`, merged joins.

use super::{
    ANY, Bool, Bound, Generated, Integer, Key, Kind, NUMBERS, Numeric, Random, TABLES, Text, Time,
    aggregate_call, filter, filter_on, from, limits, scalar, table, unique,
};

/// One of them.
pub(super) fn query(random: &mut Random) -> Generated {
    match random.below(12) {
        0 => grouping_sets(random),
        1 => windows(random),
        2 => ordered_aggregates(random),
        3 => lateral(random),
        4 => recursive(random),
        5 => nested_sets(random),
        6 => distinct_on(random),
        7 => with_ties(random),
        8 => merged_join(random),
        9 => aggregated_source(random),
        10 => scalar_queries(random),
        _ => sorted_groups(random),
    }
}

/// A block with its FROM and perhaps conditions.
fn start(random: &mut Random) -> (Generated, Vec<Bound>) {
    let mut generated = Generated::default();
    let mut scope = Vec::new();
    from(random, &mut generated, &mut scope);
    for _ in 0..random.below(3) {
        let condition = filter(random, &scope, 1);
        generated.filters.push(condition);
    }
    (generated, scope)
}

fn bound(alias: &str, name: &str) -> Bound {
    let table = TABLES.iter().find(|t| t.name == name);
    Bound {
        alias: alias.into(),
        table: table.expect("a table of the schema"),
    }
}

fn column(random: &mut Random, scope: &[Bound], wanted: &[Kind]) -> String {
    let bound = &scope[random.below(scope.len())];
    let found = bound.column(random, wanted);
    found.map_or_else(
        || {
            bound
                .column(random, ANY)
                .expect("every table has columns")
                .0
        },
        |(name, _)| name,
    )
}

fn grouping_sets(random: &mut Random) -> Generated {
    let (mut generated, scope) = start(random);
    let a = column(random, &scope, &[Integer, Text, Bool]);
    let b = column(random, &scope, &[Integer, Text, Bool]);
    if a == b {
        return generated_count(generated);
    }
    generated.items = vec![
        format!("{a} AS g0"),
        format!("{b} AS g1"),
        format!("grouping({a}, {b}) AS g2"),
        format!("{} AS x0", aggregate_call(random, &scope)),
    ];
    let form = match random.below(4) {
        0 => format!("ROLLUP ({a}, {b})"),
        1 => format!("CUBE ({a}, {b})"),
        2 => format!("GROUPING SETS (({a}, {b}), ({b}), ())"),
        _ => format!("{a}, ROLLUP ({b})"),
    };
    generated.group = vec![form];
    if random.chance(30) {
        generated.having = Some("count(*) > 1".into());
    }
    if random.chance(50) {
        generated.order = ["3", "1", "2 DESC"].map(String::from).into();
        limits(random, &mut generated);
    }
    generated
}

fn generated_count(mut generated: Generated) -> Generated {
    generated.items = vec!["count(*) AS x0".into()];
    generated
}

fn windows(random: &mut Random) -> Generated {
    let (mut generated, scope) = start(random);
    let order = unique(&scope).join(", ");
    generated.items.extend(unique(&scope));
    for i in 0..1 + random.below(2) {
        let over = match random.below(3) {
            0 => format!("PARTITION BY {} ORDER BY {order}", scalar(random, &scope)),
            1 => format!(
                "PARTITION BY {} ORDER BY {order}",
                column(random, &scope, &[Key, Integer])
            ),
            _ => format!("ORDER BY {order}"),
        };
        let number = column(random, &scope, NUMBERS);
        let any = column(random, &scope, &[Integer, Text, Time]);
        let frame = random.pick(&[
            "",
            " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
            " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING",
            " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
            " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW",
        ]);
        let call = match random.below(8) {
            0 => format!("count({number})"),
            1 => format!("max({any})"),
            2 => format!("lag({any})"),
            3 => format!("lead({any}, 2)"),
            4 => "rank()".to_owned(),
            5 => format!("first_value({any})"),
            6 => "ntile(3)".to_owned(),
            _ => "row_number()".to_owned(),
        };
        let framed =
            call.starts_with("count") || call.starts_with("max") || call.starts_with("first");
        let frame = if framed { frame } else { "" };
        generated
            .items
            .push(format!("{call} OVER ({over}{frame}) AS w{i}"));
    }
    if random.chance(60) {
        generated.order = unique(&scope);
        limits(random, &mut generated);
    }
    generated
}

fn ordered_aggregates(random: &mut Random) -> Generated {
    let (mut generated, scope) = start(random);
    let order = unique(&scope).join(", ");
    if random.chance(60) {
        let key = scalar(random, &scope);
        generated.items.push(format!("{key} AS g0"));
        generated.group.push(key);
    }
    for i in 0..1 + random.below(2) {
        let text = column(random, &scope, &[Text]);
        let number = column(random, &scope, &[Integer]);
        let any = column(random, &scope, ANY);
        let call = match random.below(9) {
            0 => format!("string_agg({text}::text, ',' ORDER BY {order})"),
            1 => format!("array_agg({any} ORDER BY {order} DESC)"),
            2 => format!("json_agg({number} ORDER BY {order})"),
            3 => format!("jsonb_agg({any} ORDER BY {order}) FILTER (WHERE {any} IS NOT NULL)"),
            4 => format!("percentile_disc(0.5) WITHIN GROUP (ORDER BY {number})"),
            5 => format!("mode() WITHIN GROUP (ORDER BY {number})"),
            6 => format!("array_agg(DISTINCT {number} ORDER BY {number})"),
            7 => format!("jsonb_object_agg({number}::text, 1) FILTER (WHERE {number} IS NOT NULL)"),
            _ => format!("rank({}) WITHIN GROUP (ORDER BY {number})", random.below(5)),
        };
        generated.items.push(format!("{call} AS x{i}"));
    }
    if random.chance(50) && !generated.group.is_empty() {
        generated.order = vec!["1".into()];
        limits(random, &mut generated);
    }
    generated
}

fn lateral(random: &mut Random) -> Generated {
    let outer = bound(
        "a",
        random.pick(&["users", "orders", "tenants", "countries"]),
    );
    let inner = bound("l", random.pick(&["orders", "items", "events"]));
    let link = match (outer.table.key, inner.table.key) {
        (Some(o), Some(i)) if random.chance(70) => format!("z.{i} = a.{o}"),
        _ => match (
            outer.column(random, &[Key, Integer]),
            inner.table.columns.iter().find(|(_, k)| *k == Integer),
        ) {
            (Some((o, _)), Some((i, _))) => format!("z.{i} > {o}"),
            _ => "true".to_owned(),
        },
    };
    let name = inner.table.name;
    let body = match random.below(3) {
        0 => format!("SELECT count(*) AS n FROM {name} z WHERE {link}"),
        1 => {
            let columns: Vec<String> = inner
                .table
                .unique
                .iter()
                .map(|c| format!("z.{c}"))
                .collect();
            let list = columns.join(", ");
            format!("SELECT {list} FROM {name} z WHERE {link} ORDER BY {list} LIMIT 2")
        }
        _ => format!("SELECT z.* FROM {name} z WHERE {link}"),
    };
    let kind = random.pick(&["CROSS JOIN LATERAL", "LEFT JOIN LATERAL"]);
    let on = if kind.starts_with("LEFT") {
        " ON true"
    } else {
        ""
    };
    let mut items: Vec<String> = outer
        .table
        .unique
        .iter()
        .map(|c| format!("a.{c}"))
        .collect();
    items.push("l.*".into());
    Generated {
        items,
        from: format!("{} a", outer.table.name),
        joins: vec![format!("{kind} ({body}) l{on}")],
        filters: match random.chance(50) {
            true => vec![filter_on(random, &outer)],
            false => Vec::new(),
        },
        ..Generated::default()
    }
}

fn recursive(random: &mut Random) -> Generated {
    let depth = 2 + random.below(4);
    let (cte, item) = match random.below(3) {
        0 => (
            format!("r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {depth})"),
            "r.n",
        ),
        1 => (
            format!(
                "r(n, d) AS (SELECT id, 1 FROM users WHERE id BETWEEN 0 AND 3 UNION ALL \
                 SELECT u.id, r.d + 1 FROM users u JOIN r ON u.id = r.n + 1 WHERE r.d < {depth})"
            ),
            "r.d",
        ),
        _ => (
            format!(
                "r(n) AS (SELECT max(id) FROM tenants UNION SELECT n - 3 FROM r WHERE n > {depth})"
            ),
            "r.n",
        ),
    };
    let other = table(random);
    let other = Bound {
        alias: "a".into(),
        table: other,
    };
    let mut generated = Generated {
        with: vec![cte],
        recursive: true,
        items: vec![format!("{item} AS x0")],
        from: "r".into(),
        ..Generated::default()
    };
    if let (true, Some((key, _))) = (random.chance(60), other.column(random, &[Key, Integer])) {
        generated.joins.push(format!(
            "{} {} a ON {key} = r.n",
            random.pick(&["JOIN", "LEFT JOIN"]),
            other.table.name
        ));
        generated
            .items
            .extend(other.table.unique.iter().map(|c| format!("a.{c}")));
        if random.chance(40) {
            generated.filters.push(filter_on(random, &other));
        }
    }
    generated
}

fn arm(random: &mut Random, kinds: &[Kind], alias: &str) -> Option<Generated> {
    let bound = Bound {
        alias: alias.into(),
        table: table(random),
    };
    let (column, _) = bound.column(random, kinds)?;
    Some(Generated {
        distinct: random.chance(15),
        items: vec![column],
        from: format!("{} {alias}", bound.table.name),
        filters: match random.chance(60) {
            true => vec![filter_on(random, &bound)],
            false => Vec::new(),
        },
        ..Generated::default()
    })
}

fn nested_sets(random: &mut Random) -> Generated {
    let kinds: &[Kind] = match random.chance(40) {
        true => &[Text],
        false => &[Key, Integer],
    };
    let mut arms = Vec::new();
    while arms.len() < 3 {
        arms.extend(arm(random, kinds, ["a", "b", "c"][arms.len()]));
    }
    let op = |random: &mut Random| {
        random
            .pick(&[
                "UNION",
                "UNION ALL",
                "INTERSECT",
                "EXCEPT",
                "INTERSECT ALL",
                "EXCEPT ALL",
            ])
            .to_owned()
    };
    let (first, second) = (op(random), op(random));
    let (a, b, c) = (arms[0].sql(), arms[1].sql(), arms[2].sql());
    let body = match random.below(3) {
        0 => format!("({a}) {first} ({b}) {second} ({c})"),
        1 => format!("(({a}) {first} ({b})) {second} ({c})"),
        _ => format!("({a}) {first} (({b}) {second} ({c}))"),
    };
    let mut generated = Generated::default();
    match random.below(3) {
        0 => generated.whole = Some(body),
        1 => {
            generated.items = vec!["s.x AS x0".into(), "count(*) AS n".into()];
            generated.from = format!("({body}) s(x)");
            generated.group = vec!["s.x".into()];
        }
        _ => {
            generated.items = vec!["z.id AS x0".into()];
            generated.from = "users z".into();
            let cast = if kinds == [Text] { "name" } else { "id" };
            generated.filters = vec![format!("z.{cast} IN ({body})")];
        }
    }
    if random.chance(50) && generated.group.is_empty() {
        generated.order = vec!["1".into()];
        limits(random, &mut generated);
    }
    generated
}

fn distinct_on(random: &mut Random) -> Generated {
    let (mut generated, scope) = start(random);
    let key = scalar(random, &scope);
    generated.distinct_on = vec![key.clone()];
    for i in 0..1 + random.below(2) {
        let item = scalar(random, &scope);
        generated.items.push(format!("{item} AS x{i}"));
    }
    generated.order = vec![format!(
        "{key}{}",
        random.pick(&["", " DESC", " NULLS FIRST"])
    )];
    generated.order.extend(unique(&scope));
    limits(random, &mut generated);
    generated
}

fn with_ties(random: &mut Random) -> Generated {
    let (mut generated, scope) = start(random);
    let key = column(random, &scope, &[Integer, Text, Numeric, Time]);
    generated.items = vec![format!("{key} AS x0")];
    generated.items.extend(unique(&scope));
    generated.order = vec![format!(
        "{key}{}",
        random.pick(&["", " DESC", " NULLS FIRST"])
    )];
    // An OFFSET would choose among equal rows.
    generated.ties = Some((1 + random.below(6)).to_string());
    generated
}

fn merged_join(random: &mut Random) -> Generated {
    let (left, join, items) = match random.below(6) {
        0 => (
            "orders a",
            "JOIN items b USING (user_id)",
            "user_id, a.id, b.n",
        ),
        1 => (
            "orders a",
            "LEFT JOIN items b USING (user_id)",
            "user_id, a.id, b.order_id, b.n",
        ),
        2 => (
            "orders a",
            "FULL JOIN items b USING (user_id)",
            "user_id, a.id, b.order_id, b.n",
        ),
        3 => ("tenants a", "NATURAL JOIN events b", "*"),
        4 => ("tenants a", "NATURAL LEFT JOIN audit_log b", "*"),
        _ => ("users a", "JOIN tenants b USING (id)", "id, a.name, b.plan"),
    };
    let alias = left.split(' ').next().unwrap_or_default();
    let mut generated = Generated {
        items: vec![items.to_owned()],
        from: left.to_owned(),
        joins: vec![join.to_owned()],
        ..Generated::default()
    };
    if random.chance(50) {
        generated
            .filters
            .push(filter_on(random, &bound("a", alias)));
    }
    if random.chance(40) {
        let key = if items.starts_with("user_id") {
            "user_id"
        } else {
            "id"
        };
        generated.items = vec![format!("{key} AS g0"), "count(*) AS n".into()];
        generated.group = vec![key.into()];
        generated.order = vec!["1".into()];
        limits(random, &mut generated);
    }
    generated
}

fn aggregated_source(random: &mut Random) -> Generated {
    let inner = bound("z", random.pick(&["orders", "items", "users", "events"]));
    let key = inner
        .column(random, &[Key, Integer, Text])
        .expect("every table has such a column")
        .0;
    let call = aggregate_call(random, std::slice::from_ref(&inner));
    let body = format!(
        "SELECT {key} AS k, {call} AS n FROM {} z GROUP BY {key}",
        inner.table.name
    );
    let with = random.chance(50);
    let mut generated = Generated {
        items: vec!["s.k AS x0".into(), "s.n AS x1".into()],
        from: if with {
            "s".into()
        } else {
            format!("({body}) s")
        },
        ..Generated::default()
    };
    if with {
        let hint = random.pick(&["", "MATERIALIZED ", "NOT MATERIALIZED "]);
        generated.with = vec![format!("s AS {hint}({body})")];
    }
    if random.chance(40) {
        let other = bound("a", random.pick(&["users", "countries", "tenants"]));
        let text = key.ends_with("name")
            || key.ends_with("email")
            || key.ends_with("country")
            || key.ends_with("note")
            || key.ends_with("sku")
            || key.ends_with("kind");
        let on = other
            .column(random, if text { &[Text] } else { &[Key, Integer] })
            .map(|(c, _)| format!("{c} = s.k"));
        if let Some(on) = on {
            generated
                .joins
                .push(format!("LEFT JOIN {} a ON {on}", other.table.name));
            generated
                .items
                .extend(other.table.unique.iter().map(|c| format!("a.{c}")));
        }
    } else if random.chance(50) {
        generated.items = vec!["count(*) AS c".into(), "count(s.k) AS d".into()];
    }
    generated
}

fn scalar_queries(random: &mut Random) -> Generated {
    let (mut generated, scope) = start(random);
    generated.items = unique(&scope);
    let number = column(random, &scope, &[Key, Integer]);
    generated.items.push(match random.below(5) {
        0 => format!("(SELECT max(y.qty) FROM orders y WHERE y.user_id = {number}) AS q"),
        1 => "(SELECT sum(population) FROM countries) AS q".to_owned(),
        2 => "(SELECT count(*) FROM users) AS q".to_owned(),
        3 => format!(
            "ARRAY(SELECT y.id FROM orders y WHERE y.user_id = {number} ORDER BY y.id) AS q"
        ),
        _ => format!("{number} IN (SELECT y.user_id FROM items y) AS q"),
    });
    if random.chance(50) {
        generated.order = unique(&scope);
        limits(random, &mut generated);
    }
    generated
}

/// Groups that are sorted by what is not selected, or kept by more than a count.
fn sorted_groups(random: &mut Random) -> Generated {
    let (mut generated, scope) = start(random);
    let key = scalar(random, &scope);
    generated.items = vec![format!("{key} AS g0")];
    generated
        .items
        .push(format!("{} AS x0", aggregate_call(random, &scope)));
    generated.group = vec![key.clone()];
    let number = column(random, &scope, NUMBERS);
    if random.chance(60) {
        generated.having = Some(match random.below(4) {
            0 => format!("max({number}) > min({number})"),
            1 => format!("sum({number}) > avg({number})"),
            2 => "count(*) > (SELECT count(*) FROM tenants) / 4".to_owned(),
            _ => format!(
                "bool_or({}) AND count(*) < 50",
                filter_on(random, &scope[0])
            ),
        });
    }
    generated.order = vec![
        format!(
            "{}({number}){}",
            random.pick(&["max", "min", "count", "avg"]),
            random.pick(&["", " DESC", " NULLS FIRST"])
        ),
        "count(*) DESC".into(),
        "1".into(),
    ];
    limits(random, &mut generated);
    generated
}
