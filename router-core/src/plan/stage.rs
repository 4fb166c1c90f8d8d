//! The steps of writes that take a detour over temporary tables.
//!
//! Rows are made where they can be made, in a temporary table with the columns of the table that they are for, so that
//! PostgreSQL coerces each value as an insertion into the table would. From there they travel to their homes, chosen by
//! the placement's own predicate, and are inserted by the statement that the client sees the answer of.

use super::names::FIRST;
use super::program::WORK;
use super::{Answer, Merge, On, Program, Route, Step, Targets};
use crate::id::{PlacementId, ShardId};
pub(super) use crate::topology::predicate::block;
use crate::topology::predicate::identifier;
use crate::topology::{Placement, Topology};

/// A program in the making.
#[derive(Default)]
pub(super) struct Stage {
    steps: Vec<Step>,
    temporary: Vec<(String, On)>,
}

/// All shards.
pub(super) const ALL: On = On::Targets(Targets::All);

impl Stage {
    /// Makes a table for this run by what follows its name. Its name with schema.
    pub(super) fn table(&mut self, on: On, definition: &str) -> String {
        let name = format!("shunt_{}", self.temporary.len() + 1);
        self.run(
            on.clone(),
            format!("CREATE UNLOGGED TABLE {WORK}.{name} {definition}"),
        );
        self.temporary.push((name.clone(), on));
        format!("{WORK}.{name}")
    }

    /// Makes a table of the answer of `query` on one shard, and brings its rows to all others, where `shape` has the same
    /// columns. Its name with schema.
    pub(super) fn answered(
        &mut self,
        topology: &Topology,
        home: ShardId,
        query: &str,
        shape: &str,
    ) -> String {
        let name = format!("shunt_{}", self.temporary.len() + 1);
        let table = format!("{WORK}.{name}");
        let create = format!("CREATE UNLOGGED TABLE {table} AS");
        self.run(On::Shard(home), format!("{create} {query}"));
        let others = On::Except(Targets::All, home);
        self.run(others, format!("{create} {shape} WITH NO DATA"));
        self.temporary.push((name, ALL));
        for shard in topology.all_shards().iter().filter(|s| *s != home) {
            let rows = format!("SELECT * FROM {table}");
            self.bring(Some(On::Shard(home)), rows, shard, &table, true);
        }
        table
    }

    /// Makes a table of the rows that `query` has on some shards, the same on every shard. Its name with schema.
    pub(super) fn collected(
        &mut self,
        topology: &Topology,
        targets: Targets,
        query: &str,
        as_text: bool,
    ) -> String {
        let name = format!("shunt_{}", self.temporary.len() + 1);
        let table = format!("{WORK}.{name}");
        let create = format!("CREATE UNLOGGED TABLE {table} AS {query}");
        self.run(On::Shard(FIRST), create.clone());
        let others = On::Except(Targets::All, FIRST);
        self.run(others, format!("{create} WITH NO DATA"));
        self.temporary.push((name, ALL));
        let from = On::Except(targets, FIRST);
        self.bring(Some(from), query.to_owned(), FIRST, &table, as_text);
        for shard in topology.all_shards().iter().filter(|s| *s != FIRST) {
            let rows = format!("SELECT * FROM {table}");
            self.bring(Some(On::Shard(FIRST)), rows, shard, &table, as_text);
        }
        table
    }

    /// Runs one text on some shards.
    pub(super) fn run(&mut self, on: On, text: String) {
        self.steps.push(Step::Run { on, text });
    }

    /// Runs a text of its own on each of some shards.
    pub(super) fn run_each(&mut self, texts: Vec<(ShardId, String)>) {
        self.steps.push(Step::RunEach { texts });
    }

    /// Brings rows into a table of one shard; it is not among `from`, which may be nobody.
    pub(super) fn bring(
        &mut self,
        from: Option<On>,
        query: String,
        to: ShardId,
        table: &str,
        as_text: bool,
    ) {
        let Some(from) = from else { return };
        self.steps.push(Step::Move {
            from,
            query,
            to,
            table: table.to_owned(),
            as_text,
            among: None,
        });
    }

    /// Brings all rows of `from`, which are on one shard, into `to` on every shard.
    pub(super) fn broadcast(
        &mut self,
        topology: &Topology,
        home: ShardId,
        from: &str,
        to: &str,
        as_text: bool,
    ) {
        self.run(
            On::Shard(home),
            format!("INSERT INTO {to} SELECT * FROM {from}"),
        );
        for shard in topology.all_shards().iter().filter(|s| *s != home) {
            self.bring(
                Some(On::Shard(home)),
                format!("SELECT * FROM {from}"),
                shard,
                to,
                as_text,
            );
        }
    }

