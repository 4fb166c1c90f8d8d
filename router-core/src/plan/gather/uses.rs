//! What a statement needs of each table that is gathered.

use super::super::function::is_aggregate;
use super::super::leaves::{What, leaves};
use super::super::names::Place;
use super::super::reading::Reading;
use super::super::splice::{Splice, quoted};
use super::super::walk::{self, Met};
use super::super::{Reason, Refusal};
use super::unable;
use super::whole::whole;
use crate::id::{ShardId, Span};
use crate::sql::Statement;
use crate::sql::statement::{
    Call, Expr, ExprKind, GroupItem, Join, JoinOn, LiteralKind, Name, Relation, Select, SelectItem,
    SetExpr, TableRef, WHOLE_ROW,
};
use crate::topology::catalog;

/// One use of a table that is gathered.
pub(in crate::plan) struct Use<'s> {
    /// Its number among the facts.
    pub(super) at: usize,
    /// As it is written.
    pub(super) relation: &'s Relation,
    /// The one shard that has all its rows; of a sharded table none has.
    pub(super) from: Option<ShardId>,
    /// The columns that the statement can see, in the table's order; all of them when `None`.
    pub(super) columns: Option<Vec<String>>,
}

impl Use<'_> {
    /// The name by which its columns are qualified.
    pub(super) fn name(&self) -> &str {
        self.relation
            .alias
            .as_ref()
            .map_or(&self.relation.name.name, |a| &a.name)
    }

    /// The table as it has to be written anywhere.
    pub(super) fn table(&self, reading: &Reading<'_>) -> String {
        let name = quoted(&self.relation.name.name);
        match reading.schema(self.at) {
            Some(schema) => format!("{}.{name}", quoted(schema)),
            None => name,
        }
    }

    fn chosen<'a>(&self, reading: &Reading<'a>) -> Option<Vec<&'a catalog::Column>> {
        let known = reading.relation(self.at)?;
        Some(
            known
                .columns
                .iter()
                .filter(|c| self.columns.as_ref().is_none_or(|l| l.contains(&c.name)))
                .collect(),
        )
    }

    /// Whether some column's binary form says more than its text, or it is not known.
    pub(super) fn as_text(&self, reading: &Reading<'_>) -> bool {
        self.chosen(reading)
            .is_none_or(|list| list.iter().any(|c| !c.portable))
    }

    /// Its columns with their types, as in `CREATE TABLE`.
    pub(super) fn declared(&self, reading: &Reading<'_>) -> Option<String> {
        let list = self.chosen(reading)?;
        list.iter()
            .map(|c| {
                (!c.declared.is_empty()).then(|| format!("{} {}", quoted(&c.name), c.declared))
            })
            .collect::<Option<Vec<_>>>()
            .map(|l| l.join(", "))
    }
}

/// What a statement needs of its tables.
pub(in crate::plan) struct Needs<'s> {
    pub(super) uses: Vec<Use<'s>>,
    /// The blocks of the statement.
    pub(super) blocks: Vec<&'s Select>,
    /// References to whole rows, by use.
    rows: Vec<(usize, Span)>,
    /// Whether the order of rows shows in an aggregate.
    by_order: bool,
    /// References with a schema in front, with what they become.
    qualified: Vec<(Span, String)>,
}

/// The names in a statement.
#[derive(Default)]
struct Names<'s> {
    columns: Vec<(&'s [String], &'s str, Span)>,
    /// Names of columns that stand elsewhere: after `USING`, fields.
    more: Vec<&'s str>,
    natural: bool,
    by_order: bool,
    /// Blocks right under `EXISTS`, whose select list counts for nothing.
    exists: Vec<*const Select>,
}

