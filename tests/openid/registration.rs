//! DR: dynamic registration (RFC 7591, RFC 7592, OpenID Connect Dynamic Client Registration 1.0).

use bytes::Bytes;
use oauth_clients::{
    ErrorClass, ErrorKind, JwtCheck, LoginOptions, Provider,
    openid::{ClientMetadata, OpenID, REGISTER, RegisteredClient},
};
use serde_json::{Value, json};

use super::op::{CLIENT_ID, CLIENT_SECRET, Endpoint, Key, Op, REDIRECT_URI, Signing, merge};
use crate::support::reply;

fn wanted() -> ClientMetadata {
    ClientMetadata::new([REDIRECT_URI])
        .set("client_name", "An application")
        .set("software_statement", "eyJ.unchanged-by-us.sig=")
}

/// What a provider answers that does everything right.
fn registered() -> Value {
    json!({
        "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "client_secret_expires_at": 0,
        "registration_access_token": "manage-1", "registration_client_uri": "https://op.example/register/client-1",
        "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "client_secret_post",
    })
}

fn json_reply(status: u16, body: &Value) -> http::Response<Bytes> {
    reply(status, "application/json", body.to_string())
}

fn answering(status: u16, patch: &Value) -> Op {
    let mut body = registered();
    merge(&mut body, patch);
    Op::bent(|state| state.answer(Endpoint::Registration, move |_| Some(json_reply(status, &body))))
}

async fn register(op: &Op) -> oauth_clients::Result<RegisteredClient> {
    let outcome = OpenID::register(&op.discovery(), &wanted(), Some("initial-token")).await;
    assert_eq!(op.count(Endpoint::Registration), 1, "one request, whatever comes of it");
    outcome
}

#[tokio::test]
async fn dr_01_a_registration_has_a_client_id_and_is_what_the_provider_made_of_it() {
    let op =
        answering(201, &json!({"redirect_uris": ["https://other.example/cb"], "grant_types": ["implicit"]}));
    let client = register(&op).await.unwrap();
    assert_eq!(client.client_id(), CLIENT_ID);
    assert_eq!(client.get("redirect_uris"), Some(&json!(["https://other.example/cb"])));
    assert_eq!(client.get("grant_types"), Some(&json!(["implicit"])));
    assert_eq!(client.get("client_name"), None, "what was asked for is not what was registered");
    // As Glewlwyd answers.
    register(&answering(200, &json!({}))).await.unwrap();
    for absent in [json!(null), json!(""), json!(1), json!([CLIENT_ID])] {
        let error = register(&answering(201, &json!({ "client_id": absent }))).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{absent}: {error}");
        assert!(!format!("{error} {error:?}").contains(CLIENT_SECRET));
    }
    for body in ["", "[]", "null", "<html>", "{\"client_id\":\"a\",\"client_id\":\"b\"}"] {
        let op = Op::bent(|state| {
            state.answer(Endpoint::Registration, move |_| Some(reply(201, "application/json", body)));
        });
        let error = register(&op).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{body}: {error}");
    }
    for absent in [json!(null), json!(7)] {
        let op = Op::bent(|state| state.metadata["registration_endpoint"] = absent);
        let error = OpenID::register(&op.discovery(), &wanted(), None).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unsupported(_)), "{error}");
    }
    let op = Op::bent(|state| state.metadata["registration_endpoint"] = "http://op.example/register".into());
    let error = OpenID::register(&op.discovery(), &wanted(), Some("initial-token")).await.unwrap_err();
    assert_eq!((error.class(), op.count(Endpoint::Registration)), (ErrorClass::Configuration, 0));
}

