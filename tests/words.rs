//! The words that a `Spec` has for what departs from the standards: whole requests and results of clients that use them.

use oauth_clients::{
    ClientAuth, Endpoint, ErrorClass, OAuth2, OAuth2Token, Provider, Spec,
    provider_kit::{
        EmailCall, ErrorSpec, ProfileRequest, ProfileSource, ProfileSpec, RefreshBy, RefreshSpec,
        RequestFormat, RequestMethod, RevocationSpec, TokenPlace, TokenSpec,
    },
};
use serde_json::{Value, json};

use crate::support::{Script, Sent, owned, reply};

const SPEC: Spec = Spec {
    name: "worded",
    endpoints: &[
        (Endpoint::Authorization, "https://as.example/authorize"),
        (Endpoint::Token, "https://as.example/token"),
        (Endpoint::Refresh, "https://as.example/refresh"),
        (Endpoint::Revocation, "https://as.example/revoke"),
        (Endpoint::Profile, "https://api.example/me"),
        (Endpoint::Other("emails"), "https://api.example/emails"),
    ],
    ..Spec::RFC6749
};

fn client(spec: &Spec, http: &Script) -> OAuth2 {
    OAuth2::from_spec(spec, "id", "secret").with_http_client(http.clone())
}

fn answers(bodies: impl IntoIterator<Item = Value>) -> Script {
    Script::new(bodies.into_iter().map(|body| reply(200, "application/json", body.to_string())))
}

fn json_body(sent: &Sent) -> Value {
    assert_eq!(sent.header("content-type"), Some("application/json"), "{sent:?}");
    serde_json::from_str(&sent.body).unwrap()
}

async fn exchanged(spec: &Spec) -> Sent {
    let http = answers([json!({"access_token": "AT"})]);
    client(spec, &http).get_access_token("CODE", "https://app.example/cb", None, &[]).await.unwrap();
    http.request()
}

#[tokio::test]
async fn a_token_request_can_be_json_with_parameters_of_the_providers_own() {
    let token = TokenSpec {
        format: RequestFormat::Json,
        params: &[("expiring", "1"), ("version", "2")],
        omitted_params: &["redirect_uri"],
        ..TokenSpec::RFC6749
    };
    let sent = exchanged(&Spec { token, ..SPEC }).await;
    assert_eq!((&*sent.method, &*sent.url, &sent.query[..]), ("POST", "https://as.example/token", &[][..]));
    assert_eq!(
        json_body(&sent),
        json!({"grant_type": "authorization_code", "code": "CODE", "expiring": "1", "version": "2",
            "client_id": "id", "client_secret": "secret"})
    );
    // What the caller sends counts.
    let http = answers([json!({"access_token": "AT"})]);
    let client = client(&Spec { token, ..SPEC }, &http);
    client.get_access_token("CODE", "https://app.example/cb", None, &[("version", "3")]).await.unwrap();
    assert_eq!(json_body(&http.request())["version"], "3");

    let basic = TokenSpec { client_auth: ClientAuth::Basic, ..token };
    let sent = exchanged(&Spec { token: basic, ..SPEC }).await;
    assert_eq!(sent.header("authorization"), Some("Basic aWQ6c2VjcmV0"));
    assert_eq!(json_body(&sent).get("client_secret"), None);
}

#[tokio::test]
async fn a_token_request_can_be_a_query_with_the_providers_names_for_the_client() {
    let spec = Spec {
        client_id_param: "appid",
        client_secret_param: "secret",
        token: TokenSpec {
            format: RequestFormat::Query,
            omitted_params: &["redirect_uri"],
            refresh: RefreshSpec { client_auth: Some(ClientAuth::None), ..RefreshSpec::RFC6749 },
            ..TokenSpec::RFC6749
        },
        ..SPEC
    };
    let sent = exchanged(&spec).await;
    assert_eq!((&*sent.method, &*sent.url, &*sent.body), ("GET", "https://as.example/token", ""));
    assert_eq!(sent.headers, owned(&[("accept", "application/json")]));
    assert_eq!(
        sent.query,
        owned(&[
            ("grant_type", "authorization_code"),
            ("code", "CODE"),
            ("appid", "id"),
            ("secret", "secret")
        ])
    );
    let http = answers([json!({"access_token": "AT2"})]);
    client(&spec, &http).refresh_token("RT&+", None).await.unwrap();
    let sent = http.request();
    assert_eq!((&*sent.method, &*sent.url), ("GET", "https://as.example/refresh"));
    assert_eq!(
        sent.query,
        owned(&[("grant_type", "refresh_token"), ("refresh_token", "RT&+"), ("appid", "id")])
    );
    // Nothing that was sent is in an error, should the server echo it.
    let http =
        Script::json(400, &json!({"error": "invalid_grant", "error_description": "CODE-77 of secret"}));
    let error = client(&spec, &http)
        .get_access_token("CODE-77", "https://app.example/cb", None, &[])
        .await
        .unwrap_err();
    assert!(!format!("{error} {error:?}").contains("CODE-77"), "{error:?}");
    // The secret is the library's to send, by whatever name.
    let client = client(&spec, &Script::default());
    let error = client.get_access_token("C", "https://app.example/cb", None, &[("secret", "x")]).await;
    assert_eq!(error.unwrap_err().class(), ErrorClass::Configuration);
}

