//! One server's catalog together with what it was made of, so that it can be brought up to date where it was touched.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::read::{Answers, reach, residues};
use super::{Catalog, Relation};
use crate::topology::TableName;

/// Rows of a query, as texts.
type Rows = Vec<Vec<String>>;

/// What one server said, and the catalog that it comes to.
#[derive(Clone, Debug)]
pub struct Source {
    catalog: Catalog,
    bodies: Arc<Rows>,
    links: Arc<Rows>,
}

impl Source {
    /// By the rows of [`BODIES`](super::read::BODIES), [`LINKS`](super::read::LINKS) and the others.
    pub fn new(bodies: Rows, links: Rows, answers: &Answers) -> Self {
        let source = Self {
            catalog: answers.catalog(),
            bodies: Arc::new(bodies),
            links: Arc::new(links),
        };
        source.followed()
    }

    /// The catalog.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The names of relations that it has and another has not.
    pub fn beyond<'s>(&'s self, other: &'s Self) -> impl Iterator<Item = &'s TableName> {
        let known = &other.catalog.relations;
        let own = self.catalog.relations.keys();
        own.filter(|name| !known.contains_key(*name))
    }

    /// The same after a definition that takes nothing away, by the rows of [`NARROWED`](super::read::NARROWED).
    ///
    /// What lies behind a relation is only added to. Until all of it is read again that may be more than there is.
    pub fn touched(&self, [relations, columns, uses, links]: [Rows; 4]) -> Self {
        let answers = Answers {
            relations,
            columns,
            uses,
            ..Answers::default()
        };
        let mut touched = answers.described();
        self.follow_uses(&mut touched);
        let links = self.more_links(links);
        let hasher = FixedState::default();
        let mut catalog = Catalog {
            fingerprint: self.catalog.named,
            ..self.catalog.clone()
        };
        let mut names_grow = false;
        for (name, relation) in touched {
            let relation = Arc::new(relation);
            let hash = hasher.hash_one((&name, &relation));
            catalog.fingerprint = catalog.fingerprint.wrapping_add(hash);
            match catalog.relations.insert(name.clone(), relation) {
                Some(before) => {
                    let hash = hasher.hash_one((&name, &before));
                    catalog.fingerprint = catalog.fingerprint.wrapping_sub(hash);
                }
                None => names_grow = true,
            }
        }
        catalog.named = catalog.fingerprint;
        catalog.rows.extend(answers.counted());
        let grows = names_grow || links.is_some();
        let source = Self {
            catalog,
            bodies: Arc::clone(&self.bodies),
            links: links.map_or_else(|| Arc::clone(&self.links), Arc::new),
        };
        match grows {
            true => source.followed(),
            false => {
                let reach = source.catalog.reach.clone();
                let residues = source.catalog.residues.clone();
                let catalog = source.catalog.with_reach(reach);
                let catalog = match residues {
                    Some(residues) => catalog.with_residues(residues),
                    None => catalog,
                };
                Self { catalog, ..source }
            }
        }
    }

    /// With what lies behind its tables, and what statements leave in sessions.
    fn followed(self) -> Self {
        let reach = reach(&self.catalog, &self.bodies, &self.links);
        let residues = residues(&self.bodies, &self.links);
        let catalog = self.catalog.with_reach(reach).with_residues(residues);
        Self { catalog, ..self }
    }

    /// The uses of what was not touched are what they were.
    fn follow_uses(&self, touched: &mut std::collections::HashMap<TableName, Relation>) {
        let names: HashSet<TableName> = touched.keys().cloned().collect();
        for relation in touched.values_mut() {
            let used = relation.uses.relations.clone();
            for name in used.iter().filter(|name| !names.contains(*name)) {
                if let Some(known) = self.catalog.relations.get(name) {
                    relation.uses.add(&known.uses);
                }
            }
            relation.uses.sort();
        }
    }

    /// All links, if there are more of them.
    fn more_links(&self, links: Rows) -> Option<Rows> {
        let known: HashSet<&Vec<String>> = self.links.iter().collect();
        let more: Rows = links
            .into_iter()
            .filter(|link| !known.contains(link))
            .collect();
        (!more.is_empty()).then(|| [&self.links[..], &more[..]].concat())
    }
}
