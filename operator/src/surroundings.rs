//! What the API and the settings say of the cluster into [`Cluster`].
//!
//! Flow: [`first`] look → [`Cluster`] → [`follow`], which changes it and tells of it.
//! Guarantees: where an API server was seen no origin may be until [`LOOKS`] looks in a row did not show it there. So neither a look
//! that fails nor an API server that is away for a while opens a wall, and neither changes what every edge is told.
//! Errors: a look that fails says nothing, and is soon repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use edge_contract::Walls;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::ListParams;
use tokio::time::{sleep, timeout};

use crate::causes::chain;
use crate::cluster::{Channel, Cluster, EdgeImage};
use crate::settings::Settings;

/// How often it is looked.
const LOOK_AGAIN: Duration = Duration::from_mins(10);

/// How soon after a first look that failed, and twice as long after each that fails too.
const FAILED_AGAIN: Duration = Duration::from_secs(10);

/// How soon the very first look is repeated: nothing begins before it.
const FIRST_AGAIN: Duration = Duration::from_secs(2);

/// The longest that a look may take: it is two small calls.
const LOOK_LIMIT: Duration = Duration::from_secs(10);

/// How many looks in a row an address has to be missing from: an hour of them.
const LOOKS: u32 = 6;

/// The Service of the API servers, which every cluster has.
const API_SERVICE: (&str, &str) = ("default", "kubernetes");

/// The label by which the chart's pods are known.
const OPERATOR_LABEL: (&str, &str) = ("app.kubernetes.io/name", "kubefront-operator");

/// Why a look showed nothing.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error("could not read the Service of the API servers")]
    ReadService(#[source] kube::Error),
    #[error("could not list its EndpointSlices")]
    ListEndpoints(#[source] kube::Error),
    #[error("the API did not answer in time")]
    Silent,
}

/// Where API servers were seen, and how many looks in a row have not shown them there since.
#[derive(Debug)]
struct Sightings(BTreeMap<SocketAddr, u32>);

/// The cluster, as far as it can be seen. However long the API takes to answer: only that it refuses to is an answer too.
pub async fn first(client: &kube::Client, settings: &Settings) -> Cluster {
    loop {
        match look(client).await {
            Ok(api_servers) => return cluster(settings, api_servers),
            Err(error) if error.is_refusal() => {
                tracing::info!(
                    error = chain(&error),
                    "only the API's own Service is refused as an origin, not what lies behind it"
                );
                return cluster(settings, own().into_iter().collect());
            }
            Err(error) => tracing::warn!(error = chain(&error), "does not know yet where API servers listen"),
        }
        sleep(FIRST_AGAIN).await;
    }
}

/// Looks again and again; `changed` hears of what is another cluster than before.
pub async fn follow(client: &kube::Client, cluster: &ArcSwap<Cluster>, changed: impl Fn()) {
    let mut sightings = Sightings::of(&cluster.load().walls.api_servers);
    // The first look may have been in vain.
    let mut failures = 1;
    loop {
        sleep(wait(failures)).await;
        match look(client).await {
            Ok(seen) => {
                failures = 0;
                sightings.take(seen);
            }
            Err(error) => {
                failures += 1;
                tracing::info!(error = chain(&error), "API servers are taken to be where they were");
                continue;
            }
        }
        let (before, api_servers) = (cluster.load_full(), sightings.all());
        if before.walls.api_servers != api_servers {
            tracing::info!(?api_servers, "API servers are elsewhere");
            let walls = Walls { api_servers, ..before.walls.clone() };
            cluster.store(Arc::new(Cluster { walls, ..(*before).clone() }));
            changed();
        }
    }
}

fn cluster(settings: &Settings, api_servers: BTreeSet<SocketAddr>) -> Cluster {
    let Settings { namespace, channel_service, channel_port, .. } = settings;
    Cluster {
        domain: settings.cluster_domain.trim_matches('.').to_owned(),
        watched: settings.scopes().into_iter().flatten().collect(),
        walls: Walls { local_origins: false, api_servers, cluster_networks: settings.cluster_cidrs.clone() },
        edge: EdgeImage { name: settings.edge_image.clone(), pull_policy: None },
        channel: Channel {
            address: format!("{channel_service}.{namespace}.svc:{channel_port}"),
            namespace: namespace.clone(),
            pod_labels: [(OPERATOR_LABEL.0.to_owned(), OPERATOR_LABEL.1.to_owned())].into(),
            port: *channel_port,
        },
    }
}

/// How long until the next look, after so many in a row that failed.
fn wait(failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => LOOK_AGAIN,
        Some(before) => FAILED_AGAIN.saturating_mul(1 << before.min(10)).min(LOOK_AGAIN),
    }
}

