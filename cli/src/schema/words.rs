//! What a schema says for machines into words for a person: patterns, and what an object would have to look like.

use serde_json::Value as Json;

use crate::document::Node;

/// Every pattern of the schemas, and what a text must be that matches it.
const PATTERNS: [(&str, &str); 22] = [
    ("^([0-9]{1,5}(h|m|s|ms)){1,4}$", "a duration such as 30s, 5m, 24h or 1h30m; there are no days"),
    (
        r"^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[^?#\s\\]*)?$",
        "a URL that begins with http:// or https://, such as https://app.example.com, without user, query and fragment",
    ),
    (
        r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        "a host name in lower case such as shop.example.com or *.example.com, without scheme, port and path",
    ),
    (
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        "a host name in lower case such as shop.example.com, without scheme, port and path",
    ),
    (
        r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$",
        "a host name or address, perhaps with a port, such as shop.example.com:8080",
    ),
    (
        r"^(\*|https?://((\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?)$",
        "* or an origin as browsers send it, such as https://app.example.com or https://*.example.com, without a path",
    ),
    (
        r"^/[^\s*#\\]*\*?$",
        "a path that begins with /, such as /index.html or /img/*, with * as the last character alone",
    ),
    (r"^/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*$", "a path that begins with /, such as /public"),
    (
        r"^/([A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*$",
        "a path that begins with /, such as /errors/404.html, other characters in percent form",
    ),
    (r"^[A-Za-z0-9._~!$&'()*+,;=:@%/?-]+$", "a path pattern such as /img/* or *.jpg, other characters in percent form"),
    (
        r"^[A-Za-z0-9._~!$&'()+,;=:@%-][A-Za-z0-9._~!$&'()+,;=:@%/-]*$",
        "an object such as index.html, without a leading slash",
    ),
    (
        "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
        "a name such as X-Request-Id: letters, digits and !#$%&'*+.^_`|~-, without blanks",
    ),
    (r"^[!-~]([ \t!-~]*[!-~])?$", "printable ASCII, without blanks at its ends"),
    (r"^([!-~]([ \t!-~]*[!-~])?)?$", "printable ASCII, without blanks at its ends"),
    ("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "a name of a-z, 0-9 and -, which begins and ends with a letter or digit"),
    ("^[a-z]([-a-z0-9]*[a-z0-9])?$", "a name of a-z, 0-9 and -, which begins with a letter and does not end with -"),
    (
        r"^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?$",
        "a URL that begins with http:// or https://, such as https://s3.example.com, without user and path",
    ),
    (
        r"^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*$",
        "a host name such as shop.example.com, without scheme, port and path",
    ),
    (
        r"^([^/\x00-\x1f\x7f]+/)*[^/\x00-\x1f\x7f]+/?$",
        "the beginning of keys such as site/v2/, without a leading slash, empty segments and control characters",
    ),
    ("^[a-z0-9][-.a-z0-9]*[a-z0-9]$", "a name of a-z, 0-9, - and ., which begins and ends with a letter or digit"),
    (r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$", "a key of letters, digits, -, _ and ., such as tls.crt"),
    ("^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", "a name of a-z, 0-9, - and ., which begins and ends with a letter or digit"),
];

/// What a text must be that matches a pattern.
pub(super) fn of_pattern(pattern: &str) -> Option<&'static str> {
    PATTERNS.iter().find(|(known, _)| *known == pattern).map(|(_, words)| *words)
}

/// A type of a schema.
pub(super) fn of_type(wanted: &str) -> &str {
    match wanted {
        "object" => "fields by name",
        "array" => "a list",
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        other => other,
    }
}

/// What an object of a schema looks like: the fields that it must have, or that it may have.
pub(super) fn shape(schema: &Json) -> Option<String> {
    let known = schema["properties"].as_object()?;
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let names = if required.is_empty() { known.keys().map(String::as_str).take(3).collect() } else { required };
    let fields: Vec<_> = names.iter().map(|name| format!("{name}: …")).collect();
    (!fields.is_empty()).then(|| format!("{{{}}}", fields.join(", ")))
}

/// An item of a list as the operator calls it: by what names it, else by its place.
pub(super) fn item(field: &str, schema: &Json, at: usize, name_of: impl Fn(&str) -> Option<String>) -> String {
    let keys = schema["x-kubernetes-list-map-keys"].as_array().map(Vec::as_slice).unwrap_or_default();
    let key = if let [Json::String(key)] = keys { key } else { "pathPattern" };
    let name = name_of(key).filter(|name| !name.is_empty() && !name.contains(['[', ']']));
    name.map_or_else(|| format!("{field}[{at}]"), |name| format!("{field}[{name}]"))
}

/// The text or number that a field of a document holds.
pub(super) fn plain(node: &Node, field: &str) -> Option<String> {
    of_scalar(&node.get(field)?.to_json())
}

/// A text or number, as it is written.
pub(super) fn of_scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
