//! Statements about the session.

use super::token::{Tokens, What};
use super::{Veto, inner, transaction};
use crate::sql::statement::{Ident, Kind, LiteralKind, Session};

/// The setting that `SET SESSION AUTHORIZATION` sets; under its own name it is no other thing.
const AUTHORIZATION: &str = "session_authorization";

/// Reads a session statement; `None` when the tokens are another kind of statement.
pub(super) fn read(tokens: &Tokens<'_>) -> Result<Option<Session>, Veto> {
    if tokens.what(0) != Some(What::Word) {
        return Ok(None);
    }
    let read = match tokens.text(0) {
        "set" => set(tokens)?,
        "reset" => match variable(tokens, 1)? {
            Variable::Authorization(end) => {
                done(tokens, end)?;
                Session::SetAuthorization {
                    local: false,
                    role: None,
                }
            }
            Variable::Name(name, end) => {
                done(tokens, end)?;
                if name == AUTHORIZATION {
                    Session::SetAuthorization {
                        local: false,
                        role: None,
                    }
                } else {
                    Session::Reset(name)
                }
            }
        },
        "show" => match variable(tokens, 1)? {
            Variable::Authorization(end) => {
                done(tokens, end)?;
                Session::Show("session_authorization".to_owned())
            }
            Variable::Name(name, end) => {
                done(tokens, end)?;
                Session::Show(name)
            }
        },
        "discard" => {
            done(tokens, 2)?;
            match tokens.text(1) {
                "all" | "plans" | "sequences" | "temp" => {
                    Session::Discard(tokens.text(1).to_owned())
                }
                "temporary" => Session::Discard("temp".to_owned()),
                _ => return Err("a kind of DISCARD that is not understood".into()),
            }
        }
        "prepare" => prepare(tokens)?,
        "execute" => {
            let name = name(tokens, 1)?;
            let end = match tokens.is_sym(2, "(") {
                true => tokens.close(2).map_or(2, |close| close + 1),
                false => 2,
            };
            done(tokens, end)?;
            Session::Execute { name }
        }
        "deallocate" => {
            let at = 1 + usize::from(tokens.is_word(1, "prepare") && tokens.len() > 2);
            done(tokens, at + 1)?;
            Session::Deallocate(all_or_name(tokens, at)?)
        }
        "declare" => declare(tokens)?,
        "fetch" | "move" => {
            let last = tokens.len() - 1;
            if last == 0 {
                return Err("FETCH without a cursor".into());
            }
            if !is_direction(tokens, last) {
                return Err("a direction of FETCH that is not understood".into());
            }
            Session::Fetch {
                name: name(tokens, last)?,
            }
        }
        "close" => {
            done(tokens, 2)?;
            Session::Close(all_or_name(tokens, 1)?)
        }
        "listen" => {
            done(tokens, 2)?;
            Session::Listen(name(tokens, 1)?)
        }
        "unlisten" => {
            done(tokens, 2)?;
            if tokens.is_op(1, "*") {
                Session::Unlisten(None)
            } else {
                Session::Unlisten(Some(name(tokens, 1)?))
            }
        }
        "notify" => {
            let payload = tokens.is_sym(2, ",") && is_string(tokens, 3);
            done(tokens, if payload { 4 } else { 2 })?;
            Session::Notify(name(tokens, 1)?)
        }
        "load" => {
            done(tokens, 2)?;
            if !is_string(tokens, 1) {
                return Err("LOAD of something that is not a string".into());
            }
            Session::Load
        }
        _ => return Ok(None),
    };
    Ok(Some(read))
}

fn done(tokens: &Tokens<'_>, end: usize) -> Result<(), Veto> {
    match tokens.len().cmp(&end) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(format!(
            "a {} that is not complete",
            tokens.text(0).to_uppercase()
        )),
        std::cmp::Ordering::Greater => Err(format!(
            "a word after {} that is not understood",
            tokens.text(0).to_uppercase()
        )),
    }
}

fn is_string(tokens: &Tokens<'_>, at: usize) -> bool {
    tokens.what(at) == Some(What::Literal(LiteralKind::String))
}

