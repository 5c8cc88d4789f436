//! `Range` and `If-Range` against RFC 9110 §13.1.5 and §14 once more, clause by clause, on requests as odd as they come.

use std::time::Duration;

use edge_cache::{
    Ledger, Moment, Received, Stored,
    date::Date,
    range::{self, Verdict},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use proptest::{collection::vec, prelude::*, sample::select};

/// `Sun, 22 Nov 2026 16:00:00 GMT`.
const RECEIVED: Date = Date(1_795_363_200);

type Lines = Vec<(&'static str, String)>;

/// What a viewer asks, and what is stored.
#[derive(Clone, Debug)]
struct Case {
    method: Method,
    viewer: Lines,
    status: u16,
    stored: Lines,
    length: Option<u64>,
}

/// What may be answered.
#[derive(Debug, PartialEq)]
enum Law {
    /// 200.
    Whole,
    /// 206, with the bytes from each first to each last.
    Parts(Vec<(u128, u128)>),
    /// 416.
    Unsatisfiable,
}

/// §14.2, in its own order, for what edges have: bytes.
fn law(case: &Case) -> Law {
    // "A server MUST ignore a Range header field received with a request method that is unrecognized or for which range handling is not
    // defined. For this specification, GET is the only method".
    let range = values(&case.viewer, "range");
    let [range] = range[..] else { return Law::Whole };
    if case.method != Method::GET {
        return Law::Whole;
    }
    // "The Range header field is evaluated after evaluating the precondition header fields", and "only if the result in absence of
    // the Range header field would be a 200 (OK) response".
    if case.status != 200 {
        return Law::Whole;
    }
    // §13.2.2, 5: "if true and the Range is applicable to the selected representation, respond 206 (Partial Content); otherwise, ignore
    // the Range header field and respond 200 (OK)".
    let conditional = !values(&case.viewer, "if-range").is_empty();
    if conditional && !if_range_holds(case) {
        return Law::Whole;
    }
    // "if the server supports the Range header field for the target resource": a length is needed, and an origin that wants it.
    let Some(length) = case.length.filter(|length| *length > 0 && offers_bytes(&case.stored)).map(u128::from) else {
        return Law::Whole;
    };
    // "A server that supports range requests MAY ignore or reject a Range header field that contains an invalid ranges-specifier".
    let Some(specs) = ranges_specifier(range) else { return Law::Whole };
    let parts: Vec<_> = specs.iter().filter_map(|spec| selected(*spec, length)).collect();
    // "…, a ranges-specifier with more than two overlapping ranges, or a set of many small ranges that are not listed in ascending
    // order": edges ignore a little more than that.
    let overlap = parts.windows(2).any(|pair| pair[0].1 >= pair[1].0);
    let coded = !values(&case.stored, "content-encoding").is_empty();
    if specs.len() > 16 || overlap || (parts.len() > 1 && coded) {
        return Law::Whole;
    }
    match parts.is_empty() {
        false => Law::Parts(parts),
        // "the server SHOULD send a 416": but not where the precondition protects who asked.
        true if conditional => Law::Whole,
        true => Law::Unsatisfiable,
    }
}

/// §14.1.1: from where to where, or so many at the end.
#[derive(Clone, Copy)]
enum Spec {
    Int(u128, Option<u128>),
    Suffix(u128),
}

/// `range-unit "=" 1#( first-pos "-" [ last-pos ] / "-" suffix-length )`. None: invalid, or another unit.
fn ranges_specifier(text: &str) -> Option<Vec<Spec>> {
    let (unit, set) = text.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut specs = Vec::new();
    // §5.6.1.2: `[ element ] *( OWS "," OWS [ element ] )`: no space before the first element, nor behind the last, which a field ends.
    let members: Vec<&str> = set.trim_end_matches(is_space).split(',').collect();
    for (place, member) in members.iter().enumerate() {
        let element = member.trim_matches(is_space);
        if !element.is_empty() && (place > 0 || member.starts_with(element)) {
            specs.push(range_spec(element)?);
        } else if !element.is_empty() {
            return None;
        }
    }
    (!specs.is_empty()).then_some(specs)
}

fn range_spec(text: &str) -> Option<Spec> {
    let (first, last) = text.split_once('-')?;
    match (first, last) {
        ("", length) => Some(Spec::Suffix(digits(length)?)),
        (first, "") => Some(Spec::Int(digits(first)?, None)),
        (first, last) => {
            let (first, last) = (digits(first)?, digits(last)?);
            // "An int-range is invalid if the last-pos value is present and less than first-pos."
            (first <= last).then_some(Spec::Int(first, Some(last)))
        }
    }
}

/// `1*DIGIT`, of any size.
fn digits(text: &str) -> Option<u128> {
    let legal = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    legal.then(|| text.parse().unwrap_or(u128::MAX))
}

fn is_space(c: char) -> bool {
    c == ' ' || c == '\t'
}

/// §14.1.2. None: unsatisfiable.
fn selected(spec: Spec, length: u128) -> Option<(u128, u128)> {
    match spec {
        // "a first-pos that is less than the current length of the selected representation"
        Spec::Int(first, _) if first >= length => None,
        // "If the last-pos value is absent, or if the value is greater than or equal to the current length": the remainder.
        Spec::Int(first, last) => Some((first, last.unwrap_or(length).min(length - 1))),
        Spec::Suffix(0) => None,
        // "If the selected representation is shorter than the specified suffix-length, the entire representation is used."
        Spec::Suffix(count) => Some((length - count.min(length), length - 1)),
    }
}

/// §13.1.5.
fn if_range_holds(case: &Case) -> bool {
    let if_range = values(&case.viewer, "if-range");
    let [validator] = if_range[..] else { return false };
    // "A valid entity-tag can be distinguished from a valid HTTP-date by examining the first three characters for a DQUOTE."
    if validator.chars().take(3).any(|c| c == '"') {
        // "exactly matches the ETag field value for the selected representation using the strong comparison function"
        let tags = values(&case.stored, "etag");
        return is_strong_tag(validator) && tags == [validator];
    }
    let modified = values(&case.stored, "last-modified");
    let [modified] = modified[..] else { return false };
    // "If the HTTP-date validator provided is not a strong validator in the sense defined by Section 8.8.2.2, the condition is false."
    // There: so much earlier than `Date` that two clocks may have made them.
    let date = |text: &str| Date::parse(text, RECEIVED);
    let dates = values(&case.stored, "date");
    let made = if let [text] = dates[..] { date(text) } else { None }.unwrap_or(RECEIVED);
    let strong = date(modified).is_some_and(|modified| made.0 - modified.0 >= 60);
    strong && validator == modified
}

/// §8.8.3: `DQUOTE *etagc DQUOTE`, without `W/`.
fn is_strong_tag(text: &str) -> bool {
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.is_some_and(|inner| inner.chars().all(|c| c != '"' && c > ' ' && c != '\x7f'))
}

/// §14.3: an origin that says which units it takes, and does not name this one, wants no ranges.
fn offers_bytes(stored: &Lines) -> bool {
    let said = values(stored, "accept-ranges");
    said.is_empty() || said.iter().any(|line| line.split(',').any(|unit| unit.trim().eq_ignore_ascii_case("bytes")))
}

fn values<'a>(lines: &'a Lines, name: &str) -> Vec<&'a str> {
    lines.iter().filter(|(known, _)| *known == name).map(|(_, value)| value.as_str()).collect()
}

