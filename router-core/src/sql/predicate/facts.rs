//! The walk over a statement's blocks.

use std::ops::Range;

use super::bounds::Bounds;
use super::classes::Classes;
use super::conditions::{Context, Side};
use super::outputs;
use super::scope::{Entry, Frame, Outputs, Source, find};
use super::{Alike, Block, Column, Facts, HasColumn, Place, RelationUse};
use crate::sql::lexer;
use crate::sql::statement::{
    Alias, CopyWhat, Cte, Expr, Ident, InsertSource, Join, JoinKind, JoinOn, Kind, Query, Relation,
    Select, SelectItem, SetExpr, Statement, TableRef,
};
use crate::sql::walk;

/// Finds what a statement's conditions prove. `text` is the text that the statement was read from.
pub fn facts(
    statement: &Statement,
    text: &str,
    options: lexer::Options,
    has_column: &HasColumn<'_>,
    alike: &Alike<'_>,
) -> Facts {
    let mut walker = Walker {
        facts: Facts::default(),
        classes: Classes::default(),
        has_column,
        alike,
        bounds: Bounds::new(text, options),
        ctes: Vec::new(),
        frames: Vec::new(),
        uses: walk::relation_counts(statement),
        params: walk::param_counts(statement),
    };
    walker.statement(statement, None, Place::Top);
    let mut facts = walker.facts;
    facts.classes = walker.classes.finish();
    facts
}

pub(super) struct Walker<'w> {
    pub(super) facts: Facts,
    pub(super) classes: Classes,
    pub(super) has_column: &'w HasColumn<'w>,
    alike: &'w Alike<'w>,
    pub(super) bounds: Bounds<'w>,
    /// Common table expressions in sight, the innermost last.
    ctes: Vec<(Ident, Source, Range<usize>)>,
    pub(super) frames: Vec<Frame>,
    /// How often each unqualified name is used as a relation anywhere in the statement.
    uses: Vec<(Ident, usize)>,
    /// How often each parameter is, `$1` first.
    params: Vec<u32>,
}

