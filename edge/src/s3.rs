//! A request for an object into one that S3 believes, and what S3 refuses into few words of the edge's own.
//!
//! Flow: the head is complete → [`sign`] → the origin → [`in_own_words`].
//! Guarantees: no viewer reads what S3 says of buckets and requests, and none is sent to S3 itself: a redirect is a failure.
//! Errors: [`ForwardError`]; what S3 refuses keeps its status.

pub mod credentials;
pub mod sign;

use std::time::Duration;

use bytes::Bytes;
use edge_cache::s3::trouble::{self, Concerns, Fault, Trouble};
use edge_contract::{Mounted, Origin, S3, S3Credentials};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::BodyExt;

use crate::ask::Ask;
use crate::clock::Now;
use crate::forward::ForwardError;
use crate::forward::body::{OriginBody, RequestBody};
use crate::health::Tries;
use crate::mounts::{MountError, Mounts, Unusable};
use credentials::Credentials;
use sign::{Content, Signer};

const X_AMZ_BUCKET_REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");

/// What of the head of a refusal concerns viewers: how long it holds, what would not be refused, and scripts of other sites.
const KEPT: [HeaderName; 12] = [
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::AGE,
    header::ALLOW,
    header::CACHE_CONTROL,
    header::CONTENT_RANGE,
    header::DATE,
    header::EXPIRES,
    header::RETRY_AFTER,
    header::VARY,
];

/// Signs a request, if its origin has credentials. A bucket whose credentials are of no use is not asked without them.
pub fn sign(s3: &S3, request: &mut Request<RequestBody>, mounts: &Mounts, now: Now) -> Result<(), ForwardError> {
    let Some(named) = &s3.credentials else { return Ok(()) };
    let credentials = Credentials::of(named, |file| mounts.line(file))?;
    let content = if request.body().is_end_stream() { Content::Empty } else { Content::Streaming };
    let signer = Signer { credentials: &credentials, region: &s3.region, date: now.date() };
    // Lines may stand in fields, and so may regions: nothing else of a signature is anybody's choice.
    signer.sign(request, content).map_err(|_| Unusable::of(&named.access_key_id, MountError::NoFieldValue).into())
}

/// What S3 refuses, with its status and without its words; whatever else it answers as it is. What it has against the credentials is
/// told to their owner.
pub async fn in_own_words(
    ask: &Ask,
    tries: Tries<'_>,
    response: Response<OriginBody>,
) -> Result<Response<OriginBody>, ForwardError> {
    let (status, origin, mounts) = (response.status(), tries.origin, tries.live.mounts());
    let is_redirect = status.is_redirection() && status != StatusCode::NOT_MODIFIED;
    if !is_redirect && !status.is_client_error() && !status.is_server_error() {
        tries.refuses(None);
        take_back(origin, mounts);
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let patience = Duration::from_millis(origin.response_timeout_ms);
    let beginning = tokio::time::timeout(patience, beginning(body)).await.unwrap_or_default();
    let region = parts.headers.get(X_AMZ_BUCKET_REGION).and_then(|value| value.to_str().ok());
    let trouble = Trouble::read(status, region, &beginning);
    log(tries, &trouble);
    ask.is_refused(&origin.health.name, trouble.detail());
    if trouble.believes_who_asks() {
        take_back(origin, mounts);
    }
    match credentials_of(origin).and_then(|named| at_fault(named, &trouble)) {
        Some(file) => mounts.report(file, trouble.message()),
        None if trouble.concerns() == Concerns::Owner => tries.refuses(Some(trouble.message())),
        // What it has to say of one object, it says of a bucket that is there.
        None if trouble.concerns() == Concerns::Viewer && trouble.code.is_some() => tries.refuses(None),
        None => {}
    }
    if is_redirect {
        return Err(ForwardError::Elsewhere);
    }
    let text = Bytes::from(format!("{status}: {}\n", trouble.detail()));
    let mut words = Response::new(OriginBody::own(Bytes::new()));
    *words.status_mut() = status;
    *words.headers_mut() = head(&parts.headers, text.len());
    // RFC 9110 §9.3.2
    if *ask.method() != Method::HEAD {
        *words.body_mut() = OriginBody::own(text);
    }
    Ok(words)
}

fn credentials_of(origin: &Origin) -> Option<&S3Credentials> {
    origin.s3.as_ref()?.credentials.as_ref()
}

/// Who answers so has nothing against the credentials, whatever was said of them before.
fn take_back(origin: &Origin, mounts: &Mounts) {
    let Some(S3Credentials { access_key_id, secret_access_key, session_token }) = credentials_of(origin) else {
        return;
    };
    if mounts.lacks_nothing() {
        return;
    }
    for file in [access_key_id, secret_access_key, session_token] {
        mounts.clear(file);
    }
}

/// Which of the three it is.
fn at_fault<'a>(named: &'a S3Credentials, trouble: &Trouble) -> Option<&'a Mounted> {
    Some(match trouble.fault()? {
        Fault::AccessKeyId => &named.access_key_id,
        Fault::SecretAccessKey => &named.secret_access_key,
        Fault::SessionToken => &named.session_token,
    })
}

fn head(said: &HeaderMap, length: usize) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in said.iter().filter(|(name, _)| KEPT.contains(name)) {
        headers.append(name, value.clone());
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers
}

/// The first [`trouble::ENOUGH`] bytes of a body, or what there is of them. Read to its end, it leaves its connection to others.
async fn beginning(mut body: OriginBody) -> Vec<u8> {
    let mut read = Vec::new();
    while read.len() < trouble::ENOUGH {
        let Some(Ok(frame)) = body.frame().await else { break };
        if let Ok(data) = frame.into_data() {
            read.extend(data.iter().take(trouble::ENOUGH - read.len()));
        }
    }
    read
}

/// What concerns one viewer's request alone is said only to those who look for it: viewers must not fill logs.
fn log(tries: Tries<'_>, trouble: &Trouble) {
    let (site, origin) = (&tries.site.site.name, &tries.origin.name);
    let (status, detail, message) = (trouble.status.as_u16(), trouble.detail(), trouble.message());
    if trouble.concerns() == Concerns::Viewer {
        tracing::debug!(site, origin, status, detail, message, "S3 refuses a request");
    } else {
        tracing::warn!(site, origin, status, detail, message, "S3 refuses a request");
    }
}