fn headers(lines: &Lines) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_static(name), HeaderValue::try_from(value).expect("is a value"));
    }
    headers
}

fn judged(case: &Case) -> Law {
    let mut response = Response::builder().status(case.status).body(()).expect("is a response").into_parts().0;
    response.headers = headers(&case.stored);
    let at = Moment(Duration::from_secs(1));
    let received = Received { asked: at, answered: at, date: RECEIVED };
    let stored = Stored::new(&response, &HeaderMap::new(), received, Ledger::default().label());
    match range::judge(&case.method, &headers(&case.viewer), &stored, case.length) {
        Verdict::Whole(_) => Law::Whole,
        Verdict::Parts(spans) => Law::Parts(spans.iter().map(|s| (s.first.into(), s.last.into())).collect()),
        Verdict::Unsatisfiable { .. } => Law::Unsatisfiable,
    }
}

const DATES: [&str; 6] = [
    "Sun, 22 Nov 2026 15:00:00 GMT",
    "Sun, 22 Nov 2026 15:59:00 GMT",
    "Sun, 22 Nov 2026 15:59:01 GMT",
    "Sun, 22 Nov 2026 16:00:00 GMT",
    "Sunday, 22-Nov-26 15:00:00 GMT",
    "yesterday",
];

/// Pieces of a range in any order, most of them in one that is legal.
fn range() -> impl Strategy<Value = String> {
    let number = || prop_oneof![8 => "[0-9]", 4 => "[0-9]{2}", 1 => "0{0,2}[0-9]{1,30}", 1 => "[x+ ]?"];
    let spec = prop_oneof![
        4 => (number(), number()).prop_map(|(first, last)| format!("{first}-{last}")),
        2 => number().prop_map(|first| format!("{first}-")),
        2 => number().prop_map(|count| format!("-{count}")),
        1 => select(vec!["", "-", "0-0-0", "1", "0 - 1", "--1"]).prop_map(ToOwned::to_owned),
    ];
    let ascending = (0_u64..20, 0_usize..20)
        .prop_map(|(gap, count)| (0..count as u64).map(|n| format!("{0}-{0}", n * (gap + 1))).collect::<Vec<_>>());
    let specs = prop_oneof![6 => vec(spec, 0..4), 1 => ascending];
    let unit =
        select(vec!["bytes=", "bytes=", "bytes=", "bytes=", "Bytes=", "bytes= ", "bytes =", "lines=", "bytes", "="]);
    (unit, specs, select(vec![",", ",", ", ", " ,\t", ",,", " , ,"]), select(vec!["", "", ","]))
        .prop_map(|(unit, specs, comma, end)| format!("{unit}{}{end}", specs.join(comma)).trim().to_owned())
}