#[tokio::test]
async fn a_token_can_be_refreshed_by_itself() {
    let spec = Spec {
        token: TokenSpec {
            refresh: RefreshSpec {
                by: RefreshBy::AccessToken,
                grant_type: "ig_refresh_token",
                format: Some(RequestFormat::Query),
                ..RefreshSpec::RFC6749
            },
            ..TokenSpec::RFC6749
        },
        ..SPEC
    };
    let http = answers([
        json!({"access_token": "AT1", "expires_in": 100}),
        json!({"access_token": "AT2", "expires_in": 100}),
    ]);
    let client = client(&spec, &http);
    let token = client.get_access_token("CODE", "https://app.example/cb", None, &[]).await.unwrap();
    assert_eq!(token.refresh_token(), Some("AT1"));
    let token = client.refresh(&token, None).await.unwrap();
    assert_eq!((token.access_token(), token.refresh_token()), ("AT2", Some("AT2")));
    let sent = &http.requests()[1];
    assert_eq!((&*sent.method, &*sent.url), ("GET", "https://as.example/refresh"));
    assert_eq!(sent.query, owned(&[("grant_type", "ig_refresh_token"), ("access_token", "AT1")]));
}

async fn revoked(revocation: RevocationSpec) -> Sent {
    let http = Script::new([reply(200, "", "")]);
    client(&Spec { revocation, ..SPEC }, &http).revoke_token("T", Some("refresh_token")).await.unwrap();
    http.request()
}

#[tokio::test]
async fn a_token_to_revoke_goes_where_the_provider_wants_it() {
    const BASE: RevocationSpec = RevocationSpec::RFC7009;
    let client_fields = [("client_id", "id"), ("client_secret", "secret")];
    let sent = revoked(BASE).await;
    assert_eq!(
        sent.form(),
        owned(&[&[("token", "T"), ("token_type_hint", "refresh_token")][..], &client_fields].concat())
    );
    // In a header, it authorizes the request by itself.
    for (token, name, value) in [
        (TokenPlace::Bearer, "authorization", "Bearer T"),
        (TokenPlace::Scheme("OAuth"), "authorization", "OAuth T"),
        (TokenPlace::Header("x-token"), "x-token", "T"),
    ] {
        let sent = revoked(RevocationSpec { token, method: RequestMethod::Delete, ..BASE }).await;
        assert_eq!((&*sent.method, sent.header(name), &*sent.body), ("DELETE", Some(value), ""), "{token:?}");
        assert_eq!(sent.header("content-type"), None);
    }
    let sent = revoked(RevocationSpec {
        token: TokenPlace::Field("access_token"),
        params: &[("grant_type", "delete")],
        ..BASE
    });
    let expected = [
        &[("grant_type", "delete"), ("access_token", "T"), ("token_type_hint", "refresh_token")][..],
        &client_fields,
    ]
    .concat();
    assert_eq!(sent.await.form(), owned(&expected));
    let sent = revoked(RevocationSpec { token: TokenPlace::FieldByKind, ..BASE }).await;
    assert_eq!(sent.form(), owned(&[&[("refresh_token", "T")][..], &client_fields].concat()));
    let sent = revoked(RevocationSpec {
        client_auth: Some(ClientAuth::Basic),
        token: TokenPlace::Field("token"),
        format: RequestFormat::Json,
        ..BASE
    });
    let sent = sent.await;
    // Servers that take JSON refuse members that they do not know.
    assert_eq!(json_body(&sent), json!({"token": "T"}));
    assert_eq!(sent.header("authorization"), Some("Basic aWQ6c2VjcmV0"));
    let sent = revoked(RevocationSpec { token: TokenPlace::Query("token"), ..BASE }).await;
    assert_eq!((&*sent.method, sent.query), ("POST", owned(&[("token", "T")])));
}

