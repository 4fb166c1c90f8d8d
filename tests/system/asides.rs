//! What the router asks of a server for itself, between a client's statements: it comes where nothing is unanswered, and
//! the client never hears of it. One connection; PostgreSQL itself says what is right.

use std::cell::RefCell;

use bytes::BytesMut;
use shunt_tests::one_server::{OneServer, one_connection, server_with};
use shunt_tests::raw::{Message, RawClient, frame};

/// A server, and a proxy of one worker with one connection to it.
fn start() -> OneServer {
    let server = server_with("create table t (a int); create table numbered (id serial, a int)");
    OneServer::adjusted(server, one_connection(), |settings| settings.workers = 1)
}

/// Tags, rows, errors by SQLSTATE, and states of the transaction.
fn heard(messages: &[Message]) -> Vec<String> {
    let column = |value: Option<Vec<u8>>| {
        value.map_or("NULL".into(), |v| String::from_utf8_lossy(&v).into_owned())
    };
    let shown = |message: &Message| match message.tag {
        b'D' => {
            let columns: Vec<String> = message.columns().into_iter().map(column).collect();
            Some(columns.join("|"))
        }
        b'E' => Some(message.error()?.code),
        b'C' | b'Z' => Some(message.text()),
        _ => None,
    };
    messages.iter().filter_map(shown).collect()
}

fn query(packet: &mut BytesMut, sql: &str) {
    frame(packet, b'Q', &[sql.as_bytes(), &[0]].concat());
}

fn parse(packet: &mut BytesMut, name: &str, sql: &str) {
    let body = [name.as_bytes(), &[0], sql.as_bytes(), &[0, 0, 0]].concat();
    frame(packet, b'P', &body);
}

fn execute(packet: &mut BytesMut, name: &str) {
    let body = [&[0], name.as_bytes(), &[0, 0, 0, 0, 0, 0, 0]].concat();
    frame(packet, b'B', &body);
    frame(packet, b'E', &[0; 5]);
}

fn sync(packet: &mut BytesMut) {
    frame(packet, b'S', &[]);
}

/// `Parse`, `Bind`, `Execute`, `Sync`.
fn run(packet: &mut BytesMut, sql: &str) {
    parse(packet, "", sql);
    execute(packet, "");
    sync(packet);
}

/// Sends a packet and hears so many times that the server is ready.
fn talk(client: &mut RawClient, packet: &BytesMut, times: usize) -> Vec<String> {
    client.write(packet).unwrap();
    (0..times)
        .flat_map(|_| heard(&client.until_ready().expect("an answer")))
        .collect()
}

type Say = fn(&mut BytesMut, &str);

/// `RESET` goes back to what the startup packet said, which the router puts in place by a `SET` of its own: not while
/// another statement is under way, whose answer would be taken for the answer to that.
#[test]
fn what_goes_back_to_the_startup_packet_does_so_between_statements() {
    let world = start();
    let startup = [("work_mem", "99kB")];
    let other = RefCell::new(world.connect());
    let ways: [(&str, Say); 2] = [("simple", query), ("extended", run)];
    for reset in [
        "reset work_mem",
        "reset all",
        "set work_mem to default",
        "discard all",
    ] {
        for (first, say_first) in ways {
            for (second, say_second) in ways {
                for (third, say_third) in ways {
                    let play = |connect: &dyn Fn() -> RawClient| {
                        let mut holder = world.direct();
                        heard(
                            &holder
                                .simple("begin; select pg_advisory_xact_lock(7)")
                                .unwrap(),
                        );
                        let mut client = connect();
                        let mut packet = BytesMut::new();
                        say_first(&mut packet, reset);
                        let slow = "select 7 from (select pg_advisory_xact_lock(7)) as held";
                        say_second(&mut packet, slow);
                        let mut seen = talk(&mut client, &packet, 1);
                        let mut packet = BytesMut::new();
                        say_third(&mut packet, "show work_mem");
                        client.write(&packet).unwrap();
                        // Its worker has seen that by the time it has answered somebody else twice.
                        for _ in 0..2 {
                            other.borrow_mut().simple("show shunt.shard").unwrap();
                        }
                        holder.simple("commit").unwrap();
                        for _ in 0..2 {
                            seen.extend(heard(&client.until_ready().expect("an answer")));
                        }
                        seen
                    };
                    let what = format!("{reset}: {first}, {second}, {third}");
                    world.same_with(&what, &startup, &play);
                }
            }
        }
    }
}

