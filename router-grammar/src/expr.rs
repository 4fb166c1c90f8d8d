//! Expressions.

use pg_query::NodeEnum;
use pg_query::protobuf::a_const::Val;
use pg_query::protobuf::{
    AConst, AExpr, AExprKind, BoolExprType, BoolTestType, CoercionForm, FuncCall, MinMaxOp, Node,
    NullTestType, SqlValueFunctionOp, SubLink, SubLinkType, WindowDef,
};
use router_core::sql::print::{binary, flag, ident, list, maybe, name, node, number};
use router_core::sql::statement::Name;

use crate::facts::Condition;
use crate::statement::{Read, Walk, boxed, inner, kind, name_of, needed, strings};
use crate::types;

/// `FRAMEOPTION_NONDEFAULT` of PostgreSQL's parsenodes.h.
const FRAME: i32 = 1;

impl Walk {
    pub(crate) fn exprs(&mut self, exprs: &[Node]) -> Read<Vec<String>> {
        exprs.iter().map(|expr| self.expr(inner(expr)?)).collect()
    }

    fn optional(&mut self, expr: &Option<Box<Node>>) -> Read<Option<String>> {
        boxed(expr)?.map(|expr| self.expr(expr)).transpose()
    }

    pub(crate) fn expr(&mut self, expr: &NodeEnum) -> Read<String> {
        self.deeper(|walk| walk.expr_inside(expr))
    }

    fn expr_inside(&mut self, expr: &NodeEnum) -> Read<String> {
        Ok(match expr {
            NodeEnum::ColumnRef(column) => {
                let (fields, whole) = match column.fields.split_last() {
                    Some((last, fields)) if matches!(last.node, Some(NodeEnum::AStar(_))) => {
                        (fields, true)
                    }
                    _ => (&column.fields[..], false),
                };
                let parts = strings(fields)?;
                if parts.len() > 3 {
                    return Err("a column of many parts".to_owned());
                }
                let mut parts = router_core::sql::print::idents(&parts);
                if whole {
                    parts.push("*".to_owned());
                }
                parts.join(".")
            }
            NodeEnum::AConst(constant) => literal(constant)?,
            NodeEnum::ParamRef(param) => format!("${}", param.number),
            NodeEnum::SetToDefault(_) => "default".to_owned(),
            NodeEnum::BoolExpr(of) => match of.boolop() {
                BoolExprType::AndExpr => node("and", &self.flat(&of.args, BoolExprType::AndExpr)?),
                BoolExprType::OrExpr => node("or", &self.flat(&of.args, BoolExprType::OrExpr)?),
                BoolExprType::NotExpr => node("not", &self.exprs(&of.args)?),
                BoolExprType::Undefined => return Err("a truth operator".to_owned()),
            },
            NodeEnum::AExpr(of) => self.operator(of)?,
            NodeEnum::TypeCast(cast) => {
                let to = cast.type_name.as_ref().ok_or("a cast to nothing")?;
                format!("{}::{}", self.expr(needed(&cast.arg)?)?, types::print(to)?)
            }
            NodeEnum::NullTest(test) => {
                let name = match test.nulltesttype() {
                    NullTestType::IsNotNull => "isnotnull",
                    _ => "isnull",
                };
                node(name, &[self.expr(needed(&test.arg)?)?])
            }
            NodeEnum::BooleanTest(test) => {
                let name = match test.booltesttype() {
                    BoolTestType::IsTrue => "is true",
                    BoolTestType::IsNotTrue => "is not true",
                    BoolTestType::IsFalse => "is false",
                    BoolTestType::IsNotFalse => "is not false",
                    BoolTestType::IsUnknown => "is unknown",
                    BoolTestType::IsNotUnknown => "is not unknown",
                    BoolTestType::Undefined => return Err("a truth test".to_owned()),
                };
                node(name, &[self.expr(needed(&test.arg)?)?])
            }
            NodeEnum::SubLink(link) => self.sublink(link)?,
            NodeEnum::CaseExpr(case) => {
                let mut parts = vec![self.optional(&case.arg)?.unwrap_or_default()];
                for arm in &case.args {
                    let NodeEnum::CaseWhen(arm) = inner(arm)? else {
                        return Err("an arm of CASE".to_owned());
                    };
                    let when = self.expr(needed(&arm.expr)?)?;
                    parts.push(format!("{when} => {}", self.expr(needed(&arm.result)?)?));
                }
                parts.push(maybe("else", self.optional(&case.defresult)?));
                node("case", &parts)
            }
            NodeEnum::CoalesceExpr(of) => self.plain("coalesce", &of.args)?,
            NodeEnum::MinMaxExpr(of) => {
                let name = match of.op() {
                    MinMaxOp::IsLeast => "least",
                    _ => "greatest",
                };
                self.plain(name, &of.args)?
            }
            NodeEnum::GroupingFunc(of) => self.plain("grouping", &of.args)?,
            NodeEnum::RowExpr(row) => format!("row({})", self.exprs(&row.args)?.join(", ")),
            NodeEnum::AArrayExpr(of) => format!("array[{}]", self.exprs(&of.elements)?.join(", ")),
            NodeEnum::AIndirection(of) => {
                let mut printed = self.expr(needed(&of.arg)?)?;
                let mut indexes: Vec<String> = Vec::new();
                for step in &of.indirection {
                    match inner(step)? {
                        NodeEnum::AIndices(index) => {
                            indexes.extend(self.optional(&index.lidx)?);
                            indexes.extend(self.optional(&index.uidx)?);
                        }
                        NodeEnum::String(field) => {
                            if !indexes.is_empty() {
                                printed = format!("{printed}[{}]", indexes.join(", "));
                                indexes.clear();
                            }
                            printed = format!("({printed}).{}", ident(&field.sval));
                        }
                        other => return Err(format!("{} behind an expression", kind(other))),
                    }
                }
                if !indexes.is_empty() {
                    printed = format!("{printed}[{}]", indexes.join(", "));
                }
                printed
            }
            NodeEnum::CollateClause(of) => {
                let operand = self.expr(needed(&of.arg)?)?;
                binary("collate", &operand, &name(&name_of(&of.collname)?))
            }
            NodeEnum::FuncCall(call) => self.call(call)?,
            NodeEnum::NamedArgExpr(arg) => self.expr(needed(&arg.arg)?)?,
            NodeEnum::SqlvalueFunction(of) => {
                let (name, precision) = value_function(of.op())?;
                let function = Name {
                    schema: Some("pg_catalog".to_owned()),
                    name: name.to_owned(),
                };
                self.called(&function);
                if precision {
                    node(name, &[of.typmod.to_string()])
                } else {
                    node(&router_core::sql::print::name(&function), &[])
                }
            }
            other => return Err(format!("{} as an expression", kind(other))),
        })
    }

