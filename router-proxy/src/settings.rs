//! Settings as meant: checked, resolved, with nothing left to look up.
//!
//! What a user writes is the business of the binary (`src/config`); an
//! application that embeds the proxy fills this in itself.

pub mod difference;
pub mod summary;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use router_core::topology::Topology;
use zeroize::Zeroizing;

/// Everything a proxy needs to run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where clients connect.
    pub listen: Vec<ListenAddress>,
    /// Where `/metrics`, `/health`, `/ready` and the dashboard are served; `None`: nowhere.
    pub http_listen: Option<SocketAddr>,
    /// Where a new process asks for the listening sockets; `None`: it cannot.
    pub takeover_socket: Option<PathBuf>,
    /// Statements that take longer are logged, by their shape; zero: none.
    pub slow_query: Duration,
    /// What tells its numbers from those of other proxies (`shunt.next_id()`); `None`: it makes none.
    pub node: Option<u16>,
    /// Worker threads; 0 means one per core.
    pub workers: usize,
    /// Most client connections at a time, half-open ones included.
    pub max_clients: usize,
    /// How long a drain waits for clients in a transaction.
    pub drain_timeout: Duration,
    /// How long a client may take from its first byte to the end of authentication.
    pub login_timeout: Duration,
    /// TLS towards clients; `None`: plaintext only.
    pub tls: Option<ClientTls>,
    /// How clients prove who they are.
    pub auth: Auth,
    /// Users that the configuration names.
    pub users: Vec<User>,
    /// Databases that clients may connect to.
    pub databases: Vec<Database>,
    /// Where the router keeps its own tables; `None`: it has none.
    pub catalog: Option<ServerAddress>,
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket, by its whole path.
    Unix(PathBuf),
}

/// TLS towards clients.
#[derive(Clone, Debug)]
pub struct ClientTls {
    /// Whether plaintext clients are turned away and certificates asked for.
    pub mode: TlsMode,
    /// Certificate chain, PEM.
    pub cert: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
    /// Authorities that client certificates must come from, PEM.
    pub client_ca: Option<PathBuf>,
}

/// libpq's sslmode, as far as it means something on either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsMode {
    /// Never TLS.
    Disable,
    /// TLS when the other side can.
    Prefer,
    /// TLS or nothing.
    Require,
    /// The certificate must come from a known authority.
    VerifyCa,
    /// And name the host (servers) or user (clients).
    VerifyFull,
}

/// How clients prove who they are.
#[derive(Clone, Debug)]
pub struct Auth {
    /// The method where no `pg_hba.conf` rule says otherwise.
    pub method: AuthMethod,
    /// Rules in `pg_hba.conf` syntax; replaces `method`.
    pub hba_file: Option<PathBuf>,
    /// Query that returns a user's name and verifier, with one parameter: the name.
    pub auth_query: Option<String>,
    /// Whose server connections run `auth_query`.
    pub auth_user: Option<String>,
}

impl Settings {
    /// Whether nobody can log in, since a secret is asked for and none is known.
    pub fn lets_nobody_in(&self) -> bool {
        let Auth {
            method,
            hba_file,
            auth_query,
            auth_user: _,
        } = &self.auth;
        !matches!(method, AuthMethod::Trust | AuthMethod::Cert)
            && hba_file.is_none()
            && auth_query.is_none()
            && self.users.iter().all(|user| user.secret.is_none())
    }
}

/// An authentication method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// Everybody is believed.
    Trust,
    /// Clear-text password.
    Password,
    /// MD5 challenge.
    Md5,
    /// SCRAM-SHA-256, with channel binding over TLS.
    ScramSha256,
    /// A client certificate whose common name is the user.
    Cert,
}

/// A user of the proxy.
#[derive(Clone, Debug)]
pub struct User {
    /// Name.
    pub name: String,
    /// Password or verifier; `None`: may only enter where no password is asked for.
    pub secret: Option<Secret>,
    /// May use the admin console.
    pub admin: bool,
    /// Role on the servers; `None`: the one in the shard's URL.
    pub server_user: Option<String>,
    /// Its password.
    pub server_password: Option<Secret>,
    /// What this user changes in the pool settings of every database.
    pub pool: PoolOverride,
}

