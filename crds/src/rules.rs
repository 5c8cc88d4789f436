//! Rules that several fields share, as CEL that the API server evaluates by itself.

use kube::core::Rule;

/// Fields that end at every hop (RFC 9110 §7.6.1), and those that name a length or a way to a proxy.
pub const OF_THE_CONNECTION: [&str; 11] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
];

/// Fields of a request that an edge reads or writes itself, beside those of the connection.
pub const OF_THE_EDGES_REQUESTS: [&str; 11] = [
    "via",
    "cdn-loop",
    "x-forwarded-for",
    "expect",
    "cookie",
    "range",
    "if-range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
];

/// Fields of a response that an edge writes itself, beside those of the connection.
pub const OF_THE_EDGES_RESPONSES: [&str; 5] = ["via", "age", "date", "content-encoding", "content-range"];

/// Fields of a response that may be taken away, and whose value nobody else knows: a viewer that was shown another validator than
/// the stored one would never be answered 304.
pub const NEVER_SET: [&str; 3] = ["cache-status", "etag", "last-modified"];

/// A list of names among which none, in whatever case, is one of these.
pub(crate) fn without(lists: &[&[&str]], message: &str) -> Rule {
    Rule::new(format!("self.all(name, !(name.lowerAscii() in {}))", listed(lists))).message(message)
}

/// A list of names of which no two differ by case alone: header fields are the same in any.
pub(crate) fn distinct() -> Rule {
    Rule::new("self.all(one, self.exists_one(other, other.lowerAscii() == one.lowerAscii()))")
        .message("the same field is named twice, its case aside; keep one")
}

/// A duration of the object that lies within bounds, if it is set.
pub(crate) fn within(field: &str, least: &str, most: &str) -> Rule {
    let value = format!("duration(self.{field})");
    let bounds = format!("{value} >= duration('{least}') && {value} <= duration('{most}')");
    Rule::new(format!("!has(self.{field}) || ({bounds})"))
        .message(format!("{field} must be from {least} to {most}").as_str())
        .field_path(format!(".{field}"))
}

/// Names as a CEL list.
pub(crate) fn listed(lists: &[&[&str]]) -> String {
    let names: Vec<_> = lists.iter().copied().flatten().map(|name| format!("'{name}'")).collect();
    format!("[{}]", names.join(", "))
}
