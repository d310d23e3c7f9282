//! Apple's private key, and its signatures (ES256, RFC 7518 section 3.4).

use oauth_core::SecretSourceError;

/// A private key on P-256.
#[derive(Clone)]
pub(crate) struct AppleSigningKey(BackendKey);

#[cfg(not(target_family = "wasm"))]
type BackendKey = jsonwebtoken::EncodingKey;
#[cfg(target_family = "wasm")]
type BackendKey = p256::ecdsa::SigningKey;

#[cfg(not(target_family = "wasm"))]
impl AppleSigningKey {
    /// The key in PKCS #8.
    pub(crate) fn new(der: &[u8]) -> Result<Self, SecretSourceError> {
        let key = Self(BackendKey::from_ec_der(der));
        // The key is looked at only when something is signed, so something is: a wrong curve should fail here.
        key.sign(b"")?;
        Ok(key)
    }

    /// The signature of a message in base64url.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<String, SecretSourceError> {
        // `jsonwebtoken::encode` is generic, and would be compiled here with all that a header can hold.
        Ok(jsonwebtoken::crypto::sign(message, &self.0, jsonwebtoken::Algorithm::ES256)?)
    }
}

#[cfg(target_family = "wasm")]
impl AppleSigningKey {
    /// The key in PKCS #8.
    pub(crate) fn new(der: &[u8]) -> Result<Self, SecretSourceError> {
        use p256::pkcs8::DecodePrivateKey as _;
        BackendKey::from_pkcs8_der(der).map(Self).map_err(|error| error.to_string().into())
    }

    /// The signature of a message in base64url.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<String, SecretSourceError> {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        use p256::ecdsa::{Signature, signature::Signer as _};
        let signature: Signature = self.0.try_sign(message).map_err(|error| error.to_string())?;
        Ok(URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }
}
