//! Our tokens turned into those of the parser crate.
//!
//! The crate never sees the text: its own scanner disagrees with PostgreSQL's
//! on numbers, operators, names and strings. It gets our tokens, each with the
//! index of the token it came from as its "location", and only those words as
//! keywords that are keywords of PostgreSQL at that place. Every operator that
//! PostgreSQL's grammar has no rule for becomes the crate's custom operator,
//! which has the one precedence PostgreSQL gives to all of them.
//!
//! Spellings the crate does not know are replaced by others with the same
//! meaning, and [`Notes`] keep what the replacement loses.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use sqlparser::tokenizer::{Location, Span as CrateSpan, Token as CrateToken, TokenWithSpan};

use super::part;
use super::token::{Tokens, What};
use super::types::{self, TypeName};
use crate::id::Span;
use crate::sql::statement::{LiteralKind, Name};

/// What the crate's tree does not say, by index of token.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Types, by their first token.
    pub(super) types: HashMap<usize, TypeName, FixedState>,
    /// Typed literals (`date '…'`), by the token of their string: the first and last token.
    pub(super) typed: HashMap<usize, (usize, usize), FixedState>,
    /// Locking clauses.
    pub(super) locks: Vec<LockNote>,
    /// `WHERE CURRENT OF cursor`: index of `WHERE`, and the cursor.
    pub(super) current_of: Option<(usize, String)>,
    /// `FETCH FIRST (…) ROWS WITH TIES`: what is in the parentheses.
    pub(super) ties: Vec<Span>,
    /// `::type COLLATE name`, by the type's first token: the collation and its last token.
    pub(super) collations: HashMap<usize, (Name, usize), FixedState>,
    /// `OPERATOR(…)`, by its first token: the last.
    pub(super) operators: HashMap<usize, usize, FixedState>,
    /// Columns of which a part is assigned, by their tokens, in order.
    pub(super) parts: Vec<usize>,
}

/// A locking clause.
#[derive(Debug)]
pub(super) struct LockNote {
    pub(super) at: usize,
    pub(super) depth: usize,
    pub(super) span: Span,
}

/// A construct that is not read, as a phrase.
pub(super) type Veto = String;

/// What `ROWS FROM` becomes. No name has a zero in it.
pub(super) const ROWS_FROM: &str = "rows\0from";

/// Turns tokens into the crate's.
pub(super) fn feed(tokens: &Tokens<'_>) -> Result<(Vec<TokenWithSpan>, Notes), Veto> {
    let mut feed = Feed {
        tokens,
        out: Vec::with_capacity(tokens.len() + 4),
        notes: Notes::default(),
        parens: Vec::new(),
        skip_close: Vec::new(),
        fetches: Vec::new(),
        updates: None,
        sets: Vec::new(),
    };
    let mut at = 0;
    while at < tokens.len() {
        at = feed.token(at)?;
    }
    Ok((feed.out, feed.notes))
}

