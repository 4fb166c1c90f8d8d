//! One plain PostgreSQL, the same data spread over shards, and Shunt in front of them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use local_postgres::Server;
use router_core::topology::{Home, Topology};

use super::outcome::{Answer, Outcome};
use crate::proxy::TestProxy;
use crate::raw::RawClient;

/// Tables of the schema, in an order in which they may be filled.
const TABLES: [&str; 18] = [
    "countries",
    "users",
    "orders",
    "items",
    "docs",
    "logins",
    "readings",
    "events",
    "tenants",
    "regions",
    "audit_log",
    "notes",
    "crm.leads",
    "\"Odd Names\"",
    "parts",
    "base",
    "kinds",
    "child",
];
const DATABASE: &str = "shop";

/// Reference, shards and proxy.
pub struct World {
    reference: Server,
    shards: Vec<Server>,
    proxy: TestProxy,
    reference_admin: RawClient,
    shard_admins: Vec<RawClient>,
    topology: std::sync::Arc<Topology>,
    /// The columns of each table that can be written.
    columns: std::collections::HashMap<&'static str, String>,
    /// What was in the tables when they were loaded, and when they were last looked at: of the plain server, and of each shard.
    pristine: Vec<Contents>,
    seen: Vec<Contents>,
}

/// The rows of each table of one server.
#[derive(Default)]
struct Contents(std::collections::HashMap<String, Vec<String>>);

impl Contents {
    /// By the parts of a query over all of them.
    fn of(client: &mut RawClient, parts: &[String]) -> anyhow::Result<Self> {
        let mut contents = Self::default();
        let outcome = run(client, &parts.join(" UNION ALL "))?;
        let Some(Answer::Rows { rows, .. }) = outcome.answers.into_iter().next() else {
            anyhow::bail!("rows expected of what is in the tables");
        };
        let text = |c: Option<Vec<u8>>| c.map(|c| String::from_utf8_lossy(&c).into_owned());
        for mut row in rows {
            let (of, name) = (text(row.swap_remove(1)), text(row.swap_remove(0)));
            contents
                .0
                .entry(name.unwrap_or_default())
                .or_default()
                .extend(of);
        }
        contents.0.values_mut().for_each(|rows| rows.sort());
        Ok(contents)
    }

    fn rows(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}

/// What rows of a table that are not at home are called.
fn strays(table: &str) -> String {
    format!("strays of {table}")
}

/// A part of a query over all tables: rows as text, with what they are called. No column has the name that a row has there.
fn part(name: &str, from: &str) -> String {
    let name = name.replace('\'', "''");
    format!("SELECT '{name}'::text, whole_row::text FROM {from}")
}

/// What the worlds differ in.
#[derive(Clone, Debug)]
pub struct Setting {
    /// How many shards.
    pub shards: usize,
    /// Whether one of them finishes queries.
    pub scratch: bool,
    /// The ICU locale of the databases; C where there is none.
    pub locale: Option<String>,
    /// How users and what belongs to them are spread.
    pub strategy: Strategy,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            shards: 3,
            scratch: true,
            locale: None,
            strategy: Strategy::Hash,
        }
    }
}

/// The strategies of a placement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Strategy {
    /// `hash`
    Hash,
    /// `consistent`
    Consistent,
    /// `modulo`
    Modulo,
    /// `range`
    Range,
    /// `list`
    List,
}

impl Strategy {
    /// The lines of a placement of `bigint` keys over shards, of which `last` is the last one's number.
    fn of_bigints(self, all: &str, last: usize) -> String {
        let middle = 1.min(last);
        match self {
            Self::Hash => format!("strategy = \"hash\"\nshards = [{all}]\n"),
            Self::Consistent => format!("strategy = \"consistent\"\nshards = [{all}]\n"),
            Self::Modulo => format!("strategy = \"modulo\"\nshards = [{all}]\n"),
            Self::Range => format!(
                "strategy = \"range\"\nranges = [{{ to = 8, shard = \"s{last}\" }}, \
                 {{ from = 8, to = 20, shard = \"s0\" }}, {{ from = 20, shard = \"s{middle}\" }}]\n"
            ),
            Self::List => format!(
                "strategy = \"list\"\nlists = [{{ values = [1, 3, 5, 8, 13, 21, 34], shard = \"s0\" }}, \
                 {{ values = [2, 4, 6, 10, 12, 14, 30, -5], shard = \"s{middle}\" }}]\ndefault = \"s{last}\"\n"
            ),
        }
    }
}

/// Where schema, data and corpus lie.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("differential")
}

impl World {
    /// Starts everything and loads the data.
    pub fn start(shards: usize) -> anyhow::Result<Self> {
        Self::with(&Setting {
            shards,
            ..Setting::default()
        })
    }

