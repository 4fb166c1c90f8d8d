//! One database's catalog, shared by all sessions of a proxy.
//!
//! It is read before the first statement is planned, and again after a
//! statement that changes the schema has run: until the new reading is there,
//! no session of the database plans anything. Sessions look at two atomics for
//! that; only one reading is under way at a time.
//!
//! A function that leaves nothing in sessions changes what nobody knew before it: only who calls it has the catalog read
//! anew, not to be taken for somebody who may leave anything ([`SharedCatalog::lacks_additions`]).
//!
//! What is made on the servers without the proxy is found in three ways: a statement
//! that names a relation which the catalog lacks, and a server does not, waits until
//! it has been read anew; over shards, servers are asked every other second whether
//! anything has changed ([`SharedCatalog::was_overtaken`]); and it is read once in a while in any case.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard};
use futures_util::future::join_all;
use router_core::id::ShardId;
use router_core::plan::Touches;
use router_core::topology::Catalog;
use tokio::sync::Mutex;

use super::Extent;
use super::numbers::{Named, Numbers, ShardNumbers};
use super::readers::Readers;
use super::servers::{All, Sources, marked, numbers_of, read, read_shard, touched, united};
use super::watch::{MOST_REST as MOST_REST_OF_LOOKS, Watch};
use crate::server::health::Seldom;
use crate::settings::{Database, User};
use crate::wire::encode::Report;

/// A failure is told for so long to whoever waited for the same reading, instead of trying again for each of them.
const FAILURE: Duration = Duration::from_millis(500);

/// That it cannot be read again is told no more often.
const TELL: Duration = Duration::from_secs(60);

/// Between two readings for names that are not known there are this many times as long as the last one took.
const REST: u32 = 20;

/// See [`REST`].
const LEAST_REST: Duration = Duration::from_millis(200);

/// See [`REST`].
const MOST_REST: Duration = Duration::from_secs(1);

/// So many databases may be about to be dropped between two ticks.
const MOST_DROPPED: usize = 16;

/// What was read.
#[derive(Debug)]
pub struct Reading {
    /// When it was begun, and how long it took; `None`: nothing was read.
    read: Option<(Instant, Duration)>,
    /// What was read.
    pub catalog: Catalog,
    /// What each server's catalog is told from later ones by, where a planner chooses among shards by it.
    marks: Vec<(ShardId, String)>,
    /// What it was made of, there too: what a definition touched is read into that.
    pub(crate) sources: Sources,
}

/// One database's catalog, shared by all sessions of a proxy.
#[derive(Debug)]
pub struct SharedCatalog {
    current: ArcSwap<Reading>,
    /// How many times it was read.
    readings: AtomicU64,
    /// The how-manieth change of the schema it takes in.
    version: AtomicU64,
    /// The reading that sessions may plan with; one less is out of date.
    wanted: AtomicU64,
    /// Changes of the schema that are known of, read or not: a prepared statement may have outlived its tables.
    changes: AtomicU64,
    /// Functions that were made and leave nothing: nobody has to wait for those but who calls them.
    additions: AtomicU64,
    /// How many of them have been read.
    additions_read: AtomicU64,
    /// Statements under way of transactions that define what others' statements may set off.
    pub(super) defining: AtomicU64,
    /// Statements were found to leave more in sessions than was known when they ran, or sessions begin with other settings.
    surprised: AtomicBool,
    /// What numbers the shards have for relations and types, and whether they differ.
    numbers: ArcSwap<Numbers>,
    numbers_differ: AtomicBool,
    /// As whom it was read last, where that is another role than the shard's URL names.
    reader: Lock<Option<User>>,
    reading: Mutex<()>,
    failed: Lock<Option<(Instant, Report)>>,
    /// When it was told last that it cannot be read again.
    told: Seldom,
    watch: Mutex<Watch>,
    /// What the changes have touched that are not read yet.
    touches: Lock<Touches>,
    readers: Readers,
    /// Databases on its servers that somebody is about to drop.
    dropped: Lock<Vec<String>>,
}

