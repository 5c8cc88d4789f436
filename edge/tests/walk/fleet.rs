//! Several real edges of one Distribution in this process, each on a runtime of its own that can be killed, and an operator's authority
//! that vouches for them.

use std::net::SocketAddr;
use std::ops::Deref;

use edge::control::trust;
use edge_cache::tier::order;
use edge_contract::{EdgeCertificate, EdgeConfig, ShieldEdge, Shields, edge_name, edges_name};
use tokio::runtime::{Builder, Runtime};

use crate::edge::{Edge, SITE, config, until};
use crate::https::Authority;

/// The location that stands before origins.
pub const SHIELD: &str = "middle";

/// One site whose origin is shielded.
pub fn shielded(origin: SocketAddr) -> EdgeConfig {
    let mut config = config(origin);
    config.sites[0].origins[0].shield = Some(SHIELD.into());
    config
}

/// An edge, and how to kill it.
pub struct Member {
    pub uid: String,
    edge: Edge,
    runtime: Option<Runtime>,
}

impl Deref for Member {
    type Target = Edge;

    fn deref(&self) -> &Edge {
        &self.edge
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Member {
    pub async fn start(uid: &str, config: EdgeConfig) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let arguments = ["--edges-listen", "127.0.0.1:0", "--pod-uid", uid].map(str::to_owned);
        let started = runtime.spawn(async move { Edge::with(&arguments.each_ref().map(String::as_str), config).await });
        Self { uid: uid.to_owned(), edge: started.await.expect("starts"), runtime: Some(runtime) }
    }

    /// Ends it at once, with all its connections.
    pub fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Stops all that it does, with its sockets open, until what is returned is dropped.
    pub async fn freeze(&self) -> std::sync::mpsc::Sender<()> {
        let (thaw, thawed) = std::sync::mpsc::channel::<()>();
        let (freezes, frozen) = tokio::sync::oneshot::channel();
        // It has one thread.
        self.runtime.as_ref().expect("it runs").spawn(async move {
            freezes.send(()).expect("is waited for");
            assert!(thawed.recv().is_err(), "nothing is said");
        });
        frozen.await.expect("is on its way");
        thaw
    }

    /// What the operator sends it of others, and of itself.
    pub async fn proves_itself(&self, authority: &Authority) {
        self.takes(authority, &self.certificate(authority, SITE)).await;
    }

    /// The same with any certificate.
    pub async fn takes(&self, authority: &Authority, certificate: &EdgeCertificate) {
        let before = self.live().peers().credentials();
        self.live().peers().trust(&trust::certificates(authority.pem().as_bytes()).expect("is one"));
        self.live().peers().take_certificate(certificate.clone());
        until("there is something to prove itself with", || self.live().peers().credentials() != before).await;
    }

    pub fn certificate(&self, authority: &Authority, site: &str) -> EdgeCertificate {
        let (certificate, key) = authority.identity_of(vec![edge_name(site, &self.uid), edges_name(site)]);
        EdgeCertificate { certificate, key }
    }

    pub async fn door(&self) -> SocketAddr {
        let mut at = self.running.edges.clone();
        let at = at.wait_for(Option::is_some).await.expect("the edge runs");
        at.expect("is there")
    }

    pub fn counts(&self) -> impl Future<Output = String> {
        let admin = self.running.admin;
        async move {
            let response = crate::edge::open(admin, crate::edge::request(http::Method::GET, "/metrics")).await;
            let text = crate::edge::read(response.expect("there is a response")).await.expect("is whole").body;
            text.lines().filter(|line| line.starts_with("kubefront_edge_shield")).collect::<Vec<_>>().join("\n")
        }
    }
}

/// The edges of a Distribution.
pub struct Fleet {
    pub authority: Authority,
    /// Those that stand before the origin come first.
    pub members: Vec<Member>,
    shields: usize,
    version: u64,
}

impl Fleet {
    /// So many edges before the origin, and so many others.
    pub async fn start(shields: usize, others: usize, config: &EdgeConfig) -> Self {
        let authority = Authority::new("operator");
        let mut members = Vec::new();
        for n in 0..shields + others {
            let uid = if n < shields { format!("{SHIELD}-{n}") } else { format!("far-{n}") };
            let member = Member::start(&uid, config.clone()).await;
            member.proves_itself(&authority).await;
            member.begin_log();
            members.push(member);
        }
        let mut fleet = Self { authority, members, shields, version: 0 };
        fleet.list().await;
        fleet
    }

    /// Tells all of them which stand before the origin.
    pub async fn list(&mut self) {
        self.version += 1;
        let mut edges = Vec::new();
        for member in &self.members[..self.shields] {
            edges.push(ShieldEdge { uid: member.uid.clone(), address: member.door().await.to_string() });
        }
        self.tell(&edges);
    }

    pub fn tell(&mut self, edges: &[ShieldEdge]) {
        self.version += 1;
        for member in &self.members {
            member.live().peers().take_shields(self.shields_of(edges));
        }
    }

    fn shields_of(&self, edges: &[ShieldEdge]) -> Shields {
        Shields { site: SITE.into(), location: SHIELD.into(), version: self.version, edges: edges.to_vec() }
    }

    /// The place of the edge that owns a target.
    pub fn owner(&self, target: &str) -> usize {
        let uids: Vec<&str> = self.members[..self.shields].iter().map(|member| member.uid.as_str()).collect();
        let owner = order::by_weight(target, &uids, |uid| (uid, 0))[0];
        uids.iter().position(|uid| uid == owner).expect("is one of them")
    }

    /// One of the others.
    pub fn far(&self, n: usize) -> &Member {
        &self.members[self.shields + n]
    }
}
