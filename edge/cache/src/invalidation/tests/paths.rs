//! What the paths of orders mean, by the key rules of now and of then.

use super::*;

#[track_caller]
fn covers(site: &Site, scope: &Scope, expect: &[NormalScope]) {
    assert_eq!(NormalScopes::of(std::slice::from_ref(scope), site).covers, expect, "{scope:?}");
}

#[test]
fn paths_of_orders_are_normalised_as_those_of_requests() {
    let all = site(Choice::All, None);
    let one = |text: &str| [NormalScope::Exact(text.to_owned())];
    covers(&all, &exact("/a/../%7eb/ü"), &one("/~b/%C3%BC"));
    covers(&all, &exact("/dir/"), &one("/dir/"));
    covers(&all, &exact("/a?x=1&y=ü"), &one("/a?x=1&y=%C3%BC"));
    covers(&all, &exact("/"), &one("/"));
    covers(&all, &exact("/../a"), &[]);
    covers(&all, &exact("/a%00"), &[]);
    covers(&all, &exact("no-slash"), &[]);
}

#[test]
fn a_prefix_is_normalised_as_far_as_it_goes() {
    let all = site(Choice::All, None);
    let one = |text: &str| [NormalScope::Prefix(text.to_owned())];
    covers(&all, &prefix("/img/./x/../%7ea"), &one("/img/~a"));
    covers(&all, &prefix("/img/a.."), &one("/img/a.."));
    covers(&all, &prefix("/img/.."), &one("/img/.."));
    covers(&all, &prefix("/a%c3%b"), &one("/a%C3"));
    covers(&all, &prefix("/a%"), &one("/a"));
    covers(&all, &prefix("/a?pa%7"), &one("/a?pa%7"));
    covers(&all, &prefix("/"), &one("/"));
    covers(&all, &prefix("/../a"), &[]);
    covers(&all, &prefix("/a\\b"), &[]);
    covers(&all, &Scope::Everything, &[NormalScope::Everything]);
}

#[test]
fn the_query_of_an_exact_path_goes_through_the_key_rules_of_its_behavior() {
    let none = site(Choice::None, None);
    covers(&none, &exact("/a?page=2"), &[NormalScope::Exact("/a".to_owned())]);
    covers(&none, &exact("/all/a?page=2"), &[NormalScope::Exact("/all/a?page=2".to_owned())]);
    let some = site(Choice::Include(vec!["page".to_owned()]), None);
    covers(&some, &exact("/a?x=1&page=2"), &[NormalScope::Exact("/a?page=2".to_owned())]);
}

#[test]
fn a_prefix_that_ends_in_a_query_covers_every_key_that_may_hold_it() {
    let none = site(Choice::None, None);
    let whole_path = [NormalScope::Exact("/a".to_owned()), NormalScope::Prefix("/a?".to_owned())];
    covers(&none, &prefix("/a?pa"), &whole_path);
    covers(&none, &prefix("/all/a?pa"), &[NormalScope::Prefix("/all/a?pa".to_owned())]);
}

#[test]
fn the_root_and_its_default_object_are_one() {
    let rooted = site(Choice::All, Some("/index.html"));
    let both = [NormalScope::Exact("/".to_owned()), NormalScope::Exact("/index.html".to_owned())];
    covers(&rooted, &exact("/"), &both);
    covers(&rooted, &exact("/index.html"), &both);
    let queries = [NormalScope::Exact("/?x".to_owned()), NormalScope::Exact("/index.html?x".to_owned())];
    covers(&rooted, &exact("/?x"), &queries);
}

#[test]
fn new_key_rules_do_not_bring_back_what_an_order_meant_under_the_old_ones() {
    let mut ledger = begun();
    let before = ledger.label();
    let scoped = order(E, 1, exact("/a?page=2"));
    // Under `None` the order meant /a; under `All` /a?page=2 is a key of its own, from before.
    ledger.apply(&scoped, &NormalScopes::of(&scoped.scopes, &site(Choice::None, None)));
    check(&ledger, before, "/a?page=2", Ok(()));
    ledger.rules_changed();
    check(&ledger, before, "/a?page=2", Err(Refused::TooOld));
    check(&ledger, ledger.label(), "/a?page=2", Ok(()));
}

#[test]
fn a_path_that_meant_every_query_means_it_still_when_queries_are_keyed() {
    let mut ledger = begun();
    let before = ledger.label();
    let scoped = order(E, 1, exact("/a"));
    // Under `None` /a is what a request for /a?page=2 gets.
    ledger.apply(&scoped, &NormalScopes::of(&scoped.scopes, &site(Choice::None, None)));
    ledger.rules_changed();
    check(&ledger, before, "/a?page=2", Err(Refused::TooOld));
}

#[test]
fn new_key_rules_cost_nothing_where_no_order_depended_on_them() {
    let mut ledger = begun();
    let before = ledger.label();
    apply(&mut ledger, &order(E, 1, exact("/a")));
    ledger.rules_changed();
    check(&ledger, before, "/b", Ok(()));
    assert!(rules_differ(&site(Choice::All, None), &site(Choice::None, None)));
    assert!(rules_differ(&site(Choice::All, None), &site(Choice::All, Some("/i"))));
    assert!(!rules_differ(&site(Choice::All, None), &Site { generation: 2, ..site(Choice::All, None) }));
}
