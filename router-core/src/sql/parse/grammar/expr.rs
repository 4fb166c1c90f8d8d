//! Expressions.

use sqlparser::ast;

use super::{Convert, Range, Read, Veto};
use crate::id::Span;
use crate::sql::lexer::{Class, Keyword};
use crate::sql::parse::feed::index;
use crate::sql::parse::token::What;
use crate::sql::statement::{Call, Expr, ExprKind, LiteralKind, Name, QuantifiedSide};

/// An expression and the tokens it covers, parentheses included.
pub(super) struct Ranged {
    pub(super) expr: Expr,
    pub(super) range: Range,
}

/// Words that are functions without parentheses.
pub(super) const VALUE_FUNCTIONS: &[&str] = &[
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "localtime",
    "localtimestamp",
    "session_user",
    "system_user",
    "user",
];

/// Comparisons: PostgreSQL refuses a chain of them.
const COMPARISONS: &[&str] = &["=", "<>", "<", ">", "<=", ">="];

impl Convert<'_, '_> {
    pub(super) fn expr(&self, expr: &ast::Expr) -> Read<Expr> {
        Ok(self.ranged(expr)?.expr)
    }

    pub(super) fn exprs(&self, exprs: &[ast::Expr]) -> Read<Vec<Expr>> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    pub(super) fn optional(&self, expr: Option<&ast::Expr>) -> Read<Option<Expr>> {
        expr.map(|expr| self.expr(expr)).transpose()
    }

    pub(super) fn node(&self, kind: ExprKind, range: Range) -> Ranged {
        let span = range.map_or(Span::default(), |(from, to)| self.tokens.span(from, to));
        Ranged {
            expr: Expr { kind, span },
            range,
        }
    }

