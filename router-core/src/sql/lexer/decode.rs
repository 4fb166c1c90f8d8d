//! What a token means: the name of an identifier, the value of a string.
//!
//! Values are in UTF-8, as the server's are when its encoding is UTF-8.

use std::borrow::Cow;

use super::{StringKind, TokenKind, scan};

/// The escape character of `U&` forms without `UESCAPE`.
pub const UNICODE_ESCAPE: u8 = b'\\';

/// Why a token has no value. PostgreSQL rejects the statement, except for [`DecodeError::Ambiguous`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The token is of another kind.
    #[error("this token has no such value")]
    Kind,
    /// A Unicode escape that is cut short or has no hexadecimal digits.
    #[error("invalid Unicode escape")]
    Escape,
    /// A code point that is zero or above U+10FFFF.
    #[error("invalid Unicode escape value")]
    CodePoint,
    /// Half of a surrogate pair.
    #[error("invalid Unicode surrogate pair")]
    Surrogate,
    /// Escapes make bytes that are not UTF-8, or a zero byte.
    #[error("invalid byte sequence for encoding \"UTF8\"")]
    Encoding,
    /// `\v` in an escape string: a `v` up to some version of PostgreSQL, a vertical tab since.
    #[error("the value differs between versions of PostgreSQL")]
    Ambiguous,
}

/// The name an identifier stands for: folded to lower case unless quoted, cut at 63 bytes.
pub fn identifier(kind: TokenKind, token: &str) -> Result<Cow<'_, str>, DecodeError> {
    identifier_with(kind, token, UNICODE_ESCAPE)
}

/// As [`identifier`], for `U&"…" UESCAPE '…'`.
pub fn identifier_with(
    kind: TokenKind,
    token: &str,
    escape: u8,
) -> Result<Cow<'_, str>, DecodeError> {
    let name = match kind {
        TokenKind::Ident if token.bytes().any(|c| c.is_ascii_uppercase()) => {
            Cow::Owned(cut(token).to_ascii_lowercase())
        }
        TokenKind::Ident => Cow::Borrowed(token),
        TokenKind::QuotedIdent => quoted(token.get(1..).ok_or(DecodeError::Kind)?)?,
        TokenKind::UnicodeIdent => {
            let quoted = quoted(token.get(3..).ok_or(DecodeError::Kind)?)?;
            unicode(quoted, escape)?
        }
        _ => return Err(DecodeError::Kind),
    };
    Ok(match name {
        Cow::Borrowed(name) => Cow::Borrowed(cut(name)),
        Cow::Owned(mut name) => {
            name.truncate(cut(&name).len());
            Cow::Owned(name)
        }
    })
}

/// `name` cut to what PostgreSQL keeps: at most 63 bytes, whole characters.
pub fn cut(name: &str) -> &str {
    if name.len() < scan::NAME_LENGTH {
        return name;
    }
    let mut end = scan::NAME_LENGTH - 1;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

/// The inside of a quoted identifier, from after the opening quote.
fn quoted(inside: &str) -> Result<Cow<'_, str>, DecodeError> {
    let inside = inside.strip_suffix('"').ok_or(DecodeError::Kind)?;
    Ok(if inside.contains('"') {
        Cow::Owned(inside.replace("\"\"", "\""))
    } else {
        Cow::Borrowed(inside)
    })
}

/// The value of a string constant.
pub fn string(kind: StringKind, token: &str) -> Result<Cow<'_, str>, DecodeError> {
    string_with(kind, token, UNICODE_ESCAPE)
}

/// As [`string`], for `U&'…' UESCAPE '…'`.
pub fn string_with(kind: StringKind, token: &str, escape: u8) -> Result<Cow<'_, str>, DecodeError> {
    match kind {
        StringKind::Plain => plain(token),
        StringKind::Unicode => unicode(plain(token)?, escape),
        StringKind::Escape => escaped(token),
        StringKind::Dollar => {
            let tag = 2 + token
                .get(1..)
                .and_then(|rest| rest.find('$'))
                .ok_or(DecodeError::Kind)?;
            let end = token.len().saturating_sub(tag);
            Ok(Cow::Borrowed(token.get(tag..end).ok_or(DecodeError::Kind)?))
        }
    }
}

/// The digits of a token `B'…'` or `X'…'`, as written.
pub fn bits(token: &str) -> Result<Cow<'_, str>, DecodeError> {
    plain(token)
}

/// The escape character that the string after `UESCAPE` names, given its value.
pub fn escape_character(value: &str) -> Option<u8> {
    let &[escape] = value.as_bytes() else {
        return None;
    };
    let forbidden = escape.is_ascii_hexdigit()
        || matches!(escape, b'+' | b'\'' | b'"')
        || matches!(escape, b' ' | b'\t' | b'\n' | b'\r' | b'\x0b' | b'\x0c');
    (!forbidden).then_some(escape)
}

/// A string without backslash escapes: doubled quotes become one, continuations are joined.
fn plain(token: &str) -> Result<Cow<'_, str>, DecodeError> {
    let start = 1 + token.find('\'').ok_or(DecodeError::Kind)?;
    let mut value = String::new();
    let mut at = start;
    loop {
        let quote = at + token[at..].find('\'').ok_or(DecodeError::Kind)?;
        if quote + 1 == token.len() {
            if value.is_empty() {
                return Ok(Cow::Borrowed(&token[at..quote]));
            }
            value.push_str(&token[at..quote]);
            return Ok(Cow::Owned(value));
        }
        if token.as_bytes()[quote + 1] == b'\'' {
            value.push_str(&token[at..=quote]);
            at = quote + 2;
        } else {
            value.push_str(&token[at..quote]);
            at = scan::continuation(token.as_bytes(), quote + 1).ok_or(DecodeError::Kind)?;
        }
    }
}

