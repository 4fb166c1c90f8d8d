//! `shunt serve` under signals, with servers that nobody starts: none is asked before a client comes.

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::{shunt, text};

/// How long a line of the log may be awaited before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A proxy that is ended with the test.
pub(crate) struct Serving {
    child: Child,
    log: Receiver<String>,
    /// Lines that were passed over.
    passed: Vec<String>,
    /// Where it listens.
    pub(crate) address: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Gone already, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    pub(crate) fn start(file: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_shunt"))
            .args(["serve", "--config"])
            .arg(file)
            .args(arguments)
            .env_remove("SHUNT_LOG")
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stderr = child.stderr.take().expect("stderr is piped");
        let (lines, log) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // A test that has ended reads no more.
                let _ = lines.send(line);
            }
        });
        let mut this = Self {
            child,
            log,
            passed: Vec::new(),
            address: String::new(),
        };
        let start = this.line("listening on ");
        let at = start.find("127.0.0.1:").expect("an address");
        let address = start[at..].split([' ', ',']).next().expect("a word");
        this.address = address.to_owned();
        this
    }

    /// The next log line that holds `what`.
    pub(crate) fn line(&mut self, what: &str) -> String {
        while let Ok(line) = self.log.recv_timeout(PATIENCE) {
            if line.contains(what) {
                return line;
            }
            self.passed.push(line);
        }
        panic!("no line with {what:?} among\n{}", self.passed.join("\n"));
    }

    /// The log: all that was logged and not asked for by [`Serving::line`], once the process has ended.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        let mut lines = std::mem::take(&mut self.passed);
        lines.extend(self.log.iter());
        lines
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("kill runs").success());
    }

    pub(crate) fn end(&mut self) -> ExitStatus {
        self.child.wait().expect("the proxy ends")
    }
}

pub(crate) fn configuration(listen: &str, extra: &str) -> String {
    format!(
        "[server]\nlisten = {listen}\nworkers = 2\ndrain_timeout = '60s'\n[auth]\nmethod = 'trust'\n{extra}\n\
         [[databases]]\nname = 'shop'\n[[databases.shards]]\nname = 's0'\nprimary = 'postgres://app:hidden@127.0.0.1:1/shop'\n"
    )
}

#[test]
fn signals_stop_and_drain() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("shunt.toml");
    let socket = folder.path().join("socket");
    let listen = format!("['127.0.0.1:0', 'unix:{}']", socket.display());
    std::fs::write(&file, configuration(&listen, "")).expect("the file is written");

    let mut drained = Serving::start(&file, &[]);
    TcpStream::connect(&drained.address).expect("it listens");
    // Every user may connect, as to PostgreSQL's.
    let mode = std::fs::metadata(&socket)
        .expect("the socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o777);
    drained.signal("TERM");
    drained.line("SIGTERM");
    drained.line("drained");
    assert_eq!(drained.end().code(), Some(0));
    assert!(!socket.exists());

    let mut stopped = Serving::start(&file, &["--log-format", "json"]);
    stopped.signal("INT");
    let line = stopped.line("SIGINT");
    let json: serde_json::Value = serde_json::from_str(&line).expect("a JSON line");
    assert_eq!(json["level"], "INFO");
    assert_eq!(stopped.end().code(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn a_reload_says_what_is_wrong_or_differs() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("shunt.toml");
    let listen = "'127.0.0.1:0'";
    std::fs::write(&file, configuration(listen, "")).expect("the file is written");
    let mut serving = Serving::start(&file, &[]);

    serving.signal("HUP");
    serving.line("says what runs already");

    let faulty = configuration(listen, "[pool]\nmax_sise = 1\nmode = 'transation'");
    std::fs::write(&file, faulty).expect("the file is written");
    serving.signal("HUP");
    serving.line("has 2 faults; nothing is changed");
    serving.line("pool.max_sise: unknown key");
    serving.line("pool.mode: \"transation\" is not known");

    let other = configuration(listen, "[pool]\nmax_size = 7").replace("hidden", "veiled");
    std::fs::write(&file, other).expect("the file is written");
    serving.signal("HUP");
    serving.line("is in force");
    let size = serving.line("changed");
    assert!(
        size.contains("key=\"databases[shop].pool.max_size\" old=\"20\" new=\"7\""),
        "{size}"
    );
    let password = serving.line("changed");
    assert!(password.contains("primary (password)"), "{password}");
    assert!(!password.contains("veiled") && !password.contains("hidden"));
    TcpStream::connect(&serving.address).expect("it still listens");
    serving.signal("INT");
    assert_eq!(serving.end().code(), Some(0));
}

#[test]
fn an_address_in_use_is_an_error_with_a_way_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("shunt.toml");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound");
    let listen = format!("'{address}'");
    std::fs::write(&file, configuration(&listen, "")).expect("the file is written");
    let file = file.to_str().expect("a path of text");
    let out = shunt(&["serve", "--config", file], "");
    assert_eq!(out.status.code(), Some(1));
    let error = text(&out.stderr);
    assert!(
        error.starts_with(&format!("error: cannot listen on {address}: ")),
        "{error}"
    );
    assert!(error.contains("hint: another process listens"), "{error}");
    // A proxy shares its port among its workers, and must not share it with another proxy.
    std::fs::write(file, configuration("'127.0.0.1:0'", "")).expect("the file is written");
    let serving = Serving::start(Path::new(file), &[]);
    let listen = format!("'{}'", serving.address);
    std::fs::write(file, configuration(&listen, "")).expect("the file is written");
    let out = shunt(&["serve", "--config", file], "");
    assert_eq!(out.status.code(), Some(1), "{}", text(&out.stderr));
}

#[test]
fn a_level_that_does_not_exist_is_wrong_usage() {
    let example = crate::EXAMPLE;
    let out = shunt(&["serve", "--config", example, "--log", "inof"], "");
    assert_eq!(out.status.code(), Some(2));
    assert!(
        text(&out.stderr).contains("\"inof\" is none of"),
        "{}",
        text(&out.stderr)
    );
}
