//! What somebody made that a statement may use without naming it: operators, casts, domains, operator classes.
//!
//! Proof obligation: what is not counted here cannot be used. An operator is looked up by its symbol, which stands in the
//! text or behind a keyword of it, or is found by its class, which counts as a type. A cast or type needs a value of the
//! type: of a column of a table that is read or written, of a type that the text names, of a function that somebody made (then
//! everything counts), or of a function of PostgreSQL's own. Functions that are called behind tables have what they may
//! use behind them ([`Reach`](crate::topology::catalog::Reach)).

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeSet;

use super::reading::Reading;
use super::walk::{self, Met};
use super::words::{Word, words};
use super::{Reason, Refusal};
use crate::sql::lexer::Options;
use crate::sql::predicate::RelationUse;
use crate::sql::statement::{Expr, ExprKind, Kind, LiteralKind, Statement};
use crate::sql::symbols::{COMPARISONS, symbols};
use crate::topology::catalog::{
    CastContext, FIRST_USER_OID, Known, Operator, RelationKind, Unnamed,
};
use crate::topology::{Catalog, Topology};
use crate::value::KeyType;

/// What a statement may use.
pub(super) struct Used<'r, 'a> {
    reading: &'r Reading<'a>,
    symbols: BTreeSet<Cow<'a, str>>,
    words: Vec<Word>,
    stores: bool,
    types: OnceCell<Option<BTreeSet<String>>>,
}

impl<'r, 'a> Used<'r, 'a> {
    pub(super) fn new(reading: &'r Reading<'a>, statement: &Statement) -> Self {
        let mut stores = matches!(statement.kind, Kind::Copy(_));
        walk::statement(statement, &mut |met| {
            stores |= matches!(met, Met::Change(_))
        });
        Self {
            reading,
            symbols: symbols(reading.text, reading.options),
            words: words(reading.text, reading.options),
            stores,
            types: OnceCell::new(),
        }
    }

    /// Whether the statement may use it.
    pub(super) fn may_use(&self, unnamed: &Unnamed) -> bool {
        match unnamed {
            Unnamed::Operator(symbol) => self.symbols.contains(&**symbol),
            Unnamed::Type(name) => self.has(name),
            Unnamed::Cast { from, to, context } => {
                let says = || {
                    self.words
                        .iter()
                        .any(|w| types_of(&w.text).any(|t| *t == **to))
                };
                self.has(from)
                    && match context {
                        CastContext::Implicit => true,
                        CastContext::Assignment => self.stores || says(),
                        CastContext::Explicit => says(),
                    }
            }
        }
    }

    /// Whether the statement may have a value of the type.
    fn has(&self, type_name: &str) -> bool {
        if is_common(type_name) {
            return true;
        }
        match self.types.get_or_init(|| self.types()) {
            None => true,
            Some(types) => {
                kin(type_name).iter().any(|name| types.contains(*name)) || types.contains(type_name)
            }
        }
    }

    /// The names of types that the statement may have values of; `None` for any.
    fn types(&self) -> Option<BTreeSet<String>> {
        let reading = self.reading;
        if self.calls_own() || self.names_holder() {
            return None;
        }
        let mut found = BTreeSet::new();
        let mut name = |word: &Word| found.extend(types_of(&word.text).map(str::to_owned));
        self.words.iter().for_each(&mut name);
        for at in 0..reading.places.len() {
            // What the catalog does not have the server does not have, or it is PostgreSQL's own.
            let Some(relation) = reading.relation(at) else {
                continue;
            };
            let below = relation
                .uses
                .relations
                .iter()
                .filter_map(|used| reading.catalog.relation(&used.schema, &used.name).is());
            let whole = matches!(
                relation.kind,
                RelationKind::View | RelationKind::MaterializedView
            );
            for relation in std::iter::once(relation).chain(below.filter(|_| whole)) {
                for column in &relation.columns {
                    // A composite holds others, so does a domain over a domain.
                    let nested = column.base.is_some_and(|(base, _)| {
                        base >= FIRST_USER_OID || UNCOMMON.contains(&base)
                    });
                    if column.type_oid >= FIRST_USER_OID && (nested || !column.portable) {
                        return None;
                    }
                    words(&column.declared, Options::default())
                        .iter()
                        .for_each(&mut name);
                }
            }
        }
        Some(found)
    }

    /// Whether it may name a type whose values have values of others. A table's name is that of its rows' type, too.
    fn names_holder(&self) -> bool {
        let reading = self.reading;
        let reach = reading.catalog.reach();
        self.words.iter().filter(|word| word.name).any(|word| {
            let holds = types_of(&word.text).any(|name| reach.holds(name));
            let relation = |r: &RelationUse| r.name.name == word.text;
            holds && !reading.facts.relations.iter().any(relation)
        })
    }

