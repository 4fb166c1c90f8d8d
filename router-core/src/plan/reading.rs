//! A statement with all that is known of the relations in it: what every family of statements is planned from.

use super::constant::Constants;
use super::names::{self, FIRST, Place};
use super::{KeySource, KeyTarget, Moments, Reason, Refusal, Target, Targets, key_column, used};
use crate::id::{PlacementId, Span};
use crate::sql::lexer::Options;
use crate::sql::predicate::{Bound, Column, Facts, Restriction};
use crate::sql::statement::{Expr, Relation};
use crate::topology::catalog::{Known, RelationKind};
use crate::topology::{Catalog, Topology};
use crate::value::KeyType;

/// More combinations of keys than this are not listed one by one.
const MAX_KEYS: usize = 4096;

/// What the planner knows of one statement.
pub(super) struct Reading<'a> {
    pub(super) topology: &'a Topology,
    pub(super) catalog: &'a Catalog,
    pub(super) search_path: &'a [String],
    pub(super) constants: Constants<'a>,
    pub(super) text: &'a str,
    pub(super) options: Options,
    pub(super) facts: &'a Facts,
    /// The place of each of `facts.relations`.
    pub(super) places: Vec<Place<'a>>,
    /// Whether the clock is read once for the statement, before it runs.
    pub(super) frozen: bool,
    /// Where queries stand that are answered before the statement runs, the same for all shards.
    pub(super) answered: Vec<Span>,
    /// Whether the plan holds for this very text only, since it looked at what a literal says.
    pub(super) exact: std::cell::Cell<bool>,
    /// What must not follow the clock if the statement goes to several shards.
    pub(super) moments: std::cell::RefCell<Moments>,
}

impl<'a> Reading<'a> {
    /// Looks up where every relation lives.
    pub(super) fn new(
        topology: &'a Topology,
        catalog: &'a Catalog,
        search_path: &'a [String],
        constants: Constants<'a>,
        text: &'a str,
        options: Options,
        facts: &'a Facts,
    ) -> Result<Self, Refusal> {
        let places = facts
            .relations
            .iter()
            .map(|r| {
                names::place(topology, catalog, search_path, &r.name).or_else(|refusal| {
                    // There is no such relation: the first shard says so as PostgreSQL does.
                    let gone = refusal.reason == Reason::UnlistedTable
                        && names::absent(catalog, search_path, &r.name);
                    gone.then_some(Place::Shard(FIRST)).ok_or(refusal)
                })
            })
            .collect::<Result<_, _>>()?;
        let reading = Self {
            topology,
            catalog,
            search_path,
            constants,
            text,
            options,
            facts,
            places,
            frozen: false,
            answered: Vec::new(),
            exact: false.into(),
            moments: Moments::default().into(),
        };
        for at in reading.sharded() {
            key_column::fit_all(&reading, at)?;
        }
        Ok(reading)
    }

