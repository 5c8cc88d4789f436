//! The Distribution that users apply: its fields and its schema rules.

mod behavior;
mod cache;
mod choice;
mod cors;
mod error_response;
mod location;
mod logging;
mod origin;
mod origin_group;
mod origin_tls;
mod reference;
mod response_headers;
mod s3_origin;
mod status;
mod viewer;

pub use behavior::{Behavior, DefaultBehavior, Methods, Policy};
pub use cache::{CacheKey, CachePolicy, Heuristic, SetCookie, Ttl, ViewerControls};
pub use choice::{
    ChoiceMode, Cookies, Forward, ForwardMode, ForwardedCookies, ForwardedHeaders, ForwardedQueryStrings, QueryStrings,
};
pub use cors::{Cors, CorsMethod};
pub use error_response::ErrorResponse;
pub use location::{Location, LocationCache, PodTemplate};
pub use logging::Logging;
pub use origin::{
    HostHeader, HostHeaderMode, IngressReference, Origin, OriginHeader, OriginShield, ServicePort, ServiceReference,
};
pub use origin_group::OriginGroup;
pub use origin_tls::OriginTls;
pub use reference::{NameReference, SecretKeyReference};
pub use response_headers::{
    ContentTypeOptions, FrameOptions, Hsts, ReferrerPolicy, ResponseHeader, ResponseHeaders, Security,
};
pub use s3_origin::{Addressing, S3Origin};
pub use status::{
    Address, AddressType, DistributionStatus, EdgesStatus, InvalidationCounters, LocationStatus, Member, PendingOrder,
};
pub use viewer::{ExternalTrafficPolicy, Protocol, ServiceType, Viewer, ViewerService};

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Distribution is a CDN of its own: edge proxies at the locations it names, which serve its origins from their cache
/// by its behaviors. `kubectl wait --for=condition=Ready dist/NAME` waits until every edge serves this very spec.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "cdn.kubefront.io",
    version = "v1alpha1",
    kind = "Distribution",
    plural = "distributions",
    shortname = "dist",
    category = "cdn",
    namespaced,
    derive = "PartialEq",
    doc = "A Distribution is a CDN of its own: edge proxies at the locations it names, which serve its origins from their cache by its behaviors. Its name is at most 30 characters, starts with a letter and holds no double hyphen, because its children are named after it.",
    status = "DistributionStatus",
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "Enabled", type_ = "boolean", json_path = ".spec.enabled"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Edges", type_ = "string", json_path = ".status.edges.summary"),
    printcolumn(name = "Address", type_ = "string", json_path = ".status.addresses[0].value"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new(
        "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 30 && !self.metadata.name.contains('--')"
    )
    .message("metadata.name must be at most 30 of a-z, 0-9 and -, start with a letter, end with a letter or digit and hold no double hyphen")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.type == oldSelf.type").message("type is immutable: create another Distribution").field_path(".type"),
    validation = Rule::new("self.origins.exists(o, o.name == self.defaultBehavior.origin) || has(self.originGroups) && self.originGroups.exists(g, g.name == self.defaultBehavior.origin)")
        .message("defaultBehavior.origin names no origin and no origin group of this Distribution").field_path(".defaultBehavior.origin"),
    validation = Rule::new("!has(self.behaviors) || self.behaviors.all(b, self.origins.exists(o, o.name == b.origin) || has(self.originGroups) && self.originGroups.exists(g, g.name == b.origin))")
        .message("a behavior's origin names no origin and no origin group of this Distribution").field_path(".behaviors"),
    validation = Rule::new("!has(self.originGroups) || self.originGroups.all(g, !self.origins.exists(o, o.name == g.name))")
        .message("an origin group has the name of an origin: behaviors could not tell them apart").field_path(".originGroups"),
    validation = Rule::new("!has(self.originGroups) || self.originGroups.all(g, self.origins.exists(o, o.name == g.primary) && self.origins.exists(o, o.name == g.secondary))")
        .message("primary and secondary of an origin group must be origins of this Distribution").field_path(".originGroups"),
    validation = Rule::new("self.origins.all(o, !has(o.shield) || (has(self.locations) && size(self.locations) > 0 ? self.locations.exists(l, l.name == o.shield.location) : o.shield.location == 'default'))")
        .message("shield.location names no location of this Distribution; without locations there is one, default").field_path(".origins")
)]
pub struct DistributionSpec {
    /// What the Distribution serves: Web. It cannot be changed later. Default: Web.
    #[serde(rename = "type", default)]
    pub type_: DistributionType,

    /// False: edges answer every request with 503 and ask no origin; pods, Services and configuration are kept.
    /// Default: true.
    #[serde(default = "enabled")]
    pub enabled: bool,

    /// Host names to serve, in lower case; one leading `*.` stands for one or more labels. Without any, every `Host` is
    /// served. Only one Distribution of the cluster can hold an alias: the one that had it first. Example:
    /// `["shop.example.com", "*.shop.example.com"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 100),
        inner(
            length(min = 1, max = 253),
            regex(pattern = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub aliases: Vec<String>,

    /// Changing it removes everything from every edge once: the declarative way to invalidate `/*`, for GitOps. Setting
    /// it when the Distribution is created removes nothing. Example: `"2026-11-22.1"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub content_version: Option<String>,

    /// How viewers reach the edges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub viewer: Option<Viewer>,

    /// Where edges run: named sets of them, each with its own replicas, cache and pod settings. Without any there is one,
    /// `default`, with two replicas.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub locations: Vec<Location>,

    /// Where content comes from. Each origin has a name, by which behaviors choose it, and exactly one of `service`, `ingress`,
    /// `url` and `s3`.
    #[schemars(length(min = 1, max = 25))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub origins: Vec<Origin>,

    /// Pairs of origins that stand in for one another. Behaviors name a group as they name an origin. At most 10. Example:
    /// `[{name: ha, primary: app, secondary: legacy}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub origin_groups: Vec<OriginGroup>,

    /// The object served for `/`, without a leading slash. Example: `index.html`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 255),
        regex(pattern = r"^[A-Za-z0-9._~!$&'()+,;=:@%-][A-Za-z0-9._~!$&'()+,;=:@%/-]*$")
    )]
    pub default_root_object: Option<String>,

    /// Rules by path, in order: the first whose pattern matches decides. `defaultBehavior` decides for the rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 75))]
    #[x_kube(
        merge_strategy = ListMerge::Atomic,
        validation = Rule::new("self.all(b, self.exists_one(c, c.pathPattern == b.pathPattern))")
            .message("two behaviors have the same pathPattern: the second would never be used")
    )]
    pub behaviors: Vec<Behavior>,

    /// What happens to requests that no entry of `behaviors` matches.
    pub default_behavior: DefaultBehavior,

    /// What viewers get in place of errors, by status; each status once. At most 20. Example:
    /// `[{code: 404, responsePath: /errors/404.html, responseCode: 404, cacheTTL: 30s}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["code".into()]))]
    pub error_responses: Vec<ErrorResponse>,

    /// What edges write of each request. Default: a line without cookies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
}

fn enabled() -> bool {
    true
}

/// What a Distribution serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DistributionType {
    /// HTTP.
    #[default]
    Web,
}
