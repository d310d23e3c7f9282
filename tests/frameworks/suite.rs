//! What is asked of each framework's sign-in.

use std::sync::{Arc, Mutex};

use http::Response;
use oauth_clients::{
    LinkIntent, LoginOptions, Provider as _, ReqwestClient, ResponseMode, Sealer, SealingKey, Signal,
    SignalError, SignalVerifier, async_trait,
    github::GitHubOAuth2,
    google::GoogleOAuth2,
    openid::{FrontChannelLogout, LogoutToken},
    reqwest, reqwest_client,
};
use oauth_emulator::{Consent, Emulator};
use oauth_web::{ErrorPages, ErrorTexts, Routes, SignIn, SignInReason, SignalEndpoint, SignedIn};

/// What a framework serves.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) routes: Routes,
    pub(crate) signals: SignalEndpoint,
    pub(crate) seen: Arc<Mutex<Vec<SignedIn>>>,
    ended: Arc<Mutex<Vec<String>>>,
}

impl Site {
    /// What the application answers with the status 200, beside the headers `set-cookie: session=1; Path=/` and `cache-control: public`.
    pub(crate) fn welcome(&self, user: SignedIn) -> String {
        let text = match &user.intent {
            LinkIntent::LinkTo(account) => format!("linked to {account}"),
            LinkIntent::SignIn => format!("hello {}", user.identity.name.clone().unwrap_or_default()),
        };
        self.seen.lock().unwrap().push(user);
        text
    }

    pub(crate) async fn end(&self, token: LogoutToken) -> Result<(), &'static str> {
        self.ended.lock().unwrap().push(token.subject().unwrap_or_default().to_owned());
        Ok(())
    }
}

pub(crate) const SET_COOKIE: &str = "session=1; Path=/";

/// What an application answers to a front-channel logout.
pub(crate) fn framed(said: &FrontChannelLogout) -> Response<String> {
    let mut response = Response::new(said.is_of(GOOGLE, Some("s"), true).to_string());
    response.headers_mut().insert("x-frame-options", "DENY".parse().unwrap());
    response
}

/// A site that is served, and the browser of one user.
pub(crate) struct World {
    pub(crate) url: String,
    pub(crate) emulator: Emulator,
    pub(crate) site: Site,
    http: ReqwestClient,
    cookies: Vec<(String, String)>,
}

struct Page {
    status: u16,
    headers: http::HeaderMap,
    text: String,
}

impl Page {
    fn all(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    fn one(&self, name: &str) -> &str {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "{name}: {all:?}");
        all[0]
    }
}

const GOOGLE: &str = "https://accounts.google.com";

pub(crate) async fn world<F: Future<Output = String>>(
    serve: impl FnOnce(Site) -> F,
    set: impl FnOnce(SignIn) -> SignIn,
) -> World {
    let emulator = Emulator::start().await.unwrap();
    let github = GitHubOAuth2::new("github-client-id", "github-client-secret");
    let github = github.with_http_client(emulator.http_client().unwrap());
    let google = GoogleOAuth2::new("google-client-id", "google-client-secret");
    let google = emulator.connect(google).await.unwrap();
    let sign_in = SignIn::new(Sealer::new(SealingKey::from_bytes([1; 32])))
        .provider(github)
        .unwrap()
        .provider(google)
        .unwrap()
        .linking(|request| {
            let cookies =
                request.headers.get("cookie").and_then(|value| value.to_str().ok()).unwrap_or_default();
            let account =
                cookies.split("; ").find_map(|cookie| cookie.strip_prefix("session=")).map(str::to_owned);
            async move { Ok(account) }
        });
    let sign_in = set(sign_in);
    let (seen, ended) = (Arc::default(), Arc::default());
    let signals = SignalEndpoint::new(Vendor, async |_: Signal| Ok::<(), std::io::Error>(()));
    let mut site = Site { routes: Routes::new(sign_in), signals, seen, ended };
    let ending = site.clone();
    site.routes = site
        .routes
        .back_channel_logout(None, move |token| {
            let ending = ending.clone();
            async move { ending.end(token).await }
        })
        .front_channel_logout(async |said, _| framed(&said))
        .initiated_login();
    let url = serve(site.clone()).await;
    World { url, emulator, site, http: reqwest_client(|defaults| defaults).unwrap(), cookies: Vec::new() }
}

