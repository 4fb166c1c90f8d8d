//! Statements out of a log.
//!
//! A log is read line by line; no more is held than one statement, or a piece of plain SQL.

use std::io::{self, BufRead};

use router_core::sql::lexer::Options;
use router_core::sql::split;

/// As much of a log is looked at to find out what it is.
const LOOK: usize = 64 << 10;

/// Plain SQL is cut into statements in pieces of this size.
const PIECE: usize = 1 << 20;

/// Fields of a csvlog line: severity and message, from 0.
const SEVERITY: usize = 11;
const MESSAGE: usize = 13;

/// A log, and what it is.
pub(super) struct Log<R> {
    input: R,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Csv,
    Stderr,
}

impl<R: BufRead> Log<R> {
    /// Looks at the beginning.
    pub(super) fn new(mut input: R) -> io::Result<Self> {
        let start = input.fill_buf()?;
        let start = String::from_utf8_lossy(&start[..start.len().min(LOOK)]);
        let kind = if fields(&start).is_some_and(|f| f.len() > MESSAGE && is_severity(&f[SEVERITY]))
        {
            Kind::Csv
        } else if start.lines().any(|line| message(line).is_some()) {
            Kind::Stderr
        } else {
            Kind::Plain
        };
        Ok(Self { input, kind })
    }

    /// Calls `f` with each text that a client sent.
    pub(super) fn each(self, f: &mut dyn FnMut(&str)) -> io::Result<()> {
        match self.kind {
            Kind::Plain => self.plain(f),
            Kind::Csv => self.csv(f),
            Kind::Stderr => self.stderr(f),
        }
    }

    fn lines(mut self, line: &mut dyn FnMut(&str)) -> io::Result<()> {
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            if self.input.read_until(b'\n', &mut bytes)? == 0 {
                return Ok(());
            }
            line(&String::from_utf8_lossy(&bytes));
        }
    }

    fn plain(self, f: &mut dyn FnMut(&str)) -> io::Result<()> {
        let mut piece = String::new();
        let mut enough = PIECE;
        self.lines(&mut |line| {
            piece.push_str(line);
            if piece.len() < enough {
                return;
            }
            // The last one may go on behind the piece.
            let spans: Vec<_> = split::statements(&piece, Options::default()).collect();
            if let Some((last, whole)) = spans.split_last() {
                whole.iter().for_each(|span| f(span.of(&piece)));
                piece.drain(..last.start as usize);
            }
            enough = piece.len() + PIECE;
        })?;
        split::statements(&piece, Options::default()).for_each(|span| f(span.of(&piece)));
        Ok(())
    }

    fn csv(self, f: &mut dyn FnMut(&str)) -> io::Result<()> {
        let mut record = String::new();
        self.lines(&mut |line| {
            record.push_str(line);
            // A field goes on over the end of the line while its quote is open.
            if record.bytes().filter(|byte| *byte == b'"').count() % 2 == 0 {
                let fields = fields(&record).unwrap_or_default();
                if let Some(text) = fields.get(MESSAGE).and_then(|m| statement(m)) {
                    f(text);
                }
                record.clear();
            }
        })
    }

    fn stderr(self, f: &mut dyn FnMut(&str)) -> io::Result<()> {
        let mut text: Option<String> = None;
        self.lines(&mut |line| {
            // PostgreSQL puts a tab before further lines of a message.
            if let Some(more) = line.strip_prefix('\t') {
                if let Some(text) = &mut text {
                    text.push_str(more);
                }
                return;
            }
            if let Some(text) = text.take() {
                f(&text);
            }
            text = message(line).map(str::to_owned);
        })?;
        if let Some(text) = text {
            f(&text);
        }
        Ok(())
    }
}

/// The statement of a line of a stderr log, whatever its prefix.
fn message(line: &str) -> Option<&str> {
    let (_, message) = line.split_once("LOG:  ")?;
    statement(message)
}

/// The statement of a message: `statement: …`, `execute name: …`, either perhaps after `duration: … ms  `. What
/// `log_min_duration_statement` says about parse and bind is about a statement that is executed, too.
fn statement(message: &str) -> Option<&str> {
    let message = match message.strip_prefix("duration: ") {
        Some(rest) => rest.split_once(" ms  ")?.1,
        None => message,
    };
    if let Some(text) = message.strip_prefix("statement: ") {
        return Some(text);
    }
    let (_, text) = message.strip_prefix("execute ")?.split_once(": ")?;
    Some(text)
}

fn is_severity(field: &str) -> bool {
    [
        "DEBUG", "LOG", "INFO", "NOTICE", "WARNING", "ERROR", "FATAL", "PANIC",
    ]
    .iter()
    .any(|severity| field.starts_with(severity))
}

/// The fields of the first record of a CSV text, as PostgreSQL writes it; `None` when it has none.
fn fields(text: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let field = fields.last_mut()?;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            '\n' if !quoted => break,
            c => field.push(c),
        }
    }
    (fields.len() > 1).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(log: &str) -> Vec<String> {
        let mut found = Vec::new();
        let log = Log::new(log.as_bytes()).expect("memory can be read");
        log.each(&mut |text| found.push(text.trim().to_owned()))
            .expect("memory can be read");
        found
    }

    #[test]
    fn what_a_log_is_is_found_out() {
        assert_eq!(
            texts("select 1;\nselect ';' -- LOG\n;"),
            ["select 1", "select ';'"]
        );
        assert_eq!(
            texts(
                "2026-11-28 01:00:00.1 UTC [7] LOG:  statement: select 1,\n\t\t2\n\
                 2026-11-28 01:00:00.1 UTC [7] LOG:  duration: 0.1 ms\n\
                 2026-11-28 01:00:00.1 UTC [7] app@shop LOG:  duration: 0.1 ms  parse x: select 3\n\
                 2026-11-28 01:00:00.1 UTC [7] app@shop LOG:  duration: 0.1 ms  execute x: select 3\n\
                 2026-11-28 01:00:00.1 UTC [7] app@shop DETAIL:  parameters: $1 = '1'\n\
                 2026-11-28 01:00:00.1 UTC [7] app@shop ERROR:  no\n\
                 2026-11-28 01:00:00.1 UTC [7] app@shop STATEMENT:  select no\n"
            ),
            ["select 1,\n\t2", "select 3"]
        );
        assert!(texts("").is_empty());
    }

    #[test]
    fn long_sql_is_cut_at_statements() {
        let one = format!("select '{}';\n", "x".repeat(1000));
        assert_eq!(texts(&one.repeat(5000)).len(), 5000);
        let long = format!("select '{}';\n", "x\n".repeat(PIECE));
        assert_eq!(texts(&long.repeat(3)).len(), 3);
    }
}
