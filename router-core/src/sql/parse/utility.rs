//! Statements known by their first words: DDL, maintenance, privileges, `DO`, `CALL`.

use super::Veto;
use super::token::Tokens;
use crate::sql::functions;
use crate::sql::statement::{Name, Relation, Utility};

/// First words, and whether they change schema objects.
const COMMANDS: &[(&str, bool)] = &[
    ("create", true),
    ("alter", true),
    ("drop", true),
    ("comment", true),
    ("grant", true),
    ("revoke", true),
    ("security", true),
    ("import", true),
    ("reassign", true),
    ("truncate", false),
    ("vacuum", false),
    ("analyze", false),
    ("analyse", false),
    ("cluster", false),
    ("reindex", false),
    ("refresh", false),
    ("checkpoint", false),
    ("do", false),
    ("call", false),
];

/// Objects whose name takes more than one word.
const LONG_OBJECTS: &[&[&str]] = &[
    &["materialized", "view"],
    &["foreign", "table"],
    &["foreign", "data", "wrapper"],
    &["event", "trigger"],
    &["constraint", "trigger"],
    &["access", "method"],
    &["operator", "class"],
    &["operator", "family"],
    &["user", "mapping"],
    &["default", "privileges"],
    &["large", "object"],
    &["text", "search", "configuration"],
    &["text", "search", "dictionary"],
    &["text", "search", "parser"],
    &["text", "search", "template"],
    &["procedural", "language"],
];

/// Objects that are relations.
const RELATIONS: &[&str] = &[
    "TABLE",
    "VIEW",
    "MATERIALIZED VIEW",
    "FOREIGN TABLE",
    "INDEX",
    "SEQUENCE",
];

/// Reads a utility statement.
pub(super) fn read(tokens: &Tokens<'_>) -> Result<Utility, Veto> {
    let first = tokens.text(0);
    let (_, schema) = COMMANDS
        .iter()
        .find(|(word, _)| tokens.is_word(0, word))
        .ok_or_else(|| format!("a statement that begins with \"{first}\""))?;
    let mut utility = Utility {
        command: first.to_uppercase(),
        relations: Vec::new(),
        temporary: false,
        runs_functions: false,
        concurrently: false,
        schema: *schema,
    };
    let mut reader = Reader { tokens, at: 1 };
    match first {
        "create" | "alter" | "drop" => reader.object(&mut utility)?,
        "comment" => reader.comment(&mut utility)?,
        "grant" | "revoke" => reader.privileges(&mut utility)?,
        "truncate" => {
            reader.word("table");
            utility.relations = reader.relations()?;
        }
        "vacuum" | "analyze" | "analyse" => reader.maintenance(&mut utility)?,
        "cluster" => {
            reader.options();
            reader.word("verbose");
            if tokens.is_name(reader.at) {
                // `CLUSTER index ON table` is the spelling before 8.3.
                if tokens.is_word(reader.at + 1, "on") {
                    reader.at += 2;
                }
                utility.relations = vec![reader.relation()?];
            }
        }
        "reindex" => reader.reindex(&mut utility)?,
        "refresh" => {
            utility.command = "REFRESH MATERIALIZED VIEW".into();
            if !reader.word("materialized") || !reader.word("view") {
                return Err("REFRESH of something else than a materialized view".into());
            }
            utility.concurrently = reader.word("concurrently");
            utility.relations = vec![reader.relation()?];
        }
        _ => {}
    }
    utility.runs_functions = match utility.command.as_str() {
        "CREATE TABLE" | "CREATE MATERIALIZED VIEW" => {
            // What is executed may do anything.
            let executes = |at| tokens.is_word(at, "as") && tokens.is_word(at + 1, "execute");
            (0..tokens.len()).any(executes) || calls(tokens, &["select"])
        }
        "ALTER TABLE" => calls(tokens, &["default", "using"]),
        // What its query calls stands in the catalog.
        "REFRESH MATERIALIZED VIEW" => true,
        _ => false,
    };
    // Types and functions are temporary by their schema alone.
    let in_pg_temp = |at| tokens.is_name(at) && tokens.text(at).starts_with("pg_temp");
    utility.temporary |= utility.command.starts_with("CREATE") && (0..tokens.len()).any(in_pg_temp);
    Ok(utility)
}

