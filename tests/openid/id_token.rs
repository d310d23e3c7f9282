//! ID: ID tokens (OpenID Connect Core sections 2, 3.1.3.7 and 3.3).

use std::time::Duration;

use oauth_clients::{
    Callback, ErrorClass, ErrorKind, JwtCheck, JwtUse, LoginOptions, Operation, Provider, ResponseType,
    openid::{Algorithm, Expectations, IdToken, OpenIDProvider, OtherAudiences},
};
use serde_json::{Value, json};

use super::op::{
    ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, CODE, Endpoint, ISSUER, Key, Op, SUBJECT, Signing, callback_body,
    check_of, check_of_claims, left_half,
};
use crate::support::reply;

#[tokio::test]
async fn a_login_at_an_honest_provider_gives_a_verified_id_token() {
    let op = Op::new();
    let client = op.client();
    let login = op.login(&client, LoginOptions::new()).await.unwrap();
    assert_eq!(op.counts(), [1, 1, 1, 0]);
    let id_token = IdToken::of(&login).unwrap();
    assert_eq!((id_token.issuer(), id_token.subject()), (ISSUER, SUBJECT));
    assert_eq!(id_token.audiences(), [CLIENT_ID]);
    assert_eq!(Some(id_token.raw()), login.token.id_token());
    assert_eq!(id_token.issued_at().unwrap().unix_timestamp(), op.clock.seconds());
    let identity = client.get_identity(&login.token).await.unwrap();
    assert_eq!(identity.key(), (ISSUER, SUBJECT));
    assert_eq!(op.counts(), [1, 1, 1, 1]);
}

#[tokio::test]
async fn id_01_a_token_reply_without_an_id_token_is_refused() {
    for absent in [json!(null), json!("")] {
        let check = check_of(|state| state.token_reply = json!({ "id_token": absent })).await;
        assert_eq!(check, JwtCheck::Presence);
    }
    for wrong in [json!(1), json!({}), json!(["a"]), json!(true)] {
        let op = Op::bent(|state| state.id_token = Some(wrong));
        let error = op.login(&op.client(), LoginOptions::new()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Presence), "{error}");
        assert_eq!(op.counts(), [1, 0, 1, 0]);
    }
    // Whoever leaves `openid` out of the scopes has not left OpenID Connect.
    let op = Op::bent(|state| state.token_reply = json!({"id_token": null}));
    let error = op.login(&op.client(), LoginOptions::new().scopes(["email"])).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Presence));
}

#[tokio::test]
async fn id_02_another_issuer_is_refused_before_any_key_is_asked_for() {
    for issuer in [
        json!("https://evil.example"),
        json!("https://op.example/"),
        json!("https://OP.example"),
        json!("https://op.example:443"),
        json!("http://op.example"),
        json!("op.example"),
        json!(""),
        json!(null),
        json!([ISSUER]),
        json!({"iss": ISSUER}),
        json!(1),
    ] {
        let op = Op::bent(|state| state.claims = json!({ "iss": issuer }));
        let error = op.login(&op.client(), LoginOptions::new()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Issuer), "{issuer}: {error}");
        assert_eq!(op.counts(), [1, 0, 1, 0], "{issuer}");
    }
    let op = Op::bent(|state| state.claims = json!({"iss": "https://op.example/"}));
    let error = op.login(&op.client(), LoginOptions::new()).await.unwrap_err().to_string();
    assert!(error.contains("the provider's has a slash at its end"), "{error}");
}

#[tokio::test]
async fn id_03_a_subject_that_names_nobody_is_refused() {
    for subject in
        [json!(null), json!(""), json!(1), json!(["a"]), json!({}), json!("a".repeat(256)), json!("ünal")]
    {
        assert_eq!(check_of_claims(json!({ "sub": subject })).await, JwtCheck::Subject, "{subject}");
    }
    for subject in ["user ", " user", "user\n", "us\ter", "user\0", "us\u{7f}er"] {
        assert_eq!(check_of_claims(json!({ "sub": subject })).await, JwtCheck::Subject, "{subject:?}");
    }
    let op = Op::bent(|state| state.claims = json!({"sub": "a".repeat(255)}));
    op.login(&op.client(), LoginOptions::new()).await.unwrap();
}

