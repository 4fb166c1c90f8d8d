//! A program and the values of one execution become what each server is told, in order.

use router_core::id::ShardId;
use router_core::plan::program::{WORK, in_work};
use router_core::plan::{Answer, Effect, Merge, On, Program, Step, fills_by, wait_for};
use router_core::topology::ShardSet;

use super::moment::{self, Moment};
use super::{Bound, Execution, Terms, Within};
use crate::exec::Wanted;
use crate::exec::adding::Adding;
use crate::exec::asked::{Asked, Early};
use crate::exec::copy_out::Streams;
use crate::exec::fetching::{Fetching, Room};
use crate::exec::line::{Command, Line};
use crate::exec::merging::Merging;
use crate::exec::moving::Moving;
use crate::exec::places::{Places, stopped, uncountable, work_schema};
use crate::exec::sheets::Sheets;
use crate::session::Role;
use crate::wire::encode::Report;

/// So many values, and bytes, are kept when there is another way for more. A text with as many parameters takes PostgreSQL
/// about as long as making and filling a temporary table.
const FEW: Room = Room {
    values: 4096,
    bytes: 256 << 10,
};

/// So many when there is none.
pub(super) const MOST: Room = Room {
    values: 60_000,
    bytes: 16 << 20,
};

/// What an execution comes to.
pub(super) fn prepare(program: &Program, terms: &Terms<'_>) -> Result<Execution, Box<Report>> {
    behind(Vec::new(), program, terms)
}

/// The same, where connections are wanted already.
fn behind(
    wanted: Vec<Wanted>,
    program: &Program,
    terms: &Terms<'_>,
) -> Result<Execution, Box<Report>> {
    let mut preparing = Preparing::new(wanted, program, terms)?;
    preparing.make_work_schema();
    preparing.wait_for_turns();
    for (number, step) in program.steps.iter().enumerate() {
        preparing.step(number, step)?;
    }
    preparing.fill_at_once();
    preparing.ask()?;
    if preparing.by_query {
        preparing.read_in_one_moment();
    }
    preparing.drop_work_schema()?;
    preparing.begin_and_end();
    preparing.drop_temporary_tables()?;
    preparing.prepare_otherwise()?;
    let mut run = preparing.run;
    let shards = &terms.topology.shards;
    let name = |wanted: &Wanted| shards[wanted.shard.index()].name.clone();
    run.names = run.wanted.iter().map(name).collect();
    Ok(run)
}

/// An execution in the making.
struct Preparing<'a> {
    run: Execution,
    program: &'a Program,
    places: Places<'a>,
    /// The schema of the temporary tables, where they are not the session's own.
    work: Option<String>,
    /// The program changes rows: a step waits for the one before it.
    changes: bool,
    /// Each query of a server would see another moment.
    by_query: bool,
    /// Tables are made empty, and filled by one query for all of them, so that their rows are of one moment.
    fills: bool,
    /// The queries that fill tables then.
    filled: Vec<(String, String)>,
    /// The part that is told them.
    filler: Option<usize>,
    /// Where an answer with parameters for rows is found.
    finisher: Option<ShardId>,
}

impl<'a> Preparing<'a> {
    fn new(
        wanted: Vec<Wanted>,
        program: &'a Program,
        terms: &'a Terms<'a>,
    ) -> Result<Self, Box<Report>> {
        let changes = program.writes || terms.effect != Effect::Read;
        let mut run = Execution {
            lines: wanted.iter().map(|_| Line::default()).collect(),
            wanted,
            moves: Vec::new(),
            fetches: Vec::new(),
            room: MOST,
            overfull: false,
            otherwise: None,
            bound: Bound::simple(),
            answer: Asked::default(),
            strict: changes,
            of_one_moment: is_of_one_moment(program),
            repeats: false,
            in_order: changes,
            alike: !terms.turns.is_empty(),
            stride: terms.topology.shards.len(),
            again: None,
            tries: 0,
            left: terms.limits,
            limits: terms.limits,
            failure: None,
            names: Vec::new(),
            benches: ShardSet::new(),
            shown: Sheets::default(),
            documents: terms.documents,
        };
        let resolve = |on: &On| on.resolve(terms.topology, terms.values).map_err(stopped);
        let mut benches = ShardSet::new();
        for (_, on) in &program.temporary {
            benches.extend_with(&resolve(on)?);
        }
        let work = match program.writes && !program.temporary.is_empty() {
            true => Some(work_schema()?),
            false => None,
        };
        // What is made in a schema of its own can be prepared.
        if work.is_none() {
            run.benches = benches.clone();
        }
        let finisher = match &program.answer {
            Answer::Finished { on, .. } => {
                // Where there are none, whichever is asked finds no rows, or raises PostgreSQL's error.
                let first = resolve(&On::Targets(on.clone()))?.iter().next();
                first.or(terms.topology.scratch).or(Some(ShardId(0)))
            }
            _ => None,
        };
        let places = Places { terms, benches };
        let shows = |step: &Step| matches!(step, Step::Show { .. });
        let by_query = terms.by_query && !changes && !program.steps.iter().any(shows);
        let fills = by_query && !places.is_apart() && program.fills_several();
        Ok(Self {
            run,
            program,
            places,
            work,
            changes,
            by_query,
            fills,
            filled: Vec::new(),
            filler: None,
            finisher,
        })
    }

