//! A viewer's request that was let in into everything that later steps ask about it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use edge_cache::choice::{Carry, Going};
use edge_cache::coding::Accepted;
use edge_cache::forwarding::{self, Outgoing};
use edge_cache::head::Asked;
use edge_cache::key::{self, Keyed};
use edge_cache::tier::Question;
use edge_cache::validation::Conditional;
use edge_cache::{CacheKey, Controls, NormalPath, Policy, arrival, query, reuse, s3, upgrade};
use edge_contract::Origin;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, header, request};
use http_body::Body;
use parking_lot::Mutex;

use crate::forward::ForwardError;
use crate::forward::body::RequestBody;
use crate::interim::Interim;
use crate::route::Route;
use crate::store::held::Held;
use crate::viewer::Viewer;

/// A request on its way through the edge, without its body.
#[derive(Debug)]
pub struct Ask {
    /// The head as the viewer sent it, without what must not count.
    pub viewer: request::Parts,
    /// What that head asks for, in normal form.
    pub asked: Asked,
    /// Who serves it.
    pub route: Route,
    /// The name of what it asks for.
    pub key: CacheKey,
    /// The codings in which its viewer may be answered from the store.
    pub accepted: Accepted,
    /// What the viewer asks of the cache, where the owner lets it.
    pub controls: Controls,
    /// Where the viewer is, as far as trusted proxies say.
    pub address: IpAddr,
    /// Where interim responses to it go.
    pub interim: Interim,
    /// The other protocols that its viewer wishes for (RFC 9110 §7.8).
    pub upgrade: Option<HeaderValue>,
    /// Where the edge is that asks in place of its viewer.
    pub asker: Option<IpAddr>,
    keyed: Keyed,
    /// In microseconds.
    at_origin: AtomicU64,
    source: Mutex<Option<Arc<str>>>,
    /// What a bucket has against it, and which origin that is.
    refusal: Mutex<Option<(Arc<str>, &'static str)>>,
    /// The uid of the edge that gave the origin's answer.
    shield: Mutex<Option<Arc<str>>>,
    /// The name of its read, where that goes by way of another edge.
    by_tier: OnceLock<CacheKey>,
}

impl Ask {
    /// Puts together what head policy and routing found.
    pub fn new(mut viewer: request::Parts, asked: Asked, route: Route, from: &Viewer) -> Self {
        let address = arrival::settle(&mut viewer, from.peer, &route.site.trusted);
        let upgrade = upgrade::wanted(&viewer);
        Self { interim: from.interim.clone(), upgrade, ..Self::settled(viewer, asked, route, address) }
    }

    /// A request that another edge let in, as it says it. What a viewer gets of it is for that edge to decide.
    pub fn of_edge(viewer: request::Parts, asked: Asked, route: Route, from: &Viewer) -> Self {
        let settled = Self::settled(viewer, asked, route, from.peer);
        let controls = settled.controls.by_edge();
        // The two of a group share a key for viewers, who get either; an edge wants the one that it names.
        let key = if settled.route.behavior.stands_in { settled.key.of_stand_in() } else { settled.key.clone() };
        Self { interim: from.interim.clone(), asker: Some(from.peer), controls, key, ..settled }
    }

    /// A request for another path of the same site, on behalf of the same viewer.
    pub fn instead(&self, viewer: request::Parts, path: NormalPath) -> Option<Self> {
        let route = self.route.within(path)?;
        let asked = Asked { path: route.path.clone(), query: None, ..self.asked.clone() };
        Some(Self::settled(viewer, asked, route, self.address))
    }

    /// The same request, of which its viewer hears nothing.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self::settled(self.viewer.clone(), self.asked.clone(), self.route.clone(), self.address)
    }

