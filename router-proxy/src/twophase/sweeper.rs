//! Finds transactions that somebody left prepared, and finishes them.
//!
//! One look at a database: identify every primary and read old decisions; then, and only then, list what is prepared
//! everywhere (`recovery::removable` wants that order); ask coordinators; finish; remove decisions that nobody needs.
//! Every step may fail or be done by another router at the same time, and the next look begins anew.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use router_core::twophase::recovery::{Coordinator, Decision, removable};
use router_core::twophase::{Answer, Case, Gid, Move, Place, TransactionId, statements};

use super::ground::{Identity, identify};
use super::log::{Recovered, count};
use super::server::{Failure, Primary, TWO_PHASE};
use super::{TELL, TwoPhase};
use crate::settings::{ServerAddress, TwoPhaseSettings, User};
use crate::worker::Shared;

/// Decisions that one look removes from one shard.
const TIDIED: usize = 2_000;

/// A look follows the last one after this at the earliest, whatever happens.
const PAUSE: Duration = Duration::from_millis(200);

/// Looks at all databases until the proxy ends.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut due: HashMap<String, Instant> = HashMap::new();
    loop {
        let live = shared.live.load_full();
        let now = Instant::now();
        let sharded = || {
            let databases = live.settings.databases.iter();
            databases.filter(|database| database.topology.is_sharded())
        };
        let looks = sharded().filter_map(|database| {
            let name = &database.topology.database;
            let interval = database.two_phase.interval;
            let two_phase = shared.two_phase(database);
            let at = due.entry(name.clone()).or_insert(now);
            if *at > now && two_phase.left().is_empty() {
                return None;
            }
            *at = now + interval;
            let users = &live.settings.users;
            Some(async move {
                let more = two_phase.look(&database.two_phase, users).await;
                (name.clone(), more)
            })
        });
        for (name, more) in join_all(looks.collect::<Vec<_>>()).await {
            if more {
                due.insert(name, Instant::now());
            }
        }
        let woken: Vec<_> = sharded()
            .map(|database| Arc::clone(&shared.two_phase(database).left))
            .collect();
        let next = sharded()
            .filter_map(|database| due.get(&database.topology.database))
            .min()
            .copied()
            .unwrap_or(now + TwoPhaseSettings::default().interval);
        tokio::time::sleep(PAUSE).await;
        let wakes = woken.iter().map(|left| Box::pin(left.wake.notified()));
        let anybody = async {
            if woken.is_empty() {
                std::future::pending::<()>().await;
            }
            futures_util::future::select_all(wakes).await;
        };
        let _ = tokio::time::timeout_at(next.into(), anybody).await;
    }
}

/// A prepared part.
struct Part {
    shard: usize,
    gid: Gid,
    owner: String,
    age: Duration,
}

/// One primary during one look.
struct Looked {
    primary: Primary,
    place: Place,
    /// Old decisions, if it has the table.
    decisions: Option<Vec<Decision>>,
}

