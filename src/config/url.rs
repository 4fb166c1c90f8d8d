//! `postgres://` URLs, as libpq reads them, as far as the router knows what to do with them.

use std::path::{Path, PathBuf};

use router_proxy::settings::{Secret, ServerAddress, TlsMode};
use zeroize::Zeroizing;

use super::problem::meant_or_known;
use super::scalar::{self, Unexpanded};

const EXAMPLE: &str = "write postgres://user:password@host:5432/database";

const PARAMETERS: [&str; 8] = [
    "host",
    "port",
    "user",
    "dbname",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
];

/// The words of `sslmode`, for URLs and for `[server.tls]`.
pub(super) const TLS_MODES: [(&str, TlsMode); 5] = [
    ("disable", TlsMode::Disable),
    ("prefer", TlsMode::Prefer),
    ("require", TlsMode::Require),
    ("verify-ca", TlsMode::VerifyCa),
    ("verify-full", TlsMode::VerifyFull),
];

/// What is wrong with a URL and how to mend it. Never quotes the password.
pub(super) type Wrong = (String, String);

fn wrong<T>(what: impl Into<String>, hint: impl Into<String>) -> Result<T, Wrong> {
    Err((what.into(), hint.into()))
}

/// The values of environment variables by name.
type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads a URL. Variables are replaced after the URL has been taken apart, so
/// that a password needs no percent-encoding when it comes from a variable; a
/// URL that begins with a variable is replaced first.
pub(super) fn parse(
    written: &str,
    env: &dyn Fn(&str) -> Option<String>,
    folder: &Path,
) -> Result<ServerAddress, Wrong> {
    let whole;
    let (url, env): (&str, Env<'_>) = if written.starts_with("${") {
        whole = expand(written, env)?;
        (&whole, &|_| None)
    } else {
        (written, env)
    };
    let Some(rest) = ["postgres://", "postgresql://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme))
    else {
        return wrong("is not a postgres:// URL", EXAMPLE);
    };
    if rest.contains('#') {
        return wrong("has a \"#\" in it", "write %23 for a # within a password");
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = match rest.split_once('/') {
        Some((authority, database)) => (authority, database),
        None => (rest, ""),
    };
    let (login, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if login.contains('@') {
        return wrong(
            "has more than one \"@\"",
            "write %40 for an @ within a password",
        );
    }
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (login, None),
    };
    let part = |text: &str| decode(text).and_then(|text| expand(&text, env));
    let mut url = Parts {
        user: part(user)?,
        password: password.map(part).transpose()?.map(Zeroizing::new),
        database: part(database)?,
        ..Parts::default()
    };
    url.host_and_port(host, &part)?;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let Some((key, value)) = pair.split_once('=') else {
            return wrong("has a parameter without \"=\"", "write ?sslmode=require");
        };
        url.parameter(key, part(value)?, folder)?;
    }
    url.finish()
}

#[derive(Default)]
struct Parts {
    user: String,
    password: Option<Zeroizing<String>>,
    host: String,
    port: String,
    database: String,
    tls: Option<TlsMode>,
    root_cert: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Parts {
    fn host_and_port(
        &mut self,
        text: &str,
        part: &dyn Fn(&str) -> Result<String, Wrong>,
    ) -> Result<(), Wrong> {
        let (host, port) = if let Some(inner) = text.strip_prefix('[') {
            let Some((host, after)) = inner.split_once(']') else {
                return wrong(
                    "has a \"[\" without \"]\"",
                    "write [::1]:5432 for an IPv6 address",
                );
            };
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return wrong(
                    "has something else than an IPv6 address in brackets",
                    "write [::1]:5432, or the host's name without brackets",
                );
            }
            if !after.is_empty() && !after.starts_with(':') {
                return wrong("has something after \"]\"", "write [::1]:5432");
            }
            (host.to_owned(), after.trim_start_matches(':'))
        } else {
            let (host, port) = text.split_once(':').unwrap_or((text, ""));
            if port.contains(':') {
                return wrong(
                    "has more than one \":\" in its host",
                    "write an IPv6 address in brackets, as [::1]:5432",
                );
            }
            (part(host)?, port)
        };
        if host.contains(',') {
            return wrong(
                "names several hosts",
                "name one host; list replicas under replicas = [...]",
            );
        }
        self.host = host;
        self.port = part(port)?;
        Ok(())
    }

    fn parameter(&mut self, key: &str, value: String, folder: &Path) -> Result<(), Wrong> {
        let path = || Some(folder.join(&value));
        match key {
            "host" => self.host = value,
            "port" => self.port = value,
            "user" => self.user = value,
            "dbname" => self.database = value,
            "sslrootcert" => self.root_cert = path(),
            "sslcert" => self.cert = path(),
            "sslkey" => self.key = path(),
            "sslmode" => match TLS_MODES.iter().find(|(word, _)| *word == value) {
                Some((_, mode)) => self.tls = Some(*mode),
                None => {
                    return wrong(
                        format!("has an unknown sslmode \"{value}\""),
                        meant_or_known(&value, TLS_MODES.iter().map(|(word, _)| *word)),
                    );
                }
            },
            "password" => {
                return wrong(
                    "has its password among the parameters",
                    "write it before the host, as postgres://user:password@host/database",
                );
            }
            unknown => {
                return wrong(
                    format!("has an unknown parameter \"{unknown}\""),
                    meant_or_known(unknown, PARAMETERS),
                );
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<ServerAddress, Wrong> {
        if self.host.is_empty() {
            return wrong("names no host", EXAMPLE);
        }
        if self.user.is_empty() {
            return wrong("names no user", EXAMPLE);
        }
        if self.database.is_empty() {
            return wrong("names no database", EXAMPLE);
        }
        let port = match self.port.as_str() {
            "" => 5432,
            text => match text.parse::<u16>() {
                Ok(port) if port > 0 => port,
                _ => return wrong("has a port that is not from 1 to 65535", EXAMPLE),
            },
        };
        let client_cert = match (self.cert, self.key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => {
                return wrong(
                    "has only one of sslcert and sslkey",
                    "a client certificate needs both",
                );
            }
        };
        let tls = self.tls.unwrap_or(TlsMode::Prefer);
        if self.host.starts_with('/') && tls >= TlsMode::Require {
            return wrong(
                "asks for TLS over a Unix socket",
                "leave sslmode out, or name a TCP host",
            );
        }
        if tls < TlsMode::Require && self.root_cert.is_some() {
            return wrong(
                "has sslrootcert, which this sslmode does not look at",
                "add sslmode=verify-full",
            );
        }
        Ok(ServerAddress {
            host: self.host,
            port,
            database: self.database,
            user: self.user,
            password: self.password.map(Secret),
            tls,
            root_cert: self.root_cert,
            client_cert,
        })
    }
}

fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, Wrong> {
    scalar::expand(text, env).map_err(|e| match e {
        Unexpanded::Unset(name) => (
            format!("the environment variable {name} is not set"),
            format!("set {name} where shunt is started, or write the value here"),
        ),
        Unexpanded::Malformed => (
            "\"${\" does not begin a variable".to_owned(),
            "write ${NAME}, or $${ for the two characters themselves".to_owned(),
        ),
    })
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Result<String, Wrong> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        if bytes[i] != b'%' {
            out.push(bytes[i]);
            i += 1;
            continue;
        }
        let byte = text
            .get(i + 1..i + 3)
            .filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            .filter(|byte| *byte != 0);
        let Some(byte) = byte else {
            return wrong(
                "has a \"%\" that two hexadecimal digits do not follow",
                "write %25 for a % within a password",
            );
        };
        out.push(byte);
        i += 3;
    }
    String::from_utf8(out).or_else(|_| {
        wrong(
            "is not UTF-8 once decoded",
            "encode the bytes of UTF-8, one %XX each",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<ServerAddress, Wrong> {
        let env = |name: &str| (name == "PW").then(|| "p@ss/w:rd#".to_owned());
        parse(url, &env, Path::new("/etc/shunt"))
    }

    fn secret(address: &ServerAddress) -> &str {
        address.password.as_ref().map_or("", |s| s.0.as_str())
    }

    #[test]
    fn parts() {
        let a = read(
            "postgres://app:s%40x@db.example:5501/shop?sslmode=verify-full&sslrootcert=ca.pem",
        )
        .unwrap();
        assert_eq!((a.host.as_str(), a.port), ("db.example", 5501));
        assert_eq!((a.user.as_str(), a.database.as_str()), ("app", "shop"));
        assert_eq!(secret(&a), "s@x");
        assert_eq!(a.tls, TlsMode::VerifyFull);
        assert_eq!(a.root_cert.as_deref(), Some(Path::new("/etc/shunt/ca.pem")));

        let a = read("postgresql://u@[::1]/d").unwrap();
        assert_eq!((a.host.as_str(), a.port), ("::1", 5432));
        assert_eq!(a.tls, TlsMode::Prefer);
        assert!(a.password.is_none());

        for socket in [
            "postgres://u@%2Fvar%2Frun/d",
            "postgres://u@/d?host=/var/run",
        ] {
            assert_eq!(read(socket).unwrap().host, "/var/run", "{socket}");
        }
        let a = read("postgres://u:${PW}@h/d").unwrap();
        assert_eq!(secret(&a), "p@ss/w:rd#");
        assert!(!format!("{a:?}").contains("p@ss"));
    }

    #[test]
    fn errors_do_not_quote_the_password() {
        for url in [
            "mysql://u:hidden@h/d",
            "postgres://u:hidden@x@h/d",
            "postgres://u:hidden@h:0/d",
            "postgres://u:hidden@h:99999/d",
            "postgres://u:hidden@h:1:2/d",
            "postgres://u:hidden@/d",
            "postgres://:hidden@h/d",
            "postgres://u:hidden@h/",
            "postgres://u:hidden@h",
            "postgres://u:hidden%zz@h/d",
            "postgres://u:hidden%ff@h/d",
            "postgres://u:hidden#@h/d",
            "postgres://u:hidden@h,i/d",
            "postgres://u:hidden@[::1/d",
            "postgres://u:hidden@[x]/d",
            "postgres://u:hidden@h/d?sslmode=maybe",
            "postgres://u:hidden@h/d?sslmod=require",
            "postgres://u@h/d?password=hidden",
            "postgres://u:hidden@h/d?sslcert=a",
            "postgres://u:hidden@h/d?x",
            "postgres://u:${hidden@h/d",
        ] {
            let (what, hint) = read(url).unwrap_err();
            assert!(
                !format!("{what} {hint}").contains("hidden"),
                "{url}: {what}"
            );
        }
    }
}
