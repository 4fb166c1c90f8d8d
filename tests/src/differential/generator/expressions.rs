//! Statements about what expressions come to: operators of every sort of type, sets in FROM, frames, quantifiers, rows,
//! recursion with SEARCH and CYCLE, sharding keys of two columns, settings that change what a text means.
//!
//! Values that are equal and look different (numeric 1.5 and 1.50, intervals, padded text) are not grouped by, and
//! nothing here raises an error for some rows.

use super::{Generated, Random, limits};

/// Expressions over `kinds k`, of types whose equal values look alike.
const SCALARS: &[&str] = &[
    "k.data -> 'a'",
    "k.data ->> 'a'",
    "k.data #>> '{b,1}'",
    "jsonb_typeof(k.data)",
    "k.data ? 'a'",
    "k.data @> '{\"a\": 1}'",
    "jsonb_path_exists(k.data, '$.b[*] ? (@ > 1)')",
    "k.doc ->> 'a'",
    "k.list[1]",
    "k.list[2:3]",
    "array_length(k.list, 1)",
    "k.list @> ARRAY[1]",
    "1 = ANY (k.list)",
    "0 < ALL (k.list)",
    "array_position(k.list, 2)",
    "k.words || 'z'::text",
    "cardinality(k.words)",
    "array_to_string(k.words, ',', '*')",
    "k.period @> 4",
    "lower(k.period)",
    "isempty(k.period)",
    "k.period * int4range(2, 6)",
    "k.period && int4range(8, 10)",
    "k.many @> 2",
    "extract(day FROM k.span)",
    "k.span > interval '1 day'",
    "justify_hours(k.span)::text",
    "k.stamp AT TIME ZONE 'Asia/Tokyo'",
    "date_trunc('month', k.moment)",
    "k.moment + interval '1 month'",
    "k.moment - timestamp '2024-01-01'",
    "k.day + 1",
    "k.day < date '2000-01-01'",
    "isfinite(k.day)",
    "to_char(k.moment, 'YYYY-MM-DD HH24:MI')",
    "(k.moment, interval '1 day') OVERLAPS (timestamp '2024-01-15', interval '2 days')",
    "k.clock + interval '2 hours'",
    "k.f > 1",
    "k.f = 'NaN'",
    "sign(k.r)",
    "floor(k.amount)",
    "k.amount::integer",
    "width_bucket(k.amount, -5, 5, 4)",
    "k.big / 3",
    "k.big % 7",
    "k.small + 40",
    "k.small::text || '!'",
    "k.small # 5",
    "k.short COLLATE \"C\" < 'm'",
    "k.short > 'X'",
    "k.short LIKE '_'",
    "k.short ILIKE 'z%'",
    "k.short SIMILAR TO '(x|yy)'",
    "k.short ~ '^[xy]'",
    "k.padded = 'ab'",
    "k.padded || '|'",
    "length(k.padded)",
    "substring(k.padded FROM 2 FOR 2)",
    "overlay(k.short PLACING 'q' FROM 1)",
    "trim(BOTH 'x' FROM k.short)",
    "position('b' IN k.padded)",
    "coalesce(k.short, k.padded, 'none')",
    "nullif(k.small, 1)",
    "greatest(k.small, 2)",
    "k.small IS DISTINCT FROM 2",
    "k.yes IS NOT FALSE",
    "(k.small, k.short) IS NULL",
    "(k.small, k.big) < (2, 0)",
    "(k.small, k.id) IN ((1, 2), (2, 3), (NULL, 4))",
    "k.small NOT IN (1, NULL)",
    "k.small BETWEEN SYMMETRIC 3 AND 1",
    "CASE k.small WHEN 1 THEN 'one' WHEN 2 THEN 'two' END",
    "CASE WHEN k.yes THEN k.small ELSE -1 END",
    "k.net << inet '10.0.0.0/8'",
    "host(k.net)",
    "k.flags & B'0110'",
    "get_bit(k.flags, 1)",
    "k.cash > '0'::money",
    "k.letter = 'a'",
    "k.label || 'x'",
    "encode(k.bin, 'hex')",
    "md5(k.short)",
    "k.made > '00000000-0000-0000-0000-000000000002'",
    "k.place IS NULL",
    "k.place <-> point '(1,1)' < 1",
    "ROW(k.small, k.short) = ROW(1, 'x')",
    "ROW(k.small, k.yes)::text",
    "num_nulls(k.small, k.short, k.day)",
    "to_jsonb(k.small)",
    "jsonb_build_object('s', k.small, 't', k.short)",
    "string_to_array(k.padded, 'b')",
];

