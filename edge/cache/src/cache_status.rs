//! What was done with a request into the `Cache-Status` field that says so (RFC 9211).

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::{
    reuse::{Forward, Reuse, Stale, StaleUse},
    storing::Storing,
};

/// RFC 9211 §2.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// The name by which this cache speaks of itself.
const NAME: &str = "kubefront";

/// One member of the field, filled in as a request goes its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheStatus {
    /// Whether the store answered, or why the origin was asked.
    pub outcome: Outcome,
    /// Seconds of freshness that remain, of a hit and of what was just stored; below zero when stale.
    pub ttl: Option<i64>,
    /// The status that the origin answered.
    pub forwarded_status: Option<StatusCode>,
    /// Whether the answer was stored.
    pub stored: bool,
    /// Whether this request waited for another's fill.
    pub collapsed: bool,
    /// A word more, for people.
    pub detail: Option<&'static str>,
}

/// `hit` or `fwd` (RFC 9211 §2.1, §2.2); never both, and neither where the edge itself answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The store answered.
    Hit,
    /// The origin was asked.
    Forwarded(Forward),
    /// Neither.
    Refused,
}

impl CacheStatus {
    /// What a reuse verdict says before anything is asked of an origin.
    pub fn of(reuse: &Reuse) -> Self {
        match reuse {
            Reuse::Fresh { ttl, .. } => Self { ttl: i64::try_from(ttl.as_secs()).ok(), ..Self::new(Outcome::Hit) },
            Reuse::Stale(stale) => Self::stale(stale),
            Reuse::Validate { why, .. } | Reuse::Forward(why) => Self::new(Outcome::Forwarded(*why)),
            Reuse::OnlyIfCached => Self { detail: Some("only-if-cached"), ..Self::new(Outcome::Refused) },
        }
    }

    /// A stale response stands in.
    pub fn stale(stale: &Stale) -> Self {
        let detail = match stale.why {
            StaleUse::WhileRevalidating => "stale-while-revalidate",
            StaleUse::Accepted => "max-stale",
            StaleUse::Unreachable => "stale-unreachable",
            StaleUse::OnError => "stale-if-error",
        };
        let ttl = i64::try_from(stale.overdue.as_secs()).ok().map(|seconds| -seconds);
        Self { ttl, detail: Some(detail), ..Self::new(Outcome::Hit) }
    }

    fn new(outcome: Outcome) -> Self {
        let detail = if let Outcome::Forwarded(why) = outcome { why.detail() } else { None };
        Self { outcome, ttl: None, forwarded_status: None, stored: false, collapsed: false, detail }
    }

    /// The origin answered this, and it was kept or not.
    #[must_use]
    pub fn answered(self, status: StatusCode, storing: &Storing) -> Self {
        let stored = matches!(storing, Storing::Store(_));
        let detail = if let Storing::Skip(reason) = storing { Some(reason.detail()) } else { self.detail };
        Self { forwarded_status: Some(status), stored, detail, ..self }
    }

    /// The origin answered 304, and what is stored was freshened; its new fields let it stay or not.
    #[must_use]
    pub fn validated(self, stored: bool) -> Self {
        Self { forwarded_status: Some(StatusCode::NOT_MODIFIED), stored, ..self }
    }

    /// This request waited for another's fill.
    #[must_use]
    pub fn collapsed(self) -> Self {
        Self { collapsed: true, ..self }
    }

    /// The same with another word more.
    #[must_use]
    pub fn detailed(self, detail: &'static str) -> Self {
        Self { detail: Some(detail), ..self }
    }

    /// RFC 9211 §2: added after what caches nearer to the origin said.
    pub fn append_to(&self, headers: &mut HeaderMap) {
        // Tokens, digits and semicolons are always a field value.
        if let Ok(value) = HeaderValue::try_from(self.to_string()) {
            headers.append(CACHE_STATUS, value);
        }
    }

    /// In place of what this cache said before, which is the last that was said.
    pub fn replace_in(&self, headers: &mut HeaderMap) {
        let mut said: Vec<HeaderValue> = headers.get_all(CACHE_STATUS).iter().cloned().collect();
        said.pop();
        headers.remove(CACHE_STATUS);
        for value in said {
            headers.append(CACHE_STATUS, value);
        }
        self.append_to(headers);
    }
}

