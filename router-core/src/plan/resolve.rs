//! A plan and the values of one execution become shards: `home` does so for one key.

mod counts;
mod home;
mod params;
mod values;

pub use self::counts::CountError;
use self::home::{Home, home, place};
pub(super) use self::home::{plain_literal, plain_param};
pub use self::values::{Direction, Param, Values};
use super::evaluate::evaluate;
use super::{
    KeySource, Merge, Moments, On, Plan, Reason, Refusal, Route, Split, Target, Targets,
    ValueSource,
};
use crate::id::{PlacementId, ShardId};
use crate::topology::{ShardSet, Topology};
use crate::value::{Folded, KeyType, KeyValue, Outcome};

/// Where one execution goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// To this shard.
    Shard(ShardId),
    /// To any one shard: each gives the same, right answer.
    Any,
    /// To each of these; at least two.
    Shards(ShardSet),
    /// The n-th row to the n-th of these.
    Rows(Vec<ShardId>),
    /// `COPY FROM`: each row as it arrives.
    ByRow,
    /// In steps: each says where, by [`On::resolve`].
    Program,
    /// Nowhere: the session carries it out.
    Unrouted,
}

/// Why an execution goes nowhere.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// It is refused.
    Refused(Box<Refusal>),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Stop::Refused(Box::new(refusal))
    }
}

impl Plan {
    /// Whether the shards, or a refusal, depend on literals or parameters.
    pub fn depends_on_values(&self) -> bool {
        self.moments.is_some() || self.route_depends_on_values()
    }

    fn route_depends_on_values(&self) -> bool {
        match &self.route {
            Route::Single(target) => target.depends_on_values(),
            Route::Scatter { targets, .. } => targets.depends_on_values(),
            Route::Split(_) => true,
            // What its steps go to depends on them, and its texts are sent with them.
            Route::Program(_) => true,
            Route::Explain(inner) => inner.depends_on_values(),
            Route::Session(session) => match &**session {
                super::SessionStatement::Declare { on, gathered, .. } => {
                    gathered.is_some() || on.depends_on_values()
                }
                _ => false,
            },
            Route::CopyIn(_) | Route::Transaction(_) | Route::Empty | Route::Refused(_) => false,
        }
    }

    /// Where this execution goes. Allocates nothing when that is one shard.
    pub fn resolve(&self, topology: &Topology, values: &Values<'_>) -> Result<Resolved, Stop> {
        let resolved = self.resolve_route(topology, values)?;
        // Several servers have several clocks.
        if let Some(moments) = &self.moments
            && matches!(
                resolved,
                Resolved::Shards(_) | Resolved::Rows(_) | Resolved::ByRow | Resolved::Program
            )
            && moments.met(values)
        {
            return Err(Moments::refusal().into());
        }
        Ok(resolved)
    }

    /// The shard of a statement whose key is one integer, where `integer` reads it at once: what [`Plan::resolve`] comes to in
    /// more steps. `None`: it may be anything else.
    pub(super) fn plain_home(
        &self,
        topology: &Topology,
        integer: impl FnOnce(&ValueSource) -> Option<i64>,
    ) -> Option<ShardId> {
        let Route::Single(Target::Key(key)) = &self.route else {
            return None;
        };
        let [source] = &key.values[..] else {
            return None;
        };
        if source.key_type != KeyType::Bigint {
            return None;
        }
        let key_value = KeyValue::Bigint(integer(&source.value)?);
        let placement = topology.placement(key.placement);
        placement.shard_of(&[key_value]).ok()
    }

    fn resolve_route(&self, topology: &Topology, values: &Values<'_>) -> Result<Resolved, Stop> {
        match &self.route {
            Route::Single(target) => target.resolve(topology, values),
            Route::Scatter {
                merge: Merge::Copies | Merge::OneByOne,
                ..
            } => Ok(all(topology)),
            Route::Scatter { targets, .. } => targets.resolve(topology, values),
            Route::Split(split) => split.resolve(topology, values),
            Route::CopyIn(_) => Ok(Resolved::ByRow),
            Route::Program(program) => {
                if let Some(targets) = &program.unless {
                    match targets.resolve(topology, values)? {
                        Resolved::Shards(_) => {}
                        one => return Ok(one),
                    }
                }
                Ok(Resolved::Program)
            }
            Route::Explain(inner) => inner.resolve(topology, values),
            Route::Refused(refusal) => Err(Stop::Refused(refusal.clone())),
            Route::Session(session) => match &**session {
                super::SessionStatement::Declare {
                    gathered: Some(_), ..
                } => Ok(Resolved::Program),
                super::SessionStatement::Declare { on, .. } => on.resolve(topology, values),
                _ => Ok(Resolved::Unrouted),
            },
            Route::Transaction(_) | Route::Empty => Ok(Resolved::Unrouted),
        }
    }
}

impl Targets {
    fn depends_on_values(&self) -> bool {
        match self {
            Targets::All | Targets::Shards(_) => false,
            Targets::Union(parts) => parts.iter().any(Targets::depends_on_values),
            Targets::Keys(_) | Targets::AnyOf { .. } | Targets::Range { .. } => true,
        }
    }
}

