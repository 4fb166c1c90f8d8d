//! From a statement and its parameters to shards.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use bytes::BytesMut;
use router_core::plan::cache::{Cache, ContextId};
use router_core::plan::{
    Analysis, Context, Effect, Merge, Param, Plan, Planner, Reason, Refusal, Resolved, Role, Route,
    SessionEffect, Stop,
};
use router_core::sqlstate::SqlState;
use router_core::topology::{Catalog, ShardSet, Topology};
use tokio_postgres::types::{Format, IsNull, ToSql, Type};

use crate::{RouteOptions, RouterError};

/// What statements are planned by: one snapshot of what exists where.
#[derive(Debug)]
pub(crate) struct Planning {
    pub(crate) topology: Topology,
    catalog: Catalog,
    search_path: Vec<String>,
    /// Planners, each behind its own lock: a thread takes one that nobody holds.
    planners: Box<[Mutex<Known>]>,
    threads: RandomState,
}

/// What was learned already.
#[derive(Debug)]
struct Known {
    planner: Planner,
    /// The types of parameters, by the statement's text.
    types: Cache<Vec<Type>>,
}

/// The types of parameters have a cache of this part of the plans' size.
const TYPES_SHARE: usize = 8;

/// A statement that is planned and may be run.
pub(crate) struct Planned {
    plan: Arc<Plan>,
    analysis: Analysis,
}

/// Where an execution goes.
#[derive(Debug)]
pub(crate) struct Routed {
    pub(crate) to: To,
    /// Whether a replica may answer.
    pub(crate) any_role: bool,
    /// Whether the server's session has to be cleaned afterwards.
    pub(crate) cleaning: bool,
}

/// The shards of an execution.
#[derive(Debug)]
pub(crate) enum To {
    /// One.
    Shard(router_core::id::ShardId),
    /// Any one.
    Any,
    /// Each of these; reads only.
    Each(ShardSet),
    /// None: there is no statement.
    Nowhere,
}

impl Planning {
    pub(crate) fn new(
        topology: Topology,
        catalog: Catalog,
        search_path: Vec<String>,
        cache: usize,
    ) -> Self {
        let count = std::thread::available_parallelism().map_or(1, |n| n.get());
        let each = cache / count;
        let planners = (0..count).map(|_| {
            Mutex::new(Known {
                planner: Planner::new(each),
                types: Cache::new(each / TYPES_SHARE),
            })
        });
        Self {
            topology,
            catalog,
            search_path,
            planners: planners.collect(),
            threads: RandomState::new(),
        }
    }

