//! A name into what DNS says of it, both families at once.
//!
//! Where the pod's hosts file knows a name, that is all there is to it: hostAliases are the owner's own word.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, Record, RecordType};
use hickory_resolver::{Hosts, TokioResolver};

/// RFC 8305 §3: how long addresses of one family wait for the other's.
const OTHER_FAMILY: Duration = Duration::from_millis(50);
/// How long one question waits for its answer before it is put again: one lost packet must not cost an attempt's whole time.
const QUESTION: Duration = Duration::from_secs(1);

/// What DNS says.
#[derive(Debug)]
pub enum Answer {
    /// These addresses.
    Found {
        /// IPv4 first.
        addresses: Vec<IpAddr>,
        /// For how long.
        time_to_live: Duration,
    },
    /// That there is no such name, or no address.
    Absent {
        /// For how long.
        time_to_live: Duration,
        /// In its words.
        error: NetError,
    },
    /// Nothing, or nothing of use.
    Failed(NetError),
}

/// What is made of a name that stands for another one (CNAME).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aliases {
    /// It is followed, as everywhere.
    Followed,
    /// The name is as if it were absent: what was allowed was this one.
    Refused,
}

/// The way to DNS.
#[derive(Default)]
pub struct Dns {
    server: Option<SocketAddr>,
    system: OnceLock<System>,
}

#[derive(Clone)]
struct System {
    resolver: TokioResolver,
    hosts: Arc<Hosts>,
}

impl Dns {
    /// By this server, or by those that the system's configuration names.
    pub fn new(server: Option<SocketAddr>) -> Self {
        Self { server, ..Self::default() }
    }

    /// Asks for a name that ends in a dot. The system's configuration is read when it is needed first.
    pub fn ask(&self, name: &str, aliases: Aliases) -> Result<impl Future<Output = Answer> + Send + use<>, NetError> {
        let system = if let Some(made) = self.system.get() {
            made.clone()
        } else {
            let made = System::of(self.server)?;
            self.system.get_or_init(|| made).clone()
        };
        let name = Name::from_ascii(name)?;
        Ok(async move { system.ask(name, aliases).await })
    }
}

impl System {
    fn of(server: Option<SocketAddr>) -> Result<Self, NetError> {
        let mut builder = match server {
            None => TokioResolver::builder_tokio()?,
            Some(server) => {
                let mut config = NameServerConfig::udp_and_tcp(server.ip());
                config.connections.iter_mut().for_each(|connection| connection.port = server.port());
                let config = ResolverConfig::from_name_servers(vec![config]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options = builder.options_mut();
        options.timeout = options.timeout.min(QUESTION);
        // How long an answer holds is judged by this edge's clock, and hosts are looked at for both families at once.
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        let hosts = Hosts::from_system().unwrap_or_else(|error| {
            tracing::warn!(%error, "the hosts file cannot be read, so it is as if it were empty");
            Hosts::default()
        });
        Ok(Self { resolver: builder.build()?, hosts: Arc::new(hosts) })
    }

    async fn ask(&self, name: Name, aliases: Aliases) -> Answer {
        let families = [RecordType::A, RecordType::AAAA];
        let listed = families.map(|family| self.hosts.lookup_static_host(&Query::query(name.clone(), family)));
        if listed.iter().any(Option::is_some) {
            return said(listed.into_iter().flatten().map(Ok).collect(), None);
        }
        let [ipv4, ipv6] = families.map(|family| self.resolver.lookup(name.clone(), family));
        let (mut ipv4, mut ipv6) = (pin!(ipv4), pin!(ipv6));
        let only = (aliases == Aliases::Refused).then_some(&name);
        tokio::select! {
            first = &mut ipv4 => {
                let second = other(&first, ipv6).await;
                said([Some(first), second].into_iter().flatten().collect(), only)
            }
            first = &mut ipv6 => {
                let second = other(&first, ipv4).await;
                said([second, Some(first)].into_iter().flatten().collect(), only)
            }
        }
    }
}

type Said = Result<Lookup, NetError>;

/// What the other family has to say, as long as it is worth waiting for.
async fn other(first: &Said, second: impl Future<Output = Said>) -> Option<Said> {
    let suffices = first.as_ref().is_ok_and(|found| addresses(found).next().is_some());
    if !suffices {
        return Some(second.await);
    }
    tokio::time::timeout(OTHER_FAMILY, second).await.ok()
}

/// What all families say together. That there is no address, all of them must say. With a name that is the `only` one, an address of any
/// other is none.
fn said(answers: Vec<Said>, only: Option<&Name>) -> Answer {
    let found: Vec<&Lookup> = answers.iter().flatten().collect();
    let addresses: Vec<IpAddr> = found.iter().flat_map(|lookup| addresses(lookup)).collect();
    let is_of_another =
        |record: &Record| record.data.ip_addr().is_some() && only.is_some_and(|only| record.name != *only);
    let elsewhere = found.iter().flat_map(|lookup| lookup.answers()).any(is_of_another);
    if !addresses.is_empty() {
        let times = found.iter().flat_map(|lookup| lookup.answers()).map(|record| record.ttl);
        let time_to_live = Duration::from_secs(times.min().unwrap_or_default().into());
        if elsewhere {
            let error = NetError::Message("it stands for another name (CNAME), and a Service's own name never does");
            return Answer::Absent { time_to_live, error };
        }
        return Answer::Found { addresses, time_to_live };
    }
    let mut time_to_live = None;
    let mut absent = NetError::Message("no address");
    for error in answers.into_iter().filter_map(Result::err) {
        let NetError::Dns(DnsError::NoRecordsFound(no_records)) = &error else { return Answer::Failed(error) };
        let seconds = no_records.negative_ttl.unwrap_or_default();
        time_to_live = Some(time_to_live.map_or(seconds, |least: u32| least.min(seconds)));
        absent = error;
    }
    Answer::Absent { time_to_live: Duration::from_secs(time_to_live.unwrap_or_default().into()), error: absent }
}

fn addresses(lookup: &Lookup) -> impl Iterator<Item = IpAddr> {
    lookup.answers().iter().filter_map(|record| record.data.ip_addr())
}