/// Those of them that are conditions.
fn condition(random: &mut Random) -> String {
    let n = random.below(34) as i64 - 3;
    let pick = |random: &mut Random| loop {
        let one = random.pick(SCALARS);
        let is = [
            " @> ", " < ", " > ", " = ", " IS ", " IN ", "LIKE", "BETWEEN", "SIMILAR", " ~ ",
            " << ", "OVERLAPS",
        ];
        if is.iter().any(|op| one.contains(op))
            && !one.starts_with("trim")
            && !one.starts_with("CASE")
            && !one.starts_with("position")
        {
            return one.to_owned();
        }
    };
    match random.below(10) {
        0 => format!("k.id = {n}"),
        1 => format!("k.id IN ({n}, {}, NULL)", n + 4),
        2 => format!("k.id = ANY ('{{{n},{},NULL}}')", n + 2),
        3 => format!("NOT ({})", pick(random)),
        4 => format!("({} OR k.id = {n})", pick(random)),
        5 => format!("({}) IS NOT TRUE", pick(random)),
        6 => format!("k.id > ALL (SELECT t.id FROM tenants t WHERE t.id < {n})"),
        7 => format!(
            "k.small = ANY (SELECT c.n FROM child c WHERE c.kind_id {} k.id)",
            random.pick(&["=", "<"])
        ),
        8 => "(k.id, k.small) IN (SELECT c.kind_id, c.n FROM child c)".to_owned(),
        _ => pick(random),
    }
}

/// One statement.
pub(super) fn query(random: &mut Random) -> Generated {
    match random.below(10) {
        0..3 => rows(random),
        3..5 => groups(random),
        5 => sets_in_from(random),
        6 => frames(random),
        7 if random.chance(30) => recursion(random),
        7 => rows(random),
        8 => other_keys(random),
        _ => lists(random),
    }
}

fn conditions(random: &mut Random, most: usize) -> Vec<String> {
    (0..random.below(most + 1))
        .map(|_| condition(random))
        .collect()
}

fn rows(random: &mut Random) -> Generated {
    let mut generated = Generated {
        items: vec!["k.id".into()],
        from: "kinds k".into(),
        filters: conditions(random, 2),
        ..Generated::default()
    };
    for i in 0..1 + random.below(3) {
        generated
            .items
            .push(format!("{} AS x{i}", random.pick(SCALARS)));
    }
    if random.chance(30) {
        generated.joins.push(random.pick(&[
            "JOIN child c ON c.kind_id = k.id",
            "LEFT JOIN child c ON c.kind_id = k.id AND c.n > 1",
            "LEFT JOIN users c ON c.id = k.small",
            "JOIN LATERAL (SELECT max(z.v) AS n FROM child z WHERE z.kind_id = k.id) c ON true",
        ]).to_owned());
        let with_n = !generated.joins[0].contains("users");
        generated.items.push(if with_n {
            "c.n".into()
        } else {
            "c.name".into()
        });
    }
    if random.chance(60) {
        let first = random.pick(SCALARS);
        // JSON has no order.
        if !first.starts_with("k.doc") {
            generated.order.push(format!(
                "{first}{}",
                random.pick(&["", " DESC", " NULLS FIRST"])
            ));
        }
        generated.order.extend(
            generated
                .items
                .iter()
                .filter(|i| !i.contains(" AS "))
                .cloned()
                .collect::<Vec<_>>(),
        );
        limits(random, &mut generated);
    }
    generated
}

