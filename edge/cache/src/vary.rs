//! A `Vary` field and the request that was forwarded into the selecting header fields a later request must match.

use std::cell::OnceCell;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{Moment, Stored, date::Date, terms::date_of};

/// So many fields are compared at the most: each costs memory with every variant and time with every lookup.
const FIELD_LIMIT: usize = 64;

/// The fields by which a stored response was selected, as its request carried them (RFC 9111 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selecting {
    /// These fields, each with its normalised value; absent only matches absent.
    Fields(Vec<(HeaderName, Option<Vec<u8>>)>),
    /// `Vary: *`: no request ever matches.
    Never,
}

impl Selecting {
    /// Reads `Vary` and remembers what the request, as the origin got it, had in those fields. An unreadable member never matches, and
    /// neither does a list that is longer than any good one.
    pub fn of(response: &HeaderMap, forwarded: &HeaderMap) -> Self {
        let mut fields: Vec<(HeaderName, Option<Vec<u8>>)> = Vec::new();
        for line in response.get_all(header::VARY) {
            for member in line.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty())
            {
                let Some(name) = HeaderName::from_bytes(member).ok().filter(|_| member != b"*") else {
                    return Self::Never;
                };
                if fields.iter().any(|(known, _)| *known == name) {
                    continue;
                }
                if fields.len() == FIELD_LIMIT {
                    return Self::Never;
                }
                let value = normalised(forwarded, &name);
                fields.push((name, value));
            }
        }
        Self::Fields(fields)
    }

    /// Whether a request, as it would be forwarded, matches. It is asked for only where there is something to compare.
    pub fn matches(&self, forwarded: impl FnOnce() -> HeaderMap) -> bool {
        match self {
            Self::Never => false,
            Self::Fields(fields) if fields.is_empty() => true,
            Self::Fields(_) => self.matches_fields(&forwarded()),
        }
    }

    /// The same for a request that is made already.
    pub fn matches_fields(&self, forwarded: &HeaderMap) -> bool {
        match self {
            Self::Never => false,
            Self::Fields(fields) => fields.iter().all(|(name, value)| normalised(forwarded, name) == *value),
        }
    }

    fn varies(&self) -> bool {
        !matches!(self, Self::Fields(fields) if fields.is_empty())
    }

    /// Bytes that it holds, for the store's account.
    pub fn size(&self) -> usize {
        let Self::Fields(fields) = self else { return 0 };
        let field = |(name, value): &(HeaderName, Option<Vec<u8>>)| {
            size_of::<(HeaderName, Option<Vec<u8>>)>() + name.as_str().len() + value.as_ref().map_or(0, Vec::len)
        };
        fields.iter().map(field).sum()
    }
}

/// The stored response that a request selects, of all those under its key (RFC 9111 §4.1). `forwarded` makes the request as the
/// origin would get it, once, and only where something stored has `Vary`.
///
/// Where more than one matches: one with `Vary` before one without, which some origins omit for what they send by default; then the
/// most recent by `Date` (§4).
pub fn choose<'a, T: Copy>(
    candidates: impl Iterator<Item = T>,
    stored: impl Fn(T) -> &'a Stored,
    forwarded: impl Fn() -> HeaderMap,
) -> Option<T> {
    let made = OnceCell::new();
    let mut chosen: Option<T> = None;
    for candidate in candidates {
        let selecting = &stored(candidate).selecting;
        if selecting.varies() && !selecting.matches_fields(made.get_or_init(&forwarded)) {
            continue;
        }
        if chosen.is_none_or(|other| rank(stored(candidate)) > rank(stored(other))) {
            chosen = Some(candidate);
        }
    }
    chosen
}

/// By what the one of two matching responses is preferred.
fn rank(stored: &Stored) -> (bool, Date, Moment) {
    let date = date_of(&stored.headers, stored.received.date);
    (stored.selecting.varies(), date, stored.received.asked)
}

/// §4.1: lines combined, and whitespace that the syntax allows removed — inside a value only where it is known to be a list.
fn normalised(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(|value| value.as_bytes().trim_ascii()).collect();
    if lines.is_empty() {
        return None;
    }
    let combined = lines.join(&b","[..]);
    let is_list =
        [header::ACCEPT, header::ACCEPT_CHARSET, header::ACCEPT_ENCODING, header::ACCEPT_LANGUAGE].contains(name);
    if !is_list {
        return Some(lines.join(&b", "[..]));
    }
    let members: Vec<&[u8]> =
        combined.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|m| !m.is_empty()).collect();
    Some(members.join(&b","[..]))
}

