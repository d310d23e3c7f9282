//! MD: metadata (OpenID Connect Discovery 1.0, RFC 8414), how it is kept, and issuers of several tenants.

use std::{sync::Arc, time::Duration};

use oauth_clients::{
    AuthorizationRequest, ErrorClass, ErrorKind, JwtCheck, LoginError, LoginOptions, MemoryCache, Operation,
    Provider, SharedCache, SharedCacheError, async_trait,
    openid::{
        CacheExport, CachePolicy, Discovery, Expectations, IdToken, LogoutRequest, OpenID, OpenIDConnect,
        OpenIDProvider, ProviderMetadata, Tenants, webfinger,
    },
};
use serde_json::{Value, json};

use super::op::{
    CLIENT_ID, CLIENT_SECRET, Endpoint, ISSUER, Key, Op, REDIRECT_URI, SUBJECT, State, merge, settle,
};
use crate::support::reply;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Why no login begins. Metadata may be asked for this often, and nothing else.
async fn refused(op: &Op, client: &OpenID, times: usize) -> oauth_clients::Error {
    let error = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
    assert_eq!(op.requests().len(), op.count(Endpoint::Discovery));
    assert_eq!(op.count(Endpoint::Discovery), times, "{error}");
    error
}

fn patched(patch: Value) -> Op {
    Op::bent(|state| merge(&mut state.metadata, &patch))
}

#[tokio::test]
async fn md_01_metadata_of_another_issuer_is_not_used_and_not_kept() {
    for issuer in [
        json!("https://op.example/"),
        json!("https://OP.example"),
        json!("https://op.example:443"),
        json!("http://op.example"),
        json!("https://evil.example"),
        json!("https://op.example/.well-known/openid-configuration"),
        json!(""),
        json!(null),
        json!(7),
        json!([ISSUER]),
        json!({"https": ISSUER}),
    ] {
        let op = patched(json!({ "issuer": issuer }));
        let client = op.client();
        let error = refused(&op, &client, 1).await;
        assert_eq!(error.operation(), Operation::DISCOVER);
        assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{issuer}: {error}");
        assert!(OpenIDConnect::of(&client).unwrap().export_cache().is_empty());
        // The next login asks again, and works once the provider is right.
        op.bend(|state| state.metadata["issuer"] = ISSUER.into());
        op.login(&client, LoginOptions::new()).await.unwrap();
        assert_eq!(op.counts(), [2, 1, 1, 0]);
    }
    // The error says which side has the slash.
    let error = refused_for(ISSUER, "https://op.example/").await;
    assert!(error.contains("the provider's has a slash at its end, and yours has none"), "{error}");
    let error = refused_for("https://op.example/", ISSUER).await;
    assert!(error.contains("yours has a slash at its end, and the provider's has none"), "{error}");
}

async fn refused_for(ours: &str, theirs: &str) -> String {
    let op = patched(json!({ "issuer": theirs }));
    Discovery::new(ours).with_http_client(op).fetch().await.unwrap_err().to_string()
}

#[tokio::test]
async fn md_02_each_kind_of_discovery_asks_at_its_own_place_and_nowhere_else() {
    for (issuer, openid, rfc_8414) in [
        (
            "https://h.example",
            "https://h.example/.well-known/openid-configuration",
            "https://h.example/.well-known/oauth-authorization-server",
        ),
        (
            "https://h.example/",
            "https://h.example/.well-known/openid-configuration",
            "https://h.example/.well-known/oauth-authorization-server",
        ),
        (
            "https://h.example/t1",
            "https://h.example/t1/.well-known/openid-configuration",
            "https://h.example/.well-known/oauth-authorization-server/t1",
        ),
        (
            "https://h.example/a/b/",
            "https://h.example/a/b/.well-known/openid-configuration",
            "https://h.example/.well-known/oauth-authorization-server/a/b",
        ),
        (
            "https://h.example:8443/t1",
            "https://h.example:8443/t1/.well-known/openid-configuration",
            "https://h.example:8443/.well-known/oauth-authorization-server/t1",
        ),
    ] {
        for (discovery, url) in [(Discovery::new(issuer), openid), (Discovery::rfc_8414(issuer), rfc_8414)] {
            // Nothing is there, and no other place is tried.
            let op = Op::bent(|state| {
                state.answer(Endpoint::Discovery, |_| Some(reply(404, "text/html", "no")));
            });
            discovery.clone().with_http_client(op.clone()).fetch().await.unwrap_err();
            let sent = op.requests();
            assert_eq!((sent.len(), &*sent[0].method, &*sent[0].url), (1, "GET", url));
            let op = patched(json!({ "issuer": issuer }));
            discovery.with_http_client(op).fetch().await.unwrap();
        }
    }
}

#[tokio::test]
async fn md_03_an_issuer_is_https_without_query_and_fragment() {
    for issuer in [
        "https://op.example?x",
        "https://op.example/?x=1",
        "https://op.example#f",
        "http://op.example",
        "ftp://op.example",
        "op.example",
        "https://",
        "https://user@op.example",
        "javascript:alert(1)",
        "",
        " https://op.example",
        "https://op.example\n",
    ] {
        let op = patched(json!({ "issuer": issuer }));
        let error = Discovery::new(issuer).with_http_client(op.clone()).fetch().await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{issuer:?}: {error}");
        assert_eq!(op.requests().len(), 0, "{issuer:?}");
    }
    for issuer in ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:1/t"] {
        let op = patched(json!({ "issuer": issuer }));
        Discovery::new(issuer).with_http_client(op).fetch().await.unwrap();
    }
    let op = patched(json!({"issuer": "http://op.test"}));
    let loud = Discovery::new("http://op.test").dangerously_allow_plain_http().with_http_client(op);
    loud.fetch().await.unwrap();
}

