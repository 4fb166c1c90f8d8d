//! One statement becomes a plan.

use std::borrow::Cow;

use super::clock::{self, Clock};
use super::constant::Constants;
use super::ddl::{self, Around};
use super::known_by::known_by;
use super::names;
use super::reading::Reading;
use super::words::words;
use super::{
    Answer, Effect, Merge, Moments, On, Plan, Reason, Refusal, Route, SessionEffect,
    SessionStatement, Target, behind, by_words, changes, copy, cursors, delete, do_block, gather,
    insert, merge_into, moment, own, role, select, session, set_config, setval, sizes,
    through_view, touches, transaction, turns, update, views,
};
use crate::id::{PlacementId, Span};
use crate::sql::effect::Effects;
use crate::sql::lexer::Options;
use crate::sql::limits::Excess;
use crate::sql::next_id;
use crate::sql::predicate::{Facts, facts};
use crate::sql::shape::{Group, Slot};
use crate::sql::statement::{
    CopyWhat, Ident, Kind, Name, Relation, Session, Statement, TableRef, Transaction,
};
use crate::sqlstate::SqlState;
use crate::topology::catalog::{Known, RelationKind};
use crate::topology::{Catalog, TableName, Topology};

use super::walk::{self, Met};

/// What one statement is planned with.
pub(super) struct Input<'a> {
    pub(super) topology: &'a Topology,
    pub(super) catalog: &'a Catalog,
    pub(super) search_path: &'a [String],
    pub(super) options: Options,
    /// Whether a directive names a shard or key.
    pub(super) directed: bool,
    /// Whether a directive allows constraints that each shard keeps for itself.
    pub(super) per_shard: bool,
    /// The statement's text, to which spans refer.
    pub(super) text: &'a str,
    pub(super) slots: &'a [Slot],
    pub(super) groups: &'a [Group],
}

/// A plan, and whether it holds for this very text only, not for all of its shape.
pub(super) struct Made {
    pub(super) plan: Plan,
    pub(super) exact: bool,
    /// It names a relation that the catalog does not have, or not all of it.
    pub(super) unknown: bool,
    /// The one of which it has not all.
    pub(super) withheld: Option<TableName>,
}

/// What was found beside the route.
#[derive(Default)]
pub(super) struct Found {
    exact: bool,
    moments: Moments,
    pub(super) clock: Clock,
    /// The relation that it cannot be planned without, and of which the catalog lacks something.
    pub(super) withheld: Option<TableName>,
}

impl Found {
    /// It holds for its very text only.
    pub(super) fn make_exact(&mut self) {
        self.exact = true;
    }

    /// A plan that holds for its very text only.
    pub(super) fn exact() -> Self {
        Self {
            exact: true,
            ..Self::default()
        }
    }
}

/// Plans a statement.
pub(super) fn make(input: &Input<'_>, statement: &Statement) -> Made {
    if let Kind::Unread(_) = statement.kind
        && (input.topology.only_shard().is_some() || own::stays(input, statement).is_ok())
        && let Some(made) = merge_into::make(input, statement)
    {
        return made;
    }
    if let Some(made) = do_block::make(input, statement) {
        return made;
    }
    let mut effects = role::of(statement, input.text, input.catalog, input.search_path);
    let mut found = Found::default();
    let route = route(input, statement, &mut found).unwrap_or_else(|r| Route::Refused(Box::new(r)));
    if matches!(&route, Route::Session(s) if matches!(**s, SessionStatement::SetConfig(_))) {
        // As with `SET`, the session takes note.
        effects.effect = Effect::Session;
        effects.session = SessionEffect::default();
    }
    made(input, statement, kind(statement), effects, route, found)
}

