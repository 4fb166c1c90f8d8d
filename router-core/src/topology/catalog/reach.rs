//! What lies behind a table: the relations that its triggers, checks, defaults and policies touch when its rows do.
//!
//! A trigger that keeps a count in another table is right on one server. On a shard it sees that shard's part of the other
//! table, and writes there. So the planner asks what may be touched. As with
//! [`Residues`](super::Residues) it is an upper bound, by the words of bodies, and names count without their schema. A
//! function that is declared `IMMUTABLE` is believed.

mod bodies;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use self::bodies::{Function, functions};
use super::residue::body;

/// What lies behind the tables of a database, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reach {
    written: BTreeMap<Box<str>, Behind>,
    read: BTreeMap<Box<str>, Behind>,
    unnamed: BTreeMap<Unnamed, Behind>,
    operators: BTreeSet<Operator>,
    shadows: BTreeSet<(Box<str>, Box<str>)>,
    holders: BTreeSet<Box<str>>,
    new_rows: BTreeMap<Box<str>, NewRow>,
    called: BTreeMap<Box<str>, Behind>,
}

/// What may happen besides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Behind {
    /// Relations that are read or written.
    pub relations: BTreeSet<Box<str>>,
    /// Those of them that no body names: what reads or changes the others reads or changes these.
    pub reached: BTreeSet<Box<str>>,
    /// Schemas that bodies name.
    pub schemas: BTreeSet<Box<str>>,
    /// Words in front of a parenthesis: functions of PostgreSQL's own, or nothing.
    pub calls: BTreeSet<Box<str>>,
    /// Whether any relation is written.
    pub writes: bool,
    /// A function whose body cannot be read, or that runs a text which is made when it runs.
    pub opaque: Option<Box<str>>,
    /// A function that has to do with more than its arguments and relations: its session, the server that it runs on, or nobody knows.
    pub beyond: Option<Box<str>>,
    /// A function that does more than one shard can answer for, even if that has all its relations: it changes settings or defines
    /// something, or is written in C and may read what its arguments say.
    pub unseen: Option<Box<str>>,
    /// Whether a function in C may give another value each time.
    pub varies: bool,
}

/// What the words of a statement or block may be about, whatever it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Names of relations, functions, columns and anything else.
    pub names: BTreeSet<Box<str>>,
    /// Words in front of a parenthesis.
    pub calls: BTreeSet<Box<str>>,
    /// Whether anything is written.
    pub writes: bool,
    /// Whether it runs a text, changes settings, defines or leaves something.
    pub does_more: bool,
}

/// Reads the words of a statement or block, with `standard_conforming_strings` on.
pub fn said(text: &str) -> Said {
    let body = body::scan(text);
    Said {
        does_more: body.does_more(),
        names: body.names.into_iter().collect(),
        calls: body.calls.into_iter().collect(),
        writes: body.writes,
    }
}

/// What somebody made that a statement may use without naming it, or the schema that it is in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unnamed {
    /// An operator, or one whose commutator or negator it is: by its symbol.
    Operator(Box<str>),
    /// A cast.
    Cast {
        /// The type that it is from.
        from: Box<str>,
        /// The type that it is to.
        to: Box<str>,
        /// When it is used.
        context: CastContext,
    },
    /// A domain's checks and default, an operator class of a type, what a type or range is made with.
    Type(Box<str>),
}

/// When a cast is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CastContext {
    /// Where the statement says so.
    Explicit,
    /// Where a value is stored, too.
    Assignment,
    /// Anywhere.
    Implicit,
}

