//! A directory that goes away with this process, and the server that runs in it.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crate::account::Account;
use crate::error::{During, Error};

/// How often a file that announces something is looked for.
const POLL: Duration = Duration::from_millis(5);

/// Longest directory that still leaves room for `/.s.PGSQL.65535` in a socket's
/// address, which holds 104 bytes on BSD and macOS and 108 on Linux.
const LONGEST_SOCKET_DIRECTORY: usize = 86;

/// A directory under the watch of `watchdog.sh`.
#[derive(Debug)]
pub(crate) struct Area {
    path: PathBuf,
    account: Account,
    watchdog: Mutex<Watchdog>,
    /// Where the servers' account may not remove an entry of the parent.
    sweeper: Option<Watchdog>,
}

#[derive(Debug)]
struct Watchdog {
    process: Child,
    /// Closing this, which the kernel does when this process ends, is what removes everything.
    commands: Option<ChildStdin>,
}

/// Removes the directory itself once the watchdog has emptied it.
const SWEEPER: &str = "cat >/dev/null; tries=0
while ! rmdir \"$1\" 2>/dev/null && [ -e \"$1\" ] && [ $tries -lt 600 ]; do
    tries=$((tries + 1)); sleep 0.05
done";

impl Watchdog {
    /// Runs a script on a directory, with a pipe from this process as its input.
    fn spawn(script: &str, arguments: &[&Path], account: Option<&Account>) -> Result<Self, Error> {
        let mut command = Command::new("sh");
        command
            .args(["-c", script, "watchdog"])
            .args(arguments)
            .current_dir("/")
            // An interrupt typed at the terminal is for this process; the rest follows from its end.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(account) = account {
            account.apply(&mut command);
        }
        let mut process = command.spawn().during(|| "cannot run sh".to_owned())?;
        let commands = process.stdin.take();
        Ok(Self { process, commands })
    }
}

impl Area {
    /// A new directory in `parent`, or in the system's directory for temporary files.
    pub(crate) fn new(given: Option<&Path>, postgres: &Path) -> Result<Self, Error> {
        let parent = match given {
            Some(given) => {
                fs::create_dir_all(given).at("cannot create", given)?;
                given.canonicalize().at("cannot resolve", given)?
            }
            None => default_parent(),
        };
        let directory = tempfile::Builder::new()
            .prefix("shunt-pg-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&parent)
            .at("cannot create a directory in", &parent)?;
        let account = Account::for_servers(directory.path())?;
        account.own(directory.path())?;

        // The sweeper first: it must be there when the watchdog has done its part.
        let sweeper = match given {
            Some(_) if account.is_other() => {
                Some(Watchdog::spawn(SWEEPER, &[directory.path()], None)?)
            }
            _ => None,
        };
        let script = include_str!("watchdog.sh");
        let watchdog = Watchdog::spawn(script, &[directory.path(), postgres], Some(&account))?;
        Ok(Self {
            // From here on the watchdog removes it.
            path: directory.keep(),
            account,
            watchdog: Mutex::new(watchdog),
            sweeper,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// Where the server's Unix socket goes; `None` when the path is too long for one.
    pub(crate) fn socket_directory(&self) -> Option<&Path> {
        (self.path.as_os_str().len() <= LONGEST_SOCKET_DIRECTORY).then_some(&*self.path)
    }

    /// The server's process, while it runs.
    pub(crate) fn process(&self) -> Option<u32> {
        if self.path.join("exit").exists() {
            return None;
        }
        fs::read_to_string(self.path.join("pid"))
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    /// Has the server started, without waiting for it to be ready.
    pub(crate) fn start(&self) -> Result<(), Error> {
        // Their absence means "not yet" to `process` and `ended`.
        for stale in ["pid", "exit"] {
            match fs::remove_file(self.path.join(stale)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).at("cannot remove", &self.path.join(stale));
                }
                _ => {}
            }
        }
        self.command("start")
    }

    /// Sends the server a signal: `INT`, `QUIT`, `KILL`, …
    pub(crate) fn signal(&self, name: &str) -> Result<(), Error> {
        self.command(&format!("signal {name}"))
    }

    /// Waits for the server's end; whether it came.
    pub(crate) fn ended_within(&self, limit: Duration) -> bool {
        await_until(limit, || self.path.join("exit").exists())
    }

    /// Whether the server has ended since it was last started.
    pub(crate) fn ended(&self) -> bool {
        self.path.join("exit").exists()
    }

    fn command(&self, line: &str) -> Result<(), Error> {
        let mut watchdog = self
            .watchdog
            .lock()
            .expect("nothing panics while it is held");
        let Some(commands) = &mut watchdog.commands else {
            return Ok(());
        };
        writeln!(commands, "{line}")
            .during(|| format!("the watchdog of {} is gone", self.path.display()))
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        let watchdog = self
            .watchdog
            .get_mut()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        // Both see the end of their input before either is waited for: the one ends by the other.
        watchdog.commands = None;
        if let Some(sweeper) = &mut self.sweeper {
            sweeper.commands = None;
        }
        let _ = watchdog.process.wait();
        if let Some(sweeper) = &mut self.sweeper {
            let _ = sweeper.process.wait();
        }
    }
}

/// Asks again and again until `done`; whether it was in time.
pub(crate) fn await_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if done() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        thread::sleep(POLL);
    }
}

/// Where directories go unless somebody says otherwise: in memory where there is plenty of it,
/// else the system's directory for temporary files, or `/tmp` where that is too deep for a socket.
fn default_parent() -> PathBuf {
    static CHOICE: OnceLock<PathBuf> = OnceLock::new();
    let choose = || {
        let memory = Path::new("/dev/shm");
        // Who sets TMPDIR means it.
        if std::env::var_os("TMPDIR").is_none() && has_plenty(memory) {
            return memory.to_owned();
        }
        let usual = std::env::temp_dir();
        let name = "/shunt-pg-XXXXXX".len();
        if usual.as_os_str().len() + name > LONGEST_SOCKET_DIRECTORY && Path::new("/tmp").is_dir() {
            return PathBuf::from("/tmp");
        }
        usual
    };
    CHOICE.get_or_init(choose).clone()
}

/// Whether servers may keep their files in this file system of Linux's memory. A server has about
/// a thousand small files, and copying those takes a tenth of the time there.
fn has_plenty(memory: &Path) -> bool {
    // A test run has some twenty servers of 50 to 150 MB at a time.
    const PLENTY_KB: u64 = 6 << 20;
    let available = |text: &str, line: usize, word: usize| {
        let number = text.lines().nth(line)?.split_whitespace().nth(word)?;
        number.parse::<u64>().ok()
    };
    let Ok(meminfo) = fs::read_to_string("/proc/meminfo") else {
        return false;
    };
    // MemTotal, MemFree, MemAvailable: proc(5).
    let free = available(&meminfo, 2, 1).filter(|_| meminfo.contains("MemAvailable:"));
    // The output that POSIX lays down: the fourth field is what is available.
    let Ok(df) = Command::new("df")
        .args(["-P", "-k"])
        .arg(memory)
        .stderr(Stdio::null())
        .output()
    else {
        return false;
    };
    let df = String::from_utf8_lossy(&df.stdout).into_owned();
    df.lines()
        .nth(1)
        .is_some_and(|line| line.starts_with("tmpfs"))
        && available(&df, 1, 3).is_some_and(|kilobytes| kilobytes >= PLENTY_KB)
        && free.is_some_and(|kilobytes| kilobytes >= PLENTY_KB)
        && tempfile::tempfile_in(memory).is_ok()
}
