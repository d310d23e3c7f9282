//! The FAPI 2.0 preset at a server that breaks a rule at a time.

use std::{sync::Arc, time::Duration};

use oauth_core::{
    ErrorClass, ErrorKind, JwtCheck, LoginOptions, Provider,
    serde_json::{Value, json},
};
use oauth_fapi::{Dpop, DpopProvider, PrivateKeyJwt, Profile, SigningKey, SigningKeys};
use oauth_openid::{Algorithm, OpenID, OpenIDProvider};
use oauth_tokens::{ClientCredentials, TokenKey};

use crate::server::{REDIRECT_URI, Server, reply, tokens};

fn bound(server: &Server) -> OpenID {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    server.client(PrivateKeyJwt::new(key)).with_dpop(Dpop::generate().unwrap())
}

fn client(server: &Server) -> OpenID {
    Profile::Fapi2Security.apply(bound(server)).unwrap()
}

#[tokio::test]
async fn fa_03_of_several_keys_of_one_name_the_one_that_fits_is_taken() {
    let server = Server::new();
    let mut real = server.public_jwk();
    let name = real["kid"].as_str().unwrap().to_owned();
    real["use"] = "sig".into();
    let public = |algorithm| {
        let key = SigningKey::generate(algorithm).unwrap().with_key_id(name.clone());
        let keys: Value =
            oauth_core::serde_json::from_str(SigningKeys::from(key).public_jwks().json()).unwrap();
        keys["keys"][0].clone()
    };
    let mut encrypts = public(Algorithm::ES256);
    encrypts["use"] = "enc".into();
    let keys = json!({"keys": [public(Algorithm::PS256), encrypts, public(Algorithm::ES384), real]});
    server.answer(move |sent| sent.url.ends_with("/jwks").then(|| reply(200, &keys)));
    server.login(&client(&server)).await.unwrap();
}

#[tokio::test]
async fn fa_05_refresh_tokens_rotate_and_access_tokens_are_in_the_header_alone() {
    let server = Server::new();
    server.bend(|state| {
        state.token_reply = json!({"expires_in": null, "access_token": "AT-0", "refresh_token": "RT-0"})
    });
    let client = client(&server);
    let mut token = server.login(&client).await.unwrap().token;
    assert_eq!(token.expires_at(), None);
    for number in 1..=3 {
        // An API has refused the access token.
        server.bend(|state| {
            state.token_reply = json!({"expires_in": null, "access_token": format!("AT-{number}"),
                "refresh_token": format!("RT-{number}")});
        });
        token = client.refresh(&token, None).await.unwrap();
        client.get_profile_of(&token).await.unwrap();
        let asked = server.requests("/me").pop().unwrap();
        assert_eq!(asked.header("authorization"), Some(&*format!("DPoP AT-{number}")));
    }
    let refreshes = server.requests("/token");
    let sent: Vec<_> = refreshes.iter().filter_map(|sent| sent.field("refresh_token")).collect();
    assert_eq!(sent, ["RT-0", "RT-1", "RT-2"]);
    for sent in server.requests("") {
        let is_elsewhere =
            sent.url.contains("AT-") || sent.form.iter().any(|(_, value)| value.starts_with("AT-"));
        assert!(!is_elsewhere, "{}", sent.url);
    }
}

