//! Sign in with [Yahoo](https://developer.yahoo.com/oauth2/guide/openid_connect/).
//!
//! ```
//! use oauth_yahoo::{YahooOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let yahoo = YahooOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = yahoo.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.attempt.nonce().is_some());
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an app at <https://developer.yahoo.com/apps/>, with the API permissions "OpenID Connect Permissions:
//! Email, Profile". Redirect URIs must be https on the usual port; `localhost` is refused.
//!
//! **What you get.** Yahoo may hand out an address and say that it is not verified; `get_id_email` then leaves it out. It hosts
//! the mailboxes of [`mailbox_addresses`]. Access tokens live an hour, and refresh tokens rotate.
//!
//! **Surprises.** Yahoo's metadata names no method for PKCE, so logins send no challenge: the nonce is what ties a code to the
//! browser here.

pub use oauth_core;
use oauth_core::{
    ClientAuth, EmailAuthority, Endpoint, Pkce, Provider, Result, Spec,
    provider_kit::{AuthorizationSpec, NativeSpec, TokenSpec},
};
pub use oauth_openid;
use oauth_openid::{Algorithm, VerificationPolicy};

/// Yahoo's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "yahoo",
    display_name: "Yahoo",
    color: "#5f01d1",
    docs: "https://developer.yahoo.com/oauth2/guide/openid_connect/",
    issuer: Some("https://api.login.yahoo.com"),
    endpoints: &[
        (Endpoint::Authorization, "https://api.login.yahoo.com/oauth2/request_auth"),
        (Endpoint::Token, "https://api.login.yahoo.com/oauth2/get_token"),
        (Endpoint::Refresh, "https://api.login.yahoo.com/oauth2/get_token"),
        (Endpoint::Revocation, "https://api.login.yahoo.com/oauth2/revoke"),
        (Endpoint::Profile, "https://api.login.yahoo.com/openid/v1/userinfo"),
        (Endpoint::Jwks, "https://api.login.yahoo.com/openid/v1/certs"),
    ],
    scopes: &["openid", "email", "profile"],
    authorization: AuthorizationSpec { pkce: Pkce::Unsupported, ..AuthorizationSpec::RFC6749 },
    token: TokenSpec {
        client_auth: ClientAuth::Basic,
        invalid_grant_codes: &["INVALID_REFRESH_TOKEN"],
        ..TokenSpec::RFC6749
    },
    native: NativeSpec { loopback_hosts: &[], ..NativeSpec::RFC8252 },
    ..Spec::OPENID
};

oauth_openid::client! {
    /// Signs users in with Yahoo.
    pub struct YahooOAuth2 from SPEC, verified by policy();
}

/// The statement that Yahoo is authoritative for the addresses of which it hosts the mailboxes, as far as they are known for certain:
/// yahoo.co.jp belongs to another company, and accounts of aol.com sign in elsewhere.
///
/// No page of Yahoo's has the list; mail programs and the npm package `validator` (13.15, `normalizeEmail`) do. In 2013 Yahoo gave addresses
/// that had not been used for a year to others. Hence it is for the application to choose, with
/// [`LinkPolicy::believing`](oauth_core::LinkPolicy::believing).
///
/// # Errors
///
/// A configuration error, should one of the list be no domain.
pub fn mailbox_addresses() -> Result<EmailAuthority> {
    let domains = [
        "yahoo.com",
        "ymail.com",
        "rocketmail.com",
        "yahoo.ca",
        "yahoo.co.uk",
        "yahoo.de",
        "yahoo.fr",
        "yahoo.in",
        "yahoo.it",
        "yahoo.com.br",
    ];
    EmailAuthority::for_domains("https://api.login.yahoo.com", domains)
}

/// Those that its metadata names.
fn policy() -> VerificationPolicy {
    VerificationPolicy::new().algorithms([Algorithm::ES256, Algorithm::RS256])
}

impl Provider for YahooOAuth2 {
    oauth_core::accessors!();
}
