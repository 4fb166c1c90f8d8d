//! `INSERT`, `UPDATE`, `DELETE`, `COPY`.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    CopyStmt, DeleteStmt, InsertStmt, Node, OnConflictAction, OnConflictClause, OverridingKind,
    ReturningClause, UpdateStmt,
};
use router_core::sql::print::{flag, ident, idents, list, maybe, node};

use crate::facts::Role;
use crate::statement::{Read, Walk, boxed, inner, kind, needed, strings};

impl Walk {
    pub(crate) fn insert(&mut self, insert: &InsertStmt) -> Read<String> {
        self.writes = true;
        let depth = self.ctes.len();
        let with = self.with(insert.with_clause.as_ref())?;
        let target = insert.relation.as_ref().ok_or("INSERT without a table")?;
        let target = self.relation(target, Role::Written)?;
        let columns = insert
            .cols
            .iter()
            .map(|column| match inner(column)? {
                NodeEnum::ResTarget(column) if column.indirection.is_empty() => {
                    Ok(column.name.clone())
                }
                _ => Err("a part of a column as a target".to_owned()),
            })
            .collect::<Read<Vec<_>>>()?;
        let overriding = match insert.r#override() {
            OverridingKind::OverridingUserValue => Some("user".to_owned()),
            OverridingKind::OverridingSystemValue => Some("system".to_owned()),
            _ => None,
        };
        let source = match boxed(&insert.select_stmt)? {
            None => "default".to_owned(),
            Some(NodeEnum::SelectStmt(query)) => self.query(query)?,
            Some(other) => return Err(format!("{} as a source", kind(other))),
        };
        let conflict = insert.on_conflict_clause.as_deref();
        let conflict = conflict.map(|of| self.conflict(of)).transpose()?;
        let returning = self.returning(insert.returning_clause.as_ref())?;
        self.ctes.truncate(depth);
        Ok(node(
            "insert",
            &[
                with,
                target,
                list("columns", &idents(&columns)),
                maybe("overriding", overriding),
                source,
                maybe("conflict", conflict),
                returning,
            ],
        ))
    }

    fn conflict(&mut self, of: &OnConflictClause) -> Read<String> {
        let mut columns = Vec::new();
        if let Some(target) = &of.infer {
            let mut plain = target.where_clause.is_none();
            for element in &target.index_elems {
                let NodeEnum::IndexElem(element) = inner(element)? else {
                    return Err("a conflict's target".to_owned());
                };
                plain &= element.expr.is_none()
                    && element.collation.is_empty()
                    && element.opclass.is_empty();
                columns.push(element.name.clone());
                if let Some(expr) = boxed(&element.expr)? {
                    self.expr(expr)?;
                }
            }
            if let Some(filter) = boxed(&target.where_clause)? {
                self.expr(filter)?;
            }
            if !plain {
                columns.clear();
            }
        }
        let update = of.action() == OnConflictAction::OnconflictUpdate;
        let set = self.assignments(&of.target_list)?;
        let filter = match boxed(&of.where_clause)? {
            Some(filter) => Some(self.expr(filter)?),
            None => None,
        };
        Ok(node(
            if update { "update" } else { "nothing" },
            &[
                list("columns", &idents(&columns)),
                set,
                maybe("where", filter),
            ],
        ))
    }

    fn assignments(&mut self, targets: &[Node]) -> Read<String> {
        let mut items: Vec<String> = Vec::new();
        let mut waiting: Vec<String> = Vec::new();
        for target in targets {
            let NodeEnum::ResTarget(target) = inner(target)? else {
                return Err("an assignment".to_owned());
            };
            let part = match target.indirection.is_empty() {
                true => "",
                false => "part of ",
            };
            match needed(&target.val)? {
                NodeEnum::MultiAssignRef(_) if !part.is_empty() => {
                    return Err("parts of columns as targets".to_owned());
                }
                NodeEnum::MultiAssignRef(many) => {
                    waiting.push(target.name.clone());
                    if many.colno == many.ncolumns {
                        let value = self.expr(needed(&many.source)?)?;
                        items.push(match waiting.as_slice() {
                            [column] => format!("{} := {value}", ident(column)),
                            columns => format!("({}) := {value}", idents(columns).join(", ")),
                        });
                        waiting.clear();
                    }
                }
                value => items.push(format!(
                    "{part}{} := {}",
                    ident(&target.name),
                    self.expr(value)?
                )),
            }
        }
        Ok(list("set", &items))
    }

    fn returning(&mut self, clause: Option<&ReturningClause>) -> Read<String> {
        let Some(clause) = clause else {
            return Ok(String::new());
        };
        if !clause.options.is_empty() {
            return Err("options of RETURNING".to_owned());
        }
        Ok(list("returning", &self.items(&clause.exprs)?))
    }

    /// `WHERE`, or the cursor of `WHERE CURRENT OF`.
    fn target_filter(&mut self, filter: &Option<Box<Node>>) -> Read<[String; 2]> {
        if let Some(NodeEnum::CurrentOfExpr(current)) = boxed(filter)? {
            let cursor = maybe("current", Some(ident(&current.cursor_name)));
            return Ok([String::new(), cursor]);
        }
        Ok([maybe("where", self.filter(filter)?), String::new()])
    }

    pub(crate) fn update(&mut self, update: &UpdateStmt) -> Read<String> {
        self.writes = true;
        let depth = self.ctes.len();
        let with = self.with(update.with_clause.as_ref())?;
        let target = update.relation.as_ref().ok_or("UPDATE without a table")?;
        let target = self.relation(target, Role::Written)?;
        let set = self.assignments(&update.target_list)?;
        let from = list("from", &self.tables(&update.from_clause)?);
        let [filter, current] = self.target_filter(&update.where_clause)?;
        let returning = self.returning(update.returning_clause.as_ref())?;
        self.ctes.truncate(depth);
        Ok(node(
            "update",
            &[with, target, set, from, filter, current, returning],
        ))
    }

    pub(crate) fn delete(&mut self, delete: &DeleteStmt) -> Read<String> {
        self.writes = true;
        let depth = self.ctes.len();
        let with = self.with(delete.with_clause.as_ref())?;
        let target = delete.relation.as_ref().ok_or("DELETE without a table")?;
        let target = self.relation(target, Role::Written)?;
        let using = list("using", &self.tables(&delete.using_clause)?);
        let [filter, current] = self.target_filter(&delete.where_clause)?;
        let returning = self.returning(delete.returning_clause.as_ref())?;
        self.ctes.truncate(depth);
        Ok(node(
            "delete",
            &[with, target, using, filter, current, returning],
        ))
    }

    pub(crate) fn copy(&mut self, copy: &CopyStmt) -> Read<String> {
        let what = match (&copy.relation, boxed(&copy.query)?) {
            (Some(relation), None) => {
                let role = if copy.is_from {
                    Role::Written
                } else {
                    Role::Read
                };
                self.relation(relation, role)?
            }
            (None, Some(query)) => self.statement(query)?,
            _ => return Err("COPY of nothing".to_owned()),
        };
        let mut options = Vec::new();
        for option in &copy.options {
            let NodeEnum::DefElem(option) = inner(option)? else {
                return Err("an option of COPY".to_owned());
            };
            let name = ident(&option.defname);
            options.push(match boxed(&option.arg)? {
                None => name,
                Some(NodeEnum::Boolean(on)) if on.boolval => name,
                Some(NodeEnum::Boolean(_)) => format!("{name}='false'"),
                Some(NodeEnum::String(text)) => format!("{name}='{}'", text.sval),
                Some(NodeEnum::Integer(number)) => format!("{name}='{}'", number.ival),
                Some(NodeEnum::Float(number)) => format!("{name}='{}'", number.fval),
                Some(NodeEnum::AStar(_)) => format!("{name}=*"),
                Some(NodeEnum::List(columns)) => {
                    format!("{name}=({})", idents(&strings(&columns.items)?).join(", "))
                }
                Some(other) => return Err(format!("{} as an option of COPY", kind(other))),
            });
        }
        let peer = match (copy.is_program, copy.filename.is_empty()) {
            (true, _) => "program",
            (false, true) => "client",
            (false, false) => "file",
        };
        let filter = self.filter(&copy.where_clause)?;
        Ok(node(
            "copy",
            &[
                what,
                list("columns", &idents(&strings(&copy.attlist)?)),
                flag(copy.is_from, "from"),
                flag(!copy.is_from, "to"),
                peer.to_owned(),
                list("options", &options),
                maybe("where", filter),
            ],
        ))
    }
}