/// Where the session, or a comment in front of the statement, says that it goes.
fn directed(
    placement: Option<PlacementId>,
    topology: &Topology,
    values: &Values<'_>,
) -> Result<Resolved, Stop> {
    let bad = |detail: String| Stop::from(Refusal::new(Reason::Directive, detail));
    match values.direction {
        Direction::None => Err(bad(
            "The statement was planned for a directive that is not there.".into(),
        )),
        Direction::Shard(name) => match topology.shard_named(name) {
            Some(id) => Ok(Resolved::Shard(id)),
            None => Err(bad(format!("There is no shard \"{name}\"."))),
        },
        Direction::Key(text) => {
            let Some(id) = placement else {
                return Err(bad("shunt.key is given, but the database has several placements and the statement does not tell which is meant.".into()));
            };
            let placement = topology.placement(id);
            let [key_type] = placement.types[..] else {
                return Err(bad(format!(
                    "The key of placement \"{}\" has several columns.",
                    placement.name
                )));
            };
            match Folded::literal(crate::value::LiteralClass::String, text).assigned(key_type) {
                Outcome::Value(v) => match place(topology, id, &[v], true)? {
                    Home::At(id) => Ok(Resolved::Shard(id)),
                    Home::Nowhere | Home::Error => Err(bad("The key has no shard.".into())),
                },
                _ => Err(bad(format!("shunt.key is no {key_type}."))),
            }
        }
    }
}

impl Target {
    fn depends_on_values(&self) -> bool {
        match self {
            Target::Shard(_) | Target::Any => false,
            Target::Key(_) | Target::Directed { .. } => true,
            Target::Within(targets) => targets.depends_on_values(),
            Target::Agree { parts, .. } => parts.iter().any(Target::depends_on_values),
        }
    }

    fn resolve(&self, topology: &Topology, values: &Values<'_>) -> Result<Resolved, Stop> {
        match self {
            Target::Shard(id) => Ok(Resolved::Shard(*id)),
            Target::Any => Ok(Resolved::Any),
            Target::Key(key) => key.resolve(topology, values),
            Target::Within(targets) => targets.resolve(topology, values),
            Target::Directed { placement } => directed(*placement, topology, values),
            Target::Agree { parts, otherwise } => {
                // The first part decides; every other may only confirm.
                let mut agreed = Resolved::Any;
                for part in parts {
                    match (part.resolve(topology, values)?, &agreed) {
                        (Resolved::Any, _) => {}
                        (Resolved::Shard(id), Resolved::Any) => agreed = Resolved::Shard(id),
                        (Resolved::Shard(id), Resolved::Shard(other)) if id == *other => {}
                        _ => return Err(Stop::Refused(otherwise.clone())),
                    }
                }
                Ok(agreed)
            }
        }
    }
}

impl Target {
    /// The shard; where any gives the same answer, or the same error, the first.
    fn home(&self, topology: &Topology, values: &Values<'_>) -> Result<ShardId, Stop> {
        match self.resolve(topology, values)? {
            Resolved::Shard(id) => Ok(id),
            _ => Ok(super::names::FIRST),
        }
    }
}

/// A set of shards as an answer: one shard is not several, and none means that any may say so.
fn these(set: ShardSet) -> Resolved {
    match set.single() {
        Some(id) => Resolved::Shard(id),
        None if set.is_empty() => Resolved::Any,
        None => Resolved::Shards(set),
    }
}

impl Targets {
    fn resolve(&self, topology: &Topology, values: &Values<'_>) -> Result<Resolved, Stop> {
        Ok(match self.set(topology, values)? {
            Some(set) => these(set),
            None => Resolved::Any,
        })
    }

    /// The shards; `None` when PostgreSQL raises an error wherever the statement runs.
    fn set(&self, topology: &Topology, values: &Values<'_>) -> Result<Option<ShardSet>, Stop> {
        let mut set = ShardSet::new();
        match self {
            Targets::All => set = topology.all_shards(),
            Targets::Shards(ids) => ids.iter().for_each(|id| set.insert(*id)),
            Targets::Keys(keys) => {
                for key in keys {
                    match home(topology, key.placement, &key.values, values)? {
                        Home::At(id) => set.insert(id),
                        Home::Nowhere => {}
                        Home::Error => return Ok(None),
                    }
                }
            }
            Targets::AnyOf { placement, array } => {
                match elements(array, values) {
                    Elements::Each(keys) => {
                        for key in keys {
                            match place(topology, *placement, &[key], false)? {
                                Home::At(id) => set.insert(id),
                                Home::Nowhere => {}
                                Home::Error => return Ok(None),
                            }
                        }
                    }
                    // A superset is always right.
                    Elements::Unknown => set = topology.placement(*placement).shards(),
                }
            }
            Targets::Range {
                placement,
                low,
                high,
            } => {
                let (low, high) = (bound(low.as_ref(), values), bound(high.as_ref(), values));
                set = topology
                    .placement(*placement)
                    .shards_for_range(low.as_ref(), high.as_ref());
            }
            Targets::Union(parts) => {
                for part in parts {
                    match part.set(topology, values)? {
                        Some(more) => set.extend_with(&more),
                        None => return Ok(None),
                    }
                }
            }
        }
        Ok(Some(set))
    }
}

