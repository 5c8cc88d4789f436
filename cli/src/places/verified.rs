//! What a manifest and a flag say of TLS into whom an origin on this machine has to prove itself to be, and the words for it.

use edge_contract::{Origin, OriginTls, Scheme};

/// TLS where a flag says otherwise than the manifest: by the name that the certificate would have in a cluster, or not a word of it.
pub(super) fn by_flag(given: OriginTls, scheme: Scheme, certified: String) -> OriginTls {
    if scheme != Scheme::Https {
        return OriginTls::default();
    }
    OriginTls { server_name: given.server_name.or(Some(certified)), ..given }
}

/// Whom it proves to be, and by whose word; nothing where it is asked without TLS, or by its own address and public authorities.
pub(super) fn in_words(origin: &Origin) -> Option<String> {
    let target = origin.target.as_ref().filter(|target| target.scheme() == Scheme::Https)?;
    let OriginTls { server_name, authorities, insecure_skip_verify, .. } = &origin.tls;
    if *insecure_skip_verify {
        return Some("whoever answers is believed".into());
    }
    if server_name.is_none() && authorities.is_none() {
        return None;
    }
    let name = server_name.as_deref().unwrap_or_else(|| target.host());
    let by = authorities.as_ref().map(|it| format!(" by {} {}", it.kind, it.name));
    Some(format!("with a certificate for {name}{}", by.unwrap_or_default()))
}
