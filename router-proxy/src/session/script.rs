//! A simple query of several statements that do not go together: they are planned and carried out one by one.

use std::rc::Rc;

use router_core::plan::Route;

use super::client::Taken;
use super::goes_back::Hidden;
use super::outer::Held;
use super::rewritten::Positions;
use super::route::{self, Routed, Shards};
use super::step::{Own, Ready, Step};
use super::{Session, outer};
use crate::exec::program::Bound;

/// A query string of several statements, carried out one by one.
#[derive(Debug, Default)]
pub(super) struct Script {
    text: String,
    statements: Vec<router_core::plan::Planned>,
    next: usize,
    analysis: router_core::plan::Analysis,
    /// Its text is not as the client wrote it.
    rewritten: bool,
}

/// A statement of a script, planned when its turn comes.
#[derive(Debug)]
pub(super) struct Turn {
    text: String,
    analysis: router_core::plan::Analysis,
    planned: router_core::plan::Planned,
}

impl Session {
    /// Statements that are carried out one by one, in one transaction.
    pub(super) fn query_script(&mut self, planning: &mut route::Planning, text: &str) -> Taken {
        let statements = planning.analysis.statements().to_vec();
        let several = statements.len() > 1;
        let ends_pipeline = self.ends_pipeline();
        self.script = Some(Box::new(Script {
            text: text.to_owned(),
            statements,
            next: 0,
            analysis: std::mem::take(&mut planning.analysis),
            rewritten: self.outer.instead.is_some(),
        }));
        if !self.transaction.is_open() {
            self.transaction.begin(&Default::default(), true);
        }
        if ends_pipeline || self.transaction.implicit {
            self.transaction.several = several;
        }
        Taken::Discard
    }

    /// Where all statements of a message go as they are, when that is one shard.
    pub(super) fn one_home(
        &mut self,
        analysis: &router_core::plan::Analysis,
        text: &str,
    ) -> Option<Routed> {
        if self.transaction.is_failed() {
            return None;
        }
        let mut home: Option<Routed> = None;
        for planned in analysis.statements() {
            if matches!(
                planned.plan.route,
                Route::Transaction(_) | Route::Session(_) | Route::Explain(_) | Route::Empty
            ) {
                return None;
            }
            let routed = route::resolve(
                &self.environment,
                &self.directives,
                analysis,
                planned,
                text,
                &[],
            )
            .ok()?;
            self.permitted(&routed, &planned.plan).ok()?;
            // What it names is looked for when its turn comes.
            if planned.unknown || self.concerns(planned) {
                return None;
            }
            home = Some(match (home, routed) {
                (None, routed) => routed,
                (Some(mut a), b) => {
                    match (&a.shards, &b.shards) {
                        (Shards::Any, _) => a.shards = b.shards.clone(),
                        (_, Shards::Any) => {}
                        (x, y) if x == y => {}
                        _ => return None,
                    }
                    if a.role != b.role {
                        a.role = super::Role::Primary;
                    }
                    a.writes |= b.writes;
                    a.leaves |= b.leaves;
                    a.schema |= b.schema;
                    a.touches.add(&b.touches);
                    a.temporary |= b.temporary;
                    a.defines |= b.defines;
                    a.clock = a.clock.and(b.clock);
                    a
                }
            });
        }
        home.filter(|routed| match &routed.shards {
            Shards::Any => true,
            Shards::These(shards) => shards.len() == 1,
        })
    }

    /// Goes on with a query string of several statements. Whether anything happened.
    pub(super) fn continue_script(&mut self) -> bool {
        let mut progress = false;
        while self.script.is_some()
            && self.poll_ground().is_none()
            && self.operation.is_none()
            && self.steps.is_empty()
            && !self.wants_any()
            && !self.asks_catalog
        {
            let Some(script) = self.script.take() else {
                break;
            };
            progress = true;
            // A statement that succeeds leaves no failed transaction, so the last one failed:
            // as in PostgreSQL, the rest of the message is not run, whoever began the transaction.
            if self.transaction.is_failed() && script.next > 0 {
                self.end_script();
                break;
            }
            let Some(planned) = script.statements.get(script.next).cloned() else {
                let commits = self.transaction.implicit && !self.transaction.is_failed();
                if commits && !self.may_commit() {
                    self.script = Some(script);
                } else {
                    self.end_script();
                }
                break;
            };
            // What follows a COMMIT or ROLLBACK of the message is in an implicit transaction of its own.
            if !self.transaction.is_open() {
                self.transaction.begin(&Default::default(), true);
                self.transaction.several = script.statements.len() > 1;
            }
            let waits = self.script_statement(&script, &planned);
            let mut script = script;
            if !waits {
                self.outer = Default::default();
                script.next += 1;
            }
            // An error of this statement ends the message.
            if self.transaction.is_failed() && self.steps.is_empty() && !waits {
                self.end_script();
            } else {
                self.script = Some(script);
            }
            if waits {
                break;
            }
        }
        progress
    }

