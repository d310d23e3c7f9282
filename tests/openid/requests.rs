//! AZ and TK: what a login asks for (OpenID Connect Core section 3.1.2.1), and logins that others begin (section 4).

use std::time::Duration;

use oauth_clients::{
    ErrorClass, JwtCheck, LoginOptions, OAuth2, Provider, ResponseMode, ResponseType, openid::InitiatedLogin,
};
use serde_json::{Value, json};

use super::op::{CLIENT_SECRET, Endpoint, ISSUER, Op, REDIRECT_URI};
use crate::support::query_of;

/// The one value of a parameter of the authorization URL.
fn value(url: &str, name: &str) -> Option<String> {
    let values: Vec<_> = query_of(url).into_iter().filter(|(other, _)| other == name).collect();
    assert!(values.len() <= 1, "{name} twice in {url}");
    values.into_iter().next().map(|(_, value)| value)
}

async fn url(options: LoginOptions) -> String {
    let op = Op::new();
    op.start(&op.client(), options).await.url
}

/// The reason why no URL was built; nothing but metadata may be asked for.
async fn problem(options: LoginOptions) -> String {
    let op = Op::new();
    let error = op.client().start_login(REDIRECT_URI, options).await.unwrap_err();
    assert_eq!((error.class(), op.counts()), (ErrorClass::Configuration, [1, 0, 0, 0]));
    error.to_string()
}

#[tokio::test]
async fn az_09_the_scope_openid_is_there_where_an_id_token_is_expected_and_nowhere_else() {
    for (scopes, expected) in [
        (None, "openid email"),
        (Some(vec![]), "openid"),
        (Some(vec!["email"]), "openid email"),
        (Some(vec!["email openid"]), "email openid"),
        (Some(vec!["profile", "openid"]), "profile openid"),
        (Some(vec!["openid2"]), "openid openid2"),
    ] {
        let options = match scopes {
            Some(scopes) => LoginOptions::new().scopes(scopes),
            None => LoginOptions::new(),
        };
        assert_eq!(value(&url(options).await, "scope").as_deref(), Some(expected));
    }
    let plain = OAuth2::new("id", "secret", "https://as.example/authorize", "https://as.example/token");
    let plain = plain.with_scopes(["read"]);
    let started = plain.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
    assert_eq!(value(&started.url, "scope").as_deref(), Some("read"));
    assert_eq!(value(&started.url, "nonce"), None);
}

#[tokio::test]
async fn az_10_every_login_has_a_nonce_of_its_own() {
    let op = Op::new();
    let client = op.client();
    let mut seen = std::collections::HashSet::new();
    for options in [LoginOptions::new, || LoginOptions::new().response_type(ResponseType::CodeIdToken)] {
        for _ in 0..100 {
            let started = op.start(&client, options()).await;
            let nonce = value(&started.url, "nonce").unwrap();
            assert_eq!(started.attempt.nonce(), Some(&*nonce));
            // 256 bits, and within FAPI's limit of 64 characters.
            assert!((43..=64).contains(&nonce.len()), "{nonce}");
            assert_ne!(nonce, started.attempt.state());
            assert!(seen.insert(nonce));
        }
    }
    // Nobody can choose it from outside.
    for name in ["nonce", "state", "response_type", "request", "request_uri", "scope", "client_id"] {
        assert!(problem(LoginOptions::new().extras_params(&json!({ name: "mine" }))).await.contains(name));
    }
}

#[tokio::test]
async fn az_18_the_parameters_of_openid_connect_are_typed_and_sent_once() {
    let options = LoginOptions::new()
        .prompt("login consent")
        .max_age(Duration::from_secs(3600))
        .login_hint("ada+x@mail.example")
        .id_token_hint("a.b.c")
        .acr_values(["urn:a", "urn:b"])
        .ui_locales(["fr-CA", "fr"])
        .display("popup")
        .response_mode(ResponseMode::FormPost);
    let url = url(options).await;
    for (name, expected) in [
        ("prompt", "login consent"),
        ("max_age", "3600"),
        ("login_hint", "ada+x@mail.example"),
        ("id_token_hint", "a.b.c"),
        ("acr_values", "urn:a urn:b"),
        ("ui_locales", "fr-CA fr"),
        ("display", "popup"),
        ("response_mode", "form_post"),
        ("response_type", "code"),
    ] {
        assert_eq!(value(&url, name).as_deref(), Some(expected), "{name}");
    }
    for prompt in ["none login", "login none", "none none", "none  login", "none "] {
        assert!(problem(LoginOptions::new().prompt(prompt)).await.contains("prompt"), "{prompt:?}");
    }
    let by_hand = LoginOptions::new().extras_params(&json!({"prompt": ["none", "login"]}));
    assert!(problem(by_hand).await.contains("prompt"));
    for age in [json!(-1), json!("soon"), json!(1.5), json!("")] {
        let options = LoginOptions::new().extras_params(&json!({ "max_age": age }));
        assert!(problem(options).await.contains("max_age"), "{age}");
    }
}

