//! Edges and a path into many viewers who ask for it at one moment and wait, and into what each of them was given.
#![expect(clippy::missing_panics_doc, reason = "a test's means fail by panicking, and say why when they do")]

use std::{fs, io, net::SocketAddr};

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

use crate::{
    cluster::{PATIENCE, eventually},
    replicas::processes_of,
};

/// Where edges answer viewers.
const PORT: u16 = 8080;

/// Viewers of one path, each over a connection of its own.
pub struct Crowd {
    asked: Vec<Asked>,
}

/// Those of one edge.
struct Asked {
    edge: String,
    viewers: Vec<JoinHandle<io::Result<String>>>,
}

/// What the viewers of one edge were given.
pub struct Given {
    /// The uid of the edge's pod.
    pub edge: String,
    /// Whole responses as they came, or why there is none.
    pub answers: Vec<io::Result<String>>,
}

impl Crowd {
    /// So many viewers ask these edges in turn. Every edge has read what its viewers ask when this returns, so whoever is not answered
    /// by then waits. Needs root on the cluster's machine.
    pub async fn asks(edges: &[Pod], viewers: usize, path: &str) -> Self {
        let (wrote, mut written) = watch::channel(0);
        let asked = edges.iter().enumerate().map(|(place, edge)| {
            let own = (place..viewers).step_by(edges.len());
            let viewers = own.map(|_| tokio::spawn(ask(address(edge), path.to_owned(), wrote.clone()))).collect();
            Asked { edge: edge.uid().unwrap_or_default(), viewers }
        });
        let crowd = Self { asked: asked.collect() };
        let all = timeout(PATIENCE, written.wait_for(|count| *count == viewers)).await;
        all.expect("all viewers can ask").expect("they are there");
        eventually("the edges have read it all", || async {
            crowd.asked.iter().all(|asked| taken(&asked.edge) >= asked.viewers.len())
        })
        .await;
        crowd
    }

    /// Whether all of them were answered, or know that they will not be.
    pub fn is_over(&self) -> bool {
        self.asked.iter().flat_map(|asked| &asked.viewers).all(JoinHandle::is_finished)
    }

    /// What they were given, once all are answered.
    pub async fn given(self) -> Vec<Given> {
        let mut given = Vec::new();
        for Asked { edge, viewers } in self.asked {
            let mut answers = Vec::new();
            for viewer in viewers {
                answers.push(timeout(PATIENCE, viewer).await.expect("the viewer is answered").expect("ends"));
            }
            given.push(Given { edge, answers });
        }
        given
    }
}

async fn ask(edge: SocketAddr, path: String, wrote: watch::Sender<usize>) -> io::Result<String> {
    let mut stream = TcpStream::connect(edge).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: shop-edge\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    wrote.send_modify(|count| *count += 1);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn address(edge: &Pod) -> SocketAddr {
    let ip = edge.status.as_ref().and_then(|status| status.pod_ip.clone()).expect("the pod has an address");
    SocketAddr::new(ip.parse().expect("an IP address"), PORT)
}

/// How many viewers are connected to an edge that has read all that they have sent, as the kernel counts.
fn taken(pod_uid: &str) -> usize {
    let Some(process) = processes_of(pod_uid, "kubefront-edge").pop() else { return 0 };
    let sockets = |table: &str| fs::read_to_string(format!("/proc/{process}/net/{table}")).unwrap_or_default();
    let lines = [sockets("tcp"), sockets("tcp6")].concat();
    lines.lines().filter(|line| is_taken(line)).count()
}

/// A line of such a table: its number, both addresses, the state, and what waits to be sent and to be read.
fn is_taken(line: &str) -> bool {
    const ESTABLISHED: &str = "01";
    let mut fields = line.split_whitespace().skip(1);
    let (own, _peer, state, queues) = (fields.next(), fields.next(), fields.next(), fields.next());
    let is_viewers = own.is_some_and(|own| own.ends_with(&format!(":{PORT:04X}")));
    is_viewers && state == Some(ESTABLISHED) && queues.is_some_and(|queues| queues.ends_with(":00000000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_of_a_viewer_is_taken_once_nothing_waits_to_be_read() {
        let line = |own: &str, state: &str, unread: &str| {
            is_taken(&format!(" 1: 0300F40A:{own} FE0012C6:D2A8 {state} 00000000:{unread} 00:00000000 00000000 65532"))
        };
        assert!(line("1F90", "01", "00000000"));
        assert!(!line("1F90", "01", "00000040"), "its request has not been read");
        assert!(!line("1F90", "0A", "00000000"), "a listener");
        assert!(!line("20FC", "01", "00000000"), "another edge");
        assert!(!is_taken("  sl  local_address rem_address   st tx_queue rx_queue"));
    }
}