/// Whether tokens `1..end` say which rows of a cursor are wanted: nothing, a direction, a count,
/// and perhaps `FROM` or `IN`.
fn is_direction(tokens: &Tokens<'_>, end: usize) -> bool {
    let counted = |mut at: usize| {
        at += usize::from(tokens.is_op(at, "-") || tokens.is_op(at, "+"));
        let integer = tokens.what(at) == Some(What::Literal(LiteralKind::Integer));
        at + usize::from(integer)
    };
    let mut at = 1;
    if tokens.any_word(at, &["next", "prior", "first", "last", "all"]) && at < end {
        at += 1;
    } else if tokens.any_word(at, &["absolute", "relative"]) && at + 1 < end {
        at = counted(at + 1);
    } else if tokens.any_word(at, &["forward", "backward"]) && at < end {
        at = match tokens.is_word(at + 1, "all") && at + 1 < end {
            true => at + 2,
            false => counted(at + 1),
        };
    } else {
        at = counted(at);
    }
    at += usize::from(at < end && tokens.any_word(at, &["from", "in"]));
    at == end
}

fn name(tokens: &Tokens<'_>, at: usize) -> Result<Ident, Veto> {
    if tokens.is_name(at) {
        Ok(tokens.text(at).to_owned())
    } else {
        Err(format!(
            "a {} without a name",
            tokens.text(0).to_uppercase()
        ))
    }
}

fn all_or_name(tokens: &Tokens<'_>, at: usize) -> Result<Option<Ident>, Veto> {
    if tokens.is_word(at, "all") {
        return Ok(None);
    }
    name(tokens, at).map(Some)
}

enum Variable {
    Name(String, usize),
    Authorization(usize),
}

/// The name of a setting from token `at`, and the token after it.
fn variable(tokens: &Tokens<'_>, at: usize) -> Result<Variable, Veto> {
    let words = |words: &[&str]| {
        words
            .iter()
            .enumerate()
            .all(|(n, word)| tokens.is_word(at + n, word))
    };
    if words(&["time", "zone"]) {
        return Ok(Variable::Name("timezone".into(), at + 2));
    }
    if words(&["transaction", "isolation", "level"]) {
        return Ok(Variable::Name("transaction_isolation".into(), at + 3));
    }
    if words(&["session", "authorization"]) {
        return Ok(Variable::Authorization(at + 2));
    }
    let mut full = name(tokens, at)?.to_ascii_lowercase();
    let mut end = at + 1;
    while tokens.is_sym(end, ".") {
        full.push('.');
        full.push_str(&name(tokens, end + 1)?.to_ascii_lowercase());
        end += 2;
    }
    Ok(Variable::Name(full, end))
}

fn set(tokens: &Tokens<'_>) -> Result<Session, Veto> {
    let mut at = 1;
    let mut local = false;
    if tokens.is_word(at, "local") {
        local = true;
        at += 1;
    } else if tokens.is_word(at, "session") {
        if tokens.is_word(at + 1, "characteristics") {
            if !tokens.is_word(at + 2, "as") || !tokens.is_word(at + 3, "transaction") {
                return Err("SET SESSION CHARACTERISTICS that is not understood".into());
            }
            return Ok(Session::SetCharacteristics(transaction::modes(
                tokens,
                at + 4,
            )?));
        }
        if !tokens.is_word(at + 1, "authorization") {
            at += 1;
        }
    }
    if tokens.is_word(at, "session") && tokens.is_word(at + 1, "authorization") {
        done(tokens, at + 3)?;
        let role = match tokens.is_word(at + 2, "default") {
            true => None,
            false => Some(one_value(tokens, at + 2)?.0),
        };
        return Ok(Session::SetAuthorization { local, role });
    }
    // Spellings with a grammar of their own.
    let (setting, value) = match tokens.text(at) {
        "time" if tokens.is_word(at + 1, "zone") => ("timezone", at + 2),
        "names" => ("client_encoding", at + 1),
        "schema" => ("search_path", at + 1),
        "role" if !assigns(tokens, at + 1) => ("role", at + 1),
        "xml" if tokens.is_word(at + 1, "option") => ("xmloption", at + 2),
        _ => ("", 0),
    };
    let (name, value) = if setting.is_empty() {
        let Variable::Name(name, end) = variable(tokens, at)? else {
            return Err("SET that is not understood".into());
        };
        if !assigns(tokens, end) {
            return Err("SET without TO or =".into());
        }
        (name, end + 1)
    } else {
        (setting.to_owned(), value)
    };
    if name == "timezone" && !setting.is_empty() && tokens.is_word(value, "interval") {
        return offset(tokens, local, value);
    }
    let default = tokens.is_word(value, "default")
        || (name == "timezone" && !setting.is_empty() && tokens.is_word(value, "local"));
    if default || (name == "client_encoding" && value == tokens.len()) {
        done(tokens, (value + 1).min(tokens.len()))?;
        if name == AUTHORIZATION {
            return Ok(Session::SetAuthorization { local, role: None });
        }
        return Ok(Session::Set {
            local,
            name,
            values: None,
        });
    }
    let mut values = Vec::new();
    let mut at = value;
    loop {
        let (value, end) = one_value(tokens, at)?;
        values.push(value);
        at = end;
        if !tokens.is_sym(at, ",") {
            break;
        }
        at += 1;
    }
    done(tokens, at)?;
    if name == AUTHORIZATION {
        let one = values.pop().filter(|_| values.is_empty());
        return Ok(Session::SetAuthorization {
            local,
            role: Some(one.ok_or("several roles in SET session_authorization")?),
        });
    }
    Ok(Session::Set {
        local,
        name,
        values: Some(values),
    })
}

