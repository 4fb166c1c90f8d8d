//! From a statement's plan to the connections it needs.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;

use router_core::id::ShardId;
use router_core::plan::clock::Clock;
use router_core::plan::resolve::{Param, Resolved, Stop};
use router_core::plan::second::SecondReader;
use router_core::plan::{Analysis, Context, Planned, Planner};
use router_core::plan::{
    Asked, Effect, Plan, Role as PlanRole, Route, SessionEffect, SessionStatement, Standby, Touches,
};
use router_core::sql::next_id::Node;
use router_core::sql::statement::{Transaction, TransactionModes};
use router_core::sqlstate::SqlState;
use router_core::topology::{Catalog, Topology};
use smallvec::SmallVec;

use super::commit::unpreparable;
use super::directives::Directives;
use super::link::Role;
use super::{acting, own_plans};
use crate::catalog::SharedCatalog;
use crate::numbers::Numbers;
use crate::settings::{GatherLimits, PoolMode, PoolSettings};
use crate::stats::Stats;
use crate::twophase::TwoPhase;
use crate::wire::buffer::Stock;
use crate::wire::encode::Report;

/// Bytes of a worker's plan cache.
pub const PLAN_CACHE: usize = 16 << 20;

/// What all sessions of one database and user share on one worker.
pub struct Environment {
    /// Where tables live.
    pub topology: Arc<Topology>,
    /// What the servers say about relations and functions.
    pub catalog: Arc<SharedCatalog>,
    /// Transactions over several shards.
    pub two_phase: Arc<TwoPhase>,
    /// Where numbers of `shunt.next_id()` come from.
    pub numbers: Arc<Numbers>,
    /// Which proxy they are of; `None`: there are none.
    pub node: Option<Node>,
    /// `search_path` of a session that has set none, once the server was asked.
    pub search_path: OnceCell<Vec<String>>,
    /// The role by which servers know the user.
    pub role: String,
    /// How many rows a statement may move between shards.
    pub gather: GatherLimits,
    /// Pool settings in force.
    pub pool: PoolSettings,
    /// The worker's planner and room to analyse in.
    pub planner: std::rc::Rc<RefCell<Planning>>,
    /// The worker's memory for queues.
    pub stock: Stock,
    /// Takes turns among shards where any will do.
    pub turn: Cell<usize>,
    /// Where sessions count.
    pub stats: Stats,
}

/// A worker's planner and room to analyse in.
#[derive(Debug)]
pub struct Planning {
    /// The planner.
    pub planner: Planner,
    /// Room for the statements of the query string at hand.
    pub analysis: Analysis,
}

impl Planning {
    /// With a second reader, if there is one.
    pub fn new(second: Option<&Arc<dyn SecondReader>>) -> Self {
        let Self { planner, analysis } = Self::default();
        let planner = match second {
            Some(second) => planner.with_second_reader(Arc::clone(second)),
            None => planner,
        };
        Self { planner, analysis }
    }
}

impl Default for Planning {
    fn default() -> Self {
        Self {
            planner: Planner::new(PLAN_CACHE),
            analysis: Analysis::new(),
        }
    }
}

/// It is no part of a session that has it.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("database", &self.topology.database)
            .finish_non_exhaustive()
    }
}

impl Environment {
    /// Whether there is more than one shard.
    pub fn is_sharded(&self) -> bool {
        self.topology.shards.len() > 1
    }

    /// `search_path` of a session that has set none.
    pub fn search_path(&self) -> &[String] {
        // PostgreSQL's own default.
        self.search_path
            .get_or_init(|| vec!["$user".to_owned(), "public".to_owned()])
    }

    /// Whether bytes go straight through: nobody has to know what they say.
    pub fn is_transparent(&self) -> bool {
        self.pool.mode == PoolMode::Session && !self.is_sharded()
    }

    /// A shard for a statement that any shard can answer.
    pub fn any_shard(&self) -> ShardId {
        let turn = self.turn.get().wrapping_add(1);
        self.turn.set(turn);
        ShardId((turn % self.topology.shards.len()) as u16)
    }
}

