//! A manifest and the schema of its kind into the object that an API server would store, or every reason why it would refuse it.
//!
//! There is no API server here, so what it does to a manifest is done here too: unknown fields are refused as kubectl's
//! server-side field validation does, types, bounds, enums and patterns are held to, defaults are filled in, and the rules
//! across fields (CEL) are asked once the rest is sound.
//! Guarantees: the schemas are those of the `CustomResourceDefinition`s themselves, made from the same types.
//! Assumptions: they use the words of [`structural::WORDS`] only; a test looks.

mod choices;
mod rules;
mod structural;
mod words;

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::document::Node;

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field, as API servers write it: `spec.origins[0].url`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// The kinds of this API, each with its schema.
static KINDS: LazyLock<Vec<(String, Value)>> = LazyLock::new(|| {
    let kinds = crds::schema::definitions().into_iter().map(|definition| {
        let version = definition.spec.versions.into_iter().next().and_then(|version| version.schema);
        let schema = serde_json::to_value(version.and_then(|schema| schema.open_api_v3_schema));
        (definition.spec.names.kind, whole(schema.unwrap_or_else(|error| unreachable!("plain data: {error}"))))
    });
    kinds.collect()
});

/// What every object has, beside its own fields. A status is the operator's: an API server drops it when the object is applied.
fn whole(mut schema: Value) -> Value {
    let texts = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let label = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";
    let name = json!({ "type": "string", "minLength": 1, "maxLength": 253, "pattern": label });
    let anything = json!({ "x-kubernetes-preserve-unknown-fields": true });
    let own = [
        ("apiVersion", json!({ "type": "string" })),
        ("kind", json!({ "type": "string" })),
        ("status", anything.clone()),
        (
            "metadata",
            json!({ "type": "object", "properties": {
                "name": name, "namespace": name, "labels": texts, "annotations": texts,
                "generateName": { "type": "string", "maxLength": 253 },
                "finalizers": { "type": "array", "items": { "type": "string" } },
                "uid": { "type": "string" }, "resourceVersion": { "type": "string" }, "selfLink": { "type": "string" },
                "generation": { "type": "integer" }, "deletionGracePeriodSeconds": { "type": "integer" },
                "creationTimestamp": { "type": "string" }, "deletionTimestamp": { "type": "string" },
                "ownerReferences": anything, "managedFields": anything,
            }}),
        ),
    ];
    for (field, of_field) in own {
        schema["properties"][field] = of_field;
    }
    schema["required"] = json!(["metadata", "spec"]);
    schema
}

/// Whether this API has such a kind.
pub fn has(kind: &str) -> bool {
    of(kind).is_some()
}

/// The names of its kinds.
pub fn kinds() -> Vec<&'static str> {
    KINDS.iter().map(|(kind, _)| kind.as_str()).collect()
}

/// The schema of a kind.
pub fn of(kind: &str) -> Option<&'static Value> {
    KINDS.iter().find(|(known, _)| known == kind).map(|(_, schema)| schema)
}

