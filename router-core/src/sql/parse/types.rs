//! Names of types, read from tokens: their spellings are PostgreSQL's, and
//! what follows a type decides nothing about where it ends.

use super::token::{Tokens, What};
use crate::sql::statement::LiteralKind;

/// A type as written.
#[derive(Clone, Debug)]
pub(super) struct TypeName {
    /// The canonical name, without modifiers.
    pub(super) name: String,
    /// Whether modifiers are given or implied (`char` is `character(1)`).
    pub(super) modifiers: bool,
    /// One past its last token.
    pub(super) end: usize,
}

/// Reads a type that starts at token `at`.
pub(super) fn read(tokens: &Tokens<'_>, at: usize) -> Option<TypeName> {
    let mut reader = Reader { tokens, at };
    let (mut name, modifiers) = reader.base()?;
    loop {
        if reader.sym("[") {
            if reader.tokens.is_integer(reader.at) {
                reader.at += 1;
            }
            if !reader.sym("]") {
                return None;
            }
            if !name.ends_with("[]") {
                name.push_str("[]");
            }
        } else if reader.word("array") {
            if reader.sym("[") {
                if reader.tokens.is_integer(reader.at) {
                    reader.at += 1;
                }
                if !reader.sym("]") {
                    return None;
                }
            }
            name.push_str("[]");
            break;
        } else {
            break;
        }
    }
    Some(TypeName {
        name,
        modifiers,
        end: reader.at,
    })
}

/// Skips the fields of an interval (`YEAR TO MONTH`, `SECOND(3)`); gives the token after them.
pub(super) fn interval_fields(tokens: &Tokens<'_>, at: usize) -> usize {
    let mut reader = Reader { tokens, at };
    if reader.field() && reader.word("to") && !reader.field() {
        return at;
    }
    reader.modifiers();
    reader.at
}

struct Reader<'r, 't> {
    tokens: &'r Tokens<'t>,
    at: usize,
}

impl Reader<'_, '_> {
    fn word(&mut self, word: &str) -> bool {
        let hit = self.tokens.is_word(self.at, word);
        self.at += usize::from(hit);
        hit
    }

    fn sym(&mut self, sym: &str) -> bool {
        let hit = self.tokens.is_sym(self.at, sym);
        self.at += usize::from(hit);
        hit
    }

    fn field(&mut self) -> bool {
        ["year", "month", "day", "hour", "minute", "second"]
            .iter()
            .any(|field| self.word(field))
    }

    /// `(10)`, `(10, 2)`; any constants or words, as PostgreSQL allows for types of extensions.
    fn modifiers(&mut self) -> bool {
        let start = self.at;
        if !self.sym("(") {
            return false;
        }
        loop {
            match self.tokens.what(self.at) {
                Some(What::Literal(_) | What::Word | What::Quoted) => self.at += 1,
                Some(What::Op) if self.tokens.is_op(self.at, "-") => {
                    self.at += 1;
                    continue;
                }
                _ => {
                    self.at = start;
                    return false;
                }
            }
            if self.sym(")") {
                return true;
            }
            if !self.sym(",") {
                self.at = start;
                return false;
            }
        }
    }

    fn base(&mut self) -> Option<(String, bool)> {
        if self.tokens.what(self.at)? == What::Word && !self.tokens.is_sym(self.at + 1, ".") {
            let word = self.tokens.text(self.at).to_owned();
            if let Some(read) = self.standard(&word) {
                return Some(read);
            }
        }
        self.named()
    }

    /// The types that the grammar spells itself.
    fn standard(&mut self, word: &str) -> Option<(String, bool)> {
        let start = self.at;
        self.at += 1;
        let read = match word {
            "double" => {
                if !self.word("precision") {
                    self.at = start;
                    return None;
                }
                ("double precision", false)
            }
            "float" => {
                let precision = self.at + 1;
                if self.modifiers() {
                    match self.tokens.text(precision).parse::<u32>() {
                        Ok(1..=24) => ("real", false),
                        Ok(25..=53) => ("double precision", false),
                        _ => return None,
                    }
                } else {
                    ("double precision", false)
                }
            }
            "character" | "char" | "nchar" => self.character(),
            "national" => {
                if !self.word("character") && !self.word("char") {
                    self.at = start;
                    return None;
                }
                self.character()
            }
            "varchar" => ("character varying", self.modifiers()),
            "bit" => {
                if self.word("varying") {
                    ("bit varying", self.modifiers())
                } else {
                    self.modifiers();
                    ("bit", true)
                }
            }
            "timestamp" | "time" => {
                let modifiers = self.modifiers();
                let zone = self.zone();
                let name = match (word, zone) {
                    ("timestamp", true) => "timestamp with time zone",
                    ("timestamp", false) => "timestamp without time zone",
                    (_, true) => "time with time zone",
                    (_, false) => "time without time zone",
                };
                (name, modifiers)
            }
            "interval" => {
                let before = self.at;
                self.at = interval_fields(self.tokens, self.at);
                ("interval", self.at != before)
            }
            "numeric" | "decimal" | "dec" => ("numeric", self.modifiers()),
            _ => {
                self.at = start;
                return None;
            }
        };
        Some((read.0.to_owned(), read.1))
    }

    /// After `char`: without a length it is `character(1)`.
    fn character(&mut self) -> (&'static str, bool) {
        if self.word("varying") {
            ("character varying", self.modifiers())
        } else {
            self.modifiers();
            ("character", true)
        }
    }

    fn zone(&mut self) -> bool {
        let at = self.at;
        for (word, zone) in [("with", true), ("without", false)] {
            if self.word(word) && self.word("time") && self.word("zone") {
                return zone;
            }
            self.at = at;
        }
        false
    }

    /// A name, perhaps with a schema.
    fn named(&mut self) -> Option<(String, bool)> {
        let mut parts = vec![self.part()?];
        while self.sym(".") {
            parts.push(self.part()?);
        }
        let modifiers = self.modifiers();
        let name = match parts.as_slice() {
            [(name, quoted)] => internal(name, *quoted),
            [(schema, _), (name, _)] if schema == "pg_catalog" => internal(name, true),
            [(schema, _), (name, _)] => format!("{schema}.{name}"),
            _ => return None,
        };
        Some((name, modifiers))
    }

    fn part(&mut self) -> Option<(String, bool)> {
        let quoted = match self.tokens.what(self.at)? {
            What::Word => false,
            What::Quoted => true,
            What::Param(_) | What::Literal(_) | What::Op | What::Sym => return None,
        };
        let name = self.tokens.text(self.at).to_owned();
        self.at += 1;
        Some((name, quoted))
    }
}

/// The canonical name of a type known by the name `pg_type` has for it.
fn internal(name: &str, quoted: bool) -> String {
    let canonical = match name {
        "int2" => "smallint",
        "int4" => "integer",
        "int8" => "bigint",
        "smallint" | "integer" | "bigint" | "real" | "boolean" if !quoted => name,
        "int" if !quoted => "integer",
        "float4" => "real",
        "float8" => "double precision",
        "bool" => "boolean",
        "varchar" => "character varying",
        "bpchar" => "bpchar",
        "char" => "\"char\"",
        "varbit" => "bit varying",
        "timestamptz" => "timestamp with time zone",
        "timestamp" => "timestamp without time zone",
        "timetz" => "time with time zone",
        "time" => "time without time zone",
        other => other,
    };
    canonical.to_owned()
}

impl Tokens<'_> {
    fn is_integer(&self, at: usize) -> bool {
        self.what(at) == Some(What::Literal(LiteralKind::Integer))
    }
}
