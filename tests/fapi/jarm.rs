//! Signed authorization responses (JARM), by the ids of the conformance list.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_clients::{
    AuthorizationRequest, Callback, ErrorClass, ErrorKind, JwtCheck, JwtUse, Login, LoginAttempt, LoginError,
    LoginOptions, OAuth2, Provider, ResponseMode, ResponseType, Result, async_trait, openid::OpenID,
    provider_kit::form_encoded,
};
use oauth_fapi::{
    SignedResponses,
    oauth_openid::{Algorithm, DecryptError, Decrypter, RegisteredClient},
};
use serde_json::{Value, json};

use crate::{
    openid::op::{CLIENT_ID, CODE, Endpoint, ISSUER, Key, Op, REDIRECT_URI, Signing, merge},
    support::query_of,
};

fn client(op: &Op) -> OpenID {
    op.client().with_participant(SignedResponses::new())
}

/// What a response to this attempt holds that is right in every way, with a patch laid over it.
fn claims(op: &Op, attempt: &LoginAttempt, patch: &Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": CLIENT_ID, "exp": op.clock.seconds() + 60, "code": CODE, "state": attempt.state(),
    });
    merge(&mut claims, patch);
    claims
}

fn signed(claims: &Value) -> String {
    Signing::With("RS256", Key::Rsa).token(&json!({"alg": "RS256", "kid": "rsa"}), claims)
}

fn query(response: &str) -> Callback {
    Callback::from_query(&form_encoded(&[("response", response)]))
}

/// A login whose callback is made of its attempt. Nothing but metadata and keys is asked for when it is refused.
async fn login(op: &Op, client: &OpenID, callback: impl FnOnce(&LoginAttempt) -> Callback) -> Result<Login> {
    let attempt = op.start(client, LoginOptions::new()).await.attempt;
    let callback = callback(&attempt);
    let outcome = client.finish_login(attempt, callback).await;
    if outcome.is_err() {
        assert_eq!(op.count(Endpoint::Token), 0);
    }
    outcome
}

