//! What one server is told of a program, in order, and what it still has to answer.

use std::collections::VecDeque;

use super::program::moment::Moment;

/// Something to tell a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// All queries that follow are bound.
    Look,
    /// A statement of the program's own, about transaction or tables.
    Own(String),
    /// The end of the program's own transaction.
    End(&'static str),
    /// A text whose rows are for nobody.
    Run(String),
    /// The rows of this text are to be moved.
    Source(usize, String),
    /// The rows of this are kept for the answer.
    Fetch(usize),
    /// The columns that the client is told of.
    Columns,
    /// Rows are moved into this table.
    Copy(usize, String),
    /// A text whose rows are shown to the client, and its place among those.
    Show(usize, String),
    /// The columns of the answer have to be known.
    Describe,
    /// The answer.
    Answer,
}

impl Command {
    /// Whether it reads rows of tables.
    pub(super) fn is_query(&self) -> bool {
        matches!(self, Self::Source(..) | Self::Fetch(_))
    }
}

/// What a server is at, from a command to its `ReadyForQuery`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// It says as of which moment queries are bound.
    Look,
    /// Nothing that anybody looks at.
    Own,
    /// Its rows are moved.
    Source(usize),
    /// Its rows are kept.
    Fetch(usize),
    /// It describes the client's own statement.
    Columns,
    /// It takes rows.
    Copy(usize),
    /// Its rows are shown.
    Show(usize),
    /// It describes the answer.
    Describe,
    /// It answers.
    Answer,
}

/// One server's part of a program.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    /// What it has not been told, each with its step.
    pub(super) waiting: VecDeque<(usize, Command)>,
    /// What it has been told, each with its step.
    pub(super) doing: VecDeque<(usize, Doing)>,
    /// It takes the rows of this move; it can be told nothing else before they have ended.
    pub(super) copying: Option<usize>,
    /// Its queries are read as of one moment.
    pub(super) moment: Option<Moment>,
    /// It is in a transaction of the program's own.
    pub(super) begun: bool,
}

impl Line {
    pub(super) fn will(&mut self, step: usize, command: Command) {
        self.waiting.push_back((step, command));
    }

    /// What it is at.
    pub(super) fn now(&self) -> Option<Doing> {
        self.doing.front().map(|(_, doing)| *doing)
    }

    /// The first step of which something is left to do.
    pub(super) fn step(&self) -> Option<usize> {
        let step = self.doing.front().map(|(step, _)| *step);
        step.or_else(|| self.waiting.front().map(|(step, _)| *step))
    }
}
