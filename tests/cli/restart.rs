//! Restarts without a moment in which nobody listens, by the binary itself: systemd's sockets, `--takeover`, SIGUSR2.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::serve::{Serving, configuration};
use crate::{shunt, text};

/// Whether somebody answers there: a request for TLS gets `N`.
fn answers(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return false;
    };
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a time limit can be set");
    let mut answer = [0];
    stream
        .write_all(&[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])
        .is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer == *b"N"
}

fn write(file: &Path, address: &str, folder: &Path) {
    let keys = format!(
        "takeover_socket = '{}'\n",
        folder.join("takeover").display()
    );
    let listen = format!("'{address}'\n{keys}");
    std::fs::write(file, configuration(&listen, "")).expect("the file is written");
}

#[test]
fn a_new_process_takes_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("shunt.toml");
    write(&file, "127.0.0.1:0", folder.path());
    let path = file.to_str().expect("a path of text");
    let out = shunt(&["serve", "--takeover", "--config", path], "");
    assert_eq!(out.status.code(), Some(1), "{}", text(&out.stderr));
    assert!(
        text(&out.stderr).contains("hint: no process serves by this configuration"),
        "{}",
        text(&out.stderr)
    );

    let mut old = Serving::start(&file, &[]);
    write(&file, &old.address, folder.path());
    let mut new = Serving::start(&file, &["--takeover"]);
    assert_eq!(new.address, old.address);
    old.line("another process has taken over");
    assert_eq!(old.end().code(), Some(0));
    assert!(answers(&new.address));

    // The running process does the same by itself when it is asked to. Its own end is awaited; the successor's is that
    // of its takeover socket.
    new.signal("USR2");
    new.line("a new process takes over");
    let line = new.line("listening on ");
    assert!(line.contains(&new.address), "{line}");
    assert_eq!(new.end().code(), Some(0));
    assert!(answers(&new.address));
    let mut last = Serving::start(&file, &["--takeover"]);
    assert!(answers(&last.address));
    last.signal("TERM");
    assert_eq!(last.end().code(), Some(0));
    assert!(!answers(&last.address));
    assert!(!folder.path().join("takeover").exists());
}

#[test]
fn a_takeover_needs_a_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("shunt.toml");
    std::fs::write(&file, configuration("'127.0.0.1:0'", "")).expect("the file is written");
    let file = file.to_str().expect("a path of text");
    let out = shunt(&["serve", "--takeover", "--config", file], "");
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("hint: set it to a path"));
}

/// systemd passes sockets from descriptor 3 on, and is told when the proxy serves.
#[test]
fn systemds_sockets_are_used_and_systemd_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = UnixDatagram::bind(folder.path().join("notify")).expect("a socket");
    told.set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a time limit can be set");
    let local = folder.path().join(".s.PGSQL.6432");
    let unix = UnixListener::bind(&local).expect("a socket");
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("it is bound").to_string();
    let file = folder.path().join("shunt.toml");
    let listed = format!("['{address}', 'unix:{}']", local.display());
    std::fs::write(&file, configuration(&listed, "")).expect("the file is written");
    let start = |file: &Path| {
        let socket = socket.try_clone().expect("another descriptor");
        let unix = unix.try_clone().expect("another descriptor");
        Command::new("sh")
            .arg("-c")
            .arg("exec 3<&0 4<&1 0</dev/null 1>/dev/null; export LISTEN_FDS=2 LISTEN_PID=$$; exec \"$0\" serve --config \"$1\"")
            .arg(env!("CARGO_BIN_EXE_shunt"))
            .arg(file)
            .env("NOTIFY_SOCKET", folder.path().join("notify"))
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(socket)))
            .stdout(Stdio::from(std::os::fd::OwnedFd::from(unix)))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts")
    };
    let mut child = start(&file);
    let mut message = [0; 256];
    let length = told.recv(&mut message).expect("it says that it is ready");
    let said = text(&message[..length]);
    assert!(said.contains("READY=1"), "{said}");
    assert!(said.contains(&format!("MAINPID={}", child.id())), "{said}");
    assert!(answers(&address));
    assert!(answers(&address));
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-s", "TERM", &id]).status();
    assert!(sent.expect("kill runs").success());
    let length = told.recv(&mut message).expect("it says that it stops");
    assert!(text(&message[..length]).contains("STOPPING=1"));
    assert!(child.wait().expect("it ends").success());
    // systemd goes on listening, and starts another one when somebody comes.
    assert!(UnixStream::connect(&local).is_ok());

    // A socket that nobody has listed is an error: clients would wait there for ever.
    std::fs::write(&file, configuration("'127.0.0.1:0'", "")).expect("the file is written");
    let out = start(&file).wait_with_output().expect("it ends");
    assert_eq!(out.status.code(), Some(1));
    assert!(
        text(&out.stderr).contains(&format!("does not list: {address}")),
        "{}",
        text(&out.stderr)
    );
}
