//! Broken set-ups, and what the doctor says of each.

use serde_json::{Map, Value, json};

use super::*;
use crate::{config, metadata::Asked};

const ISSUER: &str = "https://login.example/t";

fn good() -> Value {
    json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://login.example/t/authorize",
        "token_endpoint": "https://login.example/t/token",
        "jwks_uri": "https://login.example/t/keys",
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "scopes_supported": ["openid", "email", "offline_access"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "none"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "authorization_response_iss_parameter_supported": true,
    })
}

fn keys() -> Value {
    json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "a", "x": "AA", "y": "AA", "use": "sig" }] })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is not an object"),
    }
}

fn asked(document: Option<Value>, status: u16) -> Asked {
    Asked {
        url: "https://login.example/t/.well-known/openid-configuration".to_owned(),
        status: Some(status),
        problem: None,
        failure: None,
        date: None,
        document: document.map(object),
    }
}

fn facts(document: Value, table: &str) -> TargetFacts {
    let profile = config::parse(&format!("[work]\nprovider = \"openid\"\n{table}")).unwrap().remove("work");
    TargetFacts {
        issuer: Some(ISSUER.to_owned()),
        profile,
        asked: vec![asked(Some(document), 200)],
        keys: Some(asked(Some(keys()), 200)),
        ..TargetFacts::default()
    }
}

fn with(member: &str, value: Value) -> Value {
    let mut document = good();
    document[member] = value;
    document
}

/// The findings, but for those about the machine that runs the test.
fn found(facts: &TargetFacts) -> Vec<Finding> {
    check(facts).into_iter().filter(|finding| finding.check != "DO-27").collect()
}

#[track_caller]
fn assert_finds(facts: &TargetFacts, id: &str, level: Level, text: &str) {
    let found = found(facts);
    let has = found
        .iter()
        .any(|finding| finding.check == id && finding.level == level && finding.message.contains(text));
    assert!(has, "no {id} about {text:?} in {found:#?}");
}

const CLIENT: &str = "client_id = \"a\"\nscopes = [\"openid\", \"offline_access\"]";

#[test]
fn a_good_set_up_has_no_finding() {
    assert_eq!(found(&facts(good(), CLIENT)), []);
}

#[test]
fn do_01_an_endpoint_that_does_not_answer() {
    let mut facts = facts(good(), CLIENT);
    facts.unreachable.insert("token_endpoint".to_owned(), "connection refused".to_owned());
    assert_finds(
        &facts,
        "DO-01",
        Level::Fail,
        "cannot reach token_endpoint (https://login.example/t/token): connection refused",
    );
}

#[test]
fn do_02_no_metadata_and_where_they_were_looked_for() {
    let mut facts = facts(good(), CLIENT);
    facts.asked = vec![asked(None, 404)];
    assert_finds(&facts, "DO-02", Level::Fail, "openid-configuration (404)");
    assert_finds(
        &self::facts(with("token_endpoint", Value::Null), CLIENT),
        "DO-02",
        Level::Fail,
        "no token_endpoint",
    );
}

#[test]
fn do_03_an_issuer_that_differs_by_a_slash() {
    let document = with("issuer", json!("https://login.example/t/"));
    assert_finds(
        &facts(document, CLIENT),
        "DO-03",
        Level::Fail,
        "names issuer https://login.example/t/, configured is https://login.example/t.",
    );
    assert_finds(&facts(with("issuer", Value::Null), CLIENT), "DO-03", Level::Fail, "names no issuer");
}

#[test]
fn do_04_documents_that_contradict_each_other() {
    let mut facts = facts(good(), CLIENT);
    facts.asked.push(asked(Some(with("token_endpoint", json!("https://login.example/t/other"))), 200));
    assert_finds(&facts, "DO-04", Level::Warn, "token_endpoint differs");
}

#[test]
fn do_05_endpoints_that_no_client_should_use() {
    for (url, text) in [
        ("http://login.example/t/token", "plain http"),
        ("https://login.example/t/token#f", "no fragment"),
        ("ftp://login.example/t", "must be https"),
        ("token", "not a URL"),
        ("https://me:S3CRET@login.example/t", "a user name or a password"),
    ] {
        assert_finds(&facts(with("token_endpoint", json!(url)), CLIENT), "DO-05", Level::Fail, text);
    }
}

#[test]
fn do_06_an_endpoint_on_a_strange_host() {
    let document = with("token_endpoint", json!("https://tokens.evil.example.net/t"));
    assert_finds(&facts(document, CLIENT), "DO-06", Level::Warn, "on tokens.evil.example.net");
    let sibling = facts(with("token_endpoint", json!("https://tokens.login.example/t")), CLIENT);
    assert!(found(&sibling).iter().all(|finding| finding.check != "DO-06"));
}