#[tokio::test]
async fn id_04_a_token_for_another_client_is_refused() {
    for audience in [
        json!(null),
        json!("other"),
        json!(""),
        json!([]),
        json!({CLIENT_ID: CLIENT_ID}),
        json!([CLIENT_ID, 1]),
        json!([[CLIENT_ID]]),
        json!([null]),
        json!("client-1 other"),
        json!("Client-1"),
        json!(1),
        json!(true),
    ] {
        assert_eq!(check_of_claims(json!({ "aud": audience })).await, JwtCheck::Audience, "{audience}");
    }
    let op = Op::bent(|state| state.claims = json!({"aud": [CLIENT_ID]}));
    op.login(&op.client(), LoginOptions::new()).await.unwrap();
}

#[tokio::test]
async fn id_05_an_extra_audience_is_refused_unless_trusted() {
    let claims = json!({"aud": [CLIENT_ID, "other"], "azp": CLIENT_ID});
    assert_eq!(check_of_claims(claims.clone()).await, JwtCheck::Audience);
    let login = |others: OtherAudiences, claims: Value| async {
        let op = Op::bent(|state| state.claims = claims);
        let client = op.client_with(|policy| policy.other_audiences(others));
        op.login(&client, LoginOptions::new()).await.map(drop).map_err(|error| error.jwt_check().unwrap())
    };
    let trusted = |one: &str| OtherAudiences::Trusted(vec![one.to_owned()]);
    assert_eq!(login(trusted("other"), claims.clone()).await, Ok(()));
    assert_eq!(login(trusted("another"), claims.clone()).await, Err(JwtCheck::Audience));
    assert_eq!(login(OtherAudiences::AnyWithAuthorizedParty, claims).await, Ok(()));
    // Trust in others does not make up for the client's own absence.
    let without_us = json!({"aud": ["other"], "azp": CLIENT_ID});
    assert_eq!(login(trusted("other"), without_us.clone()).await, Err(JwtCheck::Audience));
    assert_eq!(login(OtherAudiences::AnyWithAuthorizedParty, without_us).await, Err(JwtCheck::Audience));
}

#[tokio::test]
async fn id_06_the_authorized_party_is_the_client() {
    for party in [json!("other"), json!(""), json!(1), json!([CLIENT_ID]), json!({})] {
        let claims = json!({"aud": CLIENT_ID, "azp": party});
        assert_eq!(check_of_claims(claims).await, JwtCheck::AuthorizedParty, "{party}");
    }
    for others in [OtherAudiences::Trusted(vec!["other".to_owned()]), OtherAudiences::AnyWithAuthorizedParty]
    {
        let op = Op::bent(|state| state.claims = json!({"aud": [CLIENT_ID, "other"]}));
        let client = op.client_with(|policy| policy.other_audiences(others));
        let error = op.login(&client, LoginOptions::new()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::AuthorizedParty));
    }
    let op = Op::bent(|state| state.claims = json!({"azp": CLIENT_ID}));
    op.login(&op.client(), LoginOptions::new()).await.unwrap();
}

#[tokio::test]
async fn id_07_the_signature_is_checked_though_the_token_came_from_the_token_endpoint() {
    for signing in [
        Signing::With("RS256", Key::OtherRsa),
        Signing::With("RS512", Key::Rsa),
        Signing::With("PS256", Key::Rsa),
        Signing::With("ES256", Key::P256),
        Signing::Bytes(Vec::new()),
        Signing::Bytes(vec![0; 256]),
        Signing::Bytes(vec![0xff; 256]),
    ] {
        assert_eq!(check_of(|state| state.signing = signing).await, JwtCheck::Signature);
    }
    // Claims that were changed after they were signed.
    let op = Op::new();
    let client = op.client();
    let attempt = op.start(&client, LoginOptions::new()).await.attempt;
    let (good, other) = (op.id_token(json!({})), op.id_token(json!({"sub": "admin"})));
    let [head, _, tail] = <[&str; 3]>::try_from(good.split('.').collect::<Vec<_>>()).unwrap();
    let spliced = format!("{head}.{}.{tail}", other.split('.').nth(1).unwrap());
    op.bend(|state| state.id_token = Some(spliced.into()));
    let callback = op.callback(&attempt, &[]);
    let error = client.finish_login(attempt, callback).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Signature));
    assert_eq!(error.class(), ErrorClass::Protocol);
}

