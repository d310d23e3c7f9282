//! Sign in with [Naver](https://developers.naver.com/docs/login/api/api.md).
//!
//! ```
//! use oauth_naver::{NaverOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let naver = NaverOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = naver.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(!login.url.contains("scope="));
//! # Ok(())
//! # }
//! ```
//!
//! What the application may see is set in Naver's console, so no scope is sent. The user can withhold any field, the
//! address too; Naver does not say whether it is verified.

pub use oauth_core;
use oauth_core::{
    Endpoint, OAuthError, Operation, Pkce, Provider, Result, Spec, async_trait, http::Method,
    provider_kit::text_at, serde_json::Value,
};

/// Naver's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "naver",
    display_name: "Naver",
    color: "#03c75a",
    docs: "https://developers.naver.com/docs/login/api/api.md",
    endpoints: &[
        (Endpoint::Authorization, "https://nid.naver.com/oauth2.0/authorize"),
        (Endpoint::Token, "https://nid.naver.com/oauth2.0/token"),
        (Endpoint::Refresh, "https://nid.naver.com/oauth2.0/token"),
        (Endpoint::Revocation, "https://nid.naver.com/oauth2.0/token"),
        (Endpoint::Profile, "https://openapi.naver.com/v1/nid/me"),
    ],
    revokes_access_tokens_only: true,
    pkce: Pkce::Unsupported,
    invalid_grant_codes: &["invalid_request"],
    name_at: Some("/name"),
    picture_at: Some("/profile_image"),
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Naver.
    pub struct NaverOAuth2 from SPEC;
}

#[async_trait]
impl Provider for NaverOAuth2 {
    oauth_core::accessors!();

    /// The profile without the envelope that tells whether the call succeeded.
    async fn get_profile(&self, access_token: &str) -> Result<Value> {
        let operation = Operation::GET_PROFILE;
        let url = self.oauth2.profile_endpoint()?;
        let reply = self.oauth2.request(operation, Method::GET, url).bearer(access_token).send().await?;
        let mut envelope = reply.object()?;
        match (text_at(&envelope, "/resultcode").as_deref(), envelope["response"].take()) {
            (None | Some("00"), profile @ Value::Object(_)) => Ok(profile),
            (None | Some("00"), _) => Err(reply.malformed("there is no object at /response")),
            (Some(code), _) => Err(reply.refused(OAuthError {
                code: code.to_owned(),
                description: text_at(&envelope, "/message"),
                uri: None,
            })),
        }
    }

    /// A call of the token endpoint with `grant_type=delete`.
    async fn revoke_token(&self, token: &str, token_type_hint: Option<&str>) -> Result<()> {
        let operation = Operation::REVOKE_TOKEN;
        let url = self.oauth2.revoke_endpoint()?;
        let form = [
            ("grant_type", "delete"),
            ("access_token", token),
            ("service_provider", "NAVER"),
            ("token_type_hint", token_type_hint.unwrap_or_default()),
        ];
        let call = self.oauth2.request(operation, Method::POST, url).form(form).client_auth(SPEC.client_auth);
        // Naver refuses under HTTP 200, so the body is looked at.
        call.send().await?.accepted()
    }
}
