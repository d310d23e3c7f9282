//! JK: keys and signatures (RFC 7515, RFC 7517, RFC 7518, RFC 8725), and how keys are kept.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_clients::{
    ClientSecret, Error, ErrorClass, ErrorKind, JwtCheck, LoginOptions, Operation, Provider, Result,
    async_trait,
    openid::{
        Algorithm, CachePolicy, DecryptError, Decrypter, Expectations, IdToken, JwkSet, OpenID,
        OpenIDProvider, ProviderMetadata,
    },
};
use serde_json::{Value, json};

use super::op::{
    CLIENT_ID, CLIENT_SECRET, Endpoint, Key, Op, SUBJECT, Signing, State, check_of, merge, settle,
};
use crate::support::reply;

/// The names and keys of every algorithm with a public key.
const ALGORITHMS: &[(&str, Key)] = &[
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

/// A provider that lists no algorithms, so that the client's own list is all there is.
fn op(bend: impl FnOnce(&mut State)) -> Op {
    Op::bent(|state| {
        merge(&mut state.metadata, &json!({"id_token_signing_alg_values_supported": null}));
        bend(state);
    })
}

async fn outcome(op: &Op, client: &OpenID) -> Option<JwtCheck> {
    let login = op.login(client, LoginOptions::new()).await;
    login.err().map(|error| error.jwt_check().unwrap_or_else(|| panic!("{error:?}")))
}

#[tokio::test]
async fn jk_01_keys_that_are_of_no_use_do_not_spoil_the_good_ones() {
    let broken = json!([
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA", "kid": "rsa"},
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "rsa"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "rsa"},
        {"kty": "OKP", "crv": "X25519", "x": "AA", "kid": "rsa"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "rsa"},
        {"kty": "RSA", "kid": "rsa"},
        {"kty": "RSA", "n": 1, "e": "AQAB", "kid": "rsa"},
        {"kty": "RSA", "n": "****", "e": "AQAB", "kid": "rsa"},
        {"kty": "RSA", "n": "", "e": "", "kid": "rsa"},
        {"kty": "oct", "k": "AAAA", "kid": "rsa"},
        {"kty": 1, "kid": ["rsa"]},
        {}, [], null, 7, "key",
    ]);
    let op = op(|state| {
        let mut keys = broken.as_array().unwrap().clone();
        keys.push(Key::Rsa.jwk("rsa", "RS256"));
        state.jwks = json!({"keys": keys, "other": 1});
    });
    assert_eq!(outcome(&op, &op.client()).await, None);
}

#[tokio::test]
async fn jk_01_a_key_set_has_a_size() {
    // Ten thousand that are of no use are no trouble; ten thousand that are would be tried one by one.
    let useless: Vec<Value> = (0..10_000).map(|_| json!({"kty": "AKP"})).collect();
    let with = |mut keys: Vec<Value>| {
        keys.push(Key::Rsa.jwk("rsa", "RS256"));
        op(|state| state.jwks = json!({ "keys": keys }))
    };
    let op = with(useless);
    assert_eq!(outcome(&op, &op.client()).await, None);
    for (one, kind) in [(Key::Ed25519.bare("x"), "malformed"), (Key::Rsa.bare("x"), "too large")] {
        let op = with(vec![one; 10_000]);
        let error = op.login(&op.client(), LoginOptions::new()).await.unwrap_err();
        assert_eq!((error.operation(), error.class()), (Operation::GET_KEYS, ErrorClass::Protocol), "{kind}");
        assert_eq!(op.counts(), [1, 1, 1, 0], "{kind}");
    }
}

