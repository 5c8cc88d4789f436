//! A whole edge with its end of the channel: what it is told over its stream, it does for viewers and for other edges.

use std::net::SocketAddr;

use clap::Parser;
use edge::clock::Clock;
use edge::peers::proof::Credentials;
use edge::process::{self, Running};
use edge::settings::Settings;
use edge_contract::ShieldEdge;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::rustls::SignatureScheme;
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::PATIENCE;
use crate::api::Api;
use crate::follower::Mounted;
use crate::replica::Replica;

/// An edge in a pod of its own, which ends with the test's runtime.
pub struct Whole {
    pod: String,
    running: Running,
    _mounted: Mounted,
}

impl Whole {
    /// The edge in this pod calls a replica, and is known there.
    pub async fn joins(replica: &Replica, pod: &str) -> Self {
        let mounted = Mounted::for_pod(pod, &Api::token(pod), replica.address, &replica.bundle);
        let doors = ["--listen", "--admin", "--edges-listen"].map(|door| [door, "127.0.0.1:0"]);
        let mut settings = Settings::parse_from(["kubefront-edge"].into_iter().chain(doors.into_iter().flatten()));
        settings.operator = mounted.settings.clone();
        let running = process::start(&settings, Clock::system()).await.expect("starts");
        replica.sees(pod, "its hello", |edge| edge.connected).await;
        Self { pod: pod.to_owned(), running, _mounted: mounted }
    }

    /// Where other edges ask it, which is nowhere before it has a certificate.
    pub async fn door(&self) -> ShieldEdge {
        let mut at = self.running.edges.clone();
        let at = timeout(PATIENCE, at.wait_for(Option::is_some)).await.expect("it is certified").expect("it runs");
        ShieldEdge { uid: Api::uid(&self.pod), address: at.expect("is there").to_string() }
    }

    /// The certificate by which it asks others now.
    pub fn certificate(&self) -> Option<CertificateDer<'static>> {
        certificate_of(self.running.edge.live.peers().credentials().as_ref()?)
    }

    /// Waits until it has another certificate than before.
    pub async fn has_another(&self, before: Option<&CertificateDer<'static>>) {
        let mut renewals = self.running.edge.live.peers().renewals();
        let is_another = |now: Option<CertificateDer<'_>>| now.is_some() && now.as_ref() != before;
        let another = renewals.wait_for(|now| is_another(now.as_ref().and_then(|now| certificate_of(now))));
        timeout(PATIENCE, another).await.expect("is renewed").expect("it runs");
    }

    /// Waits until it knows of so many edges that stand before origins of a site.
    pub async fn hears_of(&self, site: &str, location: &str, edges: usize) {
        let heard = async {
            while self.running.edge.live.peers().before(site, location).is_none_or(|known| known.len() != edges) {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, heard).await.expect("it is told");
    }

    /// What a viewer gets for a path.
    pub async fn get(&self, path: &str) -> String {
        get(self.running.viewers, path).await
    }

    /// The lines of its metrics that tell of other edges.
    pub async fn counts(&self) -> String {
        let metrics = get(self.running.admin, "/metrics").await;
        metrics.lines().filter(|line| line.starts_with("kubefront_edge_shield")).collect::<Vec<_>>().join("\n")
    }
}

/// What whoever is asked is shown.
fn certificate_of(credentials: &Credentials) -> Option<CertificateDer<'static>> {
    let shown = credentials.client.client_auth_cert_resolver.resolve(&[], &[SignatureScheme::ECDSA_NISTP256_SHA256])?;
    shown.cert.first().cloned()
}

async fn get(address: SocketAddr, path: &str) -> String {
    let asking = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    timeout(PATIENCE, asking).await.expect("answers in time").expect("answers")
}
