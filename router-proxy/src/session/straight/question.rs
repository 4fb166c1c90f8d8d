//! Questions that take the straight road: one plain statement and nothing with it.

use std::rc::Rc;
use std::sync::Arc;

use router_core::id::ShardId;
use router_core::plan::{Param, Plan, Resolved, Route};
use router_core::sql::statement::Transaction;
use smallvec::SmallVec;

use super::super::commit::Traces;
use super::super::link::{Parsing, Role};
use super::super::route;
use super::super::statement::ClientStatement;
use super::super::step::{Note, Own, Ready, Step};
use super::super::{HIGH_WATER, Session};
use super::Road;
use crate::catalog::names_types;
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
    /// The state of its server once it is answered.
    status: u8,
    /// As a pipeline of the extended protocol; `None`: as a simple query.
    pipeline: Option<Pipeline>,
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
    pub(in crate::session) fn ask_straight(&mut self, input: &mut Buffer) -> Option<bool> {
        match &mut self.road {
            Road::Ordinary | Road::Answered => None,
            Road::Rest | Road::Between | Road::Asked(_) if input.is_empty() => Some(false),
            Road::Asked(_) => None,
            Road::Between => {
                let (question, ..) = self.question(input.bytes())?;
                if !self.is_at_hand(&question) {
                    return None;
                }
                self.group.clear();
                self.group.push(0);
                self.send_question(question, input);
                Some(true)
            }
            Road::Rest => {
                let (question, shard, role) = self.question(input.bytes())?;
                self.add_link(shard, role);
                self.group.clear();
                self.group.push(0);
                self.waits = true;
                self.road = Road::Waiting(question);
                Some(false)
            }
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

    /// What a session at rest is asked, if that may take the straight road, and where it goes.
    fn question(&mut self, bytes: &[u8]) -> Option<(Question, ShardId, Role)> {
        if bytes.len().max(self.client_out.len()) >= HIGH_WATER {
            return None;
        }
        match *bytes.first()? {
            f::QUERY => self.simple_question(bytes),
            f::PARSE | f::BIND => self.pipeline_question(bytes),
            _ => None,
        }
    }

    fn simple_question(&mut self, bytes: &[u8]) -> Option<(Question, ShardId, Role)> {
        let (_, body, []) = message(bytes)? else {
            return None;
        };
        let text = f::query_text(body)?;
        let known = self.known();
        if known.otherwise && !text.is_ascii() {
            return None;
        }
        let (question, shard, role) = {
            let planning = &mut *self.environment.planner.borrow_mut();
            let found = planning.planner.find(text, &known.met?)?;
            let status = status_after(self.status, found.plan)?;
            let topology = &self.environment.topology;
            let (shard, role) = self.place_of(found.plan, || found.resolve(topology).ok())?;
            let question = Question {
                length: bytes.len(),
                readings: known.readings,
                writes: found.plan.stores,
                status,
                pipeline: None,
            };
            (question, shard, role)
        };
        self.note_asked(text);
        Some((question, shard, role))
    }

    fn pipeline_question(&mut self, bytes: &[u8]) -> Option<(Question, ShardId, Role)> {
        let (mut tag, mut body, mut rest) = message(bytes)?;
        let mut parse = None;
        if tag == f::PARSE {
            let unnamed = f::Parse::read(body).filter(|parse| parse.name.is_empty());
            parse = Some(unnamed?);
            (tag, body, rest) = message(rest)?;
        }
        // Shards have numbers of their own for types that somebody made.
        if self.environment.is_sharded()
            && parse.as_ref().is_some_and(|parse| names_types(parse.types))
        {
            return None;
        }
        let length_of_parse = bytes.len() - rest.len() - body.len() - HEADER_LEN;
        let bind = (tag == f::BIND).then(|| f::Bind::read(body)).flatten()?;
        // The unnamed statement is one that this pipeline parses itself.
        if !bind.portal.is_empty() || bind.statement.is_empty() != parse.is_some() {
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

        let statement = match &parse {
            Some(parse) => {
                let known = self.unnamed.as_ref()?;
                known
                    .prepared
                    .is(parse.query, parse.types)
                    .then_some(known)?
            }
            None => self.statements.get(bind.statement)?,
        };
        let statement = Rc::clone(statement);
        let known = self.known();
        if statement.catalog != known.knowledge || statement.numbers.is_some() {
            return None;
        }
        // It is on servers as it would be read now.
        let reading = &statement.prepared.reading;
        if parse.is_none() && !reading.is_own() && !Arc::ptr_eq(reading, &self.reading) {
            return None;
        }
        if self.is_read_otherwise(&statement).is_err() {
            return None;
        }
        let plan = statement.plan()?;
        let status = status_after(self.status, plan)?;
        let writes = plan.stores;
        let (shard, role) = self.place_of_execution(&statement, values)?;
        self.note_bound(&statement.prepared);
        let question = Question {
            length: bytes.len(),
            readings: known.readings,
            writes,
            status,
            pipeline: Some(Pipeline {
                parse: length_of_parse,
                behind_names: (length_of_parse + HEADER_LEN + bind.rest_at, values.len()),
                describes,
                statement,
            }),
        };
        Some((question, shard, role))
    }

    /// Where a statement goes, by its home over shards; `None` where the ordinary road has to say so.
    fn place_of(
        &self,
        plan: &Plan,
        home: impl FnOnce() -> Option<Resolved>,
    ) -> Option<(ShardId, Role)> {
        let role = match route::role(plan) {
            Role::Replica if self.directives.replica => Role::Replica,
            _ if route::begins_read_only(plan) => Role::Replica,
            _ => Role::Primary,
        };
        if !self.environment.is_sharded() {
            return Some((ShardId(0), role));
        }
        let shard = match home()? {
            Resolved::Shard(shard) => shard,
            Resolved::Any => self.environment.any_shard(),
            _ => return None,
        };
        Some((shard, self.role_at(shard, role)))
    }

    /// The same of a prepared statement, with the values of a `Bind`.
    fn place_of_execution(
        &self,
        statement: &ClientStatement,
        values: &[u8],
    ) -> Option<(ShardId, Role)> {
        let (analysis, planned) = statement.planned.as_ref()?;
        if !self.environment.is_sharded() {
            return self.place_of(&planned.plan, || None);
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
        let topology = &self.environment.topology;
        self.place_of(&planned.plan, || {
            planned.plan.resolve(topology, &values).ok()
        })
    }

    /// Says a question to the server of the only link.
    fn send_question(&mut self, question: Question, input: &mut Buffer) {
        self.waits = false;
        self.begins = question.status == b'T' && (self.begins || self.status == b'I');
        self.road = Road::Asked(question.status);
        if question.writes {
            self.transaction.last_writer = Some(self.links[0].shard);
        }
        match question.pipeline {
            None => {
                self.links[0].traces.wrote |= question.writes;
                self.unnamed = None;
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
        } = pipeline;
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
            self.steps.push_back(Step::DescribePortal);
        }
        self.steps.push_back(Step::Execute(Note::default()));
        // Its end is in the same write.
        self.links[0].traces = Traces::default();
        self.steps.push_back(Step::Sync);
    }

    /// Parses the unnamed statement on the only link, once more, or behind whatever was said there last. Whether the client's
    /// own `Parse` need not follow.
    fn parse_unnamed(&mut self, statement: Rc<ClientStatement>) -> bool {
        let prepared = Arc::clone(&statement.prepared);
        let place = self.place();
        self.keep(b"", statement);
        if self.environment.is_sharded() {
            let known = self.send_unnamed(0, &prepared);
            self.owe(match known {
                true => Step::Own(Own::Empty(b'1')),
                false => Step::Parse,
            });
            return true;
        }
        let link = &mut self.links[0];
        if let Some(server) = link.server.as_mut() {
            let old = server.prepared.unnamed.replace(prepared);
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