#[tokio::test]
async fn jk_01_what_is_no_key_set_is_an_error() {
    for body in
        ["", "[]", "{}", "null", r#"{"keys":{}}"#, r#"{"keys":"#, "<html>", r#"{"keys":[],"keys":[]}"#]
    {
        let op =
            op(|state| state.answer(Endpoint::Keys, move |_| Some(reply(200, "application/json", body))));
        let error = op.login(&op.client(), LoginOptions::new()).await.unwrap_err();
        assert_eq!(error.operation(), Operation::GET_KEYS, "{body}");
        assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{body}: {error}");
    }
    for keys in ["http://op.example/jwks", "ftp://op.example/jwks", "https://user@op.example/jwks", "/jwks"] {
        let op = op(|state| state.metadata["jwks_uri"] = keys.into());
        let error = op.client().start_login("https://app.example/cb", LoginOptions::new()).await.unwrap_err();
        assert_eq!((error.class(), op.counts()), (ErrorClass::Configuration, [1, 0, 0, 0]), "{keys}");
    }
    for absent in [json!(null), json!(7), json!("")] {
        let op = op(|state| state.metadata["jwks_uri"] = absent);
        let error = op.login(&op.client(), LoginOptions::new()).await.unwrap_err();
        assert!(error.to_string().contains("jwks_uri"), "{error}");
        assert_eq!(error.class(), ErrorClass::Configuration);
    }
}

#[tokio::test]
async fn jk_08_rsa_keys_that_can_verify_nothing_are_dropped_when_they_are_read() {
    let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let modulus = URL_SAFE_NO_PAD.decode(Key::Rsa.bare("x")["n"].as_str().unwrap()).unwrap();
    let mut even = modulus.clone();
    *even.last_mut().unwrap() &= 0xfe;
    let mut long = vec![0xc3; 1025];
    long[0] = 1;
    let with = |n: &[u8], e: &[u8]| json!({"kty": "RSA", "n": encoded(n), "e": encoded(e)});
    let of_no_use = [
        with(&modulus, &[1]),
        with(&modulus, &[0]),
        with(&modulus, &[]),
        with(&modulus, &[2]),
        with(&modulus, &[1, 0, 0]),
        with(&modulus, &[0, 0, 1]),
        with(&modulus, &[2, 0, 0, 0, 1]),
        with(&modulus, &modulus),
        with(&even, &[1, 0, 1]),
        with(&long, &[1, 0, 1]),
        with(&modulus[..255], &[1, 0, 1]),
        with(&[0; 256], &[1, 0, 1]),
    ];
    for jwk in &of_no_use {
        let error = JwkSet::new(&json!({"keys": [jwk]})).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{jwk}");
    }
    // They take no place from the good one, with which a token without a `kid` is tried.
    let good = Key::Rsa.bare("good");
    let keys: Vec<&Value> = of_no_use.iter().chain([&good]).collect();
    let op = op(|state| {
        state.header = json!({"alg": "RS256"});
        state.jwks = json!({ "keys": keys });
    });
    op.login(&op.client(), LoginOptions::new()).await.unwrap();
    // Zeros in front of a number are no part of it.
    let padded = [&[0, 0][..], &modulus].concat();
    let keys = JwkSet::new(&json!({"keys": [with(&padded, &[0, 1, 0, 1])]})).unwrap();
    op.login(&op.client_with(|policy| policy.fixed_keys(keys)), LoginOptions::new()).await.unwrap();
}

#[tokio::test]
async fn jk_02_a_key_fits_by_type_curve_use_operations_and_algorithm_and_not_by_name_alone() {
    // Each token finds its own among decoys of one name.
    let decoys = [Key::OtherP256, Key::P384, Key::P521, Key::Ed25519, Key::P256, Key::Rsa];
    for &(algorithm, key) in ALGORITHMS {
        if key == Key::P256 {
            continue;
        }
        let op = op(|state| {
            state.sign_with(algorithm, key, "one");
            let keys: Vec<Value> = decoys.iter().map(|decoy| decoy.bare("one")).collect();
            state.jwks = json!({ "keys": keys });
        });
        assert_eq!(outcome(&op, &op.client()).await, None, "{algorithm}");
    }
    // The right key under restrictions that rule it out.
    for restriction in [
        json!({"use": "enc"}),
        json!({"use": ""}),
        json!({"use": 1}),
        json!({"use": "SIG"}),
        json!({"key_ops": ["sign"]}),
        json!({"key_ops": ["encrypt", "wrapKey"]}),
        json!({"key_ops": "verify"}),
        json!({"alg": "RS512"}),
        json!({"alg": "ES256"}),
        json!({"alg": "RSA-OAEP"}),
        json!({"alg": "none"}),
        json!({"alg": 1}),
        json!({"kid": "another"}),
        json!({"kid": "RSA"}),
        json!({"kty": "EC"}),
    ] {
        let op = op(|state| {
            let mut key = Key::Rsa.bare("rsa");
            merge(&mut key, &restriction);
            state.jwks = json!({"keys": [key, Key::OtherRsa.jwk("other", "RS256")]});
        });
        assert_eq!(outcome(&op, &op.client()).await, Some(JwtCheck::Key), "{restriction}");
        assert_eq!(op.counts(), [1, 1, 1, 0], "keys that were read for this token are not read twice");
    }
    for harmless in [json!({"use": "sig"}), json!({"key_ops": ["verify", "sign"]}), json!({"alg": "RS256"})] {
        let op = op(|state| {
            let mut key = Key::Rsa.bare("rsa");
            merge(&mut key, &harmless);
            state.jwks = json!({ "keys": [key] });
        });
        assert_eq!(outcome(&op, &op.client()).await, None, "{harmless}");
    }
}

#[tokio::test]
async fn jk_03_an_unknown_key_is_asked_for_once() {
    let op = Op::new();
    let client = op.client();
    op.login(&client, LoginOptions::new()).await.unwrap();
    // The keys change right before the next token is signed.
    op.bend(|state| state.sign_with("PS256", Key::OtherRsa, "new"));
    op.login(&client, LoginOptions::new()).await.unwrap();
    assert_eq!(op.counts(), [1, 2, 2, 0]);
    // A key that the provider does not have stays unknown.
    op.bend(|state| state.header = json!({"alg": "PS256", "kid": "of nobody"}));
    assert_eq!(outcome(&op, &client).await, Some(JwtCheck::Key));
    assert_eq!(op.counts(), [1, 3, 3, 0]);
}

#[tokio::test]
async fn jk_04_made_up_keys_do_not_flood_the_provider() {
    let op = Op::new();
    let client = op.client();
    client.warm_up().await.unwrap();
    let made_up = |number: usize| {
        let header = json!({"alg": "RS256", "kid": format!("made-up-{number}")});
        Signing::Bytes(vec![1; 256]).token(&header, &op.claims())
    };
    for round in 1..=3 {
        for number in 0..1000 {
            let token = made_up(round * 10_000 + number);
            let error =
                client.verify_id_token(&token, &Expectations::new().without_nonce()).await.unwrap_err();
            assert_eq!(error.jwt_check(), Some(JwtCheck::Key));
        }
        assert_eq!(op.count(Endpoint::Keys), 1 + round, "one request for each pause");
        // Meanwhile, whoever has a real token is served.
        client.verify_id_token(&op.id_token(json!({})), &Expectations::new().without_nonce()).await.unwrap();
        op.clock.advance(Duration::from_secs(61));
    }
    // The same all at once.
    let all: Vec<_> = (0..1000)
        .map(|number| {
            let (client, token) = (client.clone(), made_up(number));
            tokio::spawn(
                async move { client.verify_id_token(&token, &Expectations::new().without_nonce()).await },
            )
        })
        .collect();
    for one in all {
        assert_eq!(one.await.unwrap().unwrap_err().jwt_check(), Some(JwtCheck::Key));
    }
    assert_eq!(op.count(Endpoint::Keys), 5);
}

#[tokio::test]
async fn jk_04_made_up_keys_do_not_flood_a_provider_that_is_down() {
    let op = Op::new();
    let client = op.client();
    client.warm_up().await.unwrap();
    op.bend(|state| state.down = vec![Endpoint::Keys]);
    let ask = async || {
        let token =
            Signing::Bytes(vec![1; 256]).token(&json!({"alg": "RS256", "kid": "made-up"}), &op.claims());
        client.verify_id_token(&token, &Expectations::new().without_nonce()).await.unwrap_err();
        op.count(Endpoint::Keys)
    };
    let mut asked = op.count(Endpoint::Keys);
    for _ in 0..3 {
        let once = ask().await;
        assert!(once > asked);
        for _ in 0..50 {
            assert_eq!(ask().await, once);
        }
        asked = once;
        op.clock.advance(Duration::from_secs(6));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn jk_04_made_up_keys_on_many_threads_make_one_request() {
    let op = Op::new();
    let client = op.client();
    client.warm_up().await.unwrap();
    let all: Vec<_> = (0..500)
        .map(|number| {
            let header = json!({"alg": "RS256", "kid": format!("made-up-{number}")});
            let token = Signing::Bytes(vec![1; 256]).token(&header, &op.claims());
            let client = client.clone();
            tokio::spawn(
                async move { client.verify_id_token(&token, &Expectations::new().without_nonce()).await },
            )
        })
        .collect();
    for one in all {
        assert_eq!(one.await.unwrap().unwrap_err().jwt_check(), Some(JwtCheck::Key));
    }
    assert_eq!(op.count(Endpoint::Keys), 2);
}

#[tokio::test]
async fn jk_05_a_bad_signature_of_a_known_key_asks_for_nothing() {
    let op = Op::new();
    let client = op.client();
    client.warm_up().await.unwrap();
    // The provider put another key under the old name.
    op.bend(|state| {
        state.signing = Signing::With("RS256", Key::OtherRsa);
        state.jwks = json!({"keys": [Key::OtherRsa.jwk("rsa", "RS256")]});
    });
    for _ in 0..10 {
        assert_eq!(outcome(&op, &client).await, Some(JwtCheck::Signature));
    }
    assert_eq!(op.count(Endpoint::Keys), 1);
    // Once the kept keys are too old for their age, the new one is known.
    op.clock.advance(Duration::from_secs(10 * 60 + 1));
    let _ = outcome(&op, &client).await;
    settle().await;
    assert_eq!(outcome(&op, &client).await, None);
    assert_eq!(op.count(Endpoint::Keys), 2);
}

#[tokio::test]
async fn jk_06_a_token_that_names_no_key_is_tried_with_those_that_fit() {
    let without_name = |keys: Vec<Value>| {
        op(|state| {
            state.header = json!({"alg": "RS256"});
            state.jwks = json!({ "keys": keys });
        })
    };
    let nameless = |key: Key| {
        let mut key = key.bare("");
        key.as_object_mut().unwrap().remove("kid");
        key
    };
    for (keys, expected) in [
        (vec![Key::Rsa.jwk("a", "RS256")], None),
        (vec![nameless(Key::Rsa)], None),
        (vec![Key::OtherRsa.bare("b"), Key::P256.bare("c"), Key::Rsa.bare("a")], None),
        (vec![Key::OtherRsa.bare("b"), nameless(Key::OtherRsa)], Some(JwtCheck::Signature)),
        (vec![Key::P256.bare("c"), Key::Ed25519.bare("d")], Some(JwtCheck::Key)),
        (vec![], Some(JwtCheck::Key)),
        // No more than a few are tried.
        ([vec![Key::OtherRsa.bare("b"); 8], vec![Key::Rsa.bare("a")]].concat(), Some(JwtCheck::Signature)),
    ] {
        let op = without_name(keys.clone());
        assert_eq!(outcome(&op, &op.client()).await, expected, "{keys:?}");
    }
    // A name of another type than text names nothing.
    for kid in [json!(1), json!(["rsa"]), json!({}), json!(null), json!(true)] {
        let op = op(|state| state.header = json!({"alg": "RS256", "kid": kid}));
        assert_eq!(outcome(&op, &op.client()).await, Some(JwtCheck::Key), "{kid}");
    }
}

#[tokio::test]
async fn jk_07_a_key_that_was_taken_out_is_no_longer_trusted() {
    let op = Op::new();
    let client = op.client();
    let old = op.id_token(json!({"exp": op.clock.seconds() + 86_400}));
    client.verify_id_token(&old, &Expectations::new().without_nonce()).await.unwrap();
    op.bend(|state| state.jwks = json!({"keys": [Key::P256.jwk("ec", "ES256")]}));
    // Within the age of the kept keys it still is.
    client.verify_id_token(&old, &Expectations::new().without_nonce()).await.unwrap();
    op.clock.advance(Duration::from_secs(10 * 60 + 1));
    for _ in 0..10 {
        let error = client.verify_id_token(&old, &Expectations::new().without_nonce()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Key));
    }
    // Once because of age, and once because it might have come back.
    assert_eq!(op.count(Endpoint::Keys), 3);
}

#[tokio::test]
async fn jk_04_a_sender_who_hangs_up_is_not_spared_the_pause() {
    let op = Op::new();
    let client = op.client();
    client.warm_up().await.unwrap();
    for number in 0..20 {
        op.bend(|state| state.header["kid"] = format!("made-up-{number}").into());
        let token = op.id_token(json!({}));
        let expected = Expectations::new().without_nonce();
        let verified = client.verify_id_token(&token, &expected);
        tokio::select! {
            biased;
            _ = verified => {}
            () = tokio::task::yield_now() => {}
        }
        settle().await;
    }
    assert_eq!(op.count(Endpoint::Keys), 2, "the first ones, and one search");
}

#[tokio::test]
async fn clones_for_several_tenants_keep_their_keys_apart() {
    let op = Op::new();
    let one = op.client();
    let other = one
        .clone()
        .with_endpoints(|all| all.with(oauth_core::Endpoint::Jwks, "https://op.example/other/jwks"));
    for client in [&one, &other].into_iter().cycle().take(20) {
        client.verify_id_token(&op.id_token(json!({})), &Expectations::new().without_nonce()).await.unwrap();
    }
    assert_eq!(op.count(Endpoint::Keys), 2);
}

#[tokio::test]
async fn durations_beyond_the_calendar_are_no_panic() {
    let op = Op::new();
    let client = op
        .client_with(|policy| policy.token_age(Duration::MAX).key_pause(Duration::MAX).leeway(Duration::MAX));
    op.login(&client, LoginOptions::new()).await.unwrap();
    op.bend(|state| state.header["kid"] = "made-up".into());
    let error = op.login(&client, LoginOptions::new()).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Key));
}

