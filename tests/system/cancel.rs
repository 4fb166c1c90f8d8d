//! Cancel requests: they reach what their client has asked, and nobody else, whatever the moment they come at.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use router_proxy::settings::{PoolMode, PoolSettings};
use shunt_tests::one_server::server;
use shunt_tests::proxy::{TestProxy, unsharded};
use shunt_tests::raw::{RawClient, cancel, seen};

fn ask(client: &mut RawClient, sql: &str) -> Vec<String> {
    seen(&client.simple(sql).unwrap())
}

fn key(client: &RawClient) -> (i32, Vec<u8>) {
    client.key.clone().expect("a cancel key")
}

/// One that is idle has nothing to cancel, and its next query is not hit once the request has been dealt with.
#[test]
fn an_idle_client_is_not_cancelled_later() {
    let server = server();
    let proxy = TestProxy::start(unsharded(&server, "shop", PoolSettings::default()));
    let mut client = RawClient::trust(proxy.address, server.user(), "shop").unwrap();
    let (process, secret) = key(&client);
    for _ in 0..20 {
        assert_eq!(ask(&mut client, "select 1"), ["1"]);
        cancel(proxy.address, process, &secret).unwrap();
        assert_eq!(ask(&mut client, "select 2"), ["2"]);
    }
}

/// While a connection is made ready for a client, its settings put in place, a cancel request is not for that.
#[test]
fn a_cancel_request_does_not_strike_what_the_router_itself_asks() {
    let server = server();
    let pool = PoolSettings {
        max_size: 1,
        ..PoolSettings::default()
    };
    let proxy = TestProxy::start(unsharded(&server, "shop", pool));
    let connect = || RawClient::trust(proxy.address, server.user(), "shop").unwrap();
    let (mut one, mut two) = (connect(), connect());
    one.simple("set work_mem = '71kB'").unwrap();
    two.simple("set work_mem = '72kB'").unwrap();
    let (process, secret) = key(&one);
    let done = AtomicBool::new(false);
    let mut cancelled = 0;
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    cancel(proxy.address, process, &secret).unwrap();
                }
            });
        }
        let mut wrong = None;
        for _ in 0..300 {
            // Each finds the other's settings on the only connection.
            let own = ask(&mut two, "show work_mem");
            let struck = ask(
                &mut one,
                "select current_setting('work_mem') from pg_sleep(0.002)",
            );
            cancelled += usize::from(struck.ends_with(&["57014".to_owned()]));
            // Its row may have been sent when it was struck.
            let expected = [&["57014"][..], &["71kB"], &["71kB", "57014"]];
            if own != ["72kB"] || !expected.iter().any(|told| struck == *told) {
                wrong = Some((own, struck));
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
        assert_eq!(wrong, None);
    });
    assert!(cancelled > 0, "no request came in time");
}

/// A query that is cancelled as soon as it may have begun ends, also where the catalog has to be read before it.
#[test]
fn a_first_query_can_be_cancelled() {
    let server = server();
    for round in 0..5 {
        let proxy = TestProxy::start(unsharded(&server, "shop", PoolSettings::default()));
        let mut client = RawClient::trust(proxy.address, server.user(), "shop").unwrap();
        let (process, secret) = key(&client);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    cancel(proxy.address, process, &secret).unwrap();
                    thread::yield_now();
                }
            });
            let told = ask(&mut client, "select pg_sleep(20)");
            done.store(true, Ordering::Relaxed);
            assert_eq!(told, ["57014"], "round {round}");
        });
    }
}

/// In session mode a client's key has the number of its own server process, as without a router.
#[test]
fn in_session_mode_the_key_names_the_server_process() {
    let server = server();
    let pool = PoolSettings {
        mode: PoolMode::Session,
        max_size: 2,
        acquire_timeout: Duration::from_secs(10),
        ..PoolSettings::default()
    };
    let proxy = TestProxy::start(unsharded(&server, "shop", pool));
    let connect = || RawClient::trust(proxy.address, server.user(), "shop").unwrap();
    let (mut one, mut two) = (connect(), connect());
    for client in [&mut one, &mut two] {
        let (process, _) = key(client);
        assert_eq!(
            ask(client, "select pg_backend_pid()"),
            [process.to_string()]
        );
    }
    let ((process, secret), (other, other_secret)) = (key(&one), key(&two));
    let done = AtomicBool::new(false);
    let told = thread::scope(|scope| {
        let sleeping = scope.spawn(|| {
            let told = ask(&mut one, "select pg_sleep(30)");
            done.store(true, Ordering::Relaxed);
            told
        });
        // Keys that do not belong together strike nobody.
        for _ in 0..20 {
            cancel(proxy.address, process, &other_secret).unwrap();
            cancel(proxy.address, other, &secret).unwrap();
            cancel(proxy.address, process, &[0; 4]).unwrap();
        }
        assert!(!done.load(Ordering::Relaxed));
        while !done.load(Ordering::Relaxed) {
            cancel(proxy.address, process, &secret).unwrap();
        }
        sleeping.join().unwrap()
    });
    assert_eq!(told, ["57014"]);
    // One more than there are connections waits when it asks, not when it comes; and it can be cancelled as it waits.
    let mut three = connect();
    let (process, secret) = key(&three);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                cancel(proxy.address, process, &secret).unwrap();
            }
        });
        assert_eq!(ask(&mut three, "select 1"), ["57014"]);
        done.store(true, Ordering::Relaxed);
    });
    drop(one);
    assert_eq!(ask(&mut three, "select 1"), ["1"]);
    assert_eq!(ask(&mut two, "select 1"), ["1"]);
}