#[tokio::test]
async fn md_04_metadata_comes_as_an_object_with_status_200() {
    let good = Op::new().state().metadata.to_string();
    for (status, body) in [
        (404, good.clone()),
        (201, good.clone()),
        (204, String::new()),
        (206, good.clone()),
        (301, good.clone()),
        (401, "{}".to_owned()),
        (200, String::new()),
        (200, "[]".to_owned()),
        (200, "null".to_owned()),
        (200, format!("[{good}]")),
        (200, format!("\"{ISSUER}\"")),
        (200, "<html>https://op.example</html>".to_owned()),
        (200, good[..good.len() - 1].to_owned()),
        (200, format!("{good}{good}")),
        (200, good.replacen('{', &format!("{{\"issuer\":\"{ISSUER}\","), 1)),
        (200, json!({"error": "not_found"}).to_string()),
        (200, "{\"a\":".repeat(100_000)),
        (200, format!("{{\"issuer\":\"{ISSUER}\",\"x\":\"{}\"}}", "x".repeat(2_000_000))),
    ] {
        let op = Op::new();
        let shown = format!("{status} {}", &body[..body.len().min(40)]);
        op.bend(|state| {
            state.answer(Endpoint::Discovery, move |_| Some(reply(status, "application/json", body.clone())));
        });
        let error = refused(&op, &op.client(), 1).await;
        assert_eq!(error.operation(), Operation::DISCOVER, "{shown}");
        assert!(!matches!(error.class(), ErrorClass::Transient { .. }), "{shown}: {error}");
    }
    // A gateway without a server behind it is asked once more, and no more.
    for (status, times) in [(429, 1), (500, 1), (502, 2), (503, 2), (504, 2)] {
        let op = Op::bent(|state| {
            state.answer(Endpoint::Discovery, move |_| Some(reply(status, "text/html", "later")));
        });
        let error = refused(&op, &op.client(), times).await;
        assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{status}");
    }
    // Nor that much if it asks for patience.
    let op = Op::bent(|state| {
        state.answer(Endpoint::Discovery, move |_| {
            let mut reply = reply(503, "text/html", "later");
            reply.headers_mut().insert("retry-after", "30".parse().unwrap());
            Some(reply)
        });
    });
    assert_eq!(refused(&op, &op.client(), 1).await.retry_after(), Some(Duration::from_secs(30)));
}

#[tokio::test]
async fn md_05_what_is_not_used_may_be_of_any_type_and_what_is_used_may_not() {
    let op = patched(json!({
        "grant_types_supported": ["authorization_code", "refresh_token", "hybrid", 7, null],
        "response_types_supported": ["client_credentials", "token id_token", "code"],
        "id_token_signing_alg_values_supported": "RS256",
        "token_endpoint_auth_methods_supported": {"a": 1},
        "code_challenge_methods_supported": null,
        "revocation_endpoint": 7,
        "introspection_endpoint": [],
        "end_session_endpoint": {},
        "userinfo_endpoint": false,
        "scopes_supported": "openid",
        "authorization_response_iss_parameter_supported": "yes",
        "claims_supported": {"deep": [{"er": null}]},
        "https://op.example/own": [1, 2, 3],
    }));
    let client = op.client();
    op.login(&client, LoginOptions::new()).await.unwrap();
    assert!(matches!(client.revoke_token("t", None).await.unwrap_err().kind(), ErrorKind::Unsupported(_)));

    for endpoint in ["authorization_endpoint", "token_endpoint"] {
        for wrong in
            [json!(null), json!(7), json!([]), json!(""), json!("/path"), json!("not a URL"), json!({})]
        {
            let op = patched(json!({ endpoint: wrong }));
            let error = refused(&op, &op.client(), 1).await;
            assert_eq!(error.class(), ErrorClass::Configuration, "{endpoint} {wrong}: {error}");
        }
    }
    for endpoint in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
        for bad in ["http://op.example/x", "https://op.example/x#f", "https://a@op.example/x", "javascript:x"]
        {
            let op = patched(json!({ endpoint: bad }));
            let error = refused(&op, &op.client(), 1).await;
            assert_eq!(error.class(), ErrorClass::Configuration, "{endpoint} {bad}");
            assert_eq!(error.operation(), Operation::DISCOVER, "{endpoint} {bad}");
        }
    }
}

/// RFC 8414 section 2: a server for machines alone, or for CIBA, has none.
#[tokio::test]
async fn md_05_a_provider_whose_grants_begin_in_no_browser_needs_no_authorization_endpoint() {
    let without =
        |grants: Value| patched(json!({"authorization_endpoint": null, "grant_types_supported": grants}));
    for grants in
        [json!(["client_credentials"]), json!(["refresh_token", "urn:openid:params:grant-type:ciba"])]
    {
        let op = without(grants);
        let client = op.client();
        let ready = client.oauth2().ready().await.unwrap();
        assert!(!ready.endpoints().token().is_empty());
        let error = refused(&op, &client, 1).await;
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.to_string().contains("no authorization endpoint"), "{error}");
    }
    for grants in
        [json!(null), json!("client_credentials"), json!(["implicit"]), json!(["authorization_code"])]
    {
        let op = without(grants);
        let error = refused(&op, &op.client(), 1).await;
        assert!(error.to_string().contains("no authorization_endpoint"), "{error}");
    }
}

#[tokio::test]
async fn md_05_an_endpoint_that_a_login_does_not_need_is_refused_when_it_is_used() {
    for bad in
        ["http://op.example/x", "/x", "x", "https://op.example/x#f", "https://a@op.example/x", "javascript:x"]
    {
        let op = patched(json!({
            "userinfo_endpoint": bad, "revocation_endpoint": bad, "introspection_endpoint": bad,
            "device_authorization_endpoint": bad, "end_session_endpoint": bad, "registration_endpoint": bad,
        }));
        let client = op.client();
        let login = op.login(&client, LoginOptions::new()).await.unwrap();
        let (sent, token) = (op.requests().len(), login.token.access_token());
        for error in [
            client.get_profile(token).await.unwrap_err(),
            client.revoke_token(token, None).await.unwrap_err(),
            client.oauth2().introspect_token(token, None).await.unwrap_err(),
            client.start_logout(LogoutRequest::new()).await.unwrap_err(),
        ] {
            assert_eq!(error.class(), ErrorClass::Configuration, "{bad}: {error}");
        }
        assert_eq!(op.requests().len(), sent, "{bad}");
    }
    // Nor does a provider elsewhere have requests sent to this machine.
    let op = patched(json!({"introspection_endpoint": "http://127.0.0.1:1/x"}));
    let client = op.client();
    op.login(&client, LoginOptions::new()).await.unwrap();
    client.oauth2().introspect_token("t", None).await.unwrap_err();
    assert!(op.requests().iter().all(|sent| !sent.url.contains("127.0.0.1")));
    let op = patched(json!({"token_endpoint": "http://127.0.0.1:1/x"}));
    assert_eq!(refused(&op, &op.client(), 1).await.class(), ErrorClass::Configuration);
}