#[tokio::test]
async fn jk_07_keys_are_trusted_for_a_limited_time_though_the_provider_is_down() {
    let op = Op::bent(|state| state.cache_control = Some("max-age=31536000".to_owned()));
    let client = op.client();
    client.warm_up().await.unwrap();
    op.bend(|state| state.down = vec![Endpoint::Keys]);
    let token = |op: &Op| op.id_token(json!({"exp": op.clock.seconds() + 86_400}));
    // A year, says the provider; fifteen minutes fresh and four hours stale, says the policy.
    op.clock.advance(Duration::from_secs(15 * 60 + 4 * 60 * 60 - 1));
    client.verify_id_token(&token(&op), &Expectations::new().without_nonce()).await.unwrap();
    settle().await;
    op.clock.advance(Duration::from_secs(2));
    let error = client.verify_id_token(&token(&op), &Expectations::new().without_nonce()).await.unwrap_err();
    assert_eq!(error.operation(), Operation::GET_KEYS);
    assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{error}");
}

#[tokio::test]
async fn jk_08_keys_in_the_header_are_not_even_looked_at() {
    let certificate = json!(["MIIB"]);
    for header in [
        json!({"jwk": Key::OtherRsa.bare("rsa")}),
        json!({"jku": "https://evil.example/jwks"}),
        json!({"x5u": "https://evil.example/cert"}),
        json!({"x5c": certificate}),
        json!({"jwk": Key::OtherRsa.bare("rsa"), "jku": "https://evil.example/jwks", "kid": null}),
        json!({"jwk": Key::OtherRsa.bare("new"), "kid": "new"}),
    ] {
        let op = op(|state| {
            state.signing = Signing::With("RS256", Key::OtherRsa);
            merge(&mut state.header, &header);
        });
        let check = outcome(&op, &op.client()).await;
        let expected = if header["kid"] == "new" { JwtCheck::Key } else { JwtCheck::Signature };
        assert_eq!(check, Some(expected), "{header}");
        assert_eq!((op.counts(), op.count(Endpoint::Other)), ([1, 1, 1, 0], 0), "{header}");
        // Nor do they spoil a token of the provider's own.
        op.bend(|state| {
            state.signing = Signing::With("RS256", Key::Rsa);
            state.header["kid"] = "rsa".into();
        });
        assert_eq!(outcome(&op, &op.client()).await, None, "{header}");
    }
}

