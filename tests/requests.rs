//! What is sent: whole requests of the generic client.

use oauth_clients::{
    AuthorizationRequest, Callback, ClientAuth, ClientSecret, CodeChallengeMethod, CodeVerifier, DatedSecret,
    ErrorClass, LoginOptions, OAuth2, OAuth2Token, OffsetDateTime, Provider, ResponseType, Sealer,
    SealingKey, Secret, SecretSource, SecretSourceError, async_trait,
};
use serde::Serialize;
use serde_json::json;

use crate::support::{Script, owned, query_of, reply};

fn generic() -> OAuth2 {
    OAuth2::new("id", "secret", "https://as.example/authorize", "https://as.example/token")
        .with_refresh_endpoint("https://as.example/refresh")
        .with_revoke_endpoint("https://as.example/revoke")
        .with_scopes(["a", "b"])
}

#[tokio::test]
async fn an_authorization_url_holds_what_was_asked_for_and_nothing_twice() {
    let verifier = CodeVerifier::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
    let request = AuthorizationRequest::new("https://app.example/cb?tenant=ü&x=1")
        .state("s+/=&")
        .nonce("n")
        .pkce(&verifier)
        .extras_params(&json!({"flag": true, "off": false, "none": null, "list": ["x", "y"], "n": 3, "claims": {"a": null}}));
    let url = generic().get_authorization_url(request).await.unwrap();
    assert!(url.starts_with("https://as.example/authorize?response_type=code&client_id=id&redirect_uri=https%3A%2F%2Fapp.example%2Fcb%3Ftenant%3D%C3%BC%26x%3D1&"), "{url}");
    assert_eq!(
        query_of(&url),
        owned(&[
            ("response_type", "code"),
            ("client_id", "id"),
            ("redirect_uri", "https://app.example/cb?tenant=ü&x=1"),
            ("state", "s+/=&"),
            ("scope", "a b"),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
            ("nonce", "n"),
            ("claims", r#"{"a":null}"#),
            ("flag", "true"),
            ("list", "x y"),
            ("n", "3"),
            ("off", "false"),
        ])
    );
}

#[tokio::test]
async fn az_01_an_endpoint_keeps_its_query_and_must_have_no_fragment() {
    for (endpoint, expected) in [
        ("https://as.example/a?tenant=x", "https://as.example/a?tenant=x&response_type=code&"),
        ("https://as.example/a?", "https://as.example/a?response_type=code&"),
        ("https://as.example/a?tenant=x&", "https://as.example/a?tenant=x&response_type=code&"),
    ] {
        let client = OAuth2::new("id", "secret", endpoint, "https://as.example/token");
        let url =
            client.get_authorization_url(AuthorizationRequest::new("https://app.example/cb")).await.unwrap();
        assert!(url.starts_with(expected), "{url}");
    }
    for endpoint in
        ["https://as.example/a#f", "http://as.example/a", "as.example/a", "https://as.example/a?state=x"]
    {
        let client = OAuth2::new("id", "secret", endpoint, "https://as.example/token");
        let error = client
            .get_authorization_url(AuthorizationRequest::new("https://app.example/cb"))
            .await
            .unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{endpoint}");
    }
}

#[tokio::test]
async fn az_02_extra_parameters_cannot_replace_what_the_library_sets() {
    for name in [
        "response_type",
        "client_id",
        "redirect_uri",
        "state",
        "scope",
        "code_challenge",
        "code_challenge_method",
        "nonce",
        "request",
        "request_uri",
    ] {
        let request =
            AuthorizationRequest::new("https://app.example/cb").extras_params(&json!({name: "evil"}));
        let error = generic().get_authorization_url(request).await.unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(error.class(), ErrorClass::Configuration);
    }
}

#[tokio::test]
async fn az_02_a_name_that_a_lenient_server_takes_for_the_librarys_is_refused() {
    for name in [
        "State",
        "CLIENT_ID",
        "client.id",
        "client id",
        "client[id",
        "client+id",
        " client_id",
        "\tclient_id",
        "client_id ",
        "client_id\0",
        "client_id\0x",
        "client_id[]",
        "client_id[0]",
        "client_id[a][b]",
        "client%5Fid",
        "client%255fid",
        "redirect.uri",
        "Redirect_Uri",
        "redirect[uri",
        "code.challenge",
        "code_challenge[method",
        "Nonce",
        "Request",
        "request.uri",
        "response type",
        "SCOPE",
        "scope[]",
        // These have no business in a URL.
        "client_secret",
        "Client.Secret",
        "code_verifier",
        "code verifier",
        "client_assertion",
    ] {
        let request = AuthorizationRequest::new("https://app.example/cb").extras_params(&json!({name: "x"}));
        let error = generic().get_authorization_url(request).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{name:?}");
        let client = generic().with_authorize_params(&json!({name: "x"}));
        let request = AuthorizationRequest::new("https://app.example/cb");
        assert!(client.get_authorization_url(request).await.is_err(), "{name:?}");
        let options = LoginOptions::new().extras_params(&json!({name: "x"}));
        assert!(generic().start_login("https://app.example/cb", options).await.is_err(), "{name:?}");
    }
    // Nor a second spelling of what the library looks at, or of another extra parameter.
    for params in [
        json!({"Prompt": "none login"}),
        json!({"max.age": "soon"}),
        json!({"acr.values": "low"}),
        json!({"Response_Mode": "query"}),
        json!({"claims[]": "{}"}),
        json!({"resource[]": "https://a.example"}),
        json!({"hd": "a.example", "HD": "b.example"}),
    ] {
        let request = AuthorizationRequest::new("https://app.example/cb").extras_params(&params);
        let error = generic().get_authorization_url(request).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{params}");
    }
    let harmless = json!({"prompt": "login", "states": "1", "client": "x", "id": "y", "user.name": "z", "a[0]": "1", "b[0]": "2"});
    let request = AuthorizationRequest::new("https://app.example/cb").extras_params(&harmless);
    let url = generic().get_authorization_url(request).await.unwrap();
    assert!(url.contains("user.name=z") && url.contains("a%5B0%5D=1"), "{url}");
    // The endpoint's own query too.
    for query in ["State=x", "client.id=x", "client_secret=x", "Code_Verifier=x"] {
        let endpoint = format!("https://as.example/authorize?{query}");
        let client = OAuth2::new("id", "secret", endpoint, "https://as.example/token");
        let request = AuthorizationRequest::new("https://app.example/cb");
        assert!(client.get_authorization_url(request).await.is_err(), "{query}");
    }
}

fn is_same_as_client_id(name: &str) -> bool {
    let name = name.to_lowercase();
    name.starts_with("client") && name.ends_with("id")
}

#[tokio::test]
async fn extra_token_parameters_hold_no_secret_and_nothing_under_another_name() {
    let verifier = CodeVerifier::random().unwrap();
    for name in [
        "client_secret",
        "Client_Secret",
        "client.secret",
        "client secret",
        "code_verifier",
        "Code.Verifier",
        "code_verifier[]",
        "client_assertion",
        "CODE",
        "code[]",
        " code",
        "code\0",
        "redirect.uri",
        "Grant_Type",
        "client.id",
        "client[id",
        "CLIENT_ID",
    ] {
        for verifier in [None, Some(&verifier)] {
            for auth in [ClientAuth::Post, ClientAuth::Basic, ClientAuth::None] {
                let http = Script::default();
                let client = generic().with_client_auth(auth).with_http_client(http.clone());
                if auth == ClientAuth::Basic && is_same_as_client_id(name) {
                    // The client does not send its id in the form then.
                    continue;
                }
                let extra = [(name, "x")];
                let error = client
                    .get_access_token("c", "https://app.example/cb", verifier, &extra)
                    .await
                    .unwrap_err();
                assert_eq!(error.class(), ErrorClass::Configuration, "{name:?} {auth:?}");
                assert!(http.requests().is_empty());
            }
        }
    }
}

#[tokio::test]
async fn ra_01_authorization_details_are_a_json_array_and_resources_a_parameter_each() {
    let details =
        json!([{"type": "payment_initiation", "actions": ["initiate", "status"]}, {"type": "account"}]);
    let resources = ["https://cal.example/", "https://mail.example/api"];
    let params = json!({"authorization_details": details, "resource": resources});
    for request in [
        AuthorizationRequest::new("https://app.example/cb").extras_params(&params),
        AuthorizationRequest::new("https://app.example/cb")
            .extras_params(&json!({"authorization_details": details.to_string(), "resource": resources})),
    ] {
        let query = query_of(&generic().get_authorization_url(request).await.unwrap());
        let values = |name: &str| -> Vec<&str> {
            query.iter().filter(|(other, _)| other == name).map(|(_, value)| &**value).collect()
        };
        assert_eq!(values("resource"), resources);
        let sent: Vec<serde_json::Value> =
            values("authorization_details").iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        assert_eq!(sent, std::slice::from_ref(&details));
    }
    let client = generic().with_authorize_params(&params);
    let url = client.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap().url;
    assert_eq!(query_of(&url).iter().filter(|(name, _)| name == "resource").count(), 2);

    let token = Script::json(200, &json!({"access_token": "AT"}));
    let text = details.to_string();
    let extra = [("resource", resources[0]), ("resource", resources[1]), ("authorization_details", &text)];
    let client = generic().with_http_client(token.clone());
    client.get_access_token("c", "https://app.example/cb", None, &extra).await.unwrap();
    let form = token.request().form();
    for pair in owned(&extra) {
        assert!(form.contains(&pair), "{form:?}");
    }

    for bad in [
        json!({"type": "x"}),
        json!([]),
        json!([{}]),
        json!([{"type": 1}]),
        json!("x"),
        json!("{}"),
        json!(["x"]),
        json!(1),
    ] {
        let params = json!({"authorization_details": bad});
        let request = AuthorizationRequest::new("https://app.example/cb").extras_params(&params);
        let error = generic().get_authorization_url(request).await.unwrap_err();
        assert!(error.to_string().contains("authorization_details"), "{bad}: {error}");
        let text = bad.as_str().map_or_else(|| bad.to_string(), str::to_owned);
        let extra = [("authorization_details", &*text)];
        let http = Script::default();
        let client = generic().with_http_client(http.clone());
        let error = client.get_access_token("c", "https://app.example/cb", None, &extra).await.unwrap_err();
        assert_eq!((error.class(), http.requests().len()), (ErrorClass::Configuration, 0), "{bad}");
    }
}

#[tokio::test]
async fn az_11_no_access_token_is_asked_for_at_the_authorization_endpoint() {
    for (response_type, expected) in
        [(ResponseType::Code, "code"), (ResponseType::CodeIdToken, "code id_token")]
    {
        let request = AuthorizationRequest::new("https://app.example/cb").response_type(response_type);
        let url = generic().get_authorization_url(request).await.unwrap();
        assert_eq!(query_of(&url)[0], ("response_type".to_owned(), expected.to_owned()));
    }
    // There is no other, and no way around it: not as an extra parameter, nor by the client's own ones, nor in the endpoint.
    let params = json!({"response_type": "token"});
    let request = AuthorizationRequest::new("https://app.example/cb");
    let by_request = generic().get_authorization_url(request.clone().extras_params(&params)).await;
    let by_client = generic().with_authorize_params(&params).get_authorization_url(request.clone()).await;
    let by_login = generic()
        .start_login("https://app.example/cb", LoginOptions::new().extras_params(&params))
        .await
        .map(|started| started.url);
    let endpoint = "https://as.example/authorize?response_type=token";
    let in_endpoint = OAuth2::new("id", "secret", endpoint, "https://as.example/token");
    let by_endpoint = in_endpoint.get_authorization_url(request).await;
    for outcome in [by_request, by_client, by_login, by_endpoint] {
        assert_eq!(outcome.unwrap_err().class(), ErrorClass::Configuration);
    }
}

#[tokio::test]
async fn az_08_a_redirect_uri_is_absolute_and_has_no_fragment() {
    for bad in ["https://app.example/cb#x", "/cb", "", "app.example/cb"] {
        assert!(generic().get_authorization_url(AuthorizationRequest::new(bad)).await.is_err(), "{bad}");
    }
    for good in ["http://127.0.0.1:8000/cb", "com.example.app:/cb", "https://app.example/cb?x=1"] {
        assert!(generic().get_authorization_url(AuthorizationRequest::new(good)).await.is_ok(), "{good}");
    }
}

#[tokio::test]
async fn az_13_scopes_are_joined_as_the_provider_wants_them() {
    let scope_of = |client: OAuth2, scopes: Option<Vec<&'static str>>| async move {
        let request = AuthorizationRequest::new("https://app.example/cb");
        let request = match scopes {
            Some(scopes) => request.scopes(scopes),
            None => request,
        };
        let url = client.get_authorization_url(request).await?;
        Ok::<_, oauth_clients::Error>(
            query_of(&url).into_iter().find(|(name, _)| name == "scope").map(|(_, v)| v),
        )
    };
    assert_eq!(scope_of(generic(), None).await.unwrap().as_deref(), Some("a b"));
    assert_eq!(scope_of(generic(), Some(vec!["c"])).await.unwrap().as_deref(), Some("c"));
    assert_eq!(scope_of(generic(), Some(vec![])).await.unwrap(), None);
    assert_eq!(scope_of(generic().with_scopes([""; 0]), None).await.unwrap(), None);
    assert_eq!(scope_of(generic().with_scope_separator(","), None).await.unwrap().as_deref(), Some("a,b"));
    for bad in ["a\"b", "a\\b", "a\u{7f}", "ä", "a\nb"] {
        assert!(scope_of(generic(), Some(vec![bad])).await.is_err(), "{bad:?}");
    }
}

