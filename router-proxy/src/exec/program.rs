//! A statement in steps: the interpreter of `Route::Program`. `preparing` makes the list of what each server is told,
//! `telling` tells them, `answering` is what the client sees.
//!
//! `Execution::new` turns the program and the values of one execution into what each server is told, in order. Every
//! text goes by the extended protocol, with the client's own parameters, and ends with a `Sync` of its own. A server
//! is told everything at once that does not depend on another one: the scratch server makes its tables while the
//! others' queries run already, and the answer is asked for behind the last row. Where the program writes, a step waits
//! for the one before it, and so does a shard for the shard before it: two clients that change the same rows of several
//! shards, or the same table, meet on the first of them, as they would on one server. Locks that they got on different
//! shards, each waiting for the other, are a deadlock that no server sees.
//!
//! Temporary tables live in a transaction that is rolled back once the answer is there, so they are never committed,
//! whatever goes wrong. Inside the client's own transaction they are dropped behind the answer instead of rolled back
//! to a savepoint: the answer may have changed rows. An error leaves that transaction failed, and with it the tables.
//!
//! Few rows take another way: they are kept here until all have come, and go out as parameters of the answer's text
//! (`fetching`). Nothing is made for them, so no transaction is needed either. When they turn out to be too many, they are
//! forgotten, and the program for that case takes over, on connections that were there from the start: nothing was said
//! to the client until then, and nothing but read.
//!
//! Outside a transaction every server reads in one `REPEATABLE READ` transaction: the moves of one statement see one
//! snapshot of each shard, as they would see one snapshot of one server. Inside a transaction at `READ COMMITTED` `moment`
//! sees to that.

mod answering;
pub(super) mod moment;
mod preparing;
mod telling;

use std::task::Poll;

use router_core::plan::resolve::Values;
use router_core::plan::{Effect, Program, Reason, Refusal, Turn};
use router_core::topology::{ShardSet, Topology};

use super::asked::Asked;
use super::blocks;
use super::columns::Formats;
use super::fetching::{Fetching, Room};
use super::line::{Command, Doing, Line};
use super::merging::Merging;
use super::moving::Moving;
use super::sheets::Sheets;
use super::{Operation, Outcome, Stage, Take, Wanted, precedes};
use crate::session::Role;
use crate::settings::GatherLimits;
use crate::wire::backend as b;
use crate::wire::encode::Report;
use crate::wire::frame::Header;
use crate::wire::frontend as f;

/// The portal of a program's texts. The client's own portals are none of its business.
const PORTAL: &[u8] = b"shunt\0";

/// A change that somebody else overtakes again and again is given up after so many times. PostgreSQL would never; with three
/// clients at the same rows twenty were too few on a busy machine.
const MOST_TRIES: u32 = 100;

/// What an execution runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Within<'a> {
    /// No transaction.
    None,
    /// The client's.
    Transaction,
    /// The client's, where no table can be made: those are on connections of their own, which are told this about
    /// the client's session.
    ReadOnly(&'a str),
}

/// The client's parameters, and how it wants its answer.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    /// Number of parameter types and the types, as in a `Parse`.
    pub(crate) types: Vec<u8>,
    /// The parameters with their formats, as in a `Bind`.
    pub(crate) params: Vec<u8>,
    /// The formats of the answer.
    pub(crate) formats: Formats,
    /// Whether the client is told what the columns are.
    pub(crate) describe: bool,
}

impl Bound {
    /// Of the simple protocol.
    pub(crate) fn simple() -> Self {
        Self {
            types: vec![0, 0],
            params: vec![0; 4],
            formats: Formats::text(),
            describe: true,
        }
    }
}

/// What an execution depends on beside the program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) topology: &'a Topology,
    pub(crate) values: &'a Values<'a>,
    /// Which servers rows may be read from.
    pub(crate) reads: Role,
    /// What the statement does.
    pub(crate) effect: Effect,
    /// The reference tables that nobody else may change at the same time.
    pub(crate) turns: &'a [Turn],
    pub(crate) within: Within<'a>,
    /// Whether each query of the transaction under way has a snapshot of its own.
    pub(crate) by_query: bool,
    pub(crate) limits: GatherLimits,
    /// Its tables stay until the transaction ends.
    pub(crate) keeps: bool,
    /// What is shown of its steps are documents, not lines.
    pub(crate) documents: bool,
}

