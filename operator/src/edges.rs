//! What controllers want the edges to have, and what edges answer, into one handle: only this module speaks to edges.
//!
//! Flow: controllers → [`Edges`] ⇢ lines of each stream ⇢ edges; edges ⇢ lines → [`EdgeSeen`] → controllers.
//! Guarantees: a stream is served only while this process leads, and only its own Distribution; it is sent what it lacks and
//! nothing twice; nothing of a purge log goes to a start of an edge that the log does not admit. When leadership ends all
//! streams close and all that was wanted or seen is forgotten, authorities aside: the next term begins from the API.
//! Assumptions: the controllers say what is wanted again in every term, and admit a start only as `PurgeLog::admitted` says.
//! Errors: none. A stream that fails is closed, and its edge calls again.

mod certify;
mod hear;
mod identity;
mod next;
mod seen;
mod serve;
mod stream;
mod trust;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use edge_contract::{EdgeConfig, FromOperator, Hello, LINE_LIMIT, encode_line};
use futures::Stream;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use identity::{Identity, Reviewer};
use next::{Config, Desired, Given, Trust};
pub use next::{Conflict, ForEdges, Position, PurgeLog, Tiers};
use seen::position;
pub use seen::{EdgeSeen, Goodbye, Rejected, Report};
pub use serve::{Channel, serve};
use stream::{Attached, Seat};

use crate::authority::EdgeIssuer;
use crate::clock;
use crate::leader::Leadership;
use crate::names::DistributionKey;

/// How many changes a slow listener may fall behind before it is told of every Distribution.
const CHANGES: usize = 1_024;

/// The edges that dialled this process; clones are the same.
#[derive(Clone)]
pub struct Edges {
    shared: Arc<Shared>,
}

struct Shared {
    leadership: watch::Receiver<Leadership>,
    term: Mutex<Term>,
    changed: broadcast::Sender<DistributionKey>,
    issuer: OnceLock<EdgeIssuer>,
}

/// One leadership of this process, or the time between two.
#[derive(Default)]
struct Term {
    since: Option<Instant>,
    trust: Option<Arc<Trust>>,
    rooms: HashMap<DistributionKey, Room>,
    streams: u64,
}

/// The edges of one Distribution.
struct Room {
    desired: Desired,
    seen: BTreeMap<String, EdgeSeen>,
    streams: HashMap<String, Open>,
    /// Moves when something wanted changed, so that every stream looks what it lacks.
    wanted: watch::Sender<()>,
}

/// The stream that a pod has open.
struct Open {
    number: u64,
    closed: CancellationToken,
}

/// A stream without a network, for tests of what controllers make of it.
#[cfg(test)]
pub(crate) struct Pretended(Attached);

/// This replica does not lead.
#[derive(Debug, PartialEq, Eq)]
struct NotLeader {
    /// Where the one that does is, if known.
    address: Option<String>,
}

impl Edges {
    /// No edges yet.
    pub fn new(leadership: watch::Receiver<Leadership>) -> Self {
        let term = Mutex::new(Term::default());
        let (changed, issuer) = (broadcast::Sender::new(CHANGES), OnceLock::new());
        Self { shared: Arc::new(Shared { leadership, term, changed, issuer }) }
    }

    /// Edges get their certificates from this issuer; from none before, and from no other after it.
    pub fn certify_by(&self, issuer: EdgeIssuer) {
        if self.shared.issuer.set(issuer).is_err() {
            tracing::error!("edges have an issuer already");
        }
    }

    /// Closes all streams as soon as leadership ends; to be run beside everything else.
    pub async fn follow_leadership(self) {
        let mut leadership = self.shared.leadership.clone();
        while leadership.changed().await.is_ok() {
            drop(self.term());
        }
    }

    /// Whether this process leads, as the edges see it.
    pub fn is_leading(&self) -> bool {
        self.term().since.is_some()
    }

