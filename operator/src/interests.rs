//! What each Distribution looked at beyond its own objects into whom a change of it concerns.
//!
//! Flow: `observe` notes the Services, Ingresses and granting namespaces of the newest and of the last taken spec, then looks; `controllers` asks.
//! Guarantees: noting comes before looking, so a change either was seen or wakes. Nothing walks over all Distributions.

use std::collections::{BTreeSet, HashMap};

use parking_lot::Mutex;

use crate::names::DistributionKey;
use crate::table::Group;

/// Who looked at what.
#[derive(Default)]
pub struct Interests {
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    by_group: HashMap<Group, BTreeSet<DistributionKey>>,
    by_key: HashMap<DistributionKey, BTreeSet<Group>>,
}

impl Interests {
    /// Notes that `key` looks at `groups`, and at nothing else any more.
    pub fn note(&self, key: &DistributionKey, groups: BTreeSet<Group>) {
        let mut noted = self.noted.lock();
        if noted.by_key.get(key).is_some_and(|before| *before == groups) {
            return;
        }
        let before = noted.by_key.remove(key).unwrap_or_default();
        for group in before.difference(&groups) {
            if let Some(keys) = noted.by_group.get_mut(group) {
                keys.remove(key);
                if keys.is_empty() {
                    noted.by_group.remove(group);
                }
            }
        }
        for group in &groups {
            noted.by_group.entry(group.clone()).or_default().insert(key.clone());
        }
        if !groups.is_empty() {
            noted.by_key.insert(key.clone(), groups);
        }
    }

    /// Who looks at `group`.
    pub fn of(&self, group: &Group) -> Vec<DistributionKey> {
        self.noted.lock().by_group.get(group).into_iter().flatten().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str) -> Group {
        Group::Service("default".into(), name.into())
    }

    #[test]
    fn a_change_concerns_whoever_looked_last_and_nobody_who_stopped_looking() {
        let (interests, shop, blog) = (Interests::default(), key("shop"), key("blog"));
        interests.note(&shop, [service("a"), service("b")].into());
        interests.note(&blog, [service("b")].into());
        assert_eq!(interests.of(&service("b")), [blog.clone(), shop.clone()]);
        interests.note(&shop, [service("a"), service("c")].into());
        assert_eq!(interests.of(&service("b")), [blog]);
        assert_eq!(interests.of(&service("c")), std::slice::from_ref(&shop));
        interests.note(&shop, BTreeSet::new());
        assert_eq!(interests.of(&service("a")), []);
        assert!(!interests.noted.lock().by_key.contains_key(&shop), "nothing is left of it");
    }

    fn key(name: &str) -> DistributionKey {
        DistributionKey::new("default", name)
    }
}