#[tokio::test]
async fn fa_07_clocks_may_differ_by_a_minute_and_no_more() {
    for (ahead, is_accepted) in [(10, true), (59, true), (61, false), (600, false)] {
        for claim in ["iat", "nbf"] {
            let server = Server::new();
            let at = server.clock.seconds() + ahead;
            server.bend(|state| state.claims = json!({claim: at, "exp": at + 300}));
            let outcome = server.login(&client(&server)).await;
            assert_eq!(outcome.is_ok(), is_accepted, "{claim} {ahead} s ahead: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn fa_10_metadata_of_another_issuer_begin_no_login() {
    for issuer in ["https://evil.example", "https://op.example/", "https://OP.example", ""] {
        let server = Server::new();
        server.bend(|state| state.metadata["issuer"] = issuer.into());
        let error = client(&server).start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{issuer}: {error}");
        assert!(server.requests("/par").is_empty());
    }
}

#[tokio::test]
async fn fa_12_a_faulty_id_token_ends_the_login_before_anything_is_asked_with_it() {
    let now = Server::new().clock.seconds();
    for (claims, check) in [
        (json!({"iss": "https://evil.example"}), JwtCheck::Issuer),
        (json!({"iss": null}), JwtCheck::Issuer),
        (json!({"aud": "another"}), JwtCheck::Audience),
        (json!({"aud": null}), JwtCheck::Audience),
        (json!({"aud": ["client-1", "another"]}), JwtCheck::Audience),
        (json!({"exp": null}), JwtCheck::Expiry),
        (json!({"exp": now - 300}), JwtCheck::Expiry),
        (json!({"nonce": null}), JwtCheck::Nonce),
        (json!({"nonce": "another"}), JwtCheck::Nonce),
    ] {
        let server = Server::new();
        server.bend(|state| state.claims = claims.clone());
        let error = server.login(&client(&server)).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(check), "{claims}: {error}");
        assert_eq!((server.requests("/token").len(), server.requests("/me").len()), (1, 0), "{claims}");
    }
    let server = Server::new();
    let stranger = Server::new();
    let at = json!({"iss": "https://op.example", "sub": "user-1", "aud": "client-1", "iat": now, "exp": now + 300});
    let signed = stranger.signed(at).await;
    let (_, payload) = signed.split_once('.').unwrap();
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", payload.split_once('.').unwrap().0);
    for (id_token, checks) in
        [(signed.clone(), &[JwtCheck::Key, JwtCheck::Signature][..]), (unsigned, &[JwtCheck::Algorithm])]
    {
        server.bend(|state| state.token_reply = json!({"id_token": id_token}));
        let error = server.login(&client(&server)).await.unwrap_err();
        assert!(error.jwt_check().is_some_and(|check| checks.contains(&check)), "{error}");
        assert!(server.requests("/me").is_empty());
    }
}

#[tokio::test]
async fn fa_15_endpoints_that_were_set_by_hand_are_refused() {
    use oauth_core::Endpoint;
    for (endpoint, name) in [
        (Endpoint::Token, "token_endpoint"),
        (Endpoint::Authorization, "authorization_endpoint"),
        (Endpoint::PushedAuthorization, "pushed_authorization_request_endpoint"),
        (Endpoint::Profile, "userinfo_endpoint"),
    ] {
        let server = Server::new();
        let client = bound(&server).with_endpoints(|all| all.with(endpoint, "https://evil.example/x"));
        let error = Profile::Fapi2Security.apply(client).unwrap_err();
        assert!(error.to_string().contains("5.3.3.1 item 9") && error.to_string().contains(name), "{error}");
        assert!(server.requests("").is_empty());
    }
}

#[tokio::test]
async fn fa_18_a_program_without_users_needs_no_pushed_requests() {
    let server = Server::new();
    server.bend(|state| {
        state.metadata["pushed_authorization_request_endpoint"] = Value::Null;
        state.token_reply = json!({"id_token": null, "refresh_token": null});
    });
    let source = ClientCredentials::new(client(&server).oauth2().clone()).with_scopes(["orders"]);
    let manager = tokens().source(source).build().unwrap();
    let token = manager.get_token(&TokenKey::new("openid", "program")).await.unwrap();
    assert_eq!(token.token_type(), Some("DPoP"));
    let sent = server.requests("/token").pop().unwrap();
    assert_eq!((sent.field("grant_type"), sent.field("scope")), (Some("client_credentials"), Some("orders")));
    assert_eq!((sent.field("claims"), sent.field("nonce")), (None, None));
    assert!(server.requests("/par").is_empty());
}

#[tokio::test]
async fn fa_20_a_refresh_whose_answer_was_lost_is_tried_again_with_the_old_token() {
    let server = Server::new();
    let client = client(&server);
    let login = server.login(&client).await.unwrap();
    let manager = server.tokens().provider(Arc::new(client)).build().unwrap();
    let key = TokenKey::new("openid", "ada");
    manager.put(&key, &login.token).await.unwrap();
    server.clock.advance(Duration::from_secs(400));
    let mut is_lost = true;
    server.answer(move |sent| {
        let loses = sent.field("refresh_token").is_some() && std::mem::take(&mut is_lost);
        loses.then(|| reply(504, &json!({})))
    });
    let (one, other) = tokio::join!(manager.get(&key), manager.get(&key));
    let lost = [one, other].into_iter().find_map(Result::err);
    if let Some(error) = lost {
        assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{error}");
        server.clock.advance(Duration::from_secs(120));
        manager.get(&key).await.unwrap();
    }
    let all = server.requests("/token");
    let refreshes: Vec<_> = all.iter().filter_map(|sent| sent.field("refresh_token")).collect();
    assert_eq!(refreshes, ["RT", "RT"], "never two at once");
}

#[tokio::test]
async fn fa_23_a_value_that_an_ecosystem_wants_back_can_be_demanded() {
    for (claim, is_accepted) in [(json!("intent-1"), true), (json!("intent-2"), false), (json!(null), false)]
    {
        let server = Server::new();
        server.bend(|state| state.claims = json!({"openbanking_intent_id": claim}));
        let client =
            client(&server).with_policy(|policy| policy.require_claim("openbanking_intent_id", ["intent-1"]));
        let outcome = server.login(&client).await;
        match is_accepted {
            true => assert!(outcome.is_ok(), "{outcome:?}"),
            false => assert_eq!(outcome.unwrap_err().jwt_check(), Some(JwtCheck::Restriction), "{claim}"),
        }
        assert!(server.requests("/me").is_empty());
    }
}
