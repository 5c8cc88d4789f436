//! An Invalidation into what the walk asks of it: its number, whether it has ended, what it drops.

use crds::Invalidation;
use crds::condition::{ConditionType, Reason};
use edge_contract::{Epoch, PurgeOrder, Scope, Sequence, SequenceNumber};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use crate::counters::Holder;

/// How long a finished Invalidation with a generated name is kept where it does not say.
const KEPT_SECONDS: u32 = 86_400;

/// The last character of a path that stands for any run of characters.
const WILDCARD: char = '*';

/// How many paths of each kind an Invalidation, or several, have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    /// Those that name one address.
    pub exact: usize,
    /// Those that end in `*`.
    pub wildcards: usize,
}

impl Paths {
    /// What may be in flight for one Distribution.
    const ROOM: Self = Self { exact: 3_000, wildcards: 15 };

    /// The paths of an Invalidation.
    pub fn of(invalidation: &Invalidation) -> Self {
        let wildcards = invalidation.spec.paths.iter().filter(|path| path.ends_with(WILDCARD)).count();
        Self { exact: invalidation.spec.paths.len() - wildcards, wildcards }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        Self { exact: self.exact + more.exact, wildcards: self.wildcards + more.wildcards }
    }

    /// Whether so many may be in flight.
    pub fn fit(self) -> bool {
        self.exact <= Self::ROOM.exact && self.wildcards <= Self::ROOM.wildcards
    }
}

/// The uid; every object that the API returned has one.
pub fn uid(invalidation: &Invalidation) -> &str {
    invalidation.metadata.uid.as_deref().unwrap_or_default()
}

/// The number on it.
pub fn sequence(invalidation: &Invalidation) -> Option<Sequence> {
    let on_it = invalidation.status.as_ref()?.sequence?;
    Some(Sequence { epoch: Epoch(on_it.epoch), number: on_it.number })
}

/// The number on it, if it is one of this epoch.
pub fn number_in(epoch: u64, invalidation: &Invalidation) -> Option<SequenceNumber> {
    sequence(invalidation).filter(|sequence| sequence.epoch.0 == epoch).map(|sequence| sequence.number)
}

/// It as the counters see it.
pub fn holder(invalidation: &Invalidation) -> Holder {
    Holder {
        uid: uid(invalidation).to_owned(),
        sequence: sequence(invalidation),
        finished: finished_at(invalidation).is_some(),
    }
}

/// When it ended, complete or given up; a finished one never fires again.
pub fn finished_at(invalidation: &Invalidation) -> Option<Timestamp> {
    let status = invalidation.status.as_ref()?;
    let since = |type_: ConditionType| type_.of(&status.conditions).map(|condition| condition.last_transition_time.0);
    if ConditionType::Complete.is_true(&status.conditions) {
        return status.completed_at.as_ref().map(|time| time.0).or_else(|| since(ConditionType::Complete));
    }
    refused(invalidation, Reason::Expired)?;
    since(ConditionType::Stalled).or_else(|| since(ConditionType::Accepted))
}

/// The condition that refuses it for this reason, if one does.
pub fn refused(invalidation: &Invalidation, reason: Reason) -> Option<&Condition> {
    let accepted = ConditionType::Accepted.of(&invalidation.status.as_ref()?.conditions)?;
    (accepted.status == "False" && accepted.reason == reason.as_str()).then_some(accepted)
}

/// Until when it is kept: nothing for one that has not ended, or whose name was given, so that re-applying it finds it.
pub fn kept_until(invalidation: &Invalidation) -> Option<Timestamp> {
    invalidation.metadata.generate_name.as_ref()?;
    let seconds = invalidation.spec.ttl_seconds_after_finished.unwrap_or(KEPT_SECONDS);
    let ended = finished_at(invalidation)?;
    ended.checked_add(jiff::SignedDuration::from_secs(i64::from(seconds))).ok()
}

/// Those that come first get their number first; of two of one second, by name.
pub fn turn(invalidation: &Invalidation) -> (Option<Timestamp>, String) {
    (invalidation.metadata.creation_timestamp.as_ref().map(|time| time.0), invalidation.name_any())
}

/// Whether it drops everything.
pub fn flushes(invalidation: &Invalidation) -> bool {
    invalidation.spec.paths.iter().any(|path| scope(path) == Scope::Everything)
}

/// It as edges are told.
pub fn purge_order(invalidation: &Invalidation, at: Sequence) -> PurgeOrder {
    let scopes = invalidation.spec.paths.iter().map(|path| scope(path)).collect();
    PurgeOrder { epoch: at.epoch, sequence: at.number, uid: uid(invalidation).to_owned(), scopes }
}

/// What one path covers.
fn scope(path: &str) -> Scope {
    match path.strip_suffix(WILDCARD) {
        Some("/") => Scope::Everything,
        Some(prefix) => Scope::Prefix(prefix.to_owned()),
        None => Scope::Exact(path.to_owned()),
    }
}
