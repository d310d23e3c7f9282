//! Pushed authorization requests (RFC 9126), by the ids of the conformance list.

use std::time::Duration;

use oauth_clients::{
    AuthorizationRequest, ClientAuth, Endpoint as CoreEndpoint, ErrorClass, ErrorKind, LoginError,
    LoginOptions, OAuth2, Operation, Provider,
    openid::{ClientMetadata, OpenID},
};
use oauth_fapi::PushedRequests;
use serde_json::{Value, json};

use super::{names, par_op, par_op_answering, pushed, value};
use crate::{
    openid::op::{CLIENT_ID, CLIENT_SECRET, Endpoint, ISSUER, Op, REDIRECT_URI},
    support::{Script, query_of, reply},
};

fn client(op: &Op) -> OpenID {
    op.client().with_participant(PushedRequests::new())
}

#[tokio::test]
async fn pr_01_the_request_is_posted_with_client_authentication() {
    for (auth, more) in [(ClientAuth::Basic, &[][..]), (ClientAuth::Post, &["client_secret"][..])] {
        let op = par_op();
        let started =
            client(&op).with_client_auth(auth).start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
        let [sent] = &pushed(&op)[..] else { panic!() };
        assert_eq!((&*sent.method, &sent.query[..]), ("POST", &[][..]));
        let form = sent.form();
        let mut expected = vec![
            "client_id",
            "code_challenge",
            "code_challenge_method",
            "nonce",
            "redirect_uri",
            "response_type",
            "scope",
            "state",
        ];
        expected.extend(more);
        expected.sort_unstable();
        assert_eq!(names(&form), expected, "{auth:?}");
        assert_eq!(value(&form, "state").as_deref(), Some(started.attempt.state()));
        assert_eq!(value(&form, "client_id").as_deref(), Some(CLIENT_ID));
        assert_eq!(sent.header("authorization").is_some(), auth == ClientAuth::Basic);
    }
}

#[tokio::test]
async fn pr_02_an_answer_that_names_no_request_is_refused() {
    for (status, body) in [
        (201, json!({"expires_in": 60})),
        (201, json!({"request_uri": "", "expires_in": 60})),
        (201, json!({"request_uri": 1, "expires_in": 60})),
        (201, json!({"request_uri": ["urn:x"], "expires_in": 60})),
        (201, json!({"request_uri": "urn:x"})),
        (201, json!({"request_uri": "urn:x", "expires_in": 0})),
        (201, json!({"request_uri": "urn:x", "expires_in": -5})),
        (201, json!({"request_uri": "urn:x", "expires_in": "60"})),
        (201, json!({"request_uri": "urn:x", "expires_in": null})),
        (201, json!(["urn:x"])),
        (200, json!({"request_uri": "urn:x", "expires_in": 60})),
        (202, json!({"request_uri": "urn:x", "expires_in": 60})),
    ] {
        let op = par_op_answering(status, body.to_string());
        let error = client(&op).start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{status} {body}: {error:?}");
        assert_eq!(
            (error.class(), error.operation()),
            (ErrorClass::Protocol, Operation::PUSH_AUTHORIZATION_REQUEST)
        );
        assert!(error.is_before_the_browser());
    }
    let op = par_op_answering(200, json!({"request_uri": "urn:x", "expires_in": 60}).to_string());
    let lenient = op.client().with_participant(PushedRequests::new().accepting_200());
    lenient.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();

    for (status, class) in [
        (400, ErrorClass::Protocol),
        (405, ErrorClass::Protocol),
        (413, ErrorClass::Protocol),
        (429, ErrorClass::Transient { retry_after: None }),
        (503, ErrorClass::Transient { retry_after: None }),
    ] {
        let op = par_op_answering(status, "");
        let error = client(&op).start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
        assert_eq!((error.status().unwrap().as_u16(), error.class()), (status, class), "{error}");
    }
}

#[tokio::test]
async fn pr_03_the_browser_carries_the_client_id_and_the_reference_alone() {
    let op = par_op();
    op.bend(|state| state.metadata["authorization_endpoint"] = "https://op.example/auth?tenant=a%26b".into());
    let url = client(&op).start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap().url;
    assert!(url.starts_with("https://op.example/auth?"), "{url}");
    let expected = [("tenant", "a&b"), ("client_id", CLIENT_ID), ("request_uri", "urn:example:request:0")];
    assert_eq!(query_of(&url), crate::support::owned(&expected));
}

