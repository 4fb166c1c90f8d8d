//! A statement that is carried out in several steps over several shards, as plain data.
//!
//! A program is made by the planner and run by whoever holds the connections. It knows three things to do: run a text
//! on some shards ([`Step::Run`]), bring rows of some shards into a temporary table of another ([`Step::Move`]) or, if
//! they are few, into the parameters of the answer's text ([`Step::Fetch`]), and ask for what the client is to see
//! ([`Answer`]). Everything between is PostgreSQL's own work: types, coercions,
//! expressions, sorting of any collation, spilling to disk. So a program states *where* rows have to be, never *how*
//! a value is computed.
//!
//! All texts hold the client's parameters under their own numbers, so each of them is sent with the client's own
//! `Bind` values. A program holds texts, hence belongs to one exact text (`Made::exact`).
//!
//! Temporary tables are named by the planner, `pg_temp.shunt_1` and so on, made by a `Run` step and dropped by whoever
//! runs the program, whether it succeeds or not ([`Program::temporary`]).
//!
//! PostgreSQL does not prepare a transaction that has touched a temporary table, and a program that writes may have to be
//! prepared on all its shards. So its tables are plain ones, in the schema [`WORK`], which stands for one that whoever
//! runs the program makes for this run alone, within the same transaction, and drops behind the answer.

use super::{Merge, Target, Targets, ValueSource};
use crate::id::ShardId;

/// The schema of a writing program's tables, in its texts; see [`in_work`]. No text of a client has it by chance.
pub const WORK: &str = "shunt_work_7d3f9b2e51c84a06";

/// A text of a writing program with the name of the schema that was made for this run.
pub fn in_work(text: &str, schema: &str) -> String {
    text.replace(WORK, schema)
}

/// What begins the text of a step that makes a temporary table.
const MAKES: &str = "CREATE TEMP TABLE ";

/// What stands between the table's name and the query that fills it.
const FILLS: &str = " ON COMMIT DROP AS ";

/// The text that makes a temporary table and fills it.
pub(super) fn filled(table: &str, query: &str) -> String {
    format!("{MAKES}{table}{FILLS}{query}")
}

/// The table that a step's text makes, and the query whose rows it fills it with.
pub fn fills_by(text: &str) -> Option<(String, String)> {
    let (table, query) = text.strip_prefix(MAKES)?.split_once(FILLS)?;
    let fills = !table.contains(' ') && !query.ends_with(" WITH NO DATA");
    fills.then(|| (table.to_owned(), query.to_owned()))
}

/// A text that reads these tables, each with the rows of its query beside its own. `None`: it does not read one of them.
fn in_place(text: &str, tables: &[(String, String)]) -> Option<String> {
    const NAMES: &str = "pg_temp.shunt_";
    let mut parts = text.split(NAMES);
    let mut made = parts.next().unwrap_or_default().to_owned();
    let mut read = vec![false; tables.len()];
    for part in parts {
        let of_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let (name, rest) = part.split_at(part.bytes().take_while(of_name).count());
        let name = format!("{NAMES}{name}");
        let Some(at) = tables.iter().position(|(table, _)| *table == name) else {
            made.push_str(&name);
            made.push_str(rest);
            continue;
        };
        read[at] = true;
        let query = &tables[at].1;
        // What the gathering itself has put around it has no name for it.
        let alone = made.ends_with("(SELECT * FROM ") && rest.starts_with(" ORDER BY ");
        made.push_str(&format!("({query} UNION ALL SELECT * FROM {name})"));
        made.push_str(if alone { " AS shunt_rows" } else { "" });
        made.push_str(rest);
    }
    read.iter().all(|read| *read).then_some(made)
}

/// A statement in steps. Steps run one after the other; each runs on all its shards at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The shards outside of which no row counts, when the statement is right on a single one: if an execution comes
    /// to one shard, or none, it goes there untouched and the steps are not needed.
    pub unless: Option<Targets>,
    /// What is done before the answer.
    pub steps: Vec<Step>,
    /// What the client sees.
    pub answer: Answer,
    /// The temporary tables that the steps make, each with the shards that have it, by name without schema.
    pub temporary: Vec<(String, On)>,
    /// Whether steps or answer change rows or schema of more than one shard, or of one that only an execution knows:
    /// outside a transaction it is then run in one that is committed on all of them or none.
    pub writes: bool,
}

