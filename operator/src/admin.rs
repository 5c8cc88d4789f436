//! What the process knows about itself into answers for probes, Prometheus and `helm test`.

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header::CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// What `check` waits for at most.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens the admin port on every address of the machine.
pub async fn listen(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind((IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)).await {
        // A kernel without IPv6.
        Err(_) => TcpListener::bind(("0.0.0.0", port)).await,
        bound => bound,
    }
}

/// Answers until `stop`: `/healthz` while the process works, `/readyz` once it may take part, `/metrics`.
pub async fn serve(listener: TcpListener, metrics: Metrics, ready: watch::Receiver<bool>, stop: CancellationToken) {
    let readyz = move || {
        let ready = *ready.borrow();
        async move { if ready { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "still listing\n") } }
    };
    let numbers = move || {
        let text = metrics.text();
        async move { ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response() }
    };
    let alive = || async { "ok\n" };
    let router = Router::new()
        .route("/healthz", get(alive))
        .route("/livez", get(alive))
        .route("/readyz", get(readyz))
        .route("/metrics", get(numbers));
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await {
        tracing::error!(%error, "the admin port stopped answering");
    }
}

/// Why a URL did not answer 200.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It is not an http URL with a host.
    #[error("{0} is not an http URL")]
    Parse(String),
    /// Nobody listens there, or nothing of that name.
    #[error("could not connect to {address}")]
    Connect {
        /// Host and port.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It closed the connection, or does not speak HTTP.
    #[error("got no answer")]
    Ask(#[source] hyper::Error),
    /// It took too long.
    #[error("got no answer within {} s", PATIENCE.as_secs())]
    Silent,
    /// It answered something else.
    #[error("it answered {status}: {body}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// The beginning of what it said.
        body: String,
    },
}

/// Asks `url` and returns once it has answered 200.
pub async fn check(url: &str) -> Result<(), CheckError> {
    timeout(PATIENCE, ask(url)).await.map_err(|_| CheckError::Silent)?
}

async fn ask(url: &str) -> Result<(), CheckError> {
    let no_url = || CheckError::Parse(url.to_owned());
    let uri: http::Uri = url.parse().map_err(|_| no_url())?;
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http")).ok_or_else(no_url)?;
    let address = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80));
    let unreachable = |source| CheckError::Connect { address: address.clone(), source };
    let stream = TcpStream::connect(&address).await.map_err(unreachable)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(CheckError::Ask)?;
    tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = http::Request::get(path).header("host", authority.as_str()).body(Empty::<bytes::Bytes>::new());
    let request = request.map_err(|_| no_url())?;
    let response = sender.send_request(request).await.map_err(CheckError::Ask)?;
    let status = response.status();
    if status == StatusCode::OK {
        return Ok(());
    }
    let body = Limited::new(response.into_body(), 4096).collect().await.map(http_body_util::Collected::to_bytes);
    let body = String::from_utf8_lossy(&body.unwrap_or_default()).trim().to_owned();
    Err(CheckError::Refused { status, body })
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpSocket;

    use super::*;

    /// An admin server on a port of its own.
    async fn start(ready: bool) -> (String, watch::Sender<bool>, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("an address");
        let (tell, told) = watch::channel(ready);
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, Metrics::new(), told, stop.clone()));
        (format!("http://{address}"), tell, stop)
    }

    #[tokio::test]
    async fn it_is_alive_before_it_is_ready() {
        let (at, tell, _stop) = start(false).await;
        check(&format!("{at}/healthz")).await.expect("alive");
        check(&format!("{at}/metrics")).await.expect("countable");
        let refused = check(&format!("{at}/readyz")).await.expect_err("not ready");
        assert_eq!(refused.to_string(), "it answered 503 Service Unavailable: still listing");
        tell.send_replace(true);
        check(&format!("{at}/readyz")).await.expect("ready");
    }

    #[tokio::test]
    async fn a_check_says_what_is_wrong() {
        let (at, _tell, stop) = start(true).await;
        let missing = check(&format!("{at}/nowhere")).await.expect_err("there is no such page");
        assert!(missing.to_string().starts_with("it answered 404"), "{missing}");
        assert_eq!(check("https://x/").await.expect_err("no TLS").to_string(), "https://x/ is not an http URL");
        assert_eq!(check("readyz").await.expect_err("no host").to_string(), "readyz is not an http URL");
        stop.cancel();
        // Held, so that nobody else comes to listen there.
        let held = TcpSocket::new_v4().expect("a socket");
        held.bind(([127, 0, 0, 1], 0).into()).expect("binds");
        let closed = held.local_addr().expect("an address");
        let nobody = check(&format!("http://{closed}/")).await.expect_err("nobody listens");
        assert_eq!(nobody.to_string(), format!("could not connect to {closed}"));
    }
}
