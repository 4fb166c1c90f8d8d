//! Statements that are carried out in steps, as the session starts them. The interpreter is [`crate::exec::program`].

use router_core::plan::resolve::{Param, Resolved, Stop};
use router_core::plan::{Analysis, Answer, Effect, Merge, On, Plan, Planned, Program, Route};

use super::client::{Taken, aborted};
use super::route;
use super::step::Ready;
use super::{Role, Session};
use crate::exec::program::{Bound, Execution, Terms, Within};
use crate::wire::encode::Report;

impl Session {
    /// What an execution comes to when it is one in steps. `None`: it goes to one shard as it is, or is no program.
    pub(super) fn execution(
        &self,
        analysis: &Analysis,
        planned: &Planned,
        text: &str,
        params: &[Param<'_>],
    ) -> Option<Result<Execution, Box<Report>>> {
        let plan = &*planned.plan;
        let topology = &self.environment.topology;
        let values = analysis.values(planned, text, params, self.directives.direction());
        let made;
        let program = match &plan.route {
            _ if !self.environment.is_sharded() => return None,
            Route::Program(program) => program,
            Route::Scatter { targets, merge } if *merge == Merge::OneByOne => {
                made = Box::new(alone(
                    On::Targets(targets.clone()),
                    planned.span.of(text),
                    merge,
                ));
                &made
            }
            _ => return None,
        };
        match plan.resolve(topology, &values) {
            Ok(Resolved::Program | Resolved::Shards(_)) => {}
            Ok(_) => return None,
            Err(Stop::Refused(refusal)) => return Some(Err(Box::new(Report::from(&*refusal)))),
        }
        if self.transaction.is_failed() {
            return Some(Err(Box::new(aborted())));
        }
        let preface;
        let within = if !self.transaction.is_open() {
            Within::None
        } else if self.reads_only() && !program.temporary.is_empty() {
            preface = self.transaction.preface();
            Within::ReadOnly(preface)
        } else {
            Within::Transaction
        };
        let reads = if route::role(plan) == Role::Replica && self.reads_replicas() {
            Role::Replica
        } else {
            Role::Primary
        };
        let terms = Terms {
            topology,
            values: &values,
            reads,
            effect: plan.effect,
            within,
            limits: self.environment.gather,
        };
        Some(Execution::new(program, &terms))
    }

    /// Whether the transaction under way may make no tables.
    fn reads_only(&self) -> bool {
        let by_default = self.wanted.get("default_transaction_read_only");
        let by_default = by_default
            .and_then(|values| values.first())
            .is_some_and(|value| !matches!(value.as_str(), "off" | "false" | "no" | "0"));
        self.transaction.is_read_only() || by_default
    }

    /// Whether a statement outside a transaction has to be in one, which ends with it.
    pub(super) fn needs_transaction(
        &self,
        analysis: &Analysis,
        planned: &Planned,
        text: &str,
    ) -> bool {
        let values = analysis.values(planned, text, &[], self.directives.direction());
        self.environment.is_sharded()
            && !self.transaction.is_open()
            && matches!(&planned.plan.route, Route::Program(program) if program.writes)
            && planned.plan.resolve(&self.environment.topology, &values) == Ok(Resolved::Program)
    }

    /// Starts an execution in steps once its connections are there. Nothing else is under way.
    pub(super) fn start(
        &mut self,
        execution: Execution,
        bound: Bound,
        plan: &Plan,
        ready: Ready,
    ) -> Taken {
        let Some(slots) = self.ensure_parts(execution.wanted()) else {
            return Taken::Wait;
        };
        if plan.effect == Effect::Schema {
            self.changes_schema();
        }
        for &slot in &slots {
            if !self.links[slot].apart {
                self.links[slot].pinned |= route::leaves(plan);
            }
        }
        let execution = Box::new(execution.bind(bound));
        self.operate(execution, &slots, ready, self.note(plan));
        Taken::Discard
    }
}

/// A statement as a program without steps.
fn alone(on: On, text: &str, merge: &Merge) -> Program {
    Program {
        unless: None,
        steps: Vec::new(),
        answer: Answer::Merged {
            on,
            text: text.to_owned(),
            merge: merge.clone(),
        },
        temporary: Vec::new(),
        writes: false,
    }
}
