//! Where a line ends (`CopyReadLineText`).

use memchr::{memchr, memchr_iter, memchr2, memchr3};

use super::{Fault, Format, Kind};

/// How lines end: the first one decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Eol {
    Unknown,
    Nl,
    Cr,
    CrNl,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// More bytes are needed.
    More,
    /// A line.
    Is {
        /// Its bytes without what ends it.
        content: usize,
        /// Its bytes.
        whole: usize,
    },
    /// The end of the data, by `\.` or because there is no more.
    End,
}

/// Finds the ends of lines, one after the other.
#[derive(Debug)]
pub(super) struct Lines {
    csv: bool,
    quote: u8,
    escape: u8,
    eol: Eol,
    /// How far the line at hand has been looked through.
    at: usize,
    /// Whether that place is inside of quotes.
    inside: bool,
    /// Whether the line at hand, or the last one, has a backslash (text) or a quote (CSV).
    special: bool,
    /// The line at hand was the last one: `\.` came behind it.
    last: bool,
}

/// What a place that may be `\.` is.
enum Marker {
    /// Too few bytes to tell.
    Unclear,
    /// The end of the data.
    End,
    /// Something else.
    No,
}

impl Lines {
    pub(super) fn new(format: &Format) -> Self {
        Self {
            csv: format.kind == Kind::Csv,
            quote: format.quote,
            escape: format.escape,
            eol: Eol::Unknown,
            at: 0,
            inside: false,
            special: false,
            last: false,
        }
    }

    /// Whether the last line has a backslash, in text.
    pub(super) fn escaped(&self) -> bool {
        self.special
    }

    /// Whether the last line has a quote, in CSV.
    pub(super) fn quoted(&self) -> bool {
        self.csv && self.special
    }

    /// How many line ends a line has in it.
    pub(super) fn embedded(&self, line: &[u8]) -> u64 {
        let end = match self.eol {
            Eol::Nl => b'\n',
            _ => b'\r',
        };
        memchr_iter(end, line).count() as u64
    }

    /// The line at the front of `bytes`. While it answers [`Line::More`] it must be asked again with the same bytes and more.
    pub(super) fn next(&mut self, bytes: &[u8], eof: bool) -> Result<Line, Fault> {
        if self.last {
            return Ok(Line::End);
        }
        if self.at == 0 {
            self.special = false;
        }
        let line = match self.csv {
            true => self.csv(bytes, eof)?,
            false => self.text(bytes, eof)?,
        };
        if line != Line::More {
            self.at = 0;
            self.inside = false;
        }
        Ok(line)
    }

    fn text(&mut self, bytes: &[u8], eof: bool) -> Result<Line, Fault> {
        loop {
            let Some(found) = memchr3(b'\n', b'\r', b'\\', &bytes[self.at..]) else {
                return Ok(self.out_of_bytes(bytes, bytes.len(), eof));
            };
            let at = self.at + found;
            if bytes[at] != b'\\' {
                return self.line_end(bytes, at, eof);
            }
            self.special = true;
            match bytes.get(at + 1) {
                None => return Ok(self.out_of_bytes(bytes, at, eof)),
                Some(b'.') => match self.marker(bytes, at, eof)? {
                    Marker::Unclear => {
                        self.at = at;
                        return Ok(Line::More);
                    }
                    Marker::End | Marker::No => return Ok(self.end_at(at)),
                },
                // Whatever follows a backslash belongs to the row, a line end too.
                Some(_) => self.at = at + 2,
            }
        }
    }