#[tokio::test]
async fn tk_01_a_code_exchange_with_the_secret_in_the_body() {
    let http = Script::json(200, &json!({"access_token": "AT"}));
    let verifier = CodeVerifier::random().unwrap();
    let redirect_uri = "https://app.example/%7Ecb/?a=b";
    generic()
        .with_http_client(http.clone())
        .get_access_token(
            "CODE",
            redirect_uri,
            Some(&verifier),
            &[("resource", "https://rs.example"), ("empty", "")],
        )
        .await
        .unwrap();
    let sent = http.request();
    assert_eq!((&*sent.method, &*sent.url), ("POST", "https://as.example/token"));
    assert_eq!(sent.query, []);
    assert_eq!(
        sent.headers,
        owned(&[("accept", "application/json"), ("content-type", "application/x-www-form-urlencoded")])
    );
    assert_eq!(
        sent.form(),
        owned(&[
            ("grant_type", "authorization_code"),
            ("code", "CODE"),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier.expose()),
            ("resource", "https://rs.example"),
            ("client_id", "id"),
            ("client_secret", "secret"),
        ])
    );
}

#[tokio::test]
async fn extra_token_parameters_cannot_stand_twice() {
    for extra in [("code", "other"), ("client_id", "other"), ("grant_type", "password")] {
        let client = generic().with_http_client(Script::default());
        let error = client.get_access_token("c", "https://app.example/cb", None, &[extra]).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
    }
}

