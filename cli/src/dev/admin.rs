//! Requests on the admin port into what the edge says of itself, and posted Invalidations into orders.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use crds::Invalidation;
use edge::edge::Edge;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use operator::invalidation::order::purge_order;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use super::conditions::Conditions;
use super::invalidations::site_of;
use super::orders::{Done, Orders};
use crate::contents::{self, Contents, Declared};
use crate::world::name_of;

/// Where Invalidations are posted to.
const INVALIDATIONS: &str = "/invalidations";

/// Where the conditions of Distributions are.
const CONDITIONS: &str = "/conditions";

/// No API server stores a larger object.
const LARGEST: usize = 2 * 1024 * 1024;

const HEAD_WITHIN: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(50);

/// What is answered on the admin port.
pub struct Admin {
    /// The edge in this process.
    pub edge: Arc<Edge>,
    /// Its purge log.
    pub orders: Arc<Orders>,
    /// What was judged last of each Distribution.
    pub conditions: Arc<Mutex<Conditions>>,
    /// The namespace of Invalidations that name none.
    pub namespace: String,
}

/// Why a posted Invalidation was not carried out.
struct Refused(StatusCode, String);

/// Answers until the process ends.
pub async fn run(admin: Arc<Admin>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => drop(tokio::spawn(connection(Arc::clone(&admin), stream, peer))),
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

async fn connection(admin: Arc<Admin>, stream: TcpStream, peer: SocketAddr) {
    let service = service_fn(|request| {
        let admin = Arc::clone(&admin);
        async move { Ok::<_, Infallible>(admin.answer(request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "an admin connection ended");
    }
}

impl Admin {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.uri().path() != INVALIDATIONS {
            return self.of_the_edge(&request);
        }
        if *request.method() != Method::POST {
            return refused(StatusCode::METHOD_NOT_ALLOWED, "post Invalidations here");
        }
        match self.invalidate(request).await {
            Ok(done) => response(StatusCode::OK, "application/json", format!("{done}\n")),
            Err(Refused(status, why)) => refused(status, &why),
        }
    }

    /// What an edge in a cluster answers, and what an API server would there.
    fn of_the_edge(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let answer = edge::admin::answer(&self.edge, request);
        if answer.status() != StatusCode::NOT_FOUND {
            return answer;
        }
        if request.uri().path() == CONDITIONS {
            let conditions = self.conditions.lock().unwrap_or_else(PoisonError::into_inner).to_json();
            return response(StatusCode::OK, "application/json", format!("{conditions:#}\n"));
        }
        refused(answer.status(), &format!("{INVALIDATIONS}, {CONDITIONS}, {}", edge::admin::PATHS))
    }

    async fn invalidate(&self, request: Request<Incoming>) -> Result<Value, Refused> {
        // A page in a browser of this machine can post here without asking; it always says where it is from.
        if request.headers().contains_key(header::ORIGIN) {
            return Err(Refused(StatusCode::FORBIDDEN, "not from a web page".into()));
        }
        let body = Limited::new(request.into_body(), LARGEST).collect().await;
        let body = body.map_err(|error| Refused(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()))?.to_bytes();
        let contents = read(&body, &self.namespace)?;
        // All of them or none: whoever is told of a mistake has removed nothing.
        let missing = contents.invalidations.iter().filter_map(|one| {
            let (site, distribution) = site_of(&one.object);
            (!self.orders.serves(&site)).then(|| one.complaint("spec.distributionRef.name", nobody(&distribution)))
        });
        let missing: Vec<_> = missing.map(|complaint| complaint.to_string()).collect();
        if !missing.is_empty() {
            return Err(Refused(StatusCode::NOT_FOUND, missing.join("\n")));
        }
        let mut done = Vec::new();
        for one in &contents.invalidations {
            let (_, distribution) = site_of(&one.object);
            let (invalidation, Done { sequence, removed }) = carry_out(&self.orders, one).await;
            done.push(json!({
                "invalidation": invalidation, "distribution": distribution, "sequence": sequence, "removed": removed,
            }));
        }
        Ok(json!({ "invalidations": done }))
    }
}

/// What is said where nobody serves the Distribution.
pub fn nobody(distribution: &str) -> String {
    format!("there is no Distribution {distribution} here")
}

/// Carries an Invalidation out, says so, and how it is called.
pub async fn carry_out(orders: &Orders, declared: &Declared<Invalidation>) -> (String, Done) {
    let (site, distribution) = site_of(&declared.object);
    let done = orders.carry_out(&site, |at| purge_order(&declared.object, at)).await;
    let (namespace, name) = name_of(&declared.object.metadata);
    let generated = declared.object.metadata.name.is_none().then(|| done.sequence.to_string());
    let name = format!("{namespace}/{name}{}", generated.unwrap_or_default());
    eprintln!("Invalidation {name}: {} of {distribution} removed", responses(done.removed));
    (name, done)
}

/// `3 stored responses`.
pub fn responses(number: u64) -> String {
    if number == 1 { "1 stored response".into() } else { format!("{number} stored responses") }
}

fn read(body: &[u8], namespace: &str) -> Result<Contents, Refused> {
    let refused = |why: String| Refused(StatusCode::UNPROCESSABLE_ENTITY, why);
    let text = std::str::from_utf8(body).map_err(|error| refused(error.to_string()))?;
    let is_folded = !text.contains('\n') && text.contains("apiVersion:") && !text.trim_start().starts_with('{');
    let hint = if is_folded { "\ncurl's -d and --data take line breaks out: use --data-binary" } else { "" };
    let contents = contents::read(&"request".into(), text, namespace).map_err(|faults| {
        let lines: Vec<_> = faults.iter().map(ToString::to_string).collect();
        refused(format!("{}{hint}", lines.join("\n")))
    })?;
    if contents.invalidations.is_empty() || !contents.distributions.is_empty() {
        return Err(refused(format!("give Invalidations, and nothing else: Distributions stand in files{hint}")));
    }
    Ok(contents)
}

fn refused(status: StatusCode, why: &str) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", format!("{why}\n"))
}

fn response(status: StatusCode, content_type: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
