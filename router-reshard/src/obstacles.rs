//! What stands in the way of a move.
//!
//! Rows are copied and followed by PostgreSQL's logical replication, with the
//! move's condition as the row filter of a publication. Its demands are checked
//! here, and what it leaves undone is named: sequences, triggers, differences
//! between the tables of both servers.

use std::fmt;

use router_core::reshard::Rows;
use router_core::topology::TableName;
use tokio_postgres::{Client, Error};

use crate::tables::quoted;

/// The oldest server whose publications filter rows.
const OLDEST: i32 = 150_000;

/// Something that stands in the way of a move, or that it does not bring along. Prints itself with the way out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// The source is too old to filter the rows of a publication.
    Version {
        /// Its `server_version`.
        version: String,
    },
    /// The source does not write what logical replication needs.
    WalLevel {
        /// Its `wal_level`.
        setting: String,
    },
    /// The source has no replication slot left.
    Slots {
        /// Its `max_replication_slots`.
        max: i64,
    },
    /// The source can start no further sender.
    Senders {
        /// Its `max_wal_senders`.
        max: i64,
    },
    /// The table is not on the source.
    Missing(TableName),
    /// The table has no primary key, so its rows cannot be compared one by one.
    NoPrimaryKey(TableName),
    /// Columns of the move's condition are not part of the table's replica identity, so its updates and deletes would fail.
    ReplicaIdentity {
        /// The table.
        table: TableName,
        /// The columns.
        columns: Vec<String>,
    },
    /// A sequence belongs to the table: its value is no row and does not move along.
    Sequence {
        /// The table.
        table: TableName,
        /// The sequence.
        sequence: String,
    },
    /// The table has a trigger on the target that would fire, or one on the source that will not, for rows that arrive.
    Trigger {
        /// The table.
        table: TableName,
        /// The trigger.
        trigger: String,
    },
    /// A column is not the same on both servers.
    Differs {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// Its type on the source; `None` when it is not there.
        source: Option<String>,
        /// Its type on the target.
        target: Option<String>,
    },
}

impl Obstacle {
    /// Whether the move cannot begin before it is out of the way. The others are for somebody to know about.
    pub fn is_blocking(&self) -> bool {
        !matches!(self, Self::Sequence { .. } | Self::Trigger { .. })
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { version } => write!(
                f,
                "the server is PostgreSQL {version}. hint: publications filter rows from version 15 on"
            ),
            Self::WalLevel { setting } => write!(
                f,
                "wal_level is {setting}. hint: set wal_level = logical and restart the server"
            ),
            Self::Slots { max } => write!(
                f,
                "all {max} replication slots are taken. hint: raise max_replication_slots and restart the server"
            ),
            Self::Senders { max } => write!(
                f,
                "all {max} WAL senders are taken. hint: raise max_wal_senders and restart the server"
            ),
            Self::Missing(table) => write!(
                f,
                "table \"{table}\" does not exist. hint: create it, or take it out of the configuration"
            ),
            Self::NoPrimaryKey(table) => {
                write!(f, "table \"{table}\" has no primary key. hint: add one")
            }
            Self::ReplicaIdentity { table, columns } => write!(
                f,
                "the replica identity of table \"{table}\" lacks {}. hint: add a unique index with them and use it \
                 (ALTER TABLE ... REPLICA IDENTITY USING INDEX ...), or use REPLICA IDENTITY FULL for the time of the move",
                if columns.is_empty() {
                    "every column".to_owned()
                } else {
                    columns.join(", ")
                }
            ),
            Self::Sequence { table, sequence } => write!(
                f,
                "sequence {sequence} of table \"{table}\" does not move along. hint: give each shard its own numbers \
                 (INCREMENT BY the number of shards, each with another START)"
            ),
            Self::Trigger { table, trigger } => write!(
                f,
                "trigger {trigger} of table \"{table}\" treats arriving rows otherwise than written ones. \
                 hint: see that this is meant (ALTER TABLE ... ENABLE [REPLICA | ALWAYS] TRIGGER)"
            ),
            Self::Differs {
                table,
                column,
                source,
                target,
            } => {
                let or_missing = |t: &Option<String>| t.clone().unwrap_or_else(|| "missing".into());
                write!(
                    f,
                    "column \"{column}\" of table \"{table}\" is {} on the source and {} on the target. hint: make them the same",
                    or_missing(source),
                    or_missing(target)
                )
            }
        }
    }
}

/// A server that rows come from.
#[derive(Clone, Copy, Debug)]
pub struct Server<'c> {
    client: &'c Client,
}

impl<'c> Server<'c> {
    /// By a connection to it, as a role that may read the system catalogs.
    pub fn new(client: &'c Client) -> Self {
        Self { client }
    }

    /// What of the server itself is in the way of `moves` moves that begin here.
    pub async fn obstacles(&self, moves: usize) -> Result<Vec<Obstacle>, Error> {
        let row = self
            .client
            .query_one(
                "SELECT current_setting('server_version_num')::int, current_setting('server_version'),
                        current_setting('wal_level'),
                        current_setting('max_replication_slots')::bigint,
                        (SELECT count(*) FROM pg_catalog.pg_replication_slots),
                        current_setting('max_wal_senders')::bigint,
                        (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'walsender')",
                &[],
            )
            .await?;
        let mut found = Vec::new();
        if row.get::<_, i32>(0) < OLDEST {
            let version = row.get(1);
            found.push(Obstacle::Version { version });
        }
        let setting: String = row.get(2);
        if setting != "logical" {
            found.push(Obstacle::WalLevel { setting });
        }
        let moves = i64::try_from(moves).unwrap_or(i64::MAX);
        let lacks = |max: i64, taken: i64| max.saturating_sub(taken) < moves;
        let (slots, senders): (i64, i64) = (row.get(3), row.get(5));
        if lacks(slots, row.get(4)) {
            found.push(Obstacle::Slots { max: slots });
        }
        if lacks(senders, row.get(6)) {
            found.push(Obstacle::Senders { max: senders });
        }
        Ok(found)
    }

