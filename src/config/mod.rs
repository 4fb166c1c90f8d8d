//! The configuration: a TOML file becomes [`Settings`], or a list of everything that is wrong with it.
//!
//! | file | owns |
//! |---|---|
//! | `keys` | every key there is |
//! | `reader` | typed values out of TOML, with their places |
//! | `scalar`, `url` | durations, sizes, variables, `postgres://` |
//! | `written` | the file as written |
//! | `meant`, `strategy` | the file as meant, checks across entries |
//! | `problem` | what is wrong: place, key, fix |
//! | [`summary`](mod@summary) | what it comes to, in words |
//! | [`difference`](mod@difference) | what differs between two configurations |

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use router_proxy::settings::Settings;
use toml::de::DeTable;

pub mod keys;
mod meant;
mod problem;
mod reader;
mod scalar;
mod strategy;
pub use router_proxy::settings::{difference, summary};
mod url;
mod written;

pub use problem::{Problem, Problems};

use reader::{Place, Reader, Table};

/// Reads a file.
pub fn load(path: &Path) -> Result<Settings, Problems> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::InvalidData => "store the configuration as UTF-8",
            ErrorKind::IsADirectory => "name the file in it with --config FILE",
            ErrorKind::PermissionDenied => "let the user that runs shunt read it",
            _ => "name the configuration with --config FILE; docs/configuration.md shows one",
        };
        Problems::whole(
            path.to_owned(),
            format!("cannot read the file: {error}"),
            hint,
        )
    })?;
    parse(&text, path, &|name| std::env::var(name).ok())
}

/// Reads the text of a file; `env` gives the values of environment variables.
pub fn parse(
    text: &str,
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Settings, Problems> {
    let reader = Reader::new(text, env);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let place = Place {
            offset: error.span().map_or(0, |span| span.start),
            key: String::new(),
        };
        // Only the message: the error's own Display quotes the line, secrets and all.
        let what = format!("not TOML: {}", error.message().trim().replace('\n', ", "));
        reader.problem(&place, what, "see https://toml.io for the syntax");
    }
    let settings = if errors.is_empty() {
        let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
        let around = written::Around {
            env,
            folder: &folder,
        };
        let top = Table::new(&reader, document.get_ref(), Place::default(), &keys::TOP);
        let file = written::file(&top, &around);
        meant::settings(&reader, file)
    } else {
        None
    };
    let list = reader.into_problems();
    match settings {
        Some(settings) if list.is_empty() => Ok(settings),
        _ => Err(Problems {
            file: path.to_owned(),
            list,
        }),
    }
}
