//! Several primaries with their replicas, started side by side.

use std::thread;

use crate::builder::Builder;
use crate::error::Error;
use crate::server::Server;

/// A primary and its replicas.
#[derive(Debug)]
pub struct Shard {
    /// `s0`, `s1`, …
    pub name: String,
    /// The primary.
    pub primary: Server,
    /// Its streaming replicas.
    pub replicas: Vec<Server>,
}

/// How far the start of a shard has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Its primary answers.
    Primary {
        /// On this port.
        port: u16,
    },
    /// So does another replica.
    Replica {
        /// On this port.
        port: u16,
    },
}

/// Shards named `s0`, `s1`, …; dropped, all their servers stop side by side.
#[derive(Debug)]
pub struct Cluster {
    shards: Vec<Shard>,
}

impl Cluster {
    /// Starts `count` primaries as `builder` says, each with `replicas` replicas. `schema` is run in
    /// `database` on each primary before it is copied; `told` hears, shard by shard, how far it is.
    pub fn start(
        count: usize,
        replicas: usize,
        builder: &Builder,
        (database, schema): (&str, &str),
        told: &(dyn Fn(usize, Progress) + Sync),
    ) -> Result<Self, Error> {
        let one = |number: usize| {
            let primary = builder.clone().start()?;
            primary.execute(database, schema)?;
            told(
                number,
                Progress::Primary {
                    port: primary.port(),
                },
            );
            let mut shard = Shard {
                name: format!("s{number}"),
                primary,
                replicas: Vec::with_capacity(replicas),
            };
            for _ in 0..replicas {
                let replica = shard.primary.replica().start()?;
                told(
                    number,
                    Progress::Replica {
                        port: replica.port(),
                    },
                );
                shard.replicas.push(replica);
            }
            Ok(shard)
        };
        let shards = thread::scope(|scope| {
            let one = &one;
            let starts: Vec<_> = (0..count)
                .map(|number| scope.spawn(move || one(number)))
                .collect();
            // All are waited for, so that a failure leaves none behind half made.
            let started = starts.into_iter().map(|start| match start.join() {
                Ok(outcome) => outcome,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            started.collect::<Vec<Result<Shard, Error>>>()
        });
        Ok(Self {
            shards: shards.into_iter().collect::<Result<_, _>>()?,
        })
    }

    /// The shards.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// Waits until each replica has replayed what its primary has written so far.
    pub fn await_replicas(&self) -> Result<(), Error> {
        for shard in &self.shards {
            for replica in &shard.replicas {
                replica.await_replay_of(&shard.primary)?;
            }
        }
        Ok(())
    }

    /// Runs SQL on every primary, one after the other; the answers in the order of the shards.
    pub fn execute(&self, database: &str, sql: &str) -> Result<Vec<String>, Error> {
        self.shards
            .iter()
            .map(|shard| shard.primary.execute(database, sql))
            .collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        thread::scope(|scope| {
            for shard in self.shards.drain(..) {
                for server in shard.replicas {
                    scope.spawn(move || drop(server));
                }
                scope.spawn(move || drop(shard.primary));
            }
        });
    }
}