#[tokio::test]
async fn jk_09_the_algorithm_is_one_that_the_client_registered() {
    for &(algorithm, key) in ALGORITHMS {
        let op = op(|state| state.sign_with(algorithm, key, "k"));
        assert_eq!(outcome(&op, &op.client()).await, None, "{algorithm}");
        let own = Algorithm::of(algorithm).unwrap();
        let without = Algorithm::WITH_PUBLIC_KEYS.iter().copied().filter(|other| *other != own);
        let client = op.client_with(|policy| policy.algorithms(without));
        assert_eq!(outcome(&op, &client).await, Some(JwtCheck::Algorithm), "{algorithm}");
        let client = op.client_with(|policy| policy.algorithms([own]));
        assert_eq!(outcome(&op, &client).await, None, "{algorithm}");
    }
    // RS256 registered, and a good ES256 token from the same key set.
    let op = op(|state| {
        state.header = json!({"alg": "ES256", "kid": "ec"});
        state.signing = Signing::With("ES256", Key::P256);
        state.jwks = json!({"keys": [Key::Rsa.jwk("rsa", "RS256"), Key::P256.jwk("ec", "ES256")]});
    });
    let client = op.client_with(|policy| policy.algorithms([Algorithm::RS256]));
    assert_eq!(outcome(&op, &client).await, Some(JwtCheck::Algorithm));
    assert_eq!(op.counts(), [1, 0, 1, 0]);
}

#[tokio::test]
async fn jk_10_none_is_refused_in_every_spelling() {
    for algorithm in [
        json!("none"),
        json!("None"),
        json!("NONE"),
        json!("nOnE"),
        json!(" none"),
        json!("none\u{0}"),
        json!(""),
        json!(null),
        json!(0),
        json!(false),
        json!(["none"]),
        json!("rs256"),
        json!("RS256 "),
        json!("RS1"),
        json!("dir"),
        json!("A128GCM"),
    ] {
        for signature in [Signing::Bytes(Vec::new()), Signing::With("RS256", Key::Rsa)] {
            let op = op(|state| {
                merge(&mut state.header, &json!({ "alg": algorithm }));
                state.signing = signature;
                state.metadata["id_token_signing_alg_values_supported"] = json!(["none", algorithm]);
            });
            assert_eq!(outcome(&op, &op.client()).await, Some(JwtCheck::Algorithm), "{algorithm}");
            assert_eq!(op.counts(), [1, 0, 1, 0]);
        }
    }
    // An honest name and no signature.
    assert_eq!(check_of(|state| state.signing = Signing::Bytes(Vec::new())).await, JwtCheck::Signature);
}

#[tokio::test]
async fn jk_11_a_public_key_is_no_secret() {
    let der = Key::Rsa.public_der();
    let base64 = base64::engine::general_purpose::STANDARD.encode(&der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"));
    let n = Key::Rsa.bare("rsa")["n"].as_str().unwrap().to_owned();
    let jwk = Key::Rsa.jwk("rsa", "RS256").to_string();
    for secret in [
        pem.trim_end().as_bytes().to_vec(),
        pem.into_bytes(),
        der,
        URL_SAFE_NO_PAD.decode(&n).unwrap(),
        n.into_bytes(),
        jwk.into_bytes(),
        Vec::new(),
        b"null".to_vec(),
    ] {
        for algorithm in ["HS256", "HS384", "HS512"] {
            let op = op(|state| {
                state.header = json!({"alg": algorithm, "kid": "rsa"});
                state.signing = Signing::Hmac(algorithm, secret.clone());
            });
            assert_eq!(outcome(&op, &op.client()).await, Some(JwtCheck::Algorithm));
            // Nor where HMAC is accepted, with the client secret as its key.
            let all = Algorithm::WITH_PUBLIC_KEYS.iter().copied().chain([Algorithm::of(algorithm).unwrap()]);
            let client = op.client_with(|policy| policy.algorithms(all));
            assert_eq!(outcome(&op, &client).await, Some(JwtCheck::Signature));
            assert_eq!(op.count(Endpoint::Keys), 0, "a secret is not looked for among public keys");
        }
    }
    // A key set cannot hand a secret over either.
    let secret = b"a secret that the provider published, long enough to be a key of HS512".to_vec();
    let op = op(|state| {
        state.header = json!({"alg": "HS256", "kid": "oct"});
        state.signing = Signing::Hmac("HS256", secret.clone());
        state.jwks = json!({"keys": [{"kty": "oct", "kid": "oct", "k": URL_SAFE_NO_PAD.encode(&secret)}]});
    });
    let client = op.client_with(|policy| policy.algorithms([Algorithm::HS256]));
    assert_eq!(outcome(&op, &client).await, Some(JwtCheck::Signature));
}

#[tokio::test]
async fn jk_12_hmac_takes_a_long_client_secret_and_only_when_asked_for() {
    for (algorithm, length) in [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)] {
        let name = algorithm.as_str();
        let signed_with = |secret: &str| {
            op(|state| {
                state.header = json!({ "alg": name });
                state.signing = Signing::Hmac(name, secret.as_bytes().to_vec());
            })
        };
        let at = |op: &Op, secret: ClientSecret| {
            let client = op.discovery().client(CLIENT_ID, secret).unwrap();
            client.with_policy(|policy| policy.algorithms([algorithm]))
        };
        let op = signed_with(CLIENT_SECRET);
        assert_eq!(outcome(&op, &op.client()).await, Some(JwtCheck::Algorithm), "off by default");
        assert_eq!(outcome(&op, &at(&op, CLIENT_SECRET.into())).await, None);
        // A public client has no secret, and a short one is none.
        let public = at(&op, ClientSecret::NONE);
        assert_eq!(outcome(&op, &public).await, Some(JwtCheck::Key));
        let short = "x".repeat(length - 1);
        let op = signed_with(&short);
        assert_eq!(outcome(&op, &at(&op, (&*short).into())).await, Some(JwtCheck::Key));
        let enough = "x".repeat(length);
        let op = signed_with(&enough);
        assert_eq!(outcome(&op, &at(&op, (&*enough).into())).await, None);
        let op = signed_with("");
        assert_eq!(outcome(&op, &at(&op, "".into())).await, Some(JwtCheck::Key));
    }
}

