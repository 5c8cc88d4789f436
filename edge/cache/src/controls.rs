//! A viewer's `Cache-Control` and `Pragma` into what it asks of the cache, where the owner lets it.

use std::time::Duration;

use edge_contract::ViewerControls;
use http::{HeaderMap, header};

use crate::{
    Policy,
    directives::{self, Argument, delta_seconds},
};

/// What a viewer asks for (RFC 9111 §5.2.1; §5.2.1.6 is for [`crate::coding::Accepted`]). An argument that cannot be read asks for nothing; of repeats the strictest counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Controls {
    /// §5.2.1.1: nothing older than this.
    pub max_age: Option<Duration>,
    /// §5.2.1.2: stale by this much is good enough.
    pub max_stale: Option<Duration>,
    /// §5.2.1.3: fresh for this much longer.
    pub min_fresh: Option<Duration>,
    /// RFC 5861 §4: stale by this much is better than an error.
    pub stale_if_error: Option<Duration>,
    /// §5.2.1.4: nothing that was not validated for this request.
    pub no_cache: bool,
    /// §5.2.1.5: the answer is not to be stored.
    pub no_store: bool,
    /// §5.2.1.7: from the store or not at all.
    pub only_if_cached: bool,
}

impl Controls {
    /// Reads a viewer's fields; under [`ViewerControls::Ignore`] it asks for nothing.
    pub fn of(viewer: &HeaderMap, policy: &Policy) -> Self {
        let mut asked = Self::default();
        if policy.viewer_controls == ViewerControls::Ignore {
            return asked;
        }
        for line in viewer.get_all(header::CACHE_CONTROL) {
            directives::each(line.as_bytes(), |name, argument| asked.give(name, argument));
        }
        // §5.4: what HTTP/1.0 had in its place.
        if !viewer.contains_key(header::CACHE_CONTROL) {
            for line in viewer.get_all(header::PRAGMA) {
                directives::each(line.as_bytes(), |name, _| asked.no_cache |= name == "no-cache");
            }
        }
        asked
    }

    /// Whether nothing stale will do: so it is with whoever says for how long it must stay fresh (§5.2.1.3), and with whoever says how
    /// old it may be, but not how stale (§5.2.1.1).
    pub fn wants_fresh(&self) -> bool {
        self.no_cache || self.min_fresh.is_some() || (self.max_age.is_some() && self.max_stale.is_none())
    }

    /// The same asked by another edge, for whoever asks that: never anything stale, which is for the edge to choose that the viewer asked.
    #[must_use]
    pub fn by_edge(self) -> Self {
        let min_fresh = Some(self.min_fresh.unwrap_or_default());
        Self { max_stale: None, stale_if_error: None, only_if_cached: false, min_fresh, ..self }
    }

    fn give(&mut self, name: &str, argument: Argument<'_>) {
        let seconds = argument.text().and_then(delta_seconds);
        match name {
            "max-age" => self.max_age = least(self.max_age, seconds),
            // §5.2.1.2: without a value, however stale.
            "max-stale" if argument == Argument::Absent => self.max_stale = least(self.max_stale, Some(Duration::MAX)),
            "max-stale" => self.max_stale = least(self.max_stale, seconds),
            "min-fresh" => self.min_fresh = self.min_fresh.max(seconds),
            "stale-if-error" => self.stale_if_error = least(self.stale_if_error, seconds),
            "no-cache" => self.no_cache = true,
            "no-store" => self.no_store = true,
            "only-if-cached" => self.only_if_cached = true,
            _ => {}
        }
    }
}

fn least(known: Option<Duration>, new: Option<Duration>) -> Option<Duration> {
    [known, new].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fields, policy};

    fn respecting() -> Policy {
        Policy { viewer_controls: ViewerControls::Respect, ..policy(0, 0, 100) }
    }

    #[track_caller]
    fn check(lines: &[&str], expect: Controls) {
        assert_eq!(Controls::of(&fields(lines), &respecting()), expect, "{lines:?}");
    }

    const NONE: Controls = Controls {
        max_age: None,
        max_stale: None,
        min_fresh: None,
        stale_if_error: None,
        no_cache: false,
        no_store: false,
        only_if_cached: false,
    };

    #[test]
    fn every_wish_of_a_viewer_is_read_in_any_case_and_form() {
        check(
            &["cache-control: Max-Age=5, max-stale=\"6\""],
            Controls { max_age: Some(Duration::from_secs(5)), max_stale: Some(Duration::from_secs(6)), ..NONE },
        );
        check(
            &["cache-control: min-fresh=7", "cache-control: No-Store"],
            Controls { min_fresh: Some(Duration::from_secs(7)), no_store: true, ..NONE },
        );
        check(&["cache-control: no-cache"], Controls { no_cache: true, ..NONE });
        check(&["cache-control: x,only-if-cached"], Controls { only_if_cached: true, ..NONE });
        check(
            &["cache-control: stale-if-error=8, x=\"no-cache\""],
            Controls { stale_if_error: Some(Duration::from_secs(8)), ..NONE },
        );
        check(&["cache-control: max-stale"], Controls { max_stale: Some(Duration::MAX), ..NONE });
    }

    #[test]
    fn what_cannot_be_read_asks_for_nothing() {
        for unreadable in
            ["max-age", "max-age=-1", "max-age=1.5", "max-stale=", "max-stale=x", "min-fresh= 1", "immutable"]
        {
            check(&[&format!("cache-control: {unreadable}")], NONE);
        }
    }

    #[test]
    fn of_repeats_the_strictest_counts() {
        check(&["cache-control: max-age=9, max-age=3"], Controls { max_age: Some(Duration::from_secs(3)), ..NONE });
        check(&["cache-control: max-stale, max-stale=3"], Controls { max_stale: Some(Duration::from_secs(3)), ..NONE });
        check(
            &["cache-control: min-fresh=9, min-fresh=3"],
            Controls { min_fresh: Some(Duration::from_secs(9)), ..NONE },
        );
    }

    #[test]
    fn pragma_counts_only_where_there_is_no_cache_control() {
        check(&["pragma: No-Cache"], Controls { no_cache: true, ..NONE });
        check(&["pragma: x, no-cache"], Controls { no_cache: true, ..NONE });
        check(
            &["pragma: no-cache", "cache-control: max-age=5"],
            Controls { max_age: Some(Duration::from_secs(5)), ..NONE },
        );
        check(&["pragma: no-store"], NONE);
    }

    #[test]
    fn another_edge_is_never_given_what_is_stale() {
        let asked = |lines: &[&str]| Controls::of(&fields(lines), &respecting()).by_edge();
        let never_stale = Controls { min_fresh: Some(Duration::ZERO), ..NONE };
        assert!(never_stale.wants_fresh());
        assert_eq!(asked(&["cache-control: max-stale, stale-if-error=9, only-if-cached"]), never_stale);
        let more = Controls { no_cache: true, min_fresh: Some(Duration::from_secs(3)), ..NONE };
        assert_eq!(asked(&["cache-control: no-cache, min-fresh=3"]), more);
    }

    #[test]
    fn a_viewer_has_no_say_unless_the_owner_gives_it_one() {
        let viewer = fields(&["cache-control: no-cache, no-store, only-if-cached", "pragma: no-cache"]);
        assert_eq!(Controls::of(&viewer, &policy(0, 0, 100)), NONE);
    }
}
