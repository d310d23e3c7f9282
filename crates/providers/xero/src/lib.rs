//! Sign in with [Xero](https://developer.xero.com/documentation/guides/oauth2/sign-in/).
//!
//! ```
//! use oauth_xero::{XeroOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let xero = XeroOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! // To work with the user's organisations later on, ask for their scopes, and for a refresh token.
//! let scopes = ["openid", "profile", "email", "offline_access", "accounting.contacts.read"];
//! let login = xero.start_login("https://app.example/callback", LoginOptions::new().scopes(scopes)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an app in [My Apps](https://developer.xero.com/app/manage) and enter each redirect URI exactly: https, or http on
//! this machine. An app of the type "Mobile or desktop" has no secret: pass `ClientSecret::NONE`.
//!
//! **What you get.** The subject is the claim `sub`, which is another value than the `xero_userid` of Xero's API. Xero does not say
//! whether it has verified an address. Access tokens live 30 minutes. The scope `offline_access` brings a refresh token, of 60 days;
//! each refresh replaces it, and the old one keeps working for another 30 minutes. Revoking a refresh token ends the grant.
//!
//! **Surprises.** The user chooses to which organisations ("tenants") the app is connected. `https://api.xero.com/connections` lists
//! them, and every call of the API names one in the header `Xero-Tenant-Id`; a sign-in needs none of that.
//!
//! Written from Xero's pages and public programs as of 2026-11-29.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Provider, Spec,
    provider_kit::{ProfileSpec, TokenSpec},
};
pub use oauth_openid;

/// Xero's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "xero",
    display_name: "Xero",
    color: "#13b5ea",
    docs: "https://developer.xero.com/documentation/guides/oauth2/sign-in/",
    issuer: Some("https://identity.xero.com"),
    endpoints: &[
        (Endpoint::Authorization, "https://login.xero.com/identity/connect/authorize"),
        (Endpoint::Token, "https://identity.xero.com/connect/token"),
        (Endpoint::Refresh, "https://identity.xero.com/connect/token"),
        (Endpoint::Revocation, "https://identity.xero.com/connect/revocation"),
        (Endpoint::Profile, "https://identity.xero.com/connect/userinfo"),
        (Endpoint::Jwks, "https://identity.xero.com/.well-known/openid-configuration/jwks"),
    ],
    scopes: &["openid", "profile", "email"],
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    profile: ProfileSpec {
        email_verified_at: None,
        picture_at: None, // The metadata promises the parts alone.
        name_parts_at: &["/given_name", "/family_name"],
        ..ProfileSpec::OPENID
    },
    ..Spec::OPENID
};

oauth_openid::client! {
    /// Signs users in with Xero.
    pub struct XeroOAuth2 from SPEC;
}

impl Provider for XeroOAuth2 {
    oauth_core::accessors!();
}