/// The plan of a statement with this route.
pub(super) fn made(
    input: &Input<'_>,
    statement: &Statement,
    kind: Cow<'static, str>,
    effects: Effects,
    route: Route,
    found: Found,
) -> Made {
    let Found {
        exact,
        moments,
        clock,
        withheld,
    } = found;
    let withheld =
        withheld.or_else(|| self::withheld(input, statement, effects.effect == Effect::Read));
    let unknown = withheld.is_some() || !is_own(&route) && names_unknown(input, statement);
    let route = match &withheld {
        Some(name) => Route::Refused(Box::new(not_written_out(name))),
        None => in_order(statement, route, effects.stores),
    };
    let known_by = known_by(input, statement, &route);
    Made {
        plan: Plan {
            epoch: input.topology.epoch,
            kind,
            effect: effects.effect,
            stores: effects.stores,
            touches: touches::of(
                statement,
                input.text,
                input.options,
                &effects,
                input.catalog,
            ),
            turns: turns::of(input, statement, &route, effects.effect),
            role: role::role(statement, &effects),
            route,
            session: effects.session,
            temporary: effects.effect == Effect::Schema && is_temporary(input, statement),
            moments: (!moments.is_empty()).then(|| Box::new(moments)),
            clock,
            tables: tables(statement),
            known_by,
        },
        exact,
        unknown,
        withheld,
    }
}

/// Whether it is refused for the sake of the router's own schema, which a catalog need not have.
fn is_own(route: &Route) -> bool {
    matches!(route, Route::Refused(refusal) if refusal.reason == Reason::RoutersOwn)
}

/// A relation of the statement of which the catalog lacks what nobody could write out, since somebody had a table locked
/// ([`Relation::withheld`](crate::topology::catalog::Relation::withheld)): the query of a view, or a default where rows are written.
/// Nothing is planned by what it was before; and what only passes a definition on does not need it.
pub(super) fn withheld(input: &Input<'_>, statement: &Statement, reads: bool) -> Option<TableName> {
    let passes_on = matches!(
        statement.kind,
        Kind::Utility(_) | Kind::Transaction(_) | Kind::Session(Session::Prepare { .. })
    );
    if input.topology.only_shard().is_some() || input.directed || passes_on {
        return None;
    }
    let mut found = None;
    each_named(statement, &mut |name| {
        if let Some((schema, relation)) = names::named(input.catalog, input.search_path, name)
            && relation.withheld
            && (!reads || relation.kind == RelationKind::View)
        {
            found.get_or_insert_with(|| TableName::new(schema, &name.name));
        }
    });
    found
}

/// `lock_not_available`, as PostgreSQL says where somebody does not wait.
pub(super) fn not_written_out(name: &TableName) -> Refusal {
    let name = &name.name;
    let mut refusal = Refusal::new(
        Reason::View,
        format!("A table that \"{name}\" depends on is locked by somebody else."),
    )
    .with_hint("Run the statement again once that table is not locked any more.");
    refusal.sqlstate = SqlState::new("55P03");
    refusal.message = format!("could not read the definition of relation \"{name}\"");
    refusal
}

/// The route of a statement that takes locks leads to one shard after the other.
fn in_order(statement: &Statement, route: Route, stores: bool) -> Route {
    match route {
        Route::Scatter {
            targets,
            merge: Merge::Concatenate,
        } if stores || locks_rows(statement) => Route::Scatter {
            targets,
            merge: Merge::InOrder,
        },
        route => route,
    }
}

fn locks_rows(statement: &Statement) -> bool {
    let mut locks = false;
    walk::statement(statement, &mut |met| {
        locks |= matches!(met, Met::Query(query) if !query.locks.is_empty());
    });
    locks
}

/// Whether a statement defines temporary tables and nothing else.
fn is_temporary(input: &Input<'_>, statement: &Statement) -> bool {
    let Kind::Utility(utility) = &statement.kind else {
        return false;
    };
    if ddl::makes_temporary(utility, input.text, input.options) {
        return true;
    }
    let mut all = !utility.relations.is_empty();
    each_named(statement, &mut |name| {
        let first = match &name.schema {
            Some(schema) => Some(schema),
            None => input.search_path.first(),
        };
        all &= first.is_some_and(|schema| schema == names::TEMPORARY)
            && matches!(
                input.catalog.relation(names::TEMPORARY, &name.name),
                Known::Is(_)
            );
    });
    all
}

