//! Settings into a running edge, and the word to stop into an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::edge::{Edge, assemble};
use crate::listen::edges::{self, Door};
use crate::live::{Live, Phase};
use crate::settings::Settings;
use crate::{admin, control, drain, listen, mounted, mounts, peers};

/// How often connections that wait in vain are let go.
const PRUNE_EVERY: Duration = Duration::from_secs(5);

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
    /// Where other edges connect, once there is something to prove oneself with.
    pub edges: watch::Receiver<Option<SocketAddr>>,
    /// The edge.
    pub edge: Arc<Edge>,
    serving: JoinHandle<()>,
    control: JoinHandle<()>,
    drain_accept: Duration,
}

/// Starts an edge. It accepts as soon as this returns; it is ready once a configuration serves.
pub async fn start(settings: &Settings, clock: Clock) -> Result<Running, StartError> {
    let edge = assemble(settings, clock);
    if let Some(path) = &settings.config {
        let mounted = settings.mounted.as_deref();
        match mounted::read(path).and_then(|config| mounted::start(&edge.live, config, mounted)) {
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
    let (at, edges) = watch::channel(None);
    let serving = join(serve(&edge, viewer_socket, settings), open_door(&edge, settings, at));
    Ok(Running { viewers, admin, edges, edge, serving, control, drain_accept: settings.drain_accept() })
}

/// Answers other edges, once there is something to prove oneself with.
fn open_door(edge: &Arc<Edge>, settings: &Settings, at: watch::Sender<Option<SocketAddr>>) -> JoinHandle<()> {
    let Settings { edges_listen: address, max_connections: connections, .. } = *settings;
    tokio::spawn(peers::follow(edge.live.clone(), edge.clock.clone()));
    tokio::spawn(edges::run(Arc::clone(edge), Door { address, connections, limit: settings.drain_limit() }, at))
}

/// Ends with the last of two.
fn join(viewers: JoinHandle<()>, edges: JoinHandle<()>) -> JoinHandle<()> {
    tokio::spawn(async move {
        for ended in [viewers.await, edges.await] {
            if let Err(error) = ended {
                tracing::error!(%error, "a listener ended out of turn");
            }
        }
    })
}

/// Answers viewers on this socket, and does what serving needs done beside it. It ends with the last connection once the
/// edge finishes.
pub fn serve(edge: &Arc<Edge>, viewers: TcpListener, settings: &Settings) -> JoinHandle<()> {
    tokio::spawn(sweep(edge.live.clone()));
    tokio::spawn(mounts::follow(edge.live.clone()));
    tokio::spawn(prune(Arc::clone(edge)));
    tokio::spawn(rehearse(Arc::clone(edge)));
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

/// What is mounted may come after the configuration that names it, and change after that.
async fn rehearse(edge: Arc<Edge>) {
    while edge.live.phase() < Phase::Drained {
        for table in edge.live.sites().iter().flat_map(|sites| &sites.sites) {
            edge.forwarder.rehearse(&table.site, edge.live.mounts());
        }
        tokio::time::sleep(mounts::LOOK_EVERY).await;
    }
}

async fn prune(edge: Arc<Edge>) {
    while edge.live.phase() < Phase::Drained {
        tokio::time::sleep(PRUNE_EVERY).await;
        edge.forwarder.prune();
    }
}
