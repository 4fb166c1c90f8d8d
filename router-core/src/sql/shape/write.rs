//! The pass over the tokens, and which literals stay.

use super::super::lexer::{Class, Keyword, Lexer, Options, StringKind, Token, TokenKind};
use super::{BITS, Form, INTEGER, NUMERIC, STRING, Shape, Slot, SlotKind, lists};
use crate::id::Span;

macro_rules! keywords {
    ($($name:ident = $word:literal),* $(,)?) => {
        $(const $name: Keyword = Keyword::of($word);)*
    };
}

keywords! {
    AS = "as", BETWEEN = "between", BIT = "bit", BY = "by", CHAR = "char", CHARACTER = "character",
    COPY = "copy", DEC = "dec", DECLARE = "declare", DECIMAL = "decimal", DELETE = "delete", DISTINCT = "distinct", EXCEPT = "except",
    EXECUTE = "execute", EXPLAIN = "explain", FETCH = "fetch", FLOAT = "float", HAVING = "having",
    ILIKE = "ilike", IN = "in", INSERT = "insert", INTERSECT = "intersect", INTERVAL = "interval",
    JOIN = "join", LIKE = "like", LIMIT = "limit", MATERIALIZED = "materialized", MERGE = "merge",
    NCHAR = "nchar", NOT = "not", NUMERIC_TYPE = "numeric", OFFSET = "offset", ON = "on",
    POSITION = "position", PREPARE = "prepare", RETURNING = "returning", SECOND = "second", SELECT = "select",
    TABLE = "table", TIME = "time", TIMESTAMP = "timestamp", UNION = "union", UPDATE = "update",
    VALUES = "values", VARCHAR = "varchar", VARYING = "varying", WINDOW = "window", WITH = "with",
}

/// What stands before a token, as far as it decides about the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// An operator, a comma, an opening parenthesis, a reserved word: a string here is a value.
    Value,
    /// A name, or an unreserved word that may be one: a string here is a typed literal's, another
    /// name here may be a type.
    Name,
    /// A word that may be a type but is no column's name.
    Word,
    /// A word of that class after which only a value can follow.
    Pattern,
    /// `)` or `]`: a string here is a typed literal's whose type has modifiers.
    Close,
    /// `.`: any word here is a name.
    Dot,
    /// `AS`: any word here is a label or a type.
    As,
    /// `::`: a type follows.
    Typecast,
    /// `DISTINCT`.
    Distinct,
    /// `DISTINCT ON`, or `EXPLAIN`: literals of the parentheses that follow stay.
    Keep,
}

/// No literals are kept.
const NONE: u32 = u32::MAX;

struct Writer<'a, 's> {
    text: &'a [u8],
    lexer: Lexer<'a>,
    shape: &'s mut Shape,
    before: Before,
    /// Whether the name being read may be a type's: then parentheses hold modifiers.
    typed: bool,
    /// Parentheses and brackets open.
    depth: u32,
    /// Literals stay from this depth inwards.
    keep: u32,
    /// Whether `position` was met, whose `IN (…)` is no list.
    position: bool,
}

/// The statement cannot be normalised.
struct Unfit;

pub(super) fn write(text: &str, options: Options, shape: &mut Shape) {
    let mut lexer = Lexer::new(text, options);
    let first = loop {
        match lexer.next() {
            None => break None,
            Some(token) if token.kind.is_trivia() => directive(text, token, shape),
            Some(token) => break Some(token),
        }
    };
    let on = options.standard_conforming_strings;
    if let Some(first) = first {
        shape.form = Form::Normalised;
        shape.bytes.push(if on { b'n' } else { b'N' });
        let mut writer = Writer {
            text: text.as_bytes(),
            lexer,
            shape,
            before: Before::Value,
            typed: false,
            depth: 0,
            keep: NONE,
            position: false,
        };
        if writer.statement(first).is_ok() {
            return;
        }
    }
    shape.form = Form::Verbatim;
    shape.slots.clear();
    shape.groups.clear();
    shape.row_spans.clear();
    shape.bytes.clear();
    shape.bytes.push(if on { b'v' } else { b'V' });
    let start = first.map_or(text.len(), |token| token.span.start as usize);
    shape.bytes.extend_from_slice(&text.as_bytes()[start..]);
    if let Some(first) = first {
        literals(text, first, options, shape);
    }
}