fn groups(random: &mut Random) -> Generated {
    let key = random.pick(SCALARS);
    let mut generated = Generated {
        items: vec![format!("{key} AS g0")],
        from: "kinds k".into(),
        filters: conditions(random, 2),
        group: vec![random.pick(&["1", "g0", key]).to_owned()],
        ..Generated::default()
    };
    for i in 0..1 + random.below(3) {
        let one = random.pick(SCALARS);
        generated.items.push(match random.below(12) {
            0 => format!("count({one}) AS x{i}"),
            1 => format!("count(DISTINCT {one}) AS x{i}"),
            2 => format!("count(*) FILTER (WHERE {}) AS x{i}", condition(random)),
            3 => format!("max(k.day) - min(k.day) AS x{i}"),
            4 => format!("sum(k.small) + max(k.id) AS x{i}"),
            5 => format!("avg(k.amount)::text AS x{i}"),
            6 => format!("array_agg({one} ORDER BY k.id) AS x{i}"),
            7 => format!("bool_and(k.yes) OR every(k.small > 0) AS x{i}"),
            8 => format!("bit_or(k.small) AS x{i}"),
            9 => format!("max(k.short COLLATE \"C\") || min(k.padded) AS x{i}"),
            10 => format!("range_agg(k.period) AS x{i}"),
            _ => format!("sum(DISTINCT k.small) AS x{i}"),
        });
    }
    if random.chance(30) {
        generated.having = Some(
            random
                .pick(&[
                    "count(*) > 2",
                    "max(k.id) > (SELECT count(*) FROM tenants)",
                    "bool_or(k.yes)",
                    "sum(k.small) IS DISTINCT FROM 3",
                ])
                .to_owned(),
        );
    }
    if random.chance(50) && !key.starts_with("k.doc") {
        generated.order = vec![format!("1{}", random.pick(&["", " DESC", " NULLS FIRST"]))];
        limits(random, &mut generated);
    }
    generated
}

fn sets_in_from(random: &mut Random) -> Generated {
    let (from, items) = match random.below(8) {
        0 => (
            "kinds k, unnest(k.list) WITH ORDINALITY u(x, o)",
            "k.id, u.x, u.o",
        ),
        1 => (
            "kinds k CROSS JOIN LATERAL generate_series(1, k.small) u(x)",
            "k.id, u.x",
        ),
        2 => (
            "kinds k LEFT JOIN LATERAL unnest(k.words) u(x) ON true",
            "k.id, u.x",
        ),
        3 => (
            "kinds k, ROWS FROM (unnest(k.list), generate_series(1, 2)) u(x, y)",
            "k.id, u.x, u.y",
        ),
        4 => (
            "kinds k, jsonb_array_elements(CASE WHEN jsonb_typeof(k.data) = 'array' THEN k.data ELSE '[]' END) u(x)",
            "k.id, u.x",
        ),
        5 => (
            "kinds k, regexp_split_to_table(k.padded, 'b') u(x)",
            "k.id, u.x",
        ),
        6 => (
            "kinds k JOIN (VALUES (1, 'one'), (2, 'two'), (NULL, 'none')) u(x, y) ON u.x = k.small",
            "k.id, u.y",
        ),
        _ => (
            "generate_series(-3, 8) u(x) LEFT JOIN kinds k ON k.id = u.x",
            "u.x, k.id, k.short",
        ),
    };
    let mut generated = Generated {
        items: vec![items.to_owned()],
        from: from.to_owned(),
        filters: conditions(random, 1),
        ..Generated::default()
    };
    if random.chance(30) {
        generated.items = vec![
            "u.x AS g0".into(),
            "count(*) AS n".into(),
            "min(k.id) AS m".into(),
        ];
        if from.contains("unnest(k.list)") || from.contains("series") || from.contains("VALUES") {
            generated.group = vec!["1".into()];
            generated.order = vec!["1".into()];
        } else {
            generated.items.remove(0);
        }
    }
    generated
}

