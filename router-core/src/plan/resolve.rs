//! A plan and the values of one execution become shards.

use smallvec::SmallVec;

use super::evaluate::{evaluate, param};
use super::{
    KeySource, KeyTarget, Merge, Moments, On, Plan, Reason, Refusal, Route, Split, Target, Targets,
    ValueSource,
};
use crate::id::{PlacementId, ShardId};
use crate::sql::shape::{Slot, SlotKind};
use crate::topology::{ShardSet, Topology, Unplaced};
use crate::value::{Folded, KeyType, KeyValue, Outcome, PgError, oid};

/// The values of one execution. Borrows everything; making one costs nothing.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// The text of the statement, which the literals' spans point into.
    pub text: &'a str,
    /// The literals of the statement, in order.
    pub literals: &'a [Slot],
    /// The parameters, `$1` first.
    pub params: &'a [Param<'a>],
    /// What the session, or a comment in front of the statement, says about its place.
    pub direction: Direction<'a>,
}

/// `shunt.shard` or `shunt.key`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction<'a> {
    /// Neither.
    #[default]
    None,
    /// The shard of this name.
    Shard(&'a str),
    /// The home of this key.
    Key(&'a str),
}

/// A parameter of an execution.
#[derive(Clone, Copy)]
pub struct Param<'a> {
    /// The type's OID as declared at Parse; 0 when the server infers it.
    pub oid: u32,
    /// Whether the value is in binary.
    pub binary: bool,
    /// The value; `None` for NULL.
    pub value: Option<&'a [u8]>,
}

/// The value may be secret: only its length is shown.
impl std::fmt::Debug for Param<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Param")
            .field("oid", &self.oid)
            .field("binary", &self.binary)
            .field("bytes", &self.value.map(<[u8]>::len))
            .finish()
    }
}

impl Values<'_> {
    /// No values: enough for plans that do not depend on any.
    pub fn none() -> Values<'static> {
        Values {
            text: "",
            literals: &[],
            params: &[],
            direction: Direction::None,
        }
    }
}

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

/// Where one key leads.
enum Home {
    /// To this shard.
    At(ShardId),
    /// To none: no row has such a key.
    Nowhere,
    /// PostgreSQL raises an error wherever it runs.
    Error,
}

/// The values of a key's columns. Two columns are common, more are rare.
type Key<'v> = SmallVec<[KeyValue<'v>; 2]>;

impl KeyTarget {
    fn resolve(&self, topology: &Topology, values: &Values<'_>) -> Result<Resolved, Stop> {
        match home(topology, self.placement, &self.values, values) {
            Ok(Home::At(id)) => Ok(Resolved::Shard(id)),
            Ok(Home::Nowhere | Home::Error) => Ok(Resolved::Any),
            Err(_) if self.values.iter().any(|v| is_beyond(v, values)) => Ok(Resolved::Any),
            Err(stop) => Err(stop),
        }
    }
}

/// Whether a value is a parameter whose type the server infers, and no integer of any type although it is written as one:
/// PostgreSQL raises its error wherever it runs.
///
/// Proof: it stands only here (`Param`), alone beside the key, so it is inferred to be of the type of the key's column, which
/// is one of integers. In a list it might be a `numeric` for another element's sake.
fn is_beyond(source: &KeySource, values: &Values<'_>) -> bool {
    let (KeyType::Bigint, ValueSource::Param(n)) = (source.key_type, &source.value) else {
        return false;
    };
    let Some(param) = param(*n, values).filter(|p| !p.binary && matches!(p.oid, 0 | oid::UNKNOWN))
    else {
        return false;
    };
    let text = param
        .value
        .and_then(|bytes| std::str::from_utf8(bytes).ok());
    text.is_some_and(|text| {
        let digits = text.trim_start_matches(['-', '+']);
        !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
            && text.len() - digits.len() < 2
            && text.parse::<i64>().is_err()
    })
}

