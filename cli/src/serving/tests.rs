//! Worlds into what serves of them.

mod spoken;

use edge_contract::{HostHeader, OriginTarget, Walls};

use super::*;
use crate::cluster::cluster;
use crate::world::Kept;

fn around(services: &[&str], local_origins: bool) -> Around {
    let places: Vec<_> = services.iter().map(|place| place.parse().expect("a place")).collect();
    let cluster = Arc::new(Cluster { walls: Walls { local_origins, ..Walls::default() }, ..cluster("edge") });
    Around { places: Places::of(&places, &[], "default"), assume: Assume::Here, cluster }
}

fn world(texts: &[&str]) -> World {
    let texts = texts.iter().enumerate().map(|(at, text)| (format!("{at}.yaml").into(), Ok((*text).into())));
    let (world, complaints) = Kept::default().take(&texts.collect(), "default");
    assert_eq!(complaints, []);
    world
}

fn distribution(name: &str, origin: &str, more: &str) -> String {
    format!(
        "apiVersion: cdn.kubefront.io/v1alpha1\nkind: Distribution\nmetadata: {{name: {name}}}\nspec:\n  origins: [{{name: app, {origin}}}]\n  defaultBehavior: {{origin: app}}\n{more}"
    )
}

const SERVICE: &str = "service: {name: shop, port: 80}";

fn targets(served: &[Served]) -> Vec<Option<&OriginTarget>> {
    served.iter().flat_map(|one| one.site.origins.iter().map(|origin| origin.target.as_ref())).collect()
}

fn said(complaints: &[Complaint]) -> Vec<String> {
    complaints.iter().map(ToString::to_string).collect()
}

#[test]
fn a_service_is_where_a_flag_says_and_keeps_its_own_name() {
    let world = world(&[&distribution("shop", SERVICE, "")]);
    let around = around(&["shop=127.0.0.1:3000"], false);
    let (served, complaints) = decide(&world, &mut Memory::default(), &around);
    assert_eq!(said(&complaints), Vec::<String>::new(), "a flag for an address is permission for it");
    let origin = &served[0].site.origins[0];
    assert!(matches!(&origin.target, Some(OriginTarget::Address { port: 3000, .. })), "{origin:?}");
    let own = HostHeader::Fixed("shop.default.svc.cluster.local".into());
    assert_eq!(origin.host_header, own, "as in the cluster");
    assert!(served[0].site.walls.local_origins, "the edge may connect to where the flag says");
}

#[test]
fn a_service_of_another_namespace_is_where_a_flag_says() {
    let world = world(&[&distribution("shop", "service: {name: shop, namespace: team-b, port: 80}", "")]);
    let (served, complaints) = decide(&world, &mut Memory::default(), &around(&["team-b/shop=127.0.0.1:3000"], false));
    assert_eq!(said(&complaints), Vec::<String>::new());
    assert!(matches!(targets(&served)[0], Some(OriginTarget::Address { port: 3000, .. })), "{:?}", targets(&served));
    let (_, complaints) = decide(&world, &mut Memory::default(), &around(&["shop=127.0.0.1:3000"], false));
    assert!(said(&complaints)[0].contains("add --service team-b/shop=HOST:PORT"), "{complaints:?}");
}

#[test]
fn a_service_that_is_nowhere_serves_nothing_and_says_which_flag_is_missing() {
    let world = world(&[&distribution("shop", SERVICE, "")]);
    let (served, complaints) = decide(&world, &mut Memory::default(), &around(&[], false));
    assert_eq!(targets(&served), [None]);
    assert_eq!(
        said(&complaints),
        [
            "0.yaml:5: warning: spec.origins[app].service: nothing says where Service default/shop is on this machine, so its behaviors answer 503; add --service default/shop=HOST:PORT"
        ]
    );
}

#[test]
fn a_generation_that_serves_on_finds_what_it_names_though_the_new_one_does_not() {
    let (mut memory, around) = (Memory::default(), around(&["shop=127.0.0.1:3000"], false));
    decide(&world(&[&distribution("shop", SERVICE, "")]), &mut memory, &around);
    let refused = world(&[&distribution("shop", "url: \"http://169.254.169.254\"", "")]);
    let (served, complaints) = decide(&refused, &mut memory, &around);
    assert!(served[0].is_refused && complaints.len() == 1, "{complaints:?}");
    assert!(matches!(targets(&served)[0], Some(OriginTarget::Address { port: 3000, .. })), "{:?}", targets(&served));
}

