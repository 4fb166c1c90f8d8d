//! The HTTP endpoint, before real servers and without them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use local_postgres::Server;
use router_proxy::settings::{PoolSettings, Settings};
use shunt_tests::one_server::server;
use shunt_tests::patience::await_some;
use shunt_tests::proxy::{TestProxy, unsharded};

fn settings(server: &Server) -> Settings {
    Settings {
        http_listen: Some(([127, 0, 0, 1], 0).into()),
        ..unsharded(server, "shop", PoolSettings::default())
    }
}

/// Status and body.
pub(crate) fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer");
    (head[9..12].parse().unwrap(), body.to_owned())
}

/// The value of a series.
pub(crate) fn value(metrics: &str, series: &str) -> f64 {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} in\n{metrics}"))
        .parse()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_was_done() {
    let server = server();
    let proxy = TestProxy::start(settings(&server));
    let http = proxy.http.expect("a port was found");
    assert_ne!(http.port(), 0);
    let client = proxy.connect(server.user(), "shop").await;
    for _ in 0..7 {
        client
            .batch_execute("select 'a secret literal'")
            .await
            .unwrap();
    }
    client.batch_execute("select 1/0").await.unwrap_err();
    assert_eq!(get(http, "/health"), (200, "ok\n".to_owned()));
    // On a busy machine a server may need longer to let somebody in than anybody waits who asks for this.
    let ready = await_some("it is ready", || {
        Some(get(http, "/ready")).filter(|(status, _)| *status == 200)
    });
    assert_eq!(ready.1, "ready\nshop/s0 primary up\n");
    assert_eq!(get(http, "/nothing").0, 404);
    // An error reaches the client before the end of its query does, which is what counts.
    let metrics = await_some("metrics of all queries", || {
        let (status, metrics) = get(http, "/metrics");
        let all = status == 200 && value(&metrics, "shunt_queries_total{database=\"shop\"}") >= 8.0;
        all.then_some(metrics)
    });
    for (series, expected) in [
        ("shunt_queries_total{database=\"shop\"}", 8.0),
        ("shunt_transactions_total{database=\"shop\"}", 8.0),
        (
            "shunt_shard_errors_total{database=\"shop\",shard=\"s0\"}",
            1.0,
        ),
        ("shunt_clients{database=\"shop\",state=\"idle\"}", 1.0),
        ("shunt_plan_cache_misses_total", 2.0),
        ("shunt_plan_cache_hits_total", 6.0),
        ("shunt_pool_wait_seconds_count{database=\"shop\"}", 8.0),
        (
            "shunt_pool_wait_seconds_bucket{database=\"shop\",le=\"+Inf\"}",
            8.0,
        ),
    ] {
        assert_eq!(value(&metrics, series), expected, "{series}");
    }
    assert!(!metrics.contains("secret"));
    // Every sample belongs to a family that is described, once.
    let mut families = std::collections::HashSet::new();
    for line in metrics.lines() {
        if let Some(described) = line.strip_prefix("# TYPE ") {
            let name = described.split(' ').next().unwrap();
            assert!(
                name.starts_with("shunt_") && families.insert(name),
                "{name}"
            );
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            let known = ["", "_bucket", "_sum", "_count"].iter().any(|suffix| {
                name.strip_suffix(suffix)
                    .is_some_and(|name| families.contains(name))
            });
            assert!(known, "{line}");
        }
    }
    let json = await_some("a server that is reached", || {
        let (status, json) = get(http, "/api/overview");
        if status != 200 {
            return None;
        }
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        (json["databases"][0]["shards"][0]["state"] == "up").then_some(json)
    });
    assert_eq!(json["client_count"].as_u64(), Some(1));
    assert_eq!(json["clients"][0]["state"], "idle");
    let (status, page) = get(http, "/");
    assert_eq!(status, 200);
    assert!(
        page.contains("<title>Shunt</title>") && !page.contains("http://")
            || page.contains("w3.org")
    );
}

/// Whoever says nothing keeps neither a file descriptor nor anybody else out for long.
#[test]
fn half_a_request_is_given_up() {
    let server = server();
    let proxy = TestProxy::start(settings(&server));
    let address = proxy.http.expect("it is configured");
    let mut strangers: Vec<_> = (0..80)
        .map(|_| {
            let mut stranger = TcpStream::connect(address).unwrap();
            stranger.write_all(b"GET /met").unwrap();
            stranger
        })
        .collect();
    for stranger in &mut strangers {
        let limit = Some(Duration::from_secs(60));
        stranger.set_read_timeout(limit).unwrap();
        let read = stranger.read(&mut [0; 100]);
        let hung_up = match &read {
            Ok(length) => *length == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        };
        assert!(hung_up, "{read:?}");
    }
    assert_eq!(get(address, "/health").0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_gone_makes_it_unready() {
    let server = server();
    let mut settings = settings(&server);
    settings.databases[0].shards[0].primary.port = 1;
    let proxy = TestProxy::start(settings);
    let http = proxy.http.expect("a port was found");
    let down = await_some("it is down", || {
        Some(get(http, "/ready").1).filter(|body| body.contains("down"))
    });
    assert!(down.starts_with("not ready: a primary is down\nshop/s0 primary down for "));
    assert!(down.ends_with(" s: connection refused\n"), "{down}");
    assert_eq!(get(http, "/ready").0, 503);
    assert_eq!(get(http, "/ready?any").0, 503);
    assert_eq!(get(http, "/ready?some").0, 400);
    assert_eq!(get(http, "/health").0, 200);
}
