//! What edges are told of one another, and what they prove themselves with.

use edge_contract::{EdgeCertificate, ShieldEdge, Shields, edge_name, edges_name};
use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};

use super::*;

/// A process that leads, and what gives its issuer another authority.
fn leading() -> (Edges, watch::Sender<Leadership>, impl Fn()) {
    let (leads, leadership) = watch::channel(Leadership::Leading { since: clock::monotonic() });
    let edges = Edges::new(leadership);
    let (issuer, change) = EdgeIssuer::for_test();
    edges.certify_by(issuer);
    (edges, leads, change)
}

fn list(version: u64, uids: &[&str]) -> Shields {
    let edge = |uid: &&str| ShieldEdge { uid: (*uid).into(), address: "10.0.0.1:8444".into() };
    Shields { site: "uid-of-shop".into(), location: "eu".into(), version, edges: uids.iter().map(edge).collect() }
}

fn tiers(shields: Vec<Shields>) -> Tiers {
    Tiers { site: Some("uid-of-shop".into()), shields }
}

/// The certificates among the lines, and the others.
fn sorted(lines: Vec<FromOperator>) -> (Vec<EdgeCertificate>, Vec<FromOperator>) {
    let (mut certificates, mut others) = (Vec::new(), Vec::new());
    for line in lines {
        match line {
            FromOperator::Certificate(certificate) => certificates.push(certificate),
            other => others.push(other),
        }
    }
    (certificates, others)
}

#[test]
fn every_edge_is_told_who_stands_before_origins_and_gets_a_certificate_of_its_own() {
    let (edges, _leads, _) = leading();
    let mut streams = ["one", "two"].map(|name| edges.pretend(&distribution(), &hello(name)).expect("is let in"));
    edges.serve_tiers(&distribution(), tiers(vec![list(1, &["uid-one"])]));
    let given = streams.each_mut().map(|stream| sorted(stream.owed()));
    for (certificates, others) in &given {
        assert_eq!(others, &[FromOperator::Shields(list(1, &["uid-one"]))]);
        assert_eq!(certificates.len(), 1, "one is enough");
    }
    assert_ne!(given[0].0[0], given[1].0[0]);
    assert_eq!(streams[0].owed(), []);
    edges.serve_tiers(&distribution(), tiers(vec![list(2, &[])]));
    assert_eq!(streams[0].owed(), [FromOperator::Shields(list(2, &[]))], "and the certificate is still good");
}

#[tokio::test(start_paused = true)]
async fn a_certificate_comes_over_the_stream_of_the_pod_that_it_is_for() {
    let (site, mut edge) = attached().await;
    site.edges.serve_tiers(&distribution(), tiers(vec![list(1, &["uid-one"])]));
    assert_eq!(edge.next_but_ping().await, Some(FromOperator::Shields(list(1, &["uid-one"]))));
    let Some(FromOperator::Certificate(given)) = edge.next_but_ping().await else { panic!("no certificate") };
    let certificate = CertificateDer::from_pem_slice(given.certificate.as_bytes()).expect("PEM");
    let shown = ParsedCertificate::try_from(&certificate).expect("a certificate");
    let is_for = |name: String| verify_server_name(&shown, &ServerName::try_from(name).expect("a name")).is_ok();
    assert!(is_for(edge_name("uid-of-shop", "uid-one")) && is_for(edges_name("uid-of-shop")));
    assert!(!is_for(edge_name("uid-of-shop", "uid-two")));
}

#[test]
fn where_no_edge_stands_before_an_origin_none_gets_a_certificate() {
    let (edges, _leads, _) = leading();
    let mut stream = edges.pretend(&distribution(), &hello("one")).expect("is let in");
    edges.serve_tiers(&distribution(), Tiers::default());
    edges.serve_tiers(&DistributionKey::new("default", "other"), tiers(vec![list(1, &["uid-two"])]));
    assert_eq!(stream.owed(), []);
}

#[test]
fn a_stream_begins_with_a_certificate_though_one_before_it_was_given_one() {
    let (edges, _leads, _) = leading();
    edges.serve_tiers(&distribution(), tiers(vec![]));
    for _ in 0..2 {
        let mut stream = edges.pretend(&distribution(), &hello("one")).expect("is let in");
        assert_eq!(sorted(stream.owed()).0.len(), 1);
    }
}

#[test]
fn edges_are_given_another_certificate_once_another_authority_signs() {
    let (edges, _leads, change) = leading();
    edges.serve_tiers(&distribution(), tiers(vec![]));
    let mut stream = edges.pretend(&distribution(), &hello("one")).expect("is let in");
    assert_eq!(sorted(stream.owed()).0.len(), 1);
    assert_eq!(stream.owed(), []);
    change();
    assert_eq!(sorted(stream.owed()).0.len(), 1);
    assert_eq!(stream.owed(), []);
}

#[test]
fn a_distribution_that_was_made_anew_has_certificates_of_its_own() {
    let (edges, _leads, _) = leading();
    edges.serve_tiers(&distribution(), tiers(vec![]));
    let mut stream = edges.pretend(&distribution(), &hello("one")).expect("is let in");
    stream.owed();
    edges.serve_tiers(&distribution(), Tiers { site: Some("another".into()), shields: vec![] });
    assert_eq!(sorted(stream.owed()).0.len(), 1);
}

#[test]
fn a_next_term_certifies_too() {
    let (edges, leads, _) = leading();
    leads.send_replace(Leadership::Following { leader: None });
    assert!(edges.pretend(&distribution(), &hello("one")).is_none());
    leads.send_replace(Leadership::Leading { since: clock::monotonic() });
    let mut stream = edges.pretend(&distribution(), &hello("one")).expect("is let in");
    assert_eq!(stream.owed(), [], "nothing is wanted yet in this term");
    edges.serve_tiers(&distribution(), tiers(vec![]));
    assert_eq!(sorted(stream.owed()).0.len(), 1);
}
