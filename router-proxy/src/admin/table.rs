//! Every command of the console: its words, its columns, what it is for.
//!
//! Columns of commands that PgBouncer has carry PgBouncer's names and types, in
//! its order (<https://www.pgbouncer.org/usage.html>, and what
//! <https://github.com/prometheus-community/pgbouncer_exporter> reads); what it
//! lacks comes after them.

use std::fmt::Write as _;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `text`
    Text,
    /// `integer`
    Int,
    /// `bigint`
    BigInt,
    /// `numeric`
    Numeric,
}

impl Kind {
    /// PostgreSQL's name of the type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Int => "integer",
            Self::BigInt => "bigint",
            Self::Numeric => "numeric",
        }
    }
}

/// A column of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name.
    pub name: &'static str,
    /// Type.
    pub kind: Kind,
    /// What it says.
    pub what: &'static str,
}

/// Whether a command takes the name of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// No.
    None,
    /// It may; without one, all are meant.
    Optional,
    /// It must.
    Required,
}

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which one.
    pub verb: Verb,
    /// Its words, in upper case.
    pub words: &'static str,
    /// Its argument.
    pub argument: Argument,
    /// What it is for.
    pub what: &'static str,
    /// What it answers with; empty: a tag only.
    pub columns: &'static [Column],
}

macro_rules! columns {
    ($($name:ident $kind:ident $what:literal,)*) => {
        &[$(Column { name: stringify!($name), kind: Kind::$kind, what: $what },)*]
    };
}

macro_rules! commands {
    ($($verb:ident $words:literal $argument:ident $what:literal { $($columns:tt)* })*) => {
        /// Which command.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Verb { $(#[doc = $what] $verb,)* }

        /// All commands.
        pub static COMMANDS: &[Entry] = &[$(Entry {
            verb: Verb::$verb,
            words: $words,
            argument: Argument::$argument,
            what: $what,
            columns: columns! { $($columns)* },
        },)*];
    };
}

