//! Pods of an origin that come and go under traffic: who is asked, how often, and that no viewer hears of it.

use std::sync::Arc;

use edge_contract::{EdgeConfig, OriginTarget, Scheme};
use http::{Method, StatusCode};
use tokio::task::JoinSet;

use crate::edge::{Edge, SITE, config, request, until};
use crate::names::count;
use crate::origin::{Door, Origin, Then, deaf, nobody};

/// One site whose origin is a Service that DNS does not know.
pub fn service() -> EdgeConfig {
    let mut config = config(nobody());
    config.sites[0].origins[0].target =
        Some(OriginTarget::Service { dns_name: "app.invalid".into(), port: 80, scheme: Scheme::Http, granted: false });
    config
}

/// So many viewers at once, none of whom wants what another does.
fn crowd(edge: &Arc<Edge>, name: &str, size: usize) -> JoinSet<StatusCode> {
    let mut viewers = JoinSet::new();
    for n in 0..size {
        let (edge, target) = (Arc::clone(edge), format!("/{name}/{n}"));
        viewers.spawn(async move { edge.get(&target).await.status });
    }
    viewers
}

async fn all_are_served(mut viewers: JoinSet<StatusCode>) {
    while let Some(status) = viewers.join_next().await {
        assert_eq!(status.expect("ends"), StatusCode::OK);
    }
}

#[tokio::test]
async fn an_origin_that_was_a_service_is_not_looked_for_at_its_pods() {
    let (pod, elsewhere) = (Origin::numbered("").await, Origin::numbered("").await);
    let edge = Edge::start(service()).await;
    edge.endpoints(&[pod.address]);
    assert_eq!(edge.get("/a").await.status, StatusCode::OK);
    let mut edited = config(elsewhere.address);
    edited.revision = 2;
    edge.live().take_config(edited).expect("is sound");
    for path in ["/b", "/c"] {
        assert_eq!(edge.get(path).await.status, StatusCode::OK);
    }
    assert_eq!((pod.reads(), elsewhere.reads()), (1, 2));
}

#[tokio::test]
async fn pods_of_a_service_that_the_origin_is_not_in_what_serves_are_not_asked() {
    let (old, new) = (Origin::numbered("").await, Origin::numbered("").await);
    let at = |origin: &Origin| OriginTarget::Service {
        dns_name: "localhost".into(),
        port: origin.address.port(),
        scheme: Scheme::Http,
        granted: false,
    };
    let mut config = service();
    config.sites[0].origins[0].target = Some(at(&old));
    let edge = Edge::start(config.clone()).await;
    // What the operator says once it has another configuration, which this edge does not serve yet.
    edge.endpoints_of(at(&new), &[new.address]);
    assert_eq!(edge.get("/a").await.status, StatusCode::OK);
    edge.endpoints_of(at(&new), &[]);
    assert_eq!(edge.get("/b").await.status, StatusCode::OK);
    assert_eq!((old.reads(), new.reads()), (2, 0));

    edge.endpoints_of(at(&new), &[new.address]);
    let [old_at, new_at] = [at(&old), at(&new)];
    for (revision, target) in [(2, new_at), (3, old_at)] {
        config.revision = revision;
        config.sites[0].origins[0].target = Some(target);
        edge.live().take_config(config.clone()).expect("is sound");
        assert_eq!(edge.get(&format!("/{revision}")).await.status, StatusCode::OK);
    }
    assert_eq!((old.reads(), new.reads()), (3, 1), "each by its own word");
    config.revision = 4;
    config.sites[0].origins[0].target = Some(at(&new));
    edge.endpoints_of(at(&old), &[]);
    edge.live().take_config(config.clone()).expect("is sound");
    let app = &config.sites[0].origins[0];
    let held = |edge: &Edge, target| {
        edge.live().endpoints(SITE, &edge_contract::Origin { target: Some(target), ..app.clone() })
    };
    assert_eq!(held(&edge, at(&old)), None, "nobody keeps it up any more");
}

