//! How much a text may ask of Shunt, and of the server's scanner behind it.
//!
//! A text over a limit is not parsed and has no shape; what becomes of it is the planner's choice
//! (an unsharded database forwards it, a sharded one refuses it). Each limit is far above what
//! people and drivers write.

use super::lexer::{LexError, Lexer, Options, TokenKind};

/// Bytes of a statement that is parsed. A bulk INSERT of 16 MiB is better a COPY.
pub const MAX_LENGTH: usize = 16 << 20;

/// Tokens of a statement that is parsed: 100,000 rows of three values in one INSERT. A parser's tree takes some 100 bytes per
/// token, so this bounds it to 100 MiB.
pub const MAX_TOKENS: usize = 1 << 20;

/// Parentheses and brackets open at once. Parsers recurse over them; at 200 levels the deepest
/// known one stays below 1 MiB of stack, and no person or generator was seen beyond 60.
pub const MAX_DEPTH: u32 = 200;

/// Operators and keywords of prefix kind in a row (`- - - 1`, `NOT NOT a`): each is a level of recursion as well.
pub const MAX_OPERATORS: u32 = 100;

/// Bytes of one run of operator characters. PostgreSQL's scanner is quadratic on them (40 KB cost it
/// seconds), and an operator has at most 63 characters.
pub const MAX_OPERATOR_RUN: usize = 256;

/// Comments of a statement. PostgreSQL's scanner is quadratic on runs of them (80 KB of `/**/` cost it seconds).
pub const MAX_COMMENTS: u32 = 2000;

/// Nesting of a comment. PostgreSQL's scanner is quadratic here too (10,000 levels cost it a second).
pub const MAX_COMMENT_DEPTH: u32 = 100;

/// Which limit a text is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Excess {
    /// [`MAX_LENGTH`]
    #[error("a statement of more than {MAX_LENGTH} bytes")]
    Length,
    /// [`MAX_TOKENS`]
    #[error("a statement of more than {MAX_TOKENS} tokens")]
    Tokens,
    /// [`MAX_DEPTH`]
    #[error("parentheses more than {MAX_DEPTH} deep")]
    Depth,
    /// [`MAX_OPERATORS`]
    #[error("more than {MAX_OPERATORS} operators in a row")]
    Operators,
    /// [`MAX_OPERATOR_RUN`]
    #[error("more than {MAX_OPERATOR_RUN} operator characters in a row")]
    OperatorRun,
    /// [`MAX_COMMENTS`]
    #[error("more than {MAX_COMMENTS} comments")]
    Comments,
    /// [`MAX_COMMENT_DEPTH`]
    #[error("comments more than {MAX_COMMENT_DEPTH} deep")]
    CommentDepth,
}

/// Whether `text` is within every limit. Linear in its length.
pub fn check(text: &str, options: Options) -> Result<(), Excess> {
    if text.len() > MAX_LENGTH {
        return Err(Excess::Length);
    }
    let bytes = text.as_bytes();
    let mut tokens = 0;
    let mut depth = 0u32;
    let mut comments = 0;
    let mut operators = 0;
    // Where the run of operator characters began that ends at `run_end`.
    let (mut run_start, mut run_end) = (0, 0);
    for token in Lexer::new(text, options) {
        let (start, end) = (token.span.start as usize, token.span.end as usize);
        let kind = token.kind;
        if kind.is_trivia() {
            if kind != TokenKind::Space {
                comments += 1;
                if comments > MAX_COMMENTS {
                    return Err(Excess::Comments);
                }
                if kind == TokenKind::BlockComment
                    && comment_depth(&bytes[start..end]) > MAX_COMMENT_DEPTH
                {
                    return Err(Excess::CommentDepth);
                }
            }
            continue;
        }
        tokens += 1;
        if tokens > MAX_TOKENS {
            return Err(Excess::Tokens);
        }
        if is_operator(kind) {
            if run_end != start {
                run_start = start;
            }
            run_end = end;
            if run_end - run_start > MAX_OPERATOR_RUN {
                return Err(Excess::OperatorRun);
            }
        }
        if is_operator(kind) || is_not(token.bytes(bytes)) {
            operators += 1;
            if operators > MAX_OPERATORS {
                return Err(Excess::Operators);
            }
        } else {
            operators = 0;
        }
        match kind {
            TokenKind::LeftParen | TokenKind::LeftBracket => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(Excess::Depth);
                }
            }
            TokenKind::RightParen | TokenKind::RightBracket => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

fn is_operator(kind: TokenKind) -> bool {
    use TokenKind as T;
    matches!(
        kind,
        T::Operator
            | T::Error(LexError::OperatorTooLong)
            | T::Plus
            | T::Minus
            | T::Star
            | T::Slash
            | T::Percent
            | T::Caret
            | T::Less
            | T::Greater
            | T::Equals
            | T::EqualsGreater
            | T::LessEquals
            | T::GreaterEquals
            | T::NotEquals
    )
}

fn is_not(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"not")
}

/// How deep the comment `text` nests; 1 for a plain one.
fn comment_depth(text: &[u8]) -> u32 {
    let (mut depth, mut deepest) = (0u32, 0u32);
    let mut at = 0;
    while let Some(stop) = memchr::memchr2(b'*', b'/', &text[at..]) {
        at += stop;
        match (text[at], text.get(at + 1)) {
            (b'/', Some(b'*')) => {
                depth += 1;
                deepest = deepest.max(depth);
                at += 2;
            }
            (b'*', Some(b'/')) => {
                depth = depth.saturating_sub(1);
                at += 2;
            }
            _ => at += 1,
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_holds_at_its_border() {
        let check = |text: String| check(&text, Options::default());
        let n = MAX_DEPTH as usize;
        assert_eq!(check("(".repeat(n)), Ok(()));
        assert_eq!(check("([".repeat(n)), Err(Excess::Depth));
        let n = MAX_OPERATORS as usize;
        assert_eq!(check("- ".repeat(n)), Ok(()));
        assert_eq!(check("- ".repeat(n + 1)), Err(Excess::Operators));
        assert_eq!(check("not ".repeat(n + 1)), Err(Excess::Operators));
        let n = MAX_COMMENTS as usize;
        assert_eq!(check("/**/".repeat(n)), Ok(()));
        assert_eq!(check("/**/".repeat(n + 1)), Err(Excess::Comments));
        let n = MAX_COMMENT_DEPTH as usize;
        assert_eq!(check("/*".repeat(n) + &"*/".repeat(n)), Ok(()));
        let deep = "/*".repeat(n + 1) + &"*/".repeat(n + 1);
        assert_eq!(check(deep), Err(Excess::CommentDepth));
        assert_eq!(check("@".repeat(MAX_OPERATOR_RUN)), Ok(()));
        assert_eq!(
            check("@".repeat(MAX_OPERATOR_RUN + 1)),
            Err(Excess::OperatorRun)
        );
        assert_eq!(check(" ".repeat(MAX_LENGTH)), Ok(()));
        assert_eq!(check(" ".repeat(MAX_LENGTH + 1)), Err(Excess::Length));
        assert_eq!(check("1,".repeat(MAX_TOKENS / 2)), Ok(()));
        assert_eq!(check("1,".repeat(MAX_TOKENS / 2 + 1)), Err(Excess::Tokens));
    }
}