/// RFC 9110 §12.5.5: says that this request field has a say in what is sent.
pub fn vary_on(headers: &mut HeaderMap, name: &HeaderName) {
    let members = headers.get_all(header::VARY).into_iter().flat_map(|line| line.as_bytes().split(|b| *b == b','));
    let said = |member: &[u8]| member == b"*" || member.eq_ignore_ascii_case(name.as_str().as_bytes());
    if members.map(<[u8]>::trim_ascii).any(said) {
        return;
    }
    headers.append(header::VARY, HeaderValue::from(name.clone()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, AT_ONCE, UNKNOWN, fields, response};

    #[track_caller]
    fn check(vary: &[&str], stored: &[&str], later: &[&str], expect: bool) {
        let selecting = Selecting::of(&fields(vary), &fields(stored));
        assert_eq!(selecting.matches(|| fields(later)), expect, "{vary:?} {stored:?} {later:?}");
    }

    #[test]
    fn fields_that_vary_names_must_be_the_same() {
        check(&["vary: accept"], &["accept: a"], &["accept: a", "x: y"], true);
        check(&["vary: accept"], &["accept: a"], &["accept: b"], false);
        check(&["vary: Accept , X", "vary: y"], &["accept: a", "y: 1"], &["accept: a", "y: 2"], false);
        check(&["vary: accept"], &["accept: a"], &[], false);
        check(&["vary: accept"], &[], &["accept: a"], false);
        check(&["vary: accept"], &[], &["x: a"], true);
        check(&["vary: x"], &["x:"], &[], false);
    }

    #[test]
    fn whitespace_and_lines_of_lists_do_not_matter() {
        check(
            &["vary: accept-language"],
            &["accept-language: de, en"],
            &["accept-language: de", "accept-language: en"],
            true,
        );
        check(&["vary: accept-language"], &["accept-language: de,en"], &["accept-language: de , en,"], true);
        check(&["vary: accept-language"], &["accept-language: de,en"], &["accept-language: en,de"], false);
        check(&["vary: x"], &["x: a, b"], &["x: a", "x: b"], true);
        check(&["vary: x"], &["x: a,b"], &["x: a, b"], false);
    }

    #[test]
    fn a_star_or_an_unreadable_member_matches_nothing() {
        check(&["vary: *"], &[], &[], false);
        check(&["vary: x, a b"], &[], &[], false);
        check(&["vary:"], &[], &["x: y"], true);
    }

    #[test]
    fn a_list_without_end_matches_nothing() {
        let line =
            |count: usize| format!("vary: x,{}", (1..count).map(|n| format!("x{n}")).collect::<Vec<_>>().join(","));
        check(&[&line(64), "vary: x1"], &[], &[], true);
        check(&[&line(65)], &[], &[], false);
    }

    #[test]
    fn a_response_that_does_not_vary_needs_no_look_at_the_request() {
        let selecting = Selecting::of(&HeaderMap::new(), &HeaderMap::new());
        assert!(selecting.matches(|| unreachable!("nothing to compare")));
    }

    #[track_caller]
    fn check_choice(stored: &[(&[&str], &str)], later: &[&str], expect: Option<usize>) {
        let stored: Vec<Stored> = stored
            .iter()
            .map(|(lines, sent)| Stored::new(&response(200, lines), &fields(&[sent]), AT_ONCE, UNKNOWN))
            .collect();
        let chosen = choose(0..stored.len(), |place| &stored[place], || fields(later));
        assert_eq!(chosen, expect);
    }

    const EARLY: &str = "date: Sun, 22 Nov 2026 15:00:00 GMT";
    const LATE: &str = "date: Sun, 22 Nov 2026 15:00:01 GMT";

    #[test]
    fn of_several_that_match_the_most_recent_by_its_date_is_chosen() {
        let (by_x, by_y) = ("vary: x", "vary: y");
        check_choice(&[(&[by_x, EARLY], "x: 1"), (&[by_y, LATE], "y: 1")], &["x: 1", "y: 1"], Some(1));
        check_choice(&[(&[by_x, LATE], "x: 1"), (&[by_y, EARLY], "y: 1")], &["x: 1", "y: 1"], Some(0));
        check_choice(&[(&[by_x, LATE], "x: 1"), (&[by_y, LATE], "y: 1")], &["x: 1", "y: 1"], Some(0));
        check_choice(&[(&[by_x, LATE], "x: 2"), (&[by_y, EARLY], "y: 1")], &["x: 1", "y: 1"], Some(1));
        check_choice(&[(&[by_x, LATE], "x: 2")], &["x: 1"], None);
        check_choice(&[], &[], None);
    }

    #[test]
    fn one_that_varies_is_chosen_before_one_whose_origin_forgot_to_say_so() {
        check_choice(&[(&[LATE], "x: 2"), (&["vary: x", EARLY], "x: 1")], &["x: 1"], Some(1));
        check_choice(&[(&[LATE], "x: 2"), (&["vary: x", EARLY], "x: 1")], &["x: 2"], Some(0));
    }

    #[test]
    fn what_was_compared_is_counted() {
        let long = testing::stored(&[]).selecting.size();
        assert_eq!(long, 0);
        let cookie = format!("cookie: {}", "c".repeat(9_000));
        assert!(Selecting::of(&fields(&["vary: cookie"]), &fields(&[&cookie])).size() > 9_000);
    }

    #[test]
    fn a_field_is_named_in_vary_once() {
        let check = |lines: &[&str], expect: &[&str]| {
            let mut headers = fields(lines);
            vary_on(&mut headers, &header::ORIGIN);
            assert_eq!(headers, fields(expect));
        };
        check(&[], &["vary: origin"]);
        check(&["vary: Accept"], &["vary: Accept", "vary: origin"]);
        check(&["vary: accept , Origin"], &["vary: accept , Origin"]);
        check(&["vary: *"], &["vary: *"]);
    }
}
