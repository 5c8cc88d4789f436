//! A request and an address into the head of an answer, and what is still to be sent where there is none.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use edge_cache::answer;
use edge_contract::Origin;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version, header};
use tokio::sync::watch;

use super::balance::{Failing, Outstanding};
use super::body::{Lease, Next, OriginBody, RequestBody};
use super::connect::{ConnectError, Destination, Speaks, Step};
use super::guard::Allowed;
use super::pool::{Came, Keeping, Opening, Turn};
use super::sender::{Failed, Said, Sender};
use super::tls::Secured;
use super::{ForwardError, Forwarder, connect, eyeballs};
use crate::clock::Clock;
use crate::interim::Interim;
use crate::tunnel::Switched;

/// A connection that died while it was kept says so within a round trip.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What may be sent again though some of it was sent: the head of a safe request without a body.
pub(super) struct Again {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Again {
    /// RFC 9110 §9.2.1: only what asks for no change.
    pub(super) fn of(request: &Request<RequestBody>) -> Option<Self> {
        let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        (safe && matches!(request.body(), RequestBody::Empty)).then(|| Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
        })
    }

    fn request(&self) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::Empty);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        *request.version_mut() = Version::HTTP_11;
        request
    }
}

/// The time there is to connect.
#[derive(Clone, Copy)]
struct Left {
    time: Duration,
    /// Nothing of it was spent on waiting for another: who does not connect within it takes no connection.
    is_all: bool,
}

/// One request on its way from address to address.
pub(super) struct Attempt<'a> {
    pub(super) forwarder: &'a Forwarder,
    pub(super) origin: &'a Origin,
    pub(super) secured: Option<Secured>,
    pub(super) speaks: Speaks,
    pub(super) interim: &'a Interim,
    pub(super) again: Option<Again>,
    /// What is left of the time for a head, however often one is asked for.
    pub(super) left: Duration,
    /// What is still to be sent; nothing once sending it again could do harm.
    pub(super) request: Option<Request<RequestBody>>,
}

