//! Sign in with any [OpenID Connect](https://openid.net/specs/openid-connect-core-1_0.html) provider.
//!
//! ```no_run
//! use oauth_openid::{OpenID, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! // The issuer, or the URL of its openid-configuration.
//! let client = OpenID::discover("CLIENT_ID", "CLIENT_SECRET", "https://login.example.com").await?;
//! let login = client.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Endpoints, client authentication and supported grants come from the provider's metadata. [`Discovery`] is for those who
//! need another HTTP client, or whose provider keeps its document elsewhere; [`ProviderMetadata`] can also be written by
//! hand, for those who want no request at start.
//!
//! The identity comes from UserInfo. ID tokens are handed out unverified by
//! [`OAuth2Token::id_token`](oauth_core::OAuth2Token::id_token): do not rely on their claims yet. A UserInfo reply that is
//! signed is refused, because its signature could not be checked.

mod client;
mod discovery;
mod metadata;

pub use client::{OpenID, SPEC};
pub use discovery::Discovery;
pub use metadata::ProviderMetadata;
pub use oauth_core;
