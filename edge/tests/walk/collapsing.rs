//! What many viewers of one thing cost the origin, and what happens when some of them leave.

use futures::future::join_all;
use http::{Method, StatusCode};

use crate::edge::{Edge, config, open, piece, read, request, until};
use crate::origin::{Door, Origin, Then};

#[tokio::test]
async fn fifty_viewers_at_once_are_one_read_and_see_bytes_before_it_ends() {
    let door = Door::closed();
    let origin = Origin::halting(&door).await;
    let edge = Edge::start(config(origin.address)).await;
    let opened = join_all((0..50).map(|_| edge.open(request(Method::GET, "/a")))).await;
    let mut bodies: Vec<_> = opened.into_iter().map(http::Response::into_body).collect();
    for body in &mut bodies {
        assert_eq!(piece(body).await, "1abc");
    }
    assert_eq!(edge.running.edge.collapse.fills(), 1);
    door.open();
    for body in &mut bodies {
        assert_eq!(piece(body).await, "defg");
    }
    assert_eq!(origin.reads(), 1);
    assert_eq!(edge.get("/a").await.body, "1abcdefg");
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn those_who_wait_for_a_head_share_it_and_say_so() {
    let door = Door::closed();
    let origin = Origin::held(&door, "").await;
    let edge = Edge::start(config(origin.address)).await;
    let replies = tokio::join!(edge.get("/a"), edge.get("/a"), async {
        origin.read_times(1).await;
        door.open();
    });
    assert_eq!((replies.0.body.as_str(), replies.1.body.as_str()), ("read 1", "read 1"));
    let said = [replies.0.cache_status(), replies.1.cache_status()];
    assert!(said.iter().filter(|said| said.contains("; collapsed")).count() <= 1, "{said:?}");
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn a_fill_goes_on_for_those_who_wait_when_its_leader_leaves() {
    let door = Door::closed();
    let origin = Origin::halting(&door).await;
    let edge = Edge::start(config(origin.address)).await;
    let mut leader = edge.open(request(Method::GET, "/a")).await.into_body();
    assert_eq!(piece(&mut leader).await, "1abc");
    let mut other = edge.open(request(Method::GET, "/a")).await.into_body();
    assert_eq!(piece(&mut other).await, "1abc");
    drop(leader);
    door.open();
    assert_eq!(piece(&mut other).await, "defg");
    assert_eq!((edge.get("/a").await.body.as_str(), origin.reads()), ("1abcdefg", 1));
}

#[tokio::test]
async fn a_fill_that_nobody_wants_any_more_lets_go_of_its_origin() {
    let (left, gone) = (Door::closed(), Door::closed());
    let origin = {
        let (left, gone) = (left.clone(), gone.clone());
        Origin::start(move |seen, mut exchange| {
            let (left, gone) = (left.clone(), gone.clone());
            async move {
                if seen.number > 1 {
                    return exchange.respond("200 OK", "", "whole").await;
                }
                exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nabc").await;
                left.pass().await;
                exchange.closed().await;
                gone.open();
                Then::Close
            }
        })
        .await
    };
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer = edge.open(request(Method::GET, "/a")).await.into_body();
    assert_eq!(piece(&mut viewer).await, "abc");
    drop(viewer);
    left.open();
    tokio::time::timeout(crate::edge::PATIENCE, gone.pass()).await.expect("the origin's connection is closed");
    assert_eq!(edge.get("/a").await.body, "whole");
    assert_eq!(origin.reads(), 2);
}

#[tokio::test]
async fn a_fill_that_is_nearly_done_is_finished_though_its_viewer_left() {
    let door = Door::closed();
    let origin = Origin::halting(&door).await;
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer = edge.open(request(Method::GET, "/a")).await.into_body();
    assert_eq!(piece(&mut viewer).await, "1abc");
    drop(viewer);
    door.open();
    until("it is stored", || edge.live().store().responses() == 1).await;
    assert_eq!((edge.get("/a").await.body.as_str(), origin.reads()), ("1abcdefg", 1));
}

#[tokio::test]
async fn what_is_not_for_sharing_is_asked_for_by_everyone_and_not_waited_for_again() {
    let (first, later) = (Door::closed(), Door::closed());
    let doors = [first.clone(), later.clone()];
    let origin = Origin::gated("set-cookie: who=me\r\n", move |read| match read {
        1 => Some(doors[0].clone()),
        6.. => Some(doors[1].clone()),
        _ => None,
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    let viewers = join_all((0..5).map(|_| edge.get("/a")));
    let (replies, ()) = tokio::join!(viewers, async {
        until("all want it", || edge.running.edge.collapse.interested() == 5).await;
        origin.read_times(1).await;
        assert_eq!(origin.reads(), 1);
        first.open();
    });
    let mut bodies: Vec<_> = replies.into_iter().map(|reply| reply.body).collect();
    bodies.sort();
    assert_eq!(bodies, ["read 1", "read 2", "read 3", "read 4", "read 5"]);
    // For ten seconds nobody waits: both of these are under way at once.
    tokio::join!(edge.get("/a"), edge.get("/a"), async {
        origin.read_times(7).await;
        later.open();
    });
    edge.skip(10);
    let led = origin.reads();
    edge.get("/a").await;
    assert_eq!(origin.reads(), led + 1);
}

#[tokio::test]
async fn when_the_one_who_led_fails_one_of_those_who_waited_leads() {
    let door = Door::closed();
    let origin = {
        let door = door.clone();
        Origin::start(move |seen, exchange| {
            let door = door.clone();
            async move {
                if seen.number > 1 {
                    return exchange.respond("200 OK", "", &format!("read {}", seen.number)).await;
                }
                door.pass().await;
                exchange.reset()
            }
        })
        .await
    };
    let mut config = config(origin.address);
    config.sites[0].origins[0].attempts = 1;
    let edge = Edge::start(config).await;
    let viewers = join_all((0..10).map(|_| edge.get("/a")));
    let (replies, ()) = tokio::join!(viewers, async {
        until("all want it", || edge.running.edge.collapse.interested() == 10).await;
        door.open();
    });
    let failed = replies.iter().filter(|reply| reply.status == StatusCode::BAD_GATEWAY).count();
    let served = replies.iter().filter(|reply| reply.body == "read 2").count();
    assert_eq!((failed, served, origin.reads()), (1, 9, 2));
}

#[tokio::test]
async fn those_who_waited_fail_together_when_the_second_fails_too_or_has_no_time_left() {
    for (script, status, reads) in [("reset", StatusCode::BAD_GATEWAY, 2), ("silence", StatusCode::GATEWAY_TIMEOUT, 1)]
    {
        let doors = [Door::closed(), Door::closed()];
        let origin = {
            let doors = doors.clone();
            Origin::start(move |seen, mut exchange| {
                let doors = doors.clone();
                async move {
                    if script == "silence" {
                        exchange.closed().await;
                        return Then::Close;
                    }
                    doors[(seen.number - 1).min(1)].pass().await;
                    exchange.reset()
                }
            })
            .await
        };
        let mut config = config(origin.address);
        config.sites[0].origins[0].attempts = 1;
        config.sites[0].origins[0].response_timeout_ms = if script == "silence" { 1_000 } else { 10_000 };
        let edge = Edge::start(config).await;
        let viewers = join_all((0..10).map(|_| edge.get("/a")));
        let (replies, ()) = tokio::join!(viewers, async {
            until("all want it", || edge.running.edge.collapse.interested() == 10).await;
            edge.clock.skip(std::time::Duration::from_millis(if script == "silence" { 1_000 } else { 0 }));
            doors[0].open();
            if script == "reset" {
                origin.read_times(2).await;
                until("those who waited want it", || edge.running.edge.collapse.interested() == 9).await;
            }
            doors[1].open();
        });
        assert!(replies.iter().all(|reply| reply.status == status), "{script}");
        assert_eq!(origin.reads(), reads, "{script}");
    }
}

#[tokio::test]
async fn an_unreachable_origin_fails_all_who_wait_at_once() {
    let origin = Origin::start(|_, exchange| async move { exchange.reset() }).await;
    let edge = Edge::start(config(origin.address)).await;
    let replies = join_all((0..20).map(|_| edge.get("/a"))).await;
    assert!(replies.iter().all(|reply| reply.status == StatusCode::BAD_GATEWAY));
    // Three attempts each for a leader now and then, not for each viewer.
    assert!(origin.reads() < 20 * 3, "{}", origin.reads());
}

#[tokio::test]
async fn a_body_that_breaks_off_is_broken_for_all_and_stored_for_nobody() {
    let door = Door::closed();
    let origin = {
        let door = door.clone();
        Origin::start(move |seen, mut exchange| {
            let door = door.clone();
            async move {
                if seen.number > 1 {
                    return exchange.respond("200 OK", "", "whole").await;
                }
                exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc").await;
                door.pass().await;
                Then::Close
            }
        })
        .await
    };
    let edge = Edge::start(config(origin.address)).await;
    let viewers = join_all((0..5).map(|_| open(edge.running.viewers, request(Method::GET, "/a")))).await;
    door.open();
    for viewer in viewers {
        read(viewer.expect("has a head")).await.expect_err("is not complete");
    }
    assert_eq!(edge.live().store().responses(), 0);
    assert_eq!(edge.get("/a").await.body, "whole");
}

#[tokio::test]
async fn viewers_of_what_must_be_validated_each_time_do_not_share() {
    let origin = Origin::numbered("cache-control: no-cache\r\netag: \"v\"\r\n").await;
    let edge = Edge::start(config(origin.address)).await;
    let replies = join_all((0..4).map(|_| edge.get("/a"))).await;
    let mut bodies: Vec<_> = replies.into_iter().map(|reply| reply.body).collect();
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 4);
}
