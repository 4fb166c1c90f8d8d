//! Settings that a session has made, as they are put in place on its next server connection.

use std::borrow::Cow;
use std::fmt::Write as _;

use smallvec::{SmallVec, smallvec};

/// Settings by lower-case name, sorted; each with its values as PostgreSQL would read them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingSet(Vec<(String, Vec<String>)>);

/// A change of settings that a statement makes when it succeeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// `SET name = values`.
    Set(String, Vec<String>),
    /// `RESET name`, `SET name TO DEFAULT`.
    Reset(String),
    /// `RESET ALL`.
    ResetAll,
    /// `DISCARD ALL`.
    DiscardAll,
}

impl Change {
    /// Whether a server reads it alike in every encoding that a client may have.
    pub fn is_ascii(&self) -> bool {
        match self {
            Self::Set(name, values) => name.is_ascii() && values.iter().all(|v| v.is_ascii()),
            Self::Reset(name) => name.is_ascii(),
            Self::ResetAll | Self::DiscardAll => true,
        }
    }
}

impl SettingSet {
    /// The values of a setting.
    pub fn get(&self, name: &str) -> Option<&[String]> {
        let i = self
            .0
            .binary_search_by(|(n, _)| n.as_str().cmp(name))
            .ok()?;
        Some(&self.0[i].1)
    }

    /// Takes a setting in.
    pub fn set(&mut self, name: &str, values: Vec<String>) {
        match self.0.binary_search_by(|(n, _)| n.as_str().cmp(name)) {
            Ok(i) => self.0[i].1 = values,
            Err(i) => self.0.insert(i, (name.to_owned(), values)),
        }
    }

    /// Takes a setting out.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(n, _)| n != name);
    }

    /// Whether a server with these ends a connection that lies idle in a pool.
    pub fn ends_idle_connections(&self) -> bool {
        self.get("idle_session_timeout").is_some()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_slice()))
    }

    /// As a startup packet writes them: `search_path` is a list of names, all others are one text.
    pub fn startup_texts(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        self.iter().map(|(name, values)| match values {
            [text] if name != "search_path" => (name, text.into()),
            names => {
                // As the client wrote it where that can be told: SHOW shows the text.
                let quoted = |name: &String| {
                    if is_plain(name) {
                        name.clone()
                    } else {
                        format!("\"{}\"", name.replace('"', "\"\""))
                    }
                };
                let names: Vec<_> = names.iter().map(quoted).collect();
                (name, names.join(", ").into())
            }
        })
    }

    /// Makes a change; `initial` is what the session began with, which `RESET` goes back to.
    pub fn apply(&mut self, change: &Change, initial: &Self) {
        match change {
            Change::Set(name, values) => self.set(name, values.clone()),
            Change::Reset(name) => match initial.get(name) {
                Some(values) => self.set(name, values.to_vec()),
                None => self.remove(name),
            },
            Change::ResetAll | Change::DiscardAll => self.clone_from(initial),
        }
    }

    /// The statements that lead from `self` to `wanted`; empty when they are the same.
    pub fn difference(&self, wanted: &Self) -> String {
        let mut sql = String::new();
        for (name, _) in self.iter().filter(|(name, _)| wanted.get(name).is_none()) {
            sql.push_str("RESET ");
            push_name(&mut sql, name);
            sql.push(';');
        }
        for (name, values) in wanted.iter() {
            if self.get(name) == Some(values) {
                continue;
            }
            sql.push_str(&set(false, name, values));
            sql.push(';');
        }
        sql
    }
}

impl SettingSet {
    /// What [`Self::difference`] has, in as many messages as it takes: a server reads each in the encoding that is set when
    /// it comes. What is not ASCII was said in UTF-8 (see `Session::take_note`).
    pub fn messages(&self, wanted: &Self) -> SmallVec<[String; 1]> {
        const ENCODING: &str = "client_encoding";
        let difference = self.difference(wanted);
        if difference.is_empty() {
            return SmallVec::new();
        }
        if difference.is_ascii() {
            return smallvec![difference];
        }
        let (mut from, mut to) = (self.clone(), wanted.clone());
        from.remove(ENCODING);
        to.remove(ENCODING);
        let utf8 = vec!["UTF8".to_owned()];
        let encoding = match wanted.get(ENCODING) {
            Some(values) => set(false, ENCODING, values),
            None => format!("RESET {ENCODING}"),
        };
        smallvec![set(false, ENCODING, &utf8), from.difference(&to), encoding]
    }
}

