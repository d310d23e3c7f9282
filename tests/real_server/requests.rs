//! What a login may ask for, and how its answer may come.

use std::time::Duration;

use oauth_clients::{
    Callback, ErrorClass, ErrorKind, JwtCheck, LoginError, LoginOptions, Provider, ResponseMode, ResponseType,
};
use serde_json::json;
use time::OffsetDateTime;

use super::{
    driver::browser::Arrival,
    server::{REDIRECT_URI, Server, browse, browser, id_token, login, metadata},
};

#[tokio::test]
async fn hybrid_answers_come_as_a_form_or_in_the_fragment() {
    // A server of its own, because requests are counted.
    let server = Server::start();
    let metadata = metadata()
        .set("response_types", ["code id_token"])
        .set("grant_types", ["authorization_code", "implicit", "refresh_token"]);
    let (client, _) = server.registered(&metadata).await;
    let mut redeemed = 0;
    for mode in [None, Some(ResponseMode::FormPost), Some(ResponseMode::Fragment)] {
        let mut options = LoginOptions::new().response_type(ResponseType::CodeIdToken);
        if let Some(mode) = mode {
            options = options.response_mode(mode);
        }
        let started = client.start_login(REDIRECT_URI, options).await.unwrap();
        let arrival = browser().go(&started.url, Some(REDIRECT_URI)).await.unwrap();
        // A form unless the application says otherwise: fragments never reach a server.
        let callback = match (&arrival, mode) {
            (Arrival::Form(body), None | Some(ResponseMode::FormPost)) => Callback::from_form(body),
            (Arrival::Redirect(url), Some(ResponseMode::Fragment)) => Callback::from_url(url),
            other => panic!("{other:?}"),
        };
        // The server leaves `iss` out where the ID token says it.
        assert_eq!((callback.get("iss"), callback.get("id_token").is_some()), (None, true));

        // The code of another answer is not what the ID token vouches for, and nothing is sent for it.
        let swapped: Callback = callback
            .pairs()
            .map(|(name, value)| (name, if name == "code" { "another" } else { value }))
            .collect();
        let error = client.finish_login(started.attempt.clone(), swapped).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::CodeHash), "{error}");
        let without: Callback = callback.pairs().filter(|(name, _)| *name != "id_token").collect();
        let error = client.finish_login(started.attempt.clone(), without).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Login(LoginError::MissingIssuer)), "{error:?}");
        assert_eq!(server.count("requests", "POST /token").await, redeemed);

        let login = client.finish_login(started.attempt, callback).await.unwrap();
        redeemed += 1;
        assert_eq!(server.count("requests", "POST /token").await, redeemed);
        assert_eq!(id_token(&login).subject(), "ada");
    }
}

#[tokio::test]
async fn a_code_comes_as_a_form_if_it_is_asked_for_as_one() {
    let client = Server::shared().client();
    let options = LoginOptions::new().response_mode(ResponseMode::FormPost);
    let started = client.start_login(REDIRECT_URI, options).await.unwrap();
    let Arrival::Form(body) = browser().go(&started.url, Some(REDIRECT_URI)).await.unwrap() else {
        panic!("the server posts no form")
    };
    let in_query = Callback::from_query(&body);
    let error = client.finish_login(started.attempt.clone(), in_query).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Login(LoginError::WrongResponseMode)), "{error:?}");
    let login = client.finish_login(started.attempt, Callback::from_form(&body)).await.unwrap();
    assert_eq!(id_token(&login).subject(), "ada");
}

#[tokio::test]
async fn without_a_session_prompt_none_asks_for_a_login_with_interaction() {
    let server = Server::shared();
    // The user of a native application is always asked, because its redirect URI proves nothing (RFC 8252 section 8.6).
    for (kind, with_session) in [("web", None), ("native", Some("interaction_required"))] {
        let (client, _) = server.registered(&metadata().set("application_type", kind)).await;
        let browser = browser();
        let silent = || LoginOptions::new().prompt("none");
        let error = login(&client, &browser, silent()).await.unwrap_err();
        assert_eq!(error.oauth_error().unwrap().code, "login_required");
        assert!(matches!(error.kind(), ErrorKind::Login(LoginError::Refused(_))), "{error:?}");
        assert_eq!(error.class(), ErrorClass::Reauthorize);

        let first = login(&client, &browser, LoginOptions::new()).await.unwrap();
        let second = login(&client, &browser, silent()).await;
        match with_session {
            None => assert_eq!(id_token(&second.unwrap()).subject(), id_token(&first).subject()),
            Some(code) => {
                let error = second.unwrap_err();
                assert_eq!(error.oauth_error().unwrap().code, code);
                assert_eq!(error.class(), ErrorClass::Reauthorize);
            }
        }
    }
}

