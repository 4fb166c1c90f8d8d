//! What a server answered to one request, and whether two servers answered alike.

use crate::raw::{Message, ServerError};

/// Everything between a request and its ReadyForQuery.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// One entry per statement that was answered.
    pub answers: Vec<Answer>,
    /// The transaction status of ReadyForQuery.
    pub status: u8,
}

/// The answer to one statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Rows.
    Rows {
        /// Name, type OID and type modifier of each column. Types made by users all count as 0: their OIDs are each server's own.
        fields: Vec<(String, u32, i32)>,
        /// The rows, columns as sent.
        rows: Vec<Vec<Option<Vec<u8>>>>,
        /// The CommandComplete tag; empty when the portal was suspended.
        tag: String,
    },
    /// A tag without rows.
    Done(String),
    /// EmptyQueryResponse.
    Empty,
    /// ErrorResponse.
    Error(ServerError),
}

/// OIDs below this belong to types that `initdb` makes (`FirstNormalObjectId` in PostgreSQL's `access/transam.h`).
const FIRST_USER_OID: u32 = 16384;

impl Outcome {
    /// From the messages up to and including ReadyForQuery.
    pub fn from_messages(messages: &[Message]) -> Self {
        let mut answers = Vec::new();
        let mut fields = None;
        let mut rows = Vec::new();
        let mut status = 0;
        for message in messages {
            match message.tag {
                b'T' => {
                    let kept = message.fields().into_iter().zip(message.modifiers());
                    fields = Some(
                        kept.map(|((n, oid, _), modifier)| {
                            let oid = if oid < FIRST_USER_OID { oid } else { 0 };
                            (n, oid, modifier)
                        })
                        .collect(),
                    );
                }
                b'D' => rows.push(message.columns()),
                b'C' | b's' => {
                    let tag = if message.tag == b'C' {
                        message.text()
                    } else {
                        String::new()
                    };
                    answers.push(match fields.take() {
                        Some(fields) => Answer::Rows {
                            fields,
                            rows: std::mem::take(&mut rows),
                            tag,
                        },
                        None => Answer::Done(tag),
                    });
                }
                b'I' => answers.push(Answer::Empty),
                b'E' => {
                    fields = None;
                    rows.clear();
                    answers.push(Answer::Error(
                        message.error().expect("an ErrorResponse has fields"),
                    ));
                }
                b'Z' => status = message.body[0],
                _ => {}
            }
        }
        Self { answers, status }
    }

    /// The router's refusal, when there is one.
    pub fn refusal(&self) -> Option<&ServerError> {
        self.answers.iter().find_map(|a| match a {
            Answer::Error(e) if e.code.starts_with("SH") => Some(e),
            _ => None,
        })
    }

    /// Whether it is an error of what is computed from rows (SQLSTATE class 22).
    pub fn is_about_data(&self) -> bool {
        let mut answers = self.answers.iter();
        answers.any(|a| matches!(a, Answer::Error(e) if e.code.starts_with("22")))
    }
}

/// How Shunt's answer compares with PostgreSQL's.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The same.
    Equal,
    /// Refused, with the reason.
    Refused(ServerError),
    /// Refused with the reason, where PostgreSQL refuses, too, with an error of its own.
    ToldOtherwise(ServerError, ServerError),
    /// Another answer. The text says where they part.
    Wrong(String),
    /// No answer: the connection was lost or fell silent.
    Broken(String),
}

/// Compares Shunt's outcome with the reference. A refusal that PostgreSQL meets with an error is one told otherwise. Without `ordered`, rows are compared as a bag.
pub fn judge(reference: &Outcome, shunt: &Outcome, ordered: bool) -> Verdict {
    if let Some(refusal) = shunt.refusal() {
        if refusal.detail.is_empty() || refusal.hint.is_empty() {
            return Verdict::Wrong(format!("a refusal without DETAIL or HINT: {refusal:?}"));
        }
        return match failed_alike(reference, shunt) {
            Some(error) => Verdict::ToldOtherwise(refusal.clone(), error.clone()),
            None => Verdict::Refused(refusal.clone()),
        };
    }
    if reference.answers.len() != shunt.answers.len() {
        return Verdict::Wrong(format!(
            "{} answers instead of {}: {}",
            shunt.answers.len(),
            reference.answers.len(),
            show(&shunt.answers)
        ));
    }
    for (expected, got) in reference.answers.iter().zip(&shunt.answers) {
        if let Some(difference) = differ(expected, got, ordered) {
            return Verdict::Wrong(difference);
        }
    }
    if reference.status != shunt.status {
        return Verdict::Wrong(format!(
            "transaction status {:?} instead of {:?}",
            char::from(shunt.status),
            char::from(reference.status)
        ));
    }
    Verdict::Equal
}

