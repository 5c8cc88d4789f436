//! Connections to origins into the one for a next request: kept, shared, or worth waiting for while another opens it.
//!
//! Guarantees: a connection of HTTP/1.1 is kept only after a sound response, and the one that was used last is used first, so that the
//! others may grow old and go. One of HTTP/2 is shared by all who ask the same, the oldest with room first; while one is opened, and until
//! it is known for how many it has room, others wait for it rather than open their own, unless whoever answers there prefers HTTP/1.1.
//! Whoever is to open one and fails, or leaves, hands that duty to one of those who wait.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use super::connect::{Destination, Opened, Speaks};
use super::http2::Place;
use super::sender::Sender;
use super::{http1, http2};
use crate::clock::Clock;

/// The most connections kept to one destination, and in all.
const PER_DESTINATION: usize = 64;
const IN_ALL: usize = 1_024;

/// For how long a connection may wait for its next request.
#[derive(Clone, Debug)]
pub struct Keeping {
    /// The clock of the pool.
    pub clock: Clock,
    /// How long.
    pub time: Duration,
}

impl Keeping {
    /// Until when, if it waits from now on.
    pub fn until(&self) -> Duration {
        self.now() + self.time
    }

    fn now(&self) -> Duration {
        self.clock.now().monotonic
    }
}

/// Connections to origins that are or may be of use to others.
#[derive(Debug, Default)]
pub struct Pool {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    idle: HashMap<Destination, Vec<Idle>>,
    shared: HashMap<Destination, Vec<Arc<http2::Connection>>>,
    /// Those that are being opened, and whether they are open by now.
    opening: HashMap<Destination, watch::Receiver<bool>>,
    /// Where HTTP/1.1 was agreed on, though HTTP/2 was offered.
    prefer_http1: HashSet<Destination>,
}

#[derive(Debug)]
struct Idle {
    connection: http1::Connection,
    until: Duration,
}

/// How to come to a connection.
#[derive(Debug)]
pub enum Turn {
    /// There is one.
    Kept(Sender),
    /// It is this one's turn to open one.
    Open(Opening),
    /// Another opens one.
    Wait(Awaited),
}

/// The duty to open a connection; whoever waits for it hears when it is over, however that ends.
#[derive(Debug)]
pub struct Opening {
    pool: Arc<Pool>,
    /// Where to, and who is told, if anyone waits.
    told: Option<(Destination, watch::Sender<bool>)>,
}

/// A connection that another opens.
#[derive(Debug)]
pub struct Awaited(watch::Receiver<bool>);

/// What became of a connection that another was to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// It is open. There may be no room left, and it may be none for many.
    Open,
    /// Whoever was to open it has failed, or has gone.
    None,
    /// Nothing yet.
    NothingInTime,
}

impl Awaited {
    /// What became of it by then.
    pub async fn ended(mut self, by: Instant) -> Came {
        let over = async { while self.0.changed().await.is_ok() {} };
        match tokio::time::timeout_at(by, over).await {
            Err(_) => Came::NothingInTime,
            Ok(()) if *self.0.borrow() => Came::Open,
            Ok(()) => Came::None,
        }
    }
}

impl Pool {
    /// A connection that takes a request now.
    pub fn take(&self, destination: &Destination, keeping: &Keeping) -> Option<Sender> {
        self.kept.lock().take(destination, keeping)
    }

    /// The same, or how to come to one.
    pub fn turn(self: &Arc<Self>, destination: &Destination, keeping: &Keeping) -> Turn {
        let mut kept = self.kept.lock();
        if let Some(sender) = kept.take(destination, keeping) {
            return Turn::Kept(sender);
        }
        if !kept.may_share(destination) {
            return Turn::Open(self.open_beside());
        }
        if let Some(opening) = kept.opening.get(destination) {
            return Turn::Wait(Awaited(opening.clone()));
        }
        let (told, heard) = watch::channel(false);
        kept.opening.insert(destination.clone(), heard);
        Turn::Open(Opening { pool: Arc::clone(self), told: Some((destination.clone(), told)) })
    }

    /// Leave to open one that nobody waits for.
    pub fn open_beside(self: &Arc<Self>) -> Opening {
        Opening { pool: Arc::clone(self), told: None }
    }

