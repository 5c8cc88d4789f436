//! Lines of `Range` and `If-Range` into what is sent of ten bytes.

use http::HeaderMap;
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::testing::{self, AT_ONCE, UNKNOWN, fields, response};

const MODIFIED: &str = "last-modified: Sun, 22 Nov 2026 10:00:00 GMT";

#[track_caller]
fn check_of(viewer: &[&str], stored: &[&str], length: u64, expect: &Verdict) {
    let verdict = judge(&Method::GET, &fields(viewer), &testing::stored(stored), Some(length));
    assert_eq!(&verdict, expect, "{viewer:?} of {length}, {stored:?}");
}

/// Of ten bytes.
#[track_caller]
fn check_parts(range: &str, expect: &[(u64, u64)]) {
    let spans = expect.iter().map(|(first, last)| Span { first: *first, last: *last, complete: 10 }).collect();
    check_of(&[&format!("range: {range}")], &[], 10, &Verdict::Parts(spans));
}

#[track_caller]
fn check_whole(range: &str, why: Why) {
    check_of(&[&format!("range: {range}")], &[], 10, &Verdict::Whole(why));
}

#[test]
fn one_range_is_clipped_to_what_there_is() {
    check_parts("bytes=0-0", &[(0, 0)]);
    check_parts("bytes=2-5", &[(2, 5)]);
    check_parts("bytes=2-", &[(2, 9)]);
    check_parts("bytes=0-", &[(0, 9)]);
    check_parts("bytes=9-9", &[(9, 9)]);
    check_parts("bytes=2-10", &[(2, 9)]);
    check_parts("bytes=-3", &[(7, 9)]);
    check_parts("bytes=-10", &[(0, 9)]);
    check_parts("bytes=-11", &[(0, 9)]);
    check_parts("BYTES=2-5", &[(2, 5)]);
    check_parts("bytes=00002-0000000000000000000000005", &[(2, 5)]);
}

#[test]
fn numbers_beyond_every_integer_are_beyond_every_body() {
    let huge = "9".repeat(100);
    check_parts(&format!("bytes=2-{huge}"), &[(2, 9)]);
    check_parts(&format!("bytes=-{huge}"), &[(0, 9)]);
    check_parts("bytes=2-18446744073709551616", &[(2, 9)]);
    let beyond = format!("range: bytes={huge}-{huge}");
    check_of(&[&beyond], &[], 10, &Verdict::Unsatisfiable { complete: 10 });
    check_of(
        &["range: bytes=-1"],
        &[],
        u64::MAX,
        &Verdict::Parts(vec![Span { first: u64::MAX - 1, last: u64::MAX - 1, complete: u64::MAX }]),
    );
}

#[test]
fn several_ranges_come_as_they_were_asked_for() {
    check_parts("bytes=0-1,4-5,-2", &[(0, 1), (4, 5), (8, 9)]);
    check_parts("bytes=0-1,2-3", &[(0, 1), (2, 3)]);
    check_parts("bytes=0-1 ,\t4-5", &[(0, 1), (4, 5)]);
    check_parts("bytes=,0-1, ,,4-5,", &[(0, 1), (4, 5)]);
    check_parts("bytes= ,0-1", &[(0, 1)]);
    check_parts("bytes=0-1,20-30", &[(0, 1)]);
    check_parts("bytes=20-30,0-1,-0", &[(0, 1)]);
}

#[test]
fn ranges_that_overlap_or_do_not_ascend_are_answered_with_everything() {
    check_whole("bytes=0-4,4-5", Why::Disorderly);
    check_whole("bytes=0-,0-", Why::Disorderly);
    check_whole("bytes=4-5,0-1", Why::Disorderly);
    check_whole("bytes=-2,0-1", Why::Disorderly);
    check_whole("bytes=0-7,-3", Why::Disorderly);
}

#[test]
fn more_than_sixteen_ranges_are_answered_with_everything() {
    let ranges = |count: usize| {
        let specs: Vec<String> = (0..count).map(|n| format!("{0}-{0}", 2 * n)).collect();
        format!("range: bytes={}", specs.join(","))
    };
    let sixteen = (0..16).map(|n| Span { first: 2 * n, last: 2 * n, complete: 100 }).collect();
    check_of(&[&ranges(16)], &[], 100, &Verdict::Parts(sixteen));
    check_of(&[&ranges(17)], &[], 100, &Verdict::Whole(Why::TooMany));
    // Also those of which nothing exists.
    check_of(&[&ranges(17)], &[], 1, &Verdict::Whole(Why::TooMany));
}

