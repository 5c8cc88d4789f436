//! A 304, or a 200 to HEAD, and what is stored into the stored responses it speaks of, with their new fields.

use http::{HeaderMap, HeaderName, StatusCode, header, response};

use edge_contract::SetCookie;

use crate::{
    Policy, Stored, date::Date, hops, storing::Exchange, terms::date_of, validation::EntityTag, vary::Selecting,
};

/// RFC 9111 §4.3.4: the places of those that a 304 freshens, among all that were offered for validation. None: it speaks of
/// another response, and the origin is to be asked again without a condition.
pub fn identify(offered: &[&Stored], not_modified: &HeaderMap) -> Vec<usize> {
    let places = |same: &dyn Fn(&HeaderMap) -> bool| -> Vec<usize> {
        (0..).zip(offered).filter(|(_, stored)| same(&stored.headers)).map(|(place, _)| place).collect()
    };
    let newest = |places: Vec<usize>| -> Vec<usize> {
        let date = |place: &usize| offered.get(*place).map(|stored| recency(stored));
        places.into_iter().rev().max_by_key(date).into_iter().collect()
    };
    if let Some(tag) = not_modified.get(header::ETAG) {
        let Some(new) = EntityTag::parse(tag.as_bytes()) else {
            return newest(places(&|stored| stored.get(header::ETAG) == Some(tag)));
        };
        let old = |stored: &HeaderMap| stored.get(header::ETAG).map(|value| value.as_bytes().to_vec());
        let is = |same: &dyn Fn(EntityTag<'_>) -> bool, stored: &HeaderMap| {
            old(stored).is_some_and(|text| EntityTag::parse(&text).is_some_and(same))
        };
        // A strong validator identifies all that have it, a weak one the most recent that it matches.
        return if new.weak {
            newest(places(&|stored| is(&|old| old.matches_weakly(new), stored)))
        } else {
            places(&|stored| is(&|old| old == new, stored))
        };
    }
    if let Some(modified) = not_modified.get(header::LAST_MODIFIED) {
        return newest(places(&|stored| stored.get(header::LAST_MODIFIED) == Some(modified)));
    }
    // Without a validator of its own it answers the one condition that was sent, if there was only one.
    if offered.len() == 1 { vec![0] } else { Vec::new() }
}

fn recency(stored: &Stored) -> Date {
    date_of(&stored.headers, stored.received.date)
}

/// RFC 9111 §3.2: a stored response with the fields of a newer one in place of its own. `exchange` is the validation: the request as
/// the origin got it, and where the purge log stood when *it* began (invalidation rule 3).
///
/// Whether the stored response may be revived is the ledger's to say ([`crate::Ledger::revives`]), whether it may stay
/// [`crate::storing::may_stay`]'s.
pub fn update(stored: &Stored, newer: &response::Parts, exchange: &Exchange<'_>, policy: &Policy) -> Stored {
    let mut fields = stored.headers.clone();
    // A response without a date of its own is dated by its receipt, not by what it freshens.
    fields.remove(header::DATE);
    let news = hops::end_to_end(&newer.headers);
    let news: Vec<(&HeaderName, _)> = news.iter().filter(|(name, _)| is_updated(name, policy)).collect();
    for (name, _) in &news {
        fields.remove(*name);
    }
    for (name, value) in news {
        fields.append(name.clone(), value.clone());
    }
    let selecting = Selecting::of(&fields, exchange.forwarded);
    let mut updated = Stored::of(stored.status, &fields, selecting, exchange.received, exchange.label);
    updated.authorized = stored.authorized || exchange.authorized;
    updated.sets_cookie |= stored.sets_cookie;
    updated
}

/// §3.2: `Content-Length` stays, and so does what a 304 cannot know of the bytes that are stored: which part of a whole they are. A
/// cookie is only updated where cookies are stored.
fn is_updated(name: &HeaderName, policy: &Policy) -> bool {
    let stays = [header::CONTENT_LENGTH, header::CONTENT_RANGE].contains(name);
    !stays && (*name != header::SET_COOKIE || policy.set_cookie == SetCookie::Store)
}