commands! {
    Pools "SHOW POOLS" None "Clients and server connections, by database and role on the servers" {
        database Text "database",
        user Text "role on the servers; clients of users that share it are counted together",
        cl_active Int "clients that hold a server connection or want nothing",
        cl_waiting Int "clients that wait for a server connection",
        cl_active_cancel_req Int "always 0: a cancel request is carried out by the client's own task",
        cl_waiting_cancel_req Int "always 0",
        sv_active Int "server connections that clients hold, or that are being cleaned",
        sv_active_cancel Int "always 0",
        sv_being_canceled Int "always 0",
        sv_idle Int "idle server connections",
        sv_used Int "always 0: idle connections are looked at when they are taken",
        sv_tested Int "always 0",
        sv_login Int "server connections being opened",
        maxwait Int "how long the first in the queue has waited, in whole seconds",
        maxwait_us Int "the microseconds above those",
        pool_mode Text "transaction or session",
        load_balance_hosts Text "always NULL; see SHOW REPLICAS",
    }
    Stats "SHOW STATS" None "Totals since the start, and averages of the last period of 15 seconds, by database" {
        database Text "database",
        total_server_assignment_count Numeric "times that a server connection was given to a client",
        total_xact_count Numeric "transactions",
        total_query_count Numeric "queries: one per ReadyForQuery",
        total_received Numeric "bytes from clients",
        total_sent Numeric "bytes to clients",
        total_xact_time Numeric "microseconds in transactions",
        total_query_time Numeric "microseconds with a query under way",
        total_wait_time Numeric "microseconds that clients waited for server connections",
        total_client_parse_count Numeric "Parse messages from clients",
        total_server_parse_count Numeric "Parse messages to servers, of statements shared by content",
        total_bind_count Numeric "Bind messages from clients",
        avg_server_assignment_count Numeric "per second",
        avg_xact_count Numeric "per second",
        avg_query_count Numeric "per second",
        avg_recv Numeric "bytes per second",
        avg_sent Numeric "bytes per second",
        avg_xact_time Numeric "microseconds per transaction",
        avg_query_time Numeric "microseconds per query",
        avg_wait_time Numeric "microseconds per assignment",
        avg_client_parse_count Numeric "per second",
        avg_server_parse_count Numeric "per second",
        avg_bind_count Numeric "per second",
    }
    StatsTotals "SHOW STATS_TOTALS" None "The totals alone" {
        database Text "database",
        server_assignment_count Numeric "times that a server connection was given to a client",
        xact_count Numeric "transactions",
        query_count Numeric "queries",
        bytes_received Numeric "bytes from clients",
        bytes_sent Numeric "bytes to clients",
        xact_time Numeric "microseconds in transactions",
        query_time Numeric "microseconds with a query under way",
        wait_time Numeric "microseconds that clients waited",
        client_parse_count Numeric "Parse messages from clients",
        server_parse_count Numeric "Parse messages to servers",
        bind_count Numeric "Bind messages from clients",
    }
    StatsAverages "SHOW STATS_AVERAGES" None "The averages alone" {
        database Text "database",
        server_assignment_count Numeric "per second",
        xact_count Numeric "per second",
        query_count Numeric "per second",
        bytes_received Numeric "per second",
        bytes_sent Numeric "per second",
        xact_time Numeric "microseconds per transaction",
        query_time Numeric "microseconds per query",
        wait_time Numeric "microseconds per assignment",
        client_parse_count Numeric "per second",
        server_parse_count Numeric "per second",
        bind_count Numeric "per second",
    }
    Clients "SHOW CLIENTS" None "Every client: what it is at, what it holds, and why it keeps it" {
        type Text "C",
        user Text "user",
        database Text "database",
        replication Text "none",
        state Text "active (holds a server connection or has a query under way), idle or waiting",
        addr Text "address, or unix",
        port Int "port",
        local_addr Text "address that it connected to",
        local_port Int "port that it connected to",
        connect_time Text "when it logged in (UTC)",
        request_time Text "when its state last changed (UTC)",
        wait Int "how long it has waited for a server connection, in whole seconds",
        wait_us Int "the microseconds above those",
        close_needed Int "always 0",
        ptr Text "the client, as link of SHOW SERVERS names it",
        link Text "the first server connection that it holds, as ptr of SHOW SERVERS",
        remote_pid Int "always 0",
        tls Text "encryption",
        application_name Text "application_name",
        prepared_statements Int "statements that it has prepared",
        id Int "the process id that it was given",
        pinned Text "why it keeps its server connections between transactions; NULL: it does not",
        servers Int "server connections that it holds",
    }
    Servers "SHOW SERVERS" None "Every server connection" {
        type Text "S",
        user Text "role on the server",
        database Text "database as clients know it",
        replication Text "none",
        state Text "active or idle",
        addr Text "address, or unix",
        port Int "port",
        local_addr Text "address on this side",
        local_port Int "port on this side",
        connect_time Text "when it was opened (UTC)",
        request_time Text "since when it is idle; of active ones, now (UTC)",
        wait Int "always 0",
        wait_us Int "always 0",
        close_needed Int "1: it is closed once it is free",
        ptr Text "the connection, as link of SHOW CLIENTS names it",
        link Text "the client that holds it, as ptr of SHOW CLIENTS; empty when idle",
        remote_pid Int "process id of its backend",
        tls Text "encryption",
        application_name Text "of the client that holds it",
        prepared_statements Int "statements that it knows",
        id Int "unique in this process",
        shard Text "shard",
        role Text "primary, or replica and its number",
    }
    Databases "SHOW DATABASES" None "Every database" {
        name Text "name",
        host Text "host of the primary; NULL: there are several shards",
        port Int "port of the primary; NULL: there are several shards",
        database Text "database on the primary; NULL: there are several shards",
        force_user Text "role on the primary",
        pool_size Int "most connections per server and role",
        min_pool_size Int "connections kept open",
        reserve_pool Int "always 0",
        server_lifetime Int "seconds after which connections are closed once idle",
        pool_mode Text "transaction or session",
        load_balance_hosts Text "always NULL",
        max_connections Int "0: no limit above the pools'",
        current_connections Int "server connections",
        max_client_connections Int "0: no limit but max_clients",
        current_client_connections Int "clients",
        paused Int "1: new transactions wait",
        disabled Int "1: new clients are turned away",
        shards Int "number of shards",
    }
    Config "SHOW CONFIG" None "Settings in force; also max_client_conn and max_user_connections, which PgBouncer's tools ask for" {
        key Text "key",
        value Text "value in force",
        default Text "value when the file says nothing; NULL: there is none",
        changeable Text "yes: RELOAD puts it in force",
    }
    Lists "SHOW LISTS" None "How many there are of what" {
        list Text "what",
        items Int "how many",
    }
    Users "SHOW USERS" None "Every user of the configuration" {
        name Text "name",
        pool_size Int "its own pool size; NULL: the database's",
        reserve_pool_size Int "always NULL",
        pool_mode Text "its own mode; NULL: the database's",
        max_user_connections Int "0: no limit above the pools'",
        current_connections Int "server connections that its clients hold",
        max_user_client_connections Int "0: no limit but max_clients",
        current_client_connections Int "clients",
        admin Int "1: may use this console",
    }
    State "SHOW STATE" None "Whether new transactions wait, of any database" {
        key Text "active, paused or suspended",
        value Text "yes or no; suspended is always no",
    }
    Version "SHOW VERSION" None "The version" {
        version Text "name and version",
    }
    Mem "SHOW MEM" None "Memory" {
        name Text "what",
        size Int "bytes of one; 0: they differ",
        used Int "how many",
        free Int "how many are kept for reuse",
        memtotal BigInt "bytes of all",
    }
    Shards "SHOW SHARDS" None "Every shard: its primary, connections to it, what it answered, and whether it lets the proxy in" {
        database Text "database",
        shard Text "shard",
        host Text "host of the primary",
        port Int "port of the primary",
        server_database Text "database on the primary",
        connections Int "connections to the primary",
        active Int "of those, held by clients",
        idle Int "of those, idle",
        opening Int "of those, being opened",
        waiting Int "clients in the queue",
        queries BigInt "queries answered by primary and replicas",
        transactions BigInt "transactions",
        errors BigInt "errors reported",
        bytes_received BigInt "bytes from its servers",
        bytes_sent BigInt "bytes to its servers",
        state Text "of the primary: up, down, or unknown: nobody has tried to connect yet",
        since Text "since when (UTC)",
        last_error Text "why an attempt to connect failed last; NULL: none has failed",
        last_error_time Text "when that was (UTC)",
        connect_failures BigInt "attempts to connect that failed",
    }
    Replicas "SHOW REPLICAS" None "Every replica, connections to it, and whether it lets the proxy in" {
        database Text "database",
        shard Text "shard",
        replica Int "number, from 1",
        host Text "host",
        port Int "port",
        weight Int "as configured; not used yet",
        zone Text "as configured; not used yet",
        backup Int "as configured; not used yet",
        connections Int "connections",
        active Int "of those, held by clients",
        idle Int "of those, idle",
        opening Int "of those, being opened",
        waiting Int "clients in the queue",
        state Text "up, down, or unknown: nobody has tried to connect yet",
        since Text "since when (UTC)",
        last_error Text "why an attempt to connect failed last; NULL: none has failed",
        last_error_time Text "when that was (UTC)",
        connect_failures BigInt "attempts to connect that failed",
        lag_ms BigInt "it has everything that was committed so many milliseconds ago; asked once a second; NULL: nobody asks (max_lag), or it has not answered",
        lag_bytes BigInt "bytes of WAL that it had yet to replay then",
    }
    Plans "SHOW PLANS" None "Each worker's cache of plans" {
        worker Int "worker",
        entries Int "plans and marks kept",
        bytes BigInt "their bytes",
        limit_bytes BigInt "most bytes",
        hits BigInt "statements whose plan was there",
        misses BigInt "statements that were planned anew",
    }
    Prepared "SHOW PREPARED" None "Prepared statements, by database and role on the servers" {
        database Text "database",
        user Text "role on the servers",
        client_statements BigInt "names that clients have given",
        server_statements BigInt "statements that server connections know",
        server_connections Int "server connections",
    }
    TwoPhase "SHOW TWOPHASE" None "Transactions that are prepared on a primary and wait for their end, asked of the servers now; and the last ones that this proxy has finished after a failure (docs/transactions.md)" {
        database Text "database as clients know it",
        shard Text "shard",
        gid Text "identifier; NULL: the shard does not answer",
        state Text "prepared, in doubt, foreign (another program's), committed, rolled back, unreachable",
        prepared Text "when it was prepared",
        owner Text "role",
        seconds BigInt "time since it was prepared; of a finished one, since then",
        note Text "why it waits, or what is wrong",
    }
    Help "SHOW HELP" None "This list" {
        command Text "command",
        what Text "what it is for",
    }
    Pause "PAUSE" Optional "New transactions wait; returns when the running ones have ended and every server connection is closed. A client that keeps a connection (SHOW CLIENTS, pinned) is waited for until it leaves" {}
    Resume "RESUME" Optional "Ends PAUSE or KILL" {}
    Disable "DISABLE" Required "New clients are turned away" {}
    Enable "ENABLE" Required "New clients are let in again" {}
    Reconnect "RECONNECT" Optional "Every server connection is closed once it is free" {}
    WaitClose "WAIT_CLOSE" Optional "Returns when every server connection that RECONNECT or RELOAD has put out of use is closed" {}
    Kill "KILL" Optional "Clients and server connections are cut at once, and new ones wait for RESUME" {}
    Reload "RELOAD" None "Reads the configuration again and puts in force what changed, or refuses and changes nothing" {
        key Text "key that changed",
        old Text "value before; NULL: none, or not to be shown",
        new Text "value from now on",
    }
    Shutdown "SHUTDOWN" None "Drains and ends: idle clients go at once, others when their transaction ends, all after drain_timeout" {}
}

