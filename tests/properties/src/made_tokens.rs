//! Tokens that are made of the input and signed, because no fuzzer guesses a signature: what is accepted obeys every rule, and what obeys every
//! rule is accepted.

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use oauth_core::{
    Error, ErrorKind, JwtCheck,
    serde_json::{Value, json},
};
use oauth_openid::{Expectations, OpenIDConnect};

use crate::{
    jose,
    members::{change_one, members},
    rules::{self, MadeToken, Verdict},
    server::{CLIENT_SECRET, block_on},
    shown::shows_none,
    signer_key::{NOW, SignerKey},
};

const NONCE: &str = "the-nonce-7c01";
const ACCESS_TOKEN: &str = "the-access-token-93a7";

const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn made_id_token(input: &[u8]) -> MadeToken {
    let mut bytes = Unstructured::new(input);
    let mut made = MadeToken {
        header: members([("alg", json!("ES256")), ("kid", json!("es"))]),
        claims: members([
            ("iss", json!("https://op.example")),
            ("aud", json!("client-1")),
            ("sub", json!("user-1")),
            ("exp", json!(NOW + 300)),
            ("iat", json!(NOW - 10)),
            ("nonce", json!(NONCE)),
            ("auth_time", json!(NOW - 100)),
            ("acr", json!("gold")),
        ]),
        key: SignerKey::Es256,
        is_damaged: false,
        nonce: Some(NONCE.to_owned()),
        access_token: None,
        max_age: None,
        acr: Vec::new(),
    };
    // What is left of an input that ends early stays as it is.
    let _ = change(&mut bytes, &mut made, ID_TOKEN_CLAIMS);
    let _ = expect_more(&mut bytes, &mut made);
    made
}

/// The ID token that the input makes, for another library to judge. The client expects nothing of it but its own rules.
#[must_use]
pub fn id_token_of(input: &[u8]) -> String {
    written(&made_id_token(input))
}

/// The check that an ID token fails; `None` if it is accepted without a nonce.
///
/// # Panics
///
/// If the error is of another kind.
#[must_use]
pub fn failed_check(id_token: &str) -> Option<JwtCheck> {
    let client = jose::relying_party();
    let expected = Expectations::new().without_nonce();
    let found = block_on(OpenIDConnect::of(&client).unwrap().verify_id_token(id_token, &expected));
    match found.as_ref().map_err(Error::kind) {
        Ok(_) => None,
        Err(ErrorKind::Jwt(error)) => Some(error.check),
        Err(_) => panic!("{found:?}"),
    }
}

/// An ID token that the input changes.
pub(crate) fn id_token(input: &[u8]) {
    let made = made_id_token(input);
    let token = written(&made);
    let mut expected = Expectations::new();
    expected = match &made.nonce {
        Some(nonce) => expected.nonce(&**nonce),
        None => expected.without_nonce(),
    };
    if let Some(access_token) = &made.access_token {
        expected = expected.access_token(&**access_token);
    }
    if let Some(age) = made.max_age {
        expected = expected.max_age(Duration::from_secs(age));
    }
    let expected = expected.acr(made.acr.clone());
    let client = jose::relying_party();
    let found = block_on(OpenIDConnect::of(&client).unwrap().verify_id_token(&token, &expected));
    let verdict = rules::of_id_token(&made);
    match &found {
        Ok(id_token) => {
            assert!(!matches!(verdict, Verdict::Refuse(_)), "accepted, though {verdict:?}: {made:?}");
            assert_eq!(Some(id_token.subject()), made.claim("sub").and_then(Value::as_str));
            assert_eq!(id_token.issuer(), "https://op.example");
        }
        Err(error) => {
            assert_ne!(verdict, Verdict::Accept, "{error}: {made:?}");
            let signature = token.rsplit('.').next().unwrap();
            shows_none(&format!("{error} {error:?}"), [NONCE, ACCESS_TOKEN, CLIENT_SECRET, signature]);
        }
    }
}