    /// A statement of a script by what is defined by now, where that is not what the script was planned by.
    pub(super) fn turn(&mut self, script: &Script) -> Result<Option<Turn>, Held> {
        let Some(planned) = script.statements.get(script.next) else {
            return Ok(None);
        };
        if matches!(planned.plan.route, Route::Refused(_)) {
            let before = &script.text[..planned.span.start as usize];
            self.outer.before = before.chars().count();
        }
        let committed = self.schema_changed && planned.plan.looks_up();
        self.learn_what_was_committed(planned)?;
        let learned = self.learn(planned)?;
        let own = self.own_catalog().is_some() && planned.plan.looks_up();
        if !learned && !own && !committed && !planned.unknown {
            return Ok(None);
        }
        // From the end of the statement before, since comments in front may say something.
        let before = script
            .next
            .checked_sub(1)
            .and_then(|at| script.statements.get(at));
        let from = before.map_or(0, |before| before.span.end as usize);
        let text = &script.text[from..planned.span.end as usize];
        let mut analysis = {
            let environment = Rc::clone(&self.environment);
            let planning = &mut *environment.planner.borrow_mut();
            self.analyze(planning, text);
            std::mem::take(&mut planning.analysis)
        };
        let [one] = analysis.statements() else {
            return Ok(None);
        };
        let one = one.clone();
        if one.unknown {
            let before = &script.text[..planned.span.start as usize];
            self.outer.before = before.chars().count();
            let text = planned.span.of(&script.text);
            self.look_for_names(&one, text, &[0, 0])?;
        }
        Ok(Some(Turn {
            text: text.to_owned(),
            analysis: std::mem::take(&mut analysis),
            planned: one,
        }))
    }

    /// One statement of a script; `true` when it waits for connections.
    pub(super) fn script_statement(
        &mut self,
        script: &Script,
        planned: &router_core::plan::Planned,
    ) -> bool {
        let turn = match self.turn(script) {
            // An error in the place of its connections is told first.
            _ if self.refusal.is_some() => None,
            Ok(turn) => turn,
            Err(Held::Wait) => return true,
            Err(Held::Failed(error)) => {
                self.owe(Step::Own(Own::Bytes(error)));
                self.transaction.fail();
                return false;
            }
        };
        let place = planned.span.start as usize;
        let (analysis, planned, whole) = match &turn {
            Some(turn) => (&turn.analysis, &turn.planned, &turn.text),
            None => (&script.analysis, planned, &script.text),
        };
        let plan = &*planned.plan;
        let text = planned.span.of(whole);
        if let Some(report) = self.refusal.take() {
            self.owe(Step::Own(Own::Bytes(Self::bytes_of(&report))));
            self.transaction.fail();
            return false;
        }
        let last = self.transaction.implicit && script.next + 1 == script.statements.len();
        let ready = if last { Ready::Last } else { Ready::Silent };
        let said = match outer::carries_another(plan) {
            true => ready,
            false => Ready::Silent,
        };
        if let Some(taken) = self.local(plan, text, said) {
            return taken == Taken::Wait;
        }
        let execution = self.execution(analysis, planned, whole, &[]);
        if let Some(execution) = execution {
            return match execution {
                Ok(execution) => self.start(execution, Bound::simple(), plan, ready) == Taken::Wait,
                Err(report) => {
                    self.owe(Step::Own(Own::Bytes(Self::bytes_of(&report))));
                    self.transaction.fail();
                    false
                }
            };
        }
        let routed = route::resolve(
            &self.environment,
            &self.directives,
            analysis,
            planned,
            whole,
            &[],
        )
        .and_then(|routed| self.permitted(&routed, plan).map(|()| routed));
        let routed = match routed {
            Ok(routed) => routed,
            Err(report) => {
                let bytes = Self::bytes_of(&report);
                self.owe(Step::Own(Own::Bytes(bytes)));
                self.transaction.fail();
                return false;
            }
        };
        let routed = self.find_cursor(plan, routed);
        if !self.ensure(&routed) {
            return true;
        }
        self.wrote(&routed);
        let before = &script.text[..place];
        let positions = match script.rewritten {
            true => Positions::Lost,
            false => Positions::Behind(before.chars().count()),
        };
        self.note_rewritten(self.place(), positions, Hidden::new());
        let note = self.note(plan);
        self.steps.push_back(Step::Query(ready, note));
        for &slot in &self.group {
            self.links[slot].out.frame(b'Q', &[text.as_bytes(), &[0]]);
        }
        false
    }

    /// The last statement is done, or one failed.
    pub(super) fn end_script(&mut self) {
        if self.transaction.implicit {
            self.portals.clear();
            self.end_cursors(!self.transaction.is_failed());
        }
        if self.transaction.is_failed() {
            self.withheld.clear();
            if self.transaction.implicit {
                if let Some(report) = self.transaction.unheard.take() {
                    // What has been carried out is undone: a server was lost behind it.
                    self.owe(Step::Own(Own::Bytes(Self::bytes_of(&report))));
                }
                self.finish_joined("ROLLBACK", Ready::Quiet);
            }
        } else if self.transaction.implicit {
            if self.commit_joined(None, Ready::Pass, None) {
                return;
            }
            self.settle(&[], false);
        }
        self.say_withheld();
        self.owe(Step::Own(Own::Ready));
    }
}
