//! Settings into a running operator: everything is made here once, and ends here on SIGTERM.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::authority::{Authority, AuthorityError};
use crate::causes::chain;
use crate::context::Context;
use crate::distribution::altered::Altered;
use crate::distribution::taken_numbers::TakenNumbers;
use crate::distribution::told_endpoints::ToldEndpoints;
use crate::distribution::told_origins::ToldOrigins;
use crate::distribution::told_shields::ToldShields;
use crate::distribution::turns::Turns;
use crate::edges::{self, Channel, Edges, Reviewer};
use crate::events::Events;
use crate::interests::Interests;
use crate::invalidation::memory::Memories;
use crate::leader::{Candidacy, Elector};
use crate::metrics::Metrics;
use crate::server_side_apply::Writer;
use crate::settings::{LEASE, Settings};
use crate::stores::Stores;
use crate::{admin, controllers, dice, surroundings};

/// How long what runs has to end after SIGTERM: less than the 30 s that Kubernetes gives.
const TIME_TO_END: Duration = Duration::from_secs(10);

/// How long the API may say nothing while it owes something: longer than a watch, which it ends after 290 s, and on which kube gives
/// up 5 s later. The API server may have gone with its node, and nobody then ends the connection.
const SILENCE_LIMIT: Duration = Duration::from_mins(5);

/// How often the authority is tried again while the API does not answer.
const AUTHORITY_AGAIN: Duration = Duration::from_secs(2);

