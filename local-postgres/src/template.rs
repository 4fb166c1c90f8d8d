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

/// Objects that PostgreSQL does not bring along have this number or a greater one (its `FirstNormalObjectId`).
const FIRST_OID: u32 = 16384;

/// What a data directory is made from; servers with the same recipe share a template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Recipe {
    pub(crate) programs: PathBuf,
    pub(crate) superuser: String,
    pub(crate) password: Option<String>,
    pub(crate) locale: String,
    pub(crate) initdb_arguments: Vec<String>,
    pub(crate) databases: Vec<String>,
    /// SQL by database.
    pub(crate) schemas: Vec<(String, String)>,
}

impl Recipe {
    /// What `initdb` alone makes, where this is more.
    fn base(&self) -> Option<Self> {
        let more = !self.databases.is_empty() || !self.schemas.is_empty();
        more.then(|| Self {
            databases: Vec::new(),
            schemas: Vec::new(),
            ..self.clone()
        })
    }
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
    match recipe.base() {
        Some(base) => copy_into(&area, binaries, &base)?,
        None => initialize(&area, binaries, recipe)?,
    }
    create_databases(&area, binaries, &recipe.databases)?;
    for (database, sql) in &recipe.schemas {
        // A statement may have several lines.
        single_user(&area, binaries, &["-j"], database, &format!("{sql};\n\n"))?;
    }
    Ok(area)
}

fn initialize(area: &Area, binaries: &Binaries, recipe: &Recipe) -> Result<(), Error> {
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
            write_private(area, &password_file, password)?;
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
    // Single-user mode would go on with initdb's own numbers (OIDs), by which everybody takes an object for built in.
    let mut reset = Command::new(binaries.program("pg_resetwal"));
    reset
        .arg(format!("--next-oid={FIRST_OID}"))
        .arg(area.data())
        .current_dir(area.path())
        .stdin(Stdio::null());
    binaries.run(area.account(), &mut reset).map(drop)
}

fn create_databases(area: &Area, binaries: &Binaries, names: &[String]) -> Result<(), Error> {
    if names.is_empty() {
        return Ok(());
    }
    let mut script = String::new();
    for name in names {
        writeln!(script, "CREATE DATABASE \"{}\";", name.replace('"', "\"\""))
            .expect("a string takes all that is written");
    }
    single_user(area, binaries, &[], "postgres", &script)
}

/// Runs SQL in single-user mode, which is quicker than to start a server and stop it.
fn single_user(
    area: &Area,
    binaries: &Binaries,
    options: &[&str],
    database: &str,
    script: &str,
) -> Result<(), Error> {
    let mut single = Command::new(binaries.program("postgres"));
    single
        .args(["--single", "-F", "-D"])
        .arg(area.data())
        .args(options)
        // Errors end it, and are all that it prints.
        .args(["-c", "exit_on_error=on", "-c", "log_min_messages=error"])
        .arg(database)
        .current_dir(area.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    area.account().apply(&mut single);
    let what = || "cannot run postgres --single".to_owned();
    let mut process = single.spawn().during(what)?;
    if let Some(mut input) = process.stdin.take() {
        // One that has failed reads no further; what it says then is the error.
        let _ = input.write_all(script.as_bytes());
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
