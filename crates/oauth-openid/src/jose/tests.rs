use std::sync::OnceLock;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use josekit::jwe::JweEncrypter;
use oauth_core::{
    HttpClient, HttpError, JwtCheck, OffsetDateTime, Provider, async_trait,
    bytes::Bytes,
    http::{Request, Response},
};

use super::*;
use crate::{Expectations, LogoutRequest, OpenID, OpenIDProvider, ProviderMetadata};

const ISSUER: &str = "https://op.example";
const RSA: [&str; 2] = ["RSA-OAEP", "RSA-OAEP-256"];
const EC: [&str; 3] = ["ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"];
const ENCRYPTIONS: [&str; 4] = ["A128GCM", "A256GCM", "A128CBC-HS256", "A256CBC-HS512"];

/// The private keys of a client, made once: RSA keys take a while.
fn keys() -> &'static Value {
    static KEYS: OnceLock<Value> = OnceLock::new();
    KEYS.get_or_init(|| {
        let named = |jwk: Jwk, id: &str| {
            let mut jwk: Map<String, Value> = jwk.into();
            jwk.insert("kid".to_owned(), json!(id));
            jwk.insert("use".to_owned(), json!("enc"));
            Value::Object(jwk)
        };
        use josekit::jwk::alg::ec::EcCurve;
        json!({ "keys": [
            named(Jwk::generate_rsa_key(2048).unwrap(), "rsa"),
            named(Jwk::generate_ec_key(EcCurve::P256).unwrap(), "p256"),
            named(Jwk::generate_ec_key(EcCurve::P521).unwrap(), "p521"),
        ]})
    })
}

/// What comes out of it, which never has to wait.
fn decrypt(decrypter: &JoseDecrypter, token: &str) -> Result<String, DecryptError> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(decrypter.decrypt(token)).poll(&mut context) {
        std::task::Poll::Ready(outcome) => outcome,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

fn decrypter() -> JoseDecrypter {
    JoseDecrypter::new(keys()).unwrap()
}

/// Encrypts for a key, as a provider does.
fn encrypted(algorithm: &str, encryption: &str, id: &str, text: &str) -> String {
    let public = decrypter().public_keys();
    let jwk = public["keys"].as_array().unwrap().iter().find(|key| key["kid"] == id).unwrap();
    let mut jwk = jwk.as_object().unwrap().clone();
    jwk.remove("alg");
    encrypted_with(&encrypter(algorithm, &Jwk::from_map(jwk).unwrap()), encryption, id, text)
}

fn encrypter(algorithm: &str, key: &Jwk) -> Box<dyn JweEncrypter> {
    #[allow(deprecated)]
    match algorithm {
        "RSA1_5" => Box::new(jwe::RSA1_5.encrypter_from_jwk(key).unwrap()),
        "RSA-OAEP" => Box::new(jwe::RSA_OAEP.encrypter_from_jwk(key).unwrap()),
        "RSA-OAEP-256" => Box::new(jwe::RSA_OAEP_256.encrypter_from_jwk(key).unwrap()),
        "ECDH-ES" => Box::new(jwe::ECDH_ES.encrypter_from_jwk(key).unwrap()),
        "ECDH-ES+A128KW" => Box::new(jwe::ECDH_ES_A128KW.encrypter_from_jwk(key).unwrap()),
        "ECDH-ES+A256KW" => Box::new(jwe::ECDH_ES_A256KW.encrypter_from_jwk(key).unwrap()),
        other => panic!("{other}"),
    }
}

#[allow(clippy::borrowed_box, reason = "josekit takes a reference to the trait")]
fn encrypted_with(encrypter: &Box<dyn JweEncrypter>, encryption: &str, id: &str, text: &str) -> String {
    let mut header = JweHeader::new();
    header.set_content_encryption(encryption);
    header.set_key_id(id);
    jwe::serialize_compact(text.as_bytes(), &header, &**encrypter).unwrap()
}

/// The token with another part at this place.
fn with_part(token: &str, at: usize, part: &str) -> String {
    let mut parts: Vec<&str> = token.split('.').collect();
    parts[at] = part;
    parts.join(".")
}

fn bytes_of(token: &str, at: usize) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap()
}

/// The token with its header changed.
fn with_header(token: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut header: Value = oauth_core::serde_json::from_slice(&bytes_of(token, 0)).unwrap();
    change(&mut header);
    with_part(token, 0, &URL_SAFE_NO_PAD.encode(header.to_string()))
}