/// Whether the statement reads or writes a relation that the catalog does not have: one that was made since it was read,
/// or none at all.
fn names_unknown(input: &Input<'_>, statement: &Statement) -> bool {
    let (topology, catalog, search_path) = (input.topology, input.catalog, input.search_path);
    if topology.only_shard().is_some()
        || input.directed
        || matches!(statement.kind, Kind::Utility(_))
    {
        return false;
    }
    let mut unknown = false;
    each_named(statement, &mut |name| {
        unknown |= names::absent(catalog, search_path, name)
            && match names::place(topology, catalog, search_path, name) {
                Ok(place) => place != names::Place::Catalog,
                // A view of PostgreSQL's own.
                Err(refusal) => refusal.reason != Reason::SessionStatement,
            };
    });
    unknown
}

fn route(input: &Input<'_>, statement: &Statement, found: &mut Found) -> Result<Route, Refusal> {
    match &statement.kind {
        Kind::Empty => return Ok(Route::Empty),
        _ if let Some(route) = numbered(input, statement)? => return Ok(route),
        Kind::Explain(e) if e.shunt => {
            let inner = make(input, &e.statement);
            found.exact |= inner.exact;
            found.withheld = inner.withheld;
            return Ok(Route::Explain(Box::new(inner.plan)));
        }
        Kind::Query(_) => {
            // Its arguments decide what becomes of it.
            found.exact |= set_config::is_named(input.text);
            let sharded = input.topology.only_shard().is_none();
            let path = sharded.then_some(input.search_path);
            if let Some(list) = set_config::of(statement, input.text, input.options, path) {
                return Ok(Route::Session(Box::new(SessionStatement::SetConfig(list))));
            }
        }
        Kind::Session(s) => {
            if let Some(own) = session::own(s) {
                return Ok(Route::Session(Box::new(own)));
            }
        }
        _ => {}
    }
    // One shard: it has every row there is, so any statement is right there, also one that is not understood.
    if let Some(only) = input.topology.only_shard() {
        return Ok(match &statement.kind {
            Kind::Transaction(t) if !matches!(t, Transaction::Lock(_)) => {
                Route::Transaction(Box::new(t.clone()))
            }
            _ => Route::Single(Target::Shard(only)),
        });
    }
    own::stays(input, statement)?;
    found.clock = clock::of(input, statement);
    // What is prepared is the session's, wherever it will run.
    let kept = |kind: &Kind| {
        matches!(
            kind,
            Kind::Session(Session::Prepare { .. } | Session::Execute { .. })
        )
    };
    let kept = match &statement.kind {
        Kind::Explain(e) => kept(&e.statement.kind),
        kind => kept(kind),
    };
    if input.directed && !kept {
        return directed(input, statement);
    }
    over_shards(input, statement, found)
}

/// Where numbers of the router's own have to be put in first.
fn numbered(input: &Input<'_>, statement: &Statement) -> Result<Option<Route>, Refusal> {
    let alone = match next_id::look(statement, input.text, input.options) {
        next_id::Calls::None => return Ok(None),
        next_id::Calls::Elsewhere => {
            return Err(Refusal::new(Reason::NextId, next_id::NOT_ONE_ROW));
        }
        next_id::Calls::Alone(column) => Some(column),
        next_id::Calls::Some => None,
    };
    Ok(Some(Route::Session(Box::new(SessionStatement::Numbered {
        alone,
    }))))
}

