//! Connections over which the catalogs of a database's servers are read, kept for a while.
//!
//! A run of definitions, as a restore or a migration makes it, has the catalog brought up to date after each of them. A new connection for
//! each time would cost more than the reading: a login, and a server process that knows nothing yet. On one that is kept the
//! queries about what a definition touched are prepared, since planning them takes longer than running them.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use router_core::id::ShardId;
use router_core::topology::catalog::read;

use super::{AskError, CatalogError, Rows, asked_all};
use crate::server::connect::Connected;
use crate::settings::ServerAddress;
use crate::tls::{Socket, StdSocket};

/// Longest time that a connection is kept which nobody uses.
const IDLE: Duration = Duration::from_secs(10);

/// Names of what is prepared: for [`read::prepare_touch`], and for each of [`read::NARROWED`].
const TOUCH: &str = "shunt_touch";
const NARROWED: [&str; 4] = [
    "shunt_relations",
    "shunt_columns",
    "shunt_uses",
    "shunt_links",
];

/// A connection to the primary of a shard, set up for reading.
#[derive(Debug)]
pub(super) struct Reader<S = Socket> {
    shard: ShardId,
    address: ServerAddress,
    pub(super) connection: Connected<S>,
    is_prepared: bool,
}

impl Reader {
    pub(super) fn new(shard: ShardId, address: ServerAddress, connection: Connected) -> Self {
        Self {
            shard,
            address,
            connection,
            is_prepared: false,
        }
    }

    /// What the server has for the relations of these names, and what hangs on them: rows of [`read::NARROWED`].
    pub(super) async fn touched(
        &mut self,
        label: &str,
        names: &BTreeSet<Box<str>>,
    ) -> Result<[Rows; 4], CatalogError> {
        if !self.is_prepared {
            let queries = NARROWED.iter().zip(read::NARROWED.iter());
            let prepare = queries.map(|(name, query)| format!("; PREPARE {name} AS {query}"));
            let prepare = format!(
                "{}{}",
                read::prepare_touch(TOUCH),
                prepare.collect::<String>()
            );
            asked_all(&mut self.connection, label, &prepare).await?;
            self.is_prepared = true;
        }
        // In one transaction, since they are in one message.
        let execute = NARROWED.map(|name| format!("; EXECUTE {name}")).concat();
        let text = format!("EXECUTE {TOUCH}({}){execute}", read::array(names));
        let mut answers = asked_all(&mut self.connection, label, &text).await?;
        answers.drain(..answers.len().min(1));
        answers.try_into().map_err(|_| CatalogError::Ask {
            label: label.to_owned(),
            error: AskError::Malformed,
        })
    }

    /// Off its worker's reactor: the next reading may be another worker's.
    fn detach(self) -> io::Result<Reader<Socket<StdSocket>>> {
        self.over(Connected::detach)
    }
}

impl Reader<Socket<StdSocket>> {
    fn attach(self) -> io::Result<Reader> {
        self.over(Connected::attach)
    }
}

impl<S> Reader<S> {
    fn over<T>(
        self,
        moved: impl FnOnce(Connected<S>) -> io::Result<Connected<T>>,
    ) -> io::Result<Reader<T>> {
        Ok(Reader {
            shard: self.shard,
            address: self.address,
            connection: moved(self.connection)?,
            is_prepared: self.is_prepared,
        })
    }

    fn is_to(&self, shard: ShardId, address: &ServerAddress) -> bool {
        let parts =
            |a: &ServerAddress| (a.host.clone(), a.port, a.database.clone(), a.user.clone());
        self.shard == shard && parts(&self.address) == parts(address)
    }
}

/// Those that are kept, and when one was used last.
type Kept = (Vec<Reader<Socket<StdSocket>>>, Option<Instant>);

/// The connections that are kept.
#[derive(Debug, Default)]
pub(super) struct Readers(Mutex<Kept>);

impl Readers {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection to a shard's server, if one is kept.
    pub(super) fn take(&self, shard: ShardId, address: &ServerAddress) -> Option<Reader> {
        let mut kept = self.kept();
        let readers = &mut kept.0;
        let at = readers
            .iter()
            .position(|reader| reader.is_to(shard, address))?;
        let reader = readers.swap_remove(at);
        drop(kept);
        reader.attach().ok()
    }

    /// Keeps a connection on which nothing is under way, in the place of another to that shard.
    pub(super) fn keep(&self, reader: Reader) {
        let Ok(reader) = reader.detach() else {
            return;
        };
        let mut kept = self.kept();
        kept.0.retain(|known| known.shard != reader.shard);
        kept.0.push(reader);
        kept.1 = Some(Instant::now());
    }

    /// Closes what has not been used for a while.
    pub(super) fn close_idle(&self, now: Instant) {
        let mut kept = self.kept();
        if kept.1.is_some_and(|used| now > used + IDLE) {
            *kept = Default::default();
        }
    }

    /// Closes all.
    pub(super) fn close(&self) {
        *self.kept() = Default::default();
    }
}
