//! Hostile input and dead servers: a clear error or a bounded wait, and the proxy lives on.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use bytes::BytesMut;
use local_postgres::Server;
use router_proxy::settings::{PoolSettings, Settings};
use shunt_tests::one_server::server;
use shunt_tests::patience::{PATIENCE, await_that};
use shunt_tests::proxy::{TestProxy, unsharded};
use shunt_tests::raw::{RawClient, frame};

fn settings(server: &Server) -> Settings {
    let pool = PoolSettings {
        max_size: 2,
        connect_timeout: PATIENCE,
        acquire_timeout: PATIENCE,
        ..PoolSettings::default()
    };
    unsharded(server, "shop", pool)
}

/// Sends bytes and reads until the other side closes; panics when it does not.
fn told(proxy: &TestProxy, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(proxy.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        // What it sent and the proxy did not read makes the end a reset.
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => {
            panic!("the connection stays open: {error}")
        }
        _ => said,
    }
}

#[track_caller]
fn lives(proxy: &TestProxy, server: &Server) {
    let mut client = RawClient::trust(proxy.address, server.user(), "shop").unwrap();
    let said = client.simple("select 40 + 2").unwrap();
    assert!(said.iter().any(|message| message.tag == b'D'), "{said:?}");
}

#[test]
fn nonsense_on_the_port_is_turned_away() {
    let server = server();
    let mut settings = settings(&server);
    // Long enough for those who do get in.
    settings.login_timeout = Duration::from_secs(3);
    let proxy = TestProxy::start(settings);
    let startup_of_a_gigabyte = [0x40, 0, 0, 0, 0, 3, 0, 0];
    for (what, bytes) in [
        ("garbage", &[0xff; 4096][..]),
        ("zeros", &[0; 64]),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"),
        ("a gigabyte", &startup_of_a_gigabyte),
        (
            "half a startup packet",
            &[0, 0, 0, 40, 0, 3, 0, 0, b'u', b's'],
        ),
        ("nothing", b""),
    ] {
        let said = told(&proxy, bytes);
        assert!(said.len() < 1000, "{what}: {} bytes", said.len());
        assert!(
            said.is_empty() || said[0] == b'E',
            "{what}: {}",
            String::from_utf8_lossy(&said)
        );
        lives(&proxy, &server);
    }
}

#[test]
fn nonsense_in_a_session_ends_that_session_only() {
    let server = server();
    let proxy = TestProxy::start(settings(&server));
    for bytes in [
        &b"\xff\0\0\0\x04"[..],
        b"Q\0\0\0\0",
        b"Q\xff\xff\xff\xff",
        b"zzzzzzzz",
    ] {
        let mut client = RawClient::trust(proxy.address, server.user(), "shop").unwrap();
        client.write(bytes).unwrap();
        let error = loop {
            match client.read() {
                Ok(message) if message.tag == b'E' => break message.error().unwrap(),
                Ok(_) => {}
                Err(error) => panic!("{bytes:?}: {error}"),
            }
        };
        assert_eq!((&*error.severity, &*error.code), ("FATAL", "08P01"));
        lives(&proxy, &server);
    }
}

#[test]
fn a_server_that_is_down_or_silent_is_an_error_in_time() {
    let server = server();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut mute = settings(&server);
    mute.databases[0].pool.connect_timeout = Duration::from_secs(1);
    mute.databases[0].pool.acquire_timeout = Duration::from_secs(3);
    let mut dead = mute.clone();
    mute.databases[0].shards[0].primary.port = silent.local_addr().unwrap().port();
    dead.databases[0].shards[0].primary.port = 1;
    for (what, settings, says) in [
        ("silent", mute, "no answer within 1s"),
        ("dead", dead, "connection refused"),
    ] {
        let proxy = TestProxy::start(settings);
        let Err(error) = RawClient::trust(proxy.address, server.user(), "shop") else {
            panic!("{what}: nobody can be let in");
        };
        let error = error.to_string();
        assert!(
            error.contains(says) && error.contains("08001") && error.contains("FATAL"),
            "{what}: {error}"
        );
    }
}

