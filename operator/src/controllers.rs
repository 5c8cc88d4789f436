//! Which change wakes which reconcile: every watch of the operator, on one page.
//!
//! Flow: watch → table → [`Group`] → key → [`runner`]. Besides: edges that answer, turns that come, a new leadership, and every ten
//! minutes all keys, because a watch can go silent without a word.
//! Guarantees: a Distribution is seen only once everything of its namespace is. Only the leader reconciles; what runs when a leadership
//! ends is dropped at its next await. What this operator wrote itself wakes no key whose runs fail. An object that does not parse is
//! logged and told to its owner as an event, and holds up nothing else.

mod follow;
mod scope;
mod unreadable;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, future::join4};
use kube::runtime::watcher::Config;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::distribution;
use crate::invalidation;
use crate::leader::Leadership;
use crate::names::{DISTRIBUTION_LABEL, DistributionKey, key_of};
use crate::runner::{self, Bell};
use crate::slim;
use crate::surroundings;
use crate::table::Group;
use crate::wake::Wake;
use scope::Scope;
use unreadable::Teller;

/// How often every key is looked at though nothing changed.
const RESYNC: Duration = Duration::from_mins(10);

/// Whom a change wakes.
#[derive(Clone, Copy)]
enum Wakes {
    Distribution,
    Invalidation,
    Both,
}

/// How a key is woken: because something changed, or because this operator wrote something.
type Ring = fn(&Bell, DistributionKey);

/// Starts watches that wake reconciles.
#[derive(Clone)]
struct Controllers {
    context: Arc<Context>,
    distribution: Bell,
    invalidation: Bell,
    unreadable: Teller,
    scopes: Vec<Arc<Scope>>,
    stop: CancellationToken,
}

/// Watches, and reconciles while this process leads, until `stop`.
pub async fn run(context: Arc<Context>, stop: CancellationToken) {
    let (distribution, of_distributions) = Bell::new();
    let (invalidation, of_invalidations) = Bell::new();
    let unreadable = Teller::new(context.events.clone());
    let scopes = scopes(&context);
    let controllers = Controllers { context, distribution, invalidation, unreadable, scopes, stop };
    controllers.watch_everything();
    let Controllers { context, stop, .. } = &controllers;
    let reconciles = async {
        context.stores.complete().await;
        let distributions = runner::run(
            controllers.distribution.clone(),
            of_distributions,
            context.metrics.reconciles("distribution"),
            |key| while_leading(context, async move |context| distribution::reconcile(context, &key).await),
        );
        let invalidations = runner::run(
            controllers.invalidation.clone(),
            of_invalidations,
            context.metrics.reconciles("invalidation"),
            |key| while_leading(context, async move |context| invalidation::reconcile(context, &key).await),
        );
        join4(distributions, invalidations, controllers.wake_without_a_watch(), controllers.follow_surroundings()).await
    };
    stop.run_until_cancelled(reconciles).await;
}

/// One for each watch to start of a kind.
fn scopes(context: &Context) -> Vec<Arc<Scope>> {
    let namespaces = context.settings.scopes().into_iter();
    namespaces.map(|namespace| Arc::new(Scope::new(namespace, &context.metrics))).collect()
}

impl Controllers {
    fn watch_everything(&self) {
        let stores = &self.context.stores;
        let all = Config::default();
        let ours = Config::default().labels(DISTRIBUTION_LABEL);

        self.watch(&stores.pods, &ours, slim::pod, Wakes::Both);

        self.watch(&stores.deployments, &ours, slim::meta, Wakes::Distribution);
        self.watch(&stores.config_maps, &ours, slim::meta, Wakes::Distribution);
        self.watch(&stores.service_accounts, &ours, slim::meta, Wakes::Distribution);
        self.watch(&stores.pod_disruption_budgets, &ours, slim::meta, Wakes::Distribution);
        self.watch(&stores.network_policies, &ours, slim::meta, Wakes::Distribution);

        // Children and origins alike. Whose origins they are is known from `interests`.
        self.watch(&stores.services, &all, slim::meta, Wakes::Distribution);
        self.watch(&stores.endpoint_slices, &all, slim::meta, Wakes::Distribution);
        self.watch(&stores.ingresses, &all, slim::meta, Wakes::Distribution);
        self.watch_grants(&stores.reference_grants);

        // Last, for these two list once all the others have.
        self.watch(&stores.distributions, &all, slim::meta, Wakes::Both);
        self.watch(&stores.invalidations, &all, slim::meta, Wakes::Invalidation);
    }