/// One execution of a program.
#[derive(Clone, Debug)]
pub(crate) struct Execution {
    wanted: Vec<Wanted>,
    lines: Vec<Line>,
    moves: Vec<Moving>,
    fetches: Vec<Fetching>,
    /// What may yet be fetched.
    room: Room,
    /// More came than there was room for.
    overfull: bool,
    /// What is done then.
    otherwise: Option<Box<Execution>>,
    bound: Bound,
    answer: Asked,
    /// A step waits for the one before it.
    strict: bool,
    /// It changes rows by what it has read of tables before: all of that has to be of one moment.
    of_one_moment: bool,
    /// See [`Execution::repeat_when_overtaken`].
    repeats: bool,
    /// And of one step a shard for the shard before it.
    in_order: bool,
    /// Copies of a reference table are changed: each has to say the same.
    alike: bool,
    /// Numbers between two steps: one for each shard.
    stride: usize,
    /// The same before anything of it was told, where it is carried out again when somebody else was faster.
    again: Option<Box<Execution>>,
    /// How many times it was.
    tries: u32,
    /// Rows and bytes that may yet be moved.
    left: GatherLimits,
    limits: GatherLimits,
    failure: Option<Vec<u8>>,
    /// The name of each part's shard.
    names: Vec<String>,
    /// Where its temporary tables are.
    benches: ShardSet,
    shown: Sheets,
    /// Each of them is one document: nothing may stand between.
    documents: bool,
}

impl Execution {
    /// What one execution comes to.
    pub(crate) fn new(program: &Program, terms: &Terms<'_>) -> Result<Self, Box<Report>> {
        preparing::prepare(program, terms)
    }

    /// The number of a step: shards have numbers in between, and what comes before the first step has lower ones.
    fn number(&self, step: usize, at: usize) -> usize {
        1 + step * (self.stride + 1) + at
    }

    /// How much later than the first shard of a step the one at this place begins.
    fn later(&self, at: usize) -> usize {
        match self.in_order || self.answer.one_by_one {
            true => at,
            false => 0,
        }
    }

    /// The client's parameters, and how it wants its answer.
    pub(crate) fn bind(mut self, bound: Bound) -> Self {
        if !bound.describe {
            // The client has been told.
            for line in &mut self.lines {
                line.waiting
                    .retain(|(_, command)| *command != Command::Columns);
            }
        }
        self.bound = bound;
        if self.repeats {
            self.again = Some(Box::new(self.clone()));
        }
        self
    }

    /// It has a transaction for itself, in which it reads as of one moment: when somebody else has changed one of its rows since, it
    /// is carried out again, as long as the client has seen nothing of it. PostgreSQL looks at the new row instead.
    pub(crate) fn repeat_when_overtaken(&mut self) {
        self.repeats = true;
    }

    /// Begins anew after this error, if that is why it failed. All parts are at rest.
    fn begins_anew(&mut self, error: &[u8], stage: &mut Stage<'_>) -> bool {
        let overtaken = b::error_field(error, b'C') == Some(b"40001");
        if !overtaken
            || self.tries >= MOST_TRIES
            || self.answer.told
            || self.answer.merging.is_some()
        {
            return false;
        }
        let Some(again) = self.again.take() else {
            return false;
        };
        let tries = self.tries + 1;
        *self = (*again).clone();
        self.again = Some(again);
        self.tries = tries;
        for (part, line) in self.lines.iter_mut().enumerate() {
            stage.query(part, "ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ");
            line.doing.push_back((0, Doing::Own));
        }
        true
    }

    /// Whether a part may be changed: it does more than giving rows away.
    pub(crate) fn changes(&self, part: usize) -> bool {
        let mut commands = self.lines[part].waiting.iter();
        commands.any(|(_, command)| {
            let looks = matches!(
                command,
                Command::Look | Command::Columns | Command::Describe
            );
            !looks && !command.is_query()
        })
    }

    /// Whether temporary tables are made on a part.
    pub(crate) fn makes_tables(&self, part: usize) -> bool {
        self.benches.contains(self.wanted[part].shard)
    }

    /// Whether it changes rows by what it has read before.
    pub(crate) fn is_of_one_moment(&self) -> bool {
        self.of_one_moment
    }

    /// The connections that it works with.
    pub(crate) fn wanted(&self) -> &[Wanted] {
        &self.wanted
    }

    fn part(&mut self, wanted: Wanted) -> usize {
        if let Some(part) = self.wanted.iter().position(|known| *known == wanted) {
            return part;
        }
        self.wanted.push(wanted);
        self.lines.push(Line::default());
        self.wanted.len() - 1
    }

    /// Fails, if it has not already.
    fn fail(&mut self, error: Vec<u8>) {
        self.failure.get_or_insert(error);
    }

    fn fail_with(&mut self, report: &Report) {
        let mut bytes = bytes::BytesMut::new();
        report.encode(&mut bytes);
        self.fail(bytes[crate::wire::frame::HEADER_LEN..].to_vec());
    }

