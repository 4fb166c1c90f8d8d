//! What clients of one database and user share on one worker.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use router_core::id::ShardId;
use router_core::replicas::{self, Choice, Preference, Rules};
use router_core::sql::next_id::Node;
use router_core::sqlstate::SqlState;
use smallvec::SmallVec;

use super::Worker;
use super::shared::{address, pool_settings, unknown};
use crate::catalog::{ask_heeding, search_path};
use crate::freshness::{self, Seen};
use crate::gate::Gate;
use crate::pool::ServerConnection;
use crate::server::converse::converse;
use crate::server::state::Parameters;
use crate::session::settings::SettingSet;
use crate::session::{Environment, Role};
use crate::settings::{ReadPreference, ReadSettings};
use crate::stats::Stats;
use crate::wire::encode::Report;

/// Sets of startup settings whose parameters are remembered for each database and user.
const STARTUPS: usize = 256;

/// So long what a server reports about itself is passed on without asking it again.
const FRESH: Duration = Duration::from_secs(5);

/// What clients of one database and user share on one worker.
#[derive(Debug)]
pub struct Access {
    /// For the session machine.
    pub environment: Rc<Environment>,
    /// The database.
    pub database: String,
    /// The user.
    pub user: String,
    /// Role on the servers (of the first shard, when they differ).
    pub role: String,
    /// Whether the database may be used.
    pub gate: Arc<Gate>,
    /// Of which settings it was made.
    pub generation: u64,
    preference: Preference,
    rules: Rules,
    shards: Vec<ShardPools>,
    /// By startup settings; each with the number of its pool's news, and since when it is known.
    greetings: RefCell<HashMap<Arc<SettingSet>, (u64, Instant, Greeting)>>,
}

/// What a client is told about the server when it logs in.
#[derive(Clone, Debug)]
pub struct Greeting {
    /// The settings of its startup packet. Clients with equal ones share them: that a connection has them in place
    /// is then seen without comparing.
    pub settings: Arc<SettingSet>,
    /// By `ParameterStatus`.
    pub parameters: Parameters,
    /// NOTICE messages about its settings, whole.
    pub notices: bytes::Bytes,
}

impl std::hash::Hash for SettingSet {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        for (name, values) in self.iter() {
            name.hash(state);
            values.hash(state);
        }
    }
}

#[derive(Debug)]
struct ShardPools {
    primary: usize,
    replicas: Vec<ReplicaPool>,
    turn: Cell<usize>,
}

#[derive(Debug)]
struct ReplicaPool {
    pool: usize,
    seen: Arc<Seen>,
    backup: bool,
}

impl Access {
    /// Keeps what a server has just said, for clients that come when none can be asked.
    pub fn keep(&self, news: u64, greeting: Greeting) {
        let mut greetings = self.greetings.borrow_mut();
        if greetings.len() >= STARTUPS {
            greetings.clear();
        }
        let settings = Arc::clone(&greeting.settings);
        greetings.insert(settings, (news, Instant::now(), greeting));
    }

    /// Whether a client with these startup settings needs no server before its first statement.
    pub fn knows_greeting(&self, settings: &SettingSet) -> bool {
        !self.environment.is_transparent() && self.greetings.borrow().contains_key(settings)
    }

    /// The pools to take a connection from, best first; none where nothing may answer. `wrote`: when the session's last write
    /// had ended.
    pub fn pools(
        &self,
        shard: ShardId,
        role: Role,
        wrote: Option<Instant>,
    ) -> SmallVec<[usize; 2]> {
        let pools = &self.shards[shard.index()];
        if role == Role::Primary {
            return SmallVec::from_elem(pools.primary, 1);
        }
        let turn = pools.turn.get().wrapping_add(1);
        pools.turn.set(turn);
        let now = Instant::now();
        let replicas = pools.replicas.iter().map(|replica| {
            let seen = &replica.seen;
            let wrote = wrote.map(|at| seen.time(at));
            let admitted = self.rules.admit(seen.standing(), seen.time(now), wrote);
            (admitted, replica.backup)
        });
        let chosen = replicas::choose(self.preference, turn, replicas);
        let pool = |choice| match choice {
            Choice::Primary => pools.primary,
            Choice::Replica(at) => pools.replicas[at].pool,
        };
        chosen.into_iter().map(pool).collect()
    }

