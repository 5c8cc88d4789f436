//! What the API server takes and refuses of origins: where they are, how they are asked, shields, groups and buckets.

use serde_json::{Value, json};
use tests::cluster::in_namespace;

use crate::distribution::distribution;
use crate::{Law, hold, install};

fn origin(object: &mut Value) -> &mut Value {
    &mut object["spec"]["origins"][0]
}

/// The origin as a bucket with these fields.
fn bucket(object: &mut Value, fields: Value) {
    let mut s3 = json!({ "bucket": "assets", "region": "eu-west-1" });
    s3.as_object_mut().expect("an object").extend(fields.as_object().expect("fields").clone());
    *origin(object) = json!({ "name": "app", "s3": s3 });
}

/// A second origin, and a group.
fn group(object: &mut Value, group: Value) {
    let spare = json!({ "name": "spare", "url": "https://spare.example.com" });
    object["spec"]["origins"].as_array_mut().expect("a list").push(spare);
    object["spec"]["originGroups"] = json!([group]);
}

#[tokio::test]
async fn origins_are_taken_or_refused_by_their_own_laws() {
    in_namespace("laws", |client, namespace| async move {
        install(&client).await;
        hold(&client, &namespace, distribution, &ORIGIN_LAWS).await;
    })
    .await;
}

