//! Key sets that are written oddly, here and before jsonwebtoken: with which keys a token is verified, each member changed in turn.

use jsonwebtoken::{Algorithm as Theirs, DecodingKey, Validation, decode, jwk::Jwk};
use oauth_core::serde_json::{self, Map, Value, json};
use oauth_openid::{Algorithm, JwkSet};
use oauth_properties::{NOW, SignerKey, jwks, signed_with};

/// A key of the provider, and how it signs.
struct Signed {
    kid: &'static str,
    signer: SignerKey,
    name: &'static str,
    ours: Algorithm,
    theirs: Theirs,
}

const SIGNED: [Signed; 4] = [
    Signed {
        kid: "es",
        signer: SignerKey::Es256,
        name: "ES256",
        ours: Algorithm::ES256,
        theirs: Theirs::ES256,
    },
    Signed {
        kid: "ed",
        signer: SignerKey::EdDsa,
        name: "EdDSA",
        ours: Algorithm::EdDSA,
        theirs: Theirs::EdDSA,
    },
    Signed {
        kid: "rsa",
        signer: SignerKey::Rs256,
        name: "RS256",
        ours: Algorithm::RS256,
        theirs: Theirs::RS256,
    },
    Signed {
        kid: "rsa",
        signer: SignerKey::Ps256,
        name: "PS256",
        ours: Algorithm::PS256,
        theirs: Theirs::PS256,
    },
];

impl Signed {
    fn token(&self) -> String {
        let header = json!({ "alg": self.name, "kid": self.kid }).to_string();
        let claims = json!({ "sub": "user-1", "exp": NOW + 300 }).to_string();
        signed_with(self.signer, &header, &claims)
    }

    fn key(&self) -> Map<String, Value> {
        let keys = jwks()["keys"].as_array().unwrap();
        keys.iter().find(|key| key["kid"] == self.kid).unwrap().as_object().unwrap().clone()
    }

    fn is_verified_here(&self, key: &Value) -> bool {
        let keys = JwkSet::new(&json!({ "keys": [key] }));
        keys.is_ok_and(|keys| keys.verify(&self.token(), &[self.ours]).is_ok())
    }

    fn is_verified_there(&self, key: &Value) -> bool {
        let Ok(key) = serde_json::from_value::<Jwk>(key.clone()) else { return false };
        let Ok(decoding_key) = DecodingKey::from_jwk(&key) else { return false };
        let mut rules = Validation::new(self.theirs);
        rules.set_required_spec_claims::<&str>(&[]);
        rules.validate_exp = false;
        decode::<Value>(self.token(), &decoding_key, &rules).is_ok()
    }
}

/// A change of one member, with how it is told; `None` removes it.
struct Change {
    name: &'static str,
    told: String,
    value: Option<Value>,
}

impl Change {
    fn new(name: &'static str, told: &str, value: Value) -> Self {
        Self { name, told: told.to_owned(), value: Some(value) }
    }
}

