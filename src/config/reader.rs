//! Reads typed values out of a TOML document and remembers where each stood.
//!
//! Deserializing with serde ends at the first error; a person who mends a file
//! wants them all. So the document is read key by key, and what is wrong is
//! written down while reading goes on.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::Keys;
use super::problem::{Problem, line_and_column, meant_or_known, nearest};
use super::scalar::{self, Unexpanded};

/// A value and where it stood.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    /// The value.
    pub value: T,
    /// Where.
    pub place: Place,
}

/// Where something stood in the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// Offset in bytes.
    pub offset: usize,
    /// The key's path.
    pub key: String,
}

/// A file being read.
pub(super) struct Reader<'a> {
    text: &'a str,
    env: &'a dyn Fn(&str) -> Option<String>,
    problems: RefCell<Vec<(usize, Problem)>>,
    /// Where each key stood that has been looked at, by its path.
    places: RefCell<HashMap<String, usize>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            text,
            env,
            problems: RefCell::default(),
            places: RefCell::default(),
        }
    }

    /// Writes a problem down.
    pub(super) fn problem(&self, place: &Place, what: impl Into<String>, hint: impl Into<String>) {
        let (line, column) = line_and_column(self.text, place.offset);
        let problem = Problem {
            line,
            column,
            key: place.key.clone(),
            what: what.into(),
            hint: hint.into(),
        };
        let mut problems = self.problems.borrow_mut();
        if !problems.iter().any(|(_, p)| *p == problem) {
            problems.push((place.offset, problem));
        }
    }

    fn remember(&self, place: &Place) {
        let mut places = self.places.borrow_mut();
        places.entry(place.key.clone()).or_insert(place.offset);
    }

    /// The place of a key by its path, or of the nearest entry around it.
    pub(super) fn place(&self, key: &str) -> Place {
        let places = self.places.borrow();
        let mut around = key;
        let offset = loop {
            if let Some(offset) = places.get(around) {
                break *offset;
            }
            match around.rfind(['.', '[']) {
                Some(at) => around = &around[..at],
                None => break 0,
            }
        };
        Place {
            offset,
            key: key.to_owned(),
        }
    }

    /// Whether anything is wrong at `key` or within it.
    pub(super) fn has_problem_in(&self, key: &str) -> bool {
        let problems = self.problems.borrow();
        problems.iter().any(|(_, p)| {
            // Whole segments: databases[1] is not around databases[10], nor pool around pools.
            let rest = p.key.strip_prefix(key);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }

    /// Everything written down so far, in the order of the file.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|(offset, _)| *offset);
        problems.into_iter().map(|(_, p)| p).collect()
    }

    /// Replaces the variables of a value.
    pub(super) fn expand(&self, text: &str, place: &Place) -> Option<String> {
        match scalar::expand(text, self.env) {
            Ok(text) => Some(text),
            Err(Unexpanded::Unset(name)) => {
                self.problem(
                    place,
                    format!("the environment variable {name} is not set"),
                    format!("set {name} where shunt is started, or write the value here"),
                );
                None
            }
            Err(Unexpanded::Malformed) => {
                self.problem(
                    place,
                    "\"${\" does not begin a variable",
                    "write ${NAME}, or $${ for the two characters themselves",
                );
                None
            }
        }
    }
}

/// One table of the file.
pub(super) struct Table<'r, 'i> {
    pub(super) reader: &'r Reader<'r>,
    pub(super) place: Place,
    table: &'r DeTable<'i>,
    keys: &'static Keys,
}

impl<'r, 'i> Table<'r, 'i> {
    /// A table that may have `keys` and no others.
    pub(super) fn new(
        reader: &'r Reader<'r>,
        table: &'r DeTable<'i>,
        place: Place,
        keys: &'static Keys,
    ) -> Self {
        let this = Self {
            reader,
            place,
            table,
            keys,
        };
        for name in table.keys() {
            let found = name.get_ref().as_ref();
            if !keys.keys.contains(&found) {
                let place = this.at(found, name.span());
                reader.problem(&place, "unknown key", hint_for_key(found, keys));
            }
        }
        this
    }