#[tokio::test]
async fn pods_that_are_replaced_one_after_the_other_fail_nobody() {
    let edge = Arc::new(Edge::start(service()).await);
    let mut pods = vec![Origin::numbered("").await, Origin::numbered("").await];
    for round in 0..5 {
        // It takes requests, and dies before it answers them.
        let dying = Origin::start(|_, mut exchange| async move {
            exchange.closed().await;
            Then::Close
        })
        .await;
        let listed: Vec<_> = [dying.address].into_iter().chain(pods.iter().map(|pod| pod.address)).collect();
        edge.endpoints(&listed);
        let viewers = crowd(&edge, &format!("dying/{round}"), 20);
        dying.read_times(1).await;
        drop(dying);
        all_are_served(viewers).await;
        // It is gone, and still on the list.
        all_are_served(crowd(&edge, &format!("gone/{round}"), 20)).await;
        // So are another, and its kept connections.
        drop(pods.remove(0));
        all_are_served(crowd(&edge, &format!("both/{round}"), 20)).await;
        pods.push(Origin::numbered("").await);
    }
}

#[tokio::test]
async fn whoever_is_least_busy_is_asked() {
    let door = Door::closed();
    let (slow, fast) = (Origin::halting(&door).await, Origin::numbered("").await);
    let edge = Edge::start(service()).await;
    edge.endpoints(&[slow.address, fast.address]);
    let held = edge.open(request(Method::GET, "/held")).await;
    assert_eq!(slow.reads(), 1);
    for n in 0..10 {
        assert_eq!(edge.get(&format!("/{n}")).await.status, StatusCode::OK);
    }
    assert_eq!((slow.reads(), fast.reads()), (1, 10));
    drop(held);
    door.open();
}

#[tokio::test]
async fn an_origin_that_answers_nobody_is_not_asked_thrice_by_everybody() {
    let origin = Origin::start(|_, exchange| async move { exchange.reset() }).await;
    let edge = Edge::start(config(origin.address)).await;
    for n in 0..100 {
        assert_eq!(edge.get(&format!("/{n}")).await.status, StatusCode::BAD_GATEWAY);
    }
    // Ten, and a fifth of what was asked.
    assert_eq!(origin.reads(), 130);
    assert_eq!(count(&edge, "kubefront_edge_origin_retries_total").await, Some(30));
    assert!(count(&edge, "kubefront_edge_origin_retries_refused_total").await >= Some(70));
}

#[tokio::test]
async fn a_pod_that_is_gone_is_dialled_seldom_and_one_that_is_back_is_used() {
    let edge = Edge::start(service()).await;
    let (pod, (gone, socket)) = (Origin::numbered("").await, deaf());
    edge.endpoints(&[gone, pod.address]);
    for n in 0..20 {
        assert_eq!(edge.get(&format!("/{n}")).await.status, StatusCode::OK);
    }
    assert_eq!(count(&edge, "kubefront_edge_origin_retries_total").await, Some(0), "the next was as good as any");
    let back = Origin::on(socket.listen(1_024).expect("listens"), |_, exchange| async move {
        exchange.respond("200 OK", "", "back").await
    });
    assert_eq!(edge.get("/avoided").await.body, "read 21");
    edge.skip(5);
    assert_eq!(edge.get("/tried").await.body, "back");
    for n in 0..10 {
        edge.get(&format!("/again/{n}")).await;
    }
    assert_eq!(back.reads(), 6, "it has every other turn again");
}

#[tokio::test]
async fn a_service_without_a_ready_pod_is_unavailable_at_once_where_somebody_watches_it() {
    let mut config = service();
    let origin = Origin::numbered("").await;
    let target = OriginTarget::Service {
        dns_name: "localhost".into(),
        port: origin.address.port(),
        scheme: Scheme::Http,
        granted: false,
    };
    config.sites[0].origins[0].target = Some(target);
    let edge = Edge::start(config).await;
    edge.endpoints(&[]);
    let reply = edge.get("/a").await;
    assert_eq!((reply.status, reply.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, Some("5")));
    assert!(reply.cache_status().ends_with("detail=origin-no-endpoints"), "{}", reply.cache_status());
    assert_eq!(origin.reads(), 0);
    edge.live().forget_endpoints();
    assert_eq!(edge.get("/a").await.status, StatusCode::OK, "its name is all that is known");
}

#[tokio::test]
async fn a_connection_that_an_origin_ends_in_good_order_is_no_failure() {
    let (one, other) = (Origin::numbered("connection: close\r\n").await, Origin::numbered("").await);
    let edge = Edge::start(service()).await;
    edge.endpoints(&[one.address, other.address]);
    for n in 0..10 {
        assert_eq!(edge.get(&format!("/{n}")).await.status, StatusCode::OK);
    }
    assert_eq!((one.reads(), other.reads()), (5, 5));
    until("nothing is under way", || edge.running.edge.forwarder.pool().len() == 1).await;
}
