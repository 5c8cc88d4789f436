//! What the Lease says, and since when it says so, into what a candidate does about it: client-go's rules, without I/O.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::ObjectMeta;
use tokio::time::Instant;

/// How long a Lease holds after it was last seen to change: what a failover waits for after a crash.
pub const LEASE: Duration = Duration::from_secs(15);
/// How often a leader renews.
pub const RENEW_EVERY: Duration = Duration::from_secs(5);
/// A leader whose last renewal began this long ago steps down: well before [`LEASE`] lets another one lead.
pub const GIVE_UP: Duration = Duration::from_secs(10);
/// How often a follower looks, and a leader tries again.
pub const RETRY: Duration = Duration::from_secs(2);

/// Where the leader writes `podIP:port` of its channel, for followers to send edges to.
pub const ADDRESS_ANNOTATION: &str = "cdn.kubefront.io/channel-address";

/// Who wants to lead, and where it can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidacy {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub lease: String,
    /// Unique for each process that may lead: a pod's uid with its start, not its name alone.
    pub identity: String,
    /// `IP:port` of this process's channel.
    pub address: String,
}

/// The Lease as last read or written, and when it was seen to change.
///
/// Expiry counts from there on the local monotonic clock: the times inside the Lease are another machine's.
#[derive(Clone, Debug)]
pub struct Observed {
    lease: Lease,
    changed_at: Instant,
}

/// What to do about a Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is none: create it.
    Create,
    /// Nobody holds it, or its holder let it run out: write ourselves into it.
    Take,
    /// We hold it: renew it.
    Renew,
    /// Another one holds it until then.
    Wait {
        /// When it runs out unless it is seen to change.
        until: Instant,
    },
}

impl Observed {
    /// What was just read or written, after what was known before.
    pub fn after(before: Option<Self>, lease: Lease, now: Instant) -> Self {
        let same = before.as_ref().is_some_and(|before| before.lease.spec == lease.spec);
        let changed_at = before.filter(|_| same).map_or(now, |before| before.changed_at);
        Self { lease, changed_at }
    }

    /// Where the one who leads can be reached, as far as it still may.
    pub fn leader_address(&self, me: &str, now: Instant) -> Option<String> {
        let held = !self.holder().is_empty() && self.holder() != me && now < self.runs_out();
        let annotations = self.lease.metadata.annotations.as_ref();
        annotations.filter(|_| held).and_then(|annotations| annotations.get(ADDRESS_ANNOTATION)).cloned()
    }

    /// Whether the Lease names `me`.
    pub fn is_held_by(&self, me: &str) -> bool {
        self.holder() == me
    }

    fn spec(&self) -> Option<&LeaseSpec> {
        self.lease.spec.as_ref()
    }

    fn holder(&self) -> &str {
        self.spec().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default()
    }

    fn runs_out(&self) -> Instant {
        let seconds = self.spec().and_then(|spec| spec.lease_duration_seconds).and_then(|s| u64::try_from(s).ok());
        self.changed_at + seconds.map_or(LEASE, Duration::from_secs)
    }
}

/// What `me` does about the Lease at `now`.
pub fn decide(me: &str, observed: Option<&Observed>, now: Instant) -> Step {
    let Some(observed) = observed else { return Step::Create };
    if observed.is_held_by(me) {
        return Step::Renew;
    }
    let until = observed.runs_out();
    if observed.holder().is_empty() || now >= until { Step::Take } else { Step::Wait { until } }
}

/// The Lease that says `candidacy` holds it, on top of what was observed: its resourceVersion makes the write fail if
/// anyone wrote in between.
pub fn held(candidacy: &Candidacy, observed: Option<&Observed>, wall: Timestamp) -> Lease {
    let mut lease = observed.map_or_else(|| new_lease(candidacy), |observed| observed.lease.clone());
    let mut spec = lease.spec.take().unwrap_or_default();
    if spec.holder_identity.as_deref() != Some(candidacy.identity.as_str()) {
        // The first holder is no transition, as in client-go.
        spec.lease_transitions = Some(observed.map_or(0, |_| spec.lease_transitions.unwrap_or(0).saturating_add(1)));
        spec.acquire_time = Some(MicroTime(wall));
        spec.holder_identity = Some(candidacy.identity.clone());
    }
    spec.lease_duration_seconds = i32::try_from(LEASE.as_secs()).ok();
    spec.renew_time = Some(MicroTime(wall));
    lease.spec = Some(spec);
    let annotations = lease.metadata.annotations.get_or_insert_default();
    annotations.insert(ADDRESS_ANNOTATION.into(), candidacy.address.clone());
    lease
}

