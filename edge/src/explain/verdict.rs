//! What is stored, and whom a request would go to, into what the edge does with it.

use edge_cache::error_pages;
use edge_cache::reuse::{Failure, Fallback, Stale, StaleUse};
use edge_cache::{CacheStatus, Moment, Reuse, explain, reuse};
use http::StatusCode;
use serde_json::{Value, json};

use super::origin::Whom;
use super::{is_selected, variants};
use crate::ask::Ask;
use crate::edge::Edge;
use crate::forward::ForwardError;

/// What the edge does, and by which clause.
pub fn verdict(edge: &Edge, ask: &Ask, whom: &Whom) -> Value {
    let variants = variants(edge, ask);
    let held = variants.iter().find(|held| is_selected(ask, held)).or_else(|| variants.first());
    let found = held.map(|held| (&held.stored, edge.live.purge().would_admit(&ask.key, held)));
    let now = Moment(edge.clock.now().monotonic);
    let verdict = ask.reuse(|request| reuse::decide(request, found, ask.policy(), now));
    let fallback = || ask.reuse(|request| reuse::on_failure(Failure::NoAnswer, request, found, ask.policy(), now));
    let status = CacheStatus::of(&verdict);
    let does = match (&verdict, whom) {
        (Reuse::Stale(stale), Whom::Nobody(why)) if stale.why == StaleUse::WhileRevalidating => {
            format!("answer from the store, and validate in vain: {}", why.detail())
        }
        (Reuse::Stale(stale), _) if stale.why == StaleUse::WhileRevalidating => {
            "answer from the store and validate".into()
        }
        (Reuse::Fresh { .. } | Reuse::Stale(_), _) => "answer from the store".into(),
        (Reuse::OnlyIfCached, _) => "answer 504".into(),
        (Reuse::Validate { .. } | Reuse::Forward(_), Whom::Nobody(why)) => {
            return without_answer(ask, why, status, fallback());
        }
        (Reuse::Validate { .. } | Reuse::Forward(_), Whom::Second) => "ask the secondary".into(),
        (Reuse::Validate { .. }, Whom::First) => "ask the origin whether what is stored still holds".into(),
        (Reuse::Forward(_), Whom::First) => "ask the origin".to_owned(),
    };
    json!({ "does": does, "clause": explain::clause(&verdict), "cacheStatus": status.to_string() })
}

/// What stands in, or the answer of the edge's own.
fn without_answer(ask: &Ask, why: &ForwardError, status: CacheStatus, fallback: Fallback) -> Value {
    let is_of_request = matches!(why, ForwardError::Target | ForwardError::NoObject(_));
    // One of those that nothing else serves finds out whether it is there again.
    let but = if matches!(why, ForwardError::BreakerOpen) { ", but for one request a second, which asks" } else { "" };
    match fallback {
        Fallback::Stale(stale) if !is_of_request => stands_in(stale),
        Fallback::GatewayTimeout if !is_of_request => answers(ask, why, (StatusCode::GATEWAY_TIMEOUT, status), but),
        _ => answers(ask, why, (why.status(), status), but),
    }
}

fn stands_in(stale: Stale) -> Value {
    let status = CacheStatus::stale(&stale).to_string();
    let clause = explain::clause(&Reuse::Stale(stale));
    json!({ "does": "answer from the store, stale", "clause": clause, "cacheStatus": status })
}

fn answers(ask: &Ask, why: &ForwardError, (code, status): (StatusCode, CacheStatus), but: &str) -> Value {
    let status = status.detailed(why.detail()).to_string();
    let does = format!("answer {}{but}", code.as_u16());
    let mut said =
        json!({ "does": does, "clause": format!("nobody is asked: {}", why.in_full()), "cacheStatus": status });
    let page = error_pages::page_for(&ask.route.site.site.error_responses, code);
    if let (Some(said), Some(page)) = (said.as_object_mut(), page) {
        let page = json!({ "path": page.path.as_str(), "status": page.status.as_u16() });
        said.insert("errorPage".into(), page);
    }
    said
}
