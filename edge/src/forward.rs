//! A request that an origin should answer into the head of its answer and a body that streams, or why there is none.
//!
//! Flow: listed addresses, or those of a name ([`resolve`], [`names`], [`dns`]) → those that walls let through ([`guard`]) → in an order
//! ([`balance`]) → a connection, kept or new ([`pool`], [`eyeballs`], [`connect`], [`tls`]) → the exchange ([`sender`]: [`http1`],
//! [`http2`]) → [`body`].
//! Guarantees: a request is sent again only if nothing of it was sent, if the origin says that it has done nothing about it, or if it is
//! safe and has no body; and only as often as its origin can bear ([`retry_budget`]), not counting what it has not done, nor the kept
//! connection that turned out to be dead. However often it is asked, an origin has its time for a head once. A connection on which
//! anything was out of order is asked nothing more. A body that is shorter than announced ends in an error, never as if complete. What an
//! origin answers is passed on: nobody follows it where it redirects to.
//! Assumptions: the caller has written the head; this adds nothing to it but framing.
//! Errors: [`ForwardError`], with the status and the word that a viewer gets.

mod addresses;
mod advice;
mod attempt;
pub mod balance;
pub mod body;
pub mod connect;
pub mod counts;
pub mod dns;
pub mod edges;
mod error;
pub mod expectation;
pub mod eyeballs;
pub mod guard;
pub mod heads;
pub mod http1;
pub mod http2;
pub mod lent;
pub mod names;
pub mod pool;
pub mod resolve;
pub mod retry_budget;
pub mod sender;
pub mod tls;
mod way;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use edge_contract::Site;
use http::{Request, Response, header};

use crate::clock::Clock;
use crate::health::Tries;
use crate::interim::Interim;
use crate::mounts::Mounts;
use addresses::Addresses;
use attempt::{Again, Attempt};
use balance::Balance;
use body::{OriginBody, RequestBody};
use counts::Counts;
pub use error::{ExchangeError, ForwardError};
use guard::{Allowed, Guard, Wall};
use pool::Pool;
use resolve::Resolver;
use retry_budget::RetryBudgets;
use tls::Tls;
pub use way::Known;
use way::Way;

/// Asks origins.
pub struct Forwarder {
    clock: Clock,
    counts: Arc<Counts>,
    guard: Guard,
    resolver: Resolver,
    balance: Arc<Balance>,
    budgets: RetryBudgets,
    pool: Arc<Pool>,
    tls: Tls,
}

/// What is asked of whom.
pub struct Asking<'a> {
    /// The origin, its time-outs, and how often it may be tried.
    pub tries: Tries<'a>,
    /// Where its pods are, when an operator says so.
    pub endpoints: Option<&'a [SocketAddr]>,
    /// What is mounted for it.
    pub mounts: &'a Mounts,
    /// The request, its head complete.
    pub request: Request<RequestBody>,
    /// Where interim responses go.
    pub interim: &'a Interim,
}

impl Forwarder {
    /// One for the whole edge: its connections are for every site whose walls let it through. Names are looked up at this DNS server, or
    /// at those of the system.
    pub fn new(clock: Clock, dns: Option<SocketAddr>) -> Self {
        let counts = Arc::new(Counts::default());
        Self {
            guard: Guard::new(Arc::clone(&counts)),
            resolver: Resolver::new(clock.clone(), Arc::clone(&counts), dns),
            balance: Arc::default(),
            budgets: RetryBudgets::default(),
            pool: Arc::default(),
            tls: Tls::default(),
            counts,
            clock,
        }
    }

    /// The connections that wait for requests.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// What is counted.
    pub fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// Tries what the origins of a site are asked with over TLS, so that what is wrong is known before anyone asks.
    pub fn rehearse(&self, site: &Site, mounts: &Mounts) {
        self.tls.rehearse(site, mounts);
    }

    /// Lets go of what waits in vain.
    pub fn prune(&self) {
        let now = self.clock.now().monotonic;
        self.pool.prune(now);
        self.budgets.prune(now);
    }

    /// Asks, at as many addresses as its tries allow.
    pub async fn forward(&self, asking: Asking<'_>) -> Result<Response<OriginBody>, ForwardError> {
        let Asking { tries, endpoints, mounts, request, interim } = asking;
        let (site, origin) = (&tries.site.site, tries.origin);
        let upgrades = request.headers().contains_key(header::UPGRADE);
        let Way { target, listed, speaks } = Known { origin: &origin.origin, endpoints, upgrades }.way()?;
        let secured = self.tls.secure(target, &origin.tls, speaks, mounts)?;
        self.budgets.request(&site.id, &origin.name, self.clock.now().monotonic);
        let wall = Wall { walls: &site.walls, target };
        let mut addresses = Addresses::new(self, origin, wall, listed);
        let again = Again::of(&request);
        let (left, request) = (Duration::from_millis(origin.response_timeout_ms), Some(request));
        let mut attempt = Attempt { forwarder: self, origin, secured, speaks, interim, again, left, request };
        let (mut failure, mut number) = (None, 1);
        while number <= tries.limit && attempt.request.is_some() {
            let begun = tries.now();
            let next = addresses.next(number, failure.as_ref()).await;
            let next = next.inspect_err(|error| tries.failed(error, begun))?;
            if let Some(failure) = &failure
                && !self.may_retry(failure, &next, (&site.id, &origin.name))
            {
                break;
            }
            let (tried, answer) = attempt.at(&next).await;
            let error = match answer {
                Ok(response) => {
                    tries.answered(begun);
                    return Ok(response);
                }
                Err(error) => error,
            };
            tries.failed(&error, begun);
            tracing::debug!(origin = %origin.name, ?tried, %error, number, "an origin's address failed");
            if error.met_someone() || !failure.as_ref().is_some_and(ForwardError::met_someone) {
                failure = Some(error);
            }
            number = number.saturating_add(u32::try_from(tried.len().max(1)).unwrap_or(u32::MAX));
            addresses.tried(&tried);
        }
        Err(failure.unwrap_or(ForwardError::NoTarget))
    }

    /// Whether a request may go to yet another address. Where nobody was at the last, and the next is as good as any, it is as if that had
    /// been the first. What the origin says that it has not done, it has not borne. Else the origin bears it, or would, if it were there.
    fn may_retry(&self, failure: &ForwardError, next: &[Allowed], (site, origin): (&str, &str)) -> bool {
        let now = self.clock.now().monotonic;
        let is_doubtful = next.first().is_none_or(|next| self.balance.avoids(next.address(), now));
        if failure.is_undone() || (!failure.met_someone() && !is_doubtful) {
            return true;
        }
        let allowed = self.budgets.retry(site, origin, now);
        if allowed {
            self.counts.retries.one();
        } else {
            self.counts.retries_refused.one();
        }
        allowed
    }
}