    /// Whether it may call a function that somebody made.
    fn calls_own(&self) -> bool {
        let is = |schema: &str, name: &str| {
            schema != "pg_catalog"
                && matches!(self.reading.catalog.function(schema, name), Known::Is(_))
        };
        let path = self.reading.search_path;
        self.words.iter().enumerate().any(|(at, word)| {
            let qualified = at >= 2 && self.words[at - 1].is(".");
            word.name
                && (path.iter().any(|schema| is(schema, &word.text))
                    || qualified && is(&self.words[at - 2].text, &word.text))
        })
    }

    /// Something of a built-in one's name that comes before it, since `search_path` names `pg_catalog` behind its schema.
    pub(super) fn hides(&self) -> Option<Refusal> {
        let path = self.reading.search_path;
        let before = path.iter().position(|schema| schema == "pg_catalog")?;
        let (path, catalog) = (&path[..before], self.reading.catalog);
        let reach = catalog.reach();
        let operator = reach
            .operators()
            .find(|o| path.iter().any(|s| **s == *o.schema) && self.symbols.contains(&*o.symbol));
        if let Some(o) = operator {
            return Some(hidden("operator", &o.schema, &o.symbol));
        }
        for word in self.words.iter().filter(|word| word.name) {
            let name = word.text.as_str();
            for schema in path {
                let function = matches!(catalog.function(schema, name), Known::Is(_))
                    && matches!(catalog.function("pg_catalog", name), Known::Is(_));
                if function {
                    return Some(hidden("function", schema, name));
                }
                if reach.shadows(schema, name) {
                    return Some(hidden("type", schema, name));
                }
            }
        }
        None
    }
}

fn hidden(what: &str, schema: &str, name: &str) -> Refusal {
    Refusal::new(
        Reason::Behind,
        format!(
            "The {what} \"{schema}.{name}\" comes before PostgreSQL's own, since search_path names pg_catalog behind \"{schema}\"."
        ),
    )
    .with_hint("Leave pg_catalog out of search_path, or name it first.")
}

/// Whether operators that somebody made may be what a comparison of a key with `value` means, though `pg_catalog` comes
/// first: PostgreSQL takes an operator of the very types of both sides, whose it may be.
///
/// Proof: of the key's type with itself, and of the integers with one another, `pg_catalog` has each; a string takes the
/// type of the other side.
pub(super) fn compares_otherwise(reading: &Reading<'_>, value: &Expr, key_type: KeyType) -> bool {
    let mut own = reading.catalog.reach().operators().peekable();
    if own.peek().is_none() {
        return false;
    }
    let of_key: &[&str] = match key_type {
        KeyType::Bigint => &["int2", "int4", "int8"],
        KeyType::Text => &["text", "varchar"],
        KeyType::Uuid => &["uuid"],
    };
    let plain = is_plain(value) && !reading.constants.in_group(value);
    let mut computes = false;
    walk::expr(value, &mut |met| {
        computes |= matches!(met, Met::Expr(e)
            if matches!(e.kind, ExprKind::Binary { .. } | ExprKind::Unary { .. }));
    });
    own.any(|o| {
        let (left, right) = (&*o.left, &*o.right);
        is_visible(reading, o)
            && !right.is_empty()
            && match COMPARISONS.contains(&&*o.symbol) {
                true => {
                    (of_key.contains(&left) && !right.is_empty()
                        || of_key.contains(&right) && !left.is_empty())
                        && (!plain || left == "varchar" || right == "varchar")
                }
                false => {
                    let number = |t| NUMBERS.contains(&t);
                    computes
                        && matches!(&*o.symbol, "+" | "-" | "*")
                        && (number(left) || number(right))
                }
            }
    })
}

/// A constant of which the type on its own is an integer's, or none.
fn is_plain(value: &Expr) -> bool {
    match &value.kind {
        ExprKind::Literal(kind) => matches!(
            kind,
            LiteralKind::Integer | LiteralKind::String | LiteralKind::Null
        ),
        ExprKind::Unary { op, expr } => {
            op == "-" && matches!(expr.kind, ExprKind::Literal(LiteralKind::Integer))
        }
        _ => false,
    }
}

/// The same of a comparison of two key columns: only `varchar` has no operator of its own in `pg_catalog`.
pub(super) fn ties_otherwise(reading: &Reading<'_>) -> Option<Refusal> {
    let own = reading.catalog.reach().operators().find(|o| {
        COMPARISONS.contains(&&*o.symbol)
            && is_visible(reading, o)
            && [&*o.left, &*o.right].contains(&"varchar")
            && [&*o.left, &*o.right].iter().all(|t| TEXTS.contains(t))
    })?;
    let varying = |at: usize| {
        let (key, _) = reading.key(at)?;
        let table = reading.table(at)?;
        key.iter()
            .find(|k| table.column(k).is_some_and(|c| c.type_oid == VARCHAR))
    };
    let column = reading.sharded().find_map(varying)?;
    Some(Refusal::new(
        Reason::Behind,
        format!(
            "The operator \"{}.{}\" is the very one for values such as those of \"{column}\", a column of the sharding key; PostgreSQL takes it.",
            own.schema, own.symbol
        ),
    )
    .with_hint("Give the column the type text."))
}

