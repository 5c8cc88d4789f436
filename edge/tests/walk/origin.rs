//! A scripted origin: real connections, bytes exactly as a test writes them, every read counted.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

use crate::edge::PATIENCE;

/// A request as the origin got it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which read this is, from 1.
    pub number: usize,
    /// Which connection it came over, from 1.
    pub connection: usize,
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// The connection of one request: what is left of its body, and the way back.
pub struct Exchange {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

/// Whether the connection takes another request.
pub enum Then {
    KeepAlive(Exchange),
    Close,
}

impl Exchange {
    /// Writes bytes as they are; a closed connection is not the origin's problem.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.writer.write_all(bytes.as_ref()).await.is_ok() && self.writer.flush().await.is_ok()
    }

    /// A whole response with a length.
    pub async fn respond(mut self, status: &str, headers: &str, body: &str) -> Then {
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
        self.write(format!("{head}{body}")).await;
        Then::KeepAlive(self)
    }

    /// Reads exactly so many bytes of the request's body.
    pub async fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes).await.expect("the body is that long");
        bytes
    }

    /// Reads one line of the request's body: a chunk's size, say.
    pub async fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).await.expect("there is a line");
        line.trim_end().to_owned()
    }

    /// Waits until the other side closes.
    pub async fn closed(&mut self) {
        self.rest().await;
    }

    /// All up to the end of the connection.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = self.reader.read_to_end(&mut rest).await;
        rest
    }

    /// Ends this side of the connection; the other may go on.
    pub async fn finish(&mut self) {
        self.writer.shutdown().await.expect("is open");
    }

    /// Ends the connection with a reset instead of an end.
    pub fn reset(self) -> Then {
        let stream = self.reader.into_inner().reunite(self.writer).expect("halves of one stream");
        #[expect(deprecated, reason = "blocking is what a zero linger never does")]
        stream.set_linger(Some(std::time::Duration::ZERO)).expect("can be set");
        Then::Close
    }
}

type Script = dyn Fn(Seen, Exchange) -> Pin<Box<dyn Future<Output = Then> + Send>> + Send + Sync;

/// An origin that runs until it is dropped.
pub struct Origin {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    reads: watch::Receiver<usize>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Origin {
    /// Answers every request by a script.
    pub async fn start<F, A>(script: F) -> Self
    where
        F: Fn(Seen, Exchange) -> A + Send + Sync + 'static,
        A: Future<Output = Then> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        Self::on(listener, script)
    }

