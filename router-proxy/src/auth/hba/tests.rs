use std::path::Path;

use super::*;

const FILE: &str = r#"
# comment
local   all             all                                     trust
host    all             admin,"all"     127.0.0.1/32            reject   # who is called "all"
host    sameuser        all             10.1.2.3 255.255.0.0    md5
hostssl shop, "other"   app             2001:db8::/32           scram-sha-256 clientcert=verify-ca
hostssl all             certified       all                     cert map=people
hostnossl replication   copier          samehost                password
host    all             \
        last            0.0.0.0/0                               scram-sha-256
"#;

fn rules() -> Rules {
    Rules::parse(FILE, Path::new("pg_hba.conf")).unwrap()
}

fn from(peer: &str) -> Connection<'static> {
    Connection {
        user: "somebody",
        database: "shop",
        replication: Replication::No,
        encrypted: false,
        peer: peer.parse().ok(),
        local: "192.0.2.1".parse().ok(),
    }
}

/// Line of the rule that decides.
fn line(connection: Connection<'_>) -> Option<usize> {
    rules().decide(&connection).map(|rule| rule.line)
}

#[test]
fn first_match_decides() {
    let app = Connection {
        user: "app",
        encrypted: true,
        ..from("2001:db8::7")
    };
    let copier = Connection {
        user: "copier",
        replication: Replication::Physical,
        ..from("127.0.0.1")
    };
    for (connection, expected) in [
        (from(""), Some(3)),
        (from("127.0.0.1"), None),
        (
            Connection {
                user: "admin",
                ..from("127.0.0.1")
            },
            Some(4),
        ),
        (
            Connection {
                user: "all",
                ..from("127.0.0.1")
            },
            Some(4),
        ),
        (
            Connection {
                user: "admin",
                ..from("127.0.0.2")
            },
            None,
        ),
        // IPv4 that came through an IPv6 socket.
        (
            Connection {
                user: "admin",
                ..from("::ffff:127.0.0.1")
            },
            Some(4),
        ),
        (
            Connection {
                user: "shop",
                ..from("10.1.200.9")
            },
            Some(5),
        ),
        (
            Connection {
                user: "shop",
                ..from("10.2.200.9")
            },
            None,
        ),
        (
            Connection {
                user: "other",
                ..from("10.1.200.9")
            },
            None,
        ),
        (app, Some(6)),
        (
            Connection {
                encrypted: false,
                ..app
            },
            None,
        ),
        (
            Connection {
                database: "other",
                ..app
            },
            Some(6),
        ),
        (
            Connection {
                database: "third",
                ..app
            },
            None,
        ),
        (
            Connection {
                user: "certified",
                ..app
            },
            Some(7),
        ),
        (copier, Some(8)),
        (
            Connection {
                peer: "192.0.2.1".parse().ok(),
                ..copier
            },
            Some(8),
        ),
        (
            Connection {
                peer: "192.0.2.9".parse().ok(),
                ..copier
            },
            None,
        ),
        (
            Connection {
                encrypted: true,
                ..copier
            },
            None,
        ),
        // Logical replication is a session in a database.
        (
            Connection {
                replication: Replication::Database,
                ..copier
            },
            None,
        ),
        (
            Connection {
                user: "last",
                ..from("8.8.8.8")
            },
            Some(9),
        ),
        (
            Connection {
                user: "last",
                replication: Replication::Physical,
                ..from("8.8.8.8")
            },
            None,
        ),
        (
            Connection {
                user: "last",
                ..from("2001:db8::7")
            },
            None,
        ),
    ] {
        assert_eq!(line(connection), expected, "{connection:?}");
    }
}

#[test]
fn options_are_read() {
    let rules = rules();
    let found: Vec<_> = rules
        .iter()
        .map(|rule| (rule.method, rule.certificate, rule.map.as_deref()))
        .collect();
    use CertificateCheck::*;
    assert_eq!(
        found,
        [
            (Method::Trust, No, None),
            (Method::Reject, No, None),
            (Method::Md5, No, None),
            (Method::ScramSha256, Authority, None),
            (Method::Cert, Name, Some("people")),
            (Method::Password, No, None),
            (Method::ScramSha256, No, None),
        ]
    );
}

