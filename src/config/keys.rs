//! Every key that the file may have, table by table. The reader accepts no
//! other, and docs/configuration.md must name each of them (a test sees to it).

/// One table of the file and its keys.
#[derive(Debug)]
pub struct Keys {
    /// The table as documentation calls it; empty for the top of the file.
    pub table: &'static str,
    /// Its keys.
    pub keys: &'static [&'static str],
}

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident = $table:literal: $($key:literal)*;)*) => {
        $($(#[$doc])* pub static $name: Keys = Keys { table: $table, keys: &[$($key),*] };)*
        /// All of them.
        pub static ALL: &[&Keys] = &[$(&$name),*];
    };
}

tables! {
    /// The top of the file.
    TOP = "": "server" "pool" "auth" "users" "catalog" "databases";
    /// What the proxy listens on.
    SERVER = "server": "listen" "http_listen" "workers" "max_clients" "drain_timeout" "login_timeout" "takeover_socket" "slow_query" "node" "tls";
    /// TLS towards clients.
    TLS = "server.tls": "mode" "cert" "key" "client_ca";
    /// Pools; the same keys per database and per user.
    POOL = "pool": "mode" "max_size" "min_size" "acquire_timeout" "connect_timeout" "idle_timeout"
        "max_lifetime" "query_timeout" "idle_transaction_timeout";
    /// How clients prove who they are.
    AUTH = "auth": "method" "hba_file" "auth_query" "auth_user";
    /// A user.
    USER = "users": "name" "password" "password_file" "admin" "server_user" "server_password"
        "server_password_file" "pool";
    /// The router's own tables.
    CATALOG = "catalog": "url";
    /// A database.
    DATABASE = "databases": "name" "default_shard" "scratch" "triggers" "shards" "reads" "two_phase" "placements" "tables" "pool";
    /// A shard.
    SHARD = "databases.shards": "name" "primary" "replicas";
    /// A replica.
    REPLICA = "databases.shards.replicas": "url" "weight" "zone" "backup";
    /// How reads are spread.
    READS = "databases.reads": "preference" "balance" "max_lag" "max_lag_bytes" "consistency" "zone" "gather_max_rows" "gather_max_bytes";
    /// How transactions over several shards are recovered.
    TWO_PHASE = "databases.two_phase": "interval" "grace" "retention";
    /// A placement.
    PLACEMENT = "databases.placements": "name" "type" "strategy" "shards" "ranges" "lists" "default"
        "buckets" "assign" "points" "weights";
    /// A range of keys.
    RANGE = "databases.placements.ranges": "from" "to" "shard";
    /// A list of keys.
    LIST = "databases.placements.lists": "values" "shard";
    /// A run of buckets.
    ASSIGN = "databases.placements.assign": "from" "to" "shard";
    /// A table.
    TABLE = "databases.tables": "name" "key" "placement" "reference" "shard";
}
