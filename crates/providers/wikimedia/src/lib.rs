//! Sign in with [Wikimedia](https://www.mediawiki.org/wiki/OAuth/For_Developers): the account of Wikipedia and its sister projects, or of
//! another wiki.
//!
//! ```
//! use oauth_wikimedia::{WikimediaOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! // Wikimedia wants to know whom to write to before it blocks an application.
//! let wikimedia = WikimediaOAuth2::new("CLIENT_ID", "CLIENT_SECRET")
//!     .with_user_agent("example-app/1.0 (https://app.example; ops@app.example)")?;
//! let login = wikimedia.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Propose an OAuth 2.0 consumer at [Meta-Wiki](https://meta.wikimedia.org/wiki/Special:OAuthConsumerRegistration/propose/oauth2), with
//! its callback URL exactly. It works for its owner alone until it is approved. What it may see is chosen there ("User identity
//! verification only", with or without the real name and the e-mail address), so logins ask for no scopes.
//!
//! **What you get.** The subject is the account's central number; the user name can change. The address is there only if the consumer
//! may see it and the user has one. `confirmed_email` says whether a link in a mail to it was followed. A refresh token replaces itself.
//! Nothing is revoked here: users do that under "Connected applications".
//!
//! **Surprises.** Requests need a `User-Agent` that names the application and says whom to contact, as in the example; generic ones are
//! throttled. Every MediaWiki with the extension OAuth has the same endpoints: see
//! [`with_rest_base`](WikimediaOAuth2::with_rest_base).
//!
//! Written from MediaWiki's pages and public programs as of 2026-11-29. No page was found that says how long tokens live.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Provider, Result, Spec, parameter,
    provider_kit::{ProfileSpec, TokenSpec},
};

/// Wikimedia's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "wikimedia",
    display_name: "Wikimedia",
    color: "#006699",
    docs: "https://www.mediawiki.org/wiki/OAuth/For_Developers",
    identity_issuer: Some("https://meta.wikimedia.org"),
    endpoints: &[
        (Endpoint::Authorization, "https://meta.wikimedia.org/w/rest.php/oauth2/authorize"),
        (Endpoint::Token, "https://meta.wikimedia.org/w/rest.php/oauth2/access_token"),
        (Endpoint::Refresh, "https://meta.wikimedia.org/w/rest.php/oauth2/access_token"),
        (Endpoint::Profile, "https://meta.wikimedia.org/w/rest.php/oauth2/resource/profile"),
    ],
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    profile: ProfileSpec {
        id_at: "/sub",
        email_verified_at: Some("/confirmed_email"),
        name_at: Some("/username"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

const META_WIKI: &str = "https://meta.wikimedia.org/w/rest.php";

oauth_core::client! {
    /// Signs users in with Wikimedia.
    pub struct WikimediaOAuth2 from SPEC, configured by {
        rest_base: with_rest_base,
        user_agent: with_user_agent
    };
}

impl WikimediaOAuth2 {
    /// Uses another wiki, by the URL of its REST API, such as `https://wiki.example.com/w/rest.php`. Its users are known under that URL.
    ///
    /// # Errors
    ///
    /// A configuration error unless it is an https URL without query and fragment, and where the endpoints were moved before.
    pub fn with_rest_base(mut self, rest_base: &str) -> Result<Self> {
        let rest_base = parameter::base_url("rest_base", rest_base).map_err(|error| error.at(SPEC.name))?;
        self.oauth2 =
            self.oauth2.with_installation(rest_base.clone(), |all| all.rebased(META_WIKI, &rest_base))?;
        Ok(self)
    }
}

impl Provider for WikimediaOAuth2 {
    oauth_core::accessors!();
}
