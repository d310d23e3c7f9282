//! Sign-ins on the web whose answer is signed (JARM): the routes find their cookie, and believe nothing that nobody has verified.

use http::{Method, Request, header};
use http_body_util::Full;
use oauth_clients::{
    LoginOptions, Provider, ResponseMode, Sealer, SealingKey, bytes::Bytes, provider_kit::form_encoded,
};
use oauth_fapi::SignedResponses;
use oauth_web::{SignIn, SignInErrorKind, SignInRequest};
use serde_json::json;

use super::value;
use crate::{
    openid::op::{CLIENT_ID, CODE, Endpoint, ISSUER, Key, Op, Signing},
    support::query_of,
};

const SITE: &str = "https://app.example/auth/openid";

fn sign_in(op: &Op, mode: Option<ResponseMode>) -> SignIn {
    let client = op.client().with_participant(SignedResponses::new());
    SignIn::new(Sealer::new(SealingKey::from_bytes([1; 32])))
        .at("https://app.example")
        .unwrap()
        .provider(client)
        .unwrap()
        .on_login(move |_: &str, _: &_| match mode {
            Some(mode) => LoginOptions::new().response_mode(mode),
            None => LoginOptions::new(),
        })
}

fn request(method: Method, path_and_query: &str, cookie: Option<&str>) -> SignInRequest {
    let mut request = Request::builder().method(method).uri(format!("{SITE}/{path_and_query}"));
    if let Some(cookie) = cookie {
        request = request.header(header::COOKIE, cookie);
    }
    let (parts, ()) = request
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(())
        .unwrap()
        .into_parts();
    SignInRequest::new(parts, [("provider", "openid")])
}

/// Begins a login: its state, and the browser's cookie.
async fn begin(op: &Op, sign_in: &SignIn) -> (String, String) {
    let answer = sign_in.login(&request(Method::GET, "login", None)).await;
    let mut headers = http::HeaderMap::new();
    answer.headers.apply(&mut headers);
    let response = answer.result.unwrap();
    let url = response.headers()[header::LOCATION].to_str().unwrap();
    op.visit(url);
    let cookie = headers[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    (value(&query_of(url), "state").unwrap(), cookie)
}

fn response(op: &Op, state: &str, key: Key) -> String {
    let claims = json!({
        "iss": ISSUER, "aud": CLIENT_ID, "exp": op.clock.seconds() + 60, "code": CODE, "state": state,
    });
    let jwt = Signing::With("RS256", key).token(&json!({"alg": "RS256", "kid": "rsa"}), &claims);
    form_encoded(&[("response", &*jwt)])
}

/// Who signed in, or the name of what is wrong.
async fn finish(sign_in: &SignIn, request: &SignInRequest, body: &str) -> Result<String, String> {
    let answer = sign_in.callback(request, Full::new(Bytes::from(body.to_owned()))).await;
    let name = |kind: &SignInErrorKind| match kind {
        SignInErrorKind::Login(_) => "login".to_owned(),
        SignInErrorKind::NoAttempt => "no attempt".to_owned(),
        SignInErrorKind::AlreadyUsed => "already used".to_owned(),
        other => format!("{other:?}"),
    };
    answer.result.map(|user| user.identity.subject.clone()).map_err(|error| name(error.kind()))
}

#[tokio::test]
async fn a_signed_answer_finds_its_cookie() {
    for (mode, method) in [(None, Method::GET), (Some(ResponseMode::FormPostJwt), Method::POST)] {
        let op = Op::new();
        let sign_in = sign_in(&op, mode);
        let (state, cookie) = begin(&op, &sign_in).await;
        let response = response(&op, &state, Key::Rsa);
        let (path, body) = match method {
            Method::GET => (format!("callback?{response}"), String::new()),
            _ => ("callback".to_owned(), response),
        };
        let callback = request(method.clone(), &path, Some(&cookie));
        assert_eq!(finish(&sign_in, &callback, &body).await.unwrap(), "user-1");
        // Once.
        assert_eq!(finish(&sign_in, &callback, &body).await, Err("already used".to_owned()));
    }
}

#[tokio::test]
async fn what_finds_the_cookie_is_not_believed() {
    let op = Op::new();
    let sign_in = sign_in(&op, None);
    let (state, cookie) = begin(&op, &sign_in).await;
    let get = |query: String| request(Method::GET, &format!("callback?{query}"), Some(&cookie));
    // Somebody else's signature does not use the attempt up, plain parameters are none, and another state has no cookie.
    let forged = finish(&sign_in, &get(response(&op, &state, Key::OtherRsa)), "").await;
    assert_eq!(forged, Err("login".to_owned()));
    let plain = finish(&sign_in, &get(form_encoded(&[("code", CODE), ("state", &state)])), "").await;
    assert_eq!(plain, Err("login".to_owned()));
    let other = finish(&sign_in, &get(response(&op, "another-state-of-somebody", Key::Rsa)), "").await;
    assert_eq!(other, Err("no attempt".to_owned()));
    for garbage in ["response=x", "response=a.b.c", "response=a.b.c.d.e", "response="] {
        let outcome = finish(&sign_in, &get(garbage.to_owned()), "").await;
        assert_eq!(outcome, Err("no attempt".to_owned()), "{garbage}");
    }
    assert_eq!(op.count(Endpoint::Token), 0);
    assert_eq!(finish(&sign_in, &get(response(&op, &state, Key::Rsa)), "").await.unwrap(), "user-1");
}
