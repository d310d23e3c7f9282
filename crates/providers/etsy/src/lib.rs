//! Sign in with [Etsy](https://developers.etsy.com/documentation/essentials/authentication/).
//!
//! ```
//! use oauth_etsy::{EtsyOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let etsy = EtsyOAuth2::new("KEYSTRING", "SHARED_SECRET");
//! let login = etsy.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an app under [Your Apps](https://www.etsy.com/developers/your-apps) and enter each callback URL, which is https. The client
//! id is the keystring, and the shared secret is beside it. Etsy approves apps; for those of many sellers it wants commercial access.
//!
//! **What you get.** The subject is the user's number. Address and name need the scope `email_r`, and Etsy does not say whether the address is
//! verified. Access tokens live an hour, refresh tokens ninety days; each refresh replaces the refresh token. Nothing can be revoked.
//!
//! **Surprises.** The secret is not for the token endpoint, which takes PKCE alone, but for the API: since February 2026 its header
//! `x-api-key` is keystring and shared secret with a colon between them. Without a secret, a profile cannot be read. A
//! token begins with the user's number and a dot, which belong to it.
//!
//! Written from Etsy's pages and announcements and public programs as of 2026-11-29.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Error, OAuth2, OAuth2Token, Operation, Provider, Result, Spec, async_trait,
    http::Method,
    provider_kit::{ProfileSpec, TokenSpec},
    serde_json::Value,
};

/// Etsy's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "etsy",
    display_name: "Etsy",
    color: "#f16521",
    docs: "https://developers.etsy.com/documentation/essentials/authentication/",
    endpoints: &[
        (Endpoint::Authorization, "https://www.etsy.com/oauth/connect"),
        (Endpoint::Token, "https://api.etsy.com/v3/public/oauth/token"),
        (Endpoint::Refresh, "https://api.etsy.com/v3/public/oauth/token"),
        (Endpoint::Profile, "https://openapi.etsy.com/v3/application/users"),
    ],
    scopes: &["email_r"],
    token: TokenSpec { client_auth: ClientAuth::None, ..TokenSpec::RFC6749 },
    profile: ProfileSpec {
        id_at: "/user_id",
        email_at: Some("/primary_email"),
        name_parts_at: &["/first_name", "/last_name"],
        picture_at: Some("/image_url_75x75"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Etsy.
    pub struct EtsyOAuth2 from SPEC;
}

#[async_trait]
impl Provider for EtsyOAuth2 {
    oauth_core::accessors!();

    /// The user whose number the token begins with. `users/me` has no more than numbers.
    async fn read_profile(&self, client: &OAuth2, token: &OAuth2Token) -> Result<Value> {
        let operation = Operation::GET_PROFILE;
        let access_token = token.access_token();
        let number = access_token.split_once('.').map(|(number, _)| number);
        let number = number.filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        let Some(number) = number.filter(|number| !number.is_empty()) else {
            let problem = "the access token does not begin with a user's number and a dot, as Etsy's do";
            return Err(Error::configuration(SPEC.name, problem).during(operation));
        };
        let Some(secret) = client.reveal_client_secret(operation).await? else {
            let problem = "Etsy's API wants the shared secret beside the keystring; give it to the client";
            return Err(Error::configuration(SPEC.name, problem).during(operation));
        };
        let url = format!("{}/{number}", client.profile_endpoint()?);
        let key = format!("{}:{}", client.client_id(), secret.expose());
        let request = client.request(operation, Method::GET, url).endpoint(Endpoint::Profile);
        let request = request.bearer(access_token).header("x-api-key", &key).hide(secret.expose());
        request.send().await?.object()
    }
}
