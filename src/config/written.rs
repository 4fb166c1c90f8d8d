//! The file as written: what stood there, with places, before anything is resolved.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use router_core::sql::next_id::MAX_NODE;
use router_core::value::KeyType;
use router_proxy::settings::{
    AuthMethod, Balance, Consistency, GatherLimits, ListenAddress, PoolMode, PoolOverride,
    ReadPreference, ReadSettings, Secret, ServerAddress, TlsMode, TwoPhaseSettings,
};
use zeroize::Zeroizing;

use super::keys;
use super::reader::{At, Place, Scalar, Table};
use super::url;

/// Where to look things up that the file refers to.
pub(super) struct Around<'a> {
    /// Environment variables.
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
    /// The folder of the file; relative paths start there.
    pub(super) folder: &'a Path,
}

/// The whole file.
pub(super) struct File {
    pub(super) server: Server,
    pub(super) pool: PoolOverride,
    pub(super) auth: Auth,
    pub(super) users: Vec<User>,
    pub(super) catalog: Option<ServerAddress>,
    pub(super) databases: Vec<Database>,
    /// Where the end of the file is, for what is missing from it.
    pub(super) top: Place,
}

#[derive(Default)]
pub(super) struct Server {
    pub(super) listen: Vec<At<ListenAddress>>,
    pub(super) http_listen: Option<At<SocketAddr>>,
    pub(super) workers: Option<usize>,
    pub(super) max_clients: Option<usize>,
    pub(super) drain_timeout: Option<Duration>,
    pub(super) login_timeout: Option<Duration>,
    pub(super) takeover_socket: Option<At<PathBuf>>,
    pub(super) slow_query: Option<Duration>,
    pub(super) node: Option<u16>,
    pub(super) tls: Option<Tls>,
}

pub(super) struct Tls {
    pub(super) place: Place,
    pub(super) mode: Option<At<TlsMode>>,
    pub(super) cert: Option<At<PathBuf>>,
    pub(super) key: Option<At<PathBuf>>,
    pub(super) client_ca: Option<At<PathBuf>>,
}

#[derive(Default)]
pub(super) struct Auth {
    pub(super) method: Option<At<AuthMethod>>,
    pub(super) hba_file: Option<At<PathBuf>>,
    pub(super) auth_query: Option<At<String>>,
    pub(super) auth_user: Option<At<String>>,
}

pub(super) struct User {
    pub(super) place: Place,
    pub(super) name: Option<At<String>>,
    pub(super) secret: Option<At<Secret>>,
    /// A secret was meant, even when it could not be read.
    pub(super) has_secret: bool,
    pub(super) admin: bool,
    pub(super) server_user: Option<At<String>>,
    pub(super) server_secret: Option<At<Secret>>,
    pub(super) pool: PoolOverride,
}

pub(super) struct Database {
    pub(super) name: Option<At<String>>,
    pub(super) default_shard: Option<At<String>>,
    pub(super) scratch: Option<At<String>>,
    pub(super) triggers_per_shard: bool,
    pub(super) shards: Vec<Shard>,
    pub(super) reads: ReadSettings,
    pub(super) two_phase: TwoPhaseSettings,
    pub(super) pool: PoolOverride,
    pub(super) placements: Vec<Placement>,
    pub(super) tables: Vec<TableEntry>,
}

pub(super) struct Shard {
    pub(super) name: Option<At<String>>,
    pub(super) primary: Option<At<ServerAddress>>,
    pub(super) replicas: Vec<Replica>,
}

pub(super) struct Replica {
    pub(super) address: Option<At<ServerAddress>>,
    pub(super) weight: u32,
    pub(super) zone: Option<String>,
    pub(super) backup: bool,
}

