//! Queries.

use sqlparser::ast;

use super::{Convert, Range, Read};
use crate::id::Span;
use crate::sql::parse::feed::index;
use crate::sql::parse::token::What;
use crate::sql::statement::{
    Cte, Distinct, Expr, ExprKind, GroupItem, LiteralKind, Lock, Name, Query, Select, SelectItem,
    SetExpr, SetOp, Statement, Values,
};

/// Words that end a `SELECT` block at its own level.
const BLOCK_ENDS: &[&str] = &[
    "union",
    "intersect",
    "except",
    "order",
    "limit",
    "offset",
    "fetch",
    "for",
    "returning",
];

/// Words that end a select list.
const LIST_ENDS: &[&str] = &["into", "from", "where", "group", "having", "window"];

impl Convert<'_, '_> {
    pub(super) fn query(&self, query: &ast::Query) -> Read<Query> {
        let ast::Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        if !locks.is_empty()
            || for_clause.is_some()
            || settings.is_some()
            || format_clause.is_some()
            || !pipe_operators.is_empty()
        {
            return Err("a clause at the end of a query".into());
        }
        let range = self.query_range(query);
        let order_by = match order_by {
            None => Vec::new(),
            Some(ast::OrderBy {
                kind: ast::OrderByKind::Expressions(items),
                interpolate: None,
            }) => self.order_items(items)?,
            Some(_) => return Err("this kind of ORDER BY".into()),
        };
        let (mut limit, offset) = self.limits(limit_clause.as_ref())?;
        let within = |e: &Expr, outer: &Span| {
            outer.start <= e.span.start && e.span.end <= outer.end && !e.span.is_empty()
        };
        let mut ties = self.notes.ties.iter();
        let mut with_ties = limit
            .as_ref()
            .is_some_and(|limit| ties.any(|outer| within(limit, outer)));
        if let Some(ast::Fetch {
            with_ties: ties,
            percent,
            quantity,
        }) = fetch
        {
            if *percent || limit.is_some() {
                return Err("this kind of FETCH".into());
            }
            with_ties = *ties;
            limit = match quantity {
                Some(count) => Some(self.expr(count)?),
                // One row, for which there is no literal in the text.
                None => Some(Expr {
                    kind: ExprKind::Literal(LiteralKind::Integer),
                    span: Span::default(),
                }),
            };
        }
        let locks = self.locks(range)?;
        if with_ties {
            let skips = |lock: &Lock| lock.text.to_ascii_lowercase().contains("skip");
            if order_by.is_empty() || locks.iter().any(skips) {
                return Err("WITH TIES without ORDER BY or with SKIP LOCKED".into());
            }
        }
        Ok(Query {
            with: self.with(with.as_ref())?,
            recursive: with.as_ref().is_some_and(|with| with.recursive),
            body: self.set_expr(body)?,
            order_by,
            limit,
            with_ties,
            offset,
            locks,
            span: range.map_or(Span::default(), |(from, to)| self.tokens.span(from, to)),
        })
    }

    fn limits(&self, clause: Option<&ast::LimitClause>) -> Read<(Option<Expr>, Option<Expr>)> {
        match clause {
            None => Ok((None, None)),
            Some(ast::LimitClause::LimitOffset {
                limit,
                offset,
                limit_by,
            }) if limit_by.is_empty() => {
                let offset = match offset {
                    Some(ast::Offset { value, rows: _ }) => Some(self.expr(value)?),
                    None => None,
                };
                Ok((self.optional(limit.as_ref())?, offset))
            }
            Some(_) => Err("this kind of LIMIT".into()),
        }
    }

