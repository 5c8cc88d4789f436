//! The program itself, as a container runs it: arguments and environment in, lines and an exit status out.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use edge_contract::EdgeConfig;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::edge::PATIENCE;

/// A process that ends with its test.
pub struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    said: String,
}

impl Program {
    /// Starts it on ports that are free, with these further arguments.
    pub fn start(arguments: &[&str]) -> Self {
        Self::with(arguments, &[])
    }

    /// The same with this in its environment.
    pub fn with(arguments: &[&str], environment: &[(&str, &Path)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kubefront-edge"))
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(arguments)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("starts");
        let lines = BufReader::new(child.stdout.take().expect("is piped")).lines();
        Self { child, lines, said: String::new() }
    }

    /// The next line that says something under this name; every line is JSON.
    pub async fn says(&mut self, name: &str) -> Value {
        let reading = async {
            loop {
                let line = self.lines.next_line().await.expect("is readable").expect("goes on");
                self.said.push_str(&line);
                let line: Value = serde_json::from_str(&line).expect("every line is JSON");
                if !line[name].is_null() {
                    break line;
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("it says so")
    }

    /// All that it has said, once it has ended.
    pub async fn said(mut self) -> String {
        let reading = async {
            while let Some(line) = self.lines.next_line().await.expect("is readable") {
                self.said.push_str(&line);
            }
            self.said
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("ends")
    }

    /// Where viewers connect, once they can.
    pub async fn viewers(&mut self) -> SocketAddr {
        self.says("viewers").await["viewers"].as_str().and_then(|address| address.parse().ok()).expect("an address")
    }

    /// SIGTERM, as the kubelet sends it.
    pub fn terminate(&self) {
        let pid = self.child.id().expect("runs").to_string();
        let sent = std::process::Command::new("kill").args(["-TERM", &pid]).status().expect("runs");
        assert!(sent.success());
    }

    /// How it ends.
    pub async fn end(mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("ends").expect("is known")
    }
}

/// A path of this test's own, and nothing there once it is dropped.
pub struct Place(PathBuf);

impl Place {
    pub fn new(name: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("kubefront-edge-{}-{number}-{name}", std::process::id())))
    }

    /// A configuration, as it is mounted.
    pub fn of(config: &EdgeConfig) -> Self {
        Self::holding("config.json", serde_json::to_vec(config).expect("encodes"))
    }

    pub fn holding(name: &str, content: impl AsRef<[u8]>) -> Self {
        let place = Self::new(name);
        std::fs::write(&place.0, content).expect("is written");
        place
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn text(&self) -> &str {
        self.0.to_str().expect("is text")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