    pub(super) fn ranged(&self, expr: &ast::Expr) -> Read<Ranged> {
        use ast::Expr as E;
        match expr {
            E::BinaryOp { .. } => self.binary(expr),
            E::Identifier(name) => self.identifier(name),
            E::CompoundIdentifier(parts) => self.column(parts),
            E::Value(value) => self.value(value),
            E::Nested(inner) => {
                let inner = self.ranged(inner)?;
                let range = self.parentheses(inner.range);
                let keep = matches!(inner.expr.kind, ExprKind::Literal(_) | ExprKind::Param(_));
                let mut outer = self.node(inner.expr.kind, range);
                if keep {
                    // The planner finds the value by its token.
                    outer.expr.span = inner.expr.span;
                }
                Ok(outer)
            }
            E::IsNull(_)
            | E::IsNotNull(_)
            | E::IsTrue(_)
            | E::IsNotTrue(_)
            | E::IsFalse(_)
            | E::IsNotFalse(_)
            | E::IsUnknown(_)
            | E::IsNotUnknown(_) => self.is_test(expr),
            E::IsDistinctFrom(left, right) => self.is_distinct(left, right, false),
            E::IsNotDistinctFrom(left, right) => self.is_distinct(left, right, true),
            E::InList {
                expr,
                list,
                negated,
            } => {
                let left = self.ranged(expr)?;
                let range = self.through_list(&left, &["not", "in"]);
                let kind = ExprKind::InList {
                    expr: Box::new(left.expr),
                    list: self.exprs(list)?,
                    negated: *negated,
                };
                Ok(self.node(kind, range))
            }
            E::InSubquery {
                expr,
                subquery,
                negated,
            } => {
                let left = self.ranged(expr)?;
                let range = self.through_list(&left, &["not", "in"]);
                let kind = ExprKind::InQuery {
                    expr: Box::new(left.expr),
                    query: Box::new(self.query(subquery)?),
                    negated: *negated,
                };
                Ok(self.node(kind, range))
            }
            E::Between { .. } => self.between(expr),
            E::Like { .. } | E::ILike { .. } | E::SimilarTo { .. } => self.like(expr),
            E::AnyOp {
                left,
                compare_op,
                right,
                is_some: _,
            } => self.quantified(left, compare_op, right, false),
            E::AllOp {
                left,
                compare_op,
                right,
            } => self.quantified(left, compare_op, right, true),
            E::UnaryOp { op, expr } => self.unary(*op, expr),
            E::Cast {
                kind,
                expr,
                data_type,
                format,
            } => {
                let plain = matches!(kind, ast::CastKind::Cast | ast::CastKind::DoubleColon);
                if !plain || format.is_some() {
                    return Err("this kind of cast".into());
                }
                self.cast(expr, data_type, *kind == ast::CastKind::Cast)
            }
            E::AtTimeZone {
                timestamp,
                time_zone,
            } => {
                let left = self.ranged(timestamp)?;
                let right = self.ranged(time_zone)?;
                let range = join(left.range, right.range);
                Ok(self.call("timezone", vec![right.expr, left.expr], false, range))
            }
            E::Extract { .. }
            | E::Position { .. }
            | E::Substring { .. }
            | E::Trim { .. }
            | E::Overlay { .. } => self.special(expr),
            E::Collate { expr, collation } => {
                let inner = self.ranged(expr)?;
                let (collation, span) = self.name(collation)?;
                let end = span.map(|(_, end)| end);
                let range = inner.range.zip(end).map(|((from, _), to)| (from, to));
                let kind = ExprKind::Collate {
                    expr: Box::new(inner.expr),
                    collation,
                };
                Ok(self.node(kind, range))
            }
            E::Function(function) => self.function(function),
            E::Case {
                case_token,
                end_token,
                operand,
                conditions,
                else_result,
            } => {
                let range = index(case_token.0.span.start).zip(index(end_token.0.span.start));
                let arms = conditions
                    .iter()
                    .map(|ast::CaseWhen { condition, result }| {
                        Ok((self.expr(condition)?, self.expr(result)?))
                    })
                    .collect::<Read<Vec<_>>>()?;
                let kind = ExprKind::Case {
                    operand: self.optional(operand.as_deref())?.map(Box::new),
                    arms,
                    otherwise: self.optional(else_result.as_deref())?.map(Box::new),
                };
                Ok(self.node(kind, range))
            }
            E::Exists { subquery, negated } => {
                let range = self.query_parentheses(subquery);
                let range = range.and_then(|(from, to)| {
                    let exists = from.checked_sub(1)?;
                    self.tokens
                        .is_word(exists, "exists")
                        .then_some((exists, to))
                });
                let exists = self.node(ExprKind::Exists(Box::new(self.query(subquery)?)), range);
                if !negated {
                    return Ok(exists);
                }
                let range = self.prefixed(range, "not");
                Ok(self.node(ExprKind::Not(Box::new(exists.expr)), range))
            }
            E::Subquery(query) => {
                let range = self.query_parentheses(query);
                Ok(self.node(ExprKind::Scalar(Box::new(self.query(query)?)), range))
            }
            E::Tuple(items) => self.row(items),
            E::Array(ast::Array { elem, named }) => self.array(elem, *named),
            E::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain),
            other => Err(unknown(other)),
        }
    }

    // === Operators ===

    /// Operators between two operands. The left spine may be long, so it is walked, not recursed into.
    fn binary(&self, expr: &ast::Expr) -> Read<Ranged> {
        let mut spine = Vec::new();
        let mut leftmost = expr;
        while let ast::Expr::BinaryOp { left, op, right } = leftmost {
            spine.push((op, right));
            leftmost = left;
        }
        let mut acc = self.ranged(leftmost)?;
        let mut chained = None;
        for (op, right) in spine.into_iter().rev() {
            let bare_right = right;
            let right = self.ranged(right)?;
            let range = join(acc.range, right.range);
            acc = match op {
                ast::BinaryOperator::And => {
                    self.node(ExprKind::And(flat(acc.expr, right.expr, true)), range)
                }
                ast::BinaryOperator::Or => {
                    self.node(ExprKind::Or(flat(acc.expr, right.expr, false)), range)
                }
                op => {
                    let op = operator(op)?;
                    let compares = COMPARISONS.contains(&op.as_str());
                    if compares && (chained == Some(true) || is_comparison(bare_right)) {
                        return Err("comparisons in a row without parentheses".into());
                    }
                    chained = Some(compares);
                    let kind = ExprKind::Binary {
                        op,
                        left: Box::new(acc.expr),
                        right: Box::new(right.expr),
                    };
                    self.node(kind, range)
                }
            };
            if matches!(op, ast::BinaryOperator::And | ast::BinaryOperator::Or) {
                chained = None;
            }
        }
        Ok(acc)
    }

    fn unary(&self, op: ast::UnaryOperator, operand: &ast::Expr) -> Read<Ranged> {
        let name = match op {
            ast::UnaryOperator::Not => "not",
            ast::UnaryOperator::Minus => "-",
            ast::UnaryOperator::Plus => "+",
            other => return Err(format!("the prefix operator {other}")),
        };
        // PostgreSQL's sign binds tighter than these, the crate's does not.
        let looser = match operand {
            ast::Expr::BinaryOp { op, .. } => *op == ast::BinaryOperator::PGExp,
            ast::Expr::AtTimeZone { .. } | ast::Expr::Collate { .. } => true,
            _ => false,
        };
        if looser && name != "not" {
            return Err("a sign before ^, COLLATE or AT TIME ZONE without parentheses".into());
        }
        let inner = self.ranged(operand)?;
        let range = self.prefixed(inner.range, name);
        let expr = Box::new(inner.expr);
        let kind = if name == "not" {
            ExprKind::Not(expr)
        } else {
            ExprKind::Unary {
                op: name.to_owned(),
                expr,
            }
        };
        Ok(self.node(kind, range))
    }

    fn is_test(&self, expr: &ast::Expr) -> Read<Ranged> {
        use ast::Expr as E;
        let (operand, test) = match expr {
            E::IsNull(operand) => (operand, "is null"),
            E::IsNotNull(operand) => (operand, "is not null"),
            E::IsTrue(operand) => (operand, "is true"),
            E::IsNotTrue(operand) => (operand, "is not true"),
            E::IsFalse(operand) => (operand, "is false"),
            E::IsNotFalse(operand) => (operand, "is not false"),
            E::IsUnknown(operand) => (operand, "is unknown"),
            E::IsNotUnknown(operand) => (operand, "is not unknown"),
            other => return Err(unknown(other)),
        };
        let inner = self.ranged(operand)?;
        let range = inner.range.and_then(|(from, to)| {
            if self.tokens.any_word(to + 1, &["isnull", "notnull"]) {
                return Some((from, to + 1));
            }
            let mut last = to;
            for word in test.split(' ') {
                last += 1;
                if !self.tokens.is_word(last, word) {
                    return None;
                }
            }
            Some((from, last))
        });
        let operand = Box::new(inner.expr);
        let kind = match test {
            "is null" => ExprKind::IsNull {
                expr: operand,
                negated: false,
            },
            "is not null" => ExprKind::IsNull {
                expr: operand,
                negated: true,
            },
            test => ExprKind::IsTruth {
                expr: operand,
                test: test.to_owned(),
            },
        };
        Ok(self.node(kind, range))
    }

    fn is_distinct(&self, left: &ast::Expr, right: &ast::Expr, negated: bool) -> Read<Ranged> {
        let left = self.ranged(left)?;
        let right = self.ranged(right)?;
        let range = join(left.range, right.range);
        let kind = ExprKind::IsDistinct {
            left: Box::new(left.expr),
            right: Box::new(right.expr),
            negated,
        };
        Ok(self.node(kind, range))
    }

    fn between(&self, expr: &ast::Expr) -> Read<Ranged> {
        let ast::Expr::Between {
            expr,
            negated,
            low,
            high,
        } = expr
        else {
            return Err(unknown(expr));
        };
        let operand = self.ranged(expr)?;
        let (from, to) = operand
            .range
            .ok_or("BETWEEN after an expression whose end is unclear")?;
        let keyword = to + 1 + usize::from(*negated);
        if !self.tokens.is_word(keyword, "between") {
            return Err("BETWEEN after an expression whose end is unclear".into());
        }
        let high = self.ranged(high)?;
        let kind = ExprKind::Between {
            expr: Box::new(operand.expr),
            low: Box::new(self.expr(low)?),
            high: Box::new(high.expr),
            negated: *negated,
            symmetric: self.tokens.is_word(keyword + 1, "symmetric"),
        };
        Ok(self.node(kind, high.range.map(|(_, end)| (from, end))))
    }

    /// `LIKE` and its kin, as the operators they are.
    fn like(&self, expr: &ast::Expr) -> Read<Ranged> {
        use ast::Expr as E;
        let (operand, pattern, escape, negated, names) = match expr {
            E::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => (expr, pattern, escape_char, negated, ["~~", "!~~"]),
            E::ILike {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => (expr, pattern, escape_char, negated, ["~~*", "!~~*"]),
            E::SimilarTo {
                negated,
                expr,
                pattern,
                escape_char,
            } => (expr, pattern, escape_char, negated, ["~", "!~"]),
            _ => return Err("LIKE ANY".into()),
        };
        let left = self.ranged(operand)?;
        let mut right = self.ranged(pattern)?;
        let function = if matches!(expr, E::SimilarTo { .. }) {
            Some("similar_to_escape")
        } else {
            escape.as_ref().map(|_| "like_escape")
        };
        if let Some(function) = function {
            let mut args = vec![right.expr];
            let mut range = right.range;
            if let Some(escape) = escape {
                let escape = self.ranged(escape)?;
                range = join(range, escape.range);
                args.push(escape.expr);
            }
            right = self.call(function, args, false, range);
        }
        let range = join(left.range, right.range);
        let kind = ExprKind::Binary {
            op: names[usize::from(*negated)].to_owned(),
            left: Box::new(left.expr),
            right: Box::new(right.expr),
        };
        Ok(self.node(kind, range))
    }

    fn quantified(
        &self,
        left: &ast::Expr,
        op: &ast::BinaryOperator,
        right: &ast::Expr,
        all: bool,
    ) -> Read<Ranged> {
        let left = self.ranged(left)?;
        let range = left.range.and_then(|(from, to)| {
            // operand, operator, ANY, parenthesis
            let open = to + 3;
            let any = self.tokens.any_word(to + 2, &["any", "some", "all"]);
            (any && self.tokens.is_sym(open, "("))
                .then(|| self.tokens.close(open))
                .flatten()
                .map(|close| (from, close))
        });
        let right = match right {
            ast::Expr::Subquery(query) => QuantifiedSide::Query(Box::new(self.query(query)?)),
            array => QuantifiedSide::Array(Box::new(self.expr(array)?)),
        };
        let kind = ExprKind::Quantified {
            left: Box::new(left.expr),
            op: operator(op)?,
            all,
            right,
        };
        Ok(self.node(kind, range))
    }

    // === Names and constants ===

    fn identifier(&self, name: &ast::Ident) -> Read<Ranged> {
        let at = self.place(name)?;
        let range = Some((at, at));
        if self.tokens.what(at) == Some(What::Word) {
            let word = self.tokens.text(at);
            if word == "default" {
                return Ok(self.node(ExprKind::Default, range));
            }
            if VALUE_FUNCTIONS.contains(&word) {
                let word = word.to_owned();
                return Ok(self.call(&word, Vec::new(), false, range));
            }
        }
        self.column(std::slice::from_ref(name))
    }

    fn column(&self, parts: &[ast::Ident]) -> Read<Ranged> {
        let (last, qualifier) = parts.split_last().ok_or("an empty name")?;
        if qualifier.len() > 2 {
            return Err("a column with a database's name in front".into());
        }
        let from = self.at(parts.first().unwrap_or(last))?;
        self.not_of_class(from, Class::TypeOrFunction)?;
        let to = self.at(last)?;
        let kind = ExprKind::Column {
            qualifier: qualifier.iter().map(|part| part.value.clone()).collect(),
            name: last.value.clone(),
        };
        Ok(self.node(kind, Some((from, to))))
    }

    pub(super) fn value(&self, value: &ast::ValueWithSpan) -> Read<Ranged> {
        let unclear = "a constant whose place is unclear";
        let at = index(value.span.start).ok_or(unclear)?;
        let kind = match (&value.value, self.tokens.what(at)) {
            (ast::Value::Placeholder(_), Some(What::Param(n))) => ExprKind::Param(n),
            (ast::Value::Null, Some(What::Word)) => ExprKind::Literal(LiteralKind::Null),
            (ast::Value::Boolean(true), Some(What::Word)) => ExprKind::Literal(LiteralKind::True),
            (ast::Value::Boolean(false), Some(What::Word)) => ExprKind::Literal(LiteralKind::False),
            (
                ast::Value::Number(..) | ast::Value::SingleQuotedString(_),
                Some(What::Literal(kind)),
            ) => ExprKind::Literal(kind),
            _ => return Err(unclear.into()),
        };
        Ok(self.node(kind, Some((at, at))))
    }

    /// The token of an identifier that is no reserved keyword.
    pub(super) fn at(&self, name: &ast::Ident) -> Read<usize> {
        let at = self.place(name)?;
        self.not_of_class(at, Class::Reserved)?;
        Ok(at)
    }

    /// The token of an identifier.
    fn place(&self, name: &ast::Ident) -> Read<usize> {
        let at = index(name.span.start).filter(|at| self.tokens.is_name(*at));
        let at = at.ok_or_else(|| Veto::from("a name whose place is unclear"))?;
        if self.tokens.text(at) != name.value {
            return Err("a name whose place is unclear".into());
        }
        Ok(at)
    }

    /// Refuses an unquoted keyword of a class that PostgreSQL takes for no name in this place;
    /// behind a point or `AS` it takes them all.
    pub(super) fn not_of_class(&self, at: usize, class: Class) -> Read<()> {
        let tokens = self.tokens;
        let anything = at > 0 && (tokens.is_sym(at - 1, ".") || tokens.is_word(at - 1, "as"));
        if anything || tokens.what(at) != Some(What::Word) {
            return Ok(());
        }
        let word = tokens.text(at);
        let of_class = Keyword::lookup(word.as_bytes()).is_some_and(|word| word.class() == class);
        if of_class {
            return Err(format!("the keyword {} in this place", word.to_uppercase()));
        }
        Ok(())
    }

    /// A name of one or two parts, and its tokens; whether keywords may be one is for the caller to say.
    pub(super) fn name(&self, name: &ast::ObjectName) -> Read<(Name, Range)> {
        let parts = self.parts(name)?;
        let range = match (parts.first(), parts.last()) {
            (Some(first), Some(last)) => Some((self.place(first)?, self.place(last)?)),
            _ => None,
        };
        let name = match parts.as_slice() {
            [name] => Name {
                schema: None,
                name: name.value.clone(),
            },
            [schema, name] => Name {
                schema: Some(schema.value.clone()),
                name: name.value.clone(),
            },
            _ => return Err("a name with a database's name in front".into()),
        };
        Ok((name, range))
    }

    fn parts<'n>(&self, name: &'n ast::ObjectName) -> Read<Vec<&'n ast::Ident>> {
        name.0
            .iter()
            .map(|part| match part {
                ast::ObjectNamePart::Identifier(ident) => Ok(ident),
                ast::ObjectNamePart::Function(_) => Err("a function as a name".into()),
            })
            .collect()
    }

    /// A name that must be a single identifier.
    pub(super) fn single(&self, name: &ast::ObjectName) -> Read<String> {
        match self.parts(name)?.as_slice() {
            [name] => self.at(name).map(|_| name.value.clone()),
            _ => Err("a qualified name or field in this place".into()),
        }
    }

    // === Casts, rows, arrays, subscripts ===

    fn cast(&self, expr: &ast::Expr, to: &ast::DataType, function: bool) -> Read<Ranged> {
        let ast::DataType::Custom(name, modifiers) = to else {
            return Err("a type name that is not understood".into());
        };
        let at = match name.0.as_slice() {
            [ast::ObjectNamePart::Identifier(ident)] if modifiers.is_empty() => {
                index(ident.span.start)
            }
            _ => None,
        };
        let read = at.and_then(|at| self.notes.types.get(&at));
        let read = read.ok_or("a type name that is not understood")?;
        let inner = self.ranged(expr)?;
        let range = inner.range.and_then(|(from, to)| {
            if function {
                let start = from.checked_sub(2)?;
                (self.tokens.is_word(start, "cast") && self.tokens.is_sym(read.end, ")"))
                    .then_some((start, read.end))
            } else if let Some(typed) = self.notes.typed.get(&to)
                && from == to
                && Some(typed.0) == at
            {
                Some(*typed)
            } else {
                Some((from, read.end - 1))
            }
        });
        let kind = ExprKind::Cast {
            expr: Box::new(inner.expr),
            to: read.name.clone(),
            modifiers: read.modifiers,
        };
        let cast = self.node(kind, range);
        let Some((collation, last)) = at.and_then(|at| self.notes.collations.get(&at)) else {
            return Ok(cast);
        };
        let kind = ExprKind::Collate {
            expr: Box::new(cast.expr),
            collation: collation.clone(),
        };
        Ok(self.node(kind, range.map(|(from, _)| (from, *last))))
    }

    fn row(&self, items: &[ast::Expr]) -> Read<Ranged> {
        let items = items
            .iter()
            .map(|item| self.ranged(item))
            .collect::<Read<Vec<_>>>()?;
        let inner = match (items.first(), items.last()) {
            (Some(first), Some(last)) => join(first.range, last.range),
            _ => None,
        };
        let range = self.parentheses(inner);
        let kind = ExprKind::Row(items.into_iter().map(|item| item.expr).collect());
        Ok(self.node(kind, range))
    }

    fn array(&self, items: &[ast::Expr], named: bool) -> Read<Ranged> {
        let items = items
            .iter()
            .map(|item| self.ranged(item))
            .collect::<Read<Vec<_>>>()?;
        let range = items
            .first()
            .and_then(|first| first.range)
            .and_then(|(from, _)| {
                let open = from.checked_sub(1)?;
                let close = self
                    .tokens
                    .is_sym(open, "[")
                    .then(|| self.tokens.close(open))??;
                if !named {
                    return Some((open, close));
                }
                let word = open.checked_sub(1)?;
                self.tokens.is_word(word, "array").then_some((word, close))
            });
        let kind = ExprKind::Array(items.into_iter().map(|item| item.expr).collect());
        Ok(self.node(kind, range))
    }

    fn access(&self, root: &ast::Expr, chain: &[ast::AccessExpr]) -> Read<Ranged> {
        let mut acc = self.ranged(root)?;
        let mut chain = chain;
        if let ast::Expr::Identifier(first) = root {
            // `t.a[1]`: the names before the first subscript are the column's.
            let mut parts = vec![first.clone()];
            while let [ast::AccessExpr::Dot(ast::Expr::Identifier(part)), rest @ ..] = chain {
                parts.push(part.clone());
                chain = rest;
            }
            acc = self.column(&parts)?;
        }
        // `(a[1])[1]` takes an element of an element.
        let mut subscripted = false;
        for step in chain {
            let next = acc.range.map(|(from, to)| (from, to + 1));
            acc = match step {
                ast::AccessExpr::Dot(ast::Expr::Identifier(field)) => {
                    let to = self.at(field)?;
                    subscripted = false;
                    let kind = ExprKind::Field {
                        expr: Box::new(acc.expr),
                        name: field.value.clone(),
                    };
                    self.node(kind, next.map(|(from, _)| (from, to)))
                }
                ast::AccessExpr::Dot(_) => return Err("this kind of field access".into()),
                ast::AccessExpr::Subscript(subscript) => {
                    let indexes = match subscript {
                        ast::Subscript::Index { index } => vec![self.expr(index)?],
                        ast::Subscript::Slice {
                            lower_bound,
                            upper_bound,
                            stride: None,
                        } => {
                            let bounds = [lower_bound, upper_bound];
                            let bounds = bounds.into_iter().flatten();
                            bounds
                                .map(|bound| self.expr(bound))
                                .collect::<Read<Vec<_>>>()?
                        }
                        ast::Subscript::Slice { .. } => return Err("a slice with a step".into()),
                    };
                    let range = next.and_then(|(from, open)| {
                        let close = self
                            .tokens
                            .is_sym(open, "[")
                            .then(|| self.tokens.close(open))??;
                        Some((from, close))
                    });
                    let before = std::mem::replace(&mut subscripted, true);
                    let kind = match acc.expr.kind {
                        ExprKind::Subscript {
                            expr,
                            indexes: mut all,
                        } if before => {
                            all.extend(indexes);
                            ExprKind::Subscript { expr, indexes: all }
                        }
                        _ => ExprKind::Subscript {
                            expr: Box::new(acc.expr),
                            indexes,
                        },
                    };
                    self.node(kind, range)
                }
            };
        }
        Ok(acc)
    }

    // === Calls with a grammar of their own ===

    fn special(&self, expr: &ast::Expr) -> Read<Ranged> {
        use ast::Expr as E;
        let mut plain = false;
        let (name, operands, hidden): (&str, Vec<&ast::Expr>, bool) = match expr {
            // The field is a word, not an argument of the tree.
            E::Extract {
                field: _,
                syntax: ast::ExtractSyntax::From,
                expr,
            } => ("extract", vec![expr.as_ref()], true),
            E::Extract { .. } => return Err("EXTRACT with a comma".into()),
            E::Position { expr, r#in } => ("position", vec![r#in.as_ref(), expr.as_ref()], false),
            E::Substring {
                expr,
                substring_from,
                substring_for,
                special,
                shorthand: false,
            } => {
                // With commas or alone it is any function of that name.
                plain = *special || (substring_from.is_none() && substring_for.is_none());
                let mut operands = vec![expr.as_ref()];
                operands.extend(substring_from.as_deref());
                operands.extend(substring_for.as_deref());
                let hidden = substring_from.is_none() && substring_for.is_some();
                ("substring", operands, hidden)
            }
            E::Trim {
                trim_where,
                trim_what,
                expr,
                trim_characters,
            } => {
                let name = match trim_where {
                    None | Some(ast::TrimWhereField::Both) => "btrim",
                    Some(ast::TrimWhereField::Leading) => "ltrim",
                    Some(ast::TrimWhereField::Trailing) => "rtrim",
                };
                let mut operands = vec![expr.as_ref()];
                operands.extend(trim_what.as_deref());
                operands.extend(trim_characters.iter().flatten());
                (name, operands, false)
            }
            E::Overlay {
                expr,
                overlay_what,
                overlay_from,
                overlay_for,
            } => {
                let mut operands =
                    vec![expr.as_ref(), overlay_what.as_ref(), overlay_from.as_ref()];
                operands.extend(overlay_for.as_deref());
                ("overlay", operands, false)
            }
            other => return Err(unknown(other)),
        };
        let operands = operands
            .into_iter()
            .map(|operand| self.ranged(operand))
            .collect::<Read<Vec<_>>>()?;
        let range = operands
            .iter()
            .find_map(|operand| operand.range)
            .and_then(|(from, _)| {
                let open = self.enclosing(from)?;
                Some((open.checked_sub(1)?, self.tokens.close(open)?))
            });
        let args = operands.into_iter().map(|operand| operand.expr).collect();
        let mut read = self.call(name, args, hidden, range);
        if plain && let ExprKind::Call(call) = &mut read.expr.kind {
            call.name.schema = None;
        }
        Ok(read)
    }

    pub(super) fn call(&self, name: &str, args: Vec<Expr>, unusual: bool, range: Range) -> Ranged {
        let call = Call {
            name: Name {
                schema: Some("pg_catalog".to_owned()),
                name: name.to_owned(),
            },
            args,
            star: false,
            distinct: false,
            unusual_args: unusual,
            order_by: Vec::new(),
            within_group: Vec::new(),
            filter: None,
            over: None,
        };
        self.node(ExprKind::Call(Box::new(call)), range)
    }

    // === Ranges ===

    /// The range with the parentheses around it.
    fn parentheses(&self, inner: Range) -> Range {
        let (from, to) = inner?;
        let open = from.checked_sub(1)?;
        (self.tokens.is_sym(open, "(") && self.tokens.close(open) == Some(to + 1))
            .then_some((open, to + 1))
    }

    /// The range with the word or operator in front.
    fn prefixed(&self, inner: Range, text: &str) -> Range {
        let (from, to) = inner?;
        let before = from.checked_sub(1)?;
        let hit = self.tokens.is_word(before, text) || self.tokens.is_op(before, text);
        hit.then_some((before, to))
    }

    /// From the operand through words, some of them left out, and a parenthesised list.
    fn through_list(&self, operand: &Ranged, words: &[&str]) -> Range {
        let (from, to) = operand.range?;
        let mut next = to + 1;
        for word in words {
            if self.tokens.is_word(next, word) {
                next += 1;
            }
        }
        if !self.tokens.is_sym(next, "(") {
            return None;
        }
        Some((from, self.tokens.close(next)?))
    }

    /// The opening parenthesis that encloses the token at `at`.
    fn enclosing(&self, at: usize) -> Option<usize> {
        let mut depth = 0usize;
        for before in (0..at).rev() {
            if self.tokens.is_sym(before, ")") || self.tokens.is_sym(before, "]") {
                depth += 1;
            } else if self.tokens.is_sym(before, "(") || self.tokens.is_sym(before, "[") {
                if depth == 0 {
                    return Some(before);
                }
                depth -= 1;
            }
        }
        None
    }
}

