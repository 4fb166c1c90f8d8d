//! A statement in steps: the interpreter of `Route::Program`.
//!
//! `Execution::new` turns the program and the values of one execution into what each server is told, in order. Every
//! text goes by the extended protocol, with the client's own parameters, and ends with a `Sync` of its own. A server
//! is told everything at once that does not depend on another one: the scratch server makes its tables while the
//! others' queries run already, and the answer is asked for behind the last row. Where the program writes, a step waits
//! for the one before it.
//!
//! Temporary tables live in a transaction that is rolled back once the answer is there, so they are never committed,
//! whatever goes wrong. Inside the client's own transaction they are dropped behind the answer instead of rolled back
//! to a savepoint: the answer may have changed rows. An error leaves that transaction failed, and with it the tables.
//!
//! Outside a transaction every server reads in one `REPEATABLE READ` transaction: the moves of one statement see one
//! snapshot of each shard, as they would see one snapshot of one server.

use std::collections::VecDeque;
use std::task::Poll;

use router_core::id::ShardId;
use router_core::plan::program::in_work;
use router_core::plan::resolve::{CountError, Stop, Values};
use router_core::plan::{Answer, Effect, Merge, On, Program, Reason, Refusal, Step};
use router_core::sqlstate::SqlState;
use router_core::topology::{ShardSet, Topology};

use super::columns::{self, Formats};
use super::copy_out::Streams;
use super::line::{Command, Doing, Line};
use super::merging::{Merging, NoOrder};
use super::moving::Moving;
use super::{Operation, Outcome, Stage, Take, Wanted, scatter};
use crate::session::Role;
use crate::settings::GatherLimits;
use crate::wire::backend as b;
use crate::wire::encode::Report;
use crate::wire::frame::Header;
use crate::wire::frontend as f;

/// The portal of a program's texts. The client's own portals are none of its business.
const PORTAL: &[u8] = b"shunt\0";

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
    pub(crate) within: Within<'a>,
    pub(crate) limits: GatherLimits,
    /// Its tables stay until the transaction ends.
    pub(crate) keeps: bool,
}

/// One execution of a program.
#[derive(Debug)]
pub(crate) struct Execution {
    wanted: Vec<Wanted>,
    lines: Vec<Line>,
    moves: Vec<Moving>,
    bound: Bound,
    answer: Asked,
    /// A step waits for the one before it.
    strict: bool,
    /// Rows and bytes that may yet be moved.
    left: GatherLimits,
    limits: GatherLimits,
    failure: Option<Vec<u8>>,
    /// The name of each part's shard.
    names: Vec<String>,
    /// Where its temporary tables are.
    benches: ShardSet,
}

/// The answer: who is asked what, and how the client gets it.
#[derive(Debug, Default)]
struct Asked {
    /// Parts, each with its text, in order.
    parts: Vec<(usize, String)>,
    /// Which of them have answered.
    ended: Vec<bool>,
    /// One's answer stands for all.
    copies: bool,
    /// They are asked one after the other, and what one has done is not undone when the next one fails.
    one_by_one: bool,
    /// Whose row is the next, as far as that is known.
    turns: VecDeque<usize>,
    merging: Option<Merging>,
    /// It is a `COPY … TO STDOUT`.
    streams: Option<Streams>,
    /// The client was told that data of a `COPY` follows.
    copies_out: bool,
    tag: scatter::Tag,
}

impl Asked {
    /// Where a part stands among those that answer.
    fn position(&self, part: usize) -> usize {
        let asked = self.parts.iter().position(|(asked, _)| *asked == part);
        asked.unwrap_or(0)
    }

    /// Whose row is the next.
    fn turn(&mut self) -> Option<usize> {
        while let Some(&next) = self.turns.front() {
            if !self.ended[next] {
                return Some(next);
            }
            self.turns.pop_front();
        }
        self.ended.iter().position(|ended| !ended)
    }
}

