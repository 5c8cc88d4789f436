//! A bucket into the address of its store, the Host that is signed and the path that its keys are below.

use std::net::IpAddr;

use crds::condition::Reason;
use crds::distribution::{Addressing, S3Origin};

use super::url;
use crate::distribution::observed::Observed;
use crate::distribution::resolved::ResolvedOrigin;
use crate::finding::Finding;

/// Where the bucket is, or why no origin may be there.
pub(super) fn resolve(
    bucket: &S3Origin,
    field: &str,
    observed: &Observed,
) -> (String, Result<ResolvedOrigin, Finding>) {
    match place(bucket) {
        Ok(text) => url::resolve(&text, &format!("{field}.s3.endpoint"), observed),
        Err((name, message)) => {
            let field = format!("{field}.s3.{name}");
            (bucket.bucket.clone(), Err(Finding::in_spec(field, Reason::InvalidField, message)))
        }
    }
}

/// The url of the folder that is served, or the field for which there is none.
fn place(s3: &S3Origin) -> Result<String, (&'static str, String)> {
    let prefix = s3.prefix.as_deref().unwrap_or_default();
    if prefix.split('/').any(|part| matches!(part, "." | "..")) {
        let message =
            format!("{prefix} would lead out of itself: in a path, . and .. are no names; give another prefix");
        return Err(("prefix", message));
    }
    let endpoint = s3.endpoint.clone().unwrap_or_else(|| of_amazon(&s3.region));
    let endpoint = endpoint.trim_end_matches('/');
    let (scheme, authority) = endpoint.split_once("://").unwrap_or(("https", endpoint));
    let prefix = encoded(prefix);
    let bucket = &s3.bucket;
    match s3.addressing.unwrap_or_else(|| addressing(s3)) {
        Addressing::Path => Ok(format!("{scheme}://{authority}/{bucket}/{prefix}")),
        Addressing::Virtual if is_ip(authority) => {
            let message = format!(
                "{authority} is an address, before which no bucket can stand; give addressing: Path, or a host name as endpoint"
            );
            Err(("addressing", message))
        }
        Addressing::Virtual => Ok(format!("{scheme}://{bucket}.{authority}/{prefix}")),
    }
}

/// China has a domain of its own.
fn of_amazon(region: &str) -> String {
    let country = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://s3.{region}.amazonaws.com{country}")
}

/// A certificate for `*.s3.REGION.amazonaws.com` covers one label.
fn addressing(s3: &S3Origin) -> Addressing {
    if s3.endpoint.is_none() && !s3.bucket.contains('.') { Addressing::Virtual } else { Addressing::Path }
}

fn is_ip(authority: &str) -> bool {
    let host = authority.rsplit_once(':').filter(|_| !authority.ends_with(']')).map_or(authority, |(host, _)| host);
    host.starts_with('[') || host.parse::<IpAddr>().is_ok()
}

/// A key as it stands in a path: all but unreserved characters (RFC 3986 §2.3) and the slashes between its parts is encoded.
fn encoded(key: &str) -> String {
    let encode = |byte: u8| match byte {
        b'/' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    key.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(change: impl FnOnce(&mut S3Origin), expect: &str) {
        let mut s3 = S3Origin {
            bucket: "assets".into(),
            region: "eu-west-1".into(),
            endpoint: None,
            prefix: None,
            addressing: None,
            credentials_secret_ref: None,
        };
        change(&mut s3);
        assert_eq!(place(&s3).unwrap_or_else(|(field, message)| format!("{field}: {message}")), expect);
    }

    #[test]
    fn a_bucket_of_amazon_is_asked_by_its_own_host() {
        check(|_| (), "https://assets.s3.eu-west-1.amazonaws.com/");
        check(|s3| s3.region = "cn-north-1".into(), "https://assets.s3.cn-north-1.amazonaws.com.cn/");
        check(|s3| s3.addressing = Some(Addressing::Path), "https://s3.eu-west-1.amazonaws.com/assets/");
    }

    #[test]
    fn a_name_with_a_dot_is_asked_by_path_because_no_certificate_covers_it() {
        check(|s3| s3.bucket = "assets.example".into(), "https://s3.eu-west-1.amazonaws.com/assets.example/");
    }

    #[test]
    fn another_store_is_asked_by_path_unless_told_otherwise() {
        let at = |endpoint: &'static str| move |s3: &mut S3Origin| s3.endpoint = Some(endpoint.to_owned());
        check(at("http://minio.example.com:9000/"), "http://minio.example.com:9000/assets/");
        let virtually = |s3: &mut S3Origin| {
            s3.endpoint = Some("https://minio.example.com:9000".into());
            s3.addressing = Some(Addressing::Virtual);
        };
        check(virtually, "https://assets.minio.example.com:9000/");
        for address in ["http://203.0.113.7:9000", "https://[2001:db8::7]"] {
            let authority = address.split_once("//").expect("a url").1;
            check(
                |s3| {
                    s3.endpoint = Some(address.into());
                    s3.addressing = Some(Addressing::Virtual);
                },
                &format!(
                    "addressing: {authority} is an address, before which no bucket can stand; give addressing: Path, or a host name as endpoint"
                ),
            );
        }
    }

    #[test]
    fn a_prefix_leads_nowhere_but_below_the_bucket() {
        for prefix in ["../other/", "a/../../b", "."] {
            let message = format!(
                "prefix: {prefix} would lead out of itself: in a path, . and .. are no names; give another prefix"
            );
            check(|s3| s3.prefix = Some(prefix.into()), &message);
        }
        check(|s3| s3.prefix = Some("a..b/".into()), "https://assets.s3.eu-west-1.amazonaws.com/a..b/");
    }

    #[test]
    fn a_prefix_is_encoded_byte_by_byte() {
        check(
            |s3| s3.prefix = Some("öffentlich/a+b %?".into()),
            "https://assets.s3.eu-west-1.amazonaws.com/%C3%B6ffentlich/a%2Bb%20%25%3F",
        );
    }
}
