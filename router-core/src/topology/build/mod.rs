//! From a topology as written to a checked one.
//!
//! Every entry is looked at, and every error found is reported, each with the
//! entry's place, what is wrong, and what to do.
//!
//! | file | checks |
//! |---|---|
//! | `mod` | shards, names, tables |
//! | `strategy` | the mapping of a placement |

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::id::{Epoch, PlacementId, ShardId};

use super::spec::{HomeSpec, PlacementSpec, TableSpec, TopologySpec};
use super::{Home, Placement, Shard, TableName, Tables, Topology};

mod strategy;
#[cfg(test)]
mod tests;

/// Something wrong with a topology as written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct TopologyError {
    /// Where: the way to the entry from the database, as in `placements[0].ranges[2].shard`.
    pub path: String,
    /// What is wrong, naming the entry: `placement "by_user": ranges 0..10 and 5..20 overlap`.
    pub message: String,
    /// What to do.
    pub fix: String,
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. hint: {}", self.message, self.fix)
    }
}

/// Most shards and most placements of a database.
const MAX_COUNT: usize = 65_535;

pub(super) fn build(spec: &TopologySpec, epoch: Epoch) -> Result<Topology, Vec<TopologyError>> {
    let mut check = Check::new(spec);
    check.shards();
    let default_shard = check.optional_shard("default_shard", spec.default_shard.as_deref());
    let scratch = check.optional_shard("scratch", spec.scratch.as_deref());
    let placements = check.placements();
    let tables = check.tables();
    if !check.errors.is_empty() {
        return Err(check.errors);
    }
    let only = (spec.shards.len() == 1).then_some(ShardId(0));
    Ok(Topology {
        epoch,
        database: spec.database.clone(),
        shards: spec
            .shards
            .iter()
            .map(|s| Shard {
                name: s.name.clone(),
                has_replicas: s.has_replicas,
            })
            .collect(),
        default_shard: default_shard.or(only),
        scratch: scratch.or(only),
        triggers_per_shard: spec.triggers_per_shard,
        placements,
        tables,
    })
}

/// A description while it is checked.
struct Check<'a> {
    spec: &'a TopologySpec,
    shards: HashMap<&'a str, ShardId>,
    errors: Vec<TopologyError>,
}

impl<'a> Check<'a> {
    fn new(spec: &'a TopologySpec) -> Self {
        let mut shards = HashMap::new();
        for (i, shard) in spec.shards.iter().enumerate().take(MAX_COUNT) {
            shards
                .entry(shard.name.as_str())
                .or_insert(ShardId(i as u16));
        }
        Self {
            spec,
            shards,
            errors: Vec::new(),
        }
    }

    fn error(&mut self, path: String, message: String, fix: impl Into<String>) {
        self.errors.push(TopologyError {
            path,
            message,
            fix: fix.into(),
        });
    }

    fn shards(&mut self) {
        let database = &self.spec.database;
        if database.is_empty() {
            self.error(
                "name".into(),
                "a database has no name".into(),
                "give it the name that clients connect to",
            );
        }
        if self.spec.shards.is_empty() {
            self.error(
                "shards".into(),
                format!("database {database:?} has no shards"),
                "add a [[databases.shards]] entry with a name and a primary",
            );
        }
        if self.spec.shards.len() > MAX_COUNT {
            self.error(
                "shards".into(),
                format!("database {database:?} has more than {MAX_COUNT} shards"),
                "use fewer shards",
            );
        }
        let mut seen = HashSet::new();
        for (i, shard) in self.spec.shards.iter().enumerate() {
            let path = format!("shards[{i}].name");
            if shard.name.is_empty() {
                self.error(
                    path,
                    format!("shard {i} of database {database:?} has no name"),
                    "give it a name",
                );
            } else if !seen.insert(&shard.name) {
                self.error(
                    path,
                    format!(
                        "two shards of database {database:?} are named {:?}",
                        shard.name
                    ),
                    "give each shard a name of its own",
                );
            }
        }
    }

    fn optional_shard(&mut self, what: &str, name: Option<&str>) -> Option<ShardId> {
        let owner = format!("{what} of database {:?}", self.spec.database);
        self.shard(what.to_owned(), &owner, name?)
    }

    /// A shard by its name. `owner` names the entry that uses it.
    fn shard(&mut self, path: String, owner: &str, name: &str) -> Option<ShardId> {
        let found = self.shards.get(name).copied();
        if found.is_none() {
            let names: Vec<&str> = self.spec.shards.iter().map(|s| s.name.as_str()).collect();
            let fix = choose(&names, "add a [[databases.shards]] entry of that name");
            self.error(path, format!("{owner}: there is no shard {name:?}"), fix);
        }
        found
    }

