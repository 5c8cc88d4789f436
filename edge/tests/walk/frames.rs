//! HTTP/2 as bytes: a viewer or an origin that writes any frame, and hears what becomes of a stream (RFC 9113, RFC 7541).

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::edge::PATIENCE;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a viewer hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A response head on a stream.
    Status(u16),
    /// The stream's end, by an error code.
    Reset(u32),
    /// The connection's end, by an error code.
    GoAway(u32),
    /// The connection's end without a word.
    Nothing,
}

/// One side of a connection.
pub struct Frames(TcpStream);

impl Frames {
    /// Connects, with default settings.
    pub async fn to(address: SocketAddr) -> Self {
        let mut frames = Self(TcpStream::connect(address).await.expect("accepts"));
        frames.0.write_all(PREFACE).await.expect("is taken");
        frames.write(SETTINGS, 0, 0, &[]).await;
        frames
    }

    /// The other side of one that a viewer, or an edge, has opened.
    pub async fn of(mut stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("can be set");
        let mut preface = [0; PREFACE.len()];
        let _ = stream.read_exact(&mut preface).await;
        let mut frames = Self(stream);
        frames.write(SETTINGS, 0, 0, &[]).await;
        frames
    }

    /// The next stream on which something is asked; none, once the connection has ended.
    pub async fn asked(&mut self) -> Option<u32> {
        loop {
            let (kind, flags, stream, _) = self.next().await?;
            match kind {
                HEADERS => return Some(stream),
                SETTINGS if flags & ACK == 0 => self.write(SETTINGS, ACK, 0, &[]).await,
                _ => {}
            }
        }
    }

    /// Writes a frame; one that is not taken any more is lost.
    pub async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("is small").to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        let _ = self.0.write_all(&frame).await;
    }

    /// Opens a stream with these fields, in as many frames as they take.
    pub async fn headers(&mut self, stream: u32, flags: u8, fields: &[(&str, &str)]) {
        let block: Vec<u8> = fields.iter().flat_map(|(name, value)| literal(name, value)).collect();
        let mut pieces: Vec<&[u8]> = block.chunks(16_384).collect();
        let last = pieces.pop().unwrap_or_default();
        let mut kind = HEADERS;
        let mut rest = flags;
        for piece in pieces {
            self.write(kind, rest, stream, piece).await;
            (kind, rest) = (CONTINUATION, 0);
        }
        self.write(kind, rest | END_HEADERS, stream, last).await;
    }

    /// What is said of a stream next, or of the connection.
    pub async fn heard(&mut self, stream: u32) -> Heard {
        loop {
            let Some((kind, _, of, payload)) = self.read().await else { return Heard::Nothing };
            let code =
                |at: usize| payload.get(at..at + 4).map_or(0, |b| u32::from_be_bytes(b.try_into().expect("four")));
            match kind {
                HEADERS if of == stream => return Heard::Status(status(&payload)),
                RST_STREAM if of == stream => return Heard::Reset(code(0)),
                GOAWAY => return Heard::GoAway(code(4)),
                _ => {}
            }
        }
    }

    /// The data of a stream up to its end.
    pub async fn body(&mut self, stream: u32) -> Vec<u8> {
        let mut body = Vec::new();
        while let Some((kind, flags, of, payload)) = self.read().await {
            if of == stream && kind == DATA {
                body.extend(payload);
            }
            if of == stream && flags & END_STREAM != 0 {
                break;
            }
        }
        body
    }

    async fn read(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        tokio::time::timeout(PATIENCE, self.next()).await.expect("comes")
    }

    async fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
    }
}

/// RFC 7541 §6.2.2: a literal field without indexing, its name new.
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        integer(text.len(), &mut field);
        field.extend(text.as_bytes());
    }
    field
}

/// RFC 7541 §5.1, with a prefix of seven bits.
fn integer(mut value: usize, to: &mut Vec<u8>) {
    if value < 127 {
        to.push(u8::try_from(value).expect("is small"));
        return;
    }
    to.push(127);
    value -= 127;
    while value >= 128 {
        to.push(u8::try_from(value % 128 + 128).expect("is a byte"));
        value /= 128;
    }
    to.push(u8::try_from(value).expect("is small"));
}

/// The status that a response's head begins with: of the static table, or its name of it and three digits.
fn status(block: &[u8]) -> u16 {
    const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    match block {
        [index @ 0x88..=0x8e, ..] => INDEXED[usize::from(index - 0x88)],
        [0x08 | 0x48, length, rest @ ..] if *length < 0x80 => {
            std::str::from_utf8(&rest[..usize::from(*length)]).expect("is text").parse().expect("is a number")
        }
        [0x08 | 0x48, length, rest @ ..] => huffman_digits(&rest[..usize::from(length - 0x80)]),
        [0x20..=0x3f, rest @ ..] => status(rest),
        other => panic!("no status first: {other:?}"),
    }
}

/// RFC 7541, appendix B: 0, 1 and 2 are five bits that say so, the other digits six bits from 25 on.
fn huffman_digits(bytes: &[u8]) -> u16 {
    let bits: Vec<u16> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| u16::from(byte >> at & 1))).collect();
    let take = |at: usize, count: usize| bits[at..at + count].iter().fold(0, |value, bit| value * 2 + bit);
    let (mut at, mut number) = (0, 0);
    for _ in 0..3 {
        let short = take(at, 5) <= 2;
        let digit = if short { take(at, 5) } else { take(at, 6) - 22 };
        at += if short { 5 } else { 6 };
        number = number * 10 + digit;
    }
    number
}
