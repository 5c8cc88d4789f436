//! What the API and the settings say of the cluster into [`Cluster`].

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use edge_contract::Walls;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::ListParams;

use crate::causes::chain;
use crate::cluster::{Channel, Cluster, EdgeImage};
use crate::settings::Settings;

/// The Service of the API servers, which every cluster has.
const API_SERVICE: (&str, &str) = ("default", "kubernetes");

/// The label by which the chart's pods are known.
const OPERATOR_LABEL: (&str, &str) = ("app.kubernetes.io/name", "kubefront-operator");

/// The cluster, as far as it can be seen.
pub async fn look(client: &kube::Client, settings: &Settings) -> Cluster {
    let Settings { namespace, channel_service, channel_port, .. } = settings;
    Cluster {
        domain: settings.cluster_domain.trim_matches('.').to_owned(),
        watched: settings.scopes().into_iter().flatten().collect(),
        walls: Walls {
            local_origins: false,
            api_servers: api_servers(client).await,
            cluster_networks: settings.cluster_cidrs.clone(),
        },
        edge: EdgeImage { name: settings.edge_image.clone(), pull_policy: None },
        channel: Channel {
            address: format!("{channel_service}.{namespace}.svc:{channel_port}"),
            namespace: namespace.clone(),
            pod_labels: [(OPERATOR_LABEL.0.to_owned(), OPERATOR_LABEL.1.to_owned())].into(),
            port: *channel_port,
        },
    }
}

/// The Service's address is known to every pod; the endpoints behind it only where `default` is among the namespaces that
/// this operator may read.
async fn api_servers(client: &kube::Client) -> BTreeSet<SocketAddr> {
    let own = std::env::var("KUBERNETES_SERVICE_HOST").ok().zip(std::env::var("KUBERNETES_SERVICE_PORT").ok());
    let own = own.and_then(|(host, port)| Some(SocketAddr::new(host.parse().ok()?, port.parse().ok()?)));
    match listed(client).await {
        Ok(listed) => listed.into_iter().chain(own).collect(),
        Err(error) => {
            tracing::info!(
                error = chain(&error),
                "only the API's own Service is refused as an origin, not what lies behind it"
            );
            own.into_iter().collect()
        }
    }
}

async fn listed(client: &kube::Client) -> Result<BTreeSet<SocketAddr>, kube::Error> {
    let (namespace, name) = API_SERVICE;
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    let spec = services.get(name).await?.spec.unwrap_or_default();
    let ports = spec.ports.unwrap_or_default();
    let ips = spec.cluster_ips.or_else(|| Some(vec![spec.cluster_ip?])).unwrap_or_default();
    let of_service = ips.iter().flat_map(|ip| ports.iter().filter_map(|port| address(ip, port.port)));

    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), namespace);
    let of_it = ListParams::default().labels(&format!("kubernetes.io/service-name={name}"));
    let slices = slices.list(&of_it).await?;
    let of_endpoints = slices.iter().flat_map(|slice| {
        let ports = slice.ports.iter().flatten().filter_map(|port| port.port);
        let ips = slice.endpoints.iter().flat_map(|endpoint| &endpoint.addresses);
        ports.flat_map(move |port| ips.clone().filter_map(move |ip| address(ip, port)))
    });
    Ok(of_service.chain(of_endpoints).collect())
}

fn address(ip: &str, port: i32) -> Option<SocketAddr> {
    Some(SocketAddr::new(ip.parse::<IpAddr>().ok()?, u16::try_from(port).ok()?))
}
