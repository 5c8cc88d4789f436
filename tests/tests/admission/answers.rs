//! What the API server takes and refuses of what viewers are shown: header fields, error pages, and whom edges believe.

use serde_json::{Value, json};
use tests::cluster::in_namespace;

use crate::distribution::distribution;
use crate::{Law, answer, hold, install};

fn headers(object: &mut Value, headers: Value) {
    object["spec"]["defaultBehavior"]["responseHeaders"] = headers;
}

fn set(object: &mut Value, name: &str) {
    headers(object, json!({ "set": [{ "name": name, "value": "a" }] }));
}

fn remove(object: &mut Value, name: &str) {
    headers(object, json!({ "remove": [name] }));
}

fn security(object: &mut Value, security: Value) {
    headers(object, json!({ "security": security }));
}

/// With these fields over a sound choice.
fn cors(object: &mut Value, fields: Value) {
    let mut cors = json!({ "origins": ["https://app.example.com"] });
    cors.as_object_mut().expect("fields").extend(fields.as_object().expect("fields").clone());
    headers(object, json!({ "cors": cors }));
}

fn errors(object: &mut Value, errors: Value) {
    object["spec"]["errorResponses"] = errors;
}

fn page(object: &mut Value, path: &str) {
    errors(object, json!([{ "code": 404, "responsePath": path, "responseCode": 200 }]));
}

fn proxies(object: &mut Value, proxies: Value) {
    object["spec"]["viewer"] = json!({ "trustedProxies": proxies });
}

#[tokio::test]
async fn what_viewers_are_shown_is_taken_or_refused_by_its_own_laws() {
    in_namespace("laws", |client, namespace| async move {
        install(&client).await;
        hold(&client, &namespace, distribution, &HEADER_LAWS).await;
        hold(&client, &namespace, distribution, &CORS_LAWS).await;
        hold(&client, &namespace, distribution, &ERROR_LAWS).await;
        hold(&client, &namespace, distribution, &PROXY_LAWS).await;
    })
    .await;
}

