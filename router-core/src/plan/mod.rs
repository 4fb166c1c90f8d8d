//! A statement and a topology become a plan or a refusal.
//!
//! A [`Plan`] is an inert value: it can be printed, cached and compared, and
//! nothing in it points into the text that it was made from. It is a template:
//! where a shard depends on a value, the plan says which literal or parameter
//! the value is, and [`Plan::resolve`] fills it in for one execution. So one
//! plan serves every statement of the same shape.
//!
//! The planner is an allow-list: a plan is produced only by a rule that proves
//! that the answer is the one a single PostgreSQL would give. Each such rule
//! carries its proof as a comment. Everything else is refused.
//!
//! | file | |
//! |---|---|
//! | [`refusal`] | the one list of everything refused |
//! | [`planner`] | text → plans, through the cache |
//! | [`analysis`], `directive` | a query string's statements with their plans; where comments in front say that they go |
//! | [`cache`], `recent`, `contexts`, `size` | plans already made, those looked up last, what they were made with, and the room they take |
//! | `make` | one statement → plan: which of the files below is asked |
//! | [`set_config`] | queries that only set settings |
//! | `behind`, `used` | what triggers, checks, policies do behind a statement; operators, casts and types of users that it may use |
//! | `setval` | sequences that count for a sharded table are set on all shards |
//! | `sizes` | how large a spread table is, no server knows |
//! | `names`, `reading` | where relations live; what is known of them in one statement |
//! | `select` `insert` `update` `delete` `copies` `copy` [`copy_in`] `ddl` `transaction` `session` | families of statements; `copies` are writes to reference tables |
//! | `by_words` | what is refused otherwise, but cannot be about anything outside of the default shard |
//! | `do_block` | `DO` blocks that only define something |
//! | `views` | views over sharded tables, written out |
//! | `through_view` | tables changed through simple views of them |
//! | `cursors` | reads of `pg_cursors` |
//! | `spread` | the proof that answers of several shards may stand one after the other |
//! | `function` | what a function call means over shards |
//! | `gather` | rows brought into temporary tables of the scratch server, the statement run there |
//! | `partial` | groups and aggregates of each shard, put together |
//! | `sorted` | answers of several shards merged by ORDER BY, LIMIT and OFFSET |
//! | `own` | the router's own schema, which no client changes |
//! | `known_by` | which shards can say what a statement's parameters and columns are |
//! | `leaves`, `outputs`, `infer` | what FROM holds; names and types of a result's columns, as far as needed |
//! | `splice` | new text from a statement's own |
//! | [`explain`] | the program that shows what servers say of another one's steps |
//! | [`program`] | a statement in several steps, as data |
//! | `stage`, `words` | the steps of writes that take a detour over temporary tables; the tokens of a text with their depth |
//! | `bring` | changes that read what is elsewhere: it is brought first |
//! | `ahead` | subqueries of a change that are answered first |
//! | `merge_into` | `MERGE`, by the join that finds its rows |
//! | `turns` | writers of a reference table, one at a time |
//! | `changes` | data-changing common table expressions |
//! | `moved` | changes of the sharding key |
//! | `split` | the rows of one `INSERT` for each shard |
//! | `defaults` | what the default of a column is, over shards |
//! | `role` | primary or replica |
//! | `touches` | what of the catalog is read again after a definition |
//! | [`clock`] | what a statement does with the time of its transaction |
//! | `moment` | strings such as `'now'`, which each server reads by its own clock |
//! | `constant`, `evaluate`, `array` | constants of the tree → sources of values → values |
//! | [`second`] | a second reader of statements, which must agree |
//! | [`resolve`] | plan + values of one execution → shards |
//! | [`mod@print`] | a plan as text, and as the fields of `shunt explain --json` |

mod ahead;
pub mod analysis;
mod array;
mod behind;
mod bring;
mod by_words;
pub mod cache;
mod called;
mod changes;
pub mod clock;
mod constant;
mod contexts;
mod copies;
mod copy;
pub mod copy_in;
mod cursors;
mod ddl;
mod defaults;
mod delete;
mod directive;
mod do_block;
mod evaluate;
pub mod explain;
mod function;
mod gather;
mod infer;
mod insert;
mod key_column;
mod known_by;
mod leaves;
mod lists;
mod make;
mod merge_into;
pub mod moment;
mod moved;
mod names;
mod outputs;
mod own;
mod partial;
pub mod planner;
pub mod print;
pub mod program;
mod quoted;
mod reading;
mod recent;
pub mod refusal;
pub mod resolve;
mod role;
pub mod second;
mod select;
mod session;
pub mod set_config;
mod setval;
mod size;
mod sizes;
mod sorted;
mod splice;
mod split;
mod spread;
mod stage;
pub mod standby;
mod through_view;
mod touches;
mod transaction;
mod turns;
mod update;
mod used;
mod views;
mod walk;
mod words;

