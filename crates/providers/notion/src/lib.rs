//! Sign in with [Notion](https://developers.notion.com/docs/authorization).
//!
//! ```
//! use oauth_notion::{NotionOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let notion = NotionOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = notion.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.url.contains("owner=user"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create a public integration at <https://www.notion.so/profile/integrations> with each redirect URI, and the capability to
//! read user information with e-mail addresses. There are no scopes: the integration's capabilities apply, and the user chooses the
//! pages that it sees.
//!
//! **What you get.** The subject is the id of the person who signed in, who is somebody else in each workspace. Notion does not say
//! whether it has verified the address. Tokens do not expire; where the reply has a refresh token, a refresh replaces both. The token
//! reply names the workspace (`workspace_id`, `workspace_name`) and the integration's bot there (`bot_id`).
//!
//! **Surprises.** The profile (`/v1/users/me`) is that of the bot, with the person in `bot.owner`. A token of an integration that a
//! workspace owns has nobody to sign in, and its profile is refused as one without an identifier. Every request names the version of
//! the API that it is written for. Tokens are asked for, revoked and introspected with JSON. Notion documents no PKCE.
//!
//! Read on 2026-11-29.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Pkce, Provider, Spec,
    provider_kit::{AuthorizationSpec, ErrorSpec, ProfileSpec, RequestFormat, RevocationSpec, TokenSpec},
};

/// Notion's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "notion",
    display_name: "Notion",
    color: "#191919",
    docs: "https://developers.notion.com/docs/authorization",
    endpoints: &[
        (Endpoint::Authorization, "https://api.notion.com/v1/oauth/authorize"),
        (Endpoint::Token, "https://api.notion.com/v1/oauth/token"),
        (Endpoint::Refresh, "https://api.notion.com/v1/oauth/token"),
        (Endpoint::Revocation, "https://api.notion.com/v1/oauth/revoke"),
        (Endpoint::Introspection, "https://api.notion.com/v1/oauth/introspect"),
        (Endpoint::Profile, "https://api.notion.com/v1/users/me"),
    ],
    headers: &[("notion-version", "2026-03-11")],
    authorization: AuthorizationSpec {
        pkce: Pkce::Unsupported,
        params: &[("owner", "user")],
        ..AuthorizationSpec::RFC6749
    },
    token: TokenSpec { client_auth: ClientAuth::Basic, format: RequestFormat::Json, ..TokenSpec::RFC6749 },
    revocation: RevocationSpec { format: RequestFormat::Json, ..RevocationSpec::RFC7009 },
    profile: ProfileSpec {
        id_at: "/bot/owner/user/id",
        email_at: Some("/bot/owner/user/person/email"),
        name_at: Some("/bot/owner/user/name"),
        picture_at: Some("/bot/owner/user/avatar_url"),
        ..ProfileSpec::RFC6749
    },
    errors: ErrorSpec {
        code_at: Some("/code"),
        message_at: Some("/message"),
        codes: &[
            ("restricted_resource", "insufficient_scope"),
            ("conflict_error", "temporarily_unavailable"),
            ("rate_limited", "temporarily_unavailable"),
        ],
        ..ErrorSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Notion.
    pub struct NotionOAuth2 from SPEC;
}

impl Provider for NotionOAuth2 {
    oauth_core::accessors!();
}
