//! `COPY … FROM STDIN` into a table that several shards have.
//!
//! The copy is opened on every shard of the table at the beginning: so an error of the statement itself comes before the client
//! sends any data, and clients that copy at the same time want their connections in the same order. It is opened on one
//! shard after the other, so that two who lock the table meet on the first, where a server sees that they wait. The rows are
//! then cut out of the client's stream by [`Splitter`] and go where their keys belong, all rows of one shard in a piece
//! of the stream in one message.
//!
//! The client's messages are taken while every shard has room, so the slowest one sets the pace.

use std::sync::Arc;
use std::task::Poll;

use router_core::copy::numbers::LineNumbers;
use router_core::copy::{Fault, Splitter, To};
use router_core::id::ShardId;
use router_core::plan::{CopyIn as Copy, Refusal, Turn, wait_for};
use router_core::sqlstate::SqlState;
use router_core::topology::Topology;

use super::{Operation, Outcome, Stage, Take, Wanted, precedes, scatter};
use crate::session::Role;
use crate::wire::backend as b;
use crate::wire::encode::Report;
use crate::wire::frame::{HEADER_LEN, Header};
use crate::wire::frontend as f;

/// Room for staged rows is given back when it is larger than this.
const KEPT: usize = 256 << 10;

/// Longest reason of a client's `CopyFail` that is passed on.
const REASON_LIMIT: usize = 1024;

/// How far one shard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// The shard before it is not open yet.
    Waiting,
    /// It waits until nobody else changes its copy.
    Turn,
    /// It has been sent the statement.
    Asked,
    /// It takes rows.
    Open,
    /// It takes none any more.
    Closed,
}

/// A shard of the copy.
#[derive(Debug)]
struct Part {
    shard: ShardId,
    name: String,
    at: At,
    /// Rows on their way there.
    out: Vec<u8>,
    /// Its lines, as lines of the client's stream.
    lines: LineNumbers,
    /// It has been sent rows.
    wrote: bool,
}

/// Why a stream cannot be split any further.
enum Stop {
    Fault(Fault),
    Refused(Box<Refusal>),
}

