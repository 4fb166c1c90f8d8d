//! A reading of the catalog over connections of the client's own: what its transaction has defined it alone sees, and temporary
//! tables its session.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use router_core::topology::catalog::Source;
use router_core::topology::catalog::read::{LOCAL_SEARCH_PATH, LOCKED, NARROWED, touch, waiting};
use router_core::topology::{Catalog, TableName};

use super::{Operation, Outcome, Stage, Take};
use crate::catalog::{Rows, WHOLE, row, whole};
use crate::wire::backend as b;
use crate::wire::frame::Header;

/// Behind it the transaction goes on as it was.
const SAVEPOINT: &str = "\"shunt: catalog\"";

/// Whoever holds a lock that the reading waits for may want one that this transaction holds: `deadlock_timeout` later he would
/// be found to be in a deadlock if it waited just then. So it hardly waits, asks again a while later, and gives up after some seconds.
const LOCAL_LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '5ms'";

/// See [`LOCAL_LOCK_TIMEOUT`].
const PAUSE: &str = "DO $$ BEGIN PERFORM pg_catalog.pg_sleep(0.1); END $$";

/// See [`LOCAL_LOCK_TIMEOUT`].
const MOST_TIMES: u32 = 50;

fn back() -> String {
    format!("ROLLBACK TO SAVEPOINT {SAVEPOINT}; RELEASE SAVEPOINT {SAVEPOINT}")
}

/// What is read, or the body of an `ErrorResponse`.
pub(crate) type Survey = Rc<OnceCell<Result<Catalog, Vec<u8>>>>;

/// Reads the catalogs of all its parts as one. It never fails: an error is the answer.
#[derive(Debug)]
pub(crate) struct Surveying {
    parts: Vec<Part>,
    asked: bool,
    /// In a transaction.
    within: bool,
    /// How often servers have been asked again that had a lock to wait for.
    again: u32,
    /// What is waited for before.
    waits_for: Option<String>,
    /// What is known of each part already, and what finds the relations of which alone more is asked.
    touched: Option<(Vec<Arc<Source>>, String)>,
    into: Survey,
}

#[derive(Debug, Default)]
struct Part {
    /// Why it could not be read.
    failure: Option<Vec<u8>>,
    answers: Vec<Rows>,
    /// Queries that have begun to answer.
    begun: usize,
    /// The row that is under way.
    row: Vec<u8>,
}

impl Part {
    /// What the part comes to.
    fn read(mut self, known: Option<&Source>) -> Source {
        self.answers.resize_with(self.begun, Rows::new);
        let mut answers = self.answers.into_iter();
        match known {
            Some(known) => {
                // What was touched has a row of its own.
                answers.next();
                known.touched(std::array::from_fn(|_| answers.next().unwrap_or_default()))
            }
            None => whole(std::array::from_fn(|_| answers.next().unwrap_or_default())),
        }
    }
}

impl Surveying {
    pub(crate) fn new(parts: usize, into: &Survey, within: bool) -> Self {
        Self {
            parts: (0..parts).map(|_| Part::default()).collect(),
            asked: false,
            within,
            again: 0,
            waits_for: None,
            touched: None,
            into: Rc::clone(into),
        }
    }

    /// The same once this relation can be read, however long that takes.
    pub(crate) fn waiting_for(mut self, name: &TableName) -> Self {
        self.waits_for = Some(format!("{}; ", waiting(name)));
        self
    }

    /// The same for relations of these names alone, and what hangs on them: of everything else each part is known.
    pub(crate) fn of_touched(
        mut self,
        sources: Vec<Arc<Source>>,
        names: &BTreeSet<Box<str>>,
    ) -> Self {
        self.touched = Some((sources, touch(names)));
        self
    }

