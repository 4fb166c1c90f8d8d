//! Portals of statements that are carried out in steps.
//!
//! Such a portal lives with the session: what its `Bind` said is kept, and each step is bound to it when it runs. A
//! portal that is read in parts (`Execute` with a row limit) is run as a whole at its first `Execute`; its rows are
//! kept, up to [`SPOOL_LIMIT`], and given as they are asked for. So its connections are free for other statements.

use std::cell::RefCell;
use std::rc::Rc;

use router_core::plan::resolve::Param;
use router_core::plan::{Effect, Merge, Plan, Route, SessionStatement};
use router_core::sqlstate::SqlState;

use super::Session;
use super::client::Taken;
use super::cursor::is_held_and_gathered;
use super::number;
use super::outer::{self, Held};
use super::statement::ClientStatement;
use super::step::{Own, Ready, Step};
use crate::exec::columns::Formats;
use crate::exec::describe::Description;
use crate::exec::program::Bound;
use crate::wire::backend as b;
use crate::wire::encode::Report;
use crate::wire::frame::{HEADER_LEN, Header};
use crate::wire::frontend as f;

/// Most bytes of rows that are kept for a portal that is read in parts.
pub(super) const SPOOL_LIMIT: usize = 16 << 20;

/// What `Bind` said of a portal whose statement is carried out in steps.
#[derive(Debug)]
pub(super) struct Steps {
    /// From the formats of the parameters to those of the results.
    rest: Box<[u8]>,
    /// Where in there the formats of the results begin.
    formats_at: usize,
    formats: Formats,
}

impl Steps {
    /// By what stands behind the names in a `Bind`.
    pub(super) fn of(rest: &[u8]) -> Option<Self> {
        let (formats_at, formats) = Session::formats_of(rest)?;
        Some(Self {
            rest: rest.into(),
            formats_at,
            formats,
        })
    }
}

/// The rows of a portal that is read in parts: whole messages, the tag last.
#[derive(Debug, Default)]
pub(super) struct Spool {
    bytes: Vec<u8>,
    at: usize,
    /// Whether any rows were given. A tag counts those that were given this time, as PostgreSQL's does; of what gives no rows it
    /// counts what was done.
    gives_rows: bool,
}

impl Spool {
    /// Of whole messages.
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            at: 0,
            gives_rows: false,
        }
    }

    /// One that has been given as a whole, of a statement of this kind.
    fn ended(kind: &str) -> Self {
        let words = match kind {
            "insert" => "INSERT 0".to_owned(),
            "update" | "delete" | "merge" => kind.to_ascii_uppercase(),
            _ => "SELECT".to_owned(),
        };
        let tag = format!("{words} 0\0");
        let header = Header {
            tag: b::COMMAND_COMPLETE,
            body: tag.len(),
        };
        Self::new([&header.to_bytes()[..], tag.as_bytes()].concat())
    }

    /// The next `most` rows (0: all) and what follows them, as whole messages.
    fn next(&mut self, most: usize) -> Vec<u8> {
        let from = self.at;
        let mut rows = 0;
        while let Ok(Some(header)) = Header::parse(&self.bytes[self.at..]) {
            match header.tag {
                b::DATA_ROW if most > 0 && rows == most => break,
                b::DATA_ROW => rows += 1,
                // What servers remarked stays where it was said.
                b::NOTICE | b::NOTIFICATION => {}
                _ => break,
            }
            self.at += header.frame_len();
        }
        self.gives_rows |= rows > 0;
        let mut out = self.bytes[from..self.at].to_vec();
        let end = match Header::parse(&self.bytes[self.at..]) {
            _ if most > 0 && rows == most => (b::PORTAL_SUSPENDED, Vec::new()),
            Ok(Some(header)) => {
                let body = &self.bytes[self.at..][HEADER_LEN..header.frame_len()];
                match b::command_tag(body) {
                    Some((words, Some(_))) if self.gives_rows => {
                        let tag = format!("{} {rows}\0", String::from_utf8_lossy(words));
                        (header.tag, tag.into_bytes())
                    }
                    _ => (header.tag, body.to_vec()),
                }
            }
            _ => (b::COMMAND_COMPLETE, format!("SELECT {rows}\0").into_bytes()),
        };
        let header = Header {
            tag: end.0,
            body: end.1.len(),
        };
        out.extend_from_slice(&header.to_bytes());
        out.extend_from_slice(&end.1);
        out
    }
}

