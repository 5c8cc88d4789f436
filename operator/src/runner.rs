//! Wake-ups into runs of a reconcile: one at a time for each key, few at once, and again after a failure, with patience.
//!
//! Flow: [`Bell::ring`] → `scheduler` (one entry for each key, the earliest moment wins) → reconcile → [`Wake`] → `scheduler`;
//! [`Bell::echo`] → only where the last run did not fail.
//! Guarantees: a wake-up during a run causes another run after it, so no change is missed. A key whose runs fail delays no
//! other key, and what a failing run wrote itself does not shorten its wait. No run lasts longer than [`DEADLINE`].
//! Errors: are logged with their causes and counted; the key is run again after 50 ms, then half as long again each time up to
//! a minute, with jitter, until it succeeds: what heals after a while is noticed before half of that while has passed again.
//! That a look was out of date is usual: it is counted apart, and the key is soon run again without a word. In a namespace that
//! ends nothing is tried more often than once a minute, and an API server that has yet to learn our kinds is asked each second.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use kube::runtime::scheduler::{ScheduleRequest, scheduler};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::causes::chain;
use crate::clock;
use crate::dice;
use crate::metrics::Reconciles;
use crate::names::DistributionKey;
use crate::setback::Setback;
use crate::wake::Wake;

/// The longest that one run may take. Everything in it is a few calls of the API.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// How many keys are run at once.
const CONCURRENT: usize = 8;

/// The wait after a first failure, and the longest one.
const IMPATIENT: Duration = Duration::from_millis(50);
const PATIENT: Duration = Duration::from_mins(1);

/// How much longer each wait is than the one before.
const GROWTH: f64 = 1.5;

/// How soon a key whose look was out of date is run again: the watch has shown more by then.
const OVERTAKEN_AGAIN: Duration = Duration::from_millis(50);

/// How soon an API server that did not know our kinds is asked again, and how often in a row that is not a failure yet.
const UNLEARNED_AGAIN: Duration = Duration::from_secs(1);
const UNLEARNED_LIMIT: u32 = 60;

/// How often in a row a look may be out of date before that counts as a failure.
const OVERTAKEN_LIMIT: u32 = 20;

/// Wakes one of the two reconciles.
#[derive(Clone, Debug)]
pub struct Bell {
    requests: mpsc::UnboundedSender<ScheduleRequest<DistributionKey>>,
    echoes: mpsc::UnboundedSender<DistributionKey>,
}

/// The other end of a [`Bell`].
pub struct Wakes {
    pub(crate) requests: mpsc::UnboundedReceiver<ScheduleRequest<DistributionKey>>,
    echoes: mpsc::UnboundedReceiver<DistributionKey>,
}

impl Bell {
    /// A bell and what hears it.
    pub fn new() -> (Self, Wakes) {
        let (to_requests, requests) = mpsc::unbounded_channel();
        let (to_echoes, echoes) = mpsc::unbounded_channel();
        (Self { requests: to_requests, echoes: to_echoes }, Wakes { requests, echoes })
    }

    /// Has this key run now, or as soon as its present run ends.
    pub fn ring(&self, key: DistributionKey) {
        self.ring_at(key, clock::monotonic());
    }

    /// Has this key run because of what this operator wrote itself: as [`Bell::ring`] does, but a key whose runs fail waits for its
    /// time. A failure that is told in other words each time would otherwise be tried as fast as the API answers.
    pub fn echo(&self, key: DistributionKey) {
        let _ = self.echoes.send(key);
    }

    /// Has this key run at that moment, or before.
    pub fn ring_at(&self, key: DistributionKey, run_at: Instant) {
        // Nobody listens only when the process ends.
        let _ = self.requests.send(ScheduleRequest { message: key, run_at });
    }
}