fn case() -> impl Strategy<Value = Case> {
    let tags = || {
        select(vec!["\"a\"", "\"a\"", "\"b\"", "W/\"a\"", "\"\"", "\"a", "a", "\"a\"b\""]).prop_map(ToOwned::to_owned)
    };
    let dates = || select(&DATES[..]).prop_map(ToOwned::to_owned);
    let line = |name, value: BoxedStrategy<String>, times| vec(value.prop_map(move |value| (name, value)), times);
    let condition = prop_oneof![tags(), dates(), Just("*".to_owned()), Just("\"a\", \"b\"".to_owned())].boxed();
    let viewer = (
        prop_oneof![19 => line("range", range().boxed(), 1..2), 1 => line("range", range().boxed(), 0..3)],
        prop_oneof![9 => line("if-range", condition.clone(), 0..2), 1 => line("if-range", condition, 2..3)],
    );
    let units = select(vec!["none", "bytes", "lines", "lines, Bytes", ""]).prop_map(ToOwned::to_owned).boxed();
    let stored = (
        prop_oneof![9 => line("etag", tags().boxed(), 0..2), 1 => line("etag", tags().boxed(), 2..3)],
        line("last-modified", dates().boxed(), 0..2),
        prop_oneof![9 => line("date", dates().boxed(), 0..2), 1 => line("date", dates().boxed(), 2..3)],
        prop_oneof![4 => Just(Vec::new()), 1 => line("accept-ranges", units, 1..3)],
        prop_oneof![4 => Just(Vec::new()), 1 => line("content-encoding", Just("br".to_owned()).boxed(), 1..2)],
    );
    let method = prop_oneof![9 => Just(Method::GET), 1 => select(vec![Method::HEAD, Method::POST])];
    let status = prop_oneof![9 => Just(200), 1 => select(vec![201_u16, 203, 404, 500])];
    let length = prop_oneof![8 => (1_u64..40).prop_map(Some), 1 => select(vec![None, Some(0), Some(u64::MAX)])];
    (method, viewer, status, stored, length).prop_map(|(method, (range, condition), status, stored, length)| {
        let (etag, modified, date, units, coding) = stored;
        let (viewer, stored) = ([range, condition].concat(), [etag, modified, date, units, coding].concat());
        Case { method, viewer, status, stored, length }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn a_range_is_answered_as_its_clauses_say(case in case()) {
        prop_assert_eq!(judged(&case), law(&case), "{:?}", case);
    }
}