/// The user says where the statement goes, and answers for it.
fn directed(input: &Input<'_>, statement: &Statement) -> Result<Route, Refusal> {
    match &statement.kind {
        Kind::Transaction(t) if !matches!(t, Transaction::Lock(_)) => {
            match transaction::over_shards(t) {
                Ok(Some(route)) => Ok(route),
                _ => Ok(Route::Single(Target::Directed { placement: None })),
            }
        }
        Kind::Session(Session::Fetch { .. } | Session::Close(_)) => {
            over_shards(input, statement, &mut Found::default())
        }
        // What is said about it later need not be directed.
        Kind::Session(Session::Declare { name, hold, .. }) => {
            Ok(Route::Session(Box::new(SessionStatement::Declare {
                name: name.clone(),
                hold: *hold,
                on: Target::Directed {
                    placement: placement(input, statement),
                },
                gathered: None,
            })))
        }
        _ => Ok(Route::Single(Target::Directed {
            placement: placement(input, statement),
        })),
    }
}

/// The placement that `shunt.key` is a key of: that of the statement's sharded tables, or the only one there is.
pub(super) fn placement(input: &Input<'_>, statement: &Statement) -> Option<PlacementId> {
    let mut found: Vec<PlacementId> = Vec::new();
    each_relation(statement, &mut |r| {
        if let Ok(names::Place::Sharded { placement, .. }) =
            names::place(input.topology, input.catalog, input.search_path, &r.name)
            && !found.contains(&placement)
        {
            found.push(placement);
        }
    });
    match (&found[..], input.topology.placements.len()) {
        ([one], _) => Some(*one),
        ([], 1) => Some(PlacementId(0)),
        _ => None,
    }
}

pub(super) fn over_shards(
    input: &Input<'_>,
    statement: &Statement,
    found: &mut Found,
) -> Result<Route, Refusal> {
    let refusal = match by_rules(input, statement, found) {
        Err(refusal) => refusal,
        Ok(Route::Refused(refusal)) => *refusal,
        Ok(route) => return Ok(route),
    };
    let Some(route) = by_words::route(input, statement, &refusal) else {
        return Err(refusal);
    };
    // What a block does stands in a constant.
    found.exact |= matches!(statement.kind, Kind::Utility(_));
    found.moments = Moments::default();
    found.withheld = None;
    Ok(route)
}

fn by_rules(input: &Input<'_>, statement: &Statement, found: &mut Found) -> Result<Route, Refusal> {
    own::stays(input, statement)?;
    let around = Around {
        topology: input.topology,
        catalog: input.catalog,
        search_path: input.search_path,
        per_shard: input.per_shard,
        text: input.text,
        options: input.options,
    };
    if let Some(read) = cursors::read(input, statement) {
        // By the name that it asks for.
        found.exact = true;
        return Ok(Route::Session(Box::new(read)));
    }
    match &statement.kind {
        Kind::Query(_) | Kind::Insert(_) | Kind::Update(_) | Kind::Delete(_) | Kind::Copy(_) => {
            data(input, statement, found)
        }
        Kind::Transaction(t) => match (transaction::over_shards(t)?, t) {
            (Some(route), _) => Ok(route),
            (None, Transaction::Lock(relations)) => {
                ddl::lock(&around, relations, &mut found.exact)
            }
            (None, _) => Err(unread("this transaction statement")),
        },
        Kind::Session(s) => match (session::over_shards(s)?, s) {
            (Some(route), _) => Ok(route),
            (None, Session::Declare { name, hold, query }) => match over_shards(input, query, found)? {
                Route::Single(on) => Ok(Route::Session(Box::new(SessionStatement::Declare {
                    name: name.clone(),
                    hold: *hold,
                    on,
                    gathered: None,
                }))),
                Route::Refused(refusal) => Err(*refusal),
                _ => far_cursor(input, statement, name, *hold, query, found),
            },
            (None, _) => Err(unread("this statement about the session")),
        },
        Kind::Explain(e) => match over_shards(input, &e.statement, found)? {
            Route::Single(target) => Ok(Route::Single(target)),
            Route::Refused(r) => Err(*r),
            route if is_explained(&e.statement, &route) => {
                Ok(Route::Session(Box::new(SessionStatement::Explain)))
            }
            _ => Err(Refusal::new(
                Reason::SessionStatement,
                "EXPLAIN of a statement that runs on several shards, and is neither a query nor a change of rows.",
            )
            .with_hint("EXPLAIN (SHUNT) shows the plan of the router; for a shard's own: SET shunt.shard = '...'.")),
        },
        Kind::Utility(u) => ddl::over_shards(&around, u, &mut found.exact),
        Kind::Unread(u) => Err(no_command(input, statement, &u.first_word)
            .unwrap_or_else(|| unread(&u.what))),
        Kind::Empty => Ok(Route::Empty),
    }
}