    fn placements(&mut self) -> Vec<Placement> {
        let spec = self.spec;
        let mut seen = HashSet::new();
        let mut placements = Vec::new();
        if spec.placements.len() > MAX_COUNT {
            self.error(
                "placements".into(),
                format!("there are more than {MAX_COUNT} placements"),
                "let tables share placements",
            );
        }
        for (i, placement) in spec.placements.iter().enumerate() {
            let path = format!("placements[{i}]");
            if placement.name.is_empty() {
                self.error(
                    format!("{path}.name"),
                    format!("placement {i} has no name"),
                    "give it a name",
                );
            } else if !seen.insert(&placement.name) {
                self.error(
                    format!("{path}.name"),
                    format!("two placements are named {:?}", placement.name),
                    "give each placement a name of its own",
                );
            }
            placements.extend(self.placement(&path, placement));
        }
        placements
    }

    fn placement(&mut self, path: &str, spec: &PlacementSpec) -> Option<Placement> {
        if spec.types.is_empty() {
            self.error(
                format!("{path}.type"),
                format!("placement {:?} has no key type", spec.name),
                "give it a type: bigint, text or uuid, or a list of them for a composite key",
            );
        }
        let strategy = self.strategy(path, spec)?;
        Some(Placement {
            name: spec.name.clone(),
            types: spec.types.clone(),
            strategy,
        })
    }

    fn tables(&mut self) -> Tables {
        let spec = self.spec;
        let mut tables = Tables::default();
        for (i, table) in spec.tables.iter().enumerate() {
            let path = format!("tables[{i}]");
            let name = TableName::new(&table.schema, &table.name);
            if table.name.is_empty() || table.schema.is_empty() {
                self.error(
                    format!("{path}.name"),
                    format!("table {i} has no name or an empty schema"),
                    "name it as table or schema.table",
                );
            }
            if tables.contains_key(&(table.schema.as_str(), table.name.as_str())) {
                self.error(
                    format!("{path}.name"),
                    format!("table \"{name}\" is listed twice"),
                    "keep one of the entries",
                );
            }
            let home = self.home(&path, &name, table);
            // A table whose home is wrong still takes its name, so that a second entry is found too.
            tables.insert(name, home.unwrap_or(Home::Reference));
        }
        tables
    }

    fn home(&mut self, path: &str, name: &TableName, table: &TableSpec) -> Option<Home> {
        match &table.home {
            HomeSpec::Reference => Some(Home::Reference),
            HomeSpec::Pinned(shard) => {
                let owner = format!("table \"{name}\"");
                let shard = self.shard(format!("{path}.shard"), &owner, shard)?;
                Some(Home::Pinned(shard))
            }
            HomeSpec::Sharded { key, placement } => self.sharded(path, name, key, placement),
        }
    }

    fn sharded(
        &mut self,
        path: &str,
        name: &TableName,
        key: &[String],
        placement: &str,
    ) -> Option<Home> {
        let spec = self.spec;
        if key.is_empty() || key.iter().any(String::is_empty) {
            self.error(
                format!("{path}.key"),
                format!("table \"{name}\" has an empty key"),
                "name the columns of the sharding key",
            );
        }
        if let Some((_, twice)) = (1..key.len())
            .map(|i| (&key[..i], &key[i]))
            .find(|(before, column)| before.contains(column))
        {
            self.error(
                format!("{path}.key"),
                format!("table \"{name}\": column {twice:?} is twice in the key"),
                "name each column once",
            );
        }
        let found = spec.placements.iter().position(|p| p.name == placement);
        let Some(at) = found else {
            let names: Vec<&str> = spec.placements.iter().map(|p| p.name.as_str()).collect();
            let fix = choose(&names, "add a [[databases.placements]] entry of that name");
            self.error(
                format!("{path}.placement"),
                format!("table \"{name}\": there is no placement {placement:?}"),
                fix,
            );
            return None;
        };
        let types = &spec.placements[at].types;
        if !types.is_empty() && types.len() != key.len() {
            self.error(
                format!("{path}.key"),
                format!(
                    "table \"{name}\": the key has {}, placement {placement:?} has {}",
                    count(key.len(), "column"),
                    count(types.len(), "type")
                ),
                "give the key one column for each type of the placement",
            );
        }
        Some(Home::Sharded {
            key: key.to_vec(),
            placement: PlacementId(u16::try_from(at).ok()?),
        })
    }
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn choose(names: &[&str], otherwise: &str) -> String {
    const SHOWN: usize = 8;
    if names.is_empty() {
        return otherwise.to_owned();
    }
    let shown: Vec<&str> = names.iter().take(SHOWN).copied().collect();
    let more = if names.len() > SHOWN { ", …" } else { "" };
    format!("use one of {}{more}, or {otherwise}", shown.join(", "))
}