/// The Lease that nobody holds, so that the next one need not wait.
pub fn released(observed: &Observed, wall: Timestamp) -> Lease {
    let mut lease = observed.lease.clone();
    let spec = lease.spec.get_or_insert_default();
    spec.holder_identity = Some(String::new());
    // Not zero, which the API refuses; client-go writes the same.
    spec.lease_duration_seconds = Some(1);
    spec.renew_time = Some(MicroTime(wall));
    if let Some(annotations) = &mut lease.metadata.annotations {
        annotations.remove(ADDRESS_ANNOTATION);
    }
    lease
}

fn new_lease(candidacy: &Candidacy) -> Lease {
    let metadata = ObjectMeta {
        name: Some(candidacy.lease.clone()),
        namespace: Some(candidacy.namespace.clone()),
        ..ObjectMeta::default()
    };
    Lease { metadata, spec: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn candidacy(identity: &str) -> Candidacy {
        Candidacy {
            namespace: "kubefront".into(),
            lease: "kubefront-operator".into(),
            identity: identity.into(),
            address: format!("{identity}:8443"),
        }
    }

    fn held_by(identity: &str) -> Lease {
        held(&candidacy(identity), None, Timestamp::UNIX_EPOCH)
    }

    #[track_caller]
    fn check(lease: Option<Lease>, age: Duration, expect: impl FnOnce(Instant) -> Step) {
        let seen = clock::monotonic();
        let observed = lease.map(|lease| Observed::after(None, lease, seen));
        assert_eq!(decide("me", observed.as_ref(), seen + age), expect(seen));
    }

    #[test]
    fn each_state_of_the_lease_has_one_step() {
        let released = released(&Observed::after(None, held_by("other"), clock::monotonic()), Timestamp::UNIX_EPOCH);
        check(None, Duration::ZERO, |_| Step::Create);
        check(Some(held_by("me")), Duration::ZERO, |_| Step::Renew);
        check(Some(held_by("me")), LEASE * 9, |_| Step::Renew);
        check(Some(released), Duration::ZERO, |_| Step::Take);
        check(Some(held_by("other")), Duration::ZERO, |seen| Step::Wait { until: seen + LEASE });
        check(Some(held_by("other")), Duration::from_millis(14_999), |seen| Step::Wait { until: seen + LEASE });
        check(Some(held_by("other")), LEASE, |_| Step::Take);
    }

    #[test]
    fn a_lease_runs_out_from_when_it_was_seen_to_change_whatever_its_own_times_say() {
        let start = clock::monotonic();
        let first = Observed::after(None, held_by("other"), start);
        let read_again = Observed::after(Some(first), held_by("other"), start + RETRY);
        assert_eq!(decide("me", Some(&read_again), start + RETRY), Step::Wait { until: start + LEASE });

        let renewed = held(&candidacy("other"), Some(&read_again), Timestamp::MAX);
        let renewed = Observed::after(Some(read_again), renewed, start + RENEW_EVERY);
        assert_eq!(
            decide("me", Some(&renewed), start + RENEW_EVERY),
            Step::Wait { until: start + RENEW_EVERY + LEASE }
        );
    }

    #[test]
    fn a_change_of_labels_does_not_prolong_a_lease() {
        let start = clock::monotonic();
        let first = Observed::after(None, held_by("other"), start);
        let mut labelled = held_by("other");
        labelled.metadata.labels.get_or_insert_default().insert("a".into(), "b".into());
        labelled.metadata.resource_version = Some("9".into());
        let labelled = Observed::after(Some(first), labelled, start + LEASE);
        assert_eq!(decide("me", Some(&labelled), start + LEASE), Step::Take);
    }

    #[test]
    fn transitions_count_holders_and_not_renewals() {
        let transitions = |lease: &Lease| lease.spec.as_ref().and_then(|spec| spec.lease_transitions);
        let now = clock::monotonic();
        let first = held_by("other");
        assert_eq!(transitions(&first), Some(0));
        let first = Observed::after(None, first, now);
        assert_eq!(transitions(&held(&candidacy("other"), Some(&first), Timestamp::MAX)), Some(0));
        assert_eq!(transitions(&held(&candidacy("me"), Some(&first), Timestamp::MAX)), Some(1));
    }

    #[test]
    fn edges_are_sent_to_the_holder_only_while_it_may_lead() {
        let now = clock::monotonic();
        let observed = Observed::after(None, held_by("other"), now);
        assert_eq!(observed.leader_address("me", now), Some("other:8443".into()));
        assert_eq!(observed.leader_address("other", now), None);
        assert_eq!(observed.leader_address("me", now + LEASE), None);
        let released = Observed::after(None, released(&observed, Timestamp::MAX), now);
        assert_eq!(released.leader_address("me", now), None);
    }
}
