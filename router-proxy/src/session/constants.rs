//! By what settings the constants of a prepared statement are read.
//!
//! PostgreSQL reads them once, when the statement is parsed. Over shards nobody has parsed it then: each shard does at its
//! first execution there, by the settings of that moment. Where these have changed since, and one of the constants may be read
//! otherwise for that, the statement is refused. Before one server that is so only when the statement comes to a connection that lacks
//! it: then the settings of its time are put in place while it is parsed there.

use std::sync::Arc;

use router_core::plan::{Planned, Route, SessionStatement, moment};
use router_core::sqlstate::SqlState;

use super::outer::Held;
use super::statement::ClientStatement;
use super::unsettled::Value;
use super::{Session, settings};
use crate::server::prepared::READ_BY;
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

/// Settings of constants that every server has, and everybody may set.
const OF_CONSTANTS: [&str; 5] = [
    "array_nulls",
    "datestyle",
    "intervalstyle",
    "standard_conforming_strings",
    "timezone",
];

fn read_otherwise(message: &'static str) -> Report {
    Report::error(SqlState::new("SH018"), message)
        .detail(
            "It was prepared before a setting was changed by which its constants are read: DateStyle, TimeZone, IntervalStyle, \
             array_nulls or standard_conforming_strings.",
        )
        .hint("Prepare it again, or make these constants parameters.")
}

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

    /// Whether a constant of a statement may be read otherwise than when it was prepared, if that were done now.
    fn would_be_read_otherwise(&self, statement: &ClientStatement) -> bool {
        let (then, now) = (&statement.parameters, &self.parameters);
        let reading = &statement.prepared.reading;
        let as_now = self.uncommitted.is_empty() && Arc::ptr_eq(reading, &self.reading);
        let nulls = !as_now && !reading.is_own() && reading.value(NULLS) != self.setting(NULLS);
        if then == now && !nulls {
            return false;
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
        strings && text.contains('\\')
            || (dates || nulls) && moment::any_string(text, self.options(), otherwise)
    }

    /// Why a statement's constants cannot be read as they were to be when it was prepared (sharded databases).
    pub(super) fn is_read_otherwise(&self, statement: &ClientStatement) -> Result<(), Box<Report>> {
        match self.environment.is_sharded() && self.would_be_read_otherwise(statement) {
            false => Ok(()),
            true => Err(Box::new(read_otherwise(
                "statement cannot be carried out over shards",
            ))),
        }
    }

    /// What has to be in force for a moment for a server to read a statement as it was to be read when its client prepared it;
    /// nothing where it would read it so in any case (unsharded databases). PostgreSQL itself reads constants again when the
    /// `search_path` has changed, by today's settings; what a text says it never reads again.
    pub(super) fn settings_then(&self, statement: &ClientStatement) -> Vec<String> {
        let reading = &statement.prepared.reading;
        if self.environment.is_sharded()
            || reading.is_own()
            || !self.would_be_read_otherwise(statement)
        {
            return Vec::new();
        }
        let path = "search_path";
        let anew = reading.value(path) != self.setting(path);
        let unknown = self.sets_elsewhere();
        READ_BY
            .iter()
            .filter(|&&name| name != path && (!anew || OF_TEXTS.contains(&name)))
            .filter_map(|name| {
                let (then, now) = (reading.value(name), self.setting(name));
                match then {
                    Some(then) if unknown || Some(then) != now => {
                        Some(settings::set(true, name, then))
                    }
                    None if now.is_some() || unknown && OF_CONSTANTS.contains(name) => {
                        Some(format!("SET LOCAL {name} TO DEFAULT"))
                    }
                    _ => None,
                }
            })
            .collect()
    }

    /// Has a server that lacks a prepared statement read it by the settings of its time, before it is used there; where its client
    /// was told of its rows they have to be the same (but in the middle of a pipeline, where that cannot be asked).
    pub(super) fn keep_reading(&mut self, statement: &ClientStatement) -> Result<(), Held> {
        let prepared = &statement.prepared;
        let reads = !self.settings_then(statement).is_empty();
        if statement.names().0.is_empty() || !reads && !prepared.is_shaped() {
            return Ok(());
        }
        let server = self.links.first().and_then(|link| link.server.as_ref());
        if !self.outer.is_answered()
            && server.is_some_and(|server| server.prepared.has(prepared, statement.schema))
        {
            return Ok(());
        }
        let within = self.links.iter().any(|link| link.touched);
        if within && !reads {
            return Ok(());
        }
        if within {
            // Nothing can be done there before the pipeline ends.
            return Err(Held::from(Box::new(read_otherwise(
                "statement cannot be carried out in this pipeline",
            ))));
        }
        let kept = self.put_on_server(statement);
        if matches!(kept, Err(Held::Failed(_)))
            && let Some(server) = self.links.first_mut().and_then(|l| l.server.as_mut())
        {
            server.doubtful |= !server.prepared.forget(statement.hash());
        }
        kept
    }
}