impl Stop {
    fn report(&self) -> Report {
        match self {
            Self::Fault(fault) => {
                let report = Report::error(fault.state, fault.message.clone());
                match fault.hint.is_empty() {
                    true => report,
                    false => report.hint(fault.hint.clone()),
                }
            }
            Self::Refused(refusal) => Report::from(&**refusal),
        }
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// One `COPY … FROM STDIN`.
#[derive(Debug)]
pub(crate) struct CopyIn {
    copy: Copy,
    topology: Arc<Topology>,
    text: String,
    /// Text comes in UTF-8.
    utf8: bool,
    /// `None`: every row goes everywhere.
    splitter: Option<Splitter>,
    /// Of rows that go everywhere, what must not be read by each shard's own clock.
    times: Option<Splitter>,
    parts: Vec<Part>,
    /// Lines of the client's stream that have been sent on.
    lines: u64,
    /// What makes a copy of a reference table wait until nobody else changes it.
    turn: Option<String>,
    /// The client was asked for its data.
    answered: bool,
    /// The client has sent all of its data.
    ended: bool,
    /// What the client will be told: its columns and their formats.
    response: Vec<u8>,
    /// Why the client gave up, as far as it has said so.
    reason: Option<Vec<u8>>,
    tag: scatter::Tag,
    failure: Option<Vec<u8>>,
}

impl CopyIn {
    /// One of this text. `utf8` says that the data comes in UTF-8.
    pub(crate) fn new(
        copy: &Copy,
        topology: &Arc<Topology>,
        text: &str,
        utf8: bool,
        turns: &[Turn],
    ) -> Self {
        let part = |shard: ShardId| Part {
            shard,
            name: topology.shards[shard.index()].name.clone(),
            at: At::Waiting,
            out: Vec::new(),
            lines: LineNumbers::default(),
            wrote: copy.splitter().is_none(),
        };
        Self {
            splitter: copy.splitter(),
            times: copy.times(),
            parts: copy.shards(topology).iter().map(part).collect(),
            copy: copy.clone(),
            topology: Arc::clone(topology),
            text: text.to_owned(),
            utf8,
            lines: 0,
            turn: (!turns.is_empty()).then(|| wait_for(turns)),
            answered: false,
            ended: false,
            response: Vec::new(),
            reason: None,
            tag: scatter::Tag::default(),
            failure: None,
        }
    }

    /// The connections that it works with.
    pub(crate) fn wanted(&self) -> Vec<Wanted> {
        let wanted = |part: &Part| Wanted {
            shard: part.shard,
            role: Role::Primary,
            apart: false,
        };
        self.parts.iter().map(wanted).collect()
    }

    fn fail_with(&mut self, report: &Report) {
        let mut bytes = bytes::BytesMut::new();
        report.encode(&mut bytes);
        self.failure.get_or_insert(bytes[HEADER_LEN..].to_vec());
    }

    /// More of the client's data.
    fn data(&mut self, stage: &mut Stage<'_>, bytes: &[u8]) {
        if self.splitter.is_none() {
            self.look_for_times(Some(bytes));
            if self.failure.is_some() {
                return;
            }
            for part in 0..self.parts.len() {
                stage.send(part, f::COPY_DATA, &[bytes]);
            }
            return;
        }
        self.split(Some(bytes));
        self.send_staged(stage);
    }

    /// Looks at fields of more of a stream that goes everywhere, or of what is left at its end.
    fn look_for_times(&mut self, bytes: Option<&[u8]>) {
        let Some(splitter) = &mut self.times else {
            return;
        };
        let copy = &self.copy;
        let mut look = |fields: &[Option<&[u8]>]| {
            let alike = copy.is_alike(fields).map_err(Stop::Refused);
            // Any shard does: nothing is sent from here.
            alike.map(|()| Some(ShardId(0)))
        };
        let looked = match bytes {
            Some(bytes) => splitter.feed(bytes, &mut look, &mut |_, _, _| {}),
            None => splitter.finish(&mut look, &mut |_, _, _| {}),
        };
        if let Err(stop) = looked {
            let context = format!("COPY {}, line {}", self.copy.table, splitter.line());
            self.fail_with(&stop.report().context(context));
        }
    }

    /// Cuts rows out of more of the stream, or out of what is left at its end.
    fn split(&mut self, bytes: Option<&[u8]>) {
        let Some(splitter) = &mut self.splitter else {
            return;
        };
        let parts = &mut self.parts;
        let all_lines = &mut self.lines;
        let mut place = |key: &[Option<&[u8]>]| {
            let home = self.copy.home(&self.topology, key, self.utf8);
            home.map_err(Stop::Refused)
        };
        let mut deliver = |to: To, bytes: &[u8], lines: u64| {
            *all_lines += lines;
            let mut give = |part: &mut Part| {
                part.out.extend_from_slice(bytes);
                part.lines.push(lines, *all_lines);
                part.wrote |= to != To::All;
            };
            match to {
                To::Shard(shard) => {
                    let part = parts.iter_mut().find(|part| part.shard == shard);
                    part.into_iter().for_each(&mut give);
                }
                To::All => parts.iter_mut().for_each(&mut give),
                To::Reject => parts.iter_mut().take(1).for_each(&mut give),
            }
        };
        let split = match bytes {
            Some(bytes) => splitter.feed(bytes, &mut place, &mut deliver),
            None => splitter.finish(&mut place, &mut deliver),
        };
        if let Err(stop) = split {
            let context = format!("COPY {}, line {}", self.copy.table, splitter.line());
            self.fail_with(&stop.report().context(context));
        }
    }

    fn send_staged(&mut self, stage: &mut Stage<'_>) {
        for (at, part) in self.parts.iter_mut().enumerate() {
            if self.failure.is_none() && !part.out.is_empty() {
                stage.send(at, f::COPY_DATA, &[&part.out]);
            }
            part.out.clear();
            part.out.shrink_to(KEPT);
        }
    }

    /// The client has sent all of its data.
    fn end(&mut self, stage: &mut Stage<'_>) {
        self.ended = true;
        self.look_for_times(None);
        self.split(None);
        self.send_staged(stage);
        if self.failure.is_none() {
            self.close(stage, f::COPY_DONE, &[]);
        }
    }

    /// Opens the copy on the next shard, once it is open on those before it.
    fn open(&mut self, stage: &mut Stage<'_>) {
        let next = self.parts.iter().position(|part| part.at != At::Open);
        let Some(next) = next.filter(|_| self.failure.is_none()) else {
            return;
        };
        let part = &mut self.parts[next];
        match (part.at, &self.turn) {
            (At::Waiting, Some(wait)) => {
                part.at = At::Turn;
                stage.query(next, wait);
            }
            (At::Waiting, None) => {
                part.at = At::Asked;
                stage.query(next, &self.text);
            }
            _ => {}
        }
    }

    fn close(&mut self, stage: &mut Stage<'_>, tag: u8, body: &[u8]) {
        for (at, part) in self.parts.iter_mut().enumerate() {
            if part.at == At::Open {
                part.at = At::Closed;
                stage.send(at, tag, &[body]);
            }
        }
    }

    /// All have taken their rows.
    fn complete(&mut self, stage: &mut Stage<'_>) -> Outcome {
        if self.splitter.as_ref().is_some_and(Splitter::is_rejected) {
            // What had no home was to be an error of PostgreSQL's own.
            let report = Report::error(
                SqlState::new("SH009"),
                "value of the sharding key cannot be computed",
            )
            .detail("A row of the COPY has a key that the router does not read as PostgreSQL does.")
            .hint("Copy this row by INSERT.");
            self.fail_with(&report);
        }
        match self.failure.take() {
            Some(error) => Outcome::Failed(error),
            None => {
                stage.say(b::COMMAND_COMPLETE, &[&self.tag.body()]);
                Outcome::Done
            }
        }
    }

    /// An error of one shard, which counts lines among its own rows.
    fn of_shard(&self, part: usize, error: &[u8]) -> Vec<u8> {
        let context = b::error_field(error, b'W').map(String::from_utf8_lossy);
        let Some(context) = context.filter(|_| self.splitter.is_some()) else {
            return error.to_vec();
        };
        let Part { name, lines, .. } = &self.parts[part];
        match of_stream(&context, lines) {
            Told::NoLine => error.to_vec(),
            Told::Line(context) => b::with_field(error, b'W', &context),
            Told::Unknown => {
                let context =
                    format!("{context}\nrows of shard \"{name}\", among which lines are counted");
                b::with_field(error, b'W', &context)
            }
        }
    }
}

/// The context of an error with a line of the client's stream in it.
enum Told {
    /// It is about no line.
    NoLine,
    /// It says this.
    Line(String),
    /// The line is not known any more.
    Unknown,
}

/// Puts the line of the client's stream in the place of the shard's: `COPY t, line 3, column id: "x"`.
fn of_stream(context: &str, lines: &LineNumbers) -> Told {
    const BEFORE: &str = ", line ";
    let copies = context.split_inclusive('\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, line))
    });
    let found = copies.filter(|(_, line)| line.starts_with("COPY ")).last();
    let Some((start, line)) = found else {
        return Told::NoLine;
    };
    let Some(at) = line.find(BEFORE) else {
        return Told::NoLine;
    };
    let from = start + at + BEFORE.len();
    let digits = context[from..].bytes().take_while(u8::is_ascii_digit);
    let to = from + digits.count();
    let known = context[from..to].parse().ok();
    match known.and_then(|line| lines.of_stream(line)) {
        Some(line) => Told::Line(format!("{}{line}{}", &context[..from], &context[to..])),
        None => Told::Unknown,
    }
}

impl Operation for CopyIn {
    fn poll(&mut self, stage: &mut Stage<'_>) -> Poll<Outcome> {
        self.open(stage);
        if self.failure.is_some() {
            self.close(stage, f::COPY_FAIL, b"shunt: the copy failed elsewhere\0");
            return match stage.all_settled() {
                true => Poll::Ready(Outcome::Failed(self.failure.take().unwrap_or_default())),
                false => Poll::Pending,
            };
        }
        if !self.answered && self.parts.iter().all(|part| part.at == At::Open) {
            self.answered = true;
            stage.say(b::COPY_IN, &[&self.response]);
        }
        match self.ended && stage.all_settled() {
            true => Poll::Ready(self.complete(stage)),
            false => Poll::Pending,
        }
    }