    fn csv(&mut self, bytes: &[u8], eof: bool) -> Result<Line, Fault> {
        // `\.` counts only at the beginning of a line.
        if self.at == 0 && bytes.first() == Some(&b'\\') {
            match bytes.get(1) {
                None if !eof => return Ok(Line::More),
                Some(b'.') => match self.marker(bytes, 0, eof)? {
                    Marker::Unclear => return Ok(Line::More),
                    Marker::End => return Ok(self.end_at(0)),
                    Marker::No => {}
                },
                _ => {}
            }
        }
        loop {
            let rest = &bytes[self.at..];
            if !self.inside {
                let Some(found) = memchr3(self.quote, b'\n', b'\r', rest) else {
                    // The first byte may be the backslash of a marker that is looked at again.
                    return Ok(self.out_of_bytes(bytes, bytes.len(), eof));
                };
                let at = self.at + found;
                if bytes[at] != self.quote {
                    return self.line_end(bytes, at, eof);
                }
                self.special = true;
                self.inside = true;
                self.at = at + 1;
            } else if self.escape == self.quote {
                // A doubled quote ends the quotes and begins them again.
                match memchr(self.quote, rest) {
                    None => return Ok(self.out_of_bytes(bytes, bytes.len(), eof)),
                    Some(found) => {
                        self.inside = false;
                        self.at += found + 1;
                    }
                }
            } else {
                match memchr2(self.quote, self.escape, rest) {
                    None => return Ok(self.out_of_bytes(bytes, bytes.len(), eof)),
                    Some(found) if rest[found] == self.quote => {
                        self.inside = false;
                        self.at += found + 1;
                    }
                    Some(found) if found + 1 == rest.len() => {
                        return Ok(self.out_of_bytes(bytes, self.at + found, eof));
                    }
                    // Only a quote and an escape lose their meaning; nothing else has one here.
                    Some(found) => self.at += found + 2,
                }
            }
        }
    }

    /// The bytes have ended inside of a line. It is looked through from `at` on when there are more.
    fn out_of_bytes(&mut self, bytes: &[u8], at: usize, eof: bool) -> Line {
        if !eof {
            self.at = at;
            return Line::More;
        }
        self.last = true;
        match bytes.len() {
            0 => Line::End,
            all => Line::Is {
                content: all,
                whole: all,
            },
        }
    }

    /// `\.` at this place: what stands before it is the last row.
    fn end_at(&mut self, at: usize) -> Line {
        self.last = true;
        match at {
            0 => Line::End,
            _ => Line::Is {
                content: at,
                whole: at,
            },
        }
    }

    /// A carriage return or newline outside of quotes.
    fn line_end(&mut self, bytes: &[u8], at: usize, eof: bool) -> Result<Line, Fault> {
        let one = Line::Is {
            content: at,
            whole: at + 1,
        };
        if bytes[at] == b'\n' {
            return match self.eol {
                Eol::Cr | Eol::CrNl => Err(self.literal("newline", "\\n")),
                Eol::Nl | Eol::Unknown => {
                    self.eol = Eol::Nl;
                    Ok(one)
                }
            };
        }
        match (self.eol, bytes.get(at + 1)) {
            (Eol::Nl, _) => Err(self.literal("carriage return", "\\r")),
            (Eol::Cr, _) => Ok(one),
            (_, None) if !eof => {
                self.at = at;
                Ok(Line::More)
            }
            (_, Some(b'\n')) => {
                self.eol = Eol::CrNl;
                Ok(Line::Is {
                    content: at,
                    whole: at + 2,
                })
            }
            (Eol::CrNl, _) => Err(self.literal("carriage return", "\\r")),
            (Eol::Unknown, _) => {
                self.eol = Eol::Cr;
                Ok(one)
            }
        }
    }

    fn literal(&self, what: &str, escape: &str) -> Fault {
        match self.csv {
            true => Fault::format(
                &format!("unquoted {what} found in data"),
                &format!("Use quoted CSV field to represent {what}."),
            ),
            false => Fault::format(
                &format!("literal {what} found in data"),
                &format!("Use \"{escape}\" to represent {what}."),
            ),
        }
    }

    /// What `\.` at this place is: the end of the data when a line end of the right kind follows. In CSV anything else
    /// makes it a value.
    fn marker(&mut self, bytes: &[u8], at: usize, eof: bool) -> Result<Marker, Fault> {
        let style = || {
            Fault::format(
                "end-of-copy marker does not match previous newline style",
                "",
            )
        };
        let corrupt = |csv: bool| match csv {
            true => Ok(Marker::No),
            false => Err(Fault::format("end-of-copy marker corrupt", "")),
        };
        let mut next = at + 2;
        if self.eol == Eol::CrNl {
            match bytes.get(next) {
                None if !eof => return Ok(Marker::Unclear),
                Some(b'\n') if self.csv => return Ok(Marker::No),
                Some(b'\n') => return Err(style()),
                Some(b'\r') => {}
                _ => return corrupt(self.csv),
            }
            next += 1;
        }
        match (bytes.get(next), self.eol) {
            (None, _) if !eof => Ok(Marker::Unclear),
            (Some(b'\n'), Eol::Cr) | (Some(b'\r'), Eol::Nl | Eol::CrNl) => Err(style()),
            (Some(b'\n' | b'\r'), _) => Ok(Marker::End),
            _ => corrupt(self.csv),
        }
    }
}
