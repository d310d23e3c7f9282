//! A redirect URI that is registered elsewhere than at the route.

use http::Request;
use oauth_emulator::{Consent, Emulator};
use oauth_web::{RedirectRelay, SetupError, SignIn, SignInErrorKind, SignInRequest};

use crate::world::{client, sealer};

pub(crate) fn request(uri: &str, cookie: &str) -> SignInRequest {
    let parts = Request::builder().uri(uri).header("cookie", cookie).body(()).unwrap().into_parts().0;
    SignInRequest::new(parts, [("provider", "oauth2")])
}

/// The cookie of a response, as a browser sends it back.
pub(crate) fn cookie_of(headers: oauth_web::AnswerHeaders) -> String {
    let mut response = http::HeaderMap::new();
    headers.apply(&mut response);
    response["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_registered_redirect_uri_is_used_and_ends_at_the_route() {
    let emulator = Emulator::start().await.unwrap();
    let sign_in =
        SignIn::new(sealer()).at("https://app.example").unwrap().provider(client(&emulator)).unwrap();
    let sign_in = sign_in.redirect_uri("https://app.example/cb/{provider}").unwrap();
    let answer = sign_in.login(&request("/auth/oauth2/login", "")).await;
    let location = answer.result.unwrap().headers()["location"].to_str().unwrap().to_owned();
    let callback = emulator.browse(&location, Consent::Allow).await.unwrap().into_url();
    let query = callback.strip_prefix("https://app.example/cb/oauth2?").unwrap();
    // The gateway maps it to the route.
    let cookie = cookie_of(answer.headers);
    let answer =
        sign_in.callback(&request(&format!("/auth/oauth2/callback?{query}"), &cookie), String::new()).await;
    assert!(answer.result.is_ok());
}

#[tokio::test]
async fn a_redirect_uri_on_another_host_is_refused_before_anything_begins() {
    let emulator = Emulator::start().await.unwrap();
    let sign_in =
        SignIn::new(sealer()).at("https://app.example").unwrap().provider(client(&emulator)).unwrap();
    let sign_in = sign_in.redirect_uri("https://login.example/cb/{provider}").unwrap();
    let answer = sign_in.login(&request("/auth/oauth2/login", "")).await;
    let error = answer.result.unwrap_err();
    assert_eq!(error.status(), 500);
    let SignInErrorKind::Login(error) = error.kind() else { panic!("{error}") };
    assert!(error.to_string().contains("another host"), "{error}");

    let bad = SignIn::new(sealer()).redirect_uri("/cb");
    assert!(matches!(bad, Err(SetupError::RedirectUri(_))));
}

#[tokio::test]
async fn a_redirect_uri_by_plain_http_is_refused_for_a_site_by_https() {
    let emulator = Emulator::start().await.unwrap();
    for (site, uri, is_fine) in [
        ("https://app.example", "http://app.example/cb/{provider}", false),
        ("https://app.example", "HTTP://app.example/cb/{provider}", false),
        ("https://app.example", "http://app.example:8080/cb/{provider}", false),
        ("http://app.example", "http://app.example/cb/{provider}", true),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000/cb/{provider}", true),
    ] {
        let sign_in = SignIn::new(sealer()).at(site).unwrap().provider(client(&emulator)).unwrap();
        let answer = sign_in.redirect_uri(uri).unwrap().login(&request("/auth/oauth2/login", "")).await;
        assert_eq!(answer.result.is_ok(), is_fine, "{site} {uri}");
    }
    let relay = |uri: &str| RedirectRelay::new(sealer(), uri);
    assert!(matches!(
        relay("http://auth.example.dev/r/{provider}/callback"),
        Err(SetupError::RedirectUri(_))
    ));
    assert!(matches!(
        relay("HTTP://auth.example.dev/r/{provider}/callback"),
        Err(SetupError::RedirectUri(_))
    ));
    assert!(relay("http://localhost:3000/r/{provider}/callback").is_ok());
}

#[tokio::test]
async fn whoever_fails_at_a_registered_redirect_uri_is_led_back_to_the_route() {
    let emulator = Emulator::start().await.unwrap();
    let sign_in =
        SignIn::new(sealer()).at("https://app.example/shop").unwrap().provider(client(&emulator)).unwrap();
    let sign_in = sign_in.redirect_uri("https://app.example/cb/{provider}").unwrap();
    let answer =
        sign_in.callback(&request("/auth/oauth2/callback?code=x&state=unknown", ""), String::new()).await;
    let error = answer.result.unwrap_err();
    assert_eq!(error.retry(), Some("https://app.example/shop/auth/oauth2/login"));

    let answer = sign_in.login(&request("/auth/oauth2/login?return_to=/shop/cart", "")).await;
    let location = answer.result.unwrap().headers()["location"].to_str().unwrap().to_owned();
    let callback = emulator.browse(&location, Consent::Deny).await.unwrap().into_url();
    let query = callback.split_once('?').unwrap().1;
    let cookie = cookie_of(answer.headers);
    let answer =
        sign_in.callback(&request(&format!("/auth/oauth2/callback?{query}"), &cookie), String::new()).await;
    let retry = answer.result.unwrap_err().retry().unwrap().to_owned();
    assert_eq!(retry, "https://app.example/shop/auth/oauth2/login?return_to=%2Fshop%2Fcart");
}
