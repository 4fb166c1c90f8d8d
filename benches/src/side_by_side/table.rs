//! What is printed: medians, and their ratio to PgBouncer's.

use std::collections::BTreeMap;
use std::fmt;

use crate::load::{Figures, Load};

/// Every measurement, by load and contender.
#[derive(Default)]
pub(crate) struct Results(BTreeMap<Load, BTreeMap<&'static str, Vec<Figures>>>);

impl Results {
    /// Adds one.
    pub(crate) fn add(&mut self, load: Load, name: &'static str, figures: Figures) {
        self.0
            .entry(load)
            .or_default()
            .entry(name)
            .or_default()
            .push(figures);
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "medians; in brackets the ratio to PgBouncer's\n")?;
        writeln!(
            f,
            "| load | contender | transactions/s | latency ms | proxy CPU µs/transaction |"
        )?;
        writeln!(f, "|---|---|---|---|---|")?;
        for (load, contenders) in &self.0 {
            let reference = contenders.get("pgbouncer");
            for (name, figures) in contenders {
                let cell = |of: fn(&Figures) -> Option<f64>| {
                    let Some(value) = median(figures, of) else {
                        return "–".to_owned();
                    };
                    match reference.and_then(|r| median(r, of)) {
                        Some(base) if *name != "pgbouncer" => {
                            format!("{value:.2} ({:.2})", value / base)
                        }
                        _ => format!("{value:.2}"),
                    }
                };
                writeln!(
                    f,
                    "| {load} | {name} | {} | {} | {} |",
                    cell(|x| Some(x.throughput)),
                    cell(|x| Some(x.latency)),
                    cell(|x| x.cpu)
                )?;
            }
        }
        Ok(())
    }
}

fn median(figures: &[Figures], of: fn(&Figures) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = figures.iter().filter_map(of).collect();
    (!values.is_empty()).then(|| middle(values))
}

/// The median of at least one value.
pub(crate) fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
