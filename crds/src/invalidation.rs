//! The Invalidation that users apply: its fields, its schema rules and its status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An Invalidation removes content from every edge of a Distribution. Once its condition `Complete` is True, no request
/// that starts later is answered with content that was read from the origin before the Invalidation was accepted.
///
/// The object is the memory: a finished one never fires again; deleting and creating it again is a new order. Write it
/// with `kubectl create` and `metadata.generateName`, or with a fixed name where a tool re-applies it.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "cdn.kubefront.io",
    version = "v1alpha1",
    kind = "Invalidation",
    plural = "invalidations",
    shortname = "inv",
    category = "cdn",
    namespaced,
    derive = "PartialEq",
    doc = "An Invalidation removes content from every edge of a Distribution. Once its condition Complete is True, no request that starts later is answered with content that was read from the origin before the Invalidation was accepted.",
    status = "InvalidationStatus",
    printcolumn(name = "Distribution", type_ = "string", json_path = ".spec.distributionRef.name"),
    printcolumn(
        name = "Complete",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Complete\")].status"
    ),
    printcolumn(name = "Edges", type_ = "string", json_path = ".status.edges.summary"),
    printcolumn(name = "Removed", type_ = "integer", json_path = ".status.removed"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("!has(self.spec.ttlSecondsAfterFinished) || has(self.metadata.generateName)")
        .message("ttlSecondsAfterFinished needs a generated name: an Invalidation of a fixed name stays, so that re-applying it finds it")
        .field_path(".spec.ttlSecondsAfterFinished")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.distributionRef == oldSelf.distributionRef && self.paths == oldSelf.paths")
        .message("an Invalidation is immutable: create another one, or delete this one and create it again")
)]
pub struct InvalidationSpec {
    /// The Distribution whose edges drop the content, in the same namespace.
    pub distribution_ref: DistributionReference,

    /// What to drop: paths that start with `/`. A `*` is allowed as the last character and stands for any run of
    /// characters, `/` and `?` among them. Case counts. An exact path removes every variant of that path; where query
    /// strings are part of the cache key, a path without a query covers the address without one, so list the queries or
    /// use `*`. Example: `["/index.html", "/img/*"]`.
    #[schemars(length(min = 1, max = 3000), inner(length(min = 1, max = 4000), regex(pattern = r"^/[^\s*#\\]*\*?$")))]
    #[x_kube(
        merge_strategy = ListMerge::Atomic,
        validation = Rule::new("self.filter(path, path.endsWith('*')).size() <= 15")
            .message("at most 15 paths may end in *")
    )]
    pub paths: Vec<String>,

    /// How long a finished Invalidation is kept, in seconds. Only with a generated name; one day where it is absent.
    /// An Invalidation with a fixed name stays until it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub ttl_seconds_after_finished: Option<u32>,
}

/// A Distribution of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DistributionReference {
    /// The Distribution's name.
    #[schemars(length(min = 1, max = 30))]
    pub name: String,
}

/// How far an Invalidation has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvalidationStatus {
    /// The generation this status is about; -1 until an operator has seen the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Its place in the Distribution's purge log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<SequenceStatus>,
    /// How many edges have applied it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edges: Option<InvalidationEdges>,
    /// Edges that it waits for, ten at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub waiting_for: Vec<WaitingFor>,
    /// Stored responses that the edges dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<u64>,
    /// When it got its place in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Time>,
    /// When the last edge had applied it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
    /// Accepted, Complete, Reconciling and Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// A place in a purge log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SequenceStatus {
    /// The life of the counter: numbers of two epochs are not comparable.
    pub epoch: u64,
    /// The number, rising by one with each order.
    pub number: u64,
}

/// Edges by what became of an order on them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvalidationEdges {
    /// Edges that may serve and so must apply it.
    pub expected: u32,
    /// Those that have, or that serve no more.
    pub acknowledged: u32,
    /// Both, for people: `3/4`.
    pub summary: String,
}

/// An edge that has not applied the order yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitingFor {
    /// The name of its pod.
    pub edge: String,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Why: `Unreachable`, `Applying`, `Starting`.
    pub reason: String,
}
