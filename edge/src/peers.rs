//! The other edges of a Distribution: which of them stand before origins, and what this edge proves itself with to all of them.
//!
//! Flow: the operator's lines ⇢ [`Peers`]; a look every while, or when there is news → [`Credentials`] of both sides of a connection.
//! The choice: what is known outlives the stream that said it. An address that has become another's leads nowhere, because whoever is
//! there has to prove the uid of the pod that was listed; but without the list a restart of the operator would send every edge to every origin.
//! Guarantees: a list of an older version than one that the same stream has sent is ignored. Without a certificate that is good now nobody
//! is asked and nobody is answered.

pub mod proof;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use edge_contract::{EdgeCertificate, ShieldEdge, Shields, edge_name};
use parking_lot::Mutex;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::sync::{Notify, watch};

use crate::clock::Clock;
use crate::live::{Live, Phase};
use crate::settings::OperatorSettings;
use proof::{Credentials, Proof};

/// How often it is looked whether the mounted authorities are others, and whether the certificate is still good.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What is known of the other edges.
#[derive(Debug, Default)]
pub struct Peers {
    me: OnceLock<Me>,
    lists: ArcSwap<HashMap<(String, String), Listed>>,
    proof: Mutex<Proof>,
    news: Notify,
    credentials: watch::Sender<Option<Arc<Credentials>>>,
}

/// Who this edge is.
#[derive(Debug)]
struct Me {
    uid: String,
    /// The mounted authorities.
    authorities: Option<PathBuf>,
}

#[derive(Clone, Debug)]
struct Listed {
    version: u64,
    edges: Arc<[Peer]>,
}

/// An edge that may be asked in place of an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The uid of its pod.
    pub uid: String,
    /// Its door for other edges.
    pub address: SocketAddr,
    /// What its certificate has to hold.
    pub name: ServerName<'static>,
}

impl Peer {
    fn of(site: &str, listed: ShieldEdge) -> Option<Self> {
        let address = listed.address.parse().ok()?;
        let name = ServerName::try_from(edge_name(site, &listed.uid)).ok()?;
        Some(Self { uid: listed.uid, address, name })
    }
}

impl Peers {
    /// Says who this edge is; the first word counts.
    pub fn introduce(&self, settings: &OperatorSettings) {
        let me = settings.pod_uid.clone().map(|uid| Me { uid, authorities: settings.ca.clone() });
        if let Some(me) = me {
            self.me.get_or_init(|| me);
        }
    }

    /// The uid of this edge's own pod.
    pub fn uid(&self) -> Option<&str> {
        self.me.get().map(|me| me.uid.as_str())
    }

    /// Which edges stand before origins of a site in this location. What is no address is nobody's.
    pub fn take_shields(&self, shields: Shields) {
        let Shields { site, location, version, edges } = shields;
        let edges: Arc<[Peer]> = edges.into_iter().filter_map(|edge| Peer::of(&site, edge)).collect();
        let key = (site, location);
        self.lists.rcu(|lists| {
            let mut lists = HashMap::clone(lists);
            if lists.get(&key).is_none_or(|held| held.version <= version) {
                lists.insert(key.clone(), Listed { version, edges: Arc::clone(&edges) });
            }
            lists
        });
    }

    /// A stream begins: its versions are not compared with those of another.
    pub fn begin_stream(&self) {
        self.lists.rcu(|lists| {
            let anew =
                |(key, listed): (&(String, String), &Listed)| (key.clone(), Listed { version: 0, ..listed.clone() });
            lists.iter().map(anew).collect::<HashMap<_, _>>()
        });
    }

    /// The edges that stand before origins of a site in this location; none where nobody has said so.
    pub fn before(&self, site: &str, location: &str) -> Option<Arc<[Peer]>> {
        let lists = self.lists.load();
        if lists.is_empty() {
            return None;
        }
        lists.get(&(site.to_owned(), location.to_owned())).map(|listed| Arc::clone(&listed.edges))
    }

