//! The locations of a spec into locations with every default applied.

use crds::DistributionSpec;
use crds::condition::Reason;
use crds::distribution::{Location, PodTemplate};
use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::digest::digest;
use crate::distribution::resolved::ResolvedLocation;
use crate::finding::Finding;
use crate::names::DEFAULT_LOCATION;
use crate::quantity;

const DEFAULT_REPLICAS: i32 = 2;
const DEFAULT_CACHE_MEMORY: u64 = 256 * 1024 * 1024;

/// What an edge needs beside its stored responses: program, connections in flight, buffers.
const BESIDE_CACHE: u64 = 32 * 1024 * 1024;

/// What it may need beside them under load, a quarter of the cache for what an allocator cannot fill included.
const LIMIT_BESIDE_CACHE: u64 = 96 * 1024 * 1024;

/// Enough to be scheduled fairly; without a limit, because a throttled edge is a slow edge.
const CPU_REQUEST: &str = "100m";

const MEMORY: &str = "memory";
const CPU: &str = "cpu";

/// Every location, or the one that a spec without any has.
pub(super) fn resolve(spec: &DistributionSpec) -> (Vec<ResolvedLocation>, Vec<Finding>) {
    let only = Location { name: DEFAULT_LOCATION.into(), replicas: None, cache: None, pod: None };
    let locations = if spec.locations.is_empty() { std::slice::from_ref(&only) } else { &spec.locations };
    let mut findings = Vec::new();
    let resolved = locations.iter().map(|location| resolve_one(location, &mut findings)).collect();
    (resolved, findings)
}

fn resolve_one(location: &Location, findings: &mut Vec<Finding>) -> ResolvedLocation {
    let field = format!("spec.locations[{}]", location.name);
    let cache_memory = match location.cache.as_ref().and_then(|cache| cache.memory.as_ref()) {
        None => DEFAULT_CACHE_MEMORY,
        Some(memory) => quantity::bytes(memory).unwrap_or_else(|| {
            findings.push(invalid(
                format!("{field}.cache.memory"),
                format!("{:?} is not a quantity such as 256Mi", memory.0),
            ));
            DEFAULT_CACHE_MEMORY
        }),
    };
    let pod = location.pod.clone().unwrap_or_default();
    let resources = resources(cache_memory, pod.resources.as_ref());
    findings.extend(examine_resources(&format!("{field}.pod.resources"), cache_memory, &pod, &resources));
    ResolvedLocation {
        name: location.name.clone(),
        replicas: location.replicas.unwrap_or(DEFAULT_REPLICAS),
        cache_memory,
        pod,
        resources,
        asked: digest(location),
    }
}

/// What is derived from the cache, under what the user gives. A cache fills up by its nature, so all of it is requested.
fn resources(cache_memory: u64, given: Option<&ResourceRequirements>) -> ResourceRequirements {
    let given_requests = given.and_then(|given| given.requests.clone()).unwrap_or_default();
    let given_limits = given.and_then(|given| given.limits.clone()).unwrap_or_default();
    let request = quantity::mebibytes(cache_memory.saturating_add(BESIDE_CACHE));
    let limit = quantity::mebibytes(cache_memory.saturating_add(cache_memory / 4).saturating_add(LIMIT_BESIDE_CACHE));
    let mut requests =
        [(MEMORY.to_owned(), request), (CPU.to_owned(), Quantity(CPU_REQUEST.into()))].into_iter().collect();
    let mut limits = [(MEMORY.to_owned(), limit)].into_iter().collect();
    // Where the user gives one of the two, the other one follows: a request above its limit is refused by the API server.
    lower_to(&mut requests, &given_limits);
    raise_to(&mut limits, &given_requests);
    requests.extend(given_requests);
    limits.extend(given_limits);
    ResourceRequirements { claims: None, limits: Some(limits), requests: Some(requests) }
}

type Amounts = std::collections::BTreeMap<String, Quantity>;

fn lower_to(requests: &mut Amounts, limits: &Amounts) {
    for (name, limit) in limits {
        if let Some(request) = requests.get_mut(name).filter(|request| exceeds(request, limit)) {
            *request = limit.clone();
        }
    }
}

fn raise_to(limits: &mut Amounts, requests: &Amounts) {
    for (name, request) in requests {
        if let Some(limit) = limits.get_mut(name).filter(|limit| exceeds(request, limit)) {
            *limit = request.clone();
        }
    }
}

fn exceeds(one: &Quantity, other: &Quantity) -> bool {
    let (one, other) = (quantity::billionths(&one.0), quantity::billionths(&other.0));
    one.zip(other).is_some_and(|(one, other)| one > other)
}

