//! What a reload puts in place: settings, and what is made from them.

use crate::auth::{AuthError, Authenticator};
use crate::settings::Settings;
use crate::tls::{ClientFacingTls, TlsError};

/// Settings in force and what is made from them. Never changed: a reload makes another one.
#[derive(Debug)]
pub struct Live {
    /// Counts reloads.
    pub generation: u64,
    /// The settings.
    pub settings: Settings,
    /// Rules and users.
    pub authenticator: Authenticator,
    /// TLS towards clients.
    pub tls: Option<ClientFacingTls>,
}

/// Settings that cannot be put in place.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// TLS towards clients.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Authentication.
    #[error(transparent)]
    Auth(#[from] AuthError),
}

impl Live {
    /// What an operator should know of what the settings name.
    pub fn warning(&self, now: std::time::SystemTime) -> Option<String> {
        self.tls.as_ref()?.warning(now)
    }

    /// Reads the files that the settings name.
    pub fn new(settings: Settings, generation: u64) -> Result<Self, LiveError> {
        let tls = match &settings.tls {
            Some(tls) => ClientFacingTls::new(tls)?,
            None => None,
        };
        let authenticator = Authenticator::new(&settings.auth, &settings.users)?;
        Ok(Self {
            generation,
            settings,
            authenticator,
            tls,
        })
    }
}
