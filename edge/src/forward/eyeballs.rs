//! Several addresses into the first of them that connects (RFC 8305).

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::connect::{ConnectError, Step};
use super::guard::Allowed;
use crate::clock::Clock;

/// RFC 8305 §5: how long one address has before the next is tried beside it.
const NEXT_AFTER: Duration = Duration::from_millis(250);

/// An open connection.
#[derive(Debug)]
pub struct Dialled {
    /// To whom.
    pub address: Allowed,
    /// Without TLS as yet.
    pub stream: TcpStream,
    /// When the time for this attempt is over, TLS included.
    pub deadline: Instant,
}

/// How a race ended.
#[derive(Debug)]
pub struct Race {
    /// The first who connected, or why the last one did not.
    pub ended: Result<Dialled, ConnectError>,
    /// Those that were dialled, in turn.
    pub dialled: Vec<SocketAddr>,
    /// Those of them that took no connection, or that were overtaken by one that had less time for it.
    pub lost: Vec<SocketAddr>,
}

/// RFC 8305 §4: families alternate, each in its order. What fails there is often all of a family.
pub fn interleave<T>(addresses: Vec<T>, is_ipv6: impl Fn(&T) -> bool) -> Vec<T> {
    let starts_with_ipv6 = addresses.first().is_some_and(&is_ipv6);
    let (ipv6, ipv4): (Vec<T>, Vec<T>) = addresses.into_iter().partition(is_ipv6);
    let (first, second) = if starts_with_ipv6 { (ipv6, ipv4) } else { (ipv4, ipv6) };
    let mut second = second.into_iter();
    let mut mixed: Vec<T> = first.into_iter().flat_map(|one| [Some(one), second.next()]).flatten().collect();
    mixed.extend(second);
    mixed
}

/// Dials addresses one after the other until one of them connects; each has `limit` for it.
pub async fn race(addresses: &[Allowed], limit: Duration) -> Race {
    let mut dials = JoinSet::new();
    let (mut dialled, mut lost) = (Vec::new(), Vec::new());
    let mut waiting = addresses.iter().copied();
    let mut failure = None;
    loop {
        if let Some(address) = waiting.next() {
            dialled.push(address.address());
            dials.spawn(dial(address, limit));
        }
        let ended = if waiting.len() > 0 {
            match tokio::time::timeout(NEXT_AFTER, dials.join_next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            }
        } else {
            dials.join_next().await
        };
        match ended {
            Some(Ok(Ok(open))) => {
                let overtaken = dialled.iter().take_while(|address| **address != open.address.address());
                let overtaken: Vec<_> = overtaken.copied().filter(|address| !lost.contains(address)).collect();
                lost.extend(overtaken);
                return Race { ended: Ok(open), dialled, lost };
            }
            Some(Ok(Err((address, error)))) => {
                lost.push(address);
                failure = Some(error);
            }
            // A dial does not panic, and nobody ends it.
            Some(Err(_)) => {}
            None if waiting.len() > 0 => {}
            None => return Race { ended: Err(failure.unwrap_or(ConnectError::Nowhere)), dialled, lost },
        }
    }
}

async fn dial(allowed: Allowed, limit: Duration) -> Result<Dialled, (SocketAddr, ConnectError)> {
    let (address, deadline) = (allowed.address(), Clock::deadline(limit));
    match tokio::time::timeout_at(deadline, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => Ok(Dialled { address: allowed, stream, deadline }),
        Ok(Err(source)) => Err((address, ConnectError::Refused { address, source })),
        Err(_) => Err((address, ConnectError::TimedOut { step: Step::Dial, address, after: limit })),
    }
}

#[cfg(test)]
mod tests {
    use edge_contract::{OriginTarget, Scheme, Walls};
    use tokio::net::{TcpListener, TcpSocket};

    use super::super::guard::Wall;
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn families_alternate_and_begin_with_that_of_the_best_address() {
        let check = |addresses: &[&str], expect: &[&str]| {
            assert_eq!(interleave(addresses.to_vec(), |address| address.contains(':')), expect, "{addresses:?}");
        };
        check(&["::1", "::2", "::3", "4.1", "4.2"], &["::1", "4.1", "::2", "4.2", "::3"]);
        check(&["4.1", "::1", "4.2", "4.3"], &["4.1", "::1", "4.2", "4.3"]);
        check(&["::1", "4.1", "4.2", "4.3"], &["::1", "4.1", "4.2", "4.3"]);
        check(&["4.1"], &["4.1"]);
        check(&[], &[]);
    }

    async fn race(addresses: &[SocketAddr], limit: Duration) -> Race {
        let walls = Walls { local_origins: true, ..Walls::default() };
        let target = OriginTarget::Address { scheme: Scheme::Http, host: String::new(), port: 80 };
        let wall = Wall { walls: &walls, target: &target };
        let allowed: Vec<_> = addresses.iter().map(|address| wall.judge(*address).expect("is allowed")).collect();
        super::race(&allowed, limit).await
    }

    async fn listening() -> (SocketAddr, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        (listener.local_addr().expect("is bound"), listener)
    }

    /// An address whose connections wait: its queue holds one, and that one is there.
    async fn full() -> (SocketAddr, (TcpListener, TcpStream)) {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port is free");
        let listener = socket.listen(0).expect("listens");
        let address = listener.local_addr().expect("is bound");
        let first = TcpStream::connect(address).await.expect("is queued");
        (address, (listener, first))
    }

    #[tokio::test]
    async fn who_takes_no_connection_is_overtaken_long_before_its_time_is_over() {
        let (full, _held) = full().await;
        let (open, _listener) = listening().await;
        let race = race(&[full, open], LONG).await;
        assert_eq!(race.ended.expect("connects").address.address(), open);
        assert_eq!((race.dialled, race.lost), (vec![full, open], vec![full]));
    }

    #[tokio::test]
    async fn who_refuses_is_followed_by_the_next_and_the_rest_are_not_dialled() {
        let (refusing, listener) = listening().await;
        drop(listener);
        let (open, _listener) = listening().await;
        let (unasked, _other) = listening().await;
        let race = race(&[refusing, open, unasked], LONG).await;
        assert_eq!(race.ended.expect("connects").address.address(), open);
        assert_eq!((race.dialled, race.lost), (vec![refusing, open], vec![refusing]));
    }

    #[tokio::test]
    async fn each_has_its_time_and_where_all_fail_that_is_told() {
        let (full, _held) = full().await;
        let alone = race(&[full], Duration::from_millis(20)).await;
        assert!(matches!(alone.ended, Err(ConnectError::TimedOut { .. })), "{:?}", alone.ended);
        let (refusing, listener) = listening().await;
        drop(listener);
        let both = race(&[refusing, full], Duration::from_millis(20)).await;
        assert!(matches!(both.ended, Err(ConnectError::TimedOut { .. })), "{:?}", both.ended);
        assert_eq!(both.lost, [refusing, full]);
    }
}
