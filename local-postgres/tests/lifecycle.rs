//! Servers start, stop, fail, and leave nothing behind.

#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use local_postgres::{Cluster, Error, Server, Stop};

fn await_true(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < end, "{what} did not come true");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_server_answers_and_goes_away_when_dropped() {
    let server = Server::builder().database("shop").start().unwrap();
    assert_eq!(
        server
            .execute("shop", "SELECT current_database(), 1 + 1")
            .unwrap(),
        "shop|2"
    );
    let settings = server
        .execute(
            "shop",
            "SELECT current_setting('fsync'), current_setting('wal_level'),
                    current_setting('listen_addresses'), current_setting('max_prepared_transactions')",
        )
        .unwrap();
    assert_eq!(settings, "off|logical|127.0.0.1|64");
    let socket = server.socket_directory().unwrap().to_owned();
    let over_socket = server
        .psql("shop")
        .env("PGHOST", &socket)
        .args(["-Atc", "SELECT 7"])
        .output();
    assert_eq!(String::from_utf8_lossy(&over_socket.unwrap().stdout), "7\n");
    let process = server.process().unwrap();
    drop(server);
    assert!(!socket.exists());
    assert!(!is_alive(process));
}

#[test]
fn a_directory_that_was_chosen_is_left_empty() {
    let chosen = tempfile::tempdir().unwrap();
    let server = Server::builder().directory(chosen.path()).start().unwrap();
    let entries = || std::fs::read_dir(chosen.path()).unwrap().count();
    assert_eq!(entries(), 1);
    assert!(
        server
            .data_directory()
            .starts_with(chosen.path().canonicalize().unwrap())
    );
    drop(server);
    assert_eq!(entries(), 0);
}

#[test]
fn many_start_at_once() {
    let servers: Vec<Server> = thread::scope(|scope| {
        let starts: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| Server::builder().database("shop").start()))
            .collect();
        starts
            .into_iter()
            .map(|start| start.join().unwrap().unwrap())
            .collect()
    });
    let mut ports: Vec<u16> = servers.iter().map(Server::port).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 4);
    for (n, server) in servers.iter().enumerate() {
        server
            .execute("shop", &format!("CREATE TABLE t AS SELECT {n} AS n"))
            .unwrap();
    }
    for (n, server) in servers.iter().enumerate() {
        assert_eq!(
            server.execute("shop", "SELECT n FROM t").unwrap(),
            n.to_string()
        );
    }
}

#[test]
fn a_schema_comes_with_every_server() {
    let builder = Server::builder().database("shop").schema(
        "shop",
        "CREATE TABLE t (n int);\nINSERT INTO t\nVALUES (1), (2)",
    );
    for _ in 0..2 {
        let server = builder.clone().start().unwrap();
        let count = server.execute("shop", "SELECT count(*) FROM t").unwrap();
        assert_eq!(count, "2");
        // Nobody takes it for a part of PostgreSQL.
        let own = "SELECT oid >= 16384 FROM pg_class WHERE relname = 't'";
        assert_eq!(server.execute("shop", own).unwrap(), "t");
        // Seen by nobody else: each has a copy.
        server.execute("shop", "INSERT INTO t VALUES (3)").unwrap();
    }
    let wrong = Server::builder()
        .schema("postgres", "CREATE TABLE t (n nonsense)")
        .start()
        .unwrap_err()
        .to_string();
    assert!(wrong.contains("\"nonsense\" does not exist"), "{wrong}");
}

#[test]
fn a_taken_port_is_named() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let error = Server::builder().port(port).start().unwrap_err();
    assert!(
        matches!(error, Error::PortTaken { port: named } if named == port),
        "{error}"
    );
}

#[test]
fn a_start_that_fails_shows_the_log() {
    let error = Server::builder()
        .set("shared_buffers", "nonsense")
        .start()
        .unwrap_err()
        .to_string();
    assert!(error.contains("shared_buffers"), "{error}");
}

#[test]
fn a_failing_statement_is_an_error() {
    let server = Server::builder().start().unwrap();
    let error = server
        .execute("postgres", "SELECT 1; SELECT nonsense; SELECT 2")
        .unwrap_err();
    assert!(error.to_string().contains("nonsense"), "{error}");
}

