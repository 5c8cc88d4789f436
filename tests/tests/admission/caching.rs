//! What the API server takes and refuses of how a behavior caches, and of what it sends on.

use serde_json::{Value, json};
use tests::cluster::in_namespace;

use crate::distribution::distribution;
use crate::{Law, answer, hold, install};

fn cache(object: &mut Value, cache: Value) {
    object["spec"]["defaultBehavior"]["cache"] = cache;
}

fn key(object: &mut Value, key: Value) {
    cache(object, json!({ "key": key }));
}

fn forward(object: &mut Value, forward: Value) {
    object["spec"]["defaultBehavior"]["forward"] = forward;
}

fn named(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("x-{n}")).collect()
}

#[tokio::test]
async fn rules_of_caching_and_forwarding_are_taken_or_refused_by_their_own_laws() {
    in_namespace("laws", |client, namespace| async move {
        install(&client).await;
        hold(&client, &namespace, distribution, &CACHING_LAWS).await;
        hold(&client, &namespace, distribution, &FORWARDING_LAWS).await;
    })
    .await;
}

const CACHING_LAWS: [Law; 38] = [
    Law("accepts_a_heuristic", |o| cache(o, json!({ "ttl": { "heuristic": "LastModified" } })), None),
    Law(
        "rejects_an_unknown_heuristic",
        |o| cache(o, json!({ "ttl": { "heuristic": "On" } })),
        Some("Unsupported value"),
    ),
    Law("accepts_stored_cookies", |o| cache(o, json!({ "setCookie": "Store" })), None),
    Law("accepts_stripped_cookies", |o| cache(o, json!({ "setCookie": "Strip" })), None),
    Law("rejects_another_fate_of_cookies", |o| cache(o, json!({ "setCookie": "Cache" })), Some("Unsupported value")),
    Law("accepts_viewers_with_a_say", |o| cache(o, json!({ "viewerControls": "Respect" })), None),
    Law("rejects_another_say_of_viewers", |o| cache(o, json!({ "viewerControls": true })), Some("viewerControls")),
    Law(
        "accepts_stale_times",
        |o| cache(o, json!({ "staleWhileRevalidate": "1m", "staleIfError": "0s", "staleIfUnreachable": "8760h" })),
        None,
    ),
    Law(
        "rejects_stale_while_revalidate_above_a_year",
        |o| cache(o, json!({ "staleWhileRevalidate": "8761h" })),
        Some("staleWhileRevalidate must be from 0s to 8760h"),
    ),
    Law(
        "rejects_stale_if_error_above_a_year",
        |o| cache(o, json!({ "staleIfError": "8761h" })),
        Some("staleIfError must be from 0s to 8760h"),
    ),
    Law(
        "rejects_stale_if_unreachable_above_a_year",
        |o| cache(o, json!({ "staleIfUnreachable": "8761h" })),
        Some("staleIfUnreachable must be from 0s to 8760h"),
    ),
    Law("rejects_a_stale_time_without_a_unit", |o| cache(o, json!({ "staleIfError": "60" })), Some("staleIfError")),
    Law(
        "rejects_query_names_with_mode_all",
        |o| key(o, json!({ "queryStrings": { "mode": "All", "names": ["a"] } })),
        Some("names goes with mode"),
    ),
    Law(
        "rejects_query_mode_include_without_names",
        |o| key(o, json!({ "queryStrings": { "mode": "Include" } })),
        Some("names goes with mode"),
    ),
    Law(
        "rejects_no_query_names",
        |o| key(o, json!({ "queryStrings": { "mode": "Include", "names": [] } })),
        Some("should have at least 1 items"),
    ),
    Law(
        "accepts_query_names_that_differ_by_case",
        |o| key(o, json!({ "queryStrings": { "mode": "Include", "names": ["a", "A"] } })),
        None,
    ),
    Law("accepts_headers_in_the_key", |o| key(o, json!({ "headers": ["Accept-Language", "Host"] })), None),
    Law("accepts_authorization_in_the_key", |o| key(o, json!({ "headers": ["authorization"] })), None),
    Law("accepts_10_headers_in_the_key", |o| key(o, json!({ "headers": named(10) })), None),
    Law(
        "rejects_11_headers_in_the_key",
        |o| key(o, json!({ "headers": named(11) })),
        Some("must have at most 10 items"),
    ),
    Law("rejects_a_header_in_the_key_with_a_colon", |o| key(o, json!({ "headers": ["a:"] })), Some("key.headers[0]")),
    Law("rejects_a_header_in_the_key_without_a_name", |o| key(o, json!({ "headers": [""] })), Some("key.headers[0]")),
    Law(
        "rejects_the_same_header_in_the_key_twice",
        |o| key(o, json!({ "headers": ["X-A", "X-A"] })),
        Some("Duplicate value"),
    ),
    Law(
        "rejects_the_same_header_in_the_key_in_another_case",
        |o| key(o, json!({ "headers": ["X-A", "x-a"] })),
        Some("named twice"),
    ),
    Law(
        "rejects_a_header_of_the_connection_in_the_key",
        |o| key(o, json!({ "headers": ["Connection"] })),
        Some("for Cookie use key.cookies"),
    ),
    Law(
        "rejects_a_length_in_the_key",
        |o| key(o, json!({ "headers": ["content-length"] })),
        Some("for Cookie use key.cookies"),
    ),
    Law(
        "rejects_the_cookie_header_in_the_key",
        |o| key(o, json!({ "headers": ["Cookie"] })),
        Some("for Cookie use key.cookies"),
    ),
    Law("rejects_ranges_in_the_key", |o| key(o, json!({ "headers": ["Range"] })), Some("for Cookie use key.cookies")),
    Law(
        "rejects_codings_in_the_key_where_edges_compress",
        |o| key(o, json!({ "headers": ["Accept-Encoding"] })),
        Some("Accept-Encoding is in the key already"),
    ),
    Law(
        "accepts_codings_in_the_key_where_edges_do_not_compress",
        |o| {
            key(o, json!({ "headers": ["Accept-Encoding"] }));
            o["spec"]["defaultBehavior"]["compress"] = json!(false);
        },
        None,
    ),
    Law("accepts_all_cookies_in_the_key", |o| key(o, json!({ "cookies": { "mode": "All" } })), None),
    Law(
        "accepts_cookies_in_the_key",
        |o| key(o, json!({ "cookies": { "mode": "Include", "names": ["lang", "__Host-id"] } })),
        None,
    ),
    Law(
        "rejects_cookie_names_with_mode_none",
        |o| key(o, json!({ "cookies": { "mode": "None", "names": ["a"] } })),
        Some("names goes with mode"),
    ),
    Law(
        "rejects_cookie_mode_exclude_without_names",
        |o| key(o, json!({ "cookies": { "mode": "Exclude" } })),
        Some("names goes with mode"),
    ),
    Law(
        "rejects_a_cookie_name_with_an_equals_sign",
        |o| key(o, json!({ "cookies": { "mode": "Include", "names": ["a=b"] } })),
        Some("cookies.names[0]"),
    ),
    Law(
        "rejects_cookies_by_mode_auto",
        |o| key(o, json!({ "cookies": { "mode": "Auto" } })),
        Some("Unsupported value"),
    ),
    Law(
        "rejects_21_cookies",
        |o| key(o, json!({ "cookies": { "mode": "Include", "names": named(21) } })),
        Some("must have at most 20 items"),
    ),
    Law(
        "rejects_51_query_names",
        |o| key(o, json!({ "queryStrings": { "mode": "Include", "names": named(51) } })),
        Some("must have at most 50 items"),
    ),
];