#[tokio::test]
async fn tk_04_basic_credentials_are_form_encoded_first_unless_told_otherwise() {
    let secret = "s3cret+/=:%~ &?-._*";
    // `printf %s 'my%3Aid:s3cret%2B%2F%3D%3A%25%7E+%26%3F-._*' | base64` and the same without the encoding.
    for (auth, expected) in [
        (ClientAuth::Basic, "my%3Aid:s3cret%2B%2F%3D%3A%25%7E+%26%3F-._*"),
        (ClientAuth::BasicUnencoded, "my:id:s3cret+/=:%~ &?-._*"),
    ] {
        let http = Script::json(200, &json!({"access_token": "AT"}));
        OAuth2::new("my:id", secret, "https://as.example/authorize", "https://as.example/token")
            .with_client_auth(auth)
            .with_http_client(http.clone())
            .get_access_token("c", "https://app.example/cb", None, &[])
            .await
            .unwrap();
        let sent = http.request();
        let encoded = sent.header("authorization").unwrap().strip_prefix("Basic ").unwrap();
        let decoded = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded).unwrap();
        assert_eq!(String::from_utf8(decoded).unwrap(), expected);
        // One method per request: nothing of the client in the body (TK-05).
        assert!(sent.form().iter().all(|(name, _)| !name.starts_with("client")), "{sent:?}");
    }
}