/// A client that goes in the middle of a message: its server does not take the next client's words for the rest.
#[test]
fn half_a_message_is_not_ended_by_the_next_client() {
    let server = server();
    let mut settings = settings(&server);
    settings.databases[0].pool.max_size = 1;
    let proxy = TestProxy::start(settings);
    for length in [100_000, 12] {
        for extended in [false, true] {
            let mut gone = RawClient::trust(proxy.address, server.user(), "shop").unwrap();
            let mut packet = BytesMut::new();
            if extended {
                frame(&mut packet, b'P', b"\0select 1\0\0\0");
                frame(&mut packet, b'B', &[0; 8]);
                frame(&mut packet, b'E', &[0; 5]);
                frame(&mut packet, b'S', b"");
            } else {
                frame(&mut packet, b'Q', b"select 1\0");
            }
            packet.extend_from_slice(b"d");
            packet.extend_from_slice(&u32::to_be_bytes(length));
            packet.extend_from_slice(b"abc");
            gone.write(&packet).unwrap();
            gone.until_ready().unwrap();
            drop(gone);
            let mut next = RawClient::trust(proxy.address, server.user(), "shop").unwrap();
            let said = next.simple("select 'mine'").unwrap();
            assert_eq!(
                said[1].columns(),
                [Some(b"mine".to_vec())],
                "{length}: {said:?}"
            );
        }
    }
}

/// A client that has said goodbye while it is busy can be told to go all the same, and leaves nothing behind.
#[test]
fn whoever_has_said_goodbye_can_be_told_to_go() {
    let server = server();
    let mut settings = settings(&server);
    // Each worker asks a server once what to tell its clients, and here somebody has the only connection.
    settings.workers = 1;
    settings.databases[0].pool.max_size = 1;
    settings.users[0].admin = true;
    let proxy = TestProxy::start(settings);
    let connect = |database| RawClient::trust(proxy.address, server.user(), database).unwrap();
    let mut console = connect("shunt");
    let mut goodbye = BytesMut::new();
    frame(&mut goodbye, b'Q', b"select pg_sleep(60)\0");
    frame(&mut goodbye, b'X', b"");
    for waits in [false, true] {
        let mut holder = waits.then(|| connect("shop"));
        if let Some(holder) = &mut holder {
            holder.simple("begin").unwrap();
        }
        let mut client = connect("shop");
        client.write(&goodbye).unwrap();
        drop(client);
        console.simple("kill shop").unwrap();
        console.simple("resume shop").unwrap();
        drop(holder);
        let said = connect("shop").simple("select 7").unwrap();
        assert_eq!(
            said[1].columns(),
            [Some(b"7".to_vec())],
            "waits: {waits}: {said:?}"
        );
    }
    // The beginning of a long message that ends as a goodbye does.
    let mut holder = connect("shop");
    holder.simple("begin").unwrap();
    let mut client = connect("shop");
    client.write(b"Q\0X\0\0\0\x04").unwrap();
    drop(client);
    // The worker has seen that by then.
    for _ in 0..3 {
        console.simple("show clients").unwrap();
    }
    holder.simple("commit").unwrap();
    assert_eq!(
        holder.simple("select 7").unwrap()[1].columns(),
        [Some(b"7".to_vec())]
    );
}

/// What a server says when it lets nobody in, clients are told with its own state: whether to come back later, or to go.
#[test]
fn a_server_that_refuses_is_told_by_its_own_state() {
    let server = server();
    server
        .execute(
            "postgres",
            "create database closed with allow_connections false",
        )
        .unwrap();
    for (database, state) in [("closed", "55000"), ("missing", "3D000")] {
        let mut settings = settings(&server);
        settings.databases[0].shards[0].primary.database = database.into();
        let proxy = TestProxy::start(settings);
        let Err(error) = RawClient::trust(proxy.address, server.user(), "shop") else {
            panic!("{database}: nobody can be let in");
        };
        let error = error.to_string();
        assert!(
            error.contains(state) && !error.contains("08001"),
            "{database}: {error}"
        );
    }
}

#[test]
fn a_server_that_dies_and_comes_back() {
    let server = server();
    let mut settings = settings(&server);
    settings.databases[0].pool.acquire_timeout = Duration::from_secs(3);
    let proxy = TestProxy::start(settings);
    let mut client = RawClient::trust(proxy.address, server.user(), "shop").unwrap();
    client.simple("select 1").unwrap();
    server.stop(local_postgres::Stop::Immediate).unwrap();
    for _ in 0..6 {
        let said = client.simple("select 1").unwrap();
        assert_eq!(said[0].tag, b'E', "{said:?}");
    }
    server.start().unwrap();
    await_that("the server is found again", || {
        client.simple("select 1").unwrap()[0].tag != b'E'
    });
}

