//! Sign in with [Dropbox](https://developers.dropbox.com/oauth-guide).
//!
//! ```
//! use oauth_dropbox::{DropboxAuthorizeParams, DropboxOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let dropbox = DropboxOAuth2::new("APP_KEY", "APP_SECRET");
//! let params = DropboxAuthorizeParams { force_reapprove: Some(true), ..Default::default() };
//! let login = dropbox.start_login("https://app.example/callback", LoginOptions::new().extras_params(&params)).await?;
//! assert!(login.url.contains("token_access_type=offline") && login.url.contains("force_reapprove=true"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an app in the [console](https://www.dropbox.com/developers/apps), switch the permission `account_info.read` on, and
//! enter each redirect URI exactly: https, or http on localhost. A new app is for five hundred users until Dropbox has reviewed it. An app
//! without a secret passes `ClientSecret::NONE`.
//!
//! **What you get.** The subject is the `account_id`. The address is that of the account; `email_verified` says whether Dropbox has
//! confirmed it. Access tokens live four hours. A refresh token comes with `token_access_type=offline`, which is sent, and is kept at a
//! refresh. Revoking an access token ends the refresh token too.
//!
//! **Surprises.** The revocation is a call of the API by the very token that is revoked. An ID token, which the scope `openid` brings, is
//! not looked at. A wrong app key is told by a code with a sentence in it, which is read.
//!
//! Read on 2026-11-23 and 2026-11-29: the vendor's guide, its metadata and public programs.

pub use oauth_core;
use oauth_core::{
    Endpoint, Error, Provider, Spec,
    provider_kit::{AuthorizationSpec, ProfileRequest, ProfileSpec, RevocationSpec, TokenPlace},
};

/// Dropbox's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "dropbox",
    display_name: "Dropbox",
    color: "#0061ff",
    docs: "https://developers.dropbox.com/oauth-guide",
    identity_issuer: Some("https://www.dropbox.com"),
    endpoints: &[
        (Endpoint::Authorization, "https://www.dropbox.com/oauth2/authorize"),
        (Endpoint::Token, "https://api.dropboxapi.com/oauth2/token"),
        (Endpoint::Refresh, "https://api.dropboxapi.com/oauth2/token"),
        (Endpoint::Revocation, "https://api.dropboxapi.com/2/auth/token/revoke"),
        (Endpoint::Profile, "https://api.dropboxapi.com/2/users/get_current_account"),
    ],
    scopes: &["account_info.read"],
    authorization: AuthorizationSpec {
        params: &[("token_access_type", "offline")],
        ..AuthorizationSpec::RFC6749
    },
    revocation: RevocationSpec {
        access_tokens_only: true,
        token: TokenPlace::Bearer,
        ..RevocationSpec::RFC7009
    },
    profile: ProfileSpec {
        id_at: "/account_id",
        email_verified_at: Some("/email_verified"),
        name_at: Some("/name/display_name"),
        picture_at: Some("/profile_photo_url"),
        request: ProfileRequest::Post,
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Dropbox.
    pub struct DropboxOAuth2 from SPEC;
}

oauth_core::authorize_params! {
    /// Dropbox's own authorization parameters.
    pub struct DropboxAuthorizeParams {
        /// `online` for no refresh token, in place of `offline`.
        pub token_access_type: Option<String>,
        /// Whether users who have approved the app are asked again.
        pub force_reapprove: Option<bool>,
        /// Whether users who are signed in must sign in again.
        pub force_reauthentication: Option<bool>,
        /// Whether those without an account are offered none.
        pub disable_signup: Option<bool>,
        /// `work` or `personal`, the account to use where a browser has both.
        pub require_role: Option<String>,
        /// `user` or `team`, to have the scopes that were granted before as well.
        pub include_granted_scopes: Option<String>,
        /// The language of the page.
        pub locale: Option<String>,
    }
}

impl Provider for DropboxOAuth2 {
    oauth_core::accessors!();

    /// The code of a wrong app key or secret has a sentence behind it.
    fn translate_error(&self, error: Error) -> Error {
        match error.oauth_error().is_some_and(|said| said.code.starts_with("invalid_client:")) {
            true => error.under_code("invalid_client"),
            false => error,
        }
    }
}
