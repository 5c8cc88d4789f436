//! A viewer's `Range` and a stored response into which of its bytes the viewer gets.
//!
//! A range is one of the body as it is stored. Whoever shows another body (a coded one, say) shows all of it and does not ask here.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::{
    Stored,
    terms::date_of,
    validation::{EntityTag, parse_date, single},
};

/// More ranges than these in one request are answered with everything (RFC 9110 §14.2: a server may ignore what costs it too much).
const MOST: usize = 16;

/// By how many seconds a response must be younger than its `Last-Modified` for that to be a strong validator. RFC 9110 §8.8.2.2 asks
/// for one second where both dates are from one clock, and for enough to make up for two clocks otherwise. Which it is, nobody says.
const STRONG_AFTER: i64 = 60;

/// Which bytes of a stored response a viewer gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of them.
    Whole(Why),
    /// These: never none, ascending, and no byte twice.
    Parts(Vec<Span>),
    /// None of those it asked for exist (416).
    Unsatisfiable {
        /// How many there are.
        complete: u64,
    },
}

/// Why a viewer gets the whole response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// It asked for nothing else.
    NotAsked,
    /// Only GET knows ranges (§14.2).
    Method,
    /// They are parts of a 200.
    Status,
    /// The body is arriving, and nobody knows how long it will be.
    LengthUnknown,
    /// There is nothing to take a part of.
    Empty,
    /// The origin says that there are no ranges of it.
    NotOffered,
    /// Ranges of something else than bytes.
    Unit,
    /// No range at all, by its grammar.
    Invalid,
    /// `If-Range` names another version of it.
    Changed,
    /// `If-Range` holds, but no such bytes exist.
    NotApplicable,
    /// Too many.
    TooMany,
    /// They overlap or do not ascend.
    Disorderly,
    /// Several, of a body with a content coding.
    Coded,
}

/// Bytes that follow each other, out of a complete body that has more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The offset of the first.
    pub first: u64,
    /// The offset of the last; never before the first.
    pub last: u64,
    /// How many the complete body has.
    pub complete: u64,
}

impl Span {
    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }

    /// What `Content-Range` says of it (RFC 9110 §14.4).
    pub fn content_range(&self) -> String {
        format!("bytes {}-{}/{}", self.first, self.last, self.complete)
    }
}

/// RFC 9110 §14.2, once every other condition of the request holds (§13.2.2). `length` is that of the complete body, if it is known.
pub fn judge(method: &Method, viewer: &HeaderMap, stored: &Stored, length: Option<u64>) -> Verdict {
    if !viewer.contains_key(header::RANGE) {
        return Verdict::Whole(Why::NotAsked);
    }
    let judged = complete_length(method, stored, length).and_then(|complete| within(viewer, stored, complete));
    judged.unwrap_or_else(Verdict::Whole)
}

/// Says to viewers that ranges can be had (§14.3), where they can and the origin has not said what it thinks of it.
pub fn advertise(head: &mut HeaderMap, stored: &Stored, length: Option<u64>) {
    if complete_length(&Method::GET, stored, length).is_ok() {
        head.entry(header::ACCEPT_RANGES).or_insert(HeaderValue::from_static("bytes"));
    }
}

/// Whether there is anything that can be taken a part of.
fn complete_length(method: &Method, stored: &Stored, length: Option<u64>) -> Result<u64, Why> {
    match length {
        _ if *method != Method::GET => Err(Why::Method),
        _ if stored.status != StatusCode::OK => Err(Why::Status),
        _ if !offers(&stored.headers) => Err(Why::NotOffered),
        None => Err(Why::LengthUnknown),
        // §14.2 leaves this to the server, and no Content-Range could name the end of nothing.
        Some(0) => Err(Why::Empty),
        Some(complete) => Ok(complete),
    }
}

/// §14.3: an origin that lists units means these and no others; `none` is no unit.
fn offers(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::ACCEPT_RANGES).iter().peekable();
    let is_bytes = |unit: &[u8]| unit.trim_ascii().eq_ignore_ascii_case(b"bytes");
    lines.peek().is_none() || lines.any(|line| line.as_bytes().split(|b| *b == b',').any(is_bytes))
}

