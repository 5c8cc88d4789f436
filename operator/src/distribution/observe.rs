//! The cluster into [`Observed`]: one look at a Distribution and everything around it.
//!
//! Guarantees: whatever was looked at wakes this Distribution when it changes. The API is asked only about children that the
//! watches do not show: they are new, or they belong to somebody else and carry no label.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crds::{Distribution, DistributionSpec};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt};

use crate::causes::chain;
use crate::context::Context;
use crate::distribution::observed::{Children, Claim, Observed, ServiceName};
use crate::distribution::taken::Taken;
use crate::names::{self, DistributionKey, key_of};
use crate::server_side_apply::Child;
use crate::table::{Group, Table};

/// What was attempted.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// A child that the watches do not show could not be read.
    #[error("could not read {object}")]
    ReadChild {
        /// Kind and name.
        object: String,
        /// What the API said.
        #[source]
        source: Box<kube::Error>,
    },
}

/// Looks at a Distribution and everything around it.
pub async fn observe(context: &Context, distribution: Arc<Distribution>) -> Result<Observed, ObserveError> {
    let key = key_of(&distribution);
    let config_maps = living(context, &context.stores.config_maps, &key, once(&key)).await?;
    let taken = config_maps.get(&names::edge(&key.name)).and_then(|config_map| taken(&distribution, config_map));
    let specs: Vec<&DistributionSpec> =
        std::iter::once(&distribution.spec).chain(taken.as_ref().map(|taken| &taken.spec)).collect();

    let (services, ingresses) = (services_of(&specs, &key.namespace), ingresses_of(&specs));
    let elsewhere: BTreeSet<&String> = services.iter().map(|(namespace, _)| namespace).collect();
    let grants: Vec<Group> =
        elsewhere.into_iter().filter(|it| **it != key.namespace).cloned().map(Group::Grants).collect();
    let own = (key.namespace.clone(), names::edge(&key.name));
    let interests = |(namespace, name): &ServiceName| Group::Service(namespace.clone(), name.clone());
    let of_ingresses = ingresses.iter().map(|name| Group::Ingress(key.namespace.clone(), name.clone()));
    // Before looking: a change that comes in between then wakes, instead of getting lost.
    let sliced: BTreeSet<Group> = services.iter().chain([&own]).map(interests).collect();
    context.interests.note(&key, sliced.iter().cloned().chain(of_ingresses).chain(grants.clone()).collect());

    let stores = &context.stores;
    let endpoint_slices = sliced.iter().flat_map(|group| stores.endpoint_slices.of(group)).collect();
    let services = services.into_iter().filter_map(|name| Some((stores.services.find(&name.0, &name.1)?, name)));
    let ingresses =
        ingresses.into_iter().filter_map(|name| Some((stores.ingresses.find(&key.namespace, &name)?, name)));
    Ok(Observed {
        services: services.map(|(service, name)| (name, service)).collect(),
        ingresses: ingresses.map(|(ingress, name)| (name, ingress)).collect(),
        grants: grants.iter().flat_map(|group| stores.reference_grants.of(group)).collect(),
        endpoint_slices,
        claims: claims(context, &key, &specs),
        children: Children { config_maps, ..children(context, &key, &specs).await? },
        pods: stores.pods.of(&Group::Distribution(key)),
        ca_bundle: context.ca_bundle.borrow().to_string(),
        cluster: context.cluster.load_full(),
        taken,
        distribution,
    })
}

/// The last taken generation. One that this release cannot read is as if there were none.
fn taken(distribution: &Distribution, config_map: &ConfigMap) -> Option<Taken> {
    let read = Taken::of(config_map, &distribution.uid().unwrap_or_default())?;
    read.inspect_err(|error| tracing::warn!(key = %key_of(distribution), error = chain(error), "forgot what was taken"))
        .ok()
}

/// Every Service that is an origin; `own` is the namespace of those that name none.
fn services_of(specs: &[&DistributionSpec], own: &str) -> BTreeSet<ServiceName> {
    let references = specs.iter().flat_map(|spec| &spec.origins).filter_map(|origin| origin.service.as_ref());
    references.map(|it| (it.namespace.as_deref().unwrap_or(own).to_owned(), it.name.clone())).collect()
}