#[test]
fn what_cannot_be_honoured_is_an_error() {
    for (text, expected) in [
        (
            "host all all 0.0.0.0/0 ldap",
            "authentication method \"ldap\" is not supported",
        ),
        (
            "hostgssenc all all 0.0.0.0/0 trust",
            "connection type \"hostgssenc\"",
        ),
        (
            "host all all example.org trust",
            "host names are not supported",
        ),
        ("host all all 10.0.0.0/33 trust", "is not a network"),
        (
            "host all all 10.0.0.1 trust",
            "is not a mask for 10.0.0.1; write address/length",
        ),
        ("host all all 10.0.0.1 ffff:: trust", "is not a mask"),
        ("host all all samenet trust", "\"samenet\" is not supported"),
        (
            "host samerole all all trust",
            "\"samerole\" is not supported",
        ),
        ("host all +group all trust", "\"+group\" is not supported"),
        ("host /^a all all trust", "regular expressions"),
        ("host @file all all trust", "names from a file"),
        ("host all all all cert", "only supported on hostssl lines"),
        (
            "host all all all md5 clientcert=verify-ca",
            "only be set on hostssl",
        ),
        (
            "hostssl all all all md5 clientcert=1",
            "verify-ca or verify-full",
        ),
        (
            "hostssl all all all cert clientcert=verify-ca",
            "always verify-full",
        ),
        ("host all all all md5 map=m", "only be set with method cert"),
        ("host all all all md5 colour=blue", "option \"colour=blue\""),
        ("host all all all", "the method is missing"),
        ("host all all all,all trust", "one address only"),
        ("host \"all all all trust", "a quote is not closed"),
        ("include other.conf", "connection type \"include\""),
    ] {
        let text = format!("# first line\n{text}\n");
        let error = Rules::parse(&text, Path::new("some.conf"))
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("some.conf line 2: "), "{error}");
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn networks_of_any_length() {
    for (network, inside, outside) in [
        ("0.0.0.0/0", "255.1.2.3", "::1"),
        ("::/0", "2001::1", "1.2.3.4"),
        ("10.0.0.7/32", "10.0.0.7", "10.0.0.6"),
        ("2001:db8::7/128", "2001:db8::7", "2001:db8::6"),
        ("10.0.0.128/25", "10.0.0.200", "10.0.0.100"),
    ] {
        let addresses = Addresses::from_cidr(network).unwrap();
        assert!(
            addresses.contains(inside.parse().unwrap(), None),
            "{network}"
        );
        assert!(
            !addresses.contains(outside.parse().unwrap(), None),
            "{network}"
        );
    }
}

#[test]
fn refusals_are_in_the_words_of_postgresql() {
    let report = from("10.9.8.7").unmatched();
    assert_eq!(report.state.as_str(), "28000");
    assert_eq!(
        report.message,
        "no pg_hba.conf entry for host \"10.9.8.7\", user \"somebody\", database \"shop\", \
         no encryption"
    );
    let copier = Connection {
        replication: Replication::Physical,
        encrypted: true,
        ..from("")
    };
    assert_eq!(
        copier.rejected().message,
        "pg_hba.conf rejects replication connection for host \"[local]\", user \"somebody\", \
         SSL encryption"
    );
}

#[test]
fn user_maps() {
    let text = "people \"Ann Example\" ann\npeople root.example all # anybody\nothers ann bob\n";
    let maps = UserMaps::parse(text, Path::new("pg_ident.conf")).unwrap();
    assert!(maps.allow(Some("people"), "Ann Example", "ann"));
    assert!(!maps.allow(Some("people"), "Ann Example", "bob"));
    assert!(maps.allow(Some("people"), "root.example", "bob"));
    assert!(!maps.allow(Some("people"), "ann", "bob"));
    assert!(!maps.allow(Some("missing"), "ann", "ann"));
    assert!(maps.allow(None, "ann", "ann"));
    assert!(!maps.allow(None, "ann", "bob"));
    for broken in [
        "people ann",
        "people /^(.*)@example$ \\1",
        "people ann +staff",
    ] {
        assert!(
            UserMaps::parse(broken, Path::new("pg_ident.conf")).is_err(),
            "{broken}"
        );
    }
}
