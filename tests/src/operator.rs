//! The operator's own program as a child process with the rights of a `ServiceAccount`, and what it logs as lines to wait for.
#![expect(clippy::missing_panics_doc, reason = "a test's means fail by panicking, and say why when they do")]

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::Stdio,
    sync::Arc,
};

use http::StatusCode;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    sync::watch,
};

use crate::viewer;

/// The `ServiceAccount` of the operator, as the chart names it.
const SERVICE_ACCOUNT: &str = "kubefront-operator";

/// What operators logged so far, without the backslashes by which JSON protects quotes. Clones are the same.
#[derive(Clone, Default)]
pub struct Log(Arc<watch::Sender<Vec<String>>>);

impl Log {
    /// Waits until a line holds this text.
    pub async fn until(&self, text: &str) {
        let mut lines = self.0.subscribe();
        lines.wait_for(|lines| lines.iter().any(|line| line.contains(text))).await.expect("its sender is here");
    }

    /// The lines that hold this text.
    pub fn lines_with(&self, text: &str) -> Vec<String> {
        self.0.borrow().iter().filter(|line| line.contains(text)).cloned().collect()
    }

    async fn follow(self, output: ChildStdout) {
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            self.0.send_modify(|lines| lines.push(line.replace('\\', "")));
        }
    }
}

/// The name under which the API server knows the operator of a namespace.
pub fn user(namespace: &str) -> String {
    format!("system:serviceaccount:{namespace}:{SERVICE_ACCOUNT}")
}

/// An operator that looks after the namespace in which it seems to run. Dropping it kills it.
pub struct Operator {
    process: Child,
    log: Log,
    admin: SocketAddr,
    /// Where it hears edges.
    pub channel: SocketAddr,
}

impl Operator {
    /// Starts this program. It asks the API server as the `ServiceAccount` of its namespace, by impersonation: the rights are
    /// judged as for a pod's token, and nothing has to be issued.
    pub fn start(program: &str, namespace: &str, log: &Log) -> Self {
        let [admin, channel] = [free_port(), free_port()];
        let mut command = Command::new(program);
        command
            .args(["run", "--edge-image=kubefront.local/edge:dev", "--pod-name=operator", "--pod-ip=127.0.0.1"])
            .args([format!("--admin-port={}", admin.port()), format!("--channel-port={}", channel.port())])
            .args([format!("--namespace={namespace}"), format!("--watch-namespaces={namespace}")])
            .env("KUBE_RS_DEBUG_IMPERSONATE_USER", user(namespace))
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut process = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
        let output = process.stdout.take().expect("its output is a pipe");
        tokio::spawn(log.clone().follow(output));
        Self { process, log: log.clone(), admin, channel }
    }

    /// Whether it has not ended by itself.
    pub fn is_running(&mut self) -> bool {
        self.process.try_wait().expect("is a child").is_none()
    }

    /// Whether it says that it may take part.
    pub async fn is_ready(&self) -> bool {
        let answer = viewer::get(self.admin, "operator", "/readyz").await;
        answer.is_ok_and(|seen| seen.status == StatusCode::OK)
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.log.0.borrow().iter().rev().take(30).rev().for_each(|line| eprintln!("  {line}"));
        }
    }
}

/// A port of this machine that nobody listens on.
fn free_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("has an address")
}
