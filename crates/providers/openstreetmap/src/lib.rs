//! Sign in with [OpenStreetMap](https://wiki.openstreetmap.org/wiki/OAuth).
//!
//! ```
//! use oauth_openstreetmap::{OpenStreetMapOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let osm = OpenStreetMapOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = osm.start_login("https://app.example/callback", LoginOptions::new()).await?;
//!
//! // For tests there is a server with accounts of its own.
//! let dev = OpenStreetMapOAuth2::new("CLIENT_ID", "CLIENT_SECRET").with_base_url("https://master.apis.dev.openstreetmap.org")?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Register an application under "OAuth 2 applications" of an account's settings, with each redirect URI (https, or http on
//! `127.0.0.1`) and the permission "Read user preferences". Without the tick at "Confidential application" it has no secret: pass
//! `ClientSecret::NONE`.
//!
//! **What you get.** The subject is the account's number; the display name can change. No address is handed out. Access tokens do not
//! expire and there is no refresh token; revocation takes the access token.
//!
//! **Surprises.** The API has a host of its own, `api.openstreetmap.org`. An ID token, which the scope `openid` brings, is not looked at.
//!
//! Written from OpenStreetMap's wiki and public programs as of 2026-11-29.

pub use oauth_core;
use oauth_core::{Endpoint, Provider, Result, Spec, parameter, provider_kit::ProfileSpec};

/// OpenStreetMap's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "openstreetmap",
    display_name: "OpenStreetMap",
    color: "#7ebc6f",
    docs: "https://wiki.openstreetmap.org/wiki/OAuth",
    issuer: Some(WEBSITE),
    endpoints: &[
        (Endpoint::Authorization, "https://www.openstreetmap.org/oauth2/authorize"),
        (Endpoint::Token, "https://www.openstreetmap.org/oauth2/token"),
        (Endpoint::Revocation, "https://www.openstreetmap.org/oauth2/revoke"),
        (Endpoint::Introspection, "https://www.openstreetmap.org/oauth2/introspect"),
        (Endpoint::Profile, "https://api.openstreetmap.org/api/0.6/user/details.json"),
    ],
    scopes: &["read_prefs"],
    profile: ProfileSpec {
        id_at: "/user/id",
        email_at: None,
        name_at: Some("/user/display_name"),
        picture_at: Some("/user/img/href"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

const WEBSITE: &str = "https://www.openstreetmap.org";

oauth_core::client! {
    /// Signs users in with OpenStreetMap.
    pub struct OpenStreetMapOAuth2 from SPEC, configured by { base_url: with_base_url };
}

impl OpenStreetMapOAuth2 {
    /// Uses another server of OpenStreetMap's software, for website and API both.
    ///
    /// # Errors
    ///
    /// A configuration error unless it is an https URL without query and fragment, and where the endpoints were moved before.
    pub fn with_base_url(mut self, base_url: &str) -> Result<Self> {
        let base_url = parameter::base_url("base_url", base_url).map_err(|error| error.at(SPEC.name))?;
        self.oauth2 = self.oauth2.with_installation(base_url.clone(), |all| {
            all.rebased(WEBSITE, &base_url).rebased("https://api.openstreetmap.org", &base_url)
        })?;
        Ok(self)
    }
}

impl Provider for OpenStreetMapOAuth2 {
    oauth_core::accessors!();
}
