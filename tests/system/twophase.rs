//! Transactions that write on several shards: all or nothing, with PostgreSQL's own answers.

use std::time::Duration;

use local_postgres::Server;
use router_proxy::settings::TwoPhaseSettings;
use shunt_tests::patience::await_that;
use shunt_tests::proxy::TestProxy;
use shunt_tests::raw::{Message, RawClient};
use shunt_tests::shards::{on_one_server, server_from, server_with};

struct Bank {
    server: Server,
    proxy: TestProxy,
}

/// Recovery that never comes: what is tested here ends without it.
fn patient() -> TwoPhaseSettings {
    TwoPhaseSettings {
        interval: Duration::from_secs(3600),
        grace: Duration::from_secs(3600),
        retention: Duration::from_secs(3600),
    }
}

impl Bank {
    fn open(shards: usize) -> Self {
        Self::of(server_with(shards), shards)
    }

    fn of(server: Server, shards: usize) -> Self {
        let proxy = TestProxy::start(on_one_server(&server, shards, patient()));
        Self { server, proxy }
    }

    fn client(&self) -> RawClient {
        RawClient::trust(self.proxy.address, self.server.user(), "bank").unwrap()
    }

    fn on(&self, shard: usize, sql: &str) -> String {
        self.server.execute(&format!("bank{shard}"), sql).unwrap()
    }

    /// The accounts of each shard.
    fn accounts(&self, shards: usize) -> Vec<String> {
        let sql =
            "select coalesce(string_agg(id || '=' || balance, ' ' order by id), '') from accounts";
        (0..shards).map(|shard| self.on(shard, sql)).collect()
    }

    fn prepared(&self) -> String {
        self.on(0, "select count(*) from pg_prepared_xacts")
    }

    fn decisions(&self, shards: usize) -> usize {
        let count = |shard: usize| {
            if self.on(shard, "select to_regclass('shunt.decisions') is null") == "t" {
                return 0;
            }
            let count = self.on(
                shard,
                "select count(*) from shunt.decisions where committed",
            );
            count.parse().unwrap()
        };
        (0..shards).map(count).sum()
    }
}

