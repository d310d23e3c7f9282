//! CB: what the browser brings back (RFC 6749 section 4.1.2, RFC 9207, OpenID Connect Core section 3.3.2).

use oauth_clients::{
    Callback, ErrorClass, ErrorKind, JwtCheck, LoginAttempt, LoginError, LoginOptions, MemoryCache, Provider,
    ResponseMode, ResponseType, SharedCache,
    openid::{IdToken, OpenID},
};
use serde_json::{Value, json};

use super::op::{ACCESS_TOKEN, CODE, Endpoint, ISSUER, Op, SUBJECT, callback_body, left_half};
use crate::support::reply;

fn hybrid() -> LoginOptions {
    LoginOptions::new().response_type(ResponseType::CodeIdToken)
}

fn form_post() -> LoginOptions {
    LoginOptions::new().response_mode(ResponseMode::FormPost)
}

/// Why a callback was refused. Neither a token nor a key may be asked for.
async fn refused(op: &Op, client: &OpenID, attempt: LoginAttempt, callback: Callback) -> LoginError {
    let error = client.finish_login(attempt, callback).await.unwrap_err();
    assert_eq!((op.count(Endpoint::Token), op.count(Endpoint::Keys)), (0, 0), "{error}");
    match error.kind() {
        ErrorKind::Login(reason) => reason.clone(),
        other => panic!("{other:?}"),
    }
}

/// The ID token that belongs beside the code of a hybrid login.
fn beside_the_code(op: &Op, patch: &Value) -> String {
    let mut claims = json!({"c_hash": left_half("RS256", CODE)});
    super::op::merge(&mut claims, patch);
    op.id_token(claims)
}

#[tokio::test]
async fn cb_01_a_callback_without_the_right_state_asks_for_nothing() {
    for options in [LoginOptions::new, form_post, hybrid] {
        let op = Op::new();
        let client = op.client();
        let attempt = op.start(&client, options()).await.attempt;
        // What comes along may be as right as it can be.
        let id_token = beside_the_code(&op, &json!({}));
        for (state, reason) in [
            ("", LoginError::MissingState),
            ("another", LoginError::StateMismatch),
            (&*format!("{}x", attempt.state()), LoginError::StateMismatch),
            (&attempt.state()[1..], LoginError::StateMismatch),
            (&*attempt.state().to_uppercase(), LoginError::StateMismatch),
        ] {
            let callback = op.callback(&attempt, &[("state", state), ("id_token", &id_token)]);
            assert_eq!(refused(&op, &client, attempt.clone(), callback).await, reason, "{state:?}");
        }
    }
}

#[tokio::test]
async fn cb_02_a_parameter_named_twice_spoils_the_callback() {
    let op = Op::new();
    let client = op.client();
    for options in [LoginOptions::new, form_post, hybrid] {
        let attempt = op.start(&client, options()).await.attempt;
        let body = callback_body(&attempt, &[("id_token", "a.b.c"), ("iss", ISSUER), ("response", "x")]);
        for name in ["code", "state", "iss", "error", "id_token", "response"] {
            let value = if name == "state" { attempt.state() } else { "again" };
            let twice = match name {
                "error" => format!("{body}&error=a&error=b"),
                name => format!("{body}&{name}={value}"),
            };
            let read = if attempt.is_form_post() { Callback::from_form } else { Callback::from_query };
            let reason = refused(&op, &client, attempt.clone(), read(&twice)).await;
            assert_eq!(reason, LoginError::DuplicateParameter(name.to_owned()));
        }
    }
}

#[tokio::test]
async fn cb_03_parameters_that_nobody_knows_are_nobodys_business() {
    let op = Op::new();
    let client = op.client();
    let attempt = op.start(&client, LoginOptions::new()).await.attempt;
    let body = format!("{}&session_state=x&foo=1&foo=2&=&&%00=%ff", callback_body(&attempt, &[]));
    client.finish_login(attempt, Callback::from_query(&body)).await.unwrap();
}