#[tokio::test]
async fn dr_02_a_secret_says_when_it_expires_and_is_not_used_afterwards() {
    // A registration is not lost because the provider does not say it, as LemonLDAP::NG and Glewlwyd do not.
    for missing in [json!(null), json!("soon"), json!([]), json!({}), json!(true), json!(1e300)] {
        let op = answering(201, &json!({ "client_secret_expires_at": missing }));
        let client = register(&op).await.unwrap();
        assert_eq!(client.secret_expires_at(), None, "{missing}");
        assert!(client.notes()[0].contains("client_secret_expires_at"), "{missing}");
        client.client(&op.discovery()).unwrap();
        let stored = serde_json::to_string(&client).unwrap();
        let kept: RegisteredClient = serde_json::from_str(&stored).unwrap();
        assert_eq!((kept.client_secret(), kept.notes()), (client.client_secret(), client.notes()));
    }
    for never in [json!(0), json!("0"), json!(0.0)] {
        let client = register(&answering(201, &json!({ "client_secret_expires_at": never }))).await.unwrap();
        assert_eq!((client.secret_expires_at(), client.notes()), (None, vec![]), "{never}");
    }
    for past in [json!(1), json!(1_600_000_000), json!(-1), json!(0.5)] {
        let op = answering(201, &json!({ "client_secret_expires_at": past }));
        let client = register(&op).await.unwrap();
        assert!(client.secret_expires_at().is_some());
        let error = client.client(&op.discovery()).unwrap_err();
        assert_eq!((error.operation(), error.class()), (REGISTER, ErrorClass::Configuration), "{past}");
        assert!(error.to_string().contains("expired"), "{error}");
    }
    for future in [json!(0), json!(4_000_000_000_u64), json!(4_000_000_000.5)] {
        let op = answering(201, &json!({ "client_secret_expires_at": future }));
        register(&op).await.unwrap().client(&op.discovery()).unwrap();
    }
    // A public client has neither.
    let op = answering(
        201,
        &json!({"client_secret": null, "client_secret_expires_at": null, "token_endpoint_auth_method": "none"}),
    );
    assert!(register(&op).await.unwrap().client_secret().is_none());
    // A secret that the provider does not repeat keeps its expiry.
    let op = answering(201, &json!({"client_secret_expires_at": 1_600_000_000}));
    let client = register(&op).await.unwrap();
    op.bend(|state| {
        let body = json!({"client_id": CLIENT_ID});
        state.answer(Endpoint::Registration, move |_| Some(json_reply(200, &body)));
    });
    let again = client.read_again(&op.discovery()).await.unwrap();
    assert_eq!(again.secret_expires_at(), client.secret_expires_at());
    // Nor does one that is repeated without it lose what is known.
    op.bend(|state| {
        let mut body = registered();
        body.as_object_mut().unwrap().remove("client_secret_expires_at");
        state.answer(Endpoint::Registration, move |_| Some(json_reply(200, &body)));
    });
    let repeated = client.read_again(&op.discovery()).await.unwrap();
    assert_eq!(repeated.secret_expires_at(), client.secret_expires_at());
    // Kept and taken out again, it is the same: it can still be managed.
    let stored = serde_json::to_string(&client).unwrap();
    let kept: RegisteredClient = serde_json::from_str(&stored).unwrap();
    assert_eq!(serde_json::to_string(&kept).unwrap(), stored);
    assert_eq!(kept.client_secret(), client.client_secret());
    assert_eq!(
        kept.read_again(&op.discovery()).await.unwrap().secret_expires_at(),
        client.secret_expires_at()
    );
    assert!(serde_json::from_value::<RegisteredClient>(json!({"client_id": ""})).is_err());
    assert!(again.client(&op.discovery()).is_err());
}

