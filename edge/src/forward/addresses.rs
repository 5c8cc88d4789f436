//! What is known of where an origin is into the addresses that one attempt is made at.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use edge_contract::{Origin, OriginTarget};

use super::dns::Aliases;
use super::eyeballs::interleave;
use super::guard::{Allowed, Wall};
use super::resolve::ResolveError;
use super::{ForwardError, Forwarder};

/// The addresses of an origin: those listed, then those that DNS knows, over and over.
pub(super) struct Addresses<'a> {
    forwarder: &'a Forwarder,
    origin: &'a Origin,
    wall: Wall<'a>,
    /// Whose turn it is stands first, who was tried last.
    turns: VecDeque<Allowed>,
    untried: usize,
    resolved: bool,
    /// Why the last of them is none that may be asked.
    refused: Option<&'static str>,
}

impl<'a> Addresses<'a> {
    /// Those that are listed come first.
    pub(super) fn new(forwarder: &'a Forwarder, origin: &'a Origin, wall: Wall<'a>, listed: &[SocketAddr]) -> Self {
        let mut addresses =
            Self { forwarder, origin, wall, turns: VecDeque::new(), untried: 0, resolved: false, refused: None };
        if !listed.is_empty() {
            addresses.take(listed);
        }
        addresses
    }

    /// Whom to ask now: the first, or whichever of them connects first.
    ///
    /// The last attempt of several is kept for DNS: a list of endpoints that is out of date must not make an origin unreachable.
    /// Nor must DNS that does not answer: then those that are listed have another turn. Where nobody was at any address that DNS knows,
    /// it is asked whether they are still the right ones.
    pub(super) async fn next(
        &mut self,
        number: u32,
        failure: Option<&ForwardError>,
    ) -> Result<Vec<Allowed>, ForwardError> {
        let last_chance = number > 1 && number == self.origin.attempts;
        let unreachable = failure.is_some_and(|failure| !failure.met_someone());
        if self.resolved && self.untried == 0 && unreachable {
            let aliases = self.aliases();
            self.wall.target.hosts().iter().for_each(|host| self.forwarder.resolver.doubt(host, aliases));
            self.resolved = false;
        }
        if !self.resolved && (self.untried == 0 || last_chance) {
            self.resolved = true;
            match self.resolve().await {
                Ok(found) => self.take(&found),
                Err(error) if self.turns.is_empty() && self.refused.is_none() => return Err(error.into()),
                Err(error) => tracing::debug!(origin = %self.origin.name, %error, "only known addresses are left"),
            }
        }
        let first = self.turns.front().copied();
        let first = first.ok_or(self.refused.map_or(ForwardError::NoTarget, ForwardError::Forbidden))?;
        Ok(std::iter::once(first).chain(self.rivals(number)).collect())
    }

    /// Those that may overtake the first. Pods are next door: there, the first either takes a connection at once or never.
    fn rivals(&self, number: u32) -> impl Iterator<Item = Allowed> {
        let now = self.forwarder.clock.now().monotonic;
        let left = match self.wall.target {
            OriginTarget::Service { .. } => 0,
            _ => self.origin.attempts.saturating_sub(number) as usize,
        };
        let balance = &self.forwarder.balance;
        let others = self.turns.iter().take(self.untried).skip(1).take(left).copied();
        others.filter(move |other| !balance.avoids(other.address(), now))
    }

    /// These were tried.
    pub(super) fn tried(&mut self, tried: &[SocketAddr]) {
        let (again, untouched): (Vec<_>, Vec<_>) =
            self.turns.drain(..).partition(|allowed| tried.contains(&allowed.address()));
        self.untried = self.untried.saturating_sub(again.len());
        self.turns.extend(untouched.into_iter().chain(again));
    }

    /// In place of those that were there, if there is any among them that may be asked.
    fn take(&mut self, found: &[SocketAddr]) {
        let now = self.forwarder.clock.now().monotonic;
        match self.forwarder.guard.admit(found, self.wall, &self.origin.name, now) {
            Err(reason) => self.refused = Some(reason),
            Ok(allowed) => {
                let ordered = self.forwarder.balance.order(allowed, now);
                let ordered = match self.wall.target {
                    OriginTarget::Service { .. } => ordered,
                    _ => interleave(ordered, |one| one.address().is_ipv6()),
                };
                self.untried = ordered.len();
                self.turns = ordered.into();
            }
        }
    }

    /// A Service is itself, by the walls that stand around others than Services too: one that leads elsewhere by its name (`ExternalName`)
    /// is none that was allowed.
    fn aliases(&self) -> Aliases {
        match self.wall.target {
            OriginTarget::Service { .. } => Aliases::Refused,
            OriginTarget::Address { .. } | OriginTarget::Addresses { .. } => Aliases::Followed,
        }
    }

    /// The addresses of all its hosts; an error only where none of them has any.
    async fn resolve(&self) -> Result<Vec<SocketAddr>, ResolveError> {
        let (target, clock) = (self.wall.target, &self.forwarder.clock);
        let until = clock.now().monotonic + Duration::from_millis(self.origin.connect_timeout_ms);
        let (mut found, mut failed) = (Vec::new(), None);
        for host in target.hosts() {
            // Of several, one that DNS is silent about takes the time of those behind it; but their lookups begin, and go on.
            let limit = until.saturating_sub(clock.now().monotonic);
            match self.forwarder.resolver.look_up(host, target.port(), limit, self.aliases()).await {
                Ok(addresses) => found.extend(addresses),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if found.is_empty() => Err(error),
            _ => Ok(found),
        }
    }
}
