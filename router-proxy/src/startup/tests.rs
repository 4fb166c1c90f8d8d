use bytes::{BufMut, BytesMut};
use proptest::prelude::*;

use super::*;

fn packet(version: u32, body: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_u32(8 + body.len() as u32);
    out.put_u32(version);
    out.put_slice(body);
    out
}

fn startup(body: &str) -> Result<Startup, String> {
    let mut bytes = packet(3 << 16, body.as_bytes());
    match Opening::new(false, false).handle(&mut bytes) {
        Ok(Opened::Startup(startup)) => Ok(startup),
        Ok(other) => panic!("{other:?}"),
        Err(report) => Err(format!("{}: {}", report.state, report.message)),
    }
}

const TLS: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
const GSS: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30];

#[test]
fn parameters_are_read() {
    let startup = startup(
        "user\0me\0DateStyle\0ISO\0options\0-c work_mem=1MB --geqo-threshold=3 -csearch_path=a\\ b\0\0",
    )
    .unwrap();
    assert_eq!(
        (startup.user.as_str(), startup.database.as_str()),
        ("me", "me")
    );
    let parameters: Vec<_> = startup
        .parameters
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        parameters,
        [
            ("work_mem", "1MB"),
            ("geqo_threshold", "3"),
            ("search_path", "a b"),
            ("DateStyle", "ISO")
        ]
    );
}

#[test]
fn broken_packets_are_refused() {
    let layout = "08P01: invalid startup packet layout: expected terminator as last byte";
    for (body, expected) in [
        ("user\0me\0", layout),
        ("user\0\0", layout),
        ("user\0me\0\0\0", layout),
        ("", layout),
        (
            "\0",
            "28000: no PostgreSQL user name specified in startup packet",
        ),
        (
            "user\0\0\0",
            "28000: no PostgreSQL user name specified in startup packet",
        ),
        (
            "user\0me\0replication\0maybe\0\0",
            "22023: invalid value for parameter \"replication\": \"maybe\"",
        ),
        (
            "user\0me\0options\0-x\0\0",
            "42601: invalid command-line argument for server process: -x",
        ),
        ("user\0me\0options\0-c a\0\0", "42601: --a requires a value"),
    ] {
        assert_eq!(startup(body), Err(expected.to_owned()), "{body:?}");
    }
}

#[test]
fn replication_is_read_as_a_boolean() {
    for (value, expected) in [
        ("database", Replication::Database),
        ("true", Replication::Physical),
        ("ON", Replication::Physical),
        ("f", Replication::No),
        ("0", Replication::No),
    ] {
        let startup = startup(&format!("user\0me\0replication\0{value}\0\0")).unwrap();
        assert_eq!(startup.replication, expected, "{value}");
    }
}

#[test]
fn versions_are_negotiated() {
    let body = b"user\0me\0_pq_.shiny\0on\0\0";
    for (minor, in_force, newer) in [(0, 0, false), (2, 2, false), (9999, NEWEST_MINOR, true)] {
        let mut bytes = packet(3 << 16 | minor, body);
        let Ok(Opened::Startup(startup)) = Opening::new(false, false).handle(&mut bytes) else {
            panic!("3.{minor} must open")
        };
        assert_eq!((startup.minor, startup.newer_minor), (in_force, newer));
        assert_eq!(startup.unknown_options, ["_pq_.shiny"]);
    }
    let report = Opening::new(false, false)
        .handle(&mut packet(2 << 16, body))
        .unwrap_err();
    assert_eq!(
        report.message,
        "unsupported frontend protocol 2.0: server supports 3.0 to 3.2"
    );
}

