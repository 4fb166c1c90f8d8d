//! PEM files, with errors that name the file and the way to mend it.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be used.
    #[error("{what} {}: {problem}; {remedy}", .path.display())]
    File {
        /// What the file is for, by the name of its setting.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// How to mend it.
        remedy: &'static str,
    },
    /// Settings that do not go together.
    #[error("{0}")]
    Settings(String),
}

pub(super) fn certificates(
    what: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let remedy = "it must be a readable PEM file with one or more BEGIN CERTIFICATE blocks";
    let fail = |problem: String| TlsError::File {
        what,
        path: path.to_owned(),
        problem,
        remedy,
    };
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| fail(describe(&error)))?;
    if certificates.is_empty() {
        return Err(fail("no certificate in it".into()));
    }
    Ok(certificates)
}

pub(super) fn private_key(
    what: &'static str,
    path: &Path,
) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| TlsError::File {
        what,
        path: path.to_owned(),
        problem: describe(&error),
        remedy: "it must be a readable PEM file with one unencrypted private key \
                 (PKCS#8, PKCS#1 or SEC1)",
    })
}

pub(super) fn roots(what: &'static str, path: &Path) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(what, path)? {
        store.add(certificate).map_err(|error| TlsError::File {
            what,
            path: path.to_owned(),
            problem: error.to_string(),
            remedy: "each certificate in it must be a valid X.509 authority",
        })?;
    }
    Ok(store)
}

/// The reason without what may be a piece of the file.
fn describe(error: &rustls::pki_types::pem::Error) -> String {
    use rustls::pki_types::pem::Error;
    match error {
        Error::Io(error) => error.to_string(),
        Error::NoItemsFound => "nothing of that kind in it".into(),
        _ => "not valid PEM".into(),
    }
}
