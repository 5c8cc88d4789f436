//! The fields of messages into those that an origin gets, that are kept, that are compared and that are updated.

use edge_contract::{Behavior, SetCookie};

use crate::viewer;
use crate::words::{Fields, combined, list, values};

/// What an origin gets of a viewer's fields: a viewer's conditions and ranges are not the edge's.
pub fn forwarded(fields: &Fields) -> Fields {
    let kept = |name: &str| !name.starts_with("if-") && name != "range";
    fields.iter().filter(|(name, _)| kept(name)).cloned().collect()
}

/// RFC 9111 §3.1 and RFC 9110 §7.6.1: what concerns one connection, and what `Connection` names.
pub fn end_to_end(fields: &Fields) -> Fields {
    let named = list(&combined(fields, "connection").unwrap_or_default().to_ascii_lowercase());
    let one_hop = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
    ];
    let kept = |name: &String| !one_hop.contains(&name.as_str()) && !named.contains(name);
    fields.iter().filter(|(name, _)| kept(name)).cloned().collect()
}

/// §4.1: lines combined; whitespace where it means nothing is not compared.
pub fn nominated(request: &Fields, name: &str) -> Option<String> {
    let text = combined(request, name)?;
    let lists = ["accept", "accept-charset", "accept-encoding", "accept-language"];
    if !lists.contains(&name) {
        return Some(text.trim().to_owned());
    }
    Some(list(&text).join(","))
}

/// A test of stored fields.
pub type Matching<'a> = Box<dyn Fn(&Fields) -> bool + 'a>;

/// RFC 9111 §4.3.4: which stored fields a 304 speaks of, and whether of all that have them. None: it has no validator.
pub fn identified_by(new: &Fields) -> Option<(Matching<'_>, bool)> {
    let first = |fields: &Fields, name: &str| values(fields, name).first().map(|value| (*value).to_owned());
    if let Some(tag) = first(new, "etag") {
        let weak = tag.starts_with("W/");
        if !viewer::is_entity_tag(&tag) {
            return Some((Box::new(move |stored| first(stored, "etag").as_ref() == Some(&tag)), false));
        }
        let bare = move |tag: &str| tag.trim_start_matches("W/").to_owned();
        let same = move |stored: &Fields| {
            first(stored, "etag").is_some_and(|known| if weak { bare(&known) == bare(&tag) } else { known == tag })
        };
        return Some((Box::new(same), !weak));
    }
    let modified = first(new, "last-modified")?;
    Some((Box::new(move |stored| first(stored, "last-modified").as_ref() == Some(&modified)), false))
}

/// RFC 9111 §3.2: the length of what is stored stays; a cookie in a 304 is one viewer's unless the owner says that they are shared.
pub fn is_left_alone(name: &str, behavior: &Behavior) -> bool {
    let cookie = name == "set-cookie" && behavior.set_cookie != SetCookie::Store;
    cookie || matches!(name, "content-length" | "content-range")
}
