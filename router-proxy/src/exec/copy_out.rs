//! Streams of `COPY … TO STDOUT` of several shards as one.
//!
//! PostgreSQL sends a message per row, and the header line of text and CSV as a message of its own. The header of the
//! binary format is at the front of the first row, or of the trailer where there is no row (`copyto.c`).

use router_core::plan::CopyOut;

use super::{Stage, Take};
use crate::wire::frontend as f;

/// The signature, no flags, no extension.
const BINARY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What stands where another row would: a count of -1.
const BINARY_TRAILER: &[u8] = &[0xff, 0xff];

/// How far the streams are.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    kind: CopyOut,
    /// Which shards have sent something.
    begun: Vec<bool>,
}

impl Streams {
    pub(super) fn new(kind: CopyOut, shards: usize) -> Self {
        Self {
            kind,
            begun: vec![false; shards],
        }
    }

    /// What becomes of the next message of data of a shard whose turn it is, once the client has room for it.
    pub(super) fn data(&mut self, stage: &mut Stage<'_>, at: usize, length: usize) -> Take {
        let (first, last) = (at == 0, at + 1 == self.begun.len());
        let begun = std::mem::replace(&mut self.begun[at], true);
        match self.kind {
            CopyOut::Rows => Take::Client,
            CopyOut::Header if begun || first => Take::Client,
            CopyOut::Header => Take::Skip,
            // A row has a length for each of its columns, and there is one at least.
            CopyOut::Binary if begun && length == BINARY_TRAILER.len() && !last => Take::Skip,
            CopyOut::Binary if begun => Take::Client,
            CopyOut::Binary => {
                let bare = length == BINARY_HEADER.len() + BINARY_TRAILER.len();
                match (first, last) {
                    (true, true) => Take::Client,
                    (true, false) if bare => {
                        stage.say(f::COPY_DATA, &[BINARY_HEADER]);
                        Take::Skip
                    }
                    (true, false) => Take::Client,
                    (false, false) if bare => Take::Skip,
                    (false, _) => Take::ClientWithout(BINARY_HEADER.len()),
                }
            }
        }
    }
}
