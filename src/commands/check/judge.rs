//! What the servers' answers mean for a topology. No I/O.

use std::collections::BTreeSet;

use router_core::id::ShardId;
use router_core::topology::{Home, Topology};
use router_core::value::KeyType;

use super::ask::{Column, Facts, Name};
use super::connect::{Finding, Level};

/// The oldest server version that the router speaks with.
const OLDEST: i32 = 150_000;

/// What one server says about itself.
pub(super) fn server(label: &str, is_primary: bool, shards: usize, facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |level, what: String, hint: &str| {
        found.push(Finding {
            level,
            subject: label.to_owned(),
            what,
            hint: hint.to_owned(),
        });
    };
    if facts.version < OLDEST {
        let what = format!("runs PostgreSQL {}", major(facts.version));
        say(
            Level::Error,
            what,
            "PostgreSQL 15 is the oldest that is supported: upgrade it",
        );
    }
    match (is_primary, facts.in_recovery) {
        (true, true) => say(
            Level::Error,
            "is in recovery, so it is a standby".to_owned(),
            "name the shard's primary, or promote this server",
        ),
        (false, false) => say(
            Level::Error,
            "is not in recovery, so nothing is replicated to it".to_owned(),
            "name a standby of the shard's primary, or remove the replica",
        ),
        _ => {}
    }
    if facts.encoding != "UTF8" {
        let what = format!("has the encoding {}", facts.encoding);
        say(
            Level::Error,
            what,
            "keys are hashed by their bytes in UTF8: make the database with ENCODING 'UTF8'",
        );
    }
    if is_primary && shards > 1 && facts.max_prepared_transactions == 0 {
        say(
            Level::Warning,
            "has max_prepared_transactions = 0".to_owned(),
            "set it to max_connections and restart the server: writes over several shards are prepared first",
        );
    }
    found
}

/// What one server says beside its shard's primary, as whose replica it is named.
pub(super) fn replica(label: &str, primary: &Facts, facts: &Facts) -> Option<Finding> {
    (facts.identity.system != primary.identity.system).then(|| Finding {
        level: Level::Error,
        subject: label.to_owned(),
        what: "is no copy of the shard's primary: it was not made from its data".to_owned(),
        hint: "name a standby of this shard's own primary, or remove the replica".to_owned(),
    })
}

/// Primaries that are one server and database, by whatever names they are reached; `None` for a shard that did not answer.
pub(super) fn apart(topology: &Topology, shards: &[Option<Facts>]) -> Vec<Finding> {
    let identity = |at: usize| shards[at].as_ref().map(|facts| &facts.identity);
    let twice = |at: usize| {
        let other =
            (0..at).find(|&other| identity(at).is_some() && identity(other) == identity(at))?;
        Some(Finding {
            level: Level::Error,
            subject: format!("shard {}'s primary", topology.shards[at].name),
            what: format!(
                "is the database of shard {} too",
                topology.shards[other].name
            ),
            hint: "give each shard a server, or a database, of its own".to_owned(),
        })
    };
    (0..shards.len()).filter_map(twice).collect()
}

/// `15.4` of 150004.
pub(super) fn major(version: i32) -> String {
    format!("{}.{}", version / 10_000, version % 10_000)
}

/// What the primaries say about the listed tables; `None` for a shard that did not answer.
pub(super) fn schema(topology: &Topology, shards: &[Option<Facts>]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut tables: Vec<_> = topology.tables.iter().collect();
    tables.sort_by_key(|(name, _)| *name);
    for (table, home) in tables {
        let name = (table.schema.clone(), table.name.clone());
        let homes: Vec<ShardId> = match home {
            Home::Pinned(shard) => vec![*shard],
            Home::Reference => topology.all_shards().iter().collect(),
            Home::Sharded { placement, .. } => {
                topology.placement(*placement).shards().iter().collect()
            }
        };
        let has = |shard: &&ShardId| {
            let facts = &shards[shard.index()];
            facts
                .as_ref()
                .map(|f| f.columns.iter().any(|c| c.table == name))
        };
        let answers: Vec<bool> = homes.iter().filter_map(|shard| has(&shard)).collect();
        if !answers.is_empty() && !answers.contains(&true) {
            found.push(Finding {
                level: Level::Warning,
                subject: format!("table {table}"),
                what: "does not exist yet".to_owned(),
                hint: "CREATE TABLE through Shunt makes it where it lives; or correct databases.tables"
                    .to_owned(),
            });
            continue;
        }
        let mut first: Option<(&str, Vec<&Column>)> = None;
        for shard in homes {
            let Some(facts) = &shards[shard.index()] else {
                continue;
            };
            let columns: Vec<&Column> = facts.columns.iter().filter(|c| c.table == name).collect();
            let shard = topology.shard(shard).name.as_str();
            let subject = format!("table {table} on shard {shard}");
            if columns.is_empty() {
                found.push(Finding {
                    level: Level::Error,
                    subject,
                    what: "does not exist".to_owned(),
                    hint: "give it there the definition that it has on the other shards".to_owned(),
                });
                continue;
            }
            if let Home::Sharded { key, placement } = home {
                let types = &topology.placement(*placement).types;
                for (column, wanted) in key.iter().zip(types) {
                    let known = columns.iter().find(|c| c.name == *column);
                    found.extend(key_column(&subject, column, *wanted, known.copied()));
                }
            }
            match &first {
                None => first = Some((shard, columns)),
                Some((other, expected)) => {
                    found.extend(same_columns(subject, other, expected, &columns));
                }
            }
        }
    }
    // The schema is the same everywhere, so each is said once, however many shards have it.
    let crossing: BTreeSet<(String, String, String)> = shards
        .iter()
        .flatten()
        .flat_map(|facts| crossing(topology, facts))
        .collect();
    found.extend(crossing.into_iter().map(|(subject, what, hint)| Finding {
        level: Level::Warning,
        subject,
        what,
        hint,
    }));
    found
}