impl Attempt<'_> {
    /// Asks at one of these addresses, and says which were tried for it. A connection that was kept may have died meanwhile; that says
    /// nothing of its address, so a new one follows at once.
    pub(super) async fn at(
        &mut self,
        addresses: &[Allowed],
    ) -> (Vec<SocketAddr>, Result<Response<OriginBody>, ForwardError>) {
        if let Some((kept, to)) = self.kept(addresses) {
            let (address, outstanding) = (to.address, self.forwarder.balance.hold(to.address));
            let began = Clock::deadline(Duration::ZERO);
            match self.exchange(kept, to, outstanding).await {
                Err(error) if self.request.is_some() && !error.is_of_one_stream() && began.elapsed() < AT_ONCE => {}
                answer => return (vec![address], answer),
            }
        }
        // While it is dialled, it is busy too.
        let held = addresses.first().map(|first| self.forwarder.balance.hold(first.address()));
        // Most requests find one that was kept, and need no room for this.
        let (tried, connected) = Box::pin(self.connect(addresses)).await;
        let (sender, to) = match connected {
            Ok(connected) => connected,
            Err(error) => return (tried, Err(error.into())),
        };
        let (address, outstanding) = (to.address, self.forwarder.balance.hold(to.address));
        drop(held);
        let answer = self.exchange(sender, to, outstanding).await;
        // Who says that it has done nothing takes leave, or has much to do.
        if answer.as_ref().is_err_and(|error| error.is_reset() && !error.is_undone()) {
            self.failed(address, Failing::Reset);
        }
        (tried, answer)
    }

    fn kept(&self, addresses: &[Allowed]) -> Option<(Sender, Destination)> {
        let keeping = self.keeping();
        addresses.iter().find_map(|address| {
            let to = self.destination(*address);
            self.forwarder.pool.take(&to, &keeping).map(|kept| (kept, to))
        })
    }

    /// A connection that is opened for this, or that another opens meanwhile.
    async fn connect(&self, addresses: &[Allowed]) -> (Vec<SocketAddr>, Result<(Sender, Destination), ConnectError>) {
        let Some(first) = addresses.first() else { return (Vec::new(), Err(ConnectError::Nowhere)) };
        let time = Duration::from_millis(self.origin.connect_timeout_ms);
        let (pool, to, by) = (&self.forwarder.pool, self.destination(*first), Clock::deadline(time));
        let (mut has_waited, mut is_there) = (false, false);
        let late = |is_there, step, address| {
            if is_there {
                ConnectError::Crowded { address, after: time }
            } else {
                ConnectError::TimedOut { step, address, after: time }
            }
        };
        let opening = loop {
            match pool.turn(&to, &self.keeping()) {
                Turn::Kept(kept) => return (vec![to.address], Ok((kept, to))),
                Turn::Open(opening) => break opening,
                Turn::Wait(awaited) => match awaited.ended(by).await {
                    Came::Open => is_there = true,
                    Came::None => {}
                    Came::NothingInTime => return (vec![to.address], Err(late(is_there, Step::Dial, to.address))),
                },
            }
            has_waited = true;
            // Another of them may have been the first to connect.
            if let Some((kept, to)) = self.kept(addresses) {
                return (vec![to.address], Ok((kept, to)));
            }
        };
        let left = Left { time: by.saturating_duration_since(Clock::deadline(Duration::ZERO)), is_all: !has_waited };
        let (tried, opened) = self.open(addresses, opening, left).await;
        let opened = opened.map_err(|error| match error {
            ConnectError::TimedOut { step, address, .. } => late(is_there, step, address),
            error => error,
        });
        (tried, opened)
    }

    async fn open(
        &self,
        addresses: &[Allowed],
        opening: Opening,
        left: Left,
    ) -> (Vec<SocketAddr>, Result<(Sender, Destination), ConnectError>) {
        let race = eyeballs::race(addresses, left.time).await;
        if left.is_all {
            race.lost.iter().for_each(|address| self.failed(*address, Failing::Unreachable));
        }
        let (dialled, tried) = match race.ended {
            Ok(dialled) => (dialled, race.dialled),
            Err(error) => return (race.dialled, Err(error)),
        };
        let to = self.destination(dialled.address);
        let (speaking, deadline) = (connect::over(dialled.stream, &to), dialled.deadline);
        let timed_out = ConnectError::TimedOut { step: Step::Handshake, address: to.address, after: left.time };
        let opened = tokio::time::timeout_at(deadline, speaking).await.unwrap_or(Err(timed_out));
        let sender = opened.and_then(|opened| {
            let ended = ConnectError::Ended { address: to.address };
            opening.opened(opened, &to, &self.keeping()).ok_or(ended)
        });
        let sender = sender.inspect_err(|error| {
            if left.is_all || !matches!(error, ConnectError::TimedOut { .. }) {
                self.failed(to.address, Failing::Unreachable);
            }
        });
        (tried, sender.map(|sender| (sender, to)))
    }

    fn destination(&self, address: Allowed) -> Destination {
        Destination { address: address.address(), secured: self.secured.clone(), speaks: self.speaks }
    }

    fn keeping(&self) -> Keeping {
        let time = Duration::from_millis(self.origin.keep_alive_ms);
        Keeping { clock: self.forwarder.clock.clone(), time }
    }

    fn failed(&self, address: SocketAddr, how: Failing) {
        self.forwarder.balance.failed(address, how, self.forwarder.clock.now().monotonic);
    }

    async fn exchange(
        &mut self,
        mut sender: Sender,
        to: Destination,
        outstanding: Outstanding,
    ) -> Result<Response<OriginBody>, ForwardError> {
        let Some(request) = self.request.take() else { return Err(ForwardError::NoTarget) };
        let conditional =
            [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE].iter().any(|name| request.headers().contains_key(name));
        let offered = request.headers().get(header::UPGRADE).cloned();
        let expectation = request.body().expectation().cloned();
        let said = Said { expectation: expectation.clone(), interim: self.interim.clone() };
        let limit = Duration::from_millis(self.origin.response_timeout_ms);
        let (next, begun) = (request.body().who_is_next(), request.body().answered());
        let answer = match head_within(limit, &mut self.left, next, sender.send(request, said)).await {
            None => return Err(ForwardError::HeadTimedOut(limit)),
            Some(Ok(response)) => response,
            Some(Err(Failed { error, unsent })) => {
                let again = self.again.as_ref().filter(|_| error.is_worth_another());
                self.request = unsent.or_else(|| again.map(Again::request));
                return Err(error);
            }
        };
        outstanding.answered();
        if let Some(begun) = begun {
            begun.store(true, Ordering::Relaxed);
        }
        if let Some(expectation) = &expectation {
            expectation.answered();
        }
        if let Some(offered) = offered.filter(|_| answer.status() == StatusCode::SWITCHING_PROTOCOLS) {
            return Switched::of_answer(answer, &offered, outstanding).await;
        }
        let (parts, content) = answer.into_parts();
        if let Err(error) = answer::examine(&parts) {
            sender.distrust();
            return Err(error.into());
        }
        let lease = if conditional || parts.status != StatusCode::NOT_MODIFIED {
            let (pool, keeping) = (Arc::clone(&self.forwarder.pool), self.keeping());
            Some(Lease { sender, destination: to, pool, keeping, outstanding })
        } else {
            // Whoever answers a condition that was not put may be answering someone else.
            sender.distrust();
            None
        };
        Ok(Response::from_parts(parts, OriginBody::new(content, limit, lease, expectation)))
    }
}