    fn resolve(&self, on: &On) -> Result<ShardSet, Box<Report>> {
        let terms = self.places.terms;
        on.resolve(terms.topology, terms.values).map_err(stopped)
    }

    /// A text of the program as it is said: with the schema of this execution.
    fn said(&self, text: &str) -> String {
        match &self.work {
            Some(schema) => in_work(text, schema),
            None => text.to_owned(),
        }
    }

    /// The connection on which a shard makes tables or runs what is no query of rows alone.
    fn part(&mut self, shard: ShardId) -> usize {
        self.run.part(self.places.bench_or_rows(shard))
    }

    fn make_work_schema(&mut self) {
        let Some(schema) = self.work.clone() else {
            return;
        };
        for shard in self.places.benches.clone().iter() {
            let part = self.part(shard);
            let create = format!("CREATE SCHEMA {schema}");
            self.run.lines[part].will(0, Command::Own(create));
        }
    }

    /// Has every copy of what is changed wait until nobody else changes it, the first shard's before the others.
    fn wait_for_turns(&mut self) {
        let terms = self.places.terms;
        if terms.turns.is_empty() {
            return;
        }
        for shard in 0..terms.topology.shards.len() {
            let part = self.part(ShardId(shard as u16));
            let wait = Command::Own(wait_for(terms.turns));
            self.run.lines[part].will(shard.min(1), wait);
        }
    }

    fn step(&mut self, number: usize, step: &'a Step) -> Result<(), Box<Report>> {
        let number = self.run.number(number, 0);
        match step {
            Step::Run { on, text } if self.fills && fills_by(text).is_some() => {
                self.filled.extend(fills_by(text));
                for shard in self.resolve(on)?.iter() {
                    let part = self.part(shard);
                    let text = format!("{text} WITH NO DATA");
                    self.run.lines[part].will(number, Command::Run(text));
                    self.filler = Some(part);
                }
            }
            Step::Run { on, text } | Step::Check { on, text, .. } => {
                for (at, shard) in self.resolve(on)?.iter().enumerate() {
                    self.run_on(shard, number + self.run.later(at), text);
                }
            }
            Step::RunEach { texts } => {
                for (at, (shard, text)) in texts.iter().enumerate() {
                    self.run_on(*shard, number + self.run.later(at), text);
                }
            }
            Step::Show {
                on,
                text,
                what,
                makes,
            } => {
                self.run.strict = true;
                for (at, shard) in self.resolve(on)?.iter().enumerate() {
                    let number = number + self.run.later(at);
                    self.show_on(shard, number, text, what, *makes);
                }
            }
            Step::Fetch {
                from,
                query,
                table,
                as_text,
            } => {
                let shards = self.resolve(&On::Targets(from.clone()))?;
                let parts: Vec<usize> = shards
                    .iter()
                    .map(|shard| self.run.part(self.places.rows(shard)))
                    .collect();
                let fetch = self.run.fetches.len();
                // Its columns count as they are where the answer is found, if it has rows of them.
                let at = |part: &&usize| Some(self.run.wanted[**part].shard) == self.finisher;
                let home = parts.iter().find(at).or(parts.first());
                let home = home.copied().unwrap_or_default();
                let fetching = Fetching::new(query.clone(), table, &parts, home, *as_text);
                self.run.fetches.push(fetching);
                for part in parts {
                    self.run.lines[part].will(number, Command::Fetch(fetch));
                }
            }
            Step::Move {
                from,
                query,
                to,
                table,
                as_text,
                among: _,
            } => {
                let sources = self.places.sources(from, *to)?;
                let moving = self.run.moves.len();
                let to = self.part(*to);
                let moves = Moving::new(to, sources.len(), *as_text);
                self.run.moves.push(moves);
                for shard in sources.iter() {
                    let part = self.run.part(self.places.rows(shard));
                    let source = Command::Source(moving, self.said(query));
                    self.run.lines[part].will(number, source);
                }
                let format = if *as_text { "" } else { " (FORMAT binary)" };
                let copy = format!("COPY {} FROM STDIN{format}", self.said(table));
                self.run.lines[to].will(number, Command::Copy(moving, copy));
            }
        }
        Ok(())
    }

