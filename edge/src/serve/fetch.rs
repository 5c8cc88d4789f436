//! What the store cannot answer into an answer: one waits for a fill that is under way, or runs one.
//!
//! Guarantees: whoever waited asks the reuse verdict afresh when the head is there (invalidation rule 3).
//! Errors: [`Anew`], for one who waited in vain and is to look again.

use std::sync::Arc;
use std::time::Duration;

use edge_cache::reuse::{Failure, Fallback, Forward, Stale};
use edge_cache::validation::Conditional;
use edge_cache::{CacheStatus, Moment, Reuse};
use http::{Method, StatusCode};

use super::{Anew, failed, hit, judge};
use crate::ask::Ask;
use crate::collapse::Joined;
use crate::collapse::places::Crowded;
use crate::collapse::wanted::{Fill, Freshened, Interest, Outcome};
use crate::edge::Edge;
use crate::failover::FAILOVER;
use crate::fill::Work;
use crate::metrics::{CacheResult, Crowding};
use crate::respond::{self, Answer, Showing};
use crate::store::held::Held;
use crate::tier;

/// Waits for a fill that is under way, or runs one.
pub(super) async fn fetch(
    edge: &Arc<Edge>,
    ask: &Arc<Ask>,
    validates: Option<(Arc<Held>, Conditional)>,
    status: CacheStatus,
    anew: Anew,
) -> Result<Answer, Anew> {
    tier::settle_way(edge, ask);
    let mut joined = if anew == Anew::Alone { Joined::Alone } else { join(edge, ask, None) };
    let mut once_more = true;
    let lead = loop {
        joined = match joined {
            Joined::Wait(interest) => {
                let since = edge.clock.now().monotonic;
                let outcome = interest.outcome().await;
                let waited = edge.clock.now().monotonic.saturating_sub(since);
                if !std::mem::take(&mut once_more) || !tries_again(edge, ask, &outcome, waited) {
                    return follow(edge, ask, interest, outcome, status);
                }
                join(edge, ask, Some(interest.fill()))
            }
            Joined::Lead(lead) => {
                // Between the lookup and this, the fill before may have ended: what it stored is as good as waiting for it.
                if let Some(answer) = stored_meanwhile(edge, ask) {
                    return Ok(answer);
                }
                break lead;
            }
            Joined::Alone => return alone(edge, ask, validates, status).await,
        };
    };
    run(edge, ask, Work { edge: Arc::clone(edge), ask: Arc::clone(ask), validates, lead }, status).await
}

/// Asks the origin for one viewer, when there is a place among those who do.
async fn alone(
    edge: &Arc<Edge>,
    ask: &Arc<Ask>,
    validates: Option<(Arc<Held>, Conditional)>,
    status: CacheStatus,
) -> Result<Answer, Anew> {
    let counters = &ask.route.behavior.counters;
    let place = match edge.collapse.place(ask.read_name(), patience(ask)).await {
        Ok(place) => place,
        Err(crowded) => {
            counters.count_crowded(crowded.into());
            return Ok(crowded_out(edge, ask, crowded, status));
        }
    };
    if place.waited {
        counters.count_crowded(Crowding::Waited);
        if let Some(answer) = stored_meanwhile(edge, ask) {
            return Ok(answer);
        }
    }
    let lead = edge.collapse.lead_alone(edge.live.purge().label());
    // The place is held until this returns: with the origin's head, or the word that there is none.
    run(edge, ask, Work { edge: Arc::clone(edge), ask: Arc::clone(ask), validates, lead }, status).await
}

/// Runs a fill, and shows the one who leads what came of it.
async fn run(edge: &Arc<Edge>, ask: &Arc<Ask>, work: Work, status: CacheStatus) -> Result<Answer, Anew> {
    let interest = Interest::new(work.lead.fill());
    tokio::spawn(work.run());
    let outcome = interest.outcome().await;
    let now = Moment(edge.clock.now().monotonic);
    match outcome {
        Outcome::Arriving(held) => {
            let status = CacheStatus { forwarded_status: Some(held.stored.status), stored: true, ..status };
            let status = from(ask, held.origin.as_ref(), status);
            let showing = Showing { age: held.stored.age.current(now), status, result: CacheResult::Miss };
            let own = interest.fill().take_fields();
            match respond::stored(ask, &held, &showing, Some(interest)) {
                // It was asked for and came to nothing, before anything of it was sent on.
                None if held.is_cut() => {
                    let status = CacheStatus { stored: false, ..status };
                    Ok(respond::failed(StatusCode::BAD_GATEWAY, status, "origin-body"))
                }
                shown => shown.map(|answer| answer.with(own)).ok_or(Anew::Alone),
            }
        }
        Outcome::Freshened(Freshened { held, stays }) => {
            let age = held.stored.age.current(now);
            let status = from(ask, held.origin.as_ref(), status.validated(stays));
            let showing = Showing { age, status, result: CacheResult::Revalidated };
            let own = interest.fill().take_fields();
            respond::stored(ask, &held, &showing, Some(interest)).map(|answer| answer.with(own)).ok_or(Anew::Alone)
        }
        Outcome::Unshared => {
            let unshared = interest.fill().take_answer().ok_or(Anew::Alone)?;
            let status = from(ask, Some(&unshared.by), status.detailed(respond::not_kept(unshared.why)));
            Ok(respond::passed(ask, &unshared.parts, unshared.body, status, CacheResult::Miss))
        }
        other => without_response(edge, ask, other, status),
    }
}

