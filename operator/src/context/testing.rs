//! A context for tests: nothing known yet, an API in memory, and this process leads since long.

use std::time::Duration;

use super::*;
use crate::fake_api::FakeApi;
use crate::settings::LogFormat;
use crate::{clock, cluster};

impl Context {
    /// A process that leads since `leads_for`, in front of `api`. Whoever holds the sender says who leads.
    ///
    /// # Panics
    /// Never on a machine that is up for longer than `leads_for`.
    pub fn for_test(api: &FakeApi, leads_for: Duration) -> (Self, watch::Sender<Leadership>) {
        let since = clock::monotonic().checked_sub(leads_for).expect("the machine is up for longer");
        let (tell, leadership) = watch::channel(Leadership::Leading { since });
        let client = api.client();
        let metrics = Metrics::new();
        let context = Self {
            stores: Stores::default(),
            interests: Interests::default(),
            edges: Edges::new(leadership.clone()),
            orders: Memories::default(),
            taken: TakenNumbers::default(),
            altered: Altered::default(),
            told: ToldEndpoints::default(),
            told_shields: ToldShields::default(),
            told_origins: ToldOrigins::default(),
            turns: Turns::new(settings().edge_rollout_max_concurrent),
            ca_bundle: watch::channel("CERTIFICATE".into()).1,
            cluster: ArcSwap::from_pointee(cluster::testing::cluster()),
            writer: Writer { client: client.clone(), metrics: metrics.clone() },
            events: Events::new(client.clone(), "operator-1"),
            metrics,
            leadership,
            settings: Arc::new(settings()),
            client,
        };
        (context, tell)
    }
}

fn settings() -> Settings {
    Settings {
        edge_image: "registry.example.com/edge:1.0.0".into(),
        namespace: "kubefront-system".into(),
        pod_name: "operator-1".into(),
        pod_ip: [10, 0, 0, 1].into(),
        channel_port: 8443,
        admin_port: 8080,
        channel_service: "kubefront-operator".into(),
        watch_namespaces: vec![],
        edge_rollout_max_concurrent: std::num::NonZeroUsize::MIN,
        cluster_domain: "cluster.local".into(),
        cluster_cidrs: vec![],
        log_format: LogFormat::Json,
    }
}