#[test]
fn what_is_no_range_is_ignored() {
    for invalid in [
        "bytes",
        "bytes=",
        "bytes= ",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=5-2",
        "bytes=0-1,5-2",
        "bytes=0-1,x",
        "bytes=1-2-3",
        "bytes=--1",
        "bytes=+1-2",
        "bytes=1 - 2",
        "bytes=1- 2",
        "bytes= 1-2",
        "bytes=0x1-2",
        "bytes=0-1;2-3",
        "bytes=0-1, bytes=4-5",
    ] {
        check_whole(invalid, Why::Invalid);
    }
    check_of(&["range: bytes=0-1", "range: bytes=0-1"], &[], 10, &Verdict::Whole(Why::Invalid));
    check_whole("lines=0-1", Why::Unit);
    check_whole("bytes =0-1", Why::Unit);
    check_whole("=0-1", Why::Unit);
    check_of(&[], &[], 10, &Verdict::Whole(Why::NotAsked));
}

#[test]
fn ranges_of_which_nothing_exists_are_refused() {
    for nothing in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=10-10,11-11,-0", "bytes=20-30,10-15"] {
        check_of(&[&format!("range: {nothing}")], &[], 10, &Verdict::Unsatisfiable { complete: 10 });
    }
}

#[test]
fn of_nothing_there_is_no_part() {
    for range in ["range: bytes=0-", "range: bytes=-1", "range: bytes=0-0"] {
        check_of(&[range], &[], 0, &Verdict::Whole(Why::Empty));
    }
}

#[test]
fn only_a_get_of_a_200_whose_length_is_known_has_ranges() {
    let (asked, stored) = (fields(&["range: bytes=0-1"]), testing::stored(&[]));
    assert_eq!(judge(&Method::HEAD, &asked, &stored, Some(10)), Verdict::Whole(Why::Method));
    assert_eq!(judge(&Method::GET, &asked, &stored, None), Verdict::Whole(Why::LengthUnknown));
    let missing = Stored::new(&response(404, &[]), &HeaderMap::new(), AT_ONCE, UNKNOWN);
    assert_eq!(judge(&Method::GET, &asked, &missing, Some(10)), Verdict::Whole(Why::Status));
}

#[test]
fn an_origin_that_speaks_of_ranges_is_believed() {
    let part = Verdict::Parts(vec![Span { first: 0, last: 1, complete: 10 }]);
    check_of(&["range: bytes=0-1"], &["accept-ranges: none"], 10, &Verdict::Whole(Why::NotOffered));
    check_of(&["range: bytes=0-1"], &["accept-ranges: lines"], 10, &Verdict::Whole(Why::NotOffered));
    check_of(&["range: bytes=0-1"], &["accept-ranges: lines, Bytes"], 10, &part);
    check_of(&["range: bytes=0-1"], &["accept-ranges: lines", "accept-ranges: bytes"], 10, &part);
}

#[track_caller]
fn check_advertised(status: u16, lines: &[&str], length: Option<u64>, expect: Option<&str>) {
    let stored = Stored::new(&response(status, lines), &HeaderMap::new(), AT_ONCE, UNKNOWN);
    let mut head = stored.headers.clone();
    advertise(&mut head, &stored, length);
    let said = head.get(header::ACCEPT_RANGES).map(HeaderValue::as_bytes);
    assert_eq!(said, expect.map(str::as_bytes), "{status} {lines:?} {length:?}");
}

#[test]
fn ranges_are_advertised_where_they_can_be_had_and_the_origin_says_nothing() {
    check_advertised(200, &[], Some(10), Some("bytes"));
    check_advertised(200, &["accept-ranges: none"], Some(10), Some("none"));
    check_advertised(200, &["accept-ranges: lines, bytes"], Some(10), Some("lines, bytes"));
    check_advertised(200, &[], None, None);
    check_advertised(200, &[], Some(0), None);
    check_advertised(404, &[], Some(10), None);
}

#[track_caller]
fn check_condition(if_range: &[&str], stored: &[&str], holds: bool) {
    let lines: Vec<&str> = ["range: bytes=0-1"].iter().chain(if_range).copied().collect();
    let part = Verdict::Parts(vec![Span { first: 0, last: 1, complete: 10 }]);
    check_of(&lines, stored, 10, &if holds { part } else { Verdict::Whole(Why::Changed) });
}

#[test]
fn if_range_compares_tags_strongly() {
    check_condition(&["if-range: \"a\""], &["etag: \"a\""], true);
    check_condition(&["if-range: \"b\""], &["etag: \"a\""], false);
    check_condition(&["if-range: W/\"a\""], &["etag: W/\"a\""], false);
    check_condition(&["if-range: W/\"a\""], &["etag: \"a\""], false);
    check_condition(&["if-range: \"a\""], &["etag: W/\"a\""], false);
    check_condition(&["if-range: \"a\""], &[], false);
    check_condition(&["if-range: \"a\""], &[MODIFIED], false);
    check_condition(&["if-range: \"a\""], &["etag: \"a\"", "etag: \"a\""], false);
    check_condition(&["if-range: \"a\", \"b\""], &["etag: \"a\""], false);
    check_condition(&["if-range: *"], &["etag: \"a\""], false);
    check_condition(&["if-range: a"], &["etag: a"], false);
    check_condition(&["if-range: \"a\"", "if-range: \"a\""], &["etag: \"a\""], false);
}

