//! Sign-ins, refreshes and revocations, with and without OpenID Connect.

use std::time::Duration;

use oauth_clients::{
    ClientAuth, ClientSecret, ErrorClass, ErrorKind, LoginOptions, OAuth2, Provider, openid::OpenID,
};
use serde_json::Value;

use super::server::{REDIRECT_URI, SECRET, Server, browse, browser};

#[tokio::test]
async fn openid_signs_in_refreshes_with_rotation_and_revokes() {
    let server = Server::shared();
    let client = OpenID::discover("basic", SECRET, &server.issuer)
        .await
        .unwrap()
        .with_scopes(["openid", "email", "profile"]);

    let started = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
    let callback = browse(&browser(), &started.url).await;
    // The server announces `iss` in its callbacks; without it, the login would be refused.
    assert_eq!(callback.get("iss"), Some(&*server.issuer));
    let token = client.finish_login(started.attempt, callback).await.unwrap().token;
    assert!(token.id_token().is_some());
    assert!(!token.is_expired() && token.expires_within(Duration::from_secs(601)));

    let identity = client.get_identity(&token).await.unwrap();
    assert_eq!(identity.key(), (&*server.issuer, "ada"));
    assert_eq!(identity.name.as_deref(), Some("Ada Lovelace"));
    assert_eq!(
        client.get_id_email(token.access_token()).await.unwrap().1.as_deref(),
        Some("ada@example.com")
    );

    let old = token.refresh_token().unwrap();
    let new = client.refresh_token(old, None).await.unwrap();
    assert_ne!(new.refresh_token(), Some(old));
    client.get_profile(new.access_token()).await.unwrap();

    client.revoke_token(new.access_token(), Some("access_token")).await.unwrap();
    let error = client.get_profile(new.access_token()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Reauthorize, "{error:?}");

    // A refresh token that is redeemed twice kills the whole grant.
    let error = client.refresh_token(old, None).await.unwrap_err();
    assert_eq!(error.oauth_error().unwrap().code, "invalid_grant");
    assert_eq!(error.class(), ErrorClass::Reauthorize);
    assert!(client.refresh_token(new.refresh_token().unwrap(), None).await.is_err());
}

#[tokio::test]
async fn the_generic_client_does_the_same_with_every_client_authentication() {
    let server = Server::shared();
    for (id, secret, auth) in [
        ("basic", ClientSecret::from(SECRET), ClientAuth::Basic),
        ("post", ClientSecret::from("post-s3cret"), ClientAuth::Post),
        ("public", ClientSecret::NONE, ClientAuth::None),
    ] {
        let at = |path: &str| format!("{}{path}", server.issuer);
        let client = OAuth2::new(id, secret, at("/auth"), at("/token"))
            .with_refresh_endpoint(at("/token"))
            .with_revoke_endpoint(at("/token/revocation"))
            .with_introspection_endpoint(at("/token/introspection"))
            .with_profile_endpoint(at("/me"))
            .with_client_auth(auth)
            .with_scopes(["openid", "offline_access"]);
        // The server gives offline_access to those only who ask for consent.
        let options = LoginOptions::new().extras_params(&serde_json::json!({"prompt": "consent"}));
        let started = client.start_login(REDIRECT_URI, options).await.unwrap();
        let callback = browse(&browser(), &started.url).await;
        let token = client.finish_login(started.attempt, callback).await.unwrap().token;
        assert_eq!(client.get_profile(token.access_token()).await.unwrap()["sub"], "ada", "{id}");

        let token = client.refresh_token(token.refresh_token().unwrap(), None).await.unwrap();
        let active = |answer: Value| answer["active"].as_bool().unwrap();
        assert!(active(client.introspect_token(token.access_token(), None).await.unwrap()), "{id}");
        client.revoke_token(token.refresh_token().unwrap(), Some("refresh_token")).await.unwrap();
        assert!(!active(client.introspect_token(token.access_token(), None).await.unwrap()), "{id}");
        // A token that the server does not know counts as revoked (RFC 7009 section 2.2).
        client.revoke_token("unknown", None).await.unwrap();
    }
}

/// OpenID Connect Core section 11. It is for the application to ask for, because other providers need no consent for it, and
/// would ask their users anew at each sign-in.
#[tokio::test]
async fn rt_09_offline_access_is_given_to_who_asks_for_consent() {
    let server = Server::shared();
    let client = OpenID::discover("public", ClientSecret::NONE, &server.issuer)
        .await
        .unwrap()
        .with_scopes(["openid", "offline_access"]);
    for (options, granted) in [(LoginOptions::new(), false), (LoginOptions::new().prompt("consent"), true)] {
        let started = client.start_login(REDIRECT_URI, options).await.unwrap();
        let callback = browse(&browser(), &started.url).await;
        let login = client.finish_login(started.attempt, callback).await.unwrap();
        assert_eq!(login.requested_scopes, ["openid", "offline_access"]);
        // What was granted says so; this server gives a refresh token either way.
        let scopes = login.token.scopes().unwrap();
        assert_eq!(scopes.contains(&"offline_access"), granted, "{scopes:?}");
    }
}

#[tokio::test]
async fn a_wrong_secret_a_wrong_verifier_and_a_spent_code_are_told_apart() {
    let server = Server::shared();
    let right = OpenID::discover("basic", SECRET, &server.issuer).await.unwrap();

    let started = right.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
    let callback = browse(&browser(), &started.url).await;
    let wrong = OpenID::discover("basic", "wrong", &server.issuer).await.unwrap();
    let error = wrong.finish_login(started.attempt.clone(), callback.clone()).await.unwrap_err();
    assert_eq!(error.oauth_error().unwrap().code, "invalid_client");
    assert_eq!(error.class(), ErrorClass::Configuration);

    let other = oauth_clients::CodeVerifier::random().unwrap();
    let code = callback.get("code").unwrap();
    let error = right.get_access_token(code, REDIRECT_URI, Some(&other), &[]).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Reauthorize, "{error}");

    let started = right.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
    let callback = browse(&browser(), &started.url).await;
    right.finish_login(started.attempt.clone(), callback.clone()).await.unwrap();
    let error = right.finish_login(started.attempt, callback).await.unwrap_err();
    assert_eq!(error.oauth_error().unwrap().code, "invalid_grant");
}

#[tokio::test]
async fn an_issuer_that_differs_by_a_slash_is_not_the_issuer() {
    let server = Server::shared();
    let error = OpenID::discover("basic", SECRET, &format!("{}/", server.issuer)).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{error:?}");
    assert!(error.to_string().contains("slash"), "{error}");
    // As the original, it takes the URL of the document, of which only one issuer can be meant.
    let url = format!("{}/.well-known/openid-configuration", server.issuer);
    OpenID::discover("basic", SECRET, &url).await.unwrap();
}
