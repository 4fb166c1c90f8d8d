//! Where the machine keeps PostgreSQL's server programs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::account::Account;
use crate::error::{During, Error};

/// The oldest PostgreSQL that Shunt works with.
pub const OLDEST: u32 = 15;

/// Names a directory of PostgreSQL programs to use in place of a search.
pub const VARIABLE: &str = "SHUNT_PG_BIN";

/// The programs of one PostgreSQL installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    directory: PathBuf,
    version: String,
    major: u32,
}

impl Binaries {
    /// The installation to use: `SHUNT_PG_BIN` where it is set, otherwise the newest of
    /// `PATH`, `/usr/lib/postgresql/*/bin` (Debian), `/usr/pgsql-*/bin` (Red Hat) and
    /// Homebrew's. Looked up once per process.
    pub fn find() -> Result<Self, Error> {
        static FOUND: OnceLock<Binaries> = OnceLock::new();
        if let Some(found) = FOUND.get() {
            return Ok(found.clone());
        }
        let found = match env::var_os(VARIABLE) {
            Some(directory) => Self::in_directory(Path::new(&directory))?,
            None => Self::newest(candidates())?,
        };
        Ok(FOUND.get_or_init(|| found).clone())
    }

    /// The installation whose programs are in `directory`.
    pub fn in_directory(directory: &Path) -> Result<Self, Error> {
        let found = Self::probe(directory).ok_or_else(|| Error::NoPostgres {
            problem: format!(
                "{} does not hold PostgreSQL's server programs (postgres, initdb)",
                directory.display()
            ),
            hint: format!("set {VARIABLE} to a directory that does, or unset it"),
        })?;
        if found.major < OLDEST {
            return Err(too_old(&found));
        }
        Ok(found)
    }

    fn newest(directories: Vec<PathBuf>) -> Result<Self, Error> {
        let mut installed: Vec<Self> = directories
            .iter()
            .filter_map(|directory| Self::probe(directory))
            .collect();
        installed.sort_by_key(|found| found.major);
        match installed.pop() {
            Some(newest) if newest.major >= OLDEST => Ok(newest),
            Some(newest) => Err(too_old(&newest)),
            None => Err(Error::NoPostgres {
                problem: format!(
                    "no PostgreSQL server programs ({OLDEST} or newer) found on this machine"
                ),
                hint: install_hint(),
            }),
        }
    }

    /// What `directory` holds, if it holds a server and all that goes with it.
    fn probe(directory: &Path) -> Option<Self> {
        let complete = ["postgres", "initdb", "pg_basebackup", "psql"]
            .iter()
            .all(|program| directory.join(program).is_file());
        if !complete {
            return None;
        }
        let output = Command::new(directory.join("postgres"))
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .ok()?;
        // "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)"
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let version = text.split_whitespace().nth(2)?.to_owned();
        let major = version
            .chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>();
        Some(Self {
            directory: directory.to_owned(),
            major: major.parse().ok()?,
            version,
        })
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The whole version, such as `15.14`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The major version, such as 15.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The path of one program.
    pub fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A client program, without the settings of libpq that the environment may hold.
    pub fn client(&self, name: &str) -> Command {
        let mut command = Command::new(self.program(name));
        for (variable, _) in env::vars_os() {
            if variable.to_string_lossy().starts_with("PG") {
                command.env_remove(variable);
            }
        }
        command
    }

    /// Runs a program to its end as the servers' account, in a directory that it can enter.
    pub(crate) fn run(&self, account: &Account, command: &mut Command) -> Result<String, Error> {
        account.apply(command);
        run(command)
    }
}

/// Runs a program to its end; its standard output, or what it complained about.
pub(crate) fn run(command: &mut Command) -> Result<String, Error> {
    let program = Path::new(command.get_program())
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let output = command
        .output()
        .during(|| format!("cannot run {}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let mut text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if text.is_empty() {
        text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    }
    Err(Error::Program {
        program,
        status: output.status.to_string(),
        output: text,
    })
}

fn candidates() -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = env::var_os("PATH")
        .map(|path| env::split_paths(&path).collect())
        .unwrap_or_default();
    for (parent, prefix, rest) in [
        ("/usr/lib/postgresql", "", "bin"),
        ("/usr", "pgsql-", "bin"),
        ("/opt/homebrew/opt", "postgresql", "bin"),
        ("/usr/local/opt", "postgresql", "bin"),
    ] {
        let Ok(entries) = Path::new(parent).read_dir() else {
            continue;
        };
        directories.extend(
            entries
                .flatten()
                .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
                .map(|entry| entry.path().join(rest)),
        );
    }
    directories
}

fn too_old(found: &Binaries) -> Error {
    Error::NoPostgres {
        problem: format!(
            "PostgreSQL in {} is version {}; {OLDEST} or newer is needed",
            found.directory.display(),
            found.version
        ),
        hint: install_hint(),
    }
}

/// The command that installs the server programs here.
fn install_hint() -> String {
    let command = if cfg!(target_os = "macos") {
        "brew install postgresql@17"
    } else if Path::new("/usr/bin/apt-get").exists() {
        "sudo apt-get install postgresql"
    } else if Path::new("/usr/bin/dnf").exists() {
        "sudo dnf install postgresql-server postgresql-contrib"
    } else {
        "install PostgreSQL's server package"
    };
    format!("{command} (or set {VARIABLE} to the directory that holds initdb)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_machine_gets_the_install_command() {
        let empty = tempfile::tempdir().unwrap();
        let error = Binaries::newest(vec![empty.path().to_owned()])
            .unwrap_err()
            .to_string();
        assert!(error.contains("15 or newer"), "{error}");
        assert!(error.contains("hint: "), "{error}");
    }

    #[test]
    fn a_directory_without_programs_is_named() {
        let empty = tempfile::tempdir().unwrap();
        let error = Binaries::in_directory(empty.path())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&empty.path().display().to_string()),
            "{error}"
        );
        assert!(error.contains(VARIABLE), "{error}");
    }

    #[test]
    fn versions_are_read_and_old_ones_refused() {
        use std::os::unix::fs::PermissionsExt;
        let old = tempfile::tempdir().unwrap();
        for program in ["postgres", "initdb", "pg_basebackup", "psql"] {
            let path = old.path().join(program);
            std::fs::write(&path, "#!/bin/sh\necho 'postgres (PostgreSQL) 12.3'\n").unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        let error = Binaries::in_directory(old.path()).unwrap_err().to_string();
        assert!(error.contains("12.3"), "{error}");
    }
}
