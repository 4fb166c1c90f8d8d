//! The join of a `MERGE`, from the statement's tokens.

use super::super::ddl::named;
use super::super::make::Input;
use super::super::names::{self, Place};
use super::super::splice::quoted;
use super::super::walk::{self, Met};
use super::super::words::Word;
use super::super::{Reason, Refusal};
use crate::id::Span;
use crate::sql::Statement;
use crate::sql::parse::{self, parse};
use crate::sql::shape::{Group, Slot};
use crate::sql::statement::{
    Assignment, Expr, ExprKind, Kind, Name, Relation, SelectItem, SetExpr, TableRef,
};
use crate::topology::catalog;

/// The join of one `MERGE`, as a statement of its own.
pub(super) struct Join<'t> {
    /// The statement's own text.
    pub(super) original: &'t str,
    /// All of the statement in it, and the source, with its alias.
    pub(super) whole: Span,
    pub(super) source: Span,
    /// What stands in front of the condition, and that.
    pub(super) before: Span,
    pub(super) condition: Span,
    /// The source in the join.
    pub(super) rows: Span,
    /// The WITH clause in front, if there is one: in the statement's text, and in the join.
    pub(super) with: Option<(Span, Span)>,
    /// Whether conditions and values have queries in them.
    pub(super) queries: bool,
    /// What each `INSERT` gives the columns of the key.
    pub(super) keys: Vec<Vec<Span>>,
    pub(super) text: String,
    pub(super) statement: Statement,
    pub(super) slots: Vec<Slot>,
    pub(super) groups: Vec<Group>,
    /// The target, and where it stands in the join.
    pub(super) target: Name,
    pub(super) at: u32,
    /// What the `UPDATE` clauses assign.
    pub(super) assigned: Vec<Assignment>,
    /// Columns that inserted rows get by default; `None`: columns are not known.
    pub(super) defaulted: Option<Vec<String>>,
}

pub(super) fn unread(what: &str) -> Refusal {
    Refusal::new(
        Reason::NotRead,
        format!("What is not understood: {what} of MERGE."),
    )
}

/// What a clause does.
enum Action<'w> {
    Update(&'w [Word]),
    Insert(&'w [Word]),
    Nothing,
}

/// One `WHEN … THEN …`.
struct Clause<'w> {
    matched: bool,
    condition: &'w [Word],
    action: Action<'w>,
}

fn clause(words: &[Word]) -> Option<Clause<'_>> {
    let (matched, rest) = match words {
        [m, rest @ ..] if m.is("matched") => (true, rest),
        [n, m, rest @ ..] if n.is("not") && m.is("matched") => (false, rest),
        _ => return None,
    };
    let then = *outside_case(rest, "then").first()?;
    let condition = match &rest[..then] {
        [] => &rest[..0],
        [and, condition @ ..] if and.is("and") && !condition.is_empty() => condition,
        _ => return None,
    };
    let action = match &rest[then + 1..] {
        [update, set, list @ ..] if update.is("update") && set.is("set") => Action::Update(list),
        [insert, row @ ..] if insert.is("insert") => Action::Insert(row),
        [delete] if delete.is("delete") => Action::Nothing,
        [d, n] if d.is("do") && n.is("nothing") => Action::Nothing,
        _ => return None,
    };
    Some(Clause {
        matched,
        condition,
        action,
    })
}

/// Where a keyword stands outside of parentheses and of `CASE … END`.
fn outside_case(words: &[Word], keyword: &str) -> Vec<usize> {
    let outer = words.iter().map(|w| w.depth).min().unwrap_or(0);
    let mut cases = 0usize;
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        if word.depth != outer {
            continue;
        }
        if word.is("case") {
            cases += 1;
        } else if word.is("end") {
            cases = cases.saturating_sub(1);
        } else if cases == 0 && word.is(keyword) {
            found.push(at);
        }
    }
    found
}

/// The stretch of some words.
fn stretch(words: &[Word]) -> Option<Span> {
    Some(Span {
        start: words.first()?.span.start,
        end: words.last()?.span.end,
    })
}

/// Words between the first parenthesis and its partner, cut at commas, and what follows the partner.
fn parenthesized(words: &[Word]) -> Option<(Vec<&[Word]>, &[Word])> {
    let open = words.first().filter(|w| w.is("("))?;
    let inside = words[1..]
        .iter()
        .take_while(|w| w.depth > open.depth)
        .count();
    let (inside, rest) = words[1..].split_at(inside);
    let commas = |w: &Word| w.depth == open.depth + 1 && w.is(",");
    let parts: Vec<&[Word]> = inside.split(commas).collect();
    let whole = parts.iter().all(|p| !p.is_empty());
    (whole && rest.first().is_some_and(|w| w.is(")"))).then(|| (parts, &rest[1..]))
}

