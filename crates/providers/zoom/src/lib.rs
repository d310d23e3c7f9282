//! Sign in with [Zoom](https://developers.zoom.us/docs/integrations/oauth/).
//!
//! ```
//! use oauth_zoom::{ZoomOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let zoom = ZoomOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = zoom.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create a "General App" in the [marketplace](https://marketplace.zoom.us/develop/create), enter the redirect URL, add it to
//! the allow list too, and choose the scopes there, of which `user:read:user` gives the profile. Until the app is published, only users of
//! the account that it belongs to can sign in.
//!
//! **What you get.** The subject is Zoom's user id. The address counts as verified if Zoom's `verified` is 1; the administrator of an
//! account can set addresses of its users, so link by it only what you have confirmed yourself. Access tokens live an hour; each refresh
//! replaces the refresh token, which lives 90 days. Revocation takes access tokens.
//!
//! **Surprises.** The scopes are those of the app's settings, so a login asks for none. Errors of the token endpoint say why in a member
//! `reason`, which is in [`Error::body`](oauth_core::Error::body).
//!
//! **Without a login.** A server-to-server app gets tokens by [`get_account_token`](ZoomOAuth2::get_account_token), which signs nobody in.
//!
//! Read on 2026-11-29: the vendor's page on [errors](https://developers.zoom.us/docs/integrations/oauth-error-messages/), its reference of
//! [`/users/me`](https://developers.zoom.us/docs/api/users/) and public programs.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, OAuth2Token, Operation, Provider, Result, Spec,
    provider_kit::{ProfileSpec, RevocationSpec, TokenSpec},
};

/// Zoom's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "zoom",
    display_name: "Zoom",
    color: "#0b5cff",
    docs: "https://developers.zoom.us/docs/integrations/oauth/",
    endpoints: &[
        (Endpoint::Authorization, "https://zoom.us/oauth/authorize"),
        (Endpoint::Token, "https://zoom.us/oauth/token"),
        (Endpoint::Refresh, "https://zoom.us/oauth/token"),
        (Endpoint::Revocation, "https://zoom.us/oauth/revoke"),
        (Endpoint::Profile, "https://api.zoom.us/v2/users/me"),
    ],
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    revocation: RevocationSpec { access_tokens_only: true, ..RevocationSpec::RFC7009 },
    profile: ProfileSpec {
        email_verified_at: Some("/verified"),
        name_at: Some("/display_name"),
        name_parts_at: &["/first_name", "/last_name"],
        picture_at: Some("/pic_url"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Zoom.
    pub struct ZoomOAuth2 from SPEC;
}

/// The method [`ZoomOAuth2::get_account_token`], in errors.
pub const GET_ACCOUNT_TOKEN: Operation = Operation::new("get_account_token");

impl ZoomOAuth2 {
    /// A token of an account, for a [server-to-server app](https://developers.zoom.us/docs/internal-apps/s2s-oauth/), by Zoom's own grant
    /// `account_credentials`. It lives an hour; there is no refresh token, so ask anew.
    ///
    /// # Errors
    ///
    /// Any [`Error`](oauth_core::Error).
    pub async fn get_account_token(&self, account_id: &str) -> Result<OAuth2Token> {
        let form = [("grant_type", "account_credentials"), ("account_id", account_id)];
        let endpoint = self.oauth2.endpoints().token();
        let outcome = self.oauth2.request_token(GET_ACCOUNT_TOKEN, endpoint, form).await;
        outcome.map_err(|error| self.translate_error(error))
    }
}

impl Provider for ZoomOAuth2 {
    oauth_core::accessors!();
}
