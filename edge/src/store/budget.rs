//! Bytes that are about to be kept into the right to keep them, never more in sum than the store's bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The account of one store.
///
/// Guarantees: [`Budget::held`] never exceeds the bound, not even for a moment; a [`Hold`] returns its bytes exactly once,
/// when it is dropped.
#[derive(Debug)]
pub struct Budget {
    bound: usize,
    held: AtomicUsize,
}

/// The right to keep a number of bytes; it lives as long as they do.
#[derive(Debug)]
pub struct Hold {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    /// An empty account.
    pub fn new(bound: usize) -> Arc<Self> {
        Arc::new(Self { bound, held: AtomicUsize::new(0) })
    }

    /// The right to keep `bytes` more, unless the bound forbids it.
    pub fn reserve(self: &Arc<Self>, bytes: usize) -> Option<Hold> {
        let taken = self.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, |held| {
            held.checked_add(bytes).filter(|sum| *sum <= self.bound)
        });
        taken.ok().map(|_| Hold { budget: Arc::clone(self), bytes })
    }

    /// Bytes kept now.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }

    /// The most that may be kept.
    pub fn bound(&self) -> usize {
        self.bound
    }
}

impl Hold {
    /// How many bytes it stands for.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a part of it away, to be kept with a part of what it stands for.
    pub fn split(&mut self, bytes: usize) -> Option<Self> {
        self.bytes = self.bytes.checked_sub(bytes)?;
        Some(Self { budget: Arc::clone(&self.budget), bytes })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_exceed_the_bound_is_refused_and_what_is_dropped_returns() {
        let budget = Budget::new(10);
        let six = budget.reserve(6).expect("fits");
        assert!(budget.reserve(5).is_none());
        assert!(budget.reserve(usize::MAX).is_none());
        let four = budget.reserve(4).expect("fits");
        assert_eq!(budget.held(), 10);
        drop(six);
        assert_eq!((budget.held(), four.bytes()), (4, 4));
    }

    #[test]
    fn parts_return_on_their_own_and_never_more_than_the_whole() {
        let budget = Budget::new(10);
        let mut ten = budget.reserve(10).expect("fits");
        let four = ten.split(4).expect("is there");
        assert!(ten.split(7).is_none());
        drop(ten);
        assert_eq!((budget.held(), four.bytes()), (4, 4));
        drop(four);
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn threads_together_never_exceed_the_bound() {
        let budget = Budget::new(100);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for size in (1..60).cycle().take(5_000) {
                        let hold = budget.reserve(size);
                        assert!(budget.held() <= 100);
                        drop(hold);
                    }
                });
            }
        });
        assert_eq!(budget.held(), 0);
    }
}
