//! A response and the request it answers into whether it is kept, and as what.

use http::{HeaderMap, Method, StatusCode, header, response};

use crate::{
    Label, Policy, Stored,
    freshness::{self, Lifetime, Never, Received},
    terms::{Forbids, is_understood},
    vary::Selecting,
};

/// The origin's side of one fill.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// The method that the origin was sent.
    pub method: &'a Method,
    /// The request's fields as the origin got them.
    pub forwarded: &'a HeaderMap,
    /// Whether a viewer's `Authorization` was among them; what the owner's configuration sets does not count.
    pub authorized: bool,
    /// When it was asked and when it answered.
    pub received: Received,
    /// The ledger's label when the request was begun.
    pub label: Label,
}

/// Whether a response is kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Storing {
    /// Kept as this, once its body is whole: never a truncated one.
    Store(Box<Stored>),
    /// Passed on and forgotten.
    Skip(Reason),
}

/// Why a response is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Only answers to GET are stored.
    Method,
    /// The owner turned caching off.
    CachingOff,
    /// 206 and 304 are parts of something else, 1xx is not final.
    Partial,
    /// It answers a `Range` or condition that the edge did not write.
    ConditionalRequest,
    /// It sets a cookie, which belongs to one viewer.
    SetCookie,
    /// `no-store` or `private`.
    Forbidden,
    /// The request was authorized and nothing allows to share the answer (RFC 9111 §3.5).
    Authorization,
    /// `Vary: *`: it would match no request.
    VaryAny,
    /// An unknown status with `must-understand` (§5.2.2.3).
    NotUnderstood,
    /// Neither its status nor its fields say how long it may be reused.
    NoFreshness,
}

impl Reason {
    /// The word that `Cache-Status` gives as `detail`.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::CachingOff => "caching-off",
            Self::Partial => "partial",
            Self::ConditionalRequest => "conditional-request",
            Self::SetCookie => "set-cookie",
            Self::Forbidden => "forbidden",
            Self::Authorization => "authorization",
            Self::VaryAny => "vary-any",
            Self::NotUnderstood => "not-understood",
            Self::NoFreshness => "no-freshness",
        }
    }
}

/// RFC 9111 §3, under the owner's policy.
pub fn decide(exchange: &Exchange<'_>, response: &response::Parts, policy: &Policy) -> Storing {
    if *exchange.method != Method::GET {
        return Storing::Skip(Reason::Method);
    }
    if !policy.caches() {
        return Storing::Skip(Reason::CachingOff);
    }
    let status = response.status;
    if status.is_informational() || matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED) {
        return Storing::Skip(Reason::Partial);
    }
    if exchange.forwarded.contains_key(header::RANGE) {
        return Storing::Skip(Reason::ConditionalRequest);
    }
    if response.headers.contains_key(header::SET_COOKIE) {
        return Storing::Skip(Reason::SetCookie);
    }
    let stored = Stored::new(response, exchange.forwarded, exchange.received, exchange.label);
    match refusal(&stored, exchange.authorized, policy) {
        Some(reason) => Storing::Skip(reason),
        None => Storing::Store(Box::new(stored)),
    }
}

fn refusal(stored: &Stored, authorized: bool, policy: &Policy) -> Option<Reason> {
    let terms = &stored.terms;
    // §3.5; and no `ttl.min` makes an authorized answer shareable that its origin forbids to store.
    if authorized && (!terms.despite_authorization || terms.forbids != Forbids::Nothing) {
        return Some(Reason::Authorization);
    }
    if terms.not_understood {
        return Some(Reason::NotUnderstood);
    }
    if stored.selecting == Selecting::Never {
        return Some(Reason::VaryAny);
    }
    if !is_understood(terms.status) && terms.explicit.is_none() {
        return Some(Reason::NoFreshness);
    }
    match freshness::lifetime(terms, policy.ttl) {
        Lifetime::Lasts(_) | Lifetime::AlwaysValidate => None,
        Lifetime::Never(Never::Off) => Some(Reason::CachingOff),
        Lifetime::Never(Never::Forbidden) => Some(Reason::Forbidden),
        Lifetime::Never(Never::NoFreshness) => Some(Reason::NoFreshness),
    }
}

/// RFC 9111 §4.4: whether this answer makes what is stored of its target useless: an unsafe or unknown method that did not fail.
pub fn invalidates_target(method: &Method, status: StatusCode) -> bool {
    let safe = [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE].contains(method);
    !safe && (status.is_success() || status.is_redirection())
}
