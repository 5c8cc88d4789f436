//! `Accept-Encoding` into the codings that a viewer may be sent, and a response head into whether coding it is worth it.
//!
//! Flow: [`Accepted::by`] tells viewers apart, by key and by what the origin is asked for; a response that came uncoded although its
//! viewers accept more is [`wanted`] coded, and [`to_coded`] is what its head then says.
//! Guarantees: nobody is sent what they do not accept; nothing is coded that its origin wants left as it is.

use std::ops::RangeInclusive;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request};

use crate::directives::{CDN_CACHE_CONTROL, is_token, leading_token};

/// Bodies of fewer bytes gain nothing, and those of more would keep a processor busy: 1 KB to 10 MB.
const LENGTHS: RangeInclusive<u64> = 1_000..=10_000_000;

const EVENT_STREAM: &str = "text/event-stream";

/// Beside every `text/*`, `*+json` and `*+xml`: what is text by nature, and binary forms that nobody has packed yet.
const TYPES: [&str; 24] = [
    "application/dash+xml",
    "application/ecmascript",
    "application/eot",
    "application/font-sfnt",
    "application/graphql",
    "application/javascript",
    "application/json",
    "application/manifest",
    "application/opentype",
    "application/protobuf",
    "application/rtf",
    "application/toml",
    "application/truetype",
    "application/vnd.apple.mpegurl",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/x-javascript",
    "application/x-mpegurl",
    "application/x-ndjson",
    "application/xml",
    "application/yaml",
    "font/otf",
    "font/ttf",
    "image/bmp",
];

/// Fields by which an origin vouches for the very bytes it sent: they would be wrong of any others (RFC 9530, RFC 9421).
const VOUCHING: [HeaderName; 5] = [
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("signature"),
];

/// A content coding that the edge makes itself (RFC 9110 §8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// RFC 7932.
    Brotli,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// Its name on the wire.
    pub fn token(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }
}

/// What viewers accept, in as many classes as the edge makes a difference between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Accepted {
    /// Nothing but the bytes as they are.
    #[default]
    Identity,
    /// Gzip, and brotli not at all or less.
    Gzip,
    /// Brotli alone.
    Brotli,
    /// Brotli, and gzip as well.
    Both,
}

impl Accepted {
    /// Every class.
    pub const ALL: [Self; 4] = [Self::Identity, Self::Gzip, Self::Brotli, Self::Both];

    /// What the viewer of a request accepts. Parts of a coded body would be parts of something else each time it is coded anew, so
    /// whoever asks for a `Range` gets the bytes as they are; so does who asks for no transformation (RFC 9111 §5.2.1.6).
    pub fn by(request: &request::Parts) -> Self {
        let read = [Method::GET, Method::HEAD].contains(&request.method);
        if !read || request.headers.contains_key(header::RANGE) || forbids_transformation(&request.headers) {
            return Self::Identity;
        }
        Self::of(&request.headers)
    }

    /// RFC 9110 §12.5.3. A field that cannot be read says nothing, and then the bytes as they are harm nobody.
    fn of(headers: &HeaderMap) -> Self {
        let lines: Vec<&[u8]> = headers.get_all(header::ACCEPT_ENCODING).iter().map(HeaderValue::as_bytes).collect();
        let Some(weights) = Weights::read(&lines.join(&b","[..])) else { return Self::Identity };
        let (brotli, gzip) = (weights.of(weights.brotli), weights.of(weights.gzip));
        let plain = weights.identity.unwrap_or_default();
        match () {
            () if brotli.max(gzip) == 0 || plain > brotli.max(gzip) => Self::Identity,
            () if gzip > brotli => Self::Gzip,
            () if gzip > 0 => Self::Both,
            () => Self::Brotli,
        }
    }

    /// The letters that tell its keys from others'; none for the bytes as they are.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Gzip => "g",
            Self::Brotli => "b",
            Self::Both => "bg",
        }
    }

    /// What an origin is told. Without a word it might pick any coding (RFC 9110 §12.5.3).
    pub fn for_origin(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Both => "br, gzip",
        })
    }

    /// What the edge makes for them.
    pub fn coding(self) -> Option<Coding> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some(Coding::Gzip),
            Self::Brotli | Self::Both => Some(Coding::Brotli),
        }
    }
}

