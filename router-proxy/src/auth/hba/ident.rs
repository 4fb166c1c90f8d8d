//! User maps in the syntax of PostgreSQL's `pg_ident.conf`: which users a certificate's name may be.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::HbaError;
use super::tokens::{self, Line};

/// All maps of a file.
#[derive(Clone, Debug, Default)]
pub struct UserMaps {
    /// By map: certificate's name and user; `None`: any user.
    maps: HashMap<String, Vec<(String, Option<String>)>>,
}

impl UserMaps {
    /// Reads a file.
    pub fn read(file: &Path) -> Result<Self, HbaError> {
        let text = fs::read_to_string(file).map_err(|source| HbaError::Read {
            file: file.to_owned(),
            source,
        })?;
        Self::parse(&text, file)
    }

    /// Reads a file's text; `file` is for errors.
    pub fn parse(text: &str, file: &Path) -> Result<Self, HbaError> {
        let fail = |line, problem| HbaError::Line {
            file: file.to_owned(),
            line,
            problem,
        };
        let lines = tokens::lines(text)
            .map_err(|line| fail(line, "a quote is not closed on this line".to_owned()))?;
        let mut this = Self::default();
        for line in &lines {
            this.add(line)
                .map_err(|problem| fail(line.number, problem))?;
        }
        Ok(this)
    }

    fn add(&mut self, line: &Line) -> Result<(), String> {
        let [map, name, user] = line.fields.as_slice() else {
            return Err("a line is: map, name in the certificate, user".into());
        };
        let ([map], [name], [user]) = (map.as_slice(), name.as_slice(), user.as_slice()) else {
            return Err("lists are not supported; write a line for each".into());
        };
        for word in [name, user] {
            if !word.quoted && word.text.starts_with(['/', '+', '@']) {
                return Err(format!(
                    "\"{}\" is not supported: patterns, groups and files are not; \
                     write a line for each name",
                    word.text
                ));
            }
        }
        let user = (!user.is("all")).then(|| user.text.clone());
        self.maps
            .entry(map.text.clone())
            .or_default()
            .push((name.text.clone(), user));
        Ok(())
    }

    /// Whether there is a map of that name.
    pub fn has(&self, map: &str) -> bool {
        self.maps.contains_key(map)
    }

    /// Whether who shows a certificate with `name` may be `user`. Without a map: when they are equal.
    pub fn allow(&self, map: Option<&str>, name: &str, user: &str) -> bool {
        match map {
            None => name == user,
            Some(map) => self
                .maps
                .get(map)
                .into_iter()
                .flatten()
                .any(|(from, to)| from == name && to.as_deref().is_none_or(|to| to == user)),
        }
    }
}
