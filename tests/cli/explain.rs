//! `shunt explain` and `shunt advise`, by the configuration alone and by what servers have.

use local_postgres::Server;
use tempfile::TempDir;

use crate::{shunt, text};

/// What is read of a server makes the difference: here it adds answers up, merges them, and knows a view.
const SQL: &str = "SELECT count(*) FROM users; SELECT name FROM users ORDER BY name LIMIT 3; SELECT id FROM everybody";

/// A configuration of two shards whose primaries are these, with `users` by `id`.
fn configured(urls: [String; 2]) -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let shards: String = urls
        .iter()
        .enumerate()
        .map(|(at, url)| format!("[[databases.shards]]\nname = 's{at}'\nprimary = '{url}'\n"))
        .collect();
    let config = format!(
        "[auth]\nmethod = 'trust'\n[[databases]]\nname = 'shop'\ndefault_shard = 's0'\n{shards}\
         [[databases.placements]]\nname = 'by_user'\ntype = 'bigint'\nstrategy = 'hash'\n\
         [[databases.tables]]\nname = 'users'\nkey = 'id'\nplacement = 'by_user'\n"
    );
    let path = folder.path().join("shunt.toml");
    std::fs::write(&path, config).expect("a file");
    let path = path.to_str().expect("a path").to_owned();
    (folder, path)
}

fn tiers(out: &[u8]) -> Vec<u64> {
    let objects = text(out).lines();
    objects
        .map(|line| {
            let object: serde_json::Value = serde_json::from_str(line).expect("JSON");
            object["tier"].as_u64().expect("a tier")
        })
        .collect()
}

#[test]
fn who_asks_the_servers_is_told_what_the_proxy_does() {
    let server = Server::builder()
        .database("shop0")
        .start()
        .expect("a server starts");
    server
        .execute("postgres", "CREATE DATABASE shop1")
        .expect("a database");
    let url = |shard: usize| {
        let (user, port) = (server.user(), server.port());
        format!("postgres://{user}@127.0.0.1:{port}/shop{shard}")
    };
    for shard in ["shop0", "shop1"] {
        let schema = "CREATE TABLE users (id bigint PRIMARY KEY, name text); CREATE VIEW everybody AS SELECT id FROM users";
        server.execute(shard, schema).expect("a schema");
    }
    let (_folder, config) = configured([url(0), url(1)]);

    let alone = shunt(&["explain", "--json", "--config", &config, SQL], "");
    assert_eq!(alone.status.code(), Some(0), "{}", text(&alone.stderr));
    assert_eq!(tiers(&alone.stdout), [4, 4, 1]);
    insta::assert_snapshot!("explain_note", text(&alone.stderr));
    let asked = shunt(
        &["explain", "--connect", "--json", "--config", &config, SQL],
        "",
    );
    assert_eq!(asked.status.code(), Some(0), "{}", text(&asked.stderr));
    assert_eq!(tiers(&asked.stdout), [2, 2, 2]);
    assert_eq!(text(&asked.stderr), "");
    // A name that is not listed may be a view of whatever is.
    let view = "SELECT id FROM everybody";
    let out = shunt(&["explain", "--config", &config, view], "");
    assert!(text(&out.stderr).contains("--connect"));
    // Where one shard is enough nothing else could be said.
    let one = "SELECT * FROM users WHERE id = 1";
    let out = shunt(&["explain", "--config", &config, one], "");
    assert_eq!(text(&out.stderr), "");

    let advise = |connect: &[&str]| {
        let arguments = [&["advise", "--json", "--config", &config, "-"], connect].concat();
        let out = shunt(&arguments, SQL);
        assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
        let value: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON");
        let refused = value["totals"]["refused"].as_u64().expect("a number");
        (refused, text(&out.stderr).contains("--connect"))
    };
    assert_eq!(advise(&[]), (2, true));
    assert_eq!(advise(&["--connect"]), (0, false));
}

#[test]
fn servers_that_do_not_answer_are_an_error_and_not_a_guess() {
    let (_folder, config) =
        configured([1, 2].map(|port| format!("postgres://app@127.0.0.1:{port}/shop")));
    let out = shunt(&["explain", "--connect", "--config", &config, SQL], "");
    assert_eq!(out.status.code(), Some(1), "{}", text(&out.stdout));
    assert_eq!(text(&out.stdout), "");
    let error = text(&out.stderr);
    assert!(
        error.starts_with(
            "error: cannot read the catalog of the database: cannot connect to the primary of shard \"s0\""
        ) && error.contains("hint: shunt check --connect"),
        "{error}"
    );
}
