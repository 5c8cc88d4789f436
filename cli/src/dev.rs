//! Manifests into an edge on this machine that follows them: what an operator and its edge do, in one process, without a cluster.
//!
//! Flow: files → [`Kept`] → [`decide`] → [`Live`](edge::live::Live); every half second the files are looked at again. What the edge
//! observes → what is said, and [`Conditions`].
//! Guarantees: requests are answered by the edge's own code, a mistake takes down nothing that serves, and whatever is wrong is
//! said once for each time that a file changes.
//! Errors: an address that cannot be listened on, and files in which nothing can be served, end it.

mod admin;
mod conditions;
mod invalidations;
mod listing;
mod log;
mod mounted;
mod orders;
mod told;
mod watch;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use edge::clock::Clock;
use edge::edge::{Edge, assemble};
use edge::process::{self, StartError};
use edge::settings::{OperatorSettings, Settings};
use edge_contract::{EdgeConfig, ReferenceState, Site, Walls};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use operator::cluster::Cluster;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use crate::Outcome;
use crate::arguments::Dev;
use crate::cluster::cluster;
use crate::complaint::Complaint;
use crate::files::{Files, Texts};
use crate::places::{Assume, Places};
use crate::serving::{Around, Flush, Memory, Served, decide};
use crate::world::{Kept, World};
use admin::{Admin, nobody, responses};
use conditions::{Conditions, Said};
use invalidations::{Fired, site_of};
use mounted::Lack;
use orders::{EPOCH, Orders};
use told::Told;
use watch::Watch;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// As many connections of viewers as one person's tools open.
const CONNECTIONS: usize = 1_024;

/// Serves until SIGTERM or SIGINT.
pub fn run(dev: &Dev) -> Result<Outcome, String> {
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(|error| format!("starting: {error}"))?;
    let outcome = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(|error| format!("signals: {error}"))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| format!("signals: {error}"))?;
        tokio::select! {
            outcome = serve(dev) => outcome,
            _ = terminate.recv() => Ok(Outcome::Well),
            _ = interrupt.recv() => Ok(Outcome::Well),
        }
    });
    // Nobody waits for what a person has ended.
    runtime.shutdown_background();
    outcome
}

async fn serve(dev: &Dev) -> Result<Outcome, String> {
    let known = log::begin(dev.log_format);
    let settings = settings(dev);
    let files = Files::named(&dev.manifests.files);
    let texts = files.read();
    let watch = Watch::from(texts.clone());
    let mut session = Session::new(dev, &settings, known);
    let first = session.look(&texts);
    if session.sites.is_empty() {
        session.act(first).await;
        eprintln!("nothing here can be served");
        return Ok(Outcome::Found);
    }
    let (viewer_socket, viewers) = process::bind(settings.listen).await.map_err(|error| unbound(&error, "--listen"))?;
    let (admin_socket, admin) = process::bind(settings.admin).await.map_err(|error| unbound(&error, "--admin"))?;
    process::serve(&session.edge, viewer_socket, &settings);
    tokio::spawn(admin::run(Arc::new(session.admin()), admin_socket));
    session.act(first).await;
    eprintln!("viewers: http://{viewers}  admin: http://{admin}");
    follow(session, &files, watch).await
}

/// Follows the files, and what the edge finds out: for ever.
async fn follow(mut session: Session, files: &Files, mut watch: Watch) -> Result<Outcome, String> {
    let mut observed = session.edge.live.observing().changes();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Ok(()) = observed.changed() => session.tell(),
            _ = looks.tick() => {
                let files = files.clone();
                let read = tokio::task::spawn_blocking(move || files.read()).await;
                if let Some(texts) = read.ok().and_then(|texts| watch.look(texts)) {
                    let look = session.look(&texts);
                    session.act(look).await;
                }
            }
        }
    }
}

/// An edge's settings, without an operator.
fn settings(dev: &Dev) -> Settings {
    Settings {
        listen: dev.listen,
        admin: dev.admin,
        edges_listen: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
        config: None,
        mounts: dev.mounts.clone(),
        mounted: None,
        cache_memory: dev.cache_memory.saturating_mul(1024 * 1024),
        max_connections: CONNECTIONS,
        dns: None,
        drain_accept: 0,
        drain_limit: 0,
        access_log: true,
        operator: OperatorSettings::default(),
    }
}

fn unbound(error: &StartError, flag: &str) -> String {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{source}; {flag} says where else")
}

/// Everything that is remembered from one look at the files to the next.
struct Session {
    edge: Arc<Edge>,
    orders: Arc<Orders>,
    known: log::Shared,
    namespace: String,
    around: Around,
    kept: Kept,
    memory: Memory,
    fired: Fired,
    sites: Vec<Site>,
    revision: u64,
    /// Why the edge refused the sites that were decided last.
    refused: Option<String>,
    /// The folder that stands in for mounted things.
    mounts: PathBuf,
    last: Look,
    told: Told,
    conditions: Arc<Mutex<Conditions>>,
}

/// What one look at the files came to.
#[derive(Default)]
struct Look {
    world: World,
    served: Vec<Served>,
    complaints: Vec<Complaint>,
}

