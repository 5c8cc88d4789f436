//! A stored response into the condition it is validated by, a 304 into what it freshens, a viewer's condition into its answer.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, response};

use crate::{Label, Stored, date::Date, forwarding, freshness::Received, terms::date_of, vary::Selecting};

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
}

/// What became of a validation that was answered with 304.
#[derive(Clone, Debug, PartialEq)]
pub enum Freshened {
    /// The stored response with its new fields, to be stored in place of the old head and judged afresh.
    Updated(Box<Stored>),
    /// The 304 speaks of another response: ask again without a condition.
    OfAnother,
}

/// RFC 9111 §4.3.4 and §3.2. `forwarded` is the validating request as the origin got it, `label` its label: where the purge log
/// stood when *it* began (rule 3).
///
/// Whether the stored response may still be revived is the ledger's to say: [`crate::Ledger::revives`].
pub fn freshen(
    stored: &Stored,
    not_modified: &response::Parts,
    forwarded: &HeaderMap,
    received: Received,
    label: Label,
) -> Freshened {
    if !identifies(&stored.headers, &not_modified.headers) {
        return Freshened::OfAnother;
    }
    let mut fields = stored.headers.clone();
    // A 304 without a date of its own is dated by its receipt, not by what it freshens.
    fields.remove(header::DATE);
    let fresh = forwarding::end_to_end(&not_modified.headers);
    let news: Vec<&HeaderName> = fresh.keys().filter(|name| !KEPT_FROM_UPDATE.contains(name)).collect();
    for name in &news {
        fields.remove(*name);
    }
    for name in &news {
        for value in fresh.get_all(*name) {
            fields.append((*name).clone(), value.clone());
        }
    }
    let selecting = Selecting::of(&fields, forwarded);
    Freshened::Updated(Box::new(Stored::of(stored.status, &fields, selecting, received, label)))
}

/// §3.2: what describes the bytes at rest stays as it was. A cookie in a 304 is one viewer's, and is not stored either.
const KEPT_FROM_UPDATE: [HeaderName; 4] =
    [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::CONTENT_RANGE, header::SET_COOKIE];

/// §4.3.4: a strong validator must be the same, a weak one match; a 304 without any answers the one condition that was sent.
fn identifies(stored: &HeaderMap, fresh: &HeaderMap) -> bool {
    let tag = |headers: &HeaderMap| headers.get(header::ETAG).map(|value| value.as_bytes().to_vec());
    if let Some(new) = tag(fresh) {
        let (Some(old), Some(new)) = (tag(stored), EntityTag::parse(&new)) else { return false };
        let Some(old) = EntityTag::parse(&old) else { return false };
        return if new.weak { old.matches_weakly(new) } else { old == new };
    }
    match (fresh.get(header::LAST_MODIFIED), stored.get(header::LAST_MODIFIED)) {
        (Some(new), Some(old)) => new == old,
        (Some(_), None) => false,
        (None, _) => true,
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
    weak: bool,
    opaque: &'a [u8],
}

impl<'a> EntityTag<'a> {
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        let (tag, rest) = take_tag(text.trim_ascii())?;
        rest.is_empty().then_some(tag)
    }

    /// §8.8.3.2.
    fn matches_weakly(self, other: Self) -> bool {
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
    use crate::{
        Moment,
        freshness::Age,
        testing::{self, AT_ONCE, NOW, UNKNOWN, after, fields, response},
    };

    const MODIFIED: &str = "last-modified: Sun, 22 Nov 2026 10:00:00 GMT";
    const LATER: Received =
        Received { asked: Moment(after_arrival()), answered: Moment(after_arrival()), date: Date(NOW.0 + 100) };

    const fn after_arrival() -> std::time::Duration {
        std::time::Duration::from_secs(1_100)
    }

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

    #[track_caller]
    fn check_identity(old: &[&str], new: &[&str], expect: bool) {
        let freshened = freshen(&testing::stored(old), &response(304, new), &HeaderMap::new(), LATER, UNKNOWN);
        assert_eq!(matches!(freshened, Freshened::Updated(_)), expect, "{old:?} by {new:?}");
    }

    #[test]
    fn a_304_freshens_only_the_response_it_speaks_of() {
        check_identity(&["etag: \"a\""], &["etag: \"a\""], true);
        check_identity(&["etag: \"a\""], &["etag: \"b\""], false);
        check_identity(&["etag: \"a\""], &["etag: W/\"a\""], true);
        check_identity(&["etag: W/\"a\""], &["etag: \"a\""], false);
        check_identity(&["etag: \"a\"", MODIFIED], &[MODIFIED], true);
        check_identity(&["etag: \"a\"", MODIFIED], &["last-modified: Sun, 22 Nov 2026 11:00:00 GMT"], false);
        check_identity(&["etag: \"a\""], &[MODIFIED], false);
        check_identity(&[MODIFIED], &["etag: \"a\""], false);
        check_identity(&["etag: \"a\""], &["etag: a"], false);
        check_identity(&["etag: \"a\""], &[], true);
    }

    #[test]
    fn the_fields_of_a_304_replace_those_that_are_stored() {
        let old = [
            "etag: \"a\"",
            "content-length: 5",
            "content-encoding: br",
            "x-a: 1",
            "x-a: 2",
            "x-b: 1",
            "age: 50",
            "date: Sun, 22 Nov 2026 15:00:00 GMT",
            "cache-control: max-age=60",
        ];
        let new = [
            "x-a: 3",
            "x-c: 4",
            "content-length: 0",
            "content-encoding: gzip",
            "set-cookie: a=b",
            "connection: x-hop",
            "x-hop: 1",
            "age: 7",
            "cache-control: max-age=90",
        ];
        let freshened = freshen(&testing::stored(&old), &response(304, &new), &HeaderMap::new(), LATER, UNKNOWN);
        let Freshened::Updated(stored) = freshened else { panic!("the same response") };
        let expect = [
            "etag: \"a\"",
            "content-length: 5",
            "content-encoding: br",
            "x-a: 3",
            "x-b: 1",
            "x-c: 4",
            "cache-control: max-age=90",
            "date: Sun, 22 Nov 2026 16:01:40 GMT",
        ];
        assert_eq!(stored.headers, fields(&expect));
        assert_eq!(stored.status, StatusCode::OK);
        assert_eq!(stored.terms.explicit, Some(std::time::Duration::from_secs(90)));
        assert_eq!(stored.age, Age::on_arrival(&fields(&["age: 7"]), LATER));
    }

    #[test]
    fn a_freshened_response_carries_the_label_of_its_validation() {
        let validation = Label { local: 9, ..UNKNOWN };
        let freshened =
            freshen(&testing::stored(&["vary: x"]), &response(304, &[]), &fields(&["x: 1"]), LATER, validation);
        let Freshened::Updated(stored) = freshened else { panic!("the same response") };
        assert_eq!(stored.label, validation);
        assert!(stored.selecting.matches(|| fields(&["x: 1"])));
        assert!(!stored.selecting.matches(|| fields(&["x: 2"])));
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

    #[test]
    fn a_freshened_response_begins_a_new_age() {
        let Freshened::Updated(stored) = freshen(
            &testing::stored(&["cache-control: max-age=60"]),
            &response(304, &[]),
            &HeaderMap::new(),
            LATER,
            UNKNOWN,
        ) else {
            panic!("the same response")
        };
        assert_eq!(stored.age.current(after(130)), std::time::Duration::from_secs(30));
    }
}
