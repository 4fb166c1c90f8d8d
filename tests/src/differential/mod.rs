//! The differential test bench: each request on one plain PostgreSQL and through Shunt over shards.
//!
//! | module | owns |
//! |---|---|
//! | [`corpus`] | the hand-written requests, `tests/differential/corpus/*.sql` |
//! | [`generator`] | seeded requests, and smaller ones that still fail |
//! | [`world`] | the servers, the data, the proxy |
//! | [`outcome`] | what was answered, and whether two answers are equal |
//! | [`report`] | what came of it, in figures |

pub mod corpus;
pub mod generator;
pub mod outcome;
pub mod report;
pub mod world;

use self::corpus::Case;
use self::outcome::{Outcome, Verdict, judge};
use self::report::Report;
use self::world::World;
use crate::raw::RawClient;

/// How a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Simple query.
    Simple,
    /// Parse, Bind, Describe, Execute, Sync; results as text.
    Extended,
    /// The same; results as binary.
    Binary,
}

impl Protocol {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Simple, Self::Extended, Self::Binary];

    /// Whether a case can be sent so.
    pub fn fits(self, case: &Case) -> bool {
        match self {
            Self::Simple => case.parameters.is_none(),
            // One message holds one statement there.
            Self::Extended | Self::Binary => !case.sql.contains(';') || case.parameters.is_some(),
        }
    }
}

/// Runs every case that fits each of the protocols.
pub fn run(world: &mut World, cases: &[Case], protocols: &[Protocol]) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let mut reference = world.reference_client()?;
    let mut shunt = world.shunt_client()?;
    for protocol in protocols {
        for case in cases.iter().filter(|c| protocol.fits(c)) {
            let verdict = if case.writes {
                write(world, &mut reference, &mut shunt, case, *protocol)?
            } else {
                read(&mut reference, &mut shunt, case, *protocol, false)?
            };
            if matches!(verdict, Verdict::Broken(_)) {
                shunt = world.shunt_client()?;
            }
            if *protocol == protocols[0] {
                report.tier(tier(&mut shunt, case)?);
            }
            report.add(case, *protocol, verdict);
        }
    }
    Ok(report)
}

/// Runs `n` generated statements, over one of the protocols each in turn, and makes smaller what fails.
pub fn generated(
    world: &World,
    seed: u64,
    n: usize,
    protocols: &[Protocol],
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut random = generator::Random::new(seed);
    let mut reference = world.reference_client()?;
    let mut shunt = world.shunt_client()?;
    for index in 0..n {
        let mut statement = generator::query(&mut random);
        let mut protocol = protocols[index % protocols.len()];
        if protocol == Protocol::Simple && statement.has_parameters() {
            protocol = Protocol::Extended;
        }
        if statement.sql().contains(';') {
            protocol = Protocol::Simple;
        }
        // Each other one in a transaction, whose statements have a snapshot each.
        let within = index % 2 == 1 && !statement.sql().contains(';');
        let place = format!("generated:{seed}/{index}");
        let mut verdict = read(
            &mut reference,
            &mut shunt,
            &statement.case(place.clone()),
            protocol,
            within,
        )?;
        'smaller: while matches!(verdict, Verdict::Wrong(_) | Verdict::Broken(_)) {
            if matches!(verdict, Verdict::Broken(_)) {
                shunt = world.shunt_client()?;
            }
            for candidate in statement.smaller() {
                let result = read(
                    &mut reference,
                    &mut shunt,
                    &candidate.case(place.clone()),
                    protocol,
                    within,
                )?;
                if std::mem::discriminant(&result) == std::mem::discriminant(&verdict) {
                    (statement, verdict) = (candidate, result);
                    continue 'smaller;
                }
                if matches!(result, Verdict::Broken(_)) {
                    shunt = world.shunt_client()?;
                }
            }
            break;
        }
        if matches!(verdict, Verdict::Broken(_)) {
            shunt = world.shunt_client()?;
        }
        let case = statement.case(place);
        report.tier(tier(&mut shunt, &case)?);
        report.add(&case, protocol, verdict);
    }
    Ok(())
}

/// Runs `n` generated changes of rows, over one of the protocols each in turn, and compares the tables after each.
pub fn changes(
    world: &mut World,
    seed: u64,
    n: usize,
    protocols: &[Protocol],
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut random = generator::Random::new(seed);
    let mut reference = world.reference_client()?;
    let mut shunt = world.shunt_client()?;
    for index in 0..n {
        let case = generator::writes::change(&mut random, format!("changes:{seed}/{index}"));
        let protocol = protocols[index % protocols.len()];
        let verdict = write(world, &mut reference, &mut shunt, &case, protocol)?;
        if matches!(verdict, Verdict::Broken(_)) {
            shunt = world.shunt_client()?;
        }
        report.add(&case, protocol, verdict);
    }
    Ok(())
}