    /// What is known of any relation's columns.
    pub(super) fn columns(&self) -> names::Columns<'a> {
        names::Columns {
            topology: self.topology,
            catalog: self.catalog,
            search_path: self.search_path,
        }
    }

    /// Notes a constant whose value shows in what is read or written.
    pub(super) fn note(&self, e: &Expr) {
        self.moments.borrow_mut().note(self, e);
    }

    /// What the catalog says of a table of the statement.
    pub(super) fn table(&self, at: usize) -> Option<&'a crate::topology::catalog::Relation> {
        let name = &self.facts.relations[at].name;
        let known = match &name.schema {
            Some(schema) => self.catalog.relation(schema, &name.name),
            None => self
                .search_path
                .iter()
                .map(|schema| self.catalog.relation(schema, &name.name))
                .find(|k| matches!(k, Known::Is(_)))?,
        };
        known
            .is()
            .filter(|r| matches!(r.kind, RelationKind::Table | RelationKind::Partitioned))
    }

    /// The schema of a relation, as far as configuration and catalog tell.
    pub(super) fn schema(&self, at: usize) -> Option<&str> {
        let name = &self.facts.relations[at].name;
        if let Some(schema) = &name.schema {
            return Some(schema);
        }
        self.search_path.iter().map(String::as_str).find(|schema| {
            self.topology.listed(schema, &name.name).is_some()
                || self.catalog.relation(schema, &name.name).is().is_some()
        })
    }

    /// What the catalog says of a relation of the statement, whatever its kind.
    pub(super) fn relation(&self, at: usize) -> Option<&'a crate::topology::catalog::Relation> {
        let schema = self.schema(at)?;
        self.catalog
            .relation(schema, &self.facts.relations[at].name.name)
            .is()
    }

    /// About how many rows a relation of the statement has on a shard.
    pub(super) fn rows(&self, at: usize) -> Option<u64> {
        let schema = self.schema(at)?;
        self.catalog
            .rows(schema, &self.facts.relations[at].name.name)
    }

    /// Where a relation of the tree stands among the facts. `None` for the name of a common table expression.
    pub(super) fn of(&self, relation: &Relation) -> Option<usize> {
        if relation.span.is_empty() {
            return None;
        }
        self.facts
            .relations
            .iter()
            .position(|r| r.span == relation.span)
    }

    /// The uses of sharded tables.
    pub(super) fn sharded(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.places.len()).filter(|&u| self.key(u).is_some())
    }

    /// The key and placement of a use of a sharded table.
    pub(super) fn key(&self, at: usize) -> Option<(&'a [String], PlacementId)> {
        match self.places[at] {
            Place::Sharded { key, placement } => Some((key, placement)),
            _ => None,
        }
    }

    /// The shards that hold tables of the statement whole.
    pub(super) fn whole(&self) -> Vec<Target> {
        let mut list = Vec::new();
        for place in &self.places {
            let shard = match place {
                Place::Shard(id) => *id,
                Place::Catalog => FIRST,
                Place::Sharded { .. } | Place::Reference => continue,
            };
            if !list.contains(&Target::Shard(shard)) {
                list.push(Target::Shard(shard));
            }
        }
        list
    }

    /// A use as the statement calls it, for messages.
    pub(super) fn named(&self, at: usize) -> String {
        names::display(&self.facts.relations[at].name)
    }

    /// The refusal of a statement whose tables do not live together.
    pub(super) fn mixed(&self) -> Refusal {
        let spread = self.sharded().next();
        if let (Some(u), true) = (spread, self.places.contains(&Place::Catalog)) {
            return Refusal::new(
                Reason::CatalogMix,
                format!(
                    "\"{}\" is spread over shards; a system catalog is in the same statement.",
                    self.named(u)
                ),
            );
        }
        let parts: Vec<_> = (0..self.places.len())
            .filter_map(|u| {
                let place = match self.places[u] {
                    Place::Sharded { placement, .. } => {
                        format!("spread by {}", self.topology.placement(placement).name)
                    }
                    Place::Shard(id) => format!("on shard {}", self.topology.shard(id).name),
                    Place::Catalog => {
                        format!("a catalog of shard {}", self.topology.shard(FIRST).name)
                    }
                    Place::Reference => return None,
                };
                Some(format!("\"{}\" is {place}", self.named(u)))
            })
            .collect();
        let detail = match parts.is_empty() {
            true => "What it calls is about different shards.".to_owned(),
            false => format!("{}.", parts.join("; ")),
        };
        Refusal::new(Reason::MixedHomes, detail)
    }

    fn restrictions<'r>(
        &'r self,
        at: usize,
        column: &'r str,
    ) -> impl Iterator<Item = &'r Restriction> + 'r {
        let is = move |c: &Column| c.relation == at && c.name == column;
        self.facts
            .classes
            .iter()
            .filter(move |class| class.members.iter().chain(&class.followers).any(is))
            .flat_map(|class| &class.restrictions)
    }

    fn source(&self, expr: &Expr, key_type: KeyType) -> Option<KeySource> {
        if used::compares_otherwise(self, expr, key_type) {
            return None;
        }
        Some(KeySource {
            key_type,
            value: self.constants.source(expr)?,
            stored: None,
        })
    }

    /// The one key that a use is bound to.
    ///
    /// Proof: the conditions restrict the rows of this use, in its own block, to those whose key columns equal
    /// constants. So the statement's answer depends on no row of it with another key, and every row with this key is
    /// on the key's shard.
    pub(super) fn bound(&self, at: usize) -> Option<KeyTarget> {
        let (key, placement) = self.key(at)?;
        let types = &self.topology.placement(placement).types;
        let values = key
            .iter()
            .zip(types)
            .map(|(column, &key_type)| {
                self.restrictions(at, column).find_map(|r| match r {
                    Restriction::Equal(e) => self.source(e, key_type),
                    Restriction::AnyOf(list) if list.len() == 1 => self.source(&list[0], key_type),
                    _ => None,
                })
            })
            .collect::<Option<Vec<_>>>()?;
        (values.len() == types.len()).then_some(KeyTarget { placement, values })
    }

    /// The shards outside of which no row of a use matters. `Targets::All` when nothing narrows them.
    pub(super) fn targets(&self, at: usize) -> Targets {
        let Some((key, placement)) = self.key(at) else {
            return Targets::All;
        };
        if let Some(one) = self.bound(at) {
            return Targets::Keys(vec![one]);
        }
        self.tuples(at, key, placement)
            .or_else(|| self.product(at, key, placement))
            .or_else(|| self.array_or_range(at, key, placement))
            .unwrap_or(Targets::All)
    }

    /// `(a, b) IN ((1, 2), …)` over the whole key.
    fn tuples(&self, at: usize, key: &[String], placement: PlacementId) -> Option<Targets> {
        let types = &self.topology.placement(placement).types;
        self.facts.tuples.iter().find_map(|tuple| {
            let positions: Vec<usize> = key
                .iter()
                .map(|k| {
                    tuple
                        .columns
                        .iter()
                        .position(|c| c.relation == at && c.name == *k)
                })
                .collect::<Option<_>>()?;
            let keys = tuple
                .rows
                .iter()
                .map(|row| {
                    let values = positions
                        .iter()
                        .zip(types)
                        .map(|(&p, &t)| self.source(row.get(p)?, t))
                        .collect::<Option<_>>()?;
                    Some(KeyTarget { placement, values })
                })
                .collect::<Option<_>>()?;
            Some(Targets::Keys(keys))
        })
    }

    /// Every combination of the values that the key's columns may have.
    fn product(&self, at: usize, key: &[String], placement: PlacementId) -> Option<Targets> {
        let types = &self.topology.placement(placement).types;
        let mut rows: Vec<Vec<KeySource>> = vec![Vec::new()];
        for (column, &key_type) in key.iter().zip(types) {
            let choices: Vec<KeySource> = self.restrictions(at, column).find_map(|r| match r {
                Restriction::Equal(e) => Some(vec![self.source(e, key_type)?]),
                Restriction::AnyOf(list) => list.iter().map(|e| self.source(e, key_type)).collect(),
                _ => None,
            })?;
            if rows.len() * choices.len() > MAX_KEYS {
                return None;
            }
            rows = rows
                .iter()
                .flat_map(|row| {
                    choices
                        .iter()
                        .map(move |c| row.iter().chain([c]).cloned().collect())
                })
                .collect();
        }
        Some(Targets::Keys(
            rows.into_iter()
                .map(|values| KeyTarget { placement, values })
                .collect(),
        ))
    }

    /// `= ANY (array)` and ranges, of a key of one column.
    fn array_or_range(&self, at: usize, key: &[String], placement: PlacementId) -> Option<Targets> {
        let ([column], [key_type]) = (key, &self.topology.placement(placement).types[..]) else {
            return None;
        };
        let array = self.restrictions(at, column).find_map(|r| match r {
            Restriction::AnyOfArray(e) => self.source(e, *key_type),
            _ => None,
        });
        if let Some(array) = array {
            return Some(Targets::AnyOf { placement, array });
        }
        let (mut low, mut high) = (None, None);
        for r in self.restrictions(at, column) {
            if let Restriction::Range { low: l, high: h } = r {
                let end = |b: &Option<Bound>| self.source(&b.as_ref()?.value, *key_type);
                low = low.or_else(|| end(l));
                high = high.or_else(|| end(h));
            }
        }
        (low.is_some() || high.is_some()).then_some(Targets::Range {
            placement,
            low,
            high,
        })
    }

    /// The shards outside of which no sharded row of the statement matters.
    pub(super) fn all_targets(&self) -> Targets {
        let mut parts: Vec<Targets> = Vec::new();
        for at in self.sharded() {
            let more = self.targets(at);
            if more == Targets::All {
                return Targets::All;
            }
            if !parts.contains(&more) {
                parts.push(more);
            }
        }
        match parts.len() {
            1 => parts.remove(0),
            _ => Targets::Union(parts),
        }
    }

    /// Whether, in every pair of rows that counts, `b`'s row has the key of `a`'s row, so that both are on one shard.
    /// `b` may be bound to `a` one way only (the nullable side of an outer join, a subquery).
    pub(super) fn tied(&self, a: usize, b: usize) -> bool {
        if a == b {
            return true;
        }
        let (Some((key_a, p)), Some((key_b, q))) = (self.key(a), self.key(b)) else {
            return false;
        };
        p == q
            && key_a.len() == key_b.len()
            && key_a.iter().zip(key_b).all(|(ka, kb)| {
                let is_a = |c: &Column| c.relation == a && c.name == *ka;
                let is_b = |c: &Column| c.relation == b && c.name == *kb;
                self.facts.classes.iter().any(|class| {
                    class.members.iter().any(is_a)
                        && class.members.iter().chain(&class.followers).any(is_b)
                })
            })
    }
}
