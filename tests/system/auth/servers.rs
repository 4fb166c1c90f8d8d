//! The proxy as a client of servers.

use anyhow::{Context, Result};
use rcgen::ExtendedKeyUsagePurpose;
use router_proxy::server::connect::Connected;
use router_proxy::settings::TlsMode;

use super::{address, attempt, server};
use crate::certificates::{Certificates, encrypt};

fn parameter<'a>(connected: &'a Connected, name: &str) -> Option<&'a str> {
    connected
        .parameters
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn proxy_logs_in_by_every_method() -> Result<()> {
    let server = server()?;
    for (user, password) in [
        ("trusted", None),
        ("plain", Some("pw plain")),
        ("hashed", Some("pw md5")),
        // SASLprep turns the Roman numeral into letters.
        ("scrammed", Some("pw scram \u{2168}")),
        ("scrammed", Some("pw scram IX")),
    ] {
        let connected = attempt(&address(&server, user, password)).await?;
        assert_eq!(connected.status, b'I');
        assert_eq!(connected.key.secret.len(), 4);
        assert_ne!(connected.key.process, 0);
        assert!(connected.input.is_empty());
        assert_eq!(
            parameter(&connected, "application_name"),
            Some("shunt tests")
        );
        assert_eq!(parameter(&connected, "session_authorization"), Some(user));
    }
    let directory = server
        .socket_directory()
        .context("path of the socket too long")?;
    let mut unix = address(&server, server.user(), None);
    unix.host = directory.to_str().context("path")?.into();
    assert!(attempt(&unix).await?.socket.raw().is_unix());
    Ok(())
}

#[tokio::test]
async fn proxy_says_why_it_cannot_log_in() -> Result<()> {
    let server = server()?;
    for user in ["plain", "hashed", "scrammed"] {
        let error = attempt(&address(&server, user, Some("wrong")))
            .await
            .unwrap_err();
        let refusal = error.refusal().context("the server's own words")?;
        assert_eq!(refusal.sqlstate(), "28P01", "{user}");
        let place = format!("shard s0's primary 127.0.0.1:{}", server.port());
        assert_eq!(
            error.to_string(),
            format!(
                "cannot connect to {place}: \
                 FATAL: password authentication failed for user \"{user}\" (28P01)"
            )
        );
    }
    let error = attempt(&address(&server, "plain", None))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("none is set for role \"plain\""), "{error}");
    let mut nowhere = address(&server, "trusted", None);
    nowhere.database = "nowhere".into();
    let error = attempt(&nowhere).await.unwrap_err();
    assert_eq!(
        error
            .refusal()
            .context("the server's own words")?
            .sqlstate(),
        "3D000"
    );

    server.stop(local_postgres::Stop::Fast)?;
    let error = attempt(&address(&server, "trusted", None))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot connect to shard s0's primary 127.0.0.1:{}: connection refused",
            server.port()
        )
    );
    Ok(())
}

#[tokio::test]
async fn proxy_encrypts_by_sslmode() -> Result<()> {
    let server = server()?;
    let mut target = address(&server, "scrammed", Some("pw scram IX"));
    target.tls = TlsMode::Prefer;
    assert!(
        attempt(&target).await?.socket.tls().is_none(),
        "the server has no TLS yet"
    );
    target.tls = TlsMode::Require;
    let error = attempt(&target).await.unwrap_err().to_string();
    assert!(error.contains("the server offers no TLS"), "{error}");

    let certificates = Certificates::new()?;
    encrypt(&server, &certificates)?;
    for (mode, host, root, works) in [
        (TlsMode::Prefer, "127.0.0.1", None, Ok(())),
        (TlsMode::Require, "127.0.0.1", None, Ok(())),
        (TlsMode::VerifyCa, "127.0.0.1", Some("ca.pem"), Ok(())),
        (TlsMode::VerifyFull, "localhost", Some("ca.pem"), Ok(())),
        (
            TlsMode::VerifyFull,
            "127.0.0.1",
            Some("ca.pem"),
            Err("subjectAltName"),
        ),
        (
            TlsMode::VerifyCa,
            "localhost",
            Some("other.pem"),
            Err("set sslrootcert"),
        ),
        (
            TlsMode::Require,
            "localhost",
            Some("other.pem"),
            Err("set sslrootcert"),
        ),
    ] {
        let other = Certificates::new()?;
        std::fs::copy(other.path("ca.pem"), certificates.path("other.pem"))?;
        target.tls = mode;
        target.host = host.into();
        target.root_cert = root.map(|file| certificates.path(file));
        match (attempt(&target).await, works) {
            (Ok(connected), Ok(())) => {
                assert!(connected.socket.tls().is_some(), "{mode:?} {host}");
            }
            (Err(error), Err(reason)) => {
                assert!(
                    error.to_string().contains(reason),
                    "{mode:?} {host}: {error}"
                );
            }
            (Ok(_), Err(_)) => panic!("{mode:?} {host} must not connect"),
            (Err(error), Ok(())) => panic!("{mode:?} {host}: {error}"),
        }
    }
    Ok(())
}

#[tokio::test]
async fn proxy_shows_its_certificate() -> Result<()> {
    let server = server()?;
    let certificates = Certificates::new()?;
    encrypt(&server, &certificates)?;
    certificates.sign(
        "client",
        "certified.example",
        ExtendedKeyUsagePurpose::ClientAuth,
    )?;
    let mut target = address(&server, "certified.example", None);
    target.tls = TlsMode::VerifyFull;
    target.host = "localhost".into();
    target.root_cert = Some(certificates.path("ca.pem"));
    let error = attempt(&target).await.unwrap_err();
    assert_eq!(
        error
            .refusal()
            .context("the server's own words")?
            .sqlstate(),
        "28000"
    );
    target.client_cert = Some((
        certificates.path("client.pem"),
        certificates.path("client.key"),
    ));
    attempt(&target).await?;

    // `prefer` goes on in the clear where pg_hba.conf wants it so.
    let mut target = address(&server, "cleartext", None);
    target.tls = TlsMode::Prefer;
    assert!(attempt(&target).await?.socket.tls().is_none());
    Ok(())
}