impl Default for SharedCatalog {
    /// Nothing is known yet.
    fn default() -> Self {
        Self {
            current: ArcSwap::from_pointee(Reading {
                read: None,
                catalog: Catalog::unknown(),
                marks: Vec::new(),
                sources: Sources::new(),
            }),
            readings: AtomicU64::new(0),
            version: AtomicU64::new(0),
            wanted: AtomicU64::new(1),
            changes: AtomicU64::new(0),
            additions: AtomicU64::new(0),
            additions_read: AtomicU64::new(0),
            defining: AtomicU64::new(0),
            surprised: AtomicBool::new(false),
            numbers: ArcSwap::default(),
            numbers_differ: AtomicBool::new(false),
            reader: Lock::default(),
            reading: Mutex::default(),
            failed: Lock::default(),
            told: Seldom::default(),
            watch: Mutex::default(),
            touches: Lock::new(Touches::Anything),
            readers: Readers::default(),
            dropped: Lock::default(),
        }
    }
}

impl SharedCatalog {
    /// One that has been read, in which nothing was found: for conversations without servers.
    #[cfg(test)]
    pub(crate) fn read_as_unknown() -> Self {
        Self {
            version: AtomicU64::new(1),
            ..Self::default()
        }
    }

    /// What was read last.
    pub fn current(&self) -> Guard<Arc<Reading>> {
        self.current.load()
    }

    /// What tells its contents from others.
    pub fn fingerprint(&self) -> u64 {
        self.current().catalog.fingerprint()
    }

    /// How many times it was read. What was learned of it before, with this number from before that, holds as long as the
    /// number does.
    pub fn readings(&self) -> u64 {
        self.readings.load(Ordering::Acquire)
    }

    /// The numbers that a shard has, where they are not those that clients know.
    #[inline]
    pub fn numbers(&self, shard: ShardId) -> Option<Arc<ShardNumbers>> {
        if shard == ShardId(0) || !self.numbers_differ.load(Ordering::Acquire) {
            return None;
        }
        self.numbers.load().of(shard.index()).cloned()
    }

    /// Puts whole messages of a shard's server into the numbers that clients know.
    #[inline]
    pub fn renumber(&self, shard: ShardId, messages: &mut [u8]) {
        if shard != ShardId(0)
            && self.numbers_differ.load(Ordering::Acquire)
            && let Some(numbers) = self.numbers.load().of(shard.index())
        {
            numbers.of_messages(messages);
        }
    }

    /// Whether it has to be read before anything is planned.
    pub fn is_stale(&self) -> bool {
        self.version.load(Ordering::Acquire) < self.wanted.load(Ordering::Acquire)
    }

    /// Whether it has been read at all.
    pub fn was_read(&self) -> bool {
        self.version.load(Ordering::Acquire) > 0
    }

    /// Whether functions have been made since that leave nothing, whose calls are taken for more.
    pub fn lacks_additions(&self) -> bool {
        self.additions_read.load(Ordering::Acquire) < self.additions.load(Ordering::Acquire)
    }

    /// Whether statements that end now may have left more on their connections than they were planned with: what they set
    /// off may have been defined meanwhile.
    pub fn is_unsettled(&self) -> bool {
        self.defining.load(Ordering::Acquire) > 0 || self.is_stale()
    }

    /// A number that grows with every change of the schema that has to be read.
    pub fn wanted(&self) -> u64 {
        self.wanted.load(Ordering::Acquire)
    }

    /// How many changes of the schema are known of.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The schema may have changed, in what plans of the router do not depend on.
    pub fn handle_unplanned_change(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Somebody is about to drop this database on its servers.
    pub fn handle_drop(&self, name: String) {
        let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        // Said again while nobody has looked, it is the same; nobody drops many at once.
        if dropped.len() < MOST_DROPPED && !dropped.contains(&name) {
            dropped.push(name);
        }
    }

    /// Which ones, said once.
    pub fn take_dropped(&self) -> Vec<String> {
        let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *dropped)
    }

