//! The guarantee of an Invalidation, at one edge: the cases of the protocol that an edge alone can break.

use edge_contract::{Head, Scope};
use http::Method;

use crate::edge::{EPOCH, Edge, config, piece, request, until};
use crate::origin::{Door, Origin};

fn exact(path: &str) -> Vec<Scope> {
    vec![Scope::Exact(path.into())]
}

#[tokio::test]
async fn after_an_order_what_it_names_is_read_anew_and_nothing_else() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    edge.begin_log();
    for target in ["/a", "/a?x=1", "/img/1", "/img/2"] {
        edge.get(target).await;
    }
    edge.order(2, exact("/a"));
    assert_eq!(edge.get("/a").await.body, "read 5");
    assert_eq!(edge.get("/a?x=1").await.body, "read 2");
    edge.order(3, vec![Scope::Prefix("/img/".into())]);
    assert_eq!(edge.get("/img/1").await.body, "read 6");
    assert_eq!(edge.get("/img/2").await.body, "read 7");
    edge.order(4, vec![Scope::Everything]);
    assert_eq!(edge.get("/a?x=1").await.body, "read 8");
    assert_eq!(edge.live().applied().sequence, Some(4));
    assert_eq!(edge.live().applied().order_uid.as_deref(), Some("uid-4"));
}

#[tokio::test]
async fn an_order_frees_the_bytes_of_what_it_drops_and_counts_them() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    edge.begin_log();
    for n in 0..20 {
        edge.get(&format!("/img/{n}")).await;
    }
    edge.get("/kept").await;
    edge.order(2, exact("/img/3"));
    assert_eq!(edge.live().removed(2), 1, "an exact path is found at once");
    edge.order(3, vec![Scope::Prefix("/img/".into())]);
    until("the sweep has counted them", || edge.live().removed(3) == 19).await;
    assert_eq!(edge.live().store().responses(), 1);
    edge.order(4, vec![Scope::Everything]);
    until("nothing is held", || edge.live().store().held() == 0).await;
    assert_eq!((edge.live().removed(2), edge.live().removed(3), edge.live().removed(4)), (1, 19, 1));
}

/// F1.
#[tokio::test]
async fn a_fill_that_began_before_the_order_and_ends_after_it_is_not_served_again() {
    let door = Door::closed();
    let origin = Origin::halting(&door).await;
    let edge = Edge::start(config(origin.address)).await;
    edge.begin_log();
    let mut before = edge.open(request(Method::GET, "/a")).await.into_body();
    assert_eq!(piece(&mut before).await, "1abc");
    edge.order(2, exact("/a"));
    assert_eq!(edge.get("/a").await.body, "2abcdefg", "while the old one is still arriving");
    door.open();
    assert_eq!(piece(&mut before).await, "defg", "whoever asked before may see its end");
    until("the old fill is over", || edge.running.edge.collapse.fills() == 0).await;
    assert_eq!((edge.get("/a").await.body.as_str(), origin.reads()), ("2abcdefg", 2));
}