/// Whether what runs on several shards can be explained step by step.
fn is_explained(statement: &Statement, route: &Route) -> bool {
    match &statement.kind {
        Kind::Query(_) | Kind::Insert(_) | Kind::Update(_) | Kind::Delete(_) => matches!(
            route,
            Route::Scatter { .. } | Route::Split(_) | Route::Program(_)
        ),
        Kind::Session(Session::Execute { .. }) => true,
        _ => false,
    }
}

fn unread(what: &str) -> Refusal {
    if what == Excess::Tokens.to_string() {
        return Refusal::new(Reason::TooLong, format!("It is {what}."));
    }
    Refusal::new(Reason::NotRead, format!("What is not understood: {what}."))
}

/// The first words of PostgreSQL's statements, those of the coming version 19 included.
const COMMANDS: &[&str] = &[
    "ABORT",
    "ALTER",
    "ANALYSE",
    "ANALYZE",
    "BEGIN",
    "CALL",
    "CHECKPOINT",
    "CLOSE",
    "CLUSTER",
    "COMMENT",
    "COMMIT",
    "COPY",
    "CREATE",
    "DEALLOCATE",
    "DECLARE",
    "DELETE",
    "DISCARD",
    "DO",
    "DROP",
    "END",
    "EXECUTE",
    "EXPLAIN",
    "FETCH",
    "GRANT",
    "IMPORT",
    "INSERT",
    "LISTEN",
    "LOAD",
    "LOCK",
    "MERGE",
    "MOVE",
    "NOTIFY",
    "PREPARE",
    "REASSIGN",
    "REFRESH",
    "REINDEX",
    "RELEASE",
    "REPACK",
    "RESET",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SECURITY",
    "SELECT",
    "SET",
    "SHOW",
    "START",
    "TABLE",
    "TRUNCATE",
    "UNLISTEN",
    "UPDATE",
    "VACUUM",
    "VALUES",
    "WAIT",
    "WITH",
];

/// A first word that is no command: most likely mistyped, so the error is the one PostgreSQL would give. It is given here
/// and not by a server, since a later version may know the command and would run it, on one shard.
fn no_command(input: &Input<'_>, statement: &Statement, first_word: &str) -> Option<Refusal> {
    if first_word.is_empty() || COMMANDS.binary_search(&first_word).is_ok() {
        return None;
    }
    let text = statement.span.of(input.text);
    let at = text.to_ascii_uppercase().find(first_word)?;
    let word = &text[at..at + first_word.len()];
    let mut refusal = Refusal::new(
        Reason::NotRead,
        format!("No command of PostgreSQL begins with \"{word}\"."),
    )
    .with_hint("If the servers know it, say where it goes: SET shunt.shard = '...', or a leading comment /* shunt: shard=... */.");
    refusal.sqlstate = SYNTAX_ERROR;
    refusal.message = format!("syntax error at or near \"{word}\"");
    Some(refusal)
}

/// PostgreSQL's `syntax_error`.
pub(super) const SYNTAX_ERROR: SqlState = SqlState::new("42601");

