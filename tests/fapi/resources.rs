//! Resource indicators (RFC 8707), by the ids of the conformance list.

use oauth_clients::{AuthorizationRequest, ErrorClass, LoginOptions, Provider};
use oauth_fapi::PushedRequests;
use serde_json::json;

use super::{par_op, pushed};
use crate::{
    openid::op::{Endpoint, Op, REDIRECT_URI},
    support::{query_of, reply},
};

const A: &str = "https://a.example/api";
const B: &str = "urn:example:b";

fn resources(pairs: &[(String, String)]) -> Vec<&str> {
    pairs.iter().filter(|(name, _)| name == "resource").map(|(_, value)| &**value).collect()
}

#[tokio::test]
async fn ri_01_a_resource_is_an_absolute_uri_without_a_fragment() {
    let op = Op::new();
    let client = op.client();
    let login = op.login(&client, LoginOptions::new()).await.unwrap();
    let before = op.requests().len();
    for bad in
        ["/x", "x", "", "https://rs.example#f", "https://rs.example/#", "//rs.example/x", "rs.example/x"]
    {
        let options = LoginOptions::new().resources([A, bad]);
        let error = client.start_login(REDIRECT_URI, options).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{bad}");
        let by_hand = AuthorizationRequest::new(REDIRECT_URI).extras_params(&json!({"resource": [bad]}));
        assert!(client.get_authorization_url(by_hand).await.is_err(), "{bad}");
        if !bad.is_empty() {
            let error = client.refresh_with(&login.token, None, &[("resource", bad)]).await.unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration, "{bad}");
        }
    }
    assert_eq!(op.requests().len(), before);
}

#[tokio::test]
async fn ri_02_several_resources_are_asked_for_and_a_token_is_for_one() {
    let op = Op::new();
    let client = op.client();
    let options = || LoginOptions::new().resources([A, B]);
    let url = client.start_login(REDIRECT_URI, options()).await.unwrap().url;
    assert_eq!(resources(&query_of(&url)), [A, B]);
    let op_par = par_op();
    let pushing = op_par.client().with_participant(PushedRequests::new());
    pushing.start_login(REDIRECT_URI, options()).await.unwrap();
    assert_eq!(resources(&pushed(&op_par)[0].form()), [A, B]);

    for (options, named) in [
        (LoginOptions::new(), &[][..]),
        (options(), &[]),
        (options().token_resource(B), &[B]),
        (LoginOptions::new().resources([A]), &[A]),
    ] {
        let login = op.login(&client, options.clone()).await.unwrap();
        let token_request = op.requests().into_iter().rfind(|sent| sent.url.ends_with("token")).unwrap();
        assert_eq!(resources(&token_request.form()), named, "{options:?}");
        assert!(login.requested_resources.len() <= 2);
    }
    let login = op.login(&client, options()).await.unwrap();
    assert_eq!(login.requested_resources, [A, B]);
    client.refresh_with(&login.token, None, &[("resource", A)]).await.unwrap();
    assert_eq!(resources(&op.last_request().form()), [A]);
    let other = options().token_resource("https://c.example");
    assert!(client.start_login(REDIRECT_URI, other).await.is_err());
}

#[tokio::test]
async fn ri_03_a_resource_that_the_server_does_not_know_is_told() {
    let op = Op::new();
    let client = op.client();
    let options = || LoginOptions::new().resources([A]);
    let attempt = op.start(&client, options()).await.attempt;
    let callback = op.callback(&attempt, &[("code", ""), ("error", "invalid_target")]);
    let error = client.finish_login(attempt, callback).await.unwrap_err();
    assert_eq!(
        (error.class(), &*error.oauth_error().unwrap().code),
        (ErrorClass::Configuration, "invalid_target")
    );
    op.bend(|state| {
        state.answer(Endpoint::Token, |_| {
            Some(reply(400, "application/json", json!({"error": "invalid_target"}).to_string()))
        });
    });
    let error = op.login(&client, options()).await.unwrap_err();
    assert_eq!(
        (error.class(), &*error.oauth_error().unwrap().code),
        (ErrorClass::Configuration, "invalid_target")
    );
}

#[tokio::test]
async fn ri_05_a_resource_and_an_audience_are_not_both_sent_by_accident() {
    let op = Op::new();
    for (own, login) in [("audience", "resource"), ("resource", "audience")] {
        let client = op.client().with_authorize_params(&json!({own: A}));
        let url = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap().url;
        assert!(url.contains(own), "{url}");
        let options = LoginOptions::new().extras_params(&json!({login: B}));
        let error = client.start_login(REDIRECT_URI, options).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        // Said so, they are.
        let options = LoginOptions::new().extras_params(&json!({login: B, own: A}));
        let url = client.start_login(REDIRECT_URI, options).await.unwrap().url;
        assert!(url.contains("audience=") && url.contains("resource="), "{url}");
    }
}