impl TwoPhase {
    /// One look. Whether there is more to do at once.
    async fn look(&self, settings: &TwoPhaseSettings, users: &[User]) -> bool {
        let given_up: HashSet<TransactionId> = self.left().clone();
        let mut failures: Vec<(usize, Failure)> = Vec::new();
        let reading = self.shards.iter().map(|(name, address)| async move {
            let mut primary = Primary::connect(name, address, TWO_PHASE).await?;
            let Identity { place, table, .. } = identify(&mut primary).await?;
            let decisions = if table {
                Some(decisions(&mut primary, settings.retention).await?)
            } else {
                None
            };
            Ok(Looked {
                primary,
                place,
                decisions,
            })
        });
        let mut looked: Vec<Option<Looked>> = Vec::new();
        for (at, found) in join_all(reading).await.into_iter().enumerate() {
            looked.push(match found {
                Ok(found) => Some(found),
                Err(failure) => {
                    failures.push((at, failure));
                    None
                }
            });
        }
        let listing = looked.iter_mut().map(async |looked| match looked {
            Some(looked) => looked
                .primary
                .ask(statements::LIST_PREPARED)
                .await
                .map(Some),
            None => Ok(None),
        });
        let listing = join_all(listing).await;
        let mut parts: BTreeMap<TransactionId, Vec<Part>> = BTreeMap::new();
        let mut all_listed = true;
        for (at, rows) in listing.into_iter().enumerate() {
            match rows {
                Ok(Some(rows)) => {
                    for part in rows.iter().filter_map(|row| part(at, row)) {
                        parts.entry(part.gid.transaction()).or_default().push(part);
                    }
                }
                Ok(None) => all_listed = false,
                Err(failure) => {
                    all_listed = false;
                    failures.push((at, failure));
                    looked[at] = None;
                }
            }
        }
        let prepared: HashSet<TransactionId> = parts.keys().cloned().collect();
        // Whoever prepared what is young is at work on it.
        parts.retain(|id, parts| {
            given_up.contains(id) || parts.iter().all(|part| part.age >= settings.grace)
        });
        let stuck = self.finish(&mut looked, parts, users, &mut failures).await;
        for (gid, why) in self.log.set_stuck(stuck) {
            tracing::warn!(
                database = self.database,
                gid,
                why,
                "a prepared transaction is left in doubt"
            );
        }
        let mut more = false;
        if all_listed {
            // Of these nothing is prepared any more, or it was dealt with just now.
            self.left()
                .retain(|id| !given_up.contains(id) || prepared.contains(id));
            more = self.tidy(&mut looked, &prepared, &mut failures).await;
        }
        if !failures.is_empty() {
            count(&self.log.counts.failed_looks);
        }
        for (at, failure) in failures {
            let shard = &self.shards[at].0;
            let error = &failure.message;
            if self.told[at].0.is_due(TELL) {
                tracing::warn!(database = self.database, shard, %error, "recovery of transactions over shards met an error");
            }
        }
        more
    }

    /// Finishes transactions; those that cannot be, with the reason, by the names of their parts.
    async fn finish(
        &self,
        looked: &mut [Option<Looked>],
        parts: BTreeMap<TransactionId, Vec<Part>>,
        users: &[User],
        failures: &mut Vec<(usize, Failure)>,
    ) -> Vec<(String, String)> {
        let mut stuck = Vec::new();
        for (id, parts) in parts {
            let shard = self
                .shards
                .iter()
                .position(|(name, _)| id.is_decided_by(name));
            let coordinator = match shard.map(|shard| &looked[shard]) {
                None => Coordinator::Unknown,
                Some(None) => Coordinator::Unreachable,
                Some(Some(looked)) => Coordinator::At(looked.place),
            };
            let mut case = Case::new(&id, &self.database, coordinator);
            let commit = loop {
                let (next, Some(shard)) = (case.next(), shard) else {
                    break Err("the configuration has no shard of its coordinator's name".into());
                };
                match next {
                    Move::Ask | Move::RecordAbort => {
                        let answer = answer(&mut looked[shard], &id, next).await;
                        case.handle(answer.unwrap_or_else(|failure| {
                            failures.push((shard, failure));
                            Answer::Unreachable
                        }));
                    }
                    Move::Finish { commit } => break Ok(commit),
                    Move::Leave(why) => break Err(why.text().to_owned()),
                }
            };
            for part in parts {
                let left = match &commit {
                    Ok(commit) => {
                        let done = self.finish_part(&mut looked[part.shard], &part, *commit, users);
                        done.await.map_err(|failure| failure.to_string())
                    }
                    Err(why) => Err(why.clone()),
                };
                if let Err(why) = left {
                    stuck.push((part.gid.to_string(), why));
                }
            }
        }
        stuck
    }