/// A text put together from stretches of another, each of which keeps its literals.
struct Pieces<'t> {
    from: &'t str,
    text: String,
    /// Where a stretch stood, and where it stands.
    kept: Vec<(Span, u32)>,
}

impl Pieces<'_> {
    fn keep(&mut self, span: Span) {
        self.kept.push((span, self.text.len() as u32));
        self.text.push_str(span.of(self.from));
    }

    fn moved(&self, span: Span) -> Option<Span> {
        let (old, new) = self
            .kept
            .iter()
            .find(|(old, _)| old.start <= span.start && span.end <= old.end)?;
        let start = new + (span.start - old.start);
        Some(Span {
            start,
            end: start + (span.end - span.start),
        })
    }

    /// The slots in the order of the statement; one that was left out has no place of its own.
    fn slots(&self, slots: &[Slot]) -> Vec<Slot> {
        let mut last = 0;
        slots
            .iter()
            .map(|slot| {
                let span = self.moved(slot.span).unwrap_or(Span {
                    start: last,
                    end: last,
                });
                last = span.end;
                Slot { span, ..*slot }
            })
            .collect()
    }
}

impl<'t> Join<'t> {
    pub(super) fn read(input: &Input<'t>, list: &[Word], merge: usize) -> Result<Self, Refusal> {
        let after = &list[merge + 2..];
        let using = outside_case(after, "using");
        let using = *using.first().ok_or_else(|| unread("USING"))?;
        let (target, rest) = (&after[..using], &after[using + 1..]);
        let whens = outside_case(rest, "when");
        let first = *whens.first().ok_or_else(|| unread("WHEN"))?;
        let joined = &rest[..first];
        let (&[on], false) = (
            &outside_case(joined, "on")[..],
            joined.iter().any(|w| w.depth == 0 && w.is("join")),
        ) else {
            return Err(unread("a join as the source"));
        };
        let (source, condition) = (&joined[..on], &joined[on + 1..]);
        let (Some(source), Some(condition), Some(place)) =
            (stretch(source), stretch(condition), stretch(target))
        else {
            return Err(unread("a part"));
        };
        let only = usize::from(target[0].is("only"));
        let (name, end) = named(target, only).ok_or_else(|| unread("the target"))?;
        let plain_name = stretch(&target[only..end]).ok_or_else(|| unread("the target"))?;
        let place_of = names::place(input.topology, input.catalog, input.search_path, &name);
        let key = match &place_of {
            Ok(Place::Sharded { key, .. }) => *key,
            _ => &[],
        };

        let mut clauses = Vec::new();
        for (n, &at) in whens.iter().enumerate() {
            let to = whens.get(n + 1).copied().unwrap_or(rest.len());
            clauses.push(clause(&rest[at + 1..to]).ok_or_else(|| unread("a clause"))?);
        }
        let relation = known(input, &name);
        let queries = |words: &[Word]| {
            let starts = ["select", "with", "table", "values"];
            words.iter().any(|w| starts.iter().any(|s| w.is(s)))
        };
        let mut join = Self {
            original: input.text,
            whole: stretch(list).ok_or_else(|| unread("a part"))?,
            source,
            before: stretch(list)
                .map(|all| Span {
                    start: all.start,
                    end: condition.start,
                })
                .ok_or_else(|| unread("a part"))?,
            condition,
            rows: Span::default(),
            with: None,
            queries: queries(&joined[on + 1..]),
            keys: Vec::new(),
            text: String::new(),
            statement: Statement {
                kind: Kind::Empty,
                span: Span::default(),
            },
            slots: Vec::new(),
            groups: Vec::new(),
            target: name,
            at: 0,
            assigned: Vec::new(),
            defaulted: Some(Vec::new()),
        };
        let mut values: Vec<Span> = Vec::new();
        let mut inserts = false;
        for clause in &clauses {
            values.extend(stretch(clause.condition));
            join.queries |= queries(clause.condition);
            match clause.action {
                Action::Nothing => {}
                Action::Update(list) if clause.matched => {
                    join.queries |= queries(list);
                    join.update(input, plain_name, list, &mut values)?;
                }
                Action::Insert(row) if !clause.matched => {
                    inserts = true;
                    // Its own VALUES is one.
                    let starts = row.iter().filter(|w| queries(std::slice::from_ref(w)));
                    join.queries |= starts.count() > 1;
                    let keys = join.insert(relation, key, row, &mut values)?;
                    if !keys.is_empty() {
                        join.keys.push(keys);
                    }
                }
                Action::Update(_) | Action::Insert(_) => return Err(unread("a clause")),
            }
        }

        let mut pieces = Pieces {
            from: input.text,
            text: String::new(),
            kept: Vec::new(),
        };
        if let Some(with) = stretch(&list[..merge]) {
            pieces.keep(with);
            join.with = pieces.moved(with).map(|moved| (with, moved));
            pieces.text.push(' ');
        }
        pieces.text.push_str("SELECT FROM ");
        pieces.keep(source);
        join.rows = pieces.moved(source).ok_or_else(|| unread("a part"))?;
        pieces.text.push_str(match inserts {
            true => " LEFT JOIN ",
            false => " JOIN ",
        });
        let before = pieces.text.len() as u32;
        pieces.text.push_str(place.of(input.text));
        join.at = before + (plain_name.start - place.start);
        pieces.text.push_str(" ON ");
        pieces.keep(condition);
        let alias = alias(input, source);
        for (n, keys) in join.keys.iter().enumerate() {
            let row = format!("shunt_{}", n + 1);
            let name = plain_name.of(input.text);
            pieces
                .text
                .push_str(&format!(" LEFT JOIN {name} AS {row} ON "));
            for (at, (k, &value)) in key.iter().zip(keys).enumerate() {
                let and = if at > 0 { " AND " } else { "" };
                let open = match &alias {
                    // Only the source is seen there.
                    Some(source) if is_column(input, value.of(input.text)) => {
                        format!("({}.", quoted(source))
                    }
                    _ => "(".to_owned(),
                };
                let column = quoted(k);
                pieces
                    .text
                    .push_str(&format!("{and}{row}.{column} = {open}"));
                pieces.keep(value);
                pieces.text.push(')');
            }
        }
        if !values.is_empty() {
            pieces.text.push_str(" WINDOW shunt AS (PARTITION BY ");
            for (n, span) in values.iter().enumerate() {
                if n > 0 {
                    pieces.text.push_str(", ");
                }
                pieces.keep(*span);
            }
            pieces.text.push(')');
        }
        join.slots = pieces.slots(input.slots);
        join.groups = input
            .groups
            .iter()
            .map(|group| {
                let span = pieces.moved(group.span).unwrap_or_default();
                Group { span, ..*group }
            })
            .collect();
        join.text = pieces.text;
        join.statement = read(input, &join.text);
        match join.statement.kind {
            Kind::Query(_) => Ok(join),
            _ => Err(unread("a part")),
        }
    }

