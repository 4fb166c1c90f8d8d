//! Turns on the straight road: the same steps as an ordinary turn takes, without a look at what cannot be.

use std::task::Context;

use super::{Client, Slot};
use crate::session::{Fatal, Straight};

impl Client {
    /// Goes on along the session's straight road, where nothing else is under way. Whether nothing is left to do; what is,
    /// ordinary turns find where they themselves would have left it.
    pub(super) fn go_straight(&mut self, cx: &mut Context<'_>) -> Result<bool, Option<Fatal>> {
        let stage = self.session.straight();
        let alone = stage.is_some()
            && self.session.client_out().is_empty()
            && !self.entry.orders.get()
            && !self.end_of_input
            && self.gone_until.is_none()
            && self.refreshing.is_none()
            && self.preparing.is_none()
            && self.cancelling.is_empty()
            && !self.socket.wants_flush();
        match stage {
            Some(Straight::Open) if alone => self.ask_straight(cx),
            Some(Straight::Waiting) if alone => self.wait_straight(cx),
            Some(Straight::Asked) if alone => self.answer_straight(),
            _ => Ok(false),
        }
    }

    /// From the client to a server.
    fn ask_straight(&mut self, cx: &mut Context<'_>) -> Result<bool, Option<Fatal>> {
        if !self.input.is_empty()
            || !self.read_client()?
            || self.access.environment.catalog.is_stale()
        {
            return Ok(false);
        }
        match self.session.ask_straight(&mut self.input) {
            Some(true) => self.asked_straight(),
            Some(false) => self.wait_straight(cx),
            None => Ok(false),
        }
    }

    /// On with a question that waits for its connection.
    fn wait_straight(&mut self, cx: &mut Context<'_>) -> Result<bool, Option<Fatal>> {
        if self.socket.may_be_read() || self.access.environment.catalog.is_stale() {
            return Ok(false);
        }
        if !self.acquire(cx) {
            return Ok(self.is_settled());
        }
        match self.session.ask_straight(&mut self.input) {
            Some(true) => self.asked_straight(),
            _ => Ok(false),
        }
    }

    fn asked_straight(&mut self) -> Result<bool, Option<Fatal>> {
        self.servers()?;
        // What the session itself has answered is sent by an ordinary turn.
        let said = self.session.client_out().is_empty();
        Ok(said && self.is_quiet() && self.session.is_settled())
    }

    /// From a server to the client.
    fn answer_straight(&mut self) -> Result<bool, Option<Fatal>> {
        if self.socket.may_be_read()
            || !self.input.is_empty()
            || !self.servers()?
            || !self.session.is_straight()
        {
            return Ok(false);
        }
        self.release();
        if !self.session.client_out().is_empty() {
            self.write_client()?;
        }
        let said = self.session.client_out().is_empty() && !self.socket.wants_flush();
        Ok(said && self.is_quiet())
    }

    /// Whether no socket has anything more to say.
    fn is_quiet(&self) -> bool {
        let quiet = |slot: &Slot| match slot {
            Slot::Open { socket, input, .. } => {
                !socket.may_be_read() && input.is_empty() && !socket.wants_flush()
            }
            Slot::Acquiring(..) => false,
        };
        !self.socket.may_be_read() && self.input.is_empty() && self.slots.iter().all(quiet)
    }
}