pub(super) struct Placement {
    pub(super) place: Place,
    pub(super) name: Option<At<String>>,
    pub(super) types: Vec<At<KeyType>>,
    pub(super) strategy: Option<At<Strategy>>,
    pub(super) shards: Option<Vec<At<String>>>,
    pub(super) ranges: Vec<Range>,
    pub(super) lists: Vec<List>,
    pub(super) default: Option<At<String>>,
    pub(super) buckets: Option<u32>,
    pub(super) assign: Vec<Assign>,
    pub(super) points: Option<u32>,
    pub(super) weights: Vec<(At<String>, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strategy {
    Modulo,
    Range,
    List,
    Hash,
    Consistent,
}

pub(super) struct Range {
    pub(super) from: Option<Vec<Scalar>>,
    pub(super) to: Option<Vec<Scalar>>,
    pub(super) shard: Option<At<String>>,
}

pub(super) struct List {
    pub(super) values: Vec<At<Vec<Scalar>>>,
    pub(super) shard: Option<At<String>>,
}

pub(super) struct Assign {
    pub(super) from: Option<u32>,
    pub(super) to: Option<u32>,
    pub(super) shard: Option<At<String>>,
}

pub(super) struct TableEntry {
    pub(super) place: Place,
    pub(super) name: Option<At<String>>,
    pub(super) key: Option<Vec<At<String>>>,
    pub(super) placement: Option<At<String>>,
    pub(super) reference: Option<At<bool>>,
    pub(super) shard: Option<At<String>>,
}

const METHODS: [(&str, AuthMethod); 5] = [
    ("scram-sha-256", AuthMethod::ScramSha256),
    ("trust", AuthMethod::Trust),
    ("password", AuthMethod::Password),
    ("md5", AuthMethod::Md5),
    ("cert", AuthMethod::Cert),
];

const TYPES: [(&str, KeyType); 3] = [
    ("bigint", KeyType::Bigint),
    ("text", KeyType::Text),
    ("uuid", KeyType::Uuid),
];

/// Reads the whole file.
pub(super) fn file(top: &Table<'_, '_>, around: &Around<'_>) -> File {
    let auth = top.table("auth", &keys::AUTH);
    File {
        server: top
            .table("server", &keys::SERVER)
            .map(|t| server(&t, around))
            .unwrap_or_default(),
        pool: pool(top),
        auth: auth.map(|t| self::auth(&t, around)).unwrap_or_default(),
        users: top
            .tables("users", &keys::USER)
            .iter()
            .map(|t| user(t, around))
            .collect(),
        catalog: top.table("catalog", &keys::CATALOG).and_then(|t| {
            t.require("url", "\"postgres://shunt@127.0.0.1:5432/shunt\"");
            Some(address(&t, "url", around)?.value)
        }),
        databases: top
            .tables("databases", &keys::DATABASE)
            .iter()
            .map(|t| database(t, around))
            .collect(),
        top: top.place_of("databases"),
    }
}

fn server(t: &Table<'_, '_>, around: &Around<'_>) -> Server {
    const LISTEN: &str = "127.0.0.1:6432";
    let listen = t.texts("listen", LISTEN).unwrap_or_default();
    Server {
        listen: listen
            .into_iter()
            .filter_map(|a| listen_address(t, a, around))
            .collect(),
        http_listen: t
            .text("http_listen", "127.0.0.1:9464")
            .and_then(|a| socket_address(t, &a, "127.0.0.1:9464")),
        workers: count(t, "workers", 0, 1024),
        max_clients: count(t, "max_clients", 1, 10_000_000),
        drain_timeout: t.duration("drain_timeout").map(|d| d.value),
        login_timeout: t.duration("login_timeout").map(|d| d.value),
        takeover_socket: path(t, "takeover_socket", around),
        slow_query: t.duration("slow_query").map(|d| d.value),
        node: t
            .integer("node", 0, MAX_NODE.into())
            .and_then(|node| u16::try_from(node.value).ok()),
        tls: t.table("tls", &keys::TLS).map(|t| Tls {
            place: t.place.clone(),
            mode: t.choice("mode", &url::TLS_MODES),
            cert: path(&t, "cert", around),
            key: path(&t, "key", around),
            client_ca: path(&t, "client_ca", around),
        }),
    }
}

fn count(t: &Table<'_, '_>, key: &str, min: i64, max: i64) -> Option<usize> {
    let number = t.integer(key, min, max)?.value;
    usize::try_from(number).ok()
}

fn small(t: &Table<'_, '_>, key: &str, min: i64, max: i64) -> Option<u32> {
    let number = t.integer(key, min, max)?.value;
    u32::try_from(number).ok()
}

fn path(t: &Table<'_, '_>, key: &str, around: &Around<'_>) -> Option<At<PathBuf>> {
    let text = t.name(key, "file.pem")?;
    Some(At {
        value: around.folder.join(text.value),
        place: text.place,
    })
}

fn socket_address(t: &Table<'_, '_>, text: &At<String>, example: &str) -> Option<At<SocketAddr>> {
    let numeric = text.value.replacen("localhost:", "127.0.0.1:", 1);
    match numeric.parse() {
        Ok(value) => Some(At {
            value,
            place: text.place.clone(),
        }),
        Err(_) => {
            t.reader.problem(
                &text.place,
                format!("\"{}\" is not an address and port", text.value),
                format!("write \"{example}\", or 0.0.0.0 or [::] for every interface"),
            );
            None
        }
    }
}

fn listen_address(
    t: &Table<'_, '_>,
    text: At<String>,
    around: &Around<'_>,
) -> Option<At<ListenAddress>> {
    match text.value.strip_prefix("unix:") {
        Some("") => {
            t.reader.problem(
                &text.place,
                "names no socket",
                "write \"unix:/run/shunt/.s.PGSQL.6432\"",
            );
            None
        }
        Some(path) => Some(At {
            value: ListenAddress::Unix(around.folder.join(path)),
            place: text.place,
        }),
        None => {
            let address = socket_address(t, &text, "127.0.0.1:6432")?;
            Some(At {
                value: ListenAddress::Tcp(address.value),
                place: text.place,
            })
        }
    }
}

fn pool(parent: &Table<'_, '_>) -> PoolOverride {
    let Some(t) = parent.table("pool", &keys::POOL) else {
        return PoolOverride::default();
    };
    let modes = [
        ("transaction", PoolMode::Transaction),
        ("session", PoolMode::Session),
    ];
    let duration = |key| t.duration(key).map(|d| d.value);
    PoolOverride {
        mode: t.choice("mode", &modes).map(|m| m.value),
        max_size: count(&t, "max_size", 1, 100_000),
        min_size: count(&t, "min_size", 0, 100_000),
        acquire_timeout: duration("acquire_timeout"),
        connect_timeout: duration("connect_timeout"),
        idle_timeout: duration("idle_timeout"),
        max_lifetime: duration("max_lifetime"),
        query_timeout: duration("query_timeout"),
        idle_transaction_timeout: duration("idle_transaction_timeout"),
    }
}

fn auth(t: &Table<'_, '_>, around: &Around<'_>) -> Auth {
    Auth {
        method: t.choice("method", &METHODS),
        hba_file: path(t, "hba_file", around),
        auth_query: t.name(
            "auth_query",
            "SELECT rolname, rolpassword FROM pg_authid WHERE rolname = $1",
        ),
        auth_user: t.name("auth_user", "shunt_auth"),
    }
}

fn user(t: &Table<'_, '_>, around: &Around<'_>) -> User {
    t.require("name", "\"app\"");
    User {
        place: t.place.clone(),
        name: t.name("name", "app"),
        secret: secret(t, "password", "password_file", around),
        has_secret: t.has("password") || t.has("password_file"),
        admin: t.flag("admin").is_some_and(|f| f.value),
        server_user: t.name("server_user", "app"),
        server_secret: secret(t, "server_password", "server_password_file", around),
        pool: pool(t),
    }
}

fn secret(t: &Table<'_, '_>, key: &str, file_key: &str, around: &Around<'_>) -> Option<At<Secret>> {
    let direct = t.name(key, "${APP_PASSWORD}");
    let file = path(t, file_key, around);
    if t.has(key) && t.has(file_key) {
        t.reader.problem(
            &t.place_of(file_key),
            format!("stands beside {key}"),
            format!("keep one of {key} and {file_key}"),
        );
    }
    if let Some(text) = direct {
        return Some(At {
            value: Secret(Zeroizing::new(text.value)),
            place: text.place,
        });
    }
    let file = file?;
    match std::fs::read_to_string(&file.value).map(Zeroizing::new) {
        Ok(text) => {
            let line = text.strip_suffix('\n').unwrap_or(&text);
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.is_empty() || line.contains('\n') {
                t.reader.problem(
                    &file.place,
                    format!("{} does not hold exactly one line", file.value.display()),
                    "put the password into the file, alone",
                );
                return None;
            }
            Some(At {
                value: Secret(Zeroizing::new(line.to_owned())),
                place: file.place,
            })
        }
        Err(error) => {
            t.reader.problem(
                &file.place,
                format!("cannot read {}: {error}", file.value.display()),
                "relative paths start at the folder of the configuration file",
            );
            None
        }
    }
}

fn address(t: &Table<'_, '_>, key: &str, around: &Around<'_>) -> Option<At<ServerAddress>> {
    let text = t.raw_text(key, "postgres://user:password@host:5432/database")?;
    match url::parse(&text.value, around.env, around.folder) {
        Ok(value) => Some(At {
            value,
            place: text.place,
        }),
        Err((what, hint)) => {
            t.reader.problem(&text.place, what, hint);
            None
        }
    }
}

fn database(t: &Table<'_, '_>, around: &Around<'_>) -> Database {
    t.require("name", "\"shop\"");
    if !t.has("shards") {
        t.reader.problem(
            &t.place_of("shards"),
            "is missing",
            "add [[databases.shards]] with a name and a primary",
        );
    }
    Database {
        name: t.name("name", "shop"),
        default_shard: t.name("default_shard", "s0"),
        scratch: t.name("scratch", "s0"),
        triggers_per_shard: t
            .choice("triggers", &[("proven", false), ("per-shard", true)])
            .is_some_and(|chosen| chosen.value),
        shards: t
            .tables("shards", &keys::SHARD)
            .iter()
            .map(|t| shard(t, around))
            .collect(),
        reads: t
            .table("reads", &keys::READS)
            .map(|t| reads(&t))
            .unwrap_or_default(),
        two_phase: t
            .table("two_phase", &keys::TWO_PHASE)
            .map(|t| two_phase(&t))
            .unwrap_or_default(),
        pool: pool(t),
        placements: t
            .tables("placements", &keys::PLACEMENT)
            .iter()
            .map(placement)
            .collect(),
        tables: t.tables("tables", &keys::TABLE).iter().map(table).collect(),
    }
}

fn shard(t: &Table<'_, '_>, around: &Around<'_>) -> Shard {
    t.require("name", "\"s0\"");
    t.require("primary", "\"postgres://user:password@host:5432/database\"");
    Shard {
        name: t.name("name", "s0"),
        primary: address(t, "primary", around),
        replicas: t
            .tables("replicas", &keys::REPLICA)
            .iter()
            .map(|t| {
                t.require("url", "\"postgres://user:password@host:5432/database\"");
                Replica {
                    address: address(t, "url", around),
                    weight: small(t, "weight", 0, 1_000_000).unwrap_or(1),
                    zone: t.name("zone", "a").map(|z| z.value),
                    backup: t.flag("backup").is_some_and(|f| f.value),
                }
            })
            .collect(),
    }
}

fn two_phase(t: &Table<'_, '_>) -> TwoPhaseSettings {
    let default = TwoPhaseSettings::default();
    let time = |key, default| t.duration(key).map_or(default, |v| v.value);
    TwoPhaseSettings {
        interval: time("interval", default.interval),
        grace: time("grace", default.grace),
        retention: time("retention", default.retention),
    }
}

fn reads(t: &Table<'_, '_>) -> ReadSettings {
    let preferences = [
        ("primary", ReadPreference::Primary),
        ("primary-preferred", ReadPreference::PrimaryPreferred),
        ("replica", ReadPreference::Replica),
        ("replica-preferred", ReadPreference::ReplicaPreferred),
        ("nearest", ReadPreference::Nearest),
    ];
    let balances = [
        ("round-robin", Balance::RoundRobin),
        ("random", Balance::Random),
        ("least-loaded", Balance::LeastLoaded),
        ("weighted", Balance::Weighted),
        ("sticky", Balance::Sticky),
    ];
    let consistencies = [
        ("eventual", Consistency::Eventual),
        ("read-your-writes", Consistency::ReadYourWrites),
    ];
    let default = ReadSettings::default();
    ReadSettings {
        preference: t
            .choice("preference", &preferences)
            .map_or(default.preference, |v| v.value),
        balance: t
            .choice("balance", &balances)
            .map_or(default.balance, |v| v.value),
        max_lag: match t.duration("max_lag") {
            Some(lag) => Some(lag.value).filter(|lag| !lag.is_zero()),
            None => default.max_lag,
        },
        max_lag_bytes: t.size("max_lag_bytes").map(|v| v.value),
        consistency: t
            .choice("consistency", &consistencies)
            .map_or(default.consistency, |v| v.value),
        zone: t.name("zone", "a").map(|z| z.value),
        gather: GatherLimits {
            rows: t
                .integer("gather_max_rows", 0, i64::MAX)
                .map_or(default.gather.rows, |rows| rows.value.unsigned_abs()),
            bytes: t
                .size("gather_max_bytes")
                .map_or(default.gather.bytes, |bytes| bytes.value),
        },
    }
}

fn placement(t: &Table<'_, '_>) -> Placement {
    t.require("name", "\"by_user\"");
    t.require("type", "\"bigint\"");
    t.require("strategy", "\"hash\"");
    let strategies = [
        ("hash", Strategy::Hash),
        ("modulo", Strategy::Modulo),
        ("range", Strategy::Range),
        ("list", Strategy::List),
        ("consistent", Strategy::Consistent),
    ];
    Placement {
        place: t.place.clone(),
        name: t.name("name", "by_user"),
        types: t
            .texts("type", "bigint")
            .unwrap_or_default()
            .iter()
            .filter_map(|word| t.choose(word, &TYPES))
            .collect(),
        strategy: t.choice("strategy", &strategies),
        shards: t.texts("shards", "s0"),
        ranges: t
            .tables("ranges", &keys::RANGE)
            .iter()
            .map(|t| {
                t.require("shard", "\"s0\"");
                let bound = |key| {
                    t.scalars(key)
                        .map(|all| all.value.into_iter().map(|v| v.value).collect())
                };
                Range {
                    from: bound("from"),
                    to: bound("to"),
                    shard: t.name("shard", "s0"),
                }
            })
            .collect(),
        lists: t
            .tables("lists", &keys::LIST)
            .iter()
            .map(|t| {
                t.require("values", "[1, 2, 3]");
                t.require("shard", "\"s0\"");
                List {
                    values: t.tuples("values"),
                    shard: t.name("shard", "s0"),
                }
            })
            .collect(),
        default: t.name("default", "s0"),
        buckets: small(t, "buckets", 1, 65_536),
        assign: t
            .tables("assign", &keys::ASSIGN)
            .iter()
            .map(|t| {
                t.require("from", "0");
                t.require("to", "1023");
                t.require("shard", "\"s0\"");
                Assign {
                    from: small(t, "from", 0, 65_535),
                    to: small(t, "to", 0, 65_535),
                    shard: t.name("shard", "s0"),
                }
            })
            .collect(),
        points: small(t, "points", 1, 10_000),
        weights: t
            .numbers_by_name("weights", 0, 1_000)
            .into_iter()
            .filter_map(|(name, weight)| Some((name, u32::try_from(weight).ok()?)))
            .collect(),
    }
}

fn table(t: &Table<'_, '_>) -> TableEntry {
    t.require("name", "\"users\"");
    TableEntry {
        place: t.place.clone(),
        name: t.name("name", "users"),
        key: t.texts("key", "id"),
        placement: t.name("placement", "by_user"),
        reference: t.flag("reference"),
        shard: t.name("shard", "s0"),
    }
}
