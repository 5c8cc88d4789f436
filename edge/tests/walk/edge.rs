//! A real edge in this process, its configuration, and viewers that speak to it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use edge::clock::Clock;
use edge::live::Live;
use edge::process::{self, Running};
use edge::settings::Settings;
use edge_contract::{
    Behavior, EdgeConfig, Endpoints, Epoch, Head, Methods, Origin, OriginTarget, PurgeOrder, Scheme, Scope, Site, Walls,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const EPOCH: Epoch = Epoch(7);
pub const SITE: &str = "uid-of-shop";

/// What may take time in a test takes at most this.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// One site that sends everything to one origin; tests change what they are about.
pub fn config(origin: SocketAddr) -> EdgeConfig {
    let site = Site {
        origins: vec![Origin { response_timeout_ms: 10_000, ..Origin::plain("app", "app.test").at(address(origin)) }],
        behaviors: vec![Behavior { methods: Methods::All, compress: false, ..Behavior::plain("*", "app") }],
        walls: Walls { local_origins: true, ..Walls::default() },
        ..Site::plain(SITE, "default/shop")
    };
    EdgeConfig::of(EPOCH, 1, vec![site])
}

pub fn address(origin: SocketAddr) -> OriginTarget {
    OriginTarget::Address { scheme: Scheme::Http, host: origin.ip().to_string(), port: origin.port() }
}

/// A running edge; it ends with the test's runtime.
pub struct Edge {
    pub running: Running,
    pub clock: Clock,
}

/// A response, read to its end.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("is text"))
    }

    pub fn cache_status(&self) -> &str {
        self.header("cache-status").unwrap_or_default()
    }
}

pub fn settings(arguments: &[&str]) -> Settings {
    let fixed = ["kubefront-edge", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let at_once = if arguments.contains(&"--drain-accept") { &[][..] } else { &["--drain-accept", "0"][..] };
    Settings::parse_from(fixed.iter().chain(at_once).chain(arguments))
}

impl Edge {
    /// An edge with default settings that serves this.
    pub async fn start(config: EdgeConfig) -> Self {
        Self::with(&[], config).await
    }

    /// The same with more arguments.
    pub async fn with(arguments: &[&str], config: EdgeConfig) -> Self {
        let clock = Clock::standing();
        let running = process::start(&settings(arguments), clock.clone()).await.expect("starts");
        running.edge.live.take_config(config).expect("is sound");
        Self { running, clock }
    }

    pub fn live(&self) -> &Live {
        &self.running.edge.live
    }

    /// Lets time pass for freshness.
    pub fn skip(&self, seconds: u64) {
        self.clock.skip(Duration::from_secs(seconds));
    }

    /// An edge that has its first head: numbers are known from here on.
    pub fn begin_log(&self) {
        self.live().take_head(Head { epoch: EPOCH, sequence: 1, floor: 1, flush: 0 });
    }

    pub fn order(&self, sequence: u64, scopes: Vec<Scope>) {
        let order = PurgeOrder { epoch: EPOCH, sequence, uid: format!("uid-{sequence}"), scopes };
        self.live().apply_order(&order);
    }

    /// Where the pods of the Service are that the origin `app` is now.
    pub fn endpoints(&self, addresses: &[SocketAddr]) {
        let sites = self.live().sites().expect("serves");
        let app = sites.by_id(SITE).and_then(|table| table.origins.iter().find(|origin| origin.name == "app"));
        let target = app.and_then(|origin| origin.target.clone()).expect("is somewhere");
        self.endpoints_of(target, addresses);
    }

    /// The same of a Service that the origin `app` may not be.
    pub fn endpoints_of(&self, target: OriginTarget, addresses: &[SocketAddr]) {
        let addresses = addresses.iter().map(ToString::to_string).collect();
        self.live().take_endpoints(Endpoints {
            site: SITE.into(),
            origin: "app".into(),
            target,
            version: 1,
            addresses,
        });
    }

    pub async fn get(&self, target: &str) -> Reply {
        self.send(request(Method::GET, target)).await
    }

    /// Sends a request with these fields.
    pub async fn ask(&self, method: Method, target: &str, fields: &[(&'static str, &str)]) -> Reply {
        let mut request = request(method, target);
        for (name, value) in fields {
            request.headers_mut().append(*name, value.parse().expect("a value"));
        }
        self.send(request).await
    }

    /// Sends a request on a connection of its own, and reads the answer to its end.
    pub async fn send(&self, request: Request<BoxBody<Bytes, hyper::Error>>) -> Reply {
        read(self.open(request).await).await.expect("the body is complete")
    }

    /// The same up to the response's head.
    pub async fn open(&self, request: Request<BoxBody<Bytes, hyper::Error>>) -> Response<Incoming> {
        open(self.running.viewers, request).await.expect("there is a response")
    }

    /// Writes bytes as they are and reads until the edge closes.
    pub async fn raw(&self, bytes: &str) -> String {
        raw(self.running.viewers, bytes).await
    }

    pub async fn admin(&self, target: &str) -> Reply {
        let response = open(self.running.admin, request(Method::GET, target)).await.expect("there is a response");
        read(response).await.expect("the body is complete")
    }
}

pub async fn raw(address: SocketAddr, bytes: &str) -> String {
    let mut viewer = Raw::to(address).await;
    viewer.say(bytes).await;
    viewer.rest().await
}

/// A viewer that says what a test tells it to, and reads only when it is told.
pub struct Raw(TcpStream);

impl Raw {
    pub async fn to(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.expect("accepts"))
    }

    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let written = tokio::time::timeout(PATIENCE, self.0.write_all(bytes.as_ref())).await;
        written.expect("is taken in time").expect("is taken");
    }

    /// As much of it as is taken at once, if any is before so long.
    pub async fn say_some(&mut self, bytes: &[u8], patience: Duration) -> Option<usize> {
        tokio::time::timeout(patience, self.0.write(bytes)).await.ok()?.ok()
    }

    /// All up to the end of the next head, or to the end of the connection.
    pub async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match tokio::time::timeout(PATIENCE, self.0.read_u8()).await.expect("comes") {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8_lossy(&head).into_owned()
    }

    /// Exactly so many bytes.
    pub async fn exactly(&mut self, count: usize) -> String {
        let mut bytes = vec![0; count];
        let read = tokio::time::timeout(PATIENCE, self.0.read_exact(&mut bytes)).await.expect("comes");
        read.expect("comes whole");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Ends this side; the other may go on.
    pub async fn finish(&mut self) {
        self.0.shutdown().await.expect("is open");
    }

    /// All up to the end of the connection.
    pub async fn rest(&mut self) -> String {
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut answer)).await.expect("closes");
        drop(read);
        String::from_utf8_lossy(&answer).into_owned()
    }
}