/// The literals of a text that is kept as it stands: `COPY (SELECT … WHERE key = 1) TO STDOUT` goes by its key too.
/// Its plan is that of this one text, so any literal may be a slot.
fn literals(text: &str, first: Token, options: Options, shape: &mut Shape) {
    let word = Keyword::lookup(first.bytes(text.as_bytes()));
    if !matches!(word, Some(COPY | DECLARE | PREPARE)) {
        return;
    }
    for token in Lexer::new(text, options) {
        let kind = match token.kind {
            TokenKind::Integer => SlotKind::Integer,
            TokenKind::Numeric => SlotKind::Numeric,
            // What it stands for depends on the `UESCAPE` that may follow.
            TokenKind::String(StringKind::Unicode) | TokenKind::Error(_) => {
                shape.slots.clear();
                return;
            }
            TokenKind::String(kind) => SlotKind::String(kind),
            TokenKind::BinaryBits | TokenKind::HexBits => SlotKind::Bits,
            _ => continue,
        };
        shape.slots.push(Slot {
            span: token.span,
            kind,
            negative: false,
        });
    }
}

/// Notes a comment `/* shunt: … */`.
fn directive(text: &str, token: Token, shape: &mut Shape) {
    if token.kind != TokenKind::BlockComment {
        return;
    }
    let comment = token.span.of(text);
    let inside = &comment[2..comment.len() - 2];
    let Some(rest) = inside.trim_start().strip_prefix("shunt:") else {
        return;
    };
    if shape.directive.is_some() {
        shape.more_directives = true;
        return;
    }
    let end = token.span.start as usize + 2 + inside.len();
    let start = end - rest.trim_start().len();
    let end = start + rest.trim().len();
    shape.directive = Some(Span::new(start, end));
}

impl Writer<'_, '_> {
    fn statement(&mut self, first: Token) -> Result<(), Unfit> {
        match first.kind {
            TokenKind::LeftParen => self.token(first)?,
            TokenKind::Ident => {
                let keyword = Keyword::lookup(first.bytes(self.text)).ok_or(Unfit)?;
                self.first_word(first, keyword)?;
            }
            _ => return Err(Unfit),
        }
        while let Some(token) = self.lexer.next_significant() {
            if token.kind == TokenKind::Semicolon {
                return self.end();
            }
            self.token(token)?;
        }
        self.closed()
    }

    /// A text with a parenthesis left open is no statement, and may be the first half of one.
    fn closed(&self) -> Result<(), Unfit> {
        match self.depth {
            0 => Ok(()),
            _ => Err(Unfit),
        }
    }

    fn first_word(&mut self, first: Token, keyword: Keyword) -> Result<(), Unfit> {
        match keyword {
            // The rows of a bare VALUES are looked for as everywhere.
            VALUES => {
                self.word(first);
                Ok(())
            }
            SELECT | INSERT | UPDATE | DELETE | MERGE | WITH | EXECUTE | TABLE => {
                self.folded(first);
                self.before = Before::Value;
                Ok(())
            }
            EXPLAIN => {
                self.folded(first);
                self.before = Before::Keep;
                Ok(())
            }
            _ => Err(Unfit),
        }
    }

    /// Nothing but further semicolons may follow one.
    fn end(&mut self) -> Result<(), Unfit> {
        while let Some(token) = self.lexer.next_significant() {
            if token.kind != TokenKind::Semicolon {
                return Err(Unfit);
            }
        }
        self.closed()
    }

