//! Turns a request head, its arrival number and the content into what is answered, and when. Pure: nothing waits here.

use std::time::Duration;

use http::{
    HeaderName, HeaderValue, Method, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH},
    request::Parts,
};
use url::form_urlencoded;

use super::fault::Fault;

/// One request's answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Reply(Reply),
    Fault(Fault),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) wait: Wait,
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Body,
}

/// What must happen before the head is sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wait {
    Not,
    For(Duration),
    /// Until the gate of that name opens.
    Gate(String),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body {
    Empty,
    Text(String),
    /// This many bytes, announced or chunked.
    Bytes {
        length: u64,
        chunked: bool,
    },
    /// The second half waits for the gate of that name.
    Halves {
        first: String,
        gate: String,
        second: String,
    },
}

/// What one request met.
pub(super) struct Arrival<'a> {
    pub(super) head: &'a Parts,
    /// Its arrival number.
    pub(super) read: u64,
    /// The content version at that moment.
    pub(super) content: &'a str,
    /// `Cache-Control` where the query asks for nothing else.
    pub(super) cache_control: &'a str,
}

/// Which answer a request gets.
pub(super) fn decide(arrival: &Arrival<'_>) -> Answer {
    let path = arrival.head.uri.path();
    let query = arrival.head.uri.query().unwrap_or_default();
    if let Some(fault) = Fault::asked_for(path, query) {
        return Answer::Fault(fault);
    }
    let mut reply = Reply {
        wait: Wait::Not,
        status: StatusCode::OK,
        headers: head_fields(arrival, query),
        body: Body::Text(page(arrival)),
    };
    let (mode, argument) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    match mode {
        "slow" => reply.wait = Wait::For(Duration::from_millis(number(query, "ms"))),
        "hold" => reply.wait = Wait::Gate(argument.to_owned()),
        "hold-body" => {
            let (first, second) = (page(arrival), "the second half\n".to_owned());
            reply.body = Body::Halves { first, gate: argument.to_owned(), second };
        }
        "status" => reply.status = argument.parse().unwrap_or(StatusCode::BAD_REQUEST),
        "bytes" => {
            let chunked = query.split('&').any(|word| word == "chunked");
            reply.body = Body::Bytes { length: argument.parse().unwrap_or(0), chunked };
        }
        "headers" => reply.body = Body::Text(as_arrived(arrival.head)),
        "etag" => validate(&mut reply, arrival, &format!("\"{}\"", arrival.content), false),
        "always-304" => validate(&mut reply, arrival, "\"same\"", true),
        _ => {}
    }
    if reply.status == StatusCode::NOT_MODIFIED || arrival.head.method == Method::HEAD {
        reply.body = Body::Empty;
    }
    Answer::Reply(reply)
}

fn page(arrival: &Arrival<'_>) -> String {
    format!("content {}\nread {}\npath {}\n", arrival.content, arrival.read, arrival.head.uri)
}

fn head_fields(arrival: &Arrival<'_>, query: &str) -> Vec<(HeaderName, HeaderValue)> {
    let mut fields = vec![
        (HeaderName::from_static("x-read"), arrival.read.into()),
        (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
    ];
    if let Some(control) = cache_control(query, arrival.cache_control) {
        fields.push((CACHE_CONTROL, control));
    }
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let Some((field, value)) = (name == "header").then(|| value.split_once(':')).flatten() else { continue };
        if let (Ok(field), Ok(value)) = (field.trim().parse(), value.trim().parse()) {
            fields.push((field, value));
        }
    }
    fields
}