    /// Every edge of this Distribution should serve this configuration.
    pub fn serve_config(&self, distribution: &DistributionKey, config: Arc<EdgeConfig>) {
        let revision = (config.epoch, config.revision);
        let term = self.term();
        let wanted = term.rooms.get(distribution).and_then(|room| room.desired.config.as_ref());
        // Every reconcile says what is wanted; only news are worth encoding.
        if wanted.is_some_and(|wanted| wanted.revision == revision) {
            return;
        }
        drop(term);
        let line = match encode_line(&FromOperator::Config(Arc::unwrap_or_clone(config))) {
            Ok(line) if line.len() <= LINE_LIMIT => line.into(),
            // `resolve` refuses a configuration long before this.
            Ok(line) => return tracing::error!(%distribution, bytes = line.len(), "configuration too large to send"),
            Err(error) => return tracing::error!(%distribution, %error, "configuration could not be encoded"),
        };
        self.want(distribution, |desired| {
            desired.config = Some(Config { revision, line });
            true
        });
    }

    /// Every edge of this Distribution should know these endpoints, each its own, and no others.
    pub fn serve_endpoints(&self, distribution: &DistributionKey, endpoints: Vec<ForEdges>) {
        self.want(distribution, |desired| {
            let news = desired.endpoints != endpoints;
            desired.endpoints = endpoints;
            news
        });
    }

    /// Every edge of this Distribution should know these edges that stand before origins, and be one that they answer.
    pub fn serve_tiers(&self, distribution: &DistributionKey, tiers: Tiers) {
        self.want(distribution, |desired| {
            let news = desired.tiers != tiers;
            desired.tiers = tiers;
            news
        });
    }

    /// Every admitted edge of this Distribution should follow this log.
    pub fn serve_log(&self, distribution: &DistributionKey, log: Arc<PurgeLog>) {
        self.want(distribution, |desired| {
            let news = desired.log.as_ref() != Some(&log);
            desired.log = Some(log);
            news
        });
    }

    /// Every edge should trust these certificates, PEM. Unlike all else this holds in later terms too.
    pub fn trust(&self, bundle: &str) {
        let mut term = self.term();
        let version = match &term.trust {
            Some(trust) if trust.bundle == bundle => return,
            Some(trust) => trust.version + 1,
            None => 1,
        };
        term.trust = Some(Arc::new(Trust { version, bundle: bundle.to_owned() }));
        for room in term.rooms.values() {
            room.wanted.send_replace(());
        }
    }

    /// Whether every edge that is connected, and the edge of each of these pods, has said that it trusts this bundle. Nobody can
    /// say so of another bundle than they were told last.
    pub fn all_trust(&self, bundle: &str, pods: &BTreeSet<String>) -> bool {
        let term = self.term();
        let Some(trust) = term.trust.as_ref().filter(|trust| term.since.is_some() && trust.bundle == bundle) else {
            return false;
        };
        let seen = term.rooms.values().flat_map(|room| room.seen.values());
        trust::is_everybodys(trust.version, pods, seen)
    }

    /// Every edge of this Distribution that was heard since this process leads, by pod uid.
    pub fn snapshot(&self, distribution: &DistributionKey) -> Vec<EdgeSeen> {
        let term = self.term();
        let Some(room) = term.rooms.get(distribution) else { return vec![] };
        let conflict = |edge: &EdgeSeen| {
            let log = room.desired.log.as_ref()?;
            let said = edge.conflict.clone().filter(|conflict| conflict.epoch() == log.epoch);
            said.or_else(|| log.conflict(edge.held.as_ref()?))
        };
        room.seen.values().map(|edge| EdgeSeen { conflict: conflict(edge), ..edge.clone() }).collect()
    }