/// `SET [LOCAL] name TO values`.
pub fn set(local: bool, name: &str, values: &[String]) -> String {
    let mut sql = String::from(if local { "SET LOCAL " } else { "SET " });
    push_name(&mut sql, name);
    sql.push_str(" TO ");
    for (i, value) in values.iter().enumerate() {
        let comma = if i > 0 { "," } else { "" };
        let _ = write!(sql, "{comma}{}", Quoted(value));
    }
    sql
}

/// Makes whole what changes say of `DateStyle`, which is two things in one, the style of dates and the order of their parts:
/// what is said of one leaves the other as it was (`check_datestyle`). `before`: what it was, if the session has set it;
/// `reported`: what its server said last.
pub fn whole_date_styles(
    changes: &mut [Change],
    before: Option<&[String]>,
    reported: Option<&str>,
) {
    let mut before = before.map(|values| values.join(","));
    for change in changes {
        match change {
            Change::Set(name, values) if name == "datestyle" => {
                let known = before.as_deref().or(reported);
                let whole = date_style(known, values).or_else(|| reported.map(str::to_owned));
                if let Some(whole) = whole {
                    *values = vec![whole.clone()];
                    before = Some(whole);
                }
            }
            Change::Reset(name) if name == "datestyle" => before = None,
            Change::ResetAll | Change::DiscardAll => before = None,
            Change::Set(..) | Change::Reset(_) => {}
        }
    }
}

/// A style of dates as PostgreSQL writes it; `None` where a part of it is not known.
fn date_style(before: Option<&str>, said: &[String]) -> Option<String> {
    let (mut style, mut order) = (None, None);
    let before = before.map(str::to_owned);
    for (is_new, text) in before
        .iter()
        .map(|it| (false, it))
        .chain(said.iter().map(|it| (true, it)))
    {
        // German dates have an order of their own, unless one is said with it.
        let mut has_order = false;
        for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
            let word = word.to_ascii_uppercase();
            match word.as_str() {
                "ISO" => style = Some("ISO"),
                "SQL" => style = Some("SQL"),
                "GERMAN" => {
                    style = Some("German");
                    if !has_order {
                        order = Some("DMY");
                    }
                }
                "YMD" => (order, has_order) = (Some("YMD"), true),
                "MDY" | "US" => (order, has_order) = (Some("MDY"), true),
                "DMY" => (order, has_order) = (Some("DMY"), true),
                word if word.starts_with("POSTGRES") => style = Some("Postgres"),
                word if word.starts_with("EURO") => (order, has_order) = (Some("DMY"), true),
                word if word.starts_with("NONEURO") => (order, has_order) = (Some("MDY"), true),
                _ if is_new => return None,
                _ => {}
            }
        }
    }
    Some(format!("{}, {}", style?, order?))
}

/// The values of a setting that is written as one text, as in `set_config` and in a startup packet: those that are lists of
/// names are taken apart.
pub fn values(name: &str, text: &str) -> Vec<String> {
    if !matches!(name, "search_path" | "temp_tablespaces") {
        return vec![text.to_owned()];
    }
    let names = names(text);
    match names.is_empty() {
        // `SET` takes no empty list; a name that nothing has is the same.
        true => vec![String::new()],
        false => names,
    }
}

/// The names in a list as a startup packet writes it (`search_path=a, "B c"`), folded and unquoted.
pub fn names(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut chars = list.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace() || *c == ',').is_some() {}
        let mut name = String::new();
        if chars.next_if_eq(&'"').is_some() {
            while let Some(c) = chars.next() {
                if c == '"' && chars.next_if_eq(&'"').is_none() {
                    break;
                }
                name.push(c);
            }
        } else {
            while let Some(c) = chars.next_if(|c| !c.is_whitespace() && *c != ',') {
                name.push(c.to_ascii_lowercase());
            }
            if name.is_empty() {
                return names;
            }
        }
        names.push(name);
    }
}

