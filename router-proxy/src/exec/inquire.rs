//! What one server says before a statement can go on: what `PREPARE` prepares, what the arguments of `EXECUTE` come to,
//! what a statement's parameters and rows are.
//!
//! It is PostgreSQL that resolves names of types, infers types of parameters, and casts arguments to them, with its own
//! errors. What is prepared for that has the name that the client says, which the errors show, and is taken away again.

use std::cell::OnceCell;
use std::rc::Rc;
use std::task::Poll;

use super::describe::Description;
use super::{Operation, Outcome, Stage, Take};
use crate::wire::backend as b;
use crate::wire::frame::Header;
use crate::wire::frontend as f;
use crate::wire::view::Reader;

/// What is asked.
#[derive(Debug)]
pub(crate) enum Question {
    /// A `PREPARE` of this name: what it comes to.
    Prepare { name: Vec<u8>, text: Vec<u8> },
    /// The arguments in this `EXECUTE` of a statement of this name with parameters of these types, as in a `Parse`.
    Arguments {
        name: Vec<u8>,
        types: Vec<u8>,
        text: Vec<u8>,
    },
    /// A statement is put on a server under this name, for good.
    Keep {
        name: [u8; 22],
        text: Vec<u8>,
        types: Vec<u8>,
        /// In the place of these.
        replaces: Vec<[u8; 22]>,
        /// With these in force meanwhile: each a `SET LOCAL`.
        by: Vec<String>,
        /// In a transaction, which goes on.
        within: bool,
        /// And it is asked what rows it gives there.
        describes: bool,
    },
    /// A statement with these declared types.
    Describe { text: Vec<u8>, types: Vec<u8> },
}

/// The answer.
#[derive(Debug)]
pub(crate) enum Found {
    /// What PostgreSQL says about the statement.
    Description(Description),
    /// The arguments: formats and values as in a `Bind`.
    Arguments(Vec<u8>),
    /// That it went well.
    Nothing,
}

/// The answer once it is there, or the body of an `ErrorResponse`.
pub(crate) type Answer = Rc<OnceCell<Result<Found, Vec<u8>>>>;

/// Asks one server. It never fails: an error is the answer.
#[derive(Debug)]
pub(crate) struct Inquiring {
    asks: Option<Question>,
    found: Found,
    into: Answer,
    /// What is said instead of a relation that the server does not know.
    unknown: Option<Vec<u8>>,
    /// It is the client's text as it stands.
    keeps_places: bool,
    failure: Option<Vec<u8>>,
    /// It begins a transaction, which an error leaves open.
    begun: bool,
}

/// PostgreSQL's state for a relation that does not exist.
const UNDEFINED_TABLE: &[u8] = b"42P01";

/// Values that text does not carry exactly under every setting: `real` and `double precision`.
const FLOATS: [u32; 2] = [700, 701];

/// The format of each value, by the types as in a `Parse`.
fn formats(types: &[u8]) -> Vec<u8> {
    let oids = types.get(2..).unwrap_or(&[]).chunks_exact(4);
    let mut bytes = types.get(..2).unwrap_or(&[0, 0]).to_vec();
    for oid in oids {
        let oid = u32::from_be_bytes([oid[0], oid[1], oid[2], oid[3]]);
        bytes.extend_from_slice(&[0, u8::from(FLOATS.contains(&oid))]);
    }
    bytes
}

/// What leaves a transaction as it was.
const KEPT: (&str, &str, &str) = (
    "SAVEPOINT \"shunt: reading\"",
    "ROLLBACK TO SAVEPOINT \"shunt: reading\"",
    "RELEASE SAVEPOINT \"shunt: reading\"",
);

/// Has a part carry out a statement, within a pipeline.
fn run(stage: &mut Stage<'_>, sql: &str) {
    stage.send(0, f::PARSE, &[&[0], sql.as_bytes(), &[0, 0, 0]]);
    stage.send(0, f::BIND, &[&[0; 8]]);
    stage.send(0, f::EXECUTE, &[&[0; 5]]);
}

impl Inquiring {
    pub(crate) fn new(question: Question, into: &Answer) -> Self {
        let keeps_places = matches!(question, Question::Describe { .. });
        let found = match &question {
            Question::Prepare { .. } | Question::Describe { .. } => {
                Found::Description(Description::default())
            }
            Question::Arguments { types, .. } => Found::Arguments(formats(types)),
            Question::Keep {
                describes: true, ..
            } => Found::Description(Description::default()),
            Question::Keep { .. } => Found::Nothing,
        };
        let begun = matches!(&question, Question::Keep { by, within: false, .. } if !by.is_empty());
        Self {
            begun,
            asks: Some(question),
            found,
            into: Rc::clone(into),
            unknown: None,
            keeps_places,
            failure: None,
        }
    }

    /// With the body of an error that is said when the server does not know a relation.
    pub(crate) fn or_else(mut self, unknown: Option<Vec<u8>>) -> Self {
        self.unknown = unknown;
        self
    }

