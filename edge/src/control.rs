//! The operator's lines into what this edge serves and drops, and what came of them into answers: the edge's end of the channel.
//!
//! Flow: [`pace`] says when and whom to dial → [`open`] (TLS, token, `hello`) → [`talk`] ⇢ [`session`] ⇢ [`Live`](crate::live::Live) ⇢ answers, until
//! the stream ends; then again. Once the edge has drained: `goodbye`, and the end.
//! Guarantees: only this module speaks to the operator, and only to one that proves its name against a trusted authority.
//! Without a stream the edge goes on serving what it holds. Each step towards its end cuts a wait short; the end itself is held
//! up by at most [`FAREWELL`].
//! Assumptions: one call of [`run`] for each process.
//! Errors: none for the caller; whatever fails is logged when it is not what failed before, and tried again.

pub mod open;
pub mod pace;
pub mod session;
pub mod talk;
pub mod trust;

use std::error::Error;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};

use crate::clock::Clock;
use crate::live::{Live, Phase};
use crate::settings::OperatorSettings;
use open::{Dial, Dialler, OpenError};
use pace::{Ended, Next, Pace, Target};
use session::{Leave, Session};
use talk::{Finished, TalkError, drained, reached};

/// How long a drained process tries to say goodbye: longer than it takes until another replica leads when the leader died,
/// because without a goodbye the end of this edge has to be proved, which takes minutes.
pub const FAREWELL: Duration = Duration::from_secs(20);
/// What is left for it when draining took all its time: well within the 5 s that its pod is given beyond draining.
const HASTY: Duration = Duration::from_secs(3);
/// How long one try may take then. Whoever does not answer within it must not cost the others.
const LAST_TRY: Duration = Duration::from_millis(1_500);

/// Follows the operator until this process has drained and said goodbye. Returns at once where no operator is set. `drains`
/// is how long draining takes at most: together with it a farewell ends before the kubelet ends it.
pub async fn run(settings: OperatorSettings, drains: Duration, live: Live, clock: Clock) {
    let (Some(pod), Some(uid)) = (settings.pod.clone(), settings.pod_uid.clone()) else { return };
    let session = Session::new(pod, uid, boot_id(&clock), live);
    let Some(dialler) = Dialler::new(&settings, clock.clone()) else { return };
    follow(dialler, drains, session, clock).await;
}

/// The same by any way to the operator.
async fn follow(dial: impl Dial, drains: Duration, mut session: Session, clock: Clock) {
    let phases = session.live().phases();
    tokio::select! {
        () = until_goodbye(&dial, &mut session, &clock) => tracing::info!("said goodbye to the operator"),
        () = farewell(phases, drains) => tracing::warn!("the operator could not be told that this edge serves nothing any more"),
    }
}

/// Until there is no time left to say goodbye.
async fn farewell(mut phases: watch::Receiver<Phase>, drains: Duration) {
    reached(Phase::Draining, &mut phases).await;
    let latest = Clock::deadline(drains + HASTY);
    drained(&mut phases).await;
    sleep_until(latest.min(Clock::deadline(FAREWELL))).await;
}

/// Dials, talks, and dials again.
async fn until_goodbye(dial: &impl Dial, session: &mut Session, clock: &Clock) {
    let (mut pace, mut problems) = (Pace::default(), Problems::default());
    let mut phases = session.live().phases();
    let mut last = phases.clone();
    let mut to = Target::Service;
    loop {
        // What changes from here on is news to this try.
        phases.mark_unchanged();
        let tried = tokio::select! {
            tried = once(dial, to, session, clock, &mut problems) => tried,
            () = overdue(&mut last) => Some(Ended::Unopened),
        };
        let Some(ended) = tried else { return };
        if ended != Ended::Renewed {
            session.live().forget_endpoints();
        }
        let phase = session.live().phase();
        let Next { after, to: next } = pace.next(to, ended, phase, chance());
        to = next;
        tokio::select! {
            () = sleep(after) => {}
            () = moved_on(&mut phases) => {}
        }
    }
}

/// One stream, from dialling to its end. Nothing is left to do once goodbye was said on it.
async fn once(
    dial: &impl Dial,
    to: Target,
    session: &mut Session,
    clock: &Clock,
    problems: &mut Problems,
) -> Option<Ended> {
    let opened = match dial.open(to, session).await {
        Ok(opened) => opened,
        Err(error) => return Some(problems.of_opening(&error, to)),
    };
    // Versions count within one stream: what the one before it said is not compared with them.
    session.live().forget_endpoints();
    session.live().peers().begin_stream();
    let began = clock.now().monotonic;
    match talk::talk(opened, session).await {
        Ok(Finished::SaidGoodbye) => None,
        Ok(Finished::Renew) => Some(Ended::Renewed),
        Err(error) => Some(problems.of_stream(&error, to, clock.now().monotonic.saturating_sub(began))),
    }
}

/// Until a try has had its time, once there is nothing left to say but goodbye.
async fn overdue(phases: &mut watch::Receiver<Phase>) {
    drained(phases).await;
    sleep(LAST_TRY).await;
}

/// Until the edge comes a step closer to its end than it was last seen.
async fn moved_on(phases: &mut watch::Receiver<Phase>) {
    if phases.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// What went wrong last, so that it is logged when it begins and not at every retry.
#[derive(Default)]
struct Problems {
    last: Option<String>,
}

impl Problems {
    fn of_opening(&mut self, error: &OpenError, to: Target) -> Ended {
        self.report(error, to);
        Ended::Unopened
    }

    fn of_stream(&mut self, error: &TalkError, to: Target, lived: Duration) -> Ended {
        if let TalkError::Left(Leave::NotLeader { address }) = error {
            let leader = address.as_deref().and_then(|address| address.parse().ok());
            if leader.is_none() {
                self.report(error, to);
            }
            return Ended::NotLeader(leader);
        }
        self.report(error, to);
        Ended::Broken(lived)
    }

    fn report(&mut self, error: &dyn Error, to: Target) {
        let causes = std::iter::successors(error.source(), |error| (*error).source());
        let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
        if self.last.as_ref() != Some(&text) {
            tracing::warn!(?to, error = text, "no stream from the operator; what is held goes on being served");
            self.last = Some(text);
        }
    }
}

/// Anything from 0 to 1, so that edges do not act in step.
fn chance() -> f64 {
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}

/// Which start of the container this is.
fn boot_id(clock: &Clock) -> String {
    let fallback = || clock.now().wall.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let random = getrandom::u64().and_then(|high| Ok(u128::from(high) << 64 | u128::from(getrandom::u64()?)));
    format!("{:032x}", random.unwrap_or_else(|_| fallback()))
}

#[cfg(test)]
mod tests;
