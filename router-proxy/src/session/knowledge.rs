//! What statements are planned by: the catalog that all share, or the one that the transaction under way sees.
//!
//! A transaction that has defined something sees what nobody else does, and what it has dropped or changed others still
//! see. So it reads the catalog itself, over its own connections, before it plans what may depend on that, and keeps what it
//! read until it defines something else, goes back to a savepoint or ends. Whoever defines nothing pays nothing.
//!
//! Temporary tables are on one shard, on a connection that stays with the client: to the planner they are tables of that
//! shard, in the schema that is searched first, of a catalog that is the session's own for as long.
//!
//! A name that the catalog lacks was made elsewhere since it was read, or there is none. A server is asked first: where it
//! does not know the name either, its error is the answer. Only a name that it knows has the catalog read anew.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::rc::Rc;
use std::sync::Arc;

use router_core::id::ShardId;
use router_core::plan::{
    KnownBy, Plan, Planned, Route, SessionEffect, SessionStatement, Target, Touches,
};
use router_core::topology::catalog::Source;
use router_core::topology::{Catalog, TableName};

use super::client::Taken;
use super::outer::{Held, Whom};
use super::route::Planning;
use super::step::{Note, Ready};
use super::unsettled::Value;
use super::{Role, Session, Wanted};
use crate::exec::survey::{Survey, Surveying};

/// Names of relations.
type Names = BTreeSet<Box<str>>;

/// So often a statement of a transaction waits for what cannot be read.
const MOST_WAITS: u8 = 3;

/// Where a transaction has defined something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Where {
    #[default]
    Nowhere,
    /// On this shard alone.
    On(ShardId),
    /// On several.
    Everywhere,
}

/// What a transaction has defined itself, and what it knows of that.
#[derive(Clone, Debug, Default)]
pub(super) struct Definitions {
    place: Where,
    /// What of the catalog that may have changed, as compared with the one that all share.
    touches: Touches,
    /// The catalog as this transaction read it last.
    catalog: Option<Rc<Catalog>>,
    /// Definitions that this reading does not have; 0: it is how things are.
    since: u64,
}

impl PartialEq for Definitions {
    fn eq(&self, other: &Self) -> bool {
        let read = |it: &Self| it.catalog.as_ref().map(|catalog| catalog.fingerprint());
        (self.place, self.since, read(self)) == (other.place, other.since, read(other))
    }
}

impl Definitions {
    /// Whether there are none.
    pub(super) fn is_nothing(&self) -> bool {
        self.place == Where::Nowhere && self.catalog.is_none() && self.since == 0
    }

    /// Something was defined on these shards.
    fn add(&mut self, touches: &Touches, shards: impl Iterator<Item = ShardId>) {
        self.touches.add(touches);
        for shard in shards {
            self.place = match self.place {
                Where::Nowhere => Where::On(shard),
                Where::On(known) if known == shard => Where::On(known),
                _ => Where::Everywhere,
            };
        }
        self.since += 1;
    }

    /// Some of it may be undone.
    pub(super) fn go_back(&mut self) {
        if self.place != Where::Nowhere {
            self.since += 1;
        }
    }

    /// Whether a statement, as it was planned without knowing all of them, may have to be planned otherwise.
    ///
    /// Proof that it need not where one shard has all definitions and the statement goes there as it is: what was
    /// defined is there and nowhere else, and what was not is what it was.
    fn concern(&self, planned: &Planned) -> bool {
        let alone = matches!((&self.place, &planned.plan.route),
            (Where::On(shard), Route::Single(Target::Shard(home))) if home == shard);
        self.since > 0 && planned.plan.looks_up() && (planned.unknown || !alone)
    }
}

/// What a client knows that has temporary tables: they are on one server, and outlive its transactions.
#[derive(Debug, Default)]
pub(super) struct Temporary {
    definitions: Definitions,
    /// The number of the shared catalog at that reading.
    shared: u64,
    /// What is under way changes what there is.
    pub(super) changes: bool,
}

impl Temporary {
    /// What was under way has ended, and may have defined something.
    pub(super) fn end(&mut self, shared_too: bool) {
        if std::mem::take(&mut self.changes) || shared_too {
            self.definitions.place = Where::Everywhere;
            self.definitions.touches = Touches::Anything;
            self.definitions.since += 1;
        }
    }
}

