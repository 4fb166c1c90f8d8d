//! From the file as written to settings as meant: defaults, inheritance, and
//! the checks that need more than one entry.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use router_core::id::Epoch;
use router_core::topology::Topology;
use router_core::topology::spec::{HomeSpec, ShardSpec, TableSpec, TopologySpec};
use router_proxy::settings::{
    Auth, AuthMethod, ClientTls, Database, ListenAddress, PoolSettings, Replica, ServerAddress,
    Settings, ShardServers, TlsMode, User,
};

use super::reader::{At, Place, Reader};
use super::strategy;
use super::written::{self, File, Server, TableEntry};

/// What the file means. `None` for what could not be established; a problem says why.
pub(super) fn settings(reader: &Reader<'_>, file: File) -> Option<Settings> {
    let listen = listen(reader, &file.server);
    let auth = auth(reader, &file);
    let users = users(reader, &file);
    let pool = PoolSettings::default().with(&file.pool);
    pool_sizes(reader, "pool", &pool);
    let tls = file
        .server
        .tls
        .as_ref()
        .and_then(|tls| client_tls(reader, tls, auth.method));
    if file.databases.is_empty() {
        reader.problem(
            &Place {
                key: "databases".into(),
                ..file.top
            },
            "is missing",
            "add [[databases]] with a name and one [[databases.shards]]",
        );
    }
    let mut names = HashMap::new();
    let mut databases = Vec::new();
    for (i, database) in file.databases.into_iter().enumerate() {
        if let Some(name) = &database.name {
            database_name(reader, &mut names, name);
        }
        databases.extend(self::database(reader, database, i, &pool));
    }
    if let Some(address) = &file.catalog {
        server_files(reader, address, &reader.place("catalog.url"));
    }
    Some(Settings {
        listen,
        http_listen: file.server.http_listen.map(|a| a.value),
        workers: file.server.workers.unwrap_or(0),
        max_clients: file.server.max_clients.unwrap_or(10_000),
        drain_timeout: file.server.drain_timeout.unwrap_or(Duration::from_secs(30)),
        login_timeout: file.server.login_timeout.unwrap_or(Duration::from_secs(15)),
        takeover_socket: file.server.takeover_socket.map(|path| path.value),
        slow_query: file.server.slow_query.unwrap_or_default(),
        node: file.server.node,
        tls,
        auth,
        users,
        databases,
        catalog: file.catalog,
    })
}

fn listen(reader: &Reader<'_>, server: &Server) -> Vec<ListenAddress> {
    let mut listen: Vec<ListenAddress> = Vec::new();
    for address in &server.listen {
        if listen.contains(&address.value) {
            reader.problem(&address.place, "is listed twice", "remove one of the two");
        }
        listen.push(address.value.clone());
    }
    if let Some(http) = &server.http_listen
        && http.value.port() != 0
        && listen.contains(&ListenAddress::Tcp(http.value))
    {
        reader.problem(
            &http.place,
            "is the address that clients connect to",
            "give http_listen a port of its own, such as 127.0.0.1:9464",
        );
    }
    if listen.is_empty() {
        listen.push(ListenAddress::Tcp(([127, 0, 0, 1], 6432).into()));
    }
    listen
}

fn auth(reader: &Reader<'_>, file: &File) -> Auth {
    let auth = &file.auth;
    if let (Some(hba), Some(_)) = (&auth.hba_file, &auth.method) {
        reader.problem(
            &hba.place,
            "stands beside method, which it replaces",
            "keep one of hba_file and method",
        );
    }
    if let Some(hba) = &auth.hba_file {
        readable(reader, hba.value.as_path(), &hba.place);
    }
    match (&auth.auth_query, &auth.auth_user) {
        (Some(query), None) => reader.problem(
            &query.place,
            "has no auth_user to run it",
            "add auth_user = \"shunt_auth\", one of the [[users]]",
        ),
        (None, Some(user)) => reader.problem(
            &user.place,
            "has no auth_query to run",
            "add auth_query, or remove auth_user",
        ),
        _ => {}
    }
    Auth {
        method: auth
            .method
            .as_ref()
            .map_or(AuthMethod::ScramSha256, |m| m.value),
        hba_file: auth.hba_file.as_ref().map(|p| p.value.clone()),
        auth_query: auth.auth_query.as_ref().map(|q| q.value.clone()),
        auth_user: auth.auth_user.as_ref().map(|u| u.value.clone()),
    }
}

