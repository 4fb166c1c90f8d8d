//! `shunt demo` as a user runs it, on real servers.

#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn demo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shunt"));
    command.arg("demo").args(arguments).stdin(Stdio::null());
    command
}

/// Folders of servers in `directory`.
fn left_in(directory: &Path) -> usize {
    std::fs::read_dir(directory).map_or(0, |entries| entries.count())
}

fn await_empty(directory: &Path) {
    let end = Instant::now() + Duration::from_secs(30);
    while left_in(directory) > 0 {
        assert!(Instant::now() < end, "{} is not empty", directory.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn once_shows_every_statement_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("servers");
    let output = demo(&["--once", "--port", "0", "--dir", path.to_str().unwrap()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("statements did as announced"), "{text}");
    assert!(text.contains("SH012"), "a refusal is shown: {text}");
    assert!(
        !text.contains('\x1b'),
        "no colours where nobody sees them: {text}"
    );
    assert_eq!(left_in(&path), 0);
}

#[test]
fn a_taken_port_is_told_before_any_server_starts() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let output = demo(&["--once", "--port", &port]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains(&format!("port {port}")), "{errors}");
    assert!(errors.contains("hint: "), "{errors}");
}

/// Runs the demo until it invites to connect, and tries the line that it prints.
fn open_shop(directory: &Path) -> Child {
    let arguments = ["--shards", "2", "--replicas", "0", "--port", "0", "--dir"];
    let mut command = demo(&arguments);
    let mut child = command
        .arg(directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let psql = lines
        .find_map(|line| line.ok().filter(|line| line.trim().starts_with("psql ")))
        .expect("the demo prints a psql line");
    let line = format!("{} -XAtc 'SELECT id FROM users WHERE id = 42'", psql.trim());
    let output = Command::new("sh").arg("-c").arg(line).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "42\n",
        "{output:?}"
    );
    // The reader stays, or the demo's next line would find the pipe closed.
    std::thread::spawn(move || lines.for_each(drop));
    child
}

#[test]
fn ctrl_c_ends_it_and_removes_everything() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = open_shop(directory.path());
    assert!(left_in(directory.path()) > 0);
    let interrupt = ["-c", "kill -s INT \"$0\"", &child.id().to_string()].map(str::to_owned);
    assert!(
        Command::new("sh")
            .args(interrupt)
            .status()
            .unwrap()
            .success()
    );
    assert!(child.wait().unwrap().success());
    await_empty(directory.path());
}

#[test]
fn a_crash_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = open_shop(directory.path());
    child.kill().unwrap();
    child.wait().unwrap();
    await_empty(directory.path());
}

#[test]
fn ctrl_c_while_the_servers_start_removes_everything() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = demo(&["--port", "0", "--dir"])
        .arg(directory.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    while left_in(directory.path()) == 0 {
        assert!(Instant::now() < end, "no server starts");
        std::thread::sleep(Duration::from_millis(5));
    }
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-s", "INT", &id]).status();
    assert!(sent.unwrap().success());
    child.wait().unwrap();
    await_empty(directory.path());
}
