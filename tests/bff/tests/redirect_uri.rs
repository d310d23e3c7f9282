//! A redirect URI that is registered elsewhere than at the route.

use http::Request;
use oauth_emulator::{Consent, Emulator};
use oauth_web::{SetupError, SignIn, SignInErrorKind, SignInRequest};

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
