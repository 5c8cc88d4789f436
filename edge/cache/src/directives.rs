//! `Cache-Control` and `CDN-Cache-Control` fields into the directives they give.

use std::time::Duration;

use http::{HeaderMap, HeaderName, header::CACHE_CONTROL};
use sfv::{BareItem, ListEntry, Parser};

/// RFC 9213 §3.1.
pub const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// RFC 9111 §1.2.2: the number that stands for anything larger.
pub const LONGEST: Duration = Duration::from_secs(1 << 31);

/// A directive that may name fields (RFC 9111 §5.2.2.4, §5.2.2.7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// It is not there.
    #[default]
    Absent,
    /// It concerns these fields of the response.
    Fields(Vec<HeaderName>),
    /// It concerns the whole response.
    Whole,
}

/// What response directives say. What is not listed here is ignored (§5.2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// `max-age`; an invalid value or unequal repeats are zero (§4.2.1: stale).
    pub max_age: Option<Duration>,
    /// `s-maxage`, likewise.
    pub s_maxage: Option<Duration>,
    /// `stale-while-revalidate` (RFC 5861 §3).
    pub stale_while_revalidate: Option<Duration>,
    /// `stale-if-error` (RFC 5861 §4).
    pub stale_if_error: Option<Duration>,
    /// `no-cache`.
    pub no_cache: Scope,
    /// `private`.
    pub private: Scope,
    /// Those without an argument.
    pub flags: Flags,
}

/// Directives that are there or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the RFC's own list of independent flags")]
pub struct Flags {
    /// §5.2.2.5
    pub no_store: bool,
    /// §5.2.2.2
    pub must_revalidate: bool,
    /// §5.2.2.8
    pub proxy_revalidate: bool,
    /// §5.2.2.3
    pub must_understand: bool,
    /// §5.2.2.9
    pub public: bool,
    /// RFC 8246 §2
    pub immutable: bool,
}

/// The directives a shared CDN cache goes by, and whether they came from the targeted field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consulted {
    /// The directives.
    pub directives: Directives,
    /// `Cache-Control` and `Expires` are then not looked at (RFC 9213 §2.2).
    pub targeted: bool,
}

/// RFC 9213 §2.2: the targeted field when it is present, parsable and not empty, else `Cache-Control`.
pub fn consulted(headers: &HeaderMap) -> Consulted {
    if let Some(directives) = targeted(headers) {
        return Consulted { directives, targeted: true };
    }
    let mut directives = Directives::default();
    for value in headers.get_all(CACHE_CONTROL) {
        each(value.as_bytes(), |name, argument| directives.give(name, argument));
    }
    Consulted { directives, targeted: false }
}

/// RFC 9213 §2.1: a Dictionary; a member of the wrong type is ignored, parameters too.
fn targeted(headers: &HeaderMap) -> Option<Directives> {
    let lines: Vec<&[u8]> = headers.get_all(CDN_CACHE_CONTROL).iter().map(http::HeaderValue::as_bytes).collect();
    let dictionary: sfv::Dictionary = Parser::new(&lines.join(&b", "[..])).parse().ok()?;
    if dictionary.is_empty() {
        return None;
    }
    let mut directives = Directives::default();
    for (name, member) in &dictionary {
        let ListEntry::Item(item) = member else { continue };
        match &item.bare_item {
            BareItem::Boolean(true) if !is_time(name.as_str()) => directives.give(name.as_str(), Argument::Absent),
            BareItem::Integer(number) if is_time(name.as_str()) => {
                directives.give(name.as_str(), Argument::Text(&i64::from(*number).to_string()));
            }
            BareItem::String(text) if is_scope(name.as_str()) => {
                directives.give(name.as_str(), Argument::Text(text.as_str()));
            }
            _ => {}
        }
    }
    Some(directives)
}

fn is_time(name: &str) -> bool {
    matches!(name, "max-age" | "s-maxage" | "stale-while-revalidate" | "stale-if-error")
}

fn is_scope(name: &str) -> bool {
    matches!(name, "no-cache" | "private")
}