    #[inline]
    fn token(&mut self, token: Token) -> Result<(), Unfit> {
        use TokenKind as T;
        match token.kind {
            T::Ident => {
                self.space();
                self.word(token);
                return Ok(());
            }
            T::QuotedIdent | T::UnicodeIdent => {
                self.begin_name(Before::Name);
                self.raw(token);
            }
            T::National => {
                self.begin_name(Before::Word);
                self.space();
                self.shape.bytes.extend_from_slice(b"nchar");
            }
            T::Integer => self.number(token, SlotKind::Integer, INTEGER),
            T::Numeric => self.number(token, SlotKind::Numeric, NUMERIC),
            T::NewNumber | T::Param => {
                self.raw(token);
                self.before = Before::Value;
            }
            T::String(kind) => self.string(token, SlotKind::String(kind), STRING)?,
            T::BinaryBits | T::HexBits => self.string(token, SlotKind::Bits, BITS)?,
            T::LeftParen | T::LeftBracket => self.open(token),
            T::RightParen | T::RightBracket => self.close(token)?,
            T::Dot => {
                self.raw(token);
                self.before = Before::Dot;
            }
            T::Typecast => {
                self.raw(token);
                self.before = Before::Typecast;
            }
            T::NotEquals => {
                self.space();
                self.shape.bytes.extend_from_slice(b"<>");
                self.before = Before::Value;
            }
            T::Other | T::Error(_) | T::Semicolon => return Err(Unfit),
            _ => {
                self.raw(token);
                self.before = Before::Value;
            }
        }
        Ok(())
    }

    #[inline]
    fn space(&mut self) {
        self.shape.bytes.push(b' ');
    }

    /// Writes a token as it stands.
    #[inline]
    fn raw(&mut self, token: Token) {
        self.space();
        let bytes = token.bytes(self.text);
        self.shape.bytes.extend_from_slice(bytes);
    }

    #[inline]
    fn folded(&mut self, token: Token) {
        let bytes = token.bytes(self.text);
        let start = self.shape.bytes.len();
        self.shape.bytes.extend_from_slice(bytes);
        self.shape.bytes[start..].make_ascii_lowercase();
    }

    /// A name begins, or goes on after a point.
    #[inline]
    fn begin_name(&mut self, this: Before) {
        self.typed = match self.before {
            Before::Dot => self.typed,
            Before::Name | Before::As | Before::Typecast => true,
            _ => false,
        };
        self.before = this;
    }

    /// An unquoted word, without the space before it.
    #[inline]
    fn word(&mut self, token: Token) {
        self.folded(token);
        let keyword = match self.before {
            Before::Dot => None,
            _ => Keyword::lookup(token.bytes(self.text)),
        };
        let Some(keyword) = keyword else {
            self.begin_name(Before::Name);
            return;
        };
        // A label, a type or `NOT MATERIALIZED`.
        if self.before == Before::As && keyword != NOT {
            if keyword == MATERIALIZED && self.query_follows() {
                self.before = Before::Value;
            } else {
                self.begin_name(Before::Name);
                self.typed = true;
            }
            return;
        }
        self.keyword(keyword);
    }