#[tokio::test]
async fn a_refusal_of_a_revocation_under_a_status_of_success_is_one() {
    let of_bearer = RevocationSpec { token: TokenPlace::Bearer, ..RevocationSpec::RFC7009 };
    for (revocation, is_error) in [(of_bearer, true), (RevocationSpec::RFC7009, false)] {
        let http = answers([json!({"ok": false, "error": "invalid_auth"})]);
        // By the standard, the status alone decides (RFC 7009 section 2.2).
        let outcome = client(&Spec { revocation, ..SPEC }, &http).revoke_token("T", None).await;
        assert_eq!(outcome.is_err(), is_error);
    }
    let spec = Spec {
        errors: ErrorSpec { failed_at: Some("/ok"), success: &["true"], ..ErrorSpec::RFC6749 },
        ..SPEC
    };
    assert!(client(&spec, &answers([json!({"ok": false})])).revoke_token("T", None).await.is_err());
    client(&spec, &answers([json!({"ok": true})])).revoke_token("T", None).await.unwrap();
}

async fn profile_request(profile: ProfileSpec) -> (Sent, Value) {
    let http = answers([json!({"data": {"id": "1"}, "id": "0"})]);
    let profile = client(&Spec { profile, ..SPEC }, &http).get_profile("AT").await.unwrap();
    (http.request(), profile)
}

#[tokio::test]
async fn a_profile_can_be_asked_for_in_other_ways_than_a_get() {
    const BASE: ProfileSpec = ProfileSpec::RFC6749;
    let (sent, _) = profile_request(ProfileSpec { request: ProfileRequest::Post, ..BASE }).await;
    assert_eq!((&*sent.method, sent.header("content-type"), &*sent.body), ("POST", None, ""));
    let form = ProfileRequest::PostForm(&[("app", "{client_id}"), ("v", "1")]);
    let (sent, _) =
        profile_request(ProfileSpec { request: form, token: TokenPlace::Field("access_token"), ..BASE })
            .await;
    assert_eq!(sent.form(), owned(&[("app", "id"), ("v", "1"), ("access_token", "AT")]));
    assert_eq!(sent.header("authorization"), None);
    let json = ProfileRequest::PostJson(r#"{"fields": ["id"]}"#);
    let (sent, _) = profile_request(ProfileSpec { request: json, ..BASE }).await;
    assert_eq!(
        (json_body(&sent), sent.header("authorization")),
        (json!({"fields": ["id"]}), Some("Bearer AT"))
    );
    let query = ProfileRequest::GraphQl("{ viewer { id } }");
    let (sent, profile) = profile_request(ProfileSpec { request: query, ..BASE }).await;
    assert_eq!(json_body(&sent), json!({"query": "{ viewer { id } }"}));
    assert_eq!(profile, json!({"id": "1"}));
    let (sent, _) = profile_request(ProfileSpec {
        params: &[("fields", "id,name")],
        headers: &[("x-client", "{client_id}")],
        token: TokenPlace::Query("access_token"),
        ..BASE
    })
    .await;
    assert_eq!(sent.query, owned(&[("fields", "id,name"), ("access_token", "AT")]));
    assert_eq!((sent.header("x-client"), sent.header("authorization")), (Some("id"), None));
}

#[tokio::test]
async fn a_dead_token_is_known_wherever_it_was_presented() {
    for token in
        [TokenPlace::Bearer, TokenPlace::Scheme("OAuth"), TokenPlace::Header("x"), TokenPlace::Query("t")]
    {
        let spec = Spec { profile: ProfileSpec { token, ..ProfileSpec::RFC6749 }, ..SPEC };
        let error = client(&spec, &Script::json(401, &json!({}))).get_profile("AT").await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Reauthorize, "{token:?}");
        assert!(client(&spec, &Script::default()).get_profile("").await.is_err(), "{token:?}");
    }
}