#[tokio::test]
async fn az_19_the_parameter_claims_is_a_json_object_and_kept_as_it_is() {
    // The example of OpenID Connect Core section 5.5.
    let claims = json!({
        "userinfo": {
            "given_name": {"essential": true}, "nickname": null, "email": {"essential": true},
            "http://example.info/claims/groups": null,
        },
        "id_token": {
            "auth_time": {"essential": true}, "acr": {"values": ["urn:mace:incommon:iap:silver"]},
            "sub": {"value": "248289761001"},
        },
    });
    let sent = value(&url(LoginOptions::new().claims(&claims)).await, "claims").unwrap();
    assert_eq!(serde_json::from_str::<Value>(&sent).unwrap(), claims);
    // What is demanded besides joins it.
    let options = LoginOptions::new().claims(&claims).require_acr(["gold"]);
    let sent: Value = serde_json::from_str(&value(&url(options).await, "claims").unwrap()).unwrap();
    assert_eq!(sent["id_token"]["acr"], json!({"essential": true, "values": ["gold"]}));
    assert_eq!(
        (&sent["userinfo"], &sent["id_token"]["sub"]),
        (&claims["userinfo"], &claims["id_token"]["sub"])
    );
    for bad in ["", "{", "[]", "null", "\"x\"", "{\"id_token\":}"] {
        let options = LoginOptions::new().extras_params(&json!({ "claims": bad }));
        assert!(problem(options).await.contains("claims"), "{bad}");
    }
}

#[tokio::test]
async fn az_20_a_max_age_of_zero_is_sent_and_checked() {
    let zero = || LoginOptions::new().max_age(Duration::ZERO);
    assert_eq!(value(&url(zero()).await, "max_age").as_deref(), Some("0"));
    let now = Op::new().clock.seconds();
    for (time, expected) in [
        (json!(now), None),
        (json!(now - 3600), Some(JwtCheck::AuthTime)),
        (json!(now - 61), Some(JwtCheck::AuthTime)),
        (json!(null), Some(JwtCheck::AuthTime)),
    ] {
        let op = Op::bent(|state| state.claims = json!({ "auth_time": time }));
        let outcome = op.login(&op.client(), zero()).await;
        assert_eq!(outcome.err().and_then(|error| error.jwt_check()), expected, "{time}");
    }
}

#[tokio::test]
async fn az_21_a_login_that_others_begin_is_for_a_known_issuer_and_goes_to_an_allowed_place() {
    let op = Op::new();
    let client = op.client();
    for query in [
        "iss=https%3A%2F%2Fevil.example&login_hint=ada",
        "iss=https%3A%2F%2Fop.example%2F",
        "iss=HTTPS%3A%2F%2Fop.example",
        "iss=https%3A%2F%2Fop.example&iss=https%3A%2F%2Fop.example",
        "iss=",
        "login_hint=ada",
        "",
    ] {
        assert!(!InitiatedLogin::from_query(query).is_for(&client), "{query}");
        assert!(!InitiatedLogin::from_form(query).is_for(&client), "{query}");
    }
    let allowed = ["https://app.example/", "https://app.example:8443/in"];
    let target = |target: &str| {
        let query =
            oauth_clients::provider_kit::form_encoded(&[("iss", ISSUER), ("target_link_uri", target)]);
        InitiatedLogin::from_query(&query).target(&allowed).map(str::to_owned)
    };
    for good in ["https://app.example/", "https://app.example/cart?x=1#y", "https://app.example:8443/in/a"] {
        assert_eq!(target(good).as_deref(), Some(good));
    }
    for bad in [
        "https://evil.example",
        "https://app.example.evil.example/",
        "https://app.example@evil.example/",
        "https://evil.example/https://app.example/",
        "//app.example/",
        "///app.example/",
        "/cart",
        "http://app.example/",
        "javascript:alert(1)//https://app.example/",
        "https://app.example:8443/inside",
        "https://app.example:8443/in/../out",
        "https://app.example:8443/in/%2e%2e/out",
        // What a browser, a header and a parser read in three ways.
        "https:app.example/",
        "https:/app.example/",
        "https:\\\\app.example/",
        "https://app.example\\@evil.example/",
        "https://app.example/\r\nSet-Cookie: a=b",
        "https://app.example/\tx",
        " https://app.example/",
        "https://app.example/ ",
        "\u{0}https://app.example/",
        "",
    ] {
        assert_eq!(target(bad), None, "{bad:?}");
    }
    // The login itself starts afresh: nothing of the wish but the hint is in it.
    let wish = "iss=https%3A%2F%2Fop.example&login_hint=ada&state=mine&nonce=mine&code=c&redirect_uri=https://evil.example";
    let wish = InitiatedLogin::from_query(wish);
    assert!(wish.is_for(&client));
    let started = op.start(&client, wish.options()).await;
    assert_eq!(value(&started.url, "login_hint").as_deref(), Some("ada"));
    assert_eq!(value(&started.url, "redirect_uri").as_deref(), Some(REDIRECT_URI));
    assert!(!started.url.contains("mine") && !started.url.contains("evil"));
}