pub use analysis::{Analysis, Asked, Planned};
pub use copy_in::{CopyIn, CopyKey, CopyRows};
pub use key_column::{Cut, Stored};
pub use known_by::KnownBy;
pub use moment::Moments;
pub use names::TEMPORARY as TEMPORARY_SCHEMA;
pub use planner::{Context, Found, Met, Planner};
pub use program::{Answer, On, Program, SortColumn, Sorted, Step, fills_by};
pub use refusal::{Reason, Refusal};
pub use resolve::{CountError, Direction, Param, Resolved, Stop, Values};
pub use standby::Standby;
pub use touches::Touches;
pub use turns::{Turn, seen_too_early, wait_for};
pub use used::parameters as parameters_allowed;

use std::borrow::Cow;

use crate::id::{Epoch, PlacementId, ShardId};
pub use crate::sql::effect::{Effect, SessionEffect};
use crate::sql::statement;
use crate::value::KeyType;

/// What to do with one statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The topology that it was made for.
    pub epoch: Epoch,
    /// What the statement is, in lower case: `select`, `insert`, `begin`, `create table`.
    pub kind: Cow<'static, str>,
    /// What the statement does to data, for the choice between primary and replica and for transactions.
    pub effect: Effect,
    /// Whether rows or schema may be other ones after it: what has stored nothing is committed without another's word.
    pub stores: bool,
    /// Which servers of a shard may run it.
    pub role: Role,
    /// How it is carried out.
    pub route: Route,
    /// What it leaves behind in the session of the server that runs it, beyond its transaction.
    pub session: SessionEffect,
    /// It defines temporary tables and nothing else: only its own session sees that.
    pub temporary: bool,
    /// The constants that an execution on several shards must not have as `'now'` and the like.
    pub moments: Option<Box<Moments>>,
    /// What it does with the time of its transaction.
    pub clock: clock::Clock,
    /// What of the catalog may be another after it.
    pub touches: Touches,
    /// The reference tables that nobody else may change at the same time.
    pub turns: Vec<Turn>,
    /// The relations that it names, as written, each once; for `EXPLAIN (SHUNT)` and `shunt explain`.
    pub tables: Vec<String>,
    /// Which shards have all of them.
    pub known_by: KnownBy,
}

impl Plan {
    /// Whether it may make, change or drop what is defined: what its transaction plans next, it plans by another catalog than
    /// others do.
    pub fn defines(&self) -> bool {
        let aside = matches!(&*self.kind, "grant" | "revoke" | "comment");
        self.effect == Effect::Schema && !aside || self.session.contains(SessionEffect::DEFINES)
    }

    /// Whether it reads or changes rows in one place and does nothing else, neither to what is defined nor to its session:
    /// whoever brings it there has nothing more to do with it.
    pub fn is_plain(&self) -> bool {
        matches!(self.route, Route::Single(_))
            && self.session.bits == 0
            && self.effect != Effect::Schema
            && !self.temporary
            && matches!(
                &*self.kind,
                "select" | "insert" | "update" | "delete" | "merge" | "values"
            )
    }

    /// Whether what it comes to depends on what is defined.
    pub fn looks_up(&self) -> bool {
        match &self.route {
            Route::Transaction(_) | Route::Empty => false,
            Route::Session(session) => matches!(
                **session,
                SessionStatement::Prepare(_)
                    | SessionStatement::Execute(_)
                    | SessionStatement::Explain
                    | SessionStatement::Declare { .. }
            ),
            Route::Explain(inner) => inner.looks_up(),
            _ => true,
        }
    }
}

/// Which servers of a shard may run a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Only the primary.
    Primary,
    /// The primary, or a replica when the session reads from replicas.
    Any,
}

