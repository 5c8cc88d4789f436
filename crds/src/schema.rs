//! The types' schemas into `CustomResourceDefinition`s that the API server takes: structural, bounded, GitOps-friendly.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::{Distribution, Invalidation};

/// Both kinds, as they are installed.
///
/// # Panics
/// Never for the types of this crate: a test makes them all.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    [Distribution::crd(), Invalidation::crd()].into_iter().map(finish).collect()
}

/// A definition as the YAML file that lies beside this crate.
pub fn yaml(definition: &CustomResourceDefinition) -> String {
    let text =
        serde_saphyr::to_string(definition).unwrap_or_else(|error| unreachable!("a definition is plain data: {error}"));
    format!("# Generated from the types in crds/src by `make generate`. Do not edit.\n{text}")
}

fn finish(definition: CustomResourceDefinition) -> CustomResourceDefinition {
    let mut value = serde_json::to_value(definition).unwrap_or_else(|error| unreachable!("plain data: {error}"));
    for version in value["spec"]["versions"].as_array_mut().into_iter().flatten() {
        let schema = &mut version["schema"]["openAPIV3Schema"];
        tidy(schema, false);
        // An object that no operator has seen yet is in progress for kstatus: it compares observedGeneration.
        schema["properties"]["status"]["default"] = json!({ "observedGeneration": -1 });
    }
    serde_json::from_value(value).unwrap_or_else(|error| unreachable!("it was one before: {error}"))
}

/// Drops what makes trouble: `nullable` (a null is a mistake, not a value), titles, formats the API server warns of, and
/// defaults inside list items, which GitOps tools see as drift.
fn tidy(schema: &mut Value, in_list: bool) {
    let Value::Object(fields) = schema else { return };
    for name in ["nullable", "title"] {
        // A property may itself be called so: then its value is a schema, not a word.
        if fields.get(name).is_some_and(|value| !value.is_object()) {
            fields.remove(name);
        }
    }
    if let Some(Value::String(text)) = fields.get_mut("description") {
        *text = unwrapped(text);
    }
    if fields.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
        fields.insert("format".into(), json!("int64"));
    }
    if in_list {
        fields.remove("default");
    }
    for (name, value) in fields.iter_mut() {
        match name.as_str() {
            "properties" => {
                for (_, property) in value.as_object_mut().into_iter().flatten() {
                    tidy(property, in_list);
                }
            }
            "items" => tidy(value, true),
            "additionalProperties" => tidy(value, in_list),
            _ => {}
        }
    }
}

/// A doc comment without the line breaks of the source: `kubectl explain` wraps by itself. Paragraphs stay.
fn unwrapped(text: &str) -> String {
    text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n")
}

/// A Kubernetes quantity: `256Mi`, or a plain number of bytes.
pub(crate) fn quantity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "x-kubernetes-int-or-string": true, "anyOf": [{ "type": "integer" }, { "type": "string" }], "maxLength": 32 })
}

/// A port of a Service by number or name.
pub(crate) fn service_port(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "x-kubernetes-int-or-string": true, "anyOf": [{ "type": "integer" }, { "type": "string" }], "maxLength": 63 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The command that rewrites the files this compares with.
    const COMMAND: &str = "make generate";

    #[test]
    fn the_yaml_beside_the_types_is_generated_from_them() {
        let here = concat!(env!("CARGO_MANIFEST_DIR"), "/");
        for definition in definitions() {
            let path = format!("{here}{}.yaml", definition.spec.names.plural);
            let fresh = yaml(&definition);
            if std::env::var_os("UPDATE").is_some() {
                std::fs::write(&path, &fresh).expect("writes");
            }
            let there = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(there == fresh, "{path} is out of date: run `{COMMAND}`");
        }
    }

    fn walk(schema: &Value, in_list: bool, visit: &mut impl FnMut(&Value, bool)) {
        visit(schema, in_list);
        for property in schema["properties"].as_object().into_iter().flatten() {
            walk(property.1, in_list, visit);
        }
        if schema["items"].is_object() {
            walk(&schema["items"], true, visit);
        }
    }

    #[test]
    fn no_default_lies_inside_a_list_item() {
        for definition in definitions() {
            let value = serde_json::to_value(&definition).expect("plain data");
            walk(&value["spec"]["versions"][0]["schema"]["openAPIV3Schema"], false, &mut |schema, in_list| {
                assert!(!in_list || schema.get("default").is_none(), "{schema}");
            });
        }
    }

    /// What `explain` prints of an optional choice is easily that of its type, which tells neither default nor effect.
    #[test]
    fn every_choice_is_explained_by_name() {
        let mut choices = 0;
        for definition in definitions() {
            let value = serde_json::to_value(&definition).expect("plain data");
            let root = &value["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            walk(&root["properties"]["spec"], false, &mut |schema, _| {
                for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                    let said = field["description"].as_str().unwrap_or_default();
                    for choice in
                        [&field["enum"], &field["items"]["enum"]].into_iter().filter_map(Value::as_array).flatten()
                    {
                        choices += 1;
                        let choice = choice.as_str().expect("a word");
                        assert!(said.contains(choice), "{name} does not say what {choice} means: {said}");
                    }
                }
            });
        }
        assert!(choices >= 15, "{choices}");
    }

    #[test]
    fn every_field_that_users_write_is_explained() {
        for definition in definitions() {
            let value = serde_json::to_value(&definition).expect("plain data");
            let root = &value["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            for (name, field) in root["properties"]["spec"]["properties"].as_object().expect("a spec") {
                assert!(field["description"].as_str().is_some_and(|text| text.len() > 20), "{name} is not explained");
            }
        }
    }
}
