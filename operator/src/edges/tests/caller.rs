//! An edge's end of the channel that says what a test tells it to.

use bytes::Bytes;
use edge_contract::{CHANNEL_PATH, CONTRACT, FromEdge, FromOperator, Head, Hello, Lines, OPERATOR_NAME};
use edge_contract::{decode_line, encode_line};
use http::{Request, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::site::{Site, short_lived};
use super::*;

/// One stream.
pub(super) struct Caller {
    say: mpsc::Sender<Bytes>,
    body: hyper::body::Incoming,
    lines: Lines,
}

pub(super) fn hello(name: &str) -> Hello {
    Hello {
        contract: CONTRACT,
        pod: format!("pod-{name}"),
        uid: format!("uid-{name}"),
        boot_id: format!("boot-{name}"),
        epoch: None,
        sequence: None,
        order_uid: None,
        config_epoch: None,
        revision: None,
    }
}

impl Site {
    /// Calls, proves itself by a token and says hello.
    pub(super) async fn call(&self, token: &str, hello: Hello) -> Result<Caller, StatusCode> {
        let line = encode_line(&FromEdge::Hello(hello)).expect("encodes");
        self.call_with(token, std::str::from_utf8(&line).expect("UTF-8")).await
    }

    pub(super) async fn call_with(&self, token: &str, first: &str) -> Result<Caller, StatusCode> {
        let io = self.handshake(OPERATOR_NAME, self).await.expect("shakes hands");
        let mut http = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        let (mut http, connection) = http.timer(TokioTimer::new()).handshake(TokioIo::new(io)).await.expect("HTTP/2");
        tokio::spawn(connection);
        let (say, said) = mpsc::channel(16);
        say.send(Bytes::copy_from_slice(first.as_bytes())).await.expect("is sent");
        let token = if token == "token-short" { short_lived() } else { token.to_owned() };
        let request = Request::post(format!("https://{OPERATOR_NAME}{CHANNEL_PATH}"))
            .header("authorization", format!("Bearer {token}"))
            .body(spoken(said))
            .expect("a request");
        let response = http.send_request(request).await.expect("a response");
        match response.status() {
            StatusCode::OK => Ok(Caller { say, body: response.into_body(), lines: Lines::new() }),
            status => Err(status),
        }
    }

    pub(super) async fn shakes_hands_as(&self, name: &'static str) -> bool {
        self.handshake(name, self).await.is_ok()
    }

    /// With the authority of another operator.
    pub(super) async fn shakes_hands_trusting(&self, other: &Self) -> bool {
        self.handshake(OPERATOR_NAME, other).await.is_ok()
    }

    pub(super) async fn connect_and_say_nothing(&self) {
        let io = self.handshake(OPERATOR_NAME, self).await.expect("shakes hands");
        let http = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        let (_http, connection) =
            http.handshake::<_, UnsyncBoxBody<Bytes, hyper::Error>>(TokioIo::new(io)).await.expect("HTTP/2");
        let _ = connection.await;
    }

    async fn handshake(&self, name: &'static str, trusted: &Self) -> std::io::Result<TlsStream<DuplexStream>> {
        let (here, there) = tokio::io::duplex(64 * 1024);
        let channel = self.channel.clone();
        tokio::spawn(async move { channel.serve_connection(there).await });
        let bundle = trusted.authority.bundle().borrow().clone();
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
            roots.add(certificate.expect("PEM")).expect("a certificate");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from(name).expect("a name");
        TlsConnector::from(Arc::new(tls)).connect(name, here).await
    }
}

impl Caller {
    pub(super) async fn say(&mut self, line: &FromEdge) {
        self.say_bytes(encode_line(line).expect("encodes")).await;
    }

    pub(super) async fn say_bytes(&mut self, bytes: Vec<u8>) {
        self.say.send(bytes.into()).await.expect("the stream is open");
    }

    /// The next line, or nothing when the stream has ended.
    pub(super) async fn next(&mut self) -> Option<FromOperator> {
        loop {
            if let Some(line) = self.lines.next_line().expect("short lines") {
                return Some(decode_line(&line).expect("decodes"));
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(piece) = frame.into_data() {
                self.lines.push(&piece);
            }
        }
    }

    /// Answers the ping that is to come next; its head.
    pub(super) async fn ping(&mut self) -> Option<Head> {
        let Some(FromOperator::Ping { n, head }) = self.next().await else { panic!("something else than a ping") };
        self.say(&FromEdge::Pong { n }).await;
        head
    }

    /// The next line that is no ping; pings are answered.
    pub(super) async fn next_but_ping(&mut self) -> Option<FromOperator> {
        loop {
            match self.next().await? {
                FromOperator::Ping { n, .. } => self.say(&FromEdge::Pong { n }).await,
                line => return Some(line),
            }
        }
    }

    /// How many lines still come that are no pings, without a further word from here; returns when the stream ends.
    pub(super) async fn rest(&mut self) -> usize {
        let mut lines = 0;
        while let Some(line) = self.next().await {
            lines += usize::from(!matches!(line, FromOperator::Ping { .. }));
        }
        lines
    }

    pub(super) async fn answer_pings_until_the_end(&mut self) {
        while let Some(FromOperator::Ping { n, .. }) = self.next().await {
            // The stream may have ended since.
            let _ = self.say.send(encode_line(&FromEdge::Pong { n }).expect("encodes").into()).await;
        }
    }
}

fn spoken(said: mpsc::Receiver<Bytes>) -> UnsyncBoxBody<Bytes, hyper::Error> {
    let frames = futures::stream::unfold(said, |mut said| async move {
        let line = said.recv().await?;
        Some((Ok(Frame::data(line)), said))
    });
    StreamBody::new(frames).boxed_unsync()
}
