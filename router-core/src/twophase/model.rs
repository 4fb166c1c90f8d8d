//! A commit played in every way it can go: any order of messages, any vote, routers and servers that crash at any
//! moment, recovery and tidying at any moment by routers that know nothing of it.
//!
//! The states are few enough to visit all of them. In none may one part be committed and another rolled back, or the
//! client have been told what is not so; and from each there is a way to an end at which nothing is open or prepared.

use std::collections::{HashMap, HashSet};

use super::recovery::{Coordinator, Decision, removable};
use super::*;

const SHARDS: [&str; 3] = ["s0", "s1", "s2"];
const DATABASE: &str = "shop";
const PLACE: Place = Place(1);

/// A server, as far as one transaction matters to it. What a crash leaves: `prepared`, `ended`, `row`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Server {
    /// The transaction is open on the router's connection.
    open: bool,
    /// It has failed.
    failed: bool,
    /// The decision is written in it.
    decides: bool,
    prepared: bool,
    /// `COMMIT` or `ROLLBACK` of this part.
    ended: Option<bool>,
    /// The decision that everybody sees.
    row: Option<bool>,
}

/// The router's connection to a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Connection {
    question: Option<Say>,
    answer: Option<Reply>,
    alive: bool,
}

/// Recovery by some router.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Sweeper {
    Idle,
    At(Case),
}

/// Tidying by some router.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Tidier {
    Idle,
    /// It has read the decision and asks the servers for prepared parts one by one.
    Read {
        asked: usize,
        found: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    servers: Vec<Server>,
    connections: Vec<Connection>,
    /// `None`: crashed.
    router: Option<Commit>,
    coordinator: usize,
    told: Option<Outcome>,
    sweepers: Vec<Sweeper>,
    tidier: Tidier,
    /// Crashes that may still happen.
    crashes: usize,
}

/// Takes a change of the world as something that can happen next.
type With<'a> = dyn FnMut(&Change<'_>) + 'a;
type Change<'a> = dyn Fn(&mut World) + 'a;

fn id() -> TransactionId {
    TransactionId::new(DATABASE, "s0", PLACE, 1)
}

impl World {
    fn new(shards: usize, sweepers: usize, crashes: usize) -> Self {
        let wrote = Participant {
            wrote: true,
            obstacle: Obstacle::None,
        };
        let commit = Commit::new(&vec![wrote; shards], 0);
        let open = Server {
            open: true,
            ..Server::default()
        };
        let idle = Connection {
            question: None,
            answer: None,
            alive: true,
        };
        let mut world = Self {
            servers: vec![open; shards],
            connections: vec![idle; shards],
            coordinator: commit.coordinator().expect("several wrote"),
            router: Some(commit),
            told: None,
            sweepers: vec![Sweeper::Idle; sweepers],
            tidier: Tidier::Idle,
            crashes,
        };
        world.send();
        world
    }

    /// The router sends what it has to say.
    fn send(&mut self) {
        let Some(router) = &mut self.router else {
            return;
        };
        while let Some((i, say)) = router.poll() {
            assert!(self.connections[i].question.is_none());
            self.connections[i].question = Some(say);
        }
        if let Some(outcome) = router.outcome() {
            self.told = Some(outcome);
        }
    }

    fn is_over(&self) -> bool {
        self.servers
            .iter()
            .all(|server| !server.open && !server.prepared)
            && (self.told.is_some() || self.router.is_none())
    }

    fn check(&self) {
        let ended = |commit| self.servers.iter().any(|s| s.ended == Some(commit));
        assert!(!(ended(true) && ended(false)), "torn: {self:#?}");
        match self.told {
            Some(Outcome::Committed) => assert!(!ended(false), "told committed: {self:#?}"),
            Some(Outcome::RolledBack(_)) => assert!(!ended(true), "told rolled back: {self:#?}"),
            _ => {}
        }
    }

