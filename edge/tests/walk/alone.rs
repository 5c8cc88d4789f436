//! Crowds of viewers who each need an answer of their own: what they cost the origin at a time, who waits, and for how long.

use std::collections::BTreeSet;

use edge::collapse::places::{AT_ONCE, WAITING};
use edge_contract::Ttl;
use futures::future::join_all;
use http::StatusCode;
use tokio::sync::watch;

use crate::crowds::{VIEWERS, ask, behind, crowd, heads, interested};
use crate::edge::{Edge, config, read, until};
use crate::origin::{Door, Origin};

/// Where each viewer costs a connection to the origin: both ends of it are in this process, whose descriptors are few.
const APART: usize = 150;

#[tokio::test]
async fn what_cannot_be_shared_is_waited_for_once_and_then_asked_for_by_each() {
    for fields in ["cache-control: private\r\n", "cache-control: no-store\r\n", "vary: *\r\n", "set-cookie: who=me\r\n"]
    {
        let door = Door::closed();
        let origin = behind(door.clone(), "200 OK", fields).await;
        let edge = Edge::start(config(origin.address)).await;
        let asking = ask(crowd(&edge, APART).await, "/a");
        interested(&edge, APART).await;
        origin.read_times(1).await;
        assert_eq!(origin.reads(), 1, "{fields}");
        door.open();
        let mut bodies: Vec<_> = join_all(heads(asking).await.into_iter().map(read))
            .await
            .into_iter()
            .map(|reply| reply.expect("is whole").body)
            .collect();
        bodies.sort();
        bodies.dedup();
        // To each its own, and one read for each.
        assert_eq!((bodies.len(), origin.reads()), (APART, APART), "{fields}");
    }
}

#[tokio::test]
async fn for_ten_seconds_nobody_waits_for_what_could_not_be_shared() {
    let (first, later) = (Door::closed(), Door::closed());
    let doors = [first.clone(), later.clone()];
    let origin =
        Origin::gated("cache-control: private\r\n", move |read| Some(doors[usize::from(read > 1)].clone())).await;
    let edge = Edge::start(config(origin.address)).await;
    first.open();
    edge.get("/a").await;
    let asking = ask(crowd(&edge, AT_ONCE).await, "/a");
    // None of these has been answered, so none of them waited for another.
    origin.read_times(1 + AT_ONCE).await;
    later.open();
    assert_eq!(heads(asking).await.len(), AT_ONCE);
}

/// An edge that knows that answers to this are for one viewer each, and an origin that gives the next ones behind a door.
async fn unshared(door: &Door) -> (Edge, Origin) {
    let later = door.clone();
    let origin = Origin::gated("cache-control: private\r\n", move |read| (read > 1).then(|| later.clone())).await;
    let edge = Edge::start(config(origin.address)).await;
    assert_eq!(edge.get("/a").await.body, "read 1");
    (edge, origin)
}

async fn by_themselves(edge: &Edge, viewers: usize) {
    until("all ask for themselves", || edge.running.edge.collapse.by_themselves() == viewers).await;
}

#[tokio::test]
async fn of_a_thousand_who_cannot_share_so_many_ask_at_once_and_each_is_answered() {
    let (first, later) = (Door::closed(), Door::closed());
    let under_way = watch::Sender::new((0, 0));
    let origin = {
        let (first, later, under_way) = (first.clone(), later.clone(), under_way.clone());
        Origin::start(move |seen, exchange| {
            let (first, later, under_way) = (first.clone(), later.clone(), under_way.clone());
            async move {
                under_way.send_modify(|(now, most)| (*now, *most) = (*now + 1, (*most).max(*now + 1)));
                if seen.number == 1 {
                    first.pass().await;
                } else {
                    later.pass().await;
                }
                under_way.send_modify(|(now, _)| *now -= 1);
                exchange.respond("200 OK", "cache-control: private\r\n", &format!("read {}", seen.number)).await
            }
        })
        .await
    };
    let edge = Edge::start(config(origin.address)).await;
    let asking = ask(crowd(&edge, VIEWERS).await, "/a");
    interested(&edge, VIEWERS).await;
    first.open();
    by_themselves(&edge, VIEWERS - 1).await;
    origin.read_times(1 + AT_ONCE).await;
    later.open();
    let replies = join_all(heads(asking).await.into_iter().map(read)).await;
    let bodies: BTreeSet<_> = replies.into_iter().map(|reply| reply.expect("is whole").body).collect();
    assert_eq!((bodies.len(), origin.reads()), (VIEWERS, VIEWERS));
    assert_eq!(*under_way.borrow(), (0, AT_ONCE));
    assert_eq!(edge.running.edge.collapse.by_themselves(), 0);
}