    fn plain(&mut self, name: &str, args: &[Node]) -> Read<String> {
        Ok(node(name, &[self.exprs(args)?.join(", ")]))
    }

    /// Operands of `AND` or `OR` with those of the same operator among them in their place.
    fn flat(&mut self, args: &[Node], op: BoolExprType) -> Read<Vec<String>> {
        let mut all = Vec::with_capacity(args.len());
        for arg in args {
            match inner(arg)? {
                NodeEnum::BoolExpr(same) if same.boolop() == op => {
                    all.extend(self.deeper(|walk| walk.flat(&same.args, op))?);
                }
                other => all.push(self.expr(other)?),
            }
        }
        Ok(all)
    }

    fn operator(&mut self, of: &AExpr) -> Read<String> {
        let names = strings(&of.name)?;
        let op = match names.as_slice() {
            [op] => op.clone(),
            [schema, op] if schema == "pg_catalog" => op.clone(),
            names => return Err(format!("the operator {}", names.join("."))),
        };
        let left = self.optional(&of.lexpr)?;
        let range = |walk: &mut Self, left: Option<String>, name: &str| {
            let mut parts = vec![left.unwrap_or_default()];
            match needed(&of.rexpr)? {
                NodeEnum::List(bounds) => parts.extend(walk.exprs(&bounds.items)?),
                other => return Err(format!("{} as bounds", kind(other))),
            }
            Ok(node(name, &parts))
        };
        let Some(left) = left else {
            let right = self.expr(needed(&of.rexpr)?)?;
            return Ok(format!("({op} {right})"));
        };
        match of.kind() {
            AExprKind::AexprIn => {
                let NodeEnum::List(values) = needed(&of.rexpr)? else {
                    return Err("IN without a list".to_owned());
                };
                let word = if op == "<>" { "not in" } else { "in" };
                let values = format!("[{}]", self.exprs(&values.items)?.join(", "));
                Ok(binary(word, &left, &values))
            }
            AExprKind::AexprBetween => range(self, Some(left), "between"),
            AExprKind::AexprNotBetween => range(self, Some(left), "not between"),
            AExprKind::AexprBetweenSym => range(self, Some(left), "between symmetric"),
            AExprKind::AexprNotBetweenSym => range(self, Some(left), "not between symmetric"),
            other => {
                let right = self.expr(needed(&of.rexpr)?)?;
                let op = match other {
                    AExprKind::AexprOp
                    | AExprKind::AexprLike
                    | AExprKind::AexprIlike
                    | AExprKind::AexprSimilar => op,
                    AExprKind::AexprOpAny => format!("{op} any"),
                    AExprKind::AexprOpAll => format!("{op} all"),
                    AExprKind::AexprDistinct => "is distinct".to_owned(),
                    AExprKind::AexprNotDistinct => "is not distinct".to_owned(),
                    AExprKind::AexprNullif => {
                        return Ok(node("nullif", &[format!("{left}, {right}")]));
                    }
                    _ => return Err("this kind of operator".to_owned()),
                };
                Ok(binary(&op, &left, &right))
            }
        }
    }

