//! Authentication of one client: decides by the rules, talks by the exchange.

use std::collections::HashMap;
use std::future::Future;
use std::io::ErrorKind;

use bytes::{Buf, BytesMut};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use super::exchange::{Exchange, Progress, Proof, Subject};
use super::stored::Stored;
use crate::settings::{Auth, AuthMethod, Secret, User};
use crate::startup::{EntryError, Startup};
use crate::tls::{ClientFacingTls, EncryptedSocket, Socket, common_name};
use crate::wire::code;
use crate::wire::encode::{self, Report};
use crate::wire::read::read_message;

/// Where secrets of users come from that the settings do not name: `auth_query`.
///
/// Asked for every such user, existing or not. An error is told to the client,
/// so it must say nothing about the user.
pub trait SecretLookup {
    /// The secret of `user` in any stored form; `None` where there is no such user.
    fn secret(&self, user: &str) -> impl Future<Output = Result<Option<Secret>, Report>>;
}

/// No `auth_query`.
#[derive(Clone, Copy, Debug)]
pub struct NoLookup;

impl SecretLookup for NoLookup {
    async fn secret(&self, _: &str) -> Result<Option<Secret>, Report> {
        Ok(None)
    }
}

/// Authentication cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The operating system gave no random bytes.
    #[error("no random bytes from the operating system: {0}")]
    Random(getrandom::Error),
}

/// Rules and users, made once per loaded configuration and shared by all workers.
#[derive(Debug)]
pub struct Authenticator {
    method: AuthMethod,
    users: HashMap<String, Option<Stored>>,
    /// Under MD5, whether unknown users are asked for SCRAM: when a known one would be.
    unknown_prefers_scram: bool,
    /// Makes the salts of users without one.
    salt_key: Zeroizing<[u8; 32]>,
}

impl Authenticator {
    /// Reads what `auth` names.
    pub fn new(auth: &Auth, users: &[User]) -> Result<Self, AuthError> {
        let users: HashMap<_, _> = users
            .iter()
            .map(|user| (user.name.clone(), user.secret.as_ref().map(Stored::new)))
            .collect();
        let unknown_prefers_scram = auth.auth_query.is_some()
            || users.iter().any(|(name, stored)| {
                stored
                    .as_ref()
                    .is_some_and(|stored| stored.md5(name).is_none())
            });
        Ok(Self {
            method: auth.method,
            users,
            unknown_prefers_scram,
            salt_key: Zeroizing::new(random().map_err(AuthError::Random)?),
        })
    }

    /// Derives the verifiers of all clear-text passwords now, a millisecond each, so that
    /// no first login is told by its time. Not needed where no password is asked for.
    pub fn warm_up(&self) {
        for (user, stored) in &self.users {
            if let Some(stored) = stored {
                stored.scram(|| self.salt(user));
            }
        }
    }

    /// Talks with a client until it has proven who it is.
    ///
    /// `out` then holds AuthenticationOk and what must go out before it; the caller adds
    /// its own greeting and sends all in one write. On an error the client has been told.
    pub async fn authenticate(
        &self,
        socket: &mut Socket,
        input: &mut BytesMut,
        out: &mut BytesMut,
        startup: &Startup,
        tls: Option<&ClientFacingTls>,
        lookup: &impl SecretLookup,
    ) -> Result<AuthMethod, EntryError> {
        match self.talk(socket, input, out, startup, tls, lookup).await {
            Ok(method) => {
                encode::authentication_ok(out);
                Ok(method)
            }
            Err(EntryError::Refused(report)) => Err(EntryError::refuse(socket, *report).await),
            Err(error) => Err(error),
        }
    }

    async fn talk(
        &self,
        socket: &mut Socket,
        input: &mut BytesMut,
        out: &mut BytesMut,
        startup: &Startup,
        tls: Option<&ClientFacingTls>,
        lookup: &impl SecretLookup,
    ) -> Result<AuthMethod, EntryError> {
        let user = startup.user.as_str();
        let certificate = socket.tls().and_then(EncryptedSocket::peer_certificate);
        let tls = tls.filter(|_| socket.tls().is_some());
        if tls.is_some_and(|tls| !tls.user_matches(certificate, user)) {
            return Err(refused(certificate_failed(user)));
        }
        let proof = match self.method {
            AuthMethod::Trust => return Ok(self.method),
            AuthMethod::Cert => {
                let name = certificate.and_then(|der| common_name(der));
                if name.as_deref() != Some(user) {
                    return Err(refused(certificate_failed(user)));
                }
                return Ok(self.method);
            }
            AuthMethod::Password => Proof::Password,
            AuthMethod::Md5 => Proof::Md5,
            AuthMethod::ScramSha256 => Proof::Scram,
        };
        let looked_up: Option<Stored>;
        let stored = match self.users.get(user) {
            Some(stored) => stored.as_ref(),
            None => {
                let secret = lookup.secret(user).await.map_err(refused)?;
                looked_up = secret.as_ref().map(Stored::new);
                looked_up.as_ref()
            }
        };
        let binding = tls.and_then(ClientFacingTls::binding);
        let subject = Subject {
            user,
            stored,
            salt: self.salt(user),
            unknown_prefers_scram: self.unknown_prefers_scram,
            binding: binding.map(|binding| &**binding),
            random: random().map_err(|_| {
                refused(Report::fatal(
                    code::INTERNAL_ERROR,
                    "could not generate random salt",
                ))
            })?,
        };
        let mut exchange = Exchange::start(proof, &subject, out);
        loop {
            socket.write_all(out).await?;
            out.clear();
            let (tag, length) = match read_message(socket, input, exchange.limit()).await {
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    let report = Report::fatal(code::PROTOCOL_VIOLATION, error.to_string());
                    return Err(refused(report));
                }
                result => result?,
            };
            let progress = exchange.handle(tag, &input[..length], out);
            input[..length].zeroize();
            input.advance(length);
            if progress.map_err(refused)? == Progress::Proven {
                return Ok(self.method);
            }
        }
    }

    fn salt(&self, user: &str) -> [u8; 16] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&*self.salt_key).expect("HMAC takes keys of any length");
        mac.update(user.as_bytes());
        *mac.finalize().into_bytes().first_chunk().expect("32 bytes")
    }
}

fn certificate_failed(user: &str) -> Report {
    Report::fatal(
        code::INVALID_AUTHORIZATION,
        format!("certificate authentication failed for user \"{user}\""),
    )
}

fn refused(report: Report) -> EntryError {
    EntryError::Refused(Box::new(report))
}

fn random() -> Result<[u8; 32], getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
