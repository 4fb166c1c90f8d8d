//! What the client is owed, in order.
//!
//! Every message that earns a reply puts a step at the end of the queue, and
//! servers' replies take steps off its front. So an error of the session's own
//! comes in its place, replies that nobody asked for are told apart, and the
//! end of the queue is the moment to give connections back.

use std::rc::Rc;

use router_core::plan::set_config::Configured;

use super::goes_back::at_its_beginning;
use super::settings::Change;
use super::statement::ClientStatement;
use super::transaction::Transaction;

/// One reply, or several that belong together.
#[derive(Debug)]
pub(super) enum Step {
    /// `ParseComplete` of a server.
    Parse,
    /// `BindComplete`.
    Bind(Named),
    /// `ParameterDescription`, then `RowDescription` or `NoData`.
    DescribeStatement(Named),
    /// `RowDescription` or `NoData`; of the client's statement where it has not been told of its rows yet.
    DescribePortal(Named),
    /// Rows, COPY, and the end of a portal's run.
    Execute(Note),
    /// `CloseComplete`.
    Close,
    /// `ReadyForQuery` of a pipeline.
    Sync,
    /// Everything that a simple query brings, with its `ReadyForQuery`.
    Query(Ready, Note),
    /// Those of the statement that fails in the place of a refused one: the error that the client is told instead.
    Refused(Vec<u8>),
    /// The result of a function call and its `ReadyForQuery`.
    Function,
    /// The client ended COPY at this place; known only once its turn comes whether anybody was copying.
    CopyEnd,
    /// A message of the session's own.
    Own(Own),
}

/// The client's statement that a message is about, when the server knows it by another name.
pub(super) type Named = Option<Rc<ClientStatement>>;

/// Who says `ReadyForQuery` after a simple query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    /// It is passed on.
    Pass,
    /// Nobody: more statements of the same message follow.
    Silent,
    /// Nobody: it is the last one of a transaction that ends with it, and the client is told of its success once that
    /// is committed.
    Last,
    /// Nobody, and the client does not know of the statement either: only an error is passed on.
    Quiet,
}

/// What changes in the session when a statement succeeds.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Note(pub(super) Option<Box<Noted>>);

impl Note {
    /// Whether it takes prepared statements away.
    pub(super) fn clears_statements(&self) -> bool {
        self.0.as_deref().is_some_and(Noted::clears_statements)
    }

    /// Whether a tag `ROLLBACK` does not mean what it says.
    pub(super) fn is_not_ended(&self) -> bool {
        matches!(self.0.as_deref(), Some(Noted::NotEnded))
    }

    /// Whether a setting goes back to what the session began with, and stays there.
    pub(super) fn goes_back(&self, name: &str) -> bool {
        self.0.as_deref().is_some_and(|noted| noted.goes_back(name))
    }

    /// The first of the protocol's statements that is gone; it is not noted here any more.
    pub(super) fn take_forgotten(&mut self) -> Option<Box<str>> {
        match self.0.as_deref_mut()? {
            Noted::Several(all) => {
                let forgotten = |noted: &Noted| matches!(noted, Noted::Forgotten(_));
                match all.remove(all.iter().position(forgotten)?) {
                    Noted::Forgotten(name) => Some(name),
                    _ => None,
                }
            }
            Noted::Forgotten(_) => match *self.0.take()? {
                Noted::Forgotten(name) => Some(name),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether settings go back to what the session began with.
    pub(super) fn resets(&self) -> bool {
        self.0.as_deref().is_some_and(Noted::resets)
    }
}

impl Noted {
    fn goes_back(&self, name: &str) -> bool {
        match self {
            Self::Settings(changes) => at_its_beginning(changes, name),
            Self::Several(all) => all.iter().any(|noted| noted.goes_back(name)),
            _ => false,
        }
    }

    fn clears_statements(&self) -> bool {
        match self {
            Self::Deallocated | Self::Forgotten(_) => true,
            Self::Settings(changes) => changes.contains(&Change::DiscardAll),
            Self::Several(all) => all.iter().any(Self::clears_statements),
            _ => false,
        }
    }

    fn resets(&self) -> bool {
        match self {
            Self::Settings(changes) => changes.iter().any(|it| !matches!(it, Change::Set(..))),
            Self::Several(all) => all.iter().any(Self::resets),
            _ => false,
        }
    }
}

/// See [`Note`].
#[derive(Debug, PartialEq)]
pub(super) enum Noted {
    /// Settings change, in this order.
    Settings(Vec<Change>),
    /// A setting changes until the transaction ends.
    Local(Change),
    /// `set_config` has set these.
    Configured(Vec<Configured>),
    /// The server's protocol-level statements are gone (`DEALLOCATE ALL`): from then on, whatever becomes of the message.
    Deallocated,
    /// A transaction was to be prepared where there was none: nothing is undone, though the tag says so.
    NotEnded,
    /// A statement that the protocol has prepared is gone (`DEALLOCATE`).
    Forgotten(Box<str>),
    /// A name under which the server had what the session does not keep is free (`DEALLOCATE`).
    Freed(Box<str>),
    /// A cursor is gone, or all are (`CLOSE`, over shards).
    Closed(Option<Box<str>>),
    /// What the statements of one message change, in this order.
    Several(Vec<Noted>),
    /// The transaction is committed, and this one has begun (`COMMIT AND CHAIN`).
    Chained(Box<Transaction>),
    /// A transaction has ended, or one of several in a pipeline or a chain, and what it set is settled.
    Ended,
    /// There is a savepoint of this name.
    Saved(Box<str>),
    /// It is gone.
    Released(Box<str>),
    /// What was set since this savepoint is undone.
    BackTo(Box<str>),
}

/// A message of the session's own.
#[derive(Debug, PartialEq)]
pub(super) enum Own {
    /// One without a body, by type.
    Empty(u8),
    /// Complete messages.
    Bytes(Vec<u8>),
    /// An error inside a pipeline: what follows up to `Sync` is skipped.
    Failure(Vec<u8>),
    /// `ReadyForQuery`, with the status of that moment.
    Ready,
}
