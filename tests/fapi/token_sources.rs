//! Grants without a refresh token as sources of a token manager.

use std::{sync::Arc, time::Duration};

use oauth_clients::{ErrorClass, OAuth2, Operation, Provider, Sealer, SealingKey, openid::OpenID};
use oauth_fapi::{CibaRequest, JwtAssertion, TokenExchange, TokenType};
use oauth_tokens::{
    AccessTokenRequest, CibaSource, GrantSource, JwtBearer, MemoryStore, TokenExchangeSource, TokenKey,
    TokenManager, TokenSource,
};
use serde_json::{Value, json};

use super::{
    ciba::{acknowledged, provider},
    decoded, es256,
};
use crate::{
    openid::op::{Endpoint, Op, SetClock},
    support::{Script, reply},
};

fn manager(source: impl TokenSource + 'static) -> TokenManager {
    manager_by(source, Op::new().clock)
}

fn manager_by(source: impl TokenSource + 'static, clock: SetClock) -> TokenManager {
    let sealer = Sealer::new(SealingKey::from_bytes([7; 32]));
    TokenManager::builder(MemoryStore::new(), sealer).source(source).clock(clock).build().unwrap()
}

fn client(http: &Script) -> OAuth2 {
    OAuth2::new("id", "secret", "https://as.example/authorize", "https://as.example/token")
        .with_http_client(http.clone())
}

fn answers(all: &[Value]) -> Script {
    Script::new(all.iter().map(|body| reply(200, "application/json", body.to_string())))
}

fn field(sent: &crate::support::Sent, name: &str) -> Option<String> {
    sent.form().into_iter().find(|(other, _)| other == name).map(|(_, value)| value)
}

#[tokio::test]
async fn tx_06_an_assertion_is_signed_anew_for_each_token_and_a_life_is_assumed() {
    let token = |name: &str| json!({"access_token": name, "token_type": "Bearer"});
    let http = answers(&[token("A"), token("B"), token("C")]);
    let assertion = JwtAssertion::new(es256(), "client", "https://as.example");
    let source = JwtBearer::new(client(&http), assertion).with_lifetime(Duration::from_secs(600));
    let clock = Op::new().clock;
    let tokens = manager_by(source, clock.clone());
    let key = TokenKey::new("oauth2", "user-17");
    // Many who ask at the same time get one token.
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (tokens, key) = (tokens.clone(), key.clone());
        tasks.spawn(async move { tokens.get(&key).await.unwrap() });
    }
    for token in tasks.join_all().await {
        assert_eq!(token.access_token(), "A");
        let left = token.expires_at().unwrap() - time::OffsetDateTime::now_utc();
        assert!((590..=600).contains(&left.whole_seconds()), "{left}");
    }
    clock.advance(Duration::from_secs(700));
    assert_eq!(tokens.get(&key).await.unwrap().access_token(), "B");
    tokens.get(&TokenKey::new("oauth2", "user-18")).await.unwrap();
    let claims: Vec<Value> =
        http.requests().iter().map(|sent| decoded(&field(sent, "assertion").unwrap()).1).collect();
    let subjects: Vec<_> = claims.iter().map(|claims| claims["sub"].as_str().unwrap()).collect();
    assert_eq!(subjects, ["user-17", "user-17", "user-18"]);
    assert_ne!(claims[0]["jti"], claims[1]["jti"]);
}

