//! A key for each grant, and keys that are lost.

use oauth_clients::{
    Callback, ErrorClass, Login, LoginAttempt, LoginOptions, OAuth2, OAuth2Token, Provider, Sealer,
    SealingKey,
};
use oauth_fapi::{Dpop, DpopProvider, SealedDpopKeys};

use super::server::{Nonces, Server};
use crate::support::query_of;

const CALLBACK: &str = "https://app.example/cb";

pub(super) fn sealer() -> Sealer {
    Sealer::new(SealingKey::from_base64("5RqPqvrbSrF4AsdeKiDfTmdKtF6HNrXAcGhIKqQZXxM=").unwrap())
}

/// A process with a key for each grant, that begins without any.
pub(super) fn process(server: &Server, secret: &str) -> OAuth2 {
    server.client(secret).with_dpop(Dpop::new(SealedDpopKeys::new(sealer())))
}

/// Signs in, with the callback coming to another process than the one that the login began at.
pub(super) async fn login(server: &Server, code: &str) -> Login {
    let started = process(server, "").start_login(CALLBACK, LoginOptions::new()).await.unwrap();
    let jkt = query_of(&started.url).into_iter().find(|(name, _)| name == "dpop_jkt").unwrap().1;
    server.bind_code(code, &jkt);
    let cookie = sealer().seal(&started.attempt).unwrap();
    let attempt = sealer().open(&cookie, "oauth2", CALLBACK).unwrap();
    let callback = Callback::from_query(&format!("code={code}&state={}", attempt.state()));
    process(server, "").finish_login(attempt, callback).await.unwrap()
}

fn through_a_store(token: &OAuth2Token) -> OAuth2Token {
    serde_json::from_str(&serde_json::to_string(token).unwrap()).unwrap()
}

#[tokio::test]
async fn dp_17_each_grant_has_a_key_that_every_process_finds() {
    let server = Server::with(|switches| switches.nonces = Nonces::Rotating).await;
    let (one, other) = (login(&server, "C1").await.token, login(&server, "C2").await.token);
    assert_ne!(one.confirmation().unwrap()["jkt"], other.confirmation().unwrap()["jkt"]);
    let mut one = through_a_store(&one);
    for _ in 0..2 {
        let client = process(&server, "");
        client.get_profile_of(&one).await.unwrap();
        one = through_a_store(&client.refresh(&one, None).await.unwrap());
    }
    // One process serves both at the same time.
    let client = process(&server, "");
    let (a, b) = tokio::join!(client.refresh(&one, None), client.refresh(&other, None));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!(a.confirmation().unwrap()["jkt"], one.confirmation().unwrap()["jkt"]);
    let (a, b) = tokio::join!(client.get_profile_of(&a), client.get_profile_of(&b));
    a.unwrap();
    b.unwrap();
}

#[tokio::test]
async fn dp_17_the_private_key_travels_sealed() {
    let server = Server::start().await;
    let token = login(&server, "C").await.token;
    let cnf = token.confirmation().unwrap().clone();
    // What is sealed for one key opens in no other's place, and with no other sealer.
    let forged = cnf.as_object().cloned().map(|mut cnf| {
        cnf.insert("jkt".to_owned(), "another".into());
        token.clone().with_confirmation(cnf)
    });
    let stranger =
        Sealer::new(SealingKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap());
    let strangers = server.client("").with_dpop(Dpop::new(SealedDpopKeys::new(stranger)));
    server.seen();
    for (client, token) in [(process(&server, ""), forged.unwrap()), (strangers, token)] {
        for error in [
            client.refresh(&token, None).await.map(drop).unwrap_err(),
            client.get_profile_of(&token).await.map(drop).unwrap_err(),
        ] {
            assert_eq!(error.class(), ErrorClass::Reauthorize, "{error}");
            assert!(error.to_string().contains("sign in again"), "{error}");
        }
    }
    assert!(server.seen().is_empty(), "a lost key is not an endless 401");
}

#[tokio::test]
async fn dp_17_the_text_of_a_token_does_not_tell_its_key() {
    let server = Server::start().await;
    let token = login(&server, "C").await.token;
    server.seen();
    let client = process(&server, "");
    let errors = [
        client.refresh_token(token.refresh_token().unwrap(), None).await.map(drop).unwrap_err(),
        client.get_profile(token.access_token()).await.map(drop).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.to_string().contains("the whole token"), "{error}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn dp_17_an_attempt_keeps_its_key_in_json_too() {
    let server = Server::start().await;
    let started = process(&server, "").start_login(CALLBACK, LoginOptions::new()).await.unwrap();
    let stored = serde_json::to_string(&started.attempt).unwrap();
    let attempt: LoginAttempt = serde_json::from_str(&stored).unwrap();
    assert_eq!(attempt.note("dpop"), started.attempt.note("dpop"));
    assert!(attempt.note("dpop").is_some());
}

/// A later login may keep the refresh token of an earlier one, which is bound to the earlier key.
#[tokio::test]
async fn dp_13_a_kept_refresh_token_stays_with_its_own_key() {
    let server = Server::start().await;
    let (earlier, later) = (login(&server, "C1").await.token, login(&server, "C2").await.token);
    let later = later.access_token_only().or_refresh_token_of(&earlier);
    let later = through_a_store(&later);
    assert_eq!(later.refresh_confirmation(), earlier.confirmation());
    assert_ne!(later.confirmation(), earlier.confirmation());
    let client = process(&server, "");
    client.get_profile_of(&later).await.unwrap();
    let next = client.refresh(&later, None).await.unwrap();
    assert_eq!(next.confirmation().unwrap()["jkt"], earlier.confirmation().unwrap()["jkt"]);
    assert_eq!(next.refresh_confirmation(), next.confirmation());
}

#[tokio::test]
async fn polls_of_one_device_code_are_proved_with_one_key() {
    let server = Server::with(|switches| switches.error = Some("authorization_pending")).await;
    let client = process(&server, "");
    let form = [("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", "D")];
    let poll =
        || client.request_token(oauth_clients::Operation::new("poll"), client.endpoints().token(), form);
    poll().await.unwrap_err();
    server.switch(|switches| switches.error = None);
    poll().await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].jkt, seen[1].jkt);
}
