//! What differs between two configurations, key by key, without a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use crate::settings::{
    Auth, ClientTls, Database, PoolOverride, PoolSettings, ReadSettings, Secret, ServerAddress,
    Settings, ShardServers, TwoPhaseSettings, User,
};
use router_core::topology::{Placement, Topology};

/// One key whose value differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The key, with names in place of positions: `databases[shop].pool.max_size`.
    pub key: String,
    /// What the first configuration says; `None`: nothing, or nothing that may be shown.
    pub old: Option<String>,
    /// What the second says.
    pub new: Option<String>,
}

/// Every key whose value differs, in the order of the keys' names.
pub fn differences(old: &Settings, new: &Settings) -> Vec<Difference> {
    let (old, new) = (Flat::of(old).0, Flat::of(new).0);
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    keys.into_iter()
        .filter(|key| old.get(*key) != new.get(*key))
        .map(|key| {
            let shown = |value: Option<&Value>| match value {
                Some(Value::Shown(text)) => Some(text.clone()),
                Some(Value::Hidden(_)) | None => None,
            };
            Difference {
                key: key.clone(),
                old: shown(old.get(key)),
                new: shown(new.get(key)),
            }
        })
        .collect()
}

#[derive(PartialEq)]
enum Value {
    Shown(String),
    /// Compared, never shown: a secret, or something too long for a line.
    Hidden(Hidden),
}

#[derive(PartialEq)]
enum Hidden {
    Secret(zeroize::Zeroizing<String>),
    Placement(Placement),
}

