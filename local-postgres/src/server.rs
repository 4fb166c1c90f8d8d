//! A server that runs, and what a fault test does to it.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::area::{Area, await_until};
use crate::binaries::{Binaries, run};
use crate::builder::Builder;
use crate::error::{During, Error};

/// Longest start, stop or promotion: generous, since many servers may share few cores.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a server is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Ends sessions, writes everything out (`SIGINT`).
    Fast,
    /// Ends at once, recovers at the next start (`SIGQUIT`).
    Immediate,
}

/// A PostgreSQL server of this process. Dropped, it is stopped and removed.
#[derive(Debug)]
pub struct Server {
    area: Area,
    binaries: Binaries,
    port: u16,
    builder: Builder,
}

impl Server {
    /// Describes a primary.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn prepare(area: Area, binaries: Binaries, builder: Builder) -> Self {
        Self {
            area,
            binaries,
            port: 0,
            builder,
        }
    }

    pub(crate) fn use_port(&mut self, port: u16) -> Result<(), Error> {
        self.port = port;
        let path = self.data_directory().join("postgresql.conf");
        let mut file = fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .at("cannot open", &path)?;
        writeln!(file, "port = {port}").at("cannot write", &path)
    }

    /// Describes a streaming replica of this server. It takes over user, password and settings.
    pub fn replica(&self) -> Builder {
        self.builder.clone().following(self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory of the Unix socket; `None` where its path would be too long for one.
    pub fn socket_directory(&self) -> Option<&Path> {
        self.area.socket_directory()
    }

    /// The superuser.
    pub fn user(&self) -> &str {
        self.builder.name_of_superuser()
    }

    /// The superuser's password, if anybody is asked for one.
    pub fn password(&self) -> Option<&str> {
        self.builder.secret()
    }

    /// The data directory.
    pub fn data_directory(&self) -> PathBuf {
        self.area.data()
    }

    /// PostgreSQL's programs that this server runs from.
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// `postgres://…`, password included.
    pub fn url(&self, database: &str) -> String {
        let password = self
            .password()
            .map_or_else(String::new, |text| format!(":{}", percent(text)));
        let user = percent(self.user());
        format!(
            "postgres://{user}{password}@127.0.0.1:{}/{}",
            self.port,
            percent(database)
        )
    }

    /// All that the server has logged.
    pub fn log(&self) -> String {
        fs::read(self.log_path()).map_or_else(
            |_| String::new(),
            |text| String::from_utf8_lossy(&text).into_owned(),
        )
    }

    /// The process id of the postmaster, while it runs.
    pub fn process(&self) -> Option<u32> {
        self.area.process()
    }

    /// A client program of PostgreSQL (`psql`, `pgbench`, `pg_dump`, …) with the environment set
    /// so that it connects to `database` here.
    pub fn client(&self, program: &str, database: &str) -> Command {
        let mut command = self.binaries.client(program);
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", self.user())
            .env("PGDATABASE", database)
            .env("PGCONNECT_TIMEOUT", "10");
        if let Some(password) = self.password() {
            command.env("PGPASSWORD", password);
        }
        command
    }

    /// `psql` without the user's `.psqlrc`.
    pub fn psql(&self, database: &str) -> Command {
        let mut command = self.client("psql", database);
        command.arg("-X");
        command
    }

    /// Runs SQL and gives the rows as text, `|` between columns. The first error ends it.
    pub fn execute(&self, database: &str, sql: &str) -> Result<String, Error> {
        let mut command = self.psql(database);
        command
            .args(["-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = command.spawn().during(|| "cannot run psql".to_owned())?;
        let input = process.stdin.take();
        let output = std::thread::scope(|scope| {
            // Beside the reading of the output: either may fill its pipe.
            scope.spawn(move || {
                // psql that has failed reads no further; what it says then is the error.
                if let Some(mut input) = input {
                    let _ = input.write_all(sql.as_bytes());
                }
            });
            process.wait_with_output()
        })
        .during(|| "cannot run psql".to_owned())?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout)
                .trim_end()
                .to_owned());
        }
        Err(Error::Program {
            program: "psql".to_owned(),
            status: output.status.to_string(),
            output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    /// Whether the server's process runs (paused counts).
    pub fn is_running(&self) -> bool {
        self.area.process().is_some()
    }

    /// Starts a server that was stopped or killed, on its old port, and waits until it answers.
    pub fn start(&self) -> Result<(), Error> {
        if self.is_running() {
            return Ok(());
        }
        let mut outcome = Ok(());
        // Processes of a server that was killed need a moment to notice.
        await_until(PATIENCE, || {
            outcome = self.start_once();
            !matches!(&outcome, Err(Error::Start { log, .. }) if log.contains("pre-existing shared memory"))
        });
        outcome
    }

    fn start_once(&self) -> Result<(), Error> {
        if TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            return Err(Error::PortTaken { port: self.port });
        }
        let logged = fs::metadata(self.log_path()).map_or(0, |log| log.len());
        self.area.start()?;
        let decided = await_until(PATIENCE, || self.is_ready() || self.area.ended());
        if decided && self.is_ready() {
            return Ok(());
        }
        let log = self.log();
        let since = log
            .get(usize::try_from(logged).unwrap_or(0)..)
            .unwrap_or(&log);
        if since.contains("could not bind") {
            return Err(Error::PortTaken { port: self.port });
        }
        let problem = if decided {
            "ended while it started"
        } else {
            "was not ready in time"
        };
        Err(Error::Start {
            data: self.data_directory(),
            problem: problem.to_owned(),
            log: tail(since).to_owned(),
        })
    }

    /// The postmaster writes its state into its pid file: `ready` says that it takes connections,
    /// on a replica too.
    fn is_ready(&self) -> bool {
        let Some(process) = self.area.process() else {
            return false;
        };
        let Ok(text) = fs::read_to_string(self.data_directory().join("postmaster.pid")) else {
            return false;
        };
        let mut lines = text.lines();
        // A killed server leaves the file behind: it must be of this process.
        lines.next() == Some(&process.to_string()) && lines.nth(6).map(str::trim) == Some("ready")
    }

    /// Stops the server and waits for its end.
    pub fn stop(&self, how: Stop) -> Result<(), Error> {
        self.end(match how {
            Stop::Fast => "INT",
            Stop::Immediate => "QUIT",
        })
    }

    /// Kills the server as a crash of it would (`SIGKILL`), and waits until its port is closed.
    pub fn kill(&self) -> Result<(), Error> {
        self.end("KILL")
    }

    /// [`Server::stop`] and [`Server::start`].
    pub fn restart(&self, how: Stop) -> Result<(), Error> {
        self.stop(how)?;
        self.start()
    }

    fn end(&self, signal: &str) -> Result<(), Error> {
        if !self.is_running() {
            return Ok(());
        }
        if signal != "KILL" {
            self.resume()?;
        }
        let family = if signal == "KILL" {
            self.family()?
        } else {
            Vec::new()
        };
        self.area.signal(signal)?;
        if !self.area.ended_within(PATIENCE) {
            return Err(self.state(&format!("did not end on SIG{signal} in time")));
        }
        // The children of a killed server hold its port until they notice.
        if let Some((_, children)) = family.split_first() {
            send("KILL", children);
            if !await_until(PATIENCE, || {
                TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).is_ok()
            }) {
                return Err(self.state("was killed but its port is still in use"));
            }
            self.forget_paused()?;
        }
        Ok(())
    }

    /// Stops all processes of the server where they are (`SIGSTOP`): connections stay open and
    /// nothing answers.
    pub fn pause(&self) -> Result<(), Error> {
        // The postmaster first, so that no process joins while the list is made.
        if let Some(postmaster) = self.process() {
            self.note_paused(&[postmaster])?;
            send("STOP", &[postmaster]);
        }
        let family = self.family()?;
        self.note_paused(&family)?;
        send("STOP", &family);
        Ok(())
    }

    /// Lets a paused server go on.
    pub fn resume(&self) -> Result<(), Error> {
        let Ok(paused) = fs::read_to_string(self.paused_path()) else {
            return Ok(());
        };
        let processes: Vec<u32> = paused
            .split_whitespace()
            .filter_map(|id| id.parse().ok())
            .collect();
        send("CONT", &processes);
        self.forget_paused()
    }

    fn note_paused(&self, processes: &[u32]) -> Result<(), Error> {
        let list: Vec<String> = processes.iter().map(u32::to_string).collect();
        let path = self.paused_path();
        fs::write(&path, list.join("\n") + "\n").at("cannot write", &path)
    }

    fn forget_paused(&self) -> Result<(), Error> {
        let path = self.paused_path();
        if path.exists() {
            fs::remove_file(&path).at("cannot remove", &path)
        } else {
            Ok(())
        }
    }

    /// Makes a primary of a replica, and waits until it takes writes.
    pub fn promote(&self) -> Result<(), Error> {
        self.execute(
            "postgres",
            "SELECT pg_promote(wait := true, wait_seconds := 60)",
        )
        .map(drop)
    }

    /// Waits until this replica has replayed all that `primary` has written so far.
    pub fn await_replay_of(&self, primary: &Self) -> Result<(), Error> {
        let target = primary.execute("postgres", "SELECT pg_current_wal_insert_lsn()")?;
        let sql = format!("SELECT coalesce(pg_last_wal_replay_lsn() >= '{target}', true)");
        let mut outcome = Ok(());
        let arrived = await_until(PATIENCE, || match self.execute("postgres", &sql) {
            Ok(answer) => answer == "t",
            Err(error) => {
                outcome = Err(error);
                true
            }
        });
        outcome?;
        if arrived {
            Ok(())
        } else {
            Err(self.state(&format!("did not replay {target} in time")))
        }
    }

    /// The postmaster and all its descendants.
    fn family(&self) -> Result<Vec<u32>, Error> {
        let Some(postmaster) = self.process() else {
            return Ok(Vec::new());
        };
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for (process, parent) in processes()? {
            children.entry(parent).or_default().push(process);
        }
        let mut family = vec![postmaster];
        let mut next = 0;
        while let Some(member) = family.get(next) {
            family.extend(children.remove(member).unwrap_or_default());
            next += 1;
        }
        Ok(family)
    }

    fn log_path(&self) -> PathBuf {
        self.area.path().join("log")
    }

    fn paused_path(&self) -> PathBuf {
        self.area.path().join("paused")
    }

    fn state(&self, problem: &str) -> Error {
        Error::State {
            port: self.port,
            problem: problem.to_owned(),
        }
    }
}

/// All processes of the machine with their parents.
fn processes() -> Result<Vec<(u32, u32)>, Error> {
    // Linux machines need not have ps; others have no /proc.
    if Path::new("/proc/self/stat").exists() {
        let entries = fs::read_dir("/proc").at("cannot read", Path::new("/proc"))?;
        return Ok(entries
            .flatten()
            .filter_map(|entry| {
                let process = entry.file_name().to_str()?.parse().ok()?;
                let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
                // "pid (name) state parent …"; the name may hold anything, also ')'.
                let parent = stat
                    .rsplit_once(')')?
                    .1
                    .split_whitespace()
                    .nth(1)?
                    .parse()
                    .ok()?;
                Some((process, parent))
            })
            .collect());
    }
    let text = run(Command::new("ps")
        .args(["-A", "-o", "pid=,ppid="])
        .stdin(Stdio::null()))?;
    Ok(text
        .lines()
        .filter_map(|line| {
            let mut ids = line.split_whitespace();
            Some((ids.next()?.parse().ok()?, ids.next()?.parse().ok()?))
        })
        .collect())
}

/// Signals processes; those that are gone already are no error.
fn send(signal: &str, processes: &[u32]) {
    if processes.is_empty() {
        return;
    }
    // `kill` is built into every shell; the program of that name may be missing.
    let _ = Command::new("sh")
        .args([
            "-c",
            r#"signal=$1; shift; for process; do kill -s "$signal" "$process"; done"#,
            "sh",
            signal,
        ])
        .args(processes.iter().map(u32::to_string))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// The last lines of a log.
fn tail(log: &str) -> &str {
    const LINES: usize = 20;
    let text = log.trim_end();
    let start = text
        .rmatch_indices('\n')
        .nth(LINES - 1)
        .map_or(0, |(at, _)| at + 1);
    text.get(start..).unwrap_or(text)
}

/// Percent-encodes one part of a URL.
fn percent(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_hide_nothing_special() {
        assert_eq!(percent("a:b@c/d é"), "a%3Ab%40c%2Fd%20%C3%A9");
    }

    #[test]
    fn a_log_is_cut_to_its_last_lines() {
        let log: String = (0..50).map(|line| format!("line {line}\n")).collect();
        assert!(tail(&log).starts_with("line 30\n"), "{}", tail(&log));
        assert_eq!(tail("one"), "one");
    }
}
