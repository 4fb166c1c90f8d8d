//! Seeded conversations over a small pool of statements, so that names, portals, transactions and
//! settings meet each other in ways nobody would write down.

use super::Op;
use crate::differential::generator::Random;

/// Texts for either protocol.
const TEXTS: &[&str] = &[
    "select 1",
    "select 1",
    "select a, b from t order by a",
    "select a, b from t order by a",
    "select generate_series(1, 5)",
    "values (1, 'x'), (2, null)",
    "insert into t values (7, 'seven')",
    "insert into t values (8, 'eight') returning a",
    "update t set b = 'new' where a = 1",
    "delete from t where a = 2",
    "insert into t values (1, 'twice')",
    "select 1/0",
    "select 1 / (a - 2) from generate_series(1, 3) a",
    "selec",
    "select nowhere",
    "",
    " ; ",
    "begin",
    "begin",
    "start transaction read only",
    "commit",
    "commit",
    "end",
    "rollback",
    "rollback",
    "commit and chain",
    "rollback and no chain",
    "savepoint s",
    "rollback to s",
    "release s",
    "set work_mem = '77kB'",
    "set work_mem to default",
    "set local work_mem = '78kB'",
    "reset work_mem",
    "reset all",
    "show work_mem",
    "show work_mem",
    "set application_name = 'me'",
    "set datestyle = 'SQL, DMY'",
    "show datestyle",
    "select date '2020-02-03'",
    "set timezone = 'Asia/Tokyo'",
    "select set_config('work_mem', '79kB', false)",
    "select set_config('work_mem', '80kB', true)",
    "set session characteristics as transaction read only",
    "set transaction isolation level serializable",
    "show transaction_isolation",
    "declare c cursor for select generate_series(1, 9)",
    "declare c cursor with hold for select generate_series(1, 9)",
    "fetch 2 from c",
    "move 1 from c",
    "close c",
    "prepare x as select 10",
    "prepare x (int) as select $1 + 1",
    "execute x",
    "execute x (5)",
    "deallocate x",
    "deallocate all",
    "deallocate a",
    "discard all",
    "discard plans",
    "copy t to stdout",
    "copy (select a from t order by a) to stdout",
    "copy t from stdin",
    "copy t from stdin",
    "copy u from stdin csv",
    "copy nowhere from stdin",
    "do $$ begin raise notice 'note'; end $$",
    "do $$ begin raise warning 'hm'; raise exception 'oh'; end $$",
    "do $$ begin perform set_config('work_mem', '81kB', false); end $$",
    "create temp table scratch (a int)",
    "select count(*) from scratch",
    "drop table scratch",
    "create temp table gone on commit drop as select 1 as a",
    "listen news",
    "notify news, 'hello'",
    "unlisten *",
    "select pg_advisory_lock(7)",
    "select pg_advisory_unlock(7)",
    "lock table t in share mode",
    "truncate u",
    "select nextval('counter')",
    "select currval('counter')",
    "explain (costs off) select 1",
    "vacuum u",
    "with w as (delete from t where a = 1 returning a) select a from w",
    "select repeat('long ', 3000)",
    "select a from t where false",
    "set role low",
    "select current_user = session_user",
    "reset role",
    "select set_by_function()",
    "insert into watched values (1)",
    "select loud(3)",
];

