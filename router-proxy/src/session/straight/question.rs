//! Questions that take the straight road: one plain statement and nothing with it.

use std::rc::Rc;
use std::sync::Arc;

use router_core::id::ShardId;
use router_core::plan::clock::Clock;
use router_core::plan::{Param, Plan, Resolved, Route};
use router_core::sql::statement::{Transaction, TransactionModes};
use smallvec::SmallVec;

use super::super::commit::Traces;
use super::super::link::{Parsing, Role, UnnamedPortal};
use super::super::route::{self, Routed, Shards};
use super::super::statement::ClientStatement;
use super::super::step::{Note, Own, Ready, Step};
use super::super::{HIGH_WATER, Session};
use super::Road;
use crate::catalog::names_types;
use crate::server::prepared::Prepared;
use crate::wire::buffer::Buffer;
use crate::wire::frame::{HEADER_LEN, Header};
use crate::wire::frontend as f;

/// `Sync`, behind which nothing follows.
const SYNC: [u8; HEADER_LEN] = [f::SYNC, 0, 0, 0, 4];

/// A question on the straight road, all of it in the client's input, and nothing else there.
#[derive(Debug)]
pub(in crate::session) struct Question {
    /// Bytes of it.
    length: usize,
    /// How many times the catalog had been read when it was planned.
    readings: u64,
    /// It may change data.
    writes: bool,
    /// What it does with the time.
    clock: Clock,
    /// The state of its server once it is answered.
    status: u8,
    /// As a pipeline of the extended protocol; `None`: as a simple query.
    pipeline: Option<Pipeline>,
}

/// What a client says that may take the straight road.
enum Said {
    /// A question, and where it goes.
    Question(Question, ShardId, Role),
    /// The beginning of a transaction over shards, or its end, where one shard takes part.
    Transaction(Transaction),
}

/// `Bind` and `Execute` of a statement with a `Sync`, perhaps behind its `Parse`.
#[derive(Debug)]
struct Pipeline {
    statement: Rc<ClientStatement>,
    /// Bytes of the `Parse`; 0: there is none.
    parse: usize,
    /// Where the names in the `Bind` end, and how much of it follows.
    behind_names: (usize, usize),
    /// Between `Bind` and `Execute` the portal is described.
    describes: bool,
    /// Where its portal is, which lives on in a transaction over shards.
    portal: Option<Box<Routed>>,
}

/// The home of all that is asked where there is one shard.
const ONLY: Resolved = Resolved::Shard(ShardId(0));

/// What is known of a portal of a plain statement in a transaction over shards. `None`: no value of its own has decided
/// where it is.
fn portal_of(plan: &Plan, home: &Resolved) -> Option<Routed> {
    let Resolved::Shard(shard) = *home else {
        return None;
    };
    Some(Routed {
        shards: Shards::These(SmallVec::from_elem(shard, 1)),
        writes: plan.stores,
        clock: plan.clock,
        ..Routed::anywhere(route::role(plan))
    })
}

/// A message at the beginning of bytes that is there as a whole, and what follows it.
fn message(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let header = Header::parse(bytes).ok()??;
    let (message, rest) = bytes.split_at_checked(header.frame_len())?;
    Some((header.tag, &message[HEADER_LEN..], rest))
}

/// The state of a server that is in this one after a statement has succeeded there: a plain one, or one that begins or ends
/// a transaction. `None`: it may be another.
fn status_after(status: u8, plan: &Plan) -> Option<u8> {
    let Route::Transaction(transaction) = &plan.route else {
        return plan.is_plain().then_some(status);
    };
    match (&**transaction, status) {
        (Transaction::Begin(_), b'I') => Some(b'T'),
        (Transaction::Commit { chain: false } | Transaction::Rollback { chain: false }, b'T') => {
            Some(b'I')
        }
        _ => None,
    }
}

impl Session {
    /// Takes the client's bytes on the straight road. Whether anything happened; `None`: they have to take the ordinary one.
    #[inline]
    pub fn ask_straight(&mut self, input: &mut Buffer) -> Option<bool> {
        match &mut self.road {
            Road::Ordinary | Road::Answered => None,
            Road::Rest | Road::Between | Road::Asked(_) if input.is_empty() => Some(false),
            Road::Asked(_) => None,
            Road::Rest | Road::Between => match self.heard(input.bytes())? {
                Said::Question(question, shard, role) => self.ask_at(shard, role, question, input),
                Said::Transaction(statement) => {
                    self.begin_or_end(&statement, input);
                    Some(true)
                }
            },
            Road::Waiting(_) => {
                let Road::Waiting(question) = &self.road else {
                    return None;
                };
                let Some(server) = &self.links[0].server else {
                    return Some(false);
                };
                // Meanwhile more may have come, or become known; and what an earlier client drew from sequences is thrown away
                // ahead of a transaction.
                let readings = self.environment.catalog.readings();
                if question.length != input.len()
                    || question.readings != readings
                    || question.status == b'T' && server.sequences
                    || !self.is_at_hand(question)
                {
                    return None;
                }
                if let Road::Waiting(question) = std::mem::take(&mut self.road) {
                    self.send_question(question, input);
                }
                Some(true)
            }
        }
    }

