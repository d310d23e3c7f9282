//! UI: UserInfo (OpenID Connect Core section 5.3).

use oauth_clients::{
    ErrorClass, ErrorKind, JwtCheck, JwtUse, LoginOptions, OAuth2, OAuth2Token, Operation, Provider,
    openid::{Algorithm, OpenID, UserInfoForm},
};
use serde_json::{Value, json};

use super::op::{ACCESS_TOKEN, CLIENT_ID, Endpoint, ISSUER, Key, Op, SUBJECT, Signing, State, merge};
use crate::support::{Script, reply};

/// A login, and the outcome of asking who the user is.
async fn identity(op: &Op, client: &OpenID) -> oauth_clients::Result<oauth_clients::Identity> {
    let login = op.login(client, LoginOptions::new()).await.unwrap();
    let identity = client.get_identity(&login.token).await;
    assert_eq!(op.count(Endpoint::UserInfo), 1, "UserInfo is asked once");
    identity
}

fn signed(claims: &Value) -> impl FnOnce(&mut State) {
    signed_by(claims, &json!({"alg": "RS256", "kid": "rsa"}), &Signing::With("RS256", Key::Rsa))
}

fn signed_by(claims: &Value, header: &Value, signing: &Signing) -> impl FnOnce(&mut State) + use<> {
    let mut all = json!({"iss": ISSUER, "aud": CLIENT_ID, "sub": SUBJECT, "email": "ada@mail.example"});
    merge(&mut all, claims);
    let token = signing.token(header, &all);
    move |state| answer_with(state, "application/jwt", token)
}

fn answer_with(state: &mut State, content_type: &'static str, body: String) {
    state.answer(Endpoint::UserInfo, move |_| Some(reply(200, content_type, body.clone())));
}

#[tokio::test]
async fn ui_01_userinfo_of_another_user_is_thrown_away() {
    for subject in [json!("user-2"), json!("USER-1"), json!(" user-1"), json!("user-1 ")] {
        let op = Op::bent(|state| state.userinfo["sub"] = subject.clone());
        let error = identity(&op, &op.client()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Agreement), "{subject}");
        let ErrorKind::Jwt(reason) = error.kind() else { panic!("{error:?}") };
        assert_eq!(reason.token, JwtUse::UserInfo);
        assert!(!format!("{error} {error:?}").contains("ada@"), "{error}");
    }
    for subject in [json!(null), json!(""), json!({}), json!(["user-1"]), json!(true)] {
        let op = Op::bent(|state| state.userinfo["sub"] = subject.clone());
        let error = identity(&op, &op.client()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{subject}: {error}");
    }
    // A number is not the text that looks like it.
    let op = Op::bent(|state| {
        state.claims = json!({"sub": "7"});
        state.userinfo["sub"] = json!(7);
    });
    let error = identity(&op, &op.client()).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Agreement));
    // A signed one is compared as well.
    let op = Op::bent(signed(&json!({"sub": "user-2"})));
    let error = identity(&op, &op.client()).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Agreement));
}

