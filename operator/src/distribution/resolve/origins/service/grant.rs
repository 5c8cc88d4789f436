//! A Service of another namespace into whether this Distribution may name it, and what its owner has to write if not.

use crds::distribution::ServiceReference;
use kube::ResourceExt;

use crate::distribution::observed::Observed;
use crate::reference_grant;

/// Nothing, or why not.
pub(super) fn permit(reference: &ServiceReference, namespace: &str, observed: &Observed) -> Result<(), String> {
    let own = observed.distribution.namespace().unwrap_or_default();
    let watched = &observed.cluster.watched;
    if own == namespace {
        return Ok(());
    }
    if !watched.is_empty() && watched.iter().all(|watched| watched != namespace) {
        return Err(format!(
            "this installation does not look into namespace {namespace}; have it added to watchNamespaces of the chart"
        ));
    }
    let mut grants = observed.grants.iter().filter(|grant| grant.namespace().as_deref() == Some(namespace));
    if grants.any(|grant| grant.lets_name(&own, &reference.name)) {
        return Ok(());
    }
    Err(format!(
        "namespace {namespace} does not let Distributions of {own} name its Service {name}; whoever owns it creates a ReferenceGrant ({group}) there with the lines `spec: {{from: [{{group: {ours}, kind: Distribution, namespace: {own}}}], to: [{{group: \"\", kind: Service, name: {name}}}]}}`",
        name = reference.name,
        group = reference_grant::GROUP,
        ours = crds::GROUP,
    ))
}