/// From the start of the first to the end of the second.
pub(super) fn join(left: Range, right: Range) -> Range {
    let ((from, _), (_, to)) = left.zip(right)?;
    (from <= to).then_some((from, to))
}

/// `a AND b` in one list with what `a` and `b` already are.
fn flat(left: Expr, right: Expr, and: bool) -> Vec<Expr> {
    let mut all = match (left.kind, and) {
        (ExprKind::And(items), true) | (ExprKind::Or(items), false) => items,
        (kind, _) => vec![Expr {
            kind,
            span: left.span,
        }],
    };
    match (right.kind, and) {
        (ExprKind::And(items), true) | (ExprKind::Or(items), false) => all.extend(items),
        (kind, _) => all.push(Expr {
            kind,
            span: right.span,
        }),
    }
    all
}

fn is_comparison(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::BinaryOp { op, .. } => {
            operator(op).is_ok_and(|op| COMPARISONS.contains(&op.as_str()))
        }
        _ => false,
    }
}

/// The operator by PostgreSQL's name. The feed lets no others through.
fn operator(op: &ast::BinaryOperator) -> Read<String> {
    use ast::BinaryOperator as B;
    let name = match op {
        B::Plus => "+",
        B::Minus => "-",
        B::Multiply => "*",
        B::Divide => "/",
        B::Modulo => "%",
        B::PGExp => "^",
        B::Eq => "=",
        B::NotEq => "<>",
        B::Lt => "<",
        B::Gt => ">",
        B::LtEq => "<=",
        B::GtEq => ">=",
        B::Custom(name) => name.as_str(),
        other => return Err(format!("the operator {other}")),
    };
    Ok(name.to_owned())
}

/// Names an expression that has no node in our tree.
fn unknown(expr: &ast::Expr) -> Veto {
    use ast::Expr as E;
    match expr {
        E::IsJson { .. } => "IS JSON",
        E::IsNormalized { .. } => "IS NORMALIZED",
        E::GroupingSets(_) | E::Cube(_) | E::Rollup(_) => "GROUPING SETS",
        E::Interval(_) => "this spelling of an interval",
        E::Wildcard(_) | E::QualifiedWildcard(..) => "a * in this place",
        E::TypedString(_) => "this spelling of a constant with a type",
        _ => "an expression that is not understood",
    }
    .into()
}