    /// Everything that can happen next.
    fn next(&self) -> Vec<Self> {
        let mut all = Vec::new();
        let mut with = |change: &Change<'_>| {
            let mut next = self.clone();
            change(&mut next);
            all.push(next);
        };
        for i in 0..self.servers.len() {
            let connection = &self.connections[i];
            if let Some(say) = connection.question {
                for well in [true, false] {
                    with(&|w| w.serve(i, say, well));
                }
            }
            if connection.answer.is_some() && self.router.is_some() {
                with(&|w| w.hear(i));
            }
            if !connection.alive && connection.answer != Some(Reply::Lost) {
                with(&|w| w.lose(i));
            }
            // After the router's end its connections end, once their last question was carried out or was not.
            if self.router.is_none() && connection.alive {
                with(&|w| w.disconnect(i));
            }
            if self.crashes > 0 {
                with(&|w| {
                    w.crashes -= 1;
                    w.disconnect(i);
                });
            }
        }
        if self.crashes > 0 && self.router.is_some() {
            with(&|w| {
                w.crashes -= 1;
                w.router = None;
            });
        }
        for s in 0..self.sweepers.len() {
            self.sweep(s, &mut with);
        }
        self.tidy(&mut with);
        all
    }

    /// A server carries out what it was told; `well`: unless it cannot.
    fn serve(&mut self, i: usize, say: Say, well: bool) {
        let server = &mut self.servers[i];
        let reply = match say {
            Say::CommitPrepared | Say::RollbackPrepared => {
                if server.prepared {
                    server.prepared = false;
                    server.ended = Some(say == Say::CommitPrepared);
                }
                // Not there any more: somebody else was quicker.
                Reply::Done
            }
            Say::Rollback => {
                server.end(false);
                Reply::Done
            }
            _ if server.failed => {
                server.end(false);
                Reply::RolledBack
            }
            Say::Decide if well && server.row.is_none() => {
                server.decides = true;
                Reply::Done
            }
            Say::Decide => {
                server.failed = true;
                Reply::Failed
            }
            Say::Prepare if well => {
                server.open = false;
                server.prepared = true;
                Reply::Done
            }
            Say::Commit if well => {
                if server.decides {
                    assert_eq!(server.row, None, "the index is unique");
                    server.row = Some(true);
                }
                server.end(true);
                Reply::Done
            }
            Say::Prepare | Say::Commit => {
                server.end(false);
                Reply::Failed
            }
        };
        self.connections[i].question = None;
        if self.connections[i].alive {
            self.connections[i].answer = Some(reply);
        }
    }

    /// A connection ends: by a crash of the server or of the router.
    fn disconnect(&mut self, i: usize) {
        let server = &mut self.servers[i];
        if server.open {
            server.end(false);
        }
        self.connections[i] = Connection {
            question: None,
            // An answer on its way may still arrive.
            answer: self.connections[i].answer,
            alive: false,
        };
    }

    fn hear(&mut self, i: usize) {
        if let (Some(router), Some(answer)) = (&mut self.router, self.connections[i].answer.take())
        {
            router.handle(i, answer);
            if answer == Reply::Lost {
                self.connections[i].answer = Some(Reply::Lost);
            }
        }
        self.send_to_the_living();
    }

    /// The router notices that a connection has ended.
    fn lose(&mut self, i: usize) {
        self.connections[i].answer = Some(Reply::Lost);
        if let Some(router) = &mut self.router {
            router.handle(i, Reply::Lost);
        }
        self.send_to_the_living();
    }

    /// What is sent into a connection that has ended without the router's knowledge comes to nothing.
    fn send_to_the_living(&mut self) {
        self.send();
        for connection in &mut self.connections {
            if !connection.alive {
                connection.question = None;
            }
        }
    }

    fn sweep(&self, s: usize, with: &mut With<'_>) {
        let Sweeper::At(case) = &self.sweepers[s] else {
            if self.servers.iter().any(|server| server.prepared) {
                with(&|w| {
                    let here = Coordinator::At(PLACE);
                    w.sweepers[s] = Sweeper::At(Case::new(&id(), DATABASE, here));
                });
            }
            return;
        };
        // It gives up, or its router crashes.
        with(&|w| w.sweepers[s] = Sweeper::Idle);
        let coordinator = &self.servers[self.coordinator];
        let answer = |row| match row {
            Some(true) => Answer::Committed,
            Some(false) => Answer::Aborted,
            None => Answer::Absent,
        };
        match case.next() {
            Move::Ask => with(&|w| {
                let mut case = case.clone();
                case.handle(answer(coordinator.row));
                w.sweepers[s] = Sweeper::At(case);
            }),
            // Waits for a transaction that has written the same row.
            Move::RecordAbort if coordinator.decides && coordinator.open => {}
            Move::RecordAbort => with(&|w| {
                let row = *w.servers[w.coordinator].row.get_or_insert(false);
                let mut case = case.clone();
                case.handle(answer(Some(row)));
                w.sweepers[s] = Sweeper::At(case);
            }),
            Move::Finish { commit } => {
                for i in 0..self.servers.len() {
                    if self.servers[i].prepared {
                        with(&|w| {
                            w.servers[i].prepared = false;
                            w.servers[i].ended = Some(commit);
                        });
                    }
                }
            }
            Move::Leave(_) => {}
        }
    }

    fn tidy(&self, with: &mut With<'_>) {
        let coordinator = &self.servers[self.coordinator];
        match self.tidier {
            Tidier::Idle => {
                let may = match coordinator.row {
                    Some(true) => true,
                    // No transaction is older than the decision.
                    Some(false) => !coordinator.open,
                    None => false,
                };
                if may {
                    with(&|w| {
                        w.tidier = Tidier::Read {
                            asked: 0,
                            found: false,
                        };
                    });
                }
            }
            Tidier::Read { asked, found } if asked < self.servers.len() => with(&|w| {
                w.tidier = Tidier::Read {
                    asked: asked + 1,
                    found: found || w.servers[asked].prepared,
                };
            }),
            Tidier::Read { found, .. } => with(&|w| {
                let decisions = [Decision {
                    id: id(),
                    shards: SHARDS.map(str::to_owned).to_vec(),
                }];
                let prepared: HashSet<_> = found.then(id).into_iter().collect();
                if removable(&decisions, DATABASE, &SHARDS, &prepared).count() > 0 {
                    w.servers[w.coordinator].row = None;
                }
                w.tidier = Tidier::Idle;
            }),
        }
    }
}