#[tokio::test]
async fn tk_06_the_secret_goes_one_way_and_to_a_server_that_takes_no_secret_not_at_all() {
    let list = "token_endpoint_auth_methods_supported";
    for (methods, basic) in [
        (json!(null), true),
        (json!(["client_secret_basic"]), true),
        (json!(["client_secret_post"]), false),
        (json!(["private_key_jwt", "client_secret_post"]), false),
        (json!("client_secret_post"), true),
    ] {
        let op = Op::bent(|state| super::op::merge(&mut state.metadata, &json!({ list: methods })));
        op.login(&op.client(), LoginOptions::new()).await.unwrap();
        let requests = op.requests();
        let sent = requests.iter().find(|sent| sent.url.ends_with("/token")).unwrap();
        assert_eq!(sent.header("authorization").is_some(), basic, "{methods}");
        assert_eq!(sent.body.contains(CLIENT_SECRET), !basic, "{methods}");
        assert!(requests.iter().all(|sent| !sent.url.contains(CLIENT_SECRET) && sent.query.is_empty()));
    }
    for methods in [json!(["private_key_jwt"]), json!(["tls_client_auth", "none"]), json!([])] {
        let op = Op::bent(|state| state.metadata[list] = methods);
        let error = op.client().start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
        assert_eq!((error.class(), op.counts()), (ErrorClass::Configuration, [1, 0, 0, 0]));
        assert!(error.to_string().contains(list), "{error}");
    }
    // A server that refuses the one way is not tried the other way.
    let op = Op::bent(|state| {
        state.answer(Endpoint::Token, |_| {
            let body = r#"{"error":"invalid_client"}"#;
            Some(crate::support::reply(401, "application/json", body))
        });
    });
    let error = op.login(&op.client(), LoginOptions::new()).await.unwrap_err();
    assert_eq!((error.class(), op.counts()), (ErrorClass::Configuration, [1, 0, 1, 0]));
}

#[tokio::test]
async fn tk_20_what_a_code_or_a_token_goes_to_is_asked_once_and_what_anybody_may_read_twice() {
    for (endpoint, counts) in [(Endpoint::Token, [1, 0, 1, 0]), (Endpoint::Keys, [1, 2, 1, 0])] {
        let op = Op::bent(|state| {
            state.answer(endpoint, |_| Some(crate::support::reply(503, "text/html", "later")));
        });
        let error = op.login(&op.client(), LoginOptions::new()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Transient { retry_after: None }, "{error:?}");
        assert_eq!(op.counts(), counts);
    }
    let op = Op::bent(|state| state.answer(Endpoint::UserInfo, |_| Some(crate::support::reply(503, "", ""))));
    op.client().get_profile("AT").await.unwrap_err();
    assert_eq!(op.counts(), [1, 0, 0, 1]);
}

#[tokio::test]
async fn md_06_response_types_are_sets_of_words() {
    for types in [json!(["id_token code"]), json!(["code id_token"]), json!(["code"]), json!(null)] {
        let op = Op::bent(|state| state.metadata["response_types_supported"] = types);
        let options = LoginOptions::new().response_type(ResponseType::CodeIdToken);
        let started = op.start(&op.client(), options).await;
        assert_eq!(value(&started.url, "response_type").as_deref(), Some("code id_token"));
        assert_eq!(value(&started.url, "response_mode").as_deref(), Some("form_post"));
    }
}

#[tokio::test]
async fn id_14_what_is_insisted_on_outlives_what_is_asked_for_besides() {
    let op = Op::new();
    let claims = json!({"userinfo": {"email": null}, "id_token": {"acr": null}});
    for options in [
        LoginOptions::new().require_acr(["mfa"]).claims(&claims),
        LoginOptions::new().claims(&claims).require_acr(["mfa"]),
        LoginOptions::new().require_acr(["mfa"]).extras_params(&json!({ "claims": claims })),
    ] {
        let started = op.client().start_login(REDIRECT_URI, options).await.unwrap();
        assert_eq!(started.attempt.required_acr(), ["mfa"]);
        let query = query_of(&started.url);
        let (_, sent) = query.iter().find(|(name, _)| name == "claims").unwrap();
        let sent: Value = serde_json::from_str(sent).unwrap();
        assert_eq!(sent["id_token"]["acr"], json!({"essential": true, "values": ["mfa"]}));
        assert_eq!(sent["userinfo"], json!({"email": null}));
    }
    let unfit = LoginOptions::new().require_acr(["mfa"]).claims(&json!({"id_token": []}));
    let error = op.client().start_login(REDIRECT_URI, unfit).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
}

#[tokio::test]
async fn az_10_a_hybrid_login_has_a_nonce_whatever_its_scopes() {
    let google = oauth_clients::google::GoogleOAuth2::new("id", "secret");
    let options = LoginOptions::new().scopes(["email"]).response_type(ResponseType::CodeIdToken);
    let started = google.start_login(REDIRECT_URI, options).await.unwrap();
    assert!(started.attempt.nonce().is_some());
    let query = query_of(&started.url);
    assert!(query.contains(&("scope".to_owned(), "openid email".to_owned())), "{query:?}");
}
