//! A block that is evaluated in parts: its groups, and its aggregates as partial ones and what puts these together.

use super::super::function::is_aggregate;
use super::super::gather::TEMPORARY;
use super::super::infer;
use super::super::leaves::leaves;
use super::super::outputs::{named, outputs};
use super::super::reading::Reading;
use super::super::splice::{Splice, tokens};
use super::super::spread::{self, Spread, is_column};
use super::super::walk::{self, Met, Part};
use super::number::Number;
use crate::id::Span;
use crate::sql::Statement;
use crate::sql::lexer::TokenKind;
use crate::sql::statement::{
    Call, Distinct, Expr, ExprKind, GroupItem, LiteralKind, Query, Select, SelectItem, SetExpr,
    WHOLE_ROW,
};
use crate::topology::catalog::FIRST_USER_OID;
use crate::topology::catalog::{Column, Known};

/// A target list has no more entries than 1664 (`MaxTupleAttributeNumber` in PostgreSQL's `access/htup_details.h`), and an average
/// takes two.
const MOST_COLUMNS: usize = 1600;

/// The column of the least key of a group's rows.
pub(super) const LEAST_KEY: &str = "shunt_key";

/// The column of a partial aggregate.
pub(super) fn partial(n: usize) -> String {
    format!("{TEMPORARY}a{n}")
}

pub(super) fn division(n: usize) -> String {
    format!("{TEMPORARY}d{n}")
}

pub(super) fn group(n: usize) -> String {
    format!("{TEMPORARY}g{n}")
}

/// A block with the groups and the partial aggregates found so far.
pub(super) struct Block<'b, 'a> {
    pub(super) reading: &'b Reading<'a>,
    pub(super) s: &'b Select,
    /// What is grouped by, or the items of a DISTINCT without groups.
    pub(super) groups: Vec<&'b Expr>,
    /// Whether it has groups or aggregates; otherwise it is a DISTINCT alone.
    pub(super) grouped: bool,
    /// What the shards group by beyond that, for aggregates of different values.
    pub(super) divisions: Vec<&'b Expr>,
    /// Whether they group by a key too, of which different values are aggregated.
    pub(super) divides_keys: bool,
    /// Whether a partial aggregate is one of a key's different values: of each shard's whole groups, it says.
    of_key: bool,
    /// Texts of the partial aggregates.
    pub(super) parts: Vec<String>,
    /// Expressions that the shards evaluate.
    evaluated: Vec<&'b Expr>,
    pub(super) as_text: bool,
}

impl<'b, 'a> Block<'b, 'a> {
    pub(super) fn new(reading: &'b Reading<'a>, s: &'b Select) -> Option<Self> {
        let mut block = Block {
            reading,
            s,
            groups: Vec::new(),
            divisions: Vec::new(),
            divides_keys: false,
            of_key: false,
            grouped: true,
            parts: Vec::new(),
            evaluated: Vec::new(),
            as_text: false,
        };
        for item in &s.group_by {
            let GroupItem::Expr(e) = item else {
                return None;
            };
            let e = block.grouping(e)?;
            block.groups.push(e);
        }
        let aggregates = s.having.is_some()
            || s.items.iter().any(
                |i| matches!(i, SelectItem::Expr { expr, .. } if calls(expr, &mut is_aggregate)),
            );
        if s.group_by.is_empty() && !aggregates {
            let windows = s.items.iter().any(
                |i| matches!(i, SelectItem::Expr { expr, .. } if calls(expr, &mut |c| c.over.is_some())),
            );
            if s.distinct != Distinct::Yes || windows {
                return None;
            }
            block.grouped = false;
            for item in &s.items {
                let SelectItem::Expr { expr, .. } = item else {
                    return None;
                };
                block.groups.push(expr);
            }
        }
        for e in block.groups.clone() {
            if e.span.is_empty() || has_query(e) || block.may_be_record(e) {
                return None;
            }
            block.as_text |= !block.portable(e);
            block.evaluated.push(e);
        }
        Some(block)
    }