#[tokio::test]
async fn a_profile_request_can_say_what_the_token_reply_said() {
    let spec = Spec {
        profile: ProfileSpec {
            id_at: "/openid",
            params: &[("openid", "{token:/openid}")],
            token: TokenPlace::Query("access_token"),
            ..ProfileSpec::RFC6749
        },
        ..SPEC
    };
    let http = answers([json!({"openid": "o&1"})]);
    let token: OAuth2Token = serde_json::from_value(json!({"access_token": "AT", "openid": "o&1"})).unwrap();
    assert_eq!(client(&spec, &http).get_identity(&token).await.unwrap().subject, "o&1");
    assert_eq!(http.request().query, owned(&[("openid", "o&1"), ("access_token", "AT")]));
    // An access token alone does not have it.
    let error = client(&spec, &Script::default()).get_profile("AT").await.unwrap_err();
    assert!(error.to_string().contains("get_profile_of"), "{error}");
    let error = client(&spec, &Script::default()).get_identity(&OAuth2Token::new("AT")).await.unwrap_err();
    assert!(error.to_string().contains("{token:/openid}"), "{error}");
}

#[tokio::test]
async fn who_signed_in_can_be_in_the_token_reply() {
    let spec = Spec {
        profile: ProfileSpec {
            id_at: "/owner/user/id",
            email_at: Some("/owner/user/person/email"),
            source: ProfileSource::TokenReply,
            ..ProfileSpec::RFC6749
        },
        ..SPEC
    };
    let reply = json!({"access_token": "AT", "owner": {"user": {"id": "U", "person": {"email": "a@x"}}}});
    let token: OAuth2Token = serde_json::from_value(reply).unwrap();
    let client = client(&spec, &Script::default());
    let identity = client.get_identity(&token).await.unwrap();
    assert_eq!(
        (&*identity.subject, identity.email.map(|email| email.address)),
        ("U", Some("a@x".to_owned()))
    );
    assert!(!identity.profile.to_string().contains("AT"));
    assert!(client.get_identity(&OAuth2Token::new("AT")).await.is_err());
}

#[tokio::test]
async fn a_name_can_be_in_parts_and_an_item_known_by_a_flag() {
    let spec = Spec {
        profile: ProfileSpec {
            id_at: "/user/blogs/[?primary]/uuid",
            name_at: Some("/name"),
            name_parts_at: &["/first", "/middle", "/last"],
            ..ProfileSpec::RFC6749
        },
        ..SPEC
    };
    let blogs = json!([{"uuid": "a", "primary": false}, {"uuid": "b", "primary": true}]);
    for (name, expected) in [
        (json!({"first": "Ada", "last": "Lovelace"}), Some("Ada Lovelace")),
        (json!({"first": "Ada", "middle": "", "last": null}), Some("Ada")),
        (json!({"name": "Countess", "first": "Ada"}), Some("Countess")),
        (json!({"name": ""}), None),
    ] {
        let mut profile = name.clone();
        profile["user"] = json!({ "blogs": blogs });
        let identity =
            client(&spec, &answers([profile])).get_identity(&OAuth2Token::new("AT")).await.unwrap();
        assert_eq!((&*identity.subject, identity.name.as_deref()), ("b", expected), "{name}");
    }
}

const WITH_CALL: Spec = Spec {
    profile: ProfileSpec {
        headers: &[("x-client", "{client_id}")],
        token: TokenPlace::Scheme("OAuth"),
        email_call: Some(EmailCall {
            email_at: "/values/[?is_primary]/email",
            email_verified_at: Some("/values/[?is_primary]/is_confirmed"),
            ..EmailCall::EMAILS
        }),
        ..ProfileSpec::RFC6749
    },
    ..SPEC
};