/// A password in clear text, `md5…`, or `SCRAM-SHA-256$…`. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct Secret(pub Zeroizing<String>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A database that clients may connect to.
#[derive(Clone, Debug)]
pub struct Database {
    /// Where its tables live. An unsharded database has one shard and no tables.
    pub topology: Arc<Topology>,
    /// The servers of each shard, by `ShardId`.
    pub shards: Vec<ShardServers>,
    /// Pool settings, before a user's own (see [`PoolSettings::with`]).
    pub pool: PoolSettings,
    /// How reads are spread over primary and replicas.
    pub reads: ReadSettings,
    /// How transactions over several shards are recovered.
    pub two_phase: TwoPhaseSettings,
}

/// How transactions over several shards are recovered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TwoPhaseSettings {
    /// How often primaries are asked for transactions that somebody left prepared.
    pub interval: Duration,
    /// Younger ones are left to whoever prepared them.
    pub grace: Duration,
    /// How long decisions are kept after their transactions have ended.
    pub retention: Duration,
}

impl Default for TwoPhaseSettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            grace: Duration::from_secs(10),
            retention: Duration::from_secs(600),
        }
    }
}

/// How reads are spread over primary and replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadSettings {
    /// Which kind of server is wanted.
    pub preference: ReadPreference,
    /// Which one of those that will do.
    pub balance: Balance,
    /// Replicas further behind in time are left out; `None`: any age will do.
    pub max_lag: Option<Duration>,
    /// Replicas further behind in bytes of WAL are left out.
    pub max_lag_bytes: Option<u64>,
    /// What a session sees of its own writes.
    pub consistency: Consistency,
    /// Where this proxy stands, for `nearest`.
    pub zone: Option<String>,
    /// How many rows a statement may bring from one shard to another.
    pub gather: GatherLimits,
}

/// How many rows a statement may bring from one shard to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatherLimits {
    /// Rows.
    pub rows: u64,
    /// Bytes of them, as they travel.
    pub bytes: u64,
}

impl Default for GatherLimits {
    fn default() -> Self {
        Self {
            rows: 10_000_000,
            bytes: 4 << 30,
        }
    }
}

impl Default for ReadSettings {
    fn default() -> Self {
        Self {
            preference: ReadPreference::ReplicaPreferred,
            balance: Balance::LeastLoaded,
            max_lag: Some(Duration::from_secs(10)),
            max_lag_bytes: None,
            consistency: Consistency::ReadYourWrites,
            zone: None,
            gather: GatherLimits::default(),
        }
    }
}

/// Which kind of server a read goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadPreference {
    /// The primary, always.
    Primary,
    /// The primary; a replica while it is down.
    PrimaryPreferred,
    /// A replica or nothing.
    Replica,
    /// A replica; the primary while none will do.
    ReplicaPreferred,
    /// Whichever is in the proxy's zone.
    Nearest,
}

/// Which of several servers that will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// Each in turn.
    RoundRobin,
    /// Any.
    Random,
    /// The one with the fewest queries under way.
    LeastLoaded,
    /// In proportion to the replicas' weights.
    Weighted,
    /// The same one for the length of a session.
    Sticky,
}

/// What a session sees of its own writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// Perhaps not yet, on a replica.
    Eventual,
    /// Always.
    ReadYourWrites,
}

/// The servers of one shard.
#[derive(Clone, Debug)]
pub struct ShardServers {
    /// The primary.
    pub primary: ServerAddress,
    /// Replicas.
    pub replicas: Vec<Replica>,
}

/// A replica and how it is chosen.
#[derive(Clone, Debug)]
pub struct Replica {
    /// Where it is.
    pub address: ServerAddress,
    /// Share of reads relative to the others.
    pub weight: u32,
    /// Zone, for `nearest`.
    pub zone: Option<String>,
    /// Used only when no other replica is.
    pub backup: bool,
}

