//! A connection to PostgreSQL, from nothing to its first ReadyForQuery.
//!
//! The caller puts its `connect_timeout` around [`connect`]. Encryption is
//! negotiated as libpq does it for the same `sslmode`.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use postgres_protocol::message::frontend;
use router_core::availability::Fault;
use router_core::sqlstate::SqlState;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use zeroize::Zeroize;

use super::proof::{ProofError, Prover, Reply};
use super::report::ServerReport;
use crate::settings::{ServerAddress, TlsMode};
use crate::tls::{
    EncryptedSocket, RawSocket, ServerFacingTls, Socket, StdSocket, end_point_binding,
};
use crate::wire::code;
use crate::wire::encode::{self, Report};
use crate::wire::read::read_message;

/// Longest message that a server may send before its first ReadyForQuery.
const MAX_MESSAGE_LENGTH: usize = 64 * 1024;
/// An idle connection whose other end is gone is noticed after this.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Where to connect, and as what.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// How errors call it: `shard s0's primary`.
    pub label: &'a str,
    /// Server, database, role.
    pub address: &'a ServerAddress,
    /// TLS made from `address`.
    pub tls: &'a ServerFacingTls,
    /// Startup parameters besides user and database.
    pub parameters: &'a [(&'a str, &'a str)],
}

/// A connection that is ready for queries.
#[derive(Debug)]
pub struct Connected<S = Socket> {
    /// The connection.
    pub socket: S,
    /// What was read behind ReadyForQuery: nothing, as a rule.
    pub input: BytesMut,
    /// ParameterStatus messages, in order.
    pub parameters: Vec<(String, String)>,
    /// What a cancel request must say.
    pub key: CancelKey,
    /// Transaction status of ReadyForQuery.
    pub status: u8,
    /// NOTICE messages, whole.
    pub notices: BytesMut,
}

impl Connected {
    /// Takes it off the reactor of its worker: another one may go on with it, which this one's reactor must know nothing of.
    pub(crate) fn detach(self) -> io::Result<Connected<Socket<StdSocket>>> {
        self.over(Socket::detach)
    }
}

impl Connected<Socket<StdSocket>> {
    /// Puts it on the reactor of this worker.
    pub(crate) fn attach(self) -> io::Result<Connected> {
        self.over(Socket::attach)
    }
}

impl<S> Connected<S> {
    fn over<T>(self, moved: impl FnOnce(S) -> io::Result<T>) -> io::Result<Connected<T>> {
        let Self {
            socket,
            input,
            parameters,
            key,
            status,
            notices,
        } = self;
        Ok(Connected {
            socket: moved(socket)?,
            input,
            parameters,
            key,
            status,
            notices,
        })
    }
}

/// What a server wants to hear in a cancel request; 4 bytes of secret in protocol 3.0.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CancelKey {
    /// Process id.
    pub process: i32,
    /// Secret.
    pub secret: Bytes,
}

impl fmt::Debug for CancelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelKey")
            .field("process", &self.process)
            .finish_non_exhaustive()
    }
}

/// A connection could not be made.
#[derive(Debug)]
pub struct ConnectError {
    /// The target's label.
    pub label: String,
    /// Address and port, or the Unix socket's path.
    pub place: String,
    /// What went wrong.
    pub problem: Problem,
}

/// What goes wrong when connecting.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The network.
    #[error("{}", plain(.0))]
    Io(#[from] io::Error),
    /// Encryption, or a certificate.
    #[error("{0}")]
    Tls(String),
    /// Who we are cannot be proven.
    #[error("{0}")]
    Proof(#[from] ProofError),
    /// The server says no.
    #[error("{0}")]
    Refused(ServerReport),
    /// The server says what it must not.
    #[error("{0}")]
    Protocol(&'static str),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot connect to {} {}: {}",
            self.label, self.place, self.problem
        )
    }
}

impl std::error::Error for ConnectError {}

