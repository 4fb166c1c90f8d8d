//! What somebody defines, and others who go on at the same time: nobody waits without need, and nobody sees what a
//! statement left that was planned before.

use router_proxy::settings::PoolSettings;
use shunt_tests::one_server::{OneServer, one_connection, server_with, waiting};
use shunt_tests::patience::{await_blocked, await_that};
use shunt_tests::raw::{RawClient, frame};
use shunt_tests::twin::{Twins, shown};

/// A function for a trigger, which leaves a setting.
const LEAVES: &str = "create function leaves() returns trigger language plpgsql as
    $$ begin perform set_config('work_mem', '77kB', false); return new; end $$";

const TRIGGER: &str = "create trigger z before insert on t for each row execute function leaves()";
const INSERT: &str = "insert into t values (1)";
const SHOW: &str = "show work_mem";

/// A server with a table `t`, and a proxy with so many connections.
struct Bed(OneServer);

impl Bed {
    fn start(max_size: usize, made: &str) -> Self {
        let server = server_with(&format!("create table t (a int); {made}"));
        let pool = PoolSettings {
            max_size,
            ..one_connection()
        };
        Self(OneServer::behind(server, pool))
    }

    /// A client for which the catalog has been read.
    fn connect(&self) -> RawClient {
        let mut client = self.0.connect();
        client.simple("select 1").unwrap();
        client
    }

    /// A client of the server itself that holds a lock until it commits.
    fn holder(&self, lock: &str) -> RawClient {
        let mut holder = self.0.direct();
        holder.simple(&format!("begin; {lock}")).unwrap();
        holder
    }

    /// Waits until so many backends wait for a lock.
    fn blocked(&self, backends: usize) {
        await_blocked(&self.0.server, backends);
    }

    /// Waits until so many clients wait for a connection.
    fn queued(&self, clients: u32) {
        let mut console = self.0.console();
        await_that("clients that wait for a connection", || {
            waiting(&mut console) == clients
        });
    }
}

/// Sends a query and does not wait for its answer.
fn ask(client: &mut RawClient, sql: &str) {
    client.send(b'Q', format!("{sql}\0").as_bytes()).unwrap();
}

/// The same by the extended protocol.
fn ask_extended(client: &mut RawClient, sql: &str) {
    let mut packet = bytes::BytesMut::new();
    frame(&mut packet, b'P', format!("\0{sql}\0\0\0").as_bytes());
    frame(&mut packet, b'B', &[0; 8]);
    frame(&mut packet, b'E', &[0; 5]);
    frame(&mut packet, b'S', b"");
    client.write(&packet).unwrap();
}

fn answer(client: &mut RawClient) -> Vec<String> {
    shown(&client.until_ready().unwrap())
}

#[track_caller]
fn works(told: &[String]) {
    assert!(
        !told.iter().any(|line| line.starts_with("ERROR")),
        "{told:?}"
    );
}

#[track_caller]
fn is_clean(told: &[String]) {
    assert!(told.contains(&"row 4MB".to_owned()), "{told:?}");
}

/// Tables, types, functions that leave nothing and triggers with such functions have nobody wait for the catalog. Only a call
/// of such a function does, and keeps no connection then.
#[test]
fn what_leaves_nothing_holds_nobody_up() {
    let bed = Bed::start(1, "");
    let (mut one, mut two) = (bed.connect(), bed.connect());
    // A reading needs this one, and no statement does.
    let mut holder = bed.holder("lock table pg_policy in access exclusive mode");
    for sql in [
        "create type mood as enum ('sad')",
        "alter type mood add value 'ok'",
        "create function twice(n int) returns int language sql as 'select 2 * n'",
        "alter function twice owner to current_user",
        "create or replace function stamp() returns trigger language plpgsql as
         $$ begin new.a := twice(new.a); return new; end $$",
        "create trigger stamps before insert on t for each row execute function stamp()",
        "create procedure p() begin atomic insert into t values (3); end",
    ] {
        works(&shown(&one.simple(sql).unwrap()));
        works(&shown(&two.simple(INSERT).unwrap()));
        ask_extended(&mut two, SHOW);
        is_clean(&answer(&mut two));
    }
    for extended in [false, true] {
        match extended {
            true => ask_extended(&mut one, "select twice(4)"),
            false => ask(&mut one, "select twice(3)"),
        }
        works(&shown(&two.simple(INSERT).unwrap()));
        if !extended {
            holder.simple("commit").unwrap();
        }
        works(&answer(&mut one));
        // The only connection is there for others.
        is_clean(&shown(&two.simple(SHOW).unwrap()));
    }
}