/// A statement that the router itself refuses fails the transaction as any other does.
#[test]
fn what_is_refused_in_a_transaction_fails_it() {
    let world = start();
    // PostgreSQL has no such statement either, and says so in the same words.
    let refused = "deallocate shunt_0000000000000000";
    let scripts: &[&[&str]] = &[
        &["begin", refused, "select 2", "commit", "select 4"],
        &[
            "begin",
            "insert into t values (1)",
            refused,
            "rollback",
            "select count(*) from t",
        ],
        &[
            "begin",
            "savepoint a",
            refused,
            "select 2",
            "rollback to a",
            "select 3",
            "commit",
            "select 4",
        ],
        &["begin", refused, refused, "rollback", refused, "select 1"],
        &["begin", "select 1/0", refused, "rollback"],
        &["begin", "commit", refused, "select 1"],
        &["begin", "select 1/0", "rollback", refused, "select 1"],
    ];
    for script in scripts {
        world.same(&script.join("; "), &|connect| {
            let mut client = connect();
            let say = |sql: &&str| heard(&client.simple(sql).unwrap());
            script.iter().flat_map(say).collect()
        });
        // All at once.
        world.same(&script.join(", "), &|connect| {
            let mut packet = BytesMut::new();
            script.iter().for_each(|sql| query(&mut packet, sql));
            talk(&mut connect(), &packet, script.len())
        });
    }
    // A name that the protocol has taken.
    world.same("a name that is taken", &|connect| {
        let mut client = connect();
        let mut packet = BytesMut::new();
        parse(&mut packet, "s1", "select 1");
        sync(&mut packet);
        for sql in [
            "begin",
            "prepare s1 as select 2",
            "select 2",
            "commit",
            "select 4",
        ] {
            query(&mut packet, sql);
        }
        talk(&mut client, &packet, 6)
    });
    // Behind what a pipeline has done without a Sync.
    world.same("behind a pipeline", &|connect| {
        let mut client = connect();
        let mut packet = BytesMut::new();
        parse(&mut packet, "", "insert into t values (1)");
        execute(&mut packet, "");
        query(&mut packet, refused);
        query(&mut packet, "select count(*) from t");
        talk(&mut client, &packet, 2)
    });
}

/// A client asks for what it drew in the same transaction, in whatever way that has begun, on a connection where somebody
/// else has drawn before.
#[test]
fn what_a_client_draws_it_can_ask_for_in_the_same_transaction() {
    let world = start();
    type Begin = fn(&mut BytesMut);
    let begins: [(&str, Begin); 4] = [
        ("simple", |packet| query(packet, "begin")),
        ("unnamed", |packet| {
            parse(packet, "", "begin");
            execute(packet, "");
        }),
        ("named", |packet| execute(packet, "b")),
        ("synced", |packet| {
            execute(packet, "b");
            sync(packet);
        }),
    ];
    let draw = "insert into numbered (a) values (1)";
    for (how, begin) in begins {
        for simple in [true, false] {
            let mut packet = BytesMut::new();
            begin(&mut packet);
            match simple {
                true => query(&mut packet, draw),
                false => run(&mut packet, draw),
            }
            let replies = match (how, simple) {
                // A query ends the pipeline before it.
                ("simple" | "synced", _) => 2,
                _ => 1,
            };
            world.same(&format!("{how}, simple: {simple}"), &|connect| {
                let mut client = connect();
                let mut prepared = BytesMut::new();
                parse(&mut prepared, "b", "begin");
                sync(&mut prepared);
                talk(&mut client, &prepared, 1);
                connect().simple(draw).unwrap();
                let mut seen = talk(&mut client, &packet, replies);
                let asked = "select lastval() = max(id) from numbered";
                seen.extend(heard(&client.simple(asked).unwrap()));
                seen.extend(heard(&client.simple("commit").unwrap()));
                seen
            });
        }
    }
}

