//! The head of an origin's response into whether it can be trusted: checked as strictly as what viewers send.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, response};
use thiserror::Error;

use crate::fields::has_stray_space;

/// Why a response is not passed on: the viewer gets 502 and the connection is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Distrust {
    /// `Transfer-Encoding` together with `Content-Length`: two opinions on where the body ends (RFC 9112 §6.3).
    #[error("answer-framing-ambiguous")]
    Framing,
    /// `Content-Length` is a list, repeated or no number.
    #[error("answer-content-length-invalid")]
    ContentLength,
    /// A coding other than `chunked`, once: what its bytes mean is not known.
    #[error("answer-transfer-coding-unknown")]
    TransferCoding,
    /// A status that is none (RFC 9110 §15), or 101 where no `Upgrade` was sent that it could agree to (§15.2.2).
    #[error("answer-status-invalid")]
    Status,
    /// A field's value begins or ends with white space, which only a version that does not frame it by that can say (RFC 9113 §8.2.1).
    #[error("answer-field-invalid")]
    Field,
    /// 101, and to what is switched was not offered, or is not said.
    #[error("answer-switch-invalid")]
    Switch,
}

/// Examines the head of a final response before anything of it is used.
pub fn examine(response: &response::Parts) -> Result<(), Distrust> {
    if !(200..600).contains(&response.status.as_u16()) {
        return Err(Distrust::Status);
    }
    if has_stray_space(&response.headers) {
        return Err(Distrust::Field);
    }
    let has_length = match content_length(&response.headers) {
        Length::Invalid => return Err(Distrust::ContentLength),
        Length::Known => true,
        Length::Absent => false,
    };
    match transfer_coding(&response.headers) {
        Coding::Unknown => Err(Distrust::TransferCoding),
        Coding::Chunked if has_length => Err(Distrust::Framing),
        Coding::Absent | Coding::Chunked => Ok(()),
    }
}

/// RFC 9110 §15.3.7: a 206 from the first byte to the last, with nothing left out, is the 200 that it is a part of. No other answers who
/// asked for no part.
pub fn whole_of_part(response: &response::Parts) -> Option<response::Parts> {
    let text = |name: HeaderName| response.headers.get(name)?.to_str().ok();
    let (unit, range) = text(header::CONTENT_RANGE)?.split_once(' ')?;
    let (last, length) = range.trim_start().strip_prefix("0-")?.split_once('/')?;
    let (last, length): (u64, u64) = (last.parse().ok()?, length.parse().ok()?);
    let announced: u64 = text(header::CONTENT_LENGTH)?.parse().ok()?;
    if !unit.eq_ignore_ascii_case("bytes") || announced != length || last.checked_add(1) != Some(length) {
        return None;
    }
    let mut whole = response.clone();
    whole.status = StatusCode::OK;
    whole.headers.remove(header::CONTENT_RANGE);
    Some(whole)
}

/// What `Content-Length` says, in either direction.
pub(crate) enum Length {
    Absent,
    Known,
    Invalid,
}

/// RFC 9112 §6.3: one field of digits. Lists of equal numbers could be mended; nobody who means well sends them.
pub(crate) fn content_length(headers: &HeaderMap) -> Length {
    let mut values = headers.get_all(header::CONTENT_LENGTH).iter();
    let digits = |value: &HeaderValue| !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
    match values.next() {
        None => Length::Absent,
        Some(value) if digits(value) && values.next().is_none() => Length::Known,
        Some(_) => Length::Invalid,
    }
}

/// What `Transfer-Encoding` says, in either direction.
pub(crate) enum Coding {
    Absent,
    Chunked,
    Unknown,
}

/// RFC 9112 §6.1: `chunked`, once, is all that is spoken here.
pub(crate) fn transfer_coding(headers: &HeaderMap) -> Coding {
    let mut values = headers.get_all(header::TRANSFER_ENCODING).iter();
    match values.next() {
        None => Coding::Absent,
        Some(value) if value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") && values.next().is_none() => {
            Coding::Chunked
        }
        Some(_) => Coding::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[track_caller]
    fn check(status: u16, lines: &[&str], expect: Result<(), Distrust>) {
        assert_eq!(examine(&testing::response(status, lines)), expect, "{status} {lines:?}");
    }

    #[test]
    fn an_answer_whose_end_is_clear_is_trusted() {
        check(200, &["content-length: 5"], Ok(()));
        check(200, &["transfer-encoding: chunked"], Ok(()));
        check(200, &[], Ok(()));
        check(599, &[], Ok(()));
    }

    #[test]
    fn an_answer_whose_end_is_unclear_is_not_trusted() {
        check(200, &["content-length: 5", "transfer-encoding: chunked"], Err(Distrust::Framing));
        check(200, &["content-length: 5, 5"], Err(Distrust::ContentLength));
        check(200, &["content-length: 5", "content-length: 5"], Err(Distrust::ContentLength));
        check(200, &["content-length: -5"], Err(Distrust::ContentLength));
        check(200, &["transfer-encoding: gzip"], Err(Distrust::TransferCoding));
        check(200, &["transfer-encoding: gzip, chunked"], Err(Distrust::TransferCoding));
        check(200, &["transfer-encoding: chunked", "transfer-encoding: chunked"], Err(Distrust::TransferCoding));
    }

    #[test]
    fn an_answer_with_white_space_around_a_value_is_not_trusted() {
        let mut response = testing::response(200, &["x: a b"]);
        assert_eq!(examine(&response), Ok(()));
        response.headers.insert("x", HeaderValue::from_static(" a"));
        assert_eq!(examine(&response), Err(Distrust::Field));
    }

    #[test]
    fn a_part_that_leaves_nothing_out_is_the_whole() {
        let whole = |range: &str, length: u64| {
            let lines = [&*format!("content-range: {range}"), &format!("content-length: {length}"), "etag: \"a\""];
            whole_of_part(&testing::response(206, &lines)).map(|whole| (whole.status.as_u16(), whole.headers))
        };
        let all = Some((200, testing::fields(&["content-length: 10", "etag: \"a\""])));
        assert_eq!((whole("bytes 0-9/10", 10), whole("Bytes  0-9/10", 10)), (all.clone(), all));
        for (range, length) in [
            ("bytes 0-8/10", 9),
            ("bytes 1-9/10", 9),
            ("bytes 0-9/*", 10),
            ("bytes 0-9/10", 9),
            ("bytes */10", 10),
            ("lines 0-9/10", 10),
            ("bytes 0-18446744073709551615/0", 0),
            ("bytes=0-9/10", 10),
        ] {
            assert_eq!(whole(range, length), None, "{range}");
        }
    }

    #[test]
    fn a_status_beyond_the_classes_is_not_trusted() {
        check(600, &[], Err(Distrust::Status));
        check(999, &[], Err(Distrust::Status));
    }

    #[test]
    fn a_switch_of_protocols_that_nobody_asked_for_is_not_trusted() {
        check(101, &["upgrade: websocket", "connection: upgrade"], Err(Distrust::Status));
    }
}