/// Quality values, in thousandths.
#[derive(Clone, Copy, Debug, Default)]
struct Weights {
    brotli: Option<u16>,
    gzip: Option<u16>,
    identity: Option<u16>,
    any: Option<u16>,
}

impl Weights {
    /// RFC 9110 §12.4.2 and §12.5.3. None: some member is not legal.
    fn read(field: &[u8]) -> Option<Self> {
        let mut weights = Self::default();
        for member in field.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty()) {
            let mut parts = member.split(|b| *b == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().filter(|name| !name.is_empty() && name.iter().all(|b| is_token(*b)))?;
            let weight = parts.next().map_or(Some(1_000), quality)?;
            if parts.next().is_some() {
                return None;
            }
            let is = |coding: &[u8]| name.eq_ignore_ascii_case(coding);
            let slot = match () {
                () if is(b"br") => &mut weights.brotli,
                // §8.4.1.3: the same, by an old name.
                () if is(b"gzip") || is(b"x-gzip") => &mut weights.gzip,
                () if is(b"identity") => &mut weights.identity,
                () if is(b"*") => &mut weights.any,
                () => continue,
            };
            // Of two opinions the more cautious.
            *slot = Some(slot.map_or(weight, |known| known.min(weight)));
        }
        Some(weights)
    }

    /// §12.5.3: `*` is every coding that is not named.
    fn of(&self, named: Option<u16>) -> u16 {
        named.or(self.any).unwrap_or_default()
    }
}

/// `q=` and a number from 0 to 1 with up to three digits.
fn quality(parameter: &[u8]) -> Option<u16> {
    let value = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="))?;
    let (whole, digits) = value.split_first()?;
    let digits = if digits.is_empty() { digits } else { digits.strip_prefix(b".")? };
    if digits.len() > 3 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let thousandths =
        [100, 10, 1].iter().zip(digits).map(|(place, digit)| place * u16::from(digit - b'0')).sum::<u16>();
    match whole {
        b'0' => Some(thousandths),
        b'1' if thousandths == 0 => Some(1_000),
        _ => None,
    }
}

/// Whether the edge would code this, for those who accept it: then who accepts what makes a difference, and `Vary` says so. A length
/// that is not known yet may be any.
pub fn is_codable(status: StatusCode, headers: &HeaderMap, length: Option<u64>) -> bool {
    matches!(status.as_u16(), 200 | 203 | 403 | 404)
        && length.is_none_or(|length| LENGTHS.contains(&length))
        && !headers.contains_key(header::CONTENT_ENCODING)
        && !headers.contains_key(header::CONTENT_RANGE)
        && VOUCHING.iter().all(|name| !headers.contains_key(name))
        // RFC 9110 §7.7.
        && !forbids_transformation(headers)
        && has_text(headers)
}

/// The coding in which viewers of this class are to be sent a response of this length that came without one.
pub fn wanted(accepted: Accepted, status: StatusCode, headers: &HeaderMap, length: u64) -> Option<Coding> {
    accepted.coding().filter(|_| is_codable(status, headers, Some(length)))
}

/// What the head of a response says once its body is coded.
pub fn to_coded(headers: &mut HeaderMap, coding: Coding, length: u64) {
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.token()));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.remove(header::ACCEPT_RANGES);
    // RFC 9110 §8.8.3.3: other bytes, the same meaning. What is no entity tag names nothing.
    let tag = headers.remove(header::ETAG);
    if let Some(weak) = tag.and_then(|tag| weakened(&tag)) {
        headers.insert(header::ETAG, weak);
    }
}

fn weakened(tag: &HeaderValue) -> Option<HeaderValue> {
    match tag.as_bytes() {
        [b'W', b'/', b'"', ..] => Some(tag.clone()),
        [b'"', ..] => HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).ok(),
        _ => None,
    }
}

