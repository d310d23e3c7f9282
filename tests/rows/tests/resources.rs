//! APIs: their refusals, and the tokens that are for one of them.

use std::{sync::Arc, time::Duration};

use oauth_core::{
    ErrorClass, OAuth2Token, Provider,
    http::{HeaderMap, StatusCode},
};
use oauth_fapi::{ApiRefusal, Dpop, DpopProvider};
use oauth_tokens::{AccessTokenRequest, TokenKey};
use serde_json::json;

use crate::server::{Server, claims, reply};

#[test]
fn br_05_a_refusal_of_an_api_says_what_is_wanted() {
    let refusal = |status: StatusCode, challenge: &str| {
        let headers =
            HeaderMap::from_iter([("www-authenticate".parse().unwrap(), challenge.parse().unwrap())]);
        ApiRefusal::of(status, &headers)
    };
    let scopes = r#"Bearer error="insufficient_scope", scope="pay read""#;
    let Some(ApiRefusal::InsufficientScope(wanted)) = refusal(StatusCode::FORBIDDEN, scopes) else {
        panic!("insufficient_scope is told apart")
    };
    assert_eq!(wanted, ["pay", "read"]);
    for scheme in ["Bearer", "DPoP"] {
        let challenge = format!(
            r#"{scheme} error="insufficient_user_authentication", acr_values="mfa phr", max_age="60""#
        );
        let Some(ApiRefusal::InsufficientUserAuthentication(step_up)) =
            refusal(StatusCode::UNAUTHORIZED, &challenge)
        else {
            panic!("insufficient_user_authentication is told apart")
        };
        assert_eq!(
            (step_up.acr_values, step_up.max_age),
            (vec!["mfa".to_owned(), "phr".to_owned()], Some(60))
        );
    }
    let invalid = refusal(StatusCode::UNAUTHORIZED, r#"Bearer error="invalid_token""#).unwrap();
    assert_eq!((invalid.class(), &invalid), (ErrorClass::Reauthorize, &ApiRefusal::InvalidToken));
    assert_eq!(refusal(StatusCode::UNAUTHORIZED, r#"Basic realm="x""#), None);
}

#[tokio::test]
async fn ri_06_the_tokens_of_two_resources_are_never_each_others() {
    let server = Server::new();
    let mut number = 0;
    server.answer(move |sent| {
        let resource =
            sent.field("resource").filter(|_| sent.field("grant_type") == Some("refresh_token"))?;
        number += 1;
        let token = format!("{resource} {number}").replace(['/', ':', ' '], "-");
        Some(reply(
            200,
            &json!({"access_token": token, "token_type": "Bearer", "expires_in": 300,
                "refresh_token": format!("RT-{number}")}),
        ))
    });
    let client = server.client("secret");
    let login = server.login(&client).await.unwrap();
    let manager = server.tokens().provider(Arc::new(client)).build().unwrap();
    let key = TokenKey::new("openid", "ada");
    manager.put(&key, &login.token).await.unwrap();
    let (pay, mail) = ("https://pay.example", "https://mail.example");
    for round in 0..3 {
        for resource in [pay, mail, pay, mail] {
            let wanted = AccessTokenRequest::new().with_resource(resource);
            let token = manager.get_for(&key, &wanted).await.unwrap();
            let name = resource.replace(['/', ':'], "-");
            assert!(token.access_token().starts_with(&name), "round {round}: {resource}");
        }
        server.clock.advance(Duration::from_secs(400));
    }
    let refreshes = server.requests("/token");
    let asked: Vec<_> = refreshes.iter().flat_map(|sent| sent.fields("resource")).collect();
    // Each expired token is asked for anew by its own resource, and no other refresh is made.
    assert_eq!(asked, [pay, mail, pay, mail, pay, mail]);
    let spent: Vec<_> = refreshes.iter().filter_map(|sent| sent.field("refresh_token")).collect();
    assert_eq!(spent, ["RT", "RT-1", "RT-2", "RT-3", "RT-4", "RT-5"]);
}

#[tokio::test]
async fn dp_15_a_stored_token_that_says_dpop_is_not_sent_as_a_bearer_token() {
    let server = Server::new();
    let dpop = Dpop::generate().unwrap().allow_bearer_tokens();
    let client = server.client("secret").with_dpop(dpop);
    // Something else has stored it, and not to which key it is bound.
    let stored: OAuth2Token =
        serde_json::from_value(json!({"access_token": "AT", "token_type": "DPoP"})).unwrap();
    client.get_profile_of(&stored).await.unwrap();
    let sent = &server.requests("/me")[0];
    assert_eq!(sent.header("authorization"), Some("DPoP AT"));
    assert!(claims(sent.header("dpop").unwrap())["ath"].is_string());
    // And one that says nothing of it goes as it always did.
    let bearer: OAuth2Token =
        serde_json::from_value(json!({"access_token": "B", "token_type": "Bearer"})).unwrap();
    client.get_profile_of(&bearer).await.unwrap();
    let sent = &server.requests("/me")[1];
    assert_eq!((sent.header("authorization"), sent.header("dpop")), (Some("Bearer B"), None));
}
