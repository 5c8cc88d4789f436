//! A request to an origin into the answer of an edge that stands before it, or into the word that it is for this edge to ask.
//!
//! Flow: the edges of the origin's shield, the owner of the target first ([`order`]) → one of them, over a connection on which both sides have
//! proved themselves ([`crate::peers`]) → its walk ([`answering`]) → its answer, as if the origin had given it.
//! Guarantees: a request that came from another edge goes to no third one: there is one hop, and no loop. Where a shield is away, the origin
//! is asked as if there were none: at most [`TRIES`] edges are tried, each for at most [`CONNECT_WITHIN`] where nobody answers, and only
//! with what is safe to repeat or was not taken (RFC 9110 §9.2.2). What becomes of that is no news of the origin: its breaker hears nothing.
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
use crate::forward::edges::AtEdge;
use crate::peers::Peer;
use crate::peers::proof::Credentials;
use counts::Fallback;
use lent::Loan;

/// How many edges are tried before the origin is.
pub const TRIES: usize = 2;
/// For a connection to one of them: they are as near as an origin, and there is somebody else to ask.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// What another edge may take beyond the time that its origin has.
const BEYOND_ORIGIN: Duration = Duration::from_secs(2);

/// What became of it.
pub enum Asked {
    /// Another edge has given the origin's answer.
    Answered(Response<OriginBody>),
    /// The origin gave it none, or nobody knows what became of the request.
    Failed(ForwardError),
    /// It is for this edge to ask the origin.
    Unasked(RequestBody),
}

/// Asks the edge that stands before an origin, if one does.
pub async fn ask(
    edge: &Edge,
    ask: &Ask,
    origin: &OriginTable,
    condition: Option<&Conditional>,
    body: RequestBody,
) -> Asked {
    let Some(location) = origin.shield.as_deref().filter(|_| goes_by_tier(ask)) else { return Asked::Unasked(body) };
    if let Err(error) = ask.target(origin) {
        return Asked::Failed(error);
    }
    let way = match Way::find(edge, ask, origin, location) {
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
fn goes_by_tier(ask: &Ask) -> bool {
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
    fn find(edge: &'a Edge, ask: &'a Ask, origin: &'a OriginTable, location: &str) -> Result<Self, Fallback> {
        let (live, site) = (&edge.live, &ask.route.site.site.id);
        let listed = live.peers().before(site, location).filter(|edges| !edges.is_empty()).ok_or(Fallback::NoEdges)?;
        let revision = live.serving_revision().ok_or(Fallback::NoEdges)?;
        // Where the log stands now, which is never before where it stood when a fill began.
        let needs = live.purge().label().log;
        let question = Question { origin: origin.name.clone(), revision, needs, expects: ask.asked.expects_continue };
        let peers: Vec<Peer> = turns(edge, ask, &listed).map_err(|itself| itself.unwrap_or(Fallback::Avoided))?;
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
                None => return Asked::Failed(error),
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
        let head_within =
            Duration::from_millis(origin_has.saturating_add(self.origin.response_timeout_ms)) + BEYOND_ORIGIN;
        Ok(self.edge.forwarder.at_edge(peer, &self.credentials.client, head_within, request, &self.ask.interim).await)
    }

    /// Whose answer it is that another edge has given.
    fn read(&self, peer: &Peer, mut response: Response<OriginBody>) -> Result<Asked, Fallback> {
        match Word::read(response.headers()) {
            Some(Word::Origin) => {
                tier::strip(response.headers_mut());
                self.ask.came_by(&peer.uid);
                Ok(Asked::Answered(response))
            }
            Some(Word::NoAnswer(why)) => {
                let retry_after = response.headers().get(header::RETRY_AFTER).cloned();
                Ok(Asked::Failed(ForwardError::shielded(response.status(), why, retry_after)))
            }
            Some(Word::Refused(why)) => Err(Fallback::refused(why)),
            None => Err(Fallback::Failed),
        }
    }
}

/// Whom to ask, in turn, up to this edge itself; nobody, where it is the first.
fn turns(edge: &Edge, ask: &Ask, listed: &[Peer]) -> Result<Vec<Peer>, Option<Fallback>> {
    let is_read = matches!(*ask.method(), Method::GET | Method::HEAD);
    // What is written has to meet what is stored: that is with the owner, however much it has to do.
    let outstanding = |peer: &Peer| if is_read { edge.forwarder.outstanding(peer.address) } else { 0 };
    let ordered = order::by_weight(ask.key.target(), listed, |peer| (peer.uid.as_str(), outstanding(peer)));
    let (me, now) = (edge.live.peers().uid(), edge.clock.now().monotonic);
    let mut before_me = ordered.into_iter().take_while(|peer| Some(peer.uid.as_str()) != me).peekable();
    if before_me.peek().is_none() {
        return Err(Some(Fallback::Itself));
    }
    let there: Vec<Peer> =
        before_me.filter(|peer| !edge.forwarder.is_avoided(peer.address, now)).take(TRIES).cloned().collect();
    if there.is_empty() { Err(None) } else { Ok(there) }
}

/// What would be asked first, for people.
pub fn first(edge: &Edge, ask: &Ask, origin: &OriginTable) -> Option<(String, Result<String, &'static str>)> {
    let location = origin.shield.clone()?;
    let way = Way::find(edge, ask, origin, &location);
    let first = way.map_err(Fallback::word).and_then(|way| way.peers.first().map(|peer| peer.uid.clone()).ok_or(""));
    Some((location, first))
}

/// Fields of a request that came from a viewer, as another edge left them.
pub fn settle(headers: &mut HeaderMap) {
    hops::remove_nominated(headers);
    tier::strip(headers);
}
