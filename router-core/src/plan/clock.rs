//! What a statement does with the time of its transaction, and what a transaction over shards may do with it.
//!
//! `now()` and its kin are one moment for a whole transaction on one server. Over shards each has its own, since it begins
//! where the shard joins. As long as every row is given the time of the shard it is on, a comparison there is as on one
//! server. It is another one once a time of one shard was stored on another, or is compared with in rows of another.

use super::defaults::{self, Defaulted};
use super::function::{self, Nature, nature};
use super::make::Input;
use super::names;
use super::walk::{self, Met, Part};
use super::words::Word;
use super::{Plan, Reason, Refusal, Route};
use crate::sql::statement::{
    Assignment, CopyWhat, Cte, Expr, ExprKind, Insert, InsertSource, Kind, Name, Query, SelectItem,
    Session, SetExpr, Statement,
};
use crate::topology::catalog::{Known, Relation};

/// What a statement does with the time of its transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// It may store it.
    pub stores: bool,
    /// What it does may depend on how the time compares with what is stored.
    pub compares: bool,
}

impl Clock {
    /// What two statements do.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            stores: self.stores | other.stores,
            compares: self.compares | other.compares,
        }
    }
}

/// Whose times a transaction over shards has stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stored {
    /// None.
    #[default]
    Nothing,
    /// Each shard's own in its own rows.
    Own,
    /// One shard's may be in rows of another.
    Carried,
}

impl Stored {
    /// Whether a statement may compare with its time what the transaction has stored so far. `as_it_is`: its own text goes to
    /// its shards, so that each compares its own rows with its own time.
    ///
    /// # Errors
    /// When another time would be compared with than was stored.
    pub fn allows(self, clock: Clock, as_it_is: bool) -> Result<(), Refusal> {
        let same = match self {
            Self::Nothing => true,
            Self::Own => as_it_is,
            Self::Carried => false,
        };
        if same || !clock.compares {
            return Ok(());
        }
        Err(Refusal::new(
            Reason::Moment,
            "The transaction has stored the time of one shard, and would compare it with the time of another.",
        )
        .with_hint("Ask for the time once and give it to all statements of the transaction as a parameter."))
    }

    /// What is stored after a statement that stores rows, or does not.
    #[must_use]
    pub fn after(self, clock: Clock, as_it_is: bool, stores_rows: bool) -> Self {
        let carries = clock.stores || stores_rows && self != Self::Nothing;
        match as_it_is {
            false if carries => Self::Carried,
            true if clock.stores => self.max(Self::Own),
            _ => self,
        }
    }
}

impl Plan {
    /// Whether its own text goes to its shards when it goes to several, whatever becomes of their answers.
    pub fn goes_as_it_is(&self) -> bool {
        matches!(self.route, Route::Single(_) | Route::Scatter { .. })
    }
}

/// What a statement does with the time.
pub(super) fn of(input: &Input<'_>, statement: &Statement) -> Clock {
    let mut reader = Reader {
        input,
        clock: Clock::default(),
    };
    reader.statement(statement);
    reader.clock
}

/// The same of a `MERGE`, by the words of its text.
pub(super) fn of_merge(input: &Input<'_>, target: &Name, words: &[Word]) -> Clock {
    let reader = Reader {
        input,
        clock: Clock::default(),
    };
    let named = words.iter().any(|w| w.name && function::is_clock(&w.text));
    Clock {
        stores: named || reader.has_default(target, &[]),
        compares: named,
    }
}

/// Calls what it is given for everything in a part of a statement.
type Walk<'w> = dyn Fn(&mut dyn FnMut(Met<'_>)) + 'w;

struct Reader<'i> {
    input: &'i Input<'i>,
    clock: Clock,
}