#[tokio::test]
async fn tk_05_a_secret_among_the_extra_parameters_does_not_go_beside_the_clients_own() {
    for auth in [ClientAuth::Basic, ClientAuth::BasicUnencoded, ClientAuth::Post] {
        let client = generic().with_client_auth(auth).with_http_client(Script::default());
        let extra = [("client_secret", "other")];
        let error = client.get_access_token("c", "https://app.example/cb", None, &extra).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{auth:?}");
        assert!(error.to_string().contains("client_secret"), "{error}");
        let error = client.oauth2().refresh_token_with("RT", None, &extra).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{auth:?}");
    }
}

#[tokio::test]
async fn tk_05_a_public_client_names_itself_in_the_body_whatever_the_provider_prefers() {
    for auth in [ClientAuth::Post, ClientAuth::Basic, ClientAuth::None] {
        let http = Script::json(200, &json!({"access_token": "AT"}));
        OAuth2::new("id", ClientSecret::NONE, "https://as.example/authorize", "https://as.example/token")
            .with_client_auth(auth)
            .with_http_client(http.clone())
            .get_access_token("c", "https://app.example/cb", None, &[])
            .await
            .unwrap();
        let sent = http.request();
        assert_eq!(sent.header("authorization"), None);
        assert_eq!(sent.form().last(), Some(&("client_id".to_owned(), "id".to_owned())));
    }
}