fn home(
    topology: &Topology,
    placement: PlacementId,
    sources: &[KeySource],
    values: &Values<'_>,
) -> Result<Home, Stop> {
    let mut key = Key::new();
    let mut nowhere = false;
    for source in sources {
        if let Some(value) = plain_integer(source, values) {
            key.push(KeyValue::Bigint(value));
            continue;
        }
        let folded = evaluate(&source.value, values);
        let outcome = match source.stored {
            Some(stored) => stored.cut.outcome(folded.assigned(source.key_type)),
            None => folded.equals(source.key_type),
        };
        match outcome {
            Outcome::Value(v) => key.push(v),
            // `key = NULL` holds for no row. A row to be stored would have no home; where the column must not be null,
            // PostgreSQL says so on any shard.
            Outcome::Null if source.stored.is_some_and(|s| s.required) => return Ok(Home::Error),
            Outcome::Null if source.stored.is_some() => {
                return Err(Refusal::new(
                    Reason::NullKey,
                    format!("{} is null.", capital(&describe(source))),
                )
                .into());
            }
            Outcome::Null | Outcome::NoMatch => nowhere = true,
            Outcome::Invalid(_) => return Ok(Home::Error),
            Outcome::Unknown => return Err(unknown(source).into()),
        }
    }
    if nowhere {
        return Ok(Home::Nowhere);
    }
    place(
        topology,
        placement,
        &key,
        sources.iter().any(|s| s.stored.is_some()),
    )
}

/// So many digits are an integer of some type and fit into 64 bits.
const PLAIN_DIGITS: usize = 18;

/// So many are an `integer`, and a `bigint`.
const PLAIN_INTEGER_DIGITS: usize = 9;

/// The value of a key that is written as most are, in a few digits or in binary: what [`evaluate`] makes of it in more steps.
fn plain_integer(source: &KeySource, values: &Values<'_>) -> Option<i64> {
    if source.key_type != KeyType::Bigint {
        return None;
    }
    match source.value {
        ValueSource::Slot(slot) => plain_literal(slot, values.text.as_bytes(), values.literals),
        ValueSource::Param(n) => plain_param(param(n, values)?),
        _ => None,
    }
}

pub(super) fn plain_param(param: &Param<'_>) -> Option<i64> {
    let value = param.value?;
    match (param.binary, param.oid) {
        (false, 0 | oid::INT4 | oid::INT8) => digits(value, PLAIN_INTEGER_DIGITS),
        (true, oid::INT4) => Some(i32::from_be_bytes(value.try_into().ok()?).into()),
        (true, oid::INT8) => Some(i64::from_be_bytes(value.try_into().ok()?)),
        _ => None,
    }
}

pub(super) fn plain_literal(slot: u32, text: &[u8], literals: &[Slot]) -> Option<i64> {
    let slot = literals.get(usize::try_from(slot).ok()?)?;
    if slot.kind != SlotKind::Integer || slot.negative {
        return None;
    }
    let (start, end) = (slot.span.start as usize, slot.span.end as usize);
    digits(text.get(start..end)?, PLAIN_DIGITS)
}

/// The value of digits, if these are some and no more than `most`.
fn digits(digits: &[u8], most: usize) -> Option<i64> {
    if digits.is_empty() || digits.len() > most {
        return None;
    }
    digits.iter().try_fold(0, |value: i64, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit < 10).then_some(value * 10 + i64::from(digit))
    })
}

