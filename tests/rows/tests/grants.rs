//! Grants: token exchange, the device grant, assertions, no password grant, refresh with rotation.

use std::{fs, path::Path, sync::Arc, time::Duration};

use oauth_core::{ErrorClass, LoginOptions, OAuth2, Provider};
use oauth_fapi::{Dpop, DpopProvider, PrivateKeyJwt, Profile, SigningKey, TokenExchange, TokenType};
use oauth_openid::Algorithm;
use oauth_tokens::{AccessTokenRequest, TokenExchangeSource, TokenKey};
use serde_json::json;

use crate::server::{ISSUER, Server, claims, reply, tokens, wants_nonce};

fn exchanging(server: &Server) -> OAuth2 {
    let issued =
        json!({"issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "id_token": null});
    server.bend(|state| state.token_reply = issued);
    OAuth2::new("id", "secret", format!("{ISSUER}/auth"), format!("{ISSUER}/token"))
        .with_http_client(server.clone())
}

#[tokio::test]
async fn tx_06_what_is_asked_for_takes_the_place_of_the_targets_of_the_source() {
    let server = Server::new();
    let subject = |_: &TokenKey| Ok(TokenExchange::new("SUBJECT", TokenType::AccessToken));
    let source = TokenExchangeSource::new(exchanging(&server), subject).with_exchange(|exchange| {
        exchange
            .with_audience("orders")
            .with_resource("https://orders.example")
            .with_scopes(["orders.read"])
            .with_parameter("authorization_details", r#"[{"type":"orders"}]"#)
    });
    let manager = tokens().source(source).build().unwrap();
    let key = TokenKey::new("oauth2", "ada");
    manager.get(&key).await.unwrap();
    let stock = AccessTokenRequest::new()
        .with_resource("https://stock.example")
        .with_authorization_details(&json!([{"type": "stock"}]));
    manager.get_for(&key, &stock).await.unwrap();
    manager.get_for(&key, &AccessTokenRequest::new().with_audience("mail")).await.unwrap();
    manager.get_for(&key, &AccessTokenRequest::new().with_scopes(["orders.write"])).await.unwrap();

    let sent = server.requests("/token");
    let of = |index: usize, name: &str| sent[index].fields(name).join(" ");
    let targets: Vec<_> =
        (0..4).map(|index| (of(index, "resource"), of(index, "audience"), of(index, "scope"))).collect();
    let expected = [
        ("https://orders.example", "orders", "orders.read"),
        ("https://stock.example", "", "orders.read"),
        ("", "mail", "orders.read"),
        ("https://orders.example", "orders", "orders.write"),
    ];
    assert_eq!(targets, expected.map(|(one, two, three)| (one.to_owned(), two.to_owned(), three.to_owned())));
    assert_eq!(sent[1].fields("authorization_details"), [r#"[{"type":"stock"}]"#]);
}

#[tokio::test]
async fn tx_06_a_dead_grant_that_is_exchanged_takes_its_user() {
    let server = Server::new();
    // Nobody has signed in, or the grant is dead: both are for the user to mend.
    let users = tokens().provider(Arc::new(server.client("secret"))).build().unwrap();
    let source = TokenExchangeSource::of_tokens(exchanging(&server), users, |key| {
        TokenKey::new("openid", key.subject())
    });
    let manager = tokens().source(source).build().unwrap();
    let error = manager.get(&TokenKey::new("oauth2", "ada")).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Reauthorize, "{error}");
    assert!(error.to_string().contains("sign in first"), "{error}");
    assert!(server.requests("/token").is_empty());
}

#[tokio::test]
async fn dv_09_a_nonce_while_polling_is_answered_at_once_and_changes_no_interval() {
    let server = Server::new();
    let client = server.client("secret").with_dpop(Dpop::generate().unwrap());
    let mut asked = 0;
    server.answer(move |sent| {
        if !sent.url.ends_with("/token") {
            return None;
        }
        asked += 1;
        // Each poll is asked for another nonce first.
        match asked {
            1 | 3 | 5 => Some(wants_nonce(&format!("nonce-{asked}"))),
            2 | 4 => Some(reply(400, &json!({"error": "authorization_pending"}))),
            _ => None,
        }
    });
    let naps = server.naps();
    let (clock, timer) = (server.clock.clone(), naps.clone());
    let login = client.start_device_login(LoginOptions::new()).await.unwrap();
    let login = login.with_polling(|polling| polling.with_clock(Arc::new(clock)).with_timer(timer));
    let login = client.finish_device_login(login).await.unwrap();
    assert_eq!(login.token.token_type(), Some("DPoP"));
    assert_eq!(naps.all(), [5, 5, 5]);
    let polls = server.requests("/token");
    let proofs: Vec<_> = polls.iter().map(|sent| claims(sent.header("dpop").unwrap())).collect();
    let nonces: Vec<_> = proofs.iter().map(|claims| claims["nonce"].as_str().unwrap_or_default()).collect();
    assert_eq!(nonces, ["", "nonce-1", "nonce-1", "nonce-3", "nonce-3", "nonce-5"]);
    assert!(proofs.windows(2).all(|pair| pair[0]["jti"] != pair[1]["jti"]));
}

#[tokio::test]
async fn tk_23_an_assertion_takes_the_place_of_the_secret() {
    let server = Server::new();
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let client = server.client(PrivateKeyJwt::new(key));
    let login = server.login(&client).await.unwrap();
    client.refresh(&login.token, None).await.unwrap();
    let sent = server.requests("/token");
    assert_eq!(sent.len(), 2);
    for sent in sent {
        assert_eq!(sent.fields("client_assertion").len(), 1);
        assert_eq!((sent.field("client_secret"), sent.header("authorization")), (None, None));
    }
}

#[tokio::test]
async fn rt_08_refresh_tokens_that_rotate_are_taken_under_fapi_too() {
    let server = Server::new();
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let client = server.client(PrivateKeyJwt::new(key)).with_dpop(Dpop::generate().unwrap());
    let client = Profile::Fapi2Security.apply(client).unwrap();
    let login = server.login(&client).await.unwrap();
    let manager = server.tokens().provider(Arc::new(client)).build().unwrap();
    let key = TokenKey::new("openid", "ada");
    manager.put(&key, &login.token).await.unwrap();
    for number in 1..=4 {
        server.bend(|state| state.token_reply = json!({"refresh_token": format!("RT-{number}")}));
        server.clock.advance(Duration::from_secs(400));
        manager.get(&key).await.unwrap();
    }
    let refreshes = server.requests("/token");
    let sent: Vec<_> = refreshes.iter().filter_map(|sent| sent.field("refresh_token")).collect();
    assert_eq!(sent, ["RT", "RT-1", "RT-2", "RT-3"]);
}

/// The password grant is not offered (RFC 9700 section 2.4), by no crate and under no name.
#[test]
fn az_12_nothing_sends_the_password_grant() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates");
    let mut folders = vec![crates];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            // The emulator's tests send what a client must not.
            if entry.is_dir() {
                folders.extend(Some(entry).filter(|entry| !entry.ends_with("oauth-emulator")));
                continue;
            }
            if entry.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            files += 1;
            let text: String = fs::read_to_string(&entry).unwrap().split_whitespace().collect();
            for sent in [r#""grant_type","password""#, "grant_type=password", r#"GRANT_TYPE:&str="password""#]
            {
                assert!(!text.contains(sent), "{}", entry.display());
            }
        }
    }
    assert!(files > 200, "the crates are elsewhere: {files}");
}
