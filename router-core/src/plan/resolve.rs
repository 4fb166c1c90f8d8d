//! A plan and the values of one execution become shards.

use smallvec::SmallVec;

use super::{KeyTarget, Merge, Plan, Reason, Refusal, Route, Split, Target, Targets};
use crate::id::{ShardId, Span};
use crate::topology::Topology;

/// The values of one execution. Borrows everything; making one costs nothing.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// The text that the literals' spans point into.
    pub text: &'a str,
    /// The literals of the statement, in order.
    pub literals: &'a [Literal],
    /// The parameters, `$1` first.
    pub params: &'a [Param<'a>],
}

/// A literal of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Literal {
    /// Where it stands.
    pub span: Span,
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
    /// To each of these, in ascending order; at least two.
    Shards(SmallVec<[ShardId; 8]>),
    /// To all shards.
    All,
    /// The n-th row to the n-th of these.
    Rows(Vec<ShardId>),
    /// `COPY FROM`: each row as it arrives, by [`Plan::resolve_row`].
    ByRow,
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
    /// Whether the shards depend on literals or parameters.
    pub fn depends_on_values(&self) -> bool {
        match &self.route {
            Route::Single(target) => target.depends_on_values(),
            Route::Scatter { targets, .. } => !matches!(targets, Targets::All | Targets::Shards(_)),
            Route::Split(split) => !split.rows.is_empty(),
            Route::Explain(inner) => inner.depends_on_values(),
            Route::Transaction(_) | Route::Session(_) | Route::Empty | Route::Refused(_) => false,
        }
    }

    /// Where this execution goes. Allocates nothing when that is one shard.
    pub fn resolve(&self, topology: &Topology, values: &Values<'_>) -> Result<Resolved, Stop> {
        match &self.route {
            Route::Single(target) => target.resolve(topology, values),
            Route::Scatter {
                merge: Merge::Copies,
                ..
            } => Ok(all(topology)),
            Route::Scatter { targets, .. } => targets.resolve(topology, values),
            Route::Split(split) => split.resolve(topology, values),
            Route::Explain(inner) => inner.resolve(topology, values),
            Route::Refused(refusal) => Err(Stop::Refused(refusal.clone())),
            Route::Transaction(_) | Route::Session(_) | Route::Empty => Ok(Resolved::Unrouted),
        }
    }
}

impl Target {
    fn depends_on_values(&self) -> bool {
        match self {
            Target::Shard(_) | Target::Any => false,
            Target::Key(_) => true,
            Target::Agree(all) => all.iter().any(Target::depends_on_values),
        }
    }

    fn resolve(&self, topology: &Topology, values: &Values<'_>) -> Result<Resolved, Stop> {
        match self {
            Target::Shard(id) => Ok(Resolved::Shard(*id)),
            Target::Any => Ok(Resolved::Any),
            Target::Key(key) => key.resolve(topology, values),
            Target::Agree(all) => {
                let mut agreed = Resolved::Any;
                for target in all {
                    match (target.resolve(topology, values)?, &agreed) {
                        (Resolved::Shard(id), Resolved::Shard(other)) if id != *other => {
                            return Err(Refusal::new(
                                Reason::DifferentShards,
                                format!(
                                    "One part of the statement belongs to shard \"{}\", another to shard \"{}\".",
                                    name(topology, *other),
                                    name(topology, id)
                                ),
                            )
                            .into());
                        }
                        (Resolved::Shard(id), _) => agreed = Resolved::Shard(id),
                        _ => {}
                    }
                }
                Ok(agreed)
            }
        }
    }
}

fn name(topology: &Topology, id: ShardId) -> &str {
    topology
        .shards
        .get(id.index())
        .map_or("?", |s| s.name.as_str())
}

/// All shards, as one when there is only one.
fn all(topology: &Topology) -> Resolved {
    match topology.shards.len() {
        1 => Resolved::Shard(ShardId(0)),
        _ => Resolved::All,
    }
}

impl KeyTarget {
    fn resolve(&self, _topology: &Topology, _values: &Values<'_>) -> Result<Resolved, Stop> {
        Err(Refusal::new(Reason::KeyNotComputable, "Placements are not known here.").into())
    }
}

impl Targets {
    fn resolve(&self, topology: &Topology, _values: &Values<'_>) -> Result<Resolved, Stop> {
        match self {
            Targets::All => Ok(all(topology)),
            Targets::Shards(ids) => Ok(Resolved::Shards(ids.iter().copied().collect())),
            _ => {
                Err(Refusal::new(Reason::KeyNotComputable, "Placements are not known here.").into())
            }
        }
    }
}

impl Split {
    fn resolve(&self, _topology: &Topology, _values: &Values<'_>) -> Result<Resolved, Stop> {
        if self.rows.is_empty() {
            return Ok(Resolved::ByRow);
        }
        Err(Refusal::new(Reason::KeyNotComputable, "Placements are not known here.").into())
    }
}
