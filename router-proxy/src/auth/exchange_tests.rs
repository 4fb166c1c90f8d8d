use bytes::BufMut;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};

use super::*;
use crate::settings::Secret;

fn stored(text: &str) -> Stored {
    Stored::new(&Secret(text.to_owned().into()))
}

fn subject(stored: Option<&Stored>) -> Subject<'_> {
    Subject {
        user: "app",
        stored,
        salt: *b"a salt for tests",
        unknown_prefers_scram: false,
        binding: None,
        random: [9; 32],
    }
}

/// The outcome: what was asked for, and the error if any.
fn talk(proof: Proof, stored: Option<&Stored>, password: &str) -> (u8, Result<(), String>) {
    let mut out = BytesMut::new();
    let mut exchange = Exchange::start(proof, &subject(stored), &mut out);
    let kind = out[8];
    let outcome = match kind {
        3 => exchange.handle(
            b'p',
            format!("{password}\0").as_bytes(),
            &mut BytesMut::new(),
        ),
        5 => {
            let salt = out[9..13].try_into().unwrap();
            exchange.handle(
                b'p',
                format!("{}\0", md5_hash(b"app", password.as_bytes(), salt)).as_bytes(),
                &mut BytesMut::new(),
            )
        }
        _ => scram(&mut exchange, password),
    };
    let outcome = outcome.map_err(|report| format!("{}: {}", report.state, report.message));
    (
        kind,
        outcome.map(|progress| assert_eq!(progress, Progress::Proven)),
    )
}

fn scram(exchange: &mut Exchange, password: &str) -> Result<Progress, Report> {
    let mut client = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
    let mut first = BytesMut::from(&b"SCRAM-SHA-256\0"[..]);
    first.put_u32(client.message().len() as u32);
    first.put_slice(client.message());
    let mut out = BytesMut::new();
    exchange.handle(b'p', &first, &mut out)?;
    client.update(&out[9..]).unwrap();
    out.clear();
    let progress = exchange.handle(b'p', client.message(), &mut out)?;
    client.finish(&out[9..]).unwrap();
    Ok(progress)
}

#[test]
fn every_proof_of_every_form() {
    let clear = stored("pw");
    // md5('pw' || 'app')
    let hashed = stored(&format!("md5{}", *md5_hex(&[b"pw", b"app"])));
    assert!(hashed.is_md5());
    let verifier = scram::Verifier::derive("pw", b"salt");
    let scrammed = stored(&verifier.to_text());
    assert!(scrammed.md5("app").is_none());
    let wrong = || Err("28P01: password authentication failed for user \"app\"".to_owned());
    for (proof, form, kind, right) in [
        (Proof::Password, Some(&clear), 3, Ok(())),
        (Proof::Password, Some(&hashed), 3, Ok(())),
        (Proof::Password, Some(&scrammed), 3, Ok(())),
        (Proof::Password, None, 3, wrong()),
        (Proof::Md5, Some(&clear), 5, Ok(())),
        (Proof::Md5, Some(&hashed), 5, Ok(())),
        (Proof::Md5, Some(&scrammed), 10, Ok(())),
        (Proof::Md5, None, 5, wrong()),
        (Proof::Scram, Some(&clear), 10, Ok(())),
        (Proof::Scram, Some(&hashed), 10, wrong()),
        (Proof::Scram, Some(&scrammed), 10, Ok(())),
        (Proof::Scram, None, 10, wrong()),
    ] {
        assert_eq!(talk(proof, form, "pw"), (kind, right), "{proof:?} {form:?}");
        assert_eq!(
            talk(proof, form, "no"),
            (kind, wrong()),
            "{proof:?} {form:?}"
        );
    }
}

#[test]
fn out_of_turn() {
    for proof in [Proof::Password, Proof::Md5, Proof::Scram] {
        let start = || Exchange::start(proof, &subject(None), &mut BytesMut::new());
        let report = start()
            .handle(b'Q', b"SELECT 1\0", &mut BytesMut::new())
            .unwrap_err();
        assert_eq!(report.state.as_str(), "08P01");
        assert!(report.message.contains("response, got message type 81"));
        for body in [
            &b""[..],
            b"no end",
            b"in\0side\0",
            b"SCRAM-SHA-256\0\xff\xff",
        ] {
            let mut exchange = start();
            assert!(
                exchange.handle(b'p', body, &mut BytesMut::new()).is_err(),
                "{proof:?}"
            );
            assert!(
                exchange
                    .handle(b'p', b"pw\0", &mut BytesMut::new())
                    .is_err(),
                "it is over"
            );
        }
    }
    let mut exchange = Exchange::start(Proof::Password, &subject(None), &mut BytesMut::new());
    let report = exchange
        .handle(b'p', b"\0", &mut BytesMut::new())
        .unwrap_err();
    assert_eq!(report.message, "empty password returned by client");
}

/// A client may send its first message after the mechanism, as RFC 4422 has it.
#[test]
fn mechanism_alone() {
    let clear = stored("pw");
    let mut exchange = Exchange::start(Proof::Scram, &subject(Some(&clear)), &mut BytesMut::new());
    let mut out = BytesMut::new();
    let body = b"SCRAM-SHA-256\0\xff\xff\xff\xff";
    assert_eq!(
        exchange.handle(b'p', body, &mut out).unwrap(),
        Progress::Continue
    );
    assert_eq!(&out[..], b"R\0\0\0\x08\0\0\0\x0b");
    let mut client = ScramSha256::new(b"pw", ChannelBinding::unsupported());
    out.clear();
    exchange.handle(b'p', client.message(), &mut out).unwrap();
    client.update(&out[9..]).unwrap();
    let progress = exchange.handle(b'p', client.message(), &mut out).unwrap();
    assert_eq!(progress, Progress::Proven);
}
