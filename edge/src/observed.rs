//! What only this edge can see into the one value that the operator is told, whenever it is another.
//!
//! Flow: whoever looks at mounted files or at origins → [`Observing`] ⇢ `control` ⇢ the operator ⇢ conditions.
//! Guarantees: that the same is seen again is no news.

use std::sync::Arc;

use edge_contract::{FromEdge, OriginState, ReferenceState};
use tokio::sync::watch;

/// All of it, as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Mounted things that are missing or of no use.
    pub references: Vec<ReferenceState>,
    /// What became of each origin.
    pub origins: Vec<OriginState>,
    /// What a configuration waits for.
    pub waits_for: Vec<ReferenceState>,
}

/// Where it is kept; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Observing(Arc<watch::Sender<Observed>>);

impl Observing {
    /// Mounted things that are missing or of no use, in place of those before.
    pub fn take_references(&self, states: Vec<ReferenceState>) {
        self.change(|observed| &mut observed.references, || states);
    }

    /// What became of each origin, in place of what was before. They are looked at here, so that of two who tell the later one knows all
    /// that the other did.
    pub fn take_origins(&self, look: impl FnOnce() -> Vec<OriginState>) {
        self.change(|observed| &mut observed.origins, look);
    }

    /// What the newest configuration waits for, in place of what was before: nothing once it serves.
    pub fn take_waits(&self, states: Vec<ReferenceState>) {
        self.change(|observed| &mut observed.waits_for, || states);
    }

    fn change<T: PartialEq>(&self, part: impl FnOnce(&mut Observed) -> &mut T, look: impl FnOnce() -> T) {
        self.0.send_if_modified(|observed| {
            let now = look();
            let part = part(observed);
            let news = *part != now;
            *part = now;
            news
        });
    }

    /// Whether everything that is mounted is there and of use.
    pub fn lacks_nothing(&self) -> bool {
        self.0.borrow().references.is_empty()
    }

    /// As it is now.
    pub fn now(&self) -> Observed {
        self.0.borrow().clone()
    }

    /// The same, to be waited for.
    pub fn changes(&self) -> watch::Receiver<Observed> {
        self.0.subscribe()
    }
}

impl From<Observed> for FromEdge {
    fn from(Observed { references, origins, waits_for }: Observed) -> Self {
        Self::Observed { references, origins, waits_for }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_again_is_no_news() {
        let observing = Observing::default();
        let changes = observing.changes();
        let is_news = || changes.clone().has_changed().expect("is kept");
        let lack = ReferenceState { field: "spec.a".into(), message: "create it".into() };
        observing.take_references(Vec::new());
        assert!(!is_news());
        observing.take_references(vec![lack.clone()]);
        assert!(is_news());
        let changes = observing.changes();
        observing.take_references(vec![lack.clone()]);
        observing.take_origins(Vec::new);
        assert!(!changes.has_changed().expect("is kept"));
        assert_eq!(observing.now(), Observed { references: vec![lack], ..Observed::default() });
    }
}
