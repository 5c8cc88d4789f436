//! A stored response into the condition it is validated by, a viewer's condition into its answer.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::{Stored, date::Date, terms::date_of};

/// So many entity tags are offered at the most.
const TAGS_OFFERED: usize = 16;

/// The fields that make a forwarded request conditional. Written by the edge alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditional {
    /// `If-None-Match`: the stored entity tag.
    pub if_none_match: Option<HeaderValue>,
    /// `If-Modified-Since`: the stored `Last-Modified`.
    pub if_modified_since: Option<HeaderValue>,
}

impl Conditional {
    /// RFC 9111 §4.3.1: both validators where there are both. None: it cannot be validated, only replaced.
    pub fn of(stored: &Stored) -> Option<Self> {
        let received = stored.received.date;
        let modified = single(&stored.headers, &header::LAST_MODIFIED);
        let condition = Self {
            if_none_match: single(&stored.headers, &header::ETAG)
                .filter(|value| EntityTag::parse(value.as_bytes()).is_some())
                .cloned(),
            if_modified_since: modified.filter(|value| parse_date(value, received).is_some()).cloned(),
        };
        (condition != Self::default()).then_some(condition)
    }

    /// §4.3.1: offers the entity tags of other stored responses as well that the same request selects. A date speaks of one
    /// response only, so then none is sent.
    #[must_use]
    pub fn with_tags_of<'a>(self, others: impl Iterator<Item = &'a Stored>) -> Self {
        let Some(first) = &self.if_none_match else { return self };
        let mut tags = vec![first.clone()];
        for tag in others.filter_map(|stored| Self::of(stored)?.if_none_match) {
            if !tags.contains(&tag) && tags.len() < TAGS_OFFERED {
                tags.push(tag);
            }
        }
        if tags.len() == 1 {
            return self;
        }
        let list = tags.iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b", "[..]);
        Self { if_none_match: HeaderValue::from_bytes(&list).ok(), if_modified_since: None }
    }
}

/// How a viewer's own conditional request is answered from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The stored response itself.
    Whole,
    /// 304 with [`not_modified_fields`].
    NotModified,
}

/// RFC 9110 §13.2.2 for what a cache evaluates (RFC 9111 §4.3.2): `If-None-Match`, and only without it `If-Modified-Since`.
/// `If-Match` and `If-Unmodified-Since` are for origins to evaluate.
pub fn answer_condition(method: &Method, viewer: &HeaderMap, stored: &Stored) -> Answer {
    let conditional = [Method::GET, Method::HEAD].contains(method) && stored.status == StatusCode::OK;
    if !conditional {
        return Answer::Whole;
    }
    let met = if viewer.contains_key(header::IF_NONE_MATCH) {
        !none_match(viewer, &stored.headers)
    } else {
        !modified_since(viewer, stored)
    };
    if met { Answer::NotModified } else { Answer::Whole }
}

/// RFC 9110 §13.1.2: true when no listed tag matches, by weak comparison.
fn none_match(viewer: &HeaderMap, stored: &HeaderMap) -> bool {
    let current = stored.get(header::ETAG).and_then(|value| EntityTag::parse(value.as_bytes()));
    for line in viewer.get_all(header::IF_NONE_MATCH) {
        if line.as_bytes().trim_ascii() == b"*" {
            return false;
        }
        if current.is_some_and(|current| tags(line.as_bytes()).any(|tag| tag.matches_weakly(current))) {
            return false;
        }
    }
    true
}

/// RFC 9110 §13.1.3: an invalid or repeated date is ignored. Without `Last-Modified`, `Date` stands in (RFC 9111 §4.3.2).
fn modified_since(viewer: &HeaderMap, stored: &Stored) -> bool {
    let received = stored.received.date;
    let since = single(viewer, &header::IF_MODIFIED_SINCE).and_then(|value| parse_date(value, received));
    let Some(since) = since else { return true };
    let modified = single(&stored.headers, &header::LAST_MODIFIED).and_then(|value| parse_date(value, received));
    modified.unwrap_or_else(|| date_of(&stored.headers, received)) > since
}

