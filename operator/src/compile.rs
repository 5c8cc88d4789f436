//! A resolved generation into the site that edges serve: every default applied, every reference an address.
//!
//! Guarantees: the same generation of the same world makes the same site, so that a revision is only due when one of them
//! changed. What edges refuse is found by `resolve` before anything is planned.

mod behaviors;
mod choices;
mod durations;
mod error_responses;
mod origin_groups;
mod origins;
mod response_headers;

use crds::distribution;
use edge_contract::{Logging, NO_ALIAS, Protocol, Site};

pub use behaviors::{normal_path, ttl};

use crate::digest::digest;
use crate::distribution::resolved::Resolved;

/// The site of a Distribution.
pub fn site(resolved: &Resolved) -> Site {
    let spec = &resolved.spec;
    let is_robbed = resolved.aliases.is_empty() && !spec.aliases.is_empty();
    Site {
        id: resolved.uid.clone(),
        name: resolved.key.to_string(),
        generation: resolved.generation,
        enabled: spec.enabled,
        // A Distribution that holds none of its aliases serves only its own names.
        aliases: if is_robbed { vec![NO_ALIAS.into()] } else { resolved.aliases.clone() },
        own_names: resolved.own_names.clone(),
        protocols: protocols(spec),
        default_root_object: spec.default_root_object.as_ref().map(|object| format!("/{object}")),
        origins: spec.origins.iter().map(|origin| origins::compile(origin, &resolved.origins)).collect(),
        behaviors: behaviors::compile(spec),
        trusted_proxies: trusted_proxies(spec),
        error_responses: error_responses::compile(&spec.error_responses),
        logging: logging(spec.logging.as_ref()),
        origin_groups: origin_groups::compile(&spec.origin_groups),
        walls: resolved.walls.clone(),
    }
}

/// What tells one configuration from another, its number aside.
pub fn fingerprint(sites: &[Site]) -> String {
    digest(sites)
}

fn protocols(spec: &crds::DistributionSpec) -> Vec<Protocol> {
    let given = spec.viewer.as_ref().map(|viewer| viewer.protocols.as_slice()).unwrap_or_default();
    if given.is_empty() {
        return vec![Protocol::HTTP1, Protocol::HTTP2];
    }
    // As a set: the order in which they are written means nothing.
    [(distribution::Protocol::HTTP1, Protocol::HTTP1), (distribution::Protocol::HTTP2, Protocol::HTTP2)]
        .into_iter()
        .filter_map(|(asked, compiled)| given.contains(&asked).then_some(compiled))
        .collect()
}

fn trusted_proxies(spec: &crds::DistributionSpec) -> Vec<String> {
    let given = spec.viewer.as_ref().map(|viewer| viewer.trusted_proxies.as_slice()).unwrap_or_default();
    // Hexadecimal digits have no case.
    choices::in_lower_case(given)
}

fn logging(given: Option<&distribution::Logging>) -> Logging {
    let plain = Logging::default();
    Logging {
        access: given.and_then(|given| given.access).unwrap_or(plain.access),
        include_cookies: given.and_then(|given| given.include_cookies).unwrap_or(plain.include_cookies),
    }
}
