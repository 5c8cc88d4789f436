//! YAML text into documents whose every node knows its line, so that whatever is said of a field names a place in a file.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::Spanned;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its line, from 1.
    pub line: u64,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
    /// Values in order.
    List(Vec<Node>),
    /// Values by name, in the order of the file.
    Map(Vec<(Key, Node)>),
}

/// A name in a map and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its line, from 1.
    pub line: u64,
    /// The name.
    pub name: String,
}

/// Why a text is no YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotYaml {
    /// Where, if it is known.
    pub line: Option<u64>,
    /// What is wrong.
    pub message: String,
}

/// The documents of a text; those that hold nothing are left out, and the items of a `List` are documents of their own.
pub fn parse(text: &str) -> Result<Vec<Node>, NotYaml> {
    let documents = serde_saphyr::from_multiple::<Node>(text).map_err(|error| NotYaml {
        line: error.location().map(|location| location.line()),
        message: in_words(first_line(&error.without_snippet().to_string())),
    })?;
    Ok(documents.into_iter().flat_map(items).collect())
}

/// What a program printed for a person over many lines, as far as one line goes.
fn first_line(text: &str) -> String {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

/// What the library says to programmers, said to a person.
fn in_words(message: String) -> String {
    let twice = message.strip_prefix("duplicate mapping key: ").and_then(|rest| rest.split(',').next());
    twice.map(|field| format!("{field} stands there twice")).unwrap_or(message)
}

/// `kubectl get -o yaml` prints many objects as one `List`.
fn items(document: Node) -> Vec<Node> {
    let is_list = document.get("kind").and_then(Node::text) == Some("List");
    match document.value {
        Value::Map(entries) if is_list => {
            let items = entries.into_iter().find(|(key, _)| key.name == "items").map(|(_, items)| items.value);
            if let Some(Value::List(items)) = items { items } else { Vec::new() }
        }
        value => vec![Node { line: document.line, value }],
    }
}

impl Node {
    /// What a map holds under this name.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// The text that it is.
    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// The same without lines.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(is) => (*is).into(),
            Value::Number(number) => serde_json::Value::Number(number.clone()),
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => entries.iter().map(|(key, node)| (key.name.clone(), node.to_json())).collect(),
        }
    }

    /// The line of a field, or of the nearest one around it that is there. Items of a list are found by their place or by
    /// what names them: `spec.origins[0].url` and `spec.origins[app].url` are the same field.
    pub fn line_of(&self, field: &str) -> u64 {
        let (mut node, mut line) = (self, self.line);
        for step in steps(field) {
            let Some((at, child)) = node.child(step) else { break };
            (line, node) = (at, child);
        }
        line
    }

    fn child(&self, step: &str) -> Option<(u64, &Self)> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(key, _)| key.name == step).map(|(key, node)| (key.line, node)),
            Value::List(items) => {
                let by_name = || items.iter().find(|item| item.is_named(step));
                let found = by_name().or_else(|| items.get(step.parse::<usize>().ok()?));
                found.map(|node| (node.line, node))
            }
            _ => None,
        }
    }

    /// Whether an item of a list goes by this name.
    fn is_named(&self, name: &str) -> bool {
        let of = |field: &str| self.get(field).and_then(Self::text) == Some(name);
        let number = name.parse::<u64>().ok();
        let code = || number.is_some_and(|number| self.get("code").is_some_and(|code| code.to_json() == number));
        self.text() == Some(name) || of("name") || of("pathPattern") || code()
    }
}

/// `spec.origins[app].url` as `spec`, `origins`, `app`, `url`.
fn steps(field: &str) -> Vec<&str> {
    let (mut rest, mut steps) = (field, Vec::new());
    while !rest.is_empty() {
        let (step, after) = if let Some(item) = rest.strip_prefix('[') {
            item.split_once(']').unwrap_or((item, ""))
        } else {
            let name = rest.strip_prefix('.').unwrap_or(rest);
            name.split_at(name.find(['.', '[']).unwrap_or(name.len()))
        };
        steps.push(step);
        rest = after;
    }
    steps
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { line: spanned.referenced.line(), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, is: bool) -> Result<Value, E> {
        Ok(Value::Bool(is))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number).map(Value::Number).ok_or_else(|| E::custom("a number without end"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let key = Key { line: key.referenced.line(), name: key.value };
            map.push((key, entries.next_value()?));
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# a comment
kind: Distribution
spec:
  origins:
    - name: app
      service: {name: shop, port: 80}
    - name: web
      url: "http://a"
  aliases:
    - a.example.com
  behaviors:
    - {pathPattern: "/img/*", origin: app}
"#;

    #[test]
    fn every_field_knows_its_line_by_place_and_by_name() {
        let documents = parse(TEXT).expect("is YAML");
        for (field, line) in [
            ("kind", 2),
            ("spec", 3),
            ("spec.origins", 4),
            ("spec.origins[0]", 5),
            ("spec.origins[app].service.port", 6),
            ("spec.origins[1].url", 8),
            ("spec.origins[web].url", 8),
            ("spec.aliases[a.example.com]", 10),
            ("spec.behaviors[/img/*].cache.ttl", 12),
            ("spec.defaultBehavior.origin", 3),
            ("metadata.name", 2),
        ] {
            assert_eq!(documents[0].line_of(field), line, "{field}");
        }
    }

    #[test]
    fn the_values_are_those_that_kubernetes_reads() {
        let documents = parse("a: 1\nb: -1\nc: 1.5\nd: true\ne: ~\nf: \"1\"\ng: [x, {y: z}]\n").expect("is YAML");
        let expect = serde_json::json!({
            "a": 1, "b": -1, "c": 1.5, "d": true, "e": null, "f": "1", "g": ["x", { "y": "z" }],
        });
        assert_eq!(documents[0].to_json(), expect);
    }

    #[test]
    fn empty_documents_are_none_and_lists_are_their_items() {
        let documents = parse("---\n# nothing\n---\nkind: A\n---\nkind: List\nitems:\n  - kind: B\n  - kind: C\n");
        let kinds = |node: &Node| node.get("kind").and_then(Node::text).unwrap_or_default().to_owned();
        assert_eq!(documents.expect("is YAML").iter().map(kinds).collect::<Vec<_>>(), ["A", "B", "C"]);
    }

    #[test]
    fn what_is_no_yaml_says_where() {
        let error = parse("kind: Distribution\nspec: [\n").expect_err("is none");
        assert!(error.line.is_some() && !error.message.is_empty(), "{error:?}");
        let twice = parse("a: 1\na: 2\n").expect_err("a field stands there twice");
        assert_eq!((twice.line, twice.message.as_str()), (Some(2), "a stands there twice"));
    }
}
