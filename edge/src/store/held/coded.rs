//! A stored response and a coded body into the stored response that stands in its place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use edge_cache::Stored;
use edge_cache::coding::{self, Coding};

use super::{Content, Held, Whole};
use crate::store::budget::Hold;

impl Held {
    /// The coding that the edge has given it; one that its origin gave it is not meant.
    pub fn coding(&self) -> Option<Coding> {
        self.coding
    }

    /// The body that its origin sent; nothing where it was coded and that is gone.
    pub fn as_it_came(&self) -> Option<&Content> {
        match (self.coding, &self.plain) {
            (None, _) => Some(&self.content),
            (Some(_), plain) => plain.as_ref(),
        }
    }

    /// Whether viewers that accept other codings might get other bytes.
    pub fn is_codable(&self) -> bool {
        self.codable
    }

    /// Whether nobody has decided yet if it is to be coded. Asked at each hit, so it costs next to nothing.
    pub fn awaits_coding(&self) -> bool {
        !self.coding_claimed.load(Ordering::Relaxed)
    }

    /// The right to code it, which is given once.
    pub fn claim_coding(&self) -> bool {
        !self.coding_claimed.swap(true, Ordering::AcqRel)
    }

    /// The same response with its body coded. `hold` stands for its head; the blocks pay for themselves. `keeps`: with what it was coded
    /// from beside it.
    #[must_use]
    pub fn coded(&self, coding: Coding, whole: Whole, hold: Arc<Hold>, keeps: bool) -> Self {
        let length = whole.length;
        let mut coded = Self::new(self.stored.clone(), Content::Whole(whole), hold).of_origin(self.origin.as_ref());
        // Only what viewers are shown: the origin knows its response by the strong tag and the length that it gave it.
        coding::to_coded(&mut coded.head, coding, length);
        let plain = Some(self.content.clone()).filter(|_| keeps);
        Self { coding: Some(coding), plain, codable: true, coding_claimed: AtomicBool::new(true), ..coded }
    }

    /// The same body under the fields of a 304. None: it was coded, and now may not be.
    pub fn freshened(&self, stored: Stored, hold: Arc<Hold>) -> Option<Self> {
        let (Some(coding), Content::Whole(whole)) = (self.coding, &self.content) else {
            return Some(Self::new(stored, self.content.clone(), hold).of_origin(self.origin.as_ref()));
        };
        // RFC 9110 §7.7: the fields that forbid it may have come just now.
        if !coding::is_codable(stored.status, &stored.headers, None) {
            return None;
        }
        let (whole, length) = (whole.clone(), whole.length);
        let mut freshened = Self::new(stored, Content::Whole(whole), hold).of_origin(self.origin.as_ref());
        coding::to_coded(&mut freshened.head, coding, length);
        let plain = self.plain.clone();
        Some(Self { coding: Some(coding), plain, codable: true, coding_claimed: AtomicBool::new(true), ..freshened })
    }
}
