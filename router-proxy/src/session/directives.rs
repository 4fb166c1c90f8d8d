//! What a client has said about routing, by `SET shunt.…` or in its startup packet.

use std::fmt::Write as _;

use router_core::plan::Direction;
use router_core::sqlstate::SqlState;
use router_core::topology::Topology;

use crate::wire::encode::{Report, Severity};

/// Settings of this prefix are the router's own and reach no server.
pub(crate) const PREFIX: &str = "shunt.";

/// What the client has said about routing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// `shunt.shard`
    pub shard: Option<String>,
    /// `shunt.key`
    pub key: Option<String>,
    /// `shunt.route = 'replica'`: reads may go to a replica.
    pub replica: bool,
    /// `shunt.route = 'primary'`: also those of transactions that read only stay on the primary.
    pub primary: bool,
    /// `shunt.constraints`: each shard may keep constraints for its own rows only.
    pub per_shard: bool,
}

impl Directives {
    /// Those of a startup packet.
    pub(crate) fn of_startup(
        topology: &Topology,
        settings: &[(String, String)],
    ) -> Result<Self, Report> {
        let mut directives = Self::default();
        for (name, value) in settings {
            directives
                .set(topology, &name.to_ascii_lowercase(), value)
                .map_err(|report| Report {
                    severity: Severity::Fatal,
                    ..report
                })?;
        }
        Ok(directives)
    }

    /// As the planner reads them; a shard says more than a key.
    pub fn direction(&self) -> Direction<'_> {
        match (&self.shard, &self.key) {
            (Some(shard), _) => Direction::Shard(shard),
            (None, Some(key)) => Direction::Key(key),
            (None, None) => Direction::None,
        }
    }

    /// Takes a setting in.
    pub(super) fn set(
        &mut self,
        topology: &Topology,
        name: &str,
        value: &str,
    ) -> Result<(), Report> {
        match name {
            "shunt.route" => {
                (self.primary, self.replica) = match value {
                    "primary" => (true, false),
                    "replica" => (false, true),
                    _ => return Err(invalid(name, "is 'primary' or 'replica'")),
                };
            }
            "shunt.constraints" => {
                self.per_shard = match value {
                    "all-shards" => false,
                    "per-shard" => true,
                    _ => return Err(invalid(name, "is 'all-shards' or 'per-shard'")),
                };
            }
            "shunt.shard" => {
                let known = |shard: &str| topology.shards.iter().any(|known| known.name == shard);
                if !value.is_empty() && !known(value) {
                    let mut names = String::new();
                    for known in &topology.shards {
                        let _ = write!(names, " {}", known.name);
                    }
                    return Err(invalid(name, &format!("is one of:{names}")));
                }
                self.shard = (!value.is_empty()).then(|| value.to_owned());
            }
            "shunt.key" => self.key = Some(value.to_owned()),
            _ => return Err(unrecognized(name)),
        }
        Ok(())
    }

    /// A setting as it was when the session began.
    pub(super) fn reset(&mut self, name: &str, initial: &Self) -> Result<(), Report> {
        match name {
            "shunt.route" => (self.primary, self.replica) = (initial.primary, initial.replica),
            "shunt.constraints" => self.per_shard = initial.per_shard,
            "shunt.shard" => self.shard.clone_from(&initial.shard),
            "shunt.key" => self.key.clone_from(&initial.key),
            _ => return Err(unrecognized(name)),
        }
        Ok(())
    }

    /// What `SHOW` says of a setting, if there is one of that name.
    pub(super) fn show(&self, name: &str) -> Option<&str> {
        Some(match name {
            "shunt.route" if self.replica => "replica",
            "shunt.route" => "primary",
            "shunt.constraints" if self.per_shard => "per-shard",
            "shunt.constraints" => "all-shards",
            "shunt.shard" => self.shard.as_deref().unwrap_or_default(),
            "shunt.key" => self.key.as_deref().unwrap_or_default(),
            _ => return None,
        })
    }
}

pub(super) fn invalid(name: &str, rule: &str) -> Report {
    Report::error(SqlState::new("SH019"), "directive is not valid")
        .detail(format!("{name} {rule}."))
        .hint("See the list of directives in the documentation.")
}

pub(super) fn unrecognized(name: &str) -> Report {
    Report::error(
        SqlState::new("42704"),
        format!("unrecognized configuration parameter \"{name}\""),
    )
    .hint(
        "The router's own settings are shunt.route, shunt.shard, shunt.key and shunt.constraints.",
    )
}
