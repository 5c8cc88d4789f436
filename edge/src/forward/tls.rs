//! How TLS is spoken with an origin, and what is mounted for it, into what its connections are opened with and kept by.
//!
//! Flow: [`OriginTls`] and the files that it names → [`Tls::secure`] → [`Secured`], a part of each connection's destination.
//! Guarantees: once a file holds something else, what is opened next is opened with that, and a connection that was opened before is
//! used by nobody any more. What is unchanged is made once and shared, so that sessions are resumed.
//! Errors: [`TlsError`]; what is wrong with a file is reported for its field, without a byte of it.

mod anyone;
mod fault;

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use edge_contract::{Mounted, OriginTarget, OriginTls, Scheme, Site};
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use thiserror::Error;

use super::connect::Speaks;
use crate::mounts::{Mounts, Secret, Unusable};
use anyone::Anyone;
pub use fault::Fault;

/// HTTP/1.1, as TLS calls it (RFC 7301 §6).
pub const HTTP1: &[u8] = b"http/1.1";
/// HTTP/2, as TLS calls it (RFC 9113 §3.2).
pub const HTTP2: &[u8] = b"h2";

/// How many ways of speaking it are remembered: more than all origins of a site have.
const REMEMBERED: usize = 256;

/// Whether an origin says by this that it wants a certificate of whoever asks, or believes none of the one that it was shown (RFC 8446
/// §6.2). Before TLS 1.3 some say only that they cannot agree.
pub fn is_about_who_asks(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}

/// Why TLS cannot be spoken with an origin.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The name to verify is no name.
    #[error("{0} is not a name that a certificate can be for")]
    ServerName(String),
    /// Something that is mounted for it is missing or of no use.
    #[error(transparent)]
    Mounted(#[from] Unusable),
    /// This edge has no roots to verify anyone against.
    #[error("no trusted roots on this machine")]
    Roots(#[source] rustls::Error),
}

/// Who has to answer, and how that is proved.
#[derive(Clone, Debug)]
pub struct Secured {
    /// The name to verify.
    pub name: ServerName<'static>,
    /// By what, and as whom.
    pub config: Arc<ClientConfig>,
}

impl PartialEq for Secured {
    /// Two configurations are the same if they were made as one.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.config, &other.config)
    }
}

impl Eq for Secured {}

impl Hash for Secured {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        Arc::as_ptr(&self.config).hash(state);
    }
}

/// What was made, by how it is to be spoken.
#[derive(Debug, Default)]
pub struct Tls {
    made: Mutex<HashMap<OriginTls, Made>>,
}

#[derive(Debug)]
struct Made {
    of: Files,
    /// HTTP/2 and HTTP/1.1 are offered.
    either: Arc<ClientConfig>,
    /// HTTP/1.1 alone is.
    http1: Arc<ClientConfig>,
}

/// What is mounted for one origin.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Files {
    authorities: Option<Secret>,
    identity: Option<(Secret, Secret)>,
}

impl Tls {
    /// What a connection to this target is opened with, if this is to be spoken over it; nothing where it is plain.
    pub fn secure(
        &self,
        target: &OriginTarget,
        tls: &OriginTls,
        speaks: Speaks,
        mounts: &Mounts,
    ) -> Result<Option<Secured>, TlsError> {
        if target.scheme() != Scheme::Https {
            return Ok(None);
        }
        let name = tls.server_name.as_deref().unwrap_or(target.host());
        let verified = ServerName::try_from(name.to_owned()).map_err(|_| TlsError::ServerName(name.to_owned()))?;
        // Whom it is spoken with is no matter for how.
        let how = OriginTls { server_name: None, ..tls.clone() };
        Ok(Some(Secured { name: verified, config: self.config(how, speaks, mounts)? }))
    }

    /// Tries what the origins of a site would be asked with, so that what is wrong is known before anyone asks.
    pub fn rehearse(&self, site: &Site, mounts: &Mounts) {
        for origin in site.origins.iter().filter(|origin| !origin.tls.is_default()) {
            let outcome = origin.target.as_ref().map(|target| self.secure(target, &origin.tls, Speaks::Either, mounts));
            if let Some(Err(error)) = outcome {
                tracing::debug!(site = %site.name, origin = %origin.name, %error, "TLS cannot be spoken");
            }
        }
    }

