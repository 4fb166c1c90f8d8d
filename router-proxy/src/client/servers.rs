//! What goes to a client's servers and what comes from them.

use std::task::{Context, Poll};

use super::{Client, Slot};
use crate::session::{Fatal, HIGH_WATER};
use crate::wire::buffer::PIECE;

impl Client {
    pub(super) fn servers(&mut self, cx: &mut Context<'_>) -> Result<bool, Option<Fatal>> {
        let mut progress = false;
        let mut slot = 0;
        while slot < self.slots.len() {
            match self.server(slot, cx) {
                Ok(moved) => {
                    progress |= moved;
                    slot += 1;
                }
                Err(reason) => {
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

    pub(super) fn server(&mut self, slot: usize, cx: &mut Context<'_>) -> Result<bool, String> {
        let Slot::Open {
            socket,
            input,
            counts,
            quiet,
            ..
        } = &mut self.slots[slot]
        else {
            return Ok(false);
        };
        let mut progress = false;
        let out = self.session.server_out(slot);
        if !out.is_empty() || socket.wants_flush() {
            let before = out.len();
            let written = out.poll_write(socket, cx);
            let sent = before - out.len();
            progress |= sent > 0;
            if let Some(counts) = counts {
                counts.sent.add(sent as u64);
            }
            if let Poll::Ready(Err(_)) = written {
                // What it said before it hung up is still to be read; the end follows.
                out.clear();
            }
        }
        let mut end = None;
        if !*quiet && self.session.client_out().len() < HIGH_WATER && input.len() < 2 * PIECE {
            match input.poll_read(socket, PIECE, cx) {
                Poll::Pending => *quiet = true,
                Poll::Ready(Ok(0)) => end = Some("The server closed the connection".to_owned()),
                Poll::Ready(Ok(n)) => {
                    progress = true;
                    if let Some(counts) = counts {
                        counts.received.add(n as u64);
                    }
                }
                Poll::Ready(Err(error)) => end = Some(error.to_string()),
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
