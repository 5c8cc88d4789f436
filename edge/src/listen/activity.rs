//! What a viewer's connection does, in marks set by its reads, writes and requests, into whether it may go on.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// How long a viewer's connection may do nothing useful.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the first byte of a request head to its last (HTTP/1).
    pub head: Duration,
    /// Without any request.
    pub idle: Duration,
    /// While something waits to be written and the peer takes none of it.
    pub write: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { head: Duration::from_secs(10), idle: Duration::from_secs(75), write: Duration::from_secs(30) }
    }
}

/// Marks of one connection. Times are milliseconds of the edge's clock, shifted by one so that zero means "not now".
#[derive(Debug, Default)]
pub struct Activity {
    requests: AtomicUsize,
    quiet_since: AtomicU64,
    head_since: AtomicU64,
    stuck_since: AtomicU64,
    multiplexed: AtomicBool,
    withheld: AtomicUsize,
    moved_at: AtomicU64,
    given_up: AtomicBool,
}

/// Whether a connection may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Yes; nothing can have gone wrong before this much time has passed.
    Fine(Duration),
    /// No: it was idle for too long, and may be closed without harm.
    Idle,
    /// No: a request head did not end, or what there is to send was not taken.
    Stalled,
}

impl Activity {
    /// A connection accepted at `now`.
    pub fn accepted(now: Duration) -> Self {
        let activity = Self::default();
        activity.quiet_since.store(mark(now), Ordering::Relaxed);
        activity
    }

    /// From here on heads are not told apart by bytes: HTTP/2 frames of many streams mix.
    pub fn multiplexes(&self) {
        self.multiplexed.store(true, Ordering::Relaxed);
    }

    /// A request's head is complete.
    pub fn request_begins(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.head_since.store(0, Ordering::Relaxed);
    }

    /// A response has ended, or its viewer has left.
    pub fn request_ends(&self, now: Duration) {
        if self.requests.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.quiet_since.store(mark(now), Ordering::Relaxed);
        }
    }

    /// Whether the next byte read would begin a head, so that its time must be marked.
    pub fn awaits_head(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0 && self.head_since.load(Ordering::Relaxed) == 0
    }

    /// The first byte of a head came.
    pub fn head_begins(&self, now: Duration) {
        self.head_since.store(mark(now), Ordering::Relaxed);
    }

    /// The peer took none of the bytes offered; a mark that stands already stays.
    pub fn write_waits(&self, now: Duration) {
        if self.stuck_since.load(Ordering::Relaxed) == 0 {
            self.stuck_since.store(mark(now), Ordering::Relaxed);
        }
    }

    /// The peer took some.
    pub fn write_moves(&self) {
        if self.stuck_since.load(Ordering::Relaxed) != 0 {
            self.stuck_since.store(0, Ordering::Relaxed);
        }
    }

    /// A body has more to give than its viewer lets it: HTTP/2 holds each stream back by a window of its own, so that the
    /// connection's bytes do not say whose they are.
    pub fn body_waits(&self, now: Duration) {
        self.withheld.fetch_add(1, Ordering::Relaxed);
        self.moved_at.store(mark(now), Ordering::Relaxed);
    }

    /// The next piece of a body that waited is asked for, or its viewer has left.
    pub fn body_moves(&self, now: Duration) {
        self.withheld.fetch_sub(1, Ordering::Relaxed);
        self.moved_at.store(mark(now), Ordering::Relaxed);
    }

    /// An idle peer was asked to go: its quiet counts anew.
    pub fn asked_to_go(&self, now: Duration) {
        self.quiet_since.store(mark(now), Ordering::Relaxed);
    }

    /// It has stalled, and is ended for that.
    pub fn gives_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    /// Whether that is how it ends.
    pub fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// Whether the connection may go on at `now`.
    pub fn judge(&self, now: Duration, patience: &Patience) -> Judgement {
        let stuck = self.stuck_since.load(Ordering::Relaxed);
        if stuck != 0 {
            return left(stuck, patience.write, now).map_or(Judgement::Stalled, Judgement::Fine);
        }
        let shortest = patience.head.min(patience.write).min(patience.idle);
        if self.withheld.load(Ordering::Relaxed) > 0 {
            let moved = self.moved_at.load(Ordering::Relaxed);
            let fine = |left: Duration| Judgement::Fine(left.min(shortest));
            return left(moved, patience.write, now).map_or(Judgement::Stalled, fine);
        }
        if self.requests.load(Ordering::Relaxed) > 0 {
            return Judgement::Fine(shortest);
        }
        let head = self.head_since.load(Ordering::Relaxed);
        if head != 0 && !self.multiplexed.load(Ordering::Relaxed) {
            return left(head, patience.head, now).map_or(Judgement::Stalled, Judgement::Fine);
        }
        let quiet = self.quiet_since.load(Ordering::Relaxed);
        left(quiet, patience.idle, now).map_or(Judgement::Idle, |left| Judgement::Fine(left.min(shortest)))
    }
}