    fn reply(&mut self, _: &mut Stage<'_>, part: usize, header: Header) -> Take {
        match header.tag {
            _ if self.parts[part].at == At::Turn => Take::Skip,
            b::COPY_IN | b::COMMAND_COMPLETE => Take::Whole,
            _ => Take::Unexpected,
        }
    }

    fn message(&mut self, _: &mut Stage<'_>, part: usize, tag: u8, body: &[u8]) {
        match tag {
            b::COPY_IN => {
                self.parts[part].at = At::Open;
                self.response = body.to_vec();
            }
            // Where every row goes everywhere, each has stored the same ones.
            _ if self.splitter.is_some() || self.tag.is_empty() => self.tag.add(body),
            _ => {}
        }
    }

    fn ready(&mut self, stage: &mut Stage<'_>, part: usize) {
        if self.parts[part].at == At::Turn && self.failure.is_none() {
            self.parts[part].at = At::Asked;
            stage.query(part, &self.text);
        }
    }

    fn failed(&mut self, _: &mut Stage<'_>, part: usize, error: &[u8]) {
        self.parts[part].at = At::Closed;
        let error = self.of_shard(part, error);
        match &self.failure {
            Some(known) if !precedes(&error, known) => {}
            _ => self.failure = Some(error),
        }
    }

    fn wrote(&self, part: usize) -> bool {
        self.parts[part].wrote
    }

    fn takes_client(&self) -> bool {
        self.answered && !self.ended && self.failure.is_none()
    }

    fn client(&mut self, stage: &mut Stage<'_>, header: Header) -> Take {
        match header.tag {
            f::COPY_DATA => Take::Pieces,
            f::COPY_FAIL => {
                self.reason = Some(Vec::new());
                Take::Pieces
            }
            f::COPY_DONE => {
                self.end(stage);
                Take::Skip
            }
            // As PostgreSQL does, for drivers that send them ahead.
            f::SYNC | f::FLUSH => Take::Skip,
            tag => {
                let message = format!("unexpected message type 0x{tag:02X} during COPY from stdin");
                self.fail_with(&Report::error(SqlState::new("08P01"), message));
                Take::Skip
            }
        }
    }

    fn client_body(&mut self, stage: &mut Stage<'_>, bytes: &[u8], last: bool) {
        let Some(reason) = &mut self.reason else {
            if self.failure.is_none() {
                self.data(stage, bytes);
            }
            return;
        };
        let room = REASON_LIMIT - reason.len();
        reason.extend(bytes.iter().filter(|byte| **byte != 0).take(room));
        if last {
            let mut reason = std::mem::take(reason);
            reason.push(0);
            self.ended = true;
            self.close(stage, f::COPY_FAIL, &reason);
        }
    }
}
