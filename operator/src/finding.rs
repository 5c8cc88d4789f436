//! A user's mistake, or a hole in the cluster that a Distribution points at, as a value: it becomes a condition, never an error.

use crds::condition::Reason;
use serde::Serialize;

/// What is wrong with a Distribution, where, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The field that says it: `spec.origins[app].service.port`.
    pub field: String,
    /// One word for programs.
    #[serde(serialize_with = "word")]
    pub reason: Reason,
    /// For people: what is wrong and what mends it.
    pub message: String,
    /// Whose change mends it.
    pub mended_by: MendedBy,
}

/// Whose change mends a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum MendedBy {
    /// Only a new generation of the Distribution: waiting does not help.
    Spec,
    /// Something of the cluster: it may appear or change at any time, and then all goes on by itself.
    Cluster,
}

impl Finding {
    /// A finding that only a new generation of the Distribution mends.
    pub fn in_spec(field: impl Into<String>, reason: Reason, message: impl Into<String>) -> Self {
        Self { field: field.into(), reason, message: message.into(), mended_by: MendedBy::Spec }
    }

    /// A finding that a change elsewhere in the cluster mends too.
    pub fn in_cluster(field: impl Into<String>, reason: Reason, message: impl Into<String>) -> Self {
        Self { field: field.into(), reason, message: message.into(), mended_by: MendedBy::Cluster }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a field by reference")]
fn word<S: serde::Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.as_str())
}
