//! Conditions of one block: `WHERE` and the joins' `ON`.

use std::ops::Range;

use super::constant::{elements, is_constant};
use super::facts::Walker;
use super::scope::{self, Found, Output, find};
use super::{Bound, Column, Place, Restriction, TupleRestriction};
use crate::sql::lexer::TokenKind;
use crate::sql::statement::{Expr, ExprKind, JoinKind, QuantifiedSide};

/// The joins of one block.
#[derive(Default)]
pub(super) struct Context {
    /// Each join's sides, as ranges of the frame's entries, and its `ON`.
    pub(super) joins: Vec<(Side, Option<Expr>)>,
    /// Pairs of columns merged by `USING`, with the join's index.
    pub(super) using: Vec<(usize, Found, Found)>,
}

/// A join and what it joins.
#[derive(Clone)]
pub(super) struct Side {
    pub(super) kind: JoinKind,
    pub(super) left: Range<usize>,
    pub(super) right: Range<usize>,
}

impl Side {
    /// Whose rows may be replaced by nulls.
    fn nullable(&self, entry: usize) -> bool {
        match self.kind {
            JoinKind::Inner => false,
            JoinKind::Left => self.right.contains(&entry),
            JoinKind::Right => self.left.contains(&entry),
            JoinKind::Full => self.left.contains(&entry) || self.right.contains(&entry),
        }
    }

    /// Whose rows are kept without a match.
    fn preserved(&self, entry: usize) -> bool {
        match self.kind {
            JoinKind::Inner => false,
            JoinKind::Left => self.left.contains(&entry),
            JoinKind::Right => self.right.contains(&entry),
            JoinKind::Full => self.left.contains(&entry) || self.right.contains(&entry),
        }
    }

    /// The join once rows of `entry` that are nulls are known not to count.
    fn reduced(&self, entry: usize) -> JoinKind {
        match self.kind {
            JoinKind::Left if self.right.contains(&entry) => JoinKind::Inner,
            JoinKind::Right if self.left.contains(&entry) => JoinKind::Inner,
            JoinKind::Full if self.left.contains(&entry) => JoinKind::Left,
            JoinKind::Full if self.right.contains(&entry) => JoinKind::Right,
            kind => kind,
        }
    }
}

/// What one condition says.
enum Fact {
    Equal(Found, Found),
    Restrict(Found, Restriction),
    Tuple(Vec<Found>, Vec<Vec<Expr>>),
    /// The column is among a subquery's; the subquery's column when conditions reach it.
    Among(Found, Option<Column>),
}

impl Fact {
    /// The columns that are not null in any row the condition accepts.
    fn columns(&self) -> Vec<&Found> {
        match self {
            Self::Equal(a, b) => vec![a, b],
            Self::Restrict(column, _) | Self::Among(column, _) => vec![column],
            Self::Tuple(columns, _) => columns.iter().collect(),
        }
    }
}