/// `Cache-Control` as the query asks for it, or else as the origin was set up.
pub(super) fn cache_control(query: &str, default: &str) -> Option<HeaderValue> {
    let asked: Vec<String> = form_urlencoded::parse(query.as_bytes())
        .filter_map(|(name, value)| match name.as_ref() {
            "max-age" | "s-maxage" | "stale-while-revalidate" | "stale-if-error" => Some(format!("{name}={value}")),
            "no-store" | "no-cache" | "private" | "must-revalidate" => Some(name.into_owned()),
            _ => None,
        })
        .collect();
    let control = if asked.is_empty() { default.to_owned() } else { asked.join(", ") };
    if control.is_empty() { None } else { control.parse().ok() }
}

fn number(query: &str, name: &str) -> u64 {
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).and_then(|(_, n)| n.parse().ok()).unwrap_or(0)
}

fn as_arrived(head: &Parts) -> String {
    let first = format!("{} {}\n", head.method, head.uri);
    let field =
        |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
    first + &head.headers.iter().map(field).collect::<String>()
}

/// Answers 304 when the condition holds, or, for an origin whose validators lie, to every condition.
fn validate(reply: &mut Reply, arrival: &Arrival<'_>, etag: &str, always: bool) {
    let headers = &arrival.head.headers;
    let matches = headers.get(IF_NONE_MATCH).is_some_and(|tags| {
        tags.to_str()
            .is_ok_and(|tags| tags == "*" || tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag))
    });
    let conditional = headers.contains_key(IF_NONE_MATCH) || headers.contains_key(IF_MODIFIED_SINCE);
    if matches || (always && conditional) {
        reply.status = StatusCode::NOT_MODIFIED;
    }
    if let Ok(etag) = etag.parse() {
        reply.headers.push((ETAG, etag));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(target: &str, conditions: &[(&str, &str)]) -> Reply {
        let mut request = http::Request::get(target);
        for (name, value) in conditions {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        match decide(&Arrival { head: &head, read: 7, content: "v2", cache_control: "max-age=5" }) {
            Answer::Reply(reply) => reply,
            Answer::Fault(fault) => panic!("a reply was expected, not {fault:?}"),
        }
    }

    fn field<'a>(reply: &'a Reply, name: &str) -> &'a str {
        reply.headers.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.to_str().unwrap())
    }

    #[test]
    fn every_read_shows_its_number_and_the_content() {
        let reply = reply("/a?b=c", &[]);
        assert_eq!(field(&reply, "x-read"), "7");
        assert_eq!(reply.body, Body::Text("content v2\nread 7\npath /a?b=c\n".to_owned()));
    }

    #[test]
    fn the_query_shapes_the_head() {
        for (target, name, expect) in [
            ("/", "cache-control", "max-age=5"),
            ("/?max-age=60", "cache-control", "max-age=60"),
            ("/?no-store", "cache-control", "no-store"),
            ("/?s-maxage=1&must-revalidate", "cache-control", "s-maxage=1, must-revalidate"),
            ("/?header=Vary:%20Accept", "vary", "Accept"),
        ] {
            assert_eq!(field(&reply(target, &[]), name), expect, "{target}");
        }
    }

    #[test]
    fn an_honest_validator_matches_only_the_content_it_names() {
        for (path, tag, expect) in [
            ("/etag", "\"v2\"", 304),
            ("/etag", "W/\"v2\"", 304),
            ("/etag", "\"v1\"", 200),
            ("/always-304", "\"v1\"", 304),
        ] {
            assert_eq!(reply(path, &[("if-none-match", tag)]).status, expect, "{path} {tag}");
        }
        assert_eq!(reply("/always-304", &[]).status, 200, "what asks nothing gets the whole body");
    }

    #[test]
    fn modes_are_read_from_the_path() {
        assert_eq!(reply("/status/503", &[]).status, 503);
        assert_eq!(reply("/slow?ms=20", &[]).wait, Wait::For(Duration::from_millis(20)));
        assert_eq!(reply("/hold/x", &[]).wait, Wait::Gate("x".to_owned()));
        assert_eq!(reply("/bytes/9?chunked", &[]).body, Body::Bytes { length: 9, chunked: true });
    }
}
