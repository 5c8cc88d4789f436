//! What is known of where an origin is into the address that is asked next.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use edge_contract::{Origin, OriginTarget};

use super::resolve::ResolveError;
use super::{ForwardError, Forwarder};

/// The addresses of an origin: those listed, then those that DNS knows, over and over.
pub(super) struct Addresses<'a> {
    pub(super) forwarder: &'a Forwarder,
    pub(super) origin: &'a Origin,
    pub(super) target: &'a OriginTarget,
    /// Whose turn it is stands first, who was tried last.
    pub(super) turns: VecDeque<SocketAddr>,
    pub(super) untried: usize,
    pub(super) resolved: bool,
}

impl Addresses<'_> {
    /// The last attempt of several is kept for DNS: a list of endpoints that is out of date must not make an origin unreachable.
    /// Nor must DNS that does not answer: then those that are listed have another turn.
    pub(super) async fn next(&mut self, number: u32) -> Result<SocketAddr, ForwardError> {
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