#[tokio::test]
async fn tx_06_an_exchange_is_made_anew_for_each_key() {
    let token = |name: &str| {
        json!({"access_token": name, "token_type": "Bearer", "expires_in": 300,
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"})
    };
    let http = answers(&[token("A"), token("B")]);
    let source = TokenExchangeSource::new(client(&http), |key: &TokenKey| match key.subject() {
        "nobody" => Err("no such user".into()),
        subject => Ok(TokenExchange::new(format!("of {subject}"), TokenType::AccessToken)),
    });
    let tokens = manager(source.with_exchange(|exchange| exchange.with_audience("orders")));
    for (subject, expected) in [("ada", "A"), ("ben", "B"), ("ada", "A")] {
        assert_eq!(tokens.get(&TokenKey::new("oauth2", subject)).await.unwrap().access_token(), expected);
    }
    let sent = http.requests();
    assert_eq!(sent.len(), 2);
    assert_eq!(field(&sent[1], "subject_token").as_deref(), Some("of ben"));
    assert_eq!(field(&sent[1], "audience").as_deref(), Some("orders"));
    let error = tokens.get(&TokenKey::new("oauth2", "nobody")).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);

    // What is not an access token is served to nobody.
    let mut assertion = token("JAG");
    assertion["issued_token_type"] = "urn:ietf:params:oauth:token-type:id-jag".into();
    let http = answers(&[assertion]);
    let source = TokenExchangeSource::new(client(&http), |_: &TokenKey| {
        Ok(TokenExchange::new("ID", TokenType::IdToken))
    });
    assert!(manager(source).get(&TokenKey::new("oauth2", "ada")).await.is_err());
}

#[tokio::test]
async fn tx_06_the_tokens_of_another_manager_are_exchanged() {
    let first = answers(&[json!({"access_token": "USER-AT", "token_type": "Bearer", "expires_in": 300})]);
    let users = manager(GrantSource::new(client(&first), {
        let client = client(&first);
        move |_| {
            let client = client.clone();
            let form = [("grant_type", "vendor")];
            async move { client.request_token(Operation::new("vendor"), client.endpoints().token(), form).await }
        }
    }));
    let second = answers(&[json!({"access_token": "AT", "token_type": "Bearer", "expires_in": 300,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"})]);
    let source =
        TokenExchangeSource::of_tokens(client(&second), users, |key| TokenKey::new("oauth2", key.subject()));
    let token = manager(source).get(&TokenKey::new("oauth2", "ada")).await.unwrap();
    assert_eq!(token.access_token(), "AT");
    assert_eq!(field(&second.requests()[0], "subject_token").as_deref(), Some("USER-AT"));
}

#[tokio::test]
async fn tx_06_an_outage_where_the_token_to_exchange_comes_from_may_pass() {
    let down = Script::new([reply(503, "application/json", "{}".to_owned())]);
    let users = manager(GrantSource::new(client(&down), {
        let client = client(&down);
        move |_| {
            let client = client.clone();
            let form = [("grant_type", "vendor")];
            async move { client.request_token(Operation::new("vendor"), client.endpoints().token(), form).await }
        }
    }));
    let second = answers(&[]);
    let source =
        TokenExchangeSource::of_tokens(client(&second), users, |key| TokenKey::new("oauth2", key.subject()));
    let error = manager(source).get(&TokenKey::new("oauth2", "ada")).await.unwrap_err();
    assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{error}");
    assert!(second.requests().is_empty());
}

#[tokio::test]
async fn ra_04_an_exchange_asks_for_the_authorization_details_that_are_wanted() {
    let http = answers(&[json!({"access_token": "AT", "token_type": "Bearer", "expires_in": 300,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"})]);
    let source = TokenExchangeSource::new(client(&http), |_: &TokenKey| {
        Ok(TokenExchange::new("SUBJECT", TokenType::AccessToken))
    });
    let wanted = AccessTokenRequest::new()
        .with_resource("https://pay.example")
        .with_authorization_details(&json!([{"type": "payment"}]));
    manager(source).get_for(&TokenKey::new("oauth2", "ada"), &wanted).await.unwrap();
    let sent = &http.requests()[0];
    assert_eq!(field(sent, "authorization_details").as_deref(), Some(r#"[{"type":"payment"}]"#));
    assert_eq!(field(sent, "resource").as_deref(), Some("https://pay.example"));
}

#[tokio::test]
async fn ci_03_a_source_has_the_user_asked_and_then_refreshes() {
    let mut quick = acknowledged();
    quick["interval"] = 1.into();
    let op: Op = provider(quick);
    let bank: OpenID = op.client();
    let source =
        CibaSource::new(Arc::new(bank), |key: &TokenKey| Ok(CibaRequest::for_login_hint(key.subject())));
    let tokens = manager_by(source, op.clock.clone());
    let key = TokenKey::new("openid", "jane@example.com");
    tokens.get(&key).await.unwrap();
    let asked = |op: &Op| op.count(Endpoint::Other);
    assert_eq!(asked(&op), 1);
    op.clock.advance(Duration::from_secs(400));
    tokens.get(&key).await.unwrap();
    assert_eq!(asked(&op), 1, "there is a refresh token");
    let last = op.last_request();
    assert_eq!(field(&last, "grant_type").as_deref(), Some("refresh_token"));
    // When it is dead, the user is asked anew.
    let mut first = true;
    op.bend(|state| {
        state.answer(Endpoint::Token, move |_| {
            let dead = std::mem::take(&mut first);
            dead.then(|| reply(400, "application/json", r#"{"error":"invalid_grant"}"#))
        });
    });
    op.clock.advance(Duration::from_secs(400));
    tokens.get(&key).await.unwrap();
    assert_eq!(asked(&op), 2);
    assert_eq!(op.client().name(), "openid");
}
