//! PEM bundles into what the operator's certificate is verified against.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

/// Why a bundle cannot be trusted.
#[derive(Debug, Error)]
pub enum TrustError {
    /// It is not PEM.
    #[error("the bundle is not PEM")]
    Pem(#[source] pem::Error),
    /// A certificate in it is none, or cannot be an authority.
    #[error("a certificate of the bundle cannot be an authority")]
    Authority(#[source] rustls::Error),
    /// Nothing is in it.
    #[error("the bundle holds no certificate")]
    Empty,
    /// The TLS library refuses its own defaults.
    #[error("TLS 1.3 is not to be had")]
    Protocol(#[source] rustls::Error),
}

/// Every certificate of a bundle: at least one, each fit to be an authority.
pub fn certificates(bundle: &[u8]) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bundle).collect();
    let found = found.map_err(TrustError::Pem)?;
    if found.is_empty() {
        return Err(TrustError::Empty);
    }
    roots(&found)?;
    Ok(found)
}

/// HTTP/2 over TLS 1.3 with whoever proves to be vouched for by one of these authorities.
pub fn verifying(authorities: &[CertificateDer<'static>]) -> Result<Arc<ClientConfig>, TrustError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TrustError::Protocol)?
        .with_root_certificates(roots(authorities)?)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn roots(authorities: &[CertificateDer<'static>]) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).map_err(TrustError::Authority)?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority() -> String {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.self_signed(&key).expect("signs").pem()
    }

    #[track_caller]
    fn check(bundle: &str, expect: Result<usize, &str>) {
        let found = certificates(bundle.as_bytes()).map(|found| found.len()).map_err(|error| error.to_string());
        assert_eq!(found, expect.map_err(ToOwned::to_owned));
    }

    #[test]
    fn a_bundle_is_trusted_whole_or_not_at_all() {
        let (one, other) = (authority(), authority());
        let not_one = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        check(&one, Ok(1));
        check(&format!("{one}{other}"), Ok(2));
        check("", Err("the bundle holds no certificate"));
        check("words", Err("the bundle holds no certificate"));
        check(&format!("{one}{not_one}"), Err("a certificate of the bundle cannot be an authority"));
        check(&one[..one.len() / 2], Err("the bundle is not PEM"));
    }
}
