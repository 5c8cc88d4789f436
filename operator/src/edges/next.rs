//! What a Distribution's edges should have, and what one stream was given, into the next line that is owed to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use edge_contract::{Endpoints, Epoch, Head, PurgeOrder, SequenceNumber, Shields};
use tokio::time::Instant;

/// The purge log of a Distribution as the API holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeLog {
    /// The life of the counter.
    pub epoch: Epoch,
    /// The living orders above the floor, in the order of their numbers.
    pub orders: Vec<Arc<PurgeOrder>>,
    /// Where the log ends. An order above `head.sequence` is not sent.
    pub head: Head,
    /// The starts (boot ids) that may get their first head of this epoch, and when the hello arrived for which they may: it was
    /// kept in the status before the API was read for this log. A start that is not among them gets nothing of it.
    pub admitted: BTreeMap<String, Instant>,
}

/// How far an edge says it has followed a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The life of the log.
    pub epoch: Epoch,
    /// Every order up to this number is applied.
    pub sequence: SequenceNumber,
    /// The uid of the order at that number, absent when a bare head brought it there.
    pub order_uid: Option<String>,
}

/// What cannot be true of one log: the controller answers it with a new epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The edge has applied more than the log holds.
    Ahead {
        /// What it says.
        edge: Position,
        /// Where the log ends.
        head: SequenceNumber,
    },
    /// The edge has applied another order at that number, or was there without one.
    OtherOrder {
        /// What it says.
        edge: Position,
        /// The uid that the log holds there.
        uid: String,
    },
}

/// The certificates that edges are to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Rises with each change.
    pub version: u64,
    /// PEM.
    pub bundle: String,
}

/// A configuration, encoded once for all streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What it is called in answers.
    pub revision: (Epoch, u64),
    /// The whole line.
    pub line: Bytes,
}

/// An origin's endpoints, under one version for all edges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForEdges {
    /// For every edge of which nothing else is said.
    pub all: Endpoints,
    /// The addresses instead, by the uid of an edge's pod.
    pub nearest: BTreeMap<String, Vec<String>>,
}

/// Which edges of a Distribution others ask in place of an origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tiers {
    /// The Distribution's uid, while any do: then each edge is given a certificate for it.
    pub site: Option<String>,
    /// The lists by location: an empty one also where a location did once.
    pub shields: Vec<Shields>,
}

/// What every edge of a Distribution should have.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    /// The configuration, once there is one.
    pub config: Option<Config>,
    /// The endpoints of every origin that is a Service.
    pub endpoints: Vec<ForEdges>,
    /// Which edges stand before origins.
    pub tiers: Tiers,
    /// The purge log, once it was read.
    pub log: Option<Arc<PurgeLog>>,
}

/// What one stream was given, or its edge said that it has.
#[derive(Clone, Debug)]
pub struct Given {
    /// Which start of the container it is.
    pub boot_id: String,
    /// When its hello arrived.
    pub hello_at: Instant,
    /// Where its hello says it stands.
    pub hello: Option<Position>,
    config: Option<(Epoch, u64)>,
    trust: u64,
    endpoints: BTreeMap<(String, String), u64>,
    shields: BTreeMap<(String, String), u64>,
    /// The last order or head sent on this stream.
    sent: Option<(Epoch, SequenceNumber)>,
    head: Option<Head>,
}

/// A line that a stream lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owed {
    /// New authorities.
    Trust(Arc<Trust>),
    /// The next order of the log.
    Order(Arc<PurgeOrder>),
    /// Where the log ends, once all before it was sent.
    Head(Head),
    /// The configuration.
    Config(Config),
    /// An origin's endpoints.
    Endpoints(ForEdges),
    /// The edges of a location that stands before origins.
    Shields(Shields),
}

impl ForEdges {
    /// What the edge in this pod is told.
    pub fn of(self, pod_uid: &str) -> Endpoints {
        let Self { all, mut nearest } = self;
        match nearest.remove(pod_uid) {
            Some(addresses) => Endpoints { addresses, ..all },
            None => all,
        }
    }
}

impl Conflict {
    /// The epoch in which it is one.
    pub fn epoch(&self) -> Epoch {
        match self {
            Self::Ahead { edge, .. } | Self::OtherOrder { edge, .. } => edge.epoch,
        }
    }
}

impl Given {
    /// What an edge has when its stream begins.
    pub fn at_hello(boot_id: String, hello_at: Instant, hello: Option<Position>, config: Option<(Epoch, u64)>) -> Self {
        let (endpoints, shields) = (BTreeMap::new(), BTreeMap::new());
        Self { boot_id, hello_at, hello, config, trust: 0, endpoints, shields, sent: None, head: None }
    }

    /// Records that a line was sent.
    pub fn note(&mut self, owed: &Owed) {
        match owed {
            Owed::Trust(trust) => self.trust = trust.version,
            Owed::Order(order) => self.sent = Some((order.epoch, order.sequence)),
            Owed::Head(head) => {
                self.sent = Some((head.epoch, head.sequence));
                self.head = Some(*head);
            }
            Owed::Config(config) => self.config = Some(config.revision),
            Owed::Endpoints(ForEdges { all, .. }) => {
                self.endpoints.insert((all.site.clone(), all.origin.clone()), all.version);
            }
            Owed::Shields(Shields { site, location, version, .. }) => {
                self.shields.insert((site.clone(), location.clone()), *version);
            }
        }
    }