fn key_column(subject: &str, name: &str, wanted: KeyType, column: Option<&Column>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |what: String, hint: String| {
        found.push(Finding {
            level: Level::Error,
            subject: subject.to_owned(),
            what,
            hint,
        });
    };
    let Some(column) = column else {
        say(
            format!("has no column {name}, its key"),
            "add the column, or correct key in databases.tables".to_owned(),
        );
        return found;
    };
    // Type OIDs of pg_type.dat: 20 int8, 23 int4, 21 int2; 25 text, 1043 varchar; 2950 uuid.
    let (word, fitting): (&str, &[u32]) = match wanted {
        KeyType::Bigint => ("bigint, integer or smallint", &[20, 23, 21]),
        KeyType::Text => ("text or varchar", &[25, 1043]),
        KeyType::Uuid => ("uuid", &[2950]),
    };
    if !fitting.contains(&column.type_oid) {
        say(
            format!("has the key column {name} of type {}", column.type_name),
            format!("the placement needs {word}: alter the column or the placement's type"),
        );
    }
    if !column.not_null {
        say(
            format!("allows nulls in its key column {name}, and a null has no home"),
            format!("ALTER TABLE ... ALTER COLUMN {name} SET NOT NULL"),
        );
    }
    if !column.deterministic {
        say(
            format!(
                "has a nondeterministic collation on its key column {name}: keys that are equal may have two homes"
            ),
            format!(
                "ALTER TABLE ... ALTER COLUMN {name} TYPE {} COLLATE \"C\"",
                column.type_name
            ),
        );
    }
    found
}

/// The first difference between two shards' columns.
fn same_columns(
    subject: String,
    other: &str,
    expected: &[&Column],
    columns: &[&Column],
) -> Option<Finding> {
    let what = if expected.len() != columns.len() {
        format!(
            "has {} columns, and {} on shard {other}",
            columns.len(),
            expected.len()
        )
    } else {
        let (a, b) = expected
            .iter()
            .zip(columns)
            .find(|(a, b)| (&a.name, &a.type_name) != (&b.name, &b.type_name))?;
        format!(
            "has {} {} where shard {other} has {} {}",
            b.name, b.type_name, a.name, a.type_name
        )
    };
    Some(Finding {
        level: Level::Error,
        subject,
        what,
        hint: "give the table the same columns in the same order on every shard".to_owned(),
    })
}

/// What one server cannot see to the end: subject, what, hint.
fn crossing(topology: &Topology, facts: &Facts) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let shown = |(schema, name): &Name| match schema.as_str() {
        "public" => name.clone(),
        _ => format!("{schema}.{name}"),
    };
    let home = |(schema, name): &Name| topology.home(schema, name);
    if !topology.is_sharded() {
        return found;
    }
    for unique in &facts.unique {
        if let Some(Home::Sharded { key, .. }) = home(&unique.table)
            && !key.iter().all(|column| unique.columns.contains(column))
        {
            found.push((
                format!("index {} of {}", unique.index, shown(&unique.table)),
                format!(
                    "is unique without the key ({}): each shard checks its own rows only",
                    key.join(", ")
                ),
                "add the key to its columns, or make values that are unique by themselves (uuid)"
                    .to_owned(),
            ));
        }
    }
    for foreign in &facts.foreign {
        let why = match (home(&foreign.table), home(&foreign.referred)) {
            (_, Some(Home::Reference)) => continue,
            (Some(Home::Pinned(a)), Some(Home::Pinned(b))) if a == b => continue,
            (
                Some(Home::Sharded {
                    key: a,
                    placement: p,
                }),
                Some(Home::Sharded {
                    key: b,
                    placement: q,
                }),
            ) => {
                let pairs = || std::iter::zip(&foreign.columns, &foreign.referred_columns);
                let along = std::iter::zip(&a, &b).all(|(a, b)| pairs().any(|pair| pair == (a, b)));
                if p == q && along {
                    continue;
                }
                "does not join the keys of one placement"
            }
            _ => "joins tables that do not live together",
        };
        found.push((
            format!("foreign key {} of {}", foreign.name, shown(&foreign.table)),
            format!("refers to {} and {why}: a shard looks for the row among its own only", shown(&foreign.referred)),
            "drop the constraint, make the table referred to a reference table, or put both keys into it".to_owned(),
        ));
    }
    for (view, table) in &facts.views {
        if let Some(Home::Sharded { .. }) = home(table) {
            found.push((
                format!("view {}", shown(view)),
                format!(
                    "reads the sharded table {}: on one shard it has that shard's rows only",
                    shown(table)
                ),
                "ask the table itself where rows of all shards are meant".to_owned(),
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::commands::check::ask::Identity;

    /// A server of a cluster, which says nothing of its schema.
    fn of(system: i64) -> Facts {
        Facts {
            version: OLDEST,
            in_recovery: true,
            encoding: "UTF8".to_owned(),
            max_prepared_transactions: 10,
            identity: Identity {
                system,
                started: SystemTime::UNIX_EPOCH,
                database: 5,
            },
            columns: Vec::new(),
            unique: Vec::new(),
            foreign: Vec::new(),
            views: Vec::new(),
        }
    }

    #[test]
    fn a_replica_is_a_copy_of_its_primary() {
        assert_eq!(replica("shard s0's replica 1", &of(1), &of(1)), None);
        let found = replica("shard s0's replica 1", &of(1), &of(2)).unwrap();
        assert_eq!(found.level, Level::Error);
    }
}
