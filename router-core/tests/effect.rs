//! What statements do to data and to the session.

use router_core::sql::effect::{SessionEffect, Surroundings, effects};
use router_core::sql::parse;
use router_core::sql::statement::Name;

/// One function that changes nothing, one that takes a lock, and a table whose trigger changes a setting.
struct Known;

impl Surroundings for Known {
    fn is_not_volatile(&self, function: &Name) -> Option<bool> {
        (function.name == "good_function").then_some(true)
    }

    fn field(&self, name: &str) -> Option<(bool, SessionEffect)> {
        (name == "locks").then_some((true, SessionEffect::ADVISORY_LOCK))
    }

    fn called(&self, function: &Name) -> Option<SessionEffect> {
        match function.name.as_str() {
            "good_function" => Some(SessionEffect::default()),
            "locks" => Some(SessionEffect::ADVISORY_LOCK),
            _ => None,
        }
    }

    fn read(&self, relation: &Name) -> SessionEffect {
        match relation.name.as_str() {
            "a_view" => SessionEffect::TEMPORARY,
            _ => SessionEffect::default(),
        }
    }

    fn written(&self, relation: &Name) -> SessionEffect {
        match relation.name.as_str() {
            "audited" => SessionEffect::SETTING,
            "numbered" => SessionEffect::ADVANCES,
            _ => SessionEffect::default(),
        }
    }
}

#[test]
fn effects_by_statement() {
    let cases = [
        ("SELECT lower(name), now(), count(*) FROM users", "Read", ""),
        (
            "SELECT (SELECT max(id) FROM t WHERE a LIKE 'x' ESCAPE '!')",
            "Read",
            "",
        ),
        ("SELECT u.name, (u).locked, locks FROM users u", "Read", ""),
        ("SELECT u.locks FROM users u", "Write", "advisory locks"),
        (
            "SELECT 1 ORDER BY (ROW(1)::t).locks",
            "Write",
            "advisory locks",
        ),
        ("SELECT * FROM users FOR UPDATE", "Write", ""),
        (
            "SELECT * FROM (SELECT * FROM users FOR SHARE) x",
            "Write",
            "",
        ),
        (
            "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d",
            "Write",
            "",
        ),
        ("SELECT 1 WHERE random() < 1", "Write", ""),
        ("SELECT nextval('s')", "Write", "sequence values"),
        (
            "SELECT 1 ORDER BY my_function()",
            "Write",
            "unknown functions",
        ),
        ("SELECT good_function()", "Read", ""),
        ("SELECT locks()", "Write", "advisory locks"),
        ("SELECT s.lower('x')", "Write", "unknown functions"),
        ("SELECT set_config('a.b', 'c', false)", "Write", "settings"),
        ("SELECT set_config('a.b', 'c', true)", "Write", ""),
        ("SELECT set_config('a.b', 'c', $1)", "Write", "settings"),
        ("SELECT pg_relation_size('t')", "Write", ""),
        ("SELECT * FROM audited", "Read", ""),
        ("INSERT INTO audited VALUES (1)", "Write", "settings"),
        ("INSERT INTO s.audited VALUES (1)", "Write", "settings"),
        ("UPDATE audited SET a = 1", "Write", "settings"),
        ("DELETE FROM audited", "Write", "settings"),
        ("COPY audited FROM STDIN", "Write", "settings"),
        ("COPY audited TO STDOUT", "Read", ""),
        ("TRUNCATE audited", "Write", "settings"),
        ("DROP TABLE audited", "Schema", ""),
        (
            "WITH x AS (INSERT INTO audited VALUES (1) RETURNING 1) SELECT * FROM x",
            "Write",
            "settings",
        ),
        (
            "EXPLAIN ANALYZE INSERT INTO audited VALUES (1)",
            "Write",
            "settings",
        ),
        (
            "SELECT * FROM t JOIN a_view ON true",
            "Read",
            "temporary objects",
        ),
        ("INSERT INTO numbered VALUES (1)", "Write", ""),
        (
            "SELECT 1 FROM t WHERE EXISTS (SELECT pg_advisory_lock(1))",
            "Write",
            "advisory locks",
        ),
        ("SELECT * INTO x FROM t", "Schema", "temporary objects"),
        ("SELECT * FROM pg_temp.x", "Write", "temporary objects"),
        ("CREATE TEMP TABLE x (a int)", "Schema", "temporary objects"),
        ("CREATE TABLE x (a int)", "Schema", ""),
        ("VACUUM", "Write", ""),
        ("DO $$ BEGIN END $$", "Write", "unknown functions"),
        ("SET a = 1", "Session", "settings"),
        ("SET LOCAL a = 1", "Session", ""),
        ("LISTEN c", "Session", "listen"),
        ("PREPARE p AS SELECT 1", "Session", "prepared statements"),
        (
            "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
            "Read",
            "held cursors",
        ),
        ("BEGIN", "Transaction", ""),
        ("EXPLAIN DELETE FROM t", "Read", ""),
        ("EXPLAIN ANALYZE DELETE FROM t", "Write", ""),
        ("COPY t TO STDOUT", "Read", ""),
        ("COPY t FROM STDIN", "Write", ""),
        ("COPY t TO '/x'", "Write", ""),
        (
            "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE",
            "Write",
            "unknown functions",
        ),
    ];
    let mut wrong = Vec::new();
    for (text, effect, session) in cases {
        let statement = parse(text, &parse::Options::default());
        let found = effects(&statement, &Known);
        let found = (format!("{:?}", found.effect), found.session.to_string());
        if found != (effect.to_owned(), session.to_owned()) {
            wrong.push(format!("{text}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_list_of_functions_is_sorted() {
    use router_core::sql::functions::{HARMLESS, STABLE, is_stable};
    assert!(STABLE.is_sorted() && HARMLESS.is_sorted());
    assert!(is_stable("lower") && is_stable("coalesce"));
    assert!(!is_stable("random") && !is_stable("nextval") && !is_stable("txid_current"));
}