/// Runs `reconcile` for each key that `wakes` names, until every [`Bell`] is gone.
pub async fn run<R, Run, E>(bell: Bell, wakes: Wakes, reconciles: Reconciles, reconcile: R)
where
    R: Fn(DistributionKey) -> Run,
    Run: Future<Output = Result<Wake, E>>,
    E: std::error::Error + 'static,
{
    let Wakes { requests, mut echoes } = wakes;
    let mut wakes = pin!(scheduler(futures::stream::unfold(requests, async |mut requests| {
        requests.recv().await.map(|request| (request, requests))
    })));
    let mut tries: HashMap<DistributionKey, Tries> = HashMap::new();
    let (mut running, mut echoed) = (HashSet::new(), HashSet::new());
    let mut runs = FuturesUnordered::new();
    loop {
        let room = running.len() < CONCURRENT;
        let (key, began, result) = tokio::select! {
            Some(ended) = runs.next(), if !runs.is_empty() => ended,
            Some(key) = echoes.recv() => {
                if running.contains(&key) {
                    echoed.insert(key);
                } else if !tries.contains_key(&key) {
                    bell.ring(key);
                }
                continue;
            }
            next = async { wakes.as_mut().hold_unless(|key| room && !running.contains(key)).next().await } => {
                let Some(key) = next else { return };
                running.insert(key.clone());
                let run = timeout(DEADLINE, reconcile(key.clone()));
                let began = clock::monotonic();
                runs.push(async move { (key, began, run.await) });
                continue;
            }
        };
        running.remove(&key);
        let is_echoed = echoed.remove(&key);
        let now = clock::monotonic();
        reconciles.took(now - began);
        let (setback, error) = match result {
            Ok(Ok(wake)) => {
                tries.remove(&key);
                if is_echoed {
                    bell.ring(key.clone());
                }
                if let Some(at) = wake.at {
                    tracing::debug!(%key, controller = reconciles.controller, why = wake.why, "will look again");
                    bell.ring_at(key, at);
                }
                continue;
            }
            Ok(Err(error)) => (Setback::of(&error), chain(&error)),
            Err(_) => (Setback::Failure, format!("it took longer than {} s", DEADLINE.as_secs())),
        };
        let (setback, again_in) = tries.entry(key.clone()).or_default().again(setback, dice::fraction());
        tell(&reconciles, &key, setback, &error, again_in);
        bell.ring_at(key, now + again_in);
    }
}

fn tell(reconciles: &Reconciles, key: &DistributionKey, setback: Setback, error: &str, again_in: Duration) {
    let controller = reconciles.controller;
    match setback {
        Setback::Failure => {
            reconciles.failed();
            tracing::warn!(%key, controller, error, ?again_in, "reconcile failed");
        }
        Setback::NamespaceEnds => tracing::debug!(%key, controller, error, ?again_in, "the namespace ends"),
        Setback::OwnerUnknown => {
            tracing::info!(%key, controller, error, ?again_in, "the API server has yet to learn what a Distribution is");
        }
        Setback::Overtaken => {
            reconciles.overtaken();
            tracing::debug!(%key, controller, error, ?again_in, "the look was out of date");
        }
    }
}

/// What came of the last runs of a key, none of which succeeded.
#[derive(Debug, Default)]
struct Tries {
    failed: u32,
    overtaken: u32,
    unlearned: u32,
}

impl Tries {
    /// Takes one more setback: what it counts as, and how long to wait.
    fn again(&mut self, setback: Setback, luck: f64) -> (Setback, Duration) {
        match setback {
            Setback::Overtaken if self.overtaken < OVERTAKEN_LIMIT => {
                self.overtaken += 1;
                (Setback::Overtaken, spread(OVERTAKEN_AGAIN, luck))
            }
            Setback::OwnerUnknown if self.unlearned < UNLEARNED_LIMIT => {
                self.unlearned += 1;
                (Setback::OwnerUnknown, spread(UNLEARNED_AGAIN, luck))
            }
            Setback::NamespaceEnds => (Setback::NamespaceEnds, spread(PATIENT, luck)),
            Setback::Overtaken | Setback::OwnerUnknown | Setback::Failure => {
                let wait = patience(self.failed, luck);
                self.failed += 1;
                (Setback::Failure, wait)
            }
        }
    }
}

/// How long to wait after so many failures in a row.
fn patience(failures: u32, luck: f64) -> Duration {
    let longer = IMPATIENT.mul_f64(GROWTH.powi(failures.min(32).cast_signed()));
    spread(longer.min(PATIENT), luck)
}

