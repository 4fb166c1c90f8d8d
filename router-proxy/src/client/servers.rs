//! What goes to a client's servers and what comes from them.

use std::io::ErrorKind;

use super::{Client, Slot};
use crate::session::{Fatal, HIGH_WATER};
use crate::wire::buffer::PIECE;

impl Client {
    pub(super) fn servers(&mut self) -> Result<bool, Option<Fatal>> {
        let mut progress = false;
        let mut slot = 0;
        while slot < self.slots.len() {
            match self.server(slot) {
                Ok(moved) => {
                    progress |= moved;
                    slot += 1;
                }
                Err(reason) => {
                    if self.session.loses_statement_with(slot) {
                        // Others may wait for locks on its behalf, and keep whoever comes behind them waiting.
                        self.cancel_working(|working| working != slot);
                        // With nobody else at work there is nothing to wait for.
                        self.is_undoing = !self.cancelling.is_empty();
                    }
                    if let Slot::Open { pool, .. } = self.slots.remove(slot) {
                        self.worker.server_pool(pool).closed();
                    }
                    self.session
                        .handle_server_lost(slot, &reason)
                        .map_err(Some)?;
                    progress = true;
                }
            }
        }
        Ok(progress)
    }

    pub(super) fn server(&mut self, slot: usize) -> Result<bool, String> {
        let Slot::Open {
            socket,
            input,
            counts,
            ..
        } = &mut self.slots[slot]
        else {
            return Ok(false);
        };
        let mut progress = false;
        let out = self.session.server_out(slot);
        if !out.is_empty() || socket.wants_flush() {
            let before = out.len();
            let written = out.write(socket);
            let sent = before - out.len();
            progress |= sent > 0;
            if let Some(counts) = counts {
                counts.sent.add(sent as u64);
            }
            if written.is_err_and(|error| error.kind() != ErrorKind::WouldBlock) {
                // What it said before it hung up is still to be read; the end follows.
                out.clear();
            }
        }
        let mut end = None;
        if socket.may_be_read()
            && self.session.client_out().len() < HIGH_WATER
            && (input.len() < 2 * PIECE || self.session.awaits_whole(slot))
        {
            match input.read(socket, PIECE) {
                Ok(0) => end = Some("The server closed the connection".to_owned()),
                Ok(n) => {
                    progress = true;
                    if let Some(counts) = counts {
                        counts.received.add(n as u64);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => end = Some(error.to_string()),
            }
        }
        if !input.is_empty() {
            progress |= self
                .session
                .handle_server(slot, input)
                .map_err(|broken| broken.to_string())?;
        }
        end.map_or(Ok(progress), Err)
    }
}
