//! Sign in with [Vimeo](https://developer.vimeo.com/api/authentication).
//!
//! ```
//! use oauth_vimeo::{VimeoOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let vimeo = VimeoOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = vimeo.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an app under [My Apps](https://developer.vimeo.com/apps) and enter each callback URL exactly: a query that was not
//! registered is refused. Scopes beyond `public` and `private`, such as `upload`, need Vimeo's approval.
//!
//! **What you get.** The subject is the account's number, which is the end of the profile's `uri` (`/users/NUMBER`). There is no
//! address. Access tokens do not expire, so that there is nothing to refresh; revocation takes one.
//!
//! **Surprises.** The API's version is asked for by the header `Accept`. The token reply has the user as well, in `user`.
//!
//! Written from public programs as of 2026-11-29, which agree; no page of Vimeo's was read.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Identity, Provider, Spec,
    provider_kit::{ProfileSpec, RequestMethod, RevocationSpec, TokenPlace, TokenSpec},
};

/// Vimeo's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "vimeo",
    display_name: "Vimeo",
    color: "#1ab7ea",
    docs: "https://developer.vimeo.com/api/authentication",
    endpoints: &[
        (Endpoint::Authorization, "https://api.vimeo.com/oauth/authorize"),
        (Endpoint::Token, "https://api.vimeo.com/oauth/access_token"),
        (Endpoint::Revocation, "https://api.vimeo.com/tokens"),
        (Endpoint::Profile, "https://api.vimeo.com/me"),
    ],
    scopes: &["public"],
    headers: &[("accept", "application/vnd.vimeo.*+json;version=3.4")],
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    revocation: RevocationSpec {
        access_tokens_only: true,
        method: RequestMethod::Delete,
        token: TokenPlace::Bearer,
        ..RevocationSpec::RFC7009
    },
    profile: ProfileSpec { id_at: "/uri", email_at: None, name_at: Some("/name"), ..ProfileSpec::RFC6749 },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Vimeo.
    pub struct VimeoOAuth2 from SPEC;
}

impl Provider for VimeoOAuth2 {
    oauth_core::accessors!();

    /// `/users/152184` is user 152184.
    fn complete_identity(&self, identity: &mut Identity) {
        if let Some(number) = identity.subject.strip_prefix("/users/") {
            identity.subject = number.to_owned();
        }
    }
}
