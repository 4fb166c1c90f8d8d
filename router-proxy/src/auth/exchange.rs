//! The talk that proves a password, as a machine without I/O.
//!
//! [`Exchange::start`] writes the first challenge; every message of the client
//! goes to [`Exchange::handle`], until it says [`Progress::Proven`] or fails.

use bytes::{Buf, BytesMut};
use zeroize::Zeroizing;

use super::scram::{self, ExpectFinal, ExpectFirst};
use super::stored::{Stored, md5_hex, md5_matches};
use crate::wire::code;
use crate::wire::encode::{self, Report};

/// Longest SASL message, as in PostgreSQL (`PG_MAX_SASL_MESSAGE_LENGTH`).
const MAX_SASL_LENGTH: usize = 1024;
/// Longest password message.
const MAX_PASSWORD_LENGTH: usize = 10_000;

/// How a password is to be proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// In clear text.
    Password,
    /// MD5 challenge; SCRAM for users whose SCRAM verifier is all that is known, as in PostgreSQL.
    Md5,
    /// SCRAM.
    Scram,
}

/// What an exchange is about.
pub struct Subject<'a> {
    /// User.
    pub user: &'a str,
    /// What is known of the user's password; `None`: nothing, or no such user.
    pub stored: Option<&'a Stored>,
    /// A salt for this user that stays the same while the proxy runs.
    pub salt: [u8; 16],
    /// Under [`Proof::Md5`], whether unknown users are asked for SCRAM.
    pub unknown_prefers_scram: bool,
    /// Hash of our certificate on TLS connections that can be bound to.
    pub binding: Option<&'a [u8]>,
    /// Random bytes: never twice the same.
    pub random: [u8; 32],
}

/// An exchange under way.
#[derive(Debug)]
pub struct Exchange {
    user: String,
    state: State,
}

enum State {
    Password {
        verifier: Option<scram::Verifier>,
        md5: Option<Zeroizing<String>>,
        doomed: bool,
    },
    Md5 {
        digits: Zeroizing<String>,
        salt: [u8; 4],
        doomed: bool,
    },
    Mechanism {
        verifier: scram::Verifier,
        doomed: bool,
        binding: Option<Vec<u8>>,
        nonce: String,
    },
    First {
        machine: ExpectFirst,
        nonce: String,
    },
    Final(ExpectFinal),
    Over,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password",
            Self::Md5 { .. } => "Md5",
            Self::Mechanism { .. } => "Mechanism",
            Self::First { .. } => "First",
            Self::Final(_) => "Final",
            Self::Over => "Over",
        })
    }
}

/// How far an exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Send what was written, read on.
    Continue,
    /// The password is right. What was written must go out before AuthenticationOk.
    Proven,
}

impl Exchange {
    /// Begins: writes the challenge.
    pub fn start(proof: Proof, subject: &Subject<'_>, out: &mut BytesMut) -> Self {
        let md5 = subject.stored.and_then(|stored| stored.md5(subject.user));
        let state = match proof {
            Proof::Password => {
                encode::authentication_password(out);
                start_password(subject)
            }
            Proof::Md5 if md5.is_some() || !asks_scram(subject) => {
                let salt = *subject.random.first_chunk().expect("32 bytes");
                encode::authentication_md5(out, salt);
                let doomed = md5.is_none();
                let digits = md5.unwrap_or_else(|| md5_hex(&[&subject.random, &subject.salt]));
                State::Md5 {
                    digits,
                    salt,
                    doomed,
                }
            }
            Proof::Md5 | Proof::Scram => start_scram(subject, out),
        };
        Self {
            user: subject.user.to_owned(),
            state,
        }
    }

    /// Longest message to take now, without tag and length.
    pub fn limit(&self) -> usize {
        match self.state {
            State::Password { .. } | State::Md5 { .. } => MAX_PASSWORD_LENGTH,
            _ => MAX_SASL_LENGTH,
        }
    }

    /// Takes a message of the client. An error is the last thing the client hears.
    pub fn handle(&mut self, tag: u8, body: &[u8], out: &mut BytesMut) -> Result<Progress, Report> {
        let state = std::mem::replace(&mut self.state, State::Over);
        let sasl = !matches!(state, State::Password { .. } | State::Md5 { .. });
        if tag != b'p' {
            let what = if sasl { "SASL" } else { "password" };
            return Err(violation(format!(
                "expected {what} response, got message type {tag}"
            )));
        }
        match state {
            State::Password {
                verifier,
                md5,
                doomed,
            } => {
                let given = password(body)?;
                let mut right = match &verifier {
                    Some(verifier) => verifier.verify_password(&given),
                    None => false,
                };
                if let Some(md5) = md5 {
                    let digits = md5_hex(&[given.as_bytes(), self.user.as_bytes()]);
                    right = subtle::ConstantTimeEq::ct_eq(digits.as_bytes(), md5.as_bytes()).into();
                }
                self.proven(right && !doomed)
            }
            State::Md5 {
                digits,
                salt,
                doomed,
            } => {
                let given = password(body)?;
                let right = md5_matches(&digits, salt, given.as_bytes());
                self.proven(right && !doomed)
            }
            State::Mechanism {
                verifier,
                doomed,
                binding,
                nonce,
            } => {
                let (mechanism, data) = initial_response(body)?;
                let machine = ExpectFirst::new(mechanism, verifier, doomed, binding)?;
                match data {
                    Some(data) => self.first(machine, data, &nonce, out),
                    None => {
                        encode::authentication_sasl_continue(out, b"");
                        self.state = State::First { machine, nonce };
                        Ok(Progress::Continue)
                    }
                }
            }
            State::First { machine, nonce } => self.first(machine, body, &nonce, out),
            State::Final(machine) => match machine.handle(body) {
                Ok(reply) => {
                    encode::authentication_sasl_final(out, reply.as_bytes());
                    Ok(Progress::Proven)
                }
                Err(scram::Failure::Report(report)) => Err(report),
                Err(scram::Failure::WrongPassword) => Err(wrong_password(&self.user)),
            },
            State::Over => Err(violation("authentication is over")),
        }
    }

