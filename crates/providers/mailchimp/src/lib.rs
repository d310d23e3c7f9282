//! Sign in with [Mailchimp](https://mailchimp.com/developer/marketing/guides/access-user-data-oauth-2/).
//!
//! ```
//! use oauth_mailchimp::{MailchimpOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let mailchimp = MailchimpOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = mailchimp.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Register an app under "Extras", "Registered apps" of a Mailchimp account, with its redirect URI. For tests on this
//! machine it must be `http://127.0.0.1`, since `localhost` is refused.
//!
//! **What you get.** The subject is the `user_id` of the metadata: the Mailchimp account, which can have several logins. Who of them
//! signed in is in the profile's `login` (`login_id`, `email`). Mailchimp does not say whether it has verified an address. The token
//! does not expire. There are no refresh tokens and no revocation: users disconnect an app in their account.
//!
//! **Surprises.** The token reply says `expires_in` 0 and scope null, and means neither. There are no scopes. The API has a host per
//! data centre, `api_endpoint` in the profile. A dead token is told by an error under HTTP 200.
//!
//! Read on 2026-11-29. No page mentions PKCE; a challenge is sent, as by other libraries in production.

pub use oauth_core;
use oauth_core::{
    Endpoint, Provider, Spec,
    provider_kit::{ProfileSpec, TokenSpec},
};

/// Mailchimp's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "mailchimp",
    display_name: "Mailchimp",
    color: "#ffe01b",
    docs: "https://mailchimp.com/developer/marketing/guides/access-user-data-oauth-2/",
    endpoints: &[
        (Endpoint::Authorization, "https://login.mailchimp.com/oauth2/authorize"),
        (Endpoint::Token, "https://login.mailchimp.com/oauth2/token"),
        (Endpoint::Profile, "https://login.mailchimp.com/oauth2/metadata"),
    ],
    token: TokenSpec { never_expires_in: &[0], ..TokenSpec::RFC6749 },
    profile: ProfileSpec {
        id_at: "/user_id",
        email_at: Some("/login/email"),
        name_at: Some("/accountname"),
        picture_at: Some("/login/avatar"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Mailchimp.
    pub struct MailchimpOAuth2 from SPEC;
}

impl Provider for MailchimpOAuth2 {
    oauth_core::accessors!();
}
