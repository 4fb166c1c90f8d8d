//! What a client of several shards began with: `RESET` and `DISCARD ALL` go back to it, and it is told so.

use shunt_tests::raw::RawClient;
use shunt_tests::twin::{Twins, shown};

/// One client of the shards and one of the one database, with the same startup packet.
struct Both([RawClient; 2]);

impl Both {
    fn connect(twins: &Twins) -> Self {
        let user = twins.server.user();
        let server = ([127, 0, 0, 1], twins.server.port()).into();
        let connect = |address, database| {
            let startup = [
                ("user", user),
                ("database", database),
                ("application_name", "mine"),
                ("datestyle", "ISO, YMD"),
            ];
            RawClient::connect(address, &startup, None).unwrap()
        };
        Self([
            connect(twins.proxy.address, "bank"),
            connect(server, "whole"),
        ])
    }

    /// Both are asked: the answers are the same, and so is what the clients know of their settings.
    #[track_caller]
    fn ask(&mut self, sql: &str, extended: bool) {
        let told = self.0.each_mut().map(|client| {
            let said = match extended {
                true => client.extended(sql, &[], false),
                false => client.simple(sql),
            };
            let mut known = client.parameters.clone();
            known.sort();
            (shown(&said.expect(sql)), known)
        });
        assert_eq!(told[0], told[1], "{sql}");
    }
}

#[test]
fn reset_goes_back_to_the_startup_packet_in_a_transaction_of_shards() {
    let twins = Twins::start();
    let show = "select current_setting('application_name'), current_setting('datestyle'), count(*) from accounts where id = 3";
    for extended in [false, true] {
        let mut both = Both::connect(&twins);
        for back in [
            "reset application_name",
            "reset all",
            "set application_name to default",
            "set local datestyle to default",
        ] {
            for sql in [
                "begin",
                "select count(*) from accounts",
                "set application_name = 'other'",
                "set datestyle = 'SQL, DMY'",
                "savepoint s",
                back,
                show,
                // A shard that joins later, and all at once.
                "update accounts set balance = balance + 1",
                "show application_name",
                "rollback to s",
                show,
                back,
                "commit",
                show,
                "reset all",
                show,
            ] {
                both.ask(sql, extended);
            }
        }
    }
    let mut both = Both::connect(&twins);
    for sql in [
        "set application_name = 'other'; select 1; reset all",
        "update accounts set balance = 1; set datestyle = 'SQL, DMY'; reset all; show datestyle",
        "select count(*) from accounts; set application_name = 'other'; reset application_name",
        show,
    ] {
        both.ask(sql, false);
    }
}

/// Its tables are made beside it, unless it would miss what it has written itself.
#[test]
fn a_transaction_that_has_come_to_read_only_reads_over_shards() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    let reads = "select avg(a.balance), string_agg(a.note, ',' order by a.id), sum(c.id) from accounts a join copies c on c.id <= a.id";
    for begin in [
        "select note from accounts where id = 3; begin read only",
        "begin; select count(*) from accounts; set transaction read only",
        "begin; select count(*) from accounts; begin read only",
        "set default_transaction_read_only = on; select 1; begin",
        "begin read write; update copies set id = id + 5",
    ] {
        for sql in [begin, reads, "commit and chain", reads, "rollback", reads] {
            pair.both(sql);
        }
    }
}

/// A commit over several shards is done by the role that has logged in.
#[test]
fn clients_of_shards_know_the_rights_of_their_role() {
    let twins = Twins::start();
    let role = "create role low; grant all on schema public to low; grant all on all tables in schema public to low";
    twins.server.execute("whole", role).unwrap();
    for bank in ["bank0", "bank1", "bank2"] {
        let role = role.split_once("; ").unwrap().1;
        twins.server.execute(bank, role).unwrap();
    }
    let update = "update accounts set balance = balance + 1";
    let mut both = Both::connect(&twins);
    for sql in [
        "set role low",
        update,
        "begin",
        "set local role none",
        update,
        "commit",
        update,
        "reset role",
        update,
        "begin",
        "set local role low",
        update,
        "commit",
        "begin",
        "set role low",
        update,
        "commit",
        update,
        "begin",
        "reset role",
        update,
        "commit",
        "begin",
        "set role low",
        update,
        "rollback",
        "set role low",
        update,
        "discard all",
        update,
    ] {
        both.ask(sql, false);
        // Nobody else hears of it, on whichever connection.
        let mut other = Both::connect(&twins);
        other.ask("select 1", false);
        other.ask(
            "insert into accounts values (100) on conflict do nothing",
            false,
        );
    }
}

#[test]
fn discard_all_tells_the_client_of_shards_what_has_gone_back() {
    let twins = Twins::start();
    for extended in [false, true] {
        let mut both = Both::connect(&twins);
        for set in [
            "set datestyle = 'SQL, DMY'",
            "set client_encoding = 'LATIN1'",
            "set timezone = 'Asia/Tokyo'",
            "set session characteristics as transaction read only",
        ] {
            // The connection goes back in between, or is at hand.
            for between in [
                "select 1",
                "select count(*) from accounts",
                "create temporary table t (a int)",
            ] {
                for sql in [set, between, "discard all", "select now() > '2020-02-03'"] {
                    both.ask(sql, extended);
                }
            }
        }
    }
}
