//! Whoever plans holds up all other clients of the same worker: eight times as long a statement may take some eight times as
//! long, not sixty-four.

mod shop;

use std::fmt::Write as _;

use router_core::plan::{Analysis, Context, Direction, Param, Planner};

use self::shop::{catalog, shop};

/// Processor time of this thread in nanoseconds: what else the machine does is not in it.
fn processor_time() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// What planning and resolving a text takes.
fn cost(text: &str, params: usize) -> i64 {
    let (topology, catalog) = (shop(Some("s1")), catalog());
    let search_path = ["public".to_owned()];
    let context = Context::new(&topology, &catalog, &search_path);
    let digits: Vec<String> = (0..params).map(|n| n.to_string()).collect();
    let param = |n: &'_ usize| Param {
        oid: 0,
        binary: false,
        value: digits[*n].as_bytes().into(),
    };
    let numbers: Vec<usize> = (0..params).collect();
    let params: Vec<Param<'_>> = numbers.iter().map(param).collect();
    let (mut planner, mut analysis) = (Planner::new(1 << 20), Analysis::new());
    let begun = processor_time();
    planner.analyze(text, &context, &mut analysis);
    for statement in analysis.statements() {
        let values = analysis.values(statement, text, &params, Direction::None);
        let _ = statement.plan.resolve(&topology, &values);
    }
    processor_time() - begun
}

fn list(n: usize, separator: &str, item: impl Fn(usize) -> String) -> String {
    let items: Vec<String> = (0..n).map(item).collect();
    items.join(separator)
}

/// `text` makes a statement of so many parts, and says how many parameters it has.
fn grows_with_its_length(name: &str, text: impl Fn(usize) -> (String, usize)) {
    let (few, many) = (text(400), text(3_200));
    // The least of several: a cache that is cold or a page that is not there yet is no growth.
    let least = |(text, params): &(String, usize)| {
        let costs = (0..2).map(|_| cost(text, *params));
        costs.min().expect("two")
    };
    let (few, many) = (least(&few), least(&many));
    assert!(
        many < 24 * few,
        "{name}: {few} ns for 400 parts, {many} ns for 3,200"
    );
}

#[test]
fn many_rows_are_inserted() {
    grows_with_its_length("literals", |n| {
        let rows = list(n, ", ", |i| format!("({i}, 'n{i}')"));
        (format!("INSERT INTO users (id, name) VALUES {rows}"), 0)
    });
    grows_with_its_length("parameters", |n| {
        let rows = list(n, ", ", |i| format!("(${}, ${})", 2 * i + 1, 2 * i + 2));
        let text = format!("INSERT INTO users (id, name) VALUES {rows}");
        (text, 2 * n)
    });
    grows_with_its_length("beside a row of another table", |n| {
        let rows = list(n, ", ", |i| {
            format!("({i}, (SELECT body FROM notes WHERE id = 1))")
        });
        (format!("INSERT INTO users (id, name) VALUES {rows}"), 0)
    });
    grows_with_its_length("with RETURNING and a time", |n| {
        let rows = list(n, ", ", |i| format!("({i}, now())"));
        let text = format!("INSERT INTO users (id, created) VALUES {rows} RETURNING id");
        (text, 0)
    });
}

#[test]
fn long_lists_are_searched() {
    grows_with_its_length("literals", |n| {
        let keys = list(n, ", ", |i| i.to_string());
        (format!("SELECT name FROM users WHERE id IN ({keys})"), 0)
    });
    grows_with_its_length("parameters", |n| {
        let keys = list(n, ", ", |i| format!("${}", i + 1));
        (
            format!("SELECT count(*) FROM users WHERE id IN ({keys})"),
            n,
        )
    });
    grows_with_its_length("by OR", |n| {
        let keys = list(n, " OR ", |i| format!("id = {i}"));
        (format!("DELETE FROM users WHERE {keys}"), 0)
    });
    grows_with_its_length("by AND", |n| {
        let keys = list(n, " AND ", |i| format!("id <> {i}"));
        (
            format!("SELECT name FROM users WHERE {keys} ORDER BY id"),
            0,
        )
    });
    grows_with_its_length("VALUES joined", |n| {
        let rows = list(n, ", ", |i| format!("({i}, 'n{i}')"));
        let text = format!("SELECT * FROM users JOIN (VALUES {rows}) v (a, b) ON v.a = users.id");
        (text, 0)
    });
    grows_with_its_length("VALUES that change rows", |n| {
        let rows = list(n, ", ", |i| format!("({i}, 'n{i}')"));
        let text = format!(
            "UPDATE users SET name = v.b FROM (VALUES {rows}) v (a, b) WHERE v.a = users.id"
        );
        (text, 0)
    });
}

#[test]
fn much_is_selected_and_said() {
    grows_with_its_length("columns", |n| {
        let columns = list(n, ", ", |i| format!("level + {i} AS c{i}"));
        (format!("SELECT {columns} FROM users ORDER BY id"), 0)
    });
    grows_with_its_length("aggregates", |n| {
        let columns = list(n, ", ", |i| format!("sum(level + {i})"));
        (format!("SELECT {columns} FROM users GROUP BY country"), 0)
    });
    grows_with_its_length("a gathered CASE", |n| {
        let whens = list(n, " ", |i| format!("WHEN a.level = {i} THEN 'n{i}'"));
        let text =
            format!("SELECT CASE {whens} END FROM users a JOIN users b ON a.level = b.level + 1");
        (text, 0)
    });
    grows_with_its_length("statements", |n| {
        let mut text = String::new();
        for i in 0..n {
            write!(text, "UPDATE users SET level = {i} WHERE id = {i}; ").expect("a string");
        }
        (text, 0)
    });
    grows_with_its_length("UNION", |n| {
        let parts = list(n / 10, " UNION ALL ", |i| {
            format!("SELECT name FROM users WHERE id = {i}")
        });
        (parts, 0)
    });
}
