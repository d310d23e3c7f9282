//! Token exchange (RFC 8693).

use oauth_clients::{Credentials, ErrorClass, ErrorKind, OAuth2, Provider};
use oauth_fapi::{JwtBearerGrant, NoClientAuthentication, TokenExchange, TokenType};
use serde_json::{Value, json};

use crate::support::{Script, owned};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

fn client(http: &Script) -> OAuth2 {
    OAuth2::new("id", "secret", "https://as.example/authorize", "https://as.example/token")
        .with_http_client(http.clone())
}

fn issued(extra: &Value) -> Script {
    let mut reply = json!({"access_token": "NEW", "token_type": "Bearer", "issued_token_type": ACCESS_TOKEN});
    reply.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    Script::json(200, &reply)
}

#[tokio::test]
async fn tx_01_the_types_go_with_their_tokens() {
    let http = issued(&json!({}));
    TokenExchange::new("SUBJECT", TokenType::AccessToken).send(&client(&http)).await.unwrap();
    let form = http.request().form();
    assert_eq!(
        form[..3],
        owned(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", "SUBJECT"),
            ("subject_token_type", ACCESS_TOKEN),
        ])
    );
    let names: Vec<_> = form[3..].iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["client_id", "client_secret"]);

    let http = issued(&json!({}));
    let exchange = TokenExchange::new("SUBJECT", TokenType::IdToken)
        .with_actor("ACTOR", TokenType::Jwt)
        .with_requested_type(TokenType::Saml2);
    exchange.send(&client(&http)).await.unwrap();
    let form = http.request().form();
    for pair in [
        ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ("actor_token", "ACTOR"),
        ("actor_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:saml2"),
    ] {
        assert!(form.contains(&(pair.0.to_owned(), pair.1.to_owned())), "{pair:?}");
    }
}

#[tokio::test]
async fn tx_01_what_cannot_be_a_request_is_not_sent() {
    let http = Script::default();
    for exchange in [
        TokenExchange::new("", TokenType::AccessToken),
        TokenExchange::new("SUBJECT", TokenType::Other(String::new())),
        TokenExchange::new("SUBJECT", TokenType::AccessToken).with_actor("", TokenType::Jwt),
        TokenExchange::new("SUBJECT", TokenType::AccessToken).with_parameter("subject_token", "OTHER"),
        TokenExchange::new("SUBJECT", TokenType::AccessToken).with_parameter("Grant_Type", "password"),
        TokenExchange::new("SUBJECT", TokenType::AccessToken).with_resource("/relative"),
        TokenExchange::new("SUBJECT", TokenType::AccessToken).with_resource("https://rs.example/#part"),
    ] {
        let error = exchange.send(&client(&http)).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{exchange:?}: {error}");
        assert!(!format!("{error} {error:?}").contains("SUBJECT"));
    }
    assert!(http.requests().is_empty());
}

#[tokio::test]
async fn tx_02_a_reply_without_issued_token_type_is_refused() {
    for nothing in [json!(null), json!(""), json!(7)] {
        let http = issued(&json!({"issued_token_type": nothing}));
        let error =
            TokenExchange::new("SUBJECT", TokenType::AccessToken).send(&client(&http)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{error}");
        assert_eq!(error.class(), ErrorClass::Protocol);
        // Nothing is lost.
        assert_eq!(error.tokens().unwrap().access_token(), "NEW");
    }
}

#[tokio::test]
async fn tx_02_what_is_no_access_token_is_not_presented_as_one() {
    for (token_type, issued_type) in [
        (json!("N_A"), ACCESS_TOKEN),
        (json!("n_a"), "urn:ietf:params:oauth:token-type:id-jag"),
        // Wrong, or silent: the kind of the token decides.
        (json!("Bearer"), "urn:ietf:params:oauth:token-type:id-jag"),
        (json!(null), "urn:ietf:params:oauth:token-type:saml2"),
        (json!("Bearer"), "urn:ietf:params:oauth:token-type:refresh_token"),
        (json!("Bearer"), "urn:ietf:params:oauth:token-type:id_token"),
    ] {
        let http = issued(&json!({"token_type": token_type, "issued_token_type": issued_type}));
        let exchanged =
            TokenExchange::new("SUBJECT", TokenType::AccessToken).send(&client(&http)).await.unwrap();
        assert_eq!(exchanged.value().expose(), "NEW");
        let error = exchanged.into_access_token().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unsupported(_)), "{token_type} {issued_type}");
    }
    let http = issued(&json!({"token_type": "N_A"}));
    let exchanged = TokenExchange::new("SUBJECT", TokenType::AccessToken).send(&client(&http)).await.unwrap();
    assert!(client(&http).usable(exchanged.reply()).is_err());
}

#[tokio::test]
async fn tx_02_another_type_than_the_requested_one_is_shown() {
    let http = issued(&json!({"issued_token_type": "urn:example:own"}));
    let exchange =
        TokenExchange::new("SUBJECT", TokenType::AccessToken).with_requested_type(TokenType::AccessToken);
    let exchanged = exchange.send(&client(&http)).await.unwrap();
    assert!(!exchanged.is_as_requested());
    assert_eq!(exchanged.issued_type(), &TokenType::Other("urn:example:own".to_owned()));
    assert_eq!(exchanged.into_access_token().unwrap().access_token(), "NEW");
}

