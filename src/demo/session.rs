//! Runs what is shown: the plan from the proxy, then the statement, then the comparison with what
//! was announced.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use local_postgres::Cluster;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::load::connect;
use super::shop;
use super::showcase::{Gives, Goes, Showcase};

/// Longest wait for one statement: each takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// What happened to one statement.
pub(super) struct Shown {
    pub(super) title: &'static str,
    /// The session's statements up to it, as shown.
    pub(super) sql: String,
    /// The plan's lines.
    pub(super) plan: Vec<String>,
    /// The shards that it names.
    pub(super) shards: Vec<String>,
    /// The port of the replica that ran it, where that is the point.
    pub(super) replica: Option<u16>,
    pub(super) answer: Answer,
    /// How it differs from what was announced.
    pub(super) wrong: Option<String>,
}

/// What came back.
pub(super) enum Answer {
    Rows {
        columns: Vec<String>,
        rows: Vec<Vec<String>>,
    },
    Refused {
        code: String,
        message: String,
        detail: String,
        hint: String,
    },
}

/// Runs all of them over one connection.
pub(super) async fn run(
    address: SocketAddr,
    statements: &[Showcase],
    cluster: &Cluster,
    homes: &BTreeMap<i64, String>,
) -> anyhow::Result<Vec<Shown>> {
    let client = connect(address)
        .await
        .context("cannot connect to the proxy")?;
    let mut shown = Vec::with_capacity(statements.len());
    for one in statements {
        let outcome = tokio::time::timeout(PATIENCE, show(&client, one, cluster, homes)).await;
        let outcome = outcome.context("no answer in time").flatten();
        shown.push(outcome.with_context(|| format!("{}: {}", one.title, one.sql))?);
    }
    Ok(shown)
}

async fn show(
    client: &Client,
    one: &Showcase,
    cluster: &Cluster,
    homes: &BTreeMap<i64, String>,
) -> anyhow::Result<Shown> {
    let plan = plan(client, one).await?;
    for statement in &one.before {
        client
            .simple_query(statement)
            .await
            .with_context(|| (*statement).to_owned())?;
    }
    let answer = answer(client, one).await?;
    // While the transaction is open, the server that runs it shows its last statement.
    let replica = if one.on_replica {
        replica_that_ran(one.sql, cluster)?
    } else {
        None
    };
    for statement in &one.after {
        client
            .simple_query(statement)
            .await
            .with_context(|| (*statement).to_owned())?;
    }
    let mut sql: Vec<&str> = one.before.clone();
    sql.push(one.sql);
    let all: BTreeSet<&str> = homes.values().map(String::as_str).collect();
    let named = shards_named(&plan, &all);
    let wrong = differs(one, &named, &all, &answer, homes).or_else(|| {
        let missing = one.on_replica && replica.is_none();
        missing.then(|| "no replica has seen it".to_owned())
    });
    Ok(Shown {
        title: one.title,
        sql: sql.join(";\n"),
        shards: named.into_iter().map(str::to_owned).collect(),
        plan,
        replica,
        answer,
        wrong,
    })
}

/// The port of the replica whose open transaction ran this statement, by what it says itself.
fn replica_that_ran(sql: &str, cluster: &Cluster) -> anyhow::Result<Option<u16>> {
    let query = format!(
        "SELECT count(*) FROM pg_stat_activity \
         WHERE state = 'idle in transaction' AND query = $shown${sql}$shown$"
    );
    for replica in cluster.shards().iter().flat_map(|shard| &shard.replicas) {
        if replica.execute(shop::DATABASE, &query)? != "0" {
            return Ok(Some(replica.port()));
        }
    }
    Ok(None)
}

/// Asks the proxy where it would send the statement. `$1` is put in: a plan without values only
/// says by which parameter it routes.
async fn plan(client: &Client, one: &Showcase) -> anyhow::Result<Vec<String>> {
    let sql = match one.parameter {
        Some(value) => one.sql.replace("$1", &value.to_string()),
        None => one.sql.to_owned(),
    };
    let messages = client
        .simple_query(&format!("EXPLAIN (SHUNT) {sql}"))
        .await?;
    let (_, rows) = rows_of(messages);
    Ok(rows.into_iter().flatten().collect())
}

async fn answer(client: &Client, one: &Showcase) -> anyhow::Result<Answer> {
    let outcome = match one.parameter {
        None => client.simple_query(one.sql).await.map(rows_of),
        Some(value) => client.query(one.sql, &[&value]).await.map(|rows| {
            let columns = rows.first().map(|row| row.columns()).unwrap_or_default();
            let columns = columns
                .iter()
                .map(|column| column.name().to_owned())
                .collect();
            let rows = rows
                .iter()
                // All columns that are shown this way are of type bigint.
                .map(|row| {
                    (0..row.len())
                        .map(|at| row.get::<_, i64>(at).to_string())
                        .collect()
                })
                .collect();
            (columns, rows)
        }),
    };
    match outcome {
        Ok((columns, rows)) => Ok(Answer::Rows { columns, rows }),
        Err(error) => match error.as_db_error() {
            Some(refused) => Ok(Answer::Refused {
                code: refused.code().code().to_owned(),
                message: refused.message().to_owned(),
                detail: refused.detail().unwrap_or_default().to_owned(),
                hint: refused.hint().unwrap_or_default().to_owned(),
            }),
            None => Err(error.into()),
        },
    }
}

