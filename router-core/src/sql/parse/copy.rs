//! `COPY`, in its present spelling and those of PostgreSQL 8.4 and before 7.3.

use super::token::{Tokens, What};
use super::{Veto, inner, query, utility};
use crate::sql::statement::{Copy, CopyOption, CopyPeer, CopyWhat, Expr, Ident, Kind, SetExpr};

/// Reads a `COPY`.
pub(super) fn read(tokens: &Tokens<'_>) -> Result<Copy, Veto> {
    let mut reader = Reader {
        tokens,
        at: 1,
        options: Vec::new(),
    };
    if reader.word("binary") {
        reader
            .options
            .push(("format".into(), CopyOption::Text("binary".into())));
    }
    let what = reader.what()?;
    let from = reader.word("from");
    if !from && !reader.word("to") {
        return Err("COPY without FROM or TO".into());
    }
    if from && matches!(what, CopyWhat::Query(_)) {
        return Err("COPY of a query FROM".into());
    }
    let peer = reader.peer()?;
    reader.old_delimiter()?;
    reader.word("with");
    if tokens.is_sym(reader.at, "(") {
        reader.new_options()?;
    } else {
        reader.old_options()?;
    }
    let filter = reader.filter(&what)?;
    if filter.is_some() && !from {
        return Err("WHERE after COPY TO".into());
    }
    if reader.at < tokens.len() && filter.is_none() {
        return Err("an option of COPY that is not understood".into());
    }
    Ok(Copy {
        what,
        from,
        peer,
        options: reader.options,
        filter,
    })
}

struct Reader<'r, 't> {
    tokens: &'r Tokens<'t>,
    at: usize,
    options: Vec<(String, CopyOption)>,
}

impl Reader<'_, '_> {
    fn word(&mut self, word: &str) -> bool {
        let hit = self.tokens.is_word(self.at, word);
        self.at += usize::from(hit);
        hit
    }

    fn what(&mut self) -> Result<CopyWhat, Veto> {
        if self.tokens.is_sym(self.at, "(") {
            let close = self.tokens.close(self.at).ok_or("COPY without an end")?;
            let statement = inner(self.tokens, self.at + 1, close);
            if matches!(statement.kind, Kind::Utility(_)) {
                return Err("COPY of something that is not a query".into());
            }
            self.at = close + 1;
            return Ok(CopyWhat::Query(Box::new(statement)));
        }
        let (relation, end) = utility::relation(self.tokens, self.at)?;
        if relation.only {
            return Err("COPY ONLY".into());
        }
        self.at = end;
        let columns = match self.tokens.is_sym(self.at, "(") {
            true => self.columns()?,
            false => Vec::new(),
        };
        Ok(CopyWhat::Table { relation, columns })
    }

    /// `(a, b)`.
    fn columns(&mut self) -> Result<Vec<Ident>, Veto> {
        let mut columns = Vec::new();
        loop {
            // At the opening parenthesis or a comma.
            self.at += 1;
            if !self.tokens.is_name(self.at) {
                return Err("a list of columns that is not understood".into());
            }
            columns.push(self.tokens.text(self.at).to_owned());
            self.at += 1;
            if self.tokens.is_sym(self.at, ")") {
                self.at += 1;
                return Ok(columns);
            }
            if !self.tokens.is_sym(self.at, ",") {
                return Err("a list of columns that is not understood".into());
            }
        }
    }

    fn peer(&mut self) -> Result<CopyPeer, Veto> {
        if self.word("stdin") || self.word("stdout") {
            return Ok(CopyPeer::Client);
        }
        let program = self.word("program");
        if !self.tokens.is_literal(self.at) {
            return Err("COPY without STDIN, STDOUT, a file or a program".into());
        }
        self.at += 1;
        Ok(if program {
            CopyPeer::Program
        } else {
            CopyPeer::File
        })
    }

    /// `[USING] DELIMITERS '…'`, from before 7.3.
    fn old_delimiter(&mut self) -> Result<(), Veto> {
        let using = self.word("using");
        if self.word("delimiters") {
            let value = self.string()?;
            self.options
                .push(("delimiter".into(), CopyOption::Text(value)));
        } else if using {
            return Err("USING without DELIMITERS".into());
        }
        Ok(())
    }

    fn string(&mut self) -> Result<String, Veto> {
        let value = self.tokens.string(self.at);
        self.at += 1;
        value.ok_or_else(|| "an option of COPY whose value is not a string".into())
    }

