//! `DROP`, `TRUNCATE` and `LOCK` of relations that live in different places: each shard is told of those that it has.
//!
//! Proof: in one transaction, each shard does to every relation of its own what one server would. What stands against it, or
//! comes with it by `CASCADE`, is what refers to such a relation or is made of it, which is on the same shards: foreign keys
//! and views do not reach over shards. So where it is among the relations that are named it is so there, too.

use super::super::stage::Stage;
use super::super::words::Word;
use super::super::{Answer, Merge, Refusal, Route};
use super::{Around, Where, home};
use crate::sql::statement::Relation;

/// Commands whose relations make up one list.
const LISTS: &[&str] = &[
    "DROP INDEX",
    "DROP MATERIALIZED VIEW",
    "DROP SEQUENCE",
    "DROP TABLE",
    "DROP VIEW",
    "LOCK TABLE",
    "TRUNCATE",
];

/// The route of such a command; `None` when its relations live in one place, or it is another one.
pub(super) fn route(
    around: &Around<'_>,
    command: &str,
    relations: &[Relation],
    words: &[Word],
) -> Result<Option<Route>, Refusal> {
    if !LISTS.contains(&command) {
        return Ok(None);
    }
    let places = relations
        .iter()
        .map(|r| home(around, &r.name))
        .collect::<Result<Vec<Where>, Refusal>>()?;
    if places.windows(2).all(|w| w[0] == w[1]) {
        return Ok(None);
    }
    let Some((head, elements, tail)) = cut(around.text, relations, words) else {
        return Ok(None);
    };
    let shards = around.topology.all_shards();
    let texts = shards.iter().filter_map(|shard| {
        let here = elements.iter().zip(&places);
        let here: Vec<&str> = here
            .filter(|(_, place)| matches!(place, Where::All) || **place == Where::One(shard))
            .map(|(element, _)| *element)
            .collect();
        (!here.is_empty()).then(|| (shard, format!("{head}{}{tail}", here.join(", "))))
    });
    Ok(Some(Stage::default().route(
        None,
        Answer::Each {
            texts: texts.collect(),
            merge: Merge::Copies,
        },
    )))
}

/// The text before a list of relations, each with what belongs to it (`ONLY`, `*`), and the text behind.
fn cut<'t>(
    text: &'t str,
    relations: &[Relation],
    words: &[Word],
) -> Option<(&'t str, Vec<&'t str>, &'t str)> {
    let (first, last) = (relations.first()?, relations.last()?);
    let mut from = words
        .iter()
        .position(|w| w.span.start == first.span.start)?;
    let mut to = words.iter().position(|w| w.span.end == last.span.end)?;
    while from > 0 && (words[from - 1].is("(") || words[from - 1].is("only")) {
        from -= 1;
    }
    while words.get(to + 1).is_some_and(|w| w.is(")") || w.is("*")) {
        to += 1;
    }
    let list = words.get(from..=to)?;
    let elements: Vec<&str> = list
        .split(|w| w.depth == 0 && w.is(","))
        .map(|element| {
            let (first, last) = (element.first()?, element.last()?);
            text.get(first.span.start as usize..last.span.end as usize)
        })
        .collect::<Option<_>>()?;
    let head = text.get(..list.first()?.span.start as usize)?;
    let tail = text.get(list.last()?.span.end as usize..)?;
    (elements.len() == relations.len()).then_some((head, elements, tail))
}
