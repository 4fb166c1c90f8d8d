//! From text to plans: what the proxy, `shunt explain` and the client library call.

use std::sync::Arc;

use super::cache::{Cache, ContextId};
use super::resolve::{Direction, Literal, Param, Values};
use super::{Effect, Plan, Reason, Refusal, Role, Route, SessionEffect, Target};
use crate::id::{Epoch, ShardId, Span};
use crate::topology::Topology;

/// What the meaning of a statement depends on beside its text.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Where tables live.
    pub topology: &'a Topology,
    /// The session's `search_path`, each schema as meant (unquoted), in order. `"$user"` stands as it is.
    pub search_path: &'a [String],
    /// The session's `standard_conforming_strings`.
    pub standard_conforming_strings: bool,
    /// Whether the session names a shard or key (`shunt.shard`, `shunt.key`).
    pub directed: bool,
}

/// One worker's planner: what it has planned already, and room to work in.
#[derive(Debug)]
pub struct Planner {
    plans: Cache<Plan>,
    contexts: Vec<KnownContext>,
}

/// A [`Context`] that plans were made in.
#[derive(Debug, PartialEq)]
struct KnownContext {
    epoch: Epoch,
    database: String,
    search_path: Vec<String>,
    standard_conforming_strings: bool,
    directed: bool,
}

/// The statements of a query string. Made once and used again and again: analysing into it allocates nothing
/// when the plans are in the cache.
#[derive(Debug, Default)]
pub struct Analysis {
    statements: Vec<Planned>,
    literals: Vec<Literal>,
}

/// One statement of a query string with its plan.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Where it stands in the query string.
    pub span: Span,
    /// The plan.
    pub plan: Arc<Plan>,
    /// Its literals among those of the analysis.
    literals: (u32, u32),
}

impl Analysis {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The statements, in order. Empty when the string has none.
    pub fn statements(&self) -> &[Planned] {
        &self.statements
    }

    /// The values of a statement of this analysis: `text` is the analysed string, `params` those of its execution.
    pub fn values<'a>(
        &'a self,
        statement: &Planned,
        text: &'a str,
        params: &'a [Param<'a>],
    ) -> Values<'a> {
        let (from, to) = statement.literals;
        Values {
            text,
            literals: self.literals.get(from as usize..to as usize).unwrap_or(&[]),
            params,
            direction: Direction::None,
        }
    }
}

/// More contexts than this are not kept apart: the cache starts anew.
const MAX_CONTEXTS: usize = 64;

impl Planner {
    /// A planner whose cache holds at most `cache_bytes`.
    pub fn new(cache_bytes: usize) -> Self {
        Self {
            plans: Cache::new(cache_bytes),
            contexts: Vec::new(),
        }
    }

    /// Plans every statement of a query string.
    pub fn analyze(&mut self, text: &str, context: &Context<'_>, out: &mut Analysis) {
        out.statements.clear();
        out.literals.clear();
        let id = self.context(context);
        let plan = match self.plans.get(id, text.as_bytes()) {
            Some(plan) => plan.clone(),
            None => {
                let plan = Arc::new(unread(context.topology, "the text"));
                self.plans.insert(id, text.as_bytes(), plan.clone(), 256);
                plan
            }
        };
        out.statements.push(Planned {
            span: Span::new(0, text.len()),
            plan,
            literals: (0, 0),
        });
    }

    fn context(&mut self, context: &Context<'_>) -> ContextId {
        let known = |k: &KnownContext| {
            k.epoch == context.topology.epoch
                && k.directed == context.directed
                && k.standard_conforming_strings == context.standard_conforming_strings
                && k.database == context.topology.database
                && k.search_path == context.search_path
        };
        if let Some(at) = self.contexts.iter().position(known) {
            return ContextId(at as u32);
        }
        if self.contexts.len() == MAX_CONTEXTS {
            self.contexts.clear();
            self.plans.clear();
        }
        self.contexts.push(KnownContext {
            epoch: context.topology.epoch,
            database: context.topology.database.clone(),
            search_path: context.search_path.to_vec(),
            standard_conforming_strings: context.standard_conforming_strings,
            directed: context.directed,
        });
        ContextId((self.contexts.len() - 1) as u32)
    }
}

/// The plan of a statement that is not read: to the one shard, or refused.
fn unread(topology: &Topology, what: &str) -> Plan {
    let route = if topology.shards.len() == 1 {
        Route::Single(Target::Shard(ShardId(0)))
    } else {
        Route::Refused(Box::new(Refusal::new(
            Reason::NotRead,
            format!("The planner met {what}."),
        )))
    };
    Plan {
        epoch: topology.epoch,
        kind: "unknown".into(),
        effect: Effect::Write,
        role: Role::Primary,
        route,
        session: SessionEffect::default(),
        tables: Vec::new(),
    }
}
