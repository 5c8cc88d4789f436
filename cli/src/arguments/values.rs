//! Texts of the command line into values, or the sentence with which a wrong one is refused.

use std::net::{SocketAddr, ToSocketAddrs};

use http::{HeaderName, HeaderValue, Method, Uri};

/// The longest label of DNS (RFC 1035 §2.3.4).
const LABEL: usize = 63;

/// A namespace, as Kubernetes names them.
pub(super) fn namespace(text: &str) -> Result<String, String> {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = text.bytes().all(|byte| is_letter(byte) || byte == b'-');
    let ends_well = [text.bytes().next(), text.bytes().last()].into_iter().all(|byte| byte.is_some_and(is_letter));
    if is_label && ends_well && text.len() <= LABEL {
        return Ok(text.to_owned());
    }
    Err("a namespace has a-z, 0-9 and -, and begins and ends with a letter or digit".into())
}

/// An address of this machine, by number or name.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let found = text.to_socket_addrs().map_err(|error| format!("give HOST:PORT ({error})"))?;
    found.into_iter().next().ok_or_else(|| "the name has no address".into())
}

/// What a viewer asks for. A fragment stays with the viewer (RFC 9110 §4.2.5).
pub(super) fn url(text: &str) -> Result<String, String> {
    let text = text.split('#').next().unwrap_or_default();
    if !["/", "http://", "https://"].iter().any(|begin| text.starts_with(begin)) {
        return Err("begin with / or http://".into());
    }
    Uri::try_from(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// A method (RFC 9110 §9.1).
pub(super) fn method(text: &str) -> Result<String, String> {
    Method::from_bytes(text.as_bytes()).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// A header field.
pub(super) fn header(text: &str) -> Result<String, String> {
    let (name, value) = text.split_once(':').ok_or("write NAME: VALUE")?;
    HeaderName::try_from(name.trim()).map_err(|error| error.to_string())?;
    HeaderValue::try_from(value.trim()).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

/// Where an edge's admin port is.
pub(super) fn admin(text: &str) -> Result<String, String> {
    let uri = Uri::try_from(text).ok();
    let is_http = uri.is_some_and(|uri| uri.scheme_str() == Some("http") && uri.authority().is_some());
    if is_http { Ok(text.to_owned()) } else { Err("write a URL such as http://127.0.0.1:9090".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T>(parse: impl Fn(&str) -> Result<T, String>, right: &[&str], wrong: &[&str]) {
        for text in right {
            assert_eq!(parse(text).err(), None, "{text}");
        }
        for text in wrong {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_where_it_stands() {
        check(namespace, &["default", "team-b", "1"], &["", "Foo", "-a", "a-", "a_b", &"a".repeat(64)]);
        check(address, &["127.0.0.1:0", "[::1]:80", "localhost:8181"], &["8080", "localhost", "localhost:a"]);
        check(url, &["/", "/a?b=c#d", "http://a/b", "https://a"], &["img/x", "", "ftp://a/", "/a b", "http://"]);
        check(method, &["GET", "PURGE"], &["FO O", ""]);
        check(header, &["a: b", "a:", "Cookie:a=b"], &["foo", "a b: c", ": a"]);
        check(admin, &["http://127.0.0.1:9090"], &["127.0.0.1:9090", "https://a", "/"]);
    }
}
