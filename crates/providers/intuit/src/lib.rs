//! Sign in with
//! [Intuit](https://developer.intuit.com/app/developer/qbo/docs/develop/authentication-and-authorization/openid-connect), the account
//! of QuickBooks and Intuit's other products.
//!
//! ```
//! use oauth_intuit::{IntuitOAuth2, oauth_core::{Endpoint, Provider}};
//!
//! let intuit = IntuitOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let sandbox = IntuitOAuth2::new("CLIENT_ID", "CLIENT_SECRET").with_environment("sandbox")?;
//! let userinfo = sandbox.oauth2().endpoints().get(Endpoint::Profile);
//! assert_eq!(userinfo, Some("https://sandbox-accounts.platform.intuit.com/v1/openid_connect/userinfo"));
//! # Ok::<(), oauth_intuit::oauth_core::Error>(())
//! ```
//!
//! **Set up.** Create an app in the [developer portal](https://developer.intuit.com) with the OpenID scopes; keys and redirect URIs
//! are of one environment, development or production. Production's redirect URIs must be https. For users of development keys, choose
//! [`with_environment("sandbox")`](IntuitOAuth2::with_environment).
//!
//! **What you get.** The subject is the same in all of Intuit's products. The address counts as verified if UserInfo says so
//! (`emailVerified`). Access tokens live an hour. A refresh token lives about a hundred days (`x_refresh_token_expires_in`); keep the one
//! that each refresh brings. Revoking either token ends the connection.
//!
//! **Surprises.** With a scope of QuickBooks, such as `com.intuit.quickbooks.accounting`, the user chooses a company, and the
//! callback names it: `realmId`, in [`Callback`](oauth_core::Callback). It is not signed, so ask the API for that company before you
//! trust it. UserInfo's members are in camel case. The ID token carries no nonce, which the metadata does not list either; the code is
//! bound to the login by PKCE.
//!
//! Read on 2026-11-29, with the [metadata](https://developer.intuit.com/.well-known/openid-sandbox-configuration).

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Error, Provider, Result, Spec,
    provider_kit::{ProfileSpec, TokenSpec},
};
pub use oauth_openid;
use oauth_openid::VerificationPolicy;

/// Intuit's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "intuit",
    display_name: "Intuit",
    color: "#236cff",
    docs: "https://developer.intuit.com/app/developer/qbo/docs/develop/authentication-and-authorization/openid-connect",
    issuer: Some("https://oauth.platform.intuit.com/op/v1"),
    parameters: &[("accounts", "accounts")],
    endpoints: &[
        (Endpoint::Authorization, "https://appcenter.intuit.com/connect/oauth2"),
        (Endpoint::Token, "https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer"),
        (Endpoint::Refresh, "https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer"),
        (Endpoint::Revocation, "https://developer.api.intuit.com/v2/oauth2/tokens/revoke"),
        (Endpoint::Profile, "https://{accounts}.platform.intuit.com/v1/openid_connect/userinfo"),
        (Endpoint::Jwks, "https://oauth.platform.intuit.com/op/v1/jwks"),
    ],
    scopes: &["openid", "profile", "email"],
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    profile: ProfileSpec {
        email_verified_at: Some("/emailVerified"),
        name_at: None,
        name_parts_at: &["/givenName", "/familyName"],
        picture_at: None,
        ..ProfileSpec::OPENID
    },
    ..Spec::OPENID
};

oauth_openid::client! {
    /// Signs users in with Intuit.
    pub struct IntuitOAuth2 from SPEC, verified by VerificationPolicy::new().nonce_may_be_missing(),
        configured by { environment: with_environment };
}

impl IntuitOAuth2 {
    /// Reads profiles in this environment: `production`, or `sandbox` for the keys of development.
    ///
    /// # Errors
    ///
    /// A configuration error when the environment is neither, and after the endpoints were moved.
    pub fn with_environment(mut self, environment: &str) -> Result<Self> {
        let accounts = match environment {
            "production" => "accounts",
            "sandbox" => "sandbox-accounts",
            _ => return Err(Error::configuration(SPEC.name, "environment is production or sandbox")),
        };
        self.oauth2 = self.oauth2.with_parameter("accounts", accounts)?;
        Ok(self)
    }
}

impl Provider for IntuitOAuth2 {
    oauth_core::accessors!();
}
