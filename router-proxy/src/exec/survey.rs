//! A reading of the catalog over connections of the client's own: what its transaction has defined it alone sees, and temporary
//! tables its session.

use std::cell::OnceCell;
use std::rc::Rc;
use std::task::Poll;

use router_core::topology::Catalog;
use router_core::topology::catalog::read::LOCAL_SEARCH_PATH;

use super::{Operation, Outcome, Stage, Take};
use crate::catalog::{Rows, WHOLE, row, whole};
use crate::wire::backend as b;
use crate::wire::frame::Header;

/// What is read, or the body of an `ErrorResponse`.
pub(crate) type Survey = Rc<OnceCell<Result<Catalog, Vec<u8>>>>;

/// Reads the catalogs of all its parts as one. It never fails: an error is the answer.
#[derive(Debug)]
pub(crate) struct Surveying {
    parts: Vec<Part>,
    asked: bool,
    /// In a transaction.
    within: bool,
    into: Survey,
    failure: Option<Vec<u8>>,
}

#[derive(Debug, Default)]
struct Part {
    answers: [Rows; WHOLE.len()],
    /// Queries that have begun to answer.
    begun: usize,
    /// The row that is under way.
    row: Vec<u8>,
}

impl Surveying {
    pub(crate) fn new(parts: usize, into: &Survey, within: bool) -> Self {
        Self {
            parts: (0..parts).map(|_| Part::default()).collect(),
            asked: false,
            within,
            into: Rc::clone(into),
            failure: None,
        }
    }

    /// Settings made behind a savepoint are gone with it.
    fn text(&self) -> String {
        const SAVEPOINT: &str = "\"shunt: catalog\"";
        let queries = WHOLE.join("; ");
        if !self.within {
            return format!("BEGIN READ ONLY; {LOCAL_SEARCH_PATH}; {queries}; ROLLBACK");
        }
        format!(
            "SAVEPOINT {SAVEPOINT}; {LOCAL_SEARCH_PATH}; {queries}; ROLLBACK TO SAVEPOINT {SAVEPOINT}; RELEASE SAVEPOINT {SAVEPOINT}"
        )
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
        let read = match self.failure.take() {
            Some(error) => Err(error),
            None => {
                let parts = std::mem::take(&mut self.parts).into_iter();
                let read = parts.map(|part| whole(part.answers));
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
            if let Some(rows) = part
                .begun
                .checked_sub(1)
                .and_then(|at| part.answers.get_mut(at))
            {
                rows.push(columns);
            }
            part.row.clear();
        }
    }

    fn failed(&mut self, _: &mut Stage<'_>, _: usize, error: &[u8]) {
        self.failure.get_or_insert(error.to_vec());
    }
}