#[test]
fn jk_18_what_was_encrypted_for_the_client_is_decrypted() {
    let decrypter = decrypter();
    let mut combinations = 0;
    for encryption in ENCRYPTIONS {
        for (algorithms, ids) in [(&RSA[..], &["rsa"][..]), (&EC, &["p256", "p521"])] {
            for (algorithm, id) in
                algorithms.iter().flat_map(|algorithm| ids.iter().map(move |id| (algorithm, id)))
            {
                let token = encrypted(algorithm, encryption, id, "the text");
                assert_eq!(decrypt(&decrypter, &token).unwrap(), "the text", "{algorithm} {encryption} {id}");
                combinations += 1;
            }
        }
    }
    assert_eq!(combinations, 32);
}

#[test]
fn jk_18_the_key_is_chosen_by_its_name() {
    let token = encrypted("ECDH-ES", "A128GCM", "p256", "the text");
    let without = with_header(&token, |header| header["kid"] = json!("another"));
    assert_eq!(decrypt(&decrypter(), &without), Err(DecryptError::Failed));
    let other = with_header(&token, |header| header["kid"] = json!("p521"));
    assert_eq!(decrypt(&decrypter(), &other), Err(DecryptError::Failed));
    // Without a name every key is tried that fits.
    let public = decrypter().public_keys();
    let mut jwk = public["keys"][1].as_object().unwrap().clone();
    jwk.remove("kid");
    let mut header = JweHeader::new();
    header.set_content_encryption("A128GCM");
    let encrypter = encrypter("ECDH-ES+A128KW", &Jwk::from_map(jwk).unwrap());
    let token = jwe::serialize_compact(b"the text", &header, &*encrypter).unwrap();
    assert_eq!(decrypt(&decrypter(), &token).unwrap(), "the text");
}

#[test]
fn jk_19_a_token_without_a_name_is_tried_with_two_keys_whose_form_fits() {
    use josekit::jwk::alg::ec::EcCurve;
    let named = |jwk: Jwk, id: usize| {
        let mut jwk: Map<String, Value> = jwk.into();
        jwk.insert("kid".to_owned(), json!(id.to_string()));
        Value::Object(jwk)
    };
    let curves = [EcCurve::P521, EcCurve::P384, EcCurve::P521, EcCurve::P256, EcCurve::P256, EcCurve::P256];
    let keys: Vec<Value> = curves
        .into_iter()
        .enumerate()
        .map(|(id, curve)| named(Jwk::generate_ec_key(curve).unwrap(), id))
        .collect();
    let decrypter = JoseDecrypter::new(&json!({ "keys": keys })).unwrap();
    let public = decrypter.public_keys();
    for algorithm in EC {
        // Keys of other curves do not count; of those of one curve, the third is one too many.
        for (id, opens) in [(0, true), (1, true), (2, true), (3, true), (4, true), (5, false)] {
            let mut jwk = public["keys"][id].as_object().unwrap().clone();
            jwk.remove("kid");
            let mut header = JweHeader::new();
            header.set_content_encryption("A256GCM");
            let encrypter = encrypter(algorithm, &Jwk::from_map(jwk).unwrap());
            let token = jwe::serialize_compact(b"the text", &header, &*encrypter).unwrap();
            assert_eq!(decrypt(&decrypter, &token).is_ok(), opens, "{algorithm} {id}");
        }
    }
}

#[test]
fn jk_19_rsa_1_5_is_refused_even_where_the_key_would_open_it() {
    for encryption in ENCRYPTIONS {
        let token = encrypted("RSA1_5", encryption, "rsa", "the text");
        assert_eq!(decrypt(&decrypter(), &token), Err(DecryptError::Algorithm));
    }
}

#[test]
fn jk_19_all_failures_of_the_cryptography_are_one() {
    let flipped = |token: &str, at: usize| {
        let mut bytes = bytes_of(token, at);
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        with_part(token, at, &URL_SAFE_NO_PAD.encode(bytes))
    };
    let decrypter = decrypter();
    for encryption in ENCRYPTIONS {
        for (algorithm, id) in [("RSA-OAEP", "rsa"), ("RSA-OAEP-256", "rsa"), ("ECDH-ES+A128KW", "p256")] {
            let token = encrypted(algorithm, encryption, id, "the text, and a second block of it");
            // Encrypted key, initialization vector, text with its padding, tag; and the header, which the tag covers.
            for at in 1..5 {
                assert_eq!(
                    decrypt(&decrypter, &flipped(&token, at)),
                    Err(DecryptError::Failed),
                    "{encryption} {at}"
                );
            }
            let header = with_header(&token, |header| header["x"] = json!(1));
            assert_eq!(decrypt(&decrypter, &header), Err(DecryptError::Failed), "{encryption}");
            // A content key of the wrong length, and one for somebody else's key.
            let other = encrypted(algorithm, encryption, id, "another");
            let mixed = with_part(&token, 1, other.split('.').nth(1).unwrap());
            assert_eq!(decrypt(&decrypter, &mixed), Err(DecryptError::Failed), "{encryption}");
            let other = if encryption.starts_with("A128") { "A256GCM" } else { "A128GCM" };
            let other = encrypted(algorithm, other, id, "another");
            let mixed = with_part(&token, 1, other.split('.').nth(1).unwrap());
            assert_eq!(decrypt(&decrypter, &mixed), Err(DecryptError::Failed), "{encryption}");
        }
    }
    assert_eq!(DecryptError::Failed.to_string(), "it cannot be decrypted with the client's keys");
}