impl Execution {
    /// What one execution comes to.
    pub(crate) fn new(program: &Program, terms: &Terms<'_>) -> Result<Self, Box<Report>> {
        let mut run = Self {
            wanted: Vec::new(),
            lines: Vec::new(),
            moves: Vec::new(),
            bound: Bound::simple(),
            answer: Asked::default(),
            strict: program.writes || terms.effect != Effect::Read,
            left: terms.limits,
            limits: terms.limits,
            failure: None,
            names: Vec::new(),
            benches: ShardSet::new(),
        };
        let resolve = |on: &On| on.resolve(terms.topology, terms.values).map_err(stopped);
        let mut benches = ShardSet::new();
        for (_, on) in &program.temporary {
            benches.extend_with(&resolve(on)?);
        }
        let places = Places { terms, benches };
        let work = match program.writes && !program.temporary.is_empty() {
            true => Some(work_schema()?),
            false => None,
        };
        // What is made in a schema of its own can be prepared.
        if work.is_none() {
            run.benches = places.benches.clone();
        }
        let said = |text: &str| match &work {
            Some(schema) => in_work(text, schema),
            None => text.to_owned(),
        };
        if let Some(schema) = &work {
            for shard in places.benches.iter() {
                let part = run.part(places.bench_or_rows(shard));
                let create = format!("CREATE SCHEMA {schema}");
                run.lines[part].will(0, Command::Own(create));
            }
        }
        let own = terms.within == Within::None && !program.steps.is_empty();
        for (number, step) in program.steps.iter().enumerate() {
            match step {
                Step::Run { on, text } => {
                    for shard in resolve(on)?.iter() {
                        let part = run.part(places.bench_or_rows(shard));
                        let text = places.made_empty(shard, &said(text));
                        run.lines[part].will(number, Command::Run(text));
                    }
                }
                Step::RunEach { texts } => {
                    for (shard, text) in texts {
                        let part = run.part(places.bench_or_rows(*shard));
                        let text = places.made_empty(*shard, &said(text));
                        run.lines[part].will(number, Command::Run(text));
                    }
                }
                Step::Move {
                    from,
                    query,
                    to,
                    table,
                    as_text,
                } => {
                    let sources = places.sources(from, *to)?;
                    let moving = run.moves.len();
                    let to = run.part(places.bench_or_rows(*to));
                    run.moves.push(Moving::new(to, sources.len(), *as_text));
                    for shard in sources.iter() {
                        let part = run.part(places.rows(shard));
                        run.lines[part].will(number, Command::Source(moving, said(query)));
                    }
                    let format = if *as_text { "" } else { " (FORMAT binary)" };
                    let copy = format!("COPY {} FROM STDIN{format}", said(table));
                    run.lines[to].will(number, Command::Copy(moving, copy));
                }
            }
        }
        run.ask(program, &places, resolve)?;
        for (_, text) in &mut run.answer.parts {
            *text = said(text);
        }
        if let Some(schema) = &work {
            for shard in places.benches.iter() {
                let mut drop = String::new();
                for (table, on) in &program.temporary {
                    if resolve(on)?.contains(shard) {
                        drop.push_str(&format!("DROP TABLE {schema}.{table}; "));
                    }
                }
                let part = run.part(places.bench_or_rows(shard));
                drop.push_str(&format!("DROP SCHEMA {schema}"));
                run.lines[part].will(usize::MAX, Command::Own(drop));
            }
        }
        let word = if run.strict { "COMMIT" } else { "ROLLBACK" };
        for (line, wanted) in run.lines.iter_mut().zip(&run.wanted) {
            let apart = wanted.apart;
            if !own && !apart {
                continue;
            }
            let preface = match terms.within {
                Within::ReadOnly(preface) if apart => preface,
                _ => "",
            };
            let writable = if places.benches.contains(wanted.shard) && wanted.role == Role::Primary
            {
                " READ WRITE"
            } else {
                ""
            };
            let begin = if run.strict {
                format!("BEGIN{preface}")
            } else {
                format!("BEGIN ISOLATION LEVEL REPEATABLE READ{writable}{preface}")
            };
            line.begun = true;
            line.waiting.push_front((0, Command::Own(begin)));
            let end = if apart { "ROLLBACK" } else { word };
            line.will(usize::MAX, Command::End(end));
        }
        if terms.within == Within::Transaction && work.is_none() && !terms.keeps {
            for (table, on) in &program.temporary {
                for shard in resolve(on)?.iter() {
                    let part = run.part(places.bench_or_rows(shard));
                    let drop = format!("DROP TABLE pg_temp.{table}");
                    run.lines[part].will(usize::MAX, Command::Own(drop));
                }
            }
        }
        let shards = &terms.topology.shards;
        let name = |wanted: &Wanted| shards[wanted.shard.index()].name.clone();
        run.names = run.wanted.iter().map(name).collect();
        Ok(run)
    }

