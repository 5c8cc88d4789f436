//! An address into a connection, and what is spoken over it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use edge_contract::Scheme;
use http::uri::Scheme as Spelled;
use rustls::InvalidMessage;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::tls::{self, Fault, Secured};
use super::{http1, http2};

/// Where a connection leads, as whom the other side must prove itself, and what may be spoken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// The address dialled.
    pub address: SocketAddr,
    /// Who has to answer, and how that is proved; plain TCP without.
    pub secured: Option<Secured>,
    /// What may be spoken there.
    pub speaks: Speaks,
}

/// What may be spoken with an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Speaks {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, with prior knowledge (RFC 9113 §3.3).
    Http2,
    /// What TLS agrees on (RFC 7301): HTTP/2, or HTTP/1.1 with who prefers that or agrees on nothing.
    Either,
}

impl Speaks {
    /// What is spoken with whoever is said to speak `scheme`, to ask for something that may only `upgrade` HTTP/1.1 (RFC 9113 §8.6).
    pub fn of(scheme: Scheme, upgrade: bool) -> Self {
        match scheme {
            Scheme::H2c => Self::Http2,
            Scheme::Https if !upgrade => Self::Either,
            Scheme::Https | Scheme::Http => Self::Http1,
        }
    }
}

/// A connection that is ready for its first request.
#[derive(Debug)]
pub enum Opened {
    /// For one at a time.
    Http1(http1::Connection),
    /// For many.
    Http2(Arc<http2::Connection>),
}

/// What takes its time before a connection can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Until somebody takes it.
    Dial,
    /// Until both sides know what they speak: over plain TCP nobody has to ask.
    Handshake,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Dial { "connecting to" } else { "the handshake of TLS with" })
    }
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// Nobody was dialled.
    #[error("there is no address to connect to")]
    Nowhere,
    /// No connection within the time for one.
    #[error("{step} {address} took longer than {after:?}")]
    TimedOut {
        /// How far it has come.
        step: Step,
        /// The address dialled.
        address: SocketAddr,
        /// The time for one attempt.
        after: Duration,
    },
    /// Connections were opened meanwhile, one after the other, and others had them.
    #[error("waiting for a connection to {address} took longer than {after:?}")]
    Crowded {
        /// The address that takes connections.
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
    #[error("the certificate of {address} {fault}")]
    Certificate {
        /// The address dialled.
        address: SocketAddr,
        /// What is wrong with it.
        fault: Fault,
        /// The same in the words of TLS.
        #[source]
        source: std::io::Error,
    },
    /// It wants to know who asks, or does not believe it.
    #[error("{address} refuses who asks")]
    Unproven {
        /// The address dialled.
        address: SocketAddr,
        /// What TLS said.
        #[source]
        source: std::io::Error,
    },
    /// What came first is no TLS.
    #[error("{address} does not speak TLS")]
    NoTls {
        /// The address dialled.
        address: SocketAddr,
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
    /// It ended the connection as soon as it was open.
    #[error("{address} ended the connection at once")]
    Ended {
        /// The address dialled.
        address: SocketAddr,
    },
    /// The connection closed before it could be used.
    #[error("handshake with {address}")]
    Handshake {
        /// The address dialled.
        address: SocketAddr,
        /// What HTTP said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A connection that is ready for its first request, over one that was dialled.
pub async fn over(stream: TcpStream, to: &Destination) -> Result<Opened, ConnectError> {
    let address = to.address;
    // A request is written whole; waiting to fill a packet only delays it. Failing to say so costs nothing else.
    let _ = stream.set_nodelay(true);
    let Some(Secured { name, config }) = &to.secured else {
        let is_http2 = to.speaks == Speaks::Http2;
        return speak(stream, address, is_http2.then_some(Spelled::HTTP)).await;
    };
    let tls = TlsConnector::from(Arc::clone(config));
    let stream = tls.connect(name.clone(), stream).await.map_err(|source| unverified(address, source))?;
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(tls::HTTP2);
    speak(stream, address, is_http2.then_some(Spelled::HTTPS)).await
}

/// TLS tells its own errors inside of those of its stream.
fn unverified(address: SocketAddr, source: std::io::Error) -> ConnectError {
    match source.get_ref().and_then(|error| error.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(error)) => {
            ConnectError::Certificate { address, fault: Fault::of(error), source }
        }
        Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => ConnectError::NoTls { address },
        Some(rustls::Error::AlertReceived(alert)) if tls::is_about_who_asks(*alert) => {
            ConnectError::Unproven { address, source }
        }
        _ => ConnectError::Tls { address, source },
    }
}

/// Begins to speak HTTP/2 with this scheme, or HTTP/1.1.
async fn speak<S>(stream: S, address: SocketAddr, http2: Option<Spelled>) -> Result<Opened, ConnectError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let opened = match http2 {
        Some(scheme) => http2::open(stream, address, scheme).await.map(Opened::Http2).map_err(Into::into),
        None => http1::open(stream, address).await.map(Opened::Http1).map_err(Into::into),
    };
    opened.map_err(|source| ConnectError::Handshake { address, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_spoken_follows_from_the_scheme_and_from_what_only_http1_can_do() {
        for (scheme, upgrade, expect) in [
            (Scheme::Http, false, Speaks::Http1),
            (Scheme::Http, true, Speaks::Http1),
            (Scheme::Https, false, Speaks::Either),
            (Scheme::Https, true, Speaks::Http1),
            (Scheme::H2c, false, Speaks::Http2),
            (Scheme::H2c, true, Speaks::Http2),
        ] {
            assert_eq!(Speaks::of(scheme, upgrade), expect, "{scheme:?} {upgrade}");
        }
    }
}
