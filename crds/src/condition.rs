//! The conditions of both kinds: their types and reasons, each documented by what makes it true.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// The conditions of a Distribution and an Invalidation. `kubectl wait --for=condition=…` waits for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConditionType {
    /// Every field of this generation is valid. On an Invalidation: it has its place in the purge log.
    Accepted,
    /// Every Service and Ingress that is named was found and may be used, and every live edge has every Secret and `ConfigMap`.
    ResolvedRefs,
    /// No older Distribution holds one of the aliases.
    AliasesHeld,
    /// Every Service that is an origin has an endpoint which can be asked, and every live edge gets answers from every origin.
    OriginsHealthy,
    /// Every live edge acknowledged the configuration of this generation.
    Programmed,
    /// Accepted, `ResolvedRefs` and Programmed; one ready edge in every location; the order of `contentVersion` complete.
    Ready,
    /// Every edge that may serve has applied this Invalidation.
    Complete,
    /// Work towards the other conditions is under way.
    Reconciling,
    /// Only a new generation of this object can help.
    Stalled,
}

impl ConditionType {
    /// As it stands in `status.conditions[].type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::ResolvedRefs => "ResolvedRefs",
            Self::AliasesHeld => "AliasesHeld",
            Self::OriginsHealthy => "OriginsHealthy",
            Self::Programmed => "Programmed",
            Self::Ready => "Ready",
            Self::Complete => "Complete",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
        }
    }

    /// The condition of this type among `conditions`.
    pub fn of(self, conditions: &[Condition]) -> Option<&Condition> {
        conditions.iter().find(|condition| condition.type_ == self.as_str())
    }

    /// Whether the condition of this type is there and `True`.
    pub fn is_true(self, conditions: &[Condition]) -> bool {
        self.of(conditions).is_some_and(|condition| condition.status == "True")
    }
}

/// Why a condition has the status it has: one word for programs, beside the message for people. `docs/conditions.md` lists all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The condition is as it should be.
    Succeeded,
    /// A field holds something that this release cannot serve.
    InvalidField,
    /// A Service or Ingress that a field names does not exist.
    NotFound,
    /// A Service has no port of that name or number.
    PortNotFound,
    /// The reference exists but may not be an origin: an `ExternalName` Service, one of a namespace that does not
    /// grant it, an address that no origin may have.
    RefNotPermitted,
    /// A port of a Service speaks something else than HTTP.
    UnsupportedProtocol,
    /// An Ingress has no address of a load balancer yet.
    AddressPending,
    /// A Secret or `ConfigMap` that a field names is missing, or what is in it is of no use: an edge says so.
    RefUnusable,
    /// An edge gets no answer from an origin.
    OriginUnhealthy,
    /// An object of the name a child needs exists and belongs to somebody else.
    NameTaken,
    /// The compiled configuration is larger than a `ConfigMap` holds.
    ConfigurationTooLarge,
    /// An older Distribution holds an alias.
    AliasTaken,
    /// A Service has no endpoint that is ready, or that ends and still serves.
    NoEndpoints,
    /// Not every live edge has acknowledged the configuration.
    WaitingForEdges,
    /// An edge refused the configuration; the one before it serves on.
    RefusedByEdge,
    /// Edge pods are being created, replaced or removed.
    RollingOut,
    /// A location has no ready edge.
    NoReadyEdge,
    /// A new configuration is on its way to the edges.
    Programming,
    /// The order that a changed `contentVersion` made is not complete.
    ContentVersionPending,
    /// Something else of the list above keeps it from being true; the message names it.
    NotReady,
    /// The Distribution that an Invalidation names does not exist.
    DistributionNotFound,
    /// Refused for an hour, and given up: create it again.
    Expired,
    /// An Invalidation waits for its number: others before it are not settled.
    Queued,
    /// The API server refused to write an object; it is tried again.
    WriteFailed,
    /// Nothing is left to do.
    Idle,
    /// Only a change of the spec can help.
    NeedsChange,
}

impl Reason {
    /// As it stands in `status.conditions[].reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::InvalidField => "InvalidField",
            Self::NotFound => "NotFound",
            Self::PortNotFound => "PortNotFound",
            Self::RefNotPermitted => "RefNotPermitted",
            Self::UnsupportedProtocol => "UnsupportedProtocol",
            Self::AddressPending => "AddressPending",
            Self::RefUnusable => "RefUnusable",
            Self::OriginUnhealthy => "OriginUnhealthy",
            Self::NameTaken => "NameTaken",
            Self::ConfigurationTooLarge => "ConfigurationTooLarge",
            Self::AliasTaken => "AliasTaken",
            Self::NoEndpoints => "NoEndpoints",
            Self::WaitingForEdges => "WaitingForEdges",
            Self::RefusedByEdge => "RefusedByEdge",
            Self::RollingOut => "RollingOut",
            Self::NoReadyEdge => "NoReadyEdge",
            Self::Programming => "Programming",
            Self::ContentVersionPending => "ContentVersionPending",
            Self::NotReady => "NotReady",
            Self::DistributionNotFound => "DistributionNotFound",
            Self::Expired => "Expired",
            Self::Queued => "Queued",
            Self::WriteFailed => "WriteFailed",
            Self::Idle => "Idle",
            Self::NeedsChange => "NeedsChange",
        }
    }
}