#[tokio::test]
async fn cb_04_an_error_is_believed_only_with_state_and_issuer_and_beats_a_code() {
    for options in [LoginOptions::new, form_post, hybrid] {
        let op = Op::new();
        let client = op.client();
        let attempt = op.start(&client, options()).await.attempt;
        let id_token = beside_the_code(&op, &json!({}));
        let with = |extra: &[(&str, &str)]| {
            let mut all = vec![("error", "access_denied"), ("id_token", &*id_token)];
            all.extend_from_slice(extra);
            op.callback(&attempt, &all)
        };
        let reason = refused(&op, &client, attempt.clone(), with(&[("state", "other")])).await;
        assert_eq!(reason, LoginError::StateMismatch);
        let reason = refused(&op, &client, attempt.clone(), with(&[("iss", "https://evil.example")])).await;
        assert_eq!(reason, LoginError::IssuerMismatch);
        let described = with(&[("error_description", "<b>no</b>"), ("error_uri", "javascript:alert(1)")]);
        let LoginError::Refused(error) = refused(&op, &client, attempt.clone(), described).await else {
            panic!("it was not refused by the provider's word")
        };
        assert_eq!((&*error.code, error.description.as_deref()), ("access_denied", Some("<b>no</b>")));
        assert_eq!(error.uri.as_deref(), Some("javascript:alert(1)"));
    }
}

#[tokio::test]
async fn cb_05_a_callback_without_a_code_is_refused() {
    for options in [LoginOptions::new, form_post, hybrid] {
        let op = Op::new();
        let client = op.client();
        let attempt = op.start(&client, options()).await.attempt;
        let id_token = beside_the_code(&op, &json!({}));
        let callback = op.callback(&attempt, &[("code", ""), ("id_token", &id_token)]);
        assert_eq!(refused(&op, &client, attempt.clone(), callback).await, LoginError::MissingCode);
        let body = format!("code=&state={}&error=", attempt.state());
        let read = if attempt.is_form_post() { Callback::from_form } else { Callback::from_query };
        assert_eq!(refused(&op, &client, attempt, read(&body)).await, LoginError::MissingCode);
    }
}

/// Every issuer that is not the one that was asked, by however little it differs.
async fn strange_issuers_are_refused(announced: Value) {
    let op = Op::bent(|state| {
        state.metadata["authorization_response_iss_parameter_supported"] = announced;
    });
    let client = op.client();
    for options in [LoginOptions::new, hybrid] {
        let attempt = op.start(&client, options()).await.attempt;
        let id_token = beside_the_code(&op, &json!({}));
        for issuer in [
            "https://evil.example",
            "https://op.example/",
            "HTTPS://op.example",
            "https://OP.example",
            "https://op.example:443",
            "https%3A%2F%2Fop.example",
            " https://op.example",
        ] {
            let callback = op.callback(&attempt, &[("iss", issuer), ("id_token", &id_token)]);
            let reason = refused(&op, &client, attempt.clone(), callback).await;
            assert_eq!(reason, LoginError::IssuerMismatch, "{issuer}");
        }
    }
    let attempt = op.start(&client, LoginOptions::new()).await.attempt;
    let callback = op.callback(&attempt, &[("iss", ISSUER)]);
    client.finish_login(attempt, callback).await.unwrap();
}

#[tokio::test]
async fn cb_06_an_issuer_in_the_callback_is_compared_byte_for_byte() {
    strange_issuers_are_refused(json!(true)).await;
}

#[tokio::test]
async fn cb_08_an_issuer_that_was_not_announced_is_compared_all_the_same() {
    for announced in [json!(false), json!(null), json!("true")] {
        strange_issuers_are_refused(announced).await;
    }
}

#[tokio::test]
async fn cb_07_an_issuer_that_the_metadata_announces_must_be_there() {
    let op = Op::bent(|state| {
        state.metadata["authorization_response_iss_parameter_supported"] = json!(true);
    });
    let client = op.client();
    for options in [LoginOptions::new, form_post] {
        let attempt = op.start(&client, options()).await.attempt;
        for extra in [&[][..], &[("error", "access_denied")], &[("id_token", "nobody.asked.forit")]] {
            let callback = op.callback(&attempt, extra);
            let reason = refused(&op, &client, attempt.clone(), callback).await;
            assert_eq!(reason, LoginError::MissingIssuer);
        }
    }
}

