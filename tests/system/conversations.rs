//! Conversations in frames: the proxy in either mode answers as PostgreSQL does.

use bytes::BytesMut;
use shunt_tests::conversation::{bed::Bed, generate};
use shunt_tests::proxy::{TestProxy, unsharded};
use shunt_tests::raw::{RawClient, frame};
use shunt_tests::twin::{Twins, shown};

/// Generated conversations; `cargo run -p shunt-tests --bin conversations` holds as many as one likes.
const GENERATED: u64 = 60;

#[test]
fn the_proxy_answers_as_the_server_does() {
    let bed = Bed::start().expect("server and proxies start");
    let mut found = Vec::new();
    for seed in 1..=GENERATED {
        for difference in bed.compare(&generate(seed, 30)).expect("all can be asked") {
            let difference = bed.smaller(difference).expect("all can be asked");
            found.push(format!("seed {seed}: {difference}"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// A COPY that fails at its `Execute` or before, as drivers send it: they end it all the same.
fn copy_that_fails(client: &mut RawClient, copy: &str) -> Vec<Vec<String>> {
    let mut packet = BytesMut::new();
    frame(
        &mut packet,
        b'P',
        &[b"\0", copy.as_bytes(), b"\0\0\0"].concat(),
    );
    frame(&mut packet, b'D', b"S\0");
    frame(&mut packet, b'S', b"");
    let mut begun = BytesMut::new();
    frame(&mut begun, b'B', &[0; 8]);
    frame(&mut begun, b'E', &[0; 5]);
    frame(&mut begun, b'S', b"");
    let mut ended = BytesMut::new();
    frame(&mut ended, b'f', b"\0");
    frame(&mut ended, b'S', b"");
    let mut seen = Vec::new();
    for packet in [packet, begun, ended] {
        client.write(&packet).unwrap();
        seen.push(shown(&client.until_ready().unwrap()));
    }
    seen.push(shown(&client.simple("select 1").unwrap()));
    seen.push(shown(&client.extended("select 2", &[], false).unwrap()));
    seen
}

#[test]
fn a_copy_that_cannot_begin_leaves_the_connection_usable() {
    let twins = Twins::start();
    let proxy = TestProxy::start(unsharded(&twins.server, "whole", Default::default()));
    let user = twins.server.user();
    let mut pair = twins.connect();
    let mut unsharded = RawClient::trust(proxy.address, user, "whole").unwrap();
    for copy in [
        "copy missing from stdin",
        "copy accounts (id, nosuchcolumn) from stdin",
        "copy accounts (id, id) from stdin",
        "copy copies from stdin (format csv, header, delimiter 'ab')",
    ] {
        let direct = copy_that_fails(&mut pair.whole, copy);
        assert_eq!(copy_that_fails(&mut unsharded, copy), direct, "{copy}");
        let over_shards = copy_that_fails(&mut pair.shards, copy);
        if over_shards[0][0].contains("ERROR SH0") {
            // The router says it, and at `Parse`; what comes behind is not mixed up for that.
            assert_eq!(over_shards[2..], direct[2..]);
        } else {
            let last = |seen: &[Vec<String>]| seen[2..].to_vec();
            assert_eq!(last(&over_shards), last(&direct), "{copy}");
            let fails = |seen: &[Vec<String>]| {
                let errors = seen
                    .iter()
                    .flatten()
                    .filter(|line| line.starts_with("ERROR"));
                errors.cloned().collect::<Vec<_>>()
            };
            assert_eq!(fails(&over_shards), fails(&direct), "{copy}");
        }
    }
}
