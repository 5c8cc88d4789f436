//! Turns two listeners into connections that are answered, until the origin is told to stop.

use std::{convert::Infallible, io, io::Write, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH},
};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    admin,
    answer::{self, Answer, Arrival, Body, Reply, Wait},
    fault::Fault,
    secure::{self, Secure},
    state::State,
};

/// How an origin is set up.
pub struct Settings {
    /// Where viewers and edges are answered.
    pub listen: SocketAddr,
    /// Where tests change and observe it.
    pub admin: SocketAddr,
    /// The content version at the start.
    pub content: String,
    /// `Cache-Control` where a query asks for nothing else; empty: none.
    pub cache_control: String,
    /// Whether the same is answered over TLS, and how.
    pub secure: Option<Secure>,
}

impl Default for Settings {
    /// Free ports of this machine, content `v1`.
    fn default() -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { listen: any, admin: any, content: "v1".to_owned(), cache_control: String::new(), secure: None }
    }
}

/// A running origin. Dropping it leaves its connections to end by themselves; [`Origin::stop`] waits for them.
pub struct Origin {
    address: SocketAddr,
    admin_address: SocketAddr,
    secure_address: Option<SocketAddr>,
    state: Arc<State>,
    stop: CancellationToken,
    accepting: JoinHandle<()>,
}

type Answered = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// The connection ends without another byte: a fault was written to its socket.
#[derive(Debug)]
struct EndConnection;

impl std::fmt::Display for EndConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the fault that was asked for")
    }
}

impl std::error::Error for EndConnection {}

impl Origin {
    /// Listens and answers from now on.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let admin_listener = TcpListener::bind(settings.admin).await?;
        let state = State::new(settings.content, settings.cache_control);
        let stop = CancellationToken::new();
        let (address, admin_address) = (listener.local_addr()?, admin_listener.local_addr()?);
        let secure_address = match settings.secure {
            Some(secure) => Some(accept_secure(&secure, address).await?),
            None => None,
        };
        tokio::spawn(accept_admin(admin_listener, Arc::clone(&state)));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state), stop.clone()));
        Ok(Self { address, admin_address, secure_address, state, stop, accepting })
    }

    /// Where viewers and edges are answered.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the same is answered over TLS, if it is.
    pub fn secure_address(&self) -> Option<SocketAddr> {
        self.secure_address
    }

    /// Where tests change and observe it.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// Unready at once, then accepts for `linger` more, as endpoints are taken out of Services only by and by; then
    /// ends what is idle and waits for what is under way, 20 s at most.
    pub async fn stop(self, linger: Duration) {
        self.state.stop();
        tokio::time::sleep(linger).await;
        self.stop.cancel();
        let _ = tokio::time::timeout(Duration::from_secs(20), self.accepting).await;
    }
}

async fn accept_secure(secure: &Secure, plain: SocketAddr) -> io::Result<SocketAddr> {
    let (acceptor, listener) = (secure.acceptor()?, TcpListener::bind(secure.listen).await?);
    let address = listener.local_addr()?;
    // Wherever it listens, it reaches itself by its own port.
    let plain = SocketAddr::from(([127, 0, 0, 1], plain.port()));
    tokio::spawn(secure::accept(listener, acceptor, plain));
    Ok(address)
}

async fn accept(listener: TcpListener, state: Arc<State>, stop: CancellationToken) {
    let connections = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        // A connection that could not be accepted or copied is the peer's loss alone.
        let Ok((stream, _)) = stream else { continue };
        let Ok((stream, wire)) = with_copy(stream) else { continue };
        let (state, wire) = (Arc::clone(&state), Arc::new(wire));
        let service = service_fn(move |request| answer(request, Arc::clone(&state), Arc::clone(&wire)));
        let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            let _ = connection.await;
        });
    }
    drop(listener);
    connections.shutdown().await;
}

/// The stream and a second handle on its socket, for faults that no HTTP library would send.
fn with_copy(stream: TcpStream) -> io::Result<(TcpStream, std::net::TcpStream)> {
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    let copy = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?, copy))
}

