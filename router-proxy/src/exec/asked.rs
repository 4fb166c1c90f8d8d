//! The answer of a program: who is asked for it, and how the client gets it.

use std::collections::VecDeque;

use super::adding::Adding;
use super::copy_out::Streams;
use super::merging::Merging;
use super::scatter;

/// The answer: who is asked what, and how the client gets it.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Parts, each with its text, in order.
    pub(super) parts: Vec<(usize, String)>,
    /// Which of them have answered.
    pub(super) ended: Vec<bool>,
    /// One's answer stands for all.
    pub(super) copies: bool,
    /// They are asked one after the other, and what one has done is not undone when the next one fails.
    pub(super) one_by_one: bool,
    /// Whose row is the next, as far as that is known.
    pub(super) turns: VecDeque<usize>,
    pub(super) merging: Option<Merging>,
    pub(super) adding: Option<Adding>,
    /// It is a `COPY … TO STDOUT`.
    pub(super) streams: Option<Streams>,
    /// The client was told that data of a `COPY` follows.
    pub(super) copies_out: bool,
    pub(super) tag: scatter::Tag,
    /// The text that says what the columns are, if the answer's own does not.
    pub(super) like: Option<String>,
    /// The client knows what the columns are: no row goes there before.
    pub(super) described: bool,
    /// What was said of it: the body of a `RowDescription`.
    pub(super) columns: Option<Vec<u8>>,
}

impl Asked {
    /// Where a part stands among those that answer.
    pub(super) fn position(&self, part: usize) -> usize {
        let asked = self.parts.iter().position(|(asked, _)| *asked == part);
        asked.unwrap_or(0)
    }

    /// Whose row is the next.
    pub(super) fn turn(&mut self) -> Option<usize> {
        while let Some(&next) = self.turns.front() {
            if !self.ended[next] {
                return Some(next);
            }
            self.turns.pop_front();
        }
        self.ended.iter().position(|ended| !ended)
    }
}
