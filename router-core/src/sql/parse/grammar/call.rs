//! Function calls and windows.

use sqlparser::ast;

use super::expr::Ranged;
use super::{Convert, Range, Read};
use crate::sql::lexer::Class;
use crate::sql::parse::token::What;
use crate::sql::statement::{
    Call, Expr, ExprKind, LiteralKind, OrderItem, Over, WHOLE_ROW, WindowSpec,
};

impl Convert<'_, '_> {
    pub(super) fn function(&self, function: &ast::Function) -> Read<Ranged> {
        let ast::Function {
            name,
            uses_odbc_syntax,
            parameters,
            args,
            within_group,
            filter,
            null_treatment,
            over,
        } = function;
        if *uses_odbc_syntax
            || !matches!(parameters, ast::FunctionArguments::None)
            || null_treatment.is_some()
        {
            return Err("this spelling of a function call".into());
        }
        // `ARRAY (query)` comes as a function by that name, at a keyword's token.
        if let ast::FunctionArguments::Subquery(query) = args {
            let range = self.query_parentheses(query).and_then(|(open, close)| {
                let word = open.checked_sub(1)?;
                self.tokens.is_word(word, "array").then_some((word, close))
            });
            if range.is_none() {
                return Err("a query as the only argument of a function".into());
            }
            return Ok(self.node(ExprKind::ArrayQuery(Box::new(self.query(query)?)), range));
        }
        let (name, range) = self.name(name)?;
        self.function_name(range, args)?;
        let list = match args {
            ast::FunctionArguments::List(list) => Some(list),
            ast::FunctionArguments::None | ast::FunctionArguments::Subquery(_) => None,
        };
        let range = self.call_range(range, list.is_some());
        let mut call = Call {
            name,
            args: Vec::new(),
            star: false,
            distinct: false,
            unusual_args: false,
            order_by: Vec::new(),
            within_group: self.order_items(within_group)?,
            filter: self.optional(filter.as_deref())?,
            over: over.as_ref().map(|over| self.over(over)).transpose()?,
        };
        if let Some(list) = list {
            self.arguments(&mut call, list)?;
        }
        call.unusual_args |= self.variadic(range);
        if !call.within_group.is_empty() && (!call.order_by.is_empty() || call.distinct) {
            return Err("WITHIN GROUP after DISTINCT or ORDER BY".into());
        }
        if call.name.schema.is_none() && call.name.name == "row" && self.is_row(range) {
            return Ok(self.node(ExprKind::Row(call.args), range));
        }
        Ok(self.node(ExprKind::Call(Box::new(call)), range))
    }

    /// Refuses the keywords that PostgreSQL's grammar has calls of their own for, save those that look like calls.
    fn function_name(&self, range: Range, args: &ast::FunctionArguments) -> Read<()> {
        let Some((from, to)) = range.filter(|(from, to)| from == to) else {
            return Ok(());
        };
        let word = self.tokens.text(from);
        let call_alike = ["coalesce", "greatest", "grouping", "least", "nullif", "row"];
        if !call_alike.contains(&word) {
            self.not_of_class(from, Class::ColumnName)?;
        }
        if !super::name::VALUE_FUNCTIONS.contains(&word) {
            self.not_of_class(from, Class::Reserved)?;
        }
        // CURRENT_TIMESTAMP(3), but no CURRENT_DATE().
        let value_function = word != "current_schema"
            && self.tokens.what(to) == Some(What::Word)
            && super::name::VALUE_FUNCTIONS.contains(&word)
            && matches!(args, ast::FunctionArguments::List(_));
        let precise = self.tokens.is_sym(to + 1, "(")
            && self.tokens.what(to + 2) == Some(What::Literal(LiteralKind::Integer))
            && self.tokens.is_sym(to + 3, ")");
        let with_precision = [
            "current_time",
            "current_timestamp",
            "localtime",
            "localtimestamp",
        ];
        if value_function && !(with_precision.contains(&word) && precise) {
            return Err(format!("parentheses after {}", word.to_uppercase()));
        }
        Ok(())
    }

    fn arguments(&self, call: &mut Call, list: &ast::FunctionArgumentList) -> Read<()> {
        let ast::FunctionArgumentList {
            duplicate_treatment,
            args,
            clauses,
        } = list;
        call.distinct = *duplicate_treatment == Some(ast::DuplicateTreatment::Distinct);
        let mut whole_row = false;
        for arg in args {
            let value = match arg {
                ast::FunctionArg::Unnamed(value) => value,
                ast::FunctionArg::Named {
                    name: _,
                    arg,
                    operator,
                }
                | ast::FunctionArg::ExprNamed {
                    name: _,
                    arg,
                    operator,
                } => {
                    let named = matches!(
                        operator,
                        ast::FunctionArgOperator::RightArrow | ast::FunctionArgOperator::Assignment
                    );
                    if !named {
                        return Err("this spelling of a named argument".into());
                    }
                    call.unusual_args = true;
                    arg
                }
            };
            match value {
                ast::FunctionArgExpr::Expr(value) => call.args.push(self.expr(value)?),
                ast::FunctionArgExpr::Wildcard => call.star = true,
                ast::FunctionArgExpr::QualifiedWildcard(table) => {
                    call.args.push(self.whole_row(table)?);
                    whole_row = true;
                }
                ast::FunctionArgExpr::WildcardWithOptions(_) => {
                    return Err("a clause after *".into());
                }
            }
        }
        // There it stands for each of the columns.
        if whole_row && call.name.schema.is_none() && call.name.name == "row" {
            return Err("t.* in ROW()".into());
        }
        if call.star && (args.len() != 1 || call.distinct) {
            return Err("a * among arguments".into());
        }
        for clause in clauses {
            match clause {
                ast::FunctionArgumentClause::OrderBy(items) => {
                    call.order_by = self.order_items(items)?;
                }
                _ => return Err("a clause among a function's arguments".into()),
            }
        }
        Ok(())
    }