#[test]
fn do_07_pkce() {
    assert_finds(
        &facts(with("code_challenge_methods_supported", json!(["plain"])), CLIENT),
        "DO-07",
        Level::Fail,
        "plain",
    );
    assert_finds(
        &facts(with("code_challenge_methods_supported", Value::Null), CLIENT),
        "DO-07",
        Level::Warn,
        "nothing",
    );
}

#[test]
fn do_08_a_method_that_the_server_does_not_take() {
    let post = format!("{CLIENT}\nclient_secret_file = \"/dev/null\"\nclient_auth = \"client_secret_post\"");
    assert_finds(&facts(good(), &post), "DO-08", Level::Fail, "client is set to client_secret_post");
    let document = with("token_endpoint_auth_methods_supported", json!(["private_key_jwt"]));
    assert_finds(&facts(document.clone(), CLIENT), "DO-08", Level::Fail, "client is set to none");
    let secret = format!("{CLIENT}\nclient_secret_file = \"/dev/null\"");
    assert_finds(&facts(document.clone(), &secret), "DO-08", Level::Fail, "a client secret");
    // A client with a key is what such a server wants.
    let key = format!("{CLIENT}\nprivate_key_file = \"/keys/a.pem\"\nprivate_key_alg = \"ES256\"");
    assert!(found(&facts(document.clone(), &key)).iter().all(|finding| finding.check != "DO-08"));
    let mut other = document;
    other["token_endpoint_auth_signing_alg_values_supported"] = json!(["PS256"]);
    assert_finds(&facts(other, &key), "DO-08", Level::Fail, "private_key_alg is ES256");
    // One way to send a secret has a name of this library's own.
    let raw = format!("{secret}\nclient_auth = \"client_secret_basic_unencoded\"");
    assert!(found(&facts(good(), &raw)).iter().all(|finding| finding.check != "DO-08"));
    let unsent = format!("{secret}\nclient_auth = \"none\"");
    assert_finds(&facts(good(), &unsent), "DO-09", Level::Warn, "the secret is not sent");
}

#[test]
fn do_09_a_secret_in_a_native_client() {
    let table = format!("{CLIENT}\nclient_secret_file = \"/dev/null\"");
    let mut facts = facts(good(), &table);
    facts.redirect_uri = Some("http://127.0.0.1/callback".to_owned());
    assert_finds(&facts, "DO-09", Level::Warn, "not secret once shipped");
}

#[test]
fn do_10_and_11_a_server_without_the_code_flow() {
    assert_finds(
        &facts(with("grant_types_supported", json!(["implicit"])), CLIENT),
        "DO-10",
        Level::Fail,
        "authorization_code is needed",
    );
    assert_finds(
        &facts(with("response_types_supported", json!(["token"])), CLIENT),
        "DO-11",
        Level::Warn,
        "no \"code\"",
    );
}

#[test]
fn do_12_and_13_scopes() {
    let typo = "client_id = \"a\"\nscopes = [\"openid\", \"emails\"]";
    assert_finds(&facts(good(), typo), "DO-12", Level::Warn, "scope emails");
    assert_finds(&facts(good(), typo), "DO-13", Level::Warn, "offline_access");
    assert_finds(
        &facts(good(), "client_id = \"a\"\nscopes = [\"email\"]"),
        "DO-12",
        Level::Fail,
        "leave openid out",
    );
}

#[test]
fn do_14_no_promise_of_iss() {
    assert_finds(
        &facts(with("authorization_response_iss_parameter_supported", Value::Null), CLIENT),
        "DO-14",
        Level::Warn,
        "RFC 9207",
    );
}

#[test]
fn do_15_redirect_uris_that_cannot_work() {
    for (uri, text) in [
        ("http://app.example/cb", "plain http"),
        ("https://app.example/cb#x", "fragment"),
        ("/cb", "not an absolute URI"),
        ("myapp:/cb", "RFC 8252"),
    ] {
        let mut facts = facts(good(), CLIENT);
        facts.redirect_uri = Some(uri.to_owned());
        assert_finds(&facts, "DO-15", Level::Fail, text);
    }
}

#[test]
fn do_17_a_port_that_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut facts = facts(good(), CLIENT);
    facts.redirect_uri = Some(format!("http://127.0.0.1:{}/cb", taken.local_addr().unwrap().port()));
    assert_finds(&facts, "DO-17", Level::Fail, "is taken on IPv4");
}

