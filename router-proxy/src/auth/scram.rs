//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the server's side (RFC 5802, 7677, 5929).
//!
//! A machine without I/O and without randomness: the nonce comes in as an
//! argument. Messages and errors are PostgreSQL's. An unknown user goes through
//! the same steps against a made-up verifier and fails at the last one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::wire::code;
use crate::wire::encode::Report;

/// The mechanism's name without channel binding.
pub const MECHANISM: &str = "SCRAM-SHA-256";
/// The mechanism's name with channel binding.
pub const MECHANISM_PLUS: &str = "SCRAM-SHA-256-PLUS";
/// Iterations of verifiers that we make: PostgreSQL's number.
pub const ITERATIONS: u32 = 4096;

const BINDING_TYPE: &str = "tls-server-end-point";

/// What a server stores of a password: enough to check it, not enough to log in with.
#[derive(Clone)]
pub struct Verifier {
    iterations: u32,
    salt: Vec<u8>,
    stored_key: [u8; 32],
    server_key: [u8; 32],
}

impl Drop for Verifier {
    fn drop(&mut self) {
        self.salt.zeroize();
        self.stored_key.zeroize();
        self.server_key.zeroize();
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier(…)")
    }
}

impl Verifier {
    /// Made from a password, with [`ITERATIONS`] rounds. Takes a millisecond, on purpose.
    pub fn derive(password: &str, salt: &[u8]) -> Self {
        let (stored_key, server_key) = keys(password, salt, ITERATIONS);
        Self {
            iterations: ITERATIONS,
            salt: salt.to_vec(),
            stored_key,
            server_key,
        }
    }

    /// A verifier that no password meets, as dear to check as any other.
    pub fn mock(salt: [u8; 16], key: [u8; 32]) -> Self {
        Self {
            iterations: ITERATIONS,
            salt: salt.to_vec(),
            stored_key: key,
            server_key: key,
        }
    }

    /// Reads `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(MECHANISM)?.strip_prefix('$')?;
        let (head, tail) = rest.split_once('$')?;
        let (iterations, salt) = head.split_once(':')?;
        let (stored_key, server_key) = tail.split_once(':')?;
        let iterations = iterations
            .parse()
            .ok()
            .filter(|iterations| *iterations > 0)?;
        let key = |text| BASE64.decode(text).ok()?.try_into().ok();
        Some(Self {
            iterations,
            salt: BASE64.decode(salt).ok()?,
            stored_key: key(stored_key)?,
            server_key: key(server_key)?,
        })
    }

    /// As PostgreSQL stores it.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "{MECHANISM}${}:{}${}:{}",
            self.iterations,
            BASE64.encode(&self.salt),
            BASE64.encode(self.stored_key),
            BASE64.encode(self.server_key)
        ))
    }

    /// Whether `password` is the one this was made from.
    pub fn verify_password(&self, password: &str) -> bool {
        let (_, server_key) = keys(password, &self.salt, self.iterations);
        server_key.ct_eq(&self.server_key).into()
    }
}