fn within(viewer: &HeaderMap, stored: &Stored, complete: u64) -> Result<Verdict, Why> {
    // No list across lines: two of them are none.
    let asked = parse(single(viewer, &header::RANGE).ok_or(Why::Invalid)?.as_bytes())?;
    let conditional = viewer.contains_key(header::IF_RANGE);
    if conditional && !is_current(viewer, stored) {
        return Err(Why::Changed);
    }
    let spans: Vec<Span> = asked.iter().filter_map(|spec| spec.of(complete)).collect();
    if spans.is_empty() {
        // §13.2.2 step 5: what a condition was to protect is not refused, but sent whole.
        return if conditional { Err(Why::NotApplicable) } else { Ok(Verdict::Unsatisfiable { complete }) };
    }
    if !spans.is_sorted_by(|before, after| before.last < after.first) {
        return Err(Why::Disorderly);
    }
    // A coding in the head would be one of the multipart message, and of its parts nobody could say which they have.
    if spans.len() > 1 && stored.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Why::Coded);
    }
    Ok(Verdict::Parts(spans))
}

/// RFC 9110 §13.1.5: the very version that the viewer has a part of, by a strong comparison.
fn is_current(viewer: &HeaderMap, stored: &Stored) -> bool {
    let Some(presented) = single(viewer, &header::IF_RANGE) else { return false };
    if let Some(tag) = EntityTag::parse(presented.as_bytes()) {
        let current = single(&stored.headers, &header::ETAG).and_then(|value| EntityTag::parse(value.as_bytes()));
        return current.is_some_and(|current| current.matches_strongly(tag));
    }
    single(&stored.headers, &header::LAST_MODIFIED) == Some(presented) && is_strong(presented, stored)
}

/// §8.8.2.2, for a date that a cache compares to the one it has stored.
fn is_strong(modified: &HeaderValue, stored: &Stored) -> bool {
    let received = stored.received.date;
    let made = date_of(&stored.headers, received);
    parse_date(modified, received).is_some_and(|modified| made.0.saturating_sub(modified.0) >= STRONG_AFTER)
}

/// A range as it is asked for, before it is known what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spec {
    /// From one offset to another.
    Between(u64, u64),
    /// So many at the end.
    Last(u64),
}

impl Spec {
    /// §14.1.2: what of it exists.
    fn of(self, complete: u64) -> Option<Span> {
        let end = complete.checked_sub(1)?;
        match self {
            Self::Between(first, last) => (first <= end).then(|| Span { first, last: last.min(end), complete }),
            Self::Last(count) => {
                (count > 0).then(|| Span { first: complete.saturating_sub(count), last: end, complete })
            }
        }
    }
}

/// RFC 9110 §14.1.1, §14.1.2: one range that is invalid makes all of them so.
fn parse(text: &[u8]) -> Result<Vec<Spec>, Why> {
    let mut halves = text.splitn(2, |b| *b == b'=');
    let (unit, set) = (halves.next().unwrap_or_default(), halves.next().ok_or(Why::Invalid)?);
    // §14.1: their names are case-insensitive.
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return Err(Why::Unit);
    }
    let mut specs = Vec::new();
    for (place, member) in set.split(|b| *b == b',').enumerate() {
        let bare = member.trim_ascii();
        // §5.6.1.2: empty members count for nothing, and white space stands around commas only.
        if bare.is_empty() {
            continue;
        }
        if place == 0 && !member.starts_with(bare) {
            return Err(Why::Invalid);
        }
        specs.push(spec(bare).ok_or(Why::Invalid)?);
        if specs.len() > MOST {
            return Err(Why::TooMany);
        }
    }
    if specs.is_empty() { Err(Why::Invalid) } else { Ok(specs) }
}

fn spec(text: &[u8]) -> Option<Spec> {
    let dash = text.iter().position(|b| *b == b'-')?;
    let (first, last) = (text.get(..dash)?, text.get(dash + 1..)?);
    match (first, last) {
        ([], count) => number(count).map(Spec::Last),
        (first, []) => Some(Spec::Between(number(first)?, u64::MAX)),
        (first, last) => {
            let (from, to) = (number(first)?, number(last)?);
            is_ordered(first, last).then_some(Spec::Between(from, to))
        }
    }
}

/// RFC 9110 §14.1.1: no position is before the first, however large both are.
fn is_ordered(first: &[u8], last: &[u8]) -> bool {
    let significant = |digits: &[u8]| digits.iter().skip_while(|digit| **digit == b'0').copied().collect::<Vec<_>>();
    let (first, last) = (significant(first), significant(last));
    (first.len(), first) <= (last.len(), last)
}

/// §14.1.2: numbers may be of any size; beyond 64 bits they are beyond every body too.
fn number(digits: &[u8]) -> Option<u64> {
    let next = |so_far: u64, digit: &u8| {
        let value = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        Some(so_far.saturating_mul(10).saturating_add(value))
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, next) }
}

#[cfg(test)]
mod tests;