#[tokio::test]
async fn tx_03_several_resources_and_audiences_are_sent_each() {
    let http = issued(&json!({}));
    let exchange = TokenExchange::new("SUBJECT", TokenType::AccessToken)
        .with_resource("https://a.example/")
        .with_resource("urn:example:b")
        .with_audience("c")
        .with_audience("d")
        .with_scopes(["read", "write"]);
    exchange.send(&client(&http)).await.unwrap();
    let form = http.request().form();
    let of = |name: &str| {
        form.iter().filter(|(other, _)| other == name).map(|(_, value)| &**value).collect::<Vec<_>>()
    };
    assert_eq!(of("resource"), ["https://a.example/", "urn:example:b"]);
    assert_eq!(of("audience"), ["c", "d"]);
    assert_eq!(of("scope"), ["read write"]);
}

#[tokio::test]
async fn tx_07_the_client_need_not_authenticate() {
    let http = issued(&json!({}));
    let credentials = Credentials::authentication(NoClientAuthentication);
    let client = OAuth2::new("id", credentials, "https://as.example/authorize", "https://as.example/token")
        .with_http_client(http.clone());
    TokenExchange::new("SUBJECT", TokenType::AccessToken).send(&client).await.unwrap();
    let request = http.request();
    assert_eq!(request.form().len(), 3, "{request:?}");
    assert_eq!(request.header("authorization"), None);
}

#[tokio::test]
async fn tx_08_types_and_errors_keep_their_names() {
    for (uri, kind) in [
        (ACCESS_TOKEN, TokenType::AccessToken),
        ("urn:ietf:params:oauth:token-type:refresh_token", TokenType::RefreshToken),
        ("urn:ietf:params:oauth:token-type:saml1", TokenType::Saml1),
        ("urn:vendor:own", TokenType::Other("urn:vendor:own".to_owned())),
    ] {
        assert_eq!(TokenType::from(uri), kind);
        assert_eq!(kind.to_string(), uri);
    }
    for (code, class) in [
        ("invalid_target", ErrorClass::Configuration),
        ("invalid_request", ErrorClass::Configuration),
        ("unauthorized_client", ErrorClass::Configuration),
        ("invalid_grant", ErrorClass::Reauthorize),
    ] {
        let http = Script::json(400, &json!({"error": code, "error_description": "no SUBJECT here"}));
        let error =
            TokenExchange::new("SUBJECT", TokenType::AccessToken).send(&client(&http)).await.unwrap_err();
        assert_eq!((&*error.oauth_error().unwrap().code, error.class()), (code, class));
        // What the server echoes is hidden.
        assert!(!format!("{error} {error:?}").contains("SUBJECT"), "{error}");
        assert!(error.to_string().starts_with("exchange_token at "), "{error}");
    }
}

#[tokio::test]
async fn tx_09_a_fingerprint_tells_exchanges_apart_and_shows_nothing() {
    let exchange = |subject: &str| TokenExchange::new(subject, TokenType::AccessToken).with_audience("api");
    let one = exchange("SUBJECT-1");
    assert_eq!(one.fingerprint(), exchange("SUBJECT-1").fingerprint());
    let others = [
        exchange("SUBJECT-2"),
        one.clone().with_audience("other"),
        one.clone().with_resource("https://a.example"),
        one.clone().with_scopes(["a"]),
        one.clone().with_requested_type(TokenType::Jwt),
        one.clone().with_actor("ACTOR", TokenType::Jwt),
        TokenExchange::new("SUBJECT-1", TokenType::Jwt).with_audience("api"),
    ];
    let mut all: Vec<_> = others.iter().chain([&one]).map(TokenExchange::fingerprint).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), others.len() + 1);
    let order =
        |first: &str, second: &str| one.clone().with_resource(first).with_resource(second).fingerprint();
    assert_eq!(order("urn:a", "urn:b"), order("urn:b", "urn:a"));
    let shown = format!("{:?} {}", one.clone().with_actor("ACTOR", TokenType::Jwt), one.fingerprint());
    assert!(!shown.contains("SUBJECT") && !shown.contains("\"ACTOR"), "{shown}");
}

#[tokio::test]
async fn xd_03_an_identity_assertion_goes_to_the_other_server_and_to_no_api() {
    let jag = "urn:ietf:params:oauth:token-type:id-jag";
    let first = issued(&json!({"access_token": "JAG", "token_type": "N_A", "issued_token_type": jag}));
    let exchange = TokenExchange::new("ID_TOKEN", TokenType::IdToken)
        .with_requested_type(TokenType::IdJag)
        .with_audience("https://other-as.example");
    let exchanged = exchange.send(&client(&first)).await.unwrap();
    assert!(exchanged.is_as_requested());
    assert!(first.request().form().contains(&("requested_token_type".to_owned(), jag.to_owned())));

    let second = Script::json(200, &json!({"access_token": "AT", "token_type": "Bearer"}));
    let other =
        OAuth2::new("id-there", "", "https://other-as.example/authorize", "https://other-as.example/token")
            .with_http_client(second.clone());
    let token = JwtBearerGrant::new(exchanged.value()).send(&other).await.unwrap();
    assert_eq!(token.bearer().unwrap(), "AT");
    let form = second.request().form();
    let expected = owned(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", "JAG"),
        ("client_id", "id-there"),
    ]);
    assert_eq!(form, expected);
    assert!(exchanged.into_access_token().is_err());
}
