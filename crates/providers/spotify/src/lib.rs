//! Sign in with [Spotify](https://developer.spotify.com/documentation/web-api/tutorials/code-flow).
//!
//! ```
//! use oauth_spotify::{SpotifyAuthorizeParams, SpotifyOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let spotify = SpotifyOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let params = SpotifyAuthorizeParams { show_dialog: Some(true) };
//! let login = spotify.start_login("https://app.example/callback", LoginOptions::new().extras_params(&params)).await?;
//! assert!(login.url.contains("show_dialog=true"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an app in the [dashboard](https://developer.spotify.com/dashboard) and enter each redirect URI exactly: https, or
//! http with a loopback address such as `127.0.0.1`; `localhost` is refused. A new app is in development mode, in which five users that
//! its owner has listed can sign in, and the owner needs Spotify Premium.
//!
//! **What you get.** The subject is Spotify's `account_id`, by which the vendor says to link accounts since May 2026: the `id` beside it
//! can change. The address needs the scope `user-read-email`, and Spotify does not verify it: its verification is unknown. Access tokens
//! live an hour; a refresh replaces the refresh token. There is no revocation: users remove an app on their account page.
//!
//! **Surprises.** In development mode there is no address, whatever the scopes are. Many accounts have no picture.
//!
//! Read on 2026-11-29: the vendor's pages on the [changes of May 2026](https://developer.spotify.com/documentation/web-api/references/changes/may-2026)
//! and on the [migration of February 2026](https://developer.spotify.com/documentation/web-api/tutorials/february-2026-migration-guide).

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Provider, Spec,
    provider_kit::{LoopbackHost, NativeSpec, ProfileSpec, TokenSpec},
};

/// Spotify's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "spotify",
    display_name: "Spotify",
    color: "#1db954",
    docs: "https://developer.spotify.com/documentation/web-api/tutorials/code-flow",
    endpoints: &[
        (Endpoint::Authorization, "https://accounts.spotify.com/authorize"),
        (Endpoint::Token, "https://accounts.spotify.com/api/token"),
        (Endpoint::Refresh, "https://accounts.spotify.com/api/token"),
        (Endpoint::Profile, "https://api.spotify.com/v1/me"),
    ],
    scopes: &["user-read-email"],
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    profile: ProfileSpec {
        id_at: "/account_id",
        name_at: Some("/display_name"),
        picture_at: Some("/images/0/url"),
        ..ProfileSpec::RFC6749
    },
    native: NativeSpec { loopback_hosts: &[LoopbackHost::V4, LoopbackHost::V6], ..NativeSpec::RFC8252 },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Spotify.
    pub struct SpotifyOAuth2 from SPEC;
}

oauth_core::authorize_params! {
    /// Spotify's own authorization parameters.
    pub struct SpotifyAuthorizeParams {
        /// Whether users who have approved the application are asked again.
        pub show_dialog: Option<bool>,
    }
}

impl Provider for SpotifyOAuth2 {
    oauth_core::accessors!();
}