    /// The same, in another setting.
    pub fn with(setting: &Setting) -> anyhow::Result<Self> {
        let shards = setting.shards;
        // Vacuuming on a machine that is slow moved rows and took numbers (OIDs) on one server and not on another: what comes in
        // no order came in another one, and a binary array of an enum has the enum's number in it.
        let base = || {
            Server::builder()
                .database(DATABASE)
                .set("autovacuum", "off")
        };
        let builder = || match &setting.locale {
            Some(locale) => base()
                .initdb_argument("--locale-provider=icu")
                .initdb_argument(&format!("--icu-locale={locale}")),
            None => base(),
        };
        let (reference, shards) = std::thread::scope(|scope| {
            let reference = scope.spawn(|| builder().start());
            let shards: Vec<_> = (0..shards)
                .map(|_| scope.spawn(|| builder().start()))
                .collect();
            let shards = shards
                .into_iter()
                .map(|s| s.join().expect("a server's start does not panic"))
                .collect::<Result<Vec<_>, _>>();
            (
                reference.join().expect("a server's start does not panic"),
                shards,
            )
        });
        let (reference, shards) = (reference?, shards?);
        let schema = std::fs::read_to_string(directory().join("schema.sql"))?;
        let data = std::fs::read_to_string(directory().join("data.sql"))?;
        let setup = format!("BEGIN;\n{schema}\n{data}\nCOMMIT;");
        let mut reference_admin = admin(&reference)?;
        let mut shard_admins = shards.iter().map(admin).collect::<Result<Vec<_>, _>>()?;
        run(&mut reference_admin, &setup)?;
        for shard in &mut shard_admins {
            run(shard, &setup)?;
        }
        let settings = settings(&shards, setting)?;
        let topology = std::sync::Arc::clone(&settings.databases[0].topology);
        let proxy = TestProxy::start(settings);
        let mut world = Self {
            reference,
            shards,
            proxy,
            reference_admin,
            shard_admins,
            topology,
            columns: Default::default(),
            pristine: Vec::new(),
            seen: Vec::new(),
        };
        world.spread()?;
        world.keep_pristine()?;
        world.pristine = world.survey()?;
        Ok(world)
    }

    /// The topology that Shunt routes by.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Where Shunt listens.
    pub fn proxy_address(&self) -> SocketAddr {
        self.proxy.address
    }

    /// A client of the plain server.
    pub fn reference_client(&self) -> anyhow::Result<RawClient> {
        admin(&self.reference)
    }

    /// A client of Shunt.
    pub fn shunt_client(&self) -> anyhow::Result<RawClient> {
        RawClient::trust(self.proxy.address, "app", DATABASE)
    }

    /// The shards' servers.
    pub fn shards(&self) -> &[Server] {
        &self.shards
    }

    /// The first difference between the plain server's tables and the shards', with rows that are not at home.
    pub fn difference(&mut self) -> anyhow::Result<Option<String>> {
        self.seen = self.survey()?;
        let (reference, shards) = self.seen.split_first().expect("there is a plain server");
        for table in TABLES {
            let expected = reference.rows(table);
            let home = home(&self.topology, table);
            let mut union: Vec<&String> = Vec::new();
            for (index, shard) in shards.iter().enumerate() {
                let rows = shard.rows(table);
                if matches!(home, Some(Home::Reference)) {
                    if rows != expected {
                        return Ok(Some(format!(
                            "{table} on shard s{index} is {rows:?} instead of {expected:?}"
                        )));
                    }
                    continue;
                }
                let strays = shard.rows(&strays(table)).len();
                if strays > 0 {
                    return Ok(Some(format!(
                        "{strays} rows of {table} on shard s{index} are not at home there"
                    )));
                }
                union.extend(rows);
            }
            if matches!(home, Some(Home::Reference)) {
                continue;
            }
            union.sort();
            if !union.iter().copied().eq(expected) {
                let extra: Vec<_> = union
                    .iter()
                    .filter(|r| !expected.contains(r))
                    .take(5)
                    .collect();
                let missing: Vec<_> = expected
                    .iter()
                    .filter(|r| !union.contains(r))
                    .take(5)
                    .collect();
                return Ok(Some(format!(
                    "{table} has {} rows instead of {}; too many: {extra:?}; missing: {missing:?}",
                    union.len(),
                    expected.len()
                )));
            }
        }
        Ok(None)
    }

