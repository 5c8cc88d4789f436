//! A location into the Deployment that runs its edges.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::Volume;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{metadata, pod, selector};
use crate::cluster::Cluster;
use crate::digest::digest;
use crate::distribution::resolved::{Resolved, ResolvedLocation};
use crate::names;

/// As many old templates as a person may want to look back at.
const HISTORY: i32 = 3;

/// The Deployment of a location.
pub fn build(
    resolved: &Resolved,
    location: &ResolvedLocation,
    cluster: &Cluster,
    mounts: Option<&Volume>,
) -> Deployment {
    let name = names::location(&resolved.key.name, &location.name);
    let template = pod::template(resolved, location, cluster, mounts);
    // What is mounted is the user's wish too, whatever field it comes from.
    let asked = mounts.map_or_else(|| location.asked.clone(), |mounts| digest(&(&location.asked, mounts)));
    let annotations =
        [(names::ASKED_ANNOTATION.to_owned(), asked), (names::TEMPLATE_ANNOTATION.to_owned(), digest(&template))];
    Deployment {
        metadata: ObjectMeta {
            annotations: Some(annotations.into()),
            ..metadata(resolved, name, Some(&location.name))
        },
        spec: Some(DeploymentSpec {
            replicas: Some(location.replicas),
            revision_history_limit: Some(HISTORY),
            selector: selector(resolved, Some(&location.name)),
            // One at a time, and none leaves before its successor serves: a template that does not work stops at one pod.
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".into()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(1)),
                    max_unavailable: Some(IntOrString::Int(0)),
                }),
            }),
            template,
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}
