use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use proptest::prelude::*;

use super::*;

const NONCE: &str = "theirs";

fn verifier(password: &str) -> Verifier {
    Verifier::derive(password, b"sixteen of these")
}

/// Runs a whole exchange against another implementation of the client.
fn talk(
    password: &str,
    verifier: Verifier,
    doomed: bool,
    binding: ChannelBinding,
    mechanism: &str,
    offered: Option<&[u8]>,
) -> Result<(), String> {
    let said = |report: Report| format!("{}: {}", report.state, report.message);
    let mut client = ScramSha256::new(password.as_bytes(), binding);
    let machine =
        ExpectFirst::new(mechanism, verifier, doomed, offered.map(<[u8]>::to_vec)).map_err(said)?;
    let (machine, reply) = machine.handle(client.message(), NONCE).map_err(said)?;
    client
        .update(reply.as_bytes())
        .expect("the client takes our challenge");
    let last = machine
        .handle(client.message())
        .map_err(|failure| match failure {
            Failure::WrongPassword => "wrong password".to_owned(),
            Failure::Report(report) => said(report),
        })?;
    client
        .finish(last.as_bytes())
        .map_err(|error| error.to_string())
}

/// RFC 7677, section 3: user "user", password "pencil".
#[test]
fn rfc_7677_example() {
    let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let machine = ExpectFirst::new(MECHANISM, Verifier::derive("pencil", &salt), false, None);
    let (machine, reply) = machine
        .unwrap()
        .handle(
            b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        )
        .unwrap();
    assert_eq!(
        reply,
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
         s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    );
    let last = machine
        .handle(
            b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
              p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        )
        .unwrap();
    assert_eq!(last, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

/// The verifier that PostgreSQL makes of "pencil" with the RFC's salt.
#[test]
fn stored_verifier() {
    let text = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
                WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
                wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
    let stored = Verifier::parse(text).unwrap();
    let derived = Verifier::derive("pencil", &stored.salt);
    assert_eq!(stored.stored_key, derived.stored_key);
    assert_eq!(stored.server_key, derived.server_key);
    assert!(stored.verify_password("pencil"));
    assert!(!stored.verify_password("pencils"));
    for broken in [
        "SCRAM-SHA-256$0:W22Z$aa:bb",
        "SCRAM-SHA-256$4096:W22Z$WG5d:wfPL",
        "SCRAM-SHA-256$4096:W22Z",
        "SCRAM-SHA-1$4096:W22Z$WG5d:wfPL",
    ] {
        assert!(Verifier::parse(broken).is_none(), "{broken}");
    }
}

#[test]
fn exchange_with_another_client() {
    let none = ChannelBinding::unsupported;
    assert_eq!(
        talk("pw", verifier("pw"), false, none(), MECHANISM, None),
        Ok(())
    );
    let wrong = Err("wrong password".to_owned());
    assert_eq!(
        talk("pw", verifier("no"), false, none(), MECHANISM, None),
        wrong
    );
    // An unknown user fails even with the right password of the made-up verifier.
    assert_eq!(
        talk("pw", verifier("pw"), true, none(), MECHANISM, None),
        wrong
    );
    let mock = Verifier::mock([1; 16], [2; 32]);
    assert_eq!(talk("pw", mock, true, none(), MECHANISM, None), wrong);
}

#[test]
fn channel_binding() {
    let hash = b"hash of the certificate";
    let bound = |hash: &[u8]| ChannelBinding::tls_server_end_point(hash.to_vec());
    let run = |binding, mechanism, offered: Option<&[u8]>| {
        talk("pw", verifier("pw"), false, binding, mechanism, offered)
    };
    assert_eq!(run(bound(hash), MECHANISM_PLUS, Some(hash)), Ok(()));
    // Another certificate: somebody is in between.
    assert_eq!(
        run(bound(b"another"), MECHANISM_PLUS, Some(hash)),
        Err("28000: SCRAM channel binding check failed".into())
    );
    // The offer of -PLUS was taken out on the way.
    assert_eq!(
        run(ChannelBinding::unrequested(), MECHANISM, Some(hash)),
        Err("28000: SCRAM channel binding negotiation error".into())
    );
    assert_eq!(run(ChannelBinding::unrequested(), MECHANISM, None), Ok(()));
    assert_eq!(
        run(ChannelBinding::unsupported(), MECHANISM, Some(hash)),
        Ok(())
    );
    let malformed = Err("08P01: malformed SCRAM message".to_owned());
    assert_eq!(
        run(ChannelBinding::unsupported(), MECHANISM_PLUS, Some(hash)),
        malformed
    );
    assert_eq!(run(bound(hash), MECHANISM, Some(hash)), malformed);
    let mechanism =
        Err("08P01: client selected an invalid SASL authentication mechanism".to_owned());
    assert_eq!(run(bound(hash), MECHANISM_PLUS, None), mechanism);
    assert_eq!(
        run(ChannelBinding::unsupported(), "SCRAM-SHA-1", None),
        mechanism
    );
}

#[test]
fn first_message_is_checked() {
    for (message, state, text) in [
        ("", "08P01", "malformed SCRAM message"),
        ("n", "08P01", "malformed SCRAM message"),
        ("x,,n=,r=abc", "08P01", "malformed SCRAM message"),
        ("n,,r=abc", "08P01", "malformed SCRAM message"),
        ("n,,n=\0,r=abc", "08P01", "malformed SCRAM message"),
        (
            "n,,n=,r=",
            "08P01",
            "non-printable characters in SCRAM nonce",
        ),
        (
            "n,,n=,r=a\x7fb",
            "08P01",
            "non-printable characters in SCRAM nonce",
        ),
        (
            "n,a=me,n=,r=abc",
            "0A000",
            "client uses authorization identity, but it is not supported",
        ),
        (
            "n,,m=x,n=,r=abc",
            "0A000",
            "client requires an unsupported SCRAM extension",
        ),
    ] {
        let machine = ExpectFirst::new(MECHANISM, verifier("pw"), false, None).unwrap();
        let report = machine.handle(message.as_bytes(), NONCE).unwrap_err();
        assert_eq!(
            (report.state.as_str(), &*report.message),
            (state, text),
            "{message:?}"
        );
    }
}

#[test]
fn final_message_is_checked() {
    for (message, expected) in [
        ("c=biws,r=abctheirs", "malformed SCRAM message"),
        ("c=biws,r=abctheirs,p=AAAA", "malformed SCRAM message"),
        (
            "c=eSws,r=abctheirs,p=AAAA",
            "unexpected SCRAM channel-binding attribute in client-final-message",
        ),
        ("c=biws,r=abcother,p=AAAA", "invalid SCRAM response"),
        ("r=abctheirs,c=biws,p=AAAA", "malformed SCRAM message"),
    ] {
        let machine = ExpectFirst::new(MECHANISM, verifier("pw"), false, None).unwrap();
        let (machine, _) = machine.handle(b"n,,n=,r=abc", NONCE).unwrap();
        match machine.handle(message.as_bytes()) {
            Err(Failure::Report(report)) => assert_eq!(report.message, expected, "{message}"),
            other => panic!("{message}: {other:?}"),
        }
    }
}

proptest! {
    /// Whatever a stranger sends: an answer or an error, never a panic, never entry.
    #[test]
    fn any_message_is_survived(first in ".{0,64}", last in any::<Vec<u8>>()) {
        let mock = || Verifier::mock([1; 16], [2; 32]);
        let machine = ExpectFirst::new(MECHANISM, mock(), false, None).unwrap();
        let _ = machine.handle(first.as_bytes(), NONCE);
        let machine = ExpectFirst::new(MECHANISM, mock(), false, None).unwrap();
        let (machine, _) = machine.handle(b"n,,n=,r=abc", NONCE).unwrap();
        prop_assert!(machine.handle(&last).is_err());
    }
}
