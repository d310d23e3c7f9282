//! Sign in with [Naver](https://developers.naver.com/docs/login/api/api.md).
//!
//! ```
//! use oauth_naver::{NaverOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let naver = NaverOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = naver.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(!login.url.contains("scope="));
//!
//! // The second generation, with an ID token and PKCE.
//! let naver = NaverOAuth2::openid("CLIENT_ID", "CLIENT_SECRET");
//! let login = naver.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.url.contains("scope=openid") && login.url.contains("code_challenge="));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Register an application at <https://developers.naver.com/apps/> with the API "Naver Login", the service's URL, and
//! each callback URL exactly. What the application may see of a user is chosen there, so the first generation sends no scope. Until
//! Naver has reviewed the application, only the accounts that are entered there can sign in.
//!
//! **What you get.** The subject is `id`, which is of the application alone, under the issuer `naver`; with the second generation it
//! is the ID token's `sub` under `https://nid.naver.com`, and nobody says that the two are the same: decide once. The user can
//! withhold any field, the address too; Naver does not say whether it is verified. Access tokens live an hour, and a refresh keeps
//! the refresh token. Revocation takes an access token that has not expired, and ends everything.
//!
//! **Surprises.** Naver wants the `state` again with the code, which a login sends; who calls `get_access_token` by hand passes it as an
//! extra parameter. The first generation documents no PKCE. The ID token of the second holds neither name nor address: `get_identity`
//! reads them from the profile, so it takes the whole token of the login.

pub use oauth_core;
use oauth_core::{
    Configure, Credentials, Email, EmailVerification, Endpoint, Error, Identity, OAuth2, OAuth2Token,
    Operation, Pkce, Provider, ProviderConfig, Result, Spec, async_trait,
    http::Method,
    provider_kit::{
        AuthorizationSpec, ErrorSpec, ProfileSpec, RevocationSpec, TokenPlace, TokenSpec, text_at,
    },
    serde_json::Value,
};
pub use oauth_openid;
use oauth_openid::VerificationPolicy;

/// Naver's endpoints and dialect, the first generation.
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
    authorization: AuthorizationSpec { pkce: Pkce::Unsupported, ..AuthorizationSpec::RFC6749 },
    token: TokenSpec {
        callback_params: &["state"],
        invalid_grant_codes: &["invalid_request"],
        ..TokenSpec::RFC6749
    },
    revocation: RevocationSpec {
        access_tokens_only: true,
        token: TokenPlace::Field("access_token"),
        params: &[("grant_type", "delete"), ("service_provider", "NAVER")],
        ..RevocationSpec::RFC7009
    },
    profile: ProfileSpec {
        name_at: Some("/name"),
        picture_at: Some("/profile_image"),
        ..ProfileSpec::RFC6749
    },
    errors: ErrorSpec {
        failed_at: Some("/resultcode"),
        success: &["00"],
        message_at: Some("/message"),
        ..ErrorSpec::RFC6749
    },
    ..Spec::RFC6749
};

/// Naver's endpoints and dialect of the second generation, with OpenID Connect.
pub const SPEC_OPENID: Spec = Spec {
    issuer: Some("https://nid.naver.com"),
    endpoints: &[
        (Endpoint::Authorization, "https://nid.naver.com/oauth2/authorize"),
        (Endpoint::Token, "https://nid.naver.com/oauth2/token"),
        (Endpoint::Refresh, "https://nid.naver.com/oauth2/token"),
        (Endpoint::Revocation, "https://nid.naver.com/oauth2/token"),
        (Endpoint::Jwks, "https://nid.naver.com/oauth2/jwks"),
        // It is not UserInfo: it has no `sub`. Who signed in is what the ID token says.
        (Endpoint::Other(PROFILE), "https://openapi.naver.com/v1/nid/me"),
    ],
    scopes: &["openid"],
    authorization: AuthorizationSpec::RFC6749,
    profile: ProfileSpec { id_at: "/sub", ..SPEC.profile },
    ..SPEC
};

const PROFILE: &str = "profile";

/// Signs users in with Naver.
#[derive(Clone, Debug)]
pub struct NaverOAuth2 {
    oauth2: OAuth2,
}

impl NaverOAuth2 {
    /// A client with the id and the secret that Naver issued to your application, of the first generation.
    pub fn new(client_id: impl Into<String>, credentials: impl Into<Credentials>) -> Self {
        Self { oauth2: OAuth2::from_spec(&SPEC, client_id, credentials) }
    }

    /// A client of the second generation, with OpenID Connect. Its users are known under another issuer.
    pub fn openid(client_id: impl Into<String>, credentials: impl Into<Credentials>) -> Self {
        // The guide does not speak of a nonce; PKCE ties the code to the browser.
        let policy = || VerificationPolicy::new().openid_always().nonce_may_be_missing();
        Self { oauth2: oauth_openid::client_of(&SPEC_OPENID, policy, client_id.into(), credentials.into()) }
    }

    fn is_openid(&self) -> bool {
        self.oauth2.spec().issuer.is_some()
    }
}

#[async_trait]
impl Provider for NaverOAuth2 {
    oauth_core::accessors!();

    /// The profile without the envelope around it.
    async fn read_profile(&self, client: &OAuth2, token: &OAuth2Token) -> Result<Value> {
        let operation = Operation::GET_PROFILE;
        let url = match self.is_openid() {
            true => client.endpoints().other(PROFILE).map_err(|error| error.at(SPEC.name))?,
            false => client.profile_endpoint()?,
        };
        let reply = client.request(operation, Method::GET, url).bearer(token.access_token()).send().await?;
        match reply.object()?["response"].take() {
            profile @ Value::Object(_) => Ok(profile),
            _ => Err(reply.malformed("there is no object at /response")),
        }
    }

    /// With OpenID Connect, the ID token says who it is, and the profile of the same login what Naver tells of them.
    async fn get_identity(&self, token: &OAuth2Token) -> Result<Identity> {
        let mut identity = self.oauth2.identity(self.get_profile_of(token).await?)?;
        if self.is_openid() {
            let profile = self.get_profile(token.bearer()?).await?;
            identity.email =
                text_at(&profile, "/email").map(|address| Email::new(address, EmailVerification::Unknown));
            identity.name = text_at(&profile, "/name");
            identity.picture = text_at(&profile, "/profile_image");
            identity.profile = profile;
        }
        Ok(identity.without_unusable())
    }
}

/// The setting is `openid`: whether to use the second generation.
impl Configure for NaverOAuth2 {
    const PARAMETERS: &'static [&'static str] = &["openid"];

    fn from_config(config: &ProviderConfig) -> Result<Self> {
        let (client_id, client_secret) = config.credentials(Self::PARAMETERS)?;
        let mut client = match config.parameter("openid").as_deref() {
            None | Some("false") => Self::new(client_id, client_secret),
            Some("true") => Self::openid(client_id, client_secret),
            Some(_) => return Err(Error::configuration(SPEC.name, "openid is true or false")),
        };
        client.oauth2 = config.apply_to(client.oauth2);
        Ok(client)
    }
}
