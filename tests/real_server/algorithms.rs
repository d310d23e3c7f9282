//! Clients that registered one algorithm each, for ID tokens and for UserInfo.

use oauth_clients::{ErrorKind, JwtCheck, JwtUse, LoginOptions, Provider};
use oauth_openid::{Algorithm, OpenIDProvider, UserInfoForm};
use serde_json::json;

use super::server::{Server, browser, header, id_token, login, metadata};

#[tokio::test]
async fn a_client_signs_in_with_the_algorithm_that_it_registered_and_with_no_other() {
    let server = Server::shared();
    for (name, algorithm) in [
        ("RS256", Algorithm::RS256),
        ("RS512", Algorithm::RS512),
        ("PS256", Algorithm::PS256),
        ("PS384", Algorithm::PS384),
        ("ES256", Algorithm::ES256),
        ("ES384", Algorithm::ES384),
        ("ES512", Algorithm::ES512),
        ("EdDSA", Algorithm::EdDSA),
        ("Ed25519", Algorithm::EdDSA),
        ("HS256", Algorithm::HS256),
    ] {
        let metadata = metadata().set("id_token_signed_response_alg", name);
        let (client, registered) = server.registered(&metadata).await;
        assert_eq!(registered.get("id_token_signed_response_alg"), Some(&json!(name)));
        let browser = browser();
        let login_ended = login(&client, &browser, LoginOptions::new()).await.unwrap();
        let id_token = id_token(&login_ended);
        assert_eq!(header(id_token.raw())["alg"], name);
        assert_eq!((id_token.issuer(), id_token.subject()), (&*server.issuer, "ada"));
        assert_eq!(id_token.audiences(), [registered.client_id()]);
        let refreshed = client.refresh(&login_ended.token, None).await.unwrap();
        assert_eq!(header(refreshed.id_token().unwrap())["alg"], name);

        let others: Vec<_> =
            Algorithm::WITH_PUBLIC_KEYS.iter().copied().filter(|&other| other != algorithm).collect();
        let strict = client.with_policy(|policy| policy.algorithms(others));
        let error = login(&strict, &browser, LoginOptions::new()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Algorithm), "{name}: {error}");
    }
}

#[tokio::test]
async fn userinfo_comes_in_the_form_that_was_registered() {
    let server = Server::shared();
    for name in ["RS256", "PS256", "ES256", "EdDSA", "HS256"] {
        let metadata = metadata().set("userinfo_signed_response_alg", name);
        let (client, registered) = server.registered(&metadata).await;
        let client = client.with_scopes(["openid", "email", "profile"]);
        let token = login(&client, &browser(), LoginOptions::new()).await.unwrap().token;
        let mut profile = client.get_profile(token.access_token()).await.unwrap();
        // Which moment it was no test can know.
        assert!(profile["iat"].take().is_i64());
        if let Some(expires) = profile.get_mut("exp") {
            assert!(expires.take().is_i64());
        }
        profile.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        assert_eq!(
            profile,
            json!({
                "sub": "ada", "email": "ada@example.com", "email_verified": true,
                "name": "Ada Lovelace", "picture": "https://example.com/ada.png",
                // What makes of them a token for this client (OpenID Connect Core section 5.3.2).
                "iss": server.issuer, "aud": registered.client_id(),
            }),
            "{name}"
        );
        assert_eq!(client.get_identity(&token).await.unwrap().key(), (&*server.issuer, "ada"));

        // The same reply is not what a client expects that registered none.
        let plain = client.clone().with_policy(|policy| policy.userinfo(UserInfoForm::Plain));
        let error = plain.get_profile(token.access_token()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Encryption), "{error}");
        let other = client.with_policy(|policy| policy.userinfo_algorithms([Algorithm::ES384]));
        let error = other.get_profile(token.access_token()).await.unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Jwt(jwt)
                if jwt.token == JwtUse::UserInfo && jwt.check == JwtCheck::Algorithm),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn plain_userinfo_is_refused_where_signed_was_expected() {
    let server = Server::shared();
    let client = server.client().with_scopes(["openid"]);
    let token = login(&client, &browser(), LoginOptions::new()).await.unwrap().token;
    assert_eq!(client.get_profile(token.access_token()).await.unwrap(), json!({ "sub": "ada" }));
    let signed = client.with_policy(|policy| policy.userinfo(UserInfoForm::Signed));
    let error = signed.get_profile(token.access_token()).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Encryption), "{error}");
}
