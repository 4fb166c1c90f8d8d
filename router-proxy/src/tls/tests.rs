use std::future::poll_fn;
use std::path::PathBuf;
use std::task::Poll;

use bytes::{Buf, BytesMut};
use rcgen::{CertificateParams, DnType, KeyPair};
use tempfile::TempDir;
use tokio::net::UnixStream;

use super::*;
use crate::settings::{ClientTls, ServerAddress, TlsMode};

struct Pair {
    folder: TempDir,
    certificate: Vec<u8>,
}

impl Pair {
    /// A certificate that vouches for itself.
    fn new() -> Self {
        Self::valid_until(4096, 1, 1)
    }

    fn valid_until(year: i32, month: u8, day: u8) -> Self {
        let folder = TempDir::new().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, month, day);
        params
            .distinguished_name
            .push(DnType::OrganizationName, "Example");
        params
            .distinguished_name
            .push(DnType::CommonName, "Ann Example");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("cert.pem"), certificate.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
        Self {
            folder,
            certificate: certificate.der().to_vec(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn server(&self) -> ClientFacingTls {
        let settings = ClientTls {
            mode: TlsMode::Require,
            cert: self.path("cert.pem"),
            key: self.path("key.pem"),
            client_ca: None,
        };
        ClientFacingTls::new(&settings).unwrap().unwrap()
    }

    fn client(&self) -> ServerFacingTls {
        ServerFacingTls::new(&ServerAddress {
            host: "localhost".into(),
            port: 5432,
            database: String::new(),
            user: String::new(),
            password: None,
            tls: TlsMode::VerifyFull,
            root_cert: Some(self.path("cert.pem")),
            client_cert: None,
        })
        .unwrap()
    }
}

async fn connect(server: &ClientFacingTls, client: &ServerFacingTls) -> (Socket, Socket) {
    let (here, there) = UnixStream::pair().unwrap();
    let (config, name) = client.client().unwrap();
    let (accepted, connected) = tokio::join!(
        EncryptedSocket::accept(RawSocket::Unix(here), server.config().clone(), &[]),
        EncryptedSocket::connect(RawSocket::Unix(there), config, name),
    );
    (
        Socket::Tls(Box::new(accepted.unwrap())),
        Socket::Tls(Box::new(connected.unwrap())),
    )
}

/// Sends `length` bytes and reads as many, both at once, in pieces of `piece`.
async fn exchange(socket: &mut Socket, length: usize, piece: usize) -> bool {
    let byte = |at: usize| (at % 251) as u8;
    let (mut sent, mut read, mut right) = (0, 0, true);
    let mut input = BytesMut::new();
    poll_fn(|cx| {
        loop {
            let mut moved = false;
            if sent < length && socket.poll_write_ready(cx).is_ready() {
                let bytes: Vec<u8> = (sent..length.min(sent + piece)).map(byte).collect();
                match socket.try_write(&bytes) {
                    Ok(taken) => (sent, moved) = (sent + taken, true),
                    Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
                }
            }
            if sent == length && socket.wants_flush() && socket.poll_flush(cx).is_ready() {
                moved = true;
            }
            if read < length && socket.poll_read_ready(cx).is_ready() {
                input.reserve(piece);
                match socket.try_read_buf(&mut input) {
                    Ok(0) => panic!("the end came early"),
                    Ok(count) => {
                        right &= input
                            .iter()
                            .enumerate()
                            .all(|(at, b)| *b == byte(read + at));
                        input.advance(count);
                        (read, moved) = (read + count, true);
                    }
                    Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
                }
            }
            if sent == length && read == length && !socket.wants_flush() {
                return Poll::Ready(());
            }
            if !moved
                && (sent == length || socket.poll_write_ready(cx).is_pending())
                && (read == length || socket.poll_read_ready(cx).is_pending())
            {
                return Poll::Pending;
            }
        }
    })
    .await;
    right
}

/// Both sides send more than the kernel and TLS hold, without waiting for each other.
#[tokio::test]
async fn both_directions_at_once() {
    let pair = Pair::new();
    let (mut here, mut there) = connect(&pair.server(), &pair.client()).await;
    for piece in [1000, 16 * 1024 + 1, 200_000] {
        let length = 3_000_000;
        let both = tokio::join!(
            exchange(&mut here, length, piece),
            exchange(&mut there, length, piece)
        );
        assert_eq!(both, (true, true), "pieces of {piece}");
    }
}

#[tokio::test]
async fn quiet_until_something_comes() {
    let pair = Pair::new();
    let (mut here, mut there) = connect(&pair.server(), &pair.client()).await;
    // The server has sent session tickets, which are nothing to the user of the socket.
    assert!(there.is_quiet() && here.is_quiet());
    here.write_all(b"notice").await.unwrap();
    assert!(!there.is_quiet());
    let mut input = BytesMut::with_capacity(3);
    assert_eq!(there.read_buf(&mut input).await.unwrap(), 3);
    assert!(!there.is_quiet(), "the rest has been decrypted already");
    input.reserve(10);
    assert_eq!(there.read_buf(&mut input).await.unwrap(), 3);
    assert_eq!(&input[..], b"notice");
    assert!(there.is_quiet());
    here.close();
    assert!(!there.is_quiet());
    assert_eq!(there.read_buf(&mut input).await.unwrap(), 0);

    let (mut here, there) = UnixStream::pair()
        .map(|(a, b)| (Socket::from(a), b))
        .unwrap();
    assert!(here.is_quiet());
    drop(there);
    assert!(!here.is_quiet());
}

#[tokio::test]
async fn sessions_are_resumed() {
    let pair = Pair::new();
    let (server, client) = (pair.server(), pair.client());
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let (mut here, mut there) = connect(&server, &client).await;
        // Tickets come with the first bytes.
        here.write_all(b"x").await.unwrap();
        there
            .read_buf(&mut BytesMut::with_capacity(1))
            .await
            .unwrap();
        kinds.push(there.tls().unwrap().resumed());
    }
    assert_eq!(kinds, [false, true]);
}

/// In seconds since 1970, as `date -u -d ... +%s` has them.
const ENDS: [(i32, u8, u8, u64); 5] = [
    (1999, 12, 31, 946_598_400),
    (2024, 2, 29, 1_709_164_800),
    (2026, 3, 1, 1_772_323_200),
    (2049, 12, 31, 2_524_521_600),
    (2100, 3, 1, 4_107_542_400),
];

#[test]
fn certificates_are_warned_of_before_they_end_and_after() {
    use std::time::{Duration, SystemTime};
    for (year, month, day, seconds) in ENDS {
        let pair = Pair::valid_until(year, month, day);
        assert_eq!(valid_until(&pair.certificate), Some(seconds), "{year}");
        let server = pair.server();
        let at = |days: i64| {
            let end = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            let away = Duration::from_secs(days.unsigned_abs() * 86_400);
            server.warning(if days < 0 { end - away } else { end + away })
        };
        assert_eq!(at(-31), None);
        let date = format!("{year}-{month:02}-{day:02} 00:00:00 UTC");
        let soon = at(-3).expect("a warning");
        assert!(
            soon.ends_with(&format!("expires on {date}, in 3 days")),
            "{soon}"
        );
        let late = at(1).expect("a warning");
        assert!(late.contains(&format!("expired on {date}")), "{late}");
    }
}

#[test]
fn facts_of_a_certificate() {
    use sha2::{Digest, Sha256};
    let pair = Pair::new();
    assert_eq!(
        common_name(&pair.certificate).as_deref(),
        Some("Ann Example")
    );
    // ECDSA with SHA-256.
    let hash = Sha256::digest(&pair.certificate).to_vec();
    assert_eq!(end_point_binding(&pair.certificate), Some(hash));
    for length in 0..pair.certificate.len() {
        valid_until(&pair.certificate[..length]);
        assert_eq!(end_point_binding(&pair.certificate[..length]), None);
        common_name(&pair.certificate[..length]);
    }
}

#[test]
fn errors_name_the_file() {
    let pair = Pair::new();
    let other = Pair::new();
    std::fs::write(pair.path("empty.pem"), "nothing").unwrap();
    let settings = |cert: PathBuf, key: PathBuf| ClientTls {
        mode: TlsMode::Require,
        cert,
        key,
        client_ca: None,
    };
    for (settings, expected) in [
        (
            settings(pair.path("missing.pem"), pair.path("key.pem")),
            "cert ",
        ),
        (
            settings(pair.path("empty.pem"), pair.path("key.pem")),
            "no certificate in it",
        ),
        (
            settings(pair.path("cert.pem"), pair.path("cert.pem")),
            "one unencrypted private key",
        ),
        (
            settings(pair.path("cert.pem"), other.path("key.pem")),
            "belong to the private key",
        ),
        (
            ClientTls {
                mode: TlsMode::VerifyCa,
                ..settings(pair.path("cert.pem"), pair.path("key.pem"))
            },
            "client_ca is not set",
        ),
    ] {
        let error = ClientFacingTls::new(&settings).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
