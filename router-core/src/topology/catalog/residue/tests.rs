use super::read::residues;
use super::*;

fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
    rows.iter()
        .map(|row| row.iter().map(|&s| s.to_owned()).collect())
        .collect()
}

/// The residue of one function with this body.
fn of(body: &str) -> SessionEffect {
    residues(&rows(&[&["f", "plpgsql", "v", body]]), &[])
        .function("f")
        .unwrap()
}

#[test]
fn a_definition_says_what_it_makes() {
    let bodies = rows(&[
        &["old", "plpgsql", "v", "begin return 1; end"],
        &["sets", "plpgsql", "v", "begin set work_mem = '1MB'; end"],
        &["defines", "sql", "v", "create view v as select 1"],
        &["nextval", "builtin", "v", ""],
    ]);
    let residues = residues(&bodies, &rows(&[&["write", "numbered", "call", "nextval"]]));
    let function = |rest: &str| format!("create or replace function f(a int) returns int {rest}");
    for (rest, harmless) in [
        ("language sql as 'select a'", true),
        ("as 'select a' language 'sql' immutable cost 10", true),
        (
            "language plpgsql as $b$ begin perform old(a); return lower('x'); end $b$",
            true,
        ),
        (
            "language plpgsql set search_path = 'x' as $$ begin insert into t values (a); end $$",
            true,
        ),
        (
            "begin atomic insert into t values (1); select old(1); end",
            true,
        ),
        ("return a + 1", true),
        (
            "language plpgsql as $$ begin insert into numbered values (a); end $$",
            false,
        ),
        ("language plpgsql as $$ begin perform sets(); end $$", false),
        (
            "language plpgsql as $$ begin perform defines(); end $$",
            false,
        ),
        ("language sql as 'create view v as select 1'", false),
        ("begin atomic select sets(); end", false),
        ("return currval('x')", false),
        ("language plpgsql as $$ begin execute a; end $$", false),
        ("language plpython3u as 'return 1'", false),
        ("language c as 'lib', 'f'", false),
        ("language sql as 'select sets' '()'", false),
        ("language sql as 'select set\\x73()'", false),
        ("language sql as E'select 1'", false),
        ("language sql as U&'select 1'", false),
        ("language sql support g as 'select 1'", false),
    ] {
        assert_eq!(residues.makes_harmless(&function(rest)), harmless, "{rest}");
    }
    assert!(!residues.makes_harmless(
        "create function f(a int default sets()) returns int language sql as 'select a'"
    ));
    // What bore the name before left something.
    assert!(!residues.makes_harmless("create or replace function sets() returns int return 1"));
}

