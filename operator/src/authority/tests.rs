//! The authority against TLS itself: who is trusted, by which bundle, under which name.

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConnection,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use super::*;
use keeping::Pair;

fn now() -> Timestamp {
    clock::wall()
}

fn server(authority: &Pair) -> Arc<ServerConfig> {
    let leaf = issue::leaf(authority, now()).expect("issues");
    let config = ServerConfig::builder_with_provider(issue::provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Leaf(ArcSwap::from(leaf))));
    Arc::new(config)
}

/// Whether a client that trusts this bundle takes the server for this name.
fn trusts(bundle: &str, name: &'static str, server: Arc<ServerConfig>) -> bool {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(certificate.expect("a certificate")).expect("an authority");
    }
    let config = ClientConfig::builder_with_provider(issue::provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut client =
        ClientConnection::new(Arc::new(config), ServerName::try_from(name).expect("a name")).expect("a client");
    let mut server = ServerConnection::new(server).expect("a server");
    for _ in 0..8 {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).expect("writes");
        server.read_tls(&mut wire.as_slice()).expect("reads");
        if server.process_new_packets().is_err() {
            return false;
        }
        let mut wire = Vec::new();
        server.write_tls(&mut wire).expect("writes");
        client.read_tls(&mut wire.as_slice()).expect("reads");
        if client.process_new_packets().is_err() {
            return false;
        }
    }
    !client.is_handshaking()
}

#[test]
fn an_edge_trusts_the_operator_by_its_name_and_bundle_only() {
    let ours = issue::authority(now()).expect("makes");
    let other = issue::authority(now()).expect("makes");
    let bundle = Kept::first(ours.clone()).bundle();
    assert!(trusts(&bundle, edge_contract::OPERATOR_NAME, server(&ours)));
    assert!(!trusts(&bundle, "operator.example", server(&ours)), "another name");
    assert!(!trusts(&bundle, edge_contract::OPERATOR_NAME, server(&other)), "another authority of the same name");
}

#[test]
fn both_authorities_are_trusted_while_one_follows_the_other() {
    let (old, new) = (issue::authority(now()).expect("makes"), issue::authority(now()).expect("makes"));
    let mut kept = Kept::first(old.clone());
    kept.announce(new.clone());
    assert!(trusts(&kept.bundle(), edge_contract::OPERATOR_NAME, server(&old)));
    assert!(trusts(&kept.bundle(), edge_contract::OPERATOR_NAME, server(&new)));
}
