//! An origin's target into the addresses to try, in order.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use edge_contract::{OriginTarget, OriginTls, Scheme};
use hickory_resolver::TokioResolver;
use hickory_resolver::net::NetError;
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use thiserror::Error;

use super::connect::Destination;

/// For how long an address that did not let itself be connected to is tried last.
const AVOIDED_FOR: Duration = Duration::from_secs(5);
/// How many of those are remembered.
const AVOIDED_LIMIT: usize = 1_024;

/// Why a name has no addresses.
#[derive(Debug, Error)]
pub enum ResolveError {
    /// The system's resolver configuration cannot be read.
    #[error("reading the system's resolver configuration")]
    Configuration(#[source] NetError),
    /// DNS says that there is no such name, or does not answer.
    #[error("resolving {name}")]
    Lookup {
        /// The name asked for.
        name: String,
        /// What DNS said.
        #[source]
        source: NetError,
    },
    /// DNS did not answer within the time for an attempt.
    #[error("resolving {name} took longer than {after:?}")]
    TimedOut {
        /// The name asked for.
        name: String,
        /// The time for one attempt.
        after: Duration,
    },
    /// The name to verify is no name.
    #[error("{0} is not a name that a certificate can be for")]
    ServerName(String),
}

/// Looks names up, spreads requests over addresses, and remembers which did not answer.
#[derive(Default)]
pub struct Resolver {
    dns: OnceLock<TokioResolver>,
    turn: AtomicUsize,
    avoided: Mutex<HashMap<SocketAddr, Duration>>,
}

impl Resolver {
    /// Listed endpoints, beginning at another one each time, with those that failed a moment ago last.
    pub fn order(&self, endpoints: &[SocketAddr], now: Duration) -> Vec<SocketAddr> {
        let mut ordered = endpoints.to_vec();
        if ordered.is_empty() {
            return ordered;
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % ordered.len();
        ordered.rotate_left(turn);
        let avoided = self.avoided.lock();
        if !avoided.is_empty() {
            ordered.sort_by_key(|address| avoided.get(address).is_some_and(|until| *until > now));
        }
        ordered
    }

    /// An address did not let itself be connected to.
    pub fn avoid(&self, address: SocketAddr, now: Duration) {
        let mut avoided = self.avoided.lock();
        if avoided.len() >= AVOIDED_LIMIT {
            avoided.retain(|_, until| *until > now);
        }
        if avoided.len() < AVOIDED_LIMIT {
            avoided.insert(address, now + AVOIDED_FOR);
        }
    }

    /// An address answered.
    pub fn trust(&self, address: SocketAddr) {
        let mut avoided = self.avoided.lock();
        if !avoided.is_empty() {
            avoided.remove(&address);
        }
    }

    /// The addresses of a name, or the address that it is.
    pub async fn look_up(&self, host: &str, port: u16, limit: Duration) -> Result<Vec<SocketAddr>, ResolveError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        // With its last dot, a name is never tried with the search domains of the pod first.
        let name = format!("{}.", host.trim_end_matches('.'));
        let dns = self.dns()?;
        let found = tokio::time::timeout(limit, dns.lookup_ip(name.as_str())).await;
        let found = found.map_err(|_| ResolveError::TimedOut { name: name.clone(), after: limit })?;
        let found = found.map_err(|source| ResolveError::Lookup { name, source })?;
        Ok(found.iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    fn dns(&self) -> Result<&TokioResolver, ResolveError> {
        if let Some(made) = self.dns.get() {
            return Ok(made);
        }
        let made = TokioResolver::builder_tokio()
            .and_then(hickory_resolver::ResolverBuilder::build)
            .map_err(ResolveError::Configuration)?;
        Ok(self.dns.get_or_init(|| made))
    }
}

/// The name, if any, that whoever answers at an origin's addresses must prove.
pub fn verified_name(target: &OriginTarget, tls: &OriginTls) -> Result<Option<ServerName<'static>>, ResolveError> {
    if target.scheme() != Scheme::Https {
        return Ok(None);
    }
    let name = tls.server_name.as_deref().unwrap_or(target.host());
    ServerName::try_from(name.to_owned()).map(Some).map_err(|_| ResolveError::ServerName(name.to_owned()))
}

/// One destination.
pub fn destination(address: SocketAddr, verified_name: Option<&ServerName<'static>>) -> Destination {
    Destination { address, verified_name: verified_name.cloned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 80))
    }

    #[test]
    fn requests_are_spread_over_endpoints_and_those_that_failed_come_last_for_a_while() {
        let resolver = Resolver::default();
        let endpoints = [address(1), address(2), address(3)];
        let firsts: Vec<_> =
            (0..3).filter_map(|_| resolver.order(&endpoints, Duration::ZERO).first().copied()).collect();
        assert_eq!(firsts, endpoints);
        resolver.avoid(address(1), Duration::ZERO);
        assert_eq!(resolver.order(&endpoints, Duration::from_secs(1)), [address(2), address(3), address(1)]);
        assert_eq!(resolver.order(&endpoints, Duration::from_secs(9)), [address(2), address(3), address(1)]);
        assert_eq!(resolver.order(&endpoints, Duration::from_secs(1)).last(), Some(&address(1)));
        resolver.trust(address(1));
        assert_eq!(resolver.order(&endpoints, Duration::from_secs(1)).first(), Some(&address(1)));
    }

    #[tokio::test]
    async fn an_address_needs_no_dns() {
        let found = Resolver::default().look_up("::1", 8080, Duration::from_secs(1)).await.expect("is one");
        assert_eq!(found, ["[::1]:8080".parse().expect("an address")]);
    }
}