    /// The steps as a route.
    pub(super) fn route(self, unless: Option<Targets>, answer: Answer) -> Route {
        Route::Program(Box::new(Program {
            unless,
            steps: self.steps,
            answer,
            temporary: self.temporary,
            writes: true,
        }))
    }
}

/// The answer of a text on several shards.
pub(super) fn merged(on: On, text: String, merge: Merge) -> Answer {
    Answer::Merged { on, text, merge }
}

/// Rows of one table spread over all shards by a key.
pub(super) struct Spreading<'t> {
    pub(super) placement: &'t Placement,
    /// Its columns.
    pub(super) key: &'t [String],
    /// Whether each column of the key refuses NULL.
    pub(super) required: bool,
}

impl<'t> Spreading<'t> {
    pub(super) fn new(
        topology: &'t Topology,
        placement: PlacementId,
        key: &'t [String],
        required: bool,
    ) -> Self {
        Self {
            placement: topology.placement(placement),
            key,
            required,
        }
    }

    /// The condition for rows of `table` that belong to `shard`. Rows with a NULL that PostgreSQL will not take go to
    /// `nulls`, where it says so.
    fn predicate(&self, shard: ShardId, nulls: ShardId) -> String {
        let columns: Vec<&str> = self.key.iter().map(String::as_str).collect();
        let condition = self.placement.predicate(&columns, shard);
        match self.required && shard == nulls {
            true => format!("({condition}) OR {}", self.nulls()),
            false => condition,
        }
    }

    fn nulls(&self) -> String {
        let list: Vec<String> = self
            .key
            .iter()
            .map(|k| format!("{} IS NULL", identifier(k)))
            .collect();
        list.join(" OR ")
    }

    /// Rows of `from`, which is on the shards `on`, to `to` on their homes. `except` is where rows are, without a shard.
    pub(super) fn spread(
        &self,
        stage: &mut Stage,
        topology: &Topology,
        (on, from): (&On, &str),
        except: &dyn Fn(ShardId) -> Option<On>,
        to: &str,
        as_text: bool,
    ) {
        let first = FIRST;
        self.check(stage, on, from);
        let shards: Vec<ShardId> = topology.all_shards().iter().collect();
        let rows = |shard| {
            format!(
                "SELECT * FROM {from} WHERE {}",
                self.predicate(shard, first)
            )
        };
        stage.run_each(
            shards
                .iter()
                .filter(|&&s| !matches!(on, On::Shard(one) if *one != s))
                .map(|&s| (s, format!("INSERT INTO {to} {}", rows(s))))
                .collect(),
        );
        for &shard in &shards {
            stage.bring(except(shard), rows(shard), shard, to, as_text);
        }
    }

    /// Rows that no shard is home to are refused, as they are when the key is a constant.
    fn check(&self, stage: &mut Stage, on: &On, table: &str) {
        let columns: Vec<&str> = self.key.iter().map(String::as_str).collect();
        let homeless = self.placement.without_home(&columns);
        if !self.required {
            stage.run(
                on.clone(),
                refuse_when(
                    &format!("SELECT 1 FROM {table} WHERE {}", self.nulls()),
                    &super::Refusal::new(
                        super::Reason::NullKey,
                        "A row to insert has a null in its key.",
                    ),
                ),
            );
        }
        // Only ranges and lists leave keys out.
        if homeless != self.nulls() {
            stage.run(
                on.clone(),
                refuse_when(
                    &format!(
                        "SELECT 1 FROM {table} WHERE ({homeless}) AND NOT ({})",
                        self.nulls()
                    ),
                    &super::Refusal::new(
                        super::Reason::NoShardForKey,
                        format!(
                            "Placement \"{}\" has no shard for the row's key.",
                            self.placement.name
                        ),
                    ),
                ),
            );
        }
    }
}

/// A statement that raises the refusal's error when the query has a row.
pub(super) fn refuse_when(query: &str, refusal: &super::Refusal) -> String {
    block(&raise_when(&format!("EXISTS ({query})"), refusal))
}

/// In such a block: the refusal's error where a condition holds.
pub(super) fn raise_when(condition: &str, refusal: &super::Refusal) -> String {
    let text = crate::topology::predicate::string;
    format!(
        "IF {condition} THEN RAISE EXCEPTION USING ERRCODE = '{}', MESSAGE = {}, DETAIL = {}, HINT = {}; END IF; ",
        refusal.sqlstate,
        text(&refusal.message),
        text(&refusal.detail),
        text(&refusal.hint),
    )
}
