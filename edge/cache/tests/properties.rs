//! What holds of `Vary` and of directives whatever is written in them: laws that tables can only give examples of.

use std::time::Duration;

use edge_cache::{
    directives::{self, Directives, LONGEST, Scope},
    vary::Selecting,
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use proptest::{collection::vec, prelude::*};

/// Requests that differ in what may be nominated, in lines, whitespace and presence.
fn request() -> impl Strategy<Value = HeaderMap> {
    let names = prop::sample::select(vec!["accept-encoding", "x-a", "cookie"]);
    let text = prop_oneof!["[ab]{0,2}", "[ab]{1,2}( ?, ?[ab]{0,2}){0,2}", "[ -~]{0,4}"];
    vec((names, text), 0..4).prop_map(|lines| {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::try_from(value).expect("is a value"));
        }
        headers
    })
}

fn response(vary: &str) -> HeaderMap {
    HeaderMap::from_iter([(header::VARY, HeaderValue::try_from(vary).expect("is a value"))])
}

/// A list, its lines put together or taken apart: the same by RFC 9110 §5.3.
fn in_other_lines(request: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in request.keys() {
        let lines: Vec<&[u8]> = request.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        let members: Vec<_> = lines.into_iter().flat_map(|line| line.split(|byte| *byte == b',')).collect();
        for member in members {
            let line = [b" ", member, b"\t,"].concat();
            headers.append(name.clone(), HeaderValue::from_bytes(&line).expect("is a value"));
        }
    }
    headers
}

fn consulted(line: &str) -> Directives {
    let line = HeaderValue::try_from(line).expect("is a value");
    directives::consulted(&HeaderMap::from_iter([(header::CACHE_CONTROL, line)])).directives
}

fn seconds() -> impl Strategy<Value = Option<u64>> {
    prop::option::of(prop_oneof![0_u64..100, (1_u64 << 31) - 2..(1 << 31) + 2, Just(u64::MAX)])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn two_requests_match_whichever_of_them_came_first(one in request(), other in request()) {
        let response = response("accept-encoding, x-a");
        let (of_one, of_other) = (Selecting::of(&response, &one), Selecting::of(&response, &other));
        prop_assert!(of_one.matches(|| one.clone()));
        prop_assert_eq!(of_one.matches(|| other.clone()), of_other.matches(|| one.clone()));
        prop_assert_eq!(of_one.matches(|| other.clone()), of_one == of_other);
    }

    #[test]
    fn how_a_list_is_laid_out_in_lines_does_not_matter(one in request()) {
        let selecting = Selecting::of(&response("accept-encoding"), &one);
        prop_assert!(selecting.matches(|| in_other_lines(&one)));
    }

    #[test]
    fn a_star_never_matches_whatever_else_is_nominated(before in "([a-z]{1,3}, ?){0,3}", after in "(, ?[a-z]{1,3}){0,3}", one in request()) {
        let selecting = Selecting::of(&response(&format!("{before}*{after}")), &one);
        prop_assert!(!selecting.matches(|| one.clone()));
    }

    #[test]
    fn what_is_written_by_the_grammar_is_read_as_it_was_meant(
        times in (seconds(), seconds(), seconds(), seconds()),
        fields in vec("[a-z]{1,5}", 0..4),
        no_store in any::<bool>(),
        public in any::<bool>(),
        quoted in any::<bool>(),
    ) {
        let names = ["max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"];
        let all = [times.0, times.1, times.2, times.3];
        let mut members = vec!["x=\"a, no-store\"".to_owned()];
        for (name, time) in names.iter().zip(all) {
            members.extend(time.map(|time| if quoted { format!("{name}=\"{time}\"") } else { format!("{name}={time}") }));
        }
        if !fields.is_empty() {
            members.push(format!("private=\"{}\"", fields.join(" , ")));
        }
        members.extend(no_store.then(|| "no-store".to_owned()));
        members.extend(public.then(|| "PUBLIC".to_owned()));
        let read = consulted(&members.join(", "));
        let meant = all.map(|time| time.map(|time| Duration::from_secs(time).min(LONGEST)));
        prop_assert_eq!([read.max_age, read.s_maxage, read.stale_while_revalidate, read.stale_if_error], meant);
        let named: Vec<HeaderName> = fields.iter().map(|name| HeaderName::try_from(name).expect("is a name")).collect();
        prop_assert_eq!(read.private, if named.is_empty() { Scope::Absent } else { Scope::Fields(named) });
        prop_assert_eq!((read.flags.no_store, read.flags.public), (no_store, public));
    }
}
