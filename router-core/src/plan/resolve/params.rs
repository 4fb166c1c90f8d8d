//! Which parameters a plan's shards depend on.

use super::Values;
use crate::plan::{
    Answer, KeySource, Merge, On, Plan, Program, Route, Step, Target, Targets, ValueSource,
};

impl Plan {
    /// Whether the shards depend on a parameter that `values` do not have.
    pub fn lacks_params(&self, values: &Values<'_>) -> bool {
        let given = values.params.len();
        match &self.route {
            Route::Single(target) => target.highest_param() > given,
            Route::Scatter { targets, .. } => targets.highest_param() > given,
            Route::Split(split) => split.rows.iter().any(|row| highest(&row.key) > given),
            Route::Program(program) => program.highest_param() > given,
            Route::Explain(inner) => inner.lacks_params(values),
            Route::CopyIn(_)
            | Route::Transaction(_)
            | Route::Session(_)
            | Route::Empty
            | Route::Refused(_) => false,
        }
    }
}

impl On {
    fn highest_param(&self) -> usize {
        match self {
            On::Shard(_) => 0,
            On::Targets(targets) | On::Except(targets, _) => targets.highest_param(),
            On::Home(target) | On::HomeExcept(target, _) => target.highest_param(),
        }
    }
}

impl Program {
    /// The highest parameter that a shard or a count of rows depends on.
    fn highest_param(&self) -> usize {
        let steps = self.steps.iter().map(|step| match step {
            Step::Run { on, .. }
            | Step::Check { on, .. }
            | Step::Show { on, .. }
            | Step::Move { from: on, .. } => on.highest_param(),
            Step::Fetch { from, .. } => from.highest_param(),
            Step::RunEach { .. } => 0,
        });
        let (on, merge) = match &self.answer {
            Answer::Merged { on, merge, .. } => (on.highest_param(), merge),
            Answer::Each { merge, .. } => (0, merge),
            Answer::Finished { on, .. } => (on.highest_param(), &Merge::Concatenate),
            Answer::Tag(_) => (0, &Merge::Concatenate),
        };
        let counts = match merge {
            Merge::Sorted(sorted) => [&sorted.offset, &sorted.limit]
                .into_iter()
                .flatten()
                .map(ValueSource::highest_param)
                .max()
                .unwrap_or(0),
            _ => 0,
        };
        let unless = self.unless.as_ref().map_or(0, Targets::highest_param);
        steps.max().unwrap_or(0).max(on).max(counts).max(unless)
    }
}

impl Target {
    fn highest_param(&self) -> usize {
        match self {
            Target::Key(key) => highest(&key.values),
            Target::Within(targets) => targets.highest_param(),
            Target::Agree { parts, .. } => {
                parts.iter().map(Target::highest_param).max().unwrap_or(0)
            }
            Target::Shard(_) | Target::Any | Target::Directed { .. } => 0,
        }
    }
}

impl Targets {
    fn highest_param(&self) -> usize {
        match self {
            Targets::Keys(keys) => keys.iter().map(|k| highest(&k.values)).max().unwrap_or(0),
            Targets::AnyOf { array, .. } => highest(std::slice::from_ref(array)),
            Targets::Range { low, high, .. } => low
                .iter()
                .chain(high)
                .map(|s| s.value.highest_param())
                .max()
                .unwrap_or(0),
            Targets::Union(parts) => parts.iter().map(Targets::highest_param).max().unwrap_or(0),
            Targets::All | Targets::Shards(_) => 0,
        }
    }
}

fn highest(key: &[KeySource]) -> usize {
    key.iter()
        .map(|s| s.value.highest_param())
        .max()
        .unwrap_or(0)
}

impl ValueSource {
    fn highest_param(&self) -> usize {
        match self {
            Self::Param(n) | Self::SharedParam(n) => usize::from(*n),
            Self::Negate(v) | Self::Cast(v, _) => v.highest_param(),
            Self::Arithmetic(_, a, b) => a.highest_param().max(b.highest_param()),
            Self::Null | Self::Integer(_) | Self::Slot(_) => 0,
        }
    }
}
