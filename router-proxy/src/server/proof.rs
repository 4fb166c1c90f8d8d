//! How the proxy proves to a server who it is, as a machine without I/O.

use bytes::{Buf, BytesMut};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use postgres_protocol::message::frontend;

use crate::auth::scram::{MECHANISM, MECHANISM_PLUS};
use crate::settings::{Secret, ServerAddress};

/// Who we are cannot be proven.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// No password.
    #[error(
        "the server asks for a password and none is set for role \"{0}\": \
         put it into the shard's URL or the user's server_password"
    )]
    NoPassword(String),
    /// Not one of ours.
    #[error(
        "the server asks for {0}, which is not supported: let its pg_hba.conf take \
         scram-sha-256, md5, password, cert or trust from the router"
    )]
    Unsupported(&'static str),
    /// The server does not know the password itself, or breaks the protocol.
    #[error("SCRAM: {0}")]
    Scram(String),
    /// The exchange is not finished or not understood.
    #[error("the server breaks the rules of authentication")]
    Protocol,
}

/// What to do after an Authentication message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// Send what was written.
    Send,
    /// Nothing; more is to come.
    Wait,
    /// We are in.
    Done,
}

/// Answers Authentication messages.
pub(super) struct Prover<'a> {
    user: &'a str,
    password: Option<&'a Secret>,
    encrypted: bool,
    /// Hash of the server's certificate.
    binding: Option<Vec<u8>>,
    state: State,
}

enum State {
    Start,
    /// All was said: only Ok may follow.
    Sent,
    /// Nothing may follow.
    Failed,
    Challenged(ScramSha256),
    Answered(ScramSha256),
}

impl<'a> Prover<'a> {
    pub(super) fn new(
        address: &'a ServerAddress,
        encrypted: bool,
        binding: Option<Vec<u8>>,
    ) -> Self {
        Self {
            user: &address.user,
            password: address.password.as_ref(),
            encrypted,
            binding,
            state: State::Start,
        }
    }

    /// Takes the body of an Authentication message.
    pub(super) fn handle(
        &mut self,
        mut body: &[u8],
        out: &mut BytesMut,
    ) -> Result<Reply, ProofError> {
        let kind = body.try_get_u32().map_err(|_| ProofError::Protocol)?;
        let state = std::mem::replace(&mut self.state, State::Failed);
        match (kind, state) {
            (0, State::Start | State::Sent) => Ok(Reply::Done),
            (3, State::Start) => {
                write(frontend::password_message(self.password()?, out))?;
                self.state = State::Sent;
                Ok(Reply::Send)
            }
            (5, State::Start) => {
                let salt = body.try_into().map_err(|_| ProofError::Protocol)?;
                let hash = md5_hash(self.user.as_bytes(), self.password()?, salt);
                write(frontend::password_message(hash.as_bytes(), out))?;
                self.state = State::Sent;
                Ok(Reply::Send)
            }
            (10, State::Start) => {
                let (mechanism, binding) = self.choose(body)?;
                let machine = ScramSha256::new(self.password()?, binding);
                write(frontend::sasl_initial_response(
                    mechanism,
                    machine.message(),
                    out,
                ))?;
                self.state = State::Challenged(machine);
                Ok(Reply::Send)
            }
            (11, State::Challenged(mut machine)) => {
                machine.update(body).map_err(scram)?;
                write(frontend::sasl_response(machine.message(), out))?;
                self.state = State::Answered(machine);
                Ok(Reply::Send)
            }
            // Only a server that knows the password (or its verifier) gets past this.
            (12, State::Answered(mut machine)) => {
                machine.finish(body).map_err(scram)?;
                self.state = State::Sent;
                Ok(Reply::Wait)
            }
            (2, _) => Err(ProofError::Unsupported("Kerberos")),
            (7 | 8, _) => Err(ProofError::Unsupported("GSSAPI")),
            (9, _) => Err(ProofError::Unsupported("SSPI")),
            _ => Err(ProofError::Protocol),
        }
    }

    fn choose(&self, body: &[u8]) -> Result<(&'static str, ChannelBinding), ProofError> {
        let offers = |name: &str| {
            body.split(|byte| *byte == 0)
                .any(|part| part == name.as_bytes())
        };
        match &self.binding {
            Some(hash) if offers(MECHANISM_PLUS) => Ok((
                MECHANISM_PLUS,
                ChannelBinding::tls_server_end_point(hash.clone()),
            )),
            // We could bind, the server seems not to: say so, lest somebody in between hid the offer.
            Some(_) if offers(MECHANISM) => Ok((MECHANISM, ChannelBinding::unrequested())),
            None if offers(MECHANISM) => Ok((MECHANISM, ChannelBinding::unsupported())),
            _ if self.encrypted && offers(MECHANISM_PLUS) => Err(ProofError::Unsupported(
                "channel binding to a certificate without a hash",
            )),
            _ => Err(ProofError::Unsupported(
                "a SASL mechanism other than SCRAM-SHA-256",
            )),
        }
    }

    fn password(&self) -> Result<&'a [u8], ProofError> {
        match self.password {
            Some(secret) => Ok(secret.0.as_bytes()),
            None => Err(ProofError::NoPassword(self.user.to_owned())),
        }
    }
}

fn write(result: std::io::Result<()>) -> Result<(), ProofError> {
    result.map_err(|_| ProofError::Protocol)
}

fn scram(error: std::io::Error) -> ProofError {
    ProofError::Scram(error.to_string())
}

#[cfg(test)]
#[path = "proof_tests.rs"]
#[allow(clippy::unwrap_used, reason = "a failed test panics")]
mod tests;