#[tokio::test]
async fn dr_03_the_token_that_manages_a_registration_goes_to_the_provider_only_and_the_newest_counts() {
    for elsewhere in [
        "https://evil.example/register/1",
        "http://op.example/register/1",
        "https://op.example:8443/register/1",
        "https://op.example.evil.example/register/1",
        "https://op.example@evil.example/register/1",
        "/register/1",
        "register",
        "javascript:alert(1)",
    ] {
        let op = answering(201, &json!({ "registration_client_uri": elsewhere }));
        let error = register(&op).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{elsewhere}: {error}");
        assert_eq!(op.count(Endpoint::Registration), 1);
    }
    // The token changes with each request.
    let op = Op::bent(|state| {
        let mut number = 0;
        state.answer(Endpoint::Registration, move |_| {
            number += 1;
            let mut body = registered();
            body["registration_access_token"] = format!("manage-{number}").into();
            Some(json_reply(if number == 1 { 201 } else { 200 }, &body))
        });
    });
    let first = OpenID::register(&op.discovery(), &wanted(), Some("initial-token")).await.unwrap();
    let second = first.read_again(&op.discovery()).await.unwrap();
    let third = second.update(&op.discovery(), &wanted().set("client_name", "Another name")).await.unwrap();
    third.delete(&op.discovery()).await.unwrap();
    let sent: Vec<_> = op.requests().into_iter().filter(|sent| sent.url.contains("/register")).collect();
    let lines: Vec<_> =
        sent.iter().map(|sent| (&*sent.method, &*sent.url, sent.header("authorization").unwrap())).collect();
    let own = "https://op.example/register/client-1";
    assert_eq!(
        lines,
        [
            ("POST", "https://op.example/register", "Bearer initial-token"),
            ("GET", own, "Bearer manage-1"),
            ("PUT", own, "Bearer manage-2"),
            ("DELETE", own, "Bearer manage-3"),
        ]
    );
    let body: Value = serde_json::from_str(&sent[2].body).unwrap();
    assert_eq!((&body["client_id"], &body["client_name"]), (&json!(CLIENT_ID), &json!("Another name")));
    // A later reply cannot move it either, and no request follows.
    let op = answering(201, &json!({}));
    let client = register(&op).await.unwrap();
    op.bend(|state| {
        let mut body = registered();
        body["registration_client_uri"] = "https://evil.example/x".into();
        state.answer(Endpoint::Registration, move |_| Some(json_reply(200, &body)));
    });
    client.read_again(&op.discovery()).await.unwrap_err();
    assert_eq!((op.count(Endpoint::Registration), op.count(Endpoint::Other)), (2, 0));
    // One without a token or a place cannot be managed.
    for patch in [json!({"registration_access_token": null}), json!({"registration_client_uri": null})] {
        let op = answering(201, &patch);
        let error = register(&op).await.unwrap().read_again(&op.discovery()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unsupported(_)), "{patch}: {error}");
        assert_eq!(op.count(Endpoint::Registration), 1);
    }
}

#[tokio::test]
async fn dr_03_a_redirect_takes_no_token_along() {
    for status in [301, 302, 303, 307, 308] {
        let op = Op::bent(|state| {
            state.answer(Endpoint::Registration, move |_| {
                let mut reply = json_reply(status, &registered());
                reply.headers_mut().insert("location", "https://evil.example/register".parse().unwrap());
                Some(reply)
            });
        });
        assert_eq!(register(&op).await.unwrap_err().class(), ErrorClass::Protocol);
        assert_eq!(op.count(Endpoint::Other), 0);
    }
}

#[tokio::test]
async fn dr_04_a_statement_is_passed_as_it_is_and_a_refusal_has_its_code() {
    let op = answering(201, &json!({}));
    register(&op).await.unwrap();
    let sent = op.last_request();
    let body: Value = serde_json::from_str(&sent.body).unwrap();
    assert_eq!(body["software_statement"], "eyJ.unchanged-by-us.sig=");
    assert_eq!(body["redirect_uris"], json!([REDIRECT_URI]));
    assert_eq!(sent.header("authorization"), Some("Bearer initial-token"));
    assert_eq!(sent.header("content-type"), Some("application/json"));
    for code in [
        "invalid_redirect_uri",
        "invalid_client_metadata",
        "invalid_software_statement",
        "unapproved_software_statement",
    ] {
        let op = Op::bent(|state| {
            // The server echoes what it was sent.
            let body =
                json!({"error": code, "error_description": "initial-token eyJ.unchanged-by-us.sig= is bad"});
            state.answer(Endpoint::Registration, move |_| Some(json_reply(400, &body)));
        });
        let error = register(&op).await.unwrap_err();
        assert_eq!((error.operation(), &*error.oauth_error().unwrap().code), (REGISTER, code));
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("initial-token") && !shown.contains("unchanged-by-us"), "{shown}");
    }
    for token in ["", "a b\r\nX: y", "é"] {
        let op = answering(201, &json!({}));
        let error = OpenID::register(&op.discovery(), &wanted(), Some(token)).await.unwrap_err();
        assert_eq!(
            (error.class(), op.count(Endpoint::Registration)),
            (ErrorClass::Configuration, 0),
            "{token:?}"
        );
    }
}

