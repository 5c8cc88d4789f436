//! How a stream ended into when the next one is dialled, and where; a token into how long its stream may last.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edge_contract::SILENCE_LIMIT_MS;
use serde::Deserialize;

use crate::live::Phase;

/// The first wait after a good stream is up to so long: a failover is felt no longer than it lasts, and edges do not all call in
/// the same instant.
const FIRST: Duration = Duration::from_millis(300);
/// No wait is longer.
const LONGEST: Duration = Duration::from_secs(5);
/// No wait of an edge that was told to stop: it should have a stream by the time goodbye is due.
const LONGEST_LEAVING: Duration = Duration::from_secs(1);
/// No wait of one that has nothing but goodbye left to say.
const LONGEST_DRAINED: Duration = FIRST;
/// A stream that lived as long was a good one.
const GOOD: Duration = Duration::from_millis(SILENCE_LIMIT_MS);
/// So many replicas in a row are followed at once; two that name each other are then given time.
const HOPS: u32 = 2;
/// How long a stream lasts whose token does not say when it ends.
const USUAL_LIFE: Duration = Duration::from_mins(50);
/// The least and the most that a stream lasts, whatever its token says.
const LIFE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_hours(24));

/// Whom to dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The operator's Service: any replica.
    Service,
    /// The replica that is said to lead.
    Leader(SocketAddr),
}

/// How the last attempt or stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It never came about.
    Unopened,
    /// Another replica leads, at this address if it is known.
    NotLeader(Option<SocketAddr>),
    /// Its token's life was nearly over.
    Renewed,
    /// It broke after so long, or had to be left.
    Broken(Duration),
}

/// The next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// How long to wait first.
    pub after: Duration,
    /// Whom to dial then.
    pub to: Target,
}

/// How the attempts have gone so far.
#[derive(Debug, Default)]
pub struct Pace {
    failures: u32,
    hops: u32,
}

impl Pace {
    /// What comes after an attempt at `to` that ended so, in this phase of the edge. `chance` is between 0 and 1.
    pub fn next(&mut self, to: Target, ended: Ended, phase: Phase, chance: f64) -> Next {
        match ended {
            Ended::Renewed => {
                *self = Self::default();
                return Next { after: Duration::ZERO, to };
            }
            Ended::NotLeader(Some(leader)) if self.hops < HOPS => {
                self.hops += 1;
                return Next { after: Duration::ZERO, to: Target::Leader(leader) };
            }
            Ended::Broken(lived) if lived >= GOOD => self.failures = 0,
            Ended::Unopened | Ended::NotLeader(_) | Ended::Broken(_) => {}
        }
        self.hops = 0;
        let ceiling = FIRST.saturating_mul(1 << self.failures.min(8)).min(longest(phase));
        self.failures = self.failures.saturating_add(1);
        Next { after: ceiling.mul_f64(chance.clamp(0.0, 1.0)), to: Target::Service }
    }
}

fn longest(phase: Phase) -> Duration {
    match phase {
        Phase::Serving => LONGEST,
        Phase::Draining | Phase::Finishing | Phase::Cutting => LONGEST_LEAVING,
        Phase::Drained => LONGEST_DRAINED,
    }
}

/// The one claim of a token that an edge reads; the operator alone verifies it.
#[derive(Deserialize)]
struct Claims {
    exp: Option<f64>,
}

/// How long a stream opened at `now`, counted from the Unix epoch, with this token lasts before a new one is opened: 80 % of what
/// is left of its life, or up to a tenth less, so that edges that started together drift apart.
pub fn reopen_after(token: &str, now: Duration, chance: f64) -> Duration {
    let left = expiry(token).and_then(|expiry| expiry.checked_sub(now)).filter(|left| !left.is_zero());
    // A token that has ended already means that one of two clocks is wrong; the operator's is the one that counts.
    let whole = left.map_or(USUAL_LIFE, |left| left.mul_f64(0.8));
    whole.mul_f64(1.0 - 0.1 * chance.clamp(0.0, 1.0)).clamp(LIFE.0, LIFE.1)
}

