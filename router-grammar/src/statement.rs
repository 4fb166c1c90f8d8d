//! Statements, and the state of a walk.

use std::collections::BTreeSet;

use pg_query::protobuf::{Node, RangeVar};
use pg_query::{NodeEnum, ParserOptions};
use router_core::sql::effect::Effect;
use router_core::sql::functions;
use router_core::sql::lexer;
use router_core::sql::print;
use router_core::sql::statement::Name;

use crate::facts::{Condition, Facts, Reading, Role};

/// What is not known, as a phrase.
pub(crate) type Read<T> = Result<T, String>;

/// How deep nodes may be nested. The protocol-buffer decoder allows about as much.
const DEPTH: usize = 100;

/// Reads one statement with PostgreSQL's grammar.
pub fn read(text: &str, options: lexer::Options) -> Reading {
    let mut flags = ParserOptions::default();
    if !options.standard_conforming_strings {
        flags |= ParserOptions::DISABLE_STANDARD_CONFORMING_STRINGS;
    }
    let parsed = match pg_query::parse(text, flags) {
        Ok(parsed) => parsed.protobuf,
        Err(pg_query::Error::Parse(message)) => return Reading::Rejected(message),
        Err(error) => return Reading::Unknown(error.to_string()),
    };
    let statement = match parsed.stmts.as_slice() {
        [] => {
            return Reading::Known(Facts {
                tree: "empty".to_owned(),
                effect: Effect::Session,
                relations: BTreeSet::new(),
                functions: BTreeSet::new(),
                conditions: BTreeSet::new(),
                outputs: BTreeSet::new(),
            });
        }
        [one] => one.stmt.as_deref().and_then(|node| node.node.as_ref()),
        _ => return Reading::Unknown("several statements".to_owned()),
    };
    let Some(statement) = statement else {
        return Reading::Unknown("a statement without a node".to_owned());
    };
    let mut walk = Walk::default();
    match walk.statement(statement) {
        Ok(tree) => Reading::Known(Facts {
            effect: walk.effect(statement),
            tree,
            relations: walk.relations,
            functions: walk.functions,
            conditions: walk.conditions,
            outputs: walk.outputs,
        }),
        Err(what) => Reading::Unknown(what),
    }
}

/// The node inside, when there is one.
pub(crate) fn inner(node: &Node) -> Read<&NodeEnum> {
    node.node.as_ref().ok_or_else(|| "an empty node".to_owned())
}

/// The node inside an optional box.
pub(crate) fn boxed(node: &Option<Box<Node>>) -> Read<Option<&NodeEnum>> {
    node.as_deref().map(inner).transpose()
}

/// The node that must be there.
pub(crate) fn needed(node: &Option<Box<Node>>) -> Read<&NodeEnum> {
    boxed(node)?.ok_or_else(|| "a node that is missing".to_owned())
}

/// A node's name in Rust, for what is not known.
pub(crate) fn kind(node: &NodeEnum) -> String {
    let mut text = format!("{node:?}");
    text.truncate(text.find('(').unwrap_or(text.len()));
    text
}

/// The strings of a list of names.
pub(crate) fn strings(nodes: &[Node]) -> Read<Vec<String>> {
    nodes
        .iter()
        .map(|node| match inner(node)? {
            NodeEnum::String(text) => Ok(text.sval.clone()),
            other => Err(format!("{} as a name", kind(other))),
        })
        .collect()
}

/// A name of one or two parts.
pub(crate) fn name_of(nodes: &[Node]) -> Read<Name> {
    match strings(nodes)?.as_slice() {
        [name] => Ok(Name {
            schema: None,
            name: name.clone(),
        }),
        [schema, name] => Ok(Name {
            schema: Some(schema.clone()),
            name: name.clone(),
        }),
        _ => Err("a name of many parts".to_owned()),
    }
}

/// The state of a walk.
#[derive(Default)]
pub(crate) struct Walk {
    pub(crate) relations: BTreeSet<(Name, Role)>,
    pub(crate) functions: BTreeSet<Name>,
    pub(crate) conditions: BTreeSet<Condition>,
    pub(crate) outputs: BTreeSet<String>,
    /// Common table expressions in sight, the innermost last.
    pub(crate) ctes: Vec<String>,
    /// Whether something inside writes, locks rows or calls what may.
    pub(crate) writes: bool,
    /// `SELECT INTO`.
    pub(crate) creates: bool,
    /// How many nodes are around the present one.
    depth: usize,
}

impl Walk {
    /// Goes one level deeper.
    pub(crate) fn deeper<T>(&mut self, step: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        if self.depth >= DEPTH {
            return Err(format!("nodes nested deeper than {DEPTH}"));
        }
        self.depth += 1;
        let read = step(self);
        self.depth -= 1;
        read
    }