    fn first(
        &mut self,
        machine: ExpectFirst,
        data: &[u8],
        nonce: &str,
        out: &mut BytesMut,
    ) -> Result<Progress, Report> {
        let (machine, reply) = machine.handle(data, nonce)?;
        encode::authentication_sasl_continue(out, reply.as_bytes());
        self.state = State::Final(machine);
        Ok(Progress::Continue)
    }

    fn proven(&self, right: bool) -> Result<Progress, Report> {
        if right {
            Ok(Progress::Proven)
        } else {
            Err(wrong_password(&self.user))
        }
    }
}

/// PostgreSQL's answer to a wrong password and to an unknown user.
pub fn wrong_password(user: &str) -> Report {
    Report::fatal(
        code::INVALID_PASSWORD,
        format!("password authentication failed for user \"{user}\""),
    )
}

fn asks_scram(subject: &Subject<'_>) -> bool {
    match subject.stored {
        Some(stored) => !stored.is_md5(),
        None => subject.unknown_prefers_scram,
    }
}

/// Every check of a clear-text password derives a SCRAM key, so that none is
/// told from another by the time it takes: also those of MD5 hashes and of nobody.
fn start_password(subject: &Subject<'_>) -> State {
    let stored = subject.stored;
    let scram = stored
        .and_then(|stored| stored.scram(|| subject.salt))
        .cloned();
    let md5 = match &scram {
        None => stored.and_then(|stored| stored.md5(subject.user)),
        Some(_) => None,
    };
    let verifier = Some(scram.unwrap_or_else(|| mock(subject)));
    State::Password {
        verifier,
        md5,
        doomed: stored.is_none(),
    }
}

fn start_scram(subject: &Subject<'_>, out: &mut BytesMut) -> State {
    use base64::Engine;
    let verifier = subject
        .stored
        .and_then(|stored| stored.scram(|| subject.salt))
        .cloned();
    let binding = subject.binding.map(<[u8]>::to_vec);
    match binding {
        Some(_) => {
            encode::authentication_sasl(out, &[scram::MECHANISM_PLUS, scram::MECHANISM]);
        }
        None => encode::authentication_sasl(out, &[scram::MECHANISM]),
    }
    State::Mechanism {
        doomed: verifier.is_none(),
        verifier: verifier.unwrap_or_else(|| mock(subject)),
        binding,
        nonce: base64::engine::general_purpose::STANDARD.encode(&subject.random[..18]),
    }
}

fn mock(subject: &Subject<'_>) -> scram::Verifier {
    scram::Verifier::mock(subject.salt, subject.random)
}

fn password(body: &[u8]) -> Result<Zeroizing<String>, Report> {
    let Some((&0, text)) = body.split_last() else {
        return Err(violation("invalid password packet size"));
    };
    if text.contains(&0) {
        return Err(violation("invalid password packet size"));
    }
    if text.is_empty() {
        return Err(Report::fatal(
            code::INVALID_PASSWORD,
            "empty password returned by client",
        ));
    }
    // A password that is not UTF-8 equals none of ours; U+FFFD stands for it.
    Ok(Zeroizing::new(String::from_utf8_lossy(text).into_owned()))
}

/// Mechanism and data of SASLInitialResponse.
fn initial_response(body: &[u8]) -> Result<(&str, Option<&[u8]>), Report> {
    let malformed = || violation("malformed SASL initial response");
    let end = memchr::memchr(0, body).ok_or_else(malformed)?;
    let mechanism = std::str::from_utf8(&body[..end]).map_err(|_| malformed())?;
    let mut rest = &body[end + 1..];
    let length = rest.try_get_i32().map_err(|_| malformed())?;
    match length {
        -1 if rest.is_empty() => Ok((mechanism, None)),
        length if usize::try_from(length) == Ok(rest.len()) => Ok((mechanism, Some(rest))),
        _ => Err(malformed()),
    }
}

fn violation(message: impl Into<std::borrow::Cow<'static, str>>) -> Report {
    Report::fatal(code::PROTOCOL_VIOLATION, message)
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
#[allow(clippy::unwrap_used, reason = "a failed test panics")]
mod tests;
