//! A site with a backend, an API behind it, and the browser of one user.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Body, extract::State, response::IntoResponse};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, request::Parts};
use http_body_util::{BodyExt, Full};
use oauth_bff::{Bff, Routes, SignIn, Upstream};
use oauth_clients::{OAuth2, Provider, ReqwestClient, Sealer, SealingKey, reqwest_client};
use oauth_emulator::{Consent, Emulator};
use oauth_tokens::{MemoryStore, TokenManager};

pub(crate) const SITE: &str = "https://app.example";

/// An API that records what it is asked, and answers as it is told.
#[derive(Clone, Default)]
pub(crate) struct Api {
    pub(crate) url: String,
    pub(crate) seen: Arc<Mutex<Vec<(Parts, Bytes)>>>,
    answer: Arc<Mutex<Option<Arc<Answer>>>>,
}

type Answer = dyn Fn(&Parts) -> Response<Body> + Send + Sync;

impl Api {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = Self { url: format!("http://{}", listener.local_addr().unwrap()), ..Self::default() };
        let app = Router::new().fallback(record).with_state(api.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        api
    }

    pub(crate) fn answer(&self, answer: impl Fn(&Parts) -> Response<Body> + Send + Sync + 'static) {
        *self.answer.lock().unwrap() = Some(Arc::new(answer));
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub(crate) fn last(&self) -> (Parts, Bytes) {
        self.seen.lock().unwrap().last().cloned().unwrap()
    }
}

async fn record(State(api): State<Api>, request: axum::extract::Request) -> axum::response::Response {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    api.seen.lock().unwrap().push((parts.clone(), body));
    let answer = api.answer.lock().unwrap().clone();
    match answer {
        Some(answer) => answer(&parts),
        None => "fine".into_response(),
    }
}

pub(crate) struct World {
    pub(crate) bff: Bff,
    pub(crate) api: Api,
    pub(crate) emulator: Emulator,
    pub(crate) tokens: TokenManager,
    pub(crate) cookies: Vec<(String, String)>,
    pub(crate) site: String,
    /// Whatever a browser or a script of a page got: headers and bodies.
    pub(crate) shown: String,
}

pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn one(&self, name: &str) -> &str {
        let all: Vec<_> = self.headers.get_all(name).iter().collect();
        assert_eq!(all.len(), 1, "{name}: {all:?}");
        all[0].to_str().unwrap()
    }

    /// The code of a refusal.
    pub(crate) fn error(&self) -> &str {
        self.headers.get("x-bff-error").map(|code| code.to_str().unwrap()).unwrap_or_default()
    }
}

pub(crate) fn sealer() -> Sealer {
    Sealer::new(SealingKey::from_bytes([1; 32]))
}

pub(crate) fn http() -> ReqwestClient {
    reqwest_client(|defaults| defaults).unwrap()
}

/// The client of a provider that keeps to the standards.
pub(crate) fn client(emulator: &Emulator) -> OAuth2 {
    let app = emulator.apps("oauth2").unwrap().remove(0);
    OAuth2::new(
        app.client_id,
        app.client_secret.unwrap(),
        "https://oauth2.example/authorize",
        "https://oauth2.example/token",
    )
    .with_refresh_endpoint("https://oauth2.example/token")
    .with_revoke_endpoint("https://oauth2.example/revoke")
    .with_profile_endpoint("https://oauth2.example/profile")
    .with_scopes(["profile", "email"])
    .with_http_client(emulator.http_client().unwrap())
}

pub(crate) async fn world() -> World {
    world_with(SITE, |bff| bff).await
}

pub(crate) async fn world_with(site: &str, set: impl FnOnce(Bff) -> Bff) -> World {
    world_at(site, http(), |upstream| upstream, set).await
}

pub(crate) async fn world_at(
    site: &str,
    http: ReqwestClient,
    limit: impl FnOnce(Upstream) -> Upstream,
    set: impl FnOnce(Bff) -> Bff,
) -> World {
    let emulator = Emulator::start().await.unwrap();
    let provider = client(&emulator);
    let tokens = TokenManager::builder(MemoryStore::new(), sealer())
        .provider(Arc::new(provider.clone()))
        .build()
        .unwrap();
    let sign_in = SignIn::new(sealer()).at(site).unwrap().provider(provider).unwrap();
    let api = Api::start().await;
    let upstream = limit(Upstream::new(&format!("{}/v1", api.url)).unwrap());
    let bff = Bff::new("/bff", Routes::new(sign_in), tokens.clone(), http).unwrap();
    let bff = set(bff.upstream("things", upstream).unwrap());
    World { bff, api, emulator, tokens, cookies: Vec::new(), site: site.to_owned(), shown: String::new() }
}

impl World {
    /// The application in another process, or after a restart.
    pub(crate) fn elsewhere(&self) -> Bff {
        let sign_in = SignIn::new(sealer()).at(&self.site).unwrap().provider(client(&self.emulator)).unwrap();
        let upstream = Upstream::new(&format!("{}/v1", self.api.url)).unwrap();
        let bff = Bff::new("/bff", Routes::new(sign_in), self.tokens.clone(), http()).unwrap();
        bff.upstream("things", upstream).unwrap()
    }

    /// A request as a page of the site makes it.
    pub(crate) fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let host = self.site.split("://").nth(1).unwrap();
        let builder = Request::builder()
            .method(method)
            .uri(path)
            .header("host", host)
            .header("x-csrf", "1")
            .header("sec-fetch-site", "same-origin");
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if cookies.is_empty() { builder } else { builder.header("cookie", cookies.join("; ")) }
    }

    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Page {
        let (parts, body) = self.bff.answer(request).await.into_parts();
        let bytes = tokio::time::timeout(Duration::from_secs(20), body.collect()).await.unwrap();
        let text = bytes.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned());
        let text = text.unwrap_or_else(|error| format!("broke off: {error}"));
        for cookie in parts.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(other, _)| other != name);
            if !cookie.contains("Max-Age=0") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        self.shown += &format!("{:?}\n{text}\n", parts.headers);
        Page { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        let request = self.request(Method::GET, path).body(Full::default()).unwrap();
        self.send(request).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> Page {
        let request = self.request(Method::POST, path).body(Full::new(body.into())).unwrap();
        self.send(request).await
    }

    /// The address of the callback, after the user has agreed.
    pub(crate) async fn consent(&mut self, query: &str, consent: Consent) -> String {
        let page = self.get(&format!("/bff/oauth2/login{query}")).await;
        assert_eq!(page.status, 303, "{}", page.text);
        let location = page.one("location").to_owned();
        let callback = self.emulator.browse(&location, consent).await.unwrap().into_url();
        callback.strip_prefix(&*self.site).unwrap().to_owned()
    }

    /// Signs in, and returns the page at the end.
    pub(crate) async fn sign_in(&mut self) -> Page {
        let callback = self.consent("?return_to=/inbox", Consent::Allow).await;
        let page = self.get(&callback).await;
        assert_eq!((page.status, page.one("location")), (303, "/inbox"), "{}", page.text);
        page
    }

    pub(crate) fn session_cookie(&self) -> (String, String) {
        self.cookies.iter().find(|(name, _)| name.contains("bff-session")).cloned().unwrap()
    }

    /// How often a token was obtained or refreshed.
    pub(crate) fn refreshes(&self) -> usize {
        let is_refresh =
            |request: &&oauth_emulator::RecordedRequest| request.field("grant_type") == Some("refresh_token");
        self.emulator.requests().iter().filter(is_refresh).count()
    }
}
