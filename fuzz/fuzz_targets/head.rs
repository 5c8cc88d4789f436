//! Any bytes as the head of a request: what is let in means one thing, and means the same once it is written in normal form.
#![no_main]

use edge_cache::head::{self, Asked, Refusal};
use http::{HeaderName, HeaderValue, Method, Request, Version, header, request};
use libfuzzer_sys::fuzz_target;

/// The parts of a head of lines, as far as the `http` crate takes them.
fn parts(bytes: &[u8]) -> Option<request::Parts> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut words = lines.next()?.split(|byte| *byte == b' ');
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(words.next()?).ok()?;
    *request.uri_mut() = http::Uri::try_from(words.next()?).ok()?;
    *request.version_mut() = match words.next()? {
        b"0" => Version::HTTP_10,
        b"2" => Version::HTTP_2,
        _ => Version::HTTP_11,
    };
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?);
    }
    Some(request.into_parts().0)
}

fn check(parts: &request::Parts, asked: &Asked) {
    let count = |name| parts.headers.get_all(name).iter().count();
    assert!(count(header::HOST) <= 1 && count(header::CONTENT_LENGTH) <= 1 && count(header::TRANSFER_ENCODING) <= 1);
    assert!(count(header::CONTENT_LENGTH) + count(header::TRANSFER_ENCODING) <= 1);
    assert!(asked.host.is_some() || parts.version == Version::HTTP_10);
    if let (Some(host), Some(authority)) = (&asked.host, &asked.authority) {
        assert!(authority.starts_with(host.as_str()), "{host} {authority}");
        // One dot may end a name; what is before it is the owner's to match.
        assert!(!host.ends_with('.') || authority.starts_with(&format!("{host}.")), "{host}");
        assert!(!host.bytes().any(|byte| byte.is_ascii_uppercase() || b" /?#@,\\".contains(&byte)), "{host}");
    }
    assert!(asked.path.as_str().starts_with('/'));
}

fuzz_target!(|bytes: &[u8]| {
    let Some(parts) = parts(bytes) else { return };
    let Ok(asked) = head::examine(&parts) else { return };
    check(&parts, &asked);
    // The same request as it would be passed on.
    let mut normal = parts.clone();
    let query = asked.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
    let Ok(uri) = format!("{}{query}", asked.path.as_str()).parse() else { panic!("a normal path is a target") };
    normal.uri = uri;
    if let Some(authority) = &asked.authority {
        normal.headers.insert(header::HOST, HeaderValue::try_from(authority).expect("a host is a value"));
    }
    match head::examine(&normal) {
        Ok(again) => assert_eq!(again, asked),
        // A host that only the target named is one field more.
        Err(Refusal::HeadTooLarge) if !parts.headers.contains_key(header::HOST) => {}
        Err(refusal) => panic!("the normal form is refused: {refusal}"),
    }
});