impl Session {
    /// Whether the message at hand waits for the catalog to be read anew.
    pub fn awaits_catalog(&self) -> bool {
        self.asks_catalog
    }

    /// The catalog has been read since [`Session::awaits_catalog`] said so.
    pub fn handle_catalog_read(&mut self) {
        if std::mem::replace(&mut self.asks_catalog, false) {
            self.schema_unseen = false;
        }
    }

    /// Whether a statement may turn out to leave less than it is planned with, once the catalog has been read (unsharded
    /// databases).
    pub(super) fn is_better_known(&self, plan: &Plan) -> bool {
        plan.session.contains(SessionEffect::UNKNOWN)
            && !matches!(&*plan.kind, "do" | "execute")
            && !self.environment.is_sharded()
            && self.environment.catalog.lacks_additions()
            && !self.outer.looked
            // A transaction may hold locks that the reading would wait for.
            && self.steps.is_empty()
            && !self.in_pipeline
            && self.own_status() == b'I'
    }

    /// The message at hand waits until the catalog has been read.
    pub(super) fn look_for_additions(&mut self) -> Taken {
        self.outer.looked = true;
        self.asks_catalog = true;
        Taken::Wait
    }

    /// What statements are planned by, if it is the session's own.
    pub(super) fn own_catalog(&self) -> Option<Rc<Catalog>> {
        let lasting = || self.temporary.as_ref()?.definitions.catalog.clone();
        self.transaction
            .definitions
            .catalog
            .clone()
            .or_else(lasting)
    }

    /// Where names are looked for now.
    pub(super) fn search_path(&self) -> &[String] {
        const NAME: &str = "search_path";
        let own = match self.uncommitted.value(NAME) {
            Value::Kept => self.wanted.get(NAME),
            Value::Set(values) => Some(values),
            Value::Initial => self.initial.get(NAME),
        };
        own.unwrap_or(self.environment.search_path())
    }

    /// A number that stands for that, if the session has said so itself.
    fn own_search_path(&self) -> u64 {
        let path = self.schemas();
        match std::ptr::eq(&*path, self.environment.search_path()) {
            true => 0,
            false => {
                let mut hasher = DefaultHasher::new();
                path.hash(&mut hasher);
                hasher.finish()
            }
        }
    }

    /// A number that stands for what statements are planned by.
    pub(super) fn knowledge(&self) -> u64 {
        let shared = self.environment.catalog.fingerprint();
        let catalog = self.own_catalog().map_or(shared, |own| own.fingerprint());
        let lasting = self.temporary.as_ref().map_or(0, |temporary| {
            let moved = u64::from(temporary.shared != shared);
            temporary.definitions.since.wrapping_add(moved)
        });
        // On one server the names mean what they mean there.
        let path = match self.environment.is_sharded() {
            true => self.own_search_path(),
            false => 0,
        };
        catalog
            .wrapping_add(self.transaction.definitions.since)
            .wrapping_add(lasting)
            .wrapping_add(path)
    }

    /// A statement changes what temporary tables there are.
    pub(super) fn changes_temporary(&mut self) {
        self.temporary.get_or_insert_default().changes = true;
    }

    /// Whether the transaction under way reads the catalog for itself, where others wait until what somebody has defined is read:
    /// that reading may wait for a lock of this very transaction.
    pub fn reads_for_itself(&mut self) -> bool {
        let transaction = &mut self.transaction;
        let definitions = &mut transaction.definitions;
        if !transaction.state.is_open() || definitions.is_nothing() && !transaction.locks {
            return false;
        }
        let wanted = self.environment.catalog.wanted();
        if std::mem::replace(&mut transaction.missed, wanted) != wanted {
            definitions.place = Where::Everywhere;
            definitions.touches = Touches::Anything;
            definitions.since += 1;
        }
        true
    }

    /// What is defined beyond what statements are planned by.
    fn definitions(&mut self) -> &mut Definitions {
        let own = &mut self.transaction.definitions;
        match &mut self.temporary {
            Some(temporary) if own.place == Where::Nowhere => &mut temporary.definitions,
            _ => own,
        }
    }

