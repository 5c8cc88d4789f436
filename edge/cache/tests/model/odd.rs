//! Chance into field lines as viewers and origins write them, and as nobody should.

use crate::chance::Chance;
use crate::dates;
use crate::scene::BEGIN;
use crate::words::Fields;

pub fn request_fields(chance: &mut Chance, now: i64, fields: &mut Fields) {
    let mut add = |name: &str, value: String| fields.push((name.to_owned(), value));
    if chance.once_in(2) {
        add("x-a", chance.of(&["1", "1", "2", " 1", "1, 2", "1,2", ""]).to_owned());
    }
    if chance.once_in(8) {
        add("x-a", chance.of(&["2", "3"]).to_owned());
    }
    if chance.once_in(4) {
        add(
            "accept-encoding",
            chance.of(&["gzip, br", "gzip,br", "gzip , br", "br, gzip", "gzip", ", gzip,,br"]).to_owned(),
        );
    }
    if chance.once_in(8) {
        add("authorization", chance.of(&["Basic a", "Bearer b"]).to_owned());
    }
    if chance.once_in(10) {
        let tags =
            ["\"a\"", "W/\"a\"", "\"b\"", "*", "\"x\", \"a\"", "W/\"x\",W/\"b\"", "a", "", "\"a", "\"a,b\", \"b\""];
        add("if-none-match", chance.of(&tags).to_owned());
    }
    if chance.once_in(10) {
        let date = date(chance, now, &[-100_000, -100, -10, -1, 0, 1, 10]);
        add("if-modified-since", date);
    }
    if chance.once_in(40) {
        add("if-match", chance.of(&["\"a\"", "*"]).to_owned());
    }
    if chance.once_in(40) {
        let date = date(chance, now, &[-100_000, 10]);
        add("if-unmodified-since", date);
    }
    if chance.once_in(8) {
        let seconds = chance.below(7);
        add(
            "cache-control",
            format!("{}={seconds}", chance.of(&["max-age", "min-fresh", "max-stale", "stale-if-error"])),
        );
    }
    if chance.once_in(4) {
        let wishes = [
            "no-cache",
            "no-store",
            "max-age=0",
            "max-age=3",
            "max-age=60",
            "min-fresh=3",
            "min-fresh=100",
            "max-stale",
            "max-stale=3",
            "max-stale=100",
            "only-if-cached",
            "max-age=1, max-stale=100",
            "only-if-cached, max-stale",
            "no-transform",
            "max-age=3, stale-if-error=30",
            "stale-if-error=30",
            "max-age=\"3\"",
        ];
        add("cache-control", chance.of(&wishes).to_owned());
    }
    if chance.once_in(30) {
        add("pragma", chance.of(&["no-cache", "foo"]).to_owned());
    }
}

fn date(chance: &mut Chance, now: i64, around: &[i64]) -> String {
    let at = chance.of(around);
    if chance.once_in(25) {
        let odd = [
            "0",
            "-1",
            "",
            "Sun, 31 Feb 2026 00:00:00 GMT",
            "Sun, 22 Nov 2026 16:00:00",
            "Sun, 22 Nov 2026 16:00:00 UTC",
            "22 Nov 2026 16:00:00 GMT",
            "Sunday, 22-Nov-99 16:00:00 GMT",
            "Saturday, 21-Nov-76 16:00:00 GMT",
            "Monday, 23-Nov-76 16:05:00 GMT",
            "Sun Nov 2 16:00:00 2026",
            "Sun, 22 Nov 2026 24:00:00 GMT",
            "Sun, 22 Nov 2026 16:00:60 GMT",
            "Mon, 22 Nov 2026 16:00:00 GMT",
            "Sun, 22 Nov 9999 16:00:00 GMT",
            "Sun, 22 Nov 1970 16:00:00 GMT",
            "Sun,  22 Nov 2026 16:00:00 GMT",
            "Sun, 22 Nov 2026 6:00:00 GMT",
        ];
        return chance.of(&odd).to_owned();
    }
    if chance.once_in(25) {
        let limit = dates::later_by_years(BEGIN + now / 1000, 50);
        return dates::write(limit + chance.of(&[-1, 0, 1]), 1);
    }
    let form = chance.of(&[0, 0, 0, 0, 1, 2]);
    let text = dates::write(BEGIN + now / 1000 + at, form);
    if chance.once_in(12) { text.to_ascii_lowercase() } else { text }
}

