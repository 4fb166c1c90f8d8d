//! Equalities and restrictions gathered into classes.

use super::{Class, Column, Restriction};

/// What the conditions say, before it is put together.
#[derive(Default)]
pub(super) struct Classes {
    columns: Vec<Column>,
    /// Union-find: the parent of each column.
    parents: Vec<usize>,
    /// A column that is restricted by another, which gives nothing back.
    follows: Vec<(usize, usize)>,
    restrictions: Vec<(usize, Restriction)>,
}

impl Classes {
    fn index(&mut self, column: &Column) -> usize {
        if let Some(at) = self.columns.iter().position(|known| known == column) {
            return at;
        }
        self.columns.push(column.clone());
        self.parents.push(self.columns.len() - 1);
        self.columns.len() - 1
    }

    fn root(&self, mut at: usize) -> usize {
        while self.parents[at] != at {
            at = self.parents[at];
        }
        at
    }

    /// Both are equal in every row that counts.
    pub(super) fn equal(&mut self, a: &Column, b: &Column) {
        let (a, b) = (self.index(a), self.index(b));
        let (a, b) = (self.root(a), self.root(b));
        self.parents[a.max(b)] = a.min(b);
    }

    /// Of `follower` only rows equal to `leader` count.
    pub(super) fn follow(&mut self, follower: &Column, leader: &Column) {
        let pair = (self.index(follower), self.index(leader));
        self.follows.push(pair);
    }

    pub(super) fn restrict(&mut self, column: &Column, restriction: Restriction) {
        let at = self.index(column);
        self.restrictions.push((at, restriction));
    }

    /// The classes, in the order in which their first columns appeared.
    pub(super) fn finish(self) -> Vec<Class> {
        let roots: Vec<usize> = (0..self.columns.len()).map(|at| self.root(at)).collect();
        let mut classes = Vec::new();
        for class in 0..self.columns.len() {
            if roots[class] != class {
                continue;
            }
            // What follows a member, or follows a follower, with all that is equal to it.
            let mut reached = vec![class];
            let mut next = 0;
            while next < reached.len() {
                for (follower, leader) in &self.follows {
                    let follower = roots[*follower];
                    if roots[*leader] == reached[next] && !reached.contains(&follower) {
                        reached.push(follower);
                    }
                }
                next += 1;
            }
            let columns = |of: &[usize]| -> Vec<Column> {
                (0..self.columns.len())
                    .filter(|at| of.contains(&roots[*at]))
                    .map(|at| self.columns[at].clone())
                    .collect()
            };
            classes.push(Class {
                members: columns(&reached[..1]),
                followers: columns(&reached[1..]),
                restrictions: self
                    .restrictions
                    .iter()
                    .filter(|(at, _)| roots[*at] == class)
                    .map(|(_, restriction)| restriction.clone())
                    .collect(),
            });
        }
        classes
    }
}
