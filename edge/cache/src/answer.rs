//! The head of an origin's response into whether it can be trusted: checked as strictly as what viewers send.

use http::{HeaderMap, HeaderValue, header, response};
use thiserror::Error;

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
    /// A status that is none (RFC 9110 §15), or 101: no `Upgrade` is ever sent that it could agree to (§15.2.2).
    #[error("answer-status-invalid")]
    Status,
}

/// Examines the head of a final response before anything of it is used.
pub fn examine(response: &response::Parts) -> Result<(), Distrust> {
    if !(200..600).contains(&response.status.as_u16()) {
        return Err(Distrust::Status);
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
    fn a_status_beyond_the_classes_is_not_trusted() {
        check(600, &[], Err(Distrust::Status));
        check(999, &[], Err(Distrust::Status));
    }

    #[test]
    fn a_switch_of_protocols_that_nobody_asked_for_is_not_trusted() {
        check(101, &["upgrade: websocket", "connection: upgrade"], Err(Distrust::Status));
    }
}
