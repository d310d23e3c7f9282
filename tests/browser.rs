//! The demo site in a real browser: what a user does there, and what an attacker's page makes a browser do.
//!
//! The site is `localhost` and the emulator `127.0.0.1`: two sites, as far as a browser's cookies are concerned.

use std::time::Duration;

use axum::{Router, response::Html, routing::get};
use oauth_clients::{reqwest, reqwest_client};
use oauth_demo::{
    names,
    site::{self, Options, Site},
};
use oauth_emulator::{Arrival, Consent, User};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{contract::facts::Facts, support::chromium::Chromium};

async fn start() -> (Site, Chromium) {
    (site::start(Options::default()).await.unwrap(), Chromium::start().await)
}

/// From the site's page to the provider's.
async fn to_consent(site: &Site, browser: &Chromium, provider: &str) {
    browser.goto(&site.url()).await;
    browser.click(&format!("a[href='/auth/{provider}/login']")).await;
    assert!(browser.url().await.starts_with(site.emulator().origin()), "{provider}");
}

/// Presses a button of the consent page, and the one by which a `form_post` provider sends the browser on.
async fn decide(site: &Site, browser: &Chromium, decision: &str) {
    browser.click(&format!("button[value={decision}]")).await;
    if browser.url().await.starts_with(site.emulator().origin()) {
        browser.click("button.main").await;
    }
}

async fn assert_signed_in(site: &Site, browser: &Chromium, what: &str) {
    assert_signed_in_as(site, browser, what, &User::default().id).await;
}

async fn assert_signed_in_as(site: &Site, browser: &Chromium, what: &str, subject: &str) {
    assert_eq!(browser.url().await, format!("{}/me", site.url()), "{what}: {}", browser.text("main").await);
    assert_eq!(browser.text("#subject").await, subject, "{what}");
}

/// The page says that the sign-in failed, and nobody is signed in.
async fn assert_refused(site: &Site, browser: &Chromium, title: &str) {
    assert_eq!(browser.text("h1").await, title);
    assert!(browser.url().await.starts_with(&site.url()));
    browser.goto(&format!("{}/me", site.url())).await;
    assert_eq!(browser.url().await, format!("{}/", site.url()), "nobody is signed in");
}

fn token_requests(site: &Site) -> usize {
    site.emulator().requests().iter().filter(|request| request.field("grant_type").is_some()).count()
}

#[tokio::test]
async fn a_user_signs_in_with_every_provider() {
    let (site, browser) = start().await;
    for name in names() {
        to_consent(&site, &browser, name).await;
        decide(&site, &browser, "allow").await;
        let subject = Facts::of(name).subject(&User::default().id);
        assert_signed_in_as(&site, &browser, name, &subject).await;
        let secret = browser.text("#access-token").await;
        assert!(secret.ends_with('…') && secret.chars().count() <= 5, "{name}: {secret}");
        browser.click("form[action='/me/sign-out'] button").await;
        assert!(browser.cookies("oauth-").await.is_empty(), "{name}: the attempt's cookie is gone");
    }
    let blocked: Vec<_> = browser.complaints().await;
    assert!(!blocked.iter().any(|line| line.contains("Content Security Policy")), "{blocked:#?}");
}

#[tokio::test]
async fn a_signed_in_user_reads_the_profile_refreshes_and_revokes() {
    let (site, browser) = start().await;
    to_consent(&site, &browser, "google").await;
    decide(&site, &browser, "allow").await;
    assert_eq!(browser.text("#email .badge").await, "verified");
    assert!(!browser.has("pre").await);
    for (action, outcome) in [
        ("profile", "The profile was read"),
        ("refresh", "The refresh token was exchanged"),
        ("revoke", "The provider revoked the token"),
    ] {
        browser.click(&format!("form[action='/me/{action}'] button")).await;
        let said = browser.text("[role=status]").await;
        assert!(said.starts_with(outcome), "{said}");
    }
    assert!(browser.text("pre").await.contains("ada@example.com"));
    browser.click("form[action='/me/profile'] button").await;
    assert_eq!(browser.text("[role=alert] h2").await, "The access token is not accepted");
}

