//! Commits over several shards while the proxy and the servers are killed at every step.
//!
//! Transfers between accounts on three servers leave an entry on each. A relay between proxy and servers sees every
//! message: it holds one back before it arrives, or its answer, and tells the test, which kills the proxy, that server
//! or another one. What was killed is started again, the sweeper finishes what was left, and the ledger decides: each
//! transfer is whole or not there, each acknowledged one is there, each refused one is not, the sum is as it was, and
//! nothing is prepared.
//!
//! `SHUNT_FAULT_ROUNDS=n` goes n times through all steps; meanwhile other clients transfer all the time.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use local_postgres::Server;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

use crate::serve::Serving;

const SHARDS: u64 = 3;
const ACCOUNTS: u64 = 10;
const PATIENCE: Duration = Duration::from_secs(60);

/// What is held back: a message with this text to a server, or the answer to it.
#[derive(Clone)]
struct Trap {
    text: &'static [u8],
    before: bool,
    hit: Sender<()>,
}

/// A relay to one server.
struct Relay {
    port: u16,
    trap: Arc<Mutex<Option<Trap>>>,
    /// Held-back connections go on, or end.
    open: Arc<AtomicBool>,
}

impl Relay {
    fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let trap = Arc::new(Mutex::new(None::<Trap>));
        let open = Arc::new(AtomicBool::new(true));
        let (traps, gate) = (Arc::clone(&trap), Arc::clone(&open));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else {
                    continue;
                };
                let (traps, gate) = (Arc::clone(&traps), Arc::clone(&gate));
                thread::spawn(move || carry(&client, &server, &traps, &gate));
            }
        });
        Self { port, trap, open }
    }
}

/// Carries one connection; each direction has a thread.
fn carry(client: &TcpStream, server: &TcpStream, traps: &Mutex<Option<Trap>>, gate: &AtomicBool) {
    let held = AtomicBool::new(false);
    let wait = || {
        while held.load(Ordering::SeqCst) && !gate.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(2));
        }
    };
    let end = || {
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    };
    let after: Mutex<Option<Sender<()>>> = Mutex::new(None);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut bytes = [0; 16 * 1024];
            while let Ok(n @ 1..) = (&*client).read(&mut bytes) {
                let mut trap = traps.lock().expect("no thread panics");
                let sprung = trap
                    .take_if(|trap| bytes[..n].windows(trap.text.len()).any(|w| w == trap.text));
                drop(trap);
                if let Some(trap) = sprung {
                    held.store(true, Ordering::SeqCst);
                    if trap.before {
                        let _ = trap.hit.send(());
                        wait();
                    } else {
                        *after.lock().expect("no thread panics") = Some(trap.hit);
                    }
                }
                if (&*server).write_all(&bytes[..n]).is_err() {
                    break;
                }
            }
            end();
        });
        let mut bytes = [0; 16 * 1024];
        while let Ok(n @ 1..) = (&*server).read(&mut bytes) {
            if let Some(hit) = after.lock().expect("no thread panics").take() {
                let _ = hit.send(());
                wait();
            }
            if (&*client).write_all(&bytes[..n]).is_err() {
                break;
            }
        }
        end();
    });
}

/// What a client was told of its transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Committed,
    Refused,
    Nothing,
}

struct World {
    servers: Vec<Server>,
    relays: Vec<Relay>,
    proxy: Mutex<Option<Serving>>,
    address: Mutex<String>,
    folder: tempfile::TempDir,
    next: AtomicU64,
    told: Mutex<HashMap<u64, Told>>,
}