const HEADER_LAWS: [Law; 31] = [
    Law("accepts_a_header_to_set", |o| set(o, "Cache-Control"), None),
    Law("accepts_an_empty_value", |o| headers(o, json!({ "set": [{ "name": "X-A", "value": "" }] })), None),
    Law("rejects_a_header_name_with_a_space", |o| set(o, "X A"), Some("set[0].name")),
    Law(
        "rejects_a_value_with_a_line_break",
        |o| headers(o, json!({ "set": [{ "name": "X-A", "value": "a\r\nb: c" }] })),
        Some("set[0].value"),
    ),
    Law("rejects_age_to_set", |o| set(o, "Age"), Some("belongs to the edge")),
    Law("rejects_a_length_to_set", |o| set(o, "content-length"), Some("belongs to the edge")),
    Law("rejects_cache_status_to_set", |o| set(o, "Cache-Status"), Some("belongs to the edge")),
    Law("rejects_a_validator_to_set", |o| set(o, "ETag"), Some("belongs to the edge")),
    Law(
        "rejects_the_same_header_twice_in_another_case",
        |o| headers(o, json!({ "set": [{ "name": "X-A", "value": "" }, { "name": "x-a", "value": "" }] })),
        Some("set twice"),
    ),
    Law(
        "rejects_21_headers_to_set",
        |o| {
            let fields: Vec<_> = (0..21).map(|n| json!({ "name": format!("x-{n}"), "value": "" })).collect();
            headers(o, json!({ "set": fields }));
        },
        Some("must have at most 20 items"),
    ),
    Law(
        "accepts_headers_to_remove",
        |o| headers(o, json!({ "remove": ["Server", "Set-Cookie", "ETag", "Vary"] })),
        None,
    ),
    Law("rejects_date_to_remove", |o| remove(o, "Date"), Some("belongs to the edge")),
    Law("rejects_via_to_remove", |o| remove(o, "via"), Some("belongs to the edge")),
    Law("rejects_a_coding_to_remove", |o| remove(o, "Content-Encoding"), Some("belongs to the edge")),
    Law(
        "rejects_a_header_to_remove_in_another_case",
        |o| headers(o, json!({ "remove": ["Server", "server"] })),
        Some("named twice"),
    ),
    Law(
        "accepts_every_security_field",
        |o| {
            let hsts = json!({ "maxAge": "8760h", "includeSubDomains": true, "preload": true });
            security(
                o,
                json!({ "hsts": hsts, "contentTypeOptions": "nosniff", "frameOptions": "SAMEORIGIN",
                    "referrerPolicy": "strict-origin-when-cross-origin", "contentSecurityPolicy": "default-src 'self'" }),
            );
        },
        None,
    ),
    Law("rejects_hsts_without_a_time", |o| security(o, json!({ "hsts": {} })), Some("maxAge: Required")),
    Law(
        "rejects_hsts_for_more_than_ten_years",
        |o| security(o, json!({ "hsts": { "maxAge": "87601h" } })),
        Some("maxAge must be from 0s to 87600h"),
    ),
    Law(
        "rejects_preload_without_names_below",
        |o| security(o, json!({ "hsts": { "maxAge": "8760h", "preload": true } })),
        Some("preload needs includeSubDomains"),
    ),
    Law(
        "rejects_preload_for_less_than_a_year",
        |o| security(o, json!({ "hsts": { "maxAge": "8759h", "includeSubDomains": true, "preload": true } })),
        Some("preload needs includeSubDomains"),
    ),
    Law(
        "rejects_frames_for_one_site",
        |o| security(o, json!({ "frameOptions": "ALLOW-FROM" })),
        Some("Unsupported value"),
    ),
    Law(
        "rejects_another_content_type_option",
        |o| security(o, json!({ "contentTypeOptions": true })),
        Some("contentTypeOptions"),
    ),
    Law(
        "rejects_an_unknown_referrer_policy",
        |o| security(o, json!({ "referrerPolicy": "never" })),
        Some("Unsupported value"),
    ),
    Law(
        "rejects_a_content_security_policy_with_a_line_break",
        |o| security(o, json!({ "contentSecurityPolicy": "default-src 'self';\nimg-src *" })),
        Some("contentSecurityPolicy"),
    ),
    Law(
        "rejects_an_empty_content_security_policy",
        |o| security(o, json!({ "contentSecurityPolicy": "" })),
        Some("contentSecurityPolicy"),
    ),
    Law("rejects_hsts_that_is_set_twice", |o| twice(o, "hsts", "Strict-Transport-Security"), Some("security writes")),
    Law(
        "rejects_content_type_options_that_are_set_twice",
        |o| twice(o, "contentTypeOptions", "X-Content-Type-Options"),
        Some("security writes"),
    ),
    Law(
        "rejects_frame_options_that_are_set_twice",
        |o| twice(o, "frameOptions", "X-Frame-Options"),
        Some("security writes"),
    ),
    Law(
        "rejects_a_referrer_policy_that_is_set_twice",
        |o| twice(o, "referrerPolicy", "Referrer-Policy"),
        Some("security writes"),
    ),
    Law(
        "rejects_a_content_security_policy_that_is_set_twice",
        |o| twice(o, "contentSecurityPolicy", "Content-Security-Policy"),
        Some("security writes"),
    ),
    Law("accepts_a_security_field_that_is_only_set", |o| twice(o, "frameOptions", "Referrer-Policy"), None),
];

/// One field of `security`, and beside it a header to set.
fn twice(object: &mut Value, field: &str, name: &str) {
    let value = match field {
        "hsts" => json!({ "maxAge": "1h" }),
        "contentTypeOptions" => json!("nosniff"),
        "frameOptions" => json!("DENY"),
        "referrerPolicy" => json!("origin"),
        _ => json!("default-src 'self'"),
    };
    headers(object, json!({ "security": { field: value }, "set": [{ "name": name, "value": "a" }] }));
}