/// RFC 9110 §15.4.5: what a 304 carries of the stored fields: all but what describes content that is not sent.
pub fn not_modified_fields(stored: &HeaderMap) -> HeaderMap {
    let mut fields = stored.clone();
    let content = [
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::CONTENT_LANGUAGE,
        header::CONTENT_RANGE,
    ];
    for name in content {
        fields.remove(name);
    }
    if fields.contains_key(header::ETAG) {
        fields.remove(header::LAST_MODIFIED);
    }
    fields
}

/// An entity tag (RFC 9110 §8.8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntityTag<'a> {
    pub(crate) weak: bool,
    opaque: &'a [u8],
}

impl<'a> EntityTag<'a> {
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        let (tag, rest) = take_tag(text.trim_ascii())?;
        rest.is_empty().then_some(tag)
    }

    /// §8.8.3.2.
    pub(crate) fn matches_weakly(self, other: Self) -> bool {
        self.opaque == other.opaque
    }

    /// §8.8.3.2.
    pub(crate) fn matches_strongly(self, other: Self) -> bool {
        self == other && !self.weak
    }
}

fn take_tag(text: &[u8]) -> Option<(EntityTag<'_>, &[u8])> {
    let (weak, rest) = text.strip_prefix(b"W/").map_or((false, text), |rest| (true, rest));
    let rest = rest.strip_prefix(b"\"")?;
    let end = rest.iter().position(|b| *b == b'"')?;
    let (opaque, after) = rest.split_at_checked(end)?;
    Some((EntityTag { weak, opaque }, after.get(1..)?))
}

/// The readable members of a list of tags; reading ends at the first that is none.
fn tags(mut text: &[u8]) -> impl Iterator<Item = EntityTag<'_>> {
    std::iter::from_fn(move || {
        text = text.trim_ascii_start();
        while let Some(rest) = text.strip_prefix(b",") {
            text = rest.trim_ascii_start();
        }
        let (tag, rest) = take_tag(text)?;
        text = rest;
        Some(tag)
    })
}

pub(crate) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

