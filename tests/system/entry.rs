//! Entering the whole proxy with psql: every way to prove oneself, and every way to be turned away.

use std::process::Output;
use std::time::{Duration, Instant};

use local_postgres::Server;
use rcgen::ExtendedKeyUsagePurpose;
use router_proxy::settings::{
    AuthMethod, ClientTls, PoolOverride, PoolSettings, Secret, Settings, TlsMode, User,
};
use shunt_tests::one_server::server;
use shunt_tests::patience::await_that;
use shunt_tests::proxy::{TestProxy, unsharded};
use tokio_postgres::NoTls;

use super::certificates::Certificates;

fn settings(server: &Server, method: AuthMethod) -> Settings {
    let mut settings = unsharded(server, "shop", PoolSettings::default());
    settings.auth.method = method;
    for (name, password) in [("ann", "secret of ann"), ("bob", "secret of bob")] {
        settings.users.push(User {
            name: name.into(),
            secret: Some(Secret(password.to_owned().into())),
            admin: false,
            server_user: None,
            server_password: None,
            pool: PoolOverride::default(),
        });
    }
    settings
}

fn psql(proxy: &TestProxy, server: &Server, conninfo: &str) -> Output {
    let mut psql = server.client("psql", "shop");
    psql.args(["-X", "-w", "-A", "-t", "-c", "select 40 + 2", "-d"])
        .arg(format!(
            "host=localhost hostaddr=127.0.0.1 port={} dbname=shop {conninfo}",
            proxy.address.port()
        ))
        .output()
        .expect("psql runs")
}

#[track_caller]
fn enters(proxy: &TestProxy, server: &Server, conninfo: &str) {
    let output = psql(proxy, server, conninfo);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.stdout, b"42\n", "{conninfo}: {said}");
}

#[track_caller]
fn refused(proxy: &TestProxy, server: &Server, conninfo: &str, why: &str) {
    let output = psql(proxy, server, conninfo);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains(why),
        "{conninfo}: {said}"
    );
}

async fn code(proxy: &TestProxy, conninfo: &str) -> String {
    let port = proxy.address.port();
    let conninfo = format!("host=127.0.0.1 port={port} {conninfo}");
    let Err(error) = tokio_postgres::connect(&conninfo, NoTls).await else {
        panic!("{conninfo} must not enter");
    };
    error
        .code()
        .unwrap_or_else(|| panic!("{conninfo}: {error:?}"))
        .code()
        .to_owned()
}

#[tokio::test]
async fn passwords_are_proven_by_every_method() {
    let server = server();
    for method in [
        AuthMethod::ScramSha256,
        AuthMethod::Md5,
        AuthMethod::Password,
    ] {
        let proxy = TestProxy::start(settings(&server, method));
        enters(&proxy, &server, "user=ann password='secret of ann'");
        for user in ["ann", "nobody"] {
            refused(
                &proxy,
                &server,
                &format!("user={user} password=wrong"),
                &format!("FATAL:  password authentication failed for user \"{user}\""),
            );
            let conninfo = format!("user={user} password=wrong dbname=shop");
            assert_eq!(code(&proxy, &conninfo).await, "28P01", "{method:?}");
        }
        let nowhere = "user=ann password='secret of ann' dbname=nowhere";
        refused(
            &proxy,
            &server,
            nowhere,
            "database \"nowhere\" does not exist",
        );
        assert_eq!(code(&proxy, nowhere).await, "3D000");
    }
}

