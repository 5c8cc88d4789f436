//! Many exchanges on one connection to an origin: what they share, and what of one concerns no other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use edge_contract::{OriginTarget, Scheme};
use futures::future::{join_all, poll_fn};
use h2::Reason;
use h2::server::Builder;
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::edge::{Edge, piece, request, until, with_body, with_text};
use crate::http2_origin::{Asked, Http2Origin, h2c, send};
use crate::origin::Door;
use crate::streams::Http2;

/// An origin whose first `held` answers wait for the door.
async fn holding(door: &Door, held: usize) -> Http2Origin {
    let door = door.clone();
    Http2Origin::start(move |asked: Asked| {
        let door = door.clone();
        async move {
            if asked.number <= held {
                door.pass().await;
            }
            let said = format!("connection {}", asked.connection);
            asked.answer(200, &[], &said);
        }
    })
    .await
}

#[tokio::test]
async fn many_at_once_share_one_connection_though_none_was_open() {
    let door = Door::closed();
    let origin = holding(&door, 30).await;
    let edge = Edge::start(origin.config()).await;
    let paths: Vec<_> = (0..30).map(|n| format!("/{n}")).collect();
    let all = join_all(paths.iter().map(|path| edge.get(path)));
    let (replies, ()) = tokio::join!(all, async {
        origin.asked_times(30).await;
        door.open();
    });
    assert!(replies.iter().all(|reply| reply.body == "connection 1"), "{replies:?}");
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn where_an_origin_takes_few_at_a_time_others_get_a_connection_of_their_own() {
    let door = Door::closed();
    let opens = door.clone();
    let origin = Http2Origin::with(Builder::new().max_concurrent_streams(2), move |asked: Asked| {
        let door = opens.clone();
        async move {
            if asked.path() != "/first" {
                door.pass().await;
            }
            let said = format!("connection {}", asked.connection);
            asked.answer(200, &[], &said);
        }
    })
    .await;
    let edge = Edge::start(origin.config()).await;
    // From here on it is known how many it takes.
    edge.get("/first").await;
    let paths: Vec<_> = (0..5).map(|n| format!("/{n}")).collect();
    let all = join_all(paths.iter().map(|path| edge.get(path)));
    let (replies, ()) = tokio::join!(all, async {
        origin.asked_times(6).await;
        door.open();
    });
    for connection in 1..=3 {
        let said = format!("connection {connection}");
        let times = replies.iter().filter(|reply| reply.body == said).count();
        assert!((1..=2).contains(&times), "{replies:?}");
    }
    assert_eq!(origin.connections(), 3);
}

#[tokio::test]
async fn viewers_that_take_nothing_keep_nothing_from_others() {
    let origin = Http2Origin::start(|mut asked: Asked| async move {
        let much = if asked.path() == "/other" { 4 << 20 } else { 64 << 20 };
        let mut stream = asked.head(200, &[]);
        let _ = send(&mut stream, Bytes::from(vec![b'x'; much])).await;
    })
    .await;
    let edge = Edge::start(origin.config()).await;
    let mut held = Vec::new();
    for n in 0..20 {
        let mut viewer = Http2::of(&edge).await;
        let mut body = viewer.ask(Method::POST, &format!("/{n}"), &[], true).await.answer().await.into_body();
        // A piece that is not given back: the viewer takes no more of it.
        body.data().await.expect("comes").expect("is sound");
        held.push((viewer, body));
    }
    let reply = edge.get("/other").await;
    assert_eq!((reply.status, reply.body.len()), (StatusCode::OK, 4 << 20));
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn viewers_that_stop_to_read_small_messages_end_nobody_elses() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let origin = Http2Origin::start(move |mut asked: Asked| {
        let count = Arc::clone(&count);
        async move {
            if asked.path() == "/other" {
                return asked.answer(200, &[], "read");
            }
            let mut stream = asked.head(200, &[]);
            loop {
                stream.reserve_capacity(3);
                let Some(Ok(room)) = poll_fn(|cx| stream.poll_capacity(cx)).await else { return };
                if room < 3 {
                    // It is full, and stays open.
                    std::future::pending::<()>().await;
                }
                stream.send_data(Bytes::from_static(b"abc"), false).expect("is taken");
                count.fetch_add(3, Ordering::Relaxed);
            }
        }
    })
    .await;
    let edge = Edge::start(origin.config()).await;
    let mut held = Vec::new();
    for n in 0..4 {
        let mut viewer = Http2::of(&edge).await;
        let body = viewer.ask(Method::POST, &format!("/{n}"), &[], true).await.answer().await.into_body();
        held.push((viewer, body));
    }
    until("their windows are full", || sent.load(Ordering::Relaxed) > 4 * 250_000).await;
    assert_eq!(edge.get("/other").await.body, "read");
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn of_what_an_origin_does_not_take_a_viewer_sends_little_and_others_are_served() {
    // Its connection's window is larger than that of a stream, so that one that it does not read leaves room for another.
    let origin =
        Http2Origin::with(Builder::new().initial_connection_window_size(1 << 20), |mut asked: Asked| async move {
            if asked.path() == "/soon" {
                let (body, _) = asked.rest().await;
                return asked.answer(200, &[], std::str::from_utf8(&body).expect("is text"));
            }
            // It holds the stream and takes nothing.
            assert_eq!(asked.reset().await, Reason::CANCEL);
        })
        .await;
    let mut config = origin.config();
    config.sites[0].origins[0].response_timeout_ms = 1_000;
    let edge = Edge::start(config).await;
    let mut viewer = Http2::of(&edge).await;
    let mut upload = viewer.ask(Method::POST, "/", &[], false).await;
    let (mut sent, mut asked_meanwhile) = (0, false);
    let answer = loop {
        upload.sending.reserve_capacity(64 * 1024);
        tokio::select! {
            answer = &mut upload.response => break answer.expect("is an answer"),
            room = poll_fn(|cx| upload.sending.poll_capacity(cx)) => {
                let Some(Ok(room)) = room else { break (&mut upload.response).await.expect("is an answer") };
                upload.sending.send_data(Bytes::from(vec![b'x'; room]), false).expect("is taken");
                sent += room;
                assert!(sent < 4 << 20, "{sent} bytes");
            }
        }
        if !asked_meanwhile {
            let reply = edge.send(with_text(Method::POST, "/soon", "text")).await;
            assert_eq!(reply.body, "text");
            asked_meanwhile = true;
        }
    };
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(origin.connections(), 1);
}

/// The first requests are ended by this, the others answered.
async fn resetting(reason: Reason, times: usize) -> Http2Origin {
    Http2Origin::start(move |mut asked: Asked| async move {
        if asked.number <= times {
            return asked.reply.send_reset(reason);
        }
        let (body, _) = asked.rest().await;
        let said = format!("request {} {}", asked.number, String::from_utf8_lossy(&body));
        asked.answer(200, &[], said.trim_end());
    })
    .await
}

#[tokio::test]
async fn what_an_origin_refuses_to_look_at_is_asked_again_whatever_it_is() {
    for method in [Method::GET, Method::POST, Method::DELETE] {
        let origin = resetting(Reason::REFUSED_STREAM, 1).await;
        let edge = Edge::start(origin.config()).await;
        let reply = edge.send(request(method.clone(), "/a")).await;
        assert_eq!((reply.status, reply.body.as_str()), (StatusCode::OK, "request 2"), "{method}");
    }
    // A body that was begun is sent from its beginning, as long as that is not too much to keep.
    for (length, begun, status) in [(60_000, 60_000, StatusCode::OK), (1 << 20, 200_000, StatusCode::BAD_GATEWAY)] {
        let origin = Http2Origin::start(move |mut asked: Asked| async move {
            if asked.number == 1 {
                let mut read = 0;
                while read < begun {
                    read += asked.piece().await.expect("comes").expect("is sound").len();
                }
                return asked.reply.send_reset(Reason::REFUSED_STREAM);
            }
            let (body, _) = asked.rest().await;
            asked.answer(200, &[], std::str::from_utf8(&body).expect("is text"));
        })
        .await;
        let edge = Edge::start(origin.config()).await;
        let text: String = (0..length).map(|n| char::from(b'a' + u8::try_from(n % 26).expect("is small"))).collect();
        let body = Full::from(text.clone()).map_err(|never| match never {}).boxed();
        let reply = edge.send(with_body(Method::POST, "/a", body)).await;
        assert_eq!(reply.status, status, "{length}");
        assert!(status != StatusCode::OK || reply.body == text);
    }
    // However much of it was taken the second time.
    let origin = Http2Origin::with(Builder::new().initial_window_size(3), |mut asked: Asked| async move {
        if asked.number > 2 {
            let (body, _) = asked.rest().await;
            return asked.answer(200, &[], std::str::from_utf8(&body).expect("is text"));
        }
        let mut read = 0;
        while read < [9, 1][asked.number - 1] {
            read += asked.piece().await.expect("comes").expect("is sound").len();
        }
        asked.reply.send_reset(Reason::REFUSED_STREAM);
    })
    .await;
    let edge = Edge::start(origin.config()).await;
    let mut viewer = Http2::of(&edge).await;
    let mut upload = viewer.ask(Method::POST, "/", &[], false).await;
    for piece in ["first", "second"] {
        upload.send(piece, false);
    }
    upload.send("third", true);
    let answer = upload.answer().await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(crate::streams::rest(answer.into_body()).await.expect("is whole").0, "firstsecondthird");
    // Nor is it asked more often than its attempts say.
    let origin = resetting(Reason::REFUSED_STREAM, 10).await;
    let mut config = origin.config();
    config.sites[0].origins[0].attempts = 2;
    let edge = Edge::start(config).await;
    let reply = edge.send(request(Method::POST, "/a")).await;
    assert_eq!((reply.status, origin.requests()), (StatusCode::BAD_GATEWAY, 2));
    assert!(reply.cache_status().ends_with("detail=origin-reset"), "{}", reply.cache_status());
}

#[tokio::test]
async fn what_an_origin_may_have_done_is_not_asked_again() {
    for reason in [Reason::INTERNAL_ERROR, Reason::CANCEL, Reason::NO_ERROR, Reason::ENHANCE_YOUR_CALM] {
        let origin = resetting(reason, 1).await;
        let edge = Edge::start(origin.config()).await;
        let reply = edge.send(request(Method::POST, "/a")).await;
        assert_eq!((reply.status, origin.requests()), (StatusCode::BAD_GATEWAY, 1), "{reason:?}");
        assert_eq!(edge.get("/b").await.body, "request 2", "{reason:?}");
        assert_eq!(origin.connections(), 1, "{reason:?}: it concerns that stream alone");
        // What is safe is.
        let origin = resetting(reason, 1).await;
        let edge = Edge::start(origin.config()).await;
        assert_eq!(edge.get("/a").await.body, "request 2", "{reason:?}");
    }
}

#[tokio::test]
async fn an_exchange_that_is_reset_concerns_no_other() {
    let door = Door::closed();
    let opens = door.clone();
    let origin = Http2Origin::start(move |mut asked: Asked| {
        let door = opens.clone();
        async move {
            let mut stream = asked.head(200, &[("cache-control", "no-store")]);
            stream.send_data(Bytes::from_static(b"begun "), false).expect("is sent");
            door.pass().await;
            if asked.path() == "/reset" {
                return stream.send_reset(Reason::NO_ERROR);
            }
            stream.send_data(Bytes::from_static(b"ended"), true).expect("is sent");
        }
    })
    .await;
    let edge = Edge::start(origin.config()).await;
    let mut reset = edge.open(request(Method::POST, "/reset")).await.into_body();
    let other = edge.open(request(Method::POST, "/other")).await;
    assert_eq!(piece(&mut reset).await, "begun ");
    door.open();
    // Whatever it is called, it is no end.
    assert!(reset.collect().await.is_err());
    assert_eq!(crate::edge::read(other).await.expect("is whole").body, "begun ended");
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn an_origin_that_goes_away_ends_what_it_has_begun_and_is_connected_to_anew() {
    let door = Door::closed();
    let opens = door.clone();
    let origin = Http2Origin::start(move |asked: Asked| {
        let door = opens.clone();
        async move {
            if asked.path() == "/slow" {
                asked.go_away();
                door.pass().await;
            }
            let said = format!("connection {}", asked.connection);
            asked.answer(200, &[], &said);
        }
    })
    .await;
    let edge = Edge::start(origin.config()).await;
    let slow = edge.get("/slow");
    let others = async {
        origin.asked_times(1).await;
        // It may take a moment until the edge hears of it.
        let mut n = 0;
        while edge.get(&format!("/{n}")).await.body != "connection 2" {
            n += 1;
        }
        door.open();
    };
    let (slow, ()) = tokio::join!(slow, others);
    assert_eq!(slow.body, "connection 1");
    assert_eq!(edge.get("/last").await.body, "connection 2");
}

#[tokio::test]
async fn who_waits_for_a_connection_that_fails_is_answered_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("is bound");
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            drop(stream);
        }
    });
    let mut config = h2c(address);
    config.sites[0].origins[0].attempts = 1;
    let edge = Edge::start(config).await;
    let paths: Vec<_> = (0..10).map(|n| format!("/{n}")).collect();
    let replies = join_all(paths.iter().map(|path| edge.get(path))).await;
    assert!(replies.iter().all(|reply| reply.status == StatusCode::BAD_GATEWAY), "{replies:?}");
    assert!(accepted.load(Ordering::Relaxed) >= 1);
}