#[tokio::test]
async fn jk_13_short_keys_wrong_curves_and_odd_signatures_are_refused() {
    let half = |length: usize, byte: u8| vec![byte; length];
    for (algorithm, signing, key, expected) in [
        ("ES256", Signing::Der(Key::P256), Key::P256, JwtCheck::Signature),
        ("ES384", Signing::Der(Key::P384), Key::P384, JwtCheck::Signature),
        ("ES512", Signing::Der(Key::P521), Key::P521, JwtCheck::Signature),
        // The curve is the algorithm's.
        ("ES256", Signing::With("", Key::P384), Key::P384, JwtCheck::Key),
        ("ES384", Signing::With("", Key::P256), Key::P256, JwtCheck::Key),
        ("ES512", Signing::With("", Key::P384), Key::P384, JwtCheck::Key),
        ("EdDSA", Signing::With("", Key::P256), Key::P256, JwtCheck::Key),
        ("ES256", Signing::With("", Key::Ed25519), Key::Ed25519, JwtCheck::Key),
        ("RS256", Signing::With("", Key::P256), Key::P256, JwtCheck::Key),
        ("ES256K", Signing::With("", Key::P256), Key::P256, JwtCheck::Algorithm),
        // r = s = 0, and r = s = the highest.
        ("ES256", Signing::Bytes(half(64, 0)), Key::P256, JwtCheck::Signature),
        ("ES256", Signing::Bytes(half(64, 255)), Key::P256, JwtCheck::Signature),
        ("ES384", Signing::Bytes(half(96, 0)), Key::P384, JwtCheck::Signature),
        ("ES512", Signing::Bytes(half(132, 0)), Key::P521, JwtCheck::Signature),
        ("ES256", Signing::Bytes(half(63, 1)), Key::P256, JwtCheck::Signature),
        ("ES256", Signing::Bytes(half(65, 1)), Key::P256, JwtCheck::Signature),
        ("EdDSA", Signing::Bytes(half(64, 0)), Key::Ed25519, JwtCheck::Signature),
        ("EdDSA", Signing::Bytes(half(0, 0)), Key::Ed25519, JwtCheck::Signature),
        ("RS256", Signing::Bytes(half(256, 0)), Key::Rsa, JwtCheck::Signature),
        ("PS256", Signing::With("RS256", Key::Rsa), Key::Rsa, JwtCheck::Signature),
    ] {
        let op = op(|state| {
            state.header = json!({"alg": algorithm, "kid": "k"});
            state.signing = signing.clone();
            state.jwks = json!({"keys": [key.bare("k")]});
        });
        assert_eq!(outcome(&op, &op.client()).await, Some(expected), "{algorithm} {signing:?}");
    }
    // A point beside the curve is not a key, and a signature with it is none.
    let op = op(|state| {
        state.sign_with("ES256", Key::P256, "k");
        let mut key = Key::P256.bare("k");
        key["y"] = key["x"].clone();
        state.jwks = json!({ "keys": [key] });
    });
    assert!(matches!(outcome(&op, &op.client()).await, Some(JwtCheck::Signature | JwtCheck::Key)));
}

#[tokio::test]
async fn jk_13_an_rsa_key_of_1024_bits_is_refused_though_the_signature_is_good() {
    // Made once with `openssl genrsa 1024`, and signed with `openssl dgst -sha256 -sign`.
    let token = "eyJhbGciOiJSUzI1NiIsImtpZCI6InNob3J0In0.eyJpc3MiOiJodHRwczovL29wLmV4YW1wbGUiLCJzdWIiOiJ1c2VyLTEiLCJhdWQiOiJjbGllbnQtMSIsImlhdCI6MTcwMDAwMDAwMCwiZXhwIjo0MDAwMDAwMDAwfQ.pfTAGyKKyuumvTEypHvpL7gP342BMFiKDfJ4pOZsa38LHqgUCgdOBU8a_TM9kZAe82PbVpz1ibE76s8x9tbCewzssS6lSCyP0WE4xaJRX6u5MkPWKsqmM6G_sPx3-26JfpNclXaHBMjzXeIlQdkni6_jQZTtB5njp9p90s0uEwM";
    let n = "uP1nnwTLs5D5ridp9MiCUpdKqYOZSJHkM2qfCdiyTEEj7vGW4zMhG-HFpifWvlP7RBvmB0oZgdTldjlcCXmoD7ESJzjFJtULhNIhpgWWuBaaIOEUTrbIx6hP3IJzr4EXIrOBQXzXlzDErfJqYecaIlH_4fK7f2F2Ql-4An4_YwM";
    // Zeros in front make the number no larger.
    let padded = URL_SAFE_NO_PAD.encode([vec![0; 128], URL_SAFE_NO_PAD.decode(n).unwrap()].concat());
    for n in [n, &padded] {
        let op = op(|state| {
            state.jwks = json!({"keys": [{"kty": "RSA", "kid": "short", "n": n, "e": "AQAB"}]});
        });
        let error =
            op.client().verify_id_token(token, &Expectations::new().without_nonce()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Key));
    }
}