#[test]
fn a_password_is_asked_for_and_works() {
    let server = Server::builder()
        .superuser("owner")
        .password("s'3cret\\")
        .start()
        .unwrap();
    assert_eq!(
        server.execute("postgres", "SELECT current_user").unwrap(),
        "owner"
    );
    let mut wrong = server.psql("postgres");
    let output = wrong
        .env("PGPASSWORD", "wrong")
        .args(["-c", "SELECT 1"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let replica = server.replica().start().unwrap();
    assert_eq!(
        replica
            .execute("postgres", "SELECT pg_is_in_recovery()")
            .unwrap(),
        "t"
    );
}

#[test]
fn a_replica_follows_and_can_be_promoted() {
    let primary = Server::builder().database("shop").start().unwrap();
    primary.execute("shop", "CREATE TABLE t (n int)").unwrap();
    let replica = primary
        .replica()
        .application_name("second")
        .start()
        .unwrap();
    primary
        .execute("shop", "INSERT INTO t SELECT generate_series(1, 10)")
        .unwrap();
    replica.await_replay_of(&primary).unwrap();
    assert_eq!(
        replica.execute("shop", "SELECT count(*) FROM t").unwrap(),
        "10"
    );
    let name = primary
        .execute("shop", "SELECT application_name FROM pg_stat_replication")
        .unwrap();
    assert_eq!(name, "second");
    primary.kill().unwrap();
    replica.promote().unwrap();
    replica
        .execute("shop", "INSERT INTO t VALUES (11)")
        .unwrap();
}

enum Fault {
    Stop(Stop),
    Kill,
}

#[test]
fn what_was_committed_survives_stop_and_kill() {
    let server = Server::builder().start().unwrap();
    server
        .execute("postgres", "CREATE TABLE t (n int)")
        .unwrap();
    let port = server.port();
    let faults = [
        Fault::Stop(Stop::Fast),
        Fault::Stop(Stop::Immediate),
        Fault::Kill,
    ];
    for (count, fault) in (1..).zip(faults) {
        server
            .execute("postgres", "INSERT INTO t VALUES (1)")
            .unwrap();
        match fault {
            Fault::Stop(how) => server.stop(how).unwrap(),
            Fault::Kill => server.kill().unwrap(),
        }
        assert!(!server.is_running());
        assert!(server.execute("postgres", "SELECT 1").is_err());
        server.start().unwrap();
        assert_eq!(server.port(), port);
        let rows = server
            .execute("postgres", "SELECT count(*) FROM t")
            .unwrap();
        assert_eq!(rows, count.to_string());
    }
}

#[test]
fn a_cluster_starts_with_its_schema_and_replicas() {
    let builder = Server::builder().superuser("shop").database("shop");
    let cluster = Cluster::start(
        2,
        1,
        &builder,
        ("shop", "CREATE TABLE t (n int)"),
        &|_, _| {},
    )
    .unwrap();
    cluster.execute("shop", "INSERT INTO t VALUES (1)").unwrap();
    cluster.await_replicas().unwrap();
    for shard in cluster.shards() {
        let rows = shard.replicas[0]
            .execute("shop", "SELECT count(*) FROM t")
            .unwrap();
        assert_eq!(rows, "1", "{}", shard.name);
    }
}

#[test]
fn a_paused_server_is_silent_and_goes_on() {
    let server = Server::builder().start().unwrap();
    server.pause().unwrap();
    let mut waiting = server
        .psql("postgres")
        .args(["-Atc", "SELECT 5"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Nothing can be awaited to show that nothing happens.
    thread::sleep(Duration::from_millis(200));
    assert!(waiting.try_wait().unwrap().is_none());
    server.resume().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&waiting.wait_with_output().unwrap().stdout),
        "5\n"
    );
    // And one that is dropped while paused goes away all the same.
    server.pause().unwrap();
    let (data, process) = (server.data_directory(), server.process().unwrap());
    drop(server);
    assert!(!data.exists());
    assert!(!is_alive(process));
}

#[test]
fn nothing_is_left_of_a_parent_that_was_killed() {
    let example = example();
    let mut parent = Command::new(example)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let port: u16 = lines.next().unwrap().unwrap().parse().unwrap();
    let data = PathBuf::from(lines.next().unwrap().unwrap());
    let postmaster: u32 = lines.next().unwrap().unwrap().parse().unwrap();
    assert!(data.exists());
    assert!(TcpListener::bind(("127.0.0.1", port)).is_err());

    parent.kill().unwrap();
    parent.wait().unwrap();
    let area = data.parent().unwrap().to_owned();
    await_true("the directory is removed", || !area.exists());
    await_true("the server is gone", || !is_alive(postmaster));
    TcpListener::bind(("127.0.0.1", port)).unwrap();
}

/// Cargo builds the examples of a package along with its tests.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    target.join("examples").join("one_server")
}

/// Whether a process exists and is no zombie.
fn is_alive(process: u32) -> bool {
    // Linux machines need not have ps; others have no /proc.
    let state = if Path::new("/proc/self/stat").exists() {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        stat.rsplit_once(") ")
            .map_or_else(String::new, |(_, state)| state.to_owned())
    } else {
        let output = Command::new("ps")
            .args(["-o", "stat=", "-p", &process.to_string()])
            .output();
        String::from_utf8_lossy(&output.unwrap().stdout)
            .trim()
            .to_owned()
    };
    !state.is_empty() && !state.starts_with('Z')
}