/// Waits for a head, anew with each piece of the request's body that goes out. While the viewer keeps it waiting, an origin is not late.
async fn head_within<F: Future>(
    limit: Duration,
    left: &mut Duration,
    mut next: Option<watch::Receiver<Next>>,
    head: F,
) -> Option<F::Output> {
    let mut head = std::pin::pin!(head);
    loop {
        let began = Clock::deadline(Duration::ZERO);
        let time = match next.as_mut().map(|next| *next.borrow_and_update()) {
            None | Some(Next::Origin) => *left,
            // The body itself says when the viewer is late.
            Some(Next::Viewer(patience)) => patience.saturating_add(limit),
        };
        tokio::select! {
            biased;
            answer = head.as_mut() => {
                *left = left.saturating_sub(began.elapsed());
                return Some(answer);
            }
            () = told(&mut next) => *left = limit,
            () = tokio::time::sleep(time) => return None,
        }
    }
}

/// Returns when it may be another's turn; where nothing more comes of the body, never.
async fn told(next: &mut Option<watch::Receiver<Next>>) {
    let Some(told) = next else { return std::future::pending().await };
    if told.changed().await.is_err() {
        *next = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a head that does not come is waited for, when it becomes somebody's turn after these milliseconds.
    async fn waited(turns: &[(u64, Next)]) -> u128 {
        let (told, next) = watch::channel(Next::Origin);
        let began = Clock::deadline(Duration::ZERO);
        let sending = async {
            for (after, next) in turns {
                tokio::time::sleep_until(began + Duration::from_millis(*after)).await;
                told.send_replace(*next);
            }
            std::future::pending::<()>().await;
        };
        let (limit, mut left) = (Duration::from_secs(3), Duration::from_secs(3));
        tokio::select! {
            head = head_within(limit, &mut left, Some(next), std::future::pending::<()>()) => {
                assert_eq!(head, None);
            }
            () = sending => {}
        }
        Clock::deadline(Duration::ZERO).duration_since(began).as_millis()
    }

    #[tokio::test(start_paused = true)]
    async fn an_origin_has_its_time_from_the_last_piece_of_a_body_on() {
        let piece = |after| (after, Next::Origin);
        assert_eq!(waited(&[]).await, 3_000);
        assert_eq!(waited(&[piece(0)]).await, 3_000);
        assert_eq!(waited(&[piece(1), piece(2_900), piece(5_000)]).await, 8_000);
        assert_eq!(waited(&[piece(4_000)]).await, 3_000);
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_viewer_is_to_go_on_an_origin_has_all_of_its_time_still_before_it() {
        let viewers = Next::Viewer(Duration::from_secs(30));
        assert_eq!(waited(&[(2_000, viewers), (20_000, Next::Origin)]).await, 23_000);
        assert_eq!(waited(&[(2_000, viewers)]).await, 35_000, "its body would have ended long before");
        // A body that nobody holds any more is nobody's turn.
        let (told, next) = watch::channel(viewers);
        drop(told);
        let began = Clock::deadline(Duration::ZERO);
        let (limit, never) = (Duration::from_secs(3), std::future::pending::<()>());
        assert_eq!(head_within(limit, &mut limit.clone(), Some(next), never).await, None);
        assert_eq!(began.elapsed(), limit);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_waited_for_one_head_is_not_waited_for_the_next() {
        let (limit, mut left) = (Duration::from_secs(10), Duration::from_secs(10));
        for expect in [6, 2] {
            let failing = tokio::time::sleep(Duration::from_secs(4));
            assert_eq!(head_within(limit, &mut left, None, failing).await, Some(()));
            assert_eq!(left.as_secs(), expect);
        }
        let failing = tokio::time::sleep(Duration::from_secs(4));
        assert_eq!(head_within(limit, &mut left, None, failing).await, None);
    }
}
