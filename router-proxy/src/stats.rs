//! What one worker counts about its databases.
//!
//! Only the worker writes and reads these, so they are plain cells; whoever
//! wants to know sends a letter and gets a copy ([`crate::snapshot`]).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use router_core::id::ShardId;
use router_core::sqlstate::SqlState;

/// Upper bounds of the buckets of waits for a connection, in microseconds; the last bucket has none.
pub const WAIT_BOUNDS: [u64; 9] = [
    0, 100, 1_000, 5_000, 10_000, 50_000, 100_000, 1_000_000, 5_000_000,
];

/// What averages are over.
pub const STATS_PERIOD: Duration = Duration::from_secs(15);

/// A counter of one worker.
#[derive(Debug, Default)]
pub struct Count(Cell<u64>);

impl Count {
    /// Adds `n`.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.set(self.0.get().wrapping_add(n));
    }

    /// Adds a duration, in microseconds.
    pub fn add_time(&self, time: Duration) {
        self.add(micros(time));
    }

    /// What was counted.
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

fn micros(time: Duration) -> u64 {
    // `Duration::as_micros` computes with 128 bits.
    time.as_secs()
        .saturating_mul(1_000_000)
        .saturating_add(u64::from(time.subsec_micros()))
}

macro_rules! counts {
    ($(#[$doc:meta])* $cells:ident, $(#[$copy_doc:meta])* $copy:ident { $($(#[$field_doc:meta])* $field:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub struct $cells { $($(#[$field_doc])* pub $field: Count,)* }

        $(#[$copy_doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $copy { $($(#[$field_doc])* pub $field: u64,)* }

        impl $cells {
            /// The numbers at this moment.
            pub fn copy(&self) -> $copy {
                $copy { $($field: self.$field.get(),)* }
            }
        }

        impl $copy {
            /// Takes in what another worker counted.
            pub fn add(&mut self, other: &Self) {
                $(self.$field = self.$field.wrapping_add(other.$field);)*
            }

            /// What was counted since `earlier`.
            pub fn since(&self, earlier: &Self) -> Self {
                Self { $($field: self.$field.saturating_sub(earlier.$field),)* }
            }
        }
    };
}

counts! {
    /// One database on one worker, as clients see it.
    DatabaseCounts,
    /// A copy of [`DatabaseCounts`].
    DatabaseNumbers {
        /// Clients that logged in.
        logins,
        /// Times that a connection was given to a client.
        assigned,
        /// Queries answered: one per `ReadyForQuery`.
        queries,
        /// Of those, ends of transactions.
        transactions,
        /// Bytes from clients.
        received,
        /// Bytes to clients.
        sent,
        /// Microseconds in transactions.
        transaction_time,
        /// Microseconds with a query under way.
        query_time,
        /// Microseconds of waiting for connections.
        wait_time,
        /// `Parse` messages of clients.
        client_parses,
        /// `Parse` messages to servers.
        server_parses,
        /// `Bind` messages of clients.
        binds,
    }
}

counts! {
    /// One shard of a database on one worker.
    ShardCounts,
    /// A copy of [`ShardCounts`].
    ShardNumbers {
        /// Queries that its servers answered.
        queries,
        /// Of those, ends of transactions.
        transactions,
        /// Errors that they reported.
        errors,
        /// Bytes from its servers.
        received,
        /// Bytes to its servers.
        sent,
    }
}

/// Waits for a connection, by [`WAIT_BOUNDS`].
pub type Waits = [u64; WAIT_BOUNDS.len() + 1];

/// What one worker counts about one database.
#[derive(Debug, Default)]
pub struct Database {
    /// The database as a whole.
    pub counts: DatabaseCounts,
    /// The counts at the end of the last period, and what was counted during it.
    periods: Cell<(DatabaseNumbers, DatabaseNumbers)>,
    waits: RefCell<Waits>,
    refusals: RefCell<Vec<(SqlState, u64)>>,
    shards: RefCell<Vec<(String, Rc<ShardCounts>)>>,
}

impl Database {
    /// The counters of a shard, by name: they outlive a reload that renumbers shards.
    pub fn shard(&self, name: &str) -> Rc<ShardCounts> {
        let mut shards = self.shards.borrow_mut();
        if let Some((_, counts)) = shards.iter().find(|(known, _)| known == name) {
            return Rc::clone(counts);
        }
        let counts = Rc::<ShardCounts>::default();
        shards.push((name.to_owned(), Rc::clone(&counts)));
        counts
    }

    /// A client has waited this long for a connection.
    pub fn waited(&self, time: Duration) {
        let time = micros(time);
        self.counts.wait_time.add(time);
        let bucket = WAIT_BOUNDS
            .iter()
            .position(|bound| time <= *bound)
            .unwrap_or(WAIT_BOUNDS.len());
        self.waits.borrow_mut()[bucket] += 1;
    }

    /// A client has not waited for a connection.
    pub fn waited_not(&self) {
        self.waits.borrow_mut()[0] += 1;
    }

    /// The proxy itself has raised an error. Its own SQLSTATEs are few.
    pub fn refused(&self, state: SqlState) {
        let mut refusals = self.refusals.borrow_mut();
        match refusals.iter_mut().find(|(known, _)| *known == state) {
            Some((_, count)) => *count += 1,
            None => refusals.push((state, 1)),
        }
    }

    /// A period has ended.
    pub fn turn_period(&self) {
        let now = self.counts.copy();
        let (earlier, _) = self.periods.get();
        self.periods.set((now, now.since(&earlier)));
    }

    /// A copy.
    pub fn copy(&self) -> DatabaseCopy {
        DatabaseCopy {
            numbers: self.counts.copy(),
            recent: self.periods.get().1,
            waits: *self.waits.borrow(),
            refusals: self.refusals.borrow().clone(),
            shards: self
                .shards
                .borrow()
                .iter()
                .map(|(name, counts)| (name.clone(), counts.copy()))
                .collect(),
        }
    }
}

/// A copy of [`Database`], of one worker or of all.
#[derive(Clone, Debug, Default)]
pub struct DatabaseCopy {
    /// The database as a whole.
    pub numbers: DatabaseNumbers,
    /// What was counted in the last period ([`STATS_PERIOD`]).
    pub recent: DatabaseNumbers,
    /// Waits for a connection, by [`WAIT_BOUNDS`].
    pub waits: Waits,
    /// Errors that the proxy raised itself.
    pub refusals: Vec<(SqlState, u64)>,
    /// By name of the shard.
    pub shards: Vec<(String, ShardNumbers)>,
}

impl DatabaseCopy {
    /// Takes in what another worker counted.
    pub fn add(&mut self, other: &Self) {
        self.numbers.add(&other.numbers);
        self.recent.add(&other.recent);
        for (mine, theirs) in self.waits.iter_mut().zip(other.waits) {
            *mine += theirs;
        }
        for (state, count) in &other.refusals {
            match self.refusals.iter_mut().find(|(known, _)| known == state) {
                Some((_, mine)) => *mine += count,
                None => self.refusals.push((*state, *count)),
            }
        }
        for (name, numbers) in &other.shards {
            match self.shards.iter_mut().find(|(known, _)| known == name) {
                Some((_, mine)) => mine.add(numbers),
                None => self.shards.push((name.clone(), *numbers)),
            }
        }
    }
}

/// Where the sessions of a database and user count.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// The database.
    pub database: Rc<Database>,
    shards: Rc<[Rc<ShardCounts>]>,
}

impl Stats {
    /// For the shards of a topology, in order.
    pub fn new<'a>(database: &Rc<Database>, shards: impl Iterator<Item = &'a str>) -> Self {
        Self {
            shards: shards.map(|name| database.shard(name)).collect(),
            database: Rc::clone(database),
        }
    }

    /// The counters of a shard, to keep.
    pub fn shard_counts(&self, shard: ShardId) -> Option<Rc<ShardCounts>> {
        self.shards.get(shard.index()).map(Rc::clone)
    }

    /// The counters of a shard; `None` where nobody asked for any (tests of the session alone).
    pub fn shard(&self, shard: ShardId) -> Option<&ShardCounts> {
        self.shards.get(shard.index()).map(|counts| &**counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_several_workers_add_up() {
        let (one, two) = (Database::default(), Database::default());
        for (database, times) in [(&one, 1), (&two, 2)] {
            let stats = Stats::new(&Rc::default(), ["unused"].into_iter());
            assert!(stats.shard(ShardId(1)).is_none());
            for _ in 0..times {
                database.counts.queries.add(10);
                database.shard("s0").errors.add(1);
                database.refused(SqlState::new("SH001"));
                database.waited(Duration::from_micros(150));
                database.waited_not();
            }
        }
        let mut sum = one.copy();
        sum.add(&two.copy());
        assert_eq!(sum.numbers.queries, 30);
        assert_eq!(sum.shards[0].1.errors, 3);
        assert_eq!(sum.refusals, [(SqlState::new("SH001"), 3)]);
        assert_eq!((sum.waits[0], sum.waits[2]), (3, 3));
        assert_eq!(sum.numbers.wait_time, 450);
        assert_eq!(sum.numbers.since(&one.copy().numbers).queries, 20);
    }
}
