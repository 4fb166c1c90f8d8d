//! A catalog that is brought up to date where definitions touched it is the one that a whole reading gives.

use std::net::SocketAddr;

use local_postgres::Server;
use router_core::plan::{Analysis, Context, Planner, Touches};
use router_core::topology::Catalog;
use router_core::topology::catalog::{Source, read};
use shunt_tests::raw::{Message, RawClient};
use shunt_tests::shards::topology;

/// What of a catalog is read again after a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    Nothing,
    Touched,
    Whole,
}

/// In order; each is run on what those before have left.
const DEFINITIONS: &[(&str, Read)] = &[
    (
        "CREATE TABLE a (x serial PRIMARY KEY, y int DEFAULT 7 CHECK (y > 0), z timestamptz DEFAULT now())",
        Read::Touched,
    ),
    (
        "CREATE TABLE b (id bigint GENERATED ALWAYS AS IDENTITY, a int REFERENCES a ON DELETE CASCADE, UNIQUE (id, a))",
        Read::Touched,
    ),
    ("CREATE TABLE IF NOT EXISTS a (other int)", Read::Touched),
    ("CREATE TABLE box (path text COLLATE \"C\")", Read::Touched),
    ("CREATE TABLE \"It's\" (\"Column\" int)", Read::Touched),
    ("COMMENT ON TABLE a IS 'a'", Read::Nothing),
    ("GRANT SELECT ON a TO PUBLIC", Read::Nothing),
    ("CREATE SCHEMA more", Read::Nothing),
    (
        "CREATE SCHEMA even CREATE TABLE more_in_it (id int)",
        Read::Whole,
    ),
    ("CREATE TABLE more.a (k text)", Read::Touched),
    ("ALTER TABLE a OWNER TO CURRENT_USER", Read::Nothing),
    (
        "ALTER TABLE a ADD COLUMN w numeric(5, 2), ADD COLUMN v text NOT NULL DEFAULT 'x'",
        Read::Touched,
    ),
    (
        "ALTER TABLE ONLY a ALTER COLUMN w SET DEFAULT 1.5",
        Read::Touched,
    ),
    ("ALTER TABLE a ALTER v TYPE varchar(9)", Read::Touched),
    (
        "ALTER TABLE a ADD CONSTRAINT short CHECK (length(v) < 9) NOT VALID",
        Read::Touched,
    ),
    ("ALTER TABLE a VALIDATE CONSTRAINT short", Read::Touched),
    ("CREATE INDEX ON a (y) WHERE y > 1", Read::Touched),
    (
        "CREATE UNIQUE INDEX named ON more.a (k, lower(k))",
        Read::Touched,
    ),
    ("ALTER TABLE more.a ADD PRIMARY KEY (k)", Read::Touched),
    ("CREATE SEQUENCE counter AS int", Read::Touched),
    ("ALTER SEQUENCE counter OWNED BY a.y", Read::Touched),
    (
        "ALTER TABLE a ALTER y SET DEFAULT nextval('counter')",
        Read::Touched,
    ),
    (
        "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'begin new.y := 1; insert into b (a) values (1); return new; end'",
        Read::Whole,
    ),
    (
        "CREATE FUNCTION total() RETURNS bigint LANGUAGE sql STABLE AS 'select sum(y) from a'",
        Read::Whole,
    ),
    (
        "CREATE TRIGGER stamps BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION stamp()",
        Read::Touched,
    ),
    (
        "CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON b DEFERRABLE FOR EACH ROW EXECUTE FUNCTION stamp()",
        Read::Touched,
    ),
    (
        "CREATE VIEW low AS SELECT x, random() AS r FROM a WHERE y > 1",
        Read::Touched,
    ),
    (
        "CREATE VIEW high AS SELECT l.x, total() AS t FROM low l JOIN b ON b.a = l.x",
        Read::Touched,
    ),
    (
        "CREATE MATERIALIZED VIEW kept AS SELECT * FROM high",
        Read::Touched,
    ),
    ("CREATE INDEX ON kept (x)", Read::Touched),
    (
        "ALTER TABLE a ADD COLUMN u uuid DEFAULT gen_random_uuid()",
        Read::Touched,
    ),
    (
        "CREATE POLICY own ON b USING (a > (SELECT count(*) FROM more.a))",
        Read::Touched,
    ),
    ("ALTER TABLE b ENABLE ROW LEVEL SECURITY", Read::Touched),
    (
        "CREATE TABLE parted (x int, y int NOT NULL, PRIMARY KEY (x, y)) PARTITION BY RANGE (x)",
        Read::Touched,
    ),
    (
        "CREATE VIEW over_parted AS SELECT y FROM parted",
        Read::Touched,
    ),
    (
        "CREATE TABLE refers (x int, y int, FOREIGN KEY (x, y) REFERENCES parted ON DELETE SET NULL)",
        Read::Touched,
    ),
    (
        "CREATE TABLE part1 PARTITION OF parted FOR VALUES FROM (1) TO (10)",
        Read::Touched,
    ),
    (
        "CREATE TABLE part2 (x int NOT NULL, y int NOT NULL, PRIMARY KEY (x, y))",
        Read::Touched,
    ),
    (
        "ALTER TABLE ONLY parted ATTACH PARTITION part2 FOR VALUES FROM (10) TO (20)",
        Read::Touched,
    ),
    (
        "ALTER TABLE parted ADD COLUMN note text DEFAULT 'n'",
        Read::Touched,
    ),
    ("CREATE INDEX by_note ON ONLY parted (note)", Read::Touched),
    ("CREATE INDEX part1_note ON part1 (note)", Read::Touched),
    (
        "ALTER INDEX by_note ATTACH PARTITION part1_note",
        Read::Touched,
    ),
    (
        "CREATE TRIGGER parts AFTER INSERT ON parted FOR EACH ROW EXECUTE FUNCTION stamp()",
        Read::Touched,
    ),
    (
        "CREATE TABLE child (more int) INHERITS (box)",
        Read::Touched,
    ),
    ("CREATE TABLE copied (LIKE a INCLUDING ALL)", Read::Touched),
    ("CREATE TABLE made AS SELECT x, y FROM a", Read::Touched),
    ("ALTER TABLE box ADD COLUMN late int", Read::Touched),
    (
        "ALTER TABLE made ADD CONSTRAINT made_key UNIQUE (x), ADD FOREIGN KEY (x) REFERENCES a ON UPDATE CASCADE",
        Read::Touched,
    ),
    ("ALTER TABLE a RENAME COLUMN w TO ww", Read::Whole),
    ("ALTER TABLE box RENAME TO chest", Read::Whole),
    ("ALTER TABLE a DISABLE TRIGGER stamps", Read::Whole),
    (
        "CREATE OR REPLACE VIEW low AS SELECT x, 1.5::float8 AS r FROM a",
        Read::Whole,
    ),
    ("CREATE UNIQUE INDEX loose ON copied (x)", Read::Touched),
    (
        "ALTER TABLE copied ADD CONSTRAINT tight UNIQUE USING INDEX loose",
        Read::Whole,
    ),
    ("CREATE TYPE mood AS ENUM ('sad', 'ok')", Read::Whole),
    (
        "CREATE DOMAIN level AS int CHECK (VALUE > 0) DEFAULT 3",
        Read::Whole,
    ),
    (
        "ALTER TABLE a ADD COLUMN m mood, ADD COLUMN l level",
        Read::Touched,
    ),
    (
        "CREATE RULE quiet AS ON DELETE TO made DO INSTEAD NOTHING",
        Read::Whole,
    ),
    ("DROP TABLE made", Read::Whole),
    (
        "CREATE FUNCTION makes() RETURNS event_trigger LANGUAGE plpgsql AS 'begin execute ''create sequence if not exists by_the_way''; end'",
        Read::Whole,
    ),
    (
        "CREATE EVENT TRIGGER on_tables ON ddl_command_end WHEN tag IN ('CREATE TABLE') EXECUTE FUNCTION makes()",
        Read::Whole,
    ),
    ("CREATE TABLE last (id int)", Read::Whole),
];

