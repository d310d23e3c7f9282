//! Sign in with [HubSpot](https://developers.hubspot.com/docs/api-reference/latest/authentication/manage-oauth-tokens).
//!
//! ```
//! use oauth_hubspot::{HubSpotAuthorizeParams, HubSpotOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let hubspot = HubSpotOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let params = HubSpotAuthorizeParams { optional_scope: Some("crm.objects.contacts.read".into()) };
//! let login = hubspot.start_login("https://app.example/callback", LoginOptions::new().extras_params(&params)).await?;
//! assert!(login.url.starts_with("https://app.hubspot.com/oauth/authorize?"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create a public app in a [developer account](https://developers.hubspot.com/), enter each redirect URL exactly, and give it the
//! scope `oauth`. Every scope of a sign-in must be among those of the app, and those that the app requires must be asked for.
//!
//! **What you get.** A user installs the app into a HubSpot account; the identity is that user's. The subject is the user's number, and the
//! address is the one by which they sign in; HubSpot does not say whether it is verified, so its verification is unknown. `hub_id` in the
//! profile is the account. There is neither a name nor a picture. Access tokens live half an hour, and a refresh keeps the refresh token.
//! Revocation takes refresh tokens alone.
//!
//! **Surprises.** There is no profile endpoint: the profile is the introspection of the access token, by the client's credentials. What it
//! says of the token itself is taken out. Versions of the API are dates in the path:
//! [`with_api_version`](HubSpotOAuth2::with_api_version). Version 1, which other libraries use, ends on 16 February 2027.
//!
//! Read on 2026-11-23 and 2026-11-29: the vendor's pages and its OpenAPI description.

pub use oauth_core;
use oauth_core::{
    Endpoint, OAuth2, OAuth2Token, OAuthError, Operation, Provider, Result, Spec, async_trait,
    http::Method,
    provider_kit::{ProfileSpec, TokenSpec},
    serde_json::Value,
};

/// HubSpot's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "hubspot",
    display_name: "HubSpot",
    color: "#ff7a59",
    docs: "https://developers.hubspot.com/docs/api-reference/latest/authentication/manage-oauth-tokens",
    parameters: &[("api_version", "2026-03")],
    endpoints: &[
        (Endpoint::Authorization, "https://app.hubspot.com/oauth/authorize"),
        (Endpoint::Token, "https://api.hubapi.com/oauth/{api_version}/token"),
        (Endpoint::Refresh, "https://api.hubapi.com/oauth/{api_version}/token"),
        (Endpoint::Revocation, "https://api.hubapi.com/oauth/{api_version}/token/revoke"),
        (Endpoint::Introspection, "https://api.hubapi.com/oauth/{api_version}/token/introspect"),
        (Endpoint::Profile, "https://api.hubapi.com/oauth/{api_version}/token/introspect"),
    ],
    scopes: &["oauth"],
    // What is in `status` beside the standard's `error`, and alone in replies of older versions.
    token: TokenSpec { invalid_grant_codes: &["BAD_AUTH_CODE", "BAD_REFRESH_TOKEN"], ..TokenSpec::RFC6749 },
    profile: ProfileSpec { id_at: "/user_id", email_at: Some("/user"), ..ProfileSpec::RFC6749 },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with HubSpot.
    pub struct HubSpotOAuth2 from SPEC, configured by { api_version: with_api_version };
}

oauth_core::authorize_params! {
    /// HubSpot's own authorization parameters.
    pub struct HubSpotAuthorizeParams {
        /// Scopes that are granted if the account has them, with spaces between them.
        pub optional_scope: Option<String>,
    }
}

impl HubSpotOAuth2 {
    /// Uses another version of the API, such as `2026-09`.
    ///
    /// # Errors
    ///
    /// A configuration error when the text has no place in a URL.
    pub fn with_api_version(mut self, version: &str) -> Result<Self> {
        self.oauth2 = self.oauth2.with_parameter("api_version", version)?;
        Ok(self)
    }
}

#[async_trait]
impl Provider for HubSpotOAuth2 {
    oauth_core::accessors!();

    /// The introspection of the token, which says whose it is.
    async fn read_profile(&self, client: &OAuth2, token: &OAuth2Token) -> Result<Value> {
        let request = client.request(Operation::GET_PROFILE, Method::POST, client.profile_endpoint()?);
        let form = [("token", token.access_token()), ("token_type_hint", "access_token")];
        let reply = request.form(form).client_auth(client.client_auth()).send().await?;
        let mut profile = reply.object()?;
        if profile["active"] != true {
            let description = Some("the access token is not active".to_owned());
            return Err(reply.refused(OAuthError {
                code: "invalid_token".to_owned(),
                description,
                uri: None,
            }));
        }
        if let Some(members) = profile.as_object_mut() {
            // An identity is stored and logged; a token is not.
            members.retain(|name, _| name != "token" && name != "signed_access_token");
        }
        Ok(profile)
    }
}