    /// What of a table is in the way of moving `rows` of it to `target`. A table that the target does not have yet is
    /// none: the job makes it.
    pub async fn table_obstacles(
        &self,
        table: &TableName,
        rows: &Rows,
        target: &Client,
    ) -> Result<Vec<Obstacle>, Error> {
        let Some(here) = Facts::read(self.client, table).await? else {
            return Ok(vec![Obstacle::Missing(table.clone())]);
        };
        let there = Facts::read(target, table).await?;
        let mut found = Vec::new();
        if !here.primary_key {
            found.push(Obstacle::NoPrimaryKey(table.clone()));
        }
        if let Some(identity) = &here.identity {
            let outside = |column: &&str| !identity.iter().any(|c| c == column);
            let columns: Vec<String> = rows
                .columns()
                .into_iter()
                .filter(outside)
                .map(str::to_owned)
                .collect();
            if !columns.is_empty() || identity.is_empty() {
                let table = table.clone();
                found.push(Obstacle::ReplicaIdentity { table, columns });
            }
        }
        for sequence in &here.sequences {
            found.push(Obstacle::Sequence {
                table: table.clone(),
                sequence: sequence.clone(),
            });
        }
        let there = there.as_ref();
        // Fired at the source when a row is written ('O', 'A'), at the target when it arrives ('R', 'A').
        let written = here.triggers.iter().filter(|(_, when)| when == "O");
        let arriving = there
            .into_iter()
            .flat_map(|t| &t.triggers)
            .filter(|(_, when)| when == "R" || when == "A");
        let mut triggers: Vec<&String> = written.chain(arriving).map(|(name, _)| name).collect();
        triggers.sort();
        triggers.dedup();
        for trigger in triggers {
            found.push(Obstacle::Trigger {
                table: table.clone(),
                trigger: trigger.clone(),
            });
        }
        if let Some(there) = there {
            found.extend(differences(table, &here.columns, &there.columns));
        }
        Ok(found)
    }
}

fn differences(
    table: &TableName,
    here: &[(String, String)],
    there: &[(String, String)],
) -> Vec<Obstacle> {
    let type_in = |columns: &[(String, String)], name: &str| {
        let found = columns.iter().find(|(column, _)| column == name);
        found.map(|(_, t)| t.clone())
    };
    let mut names: Vec<&String> = here.iter().chain(there).map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter_map(|column| {
            let (source, target) = (type_in(here, column), type_in(there, column));
            (source != target).then(|| Obstacle::Differs {
                table: table.clone(),
                column: column.clone(),
                source,
                target,
            })
        })
        .collect()
}

/// What a server says about a table.
struct Facts {
    primary_key: bool,
    /// The columns that identify a row to a replica; `None` for all of them.
    identity: Option<Vec<String>>,
    /// Names and types of the columns.
    columns: Vec<(String, String)>,
    sequences: Vec<String>,
    /// Names of the user's triggers, and when they fire (`tgenabled`).
    triggers: Vec<(String, String)>,
}

impl Facts {
    async fn read(client: &Client, table: &TableName) -> Result<Option<Self>, Error> {
        let name = quoted(table);
        let row = client
            .query_opt(
                "SELECT c.relreplident::text,
                        EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary),
                        coalesce((SELECT array_agg(a.attname::text ORDER BY a.attnum)
                         FROM pg_catalog.pg_index i
                         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
                         WHERE i.indrelid = c.oid
                           AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END),
                         '{}'),
                        c.oid
                 FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass($1)",
                &[&name],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let oid: u32 = row.get(3);
        let pairs = async |sql: &str| -> Result<Vec<(String, String)>, Error> {
            let rows = client.query(sql, &[&oid]).await?;
            Ok(rows.iter().map(|r| (r.get(0), r.get(1))).collect())
        };
        let columns = pairs(
            "SELECT attname::text, pg_catalog.format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute
             WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        );
        // 'a' by serial or OWNED BY, 'i' of an identity column.
        let sequences = pairs(
            "SELECT d.objid::pg_catalog.regclass::text, d.deptype::text FROM pg_catalog.pg_depend d
             JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
             WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
               AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
               AND d.refobjid = $1 AND d.deptype IN ('a', 'i') ORDER BY 1",
        );
        let triggers = pairs(
            "SELECT tgname::text, tgenabled::text FROM pg_catalog.pg_trigger
             WHERE tgrelid = $1 AND NOT tgisinternal ORDER BY 1",
        );
        Ok(Some(Self {
            primary_key: row.get(1),
            identity: match row.get::<_, String>(0).as_str() {
                "f" => None,
                _ => Some(row.get(2)),
            },
            columns: columns.await?,
            sequences: sequences.await?.into_iter().map(|(name, _)| name).collect(),
            triggers: triggers.await?,
        }))
    }
}
