//! Sign in with [TikTok](https://developers.tiktok.com/doc/login-kit-web).
//!
//! ```
//! use oauth_tiktok::{TikTokOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let tiktok = TikTokOAuth2::new("CLIENT_KEY", "CLIENT_SECRET");
//! let login = tiktok.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.url.contains("client_key=CLIENT_KEY"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Register an app in the [portal](https://developers.tiktok.com/apps), add the product Login Kit for the web, and enter
//! each redirect URI: https, without query and fragment, ten at most. Until TikTok has reviewed the app, only the users of its sandbox
//! can sign in. Scopes beyond `user.info.basic` need a review of their own.
//!
//! **What you get.** The subject is the user's `open_id`, which is of this app alone; `union_id`, in the profile, is the same for all
//! apps of one developer. There is no e-mail address. Access tokens live 24 hours on an older page and two on a newer one, refresh
//! tokens half a year or a year: `expires_in` and `refresh_expires_in` say. A refresh replaces both. Revocation takes the access token,
//! and ends the authorization.
//!
//! **Surprises.** The client id is called `client_key`. The API answers with only those members that the profile asks for. Every answer
//! of the API has an `error`, whose code is `ok` when there is none. TikTok documents a code challenge for apps on phones and
//! desktops alone, and a hexadecimal one for the latter; none is sent.
//!
//! Read on 2026-11-29; more at [tokens](https://developers.tiktok.com/doc/oauth-user-access-token-management).

pub use oauth_core;
use oauth_core::{
    Endpoint, Pkce, Provider, Spec,
    provider_kit::{AuthorizationSpec, ErrorSpec, ProfileSpec, RevocationSpec},
};

/// TikTok's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "tiktok",
    display_name: "TikTok",
    color: "#010101",
    docs: "https://developers.tiktok.com/doc/login-kit-web",
    endpoints: &[
        (Endpoint::Authorization, "https://www.tiktok.com/v2/auth/authorize/"),
        (Endpoint::Token, "https://open.tiktokapis.com/v2/oauth/token/"),
        (Endpoint::Refresh, "https://open.tiktokapis.com/v2/oauth/token/"),
        (Endpoint::Revocation, "https://open.tiktokapis.com/v2/oauth/revoke/"),
        (Endpoint::Profile, "https://open.tiktokapis.com/v2/user/info/"),
    ],
    scopes: &["user.info.basic"],
    client_id_param: "client_key",
    errors: ErrorSpec {
        failed_at: Some("/error/code"),
        success: &["ok"],
        message_at: Some("/error/message"),
        codes: &[
            ("access_token_invalid", "invalid_token"),
            ("scope_not_authorized", "insufficient_scope"),
            ("scope_permission_missed", "insufficient_scope"),
            ("rate_limit_exceeded", "temporarily_unavailable"),
            ("internal_error", "server_error"),
        ],
        ..ErrorSpec::RFC6749
    },
    authorization: AuthorizationSpec {
        scope_separator: ",",
        pkce: Pkce::Unsupported,
        ..AuthorizationSpec::RFC6749
    },
    revocation: RevocationSpec { access_tokens_only: true, ..RevocationSpec::RFC7009 },
    profile: ProfileSpec {
        id_at: "/data/user/open_id",
        email_at: None,
        name_at: Some("/data/user/display_name"),
        picture_at: Some("/data/user/avatar_url"),
        params: &[("fields", "open_id,union_id,avatar_url,display_name")],
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with TikTok.
    pub struct TikTokOAuth2 from SPEC;
}

oauth_core::authorize_params! {
    /// TikTok's own authorization parameters.
    pub struct TikTokAuthorizeParams {
        /// `1` to show the page of consent to those too who have agreed before.
        pub disable_auto_auth: Option<u8>,
    }
}

impl Provider for TikTokOAuth2 {
    oauth_core::accessors!();
}