impl Session {
    fn new(dev: &Dev, settings: &Settings, known: log::Shared) -> Self {
        let walls = Walls { local_origins: dev.here.allow_local_origins, ..Walls::default() };
        let namespace = dev.manifests.namespace.clone();
        let edge = assemble(settings, Clock::system());
        Self {
            orders: Arc::new(Orders::begin(edge.live.clone())),
            around: Around {
                places: Places::of(&dev.here.service, &dev.here.ingress, &namespace),
                assume: Assume::Here,
                cluster: Arc::new(Cluster { walls, ..cluster("") }),
            },
            edge,
            known,
            namespace,
            kept: Kept::default(),
            memory: Memory::default(),
            fired: Fired::default(),
            sites: Vec::new(),
            revision: 0,
            refused: None,
            mounts: dev.mounts.clone(),
            last: Look::default(),
            told: Told::default(),
            conditions: Arc::default(),
        }
    }

    fn admin(&self) -> Admin {
        Admin {
            edge: Arc::clone(&self.edge),
            orders: Arc::clone(&self.orders),
            conditions: Arc::clone(&self.conditions),
            namespace: self.namespace.clone(),
        }
    }

    /// Serves what the files say now.
    fn look(&mut self, texts: &Texts) -> Look {
        let (world, mut complaints) = self.kept.take(texts, &self.namespace);
        let (served, found) = decide(&world, &mut self.memory, &self.around);
        complaints.extend(found);
        self.refused = self.configure(&served).err();
        complaints.extend(self.refused.iter().map(|words| Complaint::about(&"these files".into(), words)));
        Look { world, served, complaints }
    }

    /// Removes what is to be removed with it, and says what is new. The edge runs by now: it is what removes.
    async fn act(&mut self, mut look: Look) {
        for one in &look.served {
            let why = match one.flush {
                Some(Flush::ContentVersion) => format!("contentVersion of {} changed", one.site.name),
                Some(Flush::Returned) => format!("{} was out of the files and begins anew", one.site.name),
                None => continue,
            };
            let done = self.orders.flush(&one.site.id).await;
            eprintln!("{why}: {} removed", responses(done.removed));
        }
        look.complaints.extend(self.invalidate(&look.world).await);
        self.last = look;
        self.tell();
    }

    /// Judges what is new, of the files and of what the edge has found out, and says it.
    fn tell(&mut self) {
        let lacks = mounted::lacks(&self.edge.live, &self.sites, &self.mounts);
        let Look { world, served, complaints } = &self.last;
        let origins = self.edge.live.observing().now().origins;
        let judged = self.memory.judged().map(|(key, judged)| {
            let served = served.iter().find(|one| one.site.name == key.to_string());
            (key.clone(), judged, Said::of(served, &lacks, &origins, self.refused.as_ref()))
        });
        let mut conditions = self.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        conditions.take(judged, &Time(operator::clock::wall()));
        drop(conditions);
        if !served.is_empty() {
            *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known(served, &lacks);
        }
        let of_lack = |lack: &Lack| {
            let (_, declared) = world.distributions.iter().find(|(key, _)| key.to_string() == lack.site)?;
            let ReferenceState { field, message } = lack.told();
            Some(declared.complaint(&field, message).into_warning())
        };
        let all: Vec<_> = complaints.iter().cloned().chain(lacks.iter().filter_map(of_lack)).collect();
        let unused = self.unused(world, served);
        self.told.tell(served, &all, world.skipped.iter().cloned().chain(unused));
    }

    /// Serves other sites, if they are others.
    fn configure(&mut self, served: &[Served]) -> Result<(), String> {
        let sites: Vec<Site> = served.iter().map(|one| one.site.clone()).collect();
        if sites == self.sites || sites.is_empty() {
            return Ok(());
        }
        let revision = self.revision + 1;
        let config = EdgeConfig::of(EPOCH, revision, sites.clone());
        self.edge.live.take_config(config)?;
        (self.revision, self.sites) = (revision, sites);
        Ok(())
    }

    /// Carries out the Invalidations that are due.
    async fn invalidate(&mut self, world: &World) -> Vec<Complaint> {
        let (due, mut complaints) = self.fired.due(&world.invalidations);
        for one in due {
            let (site, distribution) = site_of(&one.object);
            if self.orders.serves(&site) {
                admin::carry_out(&self.orders, &one).await;
            } else {
                complaints.push(one.complaint("spec.distributionRef.name", nobody(&distribution)));
            }
        }
        complaints
    }

    /// Flags for what no origin names. While something was not taken, what served before may name it.
    fn unused(&self, world: &World, served: &[Served]) -> Vec<Complaint> {
        if !world.refused.is_empty() || served.iter().any(|one| one.is_refused) {
            return Vec::new();
        }
        let specs = world.distributions.iter().map(|(key, one)| (key.namespace.as_str(), &one.object.spec));
        let unused = self.around.places.unused(specs).into_iter();
        unused.map(|text| Complaint::about(&"command line".into(), text).into_warning()).collect()
    }
}

/// What lines speak of.
fn known(served: &[Served], lacks: &[Lack]) -> log::Known {
    let hosts = served.iter().flat_map(|one| one.site.aliases.iter().cloned()).collect();
    let lost = served.iter().flat_map(|one| one.placed.iter().map(move |placed| (&one.site.name, placed)));
    let places = lost.filter_map(|(site, placed)| {
        let mends = placed.mends.clone().filter(|_| placed.address.is_none())?;
        Some(((site.clone(), placed.origin.clone()), mends))
    });
    // Of several files the first is missed first.
    let files =
        lacks.iter().rev().filter_map(|lack| Some(((lack.site.clone(), lack.origin.clone()), lack.mends.clone()?)));
    log::Known { hosts, distributions: served.len(), mends: places.chain(files).collect() }
}
