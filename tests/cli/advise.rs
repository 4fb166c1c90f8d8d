//! `shunt advise` on what PostgreSQL itself has logged.

use local_postgres::Server;
use tokio_postgres::NoTls;

use crate::{EXAMPLE, shunt, text};

/// Statements for the example's tables, simple and prepared.
async fn use_it(server: &Server) {
    let conninfo = format!(
        "host=127.0.0.1 port={} user={} dbname=shop",
        server.port(),
        server.user()
    );
    let (client, connection) = tokio_postgres::connect(&conninfo, NoTls)
        .await
        .expect("a client");
    tokio::spawn(connection);
    for id in 0..10 {
        let sql =
            format!("SELECT *\n\tFROM users\n\tWHERE id = {id} AND name <> 'a \"quoted\", text'");
        client.simple_query(&sql).await.expect("an answer");
    }
    let prepared = client
        .prepare("SELECT name FROM users WHERE id = $1")
        .await
        .expect("it is prepared");
    for id in 0..5i64 {
        client.query(&prepared, &[&id]).await.expect("an answer");
    }
    for sql in [
        "SELECT id FROM users",
        "BEGIN; COMMIT",
        "SELECT * FROM users JOIN orders ON users.id < orders.id",
    ] {
        client.simple_query(sql).await.expect("an answer");
    }
    client
        .simple_query("selct 1")
        .await
        .expect_err("a syntax error");
}

fn advise(arguments: &[&str]) -> String {
    let arguments = [&["advise", "--config", EXAMPLE][..], arguments].concat();
    let out = shunt(&arguments, "");
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    text(&out.stdout).to_owned()
}

#[test]
fn logs_of_postgresql_are_understood() {
    for (setting, value) in [
        ("log_statement", "all"),
        ("log_min_duration_statement", "0"),
    ] {
        let server = Server::builder()
            .database("shop")
            .set("logging_collector", "on")
            .set("log_destination", "csvlog,stderr")
            .set("log_line_prefix", "%m [%p] %u@%d ")
            .set("log_filename", "log")
            .start()
            .expect("a server starts");
        let tables = "create table users (id bigint, name text); create table orders (id bigint, user_id bigint)";
        server.execute("shop", tables).expect("tables");
        let log = format!("alter database shop set {setting} = '{value}'");
        server.execute("shop", &log).expect("it logs");
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(use_it(&server));
        let folder = server.data_directory().join("log");
        // The collector writes what it was told before it ends.
        server.stop(local_postgres::Stop::Fast).expect("it stops");
        for file in ["log", "log.csv"] {
            let path = folder.join(file);
            let said = advise(&["--json", path.to_str().expect("a path of text")]);
            let value: serde_json::Value = serde_json::from_str(&said).expect("JSON");
            let shape = |statement: &str| {
                let shapes = value["shapes"].as_array().expect("shapes");
                let found = shapes.iter().find(|shape| shape["statement"] == statement);
                found
                    .unwrap_or_else(|| panic!("{file}, {setting}: {statement} in {said}"))
                    .clone()
            };
            let by_key = shape("SELECT * FROM users WHERE id = ? AND name <> ?");
            assert_eq!(
                (&by_key["count"], &by_key["single_shard"]),
                (&10.into(), &10.into())
            );
            let prepared = shape("SELECT name FROM users WHERE id = $1");
            assert_eq!(prepared["single_shard"], 5, "{file}, {setting}: {prepared}");
            assert_eq!(shape("SELECT id FROM users")["multi_shard"], 1);
            assert_eq!(shape("BEGIN")["session"], 1);
            let join = shape("SELECT * FROM users JOIN orders ON users.id < orders.id");
            assert_eq!(join["count"], 1);
            assert!(!said.contains("quoted"), "{said}");
        }
    }
}

#[test]
fn plain_sql_is_counted_by_shape() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("statements.sql");
    let sql = "SELECT * FROM users WHERE id = 1;\nSELECT * FROM users WHERE id = 2;\n\
               INSERT INTO users (id) VALUES (1), (2), (3);\nINSERT INTO users (id) VALUES (4);\n\
               SET TIME ZONE 'UTC';\nMERGE INTO users USING countries ON true WHEN MATCHED THEN DELETE;\n";
    std::fs::write(&file, sql).expect("the file is written");
    let said = advise(&[file.to_str().expect("a path of text")]);
    insta::assert_snapshot!(said);
    let out = shunt(&["advise", "--config", EXAMPLE, "no-such.log"], "");
    assert_eq!(out.status.code(), Some(1));
    assert!(
        text(&out.stderr).contains("hint: "),
        "{}",
        text(&out.stderr)
    );
    let out = shunt(&["advise", "--config", EXAMPLE, "-"], "-- nothing\n");
    assert_eq!(out.status.code(), Some(1));
    assert!(
        text(&out.stderr).contains("no statement"),
        "{}",
        text(&out.stderr)
    );
}