    /// The target, as it stands in the join.
    pub(super) fn merged(&self) -> Option<&Relation> {
        let mut found = None;
        walk::statement(&self.statement, &mut |met| {
            if let Met::From(TableRef::Relation(r)) = met
                && r.span.start == self.at
            {
                found = Some(r);
            }
        });
        found
    }

    /// `UPDATE SET list`: what is assigned, and the stretches of the values.
    fn update(
        &mut self,
        input: &Input<'_>,
        name: Span,
        list: &[Word],
        values: &mut Vec<Span>,
    ) -> Result<(), Refusal> {
        let span = stretch(list).ok_or_else(|| unread("UPDATE"))?;
        // At their places in the whole text, so that spans are the text's own.
        let head = format!("UPDATE {} SET ", name.of(input.text));
        let blank = (span.start as usize)
            .checked_sub(head.len())
            .ok_or_else(|| unread("UPDATE"))?;
        let text = format!("{}{head}{}", " ".repeat(blank), span.of(input.text));
        let Kind::Update(update) = read(input, &text).kind else {
            return Err(unread("UPDATE"));
        };
        for a in &update.assignments {
            if a.part {
                return Err(unread("an assignment to a part of a column"));
            }
            let parts: Vec<&Expr> = match (&a.columns[..], &a.value.kind) {
                ([_], _) => vec![&a.value],
                (columns, ExprKind::Row(list)) if list.len() == columns.len() => {
                    list.iter().collect()
                }
                _ => return Err(unread("an assignment of several columns")),
            };
            for (column, value) in a.columns.iter().zip(parts) {
                if value.kind == ExprKind::Default {
                    self.by_default(column);
                    continue;
                }
                if value.span.is_empty() {
                    return Err(unread("UPDATE"));
                }
                values.push(value.span);
            }
        }
        self.assigned.extend(update.assignments.iter().cloned());
        Ok(())
    }

