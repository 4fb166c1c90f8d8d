//! `SET ROLE` over shards: whose rights hold, on every connection, and that nobody else gets them.

use local_postgres::Server;
use router_proxy::settings::{PoolSettings, TwoPhaseSettings};
use shunt_tests::proxy::TestProxy;
use shunt_tests::raw::RawClient;
use shunt_tests::shards::{on_one_server, server_with};
use shunt_tests::twin::{Twins, shown};

/// Three shards, used by a role that is no superuser; `low` may read all and change `accounts`, `nobody` may do nothing.
struct Bank {
    _server: Server,
    proxy: TestProxy,
}

impl Bank {
    fn start(scratch: bool) -> Self {
        let server = server_with(3);
        let sql = "create role app login createrole; create role low; create role nobody; grant low, nobody to app";
        server.execute("postgres", sql).unwrap();
        for database in ["bank0", "bank1", "bank2"] {
            let sql = format!(
                "grant create on database {database} to app; alter table accounts owner to app; alter table copies owner to app; \
                 grant select, insert, update, delete on accounts to low; grant select on copies to low; \
                 \
                 create function checked() returns trigger language plpgsql as $$ begin \
                   if new.note = 'late' and current_user <> 'low' then raise 'done by %', current_user; end if; return null; end $$; \
                 create constraint trigger checked after insert on accounts deferrable initially deferred \
                   for each row execute function checked()"
            );
            server.execute(database, &sql).unwrap();
        }
        let mut settings = on_one_server(&server, 3, TwoPhaseSettings::default());
        settings.workers = 1;
        settings.users[0].name = "app".into();
        let database = &mut settings.databases[0];
        database.pool = PoolSettings {
            max_size: 1,
            ..PoolSettings::default()
        };
        for shard in &mut database.shards {
            shard.primary.user = "app".into();
        }
        if !scratch {
            let mut topology = shunt_tests::shards::topology(3);
            topology.scratch = None;
            database.topology = std::sync::Arc::new(topology);
        }
        let bank = Self {
            _server: server,
            proxy: TestProxy::start(settings),
        };
        let mut client = bank.client();
        for id in 1..=6 {
            good(
                &mut client,
                &format!("insert into accounts (id, note) values ({id}, 'note {id}')"),
            );
        }
        bank
    }

    fn client(&self) -> RawClient {
        RawClient::trust(self.proxy.address, "app", "bank").unwrap()
    }
}

#[track_caller]
fn good(client: &mut RawClient, sql: &str) -> Vec<String> {
    let said = shown(&client.simple(sql).unwrap());
    let fails = said.iter().find(|line| line.starts_with("ERROR"));
    assert_eq!(fails, None, "{sql}");
    said
}

/// A statement fails over the simple and the extended protocol, with this state.
#[track_caller]
fn fails(client: &mut RawClient, sql: &str, state: &str) {
    for said in [
        client.simple(sql).unwrap(),
        client.extended(sql, &[], false).unwrap(),
    ] {
        let error = said.iter().find_map(|message| message.error());
        assert_eq!(
            error.map(|error| error.code).as_deref(),
            Some(state),
            "{sql}"
        );
    }
}

/// Statements of one shard, of several, and those that go through tables of the scratch server.
const WITHOUT_RIGHTS: &[&str] = &[
    "select note from accounts where id = 1",
    "select note from accounts where id = 2",
    "select note from accounts where id = 3",
    "select count(*) from accounts",
    "select id from accounts order by note",
    "select a.id from accounts a join accounts b on a.note < b.note",
    "insert into accounts (id) values (7)",
    "insert into accounts (id) values (7), (8), (9)",
    "update accounts set note = 'x'",
    "delete from accounts where id in (1, 2, 3)",
    "insert into copies values (1, 'x')",
];

#[test]
fn a_role_holds_on_every_shard_until_it_is_reset() {
    for scratch in [true, false] {
        let bank = Bank::start(scratch);
        let mut client = bank.client();
        // What goes through tables of the scratch server is refused where there is none.
        let gathered = |sql: &&&str| scratch || !sql.contains(" join ");
        for (set, reset) in [
            ("set role nobody", "reset role"),
            ("set role = nobody", "set role none"),
            ("set role to 'nobody'", "set role to default"),
            (
                "set session role nobody",
                "set session authorization default",
            ),
            (
                "begin; set role nobody; commit",
                "reset session authorization",
            ),
            ("set role low; set role nobody; reset all", "discard all"),
            ("set role nobody", "begin; reset role; commit"),
        ] {
            // Once with all connections at hand, once with none.
            for before in ["select count(*) from accounts", "select 1"] {
                good(&mut client, before);
                good(&mut client, set);
                for sql in WITHOUT_RIGHTS.iter().filter(gathered) {
                    fails(&mut client, sql, "42501");
                }
                assert_eq!(good(&mut client, "select current_user")[1], "row nobody");
                good(&mut client, "begin; rollback");
                fails(&mut client, "select count(*) from accounts", "42501");
                good(&mut client, reset);
                assert_eq!(good(&mut client, "select current_user")[1], "row app");
                for sql in WITHOUT_RIGHTS
                    .iter()
                    .filter(gathered)
                    .filter(|sql| sql.starts_with("select"))
                    .take(5)
                {
                    good(&mut client, sql);
                }
            }
        }
        // What is rolled back does not hold.
        good(&mut client, "begin; set role nobody; rollback");
        good(&mut client, "select count(*) from accounts");
        good(
            &mut client,
            "begin; savepoint a; set role nobody; rollback to a; commit",
        );
        good(&mut client, "select note from accounts where id = 1");
        fails(&mut client, "set session authorization low", "SH018");
        fails(&mut client, "set session_authorization = 'low'", "SH018");
        assert_eq!(
            good(&mut client, "select current_user, session_user")[1],
            "row app|app"
        );
        // The connections, of which there is one to each shard, are somebody else's afterwards.
        good(&mut client, "set role nobody");
        fails(&mut client, "select count(*) from accounts", "42501");
        drop(client);
        let mut next = bank.client();
        for id in 1..=3 {
            good(
                &mut next,
                &format!("select note from accounts where id = {id}"),
            );
        }
        assert_eq!(good(&mut next, "select current_user")[1], "row app");
    }
}

