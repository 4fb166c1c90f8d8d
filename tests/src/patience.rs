//! Waiting for what somebody else brings about: often looked at, and given up only when it will not come at all.

use std::time::{Duration, Instant};

use local_postgres::Server;

use crate::raw::{RawClient, seen};

/// How long a test waits for what has to come about. Nobody waits so long but a test that fails, so it is generous: many
/// tests share few cores.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Long enough for those who are waited for to have the processor.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until there is something.
#[track_caller]
pub fn await_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "in vain: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Waits until it holds.
#[track_caller]
pub fn await_that(what: &str, mut holds: impl FnMut() -> bool) {
    await_some(what, || holds().then_some(()));
}

/// The same beside other tasks of the test's runtime.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < end, "in vain: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until so many backends of a server wait for a lock.
#[track_caller]
pub fn await_blocked(server: &Server, backends: usize) {
    let sql = "select count(distinct pid) from pg_locks where not granted";
    let mut watch = RawClient::direct(server, "postgres");
    let backends = [backends.to_string()];
    await_that("backends that wait for a lock", || {
        seen(&watch.simple(sql).expect("an answer")) == backends
    });
}
