//! Equalities and restrictions gathered into classes.

use std::collections::{HashMap, HashSet};

use super::{Class, Column, Restriction};

/// What the conditions say, before it is put together.
#[derive(Default)]
pub(super) struct Classes {
    columns: Vec<Column>,
    /// Where each of them is.
    known: HashMap<Column, usize>,
    /// Union-find: the parent of each column.
    parents: Vec<usize>,
    /// A column that is restricted by another, which gives nothing back.
    follows: Vec<(usize, usize)>,
    restrictions: Vec<(usize, Restriction)>,
}

impl Classes {
    fn index(&mut self, column: &Column) -> usize {
        if let Some(at) = self.known.get(column) {
            return *at;
        }
        let at = self.columns.len();
        self.known.insert(column.clone(), at);
        self.columns.push(column.clone());
        self.parents.push(at);
        at
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
        let count = self.columns.len();
        let roots: Vec<usize> = (0..count).map(|at| self.root(at)).collect();
        // By the root of their class, each in the order in which they appeared.
        let mut members = vec![Vec::new(); count];
        for (at, root) in roots.iter().enumerate() {
            members[*root].push(at);
        }
        let mut restrictions = vec![Vec::new(); count];
        for (at, restriction) in self.restrictions {
            restrictions[roots[at]].push(restriction);
        }
        let mut followers = vec![Vec::new(); count];
        for (follower, leader) in &self.follows {
            followers[roots[*leader]].push(roots[*follower]);
        }
        let columns = |of: &[usize]| -> Vec<Column> {
            of.iter().map(|at| self.columns[*at].clone()).collect()
        };
        let mut classes = Vec::new();
        for class in 0..count {
            if roots[class] != class {
                continue;
            }
            // What follows a member, or follows a follower, with all that is equal to it.
            let mut reached = vec![class];
            let mut known = HashSet::from([class]);
            let mut next = 0;
            while next < reached.len() {
                let more = followers[reached[next]].iter();
                reached.extend(more.filter(|follower| known.insert(**follower)));
                next += 1;
            }
            let following = reached[1..].iter().flat_map(|root| &members[*root]);
            let mut following: Vec<usize> = following.copied().collect();
            following.sort_unstable();
            classes.push(Class {
                members: columns(&members[class]),
                followers: columns(&following),
                restrictions: std::mem::take(&mut restrictions[class]),
            });
        }
        classes
    }
}