/// GSSAPI, then TLS, each once; a second request is a version nobody speaks.
#[test]
fn rounds_are_bounded() {
    let mut opening = Opening::new(true, true);
    let mut hear = |bytes: &[u8]| opening.handle(&mut BytesMut::from(bytes));
    assert!(matches!(hear(&GSS), Ok(Opened::RefuseEncryption)));
    assert!(matches!(hear(&TLS), Ok(Opened::StartTls)));
    assert_eq!(
        hear(&GSS).unwrap_err().message,
        "unsupported frontend protocol 1234.5680: server supports 3.0 to 3.2"
    );
    assert!(hear(&TLS).is_err());
    // Within TLS neither may be asked for again.
    let mut opening = Opening::new(true, true);
    opening.handle_encrypted();
    assert!(opening.handle(&mut BytesMut::from(&TLS[..])).is_err());
    let hello = &[0x16, 3, 1, 0, 0, 0, 0, 0][..];
    assert!(matches!(
        opening.handle(&mut BytesMut::from(hello)),
        Ok(Opened::NotAPacket)
    ));
}

#[test]
fn nothing_may_stand_behind_a_request_for_encryption() {
    for request in [TLS, GSS] {
        let mut bytes = BytesMut::from(&request[..]);
        bytes.put_u8(0);
        let report = Opening::new(true, false).handle(&mut bytes).unwrap_err();
        assert_eq!(report.state.as_str(), "08P01");
    }
}

/// A driver that is closed before it has said who it is sees no error then.
#[test]
fn a_goodbye_instead_of_a_startup_packet_is_not_answered() {
    let mut terminate = BytesMut::from(&b"X\0\0\0\x04"[..]);
    assert!(matches!(
        Opening::new(true, true).handle(&mut terminate),
        Ok(Opened::NotAPacket)
    ));
}

#[test]
fn plaintext_is_turned_away_where_tls_is_required() {
    let mut bytes = packet(3 << 16, b"user\0me\0\0");
    assert!(Opening::new(true, true).handle(&mut bytes.clone()).is_err());
    let mut opening = Opening::new(true, true);
    opening.handle_encrypted();
    assert!(matches!(opening.handle(&mut bytes), Ok(Opened::Startup(_))));
}

#[test]
fn cancel_keys_have_four_to_256_bytes() {
    for (length, fine) in [(0, false), (3, false), (4, true), (256, true), (257, false)] {
        let mut body = vec![0, 0, 0, 42];
        body.resize(4 + length, 7);
        let mut bytes = packet(1234 << 16 | 5678, &body);
        match Opening::new(false, true).handle(&mut bytes) {
            Ok(Opened::Cancel(request)) => {
                assert!(fine, "{length}");
                assert_eq!((request.process, request.secret.len()), (42, length));
            }
            other => assert!(!fine && other.is_err(), "{length}"),
        }
    }
}

proptest! {
    /// Any bytes, in any pieces: no panic, no wish for more than a packet, the same outcome.
    #[test]
    fn any_bytes_are_survived(
        bytes in prop_oneof![
            any::<Vec<u8>>(),
            // Sizes and versions that get further.
            (8u32..64, prop_oneof![Just(3u32 << 16), Just(80_877_102), Just(80_877_103), any::<u32>()],
                any::<Vec<u8>>())
                .prop_map(|(length, version, rest)| {
                    let mut out = length.to_be_bytes().to_vec();
                    out.extend(version.to_be_bytes());
                    out.extend(rest);
                    out
                }),
        ],
        tls in any::<bool>(),
    ) {
        let outcome = |pieces: usize| {
            let mut opening = Opening::new(tls, false);
            let mut buffer = BytesMut::new();
            let mut wanted = 0;
            for piece in bytes.chunks(pieces) {
                buffer.extend_from_slice(piece);
                match opening.handle(&mut buffer) {
                    Ok(Opened::Incomplete(length)) => {
                        assert!(length > buffer.len() && length <= MAX_STARTUP_LENGTH + 4);
                        wanted = length;
                    }
                    // What stands behind a request depends on how it was read.
                    Ok(Opened::RefuseEncryption | Opened::StartTls) => return "encryption".into(),
                    Err(report) if report.message.contains("unencrypted") => {
                        return "encryption".into();
                    }
                    other => return format!("{other:?}"),
                }
            }
            format!("incomplete {wanted}")
        };
        let whole = outcome(bytes.len().max(1));
        prop_assert_eq!(&whole, &outcome(1));
        prop_assert_eq!(&whole, &outcome(7));
    }
}