#[test]
fn jk_19_a_cbc_text_is_authentic_before_its_padding_is_looked_at() {
    // The appendices of RFC 7518 have the keys, texts and tags: B.1 and B.3.
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    let key = |length: u8| -> Vec<u8> { (0..length).collect() };
    let iv = hex("1af38c2dc2b96ffdd86694092341bc04");
    let aad = b"The second principle of Auguste Kerckhoffs";
    let text = hex(
        "c80edfa32ddf39d5ef00c0b468834279a2e46a1b8049f792f76bfe54b903a9c9a94ac9b47ad2655c5f10f9aef71427e2fc6f9b3f399a221489f16362c7032\
         33609d45ac69864e3321cf82935ac4096c86e133314c54019e8ca7980dfa4b9cf1b384c486f3a54c51078158ee5d79de59fbd34d848b3d69550a67646344427ade54b8851ffb598f7f80074b9473c82e2db",
    );
    let tag = hex("652c3fa36b0a7c5b3219fab3a30bc1c4");
    let is_authentic = |key: &[u8], tag: &[u8]| {
        ContentEncryption::A128CbcHs256.authenticates(key, &[&aad[..], &iv, &text], tag)
    };
    assert!(is_authentic(&key(32), &tag));
    assert!(!is_authentic(&key(32), &tag[..15]));
    assert!(!is_authentic(&key(32), &[]));
    let mut other = tag.clone();
    other[0] ^= 1;
    assert!(!is_authentic(&key(32), &other));
    let mut other = key(32);
    other[0] ^= 1;
    assert!(!is_authentic(&other, &tag));
}

#[test]
fn jk_20_passwords_shared_secrets_and_compression_are_refused_unread() {
    let token = encrypted("RSA-OAEP-256", "A256GCM", "rsa", "the text");
    for (change, error) in [
        (json!({"alg": "PBES2-HS256+A128KW", "p2s": "AAAA", "p2c": 1_000_000_000}), DecryptError::Algorithm),
        (json!({"alg": "dir"}), DecryptError::Algorithm),
        (json!({"alg": "A128KW"}), DecryptError::Algorithm),
        (json!({"alg": "A256GCMKW"}), DecryptError::Algorithm),
        (json!({"alg": "RSA-OAEP-512"}), DecryptError::Algorithm),
        (json!({"alg": "none"}), DecryptError::Algorithm),
        (json!({"alg": null}), DecryptError::Algorithm),
        (json!({"enc": "A192GCM"}), DecryptError::Algorithm),
        (json!({"enc": "none"}), DecryptError::Algorithm),
        (json!({"enc": ["A256GCM"]}), DecryptError::Algorithm),
        (json!({"zip": "DEF"}), DecryptError::Algorithm),
        (json!({"crit": ["exp"]}), DecryptError::Algorithm),
    ] {
        let hostile = with_header(&token, |header| {
            for (name, value) in change.as_object().unwrap() {
                header[name] = value.clone();
            }
        });
        assert_eq!(decrypt(&decrypter(), &hostile), Err(error), "{change}");
    }
}

