//! HTTPS origins, as the program itself trusts them: by the roots of its platform, which `SSL_CERT_FILE` names here.

use std::net::SocketAddr;
use std::sync::Arc;

use edge_contract::{EdgeConfig, OriginTarget, Scheme};
use http::{Method, StatusCode};
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::edge::{Reply, config, open, read, request};
use crate::origin::Origin;
use crate::program::{Place, Program};

/// Who vouches for origins.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signs");
        Self { issuer }
    }

    /// A certificate for this name or address.
    pub fn certificate(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Arc<CertifiedKey> {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).expect("signs");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        Arc::new(CertifiedKey::from_der(vec![certificate.der().clone()], key, &provider).expect("they fit"))
    }

    /// As PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// As what whoever asks is verified by.
    pub fn verifying(&self) -> Arc<dyn ClientCertVerifier> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("is one");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().expect("has a root")
    }

    /// A certificate for whoever asks, and its key, as PEM.
    pub fn identity(&self, name: &str) -> (String, String) {
        self.identity_of(vec![name.to_owned()])
    }

    /// The same for more than one name.
    pub fn identity_of(&self, names: Vec<String>) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(names).expect("names");
        (params.signed_by(&key, &self.issuer).expect("signs").pem(), key.serialize_pem())
    }

    fn mounted(&self) -> Place {
        Place::holding("roots.pem", self.issuer.pem())
    }
}

/// An origin behind TLS.
pub struct Secure {
    pub origin: Origin,
    address: SocketAddr,
    shown: Arc<Shown>,
}

/// What it shows, and under which names it was asked for.
#[derive(Debug)]
struct Shown {
    certificate: Arc<CertifiedKey>,
    names: Mutex<Vec<Option<String>>>,
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.names.lock().push(hello.server_name().map(ToOwned::to_owned));
        Some(Arc::clone(&self.certificate))
    }
}

impl Secure {
    pub async fn showing(certificate: Arc<CertifiedKey>) -> Self {
        Self::letting_in(certificate, WebPkiClientVerifier::no_client_auth()).await
    }

    /// Whoever asks has to be one of these.
    pub async fn letting_in(certificate: Arc<CertifiedKey>, askers: Arc<dyn ClientCertVerifier>) -> Self {
        let origin = Origin::numbered("").await;
        let (address, shown) = in_front_of(origin.address, certificate, askers, &[]).await;
        Self { origin, address, shown }
    }

    /// How the program comes to it by `https://<host>:<port>`.
    pub fn at(&self, host: &str) -> EdgeConfig {
        https(self.address, host)
    }

    pub fn names(&self) -> Vec<Option<String>> {
        self.shown.names.lock().clone()
    }
}

/// Puts TLS in front of someone who speaks without; one of `protocols` may be agreed on.
async fn in_front_of(
    behind: SocketAddr,
    certificate: Arc<CertifiedKey>,
    askers: Arc<dyn ClientCertVerifier>,
    protocols: &[&str],
) -> (SocketAddr, Arc<Shown>) {
    let shown = Arc::new(Shown { certificate, names: Mutex::default() });
    let mut tls = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_client_cert_verifier(askers)
        .with_cert_resolver(Arc::<Shown>::clone(&shown));
    tls.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let tls = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = tls.accept(stream).await else { return };
                let mut plain = TcpStream::connect(behind).await.expect("accepts");
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut plain).await;
            });
        }
    });
    (address, shown)
}

/// Where TLS stands in front of someone who speaks without, and agrees on one of these protocols.
pub async fn agreeing(behind: SocketAddr, protocols: &[&str]) -> SocketAddr {
    let certificate = Authority::new("unknown").certificate("localhost", |_| ());
    in_front_of(behind, certificate, WebPkiClientVerifier::no_client_auth(), protocols).await.0
}

pub fn https(address: SocketAddr, host: &str) -> EdgeConfig {
    let mut config = config(address);
    config.sites[0].origins[0].target =
        Some(OriginTarget::Address { scheme: Scheme::Https, host: host.into(), port: address.port() });
    config
}

/// The program that serves this and trusts that authority.
struct Serving {
    program: Program,
    viewers: SocketAddr,
    _mounted: [Place; 2],
}

impl Serving {
    async fn start(config: &EdgeConfig, trusted: &Authority) -> Self {
        let (mounted, roots) = (Place::of(config), trusted.mounted());
        let mut program = Program::with(&["--config", mounted.text()], &[("SSL_CERT_FILE", roots.path())]);
        let viewers = program.viewers().await;
        Self { program, viewers, _mounted: [mounted, roots] }
    }

    async fn get(&self, path: &str) -> Reply {
        let response = open(self.viewers, request(Method::GET, path)).await.expect("there is a response");
        read(response).await.expect("the body is complete")
    }

    /// Sees a viewer told that the origin cannot be believed; what the log says is wrong.
    async fn refuses(mut self, detail: &str) -> String {
        let reply = self.get("/a").await;
        assert_eq!(reply.status, StatusCode::BAD_GATEWAY);
        assert_eq!(reply.cache_status(), format!("kubefront; fwd=uri-miss; detail={detail}"));
        let line = self.program.says("source").await;
        assert_eq!((line["origin"].as_str(), line["detail"].as_str()), (Some("app"), Some(detail)), "{line}");
        ["error", "source", "advice"].map(|name| line[name].as_str().expect("is text")).join("; ")
    }
}

