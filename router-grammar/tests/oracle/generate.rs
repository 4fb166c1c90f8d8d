//! Statements by chance: mostly what PostgreSQL accepts, with its corners near each other.

/// A seeded source of statements; the same seed gives the same statements everywhere.
pub(crate) struct Generator {
    state: u64,
    /// How much deeper expressions and queries may go.
    depth: u32,
}

const NAMES: &[&str] = &[
    "a",
    "b",
    "id",
    "t.a",
    "t.id",
    "s.t.a",
    "\"A\"",
    "u.b",
    "key",
    "user_id",
    "name",
    "type",
    "value",
    "x.\"y z\"",
    "u.select",
    "position",
    "left",
    "user",
    "row",
    "only",
    "values",
];
const TABLES: &[&str] = &[
    "t",
    "u",
    "s.t",
    "\"T\"",
    "pg_temp.t",
    "public.u",
    "x",
    "y",
    "key",
    "type",
    "sequence",
    "only t",
    "ONLY (t)",
    "t *",
    "values",
    "left",
    "user",
];
const CONSTANTS: &[&str] = &[
    "1",
    "5",
    "-7",
    "007",
    "3000000000",
    "1.5",
    ".5",
    "1e3",
    "'x'",
    "''",
    "'it''s'",
    "E'a\\nb'",
    "E'\\u0041'",
    "$$d$$",
    "$q$d$q$",
    "U&'\\0061'",
    "B'10'",
    "X'1F'",
    "NULL",
    "TRUE",
    "false",
    "$1",
    "$2",
    "'a'\n'b'",
    "0x1F",
    "0b11",
    "1_000",
    "- 5",
    "+5",
    "'{1,2}'",
];
const OPERATORS: &[&str] = &[
    "=",
    "<>",
    "!=",
    "<",
    ">",
    "<=",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "||",
    "~",
    "!~*",
    "->",
    "->>",
    "@>",
    "&&",
    "==",
    "<->",
    "<>-",
    "|/",
    "OPERATOR(pg_catalog.=)",
    "OPERATOR(=)",
    "OPERATOR(s.=)",
    "?",
    "#>>",
    "!=-",
    "LIKE",
    "NOT ILIKE",
    "SIMILAR TO",
    "IS DISTINCT FROM",
    "IS NOT DISTINCT FROM",
    "AND",
    "OR",
    "AND",
    "OR",
    "COLLATE",
    "AT TIME ZONE",
];
const TYPES: &[&str] = &[
    "int",
    "int4",
    "bigint",
    "int8",
    "text",
    "varchar(3)",
    "character varying",
    "char",
    "char(2)",
    "\"char\"",
    "numeric(5, 2)",
    "float(10)",
    "float8",
    "double precision",
    "bit",
    "bit varying(3)",
    "timestamp",
    "timestamptz",
    "timestamp(3) with time zone",
    "time without time zone",
    "date",
    "interval",
    "interval day to second",
    "int[]",
    "int[3][]",
    "text ARRAY",
    "uuid",
    "s.y",
    "pg_catalog.int4",
    "json",
    "bool",
    "boolean",
    "\"int\"",
    "bpchar",
    "national character(3)",
];
const FUNCTIONS: &[&str] = &[
    "count",
    "sum",
    "lower",
    "now",
    "nextval",
    "random",
    "s.f",
    "pg_catalog.upper",
    "coalesce",
    "nullif",
    "greatest",
    "left",
    "\"F\"",
    "set_config",
    "any",
    "substring",
    "position",
    "values",
    "row",
    "array",
    "exists",
    "current_date",
    "trim",
    "string_agg",
    "max",
    "replace",
    "date",
];

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            depth: 0,
        }
    }

    /// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// The first of a list is as likely as all others together, so that most statements are plain.
    fn pick(&mut self, from: &[&str]) -> String {
        let at = if self.one_in(2) {
            self.below(from.len().min(5))
        } else {
            self.below(from.len())
        };
        from[at].to_owned()
    }

    fn maybe(&mut self, n: usize, text: impl FnOnce(&mut Self) -> String) -> String {
        if self.one_in(n) {
            format!(" {}", text(self))
        } else {
            String::new()
        }
    }

    fn list(&mut self, most: usize, mut item: impl FnMut(&mut Self) -> String) -> String {
        let n = 1 + self.below(most);
        let items: Vec<String> = (0..n).map(|_| item(self)).collect();
        items.join(", ")
    }

    pub(crate) fn statement(&mut self) -> String {
        self.depth = 3;
        match self.below(12) {
            0..5 => self.query(),
            5 | 6 => self.insert(),
            7 | 8 => self.update(),
            9 => self.delete(),
            10 => {
                let query = self.query();
                let table = self.pick(TABLES);
                let filter = self.maybe(2, Self::filter);
                match self.below(7) {
                    0 => format!("EXPLAIN {query}"),
                    1 => format!("EXPLAIN (ANALYZE, COSTS off) {query}"),
                    2 => format!("DECLARE c CURSOR WITH HOLD FOR {query}"),
                    3 => format!("PREPARE p (int) AS {query}"),
                    4 => format!("COPY ({query}) TO STDOUT (FORMAT csv)"),
                    5 => format!("COPY {table} FROM STDIN WITH CSV{filter}"),
                    _ => format!("COPY {table} (a, b) TO STDOUT"),
                }
            }
            _ => self.with(Self::query_or_change),
        }
    }

    fn query_or_change(&mut self) -> String {
        match self.below(5) {
            0 => self.insert(),
            1 => self.update(),
            2 => self.delete(),
            _ => self.query(),
        }
    }

    fn with(&mut self, body: fn(&mut Self) -> String) -> String {
        let recursive = self.pick(&["", "", "", "", "", "RECURSIVE "]);
        let ctes = self.list(2, |this| {
            let name = this.pick(&["x", "y", "t", "x (a, b)", "\"X\""]);
            let hint = this.pick(&["", "", "", "", "", "MATERIALIZED ", "NOT MATERIALIZED "]);
            let inner = this.deeper("SELECT 1", Self::query_or_change);
            format!("{name} AS {hint}({inner})")
        });
        format!("WITH {recursive}{ctes} {}", body(self))
    }

    fn deeper(&mut self, otherwise: &str, step: impl FnOnce(&mut Self) -> String) -> String {
        if self.depth == 0 {
            return otherwise.to_owned();
        }
        self.depth -= 1;
        let text = step(self);
        self.depth += 1;
        text
    }

    fn query(&mut self) -> String {
        let mut text = match self.below(12) {
            0 => format!(
                "VALUES {}",
                self.list(2, |this| format!("({})", this.expr()))
            ),
            1 => format!("TABLE {}", self.pick(TABLES)),
            2 | 3 => {
                let op = self.pick(&[
                    "UNION ALL",
                    "UNION",
                    "INTERSECT",
                    "EXCEPT",
                    "UNION DISTINCT",
                ]);
                let left = self.deeper("SELECT 1", Self::arm);
                let right = self.deeper("SELECT 2", Self::arm);
                format!("{left} {op} {right}")
            }
            4 => self.deeper("SELECT 3", |this| this.with(Self::query)),
            _ => self.select(),
        };
        text += &self.maybe(4, |this| format!("ORDER BY {}", this.order()));
        text += &self.maybe(8, |this| {
            format!("LIMIT {}", this.pick(&["1", "ALL", "$1", "NULL", "1 + 1"]))
        });
        text += &self.maybe(10, |this| {
            format!("OFFSET {}", this.pick(&["1", "$2", "1 ROWS"]))
        });
        text += &self.maybe(16, |this| {
            this.pick(&[
                "FETCH FIRST 1 ROWS ONLY",
                "FETCH NEXT 2 ROWS WITH TIES",
                "FETCH FIRST ROW ONLY",
            ])
        });
        text += &self.maybe(10, |this| {
            this.pick(&[
                "FOR UPDATE",
                "FOR SHARE OF t",
                "FOR NO KEY UPDATE SKIP LOCKED",
                "FOR KEY SHARE NOWAIT",
                "FOR READ ONLY",
            ])
        });
        text
    }

    fn arm(&mut self) -> String {
        if self.one_in(3) {
            format!("({})", self.query())
        } else {
            self.select()
        }
    }

    fn order(&mut self) -> String {
        self.list(2, |this| {
            let direction = this.pick(&["", "", "", " DESC", " ASC", " USING <"]);
            let nulls = this.pick(&["", "", "", "", " NULLS FIRST", " NULLS LAST"]);
            format!("{}{direction}{nulls}", this.expr())
        })
    }

    fn select(&mut self) -> String {
        let distinct = self.pick(&["", "", "", "", "", "DISTINCT ", "ALL ", "DISTINCT ON (a) "]);
        let items = if self.one_in(20) {
            String::new()
        } else {
            self.items()
        };
        let into = self.maybe(25, |this| {
            format!("INTO {}", this.pick(&["x", "TEMP x", "s.x", "TABLE x"]))
        });
        let from = self.maybe(1, |this| format!("FROM {}", this.list(2, Self::table)));
        let filter = self.maybe(2, Self::filter);
        let group = self.maybe(6, |this| {
            let distinct = this.pick(&["", "", "", "", "", "DISTINCT "]);
            let items = this.list(2, |this| match this.below(8) {
                0 => "ROLLUP (a, b)".to_owned(),
                1 => "GROUPING SETS ((a), ())".to_owned(),
                2 => "CUBE (f(a))".to_owned(),
                3 => "()".to_owned(),
                _ => this.expr(),
            });
            format!("GROUP BY {distinct}{items}")
        });
        let having = self.maybe(10, |this| format!("HAVING {}", this.expr()));
        let window = self.maybe(20, |_| "WINDOW w AS (PARTITION BY a ORDER BY b)".to_owned());
        format!("SELECT {distinct}{items}{into}{from}{filter}{group}{having}{window}")
    }

    fn items(&mut self) -> String {
        self.list(3, |this| match this.below(8) {
            0 => "*".to_owned(),
            1 => "t.*".to_owned(),
            2 => format!(
                "{} AS {}",
                this.expr(),
                this.pick(NAMES).replace(['.', ' '], "_")
            ),
            3 => format!("{} c", this.expr()),
            _ => this.expr(),
        })
    }

    fn filter(&mut self) -> String {
        format!("WHERE {}", self.condition())
    }

    /// Mostly what may carry a key.
    fn condition(&mut self) -> String {
        let name = self.pick(NAMES);
        let other = self.pick(NAMES);
        let constant = self.pick(CONSTANTS);
        let more = self.pick(CONSTANTS);
        match self.below(16) {
            0 | 1 => format!("{name} = {constant}"),
            2 => format!("{constant} = {name}"),
            3 => format!("{name} IN ({constant}, {more})"),
            4 => format!("{name} = ANY ({constant})"),
            5 => format!(
                "{name} = ANY (ARRAY[{constant}, {more}]::{}[])",
                self.pick(&["int", "bigint", "text"])
            ),
            6 => format!("{name} BETWEEN {constant} AND {more}"),
            7 => format!("({name}, {other}) = ({constant}, {more})"),
            8 => format!("{name} {} {constant}", self.pick(OPERATORS)),
            9 => format!("{name} = {other}"),
            10 => self.deeper("true", |this| format!("({})", this.condition())),
            11 => self.deeper("true", |this| {
                let word = this.pick(&["AND", "OR"]);
                format!("{} {word} {}", this.condition(), this.condition())
            }),
            12 => self.deeper("true", |this| format!("NOT {}", this.condition())),
            13 => self.deeper("true", |this| format!("{name} IN ({})", this.query())),
            14 => self.deeper("true", |this| {
                let word = this.pick(&["AND", "OR", "=", "IS TRUE AND"]);
                format!("({}) {word} {}", this.condition(), this.condition())
            }),
            _ => self.expr(),
        }
    }

    fn table(&mut self) -> String {
        let table = self.pick(TABLES);
        match self.below(14) {
            0..5 => table,
            5 => format!("{table} AS t"),
            6 => format!("{table} u (a, b)"),
            7 => self.deeper("t", |this| format!("({}) AS x", this.query())),
            8 => self.deeper("t", |this| format!("LATERAL ({}) x (a)", this.query())),
            9 => self.deeper("t", |this| {
                let call = this.call();
                format!("{call} AS f (a)")
            }),
            10 => format!("{table} TABLESAMPLE system (1)"),
            _ => self.deeper("u", |this| {
                let kind = this.pick(&[
                    "JOIN",
                    "LEFT JOIN",
                    "INNER JOIN",
                    "CROSS JOIN",
                    "FULL OUTER JOIN",
                    "RIGHT JOIN",
                    "NATURAL JOIN",
                ]);
                let left = this.table();
                let right = this.table();
                let on = match kind.as_str() {
                    "CROSS JOIN" | "NATURAL JOIN" => String::new(),
                    _ if this.one_in(4) => " USING (id, a)".to_owned(),
                    _ => format!(" ON {}", this.condition()),
                };
                if this.one_in(3) {
                    format!("({left} {kind} {right}{on})")
                } else {
                    format!("{left} {kind} {right}{on}")
                }
            }),
        }
    }

    fn expr(&mut self) -> String {
        if self.depth == 0 || self.one_in(3) {
            return if self.one_in(2) {
                self.pick(NAMES)
            } else {
                self.pick(CONSTANTS)
            };
        }
        self.depth -= 1;
        let text = match self.below(22) {
            0..5 => {
                let op = self.pick(OPERATORS);
                format!("{} {op} {}", self.expr(), self.expr())
            }
            5 => format!("({})", self.expr()),
            6 => format!("{}::{}", self.expr(), self.pick(TYPES)),
            7 => format!("CAST({} AS {})", self.expr(), self.pick(TYPES)),
            8 => format!("{} 'x'", self.pick(TYPES)),
            9 | 10 => self.call(),
            11 => format!(
                "CASE WHEN {} THEN {} ELSE {} END",
                self.expr(),
                self.expr(),
                self.expr()
            ),
            12 => format!("({})", self.query()),
            13 => format!("EXISTS ({})", self.query()),
            14 => format!(
                "{} {}",
                self.expr(),
                self.pick(&[
                    "IS NULL",
                    "IS NOT NULL",
                    "ISNULL",
                    "NOTNULL",
                    "IS TRUE",
                    "IS NOT UNKNOWN"
                ])
            ),
            15 => format!(
                "{} {}",
                self.pick(&["-", "+", "NOT", "~", "@", "|/"]),
                self.expr()
            ),
            16 => format!("ARRAY[{}]", self.list(2, Self::expr)),
            17 => format!(
                "{}[{}]",
                self.pick(NAMES),
                self.pick(&["1", "1:2", ":2", "a", "1][2"])
            ),
            18 => format!(
                "({}).{}",
                self.expr(),
                self.pick(&["f", "\"F\"", "g[1]", "*"])
            ),
            19 => format!(
                "{} {} ({})",
                self.expr(),
                self.pick(&["IN", "NOT IN", "= ANY", "<> ALL", "< SOME", "LIKE ANY"]),
                self.list(2, Self::expr)
            ),
            20 => format!("ROW({})", self.list(2, Self::expr)),
            _ => self.pick(&[
                "extract(year FROM a)",
                "substring(a FROM 1 FOR 2)",
                "trim(both 'x' from a)",
                "current_timestamp(3)",
                "position('a' IN b)",
                "overlay(a PLACING b FROM 1)",
                "ARRAY(SELECT 1)",
                "interval '1' day",
                "current_user",
                "a LIKE b ESCAPE '!'",
                "substring(a FOR 2)",
                "a NOT BETWEEN SYMMETRIC 1 AND b",
                "current_date",
                "session_user",
                "count(*) FILTER (WHERE a)",
                "rank() OVER (ORDER BY a ROWS 1 PRECEDING)",
                "sum(a) OVER w",
                "f(VARIADIC a)",
                "f(x => 1)",
            ]),
        };
        self.depth += 1;
        text
    }

    fn call(&mut self) -> String {
        let name = self.pick(FUNCTIONS);
        let args = match self.below(6) {
            0 => String::new(),
            1 => "*".to_owned(),
            2 => format!("DISTINCT {}", self.expr()),
            3 => format!("{} ORDER BY {}", self.expr(), self.order()),
            _ => self.list(3, Self::expr),
        };
        format!("{name}({args})")
    }

    fn returning(&mut self) -> String {
        self.maybe(4, |this| format!("RETURNING {}", this.items()))
    }

    fn insert(&mut self) -> String {
        let table = self.pick(TABLES);
        let alias = self.pick(&["", "", "", "", "", " AS x"]);
        let columns = self.pick(&[
            " (a, b)",
            "",
            " (id)",
            " (\"A\", key)",
            " (id, a)",
            " (a[1])",
        ]);
        let overriding = self.pick(&["", "", "", "", "", " OVERRIDING USER VALUE"]);
        let source = match self.below(6) {
            0 => "DEFAULT VALUES".to_owned(),
            1 => self.deeper("SELECT 1", Self::query),
            2 => self.deeper("SELECT 1", |this| format!("({})", this.query())),
            _ => {
                let rows = self.list(3, |this| {
                    format!(
                        "({})",
                        this.list(2, |this| {
                            if this.one_in(6) {
                                "DEFAULT".to_owned()
                            } else {
                                this.expr()
                            }
                        })
                    )
                });
                format!("VALUES {rows}")
            }
        };
        let conflict = self.maybe(5, |this| {
            let target = this.pick(&[
                "",
                "(id)",
                "(id, a)",
                "(lower(a))",
                "ON CONSTRAINT k",
                "(id) WHERE a > 1",
            ]);
            let action = match this.below(3) {
                0 => "DO NOTHING".to_owned(),
                _ => format!(
                    "DO UPDATE SET a = {}{}",
                    this.expr(),
                    this.maybe(3, Self::filter)
                ),
            };
            format!("ON CONFLICT {target} {action}")
        });
        format!(
            "INSERT INTO {table}{alias}{columns}{overriding} {source}{conflict}{}",
            self.returning()
        )
    }

    fn update(&mut self) -> String {
        let table = self.pick(TABLES);
        let alias = self.pick(&["", "", "", "", "", " AS x", " x"]);
        let set = self.list(2, |this| match this.below(6) {
            0 => format!("(a, b) = ({}, {})", this.expr(), this.expr()),
            1 => "a = DEFAULT".to_owned(),
            2 => this.deeper("a = 1", |this| format!("(a, b) = ({})", this.query())),
            _ => format!(
                "{} = {}",
                this.pick(&["a", "b", "\"A\"", "key", "a[1]"]),
                this.expr()
            ),
        });
        let from = self.maybe(4, |this| format!("FROM {}", this.list(2, Self::table)));
        let filter = self.maybe(1, Self::filter);
        format!(
            "UPDATE {table}{alias} SET {set}{from}{filter}{}",
            self.returning()
        )
    }

    fn delete(&mut self) -> String {
        let table = self.pick(TABLES);
        let using = self.maybe(4, |this| format!("USING {}", this.list(2, Self::table)));
        let filter = match self.below(12) {
            0 => " WHERE CURRENT OF c".to_owned(),
            _ => self.maybe(1, Self::filter),
        };
        format!("DELETE FROM {table}{using}{filter}{}", self.returning())
    }
}