#[test]
fn jk_20_hostile_parts_are_refused_without_a_panic() {
    let decrypter = decrypter();
    let refused = |token: &str| assert_eq!(decrypt(&decrypter, token), Err(DecryptError::Failed), "{token}");
    for encryption in ENCRYPTIONS {
        let token = encrypted("ECDH-ES+A128KW", encryption, "p256", "the text");
        for at in 1..5 {
            for length in [0, 1, 7, 8, 11, 13, 15, 17, 4000] {
                if bytes_of(&token, at).len() != length {
                    refused(&with_part(&token, at, &URL_SAFE_NO_PAD.encode(vec![0; length])));
                }
            }
        }
        // The first bytes of a tag are not the tag.
        let tag = bytes_of(&token, 4);
        for length in [1, 4, 8, 12, 15] {
            refused(&with_part(&token, 4, &URL_SAFE_NO_PAD.encode(&tag[..length])));
        }
        let one = URL_SAFE_NO_PAD.encode([0, 1]);
        for epk in [
            json!(null),
            json!("epk"),
            json!({}),
            json!({"kty": "EC", "crv": "P-256"}),
            json!({"kty": "EC", "crv": "P-256", "x": one, "y": one}),
            json!({"kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode([1; 32]), "y": URL_SAFE_NO_PAD.encode([1; 32])}),
            json!({"kty": "EC", "crv": "P-521", "x": URL_SAFE_NO_PAD.encode([1; 66]), "y": URL_SAFE_NO_PAD.encode([1; 66])}),
            json!({"kty": "OKP", "crv": "X25519", "x": URL_SAFE_NO_PAD.encode([0; 32])}),
        ] {
            refused(&with_header(&token, |header| header["epk"] = epk));
        }
        for agreement in [json!(1), json!("&&"), json!(URL_SAFE_NO_PAD.encode([1; 4000]))] {
            refused(&with_header(&token, |header| header["apu"] = agreement));
        }
    }
    let token = encrypted("RSA-OAEP", "A256GCM", "rsa", "the text");
    for length in [0, 1, 255, 257] {
        refused(&with_part(&token, 1, &URL_SAFE_NO_PAD.encode(vec![1; length])));
    }
    refused(&with_part(&token, 3, &"A".repeat(MOST_CHARACTERS)));
    for text in [
        "",
        "....",
        "a.b.c.d.e",
        "a.b.c",
        &format!("{token}."),
        &format!(" {token}"),
        &token.replace('.', "=."),
    ] {
        refused(text);
    }
    let twice = URL_SAFE_NO_PAD.encode(r#"{"alg":"RSA-OAEP","alg":"RSA-OAEP","enc":"A256GCM","kid":"rsa"}"#);
    refused(&with_part(&token, 0, &twice));
}

#[test]
fn jk_21_only_public_halves_are_published() {
    let decrypter = decrypter();
    let public = decrypter.public_keys();
    let members: Vec<Vec<&str>> = public["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| {
            let mut members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
            members.sort_unstable();
            members
        })
        .collect();
    assert_eq!(
        members,
        [
            vec!["e", "kid", "kty", "n", "use"],
            vec!["crv", "kid", "kty", "use", "x", "y"],
            vec!["crv", "kid", "kty", "use", "x", "y"]
        ]
    );
    assert!(public["keys"].as_array().unwrap().iter().all(|key| key["use"] == "enc"));
    assert_eq!(
        format!("{decrypter:?}"),
        r#"JoseDecrypter { keys: [Some("rsa"), Some("p256"), Some("p521")], .. }"#
    );
}

#[test]
fn keys_that_cannot_decrypt_are_refused_when_they_are_given() {
    let ec = &keys()["keys"][1];
    let changed = |change: Value| {
        let mut key = ec.clone();
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::Null => drop(key.as_object_mut().unwrap().remove(name)),
                value => key[name] = value.clone(),
            }
        }
        key
    };
    JoseDecrypter::new(ec).unwrap();
    JoseDecrypter::new(&changed(json!({"key_ops": ["deriveKey"], "alg": "ECDH-ES", "kid": null}))).unwrap();
    for (bad, complaint) in [
        (json!({"keys": []}), "no keys"),
        (json!({"keys": [1]}), "not an object"),
        (changed(json!({"use": "sig"})), "`use`"),
        (changed(json!({"key_ops": ["sign"]})), "`key_ops`"),
        (changed(json!({"alg": "RSA1_5"})), "`alg`"),
        (changed(json!({"alg": "PBES2-HS256+A128KW"})), "`alg`"),
        (changed(json!({"d": null})), "private key"),
        (changed(json!({"kty": "oct", "k": "AAAA"})), "neither an RSA key nor an EC key"),
        (changed(json!({"crv": "secp256k1"})), "neither an RSA key nor an EC key"),
        (json!({"keys": [ec, ec]}), "`kid` of its own"),
        (
            json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode([255; 128]), "e": "AQAB", "d": "AQAB"}),
            "2048 bits",
        ),
    ] {
        let error = JoseDecrypter::new(&bad).unwrap_err().to_string();
        assert!(error.contains(complaint), "{error}");
    }
}

/// A provider that signs with one key, and a client of it that decrypts.
struct Fixture {
    signer: EcdsaKeyPair,
    client: OpenID,
}

