#![allow(
    clippy::disallowed_methods,
    reason = "tests read and write golden files"
)]
//! Plans of statements, by topic: `goldens/plan/*.txt`.
//!
//! A file is a list of cases with an empty line between: the statement, a line of dashes, the plan. Lines before the
//! first case that begin with `#` say what the topic is about. `INSTA_UPDATE=always` (`./dev golden`) writes the plans.

mod constants;

use std::fmt::Write as _;
use std::path::Path;

use router_core::id::Epoch;
use router_core::plan::{
    Analysis, Asked, Context, Direction, KnownBy, Plan, Planner, Route, Target, refusal,
};
use router_core::topology::catalog::{
    Collation, Column, ColumnDefault, Function, FunctionKind, Language, Relation, RelationKind,
    Uses, Volatility,
};
use router_core::topology::spec::*;
use router_core::topology::{Catalog, TableName, Topology};
use router_core::value::KeyType;

use self::constants::with_other_constants;

/// Three shards; `users`, `orders` and `items` by user, `docs` by tenant, `pairs` by two columns, `logs` by range,
/// `countries` and `currencies` on every shard, `audit_log` on s0, `settings` on s1.
fn shop(default_shard: Option<&str>) -> Topology {
    let sharded = |name: &str, key: &[&str], placement: &str| TableSpec {
        schema: "public".into(),
        name: name.into(),
        home: HomeSpec::Sharded {
            key: key.iter().map(|k| (*k).into()).collect(),
            placement: placement.into(),
        },
    };
    let placement = |name: &str, types: &[KeyType], strategy| PlacementSpec {
        name: name.into(),
        types: types.to_vec(),
        strategy,
    };
    let range = |from, to, shard: &str| RangeSpec {
        from: Some(WrittenKey::Integer(from)),
        to: Some(WrittenKey::Integer(to)),
        shard: shard.into(),
    };
    let spec = TopologySpec {
        database: "shop".into(),
        shards: ["s0", "s1", "s2"]
            .map(|name| ShardSpec {
                name: name.into(),
                has_replicas: true,
            })
            .into(),
        default_shard: default_shard.map(Into::into),
        scratch: None,
        triggers_per_shard: false,
        placements: vec![
            placement(
                "by_user",
                &[KeyType::Bigint],
                StrategySpec::Modulo { shards: None },
            ),
            placement("by_tenant", &[KeyType::Text], StrategySpec::hash()),
            placement(
                "by_pair",
                &[KeyType::Text, KeyType::Bigint],
                StrategySpec::hash(),
            ),
            placement(
                "by_time",
                &[KeyType::Bigint],
                StrategySpec::Range {
                    ranges: vec![
                        range(0, 100, "s0"),
                        range(100, 200, "s1"),
                        range(300, 400, "s2"),
                    ],
                },
            ),
        ],
        tables: vec![
            sharded("users", &["id"], "by_user"),
            sharded("orders", &["user_id"], "by_user"),
            sharded("items", &["user_id"], "by_user"),
            sharded("docs", &["tenant"], "by_tenant"),
            sharded("pairs", &["tenant", "id"], "by_pair"),
            sharded("logs", &["at"], "by_time"),
            TableSpec {
                schema: "public".into(),
                name: "countries".into(),
                home: HomeSpec::Reference,
            },
            TableSpec {
                schema: "public".into(),
                name: "currencies".into(),
                home: HomeSpec::Reference,
            },
            TableSpec {
                schema: "public".into(),
                name: "audit_log".into(),
                home: HomeSpec::Pinned("s0".into()),
            },
            TableSpec {
                schema: "public".into(),
                name: "settings".into(),
                home: HomeSpec::Pinned("s1".into()),
            },
        ],
    };
    Topology::build(&spec, Epoch(1)).expect("the shop is a valid topology")
}

fn unsharded() -> Topology {
    let shard = router_core::topology::Shard {
        name: "only".into(),
        has_replicas: true,
    };
    Topology::unsharded("shop", shard, Epoch(1))
}

/// The plans of a query string as text.
fn planned(
    planner: &mut Planner,
    topology: &Topology,
    catalog: &Catalog,
    text: &str,
    direction: Direction<'_>,
) -> String {
    let search_path = ["$user".to_owned(), "public".to_owned()];
    let context = Context {
        direction,
        ..Context::new(topology, catalog, &search_path)
    };
    let mut analysis = Analysis::new();
    planner.analyze(text, &context, &mut analysis);
    let mut out = String::new();
    if analysis.is_suspect() {
        out.push_str("suspect\n");
    }
    for statement in analysis.statements() {
        let values = analysis.values(statement, text, &[], direction);
        let printed = statement.plan.print_with(topology, &values);
        writeln!(out, "{printed}").expect("a string takes what is written");
    }
    if analysis.statements().is_empty() {
        out.push_str("nothing\n");
    }
    out
}