fn users(reader: &Reader<'_>, file: &File) -> Vec<User> {
    let auth = &file.auth;
    let method = auth
        .method
        .as_ref()
        .map_or(AuthMethod::ScramSha256, |m| m.value);
    let asks = auth.hba_file.is_none() && !matches!(method, AuthMethod::Trust | AuthMethod::Cert);
    let mut seen: HashMap<&str, ()> = HashMap::new();
    let mut users = Vec::new();
    for user in &file.users {
        let Some(name) = &user.name else { continue };
        if seen.insert(&name.value, ()).is_some() {
            reader.problem(
                &name.place,
                format!("there is a user \"{}\" already", name.value),
                "give each user one [[users]] entry",
            );
        }
        if asks && !user.has_secret && auth.auth_query.is_none() {
            reader.problem(
                &user.place,
                format!(
                    "user \"{}\" has no password, so nobody can log in as it",
                    name.value
                ),
                "add password or password_file, or set auth.method",
            );
        }
        if let Some(secret) = &user.secret {
            secret_fits(reader, method, asks, secret);
        }
        if let (Some(secret), None) = (&user.server_secret, &user.server_user) {
            reader.problem(
                &secret.place,
                "has no server_user that it belongs to",
                "add server_user, the role on the servers",
            );
        }
        users.push(User {
            name: name.value.clone(),
            secret: user.secret.as_ref().map(|s| s.value.clone()),
            admin: user.admin,
            server_user: user.server_user.as_ref().map(|u| u.value.clone()),
            server_password: user.server_secret.as_ref().map(|s| s.value.clone()),
            pool: user.pool.clone(),
        });
    }
    users
}

/// A verifier of one method is of no use to another.
fn secret_fits(
    reader: &Reader<'_>,
    method: AuthMethod,
    asks: bool,
    secret: &At<router_proxy::settings::Secret>,
) {
    let text = secret.value.0.as_str();
    let is_md5 = text.len() == 35
        && text
            .strip_prefix("md5")
            .is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    let is_scram = text.starts_with("SCRAM-SHA-256$");
    if asks && method == AuthMethod::ScramSha256 && is_md5 {
        reader.problem(
            &secret.place,
            "is an md5 verifier, which scram-sha-256 cannot use",
            "store the password or a SCRAM-SHA-256 verifier, or set auth.method = \"md5\"",
        );
    }
    if asks && method == AuthMethod::Md5 && is_scram {
        reader.problem(
            &secret.place,
            "is a SCRAM verifier, which md5 cannot use",
            "set auth.method = \"scram-sha-256\"",
        );
    }
}

fn client_tls(reader: &Reader<'_>, tls: &written::Tls, method: AuthMethod) -> Option<ClientTls> {
    let mode = match &tls.mode {
        Some(mode) => mode.value,
        None => TlsMode::Require,
    };
    for file in [&tls.cert, &tls.key, &tls.client_ca].into_iter().flatten() {
        readable(reader, &file.value, &file.place);
    }
    if mode == TlsMode::Disable {
        return None;
    }
    for (key, file) in [("cert", &tls.cert), ("key", &tls.key)] {
        if file.is_none() {
            let place = Place {
                key: format!("{}.{key}", tls.place.key),
                ..tls.place.clone()
            };
            reader.problem(
                &place,
                "is missing",
                format!(
                    "add {key} = \"server.{}\"",
                    if key == "key" { "key" } else { "pem" }
                ),
            );
        }
    }
    if tls.client_ca.is_none() && (mode >= TlsMode::VerifyCa || method == AuthMethod::Cert) {
        let place = Place {
            key: format!("{}.client_ca", tls.place.key),
            ..tls.place.clone()
        };
        reader.problem(
            &place,
            "is missing, and client certificates are to be verified",
            "add client_ca = \"clients.pem\"",
        );
    }
    Some(ClientTls {
        mode,
        cert: tls.cert.as_ref()?.value.clone(),
        key: tls.key.as_ref()?.value.clone(),
        client_ca: tls.client_ca.as_ref().map(|p| p.value.clone()),
    })
}

/// The files that a server's URL names.
fn server_files(reader: &Reader<'_>, address: &ServerAddress, place: &Place) {
    let pair = address
        .client_cert
        .iter()
        .flat_map(|(cert, key)| [cert, key]);
    for file in address.root_cert.iter().chain(pair) {
        readable(reader, file, place);
    }
}

fn readable(reader: &Reader<'_>, path: &Path, place: &Place) {
    let error = match std::fs::File::open(path).and_then(|file| file.metadata()) {
        Ok(data) if data.is_dir() => "it is a directory".to_owned(),
        Ok(_) => return,
        Err(error) => error.to_string(),
    };
    reader.problem(
        place,
        format!("cannot read {}: {error}", path.display()),
        "relative paths start at the folder of the configuration file",
    );
}

fn pool_sizes(reader: &Reader<'_>, key: &str, pool: &PoolSettings) {
    if pool.min_size > pool.max_size {
        let place = reader.place(&format!("{key}.min_size"));
        reader.problem(
            &place,
            format!("{} is more than max_size, {}", pool.min_size, pool.max_size),
            "make max_size at least min_size",
        );
    }
}

fn database_name(reader: &Reader<'_>, names: &mut HashMap<String, ()>, name: &At<String>) {
    if matches!(name.value.as_str(), "shunt" | "pgbouncer") {
        reader.problem(
            &name.place,
            format!("\"{}\" is the name of the admin console", name.value),
            "give the database another name",
        );
    }
    if names.insert(name.value.clone(), ()).is_some() {
        reader.problem(
            &name.place,
            format!("there is a database \"{}\" already", name.value),
            "give each database a name of its own",
        );
    }
}