#[tokio::test]
async fn an_https_origin_proves_the_name_that_its_url_has() {
    let authority = Authority::new("trusted");
    let origin = Secure::showing(authority.certificate("localhost", |_| ())).await;
    let edge = Serving::start(&origin.at("localhost"), &authority).await;
    for path in ["/a", "/b"] {
        assert_eq!(edge.get(path).await.status, StatusCode::OK);
    }
    assert_eq!(origin.names(), [Some("localhost".into())], "one connection, for that name");
    assert_eq!(origin.origin.seen(1).header("host"), Some("app.test"));
}

#[tokio::test]
async fn an_https_origin_may_have_to_prove_another_name_than_the_one_it_is_found_by() {
    let authority = Authority::new("trusted");
    let origin = Secure::showing(authority.certificate("shop.test", |_| ())).await;
    let mut config = origin.at("localhost");
    config.sites[0].origins[0].tls.server_name = Some("shop.test".into());
    let edge = Serving::start(&config, &authority).await;
    assert_eq!(edge.get("/a").await.status, StatusCode::OK);
    assert_eq!(origin.names(), [Some("shop.test".into())]);
}

#[tokio::test]
async fn an_https_origin_with_an_address_for_a_host_proves_that_address_and_is_asked_by_no_name() {
    let authority = Authority::new("trusted");
    let origin = Secure::showing(authority.certificate("127.0.0.1", |_| ())).await;
    let edge = Serving::start(&origin.at("127.0.0.1"), &authority).await;
    assert_eq!(edge.get("/a").await.status, StatusCode::OK);
    assert_eq!(origin.names(), [None]);
    let named = Secure::showing(authority.certificate("localhost", |_| ())).await;
    let edge = Serving::start(&named.at("127.0.0.1"), &authority).await;
    let said = edge.refuses("origin-certificate").await;
    assert!(said.contains("not valid for name \"127.0.0.1\""), "{said}");
}

#[tokio::test]
async fn an_https_origin_that_proves_another_name_is_a_bad_gateway_that_says_so() {
    let authority = Authority::new("trusted");
    let origin = Secure::showing(authority.certificate("other.test", |_| ())).await;
    let edge = Serving::start(&origin.at("localhost"), &authority).await;
    let said = edge.refuses("origin-certificate").await;
    assert!(said.contains("not valid for name \"localhost\"") && said.contains("other.test"), "{said}");
    assert!(
        said.contains(" is for another name; ") && said.ends_with("; tls.serverName says which name it is to have"),
        "{said}"
    );
    assert_eq!(origin.origin.reads(), 0);
}

#[tokio::test]
async fn an_https_origin_whose_certificate_is_over_is_a_bad_gateway_that_says_so() {
    let authority = Authority::new("trusted");
    let past = authority.certificate("localhost", |params| {
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    });
    let origin = Secure::showing(past).await;
    let edge = Serving::start(&origin.at("localhost"), &authority).await;
    let said = edge.refuses("origin-certificate").await;
    assert!(said.contains(" has expired; ") && said.ends_with("; renew it at the origin"), "{said}");
    assert_eq!(origin.origin.reads(), 0);
}

#[tokio::test]
async fn an_https_origin_that_nobody_trusted_vouches_for_is_a_bad_gateway_that_says_so() {
    let (trusted, other) = (Authority::new("trusted"), Authority::new("another"));
    let origin = Secure::showing(other.certificate("localhost", |_| ())).await;
    let edge = Serving::start(&origin.at("localhost"), &trusted).await;
    let said = edge.refuses("origin-certificate").await;
    assert!(said.contains("UnknownIssuer") && said.contains("; name its authority by tls.ca"), "{said}");
    assert_eq!(origin.origin.reads(), 0);
}

#[tokio::test]
async fn an_origin_that_speaks_no_tls_is_never_asked_in_plain() {
    let origin = Origin::numbered("").await;
    let edge = Serving::start(&https(origin.address, "localhost"), &Authority::new("trusted")).await;
    let reply = edge.get("/a").await;
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY);
    assert!(reply.cache_status().ends_with("detail=origin-tls"), "{}", reply.cache_status());
    assert_eq!(origin.reads(), 0);
}

#[tokio::test]
async fn an_https_origin_that_accepts_and_says_nothing_is_given_up_after_the_time_for_a_connection() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let mut config = https(silent.local_addr().expect("is bound"), "127.0.0.1");
    config.sites[0].origins[0].connect_timeout_ms = 50;
    let mut edge = Serving::start(&config, &Authority::new("trusted")).await;
    let reply = edge.get("/a").await;
    assert_eq!(reply.status, StatusCode::GATEWAY_TIMEOUT);
    assert!(reply.cache_status().ends_with("detail=origin-connect-timeout"), "{}", reply.cache_status());
    let line = edge.program.says("error").await;
    let said = ["error", "advice"].map(|name| line[name].as_str().expect("is text")).join("; ");
    assert!(
        said.starts_with("the handshake of TLS with ") && said.contains(" took longer than 50ms; does it speak"),
        "{said}"
    );
}

#[tokio::test]
async fn a_certificate_that_is_an_authoritys_own_is_a_bad_gateway_that_says_so() {
    let authority = Authority::new("trusted");
    let own = authority.certificate("localhost", |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let origin = Secure::showing(own).await;
    let edge = Serving::start(&origin.at("localhost"), &authority).await;
    let said = edge.refuses("origin-certificate").await;
    assert!(said.contains(" is an authority's own, as self-signed ones are; "), "{said}");
}