/// The index of our token that a location of the crate stands for.
pub(super) fn index(location: Location) -> Option<usize> {
    usize::try_from(location.column).ok()?.checked_sub(1)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Paren {
    Plain,
    /// `CAST(`: an `AS` in it is followed by a type.
    Cast,
    /// `SUBSTRING(` and `OVERLAY(`: a `FOR` in it is no locking clause.
    For,
}

struct Feed<'f, 't> {
    tokens: &'f Tokens<'t>,
    out: Vec<TokenWithSpan>,
    notes: Notes,
    parens: Vec<Paren>,
    /// Closing parentheses that are left out.
    skip_close: Vec<usize>,
    /// `FETCH FIRST (…) ROWS ONLY`: where the parenthesis closes, and the token behind it all.
    fetches: Vec<(usize, usize)>,
    /// How many parentheses were open at an `UPDATE` whose `SET` is to come.
    updates: Option<usize>,
    /// How many were at each `SET` whose list goes on.
    sets: Vec<usize>,
}

/// Keywords wherever they stand (unless after a point or `AS`).
const KEYWORDS: &[&str] = &[
    "all",
    "and",
    "any",
    "as",
    "asc",
    "between",
    "case",
    "collate",
    "cross",
    "desc",
    "distinct",
    "else",
    "end",
    "except",
    "fetch",
    "from",
    "full",
    "group",
    "having",
    "ilike",
    "in",
    "inner",
    "intersect",
    "into",
    "is",
    "join",
    "lateral",
    "like",
    "limit",
    "natural",
    "not",
    "null",
    "offset",
    "on",
    "or",
    "order",
    "outer",
    "placing",
    "returning",
    "select",
    "similar",
    "some",
    "tablesample",
    "then",
    "union",
    "using",
    "when",
    "where",
    "window",
    "with",
    "true",
    "false",
];

/// Words after which a string is a string, not the literal of a type.
const BEFORE_STRING: &[&str] = &[
    "all",
    "and",
    "any",
    "asymmetric",
    "between",
    "both",
    "by",
    "case",
    "distinct",
    "else",
    "escape",
    "for",
    "from",
    "groups",
    "having",
    "ilike",
    "in",
    "leading",
    "like",
    "limit",
    "not",
    "offset",
    "on",
    "or",
    "placing",
    "range",
    "returning",
    "rows",
    "select",
    "some",
    "symmetric",
    "then",
    "to",
    "trailing",
    "variadic",
    "when",
    "where",
    "zone",
];

impl Feed<'_, '_> {
    fn emit(&mut self, token: CrateToken, at: usize) {
        let location = Location {
            line: 1,
            column: at as u64 + 1,
        };
        self.out.push(TokenWithSpan::new(
            token,
            CrateSpan::new(location, location),
        ));
    }

    fn keyword(&mut self, at: usize) -> usize {
        let text = self.tokens.text(at).to_owned();
        self.keyword_as(&text, at)
    }

    fn keyword_as(&mut self, word: &str, at: usize) -> usize {
        self.emit(CrateToken::make_word(word, None), at);
        at + 1
    }

    fn ident(&mut self, at: usize) -> usize {
        let text = self.tokens.text(at).to_owned();
        self.emit(CrateToken::make_word(&text, Some('"')), at);
        at + 1
    }

    fn token(&mut self, at: usize) -> Result<usize, Veto> {
        let tokens = self.tokens;
        if self.is_assigned(at)
            && let Some(end) = part::end(tokens, at)
        {
            self.notes.parts.push(at);
            self.ident(at);
            return Ok(end);
        }
        match tokens.list[at].what {
            What::Word => self.word(at),
            What::Quoted => {
                if let Some(next) = self.typed_literal(at) {
                    return Ok(next);
                }
                Ok(self.ident(at))
            }
            What::Param(n) => {
                self.emit(CrateToken::Placeholder(format!("${n}")), at);
                Ok(at + 1)
            }
            What::Literal(kind) => self.literal(at, kind),
            What::Op => {
                self.operator(at);
                Ok(at + 1)
            }
            What::Sym => self.symbol(at),
        }
    }

    /// Whether a column to assign may begin here.
    fn is_assigned(&self, at: usize) -> bool {
        let tokens = self.tokens;
        self.sets.last() == Some(&self.parens.len())
            && at > 0
            && (tokens.is_word(at - 1, "set") || tokens.is_sym(at - 1, ","))
            && tokens.is_name(at)
    }

    fn literal(&mut self, at: usize, kind: LiteralKind) -> Result<usize, Veto> {
        let tokens = self.tokens;
        match kind {
            LiteralKind::Integer | LiteralKind::Numeric => {
                self.emit(CrateToken::Number("1".into(), false), at);
            }
            LiteralKind::String | LiteralKind::Bits => {
                let fits = match at.checked_sub(1).and_then(|before| tokens.what(before)) {
                    None | Some(What::Op) => true,
                    Some(What::Sym) if self.notes.operators.values().any(|end| *end == at - 1) => {
                        true
                    }
                    Some(What::Sym) => !tokens.any_sym(at - 1, &[")", "]", ".", "::"]),
                    Some(What::Word) => tokens.any_word(at - 1, BEFORE_STRING),
                    Some(What::Quoted | What::Param(_) | What::Literal(_)) => false,
                };
                if !fits {
                    return Err("a string that does not follow an operator or keyword".into());
                }
                self.emit(CrateToken::SingleQuotedString(String::new()), at);
            }
            LiteralKind::Null | LiteralKind::True | LiteralKind::False => {
                self.keyword(at);
            }
        }
        Ok(at + 1)
    }

    fn operator(&mut self, at: usize) {
        let text = self.tokens.text(at);
        let token = match text {
            "=" => CrateToken::Eq,
            "<>" | "!=" => CrateToken::Neq,
            "<" => CrateToken::Lt,
            ">" => CrateToken::Gt,
            "<=" => CrateToken::LtEq,
            ">=" => CrateToken::GtEq,
            "+" => CrateToken::Plus,
            "-" => CrateToken::Minus,
            "*" => CrateToken::Mul,
            "/" => CrateToken::Div,
            "%" => CrateToken::Mod,
            "^" => CrateToken::Caret,
            "=>" => CrateToken::RArrow,
            other => CrateToken::CustomBinaryOperator(other.to_owned()),
        };
        self.emit(token, at);
    }

    fn symbol(&mut self, at: usize) -> Result<usize, Veto> {
        let tokens = self.tokens;
        let token = match tokens.text(at) {
            "(" => {
                self.parens.push(Paren::Plain);
                CrateToken::LParen
            }
            ")" => {
                self.parens.pop();
                self.sets.retain(|&open| open <= self.parens.len());
                if self.skip_close.contains(&at) {
                    return Ok(at + 1);
                }
                if let Some((_, next)) = self.fetches.iter().find(|(close, _)| *close == at) {
                    let next = *next;
                    self.emit(CrateToken::RParen, at);
                    return Ok(next);
                }
                CrateToken::RParen
            }
            "[" => CrateToken::LBracket,
            "]" => CrateToken::RBracket,
            "," => CrateToken::Comma,
            "." => CrateToken::Period,
            ":" => CrateToken::Colon,
            "=>" | ":=" => CrateToken::RArrow,
            "::" => {
                self.emit(CrateToken::DoubleColon, at);
                let end = self.type_name(at + 1)?;
                return Ok(self.collation(at + 1, end));
            }
            other => return Err(format!("\"{other}\"")),
        };
        self.emit(token, at);
        Ok(at + 1)
    }

    /// `COLLATE name` behind a cast, which the crate reads only behind what begins an expression. There it is about the
    /// cast in any case: `::` binds stronger.
    fn collation(&mut self, of: usize, at: usize) -> usize {
        let tokens = self.tokens;
        if !tokens.is_word(at, "collate") || !tokens.is_name(at + 1) {
            return at;
        }
        let qualified = tokens.is_sym(at + 2, ".") && tokens.is_name(at + 3);
        let last = if qualified { at + 3 } else { at + 1 };
        let name = Name {
            schema: qualified.then(|| tokens.text(at + 1).to_owned()),
            name: tokens.text(last).to_owned(),
        };
        self.notes.collations.insert(of, (name, last));
        last + 1
    }

    /// A type, as one word.
    fn type_name(&mut self, at: usize) -> Result<usize, Veto> {
        let read = types::read(self.tokens, at).ok_or("a type name that is not understood")?;
        let end = read.end;
        self.notes.types.insert(at, read);
        self.emit(CrateToken::make_word("t", Some('"')), at);
        Ok(end)
    }

    /// `date '2020-01-01'` as `'2020-01-01'::date`.
    fn typed_literal(&mut self, at: usize) -> Option<usize> {
        let tokens = self.tokens;
        if at > 0 && (tokens.is_sym(at - 1, ".") || tokens.is_sym(at - 1, "::")) {
            return None;
        }
        let mut read = types::read(tokens, at)?;
        let string = read.end;
        if tokens.what(string) != Some(What::Literal(LiteralKind::String)) {
            return None;
        }
        let mut end = string + 1;
        // Without a length in front of a constant it is not 1, as it is elsewhere.
        if !tokens.is_sym(string - 1, ")") && matches!(read.name.as_str(), "character" | "bit") {
            read.modifiers = false;
            if read.name == "character" {
                read.name = "bpchar".to_owned();
            }
        }
        if read.name == "interval" {
            let after = types::interval_fields(tokens, end);
            read.modifiers |= after != end;
            end = after;
        }
        self.emit(CrateToken::SingleQuotedString(String::new()), string);
        self.emit(CrateToken::DoubleColon, at);
        self.emit(CrateToken::make_word("t", Some('"')), at);
        self.notes.types.insert(at, read);
        self.notes.typed.insert(string, (at, end - 1));
        Some(end)
    }

    fn word(&mut self, at: usize) -> Result<usize, Veto> {
        let tokens = self.tokens;
        let word = tokens.text(at);
        if at > 0 {
            if tokens.is_sym(at - 1, ".") {
                return Ok(self.ident(at));
            }
            if tokens.is_word(at - 1, "as") {
                let hint = word == "materialized"
                    || (word == "not" && tokens.is_word(at + 1, "materialized"));
                return Ok(if hint {
                    self.keyword(at)
                } else {
                    self.ident(at)
                });
            }
        }
        if word == "fetch"
            && let Some(next) = self.fetch_of_expression(at)
        {
            return Ok(next);
        }
        match word {
            "update" => self.updates = Some(self.parens.len()),
            "set" if self.updates == Some(self.parens.len()) => {
                self.updates = None;
                self.sets.push(self.parens.len());
                self.sets.dedup();
            }
            _ => {}
        }
        if self.keyword_here(at) {
            if matches!(word, "from" | "where" | "returning") {
                let open = self.parens.len();
                self.sets.retain(|&set| set != open);
            }
            return self.known(at);
        }
        if !tokens.any_word(at, BEFORE_STRING)
            && let Some(next) = self.typed_literal(at)
        {
            return Ok(next);
        }
        self.contextual(at)
    }

    /// `FETCH FIRST (…) ROWS ONLY` as `LIMIT (…)`: the crate takes an expression only there.
    fn fetch_of_expression(&mut self, at: usize) -> Option<usize> {
        let tokens = self.tokens;
        let open = at + 2;
        if !tokens.any_word(at + 1, &["first", "next"]) || !tokens.is_sym(open, "(") {
            return None;
        }
        let close = tokens.close(open)?;
        let rows = usize::from(tokens.any_word(close + 1, &["row", "rows"]));
        let end = close + 1 + rows;
        let next = if tokens.is_word(end, "only") {
            end + 1
        } else if tokens.is_word(end, "with") && tokens.is_word(end + 1, "ties") {
            self.notes.ties.push(tokens.span(open, close));
            end + 2
        } else {
            return None;
        };
        self.fetches.push((close, next));
        self.keyword_as("limit", at);
        Some(open)
    }

    /// Whether the word at `at` is one of [`KEYWORDS`] and used as such.
    fn keyword_here(&self, at: usize) -> bool {
        let tokens = self.tokens;
        match tokens.text(at) {
            // Functions of these names.
            "left" | "right" => !tokens.is_sym(at + 1, "("),
            word => KEYWORDS.binary_search(&word).is_ok() || KEYWORDS.contains(&word),
        }
    }

    fn known(&mut self, at: usize) -> Result<usize, Veto> {
        let tokens = self.tokens;
        match tokens.text(at) {
            "as" if self.parens.last() == Some(&Paren::Cast) => {
                self.keyword(at);
                self.type_name(at + 1)
            }
            "between" => {
                let next = self.keyword(at);
                let skip = tokens.any_word(next, &["symmetric", "asymmetric"]);
                Ok(next + usize::from(skip))
            }
            "where" if tokens.is_word(at + 1, "current") && tokens.is_word(at + 2, "of") => {
                if !self.parens.is_empty() || !tokens.is_name(at + 3) {
                    return Err("WHERE CURRENT OF here".into());
                }
                self.notes.current_of = Some((at, tokens.text(at + 3).to_owned()));
                Ok(at + 4)
            }
            "group" if tokens.is_word(at + 1, "by") => {
                self.keyword(at);
                let next = self.keyword(at + 1);
                let skip = tokens.any_word(next, &["distinct", "all"]);
                Ok(next + usize::from(skip))
            }
            "on" if tokens.is_word(at + 1, "conflict") => {
                // The crate takes ON for a column's name where nothing but a select list stands before it.
                if self.ends_select_list(at) {
                    self.keyword_as("limit", at);
                    self.keyword_as("all", at);
                }
                self.keyword(at);
                self.keyword(at + 1);
                self.conflict_target(at + 2)
            }
            _ => Ok(self.keyword(at)),
        }
    }

    /// Whether the block before `at` has no clause behind its select list.
    fn ends_select_list(&self, at: usize) -> bool {
        let tokens = self.tokens;
        let mut depth = 0usize;
        for i in (0..at).rev() {
            if tokens.any_sym(i, &[")", "]"]) {
                depth += 1;
            } else if tokens.any_sym(i, &["(", "["]) {
                let Some(outside) = depth.checked_sub(1) else {
                    return false;
                };
                depth = outside;
            }
            let label = i > 0 && (tokens.is_sym(i - 1, ".") || tokens.is_word(i - 1, "as"));
            if depth > 0 || label || !matches!(tokens.what(i), Some(What::Word)) {
                continue;
            }
            match tokens.text(i) {
                "select" => return true,
                "from" if i > 0 && tokens.is_word(i - 1, "distinct") => {}
                "from" | "where" | "group" | "having" | "window" | "order" | "limit" | "offset"
                | "fetch" | "for" | "values" | "into" => return false,
                _ => {}
            }
        }
        false
    }

    /// After `ON CONFLICT`: a target that is more than columns is left out.
    fn conflict_target(&mut self, at: usize) -> Result<usize, Veto> {
        let tokens = self.tokens;
        if tokens.is_word(at, "on") && tokens.is_word(at + 1, "constraint") {
            self.keyword(at);
            return Ok(self.keyword(at + 1));
        }
        if !tokens.is_sym(at, "(") {
            return Ok(at);
        }
        let close = tokens.close(at).ok_or("ON CONFLICT without an end")?;
        let plain = conflict_columns(tokens, at, close) && tokens.is_word(close + 1, "do");
        if plain {
            return Ok(at);
        }
        // Index expressions and predicates are immutable: nothing in them decides where rows go.
        let mut end = close + 1;
        if tokens.is_word(end, "where") {
            let mut depth = 0usize;
            while end < tokens.len() {
                if depth == 0
                    && tokens.is_word(end, "do")
                    && tokens.any_word(end + 1, &["nothing", "update"])
                {
                    break;
                }
                match tokens.text(end) {
                    "(" if tokens.is_sym(end, "(") => depth += 1,
                    ")" if tokens.is_sym(end, ")") => {
                        depth = depth.checked_sub(1).ok_or("ON CONFLICT without an end")?;
                    }
                    "select" if tokens.is_word(end, "select") => {
                        return Err("a query in an ON CONFLICT target".into());
                    }
                    _ => {}
                }
                end += 1;
            }
        }
        Ok(end)
    }

    /// Words that are keywords in some places only.
    fn contextual(&mut self, at: usize) -> Result<usize, Veto> {
        let tokens = self.tokens;
        let before = |words: &[&str]| at > 0 && tokens.any_word(at - 1, words);
        let after = |words: &[&str]| tokens.any_word(at + 1, words);
        let open = tokens.is_sym(at + 1, "(");
        let close_before = at > 0 && tokens.is_sym(at - 1, ")");
        let count_before =
            at > 0 && matches!(tokens.what(at - 1), Some(What::Literal(_) | What::Param(_)));
        let keyword = match tokens.text(at) {
            "left" | "right" => !open,
            "values" => open || before(&["default"]),
            "default" => after(&["values"]),
            "grouping" => after(&["sets"]),
            "sets" => before(&["grouping"]),
            "rollup" | "cube" => before(&["by"]),
            "array" => open || tokens.is_sym(at + 1, "["),
            "recursive" => before(&["with"]),
            "unknown" => before(&["is", "not"]),
            "insert" => after(&["into"]),
            "delete" => after(&["from"]),
            "update" => at == 0 || close_before || before(&["do"]) || tokens.is_sym(at - 1, "("),
            "set" => tokens.is_name(at + 1) || open,
            "do" => after(&["nothing", "update"]),
            "nothing" => before(&["do"]),
            "first" | "last" => before(&["nulls", "fetch"]),
            "next" => before(&["fetch"]),
            "nulls" => after(&["first", "last"]),
            // Its list of calls looks like that of a function's arguments.
            "rows" if after(&["from"]) && tokens.is_sym(at + 2, "(") => {
                self.emit(CrateToken::make_word(ROWS_FROM, Some('"')), at);
                return Ok(at + 2);
            }
            "row" | "rows" => {
                before(&["first", "next", "current"])
                    || after(&["only", "between", "unbounded", "current"])
                    || (after(&["with"]) && tokens.is_word(at + 2, "ties"))
                    || (count_before && at > 1 && tokens.any_word(at - 2, &["offset"]))
                    || (tokens.text(at) == "rows" && frame_bound(tokens, at + 1))
            }
            "range" | "groups" => {
                after(&["between", "unbounded", "current"]) || frame_bound(tokens, at + 1)
            }
            "preceding" | "following" => count_before || close_before || before(&["unbounded"]),
            "unbounded" => after(&["preceding", "following"]),
            "current" => after(&["row"]),
            "partition" => after(&["by"]),
            "by" => before(&["order", "partition"]),
            "over" => close_before,
            "filter" => close_before && open,
            "within" => after(&["group"]),
            "ordinality" | "ties" => before(&["with"]),
            "temp" | "temporary" | "unlogged" => before(&["into"]),
            "bernoulli" | "system" => before(&["tablesample"]),
            "repeatable" => close_before && open,
            "exists" => open,
            "extract" | "position" | "trim" => open,
            "leading" | "trailing" | "both" => at > 0 && tokens.is_sym(at - 1, "("),
            "escape" => true,
            "materialized" => before(&["not"]),
            "to" => before(&["similar"]),
            "at" => after(&["time"]) && tokens.is_word(at + 2, "zone"),
            "time" => before(&["at"]),
            "zone" => before(&["time"]) && at > 1 && tokens.is_word(at - 2, "at"),
            "only" if before(&["row", "rows", "first", "next"]) => true,
            "only" if before(&["from", "join", "update", "using"]) || self.after_comma(at) => {
                return self.only(at);
            }
            "overriding" if after(&["system", "user"]) && tokens.is_word(at + 2, "value") => {
                return Ok(at + 3);
            }
            "exclude" => {
                if let Some(end) = exclusion(tokens, at) {
                    return Ok(end);
                }
                false
            }
            "table" => {
                if before(&["into", "temp", "temporary", "unlogged"]) {
                    true
                } else {
                    for word in ["select", "", "from"] {
                        if word.is_empty() {
                            self.emit(CrateToken::Mul, at);
                        } else {
                            self.keyword_as(word, at);
                        }
                    }
                    return Ok(at + 1);
                }
            }
            "cast" if open => {
                self.keyword(at);
                self.emit(CrateToken::LParen, at + 1);
                self.parens.push(Paren::Cast);
                return Ok(at + 2);
            }
            "substring" | "overlay" if open => {
                self.keyword(at);
                self.emit(CrateToken::LParen, at + 1);
                self.parens.push(Paren::For);
                return Ok(at + 2);
            }
            "isnull" | "notnull" if !open => {
                self.keyword_as("is", at);
                if tokens.text(at) == "notnull" {
                    self.keyword_as("not", at);
                }
                return Ok(self.keyword_as("null", at));
            }
            "variadic" => return Ok(at + 1),
            // Between rows, each with its parentheses: read as an operator.
            "overlaps" if close_before && (open || after(&["row"])) => {
                self.emit(CrateToken::CustomBinaryOperator("overlaps".to_owned()), at);
                return Ok(at + 1);
            }
            "operator" if open => return self.named_operator(at),
            "for" => {
                if let Some(next) = self.lock(at)? {
                    return Ok(next);
                }
                true
            }
            // Its second argument is a word, not a column.
            "normalize" if open => return Err("NORMALIZE".into()),
            "uescape" => return Err("UESCAPE".into()),
            "only" => return Err("ONLY in this place".into()),
            _ => false,
        };
        Ok(if keyword {
            self.keyword(at)
        } else {
            self.ident(at)
        })
    }

    /// Whether a comma stands before, with a table after it (`FROM a, ONLY b`).
    fn after_comma(&self, at: usize) -> bool {
        at > 0 && self.tokens.is_sym(at - 1, ",")
    }

    /// `ONLY t` and `ONLY (t)` without the `ONLY`; the relation's reader looks back for it.
    fn only(&mut self, at: usize) -> Result<usize, Veto> {
        let tokens = self.tokens;
        if tokens.is_sym(at + 1, "(") {
            let close = tokens.close(at + 1).ok_or("ONLY without an end")?;
            self.parens.push(Paren::Plain);
            self.skip_close.push(close);
            return Ok(at + 2);
        }
        Ok(at + 1)
    }

    /// `OPERATOR(pg_catalog.~)`.
    fn named_operator(&mut self, at: usize) -> Result<usize, Veto> {
        let tokens = self.tokens;
        let close = tokens.close(at + 1).ok_or("OPERATOR without an end")?;
        let op = close - 1;
        let plain = match op - (at + 2) {
            0 => true,
            2 => {
                tokens.is_name(at + 2)
                    && tokens.text(at + 2) == "pg_catalog"
                    && tokens.is_sym(at + 3, ".")
            }
            _ => false,
        };
        if !plain || tokens.what(op) != Some(What::Op) {
            return Err("an operator of a schema of its own".into());
        }
        let name = match tokens.text(op) {
            "!=" => "<>".to_owned(),
            name => name.to_owned(),
        };
        let quantified = tokens.any_word(close + 1, &["any", "all", "some"]);
        let token = match name.as_str() {
            "=" if quantified && self.begins_operand(at) => CrateToken::Eq,
            _ => CrateToken::CustomBinaryOperator(name),
        };
        self.emit(token, at);
        self.notes.operators.insert(at, close);
        Ok(close + 1)
    }

    /// Whether the operand in front of `at` is one column and nothing binds it to what stands further in front. The crate
    /// reads `ANY` behind comparisons only, and these bind less than `OPERATOR(…)` does.
    fn begins_operand(&self, at: usize) -> bool {
        let tokens = self.tokens;
        let Some(mut first) = at.checked_sub(1).filter(|&last| tokens.is_name(last)) else {
            return false;
        };
        while first > 1 && tokens.is_sym(first - 1, ".") && tokens.is_name(first - 2) {
            first -= 2;
        }
        let in_front = &["where", "and", "or", "on", "not", "when", "having"];
        first > 0 && tokens.any_word(first - 1, in_front)
    }

    /// A locking clause: left out and noted.
    fn lock(&mut self, at: usize) -> Result<Option<usize>, Veto> {
        let tokens = self.tokens;
        if self.parens.last() == Some(&Paren::For) {
            return Ok(None);
        }
        let strengths: [&[&str]; 4] = [
            &["update"],
            &["share"],
            &["no", "key", "update"],
            &["key", "share"],
        ];
        let strength = strengths.iter().find(|words| {
            words
                .iter()
                .enumerate()
                .all(|(n, word)| tokens.is_word(at + 1 + n, word))
        });
        let Some(strength) = strength else {
            return Ok(None);
        };
        let mut end = at + 1 + strength.len();
        if tokens.is_word(end, "of") {
            loop {
                if !tokens.is_name(end + 1) {
                    return Err("a locking clause that is not understood".into());
                }
                end += 2;
                if tokens.is_sym(end, ".") && tokens.is_name(end + 1) {
                    end += 2;
                }
                if !tokens.is_sym(end, ",") {
                    break;
                }
            }
        }
        if tokens.is_word(end, "nowait") {
            end += 1;
        } else if tokens.is_word(end, "skip") && tokens.is_word(end + 1, "locked") {
            end += 2;
        }
        self.notes.locks.push(LockNote {
            at,
            depth: self.parens.len(),
            span: tokens.span(at, end - 1),
        });
        Ok(Some(end))
    }
}

/// Whether the parenthesised list holds nothing but columns.
fn conflict_columns(tokens: &Tokens<'_>, open: usize, close: usize) -> bool {
    (open + 1..close).enumerate().all(|(n, at)| {
        if n % 2 == 0 {
            tokens.is_name(at)
        } else {
            tokens.is_sym(at, ",")
        }
    }) && (close - open).is_multiple_of(2)
}

/// Whether a window frame's bound of one constant starts at `at`.
fn frame_bound(tokens: &Tokens<'_>, at: usize) -> bool {
    let constant = matches!(tokens.what(at), Some(What::Literal(_) | What::Param(_)));
    constant && tokens.any_word(at + 1, &["preceding", "following"])
}

/// `EXCLUDE …` of a window frame; gives the token after it.
fn exclusion(tokens: &Tokens<'_>, at: usize) -> Option<usize> {
    let kinds: [&[&str]; 4] = [
        &["current", "row"],
        &["group"],
        &["ties"],
        &["no", "others"],
    ];
    let end = kinds.iter().find_map(|words| {
        words
            .iter()
            .enumerate()
            .all(|(n, word)| tokens.is_word(at + 1 + n, word))
            .then_some(at + 1 + words.len())
    })?;
    tokens.is_sym(end, ")").then_some(end)
}

impl Tokens<'_> {
    fn any_sym(&self, at: usize, syms: &[&str]) -> bool {
        self.what(at) == Some(What::Sym) && syms.contains(&self.text(at))
    }
}
