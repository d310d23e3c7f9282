//! Tokens without a login, by the JWT bearer flow
//! ([Salesforce's page](https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_jwt_flow.htm&type=5)).

use std::{sync::Arc, time::Duration};

use oauth_core::{Endpoint, OAuth2Token, Provider, Result};
use oauth_fapi::{JwtAssertion, JwtBearerGrant, Signer};

use crate::SalesforceOAuth2;

/// The longest life that Salesforce allows.
const THREE_MINUTES: Duration = Duration::from_secs(3 * 60);

impl SalesforceOAuth2 {
    /// How assertions of this client are made, for `oauth_tokens::JwtBearer`: the consumer key is the issuer, the user's name the subject.
    /// The signer signs by RS256, and its certificate is in the app's settings. There an administrator must have allowed the users in
    /// advance.
    ///
    /// The audience is `https://login.salesforce.com`, that of sandboxes `https://test.salesforce.com`, and the domain itself where it is
    /// none of Salesforce's, such as an Experience Cloud site's.
    pub fn jwt_assertion(&self, signer: Arc<dyn Signer>) -> JwtAssertion {
        JwtAssertion::new(
            signer,
            self.oauth2().client_id(),
            audience(self.oauth2().endpoints().get(Endpoint::Token)),
        )
        .with_lifetime(THREE_MINUTES)
        .with_longest_lifetime(THREE_MINUTES)
        .with_clock(self.oauth2().clock().clone())
    }

    /// A token for a user of this name. The reply says neither when it expires, which the organization's session settings decide, nor has it
    /// a refresh token; the API's address is in `instance_url`.
    ///
    /// # Errors
    ///
    /// Any [`Error`](oauth_core::Error); `invalid_grant` when the app was not allowed for the user.
    pub async fn get_token_as(&self, username: &str, signer: Arc<dyn Signer>) -> Result<OAuth2Token> {
        let assertion = self.jwt_assertion(signer).sign(username).await;
        let assertion = assertion.map_err(|error| error.at(self.name().to_owned()))?;
        JwtBearerGrant::new(assertion).send(self).await
    }
}

fn audience(token_endpoint: Option<&str>) -> String {
    let endpoint = token_endpoint.unwrap_or_default();
    let origin = endpoint.strip_suffix("/services/oauth2/token").unwrap_or(endpoint);
    let host = origin.strip_prefix("https://").unwrap_or(origin);
    if host == "test.salesforce.com" || host.ends_with(".sandbox.my.salesforce.com") {
        "https://test.salesforce.com".to_owned()
    } else if host.ends_with(".my.salesforce.com") {
        "https://login.salesforce.com".to_owned()
    } else {
        origin.to_owned()
    }
}
