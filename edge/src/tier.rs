//! A request to an origin into the answer of an edge that stands before it, or into the word that it is for this edge to ask.
//!
//! Flow: the edges of the origin's shield, the owner of the target first ([`order`]) → one of them, over a connection on which both sides have
//! proved themselves ([`crate::peers`]) → its walk ([`answering`]) → its answer, as if the origin had given it.
//! Guarantees: a request that came from another edge goes to no third one: there is one hop, and no loop. Where a shield is away, the origin
//! is asked as if there were none: at most [`TRIES`] edges are tried, each for at most
//! [`HEARD_WITHIN`](crate::forward::edges::HEARD_WITHIN) where nobody answers, and only with what is safe to repeat or was not taken (RFC
//! 9110 §9.2.2). What becomes of that is no news of the origin: its breaker hears nothing.
//! Errors: [`Asked::Failed`] where the origin gave the other edge no answer, and where a request may have been carried out.

pub mod answering;
pub mod counts;
mod lent;

use std::sync::Arc;
use std::time::Duration;

use edge_cache::hops;
use edge_cache::tier::{self, Question, Word, order};
use edge_cache::validation::Conditional;
use http::{HeaderMap, Method, Response, header};

use crate::ask::Ask;
use crate::config::OriginTable;
use crate::edge::Edge;
use crate::forward::ForwardError;
use crate::forward::body::{OriginBody, RequestBody};
use crate::forward::edges::{AskingEdge, AtEdge};
use crate::peers::Peer;
use crate::peers::proof::Credentials;
use counts::Fallback;
use lent::Loan;

/// How many edges are tried before the origin is.
pub const TRIES: usize = 2;
/// What another edge may take beyond the time that its origin has.
const BEYOND_ORIGIN: Duration = Duration::from_secs(2);

/// What became of it.
pub enum Asked {
    /// Another edge has given the origin's answer.
    Answered(Box<Response<OriginBody>>),
    /// The origin gave it none, or nobody knows what became of the request.
    Failed(ForwardError),
    /// It is for this edge to ask the origin.
    Unasked(RequestBody),
}

/// Settles whether a request's read goes by way of another edge: before anybody waits for it, and for good.
pub fn settle_way(edge: &Edge, ask: &Ask) {
    let behavior = &ask.route.behavior;
    let mut shielded =
        std::iter::once(&behavior.origin).chain(&behavior.secondary).filter(|origin| origin.shield.is_some());
    if !survives_tier(ask) || ask.is_by_tier() {
        return;
    }
    if shielded.any(|origin| whom(edge, ask, origin).is_ok_and(|edges| !edges.is_empty())) {
        ask.goes_by_tier();
    }
}

/// Asks the edge that stands before an origin, if one does.
pub async fn ask(
    edge: &Edge,
    ask: &Ask,
    origin: &OriginTable,
    condition: Option<&Conditional>,
    body: RequestBody,
) -> Asked {
    if origin.shield.is_none() || !survives_tier(ask) {
        return Asked::Unasked(body);
    }
    if let Err(error) = ask.target(origin) {
        return Asked::Failed(error);
    }
    let way = match Way::find(edge, ask, origin) {
        Ok(way) => way,
        Err(why) => {
            edge.tiers.fell_back(why);
            return Asked::Unasked(body);
        }
    };
    let began = edge.clock.now().monotonic;
    let asked = way.ask(condition, body).await;
    ask.took_origin(edge.clock.now().monotonic.saturating_sub(began));
    asked
}

/// What ends at another edge, or would not survive the hop: it speaks HTTP/1.1, and what is no request and response cannot be kept there.
fn survives_tier(ask: &Ask) -> bool {
    let is = |name, value: &[u8]| {
        let said = ask.viewer.headers.get(name).map(http::HeaderValue::as_bytes).unwrap_or_default();
        said.get(..value.len()).is_some_and(|said| said.eq_ignore_ascii_case(value))
    };
    let is_grpc = is(header::CONTENT_TYPE, b"application/grpc");
    ask.asker.is_none() && ask.upgrade.is_none() && !(is_grpc && *ask.method() == Method::POST)
}

/// Whom to ask for one request, in turn, and how.
struct Way<'a> {
    edge: &'a Edge,
    ask: &'a Ask,
    origin: &'a OriginTable,
    question: Question,
    credentials: Arc<Credentials>,
    peers: Vec<Peer>,
}

impl<'a> Way<'a> {
    fn find(edge: &'a Edge, ask: &'a Ask, origin: &'a OriginTable) -> Result<Self, Fallback> {
        let live = &edge.live;
        let peers = whom(edge, ask, origin)?;
        if !ask.is_by_tier() {
            // Others may wait for it who are edges themselves.
            return Err(Fallback::Itself);
        }
        let revision = live.serving_revision().ok_or(Fallback::NoEdges)?;
        // Where the log stands now, which is never before where it stood when a fill began.
        let needs = live.purge().label().log;
        let question = Question { origin: origin.name.clone(), revision, needs, expects: ask.asked.expects_continue };
        let credentials = live.peers().credentials().ok_or(Fallback::NoCertificate)?;
        Ok(Self { edge, ask, origin, question, credentials, peers })
    }