    /// Whether it looks as if [`Self::concerns`] said so.
    pub(super) fn may_concern(&self, planned: &Planned) -> bool {
        let lasting = self.temporary.as_ref();
        self.transaction.definitions.concern(planned)
            || lasting.is_some_and(|temporary| temporary.definitions.concern(planned))
    }

    /// Whether a statement, as it was planned, may have to be planned otherwise.
    pub(super) fn concerns(&mut self, planned: &Planned) -> bool {
        let shared = self.environment.catalog.fingerprint();
        if let Some(temporary) = &mut self.temporary
            && temporary.definitions.catalog.is_some()
            && temporary.shared != shared
        {
            temporary.shared = shared;
            temporary.end(true);
        }
        self.definitions().concern(planned)
    }

    /// Takes note of what a statement defines on links.
    pub(super) fn defines(&mut self, plan: bool, touches: &Touches, slots: &[usize]) {
        if plan && self.environment.is_sharded() && (self.transaction.is_open() || self.in_pipeline)
        {
            let links = &self.links;
            let shards = slots.iter().map(|&slot| links[slot].shard);
            self.transaction.definitions.add(touches, shards);
        }
    }

    /// Plans the statements of a text; one that stands alone by what is defined by now. `types` as in a `Parse`.
    pub(super) fn plan_today(
        &mut self,
        planning: &mut Planning,
        text: &str,
        types: &[u8],
    ) -> Result<(), Held> {
        self.analyze(planning, text);
        if !self.environment.is_sharded() {
            return Ok(());
        }
        if let [one] = planning.analysis.statements()
            && self.learn(one)?
        {
            self.analyze(planning, text);
        }
        match planning.analysis.statements() {
            [one] => {
                self.outer.before = text[..one.span.start as usize].chars().count();
                self.look_for_names(one, one.span.of(text), types)
            }
            _ => Ok(()),
        }
    }

    /// Whether a statement has to be planned again by what has been learned for it.
    pub(super) fn learn(&mut self, planned: &Planned) -> Result<bool, Held> {
        if self.concerns(planned) {
            return self.survey().map(|()| true);
        }
        Ok(false)
    }

    /// What a transaction of the same message has defined, which has ended, is in the catalog.
    pub(super) fn learn_what_was_committed(&mut self, planned: &Planned) -> Result<(), Held> {
        let ended = self.transaction.definitions.place == Where::Nowhere;
        if self.environment.is_sharded() && ended && self.schema_unseen && planned.plan.looks_up() {
            self.asks_catalog = true;
            return Err(Held::Wait);
        }
        Ok(())
    }

    /// Reads the catalog as the transaction under way sees it.
    fn survey(&mut self) -> Result<(), Held> {
        let Some(catalog) = self.surveyed()? else {
            return self.begin_survey(None);
        };
        let definitions = self.definitions();
        definitions.catalog = Some(Rc::new(catalog));
        definitions.since = 0;
        Ok(())
    }

    /// What has been read of the client's own.
    fn surveyed(&mut self) -> Result<Option<Catalog>, Held> {
        let survey = self.outer.survey.take().and_then(Rc::into_inner);
        match survey.and_then(std::cell::OnceCell::into_inner) {
            None => Ok(None),
            Some(Ok(catalog)) => Ok(Some(catalog)),
            Some(Err(body)) => Err(Held::Failed(super::outer::message_of(&body))),
        }
    }

    /// Begins to read the catalog over the client's own connections, once this relation can be read.
    fn begin_survey(&mut self, waits_for: Option<&TableName>) -> Result<(), Held> {
        self.nothing_under_way()?;
        let mut shards = self.environment.topology.catalog_shards();
        let home = self.environment.topology.temporary_home();
        if self.temporary.is_some() && !shards.contains(&home) {
            shards.push(home);
            shards.sort_unstable();
        }
        if shards.is_empty() {
            // The same as for all others: versions of views are those of one server.
            shards.push(ShardId(0));
        }
        let wanted: Vec<Wanted> = shards
            .into_iter()
            .map(|shard| Wanted {
                shard,
                role: Role::Primary,
                apart: false,
            })
            .collect();
        let slots = self.ensure_parts(&wanted).ok_or(Held::Wait)?;
        let survey = Survey::default();
        self.outer.survey = Some(Rc::clone(&survey));
        let mut surveying = Surveying::new(slots.len(), &survey, self.transaction.is_open());
        if let Some(name) = waits_for {
            surveying = surveying.waiting_for(name);
        } else if let Some((sources, names)) = self.touched(&wanted) {
            surveying = surveying.of_touched(sources, &names);
        }
        let shared = self.environment.catalog.fingerprint();
        if let Some(temporary) = &mut self.temporary {
            temporary.shared = shared;
        }
        self.operate(Box::new(surveying), &slots, Ready::Silent, Note(None));
        Err(Held::Wait)
    }