impl ConnectError {
    /// What the server said, when it was the server that refused.
    pub fn refusal(&self) -> Option<&ServerReport> {
        match &self.problem {
            Problem::Refused(report) => Some(report),
            _ => None,
        }
    }

    /// What is at fault.
    pub fn fault(&self) -> Fault {
        match &self.problem {
            // We cannot prove who this role is.
            Problem::Proof(_) => Fault::Role,
            Problem::Refused(report) => Fault::of_refusal(&report.sqlstate()),
            _ => Fault::Server,
        }
    }

    /// What to tell a client where the server's own words are not for it.
    pub fn report(&self) -> Report {
        Report::fatal(self.state(), self.to_string())
    }

    /// The server's own state where a client can do something with it: come back later, or look for another database. Who the
    /// router is to the server is not the client's business.
    fn state(&self) -> SqlState {
        let refusal = self.refusal().map(|report| report.sqlstate().into_owned());
        let state = refusal.and_then(|state| <[u8; 5]>::try_from(state.as_bytes()).ok());
        match state {
            Some(state) if [b"53", b"55", b"57", b"3D"].contains(&&[state[0], state[1]]) => {
                SqlState(state)
            }
            _ => code::CANNOT_CONNECT,
        }
    }
}

/// Connects and logs in.
pub async fn connect(target: &Target<'_>) -> Result<Connected, ConnectError> {
    let result = match attempt(target, true).await {
        // `prefer`: whatever is wrong with encryption, the clear will do; also where
        // pg_hba.conf has rules for plaintext only (28000).
        Err(Problem::Tls(_)) if target.tls.mode() == TlsMode::Prefer => {
            attempt(target, false).await
        }
        Err(Problem::Refused(report))
            if target.tls.mode() == TlsMode::Prefer && report.sqlstate() == "28000" =>
        {
            attempt(target, false).await.map_err(|error| match error {
                Problem::Refused(_) => Problem::Refused(report),
                error => error,
            })
        }
        result => result,
    };
    result.map_err(|problem| ConnectError {
        label: target.label.to_owned(),
        place: place(target.address),
        problem,
    })
}

/// Address and port as a user writes them, or the path of a Unix socket.
pub fn place(address: &ServerAddress) -> String {
    if address.host.starts_with('/') {
        format!(
            "{}/.s.PGSQL.{}",
            address.host.trim_end_matches('/'),
            address.port
        )
    } else if address.host.contains(':') {
        format!("[{}]:{}", address.host, address.port)
    } else {
        format!("{}:{}", address.host, address.port)
    }
}

async fn attempt(target: &Target<'_>, encrypted: bool) -> Result<Connected, Problem> {
    let raw = reach(target.address).await?;
    let socket = match target.tls.client().filter(|_| encrypted) {
        Some(_) => encrypt(raw, target.tls).await?,
        None => Socket::Plain(raw),
    };
    log_in(socket, target).await
}