    /// Whether this edge is one of them.
    pub fn is_before(&self, site: &str, location: &str) -> bool {
        let Some(uid) = self.uid() else { return false };
        self.before(site, location).is_some_and(|edges| edges.iter().any(|edge| edge.uid == uid))
    }

    /// What this edge proves itself with from now on.
    pub fn take_certificate(&self, certificate: EdgeCertificate) {
        self.proof.lock().certificate = Some(certificate);
        self.news.notify_one();
    }

    /// Whom it believes beside the mounted authorities.
    pub fn trust(&self, authorities: &[CertificateDer<'static>]) {
        self.proof.lock().told = authorities.to_vec();
        self.news.notify_one();
    }

    /// What connections with other edges are made with, while there is a certificate that is good.
    pub fn credentials(&self) -> Option<Arc<Credentials>> {
        self.credentials.borrow().clone()
    }

    /// The same, and every later one.
    pub fn renewals(&self) -> watch::Receiver<Option<Arc<Credentials>>> {
        self.credentials.subscribe()
    }

    /// Makes of all that was said what is true now. It reads the mounted authorities.
    fn look(&self, now: SystemTime) {
        let mounted = self.me.get().and_then(|me| me.authorities.as_ref()).and_then(|path| std::fs::read(path).ok());
        let made = self.proof.lock().prove(mounted.as_deref().unwrap_or_default(), now);
        self.credentials.send_if_modified(|held| {
            let is_news = *held != made;
            if is_news {
                *held = made;
            }
            is_news
        });
    }
}

/// Keeps the credentials true until the edge has drained.
pub async fn follow(live: Live, clock: Clock) {
    let peers = live.peers();
    while live.phase() < Phase::Drained {
        // Mounted files are small, and on a file system in memory.
        peers.look(clock.now().wall);
        let _ = tokio::time::timeout(LOOK_EVERY, peers.news.notified()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shields(version: u64, addresses: &[&str]) -> Shields {
        let edges = addresses.iter().enumerate();
        let edges =
            edges.map(|(n, address)| ShieldEdge { uid: format!("pod-{n}"), address: (*address).into() }).collect();
        Shields { site: "s".into(), location: "near".into(), version, edges }
    }

    fn listed(peers: &Peers) -> Option<Vec<String>> {
        peers.before("s", "near").map(|edges| edges.iter().map(|edge| edge.address.to_string()).collect())
    }

    #[test]
    fn the_newest_list_of_a_stream_counts_and_outlives_it() {
        let peers = Peers::default();
        assert_eq!(listed(&peers), None);
        peers.take_shields(shields(2, &["10.0.0.1:8444", "[2001:db8::1]:8444", "nowhere"]));
        let two = Some(vec!["10.0.0.1:8444".to_owned(), "[2001:db8::1]:8444".to_owned()]);
        assert_eq!(listed(&peers), two);
        peers.take_shields(shields(1, &["10.0.0.9:8444"]));
        assert_eq!(listed(&peers), two, "it is older");
        peers.begin_stream();
        assert_eq!(listed(&peers), two, "who was there may still be");
        peers.take_shields(shields(1, &[]));
        assert_eq!(listed(&peers), Some(Vec::new()), "another stream counts anew");
        assert_eq!(peers.before("s", "far"), None);
        assert_eq!(peers.before("other", "near"), None);
    }

    #[test]
    fn an_edge_finds_itself_by_the_uid_of_its_pod() {
        let peers = Peers::default();
        peers.take_shields(shields(1, &["10.0.0.1:8444"]));
        assert!(!peers.is_before("s", "near"), "it does not know who it is");
        peers.introduce(&OperatorSettings { pod_uid: Some("pod-0".into()), ..OperatorSettings::default() });
        assert!(peers.is_before("s", "near") && !peers.is_before("s", "far"));
        assert_eq!(peers.before("s", "near").expect("is there")[0].name.to_str(), "pod-0.s.edges.kubefront");
    }
}