#[tokio::test]
async fn an_issuer_that_is_given_as_the_url_of_its_document_works() {
    for given in [
        "https://op.example/.well-known/openid-configuration",
        "https://op.example/.well-known/openid-configuration/",
    ] {
        for issuer in [ISSUER, "https://op.example/"] {
            let op = patched(json!({ "issuer": issuer }));
            let metadata = Discovery::new(given).with_http_client(op.clone()).fetch().await.unwrap();
            assert_eq!(metadata.issuer(), issuer);
            assert_eq!(op.last_request().url, "https://op.example/.well-known/openid-configuration");
        }
    }
    // So do the URLs of RFC 8414, and those of servers that put the document behind the issuer's path.
    for (given, issuer) in [
        ("https://op.example/.well-known/oauth-authorization-server", "https://op.example"),
        ("https://op.example/.well-known/oauth-authorization-server/o", "https://op.example/o"),
        ("https://op.example/o/.well-known/oauth-authorization-server/", "https://op.example/o"),
        ("https://op.example/.well-known/openid-configuration/o", "https://op.example/o"),
    ] {
        let op = patched(json!({ "issuer": issuer }));
        for discovery in [Discovery::new(given), Discovery::rfc_8414(given)] {
            let metadata = discovery.with_http_client(op.clone()).fetch().await.unwrap();
            assert_eq!(metadata.issuer(), issuer);
            assert_eq!(op.last_request().url, given.trim_end_matches('/'));
        }
    }
    let query = Discovery::new("https://op.example/.well-known/openid-configuration?appid=1").fetch().await;
    assert!(query.unwrap_err().to_string().contains("with_document_url"));
    // Where nothing is, the error says what was asked for, and what to do.
    for status in [404, 410] {
        let op = Op::bent(|state| {
            state.answer(Endpoint::Discovery, move |_| Some(reply(status, "text/html", "nothing here")));
        });
        let error = op.client().start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
        assert_eq!((error.operation(), error.class()), (Operation::DISCOVER, ErrorClass::Configuration));
        let shown = error.to_string();
        assert!(shown.contains("https://op.example/.well-known/openid-configuration"), "{shown}");
        assert!(shown.contains("check the issuer"), "{shown}");
    }
    // An endpoint that is missing is found out when the metadata is read.
    let op = patched(json!({"token_endpoint": null}));
    let error = op.client().start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
    assert_eq!(error.operation(), Operation::DISCOVER);
    assert!(error.to_string().contains("token_endpoint"), "{error}");
}

#[tokio::test]
async fn endpoints_that_only_the_document_of_rfc_8414_names_are_found_when_asked_for() {
    // As django-oauth-toolkit has it: behind the path, and so not where RFC 8414 puts it.
    let at = |there: &'static str, issuer: &'static str| {
        let op = patched(json!({ "issuer": issuer }));
        let document = op.state().metadata.to_string();
        op.bend(move |state| {
            state.answer(Endpoint::Discovery, move |sent| {
                Some(match &*sent.url {
                    url if url.ends_with("openid-configuration") => {
                        reply(200, "application/json", document.clone())
                    }
                    url if url == there => {
                        let more = json!({
                            "issuer": issuer,
                            "token_endpoint": "https://op.example/another/token",
                            "revocation_endpoint": "https://op.example/o/revoke",
                            "introspection_endpoint": "https://op.example/o/introspect",
                        });
                        reply(200, "application/json", more.to_string())
                    }
                    _ => reply(404, "text/html", "nothing here"),
                })
            });
        });
        op
    };
    for there in [
        "https://op.example/.well-known/oauth-authorization-server/o",
        "https://op.example/o/.well-known/oauth-authorization-server",
    ] {
        let op = at(there, "https://op.example/o");
        let discovery = Discovery::new("https://op.example/o").with_http_client(op.clone());
        let plain = discovery.fetch().await.unwrap();
        assert_eq!(plain.text("revocation_endpoint"), None);
        let both = discovery.with_rfc_8414_document().fetch().await.unwrap();
        assert_eq!(both.text("revocation_endpoint"), Some("https://op.example/o/revoke"));
        assert_eq!(both.text("introspection_endpoint"), Some("https://op.example/o/introspect"));
        // What the first document says is kept.
        assert_eq!(both.text("token_endpoint"), Some("https://op.example/token"));
    }
    // Another issuer's is not taken, and none at all is an error: somebody said that there is one.
    let op = at("https://op.example/.well-known/oauth-authorization-server/o", "https://evil.example");
    let discovery = Discovery::new("https://op.example/o")
        .with_expected_issuer("https://evil.example")
        .with_http_client(op.clone())
        .with_rfc_8414_document();
    assert_eq!(discovery.fetch().await.unwrap_err().class(), ErrorClass::Configuration);
    let op = at("nowhere", "https://op.example/o");
    let discovery = Discovery::new("https://op.example/o").with_http_client(op).with_rfc_8414_document();
    let error = discovery.fetch().await.unwrap_err();
    assert!(error.to_string().contains("/o/.well-known/oauth-authorization-server"), "{error}");
}

#[tokio::test]
async fn md_07_nothing_but_the_configuration_says_who_the_issuer_is() {
    // Document, callback and token agree on another issuer.
    let evil = "https://evil.example";
    let op = Op::bent(|state| {
        state.metadata["issuer"] = evil.into();
        state.claims = json!({ "iss": evil });
    });
    refused(&op, &op.client(), 1).await;
    // The document is right, and the rest agrees on another one.
    let op = Op::bent(|state| state.claims = json!({ "iss": evil }));
    let client = op.client();
    let attempt = op.start(&client, LoginOptions::new()).await.attempt;
    assert_eq!(attempt.issuer(), Some(ISSUER));
    let callback = op.callback(&attempt, &[("iss", evil)]);
    let error = client.finish_login(attempt.clone(), callback).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Login(LoginError::IssuerMismatch)));
    let callback = op.callback(&attempt, &[]);
    let error = client.finish_login(attempt, callback).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Issuer));
}

#[tokio::test]
async fn md_08_metadata_is_kept_for_a_while_and_outlives_a_provider_that_is_down() {
    let op = Op::new();
    let client = op.client();
    let login = || async { op.start(&client, LoginOptions::new()).await };
    login().await;
    // An hour when nothing is said.
    op.clock.advance(44 * MINUTE);
    login().await;
    settle().await;
    assert_eq!(op.count(Endpoint::Discovery), 1);
    // When three quarters have passed, it is read anew while it is handed out.
    op.bend(|state| state.metadata["authorization_endpoint"] = "https://op.example/new-auth".into());
    op.clock.advance(2 * MINUTE);
    assert!(login().await.url.starts_with("https://op.example/auth?"));
    settle().await;
    assert_eq!(op.count(Endpoint::Discovery), 2);
    assert!(login().await.url.starts_with("https://op.example/new-auth?"));
    // The provider goes down. Failures are told to nobody, and do not repeat themselves at once.
    op.bend(|state| state.down = vec![Endpoint::Discovery]);
    op.clock.advance(2 * HOUR);
    for _ in 0..5 {
        login().await;
        settle().await;
    }
    assert_eq!(op.count(Endpoint::Discovery), 4, "one attempt with its repetition");
    op.clock.advance(11 * Duration::from_secs(1));
    login().await;
    settle().await;
    assert_eq!(op.count(Endpoint::Discovery), 6);
    // A day of that, and no more.
    op.clock.advance(23 * HOUR);
    let error = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
    assert_eq!(error.operation(), Operation::DISCOVER);
    assert!(matches!(error.class(), ErrorClass::Transient { .. }));
    // And up again.
    op.bend(|state| state.down.clear());
    login().await;
}

