//! Data directories made once and copied: `initdb` takes most of the time of a first start.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};

use crate::area::Area;
use crate::binaries::{Binaries, run};
use crate::error::{During, Error};

/// What a data directory is made from; servers with the same recipe share a template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Recipe {
    pub(crate) programs: PathBuf,
    pub(crate) superuser: String,
    pub(crate) password: Option<String>,
    pub(crate) locale: String,
    pub(crate) databases: Vec<String>,
    pub(crate) initdb_arguments: Vec<String>,
}

/// A template that is being made or ready. Its lock is held while it is made, so that of many
/// servers that start together one makes it and the others wait.
type Slot = Arc<Mutex<Option<Area>>>;

/// All templates of this process. Never dropped: their watchdogs see the process end.
static TEMPLATES: LazyLock<Mutex<HashMap<Recipe, Slot>>> = LazyLock::new(Mutex::default);

/// Fills the data directory of `area`.
pub(crate) fn copy_into(area: &Area, binaries: &Binaries, recipe: &Recipe) -> Result<(), Error> {
    let slot = {
        let mut templates = TEMPLATES
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        Arc::clone(templates.entry(recipe.clone()).or_default())
    };
    let template = {
        let mut made = slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match &*made {
            Some(template) => template.data(),
            // A failure leaves the slot empty: the next one tries again and tells why itself.
            None => made.insert(make(binaries, recipe)?).data(),
        }
    };
    let mut copy = Command::new("cp");
    copy.arg("-Rp")
        .arg(template)
        .arg(area.data())
        .current_dir(area.path())
        .stdin(Stdio::null());
    area.account().apply(&mut copy);
    run(&mut copy).map(drop)
}

fn make(binaries: &Binaries, recipe: &Recipe) -> Result<Area, Error> {
    let area = Area::new(None, &binaries.program("postgres"))?;
    let mut initdb = Command::new(binaries.program("initdb"));
    initdb
        .arg("--pgdata")
        .arg(area.data())
        .args(["--no-sync", "--no-instructions", "--encoding=UTF8"])
        .arg(format!("--locale={}", recipe.locale))
        .arg(format!("--username={}", recipe.superuser))
        .args(&recipe.initdb_arguments)
        .current_dir(area.path())
        .stdin(Stdio::null());
    let password_file = area.path().join("password");
    match &recipe.password {
        None => initdb.arg("--auth=trust"),
        Some(password) => {
            write_private(&area, &password_file, password)?;
            initdb
                .arg("--auth=scram-sha-256")
                .arg("--pwfile")
                .arg(&password_file)
        }
    };
    binaries.run(area.account(), &mut initdb)?;
    if recipe.password.is_some() {
        fs::remove_file(&password_file).at("cannot remove", &password_file)?;
    }
    create_databases(&area, binaries, &recipe.databases)?;
    Ok(area)
}

/// In single-user mode, which is quicker than to start a server and stop it.
fn create_databases(area: &Area, binaries: &Binaries, names: &[String]) -> Result<(), Error> {
    if names.is_empty() {
        return Ok(());
    }
    let mut script = String::new();
    for name in names {
        writeln!(script, "CREATE DATABASE \"{}\";", name.replace('"', "\"\""))
            .expect("a string takes all that is written");
    }
    let mut single = Command::new(binaries.program("postgres"));
    single
        .args(["--single", "-F", "-D"])
        .arg(area.data())
        // Errors end it, and are all that it prints.
        .args([
            "-c",
            "exit_on_error=on",
            "-c",
            "log_min_messages=error",
            "postgres",
        ])
        .current_dir(area.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    area.account().apply(&mut single);
    let what = || "cannot run postgres --single".to_owned();
    let mut process = single.spawn().during(what)?;
    if let Some(mut input) = process.stdin.take() {
        input.write_all(script.as_bytes()).during(what)?;
    }
    let output = process.wait_with_output().during(what)?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Program {
        program: "postgres --single".to_owned(),
        status: output.status.to_string(),
        output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

fn write_private(area: &Area, path: &Path, text: &str) -> Result<(), Error> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .at("cannot create", path)?;
    writeln!(file, "{text}").at("cannot write", path)?;
    area.account().own(path)
}
