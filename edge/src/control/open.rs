//! Whom to dial into an open stream of lines each way, with whoever proves to be the operator.
//!
//! Flow: address → TCP → TLS → token → HTTP/2 → `hello` → the response's head → [`Opened`].
//! Guarantees: the token is read, and sent, only once the other side has proved the name [`OPERATOR_NAME`].
//! Errors: [`OpenError`], one variant for each step; whoever asked tries again later.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use edge_contract::{CHANNEL_PATH, LINE_LIMIT, OPERATOR_NAME, encode_line};
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::pace::{self, Target};
use super::session::Session;
use super::trust::{self, TrustError};
use crate::clock::Clock;
use crate::forward::dns::Aliases;
use crate::forward::resolve::{ResolveError, Resolver};
use crate::settings::OperatorSettings;

/// For one connection attempt, and for one question to DNS.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// For everything up to the response's head; the operator has the token reviewed meanwhile.
const OPEN_LIMIT: Duration = Duration::from_secs(10);
/// Answers that may wait to be sent.
const BACKLOG: usize = 64;
/// A whole line may be on its way without the operator having to wait for this edge.
const WINDOW: u32 = 2 * 1024 * 1024;
const _: () = assert!(LINE_LIMIT < WINDOW as usize, "the longest line fits the window");