/// A cursor whose query reads several shards: the rows that the query needs are brought to the scratch server, and the
/// cursor is there. So it moves both ways, and what is done after its `DECLARE` does not change its rows.
fn far_cursor(
    input: &Input<'_>,
    statement: &Statement,
    name: &Ident,
    hold: bool,
    query: &Statement,
    found: &mut Found,
) -> Result<Route, Refusal> {
    let gathered = with_reading(input, query, found, |reading| gather::plan(reading, query));
    let mut program = gathered.map_err(|refusal| {
        let detail = format!(
            "The query of cursor \"{name}\" reads several shards. {}",
            refusal.detail
        );
        Refusal::new(Reason::SessionStatement, detail)
            .with_hint("Add the sharding key to the query, or run it without a cursor.")
    })?;
    let declare = Span {
        start: statement.span.start,
        end: query.span.start,
    }
    .of(input.text);
    let Answer::Merged {
        on: On::Shard(on),
        text,
        ..
    } = &mut program.answer
    else {
        return Err(unread("this cursor"));
    };
    *text = format!("{}{text}", scrolls(declare, input.options));
    let on = Target::Shard(*on);
    program.unless = None;
    found.exact = true;
    Ok(Route::Session(Box::new(SessionStatement::Declare {
        name: name.clone(),
        hold,
        on,
        gathered: Some(Box::new(program)),
    })))
}

/// The beginning of a DECLARE that says whether the cursor moves backward, or one that says that it does: over the query's
/// own tables it mostly would, over rows that are brought it depends on how they are put together.
fn scrolls(declare: &str, options: Options) -> String {
    let words = words(declare, options);
    // The name comes first, and may be any word.
    let said = words.get(2..).unwrap_or_default();
    let cursor = said.iter().find(|word| word.is("cursor"));
    match cursor {
        Some(cursor) if !said.iter().any(|word| word.is("scroll")) => {
            let (before, after) = declare.split_at(cursor.span.start as usize);
            format!("{before}SCROLL {after}")
        }
        _ => declare.to_owned(),
    }
}

pub(super) fn data(
    input: &Input<'_>,
    statement: &Statement,
    found: &mut Found,
) -> Result<Route, Refusal> {
    let route = with_reading(input, statement, found, |reading| {
        behind::allowed(reading, statement, None)?;
        through_view::keeps_copies(reading, statement)?;
        sizes::known(reading, statement)?;
        let route = match &statement.kind {
            Kind::Query(q) => match setval::plan(reading, statement)? {
                Some(route) => Ok(route),
                None => select::plan(reading, statement, q),
            },
            Kind::Copy(c) => copy::plan(reading, statement, c),
            Kind::Insert(_) | Kind::Update(_) | Kind::Delete(_) => change(reading, statement),
            _ => Err(unread("this statement inside another")),
        }?;
        behind::fires_once(reading, statement, None, &route)?;
        let once = matches!(
            (&statement.kind, &route),
            (Kind::Query(_) | Kind::Copy(_), _) | (Kind::Insert(_), Route::Program(_))
        );
        if !once {
            moment::computed(reading, statement);
        }
        Ok(route)
    });
    match route {
        Err(refusal) if refusal.reason == Reason::View => match statement.kind {
            Kind::Insert(_) | Kind::Update(_) | Kind::Delete(_) => {
                through_view::plan(input, statement, found, refusal)
            }
            _ => views::plan(input, statement, found, refusal),
        },
        route => route,
    }
}

/// A statement that changes rows.
fn change(reading: &Reading<'_>, statement: &Statement) -> Result<Route, Refusal> {
    let inside = select::change_inside(reading, statement);
    if let (Kind::Insert(i), Some(refusal)) = (&statement.kind, &inside) {
        return insert::behind_changes(reading, statement, i, refusal.clone());
    }
    let direct = match (inside, &statement.kind) {
        (Some(refusal), _) => Err(refusal),
        (None, Kind::Insert(i)) => insert::plan(reading, statement, i),
        (None, Kind::Update(u)) => update::plan(reading, statement, u),
        (None, Kind::Delete(d)) => delete::plan(reading, statement, d),
        (None, _) => Err(unread("this statement inside another")),
    };
    // Its changes are made first where they are of another shard, or may be.
    let behind: &dyn Fn() -> Result<Route, Refusal> = match &statement.kind {
        Kind::Update(u) if !u.recursive && u.with.iter().any(changes::is_change) => {
            &|| update::behind_changes(reading, statement, u)
        }
        Kind::Delete(d) if !d.recursive && d.with.iter().any(changes::is_change) => {
            &|| delete::behind_changes(reading, statement, d)
        }
        _ => return direct,
    };
    match direct {
        direct @ (Err(_) | Ok(Route::Single(Target::Agree { .. }))) => {
            let moments = reading.moments.take();
            behind().or_else(|_| {
                reading.moments.replace(moments);
                direct
            })
        }
        direct => direct,
    }
}

