//! What a client was told is done, and is undone because a server is lost before it is committed: it hears of that.

use local_postgres::Server;
use shunt_tests::patience::{await_blocked, await_that};
use shunt_tests::proxy::TestProxy;
use shunt_tests::raw::{Message, RawClient, seen};
use shunt_tests::shards::{on_one_server, server_with};

const SHARDS: usize = 3;

/// The shard loses what has been done there. `others` are asked something, so that the proxy has had a turn since.
fn lose(server: &Server, shard: usize, others: &mut RawClient) {
    let open = format!(
        "from pg_stat_activity where datname = 'bank{shard}' and state = 'idle in transaction'"
    );
    let count = |of: &str| {
        let counted = server.execute("postgres", &format!("select count({of}) {open}"));
        counted.unwrap()
    };
    await_that("something is done there", || count("*") == "1");
    assert_eq!(count("pg_terminate_backend(pid, 60000)"), "1");
    await_that("it is lost", || count("*") == "0");
    for _ in 0..20 {
        others.simple("select count(*) from copies").unwrap();
    }
}

fn sum(client: &mut RawClient) -> String {
    let said = client.simple("select sum(balance)::int from accounts");
    seen(&said.unwrap()).join(" ")
}

fn errors(said: &[Message]) -> Vec<String> {
    let errors = said.iter().filter_map(Message::error);
    errors.map(|error| error.code).collect()
}

#[test]
fn a_pipeline_that_is_undone_says_so() {
    let server = server_with(SHARDS);
    let proxy = TestProxy::start(on_one_server(&server, SHARDS, Default::default()));
    let connect = || RawClient::trust(proxy.address, server.user(), "bank").unwrap();
    let (mut client, mut others) = (connect(), connect());
    let accounts = "insert into accounts (id) select generate_series(1, 30)";
    assert!(errors(&client.simple(accounts).unwrap()).is_empty());
    for shard in 0..SHARDS {
        client
            .send(b'P', b"\0update accounts set balance = balance + 1\0\0\0")
            .unwrap();
        client.send(b'B', b"\0\0\0\0\0\0\0\0").unwrap();
        client.send(b'E', b"\0\0\0\0\0").unwrap();
        client.send(b'H', b"").unwrap();
        loop {
            let said = client.read().unwrap();
            assert_ne!(said.tag, b'E', "{said:?}");
            if said.tag == b'C' {
                assert_eq!(said.text(), "UPDATE 30");
                break;
            }
        }
        lose(&server, shard, &mut others);
        client.send(b'S', b"").unwrap();
        let said = client.until_ready().unwrap();
        assert_eq!(errors(&said), ["57P01"], "{said:?}");
        assert_eq!(sum(&mut client), "0");
    }
}

#[test]
fn a_message_of_several_statements_that_is_undone_says_so() {
    let server = server_with(SHARDS);
    let proxy = TestProxy::start(on_one_server(&server, SHARDS, Default::default()));
    let connect = || RawClient::trust(proxy.address, server.user(), "bank").unwrap();
    let (mut client, mut others) = (connect(), connect());
    let accounts = "insert into accounts (id) select generate_series(1, 30)";
    assert!(errors(&client.simple(accounts).unwrap()).is_empty());
    // It waits on one shard, behind a lock, while another is lost.
    let mut holder = RawClient::direct(&server, "bank1");
    for shard in [0, 2] {
        holder
            .simple("begin; lock table copies in exclusive mode")
            .unwrap();
        let text = "update accounts set balance = balance + 1; update copies set name = 'b'";
        client.send(b'Q', format!("{text}\0").as_bytes()).unwrap();
        await_blocked(&server, 1);
        lose(&server, shard, &mut others);
        let said = client.until_ready().unwrap();
        assert_eq!(errors(&said), ["57P01"], "{said:?}");
        holder.simple("rollback").unwrap();
        let open = "select count(*) from pg_stat_activity where state like 'idle in transaction%'";
        await_that("nothing is left open", || {
            server.execute("postgres", open).unwrap() == "0"
        });
        assert_eq!(sum(&mut client), "0");
    }
}