    fn sublink(&mut self, link: &SubLink) -> Read<String> {
        let query = match needed(&link.subselect)? {
            NodeEnum::SelectStmt(query) => self.query(query)?,
            other => return Err(format!("{} as a subquery", kind(other))),
        };
        let test = self.optional(&link.testexpr)?;
        let op = strings(&link.oper_name)?.pop();
        Ok(match (link.sub_link_type(), test) {
            (SubLinkType::ExistsSublink, None) => node("exists", &[query]),
            (SubLinkType::ExprSublink, None) => node("scalar", &[query]),
            (SubLinkType::ArraySublink, None) => node("array", &[query]),
            (SubLinkType::AnySublink, Some(test)) => match op {
                None => binary("in", &test, &query),
                Some(op) => binary(&format!("{op} any"), &test, &query),
            },
            (SubLinkType::AllSublink, Some(test)) => {
                binary(&format!("{} all", op.unwrap_or_default()), &test, &query)
            }
            _ => return Err("this kind of subquery".to_owned()),
        })
    }

    fn call(&mut self, call: &FuncCall) -> Read<String> {
        let mut function = name_of(&call.funcname)?;
        // A keyword since PostgreSQL 16 only; the catalog's own all the same.
        if call.funcformat() == CoercionForm::CoerceExplicitCall
            && function.name == "json_object"
            && function.schema.as_deref() == Some("pg_catalog")
        {
            function.schema = None;
        }
        let special = call.funcformat() == CoercionForm::CoerceSqlSyntax;
        self.called(&function);
        let mut args = self.exprs(&call.args)?;
        let mut unusual = call.func_variadic
            || call
                .args
                .iter()
                .any(|arg| matches!(arg.node, Some(NodeEnum::NamedArgExpr(_))));
        if special {
            match function.name.as_str() {
                // The field is a constant here and a word in the text.
                "extract" => {
                    args.remove(0);
                    unusual = true;
                }
                // `FOR` without `FROM`: the grammar adds a start and a cast of the length.
                "substring" if implied_start(&call.args) => {
                    args.remove(1);
                    if let Some(length) = args.last_mut() {
                        *length = length.trim_end_matches("::integer").to_owned();
                    }
                    unusual = true;
                }
                _ => {}
            }
        }
        let order = self.order(
            if call.agg_within_group {
                "within"
            } else {
                "order"
            },
            &call.agg_order,
        )?;
        let parts = [
            flag(call.agg_distinct, "distinct"),
            flag(unusual, "unusual"),
            if call.agg_star {
                "*".to_owned()
            } else {
                args.join(", ")
            },
            order,
            maybe("filter", self.optional(&call.agg_filter)?),
            match &call.over {
                None => String::new(),
                Some(over) if !over.name.is_empty() => maybe("over", Some(ident(&over.name))),
                Some(over) => maybe("over", Some(self.window(over)?)),
            },
        ];
        Ok(node(&name(&function), &parts))
    }