impl Directives {
    /// Takes one directive in. Its name is in lower case.
    fn give(&mut self, name: &str, argument: Argument<'_>) {
        match name {
            "max-age" => give_time(&mut self.max_age, argument),
            "s-maxage" => give_time(&mut self.s_maxage, argument),
            "stale-while-revalidate" => give_time(&mut self.stale_while_revalidate, argument),
            "stale-if-error" => give_time(&mut self.stale_if_error, argument),
            "no-cache" => give_scope(&mut self.no_cache, argument),
            "private" => give_scope(&mut self.private, argument),
            // What a flag must not have behind it does not make a prohibition weaker: who reads `no-store` is told enough.
            "no-store" => self.flags.no_store = true,
            "must-revalidate" => self.flags.must_revalidate = true,
            "proxy-revalidate" => self.flags.proxy_revalidate = true,
            // Nor does it make anything allowed. What has the form of an argument is one without a meaning (RFC 8246 §2).
            _ if argument == Argument::Broken => {}
            "must-understand" => self.flags.must_understand = true,
            "public" => self.flags.public = true,
            "immutable" => self.flags.immutable = true,
            _ => {}
        }
    }
}

/// §4.2.1: what conflicts or is no number makes the response stale.
fn give_time(slot: &mut Option<Duration>, argument: Argument<'_>) {
    let seconds = argument.text().and_then(delta_seconds).unwrap_or_default();
    *slot = Some(if slot.is_some_and(|known| known != seconds) { Duration::ZERO } else { seconds });
}

/// §1.2.2: digits only; what is too large is 2^31.
pub(crate) fn delta_seconds(text: &str) -> Option<Duration> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().map_or(LONGEST, Duration::from_secs).min(LONGEST))
}

/// A list that does not name fields is taken as the unqualified directive: the safe side.
fn give_scope(slot: &mut Scope, argument: Argument<'_>) {
    let names: Option<Vec<HeaderName>> = argument.text().and_then(|list| {
        let names = list.split(',').map(|name| name.trim_matches([' ', '\t'])).filter(|name| !name.is_empty());
        names.map(|name| HeaderName::from_bytes(name.as_bytes()).ok()).collect()
    });
    match (names.filter(|names| !names.is_empty()), &mut *slot) {
        (Some(more), Scope::Fields(known)) => known.extend(more),
        (Some(names), Scope::Absent) => *slot = Scope::Fields(names),
        (Some(_), Scope::Whole) => {}
        (None, _) => *slot = Scope::Whole,
    }
}

/// What stands behind the `=` of a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Argument<'a> {
    /// Nothing, and no `=` either.
    Absent,
    /// This, without its quotes (§5.2: both forms are equal).
    Text(&'a str),
    /// Something that is no argument.
    Broken,
}