impl<'s> Needs<'s> {
    /// What `statement` needs of the tables that are not whole on `scratch`.
    pub(super) fn of(
        reading: &Reading<'_>,
        statement: &'s Statement,
        scratch: ShardId,
    ) -> Result<Self, Refusal> {
        let mut names = Names::default();
        let mut blocks: Vec<&'s Select> = Vec::new();
        let mut relations: Vec<(usize, &'s Relation)> = Vec::new();
        walk::statement(statement, &mut |met| match met {
            Met::Expr(e) => names.meet(e),
            Met::Select(s) => blocks.push(s),
            Met::From(TableRef::Relation(r)) => {
                if let Some(at) = reading.of(r) {
                    relations.push((at, r));
                }
            }
            Met::From(TableRef::Join(join)) => names.join(join),
            _ => {}
        });
        let mut needs = Self {
            uses: Vec::new(),
            blocks,
            rows: Vec::new(),
            by_order: names.by_order,
            qualified: Vec::new(),
        };
        for (at, relation) in relations {
            let from = match reading.places[at] {
                Place::Sharded { .. } => None,
                Place::Shard(shard) if shard != scratch => Some(shard),
                _ => continue,
            };
            if reading.facts.relations[at].target {
                continue;
            }
            if relation.sample.is_some() {
                return Err(unable("TABLESAMPLE chooses among the rows of one server."));
            }
            needs.uses.push(Use {
                at,
                relation,
                from,
                columns: None,
            });
        }
        needs.whole_rows(reading, statement, &names)?;
        for i in 0..needs.uses.len() {
            needs.uses[i].columns = needs.columns(reading, &names, i);
        }
        needs.schemas(reading, &names)?;
        Ok(needs)
    }

    /// Finds the references to whole rows.
    fn whole_rows(
        &mut self,
        reading: &Reading<'_>,
        statement: &Statement,
        names: &Names<'_>,
    ) -> Result<(), Refusal> {
        let bare = |name: &str| {
            let mut columns = names.columns.iter();
            columns.any(|(q, n, _)| match q {
                [] => *n == name,
                [table] => *n == WHOLE_ROW && *table == name,
                _ => false,
            })
        };
        let of: Vec<(usize, &str)> = self.uses.iter().map(|u| (u.at, u.name())).collect();
        if !of.iter().any(|(_, name)| bare(name)) {
            return Ok(());
        }
        let found = whole(reading, statement, &of);
        if let Some(name) = found.doubt {
            return Err(unable(format!("\"{name}\" may mean a row or a column.")));
        }
        self.rows = found.rows;
        Ok(())
    }

    /// The columns that a use has to have.
    fn columns(&self, reading: &Reading<'_>, names: &Names<'_>, i: usize) -> Option<Vec<String>> {
        let used = &self.uses[i];
        let at = used.at;
        let known = reading.relation(at);
        // A reference to the row as a whole.
        if self.rows.iter().any(|(row, _)| *row == at) {
            return None;
        }
        let renamed = used
            .relation
            .alias
            .as_ref()
            .is_some_and(|a| !a.columns.is_empty());
        let (Some(known), false) = (
            known,
            renamed || names.natural || self.starred(reading, names, i),
        ) else {
            return None;
        };
        // What the rows are put in order by, see `order`.
        let by_key = match self.by_order && !self.uses[i].relation.only {
            true => primary(reading, at),
            false => None,
        };
        let mut list: Vec<String> = known
            .columns
            .iter()
            .map(|c| c.name.as_str())
            .filter(|c| {
                names.more.contains(c)
                    || names.columns.iter().any(|(q, n, _)| {
                        n == c && q.last().is_none_or(|q| *q == self.uses[i].name())
                    })
                    || self
                        .grouped_by(reading, i)
                        .is_some_and(|key| key.contains(c))
                    || by_key.as_ref().is_some_and(|key| key.contains(c))
            })
            .map(str::to_owned)
            .collect();
        if list.is_empty() {
            // A table has to have some column to be filled.
            let first = match reading.key(at) {
                Some((key, _)) => key.first().cloned(),
                None => known.columns.first().map(|c| c.name.clone()),
            };
            list.extend(first);
        }
        (list.len() < known.columns.len()).then_some(list)
    }

    /// Whether a `*` stands for the columns of a use.
    fn starred(&self, reading: &Reading<'_>, names: &Names<'_>, i: usize) -> bool {
        let used = &self.uses[i];
        self.blocks.iter().any(|s| {
            let stars = s.items.iter().filter_map(|item| match item {
                SelectItem::Wildcard { qualifier, .. } => Some(qualifier),
                SelectItem::Expr { .. } => None,
            });
            let counts = !names.exists.contains(&std::ptr::from_ref(*s));
            counts
                && stars.into_iter().any(|q| match q {
                    Some(q) => q.name == used.name(),
                    None => self.within(reading, s, used.at),
                })
        })
    }

    /// Whether a use stands in the `FROM` of a block.
    pub(super) fn within(&self, reading: &Reading<'_>, s: &Select, at: usize) -> bool {
        leaves(reading, &s.from)
            .0
            .iter()
            .any(|l| matches!(l.what, What::Use(u) if u == at))
    }

    /// The primary key of a use, when a `GROUP BY` over it may say the whole of it: then other columns may stand beside it.
    fn grouped_by<'a>(&self, reading: &Reading<'a>, i: usize) -> Option<Vec<&'a str>> {
        let used = &self.uses[i];
        let key = primary(reading, used.at)?;
        let says = |s: &Select, column: &str| {
            s.group_by.iter().any(|item| match item {
                GroupItem::Expr(e) => match &e.kind {
                    ExprKind::Column { qualifier, name } => {
                        let mine = qualifier.last().is_none_or(|q| q == used.name());
                        mine && (name == column || s.items.iter().any(|i| is_called(i, name)))
                    }
                    ExprKind::Literal(LiteralKind::Integer) => true,
                    _ => false,
                },
                GroupItem::Sets(_) => true,
            })
        };
        let grouped = self.blocks.iter().any(|s| {
            !s.group_by.is_empty()
                && self.within(reading, s, used.at)
                && key.iter().all(|c| says(s, c))
        });
        grouped.then_some(key)
    }

    /// The order in which the rows of a use are best read: by its primary key, where an aggregate of the statement gives other
    /// digits or another order of elements for each order of the rows. PostgreSQL promises none, but rows that were stored
    /// by their key are found so by one server, and not one shard after the other.
    pub(super) fn order(&self, reading: &Reading<'_>, used: &Use<'_>) -> Option<String> {
        let key = primary(reading, used.at)?;
        let has = |c: &&str| {
            used.columns
                .as_ref()
                .is_none_or(|list| list.iter().any(|n| n == c))
        };
        let fits = self.is_read_by_key(used) && key.iter().all(has);
        let grouped = || self.key(reading, used).is_some();
        (fits && !grouped()).then(|| list(&key))
    }

    /// Whether it shows in which order the rows of a use are read.
    pub(super) fn is_read_by_key(&self, used: &Use<'_>) -> bool {
        self.by_order && !used.relation.only
    }

    /// The primary key that a temporary table has to have, as a list of columns.
    pub(super) fn key(&self, reading: &Reading<'_>, used: &Use<'_>) -> Option<String> {
        let i = self.uses.iter().position(|u| u.at == used.at)?;
        Some(list(&self.grouped_by(reading, i)?))
    }

    /// `schema.table.column` of a table that gets another name loses its schema.
    fn schemas(&mut self, reading: &Reading<'_>, names: &Names<'_>) -> Result<(), Refusal> {
        for (qualifier, name, span) in &names.columns {
            let [schema, table] = qualifier else { continue };
            if let Some(new) = self.unqualified(reading, schema, table)? {
                self.qualified
                    .push((*span, format!("{new}.{}", quoted(name))));
            }
        }
        for s in self.blocks.clone() {
            for item in &s.items {
                if let SelectItem::Wildcard {
                    qualifier:
                        Some(Name {
                            schema: Some(schema),
                            name,
                        }),
                    span,
                } = item
                    && let Some(new) = self.unqualified(reading, schema, name)?
                {
                    self.qualified.push((*span, format!("{new}.*")));
                }
            }
        }
        // Two tables of one name in one FROM are told apart by their schemas only.
        for s in &self.blocks {
            let (list, _) = leaves(reading, &s.from);
            for (i, leaf) in list.iter().enumerate() {
                let moved = |w: &What<'_>| matches!(w, What::Use(at) if self.uses.iter().any(|u| u.at == *at));
                if list[..i].iter().any(|other| {
                    other.name == leaf.name && (moved(&other.what) || moved(&leaf.what))
                }) {
                    return Err(unable(format!(
                        "\"{}\" stands twice in one FROM.",
                        leaf.name
                    )));
                }
            }
        }
        Ok(())
    }

    /// What `schema.table` in front of a column becomes, when it means a gathered table.
    fn unqualified(
        &self,
        reading: &Reading<'_>,
        schema: &str,
        table: &str,
    ) -> Result<Option<String>, Refusal> {
        let means = |at: usize| {
            let known = &reading.facts.relations[at];
            known.alias == known.name.name
                && known.name.name == table
                && reading.schema(at).is_none_or(|s| s == schema)
        };
        let moved = self.uses.iter().any(|u| means(u.at));
        let stays =
            (0..reading.places.len()).any(|at| means(at) && !self.uses.iter().any(|u| u.at == at));
        match (moved, stays) {
            (false, _) => Ok(None),
            (true, false) => Ok(Some(quoted(table))),
            (true, true) => Err(unable(format!("\"{schema}.{table}\" is used in two ways."))),
        }
    }

    /// Rewrites references that would not be the same over the temporary tables.
    pub(super) fn rewrite(
        &self,
        reading: &Reading<'_>,
        splice: &mut Splice,
    ) -> Result<(), Refusal> {
        for (at, span) in &self.rows {
            let Some(used) = self.uses.iter().find(|u| u.at == *at) else {
                continue;
            };
            // A table of one shard alone has no type elsewhere: the temporary one's has the same columns.
            if matches!(reading.places[*at], Place::Shard(_)) {
                continue;
            }
            // A row of a temporary table is of that table's type; through its text it becomes one of the table's own.
            let row = span.of(reading.text);
            let row = row.trim_matches(['(', ')', ' ']);
            splice.replace(
                *span,
                format!("(CAST(CAST({row} AS text) AS {}))", used.table(reading)),
            );
        }
        for (span, text) in &self.qualified {
            if span.is_empty() {
                return Err(Refusal::new(
                    Reason::NotRead,
                    format!("The place of {text} in the statement is not clear."),
                ));
            }
            splice.replace(*span, text.clone());
        }
        Ok(())
    }
}

