//! Sockets, plain or encrypted, and what TLS is set up from.
//!
//! | file | owns |
//! |---|---|
//! | `socket` | one connection, TCP, Unix or TLS over either, driven by readiness |
//! | `raw` | a socket of the kernel, on a worker's reactor or on tokio's |
//! | `encrypted` | TLS over a raw socket |
//! | `client_facing` | TLS towards clients, from the proxy's certificate and key |
//! | `server_facing` | TLS towards PostgreSQL servers, by `sslmode` |
//! | `verify` | what each `sslmode` checks in a server's certificate |
//! | `certificate` | the few facts read out of a certificate: hash for channel binding, common name, end of its validity |
//! | `files` | PEM files, with errors that name them |

mod certificate;
mod client_facing;
mod encrypted;
mod files;
mod raw;
mod server_facing;
mod socket;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed test panics")]
mod tests;
mod verify;

pub use certificate::{common_name, end_point_binding, valid_until};
pub use client_facing::ClientFacingTls;
pub use encrypted::EncryptedSocket;
pub use files::TlsError;
pub use raw::{RawSocket, StdSocket};
pub use server_facing::ServerFacingTls;
pub use socket::Socket;

/// The protocol name of PostgreSQL in TLS's ALPN extension.
pub const ALPN: &[u8] = b"postgresql";