    fn run_on(&mut self, shard: ShardId, number: usize, text: &str) {
        let part = self.part(shard);
        let text = self.places.made_empty(shard, &self.said(text));
        self.run.lines[part].will(number, Command::Run(text));
    }

    fn show_on(&mut self, shard: ShardId, number: usize, text: &str, what: &str, makes: bool) {
        let part = self.part(shard);
        let text = self.said(text);
        if makes && self.places.is_apart() {
            // It takes no rows of its own there, see `made_empty`: nothing of it can be shown.
            let made = text.find("CREATE TEMP TABLE").unwrap_or(0);
            let text = self.places.made_empty(shard, &text[made..]);
            self.run.lines[part].will(number, Command::Run(text));
            return;
        }
        let name = &self.places.terms.topology.shards[shard.index()].name;
        let sheet = self.run.shown.add(name, what);
        self.run.lines[part].will(number, Command::Show(sheet, text));
    }

    /// What was made empty is filled.
    fn fill_at_once(&mut self) {
        if let Some(part) = self.filler {
            let number = self.run.number(self.program.steps.len(), 0);
            let fill = Command::Run(moment::all_at_once(&self.filled));
            self.run.lines[part].will(number, fill);
        }
    }

    /// The answer, behind the steps.
    fn ask(&mut self) -> Result<(), Box<Report>> {
        let program = self.program;
        let step = self.run.number(program.steps.len(), 0);
        let tagged = &Merge::Concatenate;
        let merge = match &program.answer {
            Answer::Tag(tag) => {
                self.run.answer.tag.add(&[tag.as_bytes(), &[0]].concat());
                tagged
            }
            Answer::Merged { on, text, merge } => {
                let mut shards = self.resolve(on)?;
                if shards.is_empty() {
                    // Whichever is asked finds no rows, or raises PostgreSQL's error.
                    shards.insert(self.places.terms.topology.scratch.unwrap_or(ShardId(0)));
                }
                for shard in shards.iter() {
                    let part = self.part(shard);
                    let text = self.said(text);
                    self.run.answer.parts.push((part, text));
                }
                merge
            }
            Answer::Finished { text, columns, .. } => {
                let home = self.finisher.unwrap_or(ShardId(0));
                let part = self.run.part(self.places.rows(home));
                let text = self.said(text);
                self.run.answer.parts.push((part, text));
                self.run.answer.like = Some(columns.clone());
                self.run.lines[part]
                    .waiting
                    .push_front((0, Command::Columns));
                tagged
            }
            Answer::Each { texts, merge } => {
                for (shard, text) in texts {
                    let part = self.part(*shard);
                    let text = self.said(text);
                    self.run.answer.parts.push((part, text));
                }
                merge
            }
        };
        self.run.answer.ended = vec![false; self.run.answer.parts.len()];
        match merge {
            // COPY is an operation of its own, not an answer.
            Merge::Concatenate | Merge::InOrder => {}
            Merge::OneByOne => self.run.answer.one_by_one = true,
            Merge::Interleaved(order) => {
                let position = |shard: &ShardId| {
                    let mut asked = self.run.answer.parts.iter();
                    asked.position(|(part, _)| self.run.wanted[*part].shard == *shard)
                };
                self.run.answer.turns = order.iter().filter_map(position).collect();
                if self.run.in_order {
                    self.run.answer.early = Some(Early::new(self.run.answer.parts.len()));
                }
            }
            Merge::Copies => {
                self.run.answer.copies = true;
                self.run.answer.speaker = self.run.answer.fullest();
            }
            Merge::Added => self.run.answer.adding = Some(Adding::default()),
            Merge::CopyOut(kind) => {
                self.run.answer.streams = Some(Streams::new(*kind, self.run.answer.parts.len()));
            }
            Merge::Sorted(sorted) => {
                let (skip, limit) = sorted
                    .counts(self.places.terms.values)
                    .map_err(uncountable)?;
                self.run.answer.merging = Some(Merging::new(
                    &sorted.keys,
                    self.run.answer.parts.len(),
                    skip,
                    limit,
                    sorted.with_ties,
                ));
            }
        }
        self.run.strict |= self.run.answer.one_by_one;
        // Rows in an order are wanted of all shards at once, unless they are of rows that are changed.
        let one_after_the_other =
            self.run.answer.one_by_one || self.run.answer.merging.is_none() || program.writes;
        if program.writes
            && let Some(merging) = &mut self.run.answer.merging
        {
            merging.keep(Early::ROOM);
        }
        for at in 0..self.run.answer.parts.len() {
            let step = step
                + if one_after_the_other {
                    self.run.later(at)
                } else {
                    0
                };
            let line = &mut self.run.lines[self.run.answer.parts[at].0];
            if self.run.answer.merging.is_some() {
                line.will(step, Command::Describe);
            }
            line.will(step, Command::Answer);
        }
        Ok(())
    }