    async fn ask(&self, condition: Option<&Conditional>, body: RequestBody) -> Asked {
        let mut body = body;
        for peer in &self.peers {
            let loan = Loan::of(body);
            self.edge.tiers.asks();
            let (why, is_repeatable, error) = match self.at(peer, condition, loan.lend()).await {
                Err(error) => return Asked::Failed(error),
                Ok(AtEdge { answer: Ok(response), .. }) => match self.read(peer, response) {
                    Ok(asked) => return asked,
                    Err(why) => (why, true, ForwardError::NoTarget),
                },
                Ok(AtEdge { answer: Err(error), is_repeatable }) => (Fallback::of(&error), is_repeatable, error),
            };
            tracing::debug!(edge = peer.uid, ?why, %error, "an edge before an origin did not serve");
            match loan.take_back(self.ask.asked.expects_continue).filter(|_| is_repeatable) {
                Some(whole) => body = whole,
                None => return Asked::Failed(error.at_edge()),
            }
            self.edge.tiers.fell_back(why);
        }
        Asked::Unasked(body)
    }

    async fn at(
        &self,
        peer: &Peer,
        condition: Option<&Conditional>,
        body: RequestBody,
    ) -> Result<AtEdge, ForwardError> {
        let request = self.ask.request_to_edge(self.origin, &self.question, condition, body)?;
        let origin_has = self.origin.connect_timeout_ms.saturating_mul(u64::from(self.origin.attempts));
        let within = Duration::from_millis(origin_has.saturating_add(self.origin.response_timeout_ms)) + BEYOND_ORIGIN;
        let asking = AskingEdge { peer, client: &self.credentials.client, within, interim: &self.ask.interim };
        Ok(self.edge.forwarder.at_edge(asking, request).await)
    }

    /// Whose answer it is that another edge has given.
    fn read(&self, peer: &Peer, mut response: Response<OriginBody>) -> Result<Asked, Fallback> {
        match Word::read(response.headers()) {
            Some(Word::Origin) => {
                tier::strip(response.headers_mut());
                self.ask.came_by(&peer.uid);
                Ok(Asked::Answered(Box::new(response)))
            }
            Some(Word::NoAnswer(why)) => {
                let retry_after = response.headers().get(header::RETRY_AFTER).cloned();
                let error = ForwardError::shielded(response.status(), why, retry_after);
                response.into_body().let_go();
                Ok(Asked::Failed(error))
            }
            Some(Word::Refused(why)) => {
                let why = Fallback::refused(why);
                response.into_body().let_go();
                Err(why)
            }
            None => Err(Fallback::Failed),
        }
    }
}

/// Whom to ask in place of an origin, in turn; or why nobody. Where this edge comes after one that fails, it asks itself by its own door, like
/// all who come there: their read is then one.
fn whom(edge: &Edge, ask: &Ask, origin: &OriginTable) -> Result<Vec<Peer>, Fallback> {
    let location = origin.shield.as_deref().unwrap_or_default();
    let listed = edge.live.peers().before(&ask.route.site.site.id, location);
    let listed = listed.filter(|edges| !edges.is_empty()).ok_or(Fallback::NoEdges)?;
    let is_read = matches!(*ask.method(), Method::GET | Method::HEAD);
    // What is written has to meet what is stored: that is with the owner, however much it has to do.
    let outstanding = |peer: &Peer| if is_read { edge.forwarder.outstanding(peer.address) } else { 0 };
    let ordered = order::by_weight(ask.key.target(), &listed, |peer| (peer.uid.as_str(), outstanding(peer)));
    let (me, now) = (edge.live.peers().uid(), edge.clock.now().monotonic);
    let is_me = |peer: &Peer| Some(peer.uid.as_str()) == me;
    if ordered.first().is_some_and(|first| is_me(first)) {
        return Err(Fallback::Itself);
    }
    let there = ordered.into_iter().filter(|peer| is_me(peer) || !edge.forwarder.is_avoided(peer.address, now));
    let there: Vec<Peer> = there.take(TRIES).cloned().collect();
    match there.first() {
        Some(first) if is_me(first) => Err(Fallback::Itself),
        Some(_) => Ok(there),
        None => Err(Fallback::Avoided),
    }
}

/// What would be asked first, for people.
pub fn first(edge: &Edge, ask: &Ask, origin: &OriginTable) -> Option<(String, Result<String, &'static str>)> {
    let location = origin.shield.clone()?;
    settle_way(edge, ask);
    let way = Way::find(edge, ask, origin).map_err(Fallback::word);
    Some((location, way.map(|way| way.peers.iter().map(|peer| peer.uid.as_str()).take(1).collect())))
}

/// Fields of a request that came from a viewer, as another edge left them.
pub fn settle(headers: &mut HeaderMap) {
    hops::remove_nominated(headers);
    tier::strip(headers);
}
