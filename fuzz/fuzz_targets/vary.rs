//! Any `Vary` and two requests: matching works both ways, whoever asked first, and nothing that is not nominated counts.
#![no_main]

use edge_cache::vary::Selecting;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use libfuzzer_sys::fuzz_target;

const NAMES: [HeaderName; 3] = [header::ACCEPT, header::COOKIE, HeaderName::from_static("x-a")];

fn request(values: [Option<&[u8]>; 3]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in NAMES.into_iter().zip(values) {
        // A line break makes two lines of one field.
        for line in value.into_iter().flat_map(|value| value.split(|byte| *byte == b'\n')) {
            headers.append(name.clone(), HeaderValue::from_bytes(line).ok()?);
        }
    }
    Some(headers)
}

fuzz_target!(|input: (&[u8], [Option<&[u8]>; 3], [Option<&[u8]>; 3])| {
    let (vary, one, other) = input;
    let (Ok(vary), Some(one), Some(other)) = (HeaderValue::from_bytes(vary), request(one), request(other)) else {
        return;
    };
    let response = HeaderMap::from_iter([(header::VARY, vary.clone())]);
    let (of_one, of_other) = (Selecting::of(&response, &one), Selecting::of(&response, &other));
    let nominates_all = vary.as_bytes().split(|byte| *byte == b',').any(|member| member.trim_ascii() == b"*");
    if nominates_all || of_one == Selecting::Never {
        assert!(!of_one.matches(|| one.clone()) && !of_other.matches(|| other.clone()));
        assert_eq!(of_one, Selecting::Never);
        return;
    }
    assert!(of_one.matches(|| one.clone()) && of_other.matches(|| other.clone()));
    let matches = of_one.matches(|| other.clone());
    assert_eq!(of_other.matches(|| one.clone()), matches);
    assert_eq!(of_one == of_other, matches);
    let mut unrelated = one.clone();
    let name = HeaderName::from_static("x-never-nominated");
    let nominated =
        vary.as_bytes().to_ascii_lowercase().windows(name.as_str().len()).any(|part| part == name.as_str().as_bytes());
    unrelated.insert(name, HeaderValue::from_static("1"));
    assert!(nominated || of_one.matches(|| unrelated));
    let same = NAMES.iter().all(|name| one.get_all(name).iter().eq(other.get_all(name)));
    assert!(matches || !same);
});