/// A string with backslash escapes.
fn escaped(token: &str) -> Result<Cow<'_, str>, DecodeError> {
    if !token.contains('\\') {
        return plain(token);
    }
    let text = token.as_bytes();
    let mut at = 1 + token.find('\'').ok_or(DecodeError::Kind)?;
    let mut value = Vec::with_capacity(text.len());
    loop {
        match *text.get(at).ok_or(DecodeError::Kind)? {
            b'\'' if at + 1 == text.len() => break,
            b'\'' if text[at + 1] == b'\'' => {
                value.push(b'\'');
                at += 2;
            }
            b'\'' => at = scan::continuation(text, at + 1).ok_or(DecodeError::Kind)?,
            b'\\' => at = backslash(text, at, &mut value)?,
            byte => {
                value.push(byte);
                at += 1;
            }
        }
    }
    if value.contains(&0) {
        return Err(DecodeError::Encoding);
    }
    let value = String::from_utf8(value).map_err(|_| DecodeError::Encoding)?;
    Ok(Cow::Owned(value))
}

/// Puts what the backslash at `at` stands for into `value`; the offset after it.
fn backslash(text: &[u8], at: usize, value: &mut Vec<u8>) -> Result<usize, DecodeError> {
    let byte = |at: usize| text.get(at).copied().unwrap_or(0);
    let plain = match byte(at + 1) {
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => return Err(DecodeError::Ambiguous),
        b'0'..=b'7' => {
            let (number, end) = number(text, at + 1, 3, 8);
            // Only the low eight bits count: `\777` is `\377`.
            value.push((number & 0xff) as u8);
            return Ok(end);
        }
        b'x' if byte(at + 2).is_ascii_hexdigit() => {
            let (number, end) = number(text, at + 2, 2, 16);
            value.push((number & 0xff) as u8);
            return Ok(end);
        }
        b'u' | b'U' => return unicode_backslash(text, at, value),
        other => other,
    };
    value.push(plain);
    Ok(at + 2)
}

/// `\uXXXX` or `\UXXXXXXXX`; a first surrogate takes the second one, which must follow at once.
fn unicode_backslash(text: &[u8], at: usize, value: &mut Vec<u8>) -> Result<usize, DecodeError> {
    let one = |at: usize| {
        let width = match text.get(at..at + 2) {
            Some(b"\\u") => 4,
            Some(b"\\U") => 8,
            _ => return Err(DecodeError::Surrogate),
        };
        let (code, end) = number(text, at + 2, width, 16);
        if end != at + 2 + width {
            return Err(DecodeError::Escape);
        }
        Ok((code, end))
    };
    let (first, mut end) = one(at)?;
    let code = if is_first_surrogate(first) {
        let (second, after) = one(end)?;
        end = after;
        pair(first, second)?
    } else {
        first
    };
    let c = character(code)?;
    value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(end)
}

/// Undoes the escapes of a `U&` form.
fn unicode(value: Cow<'_, str>, escape: u8) -> Result<Cow<'_, str>, DecodeError> {
    if !value.as_bytes().contains(&escape) {
        return Ok(value);
    }
    let text = value.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut first: Option<u32> = None;
    let mut at = 0;
    while at < text.len() {
        if text[at] != escape {
            let end = text[at..]
                .iter()
                .position(|&c| c == escape)
                .map_or(text.len(), |n| at + n);
            if first.is_some() {
                return Err(DecodeError::Surrogate);
            }
            out.push_str(&value[at..end]);
            at = end;
            continue;
        }
        if text.get(at + 1) == Some(&escape) {
            if first.is_some() {
                return Err(DecodeError::Surrogate);
            }
            out.push(char::from(escape));
            at += 2;
            continue;
        }
        let (from, width) = match text.get(at + 1) {
            Some(b'+') => (at + 2, 6),
            _ => (at + 1, 4),
        };
        let (code, end) = number(text, from, width, 16);
        if end != from + width {
            return Err(DecodeError::Escape);
        }
        at = end;
        match first.take() {
            Some(high) => out.push(character(pair(high, code)?)?),
            None if is_first_surrogate(code) => first = Some(code),
            None => out.push(character(code)?),
        }
    }
    match first {
        Some(_) => Err(DecodeError::Surrogate),
        None => Ok(Cow::Owned(out)),
    }
}

/// Up to `width` digits of base `radix` from `from`: their number, and the offset after them.
fn number(text: &[u8], from: usize, width: usize, radix: u32) -> (u32, usize) {
    let mut number = 0u32;
    let mut at = from;
    while at < from + width {
        let Some(digit) = text.get(at).and_then(|&c| char::from(c).to_digit(radix)) else {
            break;
        };
        number = number.wrapping_mul(radix).wrapping_add(digit);
        at += 1;
    }
    (number, at)
}

fn is_first_surrogate(code: u32) -> bool {
    (0xd800..0xdc00).contains(&code)
}

fn pair(first: u32, second: u32) -> Result<u32, DecodeError> {
    if !(0xdc00..0xe000).contains(&second) {
        return Err(DecodeError::Surrogate);
    }
    Ok(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
}

fn character(code: u32) -> Result<char, DecodeError> {
    if (0xdc00..0xe000).contains(&code) {
        return Err(DecodeError::Surrogate);
    }
    if code == 0 {
        return Err(DecodeError::CodePoint);
    }
    char::from_u32(code).ok_or(DecodeError::CodePoint)
}
