//! The end of a transaction over several shards that is not to be committed.

use std::task::Poll;

use bytes::BytesMut;

use super::{Operation, Outcome, Stage, Take};
use crate::wire::encode::Report;
use crate::wire::frame::{HEADER_LEN, Header};

/// Rolls back on all parts. What they say to that is for nobody: whoever cannot answer has nothing left to undo.
#[derive(Debug)]
pub(crate) struct Undoing {
    parts: usize,
    told: bool,
    /// Each server skips everything until a `Sync`, or may.
    sync: bool,
    /// What the client is told.
    error: Option<Vec<u8>>,
}

impl Undoing {
    /// After an error in a pipeline; `unheard` is one of which the client does not know.
    pub(crate) fn after_pipeline(parts: usize, unheard: Option<&Report>) -> Self {
        Self {
            parts,
            told: false,
            sync: true,
            error: unheard.map(body_of),
        }
    }

    /// Because it cannot be committed.
    pub(crate) fn because(report: &Report, parts: usize) -> Self {
        Self {
            parts,
            told: false,
            sync: false,
            error: Some(body_of(report)),
        }
    }
}

fn body_of(report: &Report) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    report.encode(&mut bytes);
    bytes[HEADER_LEN..].to_vec()
}

impl Operation for Undoing {
    fn poll(&mut self, stage: &mut Stage<'_>) -> Poll<Outcome> {
        if !std::mem::replace(&mut self.told, true) {
            for part in 0..self.parts {
                if self.sync {
                    stage.sync(part);
                }
                stage.query(part, "ROLLBACK");
            }
        }
        if !stage.all_settled() {
            return Poll::Pending;
        }
        Poll::Ready(self.error.take().map_or(Outcome::Done, Outcome::Failed))
    }

    fn reply(&mut self, _stage: &mut Stage<'_>, _part: usize, _header: Header) -> Take {
        Take::Skip
    }

    fn failed(&mut self, _stage: &mut Stage<'_>, _part: usize, _error: &[u8]) {}
}