    pub(crate) fn window(&mut self, window: &WindowDef) -> Read<String> {
        // router-core leaves the bounds out of its tree: they must not hide anything.
        self.optional(&window.start_offset)?;
        self.optional(&window.end_offset)?;
        let base = (!window.refname.is_empty()).then(|| ident(&window.refname));
        Ok(node(
            "window",
            &[
                maybe("base", base),
                list("partition", &self.exprs(&window.partition_clause)?),
                self.order("order", &window.order_clause)?,
                flag(window.frame_options & FRAME != 0, "frame"),
            ],
        ))
    }

    // === Conditions ===

    /// A `WHERE` or `ON`, printed, with its conditions noted.
    pub(crate) fn filter(&mut self, filter: &Option<Box<Node>>) -> Read<Option<String>> {
        let Some(filter) = boxed(filter)? else {
            return Ok(None);
        };
        let printed = self.expr(filter)?;
        self.conditions_of(filter)?;
        Ok(Some(printed))
    }

    /// Walks `AND` and `OR` down to comparisons; the stack is explicit, for long lists.
    fn conditions_of(&mut self, filter: &NodeEnum) -> Read<()> {
        let mut stack = vec![filter];
        while let Some(condition) = stack.pop() {
            match condition {
                NodeEnum::BoolExpr(of) if of.boolop() != BoolExprType::NotExpr => {
                    for arg in &of.args {
                        stack.push(inner(arg)?);
                    }
                }
                NodeEnum::AExpr(of) => self.comparison(of)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn comparison(&mut self, of: &AExpr) -> Read<()> {
        let Some(op) = strings(&of.name)?.pop().filter(|_| of.name.len() == 1) else {
            return Ok(());
        };
        let (Some(left), Some(right)) = (boxed(&of.lexpr)?, boxed(&of.rexpr)?) else {
            return Ok(());
        };
        match (of.kind(), right) {
            (AExprKind::AexprOp, _) => self.pair(&op, left, right)?,
            (AExprKind::AexprIn, NodeEnum::List(values)) if op == "=" => {
                for value in &values.items {
                    self.pair("=", left, inner(value)?)?;
                }
            }
            (AExprKind::AexprOpAny, array) if op == "=" => {
                if constant(array) {
                    self.note("=[]", left, array, "")?;
                }
                for (element, cast) in elements(array)? {
                    self.note("=", left, element, &cast)?;
                }
            }
            (AExprKind::AexprBetween, NodeEnum::List(bounds)) => {
                for (bound, op) in bounds.items.iter().zip([">=", "<="]) {
                    self.note(op, left, inner(bound)?, "")?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// One operand against the other, either way round; rows column by column.
    fn pair(&mut self, op: &str, left: &NodeEnum, right: &NodeEnum) -> Read<()> {
        if let (NodeEnum::RowExpr(lefts), NodeEnum::RowExpr(rights)) = (left, right) {
            if op == "=" && lefts.args.len() == rights.args.len() {
                for (left, right) in lefts.args.iter().zip(&rights.args) {
                    self.pair(op, inner(left)?, inner(right)?)?;
                }
            }
            return Ok(());
        }
        self.note(op, left, right, "")?;
        let turned = match op {
            "<" => ">",
            ">" => "<",
            "<=" => ">=",
            ">=" => "<=",
            op => op,
        };
        self.note(turned, right, left, "")
    }

    /// An output of a query or a cell of `VALUES`, and how it is printed.
    pub(crate) fn note_output(&mut self, output: &NodeEnum, printed: &str) {
        if constant(output) {
            self.outputs.insert(printed.to_owned());
        }
    }

    fn note(&mut self, op: &str, column: &NodeEnum, value: &NodeEnum, cast: &str) -> Read<()> {
        let NodeEnum::ColumnRef(column) = column else {
            return Ok(());
        };
        let Some(column) = strings(&column.fields)
            .ok()
            .and_then(|mut parts| parts.pop())
        else {
            return Ok(());
        };
        if constant(value) {
            let value = format!("{}{cast}", self.expr(value)?);
            self.conditions.insert(Condition {
                column,
                operator: op.to_owned(),
                value,
            });
        }
        Ok(())
    }
}

/// Whether an expression is built from literals, parameters, casts, signs and arithmetic alone.
fn constant(expr: &NodeEnum) -> bool {
    let mut stack = vec![expr];
    while let Some(expr) = stack.pop() {
        let parts = match expr {
            NodeEnum::AConst(_) | NodeEnum::ParamRef(_) => continue,
            NodeEnum::TypeCast(cast) => [&None, &cast.arg],
            NodeEnum::AExpr(of) if of.kind() == AExprKind::AexprOp => {
                let op = strings(&of.name).ok().and_then(|mut names| names.pop());
                if !matches!(op.as_deref(), Some("+" | "-" | "*")) {
                    return false;
                }
                [&of.lexpr, &of.rexpr]
            }
            _ => return false,
        };
        for part in parts {
            match boxed(part) {
                Ok(part) => stack.extend(part),
                Err(_) => return false,
            }
        }
    }
    true
}

/// The elements of an array written out, with the cast that the array's becomes for each.
fn elements(array: &NodeEnum) -> Read<Vec<(&NodeEnum, String)>> {
    let (array, cast) = match array {
        NodeEnum::TypeCast(of) => {
            let to = of.type_name.as_ref().ok_or("a cast to nothing")?;
            let to = types::print(to)?;
            let Some(element) = to.strip_suffix("[]") else {
                return Ok(Vec::new());
            };
            (needed(&of.arg)?, format!("::{element}"))
        }
        array => (array, String::new()),
    };
    match array {
        NodeEnum::AArrayExpr(of) => of
            .elements
            .iter()
            .map(|element| Ok((inner(element)?, cast.clone())))
            .collect(),
        _ => Ok(Vec::new()),
    }
}

/// Whether the second argument is a constant that is not in the text.
fn implied_start(args: &[Node]) -> bool {
    match args {
        [_, start, _] => {
            matches!(&start.node, Some(NodeEnum::AConst(start)) if start.location == -1)
        }
        _ => false,
    }
}

pub(crate) fn literal(constant: &AConst) -> Read<String> {
    if constant.isnull {
        return Ok("null".to_owned());
    }
    Ok(match &constant.val {
        Some(Val::Ival(value)) => value.ival.to_string(),
        Some(Val::Fval(value)) => match value.fval.strip_prefix('-') {
            Some(text) => number(text, true),
            None => number(&value.fval, false),
        },
        Some(Val::Boolval(value)) => value.boolval.to_string(),
        Some(Val::Sval(value)) => format!("'{}'", value.sval),
        Some(Val::Bsval(value)) => {
            let (kind, digits) = value.bsval.split_at_checked(1).ok_or("a bit string")?;
            format!("{kind}'{}'", digits.to_ascii_lowercase())
        }
        None => return Err("a constant without a value".to_owned()),
    })
}

/// The name, and whether a precision follows.
fn value_function(op: SqlValueFunctionOp) -> Read<(&'static str, bool)> {
    use SqlValueFunctionOp as O;
    Ok(match op {
        O::SvfopCurrentDate => ("current_date", false),
        O::SvfopCurrentTime => ("current_time", false),
        O::SvfopCurrentTimeN => ("current_time", true),
        O::SvfopCurrentTimestamp => ("current_timestamp", false),
        O::SvfopCurrentTimestampN => ("current_timestamp", true),
        O::SvfopLocaltime => ("localtime", false),
        O::SvfopLocaltimeN => ("localtime", true),
        O::SvfopLocaltimestamp => ("localtimestamp", false),
        O::SvfopLocaltimestampN => ("localtimestamp", true),
        O::SvfopCurrentRole => ("current_role", false),
        O::SvfopCurrentUser => ("current_user", false),
        O::SvfopUser => ("user", false),
        O::SvfopSessionUser => ("session_user", false),
        O::SvfopCurrentCatalog => ("current_catalog", false),
        O::SvfopCurrentSchema => ("current_schema", false),
        O::SqlvalueFunctionOpUndefined => return Err("a function of SQL".to_owned()),
    })
}
