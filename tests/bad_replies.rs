//! Whatever a server answers, the caller gets an error that says what to do, keeps the reply, and shows no secret.

use std::time::{Duration, SystemTime};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use oauth_clients::{
    CodeVerifier, Endpoint, Error, ErrorClass, ErrorKind, HttpError, HttpErrorKind, LoginError, LoginOptions,
    OAuth2, OAuth2Token, Operation, Provider, Result, Spec, async_trait, provider_kit::TokenSpec,
    reqwest_client,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::{Script, owned, reply};

const SECRETS: [&str; 4] = ["CLIENT-SECRET", "THE-CODE", "REFRESH-TOKEN", "ACCESS-TOKEN"];

fn client(http: Script) -> OAuth2 {
    OAuth2::new("id", "CLIENT-SECRET", "https://as.example/authorize", "https://as.example/token")
        .with_refresh_endpoint("https://as.example/token")
        .with_revoke_endpoint("https://as.example/revoke")
        .with_profile_endpoint("https://as.example/me")
        .with_name("acme")
        .with_http_client(http)
}

async fn exchange(http: Script) -> Result<OAuth2Token> {
    client(http).get_access_token("THE-CODE", "https://app.example/cb", None, &[]).await
}

/// The error of an exchange that is answered so, after the checks that every error must pass.
async fn refused(status: u16, content_type: &str, body: impl Into<bytes::Bytes>) -> oauth_clients::Error {
    let body = body.into();
    let error = exchange(Script::new([reply(status, content_type, body.clone())])).await.unwrap_err();
    assert_eq!(error.operation(), Operation::GET_ACCESS_TOKEN);
    assert_eq!(error.provider(), "acme");
    assert_eq!(error.status().unwrap(), status);
    assert_eq!(error.body().unwrap(), &body[..]);
    let shown = format!("{error} {error:?}");
    assert!(error.to_string().starts_with("get_access_token at acme (as.example): "), "{error}");
    assert!(SECRETS.iter().all(|secret| !shown.contains(secret)), "{shown}");
    error
}

#[tokio::test]
async fn tk_08_success_that_holds_no_token_is_a_malformed_reply() {
    let deep = "{\"a\":".repeat(100_000);
    for (name, body) in [
        ("empty", &b""[..]),
        ("html", b"<!doctype html><title>Sign in</title>"),
        ("array", b"[]"),
        ("null", b"null"),
        ("string", b"\"ACCESS-TOKEN\""),
        ("truncated", b"{\"access_token\":\"ACCESS-TOKEN\",\"refr"),
        ("invalid UTF-8", b"{\"access_token\":\"\xff\xfe\"}"),
        ("deep", deep.as_bytes()),
        ("no token", b"{\"token_type\":\"bearer\"}"),
        ("null token", b"{\"access_token\":null}"),
        ("empty token", b"{\"access_token\":\"\"}"),
        ("number as token", b"{\"access_token\":123}"),
        ("token twice", b"{\"access_token\":\"ACCESS-TOKEN\",\"access_token\":\"b\"}"),
        ("token twice in a form", b"access_token=ACCESS-TOKEN&access_token=b"),
        ("another field twice in a form", b"access_token=ACCESS-TOKEN&refresh_token=a&refresh_token=b"),
        ("number too large for JSON", b"{\"access_token\":\"ACCESS-TOKEN\",\"expires_in\":1e400}"),
        ("page with a link", b"<a href=\"/x?y=1&access_token=EVIL\">x</a>"),
        (
            "truncated with a link",
            b"{\"access_token\":\"ACCESS-TOKEN\",\"uri\":\"https://x/?a=1&access_token=zzz",
        ),
        ("DPoP unasked", b"{\"access_token\":\"ACCESS-TOKEN\",\"token_type\":\"DPoP\"}"),
    ] {
        let error = refused(200, "application/json", body.to_vec()).await;
        assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{name}: {error}");
        assert_eq!(error.class(), ErrorClass::Protocol, "{name}");
    }
    let error = refused(204, "application/json", "").await;
    assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{error}");
}

#[tokio::test]
async fn tk_10_an_oauth_error_is_found_in_every_shape_and_under_every_status() {
    for (status, content_type, body) in [
        (400, "application/json", r#"{"error":"invalid_grant","error_description":"expired"}"#),
        (401, "application/json;charset=utf-8", r#"{"error":"invalid_grant","error_description":"expired"}"#),
        (200, "application/json", r#"{"error":"invalid_grant","error_description":"expired"}"#),
        (200, "text/plain", r#"{"error":"invalid_grant","message":"expired"}"#),
        (200, "application/x-www-form-urlencoded", "error=invalid_grant&error_description=expired"),
        (400, "application/json", r#"{"error":{"code":"invalid_grant","message":"expired"}}"#),
    ] {
        let error = refused(status, content_type, body).await;
        let oauth = error.oauth_error().unwrap_or_else(|| panic!("{body}: {error}"));
        assert_eq!(
            (&*oauth.code, oauth.description.as_deref()),
            ("invalid_grant", Some("expired")),
            "{body}"
        );
        assert_eq!(error.class(), ErrorClass::Reauthorize, "{body}");
        assert_eq!(
            error.to_string(),
            format!("get_access_token at acme (as.example): HTTP {status}: invalid_grant: expired")
        );
    }
}

#[tokio::test]
async fn tk_09_an_error_under_status_200_is_an_error_even_beside_a_token() {
    let of_github = r#"{"error":"bad_verification_code","error_description":"The code passed is incorrect or expired.","error_uri":"https://docs.github.example/x"}"#;
    let error = refused(200, "application/json; charset=utf-8", of_github).await;
    let oauth = error.oauth_error().unwrap();
    assert_eq!(oauth.code, "bad_verification_code");
    assert_eq!(oauth.description.as_deref(), Some("The code passed is incorrect or expired."));
    assert_eq!(oauth.uri.as_deref(), Some("https://docs.github.example/x"));
    assert_eq!(error.class(), ErrorClass::Reauthorize);
    let both = r#"{"access_token":"ACCESS-TOKEN","token_type":"bearer","error":"invalid_scope"}"#;
    let error = refused(200, "application/json", both).await;
    assert_eq!(error.oauth_error().unwrap().code, "invalid_scope");
    for (error, code) in [("true", "error"), (r#"["invalid_scope"]"#, "invalid_scope"), ("[{}]", "error")] {
        let body = format!(r#"{{"access_token":"ACCESS-TOKEN","error":{error},"message":"no"}}"#);
        let error = refused(200, "application/json", body).await;
        let oauth = error.oauth_error().unwrap();
        assert_eq!((&*oauth.code, oauth.description.as_deref()), (code, Some("no")));
    }
}

#[tokio::test]
async fn tk_10_a_page_instead_of_an_error_is_told_by_its_status_and_a_challenge_by_its_code() {
    for (status, class) in [
        (400, ErrorClass::Protocol),
        (401, ErrorClass::Configuration),
        (502, ErrorClass::Transient { retry_after: None }),
    ] {
        let page = format!("<html>ACCESS-TOKEN {}</html>", "x".repeat(10_000));
        let error = refused(status, "text/html", page).await;
        assert!(matches!(error.kind(), ErrorKind::UnexpectedStatus { message: None, .. }), "{error:?}");
        assert_eq!(error.class(), class, "{status}");
        let shown = format!("get_access_token at acme (as.example): HTTP {status} without an OAuth error");
        assert_eq!(error.to_string(), shown);
    }
    let mut answer = reply(401, "text/html", "<html>");
    let challenge = r#"Bearer error="invalid_client", error_description="no such client""#;
    answer.headers_mut().insert("www-authenticate", challenge.parse().unwrap());
    let error = exchange(Script::new([answer])).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "get_access_token at acme (as.example): HTTP 401: invalid_client: no such client"
    );
    assert_eq!(error.class(), ErrorClass::Configuration);
}

#[tokio::test]
async fn tk_11_a_token_of_an_unknown_type_is_no_bearer_token() {
    let long = "x".repeat(5000);
    for kind in ["mac", "N_A", "bearer_token", "Bearer ", "pop", &long] {
        let http = Script::json(200, &json!({"access_token": "ACCESS-TOKEN", "token_type": kind}));
        let client = client(http.clone());
        let token = client.get_access_token("THE-CODE", "https://app.example/cb", None, &[]).await.unwrap();
        assert_eq!(token.token_type(), Some(kind));
        for error in
            [token.bearer().map(drop).unwrap_err(), client.get_identity(&token).await.map(drop).unwrap_err()]
        {
            assert!(matches!(error.kind(), ErrorKind::Unsupported(_)), "{kind}: {error:?}");
            assert!(error.to_string().len() < 500);
        }
        // Nothing was sent with it.
        assert_eq!(http.requests().len(), 1, "{kind}");
    }
}

#[tokio::test]
async fn tk_12_a_token_bound_by_dpop_that_nobody_asked_for_is_refused_and_kept_in_the_body() {
    for kind in ["DPoP", "dpop", "DPOP"] {
        let body = json!({"access_token": "ACCESS-TOKEN", "token_type": kind, "refresh_token": "NEW"});
        for refreshes in [false, true] {
            let client = client(Script::json(200, &body));
            let outcome = match refreshes {
                false => client.get_access_token("THE-CODE", "https://app.example/cb", None, &[]).await,
                true => client.refresh_token("REFRESH-TOKEN", None).await,
            };
            let error = outcome.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{kind}: {error:?}");
            assert!(error.to_string().contains("DPoP"), "{error}");
            assert_eq!(error.body().unwrap(), body.to_string().as_bytes());
        }
    }
}

#[tokio::test]
async fn tk_15_members_that_nobody_knows_are_kept_and_stored() {
    let body = json!({
        "access_token": "ACCESS-TOKEN",
        "token_type": "bearer",
        "team": {"id": "T1", "list": [1, null, true]},
        "sub": "user-1",
        "ext_expires_in": 17,
        "": "",
    });
    let token = exchange(Script::json(200, &body)).await.unwrap();
    let stored: OAuth2Token = serde_json::from_str(&serde_json::to_string(&token).unwrap()).unwrap();
    for token in [&token, &stored] {
        for (name, value) in body.as_object().unwrap() {
            assert_eq!(token.get(name).as_ref(), Some(value), "{name}");
        }
    }
    assert_eq!(token, stored);
}

#[tokio::test]
async fn tk_22_no_header_is_needed_and_none_makes_a_reply_count_twice() {
    let mut kept = reply(200, "application/json", r#"{"access_token":"first"}"#);
    kept.headers_mut().insert("cache-control", "public, max-age=86400".parse().unwrap());
    let http = Script::new([kept, reply(200, "", r#"{"access_token":"second"}"#)]);
    let client = client(http.clone());
    for expected in ["first", "second"] {
        let token = client.refresh_token("REFRESH-TOKEN", None).await.unwrap();
        assert_eq!(token.access_token(), expected);
    }
    let [first, second] = &http.requests()[..] else { panic!() };
    assert_eq!(first, second);
}

#[tokio::test]
async fn the_class_says_what_to_do() {
    let transient =
        |seconds: Option<u64>| ErrorClass::Transient { retry_after: seconds.map(Duration::from_secs) };
    for (status, body, class) in [
        (400, r#"{"error":"invalid_grant"}"#, ErrorClass::Reauthorize),
        (401, r#"{"error":"invalid_client"}"#, ErrorClass::Configuration),
        (400, r#"{"error":"invalid_scope"}"#, ErrorClass::Configuration),
        (200, r#"{"error":"incorrect_client_credentials"}"#, ErrorClass::Configuration),
        (400, r#"{"error":"temporarily_unavailable"}"#, transient(None)),
        (503, r#"{"error":"invalid_request"}"#, transient(None)),
        (500, r#"{"error":"invalid_grant"}"#, transient(None)),
        (500, "<html>", transient(None)),
        (502, "", transient(None)),
        (429, "slow down", transient(None)),
        (401, "", ErrorClass::Configuration),
        (403, "<html>blocked</html>", ErrorClass::Protocol),
        (404, "", ErrorClass::Protocol),
        (302, "", ErrorClass::Protocol),
        (400, r#"{"error":"something_new"}"#, ErrorClass::Reauthorize),
    ] {
        assert_eq!(refused(status, "text/plain", body).await.class(), class, "{status} {body}");
    }

    let mut answer = reply(429, "text/plain", "");
    answer.headers_mut().insert("retry-after", "17".parse().unwrap());
    let error = exchange(Script::new([answer])).await.unwrap_err();
    assert_eq!(error.class(), transient(Some(17)));

    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(60));
    let mut answer = reply(503, "text/plain", "");
    answer.headers_mut().insert("retry-after", date.parse().unwrap());
    let wait = exchange(Script::new([answer])).await.unwrap_err().retry_after().unwrap();
    assert!((58..=60).contains(&wait.as_secs()), "{wait:?}");

    // A refresh token is not given up for an error that nobody knows.
    let http = Script::json(400, &json!({"error": "something_new"}));
    let error = client(http).refresh_token("REFRESH-TOKEN", None).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Protocol);

    // At the API, 401 means that the token is dead; at the token endpoint, that the client is not known.
    let http = Script::json(401, &json!({"message": "Bad credentials"}));
    let error = client(http).get_profile("ACCESS-TOKEN").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Reauthorize);
    assert_eq!(
        error.to_string(),
        "get_profile at acme (as.example): HTTP 401 without an OAuth error: Bad credentials"
    );
}

#[tokio::test]
async fn a_secret_that_the_server_echoes_is_not_shown() {
    let body =
        json!({"error": "invalid_grant", "error_description": "CLIENT-SECRET sent THE-CODE\nok?\u{1b}[2J"});
    let error = refused(400, "application/json", body.to_string()).await;
    assert_eq!(error.oauth_error().unwrap().description.as_deref(), Some("[hidden] sent [hidden] ok? [2J"));

    let error = refused(400, "application/json", json!({"error": "x".repeat(5000)}).to_string()).await;
    assert!(error.to_string().len() < 500);

    let body = json!({"error": "invalid_token", "error_description": "no such token: ACCESS-TOKEN"});
    let error = client(Script::json(401, &body)).get_profile("ACCESS-TOKEN").await.unwrap_err();
    assert!(!format!("{error}{error:?}").contains("ACCESS-TOKEN"), "{error:?}");
}

#[tokio::test]
async fn what_harms_nobody_is_tolerated() {
    for (status, content_type, body) in [
        (200, "application/json", r#"{"access_token":"AT"}"#),
        (201, "application/json", r#"{"access_token":"AT","token_type":"Bearer"}"#),
        (200, "text/plain", r#"{"access_token":"AT","token_type":"bEARER","unknown":{"a":[1]}}"#),
        (200, "text/javascript", r#"{"access_token":"AT"}"#),
        (200, "application/octet-stream", r#"{"access_token":"AT"}"#),
        (200, "", r#"{"access_token":"AT"}"#),
        (200, "text/plain", "access_token=AT&token_type=bearer&expires_in=3600"),
        (200, "application/x-www-form-urlencoded", "access_token=AT&scope=a%2Cb"),
        (200, "application/json", r#"{"access_token":"AT","error":null}"#),
        (200, "application/json", r#"{"access_token":"AT","error":false}"#),
        (200, "application/json", r#"{"access_token":"AT","error":[]}"#),
        (200, "application/x-www-form-urlencoded", "\r\naccess_token=AT&token_type=bearer&expires_in=3600\n"),
        (200, "text/plain", "\u{feff} \t access_token=AT&error=ok&expires_in=3600\r\n\r\n"),
        (200, "application/json", r#"{"access_token":"AT","error":"","refresh_token":"","expires_in":null}"#),
        (200, "application/json", r#" {"access_token":"AT","scope":["a","b"],"expires_in":"3600"}"#),
    ] {
        let token = exchange(Script::new([reply(status, content_type, body)])).await.unwrap();
        assert_eq!(token.access_token(), "AT", "{body}");
        assert_eq!(token.bearer().unwrap(), "AT", "{body}");
        assert_eq!(token.refresh_token(), None, "{body}");
        assert!(!token.is_expired(), "{body}");
    }
}

/// What servers send in `error` where there is none.
const SUCCESSES: &[&str] = &[
    r#"{"code":"ok","message":"","log_id":"202611"}"#,
    r#"{"code":"OK","message":"success"}"#,
    r#"{"code":0}"#,
    r#"{"code":0.0,"message":"success"}"#,
    r#"{"code":"0"}"#,
    r#"{"code":"","message":"","log_id":"202611"}"#,
    r#"{"code":null,"message":null}"#,
    r#"{"message":"","details":[]}"#,
    "{}",
    "[]",
    "[null]",
    r#"[""]"#,
    r#""""#,
    r#"" ""#,
    r#""0""#,
    r#""ok""#,
    r#""Success""#,
    r#""none""#,
    "0",
    "0.0",
    "null",
    "false",
];

#[tokio::test]
async fn tk_09_an_error_that_says_success_is_none_in_any_reply() {
    for error in SUCCESSES {
        let token = format!(r#"{{"access_token":"AT","expires_in":3600,"error":{error}}}"#);
        let answering = |body: &str| client(Script::new([reply(200, "application/json", body.to_owned())]));
        let exchanged =
            answering(&token).get_access_token("THE-CODE", "https://app.example/cb", None, &[]).await;
        assert_eq!(exchanged.unwrap().access_token(), "AT", "{error}");
        let refreshed = answering(&token).refresh_token("REFRESH-TOKEN", None).await;
        assert_eq!(refreshed.unwrap().access_token(), "AT", "{error}");
        let profile = format!(r#"{{"data":{{"user":{{"open_id":"u-1"}}}},"error":{error}}}"#);
        let profile = answering(&profile).get_profile("AT").await.unwrap();
        assert_eq!(profile["data"]["user"]["open_id"], "u-1", "{error}");
        let revoked = format!(r#"{{"error":{error}}}"#);
        answering(&revoked).revoke_token("AT", None).await.unwrap();
        let active = format!(r#"{{"active":true,"error":{error}}}"#);
        let introspecting = answering(&active).with_introspection_endpoint("https://as.example/introspect");
        assert_eq!(introspecting.introspect_token("AT", None).await.unwrap()["active"], true, "{error}");
        // Under a status that is none of success, the status says what happened.
        let failed = refused(400, "application/json", revoked).await;
        assert!(matches!(failed.kind(), ErrorKind::UnexpectedStatus { .. }), "{error}: {failed:?}");
    }
    for (error, code) in [
        (r#"{"code":"okay"}"#, "okay"),
        (r#"{"code":7}"#, "7"),
        (r#"{"message":"no"}"#, "error"),
        (r#"{"type":"OAuthException"}"#, "OAuthException"),
        (r#"{"errors":["no"]}"#, "error"),
        (r#""no""#, "no"),
        ("1", "1"),
        (r#"["ok","invalid_scope"]"#, "invalid_scope"),
    ] {
        let body = format!(r#"{{"access_token":"ACCESS-TOKEN","error":{error}}}"#);
        let failed = refused(200, "application/json", body).await;
        assert_eq!(failed.oauth_error().unwrap().code, code, "{error}");
    }
}

#[tokio::test]
async fn a_compressed_reply_is_not_asked_for_and_called_so() {
    let gzip: &[u8] =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xabVJLNN-.\x8e/\xc9\xcfN\xcdS\xb2Rr\x0cQ\xaa\x05\x00";
    for (status, coding, body, name) in [
        (200, None, gzip, "gzip"),
        (200, Some("gzip"), gzip, "gzip"),
        (200, Some("br"), b"\x8b\x0a\x80{\"a\"", "br"),
        (200, None, b"\x28\xb5\x2f\xfd\x04", "zstd"),
        (200, None, b"\x78\x9c\xabVJ", "deflate"),
        (400, None, gzip, "gzip"),
    ] {
        let mut answer = reply(status, "application/json", body);
        if let Some(coding) = coding {
            answer.headers_mut().insert("content-encoding", coding.parse().unwrap());
        }
        let answers = || Script::new([answer.clone()]);
        for error in [
            exchange(answers()).await.unwrap_err(),
            client(answers()).refresh_token("REFRESH-TOKEN", None).await.unwrap_err(),
            client(answers()).get_profile("ACCESS-TOKEN").await.unwrap_err(),
        ] {
            assert!(error.to_string().contains(&format!("it is compressed ({name})")), "{error}");
        }
    }
    // A header that is wrong harms nobody.
    let mut plain = reply(200, "application/json", r#"{"access_token":"AT"}"#);
    plain.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    assert_eq!(exchange(Script::new([plain])).await.unwrap().access_token(), "AT");
}

#[tokio::test]
async fn an_expires_in_that_means_never_is_the_providers_to_declare() {
    const fn never(expires_in: &'static [i64]) -> Spec {
        Spec { token: TokenSpec { never_expires_in: expires_in, ..TokenSpec::RFC6749 }, ..Spec::RFC6749 }
    }
    const MAILCHIMP: Spec = never(&[0]);
    const VK: Spec = never(&[0, -1]);
    for (spec, expires_in, is_expired) in [
        (&Spec::RFC6749, json!(0), true),
        (&Spec::RFC6749, json!(-1), true),
        (&MAILCHIMP, json!(0), false),
        (&MAILCHIMP, json!("0"), false),
        (&MAILCHIMP, json!(-1), true),
        (&VK, json!(-1), false),
        (&VK, json!(3600), false),
    ] {
        let token = json!({"access_token": "AT", "expires_in": expires_in});
        let client = OAuth2::from_spec(spec, "id", "s")
            .with_endpoints(|all| all.with(Endpoint::Token, "https://as.example/token"))
            .with_http_client(Script::json(200, &token));
        let token = client.get_access_token("THE-CODE", "https://app.example/cb", None, &[]).await.unwrap();
        let stored: OAuth2Token = serde_json::from_value(serde_json::to_value(&token).unwrap()).unwrap();
        for token in [token, stored] {
            assert_eq!(token.is_expired(), is_expired, "{} {expires_in}", spec.token.never_expires_in.len());
            assert_eq!(token.expires_at().is_some(), is_expired || expires_in == 3600);
        }
    }
}

#[tokio::test]
async fn rt_01_a_refresh_keeps_the_old_refresh_token_unless_there_is_a_new_one() {
    for (body, expected) in [
        (json!({"access_token": "new"}), "REFRESH-TOKEN"),
        (json!({"access_token": "new", "refresh_token": null}), "REFRESH-TOKEN"),
        (json!({"access_token": "new", "refresh_token": ""}), "REFRESH-TOKEN"),
        (json!({"access_token": "new", "refresh_token": "rotated"}), "rotated"),
    ] {
        let token = client(Script::json(200, &body)).refresh_token("REFRESH-TOKEN", None).await.unwrap();
        assert_eq!(token.refresh_token(), Some(expected));
    }
}

#[tokio::test]
async fn tk_14_after_a_refresh_that_says_nothing_of_the_scope_it_is_what_it_was() {
    let granted = || json!({"access_token": "old", "refresh_token": "REFRESH-TOKEN", "scope": "a b"});
    for (old, asked, reply, expected) in [
        // RFC 6749 section 6: the one that was granted, which may be less than the login asked for.
        (granted(), None, json!({"access_token": "new"}), Some(vec!["a", "b"])),
        (granted(), None, json!({"access_token": "new", "scope": null}), Some(vec!["a", "b"])),
        (granted(), Some(&[][..]), json!({"access_token": "new"}), Some(vec!["a", "b"])),
        // Section 5.1: the one that was asked for.
        (granted(), Some(&["a"][..]), json!({"access_token": "new"}), Some(vec!["a"])),
        (granted(), None, json!({"access_token": "new", "scope": "a"}), Some(vec!["a"])),
        (granted(), Some(&["a"][..]), json!({"access_token": "new", "scope": "a c"}), Some(vec!["a", "c"])),
        (granted(), None, json!({"access_token": "new", "scope": ""}), Some(vec![])),
        (
            json!({"access_token": "old", "refresh_token": "REFRESH-TOKEN"}),
            None,
            json!({"access_token": "new"}),
            None,
        ),
    ] {
        let old: OAuth2Token = serde_json::from_value(old).unwrap();
        let new = client(Script::json(200, &reply)).refresh(&old, asked).await.unwrap();
        assert_eq!((new.access_token(), new.scopes()), ("new", expected), "{asked:?} {reply}");
    }
}

#[tokio::test]
async fn rt_03_who_asks_for_more_than_was_granted_is_refused_and_keeps_the_refresh_token() {
    let http = Script::json(400, &json!({"error": "invalid_scope"}));
    let client = client(http.clone());
    let error = client.refresh_token("REFRESH-TOKEN", Some(&["a", "more"])).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(http.request().form().contains(&("scope".to_owned(), "a more".to_owned())));
    // What no scope can be is not sent.
    for bad in ["a\"b", "ä", "a\nb"] {
        let error = client.refresh_token("REFRESH-TOKEN", Some(&[bad])).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{bad:?}");
    }
    assert_eq!(http.requests().len(), 1);
}

#[tokio::test]
async fn rv_01_a_revocation_succeeds_whatever_the_body() {
    for body in ["", "<html>", "OK", "{}", "null", "[]", "{"] {
        let http = Script::new([reply(200, "text/html", body)]);
        client(http.clone()).revoke_token("t", None).await.unwrap();
        let sent = http.request();
        assert_eq!((&*sent.method, &*sent.url), ("POST", "https://as.example/revoke"));
        assert_eq!(
            sent.form(),
            owned(&[("token", "t"), ("client_id", "id"), ("client_secret", "CLIENT-SECRET")])
        );
    }
}

#[tokio::test]
async fn rv_02_a_revocation_that_was_not_done_says_why_and_when_to_try_again() {
    let http = Script::json(400, &json!({"error": "unsupported_token_type"}));
    let error = client(http).revoke_token("t", None).await.unwrap_err();
    assert_eq!(error.operation(), Operation::REVOKE_TOKEN);
    assert_eq!(error.oauth_error().unwrap().code, "unsupported_token_type");
    assert_eq!(error.class(), ErrorClass::Configuration);

    for body in ["", r#"{"error":"invalid_token"}"#] {
        let mut later = reply(503, "text/plain", body);
        later.headers_mut().insert("retry-after", "120".parse().unwrap());
        let http = Script::new([later]);
        let error = client(http.clone()).revoke_token("t", None).await.unwrap_err();
        let wait = Some(Duration::from_secs(120));
        assert_eq!(error.class(), ErrorClass::Transient { retry_after: wait }, "{body}");
        assert_eq!(http.requests().len(), 1);
    }
}

/// A server that does one thing with each connection, for what no HTTP mock can do.
async fn raw_server(answer: &'static [u8], then: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer).await;
                tokio::time::sleep(then).await;
            });
        }
    });
    format!("http://{address}/token")
}

async fn transport_error(endpoint: String, limit: Duration) -> oauth_clients::Error {
    let http = reqwest_client(|defaults| defaults.timeout(limit)).unwrap();
    let client =
        OAuth2::new("id", "CLIENT-SECRET", "https://as.example/authorize", endpoint).with_http_client(http);
    let error = client.get_access_token("THE-CODE", "https://app.example/cb", None, &[]).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(SECRETS.iter().all(|secret| !shown.contains(secret)), "{shown}");
    error
}

#[tokio::test]
async fn a_connection_that_fails_is_transient_and_said_so() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let minute = Duration::from_secs(60);
    let short = Duration::from_millis(300);
    for (endpoint, limit, kind) in [
        (format!("http://{closed}/token"), minute, HttpErrorKind::Connect),
        (raw_server(b"", minute).await, short, HttpErrorKind::Timeout),
        (
            raw_server(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"a", minute).await,
            short,
            HttpErrorKind::Timeout,
        ),
        (
            raw_server(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"a", Duration::ZERO).await,
            minute,
            HttpErrorKind::Other,
        ),
        (raw_server(b"", Duration::ZERO).await, minute, HttpErrorKind::Other),
        (raw_server(b"not HTTP at all\r\n\r\n", Duration::ZERO).await, minute, HttpErrorKind::Other),
    ] {
        let error = transport_error(endpoint, limit).await;
        assert!(
            matches!(error.kind(), ErrorKind::Transport(cause) if cause.kind() == kind),
            "{kind:?}: {error:?}"
        );
        assert_eq!(error.class(), ErrorClass::Transient { retry_after: None });
    }
}

#[tokio::test]
async fn tk_17_a_reply_that_drips_ends_with_the_time_limit_of_the_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/token", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        let mut next = &b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"[..];
        // Each piece comes soon after the one before.
        while stream.write_all(next).await.is_ok() {
            next = b" ";
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let begun = std::time::Instant::now();
    let error = transport_error(endpoint, Duration::from_millis(300)).await;
    assert!(matches!(error.kind(), ErrorKind::Transport(cause) if cause.kind() == HttpErrorKind::Timeout));
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn tk_17_a_reply_that_is_too_large_is_not_read_to_its_end() {
    let server = httpmock::MockServer::start_async().await;
    server
        .mock_async(|_, then| {
            then.status(200).header("content-type", "application/json").body(" ".repeat(10 * 1024 * 1024));
        })
        .await;
    let error = transport_error(server.url("/token"), Duration::from_secs(60)).await;
    assert!(matches!(error.kind(), ErrorKind::Transport(cause) if cause.kind() == HttpErrorKind::TooLarge));
    assert_eq!(error.class(), ErrorClass::Protocol);
    assert_eq!(error.status().unwrap(), 200);

    // A client of one's own is held to the same limit.
    let error =
        exchange(Script::new([reply(200, "application/json", vec![b' '; 2 << 20])])).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Transport(cause) if cause.kind() == HttpErrorKind::TooLarge));
}

#[tokio::test]
async fn a_secret_is_hidden_in_whatever_encoding_the_server_echoes_it() {
    let body = json!({"error": "invalid_grant", "error_description": "got code=4%2FTHE+CODE%3D, 4/THE CODE=, Basic aWQ6Q0xJRU5ULVNFQ1JFVA=="});
    let client = client(Script::json(400, &body)).with_client_auth(oauth_clients::ClientAuth::Basic);
    let error =
        client.get_access_token("4/THE CODE=", "https://app.example/cb", None, &[]).await.unwrap_err();
    assert_eq!(
        error.oauth_error().unwrap().description.as_deref(),
        Some("got code=[hidden], [hidden], Basic [hidden]")
    );
}

/// What an error shows of itself to those who print it: `Display`, `Debug` and whatever caused it.
fn all_of(error: &oauth_clients::Error) -> String {
    let mut shown = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        shown.push_str(&format!(" {error} {error:?}"));
        cause = error.source();
    }
    shown
}

#[test]
fn the_cause_of_an_error_is_found_by_its_type() {
    use std::error::Error as StdError;

    let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    let http = HttpError::new(HttpErrorKind::Connect).caused_by(refused);
    let error = Error::new(Operation::REFRESH_TOKEN, "acme", ErrorKind::Transport(http));
    assert!(error.to_string().starts_with("refresh_token at acme: no connection: "), "{error}");
    // The chain says nothing twice: the kind of the error is what its own text says.
    let http = error.source().and_then(|cause| cause.downcast_ref::<HttpError>()).unwrap();
    let cause = http.source().and_then(|cause| cause.downcast_ref::<std::io::Error>()).unwrap();
    assert_eq!(cause.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(cause.source().is_none());
    // What a server may have written is shown on one line.
    let login = LoginError::ProviderCheck("a\u{202e}b\nc".to_owned());
    let errors: [&dyn StdError; 2] = [&login, &Error::configuration("a\nb", "c\r\nd")];
    assert_eq!(errors.map(ToString::to_string), ["a b c", "configure at a b: c  d"]);
}

#[tokio::test]
async fn an_echo_is_hidden_in_every_encoding_and_on_every_path() {
    const SECRET: &str = "cS/3+x&y<\"é\\z~k=";
    const CODE: &str = "4/0AbUR2VN<Xo+W_q8\"'&Q=";
    const TOKEN: &str = "ya29.a0+/AR rj\"aRD&ukd<8==";
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let percent = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let mixed =
        |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>().replace('F', "f");
    let decimal = |text: &str| text.chars().map(|c| format!("&#{};", u32::from(c))).collect::<String>();
    let hex = |text: &str| text.chars().map(|c| format!("&#x{:x};", u32::from(c))).collect::<String>();
    let named = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('"', "&quot;")
            .replace('\'', "&apos;")
            .replace('=', "&equals;")
    };
    let json = |text: &str| json!(text).to_string().trim_matches('"').to_owned();
    let escaped = |text: &str| text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
    let form = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let basic = |text: &str| STANDARD.encode(format!("id:{text}"));
    let url_safe = |text: &str| URL_SAFE_NO_PAD.encode(format!("id:{text}"));
    let alone = |text: &str| STANDARD.encode(text);
    let of_encoded = |text: &str| STANDARD.encode(format!("id:{}", form(text)));
    let encodings: [&dyn Fn(&str) -> String; 16] = [
        &str::to_owned,
        &percent,
        &mixed,
        &decimal,
        &hex,
        &named,
        &json,
        &escaped,
        &form,
        &basic,
        &url_safe,
        &alone,
        &of_encoded,
        &|text| json(&json(text)),
        &|text| named(&percent(text)),
        &|text| percent(&basic(text)),
    ];
    let verifier = CodeVerifier::new(VERIFIER).unwrap();
    for (index, encode) in encodings.iter().enumerate() {
        for secret in [SECRET, CODE, TOKEN, VERIFIER] {
            let echo = encode(secret);
            let said = format!("we got <{echo}>");
            for (status, body) in [
                (400, json!({"error": "invalid_grant", "error_description": said})),
                (400, json!({"error": said})),
                (400, json!({"error": {"message": said}})),
                (400, json!({"error": "x", "error_uri": format!("https://as.example/?{echo}")})),
                (500, json!({"message": said})),
                (200, json!({"error": "invalid_grant", "error_description": said})),
            ] {
                let client = || {
                    OAuth2::new("id", SECRET, "https://as.example/authorize", "https://as.example/token")
                        .with_refresh_endpoint("https://as.example/token")
                        .with_revoke_endpoint("https://as.example/revoke")
                        .with_profile_endpoint("https://as.example/me")
                        .with_http_client(Script::json(status, &body))
                };
                let basic = || client().with_client_auth(oauth_clients::ClientAuth::Basic);
                let uri = "https://app.example/cb";
                let error = match secret {
                    SECRET if index % 2 == 0 => {
                        basic().refresh_token("RT-of-the-user", None).await.unwrap_err()
                    }
                    SECRET => client().refresh_token("RT-of-the-user", None).await.unwrap_err(),
                    CODE => client().get_access_token(CODE, uri, None, &[]).await.unwrap_err(),
                    VERIFIER => {
                        client().get_access_token("c0de", uri, Some(&verifier), &[]).await.unwrap_err()
                    }
                    _ if index % 3 == 0 || status == 200 => {
                        client().refresh_token(TOKEN, None).await.unwrap_err()
                    }
                    _ if index % 3 == 1 => client().revoke_token(TOKEN, None).await.unwrap_err(),
                    _ => client().introspected(TOKEN).await,
                };
                let shown = all_of(&error);
                assert!(shown.contains("[hidden]"), "{index} {body}: {shown}");
                for piece in [&echo[..], secret] {
                    assert!(!shown.contains(piece), "{index} {body}: {shown}");
                }
            }
        }
    }
}

/// What an error of introspection is, of a client that has an endpoint for it.
trait Introspected {
    async fn introspected(self, token: &str) -> oauth_clients::Error;
}

impl Introspected for OAuth2 {
    async fn introspected(self, token: &str) -> oauth_clients::Error {
        let client = self.with_introspection_endpoint("https://as.example/introspect");
        client.introspect_token(token, None).await.unwrap_err()
    }
}

#[tokio::test]
async fn an_echo_that_was_cut_off_is_hidden() {
    let code = "SplxlOBeZQQYbYS6WxSbIA-and-more-of-it";
    for (description, hidden) in [
        (format!("{}{code}", "x".repeat(290)), format!("{}[hidden]", "x".repeat(290))),
        (format!("bad code {}", &code[..6]), "bad code [hidden]".to_owned()),
        (format!("bad code {}", &code[..30]), "bad code [hidden]".to_owned()),
        (format!("bad code {}… sent", &code[..8]), "bad code [hidden]… sent".to_owned()),
        (format!("bad code {}... sent", &code[..8]), "bad code [hidden]... sent".to_owned()),
        (format!("it ends in {}", &code[20..]), "it ends in [hidden]".to_owned()),
        (format!("bad code {}", &code[..3]), format!("bad code {}", &code[..3])),
    ] {
        let body = json!({"error": "invalid_grant", "error_description": description});
        let client = client(Script::json(400, &body));
        let error = client.get_access_token(code, "https://app.example/cb", None, &[]).await.unwrap_err();
        let found = error.oauth_error().unwrap().description.clone().unwrap();
        assert_eq!(found.trim_end_matches('…'), hidden.trim_end_matches('…'));
        assert!(!all_of(&error).contains(&code[..6]), "{error}");
    }
}

#[tokio::test]
async fn no_character_that_deceives_the_reader_reaches_a_log_line() {
    let bad = "\u{2028}\u{2029}\u{202e}\u{202a}\u{2066}\u{200b}\u{200d}\u{200f}\u{feff}\u{61c}\u{85}\u{9b}\u{ad}\u{e0041}\u{fff9}\n\r\t\u{7f}\u{1b}";
    let said = format!("a{bad}b");
    let has_bad = |text: &str| bad.chars().any(|character| text.contains(character));
    for body in [
        json!({"error": said}),
        json!({"error": "x", "error_description": said, "error_uri": said}),
        json!({"error": {"message": said, "code": said}}),
        json!({"message": said}),
    ] {
        let error = refused(400, "application/json", body.to_string()).await;
        assert!(!has_bad(&error.to_string()) && !has_bad(&all_of(&error)), "{error:?}");
        assert!(error.to_string().contains("a ") && error.to_string().contains(" b"), "{error}");
        let said = error.oauth_error().map(|error| format!("{error}")).unwrap_or_default();
        assert!(!has_bad(&said), "{said:?}");
    }
    // Of the callback, and of whoever makes an error.
    let client = client(Script::default());
    let started = client.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    let state = started.attempt.state().to_owned();
    let callback = [("error", said.as_str()), ("error_description", &said), ("state", &state)];
    let error = client.finish_login(started.attempt, callback.into_iter().collect()).await.unwrap_err();
    assert!(!has_bad(&error.to_string()), "{error}");
    let causes = [
        ErrorKind::Configuration(said.clone()),
        ErrorKind::Unsupported(said.clone()),
        ErrorKind::Login(LoginError::ProviderCheck(said.clone())),
        ErrorKind::Login(LoginError::OtherProvider { started_at: said.clone() }),
        ErrorKind::Transport(HttpError::new(HttpErrorKind::Other).caused_by(said.clone())),
    ];
    for kind in causes {
        let error = oauth_clients::Error::new(Operation::FINISH_LOGIN, said.clone(), kind);
        assert!(!has_bad(&error.to_string()), "{error:?}");
    }
}

#[tokio::test]
async fn a_callback_that_echoes_its_own_code_or_state_does_not_show_it() {
    let client = client(Script::default());
    let started = client.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    let state = started.attempt.state().to_owned();
    let said = format!("code SplxlOBeZQQYbYS6WxSbIA of {state}");
    let callback = [
        ("error", "access_denied"),
        ("error_description", &said),
        ("code", "SplxlOBeZQQYbYS6WxSbIA"),
        ("state", &state),
    ];
    let error = client.finish_login(started.attempt, callback.into_iter().collect()).await.unwrap_err();
    let shown = all_of(&error);
    assert!(
        shown.contains("code [hidden] of [hidden]") && !shown.contains(&state) && !shown.contains("Splxl"),
        "{shown}"
    );
}

#[tokio::test]
async fn the_body_of_an_error_can_be_cut_for_a_cache() {
    let body = json!({"error": "invalid_grant", "more": "x".repeat(200 * 1024)}).to_string();
    let error = refused(400, "application/json", body.clone()).await;
    let short = error.clone().with_short_body();
    assert_eq!(short.body().unwrap(), &body.as_bytes()[..4096]);
    assert_eq!((short.to_string(), short.class()), (error.to_string(), error.class()));
    assert_eq!(error.body().unwrap().len(), body.len());
    let small = refused(400, "application/json", "{}").await.with_short_body();
    assert_eq!(small.body().unwrap(), b"{}");
}

#[tokio::test]
async fn a_token_does_not_come_as_a_page_or_a_picture() {
    for kind in [
        "text/html",
        "TEXT/HTML; charset=utf-8",
        " text/html ;x",
        "image/png",
        "image/svg+xml",
        "image/*",
        "application/xhtml",
        "text/html, application/json",
        "application/json,text/html; charset=utf-8",
        "text / html",
        "text/html; title=\"\u{e9}\"",
        "multipart/x-mixed-replace; boundary=x",
        "application/xhtml+xml",
        "audio/ogg",
        "video/mp4",
        "font/woff2",
    ] {
        for body in [r#"{"access_token":"AT","token_type":"Bearer"}"#, "access_token=AT&token_type=bearer"] {
            let error = refused(200, kind, body).await;
            assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{kind}: {error}");
            assert_eq!(error.class(), ErrorClass::Protocol);
        }
        // What it refuses with is understood all the same.
        let error = refused(200, kind, r#"{"error":"invalid_grant"}"#).await;
        assert_eq!(error.class(), ErrorClass::Reauthorize, "{kind}");
    }
}

#[tokio::test]
async fn what_stood_in_a_json_request_is_hidden_but_for_the_client_id() {
    let body =
        json!({"error": "bad", "error_description": "client acme-app may not send CLIENT-SECRET, THE-CODE"});
    let http = Script::json(400, &body);
    let client = OAuth2::new("acme-app", "CLIENT-SECRET", "https://as.example/a", "https://as.example/token")
        .with_http_client(http);
    let call = client.request(Operation::REVOKE_TOKEN, http::Method::POST, "https://as.example/revoke");
    let call = call.json(json!({"token": "THE-CODE"})).client_auth(oauth_clients::ClientAuth::Post);
    let error = call.send().await.map(|_| ()).unwrap_err();
    assert_eq!(
        error.oauth_error().unwrap().description.as_deref(),
        Some("client acme-app may not send [hidden], [hidden]")
    );
}

#[tokio::test]
async fn br_02_a_bearer_challenge_is_read_in_every_shape() {
    for (headers, code) in [
        (&[r#"Bearer error="invalid_token""#][..], Some("invalid_token")),
        (&[r#"bearer realm="a, b", error = "insufficient_scope""#], Some("insufficient_scope")),
        (&["Bearer error=invalid_token"], Some("invalid_token")),
        (&[r#"Basic realm="x""#, r#"Bearer error="insufficient_scope""#], Some("insufficient_scope")),
        (&[r#"DPoP error="use_dpop_nonce", Bearer error="invalid_token""#], Some("invalid_token")),
        (&[r#"DPoP error="use_dpop_nonce""#], None),
        (&[r#"Bearer x_error="invalid_client""#], None),
        (&[r#"Bearer error="unterminated"#], None),
        (&["", ",,,", "Bearer"], None),
    ] {
        let mut answer = reply(401, "text/plain", "");
        for header in headers {
            answer.headers_mut().append("www-authenticate", header.parse().unwrap());
        }
        let error = client(Script::new([answer])).get_profile("ACCESS-TOKEN").await.unwrap_err();
        assert_eq!(error.oauth_error().map(|error| &*error.code), code, "{headers:?}");
        assert_eq!(error.class(), ErrorClass::Reauthorize, "{headers:?}");
    }
}

#[tokio::test]
async fn retry_after_stays_within_a_day() {
    for (value, seconds) in [("18446744073709551615", 86_400), ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("0", 0)]
    {
        let mut answer = reply(503, "text/plain", "");
        answer.headers_mut().insert("retry-after", value.parse().unwrap());
        let error = exchange(Script::new([answer])).await.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(seconds)), "{value}");
    }
}

/// The words in which other services say that a refresh token is dead.
#[tokio::test]
async fn dead_refresh_tokens_in_other_words_mean_to_sign_in_again() {
    const CODES: &[&str] = &["invalid_code", "BAD_REFRESH_TOKEN"];
    let token = TokenSpec { invalid_grant_codes: CODES, ..TokenSpec::RFC6749 };
    let declared = Spec { token, ..Spec::RFC6749 };
    let refreshed = async |spec: &Spec, status: u16, body: &serde_json::Value| {
        let endpoints = |url: &'static str| {
            move |all: oauth_clients::Endpoints| all.with(Endpoint::Token, url).with(Endpoint::Refresh, url)
        };
        let client = OAuth2::from_spec(spec, "id", "CLIENT-SECRET")
            .with_endpoints(endpoints("https://as.example/token"))
            .with_http_client(Script::json(status, body));
        client.refresh_token("REFRESH-TOKEN", None).await.unwrap_err()
    };
    // Fitbit's list is understood for everybody.
    let listed = json!({"errors": [{"errorType": "invalid_grant", "message": "Refresh token invalid: 0a1b"}], "success": false});
    // HubSpot's and Zoho's codes are declared, because elsewhere they could mean something else.
    let hubspot = json!({"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token", "correlationId": "1"});
    let zoho = json!({"error": "invalid_code"});
    for (status, body, by_itself) in [
        (400, &listed, ErrorClass::Reauthorize),
        (401, &listed, ErrorClass::Reauthorize),
        (400, &hubspot, ErrorClass::Protocol),
        (200, &zoho, ErrorClass::Protocol),
    ] {
        assert_eq!(refreshed(&Spec::RFC6749, status, body).await.class(), by_itself, "{body}");
        let error = refreshed(&declared, status, body).await;
        assert_eq!(error.class(), ErrorClass::Reauthorize, "{body}");
    }
    // A list of other things, an item that says nothing, and a server in trouble are no dead grant.
    for (status, body, class) in [
        (400, json!({"errors": []}), ErrorClass::Protocol),
        (400, json!({"errors": ["invalid_grant"]}), ErrorClass::Protocol),
        (400, json!({"errors": [{"errorType": "validation", "message": "no"}]}), ErrorClass::Protocol),
        (
            400,
            json!({"errors": [{"resource": "Application", "field": "client_id", "code": "invalid"}]}),
            ErrorClass::Protocol,
        ),
        (503, listed.clone(), ErrorClass::Transient { retry_after: None }),
        (503, hubspot.clone(), ErrorClass::Transient { retry_after: None }),
    ] {
        assert_eq!(refreshed(&declared, status, &body).await.class(), class, "{status} {body}");
    }
    // The same words mean a configuration mistake where no grant was sent.
    let client = OAuth2::from_spec(&declared, "id", "CLIENT-SECRET")
        .with_endpoints(|all| all.with(Endpoint::Profile, "https://as.example/me"))
        .with_http_client(Script::json(400, &hubspot));
    assert_eq!(client.get_profile("ACCESS-TOKEN").await.unwrap_err().class(), ErrorClass::Protocol);
}

/// X and Atlassian use a standard code for two things, of which only the description tells which is meant.
#[derive(Clone, Debug)]
struct Wordy(OAuth2);

#[async_trait]
impl Provider for Wordy {
    fn oauth2(&self) -> &OAuth2 {
        &self.0
    }

    fn oauth2_mut(&mut self) -> &mut OAuth2 {
        &mut self.0
    }

    fn translate_error(&self, error: Error) -> Error {
        let says = |text| {
            let said = error.oauth_error().and_then(|said| said.description.as_deref());
            said.is_some_and(|said| said.contains(text))
        };
        match says("Value passed for the token was invalid") || says("refresh_token is invalid") {
            true => error.under_code("invalid_grant"),
            false => error,
        }
    }

    // An override of the request needs not think of it.
    async fn read_profile(&self, client: &OAuth2, token: &OAuth2Token) -> Result<serde_json::Value> {
        client.read_profile(token).await
    }
}

#[tokio::test]
async fn a_provider_translates_its_own_words_on_every_path() {
    for (status, body) in [
        (
            400,
            json!({"error": "invalid_request", "error_description": "Value passed for the token was invalid."}),
        ),
        (403, json!({"error": "unauthorized_client", "error_description": "refresh_token is invalid"})),
    ] {
        let wordy = || Wordy(client(Script::json(status, &body)));
        let mut token = OAuth2Token::new("ACCESS-TOKEN");
        assert_eq!(
            client(Script::json(status, &body)).refresh_token("RT", None).await.unwrap_err().class(),
            ErrorClass::Configuration
        );
        let stored = json!({"access_token": "ACCESS-TOKEN", "refresh_token": "REFRESH-TOKEN"});
        token = serde_json::from_value(stored).unwrap_or(token);
        let attempt = async |wordy: &Wordy| {
            wordy.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap().attempt
        };
        let finish = async {
            let wordy = wordy();
            let attempt = attempt(&wordy).await;
            let callback =
                oauth_clients::Callback::from_query(&format!("code=THE-CODE&state={}", attempt.state()));
            wordy.finish_login(attempt, callback).await.unwrap_err()
        };
        for error in [
            wordy().refresh_token("REFRESH-TOKEN", None).await.unwrap_err(),
            wordy().refresh(&token, None).await.unwrap_err(),
            wordy().get_access_token("THE-CODE", "https://app.example/cb", None, &[]).await.unwrap_err(),
            wordy().revoke_token("REFRESH-TOKEN", None).await.unwrap_err(),
            wordy().revoke(&token).await.unwrap_err(),
            wordy().get_identity(&token).await.unwrap_err(),
            finish.await,
        ] {
            assert_eq!(error.class(), ErrorClass::Reauthorize, "{error:?}");
            let shown = format!("{error} {error:?}");
            assert!(SECRETS.iter().all(|secret| !shown.contains(secret)), "{shown}");
        }
    }
}