#[derive(Debug)]
struct Keys(Bytes);

#[async_trait]
impl HttpClient for Keys {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        Ok(Response::new(self.0.clone()))
    }
}

impl Fixture {
    fn new() -> Self {
        let signer = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = signer.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        let jwks = json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": x, "y": y }] });
        let metadata = ProviderMetadata::new(json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://op.example/auth",
            "token_endpoint": "https://op.example/token",
            "jwks_uri": "https://op.example/jwks",
            "end_session_endpoint": "https://op.example/logout",
        }));
        let client = OpenID::new("client", "secret", metadata.unwrap())
            .unwrap()
            .with_http_client(Keys(Bytes::from(jwks.to_string())))
            .with_policy(|policy| policy.decrypter(decrypter()));
        Self { signer, client }
    }

    fn signed(&self) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#), claims());
        let signature = self.signer.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    async fn check(&self, client: &OpenID, token: &str) -> Option<JwtCheck> {
        let verified = client.verify_id_token(token, &Expectations::new().without_nonce()).await;
        match verified {
            Ok(id_token) => {
                assert_eq!(id_token.subject(), "ada");
                None
            }
            Err(error) => Some(error.jwt_check().unwrap_or_else(|| panic!("{error:?}"))),
        }
    }
}

fn claims() -> String {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let claims = json!({ "iss": ISSUER, "aud": "client", "sub": "ada", "iat": now, "exp": now + 60 });
    URL_SAFE_NO_PAD.encode(claims.to_string())
}

#[tokio::test]
async fn jk_18_what_is_inside_is_verified_as_any_other_token() {
    let fixture = Fixture::new();
    let seal = |text: &str| encrypted("ECDH-ES+A256KW", "A256GCM", "p256", text);
    let signed = fixture.signed();
    let check = async |token: &str| fixture.check(&fixture.client, token).await;
    assert_eq!(check(&seal(&signed)).await, None);

    // Unsigned: claims as they are, under `none`, with a signature that is not the provider's.
    let none = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), claims());
    assert_eq!(check(&seal(&none)).await, Some(JwtCheck::Algorithm));
    let bare = String::from_utf8(URL_SAFE_NO_PAD.decode(claims()).unwrap()).unwrap();
    assert_eq!(check(&seal(&bare)).await, Some(JwtCheck::Form));
    let (content, _) = signed.rsplit_once('.').unwrap();
    let forged = format!("{content}.{}", URL_SAFE_NO_PAD.encode([1; 64]));
    assert_eq!(check(&seal(&forged)).await, Some(JwtCheck::Signature));
    // Encrypted twice is not signed either.
    assert_eq!(check(&seal(&seal(&signed))).await, Some(JwtCheck::Form));
    assert_eq!(check(&encrypted("RSA1_5", "A256GCM", "rsa", &signed)).await, Some(JwtCheck::Encryption));
}

#[tokio::test]
async fn jk_18_a_plain_token_is_refused_where_an_encrypted_one_was_registered() {
    let fixture = Fixture::new();
    let signed = fixture.signed();
    assert_eq!(fixture.check(&fixture.client, &signed).await, None);
    let strict = fixture.client.clone().with_policy(|policy| policy.encrypted_id_tokens());
    assert_eq!(fixture.check(&strict, &signed).await, Some(JwtCheck::Encryption));
    let sealed = encrypted("RSA-OAEP-256", "A128CBC-HS256", "rsa", &signed);
    assert_eq!(fixture.check(&strict, &sealed).await, None);
}

#[tokio::test]
async fn a_hint_is_what_was_in_the_encrypted_token() {
    let fixture = Fixture::new();
    let signed = fixture.signed();
    let sealed = encrypted("ECDH-ES", "A128GCM", "p256", &signed);
    let verified =
        fixture.client.verify_id_token(&sealed, &Expectations::new().without_nonce()).await.unwrap();
    assert_eq!(verified.raw(), signed);

    let hint = async |client: &OpenID, token: &str| {
        let started = client.start_logout(LogoutRequest::new().id_token_hint(token)).await?;
        let (_, fields) = started.form();
        Ok::<_, Error>(fields.to_vec())
    };
    for token in [verified.raw(), &sealed] {
        let fields = hint(&fixture.client, token).await.unwrap();
        assert_eq!(fields, [("id_token_hint", signed.clone()), ("client_id", "client".into())]);
    }
    let broken = with_part(&sealed, 4, &URL_SAFE_NO_PAD.encode([0; 16]));
    let error = hint(&fixture.client, &broken).await.unwrap_err();
    assert!(error.to_string().contains("cannot be decrypted"), "{error}");
}
