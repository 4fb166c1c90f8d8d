//! The cutting itself: one rule per kind of token.

use memchr::{memchr, memchr2, memmem};

use super::{LexError, Options, StringKind, Token, TokenKind};
use crate::id::Span;

/// Identifiers and operators of PostgreSQL are shorter than this (`NAMEDATALEN`).
pub(super) const NAME_LENGTH: usize = 64;

const SPACE: u8 = 1;
const IDENT_START: u8 = 2;
const IDENT: u8 = 4;
const DIGIT: u8 = 8;
const OPERATOR: u8 = 16;
/// Operator characters that are in no operator of the SQL standard: with one of them an operator may end in `+` or `-`.
const SPECIAL: u8 = 32;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let c = byte as u8;
        let mut class = 0;
        if matches!(c, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c') {
            class |= SPACE;
        }
        if matches!(c, b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80..) {
            class |= IDENT_START | IDENT;
        }
        if c.is_ascii_digit() {
            class |= DIGIT | IDENT;
        }
        if c == b'$' {
            class |= IDENT;
        }
        if matches!(
            c,
            b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'%'
        ) {
            class |= OPERATOR | SPECIAL;
        }
        if matches!(c, b'+' | b'-' | b'*' | b'/' | b'<' | b'>' | b'=') {
            class |= OPERATOR;
        }
        classes[byte] = class;
        byte += 1;
    }
    classes
}

#[inline]
fn is(byte: u8, class: u8) -> bool {
    CLASSES[byte as usize] & class != 0
}

/// Cuts a text into tokens that cover it.
#[derive(Clone, Debug)]
pub struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    options: Options,
    run: OperatorRun,
}

/// A run of operator characters, looked at once: tokens cut from it one character at a time would
/// otherwise each look at the whole rest.
#[derive(Clone, Copy, Debug, Default)]
struct OperatorRun {
    /// End of the run: the first byte that is no operator character or begins a comment.
    end: usize,
    /// One past the last special character; 0 when there is none.
    special_end: usize,
    /// Start of the `+` and `-` that end the run; `end` when it ends otherwise.
    signs: usize,
}

impl<'a> Lexer<'a> {
    /// A lexer at the start of `text`.
    pub fn new(text: &'a str, options: Options) -> Self {
        Self::of_bytes(text.as_bytes(), options)
    }

    /// A lexer over bytes in any encoding whose bytes below 128 are ASCII wherever they stand.
    pub fn of_bytes(text: &'a [u8], options: Options) -> Self {
        Self {
            text,
            at: 0,
            options,
            run: OperatorRun::default(),
        }
    }

