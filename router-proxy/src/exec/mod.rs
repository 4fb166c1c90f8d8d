//! How statements over several shards are carried out.
//!
//! | file | owns |
//! |---|---|
//! | [`program`] | a statement in steps: the interpreter of `Route::Program` |
//! | [`places`](self) | where the connections of a program are |
//! | [`asked`](self) | the answer of a program: who is asked for it, and how the client gets it |
//! | `blocks` | errors of what is run in a block of the router's own |
//! | [`line`](self) | what one server is told of a program, in order, and what it still has to answer |
//! | `copy_in` | `COPY … FROM STDIN` over several shards |
//! | [`copy_out`](self) | streams of `COPY … TO STDOUT` of several shards as one |
//! | [`moving`](self) | rows of several shards on their way into a table of another |
//! | [`fetching`](self) | few rows of several shards as parameters of the answer's text |
//! | [`adding`](self) | rows of numbers on their way to the row of their sums |
//! | [`merging`](self) | sorted rows of several shards on their way to the client |
//! | [`columns`](self) | descriptions of rows, and how a client wants its columns |
//! | [`describe`](self) | what PostgreSQL says about a statement |
//! | [`inquire`](self) | what PostgreSQL says about `PREPARE` and the arguments of `EXECUTE` |
//! | [`commit`](self), [`undo`](self) | the end of a transaction over several shards |
//! | [`sheets`](self) | what an `EXPLAIN` shows of the steps |
//! | [`scatter`] | concatenation: rows as they come, tags summed |
//!
//! # Operations
//!
//! An `Operation` is a state machine without I/O that has some of the session's connections for itself while it
//! runs. The session starts one (`Session::operate`) when everything that was sent before has been answered and the
//! connections are there; until it is done no message of the client is looked at, unless the operation asks for it.
//! Its connections are its *parts*, numbered from 0 in the order in which they were wanted (`Wanted`), whatever
//! becomes of the session's own numbers.
//!
//! What an operation does goes through the `Stage` that it is given with every call: `Stage::send` and
//! `Stage::query` to its parts, `Stage::say` to the client. A part is *settled* when it owes no `ReadyForQuery`;
//! `Stage::sync` and `Stage::query` make it owe one. The session does what is the same for all operations:
//!
//! - it tells messages apart, passes notices on, keeps parameters, counts `ReadyForQuery`, and watches for servers
//!   that hang up;
//! - an error of a server, or its loss, is told by `Operation::failed`. The operation brings every part to rest and
//!   ends with `Outcome::Failed` and one error, which fails the client's transaction like any other;
//! - rows are shown by their header first: an operation holds them back (`Take::Hold`) while whoever gets them has no
//!   room, and sees them in pieces, so that memory does not depend on their size;
//! - cancel requests and `query_timeout` reach every part that is not settled; what comes of it is an error like others.
//!
//! `Operation::poll` is called once at the start and then after everything that happens; it sends what can be sent and
//! says when the operation is done. An operation that takes messages of the client (COPY) says so with
//! `Operation::takes_client`.

mod adding;
mod asked;
mod blocks;
pub(crate) mod columns;
pub(crate) mod commit;
pub(crate) mod copy_in;
mod copy_out;
pub(crate) mod describe;
mod fetching;
pub(crate) mod inquire;
mod line;
mod merging;
mod moving;
mod places;
pub mod program;
pub mod scatter;
mod sheets;
pub(crate) mod survey;
pub(crate) mod undo;

use std::task::Poll;

pub(crate) use crate::session::{Stage, Wanted};
use crate::wire::backend;
use crate::wire::frame::Header;

/// What becomes of a message, decided by its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    /// It is for nobody.
    Skip,
    /// It is kept until all of it is there: [`Operation::message`]. For messages of limited length, not for rows.
    Whole,
    /// It is seen as it comes: [`Operation::body`].
    Pieces,
    /// It goes to the client as it is.
    Client,
    /// It goes to the client without so many bytes of its beginning.
    ClientWithout(usize),
    /// Its turn has not come, or whoever gets it has no room: it is offered again.
    Hold,
    /// It cannot come here: the connection is given up.
    Unexpected,
}

