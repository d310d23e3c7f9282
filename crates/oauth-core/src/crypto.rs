//! The few cryptographic operations that OAuth itself needs, all done by `ring`, which the default TLS brings anyway.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest, hmac,
    rand::{SecureRandom, SystemRandom},
};

use crate::error::{Error, Operation};

/// 256 bits from the operating system's random number generator, as 43 base64url characters.
///
/// Good for a state, a nonce or a code verifier (RFC 6749 section 10.10, RFC 7636 section 7.1).
///
/// # Errors
///
/// A configuration error when the operating system has no random bytes to give.
pub fn random_token() -> Result<String, Error> {
    random_tokens().map(|[token]| token)
}

/// Several of them, for which the operating system is asked once.
///
/// # Errors
///
/// As [`random_token`].
pub(crate) fn random_tokens<const COUNT: usize>() -> Result<[String; COUNT], Error> {
    let mut bytes = [[0; 32]; COUNT];
    SystemRandom::new().fill(bytes.as_flattened_mut()).map_err(|_| {
        Error::configuration(
            "oauth2",
            "the operating system gave no random bytes; nothing can be signed in safely",
        )
        .during(Operation::START_LOGIN)
    })?;
    Ok(bytes.map(|bytes| URL_SAFE_NO_PAD.encode(bytes)))
}

/// The base64url form of a text's SHA-256, which is what PKCE's `S256` asks for (RFC 7636 section 4.2).
pub(crate) fn sha256_base64url(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

/// HMAC-SHA-256 of a message as lower-case hexadecimal digits: Shopify's `hmac`, Facebook's `appsecret_proof`.
#[must_use]
pub fn hmac_sha256_hex(key: &str, message: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    hmac::sign(&key, message.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn random_tokens_are_long_and_differ() {
        let tokens: HashSet<_> = (0..10_000).map(|_| random_token().unwrap()).collect();
        assert_eq!(tokens.len(), 10_000);
        assert!(tokens.iter().all(|token| token.len() == 43));
    }

    #[test]
    fn hmac_matches_rfc_4231_test_case_2() {
        assert_eq!(
            hmac_sha256_hex("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
