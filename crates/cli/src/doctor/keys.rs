//! The issuer's keys and signatures.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_clients::openid::Algorithm;
use serde_json::Value;

use crate::doctor::{facts::TargetFacts, finding::Finding};

const SMALLEST_RSA_KEY: usize = 2048;

pub(super) fn check(facts: &TargetFacts, findings: &mut Vec<Finding>) {
    algorithms(facts, findings);
    let Some(asked) = &facts.keys else {
        if facts.text("jwks_uri").is_none() && facts.list("id_token_signing_alg_values_supported").is_some() {
            findings
                .push(Finding::fail("DO-18", "metadata name no jwks_uri, so ID tokens cannot be verified: whoever runs the server must name it"));
        }
        return;
    };
    let keys = asked.document.as_ref().and_then(|document| document.get("keys")).and_then(Value::as_array);
    let Some(keys) = keys else {
        findings.push(Finding::fail(
            "DO-18",
            format!("no keys at {}: whoever runs the server must publish them there", asked.line()),
        ));
        return;
    };
    let mut ids: Vec<&str> = Vec::new();
    for key in keys {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        let id = text("kid").unwrap_or("without kid");
        if let Some(bits) =
            text("n").and_then(rsa_bits).filter(|bits| text("kty") == Some("RSA") && *bits < SMALLEST_RSA_KEY)
        {
            findings
                .push(Finding::fail("DO-18", format!(
                "key {id} is RSA {bits}: below {SMALLEST_RSA_KEY}; whoever runs the server must replace it"
            )));
        }
        if key.get("d").is_some() || text("kty") == Some("oct") {
            findings.push(Finding::fail(
                "DO-18",
                format!("key {id} is published with its private part: everybody can sign with it, so whoever runs the server must replace it"),
            ));
        }
        if text("kid").is_some() && ids.contains(&id) {
            findings.push(Finding::fail(
                "DO-18",
                format!("two keys share kid {id}: whoever runs the server must give each its own"),
            ));
        }
        ids.push(id);
        let missing = missing(key);
        if !missing.is_empty() {
            findings.push(Finding::warn(
                "DO-18",
                format!(
                    "key {id} has no {}, so nobody can verify with it: whoever runs the server must mend it",
                    missing.join(", ")
                ),
            ));
        }
    }
    if let Some(names) = facts.list("id_token_signing_alg_values_supported") {
        let public: Vec<&str> = names
            .into_iter()
            .filter(|name| Algorithm::of(name).is_some_and(|algorithm| !algorithm.is_symmetric()))
            .collect();
        let fits = |name: &&str| {
            let kty = match name.as_bytes() {
                [b'R' | b'P', ..] => "RSA",
                [b'E', b'S', ..] => "EC",
                _ => "OKP",
            };
            keys.iter().filter(|key| missing(key).is_empty()).any(|key| {
                key.get("kty").and_then(Value::as_str) == Some(kty)
                    && key.get("use").and_then(Value::as_str).is_none_or(|usage| usage == "sig")
            })
        };
        if !public.is_empty() && !public.iter().any(fits) {
            findings.push(Finding::fail(
                "DO-18",
                format!(
                    "{} keys, none fits {public:?}: whoever runs the server must publish a key that does",
                    keys.len()
                ),
            ));
        }
    }
}

/// The members that a key of its kind must have and this one has not (RFC 7518 section 6, RFC 8037 section 2).
fn missing(key: &Value) -> Vec<&'static str> {
    let text = |name: &str| key.get(name).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    let needed: &[&'static str] = match key.get("kty").and_then(Value::as_str) {
        None => &["kty"],
        Some("RSA") => &["n", "e"],
        Some("EC") => &["crv", "x", "y"],
        Some("OKP") => &["crv", "x"],
        // What is not known here is not judged, and a secret that is published was told of already.
        Some(_) => &[],
    };
    needed.iter().copied().filter(|name| !text(name)).collect()
}

fn algorithms(facts: &TargetFacts, findings: &mut Vec<Finding>) {
    let Some(names) = facts.list("id_token_signing_alg_values_supported") else { return };
    if !names.iter().any(|name| Algorithm::of(name).is_some()) {
        findings.push(Finding::fail(
            "DO-19",
            format!("the server signs with {names:?}, none of which can be verified: set the client to RS256 or ES256 at the provider"),
        ));
    }
    let known: Vec<Algorithm> = names.iter().filter_map(|name| Algorithm::of(name)).collect();
    if !known.is_empty() && known.iter().all(|algorithm| algorithm.is_symmetric()) {
        findings.push(Finding::fail(
            "DO-19",
            format!(
                "the server signs with {names:?} alone, whose key is the client secret, and this tool verifies by public keys: set the \
                 client to RS256 or ES256 at the provider"
            ),
        ));
    }
    if names.contains(&"none") {
        findings.push(Finding::warn("DO-19", "the server offers none: it stays refused"));
    }
}

/// How long a modulus is.
fn rsa_bits(modulus: &str) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(modulus).ok()?;
    let first = bytes.iter().position(|byte| *byte != 0)?;
    Some((bytes.len() - first) * 8 - bytes[first].leading_zeros() as usize)
}