    fn settled(viewer: request::Parts, asked: Asked, route: Route, address: IpAddr) -> Self {
        let (key, keyed) = key::of_request(&route.site.site, &route.behavior.behavior, &viewer, &asked, &route.path);
        let codes = route.behavior.behavior.compress;
        let accepted = if codes { Accepted::by(&viewer) } else { Accepted::Identity };
        let controls = Controls::of(&viewer.headers, &route.behavior.policy);
        // What is said before an answer that nobody asked for is nobody's.
        let interim = Interim::closed();
        let (key, at_origin, by_tier) = (key.accepting(accepted), AtomicU64::default(), OnceLock::new());
        let (source, refusal, shield) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self {
            viewer,
            asked,
            route,
            key,
            accepted,
            controls,
            address,
            interim,
            upgrade: None,
            asker: None,
            keyed,
            at_origin,
            source,
            refusal,
            shield,
            by_tier,
        }
    }

    /// The viewer's method.
    pub fn method(&self) -> &Method {
        &self.viewer.method
    }

    /// Its read goes by way of another edge, from here on.
    pub fn goes_by_tier(&self) {
        self.by_tier.get_or_init(|| self.key.by_tier());
    }

    /// Whether it does.
    pub fn is_by_tier(&self) -> bool {
        self.by_tier.get().is_some()
    }

    /// The name under which it waits for others who want the same. Reads that wait for another edge are apart from those that other edges
    /// wait for: else two edges, each of which takes the other for the owner, would wait for one another.
    pub fn read_name(&self) -> &CacheKey {
        self.by_tier.get().unwrap_or(&self.key)
    }

    /// Whether it may be answered with what is stored. To another edge nothing is given but the response of the origin that it names, as
    /// it came.
    pub fn may_get(&self, held: &Held) -> bool {
        self.asker.is_none() || held.is_of(&self.route.behavior.origin.name) && held.as_it_came().is_some()
    }

    /// What storing and reuse are judged by.
    pub fn policy(&self) -> &Policy {
        &self.route.behavior.policy
    }

    /// The fields that the origin is sent; of two, the one that is asked first.
    pub fn forwarded(&self, condition: Option<&Conditional>) -> HeaderMap {
        self.forwarded_to(&self.route.behavior.origin, condition)
    }

    /// The fields that this one of its origins is sent.
    pub fn forwarded_to(&self, origin: &Origin, condition: Option<&Conditional>) -> HeaderMap {
        self.outgoing(origin).headers(self.carry(), condition)
    }

    /// Whether a viewer's `Authorization` is among them.
    pub fn authorized_to(&self, origin: &Origin) -> bool {
        self.outgoing(origin).authorized(self.carry())
    }

