//! What the servers of a program are told, and when.

use super::super::Stage;
use super::super::columns::Formats;
use super::super::fetching::{self, Fetching};
use super::super::line::{Command, Doing, Line};
use super::{Execution, PORTAL};
use crate::wire::frontend as f;

impl Execution {
    /// Tells every server what it can be told now.
    pub(super) fn tell(&mut self, stage: &mut Stage<'_>) {
        let current = self.lines.iter().filter_map(Line::step).min();
        for part in 0..self.lines.len() {
            while let Some((step, command)) = self.lines[part].waiting.front() {
                let later = self.strict && Some(*step) > current;
                let unknown = *command == Command::Answer && !self.can_be_asked();
                let waits = self.lines[part].copying.is_some() || self.is_looking(part);
                if later || unknown || waits || !stage.has_room(part) {
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

    /// Whether everything is known that the answer's text needs.
    pub(super) fn can_be_asked(&self) -> bool {
        let merging = self.answer.merging.as_ref();
        merging.is_none_or(|merging| merging.shown().is_some())
            && self.fetches.iter().all(Fetching::is_done)
    }

    pub(super) fn command(
        &mut self,
        stage: &mut Stage<'_>,
        part: usize,
        command: Command,
    ) -> Doing {
        match command {
            Command::Look => {
                self.bind_all(stage, part);
                Doing::Look
            }
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
            Command::Show(sheet, text) => {
                self.parse(stage, part, &text);
                self.bind_portal(stage, part, &self.bound.formats);
                if self.bound.describe && sheet == 0 {
                    stage.send(part, f::DESCRIBE, &[b"P", PORTAL]);
                }
                self.execute_portal(stage, part, 0);
                stage.sync(part);
                Doing::Show(sheet)
            }
            Command::Source(moving, query) => {
                let formats = self.moves[moving].formats();
                let portal = self.bind_query(stage, part, &query, &formats);
                self.execute_query(stage, part, &portal, 0);
                Doing::Source(moving)
            }
            Command::Fetch(fetch) => {
                let fetching = &self.fetches[fetch];
                let (query, formats) = (fetching.query.clone(), fetching.formats());
                let portal = self.bind_query(stage, part, &query, &formats);
                stage.send(part, f::DESCRIBE, &[b"P", &portal]);
                // One row more than can be kept tells that there are too many.
                let most = self.room.values as u32 + 1;
                self.execute_query(stage, part, &portal, most);
                Doing::Fetch(fetch)
            }
            Command::Columns => {
                let like = self.answer.like.clone().unwrap_or_default();
                self.parse(stage, part, &like);
                stage.send(part, f::DESCRIBE, &[b"S\0"]);
                stage.sync(part);
                Doing::Columns
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
                        let mut text = self.text_for(part);
                        if !self.fetches.is_empty() {
                            let Some((whole, types, params)) =
                                fetching::put_in(&self.fetches, &text, &self.bound)
                            else {
                                self.overfull = true;
                                stage.sync(part);
                                return Doing::Own;
                            };
                            text = whole;
                            self.bound.types = types;
                            self.bound.params = params;
                        }
                        self.parse(stage, part, &text);
                        self.bound.formats.clone()
                    }
                };
                self.bind_portal(stage, part, &formats);
                if self.bound.describe && self.answer.merging.is_none() {
                    stage.send(part, f::DESCRIBE, &[b"P", PORTAL]);
                }
                self.execute_portal(stage, part, 0);
                stage.sync(part);
                Doing::Answer
            }
        }
    }

    pub(super) fn text_for(&self, part: usize) -> String {
        let asked = self.answer.parts.iter().find(|(asked, _)| *asked == part);
        asked.map(|(_, text)| text.clone()).unwrap_or_default()
    }

    pub(super) fn parse(&self, stage: &mut Stage<'_>, part: usize, text: &str) {
        let parts: [&[u8]; 4] = [&[0], text.as_bytes(), &[0], &self.bound.types];
        stage.send(part, f::PARSE, &parts);
    }

    pub(super) fn execute(&self, stage: &mut Stage<'_>, part: usize, formats: &Formats) {
        self.bind_portal(stage, part, formats);
        self.execute_portal(stage, part, 0);
    }

    pub(super) fn bind_portal(&self, stage: &mut Stage<'_>, part: usize, formats: &Formats) {
        let parts: [&[u8]; 4] = [PORTAL, &[0], &self.bound.params, &formats.bytes()];
        stage.send(part, f::BIND, &parts);
    }

    /// `most`: rows; 0 are all.
    pub(super) fn execute_portal(&self, stage: &mut Stage<'_>, part: usize, most: u32) {
        stage.send(part, f::EXECUTE, &[PORTAL, &most.to_be_bytes()]);
        // A portal that is open holds its tables.
        stage.send(part, f::CLOSE, &[b"P", PORTAL]);
    }

    /// Ends the copies whose rows have all come.
    pub(super) fn end_copies(&mut self, stage: &mut Stage<'_>) {
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
    pub(super) fn give_up(&mut self, stage: &mut Stage<'_>) {
        for part in 0..self.lines.len() {
            if self.unbind(stage, part) {
                self.lines[part].doing.push_back((usize::MAX, Doing::Own));
            }
        }
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
}