    /// Every Distribution whose snapshot changes from now on. A listener that falls far behind is told of all of them.
    pub fn changed(&self) -> impl Stream<Item = DistributionKey> + Send + 'static + use<> {
        let listener = (self.clone(), self.shared.changed.subscribe(), Vec::new());
        futures::stream::unfold(listener, |(edges, mut changes, mut missed)| async move {
            loop {
                if let Some(distribution) = missed.pop() {
                    return Some((distribution, (edges, changes, missed)));
                }
                match changes.recv().await {
                    Ok(distribution) => return Some((distribution, (edges, changes, missed))),
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        missed = edges.term().rooms.keys().cloned().collect();
                    }
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
    }

    /// Closes the stream of a pod that was deleted; what it said stays known.
    pub fn close(&self, distribution: &DistributionKey, pod_uid: &str) {
        let term = self.term();
        if let Some(open) = term.rooms.get(distribution).and_then(|room| room.streams.get(pod_uid)) {
            open.closed.cancel();
        }
    }

    /// Forgets a pod that is proved to be gone.
    pub fn forget_edge(&self, distribution: &DistributionKey, pod_uid: &str) {
        let mut term = self.term();
        let Some(room) = term.rooms.get_mut(distribution) else { return };
        room.seen.remove(pod_uid);
        if let Some(open) = room.streams.remove(pod_uid) {
            open.closed.cancel();
        }
    }

    /// Forgets a Distribution that was deleted, and closes its streams.
    pub fn forget(&self, distribution: &DistributionKey) {
        drop(self.term().rooms.remove(distribution));
    }

    /// A stream that said hello as a pod of this Distribution; it replaces the one its pod had before.
    fn attach(&self, distribution: DistributionKey, hello: &Hello) -> Result<Attached, NotLeader> {
        let now = clock::monotonic();
        let mut term = self.term();
        if term.since.is_none() {
            return Err(self.not_leader());
        }
        term.streams += 1;
        let number = term.streams;
        let room = term.rooms.entry(distribution.clone()).or_default();
        let closed = CancellationToken::new();
        let before = room.seen.remove(&hello.uid);
        room.seen.insert(hello.uid.clone(), EdgeSeen::greet(before, hello, now));
        let replaced = room.streams.insert(hello.uid.clone(), Open { number, closed: closed.clone() });
        if let Some(open) = replaced {
            open.closed.cancel();
        }
        let config = hello.config_epoch.zip(hello.revision);
        let given = Given::at_hello(hello.boot_id.clone(), now, position(hello), config);
        let wanted = room.wanted.subscribe();
        drop(term);
        self.notify(&distribution);
        let seat = Seat { edges: self.clone(), distribution, uid: hello.uid.clone(), number, closed };
        Ok(Attached::new(seat, given, wanted))
    }

    /// An edge that is connected for as long as what is returned lives; nothing if this process does not lead.
    #[cfg(test)]
    pub(crate) fn pretend(&self, distribution: &DistributionKey, hello: &Hello) -> Option<Pretended> {
        self.attach(distribution.clone(), hello).ok().map(Pretended)
    }

    /// Where to send an edge that called the wrong replica.
    fn not_leader(&self) -> NotLeader {
        let address = match &*self.shared.leadership.borrow() {
            Leadership::Following { leader } => leader.clone(),
            Leadership::Leading { .. } => None,
        };
        NotLeader { address }
    }

    /// Changes what is wanted; `change` says whether it did, and then every stream looks what it lacks.
    fn want(&self, distribution: &DistributionKey, change: impl FnOnce(&mut Desired) -> bool) {
        let mut term = self.term();
        if term.since.is_none() {
            return;
        }
        let room = term.rooms.entry(distribution.clone()).or_default();
        if change(&mut room.desired) {
            room.wanted.send_replace(());
        }
    }

    /// The present term. Whoever looks first after leadership changed ends the one before: all its streams close.
    fn term(&self) -> MutexGuard<'_, Term> {
        let mut term = self.shared.term.lock();
        let since = match *self.shared.leadership.borrow() {
            Leadership::Leading { since } => Some(since),
            Leadership::Following { .. } => None,
        };
        if term.since != since {
            *term = Term { since, streams: term.streams, trust: term.trust.take(), ..Term::default() };
        }
        term
    }

    fn notify(&self, distribution: &DistributionKey) {
        // Nobody listening is no error.
        let _ = self.shared.changed.send(distribution.clone());
    }
}

#[cfg(test)]
impl Pretended {
    /// The edge says something.
    pub(crate) fn say(&self, line: edge_contract::FromEdge) {
        self.0.seat.hear(line);
    }

    /// Whether the stream was closed from this side.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.seat.closed.is_cancelled()
    }

    /// The lines that are owed to it now, pings aside.
    pub(crate) fn owed(&mut self) -> Vec<edge_contract::FromOperator> {
        let lines = std::iter::from_fn(|| self.0.lacking()).map(|line| line.expect("encodes"));
        lines.map(|line| edge_contract::decode_line(&line).expect("decodes")).collect()
    }
}

impl Default for Room {
    fn default() -> Self {
        Self {
            desired: Desired::default(),
            seen: BTreeMap::new(),
            streams: HashMap::new(),
            wanted: watch::Sender::new(()),
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        for open in self.streams.values() {
            open.closed.cancel();
        }
    }
}

#[cfg(test)]
mod tests;
