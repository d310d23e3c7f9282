//! A backend that is served by axum, and requests that no browser would send.

use axum::{Router, routing::get};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::world::{World, world_with};

async fn served(world: &World) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let app =
        Router::new().route("/", get(async || "the page")).route_service("/bff/{*path}", world.bff.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn raw(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A server that refuses may reset the connection.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn bff_18_the_target_of_a_request_does_not_choose_the_host() {
    let mut world = world_with("http://127.0.0.1:3000", |bff| bff).await;
    world.sign_in().await;
    let address = served(&world).await;
    let (name, value) = world.session_cookie();
    let head = format!("x-csrf: 1\r\ncookie: {name}={value}\r\nconnection: close\r\n\r\n");
    for target in [
        "/bff/api/things/all",
        "http://evil.example/bff/api/things/all",
        "http://user:password@evil.example/bff/api/things/all",
        "http://evil.example:80/bff/api/things/all",
    ] {
        let answer = raw(&address, &format!("GET {target} HTTP/1.1\r\nhost: evil.example\r\n{head}")).await;
        if answer.starts_with("HTTP/1.1 200") {
            let (asked, _) = world.api.last();
            assert_eq!(asked.headers["host"].to_str().unwrap(), world.api.url.split("://").nth(1).unwrap());
            assert_eq!(asked.uri.to_string(), "/v1/all");
        } else {
            assert!(answer.starts_with("HTTP/1.1 4"), "{target}: {answer}");
        }
    }
    let before = world.api.count();
    assert!(before > 0);
    for target in [
        "/bff/api/things/../../admin",
        "/bff/api/things//evil.example/x",
        "http://evil.example/bff/api/things/%2e%2e/admin",
        "//evil.example/bff/api/things/all",
        "/bff/api/things\\..\\admin",
        "*",
    ] {
        let answer = raw(&address, &format!("GET {target} HTTP/1.1\r\nhost: app\r\n{head}")).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{target}: {answer}");
    }
    // Two lengths, and a length beside chunks.
    for framing in
        ["content-length: 4\r\ncontent-length: 9\r\n", "content-length: 4\r\ntransfer-encoding: chunked\r\n"]
    {
        let request = format!(
            "POST /bff/api/things/all HTTP/1.1\r\nhost: app\r\n{framing}{head}0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n"
        );
        raw(&address, &request).await;
    }
    assert!(world.api.seen.lock().unwrap().iter().all(|(asked, _)| asked.uri.path() == "/v1/all"));
    assert_eq!(raw(&address, "GET / HTTP/1.0\r\n\r\n").await.split("\r\n\r\n").nth(1), Some("the page"));
}

#[tokio::test]
async fn bff_18_a_foreign_host_gets_no_session() {
    // The address is derived from the request, so that a name of the attacker's that leads here is a site of its own.
    let cache = std::sync::Arc::new(oauth_clients::MemoryCache::new());
    let mut world = world_with("http://127.0.0.1:3000", |bff| bff.ended_sessions(cache.clone())).await;
    world.sign_in().await;
    let (name, value) = world.session_cookie();
    let sign_in = oauth_bff::SignIn::new(crate::world::sealer())
        .provider(crate::world::client(&world.emulator))
        .unwrap();
    let derived = oauth_bff::Bff::new(
        "/bff",
        oauth_bff::Routes::new(sign_in),
        world.tokens.clone(),
        crate::world::http(),
    )
    .unwrap()
    .ended_sessions(cache);
    for (host, expected) in
        [("127.0.0.1:3000", 1), ("localhost:3000", 0), ("evil.example", 0), ("127.0.0.1:3001", 0)]
    {
        for cookie in [name.clone(), format!("__Host-{name}")] {
            let request = http::Request::builder()
                .uri("/bff/session")
                .header("host", host)
                .header("origin", format!("http://{host}"))
                .header("x-csrf", "1")
                .header("cookie", format!("{cookie}={value}"));
            let request = request.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
            let response = derived.answer(request).await;
            let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
            let is_in = String::from_utf8_lossy(&body).contains("\"signed_in\":true");
            assert_eq!(is_in, expected == 1 && cookie == name, "{host} {cookie}");
        }
    }
}
