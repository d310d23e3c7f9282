//! Sign in with [Slack](https://docs.slack.dev/authentication/sign-in-with-slack), and installation of Slack apps.
//!
//! ```
//! use oauth_slack::{SlackAppAuthorizeParams, SlackAppOAuth2, SlackOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let slack = SlackOAuth2::new("CLIENT_ID", "CLIENT_SECRET").with_team("T0123456789")?;
//! let login = slack.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.url.contains("team=T0123456789"));
//!
//! let app = SlackAppOAuth2::new("CLIENT_ID", "CLIENT_SECRET").with_scopes(["chat:write", "channels:read"]);
//! let params = SlackAppAuthorizeParams { user_scope: Some("users:read".into()), ..Default::default() };
//! let install = app.start_login("https://app.example/installed", LoginOptions::new().extras_params(&params)).await?;
//! assert!(install.url.contains("scope=chat%3Awrite%2Cchannels%3Aread"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an app at <https://api.slack.com/apps> and enter each redirect URL under "OAuth & Permissions": https, on this machine
//! too. Until the app is distributed, only the workspace that it belongs to can use it.
//!
//! **What you get.** The subject is the user's id. The same person is another user in each workspace, whose id is the claim
//! `https://slack.com/team_id`: whoever is for one workspace alone says so by [`with_team`](SlackOAuth2::with_team), which the ID token must
//! confirm. `email_verified` says that a mail was answered once, on `date_email_verified`. Access tokens do not expire unless the app
//! rotates its tokens: then they live twelve hours, with a refresh token that each refresh replaces. Revocation takes access tokens.
//!
//! **Surprises.** Errors come under HTTP 200 with `ok: false`. Logins send no code challenge, because Slack knows it only for apps that have
//! switched it on and are public clients from then on: [`with_pkce`](SlackOAuth2::with_pkce). The nonce ties the code to the browser.
//! [`SlackAppOAuth2`] installs an app by the other endpoints (`oauth.v2.access`).
//!
//! Read on 2026-11-23 and 2026-11-29: the vendor's pages, its metadata and public programs.

mod app;
mod methods;

pub use oauth_core;
use oauth_core::{
    ClientAuth, CodeChallengeMethod, Endpoint, Pkce, Provider, Result, Spec, parameter,
    provider_kit::{AuthorizationSpec, ConfirmedBy, LoginSpec, Restriction, TokenSpec},
};
pub use oauth_openid;

pub use crate::app::{APP_SPEC, SlackAppAuthorizeParams, SlackAppOAuth2};
use crate::methods::{ERRORS, REVOCATION};

/// Slack's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "slack",
    display_name: "Slack",
    color: "#4a154b",
    docs: "https://docs.slack.dev/authentication/sign-in-with-slack",
    issuer: Some("https://slack.com"),
    endpoints: &[
        (Endpoint::Authorization, "https://slack.com/openid/connect/authorize"),
        (Endpoint::Token, "https://slack.com/api/openid.connect.token"),
        (Endpoint::Refresh, "https://slack.com/api/openid.connect.token"),
        (Endpoint::Revocation, "https://slack.com/api/auth.revoke"),
        (Endpoint::Profile, "https://slack.com/api/openid.connect.userInfo"),
        (Endpoint::Jwks, "https://slack.com/openid/connect/keys"),
    ],
    scopes: &["openid", "profile", "email"],
    authorization: AuthorizationSpec { pkce: Pkce::Unsupported, ..AuthorizationSpec::RFC6749 },
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    revocation: REVOCATION,
    errors: ERRORS,
    login: LoginSpec {
        restrictions: &[Restriction::parameter("team", ConfirmedBy::IdToken, |asked, claims| {
            Restriction::same_at("/https:~1~1slack.com~1team_id", asked, claims)
        })],
        ..LoginSpec::RFC6749
    },
    ..Spec::OPENID
};

oauth_openid::client! {
    /// Signs users in with Slack.
    pub struct SlackOAuth2 from SPEC, configured by { team: with_team };
}

impl SlackOAuth2 {
    /// Signs in the members of this workspace only, by its id, such as `T0123456789`.
    ///
    /// # Errors
    ///
    /// A configuration error when the text is not an identifier.
    pub fn with_team(mut self, team: &str) -> Result<Self> {
        let team = parameter::segment("team", team).map_err(|error| error.at(SPEC.name))?;
        self.oauth2 = self.oauth2.with_authorize_param("team", team.to_owned());
        Ok(self)
    }

    /// Sends a code challenge, for an app that has switched [PKCE](https://docs.slack.dev/authentication/using-pkce) on. Such an app has no
    /// secret: the client is made with `ClientSecret::NONE`.
    #[must_use]
    pub fn with_pkce(mut self) -> Self {
        self.oauth2 = self.oauth2.with_pkce(Pkce::Challenge(CodeChallengeMethod::S256));
        self
    }
}

impl Provider for SlackOAuth2 {
    oauth_core::accessors!();
}
