//! Whole small messages, read one by one, before a session takes over.

use std::io;

use bytes::{Buf, BytesMut};

use crate::tls::Socket;

/// Room for several small messages in one read.
const READ_AHEAD: usize = 512;

/// Waits for a whole message at the front of `input` and takes its head off:
/// gives its tag and the length of the body, which is then the front.
///
/// `InvalidData` when the body is longer than `limit`; `UnexpectedEof` at the end.
pub async fn read_message(
    socket: &mut Socket,
    input: &mut BytesMut,
    limit: usize,
) -> io::Result<(u8, usize)> {
    loop {
        let mut wanted = 5;
        if let Some(&[tag, a, b, c, d]) = input.first_chunk::<5>() {
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            if !(4..=limit + 4).contains(&length) {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "invalid message length",
                ));
            }
            wanted = 1 + length;
            if input.len() >= wanted {
                input.advance(5);
                return Ok((tag, length - 4));
            }
        }
        input.reserve((wanted - input.len()).max(READ_AHEAD));
        if socket.read_buf(input).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
