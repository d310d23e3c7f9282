//! Linking by the axum integration: an identity goes to an account only where its holder asked for it.

use std::sync::{Arc, Mutex};

use axum::{Router, http::request::Parts};
use oauth_clients::{
    LinkIntent, LoginOptions, Provider, ReqwestClient, ResponseMode, Sealer, SealingKey,
    github::GitHubOAuth2, reqwest, reqwest_client,
};
use oauth_emulator::{Consent, Emulator};
use oauth_web_axum::{SignIn, SignInRoutes, SignedIn};

/// A site whose session is the name of the account itself.
struct Site {
    url: String,
    emulator: Emulator,
    intents: Arc<Mutex<Vec<LinkIntent<String>>>>,
    http: ReqwestClient,
}

/// What a browser sends with a request.
#[derive(Clone, Copy)]
struct Sent<'s> {
    session: Option<&'s str>,
    headers: &'s [(&'s str, &'s str)],
}

const OWN_PAGE: &[(&str, &str)] = &[("sec-fetch-site", "same-origin")];

fn account_of(parts: &Parts) -> Option<String> {
    let cookies = parts.headers.get("cookie")?.to_str().ok()?;
    cookies.split("; ").find_map(|cookie| cookie.strip_prefix("session=")).map(str::to_owned)
}

async fn site(set: impl FnOnce(SignIn) -> SignIn) -> Site {
    let emulator = Emulator::start().await.unwrap();
    let github = GitHubOAuth2::new("github-client-id", "github-client-secret");
    let github = github.with_http_client(emulator.http_client().unwrap());
    let sign_in = SignIn::new(Sealer::new(SealingKey::from_bytes([1; 32])))
        .provider(github)
        .unwrap()
        .linking(|request| async move {
            match account_of(&request).as_deref() {
                Some("broken") => Err("the database is down".into()),
                account => Ok(account.map(str::to_owned)),
            }
        });
    let intents = Arc::new(Mutex::new(Vec::new()));
    let seen = intents.clone();
    let routes = SignInRoutes::new(set(sign_in)).router(move |signed_in: SignedIn| {
        seen.lock().unwrap().push(signed_in.0.intent);
        async { "done" }
    });
    let app: Router = Router::new().nest("/auth", routes);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    Site { url, emulator, intents, http: reqwest_client(|defaults| defaults).unwrap() }
}

impl Site {
    /// Begins a login; gives the attempt's cookie and the callback, or the status of the refusal.
    async fn begin(&self, request: reqwest::RequestBuilder, sent: Sent<'_>) -> Result<(String, String), u16> {
        let reply = sent.with(request, "").send().await.unwrap();
        if reply.status() != 303 {
            assert!(!reply.headers().contains_key("set-cookie"));
            return Err(reply.status().as_u16());
        }
        let cookie = reply.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let location = reply.headers()["location"].to_str().unwrap().replace("&response_mode=form_post", "");
        let callback = self.emulator.browse(&location, Consent::Allow).await.unwrap().into_url();
        Ok((cookie, callback))
    }

    async fn begin_to_link(&self, sent: Sent<'_>) -> Result<(String, String), u16> {
        self.begin(self.http.post(format!("{}/auth/github/link?return_to=/account", self.url)), sent).await
    }

    /// Ends a login; gives its intent, or the status of the refusal.
    async fn end(
        &self,
        request: reqwest::RequestBuilder,
        attempt: &str,
        sent: Sent<'_>,
    ) -> Result<LinkIntent<String>, u16> {
        let status = sent.with(request, attempt).send().await.unwrap().status().as_u16();
        let intent = self.intents.lock().unwrap().pop();
        intent.ok_or(status)
    }
}

impl Sent<'_> {
    fn with(self, mut request: reqwest::RequestBuilder, attempt: &str) -> reqwest::RequestBuilder {
        let session = self.session.map(|name| format!("session={name}"));
        let cookies: Vec<_> =
            session.as_deref().into_iter().chain([attempt]).filter(|one| !one.is_empty()).collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        self.headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    }
}

fn by(session: &str) -> Sent<'_> {
    Sent { session: Some(session), headers: OWN_PAGE }
}

#[tokio::test]
async fn a_user_links_a_provider_to_the_account_that_asked_for_it() {
    let site = site(|sign_in| sign_in).await;
    let (attempt, callback) = site.begin_to_link(by("ada")).await.unwrap();
    let intent = site.end(site.http.get(callback), &attempt, by("ada")).await;
    assert_eq!(intent, Ok(LinkIntent::LinkTo("ada".to_owned())));
}

