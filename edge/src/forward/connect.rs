//! An address into a connection that takes one request at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use edge_contract::Protocol;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::heads::{Awaiting, Heads};
use super::sender::{Requests, Sender};
use super::tls::Secured;

/// The largest response head, and the most of a body that is read at once.
const READ_BUFFER: usize = 64 * 1024;
/// HTTP/2: bytes of a body that are on their way before its viewer takes them. There is one response at a time.
const WINDOW: u32 = 256 * 1024;

/// Where a connection leads, and as whom the other side must prove itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// The address dialled.
    pub address: SocketAddr,
    /// Who has to answer, and how that is proved; plain TCP without.
    pub secured: Option<Secured>,
    /// What is spoken there.
    pub protocol: Protocol,
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
    let Some(Secured { name, config }) = &to.secured else { return handshake(stream, to).await };
    let tls = TlsConnector::from(Arc::clone(config));
    let stream = tls.connect(name.clone(), stream).await.map_err(|source| unverified(address, source))?;
    handshake(stream, to).await
}

/// TLS tells its own errors inside of those of its stream.
fn unverified(address: SocketAddr, source: std::io::Error) -> ConnectError {
    match source.get_ref().and_then(|error| error.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(_)) => ConnectError::Certificate { address, source },
        _ => ConnectError::Tls { address, source },
    }
}

async fn handshake<S>(stream: S, to: &Destination) -> Result<Sender, ConnectError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let address = to.address;
    let failed = |source| ConnectError::Handshake { address, source };
    match to.protocol {
        Protocol::HTTP1 => {
            let awaiting = Awaiting::default();
            let stream = TokioIo::new(Heads::of(stream, awaiting.clone()));
            let handshake = http1::Builder::new().max_buf_size(READ_BUFFER).handshake(stream).await;
            let (requests, connection) = handshake.map_err(failed)?;
            Ok(Sender::over(drive(connection, address), Requests::Http1(requests, awaiting)))
        }
        Protocol::HTTP2 => {
            let handshake = http2::Builder::new(TokioExecutor::new())
                .max_header_list_size(u32::try_from(READ_BUFFER).unwrap_or(u32::MAX))
                .initial_stream_window_size(WINDOW)
                .initial_connection_window_size(WINDOW)
                .handshake(TokioIo::new(stream))
                .await;
            let (requests, connection) = handshake.map_err(failed)?;
            Ok(Sender::over(drive(connection, address), Requests::Http2(requests)))
        }
    }
}

/// Runs a connection to its end.
fn drive(connection: impl Future<Output = hyper::Result<()>> + Send + 'static, address: SocketAddr) -> JoinHandle<()> {
    tokio::spawn(async move {
        // Whoever waits for a response or a body hears of the same failure there.
        if let Err(error) = connection.await {
            tracing::debug!(%address, %error, "connection to an origin ended");
        }
    })
}