/// SQL's `EXECUTE` of what the protocol has prepared changes what that changes.
#[test]
fn what_is_executed_by_name_sets_what_it_sets() {
    let world = start();
    let statements = [
        "set work_mem = '77kB'",
        "reset all",
        "set session characteristics as transaction read only",
        "select set_config('work_mem', '77kB', false)",
        "commit",
        "rollback",
        "begin",
        "deallocate all",
        "discard all",
    ];
    let executes = [
        "execute s1",
        "explain (analyze, costs off, timing off, summary off) execute s1",
        "execute s1; select 1",
    ];
    let look =
        "select current_setting('work_mem'), current_setting('default_transaction_read_only')";
    for statement in statements {
        for execute in executes {
            world.same(&format!("{execute}: {statement}"), &|connect| {
                let mut client = connect();
                let mut packet = BytesMut::new();
                parse(&mut packet, "s1", statement);
                sync(&mut packet);
                let mut seen = talk(&mut client, &packet, 1);
                for sql in ["set work_mem = '88kB'", execute, look, "rollback", look] {
                    seen.extend(heard(&client.simple(sql).unwrap()));
                }
                drop(client);
                seen.extend(heard(&connect().simple(look).unwrap()));
                seen
            });
        }
    }
}

/// What a client has been told of its settings, and what they are.
fn settings(client: &mut RawClient) -> Vec<String> {
    let told = ["TimeZone", "DateStyle", "client_encoding"].map(|name| {
        let known = client.parameters.iter().find(|(known, _)| known == name);
        format!("{known:?}")
    });
    let sql = "select current_setting('timezone'), current_setting('datestyle'), \
               current_setting('client_encoding'), current_setting('work_mem')";
    let are = heard(&client.simple(sql).unwrap());
    told.into_iter().chain(are).collect()
}

/// A client begins with the settings of its startup packet, and `RESET` goes back to them: at once, and without a word of
/// others.
#[test]
fn what_is_reset_is_as_the_startup_packet_said() {
    let world = start();
    let startup = [
        ("timezone", "CET"),
        ("datestyle", "German"),
        ("client_encoding", "LATIN1"),
        ("work_mem", "99kB"),
    ];
    let look = "select current_setting('work_mem'), current_setting('timezone')";
    let sets = "set work_mem = '1MB'; set timezone = 'Asia/Tokyo'";
    let scripts: &[&[&str]] = &[
        &["reset all"],
        &["discard all"],
        &["reset timezone"],
        &["set time zone local", look],
        &["set datestyle to default", look],
        &[sets, "reset all", look],
        &[sets, "reset work_mem -- and no more", look],
        &[
            sets,
            "select 1; reset all; select current_setting('work_mem'); set timezone = 'UTC'",
        ],
        &["select pg_advisory_unlock_all(); close all; unlisten *; reset all"],
        &["set work_mem to default; select current_setting('work_mem'); set work_mem = '1MB'"],
        &["begin; reset all; commit"],
        &["begin", sets, "reset all", look, "commit", look],
        &[sets, "begin", "reset all", look, "rollback", look],
        &[
            sets,
            "begin",
            "savepoint a",
            "reset all",
            look,
            "rollback to a",
            look,
            "commit",
            look,
        ],
        &[sets, "begin", "select 1/0", "reset all", "rollback", look],
        &[sets, "reset all; select 1/0", look],
        &["reset nosuch", look],
        &["set role none", "reset all", "reset role", look],
    ];
    for script in scripts {
        world.same_with(&script.join("; "), &startup, &|connect| {
            let mut client = connect();
            let mut seen = Vec::new();
            for sql in *script {
                seen.extend(heard(&client.simple(sql).unwrap()));
                if sql.starts_with("reset") || sql.starts_with("discard") {
                    seen.push(format!(
                        "{:?}",
                        client.parameters.iter().find(|it| it.0 == "TimeZone")
                    ));
                }
            }
            // On another client's connection, too, where this one keeps none.
            world.unless_kept(&mut connect(), "set work_mem = '2MB'");
            seen.extend(settings(&mut client));
            seen
        });
    }
    for sql in [
        "reset all",
        "discard all",
        "reset timezone",
        "set client_encoding to default",
    ] {
        world.same_with(&format!("extended {sql}"), &startup, &|connect| {
            let mut client = connect();
            let mut packet = BytesMut::new();
            run(&mut packet, "set timezone = 'Asia/Tokyo'");
            run(&mut packet, sql);
            run(&mut packet, "select current_setting('timezone')");
            let mut seen = talk(&mut client, &packet, 3);
            seen.extend(settings(&mut client));
            seen
        });
    }
}