#[tokio::test]
async fn refresh_and_revocation_go_to_their_own_endpoints_by_their_own_methods() {
    let http = Script::new([
        reply(200, "application/json", r#"{"access_token":"AT"}"#),
        reply(200, "text/plain", ""),
    ]);
    let client = generic().with_revoke_auth(ClientAuth::Basic).with_http_client(http.clone());
    client.refresh_token("RT", Some(&["a"])).await.unwrap();
    client.revoke_token("RT", Some("refresh_token")).await.unwrap();
    let [refresh, revoke] = &http.requests()[..] else { panic!() };
    assert_eq!(refresh.url, "https://as.example/refresh");
    assert_eq!(
        refresh.form(),
        owned(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", "RT"),
            ("scope", "a"),
            ("client_id", "id"),
            ("client_secret", "secret")
        ])
    );
    assert_eq!(revoke.url, "https://as.example/revoke");
    assert_eq!(revoke.form(), owned(&[("token", "RT"), ("token_type_hint", "refresh_token")]));
    assert_eq!(revoke.header("authorization"), Some("Basic aWQ6c2VjcmV0"));
}

#[tokio::test]
async fn what_a_provider_does_not_have_is_said_without_a_request() {
    let client = OAuth2::new("id", "secret", "https://as.example/authorize", "https://as.example/token");
    for error in [
        client.refresh_token("RT", None).await.unwrap_err(),
        client.revoke_token("RT", None).await.unwrap_err(),
        client.get_profile("AT").await.unwrap_err(),
        client.introspect_token("AT", None).await.unwrap_err(),
    ] {
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.to_string().contains("not supported by this provider"), "{error}");
    }
}

#[tokio::test]
async fn br_01_an_access_token_travels_in_the_header_and_nowhere_else() {
    let http = Script::json(200, &json!({"id": 1}));
    let client =
        generic().with_profile_endpoint("https://api.example/me?fields=id").with_http_client(http.clone());
    client.get_profile("AT").await.unwrap();
    let sent = http.request();
    assert_eq!((&*sent.method, &*sent.url, &*sent.body), ("GET", "https://api.example/me", ""));
    assert_eq!(sent.query, owned(&[("fields", "id")]));
    assert_eq!(sent.headers, owned(&[("accept", "application/json"), ("authorization", "Bearer AT")]));
}

