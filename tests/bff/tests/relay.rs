//! A relay for the redirect URIs of previews, and what others try with it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Request, Response};
use oauth_clients::{LoginOptions, ResponseMode, Sealer, SealingKey, google::GoogleOAuth2};
use oauth_emulator::{Consent, Emulator};
use oauth_web::{RedirectRelay, SignIn, SignInErrorKind};
use serde_json::json;

use crate::{
    redirect_uri::{cookie_of, request},
    world::{client, sealer},
};

const URI: &str = "https://auth.example.dev/r/{provider}/callback";
const ONE: &str = "https://pr-1.preview.example.dev";
const TWO: &str = "https://pr-2.preview.example.dev";

fn key() -> Sealer {
    Sealer::new(SealingKey::from_bytes([7; 32]))
}

fn relay_with(key: Sealer) -> RedirectRelay {
    RedirectRelay::new(key, URI).unwrap().allow("https://*.preview.example.dev").unwrap()
}

fn preview(emulator: &Emulator, address: &str) -> SignIn {
    let sign_in = SignIn::new(sealer()).at(address).unwrap().provider(client(emulator)).unwrap();
    sign_in.relayed_by(relay_with(key()))
}

/// Begins a sign-in at a preview; gives the query with which the provider sends the user to the relay, and the browser's cookie there.
async fn begun(emulator: &Emulator, sign_in: &SignIn) -> (String, String) {
    let answer = sign_in.login(&request("/auth/oauth2/login", "")).await;
    let location = answer.result.unwrap().headers()["location"].to_str().unwrap().to_owned();
    let callback = emulator.browse(&location, Consent::Allow).await.unwrap().into_url();
    let query = callback.strip_prefix("https://auth.example.dev/r/oauth2/callback?").unwrap();
    (query.to_owned(), cookie_of(answer.headers))
}

async fn relayed(relay: &RedirectRelay, path: &str, query: &str) -> Response<String> {
    relay.answer(Request::builder().uri(format!("{path}?{query}")).body(String::new()).unwrap()).await
}

const CALLBACK: &str = "/r/oauth2/callback";

fn location(response: &Response<String>) -> &str {
    response.headers().get("location").map(|to| to.to_str().unwrap()).unwrap_or_default()
}

/// A state as whoever has the key can make it.
fn state(key: &Sealer, provider: &str, to: &str, until: i64) -> String {
    let context = format!("oauth-web relay\0https://auth.example.dev/r/{provider}/callback");
    let plain = json!({ "to": to, "state": "x".repeat(43), "until": until }).to_string();
    URL_SAFE_NO_PAD.encode(key.seal_bytes(plain.as_bytes(), context.as_bytes()).unwrap())
}

const FAR: i64 = 4_000_000_000;

#[tokio::test]
async fn rel_01_a_callback_reaches_the_preview_where_the_sign_in_began() {
    let emulator = Emulator::start().await.unwrap();
    let one = preview(&emulator, ONE);
    let (query, cookie) = begun(&emulator, &one).await;
    let response = relayed(&relay_with(key()), CALLBACK, &query).await;
    assert_eq!(
        (response.status().as_u16(), response.headers()["referrer-policy"].as_bytes()),
        (303, b"no-referrer".as_slice())
    );
    assert_eq!(response.headers()["cache-control"], "no-store");
    let to = location(&response).strip_prefix(ONE).unwrap().to_owned();
    assert_eq!(to, format!("/auth/oauth2/callback?{query}"));
    let answer = one.callback(&request(&to, &cookie), String::new()).await;
    let user = answer.result.unwrap();
    assert_eq!(user.provider.name(), "oauth2");
    // The redirect URI of the exchange is the registered one.
    let exchange =
        emulator.requests().into_iter().find(|request| request.field("grant_type").is_some()).unwrap();
    assert_eq!(exchange.field("redirect_uri"), Some("https://auth.example.dev/r/oauth2/callback"));

    // A replay comes as far as the preview, and signs nobody in.
    let again = relayed(&relay_with(key()), CALLBACK, &query).await;
    assert_eq!(again.status(), 303);
    let answer = one.callback(&request(&to, &cookie), String::new()).await;
    assert!(matches!(answer.result.unwrap_err().kind(), SignInErrorKind::AlreadyUsed));
}

