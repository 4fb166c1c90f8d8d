//! Commands that talk to servers, on real ones.

use local_postgres::Server;
use router_proxy::settings::{ServerAddress, TlsMode};
use shunt::commands::{Failure, catalog};

fn address(server: &Server, database: &str) -> ServerAddress {
    ServerAddress {
        host: "127.0.0.1".into(),
        port: server.port(),
        database: database.into(),
        user: server.user().into(),
        password: None,
        tls: TlsMode::Disable,
        root_cert: None,
        client_cert: None,
    }
}

#[tokio::test]
async fn a_catalog_is_made_once_and_brought_up_to_date() {
    let server = Server::builder().database("own").start().unwrap();
    let own = address(&server, "own");
    let missing = catalog::migrate(&own).await.unwrap_err();
    assert!(
        missing.to_string().contains("shunt catalog init"),
        "{missing}"
    );
    let pending = catalog::status(&own).await.unwrap();
    assert!(!pending.is_empty() && pending.iter().all(|m| m.applied_at.is_none()));

    assert_eq!(catalog::init(&own).await.unwrap(), pending.len());
    assert_eq!(catalog::init(&own).await.unwrap(), 0);
    assert_eq!(catalog::migrate(&own).await.unwrap(), 0);
    let status = catalog::status(&own).await.unwrap();
    assert!(status.iter().all(|m| m.applied_at.is_some()));
    let tables = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class \
                  WHERE relkind = 'r' AND relnamespace = 'shunt'::regnamespace";
    let found = server.execute("own", tables).unwrap();
    assert!(
        found.contains("_sqlx_migrations epochs jobs journal routers"),
        "{found}"
    );

    // A half of the migrations is what an older version leaves.
    let down = include_str!("../../migrations/20260101000002_jobs.down.sql");
    server
        .execute("own", &format!("SET search_path = shunt; {down}; DELETE FROM _sqlx_migrations WHERE version = 20260101000002"))
        .unwrap();
    assert_eq!(catalog::migrate(&own).await.unwrap(), 1);

    // One job at a time moves keys of a database; ended ones do not count.
    let job = "INSERT INTO shunt.jobs (database, state, plan) VALUES ('shop', 'STATE', '{}')";
    server
        .execute("own", &job.replace("STATE", "finished"))
        .unwrap();
    server
        .execute("own", &job.replace("STATE", "copying"))
        .unwrap();
    assert!(
        server
            .execute("own", &job.replace("STATE", "planned"))
            .is_err()
    );

    let nowhere = address(&server, "nowhere");
    let error = catalog::init(&nowhere).await.unwrap_err();
    assert!(matches!(error, Failure::Failed { .. }));
    assert!(error.to_string().contains("hint: "), "{error}");
}
