//! The homes of each table, compared.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::At;
use super::{
    Afterwards, Difference, Incomparable, Left, Move, Placed, Rows, TableMove, Tables, pairs,
};
use crate::id::{PlacementId, ShardId};
use crate::topology::{Home, Placement, TableName, Topology};

pub(super) fn between(now: &Topology, next: &Topology) -> Result<Difference, Incomparable> {
    if now.database != next.database {
        return Err(Incomparable::Databases {
            now: now.database.clone(),
            next: next.database.clone(),
        });
    }
    let mut comparison = Comparison {
        now,
        next,
        moves: BTreeMap::new(),
        surplus: Vec::new(),
        homeless: Vec::new(),
    };
    let tables: BTreeSet<&TableName> = now.tables.keys().chain(next.tables.keys()).collect();
    for name in tables {
        comparison.table(name)?;
    }
    comparison.unlisted();
    Ok(comparison.finished())
}

/// What rows move together by, in the order of the moves.
type Group = (
    ShardId,
    ShardId,
    Option<PlacementId>,
    Option<PlacementId>,
    Afterwards,
);

struct Comparison<'t> {
    now: &'t Topology,
    next: &'t Topology,
    /// Sources are shards of `now`, targets of `next`.
    moves: BTreeMap<Group, Vec<TableMove>>,
    surplus: Vec<Left>,
    homeless: Vec<Left>,
}

/// A table spread by key, in one of the topologies.
#[derive(Clone, Copy)]
struct Spread<'t> {
    key: &'t [String],
    id: PlacementId,
    placement: &'t Placement,
}

impl<'t> Spread<'t> {
    fn new(topology: &'t Topology, key: &'t [String], id: PlacementId) -> Self {
        let placement = topology.placement(id);
        Self { key, id, placement }
    }

    fn placed(&self, at: At) -> Placed {
        Placed {
            key: self.key.to_vec(),
            placement: self.placement.clone(),
            at,
        }
    }

    fn rows(&self, at: At) -> Rows {
        Rows::Where(vec![self.placed(at)])
    }

    fn type_of(&self, column: &str) -> Option<crate::value::KeyType> {
        let at = self.key.iter().position(|c| c == column)?;
        self.placement.types.get(at).copied()
    }
}

impl<'t> Comparison<'t> {
    fn table(&mut self, name: &TableName) -> Result<(), Incomparable> {
        let now = self.now.home(&name.schema, &name.name);
        let next = self.next.home(&name.schema, &name.name);
        let table = Tables::Listed(name.clone());
        match (&now, &next) {
            // Nobody could reach the table, so nobody has rows in it.
            (None, _) => {}
            (Some(now), None) => self.abandoned(now, &table),
            (Some(Home::Sharded { key, placement }), Some(next)) => {
                let now = Spread::new(self.now, key, *placement);
                match next {
                    Home::Sharded { key, placement } => {
                        let next = Spread::new(self.next, key, *placement);
                        same_types(name, &now, &next)?;
                        self.spread_anew(now, next, &table);
                    }
                    Home::Reference => {
                        self.gathered(now, self.every_target(), Afterwards::Kept, &table)
                    }
                    Home::Pinned(target) => {
                        self.gathered(now, vec![*target], Afterwards::Removed, &table)
                    }
                }
            }
            (Some(Home::Reference), Some(next)) => self.was_reference(next, &table),
            (Some(Home::Pinned(source)), Some(next)) => self.was_whole(*source, next, &table),
        }
        Ok(())
    }

    /// Tables that neither topology lists.
    fn unlisted(&mut self) {
        let Some(source) = self.now.default_shard else {
            return;
        };
        match self.next.default_shard {
            Some(target) => self.was_whole(source, &Home::Pinned(target), &Tables::Unlisted),
            None => self.abandoned(&Home::Pinned(source), &Tables::Unlisted),
        }
    }

    fn spread_anew(&mut self, now: Spread<'_>, next: Spread<'_>, table: &Tables) {
        let same_key = now.key == next.key;
        let pairs = if same_key {
            pairs::of_same_key(now.placement, next.placement)
        } else {
            pairs::any(now.placement, next.placement)
        };
        for (source, target) in pairs {
            let rows = Rows::Where(vec![
                now.placed(At::Home(source)),
                next.placed(At::Home(target)),
            ]);
            let by = (Some(now.id), Some(next.id));
            self.moved(source, target, by, Afterwards::Removed, table, rows);
        }
        for shard in pairs::left_out(now.placement, next.placement, same_key).iter() {
            let rows = vec![now.placed(At::Home(shard)), next.placed(At::Nowhere)];
            self.homeless
                .push(self.left(shard, table, Rows::Where(rows)));
        }
    }

    /// Rows that were spread come to each of some shards.
    fn gathered(
        &mut self,
        now: Spread<'_>,
        targets: Vec<ShardId>,
        afterwards: Afterwards,
        table: &Tables,
    ) {
        for source in now.placement.shards().iter() {
            for target in &targets {
                let rows = now.rows(At::Home(source));
                self.moved(
                    source,
                    *target,
                    (Some(now.id), None),
                    afterwards,
                    table,
                    rows,
                );
            }
        }
    }