/// One PostgreSQL server, database and role.
#[derive(Clone, Debug)]
pub struct ServerAddress {
    /// Host name, address, or directory of a Unix socket (starts with `/`).
    pub host: String,
    /// Port.
    pub port: u16,
    /// Database.
    pub database: String,
    /// Role.
    pub user: String,
    /// Its password.
    pub password: Option<Secret>,
    /// `sslmode`.
    pub tls: TlsMode,
    /// `sslrootcert`.
    pub root_cert: Option<PathBuf>,
    /// `sslcert` and `sslkey`.
    pub client_cert: Option<(PathBuf, PathBuf)>,
}

impl ServerAddress {
    /// The same server, in the role that a user of the proxy has there.
    pub(crate) fn as_user(&self, user: Option<&User>) -> Self {
        let mut address = self.clone();
        if let Some(user) = user
            && let Some(name) = &user.server_user
        {
            address.user.clone_from(name);
            address.password.clone_from(&user.server_password);
        }
        address
    }
}

/// How server connections are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// When a server connection goes back.
    pub mode: PoolMode,
    /// Most server connections per server and user.
    pub max_size: usize,
    /// Kept open.
    pub min_size: usize,
    /// Longest wait for a connection; zero: no limit, as in all of the following.
    pub acquire_timeout: Duration,
    /// Longest time to connect and log in to a server.
    pub connect_timeout: Duration,
    /// Idle connections beyond `min_size` are closed after this.
    pub idle_timeout: Duration,
    /// Connections are closed when older than this and idle.
    pub max_lifetime: Duration,
    /// Longest time for one query; it is cancelled then.
    pub query_timeout: Duration,
    /// Longest time a client may sit in a transaction without a query; it is disconnected then.
    pub idle_transaction_timeout: Duration,
}

/// What a user changes in a database's pool settings; `None` leaves the database's value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolOverride {
    /// See [`PoolSettings::mode`].
    pub mode: Option<PoolMode>,
    /// See [`PoolSettings::max_size`].
    pub max_size: Option<usize>,
    /// See [`PoolSettings::min_size`].
    pub min_size: Option<usize>,
    /// See [`PoolSettings::acquire_timeout`].
    pub acquire_timeout: Option<Duration>,
    /// See [`PoolSettings::connect_timeout`].
    pub connect_timeout: Option<Duration>,
    /// See [`PoolSettings::idle_timeout`].
    pub idle_timeout: Option<Duration>,
    /// See [`PoolSettings::max_lifetime`].
    pub max_lifetime: Option<Duration>,
    /// See [`PoolSettings::query_timeout`].
    pub query_timeout: Option<Duration>,
    /// See [`PoolSettings::idle_transaction_timeout`].
    pub idle_transaction_timeout: Option<Duration>,
}

impl PoolSettings {
    /// These settings with what `over` changes.
    pub fn with(&self, over: &PoolOverride) -> Self {
        Self {
            mode: over.mode.unwrap_or(self.mode),
            max_size: over.max_size.unwrap_or(self.max_size),
            min_size: over.min_size.unwrap_or(self.min_size),
            acquire_timeout: over.acquire_timeout.unwrap_or(self.acquire_timeout),
            connect_timeout: over.connect_timeout.unwrap_or(self.connect_timeout),
            idle_timeout: over.idle_timeout.unwrap_or(self.idle_timeout),
            max_lifetime: over.max_lifetime.unwrap_or(self.max_lifetime),
            query_timeout: over.query_timeout.unwrap_or(self.query_timeout),
            idle_transaction_timeout: over
                .idle_transaction_timeout
                .unwrap_or(self.idle_transaction_timeout),
        }
    }
}

/// When a server connection goes back to the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// After each transaction.
    Transaction,
    /// When the client leaves.
    Session,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            mode: PoolMode::Transaction,
            max_size: 20,
            min_size: 0,
            acquire_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(600),
            max_lifetime: Duration::from_secs(3600),
            query_timeout: Duration::ZERO,
            idle_transaction_timeout: Duration::ZERO,
        }
    }
}