    /// Asks a question, or has it wait for its connection.
    fn ask_at(
        &mut self,
        shard: ShardId,
        role: Role,
        question: Question,
        input: &mut Buffer,
    ) -> Option<bool> {
        let waits = match self.links.first() {
            // One that joins while another takes part has more to hear.
            Some(link)
                if link.shard != shard
                    || link.role != role && self.has_replicas(shard)
                    || !self.is_at_hand(&question) =>
            {
                return None;
            }
            Some(link) if link.role == Role::Replica => {
                if !self.keeps_replica(&Routed::anywhere(role)) {
                    return None;
                }
                false
            }
            Some(_) => false,
            None => {
                self.add_link(shard, role);
                true
            }
        };
        self.group.clear();
        self.group.push(0);
        if waits {
            self.waits = true;
            self.road = Road::Waiting(question);
        } else {
            self.send_question(question, input);
        }
        Some(!waits)
    }

    /// Begins or ends a transaction over shards: by the ordinary road's own words, of which one server hears, or none.
    fn begin_or_end(&mut self, statement: &Transaction, input: &mut Buffer) {
        let text = std::str::from_utf8(&input.bytes()[HEADER_LEN..]).unwrap_or_default();
        self.unnamed = None;
        self.leave_unnamed_portals();
        self.transaction_statement(statement, text, Ready::Pass);
        self.input.begin(0, false);
        input.clear();
        self.road = match self.steps.is_empty() {
            true => Road::Between,
            false => Road::Asked(b'I'),
        };
    }

    /// Whether the server of the only link has a statement whose client was told of its rows: where it has not, these are looked at
    /// first.
    fn is_at_hand(&self, question: &Question) -> bool {
        question.pipeline.as_ref().is_none_or(|pipeline| {
            let (prepared, schema) = (&pipeline.statement.prepared, pipeline.statement.schema);
            let server = self.links[0].server.as_ref();
            !prepared.is_shaped()
                || server.is_some_and(|server| server.prepared.has(prepared, schema))
        })
    }

    /// What a session is told at rest or between two statements, if that may take the straight road.
    fn heard(&mut self, bytes: &[u8]) -> Option<Said> {
        if bytes.len().max(self.client_out.len()) >= HIGH_WATER {
            return None;
        }
        match *bytes.first()? {
            f::QUERY => self.simple_question(bytes),
            f::PARSE | f::BIND => self.pipeline_question(bytes),
            _ => None,
        }
    }

    fn simple_question(&mut self, bytes: &[u8]) -> Option<Said> {
        let (_, body, []) = message(bytes)? else {
            return None;
        };
        // What is found has no zero byte within.
        let (0, text) = body.split_last()? else {
            return None;
        };
        let known = self.known();
        if known.otherwise && !text.is_ascii() {
            return None;
        }
        let said = {
            let planning = &mut *self.environment.planner.borrow_mut();
            let found = planning.planner.find(text, &known.met?)?;
            match &found.plan.route {
                Route::Transaction(statement) if self.environment.is_sharded() => self
                    .may_begin_or_end(statement)
                    .then(|| Said::Transaction(Transaction::clone(statement)))?,
                _ => {
                    let status = self.status_after(found.plan)?;
                    let home = match self.environment.is_sharded() {
                        true => found.resolve(&self.environment.topology).ok()?,
                        false => ONLY,
                    };
                    let (shard, role) = self.place_of(found.plan, &home)?;
                    let question = Question {
                        length: bytes.len(),
                        readings: known.readings,
                        writes: found.plan.stores,
                        clock: found.plan.clock,
                        status,
                        pipeline: None,
                    };
                    Said::Question(question, shard, role)
                }
            }
        };
        self.note_asked(text);
        Some(said)
    }

    /// Whether a transaction over shards begins without characteristics of its own, or one ends that has one link.
    fn may_begin_or_end(&self, statement: &Transaction) -> bool {
        match statement {
            Transaction::Begin(modes) => self.is_at_rest() && *modes == TransactionModes::default(),
            Transaction::Commit { chain: false } => !self.is_at_rest() && !self.links.is_empty(),
            _ => false,
        }
    }