#[tokio::test]
async fn cb_09_an_id_token_in_the_callback_stands_for_the_issuer_and_must_agree_with_it() {
    let op = Op::bent(|state| {
        state.metadata["authorization_response_iss_parameter_supported"] = json!(true);
    });
    let client = op.client();
    // As oidc-provider answers: no iss beside an ID token.
    let attempt = op.start(&client, hybrid()).await.attempt;
    let id_token = beside_the_code(&op, &json!({}));
    let callback = op.callback(&attempt, &[("id_token", &id_token)]);
    let login = client.finish_login(attempt, callback).await.unwrap();
    assert_eq!(IdToken::of(&login).unwrap().subject(), SUBJECT);
    let asked = op.counts();

    let attempt = op.start(&client, hybrid()).await.attempt;
    let right = beside_the_code(&op, &json!({}));
    let wrong = beside_the_code(&op, &json!({"iss": "https://evil.example"}));
    let finish = |extra: &[(&str, &str)]| {
        let (callback, attempt, client) = (op.callback(&attempt, extra), attempt.clone(), client.clone());
        async move { client.finish_login(attempt, callback).await.unwrap_err() }
    };
    // The token's own issuer counts, with and without the parameter.
    for extra in [&[("id_token", &*wrong)][..], &[("id_token", &*wrong), ("iss", ISSUER)]] {
        assert_eq!(finish(extra).await.jwt_check(), Some(JwtCheck::Issuer));
    }
    let error = finish(&[("id_token", &right), ("iss", "https://evil.example")]).await;
    assert!(matches!(error.kind(), ErrorKind::Login(LoginError::IssuerMismatch)), "{error}");
    // Neither token nor parameter: nothing says who answered.
    let error = finish(&[]).await;
    assert!(matches!(error.kind(), ErrorKind::Login(LoginError::MissingIssuer)), "{error}");
    let error = finish(&[("error", "access_denied")]).await;
    assert!(matches!(error.kind(), ErrorKind::Login(LoginError::MissingIssuer)), "{error}");
    let body = format!("{}&id_token=", callback_body(&attempt, &[("error", "access_denied")]));
    let error = client.finish_login(attempt.clone(), Callback::from_form(&body)).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Login(LoginError::MissingIssuer)), "{error}");
    assert_eq!(op.counts(), asked);
}

#[tokio::test]
async fn cb_10_a_code_goes_to_the_provider_that_the_login_was_started_at() {
    let (honest, evil) = (Op::new(), Op::at("https://evil.example"));
    let (at_honest, at_evil) = (honest.client(), evil.client());
    let started = honest.start(&at_honest, LoginOptions::new()).await.attempt;
    let lured = evil.start(&at_evil, LoginOptions::new()).await.attempt;
    // The browser comes back with the honest provider's code, and the application takes the other one's client.
    let callback = honest.callback(&started, &[]);
    let error = at_evil.finish_login(started.clone(), callback).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Login(LoginError::OtherProvider { .. })), "{error}");
    // The code of one login with the state of the other.
    let callback = honest.callback(&lured, &[("iss", ISSUER)]);
    let error = at_evil.finish_login(lured, callback).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Login(LoginError::IssuerMismatch)), "{error}");
    assert_eq!((evil.count(Endpoint::Token), honest.count(Endpoint::Token)), (0, 0));
    // Nothing in a callback moves an endpoint.
    let extra = [("token_endpoint", "https://evil.example/token"), ("issuer", "https://evil.example")];
    let callback = honest.callback(&started, &extra);
    at_honest.finish_login(started, callback).await.unwrap();
    assert_eq!(honest.count(Endpoint::Token), 1);
    assert!(honest.requests().iter().all(|sent| sent.url.starts_with(ISSUER)));
}

#[tokio::test]
async fn cb_10_a_provider_that_names_anothers_token_endpoint_gets_no_login_of_that_provider() {
    // The evil provider's metadata names the honest one's token endpoint; the ID token that comes of it is the honest one's.
    let evil = Op::at("https://evil.example");
    evil.bend(|state| {
        state.metadata["token_endpoint"] = "https://op.example/token".into();
        state.claims = json!({"iss": ISSUER});
    });
    let client = evil.client();
    let error = evil.login(&client, LoginOptions::new()).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Issuer));
}