/// Why there is no stream.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The operator's address is not one.
    #[error("{0} is not HOST:PORT")]
    Address(String),
    /// Its name has no addresses.
    #[error("resolving the operator's address")]
    Resolve(#[source] ResolveError),
    /// The mounted bundle of authorities cannot be read.
    #[error("reading the authorities in {path}")]
    ReadAuthorities {
        /// Where they are mounted.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It cannot be used.
    #[error("using the authorities in {path}")]
    Authorities {
        /// Where they are mounted.
        path: PathBuf,
        /// What is wrong with them.
        #[source]
        source: TrustError,
    },
    /// Nobody can be verified by that name.
    #[error("verifying by name")]
    Name(#[from] InvalidDnsNameError),
    /// No connection.
    #[error("connecting to {address}")]
    Connect {
        /// The address dialled.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Whoever answered did not prove to be the operator.
    #[error("verifying the operator at {address}")]
    Verify {
        /// The address dialled.
        address: SocketAddr,
        /// What TLS said.
        #[source]
        source: std::io::Error,
    },
    /// The projected token cannot be read.
    #[error("reading the token in {path}")]
    ReadToken {
        /// Where it is mounted.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The projected token cannot be sent.
    #[error("the token in {path} is not one")]
    Token {
        /// Where it is mounted.
        path: PathBuf,
    },
    /// The hello or the request that carries it cannot be written.
    #[error("writing the hello")]
    Hello(#[source] Failure),
    /// HTTP/2 did not come about, or no response.
    #[error("asking the operator at {address}")]
    Ask {
        /// The address dialled.
        address: SocketAddr,
        /// What HTTP said.
        #[source]
        source: hyper::Error,
    },
    /// The operator does not take this edge's word for who it is, or cannot check it now.
    #[error("the operator at {address} answered {status}")]
    Refused {
        /// The address dialled.
        address: SocketAddr,
        /// Its answer.
        status: StatusCode,
    },
    /// It took too long altogether.
    #[error("opening a stream took longer than {OPEN_LIMIT:?}")]
    TimedOut,
}

/// What arrives on a stream.
pub type Incoming = UnsyncBoxBody<Bytes, Failure>;

/// What HTTP says of a failure.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// An open stream: hello is on its way.
#[derive(Debug)]
pub struct Opened {
    /// Lines to the operator; dropping it ends that direction cleanly.
    pub outgoing: Sender<Bytes>,
    /// Lines from the operator.
    pub incoming: Incoming,
    /// How long the stream may last.
    pub reopen_after: Duration,
    /// Ends by itself once both directions have ended, at once when it is dropped.
    pub connection: JoinSet<()>,
}

/// A way to the operator.
pub trait Dial {
    /// Opens a stream and says hello.
    fn open(&self, to: Target, session: &Session) -> impl Future<Output = Result<Opened, OpenError>> + Send;
}

/// The way over the network, by what is mounted.
pub struct Dialler {
    address: String,
    token: PathBuf,
    authorities: PathBuf,
    resolver: Resolver,
    clock: Clock,
}

impl Dial for Dialler {
    async fn open(&self, to: Target, session: &Session) -> Result<Opened, OpenError> {
        timeout(OPEN_LIMIT, self.open_in_time(to, session)).await.unwrap_or(Err(OpenError::TimedOut))
    }
}

impl Dialler {
    /// The way that the settings describe, if they do.
    pub fn new(settings: &OperatorSettings, clock: Clock) -> Option<Self> {
        Some(Self {
            address: settings.address.clone()?,
            token: settings.token.clone()?,
            authorities: settings.ca.clone()?,
            resolver: Resolver::new(clock.clone(), Arc::default(), None),
            clock,
        })
    }

    async fn open_in_time(&self, to: Target, session: &Session) -> Result<Opened, OpenError> {
        let tls = self.verifying(session).await?;
        let (address, stream) = self.connect(to).await?;
        let name = ServerName::try_from(OPERATOR_NAME)?;
        let verified = TlsConnector::from(tls).connect(name, stream).await;
        let stream = verified.map_err(|source| OpenError::Verify { address, source })?;
        let token = self.read_token().await?;
        let reopen_after = pace::reopen_after(&token, self.since_epoch(), super::chance());
        let bearer = self.bearer(&token)?;
        ask(address, stream, bearer, session).await.map(|opened| Opened { reopen_after, ..opened })
    }

    /// Both the mounted bundle and the token are read for each stream: the kubelet renews them.
    async fn verifying(&self, session: &Session) -> Result<Arc<rustls::ClientConfig>, OpenError> {
        let path = &self.authorities;
        let mounted = tokio::fs::read(path).await;
        let mounted = mounted.map_err(|source| OpenError::ReadAuthorities { path: path.clone(), source })?;
        let unusable = |source| OpenError::Authorities { path: path.clone(), source };
        let mut authorities = trust::certificates(&mounted).map_err(unusable)?;
        authorities.extend_from_slice(session.authorities());
        trust::verifying(&authorities).map_err(unusable)
    }

    async fn read_token(&self) -> Result<String, OpenError> {
        let token = tokio::fs::read_to_string(&self.token).await;
        let token = token.map_err(|source| OpenError::ReadToken { path: self.token.clone(), source })?;
        Ok(token.trim().to_owned())
    }

    fn bearer(&self, token: &str) -> Result<HeaderValue, OpenError> {
        let bearer = HeaderValue::try_from(format!("Bearer {token}"));
        let mut bearer = bearer.map_err(|_| OpenError::Token { path: self.token.clone() })?;
        bearer.set_sensitive(true);
        Ok(bearer)
    }

    /// The first address that lets itself be connected to.
    async fn connect(&self, to: Target) -> Result<(SocketAddr, TcpStream), OpenError> {
        let addresses = match to {
            Target::Leader(address) => vec![address],
            Target::Service => self.look_up().await?,
        };
        let mut failed = OpenError::Address(self.address.clone());
        for address in addresses {
            let connected = timeout(CONNECT_LIMIT, TcpStream::connect(address)).await;
            match connected.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())) {
                Ok(stream) => {
                    // Lines are small and each one matters at once. Failing to say so costs nothing else.
                    let _ = stream.set_nodelay(true);
                    return Ok((address, stream));
                }
                Err(source) => failed = OpenError::Connect { address, source },
            }
        }
        Err(failed)
    }

    async fn look_up(&self) -> Result<Vec<SocketAddr>, OpenError> {
        let not_one = || OpenError::Address(self.address.clone());
        let (host, port) = self.address.rsplit_once(':').ok_or_else(not_one)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port: u16 = port.parse().map_err(|_| not_one())?;
        let source = match self.resolver.look_up(host, port, CONNECT_LIMIT, Aliases::Followed).await {
            Ok(found) if !found.is_empty() => return Ok(found),
            Ok(_) => return Err(not_one()),
            Err(source) => source,
        };
        // A Service's name without the cluster's own domain is known only to the pod's search list.
        match timeout(CONNECT_LIMIT, tokio::net::lookup_host((host, port))).await {
            Ok(Ok(found)) => Ok(found.collect()),
            Ok(Err(_)) | Err(_) => Err(OpenError::Resolve(source)),
        }
    }

    fn since_epoch(&self) -> Duration {
        self.clock.now().wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }
}

/// Sends the one request of a connection, and waits for the head of its response.
async fn ask(
    address: SocketAddr,
    stream: TlsStream<TcpStream>,
    bearer: HeaderValue,
    session: &Session,
) -> Result<Opened, OpenError> {
    let (mut outgoing, body) = Channel::new(BACKLOG);
    let hello = encode_line(&session.hello()).map_err(|error| OpenError::Hello(error.into()))?;
    outgoing.send_data(hello.into()).await.map_err(|error| OpenError::Hello(error.into()))?;
    let request = Request::post(format!("https://{OPERATOR_NAME}{CHANNEL_PATH}"))
        .header(header::AUTHORIZATION, bearer)
        .header(header::CONTENT_TYPE, "application/x-ndjson")
        .body(body)
        .map_err(|error| OpenError::Hello(error.into()))?;
    let failed = |source| OpenError::Ask { address, source };
    let handshake = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .handshake(TokioIo::new(stream))
        .await;
    let (mut sender, http) = handshake.map_err(failed)?;
    let mut connection = JoinSet::new();
    connection.spawn(async move {
        // Whoever waits for lines hears of the same failure there.
        if let Err(error) = http.await {
            tracing::debug!(%address, %error, "the connection to the operator ended");
        }
    });
    let response = sender.send_request(request).await.map_err(failed)?;
    if response.status() != StatusCode::OK {
        return Err(OpenError::Refused { address, status: response.status() });
    }
    let incoming = response.into_body().map_err(Into::into).boxed_unsync();
    Ok(Opened { outgoing, incoming, reopen_after: Duration::ZERO, connection })
}
