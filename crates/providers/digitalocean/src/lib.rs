//! Sign in with [DigitalOcean](https://docs.digitalocean.com/reference/api/oauth).
//!
//! ```
//! use oauth_digitalocean::{DigitalOceanOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let digitalocean = DigitalOceanOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = digitalocean.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Register an OAuth application in the [control panel](https://cloud.digitalocean.com/account/api/applications) with
//! its callback URL, which a login must repeat exactly.
//!
//! **What you get.** The subject is the user's `uuid`. The address counts as verified if DigitalOcean says so. The profile has no
//! name; [`get_identity`](Provider::get_identity) takes it from the reply of the login (`info.name`), so it is there only with
//! the whole token. Access tokens live 30 days. A refresh token works once and ends the access token that came with it. Revoking
//! ends one token.
//!
//! **Surprises.** A user grants access to one team, which they choose while they sign in; the token reply names it. Revocation is
//! a call with the token itself, without the client secret, as in
//! [the vendor's own tool](https://github.com/digitalocean/doctl/blob/main/commands/registry.go).
//!
//! Read on 2026-11-29.

pub use oauth_core;
use oauth_core::{
    Endpoint, Identity, OAuth2Token, Operation, Provider, Result, Spec, async_trait,
    http::Method,
    provider_kit::{ProfileSpec, text_at},
};

/// DigitalOcean's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "digitalocean",
    display_name: "DigitalOcean",
    color: "#0080ff",
    docs: "https://docs.digitalocean.com/reference/api/oauth",
    endpoints: &[
        (Endpoint::Authorization, "https://cloud.digitalocean.com/v1/oauth/authorize"),
        (Endpoint::Token, "https://cloud.digitalocean.com/v1/oauth/token"),
        (Endpoint::Refresh, "https://cloud.digitalocean.com/v1/oauth/token"),
        (Endpoint::Revocation, "https://cloud.digitalocean.com/v1/oauth/revoke"),
        (Endpoint::Profile, "https://api.digitalocean.com/v2/account"),
    ],
    scopes: &["read"],
    profile: ProfileSpec {
        id_at: "/account/uuid",
        email_at: Some("/account/email"),
        email_verified_at: Some("/account/email_verified"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with DigitalOcean.
    pub struct DigitalOceanOAuth2 from SPEC;
}

#[async_trait]
impl Provider for DigitalOceanOAuth2 {
    oauth_core::accessors!();

    /// Only the reply of the login has the user's name.
    async fn get_identity(&self, token: &OAuth2Token) -> Result<Identity> {
        let mut identity = self.oauth2.identity(self.get_profile_of(token).await?)?;
        identity.name = token.get("info").and_then(|info| text_at(&info, "/name"));
        Ok(identity.without_unusable())
    }

    /// Revokes a token with itself.
    async fn revoke_token(&self, token: &str, _token_type_hint: Option<&str>) -> Result<()> {
        let url = self.oauth2.revoke_endpoint()?;
        let request = self.oauth2.request(Operation::REVOKE_TOKEN, Method::POST, url).bearer(token);
        request.form([("token", token)]).send().await?.accepted()
    }
}
