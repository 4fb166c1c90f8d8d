//! How much room a plan takes in the cache.

use super::{Plan, Route, Target, Targets};

/// A rough count of a plan's bytes, for the cache's limit: the plan itself, its tables, and each of its keys.
pub(super) fn size(plan: &Plan) -> usize {
    fn targets(t: &Targets) -> usize {
        match t {
            Targets::Keys(keys) => keys.len() * 96,
            Targets::Union(parts) => parts.iter().map(targets).sum(),
            _ => 96,
        }
    }
    let route = match &plan.route {
        Route::Scatter { targets: t, .. } => targets(t),
        Route::Single(Target::Agree { parts, .. }) => {
            256 + parts
                .iter()
                .map(|p| match p {
                    Target::Within(t) => targets(t),
                    _ => 96,
                })
                .sum::<usize>()
        }
        Route::Split(split) => split.rows.len() * 96,
        Route::CopyIn(copy) => copy.table.len() + 512,
        Route::Program(program) => program.size(),
        Route::Explain(inner) => size(inner),
        Route::Refused(r) => r.message.len() + r.detail.len() + r.hint.len() + 128,
        _ => 96,
    };
    let moments = plan.moments.as_ref().map_or(0, |m| {
        size_of_val(&**m) + m.slots.len() * 4 + m.params.len() * 2
    });
    let turns = plan.turns.iter().map(|turn| turn.table.len() + 24);
    moments
        + turns.sum::<usize>()
        + size_of::<Plan>()
        + plan.tables.iter().map(|t| t.len() + 24).sum::<usize>()
        + route
}