impl World {
    async fn send(&mut self, request: reqwest::RequestBuilder) -> Page {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = if cookies.is_empty() { request } else { request.header("cookie", cookies.join("; ")) };
        let reply = request.send().await.unwrap();
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        let page = Page { status, headers, text: reply.text().await.unwrap() };
        for cookie in page.all("set-cookie") {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(other, _)| other != name);
            if !cookie.contains("Max-Age=0") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        page
    }

    async fn get(&mut self, path: &str) -> Page {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) };
        let request = self.http.get(url);
        self.send(request).await
    }

    async fn post(&mut self, path: &str, kind: &str, body: impl Into<reqwest::Body>) -> Page {
        let request = self.http.post(format!("{}{path}", self.url)).header("content-type", kind).body(body);
        self.send(request).await
    }

    /// Begins a sign-in; gives where the provider sends the user who allows it.
    async fn consent(&mut self, provider: &str) -> String {
        let page = self.get(&format!("/auth/{provider}/login")).await;
        assert_eq!(page.status, 303, "{}", page.text);
        let location = page.one("location").to_owned();
        self.emulator.browse(&location, Consent::Allow).await.unwrap().into_url()
    }

    pub(crate) fn redeemed(&self) -> usize {
        self.emulator.requests().iter().filter(|request| request.field("grant_type").is_some()).count()
    }

    /// A page that nobody has signed in by.
    fn refused(&self, page: &Page, status: u16) {
        assert_eq!(page.status, status, "{}", page.text);
        assert_eq!(page.one("cache-control"), "no-store");
        assert!(self.site.seen.lock().unwrap().is_empty());
        assert_eq!(self.redeemed(), 0);
    }
}

pub(crate) fn same(sign_in: SignIn) -> SignIn {
    sign_in
}

macro_rules! world {
    ($serve:ident) => {
        world($serve, same).await
    };
}