    /// The tokens without white space and comments.
    pub fn significant(self) -> Significant<'a> {
        Significant(self)
    }

    /// The offset at which the next token begins.
    #[inline]
    pub fn position(&self) -> usize {
        self.at
    }

    /// The next token that is neither white space nor a comment.
    #[inline]
    pub fn next_significant(&mut self) -> Option<Token> {
        loop {
            while self.at < self.text.len() && is(self.text[self.at], SPACE) {
                self.at += 1;
            }
            let token = self.next()?;
            if !token.kind.is_trivia() {
                return Some(token);
            }
        }
    }

    /// The byte `ahead` of the current position; 0 past the end, where no rule asks for a 0.
    #[inline]
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    /// The end of the stretch of bytes of `class` from `from`.
    #[inline]
    fn stretch(&self, from: usize, class: u8) -> usize {
        let mut end = from;
        while end < self.text.len() && is(self.text[end], class) {
            end += 1;
        }
        end
    }

    /// The kind of the token at the current position, and its end.
    #[inline]
    fn cut(&mut self, first: u8) -> (TokenKind, usize) {
        let class = CLASSES[first as usize];
        if class & IDENT_START != 0 {
            return self.word(first);
        }
        if class & SPACE != 0 {
            return (TokenKind::Space, self.stretch(self.at + 1, SPACE));
        }
        if class & DIGIT != 0 {
            return self.number();
        }
        if class & OPERATOR != 0 {
            return self.operator(first);
        }
        let one = |kind| (kind, self.at + 1);
        match first {
            b'(' => one(TokenKind::LeftParen),
            b')' => one(TokenKind::RightParen),
            b'[' => one(TokenKind::LeftBracket),
            b']' => one(TokenKind::RightBracket),
            b',' => one(TokenKind::Comma),
            b';' => one(TokenKind::Semicolon),
            b'\'' if self.options.standard_conforming_strings => {
                self.string(StringKind::Plain, self.at + 1)
            }
            b'\'' => self.string(StringKind::Escape, self.at + 1),
            b'"' => self.quoted(TokenKind::QuotedIdent, self.at + 1),
            b'$' => self.dollar(),
            b':' => match self.peek(1) {
                b':' => (TokenKind::Typecast, self.at + 2),
                b'=' => (TokenKind::ColonEquals, self.at + 2),
                _ => one(TokenKind::Colon),
            },
            b'.' => match self.peek(1) {
                b'.' => (TokenKind::DotDot, self.at + 2),
                b'0'..=b'9' => self.number(),
                _ => one(TokenKind::Dot),
            },
            _ => one(TokenKind::Other),
        }
    }

    /// An identifier, or a constant with a letter in front.
    #[inline]
    fn word(&self, first: u8) -> (TokenKind, usize) {
        let second = self.peek(1);
        if second == b'\'' {
            match first {
                b'e' | b'E' => return self.string(StringKind::Escape, self.at + 2),
                b'b' | b'B' => return self.bits(TokenKind::BinaryBits),
                b'x' | b'X' => return self.bits(TokenKind::HexBits),
                b'n' | b'N' => return (TokenKind::National, self.at + 1),
                _ => {}
            }
        } else if second == b'&' && matches!(first, b'u' | b'U') {
            match self.peek(2) {
                b'"' => return self.quoted(TokenKind::UnicodeIdent, self.at + 3),
                b'\'' => {
                    let (kind, end) = self.string(StringKind::Unicode, self.at + 3);
                    return match kind {
                        TokenKind::String(_) if !self.options.standard_conforming_strings => {
                            (TokenKind::Error(LexError::UnsafeUnicode), end)
                        }
                        _ => (kind, end),
                    };
                }
                _ => {}
            }
        }
        (TokenKind::Ident, self.stretch(self.at + 1, IDENT))
    }

    /// A string whose first character is at `from`, with its continuations.
    fn string(&self, kind: StringKind, from: usize) -> (TokenKind, usize) {
        let escapes = kind == StringKind::Escape;
        let mut at = from;
        loop {
            let rest = &self.text[at.min(self.text.len())..];
            let stop = if escapes {
                memchr2(b'\'', b'\\', rest)
            } else {
                memchr(b'\'', rest)
            };
            let Some(stop) = stop else {
                let error = LexError::UnterminatedString;
                return (TokenKind::Error(error), self.text.len());
            };
            at += stop;
            if self.text[at] == b'\\' || self.text.get(at + 1) == Some(&b'\'') {
                at += 2;
                continue;
            }
            match continuation(self.text, at + 1) {
                Some(next) => at = next,
                None => return (TokenKind::String(kind), at + 1),
            }
        }
    }

    /// `B'…'` and `X'…'`: no doubled quotes, but continuations.
    fn bits(&self, kind: TokenKind) -> (TokenKind, usize) {
        let mut at = self.at + 2;
        loop {
            let Some(stop) = memchr(b'\'', &self.text[at..]) else {
                let error = LexError::UnterminatedBits;
                return (TokenKind::Error(error), self.text.len());
            };
            at += stop + 1;
            match continuation(self.text, at) {
                Some(next) => at = next,
                None => return (kind, at),
            }
        }
    }

    /// A quoted identifier whose first character is at `from`.
    fn quoted(&self, kind: TokenKind, from: usize) -> (TokenKind, usize) {
        let mut at = from;
        loop {
            let Some(stop) = memchr(b'"', &self.text[at..]) else {
                let error = LexError::UnterminatedIdent;
                return (TokenKind::Error(error), self.text.len());
            };
            at += stop + 1;
            if self.text.get(at) == Some(&b'"') {
                at += 1;
            } else if at == from + 1 {
                return (TokenKind::Error(LexError::EmptyIdent), at);
            } else {
                return (kind, at);
            }
        }
    }

    /// A parameter, a dollar-quoted string, or a `$` alone.
    fn dollar(&self) -> (TokenKind, usize) {
        let second = self.peek(1);
        if is(second, DIGIT) {
            let end = self.stretch(self.at + 1, DIGIT);
            if self.text.get(end).is_some_and(|&c| is(c, IDENT_START)) {
                let end = self.stretch(end, IDENT);
                return (TokenKind::Error(LexError::ParamJunk), end);
            }
            return match super::param_number(&self.text[self.at..end]) {
                Some(n) if n <= i32::MAX as u32 => (TokenKind::Param, end),
                _ => (TokenKind::Error(LexError::ParamTooLarge), end),
            };
        }
        let mut tag = self.at + 1;
        if is(second, IDENT_START) {
            while self
                .text
                .get(tag)
                .is_some_and(|&c| is(c, IDENT) && c != b'$')
            {
                tag += 1;
            }
        }
        if self.text.get(tag) != Some(&b'$') {
            return (TokenKind::Other, self.at + 1);
        }
        let body = tag + 1;
        // A tag holds no `$`, so an occurrence of the delimiter is never inside another one.
        match memmem::find(&self.text[body..], &self.text[self.at..body]) {
            Some(found) => {
                let end = body + found + (body - self.at);
                (TokenKind::String(StringKind::Dollar), end)
            }
            None => (
                TokenKind::Error(LexError::UnterminatedDollar),
                self.text.len(),
            ),
        }
    }

    /// A number at a digit, or at a point before a digit.
    fn number(&self) -> (TokenKind, usize) {
        let text = self.text;
        let byte = |at: usize| text.get(at).copied().unwrap_or(0);
        if byte(self.at) == b'0' {
            let digits: Option<fn(u8) -> bool> = match byte(self.at + 1) {
                b'x' | b'X' => Some(|c| c.is_ascii_hexdigit()),
                b'o' | b'O' => Some(|c| matches!(c, b'0'..=b'7')),
                b'b' | b'B' => Some(|c| matches!(c, b'0' | b'1')),
                _ => None,
            };
            if let Some(digits) = digits {
                return self.radix(digits);
            }
        }
        let mut new = false;
        let mut kind = TokenKind::Integer;
        let mut end = self.at;
        let mut last = end;
        if byte(end) != b'.' {
            end = self.digits(end, &mut new);
        }
        // `1..10` is a range of PL/pgSQL: the points are a token of their own.
        if byte(end) == b'.' && byte(end + 1) != b'.' {
            kind = TokenKind::Numeric;
            end += 1;
            last = end;
            if is(byte(end), DIGIT) {
                end = self.digits(end, &mut new);
            }
        }
        if matches!(byte(end), b'e' | b'E') {
            let signed = matches!(byte(end + 1), b'+' | b'-');
            let exponent = end + 1 + usize::from(signed);
            if is(byte(exponent), DIGIT) {
                kind = TokenKind::Numeric;
                last = exponent;
                end = self.digits(exponent, &mut new);
            } else if signed {
                return (TokenKind::Error(LexError::NumberJunk), exponent);
            }
        }
        // `1_0$` is a `1` and the beginning of a name, which goes on for longer than the number does.
        let name = byte(end) == b'$' && text[last..end].contains(&b'_');
        if name || is(byte(end), IDENT_START) {
            let end = self.stretch(end, IDENT);
            return (TokenKind::Error(LexError::NumberJunk), end);
        }
        (if new { TokenKind::NewNumber } else { kind }, end)
    }

    /// Digits from `from`, with single underscores between them.
    fn digits(&self, from: usize, new: &mut bool) -> usize {
        let mut end = self.stretch(from, DIGIT);
        while self.text.get(end) == Some(&b'_')
            && self.text.get(end + 1).is_some_and(|&c| is(c, DIGIT))
        {
            *new = true;
            end = self.stretch(end + 1, DIGIT);
        }
        end
    }

    /// `0x…`, `0o…`, `0b…`.
    fn radix(&self, is_digit: fn(u8) -> bool) -> (TokenKind, usize) {
        let digit = |at: usize| self.text.get(at).is_some_and(|&c| is_digit(c));
        let mut end = self.at + 2;
        loop {
            let underscore = usize::from(self.text.get(end) == Some(&b'_'));
            if !digit(end + underscore) {
                break;
            }
            end += underscore + 1;
        }
        let junk = end == self.at + 2 || self.text.get(end).is_some_and(|&c| is(c, IDENT));
        if junk {
            let end = self.stretch(end, IDENT);
            return (TokenKind::Error(LexError::NumberJunk), end);
        }
        (TokenKind::NewNumber, end)
    }

    /// A comment or an operator.
    #[inline]
    fn operator(&mut self, first: u8) -> (TokenKind, usize) {
        let second = self.peek(1);
        if !is(second, OPERATOR) {
            return (single(first), self.at + 1);
        }
        match (first, second) {
            (b'-', b'-') => {
                let rest = &self.text[self.at..];
                let end = memchr2(b'\n', b'\r', rest).map_or(self.text.len(), |n| self.at + n);
                return (TokenKind::LineComment, end);
            }
            (b'/', b'*') => return self.block_comment(),
            _ => {}
        }
        if self.run.end <= self.at {
            self.run = OperatorRun::at(self.text, self.at);
        }
        let run = self.run;
        let mut end = run.end;
        // An operator may end in `+` or `-` only with a special character before.
        if end - self.at > 1 && run.signs < end && run.special_end <= self.at {
            end = run.signs.max(self.at + 1);
        }
        let kind = match end - self.at {
            1 => single(first),
            2 => match (first, second) {
                (b'<', b'=') => TokenKind::LessEquals,
                (b'>', b'=') => TokenKind::GreaterEquals,
                (b'=', b'>') => TokenKind::EqualsGreater,
                (b'<', b'>') | (b'!', b'=') => TokenKind::NotEquals,
                _ => TokenKind::Operator,
            },
            length if length >= NAME_LENGTH => TokenKind::Error(LexError::OperatorTooLong),
            _ => TokenKind::Operator,
        };
        (kind, end)
    }

    fn block_comment(&self) -> (TokenKind, usize) {
        let mut at = self.at + 2;
        let mut depth = 1usize;
        while let Some(stop) = memchr2(b'*', b'/', &self.text[at..]) {
            at += stop;
            match (self.text[at], self.text.get(at + 1)) {
                (b'*', Some(b'/')) => {
                    at += 2;
                    depth -= 1;
                    if depth == 0 {
                        return (TokenKind::BlockComment, at);
                    }
                }
                (b'/', Some(b'*')) => {
                    at += 2;
                    depth += 1;
                }
                _ => at += 1,
            }
        }
        let error = LexError::UnterminatedComment;
        (TokenKind::Error(error), self.text.len())
    }
}