    /// Every shard has all rows: a shard without them gets them from any, and others may have too many.
    fn was_reference(&mut self, next: &Home, table: &Tables) {
        let source = self.any_source();
        let wanted: Vec<(ShardId, Option<PlacementId>, Rows)> = match next {
            Home::Reference => {
                let every = self.every_target().into_iter();
                every.map(|shard| (shard, None, Rows::All)).collect()
            }
            Home::Pinned(target) => vec![(*target, None, Rows::All)],
            Home::Sharded { key, placement } => {
                let next = Spread::new(self.next, key, *placement);
                self.homeless
                    .push(self.left(source, table, next.rows(At::Nowhere)));
                let shards = next.placement.shards();
                shards
                    .iter()
                    .map(|shard| (shard, Some(next.id), next.rows(At::Home(shard))))
                    .collect()
            }
        };
        for (target, placement, rows) in wanted {
            if self.source_named(target).is_none() {
                self.moved(
                    source,
                    target,
                    (None, placement),
                    Afterwards::Kept,
                    table,
                    rows,
                );
            }
        }
        for at in 0..self.now.shards.len() {
            let here = ShardId(at as u16);
            // A shard that goes away takes its copy along.
            let Some(target) = self.next.shard_named(&self.now.shard(here).name) else {
                continue;
            };
            let too_many = match next {
                Home::Reference => None,
                Home::Pinned(home) => (*home != target).then_some(Rows::All),
                Home::Sharded { key, placement } => {
                    let next = Spread::new(self.next, key, *placement);
                    Some(match next.placement.shards().contains(target) {
                        true => next.rows(At::NotHome(target)),
                        false => Rows::All,
                    })
                }
            };
            if let Some(rows) = too_many {
                self.surplus.push(self.left(here, table, rows));
            }
        }
    }

    /// One shard has all rows.
    fn was_whole(&mut self, source: ShardId, next: &Home, table: &Tables) {
        match next {
            Home::Pinned(target) => {
                let by = (None, None);
                self.moved(source, *target, by, Afterwards::Removed, table, Rows::All);
            }
            Home::Reference => {
                for target in self.every_target() {
                    self.moved(
                        source,
                        target,
                        (None, None),
                        Afterwards::Kept,
                        table,
                        Rows::All,
                    );
                }
            }
            Home::Sharded { key, placement } => {
                let next = Spread::new(self.next, key, *placement);
                for target in next.placement.shards().iter() {
                    let rows = next.rows(At::Home(target));
                    let by = (None, Some(next.id));
                    self.moved(source, target, by, Afterwards::Removed, table, rows);
                }
                self.homeless
                    .push(self.left(source, table, next.rows(At::Nowhere)));
            }
        }
    }

    /// The next topology does not know where the table is.
    fn abandoned(&mut self, now: &Home, table: &Tables) {
        let shards: Vec<ShardId> = match now {
            Home::Sharded { placement, .. } => {
                self.now.placement(*placement).shards().iter().collect()
            }
            Home::Reference => self.now.all_shards().iter().collect(),
            Home::Pinned(shard) => vec![*shard],
        };
        for shard in shards {
            self.homeless.push(self.left(shard, table, Rows::All));
        }
    }

    /// Records a move, unless both shards are the same.
    fn moved(
        &mut self,
        source: ShardId,
        target: ShardId,
        (now, next): (Option<PlacementId>, Option<PlacementId>),
        afterwards: Afterwards,
        table: &Tables,
        rows: Rows,
    ) {
        if self.source_named(target) == Some(source) {
            return;
        }
        let group = (source, target, now, next, afterwards);
        self.moves.entry(group).or_default().push(TableMove {
            table: table.clone(),
            rows,
        });
    }

    fn left(&self, shard: ShardId, table: &Tables, rows: Rows) -> Left {
        Left {
            shard: self.now.shard(shard).name.clone(),
            table: table.clone(),
            rows,
        }
    }

    /// The shard of `now` that a shard of `next` is.
    fn source_named(&self, target: ShardId) -> Option<ShardId> {
        self.now.shard_named(&self.next.shard(target).name)
    }

    fn every_target(&self) -> Vec<ShardId> {
        self.next.all_shards().iter().collect()
    }

    /// A shard to copy reference tables from: one that stays, if any does.
    fn any_source(&self) -> ShardId {
        let stays = |id: &ShardId| self.next.shard_named(&self.now.shard(*id).name).is_some();
        self.now
            .all_shards()
            .iter()
            .find(stays)
            .unwrap_or(ShardId(0))
    }

    fn finished(self) -> Difference {
        let (now, next) = (self.now, self.next);
        let moves = self.moves.into_iter().map(|(group, tables)| {
            let (source, target, now_by, next_by, afterwards) = group;
            Move {
                source: now.shard(source).name.clone(),
                target: next.shard(target).name.clone(),
                now: now_by.map(|id| now.placement(id).name.clone()),
                next: next_by.map(|id| next.placement(id).name.clone()),
                afterwards,
                tables,
            }
        });
        Difference {
            moves: moves.collect(),
            surplus: self.surplus,
            homeless: self.homeless,
        }
    }
}

/// A column keeps its type: a placement of another type would read other keys out of it.
fn same_types(table: &TableName, now: &Spread<'_>, next: &Spread<'_>) -> Result<(), Incomparable> {
    for column in now.key {
        match (now.type_of(column), next.type_of(column)) {
            (Some(a), Some(b)) if a != b => {
                return Err(Incomparable::KeyType {
                    table: table.clone(),
                    column: column.clone(),
                    now: a,
                    next: b,
                });
            }
            _ => {}
        }
    }
    Ok(())
}
