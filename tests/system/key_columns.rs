//! Columns of a sharding key that are not quite of the placement's type: cut as PostgreSQL cuts them, or refused.

use local_postgres::{Builder, Server};
use router_core::topology::spec::{PlacementSpec, StrategySpec, TopologySpec};
use router_core::value::KeyType;
use router_proxy::settings::PoolSettings;
use shunt_tests::proxy::TestProxy;
use shunt_tests::raw::{Message, RawClient};
use shunt_tests::shards::{layout, proxy_before, spread, with_databases_of};
use shunt_tests::twin::shown;

const SHARDS: [&str; 3] = ["keys0", "keys1", "keys2"];

/// What shards and the whole database have.
const TYPES: &str =
    "create collation nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    create domain tenant as varchar(5)";

fn start() -> (Server, TestProxy) {
    start_from(Server::builder())
}

fn start_from(builder: Builder) -> (Server, TestProxy) {
    let builder = with_databases_of(builder, &SHARDS, TYPES);
    let server = with_databases_of(builder, &["whole"], TYPES)
        .start()
        .expect("a server starts");
    let placement = |name: &str, key_type| PlacementSpec {
        name: name.into(),
        types: vec![key_type],
        strategy: StrategySpec::hash(),
    };
    let texts = ["cut", "cut_domain", "padded", "nocase", "words"];
    let numbers = ["fractions", "small", "wide", "wider"];
    let spec = TopologySpec {
        default_shard: Some("s0".into()),
        scratch: Some("s0".into()),
        placements: vec![
            placement("by_text", KeyType::Text),
            placement("by_number", KeyType::Bigint),
        ],
        tables: texts
            .map(|table| spread(table, "k", "by_text"))
            .into_iter()
            .chain(numbers.map(|table| spread(table, "k", "by_number")))
            .collect(),
        ..layout("keys", &["s0", "s1", "s2"])
    };
    let proxy = proxy_before(&server, &spec, &SHARDS, PoolSettings::default().max_size);
    (server, proxy)
}

fn error_of(messages: &[Message]) -> Option<String> {
    messages
        .iter()
        .find_map(|m| m.error())
        .map(|e| format!("{} {}", e.code, e.detail))
}

#[test]
fn blanks_beyond_the_length_of_a_key_are_cut_before_it_is_routed() {
    let (server, proxy) = start();
    let mut shards = RawClient::trust(proxy.address, server.user(), "keys").expect("the proxy");
    let mut whole = RawClient::direct(&server, "whole");
    let mut both = |sql: &str, values: Option<&[Option<&str>]>| {
        let ask = |client: &mut RawClient| match values {
            Some(values) => shown(&client.extended(sql, values, false).expect(sql)),
            None => shown(&client.simple(sql).expect(sql)),
        };
        assert_eq!(ask(&mut shards), ask(&mut whole), "{sql}");
    };
    for (table, column) in [("cut", "varchar(5)"), ("cut_domain", "tenant")] {
        both(
            &format!("create table {table} (k {column} primary key, v int)"),
            None,
        );
        // Enough keys for every shard to have some.
        for key in ["fghij  ", "abcde   ", "a b   ", "vwxyz ", "äöüß     ", "q"] {
            both(&format!("insert into {table} values ('{key}', 1)"), None);
            both(&format!("insert into {table} values ('{key}', 1)"), None);
            let insert =
                format!("insert into {table} values ($1, 2) on conflict (k) do update set v = 2");
            both(&insert, Some(&[Some(&format!("{key}  "))]));
            both(
                &format!("select k, v from {table} where k = $1"),
                Some(&[Some(key)]),
            );
            both(
                &format!("select k, v from {table} where k = '{}'", key.trim_end()),
                None,
            );
        }
        both(
            &format!("insert into {table} values ('12345 ', 1), ('23456  ', 2), ('34567', 3)"),
            None,
        );
        both(
            &format!(
                "insert into {table} select k || '     ', v from (values ('x2345', 1), ('y2345', 2), ('z2345', 3)) t(k, v)"
            ),
            None,
        );
        both(
            &format!("update {table} set k = 'moved     ' where k = 'x2345'"),
            None,
        );
        for key in [
            "12345", "23456", "34567", "x2345", "y2345", "z2345", "moved",
        ] {
            both(&format!("select k, v from {table} where k = '{key}'"), None);
        }
        both(&format!("insert into {table} values ('toolong', 1)"), None);
        both(&format!("select k, v from {table}"), None);
    }
}

#[test]
fn a_key_whose_equal_values_may_differ_is_refused() {
    let (server, proxy) = start();
    let mut shards = RawClient::trust(proxy.address, server.user(), "keys").expect("the proxy");
    let mut refused = |sql: &str| {
        let answer = shards.simple(sql).expect(sql);
        let error = error_of(&answer).unwrap_or_default();
        assert!(error.starts_with("SH030 "), "{sql}: {error}");
    };
    for create in [
        "create table padded (k character(6) primary key, v int)",
        "create table padded (k numeric primary key)",
        "create table fractions (k numeric(10, 2) primary key, v text)",
        "create table fractions (k text primary key, v text)",
        "create table fractions (id bigint primary key, v text)",
    ] {
        refused(create);
    }
    // Whoever made them without Shunt hears of it at the first statement.
    for database in SHARDS {
        server
            .execute(database, "create table padded (k char(6) primary key, v int); create table fractions (k numeric primary key, v text); create table nocase (k text collate nocase primary key, v int); create table small (k smallint primary key)")
            .unwrap();
    }
    for statement in [
        "insert into padded values ('ab', 1)",
        "select * from padded where k = 'ab'",
        "select * from nocase",
        "update fractions set v = 'x' where k = 1.5",
        "copy padded from stdin",
    ] {
        refused(statement);
    }
    for fine in [
        "insert into small values (3), (4), (5)",
        "select * from small where k = 4",
        "drop table padded",
        "drop table nocase",
    ] {
        let answer = shards.simple(fine).expect(fine);
        assert_eq!(error_of(&answer), None, "{fine}");
    }
}