    fn ask(
        &mut self,
        program: &Program,
        places: &Places<'_>,
        resolve: impl Fn(&On) -> Result<ShardSet, Box<Report>>,
    ) -> Result<(), Box<Report>> {
        let step = program.steps.len();
        let tagged = &Merge::Concatenate;
        let merge = match &program.answer {
            Answer::Tag(tag) => {
                self.answer.tag.add(&[tag.as_bytes(), &[0]].concat());
                tagged
            }
            Answer::Merged { on, text, merge } => {
                let mut shards = resolve(on)?;
                if shards.is_empty() {
                    // Whichever is asked finds no rows, or raises PostgreSQL's error.
                    shards.insert(places.terms.topology.scratch.unwrap_or(ShardId(0)));
                }
                for shard in shards.iter() {
                    let part = self.part(places.bench_or_rows(shard));
                    self.answer.parts.push((part, text.clone()));
                }
                merge
            }
            Answer::Each { texts, merge } => {
                for (shard, text) in texts {
                    let part = self.part(places.bench_or_rows(*shard));
                    self.answer.parts.push((part, text.clone()));
                }
                merge
            }
        };
        self.answer.ended = vec![false; self.answer.parts.len()];
        match merge {
            // COPY is an operation of its own, not an answer.
            Merge::Concatenate => {}
            Merge::OneByOne => self.answer.one_by_one = true,
            Merge::Interleaved(order) => {
                let position = |shard: &ShardId| {
                    let mut asked = self.answer.parts.iter();
                    asked.position(|(part, _)| self.wanted[*part].shard == *shard)
                };
                self.answer.turns = order.iter().filter_map(position).collect();
            }
            Merge::Copies => self.answer.copies = true,
            Merge::CopyOut(kind) => {
                self.answer.streams = Some(Streams::new(*kind, self.answer.parts.len()));
            }
            Merge::Sorted(sorted) => {
                let (skip, limit) = sorted.counts(places.terms.values).map_err(uncountable)?;
                self.answer.merging = Some(Merging::new(
                    &sorted.keys,
                    self.answer.parts.len(),
                    skip,
                    limit,
                    sorted.with_ties,
                ));
            }
        }
        self.strict |= self.answer.one_by_one;
        for (at, (part, _)) in self.answer.parts.iter().enumerate() {
            let line = &mut self.lines[*part];
            let step = step + if self.answer.one_by_one { at } else { 0 };
            if self.answer.merging.is_some() {
                line.will(step, Command::Describe);
            }
            line.will(step, Command::Answer);
        }
        Ok(())
    }

    /// The client's parameters, and how it wants its answer.
    pub(crate) fn bind(mut self, bound: Bound) -> Self {
        self.bound = bound;
        self
    }

    /// Whether a part may be changed: it does more than giving rows away.
    pub(crate) fn changes(&self, part: usize) -> bool {
        let mut commands = self.lines[part].waiting.iter();
        commands.any(|(_, command)| !matches!(command, Command::Source(..) | Command::Describe))
    }

