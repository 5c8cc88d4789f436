//! A request that an origin should answer into the head of its answer and a body that streams, or why there is none.
//!
//! Flow: addresses ([`resolve`]) → a connection, kept or new ([`pool`], [`connect`]) → the exchange → [`body`].
//! Guarantees: a request is sent again only if nothing of it was sent, or if it is safe and has no body. A connection on which
//! anything was out of order is never used again. A body that is shorter than announced ends in an error, never as if complete.
//! Assumptions: the caller has written the head; this adds nothing to it but framing.
//! Errors: [`ForwardError`], with the status and the word that a viewer gets.

pub mod body;
pub mod connect;
pub mod expectation;
pub mod heads;
pub mod pool;
pub mod resolve;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use edge_cache::answer::{self, Distrust};
use edge_contract::{Origin, OriginTarget};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version, header};
use rustls::pki_types::ServerName;
use thiserror::Error;

use crate::clock::Clock;
use crate::interim::Interim;
use body::{BodyError, Lease, OriginBody, RequestBody};
use connect::{ConnectError, Connector, Destination, Sender};
use pool::Pool;
use resolve::{ResolveError, Resolver};

/// Why an origin gave no answer.
#[derive(Debug, Error)]
pub enum ForwardError {
    /// What the origin names does not exist yet.
    #[error("the origin does not exist")]
    NoTarget,
    /// It has no address.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// None of its addresses took a connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No response head came in time.
    #[error("no response head within {0:?}")]
    HeadTimedOut(Duration),
    /// The connection failed, or what came is not HTTP.
    #[error("the exchange with the origin failed")]
    Exchange(#[source] hyper::Error),
    /// Its head has two opinions on where the body ends, or none that is understood.
    #[error(transparent)]
    Distrust(#[from] Distrust),
    /// It answered 304 to a request without a condition: there is nothing that this could mean.
    #[error("304 to a request without a condition")]
    UnaskedNotModified,
    /// It answered 206 to a request without a range (RFC 9110 §15.3.7): whoever asked for all of it would take a part for that.
    #[error("206 to a request without a range")]
    UnaskedPartial,
    /// The target is nothing that can be asked for.
    #[error("the target is not legal")]
    Target,
    /// The viewer's own body broke off, so the origin could not be asked.
    #[error("the request's body broke off")]
    RequestBody(#[source] hyper::Error),
    /// Nothing more of it came for too long.
    #[error("the request's body stood still")]
    RequestBodyTimedOut(#[source] hyper::Error),
}

impl ForwardError {
    /// The status for a viewer when nothing stands in.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoTarget => StatusCode::SERVICE_UNAVAILABLE,
            Self::HeadTimedOut(_) | Self::Connect(ConnectError::TimedOut { .. }) => StatusCode::GATEWAY_TIMEOUT,
            Self::RequestBody(_) | Self::Target => StatusCode::BAD_REQUEST,
            Self::RequestBodyTimedOut(_) => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        }
    }

    /// The word for `Cache-Status` and logs.
    pub fn detail(&self) -> &'static str {
        match self {
            Self::NoTarget => "origin-missing",
            Self::Resolve(_) => "origin-unresolved",
            Self::Connect(ConnectError::TimedOut { .. }) => "origin-connect-timeout",
            Self::Connect(ConnectError::Certificate { .. }) => "origin-certificate",
            Self::Connect(ConnectError::Tls { .. } | ConnectError::Roots(_)) => "origin-tls",
            Self::Connect(_) => "origin-connect",
            Self::HeadTimedOut(_) => "origin-timeout",
            Self::Exchange(error) if error.is_parse() => "origin-not-http",
            Self::Exchange(_) => "origin-reset",
            Self::Distrust(_) => "origin-framing",
            Self::UnaskedNotModified => "origin-304-unasked",
            Self::UnaskedPartial => "origin-206-unasked",
            Self::Target => "target",
            Self::RequestBody(_) => "request-body",
            Self::RequestBodyTimedOut(_) => "request-body-timeout",
        }
    }

    /// Whether it is the viewer who did not send what it was to send.
    pub fn is_the_viewers(&self) -> bool {
        matches!(self, Self::RequestBody(_) | Self::RequestBodyTimedOut(_))
    }

    /// Why the viewer's body did not reach its end.
    fn of_request_body(error: hyper::Error) -> Self {
        let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref());
        if matches!(source, Some(BodyError::Stalled(_))) {
            return Self::RequestBodyTimedOut(error);
        }
        Self::RequestBody(error)
    }

