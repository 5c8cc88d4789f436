//! A document and a structural schema into the object with its defaults, or what is wrong with each field by itself.

use std::collections::{BTreeSet, HashMap};

use regex::Regex;
use serde_json::{Map, Number, Value as Json};

use super::{Fault, words};
use crate::document::{Key, Node, Value};

/// The words of schemas that are understood here, those that only describe or that other parts look at among them.
#[cfg(test)]
pub(super) const WORDS: [&str; 25] = [
    "additionalProperties",
    // Only beside `x-kubernetes-int-or-string`, which says the same.
    "anyOf",
    "default",
    "description",
    "enum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "pattern",
    "properties",
    "required",
    "type",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
    "nullable",
];

/// The object with every default, or all that is wrong.
pub(super) fn check(document: &Node, schema: &Json) -> Result<Json, Vec<Fault>> {
    let mut check = Check::default();
    let object = check.value(document, schema, "");
    if check.faults.is_empty() { Ok(object) } else { Err(check.faults) }
}

#[derive(Default)]
struct Check {
    faults: Vec<Fault>,
    /// Those that were compiled; a list may hold thousands of texts of one pattern. None: what is no pattern matches nothing.
    patterns: HashMap<String, Option<Regex>>,
}

impl Check {
    fn fault(&mut self, field: &str, message: impl Into<String>) {
        self.faults.push(Fault { field: field.to_owned(), message: message.into() });
    }

    fn value(&mut self, node: &Node, schema: &Json, field: &str) -> Json {
        let either = is(schema, "x-kubernetes-int-or-string");
        let wanted = schema["type"].as_str().unwrap_or_default();
        match (&node.value, wanted) {
            (Value::Map(entries), "object") => return self.map(entries, schema, field),
            (Value::List(items), "array") => return self.list(items, schema, field),
            (Value::Text(text), _) if wanted == "string" || either => self.text(text, schema, field),
            (Value::Number(number), _) if wanted == "integer" || either => self.integer(number, schema, field),
            (Value::Number(number), "number") => self.bounds(number, schema, field),
            (Value::Bool(_), "boolean") => {}
            (_, "") if !either => {}
            (found, _) => {
                if let Some(form) = self.form_that_quotes_do_not_mend(node, schema).filter(|_| !either) {
                    self.fault(field, format!("is {}, and must be {form}", name(found)));
                    return Json::Null;
                }
                let expected = if either { "a whole number or a text" } else { words::of_type(wanted) };
                let quotes = if wanted == "string" && is_scalar(found) { "; put it in quotes" } else { "" };
                let shape = words::shape(schema).map_or_else(String::new, |shape| format!(" such as {shape}"));
                self.fault(field, format!("must be {expected}{shape}, not {}{quotes}", name(found)));
                return Json::Null;
            }
        }
        let json = node.to_json();
        if let Some(allowed) = schema["enum"].as_array().filter(|allowed| !allowed.contains(&json)) {
            let allowed: Vec<_> = allowed.iter().filter_map(Json::as_str).collect();
            self.fault(field, format!("must be one of {}", allowed.join(", ")));
        }
        json
    }

    fn map(&mut self, entries: &[(Key, Node)], schema: &Json, field: &str) -> Json {
        let mut object = Map::new();
        let known = schema["properties"].as_object();
        // A null where none is allowed is dropped, so that a default takes its place.
        for (key, node) in entries.iter().filter(|(_, node)| node.value != Value::Null) {
            let inner = join(field, &key.name);
            let value = match (known.and_then(|known| known.get(&key.name)), schema.get("additionalProperties")) {
                (Some(property), _) => self.value(node, property, &inner),
                (None, Some(more)) if more.is_object() => self.value(node, more, &format!("{field}[{}]", key.name)),
                (None, Some(Json::Bool(true))) => node.to_json(),
                (None, _) if is(schema, "x-kubernetes-preserve-unknown-fields") => node.to_json(),
                (None, _) => {
                    let known: Vec<_> = known.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
                    self.fault(&inner, format!("is not a field; there are {}", known.join(", ")));
                    continue;
                }
            };
            object.insert(key.name.clone(), value);
        }
        fill(&mut object, schema);
        for missing in strings(&schema["required"]).filter(|name| !object.contains_key(*name)) {
            self.fault(&join(field, missing), "is required");
        }
        if let Some(most) = schema["maxProperties"].as_u64().filter(|most| count(object.len()) > *most) {
            self.fault(field, format!("must have at most {most} fields"));
        }
        Json::Object(object)
    }