fn read(
    reference: &mut RawClient,
    shunt: &mut RawClient,
    case: &Case,
    protocol: Protocol,
    within: bool,
) -> anyhow::Result<Verdict> {
    if within {
        ask_simple(reference, "BEGIN")?;
        ask_simple(shunt, "BEGIN")?;
    }
    let expected = ask(reference, case, protocol)?;
    let got = ask(shunt, case, protocol);
    let verdict = match &got {
        Ok(got) => judge(&expected, got, case.ordered),
        Err(error) => Verdict::Broken(format!("{error:#}")),
    };
    if within {
        ask_simple(reference, "ROLLBACK")?;
        if !matches!(verdict, Verdict::Broken(_)) {
            ask_simple(shunt, "ROLLBACK")?;
        }
    }
    match (&verdict, &got) {
        (Verdict::Wrong(_), Ok(got)) if expected.is_about_data() => {
            let other = by_another_plan(reference, case, protocol)?;
            Ok(match judge(&other, got, case.ordered) {
                Verdict::Equal => Verdict::Equal,
                _ => verdict,
            })
        }
        _ => Ok(verdict),
    }
}

/// What PostgreSQL answers where it sorts rows to group them: then a `LIMIT` ends it before it comes to a later group, and to the
/// error of what is computed there. Which of the two it does is a matter of its costs.
fn by_another_plan(
    reference: &mut RawClient,
    case: &Case,
    protocol: Protocol,
) -> anyhow::Result<Outcome> {
    ask_simple(reference, "SET enable_hashagg = off")?;
    let answer = ask(reference, case, protocol)?;
    ask_simple(reference, "RESET enable_hashagg")?;
    Ok(answer)
}

/// A write goes to Shunt first: one that is refused must have changed nothing, and is done on the plain
/// server only when that has been seen.
fn write(
    world: &mut World,
    reference: &mut RawClient,
    shunt: &mut RawClient,
    case: &Case,
    protocol: Protocol,
) -> anyhow::Result<Verdict> {
    let mut refused = None;
    let mut verdict = match ask(shunt, case, protocol) {
        Ok(got) => {
            if got.refusal().is_some() {
                let verdict = judge(&got, &got, case.ordered);
                refused = Some(got);
                verdict
            } else {
                let expected = ask(reference, case, protocol)?;
                judge(&expected, &got, case.ordered)
            }
        }
        Err(error) => Verdict::Broken(format!("{error:#}")),
    };
    let broken = matches!(&verdict, Verdict::Broken(_));
    if !broken {
        // A case that left a transaction open (a failed BEGIN; …) is ended on both sides.
        ask_simple(shunt, "ROLLBACK")?;
        ask_simple(reference, "ROLLBACK")?;
    }
    if let Some(difference) = world.difference()?
        && matches!(verdict, Verdict::Equal | Verdict::Refused(_))
    {
        verdict = Verdict::Wrong(format!("afterwards {difference}"));
    }
    if let (Verdict::Refused(_), Some(got)) = (&verdict, &refused) {
        // Nothing was changed. What PostgreSQL would have said is of account only now.
        let expected = ask(reference, case, protocol)?;
        ask_simple(reference, "ROLLBACK")?;
        verdict = judge(&expected, got, case.ordered);
        world.difference()?;
    }
    world.restore()?;
    Ok(verdict)
}

/// The tier by which the router would answer a request of one statement: 1 one shard, 2 several, 3 with rows moved, 4 not
/// at all; as `EXPLAIN (SHUNT)` says.
fn tier(shunt: &mut RawClient, case: &Case) -> anyhow::Result<Option<u8>> {
    if case.writes || case.sql.contains(';') {
        return Ok(None);
    }
    let plan = ask_simple(shunt, &format!("EXPLAIN (SHUNT) {}", case.sql))?;
    let Some(outcome::Answer::Rows { rows, .. }) = plan.answers.first() else {
        return Ok(None);
    };
    let lines: Vec<String> = rows
        .iter()
        .filter_map(|row| row.first()?.as_ref())
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    let is = |word: &str| lines.iter().any(|line| line.trim_start().starts_with(word));
    Ok(match lines.first().map(String::as_str) {
        Some(line) if line.starts_with("one shard") => Some(1),
        Some(line) if line.starts_with("refused") => Some(4),
        Some(line) if line.starts_with("rows gathered") || is("move ") => Some(3),
        Some(line) if line.starts_with("several shards") || line.starts_with("in steps") => Some(2),
        _ => None,
    })
}

fn ask(client: &mut RawClient, case: &Case, protocol: Protocol) -> anyhow::Result<Outcome> {
    let messages = match protocol {
        Protocol::Simple => client.simple(&case.sql)?,
        Protocol::Extended | Protocol::Binary => {
            let parameters = case.parameters.as_deref().unwrap_or_default();
            let parameters: Vec<Option<&str>> = parameters.iter().map(Option::as_deref).collect();
            client.extended(&case.sql, &parameters, protocol == Protocol::Binary)?
        }
    };
    Ok(Outcome::from_messages(&messages))
}

fn ask_simple(client: &mut RawClient, sql: &str) -> anyhow::Result<Outcome> {
    Ok(Outcome::from_messages(&client.simple(sql)?))
}