/// Texts of several statements: for simple queries, and as an error for `Parse`.
const SEVERAL: &[&str] = &[
    "select 1; select 2",
    "execute a",
    "execute a (1)",
    "insert into t values (9, 'nine'); select 1/0",
    "insert into t values (9, 'nine'); commit; select 1/0",
    "begin; insert into t values (9, 'nine'); commit",
    "begin; insert into t values (9, 'nine'); select 1/0; commit",
    "select 1; begin; select 2",
    "commit; select 1",
    "select 1; rollback; select 2",
    "set work_mem = '82kB'; select 1/0",
    "set work_mem = '83kB'; show work_mem",
    "begin; set work_mem = '84kB'; rollback; show work_mem",
    "copy t from stdin; select 1",
    "copy t to stdout; select 1",
    "select 1; copy u from stdin; copy u from stdin; select 2",
    "select 1; selec; select 2",
    ";;select 1;;",
    "savepoint s; select 1",
    "begin; savepoint s; select 1/0",
    "create temp table scratch (a int); insert into scratch values (1); select * from scratch",
    "declare c cursor for select generate_series(1, 9); fetch 3 from c",
    "prepare x as select 11; execute x",
    "select 1; vacuum u",
    "deallocate all; select 1",
    "set local work_mem = '85kB'; show work_mem",
    "begin transaction isolation level serializable; show transaction_isolation",
    "notify news; select 1",
];

/// Texts with parameters: the text, types given, how many parameters.
const PARAMETERS: &[(&str, &[u32], usize)] = &[
    ("select $1::int + 1", &[], 1),
    ("select $1", &[25], 1),
    ("select a, b from t where a >= $1 order by a", &[23], 1),
    ("insert into t values ($1, $2)", &[], 2),
    (
        "select $1::text, $2::int from generate_series(1, 4)",
        &[0, 0],
        2,
    ),
    ("select set_config('work_mem', $1, false)", &[], 1),
    ("select 10 / $1::int", &[], 1),
];

const STATEMENTS: &[&str] = &["", "", "a", "b"];
const PORTALS: &[&str] = &["", "", "", "p", "q"];
const VALUES: &[Option<&str>] = &[
    Some("1"),
    Some("2"),
    Some("0"),
    Some("30"),
    Some(""),
    Some("x"),
    None,
];
const DATA: &[&[u8]] = &[
    b"21\ttwenty-one\n",
    b"22\t\\N\n",
    b"broken\n",
    b"",
    b"23\tha",
    b"lf\n",
    b"1\ttwice\n",
    b"\\.\n",
];

/// A conversation of about `length` messages.
pub fn generate(seed: u64, length: usize) -> Vec<Op> {
    let mut talk = Talk {
        random: Random::new(seed),
        ops: Vec::new(),
        parameters: [0; 3],
    };
    while talk.ops.len() < length {
        talk.phrase();
    }
    talk.ops
}

struct Talk {
    random: Random,
    ops: Vec<Op>,
    /// How many parameters the statements "", a, b were last given.
    parameters: [usize; 3],
}

impl Talk {
    fn text(&mut self) -> String {
        self.random.pick(TEXTS).to_owned()
    }

    fn index(name: &str) -> usize {
        STATEMENTS[1..]
            .iter()
            .position(|known| *known == name)
            .unwrap_or(0)
    }

    fn phrase(&mut self) {
        match self.random.below(100) {
            0..26 => {
                let text = self.text();
                self.query(text);
            }
            26..38 => {
                let text = self.random.pick(SEVERAL).to_owned();
                self.query(text);
            }
            38..78 => self.pipeline(),
            78..84 => self.copy(),
            84..87 => {
                let arguments = [vec!["4", "3"], vec!["4"], vec!["x", "1"]];
                let arguments = arguments[self.random.below(3)].clone();
                // int4pl; and one that is not there.
                let oid = if self.random.chance(80) { 177 } else { 1 };
                self.ops.push(Op::Function(oid, arguments));
            }
            87..96 => self.ops.push(Op::Wait),
            96..99 => self.message(),
            _ if self.random.chance(6) => self.violation(),
            _ => self.ops.push(Op::Sync),
        }
    }

    fn query(&mut self, text: String) {
        let copies = text.starts_with("copy") && text.contains("stdin");
        self.ops.push(Op::Query(text));
        if copies && self.random.chance(80) {
            self.copy();
        }
    }

    fn copy(&mut self) {
        for _ in 0..self.random.below(4) {
            let data = DATA[self.random.below(DATA.len())];
            self.ops.push(Op::CopyData(data));
        }
        match self.random.below(10) {
            0..7 => self.ops.push(Op::CopyDone),
            7..9 => self.ops.push(Op::CopyFail),
            _ => {}
        }
    }

