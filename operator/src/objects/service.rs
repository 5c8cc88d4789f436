//! A resolved generation into the Services by which viewers come in: one over all edges, and one for each location.

use crds::distribution::{ExternalTrafficPolicy, ServiceType, ViewerService};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{HTTP, metadata, selected};
use crate::distribution::resolved::Resolved;
use crate::names;

/// The Service over the edges of all locations, in the shape that the user gives it.
pub fn over_all(resolved: &Resolved) -> Service {
    let given = resolved.spec.viewer.as_ref().and_then(|viewer| viewer.service.clone()).unwrap_or_default();
    let mut service = build(resolved, None);
    service.metadata.annotations = (!given.annotations.is_empty()).then(|| given.annotations.clone());
    if let Some(spec) = &mut service.spec {
        shape(spec, given);
    }
    service
}

/// The Service over the edges of one location, for viewers and DNS that choose one.
pub fn of_location(resolved: &Resolved, location: &str) -> Service {
    build(resolved, Some(location))
}

fn build(resolved: &Resolved, location: Option<&str>) -> Service {
    let distribution = &resolved.key.name;
    let name = location.map_or_else(|| names::edge(distribution), |location| names::location(distribution, location));
    Service {
        metadata: metadata(resolved, name, location),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".into()),
            selector: Some(selected(resolved, location)),
            ports: Some(vec![ServicePort {
                name: Some(HTTP.into()),
                port: 80,
                protocol: Some("TCP".into()),
                target_port: Some(IntOrString::String(HTTP.into())),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn shape(spec: &mut ServiceSpec, given: ViewerService) {
    let type_ = match given.type_ {
        ServiceType::ClusterIP => "ClusterIP",
        ServiceType::NodePort => "NodePort",
        ServiceType::LoadBalancer => "LoadBalancer",
    };
    spec.type_ = Some(type_.into());
    spec.load_balancer_class = given.load_balancer_class;
    // The API server refuses the field for a Service that nothing outside the cluster can reach.
    if given.type_ != ServiceType::ClusterIP {
        let policy = match given.external_traffic_policy {
            Some(ExternalTrafficPolicy::Local) => "Local",
            Some(ExternalTrafficPolicy::Cluster) | None => "Cluster",
        };
        spec.external_traffic_policy = Some(policy.into());
    }
}
