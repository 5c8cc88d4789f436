//! A response head into what it says about caching, clause by clause.

use edge_contract::{Heuristic, SetCookie};

use crate::dates;
use crate::scene::Owner;
use crate::words::{Argument, Fields, Member, combined, delta_seconds, dictionary, directives, is_token, list, values};

/// A response as it was received.
#[derive(Clone, Debug)]
pub struct Message {
    pub status: u16,
    pub fields: Fields,
    /// RFC 9111 §4.2.3: `request_time` and `response_time`, in milliseconds of the run.
    pub asked: i64,
    pub answered: i64,
    /// `response_time` on the wall clock, in seconds.
    pub wall: i64,
}

/// How long a response may be reused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lifetime {
    /// So many milliseconds.
    For(i64),
    /// Only after validation.
    Validate,
    /// Not at all.
    Never,
}

/// RFC 9213 §2.2: the field that counts, as directives, and whether it is the targeted one.
pub fn consulted(fields: &Fields) -> (Vec<(String, Argument)>, bool) {
    let targeted = combined(fields, "cdn-cache-control").and_then(|text| dictionary(&text)).unwrap_or_default();
    if targeted.is_empty() {
        return (values(fields, "cache-control").into_iter().flat_map(directives).collect(), false);
    }
    // §2.1: each directive has the type that its definition implies; what has another is not consumed.
    let numbers = ["max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"];
    let taken = targeted.into_iter().filter_map(|(name, member)| {
        let argument = match member {
            Member::Boolean(true) if !numbers.contains(&name.as_str()) => Argument::None,
            // Below zero is no number of seconds (RFC 9111 §1.2.2).
            Member::Integer(number) if numbers.contains(&name.as_str()) => Argument::Some(number.to_string()),
            Member::Text(names) if name == "no-cache" || name == "private" => Argument::Some(names),
            _ => return None,
        };
        Some((name, argument))
    });
    (taken.collect(), true)
}

impl Message {
    fn has(&self, directive: &str) -> bool {
        consulted(&self.fields).0.iter().any(|(name, _)| name == directive)
    }

    /// The same for what allows something: what is not written as it should be allows nothing.
    fn allows(&self, directive: &str) -> bool {
        consulted(&self.fields).0.iter().any(|(name, argument)| name == directive && *argument != Argument::Broken)
    }

    /// RFC 9111 §4.2.1: what is no number, and what is said twice and differently, makes a response stale. In seconds.
    fn number(&self, directive: &str) -> Option<i64> {
        let said: Vec<i64> = consulted(&self.fields)
            .0
            .iter()
            .filter(|(name, _)| name == directive)
            .map(|(_, argument)| match argument {
                Argument::Some(text) => delta_seconds(text).unwrap_or(0),
                Argument::None | Argument::Broken => 0,
            })
            .collect();
        let first = *said.first()?;
        Some(if said.iter().all(|other| *other == first) { first } else { 0 })
    }

    /// §5.2.2.4, §5.2.2.7: whether the directive is there without naming fields, and the fields it names elsewhere.
    fn qualified(&self, directive: &str) -> (bool, Vec<String>) {
        let (mut whole, mut named) = (false, Vec::new());
        for (name, argument) in consulted(&self.fields).0 {
            if name != directive {
                continue;
            }
            match argument {
                Argument::Some(text) if !list(&text).is_empty() && list(&text).iter().all(|name| is_token(name)) => {
                    named.extend(list(&text).iter().map(|name| name.to_ascii_lowercase()));
                }
                // Who names no field that there could be means all of it.
                _ => whole = true,
            }
        }
        if whole { (true, Vec::new()) } else { (false, named) }
    }

    pub fn no_cache(&self) -> bool {
        self.qualified("no-cache").0
    }

    /// §5.2.2.4, §5.2.2.7: fields that are not for other viewers, or not without validation.
    pub fn withheld(&self) -> Vec<String> {
        [self.qualified("no-cache").1, self.qualified("private").1].concat()
    }

