//! What came of a run, in figures and in full for what went wrong.

use std::collections::BTreeMap;
use std::fmt;

use super::Protocol;
use super::corpus::Case;
use super::outcome::Verdict;

/// Verdicts by group of cases.
#[derive(Default)]
pub struct Report {
    groups: BTreeMap<String, Counts>,
    refusals: BTreeMap<String, usize>,
    /// Reads by the tier of their plan, the first place for tier 1.
    tiers: [usize; 4],
    /// Writes answered, refused, and refused where PostgreSQL has an error.
    writes: [usize; 3],
    /// The same of the corpus's lines that no spread of their tables can answer (`_border_`), not among those.
    border: [usize; 3],
    /// Every refusal: place, protocol, request, reason; and PostgreSQL's error, where it has one.
    pub refused: Vec<String>,
    /// Every wrong or broken answer: place, protocol, request, difference.
    pub faults: Vec<String>,
}

#[derive(Default)]
struct Counts {
    equal: usize,
    refused: usize,
    otherwise: usize,
    wrong: usize,
    broken: usize,
}

/// In the names of files of the corpus whose lines are to be refused.
const BORDER: &str = "_border_";

impl Report {
    /// Adds one verdict.
    pub fn add(&mut self, case: &Case, protocol: Protocol, verdict: Verdict) {
        let group = case.place.split(':').next().unwrap_or_default().to_owned();
        let counts = self.groups.entry(group).or_default();
        if case.writes {
            let counted = match case.place.contains(BORDER) {
                true => &mut self.border,
                false => &mut self.writes,
            };
            match verdict {
                Verdict::Equal => counted[0] += 1,
                Verdict::Refused(_) => counted[1] += 1,
                Verdict::ToldOtherwise(..) => counted[2] += 1,
                Verdict::Wrong(_) | Verdict::Broken(_) => {}
            }
        }
        match verdict {
            Verdict::Equal => counts.equal += 1,
            Verdict::Refused(error) => {
                counts.refused += 1;
                *self
                    .refusals
                    .entry(format!("{} {}", error.code, error.message))
                    .or_default() += 1;
                self.refused.push(format!(
                    "{} [{protocol:?}] {}\n    {} {}: {}",
                    case.place, case.sql, error.code, error.message, error.detail
                ));
            }
            Verdict::ToldOtherwise(refusal, error) => {
                counts.otherwise += 1;
                self.refused.push(format!(
                    "{} [{protocol:?}] {}\n    {} {}: {}\n    PostgreSQL: {} {}",
                    case.place,
                    case.sql,
                    refusal.code,
                    refusal.message,
                    refusal.detail,
                    error.code,
                    error.message
                ));
            }
            Verdict::Wrong(difference) => {
                counts.wrong += 1;
                self.faults.push(format!(
                    "WRONG {} [{protocol:?}] {}\n    {difference}",
                    case.place, case.sql
                ));
            }
            Verdict::Broken(reason) => {
                counts.broken += 1;
                self.faults.push(format!(
                    "BROKEN {} [{protocol:?}] {}\n    {reason}",
                    case.place, case.sql
                ));
            }
        }
    }

    /// Counts the plan of a read.
    pub fn tier(&mut self, tier: Option<u8>) {
        if let Some(place) = tier.and_then(|t| self.tiers.get_mut(usize::from(t) - 1)) {
            *place += 1;
        }
    }

    /// Requests answered as PostgreSQL does, and all requests.
    pub fn answered(&self) -> (usize, usize) {
        let equal = self.groups.values().map(|c| c.equal).sum();
        let all = self
            .groups
            .values()
            .map(|c| c.equal + c.refused + c.otherwise + c.wrong + c.broken)
            .sum();
        (equal, all)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<24} {:>6} {:>8} {:>9} {:>6} {:>7}",
            "group", "equal", "refused", "otherwise", "wrong", "broken"
        )?;
        for (group, c) in &self.groups {
            writeln!(
                f,
                "{group:<24} {:>6} {:>8} {:>9} {:>6} {:>7}",
                c.equal, c.refused, c.otherwise, c.wrong, c.broken
            )?;
        }
        let [one, several, gathered, refused] = self.tiers;
        let all = (one + several + gathered + refused).max(1);
        writeln!(
            f,
            "reads by plan: one shard {one}, several {several}, gathered {gathered}, refused {refused}; \
             without a gather {} %, in all {} %",
            (one + several) * 100 / all,
            (one + several + gathered) * 1000 / all / 10
        )?;
        let [answered, refused, otherwise] = self.writes;
        let share = |all: usize| answered as f64 * 100.0 / all.max(1) as f64;
        writeln!(
            f,
            "writes: answered {answered}, refused {refused}, refused where PostgreSQL has an error of its own {otherwise}; \
             answered {:.1} % of all, {:.1} % of what PostgreSQL answers alike or carries out",
            share(answered + refused + otherwise),
            share(answered + refused)
        )?;
        let [answered, refused, otherwise] = self.border;
        writeln!(
            f,
            "writes beyond the border: answered {answered}, refused {}; with them answered {:.1} % of all writes",
            refused + otherwise,
            {
                let all: usize = self.writes.iter().chain(&self.border).sum();
                (self.writes[0] + answered) as f64 * 100.0 / all.max(1) as f64
            }
        )?;
        for (reason, count) in &self.refusals {
            writeln!(f, "refused {count:>4} × {reason}")?;
        }
        for fault in &self.faults {
            writeln!(f, "{fault}")?;
        }
        Ok(())
    }
}
