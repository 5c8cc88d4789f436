//! A script of clients and servers into what its server is reached at, and what its client has to say of the edge before it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// What one of the client's checks takes at most.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server that runs, and a client that waits to be told where to go.
pub struct Peers {
    _process: Child,
    asks: ChildStdin,
    says: Lines<BufReader<ChildStdout>>,
    /// Where the server listens.
    pub address: SocketAddr,
}

impl Peers {
    /// Starts a script beside this crate's manifest.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start(script: &str) -> Self {
        let mut process = Command::new(python())
            .arg(format!("{}/{script}", env!("CARGO_MANIFEST_DIR")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; `make through` puts it there", python().display()));
        let asks = process.stdin.take().expect("is piped");
        let mut says = BufReader::new(process.stdout.take().expect("is piped")).lines();
        let address = says.next_line().await.expect("can be read").expect("it starts");
        Self { _process: process, asks, says, address: address.parse().expect("an address") }
    }

    /// Has the client go there; each thing that it did, with what came of it. The last is `done`.
    ///
    /// # Panics
    /// The client fails.
    pub async fn go(mut self, edge: SocketAddr) -> Vec<Value> {
        self.asks.write_all(format!("{edge}\n").as_bytes()).await.expect("listens");
        let mut said = Vec::new();
        loop {
            let line = tokio::time::timeout(PATIENCE, self.says.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("nothing came after {:?}", said.last()));
            let line = line.expect("can be read").unwrap_or_else(|| panic!("it failed after {:?}", said.last()));
            let line: Value = serde_json::from_str(&line).expect("is JSON");
            if line == "done" {
                return said;
            }
            println!("{line}");
            said.push(line);
        }
    }
}

/// Where `.ci/prepare peers` puts it.
fn python() -> PathBuf {
    let cache = std::env::var_os("KUBEFRONT_CACHE").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/kubefront")));
    cache.expect("there is a cache folder").join("peers/bin/python")
}