    /// What is asked. Settings made behind a savepoint are gone with it.
    fn text(&self) -> String {
        let queries = match &self.touched {
            Some((_, touch)) => format!("{touch}; {}", NARROWED.join("; ")),
            None => WHOLE.join("; "),
        };
        let (begin, end) = match self.within {
            true => (format!("SAVEPOINT {SAVEPOINT}"), back()),
            false => ("BEGIN READ ONLY".to_owned(), "ROLLBACK".to_owned()),
        };
        let wait = self.waits_for.as_deref().unwrap_or_default();
        format!("{begin}; {wait}{LOCAL_SEARCH_PATH}; {LOCAL_LOCK_TIMEOUT}; {queries}; {end}")
    }

    /// Asks those again that had a lock to wait for, while there is hope. Whether there are any.
    fn ask_again(&mut self, stage: &mut Stage<'_>) -> bool {
        let waits = self.waits_for.is_some();
        let is_locked = |part: &Part| {
            // What was to be waited for has its own limit of time, which is the client's.
            if waits && part.begun == 0 {
                return false;
            }
            let state = part
                .failure
                .as_deref()
                .and_then(|e| b::error_field(e, b'C'));
            state == Some(LOCKED.as_bytes())
        };
        let failed = self.parts.iter().filter(|part| part.failure.is_some());
        if self.again == MOST_TIMES || !failed.clone().all(is_locked) || failed.count() == 0 {
            return false;
        }
        self.again += 1;
        let undo = match self.within {
            true => back(),
            false => "ROLLBACK".to_owned(),
        };
        let text = format!("{undo}; {PAUSE}; {}", self.text());
        for (at, part) in self.parts.iter_mut().enumerate() {
            if part.failure.is_some() {
                *part = Part::default();
                stage.query(at, &text);
            }
        }
        true
    }
}

impl Operation for Surveying {
    fn poll(&mut self, stage: &mut Stage<'_>) -> Poll<Outcome> {
        if !std::mem::replace(&mut self.asked, true) {
            let text = self.text();
            (0..self.parts.len()).for_each(|part| stage.query(part, &text));
        }
        if !stage.all_settled() {
            return Poll::Pending;
        }
        if self.ask_again(stage) {
            return Poll::Pending;
        }
        // An error leaves the transaction of its own open; in the client's it is the client's.
        if !self.within {
            let failed = (0..self.parts.len()).filter(|part| stage.is_failed(*part));
            let failed: Vec<usize> = failed.collect();
            for &part in &failed {
                stage.query(part, "ROLLBACK");
            }
            if !failed.is_empty() {
                return Poll::Pending;
            }
        }
        let failure = self.parts.iter_mut().find_map(|part| part.failure.take());
        let read = match failure {
            Some(error) => Err(error),
            None => {
                let parts = std::mem::take(&mut self.parts).into_iter().enumerate();
                let known = self.touched.as_ref().map(|(sources, _)| sources);
                let read = parts.map(|(at, part)| {
                    let known = known.and_then(|sources| sources.get(at));
                    part.read(known.map(|source| &**source)).catalog().clone()
                });
                Ok(read.reduce(Catalog::united).unwrap_or_default())
            }
        };
        let _ = self.into.set(read);
        Poll::Ready(Outcome::Done)
    }

    fn reply(&mut self, _: &mut Stage<'_>, part: usize, header: Header) -> Take {
        match header.tag {
            b::ROW_DESCRIPTION => {
                self.parts[part].begun += 1;
                Take::Skip
            }
            b::DATA_ROW => Take::Pieces,
            _ => Take::Skip,
        }
    }

    fn body(&mut self, _: &mut Stage<'_>, part: usize, bytes: &[u8], last: bool) {
        let part = &mut self.parts[part];
        part.row.extend_from_slice(bytes);
        if last {
            let columns = row(&part.row).unwrap_or_default();
            part.answers
                .resize_with(part.begun.max(part.answers.len()), Rows::new);
            if let Some(rows) = part.answers.last_mut() {
                rows.push(columns);
            }
            part.row.clear();
        }
    }

    fn failed(&mut self, _: &mut Stage<'_>, part: usize, error: &[u8]) {
        self.parts[part].failure.get_or_insert(error.to_vec());
    }
}