#[test]
fn three_hundred_clients_vanish_in_a_transaction() {
    let server = server();
    let proxy = TestProxy::start(settings(&server));
    for batch in 0..10 {
        let mut clients: Vec<_> = (0..30)
            .map(|_| RawClient::trust(proxy.address, server.user(), "shop").unwrap())
            .collect();
        for (i, client) in clients.iter_mut().enumerate() {
            // All ask, two get a server; half of a message follows for every other one.
            client.send(b'Q', b"begin\0").unwrap();
            if i % 2 == batch % 2 {
                client.write(b"Q\0\0\0\x40select").unwrap();
            }
        }
        drop(clients);
    }
    lives(&proxy, &server);
    await_that("no client is left", || proxy.totals.clients() == 0);
    let open = "select count(*) from pg_stat_activity where datname = 'shop' and state like 'idle in transaction%'";
    assert_eq!(server.execute("shop", open).unwrap(), "0");
}

/// PostgreSQL carries out what came before the goodbye; so does the proxy, also where nobody waits for the answer.
#[test]
fn what_was_asked_before_the_goodbye_is_done() {
    let server = server();
    server.execute("shop", "create table seen (n int)").unwrap();
    let proxy = TestProxy::start(settings(&server));
    for n in 0..20 {
        let mut client = RawClient::trust(proxy.address, server.user(), "shop").unwrap();
        let mut packet = BytesMut::new();
        frame(
            &mut packet,
            b'Q',
            format!("insert into seen values ({n})\0").as_bytes(),
        );
        frame(&mut packet, b'X', b"");
        client.write(&packet).unwrap();
    }
    await_that("none was dropped", || {
        server.execute("shop", "select count(*) from seen").unwrap() == "20"
    });
    // A pipeline without its end is rolled back, and does not hold a connection.
    let mut client = RawClient::trust(proxy.address, server.user(), "shop").unwrap();
    let mut packet = BytesMut::new();
    frame(&mut packet, b'P', b"\0insert into seen values (99)\0\0\0");
    frame(&mut packet, b'B', b"\0\0\0\0\0\0\0\0");
    frame(&mut packet, b'E', b"\0\0\0\0\0");
    frame(&mut packet, b'X', b"");
    client.write(&packet).unwrap();
    drop(client);
    lives(&proxy, &server);
    lives(&proxy, &server);
    let last = "select count(*) from seen where n = 99";
    assert_eq!(server.execute("shop", last).unwrap(), "0");
}

/// What a client may say before its startup packet: GSSAPI and TLS are refused politely, newer protocols negotiated.
#[test]
fn encryption_is_refused_politely_and_newer_protocols_are_negotiated() {
    let server = server();
    let proxy = TestProxy::start(settings(&server));
    let user = server.user();
    let startup = |version: u32, option: &str| {
        let mut body = version.to_be_bytes().to_vec();
        body.extend(format!("user\0{user}\0database\0shop\0{option}\0").as_bytes());
        let mut packet = (body.len() as u32 + 4).to_be_bytes().to_vec();
        packet.extend(body);
        packet
    };
    let read_some = |stream: &mut TcpStream| {
        let mut buffer = [0; 4096];
        let n = stream.read(&mut buffer).unwrap();
        buffer[..n].to_vec()
    };
    // As libpq does it: GSSAPI, then TLS, then in the clear.
    let mut stream = TcpStream::connect(proxy.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for request in [80_877_104u32, 80_877_103] {
        let packet = [8u32.to_be_bytes(), request.to_be_bytes()].concat();
        stream.write_all(&packet).unwrap();
        assert_eq!(read_some(&mut stream), b"N");
    }
    stream.write_all(&startup(3 << 16, "")).unwrap();
    let said = read_some(&mut stream);
    assert_eq!(said[0], b'R', "3.0 needs no negotiation");

    // 3.2 and an option of a later protocol: told what is known here, and served.
    let mut stream = TcpStream::connect(proxy.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let packet = startup(3 << 16 | 9999, "_pq_.later\0on\0");
    stream.write_all(&packet).unwrap();
    let said = read_some(&mut stream);
    assert_eq!(said[0], b'v', "{}", String::from_utf8_lossy(&said));
    let length = u32::from_be_bytes(said[1..5].try_into().unwrap()) as usize;
    let minor = u32::from_be_bytes(said[5..9].try_into().unwrap()) & 0xffff;
    assert!(minor <= 2, "{minor}");
    let negotiated = String::from_utf8_lossy(&said[..=length]).into_owned();
    assert!(negotiated.contains("_pq_.later"), "{negotiated}");
    let next = match said.get(length + 1) {
        Some(next) => *next,
        None => read_some(&mut stream)[0],
    };
    assert_eq!(next, b'R', "and then it gets in");
}
