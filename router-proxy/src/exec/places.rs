//! Where the connections of a program are, and why there are none.

use router_core::id::ShardId;
use router_core::plan::On;
use router_core::plan::resolve::{CountError, Stop};
use router_core::sqlstate::SqlState;
use router_core::topology::ShardSet;

use super::Wanted;
use super::program::{Terms, Within};
use crate::session::Role;
use crate::wire::encode::Report;

/// Where the connections of a program are.
pub(super) struct Places<'a> {
    pub(super) terms: &'a Terms<'a>,
    /// Shards where temporary tables are made.
    pub(super) benches: ShardSet,
}

impl Places<'_> {
    /// Where the rows of a shard are read, in the client's transaction if there is one.
    pub(super) fn rows(&self, shard: ShardId) -> Wanted {
        Wanted {
            shard,
            role: self.terms.reads,
            apart: false,
        }
    }

    /// Where tables are made and the answer is found.
    pub(super) fn bench_or_rows(&self, shard: ShardId) -> Wanted {
        if !self.benches.contains(shard) {
            return self.rows(shard);
        }
        Wanted {
            shard,
            role: Role::Primary,
            apart: self.is_apart(),
        }
    }

    pub(super) fn is_apart(&self) -> bool {
        matches!(self.terms.within, Within::ReadOnly(_))
    }

    /// A text that makes a table of a shard's own rows takes none of them where the connection is not the client's:
    /// they are moved like those of other shards, from where the client's transaction sees them.
    pub(super) fn made_empty(&self, shard: ShardId, text: &str) -> String {
        let makes = text.starts_with("CREATE TEMP TABLE") && !text.ends_with("WITH NO DATA");
        if self.is_apart() && self.benches.contains(shard) && makes {
            return format!("{text} WITH NO DATA");
        }
        text.to_owned()
    }

    /// The shards that rows are moved from.
    pub(super) fn sources(&self, from: &On, to: ShardId) -> Result<ShardSet, Box<Report>> {
        let resolve = |on: &On| {
            on.resolve(self.terms.topology, self.terms.values)
                .map_err(stopped)
        };
        match from {
            On::Except(targets, one) if *one == to && self.is_apart() => {
                resolve(&On::Targets(targets.clone()))
            }
            from => resolve(from),
        }
    }
}

/// A schema that nobody else has.
pub(super) fn work_schema() -> Result<String, Box<Report>> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| {
        Report::error(SqlState::new("58000"), "no random numbers can be had")
            .detail(format!("{error}."))
    })?;
    Ok(format!("shunt_work_{:016x}", u64::from_ne_bytes(bytes)))
}

pub(super) fn stopped(stop: Stop) -> Box<Report> {
    match stop {
        Stop::Refused(refusal) => Box::new(Report::from(&*refusal)),
    }
}

pub(super) fn uncountable(error: CountError) -> Box<Report> {
    match error {
        CountError::Postgres(error) => Box::new(Report::error(error.sqlstate, error.message)),
        CountError::Refused(refusal) => Box::new(Report::from(&*refusal)),
    }
}
