//! What is known of a user's password, in any of the forms in which it may be stored.

use std::sync::OnceLock;

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::scram;
use crate::settings::Secret;

/// A stored password.
#[derive(Debug)]
pub struct Stored {
    form: Form,
    /// Of a clear-text password: derived once.
    derived: OnceLock<scram::Verifier>,
}

enum Form {
    Clear(Secret),
    /// Hexadecimal digits of MD5 over password and user.
    Md5(Zeroizing<String>),
    Scram(scram::Verifier),
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Clear(_) => "Clear(…)",
            Self::Md5(_) => "Md5(…)",
            Self::Scram(_) => "Scram(…)",
        })
    }
}

impl Stored {
    /// Reads a secret as settings or `pg_authid` have it: a SCRAM verifier, `md5` and
    /// 32 hexadecimal digits, or else a password in clear text.
    pub fn new(secret: &Secret) -> Self {
        let text = secret.0.as_str();
        let form = if let Some(verifier) = scram::Verifier::parse(text) {
            Form::Scram(verifier)
        } else if let Some(digits) = text.strip_prefix("md5").filter(|digits| is_md5(digits)) {
            Form::Md5(Zeroizing::new(digits.to_ascii_lowercase()))
        } else {
            Form::Clear(secret.clone())
        };
        Self {
            form,
            derived: OnceLock::new(),
        }
    }

    /// The SCRAM verifier; of a clear-text password it is derived with `salt` at the
    /// first call. `None` for MD5 hashes.
    pub fn scram(&self, salt: impl FnOnce() -> [u8; 16]) -> Option<&scram::Verifier> {
        match &self.form {
            Form::Scram(verifier) => Some(verifier),
            Form::Md5(_) => None,
            Form::Clear(secret) => Some(
                self.derived
                    .get_or_init(|| scram::Verifier::derive(&secret.0, &salt())),
            ),
        }
    }

    /// Hexadecimal digits of MD5 over password and user; `None` where only a SCRAM verifier is known.
    pub fn md5(&self, user: &str) -> Option<Zeroizing<String>> {
        match &self.form {
            Form::Scram(_) => None,
            Form::Md5(digits) => Some(digits.clone()),
            Form::Clear(secret) => Some(md5_hex(&[secret.0.as_bytes(), user.as_bytes()])),
        }
    }

    /// Whether this is an MD5 hash.
    pub fn is_md5(&self) -> bool {
        matches!(self.form, Form::Md5(_))
    }
}

fn is_md5(digits: &str) -> bool {
    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// MD5 of the parts, as hexadecimal digits.
pub(super) fn md5_hex(parts: &[&[u8]]) -> Zeroizing<String> {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part);
    }
    let mut digits = Zeroizing::new(String::with_capacity(32));
    for byte in hash.finalize() {
        for nibble in [byte >> 4, byte & 15] {
            digits.push(char::from_digit(nibble.into(), 16).expect("below 16"));
        }
    }
    digits
}

/// Whether `response` answers the MD5 challenge `salt` for a password hashed to `digits`.
pub(super) fn md5_matches(digits: &str, salt: [u8; 4], response: &[u8]) -> bool {
    let expected = md5_hex(&[digits.as_bytes(), &salt]);
    match response.strip_prefix(b"md5") {
        Some(response) => response.ct_eq(expected.as_bytes()).into(),
        None => false,
    }
}