impl World {
    fn start() -> Self {
        let servers: Vec<Server> = (0..SHARDS)
            .map(|_| {
                Server::builder()
                    .database("bank")
                    .start()
                    .expect("a server starts")
            })
            .collect();
        let relays: Vec<Relay> = servers
            .iter()
            .map(|server| Relay::to(server.port()))
            .collect();
        for (shard, server) in servers.iter().enumerate() {
            let sql = format!(
                "create table accounts (id bigint primary key, balance bigint not null); \
                 create table entries (id bigint primary key); \
                 insert into accounts select n, 1000 from generate_series({shard}, {}, {SHARDS}) n",
                SHARDS * ACCOUNTS - 1
            );
            server.execute("bank", &sql).expect("the schema");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let shards: String = relays
            .iter()
            .enumerate()
            .map(|(n, relay)| {
                format!(
                    "[[databases.shards]]\nname = 's{n}'\nprimary = 'postgres://postgres@127.0.0.1:{}/bank?sslmode=disable'\n",
                    relay.port
                )
            })
            .collect();
        let file = format!(
            "[server]\nlisten = '127.0.0.1:0'\nworkers = 2\n[auth]\nmethod = 'trust'\n[[users]]\nname = 'postgres'\n\
             [[databases]]\nname = 'bank'\n{shards}\
             [databases.two_phase]\ninterval = '300ms'\ngrace = '1s'\n\
             [[databases.placements]]\nname = 'by_id'\ntype = 'bigint'\nstrategy = 'modulo'\n\
             [[databases.tables]]\nname = 'accounts'\nkey = 'id'\nplacement = 'by_id'\n\
             [[databases.tables]]\nname = 'entries'\nkey = 'id'\nplacement = 'by_id'\n"
        );
        std::fs::write(folder.path().join("shunt.toml"), file).expect("the file is written");
        let world = Self {
            servers,
            relays,
            proxy: Mutex::new(None),
            address: Mutex::default(),
            folder,
            next: AtomicU64::new(1),
            told: Mutex::default(),
        };
        world.start_proxy();
        world
    }

    fn start_proxy(&self) {
        let serving = Serving::start(&Path::new(self.folder.path()).join("shunt.toml"), &[]);
        *self.address.lock().expect("no thread panics") = serving.address.clone();
        *self.proxy.lock().expect("no thread panics") = Some(serving);
    }

    fn kill_proxy(&self) {
        if let Some(mut serving) = self.proxy.lock().expect("no thread panics").take() {
            serving.signal("KILL");
            serving.end();
        }
    }

    async fn connect(&self) -> Option<Client> {
        let address = self.address.lock().expect("no thread panics").clone();
        let (host, port) = address.split_once(':')?;
        let url = format!("host={host} port={port} user=postgres dbname=bank");
        let connecting = tokio_postgres::connect(&url, NoTls);
        let (client, connection) = tokio::time::timeout(PATIENCE, connecting)
            .await
            .ok()?
            .ok()?;
        tokio::spawn(connection);
        Some(client)
    }

    /// One transfer, over all shards. It writes on `s0` last, which then decides.
    async fn transfer(&self, client: &Client) -> Told {
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        let account = |shard: u64| (number % ACCOUNTS) * SHARDS + shard;
        let entry = |shard: u64| number * SHARDS + shard;
        let mut sql = "begin;".to_owned();
        for (shard, change) in [(2, -2), (1, 1), (0, 1)] {
            sql.push_str(&format!(
                "insert into entries (id) values ({}); update accounts set balance = balance + {change} where id = {};",
                entry(shard),
                account(shard)
            ));
        }
        let worked = client.batch_execute(&sql).await;
        let ended = match worked {
            Ok(()) => client.batch_execute("commit").await,
            Err(error) => {
                if error.code().is_some() {
                    let _ = client.batch_execute("rollback").await;
                }
                self.told
                    .lock()
                    .expect("no thread panics")
                    .insert(number, Told::Refused);
                return Told::Refused;
            }
        };
        let told = match ended {
            Ok(()) => Told::Committed,
            Err(error) => match error.code().map(|code| code.code().to_owned()) {
                // It is not known.
                Some(code) if code == "08007" => Told::Nothing,
                Some(_) => Told::Refused,
                None => Told::Nothing,
            },
        };
        self.told
            .lock()
            .expect("no thread panics")
            .insert(number, told);
        told
    }

    fn on(&self, shard: usize, sql: &str) -> String {
        self.servers[shard]
            .execute("bank", sql)
            .expect("a server answers")
    }

    fn check(&self, what: &str) {
        let until = Instant::now() + PATIENCE;
        let prepared = "select count(*) from pg_prepared_xacts";
        while (0..self.servers.len()).any(|shard| self.on(shard, prepared) != "0") {
            if Instant::now() > until {
                let mut left: Vec<String> = (0..self.servers.len())
                    .map(|shard| self.on(shard, "select * from pg_prepared_xacts"))
                    .collect();
                if let Some(serving) = &mut *self.proxy.lock().expect("no thread panics") {
                    serving.signal("KILL");
                    left.extend(serving.rest());
                }
                panic!("{what}: left prepared:\n{}", left.join("\n"));
            }
            thread::sleep(Duration::from_millis(50));
        }
        let mut found: HashMap<u64, u64> = HashMap::new();
        let mut sum = 0;
        for shard in 0..self.servers.len() {
            for id in self.on(shard, "select id from entries").lines() {
                *found
                    .entry(id.parse::<u64>().expect("a number") / SHARDS)
                    .or_default() += 1;
            }
            sum += self
                .on(shard, "select sum(balance) from accounts")
                .parse::<u64>()
                .expect("a number");
        }
        let torn: Vec<_> = found
            .iter()
            .filter(|(_, parts)| **parts != SHARDS)
            .collect();
        assert!(torn.is_empty(), "{what}: torn transfers: {torn:?}");
        assert_eq!(sum, SHARDS * ACCOUNTS * 1000, "{what}: the sum");
        for (number, told) in &*self.told.lock().expect("no thread panics") {
            match (told, found.contains_key(number)) {
                (Told::Committed, false) => {
                    panic!("{what}: transfer {number} was acknowledged and is lost")
                }
                (Told::Refused, true) => {
                    panic!("{what}: transfer {number} was refused and is there")
                }
                _ => {}
            }
        }
    }
}

/// Whom a step kills.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Proxy,
    Server(usize),
}

