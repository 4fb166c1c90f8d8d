//! Listed values, and a home for the rest.

use crate::id::ShardId;
use crate::value::KeyValue;

use super::{ShardSet, predicate};

/// A shard for each listed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// By value, so that it is found by halving.
    values: Box<[(KeyValue<'static>, ShardId)]>,
    default: Option<ShardId>,
}

impl List {
    /// From values in any order. An error is a value that is listed twice.
    pub fn new(
        mut values: Vec<(KeyValue<'static>, ShardId)>,
        default: Option<ShardId>,
    ) -> Result<Self, KeyValue<'static>> {
        values.sort_by(|a, b| a.0.cmp(&b.0));
        match values.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(pair[0].0.clone()),
            None => Ok(Self {
                values: values.into(),
                default,
            }),
        }
    }

    /// The listed values, in their order.
    pub fn values(&self) -> &[(KeyValue<'static>, ShardId)] {
        &self.values
    }

    /// The home of all other values.
    pub fn default_shard(&self) -> Option<ShardId> {
        self.default
    }

    pub(super) fn shard_of(&self, key: &KeyValue<'_>) -> Option<ShardId> {
        match self.values.binary_search_by(|(v, _)| v.cmp(key)) {
            Ok(at) => Some(self.values[at].1),
            Err(_) => self.default,
        }
    }

    pub(super) fn shards(&self) -> ShardSet {
        let listed = self.values.iter().map(|(_, shard)| *shard);
        listed.chain(self.default).collect()
    }

    pub(super) fn predicate(&self, column: &str, shard: ShardId) -> String {
        let is_own = |of: ShardId| of == shard;
        if self.default == Some(shard) {
            return self.none_of(column, |of| !is_own(of));
        }
        match self.any(column, is_own) {
            None => "false".to_owned(),
            Some(own) => own,
        }
    }

    pub(super) fn uncovered(&self, column: &str) -> Option<String> {
        self.default
            .is_none()
            .then(|| self.none_of(column, |_| true))
    }

    fn none_of(&self, column: &str, which: impl Fn(ShardId) -> bool) -> String {
        match self.any(column, which) {
            None => format!("{column} IS NOT NULL"),
            Some(listed) => format!("NOT ({listed})"),
        }
    }

    /// Not `IN (…)`: over a `character varying` column that takes a cast that row filters do not accept.
    fn any(&self, column: &str, which: impl Fn(ShardId) -> bool) -> Option<String> {
        let mut chosen = self
            .values
            .iter()
            .filter(|(_, shard)| which(*shard))
            .map(|(v, _)| v)
            .peekable();
        let key_type = chosen.peek()?.key_type();
        let array = predicate::array(chosen.map(predicate::element));
        Some(format!(
            "{column} = ANY ({}::{key_type}[])",
            predicate::string(&array)
        ))
    }
}
