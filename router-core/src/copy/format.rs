//! The options of a `COPY … FROM STDIN`, as far as they say what a row is.

use crate::sql::statement::CopyOption;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `text`
    Text,
    /// `csv`
    Csv,
    /// `binary`
    Binary,
}

/// Columns that an option names.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Forced {
    /// None of them.
    #[default]
    None,
    /// `*`
    All,
    /// These.
    Columns(Vec<String>),
}

impl Forced {
    /// Whether a column is among them.
    pub fn has(&self, column: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Columns(list) => list.iter().any(|c| c == column),
        }
    }
}

/// How rows are written, in every detail that matters for where they end and what their key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// Which of the three.
    pub kind: Kind,
    /// Between fields.
    pub delimiter: u8,
    /// Around fields of CSV.
    pub quote: u8,
    /// Before a quote inside of quotes.
    pub escape: u8,
    /// What stands for null.
    pub null: Vec<u8>,
    /// The first line is no row.
    pub header: bool,
    /// `FORCE_NOT_NULL`
    pub force_not_null: Forced,
    /// `FORCE_NULL`
    pub force_null: Forced,
    /// `ENCODING`; that of the client when not given.
    pub encoding: Option<String>,
}

/// An option that is not understood, or not for certain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unclear(pub String);

impl Format {
    /// Reads the options. A value that PostgreSQL rejects in any version is taken as it is: it will say so before it
    /// takes a row.
    pub fn read(options: &[(String, CopyOption)]) -> Result<Self, Unclear> {
        let find = |name: &str| options.iter().find(|(n, _)| n == name).map(|(_, v)| v);
        for (name, value) in options {
            let known = matches!(
                name.as_str(),
                "format"
                    | "freeze"
                    | "delimiter"
                    | "null"
                    | "header"
                    | "quote"
                    | "escape"
                    | "force_quote"
                    | "force_not_null"
                    | "force_null"
                    | "encoding"
            );
            if !known {
                return Err(Unclear(format!("the option {name} of COPY")));
            }
            // PostgreSQL says "conflicting or redundant options".
            if options.iter().any(|(n, v)| n == name && v != value) {
                return Err(Unclear(format!("the option {name} of COPY, given twice")));
            }
        }
        let kind = match find("format") {
            None => Kind::Text,
            Some(CopyOption::Text(name)) => match name.as_str() {
                "text" => Kind::Text,
                "csv" => Kind::Csv,
                "binary" => Kind::Binary,
                _ => return Err(Unclear(format!("the format {name} of COPY"))),
            },
            Some(_) => return Err(Unclear("the format of COPY".to_owned())),
        };
        let csv = kind == Kind::Csv;
        let byte = |name: &str, otherwise: u8| match find(name) {
            None => Ok(otherwise),
            Some(CopyOption::Text(text)) => match text.as_bytes() {
                // A line end as a quote: PostgreSQL's reading of it is better not relied on.
                [b'\r' | b'\n'] => Err(Unclear(format!("a line end as {name} of COPY"))),
                [b'\\'] if name == "quote" => Err(Unclear("a backslash as quote of COPY".into())),
                [byte] => Ok(*byte),
                _ => Ok(otherwise),
            },
            Some(_) => Err(Unclear(format!("the option {name} of COPY"))),
        };
        let quote = byte("quote", b'"')?;
        Ok(Self {
            kind,
            delimiter: byte("delimiter", if csv { b',' } else { b'\t' })?,
            quote,
            escape: byte("escape", quote)?,
            null: match find("null") {
                None if csv => Vec::new(),
                None => b"\\N".to_vec(),
                Some(CopyOption::Text(text)) => text.clone().into_bytes(),
                Some(_) => return Err(Unclear("the option null of COPY".to_owned())),
            },
            header: header(find("header"))?,
            force_not_null: forced(find("force_not_null"))?,
            force_null: forced(find("force_null"))?,
            encoding: match find("encoding") {
                None => None,
                Some(CopyOption::Text(name)) => Some(name.clone()),
                Some(_) => return Err(Unclear("the option encoding of COPY".to_owned())),
            },
        })
    }
}

/// Whether the first line is no row. `HEADER MATCH` is checked by the shards, which all get that line.
pub fn header(option: Option<&CopyOption>) -> Result<bool, Unclear> {
    let Some(option) = option else {
        return Ok(false);
    };
    let CopyOption::Text(text) = option else {
        return match option {
            CopyOption::Flag => Ok(true),
            _ => Err(Unclear("the option header of COPY".to_owned())),
        };
    };
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "1" | "match" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        _ => Err(Unclear("the option header of COPY".to_owned())),
    }
}

fn forced(option: Option<&CopyOption>) -> Result<Forced, Unclear> {
    match option {
        None => Ok(Forced::None),
        Some(CopyOption::All) => Ok(Forced::All),
        Some(CopyOption::Columns(list)) => Ok(Forced::Columns(list.clone())),
        Some(_) => Err(Unclear("a list of columns in an option of COPY".to_owned())),
    }
}
