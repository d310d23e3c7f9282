//! What a client sends, and what it makes of the replies.

use std::{collections::VecDeque, sync::Mutex};

use http::Method;
use serde_json::json;

use super::*;
use crate::{
    authorization::AuthorizationRequest,
    error::{ErrorKind, class::ErrorClass, transport::HttpError},
    login::LoginOptions,
    message::response::Response,
    provider::{Provider, provider_kit::ErrorSpec},
    secret::DatedSecret,
};

/// Answers by itself, and keeps the bodies that it was sent.
#[derive(Debug, Default)]
struct Script {
    replies: Mutex<VecDeque<http::Response<Bytes>>>,
    bodies: Mutex<Vec<String>>,
}

#[async_trait]
impl HttpClient for Script {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        self.bodies.lock().unwrap().push(String::from_utf8_lossy(request.body()).into_owned());
        Ok(self.replies.lock().unwrap().pop_front().expect("a reply for each request"))
    }
}

fn reply(status: u16, headers: &[(&'static str, String)], body: &Value) -> http::Response<Bytes> {
    let mut reply = http::Response::builder().status(status);
    for (name, value) in headers {
        reply = reply.header(*name, value);
    }
    reply.body(body.to_string().into()).unwrap()
}

fn scripted(
    client: OAuth2,
    replies: impl IntoIterator<Item = http::Response<Bytes>>,
) -> (Arc<Script>, OAuth2) {
    let script = Arc::new(Script { replies: Mutex::new(replies.into_iter().collect()), ..Script::default() });
    (script.clone(), client.with_http_client(script))
}

fn generic() -> OAuth2 {
    OAuth2::new("id", "secret", "https://as.example/authorize?audience=x", "https://as.example/token")
}

/// What comes of a request to an API that is answered like this.
async fn asked(answer: http::Response<Bytes>) -> Result<Response> {
    let (_, client) = scripted(generic(), [answer]);
    let request = client.request(Operation::API_REQUEST, Method::GET, "https://api.example/me");
    request.bearer("AT").send().await
}

#[tokio::test]
async fn the_next_secret_is_tried_after_a_refusal_by_number() {
    const SPEC: Spec = Spec {
        errors: ErrorSpec {
            failed_at: Some("/errcode"),
            success: &["0"],
            codes: &[("40125", "invalid_client"), ("40029", "invalid_grant")],
            ..ErrorSpec::RFC6749
        },
        endpoints: &[(Endpoint::Token, "https://as.example/token")],
        ..Spec::RFC6749
    };
    let token = || reply(200, &[], &json!({ "access_token": "AT", "errcode": 0 }));
    for (code, tried, class) in [
        (40125, &["new", "old"][..], None),
        (40029, &["new"], Some(ErrorClass::Reauthorize)),
        (40001, &["new"], Some(ErrorClass::Reauthorize)),
    ] {
        let secret = ClientSecret::rotating([DatedSecret::new("new"), DatedSecret::new("old")]);
        let client = OAuth2::from_spec(&SPEC, "id", secret);
        let (script, client) = scripted(client, [reply(200, &[], &json!({ "errcode": code })), token()]);
        let outcome = client.get_access_token("code", "https://app.example/callback", None, &[]).await;
        assert_eq!(outcome.err().map(|error| error.class()), class, "{code}");
        let bodies = script.bodies.lock().unwrap();
        let secrets: Vec<String> = bodies
            .iter()
            .filter_map(|body| {
                form_urlencoded::parse(body.as_bytes()).find(|(name, _)| name == "client_secret")
            })
            .map(|(_, value)| value.into_owned())
            .collect();
        assert_eq!(secrets, tried, "{code}");
    }
}

#[tokio::test]
async fn a_limit_tells_how_long_to_wait_in_the_ways_of_several_vendors() {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let header = |name: &'static str, value: &str| (name, value.to_owned());
    let nothing_remains = || header("x-ratelimit-remaining", "0");
    let until = |value: &str| header("x-ratelimit-reset", value);
    let empty = json!({});
    for (status, headers, body, wait) in [
        (403, vec![nothing_remains(), until("120")], &empty, Some(120)),
        (403, vec![nothing_remains(), until("86400")], &empty, Some(86_400)),
        // A Unix time that has passed means now.
        (403, vec![nothing_remains(), until("86401")], &empty, Some(0)),
        (403, vec![nothing_remains(), until(&(now + 200_000).to_string())], &empty, Some(86_400)),
        (403, vec![header("x-ratelimit-remaining", "1"), until("120")], &empty, None),
        (403, vec![header("x-rate-limit-reset", "120")], &empty, None),
        (429, vec![header("x-rate-limit-reset", "120")], &empty, Some(120)),
        (429, vec![], &json!({ "retry_after": 1.2 }), Some(2)),
        (403, vec![], &json!({ "retry_after": 1.2 }), None),
        (429, vec![header("retry-after", "7")], &json!({ "retry_after": 1.2 }), Some(7)),
        // What is refused by a code is not refused because of the limit.
        (403, vec![nothing_remains(), until("120")], &json!({ "error": "x" }), None),
        (403, vec![header("retry-after", "7")], &json!({ "error": "x" }), Some(7)),
    ] {
        let error = asked(reply(status, &headers, body)).await.err().expect("a refusal");
        assert_eq!(error.retry_after().map(|wait| wait.as_secs()), wait, "{status} {headers:?} {body}");
        let (ErrorKind::UnexpectedStatus { reply, .. } | ErrorKind::Refused { reply, .. }) = error.kind()
        else {
            panic!("{error}");
        };
        assert_eq!((reply.status().as_u16(), reply.body()), (status, body.to_string().as_bytes()));
    }
}

#[tokio::test]
async fn a_graphql_answer_is_its_data_unless_it_names_an_error() {
    let data = json!({ "me": { "id": "1" } });
    for nothing in [Value::Null, json!([]), json!(""), json!(0), json!(false), json!({})] {
        let answer = reply(200, &[], &json!({ "data": data, "errors": nothing }));
        assert_eq!(asked(answer).await.unwrap().graphql_data().unwrap(), data, "{nothing}");
    }
    for (errors, code, description) in [
        (json!([{ "message": "no", "extensions": { "code": "DENIED" } }]), "DENIED", Some("no")),
        (json!([{}]), "error", None),
        (json!("no"), "error", Some("no")),
        (json!(5), "error", Some("5")),
        (json!({ "message": "no" }), "error", None),
    ] {
        let answer = reply(200, &[], &json!({ "data": data, "errors": errors }));
        let error = asked(answer).await.unwrap().graphql_data().unwrap_err();
        let named = error.oauth_error().unwrap();
        assert_eq!((&*named.code, named.description.as_deref()), (code, description), "{errors}");
    }
    for no_data in [json!({ "data": null }), json!({}), json!([])] {
        let error = asked(reply(200, &[], &no_data)).await.unwrap().graphql_data().unwrap_err();
        assert_eq!(error.class(), ErrorClass::Protocol, "{no_data}");
    }
}

#[tokio::test]
async fn parameters_of_a_request_are_read_and_changed_and_not_printed() {
    let request = AuthorizationRequest::new("https://app.example/callback").state("STATE");
    let mut params = generic().authorization_params(request).await.unwrap();
    assert_eq!((params.endpoint(), params.get("audience")), ("https://as.example/authorize", Some("x")));
    let shown = format!("{params:?}");
    assert!(shown.contains("https://as.example/authorize") && shown.contains("state"), "{shown}");
    assert!(!shown.contains("STATE"), "{shown}");
    params.remove("state");
    assert_eq!((params.get("state"), params.get("client_id")), (None, Some("id")));
    params.clear();
    assert_eq!(params.to_url(), "https://as.example/authorize?audience=x");
}

#[test]
fn a_client_says_whether_its_callbacks_are_posted() {
    assert!(!generic().uses_form_post());
    for (mode, is_posted) in
        [("form_post", true), ("form_post.jwt", true), ("query", false), ("fragment", false)]
    {
        let client = generic().with_authorize_params(&json!({ "response_mode": mode }));
        assert_eq!(client.uses_form_post(), is_posted, "{mode}");
    }
}

/// By which login error a callback was refused; `None` if it was not.
fn refused(outcome: Result<()>) -> Option<String> {
    let error = outcome.err()?;
    let ErrorKind::Login(error) = error.kind() else { panic!("{error:?}") };
    Some(format!("{error:?}").chars().take_while(|character| character.is_ascii_alphabetic()).collect())
}

const CALLBACK: &str = "https://app.example/callback";

#[test]
fn a_callback_is_of_this_login_this_client_and_this_issuer() {
    let mut client = generic().with_callback_issuer("https://as.example");
    client.settings().requires_callback_issuer = true;
    let attempt = client.new_attempt(CALLBACK, &LoginOptions::new()).unwrap();
    let state = attempt.state();
    let iss = "iss=https://as.example";
    for (query, expected) in [
        (format!("code=C&state={state}&{iss}"), None),
        (format!("?code=C&state={state}&iss=https%3A%2F%2Fas.example"), None),
        (format!("error=access_denied&state={state}&{iss}"), None),
        (format!("code=C&state={state}&{iss}/"), Some("IssuerMismatch")),
        (format!("code=C&state={state}&iss=https://evil.example"), Some("IssuerMismatch")),
        (format!("code=C&state={state}"), Some("MissingIssuer")),
        (format!("code=C&id_token=x&state={state}"), Some("MissingIssuer")),
        (format!("code=C&{iss}"), Some("MissingState")),
        (format!("code=C&state=&{iss}"), Some("MissingState")),
        (format!("code=C&state={state}x&{iss}"), Some("StateMismatch")),
        (format!("code=C&state={}&{iss}", &state[1..]), Some("StateMismatch")),
        (format!("code=C&state={state}&state={state}&{iss}"), Some("DuplicateParameter")),
        (format!("https://app.example/callback?code=C&state={state}&{iss}"), Some("NotAQuery")),
        (format!("response=a.b.c&state={state}&{iss}"), Some("WrongResponseMode")),
    ] {
        let found = refused(client.check_callback(&attempt, &Callback::from_query(&query)));
        assert_eq!(found.as_deref(), expected, "{query}");
    }
    // A code that was posted was not asked for in this way; an error may come as it likes.
    let posted = |body: String| refused(client.check_callback(&attempt, &Callback::from_form(&body)));
    assert_eq!(posted(format!("code=C&state={state}&{iss}")).as_deref(), Some("WrongResponseMode"));
    assert_eq!(posted(format!("error=access_denied&state={state}&{iss}")), None);

    let good = Callback::from_query(&format!("code=C&state={state}&{iss}"));
    let moved = OAuth2::new("id", "secret", "https://as.example/authorize", "https://evil.example/token");
    let other_id = OAuth2::new("other", "secret", "https://as.example/authorize", "https://as.example/token");
    for other in [
        moved.with_callback_issuer("https://as.example"),
        other_id.with_callback_issuer("https://as.example"),
        generic().with_callback_issuer("https://evil.example"),
    ] {
        assert_eq!(refused(other.check_callback(&attempt, &good)).as_deref(), Some("OtherProvider"));
    }
    let mut stored = serde_json::to_value(&attempt).unwrap();
    let started_at = stored["started_at"].as_i64().unwrap();
    for (age, expected) in [(590, None), (610, Some("Expired"))] {
        stored["started_at"] = json!(started_at - age);
        let old: LoginAttempt = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(refused(client.check_callback(&old, &good)).as_deref(), expected, "{age}");
    }
}

#[test]
fn an_issuer_that_nothing_is_known_of_counts_only_where_none_is_required() {
    let mut client = generic();
    let attempt = client.new_attempt(CALLBACK, &LoginOptions::new()).unwrap();
    let callback =
        Callback::from_query(&format!("code=C&state={}&iss=https://evil.example", attempt.state()));
    assert_eq!(refused(client.check_callback(&attempt, &callback)), None);
    client.settings().requires_callback_issuer = true;
    assert_eq!(refused(client.check_callback(&attempt, &callback)).as_deref(), Some("IssuerMismatch"));
}

#[test]
fn what_cannot_be_checked_at_its_end_is_no_login() {
    let mut client = generic();
    let problem = |client: &OAuth2, options: LoginOptions| {
        client.new_attempt(CALLBACK, &options).map(|_| ()).map_err(|error| error.to_string()).err()
    };
    assert_eq!(problem(&client, LoginOptions::new()), None);
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(problem(&client, LoginOptions::new().data(nested(100))), None);
    let one = || LoginOptions::new().resources(["https://a.example"]);
    assert_eq!(problem(&client, one().token_resource("https://a.example")), None);
    client.settings().requires_callback_issuer = true;
    for (client, options, expected) in [
        (generic(), LoginOptions::new().data(nested(101)), "nested more than 100 deep"),
        (generic(), one().token_resource("https://b.example"), "not among the resources"),
        (generic(), LoginOptions::new().extras_params(&json!({ "max_age": "x" })), "whole number"),
        (generic(), LoginOptions::new().extras_params(&json!({ "max_age": 60 })), "this client gets none"),
        (client, LoginOptions::new(), "name it with with_callback_issuer"),
    ] {
        let found = problem(&client, options).expect("a problem");
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn an_issuer_of_one_of_the_tenants_is_for_a_participant_to_know() {
    #[derive(Debug)]
    struct Tenants;

    #[async_trait]
    impl Participant for Tenants {
        fn accepts_issuer(&self, _: &OAuth2, issuer: &str) -> Option<bool> {
            Some(issuer.starts_with("https://as.example/"))
        }
    }

    let mut client = generic().with_participant(Tenants);
    client.settings().requires_callback_issuer = true;
    let attempt = client.new_attempt(CALLBACK, &LoginOptions::new()).unwrap();
    for (iss, expected) in
        [("https://as.example/tenant", None), ("https://evil.example/tenant", Some("IssuerMismatch"))]
    {
        let callback = Callback::from_query(&format!("code=C&state={}&iss={iss}", attempt.state()));
        assert_eq!(refused(client.check_callback(&attempt, &callback)).as_deref(), expected, "{iss}");
    }
}