#[tokio::test]
async fn id_08_a_token_expires() {
    let now = Op::new().clock.seconds();
    for expiry in [
        json!(null),
        json!(now - 61),
        json!(now - 3600),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(-1e308),
        json!("9999999999"),
        json!(true),
        json!([now + 300]),
        json!({}),
    ] {
        assert_eq!(check_of_claims(json!({ "exp": expiry })).await, JwtCheck::Expiry, "{expiry}");
    }
    // The leeway is a minute, and the client's to set.
    for (leeway, age, fine) in [(60, 55, true), (0, 5, false), (0, -5, true), (300, 290, true)] {
        let op = Op::new();
        op.bend(|state| state.claims = json!({"exp": op.clock.seconds() - age}));
        let client = op.client_with(|policy| policy.leeway(Duration::from_secs(leeway)));
        let outcome = op.login(&client, LoginOptions::new()).await;
        assert_eq!(outcome.is_ok(), fine, "{leeway} {age}");
    }
}

#[tokio::test]
async fn id_09_a_token_was_made_neither_tomorrow_nor_for_an_earlier_login() {
    let now = Op::new().clock.seconds();
    for issued in [
        json!(null),
        json!(now + 3600),
        json!(now + 120),
        json!(now - 7 * 24 * 3600),
        json!(now - 700),
        json!(0),
        json!(1e308),
        json!(now.to_string()),
        json!("now"),
        json!([now]),
        json!(false),
    ] {
        assert_eq!(check_of_claims(json!({ "iat": issued })).await, JwtCheck::IssuedAt, "{issued}");
    }
    for issued in [json!(now + 50), json!(now - 590), json!(f64::from(u32::try_from(now).unwrap()) + 0.75)] {
        let op = Op::bent(|state| state.claims = json!({ "iat": issued }));
        op.login(&op.client(), LoginOptions::new()).await.unwrap();
    }
}

#[tokio::test]
async fn id_10_a_token_is_not_used_before_its_time() {
    let now = Op::new().clock.seconds();
    for start in [json!(now + 600), json!(1e300), json!("0"), json!(true), json!([])] {
        assert_eq!(check_of_claims(json!({ "nbf": start })).await, JwtCheck::NotBefore, "{start}");
    }
    let op = Op::bent(|state| state.claims = json!({"nbf": now + 50}));
    op.login(&op.client(), LoginOptions::new()).await.unwrap();
}

#[tokio::test]
async fn id_11_dates_have_fractions_and_are_of_this_calendar() {
    let now = f64::from(u32::try_from(Op::new().clock.seconds()).unwrap());
    for (claims, refused_by) in [
        (json!({"exp": now + 0.5, "iat": now - 0.25, "nbf": now - 1.0, "auth_time": now - 0.051_649}), None),
        (json!({"exp": 253_402_300_799_u64}), None),
        (json!({"exp": 1e308}), Some(JwtCheck::Expiry)),
        (json!({"exp": u64::MAX}), Some(JwtCheck::Expiry)),
        (json!({"exp": -1e308}), Some(JwtCheck::Expiry)),
        (json!({"iat": 1e308}), Some(JwtCheck::IssuedAt)),
        (json!({"iat": i64::MIN}), Some(JwtCheck::IssuedAt)),
        (json!({"nbf": 1e308}), Some(JwtCheck::NotBefore)),
        (json!({"auth_time": 1e308}), Some(JwtCheck::AuthTime)),
        (json!({"auth_time": -1e308}), Some(JwtCheck::AuthTime)),
    ] {
        let op = Op::bent(|state| {
            state.claims = json!({ "auth_time": now });
            super::op::merge(&mut state.claims, &claims);
        });
        let options = LoginOptions::new().max_age(Duration::from_secs(60));
        let outcome = op.login(&op.client(), options).await;
        assert_eq!(outcome.err().and_then(|error| error.jwt_check()), refused_by, "{claims}");
    }
    // A number that no double holds is not a number.
    for huge in ["1e400", "-1e999", "0x10", "1_000", "NaN", "Infinity"] {
        let op = Op::new();
        let attempt = op.start(&op.client(), LoginOptions::new()).await.attempt;
        let claims = op.claims().to_string().replacen("\"exp\":", &format!("\"exp\":{huge},\"was\":"), 1);
        let header = r#"{"alg":"RS256","kid":"rsa"}"#;
        let token = Signing::With("RS256", Key::Rsa).token_of(header, &claims);
        op.bend(|state| state.id_token = Some(token.into()));
        let callback = op.callback(&attempt, &[]);
        let error = op.client().finish_login(attempt, callback).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Form), "{huge}");
    }
}