pub(crate) async fn a_user_signs_in_and_the_applications_response_is_kept<F: Future<Output = String>>(
    serve: impl FnOnce(Site) -> F,
) {
    let mut world = world!(serve);
    let page = world.get("/auth/github/login?return_to=/cart%3Fx%3D1").await;
    assert_eq!(
        (page.status, page.one("cache-control"), page.one("referrer-policy")),
        (303, "no-store", "no-referrer")
    );
    let cookie = page.one("set-cookie");
    for part in ["oauth-attempt-", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Domain") && !cookie.contains("Secure"), "{cookie}");
    let location = page.one("location").to_owned();
    let callback = world.emulator.browse(&location, Consent::Allow).await.unwrap().into_url();
    let page = world.get(&callback).await;
    assert_eq!((page.status, &*page.text), (200, "hello Ada Lovelace"));
    assert_eq!((page.one("cache-control"), page.one("referrer-policy")), ("no-store", "no-referrer"));
    let cookies = page.all("set-cookie");
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    assert!(
        cookies.contains(&SET_COOKIE) && cookies.iter().any(|one| one.contains("Max-Age=0")),
        "{cookies:?}"
    );
    let user = world.site.seen.lock().unwrap().pop().unwrap();
    assert_eq!(user.return_to.as_deref(), Some("/cart?x=1"));
    assert_eq!(user.identity.key(), ("github", "1815121018521127"));
}

pub(crate) async fn the_original_uri_is_the_redirect_uri<F: Future<Output = String>>(
    serve: impl FnOnce(Site) -> F,
) {
    let mut world = world!(serve);
    let callback = world.consent("github").await;
    assert!(callback.starts_with(&format!("{}/auth/github/callback?code=", world.url)), "{callback}");
}

pub(crate) async fn a_form_post_is_read<F: Future<Output = String>>(serve: impl FnOnce(Site) -> F) {
    let options = |_: &str, _: &_| LoginOptions::new().response_mode(ResponseMode::FormPost);
    let mut world = world(serve, |sign_in| sign_in.on_login(options)).await;
    let page = world.get("/auth/google/login").await;
    let location = page.one("location").replace("&response_mode=form_post", "");
    let callback = world.emulator.browse(&location, Consent::Allow).await.unwrap().into_url();
    let (_, form) = callback.split_once('?').unwrap();
    let page = world.get(&callback).await;
    world.refused(&page, 400);
    // The attempt of the page before is over.
    let page = world.get("/auth/google/login").await;
    let location = page.one("location").replace("&response_mode=form_post", "");
    let callback = world.emulator.browse(&location, Consent::Allow).await.unwrap().into_url();
    let form = callback.split_once('?').map_or(form, |(_, form)| form).to_owned();
    let page =
        world.post("/auth/google/callback", "application/x-www-form-urlencoded; charset=utf-8", form).await;
    assert_eq!((page.status, &*page.text), (200, "hello Ada Lovelace"));
}

pub(crate) async fn a_callback_without_its_cookie_is_refused<F: Future<Output = String>>(
    serve: impl FnOnce(Site) -> F,
) {
    let mut world = world!(serve);
    let callback = world.consent("github").await;
    let own = std::mem::take(&mut world.cookies);
    let page = world.get(&callback).await;
    world.refused(&page, 400);
    // That of another sign-in is none of this one's.
    world.consent("github").await;
    let page = world.get(&callback).await;
    world.refused(&page, 400);
    world.cookies = own;
    assert_eq!(world.get(&callback).await.status, 200);
}

pub(crate) async fn a_callback_that_was_changed_is_refused<F: Future<Output = String>>(
    serve: impl FnOnce(Site) -> F,
) {
    let mut world = world!(serve);
    let callback = world.consent("github").await;
    let url = &callback;
    let (base, query) = url.split_once('?').unwrap();
    let state = query.split('&').find_map(|pair| pair.strip_prefix("state=")).unwrap();
    let code = query.split('&').find_map(|pair| pair.strip_prefix("code=")).unwrap();
    let longer = format!("{state}A");
    for query in [
        format!("code={code}"),
        format!("code={code}&state="),
        format!("code={code}&state={longer}"),
        format!("code={code}&state={}", &state[..state.len() - 1]),
        format!("code={code}&state={state}&state={longer}"),
        format!("code={code}&code=other&state={state}"),
        String::new(),
    ] {
        let kept = world.cookies.clone();
        let page = world.get(&format!("{base}?{query}")).await;
        world.refused(&page, 400);
        world.cookies = kept;
    }
    let other = callback.replace("/github/", "/google/");
    let page = world.get(&other).await;
    world.refused(&page, 400);
}

pub(crate) async fn an_attempt_is_used_once<F: Future<Output = String>>(serve: impl FnOnce(Site) -> F) {
    let mut world = world!(serve);
    let callback = world.consent("github").await;
    let kept = world.cookies.clone();
    assert_eq!(world.get(&callback).await.status, 200);
    world.site.seen.lock().unwrap().clear();
    let page = world.get(&callback).await;
    assert_eq!(page.status, 400);
    // A copy of the cookie does not help.
    world.cookies = kept;
    assert_eq!(world.get(&callback).await.status, 400);
    assert!(world.site.seen.lock().unwrap().is_empty());
    assert_eq!(world.redeemed(), 1);
}

pub(crate) async fn a_cookie_of_a_sibling_domain_signs_nobody_in<F: Future<Output = String>>(
    serve: impl FnOnce(Site) -> F,
) {
    let mut world = world(serve, |sign_in| sign_in.at("https://app.example").unwrap()).await;
    let callback = world.consent("github").await;
    assert!(callback.starts_with("https://app.example/auth/github/callback?"), "{callback}");
    let callback = callback.replace("https://app.example", &world.url);
    let (name, sealed) = world.cookies.pop().unwrap();
    let short = name.strip_prefix("__Host-").unwrap().to_owned();
    for almost in [short.clone(), format!("__Secure-{short}"), format!("__host-{short}"), format!("\"{name}")]
    {
        world.cookies = vec![(almost, sealed.clone())];
        let page = world.get(&callback).await;
        world.refused(&page, 400);
    }
    // Beside a cookie of somebody else's that is not ASCII, and in a header of its own.
    world.cookies.clear();
    let request = world
        .http
        .get(&callback)
        .header("cookie", "name=Zo\u{eb}")
        .header("cookie", format!("{name}={sealed}"));
    assert_eq!(world.send(request).await.status, 200);
}

pub(crate) async fn an_error_of_the_provider_is_told_without_its_text<F: Future<Output = String>>(
    serve: impl FnOnce(Site) -> F,
) {
    let mut world = world!(serve);
    let page = world.get("/auth/github/login").await;
    let location = page.one("location").to_owned();
    let callback = world.emulator.browse(&location, Consent::Deny).await.unwrap().into_url();
    let page = world.get(&callback).await;
    world.refused(&page, 403);
    assert!(page.one("content-type").starts_with("text/html"), "{}", page.one("content-type"));
    assert!(page.one("content-security-policy").contains("default-src 'none'"));
    let callback = world.consent("github").await;
    let state = callback.split(['?', '&']).find_map(|pair| pair.strip_prefix("state=")).unwrap();
    let page = world.get(&format!("/auth/github/callback?error=%3Cscript%3E&state={state}")).await;
    world.refused(&page, 403);
    assert!(!page.text.contains("script") && !page.text.contains(state), "{}", page.text);
}

pub(crate) async fn an_error_page_is_in_the_users_language_and_in_the_applications_words<
    F: Future<Output = String>,
>(
    serve: impl FnOnce(Site) -> F,
) {
    let german = ErrorTexts::new("de").title("Acme & Co").heading("<b>Nicht angemeldet</b>");
    let german = german.message(SignInReason::UnknownProvider, "Diesen Anbieter gibt es hier nicht.");
    let pages = ErrorPages::new().texts(ErrorTexts::new("en").title("Acme")).texts(german);
    let mut world = world(serve, |sign_in| sign_in.error_pages(pages)).await;
    for (accepted, language) in [
        ("fr;q=0.9, de-AT, en;q=0.8", "de"),
        ("de;q=0.5, en;q=0.4", "de"),
        ("de;q=0, en", "en"),
        ("fr, *", "en"),
        ("", "en"),
        (&"x,".repeat(3000), "en"),
    ] {
        let request = world.http.get(format!("{}/auth/nobody/login", world.url));
        let page = world.send(request.header("accept-language", accepted)).await;
        assert_eq!((page.status, page.one("content-language")), (404, language), "{accepted:.40}");
        assert!(page.one("content-security-policy").contains("default-src 'none'"));
        let is_german = page.text.contains("Diesen Anbieter gibt es hier nicht.");
        assert_eq!(is_german, language == "de", "{}", page.text);
        // The application's texts are texts.
        assert!(!page.text.contains("<b>") && !page.text.contains("nobody"), "{}", page.text);
        assert_eq!(page.text.contains("Acme &amp; Co"), is_german);
    }
    // What is not translated is in English, and says so.
    let request = world.http.get(format!("{}/auth/github/callback?code=c&state=s", world.url));
    let page = world.send(request.header("accept-language", "de")).await;
    world.refused(&page, 400);
    assert!(page.text.contains("<html lang=\"de\"") && page.text.contains("<p lang=\"en\""), "{}", page.text);
}

pub(crate) async fn a_form_that_is_too_large_or_no_form_is_refused<F: Future<Output = String>>(
    serve: impl FnOnce(Site) -> F,
) {
    let mut world = world!(serve);
    let form = "application/x-www-form-urlencoded";
    for (kind, body, status) in [
        (form, "x".repeat(16 * 1024 + 1).into_bytes(), 413),
        (form, b"state=\xff\xfe".to_vec(), 400),
        ("application/json", b"{}".to_vec(), 400),
        ("multipart/form-data; boundary=x", b"--x--".to_vec(), 400),
        (form, Vec::new(), 400),
    ] {
        let page = world.post("/auth/github/callback", kind, body).await;
        world.refused(&page, status);
    }
}

pub(crate) async fn a_method_that_a_route_does_not_have_is_refused<F: Future<Output = String>>(
    serve: impl FnOnce(Site) -> F,
) {
    let mut world = world!(serve);
    for (method, path) in [
        ("POST", "/auth/github/login"),
        ("DELETE", "/auth/github/callback"),
        ("PUT", "/auth/github/callback"),
        ("GET", "/auth/github/link"),
        ("GET", "/auth/google/backchannel-logout"),
        ("POST", "/auth/google/frontchannel-logout"),
    ] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = world.http.request(method.clone(), format!("{}{path}", world.url));
        let page = world.send(request).await;
        assert_eq!(page.status, 405, "{method} {path}: {}", page.text);
        let allowed = page.all("allow").join(",");
        let right =
            if path.ends_with("link") || path.ends_with("backchannel-logout") { "POST" } else { "GET" };
        assert!(allowed.contains(right) && !allowed.contains(method.as_str()), "{method} {path}: {allowed}");
    }
}