    pub(crate) fn statement(&mut self, node: &NodeEnum) -> Read<String> {
        self.deeper(|walk| match node {
            NodeEnum::SelectStmt(select) => walk.query(select),
            NodeEnum::InsertStmt(insert) => walk.insert(insert),
            NodeEnum::UpdateStmt(update) => walk.update(update),
            NodeEnum::DeleteStmt(delete) => walk.delete(delete),
            NodeEnum::CopyStmt(copy) => walk.copy(copy),
            NodeEnum::ExplainStmt(explain) => {
                let (mut analyze, mut shunt) = (false, false);
                for option in &explain.options {
                    let NodeEnum::DefElem(option) = inner(option)? else {
                        return Err("an option of EXPLAIN".to_owned());
                    };
                    let on = crate::session::truth(boxed(&option.arg)?);
                    match option.defname.as_str() {
                        "analyze" => analyze = on?,
                        "shunt" => shunt = on?,
                        _ => {}
                    }
                }
                let statement = walk.statement(needed(&explain.query)?)?;
                Ok(print::node(
                    "explain",
                    &[
                        print::flag(analyze, "analyze"),
                        print::flag(shunt, "shunt"),
                        statement,
                    ],
                ))
            }
            other => match walk.session(other)? {
                Some(tree) => Ok(tree),
                None => walk.utility(other),
            },
        })
    }

    /// What the statement does, once it has been walked.
    fn effect(&self, node: &NodeEnum) -> Effect {
        let by_content = if self.writes {
            Effect::Write
        } else {
            Effect::Read
        };
        match node {
            NodeEnum::SelectStmt(_) if self.creates => Effect::Schema,
            NodeEnum::SelectStmt(_) | NodeEnum::DeclareCursorStmt(_) => by_content,
            NodeEnum::InsertStmt(_) | NodeEnum::UpdateStmt(_) | NodeEnum::DeleteStmt(_) => {
                Effect::Write
            }
            NodeEnum::CopyStmt(copy) => {
                if !copy.is_from && !copy.is_program && copy.filename.is_empty() {
                    by_content
                } else {
                    Effect::Write
                }
            }
            NodeEnum::ExplainStmt(explain) => {
                let analyze = explain.options.iter().any(|option| {
                    matches!(inner(option), Ok(NodeEnum::DefElem(option))
                        if option.defname == "analyze"
                            && !matches!(crate::session::truth(boxed(&option.arg).ok().flatten()), Ok(false)))
                });
                match needed(&explain.query) {
                    Ok(query) if analyze => self.effect(query),
                    _ => Effect::Read,
                }
            }
            NodeEnum::TransactionStmt(_) | NodeEnum::ConstraintsSetStmt(_) => Effect::Transaction,
            NodeEnum::VariableSetStmt(set) if set.name.starts_with("TRANSACTION") => {
                Effect::Transaction
            }
            NodeEnum::LockStmt(_) | NodeEnum::ExecuteStmt(_) | NodeEnum::NotifyStmt(_) => {
                Effect::Write
            }
            NodeEnum::VariableSetStmt(_)
            | NodeEnum::VariableShowStmt(_)
            | NodeEnum::DiscardStmt(_)
            | NodeEnum::PrepareStmt(_)
            | NodeEnum::DeallocateStmt(_)
            | NodeEnum::FetchStmt(_)
            | NodeEnum::ClosePortalStmt(_)
            | NodeEnum::ListenStmt(_)
            | NodeEnum::UnlistenStmt(_)
            | NodeEnum::LoadStmt(_) => Effect::Session,
            other if crate::utility::changes_schema(other) => Effect::Schema,
            _ => Effect::Write,
        }
    }

    /// A relation, noted with its role unless it is a common table expression, and printed.
    pub(crate) fn relation(&mut self, of: &RangeVar, role: Role) -> Read<String> {
        self.named(of, Some(role), false)
    }

    /// A relation that is only an object of the statement.
    pub(crate) fn object(&mut self, of: &RangeVar) -> Read<String> {
        self.named(of, None, false)
    }

    pub(crate) fn named(
        &mut self,
        of: &RangeVar,
        role: Option<Role>,
        sample: bool,
    ) -> Read<String> {
        if !of.catalogname.is_empty() {
            return Err("a database's name in front of a relation's".to_owned());
        }
        let name = Name {
            schema: (!of.schemaname.is_empty()).then(|| of.schemaname.clone()),
            name: of.relname.clone(),
        };
        let alias = of
            .alias
            .as_ref()
            .map(|alias| Ok::<_, String>((alias.aliasname.clone(), strings(&alias.colnames)?)))
            .transpose()?;
        let text = print::relation(
            &name,
            alias
                .as_ref()
                .map(|(name, columns)| (name.as_str(), columns.as_slice())),
            !of.inh,
            sample,
        );
        if of.schemaname.starts_with("pg_temp") {
            self.writes = true;
        }
        if let Some(role) = role {
            let cte = role == Role::Read && name.schema.is_none() && self.ctes.contains(&name.name);
            if !cte {
                self.relations.insert((name, role));
            }
        }
        Ok(text)
    }

    /// Notes a call.
    pub(crate) fn called(&mut self, name: &Name) {
        let built_in = name
            .schema
            .as_deref()
            .is_none_or(|schema| schema == "pg_catalog");
        if !built_in || !functions::is_stable(&name.name) {
            self.writes = true;
        }
        self.functions.insert(name.clone());
    }
}