#[test]
fn if_range_compares_dates_exactly_and_only_those_that_are_strong() {
    let at = |time: &str| format!("if-range: Sun, 22 Nov 2026 {time} GMT");
    check_condition(&[&at("10:00:00")], &[MODIFIED], true);
    check_condition(&[&at("10:00:01")], &[MODIFIED], false);
    check_condition(&[&at("09:59:59")], &[MODIFIED], false);
    check_condition(&[&at("10:00:00")], &["etag: \"a\""], false);
    check_condition(&["if-range: yesterday"], &["last-modified: yesterday"], false);
    // It may have changed again within the second, or within the minute that two clocks may be apart.
    let dated = |date: &'static str| [MODIFIED, date];
    check_condition(&[&at("10:00:00")], &dated("date: Sun, 22 Nov 2026 10:00:00 GMT"), false);
    check_condition(&[&at("10:00:00")], &dated("date: Sun, 22 Nov 2026 10:00:59 GMT"), false);
    check_condition(&[&at("10:00:00")], &dated("date: Sun, 22 Nov 2026 10:01:00 GMT"), true);
    check_condition(&[&at("10:00:00")], &dated("date: Sun, 22 Nov 2026 09:00:00 GMT"), false);
}

#[test]
fn a_condition_that_holds_for_bytes_that_do_not_exist_is_answered_with_everything() {
    let asked = ["range: bytes=10-", "if-range: \"a\""];
    check_of(&asked, &["etag: \"a\""], 10, &Verdict::Whole(Why::NotApplicable));
}

#[test]
fn several_ranges_of_a_coded_body_are_answered_with_everything() {
    let coded = ["content-encoding: gzip"];
    check_of(&["range: bytes=0-1,4-5"], &coded, 10, &Verdict::Whole(Why::Coded));
    let part = Verdict::Parts(vec![Span { first: 0, last: 1, complete: 10 }]);
    check_of(&["range: bytes=0-1,20-"], &coded, 10, &part);
}

/// What could be a `Range`: pieces of one in any order, or any bytes.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "[0-9]{1,3}",
        Just("-".to_owned()),
        Just(",".to_owned()),
        Just(" ".to_owned()),
        Just("99999999999999999999".to_owned()),
        "[0-9]{1,2}-[0-9]{1,2},",
    ];
    let pieces = vec(piece, 0..8).prop_map(|pieces| format!("bytes={}", pieces.concat()).into_bytes());
    prop_oneof![4 => pieces, 1 => vec(any::<u8>(), 0..20)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn whatever_is_asked_for_what_is_sent_exists_ascends_and_comes_once(line in line(), length in 0_u64..200) {
        let Ok(value) = HeaderValue::from_bytes(&line) else { return Ok(()) };
        let viewer = HeaderMap::from_iter([(header::RANGE, value)]);
        if let Verdict::Parts(spans) = judge(&Method::GET, &viewer, &testing::stored(&[]), Some(length)) {
            prop_assert!(!spans.is_empty() && spans.len() <= MOST);
            let mut next = 0;
            for span in spans {
                prop_assert!(span.first >= next && span.first <= span.last && span.last < length);
                prop_assert_eq!((span.length(), span.complete), (span.last - span.first + 1, length));
                next = span.last + 1;
            }
        }
    }

    #[test]
    fn every_range_that_is_written_well_is_read_as_it_was_meant(
        specs in vec((0_u64..30, 0_u64..30, 0..3), 1..8),
        length in 1_u64..30,
    ) {
        let text = |(from, count, kind): &(u64, u64, i32)| match kind {
            0 => format!("{from}-{}", from + count),
            1 => format!("{from}-"),
            _ => format!("-{count}"),
        };
        // What it means, byte by byte.
        let wants = |(from, count, kind): &(u64, u64, i32), at: u64| match kind {
            0 => at >= *from && at <= from + count,
            1 => at >= *from,
            _ => at + count >= length,
        };
        let line = format!("range: bytes={}", specs.iter().map(text).collect::<Vec<_>>().join(", "));
        let expect: Vec<u64> = specs.iter().flat_map(|spec| (0..length).filter(|at| wants(spec, *at))).collect();
        match judge(&Method::GET, &fields(&[&line]), &testing::stored(&[]), Some(length)) {
            Verdict::Parts(spans) => {
                let sent: Vec<u64> = spans.iter().flat_map(|span| span.first..=span.last).collect();
                prop_assert_eq!(sent, expect);
            }
            Verdict::Unsatisfiable { .. } => prop_assert!(expect.is_empty()),
            Verdict::Whole(why) => {
                prop_assert_eq!(why, Why::Disorderly);
                prop_assert!(!expect.is_sorted_by(|before, after| before < after));
            }
        }
    }
}
