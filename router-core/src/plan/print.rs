//! A plan as text, for `EXPLAIN (SHUNT)`, `shunt explain` and the goldens, and as the fields of `shunt explain --json`.

use std::fmt::{self, Display as _};

use super::{
    Answer, CopyOut, CopyRows, Effect, KeyTarget, Merge, On, Plan, Program, Refusal, Resolved,
    Role, Route, SessionStatement, Step, Stop, Target, Targets, ValueSource, Values, program,
};
use crate::id::{PlacementId, ShardId};
use crate::sql::statement::Transaction;
use crate::topology::Topology;

/// A plan with the topology that gives its shards and placements their names, and the values of one execution when known.
#[derive(Clone, Copy)]
pub struct Printed<'a> {
    plan: &'a Plan,
    topology: &'a Topology,
    values: Option<&'a Values<'a>>,
    literals: bool,
}

impl Plan {
    /// The plan as text, a line per fact, without a line feed at the end.
    pub fn print<'a>(&'a self, topology: &'a Topology) -> Printed<'a> {
        Printed {
            plan: self,
            topology,
            values: None,
            literals: false,
        }
    }

    /// The same, with the shards that `values` lead to.
    pub fn print_with<'a>(&'a self, topology: &'a Topology, values: &'a Values<'a>) -> Printed<'a> {
        Printed {
            plan: self,
            topology,
            values: Some(values),
            literals: false,
        }
    }

    /// The facts for `shunt explain --json`. With `values`, `shards` are those of this execution.
    pub fn summary(&self, topology: &Topology, values: Option<&Values<'_>>) -> Summary {
        let mut refusal = match &self.route {
            Route::Refused(r) => Some((**r).clone()),
            _ => None,
        };
        let shards = match self.resolved(topology, values) {
            Some(Ok(shards)) => shards,
            Some(Err(r)) => {
                refusal = refusal.or(Some(r));
                Vec::new()
            }
            None => Vec::new(),
        };
        Summary {
            kind: self.kind.to_string(),
            effect: self.effect.word(),
            tier: if refusal.is_some() {
                Some(4)
            } else {
                self.tier()
            },
            shards,
            role: match self.role {
                Role::Primary => "primary",
                Role::Any => "any",
            },
            tables: self.tables.clone(),
            refusal,
        }
    }

    /// The tier of `design`: 1 one shard, 2 several, 4 refused; none for statements about the session or transaction.
    pub fn tier(&self) -> Option<u8> {
        match &self.route {
            Route::Single(_) => Some(1),
            Route::Scatter { .. } | Route::Split(_) | Route::CopyIn(_) => Some(2),
            Route::Program(program) if !program.moves_rows() => Some(2),
            Route::Program(_) => Some(3),
            Route::Explain(inner) => inner.tier(),
            Route::Refused(_) => Some(4),
            Route::Transaction(_) | Route::Session(_) | Route::Empty => None,
        }
    }

    /// Names of the shards: those of the plan, as far as they do not depend on values or the values are known.
    fn resolved(
        &self,
        topology: &Topology,
        values: Option<&Values<'_>>,
    ) -> Option<Result<Vec<String>, Refusal>> {
        let none = Values::none();
        let name = |id: ShardId| shard_name(topology, id).to_owned();
        match self.resolve(topology, values.unwrap_or(&none)) {
            Ok(Resolved::Shard(id)) => Some(Ok(vec![name(id)])),
            Ok(Resolved::Any) => Some(Ok(vec![topology.shards.first().map(|s| s.name.clone())?])),
            Ok(Resolved::Shards(ids)) => Some(Ok(ids.iter().map(name).collect())),
            Ok(Resolved::Rows(ids)) => {
                let mut ids = ids.clone();
                ids.sort_unstable();
                ids.dedup();
                Some(Ok(ids.into_iter().map(name).collect()))
            }
            Ok(Resolved::Program) => {
                let program = match &self.route {
                    Route::Program(program) => program,
                    _ => return None,
                };
                match program.shards(topology, values.unwrap_or(&none)) {
                    Ok(set) => Some(Ok(set.iter().map(name).collect())),
                    Err(Stop::Refused(r)) if values.is_some_and(|v| !self.lacks_params(v)) => {
                        Some(Err(*r))
                    }
                    Err(_) => None,
                }
            }
            // Of an execution whose parameters are not given nothing can be said.
            Err(Stop::Refused(r)) if values.is_some_and(|v| !self.lacks_params(v)) => Some(Err(*r)),
            Ok(Resolved::Unrouted | Resolved::ByRow) | Err(_) => None,
        }
    }
}

