//! What one server says about itself and about the listed tables.

use std::error::Error as _;
use std::time::{Duration, SystemTime};

use router_core::topology::Topology;
use router_proxy::settings::{ServerAddress, TlsMode};
use router_proxy::tls::ServerFacingTls;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connect::Reason;

/// A table of a server, with its schema (`public.users`).
pub(super) type Name = (String, String);

/// What a server says.
#[derive(Debug)]
pub(super) struct Facts {
    /// `server_version_num`.
    pub version: i32,
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// `server_encoding`.
    pub encoding: String,
    /// `max_prepared_transactions`.
    pub max_prepared_transactions: i32,
    /// Which server and database this is.
    pub identity: Identity,
    /// Columns of the listed tables, table by table, in their order.
    pub columns: Vec<Column>,
    /// Unique indexes of the listed tables.
    pub unique: Vec<Unique>,
    /// Foreign keys from or to listed tables.
    pub foreign: Vec<Foreign>,
    /// Views over listed tables: the view, and the table it reads.
    pub views: Vec<(Name, Name)>,
}

/// What tells a server and database from others.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// The cluster's, which its standbys and whatever was restored from a backup of it share.
    pub system: i64,
    /// When it was started, which no other server shares to the microsecond.
    pub started: SystemTime,
    /// The database's OID.
    pub database: u32,
}

#[derive(Debug)]
pub(super) struct Column {
    pub table: Name,
    pub name: String,
    /// As `format_type` writes it, with its length.
    pub type_name: String,
    pub type_oid: u32,
    pub not_null: bool,
    /// Whether equal means equal bytes; true for types without a collation.
    pub deterministic: bool,
}

#[derive(Debug)]
pub(super) struct Unique {
    pub table: Name,
    pub index: String,
    /// Its columns; an expression is none.
    pub columns: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Foreign {
    pub name: String,
    pub table: Name,
    pub columns: Vec<String>,
    pub referred: Name,
    pub referred_columns: Vec<String>,
}

const SERVER: &str = "SELECT current_setting('server_version_num')::int, pg_is_in_recovery(), \
    current_setting('server_encoding'), current_setting('max_prepared_transactions')::int, \
    system_identifier, pg_postmaster_start_time(), \
    (SELECT oid FROM pg_database WHERE datname = current_database()) FROM pg_control_system()";

const COLUMNS: &str = "
    SELECT n.nspname::text, c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod),
           a.atttypid, a.attnotnull, coalesce(o.collisdeterministic, true)
      FROM unnest($1::text[], $2::text[]) AS listed (schema, name)
      JOIN pg_namespace n ON n.nspname = listed.schema
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = listed.name AND c.relkind IN ('r', 'p')
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_collation o ON o.oid = a.attcollation
     ORDER BY 1, 2, a.attnum";

