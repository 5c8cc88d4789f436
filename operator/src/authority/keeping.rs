//! What is kept of the authority, and the date, into what is due: a leaf, the next authority, its promotion.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How long an authority signs: five years.
pub(super) const AUTHORITY_LIFE: SignedDuration = SignedDuration::from_hours(5 * 365 * 24);

/// How long a certificate is shown at most.
pub(super) const LEAF_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// How long an authority is in the bundle before anything it signed is shown, where some edge has not said that it trusts it.
const ANNOUNCED: SignedDuration = SignedDuration::from_hours(24);

/// A certificate that signs, with its key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
    pub(super) made: Timestamp,
}

/// What the Secret holds.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Kept {
    /// It signs what is shown.
    pub(super) current: Pair,
    /// In the bundle, but signing nothing yet.
    pub(super) next: Option<Pair>,
    /// The certificate that signed before: other replicas may still show what it signed.
    pub(super) previous: Option<String>,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing.
    Nothing,
    /// The current authority is two thirds through its life: make its successor.
    MakeNext,
    /// The successor is trusted by every edge, or has been in the bundle long enough.
    PromoteNext,
}

/// What is due now; `trusted` says that every edge trusts the bundle as it is kept.
pub(super) fn due(kept: &Kept, trusted: bool, now: Timestamp) -> Due {
    match &kept.next {
        Some(next) if trusted || now.duration_since(next.made) >= ANNOUNCED => Due::PromoteNext,
        None if now.duration_since(kept.current.made) >= AUTHORITY_LIFE / 3 * 2 => Due::MakeNext,
        _ => Due::Nothing,
    }
}

/// How long until a certificate that is shown since `shown` is to be renewed: at two thirds of its life.
pub(super) fn leaf_renewal(shown: Timestamp, now: Timestamp) -> Duration {
    let left = LEAF_LIFE / 3 * 2 - now.duration_since(shown);
    // A wall clock that went back by more than a life would put it off for good.
    if left > LEAF_LIFE { Duration::ZERO } else { Duration::try_from(left).unwrap_or(Duration::ZERO) }
}

impl Kept {
    /// The first authority of an installation: nothing trusts another one yet, so it signs at once.
    pub(super) fn first(current: Pair) -> Self {
        Self { current, next: None, previous: None }
    }

    /// Puts the successor into the bundle.
    pub(super) fn announce(&mut self, next: Pair) {
        self.next = Some(next);
    }

    /// The successor signs from now on. Says whether there was one.
    pub(super) fn promote(&mut self) -> bool {
        let Some(next) = self.next.take() else { return false };
        self.previous = Some(std::mem::replace(&mut self.current, next).certificate);
        true
    }

    /// Every certificate that edges shall trust.
    pub(super) fn bundle(&self) -> String {
        let next = self.next.as_ref().map(|pair| pair.certificate.as_str());
        [Some(self.current.certificate.as_str()), next, self.previous.as_deref()].into_iter().flatten().collect()
    }

    /// From the fields of the Secret; says what is missing.
    pub(super) fn read(field: impl Fn(&str) -> Option<String>) -> Result<Self, &'static str> {
        let pair = |certificate, key, made| -> Option<Pair> {
            Some(Pair { certificate: field(certificate)?, key: field(key)?, made: field(made)?.parse().ok()? })
        };
        Ok(Self {
            current: pair("ca.crt", "ca.key", "ca.made").ok_or("ca.crt, ca.key or ca.made is missing")?,
            next: pair("next.crt", "next.key", "next.made"),
            previous: field("previous.crt"),
        })
    }

    /// The fields of the Secret.
    pub(super) fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![
            ("ca.crt", self.current.certificate.clone()),
            ("ca.key", self.current.key.clone()),
            ("ca.made", self.current.made.to_string()),
        ];
        if let Some(next) = &self.next {
            fields.push(("next.crt", next.certificate.clone()));
            fields.push(("next.key", next.key.clone()));
            fields.push(("next.made", next.made.to_string()));
        }
        fields.extend(self.previous.iter().map(|certificate| ("previous.crt", certificate.clone())));
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * number)
    }

    fn pair(name: &str, made: Timestamp) -> Pair {
        Pair { certificate: format!("{name}\n"), key: format!("{name} key"), made }
    }

    #[track_caller]
    fn check(next: Option<i64>, trusted: bool, now: i64, expect: Due) {
        let kept = Kept { next: next.map(|made| pair("next", day(made))), ..Kept::first(pair("ca", day(0))) };
        assert_eq!(due(&kept, trusted, day(now)), expect);
    }

    #[test]
    fn a_successor_is_made_at_two_thirds_and_signs_a_day_later() {
        check(None, false, 0, Due::Nothing);
        check(None, false, 1_216, Due::Nothing);
        check(None, false, 1_217, Due::MakeNext);
        check(Some(1_217), false, 1_217, Due::Nothing);
        check(Some(1_217), false, 1_218, Due::PromoteNext);
    }

    #[test]
    fn a_successor_that_every_edge_trusts_signs_at_once() {
        check(None, true, 1_216, Due::Nothing);
        check(None, true, 1_217, Due::MakeNext);
        check(Some(1_217), true, 1_217, Due::PromoteNext);
    }

    #[test]
    fn no_certificate_is_shown_before_its_authority_was_in_the_bundle() {
        let mut kept = Kept::first(pair("old", day(0)));
        kept.announce(pair("new", day(1_217)));
        assert_eq!(kept.bundle(), "old\nnew\n");
        assert_eq!(kept.current.key, "old key");
        assert!(kept.promote());
        assert_eq!(kept.bundle(), "new\nold\n", "what other replicas still show stays trusted");
        assert_eq!(kept.current.key, "new key");
        assert!(!kept.promote());
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let mut kept = Kept::first(pair("old", day(0)));
        kept.announce(pair("new", day(1)));
        for _ in 0..2 {
            let fields = kept.fields();
            let read = Kept::read(|name| fields.iter().find(|(found, _)| *found == name).map(|(_, text)| text.clone()));
            assert!(read.is_ok_and(|read| read == kept));
            kept.promote();
        }
        assert!(Kept::read(|_| None).is_err());
    }

    #[test]
    fn a_leaf_is_renewed_at_two_thirds_of_its_day() {
        let hours = |count: u64| Duration::from_secs(count * 3_600);
        assert_eq!(leaf_renewal(day(0), day(0)), hours(16));
        assert_eq!(leaf_renewal(day(0), day(0) + SignedDuration::from_hours(15)), hours(1));
        assert_eq!(leaf_renewal(day(0), day(2)), Duration::ZERO);
        assert_eq!(leaf_renewal(day(3), day(0)), Duration::ZERO, "a clock that went back far does not put it off");
    }
}
