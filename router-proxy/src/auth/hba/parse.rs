//! Rules from text.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use super::tokens::{self, Line, Word};
use super::{Addresses, CertificateCheck, Databases, HbaError, Method, Rule, Rules, Transport};

const METHODS: &str = "trust, reject, password, md5, scram-sha-256 and cert";

impl Rules {
    /// Reads a file.
    pub fn read(file: &Path) -> Result<Self, HbaError> {
        let text = fs::read_to_string(file).map_err(|source| HbaError::Read {
            file: file.to_owned(),
            source,
        })?;
        Self::parse(&text, file)
    }

    /// Reads a file's text; `file` is for errors.
    pub fn parse(text: &str, file: &Path) -> Result<Self, HbaError> {
        let fail = |line, problem| HbaError::Line {
            file: file.to_owned(),
            line,
            problem,
        };
        let lines = tokens::lines(text)
            .map_err(|line| fail(line, "a quote is not closed on this line".to_owned()))?;
        let rules = lines
            .iter()
            .map(|line| rule(line).map_err(|problem| fail(line.number, problem)))
            .collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }
}

fn rule(line: &Line) -> Result<Rule, String> {
    let mut fields = line.fields.iter();
    let transport = transport(single(fields.next(), "connection type")?)?;
    let databases = fields.next().ok_or("the database is missing")?;
    let databases = databases.iter().map(database).collect::<Result<_, _>>()?;
    let users = users(fields.next().ok_or("the user is missing")?)?;
    let addresses = match transport {
        Transport::Unix => Addresses::All,
        _ => {
            let address = single(fields.next(), "address")?;
            match addresses(address)? {
                Ok(addresses) => addresses,
                Err(alone) => with_mask(alone, single(fields.next(), "mask")?)?,
            }
        }
    };
    let method = method(single(fields.next(), "method")?)?;
    let mut rule = Rule {
        line: line.number,
        method,
        certificate: CertificateCheck::No,
        map: None,
        transport,
        databases,
        users,
        addresses,
    };
    if method == Method::Cert {
        if transport != Transport::Encrypted {
            return Err("cert authentication is only supported on hostssl lines".into());
        }
        rule.certificate = CertificateCheck::Name;
    }
    for field in fields {
        for word in field {
            option(&mut rule, &word.text)?;
        }
    }
    Ok(rule)
}

fn single<'a>(field: Option<&'a Vec<Word>>, what: &str) -> Result<&'a Word, String> {
    match field.map(Vec::as_slice) {
        None => Err(format!("the {what} is missing")),
        Some([word]) => Ok(word),
        Some(_) => Err(format!("there can be one {what} only")),
    }
}

fn transport(word: &Word) -> Result<Transport, String> {
    match word.text.as_str() {
        "local" => Ok(Transport::Unix),
        // No connection here has GSSAPI encryption.
        "host" | "hostnogssenc" => Ok(Transport::Tcp),
        "hostssl" => Ok(Transport::Encrypted),
        "hostnossl" => Ok(Transport::Plain),
        other => Err(format!(
            "connection type \"{other}\" is not supported; \
             the supported ones are local, host, hostssl, hostnossl and hostnogssenc"
        )),
    }
}

fn database(word: &Word) -> Result<Databases, String> {
    if word.is("all") {
        return Ok(Databases::All);
    }
    if word.is("sameuser") {
        return Ok(Databases::SameUser);
    }
    if word.is("replication") {
        return Ok(Databases::Replication);
    }
    if word.is("samerole") || word.is("samegroup") {
        return Err(format!(
            "\"{}\" is not supported, for the proxy does not know who is a member of what; \
             name the users",
            word.text
        ));
    }
    name(word).map(Databases::Named)
}

fn users(words: &[Word]) -> Result<Option<Vec<String>>, String> {
    let mut names = Vec::new();
    for word in words {
        if word.is("all") {
            return Ok(None);
        }
        if !word.quoted && word.text.starts_with('+') {
            return Err(format!(
                "\"{}\" is not supported, for the proxy does not know who is a member of what; \
                 name the users",
                word.text
            ));
        }
        names.push(name(word)?);
    }
    Ok(Some(names))
}

fn name(word: &Word) -> Result<String, String> {
    match word.text.chars().next() {
        Some('/') if !word.quoted => Err(format!(
            "regular expressions such as \"{}\" are not supported; write the names",
            word.text
        )),
        Some('@') if !word.quoted => Err(format!(
            "names from a file, \"{}\", are not supported; write the names here",
            word.text
        )),
        _ => Ok(word.text.clone()),
    }
}

/// Addresses; or an address that wants a mask.
fn addresses(word: &Word) -> Result<Result<Addresses, IpAddr>, String> {
    if word.is("all") {
        return Ok(Ok(Addresses::All));
    }
    if word.is("samehost") {
        return Ok(Ok(Addresses::SameHost));
    }
    if word.is("samenet") {
        return Err("\"samenet\" is not supported; write the network as address/length".into());
    }
    if let Ok(address) = word.text.parse() {
        return Ok(Err(address));
    }
    match Addresses::from_cidr(&word.text) {
        Some(addresses) => Ok(Ok(addresses)),
        None if word.text.contains('/') => Err(format!(
            "\"{}\" is not a network: write address/length",
            word.text
        )),
        None => Err(format!(
            "\"{}\" is not an address; host names are not supported, write address/length",
            word.text
        )),
    }
}

fn with_mask(address: IpAddr, mask: &Word) -> Result<Addresses, String> {
    mask.text
        .parse()
        .ok()
        .and_then(|mask| Addresses::from_mask(address, mask))
        .ok_or_else(|| {
            format!(
                "\"{}\" is not a mask for {address}; write address/length, \
             {address}/{} for it alone",
                mask.text,
                if address.is_ipv6() { 128 } else { 32 }
            )
        })
}

fn method(word: &Word) -> Result<Method, String> {
    Ok(match word.text.as_str() {
        "trust" => Method::Trust,
        "reject" => Method::Reject,
        "password" => Method::Password,
        "md5" => Method::Md5,
        "scram-sha-256" => Method::ScramSha256,
        "cert" => Method::Cert,
        other => {
            return Err(format!(
                "authentication method \"{other}\" is not supported; \
                 the supported ones are {METHODS}"
            ));
        }
    })
}

fn option(rule: &mut Rule, text: &str) -> Result<(), String> {
    match text.split_once('=') {
        Some(("clientcert", value)) => {
            if rule.transport != Transport::Encrypted {
                return Err("clientcert can only be set on hostssl lines".into());
            }
            rule.certificate = match value {
                "verify-full" => CertificateCheck::Name,
                "verify-ca" if rule.method != Method::Cert => CertificateCheck::Authority,
                "verify-ca" => {
                    return Err("with method cert, clientcert is always verify-full".into());
                }
                _ => {
                    return Err(format!(
                        "clientcert=\"{value}\" is not supported; \
                         it is verify-ca or verify-full"
                    ));
                }
            };
            Ok(())
        }
        Some(("map", value)) => {
            if rule.method != Method::Cert {
                return Err("map can only be set with method cert".into());
            }
            rule.map = Some(value.to_owned());
            Ok(())
        }
        _ => Err(format!(
            "option \"{text}\" is not supported; the supported ones are clientcert and map"
        )),
    }
}
