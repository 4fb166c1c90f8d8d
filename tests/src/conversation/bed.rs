//! The servers, the comparison, and making a failing conversation smaller.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use local_postgres::Server;
use router_proxy::settings::{PoolMode, PoolSettings};

use super::Op;
use super::play::{NOTHING_MORE, Played, play};
use crate::proxy::{TestProxy, unsharded};
use crate::raw::RawClient;

/// What the databases hold.
const SCHEMA: &str = "
    create table t (a int primary key, b text);
    create table u (c int, d text);
    create table watched (a int);
    create sequence counter;
    create function loud(n int) returns int language plpgsql as
        $$ begin raise notice 'loud %', n; return n; end $$;
    create function set_by_function() returns text language plpgsql as
        $$ begin set work_mem = '90kB'; return 'set'; end $$;
    create function set_by_trigger() returns trigger language plpgsql as
        $$ begin perform set_config('work_mem', '91kB', false); return new; end $$;
    create trigger sets before insert on watched for each row execute function set_by_trigger();";

/// What every conversation begins with.
const ROWS: &str = "
    delete from t; delete from u; delete from watched; select setval('counter', 1, false);
    insert into t values (1, 'one'), (2, 'two'), (3, null);
    insert into u values (1, 'x')";

/// What is left when the conversation is over, asked in one more transaction.
const LEFT: &[&str] = &[
    "rollback",
    "show work_mem",
    "select current_setting('datestyle'), current_setting('timezone'), current_setting('application_name'), current_user = session_user",
    "select a, b from t order by a, b",
    "select count(*) from u",
    "select count(*) from pg_cursors",
    "select count(*) from pg_listening_channels()",
    "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
];

/// PostgreSQL's word when a message comes in the middle of COPY.
const SYNCHRONIZATION_LOST: &str = "protocol synchronization was lost";

/// One server, and a proxy of each mode before it, each with a database of its own.
pub struct Bed {
    server: Server,
    session: TestProxy,
    transaction: TestProxy,
}

/// How a conversation is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// With the server.
    Direct,
    /// Through the proxy in session mode.
    Session,
    /// Through the proxy in transaction mode.
    Transaction,
}

/// A conversation that went differently.
pub struct Difference {
    /// Through what.
    pub way: Way,
    /// The conversation.
    pub ops: Vec<Op>,
    direct: Vec<String>,
    through: Vec<String>,
}

impl Bed {
    /// Starts them.
    pub fn start() -> anyhow::Result<Self> {
        let server = Server::builder()
            .database("direct")
            .database("session")
            .database("transaction")
            .start()?;
        server.execute("postgres", "create role low")?;
        for database in ["direct", "session", "transaction"] {
            server.execute(database, SCHEMA)?;
        }
        let pool = |mode| PoolSettings {
            mode,
            max_size: 2,
            ..PoolSettings::default()
        };
        let one_worker = |mut settings: router_proxy::settings::Settings| {
            // Connections of one pool, so that the disturber and the client change places.
            settings.workers = 1;
            settings
        };
        let session = unsharded(&server, "session", pool(PoolMode::Session));
        let transaction = unsharded(&server, "transaction", pool(PoolMode::Transaction));
        Ok(Self {
            session: TestProxy::start(one_worker(session)),
            transaction: TestProxy::start(one_worker(transaction)),
            server,
        })
    }

    fn address(&self, way: Way) -> (SocketAddr, &'static str) {
        match way {
            Way::Direct => (([127, 0, 0, 1], self.server.port()).into(), "direct"),
            Way::Session => (self.session.address, "session"),
            Way::Transaction => (self.transaction.address, "transaction"),
        }
    }

    fn connect(&self, way: Way) -> anyhow::Result<RawClient> {
        let (address, database) = self.address(way);
        RawClient::trust(address, self.server.user(), database)
    }

    /// Holds a conversation.
    pub fn hold(&self, way: Way, ops: &[Op], pauses: Option<&[usize]>) -> anyhow::Result<Played> {
        let mut settings = RawClient::trust(
            ([127, 0, 0, 1], self.server.port()).into(),
            self.server.user(),
            self.address(way).1,
        )?;
        for message in settings.simple(ROWS)? {
            anyhow::ensure!(message.tag != b'E', "the rows: {message:?}");
        }
        drop(settings);
        let mut client = self.connect(way)?;
        let mut other = match way {
            Way::Transaction => Some(self.connect(way)?),
            _ => None,
        };
        // Somebody else uses the same two server connections, so that the client gets now one, now the other.
        let mut turn = 0;
        let mut disturb = || {
            if let Some(other) = &mut other {
                turn += 1;
                let sql = match turn % 4 {
                    0 => "begin; set work_mem = '99kB'; select 1",
                    1 => "commit",
                    2 => "set datestyle = 'German'; reset datestyle",
                    _ => "select 'disturbed'",
                };
                let _ = other.simple(sql);
            }
        };
        let mut played = play(&mut client, ops, pauses, &mut disturb)?;
        if played.said.last().is_some_and(|last| last.starts_with('Z')) {
            disturb();
            for sql in LEFT {
                for message in client.simple(sql)? {
                    played.said.push(super::play::in_words(&message));
                }
            }
        }
        Ok(played)
    }

    /// Holds a conversation directly and through both proxies; what went differently.
    pub fn compare(&self, ops: &[Op]) -> anyhow::Result<Vec<Difference>> {
        let direct = self.hold(Way::Direct, ops, None)?;
        let mut differences = Vec::new();
        for way in [Way::Session, Way::Transaction] {
            let through = self.hold(way, ops, Some(&direct.pauses))?;
            // What COPY makes of messages that do not belong there ends the connection either way.
            let lost = |played: &Played| {
                let said = played.said.iter();
                said.clone().any(|said| said.contains(SYNCHRONIZATION_LOST))
            };
            let hangs = through.said.last().is_some_and(|said| said == NOTHING_MORE);
            if through.said != direct.said && (hangs || !lost(&direct)) {
                differences.push(Difference {
                    way,
                    ops: ops.to_vec(),
                    direct: direct.said.clone(),
                    through: through.said,
                });
            }
        }
        Ok(differences)
    }

    /// The same difference from as few messages as can be found in bounded time.
    pub fn smaller(&self, difference: Difference) -> anyhow::Result<Difference> {
        let until = std::time::Instant::now() + Duration::from_secs(60);
        let mut best = difference;
        let mut piece = best.ops.len() / 2;
        while piece > 0 {
            let mut at = 0;
            while at < best.ops.len() && std::time::Instant::now() < until {
                let mut ops = best.ops.clone();
                ops.drain(at..(at + piece).min(ops.len()));
                let found = self.compare(&ops)?;
                match found.into_iter().find(|found| found.way == best.way) {
                    Some(smaller) => best = smaller,
                    None => at += piece,
                }
            }
            piece /= 2;
        }
        Ok(best)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?} mode answers differently:", self.way)?;
        for op in &self.ops {
            writeln!(f, "    {op}")?;
        }
        let same = self
            .direct
            .iter()
            .zip(&self.through)
            .take_while(|(a, b)| a == b)
            .count();
        if same > 0 {
            writeln!(f, "  the same: {}", self.direct[same - 1])?;
        }
        for said in self.direct[same..].iter().take(4) {
            writeln!(f, "  directly: {said}")?;
        }
        for said in self.through[same..].iter().take(4) {
            writeln!(f, "  through:  {said}")?;
        }
        Ok(())
    }
}