impl fmt::Display for CacheStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
        match self.outcome {
            Outcome::Hit => f.write_str("; hit")?,
            Outcome::Forwarded(why) => write!(f, "; fwd={}", why.token())?,
            Outcome::Refused => {}
        }
        if let Some(status) = self.forwarded_status {
            write!(f, "; fwd-status={}", status.as_u16())?;
        }
        // What was just stored has its lifetime in its own fields; logs tell it all the same.
        if let Some(ttl) = self.ttl.filter(|_| self.outcome == Outcome::Hit) {
            write!(f, "; ttl={ttl}")?;
        }
        if self.stored {
            f.write_str("; stored")?;
        }
        if self.collapsed {
            f.write_str("; collapsed")?;
        }
        self.detail.map_or(Ok(()), |detail| write!(f, "; detail={detail}"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{storing::Reason, testing, testing::fields};

    #[track_caller]
    fn check(status: CacheStatus, expect: &str) {
        assert_eq!(status.to_string(), expect);
    }

    fn stale(why: StaleUse) -> Stale {
        Stale { age: Duration::from_secs(70), overdue: Duration::from_secs(10), why, condition: None }
    }

    #[test]
    fn a_hit_says_how_long_it_stays_fresh() {
        let fresh = Reuse::Fresh { age: Duration::from_secs(1), ttl: Duration::from_millis(30_900) };
        check(CacheStatus::of(&fresh), "kubefront; hit; ttl=30");
        check(CacheStatus::of(&fresh).collapsed(), "kubefront; hit; ttl=30; collapsed");
        check(
            CacheStatus::of(&Reuse::Stale(stale(StaleUse::WhileRevalidating))),
            "kubefront; hit; ttl=-10; detail=stale-while-revalidate",
        );
        check(CacheStatus::stale(&stale(StaleUse::Accepted)), "kubefront; hit; ttl=-10; detail=max-stale");
        check(CacheStatus::stale(&stale(StaleUse::Unreachable)), "kubefront; hit; ttl=-10; detail=stale-unreachable");
    }

    #[test]
    fn a_forward_says_why() {
        let check = |why: Forward, expect: &str| check(CacheStatus::of(&Reuse::Forward(why)), expect);
        check(Forward::CachingOff, "kubefront; fwd=bypass");
        check(Forward::Method, "kubefront; fwd=method");
        check(Forward::Upgrade, "kubefront; fwd=bypass; detail=upgrade");
        check(Forward::Absent, "kubefront; fwd=uri-miss");
        check(Forward::VaryMiss, "kubefront; fwd=vary-miss");
        check(Forward::Purged, "kubefront; fwd=miss; detail=purged");
        check(Forward::Forbidden, "kubefront; fwd=miss; detail=policy");
        check(Forward::Stale, "kubefront; fwd=stale");
        check(Forward::AlwaysValidate, "kubefront; fwd=stale; detail=no-cache");
        check(Forward::Request, "kubefront; fwd=request");
    }

    #[test]
    fn one_that_wanted_only_what_is_stored_was_neither_a_hit_nor_a_forward() {
        check(CacheStatus::of(&Reuse::OnlyIfCached), "kubefront; detail=only-if-cached");
    }

    #[test]
    fn an_answer_says_what_became_of_it() {
        let absent = CacheStatus::of(&Reuse::Forward(Forward::Absent));
        let stored = Storing::Store(Box::new(testing::stored(&[])));
        check(absent.answered(StatusCode::OK, &stored), "kubefront; fwd=uri-miss; fwd-status=200; stored");
        check(
            absent.answered(StatusCode::OK, &stored).collapsed(),
            "kubefront; fwd=uri-miss; fwd-status=200; stored; collapsed",
        );
        let skipped = Storing::Skip(Reason::SetCookie);
        check(absent.answered(StatusCode::OK, &skipped), "kubefront; fwd=uri-miss; fwd-status=200; detail=set-cookie");
        let stale = CacheStatus::of(&Reuse::Forward(Forward::Stale));
        check(stale.validated(true), "kubefront; fwd=stale; fwd-status=304; stored");
        check(stale.validated(false), "kubefront; fwd=stale; fwd-status=304");
    }

    #[test]
    fn it_follows_what_caches_nearer_to_the_origin_said() {
        let mut headers = fields(&["cache-status: inner; hit"]);
        CacheStatus::of(&Reuse::Forward(Forward::Absent)).append_to(&mut headers);
        assert_eq!(headers, fields(&["cache-status: inner; hit", "cache-status: kubefront; fwd=uri-miss"]));
        CacheStatus::of(&Reuse::Forward(Forward::Absent)).detailed("error-page").replace_in(&mut headers);
        let expect = ["cache-status: inner; hit", "cache-status: kubefront; fwd=uri-miss; detail=error-page"];
        assert_eq!(headers, fields(&expect));
    }
}