#[tokio::test]
async fn max_age_brings_auth_time_and_zero_authenticates_anew() {
    // A server of its own, because prompts are counted.
    let server = Server::start();
    let client = server.client();
    let browser = browser();
    let began = OffsetDateTime::now_utc().unix_timestamp();
    let first =
        login(&client, &browser, LoginOptions::new().max_age(Duration::from_secs(600))).await.unwrap();
    let authenticated = id_token(&first).authenticated_at().unwrap().unix_timestamp();
    assert!((began..=began + 60).contains(&authenticated), "{began} {authenticated}");
    assert_eq!(server.count("prompts", "login").await, 1);

    // Young enough: the session counts.
    let again =
        login(&client, &browser, LoginOptions::new().max_age(Duration::from_secs(600))).await.unwrap();
    assert_eq!(id_token(&again).authenticated_at(), id_token(&first).authenticated_at());
    assert_eq!(server.count("prompts", "login").await, 1);

    tokio::time::sleep(Duration::from_millis(1100)).await;
    let anew = login(&client, &browser, LoginOptions::new().max_age(Duration::ZERO)).await.unwrap();
    assert!(id_token(&anew).authenticated_at() > id_token(&first).authenticated_at());
    assert_eq!(server.count("prompts", "login").await, 2);

    // Nobody asked, so there is none to rely on.
    let unasked = login(&client, &browser, LoginOptions::new()).await.unwrap();
    assert_eq!(id_token(&unasked).authenticated_at(), None);
}

#[tokio::test]
async fn an_authentication_context_is_given_wished_for_or_insisted_on() {
    let server = Server::shared();
    let client = server.client();
    const PASSWORD: &str = "urn:example:password";
    const TWO_FACTORS: &str = "urn:example:two-factors";

    let wished =
        login(&client, &browser(), LoginOptions::new().acr_values([TWO_FACTORS, PASSWORD])).await.unwrap();
    assert_eq!(id_token(&wished).acr(), Some(TWO_FACTORS));

    let insisted = login(&client, &browser(), LoginOptions::new().require_acr([TWO_FACTORS])).await.unwrap();
    assert_eq!(id_token(&insisted).acr(), Some(TWO_FACTORS));

    // The server steps up a session that is not good enough.
    let browser_with_session = browser();
    let weak =
        login(&client, &browser_with_session, LoginOptions::new().acr_values([PASSWORD])).await.unwrap();
    assert_eq!(id_token(&weak).acr(), Some(PASSWORD));
    let strong =
        login(&client, &browser_with_session, LoginOptions::new().require_acr([TWO_FACTORS])).await.unwrap();
    assert_eq!(id_token(&strong).acr(), Some(TWO_FACTORS));

    // What it cannot give it says, by a code of OpenID Connect Core Unmet Authentication Requirements.
    let error =
        login(&client, &browser(), LoginOptions::new().require_acr(["urn:example:dna"])).await.unwrap_err();
    assert_eq!(error.oauth_error().unwrap().code, "unmet_authentication_requirements");
    assert_eq!(error.class(), ErrorClass::Reauthorize);
}

#[tokio::test]
async fn claims_are_asked_for_one_by_one() {
    let server = Server::shared();
    let client = server.client();
    let options = LoginOptions::new().scopes(["openid"]).claims(&json!({
        "id_token": {"email": {"essential": true}, "auth_time": {"essential": true}},
        "userinfo": {"name": null},
    }));
    let login = login(&client, &browser(), options).await.unwrap();
    let id_token = id_token(&login);
    assert_eq!(id_token.standard_claims().email.as_deref(), Some("ada@example.com"));
    assert!(id_token.authenticated_at().is_some());
    assert_eq!(id_token.get("name"), None);
    assert_eq!(
        client.get_profile(login.token.access_token()).await.unwrap(),
        json!({ "sub": "ada", "name": "Ada Lovelace" })
    );
}

#[tokio::test]
async fn a_refresh_brings_an_id_token_of_the_same_user() {
    let server = Server::shared();
    // No two signatures of this algorithm are the same, so a new ID token is another text.
    let (client, _) = server.registered(&metadata().set("id_token_signed_response_alg", "ES256")).await;
    let first = login(&client, &browser(), LoginOptions::new()).await.unwrap().token;
    let second = client.refresh(&first, None).await.unwrap();
    assert_ne!(second.access_token(), first.access_token());
    assert_ne!(second.refresh_token(), first.refresh_token(), "refresh tokens rotate");
    assert_ne!(second.id_token(), first.id_token(), "there is a new ID token");
    assert_eq!(client.get_identity(&second).await.unwrap().key(), (&*server.issuer, "ada"));
    let third = client.refresh(&second, None).await.unwrap();
    assert_ne!(third.refresh_token(), second.refresh_token());

    // A refresh token that was redeemed before kills the whole grant.
    let error = client.refresh(&first, None).await.unwrap_err();
    assert_eq!(error.oauth_error().unwrap().code, "invalid_grant");
    assert_eq!(error.class(), ErrorClass::Reauthorize);
    let error = client.refresh(&third, None).await.unwrap_err();
    assert_eq!(error.oauth_error().unwrap().code, "invalid_grant");
}

#[tokio::test]
async fn a_callback_for_one_login_does_not_end_another() {
    let server = Server::shared();
    let client = server.client();
    let one = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
    let other = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
    let callback = browse(&browser(), &one.url).await;
    let error = client.finish_login(other.attempt, callback.clone()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Login(LoginError::StateMismatch)), "{error:?}");
    client.finish_login(one.attempt, callback).await.unwrap();
}
