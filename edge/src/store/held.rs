//! A response head that storing accepted and a body into one stored response that pays for every byte it keeps.

mod coded;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use edge_cache::coding::{self, Coding};
use edge_cache::invalidation::Stamp;
use edge_cache::{Stored, forwarding, range};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, response};

use super::budget::Hold;
use super::recording::Recording;

/// What one stored response costs beside the bytes of its fields and its body: two field maps, its place in the index.
const RESPONSE_OVERHEAD: usize = 1_024;
/// What one field costs beside its bytes, in both maps.
const FIELD_OVERHEAD: usize = 256;

/// A stored response, or one on its way into the store.
#[derive(Debug)]
pub struct Held {
    /// What verdicts need to know of it.
    pub stored: Stored,
    /// The fields that every viewer gets, made once.
    pub head: HeaderMap,
    /// The body.
    pub content: Content,
    /// The name of the origin whose response it is: nobody else knows its validators.
    pub origin: Option<Arc<str>>,
    coding: Option<Coding>,
    /// What it was coded from, where other edges ask for that.
    plain: Option<Content>,
    codable: bool,
    coding_claimed: AtomicBool,
    checked: AtomicU64,
    hold: Arc<Hold>,
}

/// A body, whole or arriving.
#[derive(Clone, Debug)]
pub enum Content {
    /// All of it.
    Whole(Whole),
    /// It is still being read from the origin; `length` where the origin announced one.
    Arriving {
        /// What has come so far, and how to follow it.
        recording: Arc<Recording>,
        /// How many bytes it will have.
        length: Option<u64>,
    },
}

impl Content {
    fn length(&self) -> Option<u64> {
        match self {
            Self::Whole(whole) => Some(whole.length),
            Self::Arriving { length, .. } => *length,
        }
    }
}

/// A complete body. Clones share its blocks.
#[derive(Clone, Debug, Default)]
pub struct Whole {
    /// In order, none empty.
    pub blocks: Arc<[Bytes]>,
    /// Their sum.
    pub length: u64,
    /// What came after the body.
    pub trailers: Option<Arc<Trailers>>,
}

/// Fields that came after a body; they pay for themselves.
#[derive(Debug)]
pub struct Trailers {
    /// The fields.
    pub fields: HeaderMap,
    _hold: Hold,
}

impl Trailers {
    /// Keeps them; `hold` stands for [`cost_of_fields`].
    pub fn new(fields: &HeaderMap, hold: Hold) -> Self {
        Self { fields: detached(fields.clone()), _hold: hold }
    }
}

impl Held {
    /// Puts a response together. `hold` stands for [`cost`].
    pub fn new(stored: Stored, content: Content, hold: Arc<Hold>) -> Self {
        let length = content.length();
        let mut head = forwarding::to_viewer(&stored.headers);
        range::advertise(&mut head, &stored, length);
        let codable = coding::is_codable(stored.status, &stored.headers, length);
        let coding_claimed = AtomicBool::new(!codable);
        let (origin, coding, plain, checked) = (None, None, None, AtomicU64::new(0));
        Self { stored, head, content, origin, coding, plain, codable, coding_claimed, checked, hold }
    }

    /// The same as the response of this origin.
    #[must_use]
    pub fn of_origin(self, origin: Option<&Arc<str>>) -> Self {
        Self { origin: origin.map(Arc::clone), ..self }
    }

    /// Whether it is the response of this origin.
    pub fn is_of(&self, origin: &str) -> bool {
        self.origin.as_deref() == Some(origin)
    }

    /// The same response with its body complete. It pays for its head together with this one, which readers may still hold.
    #[must_use]
    pub fn completed(&self, whole: Whole) -> Self {
        let mut stored = self.stored.clone();
        // RFC 9110 §8.6: known now, so that a later HEAD can say it. Not where a status has no content.
        if stored.status != StatusCode::NO_CONTENT {
            stored.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(whole.length));
        }
        Self::new(stored, Content::Whole(whole), Arc::clone(&self.hold)).of_origin(self.origin.as_ref())
    }

    /// When the purge ledger last admitted it.
    pub fn checked(&self) -> Stamp {
        Stamp(self.checked.load(Ordering::Acquire))
    }

    /// Remembers that the purge ledger admitted it.
    pub fn admitted(&self, stamp: Stamp) {
        self.checked.fetch_max(stamp.0, Ordering::AcqRel);
    }

    /// Whether someone is reading it, so that letting go of it would free nothing yet.
    pub fn is_read(&self) -> bool {
        let Content::Whole(whole) = &self.content else { return true };
        // The response that it was while it arrived pays together with it, and lives as long as those who follow that.
        Arc::strong_count(&whole.blocks) > 1 || Arc::strong_count(&self.hold) > 1
    }

    /// Whether its body broke off while it arrived.
    pub fn is_cut(&self) -> bool {
        matches!(&self.content, Content::Arriving { recording, .. } if recording.is_cut())
    }

    /// The length of the whole body, if it is known.
    pub fn length(&self) -> Option<u64> {
        self.content.length()
    }
}

/// What a stored response costs without its body.
pub fn cost(key_length: usize, stored: &Stored) -> usize {
    RESPONSE_OVERHEAD + 2 * key_length + stored.selecting.size() + cost_of_fields(&stored.headers)
}

/// What fields cost that are kept.
pub fn cost_of_fields(fields: &HeaderMap) -> usize {
    fields.iter().map(|(name, value)| FIELD_OVERHEAD + name.as_str().len() + value.len()).sum()
}

/// Copies the fields of a head to blocks of exactly their size: as they come, each one pins the buffer it was read into.
pub fn detach(head: &mut response::Parts) {
    head.headers = detached(std::mem::take(&mut head.headers));
}

fn detached(attached: HeaderMap) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(attached.len());
    let mut last_name: Option<HeaderName> = None;
    for (name, value) in attached {
        if let Some(name) = name {
            last_name = HeaderName::from_bytes(name.as_str().as_bytes()).ok();
        }
        if let (Some(name), Ok(value)) = (&last_name, HeaderValue::from_bytes(value.as_bytes())) {
            fields.append(name.clone(), value);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detached_fields_are_the_same_fields_in_the_same_order() {
        let (mut parts, ()) = http::Response::builder()
            .header("x-a", "1")
            .header("etag", "\"v\"")
            .header("x-a", "2")
            .header("x-bin", HeaderValue::from_bytes(b"\xfc").expect("legal"))
            .body(())
            .expect("is sound")
            .into_parts();
        let before = parts.headers.clone();
        detach(&mut parts);
        assert_eq!(parts.headers, before);
        assert_eq!(parts.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
    }
}
