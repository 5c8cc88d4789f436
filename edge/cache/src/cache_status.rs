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
    /// Seconds of freshness that remain, below zero when stale.
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

/// `hit` or `fwd` (RFC 9211 §2.1, §2.2); never both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The store answered.
    Hit,
    /// The origin was asked.
    Forwarded(Forward),
}

impl CacheStatus {
    /// What a reuse verdict says before anything is asked of an origin.
    pub fn of(reuse: &Reuse) -> Self {
        match reuse {
            Reuse::Fresh { ttl, .. } => Self { ttl: i64::try_from(ttl.as_secs()).ok(), ..Self::new(Outcome::Hit) },
            Reuse::Stale(stale) => Self::stale(stale),
            Reuse::Validate { why, .. } | Reuse::Forward(why) => Self::new(Outcome::Forwarded(*why)),
        }
    }

    /// A stale response stands in.
    pub fn stale(stale: &Stale) -> Self {
        let detail = match stale.why {
            StaleUse::WhileRevalidating => "stale-while-revalidate",
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

    /// The origin answered 304, and what is stored was freshened.
    #[must_use]
    pub fn validated(self) -> Self {
        Self { forwarded_status: Some(StatusCode::NOT_MODIFIED), stored: true, ..self }
    }

    /// This request waited for another's fill.
    #[must_use]
    pub fn collapsed(self) -> Self {
        Self { collapsed: true, ..self }
    }

    /// RFC 9211 §2: added after what caches nearer to the origin said.
    pub fn append_to(&self, headers: &mut HeaderMap) {
        // Tokens, digits and semicolons are always a field value.
        if let Ok(value) = HeaderValue::try_from(self.to_string()) {
            headers.append(CACHE_STATUS, value);
        }
    }
}

impl fmt::Display for CacheStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
        match self.outcome {
            Outcome::Hit => f.write_str("; hit")?,
            Outcome::Forwarded(why) => write!(f, "; fwd={}", why.token())?,
        }
        if let Some(status) = self.forwarded_status {
            write!(f, "; fwd-status={}", status.as_u16())?;
        }
        if let Some(ttl) = self.ttl {
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