impl OperatorRun {
    fn at(text: &[u8], start: usize) -> Self {
        let mut run = Self {
            end: start,
            special_end: 0,
            signs: start,
        };
        while run.end < text.len() && is(text[run.end], OPERATOR) {
            let byte = text[run.end];
            let comment = matches!(
                (byte, text.get(run.end + 1)),
                (b'-', Some(b'-')) | (b'/', Some(b'*'))
            );
            if comment {
                break;
            }
            run.end += 1;
            if is(byte, SPECIAL) {
                run.special_end = run.end;
            }
            if !matches!(byte, b'+' | b'-') {
                run.signs = run.end;
            }
        }
        run
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    #[inline]
    fn next(&mut self) -> Option<Token> {
        let start = self.at;
        let first = *self.text.get(start)?;
        let (kind, end) = self.cut(first);
        self.at = end;
        Some(Token {
            kind,
            span: Span::new(start, end),
        })
    }
}

/// The tokens of a [`Lexer`] without white space and comments.
#[derive(Clone, Debug)]
pub struct Significant<'a>(Lexer<'a>);

impl Iterator for Significant<'_> {
    type Item = Token;

    #[inline]
    fn next(&mut self) -> Option<Token> {
        self.0.next_significant()
    }
}

/// The kind of an operator of one character.
#[inline]
fn single(byte: u8) -> TokenKind {
    match byte {
        b'+' => TokenKind::Plus,
        b'-' => TokenKind::Minus,
        b'*' => TokenKind::Star,
        b'/' => TokenKind::Slash,
        b'%' => TokenKind::Percent,
        b'^' => TokenKind::Caret,
        b'<' => TokenKind::Less,
        b'>' => TokenKind::Greater,
        b'=' => TokenKind::Equals,
        _ => TokenKind::Operator,
    }
}

/// Where a string goes on after a closing quote that ends at `from`: past the next opening quote,
/// when only white space and `--` comments with at least one newline lie between.
pub(in crate::sql) fn continuation(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    let mut newline = false;
    loop {
        match *text.get(at)? {
            b'\n' | b'\r' => {
                newline = true;
                at += 1;
            }
            b' ' | b'\t' | b'\x0c' => at += 1,
            // A comment needs its newline, which comes next and counts.
            b'-' if text.get(at + 1) == Some(&b'-') => {
                at += memchr2(b'\n', b'\r', &text[at..])?;
            }
            b'\'' if newline => return Some(at + 1),
            _ => return None,
        }
    }
}
