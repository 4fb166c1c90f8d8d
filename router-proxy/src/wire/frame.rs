//! The border of a message: one byte of type, four bytes of length.

/// Bytes before the body: the type and the length.
pub const HEADER_LEN: usize = 5;

/// The longest body that PostgreSQL accepts (`PQ_LARGE_MESSAGE_LIMIT`, one byte less than 1 GiB), rounded up.
pub const MAX_BODY: usize = 1 << 30;

/// The header of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The type of the message.
    pub tag: u8,
    /// Bytes after the header.
    pub body: usize,
}

impl Header {
    /// The whole message, header included.
    pub fn frame_len(self) -> usize {
        HEADER_LEN + self.body
    }

    /// Reads a header from the beginning of `bytes`; `None` when it is not all there yet.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        let Some((head, _)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        // The length counts itself and not the type.
        match length.checked_sub(4) {
            Some(body) if body <= MAX_BODY => Ok(Some(Self { tag: head[0], body })),
            _ => Err(FrameError {
                tag: head[0],
                length,
            }),
        }
    }

    /// The five bytes.
    pub fn to_bytes(self) -> [u8; HEADER_LEN] {
        let [a, b, c, d] = ((self.body + 4) as u32).to_be_bytes();
        [self.tag, a, b, c, d]
    }
}

/// A length that no message can have. Nothing after it can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid message length {length} in a message of type {:?}", char::from(*.tag))]
pub struct FrameError {
    /// The type that came with it.
    pub tag: u8,
    /// What was declared.
    pub length: usize,
}
