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

use crate::distribution::observed::Observed;
use crate::distribution::resolved::ResolvedOrigin;
use crate::finding::{Finding, MendedBy};

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
        Err(finding) => {
            let invalid = (finding.mended_by == MendedBy::Spec).then(|| finding.message.clone());
            (ResolvedOrigin { invalid, authority, ..ResolvedOrigin::default() }, Some(finding))
        }
    }
}
