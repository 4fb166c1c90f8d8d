//! `CREATE INDEX`.

use super::super::names::{self, Place};
use super::super::words::Word;
use super::super::{Merge, Refusal, Route};
use super::{Around, of_names, table, unnamed};
use crate::sql::statement::Utility;

pub(super) fn create_index(
    around: &Around<'_>,
    u: &Utility,
    words: &[Word],
) -> Result<Route, Refusal> {
    let relation = u.relations.first().ok_or_else(|| unnamed("CREATE INDEX"))?;
    let name = &relation.name;
    let unique = words.get(1).is_some_and(|w| w.is("unique"));
    if unique
        && let Ok(place @ Place::Sharded { .. }) =
            names::place(around.topology, around.catalog, around.search_path, name)
    {
        let after = words.iter().position(|w| w.span.start >= relation.span.end);
        let open = after.and_then(|after| {
            words[after..]
                .iter()
                .position(|w| w.depth == 0 && w.is("("))
                .map(|n| after + n)
        });
        let columns: Vec<String> = open.map_or(Vec::new(), |open| {
            let inside: Vec<Word> = words[open + 1..]
                .iter()
                .take_while(|w| w.depth > 0)
                .cloned()
                .collect();
            table::elements(&inside)
                .iter()
                // An expression of the key is not the key; words behind a column say how it is ordered, but a collation
                // may say that different texts are equal.
                .filter(|e| e[0].name && e.get(1).is_none_or(|w| w.name) && !collates(e))
                .map(|e| e[0].text.clone())
                .collect()
        });
        table::kept(around, name, place, &[table::Asked::Unique(columns)])?;
    }
    let merge = match u.concurrently {
        true => Merge::OneByOne,
        false => Merge::Copies,
    };
    of_names(around, std::slice::from_ref(name), "CREATE INDEX", merge)
}

/// Whether a column of an index has a collation in which different texts may be equal.
fn collates(element: &[Word]) -> bool {
    let collation = element.iter().position(|w| w.is("collate"));
    collation.is_some_and(|at| {
        let bytes = ["C", "POSIX", "default"];
        !element
            .get(at + 1)
            .is_some_and(|name| bytes.contains(&name.text.as_str()))
    })
}