    /// The same on a socket that is there already.
    pub fn on<F, A>(listener: TcpListener, script: F) -> Self
    where
        F: Fn(Seen, Exchange) -> A + Send + Sync + 'static,
        A: Future<Output = Then> + Send + 'static,
    {
        let script: Arc<Script> = Arc::new(move |seen, exchange| Box::pin(script(seen, exchange)));
        let address = listener.local_addr().expect("is bound");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (count, reads) = watch::channel(0);
        let (count, log) = (Arc::new(count), Arc::clone(&seen));
        let accepting = tokio::spawn(async move {
            // Connections end with the origin.
            let mut connections = tokio::task::JoinSet::new();
            for number in 1.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (script, log, count) = (Arc::clone(&script), Arc::clone(&log), Arc::clone(&count));
                connections.spawn(serve(stream, number, script, log, count));
            }
        });
        Self { address, seen, reads, accepting }
    }

    /// Answers every request with its number, under these fields.
    pub async fn numbered(headers: &'static str) -> Self {
        Self::start(move |seen, exchange| async move {
            exchange.respond("200 OK", headers, &format!("read {}", seen.number)).await
        })
        .await
    }

    /// The same, every answer behind this door.
    pub async fn held(door: &Door, headers: &'static str) -> Self {
        let door = door.clone();
        Self::gated(headers, move |_| Some(door.clone())).await
    }

    /// The same, each answer behind the door that stands before this read, if one does.
    pub async fn gated(headers: &'static str, door: impl Fn(usize) -> Option<Door> + Send + Sync + 'static) -> Self {
        Self::start(move |seen, exchange| {
            let door = door(seen.number);
            async move {
                if let Some(door) = door {
                    door.pass().await;
                }
                exchange.respond("200 OK", headers, &format!("read {}", seen.number)).await
            }
        })
        .await
    }

    /// Does its part of each exchange and then waits to be left; the door opens once the connection is closed.
    pub async fn left<F, A>(part: F) -> (Self, Door)
    where
        F: Fn(Exchange) -> A + Send + Sync + 'static,
        A: Future<Output = Exchange> + Send + 'static,
    {
        let gone = Door::closed();
        let opens = gone.clone();
        let origin = Self::start(move |_, exchange| {
            let (part, gone) = (part(exchange), opens.clone());
            async move {
                part.await.closed().await;
                gone.open();
                Then::Close
            }
        });
        (origin.await, gone)
    }

    /// Answers with its number and seven letters; the first answer stops in the middle of them until the door opens.
    pub async fn halting(door: &Door) -> Self {
        let door = door.clone();
        Self::start(move |seen, mut exchange| {
            let door = door.clone();
            async move {
                exchange.write(format!("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{}abc", seen.number)).await;
                if seen.number == 1 {
                    door.pass().await;
                }
                if exchange.write("defg").await { Then::KeepAlive(exchange) } else { Then::Close }
            }
        })
        .await
    }

    /// How often it was read.
    pub fn reads(&self) -> usize {
        *self.reads.borrow()
    }

    /// Waits until it was read so often.
    pub async fn read_times(&self, times: usize) {
        let mut reads = self.reads.clone();
        let read = tokio::time::timeout(PATIENCE, reads.wait_for(|count| *count >= times)).await;
        read.expect("is read so often").expect("the origin runs");
    }

    /// The request of a read, from 1.
    pub fn seen(&self, number: usize) -> Seen {
        self.seen.lock()[number - 1].clone()
    }
}

async fn serve(
    stream: TcpStream,
    connection: usize,
    script: Arc<Script>,
    log: Arc<Mutex<Vec<Seen>>>,
    count: Arc<watch::Sender<usize>>,
) {
    stream.set_nodelay(true).expect("can be set");
    let (reader, writer) = stream.into_split();
    let mut exchange = Exchange { reader: BufReader::new(reader), writer };
    loop {
        let Some((method, target, headers)) = read_head(&mut exchange.reader).await else { return };
        let seen = {
            let mut log = log.lock();
            let seen = Seen { number: log.len() + 1, connection, method, target, headers };
            log.push(seen.clone());
            seen
        };
        count.send_modify(|count| *count += 1);
        match script(seen, exchange).await {
            Then::KeepAlive(same) => exchange = same,
            Then::Close => return,
        }
    }
}

async fn read_head(reader: &mut BufReader<OwnedReadHalf>) -> Option<(String, String, Vec<(String, String)>)> {
    let mut line = String::new();
    reader.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { return Some((method, target, headers)) };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

/// An address on which nobody listens, and nobody else can while its socket is held; that one may begin to.
pub fn deaf() -> (SocketAddr, TcpSocket) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a port is free");
    (socket.local_addr().expect("is bound"), socket)
}

/// An address on which nobody listens, and nobody will until the tests end.
pub fn nobody() -> SocketAddr {
    let (address, socket) = deaf();
    Box::leak(Box::new(socket));
    address
}

/// A door in a script: those who come wait until the test opens it.
#[derive(Clone)]
pub struct Door(watch::Sender<bool>);

impl Door {
    pub fn closed() -> Self {
        Self(watch::Sender::new(false))
    }

    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub fn is_open(&self) -> bool {
        *self.0.borrow()
    }

    pub async fn pass(&self) {
        self.0.subscribe().wait_for(|open| *open).await.expect("the door is held");
    }
}
