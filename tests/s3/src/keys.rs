//! Characters into keys of every odd kind, and a key into the two ways in which a viewer may spell it.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::bucket::{Edge, Reply};

/// What has to be escaped in a path, and no more (RFC 3986 §3.3).
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'/');

/// All but slashes and the dots that would make a dot segment.
const ALL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.');

/// Keys that are odd as a whole.
const WHOLES: [&str; 44] = [
    "multiplied//slashes",
    "many////slashes",
    "/at the front",
    "//twice at the front",
    "folder/",
    "folder of/folders/",
    "dots...",
    "...dots",
    ".hidden",
    "..hidden",
    "hidden..",
    "a.b.c/d.e.f",
    "percent%20escape",
    "percent%2Fslash",
    "percent%252Fslash",
    "percent%2",
    "percent%",
    "%",
    "%%",
    "%00",
    "plus+and blank",
    "plus%2Bplus",
    " blank in front",
    "blank behind ",
    "two  blanks",
    "question?mark=1&more",
    "hash#fragment",
    "acl?acl",
    "?list-type=2",
    "a=b&c=d;e",
    "\u{fc}mlaut",
    "u\u{308}mlaut",
    "\u{65e5}\u{672c}\u{8a9e}/\u{6587}\u{5b57}",
    "\u{430}\u{431}\u{432}",
    "\u{1f600}",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
    "right\u{202e}left",
    "no\u{a0}break",
    "zero\u{200b}width",
    "replaced\u{fffd}",
    "last\u{10fffd}",
    "C:\\folder\\file",
    "http://other.example/a?b#c",
    "<Code>NoSuchKey</Code>",
];

/// More than three hundred keys, none of which is a folder of another.
pub fn all() -> Vec<String> {
    let characters = (1..0x7f).map(char::from).filter(|character| !character.is_ascii_alphanumeric());
    let mut keys: Vec<String> = characters
        .filter(|character| !matches!(character, '/' | '\r' | '\n'))
        .flat_map(|c| {
            [format!("{c}front"), format!("behind{c}"), format!("be{c}tween"), format!("in/{c}{c}{c}/folders")]
        })
        .collect();
    keys.extend((0x80..0x100).step_by(4).filter_map(char::from_u32).map(|c| format!("latin {c}{c}")));
    keys.extend((4..=10).map(|bits| "k".repeat((1 << bits) - 1)));
    keys.extend(WHOLES.map(ToOwned::to_owned));
    keys
}

/// What is stored under a key: no two are equal.
pub fn object(key: &str) -> Bytes {
    format!("the object of {key:?}").into()
}

/// Writes every key through an edge, spelled with as many escapes as there can be, and reads it, spelled with as few. Each that did not
/// come back as it was is told, with the status.
///
/// # Panics
/// The edge does not answer.
pub async fn write_and_read(edge: &Edge, keys: &[String]) -> Vec<(String, String)> {
    let mut viewer = edge.viewer().await;
    let request = |method: Method, target: String, body: Bytes| {
        Request::builder().method(method).uri(target).header("host", "shop.test").body(Full::new(body)).expect("is one")
    };
    let mut lost = Vec::new();
    for key in keys {
        let written =
            viewer.send(request(Method::PUT, format!("/{}", utf8_percent_encode(key, ALL)), object(key))).await;
        let read =
            viewer.send(request(Method::GET, format!("/{}", utf8_percent_encode(key, PATH)), Bytes::new())).await;
        if !written.status.is_success() || !read.status.is_success() || read.body != object(key) {
            lost.push((key.clone(), format!("written {}, read {}", said(&written), said(&read))));
        }
    }
    lost
}

fn said(reply: &Reply) -> String {
    format!("{} {:?}", reply.status.as_u16(), reply.text())
}
