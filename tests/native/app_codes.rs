//! Codes that an application obtained by its provider's own kit.

use oauth_clients::{AppCode, CodeVerifier, ErrorKind, JwtCheck, Provider};
use oauth_demo::client;
use oauth_emulator::{Consent, Emulator};

use super::program::client as scripted;
use crate::support::query_of;

#[tokio::test]
async fn a_code_is_exchanged_without_a_redirect_uri_or_with_the_one_of_a_popup() {
    let (client, http) = scripted(2);
    client.finish_app_login(AppCode::new("C")).await.unwrap();
    client.finish_app_login(AppCode::new("C").redirect_uri("postmessage")).await.unwrap();
    let redirect_uris: Vec<_> = http
        .requests()
        .iter()
        .map(|sent| sent.form().into_iter().find(|(name, _)| name == "redirect_uri").map(|(_, value)| value))
        .collect();
    assert_eq!(redirect_uris, [None, Some("postmessage".to_owned())]);
    for sent in http.requests() {
        assert!(!sent.form().iter().any(|(name, _)| name == "code_verifier"), "nobody made a challenge");
    }
    let shown = format!("{:?}", AppCode::new("CODE").nonce("NONCE"));
    assert!(!shown.contains("CODE\"") && !shown.contains("NONCE"), "{shown}");
}

#[tokio::test]
async fn the_id_token_of_an_apps_code_must_bring_the_nonce() {
    let emulator = Emulator::start().await.unwrap();
    let google = client(&emulator, "google").await.unwrap();
    // What a kit does.
    let started =
        google.start_login("https://app.example/cb", oauth_clients::LoginOptions::new()).await.unwrap();
    let nonce = started.attempt.nonce().unwrap().to_owned();
    let verifier = CodeVerifier::new(started.attempt.code_verifier().unwrap().expose()).unwrap();
    for (expected, is_fine) in [(&*nonce, true), ("another", false)] {
        let arrival = emulator.browse(&started.url, Consent::Allow).await.unwrap().into_url();
        let code = query_of(&arrival).into_iter().find(|(name, _)| name == "code").unwrap().1;
        let app = AppCode::new(code).redirect_uri("https://app.example/cb").code_verifier(verifier.clone());
        let outcome = google.finish_app_login(app.nonce(expected)).await;
        match outcome {
            Ok(login) => assert!(is_fine && login.token.id_token().is_some()),
            Err(error) => {
                assert!(!is_fine, "{error:?}");
                assert_eq!(error.jwt_check(), Some(JwtCheck::Nonce));
                assert!(matches!(error.kind(), ErrorKind::Jwt(_)));
            }
        }
    }
}