/// Two numbers that are one as `double precision`, and texts that are one as `character(4)`, as `name` or without case, are on
/// different shards: what a column of such a type equals says nothing of where a row is.
#[test]
fn an_equality_with_a_column_of_another_type_binds_no_key() {
    let (server, proxy) = start();
    let mut shards = RawClient::trust(proxy.address, server.user(), "keys").expect("the proxy");
    let mut whole = RawClient::direct(&server, "whole");
    let mut both = |sql: &str, values: &[Option<&str>]| {
        let ask = |client: &mut RawClient| match values {
            [] => shown(&client.simple(sql).expect(sql)),
            _ => shown(&client.extended(sql, values, false).expect(sql)),
        };
        assert_eq!(ask(&mut shards), ask(&mut whole), "{sql}");
    };
    let long = "x".repeat(63);
    for create in [
        "create table wide (k bigint primary key, f float8, n numeric)",
        "create table wider (k bigint primary key, f float8)",
        "create table words (k text primary key, c char(4), n name, i text collate nocase)",
        "insert into wide select k, k, k from generate_series(9007199254740992, 9007199254741007) k",
        "insert into wider select k, k from generate_series(9007199254740992, 9007199254741007) k",
        "insert into wide select k, k, k from generate_series(1, 20) k",
        "insert into words select k, k, k, upper(k) from unnest('{ab,abc,b,bc,c,cd,d,de}'::text[]) k",
    ] {
        both(create, &[]);
    }
    both(
        &format!("insert into words values ('{long}', 'x', '{long}', 'y')"),
        &[],
    );
    for key in (9_007_199_254_740_992_i64..9_007_199_254_741_007).step_by(2) {
        let odd = key + 1;
        both(
            &format!("select count(*) from wide where k = f and f = {odd}"),
            &[],
        );
        both(
            "select count(*) from wide where k = f and f = $1::float8",
            &[Some(&odd.to_string())],
        );
        both(
            &format!(
                "select count(*) from wide a join wider b on b.k = a.f and a.f = b.f where a.f = {odd}"
            ),
            &[],
        );
        both(
            &format!("update wide set n = 0 where k = f and f = {odd}"),
            &[],
        );
    }
    for statement in [
        "select count(*) from wide a join wider b on b.k = a.f and a.f = a.k",
        "select count(*) from wide a left join wider b on b.k = a.f and a.f = a.k",
        "select count(*) from (select f as k from wide) a join wider b using (k)",
        "select count(*) from (select k, count(*) from wide join (select f as k from wider) b using (k) group by k) t",
        "select count(*) from wide where k in (select f from wider where f = 9007199254740993)",
    ] {
        both(statement, &[]);
    }
    for key in 1..20 {
        let numeric = format!("select k from wide where k = n and n = '{key}.00'");
        both(&numeric, &[]);
    }
    for key in ["ab", "abc", "b", "bc", "c", "cd", "d", "de"] {
        for sql in [
            format!("select k from words where k = c and c = '{key}  '"),
            format!("select a.k from words a, words b where a.k = b.c and b.c in ('{key} ', 'zz')"),
            format!("select k from words where k = n and n = '{key}'"),
            format!(
                "delete from words a using words b where a.k = b.c and b.c = '{key}   ' and a.k = 'de'"
            ),
            format!(
                "select count(*) from words a join words b on a.k = b.i and b.i = '{key}' collate nocase"
            ),
        ] {
            both(&sql, &[]);
        }
    }
    both(
        &format!("select count(*) from words a, words b where a.k = b.n and b.n = '{long}yyy'"),
        &[],
    );
}

#[test]
fn texts_are_no_keys_where_servers_hash_other_bytes_than_the_router() {
    let latin = Server::builder()
        .locale("C")
        .initdb_argument("--encoding=LATIN1");
    let (server, proxy) = start_from(latin);
    for database in SHARDS {
        let tables = "create table words (k text primary key, v int);
             create table small (k bigint primary key, v text)";
        server.execute(database, tables).unwrap();
    }
    let mut client = RawClient::trust(proxy.address, server.user(), "keys").expect("the proxy");
    client.simple("set client_encoding = 'UTF8'").unwrap();
    for sql in [
        "insert into words values ('\u{f5}', 20)",
        "update words set k = k || '\u{e9}'",
        "select v from words where k = '\u{f5}\u{e9}'",
        "select count(*) from words",
    ] {
        let error = error_of(&client.simple(sql).unwrap()).unwrap_or_default();
        assert!(
            error.starts_with("SH030") && error.contains("UTF8"),
            "{sql}: {error}"
        );
    }
    for sql in [
        "insert into small values (1, '\u{f5}'), (2, '\u{e9}'), (3, 'z')",
        "update small set v = v || '\u{f6}'",
        "select v from small order by v collate \"C\"",
    ] {
        assert_eq!(error_of(&client.simple(sql).unwrap()), None, "{sql}");
    }
}
