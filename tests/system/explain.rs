//! `EXPLAIN` of what runs on several shards: what each server says, under a line that names the shard.

use shunt_tests::twin::{Pair, Twins, shown};

/// The rows of an answer, the columns of which are PostgreSQL's.
#[track_caller]
fn plan(pair: &mut Pair, sql: &str) -> Vec<String> {
    let messages = pair.shards.simple(sql).expect(sql);
    assert_eq!(messages[0].tag, b'T', "{sql}: {:?}", shown(&messages));
    let fields = messages[0].fields();
    assert_eq!((fields.len(), fields[0].0.as_str()), (1, "QUERY PLAN"));
    let tag = messages[messages.len() - 2].text();
    assert_eq!(tag, "EXPLAIN", "{sql}: {:?}", shown(&messages));
    let rows = messages.iter().filter(|message| message.tag == b'D');
    rows.map(|row| String::from_utf8(row.columns()[0].clone().unwrap()).unwrap())
        .collect()
}

#[track_caller]
fn titles(plan: &[String]) -> Vec<&str> {
    let titles = plan.iter().filter(|line| line.starts_with("Shard \""));
    titles.map(String::as_str).collect()
}

#[test]
fn each_shard_says_its_own_under_its_name() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    let scattered = plan(
        &mut pair,
        "explain (costs off) select * from accounts where balance > 50",
    );
    assert_eq!(
        titles(&scattered),
        ["Shard \"s0\":", "Shard \"s1\":", "Shard \"s2\":"]
    );
    assert_eq!(scattered[1], "Seq Scan on accounts");
    assert_eq!(scattered[2], "  Filter: (balance > 50)");
    assert_eq!(scattered.len(), 9);
    // On one shard it is PostgreSQL's own and nothing else.
    pair.both("explain (costs off) select * from accounts where id = 7");
    pair.both("explain (costs off) select 1");
    let sorted = plan(
        &mut pair,
        "explain (costs off) select id from accounts order by balance limit 2",
    );
    assert_eq!(
        titles(&sorted)[0],
        "Shard \"s0\", sorted rows that are merged:"
    );
    assert!(
        sorted.iter().any(|line| line.contains("Sort Key: balance")),
        "{sorted:#?}"
    );
    let gathered = "select count(*) from accounts a join accounts b on b.balance = a.balance + 10";
    let steps = plan(&mut pair, &format!("explain (costs off) {gathered}"));
    let shown = titles(&steps);
    assert!(
        shown.contains(&"Shard \"s1\", rows that are moved:"),
        "{steps:#?}"
    );
    assert_eq!(*shown.last().unwrap(), "Shard \"s0\", the answer:");
    // Nothing stays of the tables, and nothing was locked for long: it can be asked again, in a transaction too.
    pair.ask("begin");
    assert_eq!(
        plan(&mut pair, &format!("explain (costs off) {gathered}")),
        steps
    );
    assert_eq!(
        plan(&mut pair, &format!("explain (costs off) {gathered}")),
        steps
    );
    pair.ask("commit");
    assert_eq!(pair.ask(gathered), pair.both(gathered));
}

