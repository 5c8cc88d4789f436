//! `Max-Forwards` of a request into whether it ends here, or what it says further on (RFC 9110 §7.6.2).

use http::{HeaderValue, Method, header, request};

use crate::validation::single;

/// Whether this request must be answered here: it may be forwarded no more.
pub fn ends_here(request: &request::Parts) -> bool {
    left(request) == Some(0)
}

/// What the field says to who is next, whatever else goes along.
pub fn further_on(request: &request::Parts) -> Option<HeaderValue> {
    left(request)?.checked_sub(1).map(HeaderValue::from)
}

/// How often it may still be forwarded. Of the methods for which this counts, TRACE passes no edge; with others the field means
/// nothing. What is no number, or not one, is left to who understands it.
fn left(request: &request::Parts) -> Option<u64> {
    if request.method != Method::OPTIONS {
        return None;
    }
    let digits = single(&request.headers, &header::MAX_FORWARDS)?.to_str().ok()?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // "The lesser of the received value decremented by one or the recipient's maximum supported value".
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use http::Version;

    use super::*;
    use crate::testing;

    #[track_caller]
    fn check(method: &str, lines: &[&str], ends: bool, told: Option<&str>) {
        let request = testing::request(method, "/a", Version::HTTP_11, lines);
        let further = further_on(&request);
        let further = further.as_ref().map(HeaderValue::as_bytes);
        assert_eq!((ends_here(&request), further), (ends, told.map(str::as_bytes)), "{method} {lines:?}");
    }

    #[test]
    fn each_hop_counts_and_the_last_one_answers() {
        check("OPTIONS", &["max-forwards: 0"], true, None);
        check("OPTIONS", &["max-forwards: 000"], true, None);
        check("OPTIONS", &["max-forwards: 1"], false, Some("0"));
        check("OPTIONS", &["max-forwards: 10"], false, Some("9"));
        check("OPTIONS", &["max-forwards: 99999999999999999999"], false, Some("18446744073709551614"));
    }

    #[test]
    fn it_counts_for_no_other_method_and_where_it_cannot_be_read() {
        for method in ["GET", "HEAD", "POST", "options"] {
            check(method, &["max-forwards: 0"], false, None);
        }
        for lines in [&[][..], &["max-forwards:"], &["max-forwards: -1"], &["max-forwards: 1x"], &["max-forwards: +1"]]
        {
            check("OPTIONS", lines, false, None);
        }
        check("OPTIONS", &["max-forwards: 0", "max-forwards: 0"], false, None);
    }
}
