//! Sign in with [Apple](https://developer.apple.com/documentation/signinwithapplerestapi).
//!
//! ```no_run
//! use oauth_apple::{AppleOAuth2, AppleSecret, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! let key = std::fs::read_to_string("AuthKey_ABC123DEFG.p8")?;
//! let apple = AppleOAuth2::new("com.example.service", AppleSecret::new("TEAM123456", "ABC123DEFG", &key)?);
//! let login = apple.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.attempt.is_form_post());
//! # Ok(())
//! # }
//! ```
//!
//! **The callback is a POST** from Apple's site, because Apple demands that of whoever asks for name or address. A cookie
//! comes with it only if it is `SameSite=None; Secure`. The redirect URI must be https, and not `localhost`.
//!
//! **The name comes once**, in a form field of the callback of the user's first sign-in: [`AppleUser::from_callback`].
//!
//! **There is no profile endpoint.** Who signed in stands in the ID token, which comes with every token reply:
//! [`get_identity`](Provider::get_identity) reads it, so call it with the token of the login or of a refresh, before the
//! ID token expires (a day at most). Its issuer, audience, expiry and, in a login, its nonce are checked. **Its signature
//! is not checked yet**, so what vouches for it is the TLS connection to Apple itself (OpenID Connect Core section 3.1.3.7
//! item 6 allows that for what comes directly from the token endpoint): never hand over a token that came from elsewhere.
//!
//! The address may be a relay that Apple made up for your application; `is_private_email` in the identity's profile, a
//! boolean or a string, tells. Apple documents no PKCE: the nonce is what ties a code to the browser here.

mod secret;
mod user;

pub use oauth_core;
use oauth_core::{
    AuthorizationRequest, Configure, Error, ErrorKind, Identity, JwtCheck, JwtError, JwtUse, Login,
    LoginAttempt, LoginOptions, OAuth2, OAuth2Token, OffsetDateTime, Operation, Pkce, Provider,
    ProviderConfig, Result, Spec, StartedLogin, async_trait, random_token, same_secret, serde_json::Value,
};

pub use crate::{secret::AppleSecret, user::AppleUser};

/// Apple's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "apple",
    display_name: "Apple",
    color: "#000000",
    docs: "https://developer.apple.com/documentation/signinwithapplerestapi",
    issuer: Some("https://appleid.apple.com"),
    authorize: "https://appleid.apple.com/auth/authorize",
    token: "https://appleid.apple.com/auth/token",
    refresh: Some("https://appleid.apple.com/auth/token"),
    revoke: Some("https://appleid.apple.com/auth/revoke"),
    scopes: &["name", "email"],
    pkce: Pkce::Unsupported,
    authorize_params: &[("response_mode", "form_post")],
    name_at: None,
    picture_at: None,
    ..Spec::OPENID
};

/// Signs users in with Apple.
#[derive(Clone, Debug)]
pub struct AppleOAuth2 {
    oauth2: OAuth2,
}

impl AppleOAuth2 {
    /// A client with the identifier of your service (on the web) or app, and the key that signs its secrets.
    pub fn new(client_id: impl Into<String>, secret: AppleSecret) -> Self {
        let client_id = client_id.into();
        let secret = secret.of_client(&client_id);
        Self { oauth2: OAuth2::from_spec(&SPEC, client_id, secret) }
    }

    /// The ID token's claims, after the checks that need no key (OpenID Connect Core section 3.1.3.7).
    fn claims(&self, operation: Operation, token: &OAuth2Token) -> Result<Value> {
        let Some(id_token) = token.id_token() else {
            let reason = "without an ID token nothing tells who signed in; use get_identity with the whole token of the login";
            return Err(self.oauth2.unsupported(operation, reason));
        };
        let refuse = |check: JwtCheck, reason: &str| Err(self.oauth2.error(operation, failed(check, reason)));
        let Ok(claims) = jsonwebtoken::dangerous::insecure_decode_claims::<Value>(id_token) else {
            return refuse(JwtCheck::Form, "it is no signed JWT");
        };
        // Of the clocks on both sides, one may be a minute late.
        let now = OffsetDateTime::now_utc().unix_timestamp() - 60;
        if claims["iss"].as_str() != self.oauth2.issuer() {
            return refuse(JwtCheck::Issuer, "its issuer is not Apple");
        }
        if claims["aud"].as_str() != Some(self.oauth2.client_id()) {
            return refuse(JwtCheck::Audience, "it was issued to another application");
        }
        if claims["exp"].as_i64().is_none_or(|exp| exp <= now) {
            return refuse(JwtCheck::Expiry, "it has expired; read the identity when the token is fresh");
        }
        Ok(claims)
    }
}

