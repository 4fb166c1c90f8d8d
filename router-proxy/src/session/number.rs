//! `shunt.next_id()`: numbers that the proxy makes.
//!
//! Alone in a `SELECT` it is answered here. In other statements of the simple protocol numbers take the place of the calls,
//! and the text is planned with them, so that a new row finds its shard by its number. In a prepared statement each call
//! is a parameter behind the client's own, which every `Bind` gives a new number; the client is told of its own alone.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use router_core::plan::{Analysis, Plan, Reason, Refusal, Route, SessionStatement};
use router_core::sql::lexer::{Lexer, TokenKind, param_number};
use router_core::sql::next_id::{self, Node};
use router_core::sqlstate::SqlState;

use super::Session;
use super::client::Taken;
use super::statement::ClientStatement;
use super::step::{Own, Ready, Step};
use crate::exec::columns::Formats;
use crate::exec::describe::Description;
use crate::exec::inquire::oids;
use crate::server::prepared::Prepared;
use crate::wire::encode::Report;
use crate::wire::frontend as f;

/// OID of `bigint`.
const BIGINT: u32 = 20;

/// The parameters of a prepared statement whose calls are parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    /// The client's own.
    pub(super) own: u16,
    /// Behind them: one for each call.
    calls: u16,
}

/// Whether a statement calls `shunt.next_id()`.
pub(super) fn is_numbered(plan: &Plan) -> bool {
    numbered(plan).is_some()
}

/// The column of a statement that does nothing else.
pub(super) fn alone(plan: &Plan) -> Option<&str> {
    numbered(plan)?.as_deref()
}

fn numbered(plan: &Plan) -> Option<&Option<String>> {
    match &plan.route {
        Route::Session(session) => match &**session {
            SessionStatement::Numbered { alone } => Some(alone),
            _ => None,
        },
        _ => None,
    }
}

/// Whether numbers have to be put into a text.
pub(super) fn wants_numbers(analysis: &Analysis) -> bool {
    match analysis.statements() {
        [one] => is_numbered(&one.plan) && alone(&one.plan).is_none(),
        several => several.iter().any(|one| is_numbered(&one.plan)),
    }
}

/// The body of the description of that column.
pub(super) fn row_description(column: &str) -> Vec<u8> {
    let mut body = vec![0, 1];
    body.extend(column.bytes().filter(|b| *b != 0));
    body.push(0);
    body.extend_from_slice(&[0; 6]);
    body.extend_from_slice(&BIGINT.to_be_bytes());
    body.extend_from_slice(&8u16.to_be_bytes());
    body.extend_from_slice(&(-1i32).to_be_bytes());
    body.extend_from_slice(&[0; 2]);
    body
}

/// The body of a row with a number in a format.
pub(super) fn row(number: i64, formats: &Formats) -> Vec<u8> {
    let value = match formats.of(0) {
        0 => number.to_string().into_bytes(),
        _ => number.to_be_bytes().to_vec(),
    };
    let mut body = vec![0, 1];
    body.extend_from_slice(&(value.len() as u32).to_be_bytes());
    body.extend_from_slice(&value);
    body
}

fn elsewhere(why: &'static str) -> Box<Report> {
    Box::new(Report::from(&Refusal::new(Reason::NextId, why)))
}

impl Session {
    fn node(&self) -> Result<Node, Box<Report>> {
        self.environment.node.ok_or_else(|| {
            let detail = "The configuration does not say which proxy this is: its numbers might be those of another one.";
            let refusal = Refusal::new(Reason::NextId, detail)
                .with_hint("Set node = 0 under [server], another number for each proxy process.");
            Box::new(Report::from(&refusal))
        })
    }

    /// A new number.
    pub(super) fn next_number(&self) -> Result<i64, Box<Report>> {
        Ok(self.environment.numbers.next(self.node()?))
    }

    /// A text with numbers in the place of its calls.
    pub(super) fn with_numbers(&self, text: &str) -> Result<Rc<str>, Box<Report>> {
        let node = self.node()?;
        let mut next = |_| self.environment.numbers.next(node).to_string();
        let put = next_id::put(text, self.options(), &mut next).map_err(elsewhere)?;
        put.map(Rc::from)
            .ok_or_else(|| elsewhere(next_id::NOT_ONE_ROW))
    }