#[test]
fn bodies_are_read_by_their_words() {
    let nothing = SessionEffect::default();
    for (body, left) in [
        ("begin update t set a = 1; return new; end", nothing),
        ("begin if x then update t set a = 1; end if; end", nothing),
        (
            "begin insert into t values (1) on conflict (a) do update set b = 1; end",
            nothing,
        ),
        (
            "begin insert into t values (1) on conflict do nothing; end",
            nothing,
        ),
        ("begin set local work_mem = '1MB'; end", nothing),
        (
            "begin perform set_config('a.b', f(g(1), 2), true); end",
            nothing,
        ),
        ("begin new.stamp := now(); return new; end", nothing),
        ("select 'set work_mem = 1; listen x'", nothing),
        ("begin perform pg_notify('a', 'b'); end", nothing),
        ("begin set work_mem = '1MB'; end", SessionEffect::SETTING),
        (
            "begin if true then set work_mem = '1MB'; end if; end",
            SessionEffect::SETTING,
        ),
        (
            "begin update t set a = 1; set work_mem = '1MB'; end",
            SessionEffect::SETTING,
        ),
        (
            "begin if update then set work_mem = '1MB'; end if; end",
            SessionEffect::SETTING,
        ),
        ("<<a>> begin <<b>> set role x; end", SessionEffect::SETTING),
        (
            "begin perform set_config('a.b', 'true', false); end",
            SessionEffect::SETTING,
        ),
        (
            "begin perform set_config('a.b', 'x', is_true); end",
            SessionEffect::SETTING,
        ),
        (
            "begin perform set_config('a.b', 'x', not true); end",
            SessionEffect::SETTING,
        ),
        (
            "begin PERFORM \"set_config\"('a.b', 'x', false); end",
            SessionEffect::SETTING,
        ),
        ("begin reset all; end", SessionEffect::SETTING),
        (
            "begin perform pg_advisory_lock(1); end",
            SessionEffect::ADVISORY_LOCK,
        ),
        ("begin perform pg_advisory_xact_lock(1); end", nothing),
        (
            "begin create temp table x (a int); end",
            SessionEffect::TEMPORARY,
        ),
        (
            "begin create table pg_temp.x (a int); end",
            SessionEffect::TEMPORARY,
        ),
        ("begin execute 'select 1'; end", SessionEffect::UNKNOWN),
        ("begin return query execute q; end", SessionEffect::UNKNOWN),
        ("begin listen x; end", SessionEffect::LISTEN),
        ("begin perform 'open", SessionEffect::UNKNOWN),
        ("begin perform currval('s'); end", SessionEffect::RECALLS),
        ("begin perform nextval('s'); end", SessionEffect::ADVANCES),
        ("begin create table x (a int); end", nothing),
        (
            "begin create or replace view x as select 1; end",
            SessionEffect::DEFINES,
        ),
        (
            "begin execute 'CREATE  constraint TRIGGER ' || name; end",
            SessionEffect::UNKNOWN.union(SessionEffect::DEFINES),
        ),
        (
            "begin execute 'create table ' || type; end",
            SessionEffect::UNKNOWN,
        ),
        ("", SessionEffect::UNKNOWN),
    ] {
        assert_eq!(of(body), left, "{body}: {}", of(body));
    }
}

#[test]
fn what_is_behind_a_name_is_followed_to_its_end() {
    let bodies = rows(&[
        &["sets", "sql", "s", "select set_config('a', 'b', false)"],
        &["calls", "plpgsql", "v", "begin return sets(); end"],
        &[
            "writes",
            "plpgsql",
            "v",
            "begin insert into audited values (1); end",
        ],
        &[
            "reads",
            "plpgsql",
            "v",
            "begin return (select count(*) from audited); end",
        ],
        &["fine", "sql", "i", "select 1"],
        &["perl", "plperl", "i", "1"],
        &["c_immutable", "c", "i", ""],
        &["c_volatile", "c", "v", ""],
        &["uuid_generate_v4", "c", "v", ""],
        &[
            "by_field",
            "sql",
            "v",
            "select sum(p.sets) from plain p where p.fine = 1",
        ],
        &["by_field_of", "plpgsql", "v", "begin return (r).sets; end"],
        &[
            "changes",
            "sql",
            "v",
            "update settings set setting = 'a' where name = 'b'",
        ],
        &[
            "installs",
            "plpgsql",
            "v",
            "begin create view v as select 1; end",
        ],
        &["set_config", "builtin", "v", "set_config_by_name"],
        &["nextval", "builtin", "v", "nextval_oid"],
        &["pg_read_file", "builtin", "v", "pg_read_file_all"],
    ]);
    let links = rows(&[
        &["write", "audited", "call", "calls"],
        &["write", "by_default", "call", "nextval"],
        &["read", "a_view", "call", "fine"],
        &["read", "a_view", "read", "b_view"],
        &["read", "b_view", "call", "sets"],
        &["write", "a_view", "write", "audited"],
        &["write", "parent", "write", "audited"],
        &["schema", "", "call", "c_volatile"],
        &["field", "sets", "call", "sets"],
        &["field", "fine", "call", "fine"],
        &["write", "pg_settings", "call", "set_config"],
        &["write", "settings", "write", "pg_settings"],
        &["write", "by_trigger", "call", "installs"],
    ]);
    let found = residues(&bodies, &links);
    let nothing = SessionEffect::default();
    for (name, left) in [
        ("calls", Some(SessionEffect::SETTING)),
        ("writes", Some(SessionEffect::SETTING)),
        ("reads", Some(nothing)),
        ("fine", Some(nothing)),
        ("perl", Some(SessionEffect::UNKNOWN)),
        ("c_immutable", Some(nothing)),
        ("c_volatile", Some(SessionEffect::UNKNOWN)),
        ("uuid_generate_v4", Some(nothing)),
        ("pg_read_file", Some(SessionEffect::UNKNOWN)),
        ("by_field", Some(SessionEffect::SETTING)),
        ("by_field_of", Some(SessionEffect::SETTING)),
        ("changes", Some(SessionEffect::SETTING)),
        ("installs", Some(SessionEffect::DEFINES)),
        ("missing", None),
    ] {
        assert_eq!(found.function(name), left, "{name}");
    }
    assert_eq!(found.written("audited"), SessionEffect::SETTING);
    assert_eq!(found.read("audited"), nothing);
    assert_eq!(found.written("parent"), SessionEffect::SETTING);
    assert_eq!(found.written("by_default"), SessionEffect::ADVANCES);
    assert_eq!(found.read("a_view"), SessionEffect::SETTING);
    assert_eq!(found.written("a_view"), SessionEffect::SETTING);
    assert_eq!(found.field("sets"), Some(SessionEffect::SETTING));
    assert_eq!(found.field("fine"), Some(nothing));
    assert_eq!(found.field("missing"), None);
    assert_eq!(found.written("by_trigger"), nothing);
    assert_eq!(
        found.code("do $$ begin perform installs(); end $$"),
        SessionEffect::DEFINES
    );
    assert_eq!(
        found.named("create table y as select * from a_view"),
        SessionEffect::SETTING
    );
    assert_eq!(
        found.named("create table y (id bigserial, b int default nextval('s'))"),
        nothing
    );
    assert_eq!(found.schema(), SessionEffect::UNKNOWN);
    assert_eq!(found.any(), nothing);
    assert_eq!(
        found.definition(
            "create trigger x before insert on y for each row execute function calls()"
        ),
        SessionEffect::SETTING
    );
    assert_eq!(
        found.definition("create table y (id bigserial)"),
        SessionEffect::ADVANCES
    );
    assert_eq!(found.definition("create table y (id int)"), nothing);
    assert!(found.exceeds(&residues(&bodies, &[])));
    assert!(!found.exceeds(&found));
    assert!(!residues(&bodies, &[]).exceeds(&found));
}