/// An operator that somebody made.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Operator {
    /// Its schema.
    pub schema: Box<str>,
    /// Its symbol.
    pub symbol: Box<str>,
    /// The type of its left operand, when that is one of PostgreSQL's own; otherwise empty.
    pub left: Box<str>,
    /// The type of its right operand, likewise.
    pub right: Box<str>,
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
        self.reached.extend(other.reached.iter().cloned());
        self.schemas.extend(other.schemas.iter().cloned());
        self.calls.extend(other.calls.iter().cloned());
        self.writes |= other.writes;
        if self.opaque.is_none() {
            self.opaque.clone_from(&other.opaque);
        }
        if self.beyond.is_none() {
            self.beyond.clone_from(&other.beyond);
        }
        if self.unseen.is_none() {
            self.unseen.clone_from(&other.unseen);
        }
        self.varies |= other.varies;
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

    /// Behind calling a function that is not declared `IMMUTABLE`, or whose arguments have defaults that call something, by
    /// whatever overload in whatever schema.
    pub fn called(&self, function: &str) -> Option<&Behind> {
        self.called.get(function)
    }

    /// Behind the use of operators, casts and types that somebody made; those behind which nothing is are left out.
    pub fn unnamed(&self) -> impl Iterator<Item = (&Unnamed, &Behind)> {
        self.unnamed.iter()
    }

    /// The operators that somebody made.
    pub fn operators(&self) -> impl Iterator<Item = &Operator> {
        self.operators.iter()
    }

    /// Whether a schema has a type that bears the name of one of PostgreSQL's own.
    pub fn shadows(&self, schema: &str, type_name: &str) -> bool {
        let mut all = self.shadows.iter();
        all.any(|(s, name)| &**s == schema && &**name == type_name)
    }

    /// Whether there is a type of that name whose values have values of other types: a domain, composite or range.
    pub fn holds(&self, type_name: &str) -> bool {
        self.holders.contains(type_name)
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
        for (unnamed, behind) in &other.unnamed {
            self.unnamed.entry(unnamed.clone()).or_default().add(behind);
        }
        for (name, behind) in &other.called {
            self.called.entry(name.clone()).or_default().add(behind);
        }
        self.operators.extend(other.operators.iter().cloned());
        self.shadows.extend(other.shadows.iter().cloned());
        self.holders.extend(other.holders.iter().cloned());
        for (name, other) in &other.new_rows {
            let own = self.new_rows.entry(name.clone()).or_default();
            own.assigned.extend(other.assigned.iter().cloned());
            own.replaced |= other.replaced;
        }
        self
    }

    /// By the rows of [`BODIES`](super::read::BODIES) and [`LINKS`](super::read::LINKS). `is_relation` knows the names of
    /// relations, `is_schema` those of their schemas.
    pub(super) fn new(
        bodies: &[Vec<String>],
        links: &[Vec<String>],
        is_relation: &dyn Fn(&str) -> bool,
        is_schema: &dyn Fn(&str) -> bool,
    ) -> Self {
        let mut new_rows = BTreeMap::new();
        let functions = functions(bodies, is_relation, is_schema, &mut new_rows);
        let mut edges: HashMap<(&str, &str), Vec<(&str, &str)>> = HashMap::new();
        let mut found = Self {
            new_rows,
            ..Self::default()
        };
        for row in links {
            let [what, name, kind, to] = super::read::fields(row);
            let parts = || name.split_once('\t');
            match what {
                "symbol" => found
                    .operators
                    .extend(parts().map(|(schema, symbol)| Operator {
                        schema: schema.into(),
                        symbol: symbol.into(),
                        left: kind.into(),
                        right: to.into(),
                    })),
                "shadow" => {
                    let names = parts().map(|(schema, name)| (schema.into(), name.into()));
                    found.shadows.extend(names);
                }
                "holder" => _ = found.holders.insert(name.into()),
                _ => edges.entry((what, name)).or_default().push((kind, to)),
            }
        }
        let loose = edges
            .keys()
            .copied()
            .filter(|(what, name)| unnamed(what, name).is_some());
        let loose: Vec<_> = loose.collect();
        for &(what, name) in edges.keys() {
            let unnamed = unnamed(what, name);
            if unnamed.is_none() && !matches!(what, "write" | "read") {
                continue;
            }
            let mut behind = behind((what, name), &edges, &loose, &functions);
            // A function that somebody made has been followed.
            behind.calls.retain(|name| !functions.contains_key(name));
            if behind.is_empty() {
                continue;
            }
            match unnamed {
                Some(unnamed) => _ = found.unnamed.insert(unnamed, behind),
                None if what == "write" => _ = found.written.insert(name.into(), behind),
                None => _ = found.read.insert(name.into(), behind),
            }
        }
        // An aggregate has no body of its own, but calls others, and so do defaults of arguments.
        let called = edges.keys().filter(|(what, _)| *what == "call");
        let called = called.map(|(_, name)| *name);
        let called: HashSet<&str> = called.chain(functions.keys().map(|name| &**name)).collect();
        for name in called {
            let behind = behind(("call", name), &edges, &loose, &functions);
            found.called.insert(name.into(), behind);
        }
        found
    }
}

fn unnamed(what: &str, name: &str) -> Option<Unnamed> {
    Some(match what {
        "operator" => Unnamed::Operator(name.into()),
        "type" => Unnamed::Type(name.into()),
        "cast" => {
            let mut parts = name.split('\t');
            let mut next = || parts.next().unwrap_or_default();
            Unnamed::Cast {
                from: next().into(),
                to: next().into(),
                context: match next() {
                    "e" => CastContext::Explicit,
                    "a" => CastContext::Assignment,
                    _ => CastContext::Implicit,
                },
            }
        }
        _ => return None,
    })
}

/// Follows everything to its end.
fn behind<'l>(
    from: (&'l str, &'l str),
    edges: &HashMap<(&'l str, &'l str), Vec<(&'l str, &'l str)>>,
    loose: &[(&'l str, &'l str)],
    functions: &HashMap<Box<str>, Function>,
) -> Behind {
    let mut all = Behind::default();
    let mut seen: HashSet<(&str, &str)> = HashSet::from([from]);
    let mut next = vec![from];
    while let Some(node) = next.pop() {
        for to in edges.get(&node).into_iter().flatten() {
            // What a policy reads is read; what is written through (children, cascades) has its own triggers behind it.
            // What a rule names it may write.
            let altered = to.0 == "alter";
            if altered || to.0 == "read" && node.0 == "read" {
                all.relations.insert(to.1.into());
                all.reached.insert(to.1.into());
                all.writes |= altered;
            }
            // A default of an argument, a view: what they call stands in no body. A table's own defaults are looked at by who
            // changes it.
            if to.0 == "call" && node.0 != "write" && !functions.contains_key(to.1) {
                all.calls.insert(to.1.into());
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
        // What it changes has triggers of its own, what it reads policies.
        for relation in &function.behind.relations {
            let kinds = [("read", true), ("write", function.behind.writes)];
            for (kind, _) in kinds.into_iter().filter(|(_, so)| *so) {
                if seen.insert((kind, relation)) {
                    next.push((kind, relation));
                }
            }
        }
        for &to in loose {
            let used = match to.0 {
                "operator" => function.symbols.contains(to.1),
                "cast" | "type" => function.body,
                _ => false,
            };
            if used && seen.insert(to) {
                next.push(to);
            }
        }
        // An aggregate has no body, but parts; and what is declared `IMMUTABLE` may have defaults that are not.
        let called = function.calls.iter().map(|name| ("call", &**name));
        let fields = function.fields.iter().map(|name| ("field", &**name));
        for to in called.chain(fields) {
            let leads = edges.contains_key(&to) || to.0 == "call" && functions.contains_key(to.1);
            if leads && seen.insert(to) {
                next.push(to);
            }
        }
    }
    all
}