fn rows_of(messages: Vec<SimpleQueryMessage>) -> (Vec<String>, Vec<Vec<String>>) {
    let (mut columns, mut rows) = (Vec::new(), Vec::new());
    for message in messages {
        match message {
            SimpleQueryMessage::RowDescription(described) => {
                columns = described
                    .iter()
                    .map(|column| column.name().to_owned())
                    .collect();
            }
            SimpleQueryMessage::Row(row) => {
                let cells = (0..row.len()).map(|at| row.get(at).unwrap_or("NULL").to_owned());
                rows.push(cells.collect());
            }
            _ => {}
        }
    }
    (columns, rows)
}

/// How the shards that the plan names, and the answer, differ from what was announced.
fn differs(
    one: &Showcase,
    named: &BTreeSet<&str>,
    all: &BTreeSet<&str>,
    answer: &Answer,
    homes: &BTreeMap<i64, String>,
) -> Option<String> {
    let shards = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(", ");
    let wrong_way = match &one.goes {
        Goes::HomesOf(keys) => {
            let wanted: BTreeSet<&str> = keys
                .iter()
                .filter_map(|key| homes.get(key))
                .map(String::as_str)
                .collect();
            (*named != wanted).then(|| {
                format!(
                    "it belongs on {}, the plan names {}",
                    shards(&wanted),
                    shards(named)
                )
            })
        }
        Goes::Everywhere => {
            (named != all).then(|| format!("the plan names only {}", shards(named)))
        }
        Goes::AnyOne => (named.len() > 1).then(|| format!("the plan names {}", shards(named))),
        Goes::Nowhere => (!named.is_empty()).then(|| format!("the plan names {}", shards(named))),
    };
    wrong_way.or_else(|| wrong_answer(&one.gives, answer))
}

fn wrong_answer(gives: &Gives, answer: &Answer) -> Option<String> {
    match (gives, answer) {
        (Gives::Rows(wanted), Answer::Rows { rows, .. }) => {
            (rows != wanted).then(|| format!("the rows are {rows:?}, not {wanted:?}"))
        }
        (Gives::Set(wanted), Answer::Rows { rows, .. }) => {
            let (mut wanted, mut rows) = (wanted.clone(), rows.clone());
            wanted.sort();
            rows.sort();
            (rows != wanted).then(|| format!("the rows are {rows:?}, not {wanted:?}"))
        }
        (Gives::Refusal(wanted), Answer::Refused { code, message, .. }) => (code != wanted)
            .then(|| format!("it was refused with {code} ({message}), not {wanted}")),
        (Gives::Refusal(wanted), Answer::Rows { .. }) => {
            Some(format!("it was answered, not refused with {wanted}"))
        }
        (_, Answer::Refused { code, message, .. }) => Some(format!("{code}: {message}")),
    }
}

/// The shards that the plan says the statement goes to. Where the shard depends on values, the
/// line that begins with `now:` names those of these values.
fn shards_named<'a>(plan: &[String], all: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    let now = plan
        .iter()
        .find_map(|line| line.trim().strip_prefix("now: "));
    let Some(line) = now.or_else(|| plan.first().map(String::as_str)) else {
        return BTreeSet::new();
    };
    if line.starts_with("refused") {
        return BTreeSet::new();
    }
    if line.ends_with(": all") {
        return all.clone();
    }
    let words: BTreeSet<&str> = line.split([' ', ',']).collect();
    all.iter()
        .copied()
        .filter(|name| words.contains(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_read_from_a_plan() {
        let all: BTreeSet<&str> = ["s0", "s1", "s10"].into();
        let named = |lines: &[&str]| {
            let plan: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
            shards_named(&plan, &all).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(
            named(&["one shard: by_user(#1)", "  now: s10", "  effect: read"]),
            ["s10"]
        );
        assert_eq!(
            named(&["several shards, answers one after the other: all"]),
            ["s0", "s1", "s10"]
        );
        assert_eq!(
            named(&["several shards, answers one after the other: s0, s1"]),
            ["s0", "s1"]
        );
        assert_eq!(
            named(&[
                "rows gathered on s0, from all but s0",
                "  move from all but s0: COPY …",
                "  now: s0, s1, s10"
            ]),
            ["s0", "s1", "s10"]
        );
        assert!(named(&["one shard: any"]).is_empty());
        assert!(named(&["refused SH003: s0"]).is_empty());
    }

    #[test]
    fn another_row_is_noticed() {
        let gives = Gives::Rows(vec![vec!["1".to_owned()]]);
        let answer = Answer::Rows {
            columns: vec!["n".to_owned()],
            rows: vec![vec!["2".to_owned()]],
        };
        assert!(wrong_answer(&gives, &answer).is_some());
        let refused = Answer::Refused {
            code: "SH003".to_owned(),
            message: String::new(),
            detail: String::new(),
            hint: String::new(),
        };
        assert!(wrong_answer(&gives, &refused).is_some());
        assert!(wrong_answer(&Gives::Refusal("SH004"), &refused).is_some());
        assert!(wrong_answer(&Gives::Refusal("SH003"), &refused).is_none());
    }
}