/// A logout token that the input changes.
pub(crate) fn logout_token(input: &[u8]) {
    let mut bytes = Unstructured::new(input);
    let mut made = MadeToken {
        header: members([("alg", json!("ES256")), ("typ", json!("logout+jwt"))]),
        claims: members([
            ("iss", json!("https://op.example")),
            ("aud", json!(["client-1"])),
            ("sub", json!("user-1")),
            ("sid", json!("session-1")),
            ("exp", json!(NOW + 120)),
            ("iat", json!(NOW)),
            ("jti", json!("id-1")),
            ("events", json!({ LOGOUT_EVENT: {} })),
        ]),
        key: SignerKey::Es256,
        is_damaged: false,
        nonce: None,
        access_token: None,
        max_age: None,
        acr: Vec::new(),
    };
    let _ = change(&mut bytes, &mut made, LOGOUT_TOKEN_CLAIMS);
    let token = written(&made);
    let client = jose::relying_party();
    let openid = OpenIDConnect::of(&client).unwrap();
    let verdict = rules::of_logout_token(&made);
    match block_on(openid.verify_logout_token(&token)) {
        Ok(accepted) => {
            assert!(!matches!(verdict, Verdict::Refuse(_)), "accepted, though {verdict:?}: {made:?}");
            assert_eq!(accepted.session_id(), made.claim("sid").and_then(Value::as_str));
            // A logout token is not an ID token, whatever its header says (Back-Channel Logout section 2.4).
            let expected = Expectations::new().without_nonce();
            assert!(block_on(openid.verify_id_token(&token, &expected)).is_err());
        }
        Err(error) => {
            assert_ne!(verdict, Verdict::Accept, "{error}: {made:?}");
            shows_none(&format!("{error} {error:?}"), [CLIENT_SECRET]);
        }
    }
}

const HEADER: &[&str] = &["alg", "kid", "typ", "crit", "b64", "zip", "jwk", "jku", "x5c", "cty", "x"];

const ID_TOKEN_CLAIMS: &[&str] = &[
    "iss",
    "aud",
    "azp",
    "sub",
    "exp",
    "iat",
    "nbf",
    "nonce",
    "auth_time",
    "acr",
    "at_hash",
    "c_hash",
    "typ",
    "token_use",
    "token_type",
    "scope",
    "scp",
    "events",
    "x",
];

const LOGOUT_TOKEN_CLAIMS: &[&str] =
    &["iss", "aud", "sub", "sid", "exp", "iat", "nbf", "nonce", "jti", "events", "typ", "x"];

const KEYS: &[SignerKey] = &[
    SignerKey::EdDsa,
    SignerKey::Rs256,
    SignerKey::Ps256,
    SignerKey::Stranger,
    SignerKey::ClientSecret,
    SignerKey::PublicKeyAsSecret,
    SignerKey::Es256,
];

fn change(bytes: &mut Unstructured<'_>, made: &mut MadeToken, claims: &[&str]) -> Result<()> {
    for _ in 0..bytes.int_in_range(0..=4)? {
        match bytes.int_in_range(0..=9)? {
            0 => {
                // A key with a header of its own, so that each kind of signature is verified.
                made.key = *bytes.choose(KEYS)?;
                let (alg, kid) = match made.key {
                    SignerKey::EdDsa => ("EdDSA", "ed"),
                    SignerKey::Rs256 => ("RS256", "rsa"),
                    SignerKey::Ps256 => ("PS256", "rsa"),
                    SignerKey::ClientSecret | SignerKey::PublicKeyAsSecret => ("HS256", "es"),
                    SignerKey::Es256 | SignerKey::Stranger => ("ES256", "es"),
                };
                made.header.retain(|(name, _)| name != "alg" && name != "kid");
                made.header.extend(members([("alg", json!(alg)), ("kid", json!(kid))]));
            }
            1 => made.key = *bytes.choose(KEYS)?,
            2 => made.is_damaged = bytes.arbitrary()?,
            3 => change_one(bytes, &mut made.header, HEADER, value)?,
            _ => change_one(bytes, &mut made.claims, claims, value)?,
        }
    }
    Ok(())
}

