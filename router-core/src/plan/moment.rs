//! Strings that mean another moment on each server.
//!
//! `'now'`, `'today'`, `'tomorrow'` and `'yesterday'` are read by the input functions of PostgreSQL's date and time types
//! as the time of the server's own transaction (PostgreSQL's documentation, "Special Values" of date/time types). One
//! server gives one value for a whole statement, several give several. A plan lists the constants and parameters that
//! may be read so; an execution that goes to several shards with such a string in one of them is refused.

use super::evaluate::{param, string};
use super::reading::Reading;
use super::resolve::Values;
use super::walk::{self, Met};
use super::{Reason, Refusal};
use crate::id::Span;
use crate::sql::Statement;
use crate::sql::lexer::{Lexer, Options, StringKind, TokenKind};
use crate::sql::shape::SlotKind;
use crate::sql::statement::{Assignment, Call, Expr, ExprKind, LiteralKind};
use crate::topology::catalog::Relation;
use crate::value::moment::{TYPES, is_moment};
use crate::value::oid;

/// The constants of a statement that may be read as a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    /// Literals, by their slots.
    pub slots: Vec<u32>,
    /// Parameters, from 1.
    pub params: Vec<u16>,
    /// Whether a literal that is part of the shape is a moment, or a text that is computed may be one.
    pub certain: bool,
    /// Whether any of the constants and parameters may be a document whose texts are read as times.
    pub documents: bool,
}

