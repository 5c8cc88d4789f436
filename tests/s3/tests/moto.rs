//! A bucket of moto, which checks every signature with Amazon's own library for Python, behind an edge.
//!
//! What it checks, and what it does not, is said in `moto_server.py`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use edge_contract::Ttl;
use http::{Method, StatusCode};
use serde::Deserialize;
use tests_s3::bucket::{self, Edge};
use tests_s3::keys;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// The server's process; it ends with the test.
struct Server {
    _process: Child,
    asks: ChildStdin,
    says: Lines<BufReader<ChildStdout>>,
    who: Who,
}

#[derive(Deserialize)]
struct Who {
    address: SocketAddr,
    keys: HashMap<String, Key>,
}

#[derive(Deserialize)]
struct Key {
    id: String,
    secret: String,
    token: Option<String>,
}

/// Where `.ci/prepare moto` puts it.
fn python() -> PathBuf {
    let cache = std::env::var_os("KUBEFRONT_CACHE").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/kubefront")));
    cache.expect("there is a cache folder").join("moto/bin/python")
}

impl Server {
    async fn start() -> Self {
        let mut process = Command::new(python())
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/moto_server.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; `make s3` puts it there", python().display()));
        let asks = process.stdin.take().expect("is piped");
        let mut says = BufReader::new(process.stdout.take().expect("is piped")).lines();
        let who = says.next_line().await.expect("can be read").expect("it starts");
        Self { _process: process, asks, says, who: serde_json::from_str(&who).expect("is JSON") }
    }

    fn key(&self, name: &str) -> bucket::Key {
        let Key { id, secret, token } = &self.who.keys[name];
        bucket::Key { id: id.clone(), secret: secret.clone(), token: token.clone() }
    }

    async fn edge(&self, bucket: &str, key: &bucket::Key) -> Edge {
        Edge::before(self.who.address, bucket, key).await
    }

    /// What lies in the bucket, by key, in hex.
    async fn holds(&mut self) -> HashMap<String, String> {
        self.asks.write_all(b"\n").await.expect("listens");
        let held = self.says.next_line().await.expect("can be read").expect("answers");
        serde_json::from_str(&held).expect("is JSON")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[tokio::test]
async fn odd_keys_are_written_and_read_and_lie_in_the_bucket_under_their_own_names() {
    let mut server = Server::start().await;
    let all = keys::all();
    assert!(all.len() >= 300);
    for name in ["all", "lent"] {
        let lost = keys::write_and_read(&server.edge("shop", &server.key(name)).await, &all).await;
        assert!(lost.is_empty(), "{name}: {} of {}: {lost:#?}", lost.len(), all.len());
    }
    let held = server.holds().await;
    for key in &all {
        assert_eq!(held.get(key), Some(&hex(&keys::object(key))), "{key:?}");
    }
    assert_eq!(held.len(), all.len());
    println!("{} keys, byte-equal", all.len());
}

#[tokio::test]
async fn each_thing_that_is_wrong_with_an_origin_is_told_apart() {
    let server = Server::start().await;
    let check = async |bucket: &str, key: bucket::Key, target: &str, status: StatusCode, detail: &str| {
        let reply = server.edge(bucket, &key).await.send(Method::GET, target, "").await;
        assert_eq!((reply.status, reply.text()), (status, format!("{status}: {detail}\n")));
    };
    let (all, lent, reads) = (server.key("all"), server.key("lent"), server.key("reads"));
    let wrong = |key: &bucket::Key| bucket::Key { secret: "another".into(), ..key.clone() };
    check("shop", wrong(&all), "/a", StatusCode::FORBIDDEN, "s3-wrong-secret").await;
    check("shop", wrong(&lent), "/a", StatusCode::FORBIDDEN, "s3-wrong-secret").await;
    let unknown = bucket::Key { id: "AKIAUNKNOWN".into(), ..all.clone() };
    check("shop", unknown, "/a", StatusCode::FORBIDDEN, "s3-unknown-access-key").await;
    let token = bucket::Key { token: Some("another".into()), ..lent };
    check("shop", token, "/a", StatusCode::BAD_REQUEST, "s3-invalid-token").await;
    check("gone", all.clone(), "/a", StatusCode::NOT_FOUND, "s3-no-such-bucket").await;
    check("shop", all, "/a", StatusCode::NOT_FOUND, "s3-no-such-key").await;
    check("shop", reads, "/private/a", StatusCode::FORBIDDEN, "s3-access-denied").await;
}

#[tokio::test]
async fn what_is_stored_is_validated_by_its_tag() {
    let server = Server::start().await;
    let ttl = Ttl { min: 0, default: 60, max: 60, ..Ttl::default() };
    let edge = Edge::storing(server.who.address, "shop", &server.key("all"), ttl).await;
    edge.send(Method::PUT, "/a", "object").await;
    let cache_status = async |expect: &str| {
        let reply = edge.send(Method::GET, "/a", "").await;
        assert_eq!(reply.text(), "object");
        let status = reply.headers["cache-status"].to_str().expect("is text");
        assert!(status.contains(expect), "{status}");
    };
    cache_status("fwd=uri-miss").await;
    cache_status("hit").await;
    edge.clock.skip(Duration::from_secs(61));
    cache_status("fwd=stale; fwd-status=304").await;
}