fn frames(random: &mut Random) -> Generated {
    let order = random.pick(&[
        "k.small, k.id",
        "k.id DESC",
        "k.short COLLATE \"C\" NULLS FIRST, k.id",
    ]);
    let partition = random.pick(&[
        "",
        "PARTITION BY k.yes ",
        "PARTITION BY k.id % 3 ",
        "PARTITION BY k.id ",
    ]);
    let frame = random.pick(&[
        "",
        "GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
        "GROUPS CURRENT ROW EXCLUDE TIES",
        "ROWS BETWEEN 2 PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE GROUP",
        "ROWS UNBOUNDED PRECEDING",
    ]);
    let call = random.pick(&[
        "count(*)",
        "sum(k.small)",
        "array_agg(k.id)",
        "nth_value(k.id, 2)",
        "last_value(k.short)",
        "count(k.small) FILTER (WHERE k.yes)",
    ]);
    let window = format!("{partition}ORDER BY {order}");
    let mut generated = Generated::default();
    let filters = conditions(random, 1);
    let filter = if filters.is_empty() {
        String::new()
    } else {
        format!(" WHERE {}", filters.join(" AND "))
    };
    generated.whole = Some(match random.below(3) {
        0 => format!(
            "SELECT k.id, {call} OVER (w {frame}) AS x FROM kinds k{filter} WINDOW w AS ({window})"
        ),
        1 => format!(
            "SELECT k.id, {call} OVER ({partition}ORDER BY k.id RANGE BETWEEN 3 PRECEDING AND 2 FOLLOWING) AS x, dense_rank() OVER w AS y FROM kinds k{filter} WINDOW w AS (ORDER BY k.small)"
        ),
        _ => format!(
            "SELECT * FROM (SELECT k.id, {call} OVER ({window} {frame}) AS x, percent_rank() OVER ({window}) AS y FROM kinds k{filter}) s WHERE s.y < 0.6"
        ),
    });
    if random.chance(60) {
        generated.order = vec!["1".into()];
        limits(random, &mut generated);
    }
    generated
}

fn recursion(random: &mut Random) -> Generated {
    let n = 1 + random.below(5);
    let step = format!(
        "SELECT z.id, z.level, 1 FROM users z WHERE z.id BETWEEN 1 AND {n} UNION ALL SELECT u.id, u.level, r.d + 1 FROM users u JOIN r ON u.id = r.id + {n} WHERE r.d < 4"
    );
    let tail = match random.below(4) {
        0 => format!(
            "WITH RECURSIVE r(id, level, d) AS ({step}) SEARCH DEPTH FIRST BY id SET seq SELECT id, d, seq::text FROM r"
        ),
        1 => format!(
            "WITH RECURSIVE r(id, level, d) AS ({step}) SEARCH BREADTH FIRST BY id SET seq SELECT id, d FROM r ORDER BY seq, id, d"
        ),
        2 => format!(
            "WITH RECURSIVE r(id, level, d) AS ({step}) CYCLE level SET is_cycle USING path SELECT id, d, is_cycle FROM r"
        ),
        _ => format!(
            "WITH RECURSIVE r(id, level, d) AS ({step}) SELECT level, count(*), max(d) FROM r GROUP BY level ORDER BY level"
        ),
    };
    Generated {
        whole: Some(tail),
        ..Generated::default()
    }
}

/// Keys of two columns, of type `uuid`, and of text; composites, domains, a schema of its own.
fn other_keys(random: &mut Random) -> Generated {
    let (d, k) = (1 + random.below(9), 1 + random.below(4));
    let sql = match random.below(14) {
        0 => format!("SELECT * FROM readings r WHERE r.device = {d} AND r.day = 'd{k}'"),
        1 => format!("SELECT * FROM readings r WHERE r.device = {d}"),
        2 => format!("SELECT * FROM readings r WHERE (r.device, r.day) IN (({d}, 'd{k}'), ({}, 'd1'), (NULL, 'd2'))", d + 1),
        3 => format!("SELECT a.device, b.day, a.value FROM readings a JOIN readings b USING (device, day) WHERE b.device < {d}"),
        4 => format!("SELECT a.device, b.day FROM readings a LEFT JOIN readings b ON a.device = b.device AND b.day = 'd{k}'"),
        5 => format!("SELECT r.day, count(*), max(r.device) FROM readings r WHERE r.device IN ({d}, {k}) GROUP BY r.day HAVING count(*) > 1"),
        6 => format!("SELECT r.device, r.day, count(*) FROM readings r GROUP BY 1, 2 HAVING r.device > {d} ORDER BY 2, 1"),
        7 => format!("SELECT l.id, u.name FROM logins l JOIN users u ON u.id = l.user_id WHERE l.id > '00000000-0000-4000-8000-00000000{d}000'"),
        8 => format!("SELECT l.user_id, min(l.at), count(DISTINCT l.id) FROM logins l WHERE l.user_id <> {d} GROUP BY l.user_id"),
        9 => format!("SELECT l.user_id, (l.home).zip, l.age + 1, l.moods[1] FROM crm.leads l WHERE l.user_id = {d} OR (l.home).zip = {k}"),
        10 => "SELECT l.source, count(*), max(l.age) FROM crm.leads l GROUP BY l.source ORDER BY l.source".to_owned(),
        11 => format!("SELECT l.user_id, l.n, u.name FROM crm.leads l JOIN users u ON u.id = l.user_id AND l.n = {k} WHERE l.source IS NOT NULL"),
        12 => format!("SELECT p.kind, count(*), sum(p.v) FROM parts p WHERE p.id > {d} GROUP BY p.kind"),
        _ => format!("SELECT d.code, e.weight FROM docs d JOIN events e ON e.weight = d.size WHERE d.code IN ('alpha', 'zero', 'x''y') AND e.id > {d}"),
    };
    Generated {
        whole: Some(sql),
        ..Generated::default()
    }
}