pub(crate) fn parse_date(value: &HeaderValue, received: Date) -> Option<Date> {
    Date::parse(value.to_str().ok()?, received)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, AT_ONCE, UNKNOWN, fields, response};

    const MODIFIED: &str = "last-modified: Sun, 22 Nov 2026 10:00:00 GMT";
    #[track_caller]
    fn check_condition(lines: &[&str], expect: Option<&[&str]>) {
        let expect = expect.map(fields).map(|fields| Conditional {
            if_none_match: fields.get(header::IF_NONE_MATCH).cloned(),
            if_modified_since: fields.get(header::IF_MODIFIED_SINCE).cloned(),
        });
        assert_eq!(Conditional::of(&testing::stored(lines)), expect, "{lines:?}");
    }

    #[test]
    fn a_stored_response_is_validated_by_the_validators_it_has() {
        let since = "if-modified-since: Sun, 22 Nov 2026 10:00:00 GMT";
        check_condition(&["etag: W/\"a\"", MODIFIED], Some(&["if-none-match: W/\"a\"", since]));
        check_condition(&["etag: \"a\""], Some(&["if-none-match: \"a\""]));
        check_condition(&[MODIFIED], Some(&[since]));
        check_condition(&["etag: a", "last-modified: yesterday"], None);
        check_condition(&["etag: \"a\"", "etag: \"b\""], None);
        check_condition(&[], None);
    }

    #[test]
    fn the_tags_of_all_that_a_request_selects_are_offered_together() {
        let stored = |lines: &[&str]| testing::stored(lines);
        let offered = |first: &[&str], others: &[Stored]| {
            Conditional::of(&stored(first)).map(|condition| condition.with_tags_of(others.iter()))
        };
        let by = |tags: &'static str| {
            Some(Conditional { if_none_match: Some(HeaderValue::from_static(tags)), if_modified_since: None })
        };
        let others = [stored(&["etag: W/\"b\""]), stored(&["etag: \"a\""]), stored(&["etag: x"]), stored(&[MODIFIED])];
        assert_eq!(offered(&["etag: \"a\"", MODIFIED], &others), by("\"a\", W/\"b\""));
        assert_eq!(offered(&[MODIFIED], &others), Conditional::of(&stored(&[MODIFIED])));
        let same = ["etag: \"a\"", MODIFIED];
        assert_eq!(offered(&same, &[stored(&same)]), Conditional::of(&stored(&same)), "one response only");
        let many: Vec<Stored> = (0..100).map(|n| stored(&[&format!("etag: \"{n}\"")])).collect();
        let tags = offered(&["etag: \"a\""], &many).and_then(|condition| condition.if_none_match).expect("tags");
        assert_eq!(tags.as_bytes().split(|byte| *byte == b',').count(), TAGS_OFFERED);
    }

    #[track_caller]
    fn check_answer(viewer: &[&str], stored: &[&str], expect: Answer) {
        assert_eq!(answer_condition(&Method::GET, &fields(viewer), &testing::stored(stored)), expect, "{viewer:?}");
    }

    #[test]
    fn if_none_match_compares_weakly_and_goes_first() {
        let stored = ["etag: W/\"a\"", MODIFIED];
        let since = "if-modified-since: Sun, 22 Nov 2026 12:00:00 GMT";
        check_answer(&["if-none-match: \"a\""], &stored, Answer::NotModified);
        check_answer(&["if-none-match: \"x,y\" , W/\"a\""], &stored, Answer::NotModified);
        check_answer(&["if-none-match: \"b\"", "if-none-match: \"a\""], &stored, Answer::NotModified);
        check_answer(&["if-none-match: *"], &[], Answer::NotModified);
        check_answer(&["if-none-match: \"b\"", since], &stored, Answer::Whole);
        check_answer(&["if-none-match: a"], &stored, Answer::Whole);
        check_answer(&["if-none-match: \"a\""], &[MODIFIED], Answer::Whole);
    }

    #[test]
    fn conditions_for_an_origin_are_not_evaluated_here() {
        check_answer(&["if-match: \"b\""], &["etag: \"a\""], Answer::Whole);
        check_answer(&["if-match: \"b\"", "if-none-match: \"a\""], &["etag: \"a\""], Answer::NotModified);
        let since = "if-unmodified-since: Sun, 22 Nov 2026 09:00:00 GMT";
        check_answer(&[since], &[MODIFIED], Answer::Whole);
    }

    #[test]
    fn if_modified_since_compares_dates() {
        let since = |time: &str| format!("if-modified-since: Sun, 22 Nov 2026 {time} GMT");
        check_answer(&[&since("10:00:00")], &[MODIFIED], Answer::NotModified);
        check_answer(&[&since("09:59:59")], &[MODIFIED], Answer::Whole);
        check_answer(&["if-modified-since: yesterday"], &[MODIFIED], Answer::Whole);
        check_answer(&[&since("11:00:00"), &since("12:00:00")], &[MODIFIED], Answer::Whole);
        check_answer(&[&since("15:00:00")], &["date: Sun, 22 Nov 2026 15:00:00 GMT"], Answer::NotModified);
        check_answer(&[&since("15:59:59")], &[], Answer::Whole);
        check_answer(&[], &[MODIFIED], Answer::Whole);
    }

    #[test]
    fn conditions_concern_get_and_head_of_what_was_found() {
        let viewer = fields(&["if-none-match: \"a\""]);
        let stored = testing::stored(&["etag: \"a\""]);
        assert_eq!(answer_condition(&Method::HEAD, &viewer, &stored), Answer::NotModified);
        assert_eq!(answer_condition(&Method::POST, &viewer, &stored), Answer::Whole);
        let missing = Stored::new(&response(404, &["etag: \"a\""]), &HeaderMap::new(), AT_ONCE, UNKNOWN);
        assert_eq!(answer_condition(&Method::GET, &viewer, &missing), Answer::Whole);
    }

    #[test]
    fn a_304_carries_no_description_of_content_it_does_not_have() {
        let stored = [
            "etag: \"a\"",
            MODIFIED,
            "content-type: a/b",
            "content-length: 5",
            "content-location: /x",
            "cache-control: public",
            "vary: x",
            "access-control-allow-origin: *",
        ];
        let expect = [
            "etag: \"a\"",
            "content-location: /x",
            "cache-control: public",
            "vary: x",
            "access-control-allow-origin: *",
        ];
        assert_eq!(not_modified_fields(&fields(&stored)), fields(&expect));
        assert_eq!(not_modified_fields(&fields(&[MODIFIED])), fields(&[MODIFIED]));
    }
}
