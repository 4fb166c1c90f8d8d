//! What a worker is told by others, and what it answers.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tokio::sync::mpsc::UnboundedReceiver;

use super::{About, Entry, Letter, Worker, wake};
use crate::pool::ServerPool;
use crate::snapshot::{ClientRow, Doing, Look, PlanNumbers, ServerRow, Snapshot};

/// Most cancel requests that wait at a time for one client.
const MOST_CANCELLERS: usize = 16;

impl Worker {
    /// Reads letters until the end.
    pub async fn read_letters(self: Rc<Self>, mut letters: UnboundedReceiver<Letter>) {
        while let Some(letter) = letters.recv().await {
            match letter {
                Letter::Yield(shared) => self.give_away(&shared),
                Letter::Cancel {
                    client,
                    secret,
                    told,
                } => {
                    let entry = self.clients.borrow().get(client).cloned().flatten();
                    if let Some(entry) = entry
                        && subtle::ConstantTimeEq::ct_eq(&entry.secret.get()[..], &secret[..])
                            .into()
                    {
                        entry.cancel.set(true);
                        let mut cancellers = entry.cancellers.borrow_mut();
                        if cancellers.len() < MOST_CANCELLERS {
                            cancellers.push(told);
                        }
                        drop(cancellers);
                        wake(&entry);
                    }
                }
                Letter::Deadlock { client, since } => {
                    let entry = self.clients.borrow().get(client).cloned().flatten();
                    if let Some(entry) = entry
                        && entry.doing.get() == Some((Doing::Active, since))
                    {
                        entry.gives_way.set(true);
                        entry.cancel.set(true);
                        wake(&entry);
                    }
                }
                Letter::Accepted(socket) => crate::listener::welcome(&self, socket),
                Letter::Wake => {
                    let clients = self.clients.borrow().clone();
                    for entry in clients.iter().flatten() {
                        wake(entry);
                    }
                }
                Letter::Look(look) => self.answer(look),
                Letter::Tidy(done) => {
                    self.tidy();
                    // Whoever asked may have left.
                    let _ = done.send(());
                }
                Letter::Kill(database, done) => {
                    self.kill(database.as_deref());
                    self.tidy();
                    let _ = done.send(());
                }
                Letter::Reloaded(done) => {
                    self.access.borrow_mut().clear();
                    self.generation.set(self.shared.settings().generation);
                    self.tidy();
                    if self.id == 0 {
                        self.open_pools();
                    }
                    let clients = self.clients.borrow().clone();
                    for entry in clients.iter().flatten() {
                        wake(entry);
                    }
                    let _ = done.send(());
                }
            }
        }
    }

    /// Closes idle connections that are stale.
    fn tidy(&self) {
        for pool in self.pools.borrow_mut().iter_mut() {
            let shared = Arc::clone(&pool.shared);
            pool.idle.retain(|connection| {
                let stale = shared.is_stale(connection.state.opened);
                if stale {
                    shared.closed();
                }
                !stale
            });
            pool.shared.note_idle(self.id, pool.idle.len());
        }
    }

    fn kill(&self, database: Option<&str>) {
        let clients = self.clients.borrow().clone();
        for entry in clients.iter().flatten() {
            let meant = match &*entry.about.borrow() {
                Some(About {
                    access: Some(access),
                    ..
                }) => database.is_none_or(|name| access.database == name),
                _ => false,
            };
            if meant {
                entry.killed.set(true);
                wake(entry);
            }
        }
    }

    /// Answers somebody who wants to know what this worker is doing.
    fn answer(&self, look: Look) {
        let clients: Vec<(usize, Rc<Entry>)> = self
            .clients
            .borrow()
            .iter()
            .enumerate()
            .filter_map(|(at, entry)| Some((at, Rc::clone(entry.as_ref()?))))
            .collect();
        if look.details {
            for (place, entry) in &clients {
                entry.asked.set(true);
                entry.orders.set(true);
                self.take_turn(*place);
            }
        }
        let (now, wall) = (Instant::now(), SystemTime::now());
        let mut snapshot = Snapshot {
            worker: self.id,
            ..Snapshot::default()
        };
        let ago = |at: Instant| wall.checked_sub(now - at).unwrap_or(wall);
        for (at, entry) in clients {
            entry.asked.set(false);
            let details = entry.details.borrow_mut().take();
            let about = entry.about.borrow();
            let console = about.as_ref().and_then(|about| about.console.as_ref());
            let details = details.or_else(|| Some(console?.details.clone()));
            let Some(about) = &*about else {
                snapshot.logging_in += 1;
                continue;
            };
            let relayed = about.relayed.as_deref().filter(|_| look.details);
            let details = details.or_else(|| relayed.cloned());
            let (database, user, role) = match (&about.access, &about.console) {
                (Some(access), _) => (&access.database, &access.user, access.role.as_str()),
                (None, Some(console)) => (&console.database, &console.user, ""),
                (None, None) => continue,
            };
            let (doing, since) = entry.doing.get().unwrap_or((Doing::Idle, about.connected));
            snapshot.clients.push(ClientRow {
                id: crate::cancel::process_id(self.id, at),
                database: database.clone(),
                user: user.clone(),
                role: role.to_owned(),
                console: about.access.is_none(),
                doing,
                since,
                connected: ago(about.connected),
                requested: ago(since),
                details,
            });
        }
        if look.details {
            for pool in self.pools.borrow().iter() {
                snapshot
                    .idle
                    .extend(pool.idle.iter().map(|connection| ServerRow {
                        idle_since: Some(connection.idle_since),
                        ..server_row(&pool.shared, &connection.socket, &connection.state)
                    }));
            }
        }
        let stats = self.stats.borrow();
        snapshot.databases = stats
            .iter()
            .map(|(name, database)| (name.clone(), database.copy()))
            .collect();
        let numbers = self.planning.borrow().planner.numbers();
        snapshot.plans = PlanNumbers {
            entries: numbers.entries,
            bytes: numbers.bytes,
            limit: crate::session::PLAN_CACHE,
            hits: numbers.hits,
            misses: numbers.misses,
        };
        // Whoever asked may have left.
        let _ = look.reply.send(snapshot);
    }
}

/// What there is to say about a connection, whoever holds it.
pub(crate) fn server_row(
    pool: &Arc<ServerPool>,
    socket: &crate::tls::Socket,
    state: &crate::server::state::ServerState,
) -> ServerRow {
    ServerRow {
        id: state.id,
        pool: Arc::clone(pool),
        process: state.process,
        client: None,
        application: String::new(),
        opened: state.opened,
        idle_since: None,
        peer: socket.raw().peer(),
        local: socket.raw().local(),
        tls: socket.tls().map(crate::tls::EncryptedSocket::describe),
        prepared: (state.prepared.len(), state.prepared.bytes()),
    }
}