const UNIQUE: &str = "
    SELECT n.nspname::text, c.relname::text, i.relname::text,
           array_remove(array_agg(a.attname::text ORDER BY k.place), NULL)
      FROM unnest($1::text[], $2::text[]) AS listed (schema, name)
      JOIN pg_namespace n ON n.nspname = listed.schema
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = listed.name
      JOIN pg_index x ON x.indrelid = c.oid AND (x.indisunique OR x.indisexclusion)
      JOIN pg_class i ON i.oid = x.indexrelid
      CROSS JOIN unnest(x.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
      LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
     WHERE k.place <= x.indnkeyatts
     GROUP BY 1, 2, 3 ORDER BY 1, 2, 3";

const FOREIGN: &str = "
    SELECT k.conname::text, n.nspname::text, c.relname::text,
           (SELECT array_agg(a.attname::text ORDER BY p.place) FROM unnest(k.conkey) WITH ORDINALITY AS p (attnum, place)
              JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = p.attnum),
           rn.nspname::text, r.relname::text,
           (SELECT array_agg(a.attname::text ORDER BY p.place) FROM unnest(k.confkey) WITH ORDINALITY AS p (attnum, place)
              JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = p.attnum)
      FROM pg_constraint k
      JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_class r ON r.oid = k.confrelid JOIN pg_namespace rn ON rn.oid = r.relnamespace
     WHERE k.contype = 'f' AND k.conparentid = 0
       AND EXISTS (SELECT FROM unnest($1::text[], $2::text[]) AS listed (schema, name)
                    WHERE (schema, name) IN ((n.nspname, c.relname), (rn.nspname, r.relname)))
     ORDER BY 2, 3, 1";

const VIEWS: &str = "
    SELECT DISTINCT vn.nspname::text, v.relname::text, listed.schema, listed.name
      FROM unnest($1::text[], $2::text[]) AS listed (schema, name)
      JOIN pg_namespace n ON n.nspname = listed.schema
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = listed.name
      JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
                      AND d.classid = 'pg_rewrite'::regclass
      JOIN pg_rewrite w ON w.oid = d.objid
      JOIN pg_class v ON v.oid = w.ev_class AND v.relkind IN ('v', 'm')
      JOIN pg_namespace vn ON vn.oid = v.relnamespace
     ORDER BY 1, 2, 3, 4";

/// Asks one server, within `limit` (zero: no limit). A replica is asked about itself only.
pub(super) async fn ask(
    address: &ServerAddress,
    topology: &Topology,
    with_schema: bool,
    limit: Duration,
) -> Result<Facts, Reason> {
    let asking = async {
        let client = open(address).await?;
        facts(&client, topology, with_schema)
            .await
            .map_err(|error| Reason::refused(&error))
    };
    if limit.is_zero() {
        return asking.await;
    }
    match tokio::time::timeout(limit, asking).await {
        Ok(facts) => facts,
        Err(_) => Err(Reason::timeout(limit)),
    }
}

async fn open(address: &ServerAddress) -> Result<Client, Reason> {
    let tls = ServerFacingTls::new(address).map_err(|error| Reason::tls(&error))?;
    let mut config = Config::new();
    config
        .host(&address.host)
        .port(address.port)
        .dbname(&address.database)
        .user(&address.user)
        .application_name("shunt check")
        .options("-c search_path=pg_catalog")
        .ssl_mode(match tls.mode() {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        });
    if let Some(password) = &address.password {
        config.password(password.0.as_bytes());
    }
    let refused = |error: tokio_postgres::Error| {
        // A failure on the way there has its cause in the system; this one is the driver's own.
        let by_system = error
            .source()
            .is_some_and(|cause| cause.is::<std::io::Error>());
        Reason::connect(&error, address.password.is_none() && !by_system)
    };
    // The connection's own task ends with the client; what it has to say, the client's queries say.
    match tls.client() {
        Some((tls, _)) => {
            let connecting = config.connect(MakeRustlsConnect::new((*tls).clone())).await;
            let (client, connection) = connecting.map_err(refused)?;
            tokio::spawn(connection);
            Ok(client)
        }
        None => {
            let connecting = config.connect(NoTls).await;
            let (client, connection) = connecting.map_err(refused)?;
            tokio::spawn(connection);
            Ok(client)
        }
    }
}

async fn facts(
    client: &Client,
    topology: &Topology,
    with_schema: bool,
) -> Result<Facts, tokio_postgres::Error> {
    let row = client.query_one(SERVER, &[]).await?;
    let mut facts = Facts {
        version: row.get(0),
        in_recovery: row.get(1),
        encoding: row.get(2),
        max_prepared_transactions: row.get(3),
        identity: Identity {
            system: row.get(4),
            started: row.get(5),
            database: row.get(6),
        },
        columns: Vec::new(),
        unique: Vec::new(),
        foreign: Vec::new(),
        views: Vec::new(),
    };
    if !with_schema {
        return Ok(facts);
    }
    let (schemas, names): (Vec<&str>, Vec<&str>) = topology
        .tables
        .keys()
        .map(|table| (table.schema.as_str(), table.name.as_str()))
        .unzip();
    for row in client.query(COLUMNS, &[&schemas, &names]).await? {
        facts.columns.push(Column {
            table: (row.get(0), row.get(1)),
            name: row.get(2),
            type_name: row.get(3),
            type_oid: row.get(4),
            not_null: row.get(5),
            deterministic: row.get(6),
        });
    }
    for row in client.query(UNIQUE, &[&schemas, &names]).await? {
        facts.unique.push(Unique {
            table: (row.get(0), row.get(1)),
            index: row.get(2),
            columns: row.get(3),
        });
    }
    for row in client.query(FOREIGN, &[&schemas, &names]).await? {
        facts.foreign.push(Foreign {
            name: row.get(0),
            table: (row.get(1), row.get(2)),
            columns: row.get(3),
            referred: (row.get(4), row.get(5)),
            referred_columns: row.get(6),
        });
    }
    for row in client.query(VIEWS, &[&schemas, &names]).await? {
        facts
            .views
            .push(((row.get(0), row.get(1)), (row.get(2), row.get(3))));
    }
    Ok(facts)
}
