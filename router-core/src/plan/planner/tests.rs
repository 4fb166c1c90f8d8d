use super::*;
use crate::id::Epoch;
use crate::topology::Shard;

#[path = "../../../tests/shop/mod.rs"]
#[allow(dead_code, reason = "the other tests have more use for it")]
mod shop;

#[test]
fn tenants_with_schemas_of_their_own_have_plans_of_their_own() {
    let shard = Shard {
        name: "s0".into(),
        has_replicas: false,
    };
    let topology = Topology::unsharded("shop", shard, Epoch(1));
    let paths: Vec<_> = (0..500).map(|tenant| [format!("tenant{tenant}")]).collect();
    let (catalog, mut planner) = (Catalog::unknown(), Planner::new(1 << 24));
    let mut analysis = Analysis::new();
    for _ in 0..3 {
        for search_path in &paths {
            let context = Context::new(&topology, &catalog, search_path);
            planner.analyze("select a from t where id = 1", &context, &mut analysis);
        }
    }
    assert_eq!(planner.numbers().misses, 500);
}

#[test]
fn what_is_found_is_what_was_planned() {
    let shard = Shard {
        name: "s0".into(),
        has_replicas: false,
    };
    let topology = Topology::unsharded("shop", shard, Epoch(1));
    let (catalog, search_path) = (Catalog::unknown(), ["public".to_owned()]);
    let context = Context::new(&topology, &catalog, &search_path);
    let mut planner = Planner::new(1 << 20);
    let mut analysis = Analysis::new();
    let met = planner.meet(&context).expect("a context");
    for (planned, other) in [
        (
            "select a from t where id = 1",
            "select a from t where id = 42;",
        ),
        (
            "select a from t where b = 'x'",
            "select a from t where b = 'ü'",
        ),
        ("BEGIN", "BEGIN;"),
        (
            "start transaction read only;",
            "start transaction read only",
        ),
        ("commit and chain", "commit and chain ;"),
        ("SAVEPOINT a1", "SAVEPOINT a1"),
    ] {
        assert!(
            planner.find(planned.as_bytes(), &met).is_none(),
            "{planned}"
        );
        planner.analyze(planned, &context, &mut analysis);
        let plan = Arc::clone(&analysis.statements()[0].plan);
        for text in [planned, other] {
            let found = planner.find(text.as_bytes(), &met).expect(text);
            assert_eq!(*found.plan, *plan, "{text}");
            let misses = planner.misses;
            planner.analyze(text, &context, &mut analysis);
            assert_eq!(misses, planner.misses, "planned again: {text}");
            assert!(Arc::ptr_eq(&analysis.statements()[0].plan, &plan));
        }
    }
    // Others are not taken for them.
    for text in [
        &b"BEGIN READ ONLY"[..],
        b"COMMIT",
        b"SAVEPOINT a2",
        b"BEGIN; BEGIN",
        b"select a from t where b = '\xfc'",
        b"select a from t where b = 'a\0b'",
        b"select a from t where id = 4\0",
    ] {
        assert!(
            planner.find(text, &met).is_none(),
            "{}",
            text.escape_ascii()
        );
    }
}

/// How a row is written, and statements with many of them in place of `@`.
type Lists<'l> = (&'l dyn Fn(usize) -> String, &'l [&'l str]);

