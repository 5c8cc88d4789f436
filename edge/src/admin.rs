//! Health, readiness, metrics and explanations, on a port of their own.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::edge::Edge;
use crate::explain;
use crate::live::Phase;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const JSON: &str = "application/json";
/// What is answered here.
pub const PATHS: &str = "/healthz, /readyz, /metrics, /explain?url=…";
/// Kubelet, Prometheus and a person: more connections than this are a mistake.
const CONNECTIONS: usize = 64;
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// Answers until the process ends.
pub async fn run(edge: Arc<Edge>, listener: TcpListener) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let edge = Arc::clone(&edge);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let response = answer(&edge, &request);
                async move { Ok::<_, Infallible>(response) }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_WITHIN)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "an admin connection ended");
            }
            drop(permit);
        });
    }
}

/// What an edge says of itself.
pub fn answer<B>(edge: &Edge, request: &Request<B>) -> Response<Full<Bytes>> {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only\n");
    }
    match request.uri().path() {
        "/healthz" => plain(StatusCode::OK, "ok\n"),
        "/readyz" => readiness(edge),
        "/metrics" => match edge.metrics.text() {
            Ok(text) => with_type(StatusCode::OK, text, OPENMETRICS),
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
        },
        "/explain" => explanation(edge, request.uri().query()),
        _ => plain(StatusCode::NOT_FOUND, &format!("{PATHS}\n")),
    }
}

/// What would become of a request, by [`explain`].
fn explanation(edge: &Edge, query: Option<&str>) -> Response<Full<Bytes>> {
    match explain::question(query) {
        Ok(request) => {
            with_type(StatusCode::OK, format!("{:#}\n", explain::answer(edge, request, explain::Known::All)), JSON)
        }
        Err(wrong) => plain(StatusCode::BAD_REQUEST, &format!("{wrong}\n")),
    }
}

/// Ready: a configuration serves, what is mounted anew for it was there, and the edge is not on its way out.
fn readiness(edge: &Edge) -> Response<Full<Bytes>> {
    if edge.live.phase() > Phase::Serving {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "draining\n");
    }
    if let Some(missing) = edge.live.awaits() {
        return plain(StatusCode::SERVICE_UNAVAILABLE, &format!("{missing}\n"));
    }
    match edge.live.serving_revision() {
        Some((epoch, revision)) => {
            plain(StatusCode::OK, &format!("serving revision {revision} of epoch {}\n", epoch.0))
        }
        None => plain(StatusCode::SERVICE_UNAVAILABLE, "no configuration yet\n"),
    }
}

fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    with_type(status, text.to_owned(), "text/plain; charset=utf-8")
}

fn with_type(status: StatusCode, text: String, content_type: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
