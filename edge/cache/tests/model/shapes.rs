//! The plain data of a run into the types that the crate reads, and back into text.

use edge_contract::{Origin, Site};
use http::{HeaderMap, HeaderName, HeaderValue, Request, header, request};

use crate::scene::Owner;
use crate::words::Fields;

/// Each byte is a character.
pub fn text(value: &HeaderValue) -> String {
    value.as_bytes().iter().map(|byte| char::from(*byte)).collect()
}

pub fn headers(fields: &Fields) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let bytes: Vec<u8> = value.chars().map(|c| u8::try_from(u32::from(c)).expect("is a byte")).collect();
        headers.append(
            HeaderName::try_from(name.as_str()).expect("is a name"),
            HeaderValue::from_bytes(&bytes).expect("is a value"),
        );
    }
    headers
}

pub fn request_of(method: &str, target: &str, fields: &Fields) -> request::Parts {
    let mut parts = Request::builder().method(method).uri(target).body(()).expect("is a request").into_parts().0;
    parts.headers = headers(fields);
    parts.headers.insert(header::HOST, HeaderValue::from_static("shop.test"));
    parts
}

pub fn site(owner: &Owner) -> Site {
    Site {
        origins: vec![Origin::plain("app", "app.test")],
        behaviors: vec![owner.behavior.clone()],
        error_responses: owner.errors.clone(),
        ..Site::plain("uid", "default/shop")
    }
}
