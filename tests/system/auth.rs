//! Who may enter, and how the proxy enters servers: against real servers and with libpq as the client.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::BytesMut;
use local_postgres::Server;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use router_proxy::auth::{Authenticator, NoLookup};
use router_proxy::server::connect::{ConnectError, Connected, Target, connect};
use router_proxy::settings::{
    Auth, AuthMethod, ClientTls, PoolOverride, Secret, ServerAddress, TlsMode, User,
};
use router_proxy::startup::{Entered, Startup, enter};
use router_proxy::tls::{ClientFacingTls, EncryptedSocket, ServerFacingTls, Socket};
use router_proxy::wire::encode;
use tempfile::TempDir;
use tokio::net::TcpListener;

// === Certificates ===

/// An authority, what it signed for a server, and for clients.
pub(super) struct Certificates {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Certificates {
    pub(super) fn new() -> Result<Self> {
        let folder = TempDir::new()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "test authority");
        let key = KeyPair::generate()?;
        std::fs::write(
            folder.path().join("ca.pem"),
            params.self_signed(&key)?.pem(),
        )?;
        let this = Self {
            folder,
            issuer: Issuer::new(params, key),
        };
        this.sign("server", "localhost", ExtendedKeyUsagePurpose::ServerAuth)?;
        Ok(this)
    }

    /// Writes `<file>.pem` and `<file>.key`.
    pub(super) fn sign(
        &self,
        file: &str,
        name: &str,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<()> {
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate()?;
        std::fs::write(
            self.path(&format!("{file}.pem")),
            params.signed_by(&key, &self.issuer)?.pem(),
        )?;
        write_private(&self.path(&format!("{file}.key")), &key.serialize_pem())
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }
}

/// A key file as libpq and PostgreSQL want it.
fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(())
}

// === The proxy as a client of servers ===

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

/// Puts certificates where the server's account may read them, and turns TLS on.
pub(super) fn encrypt(server: &Server, certificates: &Certificates) -> Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let data = server.data_directory();
    let owner = std::fs::metadata(&data)?;
    for file in ["ca.pem", "server.pem", "server.key"] {
        let text = std::fs::read_to_string(certificates.path(file))?;
        write_private(&data.join(file), &text)?;
        chown(data.join(file), Some(owner.uid()), Some(owner.gid()))?;
    }
    for (name, value) in [
        ("ssl_ca_file", "ca.pem"),
        ("ssl_cert_file", "server.pem"),
        ("ssl_key_file", "server.key"),
        ("ssl", "on"),
    ] {
        server.execute("postgres", &format!("ALTER SYSTEM SET {name} = '{value}'"))?;
    }
    server.restart(local_postgres::Stop::Fast)?;
    Ok(())
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

fn parameter<'a>(connected: &'a Connected, name: &str) -> Option<&'a str> {
    connected
        .parameters
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn proxy_logs_in_by_every_method() -> Result<()> {
    let server = server()?;
    for (user, password) in [
        ("trusted", None),
        ("plain", Some("pw plain")),
        ("hashed", Some("pw md5")),
        // SASLprep turns the Roman numeral into letters.
        ("scrammed", Some("pw scram \u{2168}")),
        ("scrammed", Some("pw scram IX")),
    ] {
        let connected = attempt(&address(&server, user, password)).await?;
        assert_eq!(connected.status, b'I');
        assert_eq!(connected.key.secret.len(), 4);
        assert_ne!(connected.key.process, 0);
        assert!(connected.input.is_empty());
        assert_eq!(
            parameter(&connected, "application_name"),
            Some("shunt tests")
        );
        assert_eq!(parameter(&connected, "session_authorization"), Some(user));
    }
    let directory = server
        .socket_directory()
        .context("path of the socket too long")?;
    let mut unix = address(&server, server.user(), None);
    unix.host = directory.to_str().context("path")?.into();
    assert!(attempt(&unix).await?.socket.raw().is_unix());
    Ok(())
}

#[tokio::test]
async fn proxy_says_why_it_cannot_log_in() -> Result<()> {
    let server = server()?;
    for user in ["plain", "hashed", "scrammed"] {
        let error = attempt(&address(&server, user, Some("wrong")))
            .await
            .unwrap_err();
        let refusal = error.refusal().context("the server's own words")?;
        assert_eq!(refusal.sqlstate(), "28P01", "{user}");
        let place = format!("shard s0's primary 127.0.0.1:{}", server.port());
        assert_eq!(
            error.to_string(),
            format!(
                "cannot connect to {place}: \
                 FATAL: password authentication failed for user \"{user}\" (28P01)"
            )
        );
    }
    let error = attempt(&address(&server, "plain", None))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("none is set for role \"plain\""), "{error}");
    let mut nowhere = address(&server, "trusted", None);
    nowhere.database = "nowhere".into();
    let error = attempt(&nowhere).await.unwrap_err();
    assert_eq!(
        error
            .refusal()
            .context("the server's own words")?
            .sqlstate(),
        "3D000"
    );

    server.stop(local_postgres::Stop::Fast)?;
    let error = attempt(&address(&server, "trusted", None))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot connect to shard s0's primary 127.0.0.1:{}: connection refused",
            server.port()
        )
    );
    Ok(())
}

