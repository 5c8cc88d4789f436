//! One Lease into who leads: this process, or another one and where its channel is.
//!
//! Flow: Lease → `decide` → write → [`Leadership`], which everything else watches.
//! Guarantees: this process says [`Leadership::Leading`] only while its last renewal began less than
//! [`GIVE_UP`](decide::GIVE_UP) ago, so it stops before its Lease ends; a stopped leader releases, so the next one need not
//! wait. After a crash the next one leads within 17 s: a look every 2 s, then the 15 s that the Lease holds.
//! Assumptions: none on wall clocks. A machine that sleeps may wake up believing that it leads, for as long as a timer takes
//! to fire; whatever a leader writes must therefore be safe with two of them (the log's numbers are).
//! Errors: of the API are logged and tried again; they never end the election.

pub mod decide;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, PostParams};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

pub use decide::Candidacy;
use decide::{GIVE_UP, Observed, RENEW_EVERY, RETRY, Step, decide, held, released};

use crate::causes::chain;
use crate::clock;

/// Who leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leadership {
    /// This process does.
    Leading {
        /// From when on.
        since: Instant,
    },
    /// Another one does, or nobody.
    Following {
        /// `IP:port` of the leader's channel, if one is known.
        leader: Option<String>,
    },
}

impl Leadership {
    /// Whether this process leads.
    pub fn is_leading(&self) -> bool {
        matches!(self, Self::Leading { .. })
    }
}

/// What kept this process from reading or writing the Lease.
#[derive(Debug, thiserror::Error)]
enum LeaseError {
    #[error("could not read the Lease")]
    Read(#[source] kube::Error),
    #[error("could not write the Lease")]
    Write(#[source] kube::Error),
    #[error("the API did not answer in time")]
    Silent,
}

/// A candidate in the election.
pub struct Elector {
    candidacy: Candidacy,
    leases: Api<Lease>,
    observed: Option<Observed>,
    leadership: watch::Sender<Leadership>,
}

impl Elector {
    /// A candidate that follows until [`Elector::run`] wins, and where to watch it.
    pub fn new(client: kube::Client, candidacy: Candidacy) -> (Self, watch::Receiver<Leadership>) {
        let leases = Api::namespaced(client, &candidacy.namespace);
        let (leadership, watch) = watch::channel(Leadership::Following { leader: None });
        (Self { candidacy, leases, observed: None, leadership }, watch)
    }

    /// Takes part until `stop`, then releases the Lease if this process holds it.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let Some(won_at) = stop.run_until_cancelled(self.follow()).await else { break };
            stop.run_until_cancelled(self.lead(won_at)).await;
            self.publish(Leadership::Following { leader: None });
        }
        self.publish(Leadership::Following { leader: None });
        if timeout(RETRY, self.release()).await.is_err() {
            tracing::warn!("the Lease was not released in time; the next leader waits for it to run out");
        }
    }

    /// Looks until the Lease is ours; when the write that made it so began.
    async fn follow(&mut self) -> Instant {
        loop {
            let began = clock::monotonic();
            let won = timeout(RETRY, self.attempt()).await.unwrap_or(Err(LeaseError::Silent));
            match won {
                Ok(true) => return began,
                Ok(false) => {}
                Err(error) => tracing::warn!(error = chain(&error), "looking for the leader failed"),
            }
            let now = clock::monotonic();
            let me = self.candidacy.identity.as_str();
            let leader = self.observed.as_ref().and_then(|observed| observed.leader_address(me, now));
            self.publish(Leadership::Following { leader });
            let mut wake = now + RETRY;
            if let Step::Wait { until } = decide(me, self.observed.as_ref(), now) {
                wake = wake.min(until);
            }
            sleep_until(wake).await;
        }
    }