pub fn request(method: Method, target: &str) -> Request<BoxBody<Bytes, hyper::Error>> {
    with_body(method, target, Empty::new().map_err(|never| match never {}).boxed())
}

pub fn with_text(method: Method, target: &str, text: &'static str) -> Request<BoxBody<Bytes, hyper::Error>> {
    with_body(method, target, Full::from(text).map_err(|never| match never {}).boxed())
}

pub fn with_body(
    method: Method,
    target: &str,
    body: BoxBody<Bytes, hyper::Error>,
) -> Request<BoxBody<Bytes, hyper::Error>> {
    Request::builder().method(method).uri(target).header("host", "shop.test").body(body).expect("is one")
}

/// Opens a connection for one request.
pub async fn open(
    address: SocketAddr,
    request: Request<BoxBody<Bytes, hyper::Error>>,
) -> Result<Response<Incoming>, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(tokio::time::timeout(PATIENCE, sender.send_request(request)).await??)
}

pub async fn read(response: Response<Incoming>) -> Result<Reply, hyper::Error> {
    let (parts, body) = response.into_parts();
    let body = tokio::time::timeout(PATIENCE, body.collect()).await.expect("the body ends")?.to_bytes();
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Reply { status: parts.status, headers: parts.headers, body })
}

/// The next piece of a body.
pub async fn piece(body: &mut Incoming) -> String {
    let frame = tokio::time::timeout(PATIENCE, body.frame()).await.expect("comes").expect("is not the end");
    let data = frame.expect("is whole").into_data().expect("is data");
    String::from_utf8(data.to_vec()).expect("is text")
}

/// Waits until something that nobody announces has become true.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never came true: {what}"));
}
