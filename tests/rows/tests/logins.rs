//! Logins: what they insist on, the clock that judges them, and signed answers on the web.

use std::time::Duration;

use http::{Method, Request, header};
use http_body_util::Full;
use oauth_core::{
    Callback, ErrorClass, JwtCheck, LoginOptions, OffsetDateTime, Provider, ResponseMode, Sealer, SealingKey,
    bytes::Bytes,
};
use oauth_fapi::{SignedResponses, StepUp, StepUpError};
use oauth_openid::Algorithm;
use oauth_web::{SignIn, SignInErrorKind, SignInRequest};
use serde_json::{Value, json};

use crate::server::{CLIENT_ID, ISSUER, REDIRECT_URI, Server, encoded};

fn query(url: &str, name: &str) -> Option<String> {
    let query = url.split_once('?')?.1;
    form_urlencoded::parse(query.as_bytes())
        .find(|(other, _)| other == name)
        .map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn id_13_a_login_that_insists_on_an_empty_list_does_not_begin() {
    let server = Server::new();
    let client = server.client("secret");
    let none: [&str; 0] = [];
    for options in [LoginOptions::new().require_acr(none), LoginOptions::new().require_acr([""])] {
        let error = client.start_login(REDIRECT_URI, options).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.to_string().contains("require_acr"), "{error}");
    }
    client.start_login(REDIRECT_URI, LoginOptions::new().require_acr(["mfa"])).await.unwrap();
}

#[tokio::test]
async fn su_03_a_step_up_keeps_what_the_application_insists_on() {
    let server = Server::new();
    let client = server.client("secret");
    let now = OffsetDateTime::now_utc();
    let asked = async |challenge: &StepUp, options: LoginOptions| {
        let answer = challenge.answer(options, None, now).unwrap();
        let started = client.start_login(REDIRECT_URI, answer.options).await.unwrap();
        let claims: Value = query(&started.url, "claims")
            .map(|text| serde_json::from_str(&text).unwrap())
            .unwrap_or_default();
        (query(&started.url, "max_age"), claims["id_token"]["acr"]["values"].clone())
    };
    let age = |seconds| LoginOptions::new().max_age(Duration::from_secs(seconds));
    let fresh = StepUp::new().with_max_age(Duration::from_secs(300));
    assert_eq!(asked(&fresh, age(60)).await.0.as_deref(), Some("60"));
    assert_eq!(asked(&fresh, age(900)).await.0.as_deref(), Some("300"));
    assert_eq!(asked(&fresh, LoginOptions::new()).await.0.as_deref(), Some("300"));

    let better = StepUp::new().with_acr_values(["mfa", "phr", "hwk"]);
    assert_eq!(asked(&better, LoginOptions::new()).await.1, json!(["mfa", "phr", "hwk"]));
    assert_eq!(asked(&better, LoginOptions::new().require_acr(["phr", "pwd"])).await.1, json!(["phr"]));
    let claims = json!({"id_token": {"acr": {"essential": true, "values": ["hwk"]}}});
    assert_eq!(asked(&better, LoginOptions::new().claims(&claims)).await.1, json!(["hwk"]));
    let wish = json!({"id_token": {"acr": {"values": ["pwd"]}}});
    assert_eq!(asked(&better, LoginOptions::new().claims(&wish)).await.1, json!(["mfa", "phr", "hwk"]));
    // What the API does not accept anyway is not a login worth making.
    let other = better.answer(LoginOptions::new().require_acr(["pwd"]), None, now);
    assert_eq!(other.unwrap_err(), StepUpError::Contradiction);
}

#[tokio::test]
async fn lb_05_a_clock_that_is_set_judges_what_has_expired() {
    let server = Server::new();
    let client = server.client("secret");
    server.login(&client).await.unwrap();
    // A token that is good for five minutes, by the clock that the client was given.
    let now = server.clock.seconds();
    let stale = json!({"iss": ISSUER, "sub": "user-1", "aud": CLIENT_ID, "iat": now - 900, "exp": now - 600});
    let stale = server.signed(stale).await;
    let expected = oauth_openid::Expectations::new().without_nonce();
    let openid = oauth_openid::OpenIDConnect::of(&client).unwrap();
    let error = openid.verify_id_token(&stale, &expected).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Expiry), "{error}");
    let early = Server::new();
    let at = early.clock.seconds();
    let token = early
        .signed(json!({"iss": ISSUER, "sub": "user-1", "aud": CLIENT_ID, "iat": at, "exp": at + 300}))
        .await;
    let client = early.client("secret");
    let openid = oauth_openid::OpenIDConnect::of(&client).unwrap();
    openid.verify_id_token(&token, &expected).await.unwrap();
    early.clock.advance(Duration::from_secs(900));
    assert_eq!(
        openid.verify_id_token(&token, &expected).await.unwrap_err().jwt_check(),
        Some(JwtCheck::Expiry)
    );
}