/// `luck` from 0 to 1 spreads a wait over its second half.
fn spread(full: Duration, luck: f64) -> Duration {
    full.mul_f64(0.5 + luck / 2.0)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("no")]
    struct No;

    /// What each run answers, in turn; then it succeeds. And when each run began.
    #[derive(Clone, Default)]
    struct Script {
        answers: Arc<Mutex<VecDeque<Result<Wake, No>>>>,
        runs: Arc<Mutex<Vec<(String, Duration)>>>,
        lasts: Duration,
    }

    impl Script {
        fn start(&self) -> Bell {
            let (bell, wakes) = Bell::new();
            let (script, started) = (self.clone(), clock::monotonic());
            let reconcile = move |key: DistributionKey| {
                let script = script.clone();
                async move {
                    script.runs.lock().push((key.name, clock::monotonic() - started));
                    tokio::time::sleep(script.lasts).await;
                    script.answers.lock().pop_front().unwrap_or(Ok(Wake::ON_CHANGE))
                }
            };
            tokio::spawn(run(bell.clone(), wakes, Reconciles::unmeasured("test"), reconcile));
            bell
        }

        /// The names of the runs so far, and in which millisecond each began.
        async fn after(&self, wait: Duration) -> Vec<(String, u128)> {
            tokio::time::sleep(wait).await;
            self.runs.lock().iter().map(|(name, at)| (name.clone(), at.as_millis())).collect()
        }
    }

    fn key(name: &str) -> DistributionKey {
        DistributionKey::new("default", name)
    }

    fn names(runs: &[(String, u128)]) -> Vec<&str> {
        runs.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_woken_during_its_run_runs_once_more_and_never_twice_at_once() {
        let script = Script { lasts: Duration::from_secs(1), ..Script::default() };
        let bell = script.start();
        bell.ring(key("a"));
        tokio::time::sleep(Duration::from_millis(10)).await;
        for _ in 0..5 {
            bell.ring(key("a"));
        }
        assert_eq!(names(&script.after(Duration::from_millis(500)).await), ["a"]);
        let runs = script.after(Duration::from_secs(9)).await;
        assert_eq!(names(&runs), ["a", "a"]);
        assert!(runs[1].1 >= 1_000, "{runs:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn wake_ups_before_a_run_are_one_run() {
        let script = Script::default();
        let bell = script.start();
        for _ in 0..5 {
            bell.ring(key("a"));
        }
        assert_eq!(names(&script.after(Duration::from_secs(1)).await), ["a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_asks_to_be_woken_is_woken_then() {
        let script = Script::default();
        script.answers.lock().push_back(Ok(Wake::after(Duration::from_secs(30), "test")));
        script.start().ring(key("a"));
        let runs = script.after(Duration::from_secs(100)).await;
        assert_eq!(names(&runs), ["a", "a"]);
        assert!((30_000..30_010).contains(&runs[1].1), "{runs:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_not_kept_waiting_by_a_later_wake_up() {
        let script = Script::default();
        script.answers.lock().push_back(Ok(Wake::after(Duration::from_secs(30), "test")));
        let bell = script.start();
        bell.ring(key("a"));
        tokio::time::sleep(Duration::from_secs(1)).await;
        bell.ring(key("a"));
        let runs = script.after(Duration::from_secs(1)).await;
        assert!((1_000..1_010).contains(&runs[1].1), "{runs:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_key_is_tried_less_and_less_often_and_delays_no_other() {
        let script = Script::default();
        script.answers.lock().extend((0..6).map(|_| Err(No)));
        let bell = script.start();
        bell.ring(key("a"));
        let runs = script.after(Duration::from_mins(2)).await;
        assert_eq!(runs.len(), 7, "{runs:?}");
        let gaps = runs.windows(2).map(|pair| pair[1].1 - pair[0].1);
        for ((n, gap), full) in gaps.enumerate().zip([50, 75, 112, 168, 253, 379]) {
            assert!((full / 2..=full + 5).contains(&gap), "the wait {n} was {gap} ms");
        }
        script.answers.lock().push_back(Err(No));
        bell.ring(key("a"));
        bell.ring(key("b"));
        let runs = script.after(Duration::from_millis(10)).await;
        assert!(names(&runs)[7..].contains(&"b"), "{runs:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_failing_run_wrote_itself_does_not_shorten_its_wait() {
        let script = Script { lasts: Duration::from_millis(5), ..Script::default() };
        script.answers.lock().extend((0..100).map(|_| Err(No)));
        let bell = script.start();
        bell.ring(key("a"));
        // The watch tells of each write, during the run or after it.
        for _ in 0..10_000 {
            tokio::time::sleep(Duration::from_millis(2)).await;
            bell.echo(key("a"));
        }
        let runs = script.after(Duration::ZERO).await;
        assert!((9..=18).contains(&runs.len()), "in twenty seconds: {runs:?}");

        let before = runs.len();
        tokio::time::sleep(Duration::from_millis(10)).await;
        bell.ring(key("a"));
        let runs = script.after(Duration::from_millis(1)).await;
        assert_eq!(runs.len(), before + 1, "what others changed does");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_written_wakes_a_key_that_is_well_even_during_its_run() {
        let script = Script { lasts: Duration::from_secs(1), ..Script::default() };
        let bell = script.start();
        bell.echo(key("a"));
        tokio::time::sleep(Duration::from_millis(10)).await;
        bell.echo(key("a"));
        bell.echo(key("a"));
        assert_eq!(names(&script.after(Duration::from_secs(9)).await), ["a", "a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_hangs_is_given_up_and_tried_again() {
        let script = Script { lasts: DEADLINE * 2, ..Script::default() };
        script.start().ring(key("a"));
        let runs = script.after(DEADLINE + PATIENT).await;
        assert!(runs.len() >= 2 && runs[1].1 >= DEADLINE.as_millis(), "{runs:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn many_keys_share_a_few_runs() {
        let script = Script { lasts: Duration::from_secs(1), ..Script::default() };
        let bell = script.start();
        (0..CONCURRENT + 3).for_each(|n| bell.ring(key(&n.to_string())));
        assert_eq!(script.after(Duration::from_millis(900)).await.len(), CONCURRENT);
        assert_eq!(script.after(Duration::from_millis(900)).await.len(), CONCURRENT + 3);
    }

    #[test]
    fn a_look_that_was_out_of_date_is_soon_repeated_and_costs_no_patience() {
        let mut tries = Tries::default();
        for _ in 0..OVERTAKEN_LIMIT {
            assert_eq!(tries.again(Setback::Overtaken, 1.0), (Setback::Overtaken, OVERTAKEN_AGAIN));
        }
        assert_eq!(tries.again(Setback::Failure, 1.0), (Setback::Failure, IMPATIENT), "the first failure");
    }

    #[test]
    fn looks_that_are_always_out_of_date_are_a_failure() {
        let mut tries = Tries { overtaken: OVERTAKEN_LIMIT, ..Tries::default() };
        assert_eq!(tries.again(Setback::Overtaken, 1.0), (Setback::Failure, IMPATIENT));
        assert_eq!(tries.again(Setback::Overtaken, 1.0), (Setback::Failure, IMPATIENT.mul_f64(GROWTH)));
    }

    #[test]
    fn an_api_server_that_does_not_know_us_is_asked_each_second_and_then_less_often() {
        let mut tries = Tries::default();
        for _ in 0..UNLEARNED_LIMIT {
            assert_eq!(tries.again(Setback::OwnerUnknown, 1.0), (Setback::OwnerUnknown, UNLEARNED_AGAIN));
        }
        assert_eq!(tries.again(Setback::OwnerUnknown, 1.0), (Setback::Failure, IMPATIENT));
    }

    #[test]
    fn a_namespace_that_ends_is_left_alone_for_a_while() {
        assert_eq!(Tries::default().again(Setback::NamespaceEnds, 1.0), (Setback::NamespaceEnds, PATIENT));
    }

    #[test]
    fn patience_has_a_limit() {
        assert_eq!(patience(0, 1.0), IMPATIENT);
        assert_eq!(patience(0, 0.0), IMPATIENT / 2);
        assert_eq!(patience(60, 1.0), PATIENT);
    }
}