/// F2, the first half: what an order dropped is not asked after with its validators.
#[tokio::test]
async fn an_origin_that_always_says_304_cannot_revive_what_was_dropped() {
    let origin = Origin::start(|seen, exchange| async move {
        if seen.number == 1 {
            return exchange.respond("200 OK", "etag: \"v\"\r\ncache-control: max-age=10\r\n", "old").await;
        }
        exchange.respond("304 Not Modified", "etag: \"v\"\r\n", "").await
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    edge.begin_log();
    edge.get("/a").await;
    edge.order(2, exact("/a"));
    let reply = edge.get("/a").await;
    assert_eq!(reply.status, http::StatusCode::BAD_GATEWAY);
    assert!(reply.cache_status().contains("origin-304-unasked"), "{}", reply.cache_status());
    assert_eq!(origin.seen(2).header("if-none-match"), None);
}

/// F2, the second half: a 304 to a validation that began before the order.
#[tokio::test]
async fn a_304_to_a_validation_that_began_before_the_order_does_not_revive() {
    let door = Door::closed();
    let origin = {
        let door = door.clone();
        Origin::start(move |seen, exchange| {
            let door = door.clone();
            async move {
                match seen.number {
                    1 => exchange.respond("200 OK", "etag: \"v\"\r\ncache-control: max-age=10\r\n", "old").await,
                    2 => {
                        door.pass().await;
                        exchange.respond("304 Not Modified", "etag: \"v\"\r\n", "").await
                    }
                    _ => exchange.respond("200 OK", "etag: \"v\"\r\n", "new").await,
                }
            }
        })
        .await
    };
    let edge = Edge::start(config(origin.address)).await;
    edge.begin_log();
    edge.get("/a").await;
    edge.skip(11);
    let (validating, ()) = tokio::join!(edge.get("/a"), async {
        origin.read_times(2).await;
        edge.order(2, exact("/a"));
        door.open();
    });
    assert_eq!(origin.seen(2).header("if-none-match"), Some("\"v\""));
    assert_eq!((validating.body.as_str(), origin.seen(3).header("if-none-match")), ("new", None));
    assert_eq!(edge.get("/a").await.body, "new");
}

/// F3.
#[tokio::test]
async fn what_was_dropped_is_not_served_stale_when_the_origin_is_gone() {
    let origin =
        Origin::numbered("cache-control: max-age=10, stale-while-revalidate=600, stale-if-error=600\r\n").await;
    let edge = Edge::start(config(origin.address)).await;
    edge.begin_log();
    for target in ["/a", "/b"] {
        edge.get(target).await;
    }
    edge.skip(11);
    edge.order(2, exact("/a"));
    drop(origin);
    assert_eq!(edge.get("/a").await.status, http::StatusCode::BAD_GATEWAY);
    assert_eq!(edge.get("/b").await.body, "read 2", "what was not dropped still is");
}

/// F13.
#[tokio::test]
async fn a_request_after_the_order_does_not_wait_for_a_read_from_before_it() {
    let door = Door::closed();
    let first = door.clone();
    let origin = Origin::gated("", move |read| (read == 1).then(|| first.clone())).await;
    let edge = Edge::start(config(origin.address)).await;
    edge.begin_log();
    let (before, ()) = tokio::join!(edge.get("/a"), async {
        origin.read_times(1).await;
        edge.order(2, exact("/a"));
        assert_eq!(edge.get("/a").await.body, "read 2");
        door.open();
    });
    assert_eq!(before.body, "read 1");
    assert_eq!(edge.get("/a").await.body, "read 2");
}

/// F13, for one who waits already when the order comes, and whose request may have begun before or after it.
#[tokio::test]
async fn those_who_waited_when_the_order_came_are_judged_when_the_head_comes() {
    let door = Door::closed();
    let first = door.clone();
    let origin = Origin::gated("", move |read| (read == 1).then(|| first.clone())).await;
    let edge = Edge::start(config(origin.address)).await;
    edge.begin_log();
    let metrics = &edge.running.edge;
    let (first, second, ()) = tokio::join!(edge.get("/a"), edge.get("/a"), async {
        origin.read_times(1).await;
        until("both want it", || metrics.collapse.interested() == 2).await;
        edge.order(2, exact("/a"));
        door.open();
    });
    let mut bodies = [first.body, second.body];
    bodies.sort();
    assert_eq!(bodies, ["read 1", "read 2"], "the one who led began before the order; the other one asks anew");
}

/// F13, when orders come faster than the origin answers.
#[tokio::test]
async fn orders_that_keep_coming_leave_nobody_without_an_answer() {
    const ORDERS: usize = 6;
    let doors: Vec<Door> = (0..=ORDERS).map(|_| Door::closed()).collect();
    let origin = {
        let doors = doors.clone();
        Origin::gated("", move |read| doors.get(read - 1).cloned()).await
    };
    let edge = Edge::start(config(origin.address)).await;
    edge.begin_log();
    let collapse = &edge.running.edge.collapse;
    // Whoever leads began with a read of its own; the one who waits finds each time that the read it waited for is too old.
    let orders = async {
        let mut leaders = Vec::new();
        for n in 1..=ORDERS {
            leaders.push(tokio::spawn(crate::edge::open(edge.running.viewers, request(Method::GET, "/a"))));
            origin.read_times(n).await;
            if n > 1 {
                doors[n - 2].open();
            }
            until("one waits, or asks alone", || collapse.interested() >= 2 || origin.reads() > n).await;
            if origin.reads() > n {
                break;
            }
            edge.order(n as u64 + 1, exact("/a"));
        }
        doors.iter().for_each(Door::open);
        futures::future::join_all(leaders).await
    };
    let waiting = async {
        origin.read_times(1).await;
        edge.get("/a").await
    };
    let (_, waited) = tokio::join!(orders, waiting);
    assert_eq!(waited.status, http::StatusCode::OK, "{}", waited.cache_status());
}

#[tokio::test]
async fn a_first_head_above_what_was_applied_drops_what_was_read_before_it() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/a").await;
    assert_eq!(edge.get("/a").await.body, "read 1", "before its first head an edge serves what it read");
    edge.live().take_head(Head { epoch: EPOCH, sequence: 9, floor: 9, flush: 0 });
    assert_eq!(edge.get("/a").await.body, "read 2");
    edge.live().take_head(Head { epoch: EPOCH, sequence: 9, floor: 9, flush: 0 });
    assert_eq!(edge.get("/a").await.body, "read 2");
}

#[tokio::test]
async fn another_epoch_drops_everything() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    edge.begin_log();
    edge.get("/a").await;
    edge.live().take_head(Head { epoch: edge_contract::Epoch(8), sequence: 1, floor: 1, flush: 0 });
    assert_eq!(edge.get("/a").await.body, "read 2");
}

#[tokio::test]
async fn a_hit_after_ten_thousand_orders_is_still_a_hit() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    edge.begin_log();
    edge.get("/a").await;
    for n in 2..10_002 {
        edge.order(n, exact(&format!("/other/{n}")));
    }
    assert_eq!(edge.get("/a").await.body, "read 1");
    until("the sweep is through", || edge.live().purge().behind() == 0).await;
    assert_eq!(edge.get("/a").await.body, "read 1");
}