/// Whether a statement may be carried out in steps.
pub(super) fn is_in_steps(statement: &ClientStatement) -> bool {
    statement.plan().is_some_and(|plan| match &plan.route {
        Route::Program(_) | Route::Split(_) | Route::CopyIn(_) => true,
        Route::Session(session) => matches!(
            &**session,
            SessionStatement::Declare {
                gathered: Some(_),
                ..
            } | SessionStatement::Execute(_)
                | SessionStatement::Explain
        ),
        Route::Scatter { merge, .. } => *merge != Merge::Concatenate,
        _ => false,
    })
}

/// Whether values in binary have the length that their type has: a server would say so before the portal is there.
fn well_formed(params: &[Param<'_>], description: &Description) -> Result<(), Box<Report>> {
    for (i, param) in params.iter().enumerate() {
        let (true, Some(value), Some(length)) =
            (param.binary, param.value, length_of(description.type_of(i)))
        else {
            continue;
        };
        if value.len() < length {
            let text = "insufficient data left in message".to_owned();
            return Err(Box::new(malformed(text)));
        }
        if value.len() > length {
            let text = format!("incorrect binary data format in bind parameter {}", i + 1);
            return Err(Box::new(Report::error(SqlState::new("22P03"), text)));
        }
    }
    Ok(())
}

/// How long a value of a type is in binary, where all are alike.
fn length_of(oid: u32) -> Option<usize> {
    Some(match oid {
        // bool, "char"
        16 | 18 => 1,
        // int2
        21 => 2,
        // int4, oid, float4, date
        23 | 26 | 700 | 1082 => 4,
        // int8, float8, money, time, timestamp, timestamptz
        20 | 701 | 790 | 1083 | 1114 | 1184 => 8,
        // timetz
        1266 => 12,
        // interval, uuid
        1186 | 2950 => 16,
        _ => return None,
    })
}

/// The plan of an `EXECUTE`.
fn executes(statement: &ClientStatement) -> Option<&Plan> {
    statement.plan().filter(|plan| {
        matches!(&plan.route, Route::Session(session)
            if matches!(**session, SessionStatement::Execute(_)))
    })
}

fn malformed(message: String) -> Report {
    Report::error(SqlState::new("08P01"), message)
}

impl Session {
    /// Whether an operation of the pipeline at hand has to wait: for what was sent before it, which the server must have
    /// answered, and whose implicit transaction it must not end.
    pub(super) fn pipeline_is_busy(&mut self, writes: bool) -> bool {
        if !self.steps.is_empty() {
            self.flush_group();
            return true;
        }
        let begun = writes || self.links.iter().any(|link| link.touched);
        begun && self.begin_for_pipeline()
    }

    /// `Describe` of a statement that may be carried out in steps.
    pub(super) fn describe_in_steps(&mut self, statement: &Rc<ClientStatement>) -> Taken {
        self.in_pipeline = true;
        if let Some(plan) = executes(statement) {
            match self.describe_execute(plan) {
                Ok(description) => {
                    let bytes = description.of_statement();
                    self.owe(Step::Own(Own::Bytes(bytes)));
                }
                Err(Held::Wait) => return Taken::Wait,
                Err(Held::Failed(error)) => self.fail_pipeline_with(error),
            }
            return Taken::Discard;
        }
        if let Err(held) = self.described(statement) {
            return self.hold(held, Ready::Silent);
        }
        let none = Description::of_rows(None);
        let bytes = statement.description.get().unwrap_or(&none).of_statement();
        self.owe(Step::Own(Own::Bytes(bytes)));
        Taken::Discard
    }

    /// `Bind` of a statement that may be carried out in steps. `None`: this execution goes to one shard as it is.
    pub(super) fn bind_in_steps(
        &mut self,
        name: &[u8],
        statement: &Rc<ClientStatement>,
        params: &[Param<'_>],
        rest: &[u8],
    ) -> Option<Taken> {
        let none = Description::of_rows(None);
        // The rows of an `EXECUTE` are known once it runs.
        if executes(statement).is_none()
            && let Err(held) = self.described(statement)
        {
            self.in_pipeline = true;
            return Some(self.hold(held, Ready::Silent));
        }
        let description = statement.description.get().unwrap_or(&none);
        let given = f::parameter_formats(rest);
        if given > 1 && given != params.len() {
            let report = malformed(format!(
                "bind message has {given} parameter formats but {} parameters",
                params.len()
            ));
            self.fail_pipeline(&report);
            return Some(Taken::Discard);
        }
        if params.len() != description.params() {
            let report = malformed(format!(
                "bind message supplies {} parameters, but prepared statement \"{}\" requires {}",
                params.len(),
                String::from_utf8_lossy(statement.names().0),
                description.params()
            ));
            self.fail_pipeline(&report);
            return Some(Taken::Discard);
        }
        if let Err(report) = well_formed(params, description) {
            self.fail_pipeline(&report);
            return Some(Taken::Discard);
        }
        let (analysis, planned) = statement.planned.as_ref()?;
        let possible = match outer::carries_another(&planned.plan) {
            true => Ok(()),
            false => self
                .execution(analysis, planned, statement.text(), params)?
                .map(|_| ()),
        };
        let steps = possible.and_then(|()| {
            let garbled = || Box::new(malformed("invalid message format".to_owned()));
            let (formats_at, formats) = Self::formats_of(rest).ok_or_else(garbled)?;
            match description.columns() {
                Some(columns) if formats.given() > 1 && formats.given() != columns => {
                    Err(Box::new(malformed(format!(
                        "bind message has {} result formats but query has {columns} columns",
                        formats.given()
                    ))))
                }
                _ => Ok(Steps {
                    rest: rest.into(),
                    formats_at,
                    formats,
                }),
            }
        });
        self.in_pipeline = true;
        match steps {
            Ok(steps) => {
                self.keep_steps(name, statement, steps);
                self.owe(Step::Own(Own::Empty(b::BIND_COMPLETE)));
            }
            Err(report) => self.fail_pipeline(&report),
        }
        Some(Taken::Discard)
    }

    /// `Bind` of `SELECT shunt.next_id()`.
    pub(super) fn bind_alone(
        &mut self,
        name: &[u8],
        statement: &Rc<ClientStatement>,
        rest: &[u8],
    ) -> Taken {
        self.in_pipeline = true;
        let none = f::bind_values(rest).is_some_and(|values| values.is_empty());
        match Self::formats_of(rest).filter(|_| none) {
            Some((formats_at, formats)) => {
                let steps = Steps {
                    rest: rest.into(),
                    formats_at,
                    formats,
                };
                self.keep_steps(name, statement, steps);
                self.owe(Step::Own(Own::Empty(b::BIND_COMPLETE)));
            }
            None => self.fail_pipeline(&malformed("invalid message format".to_owned())),
        }
        Taken::Discard
    }

    /// The rows of `SELECT shunt.next_id()`.
    fn number_of(&self, formats: &Formats) -> Result<Spool, Box<Report>> {
        let row = number::row(self.next_number()?, formats);
        let tag = b"SELECT 1\0";
        let header = |tag, body: &[u8]| {
            let body = body.len();
            Header { tag, body }.to_bytes()
        };
        Ok(Spool::new(
            [
                &header(b::DATA_ROW, &row)[..],
                &row,
                &header(b::COMMAND_COMPLETE, tag),
                tag,
            ]
            .concat(),
        ))
    }

    /// `Describe` of a portal whose statement is carried out in steps.
    pub(super) fn describe_portal_in_steps(
        &mut self,
        statement: &ClientStatement,
        steps: &Steps,
    ) -> Taken {
        self.in_pipeline = true;
        if self.transaction.is_failed() {
            self.fail_in_failed();
            return Taken::Discard;
        }
        if let Some(plan) = executes(statement) {
            match self.describe_execute(plan) {
                Ok(description) => {
                    let bytes = description.of_portal(&steps.formats);
                    self.owe(Step::Own(Own::Bytes(bytes)));
                }
                Err(Held::Wait) => return Taken::Wait,
                Err(Held::Failed(error)) => self.fail_pipeline_with(error),
            }
            return Taken::Discard;
        }
        let bytes = match statement.description.get() {
            Some(description) => description.of_portal(&steps.formats),
            None => Vec::new(),
        };
        self.owe(Step::Own(Own::Bytes(bytes)));
        Taken::Discard
    }

    /// `Execute` of a portal whose statement is carried out in steps.
    pub(super) fn execute_in_steps(
        &mut self,
        statement: &Rc<ClientStatement>,
        steps: &Steps,
        spool: &Rc<RefCell<Option<Spool>>>,
        max_rows: i32,
    ) -> Taken {
        // COPY knows no limit.
        let copies = statement.plan().is_some_and(|plan| plan.kind == "copy");
        let most = match usize::try_from(max_rows) {
            Ok(most) if !copies => most,
            _ => 0,
        };
        let alone = statement
            .plan()
            .is_some_and(|plan| number::alone(plan).is_some());
        if alone && spool.borrow().is_none() {
            let failed =
                self.transaction.is_failed() || self.links.iter().any(|link| link.status() == b'E');
            if !self.steps.is_empty() {
                self.flush_group();
                return Taken::Wait;
            }
            if failed {
                self.fail_in_failed();
                return Taken::Discard;
            }
            match self.number_of(&steps.formats) {
                Ok(rows) => *spool.borrow_mut() = Some(rows),
                Err(report) => {
                    self.fail_pipeline(&report);
                    return Taken::Discard;
                }
            }
        }
        if let Some(spool) = &mut *spool.borrow_mut() {
            if !self.steps.is_empty() {
                self.flush_group();
                return Taken::Wait;
            }
            self.in_pipeline = true;
            if self.transaction.is_failed() {
                self.fail_in_failed();
                return Taken::Discard;
            }
            let bytes = spool.next(most);
            self.owe(Step::Own(Own::Bytes(bytes)));
            return Taken::Discard;
        }
        let Some((analysis, planned)) = &statement.planned else {
            return Taken::Discard;
        };
        let plan = &*planned.plan;
        let writes = match &plan.route {
            Route::Session(_) if outer::carries_another(plan) => self.carries_writes(plan),
            Route::Session(session) => is_held_and_gathered(session),
            // What goes shard by shard cannot be in a transaction.
            Route::Scatter {
                merge: Merge::OneByOne,
                ..
            } => false,
            _ => plan.effect != Effect::Read,
        };
        if self.pipeline_is_busy(writes) {
            return Taken::Wait;
        }
        if outer::carries_another(plan) {
            let text = planned.span.of(statement.text());
            let bound = Bound {
                types: statement
                    .description
                    .get()
                    .map_or(vec![0, 0], |description| description.types.clone()),
                params: steps.rest[..steps.formats_at].to_vec(),
                formats: steps.formats.clone(),
                describe: false,
            };
            self.in_pipeline = true;
            return match self.carry_out(plan, text, bound, Ready::Silent) {
                Ok(taken) => self.started(taken, most, spool, "select"),
                Err(Held::Wait) => Taken::Wait,
                Err(Held::Failed(error)) => {
                    self.fail_pipeline_with(error);
                    Taken::Discard
                }
            };
        }
        let description = statement.description.get();
        let values = f::bind_values(&steps.rest).unwrap_or_default();
        let params: Vec<Param<'_>> = values
            .iter()
            .enumerate()
            .map(|(i, value)| Param {
                oid: description.map_or(0, |description| description.type_of(i)),
                binary: value.binary,
                value: value.bytes,
            })
            .collect();
        let execution = match self.execution_in_parts(analysis, planned, statement.text(), &params)
        {
            Some(Ok(execution)) => execution,
            Some(Err(report)) => {
                self.fail_pipeline(&report);
                return Taken::Discard;
            }
            // The topology cannot change while a portal is open.
            None => return Taken::Discard,
        };
        let bound = Bound {
            types: description.map_or(vec![0, 0], |description| description.types.clone()),
            params: steps.rest[..steps.formats_at].to_vec(),
            formats: steps.formats.clone(),
            describe: false,
        };
        self.in_pipeline = true;
        let taken = self.start(execution, bound, plan, Ready::Silent);
        self.started(taken, most, spool, &plan.kind)
    }

    /// An execution of a portal has started, unless it waits.
    fn started(
        &mut self,
        taken: Taken,
        most: usize,
        spool: &Rc<RefCell<Option<Spool>>>,
        kind: &str,
    ) -> Taken {
        match (taken != Taken::Wait, most) {
            (true, 0) => {
                // Whoever executes it again finds it at its end.
                *spool.borrow_mut() = Some(Spool::ended(kind));
                Taken::Discard
            }
            (true, _) => {
                self.spool_operation(spool);
                // Offered again once the rows are there.
                Taken::Wait
            }
            (false, _) => Taken::Wait,
        }
    }
}

/// What a client is told whose portal holds more than is kept.
pub(super) fn too_much() -> Report {
    Report::error(
        SqlState::new("SH028"),
        "statement needs too many rows of other shards",
    )
    .detail(format!(
        "Its portal is read in parts (Execute with a row limit), and the rows of several shards are kept for that up to {SPOOL_LIMIT} bytes."
    ))
    .hint("Fetch all rows at once, or narrow the statement.")
}