pub(crate) async fn a_head_request_uses_nothing_up<F: Future<Output = String>>(
    serve: impl FnOnce(Site) -> F,
) {
    let mut world = world!(serve);
    let callback = world.consent("github").await;
    let kept = world.cookies.clone();
    let request = world.http.head(&callback);
    let page = world.send(request).await;
    assert!(page.status >= 400 && page.text.is_empty(), "{}", page.status);
    assert_eq!(world.redeemed(), 0);
    world.cookies = kept;
    assert_eq!(world.get(&callback).await.status, 200);
}

pub(crate) async fn a_path_that_names_no_provider_or_route_is_not_found<F: Future<Output = String>>(
    serve: impl FnOnce(Site) -> F,
) {
    let mut world = world!(serve);
    for path in [
        "/auth/gitlab/login",
        "/auth/GitHub/login",
        "/auth/github/other",
        "/auth/github/login/more",
        "/auth/gith%75b%2f/login",
        "/auth/%ff/login",
        "/auth/github",
        "/auth",
        "/authgithub/login",
    ] {
        let page = world.get(path).await;
        assert!(matches!(page.status, 400 | 404 | 405), "{path}: {}", page.status);
        assert!(!page.headers.contains_key("location") && !page.headers.contains_key("set-cookie"), "{path}");
    }
}