/// A value as Rust shows it, in the words of the configuration file: `LeastLoaded` is `least-loaded` there, no time is `0s`.
fn as_in_the_file(shown: String) -> String {
    match shown.as_str() {
        "0ns" => return "0s".to_owned(),
        "Md5" => return "md5".to_owned(),
        "ScramSha256" => return "scram-sha-256".to_owned(),
        _ => {}
    }
    let is_word = shown.starts_with(|c: char| c.is_ascii_uppercase())
        && shown.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !is_word {
        return shown;
    }
    let mut words = String::new();
    for letter in shown.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push('-');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

/// Settings as a map from keys to values. Every structure is taken apart by all of its fields, so that
/// a setting that is added later cannot be forgotten here.
struct Flat(BTreeMap<String, Value>);

impl Flat {
    fn of(settings: &Settings) -> Self {
        let mut flat = Self(BTreeMap::new());
        let Settings {
            listen,
            http_listen,
            workers,
            max_clients,
            drain_timeout,
            login_timeout,
            takeover_socket,
            slow_query,
            node,
            tls,
            auth,
            users,
            databases,
            catalog,
        } = settings;
        let listen = listen.iter().map(super::summary::listener);
        flat.shown("server.listen", listen.collect::<Vec<_>>().join(", "));
        flat.maybe("server.http_listen", http_listen.as_ref());
        flat.debug("server.workers", workers);
        flat.debug("server.max_clients", max_clients);
        flat.debug("server.drain_timeout", drain_timeout);
        flat.debug("server.login_timeout", login_timeout);
        flat.maybe("server.takeover_socket", takeover_socket.as_ref());
        flat.debug("server.slow_query", slow_query);
        flat.maybe("server.node", node.as_ref());
        if let Some(ClientTls {
            mode,
            cert,
            key,
            client_ca,
        }) = tls
        {
            flat.debug("server.tls.mode", mode);
            flat.debug("server.tls.cert", cert);
            flat.debug("server.tls.key", key);
            flat.maybe("server.tls.client_ca", client_ca.as_ref());
        }
        flat.auth(auth);
        for user in users {
            flat.user(user);
        }
        for database in databases {
            flat.database(database);
        }
        if let Some(address) = catalog {
            flat.server("catalog.url", address);
        }
        flat
    }

    fn shown(&mut self, key: impl Into<String>, value: String) {
        self.0.insert(key.into(), Value::Shown(value));
    }

    fn debug(&mut self, key: impl Into<String>, value: impl Debug) {
        self.shown(key, as_in_the_file(format!("{value:?}")));
    }

    fn maybe(&mut self, key: impl Into<String>, value: Option<impl Debug>) {
        if let Some(value) = value {
            self.debug(key, value);
        }
    }

    fn secret(&mut self, key: impl Into<String>, secret: Option<&Secret>) {
        if let Some(Secret(text)) = secret {
            let value = Value::Hidden(Hidden::Secret(text.clone()));
            self.0.insert(key.into(), value);
        }
    }

    fn auth(&mut self, auth: &Auth) {
        let Auth {
            method,
            hba_file,
            auth_query,
            auth_user,
        } = auth;
        flat_each(self, "auth", |flat, at| {
            flat.debug(at("method"), method);
            flat.maybe(at("hba_file"), hba_file.as_ref());
            flat.maybe(at("auth_query"), auth_query.as_ref());
            flat.maybe(at("auth_user"), auth_user.as_ref());
        });
    }

    fn user(&mut self, user: &User) {
        let User {
            name,
            secret,
            admin,
            server_user,
            server_password,
            pool,
        } = user;
        flat_each(self, &format!("users[{name}]"), |flat, at| {
            flat.secret(at("password"), secret.as_ref());
            flat.debug(at("admin"), admin);
            flat.maybe(at("server_user"), server_user.as_ref());
            flat.secret(at("server_password"), server_password.as_ref());
            let PoolOverride {
                mode,
                max_size,
                min_size,
                acquire_timeout,
                connect_timeout,
                idle_timeout,
                max_lifetime,
                query_timeout,
                idle_transaction_timeout,
            } = pool;
            flat.maybe(at("pool.mode"), *mode);
            flat.maybe(at("pool.max_size"), *max_size);
            flat.maybe(at("pool.min_size"), *min_size);
            flat.maybe(at("pool.acquire_timeout"), *acquire_timeout);
            flat.maybe(at("pool.connect_timeout"), *connect_timeout);
            flat.maybe(at("pool.idle_timeout"), *idle_timeout);
            flat.maybe(at("pool.max_lifetime"), *max_lifetime);
            flat.maybe(at("pool.query_timeout"), *query_timeout);
            flat.maybe(
                at("pool.idle_transaction_timeout"),
                *idle_transaction_timeout,
            );
        });
    }

    fn database(&mut self, database: &Database) {
        let Database {
            topology,
            shards,
            pool,
            reads,
            two_phase,
        } = database;
        let name = format!("databases[{}]", topology.database);
        flat_each(self, &name, |flat, at| {
            for (shard, servers) in std::iter::zip(&topology.shards, shards) {
                let ShardServers { primary, replicas } = servers;
                let shard = at(&format!("shards[{}]", shard.name));
                flat.server(&format!("{shard}.primary"), primary);
                for replica in replicas {
                    let address = &replica.address;
                    let key = format!("{shard}.replicas[{}:{}]", address.host, address.port);
                    flat.server(&format!("{key}.url"), address);
                    flat.debug(format!("{key}.weight"), replica.weight);
                    flat.maybe(format!("{key}.zone"), replica.zone.as_ref());
                    flat.debug(format!("{key}.backup"), replica.backup);
                }
            }
            flat.pool(&at("pool"), pool);
            flat.reads(&at("reads"), reads);
            flat.two_phase(&at("two_phase"), two_phase);
            flat.topology(&at, topology);
        });
    }

    fn pool(&mut self, key: &str, pool: &PoolSettings) {
        let PoolSettings {
            mode,
            max_size,
            min_size,
            acquire_timeout,
            connect_timeout,
            idle_timeout,
            max_lifetime,
            query_timeout,
            idle_transaction_timeout,
        } = pool;
        flat_each(self, key, |flat, at| {
            flat.debug(at("mode"), mode);
            flat.debug(at("max_size"), max_size);
            flat.debug(at("min_size"), min_size);
            flat.debug(at("acquire_timeout"), acquire_timeout);
            flat.debug(at("connect_timeout"), connect_timeout);
            flat.debug(at("idle_timeout"), idle_timeout);
            flat.debug(at("max_lifetime"), max_lifetime);
            flat.debug(at("query_timeout"), query_timeout);
            flat.debug(at("idle_transaction_timeout"), idle_transaction_timeout);
        });
    }

    fn reads(&mut self, key: &str, reads: &ReadSettings) {
        let ReadSettings {
            preference,
            balance,
            max_lag,
            max_lag_bytes,
            consistency,
            zone,
            gather,
        } = reads;
        flat_each(self, key, |flat, at| {
            flat.debug(at("preference"), preference);
            flat.debug(at("balance"), balance);
            flat.maybe(at("max_lag"), *max_lag);
            flat.maybe(at("max_lag_bytes"), *max_lag_bytes);
            flat.debug(at("consistency"), consistency);
            flat.maybe(at("zone"), zone.as_ref());
            flat.debug(at("gather_max_rows"), gather.rows);
            flat.debug(at("gather_max_bytes"), gather.bytes);
        });
    }

    fn two_phase(&mut self, key: &str, settings: &TwoPhaseSettings) {
        let TwoPhaseSettings {
            interval,
            grace,
            retention,
        } = settings;
        flat_each(self, key, |flat, at| {
            flat.debug(at("interval"), interval);
            flat.debug(at("grace"), grace);
            flat.debug(at("retention"), retention);
        });
    }

    fn topology(&mut self, at: &dyn Fn(&str) -> String, topology: &Topology) {
        let Topology {
            epoch: _,
            database: _,
            shards,
            default_shard,
            scratch,
            triggers_per_shard,
            placements,
            tables: _,
        } = topology;
        // A shard's number is its place in the list, and placements count on it.
        let names = shards.iter().map(|shard| shard.name.as_str());
        self.shown(at("shards"), names.collect::<Vec<_>>().join(", "));
        for (key, shard) in [("default_shard", default_shard), ("scratch", scratch)] {
            self.maybe(at(key), shard.map(|shard| &topology.shard(shard).name));
        }
        let triggers = match triggers_per_shard {
            true => "per-shard",
            false => "proven",
        };
        self.shown(at("triggers"), triggers.to_owned());
        for placement in placements {
            let key = at(&format!("placements[{}]", placement.name));
            let value = Value::Hidden(Hidden::Placement(placement.clone()));
            self.0.insert(key, value);
        }
        for (table, home) in super::summary::homes(topology) {
            self.shown(at(&format!("tables[{table}]")), home);
        }
    }

    /// A URL without its password, and the password beside it.
    fn server(&mut self, key: &str, address: &ServerAddress) {
        let ServerAddress {
            host,
            port,
            database,
            user,
            password,
            tls,
            root_cert,
            client_cert,
        } = address;
        self.shown(key, format!("{user}@{host}:{port}/{database}"));
        self.secret(format!("{key} (password)"), password.as_ref());
        self.debug(format!("{key} (sslmode)"), tls);
        self.maybe(format!("{key} (sslrootcert)"), root_cert.as_ref());
        self.maybe(format!("{key} (sslcert, sslkey)"), client_cert.as_ref());
    }
}

/// Fills in the keys of one table.
fn flat_each(flat: &mut Flat, table: &str, fill: impl FnOnce(&mut Flat, &dyn Fn(&str) -> String)) {
    fill(flat, &|key| format!("{table}.{key}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{AuthMethod, Balance, PoolMode};
    use std::time::Duration;

    #[test]
    fn values_are_in_the_words_of_the_file() {
        let shown = |value: &dyn Debug| as_in_the_file(format!("{value:?}"));
        assert_eq!(shown(&PoolMode::Session), "session");
        assert_eq!(shown(&Balance::LeastLoaded), "least-loaded");
        assert_eq!(shown(&AuthMethod::ScramSha256), "scram-sha-256");
        assert_eq!(shown(&Duration::ZERO), "0s");
        assert_eq!(shown(&Duration::from_secs(600)), "600s");
        assert_eq!(shown(&"Some name"), "\"Some name\"");
    }
}