/// How a statement is carried out.
#[derive(Clone, Debug, PartialEq)]
pub enum Route {
    /// Tier 1: the client's own bytes, untouched, to one shard.
    Single(Target),
    /// Tier 2: the same text to each target, answers put together.
    Scatter {
        /// Which shards.
        targets: Targets,
        /// How their answers become one.
        merge: Merge,
    },
    /// The rows of an `INSERT`, split by key. When all rows belong to one shard it goes there untouched.
    Split(Box<Split>),
    /// `COPY … FROM STDIN`: rows are split by key, or multiplied, as they arrive.
    CopyIn(Box<CopyIn>),
    /// Several steps over several shards.
    Program(Box<Program>),
    /// A transaction statement, carried out by the session over the shards that take part.
    Transaction(Box<statement::Transaction>),
    /// About the session: answered or recorded by the session itself.
    Session(Box<SessionStatement>),
    /// `EXPLAIN (SHUNT)`: the answer is this plan, printed; nothing runs.
    Explain(Box<Plan>),
    /// No statement: `EmptyQueryResponse`.
    Empty,
    /// Not carried out.
    Refused(Box<Refusal>),
}

/// A statement about the session, with all that the session needs to carry it out.
#[derive(Clone, Debug, PartialEq)]
pub enum SessionStatement {
    /// `SET [LOCAL] name = values`; `None` for `DEFAULT`. Settings named `shunt.…` are the router's own and reach no server.
    Set {
        /// `SET LOCAL`.
        local: bool,
        /// Lower-case name.
        name: String,
        /// Values as meant, in order.
        values: Option<Vec<String>>,
    },
    /// `SELECT set_config(…), …` with constants: the same, with rows for an answer.
    SetConfig(Vec<set_config::Configured>),
    /// `SET [LOCAL] SESSION AUTHORIZATION`; `None` for `DEFAULT`.
    SetAuthorization {
        /// `SET LOCAL`.
        local: bool,
        /// The role.
        role: Option<String>,
    },
    /// `SET SESSION CHARACTERISTICS AS TRANSACTION`.
    SetCharacteristics(statement::TransactionModes),
    /// `RESET name`; `RESET ALL` has the name `all`.
    Reset(String),
    /// `SHOW name` of a setting of the router's own (`shunt.…`). Other settings are shown by a server.
    Show(String),
    /// `DISCARD ALL | PLANS | SEQUENCES | TEMP`, the word in lower case.
    Discard(String),
    /// `DEALLOCATE name`; `None` for `ALL`.
    Deallocate(Option<statement::Ident>),
    /// It calls `shunt.next_id()`: numbers are put into its text, and that is planned. `alone`: it does nothing else, and
    /// has one column of this name.
    Numbered {
        /// The column.
        alone: Option<String>,
    },
    /// `PREPARE` over several shards: the session keeps the statement with its name.
    Prepare(statement::Ident),
    /// `EXECUTE` of what the session keeps.
    Execute(statement::Ident),
    /// `EXPLAIN` of what runs on several shards, or of an `EXECUTE`.
    Explain,
    /// `DECLARE` of a cursor: on one shard, which the session keeps with its name.
    Declare {
        /// The cursor's name.
        name: statement::Ident,
        /// `WITH HOLD`.
        hold: bool,
        /// The shard.
        on: Target,
        /// What has to be done first when the query reads several shards: it ends with the `DECLARE`, and its tables
        /// stay for as long as the transaction.
        gathered: Option<Box<Program>>,
    },
    /// `FETCH` or `MOVE` over several shards: to the shard of that cursor.
    Fetch(statement::Ident),
    /// `CLOSE` over several shards: to the shard of that cursor; `None` for `ALL`.
    Close(Option<statement::Ident>),
    /// A read of `pg_cursors` over several shards: to the server that has what it may show.
    Cursors {
        /// Only the cursor of this name.
        name: Option<String>,
        /// It may show how cursors were declared on their servers: by what text, and whether they move backward.
        texts: bool,
    },
}

/// One shard, known now or once values are known.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// This one.
    Shard(ShardId),
    /// Any one shard gives the same answer (reference tables, no table at all).
    Any,
    /// The home of a key.
    Key(KeyTarget),
    /// The one shard that all of these resolve to; when they do not agree the statement is refused.
    Agree {
        /// Never empty, never nested.
        parts: Vec<Target>,
        /// Why, when they do not.
        otherwise: Box<Refusal>,
    },
    /// The shards of several keys, of which `Agree` says that there must be only one. Stands only there.
    Within(Targets),
    /// As `shunt.shard` or `shunt.key` says; for a key by this placement.
    Directed {
        /// The placement of the statement's tables, or the database's only one.
        placement: Option<PlacementId>,
    },
}