    /// The head that a ping repeats: the last one sent, unless a new epoch has begun since.
    pub fn head_for_ping(&self, desired: &Desired) -> Option<Head> {
        let epoch = desired.log.as_ref()?.epoch;
        self.head.filter(|head| head.epoch == epoch)
    }

    /// Up to which number of this epoch the edge was sent the log, by this stream or an earlier one.
    fn followed(&self, epoch: Epoch) -> Option<SequenceNumber> {
        let sent = self.sent.filter(|(of, _)| *of == epoch).map(|(_, sequence)| sequence);
        let held = self.hello.as_ref().filter(|hello| hello.epoch == epoch).map(|hello| hello.sequence);
        sent.max(held)
    }
}

impl PurgeLog {
    /// Why `position` cannot be one of this log's.
    pub fn conflict(&self, position: &Position) -> Option<Conflict> {
        if position.epoch != self.epoch {
            return None;
        }
        if position.sequence > self.head.sequence {
            return Some(Conflict::Ahead { edge: position.clone(), head: self.head.sequence });
        }
        let order = self.order(position.sequence)?;
        // An edge that was there without this order came by a floor, which never falls: by that of another life.
        let other = position.order_uid.as_ref() != Some(&order.uid);
        other.then(|| Conflict::OtherOrder { edge: position.clone(), uid: order.uid.clone() })
    }

    /// Whether a stream may begin to follow. An edge that comes from another epoch was with another leader since its start was
    /// admitted, and that epoch may be the newer one: only its newest hello counts.
    fn admits(&self, given: &Given) -> bool {
        let Some(hello_at) = self.admitted.get(&given.boot_id) else { return false };
        let was_elsewhere = given.hello.as_ref().is_some_and(|hello| hello.epoch != self.epoch);
        !was_elsewhere || *hello_at == given.hello_at
    }

    fn order(&self, sequence: SequenceNumber) -> Option<&Arc<PurgeOrder>> {
        let at = self.orders.binary_search_by_key(&sequence, |order| order.sequence).ok()?;
        self.orders.get(at)
    }

    /// The first order after `sequence` that may be sent.
    fn order_after(&self, sequence: SequenceNumber) -> Option<&Arc<PurgeOrder>> {
        let at = self.orders.partition_point(|order| order.sequence <= sequence);
        self.orders.get(at).filter(|order| order.sequence <= self.head.sequence)
    }
}

/// The next line of a stream, most urgent first: orders do not wait behind a large configuration.
pub fn owed(desired: &Desired, trust: Option<&Arc<Trust>>, given: &Given) -> Option<Owed> {
    let trust = trust.filter(|trust| trust.version != given.trust).map(|trust| Owed::Trust(Arc::clone(trust)));
    trust
        .or_else(|| owed_of_log(desired.log.as_ref()?, given))
        .or_else(|| owed_config(desired.config.as_ref()?, given))
        .or_else(|| owed_endpoints(&desired.endpoints, given))
        .or_else(|| owed_shields(&desired.tiers.shields, given))
}

fn owed_of_log(log: &PurgeLog, given: &Given) -> Option<Owed> {
    let headed = given.head.is_some_and(|head| head.epoch == log.epoch);
    if !headed && !log.admits(given) {
        return None;
    }
    if !headed && given.hello.as_ref().is_some_and(|hello| log.conflict(hello).is_some()) {
        return None;
    }
    let followed = given.followed(log.epoch);
    if let Some(order) = log.order_after(followed.unwrap_or(0)) {
        return Some(Owed::Order(Arc::clone(order)));
    }
    // A head below what was sent is an older reading of the log.
    let newer = followed.is_none_or(|followed| log.head.sequence >= followed);
    (newer && given.head != Some(log.head)).then_some(Owed::Head(log.head))
}

fn owed_config(config: &Config, given: &Given) -> Option<Owed> {
    let (epoch, revision) = config.revision;
    let lacks = match given.config {
        // A revision ahead of ours is reported and not overwritten: a new epoch is the controller's decision.
        Some((held, at)) if held == epoch => at < revision,
        _ => true,
    };
    lacks.then(|| Owed::Config(config.clone()))
}

fn owed_endpoints(endpoints: &[ForEdges], given: &Given) -> Option<Owed> {
    let lacks = |ForEdges { all, .. }: &&ForEdges| {
        given.endpoints.get(&(all.site.clone(), all.origin.clone())) != Some(&all.version)
    };
    endpoints.iter().find(lacks).cloned().map(Owed::Endpoints)
}

fn owed_shields(shields: &[Shields], given: &Given) -> Option<Owed> {
    let lacks = |list: &&Shields| given.shields.get(&(list.site.clone(), list.location.clone())) != Some(&list.version);
    shields.iter().find(lacks).cloned().map(Owed::Shields)
}

#[cfg(test)]
mod tests;
