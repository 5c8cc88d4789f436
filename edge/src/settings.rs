//! Command line and environment into what this process was told about itself.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// The caching edge proxy of Kubefront.
#[derive(Clone, Debug, Parser)]
#[command(name = "kubefront-edge", version)]
pub struct Settings {
    /// Where viewers connect.
    #[arg(long, env = "KUBEFRONT_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,

    /// Where /healthz, /readyz, /metrics and /explain answer.
    #[arg(long, env = "KUBEFRONT_ADMIN", default_value = "0.0.0.0:9090")]
    pub admin: SocketAddr,

    /// Where other edges of the Distribution connect, once the operator has sent what they prove themselves with.
    #[arg(long, env = "KUBEFRONT_EDGES_LISTEN", default_value_t = SocketAddr::from(([0, 0, 0, 0], edge_contract::EDGES_PORT)))]
    pub edges_listen: SocketAddr,

    /// The mounted configuration, as JSON: served until an operator says something newer, read again when it changes.
    #[arg(long, env = "KUBEFRONT_CONFIG")]
    pub config: Option<PathBuf>,

    /// The folder below which the Secrets and `ConfigMap`s lie that the configuration names: `secret/NAME/KEY`, `configmap/NAME/KEY`.
    #[arg(long, env = "KUBEFRONT_MOUNTS", default_value = edge_contract::MOUNTS)]
    pub mounts: PathBuf,

    /// What is mounted in this pod, by the operator's name for all of it: which of two configurations a pod starts with that was made before
    /// something new was to be mounted.
    #[arg(long, env = "KUBEFRONT_MOUNTED")]
    pub mounted: Option<String>,

    /// How many bytes stored responses may hold in memory, all told.
    #[arg(long, env = "KUBEFRONT_CACHE_MEMORY", default_value_t = 256 * 1024 * 1024)]
    pub cache_memory: usize,

    /// How many connections of viewers are open at most; more wait to be accepted.
    #[arg(long, env = "KUBEFRONT_MAX_CONNECTIONS", default_value_t = 8_192)]
    pub max_connections: usize,

    /// Seconds that a terminating edge goes on accepting, while the cluster learns that it leaves.
    #[arg(long, env = "KUBEFRONT_DRAIN_ACCEPT", default_value_t = 5)]
    pub drain_accept: u64,

    /// Seconds that responses may go on after that before their connections are cut.
    #[arg(long, env = "KUBEFRONT_DRAIN_LIMIT", default_value_t = 50)]
    pub drain_limit: u64,

    /// IP:PORT of the DNS server that names of origins are looked up at; without it, those of /etc/resolv.conf.
    #[arg(long, env = "KUBEFRONT_DNS")]
    pub dns: Option<SocketAddr>,

    /// Whether to print a JSON line for each request.
    #[arg(long, env = "KUBEFRONT_ACCESS_LOG", default_value_t = true, action = clap::ArgAction::Set)]
    pub access_log: bool,

    /// How to reach the operator; without it the mounted configuration is all there is.
    #[command(flatten)]
    pub operator: OperatorSettings,
}

/// What the channel to the operator needs.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct OperatorSettings {
    /// HOST:PORT of the operator's Service.
    #[arg(long = "operator", env = "KUBEFRONT_OPERATOR", requires_all = ["token", "ca", "pod", "pod_uid"])]
    pub address: Option<String>,

    /// The projected token by which this pod proves itself; read anew for each stream.
    #[arg(long, env = "KUBEFRONT_TOKEN")]
    pub token: Option<PathBuf>,

    /// The mounted CA bundle that the operator's certificate is verified against, as PEM.
    #[arg(long, env = "KUBEFRONT_CA")]
    pub ca: Option<PathBuf>,

    /// The name of this pod.
    #[arg(long, env = "POD_NAME")]
    pub pod: Option<String>,

    /// The uid of this pod.
    #[arg(long, env = "POD_UID")]
    pub pod_uid: Option<String>,
}

impl Settings {
    /// How long a terminating edge goes on accepting.
    pub fn drain_accept(&self) -> Duration {
        Duration::from_secs(self.drain_accept)
    }

    /// How long responses may then go on.
    pub fn drain_limit(&self) -> Duration {
        Duration::from_secs(self.drain_limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Settings, clap::Error> {
        Settings::try_parse_from(std::iter::once(&"kubefront-edge").chain(arguments))
    }

    #[test]
    fn an_edge_starts_with_nothing_but_a_file() {
        let settings = parse(&["--config", "edge.json", "--listen", "127.0.0.1:8080"]).expect("parses");
        assert_eq!(settings.listen, "127.0.0.1:8080".parse().expect("an address"));
        assert_eq!(settings.operator.address, None);
    }

    #[test]
    fn an_operator_is_only_dialled_by_a_pod_that_can_prove_itself() {
        assert!(parse(&["--operator", "op:8443"]).is_err());
        assert!(parse(&["--operator", "op:8443", "--token", "t", "--ca", "c", "--pod", "p", "--pod-uid", "u"]).is_ok());
    }
}
