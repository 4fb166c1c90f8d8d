//! What the client asked for last, kept for the log of slow queries.

use std::sync::Arc;

use router_core::sql::readable::readable;

use crate::server::prepared::Prepared;

/// What the client asked last, for the log of slow statements. Kept only while somebody wants it.
#[derive(Debug, Default)]
pub(super) struct Asked {
    wanted: bool,
    /// Of a simple query, as far as it is kept.
    text: Vec<u8>,
    /// Of the extended protocol.
    prepared: Option<Arc<Prepared>>,
}

/// As much of a text is kept for the log.
pub(super) const LONGEST_ASKED: usize = 8 << 10;

use super::Session;

impl Session {
    /// Whether what is asked is kept, so that [`Session::asked`] can show it.
    pub fn keep_asked(&mut self, wanted: bool) {
        self.asked = Asked {
            wanted,
            ..Asked::default()
        };
    }

    /// The shape of what was asked last; empty where nobody has read it.
    pub fn asked(&self) -> String {
        let text = match &self.asked.prepared {
            Some(prepared) => &prepared.text[..],
            None => &self.asked.text,
        };
        let text = &text[..text.len().min(LONGEST_ASKED)];
        let options = router_core::sql::lexer::Options {
            standard_conforming_strings: self.standard_strings(),
        };
        // What is cut off within a character is cut off before it.
        let valid = match str::from_utf8(text) {
            Ok(text) => text,
            Err(error) => str::from_utf8(&text[..error.valid_up_to()]).unwrap_or(""),
        };
        readable(valid, options)
    }

    pub(super) fn note_asked(&mut self, text: &[u8]) {
        if self.asked.wanted {
            self.asked.prepared = None;
            self.asked.text.clear();
            let kept = text.len().min(LONGEST_ASKED);
            self.asked.text.extend_from_slice(&text[..kept]);
        }
    }

    pub(super) fn note_bound(&mut self, prepared: &Arc<Prepared>) {
        if self.asked.wanted {
            self.asked.prepared = Some(Arc::clone(prepared));
        }
    }
}
