//! An origin that says who it is, and can die in two ways.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// One origin.
pub struct Server {
    /// Where it is, as long as it lives.
    pub address: SocketAddr,
    name: &'static str,
    hangs: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// One that is well.
    pub async fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let (address, hangs) = (listener.local_addr().expect("is bound"), watch::Sender::new(false));
        let accepting = tokio::spawn(accept(listener, name, hangs.subscribe()));
        Self { address, name, hangs, accepting }
    }

    /// Its connections break off, and new ones are refused.
    pub fn kill(&mut self) {
        self.accepting.abort();
    }

    /// It takes connections and requests, and says nothing.
    pub fn hang(&mut self) {
        self.hangs.send_replace(true);
    }

    /// It is well again.
    pub async fn revive(&mut self) {
        self.hangs.send_replace(false);
        if self.accepting.is_finished() {
            let listener = TcpListener::bind(self.address).await.expect("its port is still free");
            self.accepting = tokio::spawn(accept(listener, self.name, self.hangs.subscribe()));
        }
    }
}

async fn accept(listener: TcpListener, name: &'static str, hangs: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, name, hangs.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, name: &'static str, mut hangs: watch::Receiver<bool>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        if std::mem::take(&mut line) != "\r\n" {
            continue;
        }
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len());
        if hangs.wait_for(|hangs| !hangs).await.is_err() || stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
