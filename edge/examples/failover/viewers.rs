//! Viewers who each ask for something new, so many a second, into what each of them saw.

use std::net::SocketAddr;
use std::time::Duration;

use edge::clock::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// 200 a second.
const EVERY: Duration = Duration::from_millis(5);

/// What one viewer saw.
pub struct Seen {
    /// When it asked.
    pub asked: Duration,
    /// When it had the answer, or there was none.
    pub ended: Duration,
    /// The origin that gave it; empty where it is an error.
    pub by: String,
}

impl Seen {
    /// Whether it saw what it asked for.
    pub fn is_answered(&self) -> bool {
        !self.by.is_empty()
    }
}

/// Viewers who go on asking.
pub struct Viewers {
    goes_on: watch::Sender<bool>,
    asking: JoinHandle<Vec<Seen>>,
}

impl Viewers {
    /// Those of this edge.
    pub fn of(edge: SocketAddr, clock: &Clock) -> Self {
        let (goes_on, until) = watch::channel(true);
        Self { goes_on, asking: tokio::spawn(keep_asking(edge, clock.clone(), until)) }
    }

    /// Nobody else comes; what those saw who had come.
    pub async fn stop(self) -> Vec<Seen> {
        self.goes_on.send_replace(false);
        self.asking.await.expect("runs to its end")
    }
}

async fn keep_asking(edge: SocketAddr, clock: Clock, until: watch::Receiver<bool>) -> Vec<Seen> {
    let mut viewers = JoinSet::new();
    let mut ticks = tokio::time::interval(EVERY);
    let mut number = 0_u64;
    while *until.borrow() {
        ticks.tick().await;
        number += 1;
        let clock = clock.clone();
        viewers.spawn(async move {
            let asked = clock.now().monotonic;
            let by = ask(edge, number).await.unwrap_or_default();
            Seen { asked, ended: clock.now().monotonic, by }
        });
    }
    viewers.join_all().await
}

async fn ask(edge: SocketAddr, number: u64) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(edge).await?;
    let request = format!("GET /{number} HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    Ok(body.filter(|_| answer.starts_with("HTTP/1.1 200 ")).unwrap_or_default())
}