#[tokio::test]
async fn proxy_encrypts_by_sslmode() -> Result<()> {
    let server = server()?;
    let mut target = address(&server, "scrammed", Some("pw scram IX"));
    target.tls = TlsMode::Prefer;
    assert!(
        attempt(&target).await?.socket.tls().is_none(),
        "the server has no TLS yet"
    );
    target.tls = TlsMode::Require;
    let error = attempt(&target).await.unwrap_err().to_string();
    assert!(error.contains("the server offers no TLS"), "{error}");

    let certificates = Certificates::new()?;
    encrypt(&server, &certificates)?;
    for (mode, host, root, works) in [
        (TlsMode::Prefer, "127.0.0.1", None, Ok(())),
        (TlsMode::Require, "127.0.0.1", None, Ok(())),
        (TlsMode::VerifyCa, "127.0.0.1", Some("ca.pem"), Ok(())),
        (TlsMode::VerifyFull, "localhost", Some("ca.pem"), Ok(())),
        (
            TlsMode::VerifyFull,
            "127.0.0.1",
            Some("ca.pem"),
            Err("subjectAltName"),
        ),
        (
            TlsMode::VerifyCa,
            "localhost",
            Some("other.pem"),
            Err("set sslrootcert"),
        ),
        (
            TlsMode::Require,
            "localhost",
            Some("other.pem"),
            Err("set sslrootcert"),
        ),
    ] {
        let other = Certificates::new()?;
        std::fs::copy(other.path("ca.pem"), certificates.path("other.pem"))?;
        target.tls = mode;
        target.host = host.into();
        target.root_cert = root.map(|file| certificates.path(file));
        match (attempt(&target).await, works) {
            (Ok(connected), Ok(())) => {
                assert!(connected.socket.tls().is_some(), "{mode:?} {host}");
            }
            (Err(error), Err(reason)) => {
                assert!(
                    error.to_string().contains(reason),
                    "{mode:?} {host}: {error}"
                );
            }
            (Ok(_), Err(_)) => panic!("{mode:?} {host} must not connect"),
            (Err(error), Ok(())) => panic!("{mode:?} {host}: {error}"),
        }
    }
    Ok(())
}

#[tokio::test]
async fn proxy_shows_its_certificate() -> Result<()> {
    let server = server()?;
    let certificates = Certificates::new()?;
    encrypt(&server, &certificates)?;
    certificates.sign(
        "client",
        "certified.example",
        ExtendedKeyUsagePurpose::ClientAuth,
    )?;
    let mut target = address(&server, "certified.example", None);
    target.tls = TlsMode::VerifyFull;
    target.host = "localhost".into();
    target.root_cert = Some(certificates.path("ca.pem"));
    let error = attempt(&target).await.unwrap_err();
    assert_eq!(
        error
            .refusal()
            .context("the server's own words")?
            .sqlstate(),
        "28000"
    );
    target.client_cert = Some((
        certificates.path("client.pem"),
        certificates.path("client.key"),
    ));
    attempt(&target).await?;

    // `prefer` goes on in the clear where pg_hba.conf wants it so.
    let mut target = address(&server, "cleartext", None);
    target.tls = TlsMode::Prefer;
    assert!(attempt(&target).await?.socket.tls().is_none());
    Ok(())
}

// === libpq as a client of the proxy ===

/// A door with nothing behind it but one server: lets a client in, logs in to the server, relays.
struct Door {
    address: SocketAddr,
}

impl Door {
    async fn open(
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

    async fn enters(&self, conninfo: &str) -> Result<()> {
        let output = self.psql(conninfo, "SELECT 40 + 2").await?;
        let errors = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.stdout == b"42\n", "{conninfo}: {errors}");
        Ok(())
    }

    /// What libpq says.
    async fn refused(&self, conninfo: &str) -> Result<String> {
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
    } = enter(socket, tls).await?
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
    let tls = |mode, client_ca: bool| {
        ClientFacingTls::new(&ClientTls {
            mode,
            cert: certificates.path("server.pem"),
            key: certificates.path("server.key"),
            client_ca: client_ca.then(|| certificates.path("ca.pem")),
        })
    };
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
    let tls = ClientFacingTls::new(&ClientTls {
        mode: TlsMode::Require,
        cert: certificates.path("server.pem"),
        key: certificates.path("server.key"),
        client_ca: None,
    })?;
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
    let tls = ClientFacingTls::new(&ClientTls {
        mode: TlsMode::Require,
        cert: certificates.path("server.pem"),
        key: certificates.path("server.key"),
        client_ca: None,
    })?;
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
    let tls = ClientFacingTls::new(&ClientTls {
        mode: TlsMode::Prefer,
        cert: certificates.path("server.pem"),
        key: certificates.path("server.key"),
        client_ca: Some(certificates.path("ca.pem")),
    })?;
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
