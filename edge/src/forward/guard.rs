//! An address into leave to ask an origin there, or into the reason why nobody may.
//!
//! Guarantees: nothing but this makes an [`Allowed`], and only what is allowed is dialled or asked over a kept connection. The
//! walls are those of the site that asks, at the moment when it asks: what a name meant before, and what another site may do, are no
//! matter (DNS rebinding).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use edge_contract::{OriginTarget, Walls};
use parking_lot::Mutex;

use super::counts::Counts;
use crate::peers::Peer;
use crate::seldom::Seldom;

/// An address that the walls of the site that asks let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed(SocketAddr);

impl Allowed {
    /// That of another edge: the operator has listed it, and whoever is there has to prove that it is that edge. It is no origin.
    pub(super) fn of_edge(peer: &Peer) -> Self {
        Self(peer.address)
    }

    /// The address.
    pub fn address(self) -> SocketAddr {
        self.0
    }
}

/// What no origin of a site may be, and for which of its origins that is asked.
#[derive(Clone, Copy, Debug)]
pub struct Wall<'a> {
    /// The site's walls.
    pub walls: &'a Walls,
    /// The origin's target: only a Service may be in the cluster's own networks.
    pub target: &'a OriginTarget,
}

impl Wall<'_> {
    /// The verdict on one address.
    pub fn judge(self, address: SocketAddr) -> Result<Allowed, &'static str> {
        let refused = match self.target {
            OriginTarget::Service { .. } => self.walls.forbid(address),
            OriginTarget::Address { .. } | OriginTarget::Addresses { .. } => self.walls.forbid_outside(address),
        };
        refused.map_or(Ok(Allowed(address)), Err)
    }
}

/// Asks walls, and counts what they refuse.
#[derive(Debug)]
pub struct Guard {
    counts: Arc<Counts>,
    refusals: Mutex<Seldom>,
}

impl Guard {
    /// Counts there.
    pub fn new(counts: Arc<Counts>) -> Self {
        Self { counts, refusals: Mutex::default() }
    }

    /// Those that may be asked, in their order; or why none of them may.
    pub fn admit(
        &self,
        addresses: &[SocketAddr],
        wall: Wall<'_>,
        origin: &str,
        now: Duration,
    ) -> Result<Vec<Allowed>, &'static str> {
        let mut refused = None;
        let mut allowed = Vec::with_capacity(addresses.len());
        for &address in addresses {
            match wall.judge(address) {
                Ok(passed) => allowed.push(passed),
                Err(reason) => {
                    self.counts.refused(reason);
                    self.tell(address, reason, origin, now);
                    refused = Some(reason);
                }
            }
        }
        match refused {
            Some(reason) if allowed.is_empty() => Err(reason),
            _ => Ok(allowed),
        }
    }

    fn tell(&self, address: SocketAddr, reason: &str, origin: &str, now: Duration) {
        if let Some(untold) = self.refusals.lock().happens(now) {
            tracing::warn!(origin, %address, reason, untold, "no origin may be at this address, so it is not asked");
        }
    }
}

#[cfg(test)]
mod tests;
