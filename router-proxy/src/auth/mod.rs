//! How clients prove who they are.
//!
//! | file | owns |
//! |---|---|
//! | `login` | the rules and users of a proxy; the one place that reads and writes |
//! | `exchange` | the talk that proves a password, without I/O |
//! | [`hba`] | rules in `pg_hba.conf` syntax, without I/O but for reading the file |
//! | [`limits`] | how many strangers at a time, how often one may fail |
//! | [`scram`] | SCRAM-SHA-256 and -PLUS, the server's side, without I/O |
//! | `stored` | passwords as stored: clear text, MD5 hash, SCRAM verifier |
//!
//! What a stranger can learn: nothing about which users exist. An unknown user
//! is asked for the same proof, with a salt that stays the same, at the same
//! cost, and gets the same error. (Salts of users unknown or kept in clear text
//! change when the proxy restarts; those of stored verifiers do not.)

mod exchange;
pub mod hba;
pub mod limits;
mod login;
pub mod scram;
mod stored;

pub use exchange::{Exchange, Progress, Proof, Subject, wrong_password};
pub use login::{AuthError, Authenticator, NoLookup, SecretLookup};
pub use stored::Stored;
