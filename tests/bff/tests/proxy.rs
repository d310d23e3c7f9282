//! What is passed on to an API, and what is not.

use axum::{body::Body, response::IntoResponse};
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use oauth_bff::Upstream;
use oauth_clients::{reqwest, reqwest_client};
use oauth_emulator::Fault;
use oauth_tokens::TokenKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{Api, SITE, world, world_at, world_with};

#[tokio::test]
async fn bff_10_a_path_that_could_lead_elsewhere_is_refused() {
    let mut world = world().await;
    world.sign_in().await;
    for rest in [
        "/..",
        "/../admin",
        "/a/../../admin",
        "/./a",
        "/%2e%2e/admin",
        "/.%2e/admin",
        "/%2E./admin",
        "/%252e%252e/admin",
        "/%25252e%25252e/admin",
        "/%2525252525252e",
        "/..%2fadmin",
        "/a%2fb",
        "/a%2Fb",
        "/a%252fb",
        "/a%5cb",
        "/a%255c..",
        "//evil.example",
        "//evil.example/a",
        "/a//b",
        "/%2fevil.example",
        "/..;/admin",
        "/..;x=1/admin",
        "/;/admin",
        "/a%00b",
        "/a%0d%0aHost:%20evil.example",
        "/a%7f",
        "/a%",
        "/a%2",
        "/a%zz",
        "/a%u002e",
        // A server that decodes a path and reads the whole as a URL again resolves these.
        "/..%3fadmin",
        "/..%23admin",
        "/..%20",
        "/..%20/admin",
        "/%20../admin",
        "/..%253fadmin",
        // Bytes that are no UTF-8 are dots and slashes to some servers.
        "/%c0%ae%c0%ae/admin",
        "/..%c0%afadmin",
        "/%e0%80%ae%e0%80%ae/admin",
        "/%25c0%25ae%25c0%25ae/admin",
        "/a%ff",
    ] {
        let page = world.get(&format!("/bff/api/things{rest}")).await;
        assert_eq!((page.status, page.error()), (400, "path"), "{rest}");
    }
    // What looks like a host or a user is the name of an upstream, or a path.
    for path in [
        "/bff/api/things.evil.example/x",
        "/bff/api/things@evil.example/x",
        "/bff/api/things:80/x",
        "/bff/api/things%2fx",
        "/bff/api/Things/x",
        "/bff/api//evil.example/x",
        "/bff/api/../api/things/x",
    ] {
        let page = world.get(path).await;
        assert_eq!(page.status, 404, "{path}");
    }
    assert_eq!(world.api.count(), 0);
}

#[tokio::test]
async fn a_path_and_a_query_are_passed_on_as_they_are() {
    let mut world = world().await;
    world.sign_in().await;
    for (rest, asked) in [
        ("", "/v1"),
        ("/", "/v1/"),
        ("/a/b/", "/v1/a/b/"),
        ("/a.b/..c/...", "/v1/a.b/..c/..."),
        ("/@evil.example/x", "/v1/@evil.example/x"),
        ("/http:evil", "/v1/http:evil"),
        ("/Zo%C3%AB%20K", "/v1/Zo%C3%AB%20K"),
        ("/100%25", "/v1/100%25"),
        ("/C%23/%23rust", "/v1/C%23/%23rust"),
        ("/why%3f/%3f", "/v1/why%3f/%3f"),
        ("/what..%3f/%20/...", "/v1/what..%3f/%20/..."),
        ("/a;b=c", "/v1/a;b=c"),
        ("/a?x=/../y&z=https://evil.example/%2f..", "/v1/a?x=/../y&z=https://evil.example/%2f.."),
        ("/a?", "/v1/a?"),
        ("?x=1", "/v1?x=1"),
    ] {
        let page = world.get(&format!("/bff/api/things{rest}")).await;
        assert_eq!(page.status, 200, "{rest}: {}", page.text);
        assert_eq!(world.api.last().0.uri.to_string(), asked);
    }
}

