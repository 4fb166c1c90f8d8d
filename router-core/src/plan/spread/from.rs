//! What stands in `FROM`: relations, subqueries, functions and joins.

use super::{Prover, Spread, merging};
use crate::plan::names::Place;
use crate::plan::{Reason, Refusal};
use crate::sql::statement::{Join, JoinKind, Sample, TableRef};

impl Prover<'_, '_> {
    /// `FROM` items. `left` is what stands to the left, for `LATERAL`.
    pub(super) fn from(&mut self, item: &TableRef, left: &Spread) -> Result<Spread, Refusal> {
        match item {
            TableRef::Relation(r) => match self.reading.of(r) {
                // Whether a row is chosen says nothing of others, wherever they are.
                Some(at)
                    if self.reading.key(at).is_some() && r.sample == Some(Sample::ByPlace) =>
                {
                    Err(merging("TABLESAMPLE chooses by the place of a row on one server.")
                        .with_hint("TABLESAMPLE BERNOULLI without REPEATABLE chooses each row by itself."))
                }
                // A sharded table is the disjoint union of its shards' rows; a reference table is the same everywhere.
                Some(at) if self.reading.key(at).is_some() => Ok(Spread::Apart(vec![at])),
                // One that is whole on one shard has no rows on the others.
                Some(at) if self.reading.places[at] != Place::Reference => {
                    Err(self.reading.mixed())
                }
                Some(_) if r.sample.is_some() => {
                    Err(merging("TABLESAMPLE may choose other rows on each shard."))
                }
                Some(_) => Ok(Spread::Everywhere),
                None => match self
                    .ctes
                    .iter()
                    .rev()
                    .find(|(name, _)| *name == r.name.name)
                {
                    Some((_, proven)) => proven.clone(),
                    // A recursive query names itself; it was found to read no sharded table.
                    None if r.name.schema.is_none() => Ok(Spread::Everywhere),
                    None => Err(Refusal::new(
                        Reason::NotRead,
                        format!(
                            "\"{}\" could not be found again in the statement.",
                            r.name.name
                        ),
                    )),
                },
            },
            TableRef::Subquery { lateral, query, .. } => {
                let depth = self.outer.len();
                if let (true, Spread::Apart(uses)) = (*lateral, left) {
                    self.outer.extend(uses);
                }
                let result = match (*lateral, left) {
                    // As for a subquery of an expression: see `subquery`.
                    (true, Spread::Apart(uses)) if self.bound_to(query, uses) => {
                        Ok(Spread::Everywhere)
                    }
                    _ => self.query(query),
                };
                self.outer.truncate(depth);
                result
            }
            // Its rows come from its arguments. One server calls it once for a statement, each shard would call it again.
            TableRef::Function { calls, .. } => {
                for e in calls {
                    self.pure(e)?;
                }
                Ok(Spread::Everywhere)
            }
            TableRef::Join(join) => self.join(join, left),
        }
    }

    pub(super) fn join(&mut self, join: &Join, left: &Spread) -> Result<Spread, Refusal> {
        let l = self.from(&join.left, left)?;
        let beside = match (left, &l) {
            (Spread::Apart(a), Spread::Apart(b)) => {
                Spread::Apart(a.iter().chain(b).copied().collect())
            }
            (Spread::Apart(_), Spread::Everywhere) => left.clone(),
            _ => l.clone(),
        };
        let r = self.from(&join.right, &beside)?;
        match join.kind {
            JoinKind::Inner => self.inner(l, r),
            JoinKind::Left => self.outer_join(l, r),
            JoinKind::Right => self.outer_join(r, l),
            JoinKind::Full => match (l, r) {
                (Spread::Everywhere, Spread::Everywhere) => Ok(Spread::Everywhere),
                (Spread::Apart(a), Spread::Apart(b)) => {
                    // Both sides keep their rows, so ties must hold both ways: then a row's partners are all on its
                    // shard, and whether it has any is decided there.
                    if a.iter().any(|&x| {
                        b.iter()
                            .any(|&y| x != y && self.reading.tied(x, y) && self.reading.tied(y, x))
                    }) {
                        Ok(Spread::Apart(a.into_iter().chain(b).collect()))
                    } else {
                        Err(self.untied(&a, &b))
                    }
                }
                _ => Err(self.preserved()),
            },
        }
    }

    /// Inner join: a row of it is a pair of rows that satisfies the conditions.
    pub(super) fn inner(&self, left: Spread, right: Spread) -> Result<Spread, Refusal> {
        match (left, right) {
            (Spread::Everywhere, Spread::Everywhere) => Ok(Spread::Everywhere),
            // The partner is on every shard, so each row meets all its partners where it is, and nowhere else.
            (Spread::Apart(uses), Spread::Everywhere)
            | (Spread::Everywhere, Spread::Apart(uses)) => Ok(Spread::Apart(uses)),
            // Every pair that counts has equal keys of one placement, so both rows are on one shard: the pair is found
            // there, once, and pairs of rows of different shards do not count.
            (Spread::Apart(a), Spread::Apart(b)) => {
                if self.tied_any(&a, &b) || self.tied_any(&b, &a) {
                    Ok(Spread::Apart(a.into_iter().chain(b).collect()))
                } else {
                    Err(self.untied(&a, &b))
                }
            }
        }
    }

    /// Outer join that keeps the rows of `kept`.
    pub(super) fn outer_join(&self, kept: Spread, other: Spread) -> Result<Spread, Refusal> {
        match (kept, other) {
            (Spread::Everywhere, Spread::Everywhere) => Ok(Spread::Everywhere),
            // Each kept row is on one shard, where all possible partners are.
            (Spread::Apart(uses), Spread::Everywhere) => Ok(Spread::Apart(uses)),
            // All partners of a kept row have its key, so they are on its shard: it is null-extended there exactly when
            // it has no partner at all.
            (Spread::Apart(a), Spread::Apart(b)) => {
                if self.tied_any(&a, &b) {
                    Ok(Spread::Apart(a.into_iter().chain(b).collect()))
                } else {
                    Err(self.untied(&a, &b))
                }
            }
            // Each shard would keep every row of the reference table, and null-extend it where its partner is elsewhere.
            (Spread::Everywhere, Spread::Apart(_)) => Err(self.preserved()),
        }
    }

    pub(super) fn tied_any(&self, a: &[usize], b: &[usize]) -> bool {
        // Two references of one common table expression have the same use, but not the same rows.
        a.iter()
            .any(|&x| b.iter().any(|&y| x != y && self.reading.tied(x, y)))
    }

    pub(super) fn preserved(&self) -> Refusal {
        Refusal::new(
            Reason::ReferencePreserved,
            "Rows that every shard has are kept by an outer join whose other side is spread over shards.",
        )
    }

    pub(super) fn untied(&self, a: &[usize], b: &[usize]) -> Refusal {
        let name = |list: &[usize]| {
            list.first().map_or_else(
                || "a subquery".to_owned(),
                |&u| format!("\"{}\"", self.reading.named(u)),
            )
        };
        Refusal::new(
            Reason::CrossShardJoin,
            format!(
                "{} and {} are joined, but not by their sharding keys.",
                name(a),
                name(b)
            ),
        )
    }
}