fn mark(now: Duration) -> u64 {
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX - 1) + 1
}

/// What is left of `patience` since a mark; nothing once it is used up.
fn left(since: u64, patience: Duration, now: Duration) -> Option<Duration> {
    let waited = Duration::from_millis(mark(now).saturating_sub(since));
    patience.checked_sub(waited).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { head: Duration::from_secs(10), idle: Duration::from_secs(75), write: Duration::from_secs(30) };

    #[track_caller]
    fn check(set: impl FnOnce(&Activity), at_second: u64, expect: Judgement) {
        let activity = Activity::accepted(Duration::from_secs(100));
        set(&activity);
        assert_eq!(activity.judge(Duration::from_secs(100 + at_second), &PATIENCE), expect);
    }

    #[test]
    fn a_silent_connection_is_idle_after_its_time() {
        check(|_| (), 74, Judgement::Fine(Duration::from_secs(1)));
        check(|_| (), 75, Judgement::Idle);
    }

    #[test]
    fn a_head_that_began_must_end_soon() {
        let begin = |a: &Activity| a.head_begins(Duration::from_secs(100));
        check(begin, 9, Judgement::Fine(Duration::from_secs(1)));
        check(begin, 10, Judgement::Stalled);
    }

    #[test]
    fn frames_between_streams_are_no_head() {
        check(
            |a| {
                a.multiplexes();
                a.head_begins(Duration::from_secs(100));
            },
            11,
            Judgement::Fine(Duration::from_secs(10)),
        );
    }

    #[test]
    fn a_running_request_may_take_as_long_as_its_bytes_move() {
        check(Activity::request_begins, 1000, Judgement::Fine(Duration::from_secs(10)));
        check(
            |a| {
                a.request_begins();
                a.write_waits(Duration::from_secs(110));
                a.write_waits(Duration::from_mins(2));
            },
            40,
            Judgement::Stalled,
        );
        check(
            |a| {
                a.request_begins();
                a.write_waits(Duration::from_secs(110));
                a.write_moves();
            },
            40,
            Judgement::Fine(Duration::from_secs(10)),
        );
    }

    #[test]
    fn streams_that_wait_for_their_viewer_may_do_so_as_long_as_one_of_them_moves() {
        let second = |second: u64| Duration::from_secs(100 + second);
        let two_wait = |a: &Activity| {
            a.multiplexes();
            a.request_begins();
            a.request_begins();
            a.body_waits(second(0));
            a.body_waits(second(5));
        };
        check(two_wait, 34, Judgement::Fine(Duration::from_secs(1)));
        check(two_wait, 35, Judgement::Stalled);
        let one_moves = |a: &Activity| {
            two_wait(a);
            a.body_moves(second(20));
        };
        check(one_moves, 49, Judgement::Fine(Duration::from_secs(1)));
        check(one_moves, 50, Judgement::Stalled);
        check(
            |a| {
                one_moves(a);
                a.body_moves(second(21));
            },
            1_000,
            Judgement::Fine(Duration::from_secs(10)),
        );
    }

    #[test]
    fn idleness_begins_when_the_last_response_ends() {
        check(
            |a| {
                a.request_begins();
                a.request_begins();
                a.request_ends(Duration::from_mins(2));
                a.request_ends(Duration::from_secs(150));
            },
            50 + 74,
            Judgement::Fine(Duration::from_secs(1)),
        );
    }
}
