//! A host name that a user gave into the reason why no origin may be there.
//!
//! This is the wall at the door: it refuses what is written down. A name that DNS turns into an address of the node or the cluster is
//! stopped by the edge when it connects.

use crate::cluster::Cluster;

/// What a host name is that no origin may have, by the name alone.
pub fn forbidden_name(name: &str, namespace: &str, cluster: &Cluster) -> Option<&'static str> {
    let name = bare_name(name);
    // RFC 6761 §6.3: localhost and all below it are loopback.
    if name == "localhost" || name.ends_with(".localhost") {
        return (!cluster.walls.local_origins).then_some("a loopback name");
    }
    let service = name.strip_suffix(&format!(".{}", cluster.domain)).unwrap_or(&name);
    let service = service.strip_suffix(".svc").unwrap_or(service);
    let is_inside = name == cluster.domain || name.ends_with(&format!(".{}", cluster.domain));
    let is_api_server = service == "kubernetes.default" || (service == "kubernetes" && namespace == "default");
    let is_walled = is_inside && !cluster.walls.cluster_networks.is_empty();
    is_api_server.then_some("the name of the API server").or(is_walled.then_some("a name of the cluster itself"))
}

/// Whether the cluster's DNS has a name for something of another namespace: that is for `service` to name, and for a grant to allow.
pub(super) fn is_of_another_namespace(name: &str, namespace: &str, cluster: &Cluster) -> bool {
    let name = bare_name(name);
    let inside = name.strip_suffix(&*cluster.domain).and_then(|rest| rest.strip_suffix('.')).unwrap_or(&name);
    let of_namespace = inside.strip_suffix(".svc").or_else(|| inside.strip_suffix(".pod"));
    of_namespace.is_some_and(|rest| rest.rsplit('.').next() != Some(namespace))
}

/// A host name as names are compared: lower case, without the dot that ends a full name.
pub(super) fn bare_name(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::cluster;

    #[test]
    fn names_of_the_node_and_the_api_server_are_forbidden() {
        let check = |name, namespace, expect: bool| {
            assert_eq!(forbidden_name(name, namespace, &cluster()).is_some(), expect, "{name} in {namespace}");
        };
        for name in ["localhost", "LOCALHOST.", "a.localhost", "kubernetes.default", "kubernetes.default.svc"] {
            check(name, "web", true);
        }
        check("kubernetes.default.svc.cluster.local.", "web", true);
        check("kubernetes", "default", true);
        check("kubernetes", "web", false);
        check("www.example.com", "default", false);
        check("kubernetes.web.svc", "web", false);
    }

    #[test]
    fn names_of_the_cluster_are_for_services_where_its_networks_are_known() {
        let mut cluster = cluster();
        let name = "app.team-b.svc.cluster.local.";
        assert_eq!(forbidden_name(name, "web", &cluster), None);
        cluster.walls.cluster_networks = vec!["10.244.0.0/16".parse().expect("a network")];
        assert_eq!(forbidden_name(name, "web", &cluster), Some("a name of the cluster itself"));
        assert_eq!(forbidden_name("notcluster.local", "web", &cluster), None);
    }

    #[test]
    fn a_name_of_the_clusters_dns_says_whose_it_is() {
        let check = |name, expect: bool| {
            assert_eq!(is_of_another_namespace(name, "web", &cluster()), expect, "{name}");
        };
        for name in
            ["app.team-b.svc.cluster.local", "app.TEAM-B.svc.Cluster.Local.", "db-0.db.team-b.svc.cluster.local"]
        {
            check(name, true);
        }
        check("10-244-0-7.team-b.pod.cluster.local", true);
        check("web.team-b.svc.cluster.local", true);
        check("app.team-b.svc", true);
        check("app.web.svc", false);
        check("app.web.svc.cluster.local", false);
        check("db-0.db.web.svc.cluster.local.", false);
        check("10-244-0-7.web.pod.cluster.local", false);
        check("app.team-b.svc.example.com", false);
        check("app.team-b.svc.notcluster.local", false);
        check("cluster.local", false);
    }

    #[test]
    fn where_local_origins_are_allowed_the_api_server_is_forbidden_all_the_same() {
        let mut cluster = cluster();
        cluster.walls.local_origins = true;
        assert_eq!(forbidden_name("localhost", "web", &cluster), None);
        assert!(forbidden_name("kubernetes.default", "web", &cluster).is_some());
    }
}