    async fn finish_part(
        &self,
        looked: &mut Option<Looked>,
        part: &Part,
        commit: bool,
        users: &[User],
    ) -> Result<(), Failure> {
        let (name, address) = &self.shards[part.shard];
        let gid = &part.gid;
        let sql = if commit {
            format!("COMMIT PREPARED '{gid}'")
        } else {
            format!("ROLLBACK PREPARED '{gid}'")
        };
        let Some(looked) = looked else {
            return Err(Failure {
                state: None,
                message: "the shard does not answer".to_owned(),
            });
        };
        let mut done = looked.primary.ask(&sql).await;
        if done.as_ref().is_err_and(|failure| failure.is("42501")) {
            // Only its owner may, and superusers.
            done = match as_owner(address, &part.owner, users) {
                Some(owner) => match Primary::connect(name, &owner, TWO_PHASE).await {
                    Ok(mut primary) => primary.ask(&sql).await,
                    Err(failure) => Err(failure),
                },
                None => as_role(&mut looked.primary, &part.owner, &sql).await,
            };
        }
        match done {
            Ok(_) => {
                let (shard, owner, age) = (name.clone(), part.owner.clone(), part.age);
                tracing::info!(database = self.database, shard, %gid, commit, ?age, "a prepared transaction was recovered");
                self.log.recovered(Recovered {
                    gid: gid.to_string(),
                    shard,
                    owner,
                    committed: commit,
                    age,
                    at: Instant::now(),
                });
                Ok(())
            }
            // Somebody else was quicker.
            Err(failure) if failure.is("42704") => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Removes decisions that nobody needs any more. Whether there may be more of them.
    async fn tidy(
        &self,
        looked: &mut [Option<Looked>],
        prepared: &HashSet<TransactionId>,
        failures: &mut Vec<(usize, Failure)>,
    ) -> bool {
        let shards: Vec<&str> = self.shards.iter().map(|(name, _)| name.as_str()).collect();
        let mut more = false;
        for (at, looked) in looked.iter_mut().enumerate() {
            let Some(looked) = looked else { continue };
            let decisions = looked.decisions.take().unwrap_or_default();
            let needless: Vec<_> =
                removable(&decisions, &self.database, &shards, prepared).collect();
            if needless.is_empty() {
                continue;
            }
            more |= needless.len() == TIDIED;
            if let Err(failure) = looked.primary.ask(&statements::remove(needless)).await {
                failures.push((at, failure));
            }
        }
        more
    }
}

async fn decisions(primary: &mut Primary, retention: Duration) -> Result<Vec<Decision>, Failure> {
    let sql = statements::list_decisions(retention.as_millis(), TIDIED);
    let rows = primary.ask(&sql).await?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            let shards = row.get(1)?;
            Some(Decision {
                id: TransactionId::parse(row.first()?)?,
                shards: shards.lines().map(str::to_owned).collect(),
            })
        })
        .collect())
}

fn part(shard: usize, row: &[String]) -> Option<Part> {
    Some(Part {
        shard,
        gid: Gid::parse(row.first()?)?,
        owner: row.get(1)?.clone(),
        age: Duration::from_millis(row.get(2)?.parse().ok()?),
    })
}

/// Asks a coordinator.
async fn answer(
    looked: &mut Option<Looked>,
    id: &TransactionId,
    next: Move,
) -> Result<Answer, Failure> {
    let Some(looked) = looked else {
        return Ok(Answer::Unreachable);
    };
    if looked.decisions.is_none() {
        return Ok(Answer::NoTable);
    }
    if next == Move::RecordAbort {
        looked.primary.ask(&statements::record_abort([id])).await?;
    }
    let rows = looked.primary.ask(&statements::ask([id])).await?;
    Ok(match rows.first().and_then(|row| row.get(1)) {
        None => Answer::Absent,
        Some(committed) if committed == "t" => Answer::Committed,
        Some(_) => Answer::Aborted,
    })
}

/// The address with the credentials of a role that some user of the configuration has.
fn as_owner(address: &ServerAddress, owner: &str, users: &[User]) -> Option<ServerAddress> {
    let user = users
        .iter()
        .find(|user| user.server_user.as_deref() == Some(owner))?;
    let mut address = address.clone();
    owner.clone_into(&mut address.user);
    address.password.clone_from(&user.server_password);
    Some(address)
}

/// As a role that the connection's own may become.
async fn as_role(
    primary: &mut Primary,
    owner: &str,
    sql: &str,
) -> Result<Vec<Vec<String>>, Failure> {
    let role = statements::identifier(owner);
    primary.ask(&format!("SET ROLE {role}")).await?;
    let done = primary.ask(sql).await;
    primary.ask("RESET ROLE").await?;
    done
}