    /// What is in the tables of the plain server, and of each shard.
    fn survey(&mut self) -> anyhow::Result<Vec<Contents>> {
        let tables: Vec<String> = TABLES
            .iter()
            .map(|table| part(table, &format!("{table} whole_row")))
            .collect();
        let mut seen = vec![Contents::of(&mut self.reference_admin, &tables)?];
        // One shard holds everything, also what a placement would not place.
        let several = self.shards.len() > 1;
        for (index, shard) in self.shard_admins.iter_mut().enumerate() {
            let mut parts = tables.clone();
            for table in TABLES {
                if let Some(Home::Sharded { key, placement }) = home(&self.topology, table)
                    && several
                {
                    let columns: Vec<&str> = key.iter().map(String::as_str).collect();
                    let id = router_core::id::ShardId(index as u16);
                    let at_home =
                        self.topology.placements[placement.index()].predicate(&columns, id);
                    let rows = format!("{table} whole_row WHERE NOT ({at_home})");
                    parts.push(part(&strays(table), &rows));
                }
            }
            seen.push(Contents::of(shard, &parts)?);
        }
        Ok(seen)
    }

    /// Puts every table back as it was loaded, which has other rows by what [`difference`](Self::difference) saw last.
    pub fn restore(&mut self) -> anyhow::Result<()> {
        let changed: Vec<&str> = TABLES
            .into_iter()
            .filter(|table| {
                let mut pairs = self.seen.iter().zip(&self.pristine);
                // They go together, for one refers to the other.
                let both = matches!(*table, "kinds" | "child");
                let names = if both {
                    vec!["kinds", "child"]
                } else {
                    vec![*table]
                };
                pairs.any(|(is, was)| names.iter().any(|n| is.rows(n) != was.rows(n)))
            })
            .collect();
        let mut sql = String::from(
            "BEGIN; SET LOCAL client_min_messages = error; DROP TABLE IF EXISTS copy_of_users, made; DROP SCHEMA IF EXISTS extra CASCADE;",
        );
        if !changed.is_empty() {
            sql.push_str(&format!("TRUNCATE {};", changed.join(", ")));
        }
        for table in changed {
            let columns = &self.columns[table];
            sql.push_str(&format!(
                "INSERT INTO {table} ({columns}) SELECT {columns} FROM pristine.{};",
                plain(table)
            ));
        }
        sql.push_str("COMMIT;");
        run(&mut self.reference_admin, &sql)?;
        for shard in &mut self.shard_admins {
            run(shard, &sql)?;
        }
        Ok(())
    }

    /// Leaves on each shard only the rows that live there.
    fn spread(&mut self) -> anyhow::Result<()> {
        for (index, shard) in self.shard_admins.iter_mut().enumerate() {
            let id = router_core::id::ShardId(index as u16);
            for table in TABLES {
                let sql = match home(&self.topology, table) {
                    Some(Home::Reference) => continue,
                    Some(Home::Sharded { key, placement }) => {
                        let columns: Vec<&str> = key.iter().map(String::as_str).collect();
                        let predicate =
                            self.topology.placements[placement.index()].predicate(&columns, id);
                        format!("DELETE FROM {table} WHERE NOT ({predicate})")
                    }
                    Some(Home::Pinned(shard)) if *shard == id => continue,
                    None if self.topology.default_shard == Some(id) => continue,
                    _ => format!("TRUNCATE {table}"),
                };
                run(shard, &sql)?;
            }
        }
        let difference = self.difference()?;
        anyhow::ensure!(
            difference.is_none(),
            "after loading: {}",
            difference.unwrap_or_default()
        );
        Ok(())
    }

    fn keep_pristine(&mut self) -> anyhow::Result<()> {
        let mut sql = String::from("CREATE SCHEMA pristine;");
        for table in TABLES {
            sql.push_str(&format!(
                "CREATE TABLE pristine.{} AS TABLE {table};",
                plain(table)
            ));
            let columns = scalar(
                &mut self.reference_admin,
                &format!(
                    "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute \
                     WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"
                ),
            )?;
            self.columns.insert(table, columns);
        }
        sql.push_str("ANALYZE;");
        run(&mut self.reference_admin, &sql)?;
        for shard in &mut self.shard_admins {
            run(shard, &sql)?;
        }
        Ok(())
    }
}

fn home<'t>(topology: &'t Topology, table: &str) -> Option<&'t Home> {
    let (schema, name) = table.split_once('.').unwrap_or(("public", table));
    topology.listed(schema, name.trim_matches('"'))
}

/// A table's name as that of a table in another schema.
fn plain(table: &str) -> String {
    table.replace(['.', '"', ' '], "_")
}

/// The configuration as `shunt serve` would read it.
fn settings(
    shards: &[Server],
    setting: &Setting,
) -> anyhow::Result<router_proxy::settings::Settings> {
    let text = configuration(shards, setting);
    let path = directory().join("shunt.toml");
    shunt::config::parse(&text, &path, &|_| None).map_err(|problems| anyhow::anyhow!("{problems}"))
}

