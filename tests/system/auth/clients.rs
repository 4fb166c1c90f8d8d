//! libpq as a client of the proxy.

use std::io;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::BytesMut;
use local_postgres::Server;
use rcgen::ExtendedKeyUsagePurpose;
use router_proxy::auth::Authenticator;
use router_proxy::settings::{Auth, AuthMethod, ClientTls, PoolOverride, TlsMode, User};
use router_proxy::tls::{ClientFacingTls, EncryptedSocket, ServerFacingTls, Socket};

use super::door::Door;
use super::{address, secret, server};
use crate::certificates::Certificates;

fn user(name: &str, secret: &str) -> User {
    User {
        name: name.into(),
        secret: (!secret.is_empty()).then(|| self::secret(secret)),
        admin: false,
        server_user: None,
        server_password: None,
        pool: PoolOverride::default(),
    }
}

/// A clear password, its MD5 hash, its verifier as PostgreSQL makes it, and no password.
fn users(server: &Server) -> Result<Vec<User>> {
    let stored = |role: &str| {
        let sql = format!("SELECT rolpassword FROM pg_authid WHERE rolname = '{role}'");
        Ok::<_, anyhow::Error>(server.execute("postgres", &sql)?.trim().to_owned())
    };
    Ok(vec![
        user("clear", "pw clear"),
        user("hashed", &stored("hashed")?),
        user("scrammed", &stored("scrammed")?),
        user("nameless", ""),
    ])
}

fn authenticator(server: &Server, method: AuthMethod) -> Result<Authenticator> {
    let auth = Auth {
        method,
        hba_file: None,
        auth_query: None,
        auth_user: None,
    };
    Ok(Authenticator::new(&auth, &users(server)?)?)
}

/// TLS with the server's certificate, and perhaps with an authority for those of clients.
fn offered(
    certificates: &Certificates,
    mode: TlsMode,
    client_ca: bool,
) -> Result<Option<ClientFacingTls>> {
    Ok(ClientFacingTls::new(&ClientTls {
        mode,
        cert: certificates.path("server.pem"),
        key: certificates.path("server.key"),
        client_ca: client_ca.then(|| certificates.path("ca.pem")),
    })?)
}

#[tokio::test]
async fn libpq_enters_by_password() -> Result<()> {
    let server = server()?;
    let behind = || address(&server, "trusted", None);
    let right = [
        ("clear", "'pw clear'"),
        ("hashed", "'pw md5'"),
        ("scrammed", "'pw scram IX'"),
        ("scrammed", "'pw scram \u{2168}'"),
    ];
    for (method, enter) in [
        (AuthMethod::Password, &right[..]),
        (AuthMethod::Md5, &right[..]),
        (AuthMethod::ScramSha256, &[right[0], right[2], right[3]][..]),
    ] {
        let door = Door::open(authenticator(&server, method)?, None, behind()).await?;
        for (user, password) in enter {
            door.enters(&format!("user={user} password={password}"))
                .await?;
        }
        for user in ["clear", "hashed", "scrammed", "nameless", "nobody"] {
            let said = door.refused(&format!("user={user} password=wrong")).await?;
            let expected = format!("FATAL:  password authentication failed for user \"{user}\"");
            assert!(said.contains(&expected), "{method:?} {user}: {said}");
        }
    }
    let door = Door::open(authenticator(&server, AuthMethod::Trust)?, None, behind()).await?;
    door.enters("user=nameless").await?;
    let said = door.refused("user=anybody").await?;
    assert!(said.contains("role \"anybody\" does not exist"), "{said}");
    Ok(())
}