fn ingresses_of(specs: &[&DistributionSpec]) -> BTreeSet<String> {
    let origins = specs.iter().flat_map(|spec| &spec.origins);
    origins.filter_map(|origin| Some(origin.ingress.as_ref()?.name.clone())).collect()
}

/// Who else lists one of the aliases.
fn claims(context: &Context, key: &DistributionKey, specs: &[&DistributionSpec]) -> Vec<Claim> {
    let aliases: BTreeSet<&String> = specs.iter().flat_map(|spec| &spec.aliases).collect();
    let contenders = aliases.into_iter().flat_map(|alias| {
        let all = context.stores.distributions.of(&Group::Alias(alias.clone()));
        all.into_iter().map(move |contender| (alias, contender))
    });
    contenders
        .filter(|(_, contender)| key_of(contender) != *key)
        .map(|(alias, contender)| Claim {
            alias: alias.clone(),
            by: key_of(&contender),
            created: contender.metadata.creation_timestamp.clone(),
            holds: contender.status.as_ref().is_some_and(|status| status.aliases.contains(alias)),
        })
        .collect()
}

/// All children but the `ConfigMap`s.
async fn children(
    context: &Context,
    key: &DistributionKey,
    specs: &[&DistributionSpec],
) -> Result<Children, ObserveError> {
    let stores = &context.stores;
    let locations: BTreeSet<String> = locations(specs).map(|location| names::location(&key.name, location)).collect();
    // Every Service is watched, so none of them is asked for.
    let named = once(key).into_iter().chain(locations.clone());
    let services = named.filter_map(|name| Some((stores.services.find(&key.namespace, &name)?, name)));
    let labelled = stores.services.of(&Group::Distribution(key.clone())).into_iter();
    let deployments = living(context, &stores.deployments, key, locations.clone()).await?;
    Ok(Children {
        config_maps: BTreeMap::new(),
        altered: context.altered.templates(key, &deployments),
        deployments,
        network_policies: living(context, &stores.network_policies, key, once(key)).await?,
        pod_disruption_budgets: living(context, &stores.pod_disruption_budgets, key, locations.clone()).await?,
        service_accounts: living(context, &stores.service_accounts, key, once(key)).await?,
        services: services.map(|(service, name)| (name, service)).chain(labelled.map(by_name)).collect(),
    })
}

/// The name of what exists once for a Distribution.
fn once(key: &DistributionKey) -> BTreeSet<String> {
    [names::edge(&key.name)].into()
}

fn locations<'a>(specs: &'a [&DistributionSpec]) -> impl Iterator<Item = &'a str> {
    specs.iter().flat_map(|spec| {
        let only = spec.locations.is_empty().then_some(names::DEFAULT_LOCATION);
        spec.locations.iter().map(|location| location.name.as_str()).chain(only)
    })
}

fn by_name<K: ResourceExt>(object: Arc<K>) -> (String, Arc<K>) {
    (object.name_any(), object)
}

/// Those that carry the Distribution's label, and those that have the name of a child, whoever made them.
async fn living<K: Child>(
    context: &Context,
    store: &Table<K>,
    key: &DistributionKey,
    expected: BTreeSet<String>,
) -> Result<BTreeMap<String, Arc<K>>, ObserveError> {
    let labelled = store.of(&Group::Distribution(key.clone()));
    let mut living: BTreeMap<_, _> = labelled.into_iter().map(by_name).collect();
    let api: Api<K> = Api::namespaced(context.client.clone(), &key.namespace);
    for name in expected {
        if living.contains_key(&name) {
            continue;
        }
        let read = api.get_opt(&name).await.map_err(|source| ObserveError::ReadChild {
            object: format!("{} {}/{name}", K::kind(&()), key.namespace),
            source: Box::new(source),
        })?;
        if let Some(object) = read {
            living.insert(name, Arc::new(object));
        }
    }
    Ok(living)
}