#[tokio::test]
async fn a_provider_is_found_by_typing() {
    let (site, browser) = start().await;
    browser.goto(&site.url()).await;
    browser.type_into("#find", "Git").await;
    let found = browser.shown(".provider .name").await;
    assert!(found.iter().any(|name| name.contains("GitHub")), "{found:?}");
    assert!(found.iter().all(|name| name.to_lowercase().contains("git")), "{found:?}");
    assert!(
        !browser.shown(".group h2").await.contains(&"A".to_owned()),
        "groups without a provider are hidden"
    );
    // By the name in addresses too, and whatever the case.
    browser.type_into("#find", "LOGIN.GOV").await;
    assert_eq!(browser.shown(".provider .name").await.len(), 1);
    browser.type_into("#find", "no such provider").await;
    assert_eq!(browser.shown(".provider").await.len(), 0);
    assert_eq!(browser.shown("#nothing").await.len(), 1);
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn a_form_post_brings_its_cookie_from_another_site() {
    let (site, browser) = start().await;
    to_consent(&site, &browser, "apple").await;
    let consent = browser.url().await;
    browser.goto(&site.url()).await;
    let [cookie] = &browser.cookies("oauth-").await[..] else { panic!("one attempt, one cookie") };
    assert_eq!((&cookie["secure"], &cookie["httpOnly"]), (&json!(true), &json!(true)));
    assert_eq!(cookie["sameSite"], "None");
    browser.goto(&consent).await;
    decide(&site, &browser, "allow").await;
    assert_signed_in(&site, &browser, "apple").await;
}

#[tokio::test]
async fn who_says_no_or_meets_a_fault_is_told_and_can_try_again() {
    let (site, browser) = start().await;
    for name in ["github", "apple"] {
        to_consent(&site, &browser, name).await;
        decide(&site, &browser, "deny").await;
        assert_eq!(browser.text("h1").await, "You said no", "{name}");
        assert!(browser.has("[role=status]").await && !browser.has("[role=alert]").await, "{name}: no alarm");
    }
    assert_eq!(token_requests(&site), 0);

    browser.goto(&site.url()).await;
    browser.select("provider", "github").await;
    browser.select("fault", "server-error").await;
    browser.click("form[action='/faults/on'] button").await;
    assert!(browser.text(".faults").await.contains("GitHub"));
    assert_eq!(browser.text("a[href='/auth/github/login'] .misbehaves").await, "misbehaves");
    assert!(!browser.has("a[href='/auth/google/login'] .misbehaves").await);
    browser.click("a[href='/auth/github/login']").await;
    decide(&site, &browser, "allow").await;
    assert_eq!(browser.text("h1").await, "The provider is not well, or busy");
    browser.goto(&site.url()).await;
    browser.click("form[action='/faults/off'] button").await;
    assert!(!browser.has(".faults").await);

    to_consent(&site, &browser, "github").await;
    decide(&site, &browser, "deny").await;
    browser.click("a.main").await;
    decide(&site, &browser, "allow").await;
    assert_signed_in(&site, &browser, "after a denial").await;
}

#[tokio::test]
async fn two_tabs_at_once_do_not_disturb_each_other() {
    let (site, browser) = start().await;
    to_consent(&site, &browser, "github").await;
    let first = browser.tab().await;
    let second = browser.open_tab().await;
    browser.switch_to(&second).await;
    to_consent(&site, &browser, "google").await;
    decide(&site, &browser, "allow").await;
    assert_signed_in(&site, &browser, "the second tab").await;
    assert!(browser.text(".lead").await.contains("Google"));
    browser.switch_to(&first).await;
    decide(&site, &browser, "allow").await;
    assert_signed_in(&site, &browser, "the first tab").await;
    assert!(browser.text(".lead").await.contains("GitHub"));
}

#[tokio::test]
async fn who_goes_back_after_finishing_cannot_finish_twice_but_can_start_again() {
    let (site, browser) = start().await;
    to_consent(&site, &browser, "github").await;
    let consent = browser.url().await;
    decide(&site, &browser, "allow").await;
    assert_signed_in(&site, &browser, "at first").await;
    let redeemed = token_requests(&site);

    browser.back().await;
    assert_eq!(browser.url().await, consent, "back at the provider");
    // The page anew, as after a reload; the provider gives a second code for the same state.
    browser.reload().await;
    decide(&site, &browser, "allow").await;
    assert_eq!(browser.text("h1").await, "This sign-in is over, or is not yours");
    assert_eq!(browser.text("a.main").await, "Try again with GitHub");
    assert_eq!(token_requests(&site), redeemed, "the second code is not redeemed");

    browser.goto(&format!("{}/me", site.url())).await;
    assert_signed_in(&site, &browser, "still").await;
    to_consent(&site, &browser, "github").await;
    decide(&site, &browser, "allow").await;
    assert_signed_in(&site, &browser, "again").await;
}

#[tokio::test]
async fn a_changed_cookie_signs_nobody_in() {
    let (site, browser) = start().await;
    to_consent(&site, &browser, "github").await;
    let consent = browser.url().await;
    browser.goto(&site.url()).await;
    let mut cookie = browser.cookies("oauth-").await.remove(0);
    assert_eq!((&cookie["secure"], &cookie["httpOnly"]), (&json!(false), &json!(true)));
    assert_eq!(cookie["sameSite"], "Lax");
    let mut sealed = cookie["value"].as_str().unwrap().to_owned();
    // One character in the middle, which is encrypted.
    let middle = sealed.len() / 2;
    let other = if sealed[middle..].starts_with('A') { "B" } else { "A" };
    sealed.replace_range(middle..=middle, other);
    cookie["value"] = sealed.into();
    browser.set_cookie(&cookie).await;

    browser.goto(&consent).await;
    decide(&site, &browser, "allow").await;
    assert_refused(&site, &browser, "The sign-in's cookie is damaged").await;
    assert_eq!(token_requests(&site), 0);
}

#[tokio::test]
async fn who_returns_too_late_starts_again() {
    let lifetime = Duration::from_secs(5);
    let site = site::start(Options { login_lifetime: Some(lifetime), ..Options::default() }).await.unwrap();
    let browser = Chromium::start().await;
    to_consent(&site, &browser, "google").await;
    let consent = browser.url().await;
    browser.goto(&site.url()).await;
    let mut cookie = browser.cookies("oauth-").await.remove(0);
    browser.goto(&consent).await;
    // Times are in whole seconds.
    tokio::time::sleep(lifetime + Duration::from_millis(1100)).await;
    decide(&site, &browser, "allow").await;
    // The browser has dropped the cookie.
    assert_refused(&site, &browser, "This sign-in is over, or is not yours").await;

    // A browser whose clock is wrong, or that somebody has changed, still has it.
    cookie.as_object_mut().unwrap().remove("expiry");
    browser.set_cookie(&cookie).await;
    browser.goto(&consent).await;
    decide(&site, &browser, "allow").await;
    assert_refused(&site, &browser, "The sign-in took too long").await;
    assert_eq!(token_requests(&site), 0);
}

/// A page of another origin, with a button that posts a form.
async fn attacker(action: &str, fields: &[(String, String)]) -> u16 {
    let fields: String =
        fields.iter().map(|(name, value)| format!("<input name='{name}' value='{value}'>")).collect();
    let page =
        format!("<!doctype html><form method=post action='{action}'>{fields}<button>Win</button></form>");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let app = Router::new().route("/", get(async move || Html(page)));
    tokio::spawn(async move { axum::serve(listener, app).await });
    port
}

/// The callback of the attacker's own sign-in: with it, the victim would use the attacker's account.
async fn attackers_callback(site: &Site, provider: &str) -> Vec<(String, String)> {
    let http = reqwest_client(|defaults| defaults).unwrap();
    let reply = http.get(format!("{}/auth/{provider}/login", site.url())).send().await.unwrap();
    let url = reply.headers()["location"].to_str().unwrap();
    let arrival: Arrival = site.emulator().browse(url, Consent::Allow).await.unwrap();
    let url = reqwest::Url::parse(&arrival.into_url()).unwrap();
    url.query_pairs().into_owned().collect()
}

#[tokio::test]
async fn a_page_of_another_origin_signs_nobody_in_and_presses_no_button() {
    let (site, browser) = start().await;
    for (provider, host) in
        [("github", "localhost"), ("github", "127.0.0.1"), ("apple", "localhost"), ("apple", "127.0.0.1")]
    {
        // The victim has begun a sign-in of their own.
        to_consent(&site, &browser, provider).await;
        let callback = attackers_callback(&site, provider).await;
        let port = attacker(&format!("{}/auth/{provider}/callback", site.url()), &callback).await;
        browser.goto(&format!("http://{host}:{port}/")).await;
        browser.click("button").await;
        assert_refused(&site, &browser, "This sign-in is over, or is not yours").await;
    }

    // Even the state of the victim's own sign-in does not help where the provider answers by a redirect.
    to_consent(&site, &browser, "github").await;
    let consent = reqwest::Url::parse(&browser.url().await).unwrap();
    let state = consent.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let mut callback = attackers_callback(&site, "github").await;
    callback.retain(|(name, _)| name != "state");
    callback.push(("state".to_owned(), state));
    let port = attacker(&format!("{}/auth/github/callback", site.url()), &callback).await;
    browser.goto(&format!("http://localhost:{port}/")).await;
    browser.click("button").await;
    assert_refused(&site, &browser, "The answer came in the wrong way").await;
    assert_eq!(token_requests(&site), 0, "no code was redeemed");

    let fault = [("provider", "github"), ("fault", "deny")];
    let fields: Vec<_> = fault.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let port = attacker(&format!("{}/faults/on", site.url()), &fields).await;
    browser.goto(&format!("http://localhost:{port}/")).await;
    browser.click("button").await;
    assert_refused(&site, &browser, "This form is not from this page").await;
    assert!(!browser.has(".faults").await);
}
