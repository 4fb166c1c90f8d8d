//! What the log says of a server that goes and comes back, of clients that do not get in, and of those that a drain cuts off.

use std::path::Path;

use local_postgres::{Server, Stop};
use serde_json::Value;
use tokio_postgres::{Client, NoTls};

use crate::serve::Serving;

fn configuration(server: &Server, extra: &str) -> String {
    format!(
        "[server]\nlisten = '127.0.0.1:0'\nworkers = 1\ndrain_timeout = '300ms'\n{extra}\n[auth]\nmethod = 'trust'\n\
         [[users]]\nname = 'app'\n\
         [[databases]]\nname = 'shop'\n[[databases.shards]]\nname = 's0'\n\
         primary = 'postgres://{}@127.0.0.1:{}/shop'\n",
        server.user(),
        server.port()
    )
}

fn start(file: &Path) -> (Serving, u16) {
    let serving = Serving::start(file, &["--log-format", "json"]);
    let port = serving.address.rsplit_once(':').expect("a port").1;
    let port = port.parse().expect("a number");
    (serving, port)
}

async fn connect(port: u16, user: &str) -> Result<Client, tokio_postgres::Error> {
    let url = format!("host=127.0.0.1 port={port} user={user} dbname=shop");
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn server() -> Server {
    let builder = Server::builder().database("shop");
    builder.start().expect("a server starts")
}

fn fields(line: &str) -> Value {
    let mut line: Value = serde_json::from_str(line).expect("JSON");
    line["fields"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_has_a_beginning_and_an_end() {
    let server = server();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("shunt.toml");
    std::fs::write(&file, configuration(&server, "")).expect("the file is written");
    let (mut serving, port) = start(&file);
    let client = connect(port, "app").await.expect("it gets in");
    client.batch_execute("select 1").await.expect("an answer");

    server.stop(Stop::Immediate).expect("it stops");
    for _ in 0..6 {
        client
            .batch_execute("select 1")
            .await
            .expect_err("no server");
    }
    let first = fields(&serving.line("cannot connect to a server"));
    let address = format!("127.0.0.1:{}", server.port());
    let expected = serde_json::json!({
        "message": "cannot connect to a server", "database": "shop", "shard": "s0", "role": "primary",
        "address": address, "user": server.user(), "error": "connection refused",
    });
    assert_eq!(first, expected);
    server.start().expect("it starts");
    // Nobody asks for anything: the proxy looks by itself.
    let back = fields(&serving.line("can connect to a server again"));
    assert!(back["failures"].as_u64() >= Some(5), "{back}");
    assert!(back["seconds"].is_u64(), "{back}");
    for name in ["database", "shard", "role", "address", "user"] {
        assert_eq!(back[name], expected[name], "{name}");
    }

    connect(port, "nobody").await.expect_err("it is refused");
    let refused = fields(&serving.line("client was refused"));
    assert_eq!(refused["user"], "nobody");
    assert_eq!(refused["database"], "shop");
    assert_eq!(refused["sqlstate"], "28000");
    let peer = refused["peer"].as_str().expect("an address");
    assert!(peer.starts_with("127.0.0.1:"), "{peer}");

    client.batch_execute("begin").await.expect("an answer");
    serving.signal("TERM");
    let cut_off = fields(&serving.line("a client is cut off"));
    assert_eq!(cut_off["at"], "idle in transaction");
    assert_eq!(cut_off["user"], "app");
    let last = fields(&serving.line("stopping"));
    assert_eq!(last["cut_off"], 1);
    assert!(serving.end().success());
    let beginnings: Vec<_> = serving.rest();
    let beginnings = beginnings
        .iter()
        .filter(|line| line.contains("\"cannot connect to a server"));
    assert_eq!(beginnings.count(), 0, "told once");
}

/// A client that does not trust the certificate, and one that speaks in the clear where it may not.
#[tokio::test(flavor = "multi_thread")]
async fn who_fails_at_encryption_is_told_of() {
    let server = server();
    let folder = tempfile::tempdir().expect("a folder");
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    params.not_after = rcgen::date_time_ymd(2024, 2, 29);
    let certificate = params.self_signed(&key).expect("a certificate");
    std::fs::write(folder.path().join("cert.pem"), certificate.pem()).expect("it is written");
    std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).expect("it is written");
    let file = folder.path().join("shunt.toml");
    let tls = "tls = { mode = 'require', cert = 'cert.pem', key = 'key.pem' }";
    std::fs::write(&file, configuration(&server, tls)).expect("the file is written");

    let path = file.to_str().expect("UTF-8");
    let checked = crate::shunt(&["check", "--config", path], "");
    let warned = crate::text(&checked.stdout);
    let warning = "warning: the certificate of server.tls expired on 2024-02-29 00:00:00 UTC";
    assert!(
        checked.status.success() && warned.contains(warning),
        "{warned}"
    );

    let (mut serving, port) = start(&file);
    let clear = server
        .client("psql", "shop")
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", "app"])
        .args(["-d", "sslmode=disable", "-c", "select 1"])
        .output()
        .expect("psql runs");
    assert!(!clear.status.success());
    let refused = fields(&serving.line("client was refused"));
    assert_eq!(
        (&refused["user"], &refused["sqlstate"]),
        (&"app".into(), &"28000".into())
    );
    let root = format!(
        "sslmode=verify-full sslrootcert={} host=localhost hostaddr=127.0.0.1 port={port} user=app dbname=shop",
        folder.path().join("cert.pem").display()
    );
    let distrusts = server
        .client("psql", "shop")
        .args(["-d", &root, "-c", "select 1"])
        .output()
        .expect("psql runs");
    assert!(!distrusts.status.success());
    let failed = fields(&serving.line("client did not get in"));
    let error = failed["error"].as_str().expect("an error");
    assert!(error.starts_with("TLS handshake with client: "), "{error}");
    serving.signal("INT");
    assert!(serving.end().success());
    let log = serving.rest();
    assert!(
        log.iter()
            .any(|line| line.contains("expired on 2024-02-29")),
        "{log:?}"
    );
}