#[tokio::test]
async fn id_12_the_nonce_is_that_of_this_login() {
    for nonce in [json!(null), json!(""), json!("other"), json!(1), json!(["a"]), json!({}), json!(true)] {
        assert_eq!(check_of_claims(json!({ "nonce": nonce })).await, JwtCheck::Nonce, "{nonce}");
    }
    // Nor is it enough to begin or to end like it.
    for edit in [|nonce: &str| format!("{nonce}x"), |nonce: &str| nonce[1..].to_owned()] {
        let op = Op::bent(move |state| {
            state.before_token(move |state| {
                let nonce = edit(state.nonce.as_deref().unwrap());
                state.claims = json!({ "nonce": nonce });
            });
        });
        let error = op.login(&op.client(), LoginOptions::new()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Nonce));
        assert!(!error.to_string().contains(op.state().nonce.as_deref().unwrap()), "{error}");
    }
}

#[tokio::test]
async fn id_13_an_id_token_is_good_for_one_login() {
    let op = Op::new();
    let client = op.client();
    let first = op.login(&client, LoginOptions::new()).await.unwrap();
    let replayed = first.token.id_token().unwrap().to_owned();
    op.bend(|state| state.id_token = Some(replayed.clone().into()));
    let error = op.login(&client, LoginOptions::new()).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Nonce));

    // The same by the front channel, before anything is sent.
    let tokens = op.count(Endpoint::Token);
    let attempt =
        op.start(&client, LoginOptions::new().response_type(ResponseType::CodeIdToken)).await.attempt;
    let with_hash = json!({"c_hash": left_half("RS256", CODE), "nonce": "of another login"});
    let replayed = op.id_token(with_hash);
    let callback = op.callback(&attempt, &[("id_token", &replayed)]);
    let error = client.finish_login(attempt, callback).await.unwrap_err();
    assert_eq!((error.jwt_check(), op.count(Endpoint::Token)), (Some(JwtCheck::Nonce), tokens));
}

#[tokio::test]
async fn id_14_an_acr_that_was_demanded_must_be_there() {
    let demand = || LoginOptions::new().require_acr(["urn:gold", "urn:platinum"]);
    let by_hand = || {
        let acr = json!({"essential": true, "value": "urn:gold"});
        LoginOptions::new().claims(&json!({"id_token": {"acr": acr}}))
    };
    for acr in [json!(null), json!("urn:silver"), json!(""), json!(["urn:gold"]), json!(1), json!("urn:GOLD")]
    {
        for options in [demand(), by_hand()] {
            let op = Op::bent(|state| state.claims = json!({ "acr": acr }));
            let error = op.login(&op.client(), options).await.unwrap_err();
            assert_eq!(error.jwt_check(), Some(JwtCheck::Acr), "{acr}");
            assert_eq!(error.class(), ErrorClass::Reauthorize, "the user can do better");
        }
    }
    for options in [demand(), by_hand(), LoginOptions::new()] {
        let op = Op::bent(|state| state.claims = json!({"acr": "urn:gold"}));
        op.login(&op.client(), options).await.unwrap();
    }
    // What is merely preferred decides nothing.
    let op = Op::bent(|state| state.claims = json!({"acr": "urn:silver"}));
    op.login(&op.client(), LoginOptions::new().acr_values(["urn:gold"])).await.unwrap();
}

