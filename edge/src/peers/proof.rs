//! A certificate, its key and the authorities that vouch for edges into what both sides of a connection between edges are made with.
//!
//! Guarantees: TLS 1.3, each side verified; whoever answers has to hold the name of the one edge that was meant, whoever asks the name that
//! all edges of a site hold ([`Credentials::speaks_for`]). What an edge proves itself with is made only while others would believe it.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::SystemTime;

use edge_contract::{EdgeCertificate, edges_name};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use thiserror::Error;

use crate::control::trust;

/// Why an edge has nothing to prove itself with.
#[derive(Debug, Error)]
enum ProofError {
    #[error("its authorities: {0}")]
    Authorities(#[from] trust::TrustError),
    #[error("no authority is known")]
    Nobody,
    #[error("its certificate is not PEM")]
    Certificate,
    #[error("its key is not PEM")]
    Key,
    #[error(transparent)]
    Verifier(#[from] rustls::client::VerifierBuilderError),
    #[error("nobody would believe it: {0}")]
    Tls(#[from] rustls::Error),
}

/// What has been said of who vouches for whom.
#[derive(Default)]
pub struct Proof {
    /// Whom the operator's stream has named, beside those that are mounted.
    pub told: Vec<CertificateDer<'static>>,
    /// What was sent to this edge last.
    pub certificate: Option<EdgeCertificate>,
    made: Option<Arc<Credentials>>,
    said: Option<String>,
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proof").field("made", &self.made.is_some()).finish_non_exhaustive()
    }
}

/// What connections between edges are made with.
pub struct Credentials {
    /// Of an edge that asks.
    pub client: Arc<ClientConfig>,
    /// Of one that is asked.
    pub server: Arc<ServerConfig>,
    /// Of what it was made.
    of: u64,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("of", &self.of).finish_non_exhaustive()
    }
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        self.of == other.of
    }
}

impl Eq for Credentials {}

impl Credentials {
    /// Whether a certificate that was verified is that of an edge of this site.
    pub fn speaks_for(certificate: &CertificateDer<'_>, site: &str) -> bool {
        let (Ok(parsed), Ok(name)) = (ParsedCertificate::try_from(certificate), ServerName::try_from(edges_name(site)))
        else {
            return false;
        };
        rustls::client::verify_server_name(&parsed, &name).is_ok()
    }
}

impl Proof {
    /// What connections are to be made with now: the same as before where nothing is new, nothing where others would not believe it.
    pub fn prove(&mut self, mounted: &[u8], now: SystemTime) -> Option<Arc<Credentials>> {
        let certificate = self.certificate.clone()?;
        let made = self.made_of(&certificate, mounted, now);
        let trouble = made.as_ref().err().map(ToString::to_string);
        if let Some(trouble) = trouble.as_ref().filter(|trouble| self.said.as_ref() != Some(*trouble)) {
            tracing::warn!(trouble, "this edge has nothing to prove itself with to others, so it asks origins itself");
        }
        self.said = trouble;
        self.made = made.ok();
        self.made.clone()
    }

    fn made_of(
        &self,
        certificate: &EdgeCertificate,
        mounted: &[u8],
        now: SystemTime,
    ) -> Result<Arc<Credentials>, ProofError> {
        let roots = Arc::new(self.roots(mounted)?);
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.certificate.as_bytes()).collect();
        let chain = chain.map_err(|_| ProofError::Certificate)?;
        believable(&chain, Arc::clone(&roots), now)?;
        let mut of = DefaultHasher::new();
        (&chain, &certificate.key).hash(&mut of);
        roots.roots.iter().for_each(|root| root.subject_public_key_info.as_ref().hash(&mut of));
        let of = of.finish();
        if let Some(made) = self.made.as_ref().filter(|made| made.of == of) {
            return Ok(Arc::clone(made));
        }
        let key = || PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).map_err(|_| ProofError::Key);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(Arc::clone(&roots))
            .with_client_auth_cert(chain.clone(), key()?)?;
        let askers = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider)).build()?;
        let server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(askers)
            .with_single_cert(chain, key()?)?;
        Ok(Arc::new(Credentials { client: Arc::new(client), server: Arc::new(server), of }))
    }

    fn roots(&self, mounted: &[u8]) -> Result<RootCertStore, ProofError> {
        let mut roots = RootCertStore::empty();
        let mounted = if mounted.is_empty() { Vec::new() } else { trust::certificates(mounted)? };
        let unknown = self.told.iter().filter(|told| !mounted.contains(told));
        for authority in mounted.iter().chain(unknown) {
            roots.add(authority.clone())?;
        }
        if roots.is_empty() { Err(ProofError::Nobody) } else { Ok(roots) }
    }
}

