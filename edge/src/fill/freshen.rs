//! An answer without a body into stored responses with new fields: a 304, or a 200 to HEAD.
//!
//! Guarantees: nothing is revived that the purge ledger refuses, and nothing stays whose new fields forbid it.

use std::sync::Arc;

use edge_cache::storing::{self, Exchange};
use edge_cache::{Stored, freshening};
use http::response;

use crate::ask::Ask;
use crate::collapse::wanted::Freshened;
use crate::edge::Edge;
use crate::store::held::{self, Held};

/// RFC 9111 §4.3.4: all that a 304 speaks of are freshened; the first of them is the one that answers. None: it speaks of something
/// else, or the purge ledger lets none of them live on.
pub fn by_validation(
    edge: &Edge,
    ask: &Ask,
    offered: &[Arc<Held>],
    not_modified: &response::Parts,
    exchange: &Exchange<'_>,
) -> Option<Freshened> {
    let stored: Vec<&Stored> = offered.iter().map(|held| &held.stored).collect();
    let places = freshening::identify(&stored, &not_modified.headers);
    let meant = places.into_iter().filter_map(|place| offered.get(place));
    let freshened: Vec<_> = meant.filter_map(|held| revive(edge, ask, held, not_modified, exchange)).collect();
    freshened.into_iter().next()
}

/// RFC 9111 §4.3.5: what the same request would select is updated, or of no use any more. `origin` is who says so: of what another gave,
/// its validators say nothing.
pub fn by_head(edge: &Edge, ask: &Ask, origin: &str, head: &response::Parts, exchange: &Exchange<'_>) {
    let store = edge.live.store();
    let Some(variants) = store.lookup(&ask.key) else { return };
    let meant = |held: &Held| {
        let stored = &held.stored;
        held.is_of(origin)
            && stored.received.asked <= exchange.received.asked
            && stored.selecting.matches_fields(exchange.forwarded)
    };
    for held in variants.iter().filter(|held| meant(held)) {
        if !freshening::confirms(&held.stored, head) {
            store.sweep_key(&ask.key, |other| !std::ptr::eq(other, held.as_ref()));
        } else if edge.live.purge().admits(&ask.key, held).is_admitted() {
            revive(edge, ask, held, head, exchange);
        }
    }
}

fn revive(
    edge: &Edge,
    ask: &Ask,
    held: &Arc<Held>,
    newer: &response::Parts,
    exchange: &Exchange<'_>,
) -> Option<Freshened> {
    let (live, key, policy) = (&edge.live, &ask.key, ask.policy());
    if !live.purge().revives(key, held, exchange.label) {
        return None;
    }
    let stored = freshening::update(&held.stored, newer, exchange, policy);
    let room = live.store().hold(held::cost(key.len(), &stored))?;
    let freshened = Arc::new(held.freshened(stored, Arc::new(room))?);
    let stays = storing::may_stay(&freshened.stored, policy);
    if stays {
        live.store().exchange(key, held, Arc::clone(&freshened));
    } else {
        live.store().sweep_key(key, |other| !std::ptr::eq(other, held.as_ref()));
    }
    Some(Freshened { held: freshened, stays })
}
