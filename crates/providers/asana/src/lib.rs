//! Sign in with [Asana](https://developers.asana.com/docs/oauth).
//!
//! ```
//! use oauth_asana::{AsanaOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let asana = AsanaOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = asana.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an app in the [developer console](https://app.asana.com/0/my-apps), enter each redirect URI under "OAuth",
//! switch on the scopes `openid`, `email` and `profile`, and choose under "Manage distribution" whether any workspace or only named
//! ones can use it: until then nobody else can sign in.
//!
//! **What you get.** The subject is the user's `gid`, from UserInfo, with name, picture and address. Asana does not say whether it
//! has verified the address. Access tokens live an hour; a refresh keeps the refresh token. Revocation takes the refresh token.
//!
//! **Surprises.** The scopes of the API, such as `users:read`, have to be added for calls beyond UserInfo. Asana documents no
//! nonce, so an ID token without one is taken; the code is bound to the login by PKCE.
//!
//! Read on 2026-11-29; more at [OpenID Connect](https://developers.asana.com/docs/openid-connect).

pub use oauth_core;
use oauth_core::{Endpoint, Provider, Spec, provider_kit::ProfileSpec};
pub use oauth_openid;
use oauth_openid::VerificationPolicy;

/// Asana's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "asana",
    display_name: "Asana",
    color: "#f06a6a",
    docs: "https://developers.asana.com/docs/oauth",
    issuer: Some("https://app.asana.com/api/1.0"),
    endpoints: &[
        (Endpoint::Authorization, "https://app.asana.com/-/oauth_authorize"),
        (Endpoint::Token, "https://app.asana.com/-/oauth_token"),
        (Endpoint::Refresh, "https://app.asana.com/-/oauth_token"),
        (Endpoint::Revocation, "https://app.asana.com/-/oauth_revoke"),
        (Endpoint::Profile, "https://app.asana.com/api/1.0/openid_connect/userinfo"),
        (Endpoint::Jwks, "https://app.asana.com/api/1.0/openid_connect/jwks"),
    ],
    scopes: &["openid", "profile", "email"],
    profile: ProfileSpec { email_verified_at: None, ..ProfileSpec::OPENID },
    ..Spec::OPENID
};

oauth_openid::client! {
    /// Signs users in with Asana.
    pub struct AsanaOAuth2 from SPEC, verified by VerificationPolicy::new().nonce_may_be_missing();
}

impl Provider for AsanaOAuth2 {
    oauth_core::accessors!();
}
