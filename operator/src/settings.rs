//! The command line and the environment into what the operator is told to do.

use std::num::NonZeroUsize;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;

/// Runs a CDN on your own Kubernetes: Distributions into edges that serve them, Invalidations into promises that hold.
#[derive(Clone, Debug, Parser)]
#[command(name = "kubefront-operator", version, about, max_term_width = 110)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run the operator until SIGTERM. Of several replicas one leads; the others stand by.
    Run(Settings),
    /// Ask a URL and exit with 0 if it answers 200: for `helm test` and probes.
    Check(Check),
    /// Print the `CustomResourceDefinition`s as YAML, for `kubectl apply --server-side -f -`.
    Crds,
}

/// What `run` is told.
#[derive(Clone, Debug, Args)]
pub struct Settings {
    /// The image of the edges.
    #[arg(long, env = "EDGE_IMAGE", value_name = "REF")]
    pub edge_image: String,
    /// The namespace of this pod: the Lease and the CA's Secret lie there.
    #[arg(long, env = "POD_NAMESPACE", value_name = "NS")]
    pub namespace: String,
    /// The name of this pod.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub pod_name: String,
    /// The address of this pod: where edges dial it while it leads.
    #[arg(long, env = "POD_IP", value_name = "IP")]
    pub pod_ip: std::net::IpAddr,
    /// The port edges dial.
    #[arg(long, default_value_t = 8443, value_name = "PORT")]
    pub channel_port: u16,
    /// The port of /healthz, /readyz and /metrics.
    #[arg(long, default_value_t = 8080, value_name = "PORT")]
    pub admin_port: u16,
    /// The Service, in the same namespace, by which edges find the operator.
    #[arg(long, default_value = "kubefront-operator", value_name = "NAME")]
    pub channel_service: String,
    /// The namespaces to look after, separated by commas. Empty: all.
    #[arg(long, env = "WATCH_NAMESPACES", value_delimiter = ',', default_value = "", hide_default_value = true)]
    #[arg(value_name = "NS,…")]
    pub watch_namespaces: Vec<String>,
    /// How many Distributions get a new edge image, or whatever else a release changes of edge pods, at once.
    #[arg(long, default_value = "1", value_name = "NUMBER")]
    pub edge_rollout_max_concurrent: NonZeroUsize,
    /// The cluster's own DNS domain.
    #[arg(long, default_value = "cluster.local", value_name = "DOMAIN")]
    pub cluster_domain: String,
    /// The networks of the cluster's pods, Services and nodes, separated by commas: no origin that is given by an address may be
    /// there. Empty: the cluster's networks are not told from others.
    #[arg(long, value_delimiter = ',', value_name = "CIDR,…")]
    pub cluster_cidrs: Vec<IpNet>,
    /// How log lines are written.
    #[arg(long, value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
}

/// What `check` is told.
#[derive(Clone, Debug, Args)]
pub struct Check {
    /// An http URL.
    #[arg(long)]
    pub url: String,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line, for collectors.
    Json,
    /// For people.
    Text,
}

/// The Lease by which replicas agree on a leader.
pub const LEASE: &str = "kubefront-operator";

/// The Secret of the CA whose certificate the channel shows.
pub const CA_SECRET: &str = "kubefront-operator-ca";

impl Settings {
    /// One entry for each watch to start: a namespace, or nothing for all of them.
    pub fn scopes(&self) -> Vec<Option<String>> {
        let named: Vec<_> = self.watch_namespaces.iter().map(|ns| ns.trim()).filter(|ns| !ns.is_empty()).collect();
        if named.is_empty() { vec![None] } else { named.into_iter().map(|ns| Some(ns.to_owned())).collect() }
    }
}