async fn accept_admin(listener: TcpListener, state: Arc<State>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let state = Arc::clone(&state);
        let service = service_fn(move |request| answer_admin(request, Arc::clone(&state)));
        tokio::spawn(http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer_admin(request: Request<Incoming>, state: Arc<State>) -> Result<Response<String>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let (status, text) = admin::answer(&state, &head.method, &head.uri, &String::from_utf8_lossy(&body));
    let mut response = Response::new(text);
    *response.status_mut() = status;
    Ok(response)
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
    wire: Arc<std::net::TcpStream>,
) -> Result<Answered, EndConnection> {
    let (head, body) = request.into_parts();
    if head.uri.path() == "/content" && (head.method == Method::PUT || head.method == Method::POST) {
        let body = body.collect().await.map_err(|_| EndConnection)?.to_bytes();
        let (status, text) = admin::answer(&state, &head.method, &head.uri, &String::from_utf8_lossy(&body));
        return Ok(respond(status, text_body(text), &state));
    }
    let (read, content) = state.arrive(head.uri.path());
    let arrival = Arrival { head: &head, read, content: &content, cache_control: &state.cache_control };
    match answer::decide(&arrival) {
        Answer::Fault(fault) => {
            let control = answer::cache_control(head.uri.query().unwrap_or_default(), &state.cache_control);
            let control = control.as_ref().and_then(|control| control.to_str().ok()).unwrap_or_default();
            commit(fault, &wire, &fault.bytes(read, control));
            Err(EndConnection)
        }
        Answer::Reply(reply) => {
            // What the request carries is read to its end, so that the connection can be used again.
            body.collect().await.map_err(|_| EndConnection)?;
            Ok(send(reply, &state).await)
        }
    }
}

/// Writes a fault behind the HTTP library's back. A peer that is gone already has what it asked for.
fn commit(fault: Fault, mut wire: &std::net::TcpStream, bytes: &str) {
    let _ = wire.write_all(bytes.as_bytes());
    if fault == Fault::Reset {
        // The setting belongs to the socket: its last handle to close sends the reset.
        let _ = wire.try_clone().and_then(TcpStream::from_std).and_then(|handle| handle.set_zero_linger());
    }
}

async fn send(reply: Reply, state: &Arc<State>) -> Answered {
    match reply.wait {
        Wait::Not => {}
        Wait::For(time) => tokio::time::sleep(time).await,
        Wait::Gate(name) => Arc::clone(state).hold(name).await,
    }
    let length = match &reply.body {
        Body::Bytes { length, chunked: false } => Some(*length),
        _ => None,
    };
    let mut response = respond(reply.status, stream_body(reply.body, state), state);
    response.headers_mut().extend(reply.headers);
    if let Some(length) = length {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response
}

fn respond(status: StatusCode, body: UnsyncBoxBody<Bytes, Infallible>, state: &State) -> Answered {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if state.is_stopping() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn text_body(text: String) -> UnsyncBoxBody<Bytes, Infallible> {
    http_body_util::Full::new(Bytes::from(text)).boxed_unsync()
}

fn stream_body(body: Body, state: &Arc<State>) -> UnsyncBoxBody<Bytes, Infallible> {
    const PIECE: u64 = 64 * 1024;
    match body {
        Body::Empty => http_body_util::Empty::new().boxed_unsync(),
        Body::Text(text) => text_body(text),
        Body::Bytes { length, .. } => {
            let pieces = (0..length.div_ceil(PIECE)).map(move |n| (length - n * PIECE).min(PIECE));
            let pieces =
                pieces.map(|size| Ok(Frame::data(Bytes::from(vec![b'x'; usize::try_from(size).unwrap_or(0)]))));
            StreamBody::new(stream::iter(pieces)).boxed_unsync()
        }
        Body::Halves { first, gate, second } => {
            let held = Arc::clone(state).hold(gate);
            let second = stream::once(async move {
                held.await;
                Ok(Frame::data(Bytes::from(second)))
            });
            StreamBody::new(stream::once(async { Ok(Frame::data(Bytes::from(first))) }).chain(second)).boxed_unsync()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Sends one request as it stands and reads until the connection ends.
    async fn exchange(address: SocketAddr, request: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    async fn take(address: SocketAddr, target: &'static str) -> String {
        let request = format!("GET {target} HTTP/1.1\r\nHost: origin\r\nConnection: close\r\n\r\n");
        exchange(address, &request).await.unwrap()
    }

    async fn put(address: SocketAddr, target: &str, body: &str) -> String {
        let head = format!("PUT {target} HTTP/1.1\r\nHost: origin\r\nConnection: close\r\n");
        exchange(address, &format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await.unwrap()
    }

    #[tokio::test]
    async fn reads_are_counted_and_show_the_content_as_it_is_now() {
        let origin = Origin::start(Settings::default()).await.unwrap();
        assert!(take(origin.address(), "/a").await.ends_with("content v1\nread 1\npath /a\n"));
        put(origin.address(), "/content", "v2").await;
        assert!(take(origin.address(), "/a").await.ends_with("content v2\nread 2\npath /a\n"));
        assert!(take(origin.admin_address(), "/count?of=/a").await.ends_with("2\n"));
        assert!(take(origin.admin_address(), "/count?of=/b").await.ends_with("0\n"));
    }

    #[tokio::test]
    async fn a_held_request_is_answered_once_it_is_released() {
        for (path, end) in [("/hold/x", "path /hold/x\n"), ("/hold-body/x", "the second half\n")] {
            let origin = Origin::start(Settings::default()).await.unwrap();
            let (address, admin) = (origin.address(), origin.admin_address());
            let held = tokio::spawn(take(address, path));
            while !take(admin, "/waiting/x").await.ends_with("\n1\n") {}
            assert!(!held.is_finished(), "{path}");
            put(admin, "/release/x", "").await;
            assert!(held.await.unwrap().contains(end), "{path}");
            assert!(take(admin, "/waiting/x").await.ends_with("\n0\n"), "{path}");
        }
    }

    #[tokio::test]
    async fn faults_reach_the_wire_as_they_were_asked_for() {
        let origin = Origin::start(Settings::default()).await.unwrap();
        let address = origin.address();
        let request = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: origin\r\n\r\n");
        let reset = exchange(address, &request("/reset")).await.unwrap_err();
        assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(exchange(address, &request("/close")).await.unwrap(), "");
        for (target, end) in [
            ("/lying-length?more", "Content-Length: 1007\r\n\r\nread 3\n"),
            (
                "/lying-length?less",
                "Content-Length: 7\r\n\r\nread 4\nHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsmuggle",
            ),
            ("/truncated-chunked", "Transfer-Encoding: chunked\r\n\r\n7\r\nread 5\n\r\n"),
            ("/not-http", "220 mail.example.com ESMTP\r\n"),
        ] {
            let answer = exchange(address, &request(target)).await.unwrap();
            assert!(answer.ends_with(end), "{target}: {answer}");
        }
    }

    #[tokio::test]
    async fn a_body_is_as_long_as_its_path_says() {
        let origin = Origin::start(Settings::default()).await.unwrap();
        let answer = take(origin.address(), "/bytes/200000").await;
        assert!(answer.contains("content-length: 200000\r\n"), "{}", &answer[..200]);
        assert!(answer.ends_with(&format!("\r\n\r\n{}", "x".repeat(200_000))));
        assert!(take(origin.address(), "/bytes/2?chunked").await.ends_with("2\r\nxx\r\n0\r\n\r\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_accepts_on_unready_and_then_ends() {
        let origin = Origin::start(Settings::default()).await.unwrap();
        let (address, admin) = (origin.address(), origin.admin_address());
        let stopped = tokio::spawn(origin.stop(Duration::from_secs(5)));
        while !take(admin, "/readyz").await.contains("503") {}
        let answer = take(address, "/").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
        stopped.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err(), "it listens no more");
    }
}
