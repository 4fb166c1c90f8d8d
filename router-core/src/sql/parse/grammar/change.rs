//! `INSERT`, `UPDATE`, `DELETE`.

use sqlparser::ast;

use super::{Convert, Read};
use crate::sql::lexer::Class;
use crate::sql::parse::feed::index;
use crate::sql::statement::{
    Alias, Assignment, Delete, Insert, InsertSource, Kind, OnConflict, Relation, SelectItem,
    SetExpr, Update,
};

impl Convert<'_, '_> {
    pub(super) fn insert(&self, insert: &ast::Insert, with: Option<&ast::With>) -> Read<Kind> {
        let ast::Insert {
            insert_token: _,
            optimizer_hints,
            or,
            ignore,
            into,
            table,
            table_alias,
            columns,
            overwrite,
            source,
            assignments,
            partitioned,
            after_columns,
            has_table_keyword,
            on,
            returning,
            output,
            replace_into,
            priority,
            insert_alias,
            settings,
            format_clause,
            multi_table_insert_type,
            multi_table_into_clauses,
            multi_table_when_clauses,
            multi_table_else_clause,
        } = insert;
        let foreign = !optimizer_hints.is_empty()
            || or.is_some()
            || *ignore
            || !*into
            || *overwrite
            || !assignments.is_empty()
            || partitioned.is_some()
            || !after_columns.is_empty()
            || *has_table_keyword
            || output.is_some()
            || *replace_into
            || priority.is_some()
            || insert_alias.is_some()
            || settings.is_some()
            || format_clause.is_some()
            || multi_table_insert_type.is_some()
            || !multi_table_into_clauses.is_empty()
            || !multi_table_when_clauses.is_empty()
            || multi_table_else_clause.is_some();
        if foreign {
            return Err("a clause of INSERT that PostgreSQL does not have".into());
        }
        let ast::TableObject::TableName(name) = table else {
            return Err("INSERT into something that is not a table".into());
        };
        let (name, range) = self.name(name)?;
        if let Some((from, _)) = range {
            self.not_of_class(from, Class::Reserved)?;
            self.not_of_class(from, Class::TypeOrFunction)?;
        }
        let source = match source {
            None => InsertSource::DefaultValues,
            Some(query) => {
                let query = self.query(query)?;
                let bare = query.with.is_empty()
                    && query.order_by.is_empty()
                    && query.limit.is_none()
                    && query.offset.is_none()
                    && query.locks.is_empty();
                match query.body {
                    SetExpr::Values(values) if bare => InsertSource::Values(values),
                    body => InsertSource::Query(Box::new(crate::sql::statement::Query {
                        body,
                        ..query
                    })),
                }
            }
        };
        Ok(Kind::Insert(Box::new(Insert {
            with: self.with(with)?,
            recursive: with.is_some_and(|with| with.recursive),
            target: Relation {
                name,
                alias: table_alias.as_ref().map(
                    |ast::TableAliasWithoutColumns { explicit: _, alias }| Alias {
                        name: alias.value.clone(),
                        columns: Vec::new(),
                    },
                ),
                only: false,
                sample: None,
                span: self.span(range)?,
            },
            columns: columns
                .iter()
                .map(|name| self.single(name))
                .collect::<Read<_>>()?,
            overriding: self.overriding(range.map_or(0, |(_, to)| to)),
            source,
            on_conflict: on.as_ref().map(|on| self.on_conflict(on)).transpose()?,
            returning: self.returning(returning.as_deref())?,
        })))
    }

    /// `OVERRIDING … VALUE` after the columns; the feed leaves it out.
    fn overriding(&self, target: usize) -> Option<String> {
        let tokens = self.tokens;
        for at in target + 1..tokens.len() {
            if tokens.any_word(at, &["values", "select", "with", "table"]) {
                return None;
            }
            if tokens.is_word(at, "overriding") && tokens.is_word(at + 2, "value") {
                return Some(tokens.span(at, at + 2).of(tokens.source).to_owned());
            }
        }
        None
    }

    fn on_conflict(&self, on: &ast::OnInsert) -> Read<OnConflict> {
        let ast::OnInsert::OnConflict(ast::OnConflict {
            conflict_target,
            action,
        }) = on
        else {
            return Err("this clause of INSERT".into());
        };
        let columns = match conflict_target {
            None | Some(ast::ConflictTarget::OnConstraint(_)) => Vec::new(),
            Some(ast::ConflictTarget::Columns(columns)) => {
                columns.iter().map(|column| column.value.clone()).collect()
            }
        };
        let (update, filter) = match action {
            ast::OnConflictAction::DoNothing => (None, None),
            ast::OnConflictAction::DoUpdate(ast::DoUpdate {
                assignments,
                selection,
            }) => (
                Some(self.assignments(assignments)?),
                self.optional(selection.as_ref())?,
            ),
        };
        Ok(OnConflict {
            columns,
            update,
            filter,
        })
    }