/// The object as an API server would store it.
pub fn admit(document: &Node, kind: &str) -> Result<Value, Vec<Fault>> {
    let Some(schema) = of(kind) else {
        return Err(vec![Fault { field: "kind".into(), message: format!("there is no kind {kind}") }]);
    };
    let object = structural::check(document, schema)?;
    let broken = choices::name(&object, rules::check(&object, schema));
    if broken.is_empty() { Ok(object) } else { Err(broken) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document;

    fn admitted(text: &str) -> Result<Value, Vec<Fault>> {
        let document = document::parse(text).expect("is YAML").remove(0);
        let kind = document.get("kind").and_then(Node::text).expect("a kind").to_owned();
        admit(&document, &kind)
    }

    /// A Distribution with these lines in its spec, in place of the ones that it has otherwise.
    fn distribution(origins: &str, more: &str) -> String {
        format!(
            "apiVersion: cdn.kubefront.io/v1alpha1\nkind: Distribution\nmetadata: {{name: shop}}\nspec:\n  origins: {origins}\n{more}"
        )
    }

    const ORIGINS: &str = "[{name: app, service: {name: shop, port: 80}}]";
    const DEFAULT: &str = "  defaultBehavior: {origin: app}\n";

    #[track_caller]
    fn refuses(text: &str, expect: &[&str]) {
        let faults = admitted(text).expect_err("is refused");
        let said: Vec<String> = faults.iter().map(|fault| format!("{}: {}", fault.field, fault.message)).collect();
        assert_eq!(said, expect, "{text}");
    }

    #[test]
    fn defaults_are_those_of_the_api_server() {
        let object = admitted(&distribution(ORIGINS, DEFAULT)).expect("is sound");
        assert_eq!(object["spec"]["type"], "Web");
        assert_eq!(object["spec"]["enabled"], true);
        assert_eq!(object["spec"]["defaultBehavior"]["methods"], "ReadOnly");
        assert_eq!(object["spec"]["origins"][0].get("attempts"), None, "no default lies inside a list");
    }

    #[test]
    fn a_null_is_as_if_nothing_was_written() {
        let object = admitted(&distribution(ORIGINS, "  enabled: ~\n  aliases: ~\n  defaultBehavior: {origin: app}\n"));
        let object = object.expect("is sound");
        assert_eq!((object["spec"]["enabled"].as_bool(), object["spec"].get("aliases")), (Some(true), None));
    }

    #[test]
    fn what_the_schema_refuses_is_refused_with_its_field() {
        refuses(&distribution(ORIGINS, ""), &["spec.defaultBehavior: is required"]);
        refuses(&distribution("[]", DEFAULT), &["spec.origins: must have at least 1 item"]);
        refuses(
            &distribution("[{name: app, url: \"ftp://a\"}]", DEFAULT),
            &[
                "spec.origins[app].url: must be a URL that begins with http:// or https://, such as https://app.example.com, without user, query and fragment",
            ],
        );
        refuses(
            &distribution("[{name: app, url: \"http://a\", attempts: 4}]", DEFAULT),
            &["spec.origins[app].attempts: must be at most 3"],
        );
        refuses(
            &distribution(ORIGINS, "  defaultBehavior: {origin: app, methods: Some}\n"),
            &["spec.defaultBehavior.methods: must be one of ReadOnly, ReadOptions, All"],
        );
        refuses(
            &distribution(ORIGINS, "  contentVersion: 1\n  defaultBehavior: {origin: app}\n"),
            &["spec.contentVersion: must be a text, not a number; put it in quotes"],
        );
        refuses(
            &distribution("[{name: app, url: \"http://a\", responseTimeout: 60}]", DEFAULT),
            &[
                "spec.origins[app].responseTimeout: is a number, and must be a duration such as 30s, 5m, 24h or 1h30m; there are no days",
            ],
        );
        refuses(
            &distribution("[{name: app, url: \"http://a\"}, {name: app, url: \"http://b\"}]", DEFAULT),
            &["spec.origins[1]: an earlier item has the same name: app"],
        );
    }

    #[test]
    fn what_is_to_be_chosen_is_named_with_what_there_is() {
        let behaviors = "  behaviors: [{pathPattern: \"/a/*\", origin: app}, {pathPattern: \"/img/*\", origin: img}, {pathPattern: \"/a/*\", origin: app}]\n";
        refuses(
            &distribution(ORIGINS, &format!("{behaviors}{DEFAULT}")),
            &[
                "spec.behaviors[/img/*].origin: there is no origin img; there is app",
                "spec.behaviors[2].pathPattern: an earlier behavior has the same pattern, /a/*, so this one would never be used",
            ],
        );
        let groups = "  originGroups: [{name: ha, primary: app, secondary: web}]\n";
        refuses(
            &distribution(ORIGINS, &format!("{groups}{DEFAULT}")),
            &["spec.originGroups[ha].secondary: there is no origin web; there is app"],
        );
        let shielded = "[{name: app, url: \"http://a\", shield: {location: us}}]";
        refuses(
            &distribution(shielded, DEFAULT),
            &["spec.origins[app].shield.location: there is no location us; there is default"],
        );
        let locations = "  locations: [{name: eu}, {name: ap}]\n";
        refuses(
            &distribution(shielded, &format!("{locations}{DEFAULT}")),
            &["spec.origins[app].shield.location: there is no location us; there is eu, ap"],
        );
        admitted(&distribution(&shielded.replace("us", "ap"), &format!("{locations}{DEFAULT}"))).expect("is sound");
    }

    #[test]
    fn what_is_of_another_kind_is_told_what_it_looks_like() {
        refuses(
            &distribution("[{name: app, service: shop-origin}]", DEFAULT),
            &["spec.origins[app].service: must be fields by name such as {name: …, port: …}, not a text"],
        );
        refuses(
            &distribution(ORIGINS, "  defaultBehavior: {origin: app, cache: {ttl: {default: 1d}}}\n"),
            &[
                "spec.defaultBehavior.cache.ttl.default: must be a duration such as 30s, 5m, 24h or 1h30m; there are no days",
            ],
        );
    }

    #[test]
    fn what_nobody_knows_is_refused_and_not_dropped() {
        let faults =
            admitted(&distribution(ORIGINS, "  defaultBehaviour: {origin: app}\n  defaultBehavior: {origin: app}\n"));
        let faults = faults.expect_err("is refused");
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(faults[0].field, "spec.defaultBehaviour");
        assert!(faults[0].message.starts_with("is not a field; there are "), "{faults:?}");
        assert!(faults[0].message.contains("defaultBehavior,"), "{faults:?}");
    }

    #[test]
    fn rules_across_fields_are_asked() {
        refuses(
            &distribution(ORIGINS, "  defaultBehavior: {origin: web}\n"),
            &["spec.defaultBehavior.origin: there is no origin web; there is app"],
        );
        refuses(
            &distribution("[{name: app}]", DEFAULT),
            &["spec.origins[app]: give exactly one of service, ingress, url and s3"],
        );
        refuses(
            &distribution("[{name: app, url: \"http://a\", connectTimeout: 11s}]", DEFAULT),
            &["spec.origins[app].connectTimeout: connectTimeout must be from 1s to 10s (it is 11s)"],
        );
        refuses(
            &distribution("[{name: app, service: {name: a, port: 0}}]", DEFAULT),
            &[
                "spec.origins[app].service.port: port must be a number from 1 to 65535, without quotes, or the name of a port of the Service (it is 0)",
            ],
        );
        refuses(
            &distribution("[{name: app, url: \"http://a\", headers: [{name: Via, value: x}]}]", DEFAULT),
            &["spec.origins[app].headers[Via].name: this field belongs to the edge; for Host use hostHeader"],
        );
        refuses(
            &distribution(
                ORIGINS,
                "  locations: [{name: eu, cache: {memory: 1Ki}}]\n  defaultBehavior: {origin: app}\n",
            ),
            &["spec.locations[eu].cache.memory: cache.memory must be a quantity from 1Mi to 256Gi (it is 1Ki)"],
        );
    }

    #[test]
    fn rules_of_groups_buckets_tls_and_secrets_are_asked() {
        let of_origin = |fields: &str, expect: &str| {
            let origins = format!("[{{name: app, {fields}}}]");
            refuses(&distribution(&origins, DEFAULT), &[&format!("spec.origins[app]{expect}")]);
        };
        let header = "headers: [{name: X-A, value: a, secretKeyRef: {name: s, key: k}}]";
        of_origin(&format!("url: \"http://a\", {header}"), ".headers[X-A]: give exactly one of value and secretKeyRef");
        of_origin("url: \"http://a\", tls: {}", ".tls: tls goes with an https url");
        of_origin(
            "url: \"https://a\", tls: {caSecretRef: {name: a}, caConfigMapRef: {name: a}}",
            ".tls: give caSecretRef or caConfigMapRef, not both",
        );
        of_origin(
            "s3: {bucket: assets, region: eu}, hostHeader: {mode: Viewer}",
            ".hostHeader: a bucket is asked by its own name, which is signed: leave out hostHeader",
        );
        of_origin(
            "s3: {bucket: assets, region: eu, prefix: a/../b}",
            ".s3.prefix: prefix must not hold . or .. as a part (it is a/../b)",
        );
        of_origin(
            "s3: {bucket: 10.0.0.1, region: eu}",
            ".s3.bucket: bucket must not look like an address, begin with xn-- or hold two dots in a row (it is 10.0.0.1)",
        );
        admitted(&distribution("[{name: app, s3: {bucket: assets.example, region: eu, prefix: a.b/..c/}}]", DEFAULT))
            .expect("is sound");

        let two = "[{name: app, url: \"http://a\"}, {name: spare, url: \"http://b\"}]";
        let grouped = |group: &str, expect: &[&str]| {
            let rest = format!("  originGroups: [{group}]\n  defaultBehavior: {{origin: ha}}\n");
            refuses(&distribution(two, &rest), expect);
        };
        let rest = "  originGroups: [{name: ha, primary: app, secondary: spare}]\n  defaultBehavior: {origin: ha}\n";
        admitted(&distribution(two, rest)).expect("is sound");
        grouped(
            "{name: ha, primary: app, secondary: app}",
            &["spec.originGroups[ha].secondary: an origin cannot stand in for itself: name two"],
        );
        grouped(
            "{name: ha, primary: app, secondary: gone}",
            &["spec.originGroups[ha].secondary: there is no origin gone; there is app, spare"],
        );
    }

    #[test]
    fn a_name_that_is_too_long_is_refused_by_the_rule_of_the_whole_object() {
        let text = distribution(ORIGINS, DEFAULT).replace("{name: shop}", "{name: a-name-that-is-longer-than-thirty}");
        let faults = admitted(&text).expect_err("is refused");
        assert!(faults[0].message.starts_with("metadata.name must be at most 30"), "{faults:?}");
    }

    #[test]
    fn an_invalidation_is_held_to_its_rules_too() {
        let invalidation = |metadata: &str, spec: &str| {
            format!("apiVersion: cdn.kubefront.io/v1alpha1\nkind: Invalidation\nmetadata: {metadata}\nspec: {spec}\n")
        };
        admitted(&invalidation("{generateName: shop-}", "{distributionRef: {name: shop}, paths: [/, \"/img/*\"]}"))
            .expect("is sound");
        refuses(
            &invalidation("{name: a}", "{distributionRef: {name: shop}, paths: [/], ttlSecondsAfterFinished: 1}"),
            &[
                "spec.ttlSecondsAfterFinished: ttlSecondsAfterFinished needs a generated name: an Invalidation of a fixed name stays, so that re-applying it finds it",
            ],
        );
        refuses(
            &invalidation("{name: a}", "{distributionRef: {name: shop}, paths: [img]}"),
            &[
                "spec.paths[0]: must be a path that begins with /, such as /index.html or /img/*, with * as the last character alone",
            ],
        );
    }

    /// Calls `visit` with every schema within a schema.
    fn walk(schema: &Value, visit: &mut impl FnMut(&Value)) {
        visit(schema);
        for (_, property) in schema["properties"].as_object().into_iter().flatten() {
            walk(property, visit);
        }
        for inner in ["items", "additionalProperties"].iter().filter_map(|inner| schema.get(inner)) {
            if inner.is_object() {
                walk(inner, visit);
            }
        }
    }

    #[test]
    fn every_pattern_of_the_schemas_is_told_in_words() {
        for (kind, schema) in KINDS.iter() {
            walk(schema, &mut |schema| {
                if let Some(pattern) = schema["pattern"].as_str() {
                    assert!(words::of_pattern(pattern).is_some(), "{kind}: {pattern} needs a line in schema/words.rs");
                }
            });
        }
    }

    #[test]
    fn the_schemas_use_no_word_that_is_not_understood_here() {
        let mut rules = 0;
        for (kind, schema) in KINDS.iter() {
            walk(schema, &mut |schema| {
                for word in schema.as_object().into_iter().flatten().map(|(word, _)| word) {
                    assert!(structural::WORDS.contains(&word.as_str()), "{kind}: {word} is not checked by kubefront");
                }
                for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
                    let text = rule["rule"].as_str().expect("a rule");
                    assert_eq!(rules::unknown(text), Vec::<String>::new(), "{kind}: {text} cannot be judged here");
                    rules += 1;
                }
            });
        }
        assert!(rules >= 15, "{rules}");
    }
}