#[tokio::test]
async fn libpq_enters_over_tls_with_channel_binding() -> Result<()> {
    let server = server()?;
    let certificates = Certificates::new()?;
    certificates.sign("clear", "clear", ExtendedKeyUsagePurpose::ClientAuth)?;
    let tls = |mode, client_ca| offered(&certificates, mode, client_ca);
    let behind = || address(&server, "trusted", None);
    let root = certificates.path("ca.pem");
    let verified = format!("sslmode=verify-full sslrootcert={}", root.display());
    let scram = |mode, client_ca| -> Result<_> {
        Ok((
            authenticator(&server, AuthMethod::ScramSha256)?,
            tls(mode, client_ca)?,
        ))
    };

    let (auth, tls_settings) = scram(TlsMode::Require, false)?;
    let door = Door::open(auth, tls_settings, behind()).await?;
    let clear = "user=clear password='pw clear'";
    door.enters(&format!("{clear} {verified} channel_binding=require"))
        .await?;
    door.enters(&format!("{clear} {verified} channel_binding=disable"))
        .await?;
    door.enters(&format!(
        "user=scrammed password='pw scram IX' {verified} channel_binding=require"
    ))
    .await?;
    let said = door
        .refused(&format!("user=clear password=no {verified}"))
        .await?;
    assert!(
        said.contains("password authentication failed for user \"clear\""),
        "{said}"
    );
    let said = door.refused(&format!("{clear} sslmode=disable")).await?;
    assert!(said.contains("only encrypted ones are accepted"), "{said}");

    // Client certificates: asked for by the mode, taken for proof by the method.
    let certificate = format!(
        "sslcert={} sslkey={}",
        certificates.path("clear.pem").display(),
        certificates.path("clear.key").display()
    );
    let (auth, tls_settings) = scram(TlsMode::VerifyFull, true)?;
    let door = Door::open(auth, tls_settings, behind()).await?;
    door.enters(&format!("{clear} {verified} {certificate}"))
        .await?;
    let said = door
        .refused(&format!(
            "user=scrammed password='pw scram IX' {verified} {certificate}"
        ))
        .await?;
    assert!(
        said.contains("certificate authentication failed for user \"scrammed\""),
        "{said}"
    );
    door.refused(&format!("{clear} {verified}")).await?;

    let auth = authenticator(&server, AuthMethod::Cert)?;
    let door = Door::open(auth, tls(TlsMode::Require, true)?, behind()).await?;
    door.enters(&format!("user=clear {verified} {certificate}"))
        .await?;
    let said = door
        .refused(&format!("user=scrammed {verified} {certificate}"))
        .await?;
    assert!(said.contains("certificate authentication failed"), "{said}");
    Ok(())
}