fn rows(messages: &[Message]) -> Vec<Vec<Vec<String>>> {
    let mut answers = Vec::new();
    for message in messages {
        let text = |value: Option<Vec<u8>>| {
            String::from_utf8(value.unwrap_or_default()).expect("texts are in UTF-8")
        };
        match message.tag {
            b'T' => answers.push(Vec::new()),
            b'D' => {
                let row = message.columns().into_iter().map(text).collect();
                answers.last_mut().expect("rows are described").push(row);
            }
            b'E' => panic!("{message:?}"),
            _ => {}
        }
    }
    answers
}

fn whole(client: &mut RawClient) -> Source {
    let mut ask = |sql: &str| {
        let messages = client.simple(sql).expect("the server answers");
        rows(&messages).concat()
    };
    let answers = read::Answers {
        relations: ask(read::RELATIONS),
        columns: ask(read::COLUMNS),
        uses: ask(read::USES),
        functions: ask(read::FUNCTIONS),
    };
    Source::new(ask(read::BODIES), ask(read::LINKS), &answers)
}

/// What a definition touches, as it is planned.
fn touches(sql: &str, catalog: &Catalog) -> Touches {
    let (topology, search_path) = (topology(2), ["public".to_owned()]);
    let context = Context {
        per_shard: true,
        ..Context::new(&topology, catalog, &search_path)
    };
    let mut analysis = Analysis::new();
    Planner::new(1 << 20).analyze(sql, &context, &mut analysis);
    let [one] = analysis.statements() else {
        panic!("{sql} is one statement");
    };
    one.plan.touches.clone()
}

