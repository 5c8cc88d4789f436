//! Connections on the channel's port into attached streams.
//!
//! Flow: TCP → TLS → HTTP/2 → token → hello → [`Edges`]; lines each way over one request and its response.
//! Guarantees: nothing of a request's body is read before its token was reviewed; a stream ends with its token, after
//! `SILENCE_LIMIT_MS` without a line, or when its seat is closed, and its connection goes with it.
//! Assumptions: `tls` offers HTTP/2 only.
//! Errors: go to the caller as a status and to the log; a connection that fails is dropped.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use edge_contract::{CHANNEL_PATH, FromOperator, encode_line};
use futures::stream;
use http::{Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::hear::{BodyLines, listen, read_hello};
use super::identity::{Identity, Refusal, Reviewer};
use super::stream::{Attached, Seat};
use super::{Edges, NotLeader};
use crate::causes::chain;
use crate::clock;

/// How long a caller has from its connection to its hello, beside the review of its token.
const HELLO_LIMIT: Duration = Duration::from_secs(15);
/// How long the last bytes of a stream may take.
const LINGER: Duration = Duration::from_secs(1);
/// How many callers may be on their way to a hello at once; more are turned away at the door.
const CALLERS: usize = 1_024;
/// The least time a stream lasts, whatever its token says: two machines' clocks may differ.
const SHORTEST: Duration = Duration::from_mins(1);
/// A token is about 1 KiB.
const HEADER_LIMIT: u32 = 16 * 1024;

type LineBody = UnsyncBoxBody<Bytes, Infallible>;

/// The server's end of the channel; clones are the same.
#[derive(Clone)]
pub struct Channel {
    edges: Edges,
    reviewer: Reviewer,
    tls: TlsAcceptor,
    callers: Arc<Semaphore>,
}

/// How far a connection has come.
struct Progress {
    /// Given back at the hello.
    permit: Mutex<Option<OwnedSemaphorePermit>>,
    greeted: CancellationToken,
    ended: CancellationToken,
}

/// Serves the channel until `stop`; then every stream ends with its connection.
pub async fn serve(listener: TcpListener, channel: Channel, stop: CancellationToken) {
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((tcp, _)) => {
                // Lines are small and each one matters at once.
                let _ = tcp.set_nodelay(true);
                let (channel, stop) = (channel.clone(), stop.clone());
                tokio::spawn(async move { stop.run_until_cancelled(channel.serve_connection(tcp)).await });
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

impl Channel {
    /// The channel of these edges.
    pub fn new(edges: Edges, reviewer: Reviewer, tls: Arc<rustls::ServerConfig>) -> Self {
        Self { edges, reviewer, tls: tls.into(), callers: Arc::new(Semaphore::new(CALLERS)) }
    }

    /// One connection, which carries one stream.
    pub async fn serve_connection<Io>(&self, io: Io)
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Ok(permit) = Arc::clone(&self.callers).try_acquire_owned() else { return };
        let io = match timeout(HELLO_LIMIT, self.tls.accept(io)).await {
            Ok(Ok(io)) => TokioIo::new(io),
            Ok(Err(error)) => return tracing::info!(%error, "a caller did not finish TLS"),
            Err(_) => return,
        };
        let progress = Arc::new(Progress {
            permit: Mutex::new(Some(permit)),
            greeted: CancellationToken::new(),
            ended: CancellationToken::new(),
        });
        let service = service_fn(|request| self.clone().answer(request, Arc::clone(&progress)));
        let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new()).max_concurrent_streams(1).max_header_list_size(HEADER_LIMIT);
        let connection = http.serve_connection(io, service);
        tokio::pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => return,
            () = progress.over() => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = timeout(LINGER, connection).await;
    }

    async fn answer(
        self,
        request: Request<hyper::body::Incoming>,
        progress: Arc<Progress>,
    ) -> Result<Response<LineBody>, Infallible> {
        let answer = self.admit(request, &progress).await;
        if answer.is_err() {
            progress.ended.cancel();
        }
        Ok(answer.unwrap_or_else(|refused| refused))
    }

    async fn admit(
        &self,
        request: Request<hyper::body::Incoming>,
        progress: &Progress,
    ) -> Result<Response<LineBody>, Response<LineBody>> {
        if request.uri().path() != CHANNEL_PATH {
            return Err(refuse(StatusCode::NOT_FOUND));
        }
        if request.method() != Method::POST {
            return Err(refuse(StatusCode::METHOD_NOT_ALLOWED));
        }
        // Which replica leads is no secret, and asking the API for each misdirected call would cost it most when it is
        // slow already.
        if !self.edges.is_leading() {
            return Err(redirect(self.edges.not_leader()));
        }
        let identity = self.identify(&request).await.map_err(|refusal| refuse_caller(&refusal))?;
        let mut body = BodyLines::new(request.into_body());
        let hello = read_hello(&mut body).await.map_err(|error| {
            tracing::warn!(pod = identity.pod, error = chain(&error), "no hello");
            refuse(StatusCode::BAD_REQUEST)
        })?;
        identity.admit(&hello).map_err(|refusal| refuse_caller(&refusal))?;
        let expires = clock::monotonic() + life(&identity);
        let attached = self.edges.attach(identity.distribution, &hello).map_err(redirect)?;
        tracing::info!(distribution = %attached.seat.distribution, pod = hello.pod, boot = hello.boot_id, "edge attached");
        progress.greet(&attached.seat);
        tokio::spawn(listen(body, attached.seat.clone(), expires));
        Ok(Response::new(lines_of(attached)))
    }

    async fn identify<B>(&self, request: &Request<B>) -> Result<Identity, Refusal> {
        let value = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| value.strip_prefix("Bearer ")).ok_or(Refusal::Token)?;
        self.reviewer.review(token).await
    }
}