/// Bytes in the clear behind a request for TLS are refused, not taken for encrypted.
#[tokio::test]
async fn plaintext_behind_a_request_for_tls_is_refused() -> Result<()> {
    let server = server()?;
    let certificates = Certificates::new()?;
    let tls = offered(&certificates, TlsMode::Require, false)?;
    let auth = authenticator(&server, AuthMethod::Trust)?;
    let door = Door::open(auth, tls, address(&server, "trusted", None)).await?;
    let mut socket: Socket = tokio::net::TcpStream::connect(door.address).await?.into();
    let mut request = vec![0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
    request.extend(b"\0\0\0\x14\0\x03\0\0user\0trusted\0\0");
    socket.write_all(&request).await?;
    let mut answer = BytesMut::with_capacity(1024);
    while socket.read_buf(&mut answer).await? > 0 {
        answer.reserve(1024);
    }
    assert!(answer.starts_with(b"E"));
    assert!(
        String::from_utf8_lossy(&answer).contains("received unencrypted data after SSL request")
    );
    Ok(())
}

/// Direct TLS, as libpq 17 does it with sslnegotiation=direct: no request, and ALPN.
#[tokio::test]
async fn direct_tls_needs_the_protocol_name() -> Result<()> {
    let server = server()?;
    let certificates = Certificates::new()?;
    let tls = offered(&certificates, TlsMode::Require, false)?;
    let auth = authenticator(&server, AuthMethod::Trust)?;
    let door = Door::open(auth, tls, address(&server, "trusted", None)).await?;
    let mut target = address(&server, "trusted", None);
    target.host = "localhost".into();
    target.tls = TlsMode::VerifyFull;
    target.root_cert = Some(certificates.path("ca.pem"));
    let (config, name) = ServerFacingTls::new(&target)?
        .client()
        .context("TLS is not disabled")?;
    let mut nameless = (*config).clone();
    nameless.alpn_protocols.clear();

    for (config, answer) in [(config, b'R'), (Arc::new(nameless), b'E')] {
        let stream = tokio::net::TcpStream::connect(door.address).await?;
        let Socket::Plain(raw) = stream.into() else {
            unreachable!("a new socket is plain")
        };
        let encrypted = EncryptedSocket::connect(raw, config, name.clone()).await?;
        let mut socket = Socket::Tls(Box::new(encrypted));
        let mut startup = BytesMut::new();
        postgres_protocol::message::frontend::startup_message([("user", "clear")], &mut startup)?;
        socket.write_all(&startup).await?;
        let mut reply = BytesMut::with_capacity(1024);
        match socket.read_buf(&mut reply).await {
            Ok(_) => assert_eq!(reply.first(), Some(&answer)),
            Err(error) => assert_eq!(
                (answer, error.kind()),
                (b'E', io::ErrorKind::ConnectionReset)
            ),
        }
    }
    Ok(())
}

/// Rules of a file: the first that matches decides, maps say whose certificate is whose.
#[tokio::test]
async fn libpq_enters_by_rules() -> Result<()> {
    let server = server()?;
    let certificates = Certificates::new()?;
    certificates.sign("ann", "ann.example", ExtendedKeyUsagePurpose::ClientAuth)?;
    let hba_file = certificates.path("pg_hba.conf");
    std::fs::write(
        &hba_file,
        "host    all      banned     all           reject\n\
         hostssl all      ann,bob    samehost      cert map=people\n\
         hostssl all      clear      127.0.0.0/8   scram-sha-256 clientcert=verify-ca\n\
         host    postgres hashed     127.0.0.1/32  md5\n",
    )?;
    let auth = Auth {
        method: AuthMethod::Trust,
        hba_file: Some(hba_file),
        auth_query: None,
        auth_user: None,
    };
    let error = Authenticator::new(&auth, &[]).unwrap_err().to_string();
    assert!(error.contains("pg_ident.conf"), "{error}");
    std::fs::write(
        certificates.path("pg_ident.conf"),
        "people ann.example ann\n",
    )?;
    let tls = offered(&certificates, TlsMode::Prefer, true)?;
    let mut users = users(&server)?;
    users.push(User {
        name: "ann".into(),
        secret: None,
        ..users[0].clone()
    });
    let auth = Authenticator::new(&auth, &users)?;
    let door = Door::open(auth, tls, address(&server, "trusted", None)).await?;
    let certificate = format!(
        "sslmode=require sslcert={} sslkey={}",
        certificates.path("ann.pem").display(),
        certificates.path("ann.key").display()
    );
    let clear = "user=clear password='pw clear'";
    door.enters(&format!("user=ann {certificate}")).await?;
    door.enters(&format!("{clear} {certificate}")).await?;
    door.enters("user=hashed password='pw md5' sslmode=disable")
        .await?;
    for (conninfo, expected) in [
        (
            format!("user=bob {certificate}"),
            "certificate authentication failed for user \"bob\"",
        ),
        (
            format!("{clear} sslmode=require"),
            "connection requires a valid client certificate",
        ),
        (
            format!("{clear} sslmode=disable"),
            "no pg_hba.conf entry for host \"127.0.0.1\", user \"clear\", database \"postgres\", \
             no encryption",
        ),
        (
            "user=banned sslmode=require".to_owned(),
            "pg_hba.conf rejects connection for host \"127.0.0.1\", user \"banned\", \
             database \"postgres\", SSL encryption",
        ),
    ] {
        let said = door.refused(&conninfo).await?;
        assert!(said.contains(expected), "{conninfo}: {said}");
    }
    Ok(())
}
