//! A backend for browser applications, served by each framework.

use std::{collections::HashMap, sync::Arc};

use axum::{Router, extract::Request, http::header, response::IntoResponse};
use oauth_clients::{
    Sealer, SealingKey,
    bff::{Bff, Routes, SignIn, Upstream},
    github::GitHubOAuth2,
    reqwest, reqwest_client,
    tokens::{MemoryStore, TokenManager},
};
use oauth_emulator::Emulator;

/// An API that says what it was asked, in several pieces, and gives a cookie that nobody shall get.
async fn api() -> String {
    async fn answer(request: Request) -> impl IntoResponse {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let is_bearer = parts.headers[header::AUTHORIZATION].to_str().unwrap().starts_with("Bearer ");
        let head = format!("{} {} {is_bearer} ", parts.method, parts.uri);
        let pieces = [head.into_bytes(), body.to_vec()].map(|piece| Ok::<_, std::io::Error>(piece.into()));
        let pieces = pieces.map(|piece: Result<bytes::Bytes, _>| piece.map(http_body::Frame::data));
        let body = http_body_util::StreamBody::new(futures_util::stream::iter(pieces));
        ([("set-cookie", "of=the-api"), ("etag", "\"1\"")], axum::body::Body::new(body))
    }

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    url
}

pub(crate) async fn a_page_signs_in_calls_an_api_and_signs_out<F>(serve: fn(Bff) -> F)
where
    F: Future<Output = String>,
{
    let emulator = Emulator::builder().any_redirect_uri().start().await.unwrap();
    let github = GitHubOAuth2::new("github-client-id", "github-client-secret");
    let github = emulator.connect(github).await.unwrap();
    let sealer = Sealer::new(SealingKey::from_bytes([1; 32]));
    let tokens = TokenManager::builder(MemoryStore::new(), sealer.clone());
    let tokens = tokens.provider(Arc::new(github.clone())).build().unwrap();
    let http = reqwest_client(|defaults| defaults).unwrap();
    let routes = Routes::new(SignIn::new(sealer).provider(github).unwrap());
    let upstream = Upstream::new(&format!("{}/v1", api().await)).unwrap().most_request_bytes(100_000);
    let bff = Bff::new("/bff", routes, tokens, http).unwrap().upstream("things", upstream).unwrap();
    let url = serve(bff).await;

    let mut browser = emulator.browser().unwrap();
    // The site has no page of its own.
    browser.get(&format!("{url}/bff/github/login?return_to=/")).await.unwrap();
    let session = browser.cookie("bff-session").unwrap().to_owned();
    let http = reqwest::Client::from(reqwest_client(|defaults| defaults).unwrap());
    let ask = async |method: &str, path: &str, body: Vec<u8>| {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = http.request(method, format!("{url}/bff/{path}"));
        let request = request.header("cookie", format!("bff-session={session}")).header("x-csrf", "1");
        let answer = request.body(body).send().await.unwrap();
        let headers: HashMap<String, String> = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        (answer.status().as_u16(), headers, answer.text().await.unwrap())
    };

    let (status, headers, text) = ask("GET", "session", Vec::new()).await;
    assert!(status == 200 && text.contains("\"signed_in\":true"), "{status} {text}");
    assert_eq!(headers["content-type"], "application/json");
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let body = "ä".repeat(40_000);
        let (status, headers, text) =
            ask(method, "api/things/a%20b?x=1&x=2", body.clone().into_bytes()).await;
        assert_eq!(status, 200, "{method} {text}");
        assert!(text == format!("{method} /v1/a%20b?x=1&x=2 true {body}"), "{method} {text}");
        assert_eq!((&*headers["etag"], headers.get("set-cookie")), ("\"1\"", None));
        assert_eq!(headers["cache-control"], "no-store");
    }
    assert_eq!(ask("HEAD", "api/things/all", Vec::new()).await.0, 200);
    let (status, headers, _) = ask("POST", "api/things/all", vec![b'x'; 100_001]).await;
    assert_eq!((status, &*headers["x-bff-error"]), (413, "too_large"));
    for path in ["api/things/..%2fadmin", "api/things//x", "api/others/x", "nothing"] {
        let (status, headers, _) = ask("GET", path, Vec::new()).await;
        assert!(matches!(status, 400 | 404) && headers.contains_key("x-bff-error"), "{path}: {status}");
    }

    assert_eq!(ask("POST", "logout", Vec::new()).await.0, 204);
    let (status, headers, _) = ask("GET", "api/things/all", Vec::new()).await;
    assert_eq!((status, &*headers["x-bff-error"]), (401, "no_session"));
}
