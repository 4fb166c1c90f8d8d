//! `EXPLAIN ANALYZE` carries out what it explains, and leaves what that leaves.

use shunt_tests::one_server::one_connection;
use shunt_tests::proxy::TestProxy;
use shunt_tests::raw::{Message, RawClient, seen};
use shunt_tests::shards::{on_one_server, server_with};

use super::extended;

/// `EXPLAIN ANALYZE` carries out what it explains, over shards in steps of the router's own: what triggers leave behind is
/// left by it too.
#[test]
fn nothing_of_an_explained_write_over_shards_is_seen_by_the_next() {
    let server = server_with(2);
    for shard in ["bank0", "bank1"] {
        server
            .execute(
                shard,
                "create function changes() returns trigger language plpgsql as
                   $$ begin set work_mem = '77kB'; return new; end $$;
                 create trigger t before insert or update on accounts for each row execute function changes();
                 create trigger t before insert or update on copies for each row execute function changes();
                 insert into accounts select i from generate_series(1, 8) i where i % 2 = right(current_database(), 1)::int;
                 insert into copies values (1)",
            )
            .unwrap();
    }
    let mut settings = on_one_server(&server, 2, Default::default());
    settings.databases[0].pool = one_connection();
    let proxy = TestProxy::start(settings);
    let connect = || RawClient::trust(proxy.address, server.user(), "bank").unwrap();
    let look = |client: &mut RawClient| -> Vec<_> {
        ["s0", "s1"]
            .iter()
            .flat_map(|shard| {
                let directive = format!("set shunt.shard = '{shard}'");
                client.simple(&directive).unwrap();
                let found = seen(&client.simple("select current_setting('work_mem')").unwrap());
                client.simple("reset shunt.shard").unwrap();
                found
            })
            .collect()
    };
    let clean = look(&mut connect());
    let changed = ["77kB", "77kB"];
    assert_ne!(clean, changed);
    let deeds: &[&[&str]] = &[
        &["explain analyze insert into accounts (id) values (21), (22), (23)"],
        &["explain analyze update accounts set balance = balance + 1"],
        &["explain analyze insert into accounts (id) select id + 100 from accounts where id < 9"],
        &["explain analyze update copies set name = 'x'"],
        &[
            "prepare q as update accounts set balance = balance + 1",
            "explain analyze execute q",
        ],
        &[
            "begin",
            "explain analyze update accounts set balance = balance + 1",
            "commit",
        ],
    ];
    for by_extended in [false, true] {
        for deed in deeds {
            let mut first = connect();
            for sql in *deed {
                let answer = match by_extended {
                    true => extended(&mut first, sql),
                    false => first.simple(sql).unwrap(),
                };
                let error = answer.iter().find_map(Message::error);
                assert!(error.is_none(), "{sql}: {error:?}");
            }
            assert_eq!(look(&mut first), changed, "{deed:?} leaves something");
            drop(first);
            let found = look(&mut connect());
            assert_eq!(found, clean, "{deed:?} (extended: {by_extended})");
            server
                .execute("bank0", "delete from accounts where id > 20")
                .unwrap();
            server
                .execute("bank1", "delete from accounts where id > 20")
                .unwrap();
        }
    }
}
