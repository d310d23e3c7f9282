//! Who signs what a client sends.

use std::{error, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::SigningError;
use oauth_openid::Algorithm;
use serde_json::{Map, Value};
use tokio::runtime::Handle;

/// How long a signer may take unless told otherwise.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(10);

/// A private key that signs what a client sends: assertions, request objects and proofs of possession.
///
/// It may wait, so that the key can live in an HSM, behind PKCS#11 or in a KMS.
#[async_trait]
pub trait Signer: fmt::Debug + Send + Sync {
    /// The algorithm that it signs with (RFC 7518 section 3).
    fn algorithm(&self) -> Algorithm;

    /// `kid`: by which name the server knows the key (RFC 7515 section 4.1.4).
    fn key_id(&self) -> Option<&str> {
        None
    }

    /// The public key as a JWK (RFC 7517), without any private member: for the JWK set that the client publishes, and for the header of
    /// a DPoP proof.
    fn public_jwk(&self) -> Map<String, Value>;

    /// Further members of the header of what it signs, such as `x5t#S256` (RFC 7515 section 4.1.8).
    fn header(&self) -> Map<String, Value> {
        Map::new()
    }

    /// Signs a message. The signature has the form of JWS: for ECDSA, two integers of fixed length (RFC 7518 section 3.4).
    ///
    /// # Errors
    ///
    /// A [`SignError`] that shows no secret.
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

#[async_trait]
impl<S: Signer + ?Sized> Signer for Arc<S> {
    fn algorithm(&self) -> Algorithm {
        (**self).algorithm()
    }

    fn key_id(&self) -> Option<&str> {
        (**self).key_id()
    }

    fn public_jwk(&self) -> Map<String, Value> {
        (**self).public_jwk()
    }

    fn header(&self) -> Map<String, Value> {
        (**self).header()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        (**self).sign(message).await
    }
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The key cannot be used: it will not work the next time either.
    #[error("the key cannot sign: {0}")]
    Key(String),
    /// What holds the key did not answer, or not in time; it may the next time.
    #[error("the key could not be reached: {0}")]
    Unavailable(#[source] Box<dyn error::Error + Send + Sync>),
    /// What holds the key did not answer within its time limit: that of [`SigningKeys`](crate::SigningKeys), or 10 seconds for a proof.
    #[error("the signer did not answer within {} s", .0.as_secs_f64())]
    Timeout(Duration),
}

/// What a client makes of it: an error of the kind [`ErrorKind::Signing`](oauth_core::ErrorKind::Signing), whose class says whether it
/// may pass.
impl From<SignError> for SigningError {
    fn from(error: SignError) -> Self {
        match error {
            SignError::Key(reason) => Self::Key(reason),
            SignError::Unavailable(cause) => Self::Unavailable(cause.to_string()),
            SignError::Timeout(limit) => Self::Timeout(limit),
        }
    }
}

/// What a signer gives within a time limit. There is no limit where no Tokio runtime is, because nothing tells the time.
pub(crate) async fn within<T>(
    limit: Duration,
    signing: impl Future<Output = Result<T, SignError>>,
) -> Result<T, SignError> {
    match Handle::try_current() {
        Ok(_) => match tokio::time::timeout(limit, signing).await {
            Ok(signed) => signed,
            Err(_) => Err(SignError::Timeout(limit)),
        },
        Err(_) => signing.await,
    }
}

/// A signed JWT in compact form (RFC 7515 section 7.1). The header gets `alg`, `kid` and what the signer adds to it; what `header` holds
/// comes last.
///
/// # Errors
///
/// That of the signer.
pub async fn sign_jwt(
    signer: &dyn Signer,
    header: Map<String, Value>,
    claims: &Map<String, Value>,
) -> Result<String, SignError> {
    let mut members = Map::new();
    members.insert("alg".to_owned(), signer.algorithm().as_str().into());
    if let Some(kid) = signer.key_id() {
        members.insert("kid".to_owned(), kid.into());
    }
    members.extend(signer.header());
    members.extend(header);
    let encoded = |members: &Map<String, Value>| {
        serde_json::to_vec(members)
            .map(|json| URL_SAFE_NO_PAD.encode(json))
            .map_err(|error| SignError::Key(error.to_string()))
    };
    let mut jwt = format!("{}.{}", encoded(&members)?, encoded(claims)?);
    let signature = signer.sign(jwt.as_bytes()).await?;
    jwt.push('.');
    jwt.push_str(&URL_SAFE_NO_PAD.encode(signature));
    Ok(jwt)
}
