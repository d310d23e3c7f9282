//! Sign in with [LinkedIn](https://learn.microsoft.com/en-us/linkedin/consumer/integrations/self-serve/sign-in-with-linkedin-v2).
//!
//! ```
//! use oauth_linkedin::{LinkedInOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let linkedin = LinkedInOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = linkedin.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(!login.url.contains("code_challenge"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an app in the [portal](https://www.linkedin.com/developers/apps), request the product "Sign In with
//! LinkedIn using OpenID Connect" and enter each authorized redirect URL exactly.
//!
//! **What you get.** The subject is the member's id in this app; `email_verified` says whether LinkedIn has confirmed the
//! address. Refresh tokens are for approved partners, and nothing can be revoked.
//!
//! **Surprises.** LinkedIn refuses a code verifier from ordinary applications, so logins send no challenge, and it does not
//! repeat the nonce in its ID tokens, so one that is missing is tolerated: what ties a code to the browser here is the state.
//! Applications of the retired products reach their two calls by [`get_legacy_profile`](LinkedInOAuth2::get_legacy_profile) and
//! [`get_email`](LinkedInOAuth2::get_email), with [`LEGACY_SCOPES`].

pub use oauth_core;
use oauth_core::{
    Endpoint, Error, Operation, Pkce, Provider, Result, Spec, http::Method, provider_kit::AuthorizationSpec,
    serde_json::Value,
};
pub use oauth_openid;
use oauth_openid::VerificationPolicy;

/// LinkedIn's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "linkedin",
    display_name: "LinkedIn",
    color: "#0a66c2",
    docs: "https://learn.microsoft.com/en-us/linkedin/consumer/integrations/self-serve/sign-in-with-linkedin-v2",
    issuer: Some("https://www.linkedin.com/oauth"),
    endpoints: &[
        (Endpoint::Authorization, "https://www.linkedin.com/oauth/v2/authorization"),
        (Endpoint::Token, "https://www.linkedin.com/oauth/v2/accessToken"),
        (Endpoint::Refresh, "https://www.linkedin.com/oauth/v2/accessToken"),
        (Endpoint::Profile, "https://api.linkedin.com/v2/userinfo"),
        (Endpoint::Jwks, "https://www.linkedin.com/oauth/openid/jwks"),
        (Endpoint::Other("legacy_profile"), "https://api.linkedin.com/v2/me?projection=(id)"),
        (
            Endpoint::Other("legacy_email"),
            "https://api.linkedin.com/v2/emailAddress?q=members&projection=(elements*(handle~))",
        ),
    ],
    // The projections must arrive as they are written here, unescaped.
    scopes: &["openid", "profile", "email"],
    authorization: AuthorizationSpec { pkce: Pkce::Unsupported, ..AuthorizationSpec::RFC6749 },
    ..Spec::OPENID
};

/// The scopes of the products that LinkedIn retired in 2023.
pub const LEGACY_SCOPES: [&str; 3] = ["r_emailaddress", "r_liteprofile", "r_basicprofile"];

/// The method [`LinkedInOAuth2::get_email`], in errors.
pub const GET_EMAIL: Operation = Operation::new("get_email");

oauth_openid::client! {
    /// Signs users in with LinkedIn.
    pub struct LinkedInOAuth2 from SPEC, verified by VerificationPolicy::new().nonce_may_be_missing();
}

impl LinkedInOAuth2 {
    /// The profile of the retired product, which holds the member's `id`.
    ///
    /// # Errors
    ///
    /// Any [`Error`].
    pub async fn get_legacy_profile(&self, access_token: &str) -> Result<Value> {
        self.get(Operation::GET_PROFILE, "legacy_profile", access_token).await
    }

    /// The address of the retired product, at `/elements/0/handle~/emailAddress` (in a JSON pointer, `handle~0`).
    ///
    /// # Errors
    ///
    /// Any [`Error`].
    pub async fn get_email(&self, access_token: &str) -> Result<Value> {
        self.get(GET_EMAIL, "legacy_email", access_token).await
    }

    async fn get(&self, operation: Operation, endpoint: &'static str, access_token: &str) -> Result<Value> {
        let url = self.oauth2.endpoints().other(endpoint).map_err(|error| error.at(SPEC.name))?;
        self.oauth2.request(operation, Method::GET, url).bearer(access_token).send().await?.object()
    }
}

impl Provider for LinkedInOAuth2 {
    oauth_core::accessors!();

    /// LinkedIn calls a code that is spent or too old `invalid_request`, as it does a parameter that is missing.
    fn translate_error(&self, error: Error) -> Error {
        const REFUSED: &str = "Unable to retrieve access token";
        let is_of_code = error.operation() == Operation::GET_ACCESS_TOKEN
            && error.oauth_error().is_some_and(|said| {
                said.code == "invalid_request"
                    && said.description.as_deref().is_some_and(|text| text.starts_with(REFUSED))
            });
        if is_of_code { error.under_code("invalid_grant") } else { error }
    }
}