#[tokio::test]
async fn dr_05_what_was_registered_decides_how_the_client_authenticates() {
    for (method, basic) in [
        (json!("client_secret_basic"), Some(true)),
        (json!("client_secret_post"), Some(false)),
        // Not to say means Basic.
        (json!(null), Some(true)),
        (json!("private_key_jwt"), None),
        (json!("client_secret_jwt"), None),
        (json!("tls_client_auth"), None),
        (json!("made_up"), None),
    ] {
        // The metadata lists another one first: the registration counts.
        let op = answering(201, &json!({ "token_endpoint_auth_method": method }));
        op.bend(|state| {
            state.metadata["token_endpoint_auth_methods_supported"] =
                json!(["client_secret_post", "client_secret_basic"]);
        });
        let registered = register(&op).await.unwrap();
        let Some(basic) = basic else {
            let error = registered.client(&op.discovery()).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration, "{method}");
            continue;
        };
        let client = registered.client(&op.discovery()).unwrap();
        op.login(&client, LoginOptions::new()).await.unwrap();
        let requests = op.requests();
        let sent = requests.iter().find(|sent| sent.url.ends_with("/token")).unwrap();
        assert_eq!(sent.header("authorization").is_some(), basic, "{method}");
        assert_eq!(sent.body.contains("client_secret="), !basic, "{method}");
    }
}

#[tokio::test]
async fn dr_05_what_was_registered_decides_which_algorithms_are_accepted() {
    for (registered, algorithm, key, expected) in [
        (json!("ES256"), "ES256", Key::P256, None),
        (json!("ES256"), "RS256", Key::Rsa, Some(JwtCheck::Algorithm)),
        // Not to say means RS256.
        (json!(null), "RS256", Key::Rsa, None),
        (json!(null), "ES256", Key::P256, Some(JwtCheck::Algorithm)),
        (json!("EdDSA"), "EdDSA", Key::Ed25519, None),
    ] {
        // UserInfo's own algorithm is not an algorithm for ID tokens.
        let patch =
            json!({"id_token_signed_response_alg": registered, "userinfo_signed_response_alg": "PS256"});
        let op = answering(201, &patch);
        op.bend(|state| state.sign_with(algorithm, key, "k"));
        let client = register(&op).await.unwrap().client(&op.discovery()).unwrap();
        let outcome = op.login(&client, LoginOptions::new()).await;
        assert_eq!(outcome.err().and_then(|error| error.jwt_check()), expected, "{registered} {algorithm}");
        op.bend(|state| state.sign_with("PS256", Key::Rsa, "k2"));
        let error = op.login(&client, LoginOptions::new()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Algorithm), "PS256 is UserInfo's");
    }
    // An unsigned ID token is refused where it comes, so that the login's error says why.
    let op = answering(201, &json!({"id_token_signed_response_alg": "none"}));
    let registered = register(&op).await.unwrap();
    assert!(registered.notes().iter().any(|note| note.contains("none")), "{:?}", registered.notes());
    let client = registered.client(&op.discovery()).unwrap();
    for alg in ["none", "RS256"] {
        op.bend(|state| state.header = json!({"alg": alg, "kid": "rsa"}));
        let error = op.login(&client, LoginOptions::new()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Algorithm), "{error}");
        assert!(error.to_string().contains("the client accepts none"), "{error}");
    }
    for none in ["none", "NONE", "HS1", "A128KW", ""] {
        for member in ["id_token_signed_response_alg", "userinfo_signed_response_alg"] {
            if (none, member) == ("none", "id_token_signed_response_alg") {
                continue;
            }
            let op = answering(201, &json!({ member: none }));
            let error = register(&op).await.unwrap().client(&op.discovery()).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration, "{member} {none}");
        }
    }
    // HS256 is accepted where it was registered, with the secret of the registration.
    let op = answering(201, &json!({"id_token_signed_response_alg": "HS256"}));
    op.bend(|state| {
        state.header = json!({"alg": "HS256"});
        state.signing = Signing::Hmac("HS256", CLIENT_SECRET.as_bytes().to_vec());
    });
    let client = register(&op).await.unwrap().client(&op.discovery()).unwrap();
    op.login(&client, LoginOptions::new()).await.unwrap();
}

