//! An origin of a spec, and where it is, into an origin as edges ask it.

use std::collections::BTreeMap;

use crds::distribution::{self, HostHeaderMode, S3Origin, SecretKeyReference};
use edge_contract::{
    HostHeader, Identity, Mounted, MountedKind, Origin, OriginHeader, OriginHeaderValue, OriginTls, S3, S3Credentials,
};
use url::Url;

use super::durations::milliseconds;
use crate::distribution::resolved::ResolvedOrigin;

const CONNECT_TIMEOUT_MS: u64 = 3_000;
const RESPONSE_TIMEOUT_MS: u64 = 30_000;
const KEEP_ALIVE_MS: u64 = 60_000;
const ATTEMPTS: u32 = 3;

/// One origin.
pub(super) fn compile(origin: &distribution::Origin, resolved: &BTreeMap<String, ResolvedOrigin>) -> Origin {
    let there = resolved.get(&origin.name);
    let url_path = there.map(|there| there.url_path.as_str()).unwrap_or_default();
    Origin {
        name: origin.name.clone(),
        target: there.and_then(|there| there.target.clone()),
        invalid: there.and_then(|there| there.invalid.clone()),
        base_path: base_path(url_path, origin.path.as_deref().unwrap_or_default()),
        host_header: host_header(origin, there),
        headers: headers(origin),
        connect_timeout_ms: milliseconds(origin.connect_timeout.as_ref(), CONNECT_TIMEOUT_MS),
        response_timeout_ms: milliseconds(origin.response_timeout.as_ref(), RESPONSE_TIMEOUT_MS),
        keep_alive_ms: milliseconds(origin.keep_alive.as_ref(), KEEP_ALIVE_MS),
        attempts: origin.attempts.unwrap_or(ATTEMPTS),
        tls: tls(origin, there),
        s3: origin.s3.as_ref().map(|given| s3(given, &origin.name)),
        shield: origin.shield.as_ref().map(|shield| shield.location.clone()),
    }
}

/// The path of the url, then that of the field, without the slash at the end that every path begins with.
fn base_path(url_path: &str, path: &str) -> String {
    let joined = format!("{}{path}", url_path.trim_end_matches('/'));
    // Dot segments are removed and odd characters encoded just as in the path of a url.
    let normal = Url::parse(&format!("http://origin{joined}")).map_or(joined, |url| url.path().to_owned());
    normal.trim_end_matches('/').to_owned()
}

fn host_header(origin: &distribution::Origin, there: Option<&ResolvedOrigin>) -> HostHeader {
    let own = || there.map(|there| there.authority.clone()).unwrap_or_default();
    match &origin.host_header {
        None => HostHeader::Fixed(own()),
        Some(given) => match given.mode {
            HostHeaderMode::Origin => HostHeader::Fixed(own()),
            HostHeaderMode::Viewer => HostHeader::Viewer,
            HostHeaderMode::Fixed => HostHeader::Fixed(given.value.clone().unwrap_or_else(own)),
        },
    }
}

/// By name, so that the order in which they are written makes no new revision.
fn headers(origin: &distribution::Origin) -> Vec<OriginHeader> {
    let value = |header: &distribution::OriginHeader| match &header.secret_key_ref {
        Some(SecretKeyReference { name, key }) => {
            let field = format!("spec.origins[{}].headers[{}].secretKeyRef", origin.name, header.name);
            OriginHeaderValue::ValueFrom(secret(name, key, field))
        }
        None => OriginHeaderValue::Value(header.value.clone().unwrap_or_default()),
    };
    let headers: BTreeMap<String, OriginHeaderValue> =
        origin.headers.iter().map(|header| (header.name.to_ascii_lowercase(), value(header))).collect();
    headers.into_iter().map(|(name, value)| OriginHeader { name, value }).collect()
}

fn tls(origin: &distribution::Origin, there: Option<&ResolvedOrigin>) -> OriginTls {
    let found = there.and_then(|there| there.server_name.clone());
    let Some(given) = &origin.tls else { return OriginTls { server_name: found, ..OriginTls::default() } };
    let field = |name: &str| format!("spec.origins[{}].tls.{name}", origin.name);
    let of_secret = given.ca_secret_ref.as_ref().map(|it| secret(&it.name, "ca.crt", field("caSecretRef")));
    let of_config_map = given
        .ca_config_map_ref
        .as_ref()
        .map(|it| Mounted { kind: MountedKind::ConfigMap, ..secret(&it.name, "ca.crt", field("caConfigMapRef")) });
    let identity = given.client_certificate_secret_ref.as_ref().map(|it| {
        let of = |key: &str| secret(&it.name, key, field("clientCertificateSecretRef"));
        Identity { certificate: of("tls.crt"), key: of("tls.key") }
    });
    OriginTls {
        server_name: given.server_name.clone().or(found),
        authorities: of_secret.or(of_config_map),
        identity,
        insecure_skip_verify: given.insecure_skip_verify.unwrap_or_default(),
    }
}

fn s3(given: &S3Origin, origin: &str) -> S3 {
    let credentials = given.credentials_secret_ref.as_ref().map(|it| {
        let of = |key: &str| secret(&it.name, key, format!("spec.origins[{origin}].s3.credentialsSecretRef"));
        S3Credentials {
            access_key_id: of("accessKeyId"),
            secret_access_key: of("secretAccessKey"),
            session_token: of("sessionToken"),
        }
    });
    S3 { region: given.region.clone(), credentials }
}

/// A key of a Secret, as edges find it mounted.
fn secret(name: &str, key: &str, field: String) -> Mounted {
    Mounted { kind: MountedKind::Secret, name: name.to_owned(), key: key.to_owned(), field }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url_path: &str, path: &str, expect: &str) {
        assert_eq!(base_path(url_path, path), expect, "{url_path} + {path}");
    }

    #[test]
    fn base_paths_join_without_doubled_or_trailing_slashes() {
        check("", "", "");
        check("/", "", "");
        check("/base", "", "/base");
        check("/base/", "/public", "/base/public");
        check("/", "/public/", "/public");
        check("", "/public", "/public");
        check("/a//", "/b//", "/a/b");
    }

    #[test]
    fn base_paths_are_normal() {
        check("", "/a/../b/./c", "/b/c");
        check("", "/../etc", "/etc");
        check("/caf%c3%a9", "/x%20y", "/caf%c3%a9/x%20y");
    }
}