    /// Has all that is read of a server in several queries be of one moment.
    fn read_in_one_moment(&mut self) {
        let shards = &self.places.terms.topology.shards;
        for (line, wanted) in self.run.lines.iter_mut().zip(&self.run.wanted) {
            let shard = &shards[wanted.shard.index()];
            let queries = line.waiting.iter();
            let queries = queries.filter(|(_, command)| command.is_query()).count();
            if queries > 1 && (wanted.role == Role::Primary || !shard.has_replicas) {
                line.moment = Some(Moment::of(queries));
                line.waiting.push_front((0, Command::Look));
            }
        }
    }

    fn drop_work_schema(&mut self) -> Result<(), Box<Report>> {
        let Some(schema) = self.work.clone() else {
            return Ok(());
        };
        for shard in self.places.benches.clone().iter() {
            let mut drop = String::new();
            for (table, on) in &self.program.temporary {
                if self.resolve(on)?.contains(shard) {
                    drop.push_str(&format!("DROP TABLE {schema}.{table}; "));
                }
            }
            let part = self.part(shard);
            drop.push_str(&format!("DROP SCHEMA {schema}"));
            self.run.lines[part].will(usize::MAX, Command::Own(drop));
        }
        Ok(())
    }

    /// Whatever is not in the client's transaction has one of its own, where it moves rows.
    fn begin_and_end(&mut self) {
        let terms = self.places.terms;
        let steps = self.program.steps.iter();
        let fetches = steps.filter(|step| matches!(step, Step::Fetch { .. }));
        let several = self.program.moves_rows() || fetches.count() > 1;
        let own = terms.within == Within::None && several;
        let word = if self.changes { "COMMIT" } else { "ROLLBACK" };
        for (line, wanted) in self.run.lines.iter_mut().zip(&self.run.wanted) {
            let apart = wanted.apart;
            if !own && !apart || line.waiting.is_empty() {
                continue;
            }
            let preface = match terms.within {
                Within::ReadOnly(preface) if apart => preface,
                _ => "",
            };
            let makes = self.places.benches.contains(wanted.shard);
            let writable = match makes && wanted.role == Role::Primary {
                true => " READ WRITE",
                false => "",
            };
            let begin = if self.changes && !self.run.of_one_moment {
                format!("BEGIN{preface}")
            } else {
                format!("BEGIN ISOLATION LEVEL REPEATABLE READ{writable}{preface}")
            };
            line.begun = true;
            line.waiting.push_front((0, Command::Own(begin)));
            let end = if apart { "ROLLBACK" } else { word };
            line.will(usize::MAX, Command::End(end));
        }
    }

    fn drop_temporary_tables(&mut self) -> Result<(), Box<Report>> {
        let terms = self.places.terms;
        if terms.within != Within::Transaction || self.work.is_some() || terms.keeps {
            return Ok(());
        }
        for (table, on) in &self.program.temporary {
            for shard in self.resolve(on)?.iter() {
                let part = self.part(shard);
                let drop = format!("DROP TABLE pg_temp.{table}");
                self.run.lines[part].will(usize::MAX, Command::Own(drop));
            }
        }
        Ok(())
    }

    /// What is done where more rows come than are kept here.
    fn prepare_otherwise(&mut self) -> Result<(), Box<Report>> {
        if let Answer::Finished {
            otherwise: Some(program),
            ..
        } = &self.program.answer
        {
            let run = &mut self.run;
            let other = behind(run.wanted.clone(), program, self.places.terms)?;
            run.wanted.clone_from(&other.wanted);
            run.lines.resize_with(run.wanted.len(), Line::default);
            run.otherwise = Some(Box::new(other));
            run.room = FEW;
        }
        Ok(())
    }
}

/// Whether a program that changes rows brings rows of tables first, not only such as it has made itself.
fn is_of_one_moment(program: &Program) -> bool {
    let brings = |step: &Step| matches!(step, Step::Move { query, .. } if !query.contains(WORK));
    program.writes && program.steps.iter().any(brings)
}