#[tokio::test]
async fn md_08_a_provider_that_is_down_is_left_alone_while_its_metadata_is_fresh() {
    let op = Op::new();
    let client = op.client();
    client.metadata().await.unwrap();
    op.bend(|state| state.down = vec![Endpoint::Discovery]);
    // It is time to read it anew in the background.
    op.clock.advance(50 * MINUTE);
    let asked = async || {
        client.metadata().await.unwrap();
        settle().await;
        op.count(Endpoint::Discovery)
    };
    let mut before = 1;
    for _ in 0..3 {
        let once = asked().await;
        assert!(once > before);
        for _ in 0..50 {
            assert_eq!(asked().await, once);
        }
        before = once;
        op.clock.advance(Duration::from_secs(11));
    }
}

#[tokio::test]
async fn md_08_what_the_headers_say_counts_within_bounds() {
    for (directives, age, fresh) in [
        (None, None, HOUR),
        (Some("max-age=7200"), None, 2 * HOUR),
        (Some("public, MAX-AGE=7200, must-revalidate"), None, 2 * HOUR),
        (Some("max-age=\"7200\""), None, 2 * HOUR),
        (Some("max-age=7200"), Some("3600"), HOUR),
        (Some("max-age=7200"), Some("9999"), 5 * MINUTE),
        (Some("max-age=7200"), Some("soon"), 2 * HOUR),
        // Nobody makes the client ask for ever, or never again.
        (Some("no-store"), None, 5 * MINUTE),
        (Some("no-cache, max-age=7200"), None, 5 * MINUTE),
        (Some("max-age=0"), None, 5 * MINUTE),
        (Some("max-age=31536000"), None, 24 * HOUR),
        (Some("max-age=18446744073709551615"), None, 24 * HOUR),
        (Some("max-age=99999999999999999999999"), None, HOUR),
        (Some("max-age=-1"), None, HOUR),
        (Some("max-age=soon"), None, HOUR),
        (Some(",,=,;max-age"), None, HOUR),
        (Some("s-maxage=9"), None, HOUR),
    ] {
        let op = Op::new();
        let body = op.state().metadata.to_string();
        op.bend(|state| {
            state.answer(Endpoint::Discovery, move |_| {
                let mut reply = reply(200, "application/json", body.clone());
                for (name, value) in [("cache-control", directives), ("age", age)] {
                    if let Some(value) = value {
                        reply.headers_mut().insert(name, value.parse().unwrap());
                    }
                }
                Some(reply)
            });
        });
        let client = op.client();
        let asked = || async {
            client.metadata().await.unwrap();
            settle().await;
            op.count(Endpoint::Discovery)
        };
        assert_eq!(asked().await, 1);
        op.clock.advance(fresh * 3 / 4 - Duration::from_secs(1));
        assert_eq!(asked().await, 1, "{directives:?} {age:?}: fresh for long enough");
        op.clock.advance(Duration::from_secs(1));
        assert_eq!(asked().await, 2, "{directives:?} {age:?}: not fresh for long");
    }
}

#[tokio::test]
async fn md_08_metadata_may_be_kept_for_ever() {
    let op = Op::new();
    let for_ever = CachePolicy { at_least: Duration::MAX, ..CachePolicy::METADATA };
    let client = op.client().with_policy(|policy| policy.metadata_cache(for_ever));
    for _ in 0..3 {
        client.metadata().await.unwrap();
        op.clock.advance(24 * HOUR);
    }
    assert_eq!(op.count(Endpoint::Discovery), 1);
}

#[tokio::test]
async fn md_08_a_clock_that_is_set_back_keeps_nothing_for_ever() {
    let op = Op::new();
    let client = op.client();
    client.metadata().await.unwrap();
    op.clock.turn_back(48 * HOUR);
    client.metadata().await.unwrap();
    assert_eq!(op.count(Endpoint::Discovery), 2);
}

#[tokio::test]
async fn az_14_a_provider_elsewhere_names_no_endpoint_of_this_machine() {
    for (member, url) in [
        ("token_endpoint", "http://127.0.0.1:8500/token"),
        ("jwks_uri", "http://[::1]:2379/jwks"),
        ("authorization_endpoint", "http://127.0.0.1/auth"),
    ] {
        let op = Op::bent(|state| state.metadata[member] = url.into());
        let error = op.client().start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{url}: {error}");
        assert!(error.to_string().contains(url), "{error}");
        assert_eq!(op.requests().len(), 1, "{url}");
    }
    // What a login does not need is as if it were not named.
    let op = Op::bent(|state| state.metadata["userinfo_endpoint"] = "http://localhost:6379/me".into());
    let client = op.client();
    let login = op.login(&client, LoginOptions::new()).await.unwrap();
    client.get_profile(login.token.access_token()).await.unwrap_err();
    assert!(op.requests().iter().all(|sent| sent.url.starts_with(ISSUER)));
}

#[tokio::test]
async fn md_09_a_redirect_is_not_followed() {
    for to in
        ["http://op.example/x", "http://169.254.169.254/latest", "https://evil.example/", "/elsewhere", ""]
    {
        for status in [301, 302, 303, 307, 308] {
            for endpoint in [Endpoint::Discovery, Endpoint::Keys] {
                let op = Op::bent(|state| {
                    state.answer(endpoint, move |_| {
                        let mut reply = reply(status, "application/json", "{}");
                        reply.headers_mut().insert("location", to.parse().unwrap());
                        Some(reply)
                    });
                });
                let error = op.client().warm_up().await.unwrap_err();
                assert_eq!(error.class(), ErrorClass::Protocol, "{status} {to}");
                assert_eq!((op.count(endpoint), op.count(Endpoint::Other)), (1, 0));
            }
        }
    }
}

