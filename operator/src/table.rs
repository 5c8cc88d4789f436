//! A watch's events into objects that are found by name and by group, and into the groups that changed.
//!
//! Flow: `watch` → [`Feed::take`] → [`Table`] ← reconciles.
//! Guarantees: no look-up walks over all objects. An object never goes back in time: what this process wrote itself
//! ([`Table::learn`]) is not undone by an event of the watch that is older, and does not bring back what the watch has shown
//! to be deleted since. A list that misses an object that was there reports its groups as changed, so a deletion that no
//! event told of is noticed. One object that does not parse leaves the others alone.
//! Assumptions: a group is a pure function of the object. Each scope (a namespace, or the cluster) has one feed, and a watch
//! tells of changes in the order of their resourceVersions; that of a deletion is the deletion's own.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::{DeserializeGuard, error_boundary::InvalidObject};
use kube::runtime::watcher::Event;
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::names::DistributionKey;

/// By what objects are found together, and what a change of one of them is a change of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// A Distribution and what belongs to it: its children, its pods, the Invalidations that name it.
    Distribution(DistributionKey),
    /// A Service and what lies behind it, by namespace and name.
    Service(String, String),
    /// An Ingress, by namespace and name.
    Ingress(String, String),
    /// What a namespace grants to others.
    Grants(String),
    /// The Distributions that want or hold an alias.
    Alias(String),
}

/// Objects of one kind, as last seen: by name, and by the groups that they belong to.
pub struct Table<K> {
    rows: Arc<RwLock<Rows<K>>>,
    groups_of: fn(&K) -> Vec<Group>,
    /// Nobody but this operator writes the status of this kind.
    status_is_ours: bool,
    lists: watch::Sender<Lists>,
}

/// How many feeds the table has, and how many of them have listed all they have.
#[derive(Clone, Copy, Default)]
struct Lists {
    expected: usize,
    complete: usize,
}

struct Rows<K> {
    by_name: HashMap<Name, Row<K>>,
    by_group: HashMap<Group, BTreeMap<Name, Arc<K>>>,
    /// Up to where the feed of each scope has shown everything: what is older and not here is deleted.
    shown: HashMap<Scope, Version>,
}

/// What a feed covers: a namespace, or nothing for all of them.
type Scope = Option<String>;

/// A resourceVersion as a number, which for the objects of one kind rises with time.
type Version = u64;

/// Namespace and name; the namespace is empty for a cluster's own objects.
type Name = (String, String);

/// What is known of one object.
#[derive(Clone)]
enum Row<K> {
    Readable(Arc<K>),
    Unreadable(Arc<InvalidObject>),
}

/// Where the events of one watch go in.
pub struct Feed<K> {
    table: Table<K>,
    scope: Scope,
    listing: Listing,
    complete: bool,
}

/// What a list has shown so far. Its objects come in the order of their names, so only all of it says how far it reaches.
#[derive(Default)]
struct Listing {
    names: HashSet<Name>,
    newest: Option<Version>,
}

impl<K> Clone for Table<K> {
    fn clone(&self) -> Self {
        let Self { rows, groups_of, status_is_ours, lists } = self;
        Self { rows: rows.clone(), groups_of: *groups_of, status_is_ours: *status_is_ours, lists: lists.clone() }
    }
}

impl<K: Resource + Clone> Table<K> {
    /// An empty table whose objects belong to the groups that `groups_of` says.
    pub fn new(groups_of: fn(&K) -> Vec<Group>) -> Self {
        let rows = Rows { by_name: HashMap::new(), by_group: HashMap::new(), shown: HashMap::new() };
        let (rows, lists) = (Arc::new(RwLock::new(rows)), watch::Sender::default());
        Self { rows, groups_of, status_is_ours: false, lists }
    }

    /// Of a kind whose status nobody but this operator writes.
    #[must_use]
    pub fn with_status_of_ours(self) -> Self {
        Self { status_is_ours: true, ..self }
    }