fn described(catalog: &Catalog) -> Vec<String> {
    let mut all: Vec<String> = catalog
        .relations()
        .map(|(name, relation)| format!("{name:?} {relation:?}"))
        .collect();
    all.sort();
    all.push(format!("{:?}", catalog.reach()));
    all
}

#[test]
fn what_a_definition_touched_is_all_that_has_to_be_read() {
    let server = Server::builder()
        .database("shop")
        .start()
        .expect("a server starts");
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let connect = || RawClient::trust(address, server.user(), "shop").expect("let in");
    let (mut client, mut reader) = (connect(), connect());
    reader.simple(read::SEARCH_PATH).expect("it answers");
    let mut known = whole(&mut reader);
    for (sql, expected) in DEFINITIONS {
        let touches = touches(sql, known.catalog());
        rows(&client.simple(sql).expect("the server answers"));
        let now = whole(&mut reader);
        let read = match &touches {
            Touches::Nothing => Read::Nothing,
            Touches::Anything => {
                known = now.clone();
                Read::Whole
            }
            Touches::Relations(names) => {
                let text = format!("{}; {}", read::touch(names), read::NARROWED.join("; "));
                let mut answers = rows(&reader.simple(&text).expect("the server answers"));
                answers.remove(0);
                known = known.touched(answers.try_into().expect("four queries"));
                Read::Touched
            }
        };
        let (own, other) = (described(known.catalog()), described(now.catalog()));
        let differ = own.iter().zip(&other).find(|(own, other)| own != other);
        assert_eq!(differ, None, "{sql}");
        assert_eq!(own.len(), other.len(), "{sql}");
        assert_eq!(
            known.catalog().residues(),
            now.catalog().residues(),
            "{sql}"
        );
        assert_eq!(read, *expected, "{sql}: {touches:?}");
        let fingerprints = [&known, &now].map(|it| it.catalog().fingerprint());
        assert_eq!(fingerprints[0], fingerprints[1], "{sql}");
    }
    // The numbers of what is new are those that are among all.
    let mut ask = |sql: &str| {
        let mut found = rows(&reader.simple(sql).expect("the server answers")).concat();
        found.sort();
        found
    };
    for name in ["a", "chest", "high", "parted"] {
        let some = ask(&read::numbers(&[name.into()].into()));
        let array = format!("_{name}");
        let mut all = ask(read::NAMED);
        all.retain(|row| row[2] == name || row[2] == array);
        assert_eq!(some, all, "{name}");
        assert!(some.len() >= 3, "{some:?}");
    }
}
