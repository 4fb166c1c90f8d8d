//! What is said about files that are wrong: golden texts.

use std::path::Path;

use shunt::config;

const SHARD: &str = "[[databases.shards]]\nname = 's0'\nprimary = 'postgres://app:hidden@h/shop'\n";

/// Each case is a name, what stands before `[[databases]]`, and what stands after its first shard.
const CASES: &[(&str, &str, &str)] = &[
    ("unknown table", "[servr]\nworkers = 1", ""),
    ("unknown key", "[pool]\nmax_sise = 3", ""),
    ("key of another table", "[server]\nmax_size = 3", ""),
    (
        "two at once",
        "[pool]\nmax_size = 'x'\nidle_timeout = '5 weeks'",
        "",
    ),
    ("number too small", "[server]\nmax_clients = 0", ""),
    ("bad duration", "[server]\ndrain_timeout = 30", ""),
    ("bad address", "[server]\nlisten = 'here'", ""),
    (
        "listener twice",
        "[server]\nlisten = ['127.0.0.1:1', '127.0.0.1:1']",
        "",
    ),
    (
        "http on the same port",
        "[server]\nlisten = '127.0.0.1:1'\nhttp_listen = '127.0.0.1:1'",
        "",
    ),
    ("min over max", "[pool]\nmax_size = 2\nmin_size = 3", ""),
    ("unknown word", "[pool]\nmode = 'transation'", ""),
    ("tls without key", "[server.tls]\nmode = 'require'", ""),
    (
        "tls without authority",
        "[server.tls]\nmode = 'verify-full'\ncert = '/dev/null'\nkey = '/dev/null'",
        "",
    ),
    (
        "unreadable certificate",
        "[server.tls]\ncert = '/no/such.pem'\nkey = '/dev/null'",
        "",
    ),
    (
        "two shards in one database",
        "",
        "[[databases.shards]]\nname = 's1'\nprimary = 'postgres://app:hidden@h/shop'",
    ),
    (
        "reference is no word",
        "",
        "[[databases.tables]]\nname = 'countries'\nreference = 'yes'",
    ),
    ("user without password", "[[users]]\nname = 'app'", ""),
    (
        "user twice",
        "[[users]]\nname = 'app'\npassword = 'hidden'\n[[users]]\nname = 'app'\npassword = 'hidden'",
        "",
    ),
    (
        "md5 under scram",
        "[[users]]\nname = 'app'\npassword = 'md50123456789abcdef0123456789abcdef'",
        "",
    ),
    (
        "variable not set",
        "[[users]]\nname = 'app'\npassword = '${NOT_SET}'",
        "",
    ),
    (
        "password twice",
        "[[users]]\nname = 'app'\npassword = 'hidden'\npassword_file = '/no/such'",
        "",
    ),
    (
        "hba and method",
        "[auth]\nmethod = 'md5'\nhba_file = '/dev/null'",
        "",
    ),
    ("query without user", "[auth]\nauth_query = 'SELECT 1'", ""),
    ("not toml", "[[users]]\npassword = \"hidden", ""),
    (
        "second database alike",
        "",
        "[[databases]]\nname = 'shop'\n[[databases.shards]]\nname = 's0'\nprimary = 'postgres://u@h/d'",
    ),
    (
        "console's name",
        "[[databases]]\nname = 'pgbouncer'\n[[databases.shards]]\nname = 's0'\nprimary = 'postgres://u@h/d'",
        "",
    ),
    ("no shards", "[[databases]]\nname = 'other'", ""),
    (
        "unknown default shard",
        "",
        "[[databases]]\nname = 'other'\ndefault_shard = 's9'\n[[databases.shards]]\nname = 's0'\nprimary = 'postgres://u@h/d'",
    ),
    (
        "bad url",
        "",
        "[[databases.shards]]\nname = 's1'\nprimary = 'postgres://app:hidden@h/shop?sslmod=require'",
    ),
    ("shard twice", "", SHARD),
    (
        "replica is the primary",
        "",
        "replicas = [{ url = 'postgres://app:hidden@h/shop' }]",
    ),
    ("table nowhere", "", "[[databases.tables]]\nname = 't'"),
    (
        "table twice",
        "",
        "[[databases.tables]]\nname = 't'\nshard = 's0'\n[[databases.tables]]\nname = 't'\nreference = true",
    ),
    (
        "table in two ways",
        "",
        "[[databases.tables]]\nname = 't'\nshard = 's0'\nreference = true",
    ),
    (
        "unknown placement",
        "",
        "[[databases.tables]]\nname = 't'\nkey = 'id'\nplacement = 'by_usr'",
    ),
    (
        "unknown key type",
        "",
        "[[databases.placements]]\nname = 'p'\ntype = 'int'\nstrategy = 'hash'",
    ),
    (
        "key of another strategy",
        "",
        "[[databases.placements]]\nname = 'p'\ntype = 'bigint'\nstrategy = 'hash'\npoints = 3",
    ),
    (
        "ranges overlap",
        "",
        "[[databases.placements]]\nname = 'p'\ntype = 'bigint'\nstrategy = 'range'\nranges = [{ from = 0, to = 10, shard = 's0' }, { from = 5, to = 20, shard = 's0' }]",
    ),
    (
        "empty key in a range",
        "",
        "[[databases.placements]]\nname = 'p'\ntype = 'bigint'\nstrategy = 'range'\nranges = [{ from = [], shard = 's0' }]",
    ),
    (
        "unreadable authority of a server",
        "",
        "replicas = [{ url = 'postgres://app:hidden@other/shop?sslmode=verify-full&sslrootcert=/no/such.pem' }]",
    ),
    (
        "text in a bigint range",
        "",
        "[[databases.placements]]\nname = 'p'\ntype = 'bigint'\nstrategy = 'range'\nranges = [{ from = 'a', shard = 's0' }]",
    ),
];

fn file(before: &str, after: &str) -> String {
    format!("{before}\n[[databases]]\nname = 'shop'\n{SHARD}{after}\n")
}

#[test]
fn golden_errors() {
    let mut golden = String::new();
    for (name, before, after) in CASES {
        let problems = config::parse(&file(before, after), Path::new("shunt.toml"), &|_| None)
            .expect_err(name);
        let text = problems.to_string();
        assert!(!text.contains("hidden"), "{name}: {text}");
        golden.push_str(&format!("{name}\n{text}\n\n"));
    }
    insta::assert_snapshot!(golden);
}

#[test]
fn the_file_around_the_cases_is_right() {
    config::parse(&file("", ""), Path::new("shunt.toml"), &|_| None).expect("it parses");
}

/// A fault in `databases[10]` must not hide the faults of `databases[1]`.
#[test]
fn databases_are_told_apart_by_their_whole_numbers() {
    let mut text = String::new();
    for i in 0..11 {
        let shard = SHARD.replace("s0", &format!("s{i}"));
        text.push_str(&format!("[[databases]]\nname = 'd{i}'\n{shard}"));
        match i {
            1 => text.push_str("[[databases.tables]]\nname = 't'\nshard = 'nowhere'\n"),
            10 => text.push_str("[[databases.tables]]\nname = 't'\n"),
            _ => {}
        }
    }
    let problems =
        config::parse(&text, Path::new("shunt.toml"), &|_| None).expect_err("two faults");
    let keys: Vec<&str> = problems.list.iter().map(|p| p.key.as_str()).collect();
    assert!(
        keys.iter().any(|k| k.starts_with("databases[1].")),
        "{problems}"
    );
    assert!(
        keys.iter().any(|k| k.starts_with("databases[10].")),
        "{problems}"
    );
}