/// A text of a program for people: the schema made for a run is `work`.
fn shown(text: &str) -> String {
    program::in_work(text, "work")
}

/// A plan in a few fields, each a word or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// What the statement is: `select`, `insert`, `begin`, `create table`.
    pub kind: String,
    /// `read`, `write`, `schema`, `session` or `transaction`.
    pub effect: &'static str,
    /// 1 one shard, 2 several, 4 refused; none for statements about the session or transaction.
    pub tier: Option<u8>,
    /// Names of the shards, as far as they are known.
    pub shards: Vec<String>,
    /// `any` or `primary`.
    pub role: &'static str,
    /// The relations that the statement names.
    pub tables: Vec<String>,
    /// Why it is not carried out.
    pub refusal: Option<Refusal>,
}

impl Effect {
    /// The effect as one word.
    pub fn word(self) -> &'static str {
        match self {
            Effect::Read => "read",
            Effect::Write => "write",
            Effect::Schema => "schema",
            Effect::Session => "session",
            Effect::Transaction => "transaction",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "refused {}: {}\n  detail: {}\n  hint: {}",
            self.sqlstate, self.message, self.detail, self.hint
        )
    }
}

impl fmt::Display for Printed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.route(f)?;
        if let Route::Refused(_) | Route::Empty = self.plan.route {
            return Ok(());
        }
        if let Some(values) = self.values
            && self.plan.depends_on_values()
            && !self.plan.lacks_params(values)
        {
            match self.plan.resolved(self.topology, Some(values)) {
                Some(Ok(shards)) => write!(f, "\n  now: {}", shards.join(", "))?,
                Some(Err(refusal)) => write!(f, "\n  now: {refusal}")?,
                None => {}
            }
        }
        write!(f, "\n  effect: {}", self.plan.effect.word())?;
        if self.plan.role == Role::Any {
            f.write_str(", a replica may answer")?;
        }
        let session = self.plan.session.pinning();
        if !session.is_empty() {
            write!(f, "\n  session: {session}")?;
        }
        if !self.plan.turns.is_empty() {
            let turns: Vec<&str> = self.plan.turns.iter().map(|t| t.table.as_str()).collect();
            write!(f, "\n  one writer at a time: {}", turns.join(", "))?;
        }
        if !self.plan.tables.is_empty() {
            write!(f, "\n  tables: {}", self.plan.tables.join(", "))?;
        }
        Ok(())
    }
}

impl<'a> Printed<'a> {
    /// The same, with the statement's literals as they are written, not by their numbers: for whoever has the
    /// statement before their eyes. Anywhere else a literal may be a secret.
    pub fn with_literals(self) -> Self {
        Self {
            literals: true,
            ..self
        }
    }