    /// A planner that nobody holds, the same one for the same thread if possible.
    fn known(&self) -> MutexGuard<'_, Known> {
        let count = self.planners.len();
        let first = self.threads.hash_one(std::thread::current().id()) as usize % count;
        for n in 0..count {
            match self.planners[(first + n) % count].try_lock() {
                Ok(known) => return known,
                // A cache is whole between any two of its steps; at worst something is missing from it.
                Err(TryLockError::Poisoned(known)) => return known.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        self.planners[first]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans the one statement of `sql`. `None` when it has none.
    pub(crate) fn plan(
        &self,
        sql: &str,
        options: &RouteOptions,
    ) -> Result<Option<Planned>, RouterError> {
        let mut analysis = Analysis::new();
        let context = Context {
            direction: options.direction(),
            ..Context::new(&self.topology, &self.catalog, &self.search_path)
        };
        self.known().planner.analyze(sql, &context, &mut analysis);
        let plan = match analysis.statements() {
            [] => return Ok(None),
            [one] => one.plan.clone(),
            _ => return Err(several().into()),
        };
        accept(&plan)?;
        Ok(Some(Planned { plan, analysis }))
    }

    /// The types of a statement's parameters, if a server was asked for them already.
    pub(crate) fn types(&self, sql: &str) -> Option<Arc<Vec<Type>>> {
        self.known()
            .types
            .get(ContextId(0), sql.as_bytes())
            .cloned()
    }

    /// Keeps the types of a statement's parameters.
    pub(crate) fn keep_types(&self, sql: &str, types: &[Type]) -> Arc<Vec<Type>> {
        let types = Arc::new(types.to_vec());
        let size = types.len() * size_of::<Type>();
        self.known()
            .types
            .insert(ContextId(0), sql.as_bytes(), types.clone(), size);
        types
    }

    /// Where an execution goes. `types` are those of the parameters, when the plan needs their values.
    pub(crate) fn route(
        &self,
        sql: &str,
        planned: &Planned,
        options: &RouteOptions,
        types: &[Type],
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Routed, RouterError> {
        let encoded = Encoded::new(types, params)?;
        let encoded: Vec<Param<'_>> = encoded.params().collect();
        let Planned { plan, analysis } = planned;
        let statement = &analysis.statements()[0];
        let values = analysis.values(statement, sql, &encoded, options.direction());
        let resolved = plan
            .resolve(&self.topology, &values)
            .map_err(|Stop::Refused(refusal)| RouterError::from(*refusal))?;
        let to = match resolved {
            Resolved::Shard(id) => To::Shard(id),
            Resolved::Any => To::Any,
            Resolved::Shards(set) => {
                several_shards(plan)?;
                To::Each(set)
            }
            Resolved::Rows(_) | Resolved::ByRow => return Err(apart().into()),
            Resolved::Program => {
                several_shards(plan)?;
                let on = match &plan.route {
                    Route::Program(program) => program.as_it_is(),
                    _ => None,
                };
                let on = on.ok_or_else(apart)?;
                To::Each(
                    on.resolve(&self.topology, &values)
                        .map_err(|Stop::Refused(refusal)| RouterError::from(*refusal))?,
                )
            }
            Resolved::Unrouted => To::Nowhere,
        };
        Ok(Routed {
            to,
            any_role: plan.role == Role::Any && plan.effect == Effect::Read,
            cleaning: !plan.session.is_empty(),
        })
    }
}

impl Planned {
    /// Whether the values of parameters decide where it goes.
    pub(crate) fn needs_types(&self, params: usize) -> bool {
        params > 0 && self.plan.depends_on_values()
    }
}

/// Several statements in one text, as PostgreSQL says it.
fn several() -> Refusal {
    let mut refusal = Refusal::new(
        Reason::SessionStatement,
        "The text has more than one statement.",
    )
    .with_hint("Run them one by one, in a transaction if they belong together.");
    refusal.sqlstate = SqlState::new("42601");
    refusal.message = "cannot run several statements at once".to_owned();
    refusal
}

fn apart() -> Refusal {
    Refusal::new(
        Reason::WriteOverShards,
        "The rows of the INSERT belong to different shards.",
    )
    .with_hint("Use one INSERT for the rows of each shard; shard_for says whose they are.")
}

/// What a connection out of a pool, used for one statement, cannot carry out.
fn accept(plan: &Plan) -> Result<(), RouterError> {
    let own_session = |what: &str| {
        Refusal::new(Reason::SessionStatement, what.to_owned())
            .with_hint("Take a connection of one shard with on(), and run it there.")
    };
    let refusal = match (&plan.route, plan.effect) {
        (Route::Refused(refusal), _) => (**refusal).clone(),
        (Route::Transaction(_), _) | (_, Effect::Transaction) => Refusal::new(
            Reason::SessionStatement,
            "A transaction statement would end with the connection that it is run on.",
        )
        .with_hint("Use transaction_for(), or on() and the driver's own transactions."),
        (Route::Session(_), _) | (_, Effect::Session) => {
            own_session("A statement about the session would be undone with the next one.")
        }
        (Route::Explain(_), _) => own_session("EXPLAIN (SHUNT) is answered by the proxy."),
        _ if plan.kind.starts_with("copy") => {
            own_session("COPY streams rows over the connection that it is run on.")
        }
        _ if LASTING.iter().any(|one| plan.session.contains(*one)) => own_session(
            "It leaves something behind in the session, and each statement has another session.",
        ),
        _ => return Ok(()),
    };
    Err(refusal.into())
}

/// What a statement leaves behind for others of its session to use, so that it has no use without them.
const LASTING: [SessionEffect; 6] = [
    SessionEffect::SETTING,
    SessionEffect::PREPARED,
    SessionEffect::TEMPORARY,
    SessionEffect::ADVISORY_LOCK,
    SessionEffect::LISTEN,
    SessionEffect::HELD_CURSOR,
];

/// Over several shards go reads whose rows are put one after the other.
fn several_shards(plan: &Plan) -> Result<(), RouterError> {
    let refusal = match &plan.route {
        Route::Scatter {
            merge: Merge::Concatenate,
            ..
        } if plan.effect == Effect::Read => return Ok(()),
        // A view, of which the proxy asks a server whether it is what it was.
        Route::Program(program) if plan.effect == Effect::Read && program.as_it_is().is_some() => {
            return Ok(());
        }
        _ if plan.effect == Effect::Read => Refusal::new(
            Reason::NeedsMerge,
            "The answers of the shards would have to be merged, which the library does not do.",
        ),
        _ => Refusal::new(
            Reason::WriteOverShards,
            "The statement changes several shards, which no one transaction of the library covers.",
        )
        .with_hint(
            "Add the sharding key to the WHERE clause, or run it on each shard with all_shards().",
        ),
    };
    Err(refusal.into())
}

/// Parameters as the driver will send them.
struct Encoded {
    bytes: BytesMut,
    params: Vec<EncodedParam>,
}

struct EncodedParam {
    oid: u32,
    binary: bool,
    /// Where it lies in the bytes; `None` for NULL.
    place: Option<Range<usize>>,
}

impl Encoded {
    fn new(types: &[Type], params: &[&(dyn ToSql + Sync)]) -> Result<Self, RouterError> {
        let mut encoded = Self {
            bytes: BytesMut::new(),
            params: Vec::with_capacity(types.len()),
        };
        // Without types no value decides anything.
        if types.is_empty() {
            return Ok(encoded);
        }
        if types.len() != params.len() {
            return Err(RouterError::ParameterCount {
                expected: types.len(),
                given: params.len(),
            });
        }
        for (index, (value, of)) in params.iter().zip(types).enumerate() {
            let start = encoded.bytes.len();
            let null = value
                .to_sql_checked(of, &mut encoded.bytes)
                .map_err(|source| RouterError::Parameter {
                    number: index + 1,
                    source,
                })?;
            let place = match null {
                IsNull::No => Some(start..encoded.bytes.len()),
                IsNull::Yes => None,
            };
            let binary = matches!(value.encode_format(of), Format::Binary);
            encoded.params.push(EncodedParam {
                oid: of.oid(),
                binary,
                place,
            });
        }
        Ok(encoded)
    }

    fn params(&self) -> impl Iterator<Item = Param<'_>> {
        self.params.iter().map(|param| Param {
            oid: param.oid,
            binary: param.binary,
            value: param.place.clone().map(|place| &self.bytes[place]),
        })
    }
}