/// Who was planned, and then waited for a connection while something was defined, is planned again.
#[test]
fn who_waits_for_a_connection_is_planned_by_what_is_defined_then() {
    for extended in [false, true] {
        let bed = Bed::start(1, LEAVES);
        let (mut one, mut two, mut three) = (bed.connect(), bed.connect(), bed.connect());
        let mut holder = bed.holder("lock table t in access exclusive mode");
        ask(&mut one, TRIGGER);
        bed.blocked(1);
        let ask = if extended { ask_extended } else { ask };
        ask(&mut two, INSERT);
        bed.queued(1);
        ask(&mut three, SHOW);
        bed.queued(2);
        holder.simple("commit").unwrap();
        works(&answer(&mut one));
        works(&answer(&mut two));
        // Who set it off keeps the connection, with what that left.
        let told = shown(&two.simple(SHOW).unwrap());
        assert!(told.contains(&"row 77kB".to_owned()), "{told:?}");
        drop(two);
        is_clean(&answer(&mut three));
    }
}

/// What a statement left that was under way while something was defined is seen by nobody.
#[test]
fn what_ran_while_something_was_defined_is_cleaned() {
    let bed = Bed::start(2, LEAVES);
    let mut clients: Vec<_> = (0..4).map(|_| bed.connect()).collect();
    let mut holder = bed.holder("lock table t in access exclusive mode");
    ask(&mut clients[0], TRIGGER);
    bed.blocked(1);
    ask(&mut clients[1], INSERT);
    bed.blocked(2);
    for (at, client) in clients[2..].iter_mut().enumerate() {
        ask(client, SHOW);
        bed.queued(at as u32 + 1);
    }
    holder.simple("commit").unwrap();
    for client in &mut clients[..2] {
        works(&answer(client));
    }
    for client in &mut clients[2..] {
        is_clean(&answer(client));
    }
}

/// A definition may name what was not defined yet when it was sent.
#[test]
fn what_is_defined_while_a_definition_waits_is_found_behind_it() {
    let bed = Bed::start(3, "");
    let (mut one, mut two, mut three) = (bed.connect(), bed.connect(), bed.connect());
    let mut holder = bed.holder("lock table t in access exclusive mode");
    ask(&mut one, TRIGGER);
    bed.blocked(1);
    works(&shown(&two.simple(LEAVES).unwrap()));
    is_clean(&shown(&three.simple(SHOW).unwrap()));
    holder.simple("commit").unwrap();
    works(&answer(&mut one));
    works(&shown(&two.simple(INSERT).unwrap()));
    for client in [&mut one, &mut three] {
        is_clean(&shown(&client.simple(SHOW).unwrap()));
    }
}

/// A client that does not wait for the end of its definition has made it all the same.
#[test]
fn what_a_client_defined_that_is_gone_is_known() {
    let bed = Bed::start(2, LEAVES);
    let (mut one, mut two) = (bed.connect(), bed.connect());
    let mut packet = bytes::BytesMut::new();
    frame(&mut packet, b'Q', format!("{TRIGGER}\0").as_bytes());
    frame(&mut packet, b'X', b"");
    one.write(&packet).unwrap();
    drop(one);
    let made = "select count(*) from pg_trigger where tgname = 'z'";
    while bed.0.server.execute("shop", made).unwrap() != "1" {}
    works(&shown(&two.simple(INSERT).unwrap()));
    drop(two);
    let mut clients: Vec<_> = (0..2).map(|_| bed.connect()).collect();
    for client in &mut clients {
        client.simple("begin").unwrap();
        is_clean(&shown(&client.simple(SHOW).unwrap()));
    }
}

/// The catalog is read anew after a definition, also beside whoever has a table for himself.
#[test]
fn whoever_has_locked_a_table_goes_on_beside_the_definitions_of_others() {
    for (locks, ends) in [
        ("truncate accounts", "commit"),
        ("lock table accounts", "rollback"),
        (
            "alter table accounts add column more int default 1",
            "commit",
        ),
    ] {
        let twins = Twins::start();
        let mut holder = twins.connect();
        let mut other = twins.connect();
        holder.both("begin");
        holder.both(locks);
        other.both("alter table copies add column extra int default 7");
        holder.both("insert into accounts (id) values (71), (72), (73)");
        holder.both("select count(*) from accounts where id > 70");
        holder.both("insert into copies (id) values (7)");
        holder.both_extended(ends, &[]);
        other.both("select id, extra from copies");
        other.both("select count(*) from accounts");
    }
}
