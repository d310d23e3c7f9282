//! Proofs of possession that are made of the input and signed, as a resource server judges them (RFC 9449 section 4.3).

use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::{
    MemoryCache,
    serde_json::{Value, json},
};
use oauth_fapi::{DpopProofVerifier, ProofError};

use crate::{
    jose::{self, Stopped},
    members::{Member, change_one, member, members},
    rules::{Verdict, is_repeated, rule, worst},
    server::block_on,
    shown::shows_none,
    signer_key::{NOW, SignerKey, now},
};

const METHOD: &str = "POST";
const URL: &str = "https://api.example/orders";
const ACCESS_TOKEN: &str = "the-access-token-93a7";
const NONCE: &str = "the-nonce-7c01";

/// A proof before it is written down, and what the resource server demands.
#[derive(Debug)]
struct MadeProof {
    header: Vec<Member>,
    claims: Vec<Member>,
    key: SignerKey,
    nonce: Option<&'static str>,
}

/// What the `htu` of a proof may be, and whether it names [`URL`] (RFC 9449 section 4.3, RFC 3986 section 6.2).
const TARGETS: &[(&str, Verdict)] = &[
    (URL, Verdict::Accept),
    ("https://API.example/orders", Verdict::Accept),
    ("HTTPS://api.example/orders", Verdict::Accept),
    ("https://api.example:443/orders", Verdict::Accept),
    ("https://api.example/orders?id=1", Verdict::Accept),
    ("https://api.example/orders#top", Verdict::Accept),
    ("https://api.example/%6frders", Verdict::Open),
    ("https://api.example/a/../orders", Verdict::Open),
    ("https://user@api.example/orders", Verdict::Open),
    ("https://api.example./orders", Verdict::Open),
    ("https://api.example/orders/", Verdict::Refuse("htu")),
    ("https://api.example/Orders", Verdict::Refuse("htu")),
    ("https://api.example/", Verdict::Refuse("htu")),
    ("https://api.example", Verdict::Refuse("htu")),
    ("http://api.example/orders", Verdict::Refuse("htu")),
    ("http://api.example:443/orders", Verdict::Refuse("htu")),
    ("https://api.example:8443/orders", Verdict::Refuse("htu")),
    ("https://api.example.evil.example/orders", Verdict::Refuse("htu")),
    ("https://api.example@evil.example/orders", Verdict::Refuse("htu")),
    ("https://evil.example/?https://api.example/orders", Verdict::Refuse("htu")),
    ("//api.example/orders", Verdict::Refuse("htu")),
    ("/orders", Verdict::Refuse("htu")),
    ("api.example/orders", Verdict::Refuse("htu")),
    ("", Verdict::Refuse("htu")),
];

/// A proof is accepted exactly if every rule holds, once, and for nothing else than what it was made for.
pub(crate) fn check(input: &[u8]) {
    let made = made(input);
    let proof = jose::signed(made.key, &made.header, &made.claims);
    let verdict = verdict(&made);
    let verifier = || {
        let verifier = DpopProofVerifier::new(Arc::new(MemoryCache::new())).with_clock(Arc::new(Stopped));
        made.nonce.into_iter().fold(verifier, DpopProofVerifier::with_nonce)
    };
    let first = verifier();
    let judged = |verifier: &DpopProofVerifier, method, url, access_token| {
        block_on(verifier.verify(&proof, method, url, access_token))
    };
    match judged(&first, METHOD, URL, ACCESS_TOKEN) {
        Ok(accepted) => {
            assert!(!matches!(verdict, Verdict::Refuse(_)), "accepted, though {verdict:?}: {made:?}");
            assert_eq!(Some(accepted.thumbprint()), thumbprint(&made).as_deref());
            let again = judged(&first, METHOD, URL, ACCESS_TOKEN);
            assert!(matches!(again, Err(ProofError::Replayed)), "{again:?}");
            for (method, url, access_token) in [
                ("GET", URL, ACCESS_TOKEN),
                (METHOD, "https://api.example/others", ACCESS_TOKEN),
                (METHOD, URL, "another-access-token"),
            ] {
                assert!(judged(&verifier(), method, url, access_token).is_err(), "{method} {url}");
            }
        }
        Err(error) => {
            assert_ne!(verdict, Verdict::Accept, "{error}: {made:?}");
            let signature = proof.rsplit('.').next().unwrap();
            shows_none(&format!("{error} {error:?}"), [ACCESS_TOKEN, NONCE, signature]);
        }
    }
}

