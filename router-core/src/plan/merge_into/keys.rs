//! Keys of a `MERGE` that are constants, as the planner of queries finds them in the join, are read as a `MERGE` means them.
//!
//! 1. In the join the row that is inserted is *compared* with its key, but it is *stored* with it: `11.5` equals no key, and is
//!    stored as 12, and a NULL has no home. Of a key that the target's rows are compared with as well, what it is stored as
//!    counts: either it is the same, or no row anywhere equals it.
//! 2. A parameter that stands twice is of the type that its first use gives it. PostgreSQL reads the source first, then the
//!    condition, then the clauses (`transformMergeStmt`): so where the condition is the first to name it, once, and beside the
//!    key, it is of the key's type wherever else it stands.

use super::super::reading::Reading;
use super::super::{
    KeyTarget, Refusal, Route, Target, Targets, ValueSource,
    key_column::{self, Stored},
};
use super::join::Join;
use super::staged::{conjuncts, joined};
use crate::id::PlacementId;
use crate::sql::lexer::{Lexer, TokenKind};
use crate::sql::statement::{Expr, ExprKind, JoinOn};

/// What a `MERGE` does with its keys.
pub(super) struct Keys {
    /// How each column of the key is stored, when rows are inserted.
    stored: Option<Vec<Stored>>,
    /// The parameters that the condition gives the key's type.
    typed: Vec<u16>,
}

impl Keys {
    pub(super) fn new(
        reading: &Reading<'_>,
        join: &Join<'_>,
        target: usize,
        (key, placement): (&[String], PlacementId),
    ) -> Self {
        let types = &reading.topology.placement(placement).types;
        let table = reading.table(target);
        let stored = key.iter().zip(types).map(|(k, &key_type)| {
            let column = table.and_then(|t| t.column(k));
            let plain = table.is_some_and(|t| !t.beside.triggers && !t.beside.rules);
            Stored {
                required: plain && column.is_some_and(|c| c.not_null),
                cut: key_column::cut(column, key_type),
            }
        });
        Self {
            stored: (!join.keys.is_empty()).then(|| stored.collect()),
            typed: typed(reading, join, key).unwrap_or_default(),
        }
    }

    pub(super) fn route(&self, route: Result<Route, Refusal>) -> Result<Route, Refusal> {
        Ok(match route? {
            Route::Single(to) => Route::Single(self.target(to)),
            Route::Scatter { targets, merge } => Route::Scatter {
                targets: self.targets(targets),
                merge,
            },
            other => other,
        })
    }

    pub(super) fn target(&self, target: Target) -> Target {
        match target {
            Target::Key(key) => Target::Key(self.key(key)),
            Target::Within(targets) => Target::Within(self.targets(targets)),
            Target::Agree { parts, otherwise } => Target::Agree {
                parts: parts.into_iter().map(|part| self.target(part)).collect(),
                otherwise,
            },
            other @ (Target::Shard(_) | Target::Any | Target::Directed { .. }) => other,
        }
    }

    /// Ranges and arrays are conditions only.
    pub(super) fn targets(&self, targets: Targets) -> Targets {
        match targets {
            Targets::Keys(keys) => {
                Targets::Keys(keys.into_iter().map(|key| self.key(key)).collect())
            }
            Targets::Union(parts) => {
                Targets::Union(parts.into_iter().map(|part| self.targets(part)).collect())
            }
            other => other,
        }
    }

    fn key(&self, mut key: KeyTarget) -> KeyTarget {
        for (at, source) in key.values.iter_mut().enumerate() {
            if let Some(stored) = &self.stored {
                source.stored = stored.get(at).copied();
            }
            self.declare(&mut source.value);
        }
        key
    }

    fn declare(&self, value: &mut ValueSource) {
        match value {
            ValueSource::SharedParam(n) if self.typed.contains(n) => {
                *value = ValueSource::Param(*n);
            }
            ValueSource::Negate(inner) | ValueSource::Cast(inner, _) => self.declare(inner),
            ValueSource::Arithmetic(_, left, right) => {
                self.declare(left);
                self.declare(right);
            }
            _ => {}
        }
    }
}

/// The parameters that the condition is the first to name, once, as the key's equal.
fn typed(reading: &Reading<'_>, join: &Join<'_>, key: &[String]) -> Option<Vec<u16>> {
    let (inner, _) = joined(join)?;
    let JoinOn::On(on) = &inner.on else {
        return None;
    };
    let aim = super::join::named_as(&inner.right)?;
    let source = super::join::named_as(&inner.left);
    let is_key = |e: &Expr| match &e.kind {
        ExprKind::Column { qualifier, name } => {
            matches!(&qualifier[..], [one] if *one == aim && source.as_ref() != Some(one))
                && key.contains(name)
        }
        _ => false,
    };
    let mut typed = Vec::new();
    for e in conjuncts(on) {
        let ExprKind::Binary { op, left, right } = &e.kind else {
            continue;
        };
        let n = match (&left.kind, &right.kind) {
            (_, ExprKind::Param(n)) if op == "=" && is_key(left) => *n,
            (ExprKind::Param(n), _) if op == "=" && is_key(right) => *n,
            _ => continue,
        };
        let named = format!("${n}");
        let said = |text: &str| {
            let tokens = Lexer::new(text, reading.options).significant();
            tokens
                .filter(|t| t.kind == TokenKind::Param && t.span.of(text) == named)
                .count()
        };
        let before = join.before.of(join.original);
        if said(before) == 0 && said(join.condition.of(join.original)) == 1 {
            typed.push(n);
        }
    }
    Some(typed)
}
