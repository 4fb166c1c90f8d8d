//! Copies of a reference table stay equal, whatever else a statement does.

use shunt_tests::twin::{Twins, shown};

/// Statements that change `copies` on the way to something else. Each is answered as by one server, or refused.
const STATEMENTS: &[&str] = &[
    "with a as (update copies set name = name || '!' returning id) insert into accounts (id) select id + 100 from a",
    "with a as (delete from copies where id = 1 returning id) insert into accounts (id) select id + 200 from a",
    "with a as (update copies set name = 'v') insert into accounts (id) values (301), (302), (303)",
    "with a as (update copies set name = 'w') insert into accounts (id) values (311)",
    "with a as (update copies set name = 'x' returning id) insert into accounts (id) values ((select min(id) + 320 from a))",
    "with a as (update copies set name = 'y') delete from accounts where id = 3",
    "with a as (update copies set name = 'z') update accounts set balance = 1 where id = 4",
    "with a as (insert into copies values (9, 'nine')) delete from accounts where id = 5",
    "with a as (update copies set name = 'in') insert into copies values (10, 'ten')",
    "with a as (delete from copies where id = 2 returning *) update copies set name = 'two is gone' where id = 10",
    "with a as (insert into copies values (11, 'eleven') returning id) delete from copies where id = 10",
    "with a as (update copies set name = 'q' returning id) select * from a",
    "create table made as with a as (update copies set name = 'r' returning id) select * from a",
    "explain (analyze, costs off, timing off, summary off) with a as (update copies set name = 's') insert into accounts (id) values (330)",
    "prepare p as with a as (update copies set name = 't') insert into accounts (id) values (340)",
    "execute p",
];

#[test]
fn a_change_beside_another_is_made_on_every_copy() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    pair.both("insert into copies values (3, 'three')");
    let all = "select string_agg(id || ' ' || name, ',' order by id) from copies";
    for sql in STATEMENTS {
        let before = twins.server.execute("bank0", all).expect("a shard");
        let answer = shown(&pair.shards.simple(sql).expect(sql));
        let refused = answer[0].starts_with("ERROR");
        if !refused {
            pair.whole.simple(sql).expect(sql);
        }
        let whole = twins.server.execute("whole", all).expect("the database");
        for shard in ["bank0", "bank1", "bank2"] {
            let copy = twins.server.execute(shard, all).expect("a shard");
            assert_eq!(
                copy,
                if refused { &before } else { &whole }.as_str(),
                "{sql}: {shard}"
            );
        }
        assert!(
            answer[0].contains(" SH") || !refused || answer[0].contains("26000"),
            "{sql}: {answer:?}"
        );
    }
}