/// What another's answer has left in the store since this request looked, if that may answer it as it is.
fn stored_meanwhile(edge: &Edge, ask: &Ask) -> Option<Answer> {
    let (held, admission) = edge.find(ask)?;
    let verdict = judge(edge, ask, Some((held.as_ref(), admission)));
    let Reuse::Fresh { age, .. } = verdict else { return None };
    hit(ask, &held, age, CacheStatus::of(&verdict), CacheResult::Hit).ok()
}

/// What an origin has to answer in is all that a viewer is kept waiting for others.
fn patience(ask: &Ask) -> Duration {
    Duration::from_millis(ask.route.behavior.origin.response_timeout_ms)
}

/// Whether those who waited for a fill in vain may have another: the one who led may have failed by bad luck. Not where something
/// stands in, nor where the origin has had all its time already while they waited.
fn tries_again(edge: &Arc<Edge>, ask: &Ask, outcome: &Outcome, waited: Duration) -> bool {
    matches!(outcome, Outcome::Failed(_))
        && waited < patience(ask)
        && !matches!(edge.stands_in(ask, Failure::NoAnswer).1, Fallback::Stale(_))
}

/// Rule 3: when the head of a fill is there, each of those who waited asks afresh, as if it had found the response stored.
fn follow(
    edge: &Arc<Edge>,
    ask: &Ask,
    interest: Interest,
    outcome: Outcome,
    status: CacheStatus,
) -> Result<Answer, Anew> {
    let (Outcome::Arriving(held) | Outcome::Freshened(Freshened { held, .. })) = &outcome else {
        return without_response(edge, ask, outcome, status);
    };
    if !ask.may_get(held) {
        return Err(Anew::Alone);
    }
    let admission = edge.live.purge().admits(&ask.key, held);
    let verdict = judge(edge, ask, Some((held.as_ref(), admission)));
    let age = match verdict {
        Reuse::Fresh { age, .. } | Reuse::Stale(Stale { age, .. }) => age,
        _ if !admission.is_admitted() => return Err(Anew::Together),
        Reuse::Forward(Forward::VaryMiss) => return Err(Anew::Alone),
        _ => {
            edge.collapse.go_alone(ask.read_name(), edge.clock.now().monotonic);
            return Err(Anew::Alone);
        }
    };
    let status = from(ask, held.origin.as_ref(), status.collapsed());
    let showing = Showing { age, status, result: CacheResult::Collapsed };
    respond::stored(ask, held, &showing, Some(interest)).ok_or(Anew::Alone)
}

/// Whose answer it is that came just now: the log says it of each, `Cache-Status` of one that stands in for another.
fn from(ask: &Ask, origin: Option<&Arc<str>>, status: CacheStatus) -> CacheStatus {
    let Some(origin) = origin else { return status };
    ask.comes_from(origin);
    if ask.route.behavior.is_stand_in(origin) {
        status.detailed(FAILOVER)
    } else {
        respond::through_shield(ask, status)
    }
}

/// No response came that this viewer could have.
fn without_response(edge: &Arc<Edge>, ask: &Ask, outcome: Outcome, status: CacheStatus) -> Result<Answer, Anew> {
    match outcome {
        Outcome::Failed(error) => Ok(failed(edge, ask, &error, status)),
        Outcome::ErrorStatus(code) => {
            let (held, fallback) = edge.stands_in(ask, Failure::Status(code));
            match (held, fallback) {
                (Some(held), Fallback::Stale(stale)) => {
                    let status = CacheStatus { forwarded_status: Some(code), ..CacheStatus::stale(&stale) };
                    hit(ask, &held, stale.age, status, CacheResult::Stale)
                }
                _ => Err(Anew::Alone),
            }
        }
        Outcome::GivenUp => Err(Anew::Together),
        _ => Err(Anew::Alone),
    }
}

/// The origin is not asked for this one. RFC 5861 §4: what may stand in for a 503 may do so for one of the edge's own.
fn crowded_out(edge: &Edge, ask: &Ask, crowded: Crowded, status: CacheStatus) -> Answer {
    let stands_in = edge.stands_in(ask, Failure::Status(StatusCode::SERVICE_UNAVAILABLE));
    if let (Some(held), Fallback::Stale(stale)) = stands_in
        && let Ok(shown) = hit(ask, &held, stale.age, CacheStatus::stale(&stale), CacheResult::Stale)
    {
        return shown;
    }
    respond::crowded(status, crowded)
}

/// RFC 5861 §3: one validation, whoever asks meanwhile.
pub(super) fn validate_in_background(edge: &Arc<Edge>, ask: &Arc<Ask>, held: &Arc<Held>, stale: &Stale) {
    if *ask.method() != Method::GET || ask.controls.no_store {
        return;
    }
    tier::settle_way(edge, ask);
    let Joined::Lead(lead) = join(edge, ask, None) else { return };
    lead.fill().go_on_unattended();
    let validates = stale.condition.clone().map(|condition| (Arc::clone(held), condition));
    tokio::spawn(Work { edge: Arc::clone(edge), ask: Arc::clone(ask), validates, lead }.run());
}

/// Joins the fill under way, or the one after `failed`, or begins it.
fn join(edge: &Edge, ask: &Ask, failed: Option<&Fill>) -> Joined {
    let (purge, now) = (edge.live.purge(), edge.clock.now().monotonic);
    let admits = |label| purge.admits_read(&ask.key, label);
    let label = || purge.label();
    match failed {
        Some(failed) => edge.collapse.join_next(failed, ask.read_name(), now, admits, label),
        None => edge.collapse.join(ask.read_name(), now, admits, label),
    }
}