#[tokio::test]
async fn rel_01_a_form_is_posted_on() {
    let emulator = Emulator::start().await.unwrap();
    let google = GoogleOAuth2::new("google-client-id", "google-client-secret");
    let google = emulator.connect(google).await.unwrap();
    let sign_in =
        SignIn::new(sealer()).at(ONE).unwrap().provider(google).unwrap().relayed_by(relay_with(key()));
    let sign_in = sign_in.on_login(|_, _| LoginOptions::new().response_mode(ResponseMode::FormPost));
    let google_request = |method: &str, uri: &str, cookie: &str| {
        let parts = Request::builder().method(method).uri(uri).header("cookie", cookie);
        let parts = parts
            .header("content-type", "application/x-www-form-urlencoded")
            .body(())
            .unwrap()
            .into_parts()
            .0;
        oauth_web::SignInRequest::new(parts, [("provider", "google")])
    };
    let answer = sign_in.login(&google_request("GET", "/auth/google/login", "")).await;
    let to = answer.result.unwrap().headers()["location"]
        .to_str()
        .unwrap()
        .replace("&response_mode=form_post", "");
    let callback = emulator.browse(&to, Consent::Allow).await.unwrap().into_url();
    let form = callback.split_once('?').unwrap().1.to_owned();
    let post = |body: String, kind: &str| {
        let request =
            Request::builder().method("POST").uri("/r/google/callback").header("content-type", kind);
        request.body(body).unwrap()
    };
    let relay = relay_with(key());
    let response = relay.answer(post(form.clone(), "application/x-www-form-urlencoded")).await;
    assert_eq!(
        (response.status().as_u16(), location(&response)),
        (307, "https://pr-1.preview.example.dev/auth/google/callback")
    );
    let cookie = cookie_of(answer.headers);
    let answer =
        sign_in.callback(&google_request("POST", "/auth/google/callback", &cookie), form.clone()).await;
    assert!(answer.result.is_ok());

    assert_eq!(relay.answer(post(form.clone(), "text/plain")).await.status(), 400);
    assert_eq!(
        relay.answer(post("x".repeat(20_000), "application/x-www-form-urlencoded")).await.status(),
        413
    );
}

