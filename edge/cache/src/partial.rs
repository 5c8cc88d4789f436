//! Spans of a stored body into the head of the 206 that carries them, and into the order in which its body is put together.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::range::Span;

/// A 206, but for the bytes themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partial {
    /// Its fields.
    pub headers: HeaderMap,
    /// Its body, in this order.
    pub pieces: Vec<Piece>,
    /// How long that is.
    pub length: u64,
}

/// A piece of the body of a 206.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// What stands between parts.
    Delimiter(Vec<u8>),
    /// Bytes of the stored body.
    Span(Span),
}

impl Piece {
    fn length(&self) -> u64 {
        match self {
            Self::Delimiter(text) => text.len() as u64,
            Self::Span(span) => span.length(),
        }
    }
}

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// RFC 9530 §2, RFC 2616 §14.15: digests of the content of one message, and this message has other content.
const OF_ANOTHER_MESSAGE: [HeaderName; 3] = [CONTENT_DIGEST, CONTENT_MD5, header::CONTENT_RANGE];

/// RFC 9110 §15.3.7: a viewer that asks by `If-Range` has a response with these already, and is not sent them again.
const KNOWN_BEFORE: [HeaderName; 3] = [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LANGUAGE];

/// RFC 9110 §15.3.7.1. `head` is what the whole response would have, `viewer` the request's.
pub fn single(head: &HeaderMap, viewer: &HeaderMap, span: Span) -> Partial {
    let mut headers = fields(head, viewer);
    set(&mut headers, header::CONTENT_RANGE, &span.content_range());
    finish(headers, vec![Piece::Span(span)])
}

/// RFC 9110 §15.3.7.2, §14.6 and RFC 2046 §5.1.1. Nobody who shapes a body may know its `boundary` beforehand: then it need not be
/// looked for in there.
pub fn multiple(head: &HeaderMap, viewer: &HeaderMap, spans: &[Span], boundary: &str) -> Partial {
    let mut headers = fields(head, viewer);
    set(&mut headers, header::CONTENT_TYPE, &format!("multipart/byteranges; boundary={boundary}"));
    let mut pieces = Vec::with_capacity(2 * spans.len() + 1);
    for (place, span) in spans.iter().enumerate() {
        let mut delimiter = if place == 0 { Vec::new() } else { b"\r\n".to_vec() };
        delimiter.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        if let Some(content_type) = head.get(header::CONTENT_TYPE) {
            delimiter.extend_from_slice(b"Content-Type: ");
            delimiter.extend_from_slice(content_type.as_bytes());
            delimiter.extend_from_slice(b"\r\n");
        }
        delimiter.extend_from_slice(format!("Content-Range: {}\r\n\r\n", span.content_range()).as_bytes());
        pieces.push(Piece::Delimiter(delimiter));
        pieces.push(Piece::Span(*span));
    }
    pieces.push(Piece::Delimiter(format!("\r\n--{boundary}--\r\n").into_bytes()));
    finish(headers, pieces)
}

fn fields(head: &HeaderMap, viewer: &HeaderMap) -> HeaderMap {
    let mut headers = head.clone();
    for name in OF_ANOTHER_MESSAGE {
        headers.remove(name);
    }
    if viewer.contains_key(header::IF_RANGE) {
        for name in KNOWN_BEFORE {
            headers.remove(name);
        }
        // One validator says which response it belongs to; without it, this is the one.
        if headers.contains_key(header::ETAG) {
            headers.remove(header::LAST_MODIFIED);
        }
    }
    headers
}

