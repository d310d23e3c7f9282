//! Logouts that the application begins, and what the server tells it of them.

use oauth_core::LoginOptions;
use oauth_openid::{IdToken, LogoutRequest, LogoutToken, OpenIDProvider};

use crate::{
    browser::Arrival,
    server::{SECRET, SIGNED_OUT, World, login, next},
};

#[tokio::test]
#[ignore = "needs Keycloak: cargo xtask nightly"]
async fn a_logout_comes_back_and_is_told_by_the_back_channel() {
    let world = World::get();
    let client = world.client("web", SECRET);
    let browser = world.browser();
    let login = login(&client, &browser, LoginOptions::new()).await.unwrap();
    let id_token = IdToken::of(&login).unwrap();
    let request = LogoutRequest::new().id_token_hint(id_token.raw()).return_to(SIGNED_OUT);
    let started = client.start_logout(request).await.unwrap();
    let Arrival::Redirect(url) = browser.go(&started.url, Some(SIGNED_OUT)).await.unwrap() else {
        panic!("the browser comes back")
    };
    started.attempt.check_return(url.split_once('?').unwrap().1).unwrap();

    let (headers, body) = next(&world.calls.logouts).await;
    let media_type = headers.get("content-type").map(|value| value.to_str().unwrap());
    let token = LogoutToken::of_request(media_type, std::str::from_utf8(&body).unwrap()).unwrap();
    let token = client.verify_logout_token(token.expose()).await.unwrap();
    assert!(token.ends(&world.issuer, id_token.subject(), id_token.session_id()));
}
