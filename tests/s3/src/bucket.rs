//! A bucket and credentials into an edge that serves it, and a viewer of that edge.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use edge::clock::Clock;
use edge::process::{self, Running};
use edge::settings::Settings;
use edge_contract::{
    Behavior, EdgeConfig, Epoch, Methods, Mounted, MountedKind, Origin, OriginTarget, S3, S3Credentials, Scheme, Site,
    Ttl, Walls,
};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// What may take time in a test takes at most this.
const PATIENCE: Duration = Duration::from_secs(30);

/// The region of every bucket here.
pub const REGION: &str = "eu-west-1";

/// A folder of a test's own; it is gone with it.
#[derive(Debug)]
pub struct Folder(pub PathBuf);

impl Folder {
    /// An empty one.
    ///
    /// # Panics
    /// There is no room for it.
    pub fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("kubefront-s3-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("is created");
        Self(folder)
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A key of somebody who may do something with a bucket.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its id.
    pub id: String,
    /// The key itself.
    pub secret: String,
    /// Beside one that is lent.
    pub token: Option<String>,
}

/// An edge that serves a bucket, and keeps what it read unless told otherwise.
pub struct Edge {
    running: Running,
    /// The clock by which it signs.
    pub clock: Clock,
    _secrets: Folder,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub headers: HeaderMap,
    /// Its content.
    pub body: Bytes,
}

impl Reply {
    /// The content, where it is text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Edge {
    /// Before a bucket of this name, asked with this key. It stores nothing: every read is one of the server.
    ///
    /// # Panics
    /// It does not start.
    pub async fn before(server: SocketAddr, bucket: &str, key: &Key) -> Self {
        Self::storing(server, bucket, key, Ttl { min: 0, default: 0, max: 0, ..Ttl::default() }).await
    }

    /// The same, with bounds of freshness.
    ///
    /// # Panics
    /// It does not start.
    pub async fn storing(server: SocketAddr, bucket: &str, key: &Key, ttl: Ttl) -> Self {
        let secrets = Folder::new();
        let folder = secrets.0.join("secret/s3");
        std::fs::create_dir_all(&folder).expect("is created");
        let files = [("id", Some(&key.id)), ("key", Some(&key.secret)), ("token", key.token.as_ref())];
        for (name, value) in files.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            std::fs::write(folder.join(name), value).expect("is written");
        }
        let mounts = secrets.0.to_str().expect("is text");
        let arguments =
            ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--drain-accept", "0", "--mounts", mounts];
        let settings = Settings::parse_from(["kubefront-edge"].iter().chain(&arguments));
        let clock = Clock::system();
        let running = process::start(&settings, clock.clone()).await.expect("starts");
        running.edge.live.take_config(config(server, bucket, ttl)).expect("is sound");
        Self { running, clock, _secrets: secrets }
    }

    /// Sends one request over a connection of its own.
    ///
    /// # Panics
    /// There is no answer.
    pub async fn send(&self, method: Method, target: &str, body: impl Into<Bytes>) -> Reply {
        let request = Request::builder().method(method).uri(target).header("host", "shop.test");
        self.viewer().await.send(request.body(Full::new(body.into())).expect("is one")).await
    }

    /// A viewer that sends one request after another.
    ///
    /// # Panics
    /// The edge does not listen.
    pub async fn viewer(&self) -> Viewer {
        let stream = TcpStream::connect(self.running.viewers).await.expect("accepts");
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("speaks");
        tokio::spawn(connection);
        Viewer(sender)
    }
}

/// One connection to an edge.
pub struct Viewer(SendRequest<Full<Bytes>>);

impl Viewer {
    /// Sends a request and reads the answer to its end.
    ///
    /// # Panics
    /// There is no answer.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Reply {
        let exchange = async {
            self.0.ready().await.expect("is open");
            let (parts, body) = self.0.send_request(request).await.expect("is answered").into_parts();
            let body = body.collect().await.expect("is whole").to_bytes();
            Reply { status: parts.status, headers: parts.headers, body }
        };
        tokio::time::timeout(PATIENCE, exchange).await.expect("comes in time")
    }
}

fn config(server: SocketAddr, bucket: &str, ttl: Ttl) -> EdgeConfig {
    let file = |key: &str| Mounted {
        kind: MountedKind::Secret,
        name: "s3".into(),
        key: key.into(),
        field: "spec.origins[0].s3.credentialsSecretRef".into(),
    };
    let credentials =
        S3Credentials { access_key_id: file("id"), secret_access_key: file("key"), session_token: file("token") };
    let target = OriginTarget::Address { scheme: Scheme::Http, host: server.ip().to_string(), port: server.port() };
    let origin = Origin {
        base_path: format!("/{bucket}"),
        s3: Some(S3 { region: REGION.into(), credentials: Some(credentials) }),
        ..Origin::plain("bucket", server.to_string()).at(target)
    };
    let site = Site {
        origins: vec![origin],
        behaviors: vec![Behavior { methods: Methods::All, ttl, ..Behavior::plain("*", "bucket") }],
        walls: Walls { local_origins: true, ..Walls::default() },
        ..Site::plain("uid", "default/shop")
    };
    EdgeConfig::of(Epoch(1), 1, vec![site])
}