    pub(super) fn with(&self, with: Option<&ast::With>) -> Read<Vec<Cte>> {
        let Some(ast::With {
            with_token: _,
            recursive: _,
            cte_tables,
        }) = with
        else {
            return Ok(Vec::new());
        };
        cte_tables
            .iter()
            .map(|cte| {
                let ast::Cte {
                    alias:
                        ast::TableAlias {
                            explicit: _,
                            name,
                            columns,
                            at: None,
                        },
                    query,
                    from: None,
                    materialized,
                    closing_paren_token,
                } = cte
                else {
                    return Err("this kind of WITH".into());
                };
                self.at(name)?;
                let kind = self.query_statement(query)?;
                let start = self.query_start(query);
                let end = index(closing_paren_token.0.span.start).and_then(|at| at.checked_sub(1));
                let span = start
                    .zip(end)
                    .map_or(Span::default(), |(from, to)| self.tokens.span(from, to));
                Ok(Cte {
                    name: name.value.clone(),
                    columns: columns
                        .iter()
                        .map(
                            |ast::TableAliasColumnDef { name, data_type }| match data_type {
                                None => Ok(name.value.clone()),
                                Some(_) => Err("this kind of WITH".into()),
                            },
                        )
                        .collect::<Read<_>>()?,
                    materialized: materialized
                        .as_ref()
                        .map(|hint| matches!(hint, ast::CteAsMaterialized::Materialized)),
                    body: Box::new(Statement { kind, span }),
                })
            })
            .collect()
    }

    /// The rows of a query. Set operations may be many, so their left spine is walked.
    fn set_expr(&self, body: &ast::SetExpr) -> Read<SetExpr> {
        let mut spine = Vec::new();
        let mut leftmost = body;
        while let ast::SetExpr::SetOperation {
            left,
            op,
            set_quantifier,
            right,
        } = leftmost
        {
            spine.push((op, set_quantifier, right));
            leftmost = left;
        }
        let mut acc = match leftmost {
            ast::SetExpr::Select(select) => SetExpr::Select(Box::new(self.select(select)?)),
            ast::SetExpr::Query(query) => SetExpr::Query(Box::new(self.query(query)?)),
            ast::SetExpr::Values(values) => SetExpr::Values(self.values(values)?),
            _ => return Err("this kind of statement inside a query".into()),
        };
        for (op, quantifier, right) in spine.into_iter().rev() {
            let op = match op {
                ast::SetOperator::Union => SetOp::Union,
                ast::SetOperator::Intersect => SetOp::Intersect,
                ast::SetOperator::Except => SetOp::Except,
                ast::SetOperator::Minus => return Err("MINUS".into()),
            };
            let all = match quantifier {
                ast::SetQuantifier::All => true,
                ast::SetQuantifier::None | ast::SetQuantifier::Distinct => false,
                _ => return Err("this kind of set operation".into()),
            };
            acc = SetExpr::SetOperation {
                op,
                all,
                left: Box::new(acc),
                right: Box::new(self.set_expr(right)?),
            };
        }
        Ok(acc)
    }

    pub(super) fn values(&self, values: &ast::Values) -> Read<Values> {
        let ast::Values {
            explicit_row,
            value_keyword,
            rows,
        } = values;
        if *explicit_row || *value_keyword {
            return Err("this kind of VALUES".into());
        }
        let mut read = Values {
            rows: Vec::with_capacity(rows.len()),
            row_spans: Vec::with_capacity(rows.len()),
        };
        for ast::Parens {
            opening_token,
            content,
            closing_token,
        } in rows
        {
            read.rows.push(self.exprs(content)?);
            let open = index(opening_token.0.span.start);
            let close = index(closing_token.0.span.start);
            let range = open.zip(close).filter(|(open, close)| {
                self.tokens.is_sym(*open, "(") && self.tokens.is_sym(*close, ")")
            });
            let (open, close) = range.ok_or("a row of VALUES whose place is unclear")?;
            read.row_spans.push(self.tokens.span(open, close));
        }
        Ok(read)
    }

