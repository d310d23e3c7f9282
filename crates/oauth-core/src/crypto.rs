//! The few cryptographic operations that OAuth itself needs, all done by `ring`, which the default TLS brings anyway.

#[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon")))]
use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest, hmac,
    rand::{SecureRandom, SystemRandom},
};
use zeroize::zeroize_bytes;

use crate::error::{Error, Operation};

/// Base64url for long texts, with vector instructions where there are some: a sealed attempt takes less than half of the time
/// that it takes with the engine that is a constant.
#[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon")))]
pub(crate) static BASE64URL: LazyLock<base64::engine::Simd> =
    LazyLock::new(|| base64::engine::Simd::url_safe(base64::engine::general_purpose::NO_PAD));
#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon"))))]
pub(crate) static BASE64URL: base64::engine::GeneralPurpose = URL_SAFE_NO_PAD;

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

/// Several of them by one call to the operating system, which costs more than their bytes.
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
    Ok(fresh_tokens()?.map(|token| token.as_str().to_owned()))
}

/// Random tokens as [`random_tokens`] gives them, on the stack.
///
/// There is no generator in the process, which would give out bytes twice after a fork or when a virtual machine is cloned;
/// the kernel's knows of both.
///
/// # Errors
///
/// As [`random_token`].
pub(crate) fn fresh_tokens<const COUNT: usize>() -> Result<[RandomToken; COUNT], Error> {
    let mut bytes = [[0; 32]; COUNT];
    SystemRandom::new().fill(bytes.as_flattened_mut()).map_err(|_| {
        Error::configuration(
            "oauth2",
            "the operating system gave no random bytes; nothing can be signed in safely",
        )
        .during(Operation::START_LOGIN)
    })?;
    Ok(bytes.map(|bytes| RandomToken(Base64Url::of(&bytes))))
}

/// A random token where it was made, wiped when it is dropped.
pub(crate) struct RandomToken(Base64Url);

impl RandomToken {
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl Drop for RandomToken {
    fn drop(&mut self) {
        zeroize_bytes(&mut self.0.0);
    }
}

/// 32 bytes in base64url, without a piece of memory of their own.
///
/// There are zeros behind it, so that it is whole words. The check that it is UTF-8 looks at words, and at each byte of what
/// is no word.
#[repr(align(8))]
pub(crate) struct Base64Url([u8; 48]);

/// How many characters 32 bytes have in base64url.
const LENGTH: usize = 43;

impl Base64Url {
    /// Of 32 bytes.
    fn of(bytes: &[u8]) -> Self {
        let mut text = [0; 48];
        // 43 characters are what 32 bytes take.
        let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
        debug_assert_eq!(written, Ok(LENGTH));
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).ok().and_then(|text| text.get(..LENGTH)).unwrap_or_default()
    }
}

/// The base64url form of a text's SHA-256, which is what PKCE's `S256` asks for (RFC 7636 section 4.2).
pub(crate) fn sha256_base64url(text: &str) -> Base64Url {
    Base64Url::of(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
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
    fn base64url_is_the_same_by_each_way() {
        for byte in 0..=u8::MAX {
            let bytes: [u8; 32] = std::array::from_fn(|place| byte.wrapping_mul(place as u8 | 1));
            assert_eq!(Base64Url::of(&bytes).as_str(), URL_SAFE_NO_PAD.encode(bytes));
            let long = bytes.repeat(1 + usize::from(byte) % 30);
            let text = BASE64URL.encode(&long);
            assert_eq!(text, URL_SAFE_NO_PAD.encode(&long));
            assert_eq!(BASE64URL.decode(&text).unwrap(), long);
        }
    }

    #[test]
    fn hmac_matches_rfc_4231_test_case_2() {
        assert_eq!(
            hmac_sha256_hex("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
