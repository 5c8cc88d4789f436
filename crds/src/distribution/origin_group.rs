//! Two origins of which one stands in for the other.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Two origins of which one stands in for the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.primary != self.secondary")
        .message("an origin cannot stand in for itself: name two").field_path(".secondary")
)]
pub struct OriginGroup {
    /// The name that behaviors refer to, apart from those of origins. Example: `ha`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The origin that is asked.
    #[schemars(length(min = 1, max = 63))]
    pub primary: String,
    /// The origin that is asked instead, for a request that changes nothing (GET, HEAD, OPTIONS), where the primary gives no answer
    /// or one of `failoverOn`.
    #[schemars(length(min = 1, max = 63))]
    pub secondary: String,
    /// Statuses of the primary that are as good as no answer. Default: 500, 502, 503 and 504.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 20), inner(range(min = 400, max = 599)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub failover_on: Vec<u16>,
}