pub(crate) async fn a_return_to_another_origin_is_refused<F: Future<Output = String>>(
    serve: impl FnOnce(Site) -> F,
) {
    let mut world = world!(serve);
    for to in [
        "https://evil.example/",
        "//evil.example",
        "/%5Cevil.example",
        "%5C/evil.example",
        "/%09/evil.example",
        "javascript:alert(1)",
        "cart",
        "/../x",
        "/a%0Ab",
    ] {
        let page = world.get(&format!("/auth/github/login?return_to={to}")).await;
        assert_eq!(page.status, 400, "{to}");
        assert!(!page.headers.contains_key("location"), "{to}");
    }
}

pub(crate) async fn a_host_that_is_no_host_is_refused<F: Future<Output = String>>(
    serve: impl FnOnce(Site) -> F,
) {
    let mut world = world!(serve);
    // Behind a proxy that nobody said is there, its headers mean nothing.
    let request = world.http.get(format!("{}/auth/github/login", world.url));
    let request = request.header("x-forwarded-host", "evil.example").header("forwarded", "host=evil.example");
    let location = world.send(request).await.one("location").to_owned();
    assert!(!location.contains("evil"), "{location}");
    for host in ["a b", "evil.example/x", "user@evil.example", "evil.example:port", ""] {
        let request = world.http.get(format!("{}/auth/github/login", world.url)).header("host", host);
        let page = world.send(request).await;
        assert_eq!(page.status, 400, "{host:?}");
    }
}

async fn begin_to_link(world: &mut World, session: &str, headers: &[(&str, &str)]) -> Page {
    world.cookies = vec![("session".to_owned(), session.to_owned())];
    let request = world.http.post(format!("{}/auth/github/link?return_to=/account", world.url));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    world.send(request).await
}

pub(crate) async fn only_a_page_of_the_site_can_begin_to_link<F: Future<Output = String>>(
    serve: impl FnOnce(Site) -> F,
) {
    let mut world = world!(serve);
    let own = world.url.clone();
    for headers in [
        &[][..],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site"), ("origin", &own)],
    ] {
        let page = begin_to_link(&mut world, "ada", headers).await;
        assert_eq!(page.status, 403, "{headers:?}");
    }
    let nobody = {
        world.cookies.clear();
        let request = world.http.post(format!("{}/auth/github/link", world.url));
        world.send(request.header("sec-fetch-site", "same-origin")).await
    };
    assert_eq!(nobody.status, 403);
    let page = begin_to_link(&mut world, "ada", &[("origin", &own)]).await;
    assert_eq!(page.status, 303);
}

