//! Long lists of constants: of a statement with thousands of rows a few are planned.
//!
//! What is read of a text takes more than a hundred times its room. Rows of constants alone, and such elements of `IN`, differ in
//! nothing but their values, which no plan of a shape knows; so a text with the first of them is planned, and the plan is made
//! as long as the list.
//!
//! Proof: a plan that is kept by shape holds for every text with its shape and its number of rows, whatever the constants are.
//! So it says of each row the same as of the first, of that row's constants; and where it does not (its rows are not each the
//! first one moved along, or it holds a text, as a plan of one text alone may), the whole is planned.

use super::make::Made;
use super::{
    KeySource, KeyTarget, Merge, Moments, Plan, Route, Split, SplitRow, Target, Targets,
    ValueSource,
};
use crate::sql::lexer::Options;
use crate::sql::shape::{Group, GroupKind, Shape, Slot, SlotKind};

/// A list of more elements than this is long.
const LONG: u32 = 256;

/// So many of them are planned: enough that all kinds of constants that stand in it most often stand among them.
const KEPT: u32 = 32;

/// A text without most of its longest list.
pub(super) struct Shortened {
    pub(super) text: String,
    pub(super) shape: Shape,
    /// The list, as it is.
    group: Group,
}

impl Shortened {
    /// Of a text of this shape; `None` if it has no long list, or would have another shape without most of that.
    pub(super) fn new(text: &str, shape: &Shape, options: Options) -> Option<Self> {
        let group = *shape.groups().iter().max_by_key(|group| group.rows)?;
        let is_param = |slot: &Slot| matches!(slot.kind, SlotKind::Param(_));
        if group.rows <= LONG || shape.slots().iter().any(is_param) {
            return None;
        }
        let end = |row: u32| match group.kind {
            GroupKind::Values => {
                let span = shape.row_spans().get((group.first_row + row) as usize)?;
                Some(span.end as usize)
            }
            GroupKind::In => {
                let slot = shape.slots().get(group.slot(row, 0)?)?;
                Some(slot.span.end as usize)
            }
        };
        let (from, to) = (end(KEPT - 1)?, end(group.rows - 1)?);
        let short = [text.get(..from)?, text.get(to..)?].concat();
        let mut read = Shape::new();
        read.read(&short, options).ok()?;
        let same = read.bytes() == shape.bytes()
            && read.slots().len() + (group.rows - KEPT) as usize * group.columns as usize
                == shape.slots().len();
        same.then_some(Self {
            text: short,
            shape: read,
            group,
        })
    }

    /// The plan of the whole, of the short one's.
    pub(super) fn lengthened(&self, made: Made) -> Option<Made> {
        if made.exact || made.unknown || made.withheld.is_some() {
            return None;
        }
        let route = match made.plan.route {
            route @ Route::Single(Target::Shard(_) | Target::Any) => route,
            Route::Single(Target::Agree { parts, otherwise }) => Route::Single(Target::Agree {
                parts: self.parts(parts)?,
                otherwise,
            }),
            Route::Scatter {
                targets,
                merge: merge @ (Merge::Concatenate | Merge::Copies),
            } => Route::Scatter {
                targets: self.targets(targets)?,
                merge,
            },
            Route::Split(split) if split.spans.is_empty() => Route::Split(Box::new(Split {
                rows: self.rows(&split.rows, |row, by| {
                    let key = row.key.iter().map(|source| self.source(source, by));
                    Some(SplitRow {
                        key: key.collect::<Option<_>>()?,
                    })
                })?,
                ..*split
            })),
            _ => return None,
        };
        let moments = match made.plan.moments {
            Some(moments) => Some(Box::new(self.moments(*moments)?)),
            None => None,
        };
        Some(Made {
            plan: Plan {
                route,
                moments,
                ..made.plan
            },
            ..made
        })
    }

