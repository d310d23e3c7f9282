//! Sign in with [Lichess](https://lichess.org/api#tag/OAuth).
//!
//! ```
//! use oauth_lichess::{LichessOAuth2, oauth_core::{ClientSecret, LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let lichess = LichessOAuth2::new("app.example", ClientSecret::NONE);
//! let login = lichess.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** There is nothing to register and no secret: choose a client id that nobody else would, such as your domain, and keep it.
//! Users see the host of the redirect URI. Whoever copies the id is the same client to Lichess, so PKCE, which it demands, and the
//! redirect URI are all that protects a code.
//!
//! **What you get.** The subject is the account's id, which is the user name in lower case; a user name is never given to somebody else. The
//! address needs the scope `email:read`, which is asked for by default, and a second request; Lichess does not say whether it is verified.
//! Without the scope there is none, and no error. Access tokens live about a year and there is no refresh token. Revocation takes the
//! access token.
//!
//! **Surprises.** Lichess wants one request at a time, and a full minute of silence after an HTTP 429.
//!
//! Written from Lichess's API pages and public programs as of 2026-11-29.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Provider, Spec,
    provider_kit::{EmailCall, ProfileSpec, RequestMethod, RevocationSpec, TokenPlace, TokenSpec},
};

/// Lichess's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "lichess",
    display_name: "Lichess",
    color: "#161512",
    docs: "https://lichess.org/api#tag/OAuth",
    endpoints: &[
        (Endpoint::Authorization, "https://lichess.org/oauth"),
        (Endpoint::Token, "https://lichess.org/api/token"),
        (Endpoint::Revocation, "https://lichess.org/api/token"),
        (Endpoint::Profile, "https://lichess.org/api/account"),
        (Endpoint::Other("emails"), "https://lichess.org/api/account/email"),
    ],
    scopes: &["email:read"],
    token: TokenSpec { client_auth: ClientAuth::None, ..TokenSpec::RFC6749 },
    revocation: RevocationSpec {
        access_tokens_only: true,
        method: RequestMethod::Delete,
        token: TokenPlace::Bearer,
        ..RevocationSpec::RFC7009
    },
    profile: ProfileSpec {
        email_at: None,
        name_at: Some("/username"),
        email_call: Some(EmailCall::EMAILS),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Lichess.
    pub struct LichessOAuth2 from SPEC;
}

oauth_core::authorize_params! {
    /// Lichess's own authorization parameters.
    pub struct LichessAuthorizeParams {
        /// The user who is expected to sign in; somebody else is asked to change accounts.
        pub username: Option<String>,
    }
}

impl Provider for LichessOAuth2 {
    oauth_core::accessors!();
}