#[test]
fn certificates_and_channel_binding() {
    let server = server();
    let certificates = Certificates::new().unwrap();
    certificates
        .sign("ann", "ann", ExtendedKeyUsagePurpose::ClientAuth)
        .unwrap();
    let tls = || ClientTls {
        mode: TlsMode::Require,
        cert: certificates.path("server.pem"),
        key: certificates.path("server.key"),
        client_ca: Some(certificates.path("ca.pem")),
    };
    let root = certificates.path("ca.pem");
    let verified = format!("sslmode=verify-full sslrootcert={}", root.display());
    let mut scram = settings(&server, AuthMethod::ScramSha256);
    scram.tls = Some(tls());
    let proxy = TestProxy::start(scram);
    let ann = "user=ann password='secret of ann'";
    enters(
        &proxy,
        &server,
        &format!("{ann} {verified} channel_binding=require"),
    );
    refused(
        &proxy,
        &server,
        &format!("{ann} sslmode=disable"),
        "only encrypted ones are accepted",
    );
    let mut by_certificate = settings(&server, AuthMethod::Cert);
    by_certificate.tls = Some(tls());
    let proxy = TestProxy::start(by_certificate);
    let shown = format!(
        "{verified} sslcert={} sslkey={}",
        certificates.path("ann.pem").display(),
        certificates.path("ann.key").display()
    );
    enters(&proxy, &server, &format!("user=ann {shown}"));
    refused(
        &proxy,
        &server,
        &format!("user=bob {shown}"),
        "certificate authentication failed for user \"bob\"",
    );
    refused(
        &proxy,
        &server,
        &format!("user=ann {verified}"),
        "requires a valid client certificate",
    );
}

#[test]
fn rules_of_a_file_decide() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pg_hba.conf");
    let rules = "host all bob 127.0.0.1/32 reject\nhost shop ann 127.0.0.1/32 scram-sha-256\n";
    std::fs::write(&file, rules).unwrap();
    let mut settings = settings(&server, AuthMethod::Trust);
    settings.auth.hba_file = Some(file);
    let proxy = TestProxy::start(settings);
    enters(&proxy, &server, "user=ann password='secret of ann'");
    refused(
        &proxy,
        &server,
        "user=bob password='secret of bob'",
        "pg_hba.conf rejects connection",
    );
    refused(&proxy, &server, "user=eve", "no pg_hba.conf entry");
}

#[tokio::test]
async fn trust_asks_for_a_listed_user() {
    let server = server();
    let proxy = TestProxy::start(settings(&server, AuthMethod::Trust));
    enters(&proxy, &server, "user=ann");
    refused(
        &proxy,
        &server,
        "user=eve",
        "FATAL:  role \"eve\" does not exist",
    );
    assert_eq!(code(&proxy, "user=eve dbname=shop").await, "28000");
    let mut nobody_listed = settings(&server, AuthMethod::Trust);
    nobody_listed.users.clear();
    let proxy = TestProxy::start(nobody_listed);
    enters(&proxy, &server, "user=eve");
}

#[tokio::test]
async fn a_servers_own_users_enter_by_auth_query() {
    let server = server();
    server
        .execute("shop", "create role carol login password 'secret of carol'")
        .unwrap();
    let mut settings = settings(&server, AuthMethod::ScramSha256);
    settings.auth.auth_query =
        Some("select rolname, rolpassword from pg_authid where rolname = $1".into());
    settings.auth.auth_user = Some(server.user().into());
    settings.databases[0].pool.max_size = 1;
    let proxy = TestProxy::start(settings);
    enters(&proxy, &server, "user=carol password='secret of carol'");
    enters(&proxy, &server, "user=ann password='secret of ann'");
    for user in ["carol", "nobody", "\\'; drop table x; --"] {
        let conninfo = format!("user='{user}' password=wrong dbname=shop");
        assert_eq!(code(&proxy, &conninfo).await, "28P01");
    }
    // The connection that was asked is clean and in the pool.
    enters(&proxy, &server, "user=carol password='secret of carol'");
    server.stop(local_postgres::Stop::Immediate).unwrap();
    let conninfo = "user=carol password='secret of carol' dbname=shop";
    assert_eq!(code(&proxy, conninfo).await, "08006");
}