#[async_trait]
impl Provider for AppleOAuth2 {
    oauth_core::accessors!();

    /// Adds a nonce: an ID token comes without the scope `openid` too.
    async fn start_login(&self, redirect_uri: &str, options: LoginOptions) -> Result<StartedLogin> {
        let nonce = random_token().map_err(|error| error.at(self.name().to_owned()))?;
        let attempt = self.oauth2.new_attempt(redirect_uri, &options)?.with_nonce(nonce);
        let url = self.get_authorization_url(self.oauth2.login_request(&attempt, &options)).await?;
        Ok(StartedLogin { url, attempt })
    }

    /// Apple takes a plus sign for itself and not for a space.
    async fn get_authorization_url(&self, request: AuthorizationRequest<'_>) -> Result<String> {
        // A plus sign that means itself stands there as %2B.
        Ok(self.oauth2.get_authorization_url(request).await?.replace('+', "%20"))
    }

    /// The ID token, and its nonce.
    async fn check_login(&self, attempt: &LoginAttempt, login: &Login) -> Result<()> {
        let operation = Operation::FINISH_LOGIN;
        let claims = self.claims(operation, &login.token)?;
        let nonce = claims["nonce"].as_str().unwrap_or_default();
        if attempt.nonce().is_some_and(|expected| same_secret(nonce, expected)) {
            return Ok(());
        }
        let check = "its nonce is not the attempt's: it belongs to another sign-in";
        Err(self.oauth2.error(operation, failed(JwtCheck::Nonce, check)))
    }

    /// There is no such endpoint.
    async fn get_profile(&self, _access_token: &str) -> Result<Value> {
        let reason = "there is no profile endpoint; use get_identity with the whole token of the login";
        Err(self.oauth2.unsupported(Operation::GET_PROFILE, reason))
    }

    /// Reads the ID token.
    async fn get_identity(&self, token: &OAuth2Token) -> Result<Identity> {
        self.oauth2.identity(self.claims(Operation::GET_IDENTITY, token)?)
    }
}

fn failed(check: JwtCheck, reason: &str) -> ErrorKind {
    ErrorKind::Jwt(JwtError { token: JwtUse::IdToken, check, reason: reason.to_owned() })
}

/// The settings are `team_id`, `key_id`, and `private_key_file` or `private_key_env`: the file, or the environment variable,
/// that holds the key. There is no `client_secret`.
#[async_trait]
impl Configure for AppleOAuth2 {
    const PARAMETERS: &'static [&'static str] = &["team_id", "key_id", "private_key_file", "private_key_env"];

    async fn from_config(config: &ProviderConfig) -> Result<Self> {
        config.allow(Self::PARAMETERS)?;
        let wrong = |message: String| Err(Error::configuration(SPEC.name, message));
        if !config.secret()?.is_none() {
            return wrong(
                "Apple issues no client secret; set team_id, key_id and private_key_file".to_owned(),
            );
        }
        let key = match (config.parameter("private_key_file"), config.parameter("private_key_env")) {
            (Some(file), None) => match std::fs::read_to_string(&file) {
                Ok(key) => key,
                Err(cause) => return wrong(format!("the private key file {file}: {cause}")),
            },
            (None, Some(variable)) => match std::env::var(&variable) {
                // Many tools that set variables write a line's end as a backslash and an n.
                Ok(key) => key.replace("\\n", "\n"),
                Err(_) => {
                    return wrong(format!(
                        "the environment variable {variable} holds no private key; set it"
                    ));
                }
            },
            _ => return wrong("set private_key_file or private_key_env, one of the two".to_owned()),
        };
        let secret = AppleSecret::new(config.required("team_id")?, config.required("key_id")?, &key)?;
        Ok(config.applied_to(Self::new(&*config.client_id, secret)))
    }
}