/// Opens the kernel's socket; tries all addresses of a name.
pub async fn reach(address: &ServerAddress) -> io::Result<RawSocket> {
    if address.host.starts_with('/') {
        let stream = UnixStream::connect(place(address)).await?;
        return RawSocket::from(stream).settle();
    }
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host((address.host.as_str(), address.port)).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
                SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
                return RawSocket::from(stream).settle();
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Asks for TLS and shakes hands; `prefer` goes on in the clear when the server has none.
/// Also what a cancel request goes through.
pub async fn encrypt(raw: RawSocket, tls: &ServerFacingTls) -> Result<Socket, Problem> {
    let Some((config, name)) = tls.client() else {
        return Ok(Socket::Plain(raw));
    };
    let mut socket = Socket::Plain(raw);
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    socket.write_all(&request).await?;
    // One byte and no more: what follows belongs to the handshake.
    let mut answer = BytesMut::zeroed(1);
    let length = std::future::poll_fn(|cx| {
        loop {
            std::task::ready!(socket.poll_read_ready(cx))?;
            match socket.try_read(&mut answer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return std::task::Poll::Ready(result),
            }
        }
    })
    .await?;
    match (length, answer[0]) {
        (0, _) => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        (_, b'S') => {
            let Socket::Plain(raw) = socket else {
                return Err(Problem::Protocol("TLS within TLS"));
            };
            let encrypted = EncryptedSocket::connect(raw, config, name)
                .await
                .map_err(|error| Problem::Tls(describe_tls(&error)))?;
            Ok(Socket::Tls(Box::new(encrypted)))
        }
        (_, b'N') if tls.mode() == TlsMode::Prefer => Ok(socket),
        (_, b'N') => Err(Problem::Tls(
            "the server offers no TLS, which sslmode asks for: set `ssl = on` there, \
             or sslmode=disable here"
                .into(),
        )),
        // An error in the clear may be anybody's: its text is not trusted.
        (_, b'E') => Err(Problem::Tls(
            "the server answers the request for TLS with an error".into(),
        )),
        _ => Err(Problem::Protocol(
            "the answer to a request for TLS is not PostgreSQL's",
        )),
    }
}

async fn log_in(mut socket: Socket, target: &Target<'_>) -> Result<Connected, Problem> {
    let address = target.address;
    let mut out = BytesMut::new();
    let names = [
        ("user", address.user.as_str()),
        ("database", address.database.as_str()),
    ];
    let parameters = names.into_iter().chain(target.parameters.iter().copied());
    frontend::startup_message(parameters, &mut out)?;
    socket.write_all(&out).await?;

    let mut input = BytesMut::new();
    prove(&mut socket, &mut input, out, address).await?;

    let mut parameters = Vec::new();
    let mut notices = BytesMut::new();
    let mut key = CancelKey::default();
    loop {
        let (tag, mut body) = next(&mut socket, &mut input).await?;
        match tag {
            b'S' => parameters.push(parse_parameter(&body)?),
            b'K' => {
                let process = body.try_get_i32().map_err(|_| MALFORMED)?;
                key = CancelKey {
                    process,
                    secret: body,
                };
            }
            b'Z' if body.len() == 1 => {
                return Ok(Connected {
                    socket,
                    input,
                    parameters,
                    key,
                    status: body[0],
                    notices,
                });
            }
            b'N' if notices.len() < MAX_MESSAGE_LENGTH => {
                encode::frame(&mut notices, tag, |out| out.extend_from_slice(&body));
                tracing::debug!(server = target.label, notice = %ServerReport::new(body));
            }
            b'N' => {}
            b'E' => return Err(Problem::Refused(ServerReport::new(body))),
            _ => return Err(MALFORMED),
        }
    }
}

/// Until AuthenticationOk. `out` is scratch.
async fn prove(
    socket: &mut Socket,
    input: &mut BytesMut,
    mut out: BytesMut,
    address: &ServerAddress,
) -> Result<(), Problem> {
    let certificate = socket.tls().and_then(EncryptedSocket::peer_certificate);
    let binding = certificate.and_then(|der| end_point_binding(der));
    let mut prover = Prover::new(address, socket.tls().is_some(), binding);
    loop {
        let (tag, body) = next(socket, input).await?;
        match tag {
            b'R' => {
                out.clear();
                match prover.handle(&body, &mut out)? {
                    Reply::Done => return Ok(()),
                    Reply::Send => {
                        let sent = socket.write_all(&out).await;
                        out.as_mut().zeroize();
                        sent?;
                    }
                    Reply::Wait => {}
                }
            }
            // An older server's answer to a newer protocol: we ask for 3.0 only.
            b'v' | b'N' => {}
            b'E' => return Err(Problem::Refused(ServerReport::new(body))),
            _ => return Err(MALFORMED),
        }
    }
}

const MALFORMED: Problem = Problem::Protocol("what it sends is not PostgreSQL's protocol");

async fn next(socket: &mut Socket, input: &mut BytesMut) -> Result<(u8, Bytes), Problem> {
    let (tag, length) = read_message(socket, input, MAX_MESSAGE_LENGTH)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => MALFORMED,
            _ => error.into(),
        })?;
    Ok((tag, input.split_to(length).freeze()))
}