const CORS_LAWS: [Law; 24] = [
    Law("accepts_an_origin_of_scripts", |o| cors(o, json!({})), None),
    Law(
        "accepts_every_field_of_cors",
        |o| {
            cors(
                o,
                json!({ "origins": ["https://*.example.com", "http://localhost:3000"], "methods": ["GET", "PUT"],
                    "headers": ["Content-Type"], "exposeHeaders": ["ETag"], "maxAge": "10m", "credentials": true }),
            );
        },
        None,
    ),
    Law(
        "accepts_everybody_without_credentials",
        |o| cors(o, json!({ "origins": ["*"], "headers": ["*"], "exposeHeaders": ["*"], "credentials": false })),
        None,
    ),
    Law("rejects_no_origin_of_scripts", |o| cors(o, json!({ "origins": [] })), Some("should have at least 1 items")),
    Law("rejects_cors_without_origins", |o| headers(o, json!({ "cors": {} })), Some("origins: Required")),
    Law("rejects_everybody_and_somebody", |o| cors(o, json!({ "origins": ["*", "https://a"] })), Some("stands alone")),
    Law("rejects_an_origin_without_a_scheme", |o| cors(o, json!({ "origins": ["a.example.com"] })), Some("origins[0]")),
    Law("rejects_an_origin_with_a_path", |o| cors(o, json!({ "origins": ["https://a/"] })), Some("origins[0]")),
    Law("rejects_an_origin_in_upper_case", |o| cors(o, json!({ "origins": ["https://A"] })), Some("origins[0]")),
    Law(
        "rejects_a_wildcard_within_a_name",
        |o| cors(o, json!({ "origins": ["https://a*.example.com"] })),
        Some("origins[0]"),
    ),
    Law("rejects_the_origin_null", |o| cors(o, json!({ "origins": ["null"] })), Some("origins[0]")),
    Law("accepts_a_port", |o| cors(o, json!({ "origins": ["https://a:8443"] })), None),
    Law("rejects_a_port_that_is_none", |o| cors(o, json!({ "origins": ["https://a:0"] })), Some("origins[0]")),
    Law("accepts_any_method", |o| cors(o, json!({ "methods": ["*"] })), None),
    Law(
        "rejects_credentials_for_everybody",
        |o| cors(o, json!({ "origins": ["*"], "credentials": true })),
        Some("credentials goes with names only"),
    ),
    Law("accepts_credentials_with_any_header", |o| cors(o, json!({ "headers": ["*"], "credentials": true })), None),
    Law(
        "rejects_credentials_with_every_response_header",
        |o| cors(o, json!({ "exposeHeaders": ["*"], "credentials": true })),
        Some("credentials goes with names only"),
    ),
    Law("rejects_an_unknown_method_of_cors", |o| cors(o, json!({ "methods": ["get"] })), Some("Unsupported value")),
    Law("rejects_a_header_of_cors_with_a_comma", |o| cors(o, json!({ "headers": ["a,b"] })), Some("headers[0]")),
    Law("rejects_a_header_of_cors_twice", |o| cors(o, json!({ "headers": ["A", "A"] })), Some("Duplicate value")),
    Law(
        "rejects_33_headers_of_cors",
        |o| {
            let names: Vec<_> = (0..33).map(|n| format!("x-{n}")).collect();
            cors(o, json!({ "headers": names }));
        },
        Some("must have at most 32 items"),
    ),
    Law(
        "rejects_preflights_remembered_for_more_than_a_day",
        |o| cors(o, json!({ "maxAge": "25h" })),
        Some("maxAge must be from 0s to 24h"),
    ),
    Law(
        "rejects_65_origins",
        |o| {
            let origins: Vec<_> = (0..65).map(|n| format!("https://a{n}.example.com")).collect();
            cors(o, json!({ "origins": origins }));
        },
        Some("must have at most 64 items"),
    ),
    Law(
        "rejects_a_field_of_cors_that_is_set",
        |o| {
            let set = json!([{ "name": "Access-Control-Allow-Origin", "value": "*" }]);
            headers(o, json!({ "cors": { "origins": ["*"] }, "set": set }));
        },
        Some("cors writes the Access-Control fields"),
    ),
];

