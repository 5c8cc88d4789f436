//! Settings into a running edge, and the word to stop into an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use edge_cache::{Admission, answer, vary};
use http::{Method, Request, Response, StatusCode, header};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::ask::Ask;
use crate::clock::Clock;
use crate::coder::Coder;
use crate::collapse::Collapse;
use crate::forward::body::{OriginBody, RequestBody};
use crate::forward::{Asking, ForwardError, Forwarder};
use crate::live::{Live, Phase};
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::store::held::Held;
use crate::{admin, control, drain, listen, mounted};

/// How often connections that wait in vain are let go.
const PRUNE_EVERY: Duration = Duration::from_secs(5);

/// Everything that one edge consists of.
pub struct Edge {
    /// What time it is.
    pub clock: Clock,
    /// What is true right now.
    pub live: Live,
    /// Fills under way.
    pub collapse: Arc<Collapse>,
    /// Coding of what is stored.
    pub coder: Coder,
    /// The way to origins.
    pub forwarder: Forwarder,
    /// What is counted.
    pub metrics: Metrics,
    /// Whether each request is logged.
    pub access_log: bool,
}

/// Why an edge did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("listening on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The mounted configuration cannot be served, and nobody else would send one.
    #[error("the configuration is refused: {0}")]
    Config(String),
}

/// An edge that runs.
pub struct Running {
    /// Where viewers connect.
    pub viewers: SocketAddr,
    /// Where metrics and health are.
    pub admin: SocketAddr,
    /// The edge.
    pub edge: Arc<Edge>,
    serving: JoinHandle<()>,
    control: JoinHandle<()>,
    drain_accept: Duration,
}

impl Edge {
    /// The stored response that a request selects, or any other of its key, and what the purge ledger says of it.
    pub fn find(&self, ask: &Ask) -> Option<(Arc<Held>, Admission)> {
        let variants = self.live.store().lookup(&ask.key)?;
        let admits = |held: &Arc<Held>| self.live.purge().admits(&ask.key, held);
        let admitted = variants.iter().filter(|held| admits(held).is_admitted());
        let held = select(admitted, ask).or_else(|| select(variants.iter(), ask)).or_else(|| variants.first())?;
        Some((Arc::clone(held), admits(held)))
    }

    /// Asks the origin that serves a request.
    pub async fn ask_origin(
        &self,
        ask: &Ask,
        request: Request<RequestBody>,
    ) -> Result<Response<OriginBody>, ForwardError> {
        let origin = &ask.route.behavior.origin;
        let endpoints = self.live.endpoints(&ask.route.site.site.id, &origin.name);
        let began = self.clock.now().monotonic;
        // What an extension method means by a 206 is its own affair.
        let whole =
            matches!(*request.method(), Method::GET | Method::HEAD) && !request.headers().contains_key(header::RANGE);
        let endpoints = endpoints.as_deref().unwrap_or_default();
        let asking = Asking { origin, endpoints, request, interim: &ask.interim };
        let answer = self.forwarder.forward(asking).await;
        let took = self.clock.now().monotonic.saturating_sub(began);
        ask.took_origin(took);
        self.metrics.origin_seconds.observe(took.as_secs_f64());
        answer.and_then(|response| if whole { all_of_it(ask, response) } else { Ok(response) })
    }
}

/// RFC 9110 §15.3.7: a part that nobody asked this origin for. One that leaves nothing out is an answer. Any other says which part it is:
/// that serves a viewer that wanted some part, and misleads every other.
fn all_of_it(ask: &Ask, response: Response<OriginBody>) -> Result<Response<OriginBody>, ForwardError> {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    if let Some(whole) = answer::whole_of_part(&parts) {
        return Ok(Response::from_parts(whole, body));
    }
    let viewer = &ask.viewer.headers;
    let wanted_part = viewer.contains_key(header::RANGE) && !viewer.contains_key(header::IF_RANGE);
    if wanted_part && *ask.method() == Method::GET {
        return Ok(Response::from_parts(parts, body));
    }
    Err(ForwardError::UnaskedPartial)
}

fn select<'a>(variants: impl Iterator<Item = &'a Arc<Held>>, ask: &Ask) -> Option<&'a Arc<Held>> {
    vary::choose(variants, |held| &held.stored, || ask.forwarded(None))
}

/// Starts an edge. It accepts as soon as this returns; it is ready once a configuration serves.
pub async fn start(settings: &Settings, clock: Clock) -> Result<Running, StartError> {
    let edge = assemble(settings, clock);
    if let Some(path) = &settings.config {
        match mounted::read(path).and_then(|config| edge.live.take_mounted_config(config)) {
            Ok(_) => {}
            // With an operator, its stream brings a good one; the pod is not ready until then.
            Err(error) if settings.operator.address.is_some() => tracing::error!(error, "the mounted configuration"),
            Err(error) => return Err(StartError::Config(error)),
        }
    }
    let (viewer_socket, viewers) = bind(settings.listen).await?;
    let (admin_socket, admin) = bind(settings.admin).await?;
    if let Some(path) = settings.config.clone() {
        tokio::spawn(mounted::follow(path, edge.live.clone()));
    }
    tokio::spawn(admin::run(Arc::clone(&edge), admin_socket));
    let drains = settings.drain_accept() + settings.drain_limit();
    let control = tokio::spawn(control::run(settings.operator.clone(), drains, edge.live.clone(), edge.clock.clone()));
    tracing::info!(%viewers, %admin, "accepting");
    let serving = serve(&edge, viewer_socket, settings);
    Ok(Running { viewers, admin, edge, serving, control, drain_accept: settings.drain_accept() })
}

/// An edge that serves nothing yet and listens nowhere.
pub fn assemble(settings: &Settings, clock: Clock) -> Arc<Edge> {
    let live = Live::holding(settings.cache_memory);
    Arc::new(Edge {
        metrics: Metrics::new(live.clone()),
        collapse: Collapse::new(),
        coder: Coder::default(),
        forwarder: Forwarder::new(clock.clone()),
        access_log: settings.access_log,
        live,
        clock,
    })
}

/// Answers viewers on this socket, and does what serving needs done beside it. It ends with the last connection once the
/// edge finishes.
pub fn serve(edge: &Arc<Edge>, viewers: TcpListener, settings: &Settings) -> JoinHandle<()> {
    tokio::spawn(sweep(edge.live.clone()));
    tokio::spawn(prune(Arc::clone(edge)));
    tokio::spawn(listen::run(Arc::clone(edge), viewers, settings.max_connections, settings.drain_limit()))
}

impl Running {
    /// Waits for the word to stop, then for the end of what has begun and for the operator to have been told.
    pub async fn until_drained(self, stop: impl Future<Output = ()>) {
        stop.await;
        drain::run(&self.edge.live, self.drain_accept, self.serving).await;
        if let Err(error) = self.control.await {
            tracing::error!(%error, "the channel to the operator ended out of turn");
        }
    }
}

/// Listens on an address, and says which it is where the system chose the port.
pub async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let listen = |source| StartError::Listen { address, source };
    let socket = TcpListener::bind(address).await.map_err(listen)?;
    let bound = socket.local_addr().map_err(listen)?;
    Ok((socket, bound))
}

async fn sweep(live: Live) {
    live.purge().sweep(live.store()).await;
}

async fn prune(edge: Arc<Edge>) {
    while edge.live.phase() < Phase::Drained {
        tokio::time::sleep(PRUNE_EVERY).await;
        edge.forwarder.pool().prune(edge.clock.now().monotonic);
    }
}