    /// What an entry of `GROUP BY` means: a number is an item, a bare name a column of `FROM` or else an item of that name.
    fn grouping(&self, e: &'b Expr) -> Option<&'b Expr> {
        match &e.kind {
            ExprKind::Literal(LiteralKind::Integer) => {
                let digits = e.span.of(self.reading.text);
                let n: usize = digits.trim_matches(['(', ')', ' ']).parse().ok()?;
                match self.s.items.get(n.checked_sub(1)?)? {
                    SelectItem::Expr { expr, .. } => Some(expr),
                    SelectItem::Wildcard { .. } => None,
                }
            }
            ExprKind::Literal(_) => None,
            ExprKind::Column { qualifier, name } if qualifier.is_empty() => {
                let items: Vec<&Expr> = self
                    .s
                    .items
                    .iter()
                    .filter_map(|i| match i {
                        SelectItem::Expr {
                            expr,
                            alias: Some(a),
                        } if a == name => Some(expr),
                        _ => None,
                    })
                    .collect();
                match (items[..].first(), self.is_input(name)) {
                    (None, _) | (Some(_), Some(true)) => Some(e),
                    (Some(item), Some(false)) if items.len() == 1 => Some(*item),
                    _ => None,
                }
            }
            _ => Some(e),
        }
    }

    /// Whether a name is a column of `FROM`, when that is known.
    fn is_input(&self, name: &str) -> Option<bool> {
        let (list, _) = leaves(self.reading, &self.s.from);
        let mut all = true;
        for leaf in &list {
            match leaf.columns(self.reading) {
                Some(columns) if columns.iter().any(|(n, _)| *n == name) => return Some(true),
                Some(_) => {}
                None => all = false,
            }
        }
        all.then_some(false)
    }

    /// Puts the parts in the place of groups and aggregates within an expression that is evaluated over groups.
    pub(super) fn rewrite(&mut self, e: &'b Expr, splice: &mut Splice) -> Option<()> {
        if let Some(n) = self.groups.iter().position(|g| self.same(g, e)) {
            splice.replace(at(e)?, group(n + 1));
            return Some(());
        }
        match &e.kind {
            ExprKind::Call(call) if call.over.is_none() && is_aggregate(call) => {
                let text = self.aggregate(e, call)?;
                splice.replace(at(e)?, text);
                return Some(());
            }
            // It is no group, so it may be what a primary key determines; or an error.
            ExprKind::Column { .. } => return None,
            _ => {}
        }
        let mut done = Some(());
        walk::parts(e, &mut |part| {
            done = match (done, part) {
                (Some(()), Part::Expr(inner)) => self.rewrite(inner, splice),
                _ => None,
            };
        });
        done
    }

    /// An entry of `ORDER BY` or `DISTINCT ON`: numbers and names of the result stay as they are.
    pub(super) fn sorted_by(&mut self, e: &'b Expr, splice: &mut Splice) -> Option<()> {
        match &e.kind {
            ExprKind::Literal(LiteralKind::Integer) => Some(()),
            ExprKind::Column { qualifier, name } if qualifier.is_empty() => {
                let (list, whole) = outputs(self.reading, self.s);
                match whole && !named(&list, name)?.is_empty() {
                    true => Some(()),
                    false => self.rewrite(e, splice),
                }
            }
            _ => self.rewrite(e, splice),
        }
    }

    /// The whole aggregate over its parts.
    pub(super) fn aggregate(&mut self, e: &'b Expr, call: &'b Call) -> Option<String> {
        let name = call.name.name.as_str();
        let plain = call
            .name
            .schema
            .as_deref()
            .is_none_or(|s| s == "pg_catalog")
            && !call.unusual_args
            && call.order_by.is_empty()
            && call.within_group.is_empty()
            && self.is_built_in(call)
            && !calls_any(call);
        let written = at(e)?.of(self.reading.text);
        if !plain {
            return None;
        }
        if call.distinct {
            if self.divides_keys || !call.args.iter().any(|a| self.is_key(a)) {
                return self.of_distinct(call);
            }
            self.of_key = true;
        }
        self.evaluated.extend(&call.args);
        self.evaluated.extend(&call.filter);
        // The span of a call may begin with parentheses around it.
        let of = |function: &str, x: &Expr| {
            let distinct = if call.distinct { "DISTINCT " } else { "" };
            let mut text = format!("{function}({distinct}{})", at(x)?.of(self.reading.text));
            if let Some(filter) = &call.filter {
                let filter = at(filter)?.of(self.reading.text);
                text.push_str(&format!(" FILTER (WHERE {filter})"));
            }
            Some(text)
        };
        Some(match (name, &call.args[..]) {
            ("count", _) => {
                let part = self.part(written.to_owned());
                format!("(CAST(coalesce(sum({part}), 0) AS bigint))")
            }
            ("sum", [x]) => {
                let number = self.number(x)?;
                let part = self.part(written.to_owned());
                match number {
                    Number::Small => format!("(CAST(sum({part}) AS bigint))"),
                    Number::Big | Number::Numeric => format!("(sum({part}))"),
                }
            }
            ("avg", [x]) => {
                self.number(x)?;
                let (sum, count) = (of("sum", x)?, of("count", x)?);
                let (sum, count) = (self.part(sum), self.part(count));
                format!("(sum({sum}) / nullif(sum({count}), 0))")
            }
            ("min" | "max", [x]) => {
                self.as_text |= !self.portable(x);
                let part = self.part(written.to_owned());
                format!("({name}({part}))")
            }
            ("bool_and" | "bool_or" | "every" | "bit_and" | "bit_or", [_]) => {
                let part = self.part(written.to_owned());
                format!("({name}({part}))")
            }
            _ => return None,
        })
    }

    /// Whether a key's different values were aggregated in groups that are divided further: one key may be in several.
    pub(super) fn counts_keys_twice(&self) -> bool {
        self.of_key && !self.divisions.is_empty()
    }

    /// An aggregate of different values: the shards' groups are divided by the value, so that each comes once of each
    /// shard, and PostgreSQL finds the different ones among them. The other aggregates add up from smaller groups alike.
    fn of_distinct(&mut self, call: &'b Call) -> Option<String> {
        let [x] = &call.args[..] else {
            return None;
        };
        let name = call.name.name.as_str();
        let whole = || matches!(self.number(x), Some(Number::Small | Number::Big));
        let fits = match name {
            "count" | "min" | "max" => true,
            // Of equal numbers with other digits behind the point it would be one or the other.
            "sum" | "avg" => whole(),
            _ => false,
        };
        let plain = matches!(x.kind, ExprKind::Literal(_) | ExprKind::Param(_));
        if !fits || call.filter.is_some() || plain || self.may_be_record(x) || at(x).is_none() {
            return None;
        }
        self.as_text |= !self.portable(x);
        self.evaluated.push(x);
        let n = match self.divisions.iter().position(|d| self.same(d, x)) {
            Some(n) => n,
            None => {
                self.divisions.push(x);
                self.divisions.len() - 1
            }
        };
        Some(format!("({name}(DISTINCT {}))", division(n + 1)))
    }

    /// The column of a partial aggregate.
    fn part(&mut self, text: String) -> String {
        let n = match self.parts.iter().position(|p| *p == text) {
            Some(n) => n,
            None => {
                self.parts.push(text);
                self.parts.len() - 1
            }
        };
        partial(n + 1)
    }

    /// Whether no schema of the search path has a function of an aggregate's name.
    pub(super) fn is_built_in(&self, call: &Call) -> bool {
        self.reading.catalog.is_known()
            && self
                .reading
                .search_path
                .iter()
                .filter(|s| *s != "pg_catalog")
                .all(|s| {
                    !matches!(
                        self.reading.catalog.function(s, &call.name.name),
                        Known::Is(_)
                    )
                })
    }

    fn is_key(&self, e: &Expr) -> bool {
        self.reading.sharded().any(|u| {
            let Some(([column], _)) = self.reading.key(u) else {
                return false;
            };
            !self.reading.facts.relations[u].nullable
                && is_column(self.reading, self.s, e, u, column)
        })
    }

    /// Whether a value may be a row without a type of its own: a server gives such rows but takes none. The name of
    /// an item of FROM stands for its row where no column is called so.
    fn may_be_record(&self, e: &Expr) -> bool {
        match &e.kind {
            ExprKind::Row(_) => true,
            ExprKind::Column { qualifier, name } => {
                let (list, _) = leaves(self.reading, &self.s.from);
                name == WHOLE_ROW
                    || qualifier.is_empty()
                        && self.is_input(name) != Some(true)
                        && list.iter().any(|leaf| leaf.name == name)
            }
            ExprKind::Case {
                arms, otherwise, ..
            } => {
                let values = arms.iter().map(|(_, then)| then);
                let mut values = values.chain(otherwise.as_deref());
                values.any(|e| self.may_be_record(e))
            }
            ExprKind::Call(call) => call.args.iter().any(|e| self.may_be_record(e)),
            _ => false,
        }
    }

    /// Whether a value's binary form is the same on every server, as far as is known.
    fn portable(&self, e: &Expr) -> bool {
        if let ExprKind::Column { .. } = &e.kind {
            return self.column(e).is_some_and(|c| c.portable);
        }
        infer::expr(self.reading, self.s, e).is_some_and(|t| t.oid < FIRST_USER_OID)
    }

    /// The table's column that an expression is.
    pub(super) fn column(&self, e: &Expr) -> Option<&'a Column> {
        let ExprKind::Column { qualifier, name } = &e.kind else {
            return None;
        };
        let (list, _) = leaves(self.reading, &self.s.from);
        let mut found = list
            .iter()
            .filter(|l| qualifier.last().is_none_or(|q| q == l.name))
            .filter_map(|l| {
                let columns = l.columns(self.reading)?;
                columns.into_iter().find(|(n, _)| n == name)
            });
        match (found.next(), found.next()) {
            (Some((_, column)), None) => Some(column),
            _ => None,
        }
    }