    /// Whether somebody was there. What went wrong then says more than that another of the addresses leads nowhere, as those of
    /// IPv6 often do.
    fn met_someone(&self) -> bool {
        match self {
            Self::Connect(error) => matches!(error, ConnectError::Certificate { .. } | ConnectError::Tls { .. }),
            Self::NoTarget | Self::Resolve(_) | Self::Target => false,
            _ => true,
        }
    }
}

/// Asks origins.
pub struct Forwarder {
    clock: Clock,
    pool: Arc<Pool>,
    connector: Connector,
    resolver: Resolver,
}

/// What is asked of whom.
pub struct Asking<'a> {
    /// The origin and its time-outs.
    pub origin: &'a Origin,
    /// Where its pods are, when an operator says so.
    pub endpoints: &'a [SocketAddr],
    /// The request, its head complete.
    pub request: Request<RequestBody>,
    /// Where interim responses go.
    pub interim: &'a Interim,
}

impl Forwarder {
    /// One for the whole edge: its connections are for every site.
    pub fn new(clock: Clock) -> Self {
        Self { clock, pool: Arc::default(), connector: Connector::default(), resolver: Resolver::default() }
    }

    /// The connections that wait for requests.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Asks, at as many addresses as the origin's `attempts` allow.
    pub async fn forward(&self, asking: Asking<'_>) -> Result<Response<OriginBody>, ForwardError> {
        let Asking { origin, endpoints, request, interim } = asking;
        let target = origin.target.as_ref().ok_or(ForwardError::NoTarget)?;
        let verified_name = resolve::verified_name(target, &origin.tls)?;
        let listed = self.resolver.order(endpoints, self.clock.now().monotonic);
        let untried = listed.len();
        let mut addresses =
            Addresses { forwarder: self, origin, target, turns: listed.into(), untried, resolved: false };
        let again = Again::of(&request);
        let mut attempt = Attempt { forwarder: self, origin, verified_name, interim, again, request: Some(request) };
        let mut failure = ForwardError::NoTarget;
        for number in 1..=origin.attempts {
            let address = addresses.next(number).await?;
            match attempt.at(address).await {
                Ok(response) => return Ok(response),
                Err(error) => {
                    tracing::debug!(origin = %origin.name, %address, %error, number, "an origin's address failed");
                    if error.met_someone() || !failure.met_someone() {
                        failure = error;
                    }
                }
            }
            if attempt.request.is_none() {
                break;
            }
        }
        Err(failure)
    }
}

/// The addresses of an origin: those listed, then those that DNS knows, over and over.
struct Addresses<'a> {
    forwarder: &'a Forwarder,
    origin: &'a Origin,
    target: &'a OriginTarget,
    /// Whose turn it is stands first, who was tried last.
    turns: VecDeque<SocketAddr>,
    untried: usize,
    resolved: bool,
}

impl Addresses<'_> {
    /// The last attempt of several is kept for DNS: a list of endpoints that is out of date must not make an origin unreachable.
    /// Nor must DNS that does not answer: then those that are listed have another turn.
    async fn next(&mut self, number: u32) -> Result<SocketAddr, ForwardError> {
        let last_chance = number > 1 && number == self.origin.attempts;
        if !self.resolved && (self.untried == 0 || last_chance) {
            self.resolved = true;
            match self.resolve().await {
                Ok(found) => self.turns = found.into(),
                Err(error) if self.turns.is_empty() => return Err(error.into()),
                Err(error) => tracing::debug!(origin = %self.origin.name, %error, "only listed endpoints are left"),
            }
        }
        let next = self.turns.pop_front().ok_or(ForwardError::NoTarget)?;
        self.turns.push_back(next);
        self.untried = self.untried.saturating_sub(1);
        Ok(next)
    }

    async fn resolve(&self) -> Result<Vec<SocketAddr>, ResolveError> {
        let (host, port) = (self.target.host(), self.target.port());
        let resolver = &self.forwarder.resolver;
        let found = resolver.look_up(host, port, Duration::from_millis(self.origin.connect_timeout_ms)).await?;
        Ok(resolver.order(&found, self.forwarder.clock.now().monotonic))
    }
}

