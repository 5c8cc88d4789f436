//! What is known of an origin before anybody is asked into how it is to be asked, or why it cannot be.

use std::net::{IpAddr, SocketAddr};

use edge_contract::{Origin, OriginTarget, Walls};

use super::connect::Speaks;
use super::guard::Wall;
use super::{ForwardError, Forwarder};
use crate::mounts::Mounts;

/// What is known of it.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// As it was configured.
    pub origin: &'a Origin,
    /// Where its pods are, when an operator says so.
    pub endpoints: Option<&'a [SocketAddr]>,
    /// What it is to be asked may end in another protocol.
    pub upgrades: bool,
}

/// Where it is, and what is spoken there.
pub(super) struct Way<'a> {
    pub(super) target: &'a OriginTarget,
    /// Addresses that need no DNS.
    pub(super) listed: &'a [SocketAddr],
    pub(super) speaks: Speaks,
}

impl<'a> Known<'a> {
    /// The way to it, if there is one.
    pub(super) fn way(self) -> Result<Way<'a>, ForwardError> {
        let Self { origin, endpoints, upgrades } = self;
        let nowhere = || origin.invalid.clone().map_or(ForwardError::NoTarget, ForwardError::Invalid);
        let target = origin.target.as_ref().ok_or_else(nowhere)?;
        let listed = match (target, endpoints) {
            // Whoever watches the Service would list a pod that is ready: its name leads to none either.
            (OriginTarget::Service { .. }, Some([])) => return Err(ForwardError::NoEndpoints),
            (OriginTarget::Service { .. }, Some(listed)) => listed,
            _ => &[],
        };
        let speaks = Speaks::of(target.scheme(), upgrades);
        if upgrades && speaks != Speaks::Http1 {
            return Err(ForwardError::NoSwitch);
        }
        Ok(Way { target, listed, speaks })
    }
}

impl Forwarder {
    /// What keeps an origin from being asked, as far as that is known without asking anybody: neither it nor DNS. Without `mounts`, what is
    /// mounted for it is taken to be there.
    pub fn foresee(&self, known: Known<'_>, walls: &Walls, mounts: Option<&Mounts>) -> Result<(), ForwardError> {
        let Way { target, listed, speaks } = known.way()?;
        if let Some(mounts) = mounts {
            self.tls.secure(target, &known.origin.tls, speaks, mounts)?;
        }
        let written =
            || target.hosts().iter().map(|host| Some(SocketAddr::new(host.parse::<IpAddr>().ok()?, target.port())));
        // A list of pods may be out of date, and a name mean anything.
        let addresses: Option<Vec<SocketAddr>> = if listed.is_empty() { written().collect() } else { None };
        let verdicts = addresses.unwrap_or_default().into_iter().map(|address| Wall { walls, target }.judge(address));
        match verdicts.collect::<Vec<_>>().as_slice() {
            all @ [Err(why), ..] if all.iter().all(Result::is_err) => Err(ForwardError::Forbidden(why)),
            _ => Ok(()),
        }
    }
}