#[tokio::test]
async fn ui_02_userinfo_comes_over_https_with_status_200_for_a_token_in_the_header() {
    for (status, class) in [
        (201, ErrorClass::Protocol),
        (204, ErrorClass::Protocol),
        (302, ErrorClass::Protocol),
        (307, ErrorClass::Protocol),
        (400, ErrorClass::Protocol),
        (401, ErrorClass::Reauthorize),
        (403, ErrorClass::Protocol),
        (500, ErrorClass::Transient { retry_after: None }),
    ] {
        let op = Op::bent(|state| {
            state.answer(Endpoint::UserInfo, move |_| {
                let mut reply = reply(status, "application/json", format!(r#"{{"sub":"{SUBJECT}"}}"#));
                reply.headers_mut().insert("location", "https://evil.example/me".parse().unwrap());
                Some(reply)
            });
        });
        let error = identity(&op, &op.client()).await.unwrap_err();
        assert_eq!((error.operation(), error.class()), (Operation::GET_PROFILE, class), "{status}");
        assert_eq!(op.count(Endpoint::Other), 0);
    }
    let op = Op::new();
    identity(&op, &op.client()).await.unwrap();
    let sent = op.last_request();
    assert_eq!((&*sent.method, &*sent.url), ("GET", "https://op.example/me"));
    assert_eq!(sent.header("authorization"), Some(&*format!("Bearer {ACCESS_TOKEN}")));
    assert!(sent.query.is_empty() && sent.body.is_empty());
    // An access token goes nowhere else, and a login does without.
    let op = Op::bent(|state| state.metadata["userinfo_endpoint"] = "http://op.example/me".into());
    let client = op.client();
    let login = op.login(&client, LoginOptions::new()).await.unwrap();
    let error = client.get_profile(login.token.access_token()).await.unwrap_err();
    assert_eq!((error.class(), op.count(Endpoint::UserInfo)), (ErrorClass::Configuration, 0));
}

#[tokio::test]
async fn ui_03_signed_userinfo_is_verified() {
    let op = Op::bent(signed(&json!({})));
    let who = identity(&op, &op.client()).await.unwrap();
    assert_eq!(who.key(), (ISSUER, SUBJECT));
    assert_eq!(who.email.unwrap().address, "ada@mail.example");

    let header = json!({"alg": "RS256", "kid": "rsa"});
    for (bend, expected) in [
        (signed_by(&json!({}), &header, &Signing::With("RS256", Key::OtherRsa)), JwtCheck::Signature),
        (signed_by(&json!({}), &json!({"alg": "none"}), &Signing::Bytes(Vec::new())), JwtCheck::Algorithm),
        (
            signed_by(&json!({}), &json!({"alg": "HS256"}), &Signing::Hmac("HS256", Key::Rsa.public_der())),
            JwtCheck::Algorithm,
        ),
        (
            signed_by(
                &json!({}),
                &json!({"alg": "RS256", "kid": "rsa", "typ": "at+jwt"}),
                &Signing::With("RS256", Key::Rsa),
            ),
            JwtCheck::Type,
        ),
        (
            signed_by(
                &json!({}),
                &json!({"alg": "RS256", "kid": "rsa", "crit": ["x"]}),
                &Signing::With("RS256", Key::Rsa),
            ),
            JwtCheck::Critical,
        ),
        (
            signed_by(&json!({}), &json!({"alg": "RS256", "kid": "new"}), &Signing::With("RS256", Key::Rsa)),
            JwtCheck::Key,
        ),
    ] {
        let op = Op::bent(bend);
        let error = identity(&op, &op.client()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(expected), "{error}");
        let ErrorKind::Jwt(reason) = error.kind() else { panic!("{error:?}") };
        assert_eq!(reason.token, JwtUse::UserInfo);
    }
    let now = Op::new().clock.seconds();
    for (claims, expected) in [
        (json!({"iss": "https://evil.example"}), JwtCheck::Issuer),
        (json!({"iss": 1}), JwtCheck::Issuer),
        (json!({"iss": ""}), JwtCheck::Issuer),
        (json!({"aud": "other"}), JwtCheck::Audience),
        (json!({"aud": []}), JwtCheck::Audience),
        (json!({"aud": 1}), JwtCheck::Audience),
        (json!({"exp": now - 100}), JwtCheck::Expiry),
        (json!({"exp": "soon"}), JwtCheck::Expiry),
    ] {
        let op = Op::bent(signed(&claims));
        let error = identity(&op, &op.client()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(expected), "{claims}");
    }
    for body in ["", "a.b", "a.b.c", "{}"] {
        let op = Op::bent(|state| answer_with(state, "application/jwt", body.to_owned()));
        let error = identity(&op, &op.client()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Form), "{body}");
    }
}

#[tokio::test]
async fn ui_03_userinfo_comes_in_the_form_that_was_registered() {
    let plain = |_: &mut State| {};
    for (form, is_signed, fine) in [
        (UserInfoForm::Either, false, true),
        (UserInfoForm::Either, true, true),
        (UserInfoForm::Signed, false, false),
        (UserInfoForm::Signed, true, true),
        (UserInfoForm::Plain, false, true),
        (UserInfoForm::Plain, true, false),
    ] {
        let op = Op::new();
        match is_signed {
            true => op.bend(signed(&json!({}))),
            false => op.bend(plain),
        }
        let client = op.client_with(|policy| policy.userinfo(form));
        let outcome = identity(&op, &client).await.map(drop).map_err(|error| error.jwt_check().unwrap());
        let expected = if fine { Ok(()) } else { Err(JwtCheck::Encryption) };
        assert_eq!(outcome, expected, "{form:?} {is_signed}");
    }
    // A JWT that calls itself JSON, or a token of another kind, is not read as one.
    for kind in ["application/json", "application/at+jwt", "application/jwt-x", ""] {
        let op = Op::new();
        let token = op.id_token(json!({}));
        op.bend(|state| answer_with(state, kind, token));
        let error = identity(&op, &op.client()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{kind}: {error}");
    }
    // An encrypted one where encryption was registered, or no keys are there.
    let client = |op: &Op| op.client_with(|policy| policy.encrypted_userinfo());
    let op = Op::new();
    assert_eq!(identity(&op, &client(&op)).await.unwrap_err().jwt_check(), Some(JwtCheck::Encryption));
    let op = Op::bent(signed(&json!({})));
    assert_eq!(identity(&op, &client(&op)).await.unwrap_err().jwt_check(), Some(JwtCheck::Encryption));
    let op = Op::bent(|state| answer_with(state, "application/jwt", "a.b.c.d.e".to_owned()));
    assert_eq!(identity(&op, &op.client()).await.unwrap_err().jwt_check(), Some(JwtCheck::Encryption));
}

#[tokio::test]
async fn ui_03_the_algorithms_of_userinfo_are_the_clients_own_too() {
    let op = Op::bent(signed(&json!({})));
    let client = op.client_with(|policy| policy.algorithms([Algorithm::RS256]));
    identity(&op, &client).await.unwrap();
    let op = Op::bent(|state| {
        state.sign_with("ES256", Key::P256, "ec");
        state.jwks = json!({"keys": [Key::Rsa.jwk("rsa", "RS256"), Key::P256.jwk("ec", "ES256")]});
        signed(&json!({}))(state);
    });
    let client = op.client_with(|policy| policy.algorithms([Algorithm::ES256]));
    assert_eq!(identity(&op, &client).await.unwrap_err().jwt_check(), Some(JwtCheck::Algorithm));
    // The provider's list for UserInfo is another one than for ID tokens.
    let op = Op::bent(|state| {
        state.metadata["userinfo_signing_alg_values_supported"] = json!(["PS256", "none"]);
        signed(&json!({}))(state);
    });
    assert_eq!(identity(&op, &op.client()).await.unwrap_err().jwt_check(), Some(JwtCheck::Algorithm));
}

#[tokio::test]
async fn ui_04_userinfo_changes_nothing_that_the_id_token_says() {
    let op = Op::bent(|state| {
        state.claims = json!({"acr": "silver", "auth_time": 1_700_000_000});
        merge(
            &mut state.userinfo,
            &json!({
                "iss": "https://evil.example", "aud": "other", "acr": "gold", "auth_time": 1, "exp": 1, "nonce": "x",
            }),
        );
    });
    let client = op.client();
    let login = op.login(&client, LoginOptions::new()).await.unwrap();
    let who = client.get_identity(&login.token).await.unwrap();
    assert_eq!(who.key(), (ISSUER, SUBJECT));
    let id_token = oauth_clients::openid::IdToken::of(&login).unwrap();
    assert_eq!((id_token.issuer(), id_token.acr()), (ISSUER, Some("silver")));
    assert_eq!(id_token.authenticated_at().unwrap().unix_timestamp(), 1_700_000_000);
}

#[tokio::test]
async fn ui_05_without_an_id_token_the_subject_stands_where_the_provider_was_said_to_put_it() {
    let at = |profile: Value| async move {
        let http = Script::json(200, &profile);
        let client = OAuth2::new("id", "secret", "https://as.example/a", "https://as.example/t")
            .with_profile_endpoint("https://as.example/me")
            .with_http_client(http);
        client.get_identity(&OAuth2Token::new("AT")).await
    };
    assert_eq!(at(json!({"id": "7", "email": "a@b.example"})).await.unwrap().subject, "7");
    for profile in [
        json!({"email": "a@b.example", "login": "ada"}),
        json!({"id": null, "email": "a@b.example"}),
        json!({"id": "", "email": "a@b.example"}),
        json!({"id": {}, "email": "a@b.example"}),
        json!({"id": 1.5}),
        json!({}),
    ] {
        let error = at(profile.clone()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{profile}: {error}");
    }
}

#[tokio::test]
async fn a_provider_without_userinfo_names_the_user_by_the_id_token() {
    let op = Op::bent(|state| {
        state.metadata["userinfo_endpoint"] = json!(null);
        state.claims = json!({"email": "ada@mail.example"});
    });
    let client = op.client();
    let login = op.login(&client, LoginOptions::new()).await.unwrap();
    let who = client.get_identity(&login.token).await.unwrap();
    assert_eq!((who.key(), op.count(Endpoint::UserInfo)), ((ISSUER, SUBJECT), 0));
    // The token is verified again: it may come from a store that others write to.
    let header = op.state().header.clone();
    let forged = Signing::With("RS256", Key::OtherRsa).token(&header, &op.claims());
    let token: OAuth2Token =
        serde_json::from_value(json!({"access_token": ACCESS_TOKEN, "id_token": forged})).unwrap();
    let error = client.get_identity(&token).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Signature));
}
