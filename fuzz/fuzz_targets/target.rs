//! Any path and query: normal forms stay as they are, what is keyed is what is sent, and two keys are equal for one reason only.
#![no_main]

use edge_cache::{CacheKey, NormalPath, path, query};
use edge_contract::Choice;
use http::Uri;
use libfuzzer_sys::fuzz_target;

fn key(path: &NormalPath, query: Option<&str>) -> CacheKey {
    CacheKey::new("site", None, path, query)
}

fn check_rule(query: &str, rule: &Choice) -> Option<String> {
    let keyed = query::keyed(Some(query), rule);
    if let Some(keyed) = &keyed {
        assert_eq!(query::keyed(Some(keyed), rule).as_ref(), Some(keyed), "{rule:?} of {query:?}");
        assert!(keyed.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b'#'), "{keyed:?}");
    }
    keyed
}

fuzz_target!(|input: (&str, &str, &str, &str)| {
    let (raw_path, raw_query, other_path, other_query) = input;
    let Ok(path) = NormalPath::parse(raw_path) else { return };
    assert_eq!(NormalPath::parse(path.as_str()), Ok::<_, path::PathError>(path.clone()), "{raw_path:?}");
    for segment in path.as_str().split('/') {
        assert!(segment != "." && segment != "..", "{path:?}");
    }
    let names = vec!["a".to_owned(), "b c".to_owned()];
    let all = check_rule(raw_query, &Choice::All);
    let kept = check_rule(raw_query, &Choice::Include(names.clone()));
    let left = check_rule(raw_query, &Choice::Exclude(names));
    // Each parameter is either named or it is not.
    let parameters = |query: &Option<String>| query.as_ref().map_or(0, |query| query.split('&').count());
    assert_eq!(parameters(&kept) + parameters(&left), parameters(&all), "{raw_query:?}");

    let target = key(&path, all.as_deref());
    let sent: Uri = target.target().parse().unwrap_or_else(|_| panic!("{:?} is no target", target.target()));
    assert_eq!((sent.path(), sent.query()), (path.as_str(), all.as_deref()));

    let Ok(other) = NormalPath::parse(other_path) else { return };
    let other_all = query::keyed(Some(other_query), &Choice::All);
    let same = (&path, &all) == (&other, &other_all);
    assert_eq!(key(&other, other_all.as_deref()) == target, same);
    assert!(key(&path, None) != target);
});
