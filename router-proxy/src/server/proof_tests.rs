use base64::Engine;
use bytes::BufMut;

use super::*;
use crate::auth::scram::{ExpectFirst, Verifier};
use crate::settings::TlsMode;

fn address(password: Option<&str>) -> ServerAddress {
    ServerAddress {
        host: "localhost".into(),
        port: 5432,
        database: "shop".into(),
        user: "app".into(),
        password: password.map(|text| Secret(text.to_owned().into())),
        tls: TlsMode::Require,
        root_cert: None,
        client_cert: None,
    }
}

fn message(kind: u32, data: &[u8]) -> BytesMut {
    let mut body = BytesMut::new();
    body.put_u32(kind);
    body.put_slice(data);
    body
}

const BOTH: &[u8] = b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";
const PLAIN: &[u8] = b"SCRAM-SHA-256\0\0";

/// Mechanism and flag with which the proxy answers an offer.
fn answer(offer: &[u8], binding: Option<&[u8]>) -> String {
    let address = address(Some("pw"));
    let encrypted = binding.is_some();
    let mut prover = Prover::new(&address, encrypted, binding.map(<[u8]>::to_vec));
    let mut out = BytesMut::new();
    prover.handle(&message(10, offer), &mut out).unwrap();
    let text = String::from_utf8_lossy(&out[5..]).into_owned();
    let mechanism = text.split('\0').next().unwrap().to_owned();
    let flag = text.rsplit('\0').next().unwrap().to_owned();
    let flag = flag.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    format!("{mechanism} {}", flag.split(',').next().unwrap())
}

#[test]
fn channel_binding_is_used_where_it_can_be() {
    assert_eq!(
        answer(BOTH, Some(b"hash")),
        "SCRAM-SHA-256-PLUS p=tls-server-end-point"
    );
    // We could bind and are not offered it: said so, lest somebody took the offer away.
    assert_eq!(answer(PLAIN, Some(b"hash")), "SCRAM-SHA-256 y");
    assert_eq!(answer(PLAIN, None), "SCRAM-SHA-256 n");
}

/// A server that does not know the password cannot cut the exchange short.
#[test]
fn the_server_proves_itself_too() {
    let address = address(Some("pw"));
    let mut out = BytesMut::new();
    let started = |out: &mut BytesMut| {
        let mut prover = Prover::new(&address, false, None);
        prover.handle(&message(10, PLAIN), out).unwrap();
        prover
    };
    let ok = message(0, b"");
    assert!(matches!(
        started(&mut out).handle(&ok, &mut out),
        Err(ProofError::Protocol)
    ));

    out.clear();
    let mut prover = started(&mut out);
    let first = &out[out
        .iter()
        .rposition(|byte| *byte == 0)
        .map_or(0, |at| at + 2)..];
    let verifier = Verifier::derive("pw", b"salt");
    let machine = ExpectFirst::new(MECHANISM, verifier, false, None).unwrap();
    let (_, challenge) = machine.handle(first, "nonce").unwrap();
    prover
        .handle(&message(11, challenge.as_bytes()), &mut out)
        .unwrap();
    let forged = base64::engine::general_purpose::STANDARD.encode([7; 32]);
    let forged = message(12, format!("v={forged}").as_bytes());
    assert!(matches!(
        prover.handle(&forged, &mut out),
        Err(ProofError::Scram(_))
    ));
    assert!(prover.handle(&ok, &mut out).is_err());
}

#[test]
fn what_cannot_be_proven_is_said() {
    let mut out = BytesMut::new();
    let nobody = address(None);
    for kind in [3, 5, 10] {
        let data: &[u8] = match kind {
            5 => b"salt",
            10 => PLAIN,
            _ => b"",
        };
        let error = Prover::new(&nobody, false, None).handle(&message(kind, data), &mut out);
        assert!(matches!(error, Err(ProofError::NoPassword(_))), "{kind}");
    }
    for (kind, data, expected) in [
        (7, &b""[..], "GSSAPI"),
        (9, b"", "SSPI"),
        (2, b"", "Kerberos"),
        (10, b"OAUTHBEARER\0\0", "SASL"),
    ] {
        let address = address(Some("pw"));
        let error = Prover::new(&address, false, None).handle(&message(kind, data), &mut out);
        assert!(error.unwrap_err().to_string().contains(expected));
    }
}