impl Moments {
    /// Notes `e`, when it is a string or a parameter.
    pub(super) fn note(&mut self, reading: &Reading<'_>, e: &Expr) {
        match &e.kind {
            ExprKind::Param(n) if !self.params.contains(n) => self.params.push(*n),
            ExprKind::Literal(_) => match reading.constants.slot(e) {
                // In a collapsed list, statements of the same shape have other kinds of constants in the same place.
                Some(slot) if reading.constants.in_group(e) || is_string(e) => {
                    self.slots.push(slot);
                }
                None if is_string(e) => {
                    let written = e.span.of(reading.text);
                    // An escape may hide any letter.
                    self.certain |=
                        written.contains('\\') || is_moment(written.trim_matches(['\'', '$']));
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// Those of another part of the statement as well.
    pub(super) fn extend(&mut self, more: Self) {
        self.slots.extend(more.slots);
        self.params.extend(more.params);
        self.certain |= more.certain;
        self.documents |= more.documents;
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.params.is_empty() && !self.certain && !self.documents
    }

    /// Whether this execution has such a string.
    pub(super) fn met(&self, values: &Values<'_>) -> bool {
        self.certain
            || self.documents && any_document(values)
            || self.slots.iter().any(|&slot| {
                let Some(at) = values.literals.get(slot as usize) else {
                    return false;
                };
                match at.kind {
                    SlotKind::String(kind) => of_literal(at.span.of(values.text), kind),
                    SlotKind::Param(n) => u16::try_from(n).is_ok_and(|n| of_param(n, values)),
                    _ => false,
                }
            })
            || self.params.iter().any(|&n| of_param(n, values))
    }

    /// The refusal of an execution that has one.
    pub(super) fn refusal() -> Refusal {
        Refusal::new(
            Reason::Moment,
            "A constant or parameter says 'now', 'today', 'tomorrow' or 'yesterday', which each shard would read by its own clock.",
        )
    }
}

/// Whether a constant or parameter has such a word among the texts of a document.
fn any_document(values: &Values<'_>) -> bool {
    let within = |text: &str| text.split('"').any(is_moment);
    values.literals.iter().any(|at| match at.kind {
        SlotKind::String(kind) => {
            string(at.span.of(values.text), kind).is_none_or(|text| within(&text))
        }
        _ => false,
    }) || values.params.iter().any(|p| {
        let text = p.value.and_then(|bytes| std::str::from_utf8(bytes).ok());
        text.is_some_and(within)
    })
}

fn is_string(e: &Expr) -> bool {
    e.kind == ExprKind::Literal(LiteralKind::String)
}

fn of_literal(written: &str, kind: StringKind) -> bool {
    // The shortest is 'now' with its quotes.
    written.len() >= 5 && string(written, kind).is_none_or(|s| is_moment(&s))
}

fn of_param(n: u16, values: &Values<'_>) -> bool {
    let Some(bytes) = param(n, values).and_then(|p| p.value) else {
        return false;
    };
    // A binary value of another type than text is no string, though its bytes may happen to look like one.
    std::str::from_utf8(bytes).is_ok_and(is_moment)
}

/// Whether a constant in a statement may be read so.
pub fn is_said(text: &str, options: Options) -> bool {
    let bytes = text.as_bytes();
    // An escape may hide any letter.
    let may = bytes.contains(&b'\\')
        || (0..bytes.len()).any(|at| {
            let starts = |word: &[u8]| {
                bytes
                    .get(at..at + word.len())
                    .is_some_and(|found| found.eq_ignore_ascii_case(word))
            };
            match bytes[at] | 0x20 {
                b'n' => starts(b"now"),
                b't' => starts(b"today") || starts(b"tomorrow"),
                b'y' => starts(b"yesterday"),
                _ => false,
            }
        });
    may && Lexer::new(text, options).any(|token| match token.kind {
        TokenKind::String(kind) => of_literal(token.span.of(text), kind),
        _ => false,
    })
}

/// Whether there is such a string in a text, as it is written there.
pub fn any_string(text: &str, options: Options, is: impl Fn(&str) -> bool) -> bool {
    Lexer::new(text, options).any(|token| match token.kind {
        TokenKind::String(_) => is(token.span.of(text)),
        _ => false,
    })
}

/// Whether values of a type are certain not to be read as dates or times.
fn is_plain(type_oid: u32) -> bool {
    matches!(
        type_oid,
        // bool bytea "char" name int8 int2 int4 text oid json xml float4 float8 money macaddr8 macaddr inet cidr
        16 | 17 | 18 | 19 | 20 | 21 | 23 | 25 | 26 | 114 | 142 | 700 | 701 | 790 | 774 | 829 | 869 | 650
        // bpchar varchar interval bit varbit numeric uuid jsonb
        | 1042 | oid::VARCHAR | 1186 | 1560 | 1562 | 1700 | oid::UUID | 3802
        // int2[] int4[] text[] varchar[] int8[]
        | 1005 | 1007 | 1009 | 1015 | 1016
    )
}

/// Whether a type is one of dates or times, by its canonical name.
fn is_time(type_name: &str) -> bool {
    let words = type_name.split(|c: char| !c.is_ascii_alphanumeric());
    words.into_iter().any(|word| TYPES.contains(&word))
}

/// Whether a function has the name of such a type.
pub(super) fn is_type(name: &str) -> bool {
    TYPES.contains(&name)
}

/// Whether a text may name such a type.
pub(super) fn names_type(text: &str, options: Options) -> bool {
    Lexer::new(text, options).any(|token| {
        let written = token.span.of(text).trim_matches('"');
        token.kind.is_name() && TYPES.iter().any(|t| written.eq_ignore_ascii_case(t))
    })
}

/// Whether a cast may read a text, which may then say such a word, as a date or time. Constants and parameters are looked at
/// where they are given.
pub(super) fn may_read(reading: &Reading<'_>, from: &Expr, to: &str) -> bool {
    let given = matches!(
        from.kind,
        ExprKind::Literal(_) | ExprKind::Param(_) | ExprKind::Default
    );
    is_time(to) && !given && !is_no_text(reading, from)
}

/// Whether texts of a document are read as times by a call: by the types of the columns of its rows.
pub(super) fn reads_documents(reading: &Reading<'_>, call: &Call) -> bool {
    let name = call.name.name.as_str();
    name.ends_with("_populate_record")
        || name.ends_with("_populate_recordset")
        || (name.ends_with("_to_record") || name.ends_with("_to_recordset"))
            && names_type(reading.text, reading.options)
}

/// Adds what a change that several shards make, each for itself, computes of constants alone: a text that is read as a time, a
/// document. What it reads from its rows is each row's own.
pub(super) fn computed(reading: &Reading<'_>, statement: &Statement) {
    let constant = |e: &Expr| {
        let mut constant = true;
        walk::expr(e, &mut |met| match met {
            Met::Expr(e) => constant &= !matches!(e.kind, ExprKind::Column { .. }),
            _ => constant = false,
        });
        constant
    };
    let mut moments = reading.moments.borrow_mut();
    walk::statement(statement, &mut |met| match met {
        Met::Expr(Expr {
            kind: ExprKind::Cast { expr, to, .. },
            ..
        }) => moments.certain |= may_read(reading, expr, to) && constant(expr),
        Met::Expr(Expr {
            kind: ExprKind::Call(call),
            ..
        }) => {
            let reads = |e: &Expr| may_read(reading, e, &call.name.name) && constant(e);
            moments.certain |= call.args.iter().any(reads);
            moments.documents |= reads_documents(reading, call);
        }
        _ => {}
    });
}

/// Whether a value is certain to be no text, nor of a type that somebody made.
fn is_no_text(reading: &Reading<'_>, e: &Expr) -> bool {
    let all = |list: &[Expr]| list.iter().all(|e| is_no_text(reading, e));
    match &e.kind {
        ExprKind::Literal(kind) => *kind != LiteralKind::String,
        ExprKind::Cast { to, .. } => is_time(to) || NUMBERS.contains(&to.as_str()),
        ExprKind::Column { name, .. } => {
            let tables = (0..reading.facts.relations.len()).map(|at| reading.table(at));
            let mut columns = tables.map(|table| table.map(|t| t.column(name)));
            let mut found = false;
            columns.all(|column| match column {
                None => false,
                Some(None) => true,
                Some(Some(column)) => {
                    found = true;
                    NO_TEXTS.contains(&column.type_oid)
                }
            }) && found
        }
        ExprKind::Binary { op, left, right } => {
            matches!(op.as_str(), "+" | "-" | "*" | "/")
                && is_no_text(reading, left)
                && is_no_text(reading, right)
        }
        ExprKind::Call(call) => match call.name.name.as_str() {
            "date_trunc" | "to_timestamp" | "to_date" | "make_date" | "make_time"
            | "make_timestamp" | "make_timestamptz" | "timezone" => true,
            "coalesce" | "greatest" | "least" | "min" | "max" => all(&call.args),
            _ => false,
        },
        ExprKind::Case {
            arms, otherwise, ..
        } => {
            arms.iter().all(|(_, then)| is_no_text(reading, then))
                && otherwise.iter().all(|e| is_no_text(reading, e))
        }
        _ => false,
    }
}

const NUMBERS: &[&str] = &["smallint", "integer", "bigint", "numeric", "interval"];

/// int8 int2 int4 date time timestamp timestamptz interval timetz numeric, and the ranges of times
const NO_TEXTS: &[u32] = &[
    20, 21, 23, 1082, 1083, 1114, 1184, 1186, 1266, 1700, 3908, 3910, 3912,
];

/// Whether a column is known to hold no dates or times.
pub(super) fn plain_column(relation: Option<&Relation>, column: &str) -> bool {
    relation
        .and_then(|r| r.column(column))
        .is_some_and(|c| is_plain(c.type_oid))
}

/// The values of assignments that go straight into columns of plain types.
pub(super) fn plain_values<'e>(
    relation: Option<&'e Relation>,
    list: &'e [Assignment],
) -> impl Iterator<Item = &'e Expr> {
    list.iter()
        .filter(move |a| !a.part && matches!(&a.columns[..], [one] if plain_column(relation, one)))
        .map(|a| &a.value)
}

/// All constants of a statement, but those of `plain`.
pub(super) fn of_statement<'e>(
    reading: &Reading<'_>,
    statement: &'e Statement,
    plain: impl Iterator<Item = &'e Expr>,
) -> Moments {
    let mut skip: Vec<Span> = plain.map(|e| e.span).collect();
    skip.sort_unstable_by_key(|s| s.start);
    let mut moments = Moments::default();
    walk::statement(statement, &mut |met| {
        if let Met::Expr(e) = met
            && !skip
                .binary_search_by_key(&e.span.start, |s| s.start)
                .is_ok_and(|at| skip[at] == e.span)
        {
            moments.note(reading, e);
        }
    });
    moments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_that_says_a_moment_is_told() {
        let said = |text| is_said(text, Options::default());
        for text in [
            "select timestamptz 'now'",
            "insert into t values ('TOMORROW')",
            r"select E'\x6eow'::date",
            "select $$today$$::date",
        ] {
            assert!(said(text), "{text}");
        }
        for text in [
            "select now()",
            "select 'known' as today",
            r"select 'a\b' ~ '\d'",
            "select 1 -- 'now'",
        ] {
            assert!(!said(text), "{text}");
        }
    }

    #[test]
    fn strings_that_follow_the_clock_are_told() {
        for text in [
            "now",
            "NOW",
            " Today ",
            "tomorrow 04:05",
            "yesterday allballs",
            "today 10:00 America/New_York",
            "tomorrow MSK",
            "today at 10:00 pm",
            "Monday, today",
            "{now,today}",
            "{\"today 10:00\"}",
            "[today,tomorrow)",
            "(1,now)",
            "not now",
        ] {
            assert!(is_moment(text), "{text}");
        }
        for text in [
            "",
            "no",
            "known",
            "snow",
            "now or never, he said",
            "do it now, please",
            "2020-01-01 10:00",
            "epoch",
            "infinity",
            "{\"when\": \"now\"}",
            "todays",
        ] {
            assert!(!is_moment(text), "{text}");
        }
    }
}
