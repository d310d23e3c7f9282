//! Sign in with [Reddit](https://github.com/reddit-archive/reddit/wiki/OAuth2).
//!
//! ```
//! use oauth_reddit::{RedditOAuth2, oauth_core::Provider};
//!
//! let reddit = RedditOAuth2::new("CLIENT_ID", "CLIENT_SECRET")
//!     .with_user_agent("linux:org.example.app:v1.2.3 (by /u/example)")?;
//! # Ok::<(), oauth_core::Error>(())
//! ```
//!
//! **Set up.** Applications are registered at <https://www.reddit.com/prefs/apps>, with one redirect URI each. New ones need
//! Reddit's approval since November 2025 ([policy](https://support.reddithelp.com/hc/articles/42728983564564)); existing ones
//! go on. An installed application has no secret: pass `ClientSecret::NONE`.
//!
//! **What you get.** The subject is the `id` that stays when the user's name changes, and the name is the user's name. Reddit
//! never gives the address. A refresh token needs `duration=permanent`, which is sent; `duration=temporary` gives a token for
//! an hour.
//!
//! **Surprises.** Reddit answers 429 to a missing or common `User-Agent`; the client sends one that names its id until it is
//! told a better one. Users must approve at every sign-in.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Credentials, Endpoint, Identity, OAuth2, Pkce, Provider, Spec,
    provider_kit::{AuthorizationSpec, ProfileSpec, TokenSpec},
};

/// Reddit's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "reddit",
    display_name: "Reddit",
    color: "#ff4500",
    docs: "https://github.com/reddit-archive/reddit/wiki/OAuth2",
    endpoints: &[
        (Endpoint::Authorization, "https://www.reddit.com/api/v1/authorize"),
        (Endpoint::Token, "https://www.reddit.com/api/v1/access_token"),
        (Endpoint::Refresh, "https://www.reddit.com/api/v1/access_token"),
        (Endpoint::Revocation, "https://www.reddit.com/api/v1/revoke_token"),
        (Endpoint::Profile, "https://oauth.reddit.com/api/v1/me"),
    ],
    scopes: &["identity"],
    authorization: AuthorizationSpec {
        pkce: Pkce::Unsupported,
        params: &[("duration", "permanent")],
        ..AuthorizationSpec::RFC6749
    },
    token: TokenSpec {
        client_auth: ClientAuth::Basic,
        // A bad request is all that it says of a refresh token that is dead.
        invalid_grant_codes: &["400"],
        ..TokenSpec::RFC6749
    },
    profile: ProfileSpec {
        email_at: None,
        name_at: Some("/name"),
        picture_at: Some("/icon_img"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

/// Signs users in with Reddit.
#[derive(Clone, Debug)]
pub struct RedditOAuth2 {
    oauth2: OAuth2,
}

impl RedditOAuth2 {
    /// A client with the id and the secret that Reddit issued to your application; `ClientSecret::NONE` for an installed
    /// application, which has none.
    pub fn new(client_id: impl Into<String>, credentials: impl Into<Credentials>) -> Self {
        let credentials = credentials.into();
        // Who has no secret sends Basic credentials all the same, with an empty password.
        let credentials = if credentials.are_none() { Credentials::from("") } else { credentials };
        let oauth2 = OAuth2::from_spec(&SPEC, client_id, credentials);
        let user_agent = format!("rust:{}:v{}", oauth2.client_id(), env!("CARGO_PKG_VERSION"));
        // An id that no header can carry is not Reddit's; the common User-Agent then stays.
        Self { oauth2: oauth2.clone().with_user_agent(&user_agent).unwrap_or(oauth2) }
    }
}

oauth_core::configure!(RedditOAuth2, configured by { user_agent: with_user_agent });

impl Provider for RedditOAuth2 {
    oauth_core::accessors!();

    /// Reddit's JSON is escaped as HTML is.
    fn complete_identity(&self, identity: &mut Identity) {
        identity.picture = identity.picture.take().map(|url| url.replace("&amp;", "&"));
    }
}