    /// A statement to be prepared, with a parameter in the place of each call.
    pub(super) fn with_parameters(
        &self,
        prepared: &Prepared,
    ) -> Result<(Arc<Prepared>, Numbers), Box<Report>> {
        self.node()?;
        let garbled = || elsewhere(next_id::NOT_ONE_ROW);
        let text = prepared.text.as_str().ok_or_else(garbled)?;
        let mut types = oids(&prepared.types);
        let tokens = Lexer::new(text, self.options()).significant();
        let named = tokens
            .filter(|token| token.kind == TokenKind::Param)
            .filter_map(|token| param_number(token.bytes(text.as_bytes())));
        let own = named.max().unwrap_or(0).max(types.len() as u32);
        let mut calls = 0u32;
        let mut parameter = |n: usize| {
            calls = n as u32 + 1;
            format!("${}", own + calls)
        };
        let put = next_id::put(text, self.options(), &mut parameter).map_err(elsewhere)?;
        let put = put.ok_or_else(garbled)?;
        let (Ok(own), Ok(_), Ok(calls)) = (
            u16::try_from(own),
            u16::try_from(own + calls),
            u16::try_from(calls),
        ) else {
            return Err(garbled());
        };
        types.resize(own.into(), 0);
        types.resize(usize::from(own + calls), BIGINT);
        let mut declared = (own + calls).to_be_bytes().to_vec();
        declared.extend(types.iter().flat_map(|oid| oid.to_be_bytes()));
        let prepared = Prepared::new(put.as_bytes(), &declared, &prepared.reading);
        Ok((Arc::new(prepared), Numbers { own, calls }))
    }

    /// What a `Bind` says from the formats of its parameters on, with a new number for each call.
    pub(super) fn numbered_rest<'b>(
        &self,
        statement: &ClientStatement,
        rest: &'b [u8],
    ) -> Result<Cow<'b, [u8]>, Box<Report>> {
        let Some(numbers) = statement.numbers else {
            return Ok(Cow::Borrowed(rest));
        };
        let malformed = |message: String| Box::new(Report::error(SqlState::new("08P01"), message));
        let garbled = || malformed("invalid message format".to_owned());
        let values = f::bind_values(rest).ok_or_else(garbled)?;
        let formats_at = f::result_formats(rest).ok_or_else(garbled)?;
        if values.len() != usize::from(numbers.own) {
            return Err(malformed(format!(
                "bind message supplies {} parameters, but prepared statement \"{}\" requires {}",
                values.len(),
                String::from_utf8_lossy(statement.names().0),
                numbers.own
            )));
        }
        let all = numbers.own + numbers.calls;
        let mut body = all.to_be_bytes().to_vec();
        for value in &values {
            body.extend_from_slice(&[0, u8::from(value.binary)]);
        }
        body.extend(std::iter::repeat_n([0, 1], numbers.calls.into()).flatten());
        body.extend_from_slice(&all.to_be_bytes());
        for value in &values {
            match value.bytes {
                Some(bytes) => {
                    body.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
                    body.extend_from_slice(bytes);
                }
                None => body.extend_from_slice(&(-1i32).to_be_bytes()),
            }
        }
        for _ in 0..numbers.calls {
            body.extend_from_slice(&8u32.to_be_bytes());
            body.extend_from_slice(&self.next_number()?.to_be_bytes());
        }
        body.extend_from_slice(&rest[formats_at..]);
        Ok(Cow::Owned(body))
    }

    /// `Describe` of a statement with calls: its server's answer without the parameters that are not the client's.
    pub(super) fn describe_numbered(
        &mut self,
        statement: &Rc<ClientStatement>,
        numbers: Numbers,
    ) -> Taken {
        self.in_pipeline = true;
        if let Err(held) = self.described(statement) {
            return self.hold(held, Ready::Silent);
        }
        let none = Description::of_rows(None);
        let description = statement.description.get().unwrap_or(&none);
        let bytes = description.with_parameters(numbers.own).of_statement();
        self.owe(Step::Own(Own::Bytes(bytes)));
        Taken::Discard
    }
}