#[test]
fn do_18_keys_that_cannot_be_used() {
    let key = |extra: Value| {
        let mut key = json!({ "kty": "EC", "crv": "P-256", "kid": "a" });
        key.as_object_mut().unwrap().extend(object(extra));
        key
    };
    let small = json!({ "kty": "RSA", "kid": "s", "n": base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, [255_u8; 128]) });
    for (keys, text) in [
        (json!([key(json!({})), key(json!({}))]), "two keys share kid a"),
        (json!([key(json!({ "d": "AA" }))]), "private part"),
        (json!([small]), "RSA 1024: below 2048"),
        (json!([{ "kty": "OKP", "kid": "o" }]), "none fits [\"ES256\"]"),
        // It says that it is one, and has no coordinates.
        (json!([{ "kty": "EC", "kid": "e", "crv": "P-256" }]), "none fits [\"ES256\"]"),
    ] {
        let mut facts = facts(good(), CLIENT);
        facts.keys = Some(asked(Some(json!({ "keys": keys })), 200));
        assert_finds(&facts, "DO-18", Level::Fail, text);
    }
    let mut facts = facts(good(), CLIENT);
    facts.keys = Some(asked(None, 503));
    assert_finds(&facts, "DO-18", Level::Fail, "(503)");
}

#[test]
fn do_19_signatures_that_cannot_be_verified() {
    assert_finds(
        &facts(with("id_token_signing_alg_values_supported", json!(["none"])), CLIENT),
        "DO-19",
        Level::Fail,
        "none of which",
    );
    assert_finds(
        &facts(with("id_token_signing_alg_values_supported", json!(["ES256", "none"])), CLIENT),
        "DO-19",
        Level::Warn,
        "stays refused",
    );
    assert_finds(
        &facts(with("id_token_signing_alg_values_supported", json!(["HS256", "HS512"])), CLIENT),
        "DO-19",
        Level::Fail,
        "whose key is the client secret",
    );
}

#[test]
fn do_20_a_clock_that_is_off() {
    let mut facts = facts(good(), CLIENT);
    facts.ahead = Some(-300);
    assert_finds(&facts, "DO-20", Level::Warn, "300 s behind login.example");
}

#[test]
fn do_28_members_of_the_wrong_type() {
    assert_finds(
        &facts(with("scopes_supported", json!("openid email")), CLIENT),
        "DO-28",
        Level::Warn,
        "scopes_supported is a text, expected a list",
    );
    for (member, value, text) in [
        ("code_challenge_methods_supported", json!("S256"), "expected a list"),
        ("authorization_response_iss_parameter_supported", json!("true"), "expected true or false"),
        ("jwks_uri", json!(["https://login.example/keys"]), "expected a text"),
        ("require_pushed_authorization_requests", json!("true"), "expected true or false"),
    ] {
        assert_finds(&facts(with(member, value), CLIENT), "DO-28", Level::Warn, text);
    }
}

#[test]
fn do_29_demands_that_a_plain_client_does_not_meet() {
    let mut pushed = with("require_pushed_authorization_requests", json!(true));
    assert_finds(
        &facts(pushed.clone(), CLIENT),
        "DO-29",
        Level::Fail,
        "pushed_authorization_request_endpoint",
    );
    pushed["pushed_authorization_request_endpoint"] = json!("https://login.example/t/par");
    assert_finds(&facts(pushed, CLIENT), "DO-29", Level::Ok, "PAR is used");
    assert_finds(
        &facts(with("require_signed_request_object", json!(true)), CLIENT),
        "DO-29",
        Level::Fail,
        "this tool signs no requests",
    );
    assert_finds(
        &facts(with("dpop_signing_alg_values_supported", json!(["RS256"])), CLIENT),
        "DO-29",
        Level::Warn,
        "lacks ES256",
    );
}

#[test]
fn do_30_a_configuration_that_is_no_client() {
    assert_finds(&facts(good(), "scopes = [\"openid\"]"), "DO-30", Level::Fail, "client_id is missing");
    assert_finds(&facts(good(), "client_id = \" a\""), "DO-30", Level::Fail, "white space");
    assert_finds(
        &facts(good(), "client_id = \"a\"\nclient_secret_env = \"NOT_SET_BY_ANYBODY\""),
        "DO-30",
        Level::Fail,
        "not set",
    );
    assert_finds(
        &facts(good(), "client_id = \"a\"\nclient_secret_file = \"/nowhere/secret\""),
        "DO-30",
        Level::Fail,
        "/nowhere/secret",
    );
    let unknown = TargetFacts {
        profile: config::parse("[work]\nprovider = \"githb\"\nclient_id = \"a\"").unwrap().remove("work"),
        ..TargetFacts::default()
    };
    assert_finds(&unknown, "DO-30", Level::Fail, "nobody knows");
}