/// Rows of constants, of many kinds.
fn rows(n: usize, row: impl Fn(usize) -> String) -> String {
    (0..n).map(row).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_long_list_is_planned_as_a_short_one() {
    let unsharded = Topology::unsharded(
        "shop",
        Shard {
            name: "s0".into(),
            has_replicas: false,
        },
        Epoch(1),
    );
    let sharded = shop::shop(Some("s1"));
    let catalogs = [shop::catalog(), Catalog::unknown()];
    let path = ["public".to_owned()];
    let users = |i: usize| match i % 5 {
        0 => format!("({i}, NULL, 7)"),
        1 => format!("(-{i}, 'n{i}', -{i})"),
        2 => format!("('{i}', 'it''s', NULL)"),
        _ => format!("({i}, 'n', {i})"),
    };
    let named = |i: usize| format!("({i}, 'n{i}')");
    let codes = |i: usize| format!("('c{i}', 'n{i}')");
    let numbers = |i: usize| format!("{}{i}", if i.is_multiple_of(3) { "-" } else { "" });
    let texts = |i: usize| format!("'c{i}'");
    let lists: [Lists<'_>; 5] = [
        (
            &users,
            &[
                "INSERT INTO users (id, name, level) VALUES @",
                "INSERT INTO users (id, name, level) VALUES @ ON CONFLICT (id) DO NOTHING",
                "INSERT INTO users (id, name, level) VALUES @ ON CONFLICT (id) DO UPDATE SET level = 5, name = 'x' RETURNING id, 'y'",
                "INSERT INTO users VALUES @ RETURNING *",
                "INSERT INTO orders (user_id, note, id) VALUES @",
            ],
        ),
        (
            &named,
            &[
                "INSERT INTO audit_log (id, what) VALUES @",
                "INSERT INTO notes (id, body) VALUES @ RETURNING id",
                "SELECT * FROM (VALUES @) v (a, b) WHERE a > 7",
                "INSERT INTO users (id, name) SELECT * FROM (VALUES @) v",
                "SELECT id FROM users WHERE (id, name) IN (VALUES @)",
                "UPDATE users SET name = v.b FROM (VALUES @) v (a, b) WHERE v.a = users.id",
            ],
        ),
        (
            &codes,
            &[
                "INSERT INTO countries (code, name) VALUES @",
                "INSERT INTO docs (code, title) VALUES @ ON CONFLICT DO NOTHING",
            ],
        ),
        (
            &numbers,
            &[
                "SELECT id FROM users WHERE id IN (@)",
                "SELECT id, 'x', 5 FROM users WHERE name = 'a' AND id IN (@) AND level = 3",
                "DELETE FROM users WHERE id IN (@)",
                "UPDATE users SET level = 7 WHERE id IN (@) AND name = 'z' RETURNING 8",
                "SELECT count(*) FROM users WHERE level IN (@)",
                "SELECT id FROM users WHERE id IN (@) ORDER BY name LIMIT 5",
                "SELECT id FROM users WHERE id NOT IN (@)",
                "SELECT * FROM notes WHERE id IN (@)",
                "SELECT * FROM users u JOIN orders o ON o.user_id = u.id WHERE u.id IN (@)",
                "SELECT id FROM users WHERE id IN (@) AND id IN (1, 2, 3)",
            ],
        ),
        (
            &texts,
            &[
                "SELECT title FROM docs WHERE code IN (@)",
                "SELECT * FROM countries WHERE code IN (@)",
            ],
        ),
    ];
    let (mut shortened, mut all) = (0, 0);
    for (topology, catalog) in [&unsharded, &sharded]
        .into_iter()
        .flat_map(|topology| catalogs.iter().map(move |catalog| (topology, catalog)))
    {
        let context = Context::new(topology, catalog, &path);
        for (row, texts) in &lists {
            for (text, n) in texts.iter().flat_map(|text| [(text, 257), (text, 400)]) {
                let text = text.replace('@', &rows(n, row));
                let mut planner = Planner::new(1 << 20);
                let options = Options::default();
                planner
                    .shape
                    .read(&text, options)
                    .expect("it is no longer than that");
                let whole = planner.make(&text, &context, options, false, false);
                let short = Shortened::new(&text, &planner.shape, options).and_then(|short| {
                    let made = planner.make_of(
                        (&short.text, &short.shape),
                        &context,
                        options,
                        false,
                        false,
                    );
                    short.lengthened(made)
                });
                all += 1;
                let Some(mut short) = short else { continue };
                shortened += 1;
                let mut whole = whole;
                for plan in [&mut short.plan, &mut whole.plan] {
                    if let Some(moments) = &mut plan.moments {
                        moments.slots.sort_unstable();
                    }
                }
                assert_eq!(short.plan, whole.plan, "{text}");
                assert!(!whole.exact && !whole.unknown, "{text}");
            }
        }
    }
    assert!(shortened * 10 > all * 6, "{shortened} of {all}");
}
