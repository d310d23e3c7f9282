//! Whether a token that is bound to a key or a certificate came from whoever has it (RFC 9449 section 7.1, RFC 8705 section 3).

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::same_secret;
use serde_json::Value;

use crate::token_claims::TokenClaims;

/// What a request to a resource server showed beside its access token.
///
/// ```
/// use oauth_fapi::{DpopProofVerifier, PresentedToken, TokenClaims};
///
/// # async fn f(proofs: &DpopProofVerifier, claims: &TokenClaims, token: &str, proof: &str) -> Result<(), Box<dyn std::error::Error>> {
/// // `Authorization: DPoP …`
/// let proof = proofs.verify(proof, "GET", "https://api.example/orders", token).await?;
/// claims.check_sender(&PresentedToken::by_dpop(proof.thumbprint()))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct PresentedToken {
    /// The thumbprint of the key of a proof that was verified, where the scheme was `DPoP`.
    key: Option<String>,
    /// The SHA-256 of the certificate of the connection.
    certificate: Option<String>,
}

/// Why a token may not be used by whoever sent it. A resource server answers it with 401 and `invalid_token`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SenderError {
    /// The token is bound to a key, and came without a proof of it, or as a bearer token.
    #[error("the token is bound to a key by DPoP, and came without a proof")]
    NoProof,
    /// The proof was made with another key.
    #[error("the token is bound to another key than that of the proof")]
    OtherKey,
    /// The token is bound to a certificate, and the connection showed none.
    #[error("the token is bound to a certificate, and the connection showed none")]
    NoCertificate,
    /// The connection showed another certificate.
    #[error("the token is bound to another certificate than that of the connection")]
    OtherCertificate,
    /// The token came with a proof, and is bound to no key.
    #[error("the token came with the scheme DPoP but is not bound to a key")]
    NotBound,
    /// The token is bound in a way that is not understood here.
    #[error("the token is bound by {0}, which is not understood")]
    UnknownMethod(String),
    /// The authorization server calls a token that is bound to a key by another type than `DPoP`.
    #[error("the token is bound to a key, but its token_type is not DPoP")]
    WrongType,
}

impl PresentedToken {
    /// A token that came by the scheme `Bearer`.
    pub fn as_bearer() -> Self {
        Self::default()
    }

    /// A token that came by the scheme `DPoP`, with a proof that was [verified](crate::DpopProofVerifier::verify) to be of the key with
    /// this thumbprint.
    pub fn by_dpop(thumbprint: impl Into<String>) -> Self {
        Self { key: Some(thumbprint.into()), certificate: None }
    }

    /// Adds the client's certificate of the TLS connection, in DER.
    pub fn with_certificate(mut self, der: &[u8]) -> Self {
        self.certificate = Some(URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, der)));
        self
    }
}

impl TokenClaims {
    /// Checks that the token was sent by whoever it is bound to. A token that is bound to nothing is everybody's who has it.
    ///
    /// # Errors
    ///
    /// A [`SenderError`] that says what does not fit.
    pub fn check_sender(&self, presented: &PresentedToken) -> Result<(), SenderError> {
        let bound_key = match self.confirmation() {
            None => None,
            Some(Value::Object(methods)) => {
                if let Some(unknown) = methods.keys().find(|name| !["jkt", "x5t#S256"].contains(&&***name)) {
                    return Err(SenderError::UnknownMethod(unknown.chars().take(40).collect()));
                }
                if let Some(bound) = methods.get("x5t#S256") {
                    let shown = presented.certificate.as_deref().ok_or(SenderError::NoCertificate)?;
                    if !same_secret(bound.as_str().unwrap_or_default(), shown) {
                        return Err(SenderError::OtherCertificate);
                    }
                }
                methods.get("jkt")
            }
            Some(_) => return Err(SenderError::UnknownMethod("a cnf that is not an object".to_owned())),
        };
        match (bound_key, &presented.key) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(SenderError::NotBound),
            (Some(_), None) => Err(SenderError::NoProof),
            (Some(bound), Some(shown)) if !same_secret(bound.as_str().unwrap_or_default(), shown) => {
                Err(SenderError::OtherKey)
            }
            (Some(_), Some(_)) => match self.token_type() {
                // RFC 9449 section 6.2.
                Some(kind) if !kind.eq_ignore_ascii_case("DPoP") => Err(SenderError::WrongType),
                _ => Ok(()),
            },
        }
    }
}
