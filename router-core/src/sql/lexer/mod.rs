//! PostgreSQL's lexical rules, over bytes, without an allocation.
//!
//! [`Lexer`] cuts a text into tokens that cover it without gaps: white space and comments are
//! tokens too ([`TokenKind::is_trivia`]), and what PostgreSQL's scanner would reject is a token of
//! kind [`TokenKind::Error`]. There is no input on which it fails, and the time is linear in the
//! length (PostgreSQL's own scanner is quadratic on runs of comments and of operator characters).
//!
//! What a reader of tokens uses:
//!
//! ```
//! use router_core::sql::lexer::{Keyword, Lexer, Options, TokenKind};
//!
//! let sql = "SELECT Name FROM t -- all";
//! let kinds: Vec<TokenKind> = Lexer::new(sql, Options::default())
//!     .significant()
//!     .map(|token| token.kind)
//!     .collect();
//! assert_eq!(kinds, [TokenKind::Ident; 4]);
//! assert!(Keyword::lookup(b"SELECT").is_some());
//! ```
//!
//! * [`Lexer::new`], [`Lexer::of_bytes`]: every token; [`Lexer::significant`]: without trivia.
//! * [`Keyword::lookup`]: whether an unquoted identifier is a keyword, and of which [`Class`].
//! * [`decode::identifier`]: a name as PostgreSQL sees it, folded and cut.
//! * [`decode::string`]: the value of a string constant.
//! * [`param_number`]: the `n` of `$n`.
//!
//! Three things are as in PostgreSQL's scanner and easily overlooked. `'a'` newline `'b'` is one
//! token. `N'a'` is two: [`TokenKind::National`], which stands for the keyword `nchar`, and a string. `U&'a'
//! UESCAPE '!'` is three: the parser puts them together, with [`decode::escape_character`].
//!
//! The rules are those of `src/backend/parser/scan.l` of PostgreSQL 15 to 18. Where the versions
//! differ the token has a kind of its own ([`TokenKind::NewNumber`]) or is [`TokenKind::Other`]
//! (the vertical tab), so that the reader can be careful.

pub mod decode;
pub(crate) mod keyword;
mod scan;

pub use keyword::{Class, Keyword};
pub(super) use scan::continuation;
pub use scan::{Lexer, Significant};

use crate::id::Span;

/// Settings of the session that change how a text is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Options {
    /// `standard_conforming_strings`: off makes a backslash in `'…'` an escape.
    pub standard_conforming_strings: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            standard_conforming_strings: true,
        }
    }
}

/// One token: what it is and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Its bytes, quotes and prefixes included.
    pub span: Span,
}

impl Token {
    /// The bytes of this token within the text it was cut from.
    pub fn bytes(self, text: &[u8]) -> &[u8] {
        text.get(self.span.start as usize..self.span.end as usize)
            .unwrap_or(&[])
    }
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// Space, tab, newline, carriage return, form feed.
    Space,
    /// `-- …`, without the newline.
    LineComment,
    /// `/* … */`, with everything nested in it.
    BlockComment,
    /// An identifier without quotes; perhaps a keyword.
    Ident,
    /// `"…"`.
    QuotedIdent,
    /// `U&"…"`.
    UnicodeIdent,
    /// A string constant, with its continuations on further lines.
    String(StringKind),
    /// `B'…'`. Whether the digits are digits is not looked at, as in PostgreSQL's scanner.
    BinaryBits,
    /// `X'…'`.
    HexBits,
    /// The `n` of `N'…'`: the keyword `nchar`. The string is the next token.
    National,
    /// Decimal digits alone, of any length.
    Integer,
    /// With a point or an exponent.
    Numeric,
    /// `0x1F`, `0o17`, `0b11` or digits with underscores: a number since PostgreSQL 16, an error before.
    NewNumber,
    /// `$n`.
    Param,
    /// An operator of one or more characters that has no kind of its own.
    Operator,
    /// `(`
    LeftParen,
    /// `)`
    RightParen,
    /// `[`
    LeftBracket,
    /// `]`
    RightBracket,
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// `:`
    Colon,
    /// `.`
    Dot,
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Star,
    /// `/`
    Slash,
    /// `%`
    Percent,
    /// `^`
    Caret,
    /// `<`
    Less,
    /// `>`
    Greater,
    /// `=`
    Equals,
    /// `::`
    Typecast,
    /// `..`
    DotDot,
    /// `:=`
    ColonEquals,
    /// `=>`
    EqualsGreater,
    /// `<=`
    LessEquals,
    /// `>=`
    GreaterEquals,
    /// `<>` and `!=`, which are the same operator.
    NotEquals,
    /// A byte that no rule covers: `{`, `\`, a `$` alone, a control character.
    Other,
    /// What PostgreSQL's scanner rejects.
    Error(LexError),
}

/// The spelling of a string constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StringKind {
    /// `'…'` without escapes.
    Plain,
    /// `E'…'`, and `'…'` while `standard_conforming_strings` is off.
    Escape,
    /// `U&'…'`.
    Unicode,
    /// `$tag$…$tag$`.
    Dollar,
}

/// Why PostgreSQL's scanner rejects a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LexError {
    /// A string without its closing quote; it goes to the end of the text.
    UnterminatedString,
    /// `B'…` or `X'…` without its closing quote.
    UnterminatedBits,
    /// `$tag$…` without its closing tag.
    UnterminatedDollar,
    /// `"…` without its closing quote.
    UnterminatedIdent,
    /// `/*…` without its `*/`.
    UnterminatedComment,
    /// `""`.
    EmptyIdent,
    /// A number that runs into letters: `12ab`.
    NumberJunk,
    /// A parameter that runs into letters: `$1a`.
    ParamJunk,
    /// A parameter number beyond 32 bits.
    ParamTooLarge,
    /// An operator of more than 63 characters.
    OperatorTooLong,
    /// `U&'…'` while `standard_conforming_strings` is off.
    UnsafeUnicode,
}

impl TokenKind {
    /// White space or a comment.
    #[inline]
    pub fn is_trivia(self) -> bool {
        matches!(self, Self::Space | Self::LineComment | Self::BlockComment)
    }

    /// A name in any spelling; an unquoted one may be a keyword.
    #[inline]
    pub fn is_name(self) -> bool {
        matches!(self, Self::Ident | Self::QuotedIdent | Self::UnicodeIdent)
    }

    /// What PostgreSQL rejects, at the latest in its parser.
    #[inline]
    pub fn is_error(self) -> bool {
        matches!(self, Self::Error(_) | Self::Other)
    }
}

/// The `n` of a token `$n`.
pub fn param_number(token: &[u8]) -> Option<u32> {
    let digits = token.strip_prefix(b"$")?;
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u32, |n, &digit| {
        let digit = digit.checked_sub(b'0').filter(|&d| d <= 9)?;
        n.checked_mul(10)?.checked_add(u32::from(digit))
    })
}

#[cfg(test)]
mod tests;