fn place(
    topology: &Topology,
    placement: PlacementId,
    key: &[KeyValue<'_>],
    stored: bool,
) -> Result<Home, Stop> {
    let placement = topology.placement(placement);
    match placement.shard_of(key) {
        Ok(id) => Ok(Home::At(id)),
        Err(Unplaced::NoHome) if !stored => Ok(Home::Nowhere),
        Err(Unplaced::NoHome) => Err(Refusal::new(
            Reason::NoShardForKey,
            format!(
                "Placement \"{}\" has no shard for the row's key.",
                placement.name
            ),
        )
        .into()),
        Err(Unplaced::WrongKey) => Err(Refusal::new(
            Reason::KeyNotComputable,
            format!(
                "The key is not of the types of placement \"{}\".",
                placement.name
            ),
        )
        .into()),
    }
}

fn unknown(source: &KeySource) -> Refusal {
    Refusal::new(
        Reason::KeyNotComputable,
        format!(
            "It cannot be told for certain which {} {} is.",
            source.key_type,
            describe(source)
        ),
    )
}

fn describe(source: &KeySource) -> String {
    format!(
        "the value of the key ({})",
        super::print::ValueText {
            source: &source.value,
            values: None,
        }
    )
}

fn capital(sentence: &str) -> String {
    let mut chars = sentence.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
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

    fn highest_param(&self) -> usize {
        match self {
            On::Shard(_) => 0,
            On::Targets(targets) | On::Except(targets, _) => targets.highest_param(),
            On::Home(target) | On::HomeExcept(target, _) => target.highest_param(),
        }
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

    /// The highest parameter that a shard or a count of rows depends on.
    fn highest_param(&self) -> usize {
        let steps = self.steps.iter().map(|step| match step {
            super::Step::Run { on, .. }
            | super::Step::Check { on, .. }
            | super::Step::Show { on, .. }
            | super::Step::Move { from: on, .. } => on.highest_param(),
            super::Step::Fetch { from, .. } => from.highest_param(),
            super::Step::RunEach { .. } => 0,
        });
        let (on, merge) = match &self.answer {
            super::Answer::Merged { on, merge, .. } => (on.highest_param(), merge),
            super::Answer::Each { merge, .. } => (0, merge),
            super::Answer::Finished { on, .. } => (on.highest_param(), &Merge::Concatenate),
            super::Answer::Tag(_) => (0, &Merge::Concatenate),
        };
        let counts = match merge {
            Merge::Sorted(sorted) => [&sorted.offset, &sorted.limit]
                .into_iter()
                .flatten()
                .map(ValueSource::highest_param)
                .max()
                .unwrap_or(0),
            _ => 0,
        };
        let unless = self.unless.as_ref().map_or(0, Targets::highest_param);
        steps.max().unwrap_or(0).max(on).max(counts).max(unless)
    }
}

/// Why the rows of a `LIMIT` or `OFFSET` cannot be counted.
#[derive(Clone, Debug, PartialEq)]
pub enum CountError {
    /// PostgreSQL's own error.
    Postgres(PgError),
    /// The value cannot be told for certain.
    Refused(Box<Refusal>),
}

impl super::Sorted {
    /// How many rows are left out in one execution, and how many are given at most.
    ///
    /// # Errors
    /// As PostgreSQL's `recompute_limits` (`nodeLimit.c`), which looks at `OFFSET` first.
    pub fn counts(&self, values: &Values<'_>) -> Result<(u64, Option<u64>), CountError> {
        let offset = count(self.offset.as_ref(), values)?;
        let negative = |state, message: &str| CountError::Postgres(PgError::new(state, message));
        let offset = u64::try_from(offset.unwrap_or(0))
            .map_err(|_| negative("2201X", "OFFSET must not be negative"))?;
        let limit = count(self.limit.as_ref(), values)?
            .map(u64::try_from)
            .transpose()
            .map_err(|_| negative("2201W", "LIMIT must not be negative"))?;
        Ok((offset, limit))
    }
}

/// A count of rows; null, or none at all, is no count.
fn count(source: Option<&ValueSource>, values: &Values<'_>) -> Result<Option<i64>, CountError> {
    let Some(source) = source else {
        return Ok(None);
    };
    // It is coerced as by assignment: `LIMIT 2.5` is 3 rows.
    match evaluate(source, values).assigned(KeyType::Bigint) {
        Outcome::Value(KeyValue::Bigint(count)) => Ok(Some(count)),
        Outcome::Null => Ok(None),
        Outcome::Invalid(error) => Err(CountError::Postgres(error)),
        _ => Err(CountError::Refused(Box::new(Refusal::new(
            Reason::NeedsMerge,
            format!(
                "The number of rows ({}) cannot be told for certain.",
                super::print::ValueText {
                    source,
                    values: None
                }
            ),
        )))),
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

impl Plan {
    /// Whether the shards depend on a parameter that `values` do not have.
    pub fn lacks_params(&self, values: &Values<'_>) -> bool {
        let given = values.params.len();
        match &self.route {
            Route::Single(target) => target.highest_param() > given,
            Route::Scatter { targets, .. } => targets.highest_param() > given,
            Route::Split(split) => split.rows.iter().any(|row| highest(&row.key) > given),
            Route::Program(program) => program.highest_param() > given,
            Route::Explain(inner) => inner.lacks_params(values),
            Route::CopyIn(_)
            | Route::Transaction(_)
            | Route::Session(_)
            | Route::Empty
            | Route::Refused(_) => false,
        }
    }
}

impl Target {
    fn highest_param(&self) -> usize {
        match self {
            Target::Key(key) => highest(&key.values),
            Target::Within(targets) => targets.highest_param(),
            Target::Agree { parts, .. } => {
                parts.iter().map(Target::highest_param).max().unwrap_or(0)
            }
            Target::Shard(_) | Target::Any | Target::Directed { .. } => 0,
        }
    }
}

impl Targets {
    fn highest_param(&self) -> usize {
        match self {
            Targets::Keys(keys) => keys.iter().map(|k| highest(&k.values)).max().unwrap_or(0),
            Targets::AnyOf { array, .. } => highest(std::slice::from_ref(array)),
            Targets::Range { low, high, .. } => low
                .iter()
                .chain(high)
                .map(|s| s.value.highest_param())
                .max()
                .unwrap_or(0),
            Targets::Union(parts) => parts.iter().map(Targets::highest_param).max().unwrap_or(0),
            Targets::All | Targets::Shards(_) => 0,
        }
    }
}

fn highest(key: &[KeySource]) -> usize {
    key.iter()
        .map(|s| s.value.highest_param())
        .max()
        .unwrap_or(0)
}

impl ValueSource {
    fn highest_param(&self) -> usize {
        match self {
            Self::Param(n) | Self::SharedParam(n) => usize::from(*n),
            Self::Negate(v) | Self::Cast(v, _) => v.highest_param(),
            Self::Arithmetic(_, a, b) => a.highest_param().max(b.highest_param()),
            Self::Null | Self::Integer(_) | Self::Slot(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::Span;
    use crate::plan::key_column::{Cut, Stored};

    fn long<'v>(source: &KeySource, values: &Values<'v>) -> Outcome<'v> {
        let folded = evaluate(&source.value, values);
        match source.stored {
            Some(stored) => stored.cut.outcome(folded.assigned(source.key_type)),
            None => folded.equals(source.key_type),
        }
    }

    proptest! {
        /// The short way to an integer gives what the long one gives, or nothing.
        #[test]
        fn a_plain_integer_is_what_it_evaluates_to(
            text in "[0-9]{1,20}|0x[0-9a-f]{1,4}|[0-9]_[0-9]",
            negative in any::<bool>(),
            stored in any::<bool>(),
        ) {
            let literals = [Slot { span: Span::new(0, text.len()), kind: SlotKind::Integer, negative }];
            let values = Values { text: &text, literals: &literals, ..Values::none() };
            let stored = stored.then_some(Stored { required: true, cut: Cut::Nothing });
            let source = KeySource { key_type: KeyType::Bigint, value: ValueSource::Slot(0), stored };
            match plain_integer(&source, &values) {
                Some(value) => prop_assert_eq!(long(&source, &values), Outcome::Value(KeyValue::Bigint(value))),
                None => prop_assert!(negative || text.len() > PLAIN_DIGITS || text.contains(['x', '_'])),
            }
        }

        /// The same of a parameter.
        #[test]
        fn a_plain_parameter_is_what_it_evaluates_to(
            text in "[0-9]{1,12}|-[0-9]|[0-9]{1,3} |[0-9]\\.[0-9]|",
            number in any::<[u8; 9]>(),
            length in 0..=9usize,
            oid in prop::sample::select(vec![0, oid::INT2, oid::INT4, oid::INT8, oid::TEXT, oid::NUMERIC, 705]),
            binary in any::<bool>(),
            stored in any::<bool>(),
        ) {
            let value = match binary {
                true => &number[..length],
                false => text.as_bytes(),
            };
            let params = [Param { oid, binary, value: Some(value) }];
            let values = Values { params: &params, ..Values::none() };
            let stored = stored.then_some(Stored { required: true, cut: Cut::Nothing });
            let source = KeySource { key_type: KeyType::Bigint, value: ValueSource::Param(1), stored };
            match plain_integer(&source, &values) {
                Some(value) => prop_assert_eq!(long(&source, &values), Outcome::Value(KeyValue::Bigint(value))),
                None if binary => prop_assert!(!matches!((oid, length), (oid::INT4, 4) | (oid::INT8, 8))),
                None => prop_assert!(
                    !matches!(oid, 0 | oid::INT4 | oid::INT8)
                        || !(1..=PLAIN_INTEGER_DIGITS).contains(&text.len())
                        || text.contains(['-', ' ', '.'])
                ),
            }
        }
    }
}