fn changes(key: &Map<String, Value>) -> Vec<Change> {
    let simple: Vec<(&'static str, Option<Value>)> = vec![
        ("use", Some(json!("sig"))),
        ("use", Some(json!("enc"))),
        ("use", Some(json!("SIG"))),
        ("use", Some(json!(1))),
        ("use", Some(Value::Null)),
        ("key_ops", Some(json!(["verify"]))),
        ("key_ops", Some(json!(["sign"]))),
        ("key_ops", Some(json!(["encrypt"]))),
        ("key_ops", Some(json!([]))),
        ("key_ops", Some(json!("verify"))),
        ("alg", Some(json!("ES256"))),
        ("alg", Some(json!("EdDSA"))),
        ("alg", Some(json!("RS256"))),
        ("alg", Some(json!("PS256"))),
        ("alg", Some(json!("RSA-OAEP"))),
        ("alg", Some(json!("none"))),
        ("alg", Some(json!("unheard-of"))),
        ("alg", Some(json!(1))),
        ("kid", None),
        ("kid", Some(json!("another"))),
        ("kid", Some(json!(17))),
        ("kty", None),
        ("kty", Some(json!("oct"))),
        ("kty", Some(json!("rsa"))),
        ("kty", Some(json!("AKP"))),
        ("crv", Some(json!("P-384"))),
        ("crv", Some(json!("p-256"))),
        ("x5c", Some(json!(["no certificate"]))),
        ("x5c", Some(json!("no list"))),
        ("x5t", Some(json!("AAAA"))),
        ("ext", Some(json!(true))),
        ("d", Some(json!("AAAA"))),
        ("unknown", Some(json!({ "a": [1] }))),
    ];
    let told = |value: &Option<Value>| value.as_ref().map_or("absent".to_owned(), Value::to_string);
    let mut all: Vec<_> =
        simple.into_iter().map(|(name, value)| Change { name, told: told(&value), value }).collect();
    for name in ["crv", "x", "y", "n", "e"] {
        let Some(value) = key.get(name).and_then(Value::as_str) else { continue };
        all.extend([
            Change { name, told: "absent".to_owned(), value: None },
            Change::new(name, "null", Value::Null),
            Change::new(name, "empty", json!("")),
            Change::new(name, "a number", json!(1)),
            Change::new(name, "with padding", json!(format!("{value}="))),
            Change::new(name, "with more padding", json!(format!("{value}=="))),
            Change::new(name, "after a space", json!(format!(" {value}"))),
            Change::new(name, "after more bytes", json!(format!("AA{value}"))),
            Change::new(name, "in the other alphabet", json!(value.replace('-', "+").replace('_', "/"))),
            Change::new(name, "cut off", json!(value[1..])),
        ]);
    }
    all
}

/// What is verified there and not here, or here and not there, with the reason.
const DIFFERENCES: &[(&str, &str)] = &[
    // Stricter here.
    ("use \"enc\": there alone", "a key for encryption verifies nothing"),
    ("use \"SIG\": there alone", "names are case-sensitive"),
    ("key_ops [\"sign\"]: there alone", "a key that is not for verifying verifies nothing"),
    ("key_ops [\"encrypt\"]: there alone", "as above"),
    ("alg \"", "a key that names an algorithm is for no other"),
    (
        "kid absent: there alone",
        "a token that names a key is verified with that one; there, the caller chooses",
    ),
    ("kid \"another\": there alone", "as above"),
    ("crv \"P-384\": there alone", "a key is for the algorithm of its curve"),
    // More tolerant here.
    ("x5c \"no list\": here alone", "certificates of a key mean nothing here"),
    (" padding: here alone", "servers write either, and it is the same number"),
    ("in the other alphabet: here alone", "as above"),
];

#[test]
fn keys_that_are_written_oddly_verify_what_jsonwebtoken_verifies() {
    let mut found = Vec::new();
    let mut both = 0;
    for signed in &SIGNED {
        assert!(
            signed.is_verified_here(&signed.key().into()) && signed.is_verified_there(&signed.key().into())
        );
        for Change { name, told, value } in changes(&signed.key()) {
            let mut key = signed.key();
            match value {
                Some(value) => drop(key.insert(name.to_owned(), value)),
                None => drop(key.remove(name)),
            }
            let key = Value::Object(key);
            let (here, there) = (signed.is_verified_here(&key), signed.is_verified_there(&key));
            both += usize::from(here && there);
            if here != there {
                let side = if here { "here alone" } else { "there alone" };
                found.push(format!("{} {name} {told}: {side}", signed.name));
            }
        }
    }
    let unnamed: Vec<_> = found
        .iter()
        .filter(|difference| !DIFFERENCES.iter().any(|(part, _)| difference.contains(part)))
        .collect();
    assert!(unnamed.is_empty(), "{unnamed:#?}");
    let unneeded: Vec<_> =
        DIFFERENCES.iter().filter(|(part, _)| !found.iter().any(|one| one.contains(part))).collect();
    assert!(unneeded.is_empty(), "named as different, and judged alike: {unneeded:?}");
    assert!(both > 40, "{both} are verified by both");
}
