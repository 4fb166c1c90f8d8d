//! Who may enter, and how the proxy enters servers: against real servers and with libpq as the client.

mod clients;
mod door;
mod servers;

use anyhow::Result;
use local_postgres::Server;
use router_proxy::server::connect::{ConnectError, Connected, Target, connect};
use router_proxy::settings::{Secret, ServerAddress, TlsMode};
use router_proxy::tls::ServerFacingTls;

const ROLES: &str = "
    CREATE ROLE plain LOGIN PASSWORD 'pw plain';
    CREATE ROLE scrammed LOGIN PASSWORD 'pw scram \u{2168}';
    SET password_encryption = 'md5';
    CREATE ROLE hashed LOGIN PASSWORD 'pw md5';
    CREATE ROLE \"certified.example\" LOGIN;
";

fn server() -> Result<Server> {
    let server = Server::builder()
        .hba("host all trusted 127.0.0.1/32 trust")
        .hba("host all hashed 127.0.0.1/32 md5")
        .hba("host all plain 127.0.0.1/32 password")
        .hba("host all scrammed 127.0.0.1/32 scram-sha-256")
        .hba("hostssl all certified.example 127.0.0.1/32 cert")
        .hba("hostnossl all cleartext 127.0.0.1/32 trust")
        .hba("host all certified.example,cleartext 127.0.0.1/32 reject")
        .start()?;
    server.execute("postgres", ROLES)?;
    server.execute(
        "postgres",
        "CREATE ROLE trusted LOGIN; CREATE ROLE cleartext LOGIN",
    )?;
    Ok(server)
}

fn secret(text: &str) -> Secret {
    Secret(text.to_owned().into())
}

fn address(server: &Server, user: &str, password: Option<&str>) -> ServerAddress {
    ServerAddress {
        host: "127.0.0.1".into(),
        port: server.port(),
        database: "postgres".into(),
        user: user.into(),
        password: password.map(secret),
        tls: TlsMode::Disable,
        root_cert: None,
        client_cert: None,
    }
}

async fn attempt(address: &ServerAddress) -> Result<Connected, ConnectError> {
    let tls = ServerFacingTls::new(address).expect("TLS settings");
    let parameters = [
        ("application_name", "shunt tests"),
        ("client_encoding", "UTF8"),
    ];
    let target = Target {
        label: "shard s0's primary",
        address,
        tls: &tls,
        parameters: &parameters,
    };
    connect(&target).await
}
