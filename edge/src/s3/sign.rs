//! A request whose head is complete into the same with a signature in its fields: AWS Signature Version 4, for S3.
//!
//! Guarantees: what is signed is what is sent. `Host` and every `x-amz-` field are signed, and nothing else that a server on the way
//! might change. The content is not: it streams, and nobody knows its hash before its end.
//! Assumptions: path and query have the form that `edge_cache::s3` gives them, which is the canonical one.
//!
//! It is written here because the library for it takes the time from a clock of its own, and so could neither obey this edge's nor be
//! compared, request by request, with another.

use std::borrow::Cow;
use std::fmt::Write;

use aws_lc_rs::{digest, hmac};
use edge_cache::date::Date;
use http::header::{self, InvalidHeaderValue};
use http::{HeaderMap, HeaderName, HeaderValue, Request};

use super::credentials::Credentials;

const X_AMZ_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
/// Beside a key that is lent.
pub const X_AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// What a signature adds to a head.
pub const FIELDS: [HeaderName; 3] = [X_AMZ_DATE, X_AMZ_CONTENT_SHA256, header::AUTHORIZATION];

/// What follows the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing, and so nothing that somebody on the way might add.
    Empty,
    /// What is not known yet.
    Streaming,
}

impl Content {
    fn hash(self) -> &'static str {
        match self {
            // SHA-256 of nothing.
            Self::Empty => "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            Self::Streaming => "UNSIGNED-PAYLOAD",
        }
    }
}

/// Who signs, where, and when.
#[derive(Clone, Copy, Debug)]
pub struct Signer<'a> {
    /// Who.
    pub credentials: &'a Credentials,
    /// The region of the bucket.
    pub region: &'a str,
    /// The date that is sent: S3 believes it for fifteen minutes.
    pub date: Date,
}

impl Signer<'_> {
    /// Signs. What stood in the fields of the signature before is gone.
    pub fn sign<B>(&self, request: &mut Request<B>, content: Content) -> Result<(), InvalidHeaderValue> {
        let Credentials { access_key_id, session_token, .. } = self.credentials;
        let time = self.date.basic();
        let headers = request.headers_mut();
        headers.insert(X_AMZ_DATE, HeaderValue::try_from(&time)?);
        headers.insert(X_AMZ_CONTENT_SHA256, HeaderValue::from_static(content.hash()));
        headers.remove(X_AMZ_SECURITY_TOKEN);
        if let Some(token) = session_token {
            headers.insert(X_AMZ_SECURITY_TOKEN, secret(token)?);
        }
        let signed = signed_names(headers).iter().map(|name| name.as_str()).collect::<Vec<_>>().join(";");
        let scope = format!("{}/{}/s3/aws4_request", day(&time), self.region);
        let canonical = hex(digest::digest(&digest::SHA256, &canonical(request, &signed, content)).as_ref());
        let signature = self.signature(&time, &format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{canonical}"));
        let value = format!(
            "AWS4-HMAC-SHA256 Credential={access_key_id}/{scope}, SignedHeaders={signed}, Signature={signature}"
        );
        request.headers_mut().insert(header::AUTHORIZATION, secret(&value)?);
        Ok(())
    }

    fn signature(&self, time: &str, text: &str) -> String {
        let secret = format!("AWS4{}", self.credentials.secret_access_key);
        let steps = [day(time), self.region, "s3", "aws4_request"];
        let key = steps.iter().fold(secret.into_bytes(), |key, step| keyed_hash(&key, step).as_ref().to_vec());
        hex(keyed_hash(&key, text).as_ref())
    }
}

fn secret(text: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::try_from(text)?;
    value.set_sensitive(true);
    Ok(value)
}

fn day(time: &str) -> &str {
    time.split('T').next().unwrap_or_default()
}

