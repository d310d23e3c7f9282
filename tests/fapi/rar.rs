//! Rich authorization requests (RFC 9396), by the ids of the conformance list.

use oauth_clients::{ErrorClass, LoginOptions, OAuth2Token, Provider};
use oauth_fapi::{
    AuthorizationDetail, AuthorizationDetails, DetailsComparison, GrantedDetails, PushedRequests,
    SignedRequests, TypeComparison,
};
use serde_json::{Value, json};

use super::{es256, par_op, par_op_answering, pushed, value};
use crate::{
    openid::op::{Op, REDIRECT_URI},
    support::query_of,
};

fn payment() -> AuthorizationDetail {
    AuthorizationDetail::new("payment_initiation")
        .locations(["https://bank.example/payments"])
        .actions(["initiate", "status"])
        .set("instructedAmount", json!({"currency": "EUR", "amount": "123.50"}))
        .set("type", "another")
}

fn details() -> AuthorizationDetails {
    [payment(), AuthorizationDetail::new("account_information").identifier("42")].into_iter().collect()
}

fn asked() -> Value {
    json!([
        {"type": "payment_initiation", "locations": ["https://bank.example/payments"], "actions": ["initiate", "status"],
         "instructedAmount": {"currency": "EUR", "amount": "123.50"}},
        {"type": "account_information", "identifier": "42"},
    ])
}

fn token(details: Value) -> OAuth2Token {
    serde_json::from_value(json!({"access_token": "AT", "authorization_details": details})).unwrap()
}

#[tokio::test]
async fn ra_01_details_are_a_list_of_objects_with_a_type() {
    let op = par_op();
    let client = op.client().with_participant(PushedRequests::new());
    client.start_login(REDIRECT_URI, LoginOptions::new().authorization_details(&details())).await.unwrap();
    let sent = value(&pushed(&op)[0].form(), "authorization_details").unwrap();
    assert_eq!(serde_json::from_str::<Value>(&sent).unwrap(), asked());
    for bad in [
        json!({"type": "x"}),
        json!([]),
        json!(["x"]),
        json!([{}]),
        json!([{"type": 1}]),
        json!(null),
        json!("x"),
    ] {
        let options = LoginOptions::new().authorization_details(&bad);
        let error = client.start_login(REDIRECT_URI, options).await.unwrap_err();
        assert!(error.to_string().contains("authorization_details"), "{bad}: {error}");
        if bad != json!([]) {
            assert!(AuthorizationDetails::read(&bad).is_err(), "{bad}");
        }
    }
    assert_eq!(pushed(&op).len(), 1);
}

#[tokio::test]
async fn ra_02_types_that_the_provider_does_not_know_are_not_sent() {
    let op = par_op();
    let client = op.client().with_participant(PushedRequests::new());
    let login = || client.start_login(REDIRECT_URI, LoginOptions::new().authorization_details(&asked()));
    op.bend(|state| state.metadata["authorization_details_types_supported"] = json!(["account_information"]));
    let error = login().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.to_string().contains("payment_initiation"), "{error}");
    assert_eq!(pushed(&op).len(), 0);
    let known = json!(["account_information", "payment_initiation"]);
    let op = par_op();
    op.bend(|state| state.metadata["authorization_details_types_supported"] = known);
    let client = op.client().with_participant(PushedRequests::new());
    client.start_login(REDIRECT_URI, LoginOptions::new().authorization_details(&asked())).await.unwrap();
    // What the server says of them is told apart: at the push, at the callback, at the token endpoint.
    let op = par_op_answering(400, json!({"error": "invalid_authorization_details"}).to_string());
    let client = op.client().with_participant(PushedRequests::new());
    let error = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    let op = Op::new();
    let attempt = op.start(&op.client(), LoginOptions::new()).await.attempt;
    let callback = op.callback(&attempt, &[("code", ""), ("error", "invalid_authorization_details")]);
    let error = op.client().finish_login(attempt, callback).await.unwrap_err();
    assert_eq!((error.class(), error.oauth_error().is_some()), (ErrorClass::Configuration, true));
    op.bend(|state| {
        state.answer(crate::openid::op::Endpoint::Token, |_| {
            let body = json!({"error": "invalid_authorization_details"}).to_string();
            Some(crate::support::reply(400, "application/json", body))
        });
    });
    let error = op.login(&op.client(), LoginOptions::new()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
}