#[tokio::test]
async fn md_10_a_template_for_tenants_counts_only_for_who_asks_for_tenants() {
    let template = "https://op.example/{tenantid}/v2.0";
    let tenant = "8d1c8a3e-0000-4000-8000-000000000001";
    let op = || {
        Op::bent(|state| {
            state.metadata["issuer"] = template.into();
            state.claims = json!({"iss": format!("https://op.example/{tenant}/v2.0"), "tid": tenant});
        })
    };
    let at = |op: &Op| Discovery::new("https://op.example/common/v2.0").with_http_client(op.clone());
    // By default the document is refused, as that of another issuer.
    let one = op();
    let error = at(&one).fetch().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{error}");
    let with =
        |op: &Op, tenants| at(op).with_tenants(template, tenants).client(CLIENT_ID, CLIENT_SECRET).unwrap();
    // Undecided: no login begins.
    let one = op();
    let error =
        with(&one, Tenants::Undecided).start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.to_string().contains("tenant"), "{error}");
    for (tenants, expected) in [
        (Tenants::Any, None),
        (Tenants::OneOf(vec![tenant.to_owned()]), None),
        (Tenants::OneOf(vec!["another".to_owned()]), Some(JwtCheck::Issuer)),
        (Tenants::OneOf(vec![]), Some(JwtCheck::Issuer)),
    ] {
        let one = op();
        let client = with(&one, tenants.clone());
        let outcome = one.login(&client, LoginOptions::new()).await;
        let Ok(login) = outcome else {
            assert_eq!(outcome.unwrap_err().jwt_check(), expected, "{tenants:?}");
            continue;
        };
        assert_eq!(expected, None);
        let issuer = format!("https://op.example/{tenant}/v2.0");
        assert_eq!(IdToken::of(&login).unwrap().issuer(), issuer);
        // Users of two tenants are two users, by UserInfo as well.
        let identity = client.get_identity(&login.token).await.unwrap();
        assert_eq!(identity.key(), (&*issuer, SUBJECT));
    }
    for claims in [
        json!({"iss": template}),
        json!({"iss": template, "tid": "{tenantid}"}),
        json!({"iss": "https://op.example/other/v2.0"}),
        json!({"tid": null}),
        json!({"tid": "other"}),
        json!({"tid": ""}),
        json!({"iss": "https://op.example//v2.0", "tid": ""}),
        json!({"iss": "https://op.example/a/b/v2.0", "tid": "a/b"}),
        json!({"iss": "https://op.example/a?/v2.0", "tid": "a?"}),
        json!({"iss": format!("https://op.example/{tenant}/v2.0/")}),
        json!({"iss": format!("https://evil.example/{tenant}/v2.0")}),
    ] {
        let one = op();
        one.bend(|state| merge(&mut state.claims, &claims));
        let client = with(&one, Tenants::Any);
        let error = one.login(&client, LoginOptions::new()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Issuer), "{claims}");
        assert_eq!(one.count(Endpoint::Keys), 0);
    }
}

#[tokio::test]
async fn md_10_the_callback_of_a_tenants_user_may_name_the_tenants_issuer() {
    let template = "https://op.example/{tenantid}/v2.0";
    let op = Op::bent(|state| {
        state.metadata["issuer"] = template.into();
        state.metadata["authorization_response_iss_parameter_supported"] = json!(true);
        state.claims = json!({"iss": "https://op.example/t-1/v2.0", "tid": "t-1"});
    });
    let client = Discovery::new("https://op.example/common/v2.0")
        .with_http_client(op.clone())
        .with_tenants(template, Tenants::OneOf(vec!["t-1".to_owned(), "t-2".to_owned()]))
        .client(CLIENT_ID, CLIENT_SECRET)
        .unwrap();
    let finish = |issuer: &'static str| {
        let (op, client) = (op.clone(), client.clone());
        async move {
            let attempt = op.start(&client, LoginOptions::new()).await.attempt;
            let callback = op.callback(&attempt, &[("iss", issuer)]);
            client.finish_login(attempt, callback).await
        }
    };
    finish("https://op.example/t-1/v2.0").await.unwrap();
    for bad in [
        "https://evil.example/t-1/v2.0",
        "https://op.example/t-3/v2.0",
        "https://op.example/{tenantid}/v2.0",
        "https://op.example/t-1/v2.0/",
        "https://op.example/t-1/x/v2.0",
        "https://op.example//v2.0",
    ] {
        let before = op.count(Endpoint::Token);
        let error = finish(bad).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Login(LoginError::IssuerMismatch)), "{bad}: {error}");
        assert_eq!(op.count(Endpoint::Token), before);
    }
    // The token must be of the tenant that the callback names.
    let error = finish("https://op.example/t-2/v2.0").await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Agreement));
}

#[tokio::test]
async fn md_11_endpoints_can_be_overridden_and_the_issuer_stays_what_it_is() {
    let op = patched(json!({"revocation_endpoint": null}));
    let client = op.client().with_endpoints(|all| {
        all.with(oauth_core::Endpoint::Revocation, "https://op.example/by-hand/revoke")
            .with(oauth_core::Endpoint::Token, "https://gateway.example/token")
    });
    let login = op.login(&client, LoginOptions::new()).await.unwrap();
    assert_eq!(IdToken::of(&login).unwrap().issuer(), ISSUER);
    let urls: Vec<_> = op.requests().into_iter().map(|sent| sent.url).collect();
    assert!(urls.contains(&"https://gateway.example/token".to_owned()), "{urls:?}");
    let _ = client.revoke_token("t", None).await;
    assert_eq!(op.last_request().url, "https://op.example/by-hand/revoke");
    // What was overridden does not excuse the document.
    op.bend(|state| state.metadata["issuer"] = "https://evil.example".into());
    let client = op
        .client()
        .with_endpoints(|all| all.with(oauth_core::Endpoint::Token, "https://gateway.example/token"));
    let error = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
    assert_eq!(error.operation(), Operation::DISCOVER);
    // Metadata by hand asks nobody.
    let op = Op::new();
    let metadata = ProviderMetadata::new(op.state().metadata.clone()).unwrap();
    let client = OpenID::new(CLIENT_ID, CLIENT_SECRET, metadata).unwrap().with_http_client(op.clone());
    op.login(&client, LoginOptions::new()).await.unwrap();
    assert_eq!(op.counts(), [0, 1, 1, 0]);
    for bad in [json!([]), json!(null), json!({}), json!({"issuer": 1}), json!({"issuer": ""})] {
        assert_eq!(ProviderMetadata::new(bad).unwrap_err().class(), ErrorClass::Configuration);
    }
    // Another document with the expected issuer, where the provider's documentation says so.
    let op = patched(json!({"issuer": "https://accounts.example"}));
    let discovery = Discovery::new(ISSUER)
        .with_http_client(op.clone())
        .with_document_url("https://elsewhere.example/.well-known/openid-configuration");
    discovery.clone().fetch().await.unwrap_err();
    discovery.with_expected_issuer("https://accounts.example").fetch().await.unwrap();
    assert_eq!(op.last_request().url, "https://elsewhere.example/.well-known/openid-configuration");
}