/// The home of a key whose values come from the statement or its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyTarget {
    /// By which placement.
    pub placement: PlacementId,
    /// One source per column of the key.
    pub values: Vec<KeySource>,
}

/// Where one value of a key comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeySource {
    /// The type of the key's column.
    pub key_type: KeyType,
    /// The value.
    pub value: ValueSource,
    /// Of a value that is stored into the column, not compared with it: PostgreSQL rounds `42.5` then, and NULL has no home.
    pub stored: Option<Stored>,
}

/// A value that is known at planning or at execution; constants are folded as PostgreSQL folds them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ValueSource {
    /// `NULL`.
    Null,
    /// A number that the statement says itself; only in a plan of one exact text.
    Integer(i64),
    /// The n-th literal of the shape (from 0).
    Slot(u32),
    /// `$n` (from 1).
    Param(u16),
    /// `$n` that stands elsewhere in the statement too: of what type it is must have been declared, since it may be inferred from there.
    SharedParam(u16),
    /// `-x`.
    Negate(Box<ValueSource>),
    /// `x + y`, `x - y`, `x * y` in `bigint`.
    Arithmetic(char, Box<ValueSource>, Box<ValueSource>),
    /// `x::type`, the type by its canonical lower-case name.
    Cast(Box<ValueSource>, String),
}

/// Several shards.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// All shards.
    All,
    /// These.
    Shards(Vec<ShardId>),
    /// The homes of any of these keys; shards that hold several are asked once.
    Keys(Vec<KeyTarget>),
    /// The homes of keys in every element of an array parameter or literal (`= ANY($1)`).
    AnyOf {
        /// By which placement; the key has one column.
        placement: PlacementId,
        /// The array.
        array: KeySource,
    },
    /// The shards that hold a range of keys; both bounds inclusive as far as present, for range placements.
    Range {
        /// By which placement; the key has one column.
        placement: PlacementId,
        /// Lower bound.
        low: Option<KeySource>,
        /// Upper bound.
        high: Option<KeySource>,
    },
    /// Those of any of these.
    Union(Vec<Targets>),
}

/// How the answers of several shards become one.
#[derive(Clone, Debug, PartialEq)]
pub enum Merge {
    /// Rows in any order, counts summed.
    Concatenate,
    /// The same, of a statement that takes locks: a shard begins when the one before it has ended. Two clients that change the
    /// same rows would otherwise each get those of another shard first, and wait for each other where no server sees it.
    InOrder,
    /// The same change on every copy of a reference table: one shard's answer stands for all.
    Copies,
    /// `COPY … TO STDOUT`: one stream after the other.
    CopyOut(CopyOut),
    /// One row of each shard, whose columns are counts or sums, each a `bigint`: added up, NULL being no number.
    Added,
    /// Sorted answers, the least row first. Only in a program's answer.
    Sorted(Box<Sorted>),
    /// The next row is that of the next shard of the list; what remains comes one after the other, counts are summed.
    /// Only in the answer of an `INSERT` whose rows were split: its rows come back in the order in which they were given.
    Interleaved(Vec<ShardId>),
    /// What cannot be in a transaction (`CREATE INDEX CONCURRENTLY`, `VACUUM`): one shard after the other, each on its own,
    /// and one's answer stands for all. When one fails, its error says on which shards it is done.
    OneByOne,
}

/// What the streams of a `COPY … TO STDOUT` of several shards have that the one stream has once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyOut {
    /// Nothing: text or CSV.
    Rows,
    /// The first line, which comes as a message of its own.
    Header,
    /// The header before the first row, and the trailer.
    Binary,
}

/// Rows split by key.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// By which placement.
    pub placement: PlacementId,
    /// Each row, in order.
    pub rows: Vec<SplitRow>,
    /// Why the rows must not be split, when they have to stay together: then it is one shard, or this.
    pub otherwise: Option<Box<Refusal>>,
    /// Where the rows stand in this very text, when the shape does not say so.
    pub spans: Vec<crate::id::Span>,
}

/// One row of an `INSERT` to split.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitRow {
    /// The key.
    pub key: Vec<KeySource>,
}
