//! Any `Range` and `If-Range` of a viewer: what is sent exists, ascends, comes once and is never more than the whole.
#![no_main]

use std::time::Duration;

use edge_cache::date::Date;
use edge_cache::range::{self, Verdict};
use edge_cache::{Label, Moment, Received, Stored};
use http::{HeaderMap, HeaderValue, Method, Response, header};
use libfuzzer_sys::fuzz_target;

fn stored() -> Stored {
    let response = Response::builder().header(header::ETAG, "\"a\"").header(header::CACHE_CONTROL, "max-age=60");
    let moment = Moment(Duration::ZERO);
    let received = Received { asked: moment, answered: moment, date: Date(1_795_363_200) };
    let parts = response.body(()).expect("is one").into_parts().0;
    Stored::new(&parts, &HeaderMap::new(), received, Label { log: None, local: 0 })
}

fuzz_target!(|input: (u16, Option<&[u8]>, &[u8])| {
    let (length, condition, line) = input;
    let length = u64::from(length);
    let Ok(line) = HeaderValue::from_bytes(line) else { return };
    let mut viewer = HeaderMap::from_iter([(header::RANGE, line)]);
    if let Some(Ok(value)) = condition.map(HeaderValue::from_bytes) {
        viewer.insert(header::IF_RANGE, value);
    }
    match range::judge(&Method::GET, &viewer, &stored(), Some(length)) {
        Verdict::Parts(spans) => {
            assert!(!spans.is_empty() && spans.len() <= 16);
            let mut next = 0;
            for span in &spans {
                assert!(span.first >= next && span.first <= span.last && span.last < length);
                next = span.last + 1;
            }
            let sent: u64 = spans.iter().map(range::Span::length).sum();
            assert!(sent <= length);
            assert!(condition.is_none_or(|tag| tag.trim_ascii() == b"\"a\"" || HeaderValue::from_bytes(tag).is_err()));
        }
        Verdict::Unsatisfiable { complete } => assert_eq!(complete, length),
        Verdict::Whole(_) => {}
    }
    assert!(matches!(range::judge(&Method::HEAD, &viewer, &stored(), Some(length)), Verdict::Whole(_)));
});
