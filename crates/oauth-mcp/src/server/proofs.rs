//! Access tokens that are bound to a key, with the proof that each request has (RFC 9449).

use std::{fmt, sync::Arc};

use oauth_core::{
    http::{HeaderMap, Method, Uri},
    same_secret,
    serde_json::Value,
    telemetry::{EVENT_NAME, event},
};
use oauth_fapi::{DpopProofVerifier, ProofError};

use super::{refusal::Refusal, verifier::TokenInfo};

const DPOP: &str = "dpop";

/// Verifies proofs for a [`Guard`](super::Guard).
#[derive(Clone)]
pub(super) struct Proofs {
    verifier: DpopProofVerifier,
    nonce: Option<Arc<dyn Fn() -> String + Send + Sync>>,
    pub(super) is_demanded: bool,
}

impl Proofs {
    pub(super) fn new(verifier: DpopProofVerifier) -> Self {
        Self { verifier, nonce: None, is_demanded: false }
    }

    pub(super) fn with_nonce(mut self, nonce: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.nonce = Some(Arc::new(nonce));
        self
    }

    /// The nonce that the next proof must have, where one is demanded.
    pub(super) fn nonce(&self) -> Option<String> {
        self.nonce.as_ref().map(|nonce| nonce())
    }

    /// Checks that a request has a proof by the key that its token is bound to.
    pub(super) async fn check(
        &self,
        request: &ProvenRequest<'_>,
        token: &str,
        info: &TokenInfo,
    ) -> Result<(), Refusal> {
        let mut proofs = request.headers.get_all(DPOP).iter();
        let (Some(proof), None) = (proofs.next(), proofs.next()) else { return Err(Refusal::InvalidProof) };
        let proof = proof.to_str().map_err(|_| Refusal::InvalidProof)?;
        let verifier = match self.nonce() {
            Some(nonce) => self.verifier.clone().with_nonce(nonce),
            None => self.verifier.clone(),
        };
        let proof = match verifier.verify(proof, request.method.as_str(), &request.url(), token).await {
            Ok(proof) => proof,
            Err(ProofError::Nonce) => return Err(Refusal::UseNonce),
            Err(ProofError::Cache(error)) => {
                tracing::warn!(
                    { EVENT_NAME } = event::ACCESS_TOKEN_UNVERIFIED,
                    %error,
                    "proofs cannot be verified"
                );
                return Err(Refusal::Unavailable);
            }
            Err(error) => {
                tracing::debug!({ EVENT_NAME } = event::ACCESS_TOKEN_REFUSED, reason = %error, "a proof was refused");
                return Err(Refusal::InvalidProof);
            }
        };
        match bound_key(info) {
            Some(key) if same_secret(key, proof.thumbprint()) => Ok(()),
            // Bound to nothing, to another key, or in a way that is not understood here.
            _ => Err(Refusal::InvalidToken),
        }
    }
}

/// What a proof is about.
pub(super) struct ProvenRequest<'r> {
    pub(super) method: &'r Method,
    pub(super) headers: &'r HeaderMap,
    pub(super) uri: &'r Uri,
    /// The resource's name, at whose origin clients send their requests.
    pub(super) resource: &'r str,
}

impl ProvenRequest<'_> {
    /// The URL as the client has it.
    fn url(&self) -> String {
        let after_scheme = self.resource.find("://").map_or(0, |at| at + 3);
        let end = self.resource[after_scheme..].find('/').map_or(self.resource.len(), |at| after_scheme + at);
        format!("{}{}", &self.resource[..end], self.uri.path())
    }
}

/// The thumbprint of the key that a token is bound to, if it is bound to that alone.
fn bound_key(info: &TokenInfo) -> Option<&str> {
    let Some(Value::Object(methods)) = info.claims.get("cnf") else { return None };
    methods.get("jkt").filter(|_| methods.len() == 1)?.as_str()
}

impl fmt::Debug for Proofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proofs").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}
