//! Sign in with [Strava](https://developers.strava.com/docs/authentication).
//!
//! ```
//! use oauth_strava::{StravaAuthorizeParams, StravaOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let strava = StravaOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let params = StravaAuthorizeParams { approval_prompt: Some("force".into()) };
//! let login = strava.start_login("https://app.example/callback", LoginOptions::new().extras_params(&params)).await?;
//! assert!(login.url.contains("approval_prompt=force"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an application in the [settings](https://www.strava.com/settings/api) and enter the domain of the callback there,
//! which also takes `localhost` and `127.0.0.1`. A new application is for its owner alone until Strava has reviewed it.
//!
//! **What you get.** The subject is the athlete's number. There is no e-mail address. Access tokens live six hours; a refresh can replace
//! the refresh token, and the old one then stops working. Revoking either token ends both.
//!
//! **Surprises.** Scopes have commas between them, and users can untick them: the callback's `scope` says what they granted. Strava names
//! errors by the resource that is wrong, which the client translates. An athlete without a picture has a relative path for one, which
//! counts as none. PKCE is not documented; a challenge is sent all the same, as other libraries do in production. The older
//! `/oauth/deauthorize` goes away on 1 June 2027, and the API moves to `api-v3.strava.com` on 4 January 2027.
//!
//! Read on 2026-11-23 and 2026-11-29: the vendor's page and public programs.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Provider, Spec,
    provider_kit::{AuthorizationSpec, ErrorSpec, ProfileSpec, RevocationSpec},
};

/// Strava's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "strava",
    display_name: "Strava",
    color: "#fc4c02",
    docs: "https://developers.strava.com/docs/authentication",
    endpoints: &[
        (Endpoint::Authorization, "https://www.strava.com/oauth/authorize"),
        (Endpoint::Token, "https://www.strava.com/oauth/token"),
        (Endpoint::Refresh, "https://www.strava.com/oauth/token"),
        (Endpoint::Revocation, "https://www.strava.com/oauth/revoke"),
        (Endpoint::Profile, "https://www.strava.com/api/v3/athlete"),
    ],
    scopes: &["read"],
    authorization: AuthorizationSpec {
        scope_separator: ",",
        params: &[("approval_prompt", "auto")],
        ..AuthorizationSpec::RFC6749
    },
    revocation: RevocationSpec { client_auth: Some(ClientAuth::Basic), ..RevocationSpec::RFC7009 },
    profile: ProfileSpec {
        email_at: None,
        name_parts_at: &["/firstname", "/lastname"],
        picture_at: Some("/profile"),
        ..ProfileSpec::RFC6749
    },
    errors: ErrorSpec {
        failed_at: Some("/errors/0/resource"),
        message_at: Some("/message"),
        codes: &[
            ("AuthorizationCode", "invalid_grant"),
            ("RefreshToken", "invalid_grant"),
            ("Application", "invalid_client"),
        ],
        ..ErrorSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Strava.
    pub struct StravaOAuth2 from SPEC;
}

oauth_core::authorize_params! {
    /// Strava's own authorization parameters.
    pub struct StravaAuthorizeParams {
        /// `force` to ask users who have approved the application again; `auto` is sent by default.
        pub approval_prompt: Option<String>,
    }
}

impl Provider for StravaOAuth2 {
    oauth_core::accessors!();
}
