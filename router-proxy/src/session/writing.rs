//! Whether a statement may write where it goes, and what is remembered of one that does.

use router_core::plan::resolve::Direction;
use router_core::plan::{Merge, Plan, Route, SessionEffect, SessionStatement, Touches};
use router_core::sqlstate::SqlState;

use super::commit::{Traces, obstacle};
use super::route::{Routed, Shards};
use super::{Session, acting};
use crate::catalog::Defining;
use crate::wire::encode::Report;

impl Session {
    /// Whether what a statement is about to do is allowed over several shards.
    pub(super) fn permitted(&self, routed: &Routed, plan: &Plan) -> Result<(), Box<Report>> {
        self.may_recall(routed.leaves)?;
        if !self.environment.is_sharded() {
            return Ok(());
        }
        if self.transaction.is_failed() {
            return Err(Box::new(self.aborted()));
        }
        self.keeps_time(plan, true)?;
        self.permits_cursor(plan)?;
        if let Route::Session(session) = &plan.route
            && let SessionStatement::Fetch(name) = &**session
            && self.is_spread_portal(name)
        {
            return Err(Box::new(
                Report::error(
                    SqlState::new("SH018"),
                    "statement cannot be carried out over shards",
                )
                .detail(format!(
                    "\"{name}\" is a portal of the protocol whose rows come from several shards."
                ))
                .hint("DECLARE a cursor, or read the portal with Execute."),
            ));
        }
        if let Some(report) = acting::unlike_all(plan) {
            return Err(Box::new(report));
        }
        let configures = matches!(&plan.route, Route::Session(session)
            if matches!(**session, SessionStatement::SetConfig(_)));
        if configures && self.links.iter().filter(|link| link.joined).count() > 1 {
            return Err(Box::new(
                Report::error(
                    SqlState::new("SH018"),
                    "statement cannot be carried out over shards",
                )
                .detail("set_config would answer once for each shard that takes part in the transaction.")
                .hint("Use SET or SET LOCAL."),
            ));
        }
        self.knows_the_schema()?;
        let Shards::These(shards) = &routed.shards else {
            return Ok(());
        };
        if shards.len() > 1 && plan.kind == "copy" {
            return Err(Box::new(
                Report::error(
                    SqlState::new("SH003"),
                    "answer needs merging over several shards",
                )
                .detail("COPY reaches over several shards.")
                .hint("Copy from each shard with SET shunt.shard, or add the sharding key."),
            ));
        }
        // These have answers of their own, which more than forwarding makes.
        let in_steps = match &plan.route {
            Route::Split(_) => true,
            Route::Scatter { merge, .. } => *merge != Merge::Concatenate,
            _ => false,
        };
        if shards.len() > 1 && in_steps {
            return Err(Box::new(
                Report::error(SqlState::new("SH025"), "write reaches over several shards")
                    .detail("The statement cannot be carried out on several shards in this way.")
                    .hint("Send it as a simple query, or by a statement for each shard, in one transaction."),
            ));
        }
        Ok(())
    }

    /// Refuses what would be planned without knowing what the transaction has defined on one shard.
    pub(super) fn knows_the_schema(&self) -> Result<(), Box<Report>> {
        if self.schema_directed && self.directives.direction() == Direction::None {
            return Err(Box::new(
                Report::error(
                    SqlState::new("SH018"),
                    "statement follows a change of one shard's schema in the same transaction",
                )
                .detail("What was changed with SET shunt.shard is known to the router only after the commit.")
                .hint("End the transaction first."),
            ));
        }
        Ok(())
    }

    /// Takes note of a change of the schema, and of what of it others' statements may set off.
    pub(super) fn changes_schema(&mut self, leaves: u16, touches: &Touches) {
        self.schema_touches.add(touches);
        let catalog = &self.environment.catalog;
        let defines = leaves & SessionEffect::DEFINES.bits != 0;
        if defines && self.defining.is_none() {
            self.defining = Some(Defining::begin(catalog));
        }
        if self.environment.is_sharded() {
            self.schema_changed = true;
            self.schema_unseen = true;
            self.schema_directed |= self.directives.direction() != Direction::None;
        } else {
            // At once, for what this transaction prepares next; and at its end, for everybody.
            catalog.handle_unplanned_change();
            self.schema_unplanned.get_or_insert(catalog.wanted());
            self.schema_adds |= leaves & SessionEffect::ADDS.bits != 0;
            self.schema_changed |= defines;
        }
    }

    /// The transaction that may have changed the schema of the only server has ended.
    pub(super) fn end_unplanned_change(&mut self) {
        let Some(before) = self.schema_unplanned.take() else {
            return;
        };
        let catalog = &self.environment.catalog;
        catalog.handle_unplanned_change();
        // What it names may have been defined while it waited for a lock: it was planned without knowing of that.
        if catalog.wanted() != before {
            self.schema_changed = true;
            self.schema_touches = Touches::Anything;
        }
        if std::mem::take(&mut self.schema_adds) {
            catalog.handle_addition();
        }
    }

    /// Takes note of a shard that is written in a transaction.
    pub(super) fn wrote(&mut self, routed: &Routed) {
        // What is defined while the catalog is out of date was planned without it (see `is_about_to_plan`), though it may run
        // what was defined just before.
        let unseen =
            routed.schema && !self.environment.is_sharded() && self.environment.catalog.is_stale();
        if unseen {
            for i in 0..self.group.len() {
                let unknown = SessionEffect::DEFINES.union(SessionEffect::UNKNOWN);
                self.leave(self.group[i], unknown.bits);
            }
        }
        let mut leaves = routed.leaves;
        if unseen {
            leaves |= SessionEffect::DEFINES.bits;
        }
        if routed.schema || leaves & SessionEffect::DEFINES.bits != 0 {
            self.changes_schema(leaves, &routed.touches);
        }
        if routed.temporary && self.environment.is_sharded() {
            self.changes_temporary();
        }
        if routed.defines {
            let group = self.group.clone();
            self.defines(routed.defines, &routed.touches, &group);
        }
        self.stores_time(routed.clock, true, routed.writes);
        let traces = Traces {
            wrote: routed.writes || routed.unpreparable,
            obstacle: obstacle(routed.unpreparable),
        };
        for i in 0..self.group.len() {
            self.leaves_traces(self.group[i], traces);
        }
    }
}
