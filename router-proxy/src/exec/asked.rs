//! The answer of a program: who is asked for it, and how the client gets it.

use std::collections::VecDeque;

use super::adding::Adding;
use super::copy_out::Streams;
use super::merging::Merging;
use super::scatter;

/// The answer: who is asked what, and how the client gets it.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// Parts, each with its text, in order.
    pub(super) parts: Vec<(usize, String)>,
    /// Which of them have answered.
    pub(super) ended: Vec<bool>,
    /// One's answer stands for all.
    pub(super) copies: bool,
    /// Whose notices the client hears of then.
    pub(super) speaker: usize,
    /// They are asked one after the other, and what one has done is not undone when the next one fails.
    pub(super) one_by_one: bool,
    /// Whose row is the next, as far as that is known.
    pub(super) turns: VecDeque<usize>,
    /// Rows that come before their turn, where a shard is asked only when the one before it has answered.
    pub(super) early: Option<Early>,
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
    /// The client has seen something of it.
    pub(super) told: bool,
    /// What was said of it: the body of a `RowDescription`.
    pub(super) columns: Option<Vec<u8>>,
}

/// Rows that are kept until all parts have answered: those that an `INSERT` returns.
#[derive(Clone, Debug)]
pub(super) struct Early {
    /// Of each part.
    rows: Vec<VecDeque<Vec<u8>>>,
    /// How many bytes more may be kept.
    room: usize,
}

impl Early {
    /// Most bytes that are kept.
    pub(super) const ROOM: usize = 16 << 20;

    pub(super) fn new(parts: usize) -> Self {
        Self {
            rows: vec![VecDeque::new(); parts],
            room: Self::ROOM,
        }
    }

    /// Whether there is room for a row of so many bytes, which is about to come.
    pub(super) fn has_room(&mut self, bytes: usize) -> bool {
        let left = self.room.checked_sub(bytes);
        self.room = left.unwrap_or(0);
        left.is_some()
    }

    pub(super) fn keep(&mut self, at: usize, row: &[u8]) {
        self.rows[at].push_back(row.to_vec());
    }

    /// All rows: first those of the parts whose turns these are, then what is left of each.
    pub(super) fn in_order(mut self, turns: VecDeque<usize>) -> Vec<Vec<u8>> {
        let next = turns.into_iter();
        let mut rows: Vec<_> = next.filter_map(|at| self.rows[at].pop_front()).collect();
        rows.extend(self.rows.into_iter().flatten());
        rows
    }
}

impl Asked {
    /// Where a part stands among those that answer.
    pub(super) fn position(&self, part: usize) -> usize {
        let asked = self.parts.iter().position(|(asked, _)| *asked == part);
        asked.unwrap_or(0)
    }

    /// Whose notices stand for all: where each is told of what it has, those of the one that is told most.
    pub(super) fn fullest(&self) -> usize {
        // Of several the first.
        let parts = self.parts.iter().rev();
        parts.max_by_key(|(_, text)| text.len()).map_or(0, |p| p.0)
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