/// Where a statement goes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Routed {
    pub(super) shards: Shards,
    pub(super) role: Role,
    /// It may change data.
    pub(super) writes: bool,
    /// What it leaves behind in the server's session.
    pub(super) leaves: u16,
    /// It may change the schema.
    pub(super) schema: bool,
    /// What of the catalog may be another after it.
    pub(super) touches: Touches,
    /// It changes what temporary tables there are.
    pub(super) temporary: bool,
    /// It defines something.
    pub(super) defines: bool,
    /// It begins a transaction in which nothing is changed, of a level that replicas have: with these characteristics.
    pub(super) begins_read_only: Option<TransactionModes>,
    /// What it means to a transaction that is on a replica.
    pub(super) standby: Standby,
    /// It asks for a replica itself.
    pub(super) asks_replica: bool,
    /// It does something that PostgreSQL does not prepare.
    pub(super) unpreparable: bool,
    /// What it does with the time.
    pub(super) clock: Clock,
}

/// Which shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shards {
    /// Any one.
    Any,
    /// These, in ascending order.
    These(SmallVec<[ShardId; 1]>),
}

impl Routed {
    /// To any one shard, by a statement that changes nothing and leaves nothing behind.
    pub(super) fn anywhere(role: Role) -> Self {
        Self {
            shards: Shards::Any,
            role,
            writes: false,
            leaves: 0,
            schema: false,
            touches: Touches::Nothing,
            temporary: false,
            defines: false,
            begins_read_only: None,
            standby: Standby::Reads,
            asks_replica: false,
            unpreparable: false,
            clock: Clock::default(),
        }
    }

    /// To the only shard, with what was said there before.
    pub(super) fn follows() -> Self {
        Self {
            leaves: 0,
            standby: Standby::Reads,
            ..Self::unread()
        }
    }

    /// To the only shard, to be prepared there or described: where it would be carried out.
    pub(super) fn prepares(plan: Option<&Plan>) -> Self {
        let unread = Self {
            leaves: 0,
            ..Self::unread()
        };
        plan.map_or(unread.clone(), |plan| Self {
            role: role(plan),
            begins_read_only: begins_read_only(plan).cloned(),
            // Nothing has ended by that.
            standby: match standby(plan) {
                Standby::Ends { .. } => Standby::Stays,
                standby => standby,
            },
            ..unread
        })
    }

    /// To the primary of the only shard, by a statement that nobody has read.
    pub(super) fn unread() -> Self {
        Self {
            shards: Shards::These(SmallVec::from_elem(ShardId(0), 1)),
            writes: true,
            leaves: UNREAD,
            standby: Standby::Primary,
            ..Self::anywhere(Role::Primary)
        }
    }
}

/// What a statement that nobody has read may leave behind: anything.
pub(crate) const UNREAD: u16 = 1 << 15;

