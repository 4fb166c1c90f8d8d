//! What a client has prepared, by its names, and how much of that there may be.

use std::collections::HashMap;
use std::rc::Rc;

use router_core::sqlstate::SqlState;

use super::Session;
use super::statement::ClientStatement;
use super::undo::Undone;
use crate::wire::encode::Report;

/// Most bytes that all of it may take.
const MOST_BYTES: usize = 64 << 20;

/// What one takes beside its text, types and name, about.
const EACH: usize = 512;

/// The named statements of a client.
#[derive(Debug, Default)]
pub(super) struct Kept {
    by_name: HashMap<Box<[u8]>, Rc<ClientStatement>, foldhash::fast::RandomState>,
    bytes: usize,
}

impl Kept {
    pub(super) fn get(&self, name: &[u8]) -> Option<&Rc<ClientStatement>> {
        self.by_name.get(name)
    }

    pub(super) fn has(&self, name: &[u8]) -> bool {
        self.by_name.contains_key(name)
    }

    pub(super) fn insert(&mut self, name: Box<[u8]>, statement: Rc<ClientStatement>) {
        self.bytes += size(&statement);
        if let Some(old) = self.by_name.insert(name, statement) {
            self.bytes -= size(&old);
        }
    }

    /// What is known by this name is another one from now on. `false`: there is none.
    pub(super) fn replace(&mut self, name: &[u8], statement: &Rc<ClientStatement>) -> bool {
        let Some(known) = self.by_name.get_mut(name) else {
            return false;
        };
        self.bytes = self.bytes - size(known) + size(statement);
        *known = Rc::clone(statement);
        true
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Rc<ClientStatement>> {
        let old = self.by_name.remove(name)?;
        self.bytes -= size(&old);
        Some(old)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Rc<ClientStatement>> {
        self.by_name.values()
    }
}

fn size(statement: &ClientStatement) -> usize {
    let (name, _) = statement.names();
    statement.prepared.size() + name.len() + EACH
}

impl Session {
    /// Why there is no room for one more of this size.
    pub(super) fn no_room(&self, size: usize) -> Option<Report> {
        // What several hold counts in parts.
        let part =
            |statement: &Rc<ClientStatement>| self::size(statement) / Rc::strong_count(statement);
        let undone = self.undo.iter().map(|undo| match undo.what() {
            Undone::Statement(_, old) | Undone::Unnamed(old) => old.as_ref().map_or(0, part),
            Undone::AsIs(_) => 0,
        });
        let bound = self
            .portals
            .iter()
            .map(|(_, portal)| part(&portal.statement));
        let bytes = self.statements.bytes() + undone.chain(bound).sum::<usize>();
        (bytes + size + EACH > MOST_BYTES).then(|| {
            Report::error(SqlState::new("54000"), "too many prepared statements")
                .detail(format!(
                    "Those of this session take {bytes} bytes, and together they may take {MOST_BYTES}."
                ))
                .hint("Close (DEALLOCATE) the ones that are not used any more.")
        })
    }
}
