//! What the servers say about relations and functions: a snapshot, as plain data.
//!
//! The planner asks it what a name is, whether a view reads a sharded table
//! and whether a function can change data. Without a server there is
//! [`Catalog::unknown`], of which everything is unknown: a planner must then
//! be as careful as with a name that it has never seen.

#[macro_use]
mod held;
mod mark;
mod narrow;
mod reach;
pub mod read;
mod residue;
mod source;

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::TableName;
pub use reach::{Behind, CastContext, NewRow, Operator, Reach, Said, Unnamed, said};
pub use residue::Residues;
pub use source::Source;

/// Relations and functions of one database, the same on all its shards.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    known: bool,
    fingerprint: u64,
    /// The part of it that stands for what has a name.
    named: u64,
    relations: HashMap<TableName, Arc<Relation>, FixedState>,
    functions: Arc<HashMap<TableName, Function, FixedState>>,
    residues: Option<Residues>,
    reach: Reach,
    /// Rows of tables when they were last counted. They change nothing but what is shown of a plan, so they are no part
    /// of the fingerprint.
    rows: HashMap<TableName, u64, FixedState>,
}

/// OIDs from here on are each server's own: PostgreSQL gives lower ones to nothing that somebody made (`FirstNormalObjectId` in
/// `access/transam.h`).
pub const FIRST_USER_OID: u32 = 16_384;

/// A table, view or other relation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Relation {
    /// What it is.
    pub kind: RelationKind,
    /// Its columns, in their order, without dropped ones.
    pub columns: Vec<Column>,
    /// What a view or materialized view is made of, through other views too. For a table the
    /// tables that it inherits from, is a partition of, or that inherit from it.
    pub uses: Uses,
    /// What happens when its rows change, beside that.
    pub beside: Beside,
    /// The query of a view, every name in it qualified; otherwise empty.
    pub definition: String,
    /// What tells a view from what it is once it has been replaced, on the server that was read first; otherwise empty.
    pub version: String,
    /// The table that it is a partition of, or that it inherits from, the first of them.
    pub below: Option<TableName>,
    /// Functions of its triggers before a row is inserted or updated, the disabled ones left out.
    pub row_triggers: Vec<String>,
    /// Columns that actions of its foreign keys assign.
    pub cascades: Vec<Cascade>,
    /// Its query, or the expression of one of its defaults, is missing: somebody had a table locked without which it cannot be
    /// written out.
    pub withheld: bool,
}

/// A column that is assigned when a row of another table changes, by a foreign key's action.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cascade {
    /// The table that is referred to.
    pub from: TableName,
    /// Its column.
    pub referred: String,
    /// The column that is assigned.
    pub column: String,
    /// Whether by an `UPDATE` of the other.
    pub on_update: bool,
    /// Whether by a `DELETE` there: set to null or its default.
    pub on_delete: bool,
}

/// What a change of a table's rows sets off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Beside {
    /// Triggers that somebody made; those of foreign keys are not counted.
    pub triggers: bool,
    /// Some of them `FOR EACH STATEMENT`.
    pub statement_triggers: bool,
    /// Rules, which turn a change into something else; of a view those beside its query.
    pub rules: bool,
    /// Row-level security: who asks decides which rows there are.
    pub row_security: bool,
    /// A foreign key refers to it.
    pub referenced: bool,
}

/// What a relation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RelationKind {
    /// An ordinary table.
    Table,
    /// A partitioned table.
    Partitioned,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// A foreign table.
    Foreign,
    /// A sequence. It uses the table whose column it belongs to.
    Sequence,
    /// An index. It uses its table.
    Index,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The OID of its type.
    pub type_oid: u32,
    /// The type's modifier, -1 for none: `character varying(3)` has 7.
    pub type_modifier: i32,
    /// Of a domain the type that it is over, and its modifier.
    pub base: Option<(u32, i32)>,
    /// How it is compared, for types that have a collation.
    pub collation: Collation,
    /// Whether it has `NOT NULL`.
    pub not_null: bool,
    /// What it gets when an `INSERT` says nothing.
    pub default: ColumnDefault,
    /// Its type as it has to be written anywhere, with the collation if that is not the type's own.
    pub declared: String,
    /// Whether its values have the same binary form on every server: that of composites and arrays of types that
    /// somebody made holds OIDs, which are each server's own.
    pub portable: bool,
    /// Whether it belongs to the primary key.
    pub primary: bool,
    /// The expression of its default, with schemas in front of all names that need one; for an identity column `nextval` of
    /// its sequence.
    pub expression: Option<String>,
}