#[tokio::test]
async fn jk_14_ed25519_goes_by_both_of_its_names() {
    for in_token in ["EdDSA", "Ed25519"] {
        for in_key in [json!("EdDSA"), json!("Ed25519"), json!(null)] {
            let op = op(|state| {
                state.sign_with(in_token, Key::Ed25519, "k");
                merge(&mut state.jwks["keys"][0], &json!({ "alg": in_key }));
                state.metadata["id_token_signing_alg_values_supported"] = json!(["Ed25519", "RS256"]);
            });
            assert_eq!(outcome(&op, &op.client()).await, None, "{in_token} {in_key}");
        }
    }
    for other in ["Ed448", "ES256K"] {
        let op = op(|state| {
            state.sign_with("EdDSA", Key::Ed25519, "k");
            state.header["alg"] = other.into();
        });
        assert_eq!(outcome(&op, &op.client()).await, Some(JwtCheck::Algorithm), "{other}");
    }
}

#[tokio::test]
async fn jk_15_only_the_compact_form_letter_by_letter_is_a_token() {
    let good = {
        let op = Op::new();
        op.id_token(json!({}))
    };
    let [head, body, tail] = <[&str; 3]>::try_from(good.split('.').collect::<Vec<_>>()).unwrap();
    let last = char::from(*tail.as_bytes().last().unwrap());
    // The last character of 256 bytes has two bits to spare: another text of the same bytes.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let twin = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
    for bad in [
        format!("{head}.{body}.{tail}="),
        format!("{head}.{body}.{tail}=="),
        format!("{head}.{body}.{tail}\n"),
        format!("\n{head}.{body}.{tail}"),
        format!("{head}.{body}. {tail}"),
        format!("{head}=.{body}.{tail}"),
        format!("{head}.{body}.{tail}."),
        format!("{head}.{body}.{tail}.x"),
        format!("{head}.{body}"),
        format!("{head}..{tail}"),
        format!(".{body}.{tail}"),
        format!("{head}.{body}.{}+/", &tail[..tail.len() - 2]),
        format!("{head}.{body}.{}{twin}", &tail[..tail.len() - 1]),
        format!("{head}.{body}.{}", "A".repeat(10_000_000 / 16)),
        format!("\"{head}.{body}.{tail}\""),
        json!({"payload": body, "protected": head, "signature": tail}).to_string(),
        json!({"payload": body, "signatures": [{"protected": head, "signature": tail}]}).to_string(),
        good.replace('.', "%2E"),
        good.replace('.', ","),
    ] {
        let op = Op::bent(|state| state.id_token = Some(bad.clone().into()));
        let error = op.login(&op.client(), LoginOptions::new()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Form), "{}: {error}", &bad[..bad.len().min(60)]);
        assert_eq!(op.counts(), [1, 0, 1, 0]);
    }
}

#[tokio::test]
async fn jk_16_what_a_header_calls_critical_is_not_understood() {
    for header in [
        json!({"crit": ["exp"]}),
        json!({"crit": ["b64"], "b64": false}),
        json!({"crit": ["b64"], "b64": true}),
        json!({"crit": []}),
        json!({"crit": null}),
        json!({"crit": "exp"}),
        json!({"crit": ["alg"]}),
        json!({"b64": false}),
        json!({"zip": "DEF"}),
        json!({"crit": ["http://openbanking.org.uk/iat"], "http://openbanking.org.uk/iat": 1}),
    ] {
        let op = Op::bent(|state| {
            for (name, value) in header.as_object().unwrap() {
                state.header[name] = value.clone();
            }
        });
        assert_eq!(outcome(&op, &op.client()).await, Some(JwtCheck::Critical), "{header}");
        assert_eq!(op.counts(), [1, 0, 1, 0]);
    }
}

#[tokio::test]
async fn jk_17_a_token_for_something_else_is_no_id_token() {
    for kind in [
        json!("at+jwt"),
        json!("application/at+jwt"),
        json!("AT+JWT"),
        json!("logout+jwt"),
        json!("dpop+jwt"),
        json!("token-introspection+jwt"),
        json!("oauth-authz-req+jwt"),
        json!("secevent+jwt"),
        json!("dc+sd-jwt+jwt"),
        json!(1),
        json!(["JWT"]),
        json!({}),
    ] {
        let op = Op::bent(|state| state.header["typ"] = kind.clone());
        assert_eq!(outcome(&op, &op.client()).await, Some(JwtCheck::Type), "{kind}");
        assert_eq!(op.counts(), [1, 0, 1, 0]);
    }
    for kind in ["JWT", "jwt", "application/jwt", "JOSE"] {
        let op = Op::bent(|state| state.header["typ"] = kind.into());
        assert_eq!(outcome(&op, &op.client()).await, None, "{kind}");
    }
}

/// Gives back what was put into it, whatever the token is.
#[derive(Debug)]
struct Opens(HashMap<String, Result<String, DecryptError>>);

#[async_trait]
impl Decrypter for Opens {
    async fn decrypt(&self, token: &str) -> Result<String, DecryptError> {
        self.0.get(token).cloned().unwrap_or(Err(DecryptError::Failed))
    }
}

#[tokio::test]
async fn jk_18_what_comes_out_of_encryption_is_verified_as_any_other_token() {
    let op = Op::new();
    // A plain token where an encrypted one was registered.
    let client = op.client_with(|policy| policy.encrypted_id_tokens());
    assert_eq!(outcome(&op, &client).await, Some(JwtCheck::Encryption));
    assert_eq!(op.counts(), [1, 0, 1, 0]);
    // An encrypted one where the client has no keys, and one that does not open.
    op.bend(|state| state.id_token = Some("a.b.c.d.e".into()));
    assert_eq!(outcome(&op, &op.client()).await, Some(JwtCheck::Encryption));
    let client = op.client_with(|policy| policy.encrypted_id_tokens().decrypter(Opens(HashMap::new())));
    assert_eq!(outcome(&op, &client).await, Some(JwtCheck::Encryption));

    let inside = Arc::new(Mutex::new(String::new()));
    #[derive(Debug)]
    struct Gives(Arc<Mutex<String>>);
    #[async_trait]
    impl Decrypter for Gives {
        async fn decrypt(&self, _token: &str) -> Result<String, DecryptError> {
            Ok(self.0.lock().unwrap().clone())
        }
    }
    let client = op.client_with(|policy| policy.encrypted_id_tokens().decrypter(Gives(inside.clone())));
    type Make = fn(&Op) -> String;
    let cases: [(Make, Option<JwtCheck>); 7] = [
        (|op| op.id_token(json!({})), None),
        (
            |op| Signing::Bytes(Vec::new()).token(&json!({"alg": "none"}), &op.claims()),
            Some(JwtCheck::Algorithm),
        ),
        (|op| op.claims().to_string(), Some(JwtCheck::Form)),
        (|_| "a.b.c.d.e".to_owned(), Some(JwtCheck::Form)),
        (|op| op.id_token(json!({"nonce": "other"})), Some(JwtCheck::Nonce)),
        (|op| op.id_token(json!({"iss": "https://evil.example"})), Some(JwtCheck::Issuer)),
        (
            |op| {
                Signing::With("RS256", Key::OtherRsa)
                    .token(&json!({"alg": "RS256", "kid": "rsa"}), &op.claims())
            },
            Some(JwtCheck::Signature),
        ),
    ];
    for (number, (make, expected)) in cases.into_iter().enumerate() {
        let attempt = op.start(&client, LoginOptions::new()).await.attempt;
        *inside.lock().unwrap() = make(&op);
        let callback = op.callback(&attempt, &[]);
        let outcome = client.finish_login(attempt, callback).await;
        if let Ok(login) = &outcome {
            assert_eq!(IdToken::of(login).unwrap().subject(), SUBJECT);
        }
        assert_eq!(outcome.err().and_then(|error| error.jwt_check()), expected, "case {number}");
    }
}