impl Walker<'_> {
    fn statement(&mut self, statement: &Statement, parent: Option<usize>, place: Place) {
        let depth = self.ctes.len();
        match &statement.kind {
            Kind::Query(query) => {
                self.query(query, parent, place);
            }
            Kind::Insert(insert) => {
                let block = self.block(parent, place);
                self.with(&insert.with, insert.recursive, block);
                let target = self.target(&insert.target, block);
                match &insert.source {
                    InsertSource::Query(query) => {
                        self.query(query, Some(block), Place::Source);
                    }
                    InsertSource::Values(values) => {
                        for value in values.rows.iter().flatten() {
                            self.subqueries(value, block);
                        }
                    }
                    InsertSource::DefaultValues => {}
                }
                self.frames.push(Frame {
                    entries: vec![target],
                    merged: Vec::new(),
                });
                if let Some(conflict) = &insert.on_conflict {
                    for assignment in conflict.update.iter().flatten() {
                        self.subqueries(&assignment.value, block);
                    }
                    self.all_subqueries(conflict.filter.iter(), block);
                }
                self.items(&insert.returning, block);
                self.frames.pop();
            }
            Kind::Update(update) => {
                let block = self.block(parent, place);
                self.with(&update.with, update.recursive, block);
                let target = self.target(&update.target, block);
                let context = self.from(Some(target), &update.from, block);
                self.conditions(&context, update.filter.as_ref(), block);
                for assignment in &update.assignments {
                    self.subqueries(&assignment.value, block);
                }
                self.items(&update.returning, block);
                self.frames.pop();
            }
            Kind::Delete(delete) => {
                let block = self.block(parent, place);
                self.with(&delete.with, delete.recursive, block);
                let target = self.target(&delete.target, block);
                let context = self.from(Some(target), &delete.using, block);
                self.conditions(&context, delete.filter.as_ref(), block);
                self.items(&delete.returning, block);
                self.frames.pop();
            }
            Kind::Copy(copy) => match &copy.what {
                CopyWhat::Table { relation, .. } => {
                    let block = self.block(parent, place);
                    let entry = self.relation(relation, block, copy.from);
                    let context = self.from(Some(entry), &[], block);
                    self.conditions(&context, copy.filter.as_ref(), block);
                    self.frames.pop();
                }
                CopyWhat::Query(statement) => self.statement(statement, parent, place),
            },
            Kind::Explain(explain) => self.statement(&explain.statement, parent, place),
            Kind::Session(session) => {
                if let Some(statement) = session.statement() {
                    self.statement(statement, parent, place);
                }
            }
            Kind::Transaction(_) | Kind::Utility(_) | Kind::Empty | Kind::Unread(_) => {}
        }
        self.ctes.truncate(depth);
    }

    /// Whether an equality of two columns holds of whatever else equals one of them.
    pub(super) fn pass_on(&self, a: &Column, b: &Column) -> bool {
        let of = |column: &Column| &self.facts.relations[column.relation].name;
        (self.alike)((of(a), &a.name), (of(b), &b.name))
    }

    fn block(&mut self, parent: Option<usize>, place: Place) -> usize {
        self.facts.blocks.push(Block { parent, place });
        self.facts.blocks.len() - 1
    }

    fn with(&mut self, ctes: &[Cte], recursive: bool, block: usize) {
        // Nothing outside a common table expression can be seen from inside, save other ones
        // and the blocks around the statement.
        let hidden = self.ctes.len();
        if recursive {
            for cte in ctes {
                self.ctes.push((cte.name.clone(), Source::Opaque, 0..0));
            }
        }
        for (at, cte) in ctes.iter().enumerate() {
            let first = self.facts.relations.len();
            let source = match &cte.body.kind {
                Kind::Query(query) if !recursive => {
                    let outputs = self.query(query, Some(block), Place::Cte);
                    let once = self
                        .uses
                        .iter()
                        .any(|(name, count)| *name == cte.name && *count == 1);
                    outputs
                        .filter(|_| once)
                        .and_then(|outputs| outputs::renamed(outputs, &cte.columns))
                        .map_or(Source::Opaque, Source::Derived)
                }
                _ => {
                    self.statement(&cte.body, Some(block), Place::Cte);
                    Source::Opaque
                }
            };
            if recursive {
                self.ctes[hidden + at].1 = source;
                self.ctes[hidden + at].2 = first..self.facts.relations.len();
            } else {
                let relations = first..self.facts.relations.len();
                self.ctes.push((cte.name.clone(), source, relations));
            }
        }
    }

    /// Walks a query; gives what its columns are inside, when conditions on them reach inside.
    pub(super) fn query(
        &mut self,
        query: &Query,
        parent: Option<usize>,
        place: Place,
    ) -> Option<Outputs> {
        let depth = self.ctes.len();
        let holder = match query.with.is_empty() {
            true => parent,
            false => {
                // Common table expressions belong to a block of their own around the query's.
                let block = self.block(parent, place);
                self.with(&query.with, query.recursive, block);
                Some(block)
            }
        };
        let outputs = self.set_expr(&query.body, query, holder, place);
        self.ctes.truncate(depth);
        outputs
    }

    fn set_expr(
        &mut self,
        body: &SetExpr,
        query: &Query,
        parent: Option<usize>,
        place: Place,
    ) -> Option<Outputs> {
        match body {
            SetExpr::Select(select) => self.select(select, Some(query), parent, place),
            SetExpr::Query(inner) => {
                let outputs = self.query(inner, parent, place);
                self.order(query, parent);
                let plain = query.limit.is_none() && query.offset.is_none();
                outputs.filter(|_| plain)
            }
            SetExpr::Values(values) => {
                let block = self.block(parent, place);
                self.all_subqueries(values.rows.iter().flatten(), block);
                self.order(query, Some(block));
                outputs::values(values, &self.params)
            }
            SetExpr::SetOperation { .. } => {
                let block = self.block(parent, place);
                let mut stack = vec![body];
                while let Some(arm) = stack.pop() {
                    match arm {
                        SetExpr::SetOperation { left, right, .. } => {
                            stack.push(right);
                            stack.push(left);
                        }
                        SetExpr::Select(select) => {
                            self.select(select, None, Some(block), Place::Arm);
                        }
                        SetExpr::Query(inner) => {
                            self.query(inner, Some(block), Place::Arm);
                        }
                        SetExpr::Values(values) => {
                            self.all_subqueries(values.rows.iter().flatten(), block);
                        }
                    }
                }
                self.order(query, Some(block));
                None
            }
        }
    }

    /// Subqueries in `ORDER BY`, `LIMIT` and `OFFSET`.
    fn order(&mut self, query: &Query, block: Option<usize>) {
        let Some(block) = block else { return };
        self.all_subqueries(query.order_by.iter().map(|item| &item.expr), block);
        self.all_subqueries(query.limit.iter().chain(&query.offset), block);
    }

    fn select(
        &mut self,
        select: &Select,
        query: Option<&Query>,
        parent: Option<usize>,
        place: Place,
    ) -> Option<Outputs> {
        let block = self.block(parent, place);
        let context = self.from(None, &select.from, block);
        self.conditions(&context, select.filter.as_ref(), block);
        self.items(&select.items, block);
        walk::select_clauses(select, &mut |expr| self.subqueries(expr, block));
        if let Some(query) = query {
            self.order(query, Some(block));
        }
        let frames = self.frames.len();
        let frame = &self.frames[frames - 1..];
        let outputs = outputs::outputs(select, query, frame, self.has_column, &self.params);
        self.frames.pop();
        outputs
    }

    fn items(&mut self, items: &[SelectItem], block: usize) {
        for item in items {
            if let SelectItem::Expr { expr, .. } = item {
                self.subqueries(expr, block);
            }
        }
    }

    fn all_subqueries<'e>(&mut self, exprs: impl Iterator<Item = &'e Expr>, block: usize) {
        for expr in exprs {
            self.subqueries(expr, block);
        }
    }

    /// Walks the subqueries of an expression.
    pub(super) fn subqueries(&mut self, expr: &Expr, block: usize) {
        let mut queries = Vec::new();
        walk::queries(expr, &mut |query| queries.push(query));
        for query in queries {
            self.query(query, Some(block), Place::Expression);
        }
    }

    // === FROM ===

    fn target(&mut self, relation: &Relation, block: usize) -> Entry {
        self.base(relation, block, true)
    }

    /// A relation that is no common table expression.
    fn base(&mut self, relation: &Relation, block: usize, target: bool) -> Entry {
        let alias = relation.alias.as_ref();
        let opaque =
            alias.is_some_and(|alias| !alias.columns.is_empty()) || relation.sample.is_some();
        let name = alias.map_or(&relation.name.name, |alias| &alias.name);
        self.facts.relations.push(RelationUse {
            name: relation.name.clone(),
            span: relation.span,
            alias: name.clone(),
            block,
            target,
            nullable: false,
            preserved: false,
            opaque,
        });
        let at = self.facts.relations.len() - 1;
        let renamed = alias.is_some_and(|alias| !alias.columns.is_empty());
        Entry {
            alias: name.clone(),
            name: alias.is_none().then(|| relation.name.clone()),
            source: if renamed {
                Source::Opaque
            } else {
                Source::Base(at, relation.name.clone())
            },
            relations: at..at + 1,
        }
    }

    /// A relation by name, which may be a common table expression.
    fn relation(&mut self, relation: &Relation, block: usize, target: bool) -> Entry {
        if relation.name.schema.is_none() && !target {
            let cte = self
                .ctes
                .iter()
                .rev()
                .find(|(name, ..)| *name == relation.name.name);
            if let Some((name, source, relations)) = cte {
                let source = match (&relation.alias, source) {
                    (Some(alias), Source::Derived(outputs)) => {
                        outputs::renamed(outputs.clone(), &alias.columns)
                            .map_or(Source::Opaque, Source::Derived)
                    }
                    (_, source) => source.clone(),
                };
                return Entry {
                    alias: relation
                        .alias
                        .as_ref()
                        .map_or(name, |alias| &alias.name)
                        .clone(),
                    name: None,
                    source,
                    relations: relations.clone(),
                };
            }
        }
        self.base(relation, block, target)
    }

    /// Pushes the block's frame, with what its joins say.
    fn from(&mut self, target: Option<Entry>, from: &[TableRef], block: usize) -> Context {
        self.frames.push(Frame {
            entries: target.into_iter().collect(),
            merged: Vec::new(),
        });
        let mut context = Context::default();
        for item in from {
            self.table(item, block, &mut context);
        }
        context
    }

    fn push(&mut self, entry: Entry) {
        if let Some(frame) = self.frames.last_mut() {
            frame.entries.push(entry);
        }
    }

    fn count(&self) -> usize {
        self.frames.last().map_or(0, |frame| frame.entries.len())
    }

    fn table(&mut self, item: &TableRef, block: usize, context: &mut Context) {
        let first = self.facts.relations.len();
        match item {
            TableRef::Relation(relation) => {
                let entry = self.relation(relation, block, false);
                self.push(entry);
            }
            TableRef::Subquery {
                lateral,
                query,
                alias,
            } => {
                let hidden = (!lateral).then(|| self.frames.pop()).flatten();
                let outputs = self.query(query, Some(block), Place::From);
                self.frames.extend(hidden);
                let columns = alias.as_ref().map_or(&[][..], |alias| &alias.columns);
                let source = outputs
                    .and_then(|outputs| outputs::renamed(outputs, columns))
                    .map_or(Source::Opaque, Source::Derived);
                let relations = first..self.facts.relations.len();
                self.push(named(alias.as_ref(), source, relations));
            }
            TableRef::Function { calls, alias, .. } => {
                self.all_subqueries(calls.iter(), block);
                let relations = first..self.facts.relations.len();
                self.push(named(alias.as_ref(), Source::Opaque, relations));
            }
            TableRef::Join(join) => self.join(join, block, context),
        }
    }

    fn join(&mut self, join: &Join, block: usize, context: &mut Context) {
        let start = self.count();
        self.table(&join.left, block, context);
        let middle = self.count();
        self.table(&join.right, block, context);
        let end = self.count();
        let side = Side {
            kind: join.kind,
            left: start..middle,
            right: middle..end,
        };
        if let JoinOn::Using(columns) = &join.on {
            for column in columns {
                let pair = self.merge(column, &side);
                // Of two types the merged column has the one that both are brought to.
                let merged = match &pair {
                    (Some(left), Some(right)) if self.pass_on(&left.column, &right.column) => {
                        match join.kind {
                            JoinKind::Inner | JoinKind::Left => pair.0.clone(),
                            JoinKind::Right => pair.1.clone(),
                            JoinKind::Full => None,
                        }
                    }
                    _ => None,
                };
                if let Some(frame) = self.frames.last_mut() {
                    frame.merged.retain(|(known, _)| known != column);
                    frame.merged.push((column.clone(), merged));
                }
                if let (Some(left), Some(right)) = pair {
                    context.using.push((context.joins.len(), left, right));
                }
            }
        }
        let on = match &join.on {
            JoinOn::On(on) => Some(on.clone()),
            _ => None,
        };
        context.joins.push((side, on));
    }

    /// The column that `USING` names, on each side.
    fn merge(
        &self,
        column: &str,
        side: &Side,
    ) -> (Option<super::scope::Found>, Option<super::scope::Found>) {
        let Some(frame) = self.frames.last() else {
            return (None, None);
        };
        let within = |range: Range<usize>| {
            let earlier = frame.merged.iter().find(|(known, _)| known == column);
            if let Some((_, merged)) = earlier {
                let merged = merged.clone()?;
                if range.contains(&merged.entry) {
                    return Some(merged);
                }
            }
            let sub = Frame {
                entries: frame.entries[range.clone()].to_vec(),
                merged: Vec::new(),
            };
            let found = find(&[sub], &[], column, self.has_column)?;
            Some(super::scope::Found {
                entry: found.entry + range.start,
                ..found
            })
        };
        (within(side.left.clone()), within(side.right.clone()))
    }
}

fn named(alias: Option<&Alias>, source: Source, relations: Range<usize>) -> Entry {
    Entry {
        alias: alias.map(|alias| alias.name.clone()).unwrap_or_default(),
        name: None,
        source,
        relations,
    }
}
