//! Cancel keys of our own, and cancel requests to servers.
//!
//! A key names a worker and a client's place there, and proves the right by a
//! random secret. The client's own task carries a request out: it alone knows
//! which servers work for it at that moment, and it gives none of them back
//! before the request has arrived, so that no stranger's query can be hit.

use std::sync::Arc;

use bytes::BytesMut;

use crate::pool::ServerPool;
use crate::server::connect::{encrypt, reach};

/// Bits of a client's place in the process id of its key.
const PLACE_BITS: u32 = 22;

/// Set in all of them. No process of a server has so high a number: Linux has fewer than 2^22 (`PID_MAX_LIMIT`), BSD 99,999. Whoever
/// passes over notifications of his own would pass over those of a server's process with his number.
const OURS: i32 = 1 << 30;

/// The process id that names a client.
pub fn process_id(worker: usize, place: usize) -> i32 {
    OURS | ((worker as i32) << PLACE_BITS) | place as i32
}

/// The worker and place that a process id names.
pub fn place(process: i32) -> (usize, usize) {
    let worker = ((process & !OURS) >> PLACE_BITS) as usize;
    (worker, (process & ((1 << PLACE_BITS) - 1)) as usize)
}

/// Sends a cancel request and waits until the server has dealt with it: it closes the connection then.
pub async fn send(pool: Arc<ServerPool>, process: i32, secret: Vec<u8>) -> std::io::Result<()> {
    let raw = reach(&pool.address).await?;
    let mut socket = encrypt(raw, &pool.tls)
        .await
        .map_err(|error| std::io::Error::other(error.to_string()))?;
    let mut request = BytesMut::new();
    request.extend_from_slice(&((12 + secret.len()) as u32).to_be_bytes());
    request.extend_from_slice(&80_877_102u32.to_be_bytes());
    request.extend_from_slice(&process.to_be_bytes());
    request.extend_from_slice(&secret);
    socket.write_all(&request).await?;
    let mut rest = BytesMut::with_capacity(16);
    socket.read_buf(&mut rest).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_id_names_worker_and_place() {
        for (worker, at) in [(0, 0), (0, 7), (3, 12345), (127, (1 << PLACE_BITS) - 1)] {
            assert_eq!(place(process_id(worker, at)), (worker, at));
        }
    }
}
