//! Statements by shape: how often, where they go, why not.

use std::collections::HashMap;
use std::fmt::Write as _;

use router_core::plan::Refusal;
use router_core::plan::print::Summary;
use router_core::sql::lexer::Options;
use router_core::sql::readable::readable;
use serde_json::{Value, json};

/// Shapes that are told apart; what comes after as many is counted together.
const MOST_SHAPES: usize = 100_000;

/// What becomes of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Single,
    Multi,
    Gathered,
    Refused,
    /// About the session or the transaction: no shard is asked, or those that take part.
    Session,
}

/// Fates in the order of [`Counts`], each with its name for people and for machines.
const FATES: [(&str, &str); 5] = [
    ("one shard", "single_shard"),
    ("several shards", "multi_shard"),
    ("gathered", "gathered"),
    ("refused", "refused"),
    ("session", "session"),
];

type Counts = [u64; 5];

/// All that was read.
#[derive(Default)]
pub(super) struct Report {
    shapes: HashMap<String, Shape>,
}

#[derive(Default)]
struct Shape {
    counts: Counts,
    /// Of the first of its statements that was refused.
    refusal: Option<Refusal>,
}

impl Report {
    pub(super) fn is_empty(&self) -> bool {
        self.shapes.is_empty()
    }

    /// One more statement.
    pub(super) fn add(&mut self, text: &str, summary: Summary) {
        let mut shape = readable(text, Options::default());
        if shape.is_empty() {
            return;
        }
        if self.shapes.len() >= MOST_SHAPES && !self.shapes.contains_key(&shape) {
            shape = "(other shapes)".to_owned();
        }
        let known = self.shapes.entry(shape).or_default();
        known.counts[fate(&summary) as usize] += 1;
        if known.refusal.is_none() {
            known.refusal = summary.refusal;
        }
    }

    fn totals(&self) -> Counts {
        let mut totals = Counts::default();
        for shape in self.shapes.values() {
            for (total, count) in totals.iter_mut().zip(shape.counts) {
                *total += count;
            }
        }
        totals
    }

    /// Refused ones first, since they are what has to be looked at; then by number.
    fn sorted(&self) -> Vec<(&String, &Shape)> {
        let mut shapes: Vec<_> = self.shapes.iter().collect();
        shapes.sort_by_key(|(text, shape)| {
            let refused = shape.counts[Fate::Refused as usize];
            let all: u64 = shape.counts.iter().sum();
            (std::cmp::Reverse((refused > 0, all)), *text)
        });
        shapes
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let totals = self.totals();
        let all: u64 = totals.iter().sum();
        let mut out = format!("{all} statements of {} shapes\n", self.shapes.len());
        for ((name, _), count) in FATES.iter().zip(totals) {
            let percent = 100.0 * count as f64 / all.max(1) as f64;
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{count:>10}  {name:<15} {percent:5.1} %");
        }
        out.push('\n');
        for (text, shape) in self.sorted() {
            for ((name, _), count) in FATES.iter().zip(shape.counts) {
                if count > 0 {
                    let _ = writeln!(out, "{count:>10}  {name:<15} {text}");
                }
            }
            if let Some(refusal) = &shape.refusal {
                let Refusal {
                    sqlstate,
                    message,
                    detail,
                    hint,
                    ..
                } = refusal;
                let _ = writeln!(out, "{:>12}{sqlstate}: {message}. {detail}", "");
                let _ = writeln!(out, "{:>12}hint: {hint}", "");
            }
        }
        out
    }

    /// For machines.
    pub(super) fn json(&self) -> Value {
        let counted = |counts: &Counts| -> serde_json::Map<String, Value> {
            let named = FATES.iter().zip(counts);
            let mut all: serde_json::Map<_, _> = named
                .map(|((_, name), count)| ((*name).to_owned(), json!(count)))
                .collect();
            all.insert("count".to_owned(), json!(counts.iter().sum::<u64>()));
            all
        };
        let shapes = self.sorted().into_iter().map(|(text, shape)| {
            let mut one = counted(&shape.counts);
            one.insert("statement".to_owned(), json!(text));
            let reason = shape.refusal.as_ref().map(|refusal| {
                json!({
                    "sqlstate": refusal.sqlstate.to_string(),
                    "message": refusal.message,
                    "detail": refusal.detail,
                    "hint": refusal.hint,
                })
            });
            one.insert("reason".to_owned(), json!(reason));
            Value::Object(one)
        });
        let shapes: Vec<Value> = shapes.collect();
        json!({ "totals": counted(&self.totals()), "shapes": shapes })
    }
}

fn fate(summary: &Summary) -> Fate {
    match (summary.tier, &summary.shards[..]) {
        (Some(4), _) => Fate::Refused,
        (Some(1), _) | (Some(_), [_]) => Fate::Single,
        (Some(2), _) => Fate::Multi,
        (Some(_), _) => Fate::Gathered,
        (None, _) => Fate::Session,
    }
}
