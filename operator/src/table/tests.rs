//! What a table holds after a watch and our own writes told of the same objects, in whatever order.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use serde_json::json;

use super::*;

/// A table of one kind and the feed of a scope.
struct Case {
    table: Table<ConfigMap>,
    feed: Feed<ConfigMap>,
}

impl Case {
    fn new(scope: Option<&str>) -> Self {
        let table = Table::new(|object: &ConfigMap| {
            vec![Group::Service(object.namespace().unwrap_or_default(), object.name_any())]
        });
        let feed = table.feed(scope.map(Into::into));
        Self { table, feed }
    }

    fn applied(&mut self, name: &str, version: &str) -> usize {
        self.feed.take(Event::Apply(guarded(object("shop", name, version)))).len()
    }

    fn deleted(&mut self, name: &str, version: &str) -> usize {
        self.feed.take(Event::Delete(guarded(object("shop", name, version)))).len()
    }

    fn listed(&mut self, objects: &[(&str, &str)]) -> usize {
        self.feed.take(Event::Init);
        for (name, version) in objects {
            self.feed.take(Event::InitApply(guarded(object("shop", name, version))));
        }
        self.feed.take(Event::InitDone).len()
    }

    fn learned(&self, name: &str, version: &str) {
        self.table.learn(object("shop", name, version));
    }

    /// The version of the object of this name that the table holds, by name and by group alike.
    #[track_caller]
    fn check(&self, name: &str, expect: Option<&str>) {
        let found = self.table.find("shop", name).and_then(|object| object.resource_version());
        assert_eq!(found.as_deref(), expect, "{name}");
        let of_group = self.table.of(&Group::Service("shop".into(), name.into()));
        assert_eq!(of_group.first().and_then(|object| object.resource_version()).as_deref(), expect, "{name}'s group");
    }
}

fn object(namespace: &str, name: &str, version: &str) -> ConfigMap {
    let object = json!({"metadata": {"namespace": namespace, "name": name, "resourceVersion": version}});
    serde_json::from_value(object).expect("an object")
}

fn guarded(object: ConfigMap) -> DeserializeGuard<ConfigMap> {
    DeserializeGuard(Ok(object))
}

#[test]
fn what_was_written_is_known_before_the_watch_tells_of_it() {
    let mut case = Case::new(None);
    case.applied("other", "5");
    case.learned("a", "7");
    case.check("a", Some("7"));
    case.applied("a", "6");
    case.check("a", Some("7"));
    case.applied("a", "8");
    case.check("a", Some("8"));
}

#[test]
fn a_late_answer_does_not_bring_a_deleted_object_back() {
    let mut case = Case::new(None);
    case.applied("a", "7");
    case.deleted("a", "9");
    case.learned("a", "7");
    case.check("a", None);
    case.learned("a", "10");
    case.check("a", Some("10"));
}

#[test]
fn the_watch_of_one_namespace_says_nothing_of_another() {
    for (scope, expect) in [(Some("shop"), false), (Some("elsewhere"), true), (None, false)] {
        let mut case = Case::new(scope);
        case.feed.take(Event::Delete(guarded(object(scope.unwrap_or("anywhere"), "b", "9"))));
        case.learned("a", "7");
        assert_eq!(case.table.find("shop", "a").is_some(), expect, "{scope:?}");
    }
}

#[test]
fn a_list_says_what_is_deleted_only_once_it_is_whole() {
    let mut case = Case::new(None);
    case.feed.take(Event::Init);
    case.feed.take(Event::InitApply(guarded(object("shop", "b", "9"))));
    case.learned("c", "7");
    case.check("c", Some("7"));
    case.feed.take(Event::InitApply(guarded(object("shop", "c", "7"))));
    case.feed.take(Event::InitDone);
    case.check("c", Some("7"));
    case.learned("a", "8");
    case.check("a", None);
}

#[test]
fn a_table_is_complete_once_every_feed_has_listed() {
    let mut case = Case::new(Some("shop"));
    let mut other = case.table.feed(Some("blog".into()));
    case.listed(&[("a", "1")]);
    assert!(!case.table.is_complete());
    other.take(Event::Init);
    assert!(!case.table.is_complete());
    other.take(Event::InitDone);
    assert!(case.table.is_complete());
}

/// A feed that knows version 7 of generation 2; whether another look at the object is an echo.
#[track_caller]
fn check_echo(status_is_ours: bool, version: &str, (uid, generation): (&str, i64), expect: bool) {
    let object = |version: &str, uid: &str, generation: i64| {
        let mut object = object("shop", "a", version);
        (object.metadata.uid, object.metadata.generation) = (Some(uid.into()), Some(generation));
        object
    };
    let table = Table::new(|_: &ConfigMap| Vec::new());
    let table = if status_is_ours { table.with_status_of_ours() } else { table };
    let feed = table.feed(None);
    table.learn(object("7", "one", 2));
    for event in [Event::Apply, Event::InitApply] {
        let event = event(guarded(object(version, uid, generation)));
        assert_eq!(feed.is_echo(&event), expect, "{event:?} {status_is_ours}");
    }
    assert!(!feed.is_echo(&Event::Delete(guarded(object(version, uid, generation)))));
}

#[test]
fn a_version_that_was_learned_is_an_echo_and_so_is_another_status_that_only_we_write() {
    check_echo(false, "7", ("one", 2), true);
    check_echo(false, "8", ("one", 2), false);
    check_echo(true, "8", ("one", 2), true);
    check_echo(true, "8", ("one", 3), false);
    check_echo(true, "8", ("two", 2), false);
    let nothing_known = Case::new(None);
    assert!(!nothing_known.feed.is_echo(&Event::Apply(guarded(object("shop", "a", "7")))));
}

#[test]
fn a_list_that_misses_an_object_ends_it() {
    let mut case = Case::new(None);
    assert_eq!(case.listed(&[("a", "1"), ("b", "2")]), 0);
    assert_eq!(case.listed(&[("b", "2")]), 1);
    case.check("a", None);
    case.check("b", Some("2"));
}

#[test]
fn the_end_of_an_object_is_not_that_of_its_successor() {
    let mut case = Case::new(None);
    case.applied("a", "3");
    case.learned("a", "6");
    assert_eq!(case.deleted("a", "5"), 0);
    case.check("a", Some("6"));
    assert_eq!(case.deleted("a", "7"), 1);
    case.check("a", None);
}

#[test]
fn where_versions_are_no_numbers_everything_is_taken_as_it_comes() {
    let mut case = Case::new(None);
    case.applied("a", "x");
    case.deleted("a", "y");
    case.check("a", None);
    case.learned("a", "x");
    case.check("a", Some("x"));
    case.deleted("a", "y");
    case.check("a", None);
}
