//! `CREATE FUNCTION` and `CREATE PROCEDURE` in SQL, whose bodies name tables that live whole on one shard.
//!
//! PostgreSQL looks for the tables of such a body when the routine is made, unless `check_function_bodies` is off; what is called
//! later is another matter. So the routine is made on the shard that has the tables, with the check, and on the others without:
//! it is one for all, as any other, and an error in its body is found where one server would find it.

use super::super::names::{self, Place};
use super::super::stage::{Stage, block};
use super::super::words::Word;
use super::super::{Answer, On, Reason, Route, Targets};
use super::{Around, Where, home};
use crate::id::ShardId;
use crate::sql::lexer::{Lexer, Options, TokenKind, decode};
use crate::sql::parse::{self, parse};
use crate::sql::predicate::facts;
use crate::sql::split::statements;
use crate::sql::statement::{Kind, Utility};
use crate::topology::predicate::string;

/// The route of such a statement; `None` when the body can be checked everywhere, or nowhere.
pub(super) fn route(around: &Around<'_>, u: &Utility, words: &[Word]) -> Option<Route> {
    let in_sql = |w: &[Word]| w[0].is("language") && (w[1].is("sql") || w[1].text == "'sql'");
    // Names in the body would be looked for along another path.
    if !words.windows(2).any(in_sql) || words.iter().any(|w| w.is("search_path")) {
        return None;
    }
    let only = home_of(around, &body(around.text, around.options)?)?;
    let name = string("check_function_bodies");
    let set = |to: &str| format!("PERFORM pg_catalog.set_config({name}, {to}, true); ");
    let unchecked = format!(
        "DECLARE checked pg_catalog.text := pg_catalog.current_setting({name}); BEGIN {}EXECUTE {}; {}END; ",
        set("'off'"),
        string(around.text),
        set("checked"),
    );
    let mut stage = Stage::default();
    stage.run(On::Shard(only), around.text.to_owned());
    stage.run(On::Except(Targets::All, only), block(&unchecked));
    Some(stage.route(None, Answer::Tag(u.command.clone())))
}

/// The text of the body, when it is a string.
fn body(text: &str, options: Options) -> Option<String> {
    let mut after_as = false;
    for token in Lexer::new(text, options).significant() {
        if let (true, TokenKind::String(kind)) = (after_as, token.kind) {
            return decode::string(kind, token.span.of(text))
                .ok()
                .map(Into::into);
        }
        after_as = token.kind == TokenKind::Ident && token.span.of(text).eq_ignore_ascii_case("as");
    }
    None
}

/// The one shard that has those tables of the body that are not on all of them.
fn home_of(around: &Around<'_>, body: &str) -> Option<ShardId> {
    let mut only = None;
    for span in statements(body, around.options) {
        let text = span.of(body);
        let options = parse::Options {
            lexer: around.options,
            ..Default::default()
        };
        let statement = parse(text, &options);
        if matches!(statement.kind, Kind::Unread(_) | Kind::Utility(_)) {
            return None;
        }
        let named = facts(&statement, text, around.options, &|_, _| None, &|_, _| {
            false
        });
        for relation in &named.relations {
            let name = &relation.name;
            let place = names::place(around.topology, around.catalog, around.search_path, name);
            let here = match place {
                Ok(Place::Shard(shard)) => Where::One(shard),
                Ok(_) => continue,
                Err(refusal) if refusal.reason == Reason::View => home(around, name).ok()?,
                Err(_) => return None,
            };
            match here {
                Where::All => {}
                Where::One(shard) if only.is_none_or(|other| other == shard) => only = Some(shard),
                Where::One(_) => return None,
            }
        }
    }
    only
}