    /// That what the shards evaluate is apart.
    pub(super) fn proven(&self, q: &Query) -> Option<()> {
        let mut plain = q.clone();
        plain.order_by.clear();
        (plain.limit, plain.offset, plain.with_ties) = (None, None, false);
        if let SetExpr::Select(block) = &mut plain.body {
            block.distinct = Distinct::No;
            block.group_by.clear();
            block.having = None;
            block.items = self
                .evaluated
                .iter()
                .map(|e| SelectItem::Expr {
                    expr: (*e).clone(),
                    alias: None,
                })
                .collect();
        }
        matches!(spread::query(self.reading, &plain), Ok(Spread::Apart(_))).then_some(())
    }

    /// The text for each shard.
    pub(super) fn partial(&self, statement: &Statement) -> Option<String> {
        let text = self.reading.text;
        let mut columns = Vec::new();
        for (i, e) in self.groups.iter().enumerate() {
            columns.push(format!("{} AS {}", e.span.of(text), group(i + 1)));
        }
        for (i, e) in self.divisions.iter().enumerate() {
            columns.push(format!("{} AS {}", e.span.of(text), division(i + 1)));
        }
        for (i, part) in self.parts.iter().enumerate() {
            columns.push(format!("{part} AS {}", partial(i + 1)));
        }
        let key = self.least_key();
        if let Some(key) = &key {
            columns.push(format!("{key} AS {LEAST_KEY}"));
        }
        if columns.is_empty() || columns.len() > MOST_COLUMNS {
            return None;
        }
        let with = Span {
            start: statement.span.start,
            end: self.s.span.start,
        };
        let grouped = self.grouped || key.is_some();
        let distinct = if grouped { "" } else { "DISTINCT " };
        let from = self.rows_of()?;
        let mut out = format!(
            "{}SELECT {distinct}{} {}",
            with.of(text),
            columns.join(", "),
            from.of(text).trim_end()
        );
        let by = self.groups.len() + self.divisions.len();
        if grouped && by > 0 {
            let numbers: Vec<String> = (1..=by).map(|n| n.to_string()).collect();
            out.push_str(&format!(" GROUP BY {}", numbers.join(", ")));
        }
        Some(out)
    }