#[test]
fn a_local_url_needs_its_flag() {
    let world = world(&[&distribution("shop", "url: \"http://localhost:3000\"", "")]);
    let (served, complaints) = decide(&world, &mut Memory::default(), &around(&[], false));
    assert_eq!(targets(&served), [None]);
    let invalid = served[0].site.origins[0].invalid.as_deref().unwrap_or_default();
    assert!(invalid.starts_with("localhost is "), "the edge says why it asks nobody: {invalid:?}");
    assert!(said(&complaints)[0].ends_with(", or allow it here with --allow-local-origins"), "{complaints:?}");
    let (served, complaints) = decide(&world, &mut Memory::default(), &around(&[], true));
    assert!(targets(&served)[0].is_some() && complaints.is_empty(), "{complaints:?}");
}

#[test]
fn a_generation_with_a_new_mistake_is_refused_and_the_last_one_serves_on() {
    let (mut memory, around) = (Memory::default(), around(&[], false));
    decide(&world(&[&distribution("shop", "url: \"http://a.example\"", "")]), &mut memory, &around);
    let worse = world(&[&distribution("shop", "url: \"http://127.0.0.1\"", "  defaultRootObject: x.html\n")]);
    let (served, complaints) = decide(&worse, &mut memory, &around);
    assert_eq!((served[0].site.generation, &served[0].site.default_root_object), (1, &None));
    assert_eq!((complaints.len(), served[0].is_refused), (1, true));
    let better = world(&[&distribution("shop", "url: \"http://b.example\"", "")]);
    assert_eq!(decide(&better, &mut memory, &around).0[0].site.generation, 3);
}

#[test]
fn what_is_wrong_with_the_generation_that_serves_on_stands_in_no_line_of_the_new_file() {
    let (mut memory, around) = (Memory::default(), around(&[], false));
    let local = |more| distribution("shop", "url: \"http://127.0.0.1\"", more);
    decide(&world(&[&local("")]), &mut memory, &around);
    let worse = distribution("shop", "url: \"http://127.0.0.2\"", "");
    let (_, complaints) = decide(&world(&[&worse]), &mut memory, &around);
    let said = said(&complaints);
    assert!(said[0].starts_with("0.yaml:5: error: spec.origins[app].url: 127.0.0.2 "), "{said:?}");
    assert!(said[1].starts_with("0.yaml: warning: spec.origins[app].url: in generation 1, "), "{said:?}");
}

#[test]
fn a_changed_content_version_makes_what_is_stored_void_and_the_first_one_does_not() {
    let (mut memory, around) = (Memory::default(), around(&[], false));
    let mut flushes = |version: &str| {
        let more = format!("  contentVersion: \"{version}\"\n");
        decide(&world(&[&distribution("shop", "url: \"http://a.example\"", &more)]), &mut memory, &around).0[0].flush
    };
    let changed = Some(Flush::ContentVersion);
    assert_eq!([flushes("1"), flushes("1"), flushes("2"), flushes("1")], [None, None, changed, changed]);
}

#[test]
fn one_that_comes_back_begins_with_nothing_stored() {
    let (mut memory, around) = (Memory::default(), around(&[], false));
    let url = "url: \"http://a.example\"";
    let (shop, blog) = (distribution("shop", url, ""), distribution("blog", url, ""));
    let mut flushes =
        |texts: &[&str]| decide(&world(texts), &mut memory, &around).0.iter().map(|one| one.flush).collect::<Vec<_>>();
    assert_eq!(flushes(&[&shop, &blog]), [None, None]);
    assert_eq!(flushes(&[&blog]), [None]);
    assert_eq!(flushes(&[&shop, &blog]), [None, Some(Flush::Returned)]);
    assert_eq!(flushes(&[&shop, &blog]), [None, None], "once");
}

#[test]
fn an_alias_is_served_by_one_distribution() {
    let url = "url: \"http://a.example\"";
    let alias = "  aliases: [shop.example.com]\n";
    let world = world(&[&distribution("b", url, alias), &distribution("a", url, alias)]);
    let (served, complaints) = decide(&world, &mut Memory::default(), &around(&[], false));
    assert_eq!(served[0].site.aliases, ["shop.example.com"]);
    assert_eq!(served[1].site.aliases, ["no-alias-held.invalid"]);
    assert!(
        said(&complaints)[0]
            .starts_with("0.yaml:7: warning: spec.aliases[shop.example.com]: Distribution default/a holds")
    );
}
