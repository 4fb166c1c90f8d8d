//! Queries.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    JoinExpr, JoinType, LimitOption, LockClauseStrength, LockWaitPolicy, Node, SelectStmt,
    SetOperation, SortBy, SortByDir, SortByNulls, WithClause,
};
use router_core::sql::print::{alias_text, flag, ident, idents, list, maybe, name, node};
use router_core::sql::statement::Name;

use crate::facts::Role;
use crate::statement::{Read, Walk, boxed, inner, kind, needed, strings};

impl Walk {
    pub(crate) fn query(&mut self, select: &SelectStmt) -> Read<String> {
        let depth = self.ctes.len();
        let printed = self.deeper(|walk| walk.query_inside(select));
        self.ctes.truncate(depth);
        printed
    }

    fn query_inside(&mut self, select: &SelectStmt) -> Read<String> {
        let with = self.with(select.with_clause.as_ref())?;
        let (name, mut parts) = match select.op() {
            SetOperation::SetopNone | SetOperation::Undefined => {
                if select.values_lists.is_empty() {
                    ("select", self.block(select)?)
                } else {
                    ("values", vec![self.rows(&select.values_lists)?])
                }
            }
            op => {
                let name = match op {
                    SetOperation::SetopUnion => "union",
                    SetOperation::SetopIntersect => "intersect",
                    _ => "except",
                };
                let arm = |arm: &Option<Box<SelectStmt>>| arm.clone().ok_or("an arm is missing");
                let left = self.query(&*arm(&select.larg)?)?;
                let right = self.query(&*arm(&select.rarg)?)?;
                (name, vec![flag(select.all, "all"), left, right])
            }
        };
        let order = self.order("order", &select.sort_clause)?;
        let limit = boxed(&select.limit_count)?
            .map(|limit| self.expr(limit))
            .transpose()?
            .filter(|limit| limit != "null");
        let ties = limit.is_some() && select.limit_option() == LimitOption::WithTies;
        let offset = boxed(&select.limit_offset)?
            .map(|offset| self.expr(offset))
            .transpose()?;
        let mut locks = Vec::new();
        for lock in &select.locking_clause {
            self.writes = true;
            locks.push(lock_text(lock)?);
        }
        parts.extend([
            with,
            order,
            maybe("limit", limit),
            flag(ties, "ties"),
            maybe("offset", offset),
            list("locks", &locks),
        ]);
        Ok(node(name, &parts))
    }

    pub(crate) fn rows(&mut self, rows: &[Node]) -> Read<String> {
        let rows: Vec<String> = rows
            .iter()
            .map(|row| match inner(row)? {
                NodeEnum::List(row) => {
                    let cells = self.exprs(&row.items)?;
                    for (cell, printed) in row.items.iter().zip(&cells) {
                        self.note_output(inner(cell)?, printed);
                    }
                    Ok(format!("({})", cells.join(", ")))
                }
                other => Err(format!("{} as a row", kind(other))),
            })
            .collect::<Read<_>>()?;
        Ok(rows.join(" "))
    }

    /// `WITH`; its names stay in sight until the caller takes them away.
    pub(crate) fn with(&mut self, with: Option<&WithClause>) -> Read<String> {
        let Some(with) = with else {
            return Ok(String::new());
        };
        let ctes = with
            .ctes
            .iter()
            .map(|cte| match inner(cte)? {
                NodeEnum::CommonTableExpr(cte) => Ok(cte),
                other => Err(format!("{} in WITH", kind(other))),
            })
            .collect::<Read<Vec<_>>>()?;
        if with.recursive {
            self.ctes.extend(ctes.iter().map(|cte| cte.ctename.clone()));
        }
        let mut items = Vec::with_capacity(ctes.len());
        for cte in ctes {
            if cte.search_clause.is_some() || cte.cycle_clause.is_some() {
                return Err("SEARCH or CYCLE".to_owned());
            }
            use pg_query::protobuf::CteMaterialize as M;
            let hint = match cte.ctematerialized() {
                M::Always => "materialized ",
                M::Never => "not materialized ",
                M::Default | M::CtematerializeUndefined => "",
            };
            let depth = self.ctes.len();
            let body = self.statement(needed(&cte.ctequery)?)?;
            self.ctes.truncate(depth);
            let alias = alias_text(&cte.ctename, &strings(&cte.aliascolnames)?);
            items.push(format!("{alias}: {hint}{body}"));
            if !with.recursive {
                self.ctes.push(cte.ctename.clone());
            }
        }
        let name = if with.recursive { "recursive" } else { "with" };
        Ok(list(name, &items))
    }

