//! The uids of a Distribution and of a pod into what its edge proves itself with to others, and when that is due anew.
//!
//! Guarantees: what signs is what signs for the operator itself: it joined the bundle before. Nothing that is issued is kept here.

use std::sync::Arc;

use edge_contract::EdgeCertificate;
use jiff::Timestamp;
use tokio::sync::watch;

use super::{
    AuthorityError, issue,
    keeping::{Pair, leaf_renewal},
};
use crate::clock;

/// Issues certificates to edges. Clones sign with the same authority, which is always the one of the moment.
#[derive(Clone)]
pub struct EdgeIssuer {
    current: watch::Receiver<Arc<Pair>>,
}

/// By which authority a certificate was issued, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Issued {
    /// When that authority was made: no two were at once.
    authority: Timestamp,
    at: Timestamp,
}

impl EdgeIssuer {
    pub(super) fn new(current: watch::Receiver<Arc<Pair>>) -> Self {
        Self { current }
    }

    /// A certificate for the edge in this pod, good for a day.
    pub fn issue(&self, site: &str, pod_uid: &str) -> Result<(EdgeCertificate, Issued), AuthorityError> {
        let (authority, now) = (self.current(), clock::wall());
        let certificate = issue::edge(&authority, site, pod_uid, now)?;
        Ok((certificate, Issued { authority: authority.made, at: now }))
    }

    /// Whether another one is due for it.
    pub fn is_over(&self, issued: &Issued) -> bool {
        issued.is_over(self.current().made, clock::wall())
    }

    fn current(&self) -> Arc<Pair> {
        Arc::clone(&self.current.borrow())
    }
}

impl Issued {
    /// At two thirds of its life, as for the operator's own; and at once where another authority signs now.
    fn is_over(&self, authority: Timestamp, now: Timestamp) -> bool {
        self.authority != authority || leaf_renewal(self.at, now).is_zero()
    }
}

#[cfg(test)]
impl EdgeIssuer {
    /// An issuer, and what gives it another authority.
    ///
    /// # Panics
    /// Never: keys are made of nothing but chance.
    pub(crate) fn for_test() -> (Self, impl Fn()) {
        let make = || Arc::new(issue::authority(clock::wall()).expect("makes an authority"));
        let (tell, current) = watch::channel(make());
        (Self::new(current), move || drop(tell.send_replace(make())))
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn a_certificate_is_over_at_two_thirds_of_its_day_or_when_another_authority_signs() {
        let hour = |number: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(number);
        let issued = Issued { authority: hour(0), at: hour(100) };
        assert!(!issued.is_over(hour(0), hour(100)));
        assert!(!issued.is_over(hour(0), hour(115)));
        assert!(issued.is_over(hour(0), hour(116)));
        assert!(issued.is_over(hour(99), hour(101)), "another one");
        assert!(issued.is_over(hour(0), hour(50)), "a clock that went back far does not put it off");
    }
}