    fn list(&mut self, nodes: &[Node], schema: &Json, field: &str) -> Json {
        let value = |(at, node)| {
            let name_of = |key: &str| words::plain(node, key);
            self.value(node, &schema["items"], &words::item(field, schema, at, name_of))
        };
        let items: Vec<Json> = nodes.iter().enumerate().map(value).collect();
        let length = count(items.len());
        if let Some(least) = schema["minItems"].as_u64().filter(|least| length < *least) {
            self.fault(field, format!("must have at least {least} {}", plural("item", least)));
        }
        if let Some(most) = schema["maxItems"].as_u64().filter(|most| length > *most) {
            self.fault(field, format!("must have at most {most} {}", plural("item", most)));
        }
        self.unique(&items, schema, field);
        Json::Array(items)
    }

    /// Items of a set, and what names the items of a map, stand there once.
    fn unique(&mut self, items: &[Json], schema: &Json, field: &str) {
        let keys: Vec<&str> = strings(&schema["x-kubernetes-list-map-keys"]).collect();
        let is_set = schema["x-kubernetes-list-type"] == "set";
        if !is_set && keys.is_empty() {
            return;
        }
        let mut seen = BTreeSet::new();
        for (at, item) in items.iter().enumerate() {
            let of_item =
                if is_set { item.to_string() } else { keys.iter().map(|key| item[key].to_string()).collect() };
            if !seen.insert(of_item) {
                let value = |of: &Json| words::of_scalar(of).map_or_else(String::new, |value| format!(": {value}"));
                let what = match keys.as_slice() {
                    [key] => format!("has the same {key}{}", value(&item[*key])),
                    [] => format!("is the same{}", value(item)),
                    keys => format!("has the same {}", keys.join(" and ")),
                };
                self.fault(&format!("{field}[{at}]"), format!("an earlier item {what}"));
            }
        }
    }

    fn text(&mut self, text: &str, schema: &Json, field: &str) {
        let length = count(text.chars().count());
        if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
            self.fault(field, format!("must have at least {least} {}", plural("character", least)));
        }
        if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
            self.fault(field, format!("must have at most {most} {}", plural("character", most)));
        }
        // Go's and Rust's regular expressions are the same for all that schemas may use.
        if let Some(pattern) = schema["pattern"].as_str().filter(|pattern| !self.matches(pattern, text)) {
            let words = words::of_pattern(pattern).map_or_else(|| format!("what matches {pattern}"), str::to_owned);
            self.fault(field, format!("must be {words}"));
        }
    }

    /// What a text must be where a number was written that would not do in quotes either: `60` for a duration.
    fn form_that_quotes_do_not_mend(&mut self, node: &Node, schema: &Json) -> Option<&'static str> {
        let (pattern, text) = (schema["pattern"].as_str()?, words::of_scalar(&node.to_json())?);
        if self.matches(pattern, &text) { None } else { words::of_pattern(pattern) }
    }

    fn matches(&mut self, pattern: &str, text: &str) -> bool {
        let compiled = self.patterns.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).ok());
        compiled.as_ref().is_some_and(|compiled| compiled.is_match(text))
    }

    fn integer(&mut self, number: &Number, schema: &Json, field: &str) {
        // As in Go: 3.0 is a whole number.
        let is_whole = number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|n| n.fract() == 0.0);
        if !is_whole {
            self.fault(field, "must be a whole number");
        } else if schema["format"] == "int32" && number.as_i64().is_none_or(|n| i32::try_from(n).is_err()) {
            self.fault(field, "is too large");
        }
        self.bounds(number, schema, field);
    }

    fn bounds(&mut self, number: &Number, schema: &Json, field: &str) {
        let Some(value) = number.as_f64() else { return };
        if let Some(least) = schema["minimum"].as_f64().filter(|least| value < *least) {
            self.fault(field, format!("must be at least {least}"));
        }
        if let Some(most) = schema["maximum"].as_f64().filter(|most| value > *most) {
            self.fault(field, format!("must be at most {most}"));
        }
    }
}

/// Puts the defaults of absent fields in, and theirs into those.
fn fill(object: &mut Map<String, Json>, schema: &Json) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if object.contains_key(name) {
            continue;
        }
        let Some(mut default) = property.get("default").cloned() else { continue };
        if let Json::Object(inner) = &mut default {
            fill(inner, property);
        }
        object.insert(name.clone(), default);
    }
}

fn join(field: &str, name: &str) -> String {
    if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") }
}

fn strings(list: &Json) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Json::as_str)
}

fn is(schema: &Json, word: &str) -> bool {
    schema[word] == true
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn plural(word: &str, of: u64) -> String {
    if of == 1 { word.to_owned() } else { format!("{word}s") }
}

fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Number(_))
}

fn name(found: &Value) -> &'static str {
    match found {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::Text(_) => "a text",
        Value::List(_) => "a list",
        Value::Map(_) => "fields by name",
    }
}
