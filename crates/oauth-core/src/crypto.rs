//! The few cryptographic operations that OAuth itself needs.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

pub(crate) mod aead;
pub(crate) mod backend;

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

/// Several tokens as [`random_token`] makes them, by one call to the operating system.
///
/// ```
/// use oauth_core::{AuthorizationRequest, CodeVerifier, random_tokens};
///
/// let [state, verifier] = random_tokens()?;
/// let verifier = CodeVerifier::new(verifier)?;
/// let request = AuthorizationRequest::new("https://app.example/callback").state(&state).pkce(&verifier);
/// # Ok::<(), oauth_core::Error>(())
/// ```
///
/// # Errors
///
/// As [`random_token`].
pub fn random_tokens<const COUNT: usize>() -> Result<[String; COUNT], Error> {
    let mut bytes = [[0; 32]; COUNT];
    backend::fill_random(bytes.as_flattened_mut()).map_err(|cause| {
        Error::configuration("oauth2", format!("{cause}; nothing can be signed in safely"))
            .during(Operation::START_LOGIN)
    })?;
    Ok(bytes.map(|bytes| URL_SAFE_NO_PAD.encode(bytes)))
}

/// The SHA-256 of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    backend::sha256(bytes)
}

/// The SHA-256 of a text in base64url, which is what PKCE's `S256` asks for (RFC 7636 section 4.2).
pub(crate) fn sha256_base64url(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(backend::sha256(text.as_bytes()))
}

/// HMAC-SHA-256 of a message as lower-case hexadecimal digits: Shopify's `hmac`, Facebook's `appsecret_proof`.
#[must_use]
pub fn hmac_sha256_hex(key: &str, message: &str) -> String {
    let tag = backend::hmac_sha256(key.as_bytes(), message.as_bytes());
    tag.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn az_03_random_tokens_are_long_and_differ() {
        let tokens: HashSet<_> = (0..10_000).map(|_| random_token().unwrap()).collect();
        assert_eq!(tokens.len(), 10_000);
        assert!(tokens.iter().all(|token| token.len() == 43));
    }

    #[test]
    fn several_random_tokens_differ_too() {
        let [a, b, c] = random_tokens().unwrap();
        assert!([&a, &b, &c].iter().all(|token| token.len() == 43));
        assert!(a != b && b != c && a != c);
    }

    #[test]
    fn the_library_is_the_one_that_the_features_choose() {
        let expected = if cfg!(feature = "fips") {
            backend::CryptoBackend::AwsLcRsFips
        } else if cfg!(feature = "aws-lc-rs") {
            backend::CryptoBackend::AwsLcRs
        } else if cfg!(feature = "ring") {
            backend::CryptoBackend::Ring
        } else {
            backend::CryptoBackend::RustCrypto
        };
        assert_eq!(backend::CryptoBackend::current(), expected);
    }

    #[test]
    fn hashes_match_fips_180_4() {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(&sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(
            hex(&backend::sha512(b"abc")),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        );
    }

    #[test]
    fn hmac_matches_rfc_4231_test_case_2() {
        assert_eq!(
            hmac_sha256_hex("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn hmac_matches_rfc_4231_test_case_6_with_a_key_longer_than_a_block() {
        let key = [0xaa; 131];
        let tag = backend::hmac_sha256(&key, b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(tag[..8], [0x60, 0xe4, 0x31, 0x59, 0x1e, 0xe0, 0xb6, 0x7f]);
        // A key of a block exactly is taken as it is.
        let [block, hashed] = [vec![1; 64], sha256(&[1; 64]).to_vec()];
        assert_ne!(backend::hmac_sha256(&block, b""), backend::hmac_sha256(&hashed, b""));
    }
}