/// A bound, or none when it is not known: then more shards are asked than need be, never fewer.
fn bound<'v>(source: Option<&'v KeySource>, values: &Values<'v>) -> Option<KeyValue<'v>> {
    let source = source?;
    match evaluate(&source.value, values).equals(source.key_type) {
        Outcome::Value(v) => Some(v),
        _ => None,
    }
}

enum Elements<'v> {
    Each(Vec<KeyValue<'v>>),
    Unknown,
}

/// The elements of an array parameter or literal, without nulls. What is not a plain one-dimensional array is unknown.
fn elements<'v>(array: &KeySource, values: &Values<'v>) -> Elements<'v> {
    let Some(list) = super::array::elements(&array.value, values) else {
        return Elements::Unknown;
    };
    let mut keys = Vec::with_capacity(list.len());
    for element in list {
        match element.equals(array.key_type) {
            Outcome::Value(v) => keys.push(v),
            Outcome::Null | Outcome::NoMatch => {}
            Outcome::Invalid(_) | Outcome::Unknown => return Elements::Unknown,
        }
    }
    Elements::Each(keys)
}

impl On {
    /// The shards, for one execution; ascending, and none when no shard has rows that count or PostgreSQL raises an
    /// error wherever the statement runs.
    pub fn resolve(&self, topology: &Topology, values: &Values<'_>) -> Result<ShardSet, Stop> {
        let mut set = ShardSet::new();
        match self {
            On::Shard(id) => set.insert(*id),
            On::Targets(targets) => set = targets.set(topology, values)?.unwrap_or_default(),
            On::Except(targets, one) => {
                let all = targets.set(topology, values)?.unwrap_or_default();
                all.iter()
                    .filter(|id| id != one)
                    .for_each(|id| set.insert(id));
            }
            On::Home(target) => set.insert(target.home(topology, values)?),
            On::HomeExcept(target, one) => {
                let home = target.home(topology, values)?;
                if home != *one {
                    set.insert(home);
                }
            }
        }
        Ok(set)
    }
}

impl super::Program {
    /// The shards that one execution has to do with.
    pub fn shards(&self, topology: &Topology, values: &Values<'_>) -> Result<ShardSet, Stop> {
        let mut set = ShardSet::new();
        let mut add = |on: &On| -> Result<(), Stop> {
            set.extend_with(&on.resolve(topology, values)?);
            Ok(())
        };
        let each = |texts: &[(ShardId, String)]| -> Vec<On> {
            texts.iter().map(|(shard, _)| On::Shard(*shard)).collect()
        };
        for step in &self.steps {
            match step {
                super::Step::Run { on, .. }
                | super::Step::Check { on, .. }
                | super::Step::Show { on, .. } => add(on)?,
                super::Step::RunEach { texts } => each(texts).iter().try_for_each(&mut add)?,
                super::Step::Move { from, to, .. } => {
                    add(from)?;
                    add(&On::Shard(*to))?;
                }
                super::Step::Fetch { from, .. } => add(&On::Targets(from.clone()))?,
            }
        }
        match &self.answer {
            super::Answer::Merged { on, .. } => add(on)?,
            super::Answer::Each { texts, .. } => each(texts).iter().try_for_each(&mut add)?,
            super::Answer::Finished { on, .. } => add(&On::Targets(on.clone()))?,
            super::Answer::Tag(_) => {}
        }
        Ok(set)
    }
}

impl Split {
    fn resolve(&self, topology: &Topology, values: &Values<'_>) -> Result<Resolved, Stop> {
        let mut first = None;
        let mut apart: Option<Vec<ShardId>> = None;
        for (n, row) in self.rows.iter().enumerate() {
            let id = match home(topology, self.placement, &row.key, values)? {
                Home::At(id) => id,
                Home::Nowhere | Home::Error => return Ok(Resolved::Any),
            };
            let first = *first.get_or_insert(id);
            if id != first && apart.is_none() {
                let mut ids = Vec::with_capacity(self.rows.len());
                ids.resize(n, first);
                apart = Some(ids);
            }
            if let Some(ids) = &mut apart {
                ids.push(id);
            }
        }
        match (first, apart, &self.otherwise) {
            (Some(id), None, _) => Ok(Resolved::Shard(id)),
            (_, Some(_), Some(refusal)) => Err(Stop::Refused(refusal.clone())),
            (_, Some(ids), None) => Ok(Resolved::Rows(ids)),
            (None, None, _) => Ok(Resolved::Any),
        }
    }
}

/// All shards, as one when there is only one.
fn all(topology: &Topology) -> Resolved {
    these(topology.all_shards())
}