#[tokio::test]
async fn pr_04_each_login_pushes_once_and_its_url_expires() {
    let op = par_op();
    let client = client(&op);
    let mut urls = std::collections::HashSet::new();
    for number in 1..=3 {
        let started = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
        assert_eq!(pushed(&op).len(), number);
        let until = started.url_expires_at.unwrap();
        assert_eq!(until.unix_timestamp(), op.clock.seconds() + 60);
        assert_eq!(started.url_at(until - Duration::from_secs(1)), Ok(&*started.url));
        assert_eq!(started.url_at(until), Err(LoginError::Expired));
        assert!(urls.insert(started.url));
    }
    let plain = Op::new().client().start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
    assert_eq!(plain.url_expires_at, None);
}

#[tokio::test]
async fn pr_05_where_a_push_is_demanded_nothing_else_is_built() {
    // By the server, and without an endpoint.
    let op = Op::bent(|state| state.metadata["require_pushed_authorization_requests"] = true.into());
    let refused = client(&op).start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Configuration);
    // By the server, with one; opting out does not help.
    let op = par_op();
    op.bend(|state| state.metadata["require_pushed_authorization_requests"] = true.into());
    let optional = op.client().with_participant(PushedRequests::new().only_on_demand());
    optional.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
    assert_eq!(pushed(&op).len(), 1);
    // By the client's registration.
    let op = par_op();
    op.bend(|state| {
        state.answer(Endpoint::Registration, |_| {
            let body = json!({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "client_secret_expires_at": 0,
                              "require_pushed_authorization_requests": true});
            Some(reply(201, "application/json", body.to_string()))
        });
    });
    let discovery = op.discovery();
    let registered = OpenID::register(&discovery, &ClientMetadata::new([REDIRECT_URI]), None).await.unwrap();
    let plain = registered.client(&discovery).unwrap();
    let refused = plain.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Configuration);
    assert!(refused.to_string().contains("RFC 9126"), "{refused}");
    let pushing = plain.with_participant(PushedRequests::new().only_on_demand());
    pushing.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
    assert_eq!(pushed(&op).len(), 1);
    // By the application.
    let required = Op::new().client().with_participant(PushedRequests::new().required());
    let refused = required.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Configuration);
}

#[tokio::test]
async fn pr_06_a_push_that_fails_ends_the_login() {
    let op = par_op_answering(500, "");
    let error = client(&op).start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient { retry_after: None });
    assert_eq!(pushed(&op).len(), 1);
    op.bend(|state| state.down = vec![Endpoint::Other]);
    let error = client(&op).start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Transport(_)), "{error:?}");
    assert!(error.is_before_the_browser());
}

#[tokio::test]
async fn pr_07_an_endpoint_in_the_metadata_is_reason_enough() {
    let op = par_op();
    let url = client(&op).get_authorization_url(AuthorizationRequest::new(REDIRECT_URI)).await.unwrap();
    assert!(url.contains("request_uri="), "{url}");
    let optional = op.client().with_participant(PushedRequests::new().only_on_demand());
    let url = optional.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap().url;
    assert!(!url.contains("request_uri=") && url.contains("state="), "{url}");
    // And without one there is nothing to push to.
    let url = client(&Op::new()).start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap().url;
    assert!(url.contains("state="), "{url}");
}

#[tokio::test]
async fn pr_09_the_reference_is_opaque() {
    for reference in [
        "urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c",
        "https://evil.example/x?a=b&client_id=other#frag",
        "a b&state=x#y\u{e9}%26",
    ] {
        let op = par_op_answering(201, json!({"request_uri": reference, "expires_in": 5}).to_string());
        let url = client(&op).start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap().url;
        let expected = [("client_id", CLIENT_ID), ("request_uri", reference)];
        assert_eq!(query_of(&url), crate::support::owned(&expected), "{url}");
        assert!(!url.contains('#'));
        assert!(op.requests().iter().all(|sent| sent.url.starts_with(ISSUER)));
    }
}