impl Sightings {
    fn of(seen: &BTreeSet<SocketAddr>) -> Self {
        Self(seen.iter().map(|address| (*address, 0)).collect())
    }

    fn take(&mut self, seen: BTreeSet<SocketAddr>) {
        self.0.values_mut().for_each(|missed| *missed += 1);
        self.0.extend(seen.into_iter().map(|address| (address, 0)));
        self.0.retain(|_, missed| *missed < LOOKS);
    }

    fn all(&self) -> BTreeSet<SocketAddr> {
        self.0.keys().copied().collect()
    }
}

impl LookError {
    /// Whether this operator may not look there.
    fn is_refusal(&self) -> bool {
        let (Self::ReadService(error) | Self::ListEndpoints(error)) = self else { return false };
        matches!(error, kube::Error::Api(status) if status.code == 403)
    }
}

/// The Service's address is known to every pod; the endpoints behind it only where `default` is among the namespaces that
/// this operator may read.
async fn look(client: &kube::Client) -> Result<BTreeSet<SocketAddr>, LookError> {
    let listed = timeout(LOOK_LIMIT, listed(client)).await.unwrap_or(Err(LookError::Silent))?;
    Ok(listed.into_iter().chain(own()).collect())
}

/// The address by which this pod reaches the API.
fn own() -> Option<SocketAddr> {
    let (host, port) =
        std::env::var("KUBERNETES_SERVICE_HOST").ok().zip(std::env::var("KUBERNETES_SERVICE_PORT").ok())?;
    Some(SocketAddr::new(host.parse().ok()?, port.parse().ok()?))
}

