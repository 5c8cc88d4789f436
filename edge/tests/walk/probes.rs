//! How it is found out that an origin is there again: by which requests, and who waits for it.

use edge_contract::{EdgeConfig, OriginHeader};
use http::{Method, StatusCode};

use crate::edge::{Edge, config, request, until};
use crate::failover::pair;
use crate::origin::{Door, Origin};

const LEFT_ALONE: &str = "kubefront; fwd=uri-miss; detail=origin-breaker-open";

/// An edge that has found that `app` answers nothing, by five requests; from here on that has ten seconds.
pub async fn without_app(config: EdgeConfig, app: &Origin) -> Edge {
    let mut impatient = config.clone();
    impatient.sites[0].origins[0].response_timeout_ms = 20;
    let edge = Edge::start(impatient).await;
    for reads in 1..=5 {
        edge.get(&format!("/{reads}")).await;
        assert_eq!(app.reads(), reads);
        edge.skip(1);
    }
    edge.live().take_config(EdgeConfig { revision: 2, ..config }).expect("is sound");
    assert!(is_left_alone(&edge));
    edge
}

fn is_left_alone(edge: &Edge) -> bool {
    !edge.live().observing().now().origins.is_empty()
}

async fn is_asked_again(edge: &Edge) {
    until("the origin is asked again", || !is_left_alone(edge)).await;
}

/// Whatever goes to this origin is stored for ten seconds.
async fn storing(door: &Door) -> Origin {
    Origin::held(door, "cache-control: max-age=10\r\n").await
}

#[tokio::test]
async fn whom_the_other_origin_serves_waits_for_no_try() {
    let door = Door::closed();
    let (app, spare) = (Origin::held(&door, "").await, Origin::numbered("").await);
    let mut config = pair(app.address, spare.address);
    config.sites[0].origins[0].headers = vec![OriginHeader::plain("x-origin-key", "own3r")];
    let edge = without_app(config, &app).await;
    for seconds in 0..5 {
        let reply = edge.get(&format!("/while?{seconds}")).await;
        assert_eq!(reply.cache_status(), "kubefront; fwd=uri-miss; fwd-status=200; stored; detail=failover");
        edge.skip(1);
    }
    app.read_times(6).await;
    let tried = app.seen(6);
    assert_eq!((tried.method.as_str(), tried.target.as_str()), ("GET", "/while?0"), "it is a request as any other");
    assert_eq!((tried.header("host"), tried.header("x-origin-key")), (Some("app.test"), Some("own3r")));
    door.open();
    is_asked_again(&edge).await;
    until("what it was answered is read", || edge.running.edge.forwarder.pool().len() == 2).await;
    assert_eq!(edge.get("/back").await.body, "read 7", "there was one try at a time, however long it took");
    assert_eq!(app.seen(7).connection, tried.connection);
}

#[tokio::test]
async fn whom_a_stored_response_serves_waits_for_no_try() {
    let door = Door::closed();
    door.open();
    let before = storing(&door).await;
    let edge = Edge::start(config(before.address)).await;
    edge.get("/stored").await;
    let door = Door::closed();
    let app = storing(&door).await;
    let moved = |revision, response_timeout_ms| {
        let mut config = EdgeConfig { revision, ..config(app.address) };
        config.sites[0].origins[0].response_timeout_ms = response_timeout_ms;
        config
    };
    edge.live().take_config(moved(2, 20)).expect("is sound");
    for number in 0..5 {
        edge.skip(11);
        edge.get(&format!("/{number}")).await;
    }
    edge.live().take_config(moved(3, 10_000)).expect("is sound");
    for seconds in 56..60 {
        edge.skip(1);
        let stale = edge.get("/stored").await;
        let expect = format!("kubefront; hit; ttl=-{}; detail=stale-unreachable", seconds - 10);
        assert_eq!((stale.cache_status(), stale.body.as_str()), (expect.as_str(), "read 1"));
    }
    app.read_times(6).await;
    door.open();
    is_asked_again(&edge).await;
    assert_eq!(edge.get("/stored").await.body, "read 7");
}

#[tokio::test]
async fn whom_nothing_else_serves_waits_a_second_and_the_try_goes_on() {
    let door = Door::closed();
    let app = Origin::held(&door, "").await;
    let edge = without_app(config(app.address), &app).await;
    assert_eq!(edge.get("/a").await.cache_status(), LEFT_ALONE);
    assert_eq!((app.reads(), edge.get("/b").await.cache_status()), (6, LEFT_ALONE), "one begins each second");
    edge.skip(1);
    assert_eq!((edge.get("/c").await.cache_status(), app.reads()), (LEFT_ALONE, 7), "beside the one under way");
    door.open();
    is_asked_again(&edge).await;
    assert_eq!(edge.get("/d").await.body, "read 8");
}

#[tokio::test]
async fn whom_nothing_else_serves_is_served_by_the_try() {
    let doors = [Door::closed(), Door::closed()];
    let app = {
        let [slow, rest] = doors.clone();
        let of = move |seen: usize| if seen == 6 { slow.clone() } else { rest.clone() };
        Origin::gated("", move |number| Some(of(number))).await
    };
    let edge = without_app(config(app.address), &app).await;
    assert_eq!(edge.get("/slow").await.cache_status(), LEFT_ALONE);
    doors[1].open();
    edge.skip(1);
    let reply = edge.get("/a").await;
    assert_eq!((reply.status, reply.body.as_str()), (StatusCode::OK, "read 7"), "whatever the other waits for");
    assert!(!is_left_alone(&edge));
}

#[tokio::test]
async fn what_may_change_something_is_a_try_itself_and_the_only_one() {
    let door = Door::closed();
    let (app, spare) = (Origin::held(&door, "").await, Origin::numbered("").await);
    let edge = without_app(pair(app.address, spare.address), &app).await;
    let others = async {
        app.read_times(6).await;
        edge.skip(1);
        let refused = edge.send(request(Method::POST, "/b")).await;
        assert_eq!(refused.cache_status(), "kubefront; fwd=method; detail=origin-breaker-open");
        assert_eq!(edge.get("/c").await.body, "read 6");
        door.open();
    };
    let (written, ()) = tokio::join!(edge.send(request(Method::POST, "/a")), others);
    assert_eq!((written.status, written.body.as_str()), (StatusCode::OK, "read 6"));
    assert_eq!(edge.send(request(Method::DELETE, "/a")).await.body, "read 7");
    assert_eq!(spare.reads(), 6);
}

#[tokio::test]
async fn of_two_that_are_both_gone_the_first_serves_as_soon_as_it_is_back() {
    let door = Door::closed();
    let (app, spare) = (Origin::held(&door, "").await, Origin::held(&door, "").await);
    let mut config = pair(app.address, spare.address);
    config.sites[0].origins[1].response_timeout_ms = 20;
    let edge = without_app(config, &app).await;
    let both = edge.live().observing().now().origins.len();
    assert_eq!((both, app.reads(), spare.reads()), (2, 5, 5));
    door.open();
    let reply = edge.get("/a").await;
    assert_eq!((reply.status, reply.body.as_str()), (StatusCode::OK, "read 6"));
    assert_eq!((app.reads(), spare.reads()), (6, 5));
}