const FORWARDING_LAWS: [Law; 17] = [
    Law(
        "accepts_every_mode_without_names",
        |o| {
            let mode = |mode: &str| json!({ "mode": mode });
            forward(o, json!({ "headers": mode("Auto"), "cookies": mode("None"), "queryStrings": mode("All") }));
        },
        None,
    ),
    Law(
        "accepts_headers_to_forward",
        |o| forward(o, json!({ "headers": { "mode": "Include", "names": ["User-Agent", "Accept-Encoding"] } })),
        None,
    ),
    Law(
        "accepts_all_headers_but_some",
        |o| forward(o, json!({ "headers": { "mode": "Exclude", "names": ["Authorization"] } })),
        None,
    ),
    Law(
        "rejects_names_with_mode_auto",
        |o| forward(o, json!({ "headers": { "mode": "Auto", "names": ["a"] } })),
        Some("names goes with mode"),
    ),
    Law(
        "rejects_headers_to_include_without_names",
        |o| forward(o, json!({ "headers": { "mode": "Include" } })),
        Some("names goes with mode"),
    ),
    Law(
        "rejects_cookies_to_include_without_names",
        |o| forward(o, json!({ "cookies": { "mode": "Include" } })),
        Some("names goes with mode"),
    ),
    Law(
        "rejects_parameters_to_exclude_without_names",
        |o| forward(o, json!({ "queryStrings": { "mode": "Exclude" } })),
        Some("names goes with mode"),
    ),
    Law("rejects_another_mode", |o| forward(o, json!({ "headers": { "mode": "Some" } })), Some("Unsupported value")),
    Law("rejects_no_mode", |o| forward(o, json!({ "headers": {} })), Some("mode: Required")),
    Law(
        "rejects_host_to_forward",
        |o| forward(o, json!({ "headers": { "mode": "Include", "names": ["Host"] } })),
        Some("for Host the origin's hostHeader"),
    ),
    Law(
        "rejects_the_cookie_header_to_forward",
        |o| forward(o, json!({ "headers": { "mode": "Include", "names": ["cookie"] } })),
        Some("for Cookie use forward.cookies"),
    ),
    Law(
        "rejects_the_address_of_the_viewer_to_forward",
        |o| forward(o, json!({ "headers": { "mode": "Include", "names": ["X-Forwarded-For"] } })),
        Some("reads or writes itself"),
    ),
    Law(
        "rejects_a_header_to_forward_in_another_case",
        |o| forward(o, json!({ "headers": { "mode": "Include", "names": ["X-A", "x-a"] } })),
        Some("named twice"),
    ),
    Law(
        "rejects_a_header_to_forward_with_a_space",
        |o| forward(o, json!({ "headers": { "mode": "Include", "names": ["a b"] } })),
        Some("headers.names[0]"),
    ),
    Law(
        "rejects_21_headers_to_forward",
        |o| forward(o, json!({ "headers": { "mode": "Include", "names": named(21) } })),
        Some("must have at most 20 items"),
    ),
    Law("accepts_no_compression", |o| o["spec"]["defaultBehavior"]["compress"] = json!(false), None),
    Law(
        "rejects_a_coding_in_place_of_yes_or_no",
        |o| o["spec"]["defaultBehavior"]["compress"] = json!("gzip"),
        Some("defaultBehavior.compress"),
    ),
];