    fn parse(&mut self, name: &'static str) {
        let (text, types, count) = if self.random.chance(40) {
            let (text, types, count) = PARAMETERS[self.random.below(PARAMETERS.len())];
            (text.to_owned(), types.to_vec(), count)
        } else if self.random.chance(4) {
            (self.random.pick(SEVERAL).to_owned(), Vec::new(), 0)
        } else {
            (self.text(), Vec::new(), 0)
        };
        self.parameters[Self::index(name)] = count;
        self.ops.push(Op::Parse(name, text, types));
    }

    fn bind(&mut self, portal: &'static str, name: &'static str) {
        let mut count = self.parameters[Self::index(name)];
        if self.random.chance(3) {
            count += 1;
        }
        let values = (0..count)
            .map(|_| VALUES[self.random.below(VALUES.len())])
            .collect();
        let formats = match self.random.below(10) {
            0..7 => vec![],
            7..9 => vec![1],
            _ => vec![0, 1],
        };
        self.ops.push(Op::Bind(portal, name, values, formats));
    }

    /// Statement after statement, mostly in good order, mostly ended.
    fn pipeline(&mut self) {
        for _ in 0..=self.random.below(4) {
            let name = STATEMENTS[self.random.below(STATEMENTS.len())];
            let portal = PORTALS[self.random.below(PORTALS.len())];
            if self.random.chance(if name.is_empty() { 85 } else { 50 }) {
                if !name.is_empty() && self.random.chance(80) {
                    self.ops.push(Op::Close(b'S', name));
                }
                self.parse(name);
            }
            if self.random.chance(15) {
                self.ops.push(Op::Describe(b'S', name));
            }
            if self.random.chance(88) {
                self.bind(portal, name);
            }
            if self.random.chance(30) {
                self.ops.push(Op::Describe(b'P', portal));
            }
            for _ in 0..[1, 1, 1, 1, 2, 0][self.random.below(6)] {
                let rows = [0, 0, 0, 1, 2][self.random.below(5)];
                self.ops.push(Op::Execute(portal, rows));
            }
            if self.random.chance(8) {
                self.copy();
            }
            if self.random.chance(10) {
                self.message();
            }
        }
        match self.random.below(20) {
            0..16 => self.ops.push(Op::Sync),
            16 => self.ops.push(Op::Flush),
            17 => self.ops.extend([Op::Flush, Op::Wait]),
            18 => self.ops.extend([Op::Sync, Op::Sync]),
            _ => {}
        }
    }

    /// Any message of the extended protocol.
    fn message(&mut self) {
        let name = STATEMENTS[self.random.below(STATEMENTS.len())];
        let portal = PORTALS[self.random.below(PORTALS.len())];
        match self.random.below(9) {
            0 => self.parse(name),
            1 => self.bind(portal, name),
            2 => self.ops.push(Op::Describe(b'S', name)),
            3 => self.ops.push(Op::Describe(b'P', portal)),
            4 => self.ops.push(Op::Execute(portal, 1)),
            5 => self.ops.push(Op::Close(b'S', name)),
            6 => self.ops.push(Op::Close(b'P', portal)),
            7 => self.ops.push(Op::Flush),
            _ => self.ops.push(Op::Sync),
        }
    }

    fn violation(&mut self) {
        let (tag, body): (u8, &[u8]) = [
            (b'@', &b""[..]),
            (b'p', b"password\0"),
            (b'B', b"no end"),
            (b'D', b"X\0"),
            (b'P', b"\0select 1\0\0\x05"),
            (b'E', b"\0"),
            (b'C', b""),
            (b'Q', b"no end"),
            (b'F', b"\0"),
            (b'S', b"more"),
        ][self.random.below(10)];
        self.ops.push(Op::Raw(tag, body.to_vec()));
    }
}