    /// How much was moved so far, in words; none if nothing was.
    fn moved(&self) -> Option<String> {
        let rows = self.limits.rows - self.left.rows;
        let bytes = self.limits.bytes - self.left.bytes;
        (rows > 0).then(|| format!("Moved between shards: {rows} rows, {bytes} bytes"))
    }

    /// Counts a row that is about to be moved.
    fn count(&mut self, bytes: usize) {
        let left = &mut self.left;
        match (
            left.rows.checked_sub(1),
            left.bytes.checked_sub(bytes as u64),
        ) {
            (Some(rows), Some(bytes)) => *left = GatherLimits { rows, bytes },
            _ => {
                let detail = format!(
                    "It needs more rows of other shards than may be moved for one statement: {} rows or {} bytes.",
                    self.limits.rows, self.limits.bytes
                );
                let refusal = Refusal::new(Reason::GatherLimit, detail);
                self.fail_with(&Report::from(&refusal));
            }
        }
    }
}

impl Operation for Execution {
    fn poll(&mut self, stage: &mut Stage<'_>) -> Poll<Outcome> {
        if self.failure.is_none()
            && let Some(merging) = &mut self.answer.merging
            && merging.give(stage).is_err()
        {
            self.not_of_its_type();
        }
        if self.overfull && self.failure.is_none() {
            self.lines.iter_mut().for_each(|line| line.waiting.clear());
            if !stage.all_settled() {
                return Poll::Pending;
            }
            self.turn_to_other(stage);
        }
        if self.failure.is_some() {
            self.give_up(stage);
            return match self.failure.take() {
                Some(error) if stage.all_settled() => match self.begins_anew(&error, stage) {
                    true => Poll::Pending,
                    false => Poll::Ready(Outcome::Failed(error)),
                },
                error => {
                    self.failure = error;
                    Poll::Pending
                }
            };
        }
        self.end_copies(stage);
        self.tell(stage);
        let told = self
            .lines
            .iter()
            .all(|line| line.waiting.is_empty() && line.doing.is_empty());
        let given = self.answer.merging.as_ref().is_none_or(Merging::is_done);
        if told && given {
            self.complete(stage);
            return Poll::Ready(Outcome::Done);
        }
        Poll::Pending
    }

    fn reply(&mut self, stage: &mut Stage<'_>, part: usize, header: Header) -> Take {
        let Some(doing) = self.lines[part].now() else {
            return Take::Unexpected;
        };
        if self.failure.is_some() || self.overfull {
            return Take::Skip;
        }
        match (doing, header.tag) {
            (Doing::Look, b::DATA_ROW) => Take::Whole,
            (Doing::Fetch(_), b::ROW_DESCRIPTION) => Take::Whole,
            (Doing::Fetch(fetch), b::DATA_ROW) => {
                self.overfull = !self.fetches[fetch].begin_row(header.body, &mut self.room);
                if self.overfull {
                    Take::Skip
                } else {
                    Take::Pieces
                }
            }
            (Doing::Fetch(_), b::PORTAL_SUSPENDED) => {
                self.overfull = true;
                Take::Skip
            }
            (Doing::Columns, b::ROW_DESCRIPTION) => Take::Whole,
            (Doing::Source(moving), b::DATA_ROW) => {
                let to = self.moves[moving].to;
                if self.lines[to].copying != Some(moving)
                    || !self.moves[moving].begin_row(stage, part)
                {
                    return Take::Hold;
                }
                self.count(header.body);
                Take::Pieces
            }
            (Doing::Show(0), b::ROW_DESCRIPTION) => Take::Client,
            (Doing::Show(sheet), b::DATA_ROW) => {
                if !self.shown.is_turn(sheet) || !stage.client_takes_row() {
                    return Take::Hold;
                }
                if let Some(title) = self.shown.title().filter(|_| !self.documents) {
                    let length = (title.len() as u32).to_be_bytes();
                    stage.say(b::DATA_ROW, &[&[0, 1], &length, title.as_bytes()]);
                }
                Take::Client
            }
            (Doing::Show(_), b::COMMAND_COMPLETE) => {
                self.shown.next();
                if self.shown.is_over()
                    && !self.documents
                    && let Some(moved) = self.moved()
                {
                    let length = (moved.len() as u32).to_be_bytes();
                    stage.say(b::DATA_ROW, &[&[0, 1], &length, moved.as_bytes()]);
                }
                Take::Skip
            }
            (Doing::Describe, b::ROW_DESCRIPTION) if part == self.answer.parts[0].0 => Take::Whole,
            (Doing::Answer, b::ROW_DESCRIPTION) if part == self.answer.parts[0].0 => {
                self.answer.described = true;
                self.answer.told = true;
                match self.answer.columns {
                    Some(_) => Take::Whole,
                    None => Take::Client,
                }
            }
            (Doing::Answer, b::DATA_ROW | f::COPY_DATA) => self.row(stage, part, header),
            (Doing::Answer, b::COPY_OUT) if part == self.answer.parts[0].0 => {
                self.answer.copies_out = true;
                Take::Client
            }
            (Doing::Answer, b::COPY_OUT | f::COPY_DONE) => Take::Skip,
            (Doing::Answer, b::COMMAND_COMPLETE) => Take::Whole,
            (Doing::Copy(_), b::COPY_IN) => Take::Skip,
            (_, b::COPY_IN | b::COPY_OUT | b::COPY_BOTH) => Take::Unexpected,
            _ => Take::Skip,
        }
    }