#[test]
fn analyze_runs_it() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    let off = "analyze, costs off, timing off, summary off";
    let read = plan(
        &mut pair,
        &format!("explain ({off}) select * from accounts where balance > 50"),
    );
    assert!(
        read.iter().any(|line| line.contains("actual rows=2")),
        "{read:#?}"
    );
    let joined = "select count(*) from accounts a join accounts b on b.balance = a.balance + 10";
    let gathered = plan(&mut pair, &format!("explain ({off}) {joined}"));
    let answer = gathered
        .iter()
        .rposition(|line| line.starts_with("Shard"))
        .unwrap();
    assert_eq!(gathered[answer], "Shard \"s0\", the answer:");
    assert!(
        gathered[answer..]
            .iter()
            .any(|line| line.contains("Join") && line.contains("rows=11")),
        "{gathered:#?}"
    );
    // What was moved: of each use of the table two columns of the rows of two shards.
    let moved = gathered.last().unwrap();
    assert!(
        moved.starts_with("Moved between shards: ") && !moved.contains(" 0 rows"),
        "{gathered:#?}"
    );
    // A write is carried out on all shards or on none.
    plan(
        &mut pair,
        &format!("explain ({off}) update accounts set balance = balance + 1"),
    );
    pair.whole
        .simple("update accounts set balance = balance + 1")
        .unwrap();
    pair.both("select id, balance from accounts order by id");
    let failed = pair.ask(&format!(
        "explain ({off}) update accounts set balance = 1 / (id - 5)"
    ));
    let error = failed.iter().any(|line| line.starts_with("ERROR 22012"));
    assert!(error, "{failed:?}");
    pair.both("select id, balance from accounts order by id");
    let split = plan(
        &mut pair,
        &format!("explain ({off}) insert into accounts (id) values (31), (32), (33)"),
    );
    assert_eq!(titles(&split).len(), 3);
    pair.whole
        .simple("insert into accounts (id) values (31), (32), (33)")
        .unwrap();
    let brought = "update accounts set balance = (select max(balance) from accounts) where id > 30";
    let steps = plan(&mut pair, &format!("explain ({off}) {brought}"));
    assert_eq!(*titles(&steps).last().unwrap(), "Shard \"s2\", the answer:");
    pair.whole.simple(brought).unwrap();
    let moved = "update accounts set id = id + 100 where id > 30";
    assert!(!titles(&plan(&mut pair, &format!("explain ({off}) {moved}"))).is_empty());
    pair.whole.simple(moved).unwrap();
    pair.both("select id, balance from accounts order by id");
    // Without ANALYZE nothing happens.
    plan(&mut pair, "explain delete from accounts");
    plan(
        &mut pair,
        "explain update accounts set id = id + 100 where id > 30",
    );
    plan(
        &mut pair,
        "explain insert into accounts (id) select id + 1000 from accounts",
    );
    pair.both("select id, balance from accounts order by id");
}

#[test]
fn documents_are_whole() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    let json = plan(&mut pair, "explain (format json) select * from accounts");
    assert_eq!(json.len(), 3);
    for document in &json {
        assert!(
            document.starts_with('[') && document.ends_with(']'),
            "{document}"
        );
    }
    let fields = pair
        .shards
        .simple("explain (format json) select * from accounts")
        .unwrap()[0]
        .fields();
    assert_eq!(fields[0].1, 114);
    assert_eq!(
        plan(&mut pair, "explain (format xml) select * from accounts").len(),
        3
    );
}

#[test]
fn prepared_statements_and_parameters_are_explained() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    pair.both("prepare q as select * from accounts where id = $1");
    pair.both("prepare r as select id from accounts where balance > $1 and note <> $2");
    let single = plan(&mut pair, "explain (costs off) execute q(7)");
    assert_eq!(titles(&single), ["Shard \"s1\":"]);
    assert!(single.iter().any(|line| line.contains("7")), "{single:#?}");
    let scattered = plan(&mut pair, "explain (costs off) execute r(3 + 4, 'x')");
    assert_eq!(titles(&scattered).len(), 3);
    assert!(
        scattered
            .iter()
            .any(|line| line.contains("balance > '7'::bigint")),
        "{scattered:#?}"
    );
    let shunt = plan(&mut pair, "explain (shunt) execute q(3 + 4)");
    assert!(shunt.iter().any(|line| line.contains("s1")), "{shunt:#?}");
    pair.both("explain (costs off) execute nothing(1)");
    let messages = pair
        .shards
        .extended(
            "explain (costs off) select * from accounts where balance > $1",
            &[Some("70")],
            false,
        )
        .unwrap();
    let lines = shown(&messages);
    assert!(
        lines
            .iter()
            .any(|line| line.contains("balance > '70'::bigint")),
        "{lines:#?}"
    );
    let messages = pair
        .shards
        .extended("explain (costs off) execute r(1, 'y')", &[], false)
        .unwrap();
    assert!(shown(&messages).contains(&"tag EXPLAIN".to_owned()));
}

/// How much there is to choose from, where somebody has counted.
#[test]
fn a_plan_says_among_how_many_rows_it_gathers() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    let join = "explain (shunt) select a.id, b.id from accounts a join accounts b on a.balance = b.balance";
    let moves = |pair: &mut Pair| {
        let lines = pair.ask(join);
        let moves = lines.iter().filter(|line| line.contains("move "));
        moves.cloned().collect::<Vec<_>>().join("\n")
    };
    assert!(moves(&mut pair).contains("move from all but s0"));
    for database in ["bank0", "bank1", "bank2"] {
        let analyzed = twins.server.execute(database, "analyze accounts");
        analyzed.expect("rows are counted");
    }
    pair.ask("create function seen() returns int immutable return 1");
    let counted = moves(&mut pair);
    assert!(
        counted.contains("move from all but s0 (of about 4 rows each) to "),
        "{counted}"
    );
}