/// What may be sent again though some of it was sent: the head of a safe request without a body.
struct Again {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Again {
    /// RFC 9110 §9.2.1: only what asks for no change.
    fn of(request: &Request<RequestBody>) -> Option<Self> {
        let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        (safe && matches!(request.body(), RequestBody::Empty)).then(|| Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
        })
    }

    fn request(&self) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::Empty);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        *request.version_mut() = Version::HTTP_11;
        request
    }
}

/// One request on its way from address to address.
struct Attempt<'a> {
    forwarder: &'a Forwarder,
    origin: &'a Origin,
    verified_name: Option<ServerName<'static>>,
    interim: &'a Interim,
    again: Option<Again>,
    /// What is still to be sent; nothing once sending it again could do harm.
    request: Option<Request<RequestBody>>,
}

impl Attempt<'_> {
    /// A connection that was kept may have died meanwhile; that says nothing of the address, so a new one follows at once.
    async fn at(&mut self, address: SocketAddr) -> Result<Response<OriginBody>, ForwardError> {
        let Forwarder { clock, pool, connector, resolver } = self.forwarder;
        let to = resolve::destination(address, self.verified_name.as_ref());
        if let Some(kept) = pool.take(&to, clock.now().monotonic) {
            match self.exchange(kept, to.clone()).await {
                Err(_) if self.request.is_some() => {}
                answer => return answer,
            }
        }
        let limit = Duration::from_millis(self.origin.connect_timeout_ms);
        let connected = connector.connect(&to, limit).await.inspect_err(|_| {
            resolver.avoid(address, clock.now().monotonic);
        })?;
        resolver.trust(address);
        self.exchange(connected, to).await
    }

    async fn exchange(&mut self, mut sender: Sender, to: Destination) -> Result<Response<OriginBody>, ForwardError> {
        let Some(mut request) = self.request.take() else { return Err(ForwardError::NoTarget) };
        let conditional =
            [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE].iter().any(|name| request.headers().contains_key(name));
        let expectation = request.body().expectation().cloned();
        let (interim, asked) = (self.interim.clone(), expectation.clone());
        hyper::ext::on_informational(&mut request, move |head| match &asked {
            // The one that was asked for (RFC 9110 §15.2): the viewer hears of it when its body is read.
            Some(expectation) if head.status() == StatusCode::CONTINUE => expectation.go_on(),
            _ => interim.offer(head.status(), head.headers()),
        });
        let limit = Duration::from_millis(self.origin.response_timeout_ms);
        let progress = request.body().progress();
        let answer = match head_within(limit, progress, sender.send(request)).await {
            None => return Err(ForwardError::HeadTimedOut(limit)),
            Some(Ok(response)) => response,
            Some(Err(mut refused)) => {
                let unsent = refused.take_message();
                let error = refused.into_error();
                if error.is_user() || error.is_body_write_aborted() {
                    return Err(ForwardError::of_request_body(error));
                }
                let again = self.again.as_ref().filter(|_| !error.is_parse());
                self.request = unsent.or_else(|| again.map(Again::request));
                return Err(ForwardError::Exchange(error));
            }
        };
        if let Some(expectation) = &expectation {
            expectation.answered();
        }
        let (parts, incoming) = answer.into_parts();
        // Returning here drops the connection with what may still be on it.
        answer::examine(&parts)?;
        let lease = Lease {
            sender,
            destination: to,
            pool: Arc::clone(&self.forwarder.pool),
            keep_alive: Duration::from_millis(self.origin.keep_alive_ms),
            clock: self.forwarder.clock.clone(),
        };
        // Whoever answers a condition that was not put may be answering someone else.
        let lease = (conditional || parts.status != StatusCode::NOT_MODIFIED).then_some(lease);
        Ok(Response::from_parts(parts, OriginBody::new(incoming, limit, lease, expectation)))
    }
}

/// Waits for a head, anew for as long as the request's body is still on its way.
async fn head_within<F: Future>(limit: Duration, progress: Option<Arc<AtomicU64>>, head: F) -> Option<F::Output> {
    let taken = || progress.as_ref().map(|taken| taken.load(Ordering::Relaxed));
    let mut head = std::pin::pin!(head);
    loop {
        let before = taken();
        if let Ok(answer) = tokio::time::timeout(limit, head.as_mut()).await {
            return Some(answer);
        }
        if taken() == before {
            return None;
        }
    }
}
