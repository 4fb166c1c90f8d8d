//! Settings that the transaction under way has changed, and what becomes of them at its end.

use super::settings::Change;

/// More savepoints than these are not kept apart.
const MOST_SAVEPOINTS: usize = 1000;

/// A change that was made.
#[derive(Debug)]
struct Made {
    change: Change,
    /// It ends with the transaction (`SET LOCAL`).
    local: bool,
}

/// What a transaction has made of a setting.
#[derive(Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// Nothing: what held before it holds.
    Kept,
    /// This.
    Set(&'a [String]),
    /// What the session began with.
    Initial,
}

/// Changes of settings that hold only if the transaction in which they were made is committed.
///
/// Where several servers carry that, the session knows itself how many changes there were at each savepoint (`transaction`).
/// Where one server does, savepoints are noted here as it confirms them.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    changes: Vec<Made>,
    /// Savepoints made after a change, each with how many changes there were. Whatever is not here is older than all changes.
    savepoints: Vec<(String, usize)>,
}

impl Unsettled {
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether a setting goes back to what the session began with.
    pub(super) fn goes_back(&self, name: &str) -> bool {
        self.value(name) == Value::Initial
    }

    pub(super) fn add(&mut self, changes: impl IntoIterator<Item = Change>) {
        let lasting = |change| Made {
            change,
            local: false,
        };
        self.changes.extend(changes.into_iter().map(lasting));
    }

    /// Adds one that ends with the transaction.
    pub(super) fn add_local(&mut self, change: Change) {
        self.changes.push(Made {
            change,
            local: true,
        });
    }

    /// What has become of a setting.
    pub(super) fn value(&self, name: &str) -> Value<'_> {
        let about = |made: &Made| match &made.change {
            Change::Set(set, _) | Change::Reset(set) => set == name,
            Change::ResetAll | Change::DiscardAll => true,
        };
        match self.changes.iter().rfind(|made| about(made)) {
            None => Value::Kept,
            Some(Made {
                change: Change::Set(_, values),
                ..
            }) => Value::Set(values),
            Some(_) => Value::Initial,
        }
    }

    /// Goes back to when there were so many.
    pub(super) fn truncate(&mut self, changes: usize) {
        self.changes.truncate(changes);
    }

    /// A savepoint was made. Whether it could be noted.
    pub(super) fn save(&mut self, name: &str) -> bool {
        if self.changes.is_empty() {
            return true;
        }
        let fits = self.savepoints.len() < MOST_SAVEPOINTS;
        if fits {
            self.savepoints.push((name.to_owned(), self.changes.len()));
        }
        fits
    }

    /// A savepoint was released, and with it those that were made after it.
    pub(super) fn release(&mut self, name: &str) {
        self.savepoints.truncate(self.find(name).unwrap_or(0));
    }

    /// What was changed since a savepoint is undone.
    pub(super) fn back_to(&mut self, name: &str) {
        match self.find(name) {
            Some(at) => {
                self.changes.truncate(self.savepoints[at].1);
                self.savepoints.truncate(at + 1);
            }
            None => *self = Self::default(),
        }
    }

    /// The transaction is undone. `DISCARD ALL` is committed at once: what came before it in its pipeline was not, or it would have
    /// been refused, and nothing that comes behind it brings anything back.
    pub(super) fn undo(&mut self) {
        let first = self.changes.first().map(|made| &made.change);
        let is_discarded = first == Some(&Change::DiscardAll);
        self.changes.truncate(usize::from(is_discarded));
        self.savepoints.clear();
    }

    /// The changes that stay if the transaction is committed.
    pub(super) fn lasting(&self) -> impl Iterator<Item = &Change> {
        let made = self.changes.iter().filter(|made| !made.local);
        made.map(|made| &made.change)
    }

    /// The transaction has ended: the changes that stay.
    pub(super) fn take(&mut self) -> Vec<Change> {
        let made = std::mem::take(self).changes.into_iter();
        made.filter(|made| !made.local)
            .map(|made| made.change)
            .collect()
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.savepoints.iter().rposition(|(known, _)| known == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str) -> [Change; 1] {
        [Change::Reset(name.to_owned())]
    }

    #[test]
    fn a_savepoint_undoes_what_came_after_it() {
        let mut unsettled = Unsettled::default();
        for name in ["a", "b"] {
            assert!(unsettled.save(name));
        }
        unsettled.add(set("1"));
        assert!(unsettled.save("a"));
        unsettled.add(set("2"));
        assert!(unsettled.save("c"));
        unsettled.add(set("3"));
        unsettled.back_to("a");
        unsettled.add(set("4"));
        unsettled.back_to("a");
        assert_eq!(unsettled.len(), 1);
        // With "b" the younger "a" goes, and the older one is meant.
        unsettled.release("b");
        unsettled.back_to("a");
        assert!(unsettled.is_empty());
    }

    #[test]
    fn the_end_of_the_transaction_ends_its_savepoints() {
        let mut unsettled = Unsettled::default();
        unsettled.add(set("1"));
        assert!(unsettled.save("a"));
        assert_eq!(unsettled.take(), set("1"));
        unsettled.add(set("2"));
        unsettled.back_to("a");
        assert!(unsettled.is_empty());
    }

    #[test]
    fn what_was_discarded_stays_so() {
        let mut unsettled = Unsettled::default();
        unsettled.add([Change::DiscardAll]);
        unsettled.add(set("1"));
        unsettled.undo();
        assert_eq!(unsettled.take(), [Change::DiscardAll]);
        unsettled.add(set("1"));
        unsettled.undo();
        assert!(unsettled.is_empty());
    }

    #[test]
    fn savepoints_without_end_are_not_kept() {
        let mut unsettled = Unsettled::default();
        unsettled.add(set("1"));
        assert!((0..MOST_SAVEPOINTS).all(|_| unsettled.save("a")));
        assert!(!unsettled.save("a"));
    }

    #[test]
    fn what_is_local_counts_until_the_end() {
        let mut unsettled = Unsettled::default();
        let path = |schema: &str| Change::Set("search_path".to_owned(), vec![schema.to_owned()]);
        assert_eq!(unsettled.value("search_path"), Value::Kept);
        unsettled.add([path("a")]);
        assert!(unsettled.save("s"));
        unsettled.add_local(path("b"));
        assert_eq!(
            unsettled.value("search_path"),
            Value::Set(&["b".to_owned()])
        );
        unsettled.add_local(Change::Reset("search_path".to_owned()));
        assert_eq!(unsettled.value("search_path"), Value::Initial);
        unsettled.back_to("s");
        assert_eq!(
            unsettled.value("search_path"),
            Value::Set(&["a".to_owned()])
        );
        unsettled.add_local(path("c"));
        assert_eq!(unsettled.take(), [path("a")]);
    }
}