/// StoredKey and ServerKey of a password.
fn keys(password: &str, salt: &[u8], iterations: u32) -> ([u8; 32], [u8; 32]) {
    // As in PostgreSQL: what SASLprep does not allow is taken as it is.
    let prepared = Zeroizing::new(
        stringprep::saslprep(password).map_or_else(|_| password.to_owned(), |text| text.into()),
    );
    let mut salted = Zeroizing::new([0; 32]);
    pbkdf2::pbkdf2::<Hmac<Sha256>>(prepared.as_bytes(), salt, iterations, salted.as_mut())
        .expect("HMAC takes keys of any length");
    let client_key = Zeroizing::new(hmac(salted.as_ref(), &[b"Client Key"]));
    let stored_key = Sha256::digest(*client_key).into();
    (stored_key, hmac(salted.as_ref(), &[b"Server Key"]))
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Waits for client-first-message.
#[derive(Debug)]
pub struct ExpectFirst {
    verifier: Verifier,
    /// The user is unknown: fails in the end, whatever is sent.
    doomed: bool,
    /// The client chose SCRAM-SHA-256-PLUS.
    plus: bool,
    /// Hash of our certificate, where SCRAM-SHA-256-PLUS was offered.
    binding: Option<Vec<u8>>,
}

/// Waits for client-final-message.
#[derive(Debug)]
pub struct ExpectFinal {
    verifier: Verifier,
    doomed: bool,
    /// What the client must send in `c=`.
    channel: Vec<u8>,
    bound: bool,
    nonce: String,
    /// client-first-message-bare "," server-first-message
    transcript: String,
}

/// How an exchange fails.
#[derive(Debug)]
pub enum Failure {
    /// The password is not the user's, or there is no such user.
    WrongPassword,
    /// The message is not what it must be.
    Report(Report),
}

impl From<Report> for Failure {
    fn from(report: Report) -> Self {
        Self::Report(report)
    }
}

impl ExpectFirst {
    /// For a mechanism that was chosen. `binding`: hash of our certificate, if
    /// SCRAM-SHA-256-PLUS was offered.
    pub fn new(
        mechanism: &str,
        verifier: Verifier,
        doomed: bool,
        binding: Option<Vec<u8>>,
    ) -> Result<Self, Report> {
        let plus = match mechanism {
            MECHANISM => false,
            MECHANISM_PLUS if binding.is_some() => true,
            _ => {
                return Err(violation(
                    "client selected an invalid SASL authentication mechanism",
                ));
            }
        };
        Ok(Self {
            verifier,
            doomed,
            plus,
            binding,
        })
    }

    /// Takes client-first-message; gives server-first-message. `nonce`: our part
    /// of the nonce, printable and without commas.
    pub fn handle(self, message: &[u8], nonce: &str) -> Result<(ExpectFinal, String), Report> {
        let message = text(message)?;
        let (flag, rest) = message
            .split_once(',')
            .ok_or_else(|| malformed("No comma in it."))?;
        let (authzid, bare) = rest
            .split_once(',')
            .ok_or_else(|| malformed("One comma only."))?;
        let mut channel = format!("{flag},{authzid},").into_bytes();
        match (flag, self.plus) {
            ("n" | "y", true) => {
                return Err(malformed(
                    "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not \
                     include channel binding data.",
                ));
            }
            ("n", false) => {}
            // The client can bind and was told that we cannot: somebody in between took
            // SCRAM-SHA-256-PLUS out of the offer.
            ("y", false) if self.binding.is_some() => {
                return Err(Report::fatal(
                    code::INVALID_AUTHORIZATION,
                    "SCRAM channel binding negotiation error",
                )
                .detail(
                    "The client supports SCRAM channel binding but thinks the server does not. \
                     However, this server does support channel binding.",
                ));
            }
            ("y", false) => {}
            (flag, plus) => match flag.strip_prefix("p=") {
                None => return Err(malformed("Its channel-binding flag is not n, y or p.")),
                Some(_) if !plus => {
                    return Err(malformed(
                        "The client selected SCRAM-SHA-256 without channel binding, but the \
                         SCRAM message includes channel binding data.",
                    ));
                }
                Some(BINDING_TYPE) => {
                    channel.extend(self.binding.iter().flatten());
                }
                Some(_) => return Err(violation("unsupported SCRAM channel-binding type")),
            },
        }
        if authzid.starts_with("a=") {
            return Err(Report::fatal(
                code::FEATURE_NOT_SUPPORTED,
                "client uses authorization identity, but it is not supported",
            ));
        }
        if !authzid.is_empty() {
            return Err(malformed("Unexpected attribute before the user's name."));
        }
        if bare.starts_with("m=") {
            return Err(Report::fatal(
                code::FEATURE_NOT_SUPPORTED,
                "client requires an unsupported SCRAM extension",
            ));
        }
        // The user's name is the startup packet's; the one in here is not looked at, as in PostgreSQL.
        let mut attributes = bare.split(',');
        attribute(attributes.next(), "n=")?;
        let theirs = attribute(attributes.next(), "r=")?;
        if theirs.is_empty() || !theirs.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(violation("non-printable characters in SCRAM nonce"));
        }
        let nonce = format!("{theirs}{nonce}");
        let salt = BASE64.encode(&self.verifier.salt);
        let reply = format!("r={nonce},s={salt},i={}", self.verifier.iterations);
        let next = ExpectFinal {
            verifier: self.verifier,
            doomed: self.doomed,
            channel,
            bound: self.plus,
            nonce,
            transcript: format!("{bare},{reply}"),
        };
        Ok((next, reply))
    }
}

impl ExpectFinal {
    /// Takes client-final-message; gives server-final-message when the password is right.
    pub fn handle(self, message: &[u8]) -> Result<String, Failure> {
        let message = text(message)?;
        let (without_proof, proof) = message
            .rsplit_once(",p=")
            .ok_or_else(|| malformed("No proof in it."))?;
        let mut attributes = without_proof.split(',');
        let channel = BASE64
            .decode(attribute(attributes.next(), "c=")?)
            .map_err(|_| malformed("Its channel binding is not base64."))?;
        if channel != self.channel {
            let report = if self.bound {
                Report::fatal(
                    code::INVALID_AUTHORIZATION,
                    "SCRAM channel binding check failed",
                )
            } else {
                violation("unexpected SCRAM channel-binding attribute in client-final-message")
            };
            return Err(report.into());
        }
        if attribute(attributes.next(), "r=")? != self.nonce {
            return Err(violation("invalid SCRAM response")
                .detail("Nonce does not match.")
                .into());
        }
        let proof: [u8; 32] = BASE64
            .decode(proof)
            .ok()
            .and_then(|proof| proof.try_into().ok())
            .ok_or_else(|| malformed("Malformed proof in client-final-message."))?;

        let signed = [self.transcript.as_bytes(), b",", without_proof.as_bytes()];
        let signature = hmac(&self.verifier.stored_key, &signed);
        let mut client_key = Zeroizing::new([0; 32]);
        for (key, (proof, signature)) in client_key.iter_mut().zip(proof.iter().zip(signature)) {
            *key = proof ^ signature;
        }
        let stored_key: [u8; 32] = Sha256::digest(*client_key).into();
        let right: bool = stored_key.ct_eq(&self.verifier.stored_key).into();
        let reply = BASE64.encode(hmac(&self.verifier.server_key, &signed));
        if right && !self.doomed {
            Ok(format!("v={reply}"))
        } else {
            Err(Failure::WrongPassword)
        }
    }
}

fn text(message: &[u8]) -> Result<&str, Report> {
    match std::str::from_utf8(message) {
        Ok("") => Err(malformed("The message is empty.")),
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(malformed("Message length does not match input length.")),
    }
}

fn attribute<'a>(attribute: Option<&'a str>, name: &'static str) -> Result<&'a str, Report> {
    attribute
        .and_then(|attribute| attribute.strip_prefix(name))
        .ok_or_else(|| {
            malformed(format!(
                "Expected attribute \"{name}\" is not in its place."
            ))
        })
}

fn violation(message: &'static str) -> Report {
    Report::fatal(code::PROTOCOL_VIOLATION, message)
}

fn malformed(detail: impl Into<std::borrow::Cow<'static, str>>) -> Report {
    violation("malformed SCRAM message").detail(detail)
}

#[cfg(test)]
#[path = "scram_tests.rs"]
#[allow(clippy::unwrap_used, reason = "a failed test panics")]
mod tests;