#[tokio::test]
async fn an_address_can_take_a_second_call() {
    let values = json!({"values": [
        {"email": "a@x", "is_primary": false, "is_confirmed": true},
        {"email": "b@x", "is_primary": true, "is_confirmed": true},
    ]});
    let http = answers([json!({"id": 1}), values]);
    assert_eq!(
        client(&WITH_CALL, &http).get_id_email("AT").await.unwrap(),
        ("1".to_owned(), Some("b@x".to_owned()))
    );
    let sent = &http.requests()[1];
    assert_eq!((&*sent.method, &*sent.url), ("GET", "https://api.example/emails"));
    assert_eq!((sent.header("authorization"), sent.header("x-client")), (Some("OAuth AT"), Some("id")));
    // One that the profile has is enough.
    let http = answers([json!({"id": 1, "email": "c@x"})]);
    assert_eq!(client(&WITH_CALL, &http).get_id_email("AT").await.unwrap().1.as_deref(), Some("c@x"));
    // Who may not see it has none, and anything else is an error.
    for (status, is_error) in [(403, false), (404, false), (401, true), (429, true), (503, true)] {
        let profile = reply(200, "application/json", json!({"id": 1}).to_string());
        let http = Script::new([profile, reply(status, "application/json", "{}")]);
        let outcome = client(&WITH_CALL, &http).get_id_email("AT").await;
        assert_eq!(outcome.is_err(), is_error, "{status}: {outcome:?}");
    }
}

#[tokio::test]
async fn an_error_is_known_by_the_providers_own_members_and_codes() {
    let errors = ErrorSpec {
        failed_at: Some("/errcode"),
        success: &["0"],
        message_at: Some("/errmsg"),
        codes: &[("40029", "invalid_grant"), ("-1", "temporarily_unavailable"), ("40001", "invalid_token")],
        ..ErrorSpec::RFC6749
    };
    let client = |status, body: Value| client(&Spec { errors, ..SPEC }, &Script::json(status, &body));
    for (status, code, class) in [
        (200, json!(40029), ErrorClass::Reauthorize),
        (200, json!("40029"), ErrorClass::Reauthorize),
        (400, json!(-1), ErrorClass::Transient { retry_after: None }),
        (200, json!(41000), ErrorClass::Protocol),
    ] {
        let body = json!({"errcode": code, "errmsg": "in words", "access_token": "AT"});
        let error = client(status, body).refresh_token("RT", None).await.unwrap_err();
        assert_eq!(error.class(), class, "{code}: {error}");
        assert!(error.to_string().contains("in words"), "{error}");
    }
    let error = client(200, json!({"errcode": 40001})).get_profile("AT").await.unwrap_err();
    assert_eq!(error.oauth_error().unwrap().code, "invalid_token");
    for success in [json!({"errcode": 0, "id": 1}), json!({"errcode": "0", "id": 1}), json!({"id": 1})] {
        client(200, success).get_profile("AT").await.unwrap();
    }

    let errors = ErrorSpec { code_at: Some("/ECODE"), message_at: Some("/err"), ..ErrorSpec::RFC6749 };
    let spec = Spec { errors, ..SPEC };
    let refused = Script::json(400, &json!({"ECODE": "OAUTH_010", "err": "no such code"}));
    let error = self::client(&spec, &refused).get_profile("AT").await.unwrap_err();
    assert_eq!(error.oauth_error().unwrap().code, "OAUTH_010");
    self::client(&spec, &answers([json!({"id": 1})])).get_profile("AT").await.unwrap();

    let errors = ErrorSpec {
        failed_at: Some("/success"),
        success: &["true"],
        code_at: Some("/errors/0/code"),
        message_at: Some("/errors/0/message"),
        ..ErrorSpec::RFC6749
    };
    let body = json!({"success": false, "errors": [{"code": 9109, "message": "Invalid access token"}]});
    let spec = Spec { errors, ..SPEC };
    let error = self::client(&spec, &Script::json(200, &body)).get_profile("AT").await.unwrap_err();
    let said = error.oauth_error().unwrap();
    assert_eq!((&*said.code, said.description.as_deref()), ("9109", Some("Invalid access token")));
}

#[tokio::test]
async fn a_graphql_error_is_known_by_its_code_whatever_the_status() {
    let spec = Spec {
        profile: ProfileSpec {
            request: ProfileRequest::GraphQl("{ viewer { id } }"),
            ..ProfileSpec::RFC6749
        },
        errors: ErrorSpec { codes: &[("RATELIMITED", "temporarily_unavailable")], ..ErrorSpec::RFC6749 },
        ..SPEC
    };
    let body =
        json!({"errors": [{"message": "slowly", "extensions": {"code": "RATELIMITED"}}], "data": {"id": 1}});
    for status in [200, 400] {
        let error = client(&spec, &Script::json(status, &body)).get_profile("AT").await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Transient { retry_after: None }, "{status}: {error}");
    }
}