fn made(input: &[u8]) -> MadeProof {
    let mut made = MadeProof {
        header: members([
            ("typ", json!("dpop+jwt")),
            ("alg", json!("ES256")),
            ("jwk", public(SignerKey::Es256)),
        ]),
        claims: members([
            ("jti", json!("id-1")),
            ("htm", json!(METHOD)),
            ("htu", json!(URL)),
            ("iat", json!(NOW)),
            ("ath", json!(hash(ACCESS_TOKEN))),
            ("nonce", json!(NONCE)),
        ]),
        key: SignerKey::Es256,
        nonce: None,
    };
    // What is left of an input that ends early stays as it is.
    let _ = change(&mut Unstructured::new(input), &mut made);
    made
}

const HEADER: &[&str] = &["typ", "alg", "jwk", "kid", "crit", "b64", "zip", "x"];
const CLAIMS: &[&str] = &["jti", "htm", "htu", "iat", "ath", "nonce", "exp", "x"];

const KEYS: &[(SignerKey, &str)] = &[
    (SignerKey::Es256, "ES256"),
    (SignerKey::EdDsa, "EdDSA"),
    (SignerKey::EdDsa, "Ed25519"),
    (SignerKey::Rs256, "RS256"),
    (SignerKey::Ps256, "PS256"),
    (SignerKey::Stranger, "ES256"),
    (SignerKey::ClientSecret, "HS256"),
    (SignerKey::PublicKeyAsSecret, "HS256"),
];

fn change(bytes: &mut Unstructured<'_>, made: &mut MadeProof) -> Result<()> {
    if bytes.ratio(1, 4)? {
        made.nonce = Some(NONCE);
    }
    for _ in 0..bytes.int_in_range(0..=3)? {
        if bytes.ratio(1, 6)? {
            let (key, algorithm) = *bytes.choose(KEYS)?;
            made.key = key;
            made.header.retain(|(name, _)| name != "alg" && name != "jwk");
            made.header.extend(members([("alg", json!(algorithm)), ("jwk", public(key))]));
            continue;
        }
        match bytes.ratio(1, 3)? {
            true => change_one(bytes, &mut made.header, HEADER, value)?,
            false => change_one(bytes, &mut made.claims, CLAIMS, value)?,
        }
    }
    Ok(())
}

fn value(bytes: &mut Unstructured<'_>, name: &str) -> Result<Value> {
    let with = |member: &str, value: Value| {
        let mut jwk = public(SignerKey::Es256);
        jwk[member] = value;
        jwk
    };
    let own: Vec<Value> = match name {
        "typ" => ["dpop+jwt", "JWT", "DPoP+JWT", "application/dpop+jwt", "dpop"].map(Value::from).to_vec(),
        "alg" => ["ES256", "ES384", "RS256", "HS256", "none"].map(Value::from).to_vec(),
        "jwk" => vec![
            public(SignerKey::Es256),
            public(SignerKey::EdDsa),
            with("use", json!("enc")),
            with("alg", json!("ES512")),
            with("key_ops", json!(["sign"])),
            with("kid", json!("other")),
            with("crv", json!("P-384")),
            with("x", json!("AA")),
            with("d", json!("AA")),
            with("k", json!("AA")),
            json!({ "kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ" }),
        ],
        "htm" => ["POST", "post", "GET", "POST "].map(Value::from).to_vec(),
        "htu" => TARGETS.iter().map(|(target, _)| json!(target)).collect(),
        "iat" | "exp" => {
            let offset = bytes.int_in_range(-80_i64..=80)?;
            let half_past = f64::from(i32::try_from(NOW + offset).unwrap_or_default()) + 0.5;
            vec![
                json!(NOW + offset),
                json!(half_past),
                json!((NOW + offset).to_string()),
                json!((NOW + offset) * 1000),
                json!(253_402_300_799_i64),
                json!(1e300),
                json!(-1),
            ]
        }
        "ath" => {
            vec![json!(hash(ACCESS_TOKEN)), json!(format!("{}=", hash(ACCESS_TOKEN))), json!(ACCESS_TOKEN)]
        }
        "nonce" => vec![json!(NONCE), json!("another-nonce")],
        "jti" => vec![json!("x".repeat(*bytes.choose(&[1, 1024, 1025])?))],
        _ => vec![json!("text"), json!(["exp"]), json!(false)],
    };
    Ok(match bytes.int_in_range(0..=7)? {
        0 => Value::Null,
        1 => json!({ "a": 1 }),
        2 => json!(""),
        3 => json!(bytes.arbitrary::<&str>()?.chars().take(300).collect::<String>()),
        _ => bytes.choose(&own)?.clone(),
    })
}

