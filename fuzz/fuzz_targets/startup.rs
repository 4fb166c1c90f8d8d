//! Any bytes, in any pieces, as a client's first packets and then as answers to a request for a
//! password: no panic, no wish for more than a packet, nobody gets in.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use router_proxy::auth::{Exchange, Proof, Subject};
use router_proxy::startup::{MAX_STARTUP_LENGTH, Opened, Opening};

fuzz_target!(|data: (bool, u8, &[u8], Vec<&[u8]>)| {
    let (tls, proof, first, answers) = data;
    let mut opening = Opening::new(tls, false);
    let mut buffer = BytesMut::new();
    'packets: for piece in first.chunks(7) {
        buffer.extend_from_slice(piece);
        loop {
            match opening.handle(&mut buffer) {
                Ok(Opened::Incomplete(length)) => {
                    assert!(length > buffer.len() && length <= MAX_STARTUP_LENGTH + 4);
                    break;
                }
                Ok(Opened::RefuseEncryption) => {}
                Ok(Opened::StartTls | Opened::StartDirectTls) => opening.handle_encrypted(),
                _ => break 'packets,
            }
        }
    }

    let proof = match proof % 3 {
        0 => Proof::Password,
        1 => Proof::Md5,
        _ => Proof::Scram,
    };
    let subject = Subject {
        user: "nobody",
        stored: None,
        salt: [1; 16],
        unknown_prefers_scram: false,
        binding: tls.then_some(&[2; 32]),
        random: [3; 32],
    };
    let mut out = BytesMut::new();
    let mut exchange = Exchange::start(proof, &subject, &mut out);
    for answer in answers {
        let progress = exchange.handle(b'p', answer, &mut out);
        assert_ne!(progress.ok(), Some(router_proxy::auth::Progress::Proven));
    }
});
