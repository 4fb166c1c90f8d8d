use bytes::BufMut;
use tokio::net::UnixStream;

use super::*;
use crate::startup::Replication;

/// Stands for `auth_query`.
struct Table;

impl SecretLookup for Table {
    async fn secret(&self, user: &str) -> Result<Option<Secret>, Report> {
        match user {
            "known" => Ok(Some(Secret("pw".to_owned().into()))),
            "trouble" => Err(Report::fatal(
                code::CANNOT_CONNECT,
                "cannot look up passwords",
            )),
            _ => Ok(None),
        }
    }
}

fn authenticator() -> Authenticator {
    with_method(AuthMethod::Password)
}

fn with_method(method: AuthMethod) -> Authenticator {
    let auth = Auth {
        method,
        hba_file: None,
        auth_query: Some("SELECT …".into()),
        auth_user: Some("lookup".into()),
    };
    Authenticator::new(&auth, &[]).unwrap()
}

/// What the client hears last, and what the proxy makes of it.
async fn log_in(user: &str, answer: &[u8]) -> (Vec<u8>, Result<AuthMethod, EntryError>) {
    enter(&authenticator(), user, answer).await
}

async fn enter(
    authenticator: &Authenticator,
    user: &str,
    answer: &[u8],
) -> (Vec<u8>, Result<AuthMethod, EntryError>) {
    let (here, there) = UnixStream::pair().unwrap();
    let (mut here, mut there) = (Socket::from(here), Socket::from(there));
    let startup = Startup {
        user: user.into(),
        database: user.into(),
        parameters: Vec::new(),
        replication: Replication::No,
        minor: 0,
        newer_minor: false,
        unknown_options: Vec::new(),
    };
    there.write_all(answer).await.unwrap();
    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    let result = authenticator
        .authenticate(&mut here, &mut input, &mut out, &startup, None, &Table)
        .await;
    here.write_all(&out).await.unwrap();
    drop(here);
    let mut heard = BytesMut::with_capacity(1024);
    while there.read_buf(&mut heard).await.unwrap_or(0) > 0 {
        heard.reserve(1024);
    }
    (heard.to_vec(), result)
}

fn password(text: &str) -> Vec<u8> {
    let mut message = vec![b'p'];
    message.put_u32(4 + text.len() as u32 + 1);
    message.extend(text.as_bytes());
    message.push(0);
    message
}

#[tokio::test]
async fn secrets_are_looked_up() {
    let asked = b"R\0\0\0\x08\0\0\0\x03";
    let (heard, result) = log_in("known", &password("pw")).await;
    assert_eq!(result.unwrap(), AuthMethod::Password);
    assert_eq!(heard, [&asked[..], b"R\0\0\0\x08\0\0\0\0"].concat());
    for (user, guess) in [("known", "no"), ("unknown", "pw")] {
        let (heard, result) = log_in(user, &password(guess)).await;
        let expected = format!("password authentication failed for user \"{user}\"");
        assert_eq!(result.unwrap_err().to_string(), expected);
        assert!(String::from_utf8_lossy(&heard).contains(&expected));
    }
    let (heard, result) = log_in("trouble", &password("pw")).await;
    assert_eq!(result.unwrap_err().to_string(), "cannot look up passwords");
    assert_eq!(heard[0], b'E', "the client is told before it is asked");
}

/// Trust asks for no password, but for a role that exists, as PostgreSQL does.
#[tokio::test]
async fn trust_is_for_users_who_exist() {
    let (heard, result) = enter(&with_method(AuthMethod::Trust), "known", b"").await;
    assert_eq!(result.unwrap(), AuthMethod::Trust);
    assert_eq!(heard, b"R\0\0\0\x08\0\0\0\0");
    let (heard, result) = enter(&with_method(AuthMethod::Trust), "unknown", b"").await;
    let error = result.unwrap_err().to_string();
    assert_eq!(error, "role \"unknown\" does not exist");
    assert!(String::from_utf8_lossy(&heard).contains("28000"));
}

#[tokio::test]
async fn messages_are_bounded_before_they_are_held() {
    let (heard, result) = log_in("known", b"p\x7f\xff\xff\xff").await;
    assert_eq!(result.unwrap_err().to_string(), "invalid message length");
    assert!(String::from_utf8_lossy(&heard).contains("08P01"));
    let (_, result) = log_in("known", b"p\0\0\0\x03").await;
    assert!(matches!(result, Err(EntryError::Refused(_))));
}

/// The same user gets the same salt, another another, and it says nothing of who exists.
#[test]
fn salts_last() {
    let authenticator = authenticator();
    assert_eq!(authenticator.salt("a"), authenticator.salt("a"));
    assert_ne!(authenticator.salt("a"), authenticator.salt("b"));
    assert_ne!(authenticator.salt("a"), self::authenticator().salt("a"));
}