const ORIGIN_LAWS: [Law; 61] = [
    Law("rejects_no_origin", |o| o["spec"]["origins"] = json!([]), Some("should have at least 1 items")),
    Law(
        "rejects_an_origin_of_no_kind",
        |o| *origin(o) = json!({ "name": "app" }),
        Some("exactly one of service, ingress, url and s3"),
    ),
    Law(
        "rejects_an_origin_of_two_kinds",
        |o| origin(o)["url"] = json!("http://a"),
        Some("exactly one of service, ingress, url and s3"),
    ),
    Law(
        "accepts_an_origin_by_url",
        |o| *origin(o) = json!({ "name": "app", "url": "https://a.example.com:8443/base" }),
        None,
    ),
    Law("accepts_an_origin_by_ingress", |o| *origin(o) = json!({ "name": "app", "ingress": { "name": "web" } }), None),
    Law("rejects_a_url_of_another_scheme", |o| *origin(o) = json!({ "name": "app", "url": "ftp://a" }), Some("url")),
    Law("rejects_a_url_without_a_host", |o| *origin(o) = json!({ "name": "app", "url": "http:///a" }), Some("url")),
    Law("rejects_a_url_with_a_user", |o| *origin(o) = json!({ "name": "app", "url": "http://u:p@a/" }), Some("url")),
    Law("rejects_a_url_with_a_query", |o| *origin(o) = json!({ "name": "app", "url": "http://a/?b" }), Some("url")),
    Law("accepts_a_service_of_another_namespace", |o| origin(o)["service"]["namespace"] = json!("team-b"), None),
    Law(
        "rejects_a_namespace_that_is_no_name",
        |o| origin(o)["service"]["namespace"] = json!("Team.B"),
        Some("service.namespace"),
    ),
    Law("accepts_a_port_by_name", |o| origin(o)["service"]["port"] = json!("http"), None),
    Law("rejects_a_number_in_quotes", |o| origin(o)["service"]["port"] = json!("8080"), Some("without quotes")),
    Law("rejects_port_0", |o| origin(o)["service"]["port"] = json!(0), Some("port must be a number from 1 to 65535")),
    Law(
        "rejects_port_65536",
        |o| origin(o)["service"]["port"] = json!(65536),
        Some("port must be a number from 1 to 65535"),
    ),
    Law(
        "rejects_a_port_name_that_is_none",
        |o| origin(o)["service"]["port"] = json!("Http"),
        Some("port must be a number"),
    ),
    Law(
        "rejects_two_origins_of_one_name",
        |o| {
            let first = origin(o).clone();
            o["spec"]["origins"] = json!([first, first]);
        },
        Some("Duplicate value"),
    ),
    Law(
        "rejects_26_origins",
        |o| {
            o["spec"]["origins"] = (0..26)
                .map(|n| json!({ "name": if n == 0 { "app".to_owned() } else { format!("o{n}") }, "url": "http://a" }))
                .collect();
        },
        Some("must have at most 25 items"),
    ),
    Law("accepts_a_shield_at_the_only_location", |o| origin(o)["shield"] = json!({ "location": "default" }), None),
    Law(
        "rejects_a_shield_at_no_location",
        |o| origin(o)["shield"] = json!({ "location": "eu" }),
        Some("shield.location names no location"),
    ),
    Law(
        "accepts_a_shield_at_one_of_the_locations",
        |o| {
            origin(o)["shield"] = json!({ "location": "eu" });
            o["spec"]["locations"] = json!([{ "name": "us" }, { "name": "eu" }]);
        },
        None,
    ),
    Law(
        "rejects_a_shield_at_the_default_location_where_there_are_others",
        |o| {
            origin(o)["shield"] = json!({ "location": "default" });
            o["spec"]["locations"] = json!([{ "name": "eu" }]);
        },
        Some("shield.location names no location"),
    ),
    Law(
        "accepts_a_shield_at_the_default_location_beside_an_empty_list",
        |o| {
            origin(o)["shield"] = json!({ "location": "default" });
            o["spec"]["locations"] = json!([]);
        },
        None,
    ),
    Law("rejects_a_shield_without_a_location", |o| origin(o)["shield"] = json!({}), Some("shield.location")),
    Law(
        "rejects_a_connect_time_out_above_10s",
        |o| origin(o)["connectTimeout"] = json!("11s"),
        Some("connectTimeout must be from 1s to 10s"),
    ),
    Law(
        "rejects_a_response_time_out_above_180s",
        |o| origin(o)["responseTimeout"] = json!("181s"),
        Some("responseTimeout must be from 1s to 180s"),
    ),
    Law("rejects_4_attempts", |o| origin(o)["attempts"] = json!(4), Some("attempts")),
    Law(
        "rejects_a_fixed_host_without_a_value",
        |o| origin(o)["hostHeader"] = json!({ "mode": "Fixed" }),
        Some("value goes with mode Fixed"),
    ),
    Law(
        "rejects_a_value_with_the_viewers_host",
        |o| origin(o)["hostHeader"] = json!({ "mode": "Viewer", "value": "a" }),
        Some("value goes with mode Fixed"),
    ),
    Law(
        "rejects_a_header_of_the_edges_own",
        |o| origin(o)["headers"] = json!([{ "name": "Host", "value": "a" }]),
        Some("belongs to the edge"),
    ),
    Law(
        "rejects_a_header_value_with_a_line_break",
        |o| origin(o)["headers"] = json!([{ "name": "X-A", "value": "a\r\nb: c" }]),
        Some("value"),
    ),
    Law(
        "accepts_a_header_out_of_a_secret",
        |o| {
            origin(o)["headers"] =
                json!([{ "name": "X-A", "secretKeyRef": { "name": "shop.token", "key": "token.txt" } }])
        },
        None,
    ),
    Law(
        "rejects_a_header_of_two_values",
        |o| {
            origin(o)["headers"] = json!([{ "name": "X-A", "value": "a", "secretKeyRef": { "name": "s", "key": "k" } }])
        },
        Some("exactly one of value and secretKeyRef"),
    ),
    Law(
        "rejects_a_header_of_no_value",
        |o| origin(o)["headers"] = json!([{ "name": "X-A" }]),
        Some("exactly one of value and secretKeyRef"),
    ),
    Law(
        "rejects_a_key_that_leads_out_of_its_secret",
        |o| origin(o)["headers"] = json!([{ "name": "X-A", "secretKeyRef": { "name": "s", "key": "../k" } }]),
        Some("secretKeyRef.key"),
    ),
    Law(
        "accepts_tls_with_an_authority_and_an_identity",
        |o| {
            origin(o)["tls"] = json!({ "caConfigMapRef": { "name": "ca" }, "serverName": "app.example.com",
                "clientCertificateSecretRef": { "name": "edge" } })
        },
        None,
    ),
    Law("accepts_tls_with_nothing_to_say", |o| origin(o)["tls"] = json!({}), None),
    Law(
        "rejects_two_authorities",
        |o| origin(o)["tls"] = json!({ "caConfigMapRef": { "name": "ca" }, "caSecretRef": { "name": "ca" } }),
        Some("caSecretRef or caConfigMapRef, not both"),
    ),
    Law(
        "rejects_an_authority_that_verifies_nothing",
        |o| origin(o)["tls"] = json!({ "caSecretRef": { "name": "ca" }, "insecureSkipVerify": true }),
        Some("nothing is verified"),
    ),
    Law(
        "rejects_tls_with_a_plain_url",
        |o| *origin(o) = json!({ "name": "app", "url": "http://app.example.com", "tls": {} }),
        Some("tls goes with an https url"),
    ),
    Law(
        "rejects_a_server_name_with_a_port",
        |o| origin(o)["tls"] = json!({ "serverName": "app.example.com:443" }),
        Some("tls.serverName"),
    ),
    Law(
        "accepts_an_origin_group",
        |o| {
            group(o, json!({ "name": "ha", "primary": "app", "secondary": "spare", "failoverOn": [404, 503] }));
            o["spec"]["defaultBehavior"]["origin"] = json!("ha");
            o["spec"]["behaviors"] = json!([{ "pathPattern": "/a", "origin": "ha" }]);
        },
        None,
    ),
    Law(
        "rejects_a_group_with_the_name_of_an_origin",
        |o| group(o, json!({ "name": "app", "primary": "app", "secondary": "spare" })),
        Some("has the name of an origin"),
    ),
    Law(
        "rejects_a_group_of_one",
        |o| group(o, json!({ "name": "ha", "primary": "app", "secondary": "app" })),
        Some("cannot stand in for itself"),
    ),
    Law(
        "rejects_a_group_of_no_origin",
        |o| group(o, json!({ "name": "ha", "primary": "app", "secondary": "gone" })),
        Some("must be origins of this Distribution"),
    ),
    Law(
        "rejects_a_success_to_fail_over_on",
        |o| group(o, json!({ "name": "ha", "primary": "app", "secondary": "spare", "failoverOn": [200] })),
        Some("failoverOn"),
    ),
    Law(
        "rejects_11_groups",
        |o| {
            group(o, json!({}));
            let named = |n| json!({ "name": format!("g{n}"), "primary": "app", "secondary": "spare" });
            o["spec"]["originGroups"] = (0..11).map(named).collect();
        },
        Some("must have at most 10 items"),
    ),
    Law(
        "accepts_a_bucket",
        |o| {
            bucket(
                o,
                json!({ "endpoint": "https://minio.example.com:9000", "prefix": "public/", "addressing": "Path",
                "credentialsSecretRef": { "name": "s3" } }),
            )
        },
        None,
    ),
    Law("accepts_the_least_of_a_bucket", |o| bucket(o, json!({})), None),
    Law("accepts_a_bucket_with_a_dot", |o| bucket(o, json!({ "bucket": "assets.example.com" })), None),
    Law("rejects_a_bucket_without_a_region", |o| bucket(o, json!({ "region": "" })), Some("s3.region")),
    Law("rejects_a_bucket_in_upper_case", |o| bucket(o, json!({ "bucket": "Assets" })), Some("s3.bucket")),
    Law("rejects_a_bucket_of_two_characters", |o| bucket(o, json!({ "bucket": "ab" })), Some("s3.bucket")),
    Law(
        "rejects_a_bucket_that_looks_like_an_address",
        |o| bucket(o, json!({ "bucket": "192.168.5.4" })),
        Some("must not look like an address"),
    ),
    Law(
        "rejects_a_bucket_with_two_dots_in_a_row",
        |o| bucket(o, json!({ "bucket": "a..b" })),
        Some("two dots in a row"),
    ),
    Law(
        "rejects_a_directory_bucket",
        |o| bucket(o, json!({ "bucket": "assets--euw1-az1--x-s3" })),
        Some("directory buckets"),
    ),
    Law("rejects_a_prefix_with_a_leading_slash", |o| bucket(o, json!({ "prefix": "/a" })), Some("s3.prefix")),
    Law("rejects_a_prefix_that_leads_up", |o| bucket(o, json!({ "prefix": "a/../b" })), Some("as a part")),
    Law(
        "rejects_an_endpoint_with_a_path",
        |o| bucket(o, json!({ "endpoint": "https://minio.example.com/a" })),
        Some("s3.endpoint"),
    ),
    Law(
        "rejects_the_viewers_host_for_a_bucket",
        |o| {
            bucket(o, json!({}));
            origin(o)["hostHeader"] = json!({ "mode": "Viewer" });
        },
        Some("leave out hostHeader"),
    ),
    Law(
        "rejects_tls_with_a_plain_endpoint",
        |o| {
            bucket(o, json!({ "endpoint": "http://minio.example.com" }));
            origin(o)["tls"] = json!({});
        },
        Some("tls goes with an https url"),
    ),
];