/// The columns of a relation's primary key.
fn primary<'a>(reading: &Reading<'a>, at: usize) -> Option<Vec<&'a str>> {
    let columns = &reading.relation(at)?.columns;
    let key: Vec<&str> = columns
        .iter()
        .filter(|c| c.primary)
        .map(|c| c.name.as_str())
        .collect();
    (!key.is_empty()).then_some(key)
}

fn list(columns: &[&str]) -> String {
    let quoted: Vec<String> = columns.iter().map(|c| quoted(c)).collect();
    quoted.join(", ")
}

/// Whether a call is of an aggregate whose result depends on the order of its rows, at least in its last digits.
fn depends_on_order(call: &Call) -> bool {
    is_aggregate(call)
        && call.over.is_none()
        && call.order_by.is_empty()
        && call.within_group.is_empty()
        && !matches!(
            call.name.name.as_str(),
            "count"
                | "min"
                | "max"
                | "bool_and"
                | "bool_or"
                | "every"
                | "bit_and"
                | "bit_or"
                | "bit_xor"
        )
}

fn is_called(item: &SelectItem, name: &str) -> bool {
    matches!(item, SelectItem::Expr { alias: Some(a), .. } if a == name)
}

impl<'s> Names<'s> {
    fn meet(&mut self, e: &'s Expr) {
        match &e.kind {
            ExprKind::Column { qualifier, name } => {
                self.columns.push((qualifier, name, e.span));
            }
            ExprKind::Field { name, .. } => self.more.push(name),
            ExprKind::Call(call) => self.by_order |= depends_on_order(call),
            ExprKind::Exists(q) => {
                if let SetExpr::Select(s) = &q.body {
                    self.exists.push(&**s);
                }
            }
            _ => {}
        }
    }

    fn join(&mut self, join: &'s Join) {
        match &join.on {
            JoinOn::Using(columns) => self.more.extend(columns.iter().map(String::as_str)),
            JoinOn::Natural => self.natural = true,
            JoinOn::On(_) | JoinOn::Nothing => {}
        }
    }
}