#[tokio::test]
async fn md_12_what_the_metadata_lists_narrows_the_clients_algorithms_and_never_widens_them() {
    for (listed, algorithm, key, expected) in [
        (json!(["none"]), "none", Key::Rsa, Some(JwtCheck::Algorithm)),
        (json!(["none", "HS256"]), "HS256", Key::Rsa, Some(JwtCheck::Algorithm)),
        (json!(["RS1", "RSA1_5"]), "RS1", Key::Rsa, Some(JwtCheck::Algorithm)),
        // As LLNG and Canaille list it.
        (json!(["none", "HS256", "RS256", "ES256"]), "RS256", Key::Rsa, None),
        (json!(["ES256"]), "RS256", Key::Rsa, Some(JwtCheck::Algorithm)),
        (json!(["ES256"]), "ES256", Key::P256, None),
        // A list that has nothing of ours says nothing.
        (json!(["none"]), "RS256", Key::Rsa, None),
        (json!([]), "RS256", Key::Rsa, None),
        (json!("ES256"), "RS256", Key::Rsa, None),
        (json!([1, null, ["ES256"]]), "RS256", Key::Rsa, None),
    ] {
        let op = Op::bent(|state: &mut State| {
            state.sign_with(algorithm, key, "k");
            state.jwks = json!({"keys": [key.bare("k")]});
            state.metadata["id_token_signing_alg_values_supported"] = listed.clone();
        });
        let outcome = op.login(&op.client(), LoginOptions::new()).await;
        assert_eq!(outcome.err().and_then(|error| error.jwt_check()), expected, "{listed} {algorithm}");
    }
}

#[tokio::test]
async fn md_13_signed_metadata_is_neither_used_nor_trusted() {
    let op = Op::new();
    let claims = json!({
        "iss": ISSUER, "issuer": ISSUER, "token_endpoint": "https://evil.example/token",
        "jwks_uri": "https://evil.example/jwks",
    });
    let header = json!({"alg": "RS256", "kid": "rsa"});
    let signed = op.state().signing.token(&header, &claims);
    for signed in [signed, "not.a.jwt".to_owned()] {
        op.bend(|state| state.metadata["signed_metadata"] = signed.into());
        op.login(&op.client(), LoginOptions::new()).await.unwrap();
        assert!(op.requests().iter().all(|sent| sent.url.starts_with("https://op.example/")));
    }
}

#[tokio::test]
async fn texts_of_metadata_are_cut_before_they_enter_an_error() {
    let long = "x".repeat(50_000);
    for (member, value) in [
        ("issuer", json!(format!("https://{long}.example"))),
        ("token_endpoint", json!(format!("http://op.example/{long}"))),
        ("token_endpoint", json!(format!("https://op.example/{long}#f"))),
        ("token_endpoint", json!(format!("https://op.example/{{{long}}}"))),
        ("jwks_uri", json!(format!("http://{long}.example"))),
        ("token_endpoint_auth_methods_supported", json!([long, long])),
    ] {
        let op = Op::bent(|state| state.metadata[member] = value);
        let error = op.client().start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.len() < 2_000, "{member}: {} characters: {}", shown.len(), &shown[..300]);
    }
    let typed = Discovery::new(format!("https://op.example/{long}?x")).client(CLIENT_ID, CLIENT_SECRET);
    assert!(typed.unwrap_err().to_string().len() < 2_000);
}

#[tokio::test]
async fn md_14_webfinger_gives_an_https_issuer_of_the_right_relation_or_nothing() {
    const RELATION: &str = "http://openid.net/specs/connect/1.0/issuer";
    let answering = |body: Value| {
        Op::bent(|state| {
            state
                .answer(Endpoint::Other, move |_| Some(reply(200, "application/jrd+json", body.to_string())));
        })
    };
    let link = |rel: &str, href: Value| json!({"rel": rel, "href": href});
    let op = answering(json!({
        "subject": "acct:ada@mail.example",
        "links": [link("other", json!("https://evil.example")), link(RELATION, json!(ISSUER))],
    }));
    let found = webfinger("ada@mail.example", Some(Arc::new(op.clone()))).await.unwrap();
    assert_eq!(found, ISSUER);
    let sent = op.last_request();
    assert_eq!((&*sent.method, &*sent.url), ("GET", "https://mail.example/.well-known/webfinger"));
    assert_eq!(
        sent.query,
        crate::support::owned(&[("resource", "acct:ada@mail.example"), ("rel", RELATION)])
    );
    assert_eq!(sent.header("authorization"), None);
    for body in [
        json!({}),
        json!([]),
        json!({"links": null}),
        json!({"links": {}}),
        json!({"links": []}),
        json!({"links": [1, "x", null, {}]}),
        json!({"links": [link("other", json!(ISSUER))]}),
        json!({"links": [link(RELATION, json!(7))]}),
        json!({"links": [link(RELATION, json!("http://op.example"))]}),
        json!({"links": [link(RELATION, json!("https://op.example?x"))]}),
        json!({"links": [link(RELATION, json!("https://op.example#x"))]}),
        json!({"links": [link(RELATION, json!("javascript:alert(1)"))]}),
        json!({"links": [link(RELATION, json!("op.example"))]}),
        json!({"links": [link(RELATION, json!(""))]}),
        // The next request would go there.
        json!({"links": [link(RELATION, json!("https://127.0.0.1"))]}),
        json!({"links": [link(RELATION, json!("https://localhost:8443"))]}),
        json!({"links": [link(RELATION, json!("https://169.254.169.254"))]}),
        json!({"links": [link(RELATION, json!("https://10.0.0.7/realms/x"))]}),
        json!({"links": [link(RELATION, json!("https://2130706433"))]}),
        json!({"links": [link(RELATION, json!("https://[fd00::1]"))]}),
        json!({"links": [link(RELATION, json!("https://user:pw@op.example"))]}),
        json!({"links": [link(RELATION, json!("https://keycloak"))]}),
        json!({"links": [link(RELATION, json!("https://sso.corp"))]}),
        json!({"links": [link(RELATION, json!("https://keycloak.default.svc"))]}),
    ] {
        let op = answering(body.clone());
        let error = webfinger("ada@mail.example", Some(Arc::new(op))).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{body}: {error}");
    }
    for bad in [
        "ada@127.0.0.1",
        "ada@localhost",
        "https://169.254.169.254/",
        "ada@198.18.0.1",
        "ada@240.0.0.1",
        "https://[fec0::1]/",
        "ada@mail.corp",
        "ada@db.home.arpa",
        "http://mail.example/ada",
        "ada@",
        "",
    ] {
        let op = Op::new();
        let error = webfinger(bad, Some(Arc::new(op.clone()))).await.unwrap_err();
        assert_eq!((error.class(), op.requests().len()), (ErrorClass::Configuration, 0), "{bad}");
    }
    // Nobody follows it to a place inside.
    let op = Op::bent(|state| {
        state.answer(Endpoint::Other, |_| {
            let mut reply = reply(302, "text/html", "");
            reply.headers_mut().insert("location", "http://169.254.169.254/".parse().unwrap());
            Some(reply)
        });
    });
    webfinger("ada@mail.example", Some(Arc::new(op.clone()))).await.unwrap_err();
    assert_eq!(op.requests().len(), 1);
}