    fn block(&mut self, select: &SelectStmt) -> Read<Vec<String>> {
        let distinct = match select.distinct_clause.as_slice() {
            [] => String::new(),
            [one] if one.node.is_none() => "distinct".to_owned(),
            on => list("distinct", &self.exprs(on)?),
        };
        let items = list("items", &self.items(&select.target_list)?);
        let into = match &select.into_clause {
            None => None,
            Some(into) => {
                let target = into.rel.as_ref().ok_or("INTO without a name")?;
                self.writes = true;
                self.creates = true;
                self.relation(target, Role::Written)?;
                Some(name(&Name {
                    schema: (!target.schemaname.is_empty()).then(|| target.schemaname.clone()),
                    name: target.relname.clone(),
                }))
            }
        };
        let from = list("from", &self.tables(&select.from_clause)?);
        let filter = self.filter(&select.where_clause)?;
        let mut groups = Vec::new();
        for item in &select.group_clause {
            match inner(item)? {
                NodeEnum::GroupingSet(set) => {
                    // What router-core leaves out of its tree must not hide anything.
                    self.exprs_of_sets(&set.content)?;
                    groups.push("sets".to_owned());
                }
                item => groups.push(self.expr(item)?),
            }
        }
        let having = boxed(&select.having_clause)?
            .map(|having| self.expr(having))
            .transpose()?;
        let mut windows = Vec::new();
        for window in &select.window_clause {
            let NodeEnum::WindowDef(window) = inner(window)? else {
                return Err("a window".to_owned());
            };
            windows.push(format!("{}: {}", ident(&window.name), self.window(window)?));
        }
        Ok(vec![
            distinct,
            items,
            maybe("into", into),
            from,
            maybe("where", filter),
            flag(select.group_distinct, "distinctly"),
            list("group", &groups),
            maybe("having", having),
            list("windows", &windows),
        ])
    }

