//! What is true of this edge right now, shared by all its parts: what it serves, what it has purged, which phase it is in.
//!
//! Flow: `control` (and the mounted file) ⇢ [`Live`] ⇢ every request.
//! Guarantees: what a method here has taken holds for every request that starts after it returned, on every thread.
//! Assumptions: one stream at a time calls the methods that change something, in the order of its lines; the mounted file may bring a
//! configuration at any moment.
//! Errors: a refused configuration comes back with the reason, and the one before it goes on serving.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use edge_cache::invalidation::{HeadTaken, Taken};
use edge_contract::{
    EdgeConfig, Endpoints, Epoch, Head, MOUNTS, Origin, OriginTarget, PurgeOrder, ReferenceState, SequenceNumber, Site,
};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::awaited::{self, Awaited};
use crate::config::{SiteTable, Sites};
use crate::health;
use crate::mounts::{Mounts, Unusable};
use crate::narrowed::narrowed;
use crate::observed::Observing;
use crate::peers::Peers;
use crate::purge::Purge;
use crate::store::Store;

/// How much stored responses may hold where nothing else is said.
const DEFAULT_STORE: usize = 256 * 1024 * 1024;

/// How far this edge has followed its purge log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The life of the log; absent until the first head.
    pub epoch: Option<Epoch>,
    /// Every order up to this number is applied; absent until the first head.
    pub sequence: Option<SequenceNumber>,
    /// The uid of the order at that number, absent when a bare head brought it there.
    pub order_uid: Option<String>,
}

/// Where in its life the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It accepts and serves.
    Serving,
    /// It was told to stop: it reports unready and goes on accepting until the cluster has heard of it.
    Draining,
    /// It accepts no more, and finishes what it began.
    Finishing,
    /// It has waited for that as long as it may, and ends what is left.
    Cutting,
    /// Its listeners are closed and its last response has ended: goodbye may be said.
    Drained,
}

/// A handle on one running edge; clones are the same edge.
#[derive(Clone, Debug)]
pub struct Live {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    sites: ArcSwapOption<Sites>,
    /// Held while a configuration or an order is taken: an order is read by the rules that hold when it begins to count. In it, the
    /// configuration that was taken last: more than what serves, while a newer one waits.
    taking: Mutex<Option<EdgeConfig>>,
    from_stream: AtomicBool,
    endpoints: ArcSwap<EndpointTable>,
    peers: Peers,
    purge: Purge,
    store: Store,
    mounts: Mounts,
    observing: Observing,
    awaited: Awaited,
    phase: watch::Sender<Phase>,
}

/// Addresses by site and origin.
type EndpointTable = HashMap<(String, String), Listed>;

#[derive(Clone, Debug)]
struct Listed {
    /// Whose they are: the origin may be somewhere else in what serves.
    target: OriginTarget,
    version: u64,
    addresses: Arc<[SocketAddr]>,
}

impl Default for Live {
    fn default() -> Self {
        Self::new()
    }
}

impl Live {
    /// An edge that serves nothing yet, with a store of the usual size.
    pub fn new() -> Self {
        Self::with(MOUNTS.into(), DEFAULT_STORE)
    }

