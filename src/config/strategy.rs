//! A placement as written to the core's description of it.

use router_core::topology::spec::{
    AssignSpec, ListSpec, PlacementSpec, RangeSpec, SpreadSpec, StrategySpec, WeightedSpec,
    WrittenKey,
};

use super::reader::{At, Place, Reader, Scalar};
use super::written::{Placement, Strategy};

/// PostgreSQL's hash spread over this many buckets unless the file says otherwise.
const BUCKETS: u32 = 4096;
/// Points of a shard of weight 1 on the ring.
const POINTS: u32 = 160;

pub(super) fn placement(reader: &Reader<'_>, written: &Placement) -> Option<PlacementSpec> {
    let strategy = written.strategy.as_ref()?;
    only_its_own_keys(reader, written, strategy);
    Some(PlacementSpec {
        name: written.name.as_ref()?.value.clone(),
        types: written.types.iter().map(|t| t.value).collect(),
        strategy: spec(reader, written, strategy.value)?,
    })
}

fn only_its_own_keys(reader: &Reader<'_>, written: &Placement, strategy: &At<Strategy>) {
    let (name, own): (&str, &[&str]) = match strategy.value {
        Strategy::Modulo => ("modulo", &["shards"]),
        Strategy::Range => ("range", &["ranges"]),
        Strategy::List => ("list", &["lists", "default"]),
        Strategy::Hash => ("hash", &["buckets", "shards", "assign"]),
        Strategy::Consistent => ("consistent", &["points", "shards", "weights"]),
    };
    let present = [
        ("shards", written.shards.is_some()),
        ("ranges", !written.ranges.is_empty()),
        ("lists", !written.lists.is_empty()),
        ("default", written.default.is_some()),
        ("buckets", written.buckets.is_some()),
        ("assign", !written.assign.is_empty()),
        ("points", written.points.is_some()),
        ("weights", !written.weights.is_empty()),
    ];
    for (key, present) in present {
        if present && !own.contains(&key) {
            let place = reader.place(&format!("{}.{key}", written.place.key));
            reader.problem(
                &place,
                format!("means nothing to strategy \"{name}\""),
                format!("remove it; {name} takes {}", own.join(", ")),
            );
        }
    }
}

fn missing(reader: &Reader<'_>, written: &Placement, key: &str, example: &str) {
    let place = Place {
        key: format!("{}.{key}", written.place.key),
        ..written.place.clone()
    };
    reader.problem(&place, "is missing", format!("add {key} = {example}"));
}

fn names(shards: Option<&Vec<At<String>>>) -> Option<Vec<String>> {
    shards.map(|list| list.iter().map(|s| s.value.clone()).collect())
}

fn spec(reader: &Reader<'_>, written: &Placement, strategy: Strategy) -> Option<StrategySpec> {
    let text = |at: &Option<At<String>>| at.as_ref().map(|a| a.value.clone());
    let shards = names(written.shards.as_ref());
    Some(match strategy {
        Strategy::Modulo => StrategySpec::Modulo { shards },
        Strategy::Range => {
            if written.ranges.is_empty() {
                missing(
                    reader,
                    written,
                    "ranges",
                    "[{ from = 0, to = 1000, shard = \"s0\" }]",
                );
            }
            let mut ranges = Vec::new();
            for (i, range) in written.ranges.iter().enumerate() {
                let place = || reader.place(&format!("{}.ranges[{i}]", written.place.key));
                ranges.push(RangeSpec {
                    from: range
                        .from
                        .as_ref()
                        .map(|k| one(reader, k, &place()))
                        .unwrap_or_default(),
                    to: range
                        .to
                        .as_ref()
                        .map(|k| one(reader, k, &place()))
                        .unwrap_or_default(),
                    shard: text(&range.shard)?,
                });
            }
            StrategySpec::Range { ranges }
        }
        Strategy::List => {
            if written.lists.is_empty() {
                missing(
                    reader,
                    written,
                    "lists",
                    "[{ values = [1, 2], shard = \"s0\" }]",
                );
            }
            let mut lists = Vec::new();
            for list in &written.lists {
                lists.push(ListSpec {
                    values: list
                        .values
                        .iter()
                        .map(|key| one(reader, &key.value, &key.place))
                        .collect::<Option<_>>()?,
                    shard: text(&list.shard)?,
                });
            }
            StrategySpec::List {
                lists,
                default: text(&written.default),
            }
        }
        Strategy::Hash => {
            let assign = &written.assign;
            if !assign.is_empty() && shards.is_some() {
                reader.problem(
                    &reader.place(&format!("{}.assign", written.place.key)),
                    "stands beside shards, which spreads the buckets evenly",
                    "keep one of assign and shards",
                );
            }
            StrategySpec::Hash {
                buckets: written.buckets.unwrap_or(BUCKETS),
                spread: if assign.is_empty() {
                    SpreadSpec::Even(shards)
                } else {
                    let specs = assign.iter().map(|a| {
                        Some(AssignSpec {
                            from: a.from?,
                            to: a.to?,
                            shard: text(&a.shard)?,
                        })
                    });
                    SpreadSpec::Assign(specs.collect::<Option<_>>()?)
                },
            }
        }
        Strategy::Consistent => {
            let weighted = match (&shards, written.weights.is_empty()) {
                (None, true) => None,
                (None, false) => Some(
                    written
                        .weights
                        .iter()
                        .map(|(shard, weight)| WeightedSpec {
                            shard: shard.value.clone(),
                            weight: *weight,
                        })
                        .collect(),
                ),
                (Some(shards), _) => Some(with_weights(reader, written, shards)),
            };
            StrategySpec::Consistent {
                shards: weighted,
                points: written.points.unwrap_or(POINTS),
            }
        }
    })
}

fn with_weights(reader: &Reader<'_>, written: &Placement, shards: &[String]) -> Vec<WeightedSpec> {
    for (name, _) in &written.weights {
        if !shards.contains(&name.value) {
            reader.problem(
                &name.place,
                format!("\"{}\" is not among the placement's shards", name.value),
                "add it to shards, or remove the weight",
            );
        }
    }
    shards
        .iter()
        .map(|shard| WeightedSpec {
            shard: shard.clone(),
            weight: written
                .weights
                .iter()
                .find(|(name, _)| name.value == *shard)
                .map_or(1, |(_, weight)| *weight),
        })
        .collect()
}

/// The one value of a key; ranges and lists are over keys of one column.
fn one(reader: &Reader<'_>, key: &[Scalar], place: &Place) -> Option<WrittenKey> {
    match key {
        [Scalar::Integer(v)] => Some(WrittenKey::Integer(*v)),
        [Scalar::Text(v)] => Some(WrittenKey::Text(v.clone())),
        [] => {
            reader.problem(
                place,
                "has a key without a value",
                "write the value, such as from = 0, or leave from or to out for an open end",
            );
            None
        }
        _ => {
            reader.problem(
                place,
                "is a key of several columns",
                "range and list placements have keys of one column; use hash for several",
            );
            None
        }
    }
}