#[tokio::test]
async fn a_provider_that_is_down_at_start_stops_nobody() {
    let op = Op::bent(|state| state.down = vec![Endpoint::Discovery, Endpoint::Keys]);
    let client = op.client();
    for _ in 0..3 {
        let error = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
        assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{error}");
    }
    op.bend(|state| state.down.clear());
    op.login(&client, LoginOptions::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_first_logins_make_one_request_for_metadata_and_one_for_keys() {
    let op = Op::new();
    let client = op.client();
    let token = op.id_token(json!({}));
    let logins: Vec<_> = (0..64)
        .map(|_| {
            let (client, token) = (client.clone(), token.clone());
            tokio::spawn(async move {
                client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
                client.verify_id_token(&token, &Expectations::new().without_nonce()).await.unwrap();
            })
        })
        .collect();
    for login in logins {
        login.await.unwrap();
    }
    assert_eq!(op.counts(), [1, 1, 0, 0]);
    // The same at a provider that fails: all learn of one failure.
    let op = Op::bent(|state| state.down = vec![Endpoint::Discovery]);
    let client = op.client();
    let (gate, _) = tokio::sync::broadcast::channel::<()>(1);
    let logins: Vec<_> = (0..64)
        .map(|_| {
            let (client, mut go) = (client.clone(), gate.subscribe());
            tokio::spawn(async move {
                let _ = go.recv().await;
                client.start_login(REDIRECT_URI, LoginOptions::new()).await.map(drop).unwrap_err();
            })
        })
        .collect();
    drop(gate);
    for login in logins {
        login.await.unwrap();
    }
    assert!(op.count(Endpoint::Discovery) < 64, "{}", op.count(Endpoint::Discovery));
}

#[tokio::test]
async fn a_cache_that_was_exported_serves_another_process() {
    let op = Op::new();
    let client = op.client();
    assert!(OpenIDConnect::of(&client).unwrap().export_cache().is_empty());
    client.warm_up().await.unwrap();
    let exported = serde_json::to_string(&OpenIDConnect::of(&client).unwrap().export_cache()).unwrap();
    assert!(!exported.contains(CLIENT_SECRET));
    let import = |op: &Op, text: &str| {
        let (client, export) = (op.client(), serde_json::from_str::<CacheExport>(text).unwrap());
        async move {
            OpenIDConnect::of(&client).unwrap().import_cache(export).await.unwrap();
            client
        }
    };
    let other = import(&op, &exported).await;
    op.login(&other, LoginOptions::new()).await.unwrap();
    assert_eq!(op.counts(), [1, 1, 1, 0], "nothing was asked twice");
    // What is too old is not taken.
    op.clock.advance(48 * HOUR);
    let late = import(&op, &exported).await;
    assert!(
        OpenIDConnect::of(&late).unwrap().export_cache().is_empty() || op.count(Endpoint::Discovery) == 2
    );
    op.login(&late, LoginOptions::new()).await.unwrap();
    assert_eq!(op.counts(), [2, 2, 2, 0]);
    // What belongs to another issuer is not taken either.
    let elsewhere = Op::at("https://other.example");
    let stranger = import(&elsewhere, &exported).await;
    elsewhere.login(&stranger, LoginOptions::new()).await.unwrap();
    assert_eq!(elsewhere.counts(), [1, 1, 1, 0]);
    // Nor what is not what it should be.
    for broken in [
        exported.replace(ISSUER, "https://evil.example"),
        exported.replace("\"issuer\"", "\"iss\""),
        exported.replace("\"keys\":[", "\"kees\":["),
    ] {
        let op = Op::new();
        let Ok(export) = serde_json::from_str::<CacheExport>(&broken) else { continue };
        let client = op.client();
        OpenIDConnect::of(&client).unwrap().import_cache(export).await.unwrap();
        op.login(&client, LoginOptions::new()).await.unwrap();
    }
}

#[tokio::test]
async fn processes_that_share_a_cache_ask_once() {
    let op = Op::new();
    let shared: Arc<dyn SharedCache> = Arc::new(MemoryCache::new());
    for _ in 0..4 {
        let client = op.client_with(|policy| policy.shared_cache(shared.clone()).trust_domain("tests"));
        op.login(&client, LoginOptions::new()).await.unwrap();
    }
    assert_eq!(op.counts(), [1, 1, 4, 0]);
    // A key that is not in the cache is asked for at the provider, and is then there for all.
    op.bend(|state| state.sign_with("ES256", Key::P256, "new"));
    for _ in 0..3 {
        let client = op.client_with(|policy| policy.shared_cache(shared.clone()).trust_domain("tests"));
        op.login(&client, LoginOptions::new()).await.unwrap();
    }
    assert_eq!(op.count(Endpoint::Keys), 2);
    // Another issuer's documents are under other names.
    let other = Op::at("https://other.example");
    let client = other.client_with(|policy| policy.shared_cache(shared.clone()).trust_domain("tests"));
    other.login(&client, LoginOptions::new()).await.unwrap();
    assert_eq!(other.counts(), [1, 1, 1, 0]);
}

#[tokio::test]
async fn jk_07_what_another_process_keeps_for_long_is_trusted_for_as_long_as_ones_own_policy_says() {
    let op = Op::new();
    let shared: Arc<dyn SharedCache> = Arc::new(MemoryCache::new());
    let a_day = CachePolicy { at_least: 24 * HOUR, at_most: 24 * HOUR, ..CachePolicy::KEYS };
    let lax =
        op.client_with(|policy| policy.shared_cache(shared.clone()).trust_domain("tests").key_cache(a_day));
    lax.warm_up().await.unwrap();
    let exported = OpenIDConnect::of(&lax).unwrap().export_cache();
    let sharing = op.client_with(|policy| policy.shared_cache(shared.clone()).trust_domain("tests"));
    let importing = op.client();
    OpenIDConnect::of(&importing).unwrap().import_cache(exported).await.unwrap();
    for (client, before) in [(sharing, 1), (importing, 2)] {
        op.login(&client, LoginOptions::new()).await.unwrap();
        assert_eq!(op.count(Endpoint::Keys), before);
        op.clock.advance(16 * MINUTE);
        op.login(&client, LoginOptions::new()).await.unwrap();
        assert_eq!(op.count(Endpoint::Keys), before + 1);
        op.clock.turn_back(16 * MINUTE);
    }
}

/// A cache that is down, or that holds what nobody put there.
#[derive(Debug)]
struct Unreliable(Option<&'static str>);

#[async_trait]
impl SharedCache for Unreliable {
    async fn get(&self, _: &str) -> Result<Option<bytes::Bytes>, SharedCacheError> {
        match self.0 {
            Some(text) => Ok(Some(text.into())),
            None => Err("the cache is down".into()),
        }
    }

    async fn put(&self, _: &str, _: bytes::Bytes, _: Duration) -> Result<(), SharedCacheError> {
        Err("the cache is down".into())
    }

    async fn put_new(&self, _: &str, _: bytes::Bytes, _: Duration) -> Result<bool, SharedCacheError> {
        Err("the cache is down".into())
    }

    async fn take(&self, _: &str) -> Result<Option<bytes::Bytes>, SharedCacheError> {
        Err("the cache is down".into())
    }
}

#[tokio::test]
async fn a_shared_cache_that_is_down_or_spoilt_is_no_obstacle() {
    let evil = r#"{"url":"https://op.example/.well-known/openid-configuration","issuer":"https://op.example","document":{"issuer":"https://evil.example"},"read_at":1,"fresh_for":18446744073709551615}"#;
    for held in [None, Some(""), Some("{"), Some("null"), Some("{}"), Some(evil)] {
        let op = Op::new();
        let client =
            op.client_with(|policy| policy.shared_cache(Arc::new(Unreliable(held))).trust_domain("tests"));
        op.login(&client, LoginOptions::new()).await.unwrap();
        assert_eq!(op.counts(), [1, 1, 1, 0], "{held:?}");
    }
}

#[tokio::test]
async fn lb_11_two_providers_in_one_process_share_nothing() {
    // The same names of keys and of users, other keys.
    let (one, two) = (Op::new(), Op::at("https://other.example"));
    two.bend(|state| {
        state.sign_with("RS256", Key::OtherRsa, "rsa");
    });
    let (at_one, at_two) = (one.client(), two.client());
    let first = one.login(&at_one, LoginOptions::new()).await.unwrap();
    let second = two.login(&at_two, LoginOptions::new()).await.unwrap();
    let key = |login| {
        let id_token: &IdToken = IdToken::of(login).unwrap();
        (id_token.issuer().to_owned(), id_token.subject().to_owned())
    };
    assert_ne!(key(&first), key(&second));
    let crossed =
        at_two.verify_id_token(first.token.id_token().unwrap(), &Expectations::new().without_nonce()).await;
    assert_eq!(crossed.unwrap_err().jwt_check(), Some(JwtCheck::Issuer));
    // A token that names the other's issuer, signed by a key of the same name.
    let forged = two.id_token(json!({"iss": ISSUER}));
    let error = at_one.verify_id_token(&forged, &Expectations::new().without_nonce()).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Signature));
    assert_eq!((one.counts(), two.counts()), ([1, 1, 1, 0], [1, 1, 1, 0]));
}

#[tokio::test]
async fn metadata_whose_policy_keeps_nothing_stale_is_read_before_it_is_used() {
    let never_stale = CachePolicy { stale: Duration::ZERO, ..CachePolicy::METADATA };
    let op = Op::new();
    let client = op.client_with(|policy| policy.metadata_cache(never_stale));
    op.start(&client, LoginOptions::new()).await;
    op.bend(|state| state.metadata["authorization_endpoint"] = "https://op.example/new-auth".into());
    op.clock.advance(HOUR);
    assert!(op.start(&client, LoginOptions::new()).await.url.starts_with("https://op.example/new-auth?"));
}

#[tokio::test]
async fn jr_05_pr_05_a_provider_that_takes_no_plain_request_is_sent_none() {
    for (name, value) in [
        ("require_pushed_authorization_requests", json!(true)),
        ("require_signed_request_object", json!(true)),
        ("require_pushed_authorization_requests", json!("true")),
        ("require_signed_request_object", json!(1)),
    ] {
        let op = Op::new();
        op.bend(|state| state.metadata[name] = value.clone());
        let client = op.client();
        let error = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{name}");
        let request = AuthorizationRequest::new(REDIRECT_URI);
        let error = client.get_authorization_url(request).await.unwrap_err();
        assert!(error.to_string().contains("authorization requests (RFC 9"), "{error}");
        let metadata = ProviderMetadata::new(op.state().metadata.clone()).unwrap();
        let given = OpenID::new(CLIENT_ID, CLIENT_SECRET, metadata).unwrap().with_http_client(op.clone());
        assert!(given.start_login(REDIRECT_URI, LoginOptions::new()).await.is_err());
        // All else goes on.
        client.oauth2().ready().await.unwrap();
    }
    for value in [json!(false), json!(null)] {
        let op = Op::new();
        op.bend(|state| state.metadata["require_pushed_authorization_requests"] = value.clone());
        op.login(&op.client(), LoginOptions::new()).await.unwrap();
    }
}

#[tokio::test]
async fn of_a_large_reply_to_discovery_only_the_beginning_is_kept() {
    let op = Op::new();
    op.bend(|state| state.metadata = json!({"issuer": 1, "more": "x".repeat(200 * 1024)}));
    let client = op.client();
    let (one, other) = tokio::join!(client.metadata(), client.metadata());
    let sizes = [one, other].map(|result| result.unwrap_err().body().map_or(0, <[u8]>::len));
    assert!(sizes.contains(&4096), "{sizes:?}");
}