#[test]
fn blocks_and_calls_leave_what_their_code_does() {
    let bodies = rows(&[
        &[
            "adds",
            "plpgsql",
            "v",
            "begin insert into t values (1); end",
        ],
        &["keeps", "plpgsql", "v", "begin set work_mem = '1MB'; end"],
        &["wild", "plpgsql", "v", "begin execute q; end"],
    ]);
    let links = rows(&[&["write", "audited", "call", "wild"]]);
    let residues = residues(&bodies, &links);
    let nothing = Some(SessionEffect::default());
    let (setting, unknown) = (Some(SessionEffect::SETTING), Some(SessionEffect::UNKNOWN));
    for (text, left) in [
        ("do $$ begin perform adds(); end $$", nothing),
        ("DO LANGUAGE plpgsql 'begin null; end'", nothing),
        ("do $$begin null; end$$ language 'plpgsql';", nothing),
        ("do $$ begin perform keeps(); end $$", setting),
        (
            "do $$ begin insert into audited values (1); end $$",
            unknown,
        ),
        ("do $$ begin execute 'x'; end $$", unknown),
        ("do $$ begin null; commit; end $$", unknown),
        ("do $$ begin if true then rollback; end if; end $$", unknown),
        ("do language plpython3u $$ x() $$", None),
        ("do $$ begin null; end $$ language plperl", None),
        ("do 'begin ' 'end'", None),
        (r"do E'begin\nend'", None),
    ] {
        assert_eq!(residues.block(text), left, "{text}");
    }
    for (text, left) in [
        ("call adds()", nothing),
        ("CALL public.\"adds\"(1, now())", nothing),
        ("call adds(keeps())", setting),
        ("call wild()", unknown),
        ("call nobodys()", None),
        ("call adds", None),
    ] {
        assert_eq!(residues.call(text), left, "{text}");
    }
}