#[tokio::test]
async fn ra_03_what_was_granted_is_what_the_token_reply_says() {
    let granted =
        json!([{"type": "payment_initiation", "debtorAccount": {"iban": "DE1"}, "actions": ["status"]}]);
    let op = par_op();
    op.bend(|state| state.token_reply = json!({"authorization_details": granted}));
    let client = op.client().with_participant(PushedRequests::new());
    let attempt = client
        .start_login(REDIRECT_URI, LoginOptions::new().authorization_details(&details()))
        .await
        .unwrap()
        .attempt;
    // As in a session.
    let attempt = serde_json::from_str(&serde_json::to_string(&attempt).unwrap()).unwrap();
    op.state().nonce = value(&pushed(&op)[0].form(), "nonce");
    let callback = op.callback(&attempt, &[]);
    let login = client.finish_login(attempt, callback).await.unwrap();
    assert_eq!(login.requested_details, asked());
    let GrantedDetails::Stated(stated) = AuthorizationDetails::granted(&login.token).unwrap() else {
        panic!()
    };
    assert_eq!(serde_json::to_value(&stated).unwrap(), granted);
    let first = stated.iter().next().unwrap();
    assert_eq!(
        (first.kind(), first.get("debtorAccount")),
        ("payment_initiation", Some(&json!({"iban": "DE1"})))
    );
    // Accounts and amounts are in no log.
    assert!(!format!("{login:?} {stated:?}").contains("DE1"));
    for bad in [json!("x"), json!({"type": "x"}), json!([1]), json!([{}]), json!(true)] {
        assert!(AuthorizationDetails::granted(&token(bad.clone())).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn ra_04_a_refresh_may_ask_for_less() {
    let op = Op::new();
    let client = op.client();
    let login = op.login(&client, LoginOptions::new()).await.unwrap();
    let less: AuthorizationDetails = [payment()].into_iter().collect();
    client.refresh_with(&login.token, None, &[("authorization_details", &less.to_json())]).await.unwrap();
    let sent = value(&op.last_request().form(), "authorization_details").unwrap();
    assert_eq!(serde_json::from_str::<Value>(&sent).unwrap(), json!([asked()[0]]));
}

#[tokio::test]
async fn ra_05_asked_and_granted_are_compared_by_the_callers_own_function() {
    let asked = details();
    let comparison = || {
        DetailsComparison::new().of_type("payment_initiation", |asked, granted| {
            asked.iter().all(|one| {
                granted.iter().any(|other| one.get("instructedAmount") == other.get("instructedAmount"))
            })
        })
    };
    let granted = |details: Value| AuthorizationDetails::granted(&token(details)).unwrap();
    // More members, in another order.
    let more = r#"[{"instructedAmount": {"amount": "123.50", "currency": "EUR"}, "x": 1, "type": "payment_initiation"}]"#;
    let result = comparison().compare(&asked, &granted(serde_json::from_str(more).unwrap()));
    assert_eq!(result.get("payment_initiation"), Some(&TypeComparison::Enough));
    assert_eq!(result.get("account_information"), Some(&TypeComparison::NotCompared));
    let less =
        json!([{"type": "payment_initiation", "instructedAmount": {"currency": "EUR", "amount": "1.00"}}]);
    let result = comparison().compare(&asked, &granted(less));
    assert_eq!(result.get("payment_initiation"), Some(&TypeComparison::Different));
    let result = comparison().compare(&asked, &granted(json!([{"type": "surprise"}])));
    assert_eq!(result.len(), 3);
}

#[tokio::test]
async fn ra_06_details_that_are_not_returned_are_not_stated() {
    let granted = AuthorizationDetails::granted(&token(json!(null))).unwrap();
    assert_eq!(granted, GrantedDetails::NotStated);
    let result =
        DetailsComparison::new().of_type("payment_initiation", |_, _| true).compare(&details(), &granted);
    assert!(result.values().all(|one| *one == TypeComparison::NotStated) && result.len() == 2);
    assert_eq!(AuthorizationDetails::granted(&OAuth2Token::new("AT")).unwrap(), GrantedDetails::NotStated);
}

#[tokio::test]
async fn ra_07_details_are_in_no_plain_url_unless_it_is_said() {
    let op = Op::new();
    let options = || LoginOptions::new().authorization_details(&details());
    for plain in [op.client(), op.client().with_participant(PushedRequests::new())] {
        let error = plain.start_login(REDIRECT_URI, options()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.to_string().contains("plain URL"), "{error}");
        let url = plain
            .start_login(REDIRECT_URI, options().authorization_details_in_plain_urls())
            .await
            .unwrap()
            .url;
        assert!(value(&query_of(&url), "authorization_details").is_some());
    }
    let signed = op.client().with_participant(SignedRequests::new(es256()));
    let url = signed.start_login(REDIRECT_URI, options()).await.unwrap().url;
    assert!(
        value(&query_of(&url), "authorization_details").is_none()
            && value(&query_of(&url), "request").is_some()
    );
}

#[tokio::test]
async fn ra_08_scope_and_resources_stand_beside_details() {
    let op = par_op();
    let client = op.client().with_participant(PushedRequests::new());
    let options = LoginOptions::new()
        .scopes(["openid", "payments"])
        .resources(["https://bank.example"])
        .authorization_details(&details());
    client.start_login(REDIRECT_URI, options).await.unwrap();
    let form = pushed(&op)[0].form();
    assert_eq!(value(&form, "scope").as_deref(), Some("openid payments"));
    assert_eq!(value(&form, "resource").as_deref(), Some("https://bank.example"));
    assert!(value(&form, "authorization_details").is_some());
}
