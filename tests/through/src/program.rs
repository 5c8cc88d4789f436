//! A configuration into the edge's program that serves it, and how much memory that took.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use edge_contract::{Behavior, EdgeConfig, Epoch, Methods, Origin, OriginTarget, Scheme, Site, Walls};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// The program, until it is dropped.
pub struct Program {
    child: Child,
    _lines: Lines<BufReader<ChildStdout>>,
    mounted: PathBuf,
    /// Where viewers connect.
    pub viewers: SocketAddr,
}

impl Program {
    /// Before one origin, by the default policy but that every method passes.
    ///
    /// # Panics
    /// It does not start.
    pub async fn before(origin: SocketAddr, scheme: Scheme) -> Self {
        let mounted =
            std::env::temp_dir().join(format!("kubefront-through-{}-{}.json", std::process::id(), origin.port()));
        std::fs::write(&mounted, serde_json::to_vec(&config(origin, scheme)).expect("encodes")).expect("is written");
        let mut child = Command::new(built())
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--access-log", "false", "--config"])
            .arg(&mounted)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; `make through` builds it", built().display()));
        let mut lines = BufReader::new(child.stdout.take().expect("is piped")).lines();
        let viewers = loop {
            let line = lines.next_line().await.expect("can be read").expect("it starts");
            let line: Value = serde_json::from_str(&line).expect("is JSON");
            if let Some(viewers) = line["viewers"].as_str() {
                break viewers.parse().expect("an address");
            }
        };
        Self { child, _lines: lines, mounted, viewers }
    }

    /// The most memory that it has held so far, in KiB (`VmHWM`).
    ///
    /// # Panics
    /// It has ended.
    pub fn peak(&self) -> u64 {
        let process = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says so");
        line.trim().trim_end_matches(" kB").parse().expect("is a number")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.mounted);
    }
}

/// Where cargo puts it, from where it puts tests.
fn built() -> PathBuf {
    let own = std::env::current_exe().expect("this runs");
    let profile = own.ancestors().nth(2).expect("is in deps");
    profile.join("kubefront-edge")
}

fn config(origin: SocketAddr, scheme: Scheme) -> EdgeConfig {
    let target = OriginTarget::Address { scheme, host: origin.ip().to_string(), port: origin.port() };
    let site = Site {
        origins: vec![Origin::plain("app", "app.test").at(target)],
        behaviors: vec![Behavior { methods: Methods::All, ..Behavior::plain("*", "app") }],
        walls: Walls { local_origins: true, ..Walls::default() },
        ..Site::plain("uid-of-shop", "default/shop")
    };
    EdgeConfig::of(Epoch(1), 1, vec![site])
}