    /// `t.*` as a value.
    fn whole_row(&self, table: &ast::ObjectName) -> Read<Expr> {
        let (table, range) = self.name(table)?;
        let (None, Some((from, to))) = (&table.schema, range) else {
            return Err("schema.t.* as an argument".into());
        };
        if !self.tokens.is_op(to + 2, "*") && !self.tokens.is_sym(to + 2, "*") {
            return Err("a * whose place is unclear".into());
        }
        let kind = ExprKind::Column {
            qualifier: vec![table.name],
            name: WHOLE_ROW.to_owned(),
        };
        Ok(self.node(kind, Some((from, to + 2))).expr)
    }

    /// From the name to the closing parenthesis, or through `FILTER`, `WITHIN GROUP` and `OVER`.
    fn call_range(&self, name: Range, arguments: bool) -> Range {
        let tokens = self.tokens;
        let (from, mut to) = name?;
        if !arguments {
            return Some((from, to));
        }
        let close = |at: usize| tokens.is_sym(at, "(").then(|| tokens.close(at)).flatten();
        to = close(to + 1)?;
        loop {
            if tokens.is_word(to + 1, "within") && tokens.is_word(to + 2, "group") {
                to = close(to + 3)?;
            } else if tokens.is_word(to + 1, "filter") && tokens.is_sym(to + 2, "(") {
                to = close(to + 2)?;
            } else if tokens.is_word(to + 1, "over") {
                to = match close(to + 2) {
                    Some(end) => end,
                    None if tokens.is_name(to + 2) => to + 2,
                    None => return None,
                };
            } else {
                return Some((from, to));
            }
        }
    }

    /// Whether `VARIADIC` stands among the arguments; the feed leaves the word out.
    fn variadic(&self, range: Range) -> bool {
        let Some((from, to)) = range else { return true };
        let mut depth = 0usize;
        (from..=to).any(|at| {
            if self.tokens.is_sym(at, "(") || self.tokens.is_sym(at, "[") {
                depth += 1;
            } else if self.tokens.is_sym(at, ")") || self.tokens.is_sym(at, "]") {
                depth = depth.saturating_sub(1);
            }
            depth == 1 && self.tokens.is_word(at, "variadic")
        })
    }

    /// Whether the name is the keyword, not a quoted function name.
    fn is_row(&self, range: Range) -> bool {
        range.is_some_and(|(from, _)| self.tokens.is_word(from, "row"))
    }

    fn over(&self, over: &ast::WindowType) -> Read<Over> {
        Ok(match over {
            ast::WindowType::NamedWindow(name) => Over::Named(name.value.clone()),
            ast::WindowType::WindowSpec(spec) => Over::Spec(self.window(spec)?),
        })
    }

    pub(super) fn window(&self, spec: &ast::WindowSpec) -> Read<WindowSpec> {
        let ast::WindowSpec {
            window_name,
            partition_by,
            order_by,
            window_frame,
        } = spec;
        if let Some(frame) = window_frame {
            self.frame(frame)?;
        }
        Ok(WindowSpec {
            base: window_name.as_ref().map(|name| name.value.clone()),
            partition_by: self.exprs(partition_by)?,
            order_by: self.order_items(order_by)?,
            frame: window_frame.is_some(),
        })
    }

    /// A frame is not part of the tree: its bounds must not hide anything.
    fn frame(&self, frame: &ast::WindowFrame) -> Read<()> {
        let ast::WindowFrame {
            units: _,
            start_bound,
            end_bound,
        } = frame;
        for bound in std::iter::once(start_bound).chain(end_bound) {
            match bound {
                ast::WindowFrameBound::CurrentRow
                | ast::WindowFrameBound::Preceding(None)
                | ast::WindowFrameBound::Following(None) => {}
                ast::WindowFrameBound::Preceding(Some(value))
                | ast::WindowFrameBound::Following(Some(value)) => {
                    if !is_plain(&self.expr(value)?) {
                        return Err("a window frame bound that is not a constant".into());
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn order_items(&self, items: &[ast::OrderByExpr]) -> Read<Vec<OrderItem>> {
        items
            .iter()
            .map(|item| {
                let ast::OrderByExpr {
                    expr,
                    options: ast::OrderByOptions { sort, nulls_first },
                    with_fill,
                } = item;
                if with_fill.is_some() {
                    return Err("this clause of ORDER BY".into());
                }
                let descending = match sort {
                    None | Some(ast::OrderBySort::Asc) => false,
                    Some(ast::OrderBySort::Desc) => true,
                    // Of the types whose order is known, these are the members of the order.
                    Some(ast::OrderBySort::Using(op)) => match op.to_string().as_str() {
                        "<" => false,
                        ">" => true,
                        _ => return Err("ORDER BY … USING of this operator".into()),
                    },
                };
                Ok(OrderItem {
                    expr: self.expr(expr)?,
                    descending,
                    nulls_first: nulls_first.unwrap_or(descending),
                })
            })
            .collect()
    }
}

/// Whether an expression is a constant or parameter, perhaps cast.
pub(super) fn is_plain(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Param(_) => true,
        ExprKind::Cast { expr, .. } | ExprKind::Unary { expr, .. } => is_plain(expr),
        _ => false,
    }
}