const ERROR_LAWS: [Law; 21] = [
    Law("accepts_an_error_page", |o| page(o, "/errors/404.html"), None),
    Law("accepts_a_time_for_an_error", |o| errors(o, json!([{ "code": 503, "cacheTTL": "0s" }])), None),
    Law("rejects_an_error_without_a_code", |o| errors(o, json!([{ "cacheTTL": "1s" }])), Some("code: Required")),
    Law(
        "rejects_a_code_below_400",
        |o| errors(o, json!([{ "code": 399, "cacheTTL": "1s" }])),
        Some("errorResponses[0].code"),
    ),
    Law(
        "rejects_a_code_above_599",
        |o| errors(o, json!([{ "code": 600, "cacheTTL": "1s" }])),
        Some("errorResponses[0].code"),
    ),
    Law(
        "rejects_the_same_code_twice",
        |o| errors(o, json!([{ "code": 404, "cacheTTL": "1s" }, { "code": 404, "cacheTTL": "2s" }])),
        Some("Duplicate value"),
    ),
    Law("rejects_an_error_that_changes_nothing", |o| errors(o, json!([{ "code": 404 }])), Some("nothing changes")),
    Law(
        "rejects_a_page_without_a_status",
        |o| errors(o, json!([{ "code": 404, "responsePath": "/a" }])),
        Some("go together"),
    ),
    Law(
        "rejects_a_status_without_a_page",
        |o| errors(o, json!([{ "code": 404, "cacheTTL": "1s", "responseCode": 200 }])),
        Some("go together"),
    ),
    Law(
        "rejects_a_page_that_is_shown_as_a_redirection",
        |o| errors(o, json!([{ "code": 404, "responsePath": "/a", "responseCode": 302 }])),
        Some("responseCode must be 200"),
    ),
    Law(
        "rejects_a_page_that_is_shown_as_empty",
        |o| errors(o, json!([{ "code": 404, "responsePath": "/a", "responseCode": 204 }])),
        Some("responseCode must be 200"),
    ),
    Law(
        "accepts_a_page_with_another_error",
        |o| errors(o, json!([{ "code": 403, "responsePath": "/a", "responseCode": 404 }])),
        None,
    ),
    Law("rejects_a_page_without_a_leading_slash", |o| page(o, "a"), Some("responsePath")),
    Law("rejects_a_page_with_a_query", |o| page(o, "/a?b"), Some("responsePath")),
    Law("rejects_a_page_with_half_a_code", |o| page(o, "/%4"), Some("responsePath")),
    Law("rejects_a_page_above_itself", |o| page(o, "/a/../b"), Some("segments . and ..")),
    Law("rejects_a_page_above_itself_in_disguise", |o| page(o, "/a/.%2E"), Some("segments . and ..")),
    Law("accepts_dots_in_a_name", |o| page(o, "/a/...b/.c"), None),
    Law(
        "rejects_an_error_for_more_than_a_year",
        |o| errors(o, json!([{ "code": 404, "cacheTTL": "8761h" }])),
        Some("cacheTTL must be from 0s to 8760h"),
    ),
    Law(
        "rejects_21_errors",
        |o| {
            let all: Vec<_> = (400..421).map(|code| json!({ "code": code, "cacheTTL": "1s" })).collect();
            errors(o, json!(all));
        },
        Some("must have at most 20 items"),
    ),
    Law(
        "rejects_another_word_for_logging",
        |o| o["spec"]["logging"] = json!({ "access": "on" }),
        Some("logging.access"),
    ),
];

const PROXY_LAWS: [Law; 9] = [
    Law("accepts_networks", |o| proxies(o, json!(["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"])), None),
    Law("rejects_an_address_without_a_prefix", |o| proxies(o, json!(["10.0.0.7"])), Some("must be networks such as")),
    Law("rejects_a_name_of_a_proxy", |o| proxies(o, json!(["proxy.example.com"])), Some("must be networks such as")),
    Law("rejects_a_prefix_that_is_too_long", |o| proxies(o, json!(["10.0.0.0/33"])), Some("must be networks such as")),
    Law("rejects_bits_beyond_the_prefix", |o| proxies(o, json!(["10.0.0.7/8"])), Some("must be networks such as")),
    Law("rejects_a_zone", |o| proxies(o, json!(["fe80::1%eth0/128"])), Some("must be networks such as")),
    Law("rejects_an_empty_network", |o| proxies(o, json!([""])), Some("trustedProxies[0]")),
    Law("rejects_the_same_network_twice", |o| proxies(o, json!(["10.0.0.0/8", "10.0.0.0/8"])), Some("Duplicate value")),
    Law(
        "rejects_101_networks",
        |o| proxies(o, (0..101).map(|n| json!(format!("10.{n}.0.0/16"))).collect()),
        Some("must have at most 100 items"),
    ),
];

#[tokio::test]
async fn logging_that_is_asked_for_in_part_says_the_rest() {
    in_namespace("laws", |client, namespace| async move {
        install(&client).await;
        let mut object = distribution();
        object["spec"]["logging"] = json!({ "includeCookies": true });
        let made = answer(&client, &namespace, &object).await.expect("taken").data;
        assert_eq!(made["spec"]["logging"], json!({ "access": true, "includeCookies": true }));
        object["spec"]["logging"] = json!({});
        let made = answer(&client, &namespace, &object).await.expect("taken").data;
        assert_eq!(made["spec"]["logging"], json!({ "access": true, "includeCookies": false }));
    })
    .await;
}