    fn config(&self, how: OriginTls, speaks: Speaks, mounts: &Mounts) -> Result<Arc<ClientConfig>, TlsError> {
        // Read in turn, so that nothing is said or taken back by who has read before others did.
        let mut all = self.made.lock();
        let of = Files::read(&how, mounts)?;
        if let Some(made) = all.get(&how).filter(|made| made.of == of) {
            take_back(&how, mounts);
            return Ok(made.speaking(speaks));
        }
        let http1 = make(&how, &of, mounts)?;
        take_back(&how, mounts);
        let mut either = http1.clone();
        either.alpn_protocols.insert(0, HTTP2.to_vec());
        let made = Made { of, either: Arc::new(either), http1: Arc::new(http1) };
        let config = made.speaking(speaks);
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.insert(how, made);
        Ok(config)
    }
}

impl Made {
    fn speaking(&self, speaks: Speaks) -> Arc<ClientConfig> {
        Arc::clone(if speaks == Speaks::Http1 { &self.http1 } else { &self.either })
    }
}

impl Files {
    fn read(how: &OriginTls, mounts: &Mounts) -> Result<Self, Unusable> {
        let read = |file: &Mounted| mounts.read(file).map_err(|error| Unusable::of(file, error));
        let identity = how.identity.as_ref().map(|one| Ok((read(&one.certificate)?, read(&one.key)?)));
        Ok(Self { authorities: how.authorities.as_ref().map(read).transpose()?, identity: identity.transpose()? })
    }
}

fn make(how: &OriginTls, files: &Files, mounts: &Mounts) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Roots)?;
    let builder = match how.authorities.as_ref().zip(files.authorities.as_ref()) {
        _ if how.insecure_skip_verify => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone::of(provider)))
        }
        Some((file, pem)) => builder.with_root_certificates(roots(pem).map_err(|what| refuse(file, what, mounts))?),
        None => builder.with_platform_verifier().map_err(TlsError::Roots)?,
    };
    let mut config = match how.identity.as_ref().zip(files.identity.as_ref()) {
        None => builder.with_no_client_auth(),
        Some((named, (certificate, key))) => {
            let chain = chain(certificate).map_err(|what| refuse(&named.certificate, what, mounts))?;
            let key = PrivateKeyDer::from_pem_slice(key.bytes())
                .map_err(|_| refuse(&named.key, "it holds no private key in PEM form", mounts))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|_| refuse(&named.key, "it is not the key of that certificate", mounts))?
        }
    };
    config.alpn_protocols = vec![HTTP1.to_vec()];
    Ok(config)
}

fn roots(pem: &Secret) -> Result<RootCertStore, &'static str> {
    let mut roots = RootCertStore::empty();
    for authority in chain(pem)? {
        roots.add(authority).map_err(|_| "one of its certificates cannot be an authority")?;
    }
    Ok(roots)
}

fn chain(pem: &Secret) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.bytes()).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or("it holds no certificate in PEM form")
}

/// All of them are of use together, whatever was said of one: another that belongs to it may have changed since.
fn take_back(how: &OriginTls, mounts: &Mounts) {
    if mounts.lacks_nothing() {
        return;
    }
    let identity = how.identity.iter().flat_map(|one| [&one.certificate, &one.key]);
    for file in how.authorities.iter().chain(identity) {
        mounts.clear(file);
    }
}

/// Says what is wrong with a file, here and for its field.
fn refuse(file: &Mounted, what: &str, mounts: &Mounts) -> TlsError {
    let Mounted { kind, name, key, field } = file;
    let message = format!("key {key} of {kind} {name} is of no use: {what}");
    mounts.report(file, message.clone());
    TlsError::Mounted(Unusable { field: field.clone(), message })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::observed::Observing;

    #[test]
    fn what_may_be_spoken_is_what_is_offered() {
        let (tls, mounts) = (Tls::default(), Mounts::below(PathBuf::new(), Observing::default()));
        let target = OriginTarget::Address { scheme: Scheme::Https, host: "app.test".into(), port: 443 };
        let how = OriginTls { insecure_skip_verify: true, ..OriginTls::default() };
        for (speaks, expect) in [(Speaks::Either, &[HTTP2, HTTP1][..]), (Speaks::Http1, &[HTTP1])] {
            let secured = tls.secure(&target, &how, speaks, &mounts).expect("can be spoken").expect("is TLS");
            assert_eq!(secured.config.alpn_protocols, expect);
        }
    }
}
