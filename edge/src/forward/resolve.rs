//! The name of an origin into its addresses, as DNS has them.
//!
//! Guarantees: a name is looked up once for all who wait for it, and nobody waits for longer than one attempt may take. What is known
//! is judged by [`names`](super::names).
//! Errors: [`ResolveError`]; while an old answer stands in, there is none.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::net::{DnsError, NetError};
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::watch;

use super::counts::Counts;
use super::dns::{Aliases, Answer, Dns};
use super::names::{Names, Verdict};
use crate::clock::Clock;

/// RFC 8767 §5, the client response timer: who can be given an old answer waits for a new one no longer than this.
const STALE_AFTER: Duration = Duration::from_millis(1_800);
/// A lookup goes on for those who come later, but not for ever.
const LOOKUP_LIMIT: Duration = Duration::from_secs(10);

/// Why a name has no addresses.
#[derive(Debug, Error)]
pub enum ResolveError {
    /// The system's resolver configuration cannot be read.
    #[error("reading the system's resolver configuration")]
    Configuration(#[source] NetError),
    /// DNS has none.
    #[error("DNS knows no address of {0}")]
    Absent(String),
    /// DNS does not answer, or with nothing of use.
    #[error("resolving {name}")]
    Lookup {
        /// The name asked for.
        name: String,
        /// What DNS said.
        #[source]
        source: NetError,
    },
    /// DNS did not answer within the time for an attempt.
    #[error("resolving {name} took longer than {after:?}")]
    TimedOut {
        /// The name asked for.
        name: String,
        /// The time for one attempt.
        after: Duration,
    },
    /// It is neither an address nor a name of a host.
    #[error("{0} is no name of a host")]
    NoName(String),
}

/// Looks names up, and keeps what came of it.
pub struct Resolver {
    clock: Clock,
    dns: Dns,
    counts: Arc<Counts>,
    names: Arc<Mutex<Names<Beside>>>,
    /// Those that may stand for no other name.
    unaliased: Arc<Mutex<Names<Beside>>>,
}

/// A name that ends in a dot, and what else is asked of it.
#[derive(Clone, Copy)]
struct Question<'a> {
    name: &'a str,
    aliases: Aliases,
}

/// What is kept beside what is known of a name.
#[derive(Debug, Default)]
struct Beside {
    /// The lookup that is under way; its sender is gone when it has ended.
    lookup: Option<watch::Receiver<()>>,
    /// Why the last one came to nothing.
    error: Option<NetError>,
}

/// How far one look at a name leads.
enum Step {
    Done(Arc<[IpAddr]>),
    Failed(NetError),
    Wait(watch::Receiver<()>, Option<Arc<[IpAddr]>>),
}

impl Resolver {
    /// Asks this server, or those that the system's configuration names.
    pub fn new(clock: Clock, counts: Arc<Counts>, server: Option<SocketAddr>) -> Self {
        Self { clock, counts, dns: Dns::new(server), names: Arc::default(), unaliased: Arc::default() }
    }

    /// The addresses of a name, or the address that it is.
    pub async fn look_up(
        &self,
        host: &str,
        port: u16,
        limit: Duration,
        aliases: Aliases,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let name = whole(host).ok_or_else(|| ResolveError::NoName(host.to_owned()))?;
        let found = self.addresses(Question { name: &name, aliases }, limit).await?;
        Ok(found.iter().map(|address| SocketAddr::new(*address, port)).collect())
    }

    /// Nobody was at any address of this name.
    pub fn doubt(&self, host: &str, aliases: Aliases) {
        if let Some(name) = whole(host) {
            let now = self.clock.now().monotonic;
            self.known(aliases).lock().of(&name, now).0.doubted(now);
        }
    }

    fn known(&self, aliases: Aliases) -> &Arc<Mutex<Names<Beside>>> {
        match aliases {
            Aliases::Followed => &self.names,
            Aliases::Refused => &self.unaliased,
        }
    }

    async fn addresses(&self, question: Question<'_>, limit: Duration) -> Result<Arc<[IpAddr]>, ResolveError> {
        let name = question.name;
        let lookup = |source| match source {
            NetError::Dns(DnsError::NoRecordsFound(_)) => ResolveError::Absent(name.to_owned()),
            source => ResolveError::Lookup { name: name.to_owned(), source },
        };
        let (mut ended, stale) = match self.step(question)? {
            Step::Done(found) => return Ok(found),
            Step::Failed(source) => return Err(lookup(source)),
            Step::Wait(ended, stale) => (ended, stale),
        };
        let patience = if stale.is_some() { limit.min(STALE_AFTER) } else { limit };
        // It never says anything: that its sender is gone is the word.
        let in_time = tokio::time::timeout(patience, ended.changed()).await.is_ok();
        let now = self.clock.now().monotonic;
        let mut names = self.known(question.aliases).lock();
        let (known, beside) = names.of(name, now);
        if !in_time && stale.is_some() {
            known.failed(now);
        }
        match (known.judge(now), stale) {
            (Verdict::Use(found), _) => Ok(found),
            // DNS has answered, and that there is none.
            (Verdict::Fail, _) if in_time => Err(lookup(beside.last_error())),
            (_, Some(stale)) => Ok(self.stale(name, stale)),
            _ if in_time => Err(lookup(beside.last_error())),
            _ => Err(ResolveError::TimedOut { name: name.to_owned(), after: limit }),
        }
    }

