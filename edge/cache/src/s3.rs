//! A viewer's path, query and fields into what a bucket is asked for: one object, and nothing else that S3 can do.
//!
//! S3 is commanded by parameters (`?acl`, `?uploads`) and fields (`x-amz-acl`, `x-amz-copy-source`) as much as by methods, and an edge
//! signs what it sends with its owner's key. What viewers may have of it is therefore what is named here, not all but what is known.

pub mod trouble;

use std::borrow::Cow;

use edge_contract::{Behavior, Choice, Forwarded};
use http::{HeaderMap, HeaderName, header};
use percent_encoding::percent_decode;
use thiserror::Error;

use crate::NormalPath;
use crate::path::push_escaped;

/// Why a path names no object: 404, and the bucket is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoObject {
    /// Nothing but slashes: the bucket itself, which would be listed, or deleted.
    #[error("the path holds no key")]
    NoKey,
    /// `%2F` is a `/` of the key, whose plain spelling alone is matched by the rules for paths.
    #[error("an escaped slash in a key")]
    EscapedSlash,
}

/// The path of an object in the one form that is signed and sent: of every byte of the key all but `A–Z a–z 0–9 - . _ ~ /` escaped.
///
/// A `+` of a path is a plus; `//` and a slash at the end are parts of the key. The base path is a bucket, a prefix or both.
pub fn object_path(base_path: &str, path: &NormalPath) -> Result<String, NoObject> {
    let path = path.as_str();
    // Also `//`: a key that some servers take for none.
    if path.bytes().all(|byte| byte == b'/') {
        return Err(NoObject::NoKey);
    }
    if path.contains("%2F") {
        return Err(NoObject::EscapedSlash);
    }
    let mut target = String::with_capacity(base_path.len() + path.len());
    for part in [base_path, path] {
        for byte in percent_decode(part.as_bytes()) {
            push_byte(&mut target, byte, b"-._~/");
        }
    }
    Ok(target)
}

/// What of a query a bucket is asked: the parameters that a behavior names one by one, in the form and order that are signed.
///
/// `All` and `Auto`, and whatever `Exclude` leaves, stand for nothing here: an unknown parameter may be one of S3's own. What is not UTF-8
/// is none that S3 knows.
pub fn query(query: Option<&str>, behavior: &Behavior) -> Option<String> {
    let keyed = if let Choice::Include(names) = &behavior.key.query_strings { names.as_slice() } else { &[] };
    let beside = if let Forwarded::Include(names) = &behavior.forward.query_strings { names.as_slice() } else { &[] };
    let is_named = |name: &String| keyed.iter().chain(beside).any(|known| known == name);
    let pairs = query?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let decoded = pairs.filter_map(|(name, value)| Some((decode(name)?, decode(value)?)));
    let mut named: Vec<_> =
        decoded.filter(|(name, _)| is_named(name)).map(|(name, value)| (encode(&name), encode(&value))).collect();
    named.sort();
    let joined: Vec<String> = named.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    (!joined.is_empty()).then(|| joined.join("&"))
}

/// In a query a `+` is a blank to S3; sent as `%20` it is one to everybody.
fn decode(raw: &str) -> Option<String> {
    let blanks = raw.replace('+', " ");
    percent_decode(blanks.as_bytes()).decode_utf8().ok().map(Cow::into_owned)
}

fn encode(decoded: &str) -> String {
    let mut out = String::with_capacity(decoded.len());
    for byte in decoded.bytes() {
        push_byte(&mut out, byte, b"-._~");
    }
    out
}

fn push_byte(out: &mut String, byte: u8, plain: &[u8]) {
    if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
        out.push(char::from(byte));
    } else {
        push_escaped(out, byte);
    }
}

/// Takes away what a viewer's request must not say to a bucket, whatever a behavior forwards.
pub fn strip(headers: &mut HeaderMap) {
    let forbidden: Vec<HeaderName> = headers.keys().filter(|name| !may_pass(name)).cloned().collect();
    for name in forbidden {
        headers.remove(name);
    }
}

/// S3 and those that speak like it are commanded by fields whose names begin with `x-`: `x-amz-`, `x-goog-`, `x-minio-`.
fn may_pass(name: &HeaderName) -> bool {
    *name != header::AUTHORIZATION && !name.as_str().starts_with("x-")
}

#[cfg(test)]
mod tests {
    use edge_contract::{Forward, Key};
    use proptest::prelude::*;

    use super::*;
    use crate::testing;

    fn object(base_path: &str, raw: &str) -> Result<String, NoObject> {
        object_path(base_path, &NormalPath::parse(raw).expect("is legal"))
    }

    #[track_caller]
    fn check(raw: &str, expect: &str) {
        assert_eq!(object("", raw).as_deref(), Ok(expect), "{raw}");
    }

