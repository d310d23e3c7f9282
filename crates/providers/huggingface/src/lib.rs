//! Sign in with [Hugging Face](https://huggingface.co/docs/hub/en/oauth).
//!
//! ```
//! use oauth_huggingface::{HuggingFaceOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let hugging_face = HuggingFaceOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = hugging_face.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.url.contains("nonce="));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an app under [Connected Applications](https://huggingface.co/settings/applications/new) with each redirect URI and the
//! scopes that it may ask for. A Space gets one by itself with `hf_oauth: true` in its README.
//!
//! **What you get.** The subject is the account's id. The address needs the scope `email` and is verified by a link in a mail. Tokens for
//! the Hub need scopes of their own, such as `read-repos` or `inference-api`. Either token can be revoked.
//!
//! **Surprises.** Organizations are in the claim `orgs`, and only as far as the user granted them. Access tokens are not JWTs: who is sent
//! one asks UserInfo.
//!
//! Read on 2026-11-23 and 2026-11-29: copies of the metadata, and public programs.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Provider, Spec,
    provider_kit::{RevocationSpec, TokenSpec},
};
pub use oauth_openid;

/// Hugging Face's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "huggingface",
    display_name: "Hugging Face",
    color: "#ffd21e",
    docs: "https://huggingface.co/docs/hub/en/oauth",
    issuer: Some("https://huggingface.co"),
    endpoints: &[
        (Endpoint::Authorization, "https://huggingface.co/oauth/authorize"),
        (Endpoint::Token, "https://huggingface.co/oauth/token"),
        (Endpoint::Refresh, "https://huggingface.co/oauth/token"),
        (Endpoint::Revocation, "https://huggingface.co/oauth/revoke"),
        (Endpoint::DeviceAuthorization, "https://huggingface.co/oauth/device"),
        (Endpoint::Profile, "https://huggingface.co/oauth/userinfo"),
        (Endpoint::Jwks, "https://huggingface.co/oauth/jwks"),
    ],
    scopes: &["openid", "profile", "email"],
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    // The programs that revoke send the secret in the form.
    revocation: RevocationSpec { client_auth: Some(ClientAuth::Post), ..RevocationSpec::RFC7009 },
    ..Spec::OPENID
};

oauth_openid::client! {
    /// Signs users in with Hugging Face.
    pub struct HuggingFaceOAuth2 from SPEC;
}

impl Provider for HuggingFaceOAuth2 {
    oauth_core::accessors!();
}