    #[inline]
    fn keyword(&mut self, keyword: Keyword) {
        match keyword.class() {
            Class::Reserved => {
                let distinct = self.before == Before::Distinct;
                self.before = Before::Value;
                match keyword {
                    AS => self.before = Before::As,
                    DISTINCT => self.before = Before::Distinct,
                    ON if distinct => self.before = Before::Keep,
                    // Of an SQL/JSON function, where a type follows; no harm in a CTE.
                    RETURNING if self.depth > 0 => {
                        self.before = Before::Typecast;
                        if self.keep == self.depth {
                            self.keep = NONE;
                        }
                    }
                    LIMIT | OFFSET | FETCH => self.keep = self.keep.min(self.depth),
                    HAVING | WINDOW | UNION | INTERSECT | EXCEPT | ON | RETURNING
                        if self.keep == self.depth =>
                    {
                        self.keep = NONE;
                    }
                    IN if self.keep == NONE
                        && !self.position
                        && lists::list(self.text, &mut self.lexer, self.shape) =>
                    {
                        self.before = Before::Close;
                    }
                    _ => {}
                }
            }
            Class::Unreserved => {
                self.begin_name(Before::Name);
                match keyword {
                    BY => self.keep = self.keep.min(self.depth),
                    SECOND | VARYING => self.typed = true,
                    _ => {}
                }
            }
            Class::ColumnName | Class::TypeOrFunction => {
                self.begin_name(Before::Word);
                match keyword {
                    VALUES => {
                        self.typed = false;
                        self.before = Before::Value;
                        if self.keep == NONE && lists::rows(self.text, &mut self.lexer, self.shape)
                        {
                            self.before = Before::Close;
                        }
                    }
                    LIKE | ILIKE | BETWEEN => self.before = Before::Pattern,
                    // Not a type with modifiers: `t JOIN (SELECT …)`.
                    JOIN if self.query_follows() => self.before = Before::Value,
                    POSITION => self.position = true,
                    BIT | CHAR | CHARACTER | DEC | DECIMAL | FLOAT | INTERVAL | NCHAR
                    | NUMERIC_TYPE | TIME | TIMESTAMP | VARCHAR => self.typed = true,
                    _ => {}
                }
            }
        }
    }

    /// Whether a parenthesised query is next.
    fn query_follows(&self) -> bool {
        let mut ahead = self.lexer.clone();
        let open = ahead.next_significant();
        if open.is_none_or(|token| token.kind != TokenKind::LeftParen) {
            return false;
        }
        let word = ahead
            .next_significant()
            .and_then(|token| Keyword::lookup(token.bytes(self.text)));
        matches!(
            word,
            Some(SELECT | INSERT | UPDATE | DELETE | MERGE | WITH | VALUES | TABLE)
        )
    }

    #[inline]
    fn number(&mut self, token: Token, kind: SlotKind, marker: u8) {
        if self.keep != NONE {
            self.raw(token);
        } else {
            self.slot(token, kind, marker);
        }
        self.before = Before::Value;
    }

    #[inline]
    fn string(&mut self, token: Token, kind: SlotKind, marker: u8) -> Result<(), Unfit> {
        let value = match self.before {
            // `numeric(5,2) '1.2'`: its modifiers are slots by now.
            Before::Close => return Err(Unfit),
            Before::Value | Before::Pattern | Before::Distinct => true,
            _ => false,
        };
        // `UESCAPE` may follow, and is a token of its own.
        let unicode = kind == SlotKind::String(StringKind::Unicode);
        if value && self.keep == NONE && !unicode {
            self.slot(token, kind, marker);
        } else {
            self.raw(token);
        }
        self.before = Before::Value;
        Ok(())
    }

    #[inline]
    fn slot(&mut self, token: Token, kind: SlotKind, marker: u8) {
        self.shape.bytes.extend_from_slice(&[b' ', marker]);
        self.shape.slots.push(Slot {
            span: token.span,
            kind,
            negative: false,
        });
    }

    #[inline]
    fn open(&mut self, token: Token) {
        self.raw(token);
        self.depth += 1;
        let keep = match self.before {
            Before::Keep => true,
            Before::Name | Before::Word => self.typed && token.kind == TokenKind::LeftParen,
            _ => false,
        };
        if keep {
            self.keep = self.keep.min(self.depth);
        }
        self.before = Before::Value;
    }

    #[inline]
    fn close(&mut self, token: Token) -> Result<(), Unfit> {
        self.raw(token);
        self.depth = self.depth.checked_sub(1).ok_or(Unfit)?;
        if self.keep != NONE && self.depth < self.keep {
            self.keep = NONE;
        }
        self.before = Before::Close;
        Ok(())
    }
}
