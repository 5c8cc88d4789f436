//! An address into a connection that takes one request at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::body::RequestBody;
use super::heads::{Awaiting, Heads};
use super::tls::Secured;

/// Sends requests over one connection.
#[derive(Debug)]
pub struct Sender {
    requests: http1::SendRequest<RequestBody>,
    awaiting: Awaiting,
}

impl Sender {
    /// Sends a request; the error has it back if nothing of it was sent.
    pub async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        self.awaiting.head();
        self.requests.try_send_request(request).await
    }

    /// Waits until the next request can be sent, or never can.
    pub async fn ready(&mut self) -> hyper::Result<()> {
        self.requests.ready().await
    }

    /// Whether it can be sent now.
    pub fn is_ready(&self) -> bool {
        self.requests.is_ready()
    }

    /// Whether it never can.
    pub fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }
}

/// The largest response head, and the most of a body that is read at once.
const READ_BUFFER: usize = 64 * 1024;

/// Where a connection leads, and as whom the other side must prove itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// The address dialled.
    pub address: SocketAddr,
    /// Who has to answer, and how that is proved; plain TCP without.
    pub secured: Option<Secured>,
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// Nobody was dialled.
    #[error("there is no address to connect to")]
    Nowhere,
    /// No connection within the time for one.
    #[error("connecting to {address} took longer than {after:?}")]
    TimedOut {
        /// The address dialled.
        address: SocketAddr,
        /// The time for one attempt.
        after: Duration,
    },
    /// It was refused, reset or unreachable.
    #[error("connecting to {address}")]
    Refused {
        /// The address dialled.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The certificate is for another name, out of date, or vouched for by nobody who is trusted.
    #[error("the certificate of {address}")]
    Certificate {
        /// The address dialled.
        address: SocketAddr,
        /// What is wrong with it.
        #[source]
        source: std::io::Error,
    },
    /// TLS did not come about.
    #[error("TLS with {address}")]
    Tls {
        /// The address dialled.
        address: SocketAddr,
        /// What TLS said.
        #[source]
        source: std::io::Error,
    },
    /// The connection closed before it could be used.
    #[error("handshake with {address}")]
    Handshake {
        /// The address dialled.
        address: SocketAddr,
        /// What HTTP said.
        #[source]
        source: hyper::Error,
    },
}

/// A connection that is ready for its first request, over one that was dialled.
pub async fn over(stream: TcpStream, to: &Destination) -> Result<Sender, ConnectError> {
    let address = to.address;
    // A request is written whole; waiting to fill a packet only delays it. Failing to say so costs nothing else.
    let _ = stream.set_nodelay(true);
    let Some(Secured { name, config }) = &to.secured else { return handshake(stream, address).await };
    let tls = TlsConnector::from(Arc::clone(config));
    let stream = tls.connect(name.clone(), stream).await.map_err(|source| unverified(address, source))?;
    handshake(stream, address).await
}

/// TLS tells its own errors inside of those of its stream.
fn unverified(address: SocketAddr, source: std::io::Error) -> ConnectError {
    match source.get_ref().and_then(|error| error.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(_)) => ConnectError::Certificate { address, source },
        _ => ConnectError::Tls { address, source },
    }
}

async fn handshake<S>(stream: S, address: SocketAddr) -> Result<Sender, ConnectError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let awaiting = Awaiting::default();
    let stream = TokioIo::new(Heads::of(stream, awaiting.clone()));
    let handshake = http1::Builder::new().max_buf_size(READ_BUFFER).handshake(stream).await;
    let (requests, connection) = handshake.map_err(|source| ConnectError::Handshake { address, source })?;
    tokio::spawn(async move {
        // Whoever waits for a response or a body hears of the same failure there.
        if let Err(error) = connection.await {
            tracing::debug!(%address, %error, "connection to an origin ended");
        }
    });
    Ok(Sender { requests, awaiting })
}