#[tokio::test]
async fn cb_11_an_answer_that_comes_another_way_is_refused() {
    let fragment = || hybrid().response_mode(ResponseMode::Fragment);
    for (options, right) in [
        (LoginOptions::new as fn() -> LoginOptions, "query"),
        (form_post, "form"),
        // As Glewlwyd answers by default: a hybrid answer in the query.
        (hybrid, "form"),
        (fragment, "fragment"),
    ] {
        for way in ["query", "form", "fragment"] {
            let op = Op::new();
            let client = op.client();
            let attempt = op.start(&client, options()).await.attempt;
            let id_token = beside_the_code(&op, &json!({}));
            let body = callback_body(&attempt, &[("id_token", &id_token)]);
            let callback = match way {
                "query" => Callback::from_url(&format!("https://app.example/cb?{body}")),
                "form" => Callback::from_form(&body),
                _ => Callback::from_url(&format!("https://app.example/cb#{body}")),
            };
            if way == right {
                client.finish_login(attempt, callback).await.unwrap();
            } else {
                let reason = refused(&op, &client, attempt, callback).await;
                assert_eq!(reason, LoginError::WrongResponseMode, "{way} for {right}");
            }
        }
    }
}

#[tokio::test]
async fn cb_11_an_error_is_reported_whichever_way_it_comes() {
    for options in [form_post as fn() -> LoginOptions, hybrid, LoginOptions::new] {
        for way in ["query", "form", "fragment"] {
            let op = Op::new();
            let client = op.client();
            let attempt = op.start(&client, options()).await.attempt;
            let body = callback_body(&attempt, &[("code", ""), ("error", "access_denied")]);
            let callback = match way {
                "query" => Callback::from_query(&body),
                "form" => Callback::from_form(&body),
                _ => Callback::from_url(&format!("https://app.example/cb#{body}")),
            };
            match refused(&op, &client, attempt.clone(), callback).await {
                LoginError::Refused(error) => assert_eq!(error.code, "access_denied"),
                other => panic!("{way}: {other:?}"),
            }
            // Not of another login, though.
            let body = body.replace(attempt.state(), "another");
            let reason = refused(&op, &client, attempt, Callback::from_query(&body)).await;
            assert_eq!(reason, LoginError::StateMismatch);
        }
    }
}

#[tokio::test]
async fn cb_07_where_the_issuer_is_missing_the_error_quotes_what_the_callback_says() {
    let op = Op::bent(|state| {
        state.metadata["authorization_response_iss_parameter_supported"] = json!(true);
    });
    let client = op.client();
    let attempt = op.start(&client, LoginOptions::new()).await.attempt;
    let said = [("code", ""), ("error", "invalid_scope"), ("error_description", "no such scope")];
    let callback = op.callback(&attempt, &said);
    let error = client.finish_login(attempt, callback).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Login(LoginError::MissingIssuer)), "{error}");
    assert!(error.to_string().contains("invalid_scope: no such scope"), "{error}");
    assert_eq!(error.oauth_error(), None, "nobody knows who says it");
}

#[tokio::test]
async fn cb_11_a_hybrid_answer_cannot_be_asked_for_in_the_query() {
    let op = Op::new();
    let options = hybrid().response_mode(ResponseMode::Query);
    let error = op.client().start_login("https://app.example/cb", options).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.to_string().contains("response_mode"), "{error}");
}

#[tokio::test]
async fn cb_12_no_error_shows_what_the_browser_brought() {
    let op = Op::new();
    let client = op.client();
    for options in [LoginOptions::new, form_post, hybrid] {
        let started = op.start(&client, options()).await;
        let attempt = started.attempt;
        let id_token = beside_the_code(&op, &json!({"c_hash": "wrong"}));
        for extra in [
            &[("id_token", &*id_token)][..],
            &[("id_token", "SECRET.TOKEN.x")],
            &[("state", "SECRET-STATE")],
            &[("iss", "https://evil.example/SECRET")],
            &[("error", "server_error"), ("error_description", "no")],
            &[("code", "SECRET-CODE"), ("id_token", &*id_token)],
        ] {
            let callback = op.callback(&attempt, extra);
            let shown = format!("{callback:?}");
            assert!(!shown.contains("SECRET") && !shown.contains(attempt.state()), "{shown}");
            op.bend(|state| {
                // The server echoes all that it was sent.
                state.answer(Endpoint::Token, move |sent| {
                    let body =
                        json!({"error": "invalid_grant", "error_description": format!("{:?}", sent.form())});
                    Some(reply(400, "application/json", body.to_string()))
                });
            });
            let error = client.finish_login(attempt.clone(), callback).await.unwrap_err();
            let shown = format!("{error} {error:?}");
            for secret in ["SECRET", CODE, attempt.state(), attempt.nonce().unwrap(), &id_token] {
                assert!(!shown.contains(secret), "{secret} in {shown}");
            }
            assert!(!shown.contains(attempt.code_verifier().unwrap().expose()));
        }
    }
}

