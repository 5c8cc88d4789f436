//! A watch's events into objects that are found by name and by group, and into the groups that changed.
//!
//! Flow: `watch` → [`Feed::take`] → [`Table`] ← reconciles.
//! Guarantees: no look-up walks over all objects. An object never goes back in time: what this process wrote itself
//! ([`Table::learn`]) is not undone by an event of the watch that is older. A list that misses an object that was there
//! reports its groups as changed, so a deletion that no event told of is noticed. One object that does not parse leaves the
//! others alone.
//! Assumptions: a group is a pure function of the object. Each scope (a namespace, or the cluster) has one feed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use kube::core::{DeserializeGuard, error_boundary::InvalidObject};
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};
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
    /// The Distributions that want or hold an alias.
    Alias(String),
}

/// Objects of one kind, as last seen: by name, and by the groups that they belong to.
pub struct Table<K> {
    rows: Arc<RwLock<Rows<K>>>,
    groups_of: fn(&K) -> Vec<Group>,
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
}

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
    namespace: Option<String>,
    listed: Option<HashSet<Name>>,
    complete: bool,
}

impl<K> Clone for Table<K> {
    fn clone(&self) -> Self {
        Self { rows: self.rows.clone(), groups_of: self.groups_of, lists: self.lists.clone() }
    }
}

impl<K: Resource + Clone> Table<K> {
    /// An empty table whose objects belong to the groups that `groups_of` says.
    pub fn new(groups_of: fn(&K) -> Vec<Group>) -> Self {
        let rows = Rows { by_name: HashMap::new(), by_group: HashMap::new() };
        Self { rows: Arc::new(RwLock::new(rows)), groups_of, lists: watch::Sender::default() }
    }

    /// A way in for the watch of one namespace, or of all of them.
    pub fn feed(&self, namespace: Option<String>) -> Feed<K> {
        self.lists.send_modify(|lists| lists.expected += 1);
        Feed { table: self.clone(), namespace, listed: None, complete: false }
    }

    /// Returns once every feed has listed all it has.
    pub async fn complete(&self) {
        let mut lists = self.lists.subscribe();
        // The sender lives as long as `self`, so this cannot fail.
        let _ = lists.wait_for(|lists| lists.complete == lists.expected).await;
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

    /// Takes what a write of ours returned, so that the next look does not wait for the watch to say the same.
    pub fn learn(&self, object: K) {
        self.rows.write().put(Row::Readable(Arc::new(object)), self.groups_of);
    }
}

impl<K: Resource + Clone> Feed<K> {
    /// Takes an event; which groups changed by it.
    pub fn take(&mut self, event: Event<DeserializeGuard<K>>) -> Vec<Group> {
        let groups_of = self.table.groups_of;
        match event {
            Event::Init => {
                self.listed = Some(HashSet::new());
                Vec::new()
            }
            Event::Apply(object) => self.table.rows.write().put(row(object), groups_of),
            Event::InitApply(object) => {
                self.listed.get_or_insert_default().insert(name_of(&object));
                self.table.rows.write().put(row(object), groups_of)
            }
            Event::Delete(object) => self.table.rows.write().remove(&name_of(&object), groups_of),
            Event::InitDone => {
                let listed = self.listed.take().unwrap_or_default();
                let gone = self.table.rows.write().retain(self.namespace.as_deref(), &listed, groups_of);
                if !std::mem::replace(&mut self.complete, true) {
                    self.table.lists.send_modify(|lists| lists.complete += 1);
                }
                gone
            }
        }
    }
}

impl<K: Resource> Rows<K> {
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
    fn name(&self) -> Name {
        let meta = match self {
            Self::Readable(object) => object.meta(),
            Self::Unreadable(why) => &why.metadata,
        };
        (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
    }

    /// The resourceVersion as a number, which for the objects of one kind rises with time; nothing where it is none, and
    /// nothing compares as oldest, so such a server's events are all taken as they come.
    fn version(&self) -> Option<u64> {
        let meta = match self {
            Self::Readable(object) => object.meta(),
            Self::Unreadable(why) => &why.metadata,
        };
        meta.resource_version.as_ref()?.parse().ok()
    }
}

fn row<K: Resource>(guarded: DeserializeGuard<K>) -> Row<K> {
    match guarded.0 {
        Ok(object) => Row::Readable(Arc::new(object)),
        Err(why) => Row::Unreadable(Arc::new(why)),
    }
}

fn name_of<K: Resource>(object: &K) -> Name {
    (object.namespace().unwrap_or_default(), object.name_any())
}
