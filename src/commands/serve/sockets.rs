//! Listening sockets that this process did not bind: systemd's, or those of the process that it replaces.

use std::io::ErrorKind;
use std::process::Command;

use listenfd::ListenFd;
use router_proxy::handover::Inherited;
use router_proxy::settings::Settings;

use crate::commands::Failure;

/// Those that systemd has passed on (`LISTEN_FDS`), if any.
pub(super) fn of_systemd() -> Result<Inherited, Failure> {
    let mut passed = ListenFd::from_env();
    let mut inherited = Inherited::default();
    for at in 0..passed.len() {
        // Each kind of socket is asked for in turn: one of another kind stays where it is.
        if let Ok(Some(socket)) = passed.take_tcp_listener(at) {
            inherited.add_tcp(socket);
        } else if let Ok(Some(socket)) = passed.take_unix_listener(at) {
            inherited.add_unix(socket);
        } else {
            return Err(Failure::Failed {
                what: format!(
                    "the socket that was passed as descriptor {} listens to neither TCP nor a Unix socket",
                    at + 3
                ),
                hint: "use ListenStream= in the .socket unit".to_owned(),
            });
        }
    }
    Ok(inherited)
}

/// Those of the process that serves now.
pub(super) fn of_predecessor(settings: &Settings) -> Result<Inherited, Failure> {
    let Some(path) = &settings.takeover_socket else {
        return Err(Failure::Usage {
            what: "--takeover needs server.takeover_socket in the configuration".to_owned(),
            hint:
                "set it to a path such as /run/shunt/takeover, and restart the running process once"
                    .to_owned(),
        });
    };
    Inherited::take_over(path).map_err(|error| Failure::Failed {
        hint: match error.error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                "no process serves by this configuration: start without --takeover".to_owned()
            }
            ErrorKind::PermissionDenied => "run as the user of the running process".to_owned(),
            _ => "the running process goes on; its log may say more".to_owned(),
        },
        what: error.to_string(),
    })
}

/// SIGUSR2: this command again, with `--takeover`. The file of the binary may be another one by now.
pub(super) fn start_successor(settings: &Settings) {
    if settings.takeover_socket.is_none() {
        tracing::error!(target: "shunt", "SIGUSR2: there is no server.takeover_socket in the configuration that this process has read");
        return;
    }
    let mut arguments = std::env::args_os();
    let Some(binary) = arguments.next() else {
        return;
    };
    let mut command = Command::new(binary);
    command.args(arguments);
    if !std::env::args_os().any(|argument| argument == "--takeover") {
        command.arg("--takeover");
    }
    match command.spawn() {
        Ok(mut child) => {
            tracing::info!(target: "shunt", process = child.id(), "SIGUSR2: a new process takes over");
            // Its end is seen here as long as this process lives; that is when it has failed to take over.
            std::thread::spawn(move || match child.wait() {
                Ok(status) if !status.success() => {
                    tracing::error!(target: "shunt", %status, "the new process has ended");
                }
                _ => {}
            });
        }
        Err(error) => {
            tracing::error!(target: "shunt", %error, "SIGUSR2: cannot start a new process");
        }
    }
}