impl Progress {
    /// The caller has said hello: it no longer counts as one on its way.
    fn greet(&self, seat: &Seat) {
        drop(self.permit.lock().take());
        self.greeted.cancel();
        let (closed, ended) = (seat.closed.clone(), self.ended.clone());
        tokio::spawn(async move {
            closed.cancelled().await;
            ended.cancel();
        });
    }

    /// Until the connection has nothing left to do.
    async fn over(&self) {
        tokio::select! {
            () = self.greeted.cancelled() => self.ended.cancelled().await,
            () = self.ended.cancelled() => {}
            () = sleep(HELLO_LIMIT) => {}
        }
    }
}

/// How long a stream may last: as long as the token that opened it.
fn life(identity: &Identity) -> Duration {
    let left = identity.expires.map(|expires| expires.duration_since(clock::wall()));
    let left = left.map(|left| Duration::try_from(left).unwrap_or_default());
    // A token without an end is not one that a kubelet projects; a day is its longest usual life.
    left.unwrap_or(Duration::from_hours(24)).max(SHORTEST)
}

/// The lines of a stream as a response's body: made when HTTP/2 has room for them, so that a slow edge gets the newest.
fn lines_of(attached: Attached) -> LineBody {
    let lines = stream::unfold(attached, |mut attached| async move {
        let line = attached.next_line().await?;
        Some((Ok(Frame::data(line)), attached))
    });
    StreamBody::new(lines).boxed_unsync()
}

fn refuse(status: StatusCode) -> Response<LineBody> {
    let mut response = Response::new(Full::default().boxed_unsync());
    *response.status_mut() = status;
    response
}

fn refuse_caller(refusal: &Refusal) -> Response<LineBody> {
    tracing::warn!(error = chain(refusal), "a caller was refused");
    refuse(match refusal {
        Refusal::Token => StatusCode::UNAUTHORIZED,
        Refusal::NoPod | Refusal::NotAnEdge { .. } | Refusal::OtherPod => StatusCode::FORBIDDEN,
        Refusal::Review(_) | Refusal::Slow => StatusCode::SERVICE_UNAVAILABLE,
    })
}

fn redirect(NotLeader { address }: NotLeader) -> Response<LineBody> {
    let line = encode_line(&FromOperator::NotLeader { address }).unwrap_or_default();
    Response::new(Full::from(line).boxed_unsync())
}
