//! `SHOW CONFIG`: settings in force, without a secret.

use std::net::SocketAddr;
use std::time::Duration;

use super::show::mode;
use super::value::{Row, Value};
use crate::settings::{AuthMethod, ListenAddress, PoolSettings, Settings, TlsMode};

/// The rows.
pub(super) fn rows(settings: &Settings, workers: usize) -> Vec<Row> {
    let mut rows = Rows(Vec::new());
    let listen: Vec<_> = settings
        .listen
        .iter()
        .map(|address| match address {
            ListenAddress::Tcp(address) => address.to_string(),
            ListenAddress::Unix(path) => format!("unix:{}", path.display()),
        })
        .collect();
    let max_clients = settings.max_clients.to_string();
    rows.fixed("server.listen", listen.join(", "), Some("127.0.0.1:6432"));
    let http = settings.http_listen.map(|at: SocketAddr| at.to_string());
    rows.push("server.http_listen", http, None, false);
    rows.fixed("server.workers", workers.to_string(), None);
    rows.live("server.max_clients", max_clients.clone(), Some("10000"));
    rows.live(
        "server.drain_timeout",
        time(settings.drain_timeout),
        Some("30s"),
    );
    rows.live(
        "server.login_timeout",
        time(settings.login_timeout),
        Some("15s"),
    );
    let takeover = settings.takeover_socket.as_ref();
    let takeover = takeover.map(|path| path.display().to_string());
    rows.push("server.takeover_socket", takeover, None, false);
    rows.live("server.slow_query", time(settings.slow_query), Some("0s"));
    let node = settings.node.map(|node| node.to_string());
    rows.push("server.node", node, None, true);
    let tls = settings
        .tls
        .as_ref()
        .map(|tls| tls_mode(tls.mode).to_owned());
    rows.push("server.tls.mode", tls, None, true);
    let method = match settings.auth.method {
        AuthMethod::Trust => "trust",
        AuthMethod::Password => "password",
        AuthMethod::Md5 => "md5",
        AuthMethod::ScramSha256 => "scram-sha-256",
        AuthMethod::Cert => "cert",
    };
    rows.live("auth.method", method.to_owned(), Some("scram-sha-256"));
    let hba = settings.auth.hba_file.as_ref();
    let hba = hba.map(|path| path.display().to_string());
    rows.push("auth.hba_file", hba, None, true);
    for database in &settings.databases {
        let name = format!("databases[{}].pool", database.topology.database);
        rows.pool(&name, &database.pool);
    }
    // What tools made for PgBouncer ask for.
    rows.live("max_client_conn", max_clients, Some("10000"));
    rows.fixed("max_user_connections", "0".to_owned(), Some("0"));
    rows.0
}

struct Rows(Vec<Row>);

impl Rows {
    fn push(&mut self, key: &str, value: Option<String>, default: Option<&str>, live: bool) {
        self.0.push(vec![
            key.into(),
            value.map_or(Value::Null, Value::Text),
            default.into(),
            if live { "yes" } else { "no" }.into(),
        ]);
    }

    fn live(&mut self, key: &str, value: String, default: Option<&str>) {
        self.push(key, Some(value), default, true);
    }

    fn fixed(&mut self, key: &str, value: String, default: Option<&str>) {
        self.push(key, Some(value), default, false);
    }

    fn pool(&mut self, name: &str, pool: &PoolSettings) {
        let default = PoolSettings::default();
        let both = |of: fn(&PoolSettings) -> String| (of(pool), of(&default));
        for (key, (value, default)) in [
            ("mode", both(|pool| mode(pool.mode).to_owned())),
            ("max_size", both(|pool| pool.max_size.to_string())),
            ("min_size", both(|pool| pool.min_size.to_string())),
            ("acquire_timeout", both(|pool| time(pool.acquire_timeout))),
            ("connect_timeout", both(|pool| time(pool.connect_timeout))),
            ("idle_timeout", both(|pool| time(pool.idle_timeout))),
            ("max_lifetime", both(|pool| time(pool.max_lifetime))),
            ("query_timeout", both(|pool| time(pool.query_timeout))),
            (
                "idle_transaction_timeout",
                both(|pool| time(pool.idle_transaction_timeout)),
            ),
        ] {
            self.live(&format!("{name}.{key}"), value, Some(&default));
        }
    }
}

fn time(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{}s", time.as_secs())
    } else {
        format!("{}ms", time.as_millis())
    }
}

const fn tls_mode(mode: TlsMode) -> &'static str {
    match mode {
        TlsMode::Disable => "disable",
        TlsMode::Prefer => "prefer",
        TlsMode::Require => "require",
        TlsMode::VerifyCa => "verify-ca",
        TlsMode::VerifyFull => "verify-full",
    }
}