#[tokio::test]
async fn id_15_the_user_was_authenticated_within_max_age() {
    let now = Op::new().clock.seconds();
    let options = || LoginOptions::new().max_age(Duration::from_secs(300));
    for time in [
        json!(null),
        json!(now - 400),
        json!(now + 3600),
        // As Glewlwyd sends it.
        json!(0),
        json!(now.to_string()),
        json!([now]),
        json!(false),
    ] {
        let op = Op::bent(|state| state.claims = json!({ "auth_time": time }));
        let error = op.login(&op.client(), options()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::AuthTime), "{time}");
        assert_eq!(error.class(), ErrorClass::Reauthorize, "{time}");
    }
    for time in [now - 355, now - 5, now + 30] {
        let op = Op::bent(|state| state.claims = json!({ "auth_time": time }));
        op.login(&op.client(), options()).await.unwrap();
    }
    // A max_age that the client sends with every request counts as well.
    let op = Op::bent(|state| state.claims = json!({"auth_time": now - 400}));
    let client = op.client().with_authorize_params(&json!({"max_age": 300}));
    let error = op.login(&client, LoginOptions::new()).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::AuthTime));
    // So does a registration with require_auth_time.
    for (time, expected) in [
        (json!(now - 86_400), None),
        (json!(null), Some(JwtCheck::AuthTime)),
        (json!("yesterday"), Some(JwtCheck::AuthTime)),
        (json!(now + 3600), Some(JwtCheck::AuthTime)),
    ] {
        let op = Op::bent(|state| state.claims = json!({ "auth_time": time }));
        let client = op.client_with(|policy| policy.auth_time_always());
        let outcome = op.login(&client, LoginOptions::new()).await;
        assert_eq!(outcome.err().and_then(|error| error.jwt_check()), expected, "{time}");
    }
    // Without one, nobody asks.
    let op = Op::bent(|state| state.claims = json!({"auth_time": 0}));
    op.login(&op.client(), LoginOptions::new()).await.unwrap();
}

#[tokio::test]
async fn id_16_an_at_hash_is_that_of_the_access_token() {
    for hash in [
        json!("77QmUPtjPfzWtF2AnpK9RQ"),
        json!(left_half("RS384", ACCESS_TOKEN)),
        json!(left_half("RS256", "another-access-token")),
        json!(format!("{}=", left_half("RS256", ACCESS_TOKEN))),
        json!(""),
        json!(1),
        json!([left_half("RS256", ACCESS_TOKEN)]),
    ] {
        assert_eq!(check_of_claims(json!({ "at_hash": hash })).await, JwtCheck::AccessTokenHash, "{hash}");
    }
    let op = Op::bent(|state| state.claims = json!({"at_hash": left_half("RS256", ACCESS_TOKEN)}));
    op.login(&op.client(), LoginOptions::new()).await.unwrap();
}

#[tokio::test]
async fn id_17_no_access_token_is_taken_from_the_front_channel() {
    // Response types that bring one are not offered, so one that comes all the same is neither used nor given to anybody.
    let op = Op::new();
    let client = op.client();
    let attempt =
        op.start(&client, LoginOptions::new().response_type(ResponseType::CodeIdToken)).await.attempt;
    let id_token = op.id_token(json!({"c_hash": left_half("RS256", CODE), "at_hash": "wrong"}));
    let extra = [("id_token", &*id_token), ("access_token", "front"), ("token_type", "Bearer")];
    let callback = op.callback(&attempt, &extra);
    let login = client.finish_login(attempt, callback).await.unwrap();
    assert_eq!(login.token.access_token(), ACCESS_TOKEN);
    assert!(op.requests().iter().all(|sent| !format!("{sent:?}").contains("front")));
}

#[tokio::test]
async fn id_18_a_code_is_not_sent_unless_the_id_token_beside_it_vouches_for_it() {
    for hash in [
        json!(null),
        json!(left_half("RS256", "another-code")),
        json!(left_half("RS512", CODE)),
        json!(""),
        json!(1),
    ] {
        let op = Op::new();
        let client = op.client();
        let options = LoginOptions::new().response_type(ResponseType::CodeIdToken);
        let attempt = op.start(&client, options).await.attempt;
        let id_token = op.id_token(json!({ "c_hash": hash }));
        let callback = op.callback(&attempt, &[("id_token", &id_token)]);
        let error = client.finish_login(attempt, callback).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::CodeHash), "{hash}");
        assert_eq!(error.operation(), Operation::FINISH_LOGIN);
        assert_eq!(op.counts(), [1, 1, 0, 0]);
    }
}

