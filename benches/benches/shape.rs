//! From text to shape: what every statement that is not in the exact-text cache pays.

#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use router_core::sql::lexer::{Lexer, Options};
use router_core::sql::shape::{Shape, hash};

/// What applications and pgbench send most.
const STATEMENTS: &[(&str, &str)] = &[
    (
        "pgbench select",
        "SELECT abalance FROM pgbench_accounts WHERE aid = 48151;",
    ),
    (
        "pgbench update",
        "UPDATE pgbench_accounts SET abalance = abalance + -1623 WHERE aid = 48151;",
    ),
    (
        "pgbench insert",
        "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (7, 1, 48151, -1623, CURRENT_TIMESTAMP);",
    ),
    (
        "orm select by parameter",
        "SELECT \"users\".\"id\", \"users\".\"email\", \"users\".\"name\" FROM \"users\" WHERE \"users\".\"id\" = $1 LIMIT 1",
    ),
    (
        "join with order and limit",
        "SELECT u.id, u.name, o.id, o.total FROM users u JOIN orders o ON o.user_id = u.id WHERE u.id = 42 AND o.state = 'paid' ORDER BY o.created_at DESC LIMIT 20",
    ),
    (
        "IN list of 20",
        "SELECT id, name FROM users WHERE id IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)",
    ),
    (
        "insert of 3 rows",
        "INSERT INTO items (user_id, order_id, sku, quantity) VALUES (42, 1001, 'a-1', 2), (42, 1001, 'b-2', 1), (42, 1002, 'c-3', 5) RETURNING id",
    ),
    ("begin", "BEGIN"),
];

fn shape(c: &mut Criterion) {
    let mut group = c.benchmark_group("shape");
    let mut shape = Shape::new();
    for &(name, text) in STATEMENTS {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::new("read and hash", name), text, |b, text| {
            b.iter(|| {
                shape
                    .read(black_box(text), Options::default())
                    .expect("short");
                black_box(shape.hash(7))
            });
        });
    }
    for &(name, text) in &STATEMENTS[..1] {
        group.bench_with_input(BenchmarkId::new("lexer alone", name), text, |b, text| {
            b.iter(|| Lexer::new(black_box(text), Options::default()).count());
        });
        group.bench_with_input(BenchmarkId::new("hash of text", name), text, |b, text| {
            b.iter(|| hash(black_box(text).as_bytes(), 7));
        });
    }
    group.finish();
}

criterion_group!(benches, shape);
criterion_main!(benches);