#[tokio::test]
async fn bff_11_neither_cookies_nor_credentials_nor_smuggled_headers_are_passed_on() {
    let mut world = world().await;
    world.sign_in().await;
    let smuggled = [
        ("authorization", "Bearer stolen"),
        ("proxy-authorization", "Basic eDp5"),
        ("dpop", "proof"),
        ("forwarded", "for=127.0.0.1;host=evil.example"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "evil.example"),
        ("x-real-ip", "127.0.0.1"),
        ("x-original-url", "/admin"),
        ("x-rewrite-url", "/admin"),
        ("x-http-method-override", "DELETE"),
        ("x-user", "admin"),
        ("origin", SITE),
        ("referer", "https://app.example/private"),
        ("te", "trailers"),
        ("trailer", "x-a"),
        ("keep-alive", "timeout=1"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("expect", "100-continue"),
        ("accept-encoding", "gzip"),
        ("connection", "keep-alive, prefer"),
        ("prefer", "respond-async"),
        ("sec-fetch-mode", "cors"),
    ];
    let mut request = world.request(Method::POST, "/bff/api/things/all");
    for (name, value) in smuggled {
        request = request.header(name, value);
    }
    let request = request
        .header("accept", "application/json")
        .header("content-type", "application/json")
        .header("if-match", "\"1\"")
        .body(Full::from("{}"))
        .unwrap();
    assert_eq!(world.send(request).await.status, 200);
    let (asked, body) = world.api.last();
    assert_eq!(body, "{}");
    for (name, value) in smuggled {
        if name != "authorization" {
            let values: Vec<_> = asked.headers.get_all(name).iter().collect();
            assert!(values.iter().all(|found| *found != value), "{name}: {values:?}");
        }
    }
    let authorization: Vec<_> = asked.headers.get_all("authorization").iter().collect();
    assert_eq!(authorization.len(), 1);
    assert_ne!(authorization[0], "Bearer stolen");
    for absent in ["cookie", "x-csrf", "sec-fetch-site"] {
        assert!(!asked.headers.contains_key(absent), "{absent}");
    }
    assert_eq!(asked.headers["host"].to_str().unwrap(), world.api.url.split("://").nth(1).unwrap());
    for kept in [
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("if-match", "\"1\""),
        ("content-length", "2"),
    ] {
        assert_eq!(asked.headers[kept.0], kept.1);
    }
}

#[tokio::test]
async fn bff_12_an_api_sets_no_cookie_and_lets_no_other_origin_in() {
    let mut world = world().await;
    world.sign_in().await;
    world.api.answer(|_| {
        let mut response = (StatusCode::CREATED, "<script>alert(1)</script>").into_response();
        for (name, value) in [
            ("set-cookie", "__Host-bff-session=stolen; Path=/; Secure"),
            ("set-cookie", "tracking=1"),
            ("access-control-allow-origin", "https://evil.example"),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-headers", "x-csrf"),
            ("cross-origin-resource-policy", "cross-origin"),
            ("clear-site-data", "\"*\""),
            ("strict-transport-security", "max-age=0"),
            ("content-security-policy", "default-src *"),
            ("service-worker-allowed", "/"),
            ("location", "https://evil.example"),
            ("refresh", "0; url=https://evil.example"),
            ("www-authenticate", "Basic realm=\"x\""),
            ("x-bff-error", "no_session"),
            ("cache-control", "public, max-age=3600"),
            ("connection", "etag"),
            ("etag", "\"1\""),
            ("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT"),
        ] {
            response.headers_mut().append(name, value.parse().unwrap());
        }
        response.headers_mut().insert("content-type", "text/html".parse().unwrap());
        response
    });
    let page = world.get("/bff/api/things/all").await;
    assert_eq!((page.status, &*page.text), (201, "<script>alert(1)</script>"));
    let mut names: Vec<_> = page.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "cache-control",
            "content-security-policy",
            "content-type",
            "last-modified",
            "x-content-type-options"
        ]
    );
    assert_eq!((page.one("cache-control"), page.one("x-content-type-options")), ("no-store", "nosniff"));
    assert!(page.one("content-security-policy").ends_with("sandbox"));
    assert!(world.session_cookie().1 != "stolen");
}