impl Reader<'_> {
    fn statement(&mut self, statement: &Statement) {
        match &statement.kind {
            Kind::Query(q) => self.query(q, false),
            Kind::Insert(i) => self.insert(i),
            Kind::Update(u) => {
                self.ctes(&u.with);
                self.rest(&|f| u.from.iter().for_each(|t| walk::from(t, f)));
                // It may come into an assigned value from there.
                self.clock.stores |= self.clock.compares;
                self.assignments(&u.assignments);
                self.rest(&|f| u.filter.iter().for_each(|e| walk::expr(e, f)));
                self.items(&u.returning, false);
            }
            Kind::Delete(d) => {
                self.ctes(&d.with);
                self.rest(&|f| {
                    d.using.iter().for_each(|t| walk::from(t, f));
                    d.filter.iter().for_each(|e| walk::expr(e, f));
                });
                self.items(&d.returning, false);
            }
            Kind::Copy(c) => {
                match &c.what {
                    CopyWhat::Query(inner) => self.statement(inner),
                    CopyWhat::Table { relation, columns } if c.from => {
                        self.clock.stores |= self.has_default(&relation.name, columns);
                    }
                    CopyWhat::Table { .. } => {}
                }
                self.rest(&|f| c.filter.iter().for_each(|e| walk::expr(e, f)));
            }
            Kind::Explain(e) => self.statement(&e.statement),
            Kind::Session(Session::Declare { query, .. }) => self.statement(query),
            _ => {}
        }
    }

    fn insert(&mut self, i: &Insert) {
        self.ctes(&i.with);
        self.clock.stores |= self.clock.compares;
        let mut said = &i.columns[..];
        match &i.source {
            InsertSource::DefaultValues => said = &[],
            InsertSource::Values(v) => {
                for e in v.rows.iter().flatten() {
                    self.value(e, true);
                    if e.kind == ExprKind::Default {
                        said = &[];
                    }
                }
            }
            InsertSource::Query(q) => self.query(q, true),
        }
        if let Some(conflict) = &i.on_conflict {
            self.assignments(conflict.update.as_deref().unwrap_or(&[]));
            self.rest(&|f| conflict.filter.iter().for_each(|e| walk::expr(e, f)));
        }
        self.clock.stores |= self.has_default(&i.target.name, said);
        self.items(&i.returning, false);
    }

    fn assignments(&mut self, list: &[Assignment]) {
        list.iter().for_each(|a| self.value(&a.value, true));
        // Its column's may be the time.
        self.clock.stores |= list.iter().any(|a| a.value.kind == ExprKind::Default);
    }

    /// Common table expressions: what becomes of their rows is not followed.
    fn ctes(&mut self, list: &[Cte]) {
        for cte in list {
            match &cte.body.kind {
                Kind::Query(q) => self.rest(&|f| walk::query(q, f)),
                _ => self.statement(&cte.body),
            }
        }
    }

    /// A query whose rows are stored or shown.
    fn query(&mut self, q: &Query, stores: bool) {
        self.ctes(&q.with);
        self.set(&q.body, stores);
        self.rest(&|f| q.order_by.iter().for_each(|o| walk::expr(&o.expr, f)));
        // What stands elsewhere in it may come into the rows.
        self.clock.stores |= stores && self.clock.compares;
    }

    fn set(&mut self, body: &SetExpr, stores: bool) {
        match body {
            SetExpr::Select(s) => {
                self.items(&s.items, stores);
                self.rest(&|f| {
                    s.from.iter().for_each(|t| walk::from(t, f));
                    s.filter
                        .iter()
                        .chain(&s.having)
                        .for_each(|e| walk::expr(e, f));
                    s.group_by
                        .iter()
                        .flat_map(|item| item.exprs())
                        .for_each(|e| walk::expr(e, f));
                });
            }
            SetExpr::Values(v) => v.rows.iter().flatten().for_each(|e| self.value(e, stores)),
            SetExpr::SetOperation { left, right, .. } => {
                self.set(left, stores);
                self.set(right, stores);
            }
            SetExpr::Query(q) => self.query(q, stores),
        }
    }

    fn items(&mut self, list: &[SelectItem], stores: bool) {
        for item in list {
            if let SelectItem::Expr { expr, .. } = item {
                self.value(expr, stores);
            }
        }
    }

    /// A value that is stored or shown.
    fn value(&mut self, e: &Expr, stores: bool) {
        if self.tells(e) {
            self.clock.stores |= stores;
            self.clock.compares |= !self.is_plain(e);
        }
    }

    /// What decides about rows.
    fn rest(&mut self, walk: &Walk<'_>) {
        let mut found = false;
        walk(&mut |met| {
            if let Met::Expr(e) = met {
                found |= self.is_clock(e);
            }
        });
        self.clock.compares |= found;
    }

    fn is_clock(&self, e: &Expr) -> bool {
        matches!(&e.kind, ExprKind::Call(call)
            if nature(call, self.input.catalog, self.input.search_path) == Nature::Clock)
    }

    /// Whether the time is in it.
    fn tells(&self, e: &Expr) -> bool {
        let mut found = false;
        walk::expr(e, &mut |met| {
            if let Met::Expr(e) = met {
                found |= self.is_clock(e);
            }
        });
        found
    }

    /// Whether a value with the time in it says only when it is: rows do not decide what it is.
    fn is_plain(&self, e: &Expr) -> bool {
        if is_constant(e) {
            return true;
        }
        let each = |list: &[Expr]| list.iter().all(|e| !self.tells(e) || self.is_plain(e));
        match &e.kind {
            ExprKind::Cast { expr, .. } | ExprKind::Collate { expr, .. } => self.is_plain(expr),
            // A column beside it is a stretch of time.
            ExprKind::Binary { op, left, right } if op == "+" => {
                each(std::slice::from_ref(left)) && each(std::slice::from_ref(right))
            }
            ExprKind::Binary { op, left, right } if op == "-" => {
                is_constant(right) && self.is_plain(left)
            }
            ExprKind::Row(list) | ExprKind::Array(list) => each(list),
            ExprKind::Call(call) if call.name.name == "coalesce" => each(&call.args),
            ExprKind::Case {
                operand,
                arms,
                otherwise,
            } => {
                operand.iter().all(|e| !self.tells(e))
                    && arms
                        .iter()
                        .all(|(when, then)| !self.tells(when) && each(std::slice::from_ref(then)))
                    && otherwise.iter().all(|e| each(std::slice::from_ref(e)))
            }
            _ => false,
        }
    }

    /// Whether a table has a column whose default may be the time, other than those that are given.
    fn has_default(&self, name: &Name, given: &[String]) -> bool {
        let Some(relation) = self.relation(name) else {
            return false;
        };
        relation.columns.iter().any(|column| {
            !given.contains(&column.name)
                && matches!(
                    defaults::in_path(self.input.catalog, self.input.search_path, column),
                    Defaulted::Clock | Defaulted::Unknown
                )
        })
    }

    fn relation(&self, name: &Name) -> Option<&Relation> {
        names::schemas(self.input.search_path, name)
            .map(|schema| self.input.catalog.relation(schema, &name.name))
            .find(|known| !matches!(known, Known::Absent))?
            .is()
    }
}

/// Whether no row is in a value.
fn is_constant(e: &Expr) -> bool {
    let mut constant = !matches!(e.kind, ExprKind::Column { .. });
    walk::parts(e, &mut |part| {
        constant &= match part {
            Part::Expr(inner) => is_constant(inner),
            Part::Query(_) => false,
        };
    });
    constant
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_several_shards_are_not_compared() {
        let stores = Clock {
            stores: true,
            compares: false,
        };
        let compares = Clock {
            stores: false,
            compares: true,
        };
        let nothing = Stored::default();
        assert!(nothing.allows(compares, false).is_ok());
        let own = nothing.after(stores, true, true);
        assert!(own.allows(compares, true).is_ok());
        assert!(own.allows(compares, false).is_err());
        let carried = nothing.after(stores, false, true);
        assert!(carried.allows(stores, false).is_ok());
        assert!(carried.allows(compares, true).is_err());
        // It may carry what is stored.
        assert_eq!(own.after(Clock::default(), false, true), Stored::Carried);
        assert_eq!(own.after(compares, true, false), own);
        assert_eq!(carried.after(stores, true, true), carried);
    }
}