#[tokio::test]
async fn rv_05_an_introspection_is_read_as_servers_send_it_and_what_has_expired_is_not_active() {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    for (exp, active) in [
        (json!(now + 300), true),
        (json!(now as f64 + 300.5), true),
        (json!((now + 300).to_string()), true),
        (json!(null), true),
        // A minute, as between clocks everywhere.
        (json!(now - 30), true),
        (json!(now - 90), false),
        (json!(now as f64 - 90.5), false),
        (json!((now - 90).to_string()), false),
        (json!(0), true),
        (json!(-1e300), false),
        (json!(1e300), true),
        (json!(u64::MAX), true),
    ] {
        for aud in [json!("a"), json!(["a", "b"])] {
            let body = json!({"active": true, "exp": exp, "iat": 1_700_000_000.25, "aud": aud, "sub": "x"});
            let client = generic().with_introspection_endpoint("https://as.example/introspect");
            let client = client.with_http_client(Script::json(200, &body));
            let mut expected = body;
            expected["active"] = active.into();
            assert_eq!(client.introspect_token("AT", None).await.unwrap(), expected);
        }
    }
}

#[tokio::test]
async fn rv_06_an_introspection_is_asked_for_each_time() {
    let kept = |active: bool| {
        let mut answer = reply(200, "application/json", json!({"active": active}).to_string());
        answer.headers_mut().insert("cache-control", "max-age=3600".parse().unwrap());
        answer
    };
    let http = Script::new([kept(true), kept(false)]);
    let client = generic().with_introspection_endpoint("https://as.example/introspect");
    let client = client.with_http_client(http.clone());
    for active in [true, false] {
        let found = client.introspect_token("AT", Some("access_token")).await.unwrap();
        assert_eq!(found["active"], active);
    }
    let [first, second] = &http.requests()[..] else { panic!() };
    assert_eq!((first, &*first.method, &*first.url), (second, "POST", "https://as.example/introspect"));
    assert_eq!(
        first.form(),
        owned(&[
            ("token", "AT"),
            ("token_type_hint", "access_token"),
            ("client_id", "id"),
            ("client_secret", "secret")
        ])
    );
}

#[tokio::test]
async fn rv_04_an_introspection_must_say_whether_the_token_is_active() {
    for (body, fine) in [
        (json!({"active": true, "sub": "x"}), true),
        (json!({"active": false}), true),
        (json!({}), false),
        (json!({"active": "true"}), false),
        (json!([true]), false),
    ] {
        let client = generic().with_introspection_endpoint("https://as.example/introspect");
        let client = client.with_http_client(Script::json(200, &body));
        assert_eq!(client.introspect_token("AT", None).await.is_ok(), fine, "{body}");
    }
}

#[tokio::test]
async fn a_secret_can_be_made_for_each_request_and_its_failure_stops_the_request() {
    #[derive(Debug)]
    struct Vault(bool);

    #[async_trait]
    impl SecretSource for Vault {
        async fn client_secret(&self) -> Result<Secret, SecretSourceError> {
            if self.0 { Ok("fresh".into()) } else { Err("the vault is sealed".into()) }
        }
    }

    let http = Script::json(200, &json!({"access_token": "AT"}));
    let client = |open| {
        OAuth2::new(
            "id",
            ClientSecret::made_by(Vault(open)),
            "https://as.example/authorize",
            "https://as.example/token",
        )
        .with_http_client(http.clone())
    };
    client(true).get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap();
    assert_eq!(http.request().form().last().unwrap().1, "fresh");
    let error = client(false).get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap_err();
    assert!(error.to_string().contains("the vault is sealed"), "{error}");
    // Nobody is asked for a secret that could not be sent.
    let plain = client(false).with_endpoints(|all| all.map(|url| url.replace("https:", "http:")));
    let error = plain.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap_err();
    assert!(error.to_string().contains("use https"), "{error}");
    assert_eq!(http.requests().len(), 1);
}

