//! Which rows of a table: a condition in SQL, and the same for a key.

use crate::id::ShardId;
use crate::topology::{Placement, predicate};
use crate::value::KeyValue;

/// Rows of a table.
///
/// The condition is about the key's columns alone, so it selects the same rows on the source as on the
/// target: those of exactly this move, also where the target has rows of its own or of other moves.
#[derive(Clone, Debug, PartialEq)]
pub enum Rows {
    /// All.
    All,
    /// Those for which each of these holds.
    Where(Vec<Placed>),
}

/// A condition on a key, by a placement.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// The columns of the key.
    pub key: Vec<String>,
    /// The placement, of either topology.
    pub placement: Placement,
    /// What it says about the key.
    pub at: At,
}

/// What a placement says about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Its home is this shard of the placement's topology.
    Home(ShardId),
    /// Its home is not this shard, or it has none.
    NotHome(ShardId),
    /// It has no home.
    Nowhere,
}

impl Rows {
    /// A condition in SQL over the table's columns, that takes no `OR` or `AND` beside it without parentheses.
    /// It is accepted as the row filter of a publication. `None` for all rows.
    pub fn condition(&self) -> Option<String> {
        let Self::Where(all) = self else { return None };
        let parts: Vec<String> = all.iter().map(Placed::condition).collect();
        Some(match &parts[..] {
            [only] => only.clone(),
            _ => parts
                .iter()
                .map(|part| format!("({part})"))
                .collect::<Vec<_>>()
                .join(" AND "),
        })
    }

    /// The columns that the condition reads, each once.
    pub fn columns(&self) -> Vec<&str> {
        let mut columns: Vec<&str> = Vec::new();
        if let Self::Where(all) = self {
            for column in all.iter().flat_map(|p| &p.key) {
                if !columns.contains(&column.as_str()) {
                    columns.push(column);
                }
            }
        }
        columns
    }

    /// Whether a row is one of these; `value` gives the value of each column of a key. The same as
    /// [`condition`](Self::condition), for rows without a null in their key.
    pub fn claim<'a>(&self, value: impl Fn(&str) -> KeyValue<'a>) -> bool {
        let Self::Where(all) = self else { return true };
        all.iter().all(|placed| {
            let key: Vec<KeyValue<'a>> = placed.key.iter().map(|column| value(column)).collect();
            let home = placed.placement.shard_of(&key).ok();
            match placed.at {
                At::Home(shard) => home == Some(shard),
                At::NotHome(shard) => home != Some(shard),
                At::Nowhere => home.is_none(),
            }
        })
    }
}

impl Placed {
    fn condition(&self) -> String {
        let columns: Vec<&str> = self.key.iter().map(String::as_str).collect();
        match self.at {
            At::Home(shard) => self.placement.predicate(&columns, shard),
            At::NotHome(shard) => {
                let home = self.placement.predicate(&columns, shard);
                // The predicate may be null for a key with a null, and a row filter takes no `IS NOT TRUE`.
                let mut parts: Vec<String> = columns
                    .iter()
                    .map(|c| format!("{} IS NULL", predicate::identifier(c)))
                    .collect();
                parts.push(format!("NOT ({home})"));
                parts.join(" OR ")
            }
            At::Nowhere => self.placement.without_home(&columns),
        }
    }
}
