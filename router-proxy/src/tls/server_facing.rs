//! TLS towards PostgreSQL servers, by `sslmode` as libpq reads it.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};

use super::verify::{AnyCertificate, AnyName};
use super::{ALPN, TlsError, files};
use crate::settings::{ServerAddress, TlsMode};

/// TLS towards one server, made once per address: it remembers sessions to resume.
#[derive(Clone)]
pub struct ServerFacingTls {
    mode: TlsMode,
    client: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl std::fmt::Debug for ServerFacingTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerFacingTls")
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl ServerFacingTls {
    /// Reads what `address` names. No TLS over Unix sockets, as in libpq.
    pub fn new(address: &ServerAddress) -> Result<Self, TlsError> {
        // With a root certificate given, `require` checks it, as in libpq.
        let mode = match address.tls {
            TlsMode::Require if address.root_cert.is_some() => TlsMode::VerifyCa,
            mode => mode,
        };
        if mode == TlsMode::Disable || address.host.starts_with('/') {
            return Ok(Self {
                mode: TlsMode::Disable,
                client: None,
            });
        }
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Settings(error.to_string()))?;
        let verifier: Arc<dyn ServerCertVerifier> = if mode < TlsMode::VerifyCa {
            Arc::new(AnyCertificate(provider))
        } else {
            let roots = match &address.root_cert {
                Some(path) => files::roots("sslrootcert", path)?,
                None => native_roots()?,
            };
            let full = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| TlsError::Settings(format!("sslrootcert: {error}")))?;
            if mode == TlsMode::VerifyCa {
                Arc::new(AnyName(full))
            } else {
                full
            }
        };
        let builder = builder
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &address.client_cert {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => {
                let chain = files::certificates("sslcert", cert)?;
                builder
                    .with_client_auth_cert(chain, files::private_key("sslkey", key)?)
                    .map_err(|error| TlsError::File {
                        what: "sslcert",
                        path: cert.clone(),
                        problem: error.to_string(),
                        remedy: "the first certificate in it must belong to the key in `sslkey`",
                    })?
            }
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        let name = ServerName::try_from(address.host.clone()).map_err(|_| {
            TlsError::Settings(format!(
                "{:?} is neither a host name nor an address",
                address.host
            ))
        })?;
        Ok(Self {
            mode,
            client: Some((Arc::new(config), name)),
        })
    }

    /// The mode in force.
    pub fn mode(&self) -> TlsMode {
        self.mode
    }

    /// For `EncryptedSocket::connect`; `None` when no TLS is to be tried.
    pub fn client(&self) -> Option<(Arc<ClientConfig>, ServerName<'static>)> {
        self.client.clone()
    }
}

fn native_roots() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(TlsError::Settings(
            "verify-ca and verify-full need authorities, and this system has none installed: \
             set sslrootcert"
                .into(),
        ));
    }
    Ok(roots)
}
