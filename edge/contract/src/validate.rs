//! A configuration into the reasons for which an edge would refuse it.

mod error_responses;
mod names;
mod response_headers;

use std::collections::HashSet;

use ipnet::IpNet;

use crate::{Behavior, CONTRACT, EdgeConfig, HostHeader, Origin, OriginGroup, OriginHeaderValue, Site};

pub use names::OF_ONE_CONNECTION;
pub use response_headers::is_edges_own;

/// One reason to refuse a configuration, by site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// `namespace/name` of the site; empty for the configuration as a whole.
    pub site: String,
    /// What is wrong, in words a user can act on.
    pub message: String,
}

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.site.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.site, self.message) }
    }
}

impl EdgeConfig {
    /// Every reason for which an edge must refuse this configuration; none means that it serves.
    pub fn validate(&self) -> Vec<Invalid> {
        let mut found = Vec::new();
        if self.contract > CONTRACT {
            found.push(Invalid {
                site: String::new(),
                message: format!("compiled for contract {}, this edge speaks up to {CONTRACT}", self.contract),
            });
        }
        if self.sites.is_empty() {
            found.push(Invalid { site: String::new(), message: "it holds no site".into() });
        }
        let mut ids = HashSet::new();
        for site in &self.sites {
            if !ids.insert(site.id.as_str()) {
                found.push(Invalid { site: site.name.clone(), message: format!("the id {} is there twice", site.id) });
            }
            found.extend(site.faults().into_iter().map(|message| Invalid { site: site.name.clone(), message }));
        }
        found
    }
}

impl Site {
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.id.is_empty() {
            faults.push("the site has no id".into());
        }
        if self.protocols.is_empty() {
            faults.push("no protocol is allowed to viewers".into());
        }
        let mut names = HashSet::new();
        for origin in &self.origins {
            if !names.insert(origin.name.as_str()) {
                faults.push(format!("origin {} is there twice", origin.name));
            }
            faults.extend(origin_faults(origin));
        }
        let origins = names.clone();
        for group in &self.origin_groups {
            if !names.insert(group.name.as_str()) {
                faults.push(format!("origin {} is there twice", group.name));
            }
            faults.extend(group_faults(group, &origins));
        }
        if self.behaviors.last().is_none_or(|last| last.path_pattern != "*") {
            faults.push("the last behavior does not match every path".into());
        }
        faults.extend(error_responses::faults(&self.error_responses));
        faults.extend(self.behaviors.iter().flat_map(|behavior| behavior_faults(behavior, &names)));
        faults.extend(self.trusted_proxies.iter().filter_map(|network| network_fault(network)));
        faults
    }
}

fn origin_faults(origin: &Origin) -> Vec<String> {
    let name = &origin.name;
    let mut faults = Vec::new();
    if origin.target.as_ref().is_some_and(|target| target.hosts().is_empty()) {
        faults.push(format!("origin {name}: of several addresses there is none"));
    }
    if origin.attempts == 0 {
        faults.push(format!("origin {name}: attempts is 0"));
    }
    if origin.connect_timeout_ms == 0 || origin.response_timeout_ms == 0 {
        faults.push(format!("origin {name}: a time-out is 0"));
    }
    if !origin.base_path.is_empty() && (!origin.base_path.starts_with('/') || origin.base_path.ends_with('/')) {
        faults.push(format!("origin {name}: base path {:?} must start with / and not end with it", origin.base_path));
    }
    if matches!(&origin.host_header, HostHeader::Fixed(host) if !is_field_value(host) || host.is_empty()) {
        faults.push(format!("origin {name}: its Host is not a field value"));
    }
    if origin.s3.is_some() && origin.host_header == HostHeader::Viewer {
        faults.push(format!("origin {name}: S3 takes Host for the name of a bucket, so the viewer's cannot be sent"));
    }
    if let Some(s3) = origin.s3.as_ref().filter(|s3| !is_token(&s3.region)) {
        faults.push(format!("origin {name}: {:?} is no region", s3.region));
    }
    for header in &origin.headers {
        let is_legal = match &header.value {
            OriginHeaderValue::Value(value) => is_field_value(value),
            OriginHeaderValue::ValueFrom(_) => true,
        };
        if !is_token(&header.name) || !is_legal {
            faults.push(format!("origin {name}: header {:?} is not a legal field", header.name));
        }
        if names::is_edges_request(&header.name) {
            faults.push(format!("origin {name}: header {:?} is the edge's own and is not set", header.name));
        }
    }
    faults.extend(origin.references().filter_map(|reference| reference.mounted.fault()));
    faults
}