    /// `INSERT …`: the stretches of the key's values, and those of the others.
    fn insert(
        &mut self,
        relation: Option<&catalog::Relation>,
        key: &[String],
        row: &[Word],
        values: &mut Vec<Span>,
    ) -> Result<Vec<Span>, Refusal> {
        let all = || relation.map(|r| r.columns.iter().map(|c| c.name.clone()).collect());
        let (columns, row): (Option<Vec<String>>, &[Word]) = match row {
            [open, ..] if open.is("(") => {
                let (columns, rest) = parenthesized(row).ok_or_else(|| unread("INSERT"))?;
                let names = columns.iter().map(|c| match c {
                    [one] if one.name => Some(one.text.clone()),
                    _ => None,
                });
                (names.collect(), rest)
            }
            row => (all(), row),
        };
        let given = match row {
            [v, rest @ ..] if v.is("values") => {
                let (given, rest) = parenthesized(rest).ok_or_else(|| unread("INSERT"))?;
                match rest {
                    [] => given,
                    _ => return Err(unread("INSERT")),
                }
            }
            [d, v] if d.is("default") && v.is("values") => Vec::new(),
            _ => return Err(unread("INSERT")),
        };
        let columns = columns.ok_or_else(|| unread("INSERT without columns"))?;
        if given.len() > columns.len() {
            return Err(unread("INSERT"));
        }
        let mut keys: Vec<Option<Span>> = vec![None; key.len()];
        let mut said: Vec<&str> = Vec::new();
        for (column, value) in columns.iter().zip(&given) {
            if matches!(value, [d] if d.is("default")) {
                continue;
            }
            said.push(column);
            let span = stretch(value).ok_or_else(|| unread("INSERT"))?;
            match key.iter().position(|k| k == column) {
                Some(n) => keys[n] = Some(span),
                None => values.push(span),
            }
        }
        match relation {
            Some(relation) => {
                let left = relation.columns.iter().map(|c| c.name.as_str());
                for column in left.filter(|c| !said.contains(c) && !key.iter().any(|k| k == c)) {
                    self.by_default(column);
                }
            }
            None => self.defaulted = None,
        }
        let keys: Option<Vec<Span>> = keys.into_iter().collect();
        keys.ok_or_else(|| {
            Refusal::new(
                Reason::KeyNotGiven,
                "MERGE inserts rows without a value for the sharding key.",
            )
        })
    }

    fn by_default(&mut self, column: &str) {
        if let Some(list) = &mut self.defaulted {
            list.push(column.to_owned());
        }
    }
}

/// The name by which the source is known.
fn alias(input: &Input<'_>, source: Span) -> Option<String> {
    let text = format!("SELECT FROM {}", source.of(input.text));
    let Kind::Query(q) = read(input, &text).kind else {
        return None;
    };
    let SetExpr::Select(s) = q.body else {
        return None;
    };
    match &s.from[..] {
        [one] => named_as(one),
        _ => None,
    }
}

/// The name of an item of `FROM`.
pub(super) fn named_as(item: &TableRef) -> Option<String> {
    match item {
        TableRef::Relation(r) => Some(r.alias.as_ref().map_or(&r.name.name, |a| &a.name).clone()),
        TableRef::Subquery { alias, .. } | TableRef::Function { alias, .. } => {
            alias.as_ref().map(|a| a.name.clone())
        }
        TableRef::Join(_) => None,
    }
}

/// Whether an expression is a column's name alone.
fn is_column(input: &Input<'_>, text: &str) -> bool {
    let Kind::Query(q) = read(input, &format!("SELECT {text}")).kind else {
        return false;
    };
    let SetExpr::Select(s) = q.body else {
        return false;
    };
    match &s.items[..] {
        [SelectItem::Expr { expr, alias: None }] => {
            matches!(&expr.kind, ExprKind::Column { qualifier, .. } if qualifier.is_empty())
        }
        _ => false,
    }
}

fn read(input: &Input<'_>, text: &str) -> Statement {
    let options = parse::Options {
        lexer: input.options,
        ..Default::default()
    };
    parse(text, &options)
}

fn known<'a>(input: &Input<'a>, name: &Name) -> Option<&'a catalog::Relation> {
    names::schemas(input.search_path, name)
        .find_map(|schema| input.catalog.relation(schema, &name.name).is())
}
