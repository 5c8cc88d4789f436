//! A connection of HTTP/1.1 to an origin into one exchange at a time (RFC 9112).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;

use super::body::{Content, RequestBody};
use super::connect::Destination;
use super::error::{ExchangeError, ForwardError};
use super::heads::{Awaiting, Heads};
use super::pool::{Keeping, Pool};
use super::sender::{Failed, Said};

/// The largest response head, and the most of a body that is read at once.
pub const READ_BUFFER: usize = 64 * 1024;

/// How long a connection may take to be ready again after a response; longer means that its request never ended.
pub const READY_WITHIN: Duration = Duration::from_secs(1);

/// Sends requests over one connection, which ends with this: an origin that is given up holds nothing of a viewer's any longer.
#[derive(Debug)]
pub struct Connection {
    requests: http1::SendRequest<RequestBody>,
    /// Response heads are followed: this says that one is to come.
    awaiting: Awaiting,
    running: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// Begins to speak.
pub async fn open<S>(stream: S, address: SocketAddr) -> hyper::Result<Connection>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let awaiting = Awaiting::default();
    let stream = TokioIo::new(Heads::of(stream, awaiting.clone()));
    let (requests, connection) = http1::Builder::new().max_buf_size(READ_BUFFER).handshake(stream).await?;
    let running = tokio::spawn(async move {
        // Whoever waits for a response or a body hears of the same failure there.
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%address, %error, "connection to an origin ended");
        }
    });
    Ok(Connection { requests, awaiting, running })
}

impl Connection {
    /// Sends a request and waits for the head of its answer.
    pub async fn send(&mut self, mut request: Request<RequestBody>, said: Said) -> Result<Response<Content>, Failed> {
        hyper::ext::on_informational(&mut request, move |head| said.interim(head.status(), head.headers()));
        self.awaiting.head();
        match self.requests.try_send_request(request).await {
            Ok(answer) => Ok(answer.map(Content::Http1)),
            Err(mut refused) => {
                let unsent = refused.take_message();
                let error = refused.into_error();
                if error.is_user() || error.is_body_write_aborted() {
                    return Err(ForwardError::of_request_body(error).into());
                }
                let error = if self.awaiting.met_alert() { ExchangeError::Tls } else { ExchangeError::Http1(error) };
                Err(Failed { error: ForwardError::Exchange(error), unsent })
            }
        }
    }

    /// Whether the next request can be sent now.
    pub fn is_ready(&self) -> bool {
        self.requests.is_ready()
    }

    /// Whether it never can.
    pub fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }

    /// Leaves it to the next request, once it is ready for that.
    pub fn give_back(mut self, destination: Destination, pool: Arc<Pool>, keeping: Keeping) {
        if self.is_ready() {
            return pool.put(destination, self, keeping.until());
        }
        tokio::spawn(async move {
            if let Ok(Ok(())) = tokio::time::timeout(READY_WITHIN, self.requests.ready()).await {
                pool.put(destination, self, keeping.until());
            }
        });
    }
}
