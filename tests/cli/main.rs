//! The binary as a user runs it.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

mod advise;
mod demo;
mod documentation;
mod explain;
mod faults;
mod logs;
mod outages;
mod restart;
mod serve;
mod wrong;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/shunt.toml");

fn shunt(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_shunt"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    // A command that does not read its input may be gone already.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("the binary ends")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("output is UTF-8")
}

#[test]
fn check_sums_up_the_example() {
    let out = shunt(&["check", "--config", EXAMPLE], "");
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    insta::assert_snapshot!(text(&out.stdout));
}

#[test]
fn check_prints_no_password() {
    for json in [&["--json"][..], &[]] {
        let args = [&["check", "--config", EXAMPLE], json].concat();
        let out = shunt(&args, "");
        assert_eq!(out.status.code(), Some(0));
        assert!(!text(&out.stdout).contains("secret"));
    }
}

#[test]
fn check_json_is_json() {
    let out = shunt(&["check", "--json", "--config", EXAMPLE], "");
    let value: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(value["databases"][0]["name"], "shop");
    assert_eq!(
        value["databases"][0]["shards"][1]["primary"],
        "127.0.0.1:5502/shop"
    );
}

#[test]
fn a_missing_file_is_a_configuration_error() {
    let out = shunt(&["check", "--config", "no-such-file.toml"], "");
    assert_eq!(out.status.code(), Some(2));
    let error = text(&out.stderr);
    assert!(
        error.starts_with("error: no-such-file.toml: cannot read"),
        "{error}"
    );
    assert!(error.contains("hint: "), "{error}");
}

#[test]
fn wrong_usage_is_exit_code_2_and_help_has_an_example() {
    assert_eq!(shunt(&["frobnicate"], "").status.code(), Some(2));
    let no_database = [
        "explain",
        "--config",
        EXAMPLE,
        "--database",
        "shpo",
        "SELECT 1",
    ];
    let out = shunt(&no_database, "");
    assert_eq!(out.status.code(), Some(2));
    assert_eq!(
        text(&out.stderr),
        "error: there is no database \"shpo\" in the configuration. hint: known here: shop\n"
    );
    for command in ["serve", "check", "catalog", "explain", "advise"] {
        let out = shunt(&[command, "--help"], "");
        assert_eq!(out.status.code(), Some(0));
        assert!(text(&out.stdout).contains("Example"), "{command}");
    }
}

#[test]
fn explain_gives_an_object_per_statement() {
    let out = shunt(
        &["explain", "--json", "--config", EXAMPLE],
        "BEGIN; COMMIT;",
    );
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    let objects: Vec<serde_json::Value> = text(&out.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert!(!objects.is_empty());
    for object in &objects {
        for key in [
            "kind", "effect", "tier", "shards", "role", "tables", "refusal",
        ] {
            assert!(object.get(key).is_some(), "{key} in {object}");
        }
    }
}

#[test]
fn explain_of_nothing_is_wrong_usage() {
    let out = shunt(&["explain", "--config", EXAMPLE], "");
    assert_eq!(out.status.code(), Some(2), "{}", text(&out.stdout));
}

/// Files that are there and are no certificate and key: `serve` would not begin, so `check` does not pass.
#[test]
fn check_reads_the_files_of_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("shunt.toml");
    let tls = "[server.tls]\nmode = 'require'\ncert = 'shunt.toml'\nkey = 'shunt.toml'\n";
    let rest = "[auth]\nmethod = 'trust'\n[[databases]]\nname = 'shop'\n\
                [[databases.shards]]\nname = 's0'\nprimary = 'postgres://app@127.0.0.1:1/shop'\n";
    std::fs::write(&config, format!("{tls}{rest}")).expect("a file");
    let out = shunt(&["check", "--config", config.to_str().expect("a path")], "");
    assert_eq!(out.status.code(), Some(1), "{}", text(&out.stderr));
    assert!(
        text(&out.stderr).contains("hint: mend server.tls"),
        "{}",
        text(&out.stderr)
    );
}

/// The binary asks, prints the table, and fails when a server does not answer.
#[test]
fn check_connect_without_servers_fails() {
    // Whoever tries the example has servers at its ports: nobody listens on this one.
    let example = std::fs::read_to_string(EXAMPLE).expect("the example");
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("shunt.toml");
    let nobody = example
        .replace(":5501/", ":1/")
        .replace(":5511/", ":3/")
        .replace(":5502/", ":2/");
    std::fs::write(&config, nobody).expect("a file");
    let config = config.to_str().expect("a path");
    let out = shunt(&["check", "--connect", "--json", "--config", config], "");
    assert_eq!(out.status.code(), Some(1), "{}", text(&out.stderr));
    let value: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(value["servers"].as_array().map(Vec::len), Some(3));
    assert_eq!(value["findings"][0]["level"], "error");
    assert!(!text(&out.stdout).contains("secret"));
}

#[test]
fn explain_shows_where_statements_go() {
    let sql = "SELECT * FROM users WHERE id = 42; SELECT * FROM audit_log;";
    let out = shunt(&["explain", "--json", "--config", EXAMPLE], sql);
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    insta::assert_snapshot!(text(&out.stdout));
}
