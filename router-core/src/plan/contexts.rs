//! The contexts that plans were made in, each with a short name under which the cache keeps them.

use std::hash::{BuildHasher as _, Hash as _, Hasher as _};

use hashbrown::HashTable;

use super::cache::ContextId;
use super::planner::Context;
use crate::id::Epoch;

/// More contexts than this are not kept apart: the cache starts anew. A schema for each tenant makes for many.
const MOST: usize = 4096;

/// Nor are paths of more bytes than this.
const MOST_BYTES: usize = 1 << 20;

/// A [`Context`] that plans were made in.
#[derive(Debug, PartialEq)]
struct Known {
    epoch: Epoch,
    catalog: u64,
    database: String,
    search_path: Vec<String>,
    standard_conforming_strings: bool,
    per_shard: bool,
}

impl Known {
    fn is(&self, context: &Context<'_>) -> bool {
        self.epoch == context.topology.epoch
            && self.catalog == context.catalog.fingerprint()
            && self.standard_conforming_strings == context.standard_conforming_strings
            && self.per_shard == context.per_shard
            && self.database == context.topology.database
            && self.search_path == context.search_path
    }
}

/// All that are known.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    known: Vec<Known>,
    /// Places in that list, by hash.
    places: HashTable<(u64, u32)>,
    hasher: foldhash::fast::RandomState,
    /// Of their paths.
    bytes: usize,
    /// The one asked for last: mostly the next one too.
    last: usize,
}

impl Contexts {
    /// The name of a context that is known.
    pub(super) fn find(&mut self, context: &Context<'_>) -> Option<ContextId> {
        let last = self.known.get(self.last);
        if !last.is_some_and(|known| known.is(context)) {
            let hash = self.hash(context);
            let same = |(_, at): &(u64, u32)| self.known[*at as usize].is(context);
            let (_, at) = self.places.find(hash, same)?;
            self.last = *at as usize;
        }
        Some(ContextId(self.last as u32))
    }

    /// Names one that is not known. `None`: there are too many, and all are forgotten.
    pub(super) fn add(&mut self, context: &Context<'_>) -> Option<ContextId> {
        let bytes = context
            .search_path
            .iter()
            .map(|name| name.len() + size_of::<String>())
            .sum::<usize>();
        // The first is taken whatever it is.
        if !self.known.is_empty() && (self.known.len() == MOST || self.bytes + bytes > MOST_BYTES) {
            self.known.clear();
            self.places.clear();
            self.bytes = 0;
            return None;
        }
        self.bytes += bytes;
        let (hash, at) = (self.hash(context), self.known.len());
        self.known.push(Known {
            epoch: context.topology.epoch,
            catalog: context.catalog.fingerprint(),
            database: context.topology.database.clone(),
            search_path: context.search_path.to_vec(),
            standard_conforming_strings: context.standard_conforming_strings,
            per_shard: context.per_shard,
        });
        let place = (hash, at as u32);
        self.places.insert_unique(hash, place, |(hash, _)| *hash);
        self.last = at;
        Some(ContextId(at as u32))
    }

    fn hash(&self, context: &Context<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        context.topology.epoch.hash(&mut hasher);
        hasher.write_u64(context.catalog.fingerprint());
        context.topology.database.hash(&mut hasher);
        context.search_path.hash(&mut hasher);
        context.standard_conforming_strings.hash(&mut hasher);
        context.per_shard.hash(&mut hasher);
        hasher.finish()
    }
}
