//! What lies behind a table: the relations that its triggers, checks, defaults and policies touch when its rows do.
//!
//! A trigger that keeps a count in another table is right on one server. On a shard it sees that shard's part of the other
//! table, and writes there. So the planner asks what may be touched. As with
//! [`Residues`](super::Residues) it is an upper bound, by the words of bodies, and names count without their schema. A
//! function that is declared `IMMUTABLE` is believed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::Volatility;
use super::residue::body;
use super::residue::foreign;
use super::residue::new_row::{self, Assigned};
use crate::sql::effect::SessionEffect;

/// What lies behind the tables of a database, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reach {
    written: BTreeMap<Box<str>, Behind>,
    read: BTreeMap<Box<str>, Behind>,
    any: Behind,
    new_rows: BTreeMap<Box<str>, NewRow>,
}

/// What may happen besides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Behind {
    /// Relations that are read or written.
    pub relations: BTreeSet<Box<str>>,
    /// Words in front of a parenthesis: functions of PostgreSQL's own, or nothing.
    pub calls: BTreeSet<Box<str>>,
    /// Whether any relation is written.
    pub writes: bool,
    /// A function whose body cannot be read, or that runs a text which is made when it runs.
    pub opaque: Option<Box<str>>,
}

/// What a trigger's function does to the row that is about to be stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NewRow {
    /// Columns that it may assign.
    pub assigned: BTreeSet<Box<str>>,
    /// Whether it may put another row in its place.
    pub replaced: bool,
}

impl Behind {
    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn add(&mut self, other: &Self) {
        self.relations.extend(other.relations.iter().cloned());
        self.calls.extend(other.calls.iter().cloned());
        self.writes |= other.writes;
        if self.opaque.is_none() {
            self.opaque.clone_from(&other.opaque);
        }
    }
}

impl Reach {
    /// Behind a change of a table's rows.
    pub fn written(&self, table: &str) -> Option<&Behind> {
        self.written.get(table)
    }

    /// Behind reading a table: its policies.
    pub fn read(&self, table: &str) -> Option<&Behind> {
        self.read.get(table)
    }

    /// Behind any statement: operators, casts and domains that somebody made.
    pub fn any(&self) -> &Behind {
        &self.any
    }

    /// What the functions of a name, as triggers before a change, do to the new row.
    pub fn new_row(&self, function: &str) -> Option<&NewRow> {
        self.new_rows.get(function)
    }

    /// What either has.
    pub fn united(mut self, other: &Self) -> Self {
        for (name, behind) in &other.written {
            self.written.entry(name.clone()).or_default().add(behind);
        }
        for (name, behind) in &other.read {
            self.read.entry(name.clone()).or_default().add(behind);
        }
        self.any.add(&other.any);
        for (name, other) in &other.new_rows {
            let own = self.new_rows.entry(name.clone()).or_default();
            own.assigned.extend(other.assigned.iter().cloned());
            own.replaced |= other.replaced;
        }
        self
    }

    /// By the rows of [`BODIES`](super::read::BODIES) and [`LINKS`](super::read::LINKS). `is_relation` knows the names of
    /// relations.
    pub(super) fn new(
        bodies: &[Vec<String>],
        links: &[Vec<String>],
        is_relation: &dyn Fn(&str) -> bool,
    ) -> Self {
        let mut new_rows = BTreeMap::new();
        let functions = functions(bodies, is_relation, &mut new_rows);
        let mut edges: HashMap<(&str, &str), Vec<(&str, &str)>> = HashMap::new();
        for row in links {
            if let [what, name, kind, to] = &row[..] {
                edges.entry((what, name)).or_default().push((kind, to));
            }
        }
        let behind = |what, name| behind((what, name), &edges, &functions);
        let mut found = Self {
            any: behind("any", ""),
            new_rows,
            ..Self::default()
        };
        for (what, name) in edges.keys() {
            let into = match *what {
                "write" => &mut found.written,
                "read" => &mut found.read,
                _ => continue,
            };
            let behind = behind(what, name);
            if !behind.is_empty() {
                into.insert((*name).into(), behind);
            }
        }
        found
    }
}

/// One function, all overloads together.
#[derive(Default)]
struct Function {
    behind: Behind,
    calls: HashSet<Box<str>>,
}

fn functions(
    bodies: &[Vec<String>],
    is_relation: &dyn Fn(&str) -> bool,
    new_rows: &mut BTreeMap<Box<str>, NewRow>,
) -> HashMap<Box<str>, Function> {
    let mut functions: HashMap<Box<str>, Function> = HashMap::new();
    for row in bodies {
        let [name, language, volatility, text, trigger] = super::read::fields(row);
        let volatility = match volatility {
            "i" => continue,
            "s" => Volatility::Stable,
            _ => Volatility::Volatile,
        };
        if language == "builtin" {
            continue;
        }
        let function = functions.entry(name.into()).or_default();
        let behind = &mut function.behind;
        match language {
            "internal" => {}
            // What extensions bring for triggers touches the row alone, but for one that is told which column.
            "c" if foreign(name, volatility).is_empty() => {}
            "sql" | "plpgsql" if !text.is_empty() => {
                let body = body::scan(text);
                if body.effect.contains(SessionEffect::UNKNOWN) {
                    behind.opaque = Some(name.into());
                }
                behind.writes |= body.writes;
                let named = body.names.iter().filter(|name| is_relation(name));
                behind.relations.extend(named.cloned());
                behind.calls.extend(body.calls.iter().cloned());
                behind
                    .calls
                    .extend(body.names.iter().filter(|n| is_clock(n)).cloned());
                function.calls.extend(body.calls);
                if trigger == "t" {
                    let new_row = new_rows.entry(name.into()).or_default();
                    match new_row::assigned(text) {
                        Assigned::Columns(columns) => new_row.assigned.extend(columns),
                        Assigned::Row => new_row.replaced = true,
                    }
                }
            }
            _ => {
                behind.opaque = Some(name.into());
                new_rows.entry(name.into()).or_default().replaced |= trigger == "t";
            }
        }
    }
    functions
}

/// Words that give the time without being called.
fn is_clock(word: &str) -> bool {
    matches!(
        word,
        "current_timestamp" | "current_time" | "current_date" | "localtimestamp" | "localtime"
    )
}

/// Follows everything to its end.
fn behind<'l>(
    from: (&'l str, &'l str),
    edges: &HashMap<(&'l str, &'l str), Vec<(&'l str, &'l str)>>,
    functions: &HashMap<Box<str>, Function>,
) -> Behind {
    let mut all = Behind::default();
    let mut seen: HashSet<(&str, &str)> = HashSet::from([from]);
    let mut next = vec![from];
    while let Some(node) = next.pop() {
        for to in edges.get(&node).into_iter().flatten() {
            // What a policy reads is read; what is written through (children, cascades) has its own triggers behind it.
            if to.0 == "read" && node.0 == "read" {
                all.relations.insert(to.1.into());
            }
            if seen.insert(*to) {
                next.push(*to);
            }
        }
        let ("call", name) = node else { continue };
        let Some((_, function)) = functions.get_key_value(name) else {
            continue;
        };
        all.add(&function.behind);
        for called in &function.calls {
            if let Some((called, _)) = functions.get_key_value(called)
                && seen.insert(("call", called))
            {
                next.push(("call", called));
            }
        }
    }
    // A function that somebody made has been followed.
    all.calls.retain(|name| !functions.contains_key(name));
    all
}
