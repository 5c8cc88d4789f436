//! The origins of a spec into where they are now: the port of a Service, the address of an Ingress, the parts of a url, the place of
//! a bucket.

mod ingress;
mod s3;
mod service;
mod url;

use std::collections::BTreeMap;

use crds::DistributionSpec;
use crds::condition::Reason;
use crds::distribution::Origin;
use edge_contract::OriginTarget;

pub use service::ResolvedService;

use crate::distribution::observed::Observed;
use crate::finding::Finding;

/// Where an origin is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvedOrigin {
    /// How it is reached; absent while what it names does not exist or may not be an origin.
    pub target: Option<OriginTarget>,
    /// Its own name, as `Host` says it.
    pub authority: String,
    /// The name that its certificate is to be for, where that is not the name it is found by.
    pub server_name: Option<String>,
    /// The path of its url, not yet joined with that of the spec.
    pub url_path: String,
    /// The Service behind it, where it is one that exists.
    pub service: Option<ResolvedService>,
}

impl ResolvedOrigin {
    fn unresolved(authority: String) -> Self {
        Self { authority, ..Self::default() }
    }
}

/// Every origin by name, and a finding for each that cannot be reached.
pub(super) fn resolve(
    spec: &DistributionSpec,
    observed: &Observed,
) -> (BTreeMap<String, ResolvedOrigin>, Vec<Finding>) {
    let (mut origins, mut findings) = (BTreeMap::new(), Vec::new());
    for origin in &spec.origins {
        let (resolved, finding) = resolve_one(origin, observed);
        findings.extend(finding);
        origins.insert(origin.name.clone(), resolved);
    }
    (origins, findings)
}

fn resolve_one(origin: &Origin, observed: &Observed) -> (ResolvedOrigin, Option<Finding>) {
    let field = format!("spec.origins[{}]", origin.name);
    let (authority, found) = match (&origin.service, &origin.ingress, &origin.url, &origin.s3) {
        (Some(reference), ..) => service::resolve(reference, origin.tls.is_some(), &field, observed),
        (_, Some(reference), ..) => ingress::resolve(reference, origin.tls.is_some(), &field, observed),
        (_, _, Some(text), _) => url::resolve(text, &format!("{field}.url"), observed),
        (_, _, _, Some(bucket)) => s3::resolve(bucket, &field, observed),
        // The API server asks for exactly one; a manifest that no server has seen may lack all.
        (None, None, None, None) => {
            let message = "give exactly one of service, ingress, url and s3";
            (origin.name.clone(), Err(Finding::in_spec(field, Reason::InvalidField, message)))
        }
    };
    match found {
        Ok(resolved) => (resolved, None),
        Err(finding) => (ResolvedOrigin::unresolved(authority), Some(finding)),
    }
}