/// What a collation means for keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Collation {
    /// The type has none.
    None,
    /// Equal means equal bytes, and the order is that of bytes (`C`, `POSIX`).
    Bytes,
    /// Equal means equal bytes; the order is the collation's.
    Deterministic,
    /// The same in a database whose encoding is not UTF8, so that a server hashes other bytes than the router. No sharding key.
    Encoded,
    /// Texts of different bytes may be equal. No sharding key.
    Nondeterministic,
}

/// What a column gets when an `INSERT` says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnDefault {
    /// Null.
    Null,
    /// Some expression.
    Expression,
    /// `GENERATED BY DEFAULT AS IDENTITY`.
    IdentityByDefault,
    /// `GENERATED ALWAYS AS IDENTITY`.
    IdentityAlways,
    /// `GENERATED ALWAYS AS (…) STORED`.
    Generated,
}

/// What a view is made of, or the tables of the same inheritance tree.
#[derive(Clone, Debug, PartialEq, Eq, Default, Hash)]
pub struct Uses {
    /// Relations.
    pub relations: Vec<TableName>,
    /// Functions, those behind operators and casts among them.
    pub functions: Vec<TableName>,
}

/// All functions of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Function {
    /// The worst of all overloads.
    pub volatility: Volatility,
    /// What they are; [`FunctionKind::Mixed`] when the overloads differ.
    pub kind: FunctionKind,
    /// In what they are written; [`Language::Other`] when the overloads differ.
    pub language: Language,
    /// Whether any overload returns a set.
    pub returns_set: bool,
}

/// How much a function may depend on, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Volatility {
    /// Its arguments only.
    Immutable,
    /// The data as its statement sees it.
    Stable,
    /// Anything; may change data.
    Volatile,
}

/// What a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FunctionKind {
    /// A plain function.
    Function,
    /// An aggregate.
    Aggregate,
    /// A window function.
    Window,
    /// A procedure.
    Procedure,
    /// Overloads of several kinds.
    Mixed,
}

/// In what a function is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// `internal`: PostgreSQL's own.
    Internal,
    /// `c`: of an extension.
    C,
    /// `sql`
    Sql,
    /// `plpgsql`
    PlPgSql,
    /// Another one.
    Other,
}

/// What a look-up comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known<T> {
    /// It exists, and this is it.
    Is(T),
    /// There is none of that name.
    Absent,
    /// The catalog was not read.
    Unknown,
}

impl<T> Known<T> {
    /// What exists, if it is known to.
    pub fn is(self) -> Option<T> {
        match self {
            Self::Is(v) => Some(v),
            Self::Absent | Self::Unknown => None,
        }
    }
}

impl Catalog {
    /// Nothing is known.
    pub fn unknown() -> Self {
        Self::default()
    }

    /// A snapshot: what is not in it does not exist.
    pub fn new(
        relations: impl IntoIterator<Item = (TableName, Relation)>,
        functions: impl IntoIterator<Item = (TableName, Function)>,
    ) -> Self {
        let catalog = Self {
            known: true,
            relations: relations
                .into_iter()
                .map(|(name, relation)| (name, Arc::new(relation)))
                .collect(),
            functions: Arc::new(functions.into_iter().collect()),
            ..Self::default()
        };
        catalog.counted_up()
    }

    /// With the number that stands for what has a name.
    fn counted_up(mut self) -> Self {
        // A sum does not depend on the order of the tables.
        let hasher = FixedState::default();
        let relations = self.relations.iter().map(|entry| hasher.hash_one(entry));
        let functions = self.functions.iter().map(|entry| hasher.hash_one(entry));
        let first = u64::from(self.known);
        self.named = relations
            .chain(functions)
            .fold(first, |sum: u64, hash| sum.wrapping_add(hash));
        self.fingerprint = self.named;
        self
    }

    /// The same, with what statements leave in sessions.
    pub fn with_residues(mut self, residues: Residues) -> Self {
        self.fingerprint = self.fingerprint.wrapping_add(residues.fingerprint() | 1);
        self.residues = Some(residues);
        self
    }

    /// The same, with what lies behind its tables.
    pub fn with_reach(mut self, reach: Reach) -> Self {
        let hasher = FixedState::default();
        self.fingerprint = self.fingerprint.wrapping_add(hasher.hash_one(&reach));
        self.reach = reach;
        self
    }