/// Anybody can begin a login in another's browser, and have it end with an identity of their own.
#[tokio::test]
async fn az_16_who_is_signed_in_while_a_callback_arrives_has_not_asked_to_link() {
    let site = site(|sign_in| sign_in).await;
    let login = format!("{}/auth/github/login", site.url);
    let (attempt, callback) = site.begin(site.http.get(login), by("ada")).await.unwrap();
    assert_eq!(site.end(site.http.get(callback), &attempt, by("ada")).await, Ok(LinkIntent::SignIn));
    // Nor by a link or an image, which are requests without a body.
    let linked = site.http.get(format!("{}/auth/github/link", site.url));
    assert_eq!(site.begin(linked, by("ada")).await, Err(405));
}

#[tokio::test]
async fn az_16_a_page_of_another_origin_begins_no_linking() {
    let site = site(|sign_in| sign_in).await;
    let own = site.url.clone();
    let refused: [&[(&str, &str)]; 13] = [
        &[],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("sec-fetch-site", "Same-Origin")],
        &[("sec-fetch-site", "")],
        &[("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "cross-site"), ("origin", &own)],
        &[("origin", "null")],
        &[("origin", "https://evil.example")],
        &[("origin", "http://127.0.0.1")],
        &[("origin", "https://evil.example"), ("origin", &own)],
        &[("referer", &own)],
    ];
    for headers in refused {
        assert_eq!(site.begin_to_link(Sent { session: Some("ada"), headers }).await, Err(403), "{headers:?}");
    }
    let taken: [&[(&str, &str)]; 3] =
        [OWN_PAGE, &[("origin", &own)], &[("sec-fetch-site", "same-origin"), ("origin", "null")]];
    for headers in taken {
        assert!(site.begin_to_link(Sent { session: Some("ada"), headers }).await.is_ok(), "{headers:?}");
    }
}

#[tokio::test]
async fn az_16_only_the_account_that_began_to_link_can_end_it() {
    let site = site(|sign_in| sign_in).await;
    let nobody = Sent { session: None, headers: OWN_PAGE };
    assert_eq!(site.begin_to_link(nobody).await, Err(403));
    assert_eq!(site.begin_to_link(by("broken")).await, Err(500));
    for (end, status) in [(by("mallory"), 403), (nobody, 403), (by("Ada"), 403), (by("broken"), 500)] {
        let (attempt, callback) = site.begin_to_link(by("ada")).await.unwrap();
        assert_eq!(site.end(site.http.get(&callback), &attempt, end).await, Err(status));
        // The attempt is over, for its owner too.
        assert_eq!(site.end(site.http.get(&callback), &attempt, by("ada")).await, Err(400));
    }
    let redeemed =
        site.emulator.requests().iter().filter(|request| request.field("grant_type").is_some()).count();
    assert_eq!(redeemed, 0, "no code was redeemed");
}

/// A session cookie that is `SameSite=Lax` does not come with a form from the provider's own site.
#[tokio::test]
async fn where_a_form_is_posted_the_session_may_stay_behind_but_be_no_other() {
    let options = |_: &str, _: &_| LoginOptions::new().response_mode(ResponseMode::FormPost);
    let site = site(|sign_in| sign_in.on_login(options)).await;
    let from_provider: &[(&str, &str)] =
        &[("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "cross-site")];
    for (session, outcome) in [
        (None, Ok(LinkIntent::LinkTo("ada".to_owned()))),
        (Some("ada"), Ok(LinkIntent::LinkTo("ada".to_owned()))),
        (Some("mallory"), Err(403)),
    ] {
        let (attempt, callback) = site.begin_to_link(by("ada")).await.unwrap();
        let (url, form) = callback.split_once('?').unwrap();
        let request = site.http.post(url).body(form.to_owned());
        assert_eq!(site.end(request, &attempt, Sent { session, headers: from_provider }).await, outcome);
    }
}

#[tokio::test]
async fn without_a_function_that_knows_the_account_there_is_no_route_to_link() {
    let emulator = Emulator::start().await.unwrap();
    let github = GitHubOAuth2::new("github-client-id", "github-client-secret");
    let github = github.with_http_client(emulator.http_client().unwrap());
    let sign_in = SignIn::new(Sealer::new(SealingKey::from_bytes([1; 32]))).provider(github).unwrap();
    let app: Router =
        Router::new().nest("/auth", SignInRoutes::new(sign_in).router(async |_: SignedIn| "done"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/auth/github/link", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let http = reqwest_client(|defaults| defaults).unwrap();
    let reply = by("ada").with(http.post(url), "").send().await.unwrap();
    assert_eq!(reply.status(), 404);
}
