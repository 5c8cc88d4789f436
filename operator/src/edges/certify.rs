//! A stream whose edge lacks a certificate into that certificate: made for it alone, kept nowhere here.
//!
//! Nobody knows what an edge still has when it calls again, so each stream begins with one; a stream lasts as long as its token, an hour.
//! Longer ones get another when it is due.

use std::time::Duration;

use edge_contract::EdgeCertificate;
use tokio::time::Instant;

use crate::authority::{EdgeIssuer, Issued};
use crate::causes::chain;
use crate::clock;

/// How long after a failure it is tried again: without a certificate edges ask origins by themselves, so nothing waits for it.
const AGAIN: Duration = Duration::from_mins(1);

/// What the edge of one stream was given to prove itself with.
#[derive(Debug, Default)]
pub(super) struct Certified {
    /// For which Distribution, and what is known of it.
    held: Option<(String, Issued)>,
    /// When it is tried again, after a failure.
    again: Option<Instant>,
}

impl Certified {
    /// What is to be sent now, if anything is. It counts as given.
    pub(super) fn lacking(&mut self, issuer: &EdgeIssuer, site: &str, pod_uid: &str) -> Option<EdgeCertificate> {
        let is_good = |(of, what): &(String, Issued)| of == site && !issuer.is_over(what);
        if self.held.as_ref().is_some_and(is_good) || self.again.is_some_and(|again| clock::monotonic() < again) {
            return None;
        }
        match issuer.issue(site, pod_uid) {
            Ok((certificate, what)) => {
                (self.held, self.again) = (Some((site.to_owned(), what)), None);
                Some(certificate)
            }
            Err(error) => {
                tracing::error!(error = chain(&error), "an edge gets no certificate, and so asks no other edge");
                self.again = Some(clock::monotonic() + AGAIN);
                None
            }
        }
    }
}
