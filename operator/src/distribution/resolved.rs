//! What is to serve: a generation with every default applied and everything it refers to found.

use std::collections::{BTreeMap, BTreeSet};

use crds::DistributionSpec;
use crds::distribution::PodTemplate;
use edge_contract::{OriginTarget, Walls};
use k8s_openapi::api::core::v1::ResourceRequirements;

use crate::child::ChildKind;
use crate::names::DistributionKey;

/// A generation with everything it refers to.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// Which Distribution.
    pub key: DistributionKey,
    /// Its uid.
    pub uid: String,
    /// The generation that serves: the newest, or the last taken one.
    pub generation: i64,
    /// What that generation asks for.
    pub spec: DistributionSpec,
    /// Its locations, defaults applied.
    pub locations: Vec<ResolvedLocation>,
    /// Its origins by name.
    pub origins: BTreeMap<String, ResolvedOrigin>,
    /// Those of its aliases that it holds.
    pub aliases: Vec<String>,
    /// Names by which the edges are reached whatever the aliases say.
    pub own_names: Vec<String>,
    /// Where none of its origins may be.
    pub walls: Walls,
    /// Children whose names belong to somebody else: they are left out.
    pub foreign: BTreeSet<(ChildKind, String)>,
}

/// A named set of edges with every default applied.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedLocation {
    /// Its name.
    pub name: String,
    /// How many edges.
    pub replicas: i32,
    /// How many bytes stored responses may hold in the memory of each.
    pub cache_memory: u64,
    /// What the user says of the pods.
    pub pod: PodTemplate,
    /// What each edge asks for and may use.
    pub resources: ResourceRequirements,
    /// A digest of what the user says of it, before any default.
    pub asked: String,
}

/// Where an origin is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvedOrigin {
    /// How it is reached; absent while what it names does not exist or may not be an origin.
    pub target: Option<OriginTarget>,
    /// Why only another spec can give it one.
    pub invalid: Option<String>,
    /// Its own name, as `Host` says it.
    pub authority: String,
    /// The name that its certificate is to be for, where that is not the name it is found by.
    pub server_name: Option<String>,
    /// The path of its url, not yet joined with that of the spec.
    pub url_path: String,
    /// The Service behind it, where it is one that exists.
    pub service: Option<ResolvedService>,
}

/// A Service that is an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedService {
    /// Where it is.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The name of the port, by which `EndpointSlices` say which number each pod has for it; empty where it has none.
    pub port_name: String,
    /// The number of that port on the pods, where the Service says one.
    pub target_port: Option<u16>,
    /// The address family of its cluster address: its pods are listed once for each family.
    pub ip_family: Option<String>,
    /// The labels of its pods; empty where something else says which they are.
    pub selector: BTreeMap<String, String>,
}