    fn at(&self, key: &str, span: Range<usize>) -> Place {
        let dot = if self.place.key.is_empty() { "" } else { "." };
        let place = Place {
            offset: span.start,
            key: format!("{}{dot}{key}", self.place.key),
        };
        self.reader.remember(&place);
        place
    }

    fn get(&self, key: &str) -> Option<(&'r DeValue<'i>, Place)> {
        assert!(
            self.keys.keys.contains(&key),
            "{key} must be listed in config::keys"
        );
        let value = self.table.get(key)?;
        Some((value.get_ref(), self.at(key, value.span())))
    }

    /// Whether the key is there at all.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The place of a key, or of the table when the key is absent.
    pub(super) fn place_of(&self, key: &str) -> Place {
        match self.get(key) {
            Some((_, place)) => place,
            None => self.at(key, self.place.offset..self.place.offset),
        }
    }

    fn expected(&self, place: &Place, what: &str, found: &DeValue<'_>, hint: &str) {
        let found = match found.type_str() {
            kind @ ("array" | "integer") => format!("an {kind}"),
            kind => format!("a {kind}"),
        };
        self.reader
            .problem(place, format!("expected {what}, found {found}"), hint);
    }

    fn text_of(&self, value: &DeValue<'_>, place: &Place, example: &str) -> Option<String> {
        match value.as_str() {
            Some(text) => self.reader.expand(text, place),
            None => {
                self.expected(place, "a string", value, &format!("write {example}"));
                None
            }
        }
    }

    /// A string as it was written, variables and all.
    pub(super) fn raw_text(&self, key: &str, example: &str) -> Option<At<String>> {
        let (value, place) = self.get(key)?;
        let Some(text) = value.as_str() else {
            let hint = format!("write {key} = \"{example}\"");
            self.expected(&place, "a string", value, &hint);
            return None;
        };
        Some(At {
            value: text.to_owned(),
            place,
        })
    }

    /// A string.
    pub(super) fn text(&self, key: &str, example: &str) -> Option<At<String>> {
        let (value, place) = self.get(key)?;
        let value = self.text_of(value, &place, &format!("{key} = \"{example}\""))?;
        Some(At { value, place })
    }

    /// A name: a string that is not empty.
    pub(super) fn name(&self, key: &str, example: &str) -> Option<At<String>> {
        let text = self.text(key, example)?;
        if text.value.trim().is_empty() {
            let hint = format!("write {key} = \"{example}\"");
            self.reader.problem(&text.place, "is empty", hint);
            return None;
        }
        Some(text)
    }