    /// What the shared catalog is made of, and the relations of it that the transaction under way has touched, if it has touched
    /// nothing else and can read these into it. What others define meanwhile has everything read ([`Self::reads_for_itself`]).
    fn touched(&self, wanted: &[Wanted]) -> Option<(Vec<Arc<Source>>, Names)> {
        let definitions = &self.transaction.definitions;
        let shared = &self.environment.catalog;
        let Touches::Relations(names) = &definitions.touches else {
            return None;
        };
        let current = shared.current();
        let of = |wanted: &Wanted| {
            let mut all = current.sources.iter();
            all.find(|(shard, _)| *shard == wanted.shard)
                .map(|(_, source)| Arc::clone(source))
        };
        let usable = self.temporary.is_none()
            && definitions.place != Where::Nowhere
            && !shared.is_stale()
            && current.sources.len() == wanted.len();
        let sources: Option<Vec<Arc<Source>>> = wanted.iter().map(of).collect();
        Some((sources.filter(|_| usable)?, names.clone()))
    }

    /// Whether a statement can be carried out as it was planned, where it names what the catalog lacks.
    pub(super) fn look_for_names(
        &mut self,
        planned: &Planned,
        text: &str,
        types: &[u8],
    ) -> Result<(), Held> {
        let plan = &*planned.plan;
        if let Some(name) = &planned.withheld {
            return self.wait_for(name);
        }
        if !planned.unknown || self.outer.looked || !self.environment.is_sharded() {
            return Ok(());
        }
        if says_what_is_wrong(plan) {
            self.parsed(text.as_bytes(), types, Whom::of(plan))?;
        }
        self.look_again()
    }

    /// Waits until the definition of a relation can be read. It is a server that waits, for the lock that the statement itself would
    /// wait for, by the client's own `lock_timeout`, where it can be cancelled, and a deadlock is found.
    ///
    /// In a transaction the reading that follows is its own, since it has the lock by then: whoever waits for it to end may
    /// stand in the way of another's.
    pub(super) fn wait_for(&mut self, name: &TableName) -> Result<(), Held> {
        let own = self.transaction.is_open() || self.own_catalog().is_some();
        if !own && self.surveyed()?.is_some() {
            self.asks_catalog = true;
            return Err(Held::Wait);
        }
        // What is withheld all the same depends on a type of rows, perhaps, without a lock to wait for.
        if self.outer.waited == MOST_WAITS && own {
            return Ok(());
        }
        self.outer.waited = self.outer.waited.saturating_add(1);
        if own {
            self.definitions().since += 1;
        }
        self.begin_survey(Some(name))
    }

    /// A server knows the names that the catalog lacks, or none can say: the catalog is read anew, once.
    pub(super) fn look_again(&mut self) -> Result<(), Held> {
        self.outer.looked = true;
        if self.own_catalog().is_some() {
            self.definitions().since += 1;
            return self.survey();
        }
        self.asks_catalog = true;
        Err(Held::Wait)
    }
}

/// Whether a server that parses a statement looks up its names, and one server has all of them.
fn says_what_is_wrong(plan: &Plan) -> bool {
    let parsed = match &plan.route {
        Route::Session(session) => !matches!(
            **session,
            SessionStatement::Prepare(_) | SessionStatement::Execute(_)
        ),
        Route::Explain(_) => false,
        _ => !matches!(&*plan.kind, "copy" | "lock"),
    };
    parsed && !matches!(plan.known_by, KnownBy::None(_))
}
