//! A plan into objects and into what edges are told: carried out as it stands, without a choice.
//!
//! Guarantees: nothing is written that the live object holds already, or that the API made something else of; and nothing is removed while anything could not be
//! written. Pods are not touched while something they need could not be written. Edges are told a configuration only once it
//! lies in the `ConfigMap` that new edges start from.
//! Errors: are gathered, so that one object which an admission plugin refuses does not hold up the others. In a namespace that
//! ends nothing more is tried after the first refusal.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::ResourceExt;

use crate::child::ChildKind;
use crate::context::Context;
use crate::distribution::accept::Accepted;
use crate::distribution::observed::{Children, Observed};
use crate::distribution::plan::{HeldBack, Plan, Prune};
use crate::holds::holds;
use crate::names::DistributionKey;
use crate::server_side_apply::{Child, WriteError};
use crate::setback::Setback;
use crate::slim;
use crate::table::Table;

/// A plan was carried out, as far as the API let it.
#[derive(Debug, Default)]
pub struct Applied {
    /// What could not be written, the gravest first.
    pub failures: Vec<WriteError>,
    /// Deployments whose turn it is not yet.
    pub held_back: Vec<HeldBack>,
    /// Whether the API made something else of an object than was planned, and than it did before.
    pub altered: bool,
}

/// Carries out a plan.
pub async fn apply(context: &Context, observed: &Observed, accepted: &Accepted, plan: Plan) -> Applied {
    let Plan {
        service_account,
        configuration,
        network_policy,
        services,
        pod_disruption_budgets,
        deployments,
        held_back,
        endpoints,
        shields,
        prune,
    } = plan;
    let (stores, live) = (&context.stores, &observed.children);
    let key = &configuration.resolved.key;
    let mut writes = Writes { context, key, failures: Vec::new(), altered: false };

    let (epoch, revision) = accepted.number;
    let config_map = configuration.config_map(epoch, revision);
    writes.put(&stores.service_accounts, &live.service_accounts, [service_account]).await;
    let is_configured = writes.put(&stores.config_maps, &live.config_maps, [config_map]).await;
    let pods_may_change = writes.failures.is_empty();
    writes.put(&stores.network_policies, &live.network_policies, network_policy).await;
    writes.put(&stores.services, &live.services, services).await;
    writes.put(&stores.pod_disruption_budgets, &live.pod_disruption_budgets, pod_disruption_budgets).await;
    if pods_may_change {
        writes.put(&stores.deployments, &live.deployments, deployments).await;
    }
    if is_configured {
        context.edges.serve_config(key, Arc::new(configuration.numbered(epoch, revision)));
    }
    let site = &configuration.resolved.uid;
    context.edges.serve_endpoints(key, context.told.number(key, &configuration.sites, endpoints));
    context.edges.serve_tiers(key, context.told_shields.number(key, site, shields));
    if writes.failures.is_empty() {
        for child in &prune {
            writes.remove(live, child).await;
        }
    }
    let Writes { mut failures, altered, .. } = writes;
    failures.sort_by_key(|failure| Setback::of(failure));
    Applied { failures, held_back, altered }
}

/// Writes one after the other, and what became of them.
struct Writes<'a> {
    context: &'a Context,
    key: &'a DistributionKey,
    failures: Vec<WriteError>,
    altered: bool,
}

impl Writes<'_> {
    /// Applies those that the live objects do not hold yet; whether all of them stand now.
    async fn put<K: Child>(
        &mut self,
        store: &Table<K>,
        live: &BTreeMap<String, Arc<K>>,
        planned: impl IntoIterator<Item = K>,
    ) -> bool {
        let before = self.failures.len();
        for desired in planned {
            if self.failures.last().is_some_and(|failure| Setback::of(failure) == Setback::NamespaceEnds) {
                return false;
            }
            let live = live.get(&desired.name_any()).map(|live| &**live);
            let altered = &self.context.altered;
            if live.is_some_and(|live| holds(live, &desired) || altered.is_answer_to(self.key, live, &desired)) {
                continue;
            }
            match self.context.writer.apply(live, &desired).await {
                Ok(mut written) => {
                    slim::meta(&mut written);
                    self.altered |= altered.note(self.key, &desired, &written);
                    store.learn(written);
                }
                Err(error) => self.failures.push(error),
            }
        }
        self.failures.len() == before
    }

    async fn remove(&mut self, live: &Children, child: &Prune) {
        match child.kind {
            ChildKind::ConfigMap => self.delete(&live.config_maps, child).await,
            ChildKind::Deployment => self.delete(&live.deployments, child).await,
            ChildKind::NetworkPolicy => self.delete(&live.network_policies, child).await,
            ChildKind::PodDisruptionBudget => self.delete(&live.pod_disruption_budgets, child).await,
            ChildKind::Service => self.delete(&live.services, child).await,
            ChildKind::ServiceAccount => self.delete(&live.service_accounts, child).await,
        }
    }

    async fn delete<K: Child>(&mut self, live: &BTreeMap<String, Arc<K>>, child: &Prune) {
        let observed = live.get(&child.name).filter(|object| object.uid().as_ref() == Some(&child.uid));
        let Some(object) = observed else { return };
        if let Err(error) = self.context.writer.delete(&**object).await {
            self.failures.push(error);
        }
    }
}
