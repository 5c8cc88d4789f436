//! What a manifest, a Service in the files and a flag say of a protocol into what is spoken with an origin on this machine.

use edge_contract::{HostHeader, Origin, Scheme};

use super::*;

fn origin_here(texts: &[&str], service: &str) -> (Origin, String) {
    let (mut served, complaints) = decide(&world(texts), &mut Memory::default(), &around(&[service], false));
    assert_eq!(said(&complaints), Vec::<String>::new());
    let Placed { address, remarks, .. } = served[0].placed.remove(0);
    (served[0].site.origins.remove(0), format!("{} {}", address.unwrap_or_default(), remarks.join(", ")))
}

fn declared_service(app_protocol: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: shop}}\nspec: {{ports: [{{port: 80, appProtocol: {app_protocol}}}]}}\n"
    )
}

#[track_caller]
fn is_asked(texts: &[&str], service: &str, expect: (Scheme, Option<&str>, &str)) {
    let (origin, words) = origin_here(texts, service);
    let scheme = origin.target.as_ref().expect("is somewhere").scheme();
    assert_eq!((scheme, origin.tls.server_name.as_deref(), words.trim_end()), expect, "{texts:?} {service}");
}

#[test]
fn a_service_is_spoken_to_as_in_a_cluster() {
    let plain = distribution("shop", SERVICE, "");
    let with_tls = distribution("shop", &format!("{SERVICE}, tls: {{}}"), "");
    let here = "shop=127.0.0.1:3000";
    is_asked(&[&plain], here, (Scheme::Http, None, "http://127.0.0.1:3000"));
    let certified = Some("shop.default.svc");
    let words = "https://127.0.0.1:3000 with a certificate for shop.default.svc";
    is_asked(&[&with_tls], here, (Scheme::Https, certified, words));
    is_asked(&[&plain, &declared_service("https")], here, (Scheme::Https, certified, words));
    is_asked(&[&plain, &declared_service("grpc")], here, (Scheme::H2c, None, "h2c://127.0.0.1:3000"));
    let named = "tls: {serverName: api.example.com, caConfigMapRef: {name: company-ca}}";
    let words = "https://127.0.0.1:3000 with a certificate for api.example.com by ConfigMap company-ca";
    let named = distribution("shop", &format!("{SERVICE}, {named}"), "");
    is_asked(&[&named], here, (Scheme::Https, Some("api.example.com"), words));
    let believed = distribution("shop", &format!("{SERVICE}, tls: {{insecureSkipVerify: true}}"), "");
    let words = "https://127.0.0.1:3000 whoever answers is believed";
    is_asked(&[&believed], here, (Scheme::Https, certified, words));
}

#[test]
fn a_flag_says_what_is_spoken_where_it_is_something_else_here() {
    let plain = distribution("shop", SERVICE, "");
    let with_tls = distribution("shop", &format!("{SERVICE}, tls: {{caSecretRef: {{name: ca}}}}"), "");
    let certified = Some("shop.default.svc");
    let words = "https://127.0.0.1:1 with a certificate for shop.default.svc";
    is_asked(&[&plain], "shop=https://127.0.0.1:1", (Scheme::Https, certified, words));
    is_asked(&[&plain], "shop=h2c://127.0.0.1:1", (Scheme::H2c, None, "h2c://127.0.0.1:1"));
    let words = "https://127.0.0.1:1 in a cluster by http, with a certificate for shop.default.svc";
    is_asked(&[&plain, &declared_service("http")], "shop=https://127.0.0.1:1", (Scheme::Https, certified, words));
    let words = "http://127.0.0.1:1 in a cluster by https";
    is_asked(&[&with_tls], "shop=http://127.0.0.1:1", (Scheme::Http, None, words));
    let (origin, _) = origin_here(&[&with_tls], "shop=http://127.0.0.1:1");
    assert!(origin.tls.is_default(), "no Secret is missed for what is not spoken: {origin:?}");
    let port_443 = plain.replace("port: 80", "port: 443");
    let (origin, _) = origin_here(&[&port_443], "shop=https://127.0.0.1:1");
    let own = HostHeader::Fixed("shop.default.svc.cluster.local".into());
    assert_eq!(origin.host_header, own, "443 is the port of https, as in a cluster that says so");
}

#[test]
fn an_ingress_with_a_certificate_is_asked_over_tls() {
    let shop = distribution("shop", "ingress: {name: shop, host: www.example.com}", "");
    let ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: shop}\nspec: {tls: [{hosts: [www.example.com]}]}\n";
    let target = |texts: &[&str], place: &str| {
        let places = Places::of(&[], &[place.parse().expect("a place")], "default");
        let around = Around { places, ..around(&[], false) };
        let (served, complaints) = decide(&world(texts), &mut Memory::default(), &around);
        assert_eq!(said(&complaints), Vec::<String>::new());
        let origin = served[0].site.origins[0].clone();
        (origin.target.expect("is somewhere").scheme(), origin.tls.server_name)
    };
    let certified = || Some("www.example.com".to_owned());
    assert_eq!(target(&[&shop], "shop=127.0.0.1:1"), (Scheme::Http, None));
    assert_eq!(target(&[&shop, ingress], "shop=127.0.0.1:1"), (Scheme::Https, certified()));
    assert_eq!(target(&[&shop], "shop=https://127.0.0.1:1"), (Scheme::Https, certified()));
    assert_eq!(target(&[&shop, ingress], "shop=http://127.0.0.1:1"), (Scheme::Http, None));
}
