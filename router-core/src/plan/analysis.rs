//! A query string's statements with their plans.

use std::sync::Arc;

use super::directive::Directed;
use super::resolve::{Direction, Param, Values, plain_param};
use super::{Plan, ValueSource};
use crate::id::{ShardId, Span};
use crate::sql::shape::Slot;
use crate::topology::{TableName, Topology};

/// The statements of a query string. Made once and used again and again: analysing into it allocates nothing
/// when the plans are in the cache.
#[derive(Debug, Default)]
pub struct Analysis {
    pub(super) statements: Vec<Planned>,
    pub(super) literals: Vec<Slot>,
    pub(super) rows: Vec<Span>,
    pub(super) suspect: bool,
}

impl Analysis {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Holds one statement, with all literals and rows.
    pub(super) fn alone(
        &mut self,
        span: Span,
        plan: Arc<Plan>,
        unknown: bool,
        withheld: Option<TableName>,
    ) {
        self.statements.push(Planned {
            span,
            plan,
            directive: None,
            route: None,
            unknown,
            withheld,
            literals: (0, self.literals.len() as u32),
            rows: (0, self.rows.len() as u32),
        });
    }

    /// The statements, in order. Empty when the string has none.
    pub fn statements(&self) -> &[Planned] {
        &self.statements
    }

    /// Whether PostgreSQL is certain to reject the string as a whole (an open quote or parenthesis): it runs no
    /// statement of it, so none may be run one by one.
    pub fn is_suspect(&self) -> bool {
        self.suspect
    }

    /// Whether a statement names a relation that the catalog does not have. It may have been made on the servers since
    /// the catalog was read: whoever wants to be certain reads it anew and plans again.
    pub fn names_unknown(&self) -> bool {
        self.statements.iter().any(|statement| statement.unknown)
    }

    /// The values of one execution of a statement of this analysis: `text` is the analysed string, `params` are those
    /// of the execution, `session` is the session's own direction.
    pub fn values<'a>(
        &'a self,
        statement: &Planned,
        text: &'a str,
        params: &'a [Param<'a>],
        session: Direction<'a>,
    ) -> Values<'a> {
        let (from, to) = statement.literals;
        Values {
            text: statement.span.of(text),
            literals: self.literals.get(from as usize..to as usize).unwrap_or(&[]),
            params,
            direction: match statement.directive {
                Some(Directed::Shard(at)) => Direction::Shard(at.of(text)),
                Some(Directed::Key(at)) => Direction::Key(at.of(text)),
                None => session,
            },
        }
    }

    /// The rows of an `INSERT … VALUES`, each from `(` to `)`, as offsets into the statement's text; for a plan that
    /// splits them. Empty when they could not be told.
    pub fn rows(&self, statement: &Planned) -> &[Span] {
        let (from, to) = statement.rows;
        self.rows.get(from as usize..to as usize).unwrap_or(&[])
    }
}

/// One statement of a query string with its plan.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Where it stands in the query string.
    pub span: Span,
    /// The plan.
    pub plan: Arc<Plan>,
    /// Where a comment in front says that it goes: `shard` or `key`, and the stretch of the query string with the value.
    pub(super) directive: Option<Directed>,
    /// Which servers a comment in front asks for: `route=primary`, `route=replica`.
    pub route: Option<Asked>,
    /// It names a relation that the catalog does not have: see [`Analysis::names_unknown`]. Or not all of it.
    pub unknown: bool,
    /// A relation without whose definition it cannot be planned, and which could not be read: a server says when it can
    /// ([`waiting`](crate::topology::catalog::read::waiting)).
    pub withheld: Option<TableName>,
    pub(super) literals: (u32, u32),
    pub(super) rows: (u32, u32),
}

impl Planned {
    /// The shard of an execution whose key is one integer parameter, and no other value has a say: what [`Plan::resolve`]
    /// comes to in more steps. `param` gives the parameter of a number, 0 first. `None`: it may be anywhere.
    pub fn plain_home<'a>(
        &self,
        topology: &Topology,
        param: impl FnOnce(usize) -> Option<Param<'a>>,
    ) -> Option<ShardId> {
        if self.directive.is_some() {
            return None;
        }
        self.plan.plain_home(topology, |source| match source {
            ValueSource::Param(n) => plain_param(&param(usize::from(*n).checked_sub(1)?)?),
            _ => None,
        })
    }
}

/// Which servers a comment in front of a statement asks for. It narrows the plan's role, never widens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The primary.
    Primary,
    /// A replica, where the plan allows one.
    Replica,
}
