use oauth_clients::{ErrorClass, Provider, gitea::GiteaOAuth2, openid::IdToken};
use oauth_emulator::{Consent, Emulator};
use serde_json::json;

use crate::support::Script;

#[tokio::test]
async fn gitea_knows_an_installation_with_and_without_a_slash() {
    let codeberg = GiteaOAuth2::new("id", "s").with_base_url("https://codeberg.org/").unwrap();
    assert_eq!(codeberg.oauth2().endpoints().token(), "https://codeberg.org/login/oauth/access_token");
    assert!(GiteaOAuth2::new("id", "s").with_base_url("http://codeberg.org").is_err());
    // The emulator's ID tokens have the slash, as Forgejo's do.
    let emulator = Emulator::start().await.unwrap();
    let gitea = oauth_demo::client(&emulator, "gitea").await.unwrap();
    let started = gitea.start_login("https://app.example/cb", Default::default()).await.unwrap();
    let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
    let login = gitea.finish_login(started.attempt, callback).await.unwrap();
    let id_token = IdToken::of(&login).unwrap();
    assert_eq!(
        (id_token.issuer(), &*id_token.identity().issuer),
        ("https://gitea.com/", "https://gitea.com")
    );
    let identity = gitea.get_identity(&login.token).await.unwrap();
    assert_eq!(identity.issuer, "https://gitea.com");
    // Nobody vouches for the address: the claim is about the account.
    assert!(!identity.email.unwrap().is_verified());
}

#[tokio::test]
async fn gitea_says_of_a_dead_grant_that_the_client_is_not_authorized() {
    let client = |text: &str| {
        let body = json!({"error": "unauthorized_client", "error_description": text});
        GiteaOAuth2::new("id", "s").with_http_client(Script::json(400, &body))
    };
    for (text, class) in [
        ("unable to parse refresh token", ErrorClass::Reauthorize),
        ("token was already used", ErrorClass::Reauthorize),
        ("invalid client secret", ErrorClass::Configuration),
    ] {
        assert_eq!(client(text).refresh_token("RT", None).await.unwrap_err().class(), class, "{text}");
    }
    for (text, class) in [
        ("client is not authorized", ErrorClass::Reauthorize),
        ("failed PKCE code challenge", ErrorClass::Reauthorize),
        ("invalid empty client secret", ErrorClass::Configuration),
        ("unexpected redirect URI", ErrorClass::Configuration),
    ] {
        let outcome = client(text).get_access_token("c", "https://app.example/cb", None, &[]).await;
        assert_eq!(outcome.unwrap_err().class(), class, "{text}");
    }
}