/// What one pipeline, message or portal does to settings and statements is known when the next one comes.
#[test]
fn what_is_done_in_one_message_is_known_in_the_next() {
    let world = start();
    let pipelines: &[&[&str]] = &[
        &["begin", "set datestyle = 'German'", "commit"],
        &["begin", "set datestyle = 'ymd'", "commit"],
        &[
            "begin",
            "set datestyle = 'SQL, DMY'",
            "commit and chain",
            "rollback",
        ],
        &[
            "begin",
            "set datestyle = 'SQL, DMY'",
            "set local datestyle = 'German'",
            "commit",
        ],
        &[
            "begin",
            "select set_config('datestyle', 'German', false)",
            "commit",
            "select 1",
        ],
        &["set work_mem = '5MB'", "prepare transaction 'q8'"],
        &[
            "select set_config('work_mem', '5MB', false)",
            "prepare transaction 'q8'",
        ],
        &["discard all", "listen news"],
        &["discard all", "set work_mem = '5MB'"],
    ];
    let look = "select current_setting('work_mem'), date '01.02.2024', (select count(*) from pg_listening_channels())";
    for pipeline in pipelines {
        world.same(&pipeline.join("; "), &|connect| {
            let mut client = connect();
            let mut packet = BytesMut::new();
            for sql in *pipeline {
                parse(&mut packet, "", sql);
                execute(&mut packet, "");
            }
            sync(&mut packet);
            let mut seen = talk(&mut client, &packet, 1);
            if !pipeline.contains(&"listen news") {
                seen.extend(heard(&connect().simple(look).unwrap()));
            }
            seen.extend(heard(&client.simple(look).unwrap()));
            drop(client);
            seen.extend(heard(&connect().simple(look).unwrap()));
            seen
        });
    }
    world.same("a portal that is fetched from", &|connect| {
        let mut client = connect();
        let mut packet = BytesMut::new();
        query(&mut packet, "begin");
        parse(
            &mut packet,
            "",
            "select set_config('work_mem', '5MB', false)",
        );
        frame(&mut packet, b'B', b"p1\0\0\0\0\0\0\0\0");
        sync(&mut packet);
        query(&mut packet, "fetch all from p1");
        query(&mut packet, "commit");
        let mut seen = talk(&mut client, &packet, 4);
        seen.extend(heard(&client.simple(look).unwrap()));
        drop(client);
        seen.extend(heard(&connect().simple(look).unwrap()));
        seen
    });
    for synced in [false, true] {
        for known in [false, true] {
            world.same(
                &format!("DISCARD ALL, synced: {synced}, known: {known}"),
                &|connect| {
                    let mut client = connect();
                    let mut packet = BytesMut::new();
                    if known {
                        parse(&mut packet, "s9", "select 8");
                    }
                    sync(&mut packet);
                    parse(&mut packet, "", "discard all");
                    execute(&mut packet, "");
                    if synced {
                        sync(&mut packet);
                    }
                    parse(&mut packet, "s9", "select 9");
                    execute(&mut packet, "s9");
                    sync(&mut packet);
                    execute(&mut packet, "s9");
                    sync(&mut packet);
                    talk(&mut client, &packet, if synced { 4 } else { 3 })
                },
            );
        }
    }
    world.same("DEALLOCATE among others", &|connect| {
        let mut client = connect();
        let mut packet = BytesMut::new();
        parse(&mut packet, "s1", "select 1");
        parse(&mut packet, "Odd\"name", "select 3");
        sync(&mut packet);
        query(&mut packet, "select 7; deallocate s1; select 8");
        parse(&mut packet, "s1", "select 2");
        execute(&mut packet, "s1");
        sync(&mut packet);
        query(&mut packet, "deallocate \"Odd\"\"name\"; deallocate s1");
        execute(&mut packet, "s1");
        sync(&mut packet);
        talk(&mut client, &packet, 5)
    });
    world.same("a Sync ahead of a COPY's data", &|connect| {
        let mut client = connect();
        let mut packet = BytesMut::new();
        query(&mut packet, "copy t from stdin");
        sync(&mut packet);
        frame(&mut packet, b'c', &[]);
        let mut seen = talk(&mut client, &packet, 1);
        seen.extend(heard(&client.simple("select 1").unwrap()));
        seen
    });
}