#[tokio::test]
async fn id_20_the_hash_follows_the_algorithm_of_the_token() {
    let pairs = [
        ("RS256", Key::Rsa),
        ("RS384", Key::Rsa),
        ("RS512", Key::Rsa),
        ("PS256", Key::Rsa),
        ("PS384", Key::Rsa),
        ("PS512", Key::Rsa),
        ("ES256", Key::P256),
        ("ES384", Key::P384),
        ("ES512", Key::P521),
        ("EdDSA", Key::Ed25519),
        ("Ed25519", Key::Ed25519),
    ];
    for (algorithm, key) in pairs {
        // Every algorithm with a public key is accepted, and bound to its own hash.
        for hash in ["HS256", "HS384", "HS512"] {
            let right = match algorithm {
                "EdDSA" | "Ed25519" => hash == "HS512",
                other => other[2..] == hash[2..],
            };
            let op = Op::bent(|state| {
                state.sign_with(algorithm, key, "k");
                state.metadata["id_token_signing_alg_values_supported"] = json!(null);
                state.claims = json!({"at_hash": left_half(hash, ACCESS_TOKEN)});
            });
            let outcome = op.login(&op.client(), LoginOptions::new()).await;
            let check = outcome.err().and_then(|error| error.jwt_check());
            assert_eq!(check, (!right).then_some(JwtCheck::AccessTokenHash), "{algorithm} {hash}");
        }
    }
}

#[tokio::test]
async fn id_21_both_id_tokens_of_a_hybrid_login_are_verified_and_agree() {
    let second = |claims: Value| async move {
        let op = Op::new();
        let client = op.client();
        let options = LoginOptions::new().response_type(ResponseType::CodeIdToken);
        let attempt = op.start(&client, options).await.attempt;
        let first = json!({
            "c_hash": left_half("RS256", CODE), "auth_time": 1_700_000_000, "acr": "gold", "amr": ["pwd"],
            "sid": "s-1", "email": "ada@mail.example", "jti": "1", "rh": "1",
        });
        let id_token = op.id_token(first);
        op.bend(|state| state.claims = claims);
        let callback = op.callback(&attempt, &[("id_token", &id_token)]);
        let outcome = client.finish_login(attempt, callback).await;
        assert_eq!(op.counts(), [1, 1, 1, 0]);
        outcome.err().map(|error| error.jwt_check().unwrap_or_else(|| panic!("{error}")))
    };
    // Only issuer and user must agree (section 3.3.3.6). Canaille writes auth_time with a fraction in one of the two, and Glewlwyd
    // leaves it out.
    assert_eq!(second(json!({})).await, None);
    assert_eq!(second(json!({"jti": "2", "rh": "2", "acr": "gold", "sid": "s-1"})).await, None);
    assert_eq!(second(json!({"sub": "user-2"})).await, Some(JwtCheck::Agreement));
    for other in [
        json!({"auth_time": 1_700_000_000.25}),
        json!({"auth_time": null}),
        json!({"acr": "silver"}),
        json!({"amr": ["otp"]}),
        json!({"sid": "s-2"}),
        json!({"email": "eve@mail.example"}),
    ] {
        assert_eq!(second(other.clone()).await, None, "{other}");
    }
    // The second is verified as any other.
    assert_eq!(second(json!({"iss": "https://evil.example"})).await, Some(JwtCheck::Issuer));
    assert_eq!(second(json!({"nonce": "other"})).await, Some(JwtCheck::Nonce));
    assert_eq!(second(json!({"aud": "other"})).await, Some(JwtCheck::Audience));
}

#[tokio::test]
async fn id_22_a_token_without_a_signature_is_never_accepted() {
    let none = |state: &mut super::op::State| {
        state.header = json!({"alg": "none"});
        state.signing = Signing::Bytes(Vec::new());
        state.metadata["id_token_signing_alg_values_supported"] = json!(["none"]);
    };
    assert_eq!(check_of(none).await, JwtCheck::Algorithm);
    // There is no way to register it either: the type has no such value.
    for name in ["none", "None", "NONE", ""] {
        assert_eq!(Algorithm::of(name), None);
    }
    let op = Op::bent(none);
    let client = op.client_with(|policy| policy.algorithms([]));
    let error = op.login(&client, LoginOptions::new()).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Algorithm));
}