#[tokio::test]
async fn dr_05_what_was_registered_decides_the_form_of_userinfo_and_of_tokens() {
    let signed = |op: &Op| {
        let claims = json!({"iss": op.issuer, "aud": CLIENT_ID, "sub": super::op::SUBJECT});
        Signing::With("PS256", Key::OtherRsa).token(&json!({"alg": "PS256", "kid": "u"}), &claims)
    };
    for (answer_signed, expected) in [(true, None), (false, Some(JwtCheck::Encryption))] {
        let op = answering(201, &json!({"userinfo_signed_response_alg": "PS256"}));
        let client = register(&op).await.unwrap().client(&op.discovery()).unwrap();
        op.bend(|state| {
            let keys = json!([Key::Rsa.jwk("rsa", "RS256"), Key::OtherRsa.jwk("u", "PS256")]);
            state.jwks = json!({ "keys": keys });
        });
        let login = op.login(&client, LoginOptions::new()).await.unwrap();
        if answer_signed {
            let token = signed(&op);
            op.bend(|state| {
                state.answer(Endpoint::UserInfo, move |_| Some(reply(200, "application/jwt", token.clone())));
            });
        }
        let outcome = client.get_identity(&login.token).await;
        assert_eq!(outcome.err().and_then(|error| error.jwt_check()), expected);
    }
    let op = answering(201, &json!({"require_auth_time": true}));
    let client = register(&op).await.unwrap().client(&op.discovery()).unwrap();
    let error = op.login(&client, LoginOptions::new()).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::AuthTime));
    for member in ["id_token_encrypted_response_alg", "userinfo_encrypted_response_alg"] {
        let op = answering(201, &json!({ member: "RSA-OAEP-256" }));
        let client = register(&op).await.unwrap().client(&op.discovery()).unwrap();
        let outcome = match op.login(&client, LoginOptions::new()).await {
            Ok(login) => client.get_identity(&login.token).await.map(drop),
            Err(error) => Err(error),
        };
        assert_eq!(outcome.unwrap_err().jwt_check(), Some(JwtCheck::Encryption), "{member}");
    }
}

#[tokio::test]
async fn what_a_registration_prints_is_no_secret() {
    let op = answering(201, &json!({"software_statement": "eyJ.unchanged-by-us.sig="}));
    let client = register(&op).await.unwrap();
    let shown = format!("{client:?} {:?}", wanted().set("client_secret", CLIENT_SECRET));
    for secret in [CLIENT_SECRET, "manage-1", "unchanged-by-us"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[tokio::test]
async fn dr_05_what_was_registered_otherwise_than_asked_for_is_shown_and_makes_no_client() {
    let asked = || {
        ClientMetadata::new([REDIRECT_URI, "https://app.example/other"])
            .set("client_name", "An application")
            .set("id_token_signed_response_alg", "ES256")
            .set("userinfo_encrypted_response_enc", "A256GCM")
    };
    let both = json!([REDIRECT_URI, "https://app.example/other"]);
    for (answer, changes, is_refused) in [
        (json!({"redirect_uris": both}), vec![], false),
        // The order says nothing, and what is not repeated is as it was asked for.
        (json!({"redirect_uris": ["https://app.example/other", REDIRECT_URI]}), vec![], false),
        (json!({"redirect_uris": null}), vec![], false),
        (json!({"redirect_uris": both, "client_name": "Another"}), vec!["client_name"], false),
        (json!({"redirect_uris": [REDIRECT_URI]}), vec!["redirect_uris"], true),
        (json!({"redirect_uris": ["https://evil.example/cb"]}), vec!["redirect_uris"], true),
        (
            json!({"redirect_uris": [REDIRECT_URI, "https://app.example/other", "https://evil.example/cb"]}),
            vec!["redirect_uris"],
            true,
        ),
        (json!({"redirect_uris": REDIRECT_URI}), vec!["redirect_uris"], true),
        (
            json!({"redirect_uris": both, "id_token_signed_response_alg": "HS256"}),
            vec!["id_token_signed_response_alg"],
            true,
        ),
        (
            // Of unsigned ID tokens the client accepts none, so that nothing is to be feared of the change.
            json!({"redirect_uris": both, "id_token_signed_response_alg": "none"}),
            vec!["id_token_signed_response_alg"],
            false,
        ),
        (
            json!({"redirect_uris": both, "userinfo_encrypted_response_enc": "A128CBC-HS256"}),
            vec!["userinfo_encrypted_response_enc"],
            true,
        ),
    ] {
        let op = answering(201, &answer);
        let registered = OpenID::register(&op.discovery(), &asked(), None).await.unwrap();
        assert_eq!(registered.changes(), changes, "{answer}");
        // Kept and taken out again, it is no other.
        let kept = serde_json::to_string(&registered).unwrap();
        let kept: RegisteredClient = serde_json::from_str(&kept).unwrap();
        assert_eq!(kept.changes(), changes, "{answer}");
        let made = kept.client(&op.discovery());
        assert_eq!(made.is_err(), is_refused, "{answer}");
        if let Err(error) = made {
            assert_eq!(error.class(), ErrorClass::Configuration);
            assert!(error.to_string().contains(changes[0]), "{error}");
            assert!(kept.with_changes_accepted().changes().is_empty());
        }
    }
    let of_p256 = wanted().set("id_token_signed_response_alg", "ES256");
    // What is accepted is what counts from then on.
    let op = answering(201, &json!({"id_token_signed_response_alg": "EdDSA"}));
    op.bend(|state| state.sign_with("EdDSA", Key::Ed25519, "k"));
    let registered = OpenID::register(&op.discovery(), &of_p256, None).await.unwrap();
    let accepted = registered.with_changes_accepted();
    op.login(&accepted.client(&op.discovery()).unwrap(), LoginOptions::new()).await.unwrap();
    // Where the provider does not repeat the algorithm, the one that was asked for is accepted, and no other.
    let op = answering(201, &json!({}));
    let registered = OpenID::register(&op.discovery(), &of_p256, None).await.unwrap();
    let client = registered.client(&op.discovery()).unwrap();
    let error = op.login(&client, LoginOptions::new()).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Algorithm));
}

