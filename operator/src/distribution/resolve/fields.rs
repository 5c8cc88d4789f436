//! A spec into what is wrong with it by itself, where the schema cannot say so.
//!
//! The API server has refused nearly everything already; what comes here was stored before a schema change, or needs more
//! than CEL can afford.

use std::collections::BTreeSet;

use crds::DistributionSpec;
use crds::condition::Reason;
use crds::distribution::{Origin, Policy};
use crds::duration::Duration;
use edge_contract::{CONFIG_LIMIT, EdgeConfig, Epoch, Site};

use crate::compile::{normal_path, ttl};
use crate::distribution::resolved::Resolved;
use crate::distribution::taken::Taken;
use crate::finding::Finding;

/// A `ConfigMap` holds a mebibyte; this much is left for the certificates and the object's own fields.
const CONFIG_MAP_LIMIT: usize = 1024 * 1024 - 64 * 1024;

/// What is wrong with the fields of a spec.
pub(super) fn examine(spec: &DistributionSpec) -> Vec<Finding> {
    let mut findings = Vec::new();
    for origin in &spec.origins {
        examine_origin(origin, &mut findings);
    }
    let mut patterns = BTreeSet::new();
    for behavior in &spec.behaviors {
        let field = format!("spec.behaviors[{}]", behavior.path_pattern);
        if !patterns.insert(normal_path(&behavior.path_pattern)) {
            let message = "an earlier behavior has the same pattern, so this one would never be used; remove one";
            findings.push(invalid(format!("{field}.pathPattern"), message));
        }
        examine_policy(&field, &behavior.policy, &mut findings);
    }
    examine_policy("spec.defaultBehavior", &spec.default_behavior, &mut findings);
    for error in &spec.error_responses {
        let field = format!("spec.errorResponses[{}].cacheTTL", error.code);
        examine_duration(field, error.cache_ttl.as_ref(), &mut findings);
    }
    findings
}

fn examine_origin(origin: &Origin, findings: &mut Vec<Finding>) {
    let field = format!("spec.origins[{}]", origin.name);
    let durations = [
        ("connectTimeout", &origin.connect_timeout),
        ("responseTimeout", &origin.response_timeout),
        ("keepAlive", &origin.keep_alive),
    ];
    for (name, duration) in durations {
        examine_duration(format!("{field}.{name}"), duration.as_ref(), findings);
    }
    let mut names = BTreeSet::new();
    for header in &origin.headers {
        if !names.insert(header.name.to_ascii_lowercase()) {
            let message = "the same field is set twice, its case aside; keep one";
            findings.push(invalid(format!("{field}.headers[{}]", header.name), message));
        }
    }
}

fn examine_policy(field: &str, policy: &Policy, findings: &mut Vec<Finding>) {
    let cache = policy.cache.clone().unwrap_or_default();
    let bounds = cache.ttl.unwrap_or_default();
    let shown = policy.response_headers.as_ref();
    let hsts = shown.and_then(|shown| shown.security.as_ref()?.hsts.as_ref());
    let cors = shown.and_then(|shown| shown.cors.as_ref());
    let before = findings.len();
    for (name, duration) in [
        ("cache.ttl.min", bounds.min.as_ref()),
        ("cache.ttl.default", bounds.default.as_ref()),
        ("cache.ttl.max", bounds.max.as_ref()),
        ("cache.staleWhileRevalidate", cache.stale_while_revalidate.as_ref()),
        ("cache.staleIfError", cache.stale_if_error.as_ref()),
        ("cache.staleIfUnreachable", cache.stale_if_unreachable.as_ref()),
        ("responseHeaders.security.hsts.maxAge", hsts.map(|hsts| &hsts.max_age)),
        ("responseHeaders.cors.maxAge", cors.and_then(|cors| cors.max_age.as_ref())),
    ] {
        examine_duration(format!("{field}.{name}"), duration, findings);
    }
    let compiled = ttl(Some(&bounds));
    if findings.len() == before && !(compiled.min <= compiled.default && compiled.default <= compiled.max) {
        findings.push(invalid(format!("{field}.cache.ttl"), "min must not be above default, nor default above max"));
    }
}

fn examine_duration(field: String, duration: Option<&Duration>, findings: &mut Vec<Finding>) {
    if let Some(Err(error)) = duration.map(Duration::length) {
        findings.push(invalid(field, &error.to_string()));
    }
}

/// What an edge, or the `ConfigMap` that brings it there, would refuse.
pub(super) fn examine_compiled(resolved: &Resolved, site: &Site) -> Vec<Finding> {
    let compiled = EdgeConfig::of(Epoch(1), 1, vec![site.clone()]);
    let faults = compiled.validate();
    if !faults.is_empty() {
        return faults.into_iter().map(|fault| invalid("spec".into(), &fault.message)).collect();
    }
    let length = serde_json::to_vec(&compiled).map_or(usize::MAX, |json| json.len());
    let kept = Taken { generation: resolved.generation, spec: resolved.spec.clone() }.bytes().0.len();
    if length <= CONFIG_LIMIT && length + kept <= CONFIG_MAP_LIMIT {
        return Vec::new();
    }
    let message = format!(
        "compiled it is {} KiB, and with the spec {} KiB; an edge takes {} KiB, a ConfigMap {} KiB; give fewer or shorter behaviors, headers and names",
        length.div_ceil(1024),
        (length + kept).div_ceil(1024),
        CONFIG_LIMIT / 1024,
        CONFIG_MAP_LIMIT / 1024,
    );
    vec![Finding::in_spec("spec", Reason::ConfigurationTooLarge, message)]
}

fn invalid(field: String, message: &str) -> Finding {
    Finding::in_spec(field, Reason::InvalidField, message)
}
