//! Reading the fields of a body in order.

/// A position in a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// At the start of `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// The next `n` bytes.
    pub(crate) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.bytes.split_at_checked(n)?;
        self.bytes = rest;
        Some(head)
    }

    /// A string up to its zero byte.
    pub(crate) fn cstr(&mut self) -> Option<&'a [u8]> {
        // Most names are empty.
        let end = match self.bytes.first()? {
            0 => 0,
            _ => memchr::memchr(0, self.bytes)?,
        };
        let text = &self.bytes[..end];
        self.bytes = &self.bytes[end + 1..];
        Some(text)
    }

    /// A 16-bit number.
    pub(crate) fn u16(&mut self) -> Option<u16> {
        let (head, rest) = self.bytes.split_first_chunk::<2>()?;
        self.bytes = rest;
        Some(u16::from_be_bytes(*head))
    }

    /// A signed 32-bit number.
    pub(crate) fn i32(&mut self) -> Option<i32> {
        let (head, rest) = self.bytes.split_first_chunk::<4>()?;
        self.bytes = rest;
        Some(i32::from_be_bytes(*head))
    }
}