    fn is_echo(&self, part: usize) -> bool {
        self.answer.copies && self.answer.speaker != part
    }

    fn body(&mut self, stage: &mut Stage<'_>, part: usize, bytes: &[u8], last: bool) {
        match self.lines[part].now() {
            _ if self.failure.is_some() || self.overfull => {}
            Some(Doing::Fetch(fetch)) => self.fetches[fetch].more(part, bytes),
            Some(Doing::Source(moving)) => self.moves[moving].more(stage, bytes, last),
            Some(Doing::Answer) => {
                let at = self.answer.position(part);
                if let Some(merging) = &mut self.answer.merging {
                    merging.more(at, bytes, last);
                }
            }
            _ => {}
        }
    }

    fn message(&mut self, stage: &mut Stage<'_>, part: usize, tag: u8, body: &[u8]) {
        match tag {
            _ if self.failure.is_some() || self.overfull => {}
            b::ROW_DESCRIPTION => match self.lines[part].now() {
                Some(Doing::Fetch(fetch)) => self.fetches[fetch].describe(part, body),
                Some(Doing::Columns) => self.answer.columns = Some(body.to_vec()),
                Some(Doing::Answer) => self.tell_columns(stage, body),
                _ => self.described(stage, body),
            },
            b::DATA_ROW if self.lines[part].now() == Some(Doing::Look) => {
                if let Some(moment) = &mut self.lines[part].moment {
                    moment.see(body);
                }
            }
            b::DATA_ROW => match &mut self.answer.early {
                Some(early) => {
                    let asked = self
                        .answer
                        .parts
                        .iter()
                        .position(|(asked, _)| *asked == part);
                    early.keep(asked.unwrap_or(0), body);
                }
                None => self.add(body),
            },
            b::COMMAND_COMPLETE => {
                let answer = &mut self.answer;
                let at = answer.position(part);
                answer.ended[at] = true;
                if let Some(merging) = &mut answer.merging {
                    merging.end(at);
                }
                if at == 0 || !answer.copies && !answer.one_by_one {
                    answer.tag.add(body);
                } else if self.alike && answer.tag.body() != body {
                    self.not_alike(part, body);
                }
            }
            _ => {}
        }
    }

    fn ready(&mut self, stage: &mut Stage<'_>, part: usize) {
        let line = &mut self.lines[part];
        let done = line.doing.pop_front();
        if self.failure.is_some() || self.overfull {
            return;
        }
        match done {
            Some((_, Doing::Source(moving))) => self.moves[moving].left -= 1,
            Some((_, Doing::Fetch(fetch))) => self.fetches[fetch].end(part),
            Some((step, Doing::Look)) => self.has_looked(stage, part, step),
            _ => {}
        }
    }

    fn failed(&mut self, stage: &mut Stage<'_>, part: usize, error: &[u8]) {
        let bare = match self.lines[part].now() {
            Some(Doing::Own) => blocks::bare(error),
            _ => None,
        };
        let error = bare.as_deref().unwrap_or(error);
        if self
            .failure
            .as_ref()
            .is_some_and(|known| precedes(error, known))
        {
            self.failure = None;
        }
        let done = self.done_already();
        if done.is_empty() {
            self.fail(error.to_vec());
        } else {
            // The text of its own detail, if it has one, comes first.
            let detail = b::error_field(error, b'D').map(String::from_utf8_lossy);
            let detail = detail.map_or(String::new(), |detail| format!("{detail} "));
            let detail = format!("{detail}The statement has been carried out on {done}.");
            self.fail(b::with_detail(error, &detail));
        }
        if stage.is_lost(part) {
            self.lines[part] = Line::default();
        }
    }
}
