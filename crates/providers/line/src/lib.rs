//! Sign in with [LINE](https://developers.line.biz/en/reference/line-login/).
//!
//! ```
//! use oauth_line::{LineOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let line = LineOAuth2::new("CHANNEL_ID", "CHANNEL_SECRET");
//! let login = line.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.attempt.nonce().is_some());
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create a channel "LINE Login" in the [console](https://developers.line.biz/console/), with each callback URL
//! exactly, and publish it: until then its developers alone can sign in. The scope `email` needs an approval there ("OpenID
//! Connect").
//!
//! **What you get.** The subject is the user's id, and the only thing to identify users by. The address is in the ID token
//! alone, never in UserInfo. [`get_identity`](Provider::get_identity) reads it there, so call it with the token of the login,
//! before the ID token expires (an hour); `get_id_email` never has it. LINE does not say whether it is verified. Access tokens
//! live 30 days, refresh tokens up to 90 days longer. Revoking a refresh token ends its access tokens; revoking an access token
//! ends that one alone.
//!
//! **Surprises.** LINE signs the ID tokens of web logins with the channel secret (HS256), and those that an app on a phone or a
//! LIFF app obtains with a key (ES256), though its metadata names only the latter
//! ([documentation](https://developers.line.biz/en/docs/line-login/verify-id-token/)). Both are verified, the latter by
//! [`verify_id_token`](oauth_openid::OpenIDProvider::verify_id_token). A refresh brings no ID token. A refresh token comes
//! without `offline_access`. There is no logout endpoint: LINE wants applications to revoke the token when a user logs out.
//! Revoking a token that is dead already is an error there.

pub use oauth_core;
use oauth_core::{
    Email, EmailVerification, Endpoint, Identity, OAuth2Token, Provider, Result, Spec, async_trait,
    http::StatusCode,
    provider_kit::{ProfileSpec, RevocationSpec, TokenPlace, text_at},
};
pub use oauth_openid;
use oauth_openid::{Algorithm, Expectations, OpenIDProvider, VerificationPolicy};

/// LINE's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "line",
    display_name: "LINE",
    color: "#06c755",
    docs: "https://developers.line.biz/en/reference/line-login/",
    issuer: Some("https://access.line.me"),
    endpoints: &[
        (Endpoint::Authorization, "https://access.line.me/oauth2/v2.1/authorize"),
        (Endpoint::Token, "https://api.line.me/oauth2/v2.1/token"),
        (Endpoint::Refresh, "https://api.line.me/oauth2/v2.1/token"),
        (Endpoint::Revocation, "https://api.line.me/oauth2/v2.1/revoke"),
        (Endpoint::Profile, "https://api.line.me/oauth2/v2.1/userinfo"),
        (Endpoint::Jwks, "https://api.line.me/oauth2/v2.1/certs"),
    ],
    scopes: &["openid", "profile"],
    revocation: RevocationSpec { token: TokenPlace::FieldByKind, ..RevocationSpec::RFC7009 },
    profile: ProfileSpec { email_at: None, email_verified_at: None, ..ProfileSpec::OPENID },
    ..Spec::OPENID
};

oauth_openid::client! {
    /// Signs users in with LINE.
    pub struct LineOAuth2 from SPEC, verified by policy();
}

fn policy() -> VerificationPolicy {
    VerificationPolicy::new().algorithms([Algorithm::HS256, Algorithm::ES256])
}

#[async_trait]
impl Provider for LineOAuth2 {
    oauth_core::accessors!();

    /// The address is in the ID token.
    async fn get_identity(&self, token: &OAuth2Token) -> Result<Identity> {
        let profile = self.get_profile_of(token).await?;
        let Some(id_token) = token.id_token() else { return self.oauth2.identity(profile) };
        // The login has checked its nonce.
        let expected = Expectations::new().without_nonce();
        let of_token = self.verify_id_token(id_token, &expected).await?.identity();
        let mut identity = self.oauth2.identity_under(Some(of_token.issuer), profile)?;
        identity.email = of_token.email;
        Ok(identity)
    }

    /// An address is a claim of the ID token, and nobody vouches for it.
    fn complete_identity(&self, identity: &mut Identity) {
        let address = text_at(&identity.profile, "/email");
        identity.email = address.map(|address| Email::new(address, EmailVerification::Unknown));
    }

    /// A refresh token takes its access tokens with it. LINE wants to know by the parameter's name which of the two a token is:
    /// without a hint, it is tried as an access token first.
    async fn revoke_token(&self, token: &str, token_type_hint: Option<&str>) -> Result<()> {
        match token_type_hint {
            None => match self.oauth2.revoke_token(token, Some("access_token")).await {
                Err(error) if error.status() == Some(StatusCode::BAD_REQUEST) => {
                    self.oauth2.revoke_token(token, Some("refresh_token")).await
                }
                outcome => outcome,
            },
            hint => self.oauth2.revoke_token(token, hint).await,
        }
    }
}
