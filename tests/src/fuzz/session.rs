//! A session, its client and its servers, none of which keeps to the protocol.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use router_core::id::Epoch;
use router_core::sql::next_id::Node;
use router_core::topology::{Shard, Topology};
use router_proxy::server::state::{Parameters, ServerState};
use router_proxy::session::{Environment, Session};
use router_proxy::wire::buffer::{Buffer, Stock};

use super::{Bytes, sql};

/// Whole messages, and what turns up inside of them.
pub(super) const WORDS: &[&str] = &[
    "\x01Q",
    "\x01P",
    "\x01B",
    "\x01E",
    "\x01D",
    "\x01S",
    "\x01H",
    "\x01C",
    "\x01d",
    "\x01c",
    "\x01f",
    "\x01F",
    "\x01X",
    "\x02Z\x01I",
    "\x02Z\x01T",
    "\x02Z\x01E",
    "\x02C\x07SELECT ",
    "\x02T\x02\0\0",
    "\x02D\x02\0\0",
    "\x021\0",
    "\x022\0",
    "\x023\0",
    "\x02E\x0cC22012\0Mx\0\0",
    "\x02G\x03\0\0\0",
    "\x02H\x03\0\0\0",
    "\x02I\0",
    "\x02n\0",
    "\x02t\x02\0\0",
    "\x02s\0",
    "\x02S\x0cDateStyle\0x\0",
    "\x02N\x01\0",
    "\x02d\x02ab",
    "\x02c\0",
    "\x03",
    "\x04",
    "\x05",
    "\x09select 1\0",
    "\x06begin\0",
    "\x07commit\0",
    "\x09rollback\0",
    "\x12set work_mem = '1'\0",
    "\x0bs\0select 1\0\0\0",
    "\x08\0s\0\0\0\0\0\0\0",
    "\x05\0\0\0\0\0",
    "\x03Ss\0",
    "\x02P\0",
    "\x16copy users from stdin\0",
    "\x17select 1; select 2; x\0",
    "\x1dselect * from users where id = 1\0",
    "\x20insert into users values (1),(2)\0",
    "\x1fselect count(*) from users u, users\0",
    "\x11prepare p as select 1\0",
    "\x0aexecute p\0",
    "\x0ddiscard all\0",
    "\x10listen a; select 1\0",
    "\x12declare c cursor for select 1\0",
    "\x0bfetch c\0",
    "\x18explain select * from users\0",
];

/// Bytes that the session may hold beside what it was given.
const OWN: usize = 1 << 20;

/// Plays a list of operations.
pub(super) fn session(input: &[u8]) {
    let mut bytes = Bytes(input);
    let stock = Stock::default();
    let mut session = Session::new(
        environment(bytes.flag(), &stock),
        Arc::default(),
        Parameters::default(),
    );
    let mut client = Buffer::new(&stock);
    let mut servers: Vec<Buffer> = Vec::new();
    while !bytes.is_empty() {
        match bytes.byte() {
            // The client says something.
            1 => {
                let tag = bytes.byte();
                let length = usize::from(bytes.byte());
                client.frame(tag, &[bytes.some(length)]);
            }
            // A server does.
            2 => {
                let tag = bytes.byte();
                let length = usize::from(bytes.byte());
                let body = bytes.some(length);
                if !servers.is_empty() {
                    let slot = usize::from(tag) % servers.len();
                    servers[slot].frame(tag, &[body]);
                }
            }
            // A server is lost.
            3 => {
                if let Some(slot) = servers.len().checked_sub(1)
                    && session.has_server(slot)
                {
                    servers.remove(slot);
                    if session.handle_server_lost(slot, "it was lost").is_err() {
                        return;
                    }
                }
            }
            // The client reads.
            4 => session.client_out().clear(),
            // Nobody has a connection.
            5 => {
                if let Some(want) = session.poll_want() {
                    let report = router_proxy::wire::encode::Report::error(
                        router_core::sqlstate::SqlState::new("53300"),
                        "too many",
                    );
                    session.handle_not_acquired(want.slot, &report);
                    servers.truncate(session.slots());
                }
            }
            // Bytes without a frame around them.
            other => client.push(&[other]),
        }
        if !turn(&mut session, &mut client, &mut servers, &stock) {
            return;
        }
        assert!(session.client_out().len() < input.len() + OWN);
    }
    while session.give_up().is_some() {}
}

/// Everything that can be done now. `false`: the session is over.
fn turn(
    session: &mut Session,
    client: &mut Buffer,
    servers: &mut Vec<Buffer>,
    stock: &Stock,
) -> bool {
    // An end in any case: an input has so many messages at most.
    for _ in 0..64 {
        let mut progress = false;
        if session.awaits_catalog() {
            session.handle_catalog_read();
        }
        if session.poll_ground().is_some() {
            session.handle_ground(Ok(()));
        }
        match session.handle_client(client) {
            Ok(moved) => progress |= moved,
            Err(_) => return false,
        }
        if session.is_over() {
            return false;
        }
        while let Some(want) = session.poll_want() {
            let state = ServerState::new(1, vec![], Parameters::default(), Instant::now());
            session.handle_acquired(want.slot, Box::new(state));
            progress = true;
        }
        while servers.len() < session.slots() {
            servers.push(Buffer::new(stock));
        }
        let mut slot = 0;
        while slot < servers.len() && slot < session.slots() {
            session.server_out(slot).clear();
            match session.handle_server(slot, &mut servers[slot]) {
                Ok(moved) => progress |= moved,
                Err(broken) => {
                    servers.remove(slot);
                    if session
                        .handle_server_lost(slot, &broken.to_string())
                        .is_err()
                    {
                        return false;
                    }
                    continue;
                }
            }
            slot += 1;
        }
        while let Some(released) = session.poll_release() {
            if released.slot < servers.len() {
                servers.remove(released.slot);
            }
            progress = true;
        }
        session.poll_schema_change();
        if !progress {
            break;
        }
    }
    true
}

fn environment(sharded: bool, stock: &Stock) -> Rc<Environment> {
    thread_local! {
        static SHARDED: Arc<Topology> = sql::topology();
    }
    let topology = match sharded {
        true => SHARDED.with(Arc::clone),
        false => {
            let shard = Shard {
                name: "s0".into(),
                has_replicas: false,
            };
            Arc::new(Topology::unsharded("shop", shard, Epoch(1)))
        }
    };
    Rc::new(Environment {
        catalog: Arc::default(),
        topology,
        two_phase: Default::default(),
        numbers: Default::default(),
        node: Some(Node(0)),
        search_path: vec!["public".into()].into(),
        role: "app".into(),
        gather: Default::default(),
        pool: Default::default(),
        planner: Rc::default(),
        stock: stock.clone(),
        turn: Default::default(),
        stats: Default::default(),
    })
}
