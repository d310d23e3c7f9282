//! The axum integration: sign-ins through a real server, and every request that must not become one.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, response::IntoResponse};
use oauth_clients::{
    LoginOptions, Provider, ReqwestClient, ResponseMode, Sealer, SealingKey, github::GitHubOAuth2,
    google::GoogleOAuth2, reqwest, reqwest_client,
};
use oauth_emulator::{Consent, Emulator};
use oauth_web_axum::{ForwardedHeaders, SignIn, SignInError, SignInRoutes, SignedIn};
use serde_json::json;

/// A site on loopback, with what its handler was told.
struct Site {
    url: String,
    emulator: Emulator,
    signed_in: Arc<Mutex<Vec<SignedIn>>>,
}

fn sealer(byte: u8) -> Sealer {
    Sealer::new(SealingKey::from_bytes([byte; 32]))
}

fn github(emulator: &Emulator) -> GitHubOAuth2 {
    let github = GitHubOAuth2::new("github-client-id", "github-client-secret");
    github.with_http_client(emulator.http_client().unwrap())
}

async fn serve(emulator: &Emulator, sign_in: SignIn) -> Site {
    serve_with(emulator, sign_in, |routes| routes).await
}

async fn serve_with(
    emulator: &Emulator,
    sign_in: SignIn,
    set: impl FnOnce(SignInRoutes) -> SignInRoutes,
) -> Site {
    let google = GoogleOAuth2::new("google-client-id", "google-client-secret");
    let google = google.with_http_client(emulator.http_client().unwrap());
    let sign_in = sign_in.provider(github(emulator)).unwrap().provider(google).unwrap();
    let signed_in = Arc::new(Mutex::new(Vec::new()));
    let seen = signed_in.clone();
    let routes = set(SignInRoutes::new(sign_in)).router(move |signed_in: SignedIn| {
        let name = signed_in.identity.name.clone().unwrap_or_default();
        seen.lock().unwrap().push(signed_in);
        async move { format!("hello {name}") }
    });
    let app: Router = Router::new().nest("/auth", routes);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    Site { url, emulator: emulator.clone(), signed_in }
}

async fn site() -> Site {
    let emulator = Emulator::start().await.unwrap();
    serve(&emulator, SignIn::new(sealer(1))).await
}

/// A browser of which one sees the cookies.
struct Browser {
    http: ReqwestClient,
    cookies: Vec<(String, String)>,
}

struct Page {
    status: u16,
    location: Option<String>,
    set_cookies: Vec<String>,
    text: String,
}

