//! Sign in with [Kakao](https://developers.kakao.com/docs/latest/en/kakaologin/rest-api).
//!
//! ```
//! use oauth_kakao::{KakaoOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let kakao = KakaoOAuth2::new("REST_API_KEY", "CLIENT_SECRET");
//! let login = kakao.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.url.contains("scope=profile_nickname%2Caccount_email"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Add an application in the [console](https://developers.kakao.com/console/app), switch Kakao Login on and
//! register each redirect URI exactly. The consent items for nickname (`profile_nickname`), address (`account_email`, for
//! verified businesses) and picture (`profile_image`) must be switched on there; so must OpenID Connect for an ID token. The
//! client id is the REST API key. The client secret is optional: pass `ClientSecret::NONE` if the application has none.
//!
//! **What you get.** The subject is the number of the user in this application. An address counts as verified if Kakao says
//! that it is both verified and valid; ID tokens say nothing of that. The picture needs the scope `profile_image`, which is not
//! asked for by default. Access tokens live six hours, refresh tokens two months.
//!
//! **Surprises.** Scopes have commas between them. Revoking an access token unlinks the user from the application, with all
//! tokens. An ID token, which is then verified, needs the scope `openid`.

pub use oauth_core;
use oauth_core::{
    EmailVerification, Endpoint, Identity, Provider, Spec,
    provider_kit::{AuthorizationSpec, ProfileSpec, RevocationSpec, TokenPlace},
};
pub use oauth_openid;
use oauth_openid::VerificationPolicy;

/// Kakao's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "kakao",
    display_name: "Kakao",
    color: "#fee500",
    docs: "https://developers.kakao.com/docs/latest/en/kakaologin/rest-api",
    issuer: Some("https://kauth.kakao.com"),
    endpoints: &[
        (Endpoint::Authorization, "https://kauth.kakao.com/oauth/authorize"),
        (Endpoint::Token, "https://kauth.kakao.com/oauth/token"),
        (Endpoint::Refresh, "https://kauth.kakao.com/oauth/token"),
        (Endpoint::Revocation, "https://kapi.kakao.com/v1/user/unlink"),
        (Endpoint::Profile, "https://kapi.kakao.com/v2/user/me"),
        (Endpoint::Jwks, "https://kauth.kakao.com/.well-known/jwks.json"),
    ],
    scopes: &["profile_nickname", "account_email"],
    authorization: AuthorizationSpec { scope_separator: ",", ..AuthorizationSpec::RFC6749 },
    revocation: RevocationSpec {
        access_tokens_only: true,
        token: TokenPlace::Bearer,
        ..RevocationSpec::RFC7009
    },
    profile: ProfileSpec {
        email_at: Some("/kakao_account/email"),
        email_verified_at: Some("/kakao_account/is_email_verified"),
        name_at: Some("/kakao_account/profile/nickname"),
        picture_at: Some("/kakao_account/profile/profile_image_url"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_openid::client! {
    /// Signs users in with Kakao.
    pub struct KakaoOAuth2 from SPEC, verified by VerificationPolicy::new().profile_id_claim("sub");
}

impl Provider for KakaoOAuth2 {
    oauth_core::accessors!();

    /// An address can be verified and yet no longer valid, when another account has taken it.
    fn complete_identity(&self, identity: &mut Identity) {
        let valid = EmailVerification::of(identity.profile.pointer("/kakao_account/is_email_valid"));
        if let Some(email) = identity.email.as_mut().filter(|_| valid == EmailVerification::Unverified) {
            email.verification = EmailVerification::Unverified;
        }
    }
}
