//! The authority against TLS itself: who is trusted, by which bundle, under which name.

use edge_contract::{EdgeCertificate, edge_name, edges_name};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConnection,
    client::verify_server_name,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::{ParsedCertificate, WebPkiClientVerifier},
};

use super::*;
use crate::fake_api::{FakeApi, Fault};
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

fn roots(bundle: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(certificate.expect("a certificate")).expect("an authority");
    }
    roots
}

/// Whether a client that trusts this bundle takes the server for this name.
fn trusts(bundle: &str, name: &str, server: Arc<ServerConfig>) -> bool {
    let config = ClientConfig::builder_with_provider(issue::provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots(bundle))
        .with_no_client_auth();
    shake_hands(config, name, server).is_some()
}

/// Both ends, where they take each other.
fn shake_hands(
    client: ClientConfig,
    name: &str,
    server: Arc<ServerConfig>,
) -> Option<(ClientConnection, ServerConnection)> {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut client = ClientConnection::new(Arc::new(client), name).expect("a client");
    let mut server = ServerConnection::new(server).expect("a server");
    for _ in 0..8 {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).expect("writes");
        server.read_tls(&mut wire.as_slice()).expect("reads");
        server.process_new_packets().ok()?;
        let mut wire = Vec::new();
        server.write_tls(&mut wire).expect("writes");
        client.read_tls(&mut wire.as_slice()).expect("reads");
        client.process_new_packets().ok()?;
    }
    (!client.is_handshaking() && !server.is_handshaking()).then_some((client, server))
}

/// A certificate and its key as TLS wants them.
fn identity(certificate: &EdgeCertificate) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = CertificateDer::pem_slice_iter(certificate.certificate.as_bytes()).collect::<Result<_, _>>();
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes());
    (chain.expect("a certificate"), key.expect("a key"))
}

/// Whether an edge of `site` answers by this certificate one that asks for this name by its own; both trust this bundle.
fn answers(bundle: &str, name: &str, (asks, answers): (&EdgeCertificate, &EdgeCertificate)) -> bool {
    let (chain, key) = identity(asks);
    let client = ClientConfig::builder_with_provider(issue::provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots(bundle))
        .with_client_auth_cert(chain, key)
        .expect("a certificate");
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(bundle).into(), issue::provider());
    let (chain, key) = identity(answers);
    let server = ServerConfig::builder_with_provider(issue::provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(chain, key)
        .expect("a certificate");
    let Some((_, server)) = shake_hands(client, name, Arc::new(server)) else { return false };
    let shown = server.peer_certificates().and_then(<[_]>::first).expect("was asked for");
    let shown = ParsedCertificate::try_from(shown).expect("a certificate");
    verify_server_name(&shown, &ServerName::try_from(edges_name("shop")).expect("a name")).is_ok()
}

fn edge(authority: &Pair, site: &str, pod_uid: &str) -> EdgeCertificate {
    issue::edge(authority, site, pod_uid, now()).expect("issues")
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

#[test]
fn edges_of_one_distribution_take_each_other_by_their_own_names_and_nobody_else() {
    let (ours, other) = (issue::authority(now()).expect("makes"), issue::authority(now()).expect("makes"));
    let bundle = Kept::first(ours.clone()).bundle();
    let (one, two) = (edge(&ours, "shop", "one"), edge(&ours, "shop", "two"));
    let check = |name: &str, both, expect| assert_eq!(answers(&bundle, name, both), expect, "{name}");
    check(&edge_name("shop", "two"), (&one, &two), true);
    check(&edges_name("shop"), (&one, &two), true);
    check(&edge_name("shop", "one"), (&one, &two), false);
    check(edge_contract::OPERATOR_NAME, (&one, &two), false);
    let foreign = edge(&ours, "blog", "three");
    check(&edges_name("shop"), (&one, &foreign), false);
    check(&edges_name("shop"), (&foreign, &two), false);
    let forged = edge(&other, "shop", "two");
    check(&edge_name("shop", "two"), (&one, &forged), false);
    check(&edge_name("shop", "two"), (&forged, &two), false);
}

#[test]
fn edges_take_each_other_while_one_authority_follows_the_other() {
    let (old, new) = (issue::authority(now()).expect("makes"), issue::authority(now()).expect("makes"));
    let mut kept = Kept::first(old.clone());
    kept.announce(new.clone());
    for _ in 0..2 {
        let (before, after) = (edge(&old, "shop", "one"), edge(&new, "shop", "two"));
        assert!(answers(&kept.bundle(), &edge_name("shop", "two"), (&before, &after)));
        assert!(answers(&kept.bundle(), &edge_name("shop", "one"), (&after, &before)));
        kept.promote();
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_that_takes_a_call_and_never_answers_is_asked_again() {
    let api = FakeApi::default();
    let get = format!("GET secrets/{SECRET}");
    api.fail(&get, Fault::Silence);
    let opened = Authority::open(api.client(), "kubefront-system").await;
    assert!(matches!(opened, Err(AuthorityError::Silent)), "{opened:?}");
    api.mend();
    let authority = Authority::open(api.client(), "kubefront-system").await.expect("makes one");
    for fault in [Fault::Silence, Fault::Always(503)] {
        api.fail(&get, fault);
        api.calls();
        let minute = Duration::from_mins(1);
        let kept = timeout(minute * 10, authority.keep(|_| true)).await;
        let asked = api.calls().len();
        assert!(kept.is_err() && (10..=21).contains(&asked), "{fault:?}: {asked} times in ten minutes");
        api.mend();
    }
}