/// `pg_type.dat`
const VARCHAR: u32 = 1043;
const NUMBERS: &[&str] = &["int2", "int4", "int8", "numeric", "float4", "float8"];
const TEXTS: &[&str] = &["text", "varchar", "bpchar", "name"];

fn is_visible(reading: &Reading<'_>, operator: &Operator) -> bool {
    let mut path = reading.search_path.iter();
    *operator.schema == *"pg_catalog" || path.any(|schema| **schema == *operator.schema)
}

/// The types that a word of a text may name, by their names in `pg_type`.
fn types_of(word: &str) -> impl Iterator<Item = &str> {
    let more: &[&str] = match word {
        "bigint" => &["int8"],
        "int" | "integer" => &["int4"],
        "smallint" => &["int2"],
        "real" => &["float4"],
        "double" => &["float8"],
        "float" => &["float4", "float8"],
        "decimal" | "dec" => &["numeric"],
        "boolean" => &["bool"],
        "character" | "char" | "nchar" | "national" => &["bpchar", "varchar", "char"],
        "varying" => &["varchar", "varbit"],
        "bit" => &["bit", "varbit"],
        "time" => &["time", "timetz"],
        "timestamp" => &["timestamp", "timestamptz"],
        _ => &[],
    };
    // An array type's name of its own has a line in front.
    let element = word.strip_prefix('_').filter(|word| !word.is_empty());
    std::iter::once(word)
        .chain(element)
        .chain(more.iter().copied())
}

/// Types of PostgreSQL's own of which values come from functions of other types' names.
fn kin(type_name: &str) -> &'static [&'static str] {
    const GEOMETRY: &[&str] = &["point", "box", "lseg", "line", "path", "polygon", "circle"];
    const NETWORK: &[&str] = &["inet", "cidr", "macaddr", "macaddr8"];
    match type_name {
        _ if GEOMETRY.contains(&type_name) => GEOMETRY,
        _ if NETWORK.contains(&type_name) => NETWORK,
        _ => &[],
    }
}

/// Whether functions and constants without a type give values of this type.
fn is_common(type_name: &str) -> bool {
    type_name.starts_with("reg")
        || type_name.starts_with("any")
        || matches!(
            type_name,
            "bool"
                | "int2"
                | "int4"
                | "int8"
                | "numeric"
                | "float4"
                | "float8"
                | "text"
                | "varchar"
                | "bpchar"
                | "char"
                | "name"
                | "bytea"
                | "date"
                | "time"
                | "timetz"
                | "timestamp"
                | "timestamptz"
                | "interval"
                | "json"
                | "jsonb"
                | "jsonpath"
                | "uuid"
                | "oid"
                | "xid"
                | "xid8"
                | "cid"
                | "tid"
                | "bit"
                | "varbit"
                | "tsvector"
                | "tsquery"
                | "record"
                | "unknown"
                | "void"
                | "xml"
                | "money"
                | "pg_lsn"
                | "pg_snapshot"
                | "txid_snapshot"
                | "int4range"
                | "int8range"
                | "numrange"
                | "daterange"
                | "tsrange"
                | "tstzrange"
                | "int4multirange"
                | "int8multirange"
                | "nummultirange"
                | "datemultirange"
                | "tsmultirange"
                | "tstzmultirange"
        )
}

/// Refuses parameters that are declared to be of types whose values a cast that somebody made may change behind the statement: its
/// text does not say what they are.
pub fn parameters(
    topology: &Topology,
    catalog: &Catalog,
    types: impl Iterator<Item = u32>,
) -> Result<(), Refusal> {
    if topology.shards.len() == 1 || topology.triggers_per_shard {
        return Ok(());
    }
    let mut casts = catalog
        .reach()
        .unnamed()
        .filter_map(|(unnamed, _)| match unnamed {
            Unnamed::Cast { from, to, context } if *context != CastContext::Explicit => {
                Some((from, to))
            }
            _ => None,
        });
    // Types that are common count in any statement.
    let Some((from, to)) = casts.find(|(from, _)| !is_common(from)) else {
        return Ok(());
    };
    for oid in types {
        if oid >= FIRST_USER_OID || UNCOMMON.contains(&oid) {
            return Err(Refusal::new(
                Reason::Behind,
                format!(
                    "The cast from {from} to {to} may change what a parameter of type {oid} is, and is not of one shard."
                ),
            ));
        }
    }
    Ok(())
}

/// `point lseg path box polygon line circle`, `inet cidr macaddr macaddr8` and their arrays (`pg_type.dat`).
const UNCOMMON: &[u32] = &[
    600, 601, 602, 603, 604, 628, 718, 1017, 1018, 1019, 1020, 1027, 629, 719, 869, 650, 829, 774,
    1041, 651, 1040, 775,
];