#[tokio::test]
async fn who_waits_for_another_to_connect_waits_no_longer_than_if_it_did_so_itself() {
    // Its queue holds one connection, and that one is there.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a port is free");
    let listener = socket.listen(0).expect("listens");
    let address = listener.local_addr().expect("is bound");
    let _first = TcpStream::connect(address).await.expect("is queued");
    let mut config = h2c(address);
    config.sites[0].origins[0].attempts = 1;
    config.sites[0].origins[0].connect_timeout_ms = 500;
    let edge = Edge::start(config).await;
    let began = edge::clock::Clock::deadline(Duration::ZERO);
    let paths: Vec<_> = (0..5).map(|n| format!("/{n}")).collect();
    for reply in join_all(paths.iter().map(|path| edge.get(path))).await {
        assert!(reply.cache_status().ends_with("detail=origin-connect-timeout"), "{}", reply.cache_status());
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn requests_that_share_a_connection_count_each_for_itself_where_the_least_busy_is_asked() {
    let door = Door::closed();
    let (one, other) = (holding(&door, 3).await, holding(&door, 3).await);
    let mut config = one.config();
    config.sites[0].origins[0].target =
        Some(OriginTarget::Service { dns_name: "app.invalid".into(), port: 80, scheme: Scheme::H2c, granted: false });
    let edge = Edge::start(config).await;
    edge.endpoints(&[one.address, other.address]);
    let paths: Vec<_> = (0..6).map(|n| format!("/{n}")).collect();
    let all = join_all(paths.iter().map(|path| edge.get(path)));
    let (_, ()) = tokio::join!(all, async {
        until("each has its half", || one.requests() + other.requests() == 6).await;
        door.open();
    });
    assert_eq!((one.requests(), other.requests()), (3, 3));
    assert_eq!((one.connections(), other.connections()), (1, 1));
}
