//! Sign in with
//! [Salesforce](https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_endpoints.htm&language=en_US&type=5).
//!
//! ```
//! use oauth_salesforce::{SalesforceOAuth2, oauth_core::Provider};
//!
//! let salesforce = SalesforceOAuth2::new("CONSUMER_KEY", "CONSUMER_SECRET").with_domain("acme.my.salesforce.com")?;
//! assert_eq!(salesforce.oauth2().issuer(), Some("https://acme.my.salesforce.com"));
//! # Ok::<(), oauth_salesforce::oauth_core::Error>(())
//! ```
//!
//! The domain is `login.salesforce.com` unless another is given: `test.salesforce.com` for sandboxes, or the
//! organization's My Domain. A refresh token needs the scope `refresh_token`. The token reply does not say when the
//! access token expires. The subject is a URL; the user's and the organization's ids stand in the profile as `user_id`
//! and `organization_id`, and where the API is stands in the token reply as `instance_url`.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Error, Provider, Result, Spec, async_trait, parameter, serde_json::Value,
};
pub use oauth_openid;

/// Salesforce's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "salesforce",
    display_name: "Salesforce",
    color: "#00a1e0",
    docs: "https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_endpoints.htm&language=en_US&type=5",
    issuer: Some("https://{domain}"),
    parameters: &[("domain", "login.salesforce.com")],
    endpoints: &[
        (Endpoint::Authorization, "https://{domain}/services/oauth2/authorize"),
        (Endpoint::Token, "https://{domain}/services/oauth2/token"),
        (Endpoint::Refresh, "https://{domain}/services/oauth2/token"),
        (Endpoint::Revocation, "https://{domain}/services/oauth2/revoke"),
        (Endpoint::Introspection, "https://{domain}/services/oauth2/introspect"),
        (Endpoint::Profile, "https://{domain}/services/oauth2/userinfo"),
        (Endpoint::Jwks, "https://{domain}/id/keys"),
    ],
    scopes: &["openid", "profile", "email"],
    client_auth: ClientAuth::Basic,
    ..Spec::OPENID
};

oauth_openid::client! {
    /// Signs users in with Salesforce.
    pub struct SalesforceOAuth2 from SPEC, configured by { domain: with_domain };
}

impl SalesforceOAuth2 {
    /// Signs users in at this host.
    ///
    /// # Errors
    ///
    /// A configuration error when the text is no host name.
    pub fn with_domain(mut self, domain: &str) -> Result<Self> {
        let as_given = format!("https://{domain}");
        let domain = parameter::host("domain", domain).map_err(|error| error.at(SPEC.name))?;
        self.oauth2.set_parameter("domain", domain)?;
        self.oauth2.add_former_identity_issuer(as_given);
        Ok(self)
    }
}

#[async_trait]
impl Provider for SalesforceOAuth2 {
    oauth_core::accessors!();

    async fn get_profile(&self, access_token: &str) -> Result<Value> {
        let outcome = self.oauth2.get_profile(access_token).await;
        outcome.map_err(|error| if is_of_token(&error) { error.under_code("invalid_token") } else { error })
    }
}

/// Of a dead access token, UserInfo says so in a text under 403 (RFC 6750 section 3.1 has a code for it).
fn is_of_token(error: &Error) -> bool {
    error.body().is_some_and(|body| body.trim_ascii() == b"Bad_OAuth_Token")
}
