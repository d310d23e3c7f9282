//! Signed and encrypted tokens: their form, their keys, their algorithms.

use std::sync::LazyLock;

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RSA_PSS_SHA256, RsaKeyPair,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::{
    Clock, OffsetDateTime, Provider, async_trait,
    serde_json::{self, Map, Value, json},
};
use oauth_openid::{
    Algorithm, DecryptError, Decrypter, Expectations, JwkSet, OpenID, OpenIDConnect, OpenIDProvider,
    ProviderMetadata,
};

use crate::{
    members::Member,
    rules::repeats_a_member,
    server::{CLIENT_SECRET, Server, block_on},
    shown::shows_none,
    signer_key::{NOW, SignerKey},
};

struct Keys {
    es256: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
    rsa: RsaKeyPair,
    stranger: EcdsaKeyPair,
    document: Value,
    set: JwkSet,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let es256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let stranger = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let ed25519 = Ed25519KeyPair::generate().unwrap();
    let rsa = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let point = es256.public_key().as_ref();
    let document = json!({ "keys": [
        { "kty": "EC", "crv": "P-256", "kid": "es", "x": encode(&point[1..33]), "y": encode(&point[33..]) },
        { "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": encode(ed25519.public_key().as_ref()) },
        {
            "kty": "RSA",
            "kid": "rsa",
            "n": encode(rsa.public_key().modulus().big_endian_without_leading_zero()),
            "e": encode(rsa.public_key().exponent().big_endian_without_leading_zero()),
        },
    ] });
    let set = JwkSet::new(&document).unwrap();
    Keys { es256, ed25519, rsa, stranger, document, set }
});

/// The provider's public keys.
pub(crate) fn jwk_set() -> JwkSet {
    KEYS.set.clone()
}

/// The provider's public keys, as its `jwks_uri` has them.
#[must_use]
pub fn jwks() -> &'static Value {
    &KEYS.document
}

/// A token in compact form with this header and these claims, which need not be JSON.
///
/// # Panics
///
/// If the cryptography fails.
#[must_use]
pub fn signed_with(key: SignerKey, header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let (random, text) = (SystemRandom::new(), signed.as_bytes());
    let by_rsa = |padding| {
        let mut signature = vec![0; KEYS.rsa.public_modulus_len()];
        KEYS.rsa.sign(padding, &random, text, &mut signature).unwrap();
        signature
    };
    let by_secret =
        |secret: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text).as_ref().to_vec();
    let signature = match key {
        SignerKey::Es256 => KEYS.es256.sign(&random, text).unwrap().as_ref().to_vec(),
        SignerKey::Stranger => KEYS.stranger.sign(&random, text).unwrap().as_ref().to_vec(),
        SignerKey::EdDsa => KEYS.ed25519.sign(text).as_ref().to_vec(),
        SignerKey::Rs256 => by_rsa(&RSA_PKCS1_SHA256),
        SignerKey::Ps256 => by_rsa(&RSA_PSS_SHA256),
        SignerKey::ClientSecret => by_secret(CLIENT_SECRET.as_bytes()),
        SignerKey::PublicKeyAsSecret => by_secret(KEYS.es256.public_key().as_ref()),
    };
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The signed token in compact form. Members are written one by one, because a map could not name one twice.
pub(crate) fn signed(key: SignerKey, header: &[Member], claims: &[Member]) -> String {
    let object = |members: &[Member]| {
        let members: Vec<_> =
            members.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
        format!("{{{}}}", members.join(","))
    };
    signed_with(key, &object(header), &object(claims))
}

/// Stands still at [`NOW`].
#[derive(Debug)]
pub(crate) struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(NOW).unwrap()
    }
}

/// A client of `https://op.example` that has the provider's keys, and whose requests fail.
pub(crate) fn relying_party() -> OpenID {
    relying_party_of(&Server::new(500, ""))
}