async fn listed(client: &kube::Client) -> Result<BTreeSet<SocketAddr>, LookError> {
    let (namespace, name) = API_SERVICE;
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    let spec = services.get(name).await.map_err(LookError::ReadService)?.spec.unwrap_or_default();
    let ports = spec.ports.unwrap_or_default();
    let ips = spec.cluster_ips.or_else(|| Some(vec![spec.cluster_ip?])).unwrap_or_default();
    let of_service = ips.iter().flat_map(|ip| ports.iter().filter_map(|port| address(ip, port.port)));

    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), namespace);
    let of_it = ListParams::default().labels(&format!("kubernetes.io/service-name={name}"));
    let slices = slices.list(&of_it).await.map_err(LookError::ListEndpoints)?;
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde_json::json;

    use super::*;
    use crate::cluster::testing;
    use crate::fake_api::{FakeApi, Fault};

    const SERVICE: &str = "GET services/kubernetes";

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 168, 0, last], 6443))
    }

    fn all(addresses: &[SocketAddr]) -> BTreeSet<SocketAddr> {
        addresses.iter().copied().collect()
    }

    /// An API whose servers are at these addresses, behind a Service at 10.96.0.1.
    fn api(servers: &[u8]) -> FakeApi {
        let api = FakeApi::default();
        let spec = json!({"clusterIP": "10.96.0.1", "ports": [{"port": 443}]});
        api.put("services", json!({"metadata": {"namespace": "default", "name": "kubernetes"}, "spec": spec}));
        let addresses: Vec<_> = servers.iter().map(|last| address(*last).ip().to_string()).collect();
        let labels = json!({"kubernetes.io/service-name": "kubernetes"});
        api.put(
            "endpointslices",
            json!({"metadata": {"namespace": "default", "name": "kubernetes", "labels": labels},
                "addressType": "IPv4", "endpoints": [{"addresses": addresses}], "ports": [{"port": 6443}]}),
        );
        api
    }

    /// Follows the API for a while; how often something had changed.
    async fn follow_for(api: &FakeApi, cluster: &ArcSwap<Cluster>, wait: Duration) -> u32 {
        let changes = Cell::new(0);
        let _ = timeout(wait, follow(&api.client(), cluster, || changes.set(changes.get() + 1))).await;
        changes.get()
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_fails_opens_no_wall_and_is_soon_repeated() {
        let cluster = ArcSwap::from_pointee(testing::cluster());
        let before = cluster.load_full();
        for call in [SERVICE, "GET endpointslices"] {
            for fault in [Fault::Always(503), Fault::Always(403), Fault::Always(404), Fault::Silence] {
                let api = api(&[10]);
                api.fail(call, fault);
                assert_eq!(follow_for(&api, &cluster, Duration::from_hours(3)).await, 0, "{call} {fault:?}");
                assert_eq!(cluster.load_full(), before, "{call} {fault:?}");
                api.calls();
                assert_eq!(follow_for(&api, &cluster, Duration::from_mins(1)).await, 0);
                assert!(api.calls().iter().filter(|made| *made == call).count() >= 2, "{call} {fault:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_is_told_of_once_when_it_comes_and_once_an_hour_after_it_went() {
        let cluster = ArcSwap::from_pointee(testing::cluster());
        let first = cluster.load().walls.api_servers.clone();
        let of_two = api(&[10, 11]);
        assert_eq!(follow_for(&of_two, &cluster, Duration::from_mins(1)).await, 1);
        let both: BTreeSet<_> = first.iter().copied().chain([address(11)]).collect();
        assert_eq!(cluster.load().walls.api_servers, both);
        assert_eq!(follow_for(&of_two, &cluster, Duration::from_hours(3)).await, 0);
        let of_one = api(&[10]);
        assert_eq!(follow_for(&of_one, &cluster, Duration::from_mins(50)).await, 0);
        assert_eq!(follow_for(&of_one, &cluster, Duration::from_mins(51)).await, 1);
        assert_eq!(cluster.load().walls.api_servers, first);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_look_waits_for_an_api_that_is_ill_and_not_for_one_that_refuses() {
        let (context, _) = crate::context::Context::for_test(&FakeApi::default(), Duration::ZERO);
        let look = async |api: &FakeApi| first(&api.client(), &context.settings).await.walls.api_servers;
        let ill = api(&[10]);
        for code in [503, 500] {
            ill.fail(SERVICE, Fault::Once(code));
        }
        assert_eq!(look(&ill).await, all(&[SocketAddr::from(([10, 96, 0, 1], 443)), address(10)]));
        let refusing = api(&[10]);
        refusing.fail(SERVICE, Fault::Always(403));
        assert_eq!(look(&refusing).await, own().into_iter().collect());
    }

    #[test]
    fn an_address_that_comes_back_begins_anew() {
        let mut sightings = Sightings::of(&all(&[address(10), address(11)]));
        for _ in 1..LOOKS {
            sightings.take(all(&[address(10)]));
        }
        sightings.take(all(&[address(10), address(11)]));
        for _ in 1..LOOKS {
            sightings.take(all(&[address(10)]));
        }
        assert_eq!(sightings.all(), all(&[address(10), address(11)]));
        sightings.take(all(&[address(10)]));
        assert_eq!(sightings.all(), all(&[address(10)]));
    }
}