    /// The same with what is mounted below `folder`, and a store of up to `bytes`.
    pub fn with(folder: PathBuf, bytes: usize) -> Self {
        let observing = Observing::default();
        let inner = Inner {
            sites: ArcSwapOption::empty(),
            taking: Mutex::default(),
            from_stream: AtomicBool::new(false),
            endpoints: ArcSwap::default(),
            peers: Peers::default(),
            purge: Purge::default(),
            store: Store::new(bytes),
            mounts: Mounts::below(folder, observing.clone()),
            observing,
            awaited: Awaited::default(),
            phase: watch::Sender::new(Phase::Serving),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Serves this configuration from the operator's stream, or says why not; then the last good one goes on.
    pub fn take_config(&self, config: EdgeConfig) -> Result<(), String> {
        let mut taken = self.inner.taking.lock();
        self.take_whole(&mut taken, config)?;
        self.inner.from_stream.store(true, Ordering::Release);
        Ok(())
    }

    /// Serves this configuration from the mounted file, unless a stream has given one or it says nothing new.
    pub fn take_mounted_config(&self, config: EdgeConfig) -> Result<bool, String> {
        let mut taken = self.inner.taking.lock();
        if !self.counts_from_a_file(&config) {
            return Ok(false);
        }
        self.take_whole(&mut taken, config).map(|()| true)
    }

    /// This configuration waits for what this edge [lacks](Self::lacks). What serves goes on, as far as this one lets it.
    pub fn hold(&self, waiting: &EdgeConfig, lacks: Vec<Unusable>) {
        let taken = self.inner.taking.lock();
        self.narrow(taken.as_ref(), waiting);
        self.inner.observing.take_waits(lacks.into_iter().map(ReferenceState::from).collect());
    }

    /// The same where it comes from the mounted file, and would be taken from there.
    pub fn hold_mounted(&self, waiting: &EdgeConfig, lacks: Vec<Unusable>) {
        let taken = self.inner.taking.lock();
        if self.counts_from_a_file(waiting) {
            self.narrow(taken.as_ref(), waiting);
            self.inner.observing.take_waits(lacks.into_iter().map(ReferenceState::from).collect());
        }
    }

    fn counts_from_a_file(&self, config: &EdgeConfig) -> bool {
        // Numbers of two epochs cannot be compared; then the file is what the operator wrote last.
        let is_news =
            self.serving_revision().is_none_or(|(epoch, revision)| config.epoch != epoch || config.revision > revision);
        is_news && !self.inner.from_stream.load(Ordering::Acquire)
    }

    fn take_whole(&self, taken: &mut Option<EdgeConfig>, config: EdgeConfig) -> Result<(), String> {
        self.swap(config.clone())?;
        self.keep_endpoints_of(&config.sites);
        self.inner.observing.take_waits(Vec::new());
        *taken = Some(config);
        Ok(())
    }

    fn narrow(&self, taken: Option<&EdgeConfig>, waiting: &EdgeConfig) {
        self.keep_endpoints_of(&waiting.sites);
        let Some(narrowed) = taken.map(|taken| narrowed(taken, waiting)) else { return };
        let is_served = |sites: Arc<Sites>| sites.sites.iter().map(|table| &table.site).eq(&narrowed.sites);
        if self.sites().is_some_and(is_served) {
            return;
        }
        if let Err(error) = self.swap(narrowed) {
            tracing::error!(error, "what a newer configuration takes away cannot be taken away");
        }
    }

    fn swap(&self, config: EdgeConfig) -> Result<(), String> {
        let before = self.inner.sites.load_full();
        let new = awaited::new_in(&config);
        let sites = Sites::compile(config, before.as_deref())?;
        tracing::info!(
            epoch = sites.epoch.0,
            revision = sites.revision,
            sites = sites.sites.len(),
            "configuration serves"
        );
        // Before the swap: no request is keyed by the new rules while an order is only known as the old ones read it. What requests
        // under the old rules still add is judged by when its read began, as ever.
        for table in &sites.sites {
            if let Some(old) = before.as_ref().and_then(|before| before.by_id(&table.site.id)) {
                self.inner.purge.rules_changed(&old.site, &table.site);
            }
        }
        // Before the swap too: a request finds in memory what it needs.
        self.inner.mounts.hold(sites.references());
        self.inner.awaited.take(new, before.is_none());
        self.inner.sites.store(Some(Arc::new(sites)));
        self.tell_origins();
        Ok(())
    }

    /// What a configuration needs that this edge does not have: to be asked before it is taken in place of another.
    pub fn lacks(&self, config: &EdgeConfig) -> Vec<Unusable> {
        let Some(sites) = self.sites() else { return Vec::new() };
        awaited::lacking(config, sites.references(), &self.inner.mounts)
    }

    /// What this edge waits for before it is ready, if anything.
    pub fn awaits(&self) -> Option<Unusable> {
        self.inner.awaited.missing(&self.inner.mounts)
    }

    /// The epoch and revision of the configuration that serves, whether a stream or the mounted file gave it.
    pub fn serving_revision(&self) -> Option<(Epoch, u64)> {
        self.inner.sites.load().as_ref().map(|sites| (sites.epoch, sites.revision))
    }

    /// What serves now. A request keeps what it began with.
    pub fn sites(&self) -> Option<Arc<Sites>> {
        self.inner.sites.load_full()
    }

    /// Where an origin's pods are now: nowhere, if the list is empty. An older version than the one held is ignored, and so is an address
    /// that is none; a list of nothing else says nothing.
    pub fn take_endpoints(&self, endpoints: Endpoints) {
        let Endpoints { site, origin, target, version, addresses: given } = endpoints;
        let addresses: Arc<[SocketAddr]> = given.iter().filter_map(|address| address.parse().ok()).collect();
        if addresses.is_empty() && !given.is_empty() {
            tracing::error!(origin, "endpoints whose addresses are none");
            return;
        }
        let (key, listed) = ((site, origin), Listed { target, version, addresses });
        self.inner.endpoints.rcu(|table| {
            let mut table = EndpointTable::clone(table);
            if table.get(&key).is_none_or(|held| held.version <= version) {
                table.insert(key.clone(), listed.clone());
            }
            table
        });
    }

    /// The operator follows what the newest configuration names, so any other list grows old from here on.
    fn keep_endpoints_of(&self, sites: &[Site]) {
        self.inner.endpoints.rcu(|table| {
            let mut table = EndpointTable::clone(table);
            table.retain(|(id, name), listed| {
                let mut origins = sites.iter().filter(|site| site.id == *id).flat_map(|site| &site.origins);
                origins.any(|origin| origin.name == *name && origin.target.as_ref() == Some(&listed.target))
            });
            table
        });
    }

    /// The stream is gone: endpoints may be out of date, so origins are reached by their DNS names from here on.
    pub fn forget_endpoints(&self) {
        self.inner.endpoints.store(Arc::default());
    }

    /// Where an origin's pods are, if a stream says so of this very target.
    pub fn endpoints(&self, site: &str, origin: &Origin) -> Option<Arc<[SocketAddr]>> {
        let table = self.inner.endpoints.load();
        if table.is_empty() {
            return None;
        }
        let listed = table.get(&(site.to_owned(), origin.name.clone()))?;
        (origin.target.as_ref() == Some(&listed.target)).then(|| Arc::clone(&listed.addresses))
    }

    /// The other edges.
    pub fn peers(&self) -> &Peers {
        &self.inner.peers
    }

    /// Applies an order; what came of it says whether and what to acknowledge.
    pub fn apply_order(&self, order: &PurgeOrder) -> Taken {
        // An order does not name its distribution: until many share an edge, it is the only one.
        self.apply(order, |sites| sites.sites.first())
    }

    /// The same where there are several sites, for the one with this id: its rules say what the order's paths mean. There is
    /// one log for all of them, so what others have stored under the same paths goes too, and is read anew.
    pub fn apply_order_of(&self, site: &str, order: &PurgeOrder) -> Taken {
        self.apply(order, |sites| sites.by_id(site))
    }

    fn apply(&self, order: &PurgeOrder, whose: impl FnOnce(&Sites) -> Option<&Arc<SiteTable>>) -> Taken {
        let _one_at_a_time = self.inner.taking.lock();
        let sites = self.sites();
        let site = sites.as_deref().and_then(whose).map(|table| &table.site);
        let taken = self.inner.purge.apply(order, site);
        if let (Some(site), Taken::Applied) = (site, &taken) {
            self.inner.purge.drop_exact(order, site, &self.inner.store);
        }
        taken
    }

    /// Takes where the log ends; the first one after a start says that nothing is missing any more.
    pub fn take_head(&self, head: Head) -> HeadTaken {
        self.inner.purge.take_head(head)
    }

    /// How far the log was followed: what `hello` and `acknowledged` say.
    pub fn applied(&self) -> Applied {
        self.inner.purge.applied()
    }

    /// How many stored responses the order at this number has dropped so far; it grows while a sweep runs.
    pub fn removed(&self, sequence: SequenceNumber) -> u64 {
        self.inner.purge.removed(sequence)
    }

    /// The purge log at work.
    pub fn purge(&self) -> &Purge {
        &self.inner.purge
    }

    /// The stored responses.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The Secrets and `ConfigMap`s that the serving configuration names.
    pub fn mounts(&self) -> &Mounts {
        &self.inner.mounts
    }

    /// What only this edge can see.
    pub fn observing(&self) -> &Observing {
        &self.inner.observing
    }

    /// Something has become of an origin that its owner is to know.
    pub fn tell_origins(&self) {
        self.inner.observing.take_origins(|| {
            let sites = self.sites();
            sites.iter().flat_map(|sites| &sites.sites).flat_map(|site| health::troubled(site)).collect()
        });
    }

    /// The phase, and every later one. `goodbye` is due when it is [`Phase::Drained`].
    pub fn phases(&self) -> watch::Receiver<Phase> {
        self.inner.phase.subscribe()
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        *self.inner.phase.borrow()
    }

    /// Moves on to a later phase.
    pub fn enter(&self, phase: Phase) {
        self.inner.phase.send_if_modified(|current| {
            let later = phase > *current;
            *current = phase.max(*current);
            later
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use edge_cache::{CacheKey, Label, NormalPath};
    use edge_contract::{Choice, Scope};

    use super::*;
    use crate::testing::{config, site};

    const EPOCH: Epoch = Epoch(7);

    /// The same site, its query strings keyed or not.
    fn keyed(revision: u64, query_key: Choice) -> EdgeConfig {
        let mut site = site("s");
        site.behaviors[0].key.query_strings = query_key;
        EdgeConfig { revision, ..config(vec![site]) }
    }

    /// What an order means under `Choice::None` is `/a`; under `Choice::All` it is this.
    fn key() -> CacheKey {
        CacheKey::new("s", None, &NormalPath::parse("/a").expect("is one"), Some("x=1"))
    }

    fn order(sequence: SequenceNumber) -> PurgeOrder {
        // What makes it slow to read widens every gap that there may be.
        let others = (0..200).map(|n| Scope::Exact(format!("/{n}?x=1")));
        let scopes = std::iter::once(Scope::Exact("/a?x=1".into())).chain(others).collect();
        PurgeOrder { epoch: EPOCH, sequence, uid: format!("uid-{sequence}"), scopes }
    }

    fn ignoring_queries() -> (Live, Label) {
        let live = Live::new();
        live.take_mounted_config(keyed(1, Choice::None)).expect("is sound");
        live.take_head(Head { epoch: EPOCH, sequence: 1, floor: 1, flush: 0 });
        let label = live.purge().label();
        (live, label)
    }

    fn keys_queries(live: &Live) -> bool {
        live.sites().is_some_and(|sites| sites.sites[0].site.behaviors[0].key.query_strings == Choice::All)
    }

    #[test]
    fn no_request_is_keyed_by_new_rules_while_an_order_is_known_by_the_old_ones_only() {
        for _ in 0..500 {
            let (live, before) = ignoring_queries();
            live.apply_order(&order(2));
            let start = Barrier::new(2);
            thread::scope(|scope| {
                scope.spawn(|| {
                    start.wait();
                    live.take_mounted_config(keyed(2, Choice::All)).expect("is sound");
                });
                start.wait();
                while !keys_queries(&live) {
                    std::hint::spin_loop();
                }
                assert!(!live.purge().admits_read(&key(), before));
            });
        }
    }

    #[test]
    fn an_order_for_one_of_several_sites_means_what_that_site_says() {
        let mut keyless = site("keyless");
        keyless.behaviors[0].key.query_strings = Choice::None;
        let live = Live::new();
        live.take_mounted_config(config(vec![site("keyed"), keyless])).expect("is sound");
        live.take_head(Head { epoch: EPOCH, sequence: 1, floor: 1, flush: 0 });
        let before = live.purge().label();
        let path = NormalPath::parse("/1").expect("is one");
        let admits = |query| live.purge().admits_read(&CacheKey::new("keyless", None, &path, query), before);
        live.apply_order_of("keyed", &order(2));
        assert!(admits(None), "with its query, which counts there");
        live.apply_order_of("keyless", &order(3));
        assert!(!admits(None), "whatever its query");
    }

    #[test]
    fn an_order_that_meets_a_mounted_configuration_is_read_by_the_rules_that_it_counts_under() {
        for _ in 0..500 {
            let (live, before) = ignoring_queries();
            let start = Barrier::new(2);
            thread::scope(|scope| {
                scope.spawn(|| {
                    start.wait();
                    live.apply_order(&order(2));
                });
                start.wait();
                live.take_mounted_config(keyed(2, Choice::All)).expect("is sound");
            });
            assert!(keys_queries(&live));
            assert!(!live.purge().admits_read(&key(), before));
        }
    }
}
