//! Deadlocks over several shards on servers of their own, of which none sees more than its part.

use std::thread;
use std::time::{Duration, Instant};

use local_postgres::Server;
use shunt_tests::proxy::{TestProxy, address};
use shunt_tests::raw::RawClient;
use shunt_tests::shards::{SCHEMA, settings};
use shunt_tests::twin::shown;

/// Nobody has to wait for longer than this.
const SOON: Duration = Duration::from_secs(25);

struct Bed {
    servers: Vec<Server>,
    proxy: TestProxy,
}

impl Bed {
    fn start() -> Self {
        let start = |_| Server::builder().database("bank").start();
        let servers: Result<Vec<Server>, _> = (0..2).map(start).collect();
        let servers = servers.expect("servers start");
        for server in &servers {
            server.execute("bank", SCHEMA).expect("the schema");
        }
        let primaries = servers
            .iter()
            .map(|server| address(server, "bank"))
            .collect();
        let proxy = TestProxy::start(settings(primaries, servers[0].user(), Default::default()));
        let bed = Self { servers, proxy };
        let mut client = bed.client();
        say(
            &mut client,
            "insert into accounts (id) select g from generate_series(1, 8) g",
        );
        say(
            &mut client,
            "insert into copies values (1, 'one'), (2, 'two')",
        );
        bed
    }

    fn client(&self) -> RawClient {
        RawClient::trust(self.proxy.address, self.servers[0].user(), "bank").expect("the proxy")
    }
}

fn say(client: &mut RawClient, sql: &str) -> Vec<String> {
    shown(&client.simple(sql).expect(sql))
}

/// Two clients say their first statements, then at the same time their second ones; what came of those.
fn race(bed: &Bed, first: [&str; 2], second: [&str; 2], extended: bool) -> [Vec<String>; 2] {
    let mut clients = [bed.client(), bed.client()];
    for (client, sql) in clients.iter_mut().zip(first) {
        say(client, "begin");
        let answer = say(client, sql);
        assert!(!answer[0].starts_with("ERROR"), "{sql}: {answer:?}");
    }
    let begun = Instant::now();
    let answers = thread::scope(|scope| {
        let waiting = clients.each_mut();
        let mut second = second.into_iter();
        let asked = waiting.map(|client| {
            let sql = second.next().expect("a statement");
            scope.spawn(move || {
                let answer = match extended {
                    true => shown(&client.extended(sql, &[], false).expect(sql)),
                    false => say(client, sql),
                };
                // The other one goes on when this transaction ends.
                say(client, "commit");
                answer
            })
        });
        asked.map(|asked| asked.join().expect("a client"))
    });
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    answers
}

#[test]
fn of_two_who_wait_for_each_other_on_two_servers_one_gives_way() {
    let bed = Bed::start();
    let one = "update accounts set balance = balance + 1 where id = 1";
    let two = "update accounts set balance = balance + 1 where id = 2";
    for (first, second) in [
        ([one, two], [two, one]),
        // The second statements are carried out in steps.
        (
            [one, two],
            [
                "update accounts set balance = 5",
                "select id from accounts order by id for update",
            ],
        ),
        ([one, two], ["lock table accounts", "lock table accounts"]),
    ] {
        for extended in [false, true] {
            let answers = race(&bed, first, second, extended);
            let says = |answer: &Vec<String>, words: &str| {
                answer.iter().any(|line| line.starts_with(words))
            };
            let dead = |answer: &&Vec<String>| says(answer, "ERROR 40P01 deadlock detected");
            let done = |answer: &&Vec<String>| !says(answer, "ERROR");
            let counts = (
                answers.iter().filter(dead).count(),
                answers.iter().filter(done).count(),
            );
            assert_eq!(counts, (1, 1), "{second:?}: {answers:?}");
        }
    }
}

/// The client that gave way says nothing more: its transaction has let go all the same.
#[test]
fn whoever_is_left_of_a_circle_goes_on_at_once() {
    let bed = Bed::start();
    let mut clients = [bed.client(), bed.client()];
    let sql = |id: u32| format!("update accounts set balance = balance + 1 where id = {id}");
    for (client, id) in clients.iter_mut().zip([1, 2]) {
        say(client, "begin");
        say(client, &sql(id));
    }
    let begun = Instant::now();
    let answers = thread::scope(|scope| {
        let mut ids = [2, 1].into_iter();
        let waiting = clients.each_mut().map(|client| {
            let sql = sql(ids.next().expect("an id"));
            scope.spawn(move || say(client, &sql))
        });
        waiting.map(|waiting| waiting.join().expect("a client"))
    });
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    let [a, b] = answers.map(|answer| answer.last().cloned().unwrap_or_default());
    assert!(
        (&*a, &*b) == ("state T", "state E") || (&*a, &*b) == ("state E", "state T"),
        "{a}, {b}"
    );
    for client in &mut clients {
        say(client, "commit");
    }
    let answer = say(&mut clients[0], "select sum(balance) from accounts");
    assert!(answer.contains(&"row 2".to_owned()), "{answer:?}");
}

#[test]
fn whoever_only_waits_long_is_not_disturbed() {
    let bed = Bed::start();
    let mut holder = bed.client();
    say(&mut holder, "begin");
    say(
        &mut holder,
        "update accounts set balance = 1 where id in (1, 2)",
    );
    thread::scope(|scope| {
        let waiting = ["where id in (1, 3)", "where id in (2, 4)", "where id > 0"].map(|rows| {
            let mut client = bed.client();
            scope.spawn(move || {
                say(
                    &mut client,
                    &format!("update accounts set balance = 2 {rows}"),
                )
            })
        });
        // For several looks.
        let answer = say(&mut holder, "select pg_sleep(4)");
        assert!(!answer[0].starts_with("ERROR"), "{answer:?}");
        say(&mut holder, "commit");
        for waiting in waiting {
            let answer = waiting.join().expect("a client");
            assert!(answer[0].starts_with("tag UPDATE"), "{answer:?}");
        }
    });
}
