//! A popup and a page of another site in a real browser.
//!
//! The application is `localhost`, and the provider's page and the attacker's are `127.0.0.1`: two sites, as far as a browser's cookies are concerned.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{OriginalUri, State},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use oauth_bff::{Bff, Routes, SignIn, Upstream};
use oauth_clients::{OAuth2, Provider};
use oauth_emulator::{Consent, Emulator};
use oauth_tokens::{MemoryStore, TokenManager};
use tokio::net::TcpListener;

use crate::{
    chromium::Chromium,
    world::{Api, http, sealer},
};

/// Opens the popup at once, which browsers allow to those who test, and writes down what it is told.
const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><title>App</title><link rel="icon" href="data:,">
<p id="channel"></p><p id="opener"></p><p id="session"></p><p id="closed"></p>
<script>
const write = (id, text) => { document.getElementById(id).textContent = text; };
const ask = async () => (await fetch("/bff/session", { headers: { "x-csrf": "1" } })).json();
new BroadcastChannel("oauth-sign-in").onmessage = async ({ data }) => {
  write("channel", JSON.stringify(data));
  write("session", JSON.stringify((await ask()).signed_in));
};
addEventListener("message", (event) => {
  if (event.origin === location.origin) write("opener", JSON.stringify(event.data));
});
if (location.search === "?open") {
  const popup = window.open("/bff/acme/login?popup=1", "sign-in", "popup,width=500,height=650");
  setInterval(() => write("closed", String(popup.closed)), 50);
} else {
  ask().then((who) => write("session", JSON.stringify(who.signed_in)));
}
</script>"#;

/// What another site tries while the user is signed in.
fn attack(app: &str) -> String {
    format!(
        r#"<!doctype html><meta charset="utf-8"><title>Evil</title><link rel="icon" href="data:,"><p id="done"></p><script>
(async () => {{
  const results = [];
  for (const [path, options] of [
    ["/bff/api/things/all", {{ headers: {{ "x-csrf": "1" }} }}],
    ["/bff/api/things/all", {{ method: "POST", headers: {{ "x-csrf": "1" }} }}],
    ["/bff/api/things/all", {{ method: "POST", mode: "no-cors" }}],
    ["/bff/logout", {{ method: "POST", mode: "no-cors" }}],
    ["/bff/logout", {{ method: "POST", headers: {{ "x-csrf": "1" }} }}],
  ]) {{
    try {{
      const reply = await fetch("{app}" + path, {{ credentials: "include", ...options }});
      results.push(reply.type);
    }} catch {{ results.push("blocked"); }}
  }}
  document.getElementById("done").textContent = results.join(" ");
}})();
</script>"#
    )
}

struct Site {
    app: String,
    evil: String,
    api: Api,
}

/// The provider: its page agrees by itself. With a policy, it leaves the browser no tie between the two windows.
#[derive(Clone)]
struct Agreeing {
    emulator: Arc<Emulator>,
    cuts_off: bool,
}

async fn agree(State(provider): State<Agreeing>, OriginalUri(uri): OriginalUri) -> Response {
    let url = format!("https://oauth2.example/authorize?{}", uri.query().unwrap_or_default());
    let callback = provider.emulator.browse(&url, Consent::Allow).await.unwrap().into_url();
    let to = callback.replace('&', "&amp;");
    let mut page = Html(format!(
        "<!doctype html><title>Acme</title><meta http-equiv=\"refresh\" content=\"0; url={to}\">"
    ))
    .into_response();
    if provider.cuts_off {
        page.headers_mut().insert("cross-origin-opener-policy", "same-origin".parse().unwrap());
    }
    page
}

async fn start(cuts_off: bool) -> Site {
    let emulator = Arc::new(Emulator::start().await.unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (app_url, evil_url) = (format!("http://localhost:{}", address.port()), format!("http://{address}"));
    let app = emulator.apps("oauth2").unwrap().remove(0);
    let acme = OAuth2::new(
        app.client_id,
        app.client_secret.unwrap(),
        format!("{evil_url}/authorize"),
        "https://oauth2.example/token",
    )
    .with_refresh_endpoint("https://oauth2.example/token")
    .with_profile_endpoint("https://oauth2.example/profile")
    .with_scopes(["profile", "email"])
    .with_name("acme")
    .with_http_client(emulator.http_client().unwrap());
    let tokens =
        TokenManager::builder(MemoryStore::new(), sealer()).provider(Arc::new(acme.clone())).build().unwrap();
    let sign_in = SignIn::new(sealer()).at(&app_url).unwrap().provider(acme).unwrap();
    let api = Api::start().await;
    let bff = Bff::new("/bff", Routes::new(sign_in), tokens, http()).unwrap();
    let bff = bff.upstream("things", Upstream::new(&api.url).unwrap()).unwrap();
    let attack = attack(&app_url);
    let router = Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/evil", get(async move || Html(attack)))
        .route("/authorize", get(agree).with_state(Agreeing { emulator, cuts_off }))
        .route_service("/bff/{*path}", bff);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Site { app: app_url, evil: evil_url, api }
}

async fn wait_for(browser: &Chromium, css: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let text = browser.text(css).await;
        if !text.is_empty() {
            return text;
        }
        assert!(Instant::now() < deadline, "{css} stays empty: {:?}", browser.complaints().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

const MESSAGE: &str = r#"{"type":"oauth-sign-in","outcome":"signed_in"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn pop_04_a_popup_signs_the_page_in_and_closes() {
    let site = start(false).await;
    let browser = Chromium::start().await;
    browser.goto(&format!("{}/?open", site.app)).await;
    assert_eq!(wait_for(&browser, "#channel").await, MESSAGE);
    assert_eq!(wait_for(&browser, "#opener").await, MESSAGE);
    assert_eq!(wait_for(&browser, "#session").await, "true");
    let deadline = Instant::now() + Duration::from_secs(10);
    while browser.text("#closed").await != "true" {
        assert!(Instant::now() < deadline, "the popup stays open");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    // A page of another site can do nothing with that session, and cannot end it.
    browser.goto(&format!("{}/evil", site.evil)).await;
    let done = wait_for(&browser, "#done").await;
    assert_eq!(done, "blocked blocked opaque opaque blocked");
    assert_eq!(site.api.count(), 0);
    browser.goto(&site.app).await;
    assert_eq!(wait_for(&browser, "#session").await, "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn pop_05_a_popup_that_was_cut_off_tells_the_page_by_the_channel() {
    let site = start(true).await;
    let browser = Chromium::start().await;
    browser.goto(&format!("{}/?open", site.app)).await;
    assert_eq!(wait_for(&browser, "#channel").await, MESSAGE);
    assert_eq!(wait_for(&browser, "#session").await, "true");
    assert_eq!(browser.text("#opener").await, "");
}
