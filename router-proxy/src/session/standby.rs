//! Transactions that read only on a replica, and how they go on on the primary.
//!
//! Where `BEGIN READ ONLY` goes is decided before anybody knows what follows. What a replica cannot carry out as one server
//! would ([`Standby`]) goes on on the primary: at READ COMMITTED each statement sees what is committed by then, and the
//! primary is never behind its replica, so nothing shows that the server is another one. What cannot be taken along, a
//! snapshot, a setting of the transaction, a savepoint, a cursor, keeps the transaction where it is, and such a statement is
//! refused.

use router_core::id::ShardId;
use router_core::plan::{Reason, Refusal, Standby};
use router_core::sql::statement::TransactionModes;

use super::Session;
use super::link::{Link, Role};
use super::program::reads_by_statement;
use super::route::Routed;
use super::transaction::modes_text;
use crate::wire::encode::Report;

/// What a link to a replica was used for in the transaction that is there alone (unsharded databases).
#[derive(Debug, Default)]
pub(super) struct OnReplica {
    /// How that was begun; `None`: there is none.
    begun: Option<Begun>,
    /// It has read.
    read: bool,
    /// Something in it cannot be taken along.
    tied: bool,
}

#[derive(Clone, Debug)]
struct Begun {
    text: Box<str>,
    by_statement: bool,
}

fn stuck() -> Box<Report> {
    Box::new(Report::from(&Refusal::new(
        Reason::OnReplica,
        "What the transaction has done before (a snapshot, settings, savepoints, cursors) is on the replica.",
    )))
}

impl Session {
    /// Takes note of the transaction that begins on a link to a replica.
    pub(super) fn begins_on_replica(&mut self, slot: usize, modes: &TransactionModes) {
        let level = modes.isolation.as_deref().or_else(|| self.level());
        let begun = Begun {
            text: format!("BEGIN{}", modes_text(modes)).into(),
            by_statement: level.is_none_or(reads_by_statement),
        };
        self.links[slot].on_replica = OnReplica {
            begun: Some(begun),
            ..OnReplica::default()
        };
    }

    /// Whether the only link will do for a statement. `false`: it is given up for one to the primary, once all is answered; or
    /// the statement is refused.
    pub(super) fn keeps_replica(&mut self, routed: &Routed) -> bool {
        let link = &mut self.links[0];
        // What has failed can only end.
        if link.role == Role::Primary || link.status() == b'E' || self.transaction.is_open() {
            return true;
        }
        if link.abandoned {
            return false;
        }
        let known = &mut link.on_replica;
        match routed.standby {
            Standby::Reads => known.read = true,
            Standby::Stays => known.tied = true,
            Standby::Fails if known.begun.is_some() => {}
            Standby::Begins if known.begun.is_some() => {}
            Standby::Ends { chain: true } => {}
            Standby::Ends { chain: false } => *known = OnReplica::default(),
            Standby::Begins if routed.begins_read_only.is_some() && self.level_is_on_replicas() => {
                if let Some(modes) = &routed.begins_read_only {
                    self.begins_on_replica(0, modes);
                }
            }
            Standby::Begins | Standby::Fails | Standby::Primary => return self.goes_to_primary(),
        }
        true
    }

    /// Gives the only link up. Always `false`: the message at hand is offered again.
    fn goes_to_primary(&mut self) -> bool {
        let named = self.portals.iter().any(|(name, _)| !name.is_empty());
        let link = &mut self.links[0];
        if !self.steps.is_empty() || link.server.is_none() || link.prelude > 0 {
            return false;
        }
        let known = &link.on_replica;
        let late = known
            .begun
            .as_ref()
            .is_some_and(|begun| known.read && !begun.by_statement);
        if late || known.tied || named || self.settings_on_server {
            self.refusal = Some(stuck());
            return false;
        }
        let begun = known.begun.clone();
        link.abandoned = true;
        let touched = link.touched;
        if let Some(server) = link.server.as_mut() {
            server.dirty |= server.status != b'I';
            // It may be in a transaction without having said so.
            server.doubtful |= touched;
        }
        // Lost on its way, it is lost to the client.
        self.begins |= begun.is_some();
        self.goes_on = begun.map(|begun| begun.text);
        false
    }

    /// The link that a statement of a shard goes to, if there is one that will do (sharded databases).
    pub(super) fn held(
        &self,
        shard: ShardId,
        role: Role,
        standby: Standby,
        taken: &[usize],
    ) -> Option<usize> {
        let of_shard = |slot: usize, link: &Link| {
            link.shard == shard && !link.apart && !link.abandoned && !taken.contains(&slot)
        };
        let links = || {
            self.links
                .iter()
                .enumerate()
                .filter(|(slot, link)| of_shard(*slot, link))
        };
        // Behind what the primary has said nothing older may follow.
        let ahead = links().find(|(_, link)| link.joined && link.role == Role::Primary);
        let moves = role == Role::Primary && standby == Standby::Primary;
        let will_do = |link: &Link| {
            link.role == role
                || link.pinned != 0
                || link.joined && !(moves && link.role == Role::Replica)
        };
        let held = ahead.or_else(|| links().find(|(_, link)| will_do(link)));
        held.map(|(slot, _)| slot)
    }

    /// Whether the primary of a shard may take part in a transaction, behind its replica if that does.
    pub(super) fn may_join_primary(&mut self, shard: ShardId) -> bool {
        let on_replica = |link: &Link| {
            link.shard == shard && link.joined && !link.apart && link.role == Role::Replica
        };
        let stays = self.links.iter().any(|link| on_replica(link))
            && (self.has_cursors_at(shard)
                || self.portals.iter().any(|(name, _)| !name.is_empty())
                || !self.level().is_none_or(reads_by_statement));
        if stays {
            self.refusal = Some(stuck());
        }
        !stays
    }
}
