//! Sign in with [VK ID](https://id.vk.com/about/business/go/docs/en/vkid/latest/vk-id/connection/api-integration/api-description).
//!
//! ```
//! use oauth_vkid::{VKIDOAuth2, oauth_core::{ClientSecret, LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let vkid = VKIDOAuth2::new("APP_ID", ClientSecret::NONE);
//! let login = vkid.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.url.contains("code_challenge_method=S256"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an application for the web at <https://id.vk.com/about/business/go>, enter the base domain and each trusted redirect
//! URL, and switch the access to the address on. The client id is the application's number. A secret is not sent.
//!
//! **What you get.** The subject is the account's number. The address needs the scope `email`, and VK ID does not say whether it is
//! verified: its verification is unknown (`verified` in the profile is a tick for well-known accounts). Access tokens live an hour. Each
//! refresh replaces both tokens. Revocation takes access tokens and ends the whole authorization.
//!
//! **Surprises.** The callback brings a `device_id`, without which neither the code nor a refresh token is worth anything. The login keeps it
//! in its token, so refresh with the [whole token](oauth_core::Provider::refresh), as a token manager does. The profile is a POST with the
//! token in its form. An ID token is not looked at, because no metadata and no keys for it are documented. The older VK has applications of
//! its own, which do not work here.
//!
//! Read on 2026-11-23 and 2026-11-29: the vendor's page and public programs.

pub use oauth_core;
use oauth_core::{
    ClientAuth, CodeVerifier, Endpoint, OAuth2Token, Provider, Result, Spec, async_trait,
    provider_kit::{ProfileRequest, ProfileSpec, RevocationSpec, TokenPlace, TokenSpec},
    serde_json::{self, Map, Value},
};

/// VK ID's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "vkid",
    display_name: "VK ID",
    color: "#0077ff",
    docs: "https://id.vk.com/about/business/go/docs/en/vkid/latest/vk-id/connection/api-integration/api-description",
    endpoints: &[
        (Endpoint::Authorization, "https://id.vk.com/authorize"),
        (Endpoint::Token, "https://id.vk.com/oauth2/auth"),
        (Endpoint::Refresh, "https://id.vk.com/oauth2/auth"),
        (Endpoint::Revocation, "https://id.vk.com/oauth2/revoke"),
        (Endpoint::Profile, "https://id.vk.com/oauth2/user_info"),
    ],
    scopes: &["email"],
    token: TokenSpec {
        client_auth: ClientAuth::None,
        callback_params: &["device_id", "state"],
        ..TokenSpec::RFC6749
    },
    revocation: RevocationSpec {
        access_tokens_only: true,
        token: TokenPlace::Field("access_token"),
        ..RevocationSpec::RFC7009
    },
    profile: ProfileSpec {
        id_at: "/user/user_id",
        email_at: Some("/user/email"),
        name_parts_at: &["/user/first_name", "/user/last_name"],
        picture_at: Some("/user/avatar"),
        request: ProfileRequest::PostForm(&[("client_id", "{client_id}")]),
        token: TokenPlace::Field("access_token"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

/// Where the token keeps the device that it is bound to.
const DEVICE_ID: &str = "device_id";

oauth_core::client! {
    /// Signs users in with VK ID.
    pub struct VKIDOAuth2 from SPEC;
}

oauth_core::authorize_params! {
    /// VK ID's own authorization parameters.
    pub struct VKIDAuthorizeParams {
        /// `login` to make users sign in again, `consent` to ask for their consent again.
        pub prompt: Option<String>,
        /// The provider of the account: `vkid`, `ok_ru` or `mail_ru`.
        pub provider: Option<String>,
        /// The language of the page, as a number: 0 for Russian, 3 for English.
        pub lang_id: Option<u32>,
        /// `light` or `dark`.
        pub scheme: Option<String>,
    }
}

#[async_trait]
impl Provider for VKIDOAuth2 {
    oauth_core::accessors!();

    /// Keeps the device of the callback in the token: a refresh asks for it.
    async fn get_access_token(
        &self,
        code: &str,
        redirect_uri: &str,
        code_verifier: Option<&CodeVerifier>,
        extra: &[(&str, &str)],
    ) -> Result<OAuth2Token> {
        let token = self.oauth2.get_access_token(code, redirect_uri, code_verifier, extra).await?;
        let device = extra.iter().find(|(name, _)| *name == DEVICE_ID);
        Ok(device.map_or(token.clone(), |(_, device)| bound_to(device, token)))
    }

    async fn refresh(&self, token: &OAuth2Token, scopes: Option<&[&str]>) -> Result<OAuth2Token> {
        self.refresh_with(token, scopes, &[]).await
    }

    /// Sends the device that the token is bound to, and a state, which VK ID demands here too.
    async fn refresh_with(
        &self,
        token: &OAuth2Token,
        scopes: Option<&[&str]>,
        extra: &[(&str, &str)],
    ) -> Result<OAuth2Token> {
        let Some(Value::String(device)) = token.get(DEVICE_ID) else {
            return self.oauth2.refresh_with(token, scopes, extra).await;
        };
        let state = oauth_core::random_token()?;
        let own = [(DEVICE_ID, device.as_str()), ("state", state.as_str())];
        let extra: Vec<_> = extra.iter().copied().chain(own).collect();
        let new = self.oauth2.refresh_with(token, scopes, &extra).await?;
        Ok(bound_to(&device, new))
    }
}

/// The token with the device that it is bound to.
fn bound_to(device: &str, token: OAuth2Token) -> OAuth2Token {
    let mut fields = Map::from(token.clone());
    fields.insert(DEVICE_ID.to_owned(), device.into());
    serde_json::from_value(Value::Object(fields)).unwrap_or(token)
}
