//! Everything that the planner refuses, in one list.
//!
//! A [`Reason`] fixes the SQLSTATE, the message and the usual way out; the
//! place that refuses adds the construct it met. `docs/errors.md` is written
//! from the same list by [`documentation`], and a test compares the two.

use std::fmt::Write as _;

use crate::sqlstate::SqlState;

/// Why a statement is not carried out, with everything its error needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The entry of the list.
    pub reason: Reason,
    /// SQLSTATE.
    pub sqlstate: SqlState,
    /// Primary message: lower case, no full stop.
    pub message: String,
    /// The construct, as a sentence.
    pub detail: String,
    /// The way out, as a sentence.
    pub hint: String,
}

impl Refusal {
    /// A refusal with the reason's usual hint. `detail` is a sentence that names the construct.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        let entry = reason.entry();
        Self {
            reason,
            sqlstate: SqlState::new(entry.code),
            message: entry.message.to_owned(),
            detail: detail.into(),
            hint: entry.hint.to_owned(),
        }
    }

    /// The same with a hint that fits the case better than the usual one.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

macro_rules! reasons {
    ($( $(#[doc = $doc:literal])+ $name:ident = $code:literal, $message:literal, $hint:literal; )+) => {
        /// A reason to refuse. The documentation of each is what `docs/errors.md` says about it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $( $(#[doc = $doc])+ $name, )+ }

        impl Reason {
            /// Every reason, in the order of the codes.
            pub const ALL: &'static [Reason] = &[ $( Reason::$name, )+ ];

            /// What the list says about it.
            pub fn entry(self) -> Entry {
                match self { $( Reason::$name => Entry {
                    name: stringify!($name), code: $code, message: $message, hint: $hint,
                    explanation: concat!($($doc, "\n"),+),
                }, )+ }
            }
        }
    };
}

/// One entry of the list.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The reason's name in the code.
    pub name: &'static str,
    /// SQLSTATE.
    pub code: &'static str,
    /// Primary message.
    pub message: &'static str,
    /// The usual way out.
    pub hint: &'static str,
    /// When it happens, for the documentation.
    pub explanation: &'static str,
}

reasons! {
    /// The statement is about a table that the configuration does not list, and the database has no `default_shard`.
    UnlistedTable = "SH001", "table is not listed in the configuration",
        "List the table under [[databases.tables]], or set default_shard for the database.";
    /// Shunt does not read the statement, or a construct in it. On a sharded database it could be about rows of any shard. Where no command of PostgreSQL begins so, the error is PostgreSQL's own, 42601 (`syntax error at or near`).
    NotRead = "SH002", "statement is not understood well enough to be sharded",
        "Rewrite the construct, or say where the statement goes: SET shunt.shard = '...', or a leading comment /* shunt: shard=... */.";
    /// The answer would need rows of several shards to be sorted, cut off, counted or compared with one another in a way that cannot be proven. With `scratch` set for the database most such reads are gathered and answered.
    NeedsMerge = "SH003", "answer needs merging over several shards",
        "Add the sharding key to the WHERE clause, so that one shard has all rows.";
    /// Two sharded tables are joined, but not on their keys (or are not co-located), so that matching rows may be on different shards. With `scratch` set the rows are gathered instead.
    CrossShardJoin = "SH004", "join reaches over several shards",
        "Join the tables on all columns of their sharding keys and use the same placement for both, or give the key of each table as a constant.";
    /// A subquery or common table expression reads rows of shards other than the one that would evaluate it. With `scratch` set the rows are gathered instead.
    CrossShardSubquery = "SH005", "subquery reaches over several shards",
        "Tie the subquery to the outer query by the sharding key (inner.key = outer.key), or give the key in the subquery too.";
    /// The statement uses tables that live in different places, for instance a sharded table and one that is pinned to a shard.
    MixedHomes = "SH006", "tables of the statement live on different shards",
        "Make the smaller table a reference table, or query the tables one after the other.";
    /// The values of the statement belong to different shards, and it cannot be split between them.
    DifferentShards = "SH007", "keys of the statement belong to different shards",
        "Use one statement per key.";
    /// An `INSERT` or `COPY` does not say the row's sharding key, or says it by an expression whose value cannot be made on one server first (docs/writes.md).
    KeyNotGiven = "SH008", "sharding key of the new row is not known",
        "Name the sharding key's columns in the column list and give them as constants or parameters.";
    /// The value compared with the sharding key, or inserted into it, cannot be turned into the key's type with certainty.
    KeyNotComputable = "SH009", "value of the sharding key cannot be computed",
        "Give the value as a plain constant or parameter of the key column's type.";
    /// The placement has no shard for the key: a gap between ranges, or a value that no list names.
    NoShardForKey = "SH010", "no shard is assigned to the sharding key",
        "Add the value to a range or list of the placement, or give the list a default.";
    /// A new row would have NULL in its sharding key.
    NullKey = "SH011", "sharding key of the new row is null",
        "Give a value for every column of the sharding key.";
    /// `ON CONFLICT DO UPDATE` assigns a column of the sharding key, or an `UPDATE` does so where rows cannot move to another shard: foreign keys refer to them, or a trigger would see them deleted and inserted (docs/writes.md).
    KeyChange = "SH012", "sharding key cannot be changed",
        "Delete the row and insert it with the new key, in one transaction.";
    /// The statement calls a function that may look at rows of other shards, that gives another value on every shard, or that changes something only one server knows.
    Function = "SH013", "function cannot be called over shards",
        "Call the function on one shard, named by SET shunt.shard = '...', or give its value as a parameter.";
    /// A reference table is on the side of an outer join whose rows are all kept, while the other side is sharded: each shard would keep all its rows.
    ReferencePreserved = "SH014", "outer join keeps rows of a reference table against a sharded one",
        "Add the sharding key of the sharded table as a constant, or turn the join round.";
    /// A definition that the router cannot carry out on all shards alike, or that would mean something else on each; most definitions are carried out.
    AllShardsSchema = "SH015", "schema change of all shards is not carried out",
        "Run it on each shard: SET shunt.shard = '...' and the statement, for one shard after the other.";
    /// A write to a reference table would give different rows on different shards, in a way in which they cannot be made on one shard first.
    ReferenceVolatile = "SH016", "write to a reference table may differ between shards",
        "Give the values as constants or parameters.";
    /// System catalogs or information_schema, which describe one server, together with tables that are spread over shards.
    CatalogMix = "SH017", "system catalogs cannot be joined with sharded tables",
        "Query the catalogs and the table one after the other, or name a shard: SET shunt.shard = '...'.";
    /// A statement about the session or the server that has no meaning over several shards.
    SessionStatement = "SH018", "statement cannot be carried out over shards",
        "Say where it goes: SET shunt.shard = '...'.";
    /// A directive is not understood, or names a shard or key that the topology does not know.
    Directive = "SH019", "directive is not valid",
        "In a comment: shard=..., key=..., route=primary or replica, constraints=per-shard. As settings: shunt.shard, shunt.key, shunt.route, shunt.constraints.";
    /// The relation is a view or foreign table, or inherits from a table, so that the router cannot be certain where its rows are.
    View = "SH020", "view cannot be read over shards",
        "Query the tables of the view directly.";
    /// The statement is longer than the router is willing to read: 16 MiB of text, a million words and signs beside long lists of constants, 256 MiB of parameters.
    TooLong = "SH021", "statement is too long to be sharded",
        "Send fewer rows per statement, use COPY, or name the shard: SET shunt.shard = '...'.";
    /// A table's name without a schema could mean a table in one of several schemas of the search path.
    AmbiguousName = "SH022", "table name depends on the search path",
        "Write the name with its schema.";
    /// A file or program of the server would be read or written, and there are several servers.
    ServerFile = "SH023", "COPY with a file or program of the server is not carried out over shards",
        "Use COPY ... FROM STDIN or TO STDOUT (psql: \\copy).";
    /// A rule about rows that only all shards together could keep, or a conflict that another shard would have to detect.
    Conflict = "SH024", "conflict may be with a row of another shard",
        "Add the sharding key to the conflict target and to the unique constraint.";
    /// A statement writes rows of several shards through a construct whose rows the router cannot assign to shards.
    WriteOverShards = "SH025", "write reaches over several shards",
        "Add the sharding key to the WHERE clause, or write the shards one by one.";
    /// `ctid`, `xmin` and other system columns say where a row is on one server; over several they mean nothing.
    SystemColumn = "SH026", "system column over several shards",
        "Use columns of the table, or add the sharding key to the WHERE clause.";
    /// A string such as `'now'` or `'today'` would be read by the clock of each shard, so that rows get different times where one server gives them one; or a transaction would compare a time that it has stored with the `now()` of another shard.
    Moment = "SH027", "time would be another one on each shard",
        "Write the time out, or use now().";
    /// More rows would have to be brought from one shard to another than the settings `gather_max_rows` and `gather_max_bytes` allow for one statement.
    GatherLimit = "SH028", "statement needs too many rows of other shards",
        "Narrow the statement by its WHERE clauses, or raise gather_max_rows and gather_max_bytes of the database.";
    /// `shunt.next_id()` stands where no number can be put in, or the proxy has no `server.node`, without which its numbers might be those of another proxy.
    NextId = "SH029", "shunt.next_id() cannot be called here",
        "Call it in the rows of INSERT … VALUES, or in a SELECT of its own, and use the number.";
    /// A column of a sharding key has a type or collation in which values that PostgreSQL calls equal would be different keys, or another type than its placement.
    KeyType = "SH030", "column cannot be part of a sharding key",
        "Give the column the key type of its placement, or the table a placement of the column's type.";
    /// A trigger, check, default, rule or policy of a table, or an operator or cast that somebody made, may read or write what the shard of the row does not have whole, or change the sharding key of the row. Or an operator, function or type that somebody made comes before PostgreSQL's own of that name.
    Behind = "SH031", "what happens behind the statement is not of one shard",
        "If it is right on each shard all the same (it keeps to rows of the same sharding key, say), set triggers = \"per-shard\" for the database in the configuration.";
    /// Values that pass from one shard to another, or an order by which answers are merged, would be changed by the session's `DateStyle`, `extra_float_digits` or `client_encoding`.
    Carried = "SH032", "settings of the session change values between shards",
        "SET datestyle = 'ISO', RESET extra_float_digits, SET client_encoding = 'UTF8'.";
    /// A view over sharded tables was replaced, or the columns of a table whose rows move were changed, by somebody else after it had been read: on the servers, through another proxy, or while the statement waited. It is read anew.
    Redefined = "SH033", "view or table was changed since it was read",
        "Run the statement, or its transaction, again.";
    /// The statement would make, change or drop the schema `shunt`, in which the router keeps whether a transaction of several shards is committed, or rows of it. Reading it is allowed. A backup that is restored need not have it.
    RoutersOwn = "SH034", "schema of the router cannot be changed through it",
        "Leave it out of the backup (pg_dump --exclude-schema=shunt) or of what is restored (pg_restore --exclude-schema=shunt).";
    /// A transaction that reads only has begun on a replica, and a statement needs the primary: it takes an advisory lock, notifies, is numbered, or leaves something in the session. Such a transaction goes on on the primary where nothing holds it: not at READ COMMITTED with reads alone before, but behind reads at REPEATABLE READ, settings, savepoints and cursors.
    OnReplica = "SH035", "transaction has gone too far on a replica for a statement of the primary's",
        "Say it first in the transaction, or SET shunt.route = 'primary' before the transaction begins.";
}

/// The text of `docs/errors.md`.
pub fn documentation() -> String {
    let mut out = String::from(
        "# Errors of the router\n\n\
         PostgreSQL's own errors reach the client unchanged. Errors that the router raises itself because it\n\
         will not guess have a SQLSTATE of class `SH`, a DETAIL that names the construct and a HINT with the\n\
         way out. The session stays open, and in a transaction the transaction is failed, as after any error.\n\n\
         This file is generated from `router-core/src/plan/refusal.rs`; `./dev golden` writes it anew.\n\n\
         | SQLSTATE | message |\n|---|---|\n",
    );
    for reason in Reason::ALL {
        let e = reason.entry();
        let _ = writeln!(
            out,
            "| [{}](#{}) | {} |",
            e.code,
            e.code.to_lowercase(),
            e.message
        );
    }
    for reason in Reason::ALL {
        let e = reason.entry();
        let _ = writeln!(out, "\n## {}\n", e.code);
        let _ = writeln!(out, "`{}`\n", e.message);
        for line in e.explanation.lines() {
            let _ = writeln!(out, "{}", line.trim());
        }
        let _ = writeln!(out, "\nWay out: {}", e.hint);
    }
    out
}