    /// Renews until it is lost or the last renewal is too long ago.
    async fn lead(&mut self, mut renewed: Instant) {
        self.publish(Leadership::Leading { since: clock::monotonic() });
        loop {
            let deadline = renewed + GIVE_UP;
            match timeout_at(deadline, self.renew(renewed + RENEW_EVERY)).await {
                // An answer that waited while this machine slept may be older than the Lease.
                Ok(Some(began)) if clock::monotonic() < began + GIVE_UP => renewed = began,
                Ok(Some(_)) | Err(_) => {
                    return tracing::error!("stepping down: the Lease could not be renewed in time");
                }
                Ok(None) => return tracing::error!("stepping down: another one holds the Lease"),
            }
        }
    }

    /// The next renewal, tried until it stands: when it began, or nothing when another one holds the Lease.
    async fn renew(&mut self, mut at: Instant) -> Option<Instant> {
        loop {
            sleep_until(at).await;
            let began = clock::monotonic();
            match timeout(RETRY, self.write_or_look()).await.unwrap_or(Err(LeaseError::Silent)) {
                Ok(true) => return Some(began),
                // Somebody changed a label at the wrong moment: the Lease is still ours as far as we know.
                Ok(false) if self.observed.as_ref().is_none_or(|o| o.is_held_by(&self.candidacy.identity)) => {}
                Ok(false) => return None,
                Err(error) => tracing::warn!(error = chain(&error), "renewing the Lease failed"),
            }
            at = clock::monotonic().max(began + RETRY);
        }
    }

    /// Renews on top of what is known, which saves the read; if that is out of date, looks first.
    async fn write_or_look(&mut self) -> Result<bool, LeaseError> {
        if self.observed.is_some() && self.write(Step::Renew).await? { Ok(true) } else { self.attempt().await }
    }

    /// One look and, where it allows, one write: whether the Lease is ours now.
    async fn attempt(&mut self) -> Result<bool, LeaseError> {
        let lease = self.leases.get_opt(&self.candidacy.lease).await.map_err(LeaseError::Read)?;
        let now = clock::monotonic();
        let before = self.observed.take();
        self.observed = lease.map(|lease| Observed::after(before, lease, now));
        match decide(&self.candidacy.identity, self.observed.as_ref(), now) {
            Step::Wait { .. } => Ok(false),
            step => self.write(step).await,
        }
    }

    /// Writes ourselves into the Lease: whether the write stands. It does not if anyone wrote before us.
    async fn write(&mut self, step: Step) -> Result<bool, LeaseError> {
        let lease = held(&self.candidacy, self.observed.as_ref(), clock::wall());
        let post = PostParams::default();
        let written = match step {
            Step::Create => self.leases.create(&post, &lease).await,
            _ => self.leases.replace(&self.candidacy.lease, &post, &lease).await,
        };
        match written {
            Ok(lease) => self.observed = Some(Observed::after(self.observed.take(), lease, clock::monotonic())),
            // 409: it changed since it was read, or was created meanwhile. 404: it was deleted.
            Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => return Ok(false),
            Err(error) => return Err(LeaseError::Write(error)),
        }
        Ok(true)
    }

    /// Lets go of the Lease, if it is ours.
    async fn release(&mut self) {
        // The election may have been cut off in the middle of a write: only a fresh read knows the resourceVersion.
        let Ok(Some(lease)) = self.leases.get_opt(&self.candidacy.lease).await else { return };
        let observed = Observed::after(None, lease, clock::monotonic());
        if !observed.is_held_by(&self.candidacy.identity) {
            return;
        }
        let lease = released(&observed, clock::wall());
        match self.leases.replace(&self.candidacy.lease, &PostParams::default(), &lease).await {
            Ok(_) => tracing::info!("released the Lease"),
            Err(error) => tracing::warn!(error = chain(&error), "releasing the Lease failed"),
        }
    }

    fn publish(&self, leadership: Leadership) {
        self.leadership.send_if_modified(|current| {
            let changed = *current != leadership;
            if changed {
                tracing::info!(?leadership, "leadership changed");
                *current = leadership;
            }
            changed
        });
    }
}

#[cfg(test)]
mod tests;