    /// A way in for the watch of one namespace, or of all of them.
    pub fn feed(&self, namespace: Option<String>) -> Feed<K> {
        self.lists.send_modify(|lists| lists.expected += 1);
        Feed { table: self.clone(), scope: namespace, listing: Listing::default(), complete: false }
    }

    /// Returns once every feed has listed all it has.
    pub async fn complete(&self) {
        let mut lists = self.lists.subscribe();
        // The sender lives as long as `self`, so this cannot fail.
        let _ = lists.wait_for(|lists| lists.complete == lists.expected).await;
    }

    /// Whether every feed has listed all it has.
    pub fn is_complete(&self) -> bool {
        let lists = *self.lists.borrow();
        lists.complete == lists.expected
    }

    /// The object of this name.
    pub fn find(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        match self.rows.read().by_name.get(&(namespace.to_owned(), name.to_owned()))? {
            Row::Readable(object) => Some(object.clone()),
            Row::Unreadable(_) => None,
        }
    }

    /// Why the object of this name cannot be read, if it is there and cannot.
    pub fn unreadable(&self, namespace: &str, name: &str) -> Option<Arc<InvalidObject>> {
        match self.rows.read().by_name.get(&(namespace.to_owned(), name.to_owned()))? {
            Row::Readable(_) => None,
            Row::Unreadable(why) => Some(why.clone()),
        }
    }

    /// The objects of a group, in the order of their names.
    pub fn of(&self, group: &Group) -> Vec<Arc<K>> {
        self.rows.read().by_group.get(group).into_iter().flat_map(|members| members.values().cloned()).collect()
    }

    /// Every group that has an object.
    pub fn groups(&self) -> Vec<Group> {
        self.rows.read().by_group.keys().cloned().collect()
    }

    /// Takes what a write of ours returned, so that the next look does not wait for the watch to say the same. If the watch
    /// was faster and has shown its end too, it stays away.
    pub fn learn(&self, object: K) {
        let mut rows = self.rows.write();
        let row = Row::Readable(Arc::new(object));
        if !rows.is_deleted(&row) {
            rows.put(row, self.groups_of);
        }
    }
}

impl<K: Resource + Clone> Feed<K> {
    /// Whether an event that is not taken yet shows nothing but what this operator wrote: the very version that it learned, or no more
    /// than another status, of which the watch may tell before the write's own answer does.
    pub fn is_echo(&self, event: &Event<DeserializeGuard<K>>) -> bool {
        let (Event::Apply(object) | Event::InitApply(object)) = event else { return false };
        let (shown, rows) = (object.meta(), self.table.rows.read());
        let Some(known) = rows.by_name.get(&name_of(shown)).map(Row::meta) else { return false };
        let is_asked_the_same = known.uid == shown.uid
            && known.generation == shown.generation
            && known.deletion_timestamp == shown.deletion_timestamp;
        let version = version_of(shown);
        version.is_some() && version == version_of(known) || self.table.status_is_ours && is_asked_the_same
    }

    /// Whether it is of a kind whose status nobody but this operator writes.
    pub fn is_of_ours(&self) -> bool {
        self.table.status_is_ours
    }

    /// Whether it has listed all there is, or needs not.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Counts as listed, though it may not list.
    pub fn waive(&mut self) {
        if !std::mem::replace(&mut self.complete, true) {
            self.table.lists.send_modify(|lists| lists.complete += 1);
        }
    }

    /// Takes an event; which groups changed by it.
    pub fn take(&mut self, event: Event<DeserializeGuard<K>>) -> Vec<Group> {
        let groups_of = self.table.groups_of;
        let mut rows = self.table.rows.write();
        match event {
            Event::Init => {
                self.listing = Listing::default();
                Vec::new()
            }
            Event::Apply(object) => {
                rows.show(&self.scope, version_of(object.meta()));
                rows.put(row(object), groups_of)
            }
            Event::InitApply(object) => {
                self.listing.newest = self.listing.newest.max(version_of(object.meta()));
                self.listing.names.insert(name_of(object.meta()));
                rows.put(row(object), groups_of)
            }
            Event::Delete(object) => {
                rows.show(&self.scope, version_of(object.meta()));
                rows.end(&name_of(object.meta()), version_of(object.meta()), groups_of)
            }
            Event::InitDone => {
                let Listing { names, newest } = std::mem::take(&mut self.listing);
                rows.show(&self.scope, newest);
                let gone = rows.retain(self.scope.as_deref(), &names, groups_of);
                drop(rows);
                self.waive();
                gone
            }
        }
    }
}