    /// §5.2.2.3: `must-understand` lifts `no-store` for a status that is understood.
    pub fn no_store(&self) -> bool {
        self.has("no-store") && !(self.allows("must-understand") && self.is_understood())
    }

    pub fn forbids_sharing(&self) -> bool {
        self.forbids_storing() || self.no_cache()
    }

    fn forbids_storing(&self) -> bool {
        self.no_store() || self.qualified("private").0
    }

    /// The final statuses of RFC 9110 §15.3 to §15.6, RFC 6585 and RFC 7725, without those that only make sense with what is
    /// stored already.
    fn is_understood(&self) -> bool {
        let later = matches!(self.status, 428 | 429 | 431 | 451 | 511);
        later
            || matches!(self.status, 200..=205 | 300..=303 | 305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 500..=505)
    }

    /// RFC 9110 §15.1, without 206, which is not stored.
    fn is_heuristically_cacheable(&self) -> bool {
        matches!(self.status, 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
    }

    /// RFC 9110 §6.6.1: what has no date, or none that can be read, is of the time of its receipt.
    pub fn date(&self) -> i64 {
        self.readable_date().unwrap_or(self.wall)
    }

    pub fn readable_date(&self) -> Option<i64> {
        dates::parse(values(&self.fields, "date").first()?, self.wall)
    }

    pub fn last_modified(&self) -> Option<i64> {
        dates::parse(values(&self.fields, "last-modified").first()?, self.wall)
    }

    /// RFC 9111 §4.2.1, in the order of its list, for a shared cache. In seconds.
    pub fn explicit(&self) -> Option<i64> {
        if let Some(s_maxage) = self.number("s-maxage") {
            return Some(s_maxage);
        }
        if let Some(max_age) = self.number("max-age") {
            return Some(max_age);
        }
        // RFC 9213 §2.2: beside a targeted field `Expires` is not looked at.
        if consulted(&self.fields).1 {
            return None;
        }
        let expires = values(&self.fields, "expires");
        let first = *expires.first()?;
        if expires.iter().any(|other| other.trim() != first.trim()) {
            return Some(0);
        }
        // §5.3: what is no date is in the past.
        Some(dates::parse(first, self.wall).map_or(0, |expires| (expires - self.date()).clamp(0, 1 << 31)))
    }

    /// The box of `ttl`, and under it the floor that the owner puts under errors: never where the origin forbids what that asks for.
    pub fn lifetime(&self, owner: &Owner) -> Lifetime {
        let floor = owner.errors.iter().find(|error| error.code == self.status).and_then(|error| error.cache_ttl);
        let (said, floor) = (self.lifetime_without_floor(owner), ms(floor.unwrap_or(0)));
        let is_off = owner.behavior.ttl.max == 0 || self.has_no_meaning() || self.forbids_sharing();
        match said {
            _ if floor == 0 || is_off => said,
            Lifetime::For(time) => Lifetime::For(time.max(floor)),
            _ => Lifetime::For(floor),
        }
    }

    /// §5.2.2.3: what must be understood, and is not.
    fn has_no_meaning(&self) -> bool {
        self.allows("must-understand") && !self.is_understood()
    }

    /// The origin's word within the owner's bounds.
    fn lifetime_without_floor(&self, owner: &Owner) -> Lifetime {
        let ttl = owner.behavior.ttl;
        let (min, max) = (ms(ttl.min), ms(ttl.max));
        if max == 0 {
            return Lifetime::Never;
        }
        if self.has_no_meaning() {
            return Lifetime::Never;
        }
        if self.forbids_sharing() {
            if min > 0 {
                return Lifetime::For(min);
            }
            if self.forbids_storing() {
                return Lifetime::Never;
            }
        }
        if self.no_cache() {
            return Lifetime::Validate;
        }
        if let Some(seconds) = self.explicit() {
            return Lifetime::For((seconds * 1000).max(min).min(max));
        }
        // Errors of which nothing is said are kept for ten seconds at most, where the owner has a default at all.
        let by_change = self.assumed_by_change(owner);
        if by_change.is_none() && ttl.default > 0 && matches!(self.status, 404 | 405 | 410 | 414 | 500..=504) {
            return Lifetime::For(ms(ttl.default).min(10_000).min(max));
        }
        // §4.2.2: only where the status or `public` allows to guess.
        match by_change.or_else(|| self.may_be_assumed().then(|| ms(ttl.default))) {
            Some(assumed) => Lifetime::For(assumed.max(min).min(max)),
            None => Lifetime::Never,
        }
    }

    fn may_be_assumed(&self) -> bool {
        self.is_heuristically_cacheable() || self.allows("public")
    }

    /// A tenth of the time for which it has not changed.
    fn assumed_by_change(&self, owner: &Owner) -> Option<i64> {
        let modified = self.last_modified().filter(|modified| *modified <= self.date())?;
        let wanted = owner.behavior.ttl.heuristic == Heuristic::LastModified && self.may_be_assumed();
        wanted.then(|| ((self.date() - modified) * 1000 / 10).min(86_400_000))
    }

    /// §3: whether it may be kept. The request was a GET; `authorized`: with `Authorization`.
    pub fn may_be_stored(&self, authorized: bool, owner: &Owner) -> bool {
        // RFC 9110 §15.3.7, §15.4.5: parts, and answers to conditions.
        if self.status < 200 || matches!(self.status, 206 | 304) {
            return false;
        }
        // RFC 6585 §3 to §6: "MUST NOT be stored by a cache".
        if matches!(self.status, 428 | 429 | 431 | 511) {
            return false;
        }
        // An unknown status says nothing about itself, so its freshness must be said.
        if !self.is_understood() && self.explicit().is_none() {
            return false;
        }
        if self.lifetime(owner) == Lifetime::Never {
            return false;
        }
        let cookie = !values(&self.fields, "set-cookie").is_empty();
        if cookie && owner.behavior.set_cookie == SetCookie::Bypass {
            return false;
        }
        // §3.5
        if authorized && !(self.has("must-revalidate") || self.has("s-maxage") || self.allows("public")) {
            return false;
        }
        // §4.1: it would match nothing.
        !self.varies_on().contains(&"*".to_owned())
    }

    /// §4.1: the fields that a later request must match. What names no field could be any.
    pub fn varies_on(&self) -> Vec<String> {
        let names = list(&combined(&self.fields, "vary").unwrap_or_default());
        let name = |name: &String| if is_token(name) { name.to_ascii_lowercase() } else { "*".to_owned() };
        names.iter().map(name).collect()
    }

    /// §4.2.4: not even where its origin cannot be reached.
    pub fn is_never_stale(&self) -> bool {
        self.no_cache() || ["must-revalidate", "proxy-revalidate", "s-maxage"].iter().any(|name| self.has(name))
    }

    /// Kept against the origin's word, and not a moment longer than the owner asks for.
    pub fn is_kept_by_force(&self) -> bool {
        self.forbids_storing()
    }

    /// RFC 8246 §2
    pub fn is_immutable(&self) -> bool {
        self.allows("immutable")
    }

    pub fn stale_while_revalidate(&self) -> Option<i64> {
        self.number("stale-while-revalidate").map(|seconds| seconds * 1000)
    }

    pub fn stale_if_error(&self) -> Option<i64> {
        self.number("stale-if-error").map(|seconds| seconds * 1000)
    }

    /// §5.1: the first member, if it is a number.
    fn age_value(&self) -> i64 {
        let said = combined(&self.fields, "age").unwrap_or_default();
        let first = said.split(',').next().unwrap_or_default().trim_matches([' ', '\t']);
        delta_seconds(first).unwrap_or(0) * 1000
    }

    /// §4.2.3
    pub fn current_age(&self, now: i64) -> i64 {
        let apparent_age = ((self.wall - self.date()) * 1000).max(0);
        let response_delay = self.answered - self.asked;
        let corrected_age_value = self.age_value() + response_delay;
        let corrected_initial_age = apparent_age.max(corrected_age_value);
        let resident_time = now - self.answered;
        corrected_initial_age + resident_time
    }
}

fn ms(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX / 1000).saturating_mul(1000)
}
