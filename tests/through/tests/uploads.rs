//! curl and 2 GiB through an edge, and how much memory that takes.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use edge_contract::Scheme;
use tests_through::program::Program;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

const SIZE: u64 = 2 << 30;
/// What uploads may add to the memory that an edge holds, in KiB, most of it its allocator's for each thread; each is eighty times as large.
const BOUND: u64 = 24 * 1024;
/// How long the origin reads nothing in the middle of it.
const PAUSE: Duration = Duration::from_secs(2);

/// An origin that counts, and tells what it has counted.
async fn counting() -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("is bound");
    let counted = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&counted);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take(stream, Arc::clone(&count)));
        }
    });
    (address, counted)
}

/// Takes one upload, and pauses in the middle of it.
async fn take(stream: TcpStream, count: Arc<AtomicU64>) {
    let mut stream = BufReader::with_capacity(256 * 1024, stream);
    let (mut length, mut line) = (None, String::new());
    while stream.read_line(&mut line).await.expect("is text") > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok();
        }
        line.clear();
    }
    match length {
        Some(length) => discard(&mut stream, length, &count).await,
        None => loop {
            line.clear();
            stream.read_line(&mut line).await.expect("is text");
            let chunk = u64::from_str_radix(line.trim(), 16).expect("a size");
            if chunk == 0 {
                break;
            }
            discard(&mut stream, chunk, &count).await;
            stream.read_u16().await.expect("ends");
        },
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.expect("is taken");
}

async fn discard(stream: &mut BufReader<TcpStream>, mut left: u64, count: &AtomicU64) {
    while left > 0 {
        let there = stream.fill_buf().await.expect("goes on").len();
        assert!(there > 0, "it broke off");
        let taken = left.min(there as u64);
        stream.consume(usize::try_from(taken).expect("is little"));
        left -= taken;
        let before = count.fetch_add(taken, Ordering::Relaxed);
        if before < SIZE / 2 && before + taken >= SIZE / 2 {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Has curl upload so many zeros; the status that it heard, and the seconds that it took.
async fn curl(edge: SocketAddr, arguments: &[&str]) -> String {
    let zeros = std::fs::File::open("/dev/zero").expect("Linux has it");
    let mut head = Command::new("head")
        .args(["-c", &SIZE.to_string()])
        .stdin(Stdio::from(zeros))
        .stdout(Stdio::piped())
        .spawn()
        .expect("there is head");
    let zeros: Stdio = head.stdout.take().expect("is piped").try_into().expect("is a pipe");
    let said = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code} %{time_total}",
            "--request",
            "PUT",
        ])
        .args(["--max-time", "600", "--upload-file", "-"])
        .args(arguments)
        .arg(format!("http://{edge}/upload"))
        .stdin(zeros)
        .stderr(Stdio::inherit())
        .output()
        .await
        .expect("there is curl");
    head.wait().await.expect("ends");
    String::from_utf8(said.stdout).expect("is text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_takes_no_memory_for_its_size_though_the_origin_stops_to_read() {
    let (origin, counted) = counting().await;
    let edge = Program::before(origin, Scheme::Http).await;
    let length = format!("content-length: {SIZE}");
    let ways: [(&str, &[&str]); 4] = [
        ("HTTP/1.1, chunked", &["--http1.1"]),
        ("HTTP/1.1, with a length", &["--http1.1", "--header", &length, "--header", "transfer-encoding:"]),
        ("HTTP/2", &["--http2-prior-knowledge"]),
        ("HTTP/1.1, chunked, again", &["--http1.1"]),
    ];
    let idle = edge.peak();
    println!("{:<24} {:>14} {:>10} {:>14}", "upload", "bytes", "seconds", "peak RSS (KiB)");
    println!("{:<24} {:>14} {:>10} {:>14}", "none yet", 0, 0, idle);
    for (name, arguments) in ways {
        counted.store(0, Ordering::Relaxed);
        let said = curl(edge.viewers, arguments).await;
        let ((status, seconds), peak) = (said.split_once(' ').expect("two words"), edge.peak());
        println!("{name:<24} {:>14} {seconds:>10} {peak:>14}", counted.load(Ordering::Relaxed));
        assert_eq!((status, counted.load(Ordering::Relaxed)), ("200", SIZE), "{name}");
        assert!(peak < idle + BOUND, "{name}: {idle} KiB before, {peak} after");
    }
}
