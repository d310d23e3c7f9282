//! The thumbprint of a JWK (RFC 7638).

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::key_error::KeyError;

/// The SHA-256 thumbprint of a JWK in base64url (RFC 7638): what DPoP calls `jkt`, and the usual `kid`. It is the same for a private
/// key and its public one.
///
/// ```
/// use oauth_fapi::thumbprint;
/// use serde_json::json;
///
/// let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "use": "sig"});
/// let jwk = jwk.as_object().ok_or("an object")?;
/// assert_eq!(thumbprint(jwk)?, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`KeyError::Form`] for a key that is neither RSA, EC nor OKP, or lacks a member. A symmetric key has no thumbprint here: whoever
/// reads it could test guesses of the key.
pub fn thumbprint(jwk: &Map<String, Value>) -> Result<String, KeyError> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    // In the order of the alphabet (section 3.3).
    let members: &[&str] = match text("kty") {
        Some("RSA") => &["e", "kty", "n"],
        Some("EC") => &["crv", "kty", "x", "y"],
        Some("OKP") => &["crv", "kty", "x"],
        _ => return Err(KeyError::Form("its kty is none of RSA, EC and OKP".to_owned())),
    };
    let mut parts = Vec::new();
    for name in members {
        let value = text(name).ok_or_else(|| KeyError::Form(format!("its JWK has no text {name}")))?;
        parts.push(format!("\"{name}\":{}", Value::from(value)));
    }
    let json = format!("{{{}}}", parts.join(","));
    Ok(URL_SAFE_NO_PAD.encode(digest(&SHA256, json.as_bytes())))
}