/// RFC 9111 §4.3.5: whether a 200 to HEAD updates a stored response to GET that the same request selects. If not, the stored one is
/// of no use any more.
pub fn confirms(stored: &Stored, head: &response::Parts) -> bool {
    let validators = [header::ETAG, header::LAST_MODIFIED, header::CONTENT_LENGTH];
    let same = |name: &HeaderName| head.headers.get(name).is_none_or(|value| stored.headers.get(name) == Some(value));
    stored.status == StatusCode::OK && validators.iter().all(same)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Method;

    use super::*;
    use crate::{
        Label, Moment, Received,
        freshness::Age,
        testing::{self, NOW, UNKNOWN, after, fields, policy, response},
    };

    const MODIFIED: &str = "last-modified: Sun, 22 Nov 2026 10:00:00 GMT";
    const LATER: Received = Received { asked: AFTER, answered: AFTER, date: Date(NOW.0 + 100) };
    const AFTER: Moment = Moment(Duration::from_secs(1_100));

    #[track_caller]
    fn check_identity(offered: &[&[&str]], new: &[&str], expect: &[usize]) {
        let offered: Vec<Stored> = offered.iter().map(|lines| testing::stored(lines)).collect();
        let places = identify(&offered.iter().collect::<Vec<_>>(), &fields(new));
        assert_eq!(places, expect, "{new:?}");
    }

    #[test]
    fn a_304_freshens_only_the_response_it_speaks_of() {
        let check = |old: &[&str], new: &[&str], expect: bool| {
            check_identity(&[old], new, if expect { &[0] } else { &[] });
        };
        check(&["etag: \"a\""], &["etag: \"a\""], true);
        check(&["etag: \"a\""], &["etag: \"b\""], false);
        check(&["etag: \"a\""], &["etag: W/\"a\""], true);
        check(&["etag: W/\"a\""], &["etag: \"a\""], false);
        check(&["etag: \"a\"", MODIFIED], &[MODIFIED], true);
        check(&["etag: \"a\"", MODIFIED], &["last-modified: Sun, 22 Nov 2026 11:00:00 GMT"], false);
        check(&["etag: \"a\""], &[MODIFIED], false);
        check(&[MODIFIED], &["etag: \"a\""], false);
        check(&["etag: \"a\""], &["etag: a"], false);
        check(&["etag: a", MODIFIED], &["etag: a"], true);
        check(&["etag: \"a\""], &[], true);
    }

    #[test]
    fn a_strong_tag_freshens_all_that_have_it() {
        let offered: [&[&str]; 4] = [&["etag: \"a\""], &["etag: \"b\""], &["etag: \"a\""], &["etag: W/\"a\""]];
        check_identity(&offered, &["etag: \"a\""], &[0, 2]);
        check_identity(&offered, &["etag: \"c\""], &[]);
    }

    #[test]
    fn a_weak_validator_freshens_the_most_recent_that_it_matches() {
        let (early, late) = ("date: Sun, 22 Nov 2026 15:00:00 GMT", "date: Sun, 22 Nov 2026 15:00:01 GMT");
        let offered: [&[&str]; 4] =
            [&["etag: \"a\"", early], &["etag: W/\"a\"", late], &["etag: W/\"b\""], &["etag: \"a\"", late]];
        check_identity(&offered, &["etag: W/\"a\""], &[1]);
        check_identity(&[&[MODIFIED, early], &[MODIFIED, late]], &[MODIFIED], &[1]);
    }

    #[test]
    fn a_304_without_a_validator_freshens_nothing_where_it_could_mean_more_than_one() {
        check_identity(&[&["etag: \"a\""], &["etag: \"b\""]], &[], &[]);
        check_identity(&[&[]], &[], &[0]);
    }

    fn updated(old: &[&str], new: &[&str], forwarded: &[&str], policy: &Policy) -> Stored {
        let label = Label { local: 9, ..UNKNOWN };
        let forwarded = fields(forwarded);
        let exchange =
            Exchange { method: &Method::GET, forwarded: &forwarded, authorized: false, received: LATER, label };
        update(&testing::stored(old), &response(304, new), &exchange, policy)
    }

    #[test]
    fn the_fields_of_a_304_replace_those_that_are_stored() {
        let old = [
            "etag: \"a\"",
            "content-length: 5",
            "content-encoding: br",
            "content-type: a/b",
            "x-a: 1",
            "x-a: 2",
            "x-b: 1",
            "age: 50",
            "date: Sun, 22 Nov 2026 15:00:00 GMT",
            "cache-control: max-age=60",
        ];
        let new = [
            "x-a: 3",
            "x-a: 4",
            "x-c: 4",
            "content-length: 0",
            "content-range: bytes 0-1/2",
            "content-encoding: gzip",
            "content-type: c/d",
            "set-cookie: a=b",
            "connection: x-hop",
            "x-hop: 1",
            "proxy-authenticate: x",
            "age: 7",
            "cache-control: max-age=90, no-cache=\"x-d\"",
            "x-d: 1",
        ];
        let stored = updated(&old, &new, &[], &policy(0, 1, 2));
        let expect = [
            "etag: \"a\"",
            "content-length: 5",
            "x-b: 1",
            "x-a: 3",
            "x-a: 4",
            "x-c: 4",
            "content-encoding: gzip",
            "content-type: c/d",
            "cache-control: max-age=90, no-cache=\"x-d\"",
            "date: Sun, 22 Nov 2026 16:01:40 GMT",
        ];
        assert_eq!(stored.headers, fields(&expect));
        assert_eq!(stored.status, StatusCode::OK);
        assert_eq!(stored.terms.explicit, Some(Duration::from_secs(90)));
        assert_eq!(stored.age, Age::on_arrival(&fields(&["age: 7"]), LATER));
    }

    #[test]
    fn a_cookie_of_a_304_is_stored_only_where_cookies_are() {
        for (set_cookie, expect) in [(SetCookie::Bypass, "a=1"), (SetCookie::Strip, "a=1"), (SetCookie::Store, "a=2")] {
            let owner = Policy { set_cookie, ..policy(0, 1, 2) };
            let stored = updated(&["set-cookie: a=1"], &["set-cookie: a=2"], &[], &owner);
            assert_eq!(stored.headers.get_all("set-cookie").iter().collect::<Vec<_>>(), [expect]);
        }
    }

    #[test]
    fn a_freshened_response_carries_the_label_and_the_selecting_fields_of_its_validation() {
        let stored = updated(&["vary: x"], &[], &["x: 1"], &policy(0, 1, 2));
        assert_eq!(stored.label.local, 9);
        assert!(stored.selecting.matches(|| fields(&["x: 1"])));
        assert!(!stored.selecting.matches(|| fields(&["x: 2"])));
    }

    #[test]
    fn a_freshened_response_begins_a_new_age() {
        let stored =
            updated(&["cache-control: max-age=60", "date: Sun, 22 Nov 2026 15:00:00 GMT"], &[], &[], &policy(0, 1, 2));
        assert_eq!(stored.age.current(after(130)), Duration::from_secs(30));
    }

    #[test]
    fn an_answer_to_authorization_stays_only_while_its_origin_allows_it() {
        let public = ["cache-control: public, max-age=60"];
        let mut stored = testing::stored(&public);
        stored.authorized = true;
        for (authorized, line, expect) in
            [(true, "x: y", true), (false, "x: y", true), (false, "cache-control: max-age=60", false)]
        {
            let none = HeaderMap::new();
            let exchange =
                Exchange { method: &Method::GET, forwarded: &none, authorized, received: LATER, label: UNKNOWN };
            let updated = update(&stored, &response(304, &[line]), &exchange, &policy(0, 1, 100));
            assert_eq!(crate::storing::may_stay(&updated, &policy(0, 1, 100)), expect, "{authorized} {line}");
        }
    }

    #[test]
    fn a_head_confirms_what_has_the_same_validators_and_length() {
        let old = ["etag: \"a\"", MODIFIED, "content-length: 5"];
        let check = |new: &[&str], expect: bool| {
            assert_eq!(confirms(&testing::stored(&old), &response(200, new)), expect, "{new:?}");
        };
        check(&["etag: \"a\"", MODIFIED, "content-length: 5"], true);
        check(&["etag: \"a\""], true);
        check(&[], true);
        check(&["etag: \"b\""], false);
        check(&["last-modified: Sun, 22 Nov 2026 11:00:00 GMT"], false);
        check(&["etag: \"a\"", "content-length: 6"], false);
        assert!(!confirms(&testing::stored(&[]), &response(200, &["etag: \"a\""])));
        let gone = Stored::new(&response(404, &[]), &HeaderMap::new(), LATER, UNKNOWN);
        assert!(!confirms(&gone, &response(200, &[])));
    }
}
