//! A process of the program, what it says, and viewers that speak to it.

use std::net::SocketAddr;
use std::process::{ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// What may take time in a test takes at most this.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A running `kubefront dev`; it ends with its test.
pub struct Dev {
    child: Child,
    requests: Lines,
    remarks: Lines,
    pub viewers: SocketAddr,
    pub admin: SocketAddr,
}

/// Lines that come by and by.
struct Lines {
    all: Arc<Mutex<Vec<String>>>,
    count: watch::Receiver<usize>,
    /// Up to where they were asked for.
    seen: usize,
}

/// A response, read to its end.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Dev {
    /// Starts it on free ports and waits until it serves.
    pub async fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kubefront"))
            .args(["dev", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("starts");
        let requests = Lines::of(child.stdout.take().expect("is piped"));
        let mut remarks = Lines::of(child.stderr.take().expect("is piped"));
        let line = remarks.next("viewers: http://").await;
        let mut addresses = line.split("http://").skip(1).map(|rest| rest.split(' ').next().unwrap_or_default());
        let mut address = || addresses.next().and_then(|text| text.parse().ok()).expect("an address");
        let (viewers, admin) = (address(), address());
        // What was said before is of interest to some.
        remarks.seen = 0;
        Self { child, requests, remarks, viewers, admin }
    }

    /// The next line on standard error that holds this.
    pub async fn says(&mut self, text: &str) -> String {
        self.remarks.next(text).await
    }

    /// The next line on standard output that holds this.
    pub async fn logs(&mut self, text: &str) -> String {
        self.requests.next(text).await
    }

    /// What a viewer gets.
    pub async fn get(&self, target: &str) -> Reply {
        self.get_of("127.0.0.1", target).await
    }

    /// The same from a host.
    pub async fn get_of(&self, host: &str, target: &str) -> Reply {
        ask(self.viewers, &format!("GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await
    }

    /// Asks its admin port.
    pub async fn admin(&self, method: &str, target: &str) -> Reply {
        ask(self.admin, &format!("{method} {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")).await
    }

    /// Posts Invalidations, with these further header fields.
    pub async fn post(&self, text: &str, headers: &str) -> Reply {
        let length = text.len();
        let head = format!("POST /invalidations HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}");
        ask(self.admin, &format!("{head}content-length: {length}\r\n\r\n{text}")).await
    }

    /// SIGTERM, and how it ends.
    pub async fn end(mut self) -> ExitStatus {
        let pid = self.child.id().expect("runs").to_string();
        let sent = std::process::Command::new("kill").args(["-TERM", &pid]).status().expect("runs");
        assert!(sent.success());
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("ends").expect("is known")
    }
}

impl Lines {
    fn of(from: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let all = Arc::new(Mutex::new(Vec::new()));
        let (counted, count) = watch::channel(0);
        let lines = Arc::clone(&all);
        tokio::spawn(async move {
            let mut from = BufReader::new(from).lines();
            while let Ok(Some(line)) = from.next_line().await {
                let mut lines = lines.lock().expect("is whole");
                lines.push(line);
                counted.send_replace(lines.len());
            }
        });
        Self { all, count, seen: 0 }
    }

    async fn next(&mut self, text: &str) -> String {
        let reading = async {
            loop {
                let found = {
                    let all = self.all.lock().expect("is whole");
                    all.iter()
                        .enumerate()
                        .skip(self.seen)
                        .find(|(_, line)| line.contains(text))
                        .map(|(at, l)| (at, l.clone()))
                };
                if let Some((at, line)) = found {
                    self.seen = at + 1;
                    return line;
                }
                let goes_on = self.count.changed().await.is_ok();
                assert!(goes_on, "it ended without saying {text:?}: {:#?}", self.all.lock().expect("is whole"));
            }
        };
        let said = tokio::time::timeout(PATIENCE, reading).await;
        said.unwrap_or_else(|_| panic!("it never said {text:?}: {:#?}", self.all.lock().expect("is whole")))
    }
}

/// Writes a request and reads until the end.
async fn ask(address: SocketAddr, request: &str) -> Reply {
    let mut stream = TcpStream::connect(address).await.expect("accepts");
    stream.write_all(request.as_bytes()).await.expect("takes it");
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("ends").expect("is whole");
    let answer = String::from_utf8(answer).expect("is text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("has a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("has a status");
    Reply { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

/// Runs the program to its end.
pub async fn run(arguments: &[&str]) -> Output {
    let child = Command::new(env!("CARGO_BIN_EXE_kubefront")).args(arguments).kill_on_drop(true).output();
    tokio::time::timeout(PATIENCE, child).await.expect("ends").expect("starts")
}

/// What a program printed.
pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("is text")
}
