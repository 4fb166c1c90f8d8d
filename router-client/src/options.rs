//! Where a statement may go, beyond what its text says.

use router_core::plan::Direction;

/// Which servers of a shard a statement that only reads may be run by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    /// The primary.
    #[default]
    Primary,
    /// A replica, or the primary when none can be reached.
    ReplicaPreferred,
    /// A replica.
    Replica,
}

/// How statements are routed. The default: by their text, to primaries.
///
/// ```
/// use router_client::{Reads, RouteOptions};
///
/// let options = RouteOptions::new().reads(Reads::ReplicaPreferred);
/// # let _ = options;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteOptions {
    pub(crate) reads: Reads,
    pub(crate) place: Option<Place>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Shard(String),
    Key(String),
}

impl RouteOptions {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets statements that only read, and are proven to, go to replicas. A replica may not have the latest writes yet.
    pub fn reads(mut self, reads: Reads) -> Self {
        self.reads = reads;
        self
    }

    /// Sends statements to this shard, whatever they are about; like `SET shunt.shard` in the proxy.
    pub fn shard(mut self, name: impl Into<String>) -> Self {
        self.place = Some(Place::Shard(name.into()));
        self
    }

    /// Sends statements to the home of this key, given as text; like `SET shunt.key` in the proxy.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.place = Some(Place::Key(key.into()));
        self
    }

    pub(crate) fn direction(&self) -> Direction<'_> {
        match &self.place {
            None => Direction::None,
            Some(Place::Shard(name)) => Direction::Shard(name),
            Some(Place::Key(key)) => Direction::Key(key),
        }
    }
}