/// Whether another edge would believe this chain now: not once it is out of date, nor where its authority is not known yet.
fn believable(chain: &[CertificateDer<'static>], roots: Arc<RootCertStore>, now: SystemTime) -> Result<(), ProofError> {
    let (own, rest) = chain.split_first().ok_or(ProofError::Certificate)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build()?;
    // By its date and its authority; by what name it is asked is seen to by whoever asks.
    let name = ServerName::try_from(edges_name("any")).map_err(|_| ProofError::Certificate)?;
    match verifier.verify_server_cert(own, rest, &name, &[], UnixTime::since_unix_epoch(since)) {
        Ok(_)
        | Err(rustls::Error::InvalidCertificate(
            rustls::CertificateError::NotValidForName | rustls::CertificateError::NotValidForNameContext { .. },
        )) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use edge_contract::edge_name;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

    use super::*;

    /// Within the life of what [`issued`] issues.
    const NOW: Duration = Duration::from_hours(498_712);

    fn authority() -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signs")
    }

    fn issued(by: &CertifiedIssuer<'static, KeyPair>, until: i32) -> EdgeCertificate {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([edge_name("s", "pod"), edges_name("s")]).expect("names");
        (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(until, 1, 1));
        let certificate = params.signed_by(&key, by).expect("signs").pem();
        EdgeCertificate { certificate, key: key.serialize_pem() }
    }

    fn proof(certificate: EdgeCertificate) -> Proof {
        Proof { certificate: Some(certificate), ..Proof::default() }
    }

    fn at(proof: &mut Proof, mounted: &str, after: Duration) -> Option<Arc<Credentials>> {
        proof.prove(mounted.as_bytes(), SystemTime::UNIX_EPOCH + NOW + after)
    }

    #[test]
    fn a_certificate_counts_while_an_authority_that_is_known_vouches_for_it_and_it_is_not_over() {
        let (known, other) = (authority(), authority());
        let mut proof = proof(issued(&known, 2027));
        assert!(at(&mut proof, "", Duration::ZERO).is_none(), "nobody vouches for anybody");
        assert!(at(&mut proof, &other.pem(), Duration::ZERO).is_none(), "somebody else does");
        let first = at(&mut proof, &known.pem(), Duration::ZERO).expect("is made");
        let second = at(&mut proof, &known.pem(), Duration::ZERO).expect("is kept");
        assert!(Arc::ptr_eq(&first, &second), "sessions are resumed by what was made once");
        assert!(at(&mut proof, &known.pem(), Duration::from_hours(366 * 24)).is_none(), "it is over");
        proof.told = vec![known.der().clone()];
        assert!(at(&mut proof, &other.pem(), Duration::ZERO).is_some(), "the stream has named it");
        let both = at(&mut proof, &[known.pem(), other.pem()].concat(), Duration::ZERO).expect("is made");
        assert_ne!(first, both, "whom it believes is another");
    }

    #[test]
    fn what_is_no_certificate_proves_nothing() {
        let known = authority();
        let sound = issued(&known, 2027);
        let of = |certificate: &str, key: &str| EdgeCertificate { certificate: certificate.into(), key: key.into() };
        for unsound in [
            of("", &sound.key),
            of(&sound.certificate, ""),
            of("words", "words"),
            of(&sound.certificate, &issued(&known, 2027).key),
        ] {
            assert!(at(&mut proof(unsound), &known.pem(), Duration::ZERO).is_none());
        }
        assert!(at(&mut Proof::default(), &known.pem(), Duration::ZERO).is_none());
    }

    #[test]
    fn an_edge_speaks_for_its_own_site_alone() {
        let certificate =
            CertificateDer::from_pem_slice(issued(&authority(), 2027).certificate.as_bytes()).expect("is one");
        assert!(Credentials::speaks_for(&certificate, "s"));
        for other in ["", "t", "other.s", "s.edges.kubefront", "*"] {
            assert!(!Credentials::speaks_for(&certificate, other), "{other}");
        }
        assert!(!Credentials::speaks_for(&CertificateDer::from(b"bytes".to_vec()), "s"));
    }

    #[test]
    fn no_key_is_printed() {
        let mut proof = proof(EdgeCertificate { certificate: "public".into(), key: "marked".into() });
        assert!(!format!("{proof:?}").contains("marked"));
        let known = authority();
        proof.certificate = Some(issued(&known, 2027));
        let made = at(&mut proof, &known.pem(), Duration::ZERO).expect("is made");
        assert!(!format!("{made:?}{proof:?}").contains("PRIVATE"));
    }
}