/// What an answer says: tags of messages, command tags, SQLSTATEs, the status.
fn told(messages: &[Message]) -> String {
    let words = messages.iter().map(|message| match message.tag {
        b'C' => String::from_utf8_lossy(&message.body)
            .trim_end_matches('\0')
            .to_owned(),
        b'E' => format!("error {}", message.error().unwrap().code),
        b'Z' => char::from(message.body[0]).to_string(),
        tag => char::from(tag).to_string(),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn ask(client: &mut RawClient, sql: &str) -> String {
    told(&client.simple(sql).unwrap())
}

/// Parse, Bind and Execute of each statement, then one Sync.
fn pipeline(client: &mut RawClient, statements: &[&str]) -> String {
    let messages = client.pipeline(statements).unwrap();
    let kept = messages
        .into_iter()
        .filter(|m| !matches!(m.tag, b'1' | b'2' | b'D'));
    told(&kept.collect::<Vec<_>>())
}

#[test]
fn a_transaction_that_writes_on_several_shards_is_committed_on_all() {
    let bank = Bank::open(3);
    let mut client = bank.client();
    assert_eq!(ask(&mut client, "begin"), "BEGIN T");
    for id in 1..=3 {
        let sql = format!("insert into accounts (id, balance) values ({id}, 10)");
        assert_eq!(ask(&mut client, &sql), "INSERT 0 1 T");
    }
    assert_eq!(bank.accounts(3), ["", "", ""]);
    assert_eq!(ask(&mut client, "commit"), "COMMIT I");
    assert_eq!(bank.accounts(3), ["3=10", "1=10", "2=10"]);
    assert_eq!((bank.prepared().as_str(), bank.decisions(3)), ("0", 1));
    // One writer needs no decision, whoever else was read.
    let sql = "begin; select * from accounts where id = 1; update accounts set balance = 5 where id = 2; commit";
    assert_eq!(
        ask(&mut client, sql),
        "BEGIN T D SELECT 1 UPDATE 1 COMMIT I"
    );
    assert_eq!(
        ask(&mut client, "update accounts set balance = 6 where id = 3"),
        "UPDATE 1 I"
    );
    assert_eq!(bank.decisions(3), 1);
    assert_eq!(bank.accounts(3), ["3=6", "1=10", "2=5"]);
    // Rolled back everywhere.
    let sql = "begin; update accounts set balance = 0 where id = 1; update accounts set balance = 0 where id = 2; rollback";
    assert_eq!(ask(&mut client, sql), "BEGIN UPDATE 1 UPDATE 1 ROLLBACK I");
    assert_eq!(bank.accounts(3), ["3=6", "1=10", "2=5"]);
}

#[test]
fn a_statement_that_writes_several_shards_is_atomic() {
    let bank = Bank::open(2);
    let mut client = bank.client();
    let sql = "insert into accounts (id, balance) values (2, 1), (4, 0); insert into accounts (id, balance) values (1, 1)";
    assert_eq!(ask(&mut client, sql), "INSERT 0 2 INSERT 0 1 I");
    assert_eq!(bank.accounts(2), ["2=1 4=0", "1=1"]);
    assert_eq!(
        ask(&mut client, "update accounts set balance = balance + 1"),
        "UPDATE 3 I"
    );
    assert_eq!(bank.accounts(2), ["2=2 4=1", "1=2"]);
    // An error on one shard, and one that shows only when the transaction ends: no tag, nothing done.
    assert_eq!(
        ask(&mut client, "update accounts set balance = 1 / (id - 1)"),
        "error 22012 I"
    );
    assert_eq!(
        ask(&mut client, "update accounts set twin = 7"),
        "error 23505 I"
    );
    assert_eq!(
        pipeline(&mut client, &["update accounts set twin = 7"]),
        "UPDATE 3 error 23505 I"
    );
    assert_eq!(bank.accounts(2), ["2=2 4=1", "1=2"]);
    assert_eq!(
        pipeline(&mut client, &["update accounts set balance = 9"]),
        "UPDATE 3 I"
    );
    assert_eq!(bank.accounts(2), ["2=9 4=9", "1=9"]);
    assert_eq!(
        ask(&mut client, "insert into copies values (1, 'one')"),
        "INSERT 0 1 I"
    );
    assert_eq!(bank.on(0, "select name from copies"), "one");
    assert_eq!(bank.on(1, "select name from copies"), "one");
    assert_eq!(bank.prepared(), "0");
    assert_eq!(bank.decisions(2), 4);
}

#[test]
fn a_pipeline_is_one_transaction() {
    let bank = Bank::open(2);
    let mut client = bank.client();
    let insert = |id: u32| format!("insert into accounts (id) values ({id})");
    let (one, two, three) = (insert(1), insert(2), insert(3));
    assert_eq!(
        pipeline(&mut client, &[&one, &two, &three]),
        "INSERT 0 1 INSERT 0 1 INSERT 0 1 I"
    );
    assert_eq!(bank.accounts(2), ["2=0", "1=0 3=0"]);
    assert_eq!(bank.decisions(2), 1);
    // An error undoes all of it, wherever it strikes.
    let (four, five) = (insert(4), insert(5));
    assert_eq!(
        pipeline(&mut client, &[&five, &four, &one]),
        "INSERT 0 1 INSERT 0 1 error 23505 I"
    );
    assert_eq!(
        pipeline(&mut client, &[&five, &two, &four]),
        "INSERT 0 1 error 23505 I"
    );
    assert_eq!(
        pipeline(&mut client, &[&five, &four, "select * from nowhere"]),
        "INSERT 0 1 INSERT 0 1 error 42P01 I"
    );
    assert_eq!(bank.accounts(2), ["2=0", "1=0 3=0"]);
    // BEGIN takes in what went before; what follows is another transaction.
    assert_eq!(
        pipeline(&mut client, &[&four, "begin", &five]),
        "INSERT 0 1 BEGIN INSERT 0 1 T"
    );
    assert_eq!(ask(&mut client, "rollback"), "ROLLBACK I");
    assert_eq!(bank.accounts(2), ["2=0", "1=0 3=0"]);
    assert_eq!(
        pipeline(&mut client, &[&four, "begin", &five, "commit"]),
        "INSERT 0 1 BEGIN INSERT 0 1 COMMIT I"
    );
    assert_eq!(bank.accounts(2), ["2=0 4=0", "1=0 3=0 5=0"]);
    // One shard needs nothing of that.
    let decisions = bank.decisions(2);
    let (six, eight) = (insert(6), insert(8));
    assert_eq!(
        pipeline(&mut client, &[&six, &eight]),
        "INSERT 0 1 INSERT 0 1 I"
    );
    assert_eq!(bank.decisions(2), decisions);
    assert_eq!(bank.prepared(), "0");
}

#[test]
fn an_error_at_commit_leaves_nothing_anywhere() {
    let bank = Bank::open(2);
    let mut client = bank.client();
    ask(
        &mut client,
        "insert into accounts (id, twin) values (1, 1); insert into accounts (id, twin) values (2, 2)",
    );
    for (first, second) in [(3, 4), (4, 3)] {
        // The twin is taken on one shard: on the one that prepares, then on the one that decides.
        for (a, b) in [(first, second), (second, first)] {
            ask(&mut client, "begin");
            ask(
                &mut client,
                &format!(
                    "insert into accounts (id, twin) values ({a}, {})",
                    a % 2 + 10
                ),
            );
            let sql = format!("insert into accounts (id, twin) values ({b}, 1 + (1 + {b}) % 2)");
            assert_eq!(ask(&mut client, &sql), "INSERT 0 1 T");
            assert_eq!(ask(&mut client, "commit"), "error 23505 I");
        }
        ask(&mut client, "begin");
        let sql = format!("insert into accounts (id, twin) values ({first}, 2 - {first} % 2)");
        ask(&mut client, &sql);
        ask(
            &mut client,
            &format!("insert into accounts (id) values ({second})"),
        );
        // As in PostgreSQL, the chain is broken.
        assert_eq!(ask(&mut client, "commit and chain"), "error 23505 I");
    }
    let sql = "begin; insert into accounts (id, twin) values (3, 1); insert into accounts (id) values (4); commit; insert into accounts (id) values (6)";
    assert_eq!(
        ask(&mut client, sql),
        "BEGIN INSERT 0 1 INSERT 0 1 error 23505 I"
    );
    assert_eq!(bank.accounts(2), ["2=0", "1=0"]);
    assert_eq!(bank.prepared(), "0");
}

#[test]
fn savepoints_chains_and_settings_go_along() {
    let bank = Bank::open(2);
    let mut client = bank.client();
    for sql in [
        "begin isolation level repeatable read",
        "insert into accounts (id, balance) values (1, 1)",
        "savepoint a",
        // This shard joins after the savepoint.
        "insert into accounts (id, balance) values (2, 2)",
        "update accounts set balance = 100 where id = 1",
        "rollback to a",
        "insert into accounts (id, balance) values (4, 4)",
        "release a",
    ] {
        assert!(!ask(&mut client, sql).contains("error"), "{sql}");
    }
    assert_eq!(ask(&mut client, "commit and chain"), "COMMIT T");
    assert_eq!(bank.accounts(2), ["4=4", "1=1"]);
    let level = client.simple("show transaction_isolation").unwrap();
    assert!(
        String::from_utf8_lossy(&level[1].body).contains("repeatable read"),
        "{level:?}"
    );
    for sql in [
        "set search_path = pg_catalog, public",
        "insert into accounts (id) values (6)",
        "insert into accounts (id) values (5)",
    ] {
        assert!(!ask(&mut client, sql).contains("error"), "{sql}");
    }
    assert_eq!(ask(&mut client, "commit"), "COMMIT I");
    assert_eq!(bank.accounts(2), ["4=4 6=0", "1=1 5=0"]);
    let path = client.simple("show search_path").unwrap();
    assert!(
        String::from_utf8_lossy(&path[1].body).contains("pg_catalog"),
        "{path:?}"
    );
    // A failed transaction ends with ROLLBACK, whatever is asked for.
    ask(&mut client, "begin");
    ask(&mut client, "insert into accounts (id) values (7)");
    ask(&mut client, "insert into accounts (id) values (8)");
    assert_eq!(
        ask(&mut client, "insert into accounts (id) values (4)"),
        "error 23505 E"
    );
    assert_eq!(ask(&mut client, "commit"), "ROLLBACK I");
    assert_eq!(bank.accounts(2), ["4=4 6=0", "1=1 5=0"]);
}

#[test]
fn without_prepared_transactions_the_error_says_what_to_set() {
    let builder = Server::builder().set("max_prepared_transactions", "0");
    let bank = Bank::of(server_from(builder, 2), 2);
    let mut client = bank.client();
    let messages = client.simple("delete from accounts").unwrap();
    let error = messages[0].error().unwrap();
    assert_eq!(error.code, "55000");
    assert!(
        error
            .hint
            .contains("max_prepared_transactions on shard \"s"),
        "{error:?}"
    );
    assert_eq!(bank.accounts(2), ["", ""]);
    assert_eq!(
        ask(&mut client, "insert into accounts (id) values (1)"),
        "INSERT 0 1 I"
    );
}

#[test]
fn what_cannot_be_prepared_decides() {
    let bank = Bank::open(2);
    for (temporary, other, id) in [("s0", "s1", 1), ("s1", "s0", 2)] {
        let mut client = bank.client();
        for sql in [
            "begin",
            &format!("set shunt.shard = '{temporary}'"),
            "create temporary table t (a int) on commit drop",
            &format!("set shunt.shard = '{other}'"),
            &format!("insert into accounts (id) values ({id})"),
        ] {
            assert!(!ask(&mut client, sql).contains("error"), "{sql}");
        }
        assert_eq!(ask(&mut client, "commit"), "COMMIT I");
    }
    assert_eq!(bank.accounts(2), ["2=0", "1=0"]);
    // Two of them: PostgreSQL's own error.
    let mut client = bank.client();
    ask(&mut client, "begin");
    for shard in ["s0", "s1"] {
        ask(&mut client, &format!("set shunt.shard = '{shard}'"));
        ask(
            &mut client,
            "create temporary table t (a int) on commit drop",
        );
    }
    assert_eq!(ask(&mut client, "commit"), "error 0A000 I");
    assert_eq!(bank.prepared(), "0");
}

#[test]
fn a_client_that_vanishes_in_the_middle_of_its_commit_leaves_nothing_half_done() {
    let bank = Bank::open(2);
    // Makes the table of decisions.
    ask(
        &mut bank.client(),
        "insert into accounts (id) values (11); insert into accounts (id) values (12)",
    );
    let url = bank.server.url("bank1");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (other, connection) = runtime
        .block_on(tokio_postgres::connect(&url, tokio_postgres::NoTls))
        .unwrap();
    runtime.spawn(connection);
    runtime
        .block_on(other.batch_execute("begin; insert into accounts (id, twin) values (99, 5)"))
        .unwrap();
    let mut client = bank.client();
    ask(&mut client, "begin");
    assert_eq!(
        ask(&mut client, "insert into accounts (id, twin) values (1, 5)"),
        "INSERT 0 1 T"
    );
    assert_eq!(
        ask(&mut client, "insert into accounts (id) values (2)"),
        "INSERT 0 1 T"
    );
    client.send(b'Q', b"commit\0").unwrap();
    // The twin is looked at when the part is prepared: that waits for the other.
    await_that("the commit waits", || {
        bank.on(
            0,
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock'",
        ) == "1"
    });
    drop(client);
    runtime.block_on(other.batch_execute("rollback")).unwrap();
    await_that("the commit ends", || {
        bank.accounts(2) == ["2=0 12=0", "1=0 11=0"]
    });
    assert_eq!(bank.prepared(), "0");
}

#[test]
fn a_serialization_failure_at_the_end_undoes_all() {
    let bank = Bank::open(2);
    ask(
        &mut bank.client(),
        "insert into accounts (id) values (1); insert into accounts (id) values (2); insert into accounts (id) values (3)",
    );
    let mut client = bank.client();
    ask(&mut client, "begin isolation level serializable");
    ask(&mut client, "select balance from accounts where id = 3");
    ask(&mut client, "update accounts set balance = 1 where id = 1");
    ask(&mut client, "update accounts set balance = 1 where id = 2");
    // Reads what the first writes, writes what the first has read, and is committed first.
    bank.on(
        1,
        "begin isolation level serializable; select balance from accounts where id = 1; \
         update accounts set balance = 1 where id = 3; commit",
    );
    assert_eq!(ask(&mut client, "commit"), "error 40001 I");
    assert_eq!(bank.accounts(2), ["2=0", "1=0 3=1"]);
    assert_eq!(bank.prepared(), "0");
}

#[test]
fn a_role_that_may_not_decide_is_told_what_it_needs() {
    let bank = {
        let server = server_with(2);
        server.execute("postgres", "create role app login").unwrap();
        for shard in ["bank0", "bank1"] {
            server
                .execute(shard, "grant all on accounts to app")
                .unwrap();
        }
        let mut settings = on_one_server(&server, 2, patient());
        for shard in &mut settings.databases[0].shards {
            shard.primary.user = "app".into();
        }
        Bank {
            proxy: TestProxy::start(settings),
            server,
        }
    };
    let mut client = bank.client();
    let messages = client.simple("delete from accounts").unwrap();
    let error = messages[0].error().unwrap();
    assert_eq!((messages.len(), error.code.as_str()), (2, "42501"));
    assert!(
        error
            .hint
            .contains("CREATE SCHEMA shunt AUTHORIZATION \"app\""),
        "{error:?}"
    );
    assert_eq!(bank.accounts(2), ["", ""]);
    for shard in 0..2 {
        bank.on(shard, "create schema shunt authorization app");
    }
    assert_eq!(
        ask(
            &mut client,
            "insert into accounts (id) values (1); insert into accounts (id) values (2)"
        ),
        "INSERT 0 1 INSERT 0 1 I"
    );
    assert_eq!(bank.accounts(2), ["2=0", "1=0"]);
}

#[test]
fn a_server_that_goes_away_between_two_statements_fails_the_commit() {
    let bank = Bank::open(2);
    let mut client = bank.client();
    for explicit in ["commit", "commit and chain"] {
        ask(&mut client, "begin");
        ask(&mut client, "insert into accounts (id) values (1)");
        assert_eq!(
            ask(&mut client, "insert into accounts (id) values (2)"),
            "INSERT 0 1 T"
        );
        bank.on(
            0,
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'bank1' and state = 'idle in transaction'",
        );
        await_that("its server is gone", || {
            let sql = "select count(*) from pg_stat_activity where datname = 'bank1' and state = 'idle in transaction'";
            bank.on(0, sql) == "0"
        });
        // Whether the proxy has heard of it already or hears of it now.
        let told = ask(&mut client, explicit);
        assert!(
            told.starts_with("error 57P01") || told.starts_with("error 08006"),
            "{told}"
        );
        if told.ends_with('E') {
            assert_eq!(ask(&mut client, "rollback"), "ROLLBACK I");
        }
    }
    assert_eq!(bank.accounts(2), ["", ""]);
    assert_eq!(bank.prepared(), "0");
    assert_eq!(
        ask(&mut client, "insert into accounts (id) values (1)"),
        "INSERT 0 1 I"
    );
}
