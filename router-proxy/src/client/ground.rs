//! What a client's next message waits for before it is planned or committed.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::Client;
use crate::wire::encode::Report;

/// A reading of the catalog that is waited for.
pub(super) type Refreshing = Pin<Box<dyn Future<Output = Result<(), Report>>>>;

/// A table of decisions that is waited for.
pub(super) type Preparing = Pin<Box<dyn Future<Output = Result<(), Report>>>>;

impl Client {
    /// Whether nothing that comes next has to wait for a reading of the catalog.
    pub(super) fn may_plan(&mut self, cx: &mut Context<'_>) -> bool {
        self.session.poll_schema_change();
        let environment = &self.access.environment;
        // Where there is one shard, what is asked for is functions that were made through the proxy; else names that may have
        // been made anywhere.
        let asks = self.session.awaits_catalog();
        let asks_for_names = asks && environment.is_sharded();
        if self.refreshing.is_none() {
            let is_stale = environment.catalog.is_stale();
            let needed = asks
                || is_stale
                    && self.session.is_about_to_plan(&self.input)
                    && !self.session.reads_for_itself();
            if !needed {
                return true;
            }
            let shared = Arc::clone(&self.worker.shared);
            let access = Rc::clone(&self.access);
            let since = Instant::now();
            self.refreshing = Some(Box::pin(async move {
                let catalog = &access.environment.catalog;
                let database = &access.database;
                match asks_for_names {
                    true => shared.reread_catalog(catalog, database, since).await,
                    false => {
                        let user = &access.user;
                        shared.refresh_catalog(catalog, database, user, asks).await
                    }
                }
            }));
        }
        let Some(refreshing) = &mut self.refreshing else {
            return true;
        };
        match refreshing.as_mut().poll(cx) {
            Poll::Pending => return false,
            Poll::Ready(Ok(())) => self.session.handle_catalog_read(),
            Poll::Ready(Err(report)) => self.session.handle_unplannable(report),
        }
        self.refreshing = None;
        true
    }

    /// Sees to it that a commit over several shards finds its table of decisions. Whether anything happened.
    pub(super) fn prepare_ground(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(shard) = self.session.poll_ground() else {
            return false;
        };
        let preparing = self.preparing.get_or_insert_with(|| {
            let two_phase = Arc::clone(&self.access.environment.two_phase);
            let live = self.worker.shared.live.load_full();
            Box::pin(async move {
                let users = &live.settings.users;
                let roles: Vec<_> = users
                    .iter()
                    .filter_map(|user| user.server_user.as_deref())
                    .collect();
                two_phase.make_ready(shard, &roles).await
            })
        });
        let Poll::Ready(made) = preparing.as_mut().poll(cx) else {
            return false;
        };
        self.preparing = None;
        self.session.handle_ground(made);
        true
    }
}
