//! What the log of a proxy says, and what it never says.

use std::path::Path;

use local_postgres::Server;
use tokio_postgres::NoTls;

use crate::serve::Serving;

/// In every password, literal and parameter of this test.
const SECRET: &str = "hunter2";

fn configuration(server: &Server) -> String {
    format!(
        "[server]\nlisten = '127.0.0.1:0'\nhttp_listen = '127.0.0.1:0'\nworkers = 1\nslow_query = '100ms'\n\
         [[users]]\nname = 'app'\npassword = '{SECRET} of app'\nadmin = true\n\
         server_user = 'app'\nserver_password = '{SECRET} on the server'\n\
         [[databases]]\nname = 'shop'\n[[databases.shards]]\nname = 's0'\n\
         primary = 'postgres://app:{SECRET}@127.0.0.1:{}/shop'\n",
        server.port()
    )
}

async fn use_it(port: u16) {
    let config = |database: &str, password: &str| {
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(port)
            .user("app")
            .dbname(database)
            .password(password);
        config
    };
    let wrong = config("shop", &format!("{SECRET} guessed"));
    assert!(wrong.connect(NoTls).await.is_err());
    let right = format!("{SECRET} of app");
    let (client, connection) = config("shop", &right)
        .connect(NoTls)
        .await
        .expect("it gets in");
    tokio::spawn(connection);
    let slow = format!("select pg_sleep(0.2), '{SECRET}' -- {SECRET}");
    client.simple_query(&slow).await.expect("an answer");
    let parameter = &format!("{SECRET} as a parameter");
    client
        .query("select pg_sleep(0.2), $1::text", &[parameter])
        .await
        .expect("an answer");
    client
        .simple_query("select 40 + 2")
        .await
        .expect("an answer");
    for fails in [
        format!("select '{SECRET}' from nowhere where pg_sleep(0.2) is null"),
        format!("select '{SECRET}"),
        format!("alter role nobody password '{SECRET}'"),
        format!("set role '{SECRET}'"),
    ] {
        client.simple_query(&fails).await.expect_err("it fails");
    }
    let (console, connection) = config("shunt", &right)
        .connect(NoTls)
        .await
        .expect("it gets in");
    tokio::spawn(connection);
    for command in [
        "SHOW CONFIG",
        "SHOW USERS",
        "SHOW DATABASES",
        "SHOW CLIENTS",
        "RELOAD",
    ] {
        let said = console.simple_query(command).await.expect("an answer");
        assert!(!format!("{said:?}").contains(SECRET), "{command}: {said:?}");
    }
}

fn serve(file: &Path, arguments: &[&str]) -> Vec<String> {
    let mut serving = Serving::start(file, arguments);
    let port = serving.address.rsplit_once(':').expect("a port").1;
    let port = port.parse().expect("a number");
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(use_it(port));
    let text = std::fs::read_to_string(file).expect("the file can be read");
    let other = text.replace(&format!("{SECRET} of app"), &format!("{SECRET} changed"));
    std::fs::write(file, other).expect("the file is written");
    serving.signal("HUP");
    let changed = serving.line("users[app].password");
    assert!(!changed.contains(SECRET), "{changed}");
    serving.signal("INT");
    assert!(serving.end().success());
    std::fs::write(file, text).expect("the file is written");
    serving.rest()
}

#[test]
fn slow_statements_are_logged_by_their_shape_and_no_secret_is() {
    let server = Server::builder()
        .database("shop")
        .hba("host all app 127.0.0.1/32 scram-sha-256")
        .start()
        .expect("a server starts");
    let role = format!("create role app login password '{SECRET} on the server'");
    server.execute("shop", &role).expect("a role");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("shunt.toml");
    std::fs::write(&file, configuration(&server)).expect("the file is written");

    let log = serve(&file, &["--log", "trace", "--log-format", "json"]);
    for line in &log {
        assert!(!line.contains(SECRET), "{line}");
    }
    let lines: Vec<serde_json::Value> = log
        .iter()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let slow: Vec<_> = lines
        .iter()
        .filter(|line| line["target"] == "shunt::slow_query")
        .collect();
    let statements: Vec<_> = slow
        .iter()
        .map(|line| &line["fields"]["statement"])
        .collect();
    assert_eq!(
        statements,
        ["select pg_sleep(?), ?", "select pg_sleep(?), $1::text"]
    );
    for line in &slow {
        assert_eq!(line["fields"]["user"], "app");
        assert_eq!(line["fields"]["database"], "shop");
        assert!(line["fields"]["milliseconds"].as_u64() >= Some(200));
    }
    let said = |what: &str| lines.iter().any(|line| line["fields"]["message"] == what);
    for what in [
        "client was refused",
        "client connected",
        "client disconnected",
    ] {
        assert!(said(what), "{what}");
    }

    // By default, as text: the slow statements and who was refused, and not every client that comes and goes.
    let log = serve(&file, &[]).join("\n");
    assert!(!log.contains(SECRET), "{log}");
    assert!(log.contains("select pg_sleep(?), $1::text"), "{log}");
    assert!(
        log.contains("client was refused") && !log.contains("client connected"),
        "{log}"
    );
}
