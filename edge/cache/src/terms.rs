//! A response head into what its origin allows a shared cache: read once when it arrives, judged at each reuse.

use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode, header};

use crate::{
    date::Date,
    directives::{self, Scope},
};

/// What an origin says about one response. Nothing of the owner's policy is in it, so that the policy may change meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent permissions, each named by its clause")]
pub struct Terms {
    /// `s-maxage`, `max-age` or `Expires` − `Date` (RFC 9111 §4.2.1).
    pub explicit: Option<Duration>,
    /// What it forbids as a whole.
    pub forbids: Forbids,
    /// `must-revalidate`, `proxy-revalidate` or `s-maxage`: no stale use, whatever else is said (§5.2.2.2, §5.2.2.8, §5.2.2.10).
    pub never_stale: bool,
    /// `public`, `must-revalidate` or `s-maxage`: may be stored though the request had `Authorization` (§3.5).
    pub despite_authorization: bool,
    /// `public`: any status may be stored (§3).
    pub public: bool,
    /// `must-understand` with a status that this cache does not know (§5.2.2.3).
    pub not_understood: bool,
    /// The status, which decides what may be assumed where nothing is said.
    pub status: StatusCode,
    /// `Date` − `Last-Modified`: how long it had not changed when it was made.
    pub unchanged_for: Option<Duration>,
    /// `immutable`: while it is fresh, a viewer who reloads has it already (RFC 8246 §2).
    pub immutable: bool,
    /// How long it may be served stale while one validation runs (RFC 5861 §3).
    pub stale_while_revalidate: Option<Duration>,
    /// How long it may be served stale when validation fails (RFC 5861 §4).
    pub stale_if_error: Option<Duration>,
}

/// What an origin forbids, unqualified; the strongest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Forbids {
    /// Nothing.
    Nothing,
    /// Reuse without validation: `no-cache`.
    Reuse,
    /// Storing: `no-store` or `private`.
    Storing,
}

impl Terms {
    /// Reads a response head. `received` is the wall clock when it arrived: it stands in for a missing `Date`.
    pub fn of(status: StatusCode, headers: &HeaderMap, received: Date) -> Self {
        let consulted = directives::consulted(headers);
        let said = &consulted.directives;
        let s_maxage = said.s_maxage.is_some();
        let understood = is_understood(status);
        // §5.2.2.3: with must-understand, a cache that knows the status ignores no-store.
        let no_store = said.flags.no_store && !(said.flags.must_understand && understood);
        let forbids = match () {
            () if no_store || said.private == Scope::Whole => Forbids::Storing,
            () if said.no_cache == Scope::Whole => Forbids::Reuse,
            () => Forbids::Nothing,
        };
        let from_expires = || if consulted.targeted { None } else { expires(headers, received) };
        Self {
            explicit: said.s_maxage.or(said.max_age).or_else(from_expires),
            forbids,
            never_stale: s_maxage || said.flags.must_revalidate || said.flags.proxy_revalidate,
            despite_authorization: s_maxage || said.flags.must_revalidate || said.flags.public,
            public: said.flags.public,
            not_understood: said.flags.must_understand && !understood,
            status,
            unchanged_for: unchanged_for(headers, received),
            immutable: said.flags.immutable,
            stale_while_revalidate: said.stale_while_revalidate,
            stale_if_error: said.stale_if_error,
        }
    }

    /// RFC 9110 §15.1: whether a freshness lifetime may be assumed for this status where none is given.
    pub fn heuristically_cacheable(&self) -> bool {
        self.public || matches!(self.status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
    }

    /// Errors whose storing without a word of the origin is the owner's choice, and short.
    pub fn is_brief_error(&self) -> bool {
        matches!(self.status.as_u16(), 404 | 405 | 410 | 414 | 500..=504)
    }
}

/// Fields that must not be stored, or not be reused without validation (§5.2.2.4, §5.2.2.7): only the viewer for whom a response was
/// asked gets them, and they are left out of what is stored. Read from the response when it is needed: such a list can be long.
pub(crate) fn withheld(headers: &HeaderMap) -> Vec<HeaderName> {
    let said = directives::consulted(headers).directives;
    let named = [said.private, said.no_cache].into_iter();
    named.filter_map(|scope| if let Scope::Fields(names) = scope { Some(names) } else { None }).flatten().collect()
}

fn unchanged_for(headers: &HeaderMap, received: Date) -> Option<Duration> {
    let mut values = headers.get_all(header::LAST_MODIFIED).iter();
    let modified = Date::parse(values.next().filter(|_| values.next().is_none())?.to_str().ok()?, received)?;
    let seconds = date_of(headers, received).0.checked_sub(modified.0)?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

/// §5.3: an invalid date is one in the past. Unequal repeats are stale (§4.2.1).
fn expires(headers: &HeaderMap, received: Date) -> Option<Duration> {
    let mut values = headers.get_all(header::EXPIRES).iter();
    let first = values.next()?;
    if values.any(|other| other != first) {
        return Some(Duration::ZERO);
    }
    let parsed = first.to_str().ok().and_then(|text| Date::parse(text, received));
    let Some(expires) = parsed else { return Some(Duration::ZERO) };
    let seconds = expires.0.saturating_sub(date_of(headers, received).0);
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).min(directives::LONGEST))
}

/// RFC 9110 §6.6.1: the `Date` of a response, or the time of receipt.
pub fn date_of(headers: &HeaderMap, received: Date) -> Date {
    valid_date(headers, received).unwrap_or(received)
}

/// Whether it has a `Date` that can be read.
pub(crate) fn has_date(headers: &HeaderMap, received: Date) -> bool {
    valid_date(headers, received).is_some()
}

fn valid_date(headers: &HeaderMap, received: Date) -> Option<Date> {
    let mut values = headers.get_all(header::DATE).iter();
    let first = values.next()?.to_str().ok()?;
    Date::parse(first, received).filter(|_| values.next().is_none())
}

/// The final statuses of RFC 9110 §15 whose caching rules this cache follows; 206 and 304 are not stored as they are.
pub fn is_understood(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200..=205 | 300..=303 | 305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 428 | 429 | 431 | 451 | 500..=505 | 511
    )
}