impl<K: Resource> Rows<K> {
    /// Notes that the feed of this scope has shown everything up to this version.
    fn show(&mut self, scope: &Scope, version: Option<Version>) {
        let Some(version) = version else { return };
        let shown = self.shown.entry(scope.clone()).or_default();
        *shown = version.max(*shown);
    }

    /// Whether it is not here although the feed of its scope has come past it.
    fn is_deleted(&self, row: &Row<K>) -> bool {
        let name = row.name();
        let Some(version) = row.version().filter(|_| !self.by_name.contains_key(&name)) else { return false };
        let shown = [&None, &Some(name.0)].into_iter().filter_map(|scope| self.shown.get(scope)).max();
        shown.is_some_and(|shown| version <= *shown)
    }

    fn put(&mut self, row: Row<K>, groups_of: fn(&K) -> Vec<Group>) -> Vec<Group> {
        let name = row.name();
        if self.by_name.get(&name).is_some_and(|known| row.version() < known.version()) {
            return Vec::new();
        }
        let mut changed = self.remove(&name, groups_of);
        if let Row::Readable(object) = &row {
            for group in groups_of(object) {
                self.by_group.entry(group.clone()).or_default().insert(name.clone(), object.clone());
                changed.push(group);
            }
        }
        self.by_name.insert(name, row);
        changed
    }

    /// Takes the end of an object. What is known of a later one of its name stays.
    fn end(&mut self, name: &Name, version: Option<Version>, groups_of: fn(&K) -> Vec<Group>) -> Vec<Group> {
        match self.by_name.get(name) {
            Some(known) if version.is_some() && version < known.version() => Vec::new(),
            _ => self.remove(name, groups_of),
        }
    }

    fn remove(&mut self, name: &Name, groups_of: fn(&K) -> Vec<Group>) -> Vec<Group> {
        let Some(Row::Readable(object)) = self.by_name.remove(name) else { return Vec::new() };
        let groups = groups_of(&object);
        for group in &groups {
            if let Some(members) = self.by_group.get_mut(group) {
                members.remove(name);
                if members.is_empty() {
                    self.by_group.remove(group);
                }
            }
        }
        groups
    }

    fn retain(
        &mut self,
        namespace: Option<&str>,
        listed: &HashSet<Name>,
        groups_of: fn(&K) -> Vec<Group>,
    ) -> Vec<Group> {
        let in_scope = |name: &Name| namespace.is_none_or(|namespace| name.0 == namespace);
        let gone: Vec<Name> =
            self.by_name.keys().filter(|name| in_scope(name) && !listed.contains(name)).cloned().collect();
        gone.iter().flat_map(|name| self.remove(name, groups_of)).collect()
    }
}

impl<K: Resource> Row<K> {
    fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Readable(object) => object.meta(),
            Self::Unreadable(why) => &why.metadata,
        }
    }

    fn name(&self) -> Name {
        name_of(self.meta())
    }

    fn version(&self) -> Option<Version> {
        version_of(self.meta())
    }
}

fn row<K: Resource>(guarded: DeserializeGuard<K>) -> Row<K> {
    match guarded.0 {
        Ok(object) => Row::Readable(Arc::new(object)),
        Err(why) => Row::Unreadable(Arc::new(why)),
    }
}

fn name_of(meta: &ObjectMeta) -> Name {
    (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

/// Nothing where the resourceVersion is no number, and nothing compares as oldest: such a server's events are all taken as
/// they come.
fn version_of(meta: &ObjectMeta) -> Option<Version> {
    meta.resource_version.as_ref()?.parse().ok()
}

#[cfg(test)]
mod tests;
