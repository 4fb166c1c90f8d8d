//! By what settings the constants of a prepared statement are read, over shards.
//!
//! PostgreSQL reads them once, when the statement is parsed. Over shards nobody has parsed it then: each shard does at its
//! first execution there, by the settings of that moment. Where these have changed since, and one of the constants may be read
//! otherwise for that, the statement is refused.

use router_core::plan::{Planned, Route, SessionStatement, moment};
use router_core::sqlstate::SqlState;

use super::Session;
use super::statement::ClientStatement;
use super::unsettled::Value;
use crate::wire::encode::Report;

/// Settings that decide how dates, times and intervals are read. Servers report them.
const OF_DATES: [&str; 3] = ["DateStyle", "TimeZone", "IntervalStyle"];

/// Whether `NULL` in an array's text is one. Servers do not report it.
const NULLS: &str = "array_nulls";

/// Settings by which PostgreSQL tells where a constant ends, and what it says. All statements of a message are read by those that
/// are in force when it arrives.
const OF_TEXTS: [&str; 3] = [
    "standard_conforming_strings",
    "backslash_quote",
    "client_encoding",
];

impl Session {
    /// Why statements of one message cannot be sent one by one: a later one is read by what an earlier one has set then, and
    /// PostgreSQL has read it before.
    pub(super) fn are_read_together(&self, statements: &[Planned], text: &str) -> Option<Report> {
        let is_one = |name: &str| OF_TEXTS.contains(&name.to_ascii_lowercase().as_str());
        let unsettled = || {
            let changed = |name: &&str| !matches!(self.uncommitted.value(name), Value::Kept);
            OF_TEXTS.iter().any(changed)
        };
        let sets = |planned: &&Planned| match &planned.plan.route {
            Route::Session(session) => match &**session {
                SessionStatement::Set { name, .. } => is_one(name),
                SessionStatement::SetConfig(list) => list.iter().any(|one| is_one(&one.name)),
                SessionStatement::Reset(name) => name == "all" || is_one(name),
                _ => false,
            },
            Route::Transaction(_) => unsettled(),
            _ => false,
        };
        let (_, all_but_last) = statements.split_last()?;
        let first = all_but_last.iter().find(sets)?;
        let rest = text.get(first.span.end as usize..)?;
        let depends = |byte: u8| byte == b'\\' || !byte.is_ascii();
        rest.bytes().any(depends).then(|| {
            Report::error(
                SqlState::new("SH018"),
                "statements cannot be carried out over shards in one message",
            )
            .detail(
                "One of them sets standard_conforming_strings, backslash_quote or client_encoding, and a text behind it says \
                 another thing by another value.",
            )
            .hint("Send them in messages of their own.")
        })
    }

    /// What a setting is now, where the session has set it.
    fn setting(&self, name: &str) -> Option<&[String]> {
        match self.uncommitted.value(name) {
            Value::Kept => self.wanted.get(name),
            Value::Set(values) => Some(values),
            Value::Initial => self.initial.get(name),
        }
    }

    /// Why a statement's constants cannot be read as they were to be when it was prepared.
    pub(super) fn is_read_otherwise(&self, statement: &ClientStatement) -> Result<(), Box<Report>> {
        if !self.environment.is_sharded() {
            return Ok(());
        }
        let (then, now) = (&statement.parameters, &self.parameters);
        let reading = &statement.prepared.reading;
        let nulls = !reading.is_own() && reading.value(NULLS) != self.setting(NULLS);
        if then == now && !nulls {
            return Ok(());
        }
        let changed = |name: &str| then.get(name) != now.get(name);
        let strings = changed("standard_conforming_strings");
        let dates = OF_DATES.into_iter().any(changed);
        let text = statement.text();
        let otherwise = |string: &str| {
            dates && string.bytes().any(|byte| byte.is_ascii_digit())
                || nulls && string.to_ascii_lowercase().contains("null")
                || (dates || nulls) && string.contains('\\')
        };
        let affected = strings && text.contains('\\')
            || (dates || nulls) && moment::any_string(text, self.options(), otherwise);
        match affected {
            false => Ok(()),
            true => Err(Box::new(
                Report::error(
                    SqlState::new("SH018"),
                    "statement cannot be carried out over shards",
                )
                .detail(
                    "It was prepared before a setting was changed by which its constants are read: DateStyle, TimeZone, \
                     IntervalStyle, array_nulls or standard_conforming_strings.",
                )
                .hint("Prepare it again, or make these constants parameters."),
            )),
        }
    }
}
