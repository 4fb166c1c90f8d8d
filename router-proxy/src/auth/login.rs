//! Authentication of one client: decides by the rules, talks by the exchange.

use std::collections::HashMap;
use std::future::Future;
use std::io::ErrorKind;
use std::path::Path;

use bytes::{Buf, BytesMut};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use super::exchange::{Exchange, Progress, Proof, Subject};
use super::hba::{CertificateCheck, Connection, HbaError, Method, Rules, UserMaps};
use super::stored::Stored;
use crate::settings::{Auth, AuthMethod, Secret, TlsMode, User};
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
    /// `hba_file`, or the user maps beside it.
    #[error(transparent)]
    Hba(#[from] HbaError),
}

/// Rules and users, made once per loaded configuration and shared by all workers.
#[derive(Debug)]
pub struct Authenticator {
    policy: Policy,
    users: HashMap<String, Option<Stored>>,
    /// There is an `auth_query`.
    looks_up: bool,
    /// Under MD5, whether unknown users are asked for SCRAM: when a known one would be.
    unknown_prefers_scram: bool,
    /// Makes the salts of users without one.
    salt_key: Zeroizing<[u8; 32]>,
}

#[derive(Debug)]
enum Policy {
    /// One method for everybody.
    Method(AuthMethod),
    /// Rules, and the maps that they name.
    Rules(Rules, UserMaps),
}

/// What is asked of one client.
struct Demand<'a> {
    method: AuthMethod,
    certificate: CertificateCheck,
    map: Option<&'a str>,
}

impl Authenticator {
    /// Reads what `auth` names. User maps, where rules name them, are in the file
    /// `pg_ident.conf` beside `hba_file`.
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
        let policy = match &auth.hba_file {
            None => Policy::Method(auth.method),
            Some(file) => read_rules(file)?,
        };
        Ok(Self {
            policy,
            users,
            looks_up: auth.auth_query.is_some(),
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
        let tls = tls.filter(|_| socket.tls().is_some());
        let demand = self.demand(socket, startup, tls).map_err(refused)?;
        self.check_certificate(socket, user, &demand)
            .map_err(refused)?;
        let proof = match demand.method {
            AuthMethod::Trust | AuthMethod::Cert => {
                return if self.exists(user, lookup).await.map_err(refused)? {
                    Ok(demand.method)
                } else {
                    Err(refused(no_role(user)))
                };
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
                return Ok(demand.method);
            }
        }
    }

    /// Whether a user of whom no password is asked may enter: PostgreSQL would want the role to exist. Where
    /// no user is listed and none can be looked up, the servers' own roles are nobody's business here.
    async fn exists(&self, user: &str, lookup: &impl SecretLookup) -> Result<bool, Report> {
        if self.users.contains_key(user) || self.users.is_empty() && !self.looks_up {
            return Ok(true);
        }
        Ok(self.looks_up && lookup.secret(user).await?.is_some())
    }

    /// Whether whoever is in under this name may stay: the list of users may be another one by now.
    pub fn may_stay(&self, user: &str) -> Result<(), Report> {
        match self.users.contains_key(user) || self.users.is_empty() || self.looks_up {
            true => Ok(()),
            false => Err(no_role(user)),
        }
    }

    fn demand(
        &self,
        socket: &Socket,
        startup: &Startup,
        tls: Option<&ClientFacingTls>,
    ) -> Result<Demand<'_>, Report> {
        let mut demand = match &self.policy {
            Policy::Method(method) => {
                let certificate = match method {
                    AuthMethod::Cert => CertificateCheck::Name,
                    _ => CertificateCheck::No,
                };
                Demand {
                    method: *method,
                    certificate,
                    map: None,
                }
            }
            Policy::Rules(rules, _) => {
                let connection = Connection {
                    user: &startup.user,
                    database: &startup.database,
                    replication: startup.replication,
                    encrypted: tls.is_some(),
                    peer: socket.raw().peer().map(|peer| peer.ip()),
                    local: socket.raw().local().map(|local| local.ip()),
                };
                let rule = rules
                    .decide(&connection)
                    .ok_or_else(|| connection.unmatched())?;
                let method = match rule.method {
                    Method::Reject => return Err(connection.rejected()),
                    Method::Trust => AuthMethod::Trust,
                    Method::Password => AuthMethod::Password,
                    Method::Md5 => AuthMethod::Md5,
                    Method::ScramSha256 => AuthMethod::ScramSha256,
                    Method::Cert => AuthMethod::Cert,
                };
                Demand {
                    method,
                    certificate: rule.certificate,
                    map: rule.map.as_deref(),
                }
            }
        };
        // The mode of [server.tls] asks for as much of every encrypted client.
        let least = match tls.map(ClientFacingTls::mode) {
            Some(TlsMode::VerifyFull) => CertificateCheck::Name,
            Some(TlsMode::VerifyCa) => CertificateCheck::Authority,
            _ => CertificateCheck::No,
        };
        demand.certificate = demand.certificate.max(least);
        Ok(demand)
    }

    /// A certificate that is there has been verified in the handshake.
    fn check_certificate(
        &self,
        socket: &Socket,
        user: &str,
        demand: &Demand<'_>,
    ) -> Result<(), Report> {
        if demand.certificate == CertificateCheck::No {
            return Ok(());
        }
        let certificate = socket.tls().and_then(EncryptedSocket::peer_certificate);
        let Some(certificate) = certificate else {
            return Err(Report::fatal(
                code::INVALID_AUTHORIZATION,
                "connection requires a valid client certificate",
            ));
        };
        if demand.certificate == CertificateCheck::Authority {
            return Ok(());
        }
        let named = common_name(certificate).is_some_and(|name| match &self.policy {
            Policy::Rules(_, maps) => maps.allow(demand.map, &name, user),
            Policy::Method(_) => name == user,
        });
        if named {
            Ok(())
        } else {
            Err(certificate_failed(user))
        }
    }

    fn salt(&self, user: &str) -> [u8; 16] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&*self.salt_key).expect("HMAC takes keys of any length");
        mac.update(user.as_bytes());
        *mac.finalize().into_bytes().first_chunk().expect("32 bytes")
    }
}

fn read_rules(file: &Path) -> Result<Policy, AuthError> {
    let rules = Rules::read(file)?;
    let named = || {
        rules
            .iter()
            .filter_map(|rule| Some((rule.line, rule.map.as_deref()?)))
    };
    let maps = match named().next() {
        None => UserMaps::default(),
        Some(_) => UserMaps::read(&file.with_file_name("pg_ident.conf"))?,
    };
    if let Some((line, map)) = named().find(|(_, map)| !maps.has(map)) {
        let problem = format!("there is no map \"{map}\" in pg_ident.conf beside this file");
        return Err(HbaError::Line {
            file: file.to_owned(),
            line,
            problem,
        }
        .into());
    }
    Ok(Policy::Rules(rules, maps))
}

fn certificate_failed(user: &str) -> Report {
    Report::fatal(
        code::INVALID_AUTHORIZATION,
        format!("certificate authentication failed for user \"{user}\""),
    )
}

fn no_role(user: &str) -> Report {
    Report::fatal(
        code::INVALID_AUTHORIZATION,
        format!("role \"{user}\" does not exist"),
    )
    .detail("The configuration lists users, and this is none of them.")
    .hint("List the user under [[users]], or set auth.auth_query.")
}

fn refused(report: Report) -> EntryError {
    EntryError::Refused(Box::new(report))
}

fn random() -> Result<[u8; 32], getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
#[path = "login_tests.rs"]
#[allow(clippy::unwrap_used, reason = "a failed test panics")]
mod tests;
