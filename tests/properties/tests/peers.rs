//! The same ID tokens before another library: what is accepted here is accepted there, and what is accepted there alone breaks a rule that
//! is named here.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, jwk::JwkSet};
use oauth_core::{
    JwtCheck,
    serde_json::{self, Value},
};
use oauth_properties::{failed_check, id_token_of, jwks, pseudo_random};

/// Whether jsonwebtoken takes it, with all that it can be told to check, but for the times: its clock cannot be set.
fn is_accepted_by_jsonwebtoken(token: &str) -> bool {
    let keys: JwkSet = serde_json::from_value(jwks().clone()).unwrap();
    let families = [
        ("es", &[Algorithm::ES256][..]),
        ("ed", &[Algorithm::EdDSA]),
        ("rsa", &[Algorithm::RS256, Algorithm::PS256]),
    ];
    families.into_iter().any(|(kid, algorithms)| {
        let key = DecodingKey::from_jwk(keys.find(kid).unwrap()).unwrap();
        let mut rules = Validation::new(algorithms[0]);
        rules.algorithms = algorithms.to_vec();
        rules.set_issuer(&["https://op.example"]);
        rules.set_audience(&["client-1"]);
        rules.set_required_spec_claims(&["aud", "iss", "sub"]);
        rules.validate_exp = false;
        rules.validate_nbf = false;
        decode::<Value>(token, &key, &rules).is_ok()
    })
}

/// The rules that jsonwebtoken leaves to its caller.
const STRICTER: &[JwtCheck] = &[
    // A member that is there twice.
    JwtCheck::Form,
    // `b64` and `zip` without `crit`.
    JwtCheck::Critical,
    // `typ` of the header, `typ`, `token_use`, scopes and events among the claims.
    JwtCheck::Type,
    // A `kid` that none of the keys has, or another one.
    JwtCheck::Key,
    // Other audiences beside the client.
    JwtCheck::Audience,
    JwtCheck::AuthorizedParty,
    JwtCheck::Subject,
    // By the clock.
    JwtCheck::Expiry,
    JwtCheck::IssuedAt,
    JwtCheck::NotBefore,
];

#[test]
fn jsonwebtoken_accepts_what_is_accepted_here() {
    let (mut both, mut stricter) = (0, 0);
    pseudo_random(3000, |input| {
        let token = id_token_of(input);
        match (failed_check(&token), is_accepted_by_jsonwebtoken(&token)) {
            (None, true) => both += 1,
            (None, false) => {
                // It refuses a header with members that mean nothing here, and does not know the name of RFC 9864.
                let header = header(&token);
                let ignored = ["jwk", "jku", "x5c", "cty"].iter().any(|name| header.contains(name));
                assert!(ignored || header.contains("\"Ed25519\""), "{header}");
            }
            (Some(check), true) => {
                assert!(STRICTER.contains(&check), "{check:?}: {}", header(&token));
                stricter += 1;
            }
            (Some(_), false) => {}
        }
    });
    assert!(both > 100 && stricter > 100, "{both} are accepted by both, {stricter} by jsonwebtoken alone");
}

fn header(token: &str) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    String::from_utf8(URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap()
}
