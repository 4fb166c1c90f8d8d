//! Whether values come through unchanged where they pass from one server to another by way of the router.
//!
//! They are written and read under the client's settings, since the statement's own constants and answer are, too. Rows travel
//! in binary where they can; texts in them are in the client's encoding all the same, and what has to travel as text is
//! written as `DateStyle` and `extra_float_digits` say. A setting under which a value is read as another one, or which
//! orders texts otherwise than the servers do, has such statements refused.

use router_core::plan::{Answer, Merge, Program, Reason, Refusal, Step};

use super::Session;
use super::unsettled::Value;
use crate::wire::encode::Report;

/// What is asked of the way.
#[derive(Clone, Copy)]
enum Asked {
    /// Characters come back as they were.
    Characters,
    /// Bytes are ordered as the servers order texts in `C`.
    Order,
}

impl Session {
    /// Refuses a program that carries values which the client's settings would change, or merges by an order that is not
    /// the servers'.
    pub(super) fn comes_through(&self, program: &Program) -> Result<(), Box<Report>> {
        let (mut carries, mut text) = (false, false);
        for step in &program.steps {
            if let Step::Move { as_text, .. } | Step::Fetch { as_text, .. } = step {
                carries = true;
                text |= as_text;
            }
        }
        if carries {
            self.encoding_serves(Asked::Characters)?;
        }
        if text {
            self.times_come_through()?;
            self.numbers_come_through()?;
        }
        if let Answer::Merged {
            merge: Merge::Sorted(sorted),
            ..
        } = &program.answer
            && sorted.keys.iter().any(|column| column.bytewise)
        {
            self.encoding_serves(Asked::Order)?;
        }
        Ok(())
    }

    /// Refuses times that travel as text where they are not written so that any server reads them alike.
    pub(super) fn times_come_through(&self) -> Result<(), Box<Report>> {
        let style = self.parameters.get("DateStyle");
        if let Some(style) = style.filter(|style| !style.starts_with("ISO")) {
            let detail = format!(
                "With DateStyle = \"{style}\" a time would be read by another server as another time."
            );
            return Err(refused(
                detail,
                "SET datestyle = 'ISO'; SET LOCAL is enough.",
            ));
        }
        Ok(())
    }

    /// Refuses numbers that travel as text where they are not written to the full.
    fn numbers_come_through(&self) -> Result<(), Box<Report>> {
        const DIGITS: &str = "extra_float_digits";
        let own = match self.uncommitted.value(DIGITS) {
            Value::Kept => self.wanted.get(DIGITS),
            Value::Set(values) => Some(values),
            Value::Initial => self.initial.get(DIGITS),
        };
        let digits = own.and_then(|values| values.first()?.trim().parse::<i32>().ok());
        if let Some(digits) = digits.filter(|digits| *digits < 1) {
            let detail = format!(
                "With extra_float_digits = {digits} numbers would be written with fewer digits than they have."
            );
            return Err(refused(detail, "RESET extra_float_digits."));
        }
        Ok(())
    }

    fn encoding_serves(&self, asked: Asked) -> Result<(), Box<Report>> {
        let Some(encoding) = self.parameters.get("client_encoding") else {
            return Ok(());
        };
        let servers = self.parameters.get("server_encoding").unwrap_or("UTF8");
        let same = servers == encoding;
        // SQL_ASCII: nothing is converted.
        let plain = same || matches!(encoding, "UTF8" | "SQL_ASCII");
        let (serves, detail) = match asked {
            Asked::Characters => {
                // Some characters of the others are two of UTF-8, and come back as the other one.
                let single = ["LATIN", "ISO_8859", "WIN", "KOI8"];
                let single = single.iter().any(|family| encoding.starts_with(family));
                (
                    plain || single,
                    format!(
                        "Texts that went through client_encoding = \"{encoding}\" may come back as others."
                    ),
                )
            }
            // The first 256 characters of Unicode in their order.
            Asked::Order => (
                same || matches!(servers, "UTF8" | "SQL_ASCII" | "LATIN1")
                    && (plain || encoding == "LATIN1"),
                format!(
                    "Texts in client_encoding = \"{encoding}\" are not in the order of the servers."
                ),
            ),
        };
        match serves {
            true => Ok(()),
            false => Err(refused(detail, "SET client_encoding = 'UTF8'.")),
        }
    }
}

fn refused(detail: String, hint: &str) -> Box<Report> {
    Box::new(Report::from(
        &Refusal::new(Reason::Carried, detail).with_hint(hint),
    ))
}