#[tokio::test]
async fn a_viewer_that_leaves_makes_room_for_one_that_waits() {
    let door = Door::closed();
    let (edge, origin) = unshared(&door).await;
    let mut asking = ask(crowd(&edge, AT_ONCE).await, "/a");
    origin.read_times(1 + AT_ONCE).await;
    let mut waiting = ask(crowd(&edge, 2).await, "/a");
    by_themselves(&edge, AT_ONCE + 2).await;
    waiting.pop().expect("waits").abort();
    by_themselves(&edge, AT_ONCE + 1).await;
    assert_eq!(origin.reads(), 1 + AT_ONCE);
    asking.pop().expect("asks").abort();
    origin.read_times(2 + AT_ONCE).await;
    by_themselves(&edge, AT_ONCE).await;
    door.open();
    assert_eq!(heads(asking.into_iter().chain(waiting).collect()).await.len(), AT_ONCE);
}

#[tokio::test]
async fn behind_so_many_nobody_waits_any_more_and_all_who_do_are_answered() {
    let door = Door::closed();
    let (edge, _origin) = unshared(&door).await;
    let asking = ask(crowd(&edge, AT_ONCE + WAITING).await, "/a");
    by_themselves(&edge, AT_ONCE + WAITING).await;
    let refused = edge.get("/a").await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, Some("5")));
    assert_eq!(refused.cache_status(), "kubefront; detail=crowded");
    door.open();
    assert_eq!(edge.get("/b").await.status, StatusCode::OK);
    assert!(heads(asking).await.iter().all(|head| head.status() == StatusCode::OK));
    let metrics = edge.admin("/metrics").await.body;
    for (outcome, times) in [("waited", WAITING), ("refused", 1)] {
        let of = "kubefront_edge_crowded_requests_total{site=\"default/shop\",behavior=\"*\",outcome=";
        assert!(metrics.contains(&format!("{of}\"{outcome}\"}} {times}\n")), "{metrics}");
    }
}

#[tokio::test]
async fn one_for_whom_there_is_no_place_is_shown_what_may_stand_in_for_an_error() {
    let (second, later) = (Door::closed(), Door::closed());
    let doors = [second.clone(), later.clone()];
    let origin = Origin::gated("cache-control: max-age=0, stale-if-error=60\r\n", move |read| {
        (read > 1).then(|| doors[usize::from(read > 2)].clone())
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/a").await;
    // What must be validated for each is waited for once; then all but the one who led go by themselves.
    let asking = ask(crowd(&edge, 1 + AT_ONCE + WAITING).await, "/a");
    interested(&edge, 1 + AT_ONCE + WAITING).await;
    second.open();
    by_themselves(&edge, AT_ONCE + WAITING).await;
    let shown = edge.get("/a").await;
    assert_eq!((shown.status, shown.body.as_str()), (StatusCode::OK, "read 2"));
    assert_eq!(shown.cache_status(), "kubefront; hit; ttl=0; detail=stale-if-error");
    later.open();
    assert!(heads(asking).await.iter().all(|head| head.status() == StatusCode::OK));
}

#[tokio::test]
async fn one_who_waited_for_a_place_takes_what_has_been_stored_meanwhile() {
    let doors = [Door::closed(), Door::closed(), Door::closed()];
    let origin = {
        let doors = doors.clone();
        Origin::start(move |seen, exchange| {
            let doors = doors.clone();
            async move {
                let (door, fields) = match seen.number {
                    1 => (None, "cache-control: private\r\n"),
                    2 => (Some(0), "cache-control: max-age=60\r\n"),
                    3 => (Some(1), "cache-control: private\r\n"),
                    _ => (Some(2), "cache-control: private\r\n"),
                };
                if let Some(door) = door {
                    doors[door].pass().await;
                }
                exchange.respond("200 OK", fields, &format!("read {}", seen.number)).await
            }
        })
        .await
    };
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/a").await;
    let mut asking = ask(crowd(&edge, AT_ONCE).await, "/a");
    origin.read_times(1 + AT_ONCE).await;
    for waiting in 1..=2 {
        asking.extend(ask(crowd(&edge, 1).await, "/a"));
        by_themselves(&edge, AT_ONCE + waiting).await;
    }
    let last = asking.pop().expect("waits");
    doors[0].open();
    until("it is stored", || edge.live().store().responses() == 1).await;
    doors[1].open();
    let reply = read(last.await.expect("does not panic")).await.expect("is whole");
    assert_eq!((reply.body.as_str(), reply.cache_status()), ("read 2", "kubefront; hit; ttl=60"));
    doors[2].open();
    assert_eq!(heads(asking).await.len(), AT_ONCE + 1);
}

#[tokio::test]
async fn what_the_cache_has_no_part_in_is_asked_for_by_all_at_once() {
    let door = Door::closed();
    let origin = behind(door.clone(), "200 OK", "").await;
    let mut config = config(origin.address);
    config.sites[0].behaviors[0].ttl = Ttl { min: 0, default: 0, max: 0, ..Ttl::default() };
    let edge = Edge::start(config).await;
    let asking = ask(crowd(&edge, APART).await, "/a");
    origin.read_times(APART).await;
    door.open();
    assert_eq!(heads(asking).await.len(), APART);
}
