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
        drop(interim.close());
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

    /// The viewer's body is wanted: one that holds it back may go on (RFC 9110 §15.2.1). This is never one too many.
    pub fn go_on(&self) {
        let mut queue = self.0.queue.lock();
        if !queue.closed {
            queue.waiting.push_back(Head { status: StatusCode::CONTINUE, headers: HeaderMap::new() });
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

    /// From here on they come too late; those that came in time and were not taken yet are given out.
    pub fn close(&self) -> impl Iterator<Item = Head> {
        let mut queue = self.0.queue.lock();
        queue.closed = true;
        std::mem::take(&mut queue.waiting).into_iter()
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
    fn a_body_is_asked_for_however_much_was_said_before() {
        let interim = Interim::default();
        for _ in 0..20 {
            interim.offer(StatusCode::PROCESSING, &hints(1));
        }
        interim.go_on();
        assert_eq!(taken(&interim).last(), Some(&100));
        drop(interim.close());
        interim.go_on();
        assert!(taken(&interim).is_empty());
    }

    #[test]
    fn none_comes_after_the_final_response_or_to_those_who_do_not_know_them() {
        let interim = Interim::default();
        interim.offer(StatusCode::EARLY_HINTS, &hints(1));
        assert_eq!(interim.close().map(|head| head.status).collect::<Vec<_>>(), [StatusCode::EARLY_HINTS]);
        interim.offer(StatusCode::EARLY_HINTS, &hints(1));
        assert!(taken(&interim).is_empty());
        let interim = Interim::closed();
        interim.offer(StatusCode::EARLY_HINTS, &hints(1));
        assert!(taken(&interim).is_empty());
    }
}
