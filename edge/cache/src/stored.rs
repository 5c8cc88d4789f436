//! A response head and how it was received into what later verdicts need to know of it.

use edge_contract::Ttl;
use http::{HeaderMap, HeaderValue, StatusCode, header, response};

use crate::{
    Label, Lifetime, Policy,
    freshness::{self, Age, Received},
    hops,
    terms::{Forbids, Terms, has_date, withheld},
    vary::Selecting,
};

/// A stored response without its body, which is the store's.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The status that viewers get.
    pub status: StatusCode,
    /// The end-to-end fields as the origin sent them, without those that must not be stored. `Age` is not among them.
    pub headers: HeaderMap,
    /// What the origin allows.
    pub terms: Terms,
    /// How old it was on arrival.
    pub age: Age,
    /// When it was received, for `If-Modified-Since` where it has no date of its own.
    pub received: Received,
    /// What later requests must match.
    pub selecting: Selecting,
    /// Where the purge log stood when its origin read began (invalidation rule 3).
    pub label: Label,
    /// Whether a viewer's `Authorization` had a part in it: it stays only as long as its origin allows that (RFC 9111 §3.5).
    pub authorized: bool,
    /// Whether it came with a cookie, which may have been left out since.
    pub sets_cookie: bool,
}

impl Stored {
    /// Reads a response head. `forwarded` is the request as the origin got it.
    pub fn new(response: &response::Parts, forwarded: &HeaderMap, received: Received, label: Label) -> Self {
        Self::of(response.status, &response.headers, Selecting::of(&response.headers, forwarded), received, label)
    }

    /// The same, of fields that were put together from more than one response.
    pub(crate) fn of(
        status: StatusCode,
        headers: &HeaderMap,
        selecting: Selecting,
        received: Received,
        label: Label,
    ) -> Self {
        let terms = Terms::of(status, headers, received.date);
        let mut kept = hops::end_to_end(headers);
        kept.remove(header::AGE);
        for name in withheld(headers) {
            kept.remove(name);
        }
        // RFC 9110 §6.6.1: what is kept or passed on without a valid date gets the time of receipt.
        if !has_date(&kept, received.date)
            && let Ok(now) = HeaderValue::try_from(received.date.to_string())
        {
            kept.insert(header::DATE, now);
        }
        let age = Age::on_arrival(headers, received);
        let sets_cookie = headers.contains_key(header::SET_COOKIE);
        Self { status, headers: kept, terms, age, received, selecting, label, authorized: false, sets_cookie }
    }

    /// How long it is fresh under the policy of now, which may be another than it was stored under.
    pub fn lifetime(&self, policy: &Policy) -> Lifetime {
        freshness::lifetime_within(&self.terms, self.bounds(policy.ttl), policy.floor(self.status))
    }

    /// The owner's bounds as far as they are meant for it. What was made for one viewer, and what its origin forbids to share, is shared
    /// by no minimum.
    pub(crate) fn bounds(&self, ttl: Ttl) -> Ttl {
        let is_one_viewers = self.authorized || self.sets_cookie;
        if is_one_viewers && self.terms.forbids != Forbids::Nothing { Ttl { min: 0, ..ttl } } else { ttl }
    }
}
