//! The behaviors of a spec into path rules as edges match them, the default last.

use crds::DistributionSpec;
use crds::distribution::{self, CachePolicy, Policy};
use edge_contract::{Behavior, Heuristic, Methods, SetCookie, Stale, Ttl, ViewerControls};

use super::durations::seconds;
use super::{choices, response_headers};

const DAY: u64 = 24 * 3600;
const YEAR: u64 = 8760 * 3600;

/// Every behavior, in order.
pub(super) fn compile(spec: &DistributionSpec) -> Vec<Behavior> {
    let ordered = spec.behaviors.iter().map(|one| behavior(normal_path(&one.path_pattern), &one.policy));
    // What nothing else matches: `*` alone, which no pattern of a user becomes.
    ordered.chain(std::iter::once(behavior("*".into(), &spec.default_behavior))).collect()
}

/// What a user leaves out is as in [`Behavior::plain`].
fn behavior(path_pattern: String, policy: &Policy) -> Behavior {
    let cache = policy.cache.as_ref();
    let plain = Behavior::plain(path_pattern, &policy.origin);
    Behavior {
        methods: methods(policy.methods.unwrap_or_default()),
        ttl: ttl(cache.and_then(|cache| cache.ttl.as_ref())),
        key: choices::key(cache.and_then(|cache| cache.key.as_ref())),
        forward: choices::forward(policy.forward.as_deref()),
        set_cookie: set_cookie(cache.and_then(|cache| cache.set_cookie).unwrap_or_default()),
        viewer_controls: viewer_controls(cache.and_then(|cache| cache.viewer_controls).unwrap_or_default()),
        stale: cache.map(stale).unwrap_or_default(),
        compress: policy.compress.unwrap_or(plain.compress),
        response_headers: response_headers::compile(policy.response_headers.as_deref()),
        ..plain
    }
}

fn stale(given: &CachePolicy) -> Stale {
    let plain = Stale::default();
    Stale {
        while_revalidate: seconds(given.stale_while_revalidate.as_ref()).unwrap_or(plain.while_revalidate),
        if_error: seconds(given.stale_if_error.as_ref()).unwrap_or(plain.if_error),
        if_unreachable: seconds(given.stale_if_unreachable.as_ref()).unwrap_or(plain.if_unreachable),
    }
}

/// A path or a pattern as edges know it: with its leading slash, and in the form that request paths are brought to (RFC 3986
/// §6.2.2), or a pattern with `%7e` would never match.
pub fn normal_path(pattern: &str) -> String {
    let slash = if pattern.starts_with('/') { "" } else { "/" };
    let mut normal = slash.to_owned();
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        let (before, triple) = rest.split_at(at);
        normal.push_str(before);
        let digits = triple.get(1..3).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (text, length) = match code.map(|code| (code, char::from(code))) {
            Some((_, plain)) if plain.is_ascii_alphanumeric() || "-._~".contains(plain) => (plain.to_string(), 3),
            Some((code, _)) => (format!("%{code:02X}"), 3),
            None => ("%".into(), 1),
        };
        normal.push_str(&text);
        rest = &triple[length..];
    }
    normal + rest
}

fn methods(methods: distribution::Methods) -> Methods {
    match methods {
        distribution::Methods::ReadOnly => Methods::ReadOnly,
        distribution::Methods::ReadOptions => Methods::ReadOptions,
        distribution::Methods::All => Methods::All,
    }
}

/// The bounds with their defaults: an absent one gives way to those that are set.
pub fn ttl(given: Option<&distribution::Ttl>) -> Ttl {
    let min = given.and_then(|ttl| seconds(ttl.min.as_ref())).unwrap_or_default();
    let default = given.and_then(|ttl| seconds(ttl.default.as_ref()));
    let max = given.and_then(|ttl| seconds(ttl.max.as_ref()));
    let max = max.unwrap_or_else(|| YEAR.max(min).max(default.unwrap_or_default()));
    // Not `clamp`, which panics where min is above max: such a spec is refused, but by what comes after.
    Ttl {
        min,
        default: default.unwrap_or_else(|| DAY.max(min).min(max)),
        max,
        heuristic: heuristic(given.and_then(|ttl| ttl.heuristic).unwrap_or_default()),
    }
}