const SITE: &str = "https://app.example/auth/openid";

fn request(method: Method, path_and_query: &str, cookie: Option<&str>) -> SignInRequest {
    let mut request = Request::builder().method(method).uri(format!("{SITE}/{path_and_query}"));
    if let Some(cookie) = cookie {
        request = request.header(header::COOKIE, cookie);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    SignInRequest::new(parts, [("provider", "openid")])
}

#[tokio::test]
async fn jm_08_a_signed_error_may_come_in_the_query_and_a_signed_code_may_not() {
    let server = Server::new();
    let client =
        server.client("secret").with_participant(SignedResponses::new().algorithms([Algorithm::ES256]));
    let sign_in = SignIn::new(Sealer::new(SealingKey::from_bytes([1; 32])))
        .at("https://app.example")
        .unwrap()
        .provider(client)
        .unwrap()
        .on_login(|_: &str, _: &_| LoginOptions::new().response_mode(ResponseMode::FormPostJwt));
    for (member, value) in [("error", "access_denied"), ("code", "the-code")] {
        let answer = sign_in.login(&request(Method::GET, "login", None)).await;
        let mut headers = http::HeaderMap::new();
        answer.headers.apply(&mut headers);
        let response = answer.result.unwrap();
        let state = query(response.headers()[header::LOCATION].to_str().unwrap(), "state").unwrap();
        let cookie = headers[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
        let exp = server.clock.seconds() + 60;
        let jwt = server
            .signed(json!({"iss": ISSUER, "aud": CLIENT_ID, "exp": exp, "state": state, member: value}))
            .await;
        let callback = format!("callback?{}", encoded(&[("response", &jwt)]));
        let answer =
            sign_in.callback(&request(Method::GET, &callback, Some(&cookie)), Full::new(Bytes::new())).await;
        let error = answer.result.unwrap_err();
        match (member, error.kind()) {
            ("error", SignInErrorKind::Login(error)) => {
                assert_eq!(error.oauth_error().unwrap().code, "access_denied");
            }
            ("code", SignInErrorKind::WrongMethod) => {}
            (_, other) => panic!("{member}: {other:?}"),
        }
    }
    assert!(server.requests("/token").is_empty());
}

/// Keycloak 26 writes it twice, the same both times.
#[tokio::test]
async fn jm_02_an_issuer_that_is_there_twice_counts_if_it_is_the_same_both_times() {
    for (second, is_accepted) in [
        (r#","iss":"https://op.example""#, true),
        (r#","iss":"https:\/\/op.example""#, true),
        (r#","iss":"https://evil.example""#, false),
        (r#","iss":null"#, false),
        (r#","code":"the-code""#, false),
        (r#","aud":"client-1""#, false),
    ] {
        let server = Server::new();
        let client =
            server.client("secret").with_participant(SignedResponses::new().algorithms([Algorithm::ES256]));
        let started = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
        server.bend(|state| state.claims = json!({"nonce": started.attempt.nonce()}));
        let exp = server.clock.seconds() + 60;
        let state = started.attempt.state();
        let claims = format!(
            r#"{{"iss":"{ISSUER}","aud":"{CLIENT_ID}","exp":{exp},"state":"{state}","code":"the-code"{second}}}"#
        );
        let response = server.signed_text(&claims).await;
        let callback = Callback::from_query(&encoded(&[("response", &response)]));
        let found = client.oauth2().state_of_callback(&callback).await;
        assert_eq!(found.as_deref() == Some(state), is_accepted, "{second}");
        let outcome = client.finish_login(started.attempt, callback).await;
        match is_accepted {
            true => assert!(outcome.is_ok(), "{second}: {outcome:?}"),
            false => {
                let error = outcome.unwrap_err();
                assert_eq!(error.jwt_check(), Some(JwtCheck::Form), "{second}: {error}");
                assert!(server.requests("/token").is_empty(), "{second}");
            }
        }
    }
}