/// Transfers until told to stop.
fn keep_transferring(world: &World, stop: &AtomicBool) {
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(async {
        while !stop.load(Ordering::SeqCst) {
            let Some(client) = world.connect().await else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            while !stop.load(Ordering::SeqCst) && !client.is_closed() {
                let transferring = world.transfer(&client);
                if tokio::time::timeout(PATIENCE, transferring).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
}

#[test]
fn every_step_of_a_commit_survives_every_crash() {
    let rounds = std::env::var("SHUNT_FAULT_ROUNDS").map_or(1, |n| n.parse().expect("a number"));
    let world = World::start();
    let runtime = Runtime::new().expect("a runtime");
    // The table of decisions is made by a first commit, which is not what is tested.
    runtime.block_on(async {
        let client = world.connect().await.expect("the proxy answers");
        assert_eq!(world.transfer(&client).await, Told::Committed);
    });
    world.check("at first");
    let steps: [(usize, &'static [u8]); 5] = [
        (0, b"INSERT INTO shunt.decisions"),
        (1, b"PREPARE TRANSACTION"),
        (2, b"PREPARE TRANSACTION"),
        (0, b"COMMIT\0"),
        (1, b"COMMIT PREPARED"),
    ];
    for round in 0..rounds {
        for (shard, text) in steps {
            for before in [true, false] {
                let other = (shard + 1) % world.servers.len();
                for victim in [Victim::Proxy, Victim::Server(shard), Victim::Server(other)] {
                    let name = String::from_utf8_lossy(text).into_owned();
                    let what = format!(
                        "round {round}, {name:?} on s{shard}, before: {before}, killed: {victim:?}"
                    );
                    fault(&world, shard, text, before, victim, &what);
                    world.check(&what);
                }
            }
        }
    }
    let told = world.told.lock().expect("no thread panics");
    let count = |wanted| told.values().filter(|told| **told == wanted).count();
    println!(
        "{} committed, {} refused, {} not known",
        count(Told::Committed),
        count(Told::Refused),
        count(Told::Nothing)
    );
    assert!(count(Told::Committed) > 10);
}

fn fault(
    world: &World,
    shard: usize,
    text: &'static [u8],
    before: bool,
    victim: Victim,
    what: &str,
) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| keep_transferring(world, &stop));
        }
        let (hit, sprung) = channel();
        let relay = &world.relays[shard];
        relay.open.store(false, Ordering::SeqCst);
        *relay.trap.lock().expect("no thread panics") = Some(Trap { text, before, hit });
        let sprung = sprung.recv_timeout(PATIENCE);
        match victim {
            Victim::Proxy => world.kill_proxy(),
            Victim::Server(victim) => world.servers[victim].kill().expect("it is killed"),
        }
        relay.open.store(true, Ordering::SeqCst);
        match victim {
            Victim::Proxy => world.start_proxy(),
            Victim::Server(victim) => world.servers[victim].start().expect("it starts again"),
        }
        stop.store(true, Ordering::SeqCst);
        assert!(sprung.is_ok(), "{what}: that message never came");
    });
}
