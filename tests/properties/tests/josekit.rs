//! ID tokens before josekit, whose clock can be set: what one of the two accepts alone, the other refuses by a rule that is named here.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, SystemTime},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::{
    jwk::JwkSet,
    jws::{ES256, EdDSA, JwsVerifier, PS256, RS256},
    jwt::{self, JwtPayloadValidator},
};
use oauth_core::{
    JwtCheck,
    serde_json::{self, Map, Value},
};
use oauth_properties::{NOW, failed_check, id_token_of, jwks, pseudo_random};

const LEEWAY: u64 = 60;

fn verifiers() -> Vec<Box<dyn JwsVerifier>> {
    let keys = JwkSet::from_bytes(jwks().to_string()).unwrap();
    let key = |kid: &str| keys.get(kid)[0];
    vec![
        Box::new(ES256.verifier_from_jwk(key("es")).unwrap()),
        Box::new(EdDSA.verifier_from_jwk(key("ed")).unwrap()),
        Box::new(RS256.verifier_from_jwk(key("rsa")).unwrap()),
        Box::new(PS256.verifier_from_jwk(key("rsa")).unwrap()),
    ]
}

/// Whether josekit takes it, with all that it can be told to check.
fn is_accepted_by_josekit(token: &str, verifiers: &[Box<dyn JwsVerifier>]) -> bool {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.try_into().unwrap());
    let leeway = Duration::from_secs(LEEWAY);
    let is_accepted = || {
        verifiers.iter().any(|verifier| {
            let Ok((payload, _)) = jwt::decode_with_verifier(token, &**verifier) else { return false };
            // It has no leeway of its own, and one clock for the end and the beginning.
            [now - leeway, now + leeway].into_iter().any(|clock| {
                let mut rules = JwtPayloadValidator::new();
                rules.set_issuer("https://op.example");
                rules.set_audience("client-1");
                rules.set_base_time(clock);
                rules.set_max_issued_time(now + leeway);
                rules.validate(&payload).is_ok()
            })
        })
    };
    // It panics at a date that does not fit into its `Duration`.
    catch_unwind(AssertUnwindSafe(is_accepted)).unwrap_or(false)
}

/// The rules that josekit leaves to its caller.
const STRICTER: &[JwtCheck] = &[
    // A member that is there twice.
    JwtCheck::Form,
    // `b64` and `zip` without `crit`.
    JwtCheck::Critical,
    JwtCheck::Type,
    // A token without a `kid` that is one of the keys', or with one that is not text.
    JwtCheck::Key,
    // It checks an `aud` only where there is one, and lets other audiences be beside the client.
    JwtCheck::Audience,
    JwtCheck::AuthorizedParty,
    JwtCheck::Subject,
    // It takes a token without `exp` or `iat`, and dates of any year.
    JwtCheck::Expiry,
    JwtCheck::IssuedAt,
    JwtCheck::NotBefore,
];

/// Where josekit is the stricter one: it looks at members of the header that nobody uses here, such as a key that came with the token, and its
/// keys demand the `kid` that they have themselves.
fn josekit_refuses_its_header(token: &str) -> bool {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let header: Map<String, Value> = serde_json::from_slice(&header).unwrap();
    UNUSED.iter().any(|name| header.contains_key(*name)) || !header.contains_key("kid")
}

/// Members of the header that are not read here (RFC 7515 section 4.1).
const UNUSED: &[&str] = &["jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "cty"];

#[test]
fn josekit_decides_alike_or_by_a_rule_that_is_named() {
    let verifiers = verifiers();
    let (mut both, mut stricter, mut looser) = (0, 0, 0);
    pseudo_random(3000, |input| {
        let token = id_token_of(input);
        match (failed_check(&token), is_accepted_by_josekit(&token, &verifiers)) {
            (None, true) => both += 1,
            (None, false) => {
                assert!(josekit_refuses_its_header(&token), "accepted here alone: {token}");
                looser += 1;
            }
            (Some(check), true) => {
                assert!(STRICTER.contains(&check), "{check:?}: {token}");
                stricter += 1;
            }
            (Some(_), false) => {}
        }
    });
    assert!(
        both > 100 && stricter > 100 && looser < 100,
        "{both} are accepted by both, {stricter} by josekit alone, {looser} here alone"
    );
}
