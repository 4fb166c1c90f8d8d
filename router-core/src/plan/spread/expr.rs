//! Expressions, and the subqueries in them.

use super::{Prover, Spread};
use crate::plan::function::Nature;
use crate::plan::names::Place;
use crate::plan::walk::{self, Met};
use crate::plan::{Reason, Refusal};
use crate::sql::statement::{Call, Expr, ExprKind, Query, TableRef};

impl Prover<'_, '_> {
    /// That an expression has the same value on every shard, as far as functions go.
    pub(super) fn pure(&self, e: &Expr) -> Result<(), Refusal> {
        let mut error = None;
        walk::expr(e, &mut |met| {
            if let Met::Expr(Expr {
                kind: ExprKind::Call(call),
                ..
            }) = met
                && self.reading.nature(call) != Nature::Pure
            {
                error.get_or_insert_with(|| per_shard(call));
            }
        });
        error.map_or(Ok(()), Err)
    }

    /// An expression of a block whose `FROM` has the sharded uses `uses`.
    pub(super) fn expr(&mut self, e: &Expr, uses: &[usize], output: bool) -> Result<(), Refusal> {
        match &e.kind {
            ExprKind::Call(call) => {
                match self.reading.nature(call) {
                    Nature::Pure => {}
                    // The shards' clocks are not one clock. In a condition that is as good as any moment of reading; in a
                    // value it would show.
                    Nature::Clock if !output && !uses.is_empty() => {}
                    // Another value for each row on one server too.
                    Nature::PerRow if !uses.is_empty() => {}
                    _ => return Err(per_shard(call)),
                }
            }
            ExprKind::Column { name, .. } if is_system_column(name) => {
                return Err(Refusal::new(
                    Reason::SystemColumn,
                    format!("\"{name}\" is about the place of a row on one server."),
                ));
            }
            // As for clocks: what is compared may be of any moment, what shows may not.
            ExprKind::Literal(_) | ExprKind::Param(_) if output || uses.is_empty() => {
                self.reading.note(e);
            }
            _ => {}
        }
        let mut error = None;
        walk::parts(e, &mut |part| {
            if error.is_none() {
                error = match part {
                    walk::Part::Expr(inner) => self.expr(inner, uses, output).err(),
                    walk::Part::Query(q) => self.subquery(q, uses).err(),
                };
            }
        });
        error.map_or(Ok(()), Err)
    }

    /// A subquery of an expression.
    ///
    /// When it is everywhere, each row sees the same result on its shard. Otherwise every sharded use in it must be
    /// bound to the key of a row of the blocks around: then its result for that row depends on rows of that key only,
    /// all of which are on the row's shard, whatever the subquery does with them.
    pub(super) fn subquery(&mut self, q: &Query, uses: &[usize]) -> Result<(), Refusal> {
        let depth = self.outer.len();
        self.outer.extend(uses);
        let around = self.outer.clone();
        let result = if self.bound_to(q, &around) {
            Ok(())
        } else {
            match self.query(q) {
                Ok(Spread::Everywhere) => Ok(()),
                Ok(Spread::Apart(inner)) => Err(Refusal::new(
                    Reason::CrossShardSubquery,
                    match inner.first() {
                        Some(&u) => format!(
                            "A subquery reads \"{}\", of which each shard has only a part.",
                            self.reading.named(u)
                        ),
                        None => {
                            "A subquery reads rows of which each shard has only a part.".to_owned()
                        }
                    },
                )),
                // What hinders it matters less than that it reaches over shards.
                Err(refusal) if refusal.reason == Reason::NeedsMerge => Err(Refusal::new(
                    Reason::CrossShardSubquery,
                    format!("In a subquery: {}", lower(&refusal.detail)),
                )),
                Err(refusal) => Err(refusal),
            }
        };
        self.outer.truncate(depth);
        result
    }

    /// Whether a query reads sharded tables, all of them bound to keys of `around`, and calls nothing that differs by shard.
    pub(super) fn bound_to(&self, q: &Query, around: &[usize]) -> bool {
        let mut sharded = false;
        let mut all = true;
        walk::query(q, &mut |met| match met {
            Met::From(TableRef::Relation(r)) => match self.reading.of(r) {
                Some(at) if self.reading.key(at).is_some() => {
                    sharded = true;
                    all &= around.iter().any(|&u| self.reading.tied(u, at));
                }
                Some(at) => all &= self.reading.places[at] == Place::Reference,
                // The rows of a common table expression from outside are a shard's share of them, bound to nothing.
                None => {
                    all &= !self.ctes.iter().any(|(name, proven)| {
                        *name == r.name.name && !matches!(proven, Ok(Spread::Everywhere))
                    });
                }
            },
            Met::Change(_) => all = false,
            Met::Expr(Expr {
                kind: ExprKind::Call(call),
                ..
            }) => {
                all &= self.reading.nature(call) == Nature::Pure;
            }
            Met::Expr(Expr {
                kind: ExprKind::Column { name, .. },
                ..
            }) => all &= !is_system_column(name),
            Met::Expr(Expr {
                kind: ExprKind::Cast { expr, .. },
                ..
            }) => self.reading.note(expr),
            _ => {}
        });
        sharded && all
    }
}

pub(super) fn per_shard(call: &Call) -> Refusal {
    Refusal::new(
        Reason::Function,
        format!(
            "\"{}\" may give another value on each shard.",
            call.name.name
        ),
    )
}

/// Columns that every table has, about where a row is stored and who wrote it.
pub(in crate::plan) fn is_system_column(name: &str) -> bool {
    matches!(
        name,
        "ctid" | "xmin" | "xmax" | "cmin" | "cmax" | "tableoid"
    )
}

fn lower(sentence: &str) -> String {
    let mut chars = sentence.chars();
    match chars.next() {
        // "LIMIT …" stays as it is.
        Some(first) if !sentence[first.len_utf8()..].starts_with(char::is_uppercase) => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => sentence.to_owned(),
    }
}