#[test]
fn a_commit_over_shards_is_the_routers_whoever_wrote() {
    let bank = Bank::start(true);
    let mut client = bank.client();
    let rows = |first: i32, note: &str| {
        let row = |id: i32| format!("({id}, '{note}')");
        let rows = [row(first), row(first + 1), row(first + 2)].join(", ");
        format!("insert into accounts (id, note) values {rows}")
    };
    let who = "select current_user, count(*) from accounts where id >= 10 group by 1";
    good(&mut client, "set role low");
    good(&mut client, &rows(10, "late"));
    good(&mut client, &format!("begin; {}; commit", rows(20, "late")));
    assert_eq!(good(&mut client, who)[1], "row low|6");
    good(&mut client, "reset role");
    assert_eq!(good(&mut client, who)[1], "row app|6");
    for role in ["set local role low", "set role low"] {
        good(&mut client, "begin");
        good(&mut client, role);
        good(&mut client, &rows(30, "late"));
        good(&mut client, "commit and chain");
        let acting = if role.contains("local") { "app" } else { "low" };
        assert_eq!(good(&mut client, who)[1], format!("row {acting}|9"));
        good(
            &mut client,
            "delete from accounts where id >= 30; commit; reset role",
        );
    }
    // What is deferred is done by the role that wrote, and fails as a commit does.
    fails(&mut client, &rows(40, "late"), "P0001");
    good(&mut client, "begin; set local role low");
    good(&mut client, &rows(40, "late"));
    good(
        &mut client,
        "insert into accounts (id, twin) values (50, 1), (53, 1)",
    );
    let said = client.simple("commit").unwrap();
    assert_eq!(
        said[0].error().map(|error| error.code).as_deref(),
        Some("23505")
    );
    assert_eq!(said.last().map(|ready| ready.body[0]), Some(b'I'));
    assert_eq!(good(&mut client, who)[1], "row app|6");
    let left = "select count(*) from pg_prepared_xacts";
    assert_eq!(good(&mut client, left)[1], "row 0");
}

/// PostgreSQL looks for names in the schema of the role first, which is another one then.
#[test]
fn a_role_may_have_tables_of_its_own() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    twins.server.execute("postgres", "create role own").unwrap();
    for database in ["whole", "bank0", "bank1", "bank2"] {
        let sql = "create schema own authorization own; create table own.accounts (id bigint); \
                   alter table own.accounts owner to own; grant select on accounts, copies to own";
        twins.server.execute(database, sql).unwrap();
    }
    // The whole catalog is read anew.
    pair.both("create domain extra as int");
    let count = "select count(*) from accounts";
    pair.both(count);
    for (begin, end) in [
        ("begin; set local role own", "rollback"),
        ("set role own", "reset role"),
    ] {
        for sql in begin.split("; ") {
            pair.both(sql);
        }
        let answer = pair.ask(count);
        assert!(answer[0].contains("SH022"), "{begin}: {answer:?}");
        if end == "rollback" {
            pair.shards.simple(end).unwrap();
            pair.whole.simple(end).unwrap();
        } else {
            pair.both("select count(*) from copies");
            pair.both("select count(*) from public.accounts");
            pair.both(end);
        }
        pair.both(count);
    }
}

/// A commit may fail on the one shard that was written, while those that were only read have committed: what was set for
/// the session stays there.
#[test]
fn a_role_of_a_transaction_that_failed_to_commit_is_nobodys() {
    let bank = Bank::start(true);
    let (mut client, mut other) = (bank.client(), bank.client());
    good(&mut client, "update accounts set twin = id");
    for (set, reset) in [
        ("set role low", "select 1"),
        ("set role low", "reset role"),
        ("reset role", "set role low"),
        ("set role none", "set role low"),
    ] {
        good(&mut client, reset);
        let before = good(&mut client, "select current_user");
        for wrote in ["(9, 3)", "(9, 3), (10, 1)"] {
            good(&mut client, "begin");
            good(&mut client, set);
            for id in 1..=3 {
                good(
                    &mut client,
                    &format!("select current_user from accounts where id = {id}"),
                );
            }
            good(
                &mut client,
                &format!("insert into accounts (id, twin) values {wrote}"),
            );
            let said = client.simple("commit").unwrap();
            let error = said.iter().find_map(|message| message.error());
            assert_eq!(error.unwrap().code, "23505");
            for id in 1..=3 {
                let sql = format!("select current_user from accounts where id = {id}");
                assert_eq!(good(&mut client, &sql)[1], before[1], "{set}: {id}");
            }
            good(&mut client, "reset role");
            for id in 1..=3 {
                let sql = format!("select current_user from accounts where id = {id}");
                assert_eq!(good(&mut other, &sql)[1], "row app", "{set}: {id}");
            }
            good(&mut client, reset);
        }
        good(&mut client, "reset role");
    }
}
