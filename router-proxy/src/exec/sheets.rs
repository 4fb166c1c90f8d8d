//! What is shown of a program's steps.

/// What is shown of a program's steps: sheets of rows, one after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Sheets {
    titles: Vec<String>,
    /// Whose turn it is.
    at: usize,
    /// The client has the title of that one.
    begun: bool,
}

impl Sheets {
    pub(super) fn add(&mut self, shard: &str, what: &str) -> usize {
        self.titles.push(match what {
            "" => format!("Shard \"{shard}\":"),
            what => format!("Shard \"{shard}\", {what}:"),
        });
        self.titles.len() - 1
    }

    pub(super) fn is_turn(&self, sheet: usize) -> bool {
        self.at == sheet
    }

    /// The title of the sheet whose turn it is, once.
    pub(super) fn title(&mut self) -> Option<&str> {
        if std::mem::replace(&mut self.begun, true) {
            return None;
        }
        self.titles.get(self.at).map(String::as_str)
    }

    /// Whether all of them have been shown.
    pub(super) fn is_over(&self) -> bool {
        self.at == self.titles.len()
    }

    pub(super) fn next(&mut self) {
        self.at += 1;
        self.begun = false;
    }
}
