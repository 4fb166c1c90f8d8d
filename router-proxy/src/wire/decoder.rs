//! Where messages begin and end in a stream of bytes.
//!
//! Nobody waits for a whole message: the header comes first, whoever decides
//! what happens to the message says how much of the body it must see, and the
//! rest passes (or is skipped) in whatever pieces it arrives. So the memory a
//! message takes depends on what is read of it and never on its length.

use super::frame::{FrameError, HEADER_LEN, Header};

/// The position in a stream: between two messages, or inside the body of one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder {
    rest: usize,
    forward: bool,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// This many bytes belong to the message under way.
    Body {
        /// How many of the bytes at hand.
        bytes: usize,
        /// Whether they go on to the other side.
        forward: bool,
    },
    /// A message begins.
    Message(Header),
    /// Nothing can be said before this many bytes are there.
    More(usize),
}

impl Decoder {
    /// What `bytes` begins with.
    pub fn next(&self, bytes: &[u8]) -> Result<Next, FrameError> {
        if self.rest > 0 {
            return Ok(match bytes.len() {
                0 => Next::More(1),
                n => Next::Body {
                    bytes: n.min(self.rest),
                    forward: self.forward,
                },
            });
        }
        Ok(match Header::parse(bytes)? {
            Some(header) => Next::Message(header),
            None => Next::More(HEADER_LEN),
        })
    }

    /// The message that begins here is decided: its remaining `rest` bytes pass or are skipped.
    pub fn begin(&mut self, rest: usize, forward: bool) {
        self.rest = rest;
        self.forward = forward;
    }

    /// That many bytes of the body are done with.
    pub fn advance(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.rest);
        self.rest -= bytes;
    }

    /// Whether a message is under way and goes to the other side: nothing else may be said there until it ends.
    pub fn is_forwarding(&self) -> bool {
        self.rest > 0 && self.forward
    }

    /// Whether a message is under way.
    pub fn is_inside(&self) -> bool {
        self.rest > 0
    }

    /// Whether `bytes` end with a message of this type, whole, and begin where this stands.
    pub fn ends_with(&self, tag: u8, bytes: &[u8]) -> bool {
        let mut at = self.rest;
        while let Some(left) = bytes.get(at..) {
            match Header::parse(left) {
                Ok(Some(header)) => {
                    at += header.frame_len();
                    if at == bytes.len() {
                        return header.tag == tag;
                    }
                }
                Ok(None) | Err(_) => return false,
            }
        }
        false
    }

    /// What is left of the message is skipped.
    pub fn skip_rest(&mut self) {
        self.forward = false;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `stream` in the pieces that `cuts` make, and gives back what was seen:
    /// each header, and the bytes that were forwarded.
    fn decode(stream: &[u8], cuts: &[usize]) -> (Vec<Header>, Vec<u8>) {
        let (mut headers, mut forwarded) = (Vec::new(), Vec::new());
        let (mut decoder, mut buffer) = (Decoder::default(), Vec::new());
        let mut borders: Vec<usize> = cuts.iter().map(|c| c % (stream.len() + 1)).collect();
        borders.extend([0, stream.len()]);
        borders.sort_unstable();
        for pair in borders.windows(2) {
            buffer.extend_from_slice(&stream[pair[0]..pair[1]]);
            loop {
                let taken = match decoder.next(&buffer).expect("valid stream") {
                    Next::More(_) => break,
                    Next::Body { bytes, forward } => {
                        decoder.advance(bytes);
                        if forward {
                            forwarded.extend_from_slice(&buffer[..bytes]);
                        }
                        bytes
                    }
                    Next::Message(header) => {
                        headers.push(header);
                        decoder.begin(header.body, header.tag.is_ascii_uppercase());
                        HEADER_LEN
                    }
                };
                buffer.drain(..taken);
            }
        }
        assert!(buffer.is_empty() && !decoder.is_inside());
        (headers, forwarded)
    }

    proptest! {
        #[test]
        fn any_split_decodes_alike(
            messages in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)), 1..12),
            cuts in prop::collection::vec(any::<usize>(), 0..30),
        ) {
            let mut stream = Vec::new();
            for (tag, body) in &messages {
                stream.extend_from_slice(&Header { tag: *tag, body: body.len() }.to_bytes());
                stream.extend_from_slice(body);
            }
            let whole = decode(&stream, &[]);
            prop_assert_eq!(whole.0.len(), messages.len());
            prop_assert_eq!(decode(&stream, &cuts), whole);
        }
    }

    #[test]
    fn impossible_lengths_are_errors() {
        let decoder = Decoder::default();
        assert!(decoder.next(&[b'Q', 0, 0, 0, 3]).is_err());
        assert!(decoder.next(&[b'Q', 0xff, 0xff, 0xff, 0xff]).is_err());
        assert_eq!(decoder.next(&[b'Q', 0, 0, 0]), Ok(Next::More(5)));
    }

    #[test]
    fn a_message_is_told_from_bytes_that_look_like_it() {
        let goodbye = [b'X', 0, 0, 0, 4];
        let mut decoder = Decoder::default();
        assert!(decoder.ends_with(b'X', &goodbye));
        assert!(decoder.ends_with(b'X', &[&b"Q\0\0\0\x05\0"[..], &goodbye].concat()));
        assert!(!decoder.ends_with(b'X', &[&b"Q\0"[..], &goodbye].concat()));
        assert!(!decoder.ends_with(b'X', b""));
        decoder.begin(2, true);
        assert!(decoder.ends_with(b'X', &[&b"ab"[..], &goodbye].concat()));
        assert!(!decoder.ends_with(b'X', &goodbye));
    }
}