    /// Whether a read on a replica depends on when the session has written.
    pub fn tracks_writes(&self) -> bool {
        self.rules.read_your_writes && self.shards.iter().any(|shard| !shard.replicas.is_empty())
    }
}

fn preference(reads: &ReadSettings) -> Preference {
    match reads.preference {
        ReadPreference::Primary => Preference::Primary,
        ReadPreference::PrimaryPreferred => Preference::PrimaryFirst,
        ReadPreference::Replica => Preference::Replica,
        // There is nothing to tell near from far by yet.
        ReadPreference::ReplicaPreferred | ReadPreference::Nearest => Preference::ReplicaFirst,
    }
}

impl Worker {
    /// What a database and user have here; an error is for the client.
    pub fn access(&self, database: &str, user: &str) -> Result<Rc<Access>, Report> {
        let key = (database.to_owned(), user.to_owned());
        if let Some(access) = self.access.borrow().get(&key) {
            return Ok(Rc::clone(access));
        }
        let live = self.shared.settings();
        let settings = &live.settings;
        let known = settings
            .databases
            .iter()
            .find(|known| known.topology.database == database);
        let Some(known) = known else {
            return Err(unknown(database));
        };
        let user_name = user;
        let user = settings.users.iter().find(|known| known.name == user);
        let freshness = self.shared.freshness(known);
        let mut shards = Vec::new();
        for (shard, servers) in known.shards.iter().enumerate() {
            let shard = ShardId(shard as u16);
            let mut all = Vec::new();
            for server in 0..=servers.replicas.len() {
                let pool = self
                    .shared
                    .pool(known, shard, server, user)
                    .map_err(|error| Report::fatal(SqlState::new("F0000"), error.to_string()))?;
                all.push(self.local_pool(pool));
            }
            let seen = freshness.of_shard(shard.index());
            let replicas = all
                .split_off(1)
                .into_iter()
                .zip(seen)
                .zip(&servers.replicas);
            shards.push(ShardPools {
                primary: all[0],
                replicas: replicas
                    .map(|((pool, seen), replica)| ReplicaPool {
                        pool,
                        seen,
                        backup: replica.backup,
                    })
                    .collect(),
                turn: Cell::new(0),
            });
        }
        let access = Rc::new(Access {
            environment: Rc::new(Environment {
                topology: Arc::clone(&known.topology),
                catalog: self.shared.catalog(&known.topology),
                two_phase: self.shared.two_phase(known),
                numbers: Arc::clone(&self.shared.numbers),
                node: live.settings.node.map(Node),
                search_path: Default::default(),
                role: address(known, ShardId(0), 0, user).user,
                gather: known.reads.gather,
                pool: pool_settings(known, user),
                planner: Rc::clone(&self.planning),
                stock: self.stock.clone(),
                turn: Cell::new(self.id),
                stats: Stats::new(
                    &self.stats(database),
                    known
                        .topology
                        .shards
                        .iter()
                        .map(|shard| shard.name.as_str()),
                ),
            }),
            database: database.to_owned(),
            user: user_name.to_owned(),
            role: address(known, ShardId(0), 0, user).user,
            gate: self.shared.gate(database),
            generation: live.generation,
            preference: preference(&known.reads),
            rules: freshness::rules(&known.reads),
            shards,
            greetings: RefCell::default(),
        });
        self.access.borrow_mut().insert(key, Rc::clone(&access));
        Ok(access)
    }

    /// Makes the pools that are to have connections before anybody asks for one; the tick fills them.
    pub fn open_pools(&self) {
        let live = self.shared.live.load();
        let settings = &live.settings;
        for database in &settings.databases {
            for user in &settings.users {
                if database.pool.with(&user.pool).min_size > 0
                    && let Err(report) = self.access(&database.topology.database, &user.name)
                {
                    let database = &database.topology.database;
                    tracing::warn!(database, user = user.name, error = %report.message, "cannot make a pool");
                }
            }
        }
    }

