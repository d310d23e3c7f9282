use oauth_clients::Provider;
use oauth_emulator::{Consent, Emulator, User};

use super::{url, value};

#[tokio::test]
async fn eveonline_names_the_character_in_the_access_token() {
    let emulator = Emulator::start().await.unwrap();
    let eve = oauth_demo::client(&emulator, "eveonline").await.unwrap();
    let started = eve.start_login("https://app.example/cb", Default::default()).await.unwrap();
    assert!(!started.url.contains("code_challenge"));
    let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
    let token = eve.finish_login(started.attempt, callback).await.unwrap().token;
    let identity = eve.get_identity(&token).await.unwrap();
    let id = User::default().id;
    assert_eq!((&*identity.subject, &*identity.issuer), (&*id, "https://login.eveonline.com"));
    let picture = format!("https://images.evetech.net/characters/{id}/portrait");
    assert_eq!(identity.picture, Some(picture));
    assert!(identity.profile["owner"].is_string());

    // Nobody else's signature counts, and no other application's token.
    let (rest, _signature) = token.access_token().rsplit_once('.').unwrap();
    eve.get_profile(&format!("{rest}.AAAA")).await.unwrap_err();
    let other = oauth_clients::eveonline::EVEOnlineOAuth2::new("another", "s");
    assert_eq!(value(&url(&other).await, "scope"), Some("publicData"));
    let other = other.with_http_client(emulator.http_client().unwrap());
    other.get_profile(token.access_token()).await.unwrap_err();
}