fn parse_parameter(body: &[u8]) -> Result<(String, String), Problem> {
    let mut strings = body.split(|byte| *byte == 0);
    match (strings.next(), strings.next(), strings.next()) {
        (Some(name), Some(value), Some(b"")) => Ok((
            String::from_utf8_lossy(name).into_owned(),
            String::from_utf8_lossy(value).into_owned(),
        )),
        _ => Err(MALFORMED),
    }
}

/// Without the number that the operating system's words carry.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        io::ErrorKind::ConnectionReset => "connection reset by the server".into(),
        io::ErrorKind::UnexpectedEof => "the server closed the connection".into(),
        io::ErrorKind::NotFound => "no such host or socket".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}

fn describe_tls(error: &io::Error) -> String {
    let cause = error
        .get_ref()
        .and_then(|error| error.downcast_ref::<rustls::Error>());
    let hint = match cause {
        Some(rustls::Error::InvalidCertificate(problem)) => {
            use rustls::CertificateError::*;
            match problem {
                NotValidForName | NotValidForNameContext { .. } => {
                    "; connect by a name that its subjectAltName lists, or use sslmode=verify-ca"
                }
                UnknownIssuer | BadSignature => "; set sslrootcert to the authority that signed it",
                Expired | ExpiredContext { .. } => "; renew it",
                // `openssl req -x509` marks what it makes as an authority.
                problem if format!("{problem:?}").contains("CaUsedAsEndEntity") => {
                    "; it is marked as an authority and used as a server's own: make it with \
                     basicConstraints CA:FALSE, or sign it by an authority of its own"
                }
                _ => "",
            }
        }
        Some(rustls::Error::AlertReceived(_)) => {
            "; the server may want a client certificate (sslcert, sslkey)"
        }
        _ => "",
    };
    format!("TLS handshake failed: {}{hint}", plain(error))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed test panics")]
mod tests {
    use std::sync::Arc;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
    use rustls::pki_types::PrivateKeyDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    /// What `openssl req -x509` makes is an authority; the error says what to make instead.
    #[tokio::test]
    async fn an_authority_as_a_server_certificate_is_explained() {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let root = folder.path().join("root.pem");
        std::fs::write(&root, certificate.pem()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap(),
            )
            .unwrap();
        let tls = ServerFacingTls::new(&ServerAddress {
            host: "localhost".into(),
            port: 5432,
            database: String::new(),
            user: String::new(),
            password: None,
            tls: TlsMode::VerifyFull,
            root_cert: Some(root),
            client_cert: None,
        })
        .unwrap();
        let (here, there) = UnixStream::pair().unwrap();
        let (config, name) = tls.client().unwrap();
        let (_, refused) = tokio::join!(
            EncryptedSocket::accept(RawSocket::Unix(here), Arc::new(server), &[]),
            EncryptedSocket::connect(RawSocket::Unix(there), config, name),
        );
        let text = describe_tls(&refused.unwrap_err());
        assert!(text.contains("basicConstraints CA:FALSE"), "{text}");
    }

    #[test]
    fn places_are_written_as_users_write_them() {
        let place = |host: &str| {
            place(&ServerAddress {
                host: host.into(),
                port: 5432,
                database: String::new(),
                user: String::new(),
                password: None,
                tls: TlsMode::Disable,
                root_cert: None,
                client_cert: None,
            })
        };
        assert_eq!(place("db.example"), "db.example:5432");
        assert_eq!(place("::1"), "[::1]:5432");
        assert_eq!(place("/run/postgresql/"), "/run/postgresql/.s.PGSQL.5432");
    }
}