/// A key in a service that answers late, or not at all.
#[derive(Debug)]
struct FarAway(Option<Duration>, String);

#[async_trait]
impl Decrypter for FarAway {
    async fn decrypt(&self, _token: &str) -> Result<String, DecryptError> {
        match self.0 {
            Some(time) => tokio::time::sleep(time).await,
            None => return Err(DecryptError::Unavailable),
        }
        Ok(self.1.clone())
    }
}

#[tokio::test]
async fn jk_18_a_key_that_cannot_be_reached_is_trouble_that_may_pass() {
    let op = Op::new();
    for (time, ends_well) in
        [(None, false), (Some(Duration::from_secs(60)), false), (Some(Duration::from_secs(1)), true)]
    {
        op.bend(|state| state.id_token = None);
        let inside = op.id_token(json!({}));
        let client = op.client_with(|policy| policy.decrypter(FarAway(time, inside)));
        op.bend(|state| state.id_token = Some("a.b.c.d.e".into()));
        let attempt = op.start(&client, LoginOptions::new()).await.attempt;
        let callback = op.callback(&attempt, &[]);
        let outcome = client.finish_login(attempt, callback).await;
        match outcome {
            Err(error) if !ends_well => {
                assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{error:?}");
                assert_eq!(error.jwt_check(), None);
            }
            // It was waited for; the token is one of another login, which is found out after that.
            Err(error) => assert_eq!(error.jwt_check(), Some(JwtCheck::Nonce)),
            Ok(_) => panic!("{time:?}"),
        }
    }
}

#[tokio::test]
async fn a_key_that_names_its_issuer_signs_for_no_other() {
    // Microsoft's key sets name the tenant of each key.
    for (issuer, expected) in [("https://op.example", None), ("https://evil.example", Some(JwtCheck::Key))] {
        let op = op(|state| state.jwks["keys"][0]["issuer"] = issuer.into());
        assert_eq!(outcome(&op, &op.client()).await, expected);
    }
}

#[tokio::test]
async fn a_provider_that_changes_its_keys_for_every_token_makes_no_login_fail() {
    let op = Op::new();
    let client = op.client();
    let keys = [("RS256", Key::Rsa), ("ES256", Key::P256), ("EdDSA", Key::Ed25519), ("PS256", Key::OtherRsa)];
    for number in 0..200 {
        let (algorithm, key) = keys[number % keys.len()];
        op.bend(|state| state.sign_with(algorithm, key, &format!("key-{number}")));
        op.login(&client, LoginOptions::new()).await.unwrap();
    }
    // And back to keys that were there before, as when a change is undone.
    for number in [3, 7, 3, 7, 3] {
        let (algorithm, key) = keys[number % keys.len()];
        op.bend(|state| state.sign_with(algorithm, key, &format!("key-{number}")));
        op.login(&client, LoginOptions::new()).await.unwrap_or_else(|error| panic!("key-{number}: {error}"));
    }
}