fn reason(outcome: Result<Login>) -> LoginError {
    match outcome.unwrap_err().kind() {
        ErrorKind::Login(error) => error.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_signed_response_signs_in() {
    let op = Op::new();
    let client = client(&op);
    let outcome = login(&op, &client, |attempt| query(&signed(&claims(&op, attempt, &json!({}))))).await;
    outcome.unwrap();
    let form = op.requests().into_iter().find(|sent| sent.url.ends_with("token")).unwrap().form();
    assert!(form.contains(&("code".to_owned(), CODE.to_owned())));
}

#[tokio::test]
async fn jm_01_plain_parameters_are_refused_where_signed_ones_were_asked_for() {
    let op = Op::new();
    let plain = |attempt: &LoginAttempt, more: &[(&str, &str)]| {
        let mut pairs = vec![("state", attempt.state())];
        pairs.extend(more);
        Callback::from_query(&form_encoded(&pairs))
    };
    for more in [
        &[("code", CODE)][..],
        &[("code", CODE), ("iss", ISSUER)],
        &[("error", "access_denied")],
        &[("error", "access_denied"), ("response", "")],
        &[],
    ] {
        let outcome = login(&op, &client(&op), |attempt| plain(attempt, more)).await;
        assert_eq!(reason(outcome), LoginError::WrongResponseMode, "{more:?}");
    }
    // What the callback says is shown to whoever looks for the cause, and decides nothing.
    let outcome = login(&op, &client(&op), |attempt| plain(attempt, &[("error", "server_error")])).await;
    let error = outcome.unwrap_err();
    assert!(error.to_string().contains("server_error") && error.oauth_error().is_none(), "{error}");
    assert_eq!(error.class(), ErrorClass::Protocol);
    // Beside a signed response, too.
    for (name, value) in
        [("code", "other"), ("state", "other"), ("error", "access_denied"), ("id_token", "x")]
    {
        let outcome = login(&op, &client(&op), |attempt| {
            let response = signed(&claims(&op, attempt, &json!({})));
            Callback::from_query(&form_encoded(&[("response", &*response), (name, value)]))
        })
        .await;
        assert_eq!(reason(outcome), LoginError::WrongResponseMode, "{name}");
    }
    // Twice, and where nobody asked.
    let outcome = login(&op, &client(&op), |attempt| {
        let response = signed(&claims(&op, attempt, &json!({})));
        Callback::from_query(&form_encoded(&[("response", &*response), ("response", &*response)]))
    })
    .await;
    assert_eq!(reason(outcome), LoginError::DuplicateParameter("response".to_owned()));
    for beside in [false, true] {
        let outcome = login(&op, &op.client(), |attempt| {
            let response = signed(&claims(&op, attempt, &json!({})));
            let mut pairs = vec![("response", &*response)];
            if beside {
                pairs.extend([("code", CODE), ("state", attempt.state())]);
            }
            Callback::from_query(&form_encoded(&pairs))
        })
        .await;
        assert_eq!(reason(outcome), LoginError::WrongResponseMode);
    }
}

async fn check(op: &Op, client: &OpenID, response: impl FnOnce(&LoginAttempt) -> String) -> Option<JwtCheck> {
    let error = login(op, client, |attempt| query(&response(attempt))).await.unwrap_err();
    if let ErrorKind::Jwt(jwt) = error.kind() {
        assert_eq!(jwt.token, JwtUse::AuthorizationResponse);
    }
    error.jwt_check()
}

#[tokio::test]
async fn jm_02_issuer_audience_and_expiry_are_checked() {
    let op = Op::new();
    let now = op.clock.seconds();
    for (patch, expected) in [
        (json!({"iss": null}), JwtCheck::Issuer),
        (json!({"iss": "https://evil.example"}), JwtCheck::Issuer),
        (json!({"iss": format!("{ISSUER}/")}), JwtCheck::Issuer),
        (json!({"iss": 1}), JwtCheck::Issuer),
        (json!({"aud": null}), JwtCheck::Audience),
        (json!({"aud": "client-2"}), JwtCheck::Audience),
        (json!({"aud": []}), JwtCheck::Audience),
        (json!({"exp": null}), JwtCheck::Expiry),
        (json!({"exp": now - 60}), JwtCheck::Expiry),
        (json!({"exp": "never"}), JwtCheck::Expiry),
    ] {
        let found = check(&op, &client(&op), |attempt| signed(&claims(&op, attempt, &patch))).await;
        assert_eq!(found, Some(expected), "{patch}");
    }
    // A minute of leeway.
    let late = json!({"exp": now - 59});
    login(&op, &client(&op), |attempt| query(&signed(&claims(&op, attempt, &late)))).await.unwrap();
}

#[tokio::test]
async fn jm_03_the_signature_is_checked_by_the_registered_algorithm() {
    let op = Op::new();
    let by = |signing: Signing, header: Value| {
        let op = &op;
        move |attempt: &LoginAttempt| signing.token(&header, &claims(op, attempt, &json!({})))
    };
    for (signing, header, expected) in [
        (Signing::With("RS256", Key::OtherRsa), json!({"alg": "RS256", "kid": "rsa"}), JwtCheck::Signature),
        (Signing::Bytes(vec![]), json!({"alg": "none"}), JwtCheck::Algorithm),
        (Signing::Bytes(vec![]), json!({"alg": "RS256", "kid": "rsa"}), JwtCheck::Signature),
        (Signing::With("PS256", Key::Rsa), json!({"alg": "PS256", "kid": "rsa"}), JwtCheck::Algorithm),
        (
            Signing::With("RS256", Key::Rsa),
            json!({"alg": "RS256", "kid": "rsa", "crit": ["x"]}),
            JwtCheck::Critical,
        ),
    ] {
        let found = check(&op, &client(&op), by(signing, header.clone())).await;
        assert_eq!(found, Some(expected), "{header}");
    }
    // Another one is for the client to say, and RS256 is then none.
    let op = Op::new();
    op.bend(|state| state.jwks = json!({"keys": [Key::Rsa.bare("rsa")]}));
    let strict = op.client().with_participant(SignedResponses::new().algorithms([Algorithm::PS256]));
    let found = check(&op, &strict, |attempt| signed(&claims(&op, attempt, &json!({})))).await;
    assert_eq!(found, Some(JwtCheck::Algorithm));
    let attempt = op.start(&strict, LoginOptions::new()).await.attempt;
    let header = json!({"alg": "PS256", "kid": "rsa"});
    let response = Signing::With("PS256", Key::Rsa).token(&header, &claims(&op, &attempt, &json!({})));
    strict.finish_login(attempt, query(&response)).await.unwrap();
}

#[tokio::test]
async fn jm_03_what_was_registered_is_what_is_accepted() {
    let registered = |more: Value| -> RegisteredClient {
        let mut whole = json!({"client_id": CLIENT_ID});
        merge(&mut whole, &more);
        serde_json::from_value(whole).unwrap()
    };
    let op = Op::new();
    op.bend(|state| state.jwks = json!({"keys": [Key::Rsa.bare("rsa")]}));
    let ps256 = registered(json!({"authorization_signed_response_alg": "PS256"}));
    let strict = op.client().with_participant(SignedResponses::of_registration(&ps256).unwrap());
    let found = check(&op, &strict, |attempt| signed(&claims(&op, attempt, &json!({})))).await;
    assert_eq!(found, Some(JwtCheck::Algorithm));
    let usual =
        op.client().with_participant(SignedResponses::of_registration(&registered(json!({}))).unwrap());
    login(&op, &usual, |attempt| query(&signed(&claims(&op, attempt, &json!({}))))).await.unwrap();
    let encrypted = registered(json!({"authorization_encrypted_response_alg": "RSA-OAEP-256"}));
    let op = Op::new();
    let strict = op.client().with_participant(SignedResponses::of_registration(&encrypted).unwrap());
    let found = check(&op, &strict, |attempt| signed(&claims(&op, attempt, &json!({})))).await;
    assert_eq!(found, Some(JwtCheck::Encryption));
    for bad in ["none", "RS1", ""] {
        let registered = registered(json!({"authorization_signed_response_alg": bad}));
        assert!(SignedResponses::of_registration(&registered).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn jm_04_state_code_and_error_are_those_inside() {
    let op = Op::new();
    for (patch, expected) in [
        (json!({"state": "another"}), LoginError::StateMismatch),
        (json!({"state": null}), LoginError::MissingState),
        (json!({"state": ""}), LoginError::StateMismatch),
        (json!({"code": null}), LoginError::MissingCode),
    ] {
        let outcome = login(&op, &client(&op), |attempt| query(&signed(&claims(&op, attempt, &patch)))).await;
        let found = reason(outcome);
        assert!(
            found == expected || (patch["state"] == "" && found == LoginError::MissingState),
            "{patch}: {found:?}"
        );
    }
    let refused = json!({"code": null, "error": "access_denied", "error_description": "no"});
    let outcome = login(&op, &client(&op), |attempt| query(&signed(&claims(&op, attempt, &refused)))).await;
    let error = outcome.unwrap_err();
    assert_eq!(
        (&*error.oauth_error().unwrap().code, error.class()),
        ("access_denied", ErrorClass::Reauthorize)
    );
    // Its error is nobody's while the signature is not the provider's.
    let found = check(&op, &client(&op), |attempt| {
        let claims = claims(&op, attempt, &refused);
        Signing::With("RS256", Key::OtherRsa).token(&json!({"alg": "RS256", "kid": "rsa"}), &claims)
    })
    .await;
    assert_eq!(found, Some(JwtCheck::Signature));
}

#[tokio::test]
async fn jm_05_each_mode_is_asked_for_and_taken() {
    for (mode, response_type, sent, arrives) in [
        (None, ResponseType::Code, "jwt", "query"),
        (Some(ResponseMode::Jwt), ResponseType::Code, "jwt", "query"),
        (Some(ResponseMode::Query), ResponseType::Code, "query.jwt", "query"),
        (Some(ResponseMode::QueryJwt), ResponseType::Code, "query.jwt", "query"),
        (Some(ResponseMode::Fragment), ResponseType::Code, "fragment.jwt", "fragment"),
        (Some(ResponseMode::FragmentJwt), ResponseType::Code, "fragment.jwt", "fragment"),
        (Some(ResponseMode::FormPost), ResponseType::Code, "form_post.jwt", "form"),
        (Some(ResponseMode::FormPostJwt), ResponseType::Code, "form_post.jwt", "form"),
        (None, ResponseType::CodeIdToken, "form_post.jwt", "form"),
        (Some(ResponseMode::Jwt), ResponseType::CodeIdToken, "jwt", "fragment"),
    ] {
        for arrival in ["query", "fragment", "form"] {
            let op = Op::new();
            let client = client(&op);
            let mut options = LoginOptions::new().response_type(response_type);
            if let Some(mode) = mode {
                options = options.response_mode(mode);
            }
            let started = op.start(&client, options).await;
            let asked =
                query_of(&started.url).into_iter().find(|(name, _)| name == "response_mode").unwrap().1;
            assert_eq!(asked, sent);
            // Stored and read again, as in a session.
            let stored = serde_json::to_string(&started.attempt).unwrap();
            let attempt: LoginAttempt = serde_json::from_str(&stored).unwrap();
            assert_eq!(attempt.is_form_post(), arrives == "form");
            let c_hash = crate::openid::op::left_half("RS256", CODE);
            let patch = match response_type {
                ResponseType::Code => json!({}),
                _ => json!({"id_token": op.id_token(json!({"c_hash": c_hash}))}),
            };
            let response = form_encoded(&[("response", &*signed(&claims(&op, &attempt, &patch)))]);
            let callback = match arrival {
                "query" => Callback::from_url(&format!("{REDIRECT_URI}?{response}")),
                "fragment" => Callback::from_url(&format!("{REDIRECT_URI}#{response}")),
                _ => Callback::from_form(&response),
            };
            let outcome = client.finish_login(attempt, callback).await;
            match arrival == arrives {
                true => drop(outcome.unwrap()),
                false => assert_eq!(reason(outcome), LoginError::WrongResponseMode, "{sent} by {arrival}"),
            }
        }
    }
    // An ID token in a query is for those who registered encryption.
    let hybrid =
        || LoginOptions::new().response_type(ResponseType::CodeIdToken).response_mode(ResponseMode::QueryJwt);
    let op = Op::new();
    assert!(client(&op).start_login(REDIRECT_URI, hybrid()).await.is_err());
    let encrypted = op.client().with_participant(SignedResponses::new().encrypted());
    encrypted.start_login(REDIRECT_URI, hybrid()).await.unwrap();
    let by_hand = AuthorizationRequest::new(REDIRECT_URI)
        .response_type(ResponseType::CodeIdToken)
        .extras_params(&json!({"response_mode": "query.jwt"}));
    assert!(op.client().get_authorization_url(by_hand).await.is_err());
}

#[tokio::test]
async fn jm_05_a_client_that_cannot_verify_a_response_does_not_ask_for_one() {
    let op = Op::new();
    for mode in
        [ResponseMode::Jwt, ResponseMode::QueryJwt, ResponseMode::FragmentJwt, ResponseMode::FormPostJwt]
    {
        let error =
            op.client().start_login(REDIRECT_URI, LoginOptions::new().response_mode(mode)).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.to_string().contains("SignedResponses"), "{error}");
    }
    // Nor one without keys.
    let plain = OAuth2::new("id", "secret", "https://as.example/authorize", "https://as.example/token")
        .with_participant(SignedResponses::new());
    let error = plain.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
}

/// Takes what a token is encrypted for, in a form of the test's own, as its fourth part.
#[derive(Debug)]
struct Unwrapper;

#[async_trait]
impl Decrypter for Unwrapper {
    async fn decrypt(&self, token: &str) -> Result<String, DecryptError> {
        let text = token.split('.').nth(3).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        text.and_then(|text| String::from_utf8(text).ok()).ok_or(DecryptError::Failed)
    }
}

#[tokio::test]
async fn jm_06_a_foreign_response_makes_no_request() {
    let op = Op::new();
    for patch in [json!({"iss": "https://evil.example"}), json!({"state": "another"})] {
        login(&op, &client(&op), |attempt| query(&signed(&claims(&op, attempt, &patch)))).await.unwrap_err();
    }
    assert_eq!(op.count(Endpoint::Keys), 0);
}

#[tokio::test]
async fn jm_07_another_kind_of_token_is_no_response_and_a_response_is_no_id_token() {
    let op = Op::new();
    let strangers = json!({"aud": [CLIENT_ID, "client-2"]});
    let found = check(&op, &client(&op), |attempt| signed(&claims(&op, attempt, &strangers))).await;
    assert_eq!(found, Some(JwtCheck::Audience));
    let found = check(&op, &client(&op), |attempt| {
        let whole = signed(&claims(&op, attempt, &json!({})));
        whole[..whole.rfind('.').unwrap()].to_owned()
    })
    .await;
    assert_eq!(found, Some(JwtCheck::Form));
    for kind in ["at+jwt", "logout+jwt", "secevent+jwt", "id_token", "oauth-authz-req+jwt"] {
        let found = check(&op, &client(&op), |attempt| {
            let header = json!({"alg": "RS256", "kid": "rsa", "typ": kind});
            Signing::With("RS256", Key::Rsa).token(&header, &claims(&op, attempt, &json!({})))
        })
        .await;
        assert_eq!(found, Some(JwtCheck::Type), "{kind}");
    }
    let id_token = op.id_token(json!({}));
    let outcome = login(&op, &client(&op), |_| query(&id_token)).await;
    assert_eq!(reason(outcome), LoginError::MissingState);
    // And the other way round.
    let op = Op::new();
    let plain = op.client();
    let attempt = op.start(&plain, LoginOptions::new()).await.attempt;
    let response = signed(&claims(&op, &attempt, &json!({"iat": op.clock.seconds()})));
    op.bend(|state| state.id_token = Some(response.into()));
    let callback = op.callback(&attempt, &[]);
    assert!(plain.finish_login(attempt, callback).await.unwrap_err().jwt_check().is_some());
}

#[tokio::test]
async fn jm_08_what_is_unknown_is_ignored_and_what_is_no_text_refused() {
    let op = Op::new();
    let more =
        json!({"iat": op.clock.seconds() + 9999, "nbf": "soon", "s_hash": "x", "session": {"a": 1}, "n": 1});
    login(&op, &client(&op), |attempt| query(&signed(&claims(&op, attempt, &more)))).await.unwrap();
    for patch in [
        json!({"code": 1}),
        json!({"code": [CODE]}),
        json!({"state": 1}),
        json!({"error": {"code": "x"}}),
        json!({"iss": [ISSUER]}),
    ] {
        let op = Op::new();
        let outcome = login(&op, &client(&op), |attempt| query(&signed(&claims(&op, attempt, &patch)))).await;
        assert_eq!(outcome.unwrap_err().class(), ErrorClass::Protocol, "{patch}");
    }
}

#[tokio::test]
async fn an_encrypted_response_is_decrypted_and_then_verified() {
    let op = Op::new();
    let client = op
        .client_with(|policy| policy.decrypter(Unwrapper))
        .with_participant(SignedResponses::new().encrypted());
    let wrapped = |response: &str| format!("e.n.c.{}.x", URL_SAFE_NO_PAD.encode(response));
    let outcome =
        login(&op, &client, |attempt| query(&wrapped(&signed(&claims(&op, attempt, &json!({})))))).await;
    outcome.unwrap();
    // The state is found in it, too.
    let op = Op::new();
    let client = op
        .client_with(|policy| policy.decrypter(Unwrapper))
        .with_participant(SignedResponses::new().encrypted());
    let attempt = op.start(&client, LoginOptions::new()).await.attempt;
    let callback = query(&wrapped(&signed(&claims(&op, &attempt, &json!({})))));
    let ready = client.oauth2().ready().await.unwrap();
    assert_eq!(ready.state_of_callback(&callback).await.as_deref(), Some(attempt.state()));
    // One that is not, or not for this client.
    let op = Op::new();
    let found = check(&op, &client_encrypted(&op), |attempt| signed(&claims(&op, attempt, &json!({})))).await;
    assert_eq!(found, Some(JwtCheck::Encryption));
    let found =
        check(&op, &self::client(&op), |attempt| wrapped(&signed(&claims(&op, attempt, &json!({}))))).await;
    assert_eq!(found, Some(JwtCheck::Encryption));
}

fn client_encrypted(op: &Op) -> OpenID {
    op.client_with(|policy| policy.decrypter(Unwrapper)).with_participant(SignedResponses::new().encrypted())
}
