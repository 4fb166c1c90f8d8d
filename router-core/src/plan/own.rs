//! The schema of the router's own table, in which it keeps the decisions of commits over several shards.
//!
//! Who may read it does; nobody but the router changes it, as far as a statement says what it changes. A backup has it, and
//! what restores one clean would drop the table while others commit by it.

use super::ddl::named;
use super::make::Input;
use super::walk::{self, Met};
use super::words::{Word, words};
use super::{Reason, Refusal};
use crate::sql::statement::{CopyWhat, Kind, Name, Session, Statement, Utility};
use crate::topology::catalog::Known;

/// The schema.
pub(super) const SCHEMA: &str = "shunt";

/// Its one table.
const TABLE: &str = "decisions";

/// That a statement leaves it as it is.
pub(super) fn stays(input: &Input<'_>, statement: &Statement) -> Result<(), Refusal> {
    let mut changed = false;
    match &statement.kind {
        Kind::Explain(e) => return stays(input, &e.statement),
        Kind::Session(
            Session::Prepare { statement, .. }
            | Session::Declare {
                query: statement, ..
            },
        ) => return stays(input, statement),
        Kind::Utility(utility) => changed = is_defined(input, utility),
        Kind::Copy(copy) => {
            if let CopyWhat::Table { relation, .. } = &copy.what {
                changed = copy.from && is_ours(input, &relation.name);
            }
        }
        Kind::Unread(_) => {
            let list = words(statement.span.of(input.text), input.options);
            changed = target(&list).is_some_and(|name| is_ours(input, &name));
        }
        _ => walk::statement(statement, &mut |met| {
            let Met::Change(change) = met else { return };
            changed |= match &change.kind {
                Kind::Insert(i) => is_ours(input, &i.target.name),
                Kind::Update(u) => is_ours(input, &u.target.name),
                Kind::Delete(d) => is_ours(input, &d.target.name),
                _ => false,
            };
        }),
    }
    match changed {
        true => Err(Refusal::new(
            Reason::RoutersOwn,
            format!(
                "Schema \"{SCHEMA}\" holds the decisions of transactions that commit on several shards."
            ),
        )),
        false => Ok(()),
    }
}

/// Whether a definition makes, changes or drops it, or something of it. Privileges and comments are for whoever may give them.
fn is_defined(input: &Input<'_>, utility: &Utility) -> bool {
    let command = utility.command.as_str();
    let first = command.split(' ').next().unwrap_or_default();
    if !matches!(first, "CREATE" | "ALTER" | "DROP" | "TRUNCATE") {
        return false;
    }
    if command.ends_with(" SCHEMA") {
        return names_schema(&words(input.text, input.options));
    }
    let mut relations = utility.relations.iter();
    relations.any(|relation| is_ours(input, &relation.name))
}

/// Whether `CREATE`, `ALTER` or `DROP SCHEMA` is about it. Behind its own name `CREATE` and `ALTER` name roles.
fn names_schema(list: &[Word]) -> bool {
    let behind = |word: &&Word| {
        !["if", "not", "exists", "authorization"]
            .iter()
            .any(|w| word.is(w))
    };
    let mut named = list.iter().skip(2).filter(behind).filter(|word| word.name);
    match list.first() {
        Some(first) if first.is("drop") => named.any(|word| word.text == SCHEMA),
        _ => named.next().is_some_and(|word| word.text == SCHEMA),
    }
}

/// The table of `MERGE INTO [ONLY] table`.
fn target(list: &[Word]) -> Option<Name> {
    let into = list
        .windows(2)
        .position(|w| w[0].is("merge") && w[1].is("into"))?;
    let at = into + 2 + usize::from(list.get(into + 2)?.is("only"));
    named(list, at).map(|(name, _)| name)
}

fn is_ours(input: &Input<'_>, name: &Name) -> bool {
    if let Some(schema) = &name.schema {
        return schema == SCHEMA;
    }
    let is = |schema: &str| matches!(input.catalog.relation(schema, &name.name), Known::Is(_));
    let mut path = input.search_path.iter();
    let first = path.find(|schema| *schema == SCHEMA || is(schema));
    first.is_some_and(|schema| schema == SCHEMA) && (name.name == TABLE || is(SCHEMA))
}
