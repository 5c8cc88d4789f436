//! A date into keys and certificates: an authority, the leaf by which the operator proves itself to edges, and those by which edges
//! prove themselves to one another.

use std::sync::Arc;

use edge_contract::{EdgeCertificate, OPERATOR_NAME, edge_name, edges_name};
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    crypto::CryptoProvider,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::CertifiedKey,
};

use super::{
    AuthorityError,
    keeping::{AUTHORITY_LIFE, LEAF_LIFE, Pair},
};

/// Clocks of edges may be behind: certificates begin this long before they are made.
const BACKDATED: SignedDuration = SignedDuration::from_hours(1);

/// The cryptography of every TLS connection, given explicitly: no process-wide default decides.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A new authority.
pub(super) fn authority(now: Timestamp) -> Result<Pair, AuthorityError> {
    let key = KeyPair::generate()?;
    let certificate = authority_params(now)?.self_signed(&key)?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem(), made: now })
}

/// A new certificate for the operator's fixed name, ready to be shown.
pub(super) fn leaf(authority: &Pair, now: Timestamp) -> Result<Arc<CertifiedKey>, AuthorityError> {
    let names = vec![OPERATOR_NAME.to_owned()];
    let subject = Subject { common_name: OPERATOR_NAME, names, purposes: vec![ExtendedKeyUsagePurpose::ServerAuth] };
    let (certificate, key) = signed(authority, subject, now)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = CertifiedKey::from_der(vec![certificate.der().clone()], key, &provider())?;
    Ok(Arc::new(key))
}

/// A new certificate for the edge in one pod, by which it asks other edges of its Distribution and answers them.
pub(super) fn edge(
    authority: &Pair,
    site: &str,
    pod_uid: &str,
    now: Timestamp,
) -> Result<EdgeCertificate, AuthorityError> {
    let subject = Subject {
        // Its whole name is longer than a common name may be (RFC 5280, appendix A.1: 64 characters).
        common_name: pod_uid,
        names: vec![edge_name(site, pod_uid), edges_name(site)],
        purposes: vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
    };
    let (certificate, key) = signed(authority, subject, now)?;
    Ok(EdgeCertificate { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// Whom a certificate is for, and what for.
struct Subject<'a> {
    common_name: &'a str,
    names: Vec<String>,
    purposes: Vec<ExtendedKeyUsagePurpose>,
}

/// A new key, and the authority's word on whose it is.
fn signed(authority: &Pair, subject: Subject<'_>, now: Timestamp) -> Result<(Certificate, KeyPair), AuthorityError> {
    let issuer = Issuer::new(authority_params(authority.made)?, KeyPair::from_pem(&authority.key)?);
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(subject.names)?;
    params.distinguished_name.push(DnType::CommonName, subject.common_name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = subject.purposes;
    (params.not_before, params.not_after) = (date(now - BACKDATED)?, date(now + LEAF_LIFE)?);
    let certificate = params.signed_by(&key, &issuer)?;
    Ok((certificate, key))
}

/// The same for the same date: what it signs later names the same issuer.
fn authority_params(made: Timestamp) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "Kubefront operator");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = (date(made - BACKDATED)?, date(made + AUTHORITY_LIFE)?);
    Ok(params)
}

fn date(at: Timestamp) -> Result<time::OffsetDateTime, AuthorityError> {
    time::OffsetDateTime::from_unix_timestamp(at.as_second())
        .map_err(|_| AuthorityError::Unusable("its date is out of range"))
}