impl Server {
    fn end(&mut self, commit: bool) {
        if self.open {
            self.open = false;
            self.decides = false;
            self.ended = Some(commit);
        }
    }
}

/// Visits every state; how many there are.
fn explore(first: World) -> usize {
    let mut numbers = HashMap::from([(first.clone(), 0)]);
    let mut before: Vec<Vec<usize>> = vec![Vec::new()];
    let mut over = Vec::new();
    let mut todo = vec![(first, 0)];
    while let Some((world, number)) = todo.pop() {
        world.check();
        if world.is_over() {
            over.push(number);
        }
        for next in world.next() {
            let count = numbers.len();
            let at = *numbers.entry(next.clone()).or_insert(count);
            if at == count {
                before.push(Vec::new());
                todo.push((next, at));
            }
            before[at].push(number);
        }
    }
    // From every state there is a way to an end.
    let mut ends = vec![false; before.len()];
    while let Some(number) = over.pop() {
        if !std::mem::replace(&mut ends[number], true) {
            over.extend(&before[number]);
        }
    }
    let stuck = ends.iter().position(|ends| !ends);
    if let Some(stuck) = stuck {
        let world = numbers.iter().find(|(_, number)| **number == stuck);
        panic!("no end can be reached from {world:#?}");
    }
    numbers.len()
}

#[test]
fn two_shards_two_crashes_two_sweepers() {
    let states = explore(World::new(2, 2, 2));
    assert!(states > 5_000, "{states}");
}

#[test]
fn three_shards_and_a_crash() {
    let states = explore(World::new(3, 1, 1));
    assert!(states > 10_000, "{states}");
}

/// The model finds what it is there to find: a coordinator that commits before the votes are in.
#[test]
#[should_panic(expected = "torn")]
fn a_hasty_coordinator_is_found_out() {
    let mut world = World::new(2, 1, 1);
    world.servers[0].decides = true;
    world.servers[0].row = Some(true);
    world.servers[0].open = false;
    world.servers[0].ended = Some(true);
    explore(world);
}