#[tokio::test]
async fn id_23_a_user_is_known_by_issuer_and_subject_and_never_by_an_address() {
    let op = Op::bent(|state| {
        state.claims = json!({"email": "ada@mail.example", "email_verified": "true"});
    });
    let client = op.client();
    let login = op.login(&client, LoginOptions::new()).await.unwrap();
    let identity = IdToken::of(&login).unwrap().identity();
    assert_eq!(identity.key(), (ISSUER, SUBJECT));
    assert_eq!(identity.email.unwrap().verification, oauth_clients::EmailVerification::Verified);
    // The same address at another issuer is another user.
    let other = Op::at("https://other.example");
    other.bend(|state| state.claims = json!({"email": "ada@mail.example"}));
    let login = other.login(&other.client(), LoginOptions::new()).await.unwrap();
    let theirs = IdToken::of(&login).unwrap().identity();
    assert_eq!(theirs.key(), ("https://other.example", SUBJECT));
}

#[tokio::test]
async fn id_24_claims_that_decide_nothing_may_be_of_any_type() {
    #[derive(serde::Deserialize)]
    struct Own {
        email_verified: bool,
        level: u8,
    }

    let op = Op::bent(|state| {
        state.claims = json!({
            "name": "Ada", "locale": {"a": 1}, "updated_at": "1700000000", "address": "1 Road",
            "email": "ada@mail.example", "email_verified": "true", "level": "7", "birthdate": 1815,
            "https://app.example/own": {"deep": [1, 2, {"x": null}]},
        });
    });
    let login = op.login(&op.client(), LoginOptions::new()).await.unwrap();
    let id_token = IdToken::of(&login).unwrap();
    let standard = id_token.standard_claims();
    assert_eq!((standard.name.as_deref(), standard.locale.as_deref()), (Some("Ada"), None));
    assert_eq!(standard.updated_at.unwrap().unix_timestamp(), 1_700_000_000);
    assert_eq!(standard.address.unwrap().formatted.as_deref(), Some("1 Road"));
    let own: Own = id_token.claims().unwrap();
    assert!(own.email_verified && own.level == 7);
    assert_eq!(id_token.get("https://app.example/own").unwrap()["deep"][2], json!({"x": null}));
}

#[tokio::test]
async fn id_25_claims_that_stand_elsewhere_are_not_fetched() {
    let claims = json!({
        "_claim_names": {"credit": "src1", "sub": "src1", "email": "src1"},
        "_claim_sources": {
            "src1": {"endpoint": "http://169.254.169.254/latest/meta-data", "access_token": "x"},
            "src2": {"JWT": "a.b.c"},
        },
    });
    let op = Op::bent(|state| {
        state.claims = claims.clone();
        super::op::merge(&mut state.userinfo, &claims);
    });
    let client = op.client();
    let login = op.login(&client, LoginOptions::new()).await.unwrap();
    let identity = client.get_identity(&login.token).await.unwrap();
    assert_eq!(identity.key(), (ISSUER, SUBJECT));
    assert_eq!(IdToken::of(&login).unwrap().get("credit"), None);
    assert_eq!((op.counts(), op.count(Endpoint::Other)), ([1, 1, 1, 1], 0));
}