    /// The same, with how many rows its tables had when PostgreSQL last counted them.
    pub fn with_rows(mut self, rows: impl IntoIterator<Item = (TableName, u64)>) -> Self {
        self.rows = rows.into_iter().collect();
        self
    }

    /// About how many rows a table has on a shard, if that has counted.
    pub fn rows(&self, schema: &str, name: &str) -> Option<u64> {
        self.rows.get(&(schema, name)).copied()
    }

    /// What lies behind its tables.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// What statements leave in sessions; `None`: nobody has asked.
    pub fn residues(&self) -> Option<&Residues> {
        self.residues.as_ref()
    }

    /// A number that stands for the whole contents: plans made with one catalog do not hold with one of another number.
    /// One of which nothing is known has 0.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// What either shard knows: a table that lives on one shard is known to that one only. Of a name
    /// that both have, the relation is that of `self` with the uses of both, and the function is the worse.
    pub fn united(mut self, other: Self) -> Self {
        for (name, relation) in other.relations {
            match self.relations.entry(name) {
                Entry::Vacant(entry) => {
                    entry.insert(relation);
                }
                Entry::Occupied(mut entry) => {
                    let known = Arc::make_mut(entry.get_mut());
                    known.beside = known.beside.or(relation.beside);
                    known.withheld |= relation.withheld;
                    let uses = &mut known.uses;
                    uses.add(&relation.uses);
                }
            }
        }
        let functions = Arc::make_mut(&mut self.functions);
        for (name, function) in &*other.functions {
            let known = functions.entry(name.clone()).or_insert(*function);
            *known = known.merged(*function);
        }
        let united = match self.known && other.known {
            true => Self {
                known: true,
                relations: self.relations,
                functions: self.functions,
                ..Self::default()
            }
            .counted_up(),
            false => Self::unknown(),
        };
        for (name, more) in other.rows {
            let known = self.rows.entry(name).or_default();
            *known = more.max(*known);
        }
        let united = united
            .with_reach(self.reach.united(&other.reach))
            .with_rows(self.rows);
        match (self.residues, other.residues) {
            (Some(one), Some(other)) => united.with_residues(one.united(other)),
            _ => united,
        }
    }

    /// Whether the servers were asked at all.
    pub fn is_known(&self) -> bool {
        self.known
    }

    /// A relation.
    pub fn relation(&self, schema: &str, name: &str) -> Known<&Relation> {
        self.found(
            self.relations
                .get(&(schema, name))
                .map(|relation| &**relation),
        )
    }

    /// The functions of a name.
    pub fn function(&self, schema: &str, name: &str) -> Known<&Function> {
        self.found(self.functions.get(&(schema, name)))
    }

    /// Whether a schema has a function of that name.
    pub fn has_function(&self, name: &str) -> bool {
        self.functions.keys().any(|function| function.name == name)
    }

    /// All relations.
    pub fn relations(&self) -> impl Iterator<Item = (&TableName, &Relation)> {
        self.relations
            .iter()
            .map(|(name, relation)| (name, &**relation))
    }

    fn found<'a, T>(&self, found: Option<&'a T>) -> Known<&'a T> {
        match found {
            Some(v) => Known::Is(v),
            None if self.known => Known::Absent,
            None => Known::Unknown,
        }
    }
}

impl Uses {
    /// Servers give them in no order.
    fn sort(&mut self) {
        self.relations.sort_unstable();
        self.functions.sort_unstable();
    }

    fn add(&mut self, more: &Self) {
        for (known, more) in [
            (&mut self.relations, &more.relations),
            (&mut self.functions, &more.functions),
        ] {
            for name in more {
                if !known.contains(name) {
                    known.push(name.clone());
                }
            }
        }
    }
}

impl Beside {
    /// What either says.
    pub fn or(self, other: Self) -> Self {
        Self {
            triggers: self.triggers || other.triggers,
            statement_triggers: self.statement_triggers || other.statement_triggers,
            rules: self.rules || other.rules,
            row_security: self.row_security || other.row_security,
            referenced: self.referenced || other.referenced,
        }
    }
}

impl Relation {
    /// A column.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }
}

impl Function {
    /// Two overloads as one.
    pub fn merged(self, other: Self) -> Self {
        Self {
            volatility: self.volatility.max(other.volatility),
            kind: if self.kind == other.kind {
                self.kind
            } else {
                FunctionKind::Mixed
            },
            language: if self.language == other.language {
                self.language
            } else {
                Language::Other
            },
            returns_set: self.returns_set || other.returns_set,
        }
    }
}