/// RFC 9111 §5.2.2.6, in either field that may say so. A word in quotes counts too: then it is left alone, which is no harm.
fn forbids_transformation(headers: &HeaderMap) -> bool {
    let lines = [header::CACHE_CONTROL, CDN_CACHE_CONTROL];
    let values = lines.iter().flat_map(|name| headers.get_all(name));
    let mut members = values.flat_map(|line| line.as_bytes().split(|b| *b == b','));
    members.any(|member| leading_token(member).0.eq_ignore_ascii_case(b"no-transform"))
}

/// Of one known type, a stream of events excepted: that has no end.
fn has_text(headers: &HeaderMap) -> bool {
    let Some(essence) = essence(headers) else { return false };
    (essence.starts_with("text/") && essence != EVENT_STREAM)
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
        || TYPES.contains(&essence.as_str())
}

/// Whether its content is a stream of events (`text/event-stream`).
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    essence(headers).is_some_and(|essence| essence == EVENT_STREAM)
}

/// The type that is said, once, without its parameters (RFC 9110 §8.3.1).
fn essence(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let value = values.next().filter(|_| values.next().is_none())?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use http::Version;

    use super::*;
    use crate::testing::{self, fields};

    #[track_caller]
    fn check(lines: &[&str], expect: Accepted) {
        let lines: Vec<String> = lines.iter().map(|line| format!("accept-encoding: {line}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(Accepted::by(&testing::request("GET", "/", Version::HTTP_11, &lines)), expect, "{lines:?}");
    }

    #[test]
    fn brotli_goes_before_gzip_unless_the_viewer_says_otherwise() {
        check(&["gzip, deflate, br, zstd"], Accepted::Both);
        check(&["gzip", "BR"], Accepted::Both);
        check(&["gzip"], Accepted::Gzip);
        check(&["x-gzip"], Accepted::Gzip);
        check(&["br"], Accepted::Brotli);
        check(&["gzip;q=0.8, br;q=0.8"], Accepted::Both);
        check(&["gzip, br;q=0.999"], Accepted::Gzip);
        check(&["gzip;q=0.5, br ; q=1.000"], Accepted::Both);
    }

    #[test]
    fn what_has_no_weight_is_not_accepted() {
        check(&["gzip;q=0, br;q=0.000"], Accepted::Identity);
        check(&["br;q=0, gzip"], Accepted::Gzip);
        check(&["gzip;q=0, br"], Accepted::Brotli);
        check(&["identity;q=0"], Accepted::Identity);
        check(&["identity;q=0, gzip;q=0.1"], Accepted::Gzip);
        check(&["deflate"], Accepted::Identity);
        check(&[], Accepted::Identity);
        check(&[""], Accepted::Identity);
        check(&["gzip, gzip;q=0"], Accepted::Identity);
    }

    #[test]
    fn a_star_is_every_coding_that_is_not_named() {
        check(&["*"], Accepted::Both);
        check(&["*;q=0"], Accepted::Identity);
        check(&["gzip, *;q=0"], Accepted::Gzip);
        check(&["gzip, *;q=0.5"], Accepted::Gzip);
        check(&["br;q=0, *"], Accepted::Gzip);
        check(&["*;q=0.1, identity"], Accepted::Identity);
    }

    #[test]
    fn who_likes_the_plain_bytes_better_gets_them() {
        check(&["identity, gzip;q=0.5"], Accepted::Identity);
        check(&["identity;q=0.5, gzip;q=0.5"], Accepted::Gzip);
        check(&["identity;q=0.5, gzip"], Accepted::Gzip);
    }

    #[test]
    fn a_field_that_cannot_be_read_accepts_nothing() {
        for malformed in
            ["gzip;q=x", "gzip;q=1.5", "gzip;q=0.1234", "gzip;q=", "gzip;q=.5", "gzip;level=9", "gz ip", ";q=1"]
        {
            check(&[malformed], Accepted::Identity);
        }
        check(&["br, gzip;q=-1"], Accepted::Identity);
        check(&["gzip;q=1.", ",br,,"], Accepted::Both);
    }

    #[test]
    fn ranges_writes_and_those_who_want_no_transformation_get_plain_bytes() {
        let by = |method: &str, line: &str| {
            Accepted::by(&testing::request(method, "/", Version::HTTP_11, &["accept-encoding: br", line]))
        };
        assert_eq!((by("GET", "x: y"), by("HEAD", "x: y")), (Accepted::Brotli, Accepted::Brotli));
        assert_eq!(by("GET", "range: bytes=0-1"), Accepted::Identity);
        assert_eq!(by("GET", "cache-control: max-age=0, No-Transform"), Accepted::Identity);
        assert_eq!(by("POST", "x: y"), Accepted::Identity);
    }

    #[test]
    fn each_class_has_a_mark_and_a_word_of_its_own() {
        let words: Vec<_> = Accepted::ALL.map(|class| (class.mark(), class.for_origin())).to_vec();
        assert!(words.iter().enumerate().all(|(at, word)| words.iter().skip(at + 1).all(|other| other.0 != word.0)));
        assert_eq!(Accepted::Both.for_origin(), "br, gzip");
    }

    #[track_caller]
    fn check_codable(status: u16, lines: &[&str], length: u64, expect: bool) {
        let response = testing::response(status, lines);
        assert_eq!(is_codable(response.status, &response.headers, Some(length)), expect, "{status} {lines:?} {length}");
    }

    const HTML: &str = "content-type: text/html; charset=utf-8";

    #[test]
    fn text_of_some_length_is_worth_coding() {
        for known in ["Text/HTML", "text/css;charset=utf-8", "application/json", "image/svg+xml", "application/ld+json"]
        {
            check_codable(200, &[&format!("content-type: {known}")], 1_000, true);
        }
        for other in ["image/png", "application/octet-stream", "text/event-stream", "application/zip", "font/woff2", ""]
        {
            check_codable(200, &[&format!("content-type: {other}")], 1_000, false);
        }
        check_codable(200, &[], 1_000, false);
        check_codable(200, &[HTML, "content-type: text/plain"], 1_000, false);
        check_codable(200, &[HTML], 999, false);
        check_codable(200, &[HTML], 10_000_000, true);
        check_codable(200, &[HTML], 10_000_001, false);
    }

    #[test]
    fn some_statuses_are_coded_and_others_are_not() {
        for status in [200, 203, 403, 404] {
            check_codable(status, &[HTML], 1_000, true);
        }
        for status in [201, 204, 206, 301, 304, 410, 500, 503] {
            check_codable(status, &[HTML], 1_000, false);
        }
    }

    #[test]
    fn what_the_origin_wants_left_alone_is() {
        for line in [
            "content-encoding: gzip",
            "content-encoding: identity",
            "cache-control: max-age=5, no-transform",
            "cdn-cache-control: no-transform",
            "cache-control: no-transform foo",
            "cache-control: No-Transform=1",
            "content-digest: sha-256=:AAAA:",
            "content-range: bytes 0-9/10",
        ] {
            check_codable(200, &[HTML, line], 1_000, false);
        }
    }

    #[test]
    fn a_coded_response_says_so_and_is_only_weakly_the_same() {
        let coded = |lines: &[&str]| {
            let mut headers = fields(lines);
            to_coded(&mut headers, Coding::Gzip, 7);
            headers
        };
        let expect = |tag: &[&str]| fields(&[tag, &["content-encoding: gzip", "content-length: 7", HTML]].concat());
        let plain = [HTML, "content-length: 9", "accept-ranges: bytes"];
        assert_eq!(coded(&[&plain[..], &["etag: \"a\""]].concat()), expect(&["etag: W/\"a\""]));
        assert_eq!(coded(&[&plain[..], &["etag: W/\"a\""]].concat()), expect(&["etag: W/\"a\""]));
        assert_eq!(coded(&[&plain[..], &["etag: a"]].concat()), expect(&[]));
        assert_eq!(coded(&plain), expect(&[]));
    }

    #[test]
    fn viewers_are_made_what_they_accept() {
        let wanted = |accepted| wanted(accepted, StatusCode::OK, &fields(&[HTML]), 5_000);
        assert_eq!(wanted(Accepted::Both), Some(Coding::Brotli));
        assert_eq!(wanted(Accepted::Brotli), Some(Coding::Brotli));
        assert_eq!(wanted(Accepted::Gzip), Some(Coding::Gzip));
        assert_eq!(wanted(Accepted::Identity), None);
    }
}