    /// The state of a server, once a statement has succeeded there. `None`: it may be another, or the statement compares what
    /// it must not.
    fn status_after(&self, plan: &Plan) -> Option<u8> {
        self.keeps_time(plan, true).ok()?;
        status_after(self.status, plan)
    }

    fn pipeline_question(&mut self, bytes: &[u8]) -> Option<Said> {
        let (mut tag, mut body, mut rest) = message(bytes)?;
        let mut parsed = None;
        if tag == f::PARSE {
            // Only what was parsed last.
            let last = self.unnamed.as_ref()?;
            let again = last.prepared.is_parsed_unnamed_by(body);
            // Shards have numbers of their own for types that somebody made.
            if !again || self.environment.is_sharded() && names_types(&last.prepared.types) {
                return None;
            }
            parsed = Some(last);
            (tag, body, rest) = message(rest)?;
        }
        let length_of_parse = bytes.len() - rest.len() - body.len() - HEADER_LEN;
        let bind = (tag == f::BIND).then(|| f::Bind::read(body)).flatten()?;
        // The unnamed statement is one that this pipeline parses itself.
        if !bind.portal.is_empty() || bind.statement.is_empty() != parsed.is_some() {
            return None;
        }
        let values = &body[bind.rest_at..];
        (tag, body, rest) = message(rest)?;
        let describes = tag == f::DESCRIBE;
        if describes {
            if body != b"P\0" {
                return None;
            }
            (tag, body, rest) = message(rest)?;
        }
        if tag != f::EXECUTE || !f::Execute::read(body)?.portal.is_empty() || rest != SYNC {
            return None;
        }

        let is_parsed = parsed.is_some();
        let statement = match parsed {
            Some(last) => last,
            None => self.statements.get(bind.statement)?,
        };
        let statement = Rc::clone(statement);
        let known = self.known();
        if statement.catalog != known.knowledge || statement.numbers.is_some() {
            return None;
        }
        // The first description of its rows is kept, and whether it still holds is looked at.
        let named = self.environment.is_sharded() && !is_parsed;
        let untold = named && describes && statement.told().is_none();
        if untold || named && statement.redefined {
            return None;
        }
        // It is on servers as it would be read now.
        let reading = &statement.prepared.reading;
        if !Arc::ptr_eq(reading, &self.reading) && (is_parsed || !reading.is_own()) {
            return None;
        }
        if self.is_read_otherwise(&statement).is_err() {
            return None;
        }
        let (_, planned) = statement.planned.as_ref()?;
        if planned.route.is_some() {
            return None;
        }
        let plan = statement.plan()?;
        let status = self.status_after(plan)?;
        let writes = plan.stores;
        let home = self.home_of_execution(&statement, values, known.otherwise)?;
        let (shard, role) = self.place_of(plan, &home)?;
        let portal = match self.transaction.is_open() {
            true => Some(Box::new(portal_of(plan, &home)?)),
            false => None,
        };
        self.note_bound(&statement.prepared);
        let question = Question {
            length: bytes.len(),
            readings: known.readings,
            writes,
            clock: plan.clock,
            status,
            pipeline: Some(Pipeline {
                parse: length_of_parse,
                behind_names: (length_of_parse + HEADER_LEN + bind.rest_at, values.len()),
                describes,
                portal,
                statement,
            }),
        };
        Some(Said::Question(question, shard, role))
    }

    /// Where a statement goes, by its home; `None` where the ordinary road has to say so.
    fn place_of(&self, plan: &Plan, home: &Resolved) -> Option<(ShardId, Role)> {
        let shard = match *home {
            Resolved::Shard(shard) => shard,
            Resolved::Any => self.shard_for_any(),
            _ => return None,
        };
        if !self.has_replicas(shard) {
            return Some((shard, Role::Primary));
        }
        let on_replica = |link: &super::super::Link| link.role == Role::Replica;
        let role = match route::role(plan) {
            Role::Replica if self.reads_replicas() => Role::Replica,
            Role::Replica if self.links.first().is_some_and(|link| on_replica(link)) => {
                Role::Replica
            }
            // What it begins is to be remembered there.
            _ if route::begins_read_only(plan).is_some() => return None,
            _ => Role::Primary,
        };
        Some((shard, role))
    }