    /// A value's source as text.
    fn value(&self, source: &'a ValueSource) -> ValueText<'a> {
        ValueText {
            source,
            values: self.values.filter(|_| self.literals),
        }
    }

    fn program(&self, f: &mut fmt::Formatter<'_>, program: &'a Program) -> fmt::Result {
        self.headline(f, program)?;
        if let Some(targets) = &program.unless {
            f.write_str("; untouched to one shard if it is one: ")?;
            self.targets(f, targets)?;
        }
        for step in &program.steps {
            match step {
                Step::Run { on, text } => {
                    f.write_str("\n  run on ")?;
                    self.on(f, on)?;
                    write!(f, ": {}", shown(text))?;
                }
                Step::Check { on, what, .. } => {
                    f.write_str("\n  check on ")?;
                    self.on(f, on)?;
                    write!(f, ": {what}")?;
                }
                Step::Show { on, text, .. } => {
                    f.write_str("\n  show of ")?;
                    self.on(f, on)?;
                    write!(f, ": {}", shown(text))?;
                }
                Step::RunEach { texts } => self.each(f, "run", texts)?,
                Step::Fetch {
                    from, query, table, ..
                } => {
                    write!(f, "\n  fetch {} from ", shown(table))?;
                    self.targets(f, from)?;
                    write!(f, ": {}", shown(query))?;
                }
                Step::Move {
                    from,
                    query,
                    to,
                    table,
                    as_text,
                    among,
                } => {
                    f.write_str("\n  move from ")?;
                    self.on(f, from)?;
                    if let Some(rows) = among {
                        write!(f, " (of about {rows} rows each)")?;
                    }
                    write!(
                        f,
                        " to {} of {}{}: {}",
                        shown(table),
                        shard_name(self.topology, *to),
                        if *as_text { " as text" } else { "" },
                        shown(query)
                    )?;
                }
            }
        }
        let merge = match &program.answer {
            Answer::Merged { on, text, merge } => {
                f.write_str("\n  answer from ")?;
                self.on(f, on)?;
                write!(f, ": {}", shown(text))?;
                merge
            }
            Answer::Each { texts, merge } => {
                self.each(f, "answer", texts)?;
                merge
            }
            Answer::Finished {
                on,
                text,
                otherwise,
                ..
            } => {
                f.write_str("\n  answer from one of ")?;
                self.targets(f, on)?;
                write!(f, ": {}", shown(text))?;
                if otherwise.is_some() {
                    f.write_str("\n  with many rows they are brought to the scratch server")?;
                }
                return Ok(());
            }
            Answer::Tag(tag) => return write!(f, "\n  answer: {tag}"),
        };
        match merge {
            Merge::Concatenate | Merge::CopyOut(_) => Ok(()),
            Merge::InOrder => f.write_str("\n  one shard after the other"),
            Merge::Copies => f.write_str("\n  merge: one answer stands for all"),
            Merge::Interleaved(_) => f.write_str("\n  merge: in the order of the rows"),
            Merge::Added => f.write_str("\n  merge: added up"),
            Merge::OneByOne => f.write_str("\n  one after the other"),
            Merge::Sorted(sorted) => {
                write!(f, "\n  merge: by the last {} columns", sorted.keys.len())?;
                if let Some(offset) = &sorted.offset {
                    write!(f, ", offset {}", self.value(offset))?;
                }
                if let Some(limit) = &sorted.limit {
                    let ties = if sorted.with_ties { " with ties" } else { "" };
                    write!(f, ", limit {}{ties}", self.value(limit))?;
                }
                Ok(())
            }
        }
    }

    /// What kind of work it is, and where.
    fn headline(&self, f: &mut fmt::Formatter<'_>, program: &'a Program) -> fmt::Result {
        let alone = program
            .steps
            .iter()
            .all(|step| matches!(step, Step::Check { .. }));
        let moved = program.steps.iter().filter_map(|step| match step {
            Step::Move { from, .. } => Some(from),
            _ => None,
        });
        match &program.answer {
            _ if program.writes => {
                f.write_str("several shards, in steps, committed on all or none")
            }
            Answer::Finished { on, .. } => {
                f.write_str("several shards, their results put together on one of them: ")?;
                self.targets(f, on)
            }
            Answer::Merged {
                on,
                merge: Merge::Sorted(sorted),
                ..
            } if alone => {
                f.write_str(match sorted.keys.is_empty() {
                    true => "several shards, answers one after the other and cut off: ",
                    false => "several shards, answers merged by order: ",
                })?;
                self.on(f, on)
            }
            Answer::Merged {
                on: On::Shard(on), ..
            } if moved.clone().next().is_some() => {
                write!(
                    f,
                    "rows gathered on {}, from ",
                    shard_name(self.topology, *on)
                )?;
                let mut told: Vec<&On> = Vec::new();
                for from in moved {
                    if told.contains(&from) {
                        continue;
                    }
                    if !told.is_empty() {
                        f.write_str(" and ")?;
                    }
                    self.on(f, from)?;
                    told.push(from);
                }
                Ok(())
            }
            Answer::Merged { merge, .. } if alone && !program.steps.is_empty() => {
                f.write_str(match merge {
                    Merge::Added => "several shards, answers added up",
                    _ => "several shards, answers one after the other",
                })
            }
            _ => f.write_str("in steps"),
        }
    }

    fn each(
        &self,
        f: &mut fmt::Formatter<'_>,
        what: &str,
        texts: &[(ShardId, String)],
    ) -> fmt::Result {
        for (shard, text) in texts {
            write!(
                f,
                "\n  {what} on {}: {}",
                shard_name(self.topology, *shard),
                shown(text)
            )?;
        }
        Ok(())
    }

    fn on(&self, f: &mut fmt::Formatter<'_>, on: &'a On) -> fmt::Result {
        match on {
            On::Shard(id) => f.write_str(shard_name(self.topology, *id)),
            On::Targets(targets) => self.targets(f, targets),
            On::Except(targets, one) => {
                self.targets(f, targets)?;
                write!(f, " but {}", shard_name(self.topology, *one))
            }
            On::Home(target) => self.target(f, target),
            On::HomeExcept(target, one) => {
                self.target(f, target)?;
                write!(f, " but {}", shard_name(self.topology, *one))
            }
        }
    }

    fn route(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.plan.route {
            Route::Single(target) => {
                f.write_str("one shard: ")?;
                self.target(f, target)
            }
            Route::Scatter { targets, merge } => {
                f.write_str(match merge {
                    Merge::Concatenate => "several shards, answers one after the other: ",
                    Merge::InOrder => "several shards, one after the other: ",
                    Merge::Copies => "every copy, all shards: ",
                    Merge::CopyOut(CopyOut::Rows) => "several shards, one stream after the other: ",
                    Merge::CopyOut(_) => {
                        "several shards, one stream after the other with one header: "
                    }
                    Merge::Sorted(_) => "several shards, answers merged by order: ",
                    Merge::Added => "several shards, answers added up: ",
                    Merge::Interleaved(_) => "several shards, rows as they were given: ",
                    Merge::OneByOne => "one shard after the other, outside of a transaction: ",
                })?;
                self.targets(f, targets)
            }
            Route::Split(split) => {
                write!(f, "rows split by {}:", self.placement(split.placement))?;
                for (i, row) in split.rows.iter().enumerate() {
                    if i == 8 {
                        return write!(f, " … ({} rows)", split.rows.len());
                    }
                    f.write_str(if i == 0 { " " } else { ", " })?;
                    self.write_key(f, row.key.iter().map(|s| &s.value))?;
                }
                Ok(())
            }
            Route::CopyIn(copy) => match &copy.rows {
                CopyRows::Everywhere { .. } => f.write_str("every row to every shard"),
                CopyRows::ByKey { placement, key } => {
                    write!(
                        f,
                        "rows split by {}: key in column",
                        self.placement(*placement)
                    )?;
                    for (i, column) in key.iter().enumerate() {
                        let comma = if i == 0 { "" } else { "," };
                        write!(f, "{comma} {}", column.field.position + 1)?;
                    }
                    Ok(())
                }
            },
            Route::Program(program) => self.program(f, program),
            Route::Transaction(t) => write!(f, "transaction: {}", transaction_word(t)),
            Route::Session(s) => write!(f, "session: {}", SessionText(s)),
            Route::Explain(inner) => {
                write!(f, "explains: ")?;
                Printed {
                    plan: inner,
                    ..*self
                }
                .fmt(f)
            }
            Route::Empty => f.write_str("empty"),
            Route::Refused(refusal) => refusal.fmt(f),
        }
    }

    fn target(&self, f: &mut fmt::Formatter<'_>, target: &'a Target) -> fmt::Result {
        match target {
            Target::Shard(id) => f.write_str(shard_name(self.topology, *id)),
            Target::Any => f.write_str("any"),
            Target::Key(key) => self.key(f, key),
            Target::Within(targets) => self.targets(f, targets),
            Target::Directed { .. } => f.write_str("as directed"),
            Target::Agree { parts, otherwise } => {
                for (i, t) in parts.iter().enumerate() {
                    if i > 0 {
                        f.write_str(" = ")?;
                    }
                    self.target(f, t)?;
                }
                write!(f, ", or refused {}", otherwise.sqlstate)
            }
        }
    }

    fn targets(&self, f: &mut fmt::Formatter<'_>, targets: &'a Targets) -> fmt::Result {
        match targets {
            Targets::All => f.write_str("all"),
            Targets::Shards(ids) => {
                let names: Vec<_> = ids
                    .iter()
                    .map(|&id| shard_name(self.topology, id))
                    .collect();
                f.write_str(&names.join(", "))
            }
            Targets::Union(parts) => {
                for (i, part) in parts.iter().enumerate() {
                    if i > 0 {
                        f.write_str(" and ")?;
                    }
                    self.targets(f, part)?;
                }
                Ok(())
            }
            Targets::Keys(keys) => {
                for (i, key) in keys.iter().enumerate() {
                    if i == 8 {
                        return write!(f, " … ({} keys)", keys.len());
                    }
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    self.key(f, key)?;
                }
                Ok(())
            }
            Targets::AnyOf { placement, array } => {
                write!(
                    f,
                    "{}(each of {})",
                    self.placement(*placement),
                    self.value(&array.value)
                )
            }
            Targets::Range {
                placement,
                low,
                high,
            } => {
                write!(f, "{}(", self.placement(*placement))?;
                if let Some(low) = low {
                    write!(f, "{}", self.value(&low.value))?;
                }
                f.write_str(" .. ")?;
                if let Some(high) = high {
                    write!(f, "{}", self.value(&high.value))?;
                }
                f.write_str(")")
            }
        }
    }

    fn key(&self, f: &mut fmt::Formatter<'_>, key: &'a KeyTarget) -> fmt::Result {
        f.write_str(self.placement(key.placement))?;
        self.write_key(f, key.values.iter().map(|s| &s.value))
    }

    fn write_key(
        &self,
        f: &mut fmt::Formatter<'_>,
        values: impl Iterator<Item = &'a ValueSource>,
    ) -> fmt::Result {
        f.write_str("(")?;
        for (i, v) in values.enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { ", " }, self.value(v))?;
        }
        f.write_str(")")
    }

    fn placement(&self, id: PlacementId) -> &str {
        self.topology
            .placements
            .get(id.index())
            .map_or("?", |p| p.name.as_str())
    }
}

