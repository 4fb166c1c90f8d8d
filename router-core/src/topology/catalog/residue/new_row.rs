//! What a trigger's function does to the row that it is given, by the words of its body.

use std::collections::HashSet;

use super::body::{Word, word};
use crate::sql::lexer::{Lexer, Options, Token};

/// What a body assigns to `NEW`.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Assigned {
    /// These columns.
    Columns(HashSet<Box<str>>),
    /// Perhaps all of it.
    Row,
}

/// Reads a body. A row that is given back must be `NEW`, `OLD`, `NULL` or the first of the two that there is.
pub(in super::super) fn assigned(text: &str) -> Assigned {
    let tokens: Vec<(Word, Token)> = Lexer::new(text, Options::default())
        .significant()
        .map(|token| (word(token, text), token))
        .collect();
    let name = |at: usize| match tokens.get(at) {
        Some((Word::Plain(word) | Word::Quoted(word), _)) => &**word,
        _ => "",
    };
    let sign = |at: usize| match tokens.get(at) {
        Some((Word::Other(_), token)) => token.span.of(text),
        _ => "",
    };
    let is = |at: usize, expected: &[&str]| {
        let mut expected = expected.iter().enumerate();
        expected.all(|(i, e)| name(at + i) == *e || sign(at + i) == *e)
    };
    let mut columns = HashSet::new();
    // Targets of SELECT … INTO, FETCH … INTO and the like.
    let mut into = false;
    for at in 0..tokens.len() {
        let (name_before, sign_before) = match at.checked_sub(1) {
            Some(before) => (name(before), sign(before)),
            None => ("", ""),
        };
        into = match (name(at), sign(at)) {
            ("into" | "diagnostics", _) => true,
            ("strict", _) | (_, "," | ".") => into,
            ("", _) => false,
            // A target, or what stands behind the last one.
            _ => {
                into && (matches!(name_before, "into" | "strict" | "diagnostics")
                    || matches!(sign_before, "," | "."))
            }
        };
        let begins = at == 0
            || matches!(sign_before, ";" | ">>")
            || matches!(name_before, "begin" | "then" | "else" | "loop" | "declare");
        let target = into || matches!(name_before, "for" | "foreach");
        match name(at) {
            "new"
                if sign(at + 1) == "."
                    && (target || begins && matches!(sign(at + 3), ":=" | "=" | "[" | ".")) =>
            {
                columns.insert(name(at + 2).into());
            }
            "new" if sign(at + 1) == "." => {}
            "new" if target || begins => return Assigned::Row,
            // Given to a variable, which may be changed and given back.
            "new" if matches!(sign_before, ":=" | "=") && sign(at + 1) == ";" => {
                return Assigned::Row;
            }
            // It may have parameters that it sets.
            "call" if begins => return Assigned::Row,
            "return"
                if !(["new", "old", "null"]
                    .iter()
                    .any(|row| is(at + 1, &[row, ";"]))
                    || is(at + 1, &["coalesce", "(", "new", ",", "old", ")", ";"])
                    || is(at + 1, &["coalesce", "(", "old", ",", "new", ")", ";"])) =>
            {
                return Assigned::Row;
            }
            _ => {}
        }
    }
    Assigned::Columns(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(list: &[&str]) -> Assigned {
        Assigned::Columns(list.iter().map(|c| Box::from(*c)).collect())
    }

    #[test]
    fn what_is_assigned_is_found() {
        for (body, found) in [
            (
                "begin new.a := 1; new.\"B\" = 2; return new; end",
                columns(&["a", "B"]),
            ),
            (
                "begin if new.a = 1 then return null; end if; return new; end",
                columns(&[]),
            ),
            (
                "begin select 1, 2 into new.a, x; return new; end",
                columns(&["a"]),
            ),
            (
                "begin insert into t values (new.a, new.b); return coalesce(new, old); end",
                columns(&[]),
            ),
            (
                "begin get diagnostics new.a = row_count; return new; end",
                columns(&["a"]),
            ),
            (
                "begin for new in select 1 loop null; end loop; return new; end",
                Assigned::Row,
            ),
            (
                "begin select * into new from t; return new; end",
                Assigned::Row,
            ),
            ("begin r := new; return r; end", Assigned::Row),
            (
                "begin return (jsonb_populate_record(new, '{}')); end",
                Assigned::Row,
            ),
            ("begin new := old; return new; end", Assigned::Row),
            ("begin call p(new.a); return new; end", Assigned::Row),
            ("begin return null; end", columns(&[])),
        ] {
            assert_eq!(assigned(body), found, "{body}");
        }
    }
}