#[tokio::test]
async fn who_guesses_is_slowed_down() {
    let server = server();
    let proxy = TestProxy::start(settings(&server, AuthMethod::ScramSha256));
    let start = Instant::now();
    for _ in 0..7 {
        assert_eq!(
            code(&proxy, "user=ann password=wrong dbname=shop").await,
            "28P01"
        );
    }
    assert!(start.elapsed() > Duration::from_millis(900), "{start:?}");
    enters(&proxy, &server, "user=ann password='secret of ann'");
}

#[test]
fn connections_are_there_before_the_first_client() {
    let server = server();
    let pool = PoolSettings {
        min_size: 3,
        ..PoolSettings::default()
    };
    let _proxy = TestProxy::start(unsharded(&server, "shop", pool));
    let count = "select count(*) from pg_stat_activity where backend_type = 'client backend' and datname = 'shop' and pid <> pg_backend_pid()";
    await_that("the pool is filled", || {
        server.execute("shop", count).unwrap() == "3"
    });
}

/// Users, rules and certificates that a reload brings count for the next client; who is in stays in.
#[tokio::test]
async fn a_reload_puts_users_rules_and_certificates_in_force() {
    let server = server();
    let (old, new) = (Certificates::new().unwrap(), Certificates::new().unwrap());
    let file = old.path("pg_hba.conf");
    std::fs::write(&file, "host all ann,bob all scram-sha-256\n").unwrap();
    let with = |certificates: &Certificates| {
        let mut settings = settings(&server, AuthMethod::Trust);
        settings.auth.hba_file = Some(file.clone());
        settings.tls = Some(ClientTls {
            mode: TlsMode::Prefer,
            cert: certificates.path("server.pem"),
            key: certificates.path("server.key"),
            client_ca: None,
        });
        settings
    };
    let proxy = TestProxy::start(with(&old));
    let ann = |certificates: &Certificates, password: &str| {
        format!(
            "user=ann password='{password}' sslmode=verify-full sslrootcert={}",
            certificates.path("ca.pem").display()
        )
    };
    enters(&proxy, &server, &ann(&old, "secret of ann"));
    refused(&proxy, &server, &ann(&new, "secret of ann"), "SSL error");
    let (stays, connection) = tokio_postgres::Config::new()
        .host("127.0.0.1")
        .port(proxy.address.port())
        .user("ann")
        .password("secret of ann")
        .dbname("shop")
        .connect(NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);

    // Another certificate, another password.
    let mut next = with(&new);
    next.users[1].secret = Some(Secret("new secret".to_owned().into()));
    let changed = proxy.handle.reload(next.clone()).await.unwrap();
    for change in &changed {
        for shown in [&change.old, &change.new].into_iter().flatten() {
            assert!(!shown.contains("secret"), "{change:?}");
        }
    }
    let keys: Vec<_> = changed.iter().map(|change| change.key.as_str()).collect();
    assert_eq!(
        keys,
        ["server.tls.cert", "server.tls.key", "users[ann].password"]
    );
    enters(&proxy, &server, &ann(&new, "new secret"));
    let wrong = "password authentication failed";
    refused(&proxy, &server, &ann(&new, "secret of ann"), wrong);
    refused(&proxy, &server, &ann(&old, "new secret"), "SSL error");
    // The same settings, and another rule in the file that they name.
    std::fs::write(&file, "host all ann all reject\n").unwrap();
    assert_eq!(proxy.handle.reload(next.clone()).await.unwrap(), []);
    let rejects = "pg_hba.conf rejects connection";
    refused(&proxy, &server, &ann(&new, "new secret"), rejects);
    // A file that is wrong changes nothing.
    std::fs::write(&file, "host all ann all nonsense\n").unwrap();
    let mut wrong = next;
    wrong.users.pop();
    let error = proxy.handle.reload(wrong).await.unwrap_err().to_string();
    assert!(error.contains("nonsense"), "{error}");
    refused(&proxy, &server, &ann(&new, "new secret"), rejects);
    let row = stays.query_one("select 40 + 2", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 42, "who is in stays in");
}
