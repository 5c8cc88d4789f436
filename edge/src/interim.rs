//! Interim responses of an origin into what its viewer is told before the final one.
//!
//! Flow: the origin's connection offers them ([`Interim::offer`]) → whoever speaks to the viewer takes them ([`Interim::next`]) until
//! the final response is decided ([`Interim::close`]).
//! Guarantees: every interim response is forwarded (RFC 9110 §15.2) but those that concern this edge's connection to the origin, and
//! those beyond a bound for each final one: whoever misses them misses nothing that the final one does not say. None is stored.

use std::collections::VecDeque;
use std::sync::Arc;

use edge_cache::forwarding;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The most of them before one final response, and the most bytes of their fields.
const HEADS: usize = 16;
const BYTES: usize = 20 * 1024;

/// An interim response: it has no content (RFC 9110 §15.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// A status below 200.
    pub status: StatusCode,
    /// The end-to-end fields.
    pub headers: HeaderMap,
}

/// The way of one request's interim responses.
#[derive(Clone, Debug, Default)]
pub struct Interim(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    came: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Head>,
    heads: usize,
    bytes: usize,
    closed: bool,
}

impl Interim {
    /// For a viewer that knows of no such thing: HTTP/1.0 (RFC 9110 §15.2).
    pub fn closed() -> Self {
        let interim = Self::default();
        interim.close();
        interim
    }

    /// Leaves one for the viewer.
    pub fn offer(&self, status: StatusCode, headers: &HeaderMap) {
        // RFC 9110 §15.2.2: a switch concerns one connection, and none was asked for.
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            return;
        }
        let head = Head { status, headers: forwarding::interim_to_viewer(headers) };
        if self.0.queue.lock().take(head) {
            self.0.came.notify_one();
        }
    }

    /// The next one, whenever it comes.
    pub async fn next(&self) -> Head {
        loop {
            if let Some(head) = self.0.queue.lock().waiting.pop_front() {
                return head;
            }
            self.0.came.notified().await;
        }
    }

    /// From here on they come too late.
    pub fn close(&self) {
        let mut queue = self.0.queue.lock();
        queue.closed = true;
        queue.waiting.clear();
    }
}

impl Queue {
    fn take(&mut self, head: Head) -> bool {
        let bytes: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if self.closed || self.heads >= HEADS || self.bytes + bytes > BYTES {
            return false;
        }
        self.heads += 1;
        self.bytes += bytes;
        self.waiting.push_back(head);
        true
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use http::{HeaderValue, header};

    use super::*;

    fn hints(size: usize) -> HeaderMap {
        let link = HeaderValue::try_from("x".repeat(size)).expect("is a value");
        HeaderMap::from_iter([(header::LINK, link)])
    }

    fn taken(interim: &Interim) -> Vec<u16> {
        std::iter::from_fn(|| interim.next().now_or_never()).map(|head| head.status.as_u16()).collect()
    }

    #[track_caller]
    fn check(offered: &[(u16, usize)], expect: &[u16]) {
        let interim = Interim::default();
        for (status, size) in offered {
            interim.offer(StatusCode::from_u16(*status).expect("is one"), &hints(*size));
        }
        assert_eq!(taken(&interim), expect);
    }

    #[test]
    fn they_come_in_their_order_but_for_switches_and_final_ones() {
        check(&[(103, 1), (101, 1), (102, 1), (200, 1), (199, 1), (100, 1)], &[103, 102, 199, 100]);
    }

    #[test]
    fn what_comes_before_one_response_is_bounded_in_number_and_bytes() {
        check(&[(103, 1); 20], &[103; 16]);
        check(&[(103, 9_000); 3], &[103; 2]);
        check(&[(103, 30_000), (102, 10)], &[102]);
    }

    #[test]
    fn taking_some_makes_no_room_for_more() {
        let interim = Interim::default();
        for _ in 0..20 {
            interim.offer(StatusCode::EARLY_HINTS, &hints(1));
            taken(&interim);
        }
        interim.offer(StatusCode::PROCESSING, &hints(1));
        assert!(taken(&interim).is_empty());
    }

    #[test]
    fn none_comes_after_the_final_response_or_to_those_who_do_not_know_them() {
        let interim = Interim::default();
        interim.offer(StatusCode::EARLY_HINTS, &hints(1));
        interim.close();
        interim.offer(StatusCode::EARLY_HINTS, &hints(1));
        assert!(taken(&interim).is_empty());
        let interim = Interim::closed();
        interim.offer(StatusCode::EARLY_HINTS, &hints(1));
        assert!(taken(&interim).is_empty());
    }
}