    /// Edges that connect, answer or fall silent; a turn that comes; a leadership that begins; time.
    async fn wake_without_a_watch(&self) {
        let mut leadership = self.context.leadership.clone();
        let mut bundle = self.context.ca_bundle.clone();
        let mut answers = pin!(self.context.edges.changed());
        let mut resync = interval(RESYNC);
        resync.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(key) = answers.next() => {
                    self.ring(key, Wakes::Both, Bell::ring);
                    continue;
                }
                key = self.context.turns.called() => {
                    self.ring(key, Wakes::Distribution, Bell::ring);
                    continue;
                }
                Ok(()) = leadership.changed() => {}
                Ok(()) = bundle.changed() => {}
                _ = resync.tick() => {}
                else => return,
            }
            let leading = leadership.borrow_and_update().is_leading();
            self.context.metrics.lead(leading);
            if leading {
                // What edges are told is forgotten with each leadership.
                self.context.edges.trust(&bundle.borrow_and_update());
                self.ring_all();
            }
        }
    }

    /// Where no origin may be is in every configuration.
    async fn follow_surroundings(&self) {
        let Context { client, cluster, leadership, .. } = &*self.context;
        let ring_all = || {
            if leadership.borrow().is_leading() {
                self.ring_all();
            }
        };
        surroundings::follow(client, cluster, ring_all).await;
    }

    fn ring_those_concerned(&self, group: Group, wakes: Wakes, ring: Ring) {
        match group {
            Group::Distribution(key) => self.ring(key, wakes, ring),
            Group::Alias(_) => {
                let contenders = self.context.stores.distributions.of(&group);
                for contender in contenders {
                    self.ring(key_of(&contender), Wakes::Distribution, ring);
                }
            }
            Group::Service(..) | Group::Ingress(..) | Group::Grants(_) => {
                let interested = self.context.interests.of(&group);
                for key in interested {
                    self.ring(key, wakes, ring);
                }
            }
        }
    }

    fn ring(&self, key: DistributionKey, wakes: Wakes, ring: Ring) {
        if !matches!(wakes, Wakes::Invalidation) {
            ring(&self.distribution, key.clone());
        }
        if !matches!(wakes, Wakes::Distribution) {
            ring(&self.invalidation, key);
        }
    }

    /// Also keys that only Invalidations name: what is wrong with those is to be said.
    fn ring_all(&self) {
        let stores = &self.context.stores;
        let distributions = stores.distributions.groups();
        let invalidations = stores.invalidations.groups();
        for group in distributions.into_iter().chain(invalidations) {
            if let Group::Distribution(key) = group {
                self.ring(key, Wakes::Both, Bell::ring);
            }
        }
    }
}

/// Runs a reconcile as long as this process leads: not at all if it does not, and no longer than that.
async fn while_leading<'a, E>(
    context: &'a Context,
    reconcile: impl AsyncFnOnce(&'a Context) -> Result<Wake, E>,
) -> Result<Wake, E> {
    let mut leadership = context.leadership.clone();
    if !leadership.borrow().is_leading() {
        return Ok(Wake::ON_CHANGE);
    }
    tokio::select! {
        biased;
        // Whoever leads next looks at every key.
        _ = leadership.wait_for(|leadership| !Leadership::is_leading(leadership)) => Ok(Wake::ON_CHANGE),
        result = reconcile(context) => result,
    }
}

#[cfg(test)]
mod tests;
