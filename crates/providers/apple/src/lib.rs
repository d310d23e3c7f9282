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
//! **Set up.** In the [developer account](https://developer.apple.com/account/resources/identifiers/list), make an App ID with
//! "Sign in with Apple", a Services ID (the client id on the web) with its domains and return URLs, and a key for Sign in with
//! Apple. Return URLs are https, and not `localhost`. To reach relay addresses, register the senders of your mail. Since
//! January 2026 an endpoint for server-to-server notifications ([`AppleSignals`]) must be registered too.
//!
//! **What you get.** The subject is of your team. The address may be a relay that Apple made up for your application, at one of
//! two domains: [`is_relay`] tells. It is verified, but for accounts of Work & School, whose addresses Apple may not verify,
//! and can be missing. There is no profile endpoint: who signed in is said by the ID token, which comes with every token reply
//! and is verified. [`get_identity`](Provider::get_identity) reads it, so call it with the token of the login or of a refresh,
//! before the ID token expires (a day at most). The one that an application on an Apple device obtained itself is verified by
//! [`verify_id_token`](oauth_openid::OpenIDProvider::verify_id_token), with the application's bundle identifier as the client
//! id.
//!
//! **Surprises.** The callback is a POST from Apple's site, because Apple demands that of whoever asks for name or address. A
//! cookie comes with it only if it is `SameSite=None; Secure`. The name comes once, in a form field of the callback of the
//! user's first sign-in: [`AppleUser::from_callback`]. There is no client secret but one that is signed anew for each request,
//! by [`AppleSecret`]. Apple documents no PKCE: the nonce is what ties a code to the browser here.
//!
//! **Signals.** [`AppleSignals`] verifies the server-to-server notifications: consent taken back, account deleted, relay of mail switched
//! on or off.

mod email;
mod secret;
mod signals;
mod signing_key;
mod user;

pub use oauth_core;
use oauth_core::{
    Configure, Endpoint, Error, OAuth2, OAuth2Token, Operation, Pkce, Provider, ProviderConfig, Result, Spec,
    async_trait,
    provider_kit::{AuthorizationSpec, NativeSpec, ProfileSpec},
    serde_json::Value,
};
pub use oauth_openid;
use oauth_openid::{Algorithm, OpenIDProvider, VerificationPolicy};

pub use crate::{
    email::{icloud_addresses, is_relay},
    secret::AppleSecret,
    signals::AppleSignals,
    user::AppleUser,
};

/// Apple's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "apple",
    display_name: "Apple",
    color: "#000000",
    docs: "https://developer.apple.com/documentation/signinwithapplerestapi",
    issuer: Some("https://appleid.apple.com"),
    endpoints: &[
        (Endpoint::Authorization, "https://appleid.apple.com/auth/authorize"),
        (Endpoint::Token, "https://appleid.apple.com/auth/token"),
        (Endpoint::Refresh, "https://appleid.apple.com/auth/token"),
        (Endpoint::Revocation, "https://appleid.apple.com/auth/revoke"),
        (Endpoint::Jwks, "https://appleid.apple.com/auth/keys"),
    ],
    scopes: &["name", "email"],
    authorization: AuthorizationSpec {
        pkce: Pkce::Unsupported,
        params: &[("response_mode", "form_post")],
        ..AuthorizationSpec::RFC6749
    },
    profile: ProfileSpec { name_at: None, picture_at: None, ..ProfileSpec::OPENID },
    native: NativeSpec { loopback_hosts: &[], ..NativeSpec::RFC8252 },
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
        // An ID token comes without the scope `openid` too.
        let policy = || VerificationPolicy::new().algorithms([Algorithm::RS256]).id_token_always();
        Self { oauth2: oauth_openid::client_of(&SPEC, policy, client_id, secret.into()) }
    }
}

impl AppleSignals {
    /// The notifications for this client.
    #[must_use]
    pub fn new(client: &AppleOAuth2) -> Self {
        Self::of(client.oauth2())
    }
}

impl OpenIDProvider for AppleOAuth2 {}

#[async_trait]
impl Provider for AppleOAuth2 {
    oauth_core::accessors!();

    /// There is no such endpoint.
    async fn read_profile(&self, client: &OAuth2, _token: &OAuth2Token) -> Result<Value> {
        let reason = "there is no profile endpoint; use get_identity with the whole token of the login";
        Err(client.unsupported(Operation::GET_PROFILE, reason))
    }
}

/// The settings are `team_id`, `key_id`, and `private_key_file` or `private_key_env`: the file, or the environment variable,
/// that holds the key. There is no `client_secret`.
impl Configure for AppleOAuth2 {
    const PARAMETERS: &'static [&'static str] = &["team_id", "key_id", "private_key_file", "private_key_env"];

    fn from_config(config: &ProviderConfig) -> Result<Self> {
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
        let mut client = Self::new(&*config.client_id, secret);
        client.oauth2 = config.apply_to(client.oauth2);
        Ok(client)
    }
}
