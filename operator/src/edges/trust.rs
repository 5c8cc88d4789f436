//! What edges said of the authorities they trust into whether all of them trust the newest.

use std::collections::BTreeSet;

use super::seen::EdgeSeen;

/// Whether every edge that is connected, and the edge of each of these pods, trusts this version. One that is not connected
/// may have started anew since it said so.
pub(super) fn is_everybodys<'a>(
    version: u64,
    pods: &BTreeSet<String>,
    seen: impl Iterator<Item = &'a EdgeSeen>,
) -> bool {
    let mut missing: BTreeSet<&str> = pods.iter().map(String::as_str).collect();
    for edge in seen.filter(|edge| edge.connected) {
        if edge.trusted != version {
            return false;
        }
        missing.remove(edge.uid.as_str());
    }
    missing.is_empty()
}

#[cfg(test)]
mod tests {
    use edge_contract::{CONTRACT, Hello};

    use super::*;
    use crate::clock;

    /// An edge that trusts this version, and whether it is connected.
    fn edge(uid: &str, trusted: u64, connected: bool) -> EdgeSeen {
        let hello = Hello {
            contract: CONTRACT,
            pod: uid.into(),
            uid: uid.into(),
            boot_id: uid.into(),
            epoch: None,
            sequence: None,
            order_uid: None,
            config_epoch: None,
            revision: None,
        };
        EdgeSeen { connected, trusted, ..EdgeSeen::greet(None, &hello, clock::monotonic()) }
    }

    #[track_caller]
    fn check(pods: &[&str], seen: &[EdgeSeen], expect: bool) {
        let pods = pods.iter().map(|uid| (*uid).to_owned()).collect();
        assert_eq!(is_everybodys(2, &pods, seen.iter()), expect, "{pods:?}");
    }

    #[test]
    fn everybody_is_every_pod_and_every_edge_that_is_connected() {
        check(&[], &[], true);
        check(&["a", "b"], &[edge("a", 2, true), edge("b", 2, true)], true);
        check(&["a", "b"], &[edge("a", 2, true), edge("b", 1, true)], false);
        check(&["a", "b"], &[edge("a", 2, true)], false);
        check(&["a"], &[edge("a", 2, false)], false);
        check(&["a"], &[edge("a", 2, true), edge("gone", 1, false)], true);
        check(&["a"], &[edge("a", 2, true), edge("new", 0, true)], false);
    }
}
