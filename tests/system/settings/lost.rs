//! A server that is lost in a transaction takes the transaction with it, and its savepoints.

use bytes::BytesMut;
use local_postgres::Server;
use shunt_tests::proxy::TestProxy;
use shunt_tests::raw::{Message, RawClient, frame};
use shunt_tests::shards::{eager, on_one_server, server_with};
use shunt_tests::twin::shown;

use super::{execute, pipeline, prepare, says, start};

/// Waits for a backend of this state and query, and ends it and the others: their processes are gone, not only their rows, which
/// go before their sockets do.
fn terminate(server: &Server, state: &str, query: &str) {
    let found = format!(
        "select pid from pg_stat_activity where state = '{state}' and query like '{query}' and pid <> pg_backend_pid()"
    );
    let sql = format!(
        "do $$ begin
           while not exists ({found}) loop perform pg_sleep(0.01); perform pg_stat_clear_snapshot(); end loop;
           perform pg_terminate_backend(pid, 60000) from ({found}) as a;
         end $$"
    );
    server.execute("postgres", &sql).unwrap();
}

fn status(messages: &[Message]) -> char {
    let last = messages.last().expect("a message");
    assert_eq!(last.tag, b'Z');
    char::from(last.body[0])
}

#[test]
fn a_server_that_is_lost_in_a_transaction_leaves_a_failed_one() {
    let bed = start();
    let insert = "insert into plain values (7)";
    for in_one in [true, false] {
        let mut client = bed.connect();
        if in_one {
            client.send(b'Q', b"begin; select pg_sleep(30)\0").unwrap();
        } else {
            let mut packet = BytesMut::new();
            for sql in ["begin", "select pg_sleep(30)"] {
                prepare(&mut packet, "", sql);
                execute(&mut packet, "");
            }
            frame(&mut packet, b'S', b"");
            client.write(&packet).unwrap();
        }
        terminate(&bed.server, "active", "%pg_sleep(30)%");
        let messages = client.until_ready().unwrap();
        assert!(says(&shown(&messages), "57P01"), "{messages:?}");
        assert_eq!(status(&messages), 'E');
        assert!(says(&shown(&client.simple(insert).unwrap()), "25P02"));
        let told = shown(&client.simple("commit").unwrap());
        assert!(says(&told, "ROLLBACK"), "{told:?}");
    }
    // What happened is said before its consequence.
    for by_parse in [true, false] {
        let mut client = bed.connect();
        client.simple("begin").unwrap();
        client.simple(insert).unwrap();
        terminate(&bed.server, "idle in transaction", "%");
        let told = match by_parse {
            true => pipeline(&mut client, &["select 1"]),
            false => shown(&client.simple("select 1").unwrap()),
        };
        assert!(says(&told, "57P01"), "{told:?}");
        let told = shown(&client.simple("select 1").unwrap());
        assert!(says(&told, "25P02"), "{told:?}");
        let told = shown(&client.simple("commit").unwrap());
        assert!(says(&told, "ROLLBACK"), "{told:?}");
        let count = "select count(*) from plain where a = 7";
        let told = shown(&client.simple(count).unwrap());
        assert!(says(&told, "row 0"), "{told:?}");
    }
}

/// A savepoint brings back nothing that was done before it on a server that is gone.
#[test]
fn no_savepoint_outlives_its_server() {
    let server = server_with(2);
    let settings = on_one_server(&server, 2, eager());
    let name = settings.databases[0].topology.database.clone();
    let proxy = TestProxy::start(settings);
    let mut client = RawClient::trust(proxy.address, server.user(), &name).unwrap();
    client.simple("begin").unwrap();
    for id in 901..=908 {
        let sql = format!("insert into accounts (id, balance) values ({id}, 1)");
        client.simple(&sql).unwrap();
    }
    client.simple("savepoint a").unwrap();
    terminate(&server, "idle in transaction", "savepoint a");
    client.simple("rollback to a").unwrap();
    let told = shown(&client.simple("commit").unwrap());
    assert!(!says(&told, "COMMIT"), "{told:?}");
    let count = "select count(*) from accounts where id > 900";
    let told = shown(&client.simple(count).unwrap());
    assert!(says(&told, "row 0"), "{told:?}");
}
