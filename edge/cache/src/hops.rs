//! A head into what of it concerns more than one connection (RFC 9110 §7.6.1).

use edge_contract::OF_ONE_CONNECTION;
use http::{HeaderMap, HeaderName, header};

use crate::tier;

/// RFC 8586.
pub const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");

/// Whether a field ends here without being named by `Connection`. `Trailer` says what comes behind the body, and that goes along.
pub fn is_of_one_connection(name: &HeaderName) -> bool {
    *name != header::TRAILER && OF_ONE_CONNECTION.contains(&name.as_str())
}

/// The end-to-end fields, in either direction; what edges say to one another is none of them.
pub fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    remove_nominated(&mut kept);
    tier::strip(&mut kept);
    for name in OF_ONE_CONNECTION.into_iter().filter(|name| *name != header::TRAILER) {
        kept.remove(name);
    }
    kept
}

/// The fields that the head itself says are for this connection only. Those that always are stay for whoever acts on them here.
pub fn remove_nominated(headers: &mut HeaderMap) {
    let mut nominated: Vec<HeaderName> = Vec::new();
    for line in headers.get_all(header::CONNECTION) {
        let options = line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        nominated.extend(options.filter_map(|option| HeaderName::from_bytes(option).ok()));
    }
    for name in nominated.iter().filter(|name| !is_of_one_connection(name)) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fields;

    #[test]
    fn fields_of_one_connection_go_no_further() {
        let lines = [
            "connection: close, X-Hop",
            "connection: x-other",
            "x-hop: 1",
            "x-other: 2",
            "keep-alive: 1",
            "te: trailers",
            "transfer-encoding: chunked",
            "upgrade: h2c",
            "proxy-connection: x",
            "proxy-authorization: x",
            "proxy-authenticate: x",
            "proxy-authentication-info: x",
            "x-kept: 3",
            "trailer: x-sum",
        ];
        assert_eq!(end_to_end(&fields(&lines)), fields(&["x-kept: 3", "trailer: x-sum"]));
    }
}