    /// Keeps a connection that is ready for another request, in place of whichever has waited for longest where there are too many.
    pub fn put(&self, destination: Destination, connection: http1::Connection, until: Duration) {
        let mut kept = self.kept.lock();
        let count: usize = kept.idle.values().map(Vec::len).sum();
        if count >= IN_ALL {
            kept.let_go_of_oldest();
        }
        let connections = kept.idle.entry(destination).or_default();
        if connections.len() < PER_DESTINATION {
            connections.push(Idle { connection, until });
        }
    }

    /// Lets go of connections that are closed or have waited for long enough.
    pub fn prune(&self, now: Duration) {
        let mut kept = self.kept.lock();
        kept.idle.retain(|_, connections| {
            connections.retain(|idle| idle.until > now && !idle.connection.is_closed());
            !connections.is_empty()
        });
        kept.shared.retain(|_, connections| {
            connections.retain(|connection| connection.is_kept(now));
            !connections.is_empty()
        });
        // What is forgotten is found out again by the next connection.
        let Kept { idle, prefer_http1, .. } = &mut *kept;
        prefer_http1.retain(|destination| idle.contains_key(destination));
    }

    /// How many connections wait.
    pub fn len(&self) -> usize {
        let kept = self.kept.lock();
        let shared = kept.shared.values().flatten().filter(|connection| connection.is_idle()).count();
        kept.idle.values().map(Vec::len).sum::<usize>() + shared
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Kept {
    fn take(&mut self, destination: &Destination, keeping: &Keeping) -> Option<Sender> {
        let now = keeping.now();
        self.place(destination, keeping, now).map(Sender::Http2).or_else(|| self.pop(destination, now))
    }

    fn place(&mut self, destination: &Destination, keeping: &Keeping, now: Duration) -> Option<Place> {
        let connections = self.shared.get_mut(destination)?;
        connections.retain(|connection| connection.is_kept(now));
        let place = connections.iter().find_map(|connection| connection.place(keeping));
        if connections.is_empty() {
            self.shared.remove(destination);
        }
        place
    }

    fn pop(&mut self, destination: &Destination, now: Duration) -> Option<Sender> {
        let connections = self.idle.get_mut(destination)?;
        while let Some(idle) = connections.pop() {
            if idle.until > now && idle.connection.is_ready() {
                return Some(Sender::Http1(idle.connection));
            }
        }
        self.idle.remove(destination);
        None
    }

    /// Of each destination, the first has waited for longest.
    fn let_go_of_oldest(&mut self) {
        let firsts = self.idle.iter().filter_map(|(to, connections)| Some((connections.first()?.until, to)));
        let Some((_, to)) = firsts.min_by_key(|(until, _)| *until) else { return };
        let to = to.clone();
        if let Some(connections) = self.idle.get_mut(&to) {
            connections.remove(0);
            if connections.is_empty() {
                self.idle.remove(&to);
            }
        }
    }

    /// Whether a connection there is one for many, as far as is known.
    fn may_share(&self, destination: &Destination) -> bool {
        match destination.speaks {
            Speaks::Http1 => false,
            Speaks::Http2 => true,
            Speaks::Either => !self.prefer_http1.contains(destination),
        }
    }

    /// Remembers what was agreed on.
    fn agreed(&mut self, destination: &Destination, is_http1: bool) {
        if self.prefer_http1.len() >= IN_ALL {
            self.prefer_http1.clear();
        }
        if is_http1 {
            self.prefer_http1.insert(destination.clone());
        } else {
            self.prefer_http1.remove(destination);
        }
    }
}

impl Opening {
    /// It is open: what the first request is sent over. None: the origin has ended it meanwhile.
    pub fn opened(self, opened: Opened, destination: &Destination, keeping: &Keeping) -> Option<Sender> {
        if let Some((_, told)) = &self.told {
            told.send_replace(true);
        }
        let connection = match opened {
            Opened::Http1(connection) => {
                self.pool.kept.lock().agreed(destination, true);
                return Some(Sender::Http1(connection));
            }
            Opened::Http2(connection) => connection,
        };
        let mut kept = self.pool.kept.lock();
        kept.agreed(destination, false);
        let place = connection.place(keeping);
        let connections = kept.shared.entry(destination.clone()).or_default();
        if connections.len() < PER_DESTINATION {
            connections.push(Arc::clone(&connection));
        }
        drop(kept);
        // Whoever waits goes on once it is known how many may.
        tokio::spawn(async move {
            connection.is_settled().await;
            drop(self);
        });
        place.map(Sender::Http2)
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some((destination, _)) = &self.told {
            self.pool.kept.lock().opening.remove(destination);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, RootCertStore};
    use tokio::io::DuplexStream;

    use super::super::tls::Secured;
    use super::*;

    fn keeping() -> Keeping {
        Keeping { clock: Clock::standing(), time: Duration::from_mins(1) }
    }

    fn to(last: u16, speaks: Speaks) -> Destination {
        Destination { address: ([10, 0, 0, 1], last).into(), secured: None, speaks }
    }

    /// The same address under a name.
    fn named(name: &'static str) -> Destination {
        static CONFIG: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
            let roots = RootCertStore::empty();
            Arc::new(builder.expect("there are some").with_root_certificates(roots).with_no_client_auth())
        });
        let secured = Secured { name: ServerName::try_from(name).expect("is one"), config: Arc::clone(&CONFIG) };
        Destination { secured: Some(secured), ..to(443, Speaks::Either) }
    }

    async fn http1() -> (http1::Connection, DuplexStream) {
        let (near, far) = tokio::io::duplex(1024);
        (http1::open(near, ([10, 0, 0, 1], 80).into()).await.expect("is open"), far)
    }

    fn waits(turn: Turn) -> Awaited {
        match turn {
            Turn::Wait(awaited) => awaited,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn who_was_to_open_a_connection_and_does_not_is_followed_by_one_other() {
        let pool = Arc::new(Pool::default());
        let to = to(80, Speaks::Http2);
        let Turn::Open(opening) = pool.turn(&to, &keeping()) else { panic!("nobody is before it") };
        let (one, other) = (waits(pool.turn(&to, &keeping())), waits(pool.turn(&to, &keeping())));
        let by = Clock::deadline(Duration::from_secs(20));
        drop(opening);
        assert_eq!((one.ended(by).await, other.ended(by).await), (Came::None, Came::None));
        let Turn::Open(_opening) = pool.turn(&to, &keeping()) else { panic!("somebody has to") };
        let late = waits(pool.turn(&to, &keeping()));
        assert_eq!(late.ended(Clock::deadline(Duration::ZERO)).await, Came::NothingInTime);
    }

    #[tokio::test]
    async fn what_one_name_prefers_says_nothing_of_others_at_its_address() {
        let pool = Arc::new(Pool::default());
        let (old, new) = (named("old.test"), named("new.test"));
        let Turn::Open(opening) = pool.turn(&old, &keeping()) else { panic!("nobody is before it") };
        let (connection, _far) = http1().await;
        assert!(opening.opened(Opened::Http1(connection), &old, &keeping()).is_some());
        // Each who asks the one opens a connection; of those who ask the other, one does.
        let openings: Vec<_> = (0..2).map(|_| pool.turn(&old, &keeping())).collect();
        assert!(openings.iter().all(|turn| matches!(turn, Turn::Open(_))), "{openings:?}");
        let opening = pool.turn(&new, &keeping());
        assert!(matches!(opening, Turn::Open(_)), "{opening:?}");
        waits(pool.turn(&new, &keeping()));
    }

    #[tokio::test]
    async fn where_too_many_wait_the_oldest_goes() {
        let pool = Pool::default();
        let mut held = Vec::new();
        for last in 0..1_025 {
            let (connection, far) = http1().await;
            pool.put(to(last, Speaks::Http1), connection, Duration::from_secs(u64::from(last)));
            held.push(far);
        }
        assert_eq!(pool.len(), IN_ALL);
        let kept = pool.kept.lock();
        assert!(!kept.idle.contains_key(&to(0, Speaks::Http1)) && kept.idle.contains_key(&to(1_024, Speaks::Http1)));
    }
}