    /// The server connection of a client that has one for itself, in session mode. `None`: its transactions take turns on
    /// the connections of a pool, or none is free, and it waits for one only when it has something to ask.
    pub async fn home(
        self: &Rc<Self>,
        access: &Access,
        settings: &Arc<SettingSet>,
    ) -> Result<Option<(usize, ServerConnection)>, Report> {
        if !access.environment.is_transparent() {
            return Ok(None);
        }
        let pool = access.shards[0].primary;
        let shared = self.server_pool(pool);
        if shared.is_full() {
            return Ok(None);
        }
        let base = Arc::clone(settings);
        let connection = Rc::clone(self).acquire_own(pool, base).await?;
        Ok(Some((pool, connection)))
    }

    /// What a client with these startup settings is told about the server.
    pub async fn greeting(
        self: &Rc<Self>,
        access: &Access,
        settings: &Arc<SettingSet>,
    ) -> Result<Greeting, Report> {
        let pool = access.shards[0].primary;
        let own = access.environment.is_transparent();
        let shared = self.server_pool(pool);
        let news = shared.news();
        let known = access.greetings.borrow().get(&**settings).cloned();
        let is_known = known.is_some();
        if let Some((number, since, known)) = known {
            // In session mode none is free to ask, or its own would have been asked.
            let good = own || shared.is_down(Instant::now());
            // A report that came in the middle of a client's answer is no news of the pool's.
            let fresh = number == news && since.elapsed() < FRESH;
            // Nobody waits in a queue to hear of it.
            if good || fresh || shared.is_full() {
                return Ok(known);
            }
        }
        if !is_known && access.environment.is_sharded() {
            let catalog = &access.environment.catalog;
            self.shared
                .refresh_catalog(catalog, &access.database, &access.user, false)
                .await?;
        }
        let mut connection = if own {
            let base = Arc::clone(settings);
            Rc::clone(self).acquire_own(pool, base).await?
        } else {
            Rc::clone(self).acquire(pool).await?
        };
        if !own && access.environment.search_path.get().is_none() {
            match asked_search_path(&mut connection, &self.server_pool(pool).address.user).await {
                Ok(path) => {
                    let _ = access.environment.search_path.set(path);
                }
                Err(error) => {
                    drop(connection);
                    self.server_pool(pool).closed();
                    return Err(Report::fatal(
                        SqlState::new("08006"),
                        format!("cannot ask the server for its search_path: {error}"),
                    ));
                }
            }
        }
        let difference = connection.state.settings.difference(settings);
        // One that has lain in the pool may not have heard yet what its server reported meanwhile: then nothing is asked, and
        // the answer comes behind that.
        if !difference.is_empty() || !own {
            let ServerConnection { socket, state, .. } = &mut connection;
            if let Err(error) = converse(socket, state, &difference).await {
                drop(connection);
                self.server_pool(pool).closed();
                return Err(match error {
                    crate::server::converse::ConverseError::Refused(state, message) => {
                        Report::fatal(state, message)
                    }
                    error => Report::fatal(SqlState::new("08006"), error.to_string()),
                });
            }
            connection.state.settings = Arc::clone(settings);
        }
        let greeting = Greeting {
            settings: Arc::clone(settings),
            parameters: connection.state.parameters.clone(),
            notices: connection.state.notices.split().freeze(),
        };
        connection.idle_since = Instant::now();
        match settings.ends_idle_connections() {
            true => self.put_back_unclean(pool, connection),
            false => self.put_back(pool, connection),
        }
        access.keep(news, greeting.clone());
        Ok(greeting)
    }
}

/// The `search_path` of a session that has set none.
async fn asked_search_path(
    connection: &mut ServerConnection,
    role: &str,
) -> Result<Vec<String>, crate::catalog::AskError> {
    connection.state.prepared.unnamed = None;
    let parameters = &mut connection.state.parameters;
    let asking = ask_heeding(&mut connection.socket, parameters, search_path::ASK).await?;
    Ok(search_path::of(&asking, role))
}
