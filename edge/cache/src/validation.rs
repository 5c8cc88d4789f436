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
struct EntityTag<'a> {
    weak: bool,
    opaque: &'a [u8],
}

impl<'a> EntityTag<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        let (tag, rest) = take_tag(text.trim_ascii())?;
        rest.is_empty().then_some(tag)
    }

    /// §8.8.3.2.
    fn matches_weakly(self, other: Self) -> bool {
        self.opaque == other.opaque
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

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn parse_date(value: &HeaderValue, received: Date) -> Option<Date> {
    Date::parse(value.to_str().ok()?, received)
}