/// The shards of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum On {
    /// This one.
    Shard(ShardId),
    /// These, as values say.
    Targets(Targets),
    /// These without this one.
    Except(Targets, ShardId),
    /// The one shard of a target; where any will do, the first.
    Home(Target),
    /// The same, or none when it is this one.
    HomeExcept(Target, ShardId),
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Runs one text; rows and tags are for nobody.
    Run {
        /// Where.
        on: On,
        /// One statement.
        text: String,
    },
    /// Runs one text that raises an error where the program must not be carried out. It neither moves nor changes rows, and
    /// nothing has to wait for it: an error fails the statement whatever else was said.
    Check {
        /// Where.
        on: On,
        /// A `DO`.
        text: String,
        /// What it makes certain, for whoever looks at the plan.
        what: &'static str,
    },
    /// Runs one text, whose rows are shown to the client, those of each shard under its name: an `EXPLAIN`.
    Show {
        /// Where.
        on: On,
        /// One statement.
        text: String,
        /// What it is to the whole, for the line that names the shard; perhaps nothing.
        what: String,
        /// It makes one of the program's tables.
        makes: bool,
    },
    /// Runs a text of its own on each of some shards.
    RunEach {
        /// Where, and what; a shard that is not there has nothing to do.
        texts: Vec<(ShardId, String)>,
    },
    /// The rows of one query, from one or more shards, into one table of one shard.
    ///
    /// The columns of the query and of the table have the same types in the same order. The rows travel in binary
    /// (`DataRow` in binary format and a tuple of `COPY (FORMAT binary)` have the same bytes) unless `as_text`.
    Move {
        /// Where the rows come from; shards that are `to` have been left out.
        from: On,
        /// A `SELECT` without merging: all rows of all shards.
        query: String,
        /// Where they go.
        to: ShardId,
        /// What they go into, with its columns if not all: `pg_temp.shunt_1`.
        table: String,
        /// Rows travel as text: a column's type has another OID on each shard, which some binary forms contain.
        as_text: bool,
        /// About how many rows the table has on each shard, of which the query takes some; for whoever looks at the plan.
        among: Option<u64>,
    },
    /// The rows of one query, from one or more shards, which the text of [`Answer::Finished`] gets as parameters.
    ///
    /// They are kept by whoever runs the program until all are there, so there is a limit to them. A parameter has the
    /// type that the column has where the answer is found, so no value is decoded and no name of a type needed.
    Fetch {
        /// Where the rows come from.
        from: Targets,
        /// A `SELECT` without merging: all rows of all shards.
        query: String,
        /// What the answer's text calls the table that they make up, as it stands there: `pg_temp.shunt_1`.
        table: String,
        /// Rows travel as text, as in a `Move`.
        as_text: bool,
    },
}

/// What the client sees of a program: the rows and the tag of these.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// One text on one or more shards, their answers merged.
    Merged {
        /// Where.
        on: On,
        /// One statement.
        text: String,
        /// How the answers become one.
        merge: Merge,
    },
    /// A text of its own on each of some shards; rows and counts one after the other.
    Each {
        /// Where, and what, in the order of the answers.
        texts: Vec<(ShardId, String)>,
        /// How the answers become one.
        merge: Merge,
    },
    /// One text on any one of some shards, with the fetched rows in the place of their tables. It reads no other table.
    Finished {
        /// One of these.
        on: Targets,
        /// One statement.
        text: String,
        /// The client's own statement, which says what the columns are: types of parameters know no `numeric(10,2)`, and
        /// their columns no table.
        columns: String,
        /// What is done instead when the rows are too many.
        otherwise: Option<Box<Program>>,
    },
    /// This tag and no rows: the steps have done everything.
    Tag(String),
}

/// How sorted answers become one: the least row of all shards first.
///
/// Each shard's text has hidden columns behind those that the client sees, one per key, and is sorted by them.
#[derive(Clone, Debug, PartialEq)]
pub struct Sorted {
    /// One per hidden column, in order. They are asked for in binary.
    pub keys: Vec<SortColumn>,
    /// `OFFSET`: so many rows of the merged result are left out.
    pub offset: Option<ValueSource>,
    /// `LIMIT`: then so many are given; null is all.
    pub limit: Option<ValueSource>,
    /// `FETCH FIRST … WITH TIES`: and those equal to the last.
    pub with_ties: bool,
}

/// One hidden sort column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortColumn {
    /// `DESC`.
    pub descending: bool,
    /// `NULLS FIRST`, as it is meant.
    pub nulls_first: bool,
    /// Its collation, if its type has one, is known to order by bytes.
    pub bytewise: bool,
}

impl Program {
    /// Whether it makes temporary tables, at least when there are many rows.
    pub fn makes_tables(&self) -> bool {
        let otherwise = match &self.answer {
            Answer::Finished { otherwise, .. } => otherwise.as_deref(),
            _ => None,
        };
        !self.temporary.is_empty() || otherwise.is_some_and(Program::makes_tables)
    }