impl<'a> Argument<'a> {
    pub(crate) fn text(self) -> Option<&'a str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// `#( token [ "=" ( token / quoted-string ) ] )`, RFC 9111 §5.2, each with its name in lower case. What fits no rule is skipped up
/// to the next comma, and the directive before it counts no more than its name says.
pub(crate) fn each(mut rest: &[u8], mut take: impl FnMut(&str, Argument<'_>)) {
    while !rest.is_empty() {
        let (name, after) = leading_token(rest);
        let value = after.strip_prefix(b"=");
        let (text, after) = value.map_or((None, after), argument);
        let (junk, next) = split_where(after, |b| b == b',');
        let argument = match &text {
            _ if !junk.trim_ascii().is_empty() => Argument::Broken,
            None if value.is_some() => Argument::Broken,
            None => Argument::Absent,
            Some(text) => Argument::Text(text),
        };
        if !name.is_empty() {
            take(&String::from_utf8_lossy(name).to_ascii_lowercase(), argument);
        }
        rest = next.get(1..).unwrap_or_default();
    }
}

/// The token that a member of a list begins with, or nothing, and what comes behind it.
pub(crate) fn leading_token(member: &[u8]) -> (&[u8], &[u8]) {
    split_where(member.trim_ascii_start(), |b| !is_token(b))
}

/// RFC 9110 §5.6.2.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// What stands behind a `=`, without its quotes, if anything that may stand there does, and what comes behind that.
fn argument(value: &[u8]) -> (Option<String>, &[u8]) {
    if let Some((text, after)) = value.strip_prefix(b"\"").and_then(unquote) {
        return (Some(text), after);
    }
    let (token, after) = split_where(value, |b| !is_token(b));
    (Some(String::from_utf8_lossy(token).into_owned()).filter(|token| !token.is_empty()), after)
}

fn split_where(bytes: &[u8], stop: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let at = bytes.iter().position(|b| stop(*b)).unwrap_or(bytes.len());
    bytes.split_at_checked(at).unwrap_or((bytes, &[]))
}

/// RFC 9110 §5.6.4, after the opening quote. Without a closing one it is no string, and hides nothing that follows.
fn unquote(quoted: &[u8]) -> Option<(String, &[u8])> {
    let mut text = Vec::new();
    let mut bytes = quoted.iter();
    loop {
        match bytes.next()? {
            b'"' => return Some((String::from_utf8_lossy(&text).into_owned(), bytes.as_slice())),
            b'\\' => text.push(*bytes.next()?),
            byte => text.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fields;

    #[track_caller]
    fn check(lines: &[&str], expect: impl FnOnce(&mut Directives)) {
        let mut directives = Directives::default();
        expect(&mut directives);
        assert_eq!(consulted(&fields(lines)).directives, directives, "{lines:?}");
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn directives_are_read_in_any_case_and_form() {
        check(&["cache-control: Max-Age=60, S-MAXAGE=\"30\""], |d| {
            (d.max_age, d.s_maxage) = (Some(seconds(60)), Some(seconds(30)));
        });
        check(&["cache-control: no-store", "cache-control: ,public ,, must-revalidate"], |d| {
            d.flags = Flags { no_store: true, public: true, must_revalidate: true, ..Flags::default() };
        });
        check(&["cache-control: x=\"no-store, \\\" max-age=1\", max-age=2"], |d| d.max_age = Some(seconds(2)));
        check(&["cache-control: no-store=1"], |d| d.flags.no_store = true);
        check(&["cache-control: no-storex, xno-store, 'public'"], |_| {});
        check(&["cache-control: Immutable=x, immutable"], |d| d.flags.immutable = true);
    }

    #[test]
    fn what_follows_a_prohibition_does_not_make_it_weaker_and_a_permission_none() {
        for junk in [" foo", ";x", "\tmax-age=60", " = 1", "= 1", "=\"a\"b", "\"", "@", "\u{e4}"] {
            let all = ["no-store", "must-revalidate", "proxy-revalidate", "no-cache", "private"];
            let field = format!("cache-control: {}", all.map(|name| format!("{name}{junk}")).join(", "));
            check(&[&field], |d| {
                d.flags = Flags { no_store: true, must_revalidate: true, proxy_revalidate: true, ..Flags::default() };
                (d.no_cache, d.private) = (Scope::Whole, Scope::Whole);
            });
            let all = ["public", "immutable", "must-understand"];
            check(&[&format!("cache-control: {}", all.map(|name| format!("{name}{junk}")).join(", "))], |_| {});
        }
        check(&["cache-control: no-cache=\"x-a\" x, private=x-b;y"], |d| {
            (d.no_cache, d.private) = (Scope::Whole, Scope::Whole);
        });
        check(&["cache-control: no-store=\""], |d| d.flags.no_store = true);
        check(&["cache-control: public max-age=60"], |_| {});
        // Without a name there is nothing to obey, and what junk would quote is not quoted.
        check(&["cache-control: ;no-store, (no-store), \"no-store\", =no-store, \u{e4}no-store"], |_| {});
        check(&["cache-control: x y=\"a, no-store, b\""], |d| d.flags.no_store = true);
    }

    #[test]
    fn digits_beyond_the_largest_number_are_the_largest_number() {
        check(&["cache-control: max-age=2147483649"], |d| d.max_age = Some(LONGEST));
        check(&["cache-control: max-age=99999999999999999999999999"], |d| d.max_age = Some(LONGEST));
        check(&["cache-control: max-age=0010"], |d| d.max_age = Some(seconds(10)));
    }

    #[test]
    fn an_invalid_time_makes_it_stale() {
        for invalid in [
            "max-age",
            "max-age=",
            "max-age=-1",
            "max-age=1.5",
            "max-age=1x",
            "max-age='1'",
            "max-age=\"1",
            "max-age =1",
            "max-age= 1",
            "max-age\t=1",
            "max-age=\"1\"x",
            "max-age=\"1\" 1",
        ] {
            check(&[&format!("cache-control: {invalid}, public")], |d| {
                d.max_age = Some(seconds(0));
                d.flags.public = true;
            });
        }
    }

    #[test]
    fn unequal_repeats_make_it_stale_and_equal_ones_do_not() {
        check(&["cache-control: max-age=60, max-age=\"60\""], |d| d.max_age = Some(seconds(60)));
        check(&["cache-control: max-age=60", "cache-control: max-age=61"], |d| d.max_age = Some(seconds(0)));
        check(&["cache-control: max-age=1, max-age=2, max-age=2"], |d| d.max_age = Some(seconds(0)));
    }

    #[test]
    fn a_qualified_prohibition_names_fields_and_a_broken_one_is_whole() {
        let names = |list: &[&'static str]| Scope::Fields(list.iter().map(|n| HeaderName::from_static(n)).collect());
        check(&["cache-control: private=\"Set-Cookie, x-a\", no-cache=x-b"], |d| {
            (d.private, d.no_cache) = (names(&["set-cookie", "x-a"]), names(&["x-b"]));
        });
        check(&["cache-control: no-cache=\"a\", no-cache=b"], |d| d.no_cache = names(&["a", "b"]));
        check(&["cache-control: no-cache=\"a\", no-cache"], |d| d.no_cache = Scope::Whole);
        check(&["cache-control: no-cache, no-cache=\"a\""], |d| d.no_cache = Scope::Whole);
        check(&["cache-control: private=\"\""], |d| d.private = Scope::Whole);
        check(&["cache-control: private=\"a b\""], |d| d.private = Scope::Whole);
    }

    #[test]
    fn the_targeted_field_takes_the_place_of_cache_control() {
        let both = |targeted: &str| {
            consulted(&fields(&["cache-control: no-store", &format!("cdn-cache-control: {targeted}")]))
        };
        assert_eq!(both("max-age=60").directives, Directives { max_age: Some(seconds(60)), ..Directives::default() });
        assert!(both("max-age=60").targeted);
        assert!(!both("max-age=60").directives.flags.no_store);
        for unusable in ["", "Max-Age=60", "max-age=60,", "no-store x", "max-age=60;;"] {
            assert!(!both(unusable).targeted, "{unusable}");
            assert!(both(unusable).directives.flags.no_store, "{unusable}");
        }
    }

    #[test]
    fn a_targeted_member_of_the_wrong_type_is_ignored() {
        check(
            &[
                "cdn-cache-control: max-age=\"60\", s-maxage=1.5, stale-if-error, public=?0, no-store=1, must-revalidate;x=1",
            ],
            |d| {
                d.flags.must_revalidate = true;
            },
        );
        check(&["cdn-cache-control: max-age=60;x, max-age=30, no-cache=\"a\", private"], |d| {
            d.max_age = Some(seconds(30));
            d.no_cache = Scope::Fields(vec![HeaderName::from_static("a")]);
            d.private = Scope::Whole;
        });
        check(&["cdn-cache-control: max-age=-1"], |d| d.max_age = Some(seconds(0)));
        check(&["cdn-cache-control: max-age=9999999999"], |d| d.max_age = Some(LONGEST));
        check(&["cdn-cache-control: max-age=1", "cdn-cache-control: public"], |d| {
            d.max_age = Some(seconds(1));
            d.flags.public = true;
        });
    }
}
