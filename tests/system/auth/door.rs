//! A door with nothing behind it but one server, and libpq before it.

use std::net::SocketAddr;
use std::process::Output;
use std::sync::Arc;

use anyhow::Result;
use bytes::BytesMut;
use router_proxy::auth::{Authenticator, NoLookup};
use router_proxy::server::connect::Connected;
use router_proxy::settings::ServerAddress;
use router_proxy::startup::{Entered, Startup, enter};
use router_proxy::tls::{ClientFacingTls, Socket};
use router_proxy::wire::encode;
use tokio::net::TcpListener;

use super::attempt;

/// A door with nothing behind it but one server: lets a client in, logs in to the server, relays.
pub(super) struct Door {
    pub(super) address: SocketAddr,
}

impl Door {
    pub(super) async fn open(
        auth: Authenticator,
        tls: Option<ClientFacingTls>,
        server: ServerAddress,
    ) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new((auth, tls, server));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = shared.clone();
                tokio::spawn(async move {
                    let (auth, tls, server) = &*shared;
                    // The client's exit status and words are what the test looks at.
                    let _ = serve(stream.into(), auth, tls.as_ref(), server).await;
                });
            }
        });
        Ok(Self { address })
    }

    /// Runs psql through the door.
    async fn psql(&self, conninfo: &str, sql: &str) -> Result<Output> {
        let binaries = local_postgres::Binaries::find()?;
        let mut psql = binaries.client("psql");
        psql.args(["-X", "-w", "-A", "-t", "-c", sql, "-d"]).arg(format!(
            "host=localhost hostaddr=127.0.0.1 port={} dbname=postgres connect_timeout=10 {conninfo}",
            self.address.port()
        ));
        Ok(tokio::task::spawn_blocking(move || psql.output()).await??)
    }

    pub(super) async fn enters(&self, conninfo: &str) -> Result<()> {
        let output = self.psql(conninfo, "SELECT 40 + 2").await?;
        let errors = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.stdout == b"42\n", "{conninfo}: {errors}");
        Ok(())
    }

    /// What libpq says.
    pub(super) async fn refused(&self, conninfo: &str) -> Result<String> {
        let output = self.psql(conninfo, "SELECT 40 + 2").await?;
        anyhow::ensure!(!output.status.success(), "{conninfo} must not enter");
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

async fn serve(
    socket: Socket,
    auth: &Authenticator,
    tls: Option<&ClientFacingTls>,
    server: &ServerAddress,
) -> Result<()> {
    let Entered::Client {
        mut socket,
        startup,
        mut input,
    } = enter(socket, tls, &mut Default::default()).await?
    else {
        return Ok(());
    };
    let mut out = BytesMut::new();
    auth.authenticate(&mut socket, &mut input, &mut out, &startup, tls, &NoLookup)
        .await?;
    let mut behind = attempt(server).await?;
    greet(&behind, &startup, &mut out);
    socket.write_all(&out).await?;
    let mut backward = BytesMut::new();
    loop {
        input.reserve(4096);
        backward.reserve(4096);
        let length = tokio::select! {
            length = socket.read_buf(&mut input) => length?,
            length = behind.socket.read_buf(&mut backward) => length?,
        };
        if length == 0 {
            return Ok(());
        }
        behind.socket.write_all(&input.split()).await?;
        socket.write_all(&backward.split()).await?;
    }
}

fn greet(behind: &Connected, startup: &Startup, out: &mut BytesMut) {
    for (name, value) in &behind.parameters {
        encode::parameter_status(out, name, value);
    }
    let secret: &[u8] = if startup.minor >= 2 {
        &[7; 32]
    } else {
        &[7; 4]
    };
    encode::backend_key_data(out, behind.key.process, secret);
    encode::ready_for_query(out, behind.status);
}