    fn parts(&self, parts: Vec<Target>) -> Option<Vec<Target>> {
        let parts = parts.into_iter().map(|part| match part {
            Target::Within(targets) => Some(Target::Within(self.targets(targets)?)),
            Target::Shard(_) | Target::Any => Some(part),
            Target::Key(key) => Some(Target::Key(self.key(&key, 0)?)),
            _ => None,
        });
        parts.collect()
    }

    fn targets(&self, targets: Targets) -> Option<Targets> {
        match targets {
            Targets::All | Targets::Shards(_) => Some(targets),
            Targets::Keys(keys) if keys.len() == KEPT as usize => Some(Targets::Keys(
                self.rows(&keys, |key, by| self.key(key, by))?,
            )),
            _ => None,
        }
    }

    /// As many as there are rows, if those that are here are each the first one moved along.
    fn rows<T: PartialEq>(
        &self,
        kept: &[T],
        moved: impl Fn(&T, u32) -> Option<T>,
    ) -> Option<Vec<T>> {
        let first = kept.first()?;
        let alike = kept.len() == KEPT as usize
            && (0..)
                .zip(kept)
                .all(|(row, one)| moved(first, row).as_ref() == Some(one));
        alike
            .then(|| (0..self.group.rows).map(|row| moved(first, row)).collect())
            .flatten()
    }

    fn key(&self, key: &KeyTarget, by: u32) -> Option<KeyTarget> {
        let values = key.values.iter().map(|source| self.source(source, by));
        Some(KeyTarget {
            placement: key.placement,
            values: values.collect::<Option<_>>()?,
        })
    }

    fn source(&self, source: &KeySource, by: u32) -> Option<KeySource> {
        Some(KeySource {
            key_type: source.key_type,
            value: self.value(&source.value, by)?,
            stored: source.stored,
        })
    }

    /// A value of the row that comes `by` rows later.
    fn value(&self, value: &ValueSource, by: u32) -> Option<ValueSource> {
        let boxed = |value: &ValueSource| Some(Box::new(self.value(value, by)?));
        Some(match value {
            ValueSource::Null => ValueSource::Null,
            ValueSource::Slot(slot) => ValueSource::Slot(self.slot(*slot, by)?),
            ValueSource::Negate(inner) => ValueSource::Negate(boxed(inner)?),
            ValueSource::Cast(inner, to) => ValueSource::Cast(boxed(inner)?, to.clone()),
            _ => return None,
        })
    }

    /// Where a constant of the short text stands in the whole: one of the list `by` rows later, one behind it behind all of it.
    fn slot(&self, slot: u32, by: u32) -> Option<u32> {
        let Group { first, columns, .. } = self.group;
        let row = slot.checked_sub(first).map(|at| at / columns);
        Some(match row {
            None => slot,
            Some(row) if row < KEPT => slot + by * columns,
            Some(_) => slot + (self.group.rows - KEPT) * columns,
        })
    }

    /// A column of which a constant is noted is noted in each row.
    fn moments(&self, moments: Moments) -> Option<Moments> {
        let Group { first, columns, .. } = self.group;
        let in_list = |slot: &u32| (first..first + KEPT * columns).contains(slot);
        let (listed, others): (Vec<u32>, Vec<u32>) = moments.slots.iter().partition(|s| in_list(s));
        let noted: Vec<u32> = (0..columns)
            .filter(|c| listed.contains(&(first + c)))
            .collect();
        let all = |rows: u32| {
            (0..rows).flat_map(|row| {
                noted
                    .iter()
                    .map(move |column| first + row * columns + column)
            })
        };
        let mut listed = listed;
        listed.sort_unstable();
        if !all(KEPT).eq(listed) {
            return None;
        }
        let others = others.into_iter().map(|slot| self.slot(slot, 0));
        let mut slots = others.collect::<Option<Vec<u32>>>()?;
        slots.extend(all(self.group.rows));
        Some(Moments { slots, ..moments })
    }
}
