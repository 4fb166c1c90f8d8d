//! What PostgreSQL says about a statement: the types of its parameters and the columns of its rows.
//!
//! A program is made of other texts than the client's. So its parameters are declared with the types that the client's
//! own text gives them, and the client is told of the columns of its own text.

use std::cell::OnceCell;
use std::rc::Rc;
use std::task::Poll;

use super::columns::{self, Formats};
use super::{Operation, Outcome, Stage, Take};
use crate::wire::backend as b;
use crate::wire::frame::Header;
use crate::wire::frontend as f;

/// What PostgreSQL says about a statement.
#[derive(Debug, Default)]
pub(crate) struct Description {
    /// Number of parameters and their types, as in a `ParameterDescription` and in a `Parse`.
    pub(crate) types: Vec<u8>,
    /// The body of its `RowDescription`; `None`: it gives no rows.
    pub(super) rows: Option<Vec<u8>>,
}

impl Description {
    /// Of a statement without parameters whose rows have these columns; `None`: it gives no rows.
    pub(crate) fn of_rows(rows: Option<Vec<u8>>) -> Self {
        let types = vec![0, 0];
        Self { types, rows }
    }

    /// The same with only the first parameters.
    pub(crate) fn with_parameters(&self, count: u16) -> Self {
        let mut types = count.to_be_bytes().to_vec();
        let known = self.types.get(2..2 + 4 * usize::from(count));
        types.extend_from_slice(known.unwrap_or(&[]));
        let rows = self.rows.clone();
        Self { types, rows }
    }

    /// The body of the description of its rows; `None`: it gives no rows.
    pub(crate) fn rows(&self) -> Option<Vec<u8>> {
        self.rows.clone()
    }

    /// How many parameters there are.
    pub(crate) fn params(&self) -> usize {
        self.types.len().saturating_sub(2) / 4
    }

    /// The type of a parameter, from 0; 0 where it is not known.
    pub(crate) fn type_of(&self, param: usize) -> u32 {
        let bytes = self.types.get(2 + 4 * param..6 + 4 * param);
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u32::from_be_bytes)
    }

    /// How many columns its rows have; `None`: it gives no rows.
    pub(crate) fn columns(&self) -> Option<usize> {
        let count = self.rows.as_deref()?.first_chunk::<2>()?;
        Some(u16::from_be_bytes(*count).into())
    }

    /// Whole messages: of its rows in these formats.
    pub(crate) fn of_portal(&self, formats: &Formats) -> Vec<u8> {
        let Some(rows) = &self.rows else {
            return message(b::NO_DATA, &[]);
        };
        let columns = columns::columns(rows).unwrap_or_default();
        let body = columns::description(&columns, columns.len(), formats);
        message(b::ROW_DESCRIPTION, &body)
    }

    /// Whole messages: of its parameters and rows.
    pub(crate) fn of_statement(&self) -> Vec<u8> {
        let mut bytes = message(b::PARAMETER_DESCRIPTION, &self.types);
        bytes.extend(self.of_portal(&Formats::text()));
        bytes
    }
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let header = Header {
        tag,
        body: body.len(),
    };
    [&header.to_bytes()[..], body].concat()
}

/// PostgreSQL's state for a relation that does not exist.
const UNDEFINED_TABLE: &[u8] = b"42P01";

/// Asks one server.
#[derive(Debug)]
pub(crate) struct Describing {
    /// Text and declared types, until they are sent.
    asks: Option<(Vec<u8>, Vec<u8>)>,
    found: Description,
    /// Where the answer goes.
    into: Rc<OnceCell<Description>>,
    /// What is said instead of a relation that the server does not know.
    unknown: Option<Vec<u8>>,
    failure: Option<Vec<u8>>,
}

impl Describing {
    pub(crate) fn new(text: &[u8], types: &[u8], into: &Rc<OnceCell<Description>>) -> Self {
        Self {
            asks: Some((text.to_vec(), types.to_vec())),
            found: Description::default(),
            into: Rc::clone(into),
            unknown: None,
            failure: None,
        }
    }

    /// With the body of an error that is said when the server does not know a relation.
    pub(crate) fn or_else(mut self, unknown: Option<Vec<u8>>) -> Self {
        self.unknown = unknown;
        self
    }
}

impl Operation for Describing {
    fn poll(&mut self, stage: &mut Stage<'_>) -> Poll<Outcome> {
        if let Some((text, types)) = self.asks.take() {
            stage.send(0, f::PARSE, &[&[0], &text, &[0], &types]);
            stage.send(0, f::DESCRIBE, &[b"S\0"]);
            stage.sync(0);
        }
        if !stage.all_settled() {
            return Poll::Pending;
        }
        if let Some(error) = self.failure.take() {
            return Poll::Ready(Outcome::Failed(error));
        }
        let _ = self.into.set(std::mem::take(&mut self.found));
        Poll::Ready(Outcome::Done)
    }

    fn reply(&mut self, _: &mut Stage<'_>, _: usize, header: Header) -> Take {
        match header.tag {
            b::PARAMETER_DESCRIPTION | b::ROW_DESCRIPTION => Take::Whole,
            _ => Take::Skip,
        }
    }

    fn message(&mut self, _: &mut Stage<'_>, _: usize, tag: u8, body: &[u8]) {
        match tag {
            b::PARAMETER_DESCRIPTION => self.found.types = body.to_vec(),
            _ => self.found.rows = Some(body.to_vec()),
        }
    }

    fn failed(&mut self, _: &mut Stage<'_>, _: usize, error: &[u8]) {
        let undefined = b::error_field(error, b'C') == Some(UNDEFINED_TABLE);
        let said = self.unknown.take().filter(|_| undefined);
        self.failure
            .get_or_insert_with(|| said.unwrap_or_else(|| error.to_vec()));
    }
}
