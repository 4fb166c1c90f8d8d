//! `BEGIN` where something was before it: a transaction, or other statements of the same message.

use shunt_tests::twin::Twins;

#[test]
fn begin_is_what_it_is_on_one_server_wherever_it_stands() {
    let twins = Twins::start();
    let scripts: &[&[&str]] = &[
        &["begin", "start transaction", "commit"],
        &["begin", "select 1/0", "start transaction", "rollback"],
        &[
            "begin",
            "commit and chain",
            "start transaction read only",
            "update accounts set note = 'x' where id = 1",
        ],
        &[
            "begin",
            "select note from accounts where id = 1",
            "start transaction read only",
            "update accounts set note = 'x' where id = 2",
        ],
        &[
            "begin",
            "select note from accounts where id = 1",
            "begin isolation level serializable",
            "select 1",
        ],
        &[
            "begin",
            "begin isolation level repeatable read",
            "select current_setting('transaction_isolation') from accounts where id = 1",
        ],
        &[
            "delete from accounts where id = 3; begin isolation level repeatable read",
            "select count(*) from accounts",
        ],
        &[
            "delete from accounts where id = 3; begin deferrable",
            "select count(*) from accounts",
        ],
        &[
            "delete from accounts where id = 3; begin isolation level read committed",
            "select count(*) from accounts",
        ],
        &[
            "delete from accounts where id = 3; start transaction read only",
            "update accounts set note = 'x' where id = 4",
        ],
    ];
    for script in scripts {
        let mut pair = twins.connect();
        for sql in *script {
            pair.both(sql);
        }
        pair.both("rollback");
        pair.both("select count(*), sum(balance) from accounts");
    }
}
