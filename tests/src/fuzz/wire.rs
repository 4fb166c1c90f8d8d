//! Bytes of a client that has not proven who it is, and frames.

use bytes::BytesMut;
use router_proxy::auth::{Exchange, Progress, Proof, Stored, Subject};
use router_proxy::settings::Secret;
use router_proxy::startup::{MAX_STARTUP_LENGTH, Opened, Opening};
use router_proxy::wire::frame::Header;
use router_proxy::wire::{backend, frontend};

use super::Bytes;

pub(super) const STARTUP: &[&str] = &[
    "\0\0\0\x08\x04\u{d2}\x16\x2f",
    "\0\0\0\x08",
    "\0\x03\0\0",
    "\0\x03\0\x02",
    "user\0",
    "app\0",
    "database\0",
    "shop\0",
    "options\0",
    "-c work_mem=1MB\0",
    "replication\0",
    "true\0",
    "_pq_.x\0",
    "\0",
    "\0\0\0\x10",
    "\x16\x03\x01",
];

pub(super) const SCRAM: &[&str] = &[
    "SCRAM-SHA-256\0",
    "SCRAM-SHA-256-PLUS\0",
    "\0\0\0\x20",
    "n,,",
    "y,,",
    "p=tls-server-end-point,,",
    "n=app,",
    "n=,",
    "r=",
    "fyko+d2lbbFgONRv9qkxdawL",
    "c=biws,",
    "c=",
    "p=",
    "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    ",",
    "=2C",
    "=",
    "a=x,",
    "m=x,",
    "md5",
    "secret",
];

/// In any pieces as a client's first packets, then as answers to a request for a password: no wish for more than a packet,
/// and nobody gets in.
pub(super) fn startup(input: &[u8]) {
    let mut bytes = Bytes(input);
    let tls = bytes.flag();
    let piece = 1 + usize::from(bytes.byte() % 16);
    let first = bytes.some(input.len() / 2);
    let mut opening = Opening::new(tls, false);
    let mut buffer = BytesMut::new();
    'packets: for piece in first.chunks(piece) {
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
    exchange(&mut bytes, tls, None);
}

/// Answers to a request for a password of somebody who is known.
pub(super) fn scram(input: &[u8]) {
    let mut bytes = Bytes(input);
    let tls = bytes.flag();
    // Deriving a verifier takes thousands of rounds of a hash: once is enough.
    thread_local! {
        static STORED: Stored = Stored::new(&Secret("a password that no input has".to_owned().into()));
    }
    STORED.with(|stored| exchange(&mut bytes, tls, Some(stored)));
}

fn exchange(bytes: &mut Bytes<'_>, tls: bool, stored: Option<&Stored>) {
    let proof = match bytes.byte() % 3 {
        0 => Proof::Password,
        1 => Proof::Md5,
        _ => Proof::Scram,
    };
    let subject = Subject {
        user: "app",
        stored,
        salt: [1; 16],
        unknown_prefers_scram: false,
        binding: tls.then_some(&[2; 32]),
        random: [3; 32],
    };
    let mut out = BytesMut::new();
    let mut exchange = Exchange::start(proof, &subject, &mut out);
    while !bytes.is_empty() {
        let length = usize::from(bytes.byte());
        let tag = if bytes.byte() == 0 {
            bytes.byte()
        } else {
            b'p'
        };
        let progress = exchange.handle(tag, bytes.some(length), &mut out);
        assert!(!matches!(progress, Ok(Progress::Proven)));
        assert!(out.len() < 1 << 16);
        if progress.is_err() {
            return;
        }
    }
}

/// Frames of either side: what is read of a body is inside of it.
pub(super) fn frames(input: &[u8]) {
    let mut rest = input;
    while let Ok(Some(header)) = Header::parse(rest) {
        let Some(body) = rest.get(5..header.frame_len()) else {
            return;
        };
        let _ = frontend::Parse::read(body);
        let _ = frontend::Bind::read(body);
        let _ = frontend::Named::read(body);
        let _ = frontend::Execute::read(body);
        let _ = backend::parameter_status(body);
        for field in [b'C', b'M', b'R', b'S'] {
            if let Some(value) = backend::error_field(body, field) {
                assert!(value.len() <= body.len());
            }
        }
        rest = &rest[header.frame_len()..];
    }
}
