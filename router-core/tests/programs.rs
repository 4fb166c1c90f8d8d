#![allow(
    clippy::disallowed_methods,
    reason = "tests read and write golden files"
)]
//! Plans of reads over several shards, by topic: `goldens/program/*.txt`, in the form of `goldens/plan`.

mod constants;
mod shop;

use std::fmt::Write as _;
use std::path::Path;

use router_core::plan::{Analysis, Context, Planner};
use router_core::topology::{Catalog, Topology};

use self::constants::with_other_constants;
use self::shop::{catalog, shop};

fn planned(planner: &mut Planner, topology: &Topology, catalog: &Catalog, text: &str) -> String {
    let search_path = ["$user".to_owned(), "public".to_owned()];
    let context = Context::new(topology, catalog, &search_path);
    let mut analysis = Analysis::new();
    planner.analyze(text, &context, &mut analysis);
    let mut out = String::new();
    for statement in analysis.statements() {
        writeln!(out, "{}", statement.plan.print(topology))
            .expect("a string takes what is written");
    }
    out
}

fn topic(name: &str, topology: &Topology, catalog: &Catalog) {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/goldens/program/{name}.txt"));
    let golden = std::fs::read_to_string(&path).expect("the golden file can be read");
    let mut fresh = String::new();
    for case in golden
        .split("\n\n")
        .map(str::trim_end)
        .filter(|c| !c.is_empty())
    {
        let (statement, _) = case.split_once("\n----").unwrap_or((case, ""));
        let statement = statement.trim_start_matches('\n');
        if statement.lines().all(|l| l.starts_with('#')) {
            write!(fresh, "{statement}\n\n").expect("a string takes what is written");
            continue;
        }
        let plan = planned(&mut Planner::new(1 << 20), topology, catalog, statement);
        let mut other = Planner::new(1 << 20);
        planned(
            &mut other,
            topology,
            catalog,
            &with_other_constants(statement),
        );
        assert_eq!(
            plan,
            planned(&mut other, topology, catalog, statement),
            "behind the same with other constants: {statement}"
        );
        write!(fresh, "{statement}\n----\n{plan}\n").expect("a string takes what is written");
    }
    let fresh = fresh.trim_end();
    if std::env::var("INSTA_UPDATE").is_ok_and(|v| v == "always") {
        std::fs::write(&path, format!("{fresh}\n")).expect("the golden file can be written");
        return;
    }
    for (n, (was, is)) in golden.lines().zip(fresh.lines()).enumerate() {
        assert_eq!(
            was,
            is,
            "{} line {}; ./dev golden accepts it",
            path.display(),
            n + 1
        );
    }
    assert_eq!(golden.trim_end().lines().count(), fresh.lines().count());
}

#[test]
fn sorted() {
    topic("sorted", &shop(None), &catalog());
}

#[test]
fn gather() {
    topic("gather", &shop(Some("s1")), &catalog());
}

#[test]
fn partial() {
    topic("partial", &shop(Some("s1")), &catalog());
}

#[test]
fn merge_into() {
    topic("merge_into", &shop(Some("s1")), &catalog());
}

#[test]
fn views() {
    topic("views", &shop(Some("s1")), &catalog());
}

#[test]
fn gather_without_catalog() {
    topic(
        "gather_without_catalog",
        &shop(Some("s1")),
        &Catalog::unknown(),
    );
}