    /// `(FORMAT csv, HEADER)`.
    fn new_options(&mut self) -> Result<(), Veto> {
        let tokens = self.tokens;
        loop {
            self.at += 1;
            if !tokens.is_name(self.at) {
                return Err("an option of COPY that is not understood".into());
            }
            let name = tokens.text(self.at).to_owned();
            self.at += 1;
            let value = match tokens.what(self.at) {
                Some(What::Sym) if tokens.is_sym(self.at, "(") => {
                    CopyOption::Columns(self.columns()?)
                }
                Some(What::Sym) => CopyOption::Flag,
                Some(What::Op) if tokens.is_op(self.at, "*") => {
                    self.at += 1;
                    CopyOption::All
                }
                Some(What::Word | What::Quoted) => {
                    self.at += 1;
                    CopyOption::Text(tokens.text(self.at - 1).to_owned())
                }
                Some(What::Literal(_)) => {
                    let text = tokens.string(self.at);
                    let text = text.unwrap_or_else(|| tokens.text(self.at).to_owned());
                    self.at += 1;
                    CopyOption::Text(text)
                }
                _ => return Err("an option of COPY that is not understood".into()),
            };
            self.options.push((name, value));
            if tokens.is_sym(self.at, ")") {
                self.at += 1;
                return Ok(());
            }
            if !tokens.is_sym(self.at, ",") {
                return Err("an option of COPY that is not understood".into());
            }
        }
    }

    /// `CSV HEADER DELIMITER AS ','`, in the spelling of 8.4.
    fn old_options(&mut self) -> Result<(), Veto> {
        while self.at < self.tokens.len() && !self.tokens.is_word(self.at, "where") {
            let (name, value) = if self.word("binary") {
                ("format", CopyOption::Text("binary".into()))
            } else if self.word("csv") {
                ("format", CopyOption::Text("csv".into()))
            } else if self.word("freeze") {
                ("freeze", CopyOption::Flag)
            } else if self.word("header") {
                ("header", CopyOption::Flag)
            } else if self.word("delimiter") {
                ("delimiter", self.as_string()?)
            } else if self.word("null") {
                ("null", self.as_string()?)
            } else if self.word("quote") {
                ("quote", self.as_string()?)
            } else if self.word("escape") {
                ("escape", self.as_string()?)
            } else if self.word("encoding") {
                ("encoding", CopyOption::Text(self.string()?))
            } else if self.word("force") {
                self.forced()?
            } else {
                return Err("an option of COPY that is not understood".into());
            };
            self.options.push((name.to_owned(), value));
        }
        Ok(())
    }

    fn as_string(&mut self) -> Result<CopyOption, Veto> {
        self.word("as");
        Ok(CopyOption::Text(self.string()?))
    }

    /// After `FORCE`: `QUOTE *`, `QUOTE a, b`, `NOT NULL a`, `NULL a`.
    fn forced(&mut self) -> Result<(&'static str, CopyOption), Veto> {
        let name = if self.word("quote") {
            "force_quote"
        } else if self.tokens.is_word(self.at, "not") && self.tokens.is_word(self.at + 1, "null") {
            self.at += 2;
            "force_not_null"
        } else if self.word("null") {
            "force_null"
        } else {
            return Err("an option of COPY that is not understood".into());
        };
        if self.tokens.is_op(self.at, "*") {
            self.at += 1;
            return Ok((name, CopyOption::All));
        }
        let mut columns = Vec::new();
        loop {
            if !self.tokens.is_name(self.at) {
                return Err("a list of columns that is not understood".into());
            }
            columns.push(self.tokens.text(self.at).to_owned());
            self.at += 1;
            if !self.tokens.is_sym(self.at, ",") {
                return Ok((name, CopyOption::Columns(columns)));
            }
            self.at += 1;
        }
    }

    /// `WHERE condition`: read as that of `SELECT true WHERE condition`, with the tokens at hand. (Without anything
    /// selected the parser takes `WHERE` for a column.)
    fn filter(&mut self, what: &CopyWhat) -> Result<Option<Expr>, Veto> {
        if !self.tokens.is_word(self.at, "where") {
            return Ok(None);
        }
        if !matches!(what, CopyWhat::Table { .. }) {
            return Err("WHERE after COPY of a query".into());
        }
        let mut condition = self.tokens.tail(self.at, self.tokens.len());
        for word in ["true", "select"] {
            let mut token = condition.list[0].clone();
            token.text = word.to_owned();
            condition.list.insert(0, token);
        }
        let Kind::Query(query) = query(&condition)? else {
            return Err("a condition of COPY that is not understood".into());
        };
        let plain = query.order_by.is_empty() && query.limit.is_none() && query.offset.is_none();
        match query.body {
            SetExpr::Select(select)
                if plain && select.group_by.is_empty() && select.having.is_none() =>
            {
                Ok(select.filter)
            }
            _ => Err("a condition of COPY that is not understood".into()),
        }
    }
}
