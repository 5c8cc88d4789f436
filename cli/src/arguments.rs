//! The command line into what was asked for.

mod values;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

use crate::place::Place;

/// Exit statuses, and where to read more.
const AFTER: &str = "\
Exit status: 0 where all is well, 1 where something was found in the manifests or could not be done, 2 where the command line \
is wrong.

As a plugin of kubectl: link this program as `kubectl-kubefront` into your PATH, then `kubectl kubefront dev -f shop.yaml`.";

const DEV_AFTER: &str = "\
Examples:
  kubefront dev -f examples/quickstart.yaml --service shop-origin=127.0.0.1:3000
  kubefront dev -f manifests/ --allow-local-origins --listen 127.0.0.1:8081
  kubefront dev -f examples/origin-tls.yaml --service shop-origin=127.0.0.1:3000 --service api-origin=127.0.0.1:3443 --mounts mounts/
  curl --data-binary @examples/invalidation.yaml http://127.0.0.1:9090/invalidations

Save a file and it serves; a mistake is named with file, line and field while the last good one serves on.";

const RENDER_AFTER: &str = "\
Examples:
  kubefront render -f examples/quickstart.yaml --assume-services
  kubefront render -f shop.yaml -f services.yaml --edge-config -o json

What only a cluster knows (uids, revisions, certificates) stands there as it would be without one: read it and compare it, do \
not apply it.";

const EXPLAIN_AFTER: &str = "\
Examples:
  kubefront explain -f examples/two-origins.yaml http://shop.example.com/img/logo.png?width=10
  kubefront explain -f shop.yaml /account/me -X POST -H 'cookie: session=1'
  kubefront explain --admin http://127.0.0.1:9090 /img/logo.png    # asks an edge that runs: it knows what is stored";

const FIELDS_AFTER: &str = "\
Examples:
  kubefront fields
  kubefront fields spec.defaultBehavior.cache
  kubefront fields invalidation.spec";

/// Kubefront without a cluster: serve a manifest on this machine, print what becomes of it, explain a request.
#[derive(Debug, Parser)]
#[command(name = "kubefront", version, about, after_help = AFTER, max_term_width = 110)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the Distributions of manifests on this machine, by the code of the operator and of the edge.
    #[command(after_help = DEV_AFTER)]
    Dev(Dev),
    /// Print what the operator makes of manifests: the configuration of edges, and Kubernetes objects.
    #[command(after_help = RENDER_AFTER)]
    Render(Render),
    /// Say what becomes of a request: who serves it, under which key, what the origin is sent, how long the answer stays.
    #[command(after_help = EXPLAIN_AFTER, group(ArgGroup::new("asked").required(true)))]
    Explain(Explain),
    /// Say what fields there are, of which type, and what they mean: `kubectl explain` without a cluster.
    #[command(after_help = FIELDS_AFTER)]
    Fields(Fields),
}

/// Which manifests.
#[derive(Debug, Args)]
pub struct Manifests {
    /// A manifest, a folder of them, or - for standard input. May be given several times.
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The namespace of objects that name none.
    #[arg(short, long, value_name = "NAMESPACE", default_value = "default", value_parser = values::namespace)]
    pub namespace: String,
}

/// What is on this machine of what only exists in a cluster.
#[derive(Debug, Args)]
pub struct Here {
    /// Where a Service is on this machine. It is asked as in a cluster: over TLS where `tls` or the port's `appProtocol` says so, else in
    /// HTTP/1.1; SCHEME (http, https, h2c) says otherwise. May be given several times.
    #[arg(long, value_name = "[NAMESPACE/]NAME=[SCHEME://]HOST:PORT")]
    pub service: Vec<Place>,
    /// Where an Ingress is on this machine, in the same form. May be given several times.
    #[arg(long, value_name = "[NAMESPACE/]NAME=[SCHEME://]HOST:PORT")]
    pub ingress: Vec<Place>,
    /// Allow origins with loopback and link-local addresses, which no cluster does.
    #[arg(long)]
    pub allow_local_origins: bool,
}

/// What `dev` is told.
#[derive(Debug, Args)]
pub struct Dev {
    #[command(flatten)]
    pub manifests: Manifests,
    #[command(flatten)]
    pub here: Here,
    /// Where viewers connect.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080", value_parser = values::address)]
    pub listen: SocketAddr,
    /// Where /healthz, /readyz, /metrics, /explain, /conditions and /invalidations answer.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9090", value_parser = values::address)]
    pub admin: SocketAddr,
    /// The folder that stands in for mounted Secrets and `ConfigMap`s: `secret/NAME/KEY` and `configmap/NAME/KEY` below it.
    #[arg(long, value_name = "FOLDER", default_value = edge_contract::MOUNTS)]
    pub mounts: PathBuf,
    /// How many MiB stored responses may hold in memory.
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    pub cache_memory: usize,
    /// How requests are logged.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// How requests are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// One JSON object a line, as edges in a cluster do.
    Json,
}

/// What `render` is told.
#[derive(Debug, Args)]
pub struct Render {
    #[command(flatten)]
    pub manifests: Manifests,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Output::Yaml)]
    pub output: Output,
    /// Print the configuration of edges alone.
    #[arg(long, conflicts_with = "children")]
    pub edge_config: bool,
    /// Print the Kubernetes objects alone.
    #[arg(long)]
    pub children: bool,
    #[command(flatten)]
    pub assumed: Assumed,
    /// The image of the edges.
    #[arg(long, value_name = "REF", default_value = "kubefront.local/edge:dev")]
    pub edge_image: String,
}

/// What is taken to be so in the cluster that manifests are rendered for.
#[derive(Debug, Args)]
pub struct Assumed {
    /// Take every Service and Ingress that an origin names to exist, with the port that is named and with an address.
    #[arg(long)]
    pub assume_services: bool,
    /// Allow origins with loopback and link-local addresses, which no cluster does.
    #[arg(long)]
    pub allow_local_origins: bool,
}

/// How to print data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// YAML, a document for each object.
    Yaml,
    /// JSON, one value for all of it.
    Json,
}

/// What `explain` is told.
#[derive(Debug, Args)]
pub struct Explain {
    /// A manifest, a folder of them, or - for standard input. May be given several times.
    #[arg(short, long = "filename", value_name = "FILE", group = "asked")]
    pub files: Vec<PathBuf>,
    /// The namespace of objects that name none.
    #[arg(short, long, value_name = "NAMESPACE", default_value = "default", value_parser = values::namespace)]
    pub namespace: String,
    /// Ask the edge whose admin port this is, instead of files.
    #[arg(long, value_name = "URL", group = "asked", value_parser = values::admin)]
    pub admin: Option<String>,
    /// Allow origins with loopback and link-local addresses, which no cluster does.
    #[arg(long)]
    pub allow_local_origins: bool,
    /// What a viewer asks for: a URL, or a path where the Host does not matter.
    #[arg(value_parser = values::url)]
    pub url: String,
    /// The method.
    #[arg(short = 'X', long, value_name = "METHOD", default_value = "GET", value_parser = values::method)]
    pub method: String,
    /// A header field of the request. May be given several times.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = values::header)]
    pub headers: Vec<String>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Output::Yaml)]
    pub output: Output,
}

/// What `fields` is told.
#[derive(Debug, Args)]
pub struct Fields {
    /// Where: `spec.origins`; in front of it perhaps the kind. Default: `distribution.spec`.
    pub path: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        CommandLine::command().debug_assert();
    }
}