    /// Says that `key` is missing unless it is there.
    pub(super) fn require(&self, key: &str, example: &str) {
        if !self.has(key) {
            let place = Place {
                offset: self.place.offset,
                key: self.at(key, 0..0).key,
            };
            let hint = format!("add {key} = {example}");
            self.reader.problem(&place, "is missing", hint);
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str) -> Option<At<bool>> {
        let (value, place) = self.get(key)?;
        let Some(flag) = value.as_bool() else {
            let hint = format!("write {key} = true or {key} = false");
            self.expected(&place, "true or false", value, &hint);
            return None;
        };
        Some(At { value: flag, place })
    }

    /// A whole number within bounds.
    pub(super) fn integer(&self, key: &str, min: i64, max: i64) -> Option<At<i64>> {
        let (value, place) = self.get(key)?;
        let hint = format!("write {key} = a whole number from {min} to {max}");
        let number = match value {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
            DeValue::String(text) if text.contains("${") => {
                self.reader.expand(text, &place)?.trim().parse().ok()
            }
            other => {
                self.expected(&place, "a whole number", other, &hint);
                return None;
            }
        };
        match number {
            Some(value) if (min..=max).contains(&value) => Some(At { value, place }),
            _ => {
                self.reader
                    .problem(&place, format!("is not from {min} to {max}"), hint);
                None
            }
        }
    }

    /// A duration.
    pub(super) fn duration(&self, key: &str) -> Option<At<Duration>> {
        let hint =
            "write a whole number and ms, s, m, h or d, such as \"250ms\", \"5s\" or \"10m\"";
        let (value, place) = self.get(key)?;
        let Some(text) = value.as_str() else {
            self.expected(&place, "a duration", value, hint);
            return None;
        };
        let text = self.reader.expand(text, &place)?;
        let Some(value) = scalar::duration(&text) else {
            let what = format!("\"{text}\" is not a duration");
            self.reader.problem(&place, what, hint);
            return None;
        };
        Some(At { value, place })
    }

    /// A number of bytes.
    pub(super) fn size(&self, key: &str) -> Option<At<u64>> {
        let hint = "write a number of bytes, or \"16kB\", \"64MB\", \"1GB\"";
        let (value, place) = self.get(key)?;
        let text = match value {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
            DeValue::String(text) => self.reader.expand(text, &place)?,
            other => {
                self.expected(&place, "a size", other, hint);
                return None;
            }
        };
        let Some(value) = scalar::size(&text) else {
            let what = format!("\"{text}\" is not a size");
            self.reader.problem(&place, what, hint);
            return None;
        };
        Some(At { value, place })
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<At<T>> {
        let example = words.first().map_or("", |(word, _)| word);
        let text = self.text(key, example)?;
        self.choose(&text, words)
    }

    /// Which of several words `text` is.
    pub(super) fn choose<T: Copy>(&self, text: &At<String>, words: &[(&str, T)]) -> Option<At<T>> {
        match words.iter().find(|(word, _)| *word == text.value) {
            Some((_, value)) => Some(At {
                value: *value,
                place: text.place.clone(),
            }),
            None => {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                let hint = match nearest(&text.value, known.iter().copied()) {
                    Some(word) => format!("did you mean \"{word}\"?"),
                    None => format!("one of {}", known.join(", ")),
                };
                let what = format!("\"{}\" is not known", text.value);
                self.reader.problem(&text.place, what, hint);
                None
            }
        }
    }

    /// A string or a list of strings.
    pub(super) fn texts(&self, key: &str, example: &str) -> Option<Vec<At<String>>> {
        let (value, place) = self.get(key)?;
        let Some(array) = value.as_array() else {
            return Some(self.text(key, example).into_iter().collect());
        };
        if array.is_empty() {
            let hint = format!("write {key} = \"{example}\"");
            self.reader.problem(&place, "the list is empty", hint);
        }
        Some(self.each(key, array.iter(), |value, place| {
            self.text_of(value, place, &format!("{key} = [\"{example}\"]"))
        }))
    }

    /// A value or a list of values: keys of a placement, as text.
    pub(super) fn scalars(&self, key: &str) -> Option<At<Vec<At<Scalar>>>> {
        let (value, place) = self.get(key)?;
        let values = match value.as_array() {
            Some(array) => self.each(key, array.iter(), |v, place| self.scalar(v, place)),
            None => self
                .scalar(value, &place)
                .map(|value| At {
                    value,
                    place: place.clone(),
                })
                .into_iter()
                .collect(),
        };
        Some(At {
            value: values,
            place,
        })
    }

    /// A list whose entries are values, or lists of values for a composite key.
    pub(super) fn tuples(&self, key: &str) -> Vec<At<Vec<Scalar>>> {
        let Some((value, place)) = self.get(key) else {
            return Vec::new();
        };
        let Some(array) = value.as_array() else {
            let hint = format!("write {key} = [1, 2, 3]");
            self.expected(&place, "a list", value, &hint);
            return Vec::new();
        };
        self.each(key, array.iter(), |value, place| match value.as_array() {
            Some(tuple) => tuple
                .iter()
                .map(|v| self.scalar(v.get_ref(), place))
                .collect(),
            None => Some(vec![self.scalar(value, place)?]),
        })
    }

    fn scalar(&self, value: &DeValue<'_>, place: &Place) -> Option<Scalar> {
        match value {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .ok()
                .map(Scalar::Integer)
                .or_else(|| {
                    let hint = "a bigint is from -9223372036854775808 to 9223372036854775807";
                    self.reader.problem(place, "the number is too large", hint);
                    None
                }),
            DeValue::String(text) => self.reader.expand(text, place).map(Scalar::Text),
            other => {
                let hint = "write 42 for a bigint, \"x\" for a text or uuid";
                self.expected(place, "a number or a string", other, hint);
                None
            }
        }
    }

    fn each<'v, T>(
        &self,
        key: &str,
        values: impl Iterator<Item = &'v Spanned<DeValue<'i>>>,
        mut read: impl FnMut(&'v DeValue<'i>, &Place) -> Option<T>,
    ) -> Vec<At<T>>
    where
        'i: 'v,
    {
        values
            .enumerate()
            .filter_map(|(i, value)| {
                let place = self.at(&format!("{key}[{i}]"), value.span());
                read(value.get_ref(), &place).map(|value| At { value, place })
            })
            .collect()
    }

    /// A table within this one.
    pub(super) fn table(&self, key: &str, keys: &'static Keys) -> Option<Table<'r, 'i>> {
        let (value, place) = self.get(key)?;
        match value.as_table() {
            Some(table) => Some(Table::new(self.reader, table, place, keys)),
            None => {
                let hint = format!("write [{}] on a line of its own", keys.table);
                self.expected(&place, "a table", value, &hint);
                None
            }
        }
    }

    /// A list of tables.
    pub(super) fn tables(&self, key: &str, keys: &'static Keys) -> Vec<Table<'r, 'i>> {
        let Some((value, place)) = self.get(key) else {
            return Vec::new();
        };
        let hint = format!("write [[{}]] on a line of its own", keys.table);
        let Some(array) = value.as_array() else {
            self.expected(&place, "a list of tables", value, &hint);
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (i, value) in array.iter().enumerate() {
            let place = self.at(&format!("{key}[{i}]"), value.span());
            match value.get_ref().as_table() {
                Some(table) => tables.push(Table::new(self.reader, table, place, keys)),
                None => self.expected(&place, "a table", value.get_ref(), &hint),
            }
        }
        tables
    }

    /// A table whose keys the user chooses, with whole numbers as values.
    pub(super) fn numbers_by_name(&self, key: &str, min: i64, max: i64) -> Vec<(At<String>, i64)> {
        let Some((value, place)) = self.get(key) else {
            return Vec::new();
        };
        let hint = format!("write {key} = {{ s0 = 2, s1 = 1 }}, numbers from {min} to {max}");
        let Some(table) = value.as_table() else {
            self.expected(&place, "a table", value, &hint);
            return Vec::new();
        };
        let mut numbers = Vec::new();
        for (name, value) in table {
            let place = self.at(&format!("{key}.{}", name.get_ref()), name.span());
            let number = value
                .get_ref()
                .as_integer()
                .and_then(|n| i64::from_str_radix(n.as_str(), n.radix()).ok())
                .filter(|n| (min..=max).contains(n));
            match number {
                Some(number) => numbers.push((
                    At {
                        value: name.get_ref().to_string(),
                        place,
                    },
                    number,
                )),
                None => self
                    .reader
                    .problem(&place, "is not a fitting number", &hint),
            }
        }
        numbers
    }
}

/// A key's value as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    /// A number.
    Integer(i64),
    /// A string.
    Text(String),
}

fn hint_for_key(found: &str, keys: &'static Keys) -> String {
    if nearest(found, keys.keys.iter().copied()).is_none() {
        let elsewhere = super::keys::ALL
            .iter()
            .find(|other| other.keys.contains(&found) && !other.table.is_empty());
        if let Some(other) = elsewhere {
            return format!("it belongs to {}", other.table);
        }
    }
    meant_or_known(found, keys.keys.iter().copied())
}