/// Whether a name means itself without quotes.
fn is_plain(name: &str) -> bool {
    name.bytes()
        .next()
        .is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn push_name(sql: &mut String, name: &str) {
    for (i, part) in name.split('.').enumerate() {
        if i > 0 {
            sql.push('.');
        }
        sql.push('"');
        sql.push_str(&part.replace('"', "\"\""));
        sql.push('"');
    }
}

/// A string constant that means the same whatever `standard_conforming_strings` says.
pub struct Quoted<'a>(pub &'a str);

impl std::fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("E'")?;
        for c in self.0.chars() {
            match c {
                '\'' => f.write_str("''")?,
                '\\' => f.write_str("\\\\")?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('\'')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> SettingSet {
        let mut set = SettingSet::default();
        for (name, value) in pairs {
            set.set(name, vec![(*value).to_owned()]);
        }
        set
    }

    #[test]
    fn the_difference_resets_sets_and_quotes() {
        let a = set(&[("datestyle", "ISO"), ("work_mem", "4MB")]);
        let b = set(&[("my.name", "o'b\\x"), ("work_mem", "4MB")]);
        assert_eq!(
            a.difference(&b),
            r#"RESET "datestyle";SET "my"."name" TO E'o''b\\x';"#
        );
        assert_eq!(b.difference(&b), "");
        assert!(b.messages(&b).is_empty());
        assert_eq!(a.messages(&b).to_vec(), [a.difference(&b)]);
    }

    #[test]
    fn what_is_not_ascii_is_sent_in_utf8() {
        let a = set(&[("client_encoding", "LATIN1")]);
        let b = set(&[("my.name", "é")]);
        let messages = [
            r#"SET "client_encoding" TO E'UTF8'"#,
            r#"SET "my"."name" TO E'é';"#,
            "RESET client_encoding",
        ];
        assert_eq!(a.messages(&b).to_vec(), messages);
        assert_eq!(
            b.messages(&a).to_vec(),
            [r#"RESET "my"."name";SET "client_encoding" TO E'LATIN1';"#]
        );
    }

    #[test]
    fn a_style_of_dates_leaves_the_other_half_as_it_was() {
        let style = |before: Option<&str>, said: &[&str]| {
            let said: Vec<String> = said.iter().map(|it| (*it).to_owned()).collect();
            date_style(before, &said)
        };
        let before = Some("ISO, MDY");
        for (said, whole) in [
            (&["ymd"][..], "ISO, YMD"),
            (&["SQL, DMY"], "SQL, DMY"),
            (&["sql", "European"], "SQL, DMY"),
            (&["German"], "German, DMY"),
            (&["German, MDY"], "German, MDY"),
            (&["MDY, German"], "German, MDY"),
            (&["postgresql"], "Postgres, MDY"),
            (&["US"], "ISO, MDY"),
        ] {
            assert_eq!(style(before, said).as_deref(), Some(whole), "{said:?}");
        }
        assert_eq!(style(None, &["ymd"]), None);
        assert_eq!(style(before, &["default"]), None);
        assert_eq!(style(Some("German"), &["ISO"]).as_deref(), Some("ISO, DMY"));
    }

    #[test]
    fn names_of_a_list_are_folded_unless_quoted() {
        assert_eq!(names(r#" Foo , "B ""c", bar"#), ["foo", "B \"c", "bar"]);
        assert_eq!(names(""), [""; 0]);
    }

    #[test]
    fn a_search_path_is_written_as_it_was_meant() {
        let mut set = SettingSet::default();
        let names = ["public", "$user", "B c", "a\"b"];
        set.set("search_path", names.map(str::to_owned).to_vec());
        let texts: Vec<_> = set.startup_texts().collect();
        assert_eq!(texts[0].1, r#"public, "$user", "B c", "a""b""#);
    }

    #[test]
    fn reset_goes_back_to_what_the_session_began_with() {
        let initial = set(&[("timezone", "UTC")]);
        let mut now = set(&[("timezone", "CET"), ("work_mem", "1MB")]);
        now.apply(&Change::Reset("timezone".into()), &initial);
        assert_eq!(now, set(&[("timezone", "UTC"), ("work_mem", "1MB")]));
        now.apply(&Change::ResetAll, &initial);
        assert_eq!(now, initial);
    }
}