fn heuristic(heuristic: distribution::Heuristic) -> Heuristic {
    match heuristic {
        distribution::Heuristic::Off => Heuristic::Off,
        distribution::Heuristic::LastModified => Heuristic::LastModified,
    }
}

fn set_cookie(set_cookie: distribution::SetCookie) -> SetCookie {
    match set_cookie {
        distribution::SetCookie::Bypass => SetCookie::Bypass,
        distribution::SetCookie::Store => SetCookie::Store,
        distribution::SetCookie::Strip => SetCookie::Strip,
    }
}

fn viewer_controls(viewer_controls: distribution::ViewerControls) -> ViewerControls {
    match viewer_controls {
        distribution::ViewerControls::Ignore => ViewerControls::Ignore,
        distribution::ViewerControls::Respect => ViewerControls::Respect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(fields: serde_json::Value) -> Policy {
        serde_json::from_value(fields).expect("a policy")
    }

    #[test]
    fn a_behavior_that_only_names_its_origin_is_a_plain_one() {
        let only_origin = policy(serde_json::json!({ "origin": "app" }));
        assert_eq!(behavior("*".into(), &only_origin), Behavior::plain("*", "app"));
        let empty = serde_json::json!({ "origin": "app", "cache": { "ttl": {}, "key": {} }, "forward": {}, "responseHeaders": {} });
        assert_eq!(behavior("*".into(), &policy(empty)), Behavior::plain("*", "app"));
    }

    #[track_caller]
    fn check_ttl(min: Option<&str>, default: Option<&str>, max: Option<&str>, expect: [u64; 3]) {
        let duration = |text: Option<&str>| text.map(|text| text.parse().expect("a duration"));
        let given =
            distribution::Ttl { min: duration(min), default: duration(default), max: duration(max), heuristic: None };
        let compiled = ttl(Some(&given));
        assert_eq!([compiled.min, compiled.default, compiled.max], expect, "{min:?} {default:?} {max:?}");
    }

    #[test]
    fn absent_bounds_give_way_to_those_that_are_set() {
        check_ttl(None, None, None, [0, DAY, YEAR]);
        check_ttl(None, None, Some("1h"), [0, 3600, 3600]);
        check_ttl(Some("48h"), None, None, [2 * DAY, 2 * DAY, YEAR]);
        check_ttl(Some("10000h"), None, None, [36_000_000, 36_000_000, 36_000_000]);
        check_ttl(None, Some("10000h"), None, [0, 36_000_000, 36_000_000]);
        check_ttl(None, Some("1m"), None, [0, 60, YEAR]);
        check_ttl(Some("1m"), Some("2m"), Some("3m"), [60, 120, 180]);
    }

    #[test]
    fn a_greatest_time_of_zero_turns_caching_off() {
        check_ttl(None, None, Some("0s"), [0, 0, 0]);
        check_ttl(Some("0s"), Some("0s"), Some("0s"), [0, 0, 0]);
    }

    #[test]
    fn parts_of_seconds_are_rounded_down() {
        check_ttl(Some("1500ms"), Some("2900ms"), Some("2999ms"), [1, 2, 2]);
    }

    #[test]
    fn patterns_take_the_form_of_request_paths() {
        for (pattern, expect) in [
            ("/img/*", "/img/*"),
            ("img/*", "/img/*"),
            ("*", "/*"),
            ("*.jpg", "/*.jpg"),
            ("/%7euser/%c3%a9", "/~user/%C3%A9"),
            ("/100%", "/100%"),
            ("/%zz%+4%4", "/%zz%+4%4"),
            ("/a?b", "/a?b"),
        ] {
            assert_eq!(normal_path(pattern), expect, "{pattern}");
        }
    }
}