#[tokio::test]
async fn pr_10_a_short_life_is_told() {
    let op = par_op_answering(201, json!({"request_uri": "urn:x", "expires_in": 5}).to_string());
    let started = client(&op).start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
    assert_eq!(started.url_expires_at.unwrap().unix_timestamp(), op.clock.seconds() + 5);
    let op = par_op_answering(201, r#"{"request_uri": "urn:x", "expires_in": 1e300}"#);
    let outcome = client(&op).start_login(REDIRECT_URI, LoginOptions::new()).await;
    assert!(matches!(outcome.unwrap_err().kind(), ErrorKind::MalformedReply { .. }));
}

#[tokio::test]
async fn pr_11_a_public_client_pushes_by_its_id() {
    let answer = json!({"request_uri": "urn:x", "expires_in": 60});
    let http = Script::json(201, &answer);
    let client = OAuth2::new("native", "", "https://as.example/authorize", "https://as.example/token")
        .with_endpoints(|all| all.with(CoreEndpoint::PushedAuthorization, "https://as.example/par"));
    let client = client.with_http_client(http.clone()).with_participant(PushedRequests::new());
    let started = client.start_login("com.example.app:/cb", LoginOptions::new()).await.unwrap();
    assert_eq!(started.url, "https://as.example/authorize?client_id=native&request_uri=urn%3Ax");
    let sent = http.request();
    let form = sent.form();
    assert_eq!(
        names(&form),
        ["client_id", "code_challenge", "code_challenge_method", "redirect_uri", "response_type", "state"]
    );
    assert_eq!(sent.header("authorization"), None);
}

#[tokio::test]
async fn pr_12_what_the_server_refuses_is_told_before_the_browser_leaves() {
    for (status, code, class) in [
        (400, "invalid_scope", ErrorClass::Configuration),
        (400, "unauthorized_client", ErrorClass::Configuration),
        (400, "invalid_request", ErrorClass::Configuration),
        (401, "invalid_client", ErrorClass::Configuration),
        (403, "access_denied", ErrorClass::Reauthorize),
        (400, "invalid_target", ErrorClass::Configuration),
        (400, "invalid_authorization_details", ErrorClass::Configuration),
        (400, "invalid_request_object", ErrorClass::Configuration),
        (400, "invalid_request_uri", ErrorClass::Configuration),
        (400, "request_not_supported", ErrorClass::Configuration),
    ] {
        let op = par_op_answering(status, json!({"error": code, "error_description": "no"}).to_string());
        let error = client(&op).start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
        assert_eq!(error.oauth_error().unwrap().code, code);
        assert_eq!(error.class(), class, "{code}");
        assert!(error.is_before_the_browser());
        assert!(error.to_string().starts_with("push_authorization_request at "), "{error}");
    }
}

/// What a pushed request says in the open is no secret: hidden in the answer, `prompt=login` would garble `login_required`.
#[tokio::test]
async fn pr_12_the_words_of_a_request_are_left_in_what_the_server_answers() {
    for (prompt, code) in [("login", "login_required"), ("consent", "consent_required")] {
        let description = "a request for a code needs a code_challenge by S256";
        let answer = json!({"error": code, "error_description": description});
        let op = par_op_answering(400, answer.to_string());
        let options = LoginOptions::new().prompt(prompt);
        let error = client(&op).start_login(REDIRECT_URI, options).await.unwrap_err();
        let told = error.oauth_error().unwrap();
        assert_eq!((&*told.code, told.description.as_deref()), (code, Some(description)));
        assert_eq!(error.class(), ErrorClass::Reauthorize, "{code}");
    }
}

#[tokio::test]
async fn the_login_that_was_pushed_ends_as_any_other() {
    let op = par_op();
    let client = client(&op);
    let started = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
    op.state().nonce = value(&pushed(&op)[0].form(), "nonce");
    let callback = op.callback(&started.attempt, &[]);
    client.finish_login(started.attempt, callback).await.unwrap();
}

#[tokio::test]
async fn what_an_endpoints_query_asks_for_is_pushed_too() {
    let op = par_op();
    op.bend(|state| state.metadata["authorization_endpoint"] = "https://op.example/auth?prompt=login".into());
    let url = client(&op).start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap().url;
    assert_eq!(value(&pushed(&op)[0].form(), "prompt").as_deref(), Some("login"));
    assert_eq!(value(&query_of(&url), "prompt").as_deref(), Some("login"));
}

#[tokio::test]
async fn a_long_request_and_all_its_claims_are_pushed() {
    let op = par_op();
    let claims = json!({"userinfo": {"x".repeat(9000): Value::Null}});
    let url = client(&op).start_login(REDIRECT_URI, LoginOptions::new().claims(&claims)).await.unwrap().url;
    assert!(url.len() < 200);
    assert_eq!(value(&pushed(&op)[0].form(), "claims"), Some(claims.to_string()));
}

/// A claim of the JWT in a request.
fn claim(sent: &crate::support::Sent, jwt: &str, name: &str) -> Value {
    let form = sent.form();
    let text = value(&form, jwt).or_else(|| sent.header(jwt).map(str::to_owned)).unwrap();
    super::decoded(&text).1[name].clone()
}

/// Challenges with a nonce as long as `is_stubborn` or none was sent.
fn challenging_op(is_stubborn: bool) -> Op {
    let op = par_op();
    op.bend(|state| {
        state.metadata["token_endpoint_auth_methods_supported"] = json!(["private_key_jwt"]);
        state.token_reply = json!({"token_type": "DPoP"});
        let mut tries = 0;
        state.answer(Endpoint::Other, move |_| {
            tries += 1;
            let mut reply = match tries == 1 || is_stubborn {
                true => reply(400, "application/json", json!({"error": "use_dpop_nonce"}).to_string()),
                false => {
                    let body = json!({"request_uri": "urn:x", "expires_in": 60}).to_string();
                    reply(201, "application/json", body)
                }
            };
            reply.headers_mut().insert("dpop-nonce", format!("nonce-{tries}").parse().unwrap());
            Some(reply)
        });
    });
    op
}

fn bound(op: &Op) -> OpenID {
    let key = oauth_fapi::PrivateKeyJwt::new(super::es256());
    client(op)
        .with_participant(oauth_fapi::SignedRequests::new(super::es256()))
        .with_participant(oauth_fapi::Dpop::generate().unwrap())
        .with_oauth2(|oauth2| oauth2.with_credentials(oauth_clients::Credentials::authentication(key)))
}

#[tokio::test]
async fn pr_08_a_nonce_is_answered_once_with_all_of_it_made_anew() {
    let op = challenging_op(false);
    let client = bound(&op);
    let attempt = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap().attempt;
    let sent = pushed(&op);
    let [first, second] = &sent[..] else { panic!("{} requests", sent.len()) };
    for (jwt, id) in [("dpop", "jti"), ("client_assertion", "jti"), ("request", "jti")] {
        assert_ne!(claim(first, jwt, id), claim(second, jwt, id), "{jwt}");
    }
    assert_eq!(
        (claim(first, "dpop", "nonce"), claim(second, "dpop", "nonce")),
        (Value::Null, json!("nonce-1"))
    );
    assert_eq!(claim(first, "request", "state"), claim(second, "request", "state"));
    // The parameter names the key of the header.
    let header = super::decoded(second.header("dpop").unwrap()).0;
    let thumbprint = oauth_fapi::thumbprint(header["jwk"].as_object().unwrap()).unwrap();
    assert_eq!(claim(second, "request", "dpop_jkt"), json!(thumbprint));
    // The newest nonce serves the token request too.
    op.state().nonce = claim(second, "request", "nonce").as_str().map(str::to_owned);
    let callback = op.callback(&attempt, &[]);
    client.finish_login(attempt, callback).await.unwrap();
    let token_request = op.requests().into_iter().find(|sent| sent.url.ends_with("token")).unwrap();
    assert_eq!(claim(&token_request, "dpop", "nonce"), json!("nonce-2"));

    let op = challenging_op(true);
    let error = bound(&op).start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
    assert_eq!(error.oauth_error().unwrap().code, "use_dpop_nonce");
    assert!(error.is_before_the_browser());
    assert_eq!(pushed(&op).len(), 2);
}
