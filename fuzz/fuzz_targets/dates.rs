//! Any text as a date: what is read can be written and read again, and neither letter case nor its surroundings matter.
#![no_main]

use edge_cache::date::Date;
use libfuzzer_sys::fuzz_target;

const NOW: Date = Date(1_795_363_200);

fuzz_target!(|text: &str| {
    let read = Date::parse(text, NOW);
    assert_eq!(Date::parse(&text.to_ascii_lowercase(), NOW), read);
    assert_eq!(Date::parse(&text.to_ascii_uppercase(), NOW), read);
    assert_eq!(Date::parse(&format!(" \t{text} "), NOW), read);
    let Some(date) = read else { return };
    assert_eq!(Date::parse(&date.to_string(), NOW), Some(date), "{date}");
    // RFC 9110 §5.6.7: a date has one zone, so no other one is read.
    let lower = text.trim().to_ascii_lowercase();
    assert!(lower.ends_with(" gmt") || !lower.contains(','), "{text}");
});