pub fn response_fields(chance: &mut Chance, now: i64, fields: &mut Fields, not_modified: bool) {
    let mut add = |name: &str, value: String| fields.push((name.to_owned(), value));
    if chance.once_in(10) {
        add("connection", chance.of(&["x-a", "close, etag", "X-Kind", "cache-control"]).to_owned());
    }
    for _ in 0..chance.of(&[0, 1, 1, 1, 1, 2]) {
        let text = cache_control(chance);
        add("cache-control", text);
    }
    if chance.once_in(8) {
        let text = targeted(chance);
        add("cdn-cache-control", text);
    }
    if chance.once_in(5) {
        let text = date(chance, now, &[-10, 0, 1, 5, 10, 100]);
        add("expires", text);
    }
    if chance.once_in(40) {
        let text = date(chance, now, &[5, 10]);
        add("expires", text);
    }
    if !chance.once_in(6) {
        let text = date(chance, now, &[0, 0, 0, 0, 0, -1, -4, -100, 3, 100]);
        add("date", text);
    }
    if chance.once_in(8) {
        add("age", chance.of(&["0", "1", "4", "10", "4, 100", "x", "-1", "1.5", "", "99999999999", ", 4"]).to_owned());
    }
    if chance.once_in(40) {
        add("age", "3".to_owned());
    }
    let tags = ["\"a\"", "\"a\"", "\"a\"", "W/\"a\"", "\"b\"", "W/\"b\"", "a", "\"a\\\""];
    if chance.once_in(if not_modified { 3 } else { 2 }) {
        add("etag", chance.of(&tags).to_owned());
    }
    if chance.once_in(if not_modified { 8 } else { 3 }) {
        let text = date(chance, 0, &[-100, -100, -100, -50, -1_000_000, 10]);
        add("last-modified", text);
    }
    if chance.once_in(if not_modified { 10 } else { 4 }) {
        let all = [
            "x-a",
            "X-A",
            "x-a, accept-encoding",
            "accept-encoding",
            "*",
            "x-a, *",
            "",
            "x-a,,x-a",
            "authorization",
            "x y",
        ];
        add("vary", chance.of(&all).to_owned());
    }
    if chance.once_in(6) {
        add("set-cookie", "who=me".to_owned());
    }
    if chance.once_in(8) {
        add("x-kind", chance.of(&["one", "two", "\u{e4}"]).to_owned());
    }
    if chance.once_in(10) {
        add("content-type", chance.of(&["text/plain", "text/html"]).to_owned());
    }
    if chance.once_in(8) {
        add("content-length", chance.of(&["5", "7"]).to_owned());
    }
    if chance.once_in(20) {
        add("content-encoding", chance.of(&["gzip", "br"]).to_owned());
    }
    if chance.once_in(12) {
        let all = ["/a", "/b", "a", "?x=1", "http://shop.test/b", "http://other.test/a", "//shop.test/a", "b/../a"];
        add(chance.of(&["location", "content-location"]), chance.of(&all).to_owned());
    }
}

fn seconds(chance: &mut Chance) -> &'static str {
    if chance.once_in(12) {
        let odd = ["99999999999", "x", "", "-1", "5.5", "\"5\"", "05", "\"\"", "5x", "\"5", "1 2", " 5", "'5'"];
        return chance.of(&odd);
    }
    chance.of(&["0", "1", "2", "5", "5", "10", "60", "60", "600"])
}

fn cache_control(chance: &mut Chance) -> String {
    let mut members = Vec::new();
    for _ in 0..chance.of(&[0, 1, 1, 2, 2, 3, 4]) {
        members.push(directive(chance));
    }
    let text = members.join(chance.of(&[", ", ",", " , ", ", , "]));
    if chance.once_in(10) { text.to_ascii_uppercase() } else { text }
}

fn directive(chance: &mut Chance) -> String {
    match chance.below(20) {
        0..=6 => format!("max-age={}", seconds(chance)),
        7 | 8 => format!("s-maxage={}", seconds(chance)),
        9 | 10 => format!("stale-while-revalidate={}", seconds(chance)),
        11 | 12 => format!("stale-if-error={}", seconds(chance)),
        13 | 14 => {
            let all = [
                "no-cache",
                "no-cache",
                "no-store",
                "private",
                "must-revalidate",
                "proxy-revalidate",
                "must-understand",
            ];
            chance.of(&all).to_owned()
        }
        15 | 16 => "public".to_owned(),
        17 => {
            let all = [
                "no-cache=\"x-kind\"",
                "no-cache=x-kind",
                "no-cache=\"X-Kind, set-cookie\"",
                "no-cache=\"\"",
                "no-cache=\"a b\"",
                "private=\"x-kind\"",
                "private=etag",
                "private=\"set-cookie\"",
                "private=",
                "private=\"x-kind",
                "no-cache=\"cache-control\"",
                "private=\"date\"",
            ];
            chance.of(&all).to_owned()
        }
        18 => {
            let all =
                ["immutable", "foo", "foo=\"a, no-store\"", "foo=\"a\\\"b, no-store\"", "no-transform", "foo=bar"];
            chance.of(&all).to_owned()
        }
        _ => {
            let all = [
                "=5",
                "max-age",
                "\"no-store\"",
                "max-age =5",
                "no-store=1",
                "no-store foo",
                "public foo",
                "public=",
                "immutable;x",
                "must-understand x",
                "foo=\"no-store",
                "max-age=5;a",
                "public=1",
                "(no-store)",
                "must-revalidate=\"\"",
                "no-cache;x",
            ];
            chance.of(&all).to_owned()
        }
    }
}

fn targeted(chance: &mut Chance) -> String {
    let all = [
        "max-age=5",
        "max-age=60",
        "max-age=0",
        "s-maxage=5",
        "max-age=5, stale-while-revalidate=30",
        "max-age=5, stale-if-error=30",
        "no-store",
        "no-cache",
        "private",
        "public",
        "max-age=60, no-cache=\"x-kind\"",
        "max-age=60, must-revalidate",
        "max-age=60;a=1;b",
        "max-age=5.5",
        "max-age=\"5\"",
        "max-age=-5",
        "MAX-AGE=60",
        "max-age=60,",
        "max-age=60 foo",
        "",
        "  ",
        "foo",
        "no-store=?0, max-age=5",
        "no-store=?1",
        "max-age=5, max-age=60",
        "max-age=999999999999999",
        "max-age=9999999999999999",
        "max-age=5,no-store=1",
        "max-age=5,foo=(a \"b\" 1.5)",
        "max-age=5,foo=:aGk=:",
        "max-age=5\t,\tpublic",
        "max-age",
        "private=\"x-kind\", max-age=5",
    ];
    chance.of(&all).to_owned()
}
