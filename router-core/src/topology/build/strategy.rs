//! The mapping of a placement.

use crate::id::ShardId;
use crate::topology::Strategy;
use crate::topology::buckets::{Buckets, MAX_BUCKETS};
use crate::topology::list::List;
use crate::topology::modulo::Modulo;
use crate::topology::range::{Range, Ranges};
use crate::topology::ring::{MAX_POINTS, Member, Ring};
use crate::topology::spec::{
    AssignSpec, ListSpec, PlacementSpec, RangeSpec, SpreadSpec, StrategySpec, WeightedSpec,
    WrittenKey,
};
use crate::value::input::{self, Parsed};
use crate::value::{KeyType, KeyValue};

use super::{Check, count};

/// The placement that is checked.
struct At<'a> {
    path: &'a str,
    owner: String,
}

impl Check<'_> {
    pub(super) fn strategy(&mut self, path: &str, spec: &PlacementSpec) -> Option<Strategy> {
        let at = At {
            path,
            owner: format!("placement {:?}", spec.name),
        };
        match &spec.strategy {
            StrategySpec::Modulo { shards } => {
                let key_type = self.single_column(&at, spec, "modulo")?;
                self.modulo(&at, key_type, shards.as_deref())
            }
            StrategySpec::Range { ranges } => {
                let key_type = self.single_column(&at, spec, "range")?;
                self.ranges(&at, key_type, ranges)
            }
            StrategySpec::List { lists, default } => {
                let key_type = self.single_column(&at, spec, "list")?;
                self.lists(&at, key_type, lists, default.as_deref())
            }
            StrategySpec::Hash { buckets, spread } => self.hash(&at, *buckets, spread),
            StrategySpec::Consistent { shards, points } => {
                self.ring(&at, shards.as_deref(), *points)
            }
        }
    }

    fn single_column(&mut self, at: &At<'_>, spec: &PlacementSpec, name: &str) -> Option<KeyType> {
        match spec.types[..] {
            [only] => Some(only),
            [] => None,
            _ => {
                self.error(
                    format!("{}.type", at.path),
                    format!("{}: strategy {name} takes a key of one column", at.owner),
                    "use one type, or strategy hash or consistent for a composite key",
                );
                None
            }
        }
    }

    /// The named shards, or all.
    fn named_shards(&mut self, at: &At<'_>, names: Option<&[String]>) -> Option<Vec<ShardId>> {
        let Some(names) = names else {
            return Some((0..self.spec.shards.len() as u16).map(ShardId).collect());
        };
        if names.is_empty() {
            self.error(
                format!("{}.shards", at.path),
                format!("{}: shards is empty", at.owner),
                "name at least one shard, or leave shards out to use all",
            );
            return None;
        }
        let found: Vec<Option<ShardId>> = names
            .iter()
            .enumerate()
            .map(|(i, name)| self.shard(format!("{}.shards[{i}]", at.path), &at.owner, name))
            .collect();
        found.into_iter().collect()
    }

    fn no_shard_twice(&mut self, at: &At<'_>, names: &[&str], fix: &str) {
        for (i, name) in names.iter().enumerate() {
            if names[..i].contains(name) {
                self.error(
                    format!("{}.shards[{i}]", at.path),
                    format!("{}: shard {name:?} is named twice", at.owner),
                    fix,
                );
            }
        }
    }

    fn modulo(
        &mut self,
        at: &At<'_>,
        key_type: KeyType,
        shards: Option<&[String]>,
    ) -> Option<Strategy> {
        if key_type != KeyType::Bigint {
            self.error(
                format!("{}.type", at.path),
                format!("{}: strategy modulo takes bigint, not {key_type}", at.owner),
                "use strategy hash, or type bigint",
            );
        }
        let shards = self.named_shards(at, shards)?;
        Modulo::new(shards).map(Strategy::Modulo)
    }

    fn ranges(&mut self, at: &At<'_>, key_type: KeyType, specs: &[RangeSpec]) -> Option<Strategy> {
        if specs.is_empty() {
            self.error(
                format!("{}.ranges", at.path),
                format!("{}: there are no ranges", at.owner),
                "add ranges = [{ from = …, to = …, shard = … }]",
            );
            return None;
        }
        let ranges: Vec<Option<Range>> = specs
            .iter()
            .enumerate()
            .map(|(i, spec)| self.range(at, key_type, i, spec))
            .collect();
        let ranges: Vec<Range> = ranges.into_iter().collect::<Option<_>>()?;
        let before: Vec<String> = ranges.iter().map(Range::to_string).collect();
        match Ranges::new(ranges) {
            Ok(ranges) => Some(Strategy::Range(ranges)),
            Err((first, second)) => {
                self.error(
                    format!("{}.ranges[{second}]", at.path),
                    format!(
                        "{}: ranges {} and {} overlap",
                        at.owner, before[first], before[second]
                    ),
                    "let one end where the other begins; `to` is exclusive",
                );
                None
            }
        }
    }

    fn range(
        &mut self,
        at: &At<'_>,
        key_type: KeyType,
        i: usize,
        spec: &RangeSpec,
    ) -> Option<Range> {
        let path = format!("{}.ranges[{i}]", at.path);
        let from = self.bound(at, format!("{path}.from"), key_type, spec.from.as_ref());
        let to = self.bound(at, format!("{path}.to"), key_type, spec.to.as_ref());
        let shard = self.shard(format!("{path}.shard"), &at.owner, &spec.shard);
        let range = Range {
            from: from?,
            to: to?,
            shard: shard?,
        };
        if let (Some(from), Some(to)) = (&range.from, &range.to)
            && from >= to
        {
            self.error(
                path,
                format!("{}: range {range} is empty", at.owner),
                "let `to`, which is exclusive, be larger than `from`",
            );
            return None;
        }
        Some(range)
    }

    /// The outer `None` is an error, the inner one an open end.
    #[allow(clippy::option_option)]
    fn bound(
        &mut self,
        at: &At<'_>,
        path: String,
        key_type: KeyType,
        written: Option<&WrittenKey>,
    ) -> Option<Option<KeyValue<'static>>> {
        match written {
            None => Some(None),
            Some(written) => self.key(at, path, key_type, written).map(Some),
        }
    }

    fn key(
        &mut self,
        at: &At<'_>,
        path: String,
        key_type: KeyType,
        written: &WrittenKey,
    ) -> Option<KeyValue<'static>> {
        let key = match (key_type, written) {
            (KeyType::Bigint, WrittenKey::Integer(v)) => Some(KeyValue::Bigint(*v)),
            (KeyType::Text, WrittenKey::Text(v)) if !v.contains('\0') => {
                Some(KeyValue::Text(v.clone().into()))
            }
            (KeyType::Uuid, WrittenKey::Text(v)) => match input::uuid(v) {
                Parsed::Value(v) => Some(KeyValue::Uuid(v)),
                Parsed::Invalid(_) | Parsed::Unknown => None,
            },
            _ => None,
        };
        if key.is_none() {
            let fix = match key_type {
                KeyType::Bigint => "write a whole number without quotes",
                KeyType::Text => "write a string in quotes, without zero bytes",
                KeyType::Uuid => "write a uuid in quotes",
            };
            self.error(
                path,
                format!("{}: {written} is no {key_type}", at.owner),
                fix,
            );
        }
        key
    }

    fn lists(
        &mut self,
        at: &At<'_>,
        key_type: KeyType,
        lists: &[ListSpec],
        default: Option<&str>,
    ) -> Option<Strategy> {
        if lists.is_empty() && default.is_none() {
            self.error(
                format!("{}.lists", at.path),
                format!("{}: there are no lists and no default", at.owner),
                "add lists = [{ values = […], shard = … }] or a default shard",
            );
            return None;
        }
        let default = match default {
            None => Some(None),
            Some(name) => self
                .shard(format!("{}.default", at.path), &at.owner, name)
                .map(Some),
        };
        let mut values = Vec::new();
        let mut complete = true;
        for (i, list) in lists.iter().enumerate() {
            let path = format!("{}.lists[{i}]", at.path);
            let shard = self.shard(format!("{path}.shard"), &at.owner, &list.shard);
            complete &= shard.is_some();
            for (j, written) in list.values.iter().enumerate() {
                let key = self.key(at, format!("{path}.values[{j}]"), key_type, written);
                complete &= key.is_some();
                // The shard does not matter to the search for values listed twice.
                values.extend(key.map(|key| (key, shard.unwrap_or(ShardId(0)))));
            }
        }
        match List::new(values, default?) {
            Ok(list) => complete.then_some(Strategy::List(list)),
            Err(twice) => {
                self.error(
                    format!("{}.lists", at.path),
                    format!("{}: value {twice} is listed twice", at.owner),
                    "keep it in one list",
                );
                None
            }
        }
    }

    fn hash(&mut self, at: &At<'_>, buckets: u32, spread: &SpreadSpec) -> Option<Strategy> {
        let count_is_fit = buckets.is_power_of_two() && buckets <= MAX_BUCKETS;
        if !count_is_fit {
            self.error(
                format!("{}.buckets", at.path),
                format!("{}: {buckets} buckets", at.owner),
                format!("use a power of two up to {MAX_BUCKETS}, such as 4096"),
            );
        }
        match spread {
            SpreadSpec::Even(names) => {
                let shards = self.named_shards(at, names.as_deref())?;
                let names: Vec<&str> = names.iter().flatten().map(String::as_str).collect();
                self.no_shard_twice(
                    at,
                    &names,
                    "name it once; use assign to give a shard more buckets",
                );
                if count_is_fit && shards.len() > buckets as usize {
                    self.error(
                        format!("{}.buckets", at.path),
                        format!(
                            "{}: {} for {}",
                            at.owner,
                            count(buckets as usize, "bucket"),
                            count(shards.len(), "shard")
                        ),
                        "use at least one bucket per shard, better many",
                    );
                }
                let buckets = count_is_fit.then(|| Buckets::even(buckets, &shards));
                buckets.flatten().map(Strategy::Hash)
            }
            SpreadSpec::Assign(assign) => {
                let owners = self.assigned(at, count_is_fit.then_some(buckets), assign)?;
                Buckets::new(owners).map(Strategy::Hash)
            }
        }
    }

    /// The owner of each bucket; each must have one and only one.
    fn assigned(
        &mut self,
        at: &At<'_>,
        buckets: Option<u32>,
        assign: &[AssignSpec],
    ) -> Option<Vec<ShardId>> {
        let errors = self.errors.len();
        let mut owners: Vec<Option<(usize, ShardId)>> = vec![None; buckets.unwrap_or(0) as usize];
        for (i, spec) in assign.iter().enumerate() {
            let path = format!("{}.assign[{i}]", at.path);
            let shard = self.shard(format!("{path}.shard"), &at.owner, &spec.shard);
            let Some(buckets) = buckets else { continue };
            if spec.from > spec.to || spec.to >= buckets {
                self.error(
                    path,
                    format!(
                        "{}: buckets {}..{} are no range",
                        at.owner, spec.from, spec.to
                    ),
                    format!(
                        "let from be at most to, and to, which is inclusive, at most {}",
                        buckets - 1
                    ),
                );
                continue;
            }
            let own = &mut owners[spec.from as usize..=spec.to as usize];
            let other = own.iter().flatten().next().map(|(other, _)| *other);
            own.fill(Some((i, shard.unwrap_or(ShardId(0)))));
            if let Some(other) = other {
                let first = &assign[other];
                self.error(
                    path,
                    format!(
                        "{}: buckets {}..{} and {}..{} overlap",
                        at.owner, first.from, first.to, spec.from, spec.to
                    ),
                    "let each bucket have one shard; `to` is inclusive",
                );
            }
        }
        if errors == self.errors.len()
            && let Some(gap) = owners.iter().position(Option::is_none)
        {
            let rest = &owners[gap..];
            let len = rest.iter().take_while(|o| o.is_none()).count();
            self.error(
                format!("{}.assign", at.path),
                format!(
                    "{}: buckets {gap}..{} have no shard",
                    at.owner,
                    gap + len - 1
                ),
                "assign every bucket",
            );
        }
        if errors != self.errors.len() {
            return None;
        }
        owners
            .into_iter()
            .map(|owner| owner.map(|(_, shard)| shard))
            .collect()
    }

    fn ring(
        &mut self,
        at: &At<'_>,
        shards: Option<&[WeightedSpec]>,
        points: u32,
    ) -> Option<Strategy> {
        let spec = self.spec;
        let members: Vec<(&str, u32)> = match shards {
            Some(shards) => shards
                .iter()
                .map(|s| (s.shard.as_str(), s.weight))
                .collect(),
            None => spec.shards.iter().map(|s| (s.name.as_str(), 1)).collect(),
        };
        if shards.is_some() && members.is_empty() {
            self.error(
                format!("{}.shards", at.path),
                format!("{}: shards is empty", at.owner),
                "name at least one shard, or leave shards out to use all",
            );
        }
        let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
        if shards.is_some() {
            self.no_shard_twice(at, &names, "name it once, with a larger weight");
        }
        let total: u64 = members
            .iter()
            .map(|(_, weight)| u64::from(*weight).saturating_mul(points.into()))
            .fold(0, u64::saturating_add);
        if points == 0 || members.iter().any(|(_, weight)| *weight == 0) {
            self.error(
                format!("{}.points", at.path),
                format!("{}: points and weights must be at least 1", at.owner),
                "leave out a shard that should hold no keys",
            );
        }
        if total > MAX_POINTS {
            self.error(
                format!("{}.points", at.path),
                format!("{}: {total} points on the ring", at.owner),
                format!("use smaller weights or fewer points; {MAX_POINTS} is the most"),
            );
            return None;
        }
        let found: Vec<Option<Member<'_>>> = members
            .into_iter()
            .enumerate()
            .map(|(i, (name, weight))| {
                let path = format!("{}.shards[{i}]", at.path);
                self.shard(path, &at.owner, name).map(|shard| Member {
                    shard,
                    name,
                    points: points * weight,
                })
            })
            .collect();
        let members: Vec<Member<'_>> = found.into_iter().collect::<Option<_>>()?;
        Ring::new(&members).map(Strategy::Consistent)
    }
}