fn value(bytes: &mut Unstructured<'_>, name: &str) -> Result<Value> {
    let own: Vec<Value> = match name {
        "alg" => ["ES256", "EdDSA", "Ed25519", "RS256", "PS256", "HS256", "none", "None", "es256", "ES384"]
            .map(Value::from)
            .to_vec(),
        "kid" => ["es", "ed", "rsa", "unknown", ""].map(Value::from).to_vec(),
        "typ" => {
            ["JWT", "application/JWT", "at+jwt", "logout+jwt", "id+jwt", "JOSE", "dpop+jwt", "ID", "Bearer"]
                .map(Value::from)
                .to_vec()
        }
        "iss" => [
            "https://op.example",
            "https://op.example/",
            "http://op.example",
            "https://OP.example",
            "https://op.example.evil.example",
        ]
        .map(Value::from)
        .to_vec(),
        "aud" => vec![
            json!("client-1"),
            json!(["client-1"]),
            json!(["client-1", "client-1"]),
            json!(["client-1", "other"]),
            json!(["client-1", 1]),
            json!("CLIENT-1"),
            json!("client-1 "),
            json!([]),
        ],
        "azp" => vec![json!("client-1"), json!("other"), json!(["client-1"])],
        "exp" | "iat" | "nbf" | "auth_time" => {
            let offset = bytes.int_in_range(-700_i64..=700)?;
            let edge = *bytes.choose(&[-661, -660, -659, -61, -60, -59, 0, 59, 60, 61])?;
            let half_past = f64::from(i32::try_from(NOW + edge).unwrap_or_default()) + 0.5;
            vec![
                json!(NOW + offset),
                json!(NOW + edge),
                json!(half_past),
                json!((NOW + offset).to_string()),
                json!((NOW + offset) * 1000),
                json!(1e300),
                json!(-1),
                json!(0),
            ]
        }
        "nonce" => vec![json!(NONCE), json!("the-nonce-7c0"), json!("THE-NONCE-7C01")],
        "acr" => vec![json!("gold"), json!("silver"), json!(["gold"])],
        // The left half of the SHA-256 of the access token, in base64url, and with padding.
        "at_hash" => vec![json!(AT_HASH), json!(format!("{AT_HASH}==")), json!(AT_HASH.to_ascii_lowercase())],
        "events" => vec![
            json!({ LOGOUT_EVENT: {} }),
            json!({ LOGOUT_EVENT: { "x": 1 }, "y": {} }),
            json!({ LOGOUT_EVENT: null }),
            json!({ "y": {} }),
            json!([LOGOUT_EVENT]),
        ],
        "token_use" | "token_type" => vec![json!("id"), json!("access"), json!("Bearer"), json!("id_token")],
        _ => vec![json!("user-1"), json!("two words")],
    };
    Ok(match bytes.int_in_range(0..=8)? {
        0 => Value::Null,
        1 => json!({ "a": "client-1" }),
        2 => json!(""),
        3 => json!(bytes.arbitrary::<&str>()?.chars().take(300).collect::<String>()),
        4 => json!("x".repeat(*bytes.choose(&[1, 254, 255, 256, 1025])?)),
        _ => bytes.choose(&own)?.clone(),
    })
}

/// The left half of the SHA-256 of [`ACCESS_TOKEN`], as another program computes it.
const AT_HASH: &str = "3zWghFj3rL17vRPeEEISRw";

fn expect_more(bytes: &mut Unstructured<'_>, made: &mut MadeToken) -> Result<()> {
    if bytes.ratio(1, 4)? {
        made.nonce = None;
    }
    if bytes.ratio(1, 3)? {
        made.access_token = Some(ACCESS_TOKEN.to_owned());
    }
    if bytes.ratio(1, 4)? {
        made.max_age = Some(bytes.int_in_range(0..=200)?);
    }
    if bytes.ratio(1, 4)? {
        made.acr = vec!["gold".to_owned(), "platinum".to_owned()];
    }
    Ok(())
}

fn written(made: &MadeToken) -> String {
    let token = jose::signed(made.key, &made.header, &made.claims);
    if !made.is_damaged {
        return token;
    }
    // The first character of the signature has no spare bits.
    let at = token.rfind('.').unwrap() + 1;
    let other = if token.as_bytes()[at] == b'A' { 'B' } else { 'A' };
    format!("{}{other}{}", &token[..at], &token[at + 1..])
}
