use oauth_clients::{Provider, gitea::GiteaOAuth2, openid::IdToken};
use oauth_emulator::{Consent, Emulator};

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