/// How an operation ended. What the client was to see of it has been said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Well.
    Done,
    /// With this error, the body of an `ErrorResponse`, which the client does not know yet.
    Failed(Vec<u8>),
}

/// Of errors that parts raise for one statement, whether `error` is the one that a single server would raise, rather than
/// `known`: it looks at foreign keys when all rows are written, so an error of a row that is being written comes first. What a
/// check of the router's own foresees, which is rights that are missing, it says better.
pub(crate) fn precedes(error: &[u8], known: &[u8]) -> bool {
    const FOREIGN_KEY_VIOLATION: &[u8] = b"23503";
    const INSUFFICIENT_PRIVILEGE: &[u8] = b"42501";
    let state = |report| backend::error_field(report, b'C').unwrap_or_default();
    if state(known) == INSUFFICIENT_PRIVILEGE {
        return state(error).starts_with(b"SH");
    }
    state(known) == FOREIGN_KEY_VIOLATION
        && state(error) != FOREIGN_KEY_VIOLATION
        // Data exceptions, and violations of the other constraints.
        && (state(error).starts_with(b"22") || state(error).starts_with(b"23"))
}

/// See the [module](self).
pub(crate) trait Operation: std::fmt::Debug {
    /// Goes on as far as it can.
    fn poll(&mut self, stage: &mut Stage<'_>) -> Poll<Outcome>;

    /// A message of a part, other than errors, notices, parameters and `ReadyForQuery`.
    fn reply(&mut self, stage: &mut Stage<'_>, part: usize, header: Header) -> Take;

    /// More of the message that was taken in pieces; `last`: and the end of it.
    fn body(&mut self, _stage: &mut Stage<'_>, _part: usize, _bytes: &[u8], _last: bool) {}

    /// The message that was taken whole.
    fn message(&mut self, _stage: &mut Stage<'_>, _part: usize, _tag: u8, _body: &[u8]) {}

    /// A part said `ReadyForQuery`.
    fn ready(&mut self, _stage: &mut Stage<'_>, _part: usize) {}

    /// A part raised an error, or is gone ([`Stage::is_lost`]); `error` is the body of an `ErrorResponse`.
    fn failed(&mut self, stage: &mut Stage<'_>, part: usize, error: &[u8]);

    /// Whether another part says the same, so that its notices are for nobody.
    fn is_echo(&self, _part: usize) -> bool {
        false
    }

    /// Whether a place in a text that a server's error names is one in the client's own.
    fn keeps_places(&self) -> bool {
        false
    }

    /// Whether a part has been changed, where that was not known before ([`Session::start`](crate::session)).
    fn wrote(&self, _part: usize) -> bool {
        false
    }

    /// Whether a message of the client can be taken now. It is, while all parts have room.
    fn takes_client(&self) -> bool {
        false
    }

    /// A message of the client.
    fn client(&mut self, _stage: &mut Stage<'_>, _header: Header) -> Take {
        Take::Unexpected
    }

    /// More of the client's message that was taken in pieces; `last`: and the end of it.
    fn client_body(&mut self, _stage: &mut Stage<'_>, _bytes: &[u8], _last: bool) {}
}

#[cfg(test)]
mod tests {
    use super::precedes;

    #[test]
    fn foreign_keys_are_looked_at_when_all_rows_are_written() {
        let [foreign, null, number, lost] =
            ["23503", "23502", "22003", "57P01"].map(|code| format!("SERROR\0C{code}\0Mm\0\0"));
        let precedes = |a: &str, b: &str| precedes(a.as_bytes(), b.as_bytes());
        assert!(precedes(&null, &foreign) && precedes(&number, &foreign));
        assert!(!precedes(&foreign, &null) && !precedes(&foreign, &foreign));
        assert!(!precedes(&null, &number) && !precedes(&lost, &foreign));
    }

    #[test]
    fn a_check_says_better_which_rights_are_missing() {
        let [denied, refused, null] =
            ["42501", "SH020", "23502"].map(|code| format!("SERROR\0C{code}\0Mm\0\0"));
        let precedes = |a: &str, b: &str| precedes(a.as_bytes(), b.as_bytes());
        assert!(precedes(&refused, &denied) && !precedes(&denied, &refused));
        assert!(!precedes(&refused, &null) && !precedes(&null, &denied));
    }
}