/// Every strategy: `hash` by bigint, text and a composite key, `consistent` by uuid, `range`, `list` and `modulo`.
fn configuration(shards: &[Server], setting: &Setting) -> String {
    let n = shards.len();
    // Queries are finished on the first shard, of which the catalogs are shown too, and of three shards on the second.
    let scratch = match setting.scratch {
        true => format!("scratch = \"s{}\"\n", (n - 1) / 2),
        false => String::new(),
    };
    let mut text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nworkers = 2\n\n[auth]\nmethod = \"trust\"\n\n[[users]]\nname = \"app\"\n\n\
         [[databases]]\nname = \"shop\"\ndefault_shard = \"s0\"\n{scratch}\n",
    );
    for (index, shard) in shards.iter().enumerate() {
        text.push_str(&format!(
            "[[databases.shards]]\nname = \"s{index}\"\nprimary = \"{}\"\n\n",
            shard.url(DATABASE)
        ));
    }
    let names: Vec<String> = (0..n).map(|i| format!("\"s{i}\"")).collect();
    let all = names.join(", ");
    let last = n - 1;
    text.push_str(&format!(
        "[[databases.placements]]\nname = \"by_user\"\ntype = \"bigint\"\n{}\n",
        setting.strategy.of_bigints(&all, last)
    ));
    for (name, key_type) in [
        ("by_code", "\"text\""),
        ("by_device", "[\"bigint\", \"text\"]"),
    ] {
        text.push_str(&format!("[[databases.placements]]\nname = \"{name}\"\ntype = {key_type}\nstrategy = \"hash\"\nshards = [{all}]\n\n"));
    }
    text.push_str(&format!("[[databases.placements]]\nname = \"by_login\"\ntype = \"uuid\"\nstrategy = \"consistent\"\nshards = [{all}]\n\n"));
    text.push_str(&format!("[[databases.placements]]\nname = \"by_tenant\"\ntype = \"bigint\"\nstrategy = \"modulo\"\nshards = [{all}]\n\n"));
    text.push_str(&format!(
        "[[databases.placements]]\nname = \"by_event\"\ntype = \"bigint\"\nstrategy = \"range\"\nranges = [\
         {{ to = 0, shard = \"s{last}\" }}, {{ from = 0, to = 100, shard = \"s0\" }}, {{ from = 100, to = 1000, shard = \"s{}\" }}]\n\n",
        1.min(last)
    ));
    text.push_str(&format!(
        "[[databases.placements]]\nname = \"by_region\"\ntype = \"text\"\nstrategy = \"list\"\nlists = [\
         {{ values = [\"north\", \"east\"], shard = \"s0\" }}, {{ values = [\"south\"], shard = \"s{}\" }}]\ndefault = \"s{last}\"\n\n",
        1.min(last)
    ));
    for (table, key, placement) in [
        ("users", "\"id\"", "by_user"),
        ("orders", "\"user_id\"", "by_user"),
        ("items", "\"user_id\"", "by_user"),
        ("docs", "\"code\"", "by_code"),
        ("logins", "\"id\"", "by_login"),
        ("readings", "[\"device\", \"day\"]", "by_device"),
        ("events", "\"id\"", "by_event"),
        ("tenants", "\"id\"", "by_tenant"),
        ("regions", "\"code\"", "by_region"),
        ("crm.leads", "\"user_id\"", "by_user"),
        ("Odd Names", "\"user_id\"", "by_user"),
        ("parts", "\"id\"", "by_tenant"),
        ("base", "\"id\"", "by_tenant"),
        ("kinds", "\"id\"", "by_user"),
        ("child", "\"kind_id\"", "by_user"),
    ] {
        text.push_str(&format!(
            "[[databases.tables]]\nname = \"{table}\"\nkey = {key}\nplacement = \"{placement}\"\n\n"
        ));
    }
    text.push_str("[[databases.tables]]\nname = \"countries\"\nreference = true\n\n");
    text.push_str(&format!(
        "[[databases.tables]]\nname = \"audit_log\"\nshard = \"s{last}\"\n"
    ));
    text
}

fn admin(server: &Server) -> anyhow::Result<RawClient> {
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    RawClient::trust(address, server.user(), DATABASE)
}

fn run(client: &mut RawClient, sql: &str) -> anyhow::Result<Outcome> {
    let outcome = Outcome::from_messages(&client.simple(sql)?);
    for answer in &outcome.answers {
        if let Answer::Error(error) = answer {
            anyhow::bail!(
                "{} while running {}",
                error.message,
                &sql[..sql.len().min(200)]
            );
        }
    }
    Ok(outcome)
}

fn scalar(client: &mut RawClient, sql: &str) -> anyhow::Result<String> {
    match run(client, sql)?.answers.into_iter().next() {
        Some(Answer::Rows { mut rows, .. }) if rows.len() == 1 => Ok(rows[0]
            .swap_remove(0)
            .map(|c| String::from_utf8_lossy(&c).into_owned())
            .unwrap_or_default()),
        other => anyhow::bail!("one row expected of {sql}, got {other:?}"),
    }
}