    /// A function was made that leaves nothing.
    pub fn handle_addition(&self) {
        self.additions.fetch_add(1, Ordering::AcqRel);
    }

    /// The schema may have changed, in this.
    pub fn handle_change(&self, touches: &Touches) {
        self.handle_unplanned_change();
        if *touches != Touches::Nothing {
            let mut unread = self.touches();
            unread.add(touches);
            self.wanted.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Reads it, unless somebody else has meanwhile, in the role that `user` has on the servers: the one in the shard's URL
    /// need not be able to log in. `additions`: also where nothing else has changed. An error is for the client that waits.
    pub async fn refresh(
        &self,
        database: &Database,
        user: Option<&User>,
        additions: bool,
    ) -> Result<(), Report> {
        let _turn = self.reading.lock().await;
        let lacks = self.is_stale() || additions && self.lacks_additions();
        if !lacks {
            return Ok(());
        }
        self.read(database, user.cloned(), false).await
    }

    /// Reads it anew, unless that was begun after `since`: somebody has met a relation that it lacks. Only whoever met
    /// it waits, also for a while after the last reading: nobody who mistypes names keeps a server busy.
    pub async fn reread(&self, database: &Database, since: Instant) -> Result<(), Report> {
        let newer = |begun: Instant| begun > since;
        // Not with the turn taken: whoever waits for a change of the schema does not wait for this.
        loop {
            let Some((begun, took)) = self.current().read else {
                break;
            };
            if newer(begun) {
                return Ok(());
            }
            let due = begun + took + (took * REST).clamp(LEAST_REST, MOST_REST);
            if due <= Instant::now() {
                break;
            }
            tokio::time::sleep_until(due.into()).await;
        }
        let _turn = self.reading.lock().await;
        if self.current().read.is_some_and(|(begun, _)| newer(begun)) {
            return Ok(());
        }
        let reader = self.reader().clone();
        self.read(database, reader, true).await
    }

    /// Whether it was read, and longer ago than `age`, and nobody reads it now.
    pub fn is_older(&self, age: Duration) -> bool {
        let read = self.current().read;
        read.is_some_and(|(begun, _)| begun.elapsed() > age) && !self.is_being_read()
    }

    fn is_being_read(&self) -> bool {
        self.reading.try_lock().is_err()
    }

    /// Whether it is to be told that it cannot be read again.
    pub fn tells_of_failure(&self) -> bool {
        self.told.is_due(TELL)
    }

    /// Whether it is time to ask [`Self::was_overtaken`].
    pub fn may_be_overtaken(&self, now: Instant) -> bool {
        let current = self.current();
        // After a reading that took long there is none for a while, whatever happens.
        let rests = |(begun, took): (Instant, Duration)| {
            now < begun + took + (took * REST).min(MOST_REST_OF_LOOKS)
        };
        !current.marks.is_empty()
            && !current.read.is_some_and(rests)
            && !self.is_stale()
            && !self.is_being_read()
            && self.watch.try_lock().is_ok_and(|watch| watch.is_due(now))
    }

    /// Whether something was defined since it was read that nobody here knows of, as far as the servers tell.
    pub async fn was_overtaken(&self, database: &Database) -> bool {
        // One look at a time.
        let Ok(mut watch) = self.watch.try_lock() else {
            return false;
        };
        let begun = Instant::now();
        let readings = self.readings();
        let marks = self.current().marks.clone();
        let reader = self.reader().clone();
        let mut other = Ok(false);
        for (shard, known) in &marks {
            other = marked(&mut watch, database, *shard, reader.as_ref())
                .await
                .map(|mark| mark != *known);
            if !matches!(other, Ok(false)) {
                break;
            }
        }
        watch.rest(begun);
        match other {
            // It may have been read meanwhile, and the answer is from before that.
            Ok(other) => other && readings == self.readings() && !self.is_stale(),
            Err(report) => {
                watch.close();
                let detail = report.detail.as_deref();
                tracing::debug!(
                    database = database.topology.database,
                    detail,
                    "cannot look for changes of the catalog"
                );
                false
            }
        }
    }

    /// Nobody is asked for now: no connection is kept.
    pub fn close_watch(&self) {
        if let Ok(mut watch) = self.watch.try_lock() {
            watch.close();
        }
        self.readers.close();
    }

    /// Closes connections that nobody has read over for a while.
    pub fn close_idle(&self, now: Instant) {
        self.readers.close_idle(now);
    }

    /// `whole`: also what nobody has touched.
    async fn read(
        &self,
        database: &Database,
        user: Option<User>,
        whole: bool,
    ) -> Result<(), Report> {
        if let Some((at, report)) = &*self.failed()
            && at.elapsed() < FAILURE
        {
            return Err(report.clone());
        }
        // A change during the reading asks for the next one.
        let (version, touches) = {
            let mut unread = self.touches();
            let version = self.wanted.load(Ordering::Acquire);
            (version, std::mem::take(&mut *unread))
        };
        // Who goes away in the middle has read nothing.
        let mut unread = Unread {
            catalog: self,
            touches: touches.clone(),
        };
        let additions = self.additions.load(Ordering::Acquire);
        let before = self.current.load_full();
        let reading = match &touches {
            Touches::Relations(names) if !whole && !before.sources.is_empty() => {
                self.read_touched(database, user.as_ref(), &before, names)
                    .await
            }
            _ => self.read_whole(database, user.as_ref()).await,
        };
        match reading {
            Ok(reading) => {
                warn_of_any(database, &reading.catalog, &before.catalog);
                let residues = (reading.catalog.residues(), before.catalog.residues());
                if let (Some(now), Some(before)) = residues
                    && now.exceeds(before)
                {
                    self.surprised.store(true, Ordering::Release);
                }
                unread.touches = Touches::Nothing;
                self.current.store(Arc::new(reading));
                self.additions_read.store(additions, Ordering::Release);
                self.readings.fetch_add(1, Ordering::AcqRel);
                self.version.store(version, Ordering::Release);
                *self.failed() = None;
                *self.reader() = user;
                Ok(())
            }
            Err(report) => {
                *self.failed() = Some((Instant::now(), report.clone()));
                Err(report)
            }
        }
    }

    async fn read_whole(
        &self,
        database: &Database,
        user: Option<&User>,
    ) -> Result<Reading, Report> {
        let begun = Instant::now();
        let all = read(database, user, &self.readers).await?;
        let All {
            catalog,
            sources,
            numbers,
            marks,
        } = all;
        self.read_numbers(database, user, numbers).await;
        Ok(Reading {
            read: Some((begun, begun.elapsed())),
            catalog,
            marks,
            sources,
        })
    }

    /// Reads what was touched into what was read before. No mark belongs to that, so it is found to be overtaken when servers are
    /// looked at next, and the whole is read once the definitions are over, while everybody goes on.
    async fn read_touched(
        &self,
        database: &Database,
        user: Option<&User>,
        before: &Reading,
        names: &BTreeSet<Box<str>>,
    ) -> Result<Reading, Report> {
        let sources = touched(database, user, &self.readers, &before.sources, names).await?;
        let more = sources.iter().zip(&before.sources);
        let new: BTreeSet<Box<str>> = more
            .flat_map(|((_, now), (_, before))| now.beyond(before))
            .map(|name| name.name.as_str().into())
            .collect();
        if !new.is_empty() {
            self.read_new_numbers(database, user, &new).await;
        }
        let marks = before.marks.iter();
        Ok(Reading {
            read: before.read,
            catalog: united(&sources).unwrap_or_default(),
            marks: marks.map(|(shard, _)| (*shard, String::new())).collect(),
            sources,
        })
    }

    /// Takes note of the numbers that shards have for relations that have been made.
    async fn read_new_numbers(
        &self,
        database: &Database,
        user: Option<&User>,
        names: &BTreeSet<Box<str>>,
    ) {
        let numbers = self.numbers.load_full();
        let shards = 0..database.shards.len() as u16;
        let asked = match numbers.are_known() {
            true => {
                let ask = |shard| numbers_of(database, ShardId(shard), user, &self.readers, names);
                let answers = join_all(shards.map(ask)).await;
                answers.into_iter().collect::<Result<Vec<Named>, _>>().ok()
            }
            false => None,
        };
        match asked {
            Some(more) => self.store_numbers(numbers.with(more)),
            None => {
                let unknown = vec![None; database.shards.len()];
                self.read_numbers(database, user, unknown).await;
            }
        }
    }

    fn store_numbers(&self, numbers: Numbers) {
        self.numbers_differ
            .store(numbers.differ(), Ordering::Release);
        self.numbers.store(Arc::new(numbers));
    }

    /// Takes note of the numbers that shards have. `known`: what shards have that were asked already. A shard
    /// that does not answer is asked at the next reading.
    async fn read_numbers(
        &self,
        database: &Database,
        user: Option<&User>,
        known: Vec<Option<Named>>,
    ) {
        if database.topology.only_shard().is_some() {
            return;
        }
        let ask = async |shard: usize, known: &Option<Named>| match known {
            Some(named) => Some(named.clone()),
            None => {
                let id = ShardId(shard as u16);
                let read = read_shard(database, id, user, &self.readers, Extent::Numbers).await;
                read.ok().map(|read| read.numbers)
            }
        };
        let Some(first) = ask(0, &known[0]).await else {
            return;
        };
        if self.numbers.load().hold(&first) {
            return;
        }
        let others = known.iter().enumerate().skip(1);
        let others = join_all(others.map(|(shard, known)| ask(shard, known))).await;
        let all: Vec<_> = [Some(first.clone())].into_iter().chain(others).collect();
        self.store_numbers(Numbers::new(first, &all));
    }

    /// What sessions begin with has changed: connections from before do not have it.
    pub fn handle_new_settings(&self) {
        self.surprised.store(true, Ordering::Release);
    }

    /// Whether statements have left more on connections than was known, or they are out of date. Says so once: whoever asks closes the connections.
    pub fn take_surprise(&self) -> bool {
        self.surprised.swap(false, Ordering::AcqRel)
    }

    fn reader(&self) -> std::sync::MutexGuard<'_, Option<User>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touches(&self) -> std::sync::MutexGuard<'_, Touches> {
        self.touches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Report)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a reading has taken upon itself: whatever of it is not read when it ends is to be read by the next one, together with
/// what nobody knows of that happened meanwhile.
struct Unread<'c> {
    catalog: &'c SharedCatalog,
    touches: Touches,
}

impl Drop for Unread<'_> {
    fn drop(&mut self) {
        self.catalog.touches().add(&self.touches);
    }
}

/// One function can make the pool as good as none. Said when that is found.
fn warn_of_any(database: &Database, now: &Catalog, before: &Catalog) {
    let functions = |catalog: &Catalog| -> Vec<Box<str>> {
        let residues = catalog.residues();
        residues.map_or_else(Vec::new, |residues| residues.behind_any().to_vec())
    };
    let functions = (functions(now), functions(before));
    if !functions.0.is_empty() && functions.0 != functions.1 {
        tracing::warn!(
            database = database.topology.database,
            functions = functions.0.join(", "),
            "every client keeps its connection: what these functions leave may follow from any statement, since an operator, \
             a cast, a type or a domain calls them"
        );
    }
}
