//! Proof Key for Code Exchange, RFC 7636.

use serde::{Deserialize, Serialize};

use crate::{
    crypto::{random_token, sha256_base64url},
    error::{Error, Operation},
    secret::Secret,
};

/// How a code challenge is made from its verifier (RFC 7636 section 4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CodeChallengeMethod {
    /// The SHA-256 of the verifier. The only one that protects against a reader of the authorization request.
    #[default]
    S256,
    /// The verifier itself.
    #[serde(rename = "plain")]
    Plain,
}

impl CodeChallengeMethod {
    /// The value of `code_challenge_method`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::S256 => "S256",
            Self::Plain => "plain",
        }
    }
}

/// The secret that ties a code exchange to the authorization request it belongs to (RFC 7636 section 4.1).
///
/// It can be read from where it was stored; to store it, [`expose`](Self::expose) it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Secret")]
pub struct CodeVerifier(Secret);

impl CodeVerifier {
    /// A fresh verifier of 256 random bits in 43 characters.
    ///
    /// # Errors
    ///
    /// A configuration error when the operating system has no random bytes to give.
    pub fn random() -> Result<Self, Error> {
        random_token().map(Self::known)
    }

    /// A verifier that was made or stored elsewhere.
    ///
    /// # Errors
    ///
    /// A configuration error unless it has 43 to 128 characters, all unreserved (`A-Z a-z 0-9 - . _ ~`), as RFC 7636
    /// section 4.1 demands.
    pub fn new(verifier: impl Into<String>) -> Result<Self, Error> {
        Self::try_from(Secret::new(verifier))
    }

    /// A verifier that is known to have the right form.
    pub(crate) fn known(verifier: String) -> Self {
        debug_assert!(is_verifier(&verifier));
        Self(Secret::new(verifier))
    }

    /// The challenge for the authorization request.
    #[must_use]
    pub fn challenge(&self, method: CodeChallengeMethod) -> String {
        match method {
            CodeChallengeMethod::S256 => sha256_base64url(self.expose()),
            CodeChallengeMethod::Plain => self.expose().to_owned(),
        }
    }

    /// The verifier itself, for the token request or a server-side session.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl TryFrom<Secret> for CodeVerifier {
    type Error = Error;

    fn try_from(verifier: Secret) -> Result<Self, Error> {
        if is_verifier(verifier.expose()) {
            Ok(Self(verifier))
        } else {
            Err(Error::configuration(
                "oauth2",
                "a code verifier has 43 to 128 characters out of A-Z a-z 0-9 - . _ ~ (RFC 7636 section 4.1); \
                 CodeVerifier::random() makes one",
            )
            .during(Operation::GET_ACCESS_TOKEN))
        }
    }
}

/// Whether a text has the form of a code verifier.
fn is_verifier(text: &str) -> bool {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    (43..=128).contains(&text.len()) && text.bytes().all(is_unreserved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenge_matches_rfc_7636_appendix_b() {
        let verifier = CodeVerifier::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
        assert_eq!(
            verifier.challenge(CodeChallengeMethod::S256),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn az_05_a_verifier_outside_the_rfc_is_refused() {
        for bad in
            ["a".repeat(42), "a".repeat(129), format!("{}=", "a".repeat(43)), format!("{} ", "a".repeat(43))]
        {
            assert!(CodeVerifier::new(bad.clone()).is_err(), "{bad:?}");
        }
        assert!(CodeVerifier::new("~".repeat(128)).is_ok());
    }

    #[test]
    fn a_method_is_stored_by_its_name() {
        for method in [CodeChallengeMethod::S256, CodeChallengeMethod::Plain] {
            let written = format!("\"{}\"", method.as_str());
            assert_eq!(serde_json::to_string(&method).unwrap(), written);
            assert_eq!(serde_json::from_str::<CodeChallengeMethod>(&written).unwrap(), method);
        }
        for other in ["\"s256\"", "\"Plain\"", "\"\"", "0", "null", "[]", "{}"] {
            assert!(serde_json::from_str::<CodeChallengeMethod>(other).is_err(), "{other}");
        }
    }
}