fn group_faults(group: &OriginGroup, origins: &HashSet<&str>) -> Vec<String> {
    let OriginGroup { name, primary, secondary, failover_on } = group;
    let strangers = [primary, secondary].into_iter().filter(|member| !origins.contains(member.as_str()));
    let mut faults: Vec<String> =
        strangers.map(|member| format!("origin group {name}: there is no origin {member}")).collect();
    if primary == secondary {
        faults.push(format!("origin group {name}: {primary} cannot stand in for itself"));
    }
    if let Some(status) = failover_on.iter().find(|status| !(400..600).contains(*status)) {
        faults.push(format!("origin group {name}: {status} is no error status"));
    }
    faults
}

fn behavior_faults(behavior: &Behavior, origins: &HashSet<&str>) -> Vec<String> {
    let pattern = &behavior.path_pattern;
    let mut faults = Vec::new();
    if !origins.contains(behavior.origin.as_str()) {
        faults.push(format!("behavior {pattern}: there is no origin {}", behavior.origin));
    }
    if behavior.ttl.min > behavior.ttl.default || behavior.ttl.default > behavior.ttl.max {
        faults.push(format!("behavior {pattern}: ttl must hold min ≤ default ≤ max"));
    }
    let shown = response_headers::faults(&behavior.response_headers);
    faults.extend(shown.into_iter().map(|fault| format!("behavior {pattern}: response headers: {fault}")));
    faults.extend(names::faults(behavior));
    faults
}

fn network_fault(network: &str) -> Option<String> {
    let parsed = network.parse::<IpNet>();
    parsed.is_err().then(|| format!("trusted proxy {network:?} is no network: write it as 10.0.0.0/8 or 2001:db8::/32"))
}

