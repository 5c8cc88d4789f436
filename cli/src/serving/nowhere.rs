//! An origin that is nowhere on this machine into what becomes of requests for it.

use edge_contract::{Methods, OriginGroup, Site};

/// What becomes of them; nothing where no behavior asks it.
pub fn outcome(site: &Site, origin: &str) -> Option<String> {
    let is_there = |name: &str| site.origins.iter().any(|origin| origin.name == name && origin.target.is_some());
    let asking = |name: &str| site.behaviors.iter().filter(|behavior| behavior.origin == name).collect::<Vec<_>>();
    let (mut told, mut fails) = (Vec::new(), !asking(origin).is_empty());
    for OriginGroup { name, primary, secondary, .. } in &site.origin_groups {
        let behaviors = asking(name);
        if behaviors.is_empty() || (primary != origin && secondary != origin) {
            continue;
        }
        let other = if primary == origin { secondary } else { primary };
        if !is_there(other) {
            fails = true;
        } else if primary != origin {
            told.push(format!("nobody stands in for {other} in {name}"));
        } else if behaviors.iter().any(|behavior| behavior.methods == Methods::All) {
            told.push(format!("{other} answers GET, HEAD and OPTIONS in its place in {name}, and all else gets 503"));
        } else {
            told.push(format!("{other} answers in its place in {name}"));
        }
    }
    if fails {
        told.push(if told.is_empty() { "its behaviors answer 503" } else { "its own behaviors answer 503" }.into());
    }
    (!told.is_empty()).then(|| told.join(", and "))
}

#[cfg(test)]
mod tests {
    use edge_contract::{Behavior, Origin, OriginTarget, Scheme};

    use super::*;

    fn origin(name: &str, is_there: bool) -> Origin {
        let target = OriginTarget::Address { scheme: Scheme::Http, host: "127.0.0.1".into(), port: 1 };
        let origin = Origin::plain(name, name);
        if is_there { origin.at(target) } else { origin }
    }

    /// Origins `app` and `spare`, which are there or not, in a group `ha`, and behaviors for these.
    fn site(there: [bool; 2], asked: &[&str]) -> Site {
        let group =
            OriginGroup { name: "ha".into(), primary: "app".into(), secondary: "spare".into(), failover_on: vec![503] };
        Site {
            origins: vec![origin("app", there[0]), origin("spare", there[1])],
            origin_groups: vec![group],
            behaviors: asked.iter().map(|name| Behavior::plain("*", *name)).collect(),
            ..Site::plain("uid", "default/shop")
        }
    }

    #[track_caller]
    fn check(there: [bool; 2], asked: &[&str], origin: &str, expect: Option<&str>) {
        assert_eq!(outcome(&site(there, asked), origin).as_deref(), expect, "{there:?} {asked:?} {origin}");
    }

    #[test]
    fn what_becomes_of_requests_depends_on_who_stands_in() {
        let fails = Some("its behaviors answer 503");
        check([false, true], &["app"], "app", fails);
        check([false, true], &["ha"], "app", Some("spare answers in its place in ha"));
        let both = "spare answers in its place in ha, and its own behaviors answer 503";
        check([false, true], &["ha", "app"], "app", Some(both));
        check([true, false], &["ha"], "spare", Some("nobody stands in for app in ha"));
        check([false, false], &["ha"], "app", fails);
        check([false, false], &["ha"], "spare", fails);
        check([false, true], &["spare"], "app", None);
    }

    #[test]
    fn nobody_stands_in_for_what_may_change_something() {
        let mut site = site([false, true], &["ha"]);
        site.behaviors[0].methods = Methods::All;
        let told = "spare answers GET, HEAD and OPTIONS in its place in ha, and all else gets 503";
        assert_eq!(outcome(&site, "app").as_deref(), Some(told));
    }
}
