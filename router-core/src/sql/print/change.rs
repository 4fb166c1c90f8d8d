//! `INSERT`, `UPDATE`, `DELETE`, `COPY`.

use super::{Printer, flag, ident, idents, list, maybe, node};
use crate::sql::statement::{
    Assignment, Copy, CopyOption, CopyPeer, CopyWhat, Delete, Insert, InsertSource, Update,
};

impl Printer<'_> {
    pub(super) fn insert(&self, insert: &Insert) -> String {
        let source = match &insert.source {
            InsertSource::DefaultValues => "default".to_owned(),
            InsertSource::Values(values) => node("values", &[self.rows(values)]),
            InsertSource::Query(query) => self.query(query),
        };
        let conflict = insert.on_conflict.as_ref().map(|conflict| {
            let update = conflict.update.as_ref();
            node(
                if update.is_some() {
                    "update"
                } else {
                    "nothing"
                },
                &[
                    list("columns", &idents(&conflict.columns)),
                    update.map_or_else(String::new, |update| self.assignments(update)),
                    maybe("where", conflict.filter.as_ref().map(|of| self.expr(of))),
                ],
            )
        });
        let overriding = insert.overriding.as_ref().map(|words| {
            let word = words.split_whitespace().nth(1).unwrap_or_default();
            word.to_ascii_lowercase()
        });
        node(
            "insert",
            &[
                self.ctes(&insert.with, insert.recursive),
                self.relation(&insert.target),
                list("columns", &idents(&insert.columns)),
                maybe("overriding", overriding),
                source,
                maybe("conflict", conflict),
                list("returning", &self.items(&insert.returning)),
            ],
        )
    }

    fn assignments(&self, assignments: &[Assignment]) -> String {
        let items: Vec<String> = assignments
            .iter()
            .map(|assignment| {
                let value = self.expr(&assignment.value);
                match assignment.columns.as_slice() {
                    [column] if assignment.part => format!("part of {} := {value}", ident(column)),
                    [column] => format!("{} := {value}", ident(column)),
                    columns => format!("({}) := {value}", idents(columns).join(", ")),
                }
            })
            .collect();
        list("set", &items)
    }

    pub(super) fn update(&self, update: &Update) -> String {
        node(
            "update",
            &[
                self.ctes(&update.with, update.recursive),
                self.relation(&update.target),
                self.assignments(&update.assignments),
                list("from", &self.tables(&update.from)),
                maybe("where", update.filter.as_ref().map(|of| self.expr(of))),
                maybe("current", update.current_of.as_deref().map(ident)),
                list("returning", &self.items(&update.returning)),
            ],
        )
    }

    pub(super) fn delete(&self, delete: &Delete) -> String {
        node(
            "delete",
            &[
                self.ctes(&delete.with, delete.recursive),
                self.relation(&delete.target),
                list("using", &self.tables(&delete.using)),
                maybe("where", delete.filter.as_ref().map(|of| self.expr(of))),
                maybe("current", delete.current_of.as_deref().map(ident)),
                list("returning", &self.items(&delete.returning)),
            ],
        )
    }

    pub(super) fn copy(&self, copy: &Copy) -> String {
        let (what, columns) = match &copy.what {
            CopyWhat::Table { relation, columns } => (self.relation(relation), idents(columns)),
            CopyWhat::Query(statement) => (self.statement(statement), Vec::new()),
        };
        let options: Vec<String> = copy
            .options
            .iter()
            .map(|(name, value)| match value {
                CopyOption::Flag => ident(name),
                CopyOption::Text(text) => format!("{}='{text}'", ident(name)),
                CopyOption::Columns(columns) => {
                    format!("{}=({})", ident(name), idents(columns).join(", "))
                }
                CopyOption::All => format!("{}=*", ident(name)),
            })
            .collect();
        let peer = match copy.peer {
            CopyPeer::Client => "client",
            CopyPeer::File => "file",
            CopyPeer::Program => "program",
        };
        node(
            "copy",
            &[
                what,
                list("columns", &columns),
                flag(copy.from, "from"),
                flag(!copy.from, "to"),
                peer.to_owned(),
                list("options", &options),
                maybe("where", copy.filter.as_ref().map(|of| self.expr(of))),
            ],
        )
    }
}
