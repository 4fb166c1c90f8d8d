//! A thread beside the workers.
//!
//! Tokio's timers run here, and its reactor for sockets that are on no worker's own: connections while they are being
//! opened. What a worker awaits of it wakes the worker; on a client's way from query to answer nothing is awaited here.

use std::io;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// The thread; it ends with the last who holds this.
#[derive(Debug)]
pub(crate) struct Aside {
    handle: Handle,
    _ends: oneshot::Sender<()>,
}

impl Aside {
    /// Starts it.
    pub(crate) fn start() -> io::Result<Arc<Self>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let (ends, end) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("shunt-aside".to_owned())
            .spawn(move || {
                // Nothing is ever sent.
                let _ = runtime.block_on(end);
                // A name may still be looked up for somebody who has left.
                runtime.shutdown_background();
            })?;
        Ok(Arc::new(Self {
            handle,
            _ends: ends,
        }))
    }

    /// Has timers and sockets of this thread run over there, until what this returns is dropped.
    pub(crate) fn enter(&self) -> tokio::runtime::EnterGuard<'_> {
        self.handle.enter()
    }
}
