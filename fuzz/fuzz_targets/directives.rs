//! Any lines of `Cache-Control` and `CDN-Cache-Control`: each is read by itself, in any case, and a prohibition beside it holds.
#![no_main]

use edge_cache::directives::{self, CDN_CACHE_CONTROL, Directives, LONGEST, Scope};
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

fn consulted(lines: &[&[u8]]) -> Option<Directives> {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(CACHE_CONTROL, HeaderValue::from_bytes(line).ok()?);
    }
    let consulted = directives::consulted(&headers);
    assert!(!consulted.targeted);
    Some(consulted.directives)
}

/// The directives once more, in the form in which they are meant to be written.
fn written(directives: &Directives) -> String {
    let mut members = Vec::new();
    let times = [
        ("max-age", directives.max_age),
        ("s-maxage", directives.s_maxage),
        ("stale-while-revalidate", directives.stale_while_revalidate),
        ("stale-if-error", directives.stale_if_error),
    ];
    for (name, time) in times {
        assert!(time.is_none_or(|time| time <= LONGEST && time.subsec_nanos() == 0));
        members.extend(time.map(|time| format!("{name}={}", time.as_secs())));
    }
    for (name, scope) in [("no-cache", &directives.no_cache), ("private", &directives.private)] {
        match scope {
            Scope::Absent => {}
            Scope::Whole => members.push(name.to_owned()),
            Scope::Fields(names) => {
                assert!(!names.is_empty());
                let names: Vec<_> = names.iter().map(http::HeaderName::as_str).collect();
                members.push(format!("{name}=\"{}\"", names.join(", ")));
            }
        }
    }
    let flags = directives.flags;
    let flags = [
        ("no-store", flags.no_store),
        ("must-revalidate", flags.must_revalidate),
        ("proxy-revalidate", flags.proxy_revalidate),
        ("must-understand", flags.must_understand),
        ("public", flags.public),
        ("immutable", flags.immutable),
    ];
    members.extend(flags.iter().filter(|(_, given)| *given).map(|(name, _)| (*name).to_owned()));
    members.join(", ")
}

fuzz_target!(|input: (&[u8], &[u8])| {
    let (line, other) = input;
    let Some(read) = consulted(&[line]) else { return };
    let again = consulted(&[written(&read).as_bytes()]).expect("is a value");
    assert_eq!(written(&again), written(&read));
    assert_eq!(consulted(&[&line.to_ascii_uppercase()]).as_ref(), Some(&read));
    // Nothing that one line says hides what another says.
    let with = consulted(&[line, b"no-store"]).expect("are values");
    assert!(with.flags.no_store);
    assert_eq!(consulted(&[b"private", line]).expect("are values").private, Scope::Whole);

    let Ok(targeted) = HeaderValue::from_bytes(other) else { return };
    let mut headers = HeaderMap::from_iter([(CDN_CACHE_CONTROL, targeted)]);
    headers.append(CACHE_CONTROL, HeaderValue::from_bytes(line).expect("was one"));
    let both = directives::consulted(&headers);
    if !both.targeted {
        // RFC 9213 §2.1: what cannot be parsed is as if it were not there.
        assert_eq!(both.directives, read);
    } else {
        headers.remove(CACHE_CONTROL);
        assert_eq!(directives::consulted(&headers), both);
    }
});
