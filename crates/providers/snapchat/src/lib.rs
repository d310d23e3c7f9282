//! Sign in with [Snapchat](https://developers.snap.com/snap-kit/login-kit/overview).
//!
//! ```
//! use oauth_snapchat::{SnapchatOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let snapchat = SnapchatOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = snapchat.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an app in the [developer portal](https://developers.snap.com) and enter each redirect URI, which is https. There are two
//! client ids, "confidential" and "public": the former has a secret, and for the latter pass `ClientSecret::NONE`. Until Snap has
//! approved the app, only its demo users can sign in.
//!
//! **What you get.** The subject is the external id, which is of this app alone and needs the scope `user.external_id`. There is no
//! address. Access tokens live an hour and come with a refresh token, which a refresh may replace. Revocation is as the standard has it.
//!
//! **Surprises.** Scopes are whole URLs. The profile is a GraphQL query, and asks for no Bitmoji: that needs a scope of its own, which the user
//! can decline. Snap describes PKCE for clients without a secret, so logins of the others send no challenge.
//!
//! Written from Snap's pages and public programs as of 2026-11-29. Programs read the profile at `kit.snapchat.com` (most, Snap's own older
//! pages among them) and at `api.snapkit.com`; [`with_endpoints`](oauth_core::Provider::with_endpoints) changes it. Snap's Marketing API has
//! another token endpoint and is not covered.

pub use oauth_core;
use oauth_core::{
    CodeChallengeMethod, Credentials, Endpoint, OAuth2, Pkce, Provider, Spec,
    provider_kit::{AuthorizationSpec, ProfileRequest, ProfileSpec},
};

/// Snapchat's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "snapchat",
    display_name: "Snapchat",
    color: "#fffc00",
    docs: "https://developers.snap.com/snap-kit/login-kit/overview",
    endpoints: &[
        (Endpoint::Authorization, "https://accounts.snapchat.com/accounts/oauth2/auth"),
        (Endpoint::Token, "https://accounts.snapchat.com/accounts/oauth2/token"),
        (Endpoint::Refresh, "https://accounts.snapchat.com/accounts/oauth2/token"),
        (Endpoint::Revocation, "https://accounts.snapchat.com/accounts/oauth2/revoke"),
        (Endpoint::Profile, "https://kit.snapchat.com/v1/me"),
    ],
    scopes: &[
        "https://auth.snapchat.com/oauth2/api/user.external_id",
        "https://auth.snapchat.com/oauth2/api/user.display_name",
    ],
    authorization: AuthorizationSpec { pkce: Pkce::Unsupported, ..AuthorizationSpec::RFC6749 },
    profile: ProfileSpec {
        id_at: "/me/externalId",
        email_at: None,
        name_at: Some("/me/displayName"),
        request: ProfileRequest::GraphQl("{ me { externalId displayName } }"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

/// Signs users in with Snapchat.
#[derive(Clone, Debug)]
pub struct SnapchatOAuth2 {
    oauth2: OAuth2,
}

impl SnapchatOAuth2 {
    /// A client with the id and the secret that Snap issued to your application.
    pub fn new(client_id: impl Into<String>, credentials: impl Into<Credentials>) -> Self {
        let credentials = credentials.into();
        let is_public = credentials.are_none();
        let oauth2 = OAuth2::from_spec(&SPEC, client_id, credentials);
        match is_public {
            true => Self { oauth2: oauth2.with_pkce(Pkce::Challenge(CodeChallengeMethod::S256)) },
            false => Self { oauth2 },
        }
    }
}

oauth_core::configure!(SnapchatOAuth2);

impl Provider for SnapchatOAuth2 {
    oauth_core::accessors!();
}
