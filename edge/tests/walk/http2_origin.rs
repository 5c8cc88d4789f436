//! A scripted origin that speaks HTTP/2: each request an exchange that a test answers as it likes, each counted by its connection.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use edge_contract::{EdgeConfig, OriginTarget, Scheme};
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Response, request};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::edge::{PATIENCE, config};

/// A request, and the way back.
pub struct Asked {
    /// Which request this is, from 1.
    pub number: usize,
    /// Which connection it came over, from 1.
    pub connection: usize,
    pub head: request::Parts,
    pub body: RecvStream,
    pub reply: SendResponse<Bytes>,
    leaving: Arc<watch::Sender<usize>>,
}

type Script = dyn Fn(Asked) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

/// An origin that runs until it is dropped.
pub struct Http2Origin {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: watch::Receiver<usize>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Drop for Http2Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Http2Origin {
    /// Answers every request by a script.
    pub async fn start<F, A>(script: F) -> Self
    where
        F: Fn(Asked) -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        Self::with(&Builder::new(), script).await
    }

    /// The same with other settings.
    pub async fn with<F, A>(settings: &Builder, script: F) -> Self
    where
        F: Fn(Asked) -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let script: Arc<Script> = Arc::new(move |asked| Box::pin(script(asked)));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("is bound");
        let (count, requests) = watch::channel(0);
        let (connections, settings) = (Arc::new(AtomicUsize::new(0)), settings.clone());
        let (opened, count) = (Arc::clone(&connections), Arc::new(count));
        let accepting = tokio::spawn(async move {
            // Connections end with the origin.
            let mut running = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("can be set");
                let connection = opened.fetch_add(1, Ordering::Relaxed) + 1;
                let (settings, script, count) = (settings.clone(), Arc::clone(&script), Arc::clone(&count));
                running.spawn(async move {
                    let Ok(mut streams) = settings.handshake::<_, Bytes>(stream).await else { return };
                    let (leaving, mut told) = watch::channel(0);
                    let leaving = Arc::new(leaving);
                    loop {
                        let accepted = tokio::select! {
                            accepted = streams.accept() => accepted,
                            Ok(()) = told.changed() => {
                                streams.graceful_shutdown();
                                continue;
                            }
                        };
                        let Some(Ok((request, reply))) = accepted else { return };
                        count.send_modify(|count| *count += 1);
                        let number = *count.borrow();
                        let (head, body) = request.into_parts();
                        let leaving = Arc::clone(&leaving);
                        tokio::spawn(script(Asked { number, connection, head, body, reply, leaving }));
                    }
                });
            }
        });
        Self { address, connections, requests, accepting }
    }

    /// How often it was connected to.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// How often it was asked.
    pub fn requests(&self) -> usize {
        *self.requests.borrow()
    }

    /// Waits until it was asked so often.
    pub async fn asked_times(&self, times: usize) {
        let mut requests = self.requests.clone();
        let asked = tokio::time::timeout(PATIENCE, requests.wait_for(|count| *count >= times)).await;
        asked.expect("is asked so often").expect("the origin runs");
    }

    /// One site whose every request goes to it.
    pub fn config(&self) -> EdgeConfig {
        h2c(self.address)
    }
}

/// One site whose origin is said to speak HTTP/2.
pub fn h2c(address: SocketAddr) -> EdgeConfig {
    let mut config = config(address);
    let (host, port) = (address.ip().to_string(), address.port());
    config.sites[0].origins[0].target = Some(OriginTarget::Address { scheme: Scheme::H2c, host, port });
    config
}

impl Asked {
    pub fn path(&self) -> &str {
        self.head.uri.path()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name).map(|value| value.to_str().expect("is text"))
    }

    /// Says something before the answer.
    pub fn say(&mut self, status: u16, fields: &[(&str, &str)]) {
        self.reply.send_informational(response(status, fields)).expect("is sent");
    }

    /// The next piece of the body, taken.
    pub async fn piece(&mut self) -> Option<Result<Bytes, h2::Error>> {
        let data = tokio::time::timeout(PATIENCE, self.body.data()).await.expect("comes")?;
        if let Ok(data) = &data {
            self.body.flow_control().release_capacity(data.len()).expect("was taken");
        }
        Some(data)
    }

    /// The body to its end, and what stands behind it.
    pub async fn rest(&mut self) -> (Vec<u8>, Option<HeaderMap>) {
        let mut all = Vec::new();
        while let Some(piece) = self.piece().await {
            all.extend(piece.expect("is whole"));
        }
        (all, self.body.trailers().await.expect("is whole"))
    }

    /// Answers with this head; a body follows.
    pub fn head(&mut self, status: u16, fields: &[(&str, &str)]) -> SendStream<Bytes> {
        self.reply.send_response(response(status, fields), false).expect("is sent")
    }

    /// Answers.
    pub fn answer(mut self, status: u16, fields: &[(&str, &str)], body: &str) {
        let mut stream = self.head(status, fields);
        stream.send_data(Bytes::copy_from_slice(body.as_bytes()), true).expect("is sent");
    }

    /// Waits until whoever asks ends the stream, and says how.
    pub async fn reset(&mut self) -> Reason {
        let reset = poll_fn(|cx| self.reply.poll_reset(cx));
        tokio::time::timeout(PATIENCE, reset).await.expect("comes").expect("is a reset")
    }

    /// No request is taken any more over this connection.
    pub fn go_away(&self) {
        self.leaving.send_modify(|times| *times += 1);
    }
}

/// Sends a body as there is room for it, to its end; how much was sent of one that is cut off.
pub async fn send(stream: &mut SendStream<Bytes>, mut body: Bytes) -> Result<(), usize> {
    let length = body.len();
    while !body.is_empty() {
        stream.reserve_capacity(body.len());
        let room = poll_fn(|cx| stream.poll_capacity(cx)).await;
        let Some(Ok(room)) = room else { return Err(length - body.len()) };
        let piece = body.split_to(room.min(body.len()));
        stream.send_data(piece, body.is_empty()).map_err(|_| length - body.len())?;
    }
    Ok(())
}

fn response(status: u16, fields: &[(&str, &str)]) -> Response<()> {
    let response = Response::builder().status(status);
    fields.iter().fold(response, |response, (name, value)| response.header(*name, *value)).body(()).expect("is one")
}