    /// What is known is used; else the lookup begins that somebody must begin.
    fn step(&self, question: Question<'_>) -> Result<Step, ResolveError> {
        let now = self.clock.now().monotonic;
        let mut names = self.known(question.aliases).lock();
        let (known, beside) = names.of(question.name, now);
        let stale = match known.judge(now) {
            Verdict::Use(found) => return Ok(Step::Done(found)),
            Verdict::UseStale(found) => return Ok(Step::Done(self.stale(question.name, found))),
            Verdict::Fail => return Ok(Step::Failed(beside.last_error())),
            Verdict::Ask(stale) => stale,
        };
        let under_way = beside.lookup.as_ref().filter(|lookup| lookup.has_changed().is_ok()).cloned();
        let ended = if let Some(ended) = under_way { ended } else { self.begin(question, beside)? };
        Ok(Step::Wait(ended, stale))
    }

    /// It goes on whoever leaves: the next who asks for the name has use for it.
    fn begin(&self, question: Question<'_>, beside: &mut Beside) -> Result<watch::Receiver<()>, ResolveError> {
        let (under_way, ended) = watch::channel(());
        beside.lookup = Some(ended.clone());
        let Question { name, aliases } = question;
        let asking = self.dns.ask(name, aliases).map_err(ResolveError::Configuration)?;
        let (names, clock, name) = (Arc::clone(self.known(aliases)), self.clock.clone(), name.to_owned());
        tokio::spawn(async move {
            let answer = tokio::time::timeout(LOOKUP_LIMIT, asking).await;
            let now = clock.now().monotonic;
            let mut names = names.lock();
            let (known, beside) = names.of(&name, now);
            match answer.unwrap_or(Answer::Failed(NetError::Timeout)) {
                Answer::Found { addresses, time_to_live } => known.found(addresses.into(), time_to_live, now),
                Answer::Absent { time_to_live, error } => {
                    known.absent(time_to_live, now);
                    beside.error = Some(error);
                }
                Answer::Failed(error) => {
                    tracing::debug!(name, %error, "DNS does not answer");
                    known.failed(now);
                    beside.error = Some(error);
                }
            }
            drop(under_way);
        });
        Ok(ended)
    }

    fn stale(&self, name: &str, found: Arc<[IpAddr]>) -> Arc<[IpAddr]> {
        self.counts.stale_names.one();
        tracing::debug!(name, "DNS is silent, so its last answer stands in");
        found
    }
}

impl Beside {
    fn last_error(&self) -> NetError {
        self.error.clone().unwrap_or(NetError::Timeout)
    }
}

/// A host's name with its last dot, so that it is never tried with the search domains of the pod first; none where it is no such name.
/// What ends in a number is an address to some and a name to others, so it is neither here (RFC 1123 §2.1, WHATWG URL).
fn whole(host: &str) -> Option<String> {
    let bare = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let last = bare.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let is_hex = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let is_number = is_hex || last.bytes().all(|byte| byte.is_ascii_digit());
    (bare.len() <= 253 && bare.split('.').all(is_label) && !is_number)
        .then(|| format!("{}.", bare.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_needs_no_dns() {
        let resolver = Resolver::new(Clock::system(), Arc::default(), None);
        let found = resolver.look_up("::1", 8080, Duration::from_secs(1), Aliases::Refused).await.expect("is one");
        assert_eq!(found, ["[::1]:8080".parse().expect("an address")]);
    }

    #[test]
    fn a_name_is_asked_for_whole_and_a_number_is_no_name() {
        let check = |host: &str, expect: Option<&str>| assert_eq!(whole(host).as_deref(), expect, "{host}");
        check("Example.COM", Some("example.com."));
        check("app.shop.svc.cluster.local.", Some("app.shop.svc.cluster.local."));
        check("_app.xn--bcher-kva.test", Some("_app.xn--bcher-kva.test."));
        check("1.2.3.a4", Some("1.2.3.a4."));
        check("beef", Some("beef."));
        let label = "a".repeat(64);
        for host in [
            "",
            ".",
            "a..b",
            "a.b..",
            "127.1",
            "1.2.3.4.",
            "a.0x7f",
            "a.0x",
            "a.7",
            "fe80::1%eth0",
            "a b",
            "a/b",
            &label,
        ] {
            check(host, None);
        }
    }
}