/// A client of `https://op.example` that has the provider's keys, and sends everything to this server.
pub(crate) fn relying_party_of(server: &Server) -> OpenID {
    let metadata = json!({
        "issuer": "https://op.example",
        "authorization_endpoint": "https://op.example/authorize",
        "token_endpoint": "https://op.example/token",
        "jwks_uri": "https://op.example/jwks",
    });
    let client = OpenID::new("client-1", CLIENT_SECRET, ProviderMetadata::new(metadata).unwrap()).unwrap();
    client.with_policy(|policy| policy.fixed_keys(jwk_set()).clock(Stopped)).with_http_client(server.clone())
}

/// A header and claims, with a `|` between them, that the provider signs: what is accepted is an object that names no member twice, with
/// an algorithm that was asked for and nothing critical, and comes out as it went in.
pub(crate) fn jws(input: &[u8]) {
    let text = &*String::from_utf8_lossy(input);
    let keys = jwk_set();
    let algorithms = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256];
    assert!(keys.verify(text, &algorithms).is_err(), "nobody signed {text}");
    let (header, claims) = text.split_once('|').unwrap_or((r#"{"alg":"ES256"}"#, text));
    for (key, names) in [
        (SignerKey::Es256, &["ES256"][..]),
        (SignerKey::EdDsa, &["EdDSA", "Ed25519"]),
        (SignerKey::Stranger, &[]),
        (SignerKey::ClientSecret, &[]),
        (SignerKey::PublicKeyAsSecret, &[]),
    ] {
        let token = signed_with(key, header, claims);
        match keys.verify(&token, &algorithms) {
            Ok(read) => {
                let header: Map<String, Value> = serde_json::from_str(header).unwrap();
                assert!(names.iter().any(|name| header["alg"] == *name), "{header:?} by {key:?}");
                assert!(["crit", "b64", "zip"].iter().all(|name| !header.contains_key(*name)), "{header:?}");
                let claims_read: Map<String, Value> = serde_json::from_str(claims).unwrap();
                assert!(read == claims_read, "{claims}");
                assert!(
                    !repeats_a_member(text.split('|').next().unwrap_or_default())
                        && !repeats_a_member(claims)
                );
                let (start, _) = token.rsplit_once('.').unwrap();
                assert!(keys.verify(&format!("{start}."), &algorithms).is_err());
            }
            Err((_, reason)) => {
                // Names of a header are shown, and a fuzzer that reads memory writes the secret there.
                let secrets = [&*token, CLIENT_SECRET];
                shows_none(&reason, secrets.into_iter().filter(|secret| !text.contains(secret)));
            }
        }
    }
}

/// Gives the same text for every token.
#[derive(Debug)]
struct Answering(String);

#[async_trait]
impl Decrypter for Answering {
    async fn decrypt(&self, _: &str) -> Result<String, DecryptError> {
        Ok(self.0.clone())
    }
}

/// Base64url, as the parts of a token are written.
pub(crate) fn encoded(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// Verifies an encrypted ID token in which this text is.
pub(crate) fn decrypted_to(text: &str) {
    let client = relying_party().with_policy(|policy| policy.decrypter(Answering(text.to_owned())));
    let openid = OpenIDConnect::of(&client).unwrap();
    for token in ["a.b.c.d.e", text] {
        let expected = Expectations::new().nonce("the-nonce-7c01");
        let found = block_on(openid.verify_id_token(token, &expected));
        let _ = found.map_err(|error| format!("{error} {error:?}"));
    }
}

/// What was encrypted proves nothing: a text inside that the provider did not sign is refused, and is in no error.
pub(crate) fn jwe(input: &[u8]) {
    let text = String::from_utf8_lossy(input).into_owned();
    let client = relying_party().with_policy(|policy| policy.decrypter(Answering(text.clone())));
    let openid = OpenIDConnect::of(&client).unwrap();
    for token in ["a.b.c.d.e", &*text, "e30.....", "...."] {
        let expected = Expectations::new().nonce("the-nonce-7c01");
        let error = block_on(openid.verify_id_token(token, &expected)).unwrap_err();
        // Parts of a header are shown, such as an algorithm that is not accepted.
        if !text.contains('.') {
            shows_none(&format!("{error} {error:?}"), [&*text, CLIENT_SECRET]);
        }
    }
}