    /// Asks the reuse verdict of something that is stored, or of nothing.
    pub fn reuse<T>(&self, decide: impl FnOnce(&reuse::Request<'_>) -> T) -> T {
        let forwarded = || self.forwarded(None);
        let (method, controls, upgrades) = (self.method(), self.controls, self.upgrade.is_some());
        decide(&reuse::Request { method, forwarded: &forwarded, controls, upgrades })
    }

    /// The request as the origin gets it; of two, the one that is asked first.
    pub fn request(&self, headers: HeaderMap, body: RequestBody) -> Result<Request<RequestBody>, ForwardError> {
        self.request_to(&self.route.behavior.origin, headers, body)
    }

    /// The request as this one of its origins gets it.
    pub fn request_to(
        &self,
        origin: &Origin,
        mut headers: HeaderMap,
        body: RequestBody,
    ) -> Result<Request<RequestBody>, ForwardError> {
        // RFC 9110 §7.8: the wish is this edge's own from here on. A bucket speaks nothing else.
        if let Some(protocols) = self.upgrade.as_ref().filter(|_| origin.s3.is_none()) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, protocols.clone());
        }
        self.framed(self.target(origin)?, headers, body)
    }

    /// The request as another edge gets it, which is to ask this one of its origins.
    pub fn request_to_edge(
        &self,
        origin: &Origin,
        question: &Question,
        condition: Option<&Conditional>,
        body: RequestBody,
    ) -> Result<Request<RequestBody>, ForwardError> {
        let mut headers = self.outgoing(origin).to_edge(self.carry(), condition);
        question.write(&mut headers).ok_or(ForwardError::Target)?;
        if body.expectation().is_some() {
            headers.insert(header::EXPECT, HeaderValue::from_static("100-continue"));
        }
        // As it came: what of it counts, the other edge decides by the same rules.
        let query = self.asked.query.as_deref();
        let target = query.map_or_else(
            || self.route.path.as_str().to_owned(),
            |query| format!("{}?{query}", self.route.path.as_str()),
        );
        self.framed(target, headers, body)
    }

    fn framed(
        &self,
        target: String,
        mut headers: HeaderMap,
        body: RequestBody,
    ) -> Result<Request<RequestBody>, ForwardError> {
        // RFC 9110 §10.1.1: none where nothing is going to wait for it.
        if body.expectation().is_none() {
            headers.remove(header::EXPECT);
        }
        // hyper takes a GET without a length for one without a body, unless it is told.
        if body.size_hint().exact().is_none() {
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let mut request = Request::new(body);
        *request.method_mut() = self.method().clone();
        // A normal path and a normal query are a legal target.
        *request.uri_mut() = Uri::try_from(target).map_err(|_| ForwardError::Target)?;
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// The path and query that the origin is asked for.
    pub fn target(&self, origin: &Origin) -> Result<String, ForwardError> {
        let behavior = &self.route.behavior.behavior;
        let asked = self.asked.query.as_deref();
        if origin.s3.is_some() {
            let object = s3::object_path(&origin.base_path, &self.route.path)?;
            return Ok(match s3::query(asked, behavior) {
                Some(query) => format!("{object}?{query}"),
                None => object,
            });
        }
        let going =
            Going { key: &behavior.key.query_strings, forward: &behavior.forward.query_strings, carry: self.carry() };
        let query = query::forwarded(asked, &going);
        Ok(forwarding::origin_target(origin, &self.route.path, query.as_deref()))
    }

    /// This one of its origins gave what it is answered with, or did not.
    pub fn comes_from(&self, origin: &Arc<str>) {
        *self.source.lock() = Some(Arc::clone(origin));
    }

    /// The origin that was asked, or that would be.
    pub fn source(&self) -> Arc<str> {
        self.source.lock().clone().unwrap_or_else(|| Arc::clone(&self.route.behavior.origin.health.name))
    }

    /// This one of its origins is a bucket, and refuses it with this word.
    pub fn is_refused(&self, origin: &Arc<str>, word: &'static str) {
        *self.refusal.lock() = Some((Arc::clone(origin), word));
    }

    /// The word with which a bucket has refused it, unless another origin answered.
    pub fn refusal(&self) -> Option<&'static str> {
        let (origin, word) = self.refusal.lock().clone()?;
        (origin == self.source()).then_some(word)
    }

    /// Another edge gave the origin's answer.
    pub fn came_by(&self, edge: &str) {
        *self.shield.lock() = Some(edge.into());
    }

    /// The uid of that edge.
    pub fn shield(&self) -> Option<Arc<str>> {
        self.shield.lock().clone()
    }

    /// An origin was asked for it, and its head, or the word that there is none, came after this time.
    pub fn took_origin(&self, time: Duration) {
        self.at_origin.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How long the origin has taken so far, if it was asked.
    pub fn origin_took(&self) -> Option<Duration> {
        Some(Duration::from_micros(self.at_origin.load(Ordering::Relaxed))).filter(|took| !took.is_zero())
    }

    fn carry(&self) -> Carry {
        // What answers a wish for another protocol is for one viewer.
        if self.upgrade.is_some() { Carry::Everything } else { Carry::of(&self.viewer, self.policy()) }
    }

    fn outgoing<'a>(&'a self, origin: &'a Origin) -> Outgoing<'a> {
        Outgoing {
            viewer: &self.viewer,
            authority: self.asked.authority.as_deref(),
            keyed: &self.keyed,
            behavior: &self.route.behavior.behavior,
            site: &self.route.site.site.id,
            origin,
            accepted: self.accepted,
        }
    }
}