    #[test]
    fn all_but_the_unreserved_and_slashes_is_escaped() {
        check("/a/b.c-d_e~f", "/a/b.c-d_e~f");
        check("/a+b", "/a%2Bb");
        check("/a%2bb", "/a%2Bb");
        check("/a%20b", "/a%20b");
        check("/a b", "/a%20b");
        check("/!$&'()*+,;=:@", "/%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%40");
        check("/%25%2525", "/%25%2525");
        check("/100%", "/100%25");
        check("/ü", "/%C3%BC");
        check("/%FF", "/%FF");
        check("/%3F%23%22%5C", "/%3F%23%22%5C");
    }

    #[test]
    fn slashes_of_a_key_are_kept() {
        check("/a//b", "/a//b");
        check("//a", "//a");
        check("/a/", "/a/");
        check("/a...", "/a...");
    }

    #[test]
    fn a_base_path_is_sent_in_the_same_form() {
        assert_eq!(object("/bucket", "/a").as_deref(), Ok("/bucket/a"));
        assert_eq!(object("/bucket/pre%20fix+1/é", "/a").as_deref(), Ok("/bucket/pre%20fix%2B1/%C3%A9/a"));
    }

    #[test]
    fn a_bucket_itself_is_not_asked_for() {
        for raw in ["/", "//", "///", "/.", "/a/..", "/a/../"] {
            assert_eq!(object("/bucket", raw), Err(NoObject::NoKey), "{raw}");
        }
    }

    #[test]
    fn an_escaped_slash_walks_around_no_rule() {
        for raw in ["/private%2Fa", "/%2fa", "/a%2F", "/%2F"] {
            assert_eq!(object("/bucket", raw), Err(NoObject::EscapedSlash), "{raw}");
        }
        check("/a%252Fb", "/a%252Fb");
    }

    fn named(keyed: &[&str], beside: &[&str]) -> Behavior {
        let names = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        Behavior {
            key: Key { query_strings: Choice::Include(names(keyed)), ..Key::default() },
            forward: Forward { query_strings: Forwarded::Include(names(beside)), ..Forward::default() },
            ..Behavior::plain("*", "bucket")
        }
    }

    #[test]
    fn only_parameters_that_are_named_one_by_one_are_sent() {
        let asked = Some("versionId=1&acl&response-content-type=a%2fb&X-Amz-Signature=x&versionId=0");
        let check = |behavior: &Behavior, expect: Option<&str>| {
            assert_eq!(query(asked, behavior).as_deref(), expect, "{behavior:?}");
        };
        check(&named(&["versionId"], &[]), Some("versionId=0&versionId=1"));
        check(&named(&[], &["versionId"]), Some("versionId=0&versionId=1"));
        check(
            &named(&["versionId"], &["response-content-type"]),
            Some("response-content-type=a%2Fb&versionId=0&versionId=1"),
        );
        check(&named(&["acl"], &[]), Some("acl="));
        check(&named(&["versionid"], &[]), None);
        let mut rest = Behavior::plain("*", "bucket");
        for key in [Choice::All, Choice::None, Choice::Exclude(vec!["x".to_owned()])] {
            for forward in
                [Forwarded::Auto, Forwarded::None, Forwarded::All, Forwarded::Exclude(vec!["acl".to_owned()])]
            {
                rest.key.query_strings = key.clone();
                rest.forward.query_strings = forward;
                check(&rest, None);
            }
        }
    }

    #[test]
    fn what_is_sent_of_a_query_has_one_form() {
        let check = |asked: &str, expect: &str| {
            assert_eq!(query(Some(asked), &named(&["a", "a b"], &[])).as_deref(), Some(expect), "{asked}");
        };
        check("a", "a=");
        check("a=b=c", "a=b%3Dc");
        check("%61=x+y%2b%zz", "a=x%20y%2B%25zz");
        check("a+b=1&a%20b=%7E", "a%20b=1&a%20b=~");
        check("a=ü*", "a=%C3%BC%2A");
        check("a=%AA&a=1", "a=1");
        assert_eq!(query(None, &named(&["a"], &[])), None);
    }

    #[test]
    fn no_command_of_a_viewers_passes() {
        let mut headers = testing::fields(&[
            "authorization: AWS4-HMAC-SHA256 x",
            "x-amz-copy-source: /other/key",
            "X-Amz-Acl: public-read",
            "x-goog-acl: public-read",
            "x-minio-force-delete: true",
            "x-forwarded-proto: https",
            "content-type: text/plain",
            "range: bytes=0-1",
        ]);
        strip(&mut headers);
        assert_eq!(headers, testing::fields(&["content-type: text/plain", "range: bytes=0-1"]));
    }

    proptest! {
        #[test]
        fn a_path_that_is_sent_means_the_same_key_and_stays_as_it_is(raw in "/[%./a~+=&Zü \\PC]{0,24}") {
            if let Ok(path) = NormalPath::parse(&raw) && let Ok(sent) = object_path("", &path) {
                let key: Vec<u8> = percent_decode(path.as_str().as_bytes()).collect();
                prop_assert_eq!(percent_decode(sent.as_bytes()).collect::<Vec<u8>>(), key);
                let again = NormalPath::parse(&sent).map(|path| object_path("", &path));
                prop_assert_eq!(again, Ok(Ok(sent)));
            }
        }
    }
}