fn keyed_hash(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string never fails.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// In alphabetical order.
fn signed_names(headers: &HeaderMap) -> Vec<&HeaderName> {
    let mut names: Vec<&HeaderName> =
        headers.keys().filter(|name| **name == header::HOST || name.as_str().starts_with("x-amz-")).collect();
    names.sort_by_key(|name| name.as_str());
    names
}

fn canonical<B>(request: &Request<B>, signed: &str, content: Content) -> Vec<u8> {
    let (uri, headers) = (request.uri(), request.headers());
    let head = format!("{}\n{}\n{}\n", request.method(), uri.path(), uri.query().unwrap_or_default());
    let mut text = head.into_bytes();
    for name in signed_names(headers) {
        text.extend_from_slice(name.as_str().as_bytes());
        let lines: Vec<Cow<'_, [u8]>> = headers.get_all(name).iter().map(|line| one_blank(line.as_bytes())).collect();
        text.push(b':');
        text.extend(lines.join(&b","[..]));
        text.push(b'\n');
    }
    text.extend_from_slice(format!("\n{signed}\n{}", content.hash()).as_bytes());
    text
}

/// Blanks around a value count for nothing, and several in a row for one.
fn one_blank(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    if !value.windows(2).any(|pair| pair == b"  ") {
        return Cow::Borrowed(value);
    }
    let mut kept: Vec<u8> = value.to_vec();
    kept.dedup_by(|next, before| *next == b' ' && *before == b' ');
    Cow::Owned(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(session_token: Option<&str>) -> Credentials {
        Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token: session_token.map(ToOwned::to_owned),
        }
    }

    fn signed(request: http::request::Builder, session_token: Option<&str>, content: Content) -> HeaderMap {
        let mut request = request.header("host", "examplebucket.s3.amazonaws.com").body(()).expect("is one");
        // 2013-05-24T00:00:00Z
        let (credentials, date) = (credentials(session_token), Date(1_369_353_600));
        let signer = Signer { credentials: &credentials, region: "us-east-1", date };
        signer.sign(&mut request, content).expect("has legal values");
        request.headers().clone()
    }

    fn field<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
        headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// From AWS's own pages: "GET Bucket Lifecycle" of "Signature Calculations for the Authorization Header".
    #[test]
    fn the_signature_of_the_published_example_is_made() {
        let headers = signed(Request::get("/?lifecycle="), None, Content::Empty);
        let expect = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
                      SignedHeaders=host;x-amz-content-sha256;x-amz-date, \
                      Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543";
        assert_eq!(field(&headers, "authorization"), expect);
        assert_eq!(field(&headers, "x-amz-date"), "20130524T000000Z");
    }

    #[test]
    fn what_stood_in_the_fields_of_a_signature_is_gone() {
        let stale = || {
            let names = ["authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"];
            names.iter().fold(Request::put("/a"), |request, name| request.header(*name, "old").header(*name, "older"))
        };
        for token in [None, Some("token")] {
            let headers = signed(stale(), token, Content::Streaming);
            assert_eq!(headers, signed(Request::put("/a"), token, Content::Streaming));
            assert_eq!(headers.get_all("authorization").iter().count(), 1);
            assert_eq!(field(&headers, "x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
            assert_eq!(headers.contains_key("x-amz-security-token"), token.is_some());
        }
    }

    #[test]
    fn every_field_of_amazons_is_signed_and_no_other() {
        let request = Request::get("/a").header("x-amz-request-payer", "requester").header("range", "bytes=0-1");
        let headers = signed(request, Some("token"), Content::Empty);
        let names = "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-request-payer;x-amz-security-token,";
        assert!(field(&headers, "authorization").contains(names));
    }

    #[test]
    fn what_is_secret_is_not_printed() {
        let printed = format!("{:?}", signed(Request::get("/a"), Some("t0ken"), Content::Empty));
        assert!(!printed.contains("t0ken") && !printed.contains("Signature="), "{printed}");
    }

    #[test]
    fn a_value_that_is_no_field_is_an_error() {
        let credentials = Credentials { access_key_id: "a\nb".to_owned(), ..credentials(None) };
        let signer = Signer { credentials: &credentials, region: "us-east-1", date: Date(0) };
        assert!(signer.sign(&mut Request::new(()), Content::Empty).is_err());
    }
}