    /// Whether temporary tables are made on a part.
    pub(crate) fn makes_tables(&self, part: usize) -> bool {
        self.benches.contains(self.wanted[part].shard)
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

    /// Tells every server what it can be told now.
    fn tell(&mut self, stage: &mut Stage<'_>) {
        let current = self.lines.iter().filter_map(Line::step).min();
        for part in 0..self.lines.len() {
            while let Some((step, command)) = self.lines[part].waiting.front() {
                let later = self.strict && Some(*step) > current;
                let unknown = matches!(command, Command::Answer)
                    && self
                        .answer
                        .merging
                        .as_ref()
                        .is_some_and(|m| m.shown().is_none());
                if later || unknown || self.lines[part].copying.is_some() || !stage.has_room(part) {
                    break;
                }
                let Some((step, command)) = self.lines[part].waiting.pop_front() else {
                    break;
                };
                let doing = self.command(stage, part, command);
                self.lines[part].doing.push_back((step, doing));
            }
        }
    }

    fn command(&mut self, stage: &mut Stage<'_>, part: usize, command: Command) -> Doing {
        match command {
            Command::Own(sql) => {
                stage.query(part, &sql);
                Doing::Own
            }
            Command::End(word) => {
                stage.query(part, word);
                self.lines[part].begun = false;
                Doing::Own
            }
            Command::Run(text) => {
                self.parse(stage, part, &text);
                self.execute(stage, part, &Formats::text());
                stage.sync(part);
                Doing::Own
            }
            Command::Source(moving, query) => {
                let formats = if self.moves[moving].is_text() {
                    Formats::text()
                } else {
                    Formats::binary()
                };
                self.parse(stage, part, &query);
                self.execute(stage, part, &formats);
                stage.sync(part);
                Doing::Source(moving)
            }
            Command::Copy(moving, sql) => {
                stage.send(part, f::PARSE, &[&[0], sql.as_bytes(), &[0, 0, 0]]);
                stage.send(part, f::BIND, &[PORTAL, &[0; 7]]);
                stage.send(part, f::EXECUTE, &[PORTAL, &[0; 4]]);
                self.lines[part].copying = Some(moving);
                Doing::Copy(moving)
            }
            Command::Describe => {
                self.parse(stage, part, &self.text_for(part));
                stage.send(part, f::DESCRIBE, &[b"S\0"]);
                stage.sync(part);
                Doing::Describe
            }
            Command::Answer => {
                let formats = match &self.answer.merging {
                    Some(merging) => {
                        let shown = merging.shown().unwrap_or(0);
                        self.bound.formats.with_hidden(shown, merging.hidden())
                    }
                    None => {
                        self.parse(stage, part, &self.text_for(part));
                        self.bound.formats.clone()
                    }
                };
                self.bind_portal(stage, part, &formats);
                if self.bound.describe && self.answer.merging.is_none() {
                    stage.send(part, f::DESCRIBE, &[b"P", PORTAL]);
                }
                self.execute_portal(stage, part);
                stage.sync(part);
                Doing::Answer
            }
        }
    }

    fn text_for(&self, part: usize) -> String {
        let asked = self.answer.parts.iter().find(|(asked, _)| *asked == part);
        asked.map(|(_, text)| text.clone()).unwrap_or_default()
    }

    fn parse(&self, stage: &mut Stage<'_>, part: usize, text: &str) {
        let parts: [&[u8]; 4] = [&[0], text.as_bytes(), &[0], &self.bound.types];
        stage.send(part, f::PARSE, &parts);
    }

    fn execute(&self, stage: &mut Stage<'_>, part: usize, formats: &Formats) {
        self.bind_portal(stage, part, formats);
        self.execute_portal(stage, part);
    }

    fn bind_portal(&self, stage: &mut Stage<'_>, part: usize, formats: &Formats) {
        let parts: [&[u8]; 4] = [PORTAL, &[0], &self.bound.params, &formats.bytes()];
        stage.send(part, f::BIND, &parts);
    }

    fn execute_portal(&self, stage: &mut Stage<'_>, part: usize) {
        stage.send(part, f::EXECUTE, &[PORTAL, &[0; 4]]);
        // A portal that is open holds its tables.
        stage.send(part, f::CLOSE, &[b"P", PORTAL]);
    }

    /// Ends the copies whose rows have all come.
    fn end_copies(&mut self, stage: &mut Stage<'_>) {
        for part in 0..self.lines.len() {
            if let Some(moving) = self.lines[part].copying
                && self.moves[moving].left == 0
            {
                self.moves[moving].end(stage);
                stage.send(part, f::CLOSE, &[b"P", PORTAL]);
                stage.sync(part);
                self.lines[part].copying = None;
            }
        }
    }

    /// Brings every server to rest after an error.
    fn give_up(&mut self, stage: &mut Stage<'_>) {
        for (part, line) in self.lines.iter_mut().enumerate() {
            line.waiting.clear();
            if line.copying.take().is_some() {
                stage.send(
                    part,
                    f::COPY_FAIL,
                    &[b"shunt: the rows could not be brought\0"],
                );
                stage.sync(part);
            }
            if std::mem::take(&mut line.begun) {
                stage.query(part, "ROLLBACK");
                line.doing.push_back((usize::MAX, Doing::Own));
            }
        }
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

    /// What becomes of a row of the answer.
    fn row(&mut self, stage: &mut Stage<'_>, part: usize, header: Header) -> Take {
        let at = self.answer.position(part);
        if let Some(merging) = &mut self.answer.merging {
            if merging.is_over() {
                return Take::Skip;
            }
            if !merging.has_room(at) {
                return Take::Hold;
            }
            merging.begin_row(at, header.body);
            return Take::Pieces;
        }
        if self.answer.copies && at > 0 {
            return Take::Skip;
        }
        if self.answer.turn() != Some(at) || !stage.client_takes_row() {
            return Take::Hold;
        }
        self.answer.turns.pop_front();
        match &mut self.answer.streams {
            Some(streams) => streams.data(stage, at, header.body),
            None => Take::Client,
        }
    }

    /// The columns of a sorted answer.
    fn described(&mut self, stage: &mut Stage<'_>, body: &[u8]) {
        let Some(merging) = &mut self.answer.merging else {
            return;
        };
        if merging.shown().is_some() {
            return;
        }
        let columns = columns::columns(body).unwrap_or_default();
        if let Err(NoOrder(oid)) = merging.describe(&columns) {
            let detail = format!("Rows cannot be put in the order of a column of type {oid}.");
            let refusal = Refusal::new(Reason::NeedsMerge, detail);
            self.fail_with(&Report::from(&refusal));
            return;
        }
        let shown = merging.shown().unwrap_or(0);
        let formats = &self.bound.formats;
        if formats.given() > 1 && formats.given() != shown {
            let message = format!(
                "bind message has {} result formats but query has {shown} columns",
                formats.given()
            );
            let state = SqlState::new("08P01");
            self.fail_with(&Report::error(state, message));
        } else if self.bound.describe {
            let body = columns::description(&columns, shown, formats);
            stage.say(b::ROW_DESCRIPTION, &[&body]);
        }
    }

    /// Where a statement that is carried out shard by shard is done for good, in words.
    fn done_already(&self) -> String {
        let answer = &self.answer;
        if !answer.one_by_one {
            return String::new();
        }
        let done = answer
            .parts
            .iter()
            .zip(&answer.ended)
            .filter(|(_, ended)| **ended);
        let names = done.map(|((part, _), _)| format!("\"{}\"", self.names[*part]));
        let names: Vec<_> = names.collect();
        match &names[..] {
            [] => String::new(),
            [one] => format!("shard {one}"),
            several => format!("shards {}", several.join(", ")),
        }
    }

    /// The tag of the whole.
    fn complete(&self, stage: &mut Stage<'_>) {
        if self.answer.copies_out {
            stage.say(f::COPY_DONE, &[]);
        }
        match &self.answer.merging {
            Some(merging) => {
                let tag = format!("SELECT {}\0", merging.given);
                stage.say(b::COMMAND_COMPLETE, &[tag.as_bytes()]);
            }
            None if self.answer.tag.is_empty() => stage.say(b::EMPTY_QUERY, &[]),
            None => stage.say(b::COMMAND_COMPLETE, &[&self.answer.tag.body()]),
        }
    }
}

impl Operation for Execution {
    fn poll(&mut self, stage: &mut Stage<'_>) -> Poll<Outcome> {
        if self.failure.is_none()
            && let Some(merging) = &mut self.answer.merging
            && merging.give(stage).is_err()
        {
            let state = SqlState::new("XX000");
            let report = Report::error(
                state,
                "a shard sent a row that is not of its columns' types",
            );
            self.fail_with(&report);
        }
        if self.failure.is_some() {
            self.give_up(stage);
            return match self.failure.take() {
                Some(error) if stage.all_settled() => Poll::Ready(Outcome::Failed(error)),
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
        if self.failure.is_some() {
            return Take::Skip;
        }
        match (doing, header.tag) {
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
            (Doing::Describe, b::ROW_DESCRIPTION) if part == self.answer.parts[0].0 => Take::Whole,
            (Doing::Answer, b::ROW_DESCRIPTION) if part == self.answer.parts[0].0 => Take::Client,
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

    fn body(&mut self, stage: &mut Stage<'_>, part: usize, bytes: &[u8], last: bool) {
        match self.lines[part].now() {
            _ if self.failure.is_some() => {}
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
            b::ROW_DESCRIPTION => self.described(stage, body),
            b::COMMAND_COMPLETE => {
                let answer = &mut self.answer;
                let at = answer.position(part);
                answer.ended[at] = true;
                match &mut answer.merging {
                    Some(merging) => merging.end(at),
                    None if at > 0 && (answer.copies || answer.one_by_one) => {}
                    None => answer.tag.add(body),
                }
            }
            _ => {}
        }
    }

    fn ready(&mut self, _: &mut Stage<'_>, part: usize) {
        let line = &mut self.lines[part];
        if let Some((_, Doing::Source(moving))) = line.doing.pop_front()
            && self.failure.is_none()
        {
            self.moves[moving].left -= 1;
        }
    }

    fn failed(&mut self, stage: &mut Stage<'_>, part: usize, error: &[u8]) {
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

/// Where the connections of a program are.
struct Places<'a> {
    terms: &'a Terms<'a>,
    /// Shards where temporary tables are made.
    benches: ShardSet,
}

impl Places<'_> {
    /// Where the rows of a shard are read, in the client's transaction if there is one.
    fn rows(&self, shard: ShardId) -> Wanted {
        Wanted {
            shard,
            role: self.terms.reads,
            apart: false,
        }
    }

    /// Where tables are made and the answer is found.
    fn bench_or_rows(&self, shard: ShardId) -> Wanted {
        if !self.benches.contains(shard) {
            return self.rows(shard);
        }
        Wanted {
            shard,
            role: Role::Primary,
            apart: self.is_apart(),
        }
    }

    fn is_apart(&self) -> bool {
        matches!(self.terms.within, Within::ReadOnly(_))
    }

    /// A text that makes a table of a shard's own rows takes none of them where the connection is not the client's:
    /// they are moved like those of other shards, from where the client's transaction sees them.
    fn made_empty(&self, shard: ShardId, text: &str) -> String {
        let makes = text.starts_with("CREATE TEMP TABLE") && !text.ends_with("WITH NO DATA");
        if self.is_apart() && self.benches.contains(shard) && makes {
            return format!("{text} WITH NO DATA");
        }
        text.to_owned()
    }

    /// The shards that rows are moved from.
    fn sources(&self, from: &On, to: ShardId) -> Result<ShardSet, Box<Report>> {
        let resolve = |on: &On| {
            on.resolve(self.terms.topology, self.terms.values)
                .map_err(stopped)
        };
        match from {
            On::Except(targets, one) if *one == to && self.is_apart() => {
                resolve(&On::Targets(targets.clone()))
            }
            from => resolve(from),
        }
    }
}

/// A schema that nobody else has.
fn work_schema() -> Result<String, Box<Report>> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| {
        Report::error(SqlState::new("58000"), "no random numbers can be had")
            .detail(format!("{error}."))
    })?;
    Ok(format!("shunt_work_{:016x}", u64::from_ne_bytes(bytes)))
}

fn stopped(stop: Stop) -> Box<Report> {
    match stop {
        Stop::Refused(refusal) => Box::new(Report::from(&*refusal)),
    }
}

fn uncountable(error: CountError) -> Box<Report> {
    match error {
        CountError::Postgres(error) => Box::new(Report::error(error.sqlstate, error.message)),
        CountError::Refused(refusal) => Box::new(Report::from(&*refusal)),
    }
}