#[tokio::test]
async fn old_tokens_neither_flood_the_provider_nor_hide_its_new_keys() {
    let op = Op::new();
    let client = op.client();
    let old = op.id_token(json!({}));
    client.verify_id_token(&old, &Expectations::new().without_nonce()).await.unwrap();
    op.bend(|state| state.sign_with("ES256", Key::P256, "second"));
    client.verify_id_token(&op.id_token(json!({})), &Expectations::new().without_nonce()).await.unwrap();
    assert_eq!(op.count(Endpoint::Keys), 2);
    // Tokens of the first key come late, many of them.
    for _ in 0..100 {
        let error = client.verify_id_token(&old, &Expectations::new().without_nonce()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Key));
    }
    assert!(op.count(Endpoint::Keys) <= 3, "{}", op.count(Endpoint::Keys));
    // A third key is found all the same.
    op.bend(|state| state.sign_with("EdDSA", Key::Ed25519, "third"));
    client.verify_id_token(&op.id_token(json!({})), &Expectations::new().without_nonce()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keys_that_are_read_in_the_background_are_waited_for_by_who_needs_them() {
    for round in 0..100 {
        let op = Op::new();
        let client = op.client();
        client.warm_up().await.unwrap();
        // The kept keys are stale, and the provider has others: the first login finds the old ones, and must not stop there.
        op.clock.advance(Duration::from_secs(11 * 60));
        op.bend(|state| state.sign_with("ES256", Key::P256, "new"));
        let token = op.id_token(json!({}));
        let outcome = client.verify_id_token(&token, &Expectations::new().without_nonce()).await;
        outcome.unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
}

#[tokio::test]
async fn keys_of_metadata_that_was_given_by_hand_are_read_when_needed() {
    let op = Op::new();
    let metadata = ProviderMetadata::new(op.state().metadata.clone()).unwrap();
    let client = OpenID::new(CLIENT_ID, CLIENT_SECRET, metadata).unwrap().with_http_client(op.clone());
    op.login(&client, LoginOptions::new()).await.unwrap();
    assert_eq!(op.counts(), [0, 1, 1, 0]);
}

#[tokio::test]
async fn how_long_keys_are_kept_is_the_applications_to_say() {
    let op = Op::new();
    let for_a_moment = CachePolicy {
        at_least: Duration::ZERO,
        at_most: Duration::from_secs(5),
        unless_told: Duration::from_secs(5),
        stale: Duration::ZERO,
    };
    let client = op.client_with(|policy| policy.key_cache(for_a_moment));
    client.warm_up().await.unwrap();
    client.warm_up().await.unwrap();
    assert_eq!(op.count(Endpoint::Keys), 1);
    op.clock.advance(Duration::from_secs(5));
    client.warm_up().await.unwrap();
    assert_eq!(op.count(Endpoint::Keys), 2);
}

/// What becomes of a login whose signing key is published like this.
async fn with_key(algorithm: &'static str, key: Key, change: impl FnOnce(&mut Value)) -> Result<(), Error> {
    let mut jwk = key.jwk("k", algorithm);
    change(&mut jwk);
    let op = Op::bent(|state| {
        state.sign_with(algorithm, key, "k");
        state.jwks = json!({ "keys": [jwk] });
        state.metadata["id_token_signing_alg_values_supported"] = json!([algorithm]);
    });
    op.login(&op.client(), LoginOptions::new()).await.map(drop)
}

#[tokio::test]
async fn jk_01_keys_are_read_as_most_libraries_read_them() {
    // Two of Nimbus, jose and PyJWT take each of these.
    let other = |change: &dyn Fn(&[u8]) -> Vec<u8>, name: &str, jwk: &mut Value| {
        let bytes = URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        jwk[name] = URL_SAFE_NO_PAD.encode(change(&bytes)).into();
    };
    let longer = |bytes: &[u8]| [&[0], bytes].concat();
    let shorter = |bytes: &[u8]| bytes.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
    for (algorithm, key) in [("ES256", Key::P256), ("ES384", Key::P384), ("ES512", Key::P521)] {
        with_key(algorithm, key, |jwk| other(&longer, "x", jwk)).await.unwrap();
        with_key(algorithm, key, |jwk| other(&longer, "y", jwk)).await.unwrap();
        with_key(algorithm, key, |jwk| {
            other(&shorter, "x", jwk);
            other(&shorter, "y", jwk);
        })
        .await
        .unwrap();
    }
    with_key("RS256", Key::Rsa, |jwk| jwk["key_ops"] = json!([])).await.unwrap();
    for (algorithm, key, name) in
        [("RS256", Key::Rsa, "n"), ("ES256", Key::P256, "x"), ("EdDSA", Key::Ed25519, "x")]
    {
        with_key(algorithm, key, |jwk| {
            let plain = jwk[name].as_str().unwrap().replace('-', "+").replace('_', "/");
            jwk[name] = format!("{plain}==").into();
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn jk_02_a_key_that_is_left_out_is_named_with_the_reason() {
    for (algorithm, key, change, reason) in [
        ("RS256", Key::Rsa, json!({"use": "SIG"}), r#"its use is "SIG""#),
        ("RS256", Key::Rsa, json!({"use": "enc"}), r#"its use is "enc""#),
        ("RS256", Key::Rsa, json!({"key_ops": ["sign"]}), "its key_ops are"),
        ("RS256", Key::Rsa, json!({"alg": "RSA-OAEP"}), "its alg is \"RSA-OAEP\""),
        ("RS256", Key::Rsa, json!({"alg": "ES256"}), "does not fit its type"),
        ("RS256", Key::Rsa, json!({"n": "AQAB"}), "an RSA key of 17 bits"),
        ("RS256", Key::Rsa, json!({"kty": "rsa"}), "its type is not known here"),
        ("ES256", Key::P256, json!({"x": "AQAB"}), "not those of a public key"),
        ("ES256", Key::P256, json!({"crv": "secp256k1"}), "its type is not known here"),
    ] {
        let outcome = with_key(algorithm, key, |jwk| super::op::merge(jwk, &change)).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Key), "{change}");
        let shown = error.to_string();
        assert!(shown.contains("its key \"k\" is left out") && shown.contains(reason), "{shown}");
    }
    // A token that names a key is not verified with one that has no name: none of the three does it.
    let error = with_key("RS256", Key::Rsa, |jwk| jwk["kid"] = Value::Null).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Key));
    assert!(error.to_string().contains("none of its keys has a kid"), "{error}");
}

#[tokio::test]
async fn the_65th_tenant_does_not_switch_the_cache_off() {
    let op = Op::new();
    let client = op.client();
    // Each has an HTTP client of its own, and so a cache of its own.
    let tenants: Vec<_> = (0..65).map(|_| client.clone().with_http_client(op.clone())).collect();
    for _ in 0..3 {
        for tenant in &tenants {
            tenant.warm_up().await.unwrap();
        }
    }
    assert_eq!([op.count(Endpoint::Discovery), op.count(Endpoint::Keys)], [65, 65]);
}

#[tokio::test]
async fn jk_04_key_sets_in_changing_order_do_not_cancel_the_pause_after_an_unknown_key() {
    let op = Op::new();
    let mut turn = false;
    let keys = [Key::Rsa.jwk("a", "RS256"), Key::P256.jwk("b", "ES256")];
    op.bend(|state| {
        state.answer(Endpoint::Keys, move |_| {
            turn = !turn;
            let mut keys = keys.to_vec();
            if turn {
                keys.reverse();
            }
            Some(reply(200, "application/json", json!({ "keys": keys }).to_string()))
        });
        state.header = json!({"alg": "RS256", "kid": "unknown"});
    });
    let client = op.client();
    let token = op.id_token(json!({}));
    for _ in 0..10 {
        let error = client.verify_id_token(&token, &Expectations::new().without_nonce()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Key));
    }
    assert_eq!(op.count(Endpoint::Keys), 2, "once for the store, once for the unknown key");
}

#[tokio::test]
async fn jk_04_a_failing_endpoint_is_left_alone_for_a_while_even_by_an_empty_store() {
    let op = Op::bent(|state| state.answer(Endpoint::Keys, |_| Some(reply(500, "text/html", "later"))));
    let client = op.client();
    let token = op.id_token(json!({}));
    for _ in 0..10 {
        let error = client.verify_id_token(&token, &Expectations::new().without_nonce()).await.unwrap_err();
        assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{error}");
    }
    assert_eq!(op.count(Endpoint::Keys), 1);
    op.clock.advance(Duration::from_secs(6));
    client.verify_id_token(&token, &Expectations::new().without_nonce()).await.unwrap_err();
    assert_eq!(op.count(Endpoint::Keys), 2);
}
