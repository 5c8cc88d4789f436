//! The `Cookie` fields of a request and a rule into the one field that is keyed, or that is forwarded.

use edge_contract::Choice;
use http::{HeaderMap, HeaderValue, header};

use crate::choice::{Going, keeps};

/// What of the cookies tells responses apart; order and repetition count. It is forwarded in this form.
pub fn keyed(headers: &HeaderMap, rule: &Choice) -> Option<HeaderValue> {
    match rule {
        Choice::All => whole(headers),
        Choice::None => None,
        Choice::Include(_) | Choice::Exclude(_) => select(headers, |name| keeps(rule, name)),
    }
}

/// What of them an origin is sent, that which is keyed included.
pub fn forwarded(headers: &HeaderMap, going: &Going<'_>) -> Option<HeaderValue> {
    if going.takes_all() { whole(headers) } else { select(headers, |name| going.takes(name)) }
}

/// One field of all lines: RFC 6265 §5.4 allows no second one, and HTTP/2 writes one in crumbs (RFC 9113 §8.2.3).
pub fn whole(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut lines = headers.get_all(header::COOKIE).iter();
    let first = lines.next()?;
    let rest: Vec<&[u8]> = lines.map(HeaderValue::as_bytes).collect();
    if rest.is_empty() {
        return Some(first.clone());
    }
    let lines: Vec<&[u8]> = std::iter::once(first.as_bytes()).chain(rest).collect();
    HeaderValue::from_bytes(&lines.join(&b"; "[..])).ok()
}

/// The grammar of RFC 6265 §5.4, read as loosely as origins do: pairs lie between semicolons, blanks around them mean nothing, a name
/// ends at the first `=`, and a pair without one is all name.
fn select(headers: &HeaderMap, keep: impl Fn(&[u8]) -> bool) -> Option<HeaderValue> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for line in headers.get_all(header::COOKIE) {
        let pairs = line.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        kept.extend(pairs.filter(|pair| !pair.is_empty() && keep(name(pair))));
    }
    if kept.is_empty() { None } else { HeaderValue::from_bytes(&kept.join(&b"; "[..])).ok() }
}

fn name(pair: &[u8]) -> &[u8] {
    pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use edge_contract::Forwarded;

    use super::*;
    use crate::{choice::Carry, testing::fields};

    #[track_caller]
    fn check(lines: &[&str], rule: &Choice, expect: Option<&str>) {
        let found = keyed(&fields(lines), rule);
        assert_eq!(found.as_ref().map(HeaderValue::as_bytes), expect.map(str::as_bytes), "{lines:?} {rule:?}");
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn all_keeps_them_as_they_came_in_one_field() {
        check(&["cookie: b=2;a=1;; a=1 "], &Choice::All, Some("b=2;a=1;; a=1"));
        check(&["cookie: b=2", "cookie: a=1; c"], &Choice::All, Some("b=2; a=1; c"));
        check(&["cookie:"], &Choice::All, Some(""));
        check(&["x: y"], &Choice::All, None);
    }

    #[test]
    fn none_drops_them_all() {
        check(&["cookie: a=1"], &Choice::None, None);
    }

    #[test]
    fn include_keeps_the_named_in_their_order() {
        let rule = Choice::Include(names(&["a", "sid"]));
        check(&["cookie: sid=2; b=1; a=3; sid=1"], &rule, Some("sid=2; a=3; sid=1"));
        check(&["cookie:  a =1;b=1", "cookie: ;sid"], &rule, Some("a =1; sid"));
        check(&["cookie: a==x=y; A=1; aa=1; ba=1"], &rule, Some("a==x=y"));
        check(&["cookie: a=\"x; b=1; c=\""], &rule, Some("a=\"x"));
        check(&["cookie: b=1"], &rule, None);
    }

    #[test]
    fn exclude_drops_the_named() {
        let rule = Choice::Exclude(names(&["_ga"]));
        check(&["cookie: _ga=1; a=1;; =x; _ga"], &rule, Some("a=1; =x"));
        check(&["cookie: _ga=1"], &rule, None);
    }

    #[test]
    fn what_is_keyed_is_forwarded_with_what_the_owner_forwards_beside_it() {
        let headers = fields(&["cookie: c=3; b=2; a=1"]);
        let check = |forward: Forwarded, carry: Carry, expect: &str| {
            let key = Choice::Include(names(&["a"]));
            let found = forwarded(&headers, &Going { key: &key, forward: &forward, carry });
            assert_eq!(found.as_ref().map(HeaderValue::as_bytes), Some(expect.as_bytes()), "{forward:?} {carry:?}");
        };
        check(Forwarded::Auto, Carry::KeyedOnly, "a=1");
        check(Forwarded::Auto, Carry::Everything, "c=3; b=2; a=1");
        check(Forwarded::None, Carry::Everything, "a=1");
        check(Forwarded::All, Carry::KeyedOnly, "c=3; b=2; a=1");
        check(Forwarded::Include(names(&["b"])), Carry::KeyedOnly, "b=2; a=1");
        check(Forwarded::Exclude(names(&["a", "b"])), Carry::KeyedOnly, "c=3; a=1");
    }
}
