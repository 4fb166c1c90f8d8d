//! The hand-written corpus: one request per line, files by construct.
//!
//! `!` in front says that the order of the rows is total and must be equal.
//! ` @ a | b` at the end gives text parameters, `\N` for NULL, and sends the
//! request over the extended protocol only.

use std::path::Path;

use anyhow::Context;

/// One request.
#[derive(Clone, Debug)]
pub struct Case {
    /// File and line.
    pub place: String,
    /// The query string.
    pub sql: String,
    /// Parameters, when the line has any.
    pub parameters: Option<Vec<Option<String>>>,
    /// Whether rows must come in the same order.
    pub ordered: bool,
    /// Whether tables are compared and put back afterwards.
    pub writes: bool,
}

/// Reads every file of the corpus, in order of their names.
pub fn read(directory: &Path) -> anyhow::Result<Vec<Case>> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .with_context(|| format!("reading {}", directory.display()))?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let name = file
            .file_stem()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        let text = std::fs::read_to_string(&file)?;
        for (number, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with("--") {
                continue;
            }
            cases.push(parse(
                line,
                format!("{name}:{}", number + 1),
                name.contains("writes"),
            ));
        }
    }
    Ok(cases)
}

fn parse(line: &str, place: String, writes: bool) -> Case {
    let (ordered, line) = match line.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    // `@>` and `@@` are operators; parameters stand after a lone @ between spaces.
    let (sql, parameters) = match line.rsplit_once(" @ ") {
        Some((sql, list)) => {
            let values = list
                .split(" | ")
                .map(|v| (v != "\\N").then(|| v.to_owned()))
                .collect();
            (sql, Some(values))
        }
        None => (line, None),
    };
    Case {
        place,
        sql: sql.to_owned(),
        parameters,
        ordered,
        writes,
    }
}