#[tokio::test]
async fn dr_03_a_registration_that_is_read_again_is_the_same_clients() {
    let op = answering(201, &json!({"id_token_signed_response_alg": "RS256"}));
    let first = register(&op).await.unwrap();
    let answer = |patch: Value| {
        let mut body = registered();
        merge(&mut body, &json!({"id_token_signed_response_alg": "RS256"}));
        merge(&mut body, &patch);
        op.bend(|state| state.answer(Endpoint::Registration, move |_| Some(json_reply(200, &body))));
    };
    for other in ["client-2", "CLIENT-1", "client-1 "] {
        answer(json!({"client_id": other}));
        for outcome in
            [first.read_again(&op.discovery()).await, first.update(&op.discovery(), &wanted()).await]
        {
            let error = outcome.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{other}: {error}");
        }
    }
    for (patch, changed) in [
        (json!({"redirect_uris": ["https://evil.example/cb"]}), "redirect_uris"),
        (json!({"id_token_signed_response_alg": "HS256"}), "id_token_signed_response_alg"),
    ] {
        answer(patch);
        let again = first.read_again(&op.discovery()).await.unwrap();
        assert_eq!(again.changes(), [changed]);
        assert!(again.client(&op.discovery()).is_err());
        // It stays so however often it is read, until somebody accepts it or the provider takes it back.
        let again = again.read_again(&op.discovery()).await.unwrap();
        assert_eq!(again.changes(), [changed]);
        answer(json!({}));
        let again = again.read_again(&op.discovery()).await.unwrap();
        assert!(again.changes().is_empty());
        again.client(&op.discovery()).unwrap();
    }
    // What the provider says of what is expected is no word of the application's.
    answer(json!({"redirect_uris": ["https://evil.example/cb"],
                  "urn:oauth-openid:expected": {"redirect_uris": ["https://evil.example/cb"]}}));
    assert_eq!(first.read_again(&op.discovery()).await.unwrap().changes(), ["redirect_uris"]);
    // An expiry that is not a date is none that is kept to.
    for absurd in [json!(1e300), json!(u64::MAX)] {
        answer(json!({"client_secret_expires_at": absurd}));
        assert_eq!(first.read_again(&op.discovery()).await.unwrap().secret_expires_at(), None, "{absurd}");
    }
}