impl Walker<'_> {
    /// Reads the conditions of the block whose frame is the innermost.
    pub(super) fn conditions(&mut self, context: &Context, filter: Option<&Expr>, block: usize) {
        let filter = filter.map_or_else(Vec::new, |filter| self.facts_of(filter, block));
        let on: Vec<Vec<Fact>> = context
            .joins
            .iter()
            .map(|(_, on)| {
                on.as_ref()
                    .map_or_else(Vec::new, |on| self.facts_of(on, block))
            })
            .collect();
        let mut sides: Vec<Side> = context.joins.iter().map(|(side, _)| side.clone()).collect();
        self.reduce(&mut sides, &filter, &on, context);
        self.mark(&sides);
        for fact in filter {
            self.record(fact, None);
        }
        for (at, facts) in on.into_iter().enumerate() {
            for fact in facts {
                self.record(fact, Some(&sides[at]));
            }
        }
        for (at, left, right) in &context.using {
            self.record(Fact::Equal(left.clone(), right.clone()), Some(&sides[*at]));
        }
    }

    /// Outer joins become inner where a condition accepts no nulls of their nullable side.
    fn reduce(&self, sides: &mut [Side], filter: &[Fact], on: &[Vec<Fact>], context: &Context) {
        loop {
            let mut strict: Vec<usize> = Vec::new();
            let mut note = |fact: &Fact| {
                let here = fact.columns().into_iter().filter(|found| found.depth == 0);
                strict.extend(here.map(|found| found.entry));
            };
            filter.iter().for_each(&mut note);
            for (at, side) in sides.iter().enumerate() {
                // An inner join's condition counts for the whole block unless an outer join
                // around it may replace its rows by nulls.
                let enclosed = sides.iter().enumerate().any(|(other, outer)| {
                    other != at
                        && !side.left.is_empty()
                        && outer.nullable(side.left.start)
                        && covers(outer, side)
                });
                if side.kind == JoinKind::Inner && !enclosed {
                    on[at].iter().for_each(&mut note);
                    for (join, left, right) in &context.using {
                        if *join == at {
                            note(&Fact::Equal(left.clone(), right.clone()));
                        }
                    }
                }
            }
            let mut changed = false;
            for side in sides.iter_mut() {
                for entry in &strict {
                    let kind = side.reduced(*entry);
                    changed |= kind != side.kind;
                    side.kind = kind;
                }
            }
            if !changed {
                return;
            }
        }
    }

    /// Notes on each relation whether an outer join makes it nullable or keeps its rows.
    fn mark(&mut self, sides: &[Side]) {
        let entries = self.frames.last().map_or(&[][..], |frame| &frame.entries);
        for (at, entry) in entries.iter().enumerate() {
            for relation in &mut self.facts.relations[entry.relations.clone()] {
                relation.nullable |= sides.iter().any(|side| side.nullable(at));
                relation.preserved |= sides.iter().any(|side| side.preserved(at));
            }
        }
    }

    /// Puts one condition's fact into the classes. `on` is the join whose `ON` it stands in.
    fn record(&mut self, fact: Fact, on: Option<&Side>) {
        // Whether rows of this column's relation that do not meet the condition count for nothing.
        let restricts = |found: &Found| {
            found.depth == 0
                && on.is_none_or(|side| match side.kind {
                    JoinKind::Inner => true,
                    JoinKind::Left => side.right.contains(&found.entry),
                    JoinKind::Right => side.left.contains(&found.entry),
                    JoinKind::Full => false,
                })
        };
        match fact {
            Fact::Equal(a, b) if !self.pass_on(&a.column, &b.column) => {}
            Fact::Equal(a, b) => match (restricts(&a), restricts(&b)) {
                (true, true) => self.classes.equal(&a.column, &b.column),
                (true, false) if self.leads(&b, on) => self.classes.follow(&a.column, &b.column),
                (false, true) if self.leads(&a, on) => self.classes.follow(&b.column, &a.column),
                _ => {}
            },
            Fact::Restrict(found, restriction) => {
                if restricts(&found) {
                    self.classes.restrict(&found.column, restriction);
                }
            }
            Fact::Tuple(columns, rows) => {
                if columns.iter().all(restricts) {
                    for (at, found) in columns.iter().enumerate() {
                        let values = rows.iter().map(|row| row[at].clone()).collect();
                        self.classes
                            .restrict(&found.column, Restriction::AnyOf(values));
                    }
                    self.facts.tuples.push(TupleRestriction {
                        columns: columns.into_iter().map(|found| found.column).collect(),
                        rows,
                    });
                }
            }
            Fact::Among(found, inner) => {
                if let Some(inner) = inner.filter(|inner| self.pass_on(inner, &found.column)) {
                    self.classes.follow(&inner, &found.column);
                }
            }
        }
    }

    /// Whether a column that is not restricted itself may lead one that is.
    fn leads(&self, leader: &Found, on: Option<&Side>) -> bool {
        leader.depth > 0 || on.is_some_and(|side| side.kind != JoinKind::Full)
    }

    // === Reading ===

    /// The facts of a condition's conjuncts; its subqueries are walked on the way.
    fn facts_of(&mut self, condition: &Expr, block: usize) -> Vec<Fact> {
        let conjuncts = match &condition.kind {
            ExprKind::And(conjuncts) => conjuncts.as_slice(),
            _ => std::slice::from_ref(condition),
        };
        let mut facts = Vec::new();
        for conjunct in conjuncts {
            if let ExprKind::InQuery {
                expr,
                query,
                negated: false,
            } = &conjunct.kind
            {
                self.subqueries(expr, block);
                let outputs = self.query(query, Some(block), Place::Expression);
                let inner = outputs.and_then(|outputs| outputs.columns.into_iter().next());
                let found = self.column(expr);
                if let (Some(found), true) = (found, self.bounds.whole(conjunct.span)) {
                    facts.push(match inner {
                        Some((_, Output::Column(column))) => Fact::Among(found, Some(column)),
                        Some((_, Output::Among(values))) => Fact::Restrict(found, among(values)),
                        _ => Fact::Among(found, None),
                    });
                }
                continue;
            }
            self.subqueries(conjunct, block);
            self.conjunct(conjunct, &mut facts);
        }
        facts
    }

    fn column(&self, expr: &Expr) -> Option<Found> {
        match &expr.kind {
            ExprKind::Column { qualifier, name } => {
                find(&self.frames, qualifier, name, self.has_column)
            }
            _ => None,
        }
    }

    fn conjunct(&self, expr: &Expr, facts: &mut Vec<Fact>) {
        if !self.bounds.whole(expr.span) {
            return;
        }
        match &expr.kind {
            ExprKind::And(conjuncts) => {
                for conjunct in conjuncts {
                    self.conjunct(conjunct, facts);
                }
            }
            ExprKind::Binary { op, left, right } => self.comparison(op, left, right, facts),
            ExprKind::InList {
                expr,
                list,
                negated: false,
            } => self.in_list(expr, list, facts),
            ExprKind::Quantified {
                left,
                op,
                all: false,
                right: QuantifiedSide::Array(array),
            } if op == "=" => {
                let Some(found) = self.column(left) else {
                    return;
                };
                if is_constant(array) {
                    let array = array.as_ref().clone();
                    facts.push(Fact::Restrict(found, Restriction::AnyOfArray(array)));
                } else if let Some(values) = elements(array).filter(|values| !values.is_empty()) {
                    facts.push(Fact::Restrict(found, Restriction::AnyOf(values)));
                }
            }
            ExprKind::Between {
                expr,
                low,
                high,
                negated: false,
                symmetric: false,
            } => {
                if let Some(found) = self.column(expr)
                    && is_constant(low)
                    && is_constant(high)
                {
                    let bound = |value: &Expr| Bound {
                        value: value.clone(),
                        inclusive: true,
                    };
                    facts.push(Fact::Restrict(
                        found,
                        Restriction::Range {
                            low: Some(bound(low)),
                            high: Some(bound(high)),
                        },
                    ));
                }
            }
            ExprKind::Or(arms) => self.alternatives(arms, facts),
            _ => {}
        }
    }

    fn comparison(&self, op: &str, left: &Expr, right: &Expr, facts: &mut Vec<Fact>) {
        if op == "="
            && let (ExprKind::Row(lefts), ExprKind::Row(rights)) = (&left.kind, &right.kind)
        {
            if lefts.len() == rights.len() {
                for (left, right) in lefts.iter().zip(rights) {
                    self.pair(left, right, facts);
                }
            }
            return;
        }
        let token = match op {
            "=" => TokenKind::Equals,
            "<" => TokenKind::Less,
            ">" => TokenKind::Greater,
            "<=" => TokenKind::LessEquals,
            ">=" => TokenKind::GreaterEquals,
            _ => return,
        };
        if !self.bounds.joined_by(left.span, right.span, token) {
            return;
        }
        if op == "=" {
            self.pair(left, right, facts);
            return;
        }
        let (column, value, upper) = if is_constant(right) {
            (left, right, op.starts_with('<'))
        } else if is_constant(left) {
            (right, left, op.starts_with('>'))
        } else {
            return;
        };
        let Some(found) = self.column(column) else {
            return;
        };
        let bound = Some(Bound {
            value: value.clone(),
            inclusive: op.ends_with('='),
        });
        let (low, high) = if upper { (None, bound) } else { (bound, None) };
        facts.push(Fact::Restrict(found, Restriction::Range { low, high }));
    }

    /// `left = right`, one of them a column.
    fn pair(&self, left: &Expr, right: &Expr, facts: &mut Vec<Fact>) {
        match (self.column(left), self.column(right)) {
            (Some(a), Some(b)) => facts.push(Fact::Equal(a, b)),
            (Some(found), None) if is_constant(right) => {
                facts.push(Fact::Restrict(found, Restriction::Equal(right.clone())));
            }
            (None, Some(found)) if is_constant(left) => {
                facts.push(Fact::Restrict(found, Restriction::Equal(left.clone())));
            }
            (Some(found), None) => {
                if let Some(values) = self.constants(right) {
                    facts.push(Fact::Restrict(found, among(values)));
                }
            }
            (None, Some(found)) => {
                if let Some(values) = self.constants(left) {
                    facts.push(Fact::Restrict(found, among(values)));
                }
            }
            _ => {}
        }
    }

    /// The constants of a column of a subquery.
    fn constants(&self, expr: &Expr) -> Option<Vec<Expr>> {
        match &expr.kind {
            ExprKind::Column { qualifier, name } => {
                scope::constants(&self.frames, qualifier, name, self.has_column)
            }
            _ => None,
        }
    }

    fn in_list(&self, left: &Expr, list: &[Expr], facts: &mut Vec<Fact>) {
        if let Some(found) = self.column(left) {
            if !list.is_empty() && list.iter().all(is_constant) {
                facts.push(Fact::Restrict(found, Restriction::AnyOf(list.to_vec())));
            }
            return;
        }
        let ExprKind::Row(columns) = &left.kind else {
            return;
        };
        let columns: Option<Vec<Found>> = columns.iter().map(|item| self.column(item)).collect();
        let rows: Option<Vec<Vec<Expr>>> = list
            .iter()
            .map(|row| match &row.kind {
                ExprKind::Row(values) if values.iter().all(is_constant) => Some(values.clone()),
                _ => None,
            })
            .collect();
        if let (Some(columns), Some(rows)) = (columns, rows)
            && rows.iter().all(|row| row.len() == columns.len())
        {
            facts.push(Fact::Tuple(columns, rows));
        }
    }

    /// `OR`: a column restricted to constants in every arm is restricted to all of them.
    fn alternatives(&self, arms: &[Expr], facts: &mut Vec<Fact>) {
        let mut common: Option<Vec<(Found, Vec<Expr>)>> = None;
        for arm in arms {
            let mut inside = Vec::new();
            self.conjunct(arm, &mut inside);
            let values: Vec<(Found, Vec<Expr>)> = inside
                .into_iter()
                .filter_map(|fact| match fact {
                    Fact::Restrict(found, Restriction::Equal(value)) => Some((found, vec![value])),
                    Fact::Restrict(found, Restriction::AnyOf(values)) => Some((found, values)),
                    _ => None,
                })
                .collect();
            common = Some(match common {
                None => values,
                Some(before) => before
                    .into_iter()
                    .filter_map(|(found, mut all)| {
                        let (_, more) = values.iter().find(|(other, _)| *other == found)?;
                        all.extend(more.iter().cloned());
                        Some((found, all))
                    })
                    .collect(),
            });
        }
        for (found, values) in common.unwrap_or_default() {
            facts.push(Fact::Restrict(found, Restriction::AnyOf(values)));
        }
    }
}

/// Equal to one of these.
fn among(mut values: Vec<Expr>) -> Restriction {
    match values.len() {
        1 => Restriction::Equal(values.remove(0)),
        _ => Restriction::AnyOf(values),
    }
}

/// Whether `outer` joins everything that `inner` joins, on one of its sides.
fn covers(outer: &Side, inner: &Side) -> bool {
    let within =
        |side: &Range<usize>| side.start <= inner.left.start && inner.right.end <= side.end;
    within(&outer.left) || within(&outer.right)
}
