//! What owners say of storing and reuse, above what origins say.

use edge::clock::Clock;
use edge_cache::date::Date;
use edge_contract::{Behavior, ErrorResponse, Heuristic, SetCookie, Stale, Ttl};
use http::StatusCode;

use crate::edge::{Edge, config, until};
use crate::origin::Origin;

async fn by(origin: &Origin, change: impl FnOnce(&mut Behavior)) -> Edge {
    let mut config = config(origin.address);
    change(&mut config.sites[0].behaviors[0]);
    Edge::start(config).await
}

#[tokio::test]
async fn what_has_not_changed_for_long_stays_for_a_tenth_of_that_where_the_owner_wants_it() {
    for (heuristic, later, reads) in
        [(Heuristic::LastModified, 90, 1), (Heuristic::LastModified, 100, 2), (Heuristic::Off, 0, 2)]
    {
        let clock = Clock::standing();
        let now = clock.now().wall.duration_since(std::time::UNIX_EPOCH).expect("is after 1970").as_secs();
        let made = i64::try_from(now).expect("is before the end of time");
        let fields = format!("date: {}\r\nlast-modified: {}\r\n", Date(made), Date(made - 1_000));
        let origin = Origin::start(move |_, exchange| {
            let fields = fields.clone();
            async move { exchange.respond("200 OK", &fields, "body").await }
        })
        .await;
        let edge = by(&origin, |behavior| behavior.ttl = Ttl { default: 0, heuristic, ..Ttl::default() }).await;
        edge.get("/a").await;
        edge.skip(later);
        edge.get("/a").await;
        assert_eq!(origin.reads(), reads, "{heuristic:?} after {later} s");
    }
}

#[tokio::test]
async fn what_becomes_of_cookies_is_the_owners_choice() {
    for (set_cookie, first, second, reads) in [
        (SetCookie::Bypass, Some("who=1"), Some("who=2"), 2),
        (SetCookie::Store, Some("who=1"), Some("who=1"), 1),
        (SetCookie::Strip, None, None, 1),
    ] {
        let origin = Origin::start(|seen, exchange| async move {
            exchange.respond("200 OK", &format!("set-cookie: who={}\r\n", seen.number), "body").await
        })
        .await;
        let edge = by(&origin, |behavior| behavior.set_cookie = set_cookie).await;
        assert_eq!(edge.get("/a").await.header("set-cookie"), first, "{set_cookie:?}");
        assert_eq!(edge.get("/a").await.header("set-cookie"), second, "{set_cookie:?}");
        assert_eq!(origin.reads(), reads, "{set_cookie:?}");
    }
}

#[tokio::test]
async fn an_owner_may_show_it_stale_while_it_is_validated() {
    let origin = Origin::numbered("cache-control: max-age=10\r\n").await;
    let edge = by(&origin, |behavior| behavior.stale = Stale { while_revalidate: 30, ..Stale::default() }).await;
    edge.get("/a").await;
    edge.skip(39);
    let stale = edge.get("/a").await;
    assert_eq!(stale.cache_status(), "kubefront; hit; ttl=-29; detail=stale-while-revalidate");
    origin.read_times(2).await;
    until("the new one is stored", || edge.running.edge.collapse.fills() == 0).await;
    edge.skip(40);
    assert_eq!(edge.get("/a").await.body, "read 3");
}

#[tokio::test]
async fn an_owner_may_show_it_stale_in_place_of_an_error() {
    let origin = Origin::start(|seen, exchange| async move {
        match seen.number {
            1 => exchange.respond("200 OK", "cache-control: max-age=10\r\n", "good").await,
            _ => exchange.respond("502 Bad Gateway", "", "bad").await,
        }
    })
    .await;
    let edge = by(&origin, |behavior| behavior.stale = Stale { if_error: 30, ..Stale::default() }).await;
    edge.get("/a").await;
    edge.skip(39);
    assert_eq!(edge.get("/a").await.cache_status(), "kubefront; hit; fwd-status=502; ttl=-29; detail=stale-if-error");
    edge.skip(1);
    assert_eq!(edge.get("/a").await.body, "bad");
}

#[tokio::test]
async fn an_owner_says_how_long_it_stands_in_for_an_origin_that_is_gone() {
    for (if_unreachable, status) in [(30, StatusCode::OK), (29, StatusCode::BAD_GATEWAY)] {
        let origin = Origin::numbered("cache-control: max-age=10\r\n").await;
        let edge = by(&origin, |behavior| behavior.stale = Stale { if_unreachable, ..Stale::default() }).await;
        edge.get("/a").await;
        drop(origin);
        edge.skip(39);
        assert_eq!(edge.get("/a").await.status, status, "{if_unreachable}");
    }
}

#[tokio::test]
async fn an_error_is_kept_as_long_as_the_owner_says_unless_its_origin_forbids_it() {
    for (fields, later, reads) in [("", 59, 1), ("", 60, 2), ("cache-control: no-store\r\n", 0, 2)] {
        let origin =
            Origin::start(move |_, exchange| async move { exchange.respond("403 Forbidden", fields, "no").await })
                .await;
        let mut config = config(origin.address);
        let floor = ErrorResponse { code: 403, cache_ttl: Some(60), path: None, response_code: None };
        config.sites[0].error_responses = vec![floor];
        let edge = Edge::start(config).await;
        edge.get("/a").await;
        edge.skip(later);
        assert_eq!(edge.get("/a").await.status, StatusCode::FORBIDDEN);
        assert_eq!(origin.reads(), reads, "{fields} {later}");
    }
}