#[tokio::test]
async fn cb_13_a_form_is_taken_where_a_form_was_asked_for_and_nothing_else() {
    let op = Op::new();
    let client = op.client();
    let started = op.start(&client, form_post()).await;
    assert!(started.url.contains("response_mode=form_post") && started.attempt.is_form_post());
    let body = callback_body(&started.attempt, &[]);
    let get = Callback::from_url(&format!("/cb?{body}"));
    let reason = refused(&op, &client, started.attempt.clone(), get).await;
    assert_eq!(reason, LoginError::WrongResponseMode);
    // The cap of two million bytes, method and content type are the web framework's part; whatever passes is an error.
    let huge = Callback::from_form(&format!("{body}&state={}", "x".repeat(2_000_000)));
    let reason = refused(&op, &client, started.attempt.clone(), huge).await;
    assert_eq!(reason, LoginError::DuplicateParameter("state".to_owned()));
    client.finish_login(started.attempt, Callback::from_form(&body)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cb_14_of_callbacks_that_race_one_exchanges_the_code() {
    let op = Op::new();
    let client = op.client();
    let attempt = op.start(&client, LoginOptions::new()).await.attempt;
    let kept = std::sync::Arc::new(MemoryCache::new());
    let stored = serde_json::to_vec(&attempt).unwrap();
    kept.put(attempt.state(), stored.into(), attempt.lifetime()).await.unwrap();
    let racers = (0..16).map(|_| {
        let (kept, client, op, attempt) = (kept.clone(), client.clone(), op.clone(), attempt.clone());
        tokio::spawn(async move {
            let callback = op.callback(&attempt, &[]);
            let taken = kept.take(callback.get("state").unwrap()).await.unwrap();
            let Some(stored) = taken else { return false };
            let attempt: LoginAttempt = serde_json::from_slice(&stored).unwrap();
            client.finish_login(attempt, callback).await.unwrap().token.access_token() == ACCESS_TOKEN
        })
    });
    let mut winners = 0;
    for racer in racers.collect::<Vec<_>>() {
        winners += usize::from(racer.await.unwrap());
    }
    assert_eq!((winners, op.count(Endpoint::Token)), (1, 1));
}

#[tokio::test]
async fn cb_15_what_prompt_none_cannot_do_is_told_apart() {
    for code in ["login_required", "interaction_required", "consent_required", "account_selection_required"] {
        for mode in [ResponseMode::Query, ResponseMode::FormPost] {
            let op = Op::new();
            let client = op.client();
            let options = LoginOptions::new().prompt("none").response_mode(mode);
            let attempt = op.start(&client, options).await.attempt;
            let callback = op.callback(&attempt, &[("code", ""), ("error", code)]);
            let error = client.finish_login(attempt, callback).await.unwrap_err();
            assert_eq!(error.oauth_error().unwrap().code, code);
            assert_eq!(error.class(), ErrorClass::Reauthorize, "{code}");
            assert_eq!(op.counts(), [1, 0, 0, 0]);
        }
    }
}

#[tokio::test]
async fn a_hybrid_callback_without_its_id_token_is_refused() {
    let op = Op::new();
    let client = op.client();
    for id_token in ["", "null", "a.b", "a.b.c.d.e"] {
        let attempt = op.start(&client, hybrid()).await.attempt;
        let callback = op.callback(&attempt, &[("id_token", id_token)]);
        let check = client.finish_login(attempt, callback).await.unwrap_err().jwt_check().unwrap();
        let expected = match id_token {
            "" => JwtCheck::Presence,
            "a.b.c.d.e" => JwtCheck::Encryption,
            _ => JwtCheck::Form,
        };
        assert_eq!((check, op.counts()), (expected, [1, 0, 0, 0]), "{id_token}");
    }
}
