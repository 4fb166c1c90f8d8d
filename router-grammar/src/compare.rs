//! The two readings side by side.

use std::collections::BTreeSet;

use router_core::sql::effect::{Effect, Nothing, effects};
use router_core::sql::lexer;
use router_core::sql::predicate::{self, Restriction};
use router_core::sql::print;
use router_core::sql::statement::{Expr, ExprKind, Kind, Name, Statement};
use router_core::sql::walk::{self, Node};

use crate::facts::{Facts, Reading, Role};

/// Where the readings differ; empty when they do not, or when one of them does not know.
///
/// router-core may leave a statement unread. What it does read must be what PostgreSQL reads: the
/// same tree and relations, an effect that is no weaker, and no condition that PostgreSQL does not see.
pub fn compare(
    statement: &Statement,
    text: &str,
    options: lexer::Options,
    reading: &Reading,
) -> Vec<String> {
    if has_unread(statement) {
        return Vec::new();
    }
    let known = match reading {
        // Utility statements are known by their first words; the server refuses the rest.
        Reading::Rejected(_) if is_utility(statement) => return Vec::new(),
        Reading::Rejected(message) => return vec![format!("PostgreSQL refuses it: {message}")],
        Reading::Unknown(what) => return vec![format!("PostgreSQL's tree has {what}")],
        Reading::Known(known) => known,
    };
    let mut differences = Vec::new();
    let tree = print::print(statement, text, options);
    if tree != known.tree {
        differences.push(format!("tree {tree}\nPostgreSQL's {}", known.tree));
    }
    let relations = relations(statement, text, options);
    if relations != known.relations {
        differences.push(format!(
            "relations {}\nPostgreSQL's {}",
            listed(&relations),
            listed(&known.relations)
        ));
    }
    let effect = effects(statement, &Nothing).effect;
    if weaker(effect, known.effect) {
        differences.push(format!(
            "effect {effect:?}\nPostgreSQL's {:?}",
            known.effect
        ));
    }
    differences.extend(conditions(statement, text, options, known));
    differences
}

/// Whether the statement or one inside it is unread.
pub fn has_unread(statement: &Statement) -> bool {
    let mut unread = false;
    walk::statement(statement, &mut |node| {
        if let Node::Statement(statement) = node {
            unread |= matches!(statement.kind, Kind::Unread(_));
        }
    });
    unread
}

fn is_utility(statement: &Statement) -> bool {
    match &statement.kind {
        Kind::Utility(_) => true,
        Kind::Explain(explain) => is_utility(&explain.statement),
        _ => false,
    }
}

/// The relations and their roles, by the uses that the planner goes by.
fn relations(statement: &Statement, text: &str, options: lexer::Options) -> BTreeSet<(Name, Role)> {
    let facts = predicate::facts(statement, text, options, &|_, _| None, &|_, _| true);
    let mut relations: BTreeSet<(Name, Role)> = facts
        .relations
        .into_iter()
        .map(|relation| {
            let role = if relation.target {
                Role::Written
            } else {
                Role::Read
            };
            (relation.name, role)
        })
        .collect();
    walk::statement(statement, &mut |node| {
        if let Node::Select(select) = node
            && let Some(into) = &select.into
        {
            relations.insert((into.clone(), Role::Written));
        }
    });
    relations
}

fn listed(relations: &BTreeSet<(Name, Role)>) -> String {
    let items: Vec<String> = relations
        .iter()
        .map(|(name, role)| format!("{} {role:?}", print::name(name)))
        .collect();
    items.join(", ")
}

/// Whether router-core's effect promises more than PostgreSQL's tree allows.
fn weaker(ours: Effect, theirs: Effect) -> bool {
    match theirs {
        Effect::Read => false,
        Effect::Write => !matches!(ours, Effect::Write | Effect::Schema),
        theirs => ours != theirs,
    }
}

/// Restrictions that router-core proves from a condition that PostgreSQL's tree does not have.
fn conditions(
    statement: &Statement,
    text: &str,
    options: lexer::Options,
    known: &Facts,
) -> Vec<String> {
    let facts = predicate::facts(statement, text, options, &|_, _| None, &|_, _| true);
    let mut unproven = Vec::new();
    for class in &facts.classes {
        let columns: Vec<&str> = class
            .members
            .iter()
            .chain(&class.followers)
            .map(|column| column.name.as_str())
            .collect();
        let mut check = |operator: &str, value: &Expr| {
            let value = print::expr(value, text, options);
            let seen = known.conditions.iter().any(|condition| {
                condition.operator == operator
                    && condition.value == value
                    // A column of a derived table has another name inside.
                    && (columns.contains(&condition.column.as_str()) || is_derived(statement))
            });
            let is_output = operator == "=" && known.outputs.contains(&value);
            if !seen && !is_output {
                unproven.push(format!(
                    "condition {} {operator} {value} is not PostgreSQL's",
                    columns.join("/")
                ));
            }
        };
        for restriction in &class.restrictions {
            match restriction {
                Restriction::Equal(value) => check("=", value),
                Restriction::AnyOf(values) => values.iter().for_each(|value| check("=", value)),
                Restriction::AnyOfArray(value) => check("=[]", value),
                Restriction::Range { low, high } => {
                    if let Some(low) = low {
                        check(if low.inclusive { ">=" } else { ">" }, &low.value);
                    }
                    if let Some(high) = high {
                        check(if high.inclusive { "<=" } else { "<" }, &high.value);
                    }
                }
            }
        }
    }
    unproven
}

/// Whether columns may have passed through a subquery under another name.
fn is_derived(statement: &Statement) -> bool {
    let mut derived = false;
    let mut queries = 0;
    walk::statement(statement, &mut |node| match node {
        Node::Query(_) => queries += 1,
        Node::Expr(expr) => derived |= matches!(expr.kind, ExprKind::Exists(_)),
        _ => {}
    });
    derived || queries > 1
}