/// Resolves one statement of an analysis.
pub(super) fn resolve(
    environment: &Environment,
    directives: &Directives,
    analysis: &Analysis,
    planned: &Planned,
    text: &str,
    params: &[Param<'_>],
) -> Result<Routed, Box<Report>> {
    let plan = &*planned.plan;
    let topology = &environment.topology;
    let shards = if !environment.is_sharded() && !matches!(plan.route, Route::Refused(_)) {
        Shards::These(SmallVec::from_elem(ShardId(0), 1))
    } else {
        let values = analysis.values(planned, text, params, directives.direction());
        match plan.resolve(topology, &values).map_err(stopped)? {
            Resolved::Shard(shard) => Shards::These(SmallVec::from_elem(shard, 1)),
            Resolved::Any | Resolved::Unrouted => Shards::Any,
            Resolved::Shards(shards) => Shards::These(shards.iter().collect()),
            Resolved::Rows(mut rows) => {
                rows.sort_unstable();
                rows.dedup();
                Shards::These(rows.into_iter().collect())
            }
            Resolved::Program => {
                return Err(Box::new(Report::error(
                    SqlState::new("SH003"),
                    "answer needs merging over several shards",
                )));
            }
            Resolved::ByRow => {
                return Err(Box::new(
                    Report::error(
                        SqlState::new("SH018"),
                        "statement cannot be carried out over shards",
                    )
                    .detail(
                        "The rows of COPY FROM would have to be split by key over several shards.",
                    )
                    .hint("Copy into each shard with SET shunt.shard, or use INSERT."),
                ));
            }
        }
    };
    Ok(Routed {
        shards,
        role: match planned.route {
            Some(Asked::Primary) => Role::Primary,
            _ => role(plan),
        },
        writes: writes(plan),
        leaves: match environment.is_sharded() && acting::acts(plan).is_some() {
            // It goes with the session.
            true => 0,
            false => leaves(plan),
        },
        schema: changes_schema(environment, plan),
        touches: plan.touches.clone(),
        temporary: plan.temporary,
        defines: plan.defines(),
        begins_read_only: begins_read_only(plan)
            .filter(|_| planned.route != Some(Asked::Primary))
            .cloned(),
        standby: standby(plan),
        asks_replica: planned.route == Some(Asked::Replica),
        unpreparable: unpreparable(plan),
        clock: plan.clock,
    })
}

/// Whether a statement changes the schema that others see too. Where there is one shard nobody tells the two apart.
pub(super) fn changes_schema(environment: &Environment, plan: &Plan) -> bool {
    plan.effect == Effect::Schema && !(plan.temporary && environment.is_sharded())
}

/// Which servers may run it, if the session reads from replicas.
pub(super) fn role(plan: &Plan) -> Role {
    match plan.role {
        // What stays with the session must not keep it on a replica.
        PlanRole::Any if SessionEffect { bits: leaves(plan) }.pinning().is_empty() => Role::Replica,
        PlanRole::Any | PlanRole::Primary => Role::Primary,
    }
}

/// What a statement means to a transaction that is on a replica.
pub(super) fn standby(plan: &Plan) -> Standby {
    Standby::of(plan, SessionEffect { bits: leaves(plan) })
}

/// Whether a statement begins a transaction in which nothing is changed, of a level that a replica has.
pub(super) fn begins_read_only(plan: &Plan) -> Option<&TransactionModes> {
    let level = |modes: &TransactionModes| modes.isolation.as_deref().is_none_or(is_on_replicas);
    match &plan.route {
        Route::Transaction(statement) => match &**statement {
            Transaction::Begin(modes) if modes.read_only == Some(true) && level(modes) => {
                Some(modes)
            }
            _ => None,
        },
        _ => None,
    }
}

/// Whether a replica has an isolation level: PostgreSQL's hot standby has all but SERIALIZABLE.
pub(super) fn is_on_replicas(level: &str) -> bool {
    !level.eq_ignore_ascii_case("serializable")
}

/// Whether a statement begins a transaction.
pub(super) fn begins(plan: &Plan) -> bool {
    matches!(&plan.route, Route::Transaction(statement)
        if matches!(&**statement, Transaction::Begin(_)))
}

/// Whether a statement may change data.
fn writes(plan: &Plan) -> bool {
    plan.stores
}

/// What a statement leaves behind that the session cannot put in place elsewhere.
pub(super) fn leaves(plan: &Plan) -> u16 {
    match &plan.route {
        Route::Session(session) => match &**session {
            // Who the session is decides what every other setting may be: that one stays where it was made.
            SessionStatement::SetAuthorization {
                local: false,
                role: Some(_),
            } => plan.session.bits,
            SessionStatement::Set { name, .. }
                if own_plans::stays(name) && !name.starts_with("transaction_") =>
            {
                plan.session.bits
            }
            // What is made from now on may be temporary without a word.
            SessionStatement::Set {
                name,
                values: Some(values),
                ..
            } if name == "search_path" && values.iter().any(|v| v.starts_with("pg_temp")) => {
                plan.session.bits | SessionEffect::TEMPORARY.bits
            }
            SessionStatement::SetConfig(list)
                if list
                    .iter()
                    .any(|one| one.name == "search_path" && one.value.contains("pg_temp")) =>
            {
                plan.session.bits | SessionEffect::TEMPORARY.bits
            }
            // Held cursors stay where they are.
            SessionStatement::Declare { .. } => plan.session.bits,
            // Other settings are tracked.
            _ => 0,
        },
        Route::Transaction(_) => 0,
        _ => plan.session.bits,
    }
}

fn stopped(stop: Stop) -> Box<Report> {
    match stop {
        Stop::Refused(refusal) => Box::new(Report::from(&*refusal)),
    }
}

/// Plans the statements of a text; by a catalog of the session's own, if it has one.
pub(super) fn analyze(
    environment: &Environment,
    planning: &mut Planning,
    directives: &Directives,
    text: &str,
    search_path: &[String],
    standard_strings: bool,
    own: Option<&Catalog>,
) {
    let reading = environment.catalog.current();
    let context = Context {
        topology: &environment.topology,
        catalog: own.unwrap_or(&reading.catalog),
        search_path,
        standard_conforming_strings: standard_strings,
        private: own.is_some(),
        direction: directives.direction(),
        per_shard: directives.per_shard,
    };
    planning
        .planner
        .analyze(text, &context, &mut planning.analysis);
}