/// PostgreSQL's own error for the statement that was refused, where it comes after as many answers and leaves the transaction alike.
fn failed_alike<'r>(reference: &'r Outcome, shunt: &Outcome) -> Option<&'r ServerError> {
    let refused = |a: &Answer| matches!(a, Answer::Error(e) if e.code.starts_with("SH"));
    let at = shunt.answers.iter().position(refused)?;
    match reference.answers.get(at)? {
        Answer::Error(error) if reference.status == shunt.status => {
            (!error.code.starts_with("SH")).then_some(error)
        }
        _ => None,
    }
}

/// Where constraints refuse several rows of one statement any of these errors may be told (docs/writes.md); what it leaves in the
/// tables is compared besides.
fn refused_rows(a: &ServerError, b: &ServerError) -> bool {
    [a, b].iter().all(|error| error.code.starts_with("23"))
}

fn differ(expected: &Answer, got: &Answer, ordered: bool) -> Option<String> {
    match (expected, got) {
        (Answer::Error(a), Answer::Error(b)) => {
            (a.code != b.code && !refused_rows(a, b)).then(|| {
                format!(
                    "SQLSTATE {} ({}) instead of {} ({})",
                    b.code, b.message, a.code, a.message
                )
            })
        }
        (
            Answer::Rows {
                fields: fa,
                rows: ra,
                tag: ta,
            },
            Answer::Rows {
                fields: fb,
                rows: rb,
                tag: tb,
            },
        ) => {
            if fa != fb {
                return Some(format!("columns {fb:?} instead of {fa:?}"));
            }
            if ta != tb {
                return Some(format!("tag {tb:?} instead of {ta:?}"));
            }
            let same = if ordered {
                ra == rb
            } else {
                let (mut a, mut b) = (ra.clone(), rb.clone());
                a.sort();
                b.sort();
                a == b
            };
            (!same).then(|| format!("rows {} instead of {}", show_rows(rb), show_rows(ra)))
        }
        (a, b) => (a != b).then(|| {
            format!(
                "{} instead of {}",
                show(std::slice::from_ref(b)),
                show(std::slice::from_ref(a))
            )
        }),
    }
}

fn show(answers: &[Answer]) -> String {
    let texts: Vec<String> = answers
        .iter()
        .map(|a| match a {
            Answer::Rows { rows, tag, .. } => format!("{tag} {}", show_rows(rows)),
            Answer::Done(tag) => tag.clone(),
            Answer::Empty => "empty".into(),
            Answer::Error(e) => format!("{} {}: {} ({})", e.severity, e.code, e.message, e.detail),
        })
        .collect();
    texts.join("; ")
}

fn show_rows(rows: &[Vec<Option<Vec<u8>>>]) -> String {
    const SHOWN: usize = 12;
    let mut text = String::from("[");
    for row in rows.iter().take(SHOWN) {
        let columns: Vec<String> = row
            .iter()
            .map(|c| c.as_ref().map_or("NULL".into(), |c| readable(c)))
            .collect();
        text.push_str(&format!("({}) ", columns.join(", ")));
    }
    if rows.len() > SHOWN {
        text.push_str(&format!("… {} rows", rows.len()));
    }
    text.push(']');
    text
}

/// A value as text, and one that is none by its bytes.
fn readable(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if !text.contains(|c: char| c.is_control() && c != '\n') => text.to_owned(),
        _ => value.escape_ascii().to_string(),
    }
}
