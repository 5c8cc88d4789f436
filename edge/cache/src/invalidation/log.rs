//! The orders and heads of one epoch into the number applied and the least label that is still good.

use std::collections::BTreeMap;

use edge_contract::{Epoch, Head, PurgeOrder, SequenceNumber};

use super::{HeadTaken, NormalScope, NormalScopes, Refused, Stamp, Taken, marks::Marks};

/// So many uids of applied orders are remembered; of older ones it is not noticed any more that another object's order claims their
/// number, which is then taken as a repetition.
const UIDS: usize = 4_096;

/// One epoch's log.
#[derive(Clone, Debug)]
pub(super) struct Log {
    pub(super) epoch: Epoch,
    /// Whether a head has made it this edge's log. Before, nothing counts as applied: the floor of the first head always binds.
    pub(super) current: bool,
    /// Every number up to it is applied.
    pub(super) applied: SequenceNumber,
    /// Whose order stands at which number, those that wait behind a gap among them.
    uids: BTreeMap<SequenceNumber, Box<str>>,
    marks: Marks,
    /// Labels below it are refused whatever their target: the greatest of floor (where it binds), flush and orders for everything.
    least: SequenceNumber,
    /// The newest order whose meaning depended on the key rules.
    by_rules: SequenceNumber,
    /// The greatest number among forgotten marks, and the stamp since which a check counts.
    forgotten: (SequenceNumber, Stamp),
}

impl Log {
    /// A log of which nothing is known: what is below its first head's floor is then missing.
    pub(super) fn begin(epoch: Epoch) -> Self {
        Self {
            epoch,
            current: false,
            applied: 0,
            uids: BTreeMap::new(),
            marks: Marks::default(),
            least: 0,
            by_rules: 0,
            forgotten: (0, Stamp::default()),
        }
    }

    pub(super) fn uid_at(&self, number: SequenceNumber) -> Option<&str> {
        self.uids.get(&number).map(AsRef::as_ref)
    }

    pub(super) fn len(&self) -> usize {
        self.marks.len()
    }

    pub(super) fn apply(&mut self, order: &PurgeOrder, scopes: &NormalScopes, stamp: Stamp) -> Taken {
        if let Some(held) = self.uid_at(order.sequence) {
            if held != order.uid {
                return Taken::UidMismatch { held: held.to_owned() };
            }
            return self.progress(order.sequence, true);
        }
        if order.sequence <= self.applied {
            return Taken::Repeated;
        }
        for scope in &scopes.covers {
            if *scope == NormalScope::Everything {
                self.least = self.least.max(order.sequence);
            }
            self.marks.add(scope, order.sequence, stamp);
        }
        if scopes.by_rules {
            self.by_rules = self.by_rules.max(order.sequence);
        }
        self.uids.insert(order.sequence, order.uid.as_str().into());
        if self.current {
            self.advance();
        }
        // The uid at the applied number is said in every hello, and those behind a gap still wait.
        while self.uids.len() > UIDS && self.uids.first_key_value().is_some_and(|(number, _)| *number < self.applied) {
            self.uids.pop_first();
        }
        self.progress(order.sequence, false)
    }

    fn progress(&self, number: SequenceNumber, repeated: bool) -> Taken {
        match () {
            () if number > self.applied => Taken::Gap { expected: self.expected() },
            () if repeated => Taken::Repeated,
            () => Taken::Applied,
        }
    }

    /// Counts the orders that follow without a gap.
    fn advance(&mut self) {
        while self.applied < self.expected() && self.uids.contains_key(&self.expected()) {
            self.applied = self.expected();
        }
    }

    fn expected(&self) -> SequenceNumber {
        self.applied.saturating_add(1)
    }

    /// Rule 2. The floor binds only an edge that has not applied it: that one has missed orders, so all older content falls.
    pub(super) fn take_head(&mut self, head: Head) -> HeadTaken {
        let before = (self.applied, self.least);
        if self.applied < head.floor {
            self.least = self.least.max(head.floor);
            self.applied = head.floor;
        }
        self.least = self.least.max(head.flush);
        // Orders up to the flush could drop nothing that the flush does not.
        self.applied = self.applied.max(head.flush.min(head.sequence));
        self.advance();
        match () {
            () if self.applied < head.sequence => HeadTaken::Missing { expected: self.expected() },
            () if before == (self.applied, self.least) => HeadTaken::Known,
            () => HeadTaken::Advanced,
        }
    }

    /// Rule 3. An unknown label comes as zero, below every number.
    pub(super) fn refuses(&self, label: SequenceNumber, checked: Stamp, target: &str) -> Option<Refused> {
        let (forgotten, since) = self.forgotten;
        if label < self.least || label < forgotten && checked < since {
            return Some(Refused::TooOld);
        }
        (label < self.marks.newest(target)).then_some(Refused::Purged)
    }

    pub(super) fn rules_changed(&mut self) {
        self.least = self.least.max(self.by_rules);
    }

    pub(super) fn forget(&mut self, stamp: Stamp) {
        let greatest = self.marks.forget(stamp);
        // A number that filled a gap is learnt after greater ones: what was checked between the two must be checked again.
        if greatest > 0 {
            self.forgotten = (self.forgotten.0.max(greatest), stamp);
        }
    }
}
