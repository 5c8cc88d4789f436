//! A path into the API's schema into what stands there: its fields, their types and what they mean, as `kubectl explain` says it.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::Value;

use crate::arguments::Fields;
use crate::{Outcome, schema};

/// The kind that is meant where none is named.
const USUAL: &str = "Distribution";

/// How many paths are offered at most.
const NAMED: usize = 3;

/// Prints the fields below a path.
pub fn run(fields: &Fields) -> Result<Outcome, String> {
    let asked = fields.path.as_deref().unwrap_or_default();
    let text = described(asked)?;
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| format!("writing: {error}"))?;
    Ok(Outcome::Well)
}

/// `spec.origins`, or `invalidation.spec`; items of lists are passed through.
fn described(asked: &str) -> Result<String, String> {
    let mut steps: Vec<&str> = asked.split(['.', '[', ']']).filter(|step| !step.is_empty()).collect();
    let named =
        steps.first().and_then(|first| schema::kinds().into_iter().find(|kind| kind.eq_ignore_ascii_case(first)));
    if named.is_some() {
        steps.remove(0);
    }
    let kind = named.unwrap_or(USUAL);
    if steps.is_empty() {
        steps.push("spec");
    }
    let mut here = schema::of(kind).ok_or_else(|| format!("there is no kind {kind}"))?;
    for (at, step) in steps.iter().enumerate() {
        here = inner(here)["properties"].get(*step).ok_or_else(|| {
            let of =
                if at == 0 { kind.to_owned() } else { steps.iter().take(at).copied().collect::<Vec<_>>().join(".") };
            format!("{of} has no field {step}; {}", instead(kind, &steps, here))
        })?;
    }
    Ok(page(&format!("{kind}.{}", steps.join(".")), here))
}

/// What may have been meant by a path that leads nowhere: the whole path of what it ends in, else what there is where it stops.
fn instead(kind: &str, steps: &[&str], here: &Value) -> String {
    let asked = steps.last().copied().unwrap_or_default();
    let meant = |name: &str| name.eq_ignore_ascii_case(asked) || name.strip_suffix('s') == Some(asked);
    let mut paths = Vec::new();
    for of in schema::kinds() {
        // A field of the other kind is named with that kind, as it is asked for.
        let begin = if of == kind { String::new() } else { format!("{}.", of.to_ascii_lowercase()) };
        let spec = schema::of(of).map_or(&Value::Null, |schema| &schema["properties"]["spec"]);
        walk(&format!("{begin}spec"), spec, &mut |path, name| {
            if meant(name) {
                paths.push(path.to_owned());
            }
        });
    }
    paths.sort_by_key(|path| path.matches('.').count());
    paths.truncate(NAMED);
    if let Some((last, others)) = paths.split_last() {
        let others = if others.is_empty() { String::new() } else { format!("{} or ", others.join(", ")) };
        return format!("did you mean {others}{last}?");
    }
    let known: Vec<_> = properties(here).map(|(name, _)| name.as_str()).collect();
    format!("there are {}", known.join(", "))
}

/// Calls `visit` with the path and the name of every field below a schema.
fn walk(path: &str, schema: &Value, visit: &mut impl FnMut(&str, &str)) {
    for (name, field) in properties(schema) {
        let path = format!("{path}.{name}");
        visit(&path, name);
        walk(&path, field, visit);
    }
}

/// What a list holds, what a map holds, or the thing itself.
fn inner(schema: &Value) -> &Value {
    let held =
        ["items", "additionalProperties"].into_iter().filter_map(|word| schema.get(word)).find(|of| of.is_object());
    held.unwrap_or(schema)
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    inner(schema)["properties"].as_object().into_iter().flatten()
}

fn page(name: &str, schema: &Value) -> String {
    let mut text = format!("{name}  ({})\n", of_type(schema));
    text.push_str(&indented(schema["description"].as_str().unwrap_or_default(), 2));
    let required: Vec<_> = inner(schema)["required"].as_array().into_iter().flatten().collect();
    for (name, field) in properties(schema) {
        let must = if required.iter().any(|must| *must == name) { ", required" } else { "" };
        let _ = writeln!(text, "\n  {name}  ({}{must}{})", of_type(field), default(field));
        text.push_str(&indented(field["description"].as_str().unwrap_or_default(), 6));
    }
    text
}

/// What a value must be.
fn of_type(schema: &Value) -> String {
    let choices: Vec<_> = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match schema["type"].as_str() {
        _ if !choices.is_empty() => choices.join(" | "),
        Some("array") => format!("list of: {}", of_type(&schema["items"])),
        Some("object") if schema.get("properties").is_some() => "fields".into(),
        Some("object") => "values by name".into(),
        Some("string") => "text".into(),
        Some("integer") => "whole number".into(),
        Some("boolean") => "true or false".into(),
        Some(other) => other.into(),
        None => "whole number or text".into(),
    }
}

fn default(schema: &Value) -> String {
    match &schema["default"] {
        Value::Null | Value::Object(_) => String::new(),
        Value::String(text) => format!(", default {text}"),
        other => format!(", default {other}"),
    }
}

/// Lines of at most about a hundred characters.
fn indented(text: &str, by: usize) -> String {
    const WIDTH: usize = 100;
    let (mut lines, mut line) = (String::new(), String::new());
    for word in text.split_whitespace() {
        if !line.is_empty() && by + line.chars().count() + word.chars().count() >= WIDTH {
            let _ = writeln!(lines, "{:by$}{line}", "");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        let _ = writeln!(lines, "{:by$}{line}", "");
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_its_fields_through_lists_too() {
        let origins = described("spec.origins").expect("is there");
        assert!(
            origins.starts_with("Distribution.spec.origins  (list of: fields)\n  Where content comes from."),
            "{origins}"
        );
        assert!(origins.contains("\n  name  (text, required)\n      The name that behaviors refer to."), "{origins}");
        assert_eq!(described("distribution.spec.origins[]"), Ok(origins));
        let all = described("").expect("is there");
        assert!(all.contains("\n  enabled  (true or false, default true)\n"), "{all}");
        assert!(
            described("spec.defaultBehavior")
                .expect("is there")
                .contains("(ReadOnly | ReadOptions | All, default ReadOnly)")
        );
        assert!(described("invalidation").expect("is there").contains("\n  paths  (list of: text, required)\n"));
    }

    #[test]
    fn what_is_no_field_is_told_what_there_is() {
        let wrong = described("spec.orgins").expect_err("is none");
        assert!(wrong.starts_with("spec has no field orgins; there are aliases, "), "{wrong}");
    }

    #[test]
    fn a_field_without_its_path_is_told_its_path() {
        let told = |asked: &str| described(asked).expect_err("is none");
        assert_eq!(
            told("origins"),
            "Distribution has no field origins; did you mean spec.origins, spec.behaviors.responseHeaders.cors.origins or spec.defaultBehavior.responseHeaders.cors.origins?"
        );
        assert_eq!(
            told("spec.TTL"),
            "spec has no field TTL; did you mean spec.behaviors.cache.ttl or spec.defaultBehavior.cache.ttl?"
        );
        assert_eq!(told("paths"), "Distribution has no field paths; did you mean invalidation.spec.paths?");
        assert_eq!(told("spec.origin.url"), "spec has no field origin; did you mean spec.origins.url?");
    }
}