    fn ask(stage: &mut Stage<'_>, question: &Question) {
        let mut forget = None;
        match question {
            Question::Keep {
                name,
                text,
                types,
                replaces,
                by,
                within,
                describes,
            } => {
                for old in replaces {
                    stage.send(0, f::CLOSE, &[b"S", old, &[0]]);
                }
                // All in one pipeline: nothing is reported, since in the end nothing has changed.
                let (before, after) = match (by.is_empty(), within) {
                    (true, _) => (&[][..], &[][..]),
                    (false, true) => (&[KEPT.0][..], &[KEPT.1, KEPT.2][..]),
                    (false, false) => (&["BEGIN"][..], &["ROLLBACK"][..]),
                };
                let before = before.iter().copied().chain(by.iter().map(String::as_str));
                before.for_each(|sql| run(stage, sql));
                stage.send(0, f::PARSE, &[name, &[0], text, &[0], types]);
                if *describes {
                    stage.send(0, f::DESCRIBE, &[b"S", name, &[0]]);
                }
                after.iter().for_each(|sql| run(stage, sql));
            }
            Question::Describe { text, types } => {
                stage.send(0, f::PARSE, &[&[0], text, &[0], types]);
                stage.send(0, f::DESCRIBE, &[b"S\0"]);
            }
            Question::Prepare { name, text } => {
                stage.send(0, f::PARSE, &[&[0], text, &[0, 0, 0]]);
                stage.send(0, f::BIND, &[&[0; 8]]);
                stage.send(0, f::EXECUTE, &[&[0; 5]]);
                stage.send(0, f::DESCRIBE, &[b"S", name, &[0]]);
                forget = Some(name);
            }
            Question::Arguments { name, types, text } => {
                let count = types
                    .get(..2)
                    .map_or(0, |n| u16::from_be_bytes([n[0], n[1]]));
                let values: Vec<String> = (1..=count).map(|n| format!("${n}")).collect();
                let select = format!("SELECT {}", values.join(", "));
                stage.send(0, f::PARSE, &[name, &[0], select.as_bytes(), &[0], types]);
                stage.send(0, f::PARSE, &[&[0], text, &[0, 0, 0]]);
                stage.send(0, f::BIND, &[&[0; 6], &formats(types)]);
                stage.send(0, f::EXECUTE, &[&[0; 5]]);
                forget = Some(name);
            }
        }
        stage.sync(0);
        if let Some(name) = forget {
            // In a pipeline of its own: an error must not leave it there.
            stage.send(0, f::CLOSE, &[b"S", name, &[0]]);
            stage.sync(0);
        }
    }
}

impl Operation for Inquiring {
    fn poll(&mut self, stage: &mut Stage<'_>) -> Poll<Outcome> {
        if let Some(question) = self.asks.take() {
            Self::ask(stage, &question);
        }
        if !stage.all_settled() {
            return Poll::Pending;
        }
        if std::mem::take(&mut self.begun) && stage.is_failed(0) {
            stage.query(0, "ROLLBACK");
            return Poll::Pending;
        }
        let found = std::mem::replace(&mut self.found, Found::Nothing);
        let _ = self.into.set(match self.failure.take() {
            Some(error) => Err(error),
            None => Ok(found),
        });
        Poll::Ready(Outcome::Done)
    }

    fn reply(&mut self, _: &mut Stage<'_>, _: usize, header: Header) -> Take {
        match (header.tag, &self.found) {
            (b::PARAMETER_DESCRIPTION | b::ROW_DESCRIPTION, Found::Description(_))
            | (b::DATA_ROW, Found::Arguments(_)) => Take::Whole,
            _ => Take::Skip,
        }
    }

    fn message(&mut self, _: &mut Stage<'_>, _: usize, tag: u8, body: &[u8]) {
        match &mut self.found {
            Found::Arguments(values) => values.extend_from_slice(body),
            Found::Description(found) if tag == b::PARAMETER_DESCRIPTION => {
                found.types = body.to_vec();
            }
            Found::Description(found) => found.rows = Some(body.to_vec()),
            Found::Nothing => {}
        }
    }

    fn keeps_places(&self) -> bool {
        self.keeps_places
    }

    fn failed(&mut self, _: &mut Stage<'_>, _: usize, error: &[u8]) {
        let undefined = b::error_field(error, b'C') == Some(UNDEFINED_TABLE);
        let said = self.unknown.take().filter(|_| undefined);
        self.failure
            .get_or_insert_with(|| said.unwrap_or_else(|| error.to_vec()));
    }
}

/// Formats and values of parameters in text, as in a `Bind`.
pub(crate) fn in_text<'v>(values: impl ExactSizeIterator<Item = Option<&'v str>>) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    bytes.extend_from_slice(&(values.len() as u16).to_be_bytes());
    for value in values {
        match value {
            Some(value) => {
                bytes.extend_from_slice(&(value.len() as u32).to_be_bytes());
                bytes.extend_from_slice(value.as_bytes());
            }
            None => bytes.extend_from_slice(&(-1i32).to_be_bytes()),
        }
    }
    bytes
}

/// The types of a `ParameterDescription`, each.
pub(crate) fn oids(types: &[u8]) -> Vec<u32> {
    let mut reader = Reader::new(types);
    let count = reader.u16().unwrap_or(0);
    (0..count)
        .map_while(|_| reader.take(4))
        .map(|oid| u32::from_be_bytes([oid[0], oid[1], oid[2], oid[3]]))
        .collect()
}