fn shard_name(topology: &Topology, id: ShardId) -> &str {
    topology
        .shards
        .get(id.index())
        .map_or("?", |s| s.name.as_str())
}

/// A value's source as text. A literal is shown by its number unless `values` are given: a plan must not carry what may be
/// secret.
pub(super) struct ValueText<'a> {
    pub(super) source: &'a ValueSource,
    pub(super) values: Option<&'a Values<'a>>,
}

/// Longer literals are cut off.
const LONGEST_LITERAL: usize = 60;

impl fmt::Display for ValueText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = |source| ValueText { source, ..*self };
        match self.source {
            ValueSource::Null => f.write_str("null"),
            ValueSource::Integer(n) => write!(f, "{n}"),
            ValueSource::Slot(n) => {
                let literal = self
                    .values
                    .and_then(|values| Some((values, values.literals.get(*n as usize)?)));
                match literal {
                    Some((values, slot)) => {
                        let text = slot.span.of(values.text);
                        let sign = if slot.negative { "-" } else { "" };
                        match text.char_indices().nth(LONGEST_LITERAL) {
                            Some((end, _)) => write!(f, "{sign}{}…", &text[..end]),
                            None => write!(f, "{sign}{text}"),
                        }
                    }
                    None => write!(f, "literal {}", n + 1),
                }
            }
            ValueSource::Param(n) | ValueSource::SharedParam(n) => write!(f, "${n}"),
            ValueSource::Negate(v) => write!(f, "-{}", inner(v)),
            ValueSource::Arithmetic(op, a, b) => write!(f, "({} {op} {})", inner(a), inner(b)),
            ValueSource::Cast(v, to) => write!(f, "{}::{to}", inner(v)),
        }
    }
}