fn topic(name: &str, topology: &Topology, direction: Direction<'_>) {
    topic_with(name, topology, &Catalog::unknown(), direction);
}

fn topic_with(name: &str, topology: &Topology, catalog: &Catalog, direction: Direction<'_>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/goldens/plan/{name}.txt"));
    let golden = std::fs::read_to_string(&path).expect("the golden file can be read");
    let mut planner = Planner::new(1 << 20);
    let mut fresh = String::new();
    for case in golden
        .split("\n\n")
        .map(str::trim_end)
        .filter(|c| !c.is_empty())
    {
        let (statement, _) = case.split_once("\n----").unwrap_or((case, ""));
        let statement = statement.trim_start_matches('\n');
        if statement.lines().all(|l| l.starts_with('#')) {
            write!(fresh, "{statement}\n\n").expect("a string takes what is written");
            continue;
        }
        let plan = planned(&mut planner, topology, catalog, statement, direction);
        assert_eq!(
            plan,
            planned(&mut planner, topology, catalog, statement, direction),
            "from the cache the same: {statement}"
        );
        let mut other = Planner::new(1 << 20);
        planned(
            &mut other,
            topology,
            catalog,
            &with_other_constants(statement),
            direction,
        );
        assert_eq!(
            plan,
            planned(&mut other, topology, catalog, statement, direction),
            "behind the same with other constants: {statement}"
        );
        write!(fresh, "{statement}\n----\n{plan}\n").expect("a string takes what is written");
    }
    accept(&path, &golden, fresh.trim_end());
}

/// Compares, or writes when goldens are to be accepted.
fn accept(path: &Path, golden: &str, fresh: &str) {
    if std::env::var("INSTA_UPDATE").is_ok_and(|v| v == "always") {
        std::fs::write(path, format!("{fresh}\n")).expect("the golden file can be written");
    } else {
        similar(path, golden.trim_end(), fresh);
    }
}

/// Fails with the first line that differs.
fn similar(path: &Path, golden: &str, fresh: &str) {
    for (n, (was, is)) in golden.lines().zip(fresh.lines()).enumerate() {
        assert_eq!(
            was,
            is,
            "{} line {}; ./dev golden accepts it",
            path.display(),
            n + 1
        );
    }
    assert_eq!(
        golden.lines().count(),
        fresh.lines().count(),
        "{}",
        path.display()
    );
}

macro_rules! topics {
    ($($name:ident),+ $(,)?) => { $(
        #[test]
        fn $name() {
            topic(stringify!($name), &shop(None), Direction::None);
        }
    )+ };
}

topics!(
    one_shard,
    keys,
    scatter,
    merging,
    joins,
    subqueries,
    insert,
    change,
    copy,
    reference,
    catalogs,
    functions,
    session,
    ddl,
    mistyped,
    names,
    each_server
);

/// What the shop's servers say: its tables, views over them, and functions.
fn shop_catalog() -> Catalog {
    let name = |name: &str| TableName {
        schema: "public".into(),
        name: name.into(),
    };
    let column = |(name, type_oid, default): &(&str, u32, ColumnDefault)| Column {
        name: (*name).into(),
        type_oid: *type_oid,
        type_modifier: -1,
        base: None,
        collation: Collation::None,
        not_null: false,
        default: *default,
        declared: match type_oid {
            20 => "bigint",
            25 => "text",
            1184 => "timestamp with time zone",
            _ => "numeric",
        }
        .into(),
        portable: true,
        primary: false,
        expression: (*default == ColumnDefault::Expression).then(|| "now()".into()),
    };
    let (null, expression) = (ColumnDefault::Null, ColumnDefault::Expression);
    let table = |of: &str, columns: &[(&str, u32, ColumnDefault)]| {
        let relation = Relation {
            kind: RelationKind::Table,
            columns: columns.iter().map(column).collect(),
            uses: Uses::default(),
            beside: Default::default(),
            row_triggers: Vec::new(),
            cascades: Vec::new(),
            definition: String::new(),
            version: String::new(),
            below: None,
            withheld: false,
        };
        (name(of), relation)
    };
    let view = |of: &str, relations: &[&str], functions: &[&str]| {
        let relation = Relation {
            kind: RelationKind::View,
            columns: vec![column(&("id", 20, null))],
            uses: Uses {
                relations: relations.iter().map(|r| name(r)).collect(),
                functions: functions
                    .iter()
                    .map(|f| TableName {
                        schema: "pg_catalog".into(),
                        name: (*f).into(),
                    })
                    .collect(),
            },
            beside: Default::default(),
            row_triggers: Vec::new(),
            cascades: Vec::new(),
            definition: String::new(),
            version: String::new(),
            below: None,
            withheld: false,
        };
        (name(of), relation)
    };
    let function = |of: &str, volatility| {
        let function = Function {
            volatility,
            kind: FunctionKind::Function,
            language: Language::Sql,
            returns_set: false,
        };
        (name(of), function)
    };
    Catalog::new(
        [
            table(
                "users",
                &[
                    ("id", 20, null),
                    ("name", 25, null),
                    ("created", 1184, expression),
                ],
            ),
            table(
                "orders",
                &[
                    ("id", 20, null),
                    ("user_id", 20, null),
                    ("total", 1700, null),
                ],
            ),
            table("countries", &[("code", 25, null), ("name", 25, null)]),
            table(
                "currencies",
                &[
                    ("code", 25, null),
                    ("since", 1184, null),
                    ("made", 1184, expression),
                ],
            ),
            table("audit_log", &[("id", 20, null), ("user_id", 20, null)]),
            table("settings", &[("id", 20, null)]),
            view("user_names", &["users"], &[]),
            view("country_names", &["countries"], &["lower"]),
            view("country_dice", &["countries"], &["random"]),
            view("log_view", &["audit_log", "countries"], &[]),
            view("log_settings", &["audit_log", "settings"], &[]),
        ],
        [
            function("twice", Volatility::Immutable),
            function("user_count", Volatility::Stable),
            function("log_it", Volatility::Volatile),
            function("lower", Volatility::Stable),
        ],
    )
}