/// Why the operator could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Neither a kubeconfig nor a service account was found.
    #[error("found no way to reach a Kubernetes API")]
    FindApi(#[source] kube::config::InferConfigError),
    /// A client could not be made of it.
    #[error("could not make a client of the Kubernetes API")]
    MakeClient(#[source] kube::Error),
    /// The admin port is taken.
    #[error("could not listen on the admin port {port}")]
    ListenAdmin {
        /// The port.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The channel's port is taken.
    #[error("could not listen on the channel port {port}")]
    ListenChannel {
        /// The port.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The authority could not be put to use.
    #[error("could not set up TLS for the channel")]
    SetUpTls(#[source] AuthorityError),
    /// Signals could not be waited for.
    #[error("could not wait for signals")]
    Signals(#[source] io::Error),
}

/// Runs until SIGTERM or SIGINT; returns once the Lease is released.
pub async fn run(settings: Settings) -> Result<(), RunError> {
    let stop = stop_on_signal()?;
    let metrics = Metrics::new();
    let (tell_ready, ready) = watch::channel(false);
    let port = settings.admin_port;
    let listener = admin::listen(port).await.map_err(|source| RunError::ListenAdmin { port, source })?;
    tokio::spawn(admin::serve(listener, metrics.clone(), ready, stop.clone()));

    let client = client().await?;
    let Some(authority) = stop.run_until_cancelled(authority(&client, &settings.namespace)).await else {
        return Ok(());
    };
    let port = settings.channel_port;
    let listener = admin::listen(port).await.map_err(|source| RunError::ListenChannel { port, source })?;
    let tls = authority.server_config().map_err(RunError::SetUpTls)?;

    let (elector, leadership) = Elector::new(client.clone(), candidacy(&settings));
    let edges = Edges::new(leadership.clone());
    edges.certify_by(authority.issuer());
    let channel = Channel::new(edges.clone(), Reviewer::new(client.clone()), tls);
    let Some(cluster) = stop.run_until_cancelled(surroundings::first(&client, &settings)).await else {
        return Ok(());
    };
    let context = Arc::new(Context {
        stores: Stores::default(),
        interests: Interests::default(),
        edges: edges.clone(),
        orders: Memories::default(),
        taken: TakenNumbers::default(),
        altered: Altered::default(),
        told: ToldEndpoints::default(),
        told_shields: ToldShields::default(),
        told_origins: ToldOrigins::default(),
        turns: Turns::new(settings.edge_rollout_max_concurrent),
        ca_bundle: authority.bundle(),
        cluster: ArcSwap::from_pointee(cluster),
        writer: Writer { client: client.clone(), metrics: metrics.clone() },
        events: Events::new(client.clone(), &settings.pod_name),
        metrics,
        leadership,
        settings: Arc::new(settings),
        client,
    });

    let of_edges = context.clone();
    tokio::spawn(async move { authority.keep(|bundle| of_edges.is_trusted(bundle)).await });
    tokio::spawn(edges.follow_leadership());
    tokio::spawn(edges::serve(listener, channel, stop.clone()));
    tokio::spawn(say_when_ready(context.clone(), tell_ready));
    let election = tokio::spawn(run_for_it(context.clone(), elector, stop.clone()));
    controllers::run(context, stop).await;
    // The Lease is released last, once nothing is written any more.
    if timeout(TIME_TO_END, election).await.is_err() {
        tracing::warn!("the Lease could not be released; the next leader waits until it runs out");
    }
    Ok(())
}

/// A token that SIGTERM and SIGINT cancel.
fn stop_on_signal() -> Result<CancellationToken, RunError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to stop");
        told.cancel();
    });
    Ok(stop)
}

async fn client() -> Result<Client, RunError> {
    let config = Config::infer().await.map_err(RunError::FindApi)?;
    Client::try_from(limited(config)).map_err(RunError::MakeClient)
}

/// Of a client that does not try again by itself, for whoever asks knows best what a failure is worth, and that waits for no answer
/// for ever: a list that never comes would leave its table as it was.
fn limited(mut config: Config) -> Config {
    config.default_retry = false;
    config.read_timeout = Some(SILENCE_LIMIT);
    // Else the time for which a connection was not used would count.
    config.reset_reader_on_write = true;
    config
}

/// The authority, however long the API takes to answer: an operator that starts during an outage is there when it ends.
async fn authority(client: &Client, namespace: &str) -> Authority {
    loop {
        match Authority::open(client.clone(), namespace).await {
            Ok(authority) => return authority,
            Err(error) => tracing::error!(error = chain(&error), "no authority yet"),
        }
        sleep(AUTHORITY_AGAIN).await;
    }
}

/// A process leads, not a pod: a container that restarts in its pod is another candidate.
fn candidacy(settings: &Settings) -> Candidacy {
    Candidacy {
        namespace: settings.namespace.clone(),
        lease: LEASE.into(),
        identity: format!("{}_{:08x}", settings.pod_name, dice::word()),
        address: SocketAddr::new(settings.pod_ip, settings.channel_port).to_string(),
    }
}

/// Whoever leads has seen all there is: one that cannot list must not take the Lease from one that can.
async fn run_for_it(context: Arc<Context>, elector: Elector, stop: CancellationToken) {
    stop.run_until_cancelled(context.stores.complete()).await;
    elector.run(stop).await;
}

/// A replica is ready once it knows all there is, whether it leads or not: it sends edges on to whoever does.
async fn say_when_ready(context: Arc<Context>, ready: watch::Sender<bool>) {
    context.stores.complete().await;
    tracing::info!("everything is listed");
    ready.send_replace(true);
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Service;
    use kube::Api;
    use kube::api::ListParams;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::clock;

    /// What kube gives a watch that shows nothing.
    const WATCH_LIMIT: Duration = Duration::from_secs(295);

    /// Services of an API server that does not say a word, and its listener.
    async fn silent_api() -> (Api<Service>, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let config = limited(Config::new(url.parse().expect("a URL")));
        (Api::all(Client::try_from(config).expect("a client")), listener)
    }

    /// The next request, read. From then on time is the test's own.
    async fn asked(listener: &TcpListener) -> TcpStream {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        assert_ne!(stream.read(&mut [0; 4_096]).await.expect("a request"), 0);
        tokio::time::pause();
        stream
    }

    #[tokio::test]
    async fn a_list_that_is_never_answered_fails_and_a_watch_has_its_time() {
        let (services, listener) = silent_api().await;
        let list = tokio::spawn(async move { services.list(&ListParams::default()).await });
        let _stream = asked(&listener).await;
        let began = clock::monotonic();
        let listed = timeout(Duration::from_hours(1), list).await.expect("is given up");
        assert!(listed.expect("ends").is_err());
        assert!(began.elapsed() > WATCH_LIMIT, "{:?}", began.elapsed());
    }
}
