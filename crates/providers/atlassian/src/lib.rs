//! Sign in with [Atlassian](https://developer.atlassian.com/cloud/jira/software/oauth-2-3lo-apps/): the account of Jira, Confluence and
//! the other products in the cloud.
//!
//! ```
//! use oauth_atlassian::{AtlassianOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let atlassian = AtlassianOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = atlassian.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.url.contains("audience=api.atlassian.com"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an OAuth 2.0 (3LO) integration in the [console](https://developer.atlassian.com/console/myapps/), enter its callback
//! URL under "Authorization", and add the "User identity API", whose scope is `read:me`. Under "Distribution", share the app, or nobody but
//! you can sign in.
//!
//! **What you get.** The subject is the `account_id`, which all products know. `email_verified` says that a mail was confirmed or that the
//! administrator of a verified domain set the address; the profile does not say which. Access tokens live an hour. A refresh token needs
//! the scope `offline_access`, and each refresh replaces it. Tokens cannot be revoked through the API: users take the access back in their
//! account.
//!
//! **Surprises.** The token endpoint takes JSON. A dead refresh token is told with status 403, as `invalid_grant` or as
//! `unauthorized_client`; a wrong client secret with 401, as `access_denied`. The products' own APIs are at
//! `https://api.atlassian.com/ex/{product}/{cloudid}`.
//!
//! Read on 2026-11-23 and 2026-11-29: the vendor's pages, its metadata and public programs.

pub use oauth_core;
use oauth_core::{
    Endpoint, Error, Operation, Provider, Spec,
    http::StatusCode,
    provider_kit::{AuthorizationSpec, ProfileSpec, RequestFormat, TokenSpec},
};

/// Atlassian's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "atlassian",
    display_name: "Atlassian",
    color: "#0052cc",
    docs: "https://developer.atlassian.com/cloud/jira/software/oauth-2-3lo-apps/",
    endpoints: &[
        (Endpoint::Authorization, "https://auth.atlassian.com/authorize"),
        (Endpoint::Token, "https://auth.atlassian.com/oauth/token"),
        (Endpoint::Refresh, "https://auth.atlassian.com/oauth/token"),
        (Endpoint::Profile, "https://api.atlassian.com/me"),
    ],
    scopes: &["read:me"],
    authorization: AuthorizationSpec {
        params: &[("audience", "api.atlassian.com"), ("prompt", "consent")],
        ..AuthorizationSpec::RFC6749
    },
    token: TokenSpec { format: RequestFormat::Json, ..TokenSpec::RFC6749 },
    profile: ProfileSpec {
        id_at: "/account_id",
        email_verified_at: Some("/email_verified"),
        name_at: Some("/name"),
        picture_at: Some("/picture"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Atlassian.
    pub struct AtlassianOAuth2 from SPEC;
}

impl Provider for AtlassianOAuth2 {
    oauth_core::accessors!();

    /// A dead refresh token is told as if the client were not allowed to refresh, and a wrong secret as `access_denied` with 401.
    fn translate_error(&self, error: Error) -> Error {
        let Some(said) = error.oauth_error() else { return error };
        let text = said.description.as_deref().unwrap_or_default();
        let is_refresh = error.operation() == Operation::REFRESH_TOKEN;
        let is_to_token_endpoint = is_refresh || error.operation() == Operation::GET_ACCESS_TOKEN;
        match said.code.as_str() {
            "unauthorized_client" if is_refresh && text.starts_with("refresh_token is invalid") => {
                error.under_code("invalid_grant")
            }
            "access_denied" if is_to_token_endpoint && error.status() == Some(StatusCode::UNAUTHORIZED) => {
                error.under_code("invalid_client")
            }
            _ => error,
        }
    }
}
