//! Seventy-five behaviors and paths into how long it takes to find the one that serves: `cargo run --release -p edge-cache --example
//! match_behaviors` prints it.

mod clock;

use std::hint::black_box;

use edge_cache::{NormalPath, pattern::Patterns};

/// The most behaviors that a Distribution has, with the default.
const BEHAVIORS: usize = 75;

fn main() {
    println!("{BEHAVIORS} behaviors, the time to find the first that matches, by the path asked for");
    let usual = usual();
    let paths = [
        ("the first", "/shop-0/cart".to_owned()),
        ("in the middle", "/img/2026/11/summer/beach-0417.avif".to_owned()),
        ("near the end", "/api/v2/tenants/4711/orders/0815".to_owned()),
        ("the default", "/catalogue/winter/jackets/blue/size/xl/reviews/".to_owned()),
        ("the default, 8 KiB", format!("/{}", "segment/".repeat(1_020))),
    ];
    for (what, path) in &paths {
        report(what, &usual, path, 10_000);
    }
    println!("patterns of one kind, and a path that fits none");
    for (what, kind) in [
        ("/api/v2/kind-<n>/*", "/api/v2/kind-{}/*"),
        ("*/kind-<n>/*", "*/kind-{}/*"),
        ("*/kind-<n>/*/e*", "*/kind-{}/*/e*"),
    ] {
        let patterns: Vec<String> = (0..BEHAVIORS).map(|n| kind.replace("{}", &n.to_string())).collect();
        report(
            what,
            &Patterns::new(patterns.iter().map(String::as_str)),
            "/api/v2/kindergarten-4711/groups/12/events",
            10_000,
        );
    }
    println!("patterns that repeat, and a path that almost fits them");
    let stars = Patterns::new((0..BEHAVIORS).map(|_| "*a*a*a*a*a*a*a*a*b*c"));
    report("*a*a*a*a*a*a*a*a*b*c", &stars, &format!("/{}bc", "a".repeat(8_000)), 20);
    let long = format!("*{}b*c", "a".repeat(250));
    report(
        "a piece of 250",
        &Patterns::new((0..BEHAVIORS).map(|_| long.as_str())),
        &format!("/{}bc", "a".repeat(8_000)),
        20,
    );
    let gapped = format!("*{}?b*c", "a".repeat(249));
    report(
        "the same with a ?",
        &Patterns::new((0..BEHAVIORS).map(|_| gapped.as_str())),
        &format!("/{}bbcd", "a".repeat(240)),
        20,
    );
}

/// Kinds of patterns as users write them, none of which serves the others' paths.
fn usual() -> Patterns {
    let mut patterns: Vec<String> = (0..30).map(|n| format!("/shop-{n}/*")).collect();
    let extensions =
        ["jpg", "jpeg", "png", "gif", "webp", "avif", "svg", "ico", "css", "js", "woff2", "mp4", "pdf", "zip"];
    patterns.extend(extensions.iter().map(|extension| format!("*.{extension}")));
    patterns.extend((0..10).map(|n| format!("/static/*/{n}/*.min.?s")));
    patterns.extend((0..10).map(|n| format!("*/preview-{n}/*")));
    patterns.extend(
        (0..10).map(|n| format!("/api/v?/tenants/*/orders{}/*", if n == 9 { String::new() } else { n.to_string() })),
    );
    patterns.push("*".to_owned());
    assert_eq!(patterns.len(), BEHAVIORS);
    Patterns::new(patterns.iter().map(String::as_str))
}

fn report(what: &str, patterns: &Patterns, path: &str, times: u32) {
    let path = NormalPath::parse(path).expect("a legal path");
    let took = clock::measure(|| {
        for _ in 0..times {
            black_box(black_box(patterns).first(black_box(&path)));
        }
    });
    let nanoseconds = took.as_nanos() / u128::from(times);
    println!("  {what:<24} {:>5} bytes  {nanoseconds:>9} ns", path.as_str().len());
}