#[tokio::test]
async fn lb_06_the_error_says_which_check_of_which_token_and_shows_no_token() {
    let op = Op::bent(|state| state.claims = json!({"aud": "other", "email": "ada@mail.example"}));
    let error = op.login(&op.client(), LoginOptions::new()).await.unwrap_err();
    let ErrorKind::Jwt(reason) = error.kind() else { panic!("{error:?}") };
    assert_eq!((reason.token, reason.check), (JwtUse::IdToken, JwtCheck::Audience));
    let shown = format!("{error} {error:?}");
    assert!(error.to_string().starts_with("finish_login at openid: the ID token is not valid: its aud is"));
    let nonce = op.state().nonce.clone().unwrap();
    for secret in [CLIENT_SECRET, ACCESS_TOKEN, CODE, "ada@mail.example", &nonce, "eyJ"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[tokio::test]
async fn lb_03_a_huge_or_deep_token_is_an_error_and_no_panic() {
    let deep = format!("{}1{}", "[".repeat(30_000), "]".repeat(30_000));
    let of = |header: &str, claims: &str| Signing::With("RS256", Key::Rsa).token_of(header, claims);
    let good = r#"{"alg":"RS256","kid":"rsa"}"#;
    let long = "a".repeat(200_000);
    for token in [
        of(good, &format!(r#"{{"iss":"{ISSUER}","x":{deep}}}"#)),
        of(&format!(r#"{{"alg":"RS256","x":{deep}}}"#), "{}"),
        of(good, &format!(r#"{{"iss":"{ISSUER}","x":"{long}"}}"#)),
        of(good, "null"),
        of(good, "[]"),
        of("[]", "{}"),
        of("", ""),
        of(good, "{\"iss\":\"\u{0}\"}"),
        ".".repeat(100),
        "..".to_owned(),
        "é.é.é".to_owned(),
        String::from_utf8_lossy(b"\xff.\xfe.\xfd").into_owned(),
    ] {
        let op = Op::bent(|state| state.id_token = Some(token.into()));
        let error = op.login(&op.client(), LoginOptions::new()).await.unwrap_err();
        let check = error.jwt_check().unwrap();
        assert!(matches!(check, JwtCheck::Form | JwtCheck::Encryption), "{error}");
        assert_eq!(op.counts(), [1, 0, 1, 0]);
    }
}

#[tokio::test]
async fn a_callback_of_a_page_cannot_smuggle_an_id_token_into_a_plain_login() {
    // Nobody asked for it there, so it proves nothing, and spoils nothing.
    let op = Op::new();
    let client = op.client();
    let attempt = op.start(&client, LoginOptions::new()).await.attempt;
    let body = callback_body(&attempt, &[("id_token", "not.even.one")]);
    let login = client.finish_login(attempt, Callback::from_query(&body)).await.unwrap();
    assert_eq!(IdToken::of(&login).unwrap().subject(), SUBJECT);
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_no_reason_to_trust() {
    let op = Op::bent(|state| state.answer(Endpoint::Keys, |_| Some(reply(503, "text/html", "oops"))));
    let client = op.client();
    let error = op.login(&client, LoginOptions::new()).await.unwrap_err();
    assert_eq!(error.operation(), Operation::GET_KEYS);
    assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{error}");
    assert_eq!(op.counts(), [1, 2, 1, 0], "a GET is repeated once");
    let error = client
        .verify_id_token(&op.id_token(json!({})), &Expectations::new().without_nonce())
        .await
        .unwrap_err();
    assert_eq!(error.operation(), Operation::GET_KEYS);
}

#[tokio::test]
async fn id_09_a_clock_that_is_wrong_is_named_as_such() {
    let now = Op::new().clock.seconds();
    for (claims, check, by) in [
        (json!({"iat": now + 90}), JwtCheck::IssuedAt, "90 s"),
        (json!({"iat": now + 7 * 60}), JwtCheck::IssuedAt, "7 min"),
        (json!({"iat": now - 25 * 3600}), JwtCheck::IssuedAt, "25 h"),
        (json!({"exp": now - 5 * 60}), JwtCheck::Expiry, "5 min"),
        (json!({"exp": now - 10 * 86_400}), JwtCheck::Expiry, "10 days"),
        (json!({"nbf": now + 10 * 60}), JwtCheck::NotBefore, "10 min"),
    ] {
        let op = Op::bent(|state| state.claims = claims.clone());
        let error = op.login(&op.client(), LoginOptions::new()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(check), "{claims}: {error}");
        let shown = error.to_string();
        assert!(shown.contains("this machine's clock") && shown.contains(by), "{claims}: {shown}");
    }
    let op = Op::bent(|state| state.claims = json!({"auth_time": now + 3600}));
    let error =
        op.login(&op.client(), LoginOptions::new().max_age(Duration::from_secs(60))).await.unwrap_err();
    assert!(error.to_string().contains("this machine's clock"), "{error}");
}