#[test]
fn with_catalog() {
    topic_with(
        "with_catalog",
        &shop(None),
        &shop_catalog(),
        Direction::None,
    );
}

#[test]
fn writes() {
    topic_with("writes", &shop(None), &shop_catalog(), Direction::None);
}

#[test]
fn a_plan_holds_for_the_catalog_that_it_was_made_with() {
    let (topology, text) = (
        shop(None),
        "SELECT * FROM users WHERE id = 5 AND twice(1) = 2",
    );
    let mut planner = Planner::new(1 << 20);
    let mut plan =
        |catalog: &Catalog| planned(&mut planner, &topology, catalog, text, Direction::None);
    assert!(plan(&Catalog::unknown()).starts_with("refused SH013"));
    assert!(plan(&shop_catalog()).starts_with("one shard"));
    assert!(plan(&Catalog::unknown()).starts_with("refused SH013"));
    assert_ne!(
        shop_catalog().fingerprint(),
        Catalog::new([], []).fingerprint()
    );
    assert_eq!(shop_catalog().fingerprint(), shop_catalog().fingerprint());
}

#[test]
fn what_one_shard_answers_by_its_nature_is_described_there() {
    let (topology, catalog) = (shop(Some("s1")), shop_catalog());
    let context = Context::new(&topology, &catalog, &[]);
    let (mut planner, mut analysis) = (Planner::new(1 << 20), Analysis::new());
    for text in ["SELECT nextval('notes_id_seq')", "SELECT 'notes'::regclass"] {
        planner.analyze(text, &context, &mut analysis);
        let plan = &analysis.statements()[0].plan;
        let Route::Single(Target::Shard(shard)) = plan.route else {
            panic!("{text}: {}", plan.print(&topology));
        };
        assert_eq!(plan.known_by, KnownBy::One(shard), "{text}");
    }
    planner.analyze("SELECT $1", &context, &mut analysis);
    assert_eq!(analysis.statements()[0].plan.known_by, KnownBy::All);
}

#[test]
fn a_comment_may_ask_for_a_route() {
    let (topology, catalog) = (shop(None), Catalog::unknown());
    let context = Context::new(&topology, &catalog, &[]);
    let (mut planner, mut analysis) = (Planner::new(1 << 20), Analysis::new());
    for (text, route) in [
        ("SELECT 1", None),
        ("/* shunt: route=primary */ SELECT 1", Some(Asked::Primary)),
        (
            "/* shunt: route=replica, shard=s1 */ SELECT 1",
            Some(Asked::Replica),
        ),
    ] {
        planner.analyze(text, &context, &mut analysis);
        assert_eq!(analysis.statements()[0].route, route, "{text}");
    }
}

#[test]
fn default_shard() {
    topic("default_shard", &shop(Some("s0")), Direction::None);
}

#[test]
fn directed() {
    topic("directed", &shop(None), Direction::Shard("s1"));
}

#[test]
fn directed_by_key() {
    topic("directed_by_key", &shop(None), Direction::Key("5"));
}

#[test]
fn one_server() {
    topic("one_server", &unsharded(), Direction::None);
}

#[test]
fn errors_are_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    accept(&path, &golden, refusal::documentation().trim_end());
}

