//! Access tokens that are JWTs (RFC 9068), verified by `oauth-fapi`.

use oauth_core::{ErrorKind, async_trait};
use oauth_fapi::AccessTokenVerifier;

use super::verifier::{TokenInfo, TokenVerifier, VerifyError};

/// Verifies tokens by the authorization server's keys, without asking it about each.
#[async_trait]
impl TokenVerifier for AccessTokenVerifier {
    async fn verify(&self, access_token: &str) -> Result<TokenInfo, VerifyError> {
        match Self::verify(self, access_token).await {
            Ok(claims) => Ok(TokenInfo::of_claims(claims.all().clone())),
            Err(error) if matches!(error.kind(), ErrorKind::Jwt(_)) => {
                Err(VerifyError::Invalid(error.to_string()))
            }
            Err(error) => Err(VerifyError::Unavailable(error.to_string())),
        }
    }
}
