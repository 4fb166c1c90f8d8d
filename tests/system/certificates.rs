//! An authority of the tests' own, what it signs, and servers that show it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use local_postgres::Server;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use tempfile::TempDir;

/// An authority, what it signed for a server, and for clients.
pub(super) struct Certificates {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Certificates {
    pub(super) fn new() -> Result<Self> {
        let folder = TempDir::new()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "test authority");
        let key = KeyPair::generate()?;
        std::fs::write(
            folder.path().join("ca.pem"),
            params.self_signed(&key)?.pem(),
        )?;
        let this = Self {
            folder,
            issuer: Issuer::new(params, key),
        };
        this.sign("server", "localhost", ExtendedKeyUsagePurpose::ServerAuth)?;
        Ok(this)
    }

    /// Writes `<file>.pem` and `<file>.key`.
    pub(super) fn sign(
        &self,
        file: &str,
        name: &str,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<()> {
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate()?;
        std::fs::write(
            self.path(&format!("{file}.pem")),
            params.signed_by(&key, &self.issuer)?.pem(),
        )?;
        write_private(&self.path(&format!("{file}.key")), &key.serialize_pem())
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }
}

/// A key file as libpq and PostgreSQL want it.
fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(())
}

/// Puts certificates where the server's account may read them, and turns TLS on.
pub(super) fn encrypt(server: &Server, certificates: &Certificates) -> Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let data = server.data_directory();
    let owner = std::fs::metadata(&data)?;
    for file in ["ca.pem", "server.pem", "server.key"] {
        let text = std::fs::read_to_string(certificates.path(file))?;
        write_private(&data.join(file), &text)?;
        chown(data.join(file), Some(owner.uid()), Some(owner.gid()))?;
    }
    for (name, value) in [
        ("ssl_ca_file", "ca.pem"),
        ("ssl_cert_file", "server.pem"),
        ("ssl_key_file", "server.key"),
        ("ssl", "on"),
    ] {
        server.execute("postgres", &format!("ALTER SYSTEM SET {name} = '{value}'"))?;
    }
    server.restart(local_postgres::Stop::Fast)?;
    Ok(())
}