fn database(
    reader: &Reader<'_>,
    written: written::Database,
    index: usize,
    pool: &PoolSettings,
) -> Option<Database> {
    let pool = pool.with(&written.pool);
    let path = format!("databases[{index}]");
    // What the database inherits has been looked at already.
    if written.pool.min_size.is_some() || written.pool.max_size.is_some() {
        pool_sizes(reader, &format!("{path}.pool"), &pool);
    }
    let topology = topology(reader, &written, &path)?;
    let mut shards: Vec<ShardServers> = Vec::new();
    for shard in written.shards {
        let mut replicas = Vec::new();
        for replica in shard.replicas {
            let address = replica.address?;
            server_files(reader, &address.value, &address.place);
            let primary = shard.primary.as_ref()?;
            let same = |a: &ServerAddress| (a.host.clone(), a.port);
            if same(&address.value) == same(&primary.value) {
                reader.problem(
                    &address.place,
                    "is the same server as the primary",
                    "name the standby's own host and port",
                );
            }
            replicas.push(Replica {
                address: address.value,
                weight: replica.weight,
                zone: replica.zone,
                backup: replica.backup,
            });
        }
        if let Some(primary) = &shard.primary {
            server_files(reader, &primary.value, &primary.place);
            let same = |a: &ServerAddress| (a.host.clone(), a.port, a.database.clone());
            let taken = shards
                .iter()
                .position(|other| same(&other.primary) == same(&primary.value));
            if let Some(other) = taken {
                let other = &topology.shards[other].name;
                reader.problem(
                    &primary.place,
                    format!("is the database of shard \"{other}\" already"),
                    "give each shard a server, or a database, of its own",
                );
            }
        }
        shards.push(ShardServers {
            primary: shard.primary?.value,
            replicas,
        });
    }
    Some(Database {
        topology: Arc::new(topology),
        shards,
        pool,
        reads: written.reads,
        two_phase: written.two_phase,
    })
}

/// The topology; only when everything in the database's entry could be read,
/// since the core's errors count entries as the file does.
fn topology(reader: &Reader<'_>, written: &written::Database, path: &str) -> Option<Topology> {
    let tables: Vec<Option<TableSpec>> = written.tables.iter().map(|t| table(reader, t)).collect();
    let placements: Vec<_> = written
        .placements
        .iter()
        .map(|p| strategy::placement(reader, p))
        .collect();
    if reader.has_problem_in(path) {
        return None;
    }
    let text = |at: &Option<At<String>>| at.as_ref().map(|a| a.value.clone());
    let spec = TopologySpec {
        database: text(&written.name)?,
        shards: written
            .shards
            .iter()
            .map(|s| {
                Some(ShardSpec {
                    name: text(&s.name)?,
                    has_replicas: !s.replicas.is_empty(),
                })
            })
            .collect::<Option<_>>()?,
        default_shard: text(&written.default_shard),
        scratch: text(&written.scratch),
        triggers_per_shard: written.triggers_per_shard,
        placements: placements.into_iter().collect::<Option<_>>()?,
        tables: tables.into_iter().collect::<Option<_>>()?,
    };
    match Topology::build(&spec, Epoch(1)) {
        Ok(topology) => Some(topology),
        Err(errors) => {
            for error in errors {
                let place = reader.place(&format!("{path}.{}", error.path));
                reader.problem(&place, error.message, error.fix);
            }
            None
        }
    }
}

fn table(reader: &Reader<'_>, table: &TableEntry) -> Option<TableSpec> {
    let name = table.name.as_ref()?;
    if reader.has_problem_in(&table.place.key) {
        return None;
    }
    let reference = table.reference.as_ref().is_some_and(|r| r.value);
    let ways = [
        table.key.is_some() || table.placement.is_some(),
        reference,
        table.shard.is_some(),
    ];
    const FIX: &str = "write key and placement, or reference = true, or shard";
    if ways.iter().filter(|way| **way).count() != 1 {
        let what = if ways.contains(&true) {
            "is said to live in more than one way"
        } else {
            "does not say where it lives"
        };
        reader.problem(
            &table.place,
            format!("table \"{}\" {what}", name.value),
            FIX,
        );
        return None;
    }
    let home = if reference {
        HomeSpec::Reference
    } else if let Some(shard) = &table.shard {
        HomeSpec::Pinned(shard.value.clone())
    } else {
        let (Some(key), Some(placement)) = (&table.key, &table.placement) else {
            let missing = if table.key.is_none() {
                "key"
            } else {
                "placement"
            };
            let what = format!("table \"{}\" has no {missing}", name.value);
            reader.problem(&table.place, what, FIX);
            return None;
        };
        HomeSpec::Sharded {
            key: key.iter().map(|k| k.value.clone()).collect(),
            placement: placement.value.clone(),
        }
    };
    let (schema, name) = match name.value.split_once('.') {
        Some((schema, name)) => (schema, name),
        None => ("public", name.value.as_str()),
    };
    Some(TableSpec {
        schema: schema.to_owned(),
        name: name.to_owned(),
        home,
    })
}
