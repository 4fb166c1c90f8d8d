//! Errors of what the router runs in a block of its own.

use crate::wire::backend as b;

/// What PostgreSQL calls the function that a `DO` is.
const BLOCK: &[u8] = b"PL/pgSQL function inline_code_block ";

/// What it calls a statement within.
const STATEMENT: &[u8] = b"SQL statement \"";

/// The error that the statement would have had outside of the block. Its client wrote no block: what the context says of one is
/// no news, and a place in the statement is one in the client's text.
pub(super) fn bare(error: &[u8]) -> Option<Vec<u8>> {
    let context = b::error_field(error, b'W')?;
    let block = memchr::memmem::rfind(context, BLOCK)?;
    if context[block..].contains(&b'\n') {
        return None;
    }
    let within = &context[..block];
    let statement = memchr::memmem::rfind(within, STATEMENT).unwrap_or(block);
    let within = String::from_utf8_lossy(&within[..statement]);
    let within = within.trim_end();
    if !within.is_empty() {
        return Some(b::with_field(error, b'W', within));
    }
    let position = b::error_field(error, b'p').map(String::from_utf8_lossy);
    let bare = b::without_fields(error, b"Wpq");
    Some(match position {
        Some(position) => b::with_field(&bare, b'P', &position),
        None => bare,
    })
}

#[cfg(test)]
mod tests {
    use super::bare;

    fn error(fields: &[&str]) -> Vec<u8> {
        let mut body = fields.join("\0").into_bytes();
        body.extend_from_slice(&[0, 0]);
        body
    }

    #[test]
    fn the_block_is_not_seen() {
        let block = "PL/pgSQL function inline_code_block line 1 at EXECUTE";
        let of = |context: &str| error(&["SERROR", "MrelaTion", "p8", "qselect nix", context]);
        let said = bare(&of(&format!("WSQL statement \"select nix\"\n{block}")));
        assert_eq!(said, Some(error(&["SERROR", "MrelaTion", "P8"])));
        let said = bare(&of(&format!("W{block}")));
        assert_eq!(said, Some(error(&["SERROR", "MrelaTion", "P8"])));
        let inner = "PL/pgSQL function f() line 3 at RAISE";
        let said = bare(&of(&format!(
            "W{inner}\nSQL statement \"select f()\"\n{block}"
        )));
        let kept = of(&format!("W{inner}"));
        assert_eq!(said, Some(kept));
        // Of a block within a function nothing is ours.
        assert_eq!(bare(&of(&format!("W{block}\n{inner}"))), None);
        assert_eq!(bare(&of(&format!("W{inner}"))), None);
    }
}