#[tokio::test]
async fn rel_02_a_state_that_was_made_up_or_changed_leads_nowhere() {
    let emulator = Emulator::start().await.unwrap();
    let (query, _) = begun(&emulator, &preview(&emulator, ONE)).await;
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let sealed = &pairs.iter().find(|(name, _)| name == "state").unwrap().1;
    let mut changed = sealed.clone().into_bytes();
    let last = changed.len() - 5;
    changed[last] = if changed[last] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    let relay = relay_with(key());
    let other = Sealer::new(SealingKey::from_bytes([8; 32]));
    for bad in [
        String::new(),
        "state=".to_owned(),
        "state=x".to_owned(),
        format!("state={changed}"),
        format!("state={sealed}&state={sealed}"),
        format!("state={sealed}&%73tate=x"),
        "state=https://evil.example".to_owned(),
        format!("state={}", URL_SAFE_NO_PAD.encode(r#"{"to":"https://evil.example/oauth2/callback"}"#)),
        format!("state={}", state(&other, "oauth2", &format!("{ONE}/auth/oauth2/callback"), FAR)),
        // The sealer of an application's attempts is another.
        format!("state={}", state(&sealer(), "oauth2", &format!("{ONE}/auth/oauth2/callback"), FAR)),
    ] {
        let response = relayed(&relay, CALLBACK, &format!("code=c&{bad}")).await;
        assert_eq!((response.status().as_u16(), location(&response)), (400, ""), "{bad}");
        assert!(!response.body().contains("evil"), "{}", response.body());
    }
    // One of this provider is none of another's, and no other path is answered.
    for path in ["/r/github/callback", "/r/oauth2/login", "/r/a/b/callback", "/", "/r//callback"] {
        let response = relayed(&relay, path, &query).await;
        assert!(response.status().is_client_error() && location(&response).is_empty(), "{path}");
    }
    let head =
        Request::builder().method("HEAD").uri(format!("{CALLBACK}?{query}")).body(String::new()).unwrap();
    assert_eq!(relay.answer(head).await.status(), 400);
}

#[tokio::test]
async fn rel_03_a_callback_goes_to_a_listed_preview_and_to_its_callback_only() {
    let relay = relay_with(key());
    let sealed = |to: &str| format!("code=c&state={}", state(&key(), "oauth2", to, FAR));
    let good = relayed(&relay, CALLBACK, &sealed(&format!("{ONE}/auth/oauth2/callback"))).await;
    assert_eq!(good.status(), 303);
    for to in [
        "https://evil.example/auth/oauth2/callback",
        "https://evil.example/oauth2/callback#.preview.example.dev",
        "https://preview.example.dev/auth/oauth2/callback",
        "https://a.b.preview.example.dev/auth/oauth2/callback",
        "https://pr-1.preview.example.dev.evil.example/auth/oauth2/callback",
        "https://pr-1.preview.example.dev:8443/auth/oauth2/callback",
        "https://pr-1.preview.example.dev@evil.example/auth/oauth2/callback",
        "https://evil.example\\.preview.example.dev/auth/oauth2/callback",
        "http://pr-1.preview.example.dev/auth/oauth2/callback",
        "//pr-1.preview.example.dev/auth/oauth2/callback",
        "javascript:alert(1)//auth/oauth2/callback",
        "https://pr-1.preview.example.dev/elsewhere",
        "https://pr-1.preview.example.dev/auth/github/callback",
        "https://pr-1.preview.example.dev/auth/oauth2/callback?x=/oauth2/callback",
        "https://pr-1.preview.example.dev/a/../auth/oauth2/callback",
        "",
    ] {
        let response = relayed(&relay, CALLBACK, &sealed(to)).await;
        assert_eq!((response.status().as_u16(), location(&response)), (400, ""), "{to}");
    }
    // A relay that lists nothing sends nothing on.
    let closed = RedirectRelay::new(key(), URI).unwrap();
    assert_eq!(
        relayed(&closed, CALLBACK, &sealed(&format!("{ONE}/auth/oauth2/callback"))).await.status(),
        400
    );
}

#[tokio::test]
async fn rel_04_a_state_ends_with_its_attempt() {
    let to = format!("{ONE}/auth/oauth2/callback");
    let old = state(&key(), "oauth2", &to, 1_700_000_000);
    let response = relayed(&relay_with(key()), CALLBACK, &format!("code=c&state={old}")).await;
    assert_eq!((response.status().as_u16(), location(&response)), (400, ""));
    assert!(response.body().contains("took too long"), "{}", response.body());
    // The preview does not believe it either.
    let emulator = Emulator::start().await.unwrap();
    let answer = preview(&emulator, ONE)
        .callback(&request(&format!("/auth/oauth2/callback?code=c&state={old}"), ""), String::new())
        .await;
    assert!(matches!(answer.result.unwrap_err().kind(), SignInErrorKind::Sealed(_)));
}

#[tokio::test]
async fn rel_05_a_callback_of_one_preview_signs_nobody_in_at_another() {
    let emulator = Emulator::start().await.unwrap();
    let (one, two) = (preview(&emulator, ONE), preview(&emulator, TWO));
    let (query, cookie) = begun(&emulator, &one).await;
    // The attacker has begun at one, and takes the answer to two, with the cookie of one even.
    for cookie in ["", &*cookie] {
        let answer =
            two.callback(&request(&format!("/auth/oauth2/callback?{query}"), cookie), String::new()).await;
        assert!(matches!(answer.result.unwrap_err().kind(), SignInErrorKind::NotRelayed));
    }
    // Login CSRF: the victim's browser has not begun, whatever link it follows through the relay.
    let response = relayed(&relay_with(key()), CALLBACK, &query).await;
    let to = location(&response).strip_prefix(ONE).unwrap().to_owned();
    let answer = one.callback(&request(&to, ""), String::new()).await;
    assert!(matches!(answer.result.unwrap_err().kind(), SignInErrorKind::NoAttempt));
    // Past the relay, a state of the attempt alone is none.
    let answer =
        one.callback(&request("/auth/oauth2/callback?code=c&state=abc", &cookie), String::new()).await;
    assert!(answer.result.is_err());
    assert!(emulator.requests().iter().all(|request| request.field("grant_type").is_none()));
    // And who began it can still end it.
    assert!(one.callback(&request(&to, &cookie), String::new()).await.result.is_ok());
}

#[tokio::test]
async fn rel_06_the_state_says_nothing_to_who_has_no_key() {
    let emulator = Emulator::start().await.unwrap();
    let (query, _) = begun(&emulator, &preview(&emulator, ONE)).await;
    let state = query.split('&').find_map(|pair| pair.strip_prefix("state=")).unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(state).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("preview"));
    assert!(state.len() < 400, "{}", state.len());
    assert!(!format!("{:?}", relay_with(key())).contains("7, 7"));
}

#[tokio::test]
async fn rel_07_what_a_relay_cannot_read_is_refused_when_the_sign_in_begins() {
    let emulator = Emulator::start().await.unwrap();
    let sign_in =
        preview(&emulator, ONE).on_login(|_, _| LoginOptions::new().response_mode(ResponseMode::Jwt));
    let answer = sign_in.login(&request("/auth/oauth2/login", "")).await;
    assert!(matches!(answer.result.unwrap_err().kind(), SignInErrorKind::Login(_)));
}