    fn exprs_of_sets(&mut self, content: &[Node]) -> Read<()> {
        for item in content {
            match inner(item)? {
                NodeEnum::GroupingSet(set) => self.exprs_of_sets(&set.content)?,
                item => {
                    self.expr(item)?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn items(&mut self, items: &[Node]) -> Read<Vec<String>> {
        items
            .iter()
            .map(|item| {
                let NodeEnum::ResTarget(item) = inner(item)? else {
                    return Err("an entry of a select list".to_owned());
                };
                let value = needed(&item.val)?;
                if let NodeEnum::ColumnRef(column) = value
                    && let Some(NodeEnum::AStar(_)) =
                        column.fields.last().and_then(|last| last.node.as_ref())
                {
                    let qualifier = &column.fields[..column.fields.len() - 1];
                    if qualifier.is_empty() {
                        return Ok("*".to_owned());
                    }
                    let qualifier = crate::statement::name_of(qualifier)?;
                    return Ok(format!("{}.*", name(&qualifier)));
                }
                let printed = self.expr(value)?;
                self.note_output(value, &printed);
                if item.name.is_empty() {
                    Ok(printed)
                } else {
                    Ok(format!("{printed} as {}", ident(&item.name)))
                }
            })
            .collect()
    }

    pub(crate) fn order(&mut self, name: &str, items: &[Node]) -> Read<String> {
        let items = items
            .iter()
            .map(|item| match inner(item)? {
                NodeEnum::SortBy(item) => self.order_item(item),
                other => Err(format!("{} in ORDER BY", kind(other))),
            })
            .collect::<Read<Vec<_>>>()?;
        Ok(list(name, &items))
    }

    fn order_item(&mut self, item: &SortBy) -> Read<String> {
        let descending = match item.sortby_dir() {
            SortByDir::SortbyUsing => match &item.use_op[..] {
                [op] => match inner(op)? {
                    NodeEnum::String(op) if op.sval == "<" => false,
                    NodeEnum::String(op) if op.sval == ">" => true,
                    _ => return Err("ORDER BY … USING of this operator".to_owned()),
                },
                _ => return Err("ORDER BY … USING of an operator with a schema".to_owned()),
            },
            direction => direction == SortByDir::SortbyDesc,
        };
        let first = match item.sortby_nulls() {
            SortByNulls::SortbyNullsFirst => true,
            SortByNulls::SortbyNullsLast => false,
            _ => descending,
        };
        Ok(format!(
            "{} {} nulls {}",
            self.expr(needed(&item.node)?)?,
            if descending { "desc" } else { "asc" },
            if first { "first" } else { "last" },
        ))
    }

    pub(crate) fn tables(&mut self, tables: &[Node]) -> Read<Vec<String>> {
        tables
            .iter()
            .map(|table| self.table(inner(table)?))
            .collect()
    }

    fn table(&mut self, table: &NodeEnum) -> Read<String> {
        self.deeper(|walk| match table {
            NodeEnum::RangeVar(relation) => walk.relation(relation, Role::Read),
            NodeEnum::RangeTableSample(sample) => {
                let NodeEnum::RangeVar(relation) = needed(&sample.relation)? else {
                    return Err("TABLESAMPLE of something else than a table".to_owned());
                };
                walk.exprs(&sample.args)?;
                if let Some(seed) = boxed(&sample.repeatable)? {
                    walk.expr(seed)?;
                }
                walk.named(relation, Some(Role::Read), true)
            }
            NodeEnum::RangeSubselect(sub) => {
                let query = match needed(&sub.subquery)? {
                    NodeEnum::SelectStmt(query) => walk.query(query)?,
                    other => return Err(format!("{} in FROM", kind(other))),
                };
                let alias = aliased(sub.alias.as_ref(), &[])?;
                Ok(node("sub", &[flag(sub.lateral, "lateral"), query, alias]))
            }
            NodeEnum::RangeFunction(function) => {
                let mut calls = Vec::new();
                for call in &function.functions {
                    let NodeEnum::List(call) = inner(call)? else {
                        return Err("a function in FROM".to_owned());
                    };
                    match call.items.as_slice() {
                        [one] => calls.push(walk.expr(inner(one)?)?),
                        [one, columns] if columns.node.is_none() => {
                            calls.push(walk.expr(inner(one)?)?);
                        }
                        [one, columns]
                            if matches!(&columns.node, Some(NodeEnum::List(list)) if list.items.is_empty()) =>
                        {
                            calls.push(walk.expr(inner(one)?)?);
                        }
                        _ => return Err("columns of a function in ROWS FROM".to_owned()),
                    }
                }
                let alias = aliased(function.alias.as_ref(), &function.coldeflist)?;
                Ok(node(
                    "rows",
                    &[flag(function.lateral, "lateral"), calls.join(", "), alias],
                ))
            }
            NodeEnum::JoinExpr(join) => walk.join(join),
            other => Err(format!("{} in FROM", kind(other))),
        })
    }

    fn join(&mut self, join: &JoinExpr) -> Read<String> {
        if join.alias.is_some() || join.join_using_alias.is_some() {
            return Err("an alias of a join".to_owned());
        }
        let kind = match join.jointype() {
            JoinType::JoinInner => "join",
            JoinType::JoinLeft => "left",
            JoinType::JoinRight => "right",
            JoinType::JoinFull => "full",
            _ => return Err("this kind of join".to_owned()),
        };
        let left = self.table(needed(&join.larg)?)?;
        let right = self.table(needed(&join.rarg)?)?;
        let on = match boxed(&join.quals)? {
            Some(_) => maybe("on", self.filter(&join.quals)?),
            None if join.is_natural => "natural".to_owned(),
            None => list("using", &idents(&strings(&join.using_clause)?)),
        };
        Ok(node(kind, &[left, right, on]))
    }
}

fn aliased(alias: Option<&pg_query::protobuf::Alias>, definitions: &[Node]) -> Read<String> {
    let mut columns = alias.map_or(Ok(Vec::new()), |alias| strings(&alias.colnames))?;
    for definition in definitions {
        match inner(definition)? {
            NodeEnum::ColumnDef(column) => columns.push(column.colname.clone()),
            other => return Err(format!("{} as a column", kind(other))),
        }
    }
    match alias {
        Some(alias) => Ok(format!("as {}", alias_text(&alias.aliasname, &columns))),
        None if columns.is_empty() => Ok(String::new()),
        None => Err("columns of a function without a name".to_owned()),
    }
}

fn lock_text(lock: &Node) -> Read<String> {
    let NodeEnum::LockingClause(lock) = inner(lock)? else {
        return Err("a locking clause".to_owned());
    };
    let mut text = match lock.strength() {
        LockClauseStrength::LcsForkeyshare => "for key share",
        LockClauseStrength::LcsForshare => "for share",
        LockClauseStrength::LcsFornokeyupdate => "for no key update",
        LockClauseStrength::LcsForupdate => "for update",
        _ => return Err("a locking clause".to_owned()),
    }
    .to_owned();
    let mut names = Vec::new();
    for relation in &lock.locked_rels {
        match inner(relation)? {
            NodeEnum::RangeVar(relation) if relation.schemaname.is_empty() => {
                names.push(relation.relname.clone());
            }
            NodeEnum::RangeVar(relation) => {
                names.push(format!("{}.{}", relation.schemaname, relation.relname));
            }
            other => return Err(format!("{} in a locking clause", kind(other))),
        }
    }
    if !names.is_empty() {
        text.push_str(" of ");
        text.push_str(&names.join(","));
    }
    match lock.wait_policy() {
        LockWaitPolicy::LockWaitSkip => text.push_str(" skip locked"),
        LockWaitPolicy::LockWaitError => text.push_str(" nowait"),
        _ => {}
    }
    Ok(text)
}