#[test]
fn codes_are_of_class_sh_and_in_order() {
    let codes: Vec<_> = refusal::Reason::ALL
        .iter()
        .map(|r| r.entry().code)
        .collect();
    assert!(codes.iter().all(|c| c.starts_with("SH") && c.len() == 5));
    assert!(codes.is_sorted() && codes.windows(2).all(|w| w[0] != w[1]));
}

/// Texts with one or two constants in them, where these decide about more than the home, too.
const OF_CONSTANTS: &[&str] = &[
    "select * from users where id = #",
    "select * from users where id=# and name = #",
    "select * from users where id in (#, #)",
    "select * from users where id = # order by #",
    "select * from users where id = # limit # ",
    "select id, name from users order by #",
    "select id, name from users order by # limit #",
    "select id, name from users limit # offset #",
    "select name, count(*) from users group by #",
    "select name, # from users group by #",
    "select distinct on (#) name, id from users order by #",
    "select id::varchar(#) from users where id = #",
    "select * from users where id = # and created > now() - interval '1' hour * #",
    "select * from users where id = # and name = \"1\"",
    "select (array[1, 2])[#] from users where id = #",
    "select * from users where id between # and #",
    "select * from users where # = id and t1 = #",
    "select a#, # from users",
    "select u.# from users u where id = #",
    "select * from users where id = #+#",
    "select * from users where id = #-#",
    "select * from users where id = -#",
    "select * from users where id = # -- #",
    "select * from users where id = # /* # */",
    "select * from users where id = #::bigint",
    "select * from users where id = bigint #",
    "select * from users fetch first # rows only",
    "insert into users (id, name) values (#, #)",
    "insert into users (id, name) values (#, 'a'), (#, 'b')",
    "update users set name = # where id = #",
    "delete from users where id = # and # = #",
    "select # from countries",
    "select #, # ",
    "select * from logs where at = # and # < 5",
];

/// What may stand there.
const CONSTANTS: &[&str] = &[
    "1",
    "2",
    "3",
    "42",
    "0",
    "007",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "99999999999999999999999",
    "-5",
    "- 5",
    "1e5",
    "0x1F",
    "0b1",
    "1_000",
    "1.5",
    ".5",
    "5.",
    "1e",
    "'1'",
    "''",
    "E'1'",
    "$1",
    "$$1$$",
    "--5\n1",
    "/*5*/ 1",
    "1::int",
    "1 ::text",
    "null",
    "a1",
    "1a",
    "(1)",
    "1;",
    "1 1",
    "é",
    "x'1'",
    "B'1'",
];

#[test]
fn what_is_found_is_what_would_be_planned() {
    let (topology, catalog) = (shop(Some("s1")), shop_catalog());
    let paths = [vec!["public".to_owned()], vec!["other".to_owned()]];
    let contexts: Vec<_> = paths
        .iter()
        .flat_map(|path| [true, false].map(|strings| (path, strings)))
        .map(|(path, strings)| {
            let mut context = Context::new(&topology, &catalog, path);
            context.standard_conforming_strings = strings;
            context
        })
        .collect();
    // What a refusal says of the text may be of one that differs in constants.
    let without_detail = |plan: &Plan| {
        let printed = plan.print(&topology).to_string();
        printed
            .split("\n  detail")
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let mut planner = Planner::new(1 << 20);
    let (mut analysis, mut other) = (Analysis::new(), Analysis::new());
    let (mut found_any, mut seed) = (0_u32, 1_u64);
    let mut any = |of: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % of
    };
    for _ in 0..6_000 {
        let mut text = String::new();
        for piece in OF_CONSTANTS[any(OF_CONSTANTS.len())].split_inclusive('#') {
            match piece.strip_suffix('#') {
                None => text.push_str(piece),
                Some(piece) => {
                    text.push_str(piece);
                    // Most often one of a few.
                    let most = if any(3) > 0 { 9 } else { CONSTANTS.len() };
                    text.push_str(CONSTANTS[any(most)]);
                }
            }
        }
        let context = &contexts[any(4)];
        let met = planner.meet(context).expect("a context");
        if let Some(found) = planner.find(text.as_bytes(), &met) {
            found_any += 1;
            let home = found.resolve(&topology);
            let plan = without_detail(found.plan);
            let mut fresh = Planner::new(1 << 20);
            fresh.analyze(&text, context, &mut other);
            let [planned] = other.statements() else {
                panic!("{text}");
            };
            assert_eq!(plan, without_detail(&planned.plan), "{text}");
            let values = other.values(planned, &text, &[], Direction::None);
            let would = planned.plan.resolve(&topology, &values);
            if !matches!(planned.plan.route, Route::Refused(_)) {
                assert_eq!(format!("{home:?}"), format!("{would:?}"), "{text}");
            }
        } else {
            planner.analyze(&text, context, &mut analysis);
        }
    }
    assert!(found_any > 500, "{found_any}");
}