/// RFC 9110 §5.6.2.
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// RFC 9110 §5.5, visible ASCII and blanks only.
pub fn is_field_value(value: impl AsRef<[u8]>) -> bool {
    value.as_ref().iter().all(|b| *b == b'\t' || (0x20..0x7f).contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Epoch, Mounted, MountedKind, OriginHeader, OriginTarget, S3, Scheme};

    fn config() -> EdgeConfig {
        let site = Site {
            origins: vec![Origin::plain("app", "app"), Origin::plain("spare", "spare")],
            behaviors: vec![Behavior::plain("*", "app")],
            ..Site::plain("uid", "default/shop")
        };
        EdgeConfig::of(Epoch(1), 1, vec![site])
    }

    fn group(name: &str, primary: &str, secondary: &str, failover_on: &[u16]) -> OriginGroup {
        OriginGroup {
            name: name.into(),
            primary: primary.into(),
            secondary: secondary.into(),
            failover_on: failover_on.into(),
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut EdgeConfig), expect: &str) {
        let mut config = config();
        change(&mut config);
        let found: Vec<String> = config.validate().iter().map(ToString::to_string).collect();
        assert_eq!(found, [expect]);
    }

    #[test]
    fn a_sound_configuration_has_no_faults() {
        assert_eq!(config().validate(), []);
        let mut config = config();
        let names = ["authorization", "Proxy-Authorization", "x-forwarded-for", "x-token"];
        config.sites[0].origins[0].headers = names.map(|name| OriginHeader::plain(name, "1")).into();
        assert_eq!(config.validate(), []);
    }

    #[test]
    fn each_fault_is_named() {
        check(|c| c.contract = CONTRACT + 1, "compiled for contract 2, this edge speaks up to 1");
        check(|c| c.sites.clear(), "it holds no site");
        check(|c| c.sites[0].protocols.clear(), "default/shop: no protocol is allowed to viewers");
        check(|c| c.sites[0].behaviors[0].origin = "x".into(), "default/shop: behavior *: there is no origin x");
        check(
            |c| c.sites[0].behaviors[0].ttl.min = 90_000,
            "default/shop: behavior *: ttl must hold min ≤ default ≤ max",
        );
        check(
            |c| c.sites[0].behaviors[0].path_pattern = "/a".into(),
            "default/shop: the last behavior does not match every path",
        );
        check(
            |c| c.sites[0].behaviors[0].response_headers.remove = vec!["age".into()],
            "default/shop: behavior *: response headers: age is the edge's own and is not removed",
        );
        check(|c| c.sites[0].origins[0].attempts = 0, "default/shop: origin app: attempts is 0");
        check(
            |c| c.sites[0].origins[0].headers = vec![OriginHeader::plain("a b", "c")],
            "default/shop: origin app: header \"a b\" is not a legal field",
        );
        for name in ["Transfer-Encoding", "content-length", "connection", "host", "via", "range"] {
            check(
                |c| c.sites[0].origins[0].headers = vec![OriginHeader::plain(name, "1")],
                &format!("default/shop: origin app: header {name:?} is the edge's own and is not set"),
            );
        }
        let out_of_it = OriginHeaderValue::ValueFrom(Mounted {
            kind: MountedKind::Secret,
            name: "..".into(),
            key: "token".into(),
            field: "spec.origins[app]".into(),
        });
        check(
            |c| c.sites[0].origins[0].headers = vec![OriginHeader { name: "x-key".into(), value: out_of_it }],
            "default/shop: spec.origins[app]: \"..\" with key \"token\" is nothing to mount",
        );
        let nowhere = OriginTarget::Addresses { scheme: Scheme::Http, hosts: Vec::new(), port: 80 };
        check(
            |c| c.sites[0].origins[0].target = Some(nowhere),
            "default/shop: origin app: of several addresses there is none",
        );
        let s3 = |region: &str| Some(S3 { region: region.into(), credentials: None });
        check(|c| c.sites[0].origins[0].s3 = s3("eu west"), "default/shop: origin app: \"eu west\" is no region");
        check(
            |c| (c.sites[0].origins[0].s3, c.sites[0].origins[0].host_header) = (s3("eu-west-1"), HostHeader::Viewer),
            "default/shop: origin app: S3 takes Host for the name of a bucket, so the viewer's cannot be sent",
        );
        for (group, expect) in [
            (group("app", "app", "spare", &[]), "origin app is there twice"),
            (group("ha", "app", "gone", &[]), "origin group ha: there is no origin gone"),
            (group("ha", "app", "app", &[500]), "origin group ha: app cannot stand in for itself"),
            (group("ha", "app", "spare", &[503, 304]), "origin group ha: 304 is no error status"),
        ] {
            check(|c| c.sites[0].origin_groups = vec![group], &format!("default/shop: {expect}"));
        }
        for network in ["10.0.0.1", "10.0.0.0/33", "::/0/0", ""] {
            check(
                |c| c.sites[0].trusted_proxies = vec!["10.0.0.0/8".into(), "::/0".into(), network.into()],
                &format!(
                    "default/shop: trusted proxy {network:?} is no network: write it as 10.0.0.0/8 or 2001:db8::/32"
                ),
            );
        }
        check(
            |c| c.sites[0].behaviors[0].key.headers = vec!["connection".into()],
            "default/shop: behavior *: key.headers: \"connection\" concerns one connection only",
        );
    }
}
