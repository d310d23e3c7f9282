//! Limits of size and time.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{body::Body, response::IntoResponse};
use bytes::Bytes;
use http::{Method, Response};
use http_body_util::{BodyExt, StreamBody};
use oauth_bff::Upstream;

use crate::world::{SITE, World, http, world_at};

async fn limited() -> World {
    let limit = |upstream: Upstream| {
        upstream.most_request_bytes(1000).most_answer_bytes(1000).timeout(Duration::from_secs(1))
    };
    let mut world = world_at(SITE, http(), limit, |bff| bff).await;
    world.sign_in().await;
    world
}

/// A body that never ends and never goes on.
struct Stalled;

impl http_body::Body for Stalled {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn bff_16_a_request_that_is_too_large_is_not_passed_on() {
    let mut world = limited().await;
    assert_eq!(world.post("/bff/api/things/all", vec![b'x'; 1000]).await.status, 200);
    let page = world.post("/bff/api/things/all", vec![b'x'; 1001]).await;
    assert_eq!((page.status, page.error()), (413, "too_large"));
    // One that does not say how long it is.
    let chunks = (0..11).map(|_| Ok::<_, Infallible>(http_body::Frame::data(Bytes::from(vec![b'x'; 100]))));
    let body = StreamBody::new(futures_util::stream::iter(chunks));
    let request = world.request(Method::POST, "/bff/api/things/all").body(body).unwrap();
    assert_eq!(world.bff.answer(request).await.status(), 413);
    assert_eq!(world.api.count(), 1);
}

#[tokio::test]
async fn bff_16_a_request_that_never_ends_is_given_up() {
    let world = limited().await;
    let request = world.request(Method::POST, "/bff/api/things/all").body(Stalled).unwrap();
    let begun = Instant::now();
    let response = world.bff.answer(request).await;
    assert_eq!(response.status(), 408);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(world.api.count(), 0);
}

#[tokio::test]
async fn bff_17_an_answer_that_is_too_large_or_too_slow_ends() {
    let mut world = limited().await;
    world.api.answer(|_| vec![b'x'; 1001].into_response());
    let page = world.get("/bff/api/things/all").await;
    assert_eq!((page.status, page.error()), (502, "upstream_too_large"));

    // One that does not say how long it is breaks off.
    world.api.answer(|_| {
        let chunks = (0..1000).map(|_| Ok::<_, Infallible>(Bytes::from(vec![b'x'; 100])));
        Response::new(Body::from_stream(futures_util::stream::iter(chunks)))
    });
    let page = world.get("/bff/api/things/all").await;
    assert_eq!(page.status, 200);
    assert!(page.text.starts_with("broke off"), "{}", page.text.len());

    // One whose body does not come ends with the time.
    world.api.answer(|_| Response::new(Body::new(Stalled)));
    let begun = Instant::now();
    let page = world.get("/bff/api/things/all").await;
    assert!(page.text.starts_with("broke off"), "{}", page.text);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn bff_17_an_api_that_does_not_answer_is_told_apart_from_one_that_is_not_there() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let [at, gone_at] = [&silent, &gone].map(|listener| format!("http://{}", listener.local_addr().unwrap()));
    drop(gone);
    let upstream = |url: &str| Upstream::new(url).unwrap().timeout(Duration::from_secs(1));
    let mut world = world_at(
        SITE,
        http(),
        |first| first,
        |bff| bff.upstream("silent", upstream(&at)).unwrap().upstream("gone", upstream(&gone_at)).unwrap(),
    )
    .await;
    world.sign_in().await;
    let page = world.get("/bff/api/silent/x").await;
    assert_eq!((page.status, page.error()), (504, "upstream_timeout"));
    let page = world.get("/bff/api/gone/x").await;
    assert_eq!((page.status, page.error()), (502, "upstream_unreachable"));
    drop(silent);
}

#[tokio::test]
async fn an_answer_is_passed_on_as_it_comes() {
    let world = {
        let mut world = world_at(SITE, http(), |upstream| upstream, |bff| bff).await;
        world.sign_in().await;
        world
    };
    world.api.answer(|_| {
        let first = futures_util::stream::iter([Ok::<_, Infallible>(Bytes::from("data: 1\n\n"))]);
        let rest = futures_util::stream::pending();
        Response::new(Body::from_stream(futures_util::StreamExt::chain(first, rest)))
    });
    let request = world
        .request(Method::GET, "/bff/api/things/events")
        .body(http_body_util::Empty::<Bytes>::new())
        .unwrap();
    let mut body = world.bff.answer(request).await.into_body();
    let frame = tokio::time::timeout(Duration::from_secs(10), body.frame()).await.unwrap().unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "data: 1\n\n");
}