    /// The shards of a read whose answers come one after the other, behind nothing but checks: whoever does without those sends the
    /// statement itself to each, which means what the answer's text does.
    pub fn as_it_is(&self) -> Option<&On> {
        let checks = |step: &Step| matches!(step, Step::Check { .. });
        match &self.answer {
            Answer::Merged {
                on,
                merge: Merge::Concatenate,
                ..
            } if !self.writes && self.steps.iter().all(checks) => Some(on),
            _ => None,
        }
    }

    /// The same read, with what the server of the answer has itself of the tables read where it stands, as part of the answer,
    /// instead of being brought before: so all that is read there is of the moment of one statement. `None`: it brings
    /// nothing there, or needs it all in one table.
    ///
    /// Proof: the table has those rows and the ones that are moved into it, whose columns have the same types.
    pub fn reading_in_place(&self) -> Option<Self> {
        let mut program = self.clone();
        let Answer::Merged { text, .. } = &mut program.answer else {
            return None;
        };
        let mut own = Vec::new();
        for step in &mut program.steps {
            match step {
                Step::Run { text, .. } if text.starts_with(MAKES) => {
                    if let Some(filled) = fills_by(text) {
                        own.push(filled);
                        text.push_str(" WITH NO DATA");
                    }
                }
                Step::Move { .. } | Step::Check { .. } => {}
                _ => return None,
            }
        }
        *text = in_place(text, &own)?;
        (!self.writes && !own.is_empty()).then_some(program)
    }

    /// Whether it fills several of its tables with rows of the server that has them.
    pub fn fills_several(&self) -> bool {
        let fills =
            |step: &&Step| matches!(step, Step::Run { text, .. } if fills_by(text).is_some());
        self.steps.iter().filter(fills).count() > 1
    }

    /// Whether rows of tables are moved, and not only results of each shard's share.
    pub fn moves_rows(&self) -> bool {
        let moves = |step: &Step| !matches!(step, Step::Fetch { .. } | Step::Check { .. });
        self.steps.iter().any(moves)
    }

    /// About how many bytes it takes, for the plan cache.
    pub(super) fn size(&self) -> usize {
        let each =
            |texts: &[(ShardId, String)]| texts.iter().map(|(_, t)| t.len() + 32).sum::<usize>();
        let steps = self.steps.iter().map(|step| match step {
            Step::Run { text, .. } | Step::Check { text, .. } => text.len() + 160,
            Step::Show { text, what, .. } => text.len() + what.len() + 160,
            Step::RunEach { texts } => each(texts) + 64,
            Step::Move { query, table, .. } | Step::Fetch { query, table, .. } => {
                query.len() + table.len() + 256
            }
        });
        let answer = match &self.answer {
            Answer::Merged { text, .. } => text.len() + 256,
            Answer::Each { texts, .. } => each(texts) + 256,
            Answer::Finished {
                text,
                columns,
                otherwise,
                ..
            } => {
                let otherwise = otherwise.as_ref().map_or(0, |program| program.size());
                text.len() + columns.len() + otherwise + 256
            }
            Answer::Tag(tag) => tag.len(),
        };
        steps.sum::<usize>() + answer + self.temporary.len() * 128
    }
}

#[cfg(test)]
mod tests {
    use super::in_place;

    #[test]
    fn own_rows_are_read_beside_those_that_were_brought() {
        let own = ["1", "10", "cursor0_1"].map(|n| {
            let table = format!("pg_temp.shunt_{n}");
            (table, format!("SELECT a FROM t{n}"))
        });
        let text = "SELECT * FROM pg_temp.shunt_1 AS \"t1\", pg_temp.shunt_2 t2, (SELECT * FROM pg_temp.shunt_10 ORDER BY \"a\") AS \"t10\"";
        let read = "SELECT * FROM (SELECT a FROM t1 UNION ALL SELECT * FROM pg_temp.shunt_1) AS \"t1\", pg_temp.shunt_2 t2, \
             (SELECT * FROM (SELECT a FROM t10 UNION ALL SELECT * FROM pg_temp.shunt_10) AS shunt_rows ORDER BY \"a\") AS \"t10\"";
        assert_eq!(in_place(text, &own[..2]).as_deref(), Some(read));
        let text = "DECLARE c CURSOR FOR SELECT a FROM pg_temp.shunt_cursor0_1 AS \"t\"";
        let read = "DECLARE c CURSOR FOR SELECT a FROM (SELECT a FROM tcursor0_1 UNION ALL SELECT * FROM pg_temp.shunt_cursor0_1) AS \"t\"";
        assert_eq!(in_place(text, &own[2..]).as_deref(), Some(read));
        // Its own rows would be missing.
        assert_eq!(in_place("SELECT 1", &own), None);
    }
}
