//! The rows of an `INSERT … VALUES` of several shards become one `INSERT` for each.

use super::program::{Answer, Program};
use super::{Merge, Split};
use crate::id::{ShardId, Span};

impl Split {
    /// The statement in its parts: each shard gets the text with its own rows in place of all of them, and rows that come
    /// back stand in the order in which they were given.
    ///
    /// `rows` are the stretches of `text` with a row each, `homes` their shards. `None` when they do not fit together.
    ///
    /// Proof: an insertion of rows is the insertion of each of them, in order, and nothing in the statement is evaluated
    /// once for several rows (`insert::Row::together`). A conflict is with rows of the same key, hence of the same shard.
    pub fn program(&self, text: &str, rows: &[Span], homes: &[ShardId]) -> Option<Program> {
        let rows = match self.spans.is_empty() {
            true => rows,
            false => &self.spans,
        };
        let (first, last) = (rows.first()?, rows.last()?);
        if rows.len() != homes.len() {
            return None;
        }
        let before = text.get(..first.start as usize)?;
        let after = text.get(last.end as usize..)?;
        let mut texts: Vec<(ShardId, String)> = Vec::new();
        for (row, home) in rows.iter().zip(homes) {
            let row = text.get(row.start as usize..row.end as usize)?;
            match texts.iter_mut().find(|(shard, _)| shard == home) {
                Some((_, text)) => {
                    text.push_str(", ");
                    text.push_str(row);
                }
                None => texts.push((*home, format!("{before}{row}"))),
            }
        }
        texts.sort_by_key(|(shard, _)| *shard);
        for (_, text) in &mut texts {
            text.push_str(after);
        }
        Some(Program {
            unless: None,
            steps: Vec::new(),
            answer: Answer::Each {
                texts,
                merge: Merge::Interleaved(homes.to_vec()),
            },
            temporary: Vec::new(),
            writes: true,
        })
    }
}