/// `SET TIME ZONE INTERVAL '+02:00' HOUR TO MINUTE`: the setting takes the same as a string (`check_timezone` in
/// `commands/variable.c`).
fn offset(tokens: &Tokens<'_>, local: bool, at: usize) -> Result<Session, Veto> {
    let text = tokens.string(at + 1).unwrap_or_default();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
    let is_pair = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !digits
        .split_once(':')
        .is_some_and(|(h, m)| is_pair(h) && is_pair(m))
    {
        return Err("an interval of SET TIME ZONE that is not hours and minutes".into());
    }
    let words = ["hour", "to", "minute"];
    let fields = (at + 2..tokens.len())
        .zip(words)
        .all(|(at, word)| tokens.is_word(at, word));
    done(
        tokens,
        if fields && tokens.len() > at + 2 {
            at + 5
        } else {
            at + 2
        },
    )?;
    Ok(Session::Set {
        local,
        name: "timezone".to_owned(),
        values: Some(vec![format!("INTERVAL '{text}'")]),
    })
}

fn assigns(tokens: &Tokens<'_>, at: usize) -> bool {
    tokens.is_word(at, "to") || tokens.is_op(at, "=")
}

/// A value of a setting, as meant, and the token after it.
fn one_value(tokens: &Tokens<'_>, at: usize) -> Result<(String, usize), Veto> {
    let sign = tokens.is_op(at, "-") || tokens.is_op(at, "+");
    let minus = if tokens.is_op(at, "-") { "-" } else { "" };
    let at = at + usize::from(sign);
    match tokens.what(at) {
        Some(What::Word | What::Quoted) if !sign => Ok((tokens.text(at).to_owned(), at + 1)),
        Some(What::Literal(_)) => {
            if let Some(text) = tokens.string(at)
                && !sign
            {
                return Ok((text, at + 1));
            }
            let text = tokens.text(at);
            if text.is_empty() {
                return Err("a value of SET that is not understood".into());
            }
            // PostgreSQL's grammar has the number, not its spelling.
            let number = text.parse::<i32>();
            let text = number.map_or_else(|_| text.to_owned(), |number| number.to_string());
            Ok((format!("{minus}{text}"), at + 1))
        }
        _ => Err("a value of SET that is not understood".into()),
    }
}

fn prepare(tokens: &Tokens<'_>) -> Result<Session, Veto> {
    let name = name(tokens, 1)?;
    let mut at = 2;
    if tokens.is_sym(at, "(") {
        at = tokens.close(at).ok_or("PREPARE without an end")? + 1;
    }
    if !tokens.is_word(at, "as") || at + 1 >= tokens.len() {
        return Err("PREPARE without AS".into());
    }
    let statement = Box::new(inner(tokens, at + 1, tokens.len()));
    if matches!(statement.kind, Kind::Utility(_)) {
        return Err("PREPARE of something that is not a query".into());
    }
    Ok(Session::Prepare { name, statement })
}

fn declare(tokens: &Tokens<'_>) -> Result<Session, Veto> {
    let name = name(tokens, 1)?;
    let mut at = 2;
    while tokens.any_word(at, &["binary", "asensitive", "insensitive", "no", "scroll"]) {
        at += 1;
    }
    if !tokens.is_word(at, "cursor") {
        return Err("DECLARE without CURSOR".into());
    }
    at += 1;
    let mut hold = false;
    if tokens.any_word(at, &["with", "without"]) && tokens.is_word(at + 1, "hold") {
        hold = tokens.is_word(at, "with");
        at += 2;
    }
    if !tokens.is_word(at, "for") || at + 1 >= tokens.len() {
        return Err("DECLARE without FOR".into());
    }
    let query = Box::new(inner(tokens, at + 1, tokens.len()));
    if !matches!(query.kind, Kind::Query(_) | Kind::Unread(_)) {
        return Err("a cursor for something that is not a query".into());
    }
    Ok(Session::Declare { name, hold, query })
}
