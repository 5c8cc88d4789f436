//! Which edges are told of as standing before an origin.

use edge_contract::{FromOperator, Shields};

use super::*;

#[tokio::test]
async fn every_edge_is_told_which_of_them_stand_before_an_origin_and_can_be_asked_now() {
    let (site, mut edges) = Site::at_rest().await;
    let mut stream = site.stream("one").expect("leads");
    let mut told = async || {
        site.run().await.expect("tells");
        let lists = stream.owed().into_iter().filter_map(|line| match line {
            FromOperator::Shields(list) => Some(list),
            _ => None,
        });
        let uids = |list: Shields| list.edges.into_iter().map(|edge| edge.uid).collect::<Vec<_>>().join(" ");
        lists.map(|list| format!("{}: {}", list.location.clone(), uids(list))).collect::<Vec<_>>()
    };
    assert_eq!(told().await, [""; 0], "no origin asks for it");
    let mut shielded = spec();
    shielded["origins"][0]["shield"] = json!({"location": "default"});
    site.apply(&shielded);
    assert_eq!(told().await, ["default: uid-one uid-two"]);

    drop(edges.pop());
    assert_eq!(told().await, [""; 0], "a stream that is lost says nothing of whether edges can ask one another");
    site.there_is_a_pod("two", false);
    assert_eq!(told().await, ["default: uid-one"]);
    site.there_is_a_pod("two", true);
    assert_eq!(told().await, ["default: uid-one uid-two"]);

    let mut broken = shielded.clone();
    broken["origins"][0]["service"]["name"] = json!("missing");
    broken["origins"][0].as_object_mut().expect("an origin").remove("shield");
    site.apply(&broken);
    assert_eq!(told().await, [""; 0], "the generation that serves has it");
    site.apply(&spec());
    assert_eq!(told().await, ["default: "], "none is to be asked any more");
}