fn finish(mut headers: HeaderMap, pieces: Vec<Piece>) -> Partial {
    let length = pieces.iter().map(Piece::length).fold(0, u64::saturating_add);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Partial { headers, pieces, length }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // What is written here is always a field value.
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::testing::fields;

    const WHOLE: [&str; 9] = [
        "content-type: a/b",
        "content-length: 10",
        "content-language: en",
        "content-digest: sha-256=:AA==:",
        "repr-digest: sha-256=:AA==:",
        "last-modified: Sun, 22 Nov 2026 10:00:00 GMT",
        "etag: \"v\"",
        "vary: x",
        "accept-ranges: bytes",
    ];

    fn span(first: u64, last: u64) -> Span {
        Span { first, last, complete: 10 }
    }

    /// The body of a 206 of `body`.
    fn put_together(partial: &Partial, body: &[u8]) -> Vec<u8> {
        let slice = |span: &Span| {
            body[usize::try_from(span.first).expect("small")..=usize::try_from(span.last).expect("small")].to_vec()
        };
        let bytes = |piece: &Piece| match piece {
            Piece::Delimiter(text) => text.clone(),
            Piece::Span(span) => slice(span),
        };
        partial.pieces.iter().flat_map(bytes).collect()
    }

    #[test]
    fn a_single_part_has_the_fields_of_the_whole_and_says_which_part_it_is() {
        let partial = single(&fields(&WHOLE), &HeaderMap::new(), span(2, 5));
        let expect = [
            "content-type: a/b",
            "content-length: 4",
            "content-language: en",
            "repr-digest: sha-256=:AA==:",
            "last-modified: Sun, 22 Nov 2026 10:00:00 GMT",
            "etag: \"v\"",
            "vary: x",
            "accept-ranges: bytes",
            "content-range: bytes 2-5/10",
        ];
        assert_eq!(partial.headers, fields(&expect));
        assert_eq!((put_together(&partial, b"0123456789"), partial.length), (b"2345".to_vec(), 4));
    }

    #[test]
    fn who_asks_by_if_range_is_not_told_again_what_it_has() {
        let viewer = fields(&["if-range: \"v\""]);
        let partial = single(&fields(&WHOLE), &viewer, span(2, 5));
        let expect = [
            "content-length: 4",
            "repr-digest: sha-256=:AA==:",
            "etag: \"v\"",
            "vary: x",
            "accept-ranges: bytes",
            "content-range: bytes 2-5/10",
        ];
        assert_eq!(partial.headers, fields(&expect));
        let dated = fields(&["last-modified: Sun, 22 Nov 2026 10:00:00 GMT"]);
        assert!(single(&dated, &viewer, span(2, 5)).headers.contains_key("last-modified"));
    }

    #[test]
    fn each_of_several_parts_says_what_it_is() {
        let head = fields(&["content-type: a/b", "content-range: bytes 0-1/2"]);
        let partial = multiple(&head, &HeaderMap::new(), &[span(0, 1), span(8, 9)], "edge");
        let expect = "--edge\r\nContent-Type: a/b\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n\
                      --edge\r\nContent-Type: a/b\r\nContent-Range: bytes 8-9/10\r\n\r\n89\r\n--edge--\r\n";
        assert_eq!(String::from_utf8(put_together(&partial, b"0123456789")).expect("text"), expect);
        let length = format!("content-length: {}", expect.len());
        assert_eq!(partial.headers, fields(&["content-type: multipart/byteranges; boundary=edge", &length]));
        let untyped = multiple(&HeaderMap::new(), &HeaderMap::new(), &[span(0, 1), span(8, 9)], "edge");
        assert!(!String::from_utf8_lossy(&put_together(&untyped, b"0123456789")).contains("Content-Type"));
    }

    #[test]
    fn parts_for_one_who_asks_by_if_range_still_say_their_type() {
        let head = fields(&["content-type: a/b"]);
        let partial = multiple(&head, &fields(&["if-range: \"v\""]), &[span(0, 1), span(8, 9)], "edge");
        assert_eq!(partial.headers.get("content-type").expect("is there"), "multipart/byteranges; boundary=edge");
        assert!(String::from_utf8_lossy(&put_together(&partial, b"0123456789")).contains("Content-Type: a/b\r\n"));
    }

    /// Reads a multipart body as RFC 2046 §5.1.1 says: the `Content-Range` and the content of every part.
    fn parts(body: &[u8], boundary: &str) -> Vec<(String, Vec<u8>)> {
        let find = |text: &[u8], what: &[u8]| text.windows(what.len()).position(|window| window == what);
        let mut rest = body.strip_prefix(format!("--{boundary}\r\n").as_bytes()).expect("begins with a part");
        let mut found = Vec::new();
        loop {
            let head_end = find(rest, b"\r\n\r\n").expect("a head ends");
            let head = String::from_utf8(rest[..head_end].to_vec()).expect("text");
            rest = &rest[head_end + 4..];
            let end = find(rest, format!("\r\n--{boundary}").as_bytes()).expect("a part ends");
            let range = head.lines().find_map(|line| line.strip_prefix("Content-Range: ")).expect("says its range");
            found.push((range.to_owned(), rest[..end].to_vec()));
            rest = &rest[end + 4 + boundary.len()..];
            if rest == b"--\r\n" {
                return found;
            }
            rest = rest.strip_prefix(b"\r\n").expect("another part follows");
        }
    }

    proptest! {
        #[test]
        fn what_was_put_together_comes_apart_again_and_has_the_length_it_says(
            body in vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'-'), any::<u8>()], 1..200),
            cuts in prop::collection::btree_set(0_usize..200, 4..12),
        ) {
            let cuts: Vec<u64> = cuts.into_iter().filter(|at| *at < body.len()).map(|at| at as u64).collect();
            let spans: Vec<Span> = cuts.chunks_exact(2).map(|pair| Span { first: pair[0], last: pair[1], complete: body.len() as u64 }).collect();
            prop_assume!(!spans.is_empty());
            let boundary = "0123456789abcdef";
            let head = fields(&["content-type: a/b"]);
            let partial = multiple(&head, &HeaderMap::new(), &spans, boundary);
            let sent = put_together(&partial, &body);
            prop_assert_eq!(partial.length, sent.len() as u64);
            prop_assert_eq!(partial.headers.get("content-length"), Some(&HeaderValue::from(sent.len())));
            let expect: Vec<(String, Vec<u8>)> = spans
                .iter()
                .map(|span| (span.content_range(), body[usize::try_from(span.first).expect("small")..=usize::try_from(span.last).expect("small")].to_vec()))
                .collect();
            prop_assert_eq!(parts(&sent, boundary), expect);
        }
    }
}
