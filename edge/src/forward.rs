//! A request that an origin should answer into the head of its answer and a body that streams, or why there is none.
//!
//! Flow: addresses ([`resolve`]) → a connection, kept or new ([`pool`], [`connect`]) → the exchange → [`body`].
//! Guarantees: a request is sent again only if nothing of it was sent, or if it is safe and has no body. A connection on which
//! anything was out of order is never used again. A body that is shorter than announced ends in an error, never as if complete.
//! Assumptions: the caller has written the head; this adds nothing to it but framing.
//! Errors: [`ForwardError`], with the status and the word that a viewer gets.

mod addresses;
mod attempt;
pub mod body;
pub mod connect;
mod error;
pub mod expectation;
pub mod heads;
pub mod pool;
pub mod resolve;

use std::net::SocketAddr;
use std::sync::Arc;

use edge_contract::Origin;
use http::{Request, Response};

use crate::clock::Clock;
use crate::interim::Interim;
use addresses::Addresses;
use attempt::{Again, Attempt};
use body::{OriginBody, RequestBody};
use connect::Connector;
pub use error::ForwardError;
use pool::Pool;
use resolve::Resolver;

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
