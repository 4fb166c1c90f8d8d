//! A proxy bound to its addresses, or why it could not be and what to do about it.

use std::io::ErrorKind;
use std::net::TcpListener;

use router_proxy::handover::Inherited;
use router_proxy::settings::{ListenAddress, Settings};
use router_proxy::{BindError, Proxy};

use crate::commands::Failure;

/// Binds all addresses that were not inherited.
pub(super) fn bind(settings: &Settings, mut inherited: Inherited) -> Result<Proxy, Failure> {
    for address in &settings.listen {
        if let ListenAddress::Tcp(address) = address
            && address.port() != 0
            && !inherited.has(*address)
        {
            // The proxy shares its port among its workers (SO_REUSEPORT), and the kernel lets another
            // process of the same user join in. Two proxies on one port, each getting some of the
            // clients, is nobody's wish: a socket that does not share finds out.
            TcpListener::bind(address)
                .map_err(|error| BindError::Listen {
                    address: address.to_string(),
                    error,
                })
                .map_err(|error| failure(&error, settings))?;
        }
    }
    let proxy = Proxy::bind_with(settings.clone(), &mut inherited)
        .map_err(|error| failure(&error, settings))?;
    #[cfg(feature = "second-reader")]
    let proxy =
        proxy.with_second_reader(std::sync::Arc::new(crate::second_reader::Grammar::default()));
    let left_over = inherited.left_over();
    if !left_over.is_empty() {
        // Clients that connect there would wait for ever.
        return Err(Failure::Failed {
            what: format!(
                "sockets were passed on that the configuration does not list: {}",
                left_over.join(", ")
            ),
            hint: "list them in server.listen or server.http_listen; in a takeover that is how the running process has them"
                .to_owned(),
        });
    }
    Ok(proxy)
}

/// What a user is told.
pub(crate) fn failure(error: &BindError, settings: &Settings) -> Failure {
    let key = |address: &str| {
        let http = settings.http_listen.map(|http| http.to_string());
        match http.is_some_and(|http| http == address) {
            true => "server.http_listen",
            false => "server.listen",
        }
    };
    let hint = match error {
        BindError::Listen { address, error } => match error.kind() {
            ErrorKind::AddrInUse => format!(
                "another process listens on {address}: end it, or give {} another address",
                key(address)
            ),
            ErrorKind::PermissionDenied => {
                "ports below 1024 need CAP_NET_BIND_SERVICE, and a socket needs a folder that this user may write: \
                 choose another address in server.listen, such as 127.0.0.1:6432"
                    .to_owned()
            }
            ErrorKind::AddrNotAvailable => {
                "no interface of this machine has that address: server.listen takes one that it has, or 0.0.0.0 for all"
                    .to_owned()
            }
            ErrorKind::NotFound => "make the folder of the socket first".to_owned(),
            _ => "look at server.listen".to_owned(),
        },
        BindError::Tls(_) => "mend server.tls; relative paths start at the folder of the configuration file".to_owned(),
        BindError::Auth(_) => "mend auth and users in the configuration".to_owned(),
        BindError::Worker(_) => format!(
            "{} workers need a thread and some file descriptors each: look at the limits of this process (ulimit -a), \
             or set server.workers",
            match settings.workers { 0 => "as many as cores".to_owned(), n => n.to_string() },
        ),
    };
    Failure::Failed {
        what: error.to_string(),
        hint,
    }
}