/// VALUES, TABLE, quantifiers over them, subqueries in odd places, and settings around a statement.
fn lists(random: &mut Random) -> Generated {
    let n = random.below(30);
    let sql = match random.below(13) {
        0 => format!("VALUES ({n}, (SELECT count(*) FROM users)), (2, NULL)"),
        1 => format!(
            "SELECT v.a, u.name FROM (VALUES ({n}), (3), (NULL)) v(a) LEFT JOIN users u ON u.id = v.a"
        ),
        2 => "TABLE tenants".to_owned(),
        3 => format!(
            "SELECT u.id FROM users u WHERE u.level >= ALL (SELECT z.level FROM users z WHERE z.country = u.country AND z.level IS NOT NULL) AND u.id < {n}"
        ),
        4 => format!(
            "SELECT u.id, u.level NOT IN (SELECT o.qty FROM orders o WHERE o.user_id = {n}) AS x FROM users u WHERE u.id BETWEEN 0 AND 9"
        ),
        5 => format!(
            "SELECT count(*), count(DISTINCT (u.country, u.active)) FROM users u WHERE u.id <> {n}"
        ),
        6 => format!(
            "SELECT (SELECT u.name FROM users u WHERE u.id = {n}) AS a, EXISTS (SELECT FROM orders o WHERE o.user_id = {n} AND o.qty > 2) AS b"
        ),
        7 => format!(
            "SELECT u.id, row_to_json(u)::jsonb - 'mood' AS x FROM (SELECT id, name, mood FROM users) u WHERE u.id < {n}"
        ),
        8 => format!("SELECT u FROM (SELECT id, name FROM users) u WHERE u.id IN ({n}, 3)"),
        9 => format!(
            "SET TimeZone TO 'Asia/Tokyo'; SELECT k.id, k.stamp, k.zoned FROM kinds k WHERE k.stamp > '2024-01-15 20:30' OR k.id = {n} ORDER BY k.id; RESET TimeZone"
        ),
        10 => format!(
            "SET DateStyle TO 'SQL, DMY'; SELECT k.id, k.day, k.moment FROM kinds k WHERE k.day = '29/02/2024' OR k.id > {n} ORDER BY k.day, k.id; RESET DateStyle"
        ),
        11 => format!(
            "SET IntervalStyle TO 'iso_8601'; SELECT k.span::text AS s, count(*) FROM kinds k WHERE k.id > {n} GROUP BY 1 ORDER BY 1; RESET IntervalStyle"
        ),
        _ => format!(
            "SET extra_float_digits TO 0; SELECT k.id, k.f / 3 AS x, k.r FROM kinds k WHERE k.id <> {n} ORDER BY k.f, k.id; RESET extra_float_digits"
        ),
    };
    let ordered = sql.contains("ORDER BY");
    let mut generated = Generated {
        whole: Some(sql),
        ..Generated::default()
    };
    generated.sorted = ordered;
    generated
}
