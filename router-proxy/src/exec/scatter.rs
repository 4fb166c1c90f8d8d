//! Concatenation: rows of one shard after those of another, and one tag for all.

use crate::wire::backend;

/// The tags of several shards, put together: the words of the first, the rows of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    words: Vec<u8>,
    rows: Option<u64>,
}

impl Tag {
    /// Takes in the body of a `CommandComplete`.
    pub fn add(&mut self, body: &[u8]) {
        let Some((words, rows)) = backend::command_tag(body) else {
            return;
        };
        if self.words.is_empty() {
            self.words.extend_from_slice(words);
        }
        self.rows = match (self.rows, rows) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
    }

    /// Whether nothing was taken in.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The body of the one `CommandComplete`.
    pub fn body(&self) -> Vec<u8> {
        self.with(self.rows)
    }

    /// The same, when so many rows were given, whatever the shards say.
    pub fn of_rows(&self, rows: u64) -> Vec<u8> {
        self.with(Some(rows))
    }

    fn with(&self, rows: Option<u64>) -> Vec<u8> {
        let mut body = self.words.clone();
        if let Some(rows) = rows {
            body.extend_from_slice(format!(" {rows}").as_bytes());
        }
        body.push(0);
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_summed_and_words_kept() {
        let mut tag = Tag::default();
        tag.add(b"INSERT 0 2\0");
        tag.add(b"INSERT 0 3\0");
        assert_eq!(tag.body(), b"INSERT 0 5\0");
        let mut tag = Tag::default();
        tag.add(b"COMMIT\0");
        tag.add(b"COMMIT\0");
        assert_eq!(tag.body(), b"COMMIT\0");
    }
}
