//! A viewer's wish for another protocol into what of it an origin is asked for, and its answer into what is spoken from there on
//! (RFC 9110 §7.8).
//!
//! Any protocol passes, for an edge need not know what is spoken: bytes go both ways. What passes not is a wish that is about HTTP or TLS
//! itself, and so about the connection to this edge; one that comes with content, behind which two parties could look for the
//! other protocol in two places; and one in HTTP/1.0.

use http::{HeaderMap, HeaderName, HeaderValue, Version, header, request, response};

use crate::answer::Distrust;

/// What no origin can agree to on behalf of this edge. RFC 9113 §3.1 and RFC 2817 are history.
const OF_THIS_CONNECTION: [&str; 4] = ["h2c", "h2", "http", "tls"];

/// The protocols that the origin is offered, if the viewer wishes for any that it may have.
pub fn wanted(request: &request::Parts) -> Option<HeaderValue> {
    let headers = &request.headers;
    if request.version != Version::HTTP_11 || has_content(headers) || !names_upgrade(headers) {
        return None;
    }
    let protocols = protocols(headers)?;
    let offered: Vec<&str> = protocols.into_iter().filter(|protocol| !is_of_this_connection(protocol)).collect();
    if offered.is_empty() { None } else { HeaderValue::try_from(offered.join(", ")).ok() }
}

/// What the origin switches to, where that is one of those it was offered: no other may be spoken. A switch has no content (RFC 9110 §8.6,
/// RFC 9112 §6.1), and one that announces some means something that is not known.
pub fn agreed(offered: &HeaderValue, response: &response::Parts) -> Result<HeaderValue, Distrust> {
    let headers = &response.headers;
    let offered: Vec<&str> = offered.to_str().unwrap_or_default().split(", ").collect();
    let was_offered = |protocol: &str| offered.iter().any(|one| one.eq_ignore_ascii_case(protocol));
    let announces = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING].iter().any(|name| headers.contains_key(name));
    let chosen = protocols(headers).filter(|chosen| !chosen.is_empty() && chosen.iter().all(|one| was_offered(one)));
    match chosen {
        Some(chosen) if names_upgrade(headers) && !announces => {
            HeaderValue::try_from(chosen.join(", ")).map_err(|_| Distrust::Switch)
        }
        _ => Err(Distrust::Switch),
    }
}

/// RFC 9112 §6.3.
fn has_content(headers: &HeaderMap) -> bool {
    let is_nothing = |length: &HeaderValue| length.as_bytes().iter().all(|digit| *digit == b'0');
    headers.contains_key(header::TRANSFER_ENCODING) || !headers.get_all(header::CONTENT_LENGTH).iter().all(is_nothing)
}

/// Whether the wish is meant for who gets it: a sender must say so, lest one that was only passed on be obeyed.
fn names_upgrade(headers: &HeaderMap) -> bool {
    members(headers, &header::CONNECTION).any(|option| option.eq_ignore_ascii_case("upgrade"))
}

/// What `Upgrade` lists. None: something in it is no protocol.
fn protocols(headers: &HeaderMap) -> Option<Vec<&str>> {
    let is_readable = headers.get_all(header::UPGRADE).iter().all(|line| line.to_str().is_ok());
    let listed: Vec<&str> = members(headers, &header::UPGRADE).collect();
    (is_readable && listed.iter().all(|protocol| is_protocol(protocol))).then_some(listed)
}

fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',').map(str::trim)).filter(|member| !member.is_empty())
}

