//! Invalidations into purge orders of the edge in this process, and what they removed.
//!
//! The ledger, the way of reading paths and the sweep are the edge's own; only the numbers are given here, since no operator
//! gives them.

use edge::live::Live;
use edge_contract::{Epoch, Head, PurgeOrder, Scope, Sequence, SequenceNumber};
use tokio::sync::Mutex;

/// The one life of this process's counters.
pub const EPOCH: Epoch = Epoch(1);

/// The purge log of this process.
#[derive(Debug)]
pub struct Orders {
    live: Live,
    /// The number that was given last; held while an order is carried out.
    last: Mutex<SequenceNumber>,
}

/// What an order did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Its place in the log.
    pub sequence: SequenceNumber,
    /// Stored responses that it removed.
    pub removed: u64,
}

impl Orders {
    /// Begins the log of an edge.
    pub fn begin(live: Live) -> Self {
        live.take_head(Head { epoch: EPOCH, sequence: 0, floor: 0, flush: 0 });
        Self { live, last: Mutex::new(0) }
    }

    /// Gives the order for a site its number and carries it out. No request that starts after this returns is answered with what it
    /// names; by then everything of it is removed, too.
    pub async fn carry_out(&self, site: &str, order: impl FnOnce(Sequence) -> PurgeOrder) -> Done {
        let mut last = self.last.lock().await;
        *last += 1;
        let sequence = *last;
        self.live.apply_order_of(site, &order(Sequence { epoch: EPOCH, number: sequence }));
        let purge = self.live.purge();
        let (learnt, mut swept) = (purge.learnt(), purge.swept());
        // The sweep lives as long as the edge; should it not, nothing is left to be removed either.
        let _ = swept.wait_for(|swept| *swept >= learnt).await;
        Done { sequence, removed: self.live.removed(sequence) }
    }

    /// Removes everything: what a changed `contentVersion` asks for.
    pub async fn flush(&self, site: &str) -> Done {
        let everything = |at: Sequence| PurgeOrder {
            epoch: at.epoch,
            sequence: at.number,
            uid: format!("contentVersion/{}", at.number),
            scopes: vec![Scope::Everything],
        };
        self.carry_out(site, everything).await
    }

    /// Whether an edge serves the site of this id.
    pub fn serves(&self, site: &str) -> bool {
        self.live.sites().is_some_and(|sites| sites.by_id(site).is_some())
    }
}
