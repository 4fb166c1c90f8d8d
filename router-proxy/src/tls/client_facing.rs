//! TLS towards clients.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ServerConfig, crypto::ring};

use super::{ALPN, TlsError, end_point_binding, files, valid_until};
use crate::admin::utc;
use crate::settings::{ClientTls, TlsMode};

/// So long before a certificate ends it is warned of.
const SOON: Duration = Duration::from_secs(30 * 86_400);

/// TLS towards clients, ready to shake hands. Shared by all workers.
#[derive(Clone)]
pub struct ClientFacingTls {
    config: Arc<ServerConfig>,
    binding: Option<Arc<[u8]>>,
    valid_until: Option<SystemTime>,
    mode: TlsMode,
}

impl std::fmt::Debug for ClientFacingTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientFacingTls")
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl ClientFacingTls {
    /// Reads certificate, key and authorities. `None` when the mode is `disable`.
    pub fn new(settings: &ClientTls) -> Result<Option<Self>, TlsError> {
        let mode = settings.mode;
        if mode == TlsMode::Disable {
            return Ok(None);
        }
        let chain = files::certificates("cert", &settings.cert)?;
        let key = files::private_key("key", &settings.key)?;
        let binding = end_point_binding(&chain[0]).map(Arc::from);
        let until = valid_until(&chain[0]);
        let until = until.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Settings(error.to_string()))?;
        let builder = match &settings.client_ca {
            None if mode >= TlsMode::VerifyCa => {
                return Err(TlsError::Settings(
                    "TLS mode verify-ca or verify-full asks clients for certificates, \
                     but client_ca is not set: name the file of the authorities that sign them"
                        .into(),
                ));
            }
            None => builder.with_no_client_auth(),
            Some(path) => {
                let roots = Arc::new(files::roots("client_ca", path)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                let verifier = if mode >= TlsMode::VerifyCa {
                    verifier
                } else {
                    verifier.allow_unauthenticated()
                };
                builder.with_client_cert_verifier(
                    verifier
                        .build()
                        .map_err(|error| TlsError::Settings(error.to_string()))?,
                )
            }
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| TlsError::File {
                what: "cert",
                path: settings.cert.clone(),
                problem: error.to_string(),
                remedy: "the first certificate in it must belong to the private key in `key`",
            })?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        if settings.client_ca.is_some() {
            // A resumed session would outlive the certificate it was opened with.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        } else {
            config.ticketer = ring::Ticketer::new()
                .map_err(|error| TlsError::Settings(format!("session tickets: {error}")))?;
        }
        Ok(Some(Self {
            config: Arc::new(config),
            binding,
            valid_until: until,
            mode,
        }))
    }

    /// For `EncryptedSocket::accept`.
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// Hash of our certificate for SCRAM-SHA-256-PLUS; `None` when its signature has no hash (Ed25519).
    pub fn binding(&self) -> Option<&Arc<[u8]>> {
        self.binding.as_ref()
    }

    /// What is to be said of the certificate at this time: that it has expired, or soon will.
    pub fn warning(&self, now: SystemTime) -> Option<String> {
        let until = self.valid_until?;
        let date = utc(until);
        match until.duration_since(now) {
            Err(_) => Some(format!(
                "the certificate of server.tls expired on {date}: clients that verify it do not connect"
            )),
            Ok(left) if left < SOON => Some(format!(
                "the certificate of server.tls expires on {date}, in {} days",
                left.as_secs() / 86_400
            )),
            Ok(_) => None,
        }
    }

    /// The mode as set.
    pub fn mode(&self) -> TlsMode {
        self.mode
    }

    /// Whether plaintext clients are turned away.
    pub fn required(&self) -> bool {
        self.mode >= TlsMode::Require
    }
}