/// A command by its verb.
pub fn entry(verb: Verb) -> &'static Entry {
    COMMANDS
        .iter()
        .find(|entry| entry.verb == verb)
        .expect("the macro makes an entry for every verb")
}

impl Entry {
    /// As one writes it.
    pub fn usage(&self) -> String {
        match self.argument {
            Argument::None => self.words.to_owned(),
            Argument::Optional => format!("{} [database]", self.words),
            Argument::Required => format!("{} database", self.words),
        }
    }
}

/// docs/console.md, of which a test says that it is this text.
pub fn markdown() -> String {
    let mut text = String::from(INTRODUCTION);
    for entry in COMMANDS {
        let _ = write!(text, "\n## `{}`\n\n{}.\n", entry.usage(), entry.what);
        if !entry.columns.is_empty() {
            text.push_str("\n| column | type | meaning |\n|---|---|---|\n");
        }
        for column in entry.columns {
            let Column { name, kind, what } = column;
            let _ = writeln!(text, "| `{name}` | {} | {what} |", kind.name());
        }
    }
    text
}

const INTRODUCTION: &str = "\
# The console

Connect to the database `shunt` (or `pgbouncer`) as a user with `admin = true`:

```
psql -h 127.0.0.1 -p 6432 -U admin shunt -c 'SHOW POOLS'
```

Commands are not case-sensitive; names of databases may be quoted. Both protocols work, without parameters and without
transactions: drivers that begin one by themselves need autocommit. `SET` of the settings that drivers send when they connect
(`client_encoding`, `DateStyle`, ...) is accepted and does nothing; settings of Shunt are changed in its file, followed by `RELOAD`.

Commands that PgBouncer has keep the names, types and order of its columns, so that its tools and its Prometheus exporter work;
what Shunt adds comes after them. `SUSPEND` is not there: a restart without a moment in which nobody listens is
`shunt serve --takeover`. Nor are the commands about what Shunt does not have (`SHOW FDS`, `SOCKETS`, `DNS_HOSTS`, `PEERS` and the like).

What is asked of all workers is answered only when all have answered, within 2 s.
";