pub(super) fn transaction_word(t: &Transaction) -> &'static str {
    match t {
        Transaction::Begin(_) => "begin",
        Transaction::Commit { .. } => "commit",
        Transaction::Rollback { .. } => "rollback",
        Transaction::Savepoint(_) => "savepoint",
        Transaction::Release(_) => "release",
        Transaction::RollbackTo(_) => "rollback to",
        Transaction::Prepare(_) => "prepare transaction",
        Transaction::CommitPrepared(_) => "commit prepared",
        Transaction::RollbackPrepared(_) => "rollback prepared",
        Transaction::Set(_) => "set transaction",
        Transaction::SetConstraints => "set constraints",
        Transaction::Lock(_) => "lock",
    }
}

/// A session statement by what it does and to which setting; never its value, which may be secret.
struct SessionText<'a>(&'a SessionStatement);

impl fmt::Display for SessionText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            SessionStatement::Set { local, name, .. } => {
                write!(f, "set {}{name}", if *local { "local " } else { "" })
            }
            SessionStatement::SetConfig(list) => {
                for (n, one) in list.iter().enumerate() {
                    let (comma, local) = (
                        if n > 0 { ", " } else { "" },
                        if one.local { "local " } else { "" },
                    );
                    write!(f, "{comma}set {local}{}", one.name)?;
                }
                Ok(())
            }
            SessionStatement::SetAuthorization { .. } => f.write_str("set session authorization"),
            SessionStatement::SetCharacteristics(_) => f.write_str("set session characteristics"),
            SessionStatement::Reset(name) => write!(f, "reset {name}"),
            SessionStatement::Show(name) => write!(f, "show {name}"),
            SessionStatement::Discard(what) => write!(f, "discard {what}"),
            SessionStatement::Deallocate(_) => f.write_str("deallocate"),
            SessionStatement::Numbered { .. } => {
                f.write_str("numbers of the router's own, then as planned with them")
            }
            SessionStatement::Prepare(name) => write!(f, "prepare {name}"),
            SessionStatement::Execute(name) => write!(f, "execute {name}"),
            SessionStatement::Explain => f.write_str("explain, each step on its shards"),
            SessionStatement::Declare { name, .. } => write!(f, "declare {name}"),
            SessionStatement::Fetch(name) => {
                write!(f, "fetch {name}, from the shard of the cursor")
            }
            SessionStatement::Close(_) => f.write_str("close, on the shard of the cursor"),
            SessionStatement::Cursors {
                name: Some(name), ..
            } => {
                write!(f, "read pg_cursors, on the shard of cursor {name}")
            }
            SessionStatement::Cursors { name: None, .. } => {
                f.write_str("read pg_cursors, on the shard of all cursors")
            }
        }
    }
}