    fn select(&self, select: &ast::Select) -> Read<Select> {
        let ast::Select {
            select_token,
            optimizer_hints,
            distinct,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        let foreign = !optimizer_hints.is_empty()
            || select_modifiers
                .as_ref()
                .is_some_and(ast::SelectModifiers::is_any_set)
            || top.is_some()
            || exclude.is_some()
            || !lateral_views.is_empty()
            || prewhere.is_some()
            || !connect_by.is_empty()
            || !cluster_by.is_empty()
            || !distribute_by.is_empty()
            || !sort_by.is_empty()
            || qualify.is_some()
            || value_table_mode.is_some()
            || *flavor != ast::SelectFlavor::Standard;
        if foreign {
            return Err("a clause of SELECT that PostgreSQL does not have".into());
        }
        let start = index(select_token.0.span.start).ok_or("a SELECT whose place is unclear")?;
        let end = self.block_end(start);
        let distinct = match distinct {
            None | Some(ast::Distinct::All) => Distinct::No,
            Some(ast::Distinct::Distinct) => Distinct::Yes,
            Some(ast::Distinct::On(exprs)) => Distinct::On(self.exprs(exprs)?),
        };
        if distinct == Distinct::Yes && projection.is_empty() {
            return Err("DISTINCT of no columns".into());
        }
        let mut windows = Vec::with_capacity(named_window.len());
        for ast::NamedWindowDefinition(name, window) in named_window {
            let ast::NamedWindowExpr::WindowSpec(spec) = window else {
                return Err("a window that is another's name".into());
            };
            windows.push((name.value.clone(), self.window(spec)?));
        }
        Ok(Select {
            distinct,
            items: self.items(projection)?,
            into: into.as_ref().map(|into| self.into(into)).transpose()?,
            from: self.from(from)?,
            filter: self.optional(selection.as_ref())?,
            group_by: self.group_by(group_by)?,
            group_distinct: self.group_distinct(start, end),
            having: self.optional(having.as_ref())?,
            windows,
            span: self.tokens.span(start, end),
            items_span: self.items_span(start, end),
        })
    }

    pub(super) fn items(&self, items: &[ast::SelectItem]) -> Read<Vec<SelectItem>> {
        items
            .iter()
            .map(|item| match item {
                ast::SelectItem::UnnamedExpr(expr) => Ok(SelectItem::Expr {
                    expr: self.expr(expr)?,
                    alias: None,
                }),
                ast::SelectItem::ExprWithAlias { expr, alias } => Ok(SelectItem::Expr {
                    expr: self.expr(expr)?,
                    alias: Some(self.at(alias).map(|_| alias.value.clone())?),
                }),
                ast::SelectItem::Wildcard(options) => {
                    let at = self.wildcard(options)?;
                    Ok(SelectItem::Wildcard {
                        qualifier: None,
                        // The star of `TABLE t` is not in the text.
                        span: if self.tokens.is_op(at, "*") || self.tokens.is_sym(at, "*") {
                            self.tokens.span(at, at)
                        } else {
                            Span::default()
                        },
                    })
                }
                ast::SelectItem::QualifiedWildcard(
                    ast::SelectItemQualifiedWildcardKind::ObjectName(name),
                    options,
                ) => {
                    self.wildcard(options)?;
                    let (qualifier, range) = self.name(name)?;
                    let span =
                        range.map_or(Span::default(), |(from, to)| self.tokens.span(from, to + 2));
                    Ok(SelectItem::Wildcard {
                        qualifier: Some(qualifier),
                        span,
                    })
                }
                ast::SelectItem::QualifiedWildcard(..)
                | ast::SelectItem::ExprWithAliases { .. } => {
                    Err("this kind of * in a select list".into())
                }
            })
            .collect()
    }

    fn wildcard(&self, options: &ast::WildcardAdditionalOptions) -> Read<usize> {
        let ast::WildcardAdditionalOptions {
            wildcard_token,
            opt_ilike: None,
            opt_exclude: None,
            opt_except: None,
            opt_replace: None,
            opt_rename: None,
            opt_alias: None,
        } = options
        else {
            return Err("a clause after *".into());
        };
        index(wildcard_token.0.span.start).ok_or_else(|| "a * whose place is unclear".into())
    }

    fn into(&self, into: &ast::SelectInto) -> Read<Name> {
        let ast::SelectInto {
            temporary: _,
            unlogged: _,
            table: _,
            targets,
        } = into;
        let [target] = targets.as_slice() else {
            return Err("SELECT INTO of several targets".into());
        };
        match self.expr(target)?.kind {
            ExprKind::Column { qualifier, name } => match qualifier.as_slice() {
                [] => Ok(Name { schema: None, name }),
                [schema] => Ok(Name {
                    schema: Some(schema.clone()),
                    name,
                }),
                _ => Err("SELECT INTO another database".into()),
            },
            _ => Err("SELECT INTO of something that is no name".into()),
        }
    }

    fn group_by(&self, group: &ast::GroupByExpr) -> Read<Vec<GroupItem>> {
        let ast::GroupByExpr::Expressions(items, modifiers) = group else {
            return Err("this kind of GROUP BY".into());
        };
        if !modifiers.is_empty() {
            return Err("this kind of GROUP BY".into());
        }
        items
            .iter()
            .map(|item| match item {
                ast::Expr::GroupingSets(sets) => {
                    let items = sets.iter().flatten().map(|item| self.expr(item));
                    let mut all = Vec::new();
                    for item in items {
                        match sets_of(item?) {
                            Ok(items) => all.extend(items),
                            Err(item) => all.push(item),
                        }
                    }
                    Ok(GroupItem::Sets(all))
                }
                ast::Expr::Cube(sets) | ast::Expr::Rollup(sets) => {
                    let items = sets.iter().flatten().map(|item| self.expr(item));
                    Ok(GroupItem::Sets(items.collect::<Read<_>>()?))
                }
                ast::Expr::Tuple(items) if items.is_empty() => Ok(GroupItem::Sets(Vec::new())),
                item => Ok(match sets_of(self.expr(item)?) {
                    Ok(items) => GroupItem::Sets(items),
                    Err(expr) => GroupItem::Expr(expr),
                }),
            })
            .collect()
    }

    // === Where things are ===

    /// The first token of a query.
    pub(super) fn query_start(&self, query: &ast::Query) -> Option<usize> {
        match &query.with {
            Some(with) => index(with.with_token.0.span.start),
            None => self.body_start(&query.body),
        }
    }

    fn body_start(&self, body: &ast::SetExpr) -> Option<usize> {
        let mut body = body;
        while let ast::SetExpr::SetOperation { left, .. } = body {
            body = left;
        }
        match body {
            ast::SetExpr::Select(select) => index(select.select_token.0.span.start),
            ast::SetExpr::Query(query) => self.query_start(query)?.checked_sub(1),
            ast::SetExpr::Values(values) => {
                let open = index(values.rows.first()?.opening_token.0.span.start)?;
                open.checked_sub(1)
            }
            ast::SetExpr::Insert(ast::Statement::Insert(insert)) => {
                index(insert.insert_token.0.span.start)
            }
            ast::SetExpr::Update(ast::Statement::Update(update)) => {
                index(update.update_token.0.span.start)
            }
            ast::SetExpr::Delete(ast::Statement::Delete(delete)) => {
                index(delete.delete_token.0.span.start)
            }
            _ => None,
        }
    }

    /// The parentheses around a query.
    pub(super) fn query_parentheses(&self, query: &ast::Query) -> Range {
        let open = self.query_start(query)?.checked_sub(1)?;
        let close = self
            .tokens
            .is_sym(open, "(")
            .then(|| self.tokens.close(open))??;
        Some((open, close))
    }

    /// The tokens of a query: to the parenthesis that closes it or the statement's end.
    fn query_range(&self, query: &ast::Query) -> Range {
        let start = self.query_start(query)?;
        let end = self.scan(start, |at| {
            (self.tokens.is_word(at, "on") && self.tokens.is_word(at + 1, "conflict"))
                || self.tokens.is_word(at, "returning")
        });
        Some((start, end))
    }

    /// The last token of a `SELECT` block that starts at `start`.
    fn block_end(&self, start: usize) -> usize {
        self.scan(start, |at| {
            self.tokens.any_word(at, BLOCK_ENDS)
                || (self.tokens.is_word(at, "on") && self.tokens.is_word(at + 1, "conflict"))
        })
    }

    /// The token before the first one after `start`, at its level, that ends it.
    fn scan(&self, start: usize, ends: impl Fn(usize) -> bool) -> usize {
        let tokens = self.tokens;
        let mut depth = 0usize;
        for at in start..tokens.len() {
            if tokens.what(at) == Some(What::Sym) {
                match tokens.text(at) {
                    "(" | "[" => depth += 1,
                    ")" | "]" if depth == 0 => return at.saturating_sub(1).max(start),
                    ")" | "]" => depth -= 1,
                    _ => {}
                }
            }
            let name = at > 0 && (tokens.is_sym(at - 1, ".") || tokens.is_word(at - 1, "as"));
            if depth == 0 && at > start && !name && ends(at) {
                return at - 1;
            }
        }
        tokens.len() - 1
    }

    fn items_span(&self, start: usize, end: usize) -> Span {
        let tokens = self.tokens;
        if !tokens.is_word(start, "select") {
            return Span::default();
        }
        let mut first = start + 1;
        if tokens.is_word(first, "all") {
            first += 1;
        } else if tokens.is_word(first, "distinct") {
            first += 1;
            if tokens.is_word(first, "on") {
                match tokens.close(first + 1) {
                    Some(close) => first = close + 1,
                    None => return Span::default(),
                }
            }
        }
        let last = self.scan(start, |at| {
            let distinct_from =
                tokens.is_word(at, "from") && tokens.is_word(at - 1, "distinct") && at > first;
            let within_group = tokens.is_word(at, "group") && tokens.is_word(at - 1, "within");
            let other = distinct_from || within_group;
            at >= first && tokens.any_word(at, LIST_ENDS) && !other
        });
        tokens.span(first, last.min(end))
    }

    /// Whether `GROUP BY DISTINCT` is written; the feed leaves the word out.
    fn group_distinct(&self, start: usize, end: usize) -> bool {
        let group = self.scan(start, |at| {
            self.tokens.is_word(at, "group") && self.tokens.is_word(at + 1, "by")
        }) + 1;
        group <= end && self.tokens.is_word(group + 2, "distinct")
    }

    /// The locking clauses of the query at this range.
    fn locks(&self, range: Range) -> Read<Vec<Lock>> {
        if self.notes.locks.is_empty() {
            return Ok(Vec::new());
        }
        let (from, to) = range.ok_or("a locking clause in this place")?;
        let mut locks = Vec::new();
        for note in &self.notes.locks {
            let same_level = self.depth(from) == note.depth;
            if (from..=to).contains(&note.at) && same_level {
                locks.push(Lock {
                    text: note.span.of(self.tokens.source).to_owned(),
                });
            }
        }
        self.locks.set(self.locks.get() + locks.len());
        Ok(locks)
    }

    /// How many parentheses are open before a token.
    fn depth(&self, at: usize) -> usize {
        let mut depth = 0usize;
        for token in &self.tokens.list[..at] {
            if token.what == What::Sym {
                match token.text.as_str() {
                    "(" => depth += 1,
                    ")" => depth = depth.saturating_sub(1),
                    _ => {}
                }
            }
        }
        depth
    }
}

/// What `ROLLUP` or `CUBE` has in it, which behind another item, or among `GROUPING SETS`, look like calls; or the expression.
fn sets_of(expr: Expr) -> Result<Vec<Expr>, Expr> {
    match expr.kind {
        ExprKind::Call(call)
            if call.name.schema.is_none()
                && ["rollup", "cube"].contains(&call.name.name.as_str()) =>
        {
            Ok(call.args)
        }
        _ => Err(expr),
    }
}