pub(crate) async fn who_began_to_link_is_who_ends_it<F: Future<Output = String>>(
    serve: impl FnOnce(Site) -> F,
) {
    let mut world = world!(serve);
    for (end, status) in [("ada", 200), ("mallory", 403)] {
        let page = begin_to_link(&mut world, "ada", &[("sec-fetch-site", "same-origin")]).await;
        let location = page.one("location").to_owned();
        let callback = world.emulator.browse(&location, Consent::Allow).await.unwrap().into_url();
        world.cookies.retain(|(name, _)| name != "session");
        world.cookies.push(("session".to_owned(), end.to_owned()));
        let page = world.get(&callback).await;
        assert_eq!(page.status, status, "{}", page.text);
        if status == 200 {
            assert_eq!(page.text, "linked to ada");
        }
    }
}

pub(crate) async fn a_logout_token_ends_a_session_and_a_wrong_one_is_told_in_json<
    F: Future<Output = String>,
>(
    serve: impl FnOnce(Site) -> F,
) {
    let mut world = world!(serve);
    let form = "application/x-www-form-urlencoded";
    for body in
        ["logout_token=e30.e30.e30".to_owned(), String::new(), format!("logout_token={}", "x".repeat(20_000))]
    {
        let page = world.post("/auth/google/backchannel-logout", form, body).await;
        assert_eq!((page.status, page.one("cache-control")), (400, "no-store"));
        let told: serde_json::Value = serde_json::from_str(&page.text).unwrap();
        assert_eq!(told["error"], "invalid_request");
    }
    assert!(world.site.ended.lock().unwrap().is_empty());

    let token = world.emulator.logout_token("google", "google-client-id", Some("ada"), Some("s")).unwrap();
    let body = format!("logout_token={token}");
    let page = world.post("/auth/google/backchannel-logout", form, body).await;
    assert_eq!((page.status, page.one("cache-control")), (200, "no-store"), "{}", page.text);
    assert_eq!(*world.site.ended.lock().unwrap(), ["ada"]);
}

pub(crate) async fn a_front_channel_logout_may_be_framed<F: Future<Output = String>>(
    serve: impl FnOnce(Site) -> F,
) {
    let mut world = world!(serve);
    let page =
        world.get("/auth/google/frontchannel-logout?iss=https%3A%2F%2Faccounts.google.com&sid=s").await;
    assert_eq!((page.status, &*page.text), (200, "true"));
    assert!(!page.headers.contains_key("x-frame-options"));
    assert_eq!(page.one("cache-control"), "no-store");
}

pub(crate) async fn a_portal_starts_a_login_for_its_own_issuer_only<F: Future<Output = String>>(
    serve: impl FnOnce(Site) -> F,
) {
    let mut world = world!(serve);
    let page = world.get("/auth/google/initiate?iss=https%3A%2F%2Fevil.example").await;
    world.refused(&page, 404);
    let page = world.get("/auth/google/initiate?iss=https%3A%2F%2Faccounts.google.com&login_hint=ada").await;
    assert_eq!(page.status, 303, "{}", page.text);
    assert!(page.one("location").contains("login_hint=ada"));
    let form = "application/x-www-form-urlencoded";
    let page = world.post("/auth/google/initiate", form, "iss=https%3A%2F%2Faccounts.google.com").await;
    assert_eq!(page.status, 303, "{}", page.text);
}

pub(crate) async fn a_signal_is_read_and_a_wrong_one_is_refused<F: Future<Output = String>>(
    serve: impl FnOnce(Site) -> F,
) {
    let mut world = world!(serve);
    let page = world.post("/signals", "text/plain", "forged").await;
    assert_eq!(page.status, 400, "{}", page.text);
    let page = world.get("/signals").await;
    assert_eq!(page.status, 405, "{}", page.text);
}

/// A vendor whose signals are all forged.
#[derive(Debug)]
struct Vendor;

#[async_trait]
impl SignalVerifier for Vendor {
    fn provider(&self) -> &str {
        "vendor"
    }

    async fn verify(&self, _: &http::HeaderMap, body: &[u8]) -> Result<Vec<Signal>, SignalError> {
        assert_eq!(body, b"forged");
        Err(SignalError::Malformed("it is forged".to_owned()))
    }
}
