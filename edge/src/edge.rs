//! All that one edge consists of, and the two questions that every request asks of it: what is stored, and what the origin says.

use std::sync::Arc;

use edge_cache::reuse::{self, Failure, Fallback};
use edge_cache::{Admission, Controls, Moment, answer, vary};
use edge_contract::Origin;
use http::{Method, Request, Response, StatusCode, header};

use crate::ask::Ask;
use crate::clock::Clock;
use crate::coder::Coder;
use crate::collapse::Collapse;
use crate::config::OriginTable;
use crate::forward::body::{OriginBody, RequestBody};
use crate::forward::{Asking, ForwardError, Forwarder, Known};
use crate::health::Tries;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::s3;
use crate::secret_fields;
use crate::settings::Settings;
use crate::store::held::Held;
use crate::tier::counts::TierCounts;

/// Everything that one edge consists of.
pub struct Edge {
    /// What time it is.
    pub clock: Clock,
    /// What is true right now.
    pub live: Live,
    /// Fills under way.
    pub collapse: Arc<Collapse>,
    /// Coding of what is stored.
    pub coder: Coder,
    /// The way to origins.
    pub forwarder: Forwarder,
    /// What is counted.
    pub metrics: Metrics,
    /// What other edges are asked, and ask.
    pub tiers: Arc<TierCounts>,
    /// Whether each request is logged.
    pub access_log: bool,
}

/// An edge that serves nothing yet and listens nowhere.
pub fn assemble(settings: &Settings, clock: Clock) -> Arc<Edge> {
    let live = Live::with(settings.mounts.clone(), settings.cache_memory);
    live.peers().introduce(&settings.operator);
    let forwarder = Forwarder::new(clock.clone(), settings.dns);
    let tiers = Arc::new(TierCounts::default());
    Arc::new(Edge {
        metrics: Metrics::new(live.clone(), forwarder.counts(), &tiers),
        tiers,
        collapse: Collapse::new(),
        coder: Coder::default(),
        forwarder,
        access_log: settings.access_log,
        live,
        clock,
    })
}

impl Edge {
    /// The stored response that a request selects, or any other of its key, and what the purge ledger says of it.
    pub fn find(&self, ask: &Ask) -> Option<(Arc<Held>, Admission)> {
        let variants = self.live.store().lookup(&ask.key)?;
        let admits = |held: &Arc<Held>| self.live.purge().admits(&ask.key, held);
        let of_those = || variants.iter().filter(|held| ask.may_get(held));
        let admitted = of_those().filter(|held| admits(held).is_admitted());
        let held = select(admitted, ask).or_else(|| select(of_those(), ask)).or_else(|| of_those().next())?;
        Some((Arc::clone(held), admits(held)))
    }

    /// Asks whether what is stored may stand in, of what the store and the ledger say now.
    pub fn stands_in(&self, ask: &Ask, failure: Failure) -> (Option<Arc<Held>>, Fallback) {
        self.stands_in_for(ask, ask.controls, failure)
    }

    /// The same for one who asks for this of the cache.
    pub fn stands_in_for(&self, ask: &Ask, controls: Controls, failure: Failure) -> (Option<Arc<Held>>, Fallback) {
        let found = self.find(ask);
        let fallback = ask.reuse(|request| {
            let request = &reuse::Request { controls, ..*request };
            let found = found.as_ref().map(|(held, admission)| (&held.stored, *admission));
            reuse::on_failure(failure, request, found, ask.policy(), Moment(self.clock.now().monotonic))
        });
        (found.map(|(held, _)| held), fallback)
    }

    /// Asks one of the origins that serve a request, by so many tries at most.
    pub async fn ask_origin(
        &self,
        ask: &Ask,
        origin: &OriginTable,
        limit: u32,
        mut request: Request<RequestBody>,
    ) -> Result<Response<OriginBody>, ForwardError> {
        self.complete(origin, &mut request)?;
        let endpoints = self.live.endpoints(&ask.route.site.site.id, origin);
        let began = self.clock.now().monotonic;
        // What an extension method means by a 206 is its own affair.
        let whole =
            matches!(*request.method(), Method::GET | Method::HEAD) && !request.headers().contains_key(header::RANGE);
        let (endpoints, mounts) = (endpoints.as_deref(), self.live.mounts());
        let tries = Tries { origin, site: &ask.route.site, live: &self.live, clock: &self.clock, limit };
        let asking = Asking { tries, endpoints, mounts, request, interim: &ask.interim };
        let answer = self.forwarder.forward(asking).await;
        let took = self.clock.now().monotonic.saturating_sub(began);
        ask.took_origin(took);
        self.metrics.origin_seconds.observe(took.as_secs_f64());
        let answer = match answer {
            Ok(response) if origin.s3.is_some() => s3::in_own_words(ask, tries, response).await,
            answer => answer,
        };
        answer.and_then(|response| if whole { all_of_it(ask, response) } else { Ok(response) })
    }

    /// What is mounted for an origin goes into the head of its request last.
    fn complete(&self, origin: &Origin, request: &mut Request<RequestBody>) -> Result<(), ForwardError> {
        secret_fields::set(request.headers_mut(), origin, self.live.mounts())?;
        let s3 = origin.s3.as_ref();
        s3.map_or(Ok(()), |s3| s3::sign(s3, request, self.live.mounts(), self.clock.now()))
    }

    /// What would keep an origin from being asked this, as far as that is known without asking anybody. Where manifests are all there is, what
    /// they name is taken to be there.
    pub fn foresee(&self, ask: &Ask, origin: &OriginTable, has_mounts: bool) -> Result<(), ForwardError> {
        let mut request = ask.request_to(origin, ask.forwarded_to(origin, None), RequestBody::Empty)?;
        let upgrades = request.headers().contains_key(header::UPGRADE);
        if has_mounts {
            self.complete(origin, &mut request)?;
        }
        let site = &ask.route.site.site;
        let endpoints = self.live.endpoints(&site.id, origin);
        let known = Known { origin, endpoints: endpoints.as_deref(), upgrades };
        self.forwarder.foresee(known, &site.walls, has_mounts.then(|| self.live.mounts()))?;
        if origin.health.is_open() { Err(ForwardError::BreakerOpen) } else { Ok(()) }
    }
}

/// RFC 9110 §15.3.7: a part that nobody asked this origin for. One that leaves nothing out is an answer. Any other says which part it is:
/// that serves a viewer that wanted some part, and misleads every other.
fn all_of_it(ask: &Ask, response: Response<OriginBody>) -> Result<Response<OriginBody>, ForwardError> {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    if let Some(whole) = answer::whole_of_part(&parts) {
        return Ok(Response::from_parts(whole, body));
    }
    let viewer = &ask.viewer.headers;
    let wanted_part = viewer.contains_key(header::RANGE) && !viewer.contains_key(header::IF_RANGE);
    if wanted_part && *ask.method() == Method::GET {
        return Ok(Response::from_parts(parts, body));
    }
    Err(ForwardError::UnaskedPartial)
}

fn select<'a>(variants: impl Iterator<Item = &'a Arc<Held>>, ask: &Ask) -> Option<&'a Arc<Held>> {
    vary::choose(variants, |held| &held.stored, || ask.forwarded(None))
}
