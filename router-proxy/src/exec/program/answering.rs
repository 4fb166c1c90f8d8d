//! What the client sees of a program: rows, their columns, the tag, errors.

use router_core::merge::sums::SumError;
use router_core::plan::{Reason, Refusal};
use router_core::sqlstate::SqlState;

use super::super::asked::Early;
use super::super::columns;
use super::super::line::Doing;
use super::super::merging::NoOrder;
use super::super::{Stage, Take};
use super::preparing::MOST;
use super::{Bound, Execution};
use crate::wire::backend as b;
use crate::wire::encode::Report;
use crate::wire::frame::Header;
use crate::wire::frontend as f;

impl Execution {
    /// What becomes of a row of the answer.
    pub(super) fn row(&mut self, stage: &mut Stage<'_>, part: usize, header: Header) -> Take {
        let at = self.answer.position(part);
        if let Some(merging) = &mut self.answer.merging {
            if merging.is_over() {
                return Take::Skip;
            }
            if !merging.has_room(at) {
                // Those behind it begin when it has ended.
                let mut behind = self.answer.ended.iter().skip(at + 1);
                return match merging.keeps() && behind.any(|ended| !ended) {
                    true => self.too_early(),
                    false => Take::Hold,
                };
            }
            merging.begin_row(at, header.body);
            return Take::Pieces;
        }
        if self.answer.copies && at > 0 {
            return Take::Skip;
        }
        if self.answer.adding.is_some() {
            return Take::Whole;
        }
        if let Some(early) = &mut self.answer.early {
            if early.has_room(header.body) {
                return Take::Whole;
            }
            return self.too_early();
        }
        // The first row may be another shard's than the description.
        let early = header.tag == b::DATA_ROW && self.bound.describe && !self.answer.described;
        if early || self.answer.turn() != Some(at) || !stage.client_takes_row() {
            return Take::Hold;
        }
        self.answer.turns.pop_front();
        self.answer.told = true;
        match &mut self.answer.streams {
            Some(streams) => streams.data(stage, at, header.body),
            None => Take::Client,
        }
    }

    /// More rows come back than can be kept until those of the other shards do.
    fn too_early(&mut self) -> Take {
        let detail = format!(
            "The rows that it returns are of several shards, and more than {} bytes.",
            Early::ROOM
        );
        let refusal = Refusal::new(Reason::GatherLimit, detail)
            .with_hint("Insert fewer rows at a time, or return fewer columns.");
        self.fail_with(&Report::from(&refusal));
        Take::Skip
    }

    /// The columns of a sorted answer.
    pub(super) fn described(&mut self, stage: &mut Stage<'_>, body: &[u8]) {
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
    pub(super) fn done_already(&self) -> String {
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

    /// One shard's row of numbers.
    pub(super) fn add(&mut self, row: &[u8]) {
        let Some(adding) = &mut self.answer.adding else {
            return;
        };
        match adding.add(row, &self.bound.formats) {
            Ok(()) => {}
            Err(SumError::Overflow) => {
                let state = SqlState::new("22003");
                self.fail_with(&Report::error(state, "bigint out of range"));
            }
            Err(SumError::NotANumber) => self.not_of_its_type(),
        }
    }

    /// A copy of a reference table was changed otherwise than the first one.
    pub(super) fn not_alike(&mut self, part: usize, tag: &[u8]) {
        let said = |tag: &[u8]| {
            String::from_utf8_lossy(tag)
                .trim_end_matches('\0')
                .to_owned()
        };
        let first = self.answer.parts[0].0;
        let detail = format!(
            "Shard \"{}\" says {}, shard \"{}\" says {}: the transaction sees them as of different moments, or they differ.",
            self.names[first],
            said(&self.answer.tag.body()),
            self.names[part],
            said(tag),
        );
        let message = "could not serialize access: copies of a reference table changed differently";
        let report = Report::error(SqlState::new("40001"), message)
            .detail(detail)
            .hint("Repeat the transaction. If that does not help, compare the copies.");
        self.fail_with(&report);
    }

    pub(super) fn not_of_its_type(&mut self) {
        let state = SqlState::new("XX000");
        let report = Report::error(
            state,
            "a shard sent a row that is not of its columns' types",
        );
        self.fail_with(&report);
    }

    /// What the client is told of its columns: what its own statement says of them.
    pub(super) fn tell_columns(&mut self, stage: &mut Stage<'_>, body: &[u8]) {
        let Some(own) = self.answer.columns.take() else {
            return;
        };
        let (own, found) = (columns::columns(&own), columns::columns(body));
        let (own, found) = (own.unwrap_or_default(), found.unwrap_or_default());
        let types = |list: &[columns::Column<'_>]| -> Vec<u32> {
            list.iter().map(|column| column.type_oid).collect()
        };
        if types(&own) != types(&found) {
            self.not_of_its_type();
            return;
        }
        self.answer.told = true;
        let body = columns::description(&own, own.len(), &self.bound.formats);
        stage.say(b::ROW_DESCRIPTION, &[&body]);
    }

    /// Goes another way, since there are too many rows for this one.
    pub(super) fn turn_to_other(&mut self, stage: &mut Stage<'_>) {
        match self.otherwise.take() {
            Some(mut other) => {
                other.bound = std::mem::replace(&mut self.bound, Bound::simple());
                for part in 0..self.lines.len() {
                    if self.unbind(stage, part) {
                        other.lines[part].doing.push_back((0, Doing::Own));
                    }
                }
                *self = *other;
                for part in 0..self.wanted.len() {
                    if self.makes_tables(part) {
                        stage.makes_tables(part);
                    }
                }
            }
            None => {
                self.overfull = false;
                let detail = format!(
                    "The shards' results have to be put together, and they are more than {} values or {} bytes.",
                    MOST.values, MOST.bytes
                );
                let refusal = Refusal::new(Reason::GatherLimit, detail).with_hint(
                    "Name a server where more can be put together: scratch, of the database's configuration.",
                );
                self.fail_with(&Report::from(&refusal));
            }
        }
    }

    /// The tag of the whole.
    pub(super) fn complete(&mut self, stage: &mut Stage<'_>) {
        if let Some(early) = self.answer.early.take() {
            for row in early.in_order(std::mem::take(&mut self.answer.turns)) {
                stage.say(b::DATA_ROW, &[&row]);
            }
        }
        if self.answer.copies_out {
            stage.say(f::COPY_DONE, &[]);
        }
        if let Some(adding) = &self.answer.adding {
            adding.give(stage, &self.bound.formats);
            stage.say(b::COMMAND_COMPLETE, &[b"SELECT 1\0"]);
            return;
        }
        let tag = match &self.answer.merging {
            _ if self.answer.tag.is_empty() => return stage.say(b::EMPTY_QUERY, &[]),
            // Whatever changes rows returns each that it counts.
            Some(merging) => self.answer.tag.of_rows(merging.given),
            None => self.answer.tag.body(),
        };
        stage.say(b::COMMAND_COMPLETE, &[&tag]);
    }
}