/// A name, and perhaps a version: two tokens (RFC 9110 §5.6.2).
fn is_protocol(text: &str) -> bool {
    let is_token = |part: &str| !part.is_empty() && part.bytes().all(is_token_byte);
    let mut parts = text.splitn(2, '/');
    parts.all(is_token)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_of_this_connection(protocol: &str) -> bool {
    let name = protocol.split('/').next().unwrap_or_default();
    OF_THIS_CONNECTION.iter().any(|known| name.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[track_caller]
    fn check(version: Version, lines: &[&str], expect: Option<&str>) {
        let wanted = wanted(&testing::request("GET", "/a", version, lines));
        assert_eq!(wanted.as_ref().map(|value| value.to_str().expect("is text")), expect, "{version:?} {lines:?}");
    }

    #[test]
    fn any_protocol_may_be_wished_for() {
        let h1 = Version::HTTP_11;
        check(h1, &["connection: Upgrade", "upgrade: websocket"], Some("websocket"));
        check(h1, &["connection: keep-alive, UPGRADE", "upgrade: WebSocket"], Some("WebSocket"));
        check(h1, &["connection: x", "connection: upgrade", "upgrade: a/1 ,, b", "upgrade: c"], Some("a/1, b, c"));
        check(h1, &["connection: upgrade", "upgrade: tcp", "content-length: 0"], Some("tcp"));
    }

    #[test]
    fn a_wish_that_is_not_meant_for_the_edge_is_none() {
        let h1 = Version::HTTP_11;
        check(h1, &["upgrade: websocket"], None);
        check(h1, &["connection: close, upgraded", "upgrade: websocket"], None);
        check(h1, &["connection: upgrade"], None);
        check(h1, &["connection: upgrade", "upgrade: "], None);
    }

    #[test]
    fn a_wish_about_the_connection_itself_goes_no_further() {
        let h1 = Version::HTTP_11;
        check(h1, &["connection: upgrade, http2-settings", "upgrade: h2c"], None);
        check(h1, &["connection: upgrade", "upgrade: TLS/1.0, HTTP/2.0, H2C"], None);
        check(h1, &["connection: upgrade", "upgrade: h2c, websocket, tls/1.3"], Some("websocket"));
    }

    #[test]
    fn a_wish_that_could_be_understood_in_two_ways_is_none() {
        let (h1, wish) = (Version::HTTP_11, ["connection: upgrade", "upgrade: websocket"]);
        let beside = |line| [&wish[..], &[line]].concat();
        check(h1, &beside("content-length: 3"), None);
        check(h1, &beside("transfer-encoding: chunked"), None);
        check(h1, &["connection: upgrade", "upgrade: web socket"], None);
        check(h1, &["connection: upgrade", "upgrade: websocket/13/1"], None);
        check(h1, &["connection: upgrade", "upgrade: websocket, /1"], None);
        // RFC 9110 §7.8: must be ignored there; RFC 9113 §8.6: does not exist there.
        check(Version::HTTP_10, &wish, None);
        check(Version::HTTP_2, &wish, None);
    }

    #[track_caller]
    fn check_answer(offered: &'static str, lines: &[&str], expect: Option<&str>) {
        let agreed = agreed(&HeaderValue::from_static(offered), &testing::response(101, lines));
        let agreed = agreed.as_ref().map(|value| value.to_str().expect("is text"));
        assert_eq!(agreed, expect.ok_or(&Distrust::Switch), "{offered} {lines:?}");
    }

    #[test]
    fn an_origin_switches_to_what_it_was_offered_or_not_at_all() {
        check_answer("websocket", &["connection: upgrade", "upgrade: WebSocket"], Some("WebSocket"));
        check_answer("a/1, b", &["connection: x, Upgrade", "upgrade: b, a/1"], Some("b, a/1"));
        check_answer("websocket", &["connection: upgrade", "upgrade: h2c"], None);
        check_answer("a, b", &["connection: upgrade", "upgrade: a, c"], None);
        check_answer("a/1", &["connection: upgrade", "upgrade: a"], None);
        check_answer("websocket", &["connection: upgrade"], None);
        check_answer("websocket", &["upgrade: websocket"], None);
        check_answer("websocket", &["connection: upgrade", "upgrade: websocket", "content-length: 0"], None);
        check_answer("websocket", &["connection: upgrade", "upgrade: websocket", "transfer-encoding: chunked"], None);
    }
}