    fn assignments(&self, assignments: &[ast::Assignment]) -> Read<Vec<Assignment>> {
        assignments
            .iter()
            .map(|ast::Assignment { target, value }| {
                let mut part = false;
                let columns = match target {
                    ast::AssignmentTarget::ColumnName(name) => {
                        part = self.is_part(name);
                        vec![self.single(name)?]
                    }
                    ast::AssignmentTarget::Tuple(names) => names
                        .iter()
                        .map(|name| self.single(name))
                        .collect::<Read<_>>()?,
                };
                Ok(Assignment {
                    columns,
                    part,
                    value: self.expr(value)?,
                })
            })
            .collect()
    }

    /// Whether more of an assigned column stands in the text than its name.
    fn is_part(&self, name: &ast::ObjectName) -> bool {
        let part = match &name.0[..] {
            [ast::ObjectNamePart::Identifier(column)] => index(column.span.start)
                .is_some_and(|at| self.notes.parts.binary_search(&at).is_ok()),
            _ => false,
        };
        self.parts.set(self.parts.get() + usize::from(part));
        part
    }

    fn returning(&self, items: Option<&[ast::SelectItem]>) -> Read<Vec<SelectItem>> {
        self.items(items.unwrap_or_default())
    }

    pub(super) fn update(&self, update: &ast::Update, with: Option<&ast::With>) -> Read<Kind> {
        let ast::Update {
            update_token,
            optimizer_hints,
            table: ast::TableWithJoins { relation, joins },
            assignments,
            from,
            selection,
            returning,
            output,
            or,
            order_by,
            limit,
        } = update;
        let foreign = !optimizer_hints.is_empty()
            || !joins.is_empty()
            || output.is_some()
            || or.is_some()
            || !order_by.is_empty()
            || limit.is_some();
        if foreign {
            return Err("a clause of UPDATE that PostgreSQL does not have".into());
        }
        let from = match from {
            None => Vec::new(),
            Some(ast::UpdateTableFromKind::AfterSet(from)) => self.from(from)?,
            Some(ast::UpdateTableFromKind::BeforeSet(_)) => {
                return Err("a clause of UPDATE that PostgreSQL does not have".into());
            }
        };
        Ok(Kind::Update(Box::new(Update {
            with: self.with(with)?,
            recursive: with.is_some_and(|with| with.recursive),
            target: self.relation(relation)?,
            assignments: self.assignments(assignments)?,
            from,
            filter: self.optional(selection.as_ref())?,
            current_of: self.current_of(update_token, selection.is_some())?,
            returning: self.returning(returning.as_deref())?,
        })))
    }

    pub(super) fn delete(&self, delete: &ast::Delete, with: Option<&ast::With>) -> Read<Kind> {
        let ast::Delete {
            delete_token,
            optimizer_hints,
            tables,
            from,
            using,
            selection,
            returning,
            output,
            order_by,
            limit,
        } = delete;
        let foreign = !optimizer_hints.is_empty()
            || !tables.is_empty()
            || output.is_some()
            || !order_by.is_empty()
            || limit.is_some();
        if foreign {
            return Err("a clause of DELETE that PostgreSQL does not have".into());
        }
        let ast::FromTable::WithFromKeyword(from) = from else {
            return Err("DELETE without FROM".into());
        };
        let [ast::TableWithJoins { relation, joins }] = from.as_slice() else {
            return Err("DELETE from several tables".into());
        };
        if !joins.is_empty() {
            return Err("DELETE from a join".into());
        }
        Ok(Kind::Delete(Box::new(Delete {
            with: self.with(with)?,
            recursive: with.is_some_and(|with| with.recursive),
            target: self.relation(relation)?,
            using: self.from(using.as_deref().unwrap_or_default())?,
            filter: self.optional(selection.as_ref())?,
            current_of: self.current_of(delete_token, selection.is_some())?,
            returning: self.returning(returning.as_deref())?,
        })))
    }

    /// The cursor of `WHERE CURRENT OF`, when it belongs to the statement that starts at `token`.
    fn current_of(
        &self,
        token: &ast::helpers::attached_token::AttachedToken,
        filtered: bool,
    ) -> Read<Option<String>> {
        let Some((at, cursor)) = &self.notes.current_of else {
            return Ok(None);
        };
        let inside = index(token.0.span.start).is_some_and(|start| start < *at);
        let ends = self.tokens.len() == at + 4 || self.tokens.is_word(at + 4, "returning");
        // A data change inside WITH is in parentheses, where the feed does not allow the clause.
        let enclosed = index(token.0.span.start)
            .and_then(|start| start.checked_sub(1))
            .is_some_and(|before| self.tokens.is_sym(before, "("));
        if enclosed {
            return Ok(None);
        }
        if !inside || !ends || filtered {
            return Err("WHERE CURRENT OF here".into());
        }
        Ok(Some(cursor.clone()))
    }
}