/// Whether a function may be called, where one of these words stands, that is not known to change nothing. Taking a
/// type or a list for a call does no harm.
fn calls(tokens: &Tokens<'_>, words: &[&str]) -> bool {
    let unknown = |at| {
        tokens.is_name(at) && tokens.is_sym(at + 1, "(") && !functions::is_stable(tokens.text(at))
    };
    (0..tokens.len()).any(|at| tokens.any_word(at, words)) && (0..tokens.len()).any(unknown)
}

/// A comma-separated list of relations from token `at`, and the token after it.
pub(super) fn relations(tokens: &Tokens<'_>, at: usize) -> Result<(Vec<Relation>, usize), Veto> {
    let mut reader = Reader { tokens, at };
    let relations = reader.relations()?;
    Ok((relations, reader.at))
}

/// One relation from token `at`, and the token after it.
pub(super) fn relation(tokens: &Tokens<'_>, at: usize) -> Result<(Relation, usize), Veto> {
    let mut reader = Reader { tokens, at };
    let relation = reader.relation()?;
    Ok((relation, reader.at))
}

struct Reader<'r, 't> {
    tokens: &'r Tokens<'t>,
    at: usize,
}

impl Reader<'_, '_> {
    fn word(&mut self, word: &str) -> bool {
        let hit = self.tokens.is_word(self.at, word);
        self.at += usize::from(hit);
        hit
    }

    fn words(&mut self, words: &[&str]) -> bool {
        let hit = words
            .iter()
            .enumerate()
            .all(|(n, word)| self.tokens.is_word(self.at + n, word));
        if hit {
            self.at += words.len();
        }
        hit
    }

    /// `(VERBOSE, …)`.
    fn options(&mut self) {
        if self.tokens.is_sym(self.at, "(")
            && let Some(close) = self.tokens.close(self.at)
        {
            self.at = close + 1;
        }
    }

    /// `[ONLY] name [*]`.
    fn relation(&mut self) -> Result<Relation, Veto> {
        let tokens = self.tokens;
        let only = self.word("only");
        let parenthesis = only && tokens.is_sym(self.at, "(");
        self.at += usize::from(parenthesis);
        let start = self.at;
        let mut parts = Vec::new();
        loop {
            if !tokens.is_name(self.at) {
                return Err(format!(
                    "{} without the name of a relation",
                    tokens.text(0).to_uppercase()
                ));
            }
            parts.push(tokens.text(self.at).to_owned());
            self.at += 1;
            if !tokens.is_sym(self.at, ".") {
                break;
            }
            self.at += 1;
        }
        let span = tokens.span(start, self.at - 1);
        self.at += usize::from(parenthesis);
        if tokens.is_op(self.at, "*") {
            self.at += 1;
        }
        let name = parts.pop().unwrap_or_default();
        let schema = parts.pop();
        if !parts.is_empty() {
            return Err("a name with a database's name in front".into());
        }
        Ok(Relation {
            name: Name { schema, name },
            alias: None,
            only,
            sample: None,
            span,
        })
    }

    fn relations(&mut self) -> Result<Vec<Relation>, Veto> {
        let mut relations = vec![self.relation()?];
        while self.tokens.is_sym(self.at, ",") {
            self.at += 1;
            relations.push(self.relation()?);
        }
        Ok(relations)
    }

    /// The words of an object's kind, in upper case.
    fn kind(&mut self) -> String {
        for words in LONG_OBJECTS {
            if self.words(words) {
                return words.join(" ").to_uppercase();
            }
        }
        let word = match self.tokens.is_name(self.at) {
            true => self.tokens.text(self.at).to_uppercase(),
            false => String::new(),
        };
        self.at += 1;
        word
    }