/// Reads a statement and asks `plan` about it.
pub(super) fn with_reading<T>(
    input: &Input<'_>,
    statement: &Statement,
    found: &mut Found,
    plan: impl FnOnce(&Reading<'_>) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let columns = names::Columns {
        topology: input.topology,
        catalog: input.catalog,
        search_path: input.search_path,
    };
    let facts: Facts = facts(
        statement,
        input.text,
        input.options,
        &|name, column| columns.has(name, column),
        &|a, b| columns.alike(a, b),
    );
    let params = crate::sql::walk::param_counts(statement);
    let constants = Constants::new(input.slots, input.groups, &params);
    let reading = Reading::new(
        input.topology,
        input.catalog,
        input.search_path,
        constants,
        input.text,
        input.options,
        &facts,
    )?;
    let planned = plan(&reading);
    found.exact |= reading.exact.get();
    found.moments = reading.moments.take();
    planned
}

/// Calls `f` for every relation that the statement names, common table expressions among them.
fn each_relation<'s>(statement: &'s Statement, f: &mut dyn FnMut(&'s Relation)) {
    match &statement.kind {
        Kind::Copy(c) => {
            if let CopyWhat::Table { relation, .. } = &c.what {
                f(relation);
            }
        }
        Kind::Utility(u) => u.relations.iter().for_each(&mut *f),
        Kind::Transaction(Transaction::Lock(list)) => list.iter().for_each(&mut *f),
        Kind::Session(Session::Declare { query, .. }) => return each_relation(query, f),
        Kind::Session(Session::Prepare { statement, .. }) => return each_relation(statement, f),
        _ => {}
    }
    walk::statement(statement, &mut |met| match met {
        Met::From(TableRef::Relation(r)) => f(r),
        Met::Change(s) => match &s.kind {
            Kind::Insert(i) => f(&i.target),
            Kind::Update(u) => f(&u.target),
            Kind::Delete(d) => f(&d.target),
            _ => {}
        },
        _ => {}
    });
}

/// The relations by name, each once, without common table expressions.
fn tables(statement: &Statement) -> Vec<String> {
    let mut list = Vec::new();
    each_named(statement, &mut |name| {
        let name = names::display(name);
        if !list.contains(&name) {
            list.push(name);
        }
    });
    list
}

/// Every use of a relation, without those of common table expressions.
pub(super) fn each_named(statement: &Statement, f: &mut impl FnMut(&Name)) {
    let mut ctes: Vec<&str> = Vec::new();
    walk::ctes(statement, &mut |cte| ctes.push(&cte.name));
    each_relation(statement, &mut |r| {
        if r.name.schema.is_some() || !ctes.contains(&r.name.name.as_str()) {
            f(&r.name);
        }
    });
}

/// What the statement is, in lower case.
fn kind(statement: &Statement) -> Cow<'static, str> {
    match &statement.kind {
        Kind::Query(_) => "select".into(),
        Kind::Insert(_) => "insert".into(),
        Kind::Update(_) => "update".into(),
        Kind::Delete(_) => "delete".into(),
        Kind::Copy(_) => "copy".into(),
        Kind::Transaction(t) => super::print::transaction_word(t).into(),
        Kind::Session(s) => session::kind(s).into(),
        Kind::Explain(_) => "explain".into(),
        Kind::Utility(u) => u.command.to_lowercase().into(),
        Kind::Empty => "empty".into(),
        Kind::Unread(u) if u.first_word.is_empty() => "unknown".into(),
        Kind::Unread(u) => u.first_word.to_lowercase().into(),
    }
}