    /// The text from `FROM` to the end of `WHERE`.
    fn rows_of(&self) -> Option<Span> {
        let rest = Span {
            start: self.s.items_span.end,
            end: self.s.span.end,
        };
        let text = self.reading.text;
        let mut depth = 0usize;
        let mut start = None;
        let mut after_dot = false;
        for token in tokens(text, rest, self.reading.options) {
            let word = |w: &str| {
                token.kind == TokenKind::Ident && token.span.of(text).eq_ignore_ascii_case(w)
            };
            match token.kind {
                TokenKind::LeftParen | TokenKind::LeftBracket => depth += 1,
                TokenKind::RightParen | TokenKind::RightBracket => depth = depth.checked_sub(1)?,
                TokenKind::Ident if depth == 0 && !after_dot => {
                    start = start.or_else(|| word("from").then_some(token.span.start));
                    // Reserved words all of them; `window` was looked for above.
                    if word("group") || word("having") {
                        return Some(Span {
                            start: start?,
                            end: token.span.start,
                        });
                    }
                }
                _ => {}
            }
            after_dot = token.kind == TokenKind::Dot;
        }
        Some(Span {
            start: start?,
            end: rest.end,
        })
    }

    /// Whether two expressions of the block are the same: token by token, or one column.
    fn same(&self, a: &Expr, b: &Expr) -> bool {
        if let (
            ExprKind::Column {
                qualifier: p,
                name: m,
            },
            ExprKind::Column {
                qualifier: q,
                name: n,
            },
        ) = (&a.kind, &b.kind)
        {
            let one = |list: &[String]| list.len() < 2;
            return m == n
                && one(p)
                && one(q)
                && (p == q || leaves(self.reading, &self.s.from).0.len() == 1);
        }
        let text = self.reading.text;
        let words = |e: &Expr| -> Vec<(TokenKind, String)> {
            tokens(text, e.span, self.reading.options)
                .map(|t| {
                    let written = t.span.of(text);
                    match t.kind {
                        TokenKind::Ident => (t.kind, written.to_ascii_lowercase()),
                        _ => (t.kind, written.to_owned()),
                    }
                })
                .collect()
        };
        !a.span.is_empty()
            && std::mem::discriminant(&a.kind) == std::mem::discriminant(&b.kind)
            && words(a) == words(b)
    }
}

fn at(e: &Expr) -> Option<Span> {
    (!e.span.is_empty()).then_some(e.span)
}

/// Whether a call of the kind stands in an expression, outside of its subqueries.
fn calls(e: &Expr, is: &mut dyn FnMut(&Call) -> bool) -> bool {
    crate::sql::walk::any(
        e,
        &mut |kind| matches!(kind, ExprKind::Call(c) if c.over.is_none() && is(c) || c.over.is_some() && is(c)),
    )
}

/// Whether aggregates or windows stand within an aggregate's own arguments, which is an error.
fn calls_any(call: &Call) -> bool {
    call.args
        .iter()
        .chain(&call.filter)
        .any(|a| has_query(a) || calls(a, &mut |c| c.over.is_some() || is_aggregate(c)))
}

pub(super) fn has_query(e: &Expr) -> bool {
    let mut found = false;
    walk::expr(e, &mut |met| found |= matches!(met, Met::Query(_)));
    found
}