impl Browser {
    fn new() -> Self {
        Self { http: reqwest_client(|defaults| defaults).unwrap(), cookies: Vec::new() }
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Page {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = if cookies.is_empty() { request } else { request.header("cookie", cookies.join("; ")) };
        let reply = request.send().await.unwrap();
        let texts = |name: &str| -> Vec<String> {
            reply.headers().get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(texts("cache-control"), ["no-store"]);
        assert_eq!(texts("referrer-policy"), ["no-referrer"]);
        let set_cookies = texts("set-cookie");
        for cookie in &set_cookies {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(other, _)| other != name);
            if !cookie.contains("Max-Age=0") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        let (status, location) = (reply.status().as_u16(), texts("location").pop());
        Page { status, location, set_cookies, text: reply.text().await.unwrap() }
    }

    async fn get(&mut self, url: &str) -> Page {
        let request = self.http.get(url);
        self.send(request).await
    }

    /// Starts a sign-in and lets the user allow it; gives the callback's URL.
    async fn consent(&mut self, site: &Site, provider: &str) -> String {
        let page = self.get(&format!("{}/auth/{provider}/login", site.url)).await;
        assert_eq!(page.status, 303, "{}", page.text);
        site.emulator.browse(&page.location.unwrap(), Consent::Allow).await.unwrap().into_url()
    }
}

fn token_requests(site: &Site) -> usize {
    site.emulator.requests().iter().filter(|request| request.field("grant_type").is_some()).count()
}

/// The answer to a callback that must not reach the token endpoint.
async fn refused(site: &Site, browser: &mut Browser, url: &str, status: u16) -> Page {
    let before = token_requests(site);
    let page = browser.get(url).await;
    assert_eq!(page.status, status, "{url}: {}", page.text);
    assert_eq!(token_requests(site), before, "{url}");
    assert!(site.signed_in.lock().unwrap().is_empty(), "{url}");
    page
}

#[tokio::test]
async fn a_user_signs_in_and_comes_back_to_where_they_wanted_to_go() {
    let emulator = Emulator::start().await.unwrap();
    let options = |name: &str, _: &_| LoginOptions::new().data(json!({"from": name}));
    let site = serve(&emulator, SignIn::new(sealer(1)).on_login(options)).await;
    let mut browser = Browser::new();
    let page = browser.get(&format!("{}/auth/github/login?return_to=/cart%3Fx%3D1", site.url)).await;
    assert_eq!(page.status, 303);
    let [cookie] = &page.set_cookies[..] else { panic!("{:?}", page.set_cookies) };
    assert!(cookie.starts_with("oauth-attempt-"), "{cookie}");
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Secure") && !cookie.contains("Domain"), "{cookie}");

    let callback = emulator.browse(&page.location.unwrap(), Consent::Allow).await.unwrap().into_url();
    assert!(callback.starts_with(&format!("{}/auth/github/callback?", site.url)), "{callback}");
    let page = browser.get(&callback).await;
    assert_eq!((page.status, &*page.text), (200, "hello Ada Lovelace"));
    assert!(browser.cookies.is_empty(), "the cookie is cleared on use");
    let signed_in = site.signed_in.lock().unwrap().pop().unwrap();
    assert_eq!(signed_in.return_to.as_deref(), Some("/cart?x=1"));
    assert_eq!(signed_in.data, json!({"from": "github"}));
    assert_eq!(signed_in.identity.key(), ("github", "1815121018521127"));
    assert_eq!(signed_in.provider.name(), "github");
}

#[tokio::test]
async fn az_16_on_https_the_cookie_is_bound_to_the_host() {
    let emulator = Emulator::start().await.unwrap();
    let site = serve(&emulator, SignIn::new(sealer(1)).at("https://app.example/").unwrap()).await;
    let page = Browser::new().get(&format!("{}/auth/google/login", site.url)).await;
    let cookie = &page.set_cookies[0];
    assert!(
        cookie.starts_with("__Host-oauth-attempt-") && cookie.contains("Secure") && cookie.contains("Path=/"),
        "{cookie}"
    );
    let location = page.location.unwrap();
    assert!(
        location.contains("redirect_uri=https%3A%2F%2Fapp.example%2Fauth%2Fgoogle%2Fcallback"),
        "{location}"
    );

    let proxied = serve(&emulator, SignIn::new(sealer(1)).trusting(ForwardedHeaders::XForwarded)).await;
    let mut browser = Browser::new();
    let request = browser.http.get(format!("{}/auth/google/login", proxied.url));
    let request = request.header("x-forwarded-proto", "https").header("x-forwarded-host", "shop.example");
    let location = browser.send(request).await.location.unwrap();
    assert!(
        location.contains("redirect_uri=https%3A%2F%2Fshop.example%2Fauth%2Fgoogle%2Fcallback"),
        "{location}"
    );
}

#[tokio::test]
async fn two_tabs_do_not_disturb_each_other() {
    let site = site().await;
    let mut browser = Browser::new();
    let first = browser.consent(&site, "github").await;
    let second = browser.consent(&site, "google").await;
    let third = browser.consent(&site, "github").await;
    assert_eq!(browser.cookies.len(), 3);
    for callback in [second, first, third] {
        assert_eq!(browser.get(&callback).await.status, 200);
    }
    assert_eq!(site.signed_in.lock().unwrap().len(), 3);
    assert!(browser.cookies.is_empty());
}

/// What a script of the page, or another application of the domain, has put there.
#[tokio::test]
async fn a_cookie_of_somebody_else_disturbs_no_sign_in() {
    let site = site().await;
    let mut browser = Browser::new();
    let callback = browser.consent(&site, "github").await;
    browser.cookies.insert(0, ("name".to_owned(), "Zo\u{eb}".to_owned()));
    browser.cookies.push(("".to_owned(), "a;;=\"".to_owned()));
    assert_eq!(browser.get(&callback).await.status, 200);
}

#[tokio::test]
async fn who_signed_in_is_shown_without_the_cookies_of_the_request() {
    let site = site().await;
    let mut browser = Browser::new();
    let callback = browser.consent(&site, "github").await;
    browser.cookies.push(("session".to_owned(), "the-session-of-ada".to_owned()));
    assert_eq!(browser.get(&callback).await.status, 200);
    let signed_in = site.signed_in.lock().unwrap().pop().unwrap();
    let shown = format!("{signed_in:?}");
    assert!(shown.contains("github") && !shown.contains("the-session-of-ada"), "{shown}");
    assert!(!shown.contains("oauth-attempt-"), "{shown}");
    assert_eq!(signed_in.headers["cookie"].to_str().unwrap().matches("the-session-of-ada").count(), 1);
}

/// Browsers drop a cookie of more than 4096 bytes without a word, and the user would come back to nothing.
#[tokio::test]
async fn an_attempt_that_no_browser_keeps_is_not_begun() {
    let emulator = Emulator::start().await.unwrap();
    let options = |length: usize| move |_: &str, _: &_| LoginOptions::new().data("x".repeat(length));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = seen.clone();
    let sign_in = SignIn::new(sealer(1)).on_login(options(4000));
    let on_error = move |error: SignInError| {
        told.lock().unwrap().push(error.to_string());
        error.page()
    };
    let site = serve_with(&emulator, sign_in, |routes| routes.on_error(on_error)).await;
    let page = Browser::new().get(&format!("{}/auth/github/login", site.url)).await;
    assert_eq!((page.status, page.location, page.set_cookies.len()), (500, None, 0));
    let told = seen.lock().unwrap().pop().unwrap();
    assert!(told.contains("4096 bytes") && told.contains("data"), "{told}");

    let site = serve(&emulator, SignIn::new(sealer(1)).on_login(options(2000))).await;
    let mut browser = Browser::new();
    let callback = browser.consent(&site, "github").await;
    assert_eq!(browser.get(&callback).await.status, 200);
}

#[tokio::test]
async fn a_sign_in_may_take_for_ever() {
    let emulator = Emulator::start().await.unwrap();
    let for_ever = github(&emulator).with_name("for-ever").with_login_lifetime(Duration::MAX);
    let site = serve(&emulator, SignIn::new(sealer(1)).provider(for_ever).unwrap()).await;
    let mut browser = Browser::new();
    let callback = browser.consent(&site, "for-ever").await;
    assert_eq!(browser.get(&callback).await.status, 200);
}

#[tokio::test]
async fn a_browser_keeps_five_attempts_and_drops_the_oldest() {
    let site = site().await;
    let mut browser = Browser::new();
    // A cookie that does not open any more goes too.
    browser.cookies.push(("oauth-attempt-AAAAAAAAAAAAAAAA".to_owned(), "damaged".to_owned()));
    for started in 1..=8 {
        browser.get(&format!("{}/auth/github/login", site.url)).await;
        assert_eq!(browser.cookies.len(), started.min(5));
    }
    let bytes: usize = browser.cookies.iter().map(|(name, value)| name.len() + value.len() + 3).sum();
    assert!(bytes < 4096, "{bytes}");
}

/// A sibling of the site's domain can set a cookie of almost any name; browsers guard only those that begin with `__Host-` itself.
#[tokio::test]
async fn az_16_a_cookie_of_almost_the_right_name_signs_nobody_in() {
    let emulator = Emulator::start().await.unwrap();
    let origin = "https://app.example";
    let site = serve(&emulator, SignIn::new(sealer(1)).at(origin).unwrap()).await;
    let mut attacker = Browser::new();
    let callback = attacker.consent(&site, "github").await.replace(origin, &site.url);
    let (name, sealed) = attacker.cookies[0].clone();
    let short = name.strip_prefix("__Host-").unwrap();
    let white_space =
        "\u{2000}\u{a0}\u{85}\u{3000}\u{1680}\u{2028}\u{2029}\u{202f}\u{205f}\u{feff}\u{200b}\u{ad}";
    let mut names: Vec<_> = white_space.chars().map(|space| format!("{space}{name}")).collect();
    names.extend(white_space.chars().map(|space| format!("{name}{space}")));
    names
        .extend(["", "__Secure-", "__host-", "__HOST-", "\u{2000}"].map(|prefix| format!("{prefix}{short}")));
    names.extend([
        name.replace("oauth", "OAuth"),
        format!("\"{name}"),
        format!("${name}"),
        format!("x,{name}"),
    ]);
    for almost in names {
        let mut victim = Browser::new();
        victim.cookies.push((almost, sealed.clone()));
        refused(&site, &mut victim, &callback, 400).await;
        // Nor does it disturb a sign-in of the victim's own.
        let own = victim.consent(&site, "github").await.replace(origin, &site.url);
        assert_eq!(victim.get(&own).await.status, 200);
        site.signed_in.lock().unwrap().clear();
    }
    // The right name, as browsers write it and as a proxy might.
    for between in ["a=b; ", "a=b;", "a=b;\t ", "a; b=\"c; =; "] {
        let login = attacker.consent(&site, "github").await.replace(origin, &site.url);
        let (name, sealed) = attacker.cookies.last().unwrap();
        let request = attacker.http.get(login).header("cookie", format!("{between}{name}={sealed}"));
        assert_eq!(request.send().await.unwrap().status(), 200, "{between:?}");
    }

    // However the address is spelt, https is https.
    let site = serve(&emulator, SignIn::new(sealer(1)).at("HTTPS://app.example").unwrap()).await;
    let page = Browser::new().get(&format!("{}/auth/github/login", site.url)).await;
    assert!(page.set_cookies[0].starts_with("__Host-"), "{:?}", page.set_cookies);
}

/// On loopback, and wherever else a site is not https, anybody on the machine can set cookies.
#[tokio::test]
async fn a_flood_of_cookies_costs_a_few_set_cookies_only() {
    let site = site().await;
    let mut browser = Browser::new();
    let callback = browser.consent(&site, "github").await;
    let own = browser.cookies[0].clone();
    for index in 0..8000 {
        browser.cookies.insert(0, (format!("oauth-attempt-{index:016}"), "x".to_owned()));
        browser.cookies.insert(0, (format!("oauth-attempt-{index}"), "".to_owned()));
    }
    let page = browser.get(&format!("{}/auth/github/login", site.url)).await;
    assert_eq!(page.status, 303);
    assert!((2..=8).contains(&page.set_cookies.len()), "{}", page.set_cookies.len());
    let page = browser.get(&callback).await;
    assert_eq!((page.status, page.set_cookies.len()), (200, 1), "its own attempt, and no other");
    assert!(!browser.cookies.contains(&own));
}

/// A header of more than some kilobytes is refused by many servers, on every page of the site.
#[tokio::test]
async fn abandoned_sign_ins_take_four_kilobytes_at_most() {
    let site = site().await;
    let mut browser = Browser::new();
    let mut newest = String::new();
    for length in [900, 900, 900, 10, 900, 10, 900, 10, 10, 900] {
        let return_to = format!("/{}", "r".repeat(length));
        let page = browser.get(&format!("{}/auth/github/login?return_to={return_to}", site.url)).await;
        let bytes: usize = browser.cookies.iter().map(|(name, value)| name.len() + value.len() + 3).sum();
        assert!(bytes <= 4096, "{bytes}");
        newest = page.location.unwrap();
    }
    assert!(browser.cookies.len() >= 2, "there is room for more than the newest");
    let callback = site.emulator.browse(&newest, Consent::Allow).await.unwrap().into_url();
    assert_eq!(browser.get(&callback).await.status, 200);
}

#[tokio::test]
async fn az_16_a_callback_that_does_not_belong_to_this_browser_is_refused() {
    let site = site().await;
    let mut browser = Browser::new();
    let callback = browser.consent(&site, "github").await;
    let state = callback.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();

    // Without the cookie, from another browser, in another attempt.
    refused(&site, &mut Browser::new(), &callback, 400).await;
    let mut other = Browser::new();
    other.consent(&site, "github").await;
    refused(&site, &mut other, &callback, 400).await;
    // The cookie of another attempt under this attempt's name.
    let mut swapped = Browser::new();
    swapped.cookies.push((browser.cookies[0].0.clone(), other.cookies[0].1.clone()));
    refused(&site, &mut swapped, &callback, 400).await;
    // Another provider's path with this attempt's state.
    let elsewhere = callback.replace("/github/", "/google/");
    let mut copy = Browser { http: browser.http.clone(), cookies: browser.cookies.clone() };
    refused(&site, &mut copy, &elsewhere, 400).await;
    // A state that only begins like ours.
    let longer = callback.replace(&state, &format!("{state}x"));
    let mut copy = Browser { http: browser.http.clone(), cookies: browser.cookies.clone() };
    refused(&site, &mut copy, &longer, 400).await;
    // A changed cookie.
    let mut damaged = Browser { http: browser.http.clone(), cookies: browser.cookies.clone() };
    let other = if &damaged.cookies[0].1[40..41] == "A" { "B" } else { "A" };
    damaged.cookies[0].1.replace_range(40..41, other);
    refused(&site, &mut damaged, &callback, 400).await;

    // After all that, the right browser still signs in, once.
    assert_eq!(browser.get(&callback).await.status, 200);
    site.signed_in.lock().unwrap().clear();
    refused(&site, &mut browser, &callback, 400).await;
}

#[tokio::test]
async fn az_03_a_cookie_that_was_copied_does_not_make_a_callback_count_twice() {
    let site = site().await;
    let mut browser = Browser::new();
    let callback = browser.consent(&site, "github").await;
    let mut copy = Browser { http: browser.http.clone(), cookies: browser.cookies.clone() };
    assert_eq!(browser.get(&callback).await.status, 200);
    site.signed_in.lock().unwrap().clear();
    let page = refused(&site, &mut copy, &callback, 400).await;
    assert!(page.text.contains("finished already"), "{}", page.text);
}

#[tokio::test]
async fn a_strange_callback_has_its_own_answer_and_reaches_nobody() {
    let site = site().await;
    let mut browser = Browser::new();
    let callback = browser.consent(&site, "github").await;
    let base = callback.split('?').next().unwrap();
    let kept = |browser: &Browser| Browser { http: browser.http.clone(), cookies: browser.cookies.clone() };
    for (url, status) in [
        (format!("{callback}&code=other"), 400),
        (format!("{callback}&state=other"), 400),
        (format!("{base}?state="), 400),
        (format!("{base}?state=%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4"), 400),
        (base.to_owned(), 400),
        (format!("{callback}&x={}", "a".repeat(20_000)), 413),
        (callback.replace("/github/", "/nobody/"), 404),
    ] {
        refused(&site, &mut kept(&browser), &url, status).await;
    }
    // Posted where only a redirect was asked for, as a form and as something else.
    let query = callback.split_once('?').unwrap().1;
    for (content_type, status) in [("application/x-www-form-urlencoded", 400), ("application/json", 400)] {
        let mut copy = kept(&browser);
        let request = copy.http.post(base).header("content-type", content_type).body(query.to_owned());
        assert_eq!(copy.send(request).await.status, status);
    }
    let mut copy = kept(&browser);
    let huge = copy
        .http
        .post(base)
        .header("content-type", "application/x-www-form-urlencoded")
        .body("a".repeat(1 << 20));
    assert_eq!(copy.send(huge).await.status, 413);
    let mut copy = kept(&browser);
    let ahead = copy.http.head(&callback);
    assert_eq!(copy.send(ahead).await.status, 400);
    assert_eq!(token_requests(&site), 0);
    // None of it has used the attempt up; the provider's own word does.
    refused(&site, &mut kept(&browser), &format!("{callback}&error=access_denied"), 403).await;
    let page = refused(&site, &mut kept(&browser), &callback, 400).await;
    assert!(page.text.contains("finished already"), "{}", page.text);
    let mut browser = Browser::new();
    let callback = browser.consent(&site, "github").await;
    refused(&site, &mut browser, &callback.replace("code=", "x="), 400).await;

    // Nothing that somebody else chose is in the page.
    let evil = format!("{base}?state=x&error=%3Cscript%3E&error_description=%3Cb%3Ebold%3C/b%3E");
    let page = refused(&site, &mut Browser::new(), &evil, 400).await;
    assert!(!page.text.contains("<script>") && !page.text.contains("bold"), "{}", page.text);

    // Google names its issuer.
    let mut browser = Browser::new();
    let callback = browser.consent(&site, "google").await;
    refused(&site, &mut browser, &format!("{callback}&iss=https://evil.example"), 400).await;
}

#[tokio::test]
async fn cb_13_where_a_form_was_asked_for_nothing_else_is_taken() {
    let emulator = Emulator::start().await.unwrap();
    let options = |_: &str, _: &_| LoginOptions::new().response_mode(ResponseMode::FormPost);
    let site = serve(&emulator, SignIn::new(sealer(1)).on_login(options)).await;
    let mut browser = Browser::new();
    let page = browser.get(&format!("{}/auth/github/login", site.url)).await;
    for attribute in ["SameSite=None", "Secure", "HttpOnly"] {
        assert!(page.set_cookies[0].contains(attribute), "{:?}", page.set_cookies);
    }
    // This provider posts no forms, so that its answer is made one here.
    let location = page.location.unwrap().replace("&response_mode=form_post", "");
    let callback = emulator.browse(&location, Consent::Allow).await.unwrap().into_url();
    let (base, form) = callback.split_once('?').unwrap();
    let kept = |browser: &Browser| Browser { http: browser.http.clone(), cookies: browser.cookies.clone() };
    let page = refused(&site, &mut kept(&browser), &callback, 400).await;
    assert!(page.text.contains("not the answer to a sign-in"), "{}", page.text);
    for kind in ["application/json", "text/plain", "multipart/form-data; boundary=x", ""] {
        let mut copy = kept(&browser);
        let request = copy.http.post(base).header("content-type", kind).body(form.to_owned());
        assert_eq!(copy.send(request).await.status, 400, "{kind}");
        // Nor in the query of a POST.
        let request = copy.http.post(&callback).header("content-type", "application/x-www-form-urlencoded");
        assert_eq!(copy.send(request).await.status, 400);
    }
    assert_eq!((token_requests(&site), site.signed_in.lock().unwrap().len()), (0, 0));
    let kind = "Application/X-WWW-Form-Urlencoded; charset=utf-8";
    let request = browser.http.post(base).header("content-type", kind).body(form.to_owned());
    assert_eq!(browser.send(request).await.status, 200);
    assert!(browser.cookies.is_empty());
}

#[tokio::test]
async fn cb_11_an_error_in_the_query_is_reported_though_a_form_was_asked_for() {
    let emulator = Emulator::start().await.unwrap();
    let options = |_: &str, _: &_| LoginOptions::new().response_mode(ResponseMode::FormPost);
    let site = serve(&emulator, SignIn::new(sealer(1)).on_login(options)).await;
    let mut browser = Browser::new();
    let page = browser.get(&format!("{}/auth/github/login", site.url)).await;
    let location = page.location.unwrap().replace("&response_mode=form_post", "");
    let callback = emulator.browse(&location, Consent::Deny).await.unwrap().into_url();
    let page = refused(&site, &mut browser, &callback, 403).await;
    assert!(page.text.contains("did not allow"), "{}", page.text);
    assert!(browser.cookies.is_empty());
}

#[tokio::test]
async fn a_user_who_denies_is_told_so_and_nobody_is_at_fault() {
    let site = site().await;
    let mut browser = Browser::new();
    let page = browser.get(&format!("{}/auth/github/login", site.url)).await;
    let callback = site.emulator.browse(&page.location.unwrap(), Consent::Deny).await.unwrap().into_url();
    let page = refused(&site, &mut browser, &callback, 403).await;
    assert!(page.text.contains("did not allow"), "{}", page.text);
    assert!(browser.cookies.is_empty());
}

#[tokio::test]
async fn a_return_address_of_another_site_is_refused() {
    let site = site().await;
    for bad in ["https://evil.example/", "//evil.example", "/%5Cevil.example", "cart", "javascript:alert(1)"]
    {
        let page = Browser::new().get(&format!("{}/auth/github/login?return_to={bad}", site.url)).await;
        assert_eq!((page.status, page.location), (400, None), "{bad}");
    }
}

#[tokio::test]
async fn two_instances_share_nothing_but_the_keys() {
    let emulator = Emulator::start().await.unwrap();
    let origin = "https://app.example";
    let (old, new) = (SealingKey::from_bytes([1; 32]), SealingKey::from_bytes([2; 32]));
    let first = serve(&emulator, SignIn::new(Sealer::new(old.clone())).at(origin).unwrap()).await;
    let second = serve(&emulator, SignIn::new(Sealer::new(new).with_old_key(old)).at(origin).unwrap()).await;
    let stranger = serve(&emulator, SignIn::new(sealer(3)).at(origin).unwrap()).await;
    let mut browser = Browser::new();
    let callback = browser.consent(&first, "github").await;
    let mut copy = Browser { http: browser.http.clone(), cookies: browser.cookies.clone() };
    refused(&stranger, &mut copy, &callback.replace(origin, &stranger.url), 400).await;
    assert_eq!(browser.get(&callback.replace(origin, &second.url)).await.status, 200);
    assert_eq!(second.signed_in.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn providers_can_be_found_per_request_and_failures_answered_in_ones_own_way() {
    let emulator = Emulator::start().await.unwrap();
    let own = github(&emulator).with_name("tenant-a");
    let resolving = SignIn::new(sealer(1)).resolve_with(move |name, request| {
        let own: Arc<dyn Provider> = Arc::new(own.clone());
        let fails = request.headers.contains_key("x-fail");
        let known = name == "tenant-a";
        async move { if fails { Err("the directory is down".into()) } else { Ok(known.then_some(own)) } }
    });
    let on_error = |error: SignInError| (error.status(), format!("own page: {error}")).into_response();
    let site = serve_with(&emulator, resolving, |routes| routes.on_error(on_error)).await;
    let mut browser = Browser::new();
    let callback = browser.consent(&site, "tenant-a").await;
    assert_eq!(browser.get(&callback).await.status, 200);

    let page = browser.get(&format!("{}/auth/tenant-b/login", site.url)).await;
    assert_eq!((page.status, &*page.text), (404, "own page: there is no such provider"));
    let request = browser.http.get(format!("{}/auth/tenant-a/login", site.url)).header("x-fail", "1");
    let page = browser.send(request).await;
    assert_eq!((page.status, &*page.text), (500, "own page: the provider could not be looked up"));
}

#[tokio::test]
async fn the_originals_extractor_gives_token_and_state() {
    use axum::{extract::FromRef, routing::get};
    use oauth_web_axum::{AuthorizedCallback, OAuth2AuthorizeCallback};

    #[derive(Clone)]
    struct App(OAuth2AuthorizeCallback);

    impl FromRef<App> for OAuth2AuthorizeCallback {
        fn from_ref(app: &App) -> Self {
            app.0.clone()
        }
    }

    let emulator = Emulator::start().await.unwrap();
    let handler = async |callback: AuthorizedCallback| {
        format!("{:?} {}", callback.state, callback.token.access_token().len() > 5)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/oauth-callback", listener.local_addr().unwrap());
    let app = App(OAuth2AuthorizeCallback::with_route(github(&emulator)));
    let router = Router::new().route("/oauth-callback", get(handler)).with_state(app);
    tokio::spawn(async move { axum::serve(listener, router).await });

    let request = oauth_clients::AuthorizationRequest::new(url.clone()).state("STATE");
    let authorize = github(&emulator).get_authorization_url(request).await.unwrap();
    let callback = emulator.browse(&authorize, Consent::Allow).await.unwrap().into_url();
    let http = reqwest_client(|defaults| defaults).unwrap();
    let reply = http.get(&callback).send().await.unwrap();
    assert_eq!((reply.status().as_u16(), &*reply.text().await.unwrap()), (200, "Some(\"STATE\") true"));
    for (query, status) in
        [("", 400), ("?error=access_denied", 400), ("?code=x&error=y", 400), ("?code=unknown", 500)]
    {
        assert_eq!(http.get(format!("{url}{query}")).send().await.unwrap().status(), status, "{query}");
    }
}