    /// `CREATE`, `ALTER` and `DROP`.
    fn object(&mut self, utility: &mut Utility) -> Result<(), Veto> {
        loop {
            if self.word("temp") || self.word("temporary") {
                utility.temporary = true;
            } else if !(self.words(&["or", "replace"])
                || self.word("global")
                || self.word("local")
                || self.word("unlogged")
                || self.word("unique")
                || self.word("recursive")
                || self.word("trusted"))
            {
                break;
            }
        }
        let kind = self.kind();
        utility.command = format!("{} {kind}", utility.command).trim_end().to_owned();
        utility.concurrently = self.word("concurrently");
        let _ = self.words(&["if", "not", "exists"]) || self.words(&["if", "exists"]);
        let create = utility.command.starts_with("CREATE");
        let drop = utility.command.starts_with("DROP");
        match kind.as_str() {
            "INDEX" if create => {
                if !self.tokens.is_word(self.at, "on") {
                    self.relation()?;
                }
                if !self.word("on") {
                    return Err("CREATE INDEX without ON".into());
                }
                utility.relations = vec![self.relation()?];
            }
            kind if RELATIONS.contains(&kind) => {
                if self.words(&["all", "in", "tablespace"]) {
                    return Ok(());
                }
                utility.relations = if drop {
                    self.relations()?
                } else {
                    vec![self.relation()?]
                };
            }
            "TRIGGER" | "CONSTRAINT TRIGGER" | "POLICY" | "RULE" => {
                let before = if create && kind == "RULE" { "to" } else { "on" };
                // `CREATE RULE name AS ON event TO table`, and `… UPDATE OF column ON table`.
                while self.at < self.tokens.len() && !self.tokens.is_word(self.at, before) {
                    self.at += 1;
                }
                if self.word(before) {
                    utility.relations = vec![self.relation()?];
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn comment(&mut self, utility: &mut Utility) -> Result<(), Veto> {
        if !self.word("on") {
            return Err("COMMENT without ON".into());
        }
        let kind = self.kind();
        if RELATIONS.contains(&kind.as_str()) {
            utility.relations = vec![self.relation()?];
        }
        Ok(())
    }

    /// `GRANT` and `REVOKE`: relations between `ON` and `TO` or `FROM`.
    fn privileges(&mut self, utility: &mut Utility) -> Result<(), Veto> {
        let tokens = self.tokens;
        while self.at < tokens.len() && !tokens.any_word(self.at, &["on", "to", "from"]) {
            self.at += 1;
        }
        if !self.word("on") {
            return Ok(());
        }
        let others = [
            "all",
            "database",
            "domain",
            "foreign",
            "function",
            "language",
            "large",
            "parameter",
            "procedure",
            "routine",
            "schema",
            "tablespace",
            "type",
        ];
        // These words may name a table too, when none of them follows as an object's kind.
        let object = tokens.any_word(self.at, &others)
            && !tokens.any_word(self.at + 1, &["to", "from"])
            && !tokens.is_sym(self.at + 1, ",");
        if object {
            return Ok(());
        }
        let named_so = tokens.is_word(self.at, "sequence")
            && (tokens.any_word(self.at + 1, &["to", "from"])
                || tokens.is_sym(self.at + 1, ",")
                || tokens.is_sym(self.at + 1, "."));
        if tokens.any_word(self.at, &["table", "sequence"]) && !named_so {
            self.at += 1;
        }
        utility.relations = self.relations()?;
        Ok(())
    }

    /// `VACUUM` and `ANALYZE`.
    fn maintenance(&mut self, utility: &mut Utility) -> Result<(), Veto> {
        let tokens = self.tokens;
        self.options();
        while self.word("full")
            || self.word("freeze")
            || self.word("verbose")
            || self.word("analyze")
            || self.word("analyse")
        {}
        while tokens.is_name(self.at) {
            utility.relations.push(self.relation()?);
            self.options();
            if !tokens.is_sym(self.at, ",") {
                break;
            }
            self.at += 1;
        }
        Ok(())
    }

    fn reindex(&mut self, utility: &mut Utility) -> Result<(), Veto> {
        let options = self.at;
        self.options();
        utility.concurrently = (options..self.at).any(|at| self.tokens.is_word(at, "concurrently"));
        let kind = self.kind();
        utility.command = format!("REINDEX {kind}");
        utility.concurrently |= self.word("concurrently");
        if RELATIONS.contains(&kind.as_str()) {
            utility.relations = vec![self.relation()?];
        }
        Ok(())
    }
}