fn redirect(to: String) -> Response<Body> {
    Response::builder().status(307).header("location", to).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn bff_13_a_redirect_of_an_api_is_not_followed_by_any_client() {
    let evil = Api::start().await;
    let follows =
        reqwest_client(|defaults| defaults.redirect(reqwest::redirect::Policy::limited(5))).unwrap();
    for client in [crate::world::http(), follows] {
        let mut world = world_at(SITE, client, |upstream| upstream, |bff| bff).await;
        world.sign_in().await;
        let location = evil.url.clone();
        world.api.answer(move |_| redirect(format!("{location}/collect")));
        let page = world.get("/bff/api/things/all").await;
        assert_eq!((page.status, page.error()), (502, "upstream_redirected"));
        assert!(!page.headers.contains_key("location"));
    }
    // A client that follows redirects takes no token along to another host.
    assert!(evil.seen.lock().unwrap().iter().all(|(asked, _)| !asked.headers.contains_key("authorization")));
    // That something has not changed is not a redirect.
    let mut world = world().await;
    world.sign_in().await;
    world.api.answer(|_| StatusCode::NOT_MODIFIED.into_response());
    assert_eq!(world.get("/bff/api/things/all").await.status, 304);
}

#[tokio::test]
async fn bff_14_an_api_that_switches_protocols_unasked_is_not_passed_on() {
    let mut world = world().await;
    world.sign_in().await;
    world.api.answer(|_| {
        let answer = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
        answer.header("connection", "upgrade").header("upgrade", "websocket").body(Body::empty()).unwrap()
    });
    let page = world.get("/bff/api/things/a").await;
    assert_eq!((page.status, page.error()), (502, "upstream_unreachable"));
}

#[tokio::test]
async fn bff_14_a_websocket_is_refused() {
    let mut world = world().await;
    world.sign_in().await;
    for headers in [
        &[
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ][..],
        &[("upgrade", "h2c")][..],
        &[("connection", "keep-alive, upgrade")][..],
    ] {
        let mut request = world.request(Method::GET, "/bff/api/things/socket");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let page = world.send(request.body(Full::default()).unwrap()).await;
        assert_eq!((page.status, page.error()), (501, "upgrade"), "{headers:?}");
    }
    for method in [Method::CONNECT, Method::TRACE, Method::from_bytes(b"PURGE").unwrap()] {
        let request = world.request(method.clone(), "/bff/api/things/socket").body(Full::default()).unwrap();
        assert_eq!(world.send(request).await.status, 405, "{method}");
    }
    assert_eq!(world.api.count(), 0);
}

#[tokio::test]
async fn bff_15_a_token_that_an_api_refuses_is_refreshed_once() {
    let mut world = world().await;
    world.sign_in().await;
    // A token that is only seconds old is believed to be good.
    tokio::time::sleep(std::time::Duration::from_secs(11)).await;
    let page = world.get("/bff/api/things/all").await;
    assert_eq!(page.status, 200);
    let old = world.api.last().0.headers["authorization"].clone();
    let refused = old.clone();
    world.api.answer(move |asked| match asked.headers["authorization"] == refused {
        true => StatusCode::UNAUTHORIZED.into_response(),
        false => "fine".into_response(),
    });
    let page = world.post("/bff/api/things/all", "body").await;
    assert_eq!((page.status, &*page.text), (200, "fine"));
    assert_eq!((world.refreshes(), world.api.count()), (1, 3));
    let (asked, body) = world.api.last();
    assert_eq!(body, "body");
    assert_ne!(asked.headers["authorization"], old);

    // One that refuses every token is answered with what it said.
    world.api.answer(|_| (StatusCode::UNAUTHORIZED, [("www-authenticate", "Basic")], "no").into_response());
    let page = world.get("/bff/api/things/all").await;
    assert_eq!((page.status, &*page.text, page.error()), (401, "no", ""));
    assert!(!page.headers.contains_key("www-authenticate"));
    assert!(world.refreshes() <= 2, "{}", world.refreshes());
}

#[tokio::test]
async fn a_grant_that_has_ended_asks_for_a_sign_in() {
    let mut world = world().await;
    world.sign_in().await;
    world.get("/bff/api/things/all").await;
    let key = {
        let parts = world.request(Method::GET, "/").body(()).unwrap().into_parts().0;
        world.bff.session(&parts).await.unwrap().key()
    };
    world.tokens.delete(&key).await.unwrap();
    let before = world.api.count();
    let page = world.get("/bff/api/things/all").await;
    assert_eq!((page.status, page.error()), (401, "sign_in_again"));
    assert_eq!(world.api.count(), before);
    // The session itself goes on.
    assert!(world.get("/bff/session").await.text.contains("true"));
    // By signing in again it is as before.
    world.sign_in().await;
    assert_eq!(world.get("/bff/api/things/all").await.status, 200);
}

#[tokio::test]
async fn a_token_that_cannot_be_stored_ends_the_sign_in() {
    // The manager does not know the provider of this key.
    let mut world = world_with(SITE, |bff| {
        bff.on_sign_in(|_| async {
            Ok::<_, std::io::Error>(oauth_bff::NewSession::new(TokenKey::new("other", "17")))
        })
    })
    .await;
    let callback = world.consent("", oauth_emulator::Consent::Allow).await;
    let page = world.get(&callback).await;
    assert_eq!((page.status, page.error()), (500, "application"));
    assert!(world.cookies.is_empty());
    // And one that the provider does not give is the sign-in's own error.
    let callback = world.consent("", oauth_emulator::Consent::Allow).await;
    world.emulator.fault("oauth2", Fault::ServerError).unwrap();
    assert_eq!(world.get(&callback).await.status, 503);
}

#[tokio::test]
async fn further_headers_pass_if_they_are_listed_and_harmless() {
    let name = http::HeaderName::from_static("x-page-size");
    let mut world = world_at(
        SITE,
        crate::world::http(),
        |upstream| upstream.request_header(name.clone()).unwrap().response_header(name.clone()).unwrap(),
        |bff| bff,
    )
    .await;
    world.sign_in().await;
    world.api.answer(|asked| {
        let mut response = "fine".into_response();
        response.headers_mut().insert("x-page-size", asked.headers["x-page-size"].clone());
        response
    });
    let request = world.request(Method::GET, "/bff/api/things/all").header("x-page-size", "7");
    let page = world.send(request.body(Full::<Bytes>::default()).unwrap()).await;
    assert_eq!((page.status, page.one("x-page-size")), (200, "7"));
}

/// An API whose answer ends with trailers (RFC 9110 section 6.5).
async fn api_with_trailers() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: set-cookie\r\n\r\n4\r\nfine\r\n0\r\n\
                          set-cookie: __Host-bff-session=stolen; Path=/; Secure\r\n\
                          access-control-allow-origin: *\r\n\r\n";
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

#[tokio::test]
async fn bff_12_the_trailers_of_an_api_are_not_passed_on() {
    let upstream = Upstream::new(&api_with_trailers().await).unwrap();
    let mut world = world_with(SITE, |bff| bff.upstream("trailing", upstream).unwrap()).await;
    world.sign_in().await;
    let request = world.request(Method::GET, "/bff/api/trailing/all").body(Full::<Bytes>::default()).unwrap();
    let body = world.bff.answer(request).await.into_body().collect().await.unwrap();
    assert_eq!(body.trailers(), None);
    assert_eq!(body.to_bytes(), "fine");
}

#[tokio::test]
async fn bff_11_a_request_without_a_body_by_its_method_smuggles_none() {
    let mut world = world().await;
    world.sign_in().await;
    for method in [Method::GET, Method::HEAD] {
        let smuggled = "GET /admin HTTP/1.1\r\nhost: api\r\n\r\n";
        let request =
            world.request(method.clone(), "/bff/api/things/all").body(Full::from(smuggled)).unwrap();
        let page = world.send(request).await;
        assert_eq!((page.status, page.error()), (400, "body"), "{method}");
    }
    assert_eq!(world.api.count(), 0);
    // Some APIs read one with DELETE, and pages can send it.
    let request = world.request(Method::DELETE, "/bff/api/things/all").body(Full::from("{}")).unwrap();
    assert_eq!(world.send(request).await.status, 200);
    assert_eq!(world.api.last().1, "{}");
}