/// RFC 7519 §4.1.4: seconds since the Unix epoch.
fn expiry(token: &str) -> Option<Duration> {
    let payload = token.split('.').nth(1)?;
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    Duration::try_from_secs_f64(claims.exp?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leader() -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], 8443))
    }

    #[track_caller]
    fn check(ends: &[Ended], expect: &[(u64, Target)]) {
        check_phase(Phase::Serving, ends, expect);
    }

    #[track_caller]
    fn check_phase(phase: Phase, ends: &[Ended], expect: &[(u64, Target)]) {
        let (mut pace, mut to) = (Pace::default(), Target::Service);
        let mut found = Vec::new();
        for ended in ends {
            let next = pace.next(to, *ended, phase, 1.0);
            to = next.to;
            found.push((u64::try_from(next.after.as_millis()).expect("short"), to));
        }
        assert_eq!(found, expect);
    }

    #[test]
    fn waits_double_up_to_five_seconds() {
        let expect = [300, 600, 1_200, 2_400, 4_800, 5_000, 5_000].map(|after| (after, Target::Service));
        check(&[Ended::Unopened; 7], &expect);
        check(&[Ended::NotLeader(None); 7], &expect);
        check(&[Ended::Broken(Duration::from_secs(1)); 7], &expect);
        check(&[Ended::Unopened; 200].map(|ended| ended), &{
            let mut all = [(5_000, Target::Service); 200];
            all[..7].copy_from_slice(&expect);
            all
        });
    }

    #[test]
    fn an_edge_that_leaves_waits_less_and_one_that_has_only_goodbye_to_say_least() {
        let check = |phase, waits: [u64; 4]| {
            check_phase(phase, &[Ended::Unopened; 4], &waits.map(|after| (after, Target::Service)));
        };
        check(Phase::Draining, [300, 600, 1_000, 1_000]);
        check(Phase::Finishing, [300, 600, 1_000, 1_000]);
        check(Phase::Drained, [300; 4]);
    }

    #[test]
    fn the_first_retry_after_a_good_stream_is_quick() {
        let good = Ended::Broken(GOOD);
        let service = |after| (after, Target::Service);
        check(
            &[Ended::Unopened, Ended::Unopened, good, good],
            &[service(300), service(600), service(300), service(300)],
        );
    }

    #[test]
    fn the_leader_is_dialled_at_once_unless_replicas_name_each_other() {
        let hop = Ended::NotLeader(Some(leader()));
        let there = (0, Target::Leader(leader()));
        check(&[hop, hop, hop, hop], &[there, there, (300, Target::Service), there]);
    }

    #[test]
    fn a_leader_that_does_not_answer_is_asked_for_again() {
        let hop = Ended::NotLeader(Some(leader()));
        check(&[hop, Ended::Unopened], &[(0, Target::Leader(leader())), (300, Target::Service)]);
    }

    #[test]
    fn a_stream_whose_token_ends_is_reopened_at_once_where_it_was() {
        let hop = Ended::NotLeader(Some(leader()));
        let there = (0, Target::Leader(leader()));
        check(&[hop, Ended::Renewed, hop], &[there, there, there]);
    }

    #[test]
    fn waits_are_anything_up_to_their_ceiling() {
        let wait = |chance| Pace::default().next(Target::Service, Ended::Unopened, Phase::Serving, chance).after;
        assert_eq!(wait(0.0), Duration::ZERO);
        assert_eq!(wait(0.5), Duration::from_millis(150));
        assert_eq!(wait(7.0), FIRST);
        assert_eq!(wait(f64::NAN.max(0.0)), Duration::ZERO);
    }

    fn token(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn a_stream_is_reopened_well_within_its_tokens_life() {
        let at = Duration::from_secs(1_000_000);
        let life = |payload: &str, chance| reopen_after(&token(payload), at, chance).as_secs_f64();
        let expect = [
            (r#"{"exp":1003600}"#, 0.0, 2_880.0),
            (r#"{"exp":1003600}"#, 1.0, 2_592.0),
            (r#"{"exp":1003600.5}"#, 0.0, 2_880.4),
            (r#"{"exp":1000001}"#, 0.0, 10.0),
            (r#"{"exp":99999999999}"#, 0.0, 86_400.0),
            (r#"{"exp":1e300}"#, 0.0, 3_000.0),
            (r#"{"exp":-1}"#, 0.0, 3_000.0),
            (r#"{"exp":999999}"#, 0.0, 3_000.0),
            (r#"{"exp":"soon"}"#, 0.0, 3_000.0),
            ("{}", 0.0, 3_000.0),
            ("not JSON", 0.0, 3_000.0),
        ];
        for (payload, chance, seconds) in expect {
            assert!((life(payload, chance) - seconds).abs() < 1e-6, "{payload}: {}", life(payload, chance));
        }
        for token in ["", "opaque", "a.b", "a.%%%.c"] {
            assert_eq!(reopen_after(token, at, 0.0), USUAL_LIFE);
        }
    }
}