    /// The home of an execution, with the values of a `Bind`; `otherwise`: those that are not ASCII may be read otherwise by
    /// servers.
    fn home_of_execution(
        &self,
        statement: &ClientStatement,
        values: &[u8],
        otherwise: bool,
    ) -> Option<Resolved> {
        if !self.environment.is_sharded() {
            return Some(ONLY);
        }
        let (analysis, planned) = statement.planned.as_ref()?;
        let topology = &self.environment.topology;
        let param = |at| Some(statement.param(at, &f::bind_value(values, at)?));
        if !otherwise && let Some(home) = planned.plain_home(topology, param) {
            return Some(Resolved::Shard(home));
        }
        let bound = f::bind_values(values)?;
        let params: SmallVec<[Param<'_>; 4]> = bound
            .iter()
            .enumerate()
            .map(|(i, value)| statement.param(i, value))
            .collect();
        if params.iter().any(|param| self.is_foreign(param)) {
            return None;
        }
        let direction = self.directives.direction();
        let values = analysis.values(planned, statement.text(), &params, direction);
        planned.plan.resolve(topology, &values).ok()
    }

    /// Says a question to the server of the only link.
    fn send_question(&mut self, question: Question, input: &mut Buffer) {
        self.waits = false;
        self.begins = question.status == b'T' && (self.begins || self.status == b'I');
        self.road = Road::Asked(question.status);
        if question.writes {
            self.transaction.last_writer = Some(self.links[0].shard);
        }
        self.links[0].traces.wrote |= question.writes;
        self.links[0].wrote |= question.writes;
        self.stores_time(question.clock, true, question.writes);
        match question.pipeline {
            None => {
                self.unnamed = None;
                self.links[0].unnamed_portal = UnnamedPortal::None;
                self.steps
                    .push_back(Step::Query(Ready::Pass, Note::default()));
                self.links[0].out.append(input);
            }
            Some(pipeline) => self.send_pipeline(pipeline, input),
        }
        self.input.begin(0, true);
    }

    fn send_pipeline(&mut self, pipeline: Pipeline, input: &mut Buffer) {
        let Pipeline {
            statement,
            parse,
            behind_names,
            describes,
            portal,
        } = pipeline;
        // Its end is in the same write.
        if !self.links[0].joined {
            self.links[0].traces = Traces::default();
        }
        if portal.is_some() {
            self.keep_portal(b"", &statement, portal.map(|routed| *routed));
            self.opens_unnamed_portal();
        }
        let counts = &self.environment.stats.database.counts;
        counts.binds.add(1);
        if parse > 0 {
            counts.client_parses.add(1);
            if self.parse_unnamed(statement) {
                input.consume(parse);
            }
            self.links[0].out.append(input);
            self.steps.push_back(Step::Bind(None));
        } else {
            self.send_prepared(0, &statement);
            let (at, length) = behind_names;
            let out = &mut self.links[0].out;
            out.push(&head_of_bind(&statement, length));
            out.push(&input.bytes()[at..]);
            input.clear();
            self.steps.push_back(Step::Bind(Some(statement)));
        }
        if describes {
            self.steps.push_back(Step::DescribePortal(None));
        }
        self.steps.push_back(Step::Execute(Note::default()));
        self.steps.push_back(Step::Sync);
    }

    /// Parses the unnamed statement on the only link, once more, or behind whatever was said there last. Whether the client's
    /// own `Parse` need not follow.
    fn parse_unnamed(&mut self, statement: Rc<ClientStatement>) -> bool {
        let prepared = Arc::clone(&statement.prepared);
        let place = self.place();
        self.keep(b"", statement);
        let sharded = self.environment.is_sharded();
        let link = &mut self.links[0];
        if let Some(server) = link.server.as_mut() {
            let unnamed = &mut server.prepared.unnamed;
            let is_there = |known: &Arc<Prepared>| Arc::ptr_eq(known, &prepared);
            if sharded && unnamed.as_ref().is_some_and(is_there) {
                self.owe(Step::Own(Own::Empty(b'1')));
                return true;
            }
            // The client's own `Parse` says it, to every shard in the same words.
            let old = unnamed.replace(prepared);
            link.parsing.push_back((place, Parsing::Unnamed(old)));
        }
        self.steps.push_back(Step::Parse);
        false
    }
}

/// A `Bind` of the unnamed portal to a statement by its name on servers, as far as the names; so many bytes follow.
fn head_of_bind(statement: &ClientStatement, rest: usize) -> [u8; HEADER_LEN + 24] {
    let mut head = [0; HEADER_LEN + 24];
    let header = Header {
        tag: f::BIND,
        body: 24 + rest,
    };
    head[..HEADER_LEN].copy_from_slice(&header.to_bytes());
    head[HEADER_LEN + 1..HEADER_LEN + 23].copy_from_slice(&statement.prepared.name());
    head
}
