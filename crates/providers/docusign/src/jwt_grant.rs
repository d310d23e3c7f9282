//! Tokens without a login, by the JWT grant ([DocuSign's page](https://developers.docusign.com/platform/auth/jwt/)).

use std::{sync::Arc, time::Duration};

use oauth_core::{Endpoint, OAuth2Token, Provider, Result};
use oauth_fapi::{JwtAssertion, JwtBearerGrant, Signer};

use crate::DocuSignOAuth2;

/// The longest life that DocuSign allows.
const AN_HOUR: Duration = Duration::from_secs(60 * 60);

impl DocuSignOAuth2 {
    /// How assertions of this client are made, for `oauth_tokens::JwtBearer`: the integration key is the issuer, the id of the user who
    /// is impersonated the subject. The signer signs by RS256, with one of the app's key pairs.
    pub fn jwt_assertion(&self, signer: Arc<dyn Signer>) -> JwtAssertion {
        let endpoint = self.oauth2().endpoints().get(Endpoint::Token).unwrap_or_default();
        let host = endpoint.strip_prefix("https://").and_then(|rest| rest.split('/').next());
        // The host alone, without a scheme.
        JwtAssertion::new(signer, self.oauth2().client_id(), host.unwrap_or_default())
            .with_claim("scope", "signature impersonation")
            .with_lifetime(AN_HOUR)
            .with_longest_lifetime(AN_HOUR)
            .with_clock(self.oauth2().clock().clone())
    }

    /// A token of the user with this id, a GUID. There is no refresh token, so ask anew.
    ///
    /// # Errors
    ///
    /// Any [`Error`](oauth_core::Error); `consent_required` until the user, or an administrator for all users, has consented once, by a
    /// login with the scopes `signature impersonation`.
    pub async fn get_token_as(&self, user_id: &str, signer: Arc<dyn Signer>) -> Result<OAuth2Token> {
        let assertion = self.jwt_assertion(signer).sign(user_id).await;
        let assertion = assertion.map_err(|error| error.at(self.name().to_owned()))?;
        JwtBearerGrant::new(assertion).send(self).await
    }
}
