//! An operator played by a test, on a paused clock: when an edge dials it, and how it says goodbye.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use edge_contract::{FromEdge, FromOperator, Lines, decode_line, encode_line};
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::open::{Failure, Opened};
use super::*;

/// How long draining may take.
const DRAINS: Duration = Duration::from_secs(55);

/// Who is met by a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    /// Nobody listens.
    Nobody,
    /// The connection is taken, and that is all.
    Silence,
    /// A stream comes about, on which nothing comes and nothing is read.
    DeadStream,
    /// The leader.
    Leader,
    /// A replica that does not lead, and says so last.
    Follower,
}

/// The operator, and the edge that dials it.
struct Operator {
    live: Live,
    tries: watch::Receiver<usize>,
    goodbyes: watch::Receiver<usize>,
    following: JoinHandle<()>,
}

/// A try: which one it is, from 1, and whom it is meant for.
type Try = (usize, Target);

struct Played<F> {
    meets: F,
    tries: watch::Sender<usize>,
    goodbyes: Arc<watch::Sender<usize>>,
}

impl<F: Fn(Try) -> Met + Send + Sync> Dial for Played<F> {
    async fn open(&self, to: Target, _: &Session) -> Result<Opened, OpenError> {
        self.tries.send_modify(|tries| *tries += 1);
        let number = *self.tries.borrow();
        match (self.meets)((number, to)) {
            Met::Nobody => Err(OpenError::TimedOut),
            Met::Silence => std::future::pending().await,
            met => Ok(self.stream(met)),
        }
    }
}

impl<F> Played<F> {
    fn stream(&self, met: Met) -> Opened {
        let (outgoing, mut said) = Channel::<Bytes>::new(64);
        let (mut answers, incoming) = Channel::<Bytes, Failure>::new(64);
        let goodbyes = Arc::clone(&self.goodbyes);
        let mut connection = JoinSet::new();
        connection.spawn(async move {
            let mut lines = Lines::new();
            while met != Met::DeadStream
                && let Some(Ok(piece)) = said.frame().await
            {
                lines.push(&piece.into_data().expect("is data"));
                while let Ok(Some(line)) = lines.next_line() {
                    let line = decode_line(&line).expect("is a line of an edge");
                    if met == Met::Leader && matches!(line, FromEdge::Goodbye { .. }) {
                        goodbyes.send_modify(|heard| *heard += 1);
                        return;
                    }
                }
            }
            if met == Met::Follower {
                let elsewhere = FromOperator::NotLeader { address: Some(leader().to_string()) };
                let line = encode_line(&elsewhere).expect("encodes");
                answers.send_data(line.into()).await.expect("is taken");
                return;
            }
            std::future::pending::<()>().await;
        });
        Opened { outgoing, incoming: incoming.boxed_unsync(), reopen_after: Duration::from_hours(1), connection }
    }
}

impl Operator {
    /// An edge that begins to follow an operator of whom it meets this.
    fn played(live: Live, meets: impl Fn(Try) -> Met + Send + Sync + 'static) -> Self {
        let (tries, goodbyes) = (watch::Sender::new(0), Arc::new(watch::Sender::new(0)));
        let session = Session::new("pod".into(), "uid".into(), "boot".into(), live.clone());
        let (seen, heard) = (tries.subscribe(), goodbyes.subscribe());
        let following = tokio::spawn(follow(Played { meets, tries, goodbyes }, DRAINS, session, Clock::standing()));
        Self { live, tries: seen, goodbyes: heard, following }
    }

    async fn was_dialled(&mut self, times: usize) {
        self.tries.wait_for(|tries| *tries >= times).await.expect("the edge goes on");
    }

    /// How long the edge goes on from here, how often it dials meanwhile, and how many goodbyes were heard in all.
    async fn ends(self) -> (Duration, usize, usize) {
        let (began, before) = (now(), *self.tries.borrow());
        self.following.await.expect("ends");
        (now() - began, *self.tries.borrow() - before, *self.goodbyes.borrow())
    }
}

fn now() -> Instant {
    Clock::deadline(Duration::ZERO)
}

fn leader() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 8443))
}

#[tokio::test(start_paused = true)]
async fn an_edge_that_is_told_to_stop_in_the_middle_of_a_wait_dials_at_once_and_says_goodbye_when_it_has_drained() {
    let mut operator = Operator::played(Live::new(), |(number, _)| if number <= 6 { Met::Nobody } else { Met::Leader });
    operator.was_dialled(6).await;
    let told = now();
    operator.live.enter(Phase::Draining);
    operator.was_dialled(7).await;
    assert_eq!(now(), told, "it had waits of seconds before it");
    operator.live.enter(Phase::Finishing);
    assert_eq!(*operator.goodbyes.borrow(), 0, "a response may still be under way");
    operator.live.enter(Phase::Drained);
    assert_eq!(operator.ends().await, (Duration::ZERO, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn an_edge_that_has_drained_in_the_middle_of_a_wait_says_goodbye_at_once() {
    let live = Live::new();
    live.enter(Phase::Finishing);
    let mut operator = Operator::played(live, |(number, _)| if number <= 6 { Met::Nobody } else { Met::Leader });
    operator.was_dialled(6).await;
    operator.live.enter(Phase::Drained);
    assert_eq!(operator.ends().await, (Duration::ZERO, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn where_nobody_listens_goodbye_is_tried_again_and_again_and_the_end_comes_in_time() {
    let mut operator = Operator::played(Live::new(), |_| Met::Nobody);
    operator.was_dialled(9).await;
    operator.live.enter(Phase::Drained);
    let (took, tries, goodbyes) = operator.ends().await;
    assert_eq!((took, goodbyes), (FAREWELL, 0));
    assert!(tries >= 10, "{tries} tries");
}

#[tokio::test(start_paused = true)]
async fn an_edge_that_drains_to_the_last_says_no_long_goodbye() {
    let mut operator = Operator::played(Live::new(), |_| Met::Nobody);
    operator.was_dialled(1).await;
    operator.live.enter(Phase::Draining);
    operator.was_dialled(2).await;
    sleep(DRAINS).await;
    operator.live.enter(Phase::Drained);
    let (took, _, goodbyes) = operator.ends().await;
    assert_eq!(goodbyes, 0);
    assert!(took <= HASTY && took > Duration::ZERO, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_waits_for_a_leader_as_long_as_a_failover_takes() {
    let failover = now() + Duration::from_secs(17);
    let meets = move |_| if now() < failover { Met::Nobody } else { Met::Leader };
    let operator = Operator::played(Live::new(), meets);
    operator.live.enter(Phase::Drained);
    let (_, _, goodbyes) = operator.ends().await;
    assert_eq!(goodbyes, 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_answer_at_the_end_leaves_time_for_another_try() {
    for silent in [Met::Silence, Met::DeadStream] {
        let mut operator =
            Operator::played(Live::new(), move |(number, _)| if number == 1 { silent } else { Met::Leader });
        operator.was_dialled(1).await;
        operator.live.enter(Phase::Drained);
        let (took, tries, goodbyes) = operator.ends().await;
        assert_eq!((tries, goodbyes), (1, 1), "{silent:?}");
        assert!(took < FAREWELL, "{silent:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_to_a_replica_that_does_not_lead_is_said_again_to_the_one_that_does() {
    let live = Live::new();
    live.enter(Phase::Drained);
    let leads = Target::Leader(leader());
    let operator = Operator::played(live, move |(_, to)| if to == leads { Met::Leader } else { Met::Follower });
    assert_eq!(operator.ends().await, (Duration::ZERO, 2, 1));
}