/// The public key of a signer, as it is in a header; of who has none, that of somebody else.
fn public(key: SignerKey) -> Value {
    let id = match key {
        SignerKey::EdDsa => "ed",
        SignerKey::Rs256 | SignerKey::Ps256 => "rsa",
        _ => "es",
    };
    let keys = jose::jwks()["keys"].as_array().unwrap();
    let mut jwk = keys.iter().find(|jwk| jwk["kid"] == id).unwrap().clone();
    jwk.as_object_mut().unwrap().remove("kid");
    jwk
}

fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

/// RFC 7638 section 3.2: the members that a key must have, in the order of their names.
fn thumbprint(made: &MadeProof) -> Option<String> {
    let jwk = member(&made.header, "jwk")?;
    let names: &[&str] = match jwk["kty"].as_str()? {
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        _ => &["e", "kty", "n"],
    };
    let members: Vec<_> = names.iter().map(|name| format!("{}:{}", json!(name), jwk[*name])).collect();
    Some(hash(&format!("{{{}}}", members.join(","))))
}

fn verdict(made: &MadeProof) -> Verdict {
    let text = |name: &str| member(&made.claims, name).and_then(Value::as_str);
    let kind = member(&made.header, "typ").and_then(Value::as_str).unwrap_or_default();
    let kind = match kind {
        "dpop+jwt" => Verdict::Accept,
        // A media type has no case, and may have its prefix left out (RFC 7515 section 4.1.9).
        _ if kind.eq_ignore_ascii_case("dpop+jwt") || kind.eq_ignore_ascii_case("application/dpop+jwt") => {
            Verdict::Open
        }
        _ => Verdict::Refuse("typ"),
    };
    let target = TARGETS.iter().find(|(target, _)| text("htu") == Some(target));
    // A text that the input made up may be another way to write the URL.
    let target =
        target.map_or(if text("htu").is_some() { Verdict::Open } else { Verdict::Refuse("htu") }, |it| it.1);
    let iat = member(&made.claims, "iat").and_then(Value::as_f64);
    let age = iat.filter(|iat| (0.0..=253_402_300_799.0).contains(iat)).map(|iat| now() - iat.floor());
    let id = text("jti").unwrap_or_default();
    let nonce = made.nonce.is_none_or(|nonce| text("nonce") == Some(nonce));
    let critical = ["crit", "b64", "zip"].iter().any(|name| member(&made.header, name).is_some());
    worst([
        rule(!is_repeated(&made.header) && !is_repeated(&made.claims), "a member is there twice"),
        kind,
        key(made),
        rule(!critical, "crit"),
        rule(text("htm") == Some(METHOD), "htm"),
        target,
        rule(text("ath") == Some(&hash(ACCESS_TOKEN)), "ath"),
        rule(age.is_some_and(|age| (-10.0..=60.0).contains(&age)), "iat"),
        rule((1..=1024).contains(&id.len()), "jti"),
        rule(nonce, "nonce"),
    ])
}

/// That the key in the header is a public one, and the one that has signed.
fn key(made: &MadeProof) -> Verdict {
    let Some(Value::Object(jwk)) = member(&made.header, "jwk") else { return Verdict::Refuse("jwk") };
    let is_secret = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|name| jwk.contains_key(*name));
    let own = public(made.key);
    let is_own = own.as_object().unwrap().iter().all(|(name, value)| jwk.get(name) == Some(value));
    let algorithm = member(&made.header, "alg").and_then(Value::as_str).unwrap_or_default();
    let fits = match made.key {
        SignerKey::Es256 => algorithm == "ES256",
        SignerKey::EdDsa => algorithm == "EdDSA" || algorithm == "Ed25519",
        SignerKey::Rs256 => algorithm == "RS256",
        SignerKey::Ps256 => algorithm == "PS256",
        SignerKey::Stranger | SignerKey::ClientSecret | SignerKey::PublicKeyAsSecret => false,
    };
    let has_odd_name = member(&made.header, "kid").is_some_and(|id| !id.is_string());
    worst([
        rule(!is_secret, "a private key"),
        rule(is_own, "the key in the header"),
        rule(fits, "alg and key"),
        if has_odd_name { Verdict::Open } else { Verdict::Accept },
    ])
}