#[tokio::test]
async fn what_a_default_behavior_leaves_out_is_filled_in_where_people_look_for_it() {
    in_namespace("laws", |client, namespace| async move {
        install(&client).await;
        let mut object = distribution();
        cache(&mut object, json!({ "ttl": {}, "key": {} }));
        let made = answer(&client, &namespace, &object).await.expect("taken").data;
        let behavior = &made["spec"]["defaultBehavior"];
        assert_eq!(behavior["compress"], true);
        let cached = json!({ "ttl": {}, "key": {}, "setCookie": "Bypass", "viewerControls": "Ignore" });
        assert_eq!(behavior["cache"], cached, "times and choices say their defaults in `kubectl explain`");
    })
    .await;
}

#[tokio::test]
async fn the_laws_hold_in_ordered_behaviors_too_and_their_defaults_are_not_written() {
    in_namespace("laws", |client, namespace| async move {
        install(&client).await;
        let mut object = distribution();
        let behavior = |cache: Value| json!([{ "pathPattern": "/a", "origin": "app", "cache": cache }]);
        let sound = behavior(json!({ "ttl": { "max": "1h" }, "key": { "headers": ["X-A"] } }));
        object["spec"]["behaviors"] = sound.clone();
        let made = answer(&client, &namespace, &object).await.expect("taken").data;
        assert_eq!(made["spec"]["behaviors"], sound, "GitOps tools would see a drift");
        for (wrong, refusal) in [
            (json!({ "staleIfError": "8761h" }), "staleIfError must be from 0s to 8760h"),
            (json!({ "key": { "headers": ["Cookie"] } }), "for Cookie use key.cookies"),
            (json!({ "key": { "headers": ["accept-encoding"] } }), "Accept-Encoding is in the key already"),
            (json!({ "key": { "cookies": { "mode": "Include" } } }), "names goes with mode"),
        ] {
            object["spec"]["behaviors"] = behavior(wrong);
            let refused = answer(&client, &namespace, &object).await.expect_err("refused");
            assert!(refused.contains(refusal), "{refused}");
        }
    })
    .await;
}