/// What the API server would refuse in a Deployment, or what would kill every edge once its cache is full.
fn examine_resources(field: &str, cache_memory: u64, pod: &PodTemplate, merged: &ResourceRequirements) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (requests, limits) = (merged.requests.iter().flatten(), merged.limits.iter().flatten());
    for (part, (name, amount)) in requests.map(|one| ("requests", one)).chain(limits.map(|one| ("limits", one))) {
        if quantity::billionths(&amount.0).is_none_or(|amount| amount < 0) {
            findings.push(invalid(format!("{field}.{part}[{name}]"), format!("{:?} is not a quantity", amount.0)));
        }
    }
    if !findings.is_empty() {
        return findings;
    }
    let limit_of = |name: &str| merged.limits.as_ref().and_then(|limits| limits.get(name));
    for (name, request) in merged.requests.iter().flatten() {
        if let Some(limit) = limit_of(name).filter(|limit| exceeds(request, limit)) {
            let message = format!("the request {} is above the limit {}; raise the limit", request.0, limit.0);
            findings.push(invalid(format!("{field}.requests[{name}]"), message));
        }
    }
    if let Some(limit) = limit_of(MEMORY)
        && quantity::bytes(limit).is_some_and(|limit| limit < cache_memory.saturating_add(BESIDE_CACHE))
    {
        let least = quantity::mebibytes(cache_memory.saturating_add(BESIDE_CACHE));
        let message = format!("{} cannot hold the cache; give at least {}, or lower cache.memory", limit.0, least.0);
        findings.push(invalid(format!("{field}.limits[{MEMORY}]"), message));
    }
    if pod.resources.as_ref().is_some_and(|given| given.claims.as_ref().is_some_and(|claims| !claims.is_empty())) {
        findings.push(invalid(format!("{field}.claims"), "an edge uses no claimed resources; remove them".into()));
    }
    findings
}

fn invalid(field: String, message: String) -> Finding {
    Finding::in_spec(field, Reason::InvalidField, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pod: &str, requests: &str, limits: &str, findings: &[&str]) {
        let given = serde_saphyr::from_str(pod).expect("resources");
        let template = PodTemplate { resources: Some(given), ..PodTemplate::default() };
        let location = Location { name: "eu".into(), replicas: None, cache: None, pod: Some(template) };
        let mut found = Vec::new();
        let resolved = resolve_one(&location, &mut found);
        let show = |amounts: Option<&Amounts>| {
            let amounts = amounts.into_iter().flatten().map(|(name, amount)| format!("{name} {}", amount.0));
            amounts.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(show(resolved.resources.requests.as_ref()), requests);
        assert_eq!(show(resolved.resources.limits.as_ref()), limits);
        let found: Vec<_> = found.iter().map(|finding| format!("{}: {}", finding.field, finding.message)).collect();
        assert_eq!(found, findings);
    }

    #[test]
    fn resources_are_derived_from_the_cache() {
        check("{}", "cpu 100m, memory 288Mi", "memory 416Mi", &[]);
    }

    #[test]
    fn what_the_user_gives_wins_and_the_rest_follows() {
        check("{limits: {memory: 1Gi, cpu: 2}}", "cpu 100m, memory 288Mi", "cpu 2, memory 1Gi", &[]);
        check("{requests: {memory: 2Gi}}", "cpu 100m, memory 2Gi", "memory 2Gi", &[]);
        check("{limits: {cpu: 50m}}", "cpu 50m, memory 288Mi", "cpu 50m, memory 416Mi", &[]);
        check("{requests: {cpu: '1'}}", "cpu 1, memory 288Mi", "memory 416Mi", &[]);
    }

    #[test]
    fn resources_that_no_pod_could_have_are_named() {
        check(
            "{limits: {memory: 128Mi}}",
            "cpu 100m, memory 128Mi",
            "memory 128Mi",
            &[
                "spec.locations[eu].pod.resources.limits[memory]: 128Mi cannot hold the cache; give at least 288Mi, or lower cache.memory",
            ],
        );
        check(
            "{requests: {cpu: 2}, limits: {cpu: 1}}",
            "cpu 2, memory 288Mi",
            "cpu 1, memory 416Mi",
            &["spec.locations[eu].pod.resources.requests[cpu]: the request 2 is above the limit 1; raise the limit"],
        );
        check(
            "{limits: {cpu: much}}",
            "cpu 100m, memory 288Mi",
            "cpu much, memory 416Mi",
            &["spec.locations[eu].pod.resources.limits[cpu]: \"much\" is not a quantity"],
        );
    }
}
