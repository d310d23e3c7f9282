use oauth_clients::{LoginOptions, Provider, telegram::TelegramOAuth2};
use oauth_emulator::{App, Consent, Emulator, SigningAlg};

/// The bot's settings choose the algorithm, and the client need not know.
#[tokio::test]
async fn telegram_signs_with_either_algorithm() {
    for alg in [SigningAlg::RS256, SigningAlg::ES256] {
        let app = App::default_of("telegram").with_id_token_signed_response_alg(alg);
        let (id, secret) = (app.client_id.clone(), app.client_secret.clone().unwrap());
        let emulator = Emulator::builder().app("telegram", app).start().await.unwrap();
        let telegram = TelegramOAuth2::new(id, secret).with_http_client(emulator.http_client().unwrap());
        let started = telegram.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
        let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
        let login = telegram.finish_login(started.attempt, callback).await.unwrap();
        let identity = telegram.get_identity(&login.token).await.unwrap();
        assert_eq!((&*identity.issuer, identity.email), ("https://oauth.telegram.org", None));
        let sent = emulator.requests();
        let exchange = sent.iter().find(|sent| sent.field("grant_type").is_some()).unwrap();
        assert_eq!(exchange.field("client_secret"), None);
        assert!(exchange.headers["authorization"].to_str().unwrap().starts_with("Basic "));
    }
}