#[tokio::test]
async fn endpoints_move_together_and_defaults_can_be_overridden() {
    #[derive(Serialize)]
    struct Extra {
        prompt: &'static str,
    }
    let client = generic()
        .with_endpoints(|all| all.at("https://gateway.example/acme"))
        .with_authorize_params(&Extra { prompt: "none" });
    let plain =
        client.get_authorization_url(AuthorizationRequest::new("https://app.example/cb")).await.unwrap();
    assert!(plain.starts_with("https://gateway.example/acme/authorize?"), "{plain}");
    assert!(plain.ends_with("&prompt=none"), "{plain}");
    let request = AuthorizationRequest::new("https://app.example/cb")
        .extras_params(&Extra { prompt: "login" })
        .code_challenge("x", CodeChallengeMethod::Plain);
    let other = client.get_authorization_url(request).await.unwrap();
    assert!(other.ends_with("&code_challenge=x&code_challenge_method=plain&prompt=login"), "{other}");
}

#[tokio::test]
async fn nothing_that_prints_shows_a_secret() {
    let client = OAuth2::new("id", "CLIENT-SECRET", "https://as.example/a", "https://as.example/t");
    let request = AuthorizationRequest::new("https://app.example/cb")
        .state("STATE")
        .extras_params(&json!({"x": "EXTRA"}));
    let started = client.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    let (state, verifier) = (started.attempt.state().to_owned(), started.attempt.code_verifier().unwrap());
    let verifier = verifier.expose().to_owned();
    let reply = json!({
        "access_token": "ACCESS-TOKEN", "refresh_token": "REFRESH-TOKEN", "id_token": "ID-TOKEN", "other": "OTHER-VALUE",
    });
    let token: OAuth2Token = serde_json::from_value(reply.clone()).unwrap();
    let callback = Callback::from_query("code=THE-CODE&state=STATE");
    let key = [0x5a; 32];
    let login = {
        let client = client.clone().with_http_client(Script::json(200, &reply));
        let callback = Callback::from_query(&format!("code=THE-CODE&state={state}"));
        client.finish_login(started.attempt.clone(), callback).await.unwrap()
    };
    let shown = format!(
        "{client:?} {request:?} {:?} {:?} {:?} {started:?} {token:?} {token:#?} {callback:?} {login:?} {:?} {:?}",
        Secret::new("HIDDEN"),
        CodeVerifier::new("V".repeat(43)).unwrap(),
        client.client_secret(),
        SealingKey::from_bytes(key),
        Sealer::new(SealingKey::from_bytes(key)),
    );
    let of_key = format!("{:?}", &key[..3]);
    for secret in [
        "CLIENT-SECRET",
        "STATE",
        "EXTRA",
        "HIDDEN",
        "VVV",
        &*state,
        &*verifier,
        "ACCESS-TOKEN",
        "REFRESH-TOKEN",
        "ID-TOKEN",
        "OTHER-VALUE",
        "THE-CODE",
        "5a5a",
        "ZZZ",
        of_key.trim_matches(['[', ']']),
    ] {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
    }
}

#[tokio::test]
async fn another_secret_is_tried_if_the_client_was_refused_and_not_otherwise() {
    for (status, body, tries) in [
        (400, r#"{"error":"invalid_client"}"#, 2),
        (401, r#"{"error":"invalid_client"}"#, 2),
        (401, "", 2),
        (401, r#"{"error":"invalid_grant"}"#, 1),
        (400, r#"{"error":"invalid_grant"}"#, 1),
        (400, "", 1),
        (503, "", 1),
    ] {
        let refused = || reply(status, "application/json", body);
        let http = Script::new([refused(), refused()]);
        let secrets = ClientSecret::rotating(["old", "new"].map(DatedSecret::new));
        let client = OAuth2::new("id", secrets, "https://as.example/authorize", "https://as.example/token")
            .with_http_client(http.clone());
        client.get_access_token("code", "https://app.example/cb", None, &[]).await.unwrap_err();
        assert_eq!(http.requests().len(), tries, "HTTP {status} {body}");
    }
}
